"""Two denoisers as one: rows go where they belong, and a second network may speak another language."""

from types import SimpleNamespace

import pytest
import torch

from lab.engine.autoguidance import BySecond, Two
from lab.engine.guidance import ClassifierFree
from lab.engine.lanes import Lane, StepNoise, drive
from lab.engine.process import StraightFlow, VariancePreserving
from lab.engine.samplers import make_scheduler
from tests.engine.gaussian import SHAPE, Gaussian

LINEAR = VariancePreserving(torch.cumprod(1 - torch.linspace(1e-4, 0.02, 1000, dtype=torch.float64), 0))
SLOWER = VariancePreserving(torch.cumprod(1 - torch.linspace(1e-4, 0.015, 1000, dtype=torch.float64), 0))
TIMES = torch.tensor([10.0, 200.0, 500.0, 900.0])
TYPES = ("epsilon", "v_prediction", "sample")


def gaussian(rows):
    return torch.randn(rows, *SHAPE, dtype=torch.float64, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize("process", [LINEAR, SLOWER])
@pytest.mark.parametrize("second_type", TYPES)
@pytest.mark.parametrize("first_type", TYPES)
def test_a_second_network_is_read_in_the_terms_of_the_first(first_type, second_type, process):
    """The same Gaussian data under another table and another prediction: the rows are those of the first."""
    first, x_t = Gaussian(LINEAR, first_type), gaussian(4)
    two = Two(first, Gaussian(process, second_type))
    rows = [0.3, BySecond(0.3), BySecond(-0.5), 0.1]
    want = first(x_t, TIMES, [0.3, 0.3, -0.5, 0.1])
    torch.testing.assert_close(two(x_t, TIMES, rows), want, atol=1e-6, rtol=1e-6)


@pytest.mark.parametrize("scale", [0.0, 1.0, 2.5])
def test_scale_0_is_the_second_alone_and_scale_1_the_first(scale):
    """Of Gaussian data with other means, guidance at s ends where data of mean second + s (first - second) do."""
    first, second = Gaussian(LINEAR, "epsilon"), Gaussian(LINEAR, "epsilon")
    means = {0.0: -0.5, 1.0: 0.3, 2.5: -0.5 + 2.5 * 0.8}

    def end(denoiser, *conditioning):
        scheduler = make_scheduler("DDIM", LINEAR, "epsilon", 12, "trailing", {"clip_sample": False})
        noise = StepNoise(3)
        rule = ClassifierFree(scale) if len(conditioning) == 2 else None
        lane = Lane(0, scheduler, noise.initial(SHAPE), noise, *conditioning, rule=rule)
        *_, last = drive(denoiser, [lane])
        return last.x_0

    got = end(Two(first, second), 0.3, BySecond(-0.5))
    torch.testing.assert_close(got, end(first, means[scale]), atol=1e-4, rtol=0)


def test_each_is_called_once_and_only_where_it_is_asked():
    first, second = Gaussian(LINEAR), Gaussian(LINEAR)
    two = Two(first, second)
    two(gaussian(3), TIMES[:3], [BySecond(0.1), 0.2, BySecond(0.3)])
    assert first.calls == [[0.2]] and second.calls == [[0.1, 0.3]]
    two(gaussian(2), TIMES[:2], [0.1, 0.2])
    assert first.calls == [[0.2], [0.1, 0.2]] and len(second.calls) == 1


def test_a_learned_variance_stays_that_of_the_first_network():
    """The second says nothing of it: 0, the middle of the range, for its rows."""

    class Learned(Gaussian):
        def __call__(self, x_t, t, conditioning):
            return torch.cat([super().__call__(x_t, t, conditioning), torch.full_like(x_t, 0.7)], 1)

    out = Two(Learned(LINEAR, "epsilon"), Gaussian(LINEAR, "epsilon"))(gaussian(2), TIMES[:2], [0.1, BySecond(0.1)])
    channels = SHAPE[0]
    assert (out[0, channels:] == 0.7).all() and (out[1, channels:] == 0).all()


def test_networks_of_other_shapes_or_processes_are_refused():
    one = Gaussian(LINEAR, "epsilon")
    with pytest.raises(ValueError, match="works on"):
        Two(one, SimpleNamespace(shape=(3, 1, 1), process=LINEAR, prediction_type="epsilon"))
    with pytest.raises(ValueError, match="variance-preserving"):
        Two(one, Gaussian(StraightFlow(), "flow_prediction"))
