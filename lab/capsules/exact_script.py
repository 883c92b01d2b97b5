"""What a script of the exact denoiser has in place of a network: the picture set and the posterior mean, in NumPy."""

import csv
from functools import cache
from textwrap import indent, wrap
from typing import NamedTuple

from lab.capsules import guide_script, rule_script, scheduler_script
from lab.catalog import GUIDANCE, SAMPLERS, STYLES, Model, Sampler
from lab.requests.base import LabError
from lab.requests.fields import Condition, Forward
from lab.requests.sampling import LaneSettings, SamplingRequest
from lab.vocabulary import INDEX, STOP_WORDS, as_read, words

SIDE = 64  # of the shipped pictures
BETAS = {  # as in lab/engine/noising.py: diffusers' beta_schedule, and its first and last beta for T = 1000
    "linear": ("linear", 1e-4, 0.02),
    "scaled_linear": ("scaled_linear", 0.00085, 0.012),
    "cosine": ("squaredcos_cap_v2", 0.0, 0.0),
    "sigmoid": ("sigmoid", 1e-4, 0.02),
}


def parts(model: Model, request: SamplingRequest, lane: LaneSettings) -> list[str]:
    """The script of a lane, in parts, empty ones among them. Raises LabError where the lab has no picture of what was asked for."""
    rule, scale = lane.rule, lane.guidance_scale
    level, pull = rule_script.takes_level(rule, scale), guide_script.pull(model, request, lane)
    needs = (True, True) if pull and GUIDANCE[rule].guide == "classifier" else rule_script.needs(rule, scale)
    return [
        _head(model, SAMPLERS[lane.sampler], scheduler_script.draws(lane)),
        scheduler_script.constants(lane, 'FOLDER = Path(sys.argv[1] if len(sys.argv) > 1 else "assets/pictures")'),
        pictures(model),
        sets(request.condition, request.negative, needs),
        table(request.forward),
        *scheduler_script.parts(lane, request.forward.T, "alpha_bar", level=level),
        posterior_mean(model.size),
        rule_script.X_0_OF_EPS if rule in rule_script.X_0_RULES else "",
        *(pull.parts if pull else ()),
        scheduler_script.noise(lane, f"(1, 3, {model.size}, {model.size})"),
        rule_script.before(rule, scale),
        scheduler_script.loop(lane, _predictions(lane, pull), level=level, exact=True),
        scheduler_script.SAVING,
    ]


def _head(model: Model, row: Sampler, draws: bool) -> str:
    """The docstring and the imports."""
    standard = ["csv", *(["hashlib"] if draws else []), "sys"]
    return "\n".join(
        [
            f'"""{model.title}, {row.title}: a picture of Diffusion Lab, again without the lab and a network.',
            "",
            "    pip install numpy torch diffusers pillow",
            "    python picture.py [PICTURES] [PICTURE.png]",
            "",
            "Run it in the lab's folder, or name the one with its pictures. What a perfect network would predict is a sum",
            "over the pictures (Karras et al. 2022, appendix B.3). The sampler is of "
            + f"{row.paper}, https://arxiv.org/abs/{row.arxiv}.",
            '"""',
            "",
            *(f"import {name}" for name in standard),
            "from pathlib import Path",
            "",
            "import numpy as np",
            "import torch",
            f"from diffusers import {', '.join(sorted({scheduler_script.class_of(row), 'DDPMScheduler'} - {''}))}",
            "from PIL import Image",
        ]
    )  # fmt: skip


def pictures(model: Model) -> str:
    """Reading the picture set, at the model's side."""
    smaller = ""
    if model.size != SIDE:
        part = SIDE // model.size
        smaller = (
            f"blocks = sum(pictures[:, i::{part}, j::{part}].astype(np.uint16) for i in range({part}) for j in range({part}))\n"
            f"pictures = (blocks + {part * part // 2}) // {part * part}  # averaged down to {model.size} pixels\n"
        )
    return f'''
with (FOLDER / "index.csv").open(encoding="utf-8", newline="") as file:
    rows = [row for row in csv.DictReader(file) if row["split"] != "held-out"]
sheets = {{name: np.array(Image.open(FOLDER / name).convert("RGB")) for name in {{row["sheet"] for row in rows}}}}


def cut(row):
    """A picture of a sheet, which has 32 in a row."""
    y, x = divmod(int(row["cell"]), 32)
    return sheets[row["sheet"]][{SIDE} * y : {SIDE} * (y + 1), {SIDE} * x : {SIDE} * (x + 1)]


pictures = np.stack([cut(row) for row in rows])
{smaller}data = pictures.transpose(0, 3, 1, 2).reshape(len(rows), -1).astype(np.float32) / 127.5 - 1
mean = data.mean(0)
data -= mean  # near the mean picture float32 keeps its digits
'''


def posterior_mean(size: int, prior: str = "") -> str:
    """The denoiser; `prior` is an expression for the log of each picture's share, where they do not all weigh the same."""
    return f'''
def predict(x, t, these):
    """eps of E[x_0 | x_t], the mean of `these` pictures x_i, weighted by softmax(-|x_t - sqrt(a) x_i|^2 / (2 (1 - a)))."""
    sigmas = ((1 - alpha_bar) / alpha_bar).sqrt().numpy()
    a = 1 / (1 + float(np.interp(float(t), np.arange(len(sigmas)), sigmas)) ** 2)  # alpha-bar at t
    x_t = x.float().numpy().reshape(-1)
    scores = (a**0.5 * (these @ (x_t - a**0.5 * mean)) - a * np.einsum("ij,ij->i", these, these) / 2) / (1 - a){f" + {prior}" if prior else ""}
    weights = np.exp(scores - scores.max())
    x_0 = mean + weights @ these / weights.sum()
    return torch.from_numpy((x_t - a**0.5 * x_0) / (1 - a) ** 0.5).reshape(1, 3, {size}, {size})
'''


def sets(condition: Condition, negative: str, needs: tuple[bool, bool]) -> str:
    """The pictures that each half of guidance averages, where the run needs it."""
    lines = []
    if needs[0]:
        lines.append(f"conditional = {chosen(condition)}")
    if needs[1]:
        lines.append(f"unconditional = {chosen(Condition(prompt=negative))}")
    return "\n".join(lines)


def table(forward: Forward) -> str:
    """alpha-bar of the forward process."""
    name, first, last = BETAS[forward.schedule]
    part = 1000 / forward.T
    ends = f"beta_start={first * part!r}, beta_end={last * part!r}, " if last else ""
    lines = [
        f'chain = DDPMScheduler({forward.T}, {ends}beta_schedule="{name}")',
        "betas = chain.betas.double().clamp(max=0.999)",
    ]
    if forward.zero_snr:
        lines += [
            "root = torch.cumprod(1 - betas, 0).sqrt()  # zero terminal SNR (Lin et al. 2023, algorithm 1)",
            "alpha_bar = ((root - root[-1]) * root[0] / (root[0] - root[-1])).square().float()",
        ]
    else:
        lines += ["alpha_bar = torch.cumprod(1 - betas, 0).float()"]
    return "\n".join(lines)


def _predictions(lane: LaneSettings, pull: guide_script.Pull | None) -> list[str]:
    """The lines of the loop that predict from x_t, by the rule of the lane."""
    needs = rule_script.needs(lane.rule, lane.guidance_scale)
    halves = zip(("conditional", "unconditional"), needs, strict=True)
    name = "{half}_eps" if all(needs) else "prediction"
    lines = [f"    {name.format(half=half)} = predict(x_t, t, {half})" for half, needed in halves if needed]
    if pull:
        lines += [f"    prediction = prediction - (1 - a) ** 0.5 * ({pull.gradient})"]
    return lines + rule_script.lines(lane.rule, lane.guidance_scale, "conditional_eps", "unconditional_eps")


def chosen(condition: Condition) -> str:
    """An expression for the pictures that a condition leaves."""
    tests = [
        f'row["{name}"] == "{value}"' for name in ("group", "style") if (value := getattr(condition, name).strip())
    ]
    if as_read(condition.prompt):
        return f"data[{numbers(condition)}]"
    return f"data[[{' and '.join(tests)} for row in rows]]" if tests else "data"


def numbers(condition: Condition) -> str:
    """An expression for the numbers of the pictures that a search means."""
    rows = "\n".join(wrap(", ".join(map(str, found(condition))), 110))
    return f"[  # those that the lab finds under {_comment(condition)}\n{indent(rows, '    ')}\n]"


def _comment(condition: Condition) -> str:
    prompt = " ".join(condition.prompt.split())
    return ", ".join(filter(None, [f"'{prompt[:60]}'", condition.group, condition.style]))


def found(condition: Condition) -> list[int]:
    """The rows of the index, held-out ones left out, that a search means: as PictureSet.matching finds them. Raises LabError
    where there are none."""
    terms, style = words(as_read(condition.prompt)), condition.style.strip()
    styles = {style} if style else set[str]()
    for name in STYLES:
        if (phrase := f" {' '.join(words(name))} style ") in (query := f" {' '.join(terms)} "):
            styles.add(name)
            terms = tuple(query.replace(phrase, " ").split())
    wanted = {term for term in terms if term not in STOP_WORDS} or set(terms)
    left = [row for row in _rows() if condition.group in ("", row.group) and (not styles or styles == {row.style})]
    by_caption = [row.number for row in left if wanted <= row.caption]
    numbers = by_caption or [row.number for row in left if wanted <= row.words]
    if not numbers:
        raise LabError(
            f"There is no script: the lab has no picture of {_comment(condition)}. Press Run with another prompt."
        )
    return numbers


class _Row(NamedTuple):
    """A picture of the set as a search sees it."""

    number: int
    group: str
    style: str
    caption: frozenset[str]  # its words
    words: frozenset[str]  # those and its keywords'


@cache
def _rows() -> tuple[_Row, ...]:
    with INDEX.open(encoding="utf-8", newline="") as file:
        kept = [row for row in csv.DictReader(file) if row["split"] != "held-out"]
    return tuple(
        _Row(
            number,
            row["group"],
            row["style"],
            frozenset(words(row["caption"], limit=None)),
            frozenset(words(f"{row['caption']} {row['keywords'].replace('|', ' ')}", limit=None)),
        )
        for number, row in enumerate(kept)
    )
