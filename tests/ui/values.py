"""What the components of a tab hold, for tests that call its handlers as the page does."""

import gradio as gr


def first_values(tab):
    """By component, as the page opens."""
    holders = [tab, *(getattr(tab, name) for name in ("share", "runs", "board") if hasattr(tab, name))]
    rows = [part for row in getattr(tab, "rows", ()) for part in row]
    form = tab.form.parts.values() if hasattr(tab, "form") else ()
    parts = [*(part for holder in holders for part in vars(holder).values()), *rows, *form]
    return {part: part.value for part in parts if isinstance(part, gr.components.Component)}


def part_of(tab, name):
    """A component of a tab: a control of its form, Run, Stop or the note beside them, or one of its own."""
    own = (vars(getattr(tab, holder, tab)) for holder in ("runs", "board"))
    holders = [tab.form.parts if hasattr(tab, "form") else {}, vars(tab), *own]
    return next(holder[name] for holder in holders if name in holder)


def set_to(update):
    """What an update of the page sets a component to."""
    return update["value"] if isinstance(update, dict) and "value" in update else update


def settled(values, update):
    """The values after an update of the page."""
    plain = {
        part: value["value"] if isinstance(value, dict) and "value" in value else value
        for part, value in update.items()
    }
    return values | {
        part: value for part, value in plain.items() if not (isinstance(value, dict) and "__type__" in value)
    }
