# %% [markdown]
# # Guidance by a classifier, and by CLIP
#
# A model that was never told what to draw is led there by the gradient of another network: one that tells classes of noisy pictures
# apart, or one that compares them with a sentence.
#
# Of Dhariwal & Nichol 2021 ([arXiv:2105.05233](https://arxiv.org/abs/2105.05233)) and Nichol et al. 2021
# ([arXiv:2112.10741](https://arxiv.org/abs/2112.10741)). The lab plays it in the tab *Guidance*.

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
    "transformers": "transformers",
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
from diffusers import DDPMScheduler, UNet2DModel
from diffusers.models.attention_processor import Attention
from PIL import Image
from safetensors.torch import load_file
from transformers import CLIPTextModelWithProjection, CLIPTokenizer

# %% [markdown]
# ## Two networks that see the same noise
#
# The lab's miniature on pixels, of which the class "anything" is used, and a classifier of $x_t$: half a UNet with a pool at its end, trained
# on noised pictures. **Another model is one line**: any folder or hub name of a class-conditional `UNet2DModel` of pixels. (Nobody ships a
# classifier of Stable Diffusion's noisy latents; the last cells show what can be done without one.)

# %%
MODEL = "assets/models/pixel"
torch.set_grad_enabled(False)
unet = UNet2DModel.from_pretrained(MODEL, subfolder="unet")
alpha_bar = DDPMScheduler.from_pretrained(MODEL, subfolder="scheduler").alphas_cumprod.clamp(min=2**-24)
names = json.loads(Path("assets/models/classifier/classes.json").read_text())
anything = unet.config.num_class_embeds - 1


class NoisyEncoder(torch.nn.Module):
    """Half a UNet2DModel that reads x_t at t, an attention pool over its places and a linear head."""

    def __init__(self, folder):
        super().__init__()
        config = json.loads(Path(folder, "config.json").read_text())
        channels = config["channels"]
        whole = UNet2DModel(
            down_block_types=("DownBlock2D",) + ("AttnDownBlock2D",) * (len(channels) - 1),
            up_block_types=("UpBlock2D",) * len(channels),
            block_out_channels=channels,
            layers_per_block=1,
            attention_head_dim=32,
        )
        for part in ("time_proj", "time_embedding", "conv_in", "down_blocks", "mid_block"):
            setattr(self, part, getattr(whole, part))
        self.norm = torch.nn.GroupNorm(32, channels[-1])
        self.pool = Attention(channels[-1], heads=channels[-1] // 32, dim_head=32)
        self.head = torch.nn.Linear(channels[-1], config["outputs"])
        self.load_state_dict(load_file(Path(folder, "diffusion_pytorch_model.safetensors")))

    def forward(self, x_t, t):
        embedding = self.time_embedding(self.time_proj(torch.full((len(x_t),), t)))
        hidden = self.conv_in(x_t)
        for block in self.down_blocks:
            hidden, _ = block(hidden_states=hidden, temb=embedding)
        hidden = self.mid_block(hidden, embedding)
        places = torch.nn.functional.silu(self.norm(hidden)).flatten(2).transpose(1, 2)
        return self.head(self.pool(places.mean(1, keepdim=True), encoder_hidden_states=places)[:, 0])


classifier = NoisyEncoder("assets/models/classifier/classifier").eval()


def show(pictures, titles=(), columns=8):
    """Pictures (n, 3, height, width) in [-1, 1], in rows."""
    count = -(-len(pictures) // columns)
    _, axes = plt.subplots(count, columns, figsize=(1.35 * columns, 1.6 * count), squeeze=False)
    for axis in axes.flat:
        axis.axis("off")
    for k, x in enumerate(pictures):
        axes.flat[k].imshow((x.clamp(-1, 1) + 1).permute(1, 2, 0) / 2)
        axes.flat[k].set_title(titles[k] if k < len(titles) else "", fontsize=8)
    plt.show()


# %% [markdown]
# ## How much can be told from noise
#
# Held-out pictures, noised to each level. What the classifier gets right falls to chance, an eighth, as noise grows; where it guesses its
# gradient says little.

# %%
with open("assets/pictures/index.csv", encoding="utf-8", newline="") as file:
    rows = [row for row in csv.DictReader(file) if row["split"] == "held-out" and row["group"] in names]
rows = rows[:: 8 if QUICK else 2]
sheets = {name: Image.open(f"assets/pictures/{name}").convert("RGB") for name in {row["sheet"] for row in rows}}


def cut(row):
    """A picture of a sheet, (3, 32, 32)."""
    y, x = divmod(int(row["cell"]), 32)
    cell = sheets[row["sheet"]].crop((64 * x, 64 * y, 64 * x + 64, 64 * y + 64)).resize((32, 32), Image.BOX)
    return torch.from_numpy(np.array(cell)).permute(2, 0, 1) / 127.5 - 1


held_out, labels = torch.stack([cut(row) for row in rows]), torch.tensor([names.index(row["group"]) for row in rows])
levels, right = (0, 100, 200, 400, 600, 800, 999), []
generator = torch.Generator().manual_seed(0)
for t in levels:
    a = alpha_bar[t]
    x_t = a**0.5 * held_out + (1 - a) ** 0.5 * torch.randn(held_out.shape, generator=generator)
    right.append(float((classifier(x_t, t).argmax(1) == labels).float().mean()))
plt.figure(figsize=(6, 2.6))
plt.plot(levels, right, marker="o")
plt.axhline(1 / len(names), color="black", linewidth=1)
plt.xlabel("t")
plt.ylabel("share that is right")
plt.ylim(0, 1)
plt.show()
print(f"{len(rows)} pictures; right at t = 0: {right[0]:.2f}, at t = 999: {right[-1]:.2f}")
assert right[0] > 2 / len(names) > right[-1]

# %% [markdown]
# ## Bayes' rule as a force
#
# The score of what is asked for is the score of everything plus a gradient,
#
# $$\nabla_{x_t} \log p(x_t \mid y) = \nabla_{x_t} \log p(x_t) + s\,\nabla_{x_t} \log p(y \mid x_t),$$
#
# and since $\hat\epsilon = -\sqrt{1-\bar\alpha_t}$ times a score, the samplers stay as they are (algorithm 2 of Dhariwal & Nichol):
#
# $$\hat\epsilon \leftarrow \hat\epsilon - \sqrt{1-\bar\alpha_t}\;s\,\nabla_{x_t} \log p_\phi(y \mid x_t).$$


# %%
def log_p_class(x_t, t, wanted):
    """log p(y | x_t) of each row."""
    return classifier(x_t, t).log_softmax(1)[:, wanted]


def gradient(log_p, x_t, t):
    """That of the sum of log p(x_t, t) over rows, in x_t."""
    with torch.enable_grad():
        x = x_t.clone().requires_grad_()
        return torch.autograd.grad(log_p(x, t).sum(), x)[0]


wanted = names.index("food-drink")
x, step = torch.randn(1, 3, 32, 32, generator=generator), torch.randn(1, 3, 32, 32, generator=generator)
slope = (gradient(lambda x, t: log_p_class(x, t, wanted), x, 300) * step).sum()
ends = [log_p_class(x + sign * 1e-2 * step, 300, wanted) for sign in (1, -1)]
print(f"slope along a direction: gradient {float(slope):.4f}, difference {float(ends[0] - ends[1]) / 2e-2:.4f}")
assert abs(float(slope) - float(ends[0] - ends[1]) / 2e-2) < 0.05 * (1 + abs(float(slope)))


# %%
def sample(log_p, scale, label=anything, seed=0, count=6, steps=6 if QUICK else 25):
    """Pictures by DDIM, pulled by the gradient of log p."""
    x = torch.randn(count, 3, 32, 32, generator=torch.Generator().manual_seed(seed))
    timesteps = [round(1000 * i / steps) - 1 for i in range(steps, 0, -1)]
    for t, a, b in zip(timesteps, alpha_bar[timesteps], [*alpha_bar[timesteps[1:]], torch.tensor(1.0)]):
        v = unet(x, torch.tensor(t), class_labels=torch.full((count,), label)).sample[:, :3]
        eps = a**0.5 * v + (1 - a) ** 0.5 * x
        if scale:
            eps = eps - (1 - a) ** 0.5 * scale * gradient(log_p, x, t)
        x_0 = ((x - (1 - a) ** 0.5 * eps) / a**0.5).clamp(-1, 1)
        x = b**0.5 * x_0 + (1 - b) ** 0.5 * (x - a**0.5 * x_0) / (1 - a) ** 0.5
    return x


def towards(wanted):
    return lambda x, t: log_p_class(x, t, wanted)


scales, probabilities = (0, 4) if QUICK else (0, 1, 4, 12), []
for scale in scales:
    pictures = sample(towards(wanted), scale)
    probabilities.append(float(classifier(pictures, 0).softmax(1)[:, wanted].mean()))
    show(pictures, [f"s = {scale}"] * 6, 6)
print(f"p({names[wanted]}) by the classifier itself:", [round(one, 2) for one in probabilities])
assert max(probabilities[1:]) > probabilities[0]

# %% [markdown]
# The classifier is content sooner than we are: what pleases it need not look like food. For comparison the model that is told the class
# itself, without any pull:

# %%
show(sample(None, 0, label=wanted), ["told the class"] * 6, 6)

# %% [markdown]
# ## The same with a sentence
#
# A CLIP whose picture half was trained on noisy pictures scores $x_t$ against a sentence (GLIDE, section 2.4), and its gradient pulls:
#
# $$\log p(c \mid x_t) \approx \tau\,\frac{\langle f(x_t, t), g(c)\rangle}{\|f(x_t, t)\|\,\|g(c)\|}.$$

# %%
eye = NoisyEncoder("assets/models/noised-clip/image_encoder").eval()
tokenizer = CLIPTokenizer.from_pretrained("assets/models/clip", subfolder="tokenizer")
text_encoder = CLIPTextModelWithProjection.from_pretrained("assets/models/clip", subfolder="text_encoder")


def embed(prompt):
    longest = tokenizer.model_max_length
    tokens = tokenizer(prompt, padding="max_length", max_length=longest, truncation=True, return_tensors="pt")
    return text_encoder(tokens.input_ids).text_embeds


def like(prompt):
    caption = embed(prompt)
    return lambda x, t: 20 * torch.cosine_similarity(eye(x, t), caption)


prompt = "red heart"
for scale in (0, 5, 15):
    pictures = sample(like(prompt), scale, seed=1)
    agreement = float(torch.cosine_similarity(eye(pictures, 0), embed(prompt)).mean())
    show(pictures, [f"{prompt}, s = {scale}"] * 6, 6)
    print(f"s = {scale}: cosine with the sentence {agreement:.2f}")

# %% [markdown]
# ## Without a network of noise
#
# Any function of a clean picture will do, if it is asked of predicted $\hat x_0$ (universal guidance, Bansal et al. 2023,
# [arXiv:2302.07121](https://arxiv.org/abs/2302.07121)): the gradient goes through the denoiser. Here a colour.


# %%
def coloured(colour):
    """log p of a mean colour, to within 0.1, of the predicted picture."""
    middle = torch.tensor(colour).view(1, 3)

    def log_p(x, t):
        a = alpha_bar[t]
        v = unet(x, torch.tensor(t), class_labels=torch.full((len(x),), anything)).sample[:, :3]
        x_0 = a**0.5 * x - (1 - a) ** 0.5 * v
        return -((x_0.mean((2, 3)) - middle) / 0.1).square().sum(1) / 2

    return log_p


colours = {"as it comes": None, "red": [0.6, -0.2, -0.2], "blue": [-0.2, 0.0, 0.7]}
drawn = {
    name: sample(colour and coloured(colour), 0.3 if colour else 0, seed=3, count=4) for name, colour in colours.items()
}
show(torch.cat([*drawn.values()]), [name for name in drawn for _ in range(4)], 12)
means = {name: [round(float(one), 2) for one in pictures.mean((0, 2, 3))] for name, pictures in drawn.items()}
print("mean colours:", means)

# %% [markdown]
# **Try.** Pull towards one class and away from another: the sum of two log-probabilities is one, too.
