# %% [markdown]
# # ControlNet
#
# A picture's shape is given by lines and its content by words. A copy of the UNet's encoder reads the lines, and convolutions
# that began at zero let it in.
#
# Of Zhang, Rao & Agrawala 2023 ([arXiv:2302.05543](https://arxiv.org/abs/2302.05543)). The lab plays it in the tab *ControlNet*.

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
    "cv2": "opencv-python-headless",
    "PIL": "pillow",
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
import cv2
import matplotlib.pyplot as plt
import numpy as np
import torch
from diffusers import ControlNetModel, DDIMScheduler, StableDiffusionPipeline
from PIL import Image, ImageDraw

# %% [markdown]
# ## The model and its control
#
# **For Stable Diffusion change the first line** to
# `MODEL, CONTROL = "stable-diffusion-v1-5/stable-diffusion-v1-5", "lllyasviel/control_v11p_sd15_canny"`.

# %%
MODEL, CONTROL = "assets/models/text-to-image", "assets/models/controlnet-edges"
STEPS, SCALE, SEED = (8 if QUICK else 25), 3.0, 2

torch.set_grad_enabled(False)
pipe = StableDiffusionPipeline.from_pretrained(MODEL)
pipe.scheduler = DDIMScheduler.from_config(pipe.scheduler.config, timestep_spacing="trailing", clip_sample=False)
control = ControlNetModel.from_pretrained(CONTROL)
shape = (1, pipe.unet.config.in_channels, pipe.unet.config.sample_size, pipe.unet.config.sample_size)
side = pipe.unet.config.sample_size * 2 ** (len(pipe.vae.config.block_out_channels) - 1)


def show(pictures, titles=(), columns=6):
    """Arrays or tensors (3, height, width) in [-1, 1], in rows."""
    count = -(-len(pictures) // columns)
    _, axes = plt.subplots(count, columns, figsize=(1.6 * columns, 1.8 * count), squeeze=False)
    for axis in axes.flat:
        axis.axis("off")
    for k, x in enumerate(pictures):
        axes.flat[k].imshow((x + 1).permute(1, 2, 0) / 2)
        axes.flat[k].set_title(titles[k] if k < len(titles) else "", fontsize=8)
    plt.show()


# %% [markdown]
# ## Lines
#
# Canny's edges of a picture, white on black, or lines drawn by hand: the network was trained on the first and takes the second, too.

# %%
fox = np.array(Image.open("assets/images/fox-3d.png").convert("RGB").resize((side, side), Image.LANCZOS))
edges = cv2.Canny(fox, 80, 160)
drawn = Image.new("L", (side, side))
pen, unit = ImageDraw.Draw(drawn), side / 64
pen.ellipse([10 * unit, 16 * unit, 54 * unit, 58 * unit], outline=255, width=max(1, round(unit)))
pen.line([32 * unit, 16 * unit, 36 * unit, 5 * unit], fill=255, width=max(1, round(unit)))


def as_map(grey):
    """(1, 3, side, side) in [0, 1]."""
    return torch.from_numpy(np.array(grey)).float()[None, None].expand(1, 3, -1, -1) / 255


maps = {"edges of a fox": as_map(edges), "a circle with a stem": as_map(drawn)}
show(
    [torch.from_numpy(fox).permute(2, 0, 1) / 127.5 - 1, *(2 * one[0] - 1 for one in maps.values())], ["the fox", *maps]
)

# %% [markdown]
# ## Zero convolutions
#
# With a block $\mathcal F$ of the UNet, a copy $\Theta_c$ of its weights and two convolutions $\mathcal Z$ of one pixel (equation 2),
#
# $$y_c = \mathcal F(x; \Theta) + \mathcal Z\big(\mathcal F(x + \mathcal Z(c; \Theta_{z1}); \Theta_c); \Theta_{z2}\big).$$
#
# Their weights begin at zero, so a new ControlNet adds nothing and the model draws as before. Still they learn: with
# $y = w z + b$ and $w = 0$ the gradient $\partial L/\partial w = z\,\partial L/\partial y$ is not zero where $z$ is not.

# %%
widths = control.config.conditioning_embedding_out_channels  # as many halvings as the autoencoder has
new = ControlNetModel.from_unet(pipe.unet, conditioning_embedding_out_channels=widths)
x, words = (
    torch.randn(shape, generator=torch.Generator().manual_seed(0)),
    torch.randn(1, 8, pipe.unet.config.cross_attention_dim),
)
down, middle = new(x, 500, words, maps["edges of a fox"], return_dict=False)
print("a new one adds at most", max(float(one.abs().max()) for one in (*down, middle)))
assert all(not one.any() for one in (*down, middle))
with torch.enable_grad():
    down, middle = new(x, 500, words, maps["edges of a fox"], return_dict=False)
    sum(one.square().sum() + one.sum() for one in (*down, middle)).backward()
gradient = new.controlnet_mid_block.weight.grad
print("and the gradient of its last convolution has the length", float(gradient.norm()))
assert gradient.norm() > 0
down, middle = control(x, 500, words, maps["edges of a fox"], return_dict=False)
print("the trained one adds up to", max(float(one.abs().max()) for one in (*down, middle)))

# %% [markdown]
# ## Drawn under control
#
# What the ControlNet finds is added to the UNet's skips and to its middle, in every step, times a strength $s$:
#
# $$h_k \leftarrow h_k + s\,\mathcal Z_k\big(\mathcal F_k(x_t, t, c_{\text{words}}, c_{\text{lines}})\big).$$


# %%
def read(prompt):
    """The text encoder's last hidden states."""
    tokens = pipe.tokenizer(
        prompt,
        padding="max_length",
        max_length=pipe.tokenizer.model_max_length,
        truncation=True,
        return_tensors="pt",
    )
    return pipe.text_encoder(tokens.input_ids)[0]


def sample(prompt, hint, strength=1.0, part=(0.0, 1.0), seed=SEED):
    """A picture (3, height, width) in [-1, 1]; the control acts in a part of the steps."""
    pipe.scheduler.set_timesteps(STEPS)
    x, both = torch.randn(shape, generator=torch.Generator().manual_seed(seed)), torch.cat([read(""), read(prompt)])
    for i, t in enumerate(pipe.scheduler.timesteps):
        rows, added = x.expand(2, -1, -1, -1), {}
        if part[0] <= i / STEPS < part[1]:
            down, middle = control(rows, t, both, hint, conditioning_scale=strength, return_dict=False)
            added = {"down_block_additional_residuals": down, "mid_block_additional_residual": middle}
        without, with_words = pipe.unet(rows, t, both, **added).sample.chunk(2)
        x = pipe.scheduler.step(without + SCALE * (with_words - without), t, x).prev_sample
    return pipe.vae.decode(x / pipe.vae.config.scaling_factor).sample[0].clamp(-1, 1)


prompts = ("fox, 3D style", "cat, flat style", "red apple, 3D style")
show(
    [sample(prompt, hint) for hint in maps.values() for prompt in prompts],
    [prompt.partition(",")[0] for _ in maps for prompt in prompts],
    3,
)

# %% [markdown]
# ## How much, and when
#
# By strength from nothing to too much; then with the control in one half of the steps alone.

# %%
strengths = (0, 0.3, 0.6, 1, 1.5)
hint = maps["a circle with a stem"]
drawn_by_strength = [sample("red apple, 3D style", hint, one) for one in strengths]
show(drawn_by_strength, [f"strength {one}" for one in strengths], 5)
halves = {"nowhere": (0, 0), "first half": (0, 0.5), "second half": (0.5, 1), "everywhere": (0, 1)}
show([sample("red apple, 3D style", hint, part=part) for part in halves.values()], list(halves), 4)

# %% [markdown]
# A number beside the eye: how much of the map's lines lies on edges of the picture, to within two pixels of 64.


# %%
def kept(picture, lines):
    """The share of a map's lines that lie near an edge of the picture."""
    pixels = ((picture.permute(1, 2, 0) + 1) * 127.5).round().to(torch.uint8).numpy()
    reach = 2 * round(2 * unit) + 1
    near = cv2.dilate(cv2.Canny(pixels, 80, 160), np.ones((reach, reach), np.uint8)) > 0
    return float(near[np.array(lines) > 0].mean())


shares = [kept(picture, drawn) for picture in drawn_by_strength]
for strength, share in zip(strengths, shares):
    print(f"strength {strength}: {100 * share:.0f} % of the lines are kept")
assert QUICK or shares[3] > shares[0]

# %% [markdown]
# **Try.** Lines of your own, or poses: `CONTROL = "assets/models/controlnet-pose"` reads skeletons, which the lab's tab draws.
