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
from lab.requests.fields import Condition
from lab.requests.sampling import ControlMap, LaneResult, LaneSettings, Recording, SamplingRequest, Step
from lab.settings import Settings

REQUEST = SamplingRequest(
    condition=Condition(group="animals-nature"),
    lanes=(LaneSettings(steps=4, seed=8), LaneSettings(sampler="heun", steps=3, seed=9)),
    reference_steps=10,
)


def recorded(request):
    steps, results = {}, {}
    for event in LocalBackend(Settings()).run(request):
        if isinstance(event, Step):
            steps.setdefault(event.lane, []).append(event)
        elif isinstance(event, LaneResult):
            results[event.lane] = event
    return Recording(request, {lane: tuple(seen) for lane, seen in steps.items()}, results)


@pytest.fixture(scope="module")
def run():
    return recorded(REQUEST)


@pytest.fixture(scope="module")
def whole(run):
    return recordings.to_bytes(run, "compare")


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
def test_damaged_files_are_refused_or_read(whole, data):
    assert read(data.draw(st.binary(max_size=200))) is None
    spoilt = bytearray(whole)
    for _ in range(data.draw(st.integers(1, 5))):
        place = data.draw(st.integers(0, len(spoilt) - 1) | st.integers(len(spoilt) - 2000, len(spoilt) - 1))
        spoilt[place] = data.draw(st.integers(0, 255))
    read(bytes(spoilt[: data.draw(st.integers(0, len(spoilt)) | st.just(len(spoilt)))]))
