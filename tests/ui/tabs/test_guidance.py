"""The Guidance tab without a browser: what it asks for, what it keeps, what it paints, what it says to bad input."""

import csv
import html
import json
import re
from pathlib import Path
from types import SimpleNamespace

import gradio as gr
import numpy as np
import pytest
from PIL import Image

from lab.backends.local import LocalBackend
from lab.capsules.capsule import from_file
from lab.catalog import GUIDANCE, MODELS, rules_for
from lab.requests.anatomy import Anatomy, AnatomyRequest
from lab.requests.base import LabError
from lab.requests.fields import Condition
from lab.requests.nearest import Nearest
from lab.requests.sampling import LaneResult, LaneSettings, Step
from lab.settings import Settings, at_hand
from lab.ui.shell import reel
from lab.ui.tabs.guidance import charts as guidance_charts
from lab.ui.tabs.guidance import tab as guidance
from lab.ui.tabs.guidance import texts
from lab.ui.tabs.guidance import view as guidance_view
from tests.ui.values import first_values, part_of, set_to

VISITOR = SimpleNamespace(session_hash="visitor")
QUICK = {"model": "exact", "prompt": "cat", "steps": 3, "scales": "0, 1, 3", "seeds": "1, 2"}


class Backend:
    """Finishes every lane of a request in two steps, in grey; remembers what it was asked for."""

    def __init__(self):
        self.requests = []

    def run(self, request, stop=None, client=""):
        self.requests.append(request)
        grey = np.full((8, 8, 3), 128, np.uint8)
        if isinstance(request, AnatomyRequest):
            for i in range(2):
                yield Anatomy(i, 2, 9.0 - i, float(i - 1), grey, grey, grey, grey[..., 0], (1.0, 1.0, 0.1 * (i + 1)),
                              (grey,) * len(request.scales))  # fmt: skip
            return
        for index, lane in enumerate(request.lanes):
            shade = np.full((8, 8, 3), 10 * lane.seed, np.uint8)
            for i in range(3):
                yield Step(index, i, 2, 9.0 - i, float(i), shade, shade, 0.1)
                if stop is not None and stop.is_set():
                    return
        for index, lane in enumerate(request.lanes):
            shade = np.full((8, 8, 3), 10 * lane.seed, np.uint8)
            yield LaneResult(
                index, shade, 2, 0.1, measures={"clip": 0.5, "saturation": 0.1, "clipped": 0.0, "contrast": 0.2}
            )


class Failing:
    def run(self, request, stop=None, client=""):
        raise LabError("No picture matches '<b>x</b>'.")
        yield


@pytest.fixture(scope="module")
def exact():
    return LocalBackend(Settings())


def make_tab(backend=None, **settings):
    with gr.Blocks():
        tab = guidance.Guidance(backend or Backend(), Settings(**settings))
        tab.lay_out()
    return tab


def values_of(tab, kept=None, **changes):
    """What the components hold when the page opens, with changes by attribute name."""
    values = first_values(tab) | {part_of(tab, name): value for name, value in changes.items()}
    capsule = tab.share.make(values, kept.plan.request) if kept else None
    return values | {tab.last_run: kept, tab.share.capsule: capsule}


def run(tab, kept=None, **changes):
    """The last update of each component by a press of Run."""
    last = {}
    for update in tab.on_run(values_of(tab, kept, **{**QUICK, **changes}), VISITOR):
        last |= update
    return last


def pick(tab, kept, index, **changes):
    last = {}
    lanes = kept.plan.request.lanes if kept else ()
    event = SimpleNamespace(pick=guidance_view.key(lanes[index]) if index < len(lanes) else "cfg-9-9")
    for update in tab.on_pick(values_of(tab, kept, **changes), event, VISITOR):
        last |= update
    return last


def test_the_opening_controls_ask_for_the_first_preset():
    tab = make_tab()
    list(tab.on_run(values_of(tab), VISITOR))
    (request,) = tab.backend.requests
    first = tab.form.preset(tab.offered[0])
    assert request.model == first["model"] and request.condition.prompt == first["prompt"] and request.measure
    assert [lane.guidance_scale for lane in request.lanes[:3]] == [0, 1, 2]


@pytest.mark.parametrize("preset", guidance.PRESETS, ids=lambda preset: preset.title)
def test_every_preset_makes_a_valid_request(preset):
    tab = make_tab()
    whole = tab.form.preset(preset)
    values = values_of(tab) | {part: set_to(update) for part, update in tab.on_preset(preset).items()}
    list(tab.on_run(values, VISITOR))
    (request,) = tab.backend.requests
    rules = whole["rules"] if whole["experiment"] == "rules" else ["cfg"]
    assert {lane.rule for lane in request.lanes} == set(rules) <= set(rules_for(MODELS[whole["model"]]))
    condition = request.condition
    assert (request.negative, condition.prompt) == (whole["negative"], whole["prompt"]) and condition != Condition()
    assert request.forward.schedule == MODELS[whole["model"]].schedules[0]


def test_there_are_five_presets_and_models_that_cannot_run_are_not_offered():
    tab = make_tab()
    assert len(guidance.PRESETS) >= 5 and len({preset.title for preset in guidance.PRESETS}) == len(guidance.PRESETS)
    assert set(tab.form.models) == {n for n, row in MODELS.items() if row.guided and at_hand(row.source, Settings())}


def test_rows_of_the_grid_are_seeds_and_columns_scales():
    tab = make_tab()
    last = run(tab)
    marks = re.findall(r'data-key="([^"]+)"', last[tab.stage])
    assert marks[:6] == ["cfg-1-0", "cfg-1-1", "cfg-1-3", "cfg-2-0", "cfg-2-1", "cfg-2-3"]


def test_adding_scales_or_seeds_computes_only_the_new_cells():
    tab = make_tab()
    kept = run(tab)[tab.last_run]
    kept = run(tab, kept, scales="0, 1, 3, 7.5")[tab.last_run]
    assert [(lane.seed, lane.guidance_scale) for lane in tab.backend.requests[-1].lanes] == [(1, 7.5), (2, 7.5)]
    last = run(tab, kept, scales="1, 3", seeds="2, 9")
    assert [(lane.seed, lane.guidance_scale) for lane in tab.backend.requests[-1].lanes] == [(9, 1), (9, 3)]
    assert len(last[tab.last_run].plan.request.lanes) == 4 and "2 kept from before" in last[tab.runs.note]
    asked = len(tab.backend.requests)
    again = run(tab, last[tab.last_run])  # all of the first grid is still there
    assert len(tab.backend.requests) == asked and "there already" in again[tab.runs.note]


def film_of(stage):
    """What the page's script reads of a stage with a reel."""
    return json.loads(html.unescape(re.search(r'data-frames="([^"]+)"', stage).group(1)))


def test_a_fast_sweep_is_a_film_of_all_its_cells_those_of_before_among_them():
    tab = make_tab()
    stages = [update[tab.stage] for update in tab.on_run(values_of(tab, **QUICK), VISITOR) if tab.stage in update]
    assert len(stages) == 1, "nothing is painted before the film"
    kept = run(tab)[tab.last_run]
    for scales, count, asked in (("0, 1, 3", 6, 0), ("0, 1, 3, 7.5", 8, 1), ("1, 3", 4, 0)):
        before = len(tab.backend.requests)
        stage = run(tab, kept, scales=scales)[tab.stage]
        film = film_of(stage)
        assert film["film"] and len(tab.backend.requests) - before == asked
        assert list(film["pictures"]) and set(film["pictures"]) == set(re.findall(r'data-key="([^"]+)"', stage))
        assert len(film["pictures"]) == count == len(re.findall(r'<img [^>]*data-part="', stage))


def stopped(monkeypatch):
    """A tab whose run was stopped in its second lane, and the last value of each component."""
    monkeypatch.setattr(guidance, "PAINT_EVERY_S", 0)
    tab = make_tab()
    last = {}
    for painted, update in enumerate(tab.on_run(values_of(tab, **QUICK), VISITOR)):
        last |= update
        if painted == 5:
            tab.on_stop(VISITOR)
    return tab, last


def test_a_sweep_that_was_stopped_does_not_play_and_moves_only_what_has_a_picture(monkeypatch):
    tab, last = stopped(monkeypatch)
    film = film_of(last[tab.stage])
    assert not film["film"] and set(film["pictures"]) == set(re.findall(r'data-part="([^"]+)"', last[tab.stage]))
    kept = last[tab.last_run]
    # of a cell that was stopped and gone there is nothing left
    shown = run(tab, kept, seeds="1", scales="3, 30")[tab.stage]
    assert set(film_of(shown)["pictures"]) == set(re.findall(r'data-part="([^"]+)"', shown))


def test_a_film_of_many_cells_stays_within_its_pixels(monkeypatch):
    monkeypatch.setattr(reel, "MOST_PIXELS", 10 * 64)  # of 8 x 8
    tab = make_tab()
    assert 0 < run(tab)[tab.last_run].film.pixels <= reel.MOST_PIXELS


@pytest.mark.parametrize("change", [{"prompt": "dog"}, {"negative": "red"}, {"steps": 4}, {"sampler": "euler"}])
def test_another_prompt_or_other_steps_start_anew(change):
    tab = make_tab()
    kept = run(tab)[tab.last_run]
    last = run(tab, kept, **change)
    assert len(tab.backend.requests[-1].lanes) == 6 and len(last[tab.last_run].cells) == 6


def test_a_rule_shares_its_cells_with_the_sweep():
    tab = make_tab()
    kept = run(tab)[tab.last_run]
    run(tab, kept, experiment="rules", rules=["cfg", "apg"], seeds="1")
    assert [(lane.rule, lane.guidance_scale) for lane in tab.backend.requests[-1].lanes] == [
        ("apg", 0),
        ("apg", 1),
        ("apg", 3),
    ]


def test_stop_keeps_the_finished_cells_and_the_next_run_makes_the_rest(monkeypatch):
    tab, last = stopped(monkeypatch)
    assert last[tab.share.record] == "" and last[tab.share.code]
    assert "Stopped. 1 finished" in last[tab.runs.note] and len(last[tab.last_run].cells) == 1
    assert (
        last[tab.runs.run]["interactive"] is True
        and "saturation" in next(iter(last[tab.last_run].cells.values())).measures
    )
    run(tab, last[tab.last_run])
    assert len(tab.backend.requests[-1].lanes) == 5


def test_another_visitor_cannot_stop_it():
    tab = make_tab()
    event = tab.runs.stops.fresh(VISITOR)
    tab.on_stop(SimpleNamespace(session_hash="stranger"))
    assert not event.is_set()


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"scales": "1, x, 3"}, "Guidance scales: 'x' is not a number"),
        ({"scales": "1, nan"}, "Guidance scales: 'nan' is not a number"),
        ({"scales": "inf"}, "Guidance scales: 'inf' is not a number"),
        ({"scales": "-1"}, "from 0 to 30"),
        ({"scales": "1,5 3"}, "'1,5' can be read in two ways. Write decimals with a point"),
        ({"scales": "31"}, "from 0 to 30"),
        ({"scales": " , "}, "at least one number"),
        ({"scales": None}, "at least one number"),
        ({"scales": ", ".join(str(i / 5) for i in range(100)), "seeds": "1"}, "at most 64"),
        ({"seeds": "1, 2.5"}, "Seeds: '2.5' is not a whole number"),
        ({"seeds": "²"}, "not a whole number"),
        ({"seeds": "99999999999999999999"}, "not a whole number"),
        ({"seeds": "2147483648"}, "from 0 to 2147483647"),
        ({"seeds": ""}, "Seeds: type at least one number"),
        ({"experiment": "rules", "rules": []}, "at least one rule"),
        ({"prompt": "x" * 5000}, "Prompt may have at most 300 characters"),
        ({"negative": "x" * 5000}, "Negative prompt may have"),
        ({"model": "nonsense"}, "model"),
        ({"steps": None}, "Steps is empty"),
        ({"scales": "<b>1</b>"}, "&lt;b&gt;"),
    ],
)
def test_bad_input_is_answered_in_words(changes, said):
    tab = make_tab()
    last = run(tab, **changes)
    assert said in last[tab.runs.note].replace("&#x27;", "'") and "bad" in last[tab.runs.note]
    assert last[tab.runs.run]["interactive"] is True and tab.stage not in last and not tab.backend.requests


def test_an_error_of_the_backend_reaches_the_visitor_as_text():
    tab = make_tab(Failing())
    assert "&lt;b&gt;" in run(tab)[tab.runs.note]


def test_an_empty_prompt_is_allowed_and_noted(exact):
    tab = make_tab(exact)
    quick = {"steps": 1, "seeds": "1", "scales": "0, 3"}
    last = run(tab, prompt=" ", **quick)
    assert "nothing to hold on to" in last[tab.runs.note]
    pictures = [cell.picture for cell in last[tab.last_run].cells.values()]
    assert (pictures[0] == pictures[1]).all()
    assert "nothing to hold on to" not in run(tab, prompt="", negative="red", **quick)[tab.runs.note]


def test_fields_a_model_does_not_read_are_not_sent():
    tab = make_tab()
    run(tab, model="pixel", prompt="old words", negative="old", group="food-drink")
    (request,) = tab.backend.requests
    assert request.condition.prompt == "" == request.negative and request.condition.group == "food-drink"
    assert request.forward.schedule == "cosine"


def test_a_click_takes_a_cell_apart_and_scrubbing_shows_its_steps():
    tab = make_tab()
    kept = run(tab)[tab.last_run]
    last = pick(tab, kept, 5)
    request = tab.backend.requests[-1]
    assert (
        isinstance(request, AnatomyRequest)
        and request.lane == kept.plan.request.lanes[5]
        and request.scales == (0, 1, 3)
    )
    assert last[tab.section] == guidance.ANATOMY and last[tab.selection] == request.lane
    assert "scale 3, seed 2" in last[tab.look] and "RMS 0.200" in tab.on_scrub(last[tab.anatomy], 2)
    assert "RMS 0.100" in tab.on_scrub(last[tab.anatomy], 1)
    pick(tab, kept, 5, anatomy=last[tab.anatomy])
    assert tab.backend.requests[-1] is request  # it is there already


@pytest.mark.parametrize("name", ["cfg-9-9", "", 0, 5, None, [], "cfg-1-3 "])
def test_no_cell_can_be_picked_that_is_not_there(name):
    tab = make_tab()
    kept = run(tab)[tab.last_run]
    (update,) = tab.on_pick(values_of(tab, kept), SimpleNamespace(pick=name), VISITOR)
    assert "not in the grid any more" in update[tab.runs.note] and update.keys() == {tab.runs.note}
    assert "press Run first" in pick(tab, None, 0)[tab.runs.note]


def test_a_click_on_a_cell_of_before_takes_that_cell_apart_and_no_other():
    """The page sends what it shows; meanwhile another run may have put another cell in that place."""
    tab = make_tab()
    shown = run(tab, scales="1, 3, 5")[tab.stage]
    clicked = re.findall(r'data-key="([^"]+)"', shown)[1]  # scale 3
    kept = run(tab, scales="0, 3, 5, 7.5")[tab.last_run]
    last = {}
    for update in tab.on_pick(values_of(tab, kept), SimpleNamespace(pick=clicked), VISITOR):
        last |= update
    assert last[tab.selection].guidance_scale == 3 and "data-pick" not in shown


def test_cells_of_nearly_the_same_scale_have_names_of_their_own():
    tab = make_tab()
    scales = "1.0000001, 1.0000002, 1, 7.5"
    marks = re.findall(r'data-key="([^"]+)"', run(tab, scales=scales, seeds="1")[tab.stage])
    assert len(set(marks)) == 4 and {"cfg-1-1", "cfg-1-7.5"} < set(marks)


def test_the_anatomy_follows_the_grid_only_where_it_is_shown():
    tab = make_tab()
    kept = run(tab)[tab.last_run]
    assert list(tab.on_follow(values_of(tab, kept), VISITOR)) == [{tab.runs.note: gr.skip()}]
    shown = list(tab.on_follow(values_of(tab, kept, section=guidance.ANATOMY), VISITOR))
    assert shown[-1][tab.anatomy].request.lane.guidance_scale == 3  # nearest to 5


def test_the_nearest_training_pictures_of_all_cells_come_on_request():
    tab = make_tab()
    assert (
        "no picture yet"
        in next(iter(tab.on_follow(values_of(tab, None, section=guidance.NEAREST), VISITOR)))[tab.runs.note]
    )
    kept = run(tab, model="text-to-image")[tab.last_run]
    cells = len(kept.plan.request.lanes)
    black = np.zeros((4, 4, 3), np.uint8)
    tab.backend = SimpleNamespace(
        run=lambda request, *_: iter([Nearest(i, black, "<black>", 40.4 + i) for i in range(len(request.pictures))])
    )
    (update,) = tab.on_follow(values_of(tab, kept, section=guidance.NEAREST), VISITOR)
    assert re.findall("<small>(\\d+)</small>", update[tab.nearest]) == [f"{40 + i}" for i in range(cells)]
    assert "&lt;black&gt;, 40 grey levels away" in update[tab.nearest]
    exact = run(tab := make_tab())[tab.last_run]
    (update,) = tab.on_follow(values_of(tab, exact, section=guidance.NEAREST), VISITOR)
    assert "was not trained" in update[tab.nearest] and "<small>" not in update[tab.nearest]


def test_at_most_twelve_scales_are_taken_apart_the_own_among_them():
    scales = tuple(float(i) for i in range(31))
    for own in scales:
        shown = guidance_view.anatomy_scales(scales, own)
        assert own in shown and len(shown) <= 12 and list(shown) == sorted(shown)


def test_the_png_says_which_lane_it_is():
    tab = make_tab()
    kept = run(tab)[tab.last_run]
    path = pick(tab, kept, 2)[tab.png]["value"]
    assert from_file(Path(path).read_bytes()).lane == 2
    assert np.array_equal(np.asarray(Image.open(path)), kept.cells[kept.plan.request.lanes[2]].picture)


def test_the_curves_are_saved_as_csv():
    tab = make_tab()
    last = run(tab)
    with open(last[tab.csv]["value"], newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 6 and rows[0]["guidance_scale"] == "0" and float(rows[0]["clip"]) == 0.5
    assert float(rows[0]["diversity"]) == pytest.approx(10 / 255, abs=1e-5)  # greys 10 and 20
    norms = pick(tab, last[tab.last_run], 0)[tab.norms_csv]["value"]
    with open(norms, newline="") as file:
        assert [float(row["rms_difference"]) for row in csv.DictReader(file)] == [0.1, 0.2]


def test_points_of_the_curves_are_pictures():
    tab = make_tab()
    markup = run(tab)[tab.curves]
    assert markup.count('data-key="cfg-2-3"') == 4  # CLIP score, saturation, clipped, contrast
    diversity = 'data-chart="diversity" data-curve="Classifier-free" data-across="guidance scale" data-points="'
    points = [point.split(",") for point in markup.split(diversity)[1].split('"')[0].split()]
    assert [scale for scale, _ in points] == ["0", "1", "3"]  # for the table of the chart, and not on their axis
    assert float(points[0][1]) == pytest.approx(10 / 255, rel=1e-4)
    assert "needs two seeds" not in markup and "needs two seeds" in run(tab, seeds="4")[tab.curves]


def test_scales_have_colours_of_their_own():
    assert guidance_view.colour(0) == "#8b93a1" and guidance_view.colour(30) == "#c2255c"
    assert len({guidance_view.colour(i / 2) for i in range(61)}) == 61


def test_the_convention_is_stated_once():
    assert texts.ABOUT.count("0 the unconditional one") == 1


def test_the_same_sweep_with_exact_scores(exact):
    tab = make_tab(exact)
    last = run(tab, scales="0, 1, 5", seeds="1, 2", prompt="apple")
    cells = {(lane.seed, lane.guidance_scale): cell for lane, cell in last[tab.last_run].cells.items()}
    assert len(cells) == 6 and all(np.isfinite(list(cell.measures.values())).all() for cell in cells.values())
    assert not np.array_equal(cells[1, 0].picture, cells[1, 5].picture)
    anatomy = pick(tab, last[tab.last_run], 2)[tab.anatomy]
    assert len(anatomy.steps) == 3
    assert anatomy.steps[0].norms[2] > 1e-4  # later both halves may agree: x_t has chosen its picture


@pytest.mark.parametrize("rule", rules_for(MODELS["exact"]))
def test_every_rule_draws_with_exact_scores(rule, exact):
    tab = make_tab(exact)
    last = run(tab, experiment="rules", rules=[rule], scales="3", seeds="1")
    assert len(last[tab.last_run].cells) == 1 and GUIDANCE[rule].title in last[tab.curves]


def test_nothing_of_a_visitor_is_painted_as_markup():
    lane = LaneSettings(guidance_scale=3)
    assert "<" not in guidance_view.words(lane) and re.fullmatch(r"[\w.-]+", guidance_view.key(lane))
    assert guidance_charts.norms(None) and guidance_view.look(None)


def test_a_refused_run_leaves_what_was_there_and_says_so():
    tab = make_tab()
    kept = run(tab)[tab.last_run]
    tab.backend.run = lambda *_: (_ for _ in ()).throw(LabError("No picture matches 'Pikachu'."))
    last = run(tab, kept, prompt="Pikachu")
    assert "refusal" in last[tab.runs.note] and not {tab.stage, tab.last_run, tab.words, tab.curves} & last.keys()


@pytest.mark.parametrize("model", ["exact", "text-to-image"])
@pytest.mark.parametrize("experiment", ["sweep", "rules"])
def test_words_under_the_grid_are_those_of_what_it_shows(model, experiment):
    tab = make_tab()
    words = run(tab, model=model, experiment=experiment, rules=["cfg", "interval"])[tab.words]
    assert texts.WORDS[experiment] in words
    assert (texts.EXACT_WORDS[experiment] in words) == (model == "exact")
    words = run(tab, model=model, experiment=experiment, rules=["cfg"])[tab.words]
    assert texts.WORDS["sweep"] in words  # of one rule the rows differ by their seeds
