"""The table of papers against the presets that it names, and the page made of it."""

import re
from html import unescape

import pytest

from lab import ui
from lab.papers import PAPERS
from lab.ui.tabs.papers import tab as papers

PLAYED = {tab.name: tab for tab in ui.TABS if tab.presets}
TRIES = [one for paper in PAPERS for one in paper.tries]


@pytest.mark.parametrize("row", TRIES, ids=lambda row: f"{row.tab}: {row.preset}")
def test_what_a_paper_offers_is_a_preset(row):
    assert row.preset in PLAYED[row.tab].presets
    assert row.look_for.endswith(".")


def test_every_tab_with_presets_is_reached_by_a_paper():
    assert {row.tab for row in TRIES} == PLAYED.keys()
    assert len(set(TRIES)) == len(TRIES)


def test_rows_are_oldest_first_and_linked():
    assert [row.year for row in PAPERS] == sorted(row.year for row in PAPERS)
    assert len({row.link for row in PAPERS}) == len({row.title for row in PAPERS}) == len(PAPERS)
    for row in PAPERS:
        number = re.fullmatch(r"https://arxiv\.org/abs/(\d\d)\d\d\.\d{4,5}", row.link)
        assert 2000 + int(number[1]) == row.year if number else row.link.startswith("https://openreview.net/")
        assert row.idea.endswith(".") and row.equation and "$" not in row.equation


def test_the_page_offers_what_the_table_says_and_marks_the_rest():
    for row in PAPERS:
        card = papers._card(row)
        buttons = re.findall(r'data-tab="([^"]*)" data-preset="([^"]*)"', card)
        assert [(tab, unescape(preset)) for tab, preset in buttons] == [(one.tab, one.preset) for one in row.tries]
        assert (papers.UNBUILT in card) == (not row.tries)
        assert f"\n\n$${row.equation}$$\n\n" in card
