"""What pulls a picture whose rule has a guide: its gradient at a step, what the classifier believes there, and both over the
steps. Pure functions to markup."""

from collections.abc import Iterator, Sequence
from html import escape

from lab.catalog import GUIDANCE
from lab.requests.anatomy import Anatomy, Pull
from lab.requests.sampling import LaneSettings
from lab.ui.shell import media, theme
from lab.ui.tabs.guidance.cells import figure, heat_colours, image
from lab.ui.tabs.guidance.chart import STEP, Chart, Curve, Point

COLUMNS = ("rms_pull", "cosine_to_cfg", "log_probability")  # of a file: what every pull has
PULL, DIFFERENCE = "the guide's pull", "their difference"  # curves
TITLES = {
    "belief": ("belief in what is asked for", "probability, by the classifier"),
    "cosine": ("direction of the pull", "cosine to classifier-free guidance's"),
}
SPANS = {"belief": (0.0, 1.0), "cosine": (-1.0, 1.0), "rms": (0.0, 0.1)}
SIZE = "its size"
WORDS = (
    "The map is what one unit of scale changes in the predicted noise: grey where nothing pulls. Cosine 1: it pulls where "
    "classifier-free guidance does; 0: across."
)


# One step


def panel(lane: LaneSettings, step: Anatomy | None) -> str:
    """The gradient of a step as a map, and what the classifier believes; "" of a lane whose rule has no guide."""
    row = GUIDANCE[lane.rule]
    if not row.guide or (step is not None and step.pull is None):
        return ""
    pull, title = (step.pull if step else None), "difference" if row.guide == "weak" else "gradient"
    maps = _maps(pull, title) if pull else figure("", title, "") + figure("", SIZE, "")
    return (
        f'<h4>What pulls: {escape(row.title)}</h4><div class="pull">{maps}{_beliefs(pull)}</div>'
        f'<p class="lab-words">{WORDS}</p>'
    )


def _maps(pull: Pull, title: str) -> str:
    near = "" if pull.cosine is None else f", cosine {_signed(pull.cosine)}"
    name = "log-probability" if pull.beliefs else "potential"
    level = "" if pull.potential is None else f"{name} {_signed(pull.potential, 1)}"
    return figure(image(media.data_uri(pull.picture), title), title, f"RMS {pull.rms:.3f}{near}") + figure(
        image(media.data_uri(heat_colours(pull.heat)), SIZE), SIZE, level
    )


def _beliefs(pull: Pull | None) -> str:
    """A bar for every class that the classifier knows, the one that is asked for marked."""
    if pull is None or not pull.beliefs:
        return ""
    bars = "".join(_bar(name, share, name == pull.wanted) for name, share in pull.beliefs.items())
    return f'<div class="beliefs"><b>What the classifier believes</b><ul>{bars}</ul></div>'


def _bar(name: str, share: float, wanted: bool) -> str:
    kind, asked = (' class="wanted"', ", asked for") if wanted else ("", "")
    return (
        f'<li{kind}><span>{escape(name)}{asked}</span><i><u style="width:{100 * share:.1f}%"></u></i>'
        f"<em>{share:.0%}</em></li>"
    )


def _signed(value: float, digits: int = 2) -> str:
    return f"{round(value, digits) + 0.0:.{digits}f}".replace("-", "−")  # no minus before zero


# Over the steps


def charts(steps: Sequence[Anatomy], ticks: Sequence[tuple[float, str]], hue: str) -> list[Chart]:
    """Belief in what is asked for, direction and size of the pull at every step, in the colour of its rule; none where
    nothing but the halves pulls."""
    pulls = _pulls(steps)
    if not pulls:
        return []
    belief = [Point(i, pull.beliefs[pull.wanted]) for i, pull in pulls if pull.wanted in pull.beliefs]
    cosine = [Point(i, pull.cosine) for i, pull in pulls if pull.cosine is not None]
    sizes = [Point(i, pull.rms) for i, pull in pulls]
    halves = [Point(step.i + 1.0, step.norms[2]) for step in steps if step.pull]
    both = [Curve(PULL, hue, tuple(sizes)), Curve(DIFFERENCE, theme.NOISE, tuple(halves))]
    believed = [_chart("belief", belief, ticks, hue)] if belief else []
    return [
        *believed,
        _chart("cosine", cosine, ticks, hue),
        Chart("size of both pulls", "RMS at scale 1", both, STEP, ticks, SPANS["rms"]),
    ]


def _chart(name: str, line: Sequence[Point], ticks: Sequence[tuple[float, str]], hue: str) -> Chart:
    title, about = TITLES[name]
    return Chart(title, about, [Curve(PULL, hue, tuple(line))], STEP, ticks, SPANS[name], "both halves are alike")


def _pulls(steps: Sequence[Anatomy]) -> list[tuple[float, Pull]]:
    return [(step.i + 1.0, step.pull) for step in steps if step.pull]


def strongest(steps: Sequence[Anatomy]) -> int | None:
    """The step at which the guide pulls most, as an index; None where nothing but the halves pulls."""
    pulls = [(step.pull.rms, -index) for index, step in enumerate(steps) if step.pull]
    return -max(pulls)[1] if pulls else None


def columns(steps: Sequence[Anatomy]) -> list[str]:
    """What a file of the steps has of the pull besides, "belief: Food and drink" among it; none where there is no pull."""
    pulls = _pulls(steps)
    return [*COLUMNS, *(f"belief: {name}" for name in pulls[0][1].beliefs)] if pulls else []


def numbers(step: Anatomy) -> Iterator[float | None]:
    """The values of `columns` at a step."""
    if (pull := step.pull) is not None:
        values = (pull.rms, pull.cosine, pull.potential, *pull.beliefs.values())
        yield from (None if value is None else round(value, 6) for value in values)
