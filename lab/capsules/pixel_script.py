"""What a script of a pixel diffusion model has of its own: the network, its classes and its clipped x_0 (lab/models/pixel.py)."""

from collections.abc import Iterable

from lab.capsules import guide_script, rule_script, scheduler_script, source_script
from lab.catalog import GUIDANCE, HELPERS, SAMPLERS, Model, Sampler
from lab.requests.fields import Condition
from lab.requests.sampling import LaneSettings, SamplingRequest


def parts(model: Model, request: SamplingRequest, lane: LaneSettings) -> list[str]:
    """The script of a lane, in parts, empty ones among them."""
    row, rule, scale = SAMPLERS[lane.sampler], lane.rule, lane.guidance_scale
    pull, weak = guide_script.pull(model, request, lane), GUIDANCE[rule].guide == "weak" and scale != 1
    source = source_script.quoted(source_script.folder(model.source) or model.source)
    return [
        _head(model, row, scheduler_script.draws(lane), pull.imports if pull else ()),
        scheduler_script.constants(lane, f"MODEL = sys.argv[1] if len(sys.argv) > 1 else {source}"),
        _loading(model, request.condition, _needs(lane)),
        _WEAK.format(source_script.beside(HELPERS[model.guides["weak"]].source, model)) if weak else "",
        *scheduler_script.parts(
            lane, request.forward.T, "chain.alphas_cumprod", "chain.config.prediction_type", level=True
        ),
        _predict(row, weak),
        *((*pull.parts, _WITH_SCORE) if pull else ()),
        scheduler_script.noise(lane, f"(1, 3, {model.size}, {model.size})"),
        rule_script.before(rule, scale),
        scheduler_script.loop(lane, _predictions(row, lane, pull), level=True, exact=False),
        scheduler_script.SAVING,
    ]


def _head(model: Model, row: Sampler, draws: bool, imports: Iterable[str]) -> str:
    names = sorted({scheduler_script.class_of(row), "DDPMScheduler", "UNet2DModel"} - {""})
    return "\n".join(
        [
            f'"""{model.title}, {row.title}: a picture of Diffusion Lab, again by torch and diffusers alone.',
            "",
            f"    pip install torch diffusers {'transformers ' if any('transformers' in one for one in imports) else ''}pillow",
            "    python picture.py [MODEL] [PICTURE.png]",
            "",
            "Run it in the lab's folder, or name the model's. In float32, as here, the picture is the lab's on a CPU to within",
            f"rounding. The sampler is of {row.paper}, https://arxiv.org/abs/{row.arxiv}.",
            '"""',
            "",
            *(["import hashlib"] if draws else []),
            "import json",
            "import sys",
            "from pathlib import Path",
            "",
            "import torch",
            *sorted([f"from diffusers import {', '.join(names)}", *imports, "from PIL import Image"], key=str.lower),
        ]
    )


def _loading(model: Model, condition: Condition, needs: tuple[bool, bool]) -> str:
    """The network, its forward process and the classes that the halves are conditioned on."""
    lines = [LOADING]
    if "group" not in model.conditions:
        return "\n".join([*lines, "CLASS = NO_CLASS = None"])
    lines += [CLASSES]
    if needs[0]:
        number = f'classes.index("{condition.group}")' if condition.group else "len(classes) - 1"
        lines += [f"CLASS = torch.tensor([{number}])"]
    if needs[1]:
        lines += ["NO_CLASS = torch.tensor([len(classes) - 1])"]
    return "\n".join(lines)


def _predict(row: Sampler, weak: bool) -> str:
    """The denoiser."""
    words, more = ("; and the variance that it learned", ", output[:, 3:]") if row.learned_variance else ("", "")
    return f'''{rule_script.X_0_OF_PREDICTION}
def predict(x_t, t, a, label{", unet=unet" if weak else ""}):
    """The network's prediction, with x_0 in the range of pixels{words}."""
    output = unet(x_t, t, label).sample
    x_0 = x_0_of(output[:, :3], x_t, a).clamp(-limit_x_0, limit_x_0)
    return prediction_of(x_0, x_t, a){more}


'''


def _predictions(row: Sampler, lane: LaneSettings, pull: guide_script.Pull | None) -> list[str]:
    """The lines of the loop that predict from x_t, by the rule of the lane."""
    needs = rule_script.needs(lane.rule, lane.guidance_scale)
    lines: list[str] = []
    other = ("weak", "CLASS, weak_unet") if GUIDANCE[lane.rule].guide == "weak" else ("unconditional", "NO_CLASS")
    for (name, label), needed in zip((("conditional", "CLASS"), other), needs, strict=True):
        if needed:
            more = "" if not row.learned_variance else ", _" if lines else ", variance"
            lines += [f"    {name if all(needs) else 'prediction'}{more} = predict(x_t, t, a, {label})"]
    if pull:
        lines += [f"    prediction = with_score(prediction, {pull.gradient}, a)"]
    lines += rule_script.lines(lane.rule, lane.guidance_scale, unconditional=other[0])
    if row.learned_variance:
        lines += ["    prediction = torch.cat([prediction, variance], dim=1)"]
    return lines


def _needs(lane: LaneSettings) -> tuple[bool, bool]:
    """Whether a class is asked of a network, and none: a weak network is conditioned as the other is."""
    return (True, False) if GUIDANCE[lane.rule].guide == "weak" else rule_script.needs(lane.rule, lane.guidance_scale)


LOADING = """\
torch.set_grad_enabled(False)
unet = UNet2DModel.from_pretrained(MODEL, subfolder="unet")
chain = DDPMScheduler.from_pretrained(MODEL, subfolder="scheduler")
limit_x_0 = chain.config.clip_sample_range if chain.config.clip_sample else torch.inf"""
CLASSES = 'classes = json.loads((Path(MODEL) / "classes.json").read_text("utf-8"))  # the last one is the null class'
_WEAK = """
# An early checkpoint of the same model (autoguidance, Karras et al. 2024).
weak_unet = UNet2DModel.from_pretrained({}, subfolder="unet")
"""
_WITH_SCORE = '''
def with_score(prediction, gradient, a):
    """The prediction of a score that is larger by a gradient: its eps is sqrt(1 - a) of it smaller (Dhariwal & Nichol 2021,
    algorithm 2)."""
    per_eps = {"epsilon": 1, "v_prediction": a**-0.5, "sample": -((1 - a) ** 0.5) / a**0.5}[predicts]
    return prediction - per_eps * (1 - a) ** 0.5 * gradient


'''
