"""The tab Notes."""

from lab.ui.shell.instrument import Instrument
from lab.ui.shell.sources import beside
from lab.ui.tabs.notes import answers, tab

routes = answers.routes

TAB = Instrument(
    name="notes",
    title="Notes",
    question="Why is that so?",
    group="Lab",
    build=tab.build,
    card="Every derivation, step by step. Each step is checked on numbers of your own.",
    emblem="q(x<sub>t</sub> | x<sub>0</sub>) ✓",
    style=answers.face(f"{answers.FOLDER}/") + beside(__file__, "style.css"),
)
