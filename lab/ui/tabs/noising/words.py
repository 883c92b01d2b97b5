"""What the Forward noising tab says of what it shows."""

from lab.catalog import SCHEDULES
from lab.ui.shell import widgets

ABOUT = r"""
**In one jump.** Shrink the picture, add noise: any level can be reached at once
([Ho et al. 2020](https://arxiv.org/abs/2006.11239), equation 4). $\bar\alpha_t$ is the share of the picture in the
variance of $x_t$.

$$q(x_t \mid x_0) = \mathcal N\big(\sqrt{\bar\alpha_t}\,x_0,\ (1-\bar\alpha_t)\,I\big), \qquad
x_t = \sqrt{\bar\alpha_t}\,x_0 + \sqrt{1-\bar\alpha_t}\;\epsilon$$

**Step by step.** The chain takes $t$ small steps, each with noise of its own. Another picture, the same statistics:
that is why training may jump.

$$q(x_t \mid x_{t-1}) = \mathcal N\big(\sqrt{1-\beta_t}\,x_{t-1},\ \beta_t I\big), \qquad
\bar\alpha_t = \prod_{s=1}^{t} (1-\beta_s)$$

**The level is what counts.** Two schedules with the same log-SNR, a natural logarithm, show the same picture, whatever their $t$
([Kingma et al. 2021](https://arxiv.org/abs/2107.00630)).

$$\log \mathrm{SNR}(t) = \log \frac{\bar\alpha_t}{1-\bar\alpha_t}$$

**What can be recovered.** The optimal denoiser, in closed form, of the lab's 64 px picture set and the picture shown: the
mean of them all, each weighted by how well it explains $x_t$. So it says until when your picture could still be told from
thousands of others, if one knew it. A model that never saw it can do no such thing.

$$\mathbb E[x_0 \mid x_t] = \sum_i w_i\,x^{(i)}, \qquad
w_i \propto \exp\!\Big(-\tfrac{\lVert x_t - \sqrt{\bar\alpha_t}\,x^{(i)} \rVert^2}{2(1-\bar\alpha_t)}\Big)$$

**Fine detail drowns first.** Noise has the same power at every frequency; pictures have most of theirs in coarse
shapes. So denoising is drawing from coarse to fine
([Rissanen et al. 2022](https://arxiv.org/abs/2206.13397)).

**The schedules.** """ + " ".join(
    f"*{row.title}* ({widgets.paper(row)}): {row.about}" for row in SCHEDULES.values()
).replace("sqrt(beta_t)", "√β").replace("beta_t", "β").replace("alpha-bar", "ᾱ") + (
    " The betas of other T are scaled by 1000 / T and cut at 0.999, as Improved DDPM does. *Zero terminal SNR* makes "
    "the last level pure noise ([Lin et al. 2023](https://arxiv.org/abs/2305.08891))."
)  # fmt: skip

CHART_WORDS = {
    "schedule": "Solid: how much of the picture's variance is left in x<sub>t</sub>. Dotted: signal against noise on a "
    "log scale; above 0 the picture is stronger, below 0 the noise, and equal height means equally noisy.",
    "values": "The values of all pixels. Whatever the picture was, they end as N(0, 1), the dotted bell.",
    "frequencies": "Power at each scale. In the shaded part the noise is stronger than the picture: "
    "fine detail goes first, coarse shapes last.",
}

RECOVERED_WORDS = "The exact denoiser's guess from this noise, supposing it knew this picture too; on a 64 px copy."
