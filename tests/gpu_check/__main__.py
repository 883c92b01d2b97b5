"""`python -m tests.gpu_check OUT [--minutes 8]`: what a machine with CUDA says of the lab in a few minutes, the most useful first.

Nothing but the checkout is needed, and 14 GB in the temporary folder (TMPDIR): weights are random, tokenizers and pictures are the
shipped ones. Each figure is one JSON line, printed and written to OUT/figures.jsonl at once, so that a run which is cut short leaves
what it has. A step that fails, or for which no time is left, says so in a line, and the next goes on. `--dry` does all of it in
small on the CPU, in seconds.
"""

import argparse
import os
import signal
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

FIGURES = "figures.jsonl"
MINUTES = 8.0  # that the budgets of the steps add up to, start and end included
END_S = 10.0  # to leave with what is there


class TimeIsUp(BaseException):
    """The step has used up its budget."""


def main(command_line: list[str] | None = None) -> int:
    began = time.monotonic()
    arguments = parse(command_line)
    import torch

    if not (arguments.dry or torch.cuda.is_available()):
        raise SystemExit(
            "torch finds no CUDA device here, and this check is of one; --dry tries all of it in small on the CPU."
        )
    from tests.benchmarks import _report
    from tests.gpu_check.steps import DRY, FULL, STEPS, Drill

    plan = DRY if arguments.dry else FULL
    deadline = began + 60 * arguments.minutes - END_S
    arguments.out.mkdir(parents=True, exist_ok=True)
    failed = False
    with (arguments.out / FIGURES).open("w") as file, TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        _report.FILES.append(file)
        try:
            drill = Drill(plan, Path(folder), arguments.out)
            drill.machine()
            for step in STEPS:
                left, budget = deadline - time.monotonic(), step.seconds * arguments.minutes / MINUTES
                if left < step.least * budget:
                    _report.line(
                        figure=step.title, skipped=f"{budget:.0f} s are its budget, {max(left, 0):.0f} s are left"
                    )
                    continue
                seconds = left if step is STEPS[-1] else min(budget, left)
                if problem := attempt(step, drill, seconds):
                    failed = True
                    _report.line(figure=step.title, failed=problem)
            _report.value("all of it, seconds", time.monotonic() - began)
        finally:
            _report.FILES.remove(file)
    return int(failed)


def attempt(step: Any, drill: Any, seconds: float) -> str:
    """Run a step and tidy up behind it; what went wrong, in words, or nothing."""
    try:
        try:
            with within(seconds):
                step.run(drill, seconds)
        finally:
            drill.tidy()
    except TimeIsUp:
        return f"cut short after {seconds:.0f} s"
    except Exception as error:
        causes = [error]
        while cause := causes[-1].__cause__:
            causes.append(cause)
        return ", from ".join(f"{type(cause).__name__}: {cause}"[:300] for cause in causes)
    return ""


def parse(command_line: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.gpu_check", description=__doc__)
    parser.add_argument("out", type=Path, metavar="OUT", help="where figures and weights go; is made")
    parser.add_argument("--minutes", type=float, default=MINUTES, help="for all of it (default 8)")
    parser.add_argument("--dry", action="store_true", help="in small, on the CPU")
    return parser.parse_args(command_line)


@contextmanager
def within(seconds: float) -> Iterator[None]:
    """Raises TimeIsUp in the block once so many seconds are over, and every few seconds again: a library may drop it."""

    def ring(*_: object) -> None:
        raise TimeIsUp

    previous = signal.signal(signal.SIGALRM, ring)
    signal.setitimer(signal.ITIMER_REAL, max(seconds, 0.1), 5.0)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, previous)


if __name__ == "__main__":
    os.environ |= {"OMP_WAIT_POLICY": "PASSIVE", "HF_HUB_OFFLINE": "1", "DIFFUSERS_VERBOSITY": "error"}  # before torch
    status = main()
    with suppress(OSError):
        sys.stdout.flush()
    os._exit(status)  # threads that were cut short in a call are not waited for
