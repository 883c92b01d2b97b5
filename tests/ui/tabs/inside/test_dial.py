"""The room of the dial without a browser: what it asks for, its columns, charts and numbers."""

import json
import pickle
import re
from html import unescape

import gradio as gr
import numpy as np
import pytest

from lab.requests.base import LabError
from lab.requests.betas import LIVING, VALUES, BetaColumn, BetaMeasures, BetaRequest, BetaSet
from lab.requests.bound import BETAS
from lab.settings import Settings
from lab.ui.shell.rooms.room import Asked
from lab.ui.tabs.inside.dial import charts, view
from lab.ui.tabs.inside.rooms import ROOMS

ROOM = ROOMS["dial"]
OWN = np.random.default_rng(0).integers(0, 256, (64, 64, 3), np.uint8)
ENTROPIES = {"size": 1.5, "colour": 2.0}
GAPS = {float(beta): (0.01 * beta, 0.02 * beta, 0.03 * beta) for beta in BETAS}
LATENTS = 4


def asked(**now):
    values = {field.name: field.value for field in ROOM.fields} | {"seed": 3} | now
    return Asked(values, None, OWN, None, Settings())


def grey(*shape):
    return np.full((*shape, 32, 32, 3), 90, np.uint8)


def kl_of(beta):
    """One latent dies at each beta from 1 on, down to one that lives; the second is always the heaviest."""
    kl = np.array([1.0, 3.0, 0.5, 0.2])
    dead = {0: 0, 1: 0, 2: 1, 4: 2, 8: 3, 16: 3}[beta]
    kl[[3, 2, 0][:dead]] = 0.004
    return kl


def column(beta, count=3):
    means = np.arange(count * LATENTS, dtype=float).reshape(count, LATENTS) / 7
    ones = np.ones(count)
    return BetaColumn(
        beta, grey(count), grey(count), means, np.ones((count, LATENTS)) * (1 + beta), ones * 70, ones * 20
    )


def measures(beta, known=True):
    kl = kl_of(beta)
    living = int((kl > LIVING).sum())
    information = np.outer(kl / 4, [1.5, 1.0]) if known else None
    return BetaMeasures(
        beta, kl, 50.0 + beta, 11.0 + beta, grey(living, len(VALUES)), information, 0.1 if known else None
    )


def outcome(pictures="shapes", betas=BETAS, measured=BETAS):
    request = BetaRequest(pictures=pictures, picture=OWN[:32, :32], count=2)
    found, known = ROOM.outcome(request), pictures == "shapes"
    found.add(BetaSet(grey(3), ("", "disc", "a <b> square"), 4800, GAPS if known else {}, ENTROPIES if known else {}))
    for beta in betas:
        found.add(column(beta))
    for beta in measured:
        found.add(measures(beta, known))
    return found


def data_of(markup):
    return json.loads(unescape(re.search(r'data-dial="([^"]*)"', markup)[1]))


def text_of(markup):
    return unescape(re.sub(r"<[^>]*>", " ", markup))


def test_the_request_is_what_the_controls_say_with_the_picture_at_the_networks_side():
    request = ROOM.request(asked(dial_pictures="shapes", dial_count=4))
    assert (request.pictures, request.count, request.seed) == ("shapes", 4, 3) and request.picture.shape == (32, 32, 3)
    np.testing.assert_allclose(request.picture, OWN.reshape(32, 2, 32, 2, 3).mean((1, 3)), atol=1)
    nothing = asked()
    with pytest.raises(LabError, match="choose an example or bring your own"):
        ROOM.request(Asked(nothing.now, None, None, None, Settings()))


def test_the_stage_stands_before_a_run_and_fills_from_left_to_right():
    empty, some = ROOM.stage(None, asked()), ROOM.stage(outcome(measured=BETAS[:2]), asked(dial_beta=1))
    whole = ROOM.stage(outcome(), asked(dial_beta=4))
    for markup in (empty, some, whole):
        assert re.findall(r"β = ([\d.]+)</button>", markup) == [f"{beta:g}" for beta in BETAS]
        assert markup.count("dial-mosaic") == 1 + 2 * len(BETAS) and markup.count("dial-bars") == len(BETAS)
    assert 'data-dial=""' in empty and "<img" not in empty
    assert [view.BEFORE in markup for markup in (empty, some, whole)] == [True, False, False]
    assert some.count('class="dial-mosaic"><img') == 2 * len(BETAS)  # pictures come before measures
    assert [markup.count("<ol") for markup in (empty, some, whole)] == [0, 2, 6]
    assert [len(data_of(markup)["columns"]) for markup in (some, whole)] == [2, 6]
    assert some.count(" disabled>β") == 4 and " disabled>β" not in whole


def test_the_page_is_told_what_a_walk_needs():
    told = data_of(ROOM.stage(outcome(), asked(dial_beta=4)))
    assert told["beta"] == 4 and told["start"] == 1 and told["values"] == list(VALUES)
    assert told["titles"] == ["your picture", "disc", "a <b> square"] and told["factors"] == ["size", "colour"]
    for one, beta in zip(told["columns"], BETAS, strict=True):
        kl = kl_of(beta)
        assert (
            one["order"] == [j for j in np.argsort(-kl, kind="stable") if kl[j] > LIVING] and one["latents"] == LATENTS
        )
        np.testing.assert_allclose(one["means"], column(beta).means, rtol=1e-4)
        np.testing.assert_allclose(one["shares"], measures(beta).information / [1.5, 2.0], rtol=1e-4)
        assert re.fullmatch(rf"inside-weights/\w+/beta-shapes/shapes-{beta:g}\.safetensors", one["address"])
    told = data_of(ROOM.stage(outcome("drawings"), asked()))
    assert told["start"] == 0 and told["factors"] == [] and told["columns"][0]["shares"] is None


@pytest.mark.parametrize("beta", BETAS)
def test_bars_are_sorted_and_those_under_the_line_are_dead(beta):
    found = measures(beta)
    markup = view.bars(found)
    heights = [float(tall) for tall in re.findall(r"--tall:([\d.]+)%", markup)]
    line = float(re.search(r"--line:([\d.]+)%", markup)[1])
    assert heights == sorted(heights, reverse=True) and len(heights) == LATENTS
    assert sum(tall > line for tall in heights) == found.living == LATENTS - markup.count("class=dead")
    assert f"{found.living} of 4 latents above 0.01 nats" in markup
    assert view.height(view.FLOOR) == 0 and view.height(view.TOP) == 1 and view.height(0.0) == 0


def test_sentences_and_numbers_are_those_of_the_run():
    found = outcome()
    said = text_of(ROOM.words(found))
    assert "4 at β = 0, 4 at β = 1, 3 at β = 2, 2 at β = 4, 1 at β = 8, 1 at β = 16" in said
    assert "from 4.7 to 3.01 nats" in said and "from 11.0 to 27.0 of 255" in said
    assert (
        "of 3 seeds lies between 0.01 and 0.03 at β = 1, between 0.16 and 0.48 at β = 16" in said
        and "difficult to reproduce" in said
    )
    assert "4,800 shapes measured under each β: 4 of 4 latents live at β = 0, 1 at 16" in ROOM.summary(found)
    rows = re.findall(r"<tr>(.*?)</tr>", ROOM.table(found))
    assert re.findall(r"<td>(.*?)</td>", rows[4]) == [
        "4", "2", "4.01", "54.0", "15.0", "20.00", "70.0", "20.0", "0.100", "0.040, 0.080, 0.120",
    ]  # fmt: skip
    assert text_of(ROOM.table(found)).count("mutual information of latents and factors") == 6
    drawings = outcome("drawings")
    assert "gap" not in ROOM.words(drawings) and "mutual" not in ROOM.table(drawings)


@pytest.mark.parametrize("count", [0, 1, 3])
def test_a_run_that_was_stopped_shows_what_is_there(count):
    found = outcome(measured=BETAS[:count])
    assert ROOM.stage(found, asked()).count("<ol") == count
    assert isinstance(ROOM.words(found), str) and isinstance(ROOM.table(found), str)
    assert (ROOM.chart(found, {"dial_chart": "kl"}) is None) == (count == 0)
    assert ROOM.progress(found) == f"Measuring under β = {BETAS[count]:g} …" and found.ways() == [(count, 6)]
    assert not ROOM.outcome(found.request).begun and pickle.loads(pickle.dumps(found)).begun


def figure(found, which):
    return json.loads(ROOM.chart(found, {"dial_chart": which}).plot)


def test_the_chart_of_latents_has_a_sorted_curve_for_each_beta_and_the_line():
    traces = figure(outcome(), "kl")["data"]
    assert [trace["name"] for trace in traces] == ["β 0", "β 1", "β 2", "β 4", "β 8", "β 16", "0.01 nats"]
    for trace, beta in zip(traces, BETAS, strict=False):
        np.testing.assert_allclose(trace["y"], np.sort(kl_of(beta))[::-1])


def test_the_visitors_picture_is_a_point_at_each_beta_of_the_plane_of_rate_and_distortion():
    mean, own = figure(outcome("drawings"), "curve")["data"]
    assert mean["name"] == "held-out drawings, mean" and own["name"] == "your picture"
    np.testing.assert_allclose(mean["x"], [kl_of(beta).sum() for beta in BETAS], rtol=1e-3)
    np.testing.assert_allclose(mean["y"], [50 + beta for beta in BETAS])
    np.testing.assert_allclose(own["x"], [4 * (1 + beta) for beta in BETAS])
    assert own["y"] == [70] * 6 and own["text"] == [f"β {beta:g}" for beta in BETAS]


def test_the_gap_is_a_dot_a_seed_and_a_line_of_means_and_unknown_of_drawings():
    dots, mean = figure(outcome(), "gap")["data"]
    assert dots["y"] == pytest.approx([gap for beta in BETAS for gap in GAPS[beta]], abs=1e-4)
    assert mean["y"] == pytest.approx([0.02 * beta for beta in BETAS], abs=1e-4)
    none = figure(outcome("drawings"), "gap")
    assert none["data"] == [] and none["layout"]["annotations"][0]["text"] == charts.UNKNOWN


def test_pictures_are_saved_as_columns_and_as_traversals():
    saved = dict(ROOM.pictures(outcome()))
    assert len(saved) == 1 + 3 * len(BETAS)
    assert saved["dial-pictures"].shape == (32, 98, 3) and saved["dial-beta-4-samples"].dtype == np.uint8
    assert saved["dial-beta-2-traversal"].shape == (3 * 33 - 1, 7 * 33 - 1, 3)  # a row for each living latent
    assert (saved["dial-beta-2-traversal"][32] == 255).all() and (saved["dial-beta-2-traversal"][:32, :32] == 90).all()


def test_the_pipeline_says_what_is_asked_for():
    flow = ROOM.flow(ROOM.request(asked(dial_pictures="shapes")))
    assert [part.name for part in flow.parts] == ["picture x", "encoder", "code z", "β", "decoder"]
    assert "10 latents" in flow.parts[2].numbers and "6 pictures" in flow.whole
    ((name, text),) = ROOM.scripts_of_run(ROOM.request(asked()), outcome())
    assert name == "betas.py" and "beta-drawings" in text


def test_what_is_live_is_a_number_that_a_link_holds():
    (field,) = [field for field in ROOM.fields if field.name in ROOM.live]
    assert field.widget is gr.Number and field.linked and field.value in BETAS
