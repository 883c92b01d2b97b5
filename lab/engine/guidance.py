"""Rules that combine a conditional and an unconditional prediction.

The convention, stated once: guidance scale 1 is the plain conditional model, 0 the unconditional one (as diffusers;
the paper's w is our scale - 1). Predictions are (1, channels, height, width), of any prediction type: all are affine
in one another at a given x_t, so a linear rule means the same in each.

A rule is made afresh for every lane (`make_rule`), since some remember their past.
"""

from typing import ClassVar

import torch
from torch import Tensor

from lab.engine.predictions import join_prediction, split_prediction
from lab.engine.process import Level


def classifier_free(conditional: Tensor, unconditional: Tensor, scale: float) -> Tensor:
    """Classifier-free guidance (Ho and Salimans 2022, equation 6). Not torch's lerp, whose last bit depends on the company."""
    return unconditional + scale * (conditional - unconditional)


class ClassifierFree:
    """Classifier-free guidance at every step (Ho and Salimans 2022); the base of all rules."""

    def __init__(self, scale: float) -> None:
        self.scale = scale

    def needs(self, level: Level[float]) -> tuple[bool, bool]:
        """Which halves a step at this noise level needs: (conditional, unconditional). Half a call is saved at 0 and 1."""
        return self.scale != 0, self.scale != 1

    def combine(
        self, conditional: Tensor, unconditional: Tensor, x_t: Tensor, level: Level[float], prediction_type: str
    ) -> Tensor:
        """The guided prediction of a step that needed both halves."""
        return classifier_free(conditional, unconditional, self.scale)

    def alone(self, prediction: Tensor, x_t: Tensor, level: Level[float], prediction_type: str) -> Tensor:
        """The prediction of a step that needed one half only."""
        return prediction


class Rescaled(ClassifierFree):
    """Guidance with the conditional prediction's contrast (Lin et al. 2023, arXiv 2305.08891, section 3.4, eq. 14-16).

    The guided prediction is scaled to the standard deviation of the conditional one and mixed with itself by PHI.
    """

    PHI: ClassVar = 0.7

    def combine(
        self, conditional: Tensor, unconditional: Tensor, x_t: Tensor, level: Level[float], prediction_type: str
    ) -> Tensor:
        guided = classifier_free(conditional, unconditional, self.scale)
        rescaled = guided * (conditional.std() / guided.std())
        return self.PHI * rescaled + (1 - self.PHI) * guided


class Interval(ClassifierFree):
    """Guidance only at middle noise levels (Kynkäänniemi et al. 2024, arXiv 2404.07724, equation 5).

    Outside the interval of sigma (`Level.sigma`) the plain conditional model is used, which also saves the other half of
    the call. LOW and HIGH are the paper's for latent diffusion at 512 px.
    """

    LOW: ClassVar = 0.28
    HIGH: ClassVar = 2.9

    def needs(self, level: Level[float]) -> tuple[bool, bool]:
        return super().needs(level) if self.LOW < level.sigma <= self.HIGH else (True, False)


class DynamicThresholding(ClassifierFree):
    """Guidance whose predicted x_0 is kept in range (Saharia et al. 2022, Imagen, section 2.3).

    x_0 is clipped to the PERCENTILE of its absolute values, where that exceeds 1, and divided by it. It is meant for
    pixels in [-1, 1]; latents have no such range.
    """

    PERCENTILE: ClassVar = 0.995

    def combine(
        self, conditional: Tensor, unconditional: Tensor, x_t: Tensor, level: Level[float], prediction_type: str
    ) -> Tensor:
        guided = classifier_free(conditional, unconditional, self.scale)
        return self.alone(guided, x_t, level, prediction_type)

    def alone(self, prediction: Tensor, x_t: Tensor, level: Level[float], prediction_type: str) -> Tensor:
        x_0, _ = split_prediction(prediction, x_t, level, prediction_type)
        limit = float(torch.quantile(x_0.abs().flatten(), self.PERCENTILE))
        if limit <= 1:
            return prediction
        return join_prediction(x_0.clamp(-limit, limit) / limit, x_t, level, prediction_type)


class AdaptiveProjected(ClassifierFree):
    """Adaptive projected guidance, APG (Sadat et al. 2024, arXiv 2410.02416, algorithm 1), on the predicted x_0.

    The difference of the two predictions is averaged with negative momentum, cut to RADIUS (an RMS here, so that it
    does not depend on the picture's size), and loses PARALLEL of its part along the conditional prediction, which is
    what over-saturates.
    """

    MOMENTUM: ClassVar = -0.5
    RADIUS: ClassVar = 0.12
    PARALLEL: ClassVar = 1.0  # eta = 0

    def __init__(self, scale: float) -> None:
        super().__init__(scale)
        self._average: Tensor | float = 0.0

    def combine(
        self, conditional: Tensor, unconditional: Tensor, x_t: Tensor, level: Level[float], prediction_type: str
    ) -> Tensor:
        x_0, _ = split_prediction(conditional, x_t, level, prediction_type)
        other, _ = split_prediction(unconditional, x_t, level, prediction_type)
        self._average = difference = x_0 - other + self.MOMENTUM * self._average
        rms = float(difference.square().mean().sqrt())
        difference = difference * min(1.0, self.RADIUS / max(rms, 1e-12))
        along = (difference * x_0).sum() / x_0.square().sum().clamp(min=1e-12) * x_0
        guided = x_0 + (self.scale - 1) * (difference - self.PARALLEL * along)
        return join_prediction(guided, x_t, level, prediction_type)


class Gradient(ClassifierFree):
    """One prediction as it is: a guide has changed its score already (lab/engine/potentials.py), by as much as its scale says."""

    def needs(self, level: Level[float]) -> tuple[bool, bool]:
        return True, False


def make_rule(name: str, scale: float) -> ClassifierFree:
    """The rule of the class `name` of this module, fresh for one lane. Raises KeyError where there is none."""
    rules: list[type[ClassifierFree]] = [ClassifierFree, *ClassifierFree.__subclasses__()]
    return {rule.__name__: rule for rule in rules}[name](scale)
