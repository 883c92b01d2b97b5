"""Compiled networks compute what torch computes: on the shipped models, for any number of rows, in any company."""

import sys
import threading

import numpy as np
import pytest
import torch

from lab.engine.lanes import drive
from lab.models import compiled
from lab.models.compiled import CONVERTED, BoundRequest, CompiledNetwork, Engines, Progress, Workshop, ahead
from lab.models.loaders import load, make_cache, make_workshop
from lab.models.most_used import Shape
from lab.operations.house import House
from lab.operations.sampling import sampling
from lab.requests.fields import Condition, Forward
from lab.requests.sampling import ControlMap, ControlWindow, LaneResult, LaneSettings, SamplingRequest
from lab.settings import Settings

SETTINGS = Settings(device="cpu", dtype="float32")
MAP = np.zeros((64, 64, 3), np.uint8)
MAP[16:48, 20:22] = MAP[16:48, 42:44] = MAP[16:18, 20:44] = MAP[46:48, 20:44] = 255


class Small(torch.nn.Module):
    """Two inputs and two outputs, rows apart from each other."""

    def __init__(self):
        super().__init__()
        torch.manual_seed(0)
        self.net = torch.nn.Conv2d(2, 4, 3, padding=1)

    def forward(self, x, t):
        y = torch.tanh(self.net(x)) * t[:, None, None, None]
        return y, y.mean((2, 3))


def inputs(rows, seed=1):
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(rows, 2, 6, 6, generator=generator), torch.rand(rows, generator=generator)


@pytest.fixture(scope="module")
def workshop(tmp_path_factory):
    return Workshop(tmp_path_factory.mktemp("compiled"), threads=2)


@pytest.fixture(scope="module")
def small(workshop):
    made = workshop(Small().eval(), "small", inputs(1), (2, 4))
    made.want(4)
    workshop.finish()
    return made


@pytest.mark.parametrize("rows", [1, 2, 3, 4, 5, 9])
def test_any_number_of_rows_is_filled_up_or_split(small, rows):
    assert small.state == "OpenVINO float32" and 0 < small.error < 1e-5
    with torch.no_grad():
        want = small.network(*inputs(rows))
    got = small(*inputs(rows))
    assert [part.shape for part in got] == [part.shape for part in want]
    for ours, theirs in zip(got, want, strict=True):
        torch.testing.assert_close(ours, theirs, atol=1e-6, rtol=1e-5)


def test_outputs_are_not_overwritten_by_the_next_call(small):
    first = small(*inputs(2))[0]
    kept = first.clone()
    small(*inputs(2, seed=2))
    assert torch.equal(first, kept)


def test_bytes_are_those_of_its_batch_sizes(small):
    assert small.nbytes == 2 * compiled.ARRANGED * sum(weight.nbytes for weight in small.network.parameters())


def test_a_batch_size_is_compiled_when_it_is_called_for_and_released_when_it_is_not(small, workshop):
    """The least recently used leaves first; what is released computes the same, and comes back when it is called for."""
    own = Workshop(workshop.folder, threads=2)
    made = own(Small().eval(), "small", inputs(1), (1, 2, 4))

    def sizes():
        own.finish()
        return sorted(size for _, size in made.shapes)

    assert sizes() == [2]  # before anything is called
    for rows in (4, 1):
        made(*inputs(rows))
    assert sizes() == [1, 2, 4]
    for rows in (1, 2, 4):
        made(*inputs(rows))
    own.release(most_bytes=made.nbytes - 1)
    assert sizes() == [2, 4]
    own.release(unused_s=0)
    assert sizes() == [] and made.nbytes == 0
    torch.testing.assert_close(made(*inputs(4)), small(*inputs(4)))
    assert sizes() == [4] and made.state == "OpenVINO float32"


def test_what_a_call_waits_for_is_compiled_before_what_none_has_asked_for(workshop, monkeypatch):
    """While the first order is being made, five more come in."""
    own, made, begun, go = Workshop(workshop.folder, threads=1), [], threading.Event(), threading.Event()

    def make(engine, bucket):
        begun.set()
        assert go.wait(60)
        made.append((engine.key, bucket))

    monkeypatch.setattr(own, "_make", make)
    first = own(Small().eval(), "first", inputs(1), (1, 2, 4, 8, 16))
    assert begun.wait(60)
    second = own(Small().eval(), "second", inputs(1), (1, 2, 4, 8, 16))
    second(*inputs(5))
    first(*inputs(1))
    go.set()
    own.finish()
    assert made == [("first", 2), ("second", 8), ("first", 1), ("first", 16), ("second", 2), ("second", 16)]


def held_back(monkeypatch, folder, first):
    """A workshop whose first order waits for `go`, and what it makes, in order."""
    own, made, begun, go = Workshop(folder, threads=1, first=first), [], threading.Event(), threading.Event()

    def make(engine, bucket):
        begun.set()
        assert go.wait(60)
        made.append((engine.key, bucket))

    monkeypatch.setattr(own, "_make", make)
    own(Small().eval(), "begun", inputs(1), (2,))
    assert begun.wait(60)
    return own, made, go


TABLE = (Shape("b", "net", 8, 6), Shape("a", "net", 1, 6), Shape("b", "net", 16, 6))


def test_the_table_comes_in_its_order_behind_what_a_call_waits_for_and_before_the_rest(workshop, monkeypatch):
    own, made, go = held_back(monkeypatch, workshop.folder, TABLE)
    with ahead():
        _, b, c, d = (own(Small().eval(), key, inputs(1), (1, 2, 4, 8, 16), (key, "net")) for key in "abcd")
        c(*inputs(1))  # for nobody
    b(*inputs(16))  # of the table, last of it, and somebody waits by now: first, and once
    d(*inputs(3))  # called for: what calls mostly need of it is made, too
    b(*inputs(16))
    assert own.progress.open == {("", ""), ("a", "net"), ("b", "net"), ("c", "net"), ("d", "net")}
    go.set()
    own.finish()
    first, table = [("begun", 2), ("b", 16), ("d", 4)], [("b", 8), ("a", 1)]
    rest = [("c", CONVERTED), ("d", CONVERTED), ("b", 2), ("d", 2), ("d", 16)]
    assert made == first + table + rest
    assert own.progress == Progress(
        frozenset([("", ""), *((key, "net") for key in "abcd")]), frozenset(), frozenset(), None
    )


def test_what_is_made_now_and_what_torch_is_left_with_is_said(workshop, monkeypatch):
    own, _, go = held_back(monkeypatch, workshop.folder, ())
    assert own.progress.now == (("", ""), 2)
    go.set()
    own.finish()
    monkeypatch.setattr(own, "_make", lambda *_: (_ for _ in ()).throw(RuntimeError("unsupported")))
    own(Small().eval(), "broken", inputs(1), (1,), ("model", "net"))
    own.finish()
    assert own.progress.failed == {("model", "net")} and own.progress.now is None


def test_what_nobody_called_is_converted_and_compiled_at_its_first_call(tmp_path, small, conversions):
    own = Workshop(tmp_path, threads=2)
    with ahead():
        made = own(Small().eval(), "small", inputs(1), (2, 4))
        made(*inputs(2))
    own.finish()
    assert conversions == [1] and made.shapes == [] and made.nbytes == 0
    assert made.state == "converted, to be compiled at its first call"
    made(*inputs(3))
    own.finish()
    assert sorted(size for _, size in made.shapes) == [2, 4] and conversions == [1]
    assert made.state == "OpenVINO float32"
    torch.testing.assert_close(made(*inputs(3)), small(*inputs(3)))


@pytest.fixture
def conversions(monkeypatch):
    """Counts what OpenVINO converts."""
    import openvino

    calls = []
    monkeypatch.setattr(
        openvino, "convert_model", lambda *a, whole=openvino.convert_model, **k: calls.append(1) or whole(*a, **k)
    )
    return calls


def again(small, folder):
    """The small network after a restart."""
    other = Workshop(folder, threads=2)
    made = other(Small().eval(), "small", inputs(1), (2,))
    other.finish()
    assert made.state == "OpenVINO float32" and made.error < 1e-5
    torch.testing.assert_close(made(*inputs(2)), small(*inputs(2)))


def zeros(file):
    content = bytearray(file.read_bytes())
    middle = len(content) // 2
    content[middle : middle + 16] = bytes(16)
    file.write_bytes(content)


def test_a_second_start_converts_nothing_and_damage_is_made_good(small, workshop, conversions):
    again(small, workshop.folder)
    assert conversions == []
    (weights,) = workshop.folder.glob("small-*.bin")
    zeros(weights)
    again(small, workshop.folder)
    assert conversions == [1]
    assert not list(workshop.folder.glob("draft-*"))


def test_a_kept_network_that_computes_something_else_is_made_anew(small, workshop, conversions):
    """Its checksums are right; so only what it computes tells."""
    (graph,) = workshop.folder.glob("small-*.xml")
    other = Small().eval()
    with torch.no_grad():
        other.net.weight[0, 0, 0, 0] += 0.05
    workshop._networks.throw_away(graph.stem)
    workshop._networks.keep(
        graph.stem, lambda draft: workshop._convert(CompiledNetwork(other, "other", inputs(1)), draft)
    )
    conversions.clear()
    again(small, workshop.folder)
    assert conversions == [1]


def test_a_network_kept_by_another_openvino_is_not_looked_at(small, workshop, conversions, monkeypatch):
    import openvino

    monkeypatch.setattr(openvino, "__version__", "2099.1.0-1-releases")
    again(small, workshop.folder)
    assert conversions == [1]


@pytest.mark.parametrize("wrong", [0.05, float("nan")])
def test_what_openvino_computes_wrongly_is_computed_by_torch_and_not_kept(tmp_path, monkeypatch, wrong):
    compute = BoundRequest.__call__
    monkeypatch.setattr(BoundRequest, "__call__", lambda *args: tuple(part + wrong for part in compute(*args)))
    workshop = Workshop(tmp_path, threads=1)
    made = workshop(Small().eval(), "small", inputs(1), (1,))
    workshop.finish()
    assert made.state.startswith("torch: OpenVINO computed something else") and made.nbytes == 0
    torch.testing.assert_close(made(*inputs(3)), made.network(*inputs(3)))
    assert list(tmp_path.iterdir()) == []


def test_a_full_disk_leaves_nothing_behind_and_torch_goes_on(tmp_path, monkeypatch):
    import openvino

    def full(model, file, **_):
        file.with_suffix(".bin").write_bytes(bytes(100))
        raise RuntimeError("basic_ios::clear: iostream error")  # as OpenVINO 2026.4 on a full disk

    monkeypatch.setattr(openvino, "save_model", full)
    workshop = Workshop(tmp_path, threads=1)
    made = workshop(Small().eval(), "small", inputs(1), (1,))
    workshop.finish()
    assert made.state == "torch: there is no room to keep the compiled network, or no right to write it"
    torch.testing.assert_close(made(*inputs(3)), made.network(*inputs(3)))
    assert list(tmp_path.iterdir()) == []


def test_until_it_is_compiled_and_where_it_cannot_be_torch_computes(workshop, monkeypatch):
    waiting = CompiledNetwork(Small().eval(), "waiting", inputs(1), (1,))
    torch.testing.assert_close(waiting(*inputs(3)), waiting.network(*inputs(3)))
    import openvino

    monkeypatch.setattr(openvino, "convert_model", lambda *_, **__: (_ for _ in ()).throw(RuntimeError("unsupported")))
    broken = workshop(Small().eval(), "broken", inputs(1), (1,))
    workshop.finish()
    assert broken.state == "torch: OpenVINO could not compile it (RuntimeError)" and broken.nbytes == 0
    torch.testing.assert_close(broken(*inputs(3)), broken.network(*inputs(3)))


def test_without_the_library_torch_computes(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "openvino", None)
    workshop = Workshop(tmp_path, threads=1)
    made = workshop(Small().eval(), "small", inputs(1), (1,))
    workshop.finish()
    assert "ModuleNotFoundError" in made.state and made(*inputs(1))[0].shape == (1, 4, 6, 6)


def test_what_is_too_large_stays_with_torch(workshop, monkeypatch):
    monkeypatch.setattr(compiled, "LARGEST", 10)
    made = workshop(Small().eval(), "large", inputs(1), (1,))
    assert made.state.startswith("torch: too large")


def test_what_a_call_gave_stays_what_it_was_and_rows_of_one_call_do_not_reach_the_next(workshop):
    """A request reads and writes arrays of its own, which the next call uses again."""
    made = workshop(Small().eval(), "small", inputs(1), (4,))
    workshop.finish()
    four, three = inputs(4), inputs(3)
    first = made(*four)[0]
    kept = first.clone()
    torch.testing.assert_close(made(*three)[0], made.network(*three)[0].detach())
    torch.testing.assert_close(first, kept, rtol=0, atol=0)
    nothing = [torch.full_like(part, float("nan")) for part in four]
    made(*nothing)
    torch.testing.assert_close(made(*three)[0], made.network(*three)[0].detach())


def test_engines_are_made_once_and_say_what_they_are(workshop):
    engines = Engines("content", workshop)
    one = engines("small", lambda: Small().eval(), inputs(1), (1,))
    assert engines("small", lambda: Small().eval(), inputs(1), (1,)) is one
    workshop.finish()
    assert engines.nbytes == one.nbytes > 0
    assert engines.notes[0].startswith("small: OpenVINO float32, error ")


def test_only_a_cpu_has_a_workshop():
    assert make_workshop(Settings(device="cpu", cpu_engine="openvino", dtype="float32")) is not None
    assert make_workshop(Settings(device="cpu", cpu_engine="torch")) is None
    assert make_workshop(Settings(device="cuda", cpu_engine="openvino")) is None


# The shipped models


@pytest.fixture(scope="module")
def both(tmp_path_factory):
    """The lab's cache by torch, and by OpenVINO with everything compiled; a run's lanes by either."""
    workshop = Workshop(tmp_path_factory.mktemp("shipped"), threads=2)
    caches = {"torch": make_cache(SETTINGS), "openvino": make_cache(SETTINGS, workshop)}

    def run(by, *lanes, drive=drive):
        ends = {}

        def watched(denoiser, lanes):
            for record in drive(denoiser, lanes):
                ends[record.lane] = record.x_0
                yield record

        request = SamplingRequest(
            model="text-to-image", lanes=lanes, condition=Condition(prompt="red heart"),
            forward=Forward(schedule="scaled_linear"), controls=[ControlMap(name="edges", map=MAP)],
        )  # fmt: skip
        events = list(sampling(request, House(SETTINGS, caches[by], watched)))
        pictures = [event.picture for event in events if isinstance(event, LaneResult)]
        return [ends[index] for index in range(len(lanes))], pictures

    for lanes in (1, 2, 4, 8):  # what is called for by the tests below, whatever rows they have in common
        run("openvino", *[LaneSettings(steps=1, windows=(ControlWindow(),))] * lanes)
        run("openvino", *[LaneSettings(steps=1)] * lanes)
    workshop.finish()
    for entry in caches["openvino"].resident():
        assert entry.notes and all("OpenVINO float32" in note for note in entry.notes)
    return run


LANES = (
    LaneSettings(steps=12, guidance_scale=5),
    LaneSettings(steps=12, seed=1),
    LaneSettings(steps=9, seed=2, sampler="euler", guidance_scale=3, windows=(ControlWindow(),)),
    LaneSettings(
        steps=8,
        seed=3,
        sampler="dpmpp_2m",
        windows=(ControlWindow(strength=0.5, end=0.5),),
        guess=True,
        guidance_scale=2,
    ),
    LaneSettings(steps=10, seed=4, sampler="ddpm", guidance_scale=0),
)


def test_pictures_are_torchs_to_1e_4(both):
    latents, pictures = both("openvino", *LANES)
    want_latents, want_pictures = both("torch", *LANES)
    for ours, theirs in zip(latents, want_latents, strict=True):
        torch.testing.assert_close(ours, theirs, atol=1e-4, rtol=0)
    for ours, theirs in zip(pictures, want_pictures, strict=True):
        assert np.abs(ours.astype(int) - theirs).max() <= 1


def test_company_does_not_change_a_compiled_picture(both):
    together, _ = both("openvino", *LANES)
    for index, lane in enumerate(LANES):
        (alone,), _ = both("openvino", lane)
        torch.testing.assert_close(together[index], alone, atol=1e-4, rtol=0)


@pytest.fixture(scope="module")
def pixel(tmp_path_factory):
    """The pixel model's denoisers by OpenVINO and by torch, and the workshop of the first."""
    workshop = Workshop(tmp_path_factory.mktemp("pixel"), threads=2)
    ours, torchs = (
        load("pixel", SETTINGS, workshop=shop).denoiser(Forward(schedule="cosine")) for shop in (workshop, None)
    )
    return ours, torchs, workshop


@pytest.mark.parametrize("rows", [1, 3, 16, 17])
def test_the_pixel_models_eps_and_its_variance_are_torchs(pixel, rows):
    """At all noise levels, whole timesteps and between, with every class."""
    ours, torchs, workshop = pixel
    generator = torch.Generator().manual_seed(rows)
    x_t = torch.randn(rows, 3, 32, 32, generator=generator)
    t = torch.rand(rows, generator=generator) * 999 if rows > 1 else torch.tensor([500])
    classes = [row % 9 for row in range(rows)]
    ours(x_t, t, classes)
    workshop.finish()
    got, want = ours(x_t, t, classes), torchs(x_t, t, classes)
    assert ours._engines("denoiser", lambda: ours.unet, []).state == "OpenVINO float32"
    assert got.shape == want.shape == (rows, 6, 32, 32)
    torch.testing.assert_close(got, want, atol=1e-4, rtol=1e-4)
