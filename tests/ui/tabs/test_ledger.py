"""The Ledger tab without a browser: what its controls ask for, how a bill adds up on the page, and what it says to bad input."""

import json
import threading
from dataclasses import replace
from math import inf
from types import SimpleNamespace

import gradio as gr
import numpy as np
import pytest
from PIL import Image

from lab.capsules.capsule import from_link
from lab.requests.base import LabError, Note
from lab.requests.ledger import (
    KINDS,
    Bill,
    BillsRequest,
    LedgerPrior,
    LedgerRequest,
    LedgerTerm,
    Likelihood,
    LikelihoodRequest,
    OpenedStep,
    Source,
    SourceRequest,
    StepRequest,
)
from lab.settings import ASSETS, Settings
from lab.ui.shell import reel
from lab.ui.tabs.ledger import bills, charts, film, ranking, view
from lab.ui.tabs.ledger import tab as ledger
from tests.ui.values import first_values, set_to

VISITOR = SimpleNamespace(session_hash="visitor")
WHITE, GREY, BLACK = (np.full((32, 32, 3), value, np.uint8) for value in (255, 128, 0))
DIMENSIONS = 3072


def terms(n, last=4.0, framed=True):
    """n terms of 1, 2, 3, … bits and a last one, under two variances, the second dearer by a tenth."""
    amounts = [*range(1, n), last]
    return [
        LedgerTerm(i, n, 100.0 * (n - i), -5 + i, {"learned": bits, "small": 1.1 * bits, "large": bits, "exact": bits},
                   60 - i, GREY if framed else None, BLACK if framed else None)
        for i, bits in enumerate(amounts)
    ]  # fmt: skip


def answers(request):
    """What a backend says to a request of this tab."""
    if isinstance(request, LedgerRequest):
        exact = request.model == "exact-32"
        yield LedgerPrior(0.5, DIMENSIONS, WHITE, 3880 if exact else 0, exact)
        yield from terms(request.calls)
    elif isinstance(request, BillsRequest):
        for index, kind in enumerate(dict.fromkeys(request.kinds)):
            bits = {"learned": 100.0 * (9 - index), "exact": inf}
            yield Bill(index, kind, f"<{kind}>", GREY, bits, {name: one / DIMENSIONS for name, one in bits.items()})
    elif isinstance(request, SourceRequest):
        yield Source(GREY, f"a {request.kind} picture")
    elif isinstance(request, StepRequest):
        yield OpenedStep(
            request.i, 5.0, -1.5, GREY, GREY, GREY, GREY, 0.01, (0.01, 0.02, 0.03), GREY[..., 0], GREY[..., 0], 2.5, 7.0
        )
    elif isinstance(request, LikelihoodRequest):
        yield Likelihood(6000.0, 1.953, request.steps)


class Backend:
    """Keeps what it is asked for."""

    def __init__(self, answer=answers):
        self.answer, self.requests = answer, []

    def run(self, request, stop=None, client=""):
        self.requests.append(request)
        for event in self.answer(request):
            yield event
            if stop is not None and stop.is_set():
                return


def make_tab(answer=answers):
    with gr.Blocks(), gr.Tab() as page:
        return ledger.build(Backend(answer), Settings(), page)


@pytest.fixture
def tab():
    return make_tab()


def values_of(tab, **now):
    now = {"picture": ledger._example("red-apple-glossy")} | now  # the component itself holds Gradio's copy
    return first_values(tab) | {tab.form[name]: value for name, value in now.items()}


def ended(tab, **now):
    """The last update of a run."""
    *_, last = tab.on_run(values_of(tab, **now), VISITOR)
    return last


# What is asked for


@pytest.mark.parametrize(
    ("payers", "schedules", "calls", "runs"),
    [
        (["network"], ["cosine"], [100], 1),
        (["network", "network-small", "network-large"], ["cosine"], [25], 1),
        (["network", "memoriser"], ["cosine"], [25], 2),
        (["network"], ["cosine", "linear"], [25, 100], 4),
        (["memoriser", "memoriser-small"], ["cosine", "linear"], [100], 2),
    ],
)
def test_a_model_is_asked_once_for_all_of_its_variances(payers, schedules, calls, runs):
    plan = bills.plan(payers, schedules, calls, {"picture": GREY, "seed": 3})
    assert len(plan.requests) == runs and len(plan.bills) == len(payers) * len(schedules) * len(calls)
    assert len({(one.model, one.schedule, one.calls) for one in plan.requests}) == runs
    assert {one.seed for one in plan.requests} == {3}  # one path for all
    for bill in plan.bills:
        assert plan.requests[bill.run].model == bill.payer.model
    assert len({bill.title for bill in plan.bills}) == len(plan.bills)


@pytest.mark.parametrize(
    ("payers", "schedules", "calls"),
    [
        (["network"], ["cosine"], [2, 3, 4, 5, 6]),
        (["network", "memoriser"], ["cosine", "linear"], [10, 20]),
        (["network", "network-small", "network-large"], ["cosine", "linear"], [10, 20]),
        ([], ["cosine"], [10]),
    ],
)
def test_more_than_the_page_compares_is_refused_in_words(payers, schedules, calls):
    with pytest.raises(LabError, match="Take fewer|Choose at least one"):
        bills.plan(payers, schedules, calls, {"picture": GREY})


@pytest.mark.parametrize("text", ["", "1", "1001", "0", "-3", "2.5", "many", "100; x", None])
def test_numbers_of_steps_that_cannot_be_are_refused_in_words(tab, text):
    last = ended(tab, calls=text)
    assert "lab-note bad" in last[tab.runs.note] and "Steps" in last[tab.runs.note] and not tab.backend.requests


@pytest.mark.parametrize("experiment", ["bill", "rank"])
@pytest.mark.parametrize("source", ["example", "noise"])
@pytest.mark.parametrize("seed", [-1, 2**31, 99999999999, None, 1.5, inf])
def test_seeds_that_cannot_be_are_refused_in_words(tab, seed, source, experiment):
    last = ended(tab, seed=seed, source=source, experiment=experiment)
    assert "lab-note bad" in last[tab.runs.note] and "Seed" in last[tab.runs.note]
    assert set_to(last[tab.runs.run])["interactive"] is True and not tab.backend.requests


def test_several_numbers_of_steps_and_both_schedules(tab):
    ended(tab, calls="2, 5", schedules=ledger.BOTH)
    assert [(one.schedule, one.calls) for one in tab.backend.requests] == [
        ("cosine", 2),
        ("cosine", 5),
        ("linear", 2),
        ("linear", 5),
    ]


def test_the_picture_that_is_chosen_is_the_one_that_is_described(tab):
    ended(tab)
    assert tab.backend.requests[0].picture.shape == (512, 512, 3)
    ended(tab, source="held-out", seed=9)
    chosen, described = tab.backend.requests[-2:]
    assert (
        (chosen.kind, chosen.seed) == ("held-out", 9)
        and np.array_equal(described.picture, GREY)
        and described.seed == 9
    )
    assert "Choose a picture first" in ended(tab, picture=None)[tab.runs.note]


def test_pictures_of_the_lab_are_said_to_be_its_own_and_a_visitors_are_not(tab, tmp_path):
    path = tmp_path / "own.png"
    Image.fromarray(GREY).save(path)
    for now, shipped in (({}, True), ({"source": "noise"}, True), ({"picture": str(path)}, False)):
        ended(tab, calls="4", **now)
        assert tab.backend.requests[-1].shipped is shipped


# How a bill adds up


@pytest.mark.parametrize("order", [1, -1])
def test_terms_that_come_early_wait_for_those_before_them(order):
    account = bills.Account([LedgerPrior(0.5, DIMENSIONS, WHITE, 0, False)])
    everything = terms(6)
    for count, term in enumerate(everything[::order], 1):
        account.add(term)
        assert len(account.terms) == (count if order == 1 else 6 if count == 6 else 0)
    assert account.whole and account.sums("learned") == [0.5, 1.5, 3.5, 6.5, 10.5, 15.5, 19.5]
    assert account.total("small") == pytest.approx(0.5 + 1.1 * 19) and account.parts("learned") == (0.5, 15, 4)


@pytest.mark.parametrize("count", range(1, 7))
def test_a_bill_that_is_not_whole_has_no_last_term(count):
    account = bills.Account([LedgerPrior(0.5, DIMENSIONS, WHITE, 0, False), *terms(7)[:count]])
    assert not account.whole and account.parts("learned") == (0.5, sum(range(1, count + 1)), None)


def test_the_area_under_the_densities_is_the_bill_without_its_last_term():
    account = bills.Account([LedgerPrior(0.0, DIMENSIONS, WHITE, 0, False), *terms(9)])
    _, heights = account.densities("learned")
    assert sum(heights) * DIMENSIONS == pytest.approx(sum(range(1, 9)))  # the levels lie 1 apart


@pytest.mark.parametrize("last", [0.0, 4.0, inf])
def test_shares_of_a_bill_rise_to_all_of_it(last):
    account = bills.Account([LedgerPrior(0.5, DIMENSIONS, WHITE, 0, False), *terms(8, last)])
    shares = account.shares("learned")
    assert shares == sorted(shares) and len(shares) == 9 and shares[0] > 0 and shares[-1] == 1


def test_places_are_even_in_log_snr_and_the_same_for_all_runs():
    """Terms of terms() lie 1 apart."""
    fine, coarse = (bills.Account([LedgerPrior(0, DIMENSIONS, WHITE, 0, False), *terms(n)]) for n in (21, 11))
    places = film.Places([fine, coarse])
    assert places.along(fine) == [*(round(i / 20 * (reel.LAST - 1)) for i in range(21)), reel.LAST]
    assert places.along(coarse)[:-1] == places.along(fine)[:11]


# What is shown


def accounts_of(plan, last=4.0):
    return [
        bills.Account([LedgerPrior(0.5, DIMENSIONS, WHITE, 0, False), *terms(request.calls, last)])
        for request in plan.requests
    ]


@pytest.mark.parametrize("last", [4.0, inf])
@pytest.mark.parametrize("over", [charts.T_AXIS, charts.LEVEL_AXIS])
@pytest.mark.parametrize("name", charts.CHARTS)
def test_every_chart_is_json_of_finite_numbers(name, over, last):
    plan = bills.plan(["network", "memoriser"], ["cosine"], [40], {"picture": GREY})
    whole = accounts_of(plan, last)
    for accounts in (whole, [bills.Account(), bills.Account()], [whole[0], bills.Account()]):
        plot = json.loads(charts.draw(name, over, plan, accounts).plot)
        assert [trace["name"] for trace in plot["data"]] == ["Network, learned variance", "Memoriser"]
        assert "NaN" not in json.dumps(plot) and "Infinity" not in json.dumps(plot)


def test_the_curve_of_error_over_bits_is_that_of_the_account():
    plan = bills.plan(["network"], ["cosine"], [5], {"picture": GREY})
    (trace,) = json.loads(charts.draw("distortion", "", plan, accounts_of(plan)).plot)["data"]
    assert trace["x"] == [float(f"{bits / DIMENSIONS:.5g}") for bits in (0.5, 1.5, 3.5, 6.5, 10.5, 14.5)]
    assert trace["y"] == [60, 59, 58, 57, 56, 0]


def test_the_film_ends_in_the_picture_and_a_memoriser_that_cannot_in_its_last_guess():
    plan = bills.plan(["network", "memoriser"], ["cosine"], [6], {"picture": GREY})
    able, unable = accounts_of(plan)[0], accounts_of(plan, inf)[1]
    stage = view.stage(plan, [able, unable])
    assert "14.5" not in stage and ">20<" not in stage and ">19.50<" in stage and view.UNKNOWN in stage
    parts = film.parts(plan, [able, unable], reel.LAST)
    assert np.array_equal(parts["0-guess"], WHITE) and np.array_equal(parts["1-guess"], BLACK)
    half = film.parts(plan, [able, unable], 100)
    assert np.array_equal(half["0-guess"], BLACK) and np.array_equal(half["noisy"], GREY)


@pytest.mark.parametrize("chart", charts.CHARTS)
def test_a_bill_is_looked_at_at_log_snr_0_and_error_over_bits_where_a_third_of_them_are_there(tab, chart):
    """Of 100 steps of 1, 2, 3, … bits a third have come before step 58; their log-SNR are −5, −4, …"""
    rest = round((57 if chart == "distortion" else 5) / 99 * (reel.LAST - 1))
    found = int(ended(tab, chart=chart)[tab.stage].split("&quot;rest&quot;: ")[1].split(",")[0])
    assert abs(found - rest) <= 3  # a frame before


@pytest.mark.parametrize("count", [1, 2, 7])
def test_a_run_that_was_stopped_ends_its_film_in_what_there_is(count):
    plan = bills.plan(["network"], ["cosine"], [9], {"picture": GREY})
    account = bills.Account([LedgerPrior(0.5, DIMENSIONS, WHITE, 0, False), *terms(9)[:count]])
    parts = film.parts(plan, [account], reel.LAST)
    assert np.array_equal(parts["noisy"], GREY) and np.array_equal(parts["0-guess"], BLACK)
    assert parts["noisy-words"].startswith("log-SNR") and "Bits so far" in view.stage(plan, [account])


@pytest.mark.parametrize("place", [0, 1, 50, 99, 150, 199, 200])
def test_what_is_shown_is_what_is_opened(place):
    plan = bills.plan(["network"], ["cosine"], [30], {"picture": GREY})
    everything = [replace(term, x_t=None, x_0=None) if term.i % 4 else term for term in terms(30)]
    account = bills.Account([LedgerPrior(0.5, DIMENSIONS, WHITE, 0, False), *everything])
    i = film.step_at(plan, [account], place)
    shown = film.parts(plan, [account], place)["noisy-words"]
    assert shown == (view.level(account.terms[i]) if place < reel.LAST else "all of it")


def test_a_run_ends_with_its_link_and_its_bill(tab):
    last = ended(tab, payers=["network", "network-small"], calls="5")
    assert ">14.50<" in last[tab.stage] and "5 terms" in last[tab.runs.note]
    capsule = from_link(last[tab.share.code])
    assert capsule.values["payers"] == ["network", "network-small"] and capsule.values["picture"] == {
        "example": "red-apple-glossy"
    }


def test_the_memorisers_end_is_said_in_words(tab):
    assert "log₂ 3,880 = 11.92" in ended(tab, payers=["memoriser"], calls="4")[tab.runs.note]


def test_a_run_that_is_stopped_keeps_what_is_there(tab):
    stop = threading.Event()
    updates = tab._bill(values_of(tab, calls="50"), "", stop)
    next(updates)
    stop.set()
    with pytest.raises(StopIteration) as end:
        while True:
            next(updates)
    last = end.value.value
    assert "Stopped" in last[tab.runs.note] and last[tab.share.record] == ""


def test_what_the_backend_notes_is_said():
    def noting(request):
        yield Note("The picture was resized.")
        yield from answers(request)

    other = make_tab(noting)
    assert "The picture was resized." in ended(other)[other.runs.note]


def test_an_error_of_the_backend_reaches_the_visitor_as_text():
    def failing(request):
        raise LabError("No room for this.")
        yield

    other = make_tab(failing)
    assert "No room for this." in ended(other)[other.runs.note]


def test_another_chart_needs_no_run(tab):
    last = ended(tab)
    values = values_of(tab, chart="running", over=charts.LEVEL_AXIS) | {tab.last_run: last[tab.last_run]}
    count = len(tab.backend.requests)
    update = tab.on_chart(values)
    assert json.loads(update[tab.plot].plot)["layout"]["yaxis"]["title"]["text"] == "bits received"
    assert len(tab.backend.requests) == count
    assert tab.plot not in tab.on_chart(values | {tab.last_run: None})


# One step, and a second opinion


@pytest.mark.parametrize(("place", "i"), [("0", 0), (str(reel.LAST), 9), ("", 9), ("nonsense", 9)])
def test_the_step_at_the_slider_is_opened(tab, place, i):
    last = ended(tab, calls="10")[tab.last_run]
    *_, update = tab.on_step(place, last, VISITOR)
    asked = tab.backend.requests[-1]
    assert isinstance(asked, StepRequest) and (asked.i, asked.variance, asked.ledger.calls) == (i, "learned", 10)
    assert "7.00 bits" in update[tab.opened] and ("L<sub>0</sub>" in update[tab.opened]) is (i == 9)


def test_a_second_opinion_stands_beside_the_bound(tab):
    last = ended(tab, calls="10")[tab.last_run]
    *_, update = tab.on_opinion(last, VISITOR)
    assert "1.953 bits per dimension" in update[tab.opened] and "The bound of this run says 0.016" in update[tab.opened]


@pytest.mark.parametrize("press", ["on_step", "on_opinion"])
def test_without_a_run_there_is_nothing_to_open(tab, press):
    more = ["0"] if press == "on_step" else []
    *_, update = getattr(tab, press)(*more, None, VISITOR)
    assert "press Run first" in update[tab.runs.note]


@pytest.mark.parametrize("press", ["on_step", "on_opinion"])
def test_a_look_leaves_a_run_that_is_under_way_alone(tab, press):
    last = ended(tab, calls="10")[tab.last_run]
    run = tab.on_run(values_of(tab, calls="10"), VISITOR)
    next(run)
    list(getattr(tab, press)(*(["3"] if press == "on_step" else []), last, VISITOR))
    *_, update = run
    assert update[tab.runs.run]["interactive"] is True and "10 terms" in update[tab.runs.note]


def test_a_script_a_model_and_chain(tab):
    last = ended(tab, payers=["network", "network-large", "memoriser"], calls="4, 6")
    scripts = list(tab.scripts({tab.last_run: last[tab.last_run]}))
    assert [one.name for one in scripts] == ["bill-1.py", "bill-2.py", "bill-3.py", "bill-4.py"]
    assert all(compile(one.text, one.name, "exec") for one in scripts)
    with pytest.raises(LabError, match="nothing to share"):
        list(tab.scripts({tab.last_run: None}))


def test_a_look_that_comes_late_leaves_a_newer_run_alone(tab):
    last = ended(tab, calls="10")[tab.last_run]
    look = tab.on_opinion(last, VISITOR)
    assert "40 steps" in next(look)[tab.opened]
    ended(tab, calls="5")
    assert not any("per dimension" in update[tab.opened] for update in look)


# Pictures sorted


def test_pictures_are_sorted_by_their_bills(tab):
    last = ended(tab, experiment="rank", calls="7")
    asked = tab.backend.requests[-1]
    assert (
        isinstance(asked, BillsRequest) and asked.calls == 7 and asked.own is None
    )  # an example is no picture of one's own
    stage = last[tab.stage]
    assert last[tab.opened] == ""  # what is said of the slider has no place here
    places = [stage.index(f"&lt;{kind}&gt;") for kind in reversed([kind for kind in KINDS if kind != "own"])]
    assert places == sorted(places)


def test_sorted_pictures_need_none_of_ones_own_and_their_link_carries_one(tab, tmp_path):
    assert "Choose a picture" not in ended(tab, experiment="rank", calls="4", picture=None)[tab.runs.note]
    path = tmp_path / "own.png"
    Image.fromarray(GREY).save(path)
    last = ended(tab, experiment="rank", calls="4", picture=str(path))
    assert tab.backend.requests[-1].own is not None
    assert from_link(last[tab.share.code]).values["picture"]["png"]


def test_what_pictures_are_sorted_by_is_said_where_there_is_more(tab):
    assert ledger.FIRST not in ended(tab, experiment="rank", calls="4")[tab.runs.note]
    for more in ({"calls": "4, 5"}, {"schedules": ledger.BOTH}, {"payers": ["network", "network-large"]}):
        assert ledger.FIRST in ended(tab, experiment="rank", **({"calls": "4"} | more))[tab.runs.note]
    assert "Choose a bill" in ended(tab, experiment="rank", payers=[])[tab.runs.note]


def test_a_picture_without_a_price_comes_last():
    payer = bills.PAYERS["memoriser"]
    some = [
        Bill(i, "noise", str(i), GREY, {"exact": bits}, {"exact": bits / 3072})
        for i, bits in enumerate((inf, 3.0, inf))
    ]
    stage = ranking.stage(some, payer)
    assert stage.index(">3.00 bits<") < stage.index(view.UNKNOWN)


def test_all_kinds_have_a_colour_of_their_own():
    assert set(ranking.COLOURS) == set(KINDS) and len(set(ranking.COLOURS.values())) == len(KINDS)


# Links


def test_a_link_brings_the_controls_and_the_picture_back(tab):
    last = ended(tab, payers=["memoriser"], calls="5", seed=4, schedules="linear")
    capsule = from_link(last[tab.share.code])
    update, button, remark = tab.restore(capsule, tab.share.values_in(capsule))
    assert button == "ledger-run" and not remark
    assert set_to(update[tab.form["calls"]]) == "5" and set_to(update[tab.form["payers"]]) == ["memoriser"]
    assert set_to(update[tab.form["picture"]]).endswith(".png")


def test_a_link_without_the_senders_picture_waits_for_another(tab):
    capsule = from_link(ended(tab)[tab.share.code])
    lost = capsule.model_copy(update={"values": capsule.values | {"picture": {"png": ""}}})
    _, button, remark = tab.restore(lost, tab.share.values_in(lost))
    assert not button and "the sender's own" in remark


def test_a_file_that_is_no_picture_is_refused_as_it_comes(tab, tmp_path):
    (tmp_path / "note.png").write_text("no picture")
    for path in (None, str(tmp_path / "note.png")):
        update = tab.examples.on_own(path)
        assert update[tab.form["picture"]] is None and "bad" in update[tab.runs.note]
        assert 'data-shown=""' in update[tab.examples.gallery]["value"]
    update = tab.examples.on_own(str(ASSETS / "images" / "fox-3d.png"))
    assert tab.form["picture"] not in update and "bad" not in update[tab.runs.note]
