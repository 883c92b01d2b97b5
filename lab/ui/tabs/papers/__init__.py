"""The tab Papers."""

from lab.papers import PAPERS
from lab.ui.shell.instrument import Instrument
from lab.ui.shell.sources import beside
from lab.ui.tabs.papers import notebooks, tab

TAB = Instrument(
    name="papers",
    title="Papers",
    question="Who found this out?",
    group="Lab",
    build=tab.build,
    card=f"{len(PAPERS)} papers, oldest first. Each opens what you can try of it here.",
    emblem=f"{PAPERS[0].year} – {PAPERS[-1].year}",
    style=beside(__file__, "style.css"),
    routes=notebooks.ROUTES,
)
