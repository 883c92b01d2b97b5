"""The pipelines of the Edit tab: which parts a picture goes through on its way to another one."""

from collections.abc import Sequence
from dataclasses import replace

from lab.catalog import EDITS, MODELS, VIEWS
from lab.quantities import plural, quantity
from lab.requests.edit import EditRequest
from lab.requests.enlarge import DRAWING_STEPS, FACTOR, EnlargeRequest
from lab.requests.sampling import LaneSettings, SamplingRequest
from lab.ui.shell import pipeline, pipeline_figures
from lab.ui.shell.pipeline import AFTER, BEFORE, LATENT, NETWORK, VAE, Flow, Part

SDEDIT = "SDEdit: Guided Image Synthesis and Editing with Stochastic Differential Equations"
REPAINT = "RePaint: Inpainting using Denoising Diffusion Probabilistic Models"
BLENDED = "Blended Latent Diffusion"
ANAGRAMS = "Visual Anagrams: Generating Multi-View Optical Illusions with Diffusion Models"
FACTORIZED = "Factorized Diffusion: Perceptual Illusions by Noise Decomposition"
MULTI = "MultiDiffusion: Fusing Diffusion Paths for Controlled Image Generation"
CASCADED = "Cascaded Diffusion Models for High Fidelity Image Generation"
POSTERIOR = "Diffusion Posterior Sampling for General Noisy Inverse Problems"
DDIM = "Denoising Diffusion Implicit Models"

JOINS = {  # by the kind of a view: what makes one prediction of two, and the paper that did
    "regions": ("each its region", "Each description has its part of the picture: there its prediction counts.", MULTI),
    "turned": ("mean of both views", "Of the turned x_t the network predicts under the second words; that prediction is turned back, and the mean of both is taken.", ANAGRAMS),
    "frequencies": ("far and near", "Of the first prediction the blurred part is taken, of the second what the blur takes away.", FACTORIZED),
}  # fmt: skip
PAPERS = {"repaint": REPAINT, "blend": BLENDED, "nine": LATENT, "truth": POSTERIOR, "replace": pipeline.SDE}


def of(experiment: str, request: EditRequest | EnlargeRequest) -> Flow:
    """The pipeline of a run."""
    if isinstance(request, EnlargeRequest):
        return _enlarging(request)
    row, calls = MODELS[request.model], [lane.calls for lane in request.lanes]
    asked = SamplingRequest(model=request.model, condition=request.condition, lanes=(LaneSettings(),))
    whole = pipeline.of_model(row, asked)
    words = [part for part in whole.parts if part.at == BEFORE and part.name != "x_T"]
    noise = next(part for part in whole.parts if part.name == "x_T")
    network = _asked(next(part for part in whole.parts if part.at == NETWORK), request, calls)
    parts: Sequence[Part]
    if experiment == "noise":
        parts = [*_picture(request), _noised(request), network]
    elif experiment == "fill":
        parts = [*_picture(request), _hole(request), noise, network, _known(request)]
    elif experiment == "words":
        up = replace(network, numbers=f"× {max(calls)} up", does="DDIM's steps, run backwards: each adds the noise that the network predicts under the picture's own words.", papers=(DDIM,))  # fmt: skip
        middle = replace(noise, does="The noise that DDIM turns into this picture.", at=NETWORK)
        parts = [*_picture(request), up, middle, replace(network, numbers=network.numbers + " down")]
    else:
        name, does, paper = JOINS[VIEWS[request.view].kind]
        join = Part("join", name, does, (paper,), NETWORK, pipeline_figures.mixture(), key=True)
        parts = [noise, network, join]
    end = [part for part in whole.parts if part.at == AFTER]
    total = request.load().steps
    said = f"{quantity(len(request.lanes), 'picture')}, {quantity(total, 'call', ',')} of the network."
    return Flow(row.title, (*words, *parts, *end), said)


def _asked(network: Part, request: EditRequest, calls: Sequence[int]) -> Part:
    """The network with the calls that a picture takes."""
    halves = 2 if request.methods() == {"composed"} else 1
    said = f"× {pipeline.between((min(calls), max(calls)))} {plural('call', max(calls))}"
    if halves > 1:
        said += f" × {halves} predictions"
    return replace(network, numbers=said)


def _picture(request: EditRequest) -> list[Part]:
    """The picture, and what makes a latent of it."""
    row = MODELS[request.model]
    parts = [
        Part(
            "picture",
            f"{row.size} × {row.size}",
            "The picture that is to change.",
            (),
            BEFORE,
            pipeline_figures.square(row.size),
        )
    ]
    if row.latent:
        does = "It codes the picture in fewer values: the latent that diffusion works on."
        parts.append(Part("encoder", "", does, (VAE, LATENT), BEFORE, pipeline_figures.trapezoid(False)))
    return parts


def _noised(request: EditRequest) -> Part:
    strengths = [lane.strength for lane in request.lanes]
    said = f"{min(strengths):g} to {max(strengths):g}" if min(strengths) < max(strengths) else f"{strengths[0]:g}"
    does = "One jump up to the level at which the way back begins: the strength says how far."
    return Part("x_t", f"strength {said}", does, (SDEDIT,), BEFORE, pipeline_figures.mixture(), key=True)


def _hole(request: EditRequest) -> Part:
    share = f"{100 * request.mask.mean():.0f} % hole" if request.mask is not None else ""
    return Part(
        "mask",
        share,
        "What is painted over is drawn anew; the rest is known.",
        (),
        BEFORE,
        pipeline_figures.matrix(),
        key=True,
    )


def _known(request: EditRequest) -> Part:
    names = list(dict.fromkeys(lane.method for lane in request.lanes))
    does = " ".join(EDITS[name].about for name in names[:2])
    said = EDITS[names[0]].title.lower() if len(names) == 1 else f"{len(names)} ways"
    papers = tuple(dict.fromkeys(PAPERS[name] for name in names if name in PAPERS))
    return Part("known part", said, does, papers, NETWORK, pipeline_figures.mixture())


def _enlarging(request: EnlargeRequest) -> Flow:
    """A small picture, noise, and the upsampler; before it the pixel model where it draws the small picture."""
    small, large, lanes = request.side, FACTOR * request.side, request.lanes
    parts = []
    if request.picture is None:
        parts.append(Part("pixel model", f"× {DRAWING_STEPS} calls", "It draws the small picture, from noise.", (CASCADED,), BEFORE,
                          pipeline_figures.u_net(())))  # fmt: skip
    noises = sorted({lane.noise for lane in lanes})
    said = f"{noises[0]} to {noises[-1]}" if len(noises) > 1 else f"{noises[0]}"
    parts += [
        Part("small picture", pipeline.times(3, small, small), "What is to be enlarged.", (), BEFORE, pipeline_figures.square(small)),
        Part("noise", f"t = {said}", "A little noise on the small picture, so that the upsampler need not believe its every pixel.", (CASCADED,), BEFORE,
             pipeline_figures.mixture(), key=True),
        Part("upsampler", f"× {lanes[0].steps} calls", "It draws the large picture from noise; the small one, enlarged by a formula, stands beside x_t in every call.", (pipeline.GLIDE, CASCADED), NETWORK,
             pipeline_figures.u_net(()), key=True),
        Part("picture", pipeline.times(3, large, large), "The last x_0 is the picture.", (), AFTER, pipeline_figures.square(large)),
    ]  # fmt: skip
    total = request.load().steps
    return Flow(
        "Enlarged", tuple(parts), f"{quantity(len(lanes), 'picture')}, {quantity(total, 'call', ',')} of networks."
    )
