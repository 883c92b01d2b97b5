"""What to look at after a press of a preset: its sentence beneath the presets, its button pressed, the place outlined.

All of it is the page's own: it compares what the controls are set to with what the presets set. The sentence and the
pressed button go as soon as a control differs, and come back with its value. Pictures that were made with other settings
than those of the controls, which the code of their link tells, are dimmed.
"""

import json
from collections.abc import Sequence
from html import escape
from typing import Any

import gradio as gr

from lab.ui.shell import widgets
from lab.ui.shell.form import Preset
from lab.ui.shell.sources import beside

POINTER_JS = beside(__file__, "pointer.js")
VALUES_JS = "(...values) => window.labPointers?.TAB?.(values)"


def lay_out(
    tab: str, presets: Sequence[Preset], values: Sequence[Sequence[Any]], paths: Sequence[Sequence[str | int]]
) -> gr.HTML:
    """The line of a tab's presets, with the first one's sentence. `values` are what each preset sets, in the order of the
    components that `wire` is given, and `paths` where the values of a run's capsule have them; none where pictures follow
    the controls at once."""
    base = values[0]
    rows = [
        {
            "look": widgets.subscripts(preset.look),
            "place": preset.place,
            **({"example": preset.example} if preset.example else {}),
            **({"area": preset.area} if preset.area else {}),
            "changes": {index: value for index, value in enumerate(own) if value != base[index]},
        }
        for preset, own in zip(presets, values, strict=True)
    ]
    data = escape(json.dumps({"tab": tab, "base": base, "presets": rows, "paths": paths}, ensure_ascii=False))
    line = f'<p class="pointer" data-aloud data-presets="{data}">{rows[0]["look"]}</p>'
    return gr.HTML(line, js_on_load=POINTER_JS, elem_id=f"{tab}-pointer", padding=False)


def wire(tab: str, compared: Sequence[Any], code: gr.Textbox) -> None:
    """Have the page compare whenever one of these components, or the `code` of the last run's link, has another value."""
    triggers = [part.change for part in (*compared, code)]
    js = VALUES_JS.replace("TAB", tab)
    gr.on(triggers, None, [*compared, code], None, js=js, trigger_mode="multiple", api_visibility="private")
