"""Rules that combine a conditional and an unconditional prediction.

The convention, stated once: guidance scale 1 is the plain conditional model, 0 the unconditional one (as diffusers;
the paper's w is our scale - 1).
"""

from torch import Tensor


def classifier_free(conditional: Tensor, unconditional: Tensor, scale: float) -> Tensor:
    """Classifier-free guidance (Ho and Salimans 2022, equation 6), on eps or, equally, on v or x_0."""
    return unconditional + scale * (conditional - unconditional)


def needs(scale: float) -> tuple[bool, bool]:
    """Which halves a scale needs: (conditional, unconditional). Scales 1 and 0 need only one of them."""
    return scale != 0, scale != 1
