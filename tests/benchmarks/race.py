"""The lab against OpenVINO GenAI's Text2ImagePipeline, the fastest way to draw with a Stable Diffusion on a CPU, and both
against what the compiled network alone takes.

All on the shipped weights, in one process, on the same threads, in turns. GenAI's loop is C++ with static shapes and shows
nothing on the way; ours is all that a press of Run does: the worker, a preview of every step, the picture. The floor is our
compiled network's calls and the decoder's, back to back, with nothing between them. Without openvino-genai
(requirements-dev.txt) there is no race.
"""

import argparse
import json
import shutil
import threading
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import openvino
import torch
from torch import Tensor, nn

from lab.backends.local import LocalBackend
from lab.catalog import MODELS
from lab.models.loaders import pick_threads
from lab.models.prompts import embed_scale
from lab.requests.fields import Condition, Forward
from lab.requests.sampling import LaneSettings, SamplingRequest
from lab.settings import ASSETS, Settings
from tests.benchmarks._report import compare, medians_s

BASE, STUDENT = "text-to-image", "student"
STEPS, USERS = 25, 8
SCALES = (0, 1, 2, 3, 5, 7.5, 10, 15)
PROMPT = "red heart"
PRECISIONS = {"float32": "f32", "bfloat16": "bf16"}
AIMS = {"alone": "at most 1.05", "crowd": "at most 0.80", "sweep": "at most 0.60", "floor": "at most 1.15"}


# GenAI's own layout of a folder


class Encode(nn.Module):
    """The text encoder as GenAI calls it."""

    def __init__(self, encoder: Any) -> None:
        super().__init__()
        self.encoder = encoder

    def forward(self, input_ids: Tensor) -> tuple[Tensor, Tensor]:
        output = self.encoder(input_ids)
        return output.last_hidden_state, output.pooler_output


class Predict(nn.Module):
    """The UNet as GenAI calls it; the guidance scale's embedding where it was distilled with one."""

    def __init__(self, unet: Any) -> None:
        super().__init__()
        self.unet = unet

    def forward(self, sample: Tensor, timestep: Tensor, hidden: Tensor, scale: Tensor | None = None) -> Tensor:
        return self.unet(sample, timestep, hidden, timestep_cond=scale).sample


class Decode(nn.Module):
    """The decoder as GenAI calls it."""

    def __init__(self, autoencoder: Any) -> None:
        super().__init__()
        self.autoencoder = autoencoder

    def forward(self, latents: Tensor) -> Tensor:
        return self.autoencoder.decode(latents).sample


def export(name: str, folder: Path) -> None:
    """A shipped model as GenAI reads one: converted networks, its tokenizer, its configurations."""
    from diffusers import LatentConsistencyModelPipeline, StableDiffusionPipeline
    from openvino_tokenizers import convert_tokenizer

    distilled = name == STUDENT
    kind = LatentConsistencyModelPipeline if distilled else StableDiffusionPipeline
    pipe = kind.from_pretrained(ASSETS / "models" / name, low_cpu_mem_usage=False).to(torch.float32)
    width, side = pipe.unet.config.cross_attention_dim, pipe.unet.config.sample_size
    tokens = pipe.tokenizer.model_max_length
    parts = {
        "text_encoder": (Encode(pipe.text_encoder), [torch.zeros(1, tokens, dtype=torch.long)], ["input_ids"],
                         ["last_hidden_state", "pooler_output"]),
        "unet": (Predict(pipe.unet), [torch.zeros(2, 4, side, side), torch.tensor([1]), torch.zeros(2, tokens, width)],
                 ["sample", "timestep", "encoder_hidden_states"], ["out_sample"]),
        "vae_decoder": (Decode(pipe.vae), [torch.zeros(1, 4, side, side)], ["latent_sample"], ["sample"]),
    }  # fmt: skip
    if distilled:
        parts["unet"][1].append(embed_scale(torch.tensor([4.0, 4.0]), pipe.unet.config.time_cond_proj_dim))
        parts["unet"][2].append("timestep_cond")
    for part, (module, example, inputs, outputs) in parts.items():
        with torch.no_grad():
            model = openvino.convert_model(module.eval(), example_input=tuple(example))
        for port, title in zip(model.inputs, inputs, strict=True):
            port.get_tensor().set_names({title})
        for port, title in zip(model.outputs, outputs, strict=True):
            port.get_tensor().set_names({title})
        if part == "text_encoder":
            model.reshape([1, tokens])
        (folder / part).mkdir()
        openvino.save_model(model, folder / part / "openvino_model.xml", compress_to_fp16=False)
        config = getattr(pipe, part.removesuffix("_decoder")).config
        config = config.to_dict() if hasattr(config, "to_dict") else dict(config)
        (folder / part / "config.json").write_text(json.dumps(config, default=str))
    (folder / "tokenizer").mkdir()
    tokenizer = convert_tokenizer(pipe.tokenizer, with_detokenizer=False, use_max_padding=True)
    openvino.save_model(tokenizer, folder / "tokenizer" / "openvino_tokenizer.xml")
    shutil.copytree(ASSETS / "models" / name / "scheduler", folder / "scheduler")
    (folder / "model_index.json").write_text(
        json.dumps(
            {
                "_class_name": kind.__name__,
                "text_encoder": ["transformers", "CLIPTextModel"],
                "unet": ["diffusers", "UNet2DConditionModel"],
                "vae": ["diffusers", "AutoencoderKL"],
                "tokenizer": ["transformers", "CLIPTokenizer"],
                "scheduler": ["diffusers", type(pipe.scheduler).__name__],
            }
        )
    )


class Rival:
    """GenAI's pipeline, one compiled for guided pictures and one for those without guidance."""

    def __init__(self, folder: Path, precision: str | None, guided: Sequence[bool] = (True, False)) -> None:
        import openvino_genai

        options: dict[str, Any] = {"INFERENCE_NUM_THREADS": torch.get_num_threads()}
        if precision:
            options["INFERENCE_PRECISION_HINT"] = PRECISIONS[precision]
        self.pipes = {}
        for one in guided:
            pipe = openvino_genai.Text2ImagePipeline(folder)
            pipe.reshape(1, 64, 64, 5.0 if one else 1.0)
            pipe.compile("CPU", **options)
            self.pipes[one] = pipe

    def draw(self, seed: int = 0, scale: float = 5.0, steps: int = STEPS) -> Any:
        """A picture, (1, 64, 64, 3)."""
        return (
            self.pipes[scale > 1]
            .generate(
                PROMPT, num_inference_steps=steps, guidance_scale=float(scale), rng_seed=seed, width=64, height=64
            )
            .data
        )


# ours


class Ours:
    """The lab in this process, with a compiled network."""

    def __init__(self, precision: str | None, cache: Path) -> None:
        self.settings = Settings(device="cpu", dtype=precision or "auto", cache_dir=str(cache))
        self.backend = LocalBackend(self.settings)
        self.backend.warm(BASE, STUDENT).join()
        self.draw_crowd()
        self.draw(*(lane(scale=scale) for scale in SCALES))
        assert self.backend.workshop, "nothing to race with: LAB_CPU_ENGINE is not openvino"
        self.backend.workshop.finish()

    def draw(self, *lanes: LaneSettings, model: str = BASE) -> None:
        """A run, to its end, as a page reads it."""
        for _ in self.backend.run(request(*lanes, model=model)):
            pass

    def draw_crowd(self) -> None:
        """Eight users press Run."""
        users = [threading.Thread(target=self.draw, args=(lane(seed),)) for seed in range(USERS)]
        for user in users:
            user.start()
        for user in users:
            user.join()

    def floor(self, *calls: int, pictures: int) -> Callable[[], None]:
        """The compiled UNet's calls of so many rows each, then the decoder's, back to back."""
        with self.backend.cache.lease(BASE) as model:
            engines = model._denoiser._engines._engines
        unet, decoder = engines["denoiser"], engines["decoder"]

        def call(engine: Any, rows: int) -> Any:
            size = min(size for size in engine._requests if size >= rows)
            return partial(
                engine._requests[size], [part.repeat(size, *[1] * (part.dim() - 1)) for part in engine.example]
            )

        work = [call(unet, rows) for rows in calls] + [call(decoder, 1)] * pictures

        def run() -> None:
            for one in work:
                one()

        return run


def request(*lanes: LaneSettings, model: str = BASE) -> SamplingRequest:
    forward = Forward(schedule=MODELS[model].schedules[0])
    return SamplingRequest(model=model, condition=Condition(prompt=PROMPT), forward=forward, lanes=lanes)


def lane(seed: int = 0, scale: float = 5.0, steps: int = STEPS, sampler: str = "ddim") -> LaneSettings:
    return LaneSettings(sampler=sampler, steps=steps, seed=seed, guidance_scale=scale)


def race(ours: Ours, rival: Rival, student: Rival, words: str, repeats: int) -> None:
    """All figures of one pair of precisions."""
    each = medians_s  # in turns
    crowd = lambda: [rival.draw(seed) for seed in range(USERS)]  # noqa: E731
    sweep = lambda: [rival.draw(scale=scale) for scale in SCALES]  # noqa: E731
    rows = sum(1 if scale in (0, 1) else 2 for scale in SCALES)
    works = {
        "one picture": ("alone", lambda: ours.draw(lane()), rival.draw, ours.floor(*[2] * STEPS, pictures=1)),
        f"{USERS} users": ("crowd", ours.draw_crowd, crowd, ours.floor(*[2 * USERS] * STEPS, pictures=USERS)),
        f"sweep of {len(SCALES)} scales": (
            "sweep", lambda: ours.draw(*(lane(scale=scale) for scale in SCALES)), sweep,
            ours.floor(2, *[rows] * (STEPS - 1), pictures=len(SCALES)),
        ),
    }  # fmt: skip
    for title, (aim, mine, theirs, least) in works.items():
        own, other, floor = each(mine, theirs, least, repeats=repeats)
        compare(f"{title}, ours / GenAI; {words}", own, other, AIMS[aim])
        compare(f"{title}, ours / its compiled calls; {words}", own, floor, AIMS["floor"])
    for steps in (1, 4):
        own, other = each(
            lambda steps=steps: ours.draw(lane(scale=4.0, steps=steps, sampler="lcm"), model=STUDENT),
            partial(student.draw, scale=4.0, steps=steps),
            repeats=repeats * 3,
        )
        compare(f"student in {steps} step{'s' * (steps > 1)}, ours / GenAI; {words}", own, other, AIMS["alone"])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--pairs", default="float32,bfloat16,default", help="which precisions, with commas between")
    asked = parser.parse_args()
    torch.set_num_threads(pick_threads(Settings()))
    with TemporaryDirectory() as folder:
        for name in (BASE, STUDENT):
            (Path(folder) / name).mkdir()
            export(name, Path(folder) / name)
        for pair in asked.pairs.split(","):
            precision = None if pair == "default" else pair
            cache = Path(folder) / "cache"
            ours = Ours(precision, cache)
            rivals = [Rival(Path(folder) / name, precision) for name in (BASE, STUDENT)]
            words = (
                f"{'each as it comes' if precision is None else f'both {precision}'}, {torch.get_num_threads()} threads"
            )
            race(ours, *rivals, words, asked.repeats)


if __name__ == "__main__":
    main()
