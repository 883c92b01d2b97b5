"""The Memory tab without a browser: what an experiment asks for and where its pictures stand, figures, and bad input."""

import json
import re
from html import unescape
from math import inf, nan
from types import SimpleNamespace

import gradio as gr
import numpy as np
import pytest
from PIL import Image

from lab.capsules.capsule import KEYWORD, from_json, from_link, make
from lab.requests.base import LabError
from lab.requests.invention import Invention, InventionRequest, InventionStep, Machine
from lab.settings import Settings
from lab.ui.tabs.memory import charts, plans, view
from lab.ui.tabs.memory import tab as memory
from lab.ui.tabs.memory.outcome import COPY, Outcome, tally
from tests.ui.values import first_values, part_of, set_to

VISITOR = SimpleNamespace(session_hash="visitor")
GREY = np.full((8, 8, 3), 128, np.uint8)


class Backend:
    """Records the request and answers with what `events` makes of it."""

    def __init__(self, events):
        self.events, self.request = events, None

    def run(self, request, stop=None, client=""):
        self.request = request
        for event in self.events(request):
            yield event
            if stop is not None and stop.is_set():
                return


def drawn(request):
    """Every lane in two calls; lane k ends k grey levels from its nearest, with an r2 of k hundredths."""
    for i, t, log_snr in ((0, 999.0, -9.0), (1, 499.0, 0.0), (2, -1.0, inf)):
        for lane in range(request.load().lanes):
            yield InventionStep(lane, i, 2, t, log_snr, GREY, GREY, 0.1)
    for lane in range(request.load().lanes):
        yield found(lane, float(lane))


def found(lane, rms, r2=None, others=None):
    picture = np.full((8, 8, 3), lane, np.uint8)
    return Invention(lane, picture, GREY, f"caption <{lane}>", rms, rms / 100 if r2 is None else r2, others)


def make_tab(events=drawn, **settings):
    with gr.Blocks(), gr.Tab() as page:
        return memory.build(Backend(events), Settings(**settings), page)


@pytest.fixture(scope="module")
def tab():
    return make_tab()


def values_of(tab, **changes):
    return first_values(tab) | {part_of(tab, name): value for name, value in changes.items()}


def run(tab, **changes):
    """The last of all that a press of Run sets."""
    last = {}
    for update in tab.on_run(values_of(tab, **changes), VISITOR):
        last |= update
    return last


def plan_of(tab, **changes):
    return plans.plan(tab.form.complete(changes))


# Plans


@pytest.mark.parametrize("experiment", ["side", "patch", "count"])
@pytest.mark.parametrize("seeds", [1, 3])
def test_each_picture_stands_once_below_and_beside_what_it_is(tab, experiment, seeds):
    plan = plan_of(tab, experiment=experiment, seeds=seeds, seed=5, group="")
    assert sorted(plan.lanes) == list(range(plan.request.load().lanes))
    assert len(plan.lanes) == len(plan.rows) * len(plan.columns)
    for place, lane in enumerate(plan.lanes):
        row, column = plan.rows[place // len(plan.columns)], plan.columns[place % len(plan.columns)]
        machine, seed = divmod(lane, seeds)
        heads = " ".join([row.title, row.more, column.title, column.more])
        assert f"seed {5 + seed}" in heads and plan.title(lane).endswith(f"seed {5 + seed}")
        one = plan.request.machines[machine]
        if experiment == "patch":
            assert column.title == ("network" if one.kind == "network" else f"{one.patch} px")
        elif experiment == "count":
            assert column.title == plans.known(one.pictures) and row.title == plans.name(one)
        else:
            assert row.title == plans.name(one)
        assert {head.machine for head in (row, column)} <= {None, machine}


def test_experiments_ask_for_the_machines_that_they_compare(tab):
    network = Machine(kind="network")
    side = plan_of(tab, patch=9).request.machines
    assert side == (Machine(kind="exact"), Machine(patch=9), network)
    moved = plan_of(tab, patch=9, translated=True, known=10).request.machines
    assert moved == (
        Machine(kind="exact", pictures=10), Machine(patch=9, pictures=10), Machine(patch=9, translated=True, pictures=10), network,
    )  # fmt: skip
    patch = plan_of(tab, experiment="patch").request.machines
    assert [one.patch for one in patch[:-1]] == list(plans.PATCHES) and patch[-1] == network
    count = plan_of(tab, experiment="count", patch=5).request.machines
    assert [(one.kind, one.pictures) for one in count] == [
        (kind, known) for kind in ("exact", "local") for known in (1, 10, 100, 1000, 0)
    ]
    assert {one.patch for one in count if one.kind == "local"} == {5}


@pytest.mark.parametrize(("known", "largest"), [(1000, 1), (100, 7), (10, 15), (1, 63)])
def test_a_sweep_from_any_place_has_the_patches_that_can_be_compared(tab, known, largest):
    machines = plan_of(tab, experiment="patch", translated=True, known=known).request.machines
    assert [one.patch for one in machines[:-1]] == [side for side in plans.PATCHES if side <= largest]
    assert all(one.translated and one.pictures == known for one in machines[:-1])


@pytest.mark.parametrize("preset", memory.PRESETS, ids=lambda preset: preset.title)
def test_every_preset_makes_a_valid_request(tab, preset):
    values = values_of(tab) | {part: set_to(one) for part, one in tab.on_preset(preset).items()}
    request = tab.request(values)
    assert isinstance(request, InventionRequest) and request.load().lanes <= Settings().max_lanes
    assert len(preset.look) <= 125


# Figures


def test_a_copy_is_what_lies_nearer_than_the_threshold(tab):
    plan = plan_of(tab, seeds=3)
    rows = {0: found(0, 0.0), 1: found(1, COPY - 0.01), 2: found(2, COPY), 4: found(4, 60.0, 0.5, 20.0)}
    exact, local, third = (tally(plan, rows, machine) for machine in range(3))
    assert (exact.finished, exact.copies) == (3, 2) and exact.rms == pytest.approx((2 * COPY - 0.01) / 3)
    assert (local.finished, local.copies, local.rms, local.r2, local.others) == (1, 0, 60.0, 0.5, 20.0)
    assert (third.finished, third.copies, third.rms, third.r2, third.others) == (0, 0, None, None, None)


@pytest.mark.parametrize(
    ("experiment", "copies", "words"),
    [
        ("side", {0: 0.0, 1: 0.0, 2: 30.0}, "Exact denoiser 2 of 2; Local score 0 of 1; Learned network 0 of 0."),
        ("patch", {0: 40.0, 1: 41.0, 12: 0.0, 13: 9.0, 14: 0.0, 15: 0.0}, "Local score 3 of 6: 1 with 31 px, 2 with 63 px; Learned network 0 of 0."),
        ("count", {0: 0.0, 1: 0.0, 10: 0.0, 11: 0.0, 12: 50.0}, "Exact denoiser 2 of 2; Local score 2 of 3: 2 with 1 picture."),
    ],
)  # fmt: skip
def test_the_line_counts_what_was_copied_and_by_whom(tab, experiment, copies, words):
    plan = plan_of(tab, experiment=experiment, seeds=2)
    line = view.under_stage(plan, {lane: found(lane, rms) for lane, rms in copies.items()})
    assert f"<b>Copied:</b> {words}" in line


@pytest.mark.parametrize(
    ("rms", "written"),
    [(0.0, "0"), (0.04, "0"), (0.05, "0.1"), (4.96, "5.0"), (9.94, "9.9"), (9.96, "10"), (61.4, "61")],
)
def test_a_distance_is_written_with_the_digits_that_say_something(rms, written):
    assert view.grey(rms) == written


def figure_of(tab, what, **changes):
    outcome = run(tab, **changes)[tab.last_run]
    return json.loads(charts.chart(outcome, what).plot), outcome


def test_the_chart_has_every_picture_and_the_mean_of_each_machine(tab):
    figure, _ = figure_of(tab, charts.NEAREST, experiment="patch", seeds=2)
    dots, means = (
        {trace["name"]: trace for trace in figure["data"] if trace["name"].endswith(end)}
        for end in ("each picture", "mean")
    )
    local = dots["Local score, each picture"]
    assert local["y"] == list(range(16)) and local["x"] == [str(side) for side in plans.PATCHES for _ in range(2)]
    assert means["Local score, mean"]["y"] == [2 * k + 0.5 for k in range(8)]
    assert means["Learned network, mean"]["y"] == [16.5] and means["Learned network, mean"]["x"] == ["network"]
    assert figure["layout"]["xaxis"]["categoryarray"] == [*map(str, plans.PATCHES), "network"]


def test_a_chart_without_a_value_says_why(tab):
    def nothing_beside(request):
        for event in drawn(request):
            yield found(event.lane, 1.0, others=None) if isinstance(event, Invention) else event

    for what, words in ((charts.OTHERS, "one seed has no other"), (charts.R2, "no network")):
        figure, outcome = figure_of(make_tab(nothing_beside), what, experiment="count", seeds=1)
        if what == charts.R2:
            lone = {lane: Invention(lane, GREY, GREY, "", 1.0) for lane in outcome.found}
            figure = json.loads(charts.chart(Outcome(outcome.plan, outcome.steps, lone), what).plot)
        assert figure["data"] == [] and words in figure["layout"]["annotations"][0]["text"]


# What is painted


def test_the_stage_has_every_picture_with_its_nearest_and_says_which_are_copies(tab):
    last = run(tab, seeds=2)
    stage, outcome = last[tab.stage], last[tab.last_run]
    parts = re.findall(r'data-part="(\d+)-picture"', stage)
    assert list(map(int, parts)) == list(outcome.plan.lanes)
    marks = re.findall(r'data-copy="(\w+)"', stage)
    assert marks == ["true" if lane < COPY else "false" for lane in outcome.plan.lanes]
    alts = [unescape(alt) for alt in re.findall(r'alt="(nearest [^"]*)"', stage)]
    assert alts == [f"nearest training picture: caption <{lane}>" for lane in outcome.plan.lanes]
    assert "<0>" not in stage and "2/2 copied" in stage
    assert "6 pictures, 12 denoiser calls" in last[tab.runs.note]
    assert last[tab.table].count("<tr>") == 1 + 3


def test_the_stage_keeps_its_places_while_it_fills(tab):
    """As many boxes before the first picture as after the last."""
    plan = plan_of(tab, experiment="count", seeds=2)
    empty = view.stage(plan, {}, {})
    full = view.stage(plan, {}, {lane: found(lane, 3.0) for lane in plan.lanes})
    for mark in ("<figure", '<figcaption class="near"', "<small", "<em", "<b>"):
        heads = full.count("copy</b>") if mark == "<b>" else 0
        assert empty.count(mark) == full.count(mark) - heads, mark


def test_another_chart_of_the_same_run(tab):
    outcome = run(tab)[tab.last_run]
    shown = json.loads(tab.on_chart(outcome, charts.R2)[tab.plot].plot)
    assert shown["layout"]["yaxis"]["title"]["text"] == charts.AXES[charts.R2]
    assert "press Run first" in tab.on_chart(None, charts.R2)[tab.runs.note]


# Bad input


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"patch": 8}, "must be odd, and 8 is even"),
        ({"patch": None}, "Patch"),
        ({"patch": 65}, "at most 63"),
        ({"patch": nan}, "Patch"),
        ({"seed": None}, "First seed"),
        ({"seed": -1}, "First seed"),
        ({"seed": 1.5}, "First seed"),
        ({"seed": 99999999999}, "First seed"),
        ({"seeds": None}, "Seeds"),
        ({"steps": None}, "Steps"),
        ({"steps": 101}, "at most 100"),
        ({"group": "nonsense"}, "Group"),
        ({"translated": True}, "it can know 1 to 102 pictures"),
        ({"translated": True, "experiment": "patch"}, "Choose how many"),
        ({"seeds": 8, "experiment": "patch"}, "9 machines × 8 seeds make 72 pictures; one run makes at most 64"),
    ],
)
def test_what_cannot_be_is_refused_in_words(tab, changes, words):
    note = run(tab, **changes)[tab.runs.note]
    assert "refusal" in note and words in unescape(note), note
    assert tab.on_flow(values_of(tab, **changes))  # the line above the stage falls back


def test_a_stopped_run_keeps_what_is_there():
    def pressed(request):
        for event in drawn(request):
            yield event
            if event.lane == 1:
                tab.runs.on_stop(VISITOR)

    tab = make_tab(pressed)
    last = run(tab)
    assert "Stopped." in last[tab.runs.note] and last[tab.last_run].found == {} and last[tab.share.record] == ""
    assert set(last[tab.last_run].steps) == {0, 1, 2} and last[tab.runs.run]["interactive"]


# Sharing


def test_a_run_comes_back_by_its_link_and_the_picture_carries_it(tab):
    last = run(tab, patch=11, seeds=2, seed=7, group="symbols")
    capsule = from_link(last[tab.share.code])
    assert capsule == last[tab.share.capsule] and capsule.seeds == (7, 8)
    assert set(capsule.models) == {"exact-32", "local-32", "pixel"}
    update, button, said = tab.restore(capsule, tab.share.values_in(capsule))
    again = values_of(tab) | {part: set_to(one) for part, one in update.items()}
    assert button == "memory-run" and said == "" and tab.request(again) == last[tab.last_run].plan.request
    paths = list(tab.pictures({tab.last_run: last[tab.last_run], tab.share.capsule: capsule}))
    assert len(paths) == 6
    with Image.open(paths[3]) as image:
        own = from_json(image.info[KEYWORD].encode())
        assert np.array_equal(np.asarray(image), last[tab.last_run].found[3].picture)
    assert own.lane == 3 and own.values == capsule.values


def test_every_machine_has_a_script(tab):
    last = run(tab, translated=True, known=10)
    scripts = list(tab.scripts(last))
    assert all(compile(one.text, one.name, "exec") for one in scripts)
    assert [one.name for one in scripts] == [
        "memory-1-exact.py",
        "memory-2-local.py",
        "memory-3-local.py",
        "memory-4-network.py",
    ]
    found = last[tab.last_run].found
    assert all(
        np.array_equal(one.pictures["picture.png"], found[k * len(last[tab.last_run].plan.request.seeds)].picture)
        for k, one in enumerate(scripts)
    )
    with pytest.raises(LabError, match="press Run first"):
        list(tab.scripts({tab.last_run: None}))


@pytest.mark.parametrize("patch", [8, 0, 65, "7", None, [7], 7.5])
def test_a_link_of_anybody_sets_only_a_patch_that_there_is(tab, patch):
    capsule = make("memory", {"patch": patch}, [], [])
    update, _, _ = tab.restore(capsule, tab.share.values_in(capsule))
    assert set_to(update[tab.form["patch"]]) == 7


def test_there_is_nothing_to_save_before_a_run(tab):
    with pytest.raises(LabError, match="press Run first"):
        list(tab.pictures({tab.last_run: None, tab.share.capsule: None}))
