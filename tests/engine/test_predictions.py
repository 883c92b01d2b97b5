"""What networks predict, against the definitions in float64 and against autograd's score."""

import pytest
import torch

from lab.engine.predictions import PREDICTION_TYPES, add_score, join_prediction, split_prediction
from lab.engine.process import Level

LEVELS = {
    "preserving": Level.from_alpha_bar(0.37),
    "exploding": Level.from_sigma(2.5),
    "flow": Level.from_flow_time(0.8),
}
CASES = [
    (kind, level) for kind in PREDICTION_TYPES for level in LEVELS if kind != "v_prediction" or level == "preserving"
]
SHAPE = (3, 8, 8)


def gaussian(seed):
    return torch.randn(SHAPE, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


def definition(x_0, eps, level, prediction_type):
    return {
        "epsilon": eps,
        "sample": x_0,
        "v_prediction": level.signal * eps - level.noise * x_0,
        "flow_prediction": eps - x_0,
    }[prediction_type]


@pytest.mark.parametrize(("prediction_type", "name"), CASES)
def test_split_and_join_are_the_definitions(prediction_type, name):
    level, x_0, eps = LEVELS[name], gaussian(0), gaussian(1)
    x_t = level.signal * x_0 + level.noise * eps
    prediction = definition(x_0, eps, level, prediction_type)
    torch.testing.assert_close(join_prediction(x_0, x_t, level, prediction_type), prediction)
    torch.testing.assert_close(split_prediction(prediction, x_t, level, prediction_type), (x_0, eps))


@pytest.mark.parametrize(("prediction_type", "name"), CASES)
def test_a_score_is_added_in_every_prediction_type(prediction_type, name):
    """score = -eps / noise, so eps falls by noise * gradient; x_0 follows, since x_t stays."""
    level, x_0, eps, gradient = LEVELS[name], gaussian(0), gaussian(1), gaussian(2)
    x_t = level.signal * x_0 + level.noise * eps
    more = add_score(definition(x_0, eps, level, prediction_type), gradient, level, prediction_type)
    got_x_0, got_eps = split_prediction(more, x_t, level, prediction_type)
    torch.testing.assert_close(-got_eps / level.noise, -eps / level.noise + gradient)
    torch.testing.assert_close(level.signal * got_x_0 + level.noise * got_eps, x_t)


@pytest.mark.parametrize("call", [split_prediction, join_prediction, add_score])
def test_what_has_no_meaning_is_refused(call):
    x = torch.zeros(SHAPE)
    arguments = (x, x, Level.from_alpha_bar(0.5))
    with pytest.raises(ValueError, match="unknown prediction type 'score': use epsilon, sample"):
        call(*arguments, "score")
    for level in (LEVELS["flow"], Level.from_sigma(torch.full((1, 1, 1), 2.0))):
        with pytest.raises(ValueError, match="variance-preserving levels only"):
            call(x, x, level, "v_prediction")
