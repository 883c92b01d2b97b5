"""Copy or invent: lanes of several machines from the same noise, and what is measured of their ends."""

import threading
from contextlib import contextmanager

import numpy as np
import pytest
import torch

from lab.engine.lanes import drive
from lab.models.loaders import make_cache
from lab.operations.house import House
from lab.operations.invention import invention, r_squared
from lab.requests.base import LabError
from lab.requests.invention import KINDS, Invention, InventionRequest, InventionStep, Machine
from lab.settings import Settings

SETTINGS = Settings(device="cpu", cpu_engine="torch")
EXACT, LOCAL, MOVED, NETWORK = (
    Machine(kind="exact", pictures=30),
    Machine(patch=5, pictures=30),
    Machine(patch=3, translated=True, pictures=30),
    Machine(kind="network"),
)
REQUEST = InventionRequest(group="food-drink", machines=(EXACT, LOCAL, MOVED, NETWORK), seeds=(4, 9), steps=4)


@pytest.fixture(scope="module")
def house():
    return House(SETTINGS, make_cache(SETTINGS), drive)


@pytest.fixture(scope="module")
def events(house):
    for name in KINDS.values():
        with house.lease(name):
            pass
    return list(invention(REQUEST, house))


@pytest.fixture(scope="module")
def ends(events):
    return {event.lane: event for event in events if isinstance(event, Invention)}


def grey_levels(picture, others):
    return np.sqrt(np.square(picture.astype(float) - others.astype(float)).mean(axis=(-3, -2, -1)))


def known(house, group, count):
    """The pictures that a machine knows, from the index alone."""
    with house.lease(KINDS["exact"]) as model:
        own = np.flatnonzero(np.array(model.pictures.groups) == group)
        return model.pictures.pixels[own[np.arange(count) * len(own) // count]]


def test_every_lane_has_its_steps_and_one_end_and_machines_go_side_by_side(events, ends):
    steps = [event for event in events if isinstance(event, InventionStep)]
    assert {(step.lane, step.i) for step in steps} == {(lane, i) for lane in range(8) for i in range(5)}
    assert len(steps) == 40 and ends.keys() == set(range(8))
    began = {lane: next(i for i, step in enumerate(steps) if step.lane == lane) for lane in range(8)}
    assert max(began.values()) < min(i for i, step in enumerate(steps) if step.i == step.n)
    for step in steps:
        if step.i == step.n:
            assert np.array_equal(step.x_0, ends[step.lane].picture)


class Slow:
    """A cache that has no more than one model until it may."""

    def __init__(self, cache, first):
        self.cache, self.first, self.may = cache, first, threading.Event()

    def plan(self, name):
        return self.cache.plan(name)

    @contextmanager
    def lease(self, name, stop):
        assert name == self.first or self.may.wait(60)
        with self.cache.lease(name, stop) as model:
            yield model


def test_who_is_there_does_not_wait_for_who_is_loaded(ends):
    slow = Slow(make_cache(SETTINGS), KINDS["exact"])
    found = []
    for event in invention(REQUEST, House(SETTINGS, slow, drive)):
        found.append(event)
        if getattr(event, "i", 0) == 2:  # half-way
            slow.may.set()
    assert found[0].text == "Loading the model 'Exact denoiser at 32 px' …"
    begun = [event.lane for event in found if isinstance(event, InventionStep) and event.i == 0]
    assert begun[:2] == [0, 1]  # of the exact machine
    same = {event.lane: event for event in found if isinstance(event, Invention)}
    assert all(np.array_equal(same[lane].picture, ends[lane].picture) for lane in range(8))


def test_a_seed_starts_all_machines_from_the_same_noise(events):
    starts = {event.lane: event.x_t for event in events if isinstance(event, InventionStep) and event.i == 0}
    for lane in range(8):
        assert np.array_equal(starts[lane], starts[lane % 2])
    assert not np.array_equal(starts[0], starts[1])


def test_the_exact_machine_copies_what_it_knows_and_the_local_one_does_not(house, ends):
    pictures = known(house, "food-drink", 30)
    for lane in (0, 1):
        assert ends[lane].nearest_rms < 0.1 and (ends[lane].picture == pictures).all((1, 2, 3)).any()
        assert ends[2 + lane].nearest_rms > 10


def test_distances_are_the_arithmetic_on_the_pictures(house, ends):
    pictures = known(house, "food-drink", 30)
    with house.lease(KINDS["exact"]) as model:
        everything = model.pictures.pixels
    for lane, end in ends.items():
        distances = grey_levels(end.picture, everything if lane >= 6 else pictures)
        assert end.nearest_rms == pytest.approx(distances.min(), abs=0.6)  # a picture is rounded and clipped
        assert grey_levels(end.nearest, end.picture) == pytest.approx(distances.min(), abs=0.6)
        assert end.others_rms == pytest.approx(grey_levels(end.picture, ends[lane ^ 1].picture), abs=0.6)


def test_r2_is_the_squared_correlation_with_the_networks_picture_of_the_seed(ends):
    for lane, end in ends.items():
        network = ends[6 + lane % 2].picture
        correlation = np.corrcoef(end.picture.reshape(-1), network.reshape(-1))[0, 1]
        assert end.r2 is None if lane >= 6 else end.r2 == pytest.approx(correlation**2, abs=0.01)


def test_there_is_no_r2_of_one_colour():
    values = torch.rand(3, 4, 4)
    assert r_squared(torch.full((3, 4, 4), 0.3), values) is None
    assert r_squared(values, 0.5 - 2 * values) == pytest.approx(1)


def test_one_seed_and_no_network_leave_nothing_to_compare_with(house):
    request = InventionRequest(machines=(Machine(kind="exact", pictures=1),), steps=2)
    (end,) = (event for event in invention(request, house) if isinstance(event, Invention))
    assert end.r2 is None and end.others_rms is None and end.nearest_rms < 0.1


@pytest.mark.parametrize("count", [0, 1, 7, 10**6])
def test_a_machine_knows_so_many_pictures_of_the_group_spread_evenly(house, count):
    with house.lease(KINDS["local"]) as model:
        indices = model.known("symbols", count).indices.numpy()
        own = np.flatnonzero(np.array(model.pictures.groups) == "symbols")
    assert len(set(indices)) == (count if 0 < count <= len(own) else len(own)) and set(indices) <= set(own)
    assert count < 2 or np.ptp(np.diff(np.searchsorted(own, indices))) <= 1


def test_more_pictures_than_a_run_may_make_are_refused(house):
    small = House(SETTINGS.model_copy(update={"max_lanes": 7}), house.cache, drive)
    with pytest.raises(LabError, match="8 pictures asked for; one run makes at most 7"):
        list(invention(REQUEST, small))
