"""What the Score tab says of what it shows."""

ABOUT = r"""
**The score** of a density is the gradient of its logarithm: at every place, the way to where data are denser. Of noisy data
it is the way to less noise ([Vincent 2011](https://doi.org/10.1162/NECO_a_00142), [Song & Ermon 2019](https://arxiv.org/abs/1907.05600)).
Here the data are a few points of the plane, each a small Gaussian, so everything is known in closed form at every level.

$$\nabla_{x_t} \log p(x_t) = \frac{\sqrt{\bar\alpha_t}\;\mathbb E[x_0 \mid x_t] - x_t}{1 - \bar\alpha_t} = -\frac{\mathbb E[\epsilon \mid x_t]}{\sqrt{1-\bar\alpha_t}}$$

**One slider.** $x_t = \sqrt{\bar\alpha_t}\,x_0 + \sqrt{1-\bar\alpha_t}\,\epsilon$ at one log-SNR, for density, arrows, particles and the picture
beside them. Lanes of other processes are drawn in the same coordinates, $x_t / \sqrt{\text{signal}^2 + \text{noise}^2}$, in which all processes of one
log-SNR are one.

**Langevin dynamics** follows the score and adds noise. At one low level it never learns how heavy a mode is: between the modes there
is nothing to walk on, so what share each gets is decided by where the particles start. Annealed Langevin begins at a level where the modes
are one cloud, and goes down. Its last level here, as in the paper, has as much noise as the modes are wide: so its clouds are wider.

$$x \leftarrow x + \tfrac{\alpha}{2}\,\nabla_x \log p_\sigma(x) + \sqrt{\alpha}\;z$$

**Learning it.** A small network is shown noisy points and asked for their noise, their score or their velocity: one squared error,
three names. It can be right only where it is shown data. So one low level does not suffice, and many do.

**One step of it.** $q(x_s \mid x_t, x_0)$ of one particle knows the $x_0$ where the particle ends, and is round. The exact $q(x_s \mid x_t)$ does not know, and is no
Gaussian: its mean and spread are drawn. $p_\theta(x_s \mid x_t)$ has the mean that the network guesses and the round spread of the first
([Sohl-Dickstein et al. 2015](https://arxiv.org/abs/1503.03585), [Ho et al. 2020](https://arxiv.org/abs/2006.11239), equations 6 and 7).

**Straight flows.** $x_t = (1-t)\,x_0 + t\,\epsilon$ has straight lines for pairs, and curves for their mean velocity, since lines cross
([Liu et al. 2022](https://arxiv.org/abs/2209.03003), [Lipman et al. 2022](https://arxiv.org/abs/2210.02747)). Reflow takes the pairs that the flow
itself makes. Their lines hardly cross, so their flow is straight, and one step nearly does. Here its velocity is the closed form of 1,280 pairs, each blurred by 0.06.

**Guidance** with perfect scores still is no sampling: the scaled difference belongs to no noisy data, so means move and spreads shrink. (At scale 1 the spread is a few
hundredths short of the data's: the last of the calls is a jump onto the data.)
"""
