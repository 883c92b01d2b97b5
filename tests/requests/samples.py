"""A request of every kind. Runs are small enough for a toy model; `tests/requests/test_requests.py` holds them complete."""

import numpy as np

from lab.requests.anatomy import AnatomyRequest
from lab.requests.annotate import AnnotateRequest
from lab.requests.attention import AttentionRequest
from lab.requests.betas import BetaRequest
from lab.requests.bound import BoundRequest
from lab.requests.edit import EditLane, EditRequest
from lab.requests.enlarge import EnlargeLane, EnlargeRequest
from lab.requests.factor import FactorRequest
from lab.requests.fidelity import FidelityRequest
from lab.requests.fields import Condition, Forward, GuideSettings
from lab.requests.invention import InventionRequest, Machine
from lab.requests.inversion import InversionRequest
from lab.requests.latent_map import MapRequest
from lab.requests.latents import LatentLane, LatentRequest
from lab.requests.ledger import BillsRequest, LedgerRequest, LikelihoodRequest, SourceRequest, StepRequest
from lab.requests.nearest import NearestRequest
from lab.requests.noising import NoisingRequest
from lab.requests.sampling import ControlMap, ControlWindow, LaneSettings, SamplingRequest
from lab.requests.share import ShareRequest
from lab.requests.unclip import Embedding, UnclipLane, UnclipRequest

PICTURE = np.arange(4 * 5 * 3, dtype=np.uint8).reshape(4, 5, 3)
MODEL = {"model": "text-to-image", "forward": Forward(schedule="scaled_linear")}
LANES = (LaneSettings(steps=3, guidance_scale=2), LaneSettings(steps=2, seed=5, sampler="ddpm"))
APPLE = Condition(prompt="apple")

LEDGER = LedgerRequest(picture=PICTURE, schedule="linear", calls=5, frames=2)

PARTS = (
    LatentLane(kind="noise", channel=1, centre="zero", factor=2.0, log_snr=-3.5, t=0.25, seed=4),
    Condition(prompt="red apple", group="food-drink", style="flat"),
    Forward(schedule="cosine", T=400, zero_snr=True),
    GuideSettings(temperature=2.5, colour="#00ff7f", region="middle", brightness=0.25),
    ControlMap(name="edges", map=PICTURE),
    ControlWindow(strength=0.5, start=0.2, end=0.8),
    LaneSettings(sampler="heun", steps=7, mix_seed=3, mix=0.5),
    Machine(kind="local", patch=5, translated=True, pictures=9),
    EnlargeLane(seed=3, steps=9, noise=250),
    Embedding(kind="components", components=3, turn=0.5, base="red", candidates=2, noise_level=5),
    UnclipLane(embedding=1, way="words", caption="red", mix_seed=3, mix=0.5, inverted=(0.5, 0), eta=0.5),
    EditLane(method="repaint", steps=4, resamplings=3, jump=2, words="source", strength=0.5),
)
RUNS = {
    "sampling": SamplingRequest(
        **MODEL, lanes=LANES, condition=APPLE, controls=(ControlMap(name="edges", map=PICTURE),), measure=True
    ),
    "reference": SamplingRequest(**MODEL, lanes=LANES, reference_steps=4),
    "versus": SamplingRequest(**MODEL, lanes=LANES, versus="exact"),
    "inversion": InversionRequest(**MODEL, picture=PICTURE, steps=3),
    "anatomy": AnatomyRequest(**MODEL, lane=LANES[0], scales=(0, 1, 5), negative="blurry"),
    "attention": AttentionRequest(
        **MODEL,
        condition=APPLE,
        lane=LANES[0],
        looks=2,
        words=("apple",),
        weights=(0, 2),
        target="pear",
        kept_picture=0.5,
    ),
    "annotate": AnnotateRequest(picture=PICTURE, annotator="canny", size=16, low=50, blur=1.5),
    "noising": NoisingRequest(picture=PICTURE, forward=MODEL["forward"], t=10, recover="text-to-image"),
    "nearest": NearestRequest(model="text-to-image", pictures=(PICTURE, 255 - PICTURE)),
    "fidelity": FidelityRequest(
        model="pixel",
        condition=Condition(group="food-drink"),
        sets=((PICTURE, 255 - PICTURE), (PICTURE, PICTURE, PICTURE // 2)),
    ),
    "share": ShareRequest(samplers=("annealed", "ddpm"), steps=5, pictures=2),
    "ledger": LEDGER,
    "bills": BillsRequest(schedule="linear", each=1, calls=2, own=PICTURE),
    "likelihood": LikelihoodRequest(picture=PICTURE, steps=3),
    "step": StepRequest(ledger=LEDGER, i=2),
    "source": SourceRequest(kind="held-out", seed=2),
    "invention": InventionRequest(seeds=(1, 2), steps=3),
    "enlarge": EnlargeRequest(picture=PICTURE, side=16, lanes=(EnlargeLane(steps=2), EnlargeLane(steps=3, noise=100))),
    "cascade": EnlargeRequest(condition=Condition(group="symbols"), seed=4, lanes=(EnlargeLane(steps=2),)),
    "bound": BoundRequest(picture=PICTURE, beta=4, draws=3, most=10, repeats=2, calls=2),
    "factor": FactorRequest(picture=PICTURE, held_out=2, repeats=1),
    "map": MapRequest(picture=PICTURE),
    "betas": BetaRequest(pictures="shapes", picture=PICTURE, seed=3, count=2),
    "latents": LatentRequest(
        picture=PICTURE,
        second=255 - PICTURE,
        linear_map=True,
        lanes=[
            LatentLane(kind="only", channel=2),
            *(
                LatentLane(kind=kind, channel=1, factor=2)
                for kind in ("scale", "other", "shuffle", "noise", "lerp", "draw")
            ),
        ],
    ),
    "unclip": UnclipRequest(
        pictures=(PICTURE, 255 - PICTURE),
        embeddings=(
            Embedding(weights=(0.25, 0.75)),
            Embedding(kind="prior", prompt="apple", candidates=2),
            Embedding(kind="text", prompt="apple"),
            Embedding(kind="difference", prompt="apple", base="pear", turn=0.3),
            Embedding(kind="components", components=2),
        ),
        lanes=(
            UnclipLane(embedding=0, steps=3, inverted=(0.5, 0.5)),
            UnclipLane(embedding=1, steps=2, caption="apple"),
            UnclipLane(way="words", caption="apple", steps=2),
        ),
        prior_steps=2,
        inversion_steps=2,
        judged=True,
        caption="apple",
    ),
    "edit": EditRequest(
        **MODEL,
        picture=PICTURE,
        mask=PICTURE[..., 0] > 30,
        condition=APPLE,
        source=Condition(prompt="blue"),
        measure=True,
        lanes=[EditLane(method=method, steps=3, strength=0.7) for method in ("sdedit", "blend", "inverted")],
    ),
}
SAMPLES = (*PARTS, *RUNS.values())
