"""`python -m lab.training curves`: precision, recall and Fréchet distance of the pixel model over the guidance scale.

Figures 3 and 4 of Dhariwal & Nichol 2021 in miniature. Every point draws the same number of pictures from the same noise, by the
lab's own lanes, classes in the shares of the training set, and compares them with the real pictures in the judge's features. A
point that is there is not drawn again, so a stop loses one point at most.
"""

import hashlib
import json
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from lab.catalog import GROUPS, GUIDANCE, JUDGE, MODELS, leasable
from lab.engine.denoisers import Denoiser
from lab.engine.fidelity import Manifold, frechet
from lab.engine.lanes import Lane, drive
from lab.fidelity_curves import RULES, SCALES, CurvePoint
from lab.models.cache import ModelCache
from lab.models.judge import LoadedJudge
from lab.models.loaders import LoadedPictures, make_cache
from lab.models.pixel import LoadedPixel
from lab.operations.guides import make_guides
from lab.operations.lanes import Halves, make_lane
from lab.requests.fields import Condition, Forward
from lab.requests.sampling import LaneSettings, SamplingRequest
from lab.settings import ASSETS, Settings

MODEL = "pixel"
CLASSIFIER = MODELS[MODEL].guides["classifier"]
FORWARD = Forward(schedule=MODELS[MODEL].schedules[0])
SAMPLER = "ddim"
NEIGHBOURS = 3  # k of precision and recall
MAX_ROWS = 32  # of a call
CHUNK = 64  # pictures whose features are computed at a time
SMALL = 16, "classifier", 2.0  # pictures, rule and scale of a point that a test measures again

Key = tuple[str, float]  # a rule and a scale


@dataclass(frozen=True)
class Plan:
    """What is drawn for each point."""

    n: int = 256
    steps: int = 8
    seed: int = 0

    @property
    def command(self) -> str:
        """The command that draws it."""
        return f"python -m lab.training curves --pictures {self.n} --steps {self.steps} --seed {self.seed}"


class Scene:
    """The pixel model with its guides, the judge, and the real pictures: `n` of them in the shares of the groups, for the floor,
    and the others, which everything is compared with."""

    def __init__(self, plan: Plan, cache: ModelCache[Any], leases: ExitStack) -> None:
        self.plan = plan
        self.model: LoadedPixel = leases.enter_context(cache.lease(MODEL))
        self.model.denoiser(FORWARD).unet.to(memory_format=torch.channels_last)  # a tenth faster on a CPU
        self.judge: LoadedJudge = leases.enter_context(cache.lease(JUDGE))
        self.networks = {CLASSIFIER: leases.enter_context(cache.lease(CLASSIFIER))}
        data: LoadedPictures = leases.enter_context(cache.lease(MODELS[MODEL].data))
        features, groups = self.features(data.depicting(Condition())), np.array(data.pictures.groups)
        self.counts = shares(plan.n, {group: int((groups == group).sum()) for group in GROUPS})
        rng = np.random.default_rng(plan.seed)
        chosen = [rng.choice(np.flatnonzero(groups == group), n, replace=False) for group, n in self.counts.items()]
        is_chosen = torch.from_numpy(np.isin(np.arange(len(groups)), np.concatenate(chosen)))
        self.chosen, self.real = features[is_chosen], features[~is_chosen]
        self.manifold = Manifold(self.real, NEIGHBOURS)

    def features(self, pictures: np.ndarray) -> Tensor:
        """(n, width) of pictures (n, height, width, 3) uint8."""
        parts = [self.judge.features(pictures[at : at + CHUNK]) for at in range(0, len(pictures), CHUNK)]
        return torch.from_numpy(np.concatenate(parts))

    def draw(self, rule: str, scale: float) -> np.ndarray:
        """(n, side, side, 3) uint8, group by group; picture i from the noise of seed + i."""
        how = {"sampler": SAMPLER, "steps": self.plan.steps, "rule": rule, "guidance_scale": scale}
        lanes = iter([LaneSettings(seed=self.plan.seed + i, **how) for i in range(self.plan.n)])
        own = {group: tuple(islice(lanes, n)) for group, n in self.counts.items() if n}
        return self._drawn(
            [
                SamplingRequest(model=MODEL, forward=FORWARD, condition=Condition(group=group), lanes=lanes)
                for group, lanes in own.items()
            ]
        )

    def _drawn(self, requests: list[SamplingRequest]) -> np.ndarray:
        """The pictures of all lanes of requests that differ in their condition alone, drawn in company."""
        denoiser: Denoiser = self.model.denoiser(FORWARD)
        lanes: list[Lane] = []
        for request in requests:
            guides = make_guides(request, self.model, self.model.denoiser(FORWARD), self.networks)
            denoiser, halves = guides.denoiser, Halves(request, self.model, (), guides.potentials)
            first = len(lanes)
            lanes += [make_lane(first + i, lane, denoiser, *halves.of(lane)) for i, lane in enumerate(request.lanes)]
        ends = {record.lane: record.x_0 for record in drive(denoiser, lanes, MAX_ROWS) if record.i == record.n}
        return np.stack([self.model.to_picture(ends[lane]) for lane in sorted(ends)])

    def measure(self, features: Tensor) -> dict[str, float]:
        """Precision, recall and Fréchet distance of features (n, width) against the real ones."""
        precision, recall = self.manifold.share(features), Manifold(features, NEIGHBOURS).share(self.real)
        return {"precision": precision, "recall": recall, "frechet": frechet(features, self.real)}

    def point(self, rule: str, scale: float) -> CurvePoint:
        """What a rule at a scale draws, measured."""
        return CurvePoint(rule, scale, **self.measure(self.features(self.draw(rule, scale))))


def shares(n: int, counts: dict[str, int]) -> dict[str, int]:
    """n in the shares of `counts`, as whole numbers: by largest remainder."""
    quotas = {name: n * count / sum(counts.values()) for name, count in counts.items()}
    floors = {name: int(quota) for name, quota in quotas.items()}
    left = sorted(counts, key=lambda name: floors[name] - quotas[name])[: n - sum(floors.values())]
    return {name: floor + (name in left) for name, floor in floors.items()}


def drawn_as(rule: str, scale: float) -> Key:
    """The rule and scale that draw the same pictures, of those that do: where nothing guides, all are one model alone."""
    row = GUIDANCE[rule]
    if row.guide:
        return ("cfg", 0.0 if row.base == "unconditional" else 1.0) if scale == row.origin else (rule, scale)
    if scale == 1 or (scale == 0 and not row.part_time):  # one half alone
        return "cfg", scale
    return rule, scale


def measure_all(plan: Plan, file: Path, device: str, report: Callable[[str], None] = print) -> None:
    """Measure what is missing in `file`, and write it after each point."""
    cache = make_cache(Settings(device=device, cpu_engine="torch"))
    with ExitStack() as leases:
        scene = Scene(plan, cache, leases)
        content = header(scene, cache)
        points = points_there(file, content)
        write(file, content, points)
        for key, seconds in missing_points(scene, points):
            point = points[key]
            report(
                f"{len(points):3} of {len(RULES) * len(SCALES)}  {point.rule} {point.scale:g}: precision {point.precision:.3f}, "
                f"recall {point.recall:.3f}, Fréchet {point.frechet:.2f}  ({seconds:.0f} s)"
            )
            write(file, content, points)


def header(scene: Scene, cache: ModelCache[Any]) -> dict[str, Any]:
    """All of the file but its points."""
    plan, (count, rule, scale) = scene.plan, SMALL
    with ExitStack() as leases:
        small = Scene(Plan(count, plan.steps, plan.seed), cache, leases).point(rule, scale)
    return {
        "command": plan.command, "n": plan.n, "real": len(scene.real), "k": NEIGHBOURS, "steps": plan.steps,
        "sampler": SAMPLER, "seed": plan.seed, "floor": frechet(scene.chosen, scene.real),
        "real_against_real": scene.measure(scene.chosen), "small": {"n": count} | asdict(small), "weights": weights((MODEL, JUDGE, CLASSIFIER)),
    }  # fmt: skip


def weights(names: Iterable[str]) -> dict[str, str]:
    """SHA-256 of the shipped weights of each of these networks, by its row."""
    files = {name: sorted((ASSETS / leasable()[name].source).rglob("*.safetensors")) for name in names}
    return {name: hashlib.sha256(b"".join(map(Path.read_bytes, found))).hexdigest() for name, found in files.items()}


def points_there(file: Path, content: dict[str, Any]) -> dict[Key, CurvePoint]:
    """The points of a file that were measured as `content` says, with the same weights; none where there is no such file."""
    there: dict[str, Any] = json.loads(file.read_text(encoding="utf-8")) if file.exists() else {"points": []}
    same = ("n", "real", "k", "steps", "sampler", "seed")
    changed = {name for name, digest in content["weights"].items() if there.get("weights", {}).get(name) != digest}
    if changed - {CLASSIFIER} or any(there.get(name) != content[name] for name in same):
        return {}
    points = {(point["rule"], point["scale"]): CurvePoint(**point) for point in there["points"]}
    return {key: point for key, point in points.items() if not (changed and GUIDANCE[drawn_as(*key)[0]].guide)}


def missing_points(scene: Scene, points: dict[Key, CurvePoint]) -> Iterator[tuple[Key, float]]:
    """Add what is missing to `points`, one after the other; each with its seconds."""
    for rule, scale in ((rule, scale) for rule in RULES for scale in SCALES):
        if (rule, scale) not in points:
            began, same = time.monotonic(), points.get(drawn_as(rule, scale))
            values = asdict(same or scene.point(rule, scale)) | {"rule": rule, "scale": scale}
            points[rule, scale] = CurvePoint(**values)
            yield (rule, scale), time.monotonic() - began


def write(file: Path, content: dict[str, Any], points: dict[Key, CurvePoint]) -> None:
    """The file as a whole: the old one stays until the new one is written."""
    file.parent.mkdir(parents=True, exist_ok=True)
    rows = [asdict(points[key]) for key in ((rule, scale) for rule in RULES for scale in SCALES) if key in points]
    partial = file.with_suffix(".partial")
    partial.write_text(json.dumps(content | {"points": rows}, indent=1) + "\n", encoding="utf-8")
    partial.replace(file)
