# %% [markdown]
# # Editing
#
# A model that draws can be made to change a picture without being trained anew: by starting in the middle of its way, or by putting
# back what is known after every step.
#
# Of Meng et al. 2021 ([arXiv:2108.01073](https://arxiv.org/abs/2108.01073)), Avrahami et al. 2022
# ([arXiv:2206.02779](https://arxiv.org/abs/2206.02779)) and Lugmayr et al. 2022 ([arXiv:2201.09865](https://arxiv.org/abs/2201.09865)). The lab plays it
# in the tab *Edit*.

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
import matplotlib.pyplot as plt
import numpy as np
import torch
from diffusers import DDIMScheduler, StableDiffusionInpaintPipeline, StableDiffusionPipeline
from PIL import Image

# %% [markdown]
# ## The model
#
# **For Stable Diffusion change the first line** to `MODEL, PAINTER = "stable-diffusion-v1-5/stable-diffusion-v1-5",
# "stable-diffusion-v1-5/stable-diffusion-inpainting"`.

# %%
MODEL, PAINTER = "assets/models/text-to-image", "assets/models/inpainting"
STEPS, SCALE = (10 if QUICK else 30), 4.0

torch.set_grad_enabled(False)
pipe = StableDiffusionPipeline.from_pretrained(MODEL)
scheduler = DDIMScheduler.from_config(pipe.scheduler.config, timestep_spacing="trailing", clip_sample=False)
alpha_bar = scheduler.alphas_cumprod
side = pipe.unet.config.sample_size * 2 ** (len(pipe.vae.config.block_out_channels) - 1)


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


def encode(pixels):
    return pipe.vae.encode(pixels).latent_dist.mean * pipe.vae.config.scaling_factor


def decode(latents):
    return pipe.vae.decode(latents / pipe.vae.config.scaling_factor).sample[0].clamp(-1, 1)


def show(pictures, titles=(), columns=6):
    """Tensors (3, height, width) in [-1, 1], in rows."""
    count = -(-len(pictures) // columns)
    _, axes = plt.subplots(count, columns, figsize=(1.6 * columns, 1.8 * count), squeeze=False)
    for axis in axes.flat:
        axis.axis("off")
    for k, x in enumerate(pictures):
        axes.flat[k].imshow((x + 1).permute(1, 2, 0) / 2)
        axes.flat[k].set_title(titles[k] if k < len(titles) else "", fontsize=8)
    plt.show()


file = Image.open("assets/images/red-apple-glossy.png").convert("RGB").resize((side, side), Image.LANCZOS)
picture = torch.from_numpy(np.array(file)).permute(2, 0, 1)[None].float() / 127.5 - 1
x_0 = encode(picture)
show([picture[0], decode(x_0)], ["the picture", "through the autoencoder"], 2)

# %% [markdown]
# ## SDEdit: from the middle
#
# Noise the picture to a level $t_0$ that hides its details and keeps its layout, and go on from there under other words:
#
# $$x_{t_0} = \sqrt{\bar\alpha_{t_0}}\,x_0 + \sqrt{1-\bar\alpha_{t_0}}\,\epsilon.$$
#
# How far up is a choice between the old picture and the new words.


# %%
def predict(x, t, both):
    """The guided prediction of noise."""
    without, with_words = pipe.unet(x.expand(2, -1, -1, -1), t, both).sample.chunk(2)
    return without + SCALE * (with_words - without)


def sdedit(prompt, strength, seed=0):
    """A picture; of the steps only the last part is taken, as in diffusers' image-to-image pipeline."""
    scheduler.set_timesteps(STEPS)
    timesteps, both = scheduler.timesteps[STEPS - round(STEPS * strength) :], torch.cat([read(""), read(prompt)])
    noise = torch.randn(x_0.shape, generator=torch.Generator().manual_seed(seed))
    x = scheduler.add_noise(x_0, noise, timesteps[:1]) if len(timesteps) else x_0
    for t in timesteps:
        x = scheduler.step(predict(x, t, both), t, x).prev_sample
    return decode(x)


strengths = (0.2, 0.4, 0.6, 0.8, 1.0)
edited = [sdedit("green apple, glossy style", one) for one in strengths]
show(edited, [f"strength {one}" for one in strengths], 5)
away = [float((one - picture[0]).square().mean().sqrt() * 127.5) for one in edited]
print("RMS from the picture, in grey levels:", [round(one, 1) for one in away])
assert away[0] < away[-1]

# %% [markdown]
# ## Filling a hole with a model that never saw one
#
# After every step what lies around the hole is replaced by the given picture, noised to the level that was reached. $m$ is 1 in the hole:
#
# $$x_s \leftarrow m \odot x_s + (1-m) \odot \big(\sqrt{\bar\alpha_s}\,x_0 + \sqrt{1-\bar\alpha_s}\,\epsilon\big).$$

# %%
mask = torch.zeros(1, 1, side, side)
mask[..., side // 8 : 7 * side // 8, side // 2 :] = 1  # the right half
hole = torch.nn.functional.interpolate(mask, x_0.shape[2:])


def level(i):
    """alpha-bar that is reached after step i."""
    return alpha_bar[scheduler.timesteps[i + 1]] if i + 1 < len(scheduler.timesteps) else torch.tensor(1.0)


def fill(prompt, seed=0, harmonised=1):
    """A picture; each step but the last is taken so many times, with noise in between (RePaint with jumps of one step)."""
    generator = torch.Generator().manual_seed(seed)
    scheduler.set_timesteps(STEPS)
    x, both = torch.randn(x_0.shape, generator=generator), torch.cat([read(""), read(prompt)])
    for i, t in enumerate(scheduler.timesteps):
        a, b = alpha_bar[t], level(i)
        for again in range(harmonised if b < 1 else 1):
            if again:  # up again: q(x_t | x_s)
                x = (a / b) ** 0.5 * x + (1 - a / b) ** 0.5 * torch.randn(x.shape, generator=generator)
            drawn = scheduler.step(predict(x, t, both), t, x, eta=1.0, generator=generator).prev_sample
            known = b**0.5 * x_0 + (1 - b) ** 0.5 * torch.randn(x_0.shape, generator=generator)
            x = hole * drawn + (1 - hole) * known
    return decode(x)


seen = picture[0] * (1 - mask[0])
prompt = "red apple, glossy style"
plain = [fill(prompt, seed) for seed in (0, 1)]
repaint = [fill(prompt, seed, harmonised=2 if QUICK else 5) for seed in (0, 1)]
show([seen, *plain, *repaint], ["the hole", "replaced", "replaced", "RePaint", "RePaint"], 5)

# %% [markdown]
# Replacing keeps what is known; what is drawn need not fit it, since each step learns of the surroundings too late. RePaint takes each step
# several times, with noise in between, so that both sides can find together. On this picture both find the other half.
#
# What is known stays, to within what the autoencoder keeps:

# %%
kept = decode(x_0)
column = side // 4
for name, one in (("replaced", plain[0]), ("RePaint", repaint[0])):
    error = float((one - kept)[:, :, :column].square().mean().sqrt() * 127.5)
    print(f"{name}: RMS on the known side, in grey levels: {error:.2f}")
    assert error < 8

# %% [markdown]
# ## A model that was taught to
#
# Five channels more: the mask, and the latents of what is around it (Rombach et al. 2021,
# [arXiv:2112.10752](https://arxiv.org/abs/2112.10752), section 4.5). It sees the surroundings at every step.

# %%
painter = StableDiffusionInpaintPipeline.from_pretrained(PAINTER)
painter.scheduler = DDIMScheduler.from_config(painter.scheduler.config, timestep_spacing="trailing", clip_sample=False)
painter.set_progress_bar_config(disable=True)
print("channels in:", painter.unet.config.in_channels)
drawn = [
    painter(
        one,
        image=file,
        mask_image=Image.fromarray((255 * mask[0, 0]).byte().numpy()),
        height=side,
        width=side,
        num_inference_steps=STEPS,
        guidance_scale=SCALE,
        generator=torch.Generator().manual_seed(1),
    ).images[0]
    for one in (prompt, "green apple, glossy style", "")
]
show(
    [seen, *(torch.from_numpy(np.array(one)).permute(2, 0, 1) / 127.5 - 1 for one in drawn)],
    ["the hole", "red apple", "green apple", "no words"],
    4,
)

# %% [markdown]
# **Try.** A hole of another shape; or paint a patch of colour into the picture before `sdedit`, which is what the paper did.
