"""The table of annotators, and the detectors of the hub with a stand-in for controlnet-aux."""

import inspect
import re
import sys
from types import SimpleNamespace

import numpy as np
import pytest

import lab.annotators
from lab.annotators import ANNOTATORS, HUB, hub, obstacle, offered
from lab.catalog import CONTROLS
from lab.requests.base import LabError
from lab.settings import Settings

OPEN = Settings(offline=False, allowed_models=(HUB,))
PICTURE = np.zeros((30, 50, 3), np.uint8)


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
    assert len({row.title for row in ANNOTATORS.values()}) == len(ANNOTATORS)
    for control in CONTROLS.values():
        assert set(control.annotators) <= set(ANNOTATORS)
    assert {name for name, row in ANNOTATORS.items() if row.hub} == set(hub.DETECTORS)


def test_offline_the_hubs_detectors_are_not_offered():
    assert offered(Settings(offline=True, allowed_models=(HUB,))) == ("canny", "scribble", "pose", "map")
    assert offered(Settings(offline=False, allowed_models=())) == ("canny", "scribble", "pose", "map")
    assert offered(OPEN) == tuple(ANNOTATORS)


def test_a_missing_package_is_named(monkeypatch):
    monkeypatch.setattr(lab.annotators, "find_spec", lambda name: None)
    assert offered(OPEN) == ("canny", "scribble", "map")
    assert "ai-edge-litert" in obstacle("pose", OPEN)
    with pytest.raises(LabError, match="controlnet-aux, which is not installed"):
        hub.detect("hed", PICTURE, OPEN)


@pytest.mark.parametrize(
    ("settings", "advice"),
    [(Settings(offline=True), "LAB_OFFLINE=false"), (Settings(offline=False, allowed_models=()), "LAB_ALLOWED_MODELS")],
)
def test_what_is_not_allowed_is_refused_with_advice(settings, advice):
    with pytest.raises(LabError, match=advice):
        hub.detect("openpose", PICTURE, settings)


@pytest.mark.parametrize("name", hub.DETECTORS)
def test_a_detector_is_loaded_once_and_its_map_has_the_pictures_size(monkeypatch, name):
    monkeypatch.setattr(Detector, "loads", 0)
    monkeypatch.setitem(sys.modules, "controlnet_aux", stand_in(**{hub.DETECTORS[name]: Detector}))
    for _ in range(2):
        found = hub.detect(name, PICTURE, OPEN)
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
        hub.detect("hed", PICTURE, OPEN)
    monkeypatch.setitem(sys.modules, "controlnet_aux", stand_in(HEDdetector=Detector))
    assert hub.detect("hed", PICTURE, OPEN).shape == PICTURE.shape


@pytest.mark.parametrize("name", hub.DETECTORS)
def test_the_real_detectors_take_what_they_are_given(name):
    """Without their weights: the stand-in above takes no more than the real ones do."""
    detector = getattr(pytest.importorskip("controlnet_aux"), hub.DETECTORS[name])
    for method in ("from_pretrained", "__call__"):
        given = set(inspect.signature(getattr(Detector, method)).parameters) - {"self", "repository", "picture"}
        assert given <= set(inspect.signature(getattr(detector, method)).parameters)
