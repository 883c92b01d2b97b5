"""The app as an operator starts it, in a process of its own, and a visitor who speaks Gradio's queue protocol to it."""

import json
import os
import re
import secrets
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from html import unescape
from pathlib import Path
from typing import Any

import httpx

from tests.load.harness import Tab
from tests.ports import free_port

ROOT = Path(__file__).parents[2]
START_S = 300  # two cores, perhaps busy
ANSWER_S = 300
OURS = ("LAB_", "GRADIO_", "SPACE_", "SPACES_")  # what a developer's shell may have set


@dataclass(frozen=True)
class Running:
    """An app that answers at `url`."""

    url: str
    log: Path

    @property
    def tab(self) -> Tab:
        """The Samplers tab as the page gets it."""
        return Tab(httpx.get(f"{self.url}/config", timeout=60).json())


def clean() -> dict[str, str]:
    """The environment without the shell's own settings of the lab."""
    return {name: value for name, value in os.environ.items() if not name.startswith(OURS)}


@contextmanager
def running(
    log: Path, command: Sequence[str] = ("app.py",), host: str = "127.0.0.1", **environment: str
) -> Iterator[Running]:
    """The app on a free port, with nothing of the shell's own settings; its output goes to `log`. `host` is where it is
    asked, as a URL has it."""
    port = free_port()
    here = Running(f"http://{host}:{port}", log)
    with log.open("w") as out:
        app = subprocess.Popen(
            [sys.executable, *command],
            cwd=ROOT,
            stdout=out,
            stderr=subprocess.STDOUT,
            env={**clean(), "OMP_WAIT_POLICY": "PASSIVE", **environment, "LAB_PORT": str(port)},
        )
        try:
            deadline = time.monotonic() + START_S
            while True:
                try:
                    if httpx.get(f"{here.url}/line", timeout=10).text != "The lab is starting …":
                        break
                except httpx.HTTPError:
                    pass
                assert app.poll() is None and time.monotonic() < deadline, f"it did not start:\n{log.read_text()}"
                time.sleep(0.3)
            yield here
        finally:
            app.terminate()
            app.wait(60)


@dataclass(frozen=True)
class Answer:
    """How a press ended: whether Gradio calls it a success, what came last, and what was said on the way and at the end."""

    success: bool
    data: list[Any]
    said: tuple[str, ...]

    @property
    def text(self) -> str:
        """All that was said at the end, without markup."""
        return unescape(re.sub(r"<[^>]*>", " ", json.dumps(self.data, ensure_ascii=False) + " ".join(self.said[-1:])))


def press(app: Running, event: int, data: list[Any], session: str = "") -> Answer:
    """Send an event through the queue as the page does, and read its stream to the end."""
    session = session or secrets.token_hex(6)
    said: list[str] = []
    with httpx.Client(base_url=f"{app.url}/gradio_api", timeout=httpx.Timeout(30, read=ANSWER_S)) as client:
        joined = client.post("/queue/join", json={"data": data, "fn_index": event, "session_hash": session})
        if joined.status_code != 200:
            return Answer(False, [], (joined.text,))
        with client.stream("GET", "/queue/data", params={"session_hash": session}) as stream:
            for line in stream.iter_lines():
                message = json.loads(line[5:]) if line.startswith("data:") else {"msg": ""}
                output = message.get("output") or {}
                if message["msg"] == "process_generating":
                    said += [part for part in map(str, output.get("data", [])) if "lab-note" in part]
                if message["msg"] == "process_completed":
                    error = [str(output["error"])] if output.get("error") else []
                    return Answer(message["success"], output.get("data", []), (*said, *error))
    raise AssertionError(f"the stream ended without an end of the run: {said}")
