"""What the page says to those who hear it: one place that speaks, and says of a run that it begins and what came of it.

Whatever carries `data-aloud`, as notes do, is seen where it stands and said by this place alone. A live region of its own
in every note would say each of a run's thirty sentences, and some readers say nothing of one that is put in with its text.
"""

import gradio as gr

from lab.ui.shell.sources import beside

READER_JS = beside(__file__, "reader.js")


def voice() -> gr.HTML:
    """The place that speaks; nobody sees it. While a run lasts, its stage is marked as busy."""
    return gr.HTML(
        '<p role="status" aria-live="polite"></p>', js_on_load=READER_JS, elem_id="lab-voice", elem_classes="unseen"
    )
