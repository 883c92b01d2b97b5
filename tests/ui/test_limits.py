"""The page of a lab whose operator allows little: every tab is laid out, and what is too much is refused at Run alone."""

import pytest

from lab import ui
from lab.backends.deferred import Deferred
from lab.settings import Settings

LEAST = {"max_lanes": 1, "max_steps": 1, "max_lane_steps": 1, "max_visitor_lanes": 1, "max_visitor_steps": 1}


@pytest.mark.parametrize("name", [*LEAST, "all of them"])
def test_the_page_is_laid_out_whatever_a_run_may_have(name):
    limits = LEAST if name == "all of them" else {name: LEAST[name]}
    page = ui.build(Deferred(), Settings(**limits))
    tabs = {block.elem_id for block in page.blocks.values()}
    assert {f"tab-{tab.name}" for tab in ui.TABS} <= tabs
