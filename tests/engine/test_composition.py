"""Two descriptions of one picture: what a composed row predicts is what its parts predict, brought back and put together."""

import math

import pytest
import torch

from lab.catalog import VIEWS
from lab.engine.composition import MAPS, Composed, Composing, HighPass, LowPass, Part, blur_matrix, joined
from lab.engine.guidance import ClassifierFree
from lab.engine.lanes import Changing, Lane, StepNoise, drive
from lab.engine.predictions import PREDICTION_TYPES, join_prediction
from lab.engine.process import Level, VariancePreserving
from lab.engine.samplers import make_scheduler
from tests.engine.gaussian import SHAPE, Gaussian

PROCESS = VariancePreserving(torch.cumprod(1 - torch.linspace(1e-4, 0.02, 1000, dtype=torch.float64), 0))
TIMES = torch.tensor([10.0, 200.0, 500.0, 900.0])
CHANNELS, SIDE = SHAPE[0], SHAPE[1]


def gaussian(*shape, seed=0):
    return torch.randn(shape, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


class Painter:
    """A denoiser that no map commutes with: it predicts its conditioning, a picture (channels, height, width), and something of
    each pixel and its neighbour to the right. It counts its calls; with `learned` it says a variance as well."""

    shape, process, prediction_type = SHAPE, PROCESS, "epsilon"

    def __init__(self, learned=False):
        self.learned, self.rows = learned, []

    def __call__(self, x_t, t, conditioning):
        self.rows.append(len(x_t))
        prediction = torch.stack(list(conditioning)) + 0.5 * x_t + 0.2 * x_t.roll(1, dims=3).tanh()
        return torch.cat([prediction, 0.3 * prediction.abs()], 1) if self.learned else prediction


FIRST, SECOND, THIRD = (gaussian(*SHAPE, seed=seed) for seed in (11, 12, 13))
X_T = gaussian(4, *SHAPE)


# The maps


@pytest.mark.parametrize("name", MAPS)
@pytest.mark.parametrize("side", [1, 2, 7, 8])
def test_a_map_is_orthogonal_and_undone_by_its_inverse(name, side):
    x, own = gaussian(4, side, side), MAPS[name]
    assert (own.undo(own.see(x), 4) == x).all() and (own.see(own.undo(x, 4)) == x).all()
    matrix = torch.stack([own.see(one.reshape(1, side, side)).flatten() for one in torch.eye(side * side)])
    assert (matrix @ matrix.T == torch.eye(side * side)).all()


def test_each_map_does_what_its_row_says():
    x = torch.tensor([[1.0, 2.0], [3.0, 4.0]])[None]
    seen = {name: own.see(x)[0].tolist() for name, own in MAPS.items()}
    assert seen == {
        "flip": [[3, 4], [1, 2]],
        "mirror": [[2, 1], [4, 3]],
        "turn": [[4, 3], [2, 1]],
        "quarter": [[2, 4], [1, 3]],  # what was on the right is on top
        "negative": [[-1, -2], [-3, -4]],
    }


@pytest.mark.parametrize("prediction_type", PREDICTION_TYPES)
@pytest.mark.parametrize("name", MAPS)
def test_every_prediction_comes_back_as_x_0_and_eps_do(name, prediction_type):
    own, level = MAPS[name], Level(0.6, 0.8)
    x_0, eps = gaussian(*SHAPE), gaussian(*SHAPE, seed=1)
    x_t = level.signal * x_0 + level.noise * eps
    seen = join_prediction(own.see(x_0), own.see(x_t), level, prediction_type)
    want = join_prediction(x_0, x_t, level, prediction_type)
    torch.testing.assert_close(own.undo(seen, CHANNELS), want, atol=1e-12, rtol=0)


# A row


@pytest.mark.parametrize("view", [name for name in VIEWS if name != "negative"])
def test_two_equal_descriptions_are_one_where_the_denoiser_does_not_mind_the_map(view):
    mask = torch.arange(SIDE * SIDE).reshape(SIDE, SIDE) % 3 == 0
    rows = [joined(view, 0.3, 0.3, SHAPE, mask=mask)] * 4
    want = Gaussian(PROCESS)(X_T, TIMES, [0.3] * 4)
    torch.testing.assert_close(Composing(Gaussian(PROCESS))(X_T, TIMES, rows), want, atol=1e-12, rtol=0)


def test_a_negative_of_data_is_data_of_the_other_mean():
    rows = [joined("negative", 0.3, -0.3, SHAPE)] * 4
    want = Gaussian(PROCESS)(X_T, TIMES, [0.3] * 4)
    torch.testing.assert_close(Composing(Gaussian(PROCESS))(X_T, TIMES, rows), want, atol=1e-12, rtol=0)


def test_two_descriptions_of_gaussian_data_average_their_means():
    """The mean of two scores of N(m, v I) is that of the mean between."""
    rows = [joined("turn", 0.3, -0.1, SHAPE)] * 4
    want = Gaussian(PROCESS)(X_T, TIMES, [0.1] * 4)
    torch.testing.assert_close(Composing(Gaussian(PROCESS))(X_T, TIMES, rows), want, atol=1e-12, rtol=0)


HALVES = torch.zeros(SIDE, SIDE, dtype=torch.bool)
HALVES[:, SIDE // 2 :] = True


@pytest.mark.parametrize(("view", "second"), [("left-right", HALVES), ("top-bottom", HALVES.T), ("painted", HALVES)])
def test_in_its_region_a_description_is_alone(view, second):
    row = joined(view, FIRST, SECOND, SHAPE, mask=HALVES)
    got = Composing(Painter())(X_T[:1], TIMES[:1], [row])
    want = torch.where(second, *(Painter()(X_T[:1], TIMES[:1], [own]) for own in (SECOND, FIRST)))
    assert (got == want).all()


def test_a_turned_part_is_predicted_where_the_denoiser_sees_it():
    got = Composing(Painter())(X_T[:1], TIMES[:1], [joined("quarter", FIRST, SECOND, SHAPE)])
    seen = Painter()(torch.rot90(X_T[:1], 1, (2, 3)), TIMES[:1], [SECOND])
    want = (Painter()(X_T[:1], TIMES[:1], [FIRST]) + torch.rot90(seen, 3, (2, 3))) / 2
    torch.testing.assert_close(got, want, atol=1e-12, rtol=0)


def test_a_learned_variance_moves_with_its_pixels_and_keeps_its_sign():
    for view, move in (("negative", lambda x: x), ("flip", lambda x: x.flip(2))):
        sign = -1 if view == "negative" else 1
        got = Composing(Painter(learned=True))(X_T[:1], TIMES[:1], [joined(view, FIRST, SECOND, SHAPE)])
        plain = Painter(learned=True)(X_T[:1], TIMES[:1], [FIRST])
        seen = move(Painter(learned=True)(sign * move(X_T[:1]), TIMES[:1], [SECOND]))
        want = (plain + torch.cat([sign * seen[:, :CHANNELS], seen[:, CHANNELS:]], 1)) / 2
        torch.testing.assert_close(got, want, atol=1e-12, rtol=0)


# Frequencies


def test_low_and_high_make_up_the_whole():
    x = gaussian(*SHAPE)
    torch.testing.assert_close(LowPass(1.5)(x) + HighPass(1.5)(x), x, atol=1e-15, rtol=0)
    row = joined("frequencies", FIRST, FIRST, SHAPE)
    want = Painter()(X_T[:1], TIMES[:1], [FIRST])
    torch.testing.assert_close(Composing(Painter())(X_T[:1], TIMES[:1], [row]), want, atol=1e-14, rtol=0)


def test_a_wave_is_damped_as_a_gaussian_damps_it():
    """exp(-(deviation * omega)^2 / 2), away from the border: waves far below the cutoff are low, far above it high."""
    side, deviation = 128, 3.0
    middle, places = slice(32, 96), torch.arange(side, dtype=torch.float64)
    for waves in (2, 6, 12, 30):
        omega = 2 * math.pi * waves / side
        x = (omega * places).sin().expand(1, side, side)
        damped = math.exp(-((deviation * omega) ** 2) / 2)
        for turned in (x, x.mT):
            low, high = (band(turned)[..., middle, middle] for band in (LowPass(deviation), HighPass(deviation)))
            torch.testing.assert_close(low, damped * turned[..., middle, middle], atol=1e-4, rtol=0)
            torch.testing.assert_close(high, (1 - damped) * turned[..., middle, middle], atol=1e-4, rtol=0)
    assert math.exp(-((deviation * 2 * math.pi * 2 / side) ** 2) / 2) > 0.95  # of the slowest wave
    assert math.exp(-((deviation * 2 * math.pi * 30 / side) ** 2) / 2) < 0.001  # and the fastest


def test_a_blur_keeps_what_is_even():
    for side in (1, 5, 16):
        torch.testing.assert_close(blur_matrix(side, 2.0).sum(1), torch.ones(side, dtype=torch.float64))


@pytest.mark.parametrize("side", [16, 64, 96])
def test_the_cutoff_is_told_in_pixels_of_a_picture_of_64(side):
    first, second = joined("frequencies", 0, 0, (4, side, side), cutoff=4.0).parts
    assert first.share == LowPass(side / 16) and second.share == HighPass(side / 16)


# Calls and lanes


def test_all_parts_of_all_rows_are_predicted_in_one_call():
    denoiser = Painter()
    rows = [joined("flip", FIRST, SECOND, SHAPE), THIRD, joined("left-right", FIRST, SECOND, SHAPE), THIRD]
    got = Composing(denoiser)(X_T, TIMES, rows)
    assert denoiser.rows == [6]
    assert (got[[1, 3]] == Painter()(X_T[[1, 3]], TIMES[[1, 3]], [THIRD, THIRD])).all()
    for row in range(4):  # and none minds the others
        alone = Composing(Painter())(X_T[row : row + 1], TIMES[row : row + 1], rows[row : row + 1])
        torch.testing.assert_close(got[row : row + 1], alone, atol=1e-12, rtol=0)


def test_what_two_regions_ask_alike_is_predicted_once():
    denoiser = Painter()
    Composing(denoiser)(X_T[:1], TIMES[:1], [joined("top-bottom", THIRD, THIRD, SHAPE)])
    Composing(denoiser)(X_T[:1], TIMES[:1], [joined("flip", THIRD, THIRD, SHAPE)])
    assert denoiser.rows == [1, 2]


def lane(index, conditional, unconditional=None, scale=1.0):
    scheduler = make_scheduler("DDIM", PROCESS, "epsilon", 5, "trailing", {"clip_sample": False})
    noise = StepNoise(index)
    rule = None if unconditional is None else ClassifierFree(scale)
    return Lane(index, scheduler, noise.initial(SHAPE), noise, conditional, unconditional, rule)


def ends(lanes, denoiser=None):
    denoiser = denoiser or Composing(Painter())
    return {record.lane: record.x_0 for record in drive(denoiser, lanes) if record.i == record.n}


class Guiding(Painter):
    """The painter guided within the denoiser: a row's conditioning is a pair, conditional and unconditional."""

    def __call__(self, x_t, t, conditioning):
        one, other = (super(Guiding, self).__call__(x_t, t, [pair[i] for pair in conditioning]) for i in (0, 1))
        return other + 3.0 * (one - other)


@pytest.mark.parametrize("view", VIEWS)
def test_guiding_what_is_composed_is_composing_what_is_guided(view):
    first, second, third = (own.float() for own in (FIRST, SECOND, THIRD))
    conditional, unconditional = (joined(view, *own, SHAPE, HALVES) for own in ((first, second), (third, third)))
    guided = ends([lane(0, conditional, unconditional, 3.0)])[0]
    within = ends([lane(0, joined(view, (first, third), (second, third), SHAPE, HALVES))], Composing(Guiding()))[0]
    assert (guided - ends([lane(0, conditional)])[0]).abs().max() > 0.1
    torch.testing.assert_close(guided, within, atol=2e-5, rtol=1e-5)


def test_a_picture_does_not_depend_on_its_company():
    first, second, third = (own.float() for own in (FIRST, SECOND, THIRD))

    def lanes():
        rows = [joined("flip", first, second, SHAPE), third, joined("frequencies", second, third, SHAPE)]
        return [lane(index, row, third, 2.0) for index, row in enumerate(rows)]

    together = ends(lanes())
    for index in range(3):
        torch.testing.assert_close(ends([lanes()[index]])[index], together[index], atol=1e-6, rtol=0)


def test_a_part_may_change_from_step_to_step():
    class Growing(Changing):
        def at(self, i, n):
            return FIRST.float() * i / n

    denoiser, composed = Painter(), joined("flip", Growing(), SECOND.float(), SHAPE)
    seen = [part.conditioning for part in composed.at(2, 4).parts]
    assert (seen[0] == FIRST.float() / 2).all() and (seen[1] == SECOND.float()).all()
    steady = joined("flip", FIRST, SECOND, SHAPE)
    assert steady.at(2, 4) is steady  # so that lanes which share it share their first step
    ends([lane(0, composed)], Composing(denoiser))
    assert denoiser.rows == [2] * 5


# Masks, and what is refused


def test_a_mask_of_another_size_covers_places_by_area():
    mask = torch.zeros(4 * SIDE, 2 * SIDE, dtype=torch.bool)
    mask[:5, 0] = True  # one place of 4 x 2, and a quarter of the next; half as wide
    row = joined("painted", FIRST, SECOND, SHAPE, mask=mask.numpy())
    want = torch.zeros(1, SIDE, SIDE)
    want[0, 0, 0], want[0, 1, 0] = 0.5, 0.125
    assert (row.parts[1].share.weight == want).all() and (row.parts[0].share.weight == 1 - want).all()


def test_the_middle_of_an_odd_side_is_shared():
    first, second = joined("left-right", 0, 0, (1, 2, 3)).parts
    assert first.share.weight[0].tolist() == [[1, 0.5, 0]] * 2 and second.share.weight[0].tolist() == [[0, 0.5, 1]] * 2


def test_what_cannot_be_joined_is_refused_in_words():
    with pytest.raises(ValueError, match="square"):
        joined("quarter", 0, 0, (3, 8, 6))
    with pytest.raises(ValueError, match="paint over"):
        joined("painted", 0, 0, SHAPE)
    with pytest.raises(ValueError, match="paint over"):
        joined("painted", 0, 0, SHAPE, mask=torch.zeros(0, 4))
    with pytest.raises(ValueError, match="above 0"):
        joined("frequencies", 0, 0, SHAPE, cutoff=0)
    with pytest.raises(ValueError, match="use left-right"):
        joined("sideways", 0, 0, SHAPE)


def test_a_denoiser_that_takes_few_rows_still_does():
    few = Painter()
    few.most_rows = 1
    assert Composing(few).most_rows == 1 and not hasattr(Composing(Painter()), "most_rows")


def test_three_parts_make_one_row():
    shares = [lambda x, i=i: x * (torch.arange(SIDE) % 3 == i) for i in range(3)]
    row = Composed(tuple(Part(own, share=share) for own, share in zip((FIRST, SECOND, THIRD), shares, strict=True)))
    got = Composing(Painter())(X_T[:1], TIMES[:1], [row])
    plain = [Painter()(X_T[:1], TIMES[:1], [own]) for own in (FIRST, SECOND, THIRD)]
    assert all((got[..., i::3] == plain[i][..., i::3]).all() for i in range(3))
