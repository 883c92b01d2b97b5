"""The Notes tab without a browser: what the server answers for it."""

import re
from html import escape, unescape
from types import SimpleNamespace
from xml.etree import ElementTree

import pytest
from starlette.applications import Starlette
from starlette.testclient import TestClient

from lab.backends.deferred import Deferred
from lab.notes.chapters import CHAPTERS, STEPS
from lab.notes.history import TOOK, WORKS
from lab.notes.notation import SYMBOLS
from lab.notes.ways import NEEDS, WAYS
from lab.requests.base import Waiting
from lab.ui.tabs.notes import answers, equations


@pytest.fixture(scope="module")
def client():
    return TestClient(Starlette(routes=answers.routes(SimpleNamespace(outlook=lambda: Waiting(0, 0.0, "")))))


def test_while_the_lab_starts_pages_are_there_and_checks_are_to_be_asked_for_again():
    client = TestClient(Starlette(routes=answers.routes(Deferred())))
    assert client.get("/notes/elbo").status_code == 200
    answer = client.get("/notes/check?step=elbo.entropy")
    assert answer.status_code == 202 and answers.STARTING in answer.json()["detail"]


def test_every_page_is_whole_and_names_all(client):
    names = [chapter.name for chapter in CHAPTERS]
    for chapter in CHAPTERS:
        page = client.get(f"/notes/{chapter.name}")
        assert page.status_code == 200 and page.text.startswith("<!doctype html>")
        assert re.findall(r'data-step="([^"]+)"', page.text) == [
            f"{chapter.name}.{step.name}" for step in chapter.steps
        ]
        assert re.findall(r'<a href="(\w+)" data-at="(\w+)"', page.text)[: len(names) + 1] == [
            (name, name) for name in ["start", *names]
        ]
        assert "\\" not in re.sub(r"<style>.*?</style>", "", page.text)  # no LaTeX is left
        ids = re.findall(r' id="([^"]+)"', page.text)
        assert len(set(ids)) == len(ids)
    table = client.get("/notes/notation").text
    assert all(symbol.meaning in unescape(table) for symbol in SYMBOLS)
    timeline = client.get("/notes/history").text
    anchors, ids = re.findall(r'href="#([^"]+)"', timeline), re.findall(r' id="([^"]+)"', timeline)
    assert len(ids) == len(set(ids)) and set(anchors) <= set(ids) and len(anchors) > 100
    arcs = [tuple(map(int, ends)) for ends in re.findall(r'data-before="(\d+)" data-after="(\d+)"', timeline)]
    keys = list(WORKS)
    assert sorted((keys[a], keys[b]) for a, b in arcs) == sorted((a, key) for key, took in TOOK.items() for a in took)


def test_the_first_page_says_where_to_begin_and_what_stands_on_what(client):
    page = client.get("/notes").text  # sent on to it
    names = [chapter.name for chapter in CHAPTERS]
    assert list(NEEDS) == names and all(escape(chapter.title) in page for chapter in CHAPTERS)
    for name, needs in NEEDS.items():
        assert all(names.index(one) < names.index(name) for one in needs)
    for way in WAYS:
        stops = [stop for stop in way.stops if isinstance(stop, str)]
        assert len(set(stops)) == len(stops) > 1 and set(stops) <= set(names)
        for i, stop in enumerate(
            stops
        ):  # in an order in which each stands on those before, where the way has them at all
            assert not set(NEEDS[stop]) & set(stops[i:]), (way.who, stop)
    for stop in (stop for way in WAYS for stop in way.stops if not isinstance(stop, str)):
        assert f'data-tab="{stop.tab}"' in page


@pytest.mark.parametrize(
    ("address", "status", "said"),
    [
        ("/notes/nowhere", 404, "The notes have no page of this name. There are start, basics"),
        ("/notes/forward/7", 404, "no page of this name"),
        ("/notes/check", 404, "no step of this name"),
        ("/notes/check?step=forward.nothing", 404, "load it anew"),
        ("/notes/check?step=forward.marginal&t=1001", 422, "Give t a whole number from 2 to 1000."),
    ],
)
def test_a_bad_address_is_answered_to_a_browser_and_to_a_program(client, address, status, said):
    answer = client.get(address, headers={"Accept": "text/html,application/xhtml+xml,*/*;q=0.8"})
    assert answer.status_code == status and "text/html" in answer.headers["content-type"]
    assert said in answer.text and ">Open the lab</a>" in answer.text
    answer = client.get(address)
    assert answer.status_code == status and said in answer.json()["detail"]


def test_script_and_font_are_served_where_the_page_asks_for_them(client):
    page = client.get("/notes/notation").text
    script, font = re.search(r"from '\./([^']+)'", page)[1], re.search(r"url\(([^)]+)\)", page)[1]
    text = client.get(f"/notes/{script}")
    assert "immutable" in text.headers["cache-control"]
    beside = re.findall(r'from "\./([^"]+)"', text.text)
    assert beside and all(client.get(f"/notes/{script}/../{name}").status_code == 200 for name in beside)
    assert client.get(f"/notes/{font}").content[:4] == b"wOF2"


def test_both_sides_are_answered_in_words(client):
    answer = client.get("/notes/check", params={"step": "forward.posterior-mean", "t": "500", "x_t": "-0.5"})
    assert answer.status_code == 200
    told = answer.json()
    assert told["agree"] is True and told["left"] == told["right"]
    assert re.fullmatch(r"The sides agree: they differ by \S+\. At most 1e-6 is allowed for rounding\.", told["words"])


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ({"step": "forward.marginal", "t": "nan"}, "Give t a whole number from 2 to 1000."),
        ({"step": "forward.marginal", "t": "1001"}, "Give t a whole number"),
        ({"step": "forward.marginal", "x_t": ""}, "Give x_t a number from -4 to 4."),
        ({"step": "forward.marginal", "x_t": "1e999"}, "Give x_t a number"),
        ({"step": "forward.marginal", "y": "1"}, "takes x_t, t, share and nothing else"),
    ],
)
def test_what_cannot_be_computed_is_refused_in_words(client, asked, said):
    answer = client.get("/notes/check", params=asked)
    assert answer.status_code == 422 and said in answer.json()["detail"]


def test_a_step_that_does_not_hold_says_so(monkeypatch):
    from lab.notes.step import Check, Sides

    for sides, said in (
        (Sides(1, 2, 0.5), "The sides do not agree: they differ by 1. At most 0.5 is allowed for rounding."),
        (Sides(2, 1, 0, relation="≤"), "It does not hold: the left side is larger, by 1. At most 0 is allowed for rounding."),
        (Sides(1, 2, 0, relation="≤"), "It holds: the left side is the smaller, by 1."),
    ):  # fmt: skip
        monkeypatch.setattr(Check, "run", lambda self, values, sides=sides: sides)
        assert answers.answer("forward.jump", {})["words"] == said


def test_equations_are_mathml_whose_symbols_know_their_row():
    root = ElementTree.fromstring(equations.display(r"\bar\alpha_{t-1}\,x_0 + \big\| \epsilon \big\|^2 + \mathrm{SNR}"))
    tag = root.tag.removesuffix("math")
    rows = [SYMBOLS[int(one.get("data-symbol"))].forms[0] for one in root.iter() if one.get("data-symbol")]
    assert rows == [r"\bar\alpha_t", "x_0", r"\epsilon", r"\mathrm{SNR}"]
    assert [one.text for one in root.iter(f"{tag}mi")][-1] == "SNR"
    assert equations.prose("a < b & c") == "a &lt; b &amp; c"
    kept, free = (equations.prose(text) for text in ("to $s$, then", "to $s$ then"))
    assert re.fullmatch(r'to <span class="closed"><math.*</math>,</span> then', kept) and "span" not in free


def test_every_equation_is_drawn_without_what_is_not_understood():
    for step in STEPS.values():
        for line in step.equation:
            words = "".join(ElementTree.fromstring(equations.display(line)).itertext())
            assert "\\" not in words and "&" not in words, line
