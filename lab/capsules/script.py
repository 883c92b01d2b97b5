"""A lane of a run as a short Python script that needs nothing of the lab: torch, diffusers, NumPy and Pillow.

The script is put together from the parts that its lane needs, so what a reader finds in it is what was done. It covers
latent diffusion with one text encoder and the exact denoiser; for everything else `write` says in words why there is none.
"""

import base64
import io
import json
import re
from collections.abc import Iterable
from pathlib import Path
from textwrap import indent, wrap
from typing import Any

import numpy as np
from huggingface_hub import try_to_load_from_cache
from PIL import Image

from lab.capsules import exact_script, short_script, walk_script
from lab.catalog import GUIDANCE, MODELS, SAMPLERS, Model, Sampler, control_of
from lab.requests.base import LabError
from lab.requests.sampling import ControlMap, ControlWindow, LaneSettings, SamplingRequest
from lab.settings import ASSETS
from lab.vocabulary import as_read

RULES = ("cfg", "rescaled")  # guidance that is a line or two
PLAIN = {"DDIM": "DDIMScheduler", "PNDM": "PNDMScheduler"}  # the classes of diffusers behind the lab's mended ones
# As in lab/engine/grid.py: classes whose "leading" and "linspace" leave out the lowest of n + 1 timesteps, classes whose
# "linspace" is not rounded, and those that can be given timesteps. The tests hold both to the same timesteps.
LOWEST_LEFT_OUT = {"DPMSolverMultistepScheduler", "UniPCMultistepScheduler", "DEISMultistepScheduler"}
FRACTIONAL = {"EulerDiscreteScheduler", "EulerAncestralDiscreteScheduler", "HeunDiscreteScheduler"}
TAKE_TIMESTEPS = {
    "DDPMScheduler",
    "DPMSolverMultistepScheduler",
    "EulerDiscreteScheduler",
    "HeunDiscreteScheduler",
    "LCMScheduler",
}
LCM_STEPS = 50
EPS_FOR_X_0 = {  # classes that cannot be given an x_0 prediction, and how a script gives them its eps
    "PNDM": "(x - scheduler.alphas_cumprod[t] ** 0.5 * prediction) / (1 - scheduler.alphas_cumprod[t]) ** 0.5",
    "EulerAncestralDiscreteScheduler": "(x - prediction) / scheduler.sigmas[scheduler.step_index]",
}


def write(request: SamplingRequest, index: int) -> str:
    """The script that draws lane `index` of `request`. Raises LabError, in words, where there can be none."""
    model, lane = MODELS[request.model], request.lanes[index]
    _check(model, lane)
    row, total = SAMPLERS[lane.sampler], request.forward.T
    spacing = _spacing(lane, total)
    if short_script.suits(model, lane, request.forward, spacing):
        return laid_out(short_script.parts(model, row, request, lane))
    offset = int(spacing == "leading" and (lane.steps < total - 1 or row.scheduler not in LOWEST_LEFT_OUT))
    mended = row.scheduler in PLAIN and (spacing == "linspace" or total % lane.steps > 0)
    alone = (
        1.0 if model.consistency else lane.guidance_scale
    )  # a distilled UNet has its scale as an input, and no halves
    guided = alone not in (0, 1)
    windows = (
        [pair for pair in zip(request.controls, lane.windows, strict=True) if pair[1].strength] if lane.windows else []
    )
    if lane.guess and lane.guidance_scale == 0:
        windows = []  # guess mode steers the conditional half, which nobody asks for
    draws = row.stochastic or (row.eta and lane.eta > 0)
    exact, walk = model.family == "exact", walk_script.walk(row)
    plain = walk.scheduler if walk else PLAIN.get(row.scheduler, row.scheduler)
    middle = [
        _MENDED[row.scheduler] if mended else "",
        exact_script.table(request.forward) if exact else "",
        _levels(exact),
        walk.making if walk else _scheduler(row, spacing, row.scheduler if mended else plain, offset, exact, total),
        "" if walk else _timesteps(row.scheduler, spacing, lane.steps, total),
    ]
    if exact:
        parts = [
            exact_script.head(model, row, plain, draws),
            _exact_constants(lane),
            exact_script.pictures(model),
            exact_script.sets(request.condition, request.negative, lane.guidance_scale),
            *middle,
            exact_script.posterior_mean(model.size),
            _noise(lane, draws, f"shape = (1, 3, {model.size}, {model.size})"),
            _exact_loop(row, lane, draws),
            _SAVING,
        ]
    else:
        embeddings = "prompts, timestep_cond=scale" if model.consistency else "prompts"
        parts = [
            _head(model, row, plain, bool(windows), draws),
            _constants(request, lane),
            _loading(model),
            _prompts(alone),
            _TELLING if model.consistency else "",
            _controls(model, windows) if windows else "",
            *middle,
            _noise(lane, draws),
            _loop(row, lane, guided, bool(windows), draws, embeddings),
            _DECODING,
        ]
    return laid_out(parts)


def laid_out(parts: Iterable[str]) -> str:
    """A script from its parts: a line between them, two before and after what is defined."""
    text = "\n\n".join(part.strip("\n") for part in parts if part) + "\n"
    text = re.sub(r"\n+(?=(def|class) )", r"\n\n\n", text)
    return re.sub(r"(?<=\n)((?:def|class) .*\n(?:(?:[ ].*)?\n)*?)\n+(?=\S)", r"\1\n\n", text)


def _check(model: Model, lane: LaneSettings) -> None:
    if model.family != "exact" and (
        model.family != "stable_diffusion" or _pipeline(model) != "StableDiffusionPipeline"
    ):
        raise LabError(
            f"There is no script for '{model.title}'; there is one for Stable Diffusion's architecture and for the exact "
            "denoiser. Choose one of these."
        )
    if lane.rule not in RULES:
        raise LabError(
            f"There is no script for {GUIDANCE[lane.rule].title.lower()} guidance; there is one for classifier-free "
            "guidance and its rescaled form. Choose a picture of one of these."
        )


def _pipeline(model: Model) -> str:
    """The class of diffusers that a model's index file names; what its row says where there is no file at hand."""
    name, _, revision = model.source.partition("@")
    folder = _folder(model.source)
    file = (
        str(Path(folder) / "model_index.json")
        if folder
        else try_to_load_from_cache(name, "model_index.json", revision=revision or None)
    )
    if isinstance(file, str) and Path(file).is_file():
        return json.loads(Path(file).read_text("utf-8"))["_class_name"]
    return model.pipeline


def _folder(source: str) -> str:
    """A catalog row's source as a folder, relative to the lab's own where it is in there; "" where it is a hub id."""
    if not (ASSETS / source).is_dir() and not Path(source).is_absolute():
        return ""
    return source if Path(source).is_absolute() else f"assets/{source}"


def _spacing(lane: LaneSettings, total: int) -> str:
    """As the lab has it: one step starts at the last timestep, and so do steps that fill the whole chain."""
    row = SAMPLERS[lane.sampler]
    return lane.spacing if lane.spacing in row.spacings and 1 < lane.steps < total else row.spacings[0]


def _head(model: Model, row: Sampler, scheduler: str, controlled: bool, draws: bool) -> str:
    names = [*filter(None, [scheduler]), "StableDiffusionPipeline", *(["ControlNetModel"] if controlled else [])]
    standard = ["sys", *(["base64", "io"] if controlled else []), *(["hashlib"] if draws else [])]
    where = (
        "Run it in the lab's folder, or name the model's."
        if _folder(model.source)
        else "Fetches the model from the Hugging Face hub."
    )
    return "\n".join(
        [
            f'"""{model.title}, {row.title}: a picture of Diffusion Lab, again by torch and diffusers alone.',
            "",
            "    pip install torch diffusers transformers pillow",
            "    python picture.py [MODEL] [PICTURE.png]",
            "",
            f"{where} In float32, as here, the picture is the lab's on a CPU",
            'to within rounding. The sampler is of ' + f"{row.paper}, https://arxiv.org/abs/{row.arxiv}" + '.',
            '"""',
            "",
            *(f"import {name}" for name in sorted(standard)),
            *(["from pathlib import Path"] if controlled else []),
            "",
            *(["import numpy as np"] if controlled else []),
            "import torch",
            f"from diffusers import {', '.join(sorted(names))}",
            "from PIL import Image",
        ]
    )  # fmt: skip


def _constants(request: SamplingRequest, lane: LaneSettings) -> str:
    model, scale = MODELS[request.model], lane.guidance_scale
    prompt, negative = (text.strip() for text in (request.condition.prompt, request.negative))
    if model.captions:
        prompt, negative = as_read(prompt), as_read(negative)
    if "style" in model.conditions and request.condition.style:
        prompt = f"{prompt}, {request.condition.style} style".removeprefix(", ")
    source = _folder(model.source) or model.source.partition("@")[0]
    halves = scale != 1 and not model.consistency
    meaning = (
        "the UNet was distilled with it"
        if model.consistency
        else "1 is the plain conditional model, 0 the unconditional one"
    )
    lines = [
        f"MODEL = sys.argv[1] if len(sys.argv) > 1 else {_quoted(source)}",
        'PICTURE = sys.argv[2] if len(sys.argv) > 2 else "picture.png"',
        f"PROMPT = {_quoted(prompt)}",
        *([f"NEGATIVE = {_quoted(negative)}  # in place of the empty prompt"] if halves else []),
        f"SCALE = {scale!r}  # of guidance; {meaning}",
        f"SEED = {lane.seed}",
        f"STEPS = {lane.steps}",
        *([f"ETA = {lane.eta!r}  # 0: deterministic, 1: as noisy as DDPM"] if SAMPLERS[lane.sampler].eta else []),
    ]
    return "\n".join(lines)


def _exact_constants(lane: LaneSettings) -> str:
    lines = [
        'FOLDER = Path(sys.argv[1] if len(sys.argv) > 1 else "assets/pictures")',
        'PICTURE = sys.argv[2] if len(sys.argv) > 2 else "picture.png"',
        f"SCALE = {lane.guidance_scale!r}  # of guidance; 1 is the plain conditional model, 0 the unconditional one",
        f"SEED = {lane.seed}",
        f"STEPS = {lane.steps}",
        *([f"ETA = {lane.eta!r}  # 0: deterministic, 1: as noisy as DDPM"] if SAMPLERS[lane.sampler].eta else []),
    ]
    return "\n".join(lines)


def _quoted(text: str) -> str:
    return json.dumps(text, ensure_ascii=False)


def _loading(model: Model) -> str:
    more = "" if model.source.startswith("models/") else ", safety_checker=None"
    return f"torch.set_grad_enabled(False)\npipe = StableDiffusionPipeline.from_pretrained(MODEL{_revision(model.source)}{more})"


def _revision(source: str) -> str:
    _, _, revision = source.partition("@")
    return f", revision={_quoted(revision)}" if revision and not _folder(source) else ""


def _prompts(scale: float) -> str:
    alone: dict[float, str] = {0: "read(NEGATIVE)", 1: "read(PROMPT)"}
    rows = alone.get(scale, "torch.cat([read(NEGATIVE), read(PROMPT)])")
    return f'''
def read(prompt):
    """The embeddings of a prompt: the text encoder's last hidden states."""
    longest = pipe.tokenizer.model_max_length
    tokens = pipe.tokenizer(prompt, padding="max_length", max_length=longest, truncation=True, return_tensors="pt")
    return pipe.text_encoder(tokens.input_ids)[0]


prompts = {rows}
'''


def _controls(model: Model, windows: list[tuple[ControlMap, ControlWindow]]) -> str:
    """The ControlNets, their maps and the calls in which they act."""
    rows = []
    for control, window in windows:
        row = control_of(model, control.name)
        assert row is not None  # such a run is refused
        where = _control_source(row.source, model)
        data = "\n".join(f'"{line}"' for line in wrap(_png(control.map), 100))
        rows.append(
            f"(\n    ControlNetModel.from_pretrained({where}),\n    pixels(\n{indent(data, ' ' * 8)}\n    ),\n"
            f"    {window.strength!r},  # strength\n    {window.start!r},  # from this part of the calls\n"
            f"    {window.end!r},  # to this\n),"
        )
    resize = ""
    if any(control.map.shape[:2] != (model.size, model.size) for control, _ in windows):
        size = f"({model.size}, {model.size})"
        resize = f'    x = torch.nn.functional.interpolate(x, {size}, mode="bicubic", antialias=True).clamp(0, 1)\n'
    return f'''
def pixels(png):
    """A control map with values in [0, 1], (1, 3, height, width)."""
    picture = Image.open(io.BytesIO(base64.b64decode(png))).convert("RGB")
    x = torch.from_numpy(np.array(picture)).permute(2, 0, 1)[None] / 255
{resize}    return x


CONTROLS = [
{indent(chr(10).join(rows), "    ")}
]


def residuals(x, t, embeddings, part, next_part, guess):
    """What the ControlNets add to the UNet's skips and, last, to its middle; None where none of them acts."""
    total = None
    for net, hint, strength, start, end in CONTROLS:
        if part >= start and next_part <= end:
            down, middle = net(x, t, embeddings, hint, conditioning_scale=strength, guess_mode=guess, return_dict=False)
            total = [*down, middle] if total is None else [a + b for a, b in zip(total, [*down, middle])]
    return total
'''


def _control_source(source: str, model: Model) -> str:
    """Where a ControlNet is found: the lab's own beside its models, wherever these are."""
    folder = _folder(source)
    beside = Path(source).parent == Path(model.source).parent
    if folder and beside:
        return f"Path(MODEL).parent / {_quoted(Path(source).name)}"
    return _quoted(folder or source.partition("@")[0]) + _revision(source)


def _png(pixels: np.ndarray) -> str:
    stream = io.BytesIO()
    Image.fromarray(pixels).save(stream, "PNG", optimize=True)
    return base64.b64encode(stream.getvalue()).decode()


_MENDED = {
    "DDIM": '''
class DDIM(DDIMScheduler):
    """diffusers steps by T // steps, not the stride of these timesteps; this goes to the one that comes next."""

    def step(self, prediction, t, x, eta=0.0, generator=None):
        out = super().step(prediction, t, x)
        x_0, alpha_bar = out.pred_original_sample, self.alphas_cumprod[t]
        later = self.timesteps[self.timesteps < t]
        alpha_bar_next = self.alphas_cumprod[later[0]] if len(later) else self.final_alpha_cumprod
        eps = (x - alpha_bar**0.5 * x_0) / (1 - alpha_bar) ** 0.5
        sigma = eta * ((1 - alpha_bar_next) / (1 - alpha_bar) * (1 - alpha_bar / alpha_bar_next)).clamp(min=0) ** 0.5
        x = alpha_bar_next**0.5 * x_0 + (1 - alpha_bar_next - sigma**2).clamp(min=0) ** 0.5 * eps
        out.prev_sample = x + sigma * torch.randn(x.shape, generator=generator) if eta else x
        return out

''',
    "PNDM": '''
class PNDM(PNDMScheduler):
    """diffusers steps by T // steps, not the stride of these timesteps; this goes to the one that comes next."""

    def _get_prev_sample(self, x, t, t_next, prediction):
        levels = [*dict.fromkeys(int(t) for t in self.timesteps), -1]  # the second call repeats its timestep
        k = max(self.counter - 1, 0)
        return super()._get_prev_sample(x, levels[k], levels[k + 1], prediction)

''',
}


def _levels(exact: bool) -> str:
    """What the model predicts, and alpha-bar as schedulers take it."""
    read = "predicts = pipe.scheduler.config.prediction_type\nalpha_bar = pipe.scheduler.alphas_cumprod"
    if exact:
        read = "alpha_bar = alpha_bar"
    return f"""
{read}.double()
alpha_bar = alpha_bar.maximum(2.0**-24 * (1 + 0.01 * torch.arange(len(alpha_bar)).flip(0)))  # above 0 and falling
"""


def _scheduler(row: Sampler, spacing: str, name: str, offset: int, exact: bool, total: int) -> str:
    options: dict[str, Any] = {"timestep_spacing": spacing, "steps_offset": offset, **row.options}
    if total != 1000:
        options["num_train_timesteps"] = total
    arguments = "".join(f"    {key}={_python(value)},\n" for key, value in options.items())
    predicts = 'predicts.replace("sample", "epsilon")' if row.scheduler in EPS_FOR_X_0 else "predicts"
    if exact:
        predicts = '"epsilon"'
    return f"""
scheduler = {name}(
    trained_betas=(1 - alpha_bar / torch.cat([torch.ones(1), alpha_bar[:-1]])).tolist(),
    prediction_type={predicts},
{arguments})
"""


def _timesteps(scheduler: str, spacing: str, steps: int, total: int) -> str:
    """How the scheduler gets its timesteps: diffusers' own where these are the lab's (lab/engine/grid.py), else exact ones."""
    end = 0 if scheduler in LOWEST_LEFT_OUT else 1  # places counted from here
    exact = ""
    if spacing == "linspace" and scheduler not in FRACTIONAL:
        parts = "(STEPS - 1)" if end else "STEPS"
        exact = f"[round({total - 1} * i / {parts}) for i in range(STEPS - {end}, {-end}, -1)]".replace(" - 0", "")
    elif spacing == "trailing" and (steps > LCM_STEPS if scheduler == "LCMScheduler" else total % steps):
        exact = f"[round({total} * i / STEPS) - 1 for i in range(STEPS, 0, -1)]"
    lines = ["scheduler.set_timesteps(STEPS)"]
    if exact:
        lines = [
            "# One division each: a stride that is added up drifts, and makes 62 of 61 steps of 1000, the last one below 0.",
            f"timesteps = {exact}",
            "scheduler.set_timesteps(timesteps=timesteps)" if scheduler in TAKE_TIMESTEPS else lines[0],
        ]
        if scheduler == "PNDM":
            lines += ["scheduler.timesteps = torch.tensor(timesteps[:2] + timesteps[1:])  # the second one twice"]
        elif scheduler not in TAKE_TIMESTEPS:
            lines += ["scheduler.timesteps = torch.tensor(timesteps).to(scheduler.timesteps.dtype)"]
        if scheduler not in TAKE_TIMESTEPS and scheduler not in PLAIN:
            lines += [
                "levels = ((1 - scheduler.alphas_cumprod) / scheduler.alphas_cumprod).sqrt()",
                "scheduler.sigmas = torch.cat([levels[timesteps], scheduler.sigmas[-1:]])",
            ]
    if scheduler == "EulerAncestralDiscreteScheduler":
        lines += ["scheduler.sigmas = scheduler.sigmas.double()  # a difference of their squares is below 0 in float32"]
    return "\n".join(lines)


def _python(value: Any) -> str:
    return _quoted(value) if isinstance(value, str) else repr(value)


_LATENT = "shape = (1, pipe.unet.config.in_channels, pipe.unet.config.sample_size, pipe.unet.config.sample_size)"


def _noise(lane: LaneSettings, draws: bool, shape: str = _LATENT) -> str:
    lines = [
        "# x_T is the first thing that the seed's generator draws, on the CPU whatever computes the rest.",
        shape,
        "generator = torch.Generator().manual_seed(SEED)",
        "x = torch.randn(shape, generator=generator)",
    ]
    if lane.mix_seed is not None and lane.mix > 0:
        lines += [
            "",
            f"# On the sphere {lane.mix:.3g} of the way to another seed's x_T (Shoemake 1985).",
            f"other = torch.randn(shape, generator=torch.Generator().manual_seed({lane.mix_seed}))",
            "theta = torch.arccos((x * other).sum() / (x.norm() * other.norm()))",
            f"near, far = (torch.sin(part * theta) for part in ({1 - lane.mix!r}, {lane.mix!r}))",
            "x = (near * x + far * other) / torch.sin(theta)",
        ]
    if not walk_script.walk(SAMPLERS[lane.sampler]):  # these begin at the noise itself
        lines.append("x = x * scheduler.init_noise_sigma")
    if draws:
        lines += [
            "",
            "",
            "def noise_of(t):",
            '    """The noise of a timestep is drawn from (seed, timestep): however many steps there are, it is the same."""',
            '    digest = hashlib.blake2b(f"{SEED}/{round(float(t))}".encode(), digest_size=4).digest()',
            '    return generator.manual_seed(int.from_bytes(digest, "big"))',
            "",
        ]
    return "\n".join(lines) + ("\n" if draws else "")


def _loop(row: Sampler, lane: LaneSettings, guided: bool, controlled: bool, draws: bool, embeddings: str) -> str:
    walk = walk_script.walk(row)
    if walk:
        lines = [*walk.loop, f"    rows = ({walk.seen}).expand(len(prompts), -1, -1, -1)"]
    else:
        lines = ["for i, t in enumerate(scheduler.timesteps):" if controlled else "for t in scheduler.timesteps:"]
        lines += ["    rows = scheduler.scale_model_input(x, t).expand(len(prompts), -1, -1, -1)"]
    if controlled:
        calls = walk.calls if walk else "len(scheduler.timesteps)"
        lines += [f"    begins, ends = i / {calls}, (i + 1) / {calls}"]
        if lane.guess:  # the conditional row is the last one
            lines += ["    added = residuals(rows[-1:], t, prompts[-1:], begins, ends, guess=True)"]
            if guided:
                lines += [
                    "    if added:  # guess mode steers the conditional half only",
                    "        added = [torch.cat([torch.zeros_like(one), one]) for one in added]",
                ]
        else:
            lines += ["    added = residuals(rows, t, prompts, begins, ends, guess=False)"]
        lines += [
            "    prediction = pipe.unet(",
            "        rows,",
            "        t,",
            f"        {embeddings},",
            "        down_block_additional_residuals=added[:-1] if added else None,",
            "        mid_block_additional_residual=added[-1] if added else None,",
            "    ).sample",
        ]
    else:
        lines += [f"    prediction = pipe.unet(rows, t, {embeddings}).sample"]
    if guided:
        lines += [
            "    unconditional, conditional = prediction.chunk(2)",
            "    prediction = unconditional + SCALE * (conditional - unconditional)",
        ]
        if lane.rule == "rescaled":
            lines += _rescaled("conditional")
    if row.scheduler in EPS_FOR_X_0:
        lines += [
            f'    if predicts == "sample":  # the class takes eps only\n        prediction = {EPS_FOR_X_0[row.scheduler]}'
        ]
    lines += [*walk_script.clean(walk.seen, exact=False), *walk.step] if walk else [_step(row, draws)]
    return "\n".join(lines)


def _exact_loop(row: Sampler, lane: LaneSettings, draws: bool) -> str:
    walk = walk_script.walk(row)
    seen = walk.seen if walk else "scheduler.scale_model_input(x, t)"
    lines = [*walk.loop] if walk else ["for t in scheduler.timesteps:"]
    lines += [f"    x_t = {seen}", *exact_script.predictions(lane.guidance_scale)]
    if lane.rule == "rescaled" and lane.guidance_scale not in (0, 1):
        lines += _rescaled("conditional_eps")
    lines += [*walk_script.clean(walk.seen, exact=True), *walk.step] if walk else [_step(row, draws)]
    return "\n".join(lines)


def _rescaled(conditional: str) -> list[str]:
    return [
        f"    rescaled = prediction * {conditional}.std() / prediction.std()  # Lin et al. 2023, section 3.4",
        "    prediction = 0.7 * rescaled + 0.3 * prediction",
    ]


def _step(row: Sampler, draws: bool) -> str:
    more = (", eta=ETA" if row.eta else "") + (", generator=noise_of(t)" if draws else "")
    return f"    x = scheduler.step(prediction, t, x{more}).prev_sample"


_TELLING = """
# The embedding of the guidance scale, an input of a UNet that was distilled with it (Luo et al. 2023).
scale = pipe.get_guidance_scale_embedding(torch.tensor([SCALE - 1.0]), pipe.unet.config.time_cond_proj_dim)
"""

_SIGNED_TO_FILE = """picture = ((picture.clamp(-1, 1) + 1) * 127.5).round().to(torch.uint8).permute(1, 2, 0)
Image.fromarray(picture.numpy()).save(PICTURE)
"""
_DECODING = f"picture = pipe.vae.decode(x / pipe.vae.config.scaling_factor).sample[0]\n{_SIGNED_TO_FILE}"
_SAVING = f"picture = x[0]\n{_SIGNED_TO_FILE}"
