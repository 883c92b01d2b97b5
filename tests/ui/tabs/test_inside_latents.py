"""The room of latents without a browser: what each experiment asks for, what it measures and shows, and bad input."""

import json
import pickle
import re
from html import unescape

import numpy as np
import pytest

from lab.backends.local import LocalBackend
from lab.catalog import MODELS
from lab.measures import rms
from lab.requests.base import LabError, Note, Waiting
from lab.requests.latents import Decoding, Encoding, ExampleLatents
from lab.settings import Settings
from lab.ui.shell import media
from lab.ui.shell.rooms.controls import example as path_of
from lab.ui.shell.rooms.room import Asked
from lab.ui.tabs.inside import controls
from lab.ui.tabs.inside.latents import charts, plans, view
from lab.ui.tabs.inside.latents.room import Latents

ROOM = Latents()
SETTINGS = Settings(device="cpu", dtype="float32", cpu_engine="torch")
FIRST = {"seed": 0} | {one.name: one.value for one in ROOM.fields}
EXPERIMENTS = [name for _, name in plans.EXPERIMENTS]
SIDE = 64


def example(name):
    return media.resize(media.open_picture(path_of(name), SETTINGS), SIDE)


def asked(**changes):
    now = FIRST | {"latents_frames": 5, "latents_draws": 2} | changes
    pictures = {"picture": example(controls.FIRST), "second": example(controls.SECOND)} | {
        name: changes[name] for name in ("picture", "second") if name in changes
    }
    return Asked(now, MODELS["text-to-image"], **pictures, settings=SETTINGS)


@pytest.fixture(scope="module")
def runs():
    """By experiment: the request and what has come of it, with the shipped model."""
    backend, found = LocalBackend(SETTINGS), {}
    for name in EXPERIMENTS:
        request = ROOM.request(asked(latents_experiment=name))
        outcome = ROOM.outcome(request)
        for event in backend.run(request):
            if not isinstance(event, Note | Waiting):
                outcome.add(event)
        found[name] = outcome
    return found


def cells(markup):
    """What each small picture is and says."""
    found = re.findall(
        r'<button type="button" class="latents-cell" data-words="([^"]*)".*?<small[^>]*>(.*?)</small>', markup
    )
    return {unescape(words): unescape(text) for words, text in found}


@pytest.mark.parametrize("name", EXPERIMENTS)
def test_a_run_is_shown_whole_and_survives_the_page(runs, name):
    outcome = pickle.loads(pickle.dumps(runs[name]))
    assert outcome.whole and outcome.begun and outcome.experiment == name
    assert outcome.ways() == [(len(outcome.request.lanes),) * 2]
    markup = view.stage(outcome, plans.CHANNELS)
    assert f'data-experiment="{name}"' in markup and 'data-script="latents.js"' in markup
    shown = cells(markup)
    assert len(shown) == {"channels": 4 * 7 + 6, "noise": 2 * 5, "between": 3 * 5, "draws": 5 * 2}[name]
    assert all(text not in ("", "\xa0") for text in shown.values())
    assert ("data-sheet" in markup) == (name != plans.DRAWS)
    assert ROOM.words(outcome) and ROOM.table(outcome) and ROOM.summary(outcome).startswith(str(len(outcome.found)))
    stems = [stem for stem, _ in ROOM.pictures(outcome)]
    assert len(stems) == len(set(stems)) == 2 + 4 + len(outcome.found)
    data = json.loads(charts.chart(outcome).plot)["data"]
    assert len(data) == {"channels": 2, "noise": 2, "between": 4, "draws": 2}[name]
    assert all(value is not None for trace in data for value in trace["y"])


@pytest.mark.parametrize("name", EXPERIMENTS)
def test_the_stage_is_there_at_every_moment_of_a_run(runs, name):
    whole = runs[name]
    outcome = ROOM.outcome(whole.request)
    assert 'data-room="latents"' in ROOM.stage(None, asked(latents_experiment=name)) and not outcome.begun
    events = [
        *whole.encodings.values(),
        *filter(None, [whole.known]),
        *(Decoding(*item) for item in whole.found.items()),
    ]
    for event in events[:-1]:
        outcome.add(event)
        markup = view.stage(outcome, name)
        assert "data-sheet" not in markup and "None" not in markup
        assert ROOM.words(outcome) == "" and ROOM.progress(outcome)
        charts.chart(outcome)
        ROOM.table(outcome)


def test_numbers_of_channels_are_those_of_their_pictures(runs):
    outcome = runs[plans.CHANNELS]
    shown = cells(view.stage(outcome, plans.CHANNELS))
    for k in range(4):
        off = outcome.picture("scale", channel=k, factor=0.0)
        assert shown[f"Channel {k + 1} off"] == f"{rms(off, outcome.first.decoded):.1f}"
        z, w = outcome.first.latents, outcome.known.to_rgb
        away = (z[k] - outcome.known.mean[k])[None] * w[:, k, None, None] * 127.5
        assert outcome.linear_change(k) == pytest.approx(float(np.sqrt(np.square(away).mean())), rel=1e-5)
    assert outcome.scaled(2, 1.0) is outcome.first.decoded
    values = outcome.linear()
    told = np.einsum("ck,khw->chw", outcome.known.to_rgb, np.concatenate([z, np.ones((1, 16, 16))])).transpose(1, 2, 0)
    assert np.allclose(values, told, atol=1e-5)
    r2, decibels = outcome.fit()
    blocks = outcome.first.decoded.astype(float).reshape(16, 4, 16, 4, 3).mean(axis=(1, 3)) / 127.5 - 1
    assert r2 == pytest.approx(
        1 - np.square(blocks - values).sum() / np.square(blocks - blocks.mean(axis=(0, 1))).sum(), abs=1e-6
    )
    assert decibels == pytest.approx(10 * np.log10(4 / np.square(blocks - values).mean()), abs=1e-3)


def test_zero_is_another_centre(runs):
    request = ROOM.request(asked(latents_centre="zero"))
    assert {lane.centre for lane in request.lanes if lane.kind in ("scale", "only")} == {"zero"}
    outcome = ROOM.outcome(request)
    whole = runs[plans.CHANNELS]
    for event in (*whole.encodings.values(), whole.known, *(Decoding(*item) for item in whole.found.items())):
        outcome.add(event)
    assert not outcome.centre.any() and whole.centre.any()
    assert "Off is 0 here" in ROOM.words(outcome) and "Off is the mean" in ROOM.words(whole)


def test_every_frame_is_in_the_sheet_where_the_script_looks(runs):
    for name, tracks in ((plans.CHANNELS, 5), (plans.NOISE, 2), (plans.BETWEEN, 3)):
        outcome = runs[name]
        markup = view.stage(outcome, name)
        sheet = media.from_uri(unescape(re.search(r'data-sheet="([^"]*)"', markup)[1]))
        side, texts = (
            int(re.search(r'data-side="(\d+)"', markup)[1]),
            json.loads(unescape(re.search(r'data-texts="([^"]*)"', markup)[1])),
        )
        frames = len(json.loads(unescape(re.search(r'data-labels="([^"]*)"', markup)[1])))
        assert sheet.shape == (tracks * side, frames * side, 3) and [len(row) for row in texts] == [frames] * tracks
    mix = outcome.picture("slerp", t=outcome.places[3])
    assert np.array_equal(sheet[side : 2 * side, 3 * side : 4 * side], mix)


def test_levels_run_from_little_noise_to_much_with_one_seed(runs):
    outcome = runs[plans.NOISE]
    assert outcome.levels == [6.0, 3.0, 0.0, -3.0, -6.0] and {lane.seed for lane in outcome.request.lanes} == {0}
    for kind in plans.NOISES:
        alike = [outcome.alike(kind, level) for level in outcome.levels]
        assert alike == sorted(alike, reverse=True) and alike[0] > 0.99
        half = outcome.half(kind)
        assert -6 < half < 0


def test_a_double_exposure_of_unrelated_edges_has_half_the_energy(runs):
    outcome = runs[plans.BETWEEN]
    for kind in plans.MIXES:
        assert outcome.energy(kind, 0.0) == pytest.approx(1, abs=0.01) and outcome.energy(kind, 1.0) == pytest.approx(
            1, abs=0.01
        )
    assert outcome.exposure(0.5) == pytest.approx(0.5) and outcome.exposure(0.0) == pytest.approx(1)
    assert outcome.apart("lerp", 0.0) == pytest.approx(0, abs=0.5)


def test_draws_have_seeds_of_their_own(runs):
    outcome = runs[plans.DRAWS]
    assert outcome.seeds == [0, 1] and outcome.factors == list(plans.DEVIATIONS)
    means = [np.mean(outcome.drawn(factor)) for factor in outcome.factors]
    assert means == sorted(means)


@pytest.mark.parametrize("experiment", EXPERIMENTS)
def test_the_second_picture_is_asked_for_where_it_is_used(experiment):
    used = experiment in (plans.CHANNELS, plans.BETWEEN)
    assert ROOM.needs("second", FIRST | {"latents_experiment": experiment}) is used
    assert ROOM.needs("picture", FIRST | {"latents_experiment": experiment})
    if used:
        with pytest.raises(LabError, match="no second picture"):
            ROOM.request(asked(latents_experiment=experiment, second=None))
    else:
        assert ROOM.request(asked(latents_experiment=experiment, second=None)).second is None
    with pytest.raises(LabError, match="no picture"):
        ROOM.request(asked(latents_experiment=experiment, picture=None))


@pytest.mark.parametrize("experiment", EXPERIMENTS)
def test_the_pipeline_counts_the_decoder_calls(experiment):
    request = ROOM.request(asked(latents_experiment=experiment))
    whole = ROOM.flow(request)
    assert f"{len(request.lanes)} calls" in whole.parts[-1].numbers and "4 × 16 × 16" in whole.parts[2].numbers


def test_a_flat_picture_and_one_channel_divide_by_nothing():
    flat = np.full((8, 8, 3), 7, np.uint8)
    request = ROOM.request(asked())
    outcome = ROOM.outcome(request)
    zeros = np.zeros((1, 2, 2), np.float32)
    outcome.add(Encoding(0, flat, flat, zeros, zeros))
    outcome.add(ExampleLatents(np.zeros(1), np.zeros((1, 1)), np.zeros((3, 2)), 1))
    assert outcome.together() is None and np.isfinite(outcome.fit()[0])
    assert view.grey(zeros[0]).max() == 0
