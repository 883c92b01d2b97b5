# %% [markdown]
# # unCLIP
#
# First an embedding of a picture, then a picture of the embedding. That makes pictures things that one can add to, mix, and vary.
#
# Of Ramesh et al. 2022 ([arXiv:2204.06125](https://arxiv.org/abs/2204.06125)). The lab plays it in the tab *unCLIP*.

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
import math

import matplotlib.pyplot as plt
import numpy as np
import torch
from diffusers import DDIMScheduler, PriorTransformer, StableUnCLIPImg2ImgPipeline
from PIL import Image
from safetensors.torch import load_file
from torch.nn.functional import gelu, normalize
from transformers import CLIPTextModelWithProjection, CLIPTokenizer

# %% [markdown]
# ## The model
#
# A decoder that is told an embedding of CLIP, and a prior that draws such embeddings for a caption. **For Stable Diffusion's unCLIP change the
# line** to `MODEL = "stabilityai/stable-diffusion-2-1-unclip-small"`. It comes without a prior; the cells that need one say so and pass.

# %%
MODEL = "assets/models/unclip"
STEPS, SCALE = (3 if QUICK else 20), 3.0

torch.set_grad_enabled(False)
pipe = StableUnCLIPImg2ImgPipeline.from_pretrained(MODEL)
scheduler = DDIMScheduler.from_config(pipe.scheduler.config, timestep_spacing="trailing", clip_sample=False)
width = pipe.image_encoder.config.projection_dim
shape = (1, pipe.unet.config.out_channels, pipe.unet.config.sample_size, pipe.unet.config.sample_size)
has_prior = Path(MODEL, "prior").is_dir()
context = {}  # the layers that make an embedding into tokens beside those of the caption (section 2.1), where a model has them
if Path(MODEL, "context").is_dir():
    context = load_file(Path(MODEL, "context", "diffusion_pytorch_model.safetensors"))


def open_picture(name):
    return Image.open(f"assets/images/{name}.png").convert("RGB")


def embed(*pictures):
    """The CLIP's embeddings, (n, width)."""
    pixels = pipe.feature_extractor(images=list(pictures), return_tensors="pt").pixel_values
    return pipe.image_encoder(pixels).image_embeds


def show(pictures, titles=(), columns=8):
    """Tensors (3, height, width) in [-1, 1], in rows."""
    count = -(-len(pictures) // columns)
    _, axes = plt.subplots(count, columns, figsize=(1.35 * columns, 1.6 * count), squeeze=False)
    for axis in axes.flat:
        axis.axis("off")
    for k, x in enumerate(pictures):
        axes.flat[k].imshow((x + 1).permute(1, 2, 0) / 2)
        axes.flat[k].set_title(titles[k] if k < len(titles) else "", fontsize=8)
    plt.show()


def as_tensor(picture):
    return torch.from_numpy(np.array(picture.resize((64, 64), Image.LANCZOS))).permute(2, 0, 1) / 127.5 - 1


# %% [markdown]
# ## The decoder
#
# The embedding, under noise of a level that it is told, is added to the embedding of the timestep; in the paper's model it also becomes a few
# tokens of context. Guidance is by an embedding of zeros:
#
# $$\hat\epsilon = \epsilon_\theta(x_t, 0) + s\,\big(\epsilon_\theta(x_t, z) - \epsilon_\theta(x_t, 0)\big).$$


# %%
def told(z=None, level=0, seed=0):
    """What the UNet is called with; None is no embedding."""
    labels = torch.zeros(1, 2 * width)
    if z is not None:
        noise = torch.randn(1, width, generator=torch.Generator().manual_seed(seed))
        labels = pipe.noise_image_embeddings(z[None], level, noise)
    longest = pipe.tokenizer.model_max_length
    tokens = pipe.tokenizer("", padding="max_length", max_length=longest, truncation=True, return_tensors="pt")
    states = pipe.text_encoder(tokens.input_ids)[0]
    if context:
        x = labels
        for k in (0, 2, 4):
            x = (gelu(x) if k else x) @ context[f"layers.{k}.weight"].float().T + context[f"layers.{k}.bias"].float()
        states = torch.cat([states, x.unflatten(1, (-1, pipe.unet.config.cross_attention_dim))], 1)
    return {"encoder_hidden_states": states, "class_labels": labels}


def decode(z, seed=0, level=0, scale=SCALE):
    """A picture of an embedding."""
    scheduler.set_timesteps(STEPS)
    x = torch.randn(shape, generator=torch.Generator().manual_seed(seed))
    given, nothing = told(z, level), told()
    for t in scheduler.timesteps:
        without, with_z = pipe.unet(x, t, **nothing).sample, pipe.unet(x, t, **given).sample
        x = scheduler.step(without + scale * (with_z - without), t, x).prev_sample
    return pipe.vae.decode(x / pipe.vae.config.scaling_factor).sample[0].clamp(-1, 1)


# %% [markdown]
# ## Variations
#
# One embedding, several seeds: what stays is what CLIP saw, what changes is what it did not look at.

# %%
sources = ("fox-3d", "red-apple-glossy", "sailboat-flat")
z = embed(*(open_picture(name) for name in sources))
for name, one in zip(sources, z):
    show(
        [as_tensor(open_picture(name)), *(decode(one, seed) for seed in range(4))],
        [name, *(f"seed {seed}" for seed in range(4))],
        5,
    )

# %% [markdown]
# How much of the embedding comes through: noise on it, to a level that the decoder is told. At the last level it knows nothing.

# %%
levels = (0, 250, 500, 750, 999)
show([decode(z[0], 1, level) for level in levels], [f"noise level {level}" for level in levels], 5)

# %% [markdown]
# ## Between two pictures
#
# On the sphere the way between two embeddings is an arc (section 3.2):
#
# $$\mathrm{slerp}(a, b; t) = \frac{\sin((1-t)\theta)\,a + \sin(t\theta)\,b}{\sin\theta}, \qquad \cos\theta = \frac{\langle a, b\rangle}{\|a\|\,\|b\|}.$$


# %%
def slerp(a, b, t):
    angle = math.acos(float(torch.dot(normalize(a, dim=0), normalize(b, dim=0)).clamp(-1, 1)))
    return (math.sin((1 - t) * angle) * a + math.sin(t * angle) * b) / math.sin(angle)


middle = slerp(normalize(z[0], dim=0), normalize(z[1], dim=0), 0.5)
print(
    f"length in the middle: on the arc {float(middle.norm()):.3f}, on the line {float((normalize(z[:2], dim=1).mean(0)).norm()):.3f}"
)
assert abs(float(middle.norm()) - 1) < 1e-4
parts = (0, 0.2, 0.4, 0.6, 0.8, 1)
show([decode(slerp(z[0], z[1], part)) for part in parts], [f"t = {part}" for part in parts], 6)

# %% [markdown]
# ## The prior
#
# A caption does not say all that a picture has, so there are many embeddings for it. The prior draws one by diffusion, in a space of so
# few values that the sampler's noise is a single vector. (The miniature's prior hardly makes use of that: see how near two draws are.)
#
# $$p(x \mid y) = \int p(x \mid z)\,p(z \mid y)\,dz.$$

# %%
if has_prior:
    tokenizer = CLIPTokenizer.from_pretrained(MODEL, subfolder="prior_tokenizer")
    encoder = CLIPTextModelWithProjection.from_pretrained(MODEL, subfolder="prior_text_encoder")
    prior = PriorTransformer.from_pretrained(MODEL, subfolder="prior")
    chain = DDIMScheduler.from_pretrained(
        MODEL, subfolder="prior_scheduler", timestep_spacing="trailing", clip_sample=False
    )


def say(text):
    """The CLIP's embedding of a text, its hidden states, and which tokens are the text's."""
    longest = tokenizer.model_max_length
    tokens = tokenizer(text, padding="max_length", max_length=longest, truncation=True, return_tensors="pt")
    output = encoder(tokens.input_ids)
    return output.text_embeds, output.last_hidden_state, tokens.attention_mask.bool()


def draw_embedding(text, seed, scale=2.0):
    """One of the embeddings that a picture with this caption could have."""
    chain.set_timesteps(25)
    given, nothing = say(text), say("")
    x = torch.randn(1, width, generator=torch.Generator().manual_seed(seed))
    for t in chain.timesteps:
        without, with_text = (prior(x, t, *one).predicted_image_embedding for one in (nothing, given))
        x = chain.step(without + scale * (with_text - without), t, x).prev_sample
    return prior.post_process_latents(x)[0]


if has_prior:
    prompt = "red heart"
    drawn = [draw_embedding(prompt, seed) for seed in range(6)]
    show([decode(one, 0) for one in drawn], [f"{prompt}, z {k}" for k in range(6)], 6)
    text, pictures = normalize(say(prompt)[0][0], dim=0), normalize(torch.stack(drawn), dim=1)
    apart = pictures @ pictures.T
    print(f"cosine with the text's own embedding: {float((pictures @ text).mean()):.2f}")
    print(f"cosine of two draws: {float(apart[~torch.eye(6, dtype=torch.bool)].mean()):.2f}")
else:
    print("This model comes without a prior.")

# %% [markdown]
# ## A text difference
#
# Turn a picture's embedding towards what one text says and another does not (section 3.3):
#
# $$z_\theta = \mathrm{slerp}(z, d; \theta), \qquad d = \frac{z_{\text{wanted}} - z_{\text{there}}}{\|z_{\text{wanted}} - z_{\text{there}}\|}.$$

# %%
if has_prior:
    wanted, there = (normalize(say(text)[0][0], dim=0) for text in ("green apple", "red apple"))
    direction = normalize(wanted - there, dim=0)
    turns = (0, 0.15, 0.3, 0.45)
    turned = [z[1].norm() * normalize(slerp(normalize(z[1], dim=0), direction, turn), dim=0) for turn in turns]
    show([decode(one) for one in turned], [f"theta = {turn}" for turn in turns], 4)
    nearer = [float(normalize(one, dim=0) @ direction) for one in turned]
    print("cosine with the difference:", [round(one, 2) for one in nearer])
    assert nearer == sorted(nearer)

# %% [markdown]
# **Try.** Your own picture: `embed(Image.open("...").convert("RGB"))`; or the sum of two differences.
