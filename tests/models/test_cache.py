"""ModelCache: one load however many ask, parts shared by content, budgets kept, nothing in use evicted, faults leave
no trace."""

import random
import threading
from dataclasses import dataclass

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from lab.models.cache import ModelCache, Stopped, nbytes_of
from lab.requests.base import LabError
from lab.requests.status import LeasePlan

PATIENCE_S = 30
ELSEWHERE = torch.device("meta")  # a device that is not the CPU; Weights only note that they were sent there


class Weights:
    """A part of `size` float32 numbers that notes where it is."""

    def __init__(self, size):
        self.values, self.device, self.out_of_memory = torch.zeros(size), torch.device("cpu"), 0

    @property
    def nbytes(self):
        return self.values.nbytes

    def to(self, device):
        if device != torch.device("cpu") and self.out_of_memory:
            self.out_of_memory -= 1
            raise torch.OutOfMemoryError("out of memory")
        self.device = device


@dataclass
class Model:
    name: str
    parts: list


class Loader:
    """Counts its loads; can be held at a gate, and fails while `error` is set. `recipes`: name -> {part: numbers}."""

    def __init__(self, recipes=None):
        self.recipes = recipes or {}
        self.loads, self.error = [], None
        self.gate = threading.Event()
        self.gate.set()

    def __call__(self, name, shelf):
        self.loads.append(name)
        assert self.gate.wait(PATIENCE_S)
        recipe = self.recipes.get(name, {f"weights of {name}": 4})
        parts = [shelf(key, lambda size=size: Weights(size)) for key, size in recipe.items()]
        if self.error:
            raise self.error
        return Model(name, parts)

    def weigh(self, name):
        return 4 * sum(self.recipes[name].values())


@pytest.fixture
def loader():
    return Loader()


@pytest.fixture
def cache(loader):
    return ModelCache(loader)


def touch(cache, *names):
    for name in names:
        with cache.lease(name):
            pass


def names_of(cache):
    return [model.name for model in cache.resident()]


def leases_of(cache, name):
    return next(model.leases for model in cache.resident() if model.name == name)


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


def join(threads):
    for thread in threads:
        thread.join(PATIENCE_S)
        assert not thread.is_alive()


# Single flight


def test_sixteen_threads_load_once(cache, loader):
    loader.gate.clear()
    threads, got = ask_from_threads(cache, ["a"] * 16)
    loader.gate.set()
    join(threads)
    assert loader.loads == ["a"]
    assert isinstance(got[0], Model) and all(loaded is got[0] for loaded in got)
    assert leases_of(cache, "a") == 0


def test_different_models_are_loaded_once_each(cache, loader):
    threads, got = ask_from_threads(cache, ["a", "b", "c", "d"] * 4)
    join(threads)
    assert sorted(loader.loads) == ["a", "b", "c", "d"]
    for index in range(4):
        assert {id(loaded) for loaded in got[index::4]} == {id(got[index])}
    assert sorted(names_of(cache)) == ["a", "b", "c", "d"]


def test_a_resident_model_is_leased_while_another_loads(cache, loader):
    touch(cache, "a")
    loader.gate.clear()
    threads, got = ask_from_threads(cache, ["b"])
    with cache.lease("a") as loaded:  # would hang here if leases waited for loads
        assert loaded.name == "a"
    loader.gate.set()
    join(threads)
    assert got[0].name == "b"


def test_leases_are_counted_and_given_back(cache):
    with cache.lease("a") as first, cache.lease("a") as second:
        assert first is second
        assert leases_of(cache, "a") == 2
    with pytest.raises(ZeroDivisionError), cache.lease("a"):
        raise ZeroDivisionError
    assert leases_of(cache, "a") == 0


class Watched(Weights):
    """A part whose bytes, when they are read, let the load go on to its next part, and are waited for meanwhile."""

    def __init__(self, size, read, shelved):
        super().__init__(size)
        self.read, self.shelved = read, shelved

    @property
    def nbytes(self):
        self.read.set()
        self.shelved.wait(0.05)
        return self.values.nbytes


@pytest.mark.parametrize("reader", ["used", "plan"])
def test_the_books_are_read_while_a_model_loads(reader):
    """A part that arrives in the middle of a look at the shelf waits for its end."""
    halfway, read, shelved = threading.Event(), threading.Event(), threading.Event()

    def load(name, shelf):
        parts = [shelf(f"{name} {index}", lambda: Watched(1, read, shelved)) for index in range(2)]
        if name == "b":
            read.clear()
            halfway.set()
            assert read.wait(PATIENCE_S)
            parts.append(shelf("last", lambda: Weights(1)))
            shelved.set()
        return Model(name, parts)

    cache = ModelCache(load)
    touch(cache, "a")
    threads, got = ask_from_threads(cache, ["b"])
    assert halfway.wait(PATIENCE_S)
    getattr(cache, reader)(*["c"] if reader == "plan" else [])
    join(threads)
    assert isinstance(got[0], Model) and cache.used() == (0, 4 * 5)


# Stopping


@pytest.mark.parametrize("waits_for", ["another load", "room"])
def test_a_lease_that_waits_is_given_up_at_stop(waits_for):
    loader = three()
    cache = ModelCache(loader, host_budget=800, weigh=loader.weigh)
    stop, ended = threading.Event(), []

    def ask():
        try:
            with cache.lease("c", stop):
                ended.append("leased")
        except Stopped:
            ended.append("stopped")

    with cache.lease("a"), cache.lease("b") if waits_for == "room" else cache._moving:
        waiting = threading.Thread(target=ask)
        waiting.start()
        waiting.join(0.05)
        assert waiting.is_alive()
        stop.set()
        join([waiting])
    assert ended == ["stopped"] and "c" not in loader.loads
    touch(cache, "c")  # nothing is held on to


# Failing loads


@pytest.mark.parametrize("error", [OSError("no such file"), MemoryError("out of memory"), KeyError("unet")])
def test_a_failing_load_changes_nothing_and_names_the_model(cache, loader, error):
    with cache.lease("good"):
        before, used = cache.resident(), cache.used()
        loader.error = error
        with (
            pytest.raises(LabError, match=r"The model 'broken' could not be loaded: ") as caught,
            cache.lease("broken"),
        ):
            raise AssertionError("a failed load gave a lease")
        assert caught.value.__cause__ is error
        assert cache.resident() == before and cache.used() == used


def test_the_next_lease_tries_again(cache, loader):
    loader.error = OSError("flaky disk")
    with pytest.raises(LabError), cache.lease("a"):
        pass
    loader.error = None
    touch(cache, "a")
    assert loader.loads == ["a", "a"]


def test_every_waiter_of_a_failing_load_gets_the_error(cache, loader):
    loader.error = OSError("no such file")
    threads, got = ask_from_threads(cache, ["a"] * 8)
    join(threads)
    assert all(isinstance(error, LabError) and "'a'" in str(error) for error in got)
    assert cache.resident() == [] and cache.used() == (0, 0)


def test_errors_in_words_pass_unchanged(cache, loader):
    loader.error = LabError("Put the pictures into assets/pictures first.")
    with pytest.raises(LabError, match="Put the pictures") as caught, cache.lease("a"):
        pass
    assert caught.value is loader.error


# Sharing and bytes


def test_bytes_are_counted_from_the_storages():
    weights = torch.zeros(10)
    linear = torch.nn.Linear(3, 5)
    linear.twin = linear.weight  # tied
    linear.register_buffer("view", weights[2:4])  # a view keeps all of its storage
    assert nbytes_of(linear) == 4 * (15 + 5 + 10)


def test_parts_of_equal_content_are_there_once():
    loader = Loader({"plain": {"unet": 100, "vae": 10}, "edges": {"unet": 100, "vae": 10, "control": 30}})
    cache = ModelCache(loader)
    with cache.lease("plain") as plain, cache.lease("edges") as edges:
        assert plain.parts[0] is edges.parts[0] and plain.parts[1] is edges.parts[1]
    assert cache.used() == (0, 4 * 140)
    assert {model.name: (model.nbytes, model.own_nbytes) for model in cache.resident()} == {
        "plain": (440, 0),
        "edges": (560, 120),
    }


def test_a_shared_part_outlives_one_of_its_models():
    recipes = {"plain": {"unet": 100}, "edges": {"unet": 100, "control": 30}, "big": {"other": 120}}
    cache = ModelCache(Loader(recipes), host_budget=4 * 240, weigh=Loader(recipes).weigh)
    with cache.lease("edges") as edges:
        touch(cache, "plain")
    with cache.lease("plain") as plain:
        touch(cache, "big")  # takes the control's room
        assert plain.parts[0] is edges.parts[0]
    assert sorted(names_of(cache)) == ["big", "plain"] and cache.used() == (0, 4 * 220)


# Budgets without an accelerator


def three(numbers=100):
    return Loader({name: {name: numbers} for name in "abc"})


def test_the_least_recently_used_leaves_first():
    loader = three()
    cache = ModelCache(loader, host_budget=800, weigh=loader.weigh)
    touch(cache, "a", "b", "a", "c")
    assert names_of(cache) == ["c", "a"] and cache.used() == (0, 800)
    touch(cache, "b")
    assert loader.loads == ["a", "b", "c", "b"] and names_of(cache) == ["b", "c"]


def test_what_is_leased_or_pinned_stays():
    loader = three()
    cache = ModelCache(loader, host_budget=800, weigh=loader.weigh)
    cache.pin("a")
    touch(cache, "a")
    with cache.lease("b"):
        touch_fails(cache, "c", "There is no room for the model 'c'", patience_s=0.01)
        assert names_of(cache) == ["b", "a"]
    touch(cache, "c")
    assert names_of(cache) == ["c", "a"]


def test_what_can_never_fit_is_refused_at_once_with_what_to_set():
    loader = Loader({"small": {"s": 25_000_000}, "large": {"l": 1_210_000_000}, "middle": {"m": 230_000_000}})
    sizes = {"small": 100_000_000, "large": 4_840_000_000, "middle": 920_000_000}
    cache = ModelCache(loader, host_budget=1e9, weigh=sizes.get, patience_s=PATIENCE_S)
    touch_fails(
        cache, "large", "needs 4.84 GB; the lab may use 1.00 GB. Choose .* LAB_HOST_BUDGET_GB=4.9 or more", PATIENCE_S
    )
    cache.pin("small")
    touch(cache, "small")
    stays = "needs 0.92 GB; the lab may use 1.00 GB, 0.10 GB of it for models that always stay. .* LAB_HOST_BUDGET_GB=1.1 or"
    touch_fails(cache, "middle", stays, PATIENCE_S)
    cache = ModelCache(loader, ELSEWHERE, 5e7, 9e9, sizes.get)
    touch_fails(cache, "small", "needs 0.10 GB; the lab may use 0.05 GB. .* LAB_DEVICE_BUDGET_GB=0.1 or", PATIENCE_S)


def touch_fails(cache, name, words, patience_s):
    cache._patience_s = patience_s
    with pytest.raises(LabError, match=words), cache.lease(name):
        pass


def test_a_load_waits_for_a_lease_to_end():
    loader = three()
    cache = ModelCache(loader, host_budget=800, weigh=loader.weigh)
    with cache.lease("a"):
        with cache.lease("b"):
            threads, got = ask_from_threads(cache, ["c"])
            threads[0].join(0.05)
            assert threads[0].is_alive() and "c" not in loader.loads
        join(threads)
    assert got[0].name == "c" and sorted(names_of(cache)) == ["a", "c"]


def test_a_model_beyond_the_budget_is_refused_and_evicts_nobody():
    loader = Loader({"small": {"s": 100}, "huge": {"h": 1000}})
    cache = ModelCache(loader, host_budget=2000, weigh=loader.weigh)
    touch(cache, "small")
    touch_fails(cache, "huge", "'huge' needs", PATIENCE_S)
    assert names_of(cache) == ["small"] and loader.loads == ["small"]


def test_a_model_that_turns_out_too_heavy_leaves_no_trace():
    cache = ModelCache(Loader({"huge": {"h": 1000}}), host_budget=2000)  # weighs nothing before it is there
    touch_fails(cache, "huge", "'huge' needs", PATIENCE_S)
    assert cache.resident() == [] and cache.used() == (0, 0)


# With an accelerator


def two_places(loader, device=800, host=2000):
    return ModelCache(loader, ELSEWHERE, device, host, loader.weigh)


def test_models_move_between_device_and_host_and_are_loaded_once():
    loader = three()
    cache = two_places(loader)
    touch(cache, "a", "b", "c")
    assert [(model.name, model.on_device) for model in cache.resident()] == [("c", True), ("b", True), ("a", False)]
    assert cache.used() == (800, 400)
    with cache.lease("a") as a:
        assert a.parts[0].device == ELSEWHERE
    assert [(model.name, model.on_device) for model in cache.resident()] == [("a", True), ("c", True), ("b", False)]
    assert loader.loads == ["a", "b", "c"]


def test_over_both_budgets_the_oldest_is_gone():
    loader = Loader({name: {name: 100} for name in "abcd"})
    cache = two_places(loader, device=800, host=400)
    touch(cache, "a", "b", "c", "d")
    assert names_of(cache) == ["d", "c", "b"] and cache.used() == (800, 400)


def test_a_part_stays_on_the_device_while_one_of_its_models_is_there():
    loader = Loader({"plain": {"unet": 100}, "edges": {"unet": 100, "control": 50}, "big": {"other": 50}})
    cache = two_places(loader, device=4 * 150)
    touch(cache, "edges", "plain")
    with cache.lease("plain") as plain, cache.lease("big"):
        assert plain.parts[0].device == ELSEWHERE
    assert {model.name: model.on_device for model in cache.resident()} == {"edges": False, "plain": True, "big": True}


def test_a_device_without_memory_makes_room_and_else_explains():
    loader = three()
    cache = two_places(loader, device=1200)
    touch(cache, "a", "b")
    broken = Weights(100)
    broken.out_of_memory = 1
    cache._load = lambda name, shelf: Model(name, [shelf(name, lambda: broken)])
    touch(cache, "c")  # "a" made room
    assert {model.name: model.on_device for model in cache.resident()} == {"a": False, "b": True, "c": True}
    hopeless = Weights(1)
    hopeless.out_of_memory = 99
    cache._load = lambda name, shelf: Model(name, [shelf(name, lambda: hopeless)])
    loader.recipes["d"] = {"d": 1}
    touch_fails(cache, "d", "no memory left for the model 'd'", PATIENCE_S)
    assert hopeless.device == torch.device("cpu") and cache.used()[0] == 0
    hopeless.out_of_memory = 0
    touch(cache, "d")
    assert hopeless.device == ELSEWHERE


def test_shed_moves_the_oldest_that_nobody_leases():
    loader = three()
    cache = two_places(loader)
    touch(cache, "a", "b")
    with cache.lease("a"):
        assert cache.shed()
        assert {model.name: model.on_device for model in cache.resident()} == {"a": True, "b": False}
        assert not cache.shed()


def test_the_plan_says_what_a_lease_would_do():
    loader = three()
    cache = two_places(loader)
    assert cache.plan("a") == LeasePlan("a", load=True, move=True, nbytes=400, evict=())
    touch(cache, "a", "b")
    assert cache.plan("a") == LeasePlan("a", load=False, move=False, nbytes=400, evict=())
    assert cache.plan("c") == LeasePlan("c", load=True, move=True, nbytes=400, evict=("a",))
    touch(cache, "c")
    assert cache.plan("a") == LeasePlan("a", load=False, move=True, nbytes=400, evict=("b",))
    assert loader.loads == ["a", "b", "c"]  # planning loads nothing


def test_five_models_where_two_fit_and_32_clients():
    """Nothing in use is evicted, budgets hold, nobody waits for ever."""
    loader = Loader({name: {name: 100, "shared": 10} for name in "abcde"})
    cache = ModelCache(loader, ELSEWHERE, 4 * 210, 4 * 310, loader.weigh)
    faults = []

    def client(seed):
        order = random.Random(seed)
        for _ in range(20):
            name = order.choice("abcde")
            with cache.lease(name) as model:
                if any(part.device != ELSEWHERE for part in model.parts) or cache.used()[0] > 4 * 210:
                    faults.append(name)

    threads = [threading.Thread(target=client, args=(seed,)) for seed in range(32)]
    for thread in threads:
        thread.start()
    join(threads)
    assert not faults
    assert all(model.leases == 0 for model in cache.resident())
    assert cache.used()[0] <= 4 * 210 and cache.used()[1] <= 4 * 310


@settings(max_examples=60, deadline=None)
@given(st.lists(st.sampled_from("abcd"), max_size=12), st.integers(100, 400), st.integers(100, 400))
def test_budgets_hold_whatever_is_asked_for(names, device, host):
    loader = Loader({name: {name: 50, "shared": 25} for name in "abcd"})
    cache = ModelCache(loader, ELSEWHERE, 4 * device, 4 * host, loader.weigh)
    for name in names:
        with cache.lease(name) as model:
            assert all(part.device == ELSEWHERE for part in model.parts)
            assert cache.used()[0] <= 4 * device and cache.used()[1] <= 4 * host
        assert sum(cache.used()) == 4 * 50 * len(cache.resident()) + 4 * 25
