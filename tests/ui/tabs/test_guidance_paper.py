"""The paper's curves: the shipped numbers as they are drawn and told."""

import csv
import io
import re
from dataclasses import replace
from urllib.parse import unquote

from lab.fidelity_curves import CurvePoint, FidelityCurves
from lab.ui.tabs.guidance import paper
from lab.ui.tabs.guidance import tab as guidance
from tests.ui.tabs.test_guidance import VISITOR, make_tab, values_of
from tests.ui.tabs.test_guidance_fidelity import points

DATA = FidelityCurves(
    points=(
        CurvePoint("cfg", 0, 0.5, 0.75, 12.0), CurvePoint("cfg", 1, 0.625, 0.5, 6.0),
        CurvePoint("classifier", 0, 0.5, 0.75, 12.0), CurvePoint("classifier", 1, 0.25, 0.5, 14.5),
        CurvePoint("classifier", 10, 0.875, 0.125, 8.25),
    ),
    n=512, real=2048, k=3, steps=25, sampler="ddim", seed=7, floor=2.5, command="python -m lab.<tool>",
)  # fmt: skip


def test_shipped_curves_are_drawn_with_their_floor():
    drawn = paper.shipped(DATA)
    assert points(drawn, "precision over recall", "Classifier") == [(0.75, 0.5), (0.5, 0.25), (0.125, 0.875)]
    assert points(drawn, "Fréchet distance", "Classifier-free") == [(0, 12), (1, 6)]
    assert {y for _, y in points(drawn, "Fréchet distance", paper.FLOOR)} == {2.5} and "stroke-dasharray" in drawn
    assert "Classifier, scale 10: precision 0.88, recall 0.12, Fréchet distance 8.25" in drawn


def test_how_they_were_measured_is_said():
    drawn = paper.shipped(DATA)
    said = ("512 pictures", "2048 real", "k = 3", "25 steps of DDIM", "from 7 on", "is 2.5, the dashed line", "bias")
    assert [words for words in said if words not in drawn] == []
    assert "<code>python -m lab.&lt;tool&gt;</code>" in drawn


def test_the_file_has_every_number():
    link = re.search('href="data:text/csv;charset=utf-8,([^"]+)"', paper.shipped(DATA)).group(1)
    rows = list(csv.DictReader(io.StringIO(unquote(link))))
    assert len(rows) == 5 and rows[-1]["rule"] == "classifier" and float(rows[-1]["frechet_distance"]) == 8.25


def test_what_table_4_says_stands_beside_what_is_found():
    assert "It is worse here too: the Fréchet distance is 12 at scale 0 and 14.5 at scale 1." in paper.table_4(DATA)
    assert "lowest at scale 10, 8.25" in paper.table_4(DATA)
    better = [replace(p, frechet=9.0) if (p.rule, p.scale) == ("classifier", 1) else p for p in DATA.points]
    assert "It is better here: the Fréchet distance is 12 at scale 0 and 9 at" in paper.table_4(replace(DATA, points=tuple(better)))  # fmt: skip


def test_the_shipped_curves_come_when_their_section_is_opened(monkeypatch):
    monkeypatch.setattr(guidance, "fidelity_curves", lambda: DATA)
    tab = make_tab()
    (update,) = tab.on_follow(values_of(tab, section=guidance.PAPER), VISITOR)
    assert update == {tab.paper: paper.shipped(DATA)} and tab.paper.value in ("", None)
