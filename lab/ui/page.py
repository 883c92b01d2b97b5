"""The page as Gradio keeps it for each visitor, without what a crowd would pay for and nobody here uses.

Measured with 280 components: Gradio builds the configuration of every component for each new visitor, for deep links
(50 ms of the event loop and half a megabyte); and for each streamed frame it builds anew every output that the frame
does not mention (6 ms of the event loop).
"""

import os
from copy import copy
from typing import Any

import gradio as gr
from gradio.blocks import Block, BlockFunction
from gradio.state_holder import SessionState, StateHolder


class Page(gr.Blocks):
    """A gr.Blocks whose handlers pay for the outputs that they mention and for no others."""

    async def postprocess_data(
        self, block_fn: BlockFunction, predictions: list | dict, state: SessionState | None
    ) -> list[Any]:
        """As Blocks.postprocess_data; outputs that a dict leaves out are skipped without a look at them."""
        if not (isinstance(predictions, dict) and predictions and all(isinstance(key, Block) for key in predictions)):
            return await super().postprocess_data(block_fn, predictions, state)
        values = {block._id: value for block, value in predictions.items()}
        fewer = copy(block_fn)
        fewer.outputs = [block for block in block_fn.outputs if block._id in values]
        if len(fewer.outputs) < len(values):  # Gradio says which component is no output
            return await super().postprocess_data(block_fn, predictions, state)
        mentioned = [values[block._id] for block in fewer.outputs]
        told = await super().postprocess_data(fewer, mentioned if len(mentioned) > 1 else mentioned[0], state)
        data = {block._id: one for block, one in zip(fewer.outputs, told, strict=True)}
        return [data.get(block._id, None if block.stateful else gr.skip()) for block in block_fn.outputs]


class _Session(SessionState):
    """What is kept of a visitor: the values of gr.State, and no configuration of every component."""

    def __init__(self, blocks: gr.Blocks) -> None:
        self.blocks_config = copy(blocks.default_config)
        self.config_values: dict[int, Any] = {}
        self.state_data: dict[int, Any] = {}
        self._state_ttl: dict[int, Any] = {}
        self.is_closed = False
        # A tab that lost its connection comes back as the same visitor, so Gradio keeps an hour what a closed tab had,
        # and a second in tests.
        self.STATE_TTL_WHEN_CLOSED = 1 if os.getenv("GRADIO_IS_E2E_TEST") else 3600

    def _update_config(self, key: int) -> None:
        """Kept for deep links only."""

    def _update_value_in_config(self, key: int, value: Any) -> None:
        """Kept for deep links only."""


class _Sessions(StateHolder):
    def __getitem__(self, session_id: str) -> SessionState:
        if session_id not in self.session_data:
            self.session_data[session_id] = _Session(self.blocks)
        return super().__getitem__(session_id)


def keep_sessions_small(demo: gr.Blocks) -> None:
    """Have the launched `demo` keep what it must of its visitors. Before the first of them comes."""
    sessions = _Sessions()
    sessions.set_blocks(demo)
    demo.app.state_holder = sessions
