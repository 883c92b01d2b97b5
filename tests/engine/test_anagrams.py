"""Two latents of one picture: they agree on it at every step, whatever the autoencoder makes of a turn."""

import pytest
import torch
from torch.nn.functional import pixel_shuffle, pixel_unshuffle

from lab.engine.anagrams import Synchronised, first_latent
from lab.engine.composition import MAPS, Composing, joined
from lab.engine.guidance import ClassifierFree
from lab.engine.lanes import Lane, StepNoise, drive
from lab.engine.predictions import PREDICTION_TYPES, join_prediction
from lab.engine.process import StraightFlow, VariancePreserving
from lab.engine.samplers import make_scheduler

PROCESS = VariancePreserving(torch.cumprod(1 - torch.linspace(1e-4, 0.02, 1000, dtype=torch.float64), 0))
TIMES = torch.tensor([200.0, 500.0, 900.0])
SHAPE = (12, 4, 4)  # latents of 3 colours at 8 x 8


def gaussian(*shape, seed=0):
    return torch.randn(shape, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


class Plain:
    """No autoencoder: pictures are their own latents."""

    def to_values(self, x_0):
        return x_0

    def from_values(self, values):
        return values


class Unshuffled(Plain):
    """A lossless one: each place holds four pixels, which a turn exchanges too."""

    def to_values(self, x_0):
        return pixel_shuffle(x_0, 2)

    def from_values(self, values):
        return pixel_unshuffle(values, 2)


class Painter:
    """A denoiser that predicts x_0 as its conditioning, a picture, and some of x_t beside it; counts its calls."""

    def __init__(self, shape, process=PROCESS, prediction_type="epsilon"):
        self.shape, self.process, self.prediction_type, self.rows = shape, process, prediction_type, []

    def __call__(self, x_t, t, conditioning):
        self.rows.append(len(x_t))
        level = self.process.level(t.double())
        level = type(level)(level.signal.to(x_t)[:, None, None, None], level.noise.to(x_t)[:, None, None, None])
        return join_prediction(self.x_0(x_t, conditioning), x_t, level, self.prediction_type)

    def x_0(self, x_t, conditioning):
        return torch.stack(list(conditioning)).to(x_t) + 0.1 * x_t.roll(1, dims=3).tanh()


FIRST, SECOND, THIRD = (gaussian(*SHAPE, seed=seed) for seed in (11, 12, 13))


@pytest.mark.parametrize("view", MAPS)
@pytest.mark.parametrize("prediction_type", PREDICTION_TYPES)
def test_without_an_autoencoder_it_is_the_composition(view, prediction_type):
    """Where the second latent is the first as the map shows it, both are predicted to be what `Composing` predicts."""
    shape, own = (3, 8, 8), MAPS[view]
    process = StraightFlow() if prediction_type == "flow_prediction" else PROCESS
    x_t, first, second = gaussian(3, *shape), gaussian(*shape, seed=1), gaussian(*shape, seed=2)
    row = joined(view, first, second, shape)
    want = Composing(Painter(shape, process, prediction_type))(x_t, TIMES, [row] * 3)
    both = Synchronised(Painter(shape, process, prediction_type), Plain())
    got = both(torch.cat([x_t, own.see(x_t)], 1), TIMES, [row] * 3)
    torch.testing.assert_close(got, torch.cat([want, own.see(want)], 1), atol=1e-8, rtol=1e-8)


@pytest.mark.parametrize("view", MAPS)
def test_x_0_is_the_mean_of_the_two_pictures_as_each_sees_it(view):
    auto, own, x_t = Unshuffled(), MAPS[view], gaussian(1, 2 * SHAPE[0], *SHAPE[1:])
    denoiser = Painter(SHAPE, prediction_type="sample")
    got = Synchronised(denoiser, auto)(x_t, TIMES[:1], [joined(view, FIRST, SECOND, SHAPE)])[0]
    predicted = zip(x_t.chunk(2, 1), (FIRST, SECOND), strict=True)
    pictures = [auto.to_values(denoiser.x_0(latent, [words])[0]) for latent, words in predicted]
    mean = (pictures[0] + own.undo(pictures[1], 3)) / 2
    torch.testing.assert_close(got[: SHAPE[0]], auto.from_values(mean), atol=1e-12, rtol=0)
    torch.testing.assert_close(got[SHAPE[0] :], auto.from_values(own.see(mean)), atol=1e-12, rtol=0)


def lanes():
    rows = [joined("turn", FIRST, SECOND, SHAPE), joined("quarter", SECOND, THIRD, SHAPE)]
    for index, row in enumerate(rows):
        scheduler = make_scheduler("DDIM", PROCESS, "epsilon", 6, "trailing", {"clip_sample": False})
        noise, other = StepNoise(index), joined("turn" if index == 0 else "quarter", THIRD, THIRD, SHAPE)
        x_T = noise.initial((2 * SHAPE[0], *SHAPE[1:]))
        yield Lane(index, scheduler, x_T, noise, row, other, ClassifierFree(3.0))


def test_lanes_end_in_one_picture_seen_in_two_ways():
    auto, denoiser = Unshuffled(), Painter(SHAPE)
    records = list(drive(Synchronised(denoiser, auto), lanes()))
    assert denoiser.rows == [8] * 6  # two lanes, two halves, two latents: all in one call
    for view, end in zip(("turn", "quarter"), [record for record in records if record.i == record.n], strict=True):
        first, second = (auto.to_values(latent) for latent in end.x_0.chunk(2))
        assert first.std() > 0.1
        torch.testing.assert_close(MAPS[view].see(first), second, atol=1e-4, rtol=0)


def test_a_lane_does_not_depend_on_its_company():
    def ends(some):
        return {r.lane: r.x_0 for r in drive(Synchronised(Painter(SHAPE), Unshuffled()), some) if r.i == r.n}

    together = ends(list(lanes()))
    for lane in lanes():
        torch.testing.assert_close(ends([lane])[lane.index], together[lane.index], atol=1e-5, rtol=0)


def test_what_is_shown_of_a_record_is_its_first_latent():
    lane, _ = lanes()
    record = next(iter(drive(Synchronised(Painter(SHAPE), Unshuffled()), [lane])))
    shown, channels = first_latent(record), SHAPE[0]
    assert shown.t == record.t and shown.lane == record.lane
    for name in ("x_t", "x_0", "eps"):
        assert (getattr(shown, name) == getattr(record, name)[:channels]).all() and getattr(shown, name).shape == SHAPE
    assert all((own == both[:channels]).all() for own, both in zip(shown.halves, record.halves, strict=True))
