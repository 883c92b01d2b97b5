"""The table of annotators, and the detectors of the hub with a stand-in for controlnet-aux."""

import inspect
import re
import sys
from types import SimpleNamespace

import numpy as np
import pytest

import lab.annotators
from lab.annotators import ANNOTATORS, HUB, Annotator, annotators_of, function_of, hub, obstacle, offered
from lab.catalog import CONTROLS
from lab.operations.annotate import annotate
from lab.requests.annotate import AnnotateRequest
from lab.requests.base import LabError
from lab.settings import Settings

OPEN = Settings(offline=False, allowed_models=(HUB,))
PICTURE = np.zeros((30, 50, 3), np.uint8)
DETECTORS = [name for name, row in ANNOTATORS.items() if row.detector]


@pytest.fixture(autouse=True)
def nothing_loaded():
    hub._load.cache_clear()
    yield
    hub._load.cache_clear()


class Detector:
    """Takes what the detectors of controlnet-aux take, and enlarges as they do."""

    loads = 0

    @classmethod
    def from_pretrained(cls, repository):
        assert repository == HUB
        cls.loads += 1
        return cls()

    def __call__(self, picture, detect_resolution, image_resolution, output_type):
        assert picture.shape == PICTURE.shape and output_type == "np"
        return np.full((image_resolution, image_resolution * 5 // 3, 3), 200, np.uint8)


def stand_in(**detectors):
    return SimpleNamespace(__spec__="found", **detectors)


def test_rows_are_sane():
    for key, row in ANNOTATORS.items():
        assert key == row.name and re.fullmatch(r"[a-z]+", key)
        assert row.title.strip() == row.title != ""
        assert row.about.endswith(".") and len(row.about) < 200
        assert bool(row.hub) == bool(row.detector)
        assert row.controls and set(row.controls) <= {name for name, control in CONTROLS.items() if not control.kind}
    assert len({row.title for row in ANNOTATORS.values()}) == len(ANNOTATORS)


@pytest.mark.parametrize("name", ANNOTATORS)
def test_rows_name_a_function_that_takes_what_they_say(name):
    row = ANNOTATORS[name]
    assert set(row.takes) <= {*AnnotateRequest.model_fields, "settings"}
    inspect.signature(function_of(name)).bind(PICTURE, **dict.fromkeys(row.takes))


def test_a_control_of_another_model_has_the_annotators_of_its_kind():
    assert annotators_of("edges-sd-1-5") == annotators_of("edges") != annotators_of("pose")
    assert annotators_of("edges")[0] == "canny" and annotators_of("pose")[0] == "pose"


def gradient(picture, low):
    """An annotator that a test brings."""
    assert picture.shape == (16, 16, 3) and low == 50
    return np.full((4, 4, 3), 7, np.uint8)


def test_an_annotator_is_a_function_and_a_row(monkeypatch):
    row = Annotator("gradient", "Gradient", f"{__name__}:gradient", ("edges",), "How steep it is.", takes=("low",))
    monkeypatch.setitem(ANNOTATORS, "gradient", row)
    assert "gradient" in offered(Settings()) and annotators_of("edges")[-1] == "gradient"
    asked = AnnotateRequest(picture=PICTURE, annotator="gradient", size=16, low=50)
    (event,) = annotate(asked, SimpleNamespace(settings=Settings()))
    assert event.map.shape == (16, 16, 3) and (event.map == 7).all() and event.joints is None


def test_offline_the_hubs_detectors_are_not_offered():
    own = tuple(name for name, row in ANNOTATORS.items() if not row.hub)
    assert offered(Settings(offline=True, allowed_models=(HUB,))) == own
    assert offered(Settings(offline=False, allowed_models=())) == own != offered(OPEN) == tuple(ANNOTATORS)


def test_a_missing_package_is_named(monkeypatch):
    monkeypatch.setattr(lab.annotators, "find_spec", lambda name: None)
    assert offered(OPEN) == tuple(name for name, row in ANNOTATORS.items() if not row.needs)
    assert "ai-edge-litert" in obstacle("pose", OPEN)
    with pytest.raises(LabError, match="controlnet-aux, which is not installed"):
        hub.detect(PICTURE, "hed", OPEN)


@pytest.mark.parametrize(
    ("settings", "advice"),
    [(Settings(offline=True), "LAB_OFFLINE=false"), (Settings(offline=False, allowed_models=()), "LAB_ALLOWED_MODELS")],
)
def test_what_is_not_allowed_is_refused_with_advice(settings, advice):
    with pytest.raises(LabError, match=advice):
        hub.detect(PICTURE, "openpose", settings)


@pytest.mark.parametrize("name", DETECTORS)
def test_a_detector_is_loaded_once_and_its_map_has_the_pictures_size(monkeypatch, name):
    monkeypatch.setattr(Detector, "loads", 0)
    monkeypatch.setitem(sys.modules, "controlnet_aux", stand_in(**{ANNOTATORS[name].detector: Detector}))
    for _ in range(2):
        found = hub.detect(PICTURE, name, OPEN)
        assert found.shape == PICTURE.shape and found.dtype == np.uint8 and (found == 200).all()
    assert Detector.loads == 1


@pytest.mark.parametrize(
    ("error", "message"), [(OSError("no route"), "could not be fetched"), (AttributeError("mp"), "does not work here")]
)
def test_what_cannot_be_loaded_is_explained_and_tried_again(monkeypatch, error, message):
    def fail(repository):
        raise error

    monkeypatch.setitem(sys.modules, "controlnet_aux", stand_in(HEDdetector=SimpleNamespace(from_pretrained=fail)))
    with pytest.raises(LabError, match=message):
        hub.detect(PICTURE, "hed", OPEN)
    monkeypatch.setitem(sys.modules, "controlnet_aux", stand_in(HEDdetector=Detector))
    assert hub.detect(PICTURE, "hed", OPEN).shape == PICTURE.shape


@pytest.mark.parametrize("name", DETECTORS)
def test_the_real_detectors_take_what_they_are_given(name):
    """Without their weights: the stand-in above takes no more than the real ones do."""
    detector = getattr(pytest.importorskip("controlnet_aux"), ANNOTATORS[name].detector)
    for method in ("from_pretrained", "__call__"):
        given = set(inspect.signature(getattr(Detector, method)).parameters) - {"self", "repository", "picture"}
        assert given <= set(inspect.signature(getattr(detector, method)).parameters)
