"""A script of a latent diffusion model with one text encoder: its pipeline, its prompts and its ControlNets."""

import base64
import io
import json
from pathlib import Path
from textwrap import indent, wrap

import numpy as np
from huggingface_hub import try_to_load_from_cache
from PIL import Image

from lab.capsules import rule_script, scheduler_script, source_script, walk_script
from lab.catalog import MODELS, SAMPLERS, Helper, Model, Sampler, control_of
from lab.requests.fields import Condition
from lab.requests.sampling import ControlMap, ControlWindow, LaneSettings, SamplingRequest
from lab.vocabulary import as_read


def parts(model: Model, request: SamplingRequest, lane: LaneSettings) -> list[str]:
    """The script of a lane, in parts, empty ones among them."""
    row = SAMPLERS[lane.sampler]
    scale = 1.0 if model.consistency else lane.guidance_scale  # a distilled UNet is told its scale, and has no halves
    needs, windows = rule_script.needs(lane.rule, scale), _windows(request, lane)
    return [
        _head(model, row, bool(windows), scheduler_script.draws(lane), request.decoder == "tiny"),
        _constants(request, lane),
        loading(model),
        _prompts(needs),
        TELLING if model.consistency else "",
        _controls(model, windows) if windows else "",
        *scheduler_script.parts(
            lane,
            request.forward.T,
            "pipe.scheduler.alphas_cumprod",
            "pipe.scheduler.config.prediction_type",
            level=rule_script.takes_level(lane.rule, scale),
        ),
        rule_script.X_0_OF_PREDICTION if lane.rule in rule_script.X_0_RULES else "",
        scheduler_script.noise(lane, SHAPE),
        rule_script.before(lane.rule, scale),
        _loop(model, lane, scale, bool(windows)),
        decoding(model, request.decoder),
    ]


def decoding(model: Model, decoder: str) -> str:
    """The picture of the last x_0, by the autoencoder or by the tiny decoder in its place, and its file."""
    lines, network = [], "pipe.vae"
    if decoder == "tiny":
        source, network = model.tiny_decoder, "tiny"
        name = source_script.quoted(source_script.folder(source) or source.partition("@")[0])
        lines = [f"tiny = AutoencoderTiny.from_pretrained({name}{_revision(source)})  # in place of the autoencoder"]
    return "\n".join(
        [
            *lines,
            f"picture = {network}.decode(x / {network}.config.scaling_factor).sample[0]",
            scheduler_script.SIGNED_TO_FILE,
        ]
    )


def _windows(request: SamplingRequest, lane: LaneSettings) -> list[tuple[ControlMap, ControlWindow]]:
    """The control maps that a lane follows, and how."""
    if not lane.windows or (lane.guess and not rule_script.needs(lane.rule, lane.guidance_scale)[0]):
        return []  # guess mode steers the conditional half, which nobody asks for
    return [pair for pair in zip(request.controls, lane.windows, strict=True) if pair[1].strength]


def pipeline(model: Model) -> str:
    """The class of diffusers that a model's index file names; what its row says where there is no file at hand."""
    name, _, revision = model.source.partition("@")
    folder = source_script.folder(model.source)
    file = (
        str(Path(folder) / "model_index.json")
        if folder
        else try_to_load_from_cache(name, "model_index.json", revision=revision or None)
    )
    if isinstance(file, str) and Path(file).is_file():
        return json.loads(Path(file).read_text("utf-8"))["_class_name"]
    return model.pipeline


def _head(model: Model, row: Sampler, controlled: bool, draws: bool, tiny: bool) -> str:
    names = [
        *filter(None, [scheduler_script.class_of(row)]),
        "StableDiffusionPipeline",
        *(["ControlNetModel"] if controlled else []),
        *(["AutoencoderTiny"] if tiny else []),
    ]
    standard = ["sys", *(["base64", "io"] if controlled else []), *(["hashlib"] if draws else [])]
    where = (
        "Run it in the lab's folder, or name the model's."
        if source_script.folder(model.source)
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
    prompt, negative = words(model, request.condition), words(model, Condition(prompt=request.negative))
    source = source_script.folder(model.source) or model.source.partition("@")[0]
    halves = scale != 1 and not model.consistency
    meaning = (
        "the UNet was distilled with it"
        if model.consistency
        else "1 is the plain conditional model, 0 the unconditional one"
    )
    lines = [
        f"MODEL = sys.argv[1] if len(sys.argv) > 1 else {source_script.quoted(source)}",
        'PICTURE = sys.argv[2] if len(sys.argv) > 2 else "picture.png"',
        f"PROMPT = {source_script.quoted(prompt)}",
        *([f"NEGATIVE = {source_script.quoted(negative)}  # in place of the empty prompt"] if halves else []),
        f"SCALE = {scale!r}  # of guidance; {meaning}",
        f"SEED = {lane.seed}",
        f"STEPS = {lane.steps}",
        *([f"ETA = {lane.eta!r}  # 0: deterministic, 1: as noisy as DDPM"] if SAMPLERS[lane.sampler].eta else []),
    ]
    return "\n".join(lines)


def words(model: Model, condition: Condition) -> str:
    """The prompt of a condition, as the text encoder reads it."""
    prompt = as_read(condition.prompt) if model.captions else condition.prompt.strip()
    if "style" in model.conditions and condition.style:
        return f"{prompt}, {condition.style} style".removeprefix(", ")
    return prompt


def loading(model: Model | Helper, pipeline: str = "StableDiffusionPipeline") -> str:
    """Reading the model as a pipeline of diffusers."""
    more = "" if model.source.startswith("models/") else ", safety_checker=None"
    return f"torch.set_grad_enabled(False)\npipe = {pipeline}.from_pretrained(MODEL{_revision(model.source)}{more})"


def _revision(source: str) -> str:
    _, _, revision = source.partition("@")
    return f", revision={source_script.quoted(revision)}" if revision and not source_script.folder(source) else ""


def _prompts(needs: tuple[bool, bool]) -> str:
    rows = (
        "torch.cat([read(NEGATIVE), read(PROMPT)])" if all(needs) else "read(PROMPT)" if needs[0] else "read(NEGATIVE)"
    )
    return f"{READ}prompts = {rows}\n"


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
    folder = source_script.folder(source)
    beside = Path(source).parent == Path(model.source).parent
    if folder and beside:
        return f"Path(MODEL).parent / {source_script.quoted(Path(source).name)}"
    return source_script.quoted(folder or source.partition("@")[0]) + _revision(source)


def _png(pixels: np.ndarray) -> str:
    stream = io.BytesIO()
    Image.fromarray(pixels).save(stream, "PNG", optimize=True)
    return base64.b64encode(stream.getvalue()).decode()


def _loop(model: Model, lane: LaneSettings, scale: float, controlled: bool) -> str:
    row, embeddings = SAMPLERS[lane.sampler], "prompts, timestep_cond=scale" if model.consistency else "prompts"
    walk, needs = walk_script.walk(row), rule_script.needs(lane.rule, scale)
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
            if all(needs):
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
    if all(needs):
        lines += ["    unconditional, conditional = prediction.chunk(2)"]
    if rule_script.takes_level(lane.rule, scale):
        lines += ["    x_t = rows[:1]", *([] if walk else ["    a = level(t)"])]
    lines += rule_script.lines(lane.rule, scale)
    lines += scheduler_script.eps_for_x_0(row)
    lines += [*walk_script.clean(walk.seen, exact=False), *walk.step] if walk else [scheduler_script.step(lane)]
    return "\n".join(lines)


READ = '''
def read(prompt):
    """The embeddings of a prompt: the text encoder's last hidden states."""
    longest = pipe.tokenizer.model_max_length
    tokens = pipe.tokenizer(prompt, padding="max_length", max_length=longest, truncation=True, return_tensors="pt")
    return pipe.text_encoder(tokens.input_ids)[0]


'''
TELLING = """
# The embedding of the guidance scale, an input of a UNet that was distilled with it (Luo et al. 2023).
scale = pipe.get_guidance_scale_embedding(torch.tensor([SCALE - 1.0]), pipe.unet.config.time_cond_proj_dim)
"""
SHAPE = "(1, pipe.unet.config.in_channels, pipe.unet.config.sample_size, pipe.unet.config.sample_size)"
