"""The Start tab: what it ships is what the lab draws, and what it opens is there."""

import io
import re
from dataclasses import replace
from types import SimpleNamespace

import gradio as gr
import numpy as np
import pytest
from PIL import Image
from starlette.applications import Starlette
from starlette.testclient import TestClient

from lab import ui
from lab.backends.local import LocalBackend
from lab.capsules import recordings
from lab.requests.base import LabError
from lab.requests.sampling import LaneResult
from lab.settings import Settings
from lab.training.showcase import EIGHT_SEEDS
from lab.ui.tabs.samplers import tab as samplers
from lab.ui.tabs.samplers.replay import Replay
from lab.ui.tabs.start import tab as start
from tests.ui.values import first_values, set_to


def test_the_shipped_recording_is_what_the_lab_draws():
    recorded = start.shipped()
    assert recorded.recording.request == EIGHT_SEEDS
    drawn = {event.lane: event for event in LocalBackend(Settings()).run(EIGHT_SEEDS) if isinstance(event, LaneResult)}
    assert drawn.keys() == recorded.recording.results.keys()
    for lane, result in recorded.recording.results.items():
        assert np.abs(result.picture.astype(int) - drawn[lane].picture).max() <= 2  # rounding of another machine
        assert result.nearest_caption == drawn[lane].nearest_caption


def test_the_film_is_the_recording():
    name, packed = start.film()
    film = np.asarray(Image.open(io.BytesIO(packed)).convert("RGB"))
    assert film.shape == (start.ROWS * 64, 16 * 64, 3) and len(packed) < 370_000
    steps = start.shipped().recording.steps
    assert start.FILM_STEPS[0] == 0 and start.FILM_STEPS[-1] == len(steps[0]) - 1
    rows = film.reshape(start.ROWS, 64, 16, 64, 3).astype(int)
    for lane in range(8):  # packed with loss
        assert np.abs(rows[-1, :, lane] - steps[lane][-1].x_0).mean() < 8
        assert np.abs(rows[12, :, 8 + lane] - steps[lane][start.FILM_STEPS[12]].x_0).mean() < 8
    client = TestClient(Starlette(routes=[start.route()]))
    answer = client.get(f"/{name}")
    assert answer.content == packed and "immutable" in answer.headers["cache-control"]
    assert name in start._hero("DDPM against DDIM")


def test_every_card_opens_a_tab_and_asks_its_question():
    cards = [tab for tab in ui.TABS if tab.card]
    assert len(cards) >= 5 and ui.TABS[0].name == "start" and not ui.TABS[0].card
    for tab in cards:
        html = start._card(tab)
        assert f'data-tab="{tab.name}"' in html and tab.question in html and f"Open {tab.title}" in html
        assert ("<img" in html) == (start.FOLDER / f"{tab.name}.webp").exists() and (tab.emblem or tab.equation)
    assert sum("<img" in start._card(tab) for tab in cards) >= 4


def test_the_button_under_the_film_names_the_preset_that_it_presses():
    """The film is of eight seeds, which no preset has: the button must not promise it."""
    with gr.Blocks(), gr.Tabs(), gr.Tab() as page:
        hero = ui.TABS[0].build(None, Settings(), page).hero.value
    found = re.search(r'data-tab="samplers"[^>]*data-preset="([^"]*)"[^>]*>([^<]*)<', hero)
    assert found[1] == samplers.PRESETS[0].title and found[2] == f"Run live: {found[1]}"
    assert start.shipped().recording.request.model == "exact" and "nothing is learned" in hero


# Replays


@pytest.fixture(scope="module")
def tab():
    with gr.Blocks(), gr.Tabs(), gr.Tab() as page:
        return samplers.build(LocalBackend(Settings()), Settings(), page)


@pytest.mark.parametrize("experiment", ["compare", "grid", "between"])
def test_a_recording_is_replayed_and_says_that_it_is_one(tab, experiment):
    recorded = replace(start.shipped(), experiment=experiment)
    update, pressed = tab.replayed(recorded)
    assert pressed == "" and update[tab.form["experiment"]] == experiment
    made = f"Recorded on {recorded.made.day} {recorded.made:%B %Y}, not computed now."
    assert made in update[tab.stage] and made in update[tab.runs.note]
    assert "&quot;film&quot;: true" in update[tab.stage]  # the page plays it
    live = Replay("compare", recorded.recording)
    shown = [
        tab.on_second(one, "x_t", SimpleNamespace(session_hash="a"))[tab.stage] for one in (live, update[tab.last_run])
    ]
    assert "Recorded" not in shown[0] and made in shown[1]


def test_a_recording_of_no_known_experiment_or_of_too_many_lanes_is_refused(tab, monkeypatch):
    for experiment in ("invert", "nothing"):
        with pytest.raises(LabError, match="no recording of the lab"):
            tab.replayed(replace(start.shipped(), experiment=experiment))
    monkeypatch.setattr(tab, "settings", Settings(max_lanes=7))
    with pytest.raises(LabError, match="more than 7 lanes"):
        tab.replayed(start.shipped())


def test_lanes_that_differ_by_their_seeds_say_so(tab):
    shown = tab.replayed(start.shipped())[0][tab.stage]
    assert [f"seed {lane.seed} " in shown for lane in EIGHT_SEEDS.lanes] == [True] * 8 and "seed 16" not in shown


def test_a_run_is_saved_as_a_recording(tab):
    values = first_values(tab)
    assert "press Run first" in tab.share.save(tab.recording, values)[tab.share.note]
    last = Replay("compare", start.shipped().recording)
    (path,) = tab.share.save(tab.recording, values | {tab.last_run: last})[tab.share.files]["value"]
    with open(path, "rb") as file:
        assert recordings.from_bytes(file.read()).recording.request == EIGHT_SEEDS


def test_a_recording_sets_the_controls_as_they_were_and_forgets_those_of_another_run(tab):
    values = first_values(tab) | {tab.form["steps"]: 33, tab.form["group"]: "food-drink"}
    capsule = tab.share.make(values, EIGHT_SEEDS)
    last = Replay("compare", start.shipped().recording)
    (path,) = tab.share.save(tab.recording, values | {tab.last_run: last, tab.share.capsule: capsule})[tab.share.files][
        "value"
    ]
    with open(path, "rb") as file:
        update, _ = tab.replayed(recordings.from_bytes(file.read()))
    assert update[tab.share.capsule] == capsule and update[tab.share.code]
    assert (set_to(update[tab.form["steps"]]), set_to(update[tab.form["group"]])) == (33, "food-drink")

    update, _ = tab.replayed(start.shipped())
    assert update[tab.share.capsule] is None and not update[tab.share.code] and tab.form["steps"] not in update
    replayed = values | {tab.last_run: update[tab.last_run], tab.share.capsule: None}
    paths = tab.share.save(tab.pictures, replayed)[tab.share.files]["value"]
    pictures = [np.asarray(Image.open(one)) for one in paths]
    assert len(pictures) == 8 and "diffusion-lab" not in Image.open(paths[0]).text
    np.testing.assert_array_equal(pictures[3], start.shipped().recording.results[3].picture)
