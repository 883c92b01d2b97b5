"""How the stream ends by which a page hears of its events: such that no event is left unheard.

Gradio ends a visitor's stream with the last event that is under way, and the page opens another one for its next event. But
a page that has not read yet that its stream ended, since its connection is slow or it is busy, takes it for open: it opens
none, and waits for ever. So a stream that has said its end stays until the page hangs up, which it does when it reads that;
and an event that is asked for meanwhile is answered after that, so the page knows by then that it needs another stream.

What is asked for is numbered here, in the order in which it arrives (`arrivals.py`).
"""

import asyncio
import json
from urllib.parse import parse_qs

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from lab.ui.shell.arrivals import stamp

LONGEST_S = 5.0  # until a page hangs up; what is between it and here may keep that from the server
END = b'"msg":"close_stream"'


class Streams:
    """ASGI middleware around Gradio's `/queue/data` and `/queue/join`. `longest_s` in seconds."""

    def __init__(self, app: ASGIApp, longest_s: float = LONGEST_S) -> None:
        self.app, self.longest_s = app, longest_s
        self._ending: dict[str, asyncio.Event] = {}  # by session: set once the page has hung up

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        path = scope["path"] if scope["type"] == "http" else ""
        stamp(scope)
        if path.endswith("/queue/data"):
            await self._stream(scope, receive, send)
        elif path.endswith("/queue/join"):
            await self._join(scope, receive, send)
        else:
            await self.app(scope, receive, send)

    async def _stream(self, scope: Scope, receive: Receive, send: Send) -> None:
        session = parse_qs(scope["query_string"].decode("latin-1")).get("session_hash", [""])[0]
        ending = None

        async def pass_on(message: Message) -> None:
            nonlocal ending
            if END in message.get("body", b""):
                # Before the page can know, and before anything else can ask for an event.
                ending = self._ending[session] = asyncio.Event()
            if ending and not message.get("more_body", False):
                await self._hung_up(receive)
            await send(message)

        try:
            await self.app(scope, receive, pass_on)
        finally:
            if ending:
                ending.set()
                if self._ending.get(session) is ending:
                    del self._ending[session]

    async def _hung_up(self, receive: Receive) -> None:
        try:
            async with asyncio.timeout(self.longest_s):
                while (await receive())["type"] != "http.disconnect":
                    pass
        except TimeoutError:
            pass

    async def _join(self, scope: Scope, receive: Receive, send: Send) -> None:
        body = b""

        async def read() -> Message:
            nonlocal body
            message = await receive()
            body += message.get("body", b"")
            return message

        async def pass_on(message: Message) -> None:
            if message["type"] == "http.response.start" and self._ending:
                ending = self._ending.get(_session(body))
                if ending:
                    await ending.wait()
            await send(message)

        await self.app(scope, read, pass_on)


def _session(body: bytes) -> str:
    """Whose event a request asks for; the answer of one that cannot be read says so itself."""
    try:
        session = json.loads(body).get("session_hash")
    except (ValueError, AttributeError, RecursionError):
        return ""
    return session if isinstance(session, str) else ""
