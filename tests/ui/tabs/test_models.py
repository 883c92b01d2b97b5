"""The Models tab without a browser: what it makes of a status, and what it sends."""

import re
from dataclasses import replace
from html import unescape
from math import inf

import gradio as gr
import pytest

from lab.catalog import HELPERS
from lab.requests.status import Compiled, Compiling, LeasePlan, Replica, Resident, Status
from lab.ui.tabs.models import tab as models
from lab.ui.tabs.models import view as models_view

MB = 10**6
ON_CPU = Status(
    device="cpu",
    device_name="CPU",
    device_used=0,
    device_budget=inf,
    host_used=246 * MB,
    host_budget=4000 * MB,
    resident=(
        Resident("text-to-image", False, 28 * MB, 28 * MB, 2, False, ("denoiser: OpenVINO float32, error 4.5e-07",)),
        Resident("exact", False, 191 * MB, 191 * MB, 0, True),
        Resident("clip", False, 27 * MB, 27 * MB, 0, False),
    ),
    plans=(
        LeasePlan("exact", False, False, 191 * MB, ()),
        LeasePlan("text-to-image", False, False, 28 * MB, ()),
        LeasePlan("exact-32", True, False, 0, ()),
        LeasePlan("edges", True, False, 10 * MB, ("exact",)),
        LeasePlan("clip", False, False, 27 * MB, ()),
    ),
    running=3,
    waiting=1,
    lanes=14,
    steps_per_s=86.4,
)
ON_CUDA = replace(
    ON_CPU,
    device="cuda:0",
    device_name="Accelerator",
    device_used=6000 * MB,
    device_budget=16000 * MB,
    host_used=4100 * MB,
    host_budget=32000 * MB,
    resident=(
        Resident("text-to-image", True, 5100 * MB, 3400 * MB, 12, False),
        Resident("edges", True, 2400 * MB, 700 * MB, 0, False),
        Resident("exact", False, 4100 * MB, 4100 * MB, 0, False),
    ),
    plans=(
        LeasePlan("exact", False, True, 4100 * MB, ()),
        LeasePlan("text-to-image", False, False, 5100 * MB, ()),
        LeasePlan("pose", True, True, 700 * MB, ("edges", "exact", "pixel")),
        LeasePlan("clip", True, True, 27 * MB, ()),
    ),
)
EMPTY = replace(ON_CPU, host_used=0, resident=(), plans=(), running=0, waiting=0, lanes=0, steps_per_s=0.0)


def words(html):
    return " ".join(unescape(re.sub(r"<[^>]*>", " ", html)).split())


def row(status, name):
    """The words of a model's row."""
    (found,) = re.findall(rf'<tbody[^>]*data-name="{re.escape(name)}".*?</tbody>', models_view.table(status))
    return words(found)


def bars(status):
    """Of each bar: the bytes of its segments, and their widths in percent."""
    segments, widths = r'data-bytes="(\d+)"', r"width:([\d.]+)%"
    return [
        ([*map(int, re.findall(segments, bar))], [*map(float, re.findall(widths, bar))])
        for bar in models_view.memory(status).split('class="bar')[1:]
    ]


def compiling(*counts, now=None):
    """What is said above the table where the miniature and the others have networks ready, to come and torch's."""
    models = tuple(Compiled(name, *some) for name, some in zip(("text-to-image", "pixel"), counts, strict=False))
    status = replace(ON_CPU, compiling=Compiling(models, now))
    return re.findall(r'<p class="compiling">(.*?)</p>', models_view.table(status))[0], status


class Backend:
    def __init__(self, status):
        self.now, self.asked = status, 0

    def status(self):
        self.asked += 1
        return self.now


def make_tab(status, fresh_s=-1.0):
    """A tab that looks at every call, if not told to be content with what it saw a moment ago."""
    tab = models._Tab(Backend(status))
    tab.fresh_s = fresh_s
    with gr.Blocks():
        tab.lay_out()
    return tab


def skipped(update):
    return update == gr.skip()


def test_the_four_numbers():
    assert words(models_view.numbers(ON_CPU)) == (
        "3 runs under way 1 waiting in line 14 lanes in flight 86 lane steps a second"
    )


@pytest.mark.parametrize(
    ("speed", "shown"), [(0.0, "0"), (0.33, "0.3"), (9.94, "9.9"), (9.96, "10"), (1312.4, "1,312")]
)
def test_a_speed_has_as_many_digits_as_matter(speed, shown):
    assert f" {shown} lane steps" in words(models_view.numbers(replace(ON_CPU, steps_per_s=speed)))


def test_progress_of_compiling_is_counted_and_said():
    said, status = compiling((1, 2, 0), (0, 1, 0), now=("text-to-image", "denoiser", 16))
    assert said == (
        "1 of 4 networks that the lab prepares are ready, 3 to come. Until a network is, torch computes it; what a run waits for goes "
        "first. Now Miniature latent diffusion, denoiser, is being compiled for calls of 16 rows."
    )
    assert row(status, "text-to-image").endswith("1 of 3 networks ready, 2 to come")
    assert compiling((1, 2, 0), now=("pixel", "denoiser", 0))[0].endswith(
        "Now Miniature pixel diffusion, denoiser, is being converted."
    )
    said, status = compiling((3, 0, 0), (1, 0, 0))
    assert said.startswith("All 4 networks that the lab prepares are ready: ") and "Torch" not in said
    assert row(status, "text-to-image").endswith("3 of 3 networks ready")
    said, _ = compiling((2, 0, 1), (1, 0, 0))
    assert said.startswith("3 of 4 networks ") and said.endswith("Torch computes 1; its row says why.")


def test_where_nothing_is_compiled_nothing_is_said_of_it():
    assert '<p class="compiling"></p>' in models_view.table(ON_CPU)
    assert "network" not in row(ON_CPU, "text-to-image")


def test_a_row_says_where_how_large_how_used_and_what_run_would_do():
    assert row(ON_CPU, "text-to-image") == (
        "Miniature latent diffusion in memory 28 MB in use by 2 ready denoiser: OpenVINO float32, error 4.5e-07"
    )
    assert row(ON_CPU, "exact").startswith("Exact denoiser (closed form) in memory pinned 191 MB idle ready")
    assert row(ON_CPU, "exact-32").startswith("Exact denoiser at 32 px on disk – – loads it")
    assert "10 MB – loads 10 MB and evicts Exact denoiser (closed form)" in row(ON_CPU, "edges")
    assert row(ON_CPU, "clip").startswith("CLIP (scores pictures) in memory 27 MB idle ready")


def test_rows_where_there_are_two_places():
    assert "on the device 5,100 MB in use by 12 ready" in row(ON_CUDA, "text-to-image")
    assert "1,700 MB of it shared with others" in row(ON_CUDA, "text-to-image")
    assert "in memory 4,100 MB idle moves to the device" in row(ON_CUDA, "exact")
    assert "loads 700 MB and evicts ControlNet: Edges, Exact denoiser (closed form) and 1 more" in row(ON_CUDA, "pose")
    moved = replace(ON_CUDA, resident=(Resident("clip", False, MB, MB, 0, False),), plans=())
    assert "moves to the device" in row(moved, "clip")


@pytest.mark.parametrize("name", HELPERS)
def test_a_helper_network_has_its_row_before_it_is_needed(name):
    """What it loads for is said in place of Run, which does not load it."""
    plan = LeasePlan(name, True, False, 27 * MB, ())
    for fetch, does in ((False, "on disk 27 MB – loads when"), (True, "not fetched 27 MB – fetches and loads when")):
        status = replace(EMPTY, plans=(replace(plan, fetch=fetch),))
        assert row(status, name).startswith(f"{HELPERS[name].title} {does} {HELPERS[name].when}")


def test_what_is_not_on_this_machine_is_fetched():
    status = replace(EMPTY, plans=(LeasePlan("text-to-image", True, False, 0, (), fetch=True),))
    assert "not fetched – – fetches and loads it" in row(status, "text-to-image")
    status = replace(EMPTY, plans=(LeasePlan("text-to-image", True, False, 0, ()),))
    assert "on disk – – loads it" in row(status, "text-to-image")


def test_replicas_have_rows_where_there_are_several():
    assert words(models_view.replicas(ON_CPU)) == words(models_view.replicas(None)) == ""
    spread = replace(ON_CPU, replicas=(
        Replica("node <b>, process 7", "CPU", ("text-to-image", "edges"), 38 * MB, 2, 9, 86.4),
        Replica("other, process 8", "CPU", (), 0, 0, 0, 0.0),
    ))  # fmt: skip
    shown = models_view.replicas(spread)
    assert words(shown).endswith(
        "node <b>, process 7 CPU Miniature latent diffusion, ControlNet: Edges 38 MB 2 9 86 "
        "other, process 8 CPU – 0.0 MB 0 0 0"
    )
    assert "<b>" not in shown
    assert models_view.replicas(spread) in make_tab(spread).on_look(None)[1]


@pytest.mark.parametrize("status", [ON_CPU, ON_CUDA, EMPTY], ids=["cpu", "cuda", "empty"])
def test_segments_add_up_to_what_is_used_and_fit_the_bar(status):
    places = [(status.host_used, status.host_budget)]
    if status.device != "cpu":
        places.insert(0, (status.device_used, status.device_budget))
    assert len(bars(status)) == len(places)
    for (segments, widths), (used, budget) in zip(bars(status), places, strict=True):
        assert sum(segments) == used
        assert sum(widths) == pytest.approx(100 * used / budget, abs=0.01)


def test_shared_parts_have_a_segment_of_their_own():
    device, host = bars(ON_CUDA)
    assert device[0][-1] == (6000 - 3400 - 700) * MB and host[0][-1] == 0
    assert "shared 1.9 GB" in words(models_view.memory(ON_CUDA))


def test_the_whole_process_stands_beside_the_models():
    shown = words(models_view.memory(replace(ON_CPU, process=2_034_000_000)))
    assert "Memory models only; the whole process takes 2.03 GB 246 MB used" in shown
    assert "process" not in words(models_view.memory(ON_CPU))  # where nobody knows it


def test_bytes_of_nobody_are_those_of_a_model_that_arrives():
    shown = models_view.memory(replace(ON_CPU, host_used=300 * MB))
    assert "arriving 54 MB" in words(shown) and "shared" not in words(shown)


def test_while_a_model_is_moved_segments_still_add_up():
    """Some of its parts are counted elsewhere then, so that its own bytes are more than those used."""
    ((segments, widths),) = bars(replace(ON_CPU, host_used=100 * MB))
    assert sum(segments) == 100 * MB and min(segments) >= 0 and sum(widths) <= 100


def test_a_bar_says_what_is_used_and_free():
    assert "Memory 246 MB used, 3.75 GB free of 4 GB" in words(models_view.memory(ON_CPU))
    shown = words(models_view.memory(ON_CUDA))
    assert "Device memory Accelerator, cuda:0 6 GB used, 10 GB free of 16 GB" in shown
    assert "Host memory 4.1 GB used, 27.9 GB free of 32 GB" in shown


def test_without_a_budget_the_bar_has_no_end():
    status = replace(ON_CPU, host_budget=inf)
    ((segments, widths),) = bars(status)
    assert sum(segments) == status.host_used and sum(widths) == pytest.approx(75, abs=0.01)
    assert "246 MB used, no limit" in words(models_view.memory(status))
    ((_, widths),) = bars(replace(EMPTY, host_budget=inf))
    assert sum(widths) == 0


def test_over_budget_the_bar_is_full_and_nothing_is_free():
    status = replace(ON_CPU, host_budget=200.0 * MB)
    ((_, widths),) = bars(status)
    assert sum(widths) == pytest.approx(100, abs=0.01)
    assert "0.0 MB free of 200 MB" in words(models_view.memory(status))


@pytest.mark.parametrize("paint", [models_view.memory, models_view.table])
def test_the_page_keeps_its_elements_whatever_is_resident(paint):
    """So that the page patches what differs and nothing jumps."""
    gone = replace(ON_CPU, host_used=0, resident=())
    # pills come and go inside a cell; everything else is there in both
    tags = [
        re.findall(r"<(section|li|tbody|tr|td|em|b)\b", re.sub(r'<span class="busy">', "", paint(status)))
        for status in (ON_CPU, gone)
    ]
    assert tags[0] == tags[1]


def test_a_model_has_one_colour_in_bar_key_and_row():
    shown = models_view.memory(ON_CPU) + models_view.table(ON_CPU)
    offered = [plan.name for plan in ON_CPU.plans]
    for colour in models_view.COLOURS[: len(offered)]:
        assert shown.count(f"--model:{colour}") == 3
    assert len(set(models_view.COLOURS)) == len(models_view.COLOURS)


def test_names_are_escaped():
    bad = "<img src=x onerror=alert(1)>"
    status = replace(
        ON_CUDA,
        device_name=bad,
        resident=(Resident(bad, True, MB, MB, 1, False, (bad,)),),
        plans=(LeasePlan(bad, False, True, MB, (bad,)), LeasePlan("exact", True, True, MB, (bad,))),
    )
    shown = models_view.numbers(status) + models_view.memory(status) + models_view.table(status)
    assert "<img" not in shown and "&lt;img" in shown


def test_before_the_lab_has_started_it_says_so():
    assert "The lab is starting" in models_view.memory(None)
    assert words(models_view.numbers(None)).count("–") == 4
    assert "<tbody" not in models_view.table(None)


def test_a_tick_sends_only_what_changed():
    tab = make_tab(ON_CPU)
    *view, shown = tab.on_look(None)
    assert tuple(view) == shown and all(isinstance(part, str) for part in view)
    assert all(skipped(update) for update in tab.on_look(shown))
    tab.backend.now = replace(ON_CPU, lanes=15)
    numbers, memory, table, after = tab.on_look(shown)
    assert "15" in numbers and skipped(memory) and skipped(table) and after[0] == numbers


def test_many_who_look_at_once_cost_one_look():
    tab = make_tab(ON_CPU, fresh_s=3600.0)
    for _ in range(30):
        tab.on_look(None)
    assert tab.backend.asked == 1


def test_a_lab_that_starts_is_shown_as_soon_as_it_is_there():
    tab = make_tab(None)
    *_, shown = tab.on_look(None)
    assert "starting" in shown[1]
    tab.backend.now = ON_CPU
    assert all(isinstance(update, str) for update in tab.on_look(shown)[:3])
