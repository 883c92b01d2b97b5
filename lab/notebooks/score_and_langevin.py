# %% [markdown]
# # Score and Langevin dynamics on the plane
#
# In two dimensions everything can be seen: the score as arrows, a walk that follows it, why it gets stuck between modes, and how noise
# at many levels helps.
#
# Of Song & Ermon 2019 ([arXiv:1907.05600](https://arxiv.org/abs/1907.05600)), Vincent 2011
# ([doi:10.1162/NECO_a_00142](https://doi.org/10.1162/NECO_a_00142)) and Song et al. 2020 ([arXiv:2011.13456](https://arxiv.org/abs/2011.13456)).
# The lab plays it in the tab *Score*. There is no model to change here: a network is trained below.

# %%
QUICK = False  # True: less of everything, to try it out

# What is missing is installed, as on a machine of Colab; nothing else is touched.
import importlib.util
import os
import subprocess
import sys
from pathlib import Path

needed = {
    "matplotlib": "matplotlib",
    "numpy": "numpy",
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
import math

import matplotlib.pyplot as plt
import numpy as np
import torch

# %% [markdown]
# ## Two modes, and their score
#
# A fifth of the data lies on the left, the rest on the right. Under noise of deviation $\sigma$ a mixture of Gaussians stays one, so density
# and score are known at every level:
#
# $$p_\sigma(x) = \sum_i \pi_i\,\mathcal N\big(x; \mu_i, (s^2+\sigma^2) I\big), \qquad
# \nabla_x \log p_\sigma(x) = \sum_i w_i(x)\,\frac{\mu_i - x}{s^2+\sigma^2}, \quad w = \mathrm{softmax}_i \log \pi_i \mathcal N_i.$$

# %%
WEIGHTS, CENTRES, SPREAD = torch.tensor([0.2, 0.8]), torch.tensor([[-2.0, 0.0], [2.0, 0.0]]), 0.35


def log_density(x, sigma):
    """log p_sigma of points (n, 2)."""
    variance = SPREAD**2 + sigma**2
    squares = (x[:, None] - CENTRES).square().sum(2)
    return torch.logsumexp(WEIGHTS.log() - squares / (2 * variance) - math.log(2 * math.pi * variance), 1)


def score(x, sigma):
    """Its gradient, (n, 2)."""
    variance = SPREAD**2 + sigma**2
    w = torch.softmax(WEIGHTS.log() - (x[:, None] - CENTRES).square().sum(2) / (2 * variance), 1)
    return (w @ CENTRES - x) / variance


def share_on_the_left(x):
    return float((x[:, 0] < 0).float().mean())


probe = torch.randn(50, 2, generator=torch.Generator().manual_seed(0)).mul(2).requires_grad_()
(gradient,) = torch.autograd.grad(log_density(probe, 0.5).sum(), probe)
assert torch.allclose(gradient, score(probe, 0.5).detach(), atol=1e-4)

line = torch.linspace(-4, 4, 21)
places = torch.cartesian_prod(line, line / 2)
fine = torch.cartesian_prod(torch.linspace(-4, 4, 160), torch.linspace(-2, 2, 80))
figure, axes = plt.subplots(1, 3, figsize=(12, 2.6), sharey=True)
for axis, sigma in zip(axes, (0.0, 1.0, 3.0)):
    axis.imshow(log_density(fine, sigma).exp().reshape(160, 80).T, extent=(-4, 4, -2, 2), origin="lower", cmap="Blues")
    arrows = score(places, sigma)
    arrows = arrows / arrows.norm(dim=1, keepdim=True) * arrows.norm(dim=1, keepdim=True).clamp(max=3) / 3
    axis.quiver(*places.T, *arrows.T, color="black", width=0.003)
    axis.set_title(f"sigma = {sigma:g}", fontsize=9)
plt.show()

# %% [markdown]
# ## Langevin dynamics
#
# A step along the score and as much noise as keeps the walk moving (equation 4 of Song & Ermon),
#
# $$x \leftarrow x + \frac h2\,\nabla_x \log p(x) + \sqrt h\,z, \qquad z \sim \mathcal N(0, I),$$
#
# ends in $p$ after long enough. Long enough may be very long: between the modes there is next to nothing, and who starts left stays left.


# %%
def langevin(x, sigma, size, steps, generator):
    """Points after so many steps at one level."""
    for _ in range(steps):
        x = x + size / 2 * score(x, sigma) + size**0.5 * torch.randn(x.shape, generator=generator)
    return x


count = 500 if QUICK else 2000
generator = torch.Generator().manual_seed(1)
start = torch.rand(count, 2, generator=generator) * torch.tensor([8.0, 4.0]) - torch.tensor([4.0, 2.0])
plain = langevin(start, 0.0, 0.02, 300, generator)
print(f"on the left: {100 * share_on_the_left(plain):.0f} % of the points, and 20 % of the data")
assert share_on_the_left(plain) > 0.4

# %% [markdown]
# ## Annealed
#
# Under much noise the modes are one hill, and a walk finds the right side in a few steps. So the level falls slowly, and the step with
# it, $h \propto \sigma^2$ (algorithm 1).

# %%
x = start * 3
for sigma in np.geomspace(5, 0.02, 40):
    x = langevin(x, float(sigma), 0.15 * float(sigma**2 + SPREAD**2), 15, generator)
print(f"on the left: {100 * share_on_the_left(x):.1f} % of the points, and 20 % of the data")
assert abs(share_on_the_left(x) - 0.2) < 0.08
figure, axes = plt.subplots(1, 3, figsize=(12, 2.6), sharey=True)
for axis, points, title in zip(axes, (start, plain, x), ("start", "Langevin at one level", "annealed")):
    axis.scatter(*points.T, s=2, alpha=0.4)
    axis.set(title=title, xlim=(-4, 4), ylim=(-2, 2))
plt.show()

# %% [markdown]
# ## The score from data alone
#
# Nobody knows the score of pictures. But for noised data it can be regressed on: with $x = x_0 + \sigma\epsilon$ the best answer to
# "where did the noise come from" is the score (denoising score matching, Vincent 2011):
#
# $$\arg\min_{s_\theta} \mathbb E\,\Big\|s_\theta(x, \sigma) + \frac{\epsilon}{\sigma}\Big\|^2 = \nabla_x \log p_\sigma(x).$$
#
# A small network, trained on draws, beside the formula that it has never seen:

# %%
torch.manual_seed(0)
network = torch.nn.Sequential(
    torch.nn.Linear(3, 128), torch.nn.SiLU(), torch.nn.Linear(128, 128), torch.nn.SiLU(), torch.nn.Linear(128, 2)
)


def learned(x, sigma):
    """The network's score; what it predicts is the noise, scaled."""
    level = torch.as_tensor(sigma).expand(len(x), 1) if torch.as_tensor(sigma).ndim == 0 else sigma
    return -network(torch.cat([x / (1 + level**2) ** 0.5, level.log()], 1)) / level


optimizer = torch.optim.Adam(network.parameters(), 3e-3)
updates, losses = (400 if QUICK else 3000), []
schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, updates)
for _ in range(updates):
    chosen = torch.multinomial(WEIGHTS, 512, replacement=True)
    x_0 = CENTRES[chosen] + SPREAD * torch.randn(512, 2)
    sigma, eps = torch.exp(torch.empty(512, 1).uniform_(math.log(0.05), math.log(6))), torch.randn(512, 2)
    loss = (sigma * learned(x_0 + sigma * eps, sigma) + eps).square().mean()  # weighted by sigma^2
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    schedule.step()
    losses.append(loss.item())

torch.set_grad_enabled(False)
figure, axes = plt.subplots(1, 2, figsize=(12, 2.8), sharey=True)
for axis, field, title in zip(axes, (score, learned), ("the formula, sigma = 1", "learned, sigma = 1")):
    axis.quiver(*places.T, *field(places, torch.tensor(1.0)).T, width=0.003)
    axis.set_title(title, fontsize=9)
plt.show()
x = CENTRES[torch.multinomial(WEIGHTS, 2000, replacement=True)] + (SPREAD**2 + 1) ** 0.5 * torch.randn(2000, 2)
truth, answer = score(x, 1.0), learned(x, torch.tensor(1.0))
error = float((truth - answer).square().sum(1).mean() / truth.square().sum(1).mean())
print(f"of the score's square the network misses {100 * error:.1f} %")
assert error < (0.3 if QUICK else 0.05)

# %% [markdown]
# ## The reverse SDE and its ODE
#
# With many small levels annealing becomes a differential equation (Song et al. 2020). When noise grows as $dx = \sqrt{d\sigma^2/dt}\,dw$, both
#
# $$dx = -\frac{d\sigma^2}{dt} \nabla_x \log p_\sigma\,dt + \sqrt{\frac{d\sigma^2}{dt}}\,d\bar w \qquad\text{and}\qquad
# dx = -\frac12 \frac{d\sigma^2}{dt} \nabla_x \log p_\sigma\,dt$$
#
# run it backwards, the first as a walk, the second on smooth paths that never cross in the plane. Both end with about a fifth on the left.

# %%
sigmas = [float(one) for one in np.geomspace(8, 0.01, 60 if QUICK else 200)]
figure, axes = plt.subplots(1, 2, figsize=(12, 3), sharey=True)
for axis, noisy in zip(axes, (True, False)):
    generator = torch.Generator().manual_seed(2)
    x = sigmas[0] * torch.randn(count, 2, generator=generator)
    paths = [x[:25]]
    for now, after in zip(sigmas, sigmas[1:]):
        drop = now**2 - after**2
        x = x + (drop if noisy else drop / 2) * score(x, now)
        if noisy:
            x = x + drop**0.5 * torch.randn(x.shape, generator=generator)
        paths.append(x[:25])
    lines = torch.stack(paths)[:, :, 0]
    axis.plot(np.log10(sigmas), lines, linewidth=0.7)
    axis.invert_xaxis()
    axis.set(xlabel="log10 sigma", ylabel="first coordinate", ylim=(-8, 8), title="reverse SDE" if noisy else "its ODE")
    print(f"{'SDE' if noisy else 'ODE'}: {100 * share_on_the_left(x):.1f} % on the left")
    assert abs(share_on_the_left(x) - 0.2) < 0.06
plt.show()

# %% [markdown]
# **Try.** Replace `score` by `learned` in the last cells, or put a third centre somewhere.
