"""Faults and crowds in front of the local backend, and what everybody else saw meanwhile: their own pictures.

Toy models, threads for visitors. What the engine, the cache and the loaders do by themselves is tested with them.
"""

import gc
import http.server
import random
import threading
import time
import tracemalloc
from dataclasses import replace
from itertools import pairwise
from types import SimpleNamespace

import huggingface_hub
import numpy as np
import pytest
import torch

from lab.backends.local import LocalBackend
from lab.catalog import MODELS
from lab.models import sources
from lab.models.cache import ModelCache
from lab.models.loaders import make_cache
from lab.requests.base import LabError, Waiting
from lab.requests.fields import Condition, Forward
from lab.requests.sampling import LaneSettings, SamplingRequest, Step
from lab.settings import Settings
from tests.models import tiny
from tests.models.test_cache import ELSEWHERE, Weights
from tests.toys import (
    PATIENCE_S,
    ToyDenoiser,
    ToyModel,
    leases,
    make_backend,
    request,
    results_of,
    solo_picture,
)

OTHERS = (1, 2, 3)  # seeds of the visitors whom a fault must not touch


class Visitor(threading.Thread):
    """One run in a thread of its own: its events, or what it was told instead."""

    def __init__(self, backend, asked, client=""):
        super().__init__(daemon=True)  # a test that fails must not hang at exit
        self.backend, self.asked, self.client = backend, asked, client
        self.events, self.error = [], None
        self.moving, self.over = threading.Event(), threading.Event()  # the first step was seen; the end
        self.told = threading.Event()  # anything was seen
        self.start()

    def run(self):
        try:
            for event in self.backend.run(self.asked, client=self.client):
                self.events.append(event)
                self.told.set()
                if isinstance(event, Step):
                    self.moving.set()
        except LabError as error:
            self.error = str(error)
        finally:
            self.over.set()
            self.told.set()

    @property
    def picture(self):
        """The picture it got in the end."""
        assert self.over.wait(PATIENCE_S), "the run hangs"
        assert self.error is None, self.error
        (result,) = results_of(self.events)
        return result.picture

    @property
    def words(self):
        """What it was told instead of a picture."""
        assert self.over.wait(PATIENCE_S), "the run hangs"
        assert self.error is not None
        return self.error


def asked(seed=0, steps=20, **more):
    return request(LaneSettings(steps=steps, seed=seed), prompt=f"seed {seed}", **more)


def others(backend, steps=20):
    return {seed: Visitor(backend, asked(seed, steps)) for seed in OTHERS}


def assert_unharmed(visitors, steps=20):
    """Each has the picture of its run made alone."""
    for seed, visitor in visitors.items():
        assert np.abs(visitor.picture.astype(int) - solo_picture(ToyModel(), steps, seed)).max() <= 1


class FaultyDenoiser(ToyDenoiser):
    """`fault(conditioning, prediction)` gives another prediction, or raises."""

    def __init__(self, total, fault):
        super().__init__(total)
        self.fault = fault

    def __call__(self, x_t, t, conditioning):
        return self.fault(list(conditioning), super().__call__(x_t, t, conditioning))


class FaultyModel(ToyModel):
    def __init__(self, fault):
        super().__init__()
        self.fault = fault

    def denoiser(self, forward):
        return self.denoisers.setdefault(forward, FaultyDenoiser(forward.T, self.fault))


# A denoiser that goes wrong


def nan_for_bad(conditioning, prediction):
    return torch.where(torch.tensor([row == "bad" for row in conditioning])[:, None, None, None], torch.nan, prediction)


def no_memory_for_bad(conditioning, prediction):
    if "bad" in conditioning:
        raise torch.OutOfMemoryError("out of memory")
    return prediction


@pytest.mark.parametrize(
    ("fault", "words"),
    [(nan_for_bad, "stopped being a number. Try a lower"), (no_memory_for_bad, "ran out of memory for this run.*Nothing else")],
)  # fmt: skip
def test_a_run_that_fails_in_shared_calls_fails_alone(fault, words):
    backend = make_backend(FaultyModel(fault))
    (denoiser,) = [model_denoiser(backend)]
    denoiser.gate = threading.Semaphore(0)
    good = others(backend)
    bad = Visitor(backend, request(LaneSettings(steps=20), prompt="bad"))
    denoiser.gate.release(10_000)
    with pytest.raises(LabError, match=words):
        raise LabError(bad.words)
    assert_unharmed(good)
    assert leases(backend) == {"exact": 0}
    assert_unharmed({4: Visitor(backend, asked(4))})


def model_denoiser(backend):
    """The denoiser that runs of `asked` share."""
    with backend.cache.lease("exact") as model:
        return model.denoiser(Forward())


def test_where_big_batches_do_not_fit_everybody_still_gets_a_picture():
    def two_fit(conditioning, prediction):
        if len(conditioning) > 2:
            raise torch.OutOfMemoryError("out of memory")
        return prediction

    backend = make_backend(FaultyModel(two_fit))
    assert_unharmed({seed: Visitor(backend, asked(seed)) for seed in range(8)})


class Heavy(FaultyModel):
    """A toy model with weights that the cache moves."""

    def __init__(self, name, shelf, fault=lambda conditioning, prediction: prediction):
        super().__init__(fault)
        self.weights = shelf(name, lambda: Weights(100))


def test_a_step_without_memory_moves_out_an_idle_model_and_goes_on():
    """The runs see nothing of it but a moment's wait."""
    idle = "exact-32"

    def fault(conditioning, prediction):
        if any(model.name == idle and model.on_device for model in cache.resident()):
            raise torch.OutOfMemoryError("out of memory")
        return prediction

    cache = ModelCache(lambda name, shelf: Heavy(name, shelf, fault), ELSEWHERE)
    backend = LocalBackend(Settings(device="cpu"), cache)
    with cache.lease(idle):
        pass
    assert_unharmed(others(backend))
    assert {model.name: model.on_device for model in cache.resident()} == {"exact": True, idle: False}


def test_a_step_without_memory_while_a_load_waits_for_room_harms_neither():
    """The step asks the cache for room, and the load waits for the model of the step: neither may wait for the other."""
    gate = threading.Semaphore(0)
    full = threading.Event()

    def fault(conditioning, prediction):
        if full.is_set():
            full.clear()
            raise torch.OutOfMemoryError("out of memory")
        return prediction

    patience_s = 5.0  # of the load: what it must not come to
    cache = ModelCache(
        lambda name, shelf: Heavy(name, shelf, fault), ELSEWHERE, 400, 4000, lambda name: 400, patience_s=patience_s
    )
    backend = LocalBackend(Settings(device="cpu"), cache)
    denoiser = model_denoiser(backend)
    denoiser.gate = gate
    first = Visitor(backend, asked(1))
    gate.release()
    assert first.moving.wait(PATIENCE_S)
    second = Visitor(backend, asked(2, model="exact-32"))
    await_that(cache._moving.locked)  # the load has begun to wait
    full.set()
    gate.release(10_000)
    assert first.over.wait(PATIENCE_S)  # with its picture or in words: the device was full
    assert_unharmed({2: second})


def await_that(condition):
    """Look again and again until `condition()` holds."""
    pause = threading.Event()
    for _ in range(PATIENCE_S * 100):
        if condition():
            return
        pause.wait(0.01)
    raise AssertionError("it never came to that")


# A model that does not load


@pytest.mark.parametrize("error", [OSError("no such file"), MemoryError("no memory"), ZeroDivisionError()])
def test_while_a_loader_fails_others_run_and_the_next_press_tries_again(error):
    broken = True

    def load(name, shelf):
        if broken and name == "exact-32":
            raise error
        return ToyModel()

    backend = LocalBackend(Settings(device="cpu"), ModelCache(load))
    good = others(backend)
    failed = [Visitor(backend, asked(9, model="exact-32")) for _ in range(3)]
    assert all("'exact-32' could not be loaded" in visitor.words for visitor in failed)
    assert_unharmed(good)
    assert leases(backend) == {"exact": 0}
    broken = False
    assert_unharmed({9: Visitor(backend, asked(9, model="exact-32"))})


SMALL = Settings(device="cpu", dtype="float32", cpu_engine="torch")


@pytest.fixture
def folders(tmp_path, monkeypatch):
    """Two tiny latent models of other weights in folders of their own, in the catalog as "healthy" and "harmed"."""
    made = {"healthy": tiny.text_to_image(tmp_path / "healthy"), "harmed": tmp_path / "harmed"}
    tiny.text_to_image(made["harmed"], "v_prediction")
    for name, folder in made.items():
        row = replace(MODELS["text-to-image"], name=name, title=name.title(), source=str(folder), controls=())
        monkeypatch.setitem(MODELS, name, row)
    return made


def latent(name, seed=1):
    lane = LaneSettings(steps=6, seed=seed, guidance_scale=3.0)
    return SamplingRequest(
        model=name, condition=Condition(prompt="cat"), forward=Forward(schedule="scaled_linear"), lanes=(lane,)
    )


def cut_short(weights):
    weights.write_bytes(weights.read_bytes()[:-1000])


def flip_a_bit_of_the_header(weights):
    data = bytearray(weights.read_bytes())
    data[1] ^= 1  # of the header's length
    weights.write_bytes(data)


def not_a_number(weights):
    """All bits of some weights set: the file opens, and what it computes is NaN."""
    data = bytearray(weights.read_bytes())
    data[-4000:] = b"\xff" * 4000
    weights.write_bytes(data)


@pytest.mark.parametrize(
    ("part", "harm", "words"),
    [
        ("unet", cut_short, "'Harmed' could not be loaded"),
        ("vae", cut_short, "'Harmed' could not be loaded"),
        ("text_encoder", flip_a_bit_of_the_header, "'Harmed' could not be loaded"),
        ("unet", flip_a_bit_of_the_header, "'Harmed' could not be loaded"),
        ("unet", not_a_number, "could not be loaded: Its unet gives values that are not finite"),
    ],
)
def test_damaged_weights_are_one_visitors_error_and_can_be_mended(folders, part, harm, words):
    backend = LocalBackend(SMALL, make_cache(SMALL))
    truth = Visitor(backend, latent("healthy")).picture
    (weights,) = (folders["harmed"] / part).glob("*.safetensors")
    whole = weights.read_bytes()
    harm(weights)
    bad = Visitor(backend, latent("harmed"))
    good = [Visitor(backend, latent("healthy")) for _ in range(3)]
    assert words in bad.words
    for visitor in good:
        assert np.abs(visitor.picture.astype(int) - truth).max() <= 1
    weights.write_bytes(whole)
    if "loaded" in words:  # what never loaded is tried again; what loaded stays until it is evicted
        assert Visitor(backend, latent("harmed")).picture.shape == truth.shape


def test_a_flipped_bit_in_shipped_weights_is_told_before_it_is_drawn_with(folders, monkeypatch, tmp_path):
    (weights,) = (folders["harmed"] / "unet").glob("*.safetensors")
    digest = sources._digest(weights, 0, 0)
    monkeypatch.setattr(sources, "ASSETS", tmp_path)
    monkeypatch.setattr(sources, "CHECKSUMS", tmp_path / "SHA256SUMS")
    monkeypatch.setattr(sources, "_shipped_checksums", lambda: {str(weights.relative_to(tmp_path)): digest})
    data = bytearray(weights.read_bytes())
    data[-1] ^= 1
    weights.write_bytes(data)
    backend = LocalBackend(SMALL, make_cache(SMALL))
    bad, good = Visitor(backend, latent("harmed")), Visitor(backend, latent("healthy"))
    assert "is damaged" in bad.words and "'Harmed'" in bad.words
    assert good.picture.any()


# The hub


class Hub(http.server.BaseHTTPRequestHandler):
    """Answers everything with the server's error."""

    def do_GET(self):
        self.server.asked.append(self.path)
        self.send_error(500)

    do_HEAD = do_GET

    def log_message(self, *arguments):
        pass


@pytest.fixture
def hub(monkeypatch):
    """A hub of our own that answers 500; what it was asked."""
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Hub)
    server.asked = []
    threading.Thread(target=server.serve_forever, daemon=True).start()
    address = f"http://127.0.0.1:{server.server_address[1]}"
    monkeypatch.setattr(huggingface_hub.hf_api.api, "endpoint", address)
    monkeypatch.setattr(huggingface_hub.constants, "ENDPOINT", address)
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", False)
    hasty = SimpleNamespace(**{**vars(time), "sleep": lambda seconds: None})  # it tries five times more, ever later
    monkeypatch.setattr(huggingface_hub.utils._http, "time", hasty)
    yield server
    server.shutdown()
    server.server_close()


@pytest.mark.parametrize("state", ["answers 500", "cannot be reached", "must not be asked"])
def test_a_hub_that_gives_nothing_is_one_visitors_error(hub, state, folders, monkeypatch, tmp_path):
    name = "somebody/a-model"
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_CACHE", str(tmp_path / "hub"))
    monkeypatch.setitem(MODELS, "far", replace(MODELS["text-to-image"], name="far", title="Far", source=name))
    offline = state == "must not be asked"
    settings = SMALL.model_copy(update={"offline": offline, "allowed_models": (name,)})
    if state == "cannot be reached":
        hub.shutdown()
        hub.server_close()
    backend = LocalBackend(settings, make_cache(settings))
    truth = Visitor(backend, latent("healthy")).picture
    bad = Visitor(backend, latent("far"))
    good = [Visitor(backend, latent("healthy")) for _ in range(3)]
    for visitor in good:
        assert np.abs(visitor.picture.astype(int) - truth).max() <= 1
    why = {
        "answers 500": "the Hugging Face hub did not give it", "cannot be reached": "the Hugging Face hub cannot be reached",
        "must not be asked": "set to stay offline",
    }[state]  # fmt: skip
    assert "'Far' could not be loaded" in bad.words and why in bad.words
    assert bool(hub.asked) == (state == "answers 500")
    assert leases(backend) == {"healthy": 0}


# A worker that dies


def killer(on):
    """A fault that ends the worker's thread once `on` is set."""

    def fault(conditioning, prediction):
        if on.is_set():
            on.clear()
            raise SystemExit
        return prediction

    return fault


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_a_worker_that_is_killed_tells_its_runs_and_the_next_runs_find_another():
    dies = threading.Event()
    backend = make_backend(FaultyModel(killer(dies)), max_runs=4)
    denoiser = model_denoiser(backend)
    denoiser.gate = threading.Semaphore(0)
    working = Visitor(backend, asked(4))
    await_that(lambda: any(denoiser.calls))
    arriving = others(backend)
    await_that(lambda: backend.worker._arrivals.qsize() == len(arriving))  # while the first call is held at the gate
    dies.set()
    denoiser.gate.release(10_000)
    assert "failed inside the lab" in working.words and "try again" in working.words
    for visitor in arriving.values():  # told the same, or drawn by the next worker
        assert visitor.over.wait(PATIENCE_S), "the run hangs"
        assert visitor.error is None or "failed inside the lab" in visitor.error
    assert leases(backend) == {"exact": 0}
    for _ in range(2):  # their places are free again
        assert_unharmed(others(backend))


# Visitors who are slow, too many, or greedy


def test_a_visitor_who_does_not_look_keeps_nobody_waiting_and_fills_no_memory():
    """A thousand steps of which one is taken: what is made of the others must not pile up until it comes back."""
    backend = make_backend(ToyModel())
    slow = backend.run(request(LaneSettings(steps=1000), prompt="slow"))
    next(slow)
    assert_unharmed(others(backend, steps=300), steps=300)
    ahead = sum("slow" in call for call in list(model_denoiser(backend).calls))
    events = list(slow)
    assert events[-1].calls == 1000  # it comes back and finds everything
    assert ahead <= 200


def full_house(backend, denoiser, count):
    """`count` visitors who fill the running places and the line, while the denoiser is held at its gate."""
    visitors = {}
    for seed in range(1, count + 1):
        visitors[seed] = Visitor(backend, asked(seed), client=f"client {seed}")
        running = backend.settings.max_runs
        if seed > running:
            assert visitors[seed].told.wait(PATIENCE_S)
            assert isinstance(visitors[seed].events[0], Waiting)
    return visitors


def test_four_times_the_capacity_is_refused_at_once_and_nothing_grows():
    """Capacity: two runs and a line of two. Refused while nothing moves, so without having waited."""
    backend = make_backend(ToyModel(), max_runs=2, queue_size=2)
    denoiser = model_denoiser(backend)
    denoiser.gate = threading.Semaphore(0)
    inside = full_house(backend, denoiser, 4)
    assert [inside[seed].events[0].position for seed in (3, 4)] == [1, 2]
    assert all(visitor.events[0].seconds >= 0 for seed, visitor in inside.items() if seed > 2)

    def refused(seed):
        with pytest.raises(LabError, match=r"(?s)(busy|full).*\d.*[Tt]ry again"):
            list(backend.run(asked(seed), client=f"client {seed}"))

    for seed in range(5, 17):
        refused(seed)
    threads = threading.active_count()
    tracemalloc.start()
    try:
        traced = []
        for start in range(20, 2020, 500):
            for seed in range(start, start + 500):
                refused(seed)
            gc.collect()
            traced.append(tracemalloc.get_traced_memory()[0])
    finally:
        tracemalloc.stop()
    # The least of three rounds: threads of other tests allocate too. Others may have begun.
    assert min(after - before for before, after in pairwise(traced)) < 100_000
    assert threading.active_count() < threads + 5
    assert not any(visitor.over.is_set() for visitor in inside.values())
    denoiser.gate.release(10_000)
    assert_unharmed(inside)
    assert_unharmed({5: Visitor(backend, asked(5))})


def test_who_leaves_the_line_gives_up_the_place():
    backend = make_backend(ToyModel(), max_runs=1, queue_size=1)
    denoiser = model_denoiser(backend)
    denoiser.gate = threading.Semaphore(0)
    running = Visitor(backend, asked(1), client="one")
    await_that(lambda: any(denoiser.calls))
    leaving = backend.run(asked(2), client="two")
    assert isinstance(next(leaving), Waiting)
    leaving.close()
    staying = Visitor(backend, asked(3), client="three")
    assert staying.told.wait(PATIENCE_S) and isinstance(staying.events[0], Waiting)
    denoiser.gate.release(10_000)
    assert_unharmed({1: running, 3: staying})
    assert not any("seed 2" in call for call in denoiser.calls)


def test_a_greedy_client_costs_the_others_no_more_than_twice_their_share():
    """50 runs of one client came first, then one run each of ten. Time is counted in rows of denoiser calls, of which
    every run needs ten. Eleven clients in fair turns would have each light run finished within eleven runs' rows."""
    steps, light = 10, range(1, 11)
    backend = make_backend(ToyModel(), max_runs=2, queue_size=80, max_batch_rows=2)
    denoiser = model_denoiser(backend)
    denoiser.gate = threading.Semaphore(0)
    greedy = [Visitor(backend, request(LaneSettings(steps=steps), prompt="greedy"), client="greedy") for _ in range(50)]
    await_that(lambda: sum(backend.line.counts) == 50)
    visitors = {}
    for seed in light:
        visitors[seed] = Visitor(backend, asked(seed, steps), client=f"client {seed}")
    await_that(lambda: sum(backend.line.counts) == 60)
    denoiser.gate.release(100_000)
    assert_unharmed(visitors, steps)
    for visitor in greedy:
        assert visitor.over.wait(PATIENCE_S) and visitor.error is None
    waits = []
    for seed in light:
        last = max(index for index, call in enumerate(denoiser.calls) if f"seed {seed}" in call)
        waits.append(sum(len(call) for call in denoiser.calls[: last + 1]))
    fair = (len(light) + 1) * steps
    assert max(waits) <= 2 * fair, waits


# More models than fit


class Shade(ToyDenoiser):
    """Exact for data of another mean: a run that was given the wrong model would show it. Notes what it must not see."""

    def __init__(self, total, name, watch):
        super().__init__(total)
        self.name, self.watch = name, watch

    def __call__(self, x_t, t, conditioning):
        self.watch(self.name)
        return super().__call__(x_t + 0.1 * int(self.name[-1]), t, conditioning)


class ShadedModel(ToyModel):
    def __init__(self, name, shelf, watch):
        super().__init__()
        self.name, self.watch, self.weights = name, watch, shelf(name, lambda: Weights(100))

    def denoiser(self, forward):
        return self.denoisers.setdefault(forward, Shade(forward.T, self.name, self.watch))


def test_five_models_where_two_fit_and_32_clients(monkeypatch):
    """Every run gets the picture of its own model; a miss is loaded once; what is in use stays."""
    names = [f"shade-{index}" for index in range(5)]
    for name in names:
        monkeypatch.setitem(MODELS, name, replace(MODELS["exact"], name=name, title=name))
    faults, loads = [], []

    def load(name, shelf):
        if name in {model.name for model in cache.resident()}:
            faults.append(f"{name} was loaded twice")
        loads.append(name)
        return ShadedModel(name, shelf, watch)

    def watch(name):
        held = {model.name: model.leases for model in cache.resident()}
        if not held.get(name):
            faults.append(f"{name} was evicted in use")
        if cache.used()[1] > 800:
            faults.append(f"{cache.used()} bytes")

    cache = ModelCache(load, host_budget=800, weigh=lambda name: 400)
    backend = LocalBackend(Settings(device="cpu", max_runs=8, queue_size=40), cache)
    truth = {}
    for name in names:
        for seed in range(3):
            truth[name, seed] = Visitor(backend, asked(seed, 5, model=name)).picture
    assert len({picture.tobytes() for picture in truth.values()}) == len(truth)
    alone = len(loads)

    def client(number):
        order = random.Random(number)
        for _ in range(2):
            name, seed = order.choice(names), order.randrange(3)
            picture = Visitor(backend, asked(seed, 5, model=name), client=f"client {number}").picture
            if np.abs(picture.astype(int) - truth[name, seed]).max() > 1:
                faults.append(f"another picture for {name}")
            done.append(number)

    done = []
    clients = [threading.Thread(target=client, args=(number,), daemon=True) for number in range(32)]
    for thread in clients:
        thread.start()
    for thread in clients:
        thread.join(4 * PATIENCE_S)
    assert not faults and len(done) == 32 * 2
    assert 5 <= len(loads) - alone <= 32 * 2
    assert all(model.leases == 0 for model in cache.resident()) and cache.used()[1] <= 800
