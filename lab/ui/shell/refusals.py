"""What no control can hold, in words: the control by its label, what came, and what it takes.

Gradio's own sentences name no control ("Value -1 is less than minimum value 0."), and for most wrong types there is none.
"""

from math import isfinite
from typing import Any

import gradio as gr

CONTROLS = (gr.Dropdown, gr.Radio, gr.Checkbox, gr.CheckboxGroup, gr.Slider, gr.Number, gr.Textbox)
UNREADABLE = "The page sent something that the lab cannot read. Reload the page and try again."
LONGEST = 40  # characters of what came


def holds(block: Any, value: Any) -> bool:
    """Whether a handler may be given this, which Gradio let through: None in a Dropdown or Radio that had a value, a list
    in a Dropdown of one choice or no list in one of several or in a CheckboxGroup, a Checkbox that is no bool, a Slider or Number that is not
    finite, and text with lone surrogates may not."""
    if isinstance(value, str) and not _sendable(value):
        return False
    if isinstance(block, gr.Dropdown | gr.Radio) and value is None:
        return block.value is None
    if isinstance(block, gr.Dropdown):
        return isinstance(value, list) == bool(block.multiselect)
    if isinstance(block, gr.CheckboxGroup):
        return isinstance(value, list)
    if isinstance(block, gr.Checkbox):
        return isinstance(value, bool)
    return not (isinstance(block, gr.Slider) and isinstance(value, float) and not isfinite(value))


def accepts(block: Any, sent: Any) -> bool:
    """Whether a control takes what the page sent, as Gradio and `holds` see it; a component that is no control does."""
    if not isinstance(block, CONTROLS):
        return True
    try:
        return holds(block, block.preprocess(sent))
    except Exception:  # Gradio's own components raise what they like
        return False


def sentence(block: Any, sent: Any) -> str:
    """Why a control does not take what the page sent, and what it takes."""
    label = str(block.label).partition(" (")[0].partition(":")[0]
    if sent is None or sent in ("", []):
        return f"{label} is empty. {_wanted(block)}"
    shown = str(sent).encode(errors="replace").decode()
    shown = shown if len(shown) <= LONGEST else f"{shown[:LONGEST]} …"
    return f"{label}: “{shown}” is not possible. {_wanted(block)}"


def _sendable(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _wanted(block: Any) -> str:
    if isinstance(block, gr.Checkbox):
        return "Tick it, or do not."
    if isinstance(block, gr.CheckboxGroup):
        return f"Choose some of {', '.join(str(title) for title, _ in block.choices)}."
    if isinstance(block, gr.Radio):
        return f"Choose one of {', '.join(str(title) for title, _ in block.choices)}."
    if isinstance(block, gr.Dropdown):
        return "Choose from its list." if block.multiselect else "Choose one of its list."
    if isinstance(block, gr.Textbox):
        return "Type it anew."
    low, high = block.minimum, block.maximum
    if low is None or high is None:
        return "Type a number." if low is None else f"Type a number from {low:g} up."
    return f"Choose a number from {low:g} to {high:g}."
