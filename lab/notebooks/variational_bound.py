# %% [markdown]
# # The variational bound
#
# Neither a variational autoencoder nor a diffusion model can say how likely a picture is. Both can say a number that it is not below,
# and are trained to raise that. Here the truth is known, so the gap can be seen.
#
# Of Kingma & Welling 2013 ([arXiv:1312.6114](https://arxiv.org/abs/1312.6114)), Burda et al. 2015
# ([arXiv:1509.00519](https://arxiv.org/abs/1509.00519)) and Ho et al. 2020 ([arXiv:2006.11239](https://arxiv.org/abs/2006.11239)). The lab plays the first
# two in the tab *Inside*, the third in *Ledger*.

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
from diffusers import DDPMScheduler

rng = np.random.default_rng(0)
DRAWS = 20_000 if QUICK else 200_000

# %% [markdown]
# ## Jensen
#
# With a code $z$ nobody sees, $p(x) = \int p(x \mid z)\,p(z)\,dz$. For any $q(z \mid x)$ the logarithm of a mean is at least the mean of
# logarithms:
#
# $$\log p(x) = \log \mathbb E_q\!\left[\frac{p(x, z)}{q(z \mid x)}\right] \ge \mathbb E_q\!\left[\log\frac{p(x, z)}{q(z \mid x)}\right]
# = \underbrace{\mathbb E_q[\log p(x \mid z)]}_{\text{comes back}} - \underbrace{D_{\mathrm{KL}}\big(q(z \mid x)\,\|\,p(z)\big)}_{\text{costs}}.$$
#
# What is lost is $D_{\mathrm{KL}}(q(z \mid x)\,\|\,p(z \mid x))$, nothing if $q$ is the true posterior. Take $p(z) = \mathcal N(0, 1)$ and
# $p(x \mid z) = \mathcal N(z, s^2)$: then $p(x) = \mathcal N(0, 1 + s^2)$ and the posterior is a Gaussian, too.

# %%
x, s = 1.2, 0.5


def log_normal(value, mean, variance):
    return -((value - mean) ** 2) / (2 * variance) - 0.5 * np.log(2 * np.pi * variance)


truth = log_normal(x, 0, 1 + s**2)
best_mean, best_variance = x / (1 + s**2), s**2 / (1 + s**2)  # of p(z | x)


def elbo(mean, variance):
    """Both terms in closed form."""
    back = log_normal(x, mean, s**2) - variance / (2 * s**2)
    return back - 0.5 * (mean**2 + variance - 1 - np.log(variance))


def gap(mean, variance):
    """KL(q(z | x), p(z | x)) of two Gaussians."""
    return 0.5 * (np.log(best_variance / variance) + (variance + (mean - best_mean) ** 2) / best_variance - 1)


means = np.linspace(-1, 3, 201)
plt.figure(figsize=(7, 3))
for variance in (0.05, best_variance, 1.0):
    plt.plot(means, elbo(means, variance), label=f"variance {variance:.2f}")
plt.axhline(truth, color="black", linestyle="--", label="log p(x)")
plt.xlabel("mean of q(z | x)")
plt.ylim(-8, 0)
plt.legend()
plt.show()
print(f"log p(x) {truth:.6f}, bound at the true posterior {elbo(best_mean, best_variance):.6f}")
assert np.isclose(elbo(best_mean, best_variance), truth)
assert np.allclose(elbo(means, 0.05) + gap(means, 0.05), truth)

# %% [markdown]
# ## More draws, a tighter bound
#
# Several codes weighed together (Burda et al., equation 8) bound tighter with each, since the mean under the logarithm wavers less:
#
# $$\mathcal L_K = \mathbb E\left[\log\frac1K\sum_{k=1}^K \frac{p(x, z_k)}{q(z_k \mid x)}\right], \qquad
# \mathcal L_1 \le \mathcal L_K \le \mathcal L_{K+1} \le \log p(x).$$

# %%
mean, variance = 0.2, 0.6  # of a q that is off
z = mean + variance**0.5 * rng.standard_normal(DRAWS)
weights = log_normal(x, z, s**2) + log_normal(z, 0, 1) - log_normal(z, mean, variance)
bounds = {}
for count in (1, 2, 5, 20, 100):
    groups = weights[: DRAWS // count * count].reshape(-1, count)
    values = np.logaddexp.reduce(groups, 1) - np.log(count)
    bounds[count] = values.mean()
    print(f"K = {count:3}: {values.mean():.4f} +- {values.std() / len(values) ** 0.5:.4f}")
print(f"log p(x): {truth:.4f}; closed form at K = 1: {elbo(mean, variance):.4f}")
assert abs(bounds[1] - elbo(mean, variance)) < 0.05 and bounds[1] < bounds[5] < bounds[100] < truth + 0.01

# %% [markdown]
# ## A chain of a thousand codes
#
# In a diffusion model $x_1, \dots, x_T$ are the codes, and $q$ is the noise that is added, with nothing to be learned. The same
# bound, its terms sorted by step (equation 5 of Ho et al.):
#
# $$-\log p(x_0) \le \underbrace{D_{\mathrm{KL}}(q(x_T \mid x_0)\,\|\,p(x_T))}_{L_T}
# + \sum_{t=2}^T \underbrace{\mathbb E_q\,D_{\mathrm{KL}}\big(q(x_{t-1} \mid x_t, x_0)\,\|\,p_\theta(x_{t-1} \mid x_t)\big)}_{L_{t-1}}
# \underbrace{-\,\mathbb E_q \log p_\theta(x_0 \mid x_1)}_{L_0}.$$
#
# Both distributions of $L_{t-1}$ are Gaussians. With the posterior's variance $\tilde\beta_t$ in both, only their means differ, and these only
# in what stands for $x_0$:
#
# $$L_{t-1} = \frac12\big(\mathrm{SNR}_{t-1} - \mathrm{SNR}_t\big)\,\mathbb E\,\|x_0 - \hat x_0(x_t)\|^2, \qquad
# \mathrm{SNR}_t = \frac{\bar\alpha_t}{1-\bar\alpha_t}.$$
#
# For data $x_0 \sim \mathcal N(m, v)$ the best guess $\hat x_0$ is a line, so every term is a number. The model that it makes is compared with the
# true $\log p(x_0) = \log \mathcal N(x_0; m, v)$.

# %%
m, v = 0.5, 0.3


def bill(alpha_bar, x_0, learned):
    """L_T, the terms L_{t-1} from t = T down, and L_0 of values x_0, in nats; the model's variance may be the best one."""
    a = np.concatenate([[1.0], alpha_bar])  # a[t], t = 0 ... T
    terms = []
    for t in range(len(alpha_bar), 0, -1):
        beta = 1 - a[t] / a[t - 1]
        noise = 1 - a[t]
        x_t = a[t] ** 0.5 * x_0 + noise**0.5 * rng.standard_normal(x_0.shape)
        share = v * a[t] ** 0.5 / (v * a[t] + noise)
        guess = m + share * (x_t - a[t] ** 0.5 * m)  # E[x_0 | x_t]
        uncertain = v * noise / (v * a[t] + noise)  # Var[x_0 | x_t]
        towards = a[t - 1] ** 0.5 * beta / noise  # of x_0 in the posterior's mean
        posterior = (1 - a[t - 1]) / noise * beta
        variance = posterior + towards**2 * uncertain if learned else (posterior if t > 1 else beta)
        if t == 1:
            last = -log_normal(x_0, guess, variance).mean()
        else:
            error = towards**2 * (x_0 - guess) ** 2
            terms.append(0.5 * (np.log(variance / posterior) + (posterior + error) / variance - 1).mean())
    prior = 0.5 * (a[-1] * x_0**2 + (1 - a[-1]) - 1 - np.log(1 - a[-1])).mean()
    return prior, np.array(terms), last


x_0 = m + v**0.5 * rng.standard_normal(DRAWS // 20)
exact = -log_normal(x_0, m, v).mean()
results = {}
for steps in (5, 20, 100) if QUICK else (5, 20, 100, 500):
    noise_rates = np.minimum(np.linspace(1e-4, 0.02, steps) * 1000 / steps, 0.999)
    for learned in (False, True):
        prior, terms, last = bill(np.cumprod(1 - noise_rates), x_0, learned)
        results[steps, learned] = prior + terms.sum() + last
        name = "best variance " if learned else "fixed variance"
        print(
            f"T = {steps:3}, {name}: L_T {prior:.4f} + sum {terms.sum():.4f} + L_0 {last:.4f} = {results[steps, learned]:.4f}"
        )
print(f"-log p(x_0) in truth: {exact:.4f}")
assert all(value > exact - 0.02 for value in results.values())
assert results[100, False] < results[5, False] and abs(results[100, True] - exact) < 0.05

# %% [markdown]
# In few steps the true way back is wider than $\tilde\beta_t$, and a chain that does not know this pays. With the right variance, or
# with ever more steps, the bill comes down to the truth; the notebook *Learned variance* follows that on a picture.
#
# ## From the bound to the loss
#
# Put $\hat\epsilon$ in the place of $\hat x_0$ and the same term reads
#
# $$L_{t-1} = \underbrace{\frac{\beta_t^2}{2\tilde\beta_t(1-\beta_t)(1-\bar\alpha_t)}}_{w_t}\,\mathbb E\,\|\epsilon - \hat\epsilon(x_t)\|^2,$$
#
# and leaving out $w_t$ gives the loss that networks are trained with, $L_{\text{simple}}$ (equation 14). What that does: low noise, where $w_t$ is
# largest, counts less. **To see the weights of Stable Diffusion change the line below** to
# `MODEL = "stable-diffusion-v1-5/stable-diffusion-v1-5"`.

# %%
MODEL = "assets/models/text-to-image"
betas = DDPMScheduler.from_pretrained(MODEL, subfolder="scheduler").betas.double()
bars = torch.cumprod(1 - betas, 0)
before = torch.cat([torch.ones(1), bars[:-1]])
posterior = (1 - before) / (1 - bars) * betas
in_eps = (betas**2 / (2 * posterior * (1 - betas) * (1 - bars)))[1:]
by_snr = 0.5 * (before / (1 - before) - bars / (1 - bars))[1:] * ((1 - bars) / bars)[1:]
assert torch.allclose(in_eps, by_snr)
plt.figure(figsize=(7, 2.8))
plt.semilogy(in_eps, label="the bound")
plt.axhline(1, color="black", linewidth=1, label="L_simple")
plt.xlabel("t")
plt.ylabel("weight of an error of noise")
plt.legend()
plt.show()

# %% [markdown]
# **Try.** Data of another spread than the prior's: set `v = 5` and see what $L_T$ becomes.
