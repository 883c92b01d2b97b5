"""What a network predicts of x_t = signal * x_0 + noise * eps; at a given x_t each is affine in each other.

prediction_type     what it is                    source
------------------  ----------------------------  --------------------------------------------------------------
epsilon             eps                           Ho et al. 2020, eq. 14
sample              x_0                           Karras et al. 2022, the denoiser D
v_prediction        signal * eps - noise * x_0    Salimans and Ho 2022, appendix D; variance-preserving levels only
flow_prediction     eps - x_0                     Liu et al. 2023, eq. 1, and Lipman et al. 2023: dx_t / dt of the flow

The names are those of diffusers. Coefficients of a `Level` are numbers, or tensors that broadcast with x_t.
"""

from typing import Any

from torch import Tensor

from lab.engine.process import Level

PREDICTION_TYPES = ("epsilon", "sample", "v_prediction", "flow_prediction")


def split_prediction(prediction: Tensor, x_t: Tensor, level: Level[Any], prediction_type: str) -> tuple[Tensor, Tensor]:
    """x_0 and eps of a prediction. Raises ValueError for an unknown type, and for v at a level where it is undefined."""
    signal, noise = level.signal, level.noise
    if prediction_type == "epsilon":
        return (x_t - noise * prediction) / signal, prediction
    if prediction_type == "v_prediction":
        _check_variance_preserving(level)
        return signal * x_t - noise * prediction, signal * prediction + noise * x_t
    if prediction_type == "sample":
        return prediction, (x_t - signal * prediction) / noise
    if prediction_type == "flow_prediction":
        return (x_t - noise * prediction) / (signal + noise), (x_t + signal * prediction) / (signal + noise)
    raise _unknown(prediction_type)


def join_prediction(x_0: Tensor, x_t: Tensor, level: Level[Any], prediction_type: str) -> Tensor:
    """The inverse of `split_prediction`: what a network of `prediction_type` predicts where it means `x_0`."""
    if prediction_type == "sample":
        return x_0
    signal, noise = level.signal, level.noise
    eps = (x_t - signal * x_0) / noise
    if prediction_type == "epsilon":
        return eps
    if prediction_type == "v_prediction":
        _check_variance_preserving(level)
        return signal * eps - noise * x_0
    if prediction_type == "flow_prediction":
        return eps - x_0
    raise _unknown(prediction_type)


def add_score(prediction: Tensor, gradient: Tensor, level: Level[Any], prediction_type: str) -> Tensor:
    """The prediction at the same x_t where the score grad log q(x_t) = -eps / noise (Song et al. 2021, section 3.3) is
    larger by `gradient`. Of eps that is eps - noise * gradient (Dhariwal and Nichol 2021, algorithm 2)."""
    signal, noise = level.signal, level.noise
    if prediction_type == "epsilon":
        return prediction - noise * gradient
    if prediction_type == "v_prediction":
        _check_variance_preserving(level)
        return prediction - noise / signal * gradient
    if prediction_type == "sample":
        return prediction + noise * noise / signal * gradient
    if prediction_type == "flow_prediction":
        return prediction - noise * (signal + noise) / signal * gradient
    raise _unknown(prediction_type)


def _check_variance_preserving(level: Level[Any]) -> None:
    error = abs(level.signal**2 + level.noise**2 - 1)
    if float(error.max() if isinstance(error, Tensor) else error) > 1e-5:
        raise ValueError("v_prediction is defined at variance-preserving levels only, signal^2 + noise^2 = 1")


def _unknown(prediction_type: str) -> ValueError:
    return ValueError(f"unknown prediction type '{prediction_type}': use {', '.join(PREDICTION_TYPES)}")
