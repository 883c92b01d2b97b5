"""Recordings: what is saved comes back, and everything that is no recording is answered in words."""

import io
import json
import struct
import zipfile
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from lab.backends.local import LocalBackend
from lab.capsules import recordings
from lab.capsules.capsule import make
from lab.requests.base import LabError
from lab.requests.edit import INVERSION, EditLane, EditRecording, EditRequest, Original
from lab.requests.fields import Condition, Forward
from lab.requests.sampling import ControlMap, LaneResult, LaneSettings, Recording, SamplingRequest
from lab.settings import Settings

REQUEST = SamplingRequest(
    condition=Condition(group="animals-nature"),
    lanes=(LaneSettings(steps=4, seed=8), LaneSettings(sampler="heun", steps=3, seed=9)),
    reference_steps=10,
)


RNG = np.random.default_rng(0)
EDIT = EditRequest(
    model="pixel", forward=Forward(schedule="cosine"), picture=RNG.integers(0, 256, (50, 40, 3), np.uint8), mask=RNG.random((50, 40)) < 0.5, measure=True,
    condition=Condition(group="animals-nature"),
    lanes=(
        EditLane(method="sdedit", steps=5, strength=0.6), EditLane(method="inverted", steps=4),
        EditLane(method="repaint", steps=3, resamplings=2), EditLane(method="truth", steps=3), EditLane(method="paste", steps=2),
    ),
)  # fmt: skip


def recorded(request, collector):
    for event in LocalBackend(Settings(cpu_engine="torch")).run(request):
        collector.add(event)
    return collector.recording()


@pytest.fixture(scope="module")
def run():
    return recorded(REQUEST, recordings.Collector(REQUEST))


@pytest.fixture(scope="module")
def whole(run):
    return recordings.to_bytes(run, "compare")


@pytest.fixture(scope="module")
def edit():
    return recorded(EDIT, recordings.EditCollector(EDIT))


@pytest.fixture(scope="module")
def whole_edit(edit):
    return recordings.to_bytes(edit, "fill")


def assert_same(a, b):
    """Everything of a step or result, times to the tenth of a millisecond that a file tells."""
    for name, value in vars(a).items():
        other = getattr(b, name)
        if isinstance(value, np.ndarray):
            np.testing.assert_array_equal(value, other)
        else:
            assert value == (pytest.approx(other, abs=1e-4) if name == "elapsed_s" else other), name


def test_a_run_comes_back_as_it_was(run, whole):
    again = recordings.from_bytes(whole)
    assert again.experiment == "compare" and again.recording.request == run.request and again.capsule is None
    assert again.recording.steps.keys() == run.steps.keys() and -1 in run.steps  # the reference run too
    for lane, steps in run.steps.items():
        assert len(again.recording.steps[lane]) == len(steps)
        for a, b in zip(steps, again.recording.steps[lane], strict=True):
            assert_same(a, b)
    assert again.recording.results.keys() == run.results.keys()
    for lane, result in run.results.items():
        assert_same(result, again.recording.results[lane])
        assert result.path_distance > 0 and result.nearest is not None


def test_what_the_controls_were_set_to_comes_along(run):
    capsule = make("samplers", {"steps": 4, "group": "animals-nature"}, [8, 9], ["exact"])
    assert recordings.from_bytes(recordings.to_bytes(run, "compare", capsule)).capsule == capsule


def test_a_smaller_file_keeps_the_finished_pictures(run, whole):
    small = recordings.to_bytes(run, "compare", quality=70)
    assert len(small) < len(whole) / 2
    for lane, steps in recordings.from_bytes(small).recording.steps.items():
        np.testing.assert_array_equal(steps[-1].x_0, run.steps[lane][-1].x_0)
        error = steps[0].x_t.astype(float) - run.steps[lane][0].x_t
        assert 0 < np.abs(error).mean() < 40


def test_an_edit_comes_back_with_what_was_edited(edit, whole_edit):
    again = recordings.from_bytes(whole_edit)
    recording = again.recording
    assert isinstance(recording, EditRecording) and again.experiment == "fill"
    subject = {"picture": edit.original.picture, "mask": edit.original.mask}
    assert edit.original.picture.shape == (32, 32, 3) and edit.original.mask.shape == (32, 32)
    np.testing.assert_array_equal(recording.original.decoded, edit.original.decoded)
    for name, wanted in subject.items():  # as the model saw it
        np.testing.assert_array_equal(getattr(recording.original, name), wanted)
        np.testing.assert_array_equal(getattr(recording.request, name), wanted)
        assert getattr(recording.original, name).dtype == wanted.dtype
    bare = {"picture": None, "mask": None}
    assert recording.request.model_copy(update=bare) == EDIT.model_copy(update=bare)
    assert recording.steps.keys() == edit.steps.keys() == {INVERSION, *range(len(EDIT.lanes))}
    for lane, steps in edit.steps.items():
        for a, b in zip(steps, recording.steps[lane], strict=True):
            assert_same(a, b)
    assert recording.results.keys() == edit.results.keys() == set(range(len(EDIT.lanes)))
    for lane, result in edit.results.items():
        assert_same(result, recording.results[lane])
        assert result.measures["known_rms"] >= 0


def test_what_is_replayed_of_an_edit_can_be_run_again(edit, whole_edit):
    """Its picture and mask are those that the model saw, so the run is the same."""
    again = recordings.from_bytes(whole_edit).recording.request
    events = LocalBackend(Settings(cpu_engine="torch")).run(again)
    results = {event.lane: event.picture for event in events if isinstance(event, LaneResult)}
    for lane, result in edit.results.items():
        assert np.abs(results[lane].astype(int) - result.picture).max() <= 1


def test_an_edit_of_two_models_of_other_shapes_comes_back(edit):
    """x_t of a latent model is as small as its latents, that of the exact posterior as large as the picture."""
    small = [
        replace(step, x_t=step.x_t[::4, ::4], x_0=step.x_0[::4, ::4], decoded=False) for step in edit.steps[0][:-1]
    ]
    mixed = replace(edit, steps={**edit.steps, 0: (*small, edit.steps[0][-1])})
    again = recordings.from_bytes(recordings.to_bytes(mixed, "fill")).recording
    assert again.steps[0][0].x_t.shape == (8, 8, 3) and again.steps[3][0].x_t.shape == (32, 32, 3)


@pytest.mark.parametrize("mask", [None, np.eye(32, dtype=bool)], ids=["without", "with a mask"])
def test_an_edit_without_a_picture_is_recorded(mask):
    view = {"view": "flip"} if mask is None else {"view": "painted", "mask": mask}
    request = EditRequest(model="exact-32", **view, lanes=(EditLane(method="composed", steps=2),))
    run = recorded(request, recordings.EditCollector(request))
    again = recordings.from_bytes(recordings.to_bytes(run, "two")).recording
    assert again.original is None and again.request.picture is None and len(again.results) == 1
    np.testing.assert_array_equal(again.request.mask, mask)


def test_a_stopped_edit_can_be_saved(edit):
    stopped = replace(edit, steps={0: edit.steps[0][:2]}, results={})
    again = recordings.from_bytes(recordings.to_bytes(stopped, "fill")).recording
    assert len(again.steps[0]) == 2 and again.results == {} and again.original is not None


@pytest.mark.parametrize("shape", [(64, 32), (600, 600)])
def test_a_subject_that_no_recording_holds_is_said(edit, shape):
    large = Original(np.zeros((*shape, 3), np.uint8), np.zeros((*shape, 3), np.uint8))
    with pytest.raises(LabError, match="at most 512 pixels a side"):
        recordings.to_bytes(replace(edit, original=large), "fill")


def test_a_stopped_run_can_be_saved(run):
    stopped = replace(run, steps={0: run.steps[0][:2]}, results={})
    again = recordings.from_bytes(recordings.to_bytes(stopped, "compare")).recording
    assert len(again.steps[0]) == 2 and again.results == {}


def test_what_cannot_be_recorded_is_said(run):
    with pytest.raises(LabError, match="press Run"):
        recordings.to_bytes(Recording(REQUEST), "compare")
    held = REQUEST.model_copy(update={"controls": (ControlMap(name="edges", map=np.zeros((4, 4, 3), np.uint8)),)})
    with pytest.raises(LabError, match="control maps"):
        recordings.to_bytes(replace(run, request=held), "compare")


def read(data):
    """The recording, or None where it was refused in words. Anything else that is raised fails the test."""
    try:
        return recordings.from_bytes(data)
    except LabError as error:
        assert 20 < len(str(error)) < 300
        return None


def changed(whole, pictures=None, **fields):
    """The file with other fields in its text, or other pictures by name (None: left out)."""
    stream = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(whole)) as old, zipfile.ZipFile(stream, "w") as new:
        for name in old.namelist():
            data = old.read(name)
            if name == recordings.TEXT:
                data = json.dumps(json.loads(data) | fields).encode()
            data = (pictures or {}).get(name, data)
            if data is not None:
                new.writestr(name, data)
    return stream.getvalue()


def webp(*shape):
    stream = io.BytesIO()
    Image.new("RGB", shape).save(stream, "WEBP")
    return stream.getvalue()


def test_the_ways_to_change_a_file_leave_it_whole(whole):
    assert read(changed(whole)) is not None  # else the tests below would pass whatever they change


@pytest.mark.parametrize(
    "fields",
    [
        {"format": 2}, {"experiment": "../x"}, {"request": {}}, {"steps": []}, {"made": "yesterday"}, {"more": 1},
        {"capsule": {"tab": "samplers"}}, {"results": [{"lane": 7, "calls": 1}]}, {"results": [{"lane": 0, "calls": 1, "rms_to_reference": "NaN"}]},
        {"steps": [{"lane": 5, "i": 0, "n": 1, "t": 1, "log_snr": 0}]},
        {"steps": [{"lane": 0, "i": 1, "n": 2, "t": 1, "log_snr": 0}] * 2},
        {"steps": [{"lane": 0, "i": 0, "n": 2, "t": 1, "log_snr": 0}]},
        {"steps": [{"lane": 0, "i": 0, "n": 2, "t": 1, "log_snr": 1e300}]},
    ],
    ids=str,
)  # fmt: skip
def test_a_text_that_no_lab_wrote_is_refused(whole, fields):
    assert read(changed(whole, **fields)) is None


def test_a_run_that_this_lab_cannot_have_is_told_by_its_model(whole):
    request = json.loads(REQUEST.model_dump_json()) | {"model": "large"}
    with pytest.raises(LabError, match="no model named 'large'"):
        recordings.from_bytes(changed(whole, request=request))


@pytest.mark.parametrize(
    "picture",
    [None, b"", b"no picture", webp(65, 65), webp(64, 32), webp(4000, 4000), webp(16383, 16383)],
    ids=range(7),
)
def test_pictures_that_are_missing_or_of_another_size_are_refused(whole, picture):
    assert read(changed(whole, {"1-x_0.webp": picture})) is None


@pytest.mark.parametrize("name", ["original.webp", "decoded.webp", "mask.webp"])
@pytest.mark.parametrize("picture", [None, b"no picture", webp(65, 65), webp(32, 16)], ids=range(4))
def test_a_subject_that_is_missing_or_of_another_size_is_refused(whole_edit, name, picture):
    assert read(changed(whole_edit)) is not None
    assert read(changed(whole_edit, {name: picture})) is None


@pytest.mark.parametrize(
    "fields",
    [
        {"kind": "sampling"}, {"kind": None}, {"kind": ["edit"]}, {"request": []}, {"request": {"lanes": []}},
        {"request": json.loads(REQUEST.model_dump_json())}, {"steps": [{"lane": 5, "i": 0, "n": 1, "t": 1, "log_snr": 0}]},
        {"steps": [{"lane": -1, "i": 0, "n": 1, "t": 1, "log_snr": 0}]},
    ],
    ids=str,
)  # fmt: skip
def test_a_text_that_is_no_edit_is_refused(whole_edit, fields):
    assert read(changed(whole_edit, **fields)) is None


def test_the_kind_of_a_run_is_not_what_its_file_says_alone(whole):
    assert read(changed(whole, kind="edit")) is None


def test_a_bomb_is_not_unpacked(whole):
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as file:
        file.writestr(recordings.TEXT, " " * (recordings.MAX_TEXT + 1))
    assert read(stream.getvalue()) is None
    stream = io.BytesIO(whole)
    with zipfile.ZipFile(stream, "a", zipfile.ZIP_DEFLATED) as file:
        file.writestr("more.webp", b" " * 1000)
    assert read(stream.getvalue()) is None
    assert read(b" " * (recordings.MAX_BYTES + 1)) is None


@pytest.mark.parametrize("method", [zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_other_ways_to_pack_are_refused(whole, method):
    stream = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(whole)) as old, zipfile.ZipFile(stream, "w") as new:
        for name in old.namelist():
            new.writestr(name, old.read(name), method if name == recordings.TEXT else zipfile.ZIP_STORED)
    assert read(stream.getvalue()) is None


def test_members_may_not_share_their_bytes(whole, monkeypatch):
    """Else a small file is as much work as a large one."""
    end = whole.rindex(b"PK\x05\x06")
    count, size = struct.unpack("<HL", whole[end + 10 : end + 16])
    directory = whole[end - size : end]
    shared = struct.pack("<4s4H2LH", b"PK\5\6", 0, 0, 9 * count, 9 * count, 9 * size, end - size, 0)
    nine = whole[: end - size] + 9 * directory + shared
    monkeypatch.setattr(recordings, "MAX_BYTES", len(nine))
    with pytest.raises(LabError, match="damaged"):
        recordings.from_bytes(nine)


def test_a_place_beyond_the_end_of_all_files_is_refused():
    name, place = recordings.TEXT.encode(), struct.pack("<HHQ", 1, 8, 2**64 - 1)
    entry = struct.pack(
        "<4s4B4HL2L5H2L", b"PK\1\2", 20, 0, 20, 0, 0, 0, 0, 0, 0, 5, 5, len(name), len(place), 0, 0, 0, 0, 2**32 - 1
    )
    end = struct.pack("<4s4H2LH", b"PK\5\6", 0, 0, 1, 1, len(entry + name + place), 0, 0)
    assert read(entry + name + place + end) is None


@settings(max_examples=60, deadline=None, derandomize=True, database=None)
@given(data=st.data())
def test_damaged_files_are_refused_or_read(whole, whole_edit, data):
    assert read(data.draw(st.binary(max_size=200))) is None
    whole = data.draw(st.sampled_from([whole, whole_edit]))
    spoilt = bytearray(whole)
    for _ in range(data.draw(st.integers(1, 5))):
        place = data.draw(st.integers(0, len(spoilt) - 1) | st.integers(len(spoilt) - 2000, len(spoilt) - 1))
        spoilt[place] = data.draw(st.integers(0, 255))
    read(bytes(spoilt[: data.draw(st.integers(0, len(spoilt)) | st.just(len(spoilt)))]))
