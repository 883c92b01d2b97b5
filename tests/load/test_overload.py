"""Four times as many visitors as the lab takes: whoever does not fit hears so at once, the others lose nothing."""

import os
import re

import pytest

from tests.load.harness import crowd, serving, summary

ALONE = "SOAK_S" in os.environ
SECONDS = 60 if ALONE else 15
PLACES, ROOM = 4, 12
VISITORS = 4 * (PLACES + ROOM)
GROWTH = 1.02 if ALONE else 1.05
FULL = re.compile(r"The lab is full: 4 runs under way and 12 in line\. Try again in about [1-9]\d* s\.")


@pytest.fixture(scope="module")
def flood(tmp_path_factory):
    """How every press of Run ended, and resident bytes before and after."""
    with serving(
        tmp_path_factory.mktemp("flood") / "log", LAB_MAX_RUNS=str(PLACES), LAB_QUEUE_SIZE=str(ROOM)
    ) as server:
        for seed in range(2):
            crowd(server, VISITORS, 10, seed)
            before = server.deserted()
        ended = crowd(server, VISITORS, SECONDS, 2)
        after = server.deserted()
    print(f"\n{summary(ended)}; resident {before / 1e6:.0f} MB before, {after / before - 1:+.1%} after")
    return ended, before, after


def refused(run):
    return run.asked is not None and run.how == "in words"


def test_who_does_not_fit_hears_when_to_try_again_and_has_not_waited(flood):
    turned_away = [run for run in flood[0] if refused(run)]
    assert len(turned_away) >= VISITORS
    for run in turned_away:
        assert FULL.fullmatch(run.words.strip()), run.words
        assert run.updates <= 2  # that it starts, and this; nothing of a place in the line


def test_who_fits_gets_pictures(flood):
    """And nobody is lost, refused by Gradio's queue without a word, or told of a failure."""
    taken = [run for run in flood[0] if run.asked is not None and not refused(run)]
    assert {run.how for run in taken} == {"finished", "stopped", "closed"}
    finished = [run for run in taken if run.how == "finished"]
    assert len(finished) > PLACES
    for run in finished:
        assert run.pictures.keys() == set(range(len(run.asked.lanes)))


def test_memory_stays_flat(flood):
    _, before, after = flood
    assert after <= GROWTH * before
