# %% [markdown]
# # Autoencoders
#
# A picture through a bottleneck and back. What a code must be like so that one can draw from it, what that costs, and how latent
# diffusion gets by with next to no such price.
#
# Of Kingma & Welling 2013 ([arXiv:1312.6114](https://arxiv.org/abs/1312.6114)), Higgins et al. 2017
# ([beta-VAE](https://openreview.net/forum?id=Sy2fzU9gl)) and Rombach et al. 2021 ([arXiv:2112.10752](https://arxiv.org/abs/2112.10752)). The lab
# plays it in the tab *Inside*.

# %%
QUICK = False  # True: less of everything, to try it out

# What is missing is installed, as on a machine of Colab; nothing else is touched.
import importlib.util
import os
import subprocess
import sys
from pathlib import Path

needed = {
    "diffusers": "diffusers",
    "matplotlib": "matplotlib",
    "numpy": "numpy",
    "PIL": "pillow",
    "safetensors": "safetensors",
    "torch": "torch",
}
missing = [package for module, package in needed.items() if importlib.util.find_spec(module) is None]
if missing:
    subprocess.run([sys.executable, "-m", "pip", "install", "--quiet", *missing], check=True)

LAB = Path.cwd()  # the lab's folder or one inside it; name it here if this notebook lies elsewhere
found = [folder for folder in (LAB, *LAB.parents) if (folder / "assets" / "models").is_dir()]
if not found:
    raise FileNotFoundError("This is not Diffusion Lab's folder. Set LAB, above, to the one that has assets in it.")
os.chdir(found[0])

# %%
import csv
import json

import matplotlib.pyplot as plt
import numpy as np
import torch
from diffusers import AutoencoderKL
from PIL import Image
from safetensors.torch import load_file
from torch.nn.functional import conv2d, conv_transpose2d, linear, silu

torch.set_grad_enabled(False)

# %% [markdown]
# ## Six networks that differ in one number
#
# An encoder that tells a Gaussian over codes, a decoder that tells the mean of a Gaussian over pictures; trained on
#
# $$\mathcal L = -\mathbb E_{q(z \mid x)}[\log p(x \mid z)] + \beta\,D_{\mathrm{KL}}\big(q(z \mid x)\,\|\,\mathcal N(0, I)\big),$$
#
# with $\beta$ from 0, an autoencoder that pays nothing for its code, over 1, the variational one, to 16.


# %%
class Network:
    """One of the lab's small autoencoders of 32 px; `scale` is the deviation of p(x | z)."""

    def __init__(self, folder):
        config = json.loads(Path(folder, "config.json").read_text())
        self.weights = load_file(Path(folder, "diffusion_pytorch_model.safetensors"))
        self.halvings, self.latents, self.scale = len(config["channels"]), config["latents"], config["scale"]

    def layer(self, name):
        return self.weights[f"{name}.weight"].float(), self.weights[f"{name}.bias"].float()

    def encode(self, x):
        """Mean and deviation of q(z | x), (n, latents) each."""
        for k in range(self.halvings):
            x = silu(conv2d(x, *self.layer(f"down.{k}"), stride=2, padding=1))
        mean, log_variance = linear(silu(linear(x.flatten(1), *self.layer("to_hidden"))), *self.layer("to_code")).chunk(
            2, 1
        )
        return mean, (log_variance.clamp(-12, 6) / 2).exp()

    def decode(self, z):
        """The mean of p(x | z), (n, 3, 32, 32)."""
        hidden = silu(linear(silu(linear(z, *self.layer("from_code"))), *self.layer("to_map")))
        hidden = hidden.unflatten(1, (-1, 32 >> self.halvings, 32 >> self.halvings))
        for k in range(self.halvings):
            hidden = conv_transpose2d(hidden if k == 0 else silu(hidden), *self.layer(f"up.{k}"), stride=2, padding=1)
        return hidden


BETAS = (0, 1, 2, 4, 8, 16)
networks = {beta: Network(f"assets/models/beta-drawings/drawings-{beta}") for beta in BETAS}

with open("assets/pictures/index.csv", encoding="utf-8", newline="") as file:
    index = [*csv.DictReader(file)]
sheets = {name: Image.open(f"assets/pictures/{name}").convert("RGB") for name in {row["sheet"] for row in index}}


def cut(row):
    """A picture of a sheet, (3, 32, 32) in [-1, 1]."""
    y, x = divmod(int(row["cell"]), 32)
    cell = sheets[row["sheet"]].crop((64 * x, 64 * y, 64 * x + 64, 64 * y + 64)).resize((32, 32), Image.BOX)
    return torch.from_numpy(np.array(cell)).permute(2, 0, 1) / 127.5 - 1


new = [cut(row) for row in index if row["split"] == "held-out"]
known = [cut(row) for row in index if row["split"] != "held-out"]
x, trained = torch.stack(new[:: 4 if QUICK else 1]), torch.stack(known[:: 80 if QUICK else 8])
print(f"{len(x)} pictures that no network has seen, and {len(trained)} that all were trained on")


def show(pictures, titles=(), columns=8):
    """Pictures in rows."""
    count = -(-len(pictures) // columns)
    _, axes = plt.subplots(count, columns, figsize=(1.3 * columns, 1.5 * count), squeeze=False)
    for axis in axes.flat:
        axis.axis("off")
    for k, one in enumerate(pictures):
        axes.flat[k].imshow((one.clamp(-1, 1) + 1).permute(1, 2, 0) / 2)
        axes.flat[k].set_title(titles[k] if k < len(titles) else "", fontsize=8)
    plt.show()


few = x[: 8 * (len(x) // 8) : max(1, len(x) // 8)][:8]
show(few, ["held out"] * 8)
for beta in (0, 1, 16):
    show(networks[beta].decode(networks[beta].encode(few)[0]), [f"back, beta {beta}"] * 8)

# %% [markdown]
# ## Drawing from the prior
#
# What the price buys: codes that fill $\mathcal N(0, I)$, so that a draw from it decodes to some blurred thing. Without it the decoder
# has never seen such a code.

# %%
for beta in (0, 1, 16):
    z = torch.randn(8, networks[beta].latents, generator=torch.Generator().manual_seed(2))
    show(networks[beta].decode(z), [f"drawn, beta {beta}"] * 8)

# %% [markdown]
# ## Rate and distortion
#
# Both terms, measured: nats of the code, in closed form,
#
# $$D_{\mathrm{KL}} = \frac12 \sum_j \big(\mu_j^2 + \sigma_j^2 - 1 - \log \sigma_j^2\big),$$
#
# and how far the picture is that comes back: of pictures that were trained on, and of others.

# %%


def measure(network, pictures):
    """Nats of the code, RMS of what comes back in grey levels, and how many latents carry more than 0.01 nats."""
    mean, deviation = network.encode(pictures)
    kl = 0.5 * (mean**2 + deviation**2 - 1) - deviation.log()  # (pictures, latents)
    z = mean + deviation * torch.randn(mean.shape, generator=torch.Generator().manual_seed(0))
    error = (network.decode(z) - pictures).square().mean().sqrt() * 127.5
    return float(kl.sum(1).mean()), float(error), int((kl.mean(0) > 0.01).sum())


plt.figure(figsize=(6, 2.8))
for name, pictures in (("trained on", trained), ("held out", x)):
    found = {beta: measure(network, pictures) for beta, network in networks.items()}
    for beta, (rate, error, alive) in found.items():
        print(f"{name:10} beta {beta:2}: {rate:7.1f} nats, RMS {error:5.1f} grey levels, {alive} latents alive")
    plt.plot(*zip(*(found[beta][:2] for beta in BETAS[1:])), marker="o", label=name)
    for beta in BETAS[1:]:
        plt.annotate(f"{beta}", found[beta][:2], textcoords="offset points", xytext=(5, 3), fontsize=8)
    assert all(found[low][0] > found[high][0] for low, high in zip(BETAS, BETAS[1:]))
    if pictures is trained:
        assert found[1][1] < found[16][1]
plt.legend()
plt.xlabel("rate: nats of the code")
plt.ylabel("distortion: RMS in grey levels")
plt.show()

# %% [markdown]
# What was trained on comes back the better the more nats it may cost. Of new pictures that holds up to a point: a price also keeps the
# network from learning its pictures by heart.
#
# The closed form against a Monte Carlo estimate of $\mathbb E_q[\log q(z \mid x) - \log p(z)]$, for one picture:

# %%
mean, deviation = networks[1].encode(x[:1])
eps = torch.randn(2_000 if QUICK else 20_000, mean.shape[1], generator=torch.Generator().manual_seed(1))
z = mean + deviation * eps
terms = (0.5 * (z**2 - eps**2) - deviation.log()).sum(1)
closed = float((0.5 * (mean**2 + deviation**2 - 1) - deviation.log()).sum())
error = float(terms.std()) / len(terms) ** 0.5
print(f"closed form {closed:.3f}, drawn {float(terms.mean()):.3f} +- {error:.3f} nats")
assert abs(closed - float(terms.mean())) < 5 * error

# %% [markdown]
# ## The gradient of a draw
#
# To train the encoder, a gradient must pass through a random draw. $z = \mu + \sigma\epsilon$ moves the randomness outside, where nothing depends on
# the parameters (section 2.4). For $f(z) = z^2$ the truth is known: $\mathbb E f = \mu^2 + \sigma^2$, with derivatives $2\mu$ and $2\sigma$.

# %%
with torch.enable_grad():
    mu, sigma = torch.tensor(0.7, requires_grad=True), torch.tensor(0.4, requires_grad=True)
    draws = mu + sigma * torch.randn(100_000, generator=torch.Generator().manual_seed(0))
    draws.square().mean().backward()
print(f"d/d mu {float(mu.grad):.3f} (truth 1.4), d/d sigma {float(sigma.grad):.3f} (truth 0.8)")
assert abs(float(mu.grad) - 1.4) < 0.03 and abs(float(sigma.grad) - 0.8) < 0.03

# %% [markdown]
# ## The autoencoder of latent diffusion
#
# It keeps places: not a vector but a smaller picture of a few channels, under a price of almost nothing. It need not be drawn from, since
# the diffusion model does that. **For Stable Diffusion's change the line** to `MODEL = "stable-diffusion-v1-5/stable-diffusion-v1-5"` and `SIDE = 512`.

# %%
MODEL, SIDE = "assets/models/text-to-image", 64
vae = AutoencoderKL.from_pretrained(MODEL, subfolder="vae")
files = ("fox-3d.png", "coffee.jpg", "sailboat-flat.png", "chelsea.jpg")
pictures = []
for name in files:
    file = Image.open(f"assets/images/{name}").convert("RGB")
    side = min(file.size)
    left, top = (file.width - side) // 2, (file.height - side) // 2
    file = file.crop((left, top, left + side, top + side)).resize((SIDE, SIDE), Image.LANCZOS)
    pictures.append(torch.from_numpy(np.array(file)).permute(2, 0, 1) / 127.5 - 1)
pictures = torch.stack(pictures)
posterior = vae.encode(pictures).latent_dist
back = vae.decode(posterior.mean).sample.clamp(-1, 1)
show([*pictures, *back], [*(name.partition(".")[0] for name in files), *["back"] * 4], 4)
print(f"{pictures[0].numel()} values become {posterior.mean[0].numel()}")
kl = 0.5 * (posterior.mean**2 + posterior.var - 1 - posterior.logvar)
print(
    f"deviation of a latent in q: {float(posterior.std.mean()):.3f} of a spread of {float(posterior.mean.std()):.2f}; {float(kl[0].sum()):.0f} nats"
)

# %%
figure, axes = plt.subplots(1, 5, figsize=(9, 2.1))
axes[0].imshow((pictures[0] + 1).permute(1, 2, 0) / 2)
axes[0].set_title("picture", fontsize=8)
for k in range(4):
    axes[k + 1].imshow(posterior.mean[0, k], cmap="gray")
    axes[k + 1].set_title(f"channel {k + 1}", fontsize=8)
for axis in axes:
    axis.axis("off")
plt.show()

# %% [markdown]
# **Try.** Decode latents halfway between two pictures, here and in a network of the family: which of the two halves is a picture?
