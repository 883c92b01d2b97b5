"""The pipeline of a tab: a line above its stage that says which parts a picture goes through and what flows between them,
and beneath it, unfolded over the page, a picture of them with the shapes of the model that is chosen.

Numbers are those of the request that a press of Run would make. Which part is at work says the note of a run, or the place
of its film; what the page cannot know it does not mark.
"""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from html import escape

import gradio as gr

from lab.architecture import Architecture, architecture, residuals
from lab.catalog import GROUPS, GUIDANCE, MODELS, SAMPLERS, Model, control_of
from lab.quantities import plural, quantity
from lab.requests.invention import InventionRequest
from lab.requests.sampling import SamplingRequest
from lab.requests.share import ShareRequest
from lab.ui.shell import heads, pipeline_figures, reel, widgets
from lab.ui.shell.sources import beside

PIPELINE_JS = beside(__file__, "pipeline.js")
BEFORE, NETWORK, AFTER = "before", "network", "after"  # the first call of the network, all of them, the last
LONGEST = 28  # characters of a prompt

DDPM = "Denoising Diffusion Probabilistic Models"
IMPROVED = "Improved Denoising Diffusion Probabilistic Models"
KARRAS = "Elucidating the Design Space of Diffusion-Based Generative Models"
LATENT = "High-Resolution Image Synthesis with Latent Diffusion Models"
LOCAL = "An analytic theory of creativity in convolutional diffusion models"
LCM = "Latent Consistency Models: Synthesizing High-Resolution Images with Few-Step Inference"
GUIDED = "Classifier-Free Diffusion Guidance"
CONTROLNET = "Adding Conditional Control to Text-to-Image Diffusion Models"
VAE = "Auto-Encoding Variational Bayes"
SCORES = "Generative Modeling by Estimating Gradients of the Data Distribution"
SDE = "Score-Based Generative Modeling through Stochastic Differential Equations"
UNCLIP = "Hierarchical Text-Conditional Image Generation with CLIP Latents"
THERMODYNAMICS = "Deep Unsupervised Learning using Nonequilibrium Thermodynamics"

DIFFUSION_BEATS_GANS = "Diffusion Models Beat GANs on Image Synthesis"
GLIDE = "GLIDE: Towards Photorealistic Image Generation and Editing with Text-Guided Diffusion Models"
AUTOGUIDANCE = "Guiding a Diffusion Model with a Bad Version of Itself"
UNIVERSAL = "Universal Guidance for Diffusion Models"
GUIDES_PAPERS = {"classifier": DIFFUSION_BEATS_GANS, "clip": GLIDE, "weak": AUTOGUIDANCE}  # of others: UNIVERSAL

GUIDES_DO = {  # by whether a gradient is added to a prediction
    True: "The gradient of what it says of x_t, or of the predicted x_0, is added to the network's prediction.",
    False: "A worse network predicts too, and the sampler is led away from what it says.",
}

CLOSED_FORMS = {  # by family: name, name on a phone, what it does, paper
    "exact": (
        "exact denoiser", "denoiser", "No network: the mean of all pictures of the set, each weighted by how likely x_t came from it.", KARRAS,
    ),
    "local": (
        "local machine", "machine", "No network: for each pixel the mean of the set's pixels there, each weighted by how likely the patch around it is.", LOCAL,
    ),
}  # fmt: skip
U_NET = "U-Net", "", "It says which noise is in x_t; the sampler takes a little of that away and asks again.", ""


@dataclass(frozen=True)
class Part:
    """A part of a pipeline. `numbers` are what it takes or gives, in a few characters; `figure` is SVG."""

    name: str
    numbers: str
    does: str  # one sentence
    papers: tuple[str, ...] = ()  # titles in lab/papers.py
    at: str = ""  # when in a run it is at work
    figure: str = ""
    short: str = ""  # of the name, for a phone; the same where it is empty
    key: bool = False  # its numbers are read on a phone too


@dataclass(frozen=True)
class Flow:
    """A pipeline: its title, its parts in order, and a sentence about the whole."""

    title: str
    parts: tuple[Part, ...]
    whole: str = ""


# How often the network is asked


@dataclass(frozen=True)
class Counts:
    """What a run asks of its network, as far as that is known before it begins: at least and at most."""

    pictures: int
    calls: tuple[int, int]  # for a picture
    halves: tuple[int, int]  # predictions that a call needs
    all_calls: int
    all_predictions: tuple[int, int]


def count(request: SamplingRequest, guided: bool = True) -> Counts:
    """The calls of a request's lanes, without those of its reference and of a second model. Where the model is not `guided`
    a call needs one prediction."""
    lanes = request.lanes
    calls, halves = [lane.calls for lane in lanes], [lane.halves if guided else (1, 1) for lane in lanes]
    least, most = ([half[end] for half in halves] for end in (0, 1))
    return Counts(
        len(lanes), (min(calls), max(calls)), (min(least), max(most)), sum(calls),
        tuple(sum(n * m for n, m in zip(calls, ends, strict=True)) for ends in (least, most)),  # type: ignore[arg-type]
    )  # fmt: skip


def between(ends: tuple[int, int]) -> str:
    """Two numbers as one where they are equal: "20", "2 to 100"."""
    return f"{ends[0]:,}" if ends[0] == ends[1] else f"{ends[0]:,} to {ends[1]:,}"


def times(*numbers: int) -> str:
    """A shape: "4 × 16 × 16"."""
    return " × ".join(f"{number:,}" for number in numbers)


# The pipelines


def of_model(row: Model, request: SamplingRequest | None = None, controls: Sequence[str] = ()) -> Flow:
    """The way of a picture from noise: of a run, or of a model as such with ControlNets of these kinds."""
    if request:
        controls = [one.name for one in request.controls]
    built, tiny = architecture(row), request is not None and request.decoder == "tiny"
    counts = count(request, row.guided and not (built and built.distilled)) if request else None
    parts = [*_words(row, built, request), _start(built), *_control(row, built, controls)]
    parts += [_network(row, built, request, counts), *_guides(request), *_end(row, built, tiny)]
    return Flow(row.title, tuple(parts), _whole(request, counts, row) if request and counts else "")


def of_share(row: Model, request: ShareRequest) -> Flow:
    """The share of two groups in what samplers end in: no words choose, and lanes may start near a picture."""
    built, flow = architecture(row), of_model(row, request.sampling)
    known = "The pictures of two groups are all that the denoiser knows."
    counts = " + ".join(map(str, request.counts))
    data = Part("picture set", counts, known, (), BEFORE, pipeline_figures.stack(), "set")
    start = _start(built)
    if request.start:
        start = replace(
            start, does=f"The start: a picture of {GROUPS[request.start]}, as noisy as where the sampler begins."
        )
    return replace(flow, parts=(data, start, *(part for part in flow.parts if part.at in (NETWORK, AFTER))))


def of_inversion(row: Model, steps: int) -> Flow:
    """DDIM inversion: from a picture up to its x_T, and down again."""
    built = architecture(row)
    shape = times(*built.shape) if built else ""
    picture = Part("picture", _picture_shape(built), "The picture whose own noise is sought.", (), BEFORE,
                   pipeline_figures.square(built.side if built else 0))  # fmt: skip
    does = "It codes the picture in fewer values: the latent that diffusion works on."
    encoder = [Part("encoder", shape, does, (VAE, LATENT), BEFORE, pipeline_figures.trapezoid(False))]
    network = _network(row, built, None, None)
    up = Part(network.name, f"× {steps} up", "DDIM's steps, run backwards: each adds the noise that the network predicts.",
              ("Denoising Diffusion Implicit Models",), NETWORK, network.figure, network.short, True)  # fmt: skip
    x_T = Part("x_T", shape, "The noise that DDIM turns into this picture.", (), NETWORK, pipeline_figures.noise(built))
    down = Part(
        network.name, f"× {steps} down", network.does, network.papers, NETWORK, network.figure, network.short, True
    )
    parts = (picture, *(encoder if row.latent else []), up, x_T, down, *_end(row, built))
    return Flow(f"{row.title}, inverted", parts, f"1 picture, {2 * steps} calls of the network.")


def of_machines(request: InventionRequest) -> Flow:
    """Copy or invent: machines that know the same pictures draw from the same noise."""
    row = MODELS["exact-32"]
    built = architecture(row)
    kinds = dict.fromkeys(machine.kind for machine in request.machines)
    said = {
        "exact": "The exact denoiser takes the mean of whole pictures",
        "local": "the local score machine that of patches, pixel by pixel",
        "network": "the network was trained",
    }
    does = "; ".join(said[kind] for kind in kinds)
    lanes = len(request.machines) * len(request.seeds)
    known = Part("picture set", GROUPS.get(request.group, f"{built.pictures:,}" if built else ""),
                 "What the machines know. The network saw all pictures in training.", (), BEFORE, pipeline_figures.stack(), "set")  # fmt: skip
    network = Part("machines", f"× {quantity(request.steps, 'call')}", f"{does[:1].upper()}{does[1:]}.", (LOCAL, KARRAS), NETWORK,
                   pipeline_figures.posterior(), key=True)  # fmt: skip
    near = Part("nearest", "one a picture", "The training picture with the least root mean square distance to what was drawn.",
                (), AFTER, pipeline_figures.stack())  # fmt: skip
    whole = f"{quantity(lanes, 'picture')} by DDIM, {quantity(request.steps, 'call')} each: {lanes * request.steps:,} calls."
    return Flow("Copy or invent", (known, _start(built), network, *_end(row, built), near), whole)


def of_noise(side: int, T: float | None) -> Flow:
    """The forward process, where nothing is learned: one jump from a picture to x_t."""
    shape = times(3, side, side)
    known = Architecture(side, (3, side, side))
    return Flow(
        "Forward noising",
        (
            Part("data x_0", shape, "A picture: its values, from −1 to 1, are x_0.", (), "", pipeline_figures.square(side)),
            Part("noise ε", shape, "As many values, drawn from a normal distribution; the seed decides on them.",
                 (THERMODYNAMICS,), "", pipeline_figures.noise(known)),
            Part("x_t", f"one of {T:,} levels" if T else "", "Both are mixed in one jump: √ᾱ of the picture and √(1 − ᾱ) of the noise.",
                 (DDPM,), "", pipeline_figures.mixture(), key=True),
            Part("training", "not here", "A network is shown x_t and t, and learns to say ε. What it learned walks back in the tab Samplers.",
                 (DDPM,), "", pipeline_figures.quote("ε?")),
        ),
        "No network is asked here: the forward process is arithmetic.",
    )  # fmt: skip


def of_ledger(row: Model, calls: str) -> Flow:
    """What it costs to describe a picture to somebody who has a model: `calls` steps of the chain, as the page has them."""
    built = architecture(row)
    shape = times(*built.shape) if built else ""
    network = _network(row, built, None, None)
    knows = quantity(built.pictures, "picture", ",") if built and built.pictures else ""
    return Flow(
        f"{row.title}, as a code",
        (
            Part("picture x_0", shape, "The picture that a sender wants to describe.", (), BEFORE,
                 pipeline_figures.square(built.side if built else 0)),
            Part("path x_t", shape, "The same picture with less and less noise, drawn from the seed: what the receiver is to have.",
                 (THERMODYNAMICS,), BEFORE, pipeline_figures.mixture()),
            replace(network, numbers=f"{knows} × {calls} calls".removeprefix(" × "),
                    does="The receiver's model: it expects the next state of the path, from the last one."),
            Part("bits", "a term a call", "What was expected is corrected to what is meant; the correction costs bits.",
                 (DDPM, IMPROVED), AFTER, pipeline_figures.quote("01")),
        ),
        f"{calls} calls for a bill.",
    )  # fmt: skip


def of_plane(title: str, count: int | None, learned: bool) -> Flow:
    """Data of two dimensions, where everything is known in closed form. `count` is that of their points, where it is known."""
    network = Part("network", "15 → 64 → 64 → 2", "It learns the score in the page, from noisy points alone.", (SCORES,), "",
                   pipeline_figures.u_net(()), key=True)  # fmt: skip
    score = Part("score", "closed form", "The gradient of the log density: at every place the way to less noise.", (SCORES,), "",
                 pipeline_figures.posterior(), key=True)  # fmt: skip
    return Flow(
        "The plane",
        (
            Part("data x_0", title.lower(), f"A mixture of {count or 'as many'} Gaussians{'' if count else ' as you draw points'}.", (), "", pipeline_figures.stack()),
            Part("noise ε", "2 numbers", "For each particle two numbers, drawn from a normal distribution by the seed.", (THERMODYNAMICS,), "",
                 pipeline_figures.mixture()),
            *([network] if learned else []),
            score,
            Part("lanes", "1,280 particles", "Langevin, DDPM, DDIM and the rest, each by calls of the denoiser alone.", (SCORES, SDE), "",
                 pipeline_figures.quote("x₀?")),
        ),
        "All of it is computed in the page; the server is asked for nothing.",
    )  # fmt: skip


def _words(row: Model, built: Architecture | None, request: SamplingRequest | None) -> list[Part]:
    """What the picture is to show, and what reads it."""
    condition = request.condition if request else None
    prompt = condition.prompt.strip() if condition else ""
    group, style = (
        GROUPS[condition.group] if condition and condition.group else "",
        condition.style if condition else "",
    )
    cut = f"{prompt[: LONGEST - 1].rstrip()}…" if len(prompt) > LONGEST else prompt
    nothing = "nothing" if request else ""  # before anything is asked, nobody knows
    said = ", ".join(filter(None, [f"“{cut}”" if cut else "", group, style and f"{style} style"])) or nothing
    if "prompt" not in row.conditions:
        classes = f" of {built.classes}" if built and built.classes else ""
        does = (
            f"One number{classes} says what to draw; one more class stands for no wish." if classes else "What to draw."
        )
        return [Part("class", group or "any", does, (IMPROVED,), BEFORE, pipeline_figures.quote("class"))]
    part = Part("prompt", said, "What the picture is to show, in words.", (), BEFORE, pipeline_figures.quote("abc"))
    if built and built.pictures:
        does = (
            "Words choose among the pictures: those that match are what the denoiser knows. There is no text encoder."
        )
        return [part, Part("picture set", f"{built.pictures:,}", does, (), BEFORE, pipeline_figures.stack(), "set")]
    does = "It turns the tokens of the prompt into vectors; the network looks at all of them in every call."
    numbers = times(*built.text) if built else ""
    return [part, Part("text encoder", numbers, does, (LATENT,), BEFORE, pipeline_figures.matrix(), "text")]


def _start(built: Architecture | None) -> Part:
    does = "The start: values drawn from a normal distribution, by the seed."
    return Part("x_T", times(*built.shape) if built else "", does, (DDPM,), BEFORE, pipeline_figures.noise(built))


def _control(row: Model, built: Architecture | None, kinds: Sequence[str]) -> list[Part]:
    """The ControlNets that follow maps of these kinds."""
    rows = [control for control in (control_of(row, kind) for kind in kinds) if control]
    if not rows:
        return []
    found = [one for control in rows for one in residuals(control, built.shape[1] if built else 0)]
    titles = " and ".join(control.title.lower() for control in rows)
    shapes = f", the first {times(found[0][0], found[0][1], found[0][1])}" if found and built else ""
    does = f"A copy of the U-Net's way down reads the map of {titles} and x_t; what it finds is added to the U-Net's blocks{shapes}."
    numbers = quantity(len(found), "residual") if found else "residuals"
    return [Part("ControlNet", numbers, does, (CONTROLNET,), NETWORK, pipeline_figures.control(built, len(found)))]


def _network(row: Model, built: Architecture | None, request: SamplingRequest | None, counts: Counts | None) -> Part:
    """What is asked once or twice in every step."""
    name, short, does, paper = CLOSED_FORMS.get(row.family, U_NET)
    papers = [paper or (LATENT if row.latent else IMPROVED)]
    if row.consistency:
        does, papers = "It was taught to jump: from x_t to the end of the way in one call, guidance included.", [LCM]
    numbers = ""
    if counts:
        numbers = f"× {between(counts.calls)} {plural('call', counts.calls[1])}"
        if counts.halves[1] > 1:
            numbers += f" × {between(counts.halves)} predictions"
            does += " Guidance takes two predictions a call, with the prompt and without."
            papers.append(GUIDED)
    closed = row.family in CLOSED_FORMS
    figure = pipeline_figures.posterior() if closed else pipeline_figures.u_net(built.stages if built else ())
    return Part(name, numbers, does, tuple(papers), NETWORK, figure, short, key=True)


def _guides(request: SamplingRequest | None) -> list[Part]:
    """What pulls beside the network, by the rules of a run; none where its own two predictions do."""
    lanes = request.lanes if request else ()
    rows = [row for row in (GUIDANCE[name] for name in dict.fromkeys(lane.rule for lane in lanes)) if row.guide]
    if not rows:
        return []
    does = [GUIDES_DO[bool(row.base)] for row in rows]
    papers = [paper for row in rows if (paper := GUIDES_PAPERS.get(row.guide, UNIVERSAL))]
    named = " and ".join(_few([row.title for row in rows], "guides"))
    return [
        Part(
            "guide",
            named,
            " ".join(dict.fromkeys(does)),
            tuple(dict.fromkeys(papers)),
            NETWORK,
            pipeline_figures.quote("∇"),
        )
    ]


def _end(row: Model, built: Architecture | None, tiny: bool = False) -> list[Part]:
    """The picture, and what makes it of the last x_0: the autoencoder's decoder, or the `tiny` one."""
    if not row.latent:
        does = "The last x_0 is the picture: its values are pixels already, and no decoder is needed."
        return [
            Part("picture", _picture_shape(built), does, (), AFTER, pipeline_figures.square(built.side if built else 0))
        ]
    does = "The autoencoder's second half: it makes pixels of the latent, once, at the end."
    if tiny:
        does = "A tiny decoder, in place of the autoencoder's second half: it makes pixels of the latent, once, at the end."
    return [Part("decoder", _picture_shape(built), does, (VAE, LATENT), AFTER, pipeline_figures.trapezoid(True))]


def _picture_shape(built: Architecture | None) -> str:
    return times(3, built.side, built.side) if built else ""


def _whole(request: SamplingRequest, counts: Counts, row: Model) -> str:
    """A run in a sentence or two."""
    samplers = " and ".join(
        _few([SAMPLERS[name].title for name in dict.fromkeys(lane.sampler for lane in request.lanes)])
    )
    each = f"{between(counts.calls)} {plural('call', counts.calls[1])} each"
    words = f"{quantity(counts.pictures, 'picture')} by {samplers}, {each}: {quantity(counts.all_calls, 'call', ',')}"
    if counts.all_predictions[1] > counts.all_calls:
        words += f", {between(counts.all_predictions)} predictions"
    words += "."
    rules = [GUIDANCE[name].title for name in dict.fromkeys(lane.rule for lane in request.lanes)]
    words += f" Rules of guidance: {', '.join(rules)}." if len(rules) > 1 else ""
    words += f" A reference run of {request.reference_steps} calls goes along." if request.reference_steps else ""
    return words + (f" The {MODELS[request.versus].title} draws the same once more." if request.versus else "")


def _few(names: Sequence[str], what: str = "samplers") -> list[str]:
    return list(names) if len(names) <= 2 else [f"{len(names)} {what}"]


# In the page


def lay_out(tab: str, flow: Flow) -> gr.HTML:
    """The line of a tab; stands where it is called."""
    return gr.HTML(
        html(tab, flow), js_on_load=PIPELINE_JS, elem_id=f"{tab}-pipeline", elem_classes="pipeline-block", padding=False
    )


def html(tab: str, flow: Flow) -> str:
    """The line, a button, and the picture that it unfolds. Prompts in it are visitors': escaped."""
    spoken = ", then ".join(f"{one.name} {one.numbers}".strip() for one in flow.parts)
    return (
        f'<div class="pipeline" data-tab="{tab}" data-last="{reel.LAST}">'
        f'<button type="button" popovertarget="{tab}-pipeline-picture">'
        f'<span class="spoken">Pipeline: {escape(spoken)}</span><b aria-hidden="true"><i class="long">Pipeline</i></b>{"".join(map(_in_line, flow.parts))}</button>'
        f'<div popover id="{tab}-pipeline-picture" class="pipeline-picture" role="dialog" aria-label="Pipeline, {escape(flow.title)}">'
        f"<h3>{escape(flow.title)}</h3><p>{escape(flow.whole)}</p><ol>{''.join(map(_in_picture, flow.parts))}</ol></div></div>"
    )


def _in_line(part: Part) -> str:
    name = widgets.subscripts(part.name)
    short = f'<i class="long">{name}</i><i class="short">{widgets.subscripts(part.short)}</i>' if part.short else name
    words = re.sub(r" (calls|predictions)", r'<i class="long"> \1</i>', escape(part.numbers))
    numbers = f"<small{' class=key' if part.key else ''}>{words}</small>" if part.numbers else ""
    return f'<span data-at="{part.at}" aria-hidden="true">{short}{numbers}</span>'


def _in_picture(part: Part) -> str:
    links = " · ".join(heads.link(title) for title in part.papers)
    return (
        f'<li data-at="{part.at}"><div class="figure" aria-hidden="true">{part.figure}</div>'
        f"<h4>{widgets.subscripts(part.name)}</h4><em>{escape(part.numbers) or '&nbsp;'}</em>"
        f"<p>{widgets.subscripts(part.does)}</p><p>{links}</p></li>"
    )


def at_work(note: str, at: str, way: float = 0.0) -> str:
    """A note of a run that says which part is at work, and how much of the way lies behind it, from 0 to 1."""
    return note.replace('class="lab-note', f'data-at="{at}" data-way="{way:.3f}" class="lab-note', 1)


def place(steps: Iterable[tuple[int, int]], decoding: bool) -> tuple[str, float]:
    """Which part is at work and how much of the way lies behind it, by the steps (i of n) that each lane has taken."""
    ways = [i / n for i, n in steps]
    way = sum(ways) / len(ways) if ways else 0.0
    return (BEFORE, 0.0) if not ways else (AFTER, 1.0) if decoding or way == 1 else (NETWORK, way)
