"""The exact denoiser of Gaussian data under any process, whose every quantity is known in closed form."""

import torch

from lab.engine.denoisers import by_row
from lab.engine.predictions import join_prediction

SHAPE = (3, 8, 8)


class Gaussian:
    """Data N(m, deviation^2 I); a row's conditioning is m. Notes the rows of each call."""

    shape = SHAPE

    def __init__(self, process, prediction_type="epsilon", deviation=0.4):
        self.process, self.prediction_type, self.deviation = process, prediction_type, deviation
        self.calls = []

    def __call__(self, x_t, t, conditioning):
        self.calls.append(list(conditioning))
        level = by_row(self.process.level(t), x_t)
        x_0 = self.posterior_mean(x_t, level, torch.tensor(conditioning, dtype=x_t.dtype)[:, None, None, None])
        return join_prediction(x_0, x_t, level, self.prediction_type)

    def posterior_mean(self, x_t, level, mean):
        """E[x_0 | x_t], a line in x_t."""
        gain = level.signal * self.deviation**2 / self.variance(level)
        return mean + gain * (x_t - level.signal * mean)

    def variance(self, level):
        """Of x_t."""
        return level.signal**2 * self.deviation**2 + level.noise**2

    def posterior_variance(self, level):
        """Of x_0 given x_t."""
        return self.deviation**2 * level.noise**2 / self.variance(level)
