"""The figures of a pipeline's parts: small SVGs, in proportion to what the model's files say."""

from collections.abc import Sequence
from random import Random

from lab.architecture import Architecture, Stage

WIDE, TALL = 150, 84  # of a figure


def _svg(body: str) -> str:
    return f'<svg viewBox="0 0 {WIDE} {TALL}" focusable="false">{body}</svg>'


def _rect(x: float, y: float, width: float, height: float, kind: str = "") -> str:
    style = f' class="{kind}"' if kind else ""
    return f'<rect x="{x:.1f}" y="{y:.1f}" width="{width:.1f}" height="{height:.1f}" rx="2"{style}/>'


def _text(x: float, y: float, words: str) -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="middle">{words}</text>'


def quote(words: str) -> str:
    """Words in a bubble."""
    return _svg(_rect(25, 22, 100, 40) + f'<text x="75" y="48" text-anchor="middle" class="large">{words}</text>')


def matrix() -> str:
    """A vector for each token: rows of cells."""
    cells = (
        _rect(21 + 12 * i, 12 + 11 * row, 10, 8, "ink" if (i * 7 + row * 3) % 5 < 2 else "")
        for row in range(6)
        for i in range(9)
    )
    return _svg("".join(cells))


def noise(built: Architecture | None) -> str:
    """As many squares as x_T has channels, behind each other, full of noise."""
    channels, random = min(built.shape[0] if built else 3, 4), Random(0)
    body = ""
    for channel in range(channels):
        x, y = 30 + 10 * channel, 22 - 6 * channel + 4 * (channels - 3)
        body += _rect(x, y, 52, 52, "paper")
        if channel == channels - 1:
            body += "".join(
                f'<rect x="{x + 6.5 * i:.1f}" y="{y + 6.5 * j:.1f}" width="6.5" height="6.5" class="ink" opacity="{random.random():.2f}"/>'
                for i in range(8) for j in range(8)
            )  # fmt: skip
    return _svg(body)


def mixture() -> str:
    """A square that is half noise."""
    random = Random(1)
    cells = "".join(
        f'<rect x="{45 + 7.5 * i:.1f}" y="{12 + 7.5 * j:.1f}" width="7.5" height="7.5" class="ink" opacity="{random.random() / 2:.2f}"/>'
        for i in range(8) for j in range(8)
    )  # fmt: skip
    return _svg(_rect(45, 12, 60, 60, "paper") + '<circle cx="75" cy="42" r="20" class="ink" opacity=".45"/>' + cells)


def square(side: int) -> str:
    """A picture, and its side in pixels."""
    words = _text(75, 82, f"{side} px") if side else ""
    return _svg(_rect(47, 8, 56, 56, "paper") + '<circle cx="75" cy="36" r="17" class="ink"/>' + words)


def stack() -> str:
    """Many pictures."""
    body = "".join(_rect(28 + 9 * i, 26 - 5 * i, 46, 46, "paper") for i in range(5))
    return _svg(body + '<circle cx="87" cy="29" r="14" class="ink"/>')


def posterior() -> str:
    """Pictures, by their weights."""
    weights = (8, 14, 26, 52, 34, 18, 10, 6)
    return _svg(
        "".join(_rect(22 + 14 * i, 72 - tall, 9, tall, "ink") for i, tall in enumerate(weights)) + _rect(16, 73, 118, 1)
    )


def u_net(stages: Sequence[Stage], arrows: int = 0) -> str:
    """The stages of a U-Net, down and up again: as high as their sides, as wide as their channels, and the skips."""
    if not stages:
        return _svg(_rect(30, 14, 90, 56))
    most, widest = max(side for _, side in stages), max(width for width, _ in stages)
    bars = [*stages, *reversed(stages[:-1])]
    room, gap = (WIDE - 14) / len(bars), 4
    body = ""
    for i, (channels, side) in enumerate(bars):
        wide, tall = (room - gap) * (0.35 + 0.65 * channels / widest), max(6.0, 52 * side / most)
        body += _rect(7 + i * room + (room - wide) / 2, 36 - tall / 2, wide, tall, "ink")
        if i < len(stages):
            body += _text(7 + (i + 0.5) * room, 78, f"{channels}")
    for i in range(len(stages) - 1):  # skips
        left, right = 7 + (i + 0.5) * room, WIDE - 7 - (i + 0.5) * room
        y = 36 - max(6.0, 52 * stages[i][1] / most) / 2
        body += f'<path d="M{left:.1f} {y:.1f}V{max(y - 6, 3):.1f}H{right:.1f}V{y:.1f}"/>'
    return _svg(body)


def control(built: Architecture | None, residuals: int) -> str:
    """A copy of the way down, and an arrow for each residual."""
    stages = built.stages if built else ()
    count = residuals or 4
    body = "".join(
        _rect(20 + 38 * i, 62 - max(8.0, 40 * side / stages[0][1]), 26, max(8.0, 40 * side / stages[0][1]), "ink")
        for i, (_, side) in enumerate(stages[:3])
    )
    for i in range(count):
        x = 18 + 114 * i / max(count - 1, 1)
        body += f'<path d="M{x:.1f} 80V68M{x - 3:.1f} 71L{x:.1f} 67L{x + 3:.1f} 71"/>'
    return _svg(body)


def trapezoid(opens: bool) -> str:
    """An autoencoder's half: from few values to many, or the other way round."""
    left, right = (12, 30) if opens else (30, 12)  # half of the heights
    return _svg(f'<path class="ink" d="M40 {42 - left}L110 {42 - right}V{42 + right}L40 {42 + left}Z"/>')
