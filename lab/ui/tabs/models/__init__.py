"""The tab Models."""

from lab.ui.shell.instrument import Instrument
from lab.ui.shell.sources import beside
from lab.ui.tabs.models import tab

TAB = Instrument(
    name="models",
    title="Models",
    question="What is at work right now?",
    group="Lab",
    build=tab.build,
    style=beside(__file__, "style.css"),
)
