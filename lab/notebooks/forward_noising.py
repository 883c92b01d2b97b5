# %% [markdown]
# # Forward noising
#
# A picture fades into noise, one step at a time or in one formula. The two are the same, and that one fact makes training
# cheap.
#
# Of Sohl-Dickstein et al. 2015 ([arXiv:1503.03585](https://arxiv.org/abs/1503.03585)) and Ho et al. 2020
# ([arXiv:2006.11239](https://arxiv.org/abs/2006.11239)). The lab plays it in the tab *Forward noising*.

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

import matplotlib.pyplot as plt
import numpy as np
import torch
from diffusers import DDIMScheduler
from PIL import Image

# %% [markdown]
# ## A step, and a thousand of them
#
# A step takes a little of the picture away and adds as little Gaussian noise,
#
# $$q(x_t \mid x_{t-1}) = \mathcal N\big(\sqrt{1-\beta_t}\,x_{t-1},\ \beta_t I\big).$$
#
# Put into each other, the steps are one Gaussian again (equation 4 of Ho et al.):
#
# $$q(x_t \mid x_0) = \mathcal N\big(\sqrt{\bar\alpha_t}\,x_0,\ (1-\bar\alpha_t) I\big), \qquad \bar\alpha_t = \prod_{s=1}^t (1-\beta_s).$$
#
# The betas are a model's own. **The line to change for Stable Diffusion** is the first:
# `MODEL = "stable-diffusion-v1-5/stable-diffusion-v1-5"`. (Its schedule is the same as the miniature's.)

# %%
MODEL = "assets/models/text-to-image"
beta = DDIMScheduler.from_pretrained(MODEL, subfolder="scheduler").betas.double()
alpha_bar = torch.cumprod(1 - beta, 0)

picture = Image.open("assets/images/fox-3d.png").convert("RGB").resize((64, 64), Image.LANCZOS)
x_0 = torch.from_numpy(np.array(picture)).permute(2, 0, 1).double() / 127.5 - 1  # (3, 64, 64) in [-1, 1]

generator = torch.Generator().manual_seed(0)
walked, shown, places = x_0.clone(), [], [0, 50, 150, 300, 500, 750, 999]
for t in range(1000):
    walked = (1 - beta[t]).sqrt() * walked + beta[t].sqrt() * torch.randn(x_0.shape, generator=generator).double()
    if t in places:
        shown.append(walked)
jumped = [
    alpha_bar[t].sqrt() * x_0 + (1 - alpha_bar[t]).sqrt() * torch.randn(x_0.shape, generator=generator).double()
    for t in places
]

# %%
figure, axes = plt.subplots(2, len(places), figsize=(11, 3.4))
for row, pictures, title in zip(axes, (shown, jumped), ("step by step", "in one jump")):
    for axis, x, t in zip(row, pictures, places):
        axis.imshow((x.clamp(-1, 1) + 1).permute(1, 2, 0) / 2)
        axis.set_title(f"{title}\nt = {t}" if t == 0 else f"t = {t}", fontsize=9)
        axis.axis("off")
plt.show()

# %% [markdown]
# The noise differs, the distribution does not. One value, walked very often, has the mean and the variance of the formula to
# within the error of so many draws.

# %%
count, value, t_end = (2_000 if QUICK else 20_000), 0.8, 300
x = torch.full((count,), value, dtype=torch.float64)
for t in range(t_end):
    x = (1 - beta[t]).sqrt() * x + beta[t].sqrt() * torch.randn(count, generator=generator).double()
mean, variance = float(alpha_bar[t_end - 1].sqrt() * value), float(1 - alpha_bar[t_end - 1])
print(f"mean      walked {float(x.mean()):.4f}, formula {mean:.4f}")
print(f"variance  walked {float(x.var()):.4f}, formula {variance:.4f}")
assert abs(float(x.mean()) - mean) < 5 * (variance / count) ** 0.5
assert abs(float(x.var()) - variance) < 5 * variance * (2 / count) ** 0.5

# %% [markdown]
# ## The way back, if the picture were known
#
# Bayes' rule turns a step around. Both factors are Gaussians in $x_{t-1}$, so the result is one
# (equations 6 and 7 of Ho et al.):
#
# $$q(x_{t-1} \mid x_t, x_0) \propto q(x_t \mid x_{t-1})\,q(x_{t-1} \mid x_0) = \mathcal N(\tilde\mu_t, \tilde\beta_t I),$$
#
# $$\tilde\mu_t = \frac{\sqrt{\bar\alpha_{t-1}}\,\beta_t}{1-\bar\alpha_t}x_0 + \frac{\sqrt{1-\beta_t}\,(1-\bar\alpha_{t-1})}{1-\bar\alpha_t}x_t,
# \qquad \tilde\beta_t = \frac{1-\bar\alpha_{t-1}}{1-\bar\alpha_t}\beta_t.$$
#
# The product on a fine grid says whether that is right.

# %%
t, x_t, x_start = 200, 0.3, 0.8
a, b, one = float(alpha_bar[t]), float(alpha_bar[t - 1]), float(beta[t])
grid = np.linspace(-3, 3, 20_001)
product = np.exp(-((x_t - (1 - one) ** 0.5 * grid) ** 2) / (2 * one) - (grid - b**0.5 * x_start) ** 2 / (2 * (1 - b)))
product /= product.sum()
mean, variance = (grid * product).sum(), ((grid - (grid * product).sum()) ** 2 * product).sum()
formula = b**0.5 * one / (1 - a) * x_start + (1 - one) ** 0.5 * (1 - b) / (1 - a) * x_t
print(f"mean      grid {mean:.6f}, formula {formula:.6f}")
print(f"variance  grid {variance:.6f}, formula {(1 - b) / (1 - a) * one:.6f}")
assert abs(mean - formula) < 1e-4 and abs(variance - (1 - b) / (1 - a) * one) < 1e-5

# %% [markdown]
# ## Three schedules
#
# What matters is how much signal there is beside the noise, $\log\mathrm{SNR} = \log\frac{\bar\alpha_t}{1-\bar\alpha_t}$. The linear schedule
# spends its last fifth on pictures that are all but noise; the cosine schedule
# (Nichol & Dhariwal 2021, [arXiv:2102.09672](https://arxiv.org/abs/2102.09672)) does not. No line reaches $-\infty$: a little of the
# picture is left at $t = T$, which Lin et al. 2023 ([arXiv:2305.08891](https://arxiv.org/abs/2305.08891)) mend by moving the last level to zero.

# %%
steps = np.arange(1000)
cosine = np.cos((np.arange(1001) / 1000 + 0.008) / 1.008 * np.pi / 2) ** 2
schedules = {
    "linear": np.cumprod(1 - np.linspace(1e-4, 0.02, 1000)),
    "scaled linear": np.cumprod(1 - np.linspace(0.00085**0.5, 0.012**0.5, 1000) ** 2),
    "cosine": np.cumprod(1 - np.minimum(1 - cosine[1:] / cosine[:-1], 0.999)),
}
figure, axes = plt.subplots(1, 2, figsize=(11, 3.2))
for name, bars in schedules.items():
    axes[0].plot(steps, np.sqrt(bars), label=name)
    axes[1].plot(steps, np.log(bars / (1 - bars)), label=name)
    print(f"{name:14} of the picture is left at the end: {np.sqrt(bars[-1]):.5f}")
axes[0].set(xlabel="t", ylabel=r"$\sqrt{\bar\alpha_t}$")
axes[1].set(xlabel="t", ylabel="log SNR", ylim=(-12, 12))
axes[0].legend()
plt.show()

# %% [markdown]
# ## All pictures end alike
#
# The values of a photograph follow no Gaussian; after a thousand steps they do, whatever they were before. That is what a sampler
# relies on when it begins with noise of its own.

# %%
figure, axes = plt.subplots(1, 4, figsize=(11, 2.4), sharey=True)
for axis, t in zip(axes, (0, 150, 400, 999)):
    x = alpha_bar[t].sqrt() * x_0 + (1 - alpha_bar[t]).sqrt() * torch.randn(x_0.shape, generator=generator).double()
    axis.hist(x.flatten().numpy(), bins=60, range=(-4, 4), density=True)
    axis.plot(grid, np.exp(-(grid**2) / 2) / (2 * np.pi) ** 0.5, color="black", linewidth=1)
    axis.set_title(f"t = {t}", fontsize=9)
plt.show()

# %% [markdown]
# **Try.** Change the picture, or give $\beta$ a constant value: what does $\log\mathrm{SNR}$ look like then?
