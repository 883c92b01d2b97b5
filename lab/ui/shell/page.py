"""The page as Gradio keeps it for each visitor, without what a crowd would pay for and nobody here uses.

Measured with 280 components: Gradio builds the configuration of every component for each new visitor, for deep links
(50 ms of the event loop and half a megabyte); and for each streamed frame it builds anew every output that the frame
does not mention (6 ms of the event loop). And what streams is sent so that nothing of it is lost on a busy page.
"""

import asyncio
import os
from collections import defaultdict
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from copy import copy
from datetime import datetime
from html import escape
from typing import Any

import gradio as gr
from gradio.blocks import Block, BlockFunction
from gradio.state_holder import SessionState, StateHolder

from lab.requests.base import LabError
from lab.ui.shell import refusals
from lab.ui.shell.arrivals import arrival, arrives

NEVER_EMPTY = (gr.Radio, gr.Slider)  # by hand: a slider's box that is emptied is told to nobody (numbers.js)
MOST_TOLD = 300  # characters of a refusal: Gradio repeats the value that it refuses, whatever its length


class Page(gr.Blocks):
    """A gr.Blocks whose handlers pay for the outputs that they mention and for no others.

    Of the events of a handler that says what was clicked or drawn, the last one has the page: an answer to an earlier one that
    comes after it changes nothing. Handlers that change a gr.State take turns, so that none works on a value that another one
    is about to replace.

    What a component refuses, and a LabError that a handler lets through, is told to the visitor; it is no fault of the
    lab's, so the log has no traceback of it.
    """

    async def process_api(
        self,
        block_fn: BlockFunction | int,
        inputs: list[Any],
        state: SessionState | None = None,
        request: gr.Request | list[gr.Request] | None = None,
        **named: Any,
    ) -> dict[str, Any]:
        """As Blocks.process_api; what is handled has the number of its request."""
        posted = getattr(request, "request", None)
        arrives(None if posted is None else posted.scope)
        function = self.fns[block_fn] if isinstance(block_fn, int) else block_fn
        async with state.turn(function) if isinstance(state, _Session) else AsyncExitStack():
            return await super().process_api(function, inputs, state, request, **named)

    async def preprocess_data(
        self, block_fn: BlockFunction, inputs: list[Any], state: SessionState | None, *positional: Any, **named: Any
    ) -> list[Any]:
        """As Blocks.preprocess_data; values that no component takes come from hand-made calls mostly."""
        if isinstance(state, _Session) and block_fn.collects_event_data:
            state.latest[block_fn._id] = max(state.latest.get(block_fn._id, 0), arrival())
        if isinstance(state, _Session):
            inputs = [*map(state.value_of, block_fn.inputs, inputs), *inputs[len(block_fn.inputs) :]]
        try:
            values = await super().preprocess_data(block_fn, inputs, state, *positional, **named)
        except Exception as error:
            blocks = [
                state[block._id] if state is not None and block._id in state else block for block in block_fn.inputs
            ]
            wrong = [pair for pair in zip(blocks, inputs, strict=False) if not refusals.accepts(*pair)]
            text = error.message if isinstance(error, gr.Error) else refusals.UNREADABLE
            raise _refusal(refusals.sentence(*wrong[0]) if wrong else text) from error
        for block, value in zip(block_fn.inputs, values, strict=True):
            if not refusals.holds(block, value):
                raise _refusal(refusals.sentence(block, value))
        return values

    async def call_function(self, *positional: Any, **named: Any) -> Any:
        """As Blocks.call_function."""
        try:
            return await super().call_function(*positional, **named)
        except LabError as error:
            raise _refusal(str(error)) from error
        except gr.Error as error:
            raise _refusal(error.message) from error

    async def postprocess_data(
        self, block_fn: BlockFunction, predictions: list | dict, state: SessionState | None
    ) -> list[Any]:
        """As Blocks.postprocess_data; outputs that a dict leaves out are skipped without a look at them: all of them where
        it is empty, which Gradio would take for the value of a handler's only output."""
        late = isinstance(state, _Session) and state.latest.get(block_fn._id, 0) > arrival()
        if late or (isinstance(predictions, dict) and not predictions):
            return [None if block.stateful else gr.skip() for block in block_fn.outputs]
        if not (isinstance(predictions, dict) and all(isinstance(key, Block) for key in predictions)):
            return await super().postprocess_data(block_fn, predictions, state)
        values = {block._id: value for block, value in predictions.items()}
        if isinstance(state, _Session):
            state.remember(predictions)
        fewer = copy(block_fn)
        # Each once: Gradio takes the value out of an update when it sends it, so a second mention would send none.
        fewer.outputs = [block for block in dict.fromkeys(block_fn.outputs) if block._id in values]
        if len(fewer.outputs) < len(values):  # Gradio says which component is no output
            return await super().postprocess_data(block_fn, predictions, state)
        mentioned = [values[block._id] for block in fewer.outputs]
        outputs = await super().postprocess_data(fewer, mentioned if len(mentioned) > 1 else mentioned[0], state)
        data = {block._id: one for block, one in zip(fewer.outputs, outputs, strict=True)}
        return [data.get(block._id, None if block.stateful else gr.skip()) for block in block_fn.outputs]

    def handle_streaming_diffs(
        self,
        block_fn: BlockFunction,
        data: list,
        session_hash: str | None,
        run: str | None,
        final: bool,
        simple_format: bool = False,
    ) -> list:
        """As Blocks.handle_streaming_diffs, but an output that changed is sent whole and not as edits of what it was.

        The page works edits into the very objects that it may not have shown yet: of two frames that come while it is
        busy, the second would take the updates of the first out again, and controls stay as they were.
        """
        before = list(self.pending_diff_streams.get(session_hash, {}).get(run, []))
        whole = super().handle_streaming_diffs(block_fn, data, session_hash, run, final, simple_format=True)
        if simple_format or final or not before:
            return whole
        return [[] if new == old else [["replace", [], new]] for old, new in zip(before, whole, strict=True)]


def _refusal(text: str) -> gr.Error:
    """A refusal as the page shows it. The page takes such texts for HTML, and a lone surrogate cannot be sent."""
    short = text if len(text) <= MOST_TOLD else text[:MOST_TOLD] + " …"
    return gr.Error(escape(short.encode(errors="replace").decode()), print_exception=False)


class _Session(SessionState):
    """What is kept of a visitor: the values of gr.State, and no configuration of every component."""

    def __init__(self, blocks: gr.Blocks) -> None:
        self.blocks_config = copy(blocks.default_config)
        self.config_values: dict[int, Any] = {}
        self.state_data: dict[int, Any] = {}
        self._state_ttl: dict[int, Any] = {}
        self.latest: dict[int, int] = {}  # by handler: the arrival of its last event
        self._turns: defaultdict[int, asyncio.Lock] = defaultdict(asyncio.Lock)  # by gr.State
        self.last_values: dict[int, Any] = {}  # that the page was sent, by component, of those that nobody can empty
        self.is_closed = False
        # A tab that lost its connection comes back as the same visitor, so what a closed tab had, four megabytes commonly,
        # is kept for five minutes (Gradio: an hour), and for a second in tests.
        self.STATE_TTL_WHEN_CLOSED = 1 if os.getenv("GRADIO_IS_E2E_TEST") else 300

    @asynccontextmanager
    async def turn(self, function: BlockFunction) -> AsyncIterator[None]:
        """Within it no other handler changes a gr.State that `function` reads and sets: of a picture that comes and a mask that
        is chosen meanwhile one would be lost. What streams has no turn: it lasts, and sets what it made itself."""
        changed = {block._id for block in function.inputs if block.stateful} & {block._id for block in function.outputs}
        async with AsyncExitStack() as turns:
            for key in sorted(changed) if not function.types_generator else ():
                await turns.enter_async_context(self._turns[key])
            yield

    def remember(self, updates: dict[Any, Any]) -> None:
        """Remember what an answer sets the components to that nobody can empty."""
        for block, update in updates.items():
            if isinstance(block, NEVER_EMPTY):
                value = update.get("value") if isinstance(update, dict) else update
                if value is not None:
                    self.last_values[block._id] = value

    def value_of(self, block: Block, value: Any) -> Any:
        """A value as the page sends it; in the place of none, of a component that nobody can empty, what the page was last
        sent for it. While Gradio exchanges such a component for one of another look the page has no value of it."""
        return self.last_values.get(block._id) if value is None and isinstance(block, NEVER_EMPTY) else value

    def __setitem__(self, key: int, value: Any) -> None:
        """As SessionState. For an update Gradio makes the component anew, and what it then refuses may be under way: a
        press of a preset still carries the choices of the one before. So what was once offered to a visitor is accepted
        from then on, though the page offers only `value.choices`; and what a tab has put in the place of `preprocess`
        stays in place."""
        before = self.blocks_config.blocks.get(key)
        super().__setitem__(key, value)
        self.config_values.pop(key, None)  # kept for deep links only
        if type(value) is not type(before) or value is before:
            return
        if isinstance(value, gr.Dropdown | gr.Radio | gr.CheckboxGroup):
            value.preprocess = _accepting_too(value, before)
        elif "preprocess" in vars(before):
            value.preprocess = before.preprocess

    def _update_config(self, key: int) -> None:
        """Kept for deep links only."""

    def _update_value_in_config(self, key: int, value: Any) -> None:
        """Kept for deep links only."""


def _accepting_too(component: Any, before: Any) -> Callable[[Any], Any]:
    """`preprocess` of a Dropdown, Radio or CheckboxGroup that also accepts what the component `before` it accepted.

    The choices themselves are not touched: Gradio sends them to the page."""
    accepted = getattr(before.preprocess, "__self__", before).choices  # of its own validator, where it had one
    validator = copy(component)
    validator.choices = list(dict.fromkeys([*map(tuple, component.choices), *map(tuple, accepted)]))
    return validator.preprocess


class _Sessions(StateHolder):
    def __getitem__(self, session_id: str) -> SessionState:
        if session_id not in self.session_data:
            self.session_data[session_id] = _Session(self.blocks)
        return super().__getitem__(session_id)

    def delete_all_expired_state(self) -> None:
        """As StateHolder's, every second; of somebody who has gone for good the page as it was for them goes too, which
        Gradio keeps until a thousand others have come."""
        super().delete_all_expired_state()
        for visitor, session in list(self.session_data.items()):
            away = datetime.now() - self.time_last_used.get(visitor, datetime.now())
            if session.is_closed and away.total_seconds() > session.STATE_TTL_WHEN_CLOSED:
                self.session_data.pop(visitor, None)
                self.time_last_used.pop(visitor, None)


def keep_sessions_small(demo: gr.Blocks) -> None:
    """Have the launched `demo` keep what it must of its visitors. Before the first of them comes."""
    sessions = _Sessions()
    sessions.set_blocks(demo)
    demo.app.state_holder = sessions
