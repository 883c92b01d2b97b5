"""What rooms of unCLIP share: a run as it comes, and its markup."""

import numpy as np
import pytest

from lab.requests.sampling import LaneResult, Step
from lab.requests.unclip import Embedded, Embedding, Judged, Near, PriorStep, UnclipLane, UnclipRequest
from lab.ui.tabs.unclip import view
from lab.ui.tabs.unclip.outcome import Outcome

GREY = np.full((8, 8, 3), 128, np.uint8)
NEAR = Near(GREY, 'a "red" <apple>', "food-drink", -0.25)
EMBEDDED = Embedded(0, np.zeros(4, np.float32), (NEAR,))


@pytest.fixture
def outcome() -> Outcome:
    return Outcome(
        UnclipRequest(
            pictures=(GREY,), embeddings=(Embedding(),), lanes=(UnclipLane(embedding=0, steps=2), UnclipLane())
        )
    )


def test_an_outcome_tells_what_it_does_and_how_far_it_is(outcome: Outcome) -> None:
    assert (outcome.begun, outcome.ways(), outcome.doing()) == (False, [], "Finding embeddings …")
    outcome.add(PriorStep(0, 0, 1, 5, 900.0, -3.0, NEAR))
    assert (outcome.begun, outcome.doing()) == (True, "The prior draws embeddings …")
    outcome.add(EMBEDDED)
    assert (outcome.doing(), outcome.embedding(0), outcome.embedding(1)) == ("Drawing …", EMBEDDED, None)
    outcome.add(Step(0, 1, 2, 500.0, 0.0, GREY, GREY + 1, 0.1))
    assert outcome.ways() == [(1, 2), (0, 20)]
    assert outcome.picture(0).max() == 129
    assert outcome.picture(1) is None
    outcome.add(LaneResult(0, GREY, 2, 0.2))
    assert outcome.picture(0) is GREY
    assert (outcome.doing(), outcome.whole) == ("1 of 2 pictures …", False)


def test_beneath_a_picture_stands_what_the_judge_says(outcome: Outcome) -> None:
    assert "<img" not in view.drawn(None, 0, "seed 0")
    outcome.add(LaneResult(0, GREY, 2, 0.2))
    assert "<img" in view.drawn(outcome, 0, "seed 0")
    outcome.add(Judged(0, np.zeros(4, np.float32), NEAR, to_pictures=(-0.5,)))
    said = view.drawn(outcome, 0, "seed 0")
    assert "cos −0.50" in said
    assert "&lt;apple&gt;" in said
    assert "<apple>" not in said + view.table(["lane"], outcome, [(0, ["1"]), (1, ["2"])])


def test_an_embedding_is_drawn_as_its_nearest_pictures() -> None:
    empty, there = view.embedding(None, "z", 3), view.embedding(EMBEDDED, "z", 3)
    assert [one.count("unclip-cell") for one in (empty, there)] == [3, 3]
    assert (empty.count("<img"), there.count("<img")) == (0, 1)
    assert "cos −0.25" in there


def test_every_row_of_a_grid_is_as_wide_as_its_heads() -> None:
    markup = view.grid("Pictures", ("a", "b"), [("x_T", "one", [view.cell(GREY, "one")])])
    assert "--columns:2" in markup
    assert "x<sub>T</sub>" in markup
    assert markup.endswith("</figure><span></span></div>")
