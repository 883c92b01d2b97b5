"""What the components of a tab hold, for tests that call its handlers as the page does."""

import gradio as gr


def first_values(tab):
    """By component, as the page opens."""
    shared = getattr(tab, "share", None)
    rows = [part for row in getattr(tab, "rows", ()) for part in row]
    parts = [*vars(tab).values(), *(vars(shared).values() if shared else ()), *rows]
    return {part: part.value for part in parts if isinstance(part, gr.components.Component)}


def settled(values, update):
    """The values after an update of the page."""
    plain = {
        part: value["value"] if isinstance(value, dict) and "value" in value else value
        for part, value in update.items()
    }
    return values | {
        part: value for part, value in plain.items() if not (isinstance(value, dict) and "__type__" in value)
    }
