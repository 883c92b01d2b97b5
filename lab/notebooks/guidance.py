# %% [markdown]
# # Guidance
#
# A text-to-image model follows its words better if the difference that they make is stretched. What that does to the prediction, to
# the picture and to its contrast, step by step.
#
# Of Ho & Salimans 2022 ([arXiv:2207.12598](https://arxiv.org/abs/2207.12598)) and Lin et al. 2023
# ([arXiv:2305.08891](https://arxiv.org/abs/2305.08891)). The lab plays it in the tab *Guidance*.

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
from diffusers import DDIMScheduler, StableDiffusionPipeline

# %% [markdown]
# ## The model
#
# The lab's miniature, which draws pictures of 64 pixels. **For Stable Diffusion change the first line** to
# `MODEL = "stable-diffusion-v1-5/stable-diffusion-v1-5"`; everything below goes on as it is, on a GPU in minutes.

# %%
MODEL = "assets/models/text-to-image"
PROMPT, STEPS, SEEDS = "red apple, 3D style", (4 if QUICK else 20), (1, 4)

torch.set_grad_enabled(False)
pipe = StableDiffusionPipeline.from_pretrained(MODEL)
pipe.scheduler = DDIMScheduler.from_config(pipe.scheduler.config, timestep_spacing="trailing", clip_sample=False)
pipe.set_progress_bar_config(disable=True)
shape = (1, pipe.unet.config.in_channels, pipe.unet.config.sample_size, pipe.unet.config.sample_size)


def read(prompt):
    """The text encoder's last hidden states, (1, tokens, width)."""
    tokens = pipe.tokenizer(
        prompt,
        padding="max_length",
        max_length=pipe.tokenizer.model_max_length,
        truncation=True,
        return_tensors="pt",
    )
    return pipe.text_encoder(tokens.input_ids)[0]


def decode(latents):
    """Pictures (n, 3, height, width) in [-1, 1]."""
    return pipe.vae.decode(latents / pipe.vae.config.scaling_factor).sample.clamp(-1, 1)


def show(pictures, titles=(), columns=8):
    """Pictures in rows."""
    count = -(-len(pictures) // columns)
    _, axes = plt.subplots(count, columns, figsize=(1.35 * columns, 1.6 * count), squeeze=False)
    for axis in axes.flat:
        axis.axis("off")
    for k, x in enumerate(pictures):
        axes.flat[k].imshow((x + 1).permute(1, 2, 0) / 2)
        axes.flat[k].set_title(titles[k] if k < len(titles) else "", fontsize=8)
    plt.show()


# %% [markdown]
# ## Where the formula comes from
#
# A classifier would pull the score by $\nabla_{x_t} \log p(c \mid x_t)$. Bayes' rule says what that is without one:
#
# $$\nabla_{x_t} \log p(c \mid x_t) = \nabla_{x_t} \log p(x_t \mid c) - \nabla_{x_t} \log p(x_t).$$
#
# A network that has at times been trained with empty words knows both scores. In its $\hat\epsilon$, which is the score times
# $-\sqrt{1-\bar\alpha_t}$, a pull of strength $s - 1$ beside the conditional score reads (equation 6)
#
# $$\hat\epsilon = \epsilon_\theta(x_t) + s\,\big(\epsilon_\theta(x_t, c) - \epsilon_\theta(x_t)\big).$$
#
# At $s = 0$ that is the model without words, at $s = 1$ the plain conditional one.


# %%
def sample(scale, seed, rescale=0.0, interval=(0.0, 1.0), keep=None):
    """Latents of a picture; guided in the part of the steps that `interval` says, conditional in the others."""
    pipe.scheduler.set_timesteps(STEPS)
    x, both = torch.randn(shape, generator=torch.Generator().manual_seed(seed)), torch.cat([read(""), read(PROMPT)])
    for i, t in enumerate(pipe.scheduler.timesteps):
        without, with_words = pipe.unet(x.expand(2, -1, -1, -1), t, both).sample.chunk(2)
        s = scale if interval[0] <= i / STEPS < interval[1] else 1.0
        eps = without + s * (with_words - without)
        if rescale:  # Lin et al. 2023, section 3.4
            eps = rescale * eps * with_words.std() / eps.std() + (1 - rescale) * eps
        if keep is not None:
            keep.append((t, x, without, with_words))
        x = pipe.scheduler.step(eps, t, x).prev_sample
    return x


scales = (1, 4) if QUICK else (0, 1, 2, 4, 8, 15)
pictures = {scale: [decode(sample(scale, seed))[0] for seed in SEEDS] for scale in scales}
show(
    [pictures[scale][k] for k in range(len(SEEDS)) for scale in scales],
    [f"s = {scale}" for scale in scales],
    len(scales),
)

# %% [markdown]
# The pipeline of diffusers does the same sum: from the same noise it draws the same latents.

# %%
start = torch.randn(shape, generator=torch.Generator().manual_seed(SEEDS[0]))
theirs = pipe(PROMPT, num_inference_steps=STEPS, guidance_scale=4.0, latents=start, output_type="latent").images
ours = sample(4.0, SEEDS[0])
print("largest difference:", float((ours - theirs).abs().max()))
assert torch.allclose(ours, theirs, atol=1e-3)

# %% [markdown]
# ## What the words do, and when
#
# The length of the difference beside that of the prediction, over the steps; and predicted pictures without words and with them. At
# high noise it is the words that say what there could be at all.

# %%
way = []
sample(4.0, SEEDS[0], keep=way)
share = [float((c - u).norm() / u.norm()) for _, _, u, c in way]
plt.figure(figsize=(7, 2.6))
plt.plot([float(t) for t, *_ in way], share, marker="o", markersize=3)
plt.gca().invert_xaxis()
plt.xlabel("t, from noise to picture")
plt.ylabel("length of the difference")
plt.show()


def guess(x, t, eps):
    """The picture that a prediction means."""
    a = pipe.scheduler.alphas_cumprod[int(t)]
    return decode((x - (1 - a) ** 0.5 * eps) / a**0.5)[0]


few = way[:: max(1, STEPS // 6)][:6]
show(
    [guess(x, t, u) for t, x, u, _ in few] + [guess(x, t, c) for t, x, _, c in few],
    [f"no words, t = {int(t)}" for t, *_ in few] + [f"words, t = {int(t)}" for t, *_ in few],
    len(few),
)

# %% [markdown]
# ## What it costs
#
# Stretching goes beyond what the model was trained on: the values of the latents spread with the scale. Lin et al. scale the guided
# prediction back to the spread of the conditional one (here by 0.7 of the way):
#
# $$\hat\epsilon \leftarrow 0.7\,\hat\epsilon\,\frac{\mathrm{std}(\epsilon_c)}{\mathrm{std}(\hat\epsilon)} + 0.3\,\hat\epsilon.$$

# %%
for scale in (1, 5, 15):
    for rescale in (0.0, 0.7):
        way = []
        end = sample(scale, SEEDS[0], rescale, keep=way)
        guided = [u + scale * (c - u) for *_, u, c in way]
        guided = [rescale * eps * c.std() / eps.std() + (1 - rescale) * eps for eps, (*_, c) in zip(guided, way)]
        ratio = np.mean([float(eps.std() / c.std()) for eps, (*_, c) in zip(guided, way)])
        print(
            f"s = {scale:2}, rescaled by {rescale}: prediction {ratio:.3f} of the conditional one, latents {float(end.std()):.3f}"
        )

# %% [markdown]
# The prediction is brought back, as the formula says. The picture need not follow: in the miniature, which predicts noise, the latents
# spread as before. The paper's models predict $v$ and begin without any signal.
#
# Not every step needs it. Guided in the first, middle or last third alone, plain conditional elsewhere
# (Kynkäänniemi et al. 2024, [arXiv:2404.07724](https://arxiv.org/abs/2404.07724), guide at middle noise levels only):

# %%
parts = {
    "never": (0, 0),
    "first third": (0, 1 / 3),
    "middle": (1 / 3, 2 / 3),
    "last third": (2 / 3, 1),
    "always": (0, 1),
}
show([decode(sample(6.0, SEEDS[0], interval=part))[0] for part in parts.values()], list(parts), len(parts))

# %% [markdown]
# **Try.** Other words, negative scales, or a text in the place of the empty one, which is what a negative prompt is.
