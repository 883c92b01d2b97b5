"""The timeline as one picture: a dot a work, oldest left, filled where the lab shows it, and an arc to each that it took from.

The list beneath it says the same in words, so the picture is hidden from screen readers, and keys pass its dots by.
"""

from html import escape

from lab.notes.history import TOOK, WORKS

APART, MARGIN, FLATNESS, NAMES = 17.5, 16, 0.42, 176  # px between dots, left and right; of an arc; height of the names


def picture(anchors: dict[str, str]) -> str:
    """The SVG. `anchors` are the names of the works in the page."""
    keys = list(WORKS)
    places = {key: MARGIN + APART * i for i, key in enumerate(keys)}
    longest = max(places[key] - places[before] for key, took in TOOK.items() for before in took)
    ground = round(longest * FLATNESS / 2) + 14
    arcs = "".join(
        _arc(places[before], places[key], ground, keys.index(before), keys.index(key))
        for key, took in TOOK.items()
        for before in took
    )
    dots = "".join(_dot(key, places[key], ground, i, anchors[key]) for i, key in enumerate(keys))
    width, height = round(places[keys[-1]]) + 100, ground + NAMES
    return (
        '<div class="wide timeline" role="group" aria-label="Timeline, which the list below says in words">'
        f'<svg aria-hidden="true" viewBox="0 0 {width} {height}" width="{width}" height="{height}">'
        f"{arcs}{dots}</svg></div>"
    )


def _arc(one: float, other: float, ground: int, before: int, after: int) -> str:
    left, right = min(one, other), max(one, other)
    radius = (right - left) / 2
    return (
        f'<path d="M{left} {ground}A{radius:g} {radius * FLATNESS:.1f} 0 0 1 {right} {ground}" '
        f'data-before="{before}" data-after="{after}"/>'
    )


def _dot(key: str, x: float, ground: int, index: int, anchor: str) -> str:
    shown = ' class="shown"' if WORKS[key].tries else ""
    return (
        f'<a href="#history-{anchor}" data-at="history.{anchor}" tabindex="-1" data-work="{index}"{shown}><title>{escape(WORKS[key].title)}</title>'
        f'<circle cx="{x}" cy="{ground}" r="4.5"/><text transform="translate({x - 3} {ground + 14}) rotate(52)">{escape(key)}</text></a>'
    )
