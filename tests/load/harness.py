"""A crowd for the lab: the real app in a process of its own, and visitors on real HTTP connections.

A visitor speaks Gradio's queue protocol as the page does: join the queue, read the stream of events, press Stop by its
own event, close the tab by dropping the connections. What is pressed is Run of the Samplers tab, whose finished pictures
are 64 px or smaller and so travel as PNG, without loss.
"""

import asyncio
import base64
import io
import json
import os
import random
import re
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from html import unescape
from pathlib import Path
from typing import Any

import httpx
import numpy as np
from PIL import Image

from lab.backends.local import LocalBackend
from lab.catalog import MODELS, samplers_for
from lab.requests.fields import Condition, Forward
from lab.requests.sampling import LaneResult, LaneSettings, SamplingRequest
from tests.loops import complete
from tests.ports import free_port

ROOT = Path(__file__).parents[2]
START_S = 300  # two cores, perhaps busy
ANSWER_S = 300  # a run without an end by then is lost
CALM = {
    "LAB_DTYPE": "float32",  # in which a picture is the same alone and in company
    "LAB_DEVICE": "cpu",
    "LAB_SHARED_RUNS_MB": "32",  # is full after the first rounds, and so no growth later
    "OMP_WAIT_POLICY": "PASSIVE",
    "GRADIO_ANALYTICS_ENABLED": "False",
    "GRADIO_IS_E2E_TEST": "1",  # what a closed tab kept for replay is forgotten after a second; else after an hour
    "GRADIO_HEARTBEAT_INTERVAL": "15",
}


# The server


class Server:
    """The lab at `url`, with the figures of its process."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.tab = Tab(httpx.get(f"{url}/config", timeout=60).json())

    def ask(self, name: str) -> Any:
        """One of the addresses of tests/load/server.py."""
        answer = httpx.get(f"{self.url}/load/{name}", timeout=120)
        answer.raise_for_status()
        return answer.json()

    def deserted(self) -> int:
        """Resident bytes once nothing is left of the visitors who are gone."""
        deadline = time.monotonic() + ANSWER_S
        while left := self.ask("left"):
            if time.monotonic() > deadline:
                raise RuntimeError(f"{left} runs or recordings of visitors who are gone are still there")
            time.sleep(0.5)
        return int(self.ask("memory"))


@contextmanager
def serving(log: Path, **settings: str) -> Iterator[Server]:
    """The app on a free port with `settings` in its environment; its output goes to `log`."""
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    with log.open("w") as out:
        app = subprocess.Popen(
            [sys.executable, "-m", "tests.load.server"],
            cwd=ROOT,
            stdout=out,
            stderr=subprocess.STDOUT,
            env={**os.environ, **CALM, **settings, "LAB_PORT": str(port)},
        )
        try:
            _await_start(url, app, log)
            yield Server(url)
        finally:
            app.terminate()
            app.wait(60)


def _await_start(url: str, app: "subprocess.Popen[bytes]", log: Path) -> None:
    deadline = time.monotonic() + START_S
    while True:
        try:
            httpx.get(f"{url}/load/watch", timeout=10).raise_for_status()
            return
        except httpx.HTTPError:
            if app.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"the app did not start:\n{log.read_text()}") from None
            time.sleep(0.2)


class Tab:
    """The Samplers tab as the page gets it: the events of Run and Stop, and its controls with their first values."""

    def __init__(self, config: dict[str, Any]) -> None:
        self.props = {part["id"]: part["props"] for part in config["components"]}
        events = config["dependencies"]
        run = next(
            event for event in events if event["api_name"].startswith("on_run") and "Samplers" in self._labels(event)
        )
        self.run, self.inputs, self.outputs = run["id"], run["inputs"], run["outputs"]
        self.stop = next(
            event["id"] for event in events if event["targets"] and event["targets"][0][0] == self._button(run, "Stop")
        )
        self.stage = self._output("samplers-stage")
        self.note = self._output("samplers-note")
        ids = sorted(self.inputs)  # as they are laid out: the controls of a lane follow its sampler
        self.lanes = [ids[k : k + 4] for k, one in enumerate(ids) if str(self._label(one)).startswith("Lane ")]
        rows = {one for lane in self.lanes for one in lane}
        self.controls = {
            str(self._label(one)).split(":")[0].split(" (")[0].split(",")[0]: one for one in ids if one not in rows
        }

    def _label(self, component: int) -> str | None:
        return self.props[component].get("label")

    def _labels(self, event: dict[str, Any]) -> set[str | None]:
        return {self._label(component) for component in event["inputs"]}

    def _button(self, event: dict[str, Any], title: str) -> int:
        return next(one for one in event["outputs"] if self.props[one].get("value") == title)

    def _output(self, elem_id: str) -> int:
        return next(k for k, one in enumerate(self.outputs) if self.props[one].get("elem_id") == elem_id)

    def data(self, values: dict[int, Any]) -> list[Any]:
        """What the page sends: `values` by component, first values elsewhere."""
        return [values.get(one, self.props[one].get("value")) for one in self.inputs]

    def filled(self, asked: SamplingRequest) -> dict[int, Any]:
        """The controls as a visitor sets them who wants `asked`."""
        first = asked.lanes[0]
        values: dict[int, Any] = {
            self.controls["Model"]: asked.model,
            self.controls["Prompt"]: asked.condition.prompt,
            self.controls["Group"]: asked.condition.group,
            self.controls["Schedule"]: asked.forward.schedule,
            self.controls["Seed"]: first.seed,
            self.controls["Guidance scale"]: first.guidance_scale,
        }
        for index, row in enumerate(self.lanes):
            lane = asked.lanes[index] if index < len(asked.lanes) else None
            values |= dict(
                zip(
                    row,
                    (lane.sampler, lane.steps, lane.eta, lane.spacing) if lane else ("", 20, 0, "trailing"),
                    strict=True,
                )
            )
        return values


# What is asked for

PROMPTS = {
    "exact-32": ("", "apple", "cat"),
    "exact": ("", "heart"),
    "text-to-image": ("red heart", "blue car", "cat face"),
}
# Where a change of x_T by one part in ten million moves the picture by 40 grey levels: it extrapolates from predictions
# at an alpha-bar of nearly nothing. All other samplers and schedules move it by one level or none.
WILD = ("pndm", "cosine")


Ask = Callable[[random.Random], SamplingRequest]


def some_request(order: random.Random) -> SamplingRequest:
    """A short run of one or two lanes, on any model, mostly the light one."""
    model = order.choices(list(PROMPTS), weights=(8, 1, 1))[0]
    forward = Forward(schedule=order.choice(MODELS[model].schedules))
    allowed = [name for name in samplers_for(MODELS[model]) if (name, forward.schedule) != WILD]
    seed, scale = order.randrange(2**31), order.choice((1.0, 1.0, 0.0, 2.5, 5.0))
    lanes = tuple(
        LaneSettings(
            sampler=order.choice(allowed), steps=order.randint(2, 8), eta=order.choice((0, 0, 0.5)),
            spacing=order.choice(("trailing", "trailing", "leading")), seed=seed, guidance_scale=scale,
        )
        for _ in range(order.randint(1, 2))
    )  # fmt: skip
    prompt = order.choice(PROMPTS[model])
    return SamplingRequest(model=model, condition=Condition(prompt=prompt), forward=forward, lanes=lanes)


def spoiled(tab: Tab, values: dict[int, Any], order: random.Random) -> dict[int, Any]:
    """The same controls with something in them that cannot be met."""
    empty = {row[0]: "" for row in tab.lanes}
    wrong: list[dict[int, Any]] = [
        {tab.controls["Seed"]: -5},
        {tab.controls["Seed"]: None},
        {tab.controls["T"]: 5},
        {tab.controls["Model"]: "exact", tab.controls["Prompt"]: "zzzzqqq"},
        {tab.controls["Prompt"]: "x" * 400},
        {tab.lanes[0][1]: 10**9},
        {tab.lanes[0][1]: 0},
        {tab.lanes[0][0]: "no such sampler"},
        empty,
    ]
    return values | order.choice(wrong)


# A visitor


@dataclass
class Ended:
    """How one press of Run ended. `how`: finished, stopped, closed, in words, refused, failed, lost."""

    how: str
    asked: SamplingRequest | None = None  # None where something was wrong with it on purpose
    words: str = ""
    pictures: dict[int, np.ndarray] = field(default_factory=dict)  # by lane, finished ones only
    updates: int = 0  # of the page, before the end
    seconds: float = 0.0


class Visitor:
    """One open tab after another, one press of Run after another."""

    def __init__(self, server: Server, seed: int, ask: Ask = some_request) -> None:
        self.server, self.tab, self.order, self.ask = server, server.tab, random.Random(seed), ask
        self.ended: list[Ended] = []
        self._client = httpx.AsyncClient(base_url=f"{server.url}/gradio_api", timeout=httpx.Timeout(30, read=ANSWER_S))

    async def stay(self, until: float) -> None:
        """Press Run again and again until `until` (time.monotonic), then leave."""
        try:
            while time.monotonic() < until:
                await self._open_a_tab(until)
        finally:
            await self._client.aclose()

    async def _open_a_tab(self, until: float) -> None:
        session = f"{self.order.getrandbits(60):x}"
        alive = asyncio.create_task(self._keep_alive(session))
        try:
            while time.monotonic() < until:
                ended = await self._press(session)
                self.ended.append(ended)
                if ended.how == "closed":
                    return
                await asyncio.sleep(self.order.uniform(0, 0.5))
        finally:
            alive.cancel()
            await asyncio.gather(alive, return_exceptions=True)

    async def _keep_alive(self, session: str) -> None:
        """The connection by which the server knows that the tab is open."""
        async with self._client.stream("GET", f"/heartbeat/{session}") as answer:
            async for _ in answer.aiter_lines():
                pass

    async def _press(self, session: str) -> Ended:
        """Press Run, and do with it what visitors do."""
        intent = self.order.choices(("wait", "stop", "close", "wrong"), weights=(70, 12, 8, 10))[0]
        patience = self.order.randint(1, 6)  # events until Stop, or until the tab is closed
        asked = self.ask(self.order)
        values = self.tab.filled(asked)
        if intent == "wrong":
            values = spoiled(self.tab, values, self.order)
        began = time.monotonic()
        try:
            ended = await asyncio.wait_for(self._run(session, values, intent, patience), ANSWER_S)
        except (TimeoutError, httpx.HTTPError, asyncio.IncompleteReadError) as error:
            ended = Ended("lost", words=repr(error))
        ended.asked = None if intent == "wrong" else asked
        ended.seconds = time.monotonic() - began
        return ended

    async def _run(self, session: str, values: dict[int, Any], intent: str, patience: int) -> Ended:
        body = {"data": self.tab.data(values), "fn_index": self.tab.run, "session_hash": session}
        joined = await self._client.post("/queue/join", json=body)
        if joined.status_code != 200:
            return Ended("refused", words=str(joined.json().get("detail")))
        seen = 0
        async with self._client.stream("GET", "/queue/data", params={"session_hash": session}) as answer:
            async for line in answer.aiter_lines():
                if not line.startswith("data:"):
                    continue
                message = json.loads(line[5:])
                if message["msg"] == "process_completed":
                    return replace(self._read(message), updates=seen)
                if message["msg"] == "unexpected_error":
                    return Ended("failed", words=message["message"])
                if message["msg"] != "process_generating":
                    continue
                seen += 1
                if seen == patience and intent == "close":
                    return Ended("closed")
                if seen == patience and intent == "stop":
                    stopped = await self._client.post(
                        "/run/predict", json={"data": [], "fn_index": self.tab.stop, "session_hash": session}
                    )
                    stopped.raise_for_status()
        return Ended("lost", words="the stream ended without an end of the run")

    def _read(self, message: dict[str, Any]) -> Ended:
        """What the page shows at the end."""
        output = message["output"]
        if not message["success"]:
            return Ended("in words" if output.get("error") else "failed", words=str(output.get("error")))
        stage, note = output["data"][self.tab.stage], output["data"][self.tab.note]
        words = unescape(re.sub(r"<[^>]*>", "", note)) if isinstance(note, str) else repr(note)
        if 'class="lab-note bad' in str(note):
            return Ended("in words", words=words)
        how = "stopped" if words.startswith("Stopped.") else "finished"
        return Ended(how, words=words, pictures=pictures_of(stage))


def pictures_of(stage: str) -> dict[int, np.ndarray]:
    """The finished pictures of the lane cards, by lane."""
    found = {}
    for index, card in enumerate(stage.split('<section class="lane"')[1:]):
        call, calls = re.search(r"call (\d+)/(\d+)", card).groups() if "call " in card else ("0", "1")
        if call == calls:
            encoded = re.findall(r'src="data:image/png;base64,([^"]+)"', card)[-1]
            found[index] = np.asarray(Image.open(io.BytesIO(base64.b64decode(encoded))).convert("RGB"))
    return found


async def visit(server: Server, visitors: int, seconds: float, seed: int, ask: Ask = some_request) -> list[Ended]:
    """`visitors` at once for so long; every press of Run is waited for. How each ended."""
    until = time.monotonic() + seconds
    crowd = [Visitor(server, 1000 * seed + index, ask) for index in range(visitors)]
    await asyncio.gather(*(visitor.stay(until) for visitor in crowd))
    return [ended for visitor in crowd for ended in visitor.ended]


def crowd(server: Server, visitors: int, seconds: float, seed: int, ask: Ask = some_request) -> list[Ended]:
    """`visit`, to its end."""
    return complete(visit(server, visitors, seconds, seed, ask))


# The same runs alone


def differences(backend: LocalBackend, ended: list[Ended]) -> Iterator[tuple[Ended, int, int]]:
    """(run, lane, largest difference in grey levels) of each finished picture to the run made alone, here."""
    for run in ended:
        if not run.pictures or run.asked is None:
            continue
        alone = {event.lane: event.picture for event in backend.run(run.asked) if isinstance(event, LaneResult)}
        for lane, picture in run.pictures.items():
            yield run, lane, int(np.abs(picture.astype(int) - alone[lane]).max())


def summary(ended: list[Ended]) -> str:
    """Counts and waits in one line."""
    seconds = sorted(run.seconds for run in ended if run.how == "finished")
    middle, most = (seconds[len(seconds) // 2], seconds[-1]) if seconds else (0.0, 0.0)
    counts = ", ".join(f"{how} {count}" for how, count in Counter(run.how for run in ended).most_common())
    return f"{len(ended)} runs: {counts}; a finished one took {middle:.1f} s (median), {most:.1f} s (most)"
