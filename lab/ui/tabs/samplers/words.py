"""What the Samplers tab says of itself and of its experiments."""

from lab.catalog import MODELS, SAMPLERS
from lab.ui.shell import widgets

ABOUT = r"""
All lanes start from **the same $x_T$**; lanes that draw noise draw **the same noise at the same noise level**.
Only the sampler differs. With the *exact denoiser* nothing is learned: it knows the best possible guess
$\mathbb{E}[x_0 \mid x_t]$ for the lab's pictures, so you watch the algorithm alone.

DDPM ([Ho et al. 2020](https://arxiv.org/abs/2006.11239)) adds fresh noise on the way and may change its mind; DDIM
([Song et al. 2021](https://arxiv.org/abs/2010.02502)) follows one smooth path, so a few long steps still land:

$$x_{s} = \sqrt{\bar\alpha_{s}}\,\hat x_0 + \sqrt{1-\bar\alpha_{s}-\sigma^2}\,\hat\epsilon + \sigma z$$

$$\sigma = \eta\sqrt{\tfrac{1-\bar\alpha_s}{1-\bar\alpha_t}}\sqrt{1-\tfrac{\bar\alpha_t}{\bar\alpha_s}}$$

What each of them does; its equation stands under *About these samplers* after a run:

""" + "\n".join(f"- *{row.title}* ({widgets.paper(row)}): {widgets.typeset(row.about)}" for row in SAMPLERS.values())

WORDS = {  # by experiment
    "compare": "Large, predicted x<sub>0</sub>: the guess that is made from x<sub>t</sub>, the noisy picture beside it.",
    "grid": "Same noise in every cell. The number is the RMS distance of the finished picture to a long reference run. "
    "Along the path every solver closes in at its own order; at the end it lands in the same picture or in another.",
    "between": "x<sub>T</sub> moves on a great circle from one seed to the other; DDIM turns the path of noises into a "
    "path of pictures.",
    "share": "The data are 80 pictures of <i class='group-key' data-group='0'></i> smileys and emotion and 20 of "
    "<i class='group-key' data-group='1'></i> animals and nature. Every lane starts near one of the 20. A picture counts for "
    "the group of the nearest of the 100. ± is the standard error of the share in 20 draws from the data.",
    "invert": "DDIM is a map that can be run upwards: from the picture to its own x<sub>T</sub>, and down again.",
}
EXACT_WORDS = {  # what is seen of the exact denoiser besides
    "compare": "It goes from the mean of all pictures through ghostly blends to one crisp picture.",
    "between": "It jumps from picture to picture: a finite set has nothing in between.",
    "invert": "A picture of the set comes back; any other comes back as one of the set.",
}
KNOWN_WORDS = "The exact denoiser knows this picture as one of its set, and so it comes back."
LATENT_WORDS = "While it draws, a guess that is not decoded yet is a mosaic of its latents."
VERSUS_WORDS = "First the learned score, then the perfect one, both from the same x<sub>T</sub>."


def under_stage(experiment: str, model: str, versus: bool = False, known: bool = False) -> str:
    """What there is to see of an experiment on a model: `versus` the perfect one, or with a picture `known` to the exact one."""
    row = MODELS[model]
    exact = KNOWN_WORDS if known else EXACT_WORDS.get(experiment, "")
    more = exact if row.family == "exact" else LATENT_WORDS if row.latent else ""
    sentences = [WORDS[experiment], more, VERSUS_WORDS if versus else ""]
    return widgets.words(" ".join(filter(None, sentences)))
