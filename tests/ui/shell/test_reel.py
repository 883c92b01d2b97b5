"""A film of guesses alone, as the page's script reads it."""

import base64
import io
from dataclasses import replace
from math import inf

import numpy as np
from PIL import Image

from lab.requests.sampling import LaneSettings, Recording, SamplingRequest, Step
from lab.ui.shell import reel

SIDE = 16


def flat(value):
    return np.full((SIDE, SIDE, 3), value, np.uint8)


def recording(*values):
    """Lanes of five calls at log-SNR 0 .. 4, whose predicted x_0 is a grey that brightens by 20 a call."""
    lanes = tuple(LaneSettings(seed=seed, steps=5) for seed in range(len(values)))
    steps = {
        lane: tuple(
            Step(lane, i, 5, 10.0, float(i) if i < 5 else inf, flat(0), flat(first + 20 * i), 0.1) for i in range(6)
        )
        for lane, first in enumerate(values)
    }
    return Recording(SamplingRequest(lanes=lanes), steps)


def greys(track):
    """The mean of every frame of a sheet."""
    whole = np.asarray(Image.open(io.BytesIO(base64.b64decode(track["sheet"].partition(",")[2]))))
    for k in range(len(track["starts"])):
        top, left = k // track["columns"] * track["tall"], k % track["columns"] * track["wide"]
        yield whole[top : top + track["height"], left : left + track["width"]].mean()


def test_a_film_of_guesses_has_every_call_of_every_lane_at_its_log_snr():
    film = reel.guesses(recording(10, 90), ["one", "other"])
    assert film.pictures.keys() == {"one", "other"} and not film.words and film.caption == reel.CAPTION
    for name, first in (("one", 10), ("other", 90)):
        assert film.pictures[name]["starts"] == [
            0,
            50,
            100,
            150,
        ]  # log-SNR 0 .. 3 of 0 .. 4; the end is the stage's own
        assert np.allclose(list(greys(film.pictures[name])), [first + 20 * i for i in range(4)], atol=4)
    assert film.pixels == 2 * 4 * SIDE * SIDE


def test_many_calls_at_one_level_are_spread_over_the_film():
    """Up to the lane's next level; over all of the film where a lane has one level alone."""
    levels = [[0, 1, 2, 3, 4], [3] * 5, [0] * 4 + [4] * 3]
    steps = {
        lane: tuple(Step(lane, i, len(own), 10.0, float(at), flat(0), flat(0), 0.1) for i, at in enumerate([*own, inf]))
        for lane, own in enumerate(levels)
    }
    run = Recording(SamplingRequest(lanes=tuple(LaneSettings(seed=lane) for lane in range(3))), steps)
    seen = {place: [step.i for step in reel.at_position(run, place).values()] for place in (0, 50, 110, 199, reel.LAST)}
    assert seen == {0: [0, 0, 0], 50: [1, 1, 1], 110: [2, 2, 2], 199: [3, 4, 3], reel.LAST: [5, 5, 7]}
    alone = Recording(run.request, {1: steps[1]})
    assert [reel.at_position(alone, place)[1].i for place in (0, 50, 110, 199)] == [0, 1, 2, 4]


def test_two_films_are_one_as_far_as_their_pixels_allow(monkeypatch):
    before, now = reel.guesses(recording(10, 90), ["kept", "gone"]), reel.guesses(recording(50), ["new"])
    assert now.join(before, {"kept"}).pictures.keys() == {"kept", "new"}
    monkeypatch.setattr(reel, "MOST_PIXELS", 7 * SIDE * SIDE)
    assert now.join(before, {"kept"}).pictures.keys() == {"new"}


def test_a_stage_without_frames_has_no_reel():
    assert reel.Film().wrap("<p>empty</p>", plays=True) == "<p>empty</p>"


def test_a_lane_that_makes_no_call_stands_still_beside_those_that_do():
    """As an edit at strength 0: its one step is the finished picture."""
    moving = recording(0).steps[0]
    still = replace(moving[-1], lane=1, i=1, n=1)
    both = replace(recording(0), steps={0: moving, 1: (still,)})
    for position in range(reel.LAST + 1):
        assert reel.at_position(both, position)[1] is still
    assert len(reel.changes(both)) > 1
