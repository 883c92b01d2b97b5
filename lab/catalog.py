"""The tables of the lab: one aligned row per model, sampler and schedule. No heavy imports.

Adding a sampler is adding a row to SAMPLERS; adding a model of a known family is adding a row to MODELS. MODELS, CONTROLS
and HELPERS are what a cache can lease (`leasable`): their names are unique over all three.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from itertools import chain, count
from typing import Any, TypeVar


@dataclass(frozen=True)
class Model:
    """A model of the lab: weights (or data) plus the family that says how to load and call them."""

    name: str
    title: str
    family: str  # a loader in lab/models/loaders.py
    source: str  # a folder under assets/, a local diffusers folder or a hub id, "owner/name@revision"
    size: int  # picture side in pixels
    about: str
    schedules: tuple[str, ...] = ("linear",)  # forward processes the model is valid for; the first is the default
    conditions: tuple[str, ...] = ()  # which fields of capsule.Condition it understands
    guided: bool = True  # has an unconditional twin, so classifier-free guidance applies
    consistency: bool = False  # distilled for few-step sampling (LCM)
    learned_variance: bool = False  # says how noisy each step of DDPM should be (Improved DDPM)
    trained: bool = True  # a network: its forward process is the one it was trained under, all T = 1000 timesteps
    latent: bool = False  # works on an autoencoder's latents, whose values are not pixels in [-1, 1]
    controls: tuple[str, ...] = ()  # the rows of CONTROLS that were trained on it, or on what it was distilled from
    captions: bool = False  # knows prompts as the captions of the lab's picture set; lab/captions.py
    guidance_scale: float = 1.0  # what suits it
    pipeline: str = "StableDiffusionPipeline"  # of family "stable_diffusion": the class in its index file
    perfect: str = ""  # the exact denoiser that lives in the same space: its perfect score beside the learned one
    data: str = ""  # the exact denoiser that holds what the lab ships of the pictures it was trained on, or knows
    tiny_decoder: str = ""  # the source, as above, of a small network that decodes its latents too
    inpainting: str = ""  # the row of HELPERS that is this model with the mask and the known part among its inputs
    guides: Mapping[str, str] = field(
        default_factory=dict, hash=False
    )  # what can pull it, by `Guidance.guide`, and the row of HELPERS that does, "" where none is needed


def _once(steps: int) -> int:
    return steps


def _twice_but_last(steps: int) -> int:
    return 2 * steps - 1


def _one_more(steps: int) -> int:
    return steps + (steps > 1)


@dataclass(frozen=True)
class Sampler:
    """A sampler of the lab: a diffusers scheduler with the options that make it the paper's algorithm."""

    name: str
    title: str
    scheduler: str  # class name in diffusers, or in lab/engine/samplers.py
    colour: str  # the one colour it has in pictures, curves and tables
    paper: str
    arxiv: str
    about: str
    stochastic: bool = False  # draws noise at every step
    eta: bool = False  # has the DDIM eta dial
    spacings: tuple[str, ...] = ("trailing", "leading", "linspace")
    consistency: bool = False  # meant only for models distilled for it
    learned_variance: bool = False  # needs a model that learned its variance
    options: dict[str, Any] = field(default_factory=dict)
    calls: Callable[[int], int] = _once  # of the model, for a number of steps


@dataclass(frozen=True)
class Schedule:
    """A forward process: how alpha-bar falls from 1 to 0."""

    name: str
    title: str
    colour: str
    paper: str
    arxiv: str
    about: str


@dataclass(frozen=True)
class Guidance:
    """A rule of guidance: it combines two predictions (lab/engine/guidance.py), or a `guide` adds its gradient to one.

    All share one axis: scale 0 is the unconditional model and 1 the plain conditional one, where the row says nothing else.
    """

    name: str
    title: str
    rule: str  # class name in lab/engine/guidance.py
    colour: str
    paper: str
    arxiv: str
    about: str
    pixels_only: bool = False  # needs an x_0 whose values are pixels in [-1, 1]
    part_time: bool = False  # asks for both predictions at some noise levels only
    guide: str = ""  # what pulls where it is not the difference of the two halves; a key of Model.guides
    base: str = ""  # whose score a gradient is added to: "unconditional" or "conditional"
    origin: float = 0.0  # the scale at which a gradient is not added
    zero: str = "unconditional"  # what scale 0 is, in words; "" where it has no name
    one: str = "plain conditional"  # and scale 1


@dataclass(frozen=True)
class Control:
    """A ControlNet of the lab."""

    name: str
    title: str
    source: str  # a folder under assets/, a local diffusers folder or a hub id, "owner/name@revision"
    about: str
    kind: str = ""  # the row whose maps it follows, where it does the same for another model
    family: str = "controlnet"  # a loader in lab/models/loaders.py


@dataclass(frozen=True)
class Helper:
    """An auxiliary network: it draws nothing by itself, and operations lease it beside a model."""

    name: str
    title: str
    family: str  # a loader in lab/models/loaders.py
    source: str  # a folder under assets/, a local folder or a hub id, "owner/name@revision"
    about: str
    when: str  # it is leased, in words that follow "when": "pictures are scored"
    captions: bool = False  # an unCLIP that knows prompts as the captions of the lab's picture set; lab/captions.py


@dataclass(frozen=True)
class Edit:
    """A way to change a picture."""

    name: str
    title: str
    colour: str
    paper: str  # "" where it is no paper's
    arxiv: str
    about: str
    picture: bool = True  # it starts from one
    mask: bool = False  # it draws what a mask covers, and keeps the rest


@dataclass(frozen=True)
class View:
    """How two descriptions become one picture: each of its own region, seen in another way, or of its own frequencies."""

    name: str
    title: str
    kind: str  # "regions", "turned" or "frequencies"
    paper: str
    arxiv: str
    about: str


Row = TypeVar("Row", Model, Sampler, Schedule, Guidance, Control, Helper, Edit, View)


def _by_name(*rows: Row) -> dict[str, Row]:
    return {row.name: row for row in rows}


ANY_LOSS = {"colour": "", "symmetry": "", "brightness": ""}  # guides that are a formula on predicted x_0, a picture

# fmt: off
SCHEDULES = _by_name(
    Schedule("linear",        "Linear",        "#4269d0", "Ho et al. 2020",         "2006.11239", "beta_t rises on a straight line; a long tail of nearly pure noise."),
    Schedule("scaled_linear", "Scaled linear", "#efb118", "Rombach et al. 2022",    "2112.10752", "sqrt(beta_t) rises on a straight line; Stable Diffusion's. A trace of the picture survives at t = T."),
    Schedule("cosine",        "Cosine",        "#3ca951", "Nichol & Dhariwal 2021", "2102.09672", "alpha-bar follows a squared cosine: the picture drowns evenly."),
    Schedule("sigmoid",       "Sigmoid",       "#a463f2", "Xu et al. 2022 (GeoDiff)", "2203.02923", "beta_t rises as a sigmoid: gentle at both ends."),
)

# Tiny decoders of the latents of Stable Diffusion 1 and 2, and of XL's (Boer Bohan 2023, MIT).
TAESD = "madebyollin/taesd@614f76814bbe30edbe2e627ace1c2234c81a2c0e"
TAESDXL = "madebyollin/taesdxl@b20258aaef75ef61e659c1e0f14f251cf0ad153e"

MODELS = _by_name(
    Model("exact", "Exact denoiser (closed form)", "exact", "pictures", 64,
          "No network: the optimal denoiser of the lab's picture set, E[x_0 | x_t], in closed form. The ground truth.",
          schedules=tuple(SCHEDULES), conditions=("prompt", "group", "style"), trained=False, captions=True, guides={"classifier": ""} | ANY_LOSS),
    Model("text-to-image", "Miniature latent diffusion", "stable_diffusion", "models/text-to-image", 64,
          "Trained here on the lab's pictures: Stable Diffusion's architecture with 6 M weights; drawings and people.",
          schedules=("scaled_linear",), conditions=("prompt", "style"), latent=True, controls=("edges", "pose"), captions=True, guidance_scale=3.0, data="exact", inpainting="inpainting"),
    Model("pixel", "Miniature pixel diffusion", "pixel", "models/pixel", 32,
          "Trained here at 32 px: Improved DDPM's learned variance and cosine schedule, one class for each group.",
          schedules=("cosine",), conditions=("group",), learned_variance=True, guidance_scale=2.0, perfect="exact-32", data="exact-32",
          guides={"classifier": "classifier", "clip": "noised-clip", "weak": "pixel-early"} | ANY_LOSS),
    Model("student", "Few-step student", "stable_diffusion", "models/student", 64,
          "Distilled here from the miniature latent diffusion (LCM): pictures in one to eight calls, guidance included.",
          schedules=("scaled_linear",), conditions=("prompt", "style"), guided=False, consistency=True, latent=True, controls=("edges", "pose"), captions=True, guidance_scale=3.0, data="exact"),
    Model("exact-32", "Exact denoiser at 32 px", "exact", "pictures", 32,
          "The closed form on the pictures as the miniature pixel model saw them: the score that it tried to learn.",
          schedules=tuple(SCHEDULES), conditions=("prompt", "group", "style"), trained=False, captions=True, guides={"classifier": ""} | ANY_LOSS),
    Model("local-32", "Local score machine", "local", "pictures", 32,
          "The closed form for each pixel over patches of 11 px of the same pictures (Kamb & Ganguli 2024): it invents, and nothing is learned.",
          schedules=tuple(SCHEDULES), conditions=("prompt", "group", "style"), trained=False, captions=True, data="exact-32"),
    # From the hub, where an operator allows them (LAB_ALLOWED_MODELS, LAB_OFFLINE=false); licences are their authors'.
    Model("sd-1-5", "Stable Diffusion 1.5", "stable_diffusion", "stable-diffusion-v1-5/stable-diffusion-v1-5@451f4fe16113bff5a5d2269ed5ad43b0592e9a14", 512,
          "Rombach et al. 2022, trained on LAION: the model that most of the papers after it build on.",
          schedules=("scaled_linear",), conditions=("prompt",), latent=True, controls=("edges-sd-1-5", "pose-sd-1-5"), guidance_scale=7.5, tiny_decoder=TAESD),
    Model("sd-turbo", "SD-Turbo", "stable_diffusion", "stabilityai/sd-turbo@b261bac6fd2cf515557d5d0707481eafa0485ec2", 512,
          "Sauer et al. 2023: distilled by an adversary, one to four steps; plain conditional, scale 1.",
          schedules=("scaled_linear",), conditions=("prompt",), latent=True, tiny_decoder=TAESD),
    Model("sdxl", "Stable Diffusion XL", "stable_diffusion", "stabilityai/stable-diffusion-xl-base-1.0@462165984030d82259a11f4367a4eed129e94a7b", 1024,
          "Podell et al. 2023: three times the UNet, two text encoders, 1024 px.",
          schedules=("scaled_linear",), conditions=("prompt",), latent=True, guidance_scale=5.0, pipeline="StableDiffusionXLPipeline", tiny_decoder=TAESDXL),
    Model("sdxl-turbo", "SDXL-Turbo", "stable_diffusion", "stabilityai/sdxl-turbo@71153311d3dbb46851df1931d3ca6e939de83304", 512,
          "Sauer et al. 2023: SDXL distilled by an adversary, one to four steps; plain conditional, scale 1.",
          schedules=("scaled_linear",), conditions=("prompt",), latent=True, pipeline="StableDiffusionXLPipeline", tiny_decoder=TAESDXL),
)

CONTROLS = _by_name(  # what makes their maps: lab/annotators
    Control("edges", "Edges", "models/controlnet-edges", "White edges on black."),
    Control("pose",  "Pose",  "models/controlnet-pose",  "A skeleton in OpenPose's colours."),
    Control("edges-sd-1-5", "Edges (SD 1.5)", "lllyasviel/sd-controlnet-canny@7f2f69197050967007f6bbd23ab5e52f0384162a",    "Zhang et al. 2023.", kind="edges"),
    Control("pose-sd-1-5",  "Pose (SD 1.5)",  "lllyasviel/sd-controlnet-openpose@df796456519d1ac5dbe674caa0653fcc9673bca8", "Zhang et al. 2023.", kind="pose"),
)

SCORER = "clip"  # the row of HELPERS that scores how well a picture fits its prompt
JUDGE = "judge"  # the row of HELPERS that scores what another network guided, and compares sets of pictures

HELPERS = _by_name(
    Helper(SCORER, "CLIP (scores pictures)", "clip", "models/clip", "Trained here on the lab's pictures: how well a picture fits its prompt.", when="pictures are scored"),
    Helper("classifier", "Noisy classifier", "classifier", "models/classifier", "Trained here: names the group of a noisy 32 px drawing; its gradient guides.", when="a classifier guides"),
    Helper("noised-clip", "CLIP of noisy pictures", "noised_clip", "models/noised-clip", "Trained here: how well a noisy 32 px drawing fits a prompt; its gradient guides.", when="CLIP guides"),
    Helper("pixel-early", "Early pixel diffusion", "pixel", "models/pixel-early", "The network of the miniature pixel diffusion, stopped after 400 steps: what autoguidance leads away from.", when="autoguidance leads away from it"),
    Helper("inpainting", "Miniature inpainting", "inpainting", "models/inpainting", "Trained here: the miniature latent diffusion, fine-tuned to see a mask and what lies around the hole.", when="nine channels fill a hole"),
    Helper("upsampler", "Upsampler", "upsampler", "models/upsampler", "Trained here: draws a picture at twice its width, given the small one.", when="pictures are enlarged"),
    Helper("map",           "Two latents",                "family", "models/map",           "Trained here: an autoencoder and a variational one with two latents, of drawings and of shapes.", when="the plane of codes is drawn"),
    Helper("beta-drawings", "Drawings under each beta",   "family", "models/beta-drawings", "Trained here: six variational autoencoders of the drawings, beta 0 to 16.", when="beta is turned"),
    Helper("beta-shapes",   "Shapes under each beta",     "family", "models/beta-shapes",   "Trained here: six variational autoencoders of shapes whose factors are known, beta 0 to 16.", when="beta is turned"),
    Helper("f2", "Autoencoder, factor 2", "autoencoder", "models/f2", "Trained here as the miniature's own, but for the factor: latents half as wide as the picture.", when="factors are compared"),
    Helper("f8", "Autoencoder, factor 8", "autoencoder", "models/f8", "Trained here as the miniature's own, but for the factor: latents an eighth as wide as the picture.", when="factors are compared"),
    Helper("unclip", "Miniature unCLIP", "unclip", "models/unclip", "Trained here: a prior from words to a CLIP embedding, and a decoder that draws from one.", when="pictures are drawn from embeddings", captions=True),
    # From the hub, where an operator allows it, as in MODELS; it has no prior.
    Helper("unclip-sd-2-1", "Stable unCLIP 2.1", "unclip", "stabilityai/stable-diffusion-2-1-unclip-small@3dd0970258d81699b232d4fc7f6ce65dff7d8469", "Rombach et al. 2022, told CLIP's embedding of a picture.", when="pictures are drawn from embeddings"),
    Helper(JUDGE,  "Judge (another CLIP)",  "judge", "models/judge", "Trained here, sharing nothing with what draws, guides or scores: reads guided pictures and compares sets of them.", when="guided pictures are judged"),
)

UNCLIPS = {name: row for name, row in HELPERS.items() if row.family == "unclip"}
UNCLIP_PREFIX = "unclip:"  # of an unCLIP model among those that an operator allows

GUIDANCE = _by_name(
    Guidance("cfg",       "Classifier-free",       "ClassifierFree",       "#4269d0", "Ho & Salimans 2022",       "2207.12598", "eps_u + s (eps_c - eps_u) at every step."),
    Guidance("rescaled",  "Rescaled",              "Rescaled",             "#3ca951", "Lin et al. 2023",          "2305.08891", "Guided, then brought back to the contrast of the conditional prediction."),
    Guidance("interval",  "Interval",              "Interval",             "#efb118", "Kynkäänniemi et al. 2024", "2404.07724", "Guided only at middle noise levels, plain conditional elsewhere.", part_time=True),
    Guidance("threshold", "Dynamic thresholding",  "DynamicThresholding",  "#ff725c", "Saharia et al. 2022",      "2205.11487", "The predicted x_0 is squeezed back into the range of pixels.", pixels_only=True),
    Guidance("apg",       "Adaptive projected",    "AdaptiveProjected",    "#a463f2", "Sadat et al. 2024",        "2410.02416", "Only the part of the difference that is orthogonal to the prediction, with negative momentum."),
    Guidance("classifier", "Classifier",           "Gradient", "#d95f8c", "Dhariwal & Nichol 2021", "2105.05233", "The unconditional model, pulled by s times the gradient of a classifier's log p(y | x_t).", guide="classifier", base="unconditional", one=""),
    Guidance("classifier_conditional", "Classifier on conditional", "Gradient", "#9c6b4e", "Dhariwal & Nichol 2021", "2105.05233", "The conditional model, pulled by s - 1 times the classifier's gradient; the paper's scale is s - 1.", guide="classifier", base="conditional", origin=1.0, zero=""),
    Guidance("clip",       "CLIP",                 "Gradient", "#15aabf", "Nichol et al. 2021 (GLIDE)", "2112.10741", "The unconditional model, pulled by s times the gradient of a CLIP's score of noisy pictures.", guide="clip", base="unconditional", one=""),
    Guidance("auto",       "Autoguidance",         "ClassifierFree", "#868e96", "Karras et al. 2024", "2406.02507", "Away from an early checkpoint of the same model, with the same class for both.", guide="weak", zero="the early model"),
    Guidance("colour",     "Mean colour",          "Gradient", "#0b7285", "Bansal et al. 2023", "2302.07121", "The conditional model, pulled towards a mean colour of the predicted x_0.", guide="colour", base="conditional", zero="no pull", one=""),
    Guidance("symmetry",   "Symmetry",             "Gradient", "#6cc5b0", "Bansal et al. 2023", "2302.07121", "The conditional model, pulled towards an x_0 that is its own mirror image, left to right.", guide="symmetry", base="conditional", zero="no pull", one=""),
    Guidance("brightness", "Brightness",           "Gradient", "#5f3dc4", "Bansal et al. 2023", "2302.07121", "The conditional model, pulled towards a brightness of a part of the predicted x_0.", guide="brightness", base="conditional", zero="no pull", one=""),
)

SAMPLERS = _by_name(
    Sampler("ddpm",      "DDPM",            "DDPMScheduler",                   "#ff725c", "Ho et al. 2020",      "2006.11239", "Ancestral sampling: a noisy step down the chain that was run up.", stochastic=True, options={"variance_type": "fixed_small", "clip_sample": False}),
    Sampler("ddpm_learned", "DDPM, learned variance", "DDPMScheduler",            "#d95f8c", "Nichol & Dhariwal 2021", "2102.09672", "The model itself says how much noise each step needs.", stochastic=True, learned_variance=True, options={"variance_type": "learned_range", "clip_sample": False}),
    Sampler("ddim",      "DDIM",            "DDIM",                            "#4269d0", "Song et al. 2021",    "2010.02502", "Deterministic at eta 0, DDPM-like at eta 1.", eta=True, options={"clip_sample": False, "set_alpha_to_one": True}),
    Sampler("pndm",      "PNDM",            "PNDM",                            "#9c6b4e", "Liu et al. 2022",     "2202.09778", "Pseudo linear multistep on the DDIM flow.", options={"skip_prk_steps": True, "set_alpha_to_one": True}, calls=_one_more),
    Sampler("euler",     "Euler",           "EulerDiscreteScheduler",          "#3ca951", "Karras et al. 2022",  "2206.00364", "One Euler step of the probability-flow ODE in sigma."),
    Sampler("euler_a",   "Euler ancestral", "EulerAncestralDiscreteScheduler", "#efb118", "Karras et al. 2022",  "2206.00364", "Euler down too far, then fresh noise back up.", stochastic=True),
    Sampler("heun",      "Heun",            "HeunDiscreteScheduler",           "#6cc5b0", "Karras et al. 2022",  "2206.00364", "Second order: looks ahead, then averages; two calls a step.", calls=_twice_but_last),
    Sampler("dpmpp_2m",  "DPM++ 2M",        "DPMSolverMultistepScheduler",     "#a463f2", "Lu et al. 2022",      "2211.01095", "Second-order multistep solver in log-SNR; the usual fast choice.", options={"algorithm_type": "dpmsolver++", "final_sigmas_type": "zero"}),
    Sampler("dpmpp_sde", "DPM++ 2M SDE",    "DPMSolverMultistepScheduler",     "#ff8ab7", "Lu et al. 2022",      "2211.01095", "The same solver for the reverse SDE: noise at every step.", stochastic=True, options={"algorithm_type": "sde-dpmsolver++", "final_sigmas_type": "zero"}),
    Sampler("unipc",     "UniPC",           "UniPCMultistepScheduler",         "#97bbf5", "Zhao et al. 2023",    "2302.04867", "Predictor and corrector from the same calls.", options={"final_sigmas_type": "zero"}),
    Sampler("deis",      "DEIS",            "DEISMultistepScheduler",          "#b58900", "Zhang & Chen 2023",   "2204.13902", "Exponential integrator with polynomial extrapolation of eps."),
    Sampler("flow_euler", "Flow Euler",     "FlowMatchEulerDiscreteScheduler", "#0b7285", "Liu et al. 2023",     "2209.03003", "Euler steps along the straight flow from noise to picture, x_t = (1 - t) x_0 + t eps.", spacings=("trailing",)),
    Sampler("flow_heun", "Flow Heun",       "FlowMatchHeunDiscreteScheduler",  "#15aabf", "Lipman et al. 2023",  "2210.02747", "The same flow, second order: looks ahead, then averages; two calls a step.", spacings=("trailing",), calls=_twice_but_last),
    Sampler("langevin", "Langevin, one level", "Langevin",                     "#5f3dc4", "Song & Ermon 2019",   "1907.05600", "Steps along the score at one low level, with noise; no way leads from one picture to another.", stochastic=True, spacings=("trailing",)),
    Sampler("annealed", "Annealed Langevin", "AnnealedLangevin",               "#c2255c", "Song & Ermon 2019",   "1907.05600", "Langevin at falling levels, five steps at each: steps / 5 levels.", stochastic=True, spacings=("trailing",)),
    Sampler("lcm",       "LCM",             "LCMScheduler",                    "#9498a0", "Luo et al. 2023",     "2310.04378", "Jump to x_0, noise it again, jump again; for distilled models.", stochastic=True, consistency=True, spacings=("trailing",)),
)
# fmt: on

# fmt: off
EDITS = _by_name(
    Edit("sdedit",   "SDEdit",           "#4269d0", "Meng et al. 2021",     "2108.01073", "The picture noised to a level, and walked back from there under the prompt."),
    Edit("paste",    "Pasted in",        "#9498a0", "",                     "",           "Drawn without a look at the picture, and pasted into the hole: what the others are measured by.", mask=True),
    Edit("replace",  "Replacement",      "#efb118", "Song et al. 2021",     "2011.13456", "After every step the known part is put back, noised anew to the level reached.", mask=True),
    Edit("blend",    "Blending",         "#ff725c", "Avrahami et al. 2023", "2206.02779", "The same, with one noise at all levels, as Stable Diffusion fills holes without training.", mask=True),
    Edit("repaint",  "RePaint",          "#3ca951", "Lugmayr et al. 2022",  "2201.09865", "Replacement that goes back up and down again, until hole and rest agree.", mask=True),
    Edit("nine",     "Nine channels",    "#a463f2", "Rombach et al. 2022",  "2112.10752", "A network that was taught to fill holes: it sees the mask and what lies around it.", mask=True),
    Edit("truth",    "Exact posterior",  "#0b7285", "Chung et al. 2023",    "2209.14687", "The exact denoiser, each picture of the set weighed by how well it agrees with the known part.", mask=True),
    Edit("inverted", "DDIM inversion",   "#d95f8c", "Song et al. 2021",     "2010.02502", "Up to the noise that draws the picture under its own words, and down again under others."),
    Edit("composed", "Two at once",      "#5f3dc4", "Geng et al. 2024",     "2311.17919", "One picture that two descriptions fit: their predictions become one at every step.", picture=False),
)

VIEWS = _by_name(
    View("left-right",  "Left and right",     "regions",     "Bar-Tal et al. 2023", "2302.08113", "The first words hold on the left, the second on the right."),
    View("top-bottom",  "Above and below",    "regions",     "Bar-Tal et al. 2023", "2302.08113", "The first words hold in the upper half, the second in the lower."),
    View("painted",     "Painted mask",       "regions",     "Bar-Tal et al. 2023", "2302.08113", "The second words hold where the mask is painted."),
    View("flip",        "Upside down",        "turned",      "Geng et al. 2024",    "2311.17919", "The second words hold of the picture with top and bottom exchanged."),
    View("turn",        "Half a turn",        "turned",      "Geng et al. 2024",    "2311.17919", "The second words hold after half a turn."),
    View("quarter",     "A quarter turn",     "turned",      "Geng et al. 2024",    "2311.17919", "The second words hold after a quarter turn to the left."),
    View("mirror",      "In the mirror",      "turned",      "Geng et al. 2024",    "2311.17919", "The second words hold with left and right exchanged."),
    View("negative",    "Colours inverted",   "turned",      "Geng et al. 2024",    "2311.17919", "The second words hold of the negative: every value with the other sign."),
    View("frequencies", "From far and near",  "frequencies", "Geng et al. 2024",    "2404.11615", "A hybrid: the first words hold of the blurred picture, the second of what the blur takes away."),
)
# fmt: on

REGIONS = {
    "whole": "Whole picture",
    "left": "Left half",
    "right": "Right half",
    "top": "Upper half",
    "bottom": "Lower half",
    "middle": "Middle",
}

SPACINGS = {
    "trailing": "ends at T: always starts from pure noise (Lin et al. 2023)",
    "leading": "whole strides from the lowest timestep: mostly stops short of the highest (DDIM's original code)",
    "linspace": "both ends, evenly",
}

GROUPS = {
    "smileys-emotion": "Smileys and emotion",
    "people-body": "People and body",
    "animals-nature": "Animals and nature",
    "food-drink": "Food and drink",
    "travel-places": "Travel and places",
    "activities": "Activities",
    "objects": "Objects",
    "symbols": "Symbols",
}

STYLES = ("3D", "flat", "glossy", "sticker", "blob", "cartoon")  # of the picture set; lab/training/vector_sets.py


def leasable() -> dict[str, Model | Control | Helper]:
    """Everything that a cache can lease, by name: models, ControlNets, helper networks."""
    return {**MODELS, **CONTROLS, **HELPERS}


def control_of(model: Model, kind: str) -> Control | None:
    """The row that gives `model` control of a kind ("edges", "pose"); None where it has none."""
    rows = (CONTROLS[name] for name in model.controls)
    return next((row for row in rows if kind in (row.name, row.kind)), None)


def add_hub_models(entries: Iterable[str]) -> None:
    """A row for each entry of LAB_ALLOWED_MODELS that no row has: a hub id is taken for a Stable Diffusion of 512 px, and what stands
    behind UNCLIP_PREFIX, a hub id or a folder of this machine, for an unCLIP model."""
    sources = {source.partition("@")[0] for source in (*(row.source for row in leasable().values()), TAESD, TAESDXL)}
    for entry in entries:
        source = entry.removeprefix(UNCLIP_PREFIX)
        name = source.partition("@")[0]
        if name in sources:
            continue
        sources.add(name)
        title = name.rpartition("/")[2]
        if entry != source:
            _add_unclip(title if source.startswith("/") else name, title, source)
        else:
            MODELS[name] = Model(
                name, title, "stable_diffusion", source, 512, f"{name}, from the Hugging Face hub.",
                schedules=("scaled_linear",), conditions=("prompt",), latent=True, guidance_scale=7.5, tiny_decoder=TAESD,
            )  # fmt: skip


def _add_unclip(name: str, title: str, source: str) -> None:
    """A row of HELPERS and UNCLIPS; a folder is called by its last name, with a number behind it where another row has that."""
    names = chain([name], (f"{name}-{number}" for number in count(2)))
    name = next(one for one in names if one not in leasable())
    where = "a folder of this machine" if source.startswith("/") else "from the Hugging Face hub"
    HELPERS[name] = UNCLIPS[name] = Helper(
        name, title, "unclip", source, f"{title}, {where}.", when="pictures are drawn from embeddings"
    )


def samplers_for(model: Model) -> dict[str, Sampler]:
    """The samplers that make sense for `model`: LCM where it was distilled, learned variance where it has one."""
    return {
        name: row
        for name, row in SAMPLERS.items()
        if (model.consistency or not row.consistency) and (model.learned_variance or not row.learned_variance)
    }


def rules_for(model: Model) -> dict[str, Guidance]:
    """The guidance rules that apply to `model`: dynamic thresholding only where x_0 is a picture, a guide's only where the
    model has one."""
    return {
        name: row
        for name, row in GUIDANCE.items()
        if not (model.latent and row.pixels_only) and (not row.guide or row.guide in model.guides)
    }


def guide_networks(model: Model, rules: Iterable[str]) -> tuple[str, ...]:
    """The rows of HELPERS that pull the lanes of these rules of a model; each once."""
    guides = (GUIDANCE[rule].guide for rule in rules)
    return tuple(dict.fromkeys(model.guides[guide] for guide in guides if model.guides.get(guide)))
