"""The room of factors without a browser: what it asks for, what its columns and its chart say, and what is left unsaid before it is known."""

import json
import pickle
import re

import numpy as np
import pytest

from lab.catalog import MODELS
from lab.requests.base import LabError
from lab.requests.factor import AUTOENCODERS, PIXELS, UNET, Encoded, FactorRequest, HeldOut, StepTime
from lab.settings import Settings
from lab.ui.shell.form import Form
from lab.ui.shell.rooms.room import Asked
from lab.ui.tabs.inside.factor import charts, view
from lab.ui.tabs.inside.factor.outcome import FACTORS, Outcome
from lab.ui.tabs.inside.factor.room import FIELDS, Factor

ROOM, FORM = Factor(), Form("inside", FIELDS)
GREY = np.full((64, 64, 3), 128, np.uint8)


def asked(picture=GREY, model=UNET, **values):
    return Asked(FORM.complete(values), MODELS[model], picture, None, Settings())


def encoded(name, factor, side=64):
    latents = np.arange(4 * (side // factor) ** 2, dtype=np.float32).reshape(4, side // factor, side // factor)
    picture = np.full((side, side, 3), 128, np.uint8)
    return Encoded(name, picture, latents, picture + factor, 40.0 - factor, 1 - factor / 100)


def outcome(model=UNET, held_out=2):
    """f keeps 40 - f dB, on held-out pictures 31 - f and 29 - f; a step takes 1 s at f1 and a fourth of that at each doubling."""
    found = Outcome(FactorRequest(picture=GREY, model=model, held_out=held_out))
    for name in AUTOENCODERS:
        found.add(encoded(name, FACTORS[name]))
        if held_out:
            found.add(HeldOut(name, (31.0 - FACTORS[name], 29.0 - FACTORS[name]), (0.9, 0.8)))
    for name, factor in FACTORS.items():
        side = 64 // factor
        found.add(StepTime(name, (4, side, side), (1.3 / factor**2, 1 / factor**2)))
    return found


def text(html):
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", html))


def test_it_asks_for_the_picture_and_the_model_that_are_chosen():
    request = ROOM.request(asked(model="student", factor_held_out=3, factor_repeats=2))
    assert request.picture is GREY and (request.model, request.held_out, request.repeats) == ("student", 3, 2)
    with pytest.raises(LabError, match="There is no picture: choose an example or your own"):
        ROOM.request(asked(picture=None))


def test_each_column_has_its_figures():
    sections = [text(part) for part in view.stage(outcome()).split("<section")[1:]]
    assert [
        "f1, pixels" in sections[0],
        *(f"f{f}" in part for f, part in zip((2, 4, 8), sections[1:], strict=True)),
    ] == [True] * 4
    assert "12,288" in sections[0] and "no loss" in sections[0] and "step, ms 1,000" in sections[0]
    assert "4 × 32 × 32" in sections[1] and "4,096, 3 ×" in sections[1] and "step, ms 250" in sections[1]
    assert "1,024, 12 ×" in sections[2] and "36.0" in sections[2] and "26.0" in sections[2] and "62.5" in sections[2]
    assert "256, 48 ×" in sections[3] and "0.920" in sections[3] and "0.850" in sections[3]


def test_the_sentences_have_the_runs_figures():
    said = text(view.words(outcome()))
    assert "1,000 ms at f1, 250 ms at f2, 62.5 ms at f4, 15.6 ms at f8: f4 is 16.0 times as fast" in said
    assert "What 2 pictures that no network learned keep" in said and "f2 28.0 dB and 0.850" in said
    assert "half of what Rombach et al. 2022 compare" in said and "that of f4 alone" in said
    assert ROOM.summary(outcome()).endswith("f2 4.0, f4 16.0, f8 64.0.")


def test_before_there_is_a_number_none_is_said():
    found = Outcome(FactorRequest(picture=GREY))
    assert not found.begun and found.speedup("f2") is None
    found.add(encoded("f2", 2))
    shown, said = text(view.stage(found)), view.words(found)
    assert "38.0" in shown and "step of the same" not in said and "no network learned" not in said
    assert charts.LACKING in charts.chart(found, "psnr").plot
    assert text(view.stage(None)).count("held out: PSNR") == 4


def test_another_model_has_a_column_of_its_own_unet():
    found = outcome("student")
    found.add(encoded("student", 4))
    found.add(StepTime("student", (4, 16, 16), (0.05,)))
    shown = text(view.stage(found))
    assert "Few-step student, f4" in shown and "50, its own" in shown
    assert "Few-step student" in ROOM.table(found) and "Few-step" not in charts.chart(found, "psnr").plot


@pytest.mark.parametrize("what", ["psnr", "ssim"])
def test_the_chart_has_a_point_a_factor(what):
    figure = json.loads(charts.chart(outcome(), what).plot)
    by_name = {trace["name"]: trace for trace in figure["data"]}
    means, own = by_name["held out: mean, middle 80 %"], by_name["this picture"]
    assert means["x"] == own["x"] == [250, 62.5, 15.62] and means["text"] == ["f2", "f4", "f8"]
    assert means["y"] == ([28, 26, 22] if what == "psnr" else [0.85] * 3)
    assert own["y"] == ([38, 36, 32] if what == "psnr" else [0.98, 0.96, 0.92])
    assert ("pixels" in by_name) == (what == "ssim") and len(figure["layout"]["shapes"]) == (what == "psnr")


def test_without_held_out_pictures_there_are_this_pictures_points():
    figure = json.loads(charts.chart(outcome(held_out=0), "psnr").plot)
    assert [trace["name"] for trace in figure["data"]] == ["this picture"]


def test_differences_are_around_grey_and_channels_reach_from_black_to_white():
    lost = view.difference(GREY + 10, GREY)
    assert np.unique(lost).tolist() == [168]  # 127.5 + 4 * 10
    assert view.difference(np.zeros_like(GREY), GREY).max() == 0
    grey = view.channel(np.array([[-3.0, 1.0], [0.0, -1.0]]))
    assert grey.tolist() == [[0, 255], [191, 128]]
    assert view.channel(np.full((2, 2), 7.0)).tolist() == [[128, 128], [128, 128]]


def test_a_run_can_be_kept_and_its_pictures_saved():
    found = pickle.loads(pickle.dumps(outcome()))
    stems = [stem for stem, _ in ROOM.pictures(found)]
    assert stems[:2] == ["picture", "f2-decoded"] and {"f4-difference", "f8-latents"} <= set(stems) and len(stems) == 10
    assert all(picture.dtype == np.uint8 and picture.shape[2] == 3 for _, picture in ROOM.pictures(found))
    assert found.ways() == [(10, 10)] and PIXELS in found.times
    assert len(ROOM.flow(ROOM.request(asked())).parts) == 4
