"""Every kind of request over every backend, and a kind that no backend has heard of: nothing in lab/backends names one.

Behind ZeroGPU's and Ray's page side stands a local backend with a toy model: without a GPU, without a cluster.
"""

import ast
import pickle
import threading
import time
from collections.abc import Hashable
from dataclasses import dataclass, fields, is_dataclass
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pytest
import torch
from diffusers import AutoencoderKL
from ray.exceptions import RayActorError
from torch.nn.functional import normalize

from lab.backends import local, ray_serve
from lab.backends.local import LocalBackend
from lab.backends.ray_serve import RayBackend
from lab.backends.refusal import pack
from lab.backends.zerogpu import ZeroGpuBackend
from lab.catalog import CONTROLS, HELPERS, Helper
from lab.engine.attention import Word
from lab.models.attention import LayerMap
from lab.models.bottleneck import Bottleneck
from lab.models.cache import ModelCache
from lab.models.families import Choice, LoadedAutoencoder, LoadedFamily
from lab.models.loaders import load_unclip
from lab.models.pictures import PictureSet
from lab.models.stable_diffusion import ExampleLatents
from lab.models.unclip import Gallery
from lab.operations import OPERATIONS
from lab.requests.base import NOTHING, Event, LabError, Load, Note, Request, Waiting
from lab.requests.bound import MEMBERS
from lab.requests.enlarge import UPSAMPLER
from lab.requests.latent_map import MAP
from lab.requests.unclip import UNCLIPS
from lab.settings import ASSETS, Settings
from tests.models import tiny
from tests.requests.kinds import kinds
from tests.requests.samples import RUNS
from tests.toys import PATIENCE_S, SHAPE, Pictured, ToyDenoiser, ToyModel

SETTINGS = Settings(device="cpu", dtype="float32", cpu_engine="torch")
BACKENDS = ("local", "ray", "zerogpu")
CLOCKS = ("elapsed_s", "server_ms")


class ToyHelper:
    """A ControlNet, a scorer and a judge in one."""

    def hint(self, picture, side):
        return picture

    def score(self, picture, caption):
        return 0.5

    def unread(self, caption):
        return ()

    def embed_pictures(self, pictures):
        return normalize(torch.stack([torch.tensor(picture).float().mean(dim=(0, 1)) for picture in pictures]))

    def embed_captions(self, captions):
        return normalize(torch.tensor([[len(caption), 1.0, 1.0] for caption in captions]))

    def features(self, pictures):
        return np.stack([picture.mean(axis=(0, 1)) for picture in pictures])


class ToyUpsampler(Pictured):
    """Of the toy's data at any side, whatever the small picture."""

    def __init__(self):
        self.denoisers, self.options = {}, {"clip_sample": False}

    def denoiser(self, side):
        denoiser = self.denoisers.setdefault(side, ToyDenoiser(1000))
        denoiser.shape = (3, side, side)
        return denoiser

    def conditioning(self, small, noise, eps):
        return noise


class ToyGroups:
    """Dark pictures and bright ones."""

    support = ""

    def picture(self, group, number):
        return torch.full(SHAPE, 2.0 * group - 1)

    def group_of(self, x_0):
        return int(x_0.mean() > 0)


def toy_family(name):
    """With a network for each beta; the map's also with one whose code is a point."""
    torch.manual_seed(0)
    members = {
        f"{pictures}-{beta}": Bottleneck(2, 32, (4, 4), 6, beta=beta)
        for pictures, betas in MEMBERS[name].items()
        for beta in betas
    }
    if name == MAP:
        members |= {f"{pictures}-ae": Bottleneck(2, 32, (4, 4), 6, variational=False) for pictures in MEMBERS[name]}
    return LoadedFamily(members, Choice("3D", 2))


def toy_autoencoder(levels):
    """Halves the side once less than it has levels."""
    torch.manual_seed(0)
    blocks = {"down_block_types": ["DownEncoderBlock2D"] * levels, "up_block_types": ["UpDecoderBlock2D"] * levels}
    return AutoencoderKL(**blocks, block_out_channels=[4] * levels, norm_num_groups=1, mid_block_add_attention=False)


FACTORS = {"f2": LoadedAutoencoder(toy_autoencoder(2)), "f8": LoadedAutoencoder(toy_autoencoder(4))}
FAMILIES = {name: toy_family(name) for name in MEMBERS}


@cache
def tiny_unclip():
    """Random weights, and six of the lab's pictures to describe embeddings by."""
    with TemporaryDirectory() as folder:
        row = Helper("unclip", "", "unclip", str(tiny.unclip(Path(folder))), "", when="tested")
        model = load_unclip(row, SETTINGS, lambda key, make: make(), None)
    model.decoder.latent = False  # every step is decoded, whatever the time says
    model.gallery = Gallery(PictureSet.load(ASSETS / "pictures").select(np.arange(6)))
    return model


class ToyAttention:
    """Looks at every token alike; edits change nothing."""

    def __init__(self, denoiser):
        self.denoiser, self.process, self.shape = denoiser, denoiser.process, denoiser.shape
        self.prediction_type = denoiser.prediction_type

    def __call__(self, x_t, t, conditioning):
        return self.denoiser(x_t, t, [getattr(row, "row", row) for row in conditioning])

    def look(self, x_t, t, row):
        return [LayerMap("attn2", torch.full((8, 4, 4), 1 / 8))]


class SteeredModel(ToyModel):
    def words(self, condition):
        return [Word("start", (0,)), Word(condition.prompt, (1,)), Word("end and padding", tuple(range(2, 8)))]

    def attention(self, forward):
        return ToyAttention(self.denoiser(forward))

    example_latents = ExampleLatents(torch.eye(3, 4), torch.zeros(3), torch.eye(3), 1)

    def posterior(self, values):
        return values, torch.full(SHAPE, 0.1)

    autoencoder = toy_autoencoder(3)

    def denoiser(self, forward):
        denoiser = super().denoiser(forward)
        denoiser.by_torch = denoiser
        return denoiser

    def try_control(self, control):
        pass

    def nearest(self, x_0, among=None):
        return self.to_picture(x_0), "itself", 0.0

    def depicting(self, condition):
        return np.full((5, 8, 8, 3), np.arange(5, dtype=np.uint8)[:, None, None, None])

    def two_groups(self, names, counts):
        return ToyGroups()

    def known(self, group, count):
        return group

    def patches(self, support, side, translated):
        return support


class WatchedCache(ModelCache):
    """Of toys; notes what is leased."""

    def __init__(self, model):
        helpers = dict.fromkeys({**CONTROLS, **HELPERS}, ToyHelper()) | {UPSAMPLER: ToyUpsampler()} | FAMILIES | FACTORS
        helpers |= dict.fromkeys(UNCLIPS, tiny_unclip())
        super().__init__(lambda name, shelf: helpers.get(name, model))
        self.names = []

    def lease(self, name, stop=None):
        self.names.append(name)
        return super().lease(name, stop)


class Stream:
    """What Ray gives for a call: bundles of events, lost with the replica after `loss` events, and `cancel`."""

    def __init__(self, replica, request, loss):
        self.replica, self.request, self.loss, self.stop = replica, request, loss, threading.Event()

    def __iter__(self):
        for count, event in enumerate(pack(self.replica.run(travelled(self.request), self.stop))):
            if count == self.loss:
                self.stop.set()
                raise RayActorError
            yield travelled([event])
        if self.loss is not None:
            raise RayActorError

    def cancel(self):
        self.stop.set()


class LossyCluster:
    """Loses the replica of the k-th call after `losses[k]` events, and none after that."""

    def __init__(self, replica, losses):
        self.replica, self.losses, self.requests = replica, list(losses), []

    def statuses(self):
        return {}

    def stream(self, request, client):
        self.requests.append(request)
        return Stream(self.replica, request, self.losses.pop(0) if self.losses else None)


class Desk:
    """A backend by name over a toy model, its line, the loads that joined it and the models that were leased."""

    def __init__(self, name, losses=()):
        self.cache = WatchedCache(SteeredModel())
        near = LocalBackend(SETTINGS, self.cache)
        self.backend, self.line, self.loads = near, near.line, []
        if name == "zerogpu":
            self.backend = ZeroGpuBackend(SETTINGS, lambda **options: lambda function: function, self.cache)
            self.backend.near = near
        if name == "ray":
            self.cluster = LossyCluster(near, losses)
            self.backend = RayBackend(SETTINGS, cluster=self.cluster)
            self.line = self.backend.line
        self.cache.names.clear()
        join = self.line.join
        self.line.join = lambda client="", load=NOTHING: self.loads.append(load) or join(client, load)

    def run(self, request, stop=None):
        """The events, without those that only say where the run stands in a line."""
        return [event for event in self.backend.run(request, stop) if not isinstance(event, Waiting)]

    def leases(self):
        return sum(model.leases for model in self.cache.resident())


@pytest.fixture(params=BACKENDS)
def desk(request):
    desk = Desk(request.param)
    yield desk
    if request.param == "ray":
        desk.backend.close()


@pytest.fixture
def lossy():
    """Makes backends on Ray that lose replicas."""
    desks = []

    def make(*losses):
        desks.append(Desk("ray", losses))
        return desks[-1]

    yield make
    for desk in desks:
        desk.backend.close()


def travelled(value):
    """As it is after a journey to another process."""
    return pickle.loads(pickle.dumps(value))


def by_key(events):
    """Events by type and key; there may be one of each."""
    found = {(type(event), event.key): event for event in events}
    assert len(found) == len(events)
    return found


def check_alike(event, other):
    """Equal but for the clock; pictures to a grey level, since a row's last digit depends on its batch."""
    assert type(event) is type(other)
    for name in (field.name for field in fields(event) if field.name not in CLOCKS):
        check_values(getattr(event, name), getattr(other, name), name)


def check_values(value, twin, name):
    if isinstance(value, np.ndarray):
        np.testing.assert_allclose(value.astype(float), twin.astype(float), atol=1, err_msg=name)
    elif is_dataclass(value):
        check_alike(value, twin)
    elif isinstance(value, tuple) and any(map(is_dataclass, value)):
        for part, other in zip(value, twin, strict=True):
            check_alike(part, other)
    elif isinstance(value, tuple) and not any(isinstance(part, str) for part in value):
        np.testing.assert_allclose(np.array(value, float), np.array(twin, float), atol=1, err_msg=name)
    elif isinstance(value, dict):
        assert value.keys() == twin.keys(), name
        for key, part in value.items():
            check_values(part, twin[key], f"{name} {key}")
    else:
        assert value == twin or value == pytest.approx(twin, abs=1e-4), name


def same_events(events, expected):
    ours, theirs = by_key(events), by_key(expected)
    assert ours.keys() == theirs.keys()
    for key, event in ours.items():
        check_alike(event, theirs[key])


@pytest.fixture(scope="module")
def alone():
    """The events of each run on the local backend."""
    desk = Desk("local")
    return {name: desk.run(request) for name, request in RUNS.items()}


# A kind of run that nobody has heard of


class CountRequest(Request):
    """Counts to n with a model."""

    n: int = 4
    model: str = "pixel"

    def load(self):
        return Load(1, self.n)

    def models(self):
        return (self.model,)


@dataclass(frozen=True)
class Tick(Event):
    """Without a key."""

    value: int


@dataclass(frozen=True)
class LaneTick(Event):
    """Of a lane, without a key."""

    lane: int
    value: int
    elapsed_s: float


@dataclass(frozen=True)
class KeyedTick(Event):
    i: int

    @property
    def key(self) -> Hashable:
        return self.i


def count(request, house):
    yield Note("I count.")
    with house.lease(request.model):
        for i in range(request.n):
            yield Tick(7)
            yield from (LaneTick(lane, 10 * lane, i / 10) for lane in range(2))
            yield KeyedTick(i)


@pytest.fixture(autouse=True)
def counting(monkeypatch):
    monkeypatch.setitem(OPERATIONS, CountRequest, count)


REQUESTS = {**RUNS, "new": CountRequest()}


@pytest.fixture(params=REQUESTS)
def run(request):
    return REQUESTS[request.param]


def test_every_operation_has_a_run_here():
    assert {type(request) for request in REQUESTS.values()} == set(OPERATIONS)


@pytest.mark.parametrize("module", sorted(Path(local.__file__).parent.glob("*.py")), ids=lambda path: path.stem)
def test_no_backend_names_a_kind_of_request_or_looks_for_its_fields(module):
    """What a backend must know of a request is in Request: `load`, `models`, `rest`."""
    tree = ast.parse(module.read_text())
    names = {node.id for node in ast.walk(tree) if isinstance(node, ast.Name)}
    assert not names & {kind.__name__ for kind in kinds()} and "hasattr" not in names
    for call in (node for node in ast.walk(tree) if isinstance(node, ast.Call)):
        probes = [one.id for one in call.args if isinstance(one, ast.Name)]
        assert getattr(call.func, "id", "") not in ("getattr", "isinstance") or "request" not in probes[:1]


# On every backend


def test_every_run_comes_whole_and_the_same(desk, alone, run):
    events = desk.run(run)
    assert events and travelled(events)
    if isinstance(run, CountRequest):
        assert [type(event) for event in events] == [Note] + [Tick, LaneTick, LaneTick, KeyedTick] * run.n
    else:
        same_events(events, next(alone[name] for name, request in RUNS.items() if request is run))


def test_its_load_is_announced_and_its_models_are_leased_and_given_back(desk, run):
    desk.run(run)
    assert desk.loads == [run.load()] * (run.load() != NOTHING)
    assert set(desk.cache.names) == set(run.models())
    assert desk.leases() == 0 and desk.line.counts == (0, 0)


def test_a_stop_ends_it(desk, run):
    stop, events = threading.Event(), []
    for event in desk.backend.run(run, stop):
        if not isinstance(event, Waiting):
            events.append(event)
            stop.set()
    assert len(events) == 1
    until = time.monotonic() + PATIENCE_S
    while desk.leases() or desk.line.counts != (0, 0):  # a replica is told, and hears it a moment later
        assert time.monotonic() < until
        time.sleep(0.01)


@pytest.mark.parametrize(
    ("error", "words"),
    [(LabError("Not today, try cats."), "Not today, try cats"), (KeyError("/secret"), r"inside the lab \(KeyError\)")],
)
def test_what_is_refused_or_fails_is_said_in_words(desk, run, monkeypatch, error, words):
    def fail(request, house):
        yield Note("It begins.")
        raise error

    monkeypatch.setitem(OPERATIONS, type(run), fail)
    with pytest.raises(LabError, match=words):
        desk.run(run)
    assert desk.line.counts == (0, 0)


def test_a_replica_that_is_lost_costs_no_event_and_none_comes_twice(lossy, alone, run):
    """Wherever in the run it is lost, and once more in what was made again."""
    whole = lossy().run(run)
    assert not any(event == Note(ray_serve.LOST) for event in whole)
    for lost_after in range(len(whole) + 1):
        desk = lossy(lost_after, lost_after // 2)
        events = [event for event in desk.run(run) if event != Note(ray_serve.LOST)]
        if isinstance(run, CountRequest):
            unkeyed = [event for event in events if isinstance(event, Tick | LaneTick)]
            assert [type(event) for event in unkeyed] == [Tick, LaneTick, LaneTick] * run.n
            assert [event.i for event in events if isinstance(event, KeyedTick)] == list(range(run.n))
        else:
            same_events(events, whole)


def test_a_run_that_is_lost_at_its_end_is_not_made_again(lossy):
    for name in ("sampling", "reference", "versus", "inversion", "share", "invention"):
        desk = lossy(len(Desk("local").run(RUNS[name])))
        assert Note(ray_serve.LOST) not in desk.run(RUNS[name]) and len(desk.cluster.requests) == 1


def test_a_run_that_is_lost_again_and_again_ends_in_words(lossy, run):
    with pytest.raises(LabError, match="lost this run several times"):
        lossy(0, 0, 0, 0).run(run)
