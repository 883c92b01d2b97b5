"""Every step of the notes: both sides agree wherever its numbers may be, and what it names is there."""

import re
from xml.etree import ElementTree

import pytest

from lab import ui
from lab.notes.chapters import CHAPTERS, STEPS
from lab.notes.history import READING, TOOK, WORKS
from lab.notes.notation import SYMBOLS
from lab.notes.places import line_of
from lab.notes.step import Number, Sides
from lab.papers import PAPERS
from lab.ui.tabs.notes import equations

PRESETS = {tab.name: tab.presets for tab in ui.TABS}
each_step = pytest.mark.parametrize("name", STEPS)


def values_of(number):
    """Where a number is tried: both of its ends, or a few seeds."""
    return (1, 2, 3) if number.name == "seed" else (number.low, number.high)


@each_step
def test_both_sides_agree(name):
    check = STEPS[name].check
    assert check.run({}).agree, check.run({})
    for number in check.numbers:
        for value in values_of(number):
            sides = check.run({number.name: value})
            assert sides.agree, (number.name, value, sides)
    for end in (0, 1):
        sides = check.run({number.name: values_of(number)[end] for number in check.numbers})
        assert sides.agree, (end, sides)


@each_step
def test_what_a_step_names_is_there(name):
    step = STEPS[name]
    assert (step.sources or name.startswith("basics.")) and all(source.work in WORKS for source in step.sources)
    assert all(line_of(place) > 0 for place in step.code)
    for shown in step.shown:
        assert shown.tab in PRESETS and (not shown.preset or shown.preset in PRESETS[shown.tab])
    assert step.title[-1] not in ".:" and all(paragraph.rstrip()[-1] in ".:" for paragraph in step.text)


# Words that a reader of calculus and basic probability may not know, and the step that explains each.
EXPLAINED = {
    "quadrature": "basics.density", "expectation": "basics.mean", "standard error": "basics.mean", "normal density": "basics.normal",
    "prior": "basics.bayes", "posterior": "basics.bayes", "marginal": "basics.bayes", "network": "basics.slope", "score": "basics.slope",
    "nat": "elbo.entropy", "encoder": "elbo.vae", "decoder": "elbo.vae", "autoencoder": "elbo.vae", "linear schedule": "forward.step",
    "signal-to-noise": "forward.snr", "SDE": "dynamics.limit", "Fokker–Planck": "dynamics.spread", "probability flow": "dynamics.flow",
    "guidance scale": "guidance.power", "query": "latent.root", "U-Net": "latent.zero", "map": "latent.zero", "zero layer": "latent.zero",
    "consistency function": "flow.ends", "straight flow": "forward.snr",
}  # fmt: skip


@pytest.mark.parametrize("word", EXPLAINED)
def test_a_word_is_explained_where_it_is_first_used(word):
    used = [
        name
        for name, step in STEPS.items()
        if re.search(rf"\b{word}\b", " ".join((step.title, *step.text, step.check.left, step.check.right)))
    ]
    assert used[0] == EXPLAINED[word]


def test_names_are_unique_and_steps_are_seen_in_the_lab():
    assert len(STEPS) == sum(len(chapter.steps) for chapter in CHAPTERS)
    for chapter in CHAPTERS:
        assert any(step.shown for step in chapter.steps) and any(step.code for step in chapter.steps)


KNOWN = {
    "π",
    "e",
    ";",
    "∞",
    *equations.FUNCTIONS,
    "min",
    "max",
}  # numbers, functions, and a sign that comes as a letter


def letters(element):
    """The symbols in an equation, as bare MathML, that the table of notation has not."""
    for part in element:
        if part.get("data-symbol"):
            continue
        if part.tag in ("msub", "msubsup") and part[0].tag in ("mi", "mover"):
            yield equations.symbol(part)
        elif part.tag == "mi" or (part.tag == "mover" and part[0].tag == "mi"):
            if part.text not in KNOWN:
                yield equations.symbol(part)
        else:
            yield from letters(part)


def parsed(latex):
    """Without the names of the elements' space."""
    root = ElementTree.fromstring(equations.display(latex))
    for one in root.iter():
        one.tag = one.tag.rpartition("}")[2]
    return root


@each_step
def test_every_symbol_of_an_equation_is_in_the_table_or_in_the_steps_own_text(name):
    step = STEPS[name]
    said = {
        equations.symbol(one)
        for paragraph in step.text
        for formula in equations.DOLLARS.findall(paragraph)
        for one in parsed(formula).iter()
    }
    assert [one for line in step.equation for one in letters(parsed(line)) if one not in said] == []


def test_a_symbol_that_nobody_explains_is_found():
    assert list(letters(parsed(r"\xi_t + x_0^2 + \log \hat k"))) == [
        "<msub><mi>ξ</mi><mi>t</mi></msub>",
        "<mover><mi>k</mi><mo>^</mo></mover>",
    ]


def test_every_symbol_of_the_table_stands_in_an_equation():
    written = " ".join(" ".join(step.equation + step.text) for step in STEPS.values())
    assert [symbol.forms[0] for symbol in SYMBOLS if not any(form in written for form in symbol.forms)] == []
    assert all(line_of(symbol.place) for symbol in SYMBOLS if symbol.place)


@pytest.mark.parametrize("typed", ["", "much", "nan", "inf", "-1", "10.5", "1e3", "2.5"])
def test_a_number_that_cannot_be_taken_is_refused_in_words(typed):
    with pytest.raises(ValueError, match="Give t a whole number from 0 to 10"):
        Number("t", "t", 3, 0, 10, whole=True).read(typed)


def test_sides_that_are_no_numbers_do_not_agree():
    assert not Sides(float("nan"), float("nan"), 1).agree and not Sides(float("inf"), 1, float("inf")).agree
    assert Sides(1, 2, 0, relation="≤").agree and not Sides(2, 1, 0.5, relation="≤").agree


def test_works_took_from_works_before_them():
    assert len(WORKS) == len({work.title for work in WORKS.values()}) > len(PAPERS)
    years = [work.year for work in WORKS.values()]
    assert years == sorted(years)
    for key, took in TOOK.items():
        assert all(WORKS[before].year <= WORKS[key].year and what for before, what in took.items()), key
    with_roots = {key for key in WORKS if key in TOOK or any(key in took for took in TOOK.values())}
    assert with_roots == WORKS.keys()  # nobody stands alone
    assert {f"{paper.authors} {paper.year}" for paper in PAPERS} <= TOOK.keys()
    assert all(work.idea.endswith(".") for work in WORKS.values()) and all(
        one.good_for.endswith(".") for one in READING
    )
