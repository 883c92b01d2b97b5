"""ModelCache: one load however many ask, failed loads leave no trace, leases are counted."""

import threading

import pytest
import torch

from lab.capsule import LabError
from lab.models.cache import ModelCache

PATIENCE_S = 30


class Loader:
    """Counts its loads; can be held at a gate, and fails while `error` is set."""

    def __init__(self):
        self.loads, self.error = [], None
        self.gate = threading.Event()
        self.gate.set()

    def __call__(self, name):
        self.loads.append(name)
        assert self.gate.wait(PATIENCE_S)
        if self.error:
            raise self.error
        return torch.randn(4)


@pytest.fixture
def loader():
    return Loader()


@pytest.fixture
def cache(loader):
    return ModelCache(loader)


def ask_from_threads(cache, names):
    """Lease `names`, each from a thread of its own, all at once; what each got."""
    got = [None] * len(names)
    start = threading.Barrier(len(names))

    def ask(index, name):
        start.wait(PATIENCE_S)
        try:
            with cache.lease(name) as loaded:
                got[index] = loaded
        except LabError as error:
            got[index] = error

    threads = [threading.Thread(target=ask, args=pair) for pair in enumerate(names)]
    for thread in threads:
        thread.start()
    return threads, got


def test_sixteen_threads_load_once(cache, loader):
    loader.gate.clear()
    threads, got = ask_from_threads(cache, ["a"] * 16)
    loader.gate.set()
    for thread in threads:
        thread.join(PATIENCE_S)
    assert loader.loads == ["a"]
    assert isinstance(got[0], torch.Tensor) and all(loaded is got[0] for loaded in got)
    assert cache.resident()["a"]["leases"] == 0


def test_different_models_are_loaded_once_each(cache, loader):
    threads, got = ask_from_threads(cache, ["a", "b", "c", "d"] * 4)
    for thread in threads:
        thread.join(PATIENCE_S)
    assert sorted(loader.loads) == ["a", "b", "c", "d"]
    for index in range(4):
        assert {id(loaded) for loaded in got[index::4]} == {id(got[index])}
    assert len({id(loaded) for loaded in got}) == 4
    assert cache.resident().keys() == {"a", "b", "c", "d"}


def test_a_resident_model_is_leased_while_another_loads(cache, loader):
    with cache.lease("a"):
        pass
    loader.gate.clear()
    threads, got = ask_from_threads(cache, ["b"])
    with cache.lease("a") as loaded:  # would hang here if leases waited for loads
        assert isinstance(loaded, torch.Tensor)
    loader.gate.set()
    threads[0].join(PATIENCE_S)
    assert isinstance(got[0], torch.Tensor)


def test_leases_are_counted_and_given_back(cache):
    with cache.lease("a") as first, cache.lease("a") as second:
        assert first is second
        assert cache.resident() == {"a": {"bytes": 16, "leases": 2}}
    assert cache.resident()["a"]["leases"] == 0
    with pytest.raises(ZeroDivisionError), cache.lease("a"):
        raise ZeroDivisionError
    assert cache.resident()["a"]["leases"] == 0


@pytest.mark.parametrize("error", [OSError("no such file"), MemoryError("out of memory"), KeyError("unet")])
def test_a_failing_load_changes_nothing_and_names_the_model(cache, loader, error):
    with cache.lease("good"):
        before = cache.resident()
        loader.error = error
        with (
            pytest.raises(LabError, match=r"The model 'broken' could not be loaded: ") as caught,
            cache.lease("broken"),
        ):
            raise AssertionError("a failed load gave a lease")
        assert caught.value.__cause__ is error
        assert cache.resident() == before


def test_the_next_lease_tries_again(cache, loader):
    loader.error = OSError("flaky disk")
    with pytest.raises(LabError), cache.lease("a"):
        pass
    loader.error = None
    with cache.lease("a") as loaded:
        assert isinstance(loaded, torch.Tensor)
    assert loader.loads == ["a", "a"]


def test_every_waiter_of_a_failing_load_gets_the_error(cache, loader):
    loader.error = OSError("no such file")
    threads, got = ask_from_threads(cache, ["a"] * 8)
    for thread in threads:
        thread.join(PATIENCE_S)
    assert all(isinstance(error, LabError) and "'a'" in str(error) for error in got)
    assert cache.resident() == {}


def test_errors_in_words_pass_unchanged(cache, loader):
    loader.error = LabError("Put the pictures into assets/pictures first.")
    with pytest.raises(LabError, match="Put the pictures") as caught, cache.lease("a"):
        pass
    assert caught.value is loader.error
