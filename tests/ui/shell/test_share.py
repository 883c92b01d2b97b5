"""Sharing: what leaves a tab as a link or a file comes back as the same run, and what came from anywhere does no harm."""

import json
from contextlib import suppress
from pathlib import Path
from types import SimpleNamespace

import gradio as gr
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lab.backends.local import LocalBackend
from lab.capsules.capsule import (
    Capsule,
    Flag,
    from_file,
    from_json,
    from_link,
    make,
    packed,
    to_json,
    to_link,
    unpacked,
)
from lab.catalog import CONTROLS, MODELS, SAMPLERS
from lab.requests.base import LabError
from lab.requests.fields import GuideSettings
from lab.settings import Settings
from lab.ui import TABS
from lab.ui.shell import media, share, shelf
from lab.ui.tabs.controlnet import tab as controlnet
from lab.ui.tabs.guidance import tab as guidance
from lab.ui.tabs.noising import tab as noising
from lab.ui.tabs.samplers import tab as samplers
from lab.ui.tabs.samplers.replay import Replay
from tests.ui.values import first_values, settled

VISITOR = SimpleNamespace(session_hash="visitor")
MODULES = {"noising": noising, "samplers": samplers, "guidance": guidance, "controlnet": controlnet}


@pytest.fixture(scope="module")
def lab():
    """The four tabs and the door as the page has them, on a backend of its own."""
    backend, options, tabs = LocalBackend(Settings()), Settings(), {}
    with gr.Blocks() as page:
        door = share.Door()
        with gr.Tabs() as book:
            for name, module in MODULES.items():
                with gr.Tab(name) as tab:
                    tabs[name] = module.build(backend, options, tab)
        door.wire(page, tabs, {tab.name: tab.title for tab in TABS}, book)
    return SimpleNamespace(door=door, **tabs)


def preset(tab, chosen):
    """The controls' values after a preset was pressed."""
    return settled(first_values(tab), tab.on_preset(chosen))


def plain(request):
    """A request as what can be compared: arrays by their bytes."""
    return json.dumps(request.model_dump(), default=lambda array: [array.shape, array.tobytes().hex()])


def restored(tab, capsule):
    updates, pressed, missing = tab.restore(capsule, tab.share.values_in(capsule))
    return settled(first_values(tab), updates), pressed, missing


CASES = [
    (name, one)
    for name in ("samplers", "guidance", "controlnet")
    for one in MODULES[name].PRESETS
    if one.values.get("experiment") != "invert" and one.values.get("model") != "pixel"
]


@pytest.mark.parametrize(("name", "chosen"), CASES, ids=[f"{name}: {one.title}" for name, one in CASES])
def test_a_run_comes_back_from_its_link(lab, name, chosen):
    """The very same request, whose pictures are the same by what the engine's tests hold."""
    tab = getattr(lab, name)
    values = preset(tab, chosen)
    request = tab.request(values)
    capsule = from_link(to_link(tab.capsule(values, request)))
    assert capsule.seeds == tuple(dict.fromkeys(lane.seed for lane in request.lanes))
    assert request.model in capsule.models and capsule.differences() == []
    again, pressed, missing = restored(tab, capsule)
    assert plain(tab.request(again)) == plain(request)
    assert (pressed, missing) == (f"{name}-run", "")


@pytest.mark.parametrize("name", MODULES)
def test_what_is_hidden_for_the_model_that_stands_in_is_left_out_of_a_link(lab, name):
    """A link of a lab with other models asks for what the model in its place has no control for."""
    tab = getattr(lab, name)
    asked = {one: True for one, kind in tab.share.kinds.items() if isinstance(kind, Flag)}
    asked |= {"model": "not-here", "prompt": "fox", "group": "animals-nature", "style": "3d"}
    capsule = make(name, asked | tab.share.values_of(first_values(tab)) | asked, [], [])
    updates, _, _ = tab.restore(capsule, tab.share.values_in(capsule))
    hidden = {part for part, update in updates.items() if isinstance(update, dict) and update.get("visible") is False}
    hidden -= {tab.form[one.name] for one in tab.form.fields.values() if one.when}  # another experiment's: they stay
    for part in hidden:
        assert part not in tab.share.parts.values() or updates[part].get("value") in (None, False, "", [], part.value)
    if name in ("samplers", "guidance"):
        values = settled(first_values(tab), updates)
        assert getattr(tab.request(values), "versus", None) is None


def test_a_line_left_empty_comes_back_empty(lab):
    tab = lab.samplers
    prompt = tab.form["prompt"]
    values = first_values(tab) | {prompt: None}  # as the page sends it
    updates, _, _ = tab.restore(capsule := tab.capsule(values, tab.request(values)), tab.share.values_in(capsule))
    assert settled(values | {prompt: "what somebody typed"}, updates)[prompt] == ""


def test_settings_that_no_preset_has_come_back(lab):
    tab = lab.samplers
    values = first_values(tab) | {
        tab.form["group"]: "",
        tab.form["prompt"]: "fox",
        tab.form["schedule"]: "cosine",
        tab.form["T"]: 700,
        tab.form["seed"]: 123456,
    }
    lanes = [("heun", 9, 0, "linspace"), ("ddpm", 30, 0, "leading"), ("ddim", 12, 0.35, "trailing")]
    for row, lane in zip(tab.rows, [*lanes, *[("", 20, 0, "trailing")] * 5], strict=True):
        values |= dict(zip(row, lane, strict=True))
    request = tab.request(values)
    again, _, _ = restored(tab, from_link(to_link(tab.capsule(values, request))))
    assert plain(tab.request(again)) == plain(request)
    assert [lane.spacing for lane in request.lanes] == ["linspace", "leading", "trailing"]


def test_what_a_guide_wants_comes_back_and_is_the_labs_own_where_a_link_has_none(lab):
    tab = lab.guidance
    wishes = {"temperature": 2.5, "colour": "rgba(10, 20, 30, 0.5)", "region": "bottom", "brightness": 0.3}
    asked = {
        "experiment": "rules",
        "model": "pixel",
        "group": "food-drink",
        "rules": ["classifier", "colour", "brightness"],
    }
    values = first_values(tab) | {tab.form[name]: value for name, value in (asked | wishes).items()}
    request = tab.request(values)
    assert request.guide == GuideSettings(temperature=2.5, colour="#0a141e", region="bottom", brightness=0.3)
    capsule = from_link(to_link(tab.capsule(values, request)))
    again, pressed, _ = restored(tab, capsule)
    assert plain(tab.request(again)) == plain(request) and pressed
    hostile = {"temperature": "2.5", "colour": "url(//else.example/x)", "region": "nowhere", "brightness": [0.3]}
    for other in ({}, hostile, dict.fromkeys(wishes)):
        rest = {name: value for name, value in capsule.values.items() if name not in wishes}
        again, pressed, _ = restored(tab, capsule.model_copy(update={"values": rest | other}))
        assert tab.request(again).guide == GuideSettings() and pressed
    again, _, _ = restored(
        tab, capsule.model_copy(update={"values": capsule.values | {"temperature": 1e9, "brightness": -5}})
    )
    assert (tab.request(again).guide.temperature, tab.request(again).guide.brightness) == (10, 0)


def test_an_inverted_picture_of_ones_own_comes_back_from_a_file_and_not_from_a_link(lab, tmp_path):
    tab, mine = lab.samplers, np.random.default_rng(0).integers(0, 256, (300, 300, 3), np.uint8)
    values = first_values(tab) | {tab.form["experiment"]: "invert", tab.form["steps"]: 30}
    capsule = tab.share.make(values, picture=share.describe_picture(mine))
    again, pressed, _ = restored(tab, from_json(to_json(capsule).encode()))
    np.testing.assert_array_equal(media.open_picture(again[tab.form["picture"]], Settings()), mine)
    assert pressed and again[tab.form["steps"]] == 30
    again, pressed, missing = restored(tab, from_link(to_link(capsule)))
    assert again[tab.form["picture"]] is None and not pressed and missing == share.ALONE


def test_every_run_is_told_to_the_shelf_with_all_that_its_settings_are(lab):
    """By its link where that carries all of them, else as they are; and no two presets are said to be set alike."""
    for name, tab in (("samplers", lab.samplers), ("guidance", lab.guidance), ("controlnet", lab.controlnet)):
        said = []
        for one in (chosen for module, chosen in CASES if module == name):
            values = preset(tab, one)
            capsule = tab.capsule(values, tab.request(values))
            told = json.loads(tab.ended(capsule, whole=True)[tab.share.record])
            assert from_link(told["code"]) == capsule and (told["whole"], told["follows"]) == ("", False)
            said.append(told["settings"])
        assert said == [one for index, one in enumerate(said) if one not in said[:index]]
        assert tab.ended(capsule, whole=False)[tab.share.record] == "", "a run that was stopped has no place there"
        assert json.loads(tab.ended(capsule, True, follows=True)[tab.share.record])["follows"]


def test_a_picture_that_is_too_large_for_a_link_stays_on_the_shelf(lab):
    tab, mine = lab.samplers, np.random.default_rng(0).integers(0, 256, (300, 300, 3), np.uint8)
    values = first_values(tab) | {tab.form["experiment"]: "invert"}
    capsule = tab.share.make(values, picture=share.describe_picture(mine))
    told = json.loads(tab.ended(capsule, whole=True)[tab.share.record])
    assert unpacked(told["whole"]) == capsule != from_link(told["code"])
    name, picture = told["settings"]["picture"]
    assert name == "Picture" and picture != shelf.picture(share.describe_picture(255 - mine))
    assert shelf.picture(capsule.values["picture"]) == picture
    assert shelf.picture({"example": "red-apple-glossy"}) == "red-apple-glossy"


def test_where_lanes_are_compared_they_are_told_and_not_what_fills_their_rows(lab):
    tab = lab.samplers
    for experiment, names in (("compare", {"lane-1", "lane-2"}), ("grid", {"samplers"}), ("between", {"steps"})):
        values = first_values(tab) | {tab.form["experiment"]: experiment}
        settings = tab.settings_of(tab.capsule(values, tab.request(values)))
        assert {name for name in settings if name in ("samplers", "steps") or name.startswith("lane")} == names
    settings = tab.settings_of(tab.capsule(first_values(tab), tab.request(first_values(tab))))
    assert settings["lane-2"] == ("Lane 2", ["DDIM", "50 steps", "eta 0", "trailing spacing"])


def test_a_run_of_the_shelf_comes_back_in_the_place_of_the_one_under_way_of_its_visitor_alone(lab):
    tab = lab.samplers
    values = first_values(tab) | {tab.form["seed"]: 77}
    capsule = tab.capsule(values, tab.request(values))
    mine, others = tab.runs.stops.fresh(VISITOR), tab.runs.stops.fresh(stranger := SimpleNamespace(session_hash="else"))
    for text in (None, "", "no code", "A" * 6_000_000):
        refused = lab.door.on_recall(SimpleNamespace(settings=text), VISITOR)
        assert "did not arrive in one piece" in refused[lab.door.words] and not mine.is_set()
    updates = lab.door.on_recall(SimpleNamespace(settings=packed(capsule)), VISITOR)
    assert settled(values, updates)[tab.form["seed"]] == 77 and "samplers-run" in updates[lab.door.pressed]
    assert mine.is_set() and not others.is_set()
    tab.runs.stops.end(stranger)


def test_a_link_without_ones_own_picture_says_so_where_it_is_copied(lab):
    panel = lab.noising.share
    noise = np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8)
    for picture in (noise, noise // 255):
        capsule = make("noising", {"t": 5, "picture": share.describe_picture(picture)})
        carried = from_link(to_link(capsule)).values["picture"] == capsule.values["picture"]
        assert carried == (picture.max() <= 1)
        assert ("your own picture is too large" in panel.on_link(capsule)) != carried
        assert from_json(to_json(capsule).encode()) == capsule


def test_a_saved_frame_makes_the_same_file_again(lab):
    """Byte by byte: same capsule, same machine, same bytes; for an example and for a picture of one's own."""
    tab = lab.noising
    own = np.random.default_rng(1).integers(0, 256, (128, 128, 3), np.uint8)
    for picture in (media.open_picture(tab.examples[3].path, Settings()), own):
        dials = {"t": 333, "T": 500, "schedule": "sigmoid", "seed": 7, "zero": True, "side": 64}
        values = first_values(tab) | {tab.form[name]: value for name, value in dials.items()}
        (path,) = tab.save_png(values | {tab.last_run: noising.Subject(picture)})
        again, pressed, missing = restored(tab, from_file(Path(path).read_bytes()))
        assert 'alt="x_t' in again[tab.jump] and not pressed and not missing  # painted already
        (second,) = tab.save_png(again)
        assert Path(second).read_bytes() == Path(path).read_bytes()


def test_a_saved_picture_makes_the_same_file_again(lab):
    tab = lab.samplers
    values = first_values(tab) | {tab.form["seed"]: 4}

    def saved(values):
        last = {}
        for update in tab.on_run(values, VISITOR):
            last |= update
        paths = tab.share.save(tab.pictures, values | last)[tab.share.files]["value"]
        return [Path(path).read_bytes() for path in paths]

    files = saved(values)
    assert len(files) == 2 and from_file(files[1]).lane == 1
    assert saved(restored(tab, from_file(files[1]))[0]) == files


# Files of the panel


def test_scripts_and_settings_are_files(lab):
    tab = lab.guidance
    values = first_values(tab)
    assert "press Run first" in tab.share.on_json(None)[tab.share.note] and "press Run first" in tab.share.on_link(None)
    with pytest.raises(LabError, match="press Run first"):
        list(tab.scripts(values))
    plan = tab._plan(tab.form.read(values))
    kept = guidance.Sweep(plan)
    (one,) = tab.scripts(values | {tab.last_run: kept, tab.selection: plan.request.lanes[-1]})
    compile(one.text, one.name, "exec")
    assert one.name == "guidance-cfg-2-30.py" and "SCALE = 30" in one.text and "SEED = 2" in one.text
    (path,) = tab.share.on_json(tab.capsule(values, plan.request))[tab.share.files]["value"]
    assert from_file(Path(path).read_bytes()) == tab.capsule(values, plan.request)
    exact = lab.samplers
    request = exact.request(first_values(exact))
    scripts = list(exact.scripts({exact.last_run: Replay("compare", SimpleNamespace(request=request, results={}))}))
    assert [one.name for one in scripts] == [f"lane-{k + 1}-{lane.sampler}.py" for k, lane in enumerate(request.lanes)]
    run = Replay("compare", SimpleNamespace(request=request.model_copy(update={"model": "local-32"}), results={}))
    with pytest.raises(LabError, match="no script for 'Local score machine'"):
        list(exact.scripts({exact.last_run: run}))


# The door


def said(lab, update):
    return update[lab.door.words]


def test_a_dropped_file_is_offered_and_then_restored(lab, tmp_path):
    door, tab = lab.door, lab.controlnet
    values = preset(tab, controlnet.PRESETS[3])
    capsule = tab.capsule(values, tab.request(values))
    picture = share.save_png(np.zeros((8, 8, 3), np.uint8), tmp_path / "a.png", capsule, lane=2)
    offer = door.on_file(str(picture))
    assert "ControlNet" in said(lab, offer) and "red shirt" in said(lab, offer)
    assert offer[door.offered].lane == 2 and offer[door.yes] == gr.update(visible=True)
    update = door.on_yes(offer[door.offered])
    assert update[door.pressed].startswith("controlnet-run ") and update[tab.share.restored] is True
    assert update[door.bar] == gr.update(visible=False) and update[door.book].selected == "controlnet"
    assert door.on_no()[door.offered] is None


@pytest.mark.parametrize(
    ("content", "words"), [(b"hello", "no settings"), (b"\x89PNG\r\n\x1a\nxx", "no settings"), (b"x" * 5_000_000, "more than 4.5 MB"), (b"PK\3\4", "no recording")]
)  # fmt: skip
def test_a_file_without_a_capsule_is_answered(lab, tmp_path, content, words):
    (tmp_path / "a.png").write_bytes(content)
    update = lab.door.on_file(str(tmp_path / "a.png"))
    assert words in said(lab, update) and update[lab.door.offered] is None
    assert update[lab.door.yes] == gr.update(visible=False)


def test_what_is_said_of_a_file_is_text(lab, tmp_path):
    evil = make("guidance", {"prompt": "<img src=x onerror=alert(1)>"})
    evil = evil.model_copy(update={"models": {"<b>x</b>": "y"}})
    (tmp_path / "a.json").write_text(to_json(evil))
    words = said(lab, lab.door.on_file(str(tmp_path / "a.json")))
    assert "<img" not in words and "<b>" not in words and "&lt;b&gt;" in words


def test_a_link_that_is_none_is_answered_and_no_link_is_silent(lab):
    door = lab.door
    assert door.on_address("") == {door.offered: None}
    for code in ("abc", "x" * 9000, "ä", to_link(make("nowhere", {}))):
        update = door.on_address(code)
        assert "bad" in said(lab, update) and door.pressed not in update


def test_a_model_that_is_not_here_is_told_of(lab):
    capsule = make("guidance", {"model": "sdxl", "prompt": "cat"})
    update = lab.door.on_address(to_link(capsule))
    assert "&#x27;sdxl&#x27; is not here" in said(lab, update)
    assert settled(first_values(lab.guidance), update)[lab.guidance.form["prompt"]] == "cat"


# Anything

NAMES = st.sampled_from(
    [*MODELS, *SAMPLERS, *CONTROLS, "linear", "sweep", "invert", "pairs", "<b>", "0, 1", "cfg", "zero"]
)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-5, 5000) | st.floats(-1e6, 1e6) | st.text(max_size=20) | NAMES,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.sampled_from(["edges", "pose", "png", "example", "joints"]), inner),
    max_leaves=10,
)  # fmt: skip


def fits(part, update):
    """Whether a component can become what it is told to."""
    told = update if isinstance(update, dict) and "__type__" in update else {"value": update}
    value = told.get("value", part.value)
    if isinstance(part, gr.Dropdown | gr.Radio):
        choices = [one[1] if isinstance(one, tuple | list) else one for one in told.get("choices", part.choices)]
        return set(value if isinstance(value, list) else [value]) <= set(choices)
    if isinstance(part, gr.Slider):
        return part.minimum <= value <= told.get("maximum", part.maximum)
    if isinstance(part, gr.Checkbox):
        return isinstance(value, bool)
    return not isinstance(part, gr.Textbox) or isinstance(value, str | None)


@pytest.mark.parametrize("name", MODULES)
@settings(max_examples=40, deadline=None, derandomize=True, database=None)
@given(data=st.data())
def test_a_capsule_from_anywhere_gives_the_controls_what_they_can_have(lab, name, data):
    tab = getattr(lab, name)
    known = st.sampled_from([*tab.share.parts, "lanes", "maps", "picture"])
    capsule = Capsule(tab=name, values=data.draw(st.dictionaries(known, VALUES, max_size=8)))
    update = lab.door.on_yes(from_json(to_json(capsule).encode()))
    for part in tab.share.parts.values():
        assert fits(part, update.get(part, part.value)), (part.label, update.get(part))
    values = settled(first_values(tab), update)
    with suppress(LabError):
        tab.request(values)
