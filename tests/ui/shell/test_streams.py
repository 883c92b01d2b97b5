"""The end of a stream and what is asked for meanwhile, on a small app that closes its stream as Gradio does."""

import asyncio
import json
import threading

import gradio as gr
import httpx
import pytest
from starlette.middleware import Middleware

from lab.ui.shell.arrivals import arrival
from lab.ui.shell.page import Page
from lab.ui.shell.streams import LONGEST_S, Streams
from tests.loops import complete
from tests.ports import free_port

EVENT = {"data": [], "fn_index": 0, "session_hash": "anna"}


ARRIVALS, AT_WORK, RELEASED = [], threading.Event(), threading.Event()


def queued():
    """A handler that is called one at a time, and waits the first time."""
    ARRIVALS.append(("queued", arrival()))
    AT_WORK.set()
    assert RELEASED.wait(60)


@pytest.fixture(scope="module")
def served():
    with Page() as demo:
        said = gr.Textbox()
        gr.Button().click(lambda: "hello", None, said)
        gr.Button().click(queued, None, None, concurrency_limit=1)
        gr.Button().click(lambda: ARRIVALS.append(("at once", arrival())), None, None, queue=False)
    port = free_port()
    middleware = [Middleware(Streams)]
    demo.queue().launch(server_port=port, prevent_thread_lock=True, quiet=True, app_kwargs={"middleware": middleware})
    yield f"http://127.0.0.1:{port}/gradio_api"
    demo.close()


async def until_the_end(lines):
    """The names of a stream's messages until it says its end. The connection stays as long as `lines` do."""
    names = []
    async for line in lines:
        if line.startswith("data:"):
            names.append(json.loads(line[5:])["msg"])
            if names[-1] == "close_stream":
                return names
    return names


async def join(client, session="anna"):
    answer = await client.post("/queue/join", json={**EVENT, "session_hash": session})
    assert answer.status_code == 200
    return answer.json()["event_id"]


def test_events_are_numbered_as_they_arrive_and_not_as_they_begin(served):
    """The second of two queued events begins after one that was asked for later and is not queued."""

    async def asked():
        async with httpx.AsyncClient(base_url=served, timeout=60) as client:
            for _ in range(2):
                await client.post("/queue/join", json={**EVENT, "fn_index": 1, "session_hash": "order"})
            await asyncio.to_thread(AT_WORK.wait, 60)
            await client.post("/run/predict", json={**EVENT, "fn_index": 2, "session_hash": "order"})
            RELEASED.set()
            async with client.stream("GET", "/queue/data", params={"session_hash": "order"}) as answer:
                await until_the_end(answer.aiter_lines())

    complete(asked())
    assert [name for name, _ in ARRIVALS] == ["queued", "at once", "queued"]
    assert [name for name, _ in sorted(ARRIVALS, key=lambda pair: pair[1])] == ["queued", "queued", "at once"]


def test_an_event_asked_for_while_a_page_has_not_read_the_end_is_answered_once_it_hangs_up(served):
    """And it is heard of on the next stream."""

    async def visit():
        async with httpx.AsyncClient(base_url=served, timeout=30) as client:
            await join(client)
            async with client.stream("GET", "/queue/data", params={"session_hash": "anna"}) as stream:
                lines = stream.aiter_lines()
                assert (await until_the_end(lines))[-2:] == ["process_completed", "close_stream"]
                second = asyncio.create_task(join(client))
                assert not (await asyncio.wait([second], timeout=0.5))[0]
                await join(client, "someone else")  # nobody else waits
            await second
            async with client.stream("GET", "/queue/data", params={"session_hash": "anna"}) as stream:
                assert "process_completed" in await until_the_end(stream.aiter_lines())

    complete(visit())


def test_a_page_that_never_hangs_up_is_not_waited_for_for_ever():
    """Where something between keeps it from the server; and an answer after the end goes through as it is."""
    said = []

    async def app(scope, receive, send):
        assert scope["path"] == "/queue/data"
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b'data: {"msg":"close_stream"}', "more_body": True})
        await send({"type": "http.response.body", "body": b"", "more_body": False})

    async def never():
        await asyncio.Event().wait()

    async def send(message):
        said.append(message["type"])

    streams = Streams(app, longest_s=0.05)
    scope = {"type": "http", "path": "/queue/data", "query_string": b"session_hash=anna"}
    complete(streams(scope, never, send))
    assert said == ["http.response.start", "http.response.body", "http.response.body"]
    assert not streams._ending
    assert LONGEST_S < 10


@pytest.mark.parametrize(
    "body", [b"", b"no json", b"[1]", b'{"session_hash": 5}', b'{"session_hash": ["anna"]}', b"[" * 100_000]
)
def test_a_request_that_cannot_be_read_is_answered_by_gradio(body):
    async def app(scope, receive, send):
        assert (await receive())["body"] == body
        await send({"type": "http.response.start", "status": 422, "headers": []})

    async def receive():
        return {"type": "http.request", "body": body, "more_body": False}

    async def send(message):
        statuses.append(message["status"])

    statuses = []
    streams = Streams(app)
    streams._ending["anna"] = asyncio.Event()
    complete(streams({"type": "http", "path": "/gradio_api/queue/join", "query_string": b""}, receive, send))
    assert statuses == [422]
