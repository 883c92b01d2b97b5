"""What the Guidance tab says: of guidance beneath its stage, and of what its grid shows."""

from collections.abc import Sequence

from lab.catalog import GUIDANCE, MODELS
from lab.ui.shell import widgets
from lab.ui.tabs.guidance import rules

HEADS = {  # of the rules below, by kind
    "CFG": "**Two predictions of one model.** These rules try to keep the fidelity and to spare you the burn:",
    "gradient": "**The gradient of another network:**",
    "weak model": "**A weaker model:**",
    "any loss": "**Any loss** that has a gradient, here of the predicted $x_0$:",
}

ABOUT = r"""
**The convention, stated once: scale 1 is the plain conditional model, 0 the unconditional one.**
Each step asks the model twice, with the prompt and without it, and goes further in the direction in which the prompt
pulls ([Ho & Salimans 2022](https://arxiv.org/abs/2207.12598); their $w$ is this scale minus 1):

$$\tilde\epsilon = \epsilon_\theta(x_t) + s\,\big(\epsilon_\theta(x_t, c) - \epsilon_\theta(x_t)\big)$$

Every cell of a column has the same scale, every cell of a row **the same $x_T$**: along a row only guidance differs.
A negative prompt takes the place of the empty one, so the step also moves away from it. Between 0 and 1 both are mixed;
above 1 the prompt is overstated: pictures fit it better up to a point, seeds look more alike, and far above it colours burn
as the values leave the range that the model knows. With exact scores hardly anything burns: both halves come to agree on one picture of the
set, and guidance decides on which.

**Or another network pulls.** By Bayes' rule the difference of both halves is $-\sqrt{1 - \bar\alpha_t}\,\nabla_{x_t} \log p(c \mid x_t)$: the
gradient of a classifier of noisy pictures. So a guide that has a gradient can take the place of the difference, at the same scale:

$$\tilde\epsilon = \epsilon_\theta(x_t) - s\,\sqrt{1 - \bar\alpha_t}\;\nabla_{x_t} \log p(c \mid x_t)$$

"""


def _about(kind: str) -> str:
    rows = [row for row in GUIDANCE.values() if rules.kind(row) == kind]
    return "\n".join(f"- *{row.title}* ({widgets.paper(row)}): {widgets.typeset(row.about)}" for row in rows)


ABOUT += "\n\n".join(f"{head}\n\n{_about(kind)}" for kind, head in HEADS.items() if _about(kind))

WORDS = {
    "sweep": "Scales across, seeds down; a row starts from one x<sub>T</sub>. Click a picture to take its steps apart.",
    "rules": "The same seed and the same scales; only the rule of guidance differs from row to row.",
}
GUIDE_WORDS = {  # what pulls, by guide and by whose prediction it is added to
    ("", ""): "CFG: what pulls is the difference of two predictions, with the condition and without it.",
    ("classifier", "unconditional"): "Classifier: its gradient pulls the model that has no condition.",
    ("classifier", "conditional"): "Classifier on conditional: the same gradient, times s − 1, pulls the model that has the condition.",
    ("clip", "unconditional"): "CLIP: the gradient of its match with the prompt pulls. The model itself reads no words.",
    ("weak", ""): "Autoguidance: away from the prediction of an early checkpoint that has the same condition.",
}  # fmt: skip
LOSS_WORDS = "Any loss: the gradient of a formula on predicted x<sub>0</sub> pulls; at scale 0 nothing does."
EXACT_WORDS = {  # what is seen of the exact denoiser besides
    "sweep": "With exact scores no scale burns: it decides in which picture of the set a row ends.",
    "rules": "With exact scores no rule burns: they differ in the picture of the set that they end in.",
}
BAYES = (
    "The exact classifier's gradient is the difference of both predictions (Bayes' rule): at temperature 1 these rows draw "
    "what classifier-free guidance draws."
)
ANATOMY_WORDS = (
    "Both predictions of the noise in this cell's x<sub>t</sub>, with the condition and without it. Where they differ, bright "
    "on the map, is all that classifier-free guidance can push. Each predicted x<sub>0</sub> is from this one x<sub>t</sub>, by plain "
    "classifier-free guidance or, where something else pulls, by its pull. A latent model's x<sub>t</sub> and eps are latents, shown as colours."
)


def words(experiment: str, model: str, chosen: Sequence[str]) -> str:
    """What there is to see of an experiment on a model, by these rules."""
    if len(chosen) == 1:
        experiment = "sweep"  # rows that differ by their seeds
    return widgets.words(
        " ".join(filter(None, [WORDS[experiment], *_of_rules(chosen), _exactly(experiment, model, chosen)]))
    )


def _of_rules(chosen: Sequence[str]) -> list[str]:
    """A sentence for each kind of rule that is there, where there is another than classifier-free guidance."""
    rows = [GUIDANCE[name] for name in chosen]
    if not any(row.guide for row in rows):
        return []
    return list(dict.fromkeys(GUIDE_WORDS.get((row.guide, row.base), LOSS_WORDS) for row in rows))


def _exactly(experiment: str, model: str, chosen: Sequence[str]) -> str:
    """What is seen of the exact denoiser besides."""
    if MODELS[model].family != "exact":
        return ""
    guides = {GUIDANCE[name].guide for name in chosen}
    return BAYES if "classifier" in guides else "" if guides - {""} else EXACT_WORDS[experiment]
