"""The parts of a folder in diffusers' format, read to the word.

A class that the lab does not know, a tensor that is missing, unknown or of another shape, weights in another format: each
is refused with a LabError that names the part, where diffusers and transformers would fill in random numbers or defaults.
"""

import re
from collections.abc import Collection
from pathlib import Path
from typing import Any

import diffusers
import torch
import transformers
from diffusers.schedulers import KarrasDiffusionSchedulers
from safetensors import safe_open
from transformers import CLIPImageProcessor, CLIPTokenizer

from lab.models.cache import first_line
from lab.models.sources import variant_of
from lab.requests.base import LabError
from lab.store import has_vocabulary, read_json, whole_variants

# Schedulers over a table of alpha-bar: of their settings only the forward process is read, the lab's samplers do the rest.
SCHEDULERS = {kind.name for kind in KarrasDiffusionSchedulers} - {"EDMEulerScheduler"} | {
    "LCMScheduler",
    "TCDScheduler",
    "UnCLIPScheduler",
}
PREDICTIONS = ("epsilon", "v_prediction", "sample")
TIMESTEPS = 1000  # of every trained model in the lab
WEIGHTS = (".safetensors", ".bin", ".ckpt", ".pt", ".pth", ".msgpack", ".h5", ".onnx")


def read_config(file: Path, part: str) -> dict[str, Any]:
    """The object in a JSON file of a folder. Raises LabError where it is not there or cannot be read."""
    content = read_json(file)
    if content is None:
        raise LabError(f"Its {part} has no {file.name} that can be read.")
    return content


def check_class(name: str | None, classes: Collection[str], what: str) -> None:
    """Refuse a class that the lab does not know; `what` is of it."""
    if not name or name not in classes:
        raise LabError(f"{what} is {f'a {name}' if name else 'not there'}; the lab knows {' and '.join(classes)}.")


def read_network(folder: Path, kind: Any, dtype: torch.dtype, part: str = "") -> Any:
    """The network of class `kind` in a folder, every tensor of it from the folder's safetensors, in host memory."""
    part = part or folder.name
    config = read_config(folder / "config.json", part)
    of_transformers = issubclass(kind, transformers.PreTrainedModel)
    if not of_transformers and "_class_name" in config:
        check_class(config["_class_name"], [kind.__name__], f"Its {part}")
    half = dtype != torch.float32
    stem = "model" if of_transformers else "diffusion_pytorch_model"
    if not whole_variants(folder, [stem]):
        raise LabError(
            f"Its {part} {_what_weights(folder)}; the lab reads {stem}.safetensors or {stem}.fp16.safetensors."
        )
    _check_shards(folder, variant_of(folder, half) or "", part)
    plain = {} if of_transformers else {"low_cpu_mem_usage": False}  # else diffusers asks for accelerate
    net, report = kind.from_pretrained(
        folder, torch_dtype=dtype, variant=variant_of(folder, half), use_safetensors=True, output_loading_info=True,
        ignore_mismatched_sizes=True, **plain,
    )  # fmt: skip
    _check_tensors(report, part)
    return net.eval().requires_grad_(False)


def _what_weights(folder: Path) -> str:
    """What lies there in place of weights that the lab reads."""
    files = sorted(file.name for file in folder.iterdir() if file.suffix in WEIGHTS)
    indices = sorted(file.name for file in folder.glob("*.safetensors.index*.json"))
    if indices:
        return f"lacks some of the files that {indices[0]} names"
    return f"has {', '.join(files[:3])}{' and more' if len(files) > 3 else ''}" if files else "has no weights"


def _check_shards(folder: Path, variant: str, part: str) -> None:
    """Refuse shards that do not hold the tensors that their index names: diffusers takes the index's word for them."""
    for index in folder.glob(f"*.safetensors.index{f'.{variant}' if variant else ''}.json"):
        named: dict[str, str] = read_config(index, part).get("weight_map", {})
        there: set[str] = set()
        for shard in set(named.values()):
            with safe_open(folder / shard, "pt") as tensors:
                there.update(tensors.keys())
        _check_tensors({"missing_keys": named.keys() - there, "unexpected_keys": there - named.keys()}, part)


def _check_tensors(report: dict[str, Any], part: str) -> None:
    """Refuse what a loading report, as diffusers and transformers give it, says was not read from the file as it is."""
    wrong = [
        f"{len(keys)} tensor{'s' if len(keys) > 1 else ''} {what} (first {min(keys)})"
        for what, keys in (
            ("missing", [*report["missing_keys"]]),
            ("unknown", [*report["unexpected_keys"]]),
            ("of another shape", [key for key, *_ in report.get("mismatched_keys", ())]),
        )
        if keys
    ] + [str(message).splitlines()[0] for message in report.get("error_msgs", ())]
    if wrong:
        raise LabError(f"The weights of its {part} are not those that it describes: {', '.join(wrong)}.")


def read_tokenizer(folder: Path) -> CLIPTokenizer:
    """The tokenizer in a folder."""
    if not has_vocabulary(folder):
        raise LabError(f"Its {folder.name} has no vocabulary: neither tokenizer.json, nor vocab.json with merges.txt.")
    return CLIPTokenizer.from_pretrained(folder)


def read_image_processor(folder: Path) -> CLIPImageProcessor:
    """What prepares pictures for a CLIP's image encoder, from a folder."""
    read_config(folder / "preprocessor_config.json", folder.name)
    return CLIPImageProcessor.from_pretrained(folder)


def read_scheduler(folder: Path, name: str = "") -> Any:
    """The scheduler in a folder, of class `name` or of the one that its file names: its `alphas_cumprod` and its `config`
    are the forward process that the model was trained under. Raises LabError where the lab has no samplers for that."""
    config = read_config(folder / "scheduler_config.json", folder.name)
    own = config.get("_class_name")
    for class_name in filter(None, (name, own)):
        if class_name not in SCHEDULERS:
            raise LabError(f"Its scheduler is a {class_name}, for whose process the lab has no samplers.")
    try:
        scheduler = getattr(diffusers, name or own or "DDIMScheduler").from_pretrained(folder)
    except Exception as error:
        raise LabError(f"Its scheduler cannot be set up: {first_line(error)}.") from error
    _check_process(scheduler)
    return scheduler


def _check_process(scheduler: Any) -> None:
    """Refuse a forward process or a prediction that the lab's samplers do not know."""
    config = scheduler.config
    if (prediction := config.get("prediction_type", "epsilon")) not in PREDICTIONS:
        raise LabError(f"Its scheduler says that it predicts '{prediction}'; the lab knows {', '.join(PREDICTIONS)}.")
    if config.get("use_flow_sigmas"):
        raise LabError("Its scheduler is set to flow matching (use_flow_sigmas), for which the lab has no samplers.")
    if config.get("timestep_type", "discrete") != "discrete":
        raise LabError(
            "Its scheduler counts timesteps in log sigma (timestep_type); the lab's samplers count them by number."
        )
    if config.get("thresholding"):
        raise LabError(
            "Its scheduler thresholds the predicted x_0 (thresholding), which the lab does not do for a folder."
        )
    if config.num_train_timesteps != TIMESTEPS:
        raise LabError(
            f"Its scheduler has {config.num_train_timesteps:,} timesteps; trained models of the lab have {TIMESTEPS:,}."
        )
    betas = scheduler.betas
    if not (betas.isfinite().all() and betas.min() >= 0 and betas.max() <= 1):
        raise LabError(
            f"The betas of its scheduler run from {betas.min():g} to {betas.max():g}; they lie between 0 and 1."
        )


def side_of(config: Any, part: str) -> int:
    """The side of what a network works on, from its `sample_size`: a number, or a list of two equal ones."""
    size = config.get("sample_size")
    height, width = size if isinstance(size, list | tuple) and len(size) == 2 else (size, size)
    if not isinstance(height, int) or height != width or height < 1:
        sides = f"{height} by {width}" if height and width else "not given"
        raise LabError(f"The sample_size of its {part} is {sides}; the lab draws squares.")
    return height


def without_paths(text: str) -> str:
    """A library's sentence with folders of this machine cut down to their last name."""
    return re.sub(r"(?<![\w:/])(?:[A-Za-z]:)?(?:[/\\][^\s/\\'\"<>|:,;()\[\]]+){2,}[/\\]?", _last_name, text)


def _last_name(path: re.Match[str]) -> str:
    return re.split(r"[/\\]", path.group().rstrip("/\\"))[-1]
