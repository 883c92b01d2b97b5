"""Precision, recall and Fréchet distance over the guidance scale, measured once and shipped."""

import json
from dataclasses import dataclass, fields
from functools import lru_cache

from lab.settings import ASSETS

FILE = ASSETS / "curves" / "guidance.json"
RULES = ("cfg", "interval", "rescaled", "classifier", "classifier_conditional")
SCALES = (0.0, 1.0, 2.0, 3.0, 5.0, 7.5, 10.0)


@dataclass(frozen=True)
class CurvePoint:
    """What a rule at a scale draws, against the real pictures, in the judge's features."""

    rule: str  # a row of GUIDANCE
    scale: float
    precision: float  # in [0, 1] (Kynkäänniemi et al. 2019)
    recall: float  # in [0, 1]
    frechet: float  # the distance, 0 for equal sets (Heusel et al. 2017)


@dataclass(frozen=True)
class FidelityCurves:
    """A point for each of RULES at each of SCALES, and how they were measured."""

    points: tuple[CurvePoint, ...]
    n: int  # pictures of each point
    real: int  # real pictures that each is compared with
    k: int  # nearest neighbours, of precision and recall
    steps: int
    sampler: str  # a row of SAMPLERS
    seed: int  # of the first picture; the others' follow it
    floor: float  # Fréchet distance of n of the real pictures to others of them: what a perfect model could reach
    command: str  # that measures it again


@lru_cache(maxsize=1)
def fidelity_curves() -> FidelityCurves:
    """The curves that are shipped."""
    content = json.loads(FILE.read_text(encoding="utf-8"))
    points = tuple(CurvePoint(**point) for point in content.pop("points"))
    return FidelityCurves(points, **{field.name: content[field.name] for field in fields(FidelityCurves)[1:]})
