"""The recipes by name; each is one file that reads from the options to the export."""

from dataclasses import dataclass
from typing import Any

from lab.training.recipes.autoencoder import Autoencoder, AutoencoderOptions
from lab.training.recipes.bottlenecks import BetaDrawings, BetaShapes, FamilyOptions, Map
from lab.training.recipes.classifier import Classifier, ClassifierOptions
from lab.training.recipes.clip import Clip, ClipOptions
from lab.training.recipes.controlnet import ControlNetEdges, ControlNetOptions, ControlNetPose
from lab.training.recipes.inpainting import Inpainting, InpaintingOptions
from lab.training.recipes.judge import JudgeOptions, JudgeRecipe
from lab.training.recipes.noised_clip import NoisedClip, NoisedClipOptions
from lab.training.recipes.pixel import Pixel, PixelOptions
from lab.training.recipes.prior import Prior, PriorOptions
from lab.training.recipes.student import Student, StudentOptions
from lab.training.recipes.text_to_image import TextToImage, TextToImageOptions
from lab.training.recipes.unclip import Unclip, UnclipOptions
from lab.training.recipes.upsampler import Upsampler, UpsamplerOptions
from lab.training.train import Options, Recipe


@dataclass(frozen=True)
class Row:
    """A recipe, its options where two CPU cores train it, what is different on a GPU, how long one thread of a CPU trains
    it, and the models that it stands on: where one of those changes, it is to be trained anew. `folder` of the shipped models it
    becomes part of; none: one of its own name."""

    recipe: type[Recipe]
    options: Options
    on_gpu: dict[str, Any]
    minutes: float
    bases: tuple[str, ...] = ()
    folder: str = ""


# In the order in which they stand on one another. A GPU trains wider, but no wider than lets all weights together
# stay under 80 MB in float16.
BASE = ("text-to-image",)
# fmt: off
RECIPES = {
    "autoencoder":      Row(Autoencoder,     AutoencoderOptions(), {"batch": 64, "channels": (32, 64, 96)}, 120),
    "clip":             Row(Clip,            ClipOptions(),        {"batch": 512, "channels": (160, 192), "layers": (3, 4), "patch": 8, "projection": 160}, 120),
    "judge":            Row(JudgeRecipe,     JudgeOptions(),       {"batch": 512}, 30),
    "text-to-image":    Row(TextToImage,     TextToImageOptions(), {"batch": 256, "channels": (80, 112, 160)}, 480, ("autoencoder", "clip")),
    "controlnet-edges": Row(ControlNetEdges, ControlNetOptions(),  {"batch": 256}, 60, BASE),
    "controlnet-pose":  Row(ControlNetPose,  ControlNetOptions(),  {"batch": 256}, 60, BASE),
    "student":          Row(Student,         StudentOptions(),     {"batch": 256}, 90, BASE),
    "inpainting":       Row(Inpainting,      InpaintingOptions(),  {"batch": 256}, 90, BASE),
    "prior":            Row(Prior,           PriorOptions(),       {"batch": 512}, 60, ("clip",), folder="unclip"),
    "unclip":           Row(Unclip,          UnclipOptions(),      {"batch": 256}, 180, ("text-to-image", "clip")),
    "pixel":            Row(Pixel,           PixelOptions(),       {"batch": 256}, 360),
    "classifier":       Row(Classifier,      ClassifierOptions(),  {"batch": 512, "channels": (64, 96, 128)}, 10),
    "noised-clip":      Row(NoisedClip,      NoisedClipOptions(),  {"batch": 512, "channels": (64, 96, 128)}, 60, ("clip",)),
    "upsampler":        Row(Upsampler,       UpsamplerOptions(),   {"batch": 256, "channels": (48, 96, 96)}, 60),
    "f2":               Row(Autoencoder,     AutoencoderOptions(channels=(16, 32)), {"batch": 64}, 40),
    "f8":               Row(Autoencoder,     AutoencoderOptions(channels=(16, 32, 64, 64)), {"batch": 64}, 40),
    "map":              Row(Map,             FamilyOptions(latents=2, hidden=256, style="3D", per_group=16, scale=2.0), {}, 40),
    "beta-drawings":    Row(BetaDrawings,    FamilyOptions(latents=32, hidden=256, channels=(32, 48, 64), scale=0.3), {}, 50),
    "beta-shapes":      Row(BetaShapes,      FamilyOptions(seeds=5), {}, 50),
}
# fmt: on


def folder_of(name: str) -> str:
    """The folder of the shipped models that a recipe's model is in."""
    return RECIPES[name].folder or name


def recipes_of(folder: str) -> list[str]:
    """The recipes whose models make up a folder of the shipped models."""
    return [name for name in RECIPES if folder_of(name) == folder]
