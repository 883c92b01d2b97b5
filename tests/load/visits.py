"""A hundred visits on all models with larger runs, and what of them is still in memory some minutes after the last.

Part of `make soak` alone: it takes its time, and nothing of it is hurried. Networks are compiled, as an operator has it.
"""

import random
import time

from lab.catalog import MODELS
from lab.requests.fields import Condition, Forward
from lab.requests.sampling import LaneSettings, SamplingRequest
from lab.settings import Settings, at_hand
from tests.load.harness import crowd, serving, summary

VISITS, AT_ONCE, VISIT_S = 100, 10, 15
WARM_S = 60  # until what a fresh lab compiles is compiled
AFTER_S = (
    450  # what is kept of visitors and of compiled networks is released after five minutes, looked at every minute
)
GROWTH = 1.2


def larger_request(order: random.Random) -> SamplingRequest:
    """Four lanes of 20 guided steps on any model that is offered."""
    offered = [row for row in MODELS.values() if at_hand(row.source, Settings())]
    row = order.choice(offered)
    lanes = tuple(LaneSettings(steps=20, seed=order.randrange(2**31), guidance_scale=3) for _ in range(4))
    condition = Condition(prompt="red heart" if "prompt" in row.conditions else "")
    return SamplingRequest(model=row.name, lanes=lanes, condition=condition, forward=Forward(schedule=row.schedules[0]))


def test_a_hundred_visits_leave_little_behind(tmp_path):
    """As the system counts it, with nothing collected or trimmed for the occasion."""
    engine = {"LAB_CPU_ENGINE": "openvino", "LAB_CACHE_DIR": str(tmp_path / "cache"), "GRADIO_IS_E2E_TEST": ""}
    with serving(tmp_path / "log", **engine) as server:
        time.sleep(WARM_S)
        idle = server.ask("resident")
        ended = []
        for seed in range(VISITS // AT_ONCE):
            ended += crowd(server, AT_ONCE, VISIT_S, seed, larger_request)
        busy = server.ask("resident")
        time.sleep(AFTER_S)
        after = server.ask("resident")
    print(f"\n{summary(ended)}")
    print(
        f"resident {idle / 1e6:.0f} MB idle, {busy / 1e6:.0f} after {VISITS} visits, {after / 1e6:.0f} {AFTER_S} s later"
    )
    assert {run.how for run in ended} >= {"finished", "stopped", "closed"}
    assert after <= GROWTH * idle
