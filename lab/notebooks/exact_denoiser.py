# %% [markdown]
# # The exact denoiser and its samplers
#
# For a finite set of pictures the perfect denoiser is a formula. With it a sampler can be judged by itself: whatever goes wrong is
# the sampler's doing, not a network's.
#
# Of Karras et al. 2022, appendix B.3 ([arXiv:2206.00364](https://arxiv.org/abs/2206.00364)), Ho et al. 2020
# ([arXiv:2006.11239](https://arxiv.org/abs/2006.11239)) and Song et al. 2020 ([arXiv:2010.02502](https://arxiv.org/abs/2010.02502)). The lab plays it
# in the tab *Samplers*.

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

import matplotlib.pyplot as plt
import numpy as np
import torch
from diffusers import DDIMScheduler, EulerDiscreteScheduler
from PIL import Image

# %% [markdown]
# ## The pictures
#
# The lab's own, cut out of their sheets and made half as large. A group of them is enough here.

# %%
GROUP, SIDE = "food-drink", 32
with open("assets/pictures/index.csv", encoding="utf-8", newline="") as file:
    rows = [row for row in csv.DictReader(file) if row["split"] != "held-out" and row["group"] == GROUP]
sheets = {name: Image.open(f"assets/pictures/{name}").convert("RGB") for name in {row["sheet"] for row in rows}}


def cut(row):
    """A picture of a sheet, which has 32 in a row, (3 * SIDE * SIDE,) in [-1, 1]."""
    y, x = divmod(int(row["cell"]), 32)
    cell = sheets[row["sheet"]].crop((64 * x, 64 * y, 64 * x + 64, 64 * y + 64)).resize((SIDE, SIDE), Image.BOX)
    return torch.from_numpy(np.array(cell)).permute(2, 0, 1).flatten().double() / 127.5 - 1


data = torch.stack([cut(row) for row in rows])
print(f"{len(data)} pictures of {data.shape[1]} values")


def show(pictures, titles=(), columns=8):
    """Pictures (n, values) in rows."""
    count = -(-len(pictures) // columns)
    _, axes = plt.subplots(count, columns, figsize=(1.35 * columns, 1.6 * count), squeeze=False)
    for axis in axes.flat:
        axis.axis("off")
    for k, x in enumerate(pictures):
        axes.flat[k].imshow((x.reshape(3, SIDE, SIDE).clamp(-1, 1) + 1).permute(1, 2, 0) / 2)
        axes.flat[k].set_title(titles[k] if k < len(titles) else "", fontsize=8)
    plt.show()


show(data[:16])

# %% [markdown]
# ## What a perfect network would answer
#
# Training asks for the $\hat x_0$ with the least mean square error, which is the mean of all pictures that could have become $x_t$,
# each weighted by how likely it did:
#
# $$\hat x_0(x_t) = \mathbb E[x_0 \mid x_t] = \sum_i w_i x_i, \qquad
# w = \mathrm{softmax}_i\!\left(-\frac{\|x_t - \sqrt{\bar\alpha_t}\,x_i\|^2}{2(1-\bar\alpha_t)}\right).$$

# %%
alpha_bar = torch.cumprod(1 - torch.linspace(1e-4, 0.02, 1000, dtype=torch.float64), 0)


def denoise(x, a):
    """E[x_0 | x_t] of rows of x at level alpha-bar = a."""
    distances = torch.cdist(x, a**0.5 * data).square()
    return torch.softmax(-distances / (2 * (1 - a)), 1) @ data


generator = torch.Generator().manual_seed(1)
noise = torch.randn(1, data.shape[1], generator=generator).double()
levels = [20, 200, 400, 550, 700, 999]
noised = [alpha_bar[t] ** 0.5 * data[7:8] + (1 - alpha_bar[t]) ** 0.5 * noise for t in levels]
show(torch.cat(noised), [f"x_t, t = {t}" for t in levels], 6)
show(torch.cat([denoise(x, alpha_bar[t]) for x, t in zip(noised, levels)]), ["predicted x_0"] * 6, 6)

# %% [markdown]
# While there is little noise only one picture can be meant; at $t = 999$ the answer is the mean of all. In between lies what
# makes a picture.
#
# The same, asked as a score: Tweedie's formula, $\nabla_{x_t} \log q(x_t) = \frac{\sqrt{\bar\alpha_t}\,\hat x_0 - x_t}{1-\bar\alpha_t}$, is the gradient
# of the log-density of the noised set, which automatic differentiation can check.

# %%
x = noised[3].clone().requires_grad_()
a = alpha_bar[levels[3]]
log_density = torch.logsumexp(-torch.cdist(x, a**0.5 * data).square() / (2 * (1 - a)), 1)
(gradient,) = torch.autograd.grad(log_density.sum(), x)
tweedie = (a**0.5 * denoise(noised[3], a) - noised[3]) / (1 - a)
print("largest difference:", float((gradient - tweedie).abs().max()))
assert torch.allclose(gradient, tweedie, atol=1e-6)

# %% [markdown]
# ## Two samplers in one line
#
# DDIM mixes $\hat x_0$ and $\hat\epsilon$ anew for the next level; $\eta$ says how much of the noise is fresh. With $\eta = 1$ it is DDPM
# (equations 12 and 16 of Song et al.):
#
# $$x_s = \sqrt{\bar\alpha_s}\,\hat x_0 + \sqrt{1-\bar\alpha_s-v}\,\hat\epsilon + \sqrt v\,z, \qquad
# v = \eta^2\,\frac{1-\bar\alpha_s}{1-\bar\alpha_t}\Big(1-\frac{\bar\alpha_t}{\bar\alpha_s}\Big).$$


# %%
def sample(steps, eta, seed=0, count=4, keep=None):
    """Pictures (count, values) from noise, in so many steps; `keep` gathers each predicted x_0."""
    generator = torch.Generator().manual_seed(seed)
    x = torch.randn(count, data.shape[1], generator=generator).double()
    timesteps = [round(1000 * i / steps) - 1 for i in range(steps, 0, -1)]
    bars = [*alpha_bar[timesteps], torch.tensor(1.0)]
    for a, b in zip(bars, bars[1:]):
        x_0 = denoise(x, a)
        eps = (x - a**0.5 * x_0) / (1 - a) ** 0.5
        v = eta**2 * (1 - b) / (1 - a) * (1 - a / b)
        x = b**0.5 * x_0 + (1 - b - v).clamp(min=0) ** 0.5 * eps
        if eta:
            x = x + v**0.5 * torch.randn(x.shape, generator=generator).double()
        if keep is not None:
            keep.append(x_0)
    return x


way = []
sample(50, 0.0, keep=way, count=1)
show(torch.cat(way[::4])[:12], [f"step {k}" for k in range(1, 51, 4)], 12)

# %%
counts = (2, 4, 10, 50) if QUICK else (2, 4, 10, 50, 250)
for eta, name in ((0.0, "DDIM"), (1.0, "DDPM")):
    show(
        torch.cat([sample(steps, eta, seed=3, count=2) for steps in counts]),
        [f"{name}, {steps} steps" for steps in counts for _ in range(2)],
        2 * len(counts),
    )

# %% [markdown]
# DDIM draws the same picture whatever the number of steps, once it has a few: the noise decides. DDPM draws anew at every step, so
# another number of steps is another picture. Both end in a copy of one of the set, since that is all that a perfect denoiser knows.

# %%
for eta, name in ((0.0, "DDIM"), (1.0, "DDPM")):
    ends = sample(50, eta, seed=5, count=16)
    nearest = torch.cdist(ends, data).min(1).values / data.shape[1] ** 0.5 * 127.5
    print(f"{name}: RMS to the nearest picture of the set, in grey levels: largest {float(nearest.max()):.3f}")
    assert nearest.max() < 8

# %% [markdown]
# ## Nothing but an ODE
#
# In $\bar x = x_t/\sqrt{\bar\alpha_t}$ and $\sigma_t = \sqrt{(1-\bar\alpha_t)/\bar\alpha_t}$ the step of DDIM is $\bar x_s = \bar x_t + (\sigma_s - \sigma_t)\,\hat\epsilon$: Euler's
# method on $\frac{d\bar x}{d\sigma} = \hat\epsilon$ (section 4.3). diffusers has both, and they draw the same.

# %%
ddim = DDIMScheduler(1000, 1e-4, 0.02, "linear", clip_sample=False, set_alpha_to_one=True, timestep_spacing="trailing")
euler = EulerDiscreteScheduler(1000, 1e-4, 0.02, "linear", timestep_spacing="trailing")
ends = []
for scheduler in (ddim, euler):
    scheduler.set_timesteps(20)
    x = torch.randn(2, data.shape[1], generator=torch.Generator().manual_seed(9)).double()
    x = x * (1 if scheduler is ddim else scheduler.init_noise_sigma * (1 - alpha_bar[999]) ** 0.5)
    for t in scheduler.timesteps:
        x_t, a = scheduler.scale_model_input(x, t), alpha_bar[int(t)]
        eps = (x_t - a**0.5 * denoise(x_t, a)) / (1 - a) ** 0.5
        x = scheduler.step(eps, t, x).prev_sample
    ends.append(x)
show(torch.cat(ends), ["DDIM", "DDIM", "Euler", "Euler"], 4)
difference = float((ends[0] - ends[1]).abs().max())
print(f"largest difference: {difference:.1e} of a range of 2")
assert difference < 1e-3

# %% [markdown]
# **Try.** Replace the denoiser by the lab's network: `assets/models/pixel` is a `UNet2DModel` of the same side, which takes the same $x_t$
# (its schedule is the cosine). For Stable Diffusion in its place see the notebook *Guidance*, where that is one line.
