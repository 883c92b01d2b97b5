# %% [markdown]
# # Learned variance
#
# A diffusion model is a code for pictures: step by step it says what comes next, and what it leaves open must be sent. How wide it
# thinks each step is decides what that costs.
#
# Of Nichol & Dhariwal 2021 ([arXiv:2102.09672](https://arxiv.org/abs/2102.09672)) and Ho et al. 2020
# ([arXiv:2006.11239](https://arxiv.org/abs/2006.11239)). The lab plays it in the tab *Ledger*.

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
import math

import matplotlib.pyplot as plt
import numpy as np
import torch
from diffusers import DDPMScheduler, UNet2DModel
from PIL import Image

# %% [markdown]
# ## The model
#
# The lab's miniature on pixels: of 32 by 32 of them it predicts $v$ and, in three channels more, a variance. **Another model is one
# line:** `MODEL` may be any folder or hub name of a class-conditional `UNet2DModel` with six channels out. (Stable Diffusion has no learned
# variance; it stands in the notebook *The variational bound*.)

# %%
MODEL = "assets/models/pixel"
torch.set_grad_enabled(False)
unet = UNet2DModel.from_pretrained(MODEL, subfolder="unet")
chain = DDPMScheduler.from_pretrained(MODEL, subfolder="scheduler")
alpha_bar = chain.alphas_cumprod.double().clamp(min=2**-24)
classes = json.loads(Path(MODEL, "classes.json").read_text())  # the last one: of no class
assert unet.config.out_channels == 6 and chain.config.prediction_type == "v_prediction"

# %% [markdown]
# ## Between two bounds
#
# A step back is wide by $\tilde\beta_t$ if the picture is certain and by $\beta_t$ if nothing is known of it. The network says for every value where
# between the two, on a logarithmic scale (equation 15):
#
# $$\sigma^2 = \exp\big(w \log \beta_t + (1-w) \log \tilde\beta_t\big), \qquad
# \tilde\beta_t = \frac{1-\bar\alpha_{t-1}}{1-\bar\alpha_t}\beta_t.$$
#
# The bounds differ by much in the last steps alone, and in few steps everywhere.

# %%
plt.figure(figsize=(7, 2.6))
for count in (1000, 100, 10):
    places = [round(1000 * k / count) - 1 for k in range(1, count + 1)]
    a, b = alpha_bar[places[1:]], alpha_bar[places[:-1]]
    plt.plot(places[1:], (1 - b) / (1 - a), label=f"{count} steps")
plt.xlabel("t")
plt.ylabel("posterior variance over beta")
plt.legend()
plt.show()

# %% [markdown]
# ## What the network says
#
# The share $w$ at three levels of a picture, dark where it is small. At $t = 600$ it is wider inside the object than on the paper around it;
# at lower levels it follows the noise more than anything that one sees.

# %%
with open("assets/pictures/index.csv", encoding="utf-8", newline="") as file:
    rows = [row for row in csv.DictReader(file) if row["split"] == "held-out"]
row = next(row for row in rows if row["group"] == "food-drink")
sheet, (y, x) = Image.open(f"assets/pictures/{row['sheet']}").convert("RGB"), divmod(int(row["cell"]), 32)
picture = sheet.crop((64 * x, 64 * y, 64 * x + 64, 64 * y + 64)).resize((32, 32), Image.BOX)
x_0 = torch.from_numpy(np.array(picture)).permute(2, 0, 1)[None].double() / 127.5 - 1  # (1, 3, 32, 32)
generator = torch.Generator().manual_seed(0)
print("A picture that the model never saw:", row["caption"])


def ask(x_t, t):
    """The guess of x_0 and the share w, (1, 3, 32, 32) each."""
    label = torch.tensor([len(classes) - 1])
    v, w = unet(x_t.float(), torch.tensor(t), class_labels=label).sample.double().chunk(2, 1)
    a = alpha_bar[t]
    return (a**0.5 * x_t - (1 - a) ** 0.5 * v).clamp(-1, 1), (w + 1) / 2


figure, axes = plt.subplots(1, 7, figsize=(12, 2))
axes[0].imshow(picture)
for k, t in enumerate((100, 300, 600)):
    noised = alpha_bar[t] ** 0.5 * x_0 + (1 - alpha_bar[t]) ** 0.5 * torch.randn(x_0.shape, generator=generator)
    guess, w = ask(noised, t)
    axes[2 * k + 1].imshow((guess[0].permute(1, 2, 0) + 1) / 2)
    axes[2 * k + 1].set_title(f"guess, t = {t}", fontsize=8)
    axes[2 * k + 2].imshow(w[0].mean(0), cmap="gray")
    axes[2 * k + 2].set_title("w", fontsize=8)
for axis in axes:
    axis.axis("off")
plt.show()

# %% [markdown]
# ## The bill
#
# Each step costs what it takes to tell the true posterior from the model's step,
#
# $$L_{t-1} = D_{\mathrm{KL}}\big(\mathcal N(\tilde\mu_t, \tilde\beta_t)\,\|\,\mathcal N(\mu_\theta, \sigma^2)\big)
# = \frac12\left(\log\frac{\sigma^2}{\tilde\beta_t} + \frac{\tilde\beta_t + (\tilde\mu_t - \mu_\theta)^2}{\sigma^2} - 1\right),$$
#
# and the last one the mass of each value's bin of grey levels (equation 13 of Ho et al.). The sum, in bits, is at least what a perfect code
# of this model needs.


# %%
def bin_bits(mean, variance):
    """-log2 of the mass on the bin of each byte; black and white take in all beyond."""
    spread = variance**0.5
    above = torch.where(x_0 > 0.999, torch.inf, x_0 + 1 / 255)
    below = torch.where(x_0 < -0.999, -torch.inf, x_0 - 1 / 255)
    mass = torch.special.ndtr((above - mean) / spread) - torch.special.ndtr((below - mean) / spread)
    return -mass.clamp(min=1e-12).log2()


def bill(count, seed=0):
    """The bits of each step, from noise to picture, by variance; the prior's first."""
    generator = torch.Generator().manual_seed(seed)
    places = [round(999 * k / (count - 1)) for k in range(count)]
    a_T = alpha_bar[places[-1]]
    prior = 0.5 * (a_T * x_0**2 - a_T - (1 - a_T).log()).sum() / math.log(2)
    terms = {name: [float(prior)] for name in ("beta", "posterior", "learned")}
    for k in reversed(range(count)):
        t, a = places[k], alpha_bar[places[k]]
        b = alpha_bar[places[k - 1]] if k else torch.tensor(1.0).double()
        x_t = a**0.5 * x_0 + (1 - a) ** 0.5 * torch.randn(x_0.shape, generator=generator).double()
        guess, w = ask(x_t, t)
        beta = 1 - a / b
        posterior = (1 - b) / (1 - a) * beta
        floor = posterior
        if not k:  # the last step's posterior is a point; as in the paper, the one before stands in
            c = alpha_bar[places[1]]
            floor = (1 - a) / (1 - c) * (1 - c / a)
        towards, stays = b**0.5 * beta / (1 - a), (a / b) ** 0.5 * (1 - b) / (1 - a)
        mean = towards * guess + stays * x_t
        widths = {"beta": beta, "posterior": floor, "learned": torch.exp(w * beta.log() + (1 - w) * floor.log())}
        for name, variance in widths.items():
            variance = torch.as_tensor(variance).expand(x_0.shape)
            if k:
                error = (towards * (x_0 - guess)).square()
                cost = 0.5 * ((variance / posterior).log() + (posterior + error) / variance - 1) / math.log(2)
            else:
                cost = bin_bits(mean, variance)
            terms[name].append(float(cost.sum()))
    return terms


counts = (10, 40) if QUICK else (10, 50, 250)
bills = {count: bill(count) for count in counts}
values = x_0.numel()
for count, terms in bills.items():
    print(
        f"{count:4} steps, bits a value:", ", ".join(f"{name} {sum(one) / values:.3f}" for name, one in terms.items())
    )
totals = {count: {name: sum(one) for name, one in terms.items()} for count, terms in bills.items()}
assert totals[counts[-1]]["learned"] < min(totals[counts[-1]][name] for name in ("beta", "posterior"))
assert totals[counts[-1]]["learned"] < totals[counts[0]]["learned"]

# %% [markdown]
# In many steps the learned width costs least, and $\tilde\beta_t$ is the dearer the fewer the steps: it takes the guess for the
# picture. In ten steps the network, too, is surer of itself than it should be, and the widest of the three costs less. Where the bits go:
# hardly any in noise, nearly all in the last steps, which settle what nobody looks at.

# %%
terms = bills[counts[-1]]
plt.figure(figsize=(7, 2.8))
for name, one in terms.items():
    plt.plot(np.linspace(999, 0, len(one)), np.cumsum(one) / values, label=name)
plt.gca().invert_xaxis()
plt.xlabel("t, from noise to picture")
plt.ylabel("bits a value so far")
plt.legend()
plt.show()

# %% [markdown]
# **Try.** A picture of noise or of one grey in the place of `x_0`: which costs more, and why?
