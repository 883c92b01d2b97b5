"""Precision and recall of sets of a visitor's own grid."""

import html
import re

import numpy as np
import pytest

from lab.requests.base import LabError
from lab.requests.fidelity import Fidelity, FidelityRequest
from lab.ui.tabs.guidance import fidelity
from lab.ui.tabs.guidance import tab as guidance
from tests.ui.tabs.test_guidance import VISITOR, make_tab, run, values_of


def points(markup, chart, curve):
    found = re.search(f'data-chart="{chart}" data-curve="{curve}"[^>]*data-points="([^"]*)"', markup).group(1)
    return [tuple(map(float, point.split(","))) for point in found.split()]


class Measuring:
    """Precision falls and recall rises with the index of the set."""

    def __init__(self):
        self.requests = []

    def run(self, request, stop=None, client=""):
        self.requests.append(request)
        for index, pictures in enumerate(request.sets):
            yield Fidelity(index, len(pictures), 90, 1, 1 - index / 8, index / 8)


def measured(**changes):
    """The tab after a run and a press of Measure, and the updates of the press."""
    tab = make_tab()
    kept = run(tab, **changes)[tab.last_run]
    tab.backend = Measuring()
    return tab, list(tab.on_measure(values_of(tab, kept), VISITOR))


def test_every_rule_and_scale_of_a_grid_is_a_set():
    tab, updates = measured(experiment="rules", rules=["cfg", "apg"], scales="0, 1, 3", seeds="1, 2")
    (request,) = tab.backend.requests
    assert isinstance(request, FidelityRequest) and request.model == "exact" and request.condition.prompt == "cat"
    assert len(request.sets) == 6 and all([p[0, 0, 0] for p in one] == [10, 20] for one in request.sets)
    drawn = updates[-1][tab.fidelity]
    assert points(drawn, "precision", "Classifier-free") == [(0, 1), (1, 0.875), (3, 0.75)]
    assert points(drawn, "recall", "Adaptive projected") == [(0, 0.375), (1, 0.5), (3, 0.625)]
    assert "Sets of 2 pictures against 90 real ones" in drawn and "one picture decides much" in drawn
    assert "12 pictures in 6 sets" in updates[-1][tab.runs.note]


def test_one_seed_is_too_few_and_nothing_is_asked_for():
    tab, (update,) = measured(seeds="4")
    assert not tab.backend.requests and tab.fidelity not in update
    assert "at least two seeds" in html.unescape(update[tab.runs.note])
    (update,) = tab.on_measure(values_of(tab), VISITOR)
    assert guidance.NO_PICTURE in update[tab.runs.note]


def test_sets_of_more_pictures_than_can_be_measured_are_refused_in_words():
    pictures = (np.zeros((2, 2, 3), np.uint8),) * 65
    tab = make_tab()
    kept = run(tab)[tab.last_run]
    with pytest.raises(LabError, match="Sets, entry 1 may have at most"):
        fidelity.request(kept, [fidelity.PictureSet("cfg", 1.0, pictures)])


def test_another_run_takes_the_measured_numbers_away():
    tab = make_tab()
    assert run(tab)[tab.fidelity] == fidelity.measured()
