"""What the Samplers tab says of the samplers that are shown."""

from collections.abc import Iterable

from lab.catalog import SAMPLERS
from lab.equations import EQUATIONS, INVERSION, NOTATION
from lab.ui.shell import widgets


def describe(samplers: Iterable[str]) -> str:
    """Markdown: the notation and then each sampler, once, in the order given."""
    return "\n\n".join([NOTATION, *map(_entry, dict.fromkeys(samplers))])


def _entry(name: str) -> str:
    row, equation = SAMPLERS["ddim" if name == INVERSION else name], EQUATIONS[name]
    title = f"{row.title}, upwards" if name == INVERSION else row.title
    return f"**{title}** ({widgets.paper(row)}, {equation.place}). {equation.words}\n\n$${equation.latex}$$"
