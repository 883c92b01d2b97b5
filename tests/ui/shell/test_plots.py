"""Charts: round ticks of which the decade is told, axes that hold and name what is drawn, nothing drawn as measured that
was not."""

import itertools
import json
import math
import re
from types import SimpleNamespace

import numpy as np
import pytest

from lab.catalog import SCHEDULES
from lab.engine.noising import Scenes
from lab.requests.sampling import LaneResult, LaneSettings, Recording, SamplingRequest
from lab.ui.shell import lane_view, plots
from lab.ui.tabs.guidance import chart as guidance_chart
from lab.ui.tabs.guidance import charts as guidance_charts
from lab.ui.tabs.guidance.chart import Chart, Curve, Point
from lab.ui.tabs.noising import charts as noising_charts
from lab.ui.tabs.samplers import charts

GREY = np.zeros((4, 4, 3), np.uint8)
RANGES = [(low, low + span) for low in (-50, -1.3, -0.43, 0, 0.007, 0.27, 3, 900) for span in (1e-3, 0.0237, 0.4, 1.28, 9, 77, 5000)]  # fmt: skip


@pytest.mark.parametrize("most", [2, 4, 6])
@pytest.mark.parametrize(("low", "high"), RANGES)
def test_ticks_are_round_few_and_inside(low, high, most):
    found = plots.ticks(low, high, most)
    assert 1 <= len(found) <= most and (most == 2 or len(found) >= 2)
    assert all(low - 1e-9 <= value <= high + 1e-9 for value in found)
    steps = {float(f"{b - a:.6g}") for a, b in itertools.pairwise(found)}
    assert len(steps) <= 1
    for step in steps:
        assert float(f"{step:e}".split("e")[0]) in (1, 2, 5)
        assert all(abs(value / step - round(value / step)) < 1e-6 for value in found)
    if len(found) > 1:
        words = [plots.label(value, found[1] - found[0]) for value in found]
        assert len(set(words)) == len(words)
        for value, word in zip(found, words, strict=True):
            assert float(word.replace("−", "-")) == pytest.approx(value, abs=1e-9)


@pytest.mark.parametrize("low", [1e-7, 3e-4, 0.02, 0.3, 1, 4, 61])
@pytest.mark.parametrize("ratio", [1.3, 2, 9, 25, 400, 1e5, 1e9])
def test_ticks_of_a_logarithmic_axis_rise_and_say_their_decade(low, ratio):
    found = plots.log_ticks(low, low * ratio)
    assert 2 <= len(found) <= 6 and found == sorted(set(found))
    assert all(low * 0.998 <= value <= low * ratio * 1.002 for value in found)
    words = [plots.label(value) for value in found]
    for value, word in zip(found, words, strict=True):
        mantissa, _, power = re.sub(r"10<sup>(.*)</sup>", r"1e\1", word.replace("−", "-")).rpartition(" · ")
        assert float(mantissa or 1) * float(power) == pytest.approx(value)


def drawn(**distances):
    """The convergence chart of samplers with (calls, distance along the path, distance at the end)."""
    lanes = [LaneSettings(sampler=name, steps=calls) for name, points in distances.items() for calls, _, _ in points]
    points = itertools.chain(*distances.values())
    results = {
        lane: LaneResult(lane, GREY, calls, 0.1, rms_to_reference=end, path_distance=along)
        for lane, (calls, along, end) in enumerate(points)
    }
    recording = Recording(SamplingRequest(lanes=lanes, reference_steps=200), {}, results)
    return json.loads(charts.chart(recording).plot)


def below(figure):
    """What a chart says of distances that are none of its axis."""
    return [note for note in figure["layout"]["annotations"] if "below" in note["text"]]


def test_a_distance_below_the_axis_is_said_to_be_below_and_all_others_are_drawn_where_they_are():
    figure = drawn(heun=[(4, 0.3, 0.9), (10, 0.0002, 5e-5), (20, 0.0, 0.0)])
    along, end = figure["data"]
    assert along["y"] == pytest.approx([0.3, 0.0002, 1e-4]) and end["y"] == pytest.approx([0.9, 1e-4, 1e-4])
    assert [symbol == "circle" for symbol in along["marker"]["symbol"]] == [True, True, False]
    assert end["text"] == ["0.9", "below 0.0001", "below 0.0001"]
    assert [note["xref"] for note in below(figure)] == ["x domain", "x2 domain"]
    assert below(drawn(heun=[(4, 0.3, 0.9)])) == []
    for axis in ("xaxis", "yaxis", "xaxis2", "yaxis2"):
        assert figure["layout"][axis]["tickvals"] == sorted(set(figure["layout"][axis]["tickvals"]))


def test_a_distance_that_nobody_measured_is_a_gap():
    figure = drawn(heun=[(4, None, 0.9), (10, 0.02, 0.01)])
    assert figure["data"][0]["y"] == [None, 0.02] and "circle" in figure["data"][0]["marker"]["symbol"][0]
    assert below(figure) == []


@pytest.mark.parametrize("digits", [3, 4])
def test_only_nothing_is_nothing(digits):
    words = {value: lane_view.distance(value, digits) for value in (0.0, 1e-9, 4e-5, 4.9e-4, 6e-4, 0.0123, 1.5)}
    assert words[0.0] == "0" and not any(set(word) <= set("0.") for value, word in words.items() if value)
    assert words[1e-9] == f"below {10**-digits:.{digits}f}"
    for value, word in words.items():
        if word[0].isdigit():
            assert float(word) == pytest.approx(value, abs=0.51 * 10**-digits)


def test_two_runs_of_a_chart_are_read_on_one_scale_and_both_panels_too():
    few, many = drawn(heun=[(4, 0.3, 0.9)]), drawn(heun=[(4, 1.4, 0.9), (10, 0.02, 3e-5)], euler=[(4, 2e-4, 1e-3)])
    ranges = [figure["layout"][axis]["range"] for figure in (few, many) for axis in ("yaxis", "yaxis2")]
    assert all(one == ranges[0] for one in ranges)
    values = [value for trace in many["data"] for value in trace["y"]]
    assert ranges[0][0] < math.log10(min(values)) and math.log10(max(values)) < ranges[0][1]
    assert {trace["meta"] for trace in many["data"]} == {"RMS, along the path", "RMS, finished picture"}


def test_curves_that_are_one_say_so_and_others_do_not():
    same = [(4, 0.3, 0.9), (10, 0.02, 0.01)]
    figure = drawn(ddim=same, euler=[(4, 0.3001, 0.9001), (10, 0.02, 0.01)], heun=[(4, 0.2, 0.9), (10, 0.02, 0.01)])
    names = list(dict.fromkeys(trace["name"] for trace in figure["data"]))
    assert names == ["DDIM", "Euler, equal to DDIM here", "Heun"]
    assert [trace["line"].get("dash") for trace in figure["data"][::2]] == [None, "dash", None]


@pytest.mark.parametrize("T", [10, 1000, 4000])
@pytest.mark.parametrize("zero", [False, True])
def test_every_level_of_every_schedule_lies_in_the_chart(T, zero):
    shown = []
    for name, row in SCHEDULES.items():
        scene = Scenes().get(GREY, name, T, zero, 0)
        frame = SimpleNamespace(
            alpha_bars=scene.table, log_snrs=scene.log_snrs, alpha_bar=float(scene.table[0]), log_snr=math.inf, t=0
        )
        shown.append(noising_charts.Process(row.title, row.colour, frame))
    figure = json.loads(noising_charts.schedule(shown).plot)
    low, high = figure["layout"]["yaxis2"]["range"]
    for trace in figure["data"]:
        if trace.get("yaxis") == "y2":
            assert all(low <= value <= high for value in trace["y"] if value is not None)
    assert "base e" in figure["layout"]["yaxis2"]["title"]["text"]
    levels = [trace for trace in figure["data"] if trace["name"] == "now" and trace["yaxis"] == "y2"]
    assert {trace["marker"]["symbol"] for trace in levels} == {"triangle-up"}  # of the picture itself it is infinite


def test_the_noise_of_the_picture_itself_is_not_drawn():
    spectrum = np.full(9, 0.5)
    frame = SimpleNamespace(spectrum=spectrum, spectrum_signal=spectrum, spectrum_noise=0.0)
    figure = json.loads(noising_charts.frequencies([noising_charts.Process("Linear", "#4269d0", frame)]).plot)
    (noise,) = (trace for trace in figure["data"] if trace["name"] == "noise")
    assert set(noise["y"]) == {None}
    assert figure["layout"]["yaxis"]["tickvals"] == [1e-4, 1e-2, 1, 1e2, 1e4]


def small(low, high, span):
    """A small chart from `low` to `high` on an axis of this span."""
    lane = LaneSettings(guidance_scale=3)
    dots = (Point(0.0, low, lane), Point(2.0, high, lane))
    curve = Curve("one", "#123456", dots, dots)
    return Chart("CLIP score", "", [curve], guidance_chart.SCALE, [(0.0, "0"), (2.0, "3")], span).figure()


@pytest.mark.parametrize("span", guidance_charts.SPANS.values())
def test_an_axis_stays_as_it_is_from_run_to_run(span):
    low, high = span
    middle = (low + high) / 2
    axes = [
        re.findall(r'<line class="axis".*?/>|text-anchor="end">.*?<', small(*ends, span))
        for ends in (span, (middle, middle))
    ]
    assert axes[0] == axes[1] and len(axes[0]) >= 4


@pytest.mark.parametrize(("low", "high"), [(0.21, 0.85), (-0.43, 0.11), (0.0, 1.0), (0.5, 0.5), (0.0312, 0.0345)])
def test_the_small_charts_name_their_axis_and_have_round_ticks(low, high):
    markup = small(low, high, (0.0, 0.5))
    assert ">guidance scale</text>" in markup
    numbers = re.findall(r'text-anchor="end">([^<]*)</text>', markup)
    values = [float(number.replace("−", "-")) for number in numbers]
    assert 2 <= len(set(numbers)) == len(numbers) <= 4
    step = values[1] - values[0]
    assert float(f"{step:.3e}".split("e")[0]) in (1, 2, 5)
    for height in map(float, re.findall(r'cy="([\d.]+)"', markup)):
        assert guidance_chart.TOP <= height <= guidance_chart.HEIGHT - guidance_chart.BOTTOM
