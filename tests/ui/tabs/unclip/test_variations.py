"""The room of variations without a browser: what it asks for, and what its stage, its words and its charts say."""

import json
import pickle
import re
from types import SimpleNamespace

import numpy as np
import pytest

from lab.requests.base import LabError
from lab.requests.fields import MAX_SEED
from lab.requests.sampling import LaneResult
from lab.requests.unclip import Embedded, Judged, JudgedPicture, Near
from lab.settings import Settings
from lab.ui.shell.rooms.room import Asked
from lab.ui.tabs.unclip.variations import charts, plans, view
from lab.ui.tabs.unclip.variations.room import Variations

ROOM = Variations()
GREY = np.full((8, 8, 3), 100, np.uint8)
FOX, CAT, APPLE = (
    Near(GREY, caption, group, 0.5)
    for caption, group in (("fox", "animals-nature"), ("cat", "animals-nature"), ("apple", "food-drink"))
)
VECTOR = np.ones(4, np.float32)


def asked(picture=GREY, **changes):
    now = {"seed": 3} | {one.name: one.value for one in ROOM.fields} | changes
    return Asked(now, SimpleNamespace(name="unclip"), picture, None, Settings())


def run(near=lambda lane: FOX, level=lambda lane: lane, **changes):
    """A finished run: lane k's picture lies `level(k)` grey levels off, and is `near(k)` to the judge, at a cosine of 1 - k / 100."""
    outcome = ROOM.outcome(ROOM.request(asked(**changes)))
    outcome.add(Embedded(0, VECTOR, (FOX, CAT)))
    outcome.add(JudgedPicture(0, FOX))
    for lane in range(len(outcome.request.lanes)):
        outcome.add(LaneResult(lane, GREY + np.uint8(level(lane)), 2, 0.1))
        outcome.add(Judged(lane, VECTOR, near(lane), to_pictures=(1 - lane / 100,)))
    return outcome


def text(html):
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", "", html))


def test_it_draws_from_inverted_and_from_drawn_noise():
    request = ROOM.request(asked(variations_seeds=3, variations_eta=0.25))
    back, *rest = request.lanes
    assert (back.inverted, back.eta, back.guidance_scale) == ((1.0,), 0.0, 1.0)
    assert [(bool(lane.inverted), lane.seed, lane.eta, lane.guidance_scale) for lane in rest] == [
        *((True, seed, 0.25, 1.0) for seed in (3, 4, 5)),
        *((False, seed, 0.25, 2.0) for seed in (3, 4, 5)),
    ]
    assert plans.heads(request) == ["seed 3", "seed 4", "seed 5"]
    assert [row.lanes for row in plans.rows(request)] == [(1, 2, 3), (4, 5, 6)]


def test_without_eta_the_inverted_row_would_be_one_picture_and_is_left_out():
    request = ROOM.request(asked(variations_seeds=2, variations_eta=0))
    assert [row.title for row in plans.rows(request)] == ["x_T drawn"]
    assert len(request.lanes) == 3


def test_every_level_is_drawn_from_the_same_noise():
    request = ROOM.request(asked(variations_experiment=plans.NOISE, variations_levels="0, 500", variations_rows=2))
    assert [(one.noise_level, one.noise_seed) for one in request.embeddings] == [(0, 3), (500, 3), (0, 4), (500, 4)]
    assert [(lane.embedding, lane.seed) for lane in request.lanes] == [(0, 3), (1, 3), (2, 4), (3, 4)]
    assert plans.heads(request) == ["level 0", "level 500"]


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"picture": None}, "There is no picture"),
        ({"variations_experiment": plans.NOISE, "variations_levels": "0, 1000"}, "1000 is out of range"),
        ({"variations_experiment": plans.NOISE, "variations_levels": "0,1,2,3,4,5,6,7,8"}, "at most 8"),
        ({"variations_seeds": 9}, "from 2 to 8"),
        ({"seed": MAX_SEED}, "pass the largest seed"),
        ({"variations_eta": 2}, "Eta must be at most 1"),
    ],
)
def test_bad_input_is_answered_in_words(changes, words):
    with pytest.raises(LabError, match=words):
        ROOM.request(asked(**changes))


def test_the_words_count_what_is_kept():
    found = run(lambda lane: (FOX, FOX, CAT, APPLE, CAT)[lane], variations_seeds=2)
    said = text(view.words(found))
    assert "takes the picture itself for “fox”, of “Animals and nature”" in said
    assert (
        "With xT inverted and η = 0.5 it takes 1 of 2 for the same thing and 2 for the same kind, at 1.5 grey levels"
        in said
    )
    assert (
        "With xT drawn and η = 0.5 it takes 0 of 2 for the same thing and 1 for the same kind, at 3.5 grey levels"
        in said
    )
    assert ROOM.summary(found).startswith("4 pictures from one embedding; cosine to the picture, by the judge, 0.97")
    noisy = text(
        view.words(
            run(lambda lane: (FOX, CAT)[lane % 2], variations_experiment=plans.NOISE, variations_levels="0, 900")
        )
    )
    assert (
        "At level 0 it takes 2 of 2 for the same thing and 2 for the same kind, at level 900 0 of 2 for the same thing and 2"
        in noisy
    )
    assert "goes from 0.99 to 0.98" in noisy


@pytest.mark.parametrize("name", [name for _, name in plans.EXPERIMENTS])
def test_the_stage_is_there_at_every_moment_of_a_run(name):
    whole = pickle.loads(pickle.dumps(run(variations_experiment=name)))
    before, after = (ROOM.stage(one, asked(variations_experiment=name)) for one in (None, whole))
    assert before.count("<figure") == after.count("<figure")
    assert before.count("<img") == 1  # the picture
    lanes, nearest = len(whole.request.lanes), 2
    assert after.count("<img") == 1 + nearest + lanes
    found = ROOM.outcome(whole.request)
    assert (found.begun, ROOM.words(found), ROOM.chart(found, {})) == (False, "", None)
    for event in (
        *whole.embedded.values(),
        *whole.judged.values(),
        *whole.results.values(),
        *whole.judged_pictures.values(),
    ):
        found.add(event)
        assert ROOM.progress(found)
        assert "None" not in ROOM.stage(found, asked()) + ROOM.table(found) + ROOM.words(found) + ROOM.summary(found)
        ROOM.chart(found, {})
    stems = [stem for stem, _ in ROOM.pictures(whole)]
    assert len(stems) == len(set(stems)) == 1 + lanes
    assert [title for title, _ in ROOM.scripts_of(whole.request)] == ["variations.py"]
    assert [part.name for part in ROOM.flow(whole.request).parts if part.key]


def test_the_charts_have_every_picture():
    seeds = json.loads(charts.chart(run(variations_seeds=2)).plot)["data"]
    assert [(trace["x"], trace["y"]) for trace in seeds] == [([0], [1]), ([1, 2], [0.99, 0.98]), ([3, 4], [0.97, 0.96])]
    noise = json.loads(
        charts.chart(run(variations_experiment=plans.NOISE, variations_levels="0, 900", variations_rows=1)).plot
    )["data"]
    assert [(trace["x"], trace["y"]) for trace in noise] == [([0, 900], [1, 0.99])]
