"""LaTeX as MathML, made on the server, in which every symbol of the notation knows its row of the table."""

import re
from functools import cache
from html import escape, unescape
from xml.etree import ElementTree

from latex2mathml import converter

from lab.notes.notation import SYMBOLS

DOLLARS = re.compile(r"\$([^$]+)\$")
ACCENTS, PRIMES = "\u00af\u005e\u007e\u02d9", "\u2032\u2033"
THIN = "0.167em"
CLOSING = ",.;:)"
FUNCTIONS = ("log", "exp", "sin", "cos", "tanh")


def display(latex: str) -> str:
    """An equation on a line of its own."""
    return _written(latex, "block")


def prose(text: str) -> str:
    """A sentence as HTML, with its LaTeX between dollars."""
    written = []
    for i, part in enumerate(DOLLARS.split(text)):
        if i % 2:
            written.append(_written(part, "inline"))
            continue
        rest = part.lstrip(CLOSING) if i else part
        if rest != part:  # what closes the sentence or the bracket stays on the line of the equation
            written[-1] = f'<span class="closed">{written[-1]}{part.removesuffix(rest)}</span>'
        written.append(escape(rest, quote=False))
    return "".join(written)


@cache
def _written(latex: str, how: str) -> str:
    root = _converted(latex, how)
    _mark(root)
    return ElementTree.tostring(root, encoding="unicode", short_empty_elements=False)


def _mark(element: ElementTree.Element) -> None:
    """Whole symbols alone: the t of x_t is no symbol of its own."""
    for part in element:
        row = _rows().get(symbol(part))
        if row is None:
            _mark(part)
        else:
            part.set("data-symbol", str(row))


@cache
def _rows() -> dict[str, int]:
    """Rows of the notation by the bare MathML of their forms."""
    return {_bare(_converted(form)[0]): row for row, symbol in enumerate(SYMBOLS) for form in symbol.forms}


def _bare(element: ElementTree.Element) -> str:
    """An element without its attributes and without the rows that hold one thing alone."""
    parts = [_bare(part) for part in element]
    if element.tag == "mrow" and len(parts) == 1:
        return parts[0]
    return f"<{element.tag}>{element.text or ''}{''.join(parts)}</{element.tag}>"


def symbol(element: ElementTree.Element) -> str:
    """The bare MathML of an element; of one with an index and a power, without the power."""
    if element.tag == "msubsup":
        return f"<msub>{_bare(element[0])}{_bare(element[1])}</msub>"
    return _bare(element)


def _converted(latex: str, how: str = "inline") -> ElementTree.Element:
    """MathML, mended where latex2mathml writes otherwise than browsers need it."""
    root = converter.convert_to_element(
        latex.replace(r"\mathrm{d}", r"\text{d}"), display=how
    )  # it forgets that one letter is upright
    for one in root.iter():
        one.text = unescape(one.text) if one.text else None  # signs come as references
    for one in [*root.iter()]:
        _mend(one)
    return root


def _mend(one: ElementTree.Element) -> None:
    """One element: norm bars of a set size, slashes without spaces, accents and primes that sit close, upright words that come letter by
    letter, and spaces around the name of a function."""
    if one.tag == "mo" and one.text == r"\|":
        one.text = "‖"
    elif one.tag == "mo" and one.text == "/":
        one.attrib.update(lspace="0", rspace="0")
    elif one.tag == "mover" and one[1].text and one[1].text in ACCENTS:
        one.set("accent", "true")
    elif one.tag == "msup" and one[1].text and one[1].text in PRIMES:
        one.tag, one[1].tag = "mrow", "mo"
        one[1].attrib.update(lspace="0", rspace="0")
    elif len(one) > 1 and all(part.tag == "mi" and part.get("mathvariant") == "normal" for part in one):
        whole = ElementTree.Element("mi")
        whole.text = "".join(part.text or "" for part in one)
        one[:] = [whole]
    if one.tag in ("mrow", "math"):
        for i in reversed(range(len(one))):
            if _is_function(one[i]):
                if i + 1 < len(one) and one[i + 1].text not in ("(", "["):
                    one.insert(i + 1, ElementTree.Element("mspace", width=THIN))
                if i and one[i - 1].tag not in ("mo", "mspace"):
                    one.insert(i, ElementTree.Element("mspace", width=THIN))


def _is_function(one: ElementTree.Element) -> bool:
    """Whether it is the name of a function, perhaps with a base or a power."""
    return (one[0] if one.tag in ("msub", "msup") else one).text in FUNCTIONS
