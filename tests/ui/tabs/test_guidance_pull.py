"""What pulls a picture whose rule has a guide, from hand-made steps."""

import csv
import html
import re
from dataclasses import replace

import numpy as np
import pytest

from lab.catalog import GUIDANCE
from lab.requests.anatomy import Anatomy, AnatomyRequest, Pull
from lab.requests.sampling import LaneSettings
from lab.ui.tabs.guidance import charts, pull, view

GREY = np.full((4, 4, 3), 128, np.uint8)
BELIEFS = {"Food and drink": 0.75, "Objects & <more>": 0.25}


def step(i, n=3, **changes):
    pulled = Pull(GREY, GREY[..., 0], 0.01 * (i + 1), 0.5, BELIEFS, "Food and drink", -0.3 - i)
    return Anatomy(i, n, 9.0 - i, float(i), GREY, GREY, GREY, GREY[..., 0], (1.0, 1.0, 0.2), (GREY,), replace(pulled, **changes))  # fmt: skip


def look_of(*steps, rule="classifier"):
    request = AnatomyRequest(model="exact", lane=LaneSettings(rule=rule, steps=3, guidance_scale=5), scales=(5,))
    return view.Look(request, None, steps)


def curve(markup, chart):
    """The points of the first curve of a chart."""
    return re.search(f'data-chart="{chart}"[^>]*data-points="([^"]*)"', markup).group(1)


def test_a_step_shows_the_gradient_and_a_bar_for_every_class():
    shown = view.look(look_of(step(0), step(1)), 1)
    assert "What pulls: Classifier<" in shown and "RMS 0.020, cosine 0.50" in shown and "log-probability −1.3" in shown
    bars = re.findall(r'<li( class="wanted")?><span>(.*?)</span>.*?width:([\d.]+)%', shown)
    assert bars == [
        (' class="wanted"', "Food and drink, asked for", "75.0"),
        ("", "Objects &amp; &lt;more&gt;", "25.0"),
    ]


def test_a_guide_that_is_no_classifier_has_no_bars_and_a_second_network_no_probability():
    shown = view.look(look_of(step(0, beliefs={}, wanted="", cosine=None, potential=None), rule="colour"))
    assert "What pulls" in shown and not {"beliefs", "cosine -", "log-probability"} & set(re.findall(r"[\w-]+", shown))
    assert "What pulls" not in view.look(look_of(replace(step(0), pull=None), rule="cfg"))


def test_boxes_of_the_pull_are_there_before_its_first_step():
    assert view.look(look_of()).count('class="box"') > view.look(look_of(rule="cfg")).count('class="box"')


def test_curves_over_the_steps():
    drawn = html.unescape(charts.norms(look_of(step(0), step(1), step(2, cosine=None))))
    assert curve(drawn, "belief in what is asked for") == "1,0.75 2,0.75 3,0.75"
    assert curve(drawn, "direction of the pull") == "1,0.5 2,0.5"
    assert curve(drawn, "size of both pulls") == "1,0.01 2,0.02 3,0.03"
    assert GUIDANCE["classifier"].colour in drawn and "the guide's pull" in drawn
    plain = charts.norms(look_of(replace(step(0), pull=None), rule="cfg"))
    assert "pull" not in plain and "their difference" in plain


@pytest.mark.parametrize(("sizes", "strongest"), [((0.1, 0.3, 0.2), 1), ((0.3, 0.3, 0.1), 0), ((0.0, 0.0, 0.0), 0)])
def test_the_page_rests_at_the_first_step_that_is_pulled_most(sizes, strongest):
    assert pull.strongest([step(i, rms=rms) for i, rms in enumerate(sizes)]) == strongest
    assert pull.strongest([replace(step(0), pull=None)]) is None


def test_the_file_of_the_steps_has_the_pull(tmp_path):
    with open(charts.save_norms(look_of(step(0), step(1, cosine=None)), tmp_path / "steps.csv"), newline="") as file:
        first, second = csv.DictReader(file)
    assert first["rms_pull"] == "0.01" and first["belief: Food and drink"] == "0.75" == second["belief: Food and drink"]
    assert (first["cosine_to_cfg"], second["cosine_to_cfg"]) == ("0.5", "") and second["log_probability"] == "-1.3"
    plain = charts.save_norms(look_of(replace(step(0), pull=None), rule="cfg"), tmp_path / "plain.csv").read_text()
    assert "pull" not in plain
