"""A script of every kind that the lab writes, none of them run: what is said of all scripts is tried on these."""

import contextlib
from types import SimpleNamespace

import numpy as np

from lab.annotators.joints import default_pose
from lab.annotators.pose import pose_map
from lab.capsules import script
from lab.capsules.attention_script import attention_script
from lab.capsules.beta_script import beta_script
from lab.capsules.bound_script import bound_script
from lab.capsules.edit_script import edit_script
from lab.capsules.enlarge_script import enlarge_script
from lab.capsules.factor_script import factor_script
from lab.capsules.invention_script import invention_script
from lab.capsules.latents_script import latents_script
from lab.capsules.ledger_script import ledger_script
from lab.capsules.map_script import map_script
from lab.capsules.plane_script import LANES, plane_script
from lab.capsules.unclip_script import unclip_script
from lab.catalog import EDITS, MODELS, VIEWS, rules_for, samplers_for
from lab.requests.attention import AttentionRequest
from lab.requests.base import LabError
from lab.requests.betas import BetaRequest
from lab.requests.bound import BoundRequest
from lab.requests.edit import EditLane, EditRequest
from lab.requests.enlarge import EnlargeLane, EnlargeRequest
from lab.requests.factor import FactorRequest
from lab.requests.fields import Condition, Forward, GuideSettings
from lab.requests.invention import InventionRequest, Machine
from lab.requests.latent_map import MapRequest
from lab.requests.latents import LatentLane, LatentRequest
from lab.requests.ledger import LedgerRequest
from lab.requests.sampling import ControlMap, ControlWindow, LaneSettings, SamplingRequest
from lab.requests.unclip import Embedding, UnclipLane, UnclipRequest
from lab.toy_data import TOYS
from lab.ui.tabs.controlnet.view import sketch

PICTURE = np.random.default_rng(0).integers(0, 256, (32, 32, 3), np.uint8)
LARGE = np.random.default_rng(0).integers(0, 256, (64, 64, 3), np.uint8)
APPLE = Condition(prompt="red apple", style="3D")
LATENT = {"model": "text-to-image", "forward": Forward(schedule="scaled_linear"), "condition": APPLE}
EXACT = {"model": "exact", "forward": Forward(), "condition": Condition(prompt="apple")}
PIXEL = {"model": "pixel", "forward": Forward(schedule="cosine"), "condition": Condition(group="food-drink")}
MAPS = (
    ControlMap(name="edges", map=sketch("heart", 64)),
    ControlMap(name="pose", map=pose_map(default_pose(), np.ones(18, bool), 64)),
)


def _sampled():
    for model in (LATENT, EXACT, PIXEL):
        row = MODELS[model["model"]]
        for sampler in samplers_for(row):
            lane = LaneSettings(sampler=sampler, steps=5, seed=3, eta=0.4, guidance_scale=3, mix_seed=4, mix=0.2)
            yield f"{row.name}, {sampler}", script.write(SamplingRequest(**model, lanes=(lane,)), 0)
        for rule in rules_for(row):
            if row.name == "text-to-image" and rule == "threshold":
                continue  # which has no script
            lane = LaneSettings(steps=5, seed=3, guidance_scale=3, rule=rule)
            request = SamplingRequest(**model, guide=GuideSettings(region="left"), lanes=(lane,))
            yield f"{row.name}, {rule}", script.write(request, 0)
    windows = (ControlWindow(strength=0.7), ControlWindow(end=0.5))
    lane = LaneSettings(steps=5, seed=3, guidance_scale=3, windows=windows)
    yield "ControlNet", script.write(SamplingRequest(**LATENT, controls=MAPS, lanes=(lane,)), 0)
    student = LaneSettings(sampler="lcm", steps=4, seed=3, guidance_scale=6)
    yield "student", script.write(SamplingRequest(**LATENT | {"model": "student"}, lanes=(student,)), 0)
    plain = LaneSettings(sampler="euler", steps=20, seed=3)
    yield "short", script.write(SamplingRequest(**EXACT, lanes=(plain,)), 0)


def _edited():
    for model, settings in (("text-to-image", LATENT), ("exact-32", EXACT | {"model": "exact-32"}), ("pixel", PIXEL)):
        side = MODELS[model].size
        drawn = np.random.default_rng(1).integers(0, 256, (side, side, 3), np.uint8)
        more = {"picture": drawn, "mask": drawn[..., 0] > 99, "source": settings["condition"]}
        for method in EDITS:
            for view in VIEWS if method == "composed" else ("left-right",):
                request = EditRequest(
                    **settings, **more, view=view, lanes=(EditLane(method=method, steps=4, seed=2, guidance_scale=2),)
                )
                with contextlib.suppress(LabError):  # what this model cannot
                    yield f"edit, {model}, {method}, {view}", edit_script(request, 0)


def scripts() -> dict[str, str]:
    """The texts by what they are of."""
    latents = LatentRequest(picture=LARGE, second=LARGE, lanes=[LatentLane(kind="noise"), LatentLane(kind="slerp")])
    encoding = SimpleNamespace(picture=LARGE)  # all of an Encoding that a script reads
    toy = TOYS["two-modes"]
    return {
        **dict(_sampled()),
        **dict(_edited()),
        "attention": attention_script(
            AttentionRequest(condition=APPLE, lane=LaneSettings(steps=3), looks=2, words=("apple",), weights=(0,), target="pear")
        ),
        "betas": beta_script(BetaRequest(pictures="shapes"), np.stack([PICTURE, PICTURE])),
        "bound": bound_script(BoundRequest(picture=PICTURE, draws=3, most=10, repeats=2), PICTURE),
        "enlarge": enlarge_script(EnlargeRequest(picture=PICTURE, side=16, lanes=(EnlargeLane(noise=100),)), 0),
        "cascade": enlarge_script(EnlargeRequest(condition=Condition(group="symbols"), lanes=(EnlargeLane(),)), 0),
        "factor": factor_script(FactorRequest(picture=LARGE), LARGE),
        **{
            f"invention, {machine.kind}, {machine.translated}": invention_script(
                InventionRequest(machines=(machine,), seeds=(1,), steps=3), 0
            )
            for machine in (Machine(kind="exact"), Machine(kind="local"), Machine(kind="local", translated=True, pictures=9), Machine(kind="network"))
        },
        "latents": latents_script(latents, {0: encoding}, None),
        "ledger": ledger_script(LedgerRequest(picture=PICTURE, calls=5), PICTURE),
        "ledger of the exact denoiser": ledger_script(LedgerRequest(picture=PICTURE, model="exact-32", calls=5), PICTURE),
        "map": map_script(MapRequest(picture=PICTURE)),
        "plane": plane_script(toy.title, toy.points, toy.weights, toy.std, toy.classes, [*LANES], 20, seed=5),
        "unclip": unclip_script(
            UnclipRequest(
                pictures=(PICTURE,),
                embeddings=(
                    Embedding(noise_level=400),
                    Embedding(kind="text", prompt="apple"),
                    Embedding(kind="prior", prompt="apple", candidates=2),
                    Embedding(kind="difference", prompt="apple", base="pear", turn=0.3),
                    Embedding(kind="components", components=2),
                ),
                lanes=(
                    *(UnclipLane(embedding=k, steps=3) for k in range(5)),
                    UnclipLane(embedding=0, steps=3, inverted=(1.0,)),
                    UnclipLane(way="words", caption="apple", steps=3),
                ),
            )
        ),
    }  # fmt: skip
