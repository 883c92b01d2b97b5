"""Figures of the networks that change a picture: the one that fills holes, and the upsampler."""

from typing import Any

import numpy as np
import torch
from diffusers import StableDiffusionInpaintPipeline, UNet2DModel
from PIL import Image
from skimage.metrics import structural_similarity
from torch.nn.functional import avg_pool2d

from lab.measures import gradient_energy, psnr, seam
from lab.models.judge import LoadedJudge, read_judge
from lab.training.corpus import PEOPLE_GROUP, Corpus, evenly, to_device, to_pixels, to_unit
from lab.training.masks import random_mask
from lab.training.recipes.judge import plain_captions
from lab.training.recipes.latents import generate
from lab.training.recipes.upsampler import FACTOR, upsample
from lab.training.scene import Scene, distinct, in_batches, load_pipeline
from lab.training.scores import accuracy, count

FILLING_SCALE = 3.0
NOISE_STEPS = (0, 100, 200, 300)  # of augmentation
UPSAMPLING_STEPS = 20  # of DDIM: 1,000 is a multiple of them, where diffusers' class lands on its own timesteps
FORMULAS = {
    "nearest": Image.Resampling.NEAREST, "bicubic": Image.Resampling.BICUBIC, "lanczos": Image.Resampling.LANCZOS,
}  # fmt: skip


def measure_inpainting(scene: Scene) -> dict[str, Any]:
    """What nine channels make of holes in drawings, held-out ones and learned ones: RMS to the original inside the hole, in grey
    levels, the seam, and caption accuracy. Beside them blending, the text-to-image model from the same noise with the known part put
    back after every step, and the originals, the judge's ceiling."""
    judge = read_judge(scene.models("judge"))
    nine = StableDiffusionInpaintPipeline.from_pretrained(scene.models("inpainting"), safety_checker=None)
    blending = StableDiffusionInpaintPipeline(**load_pipeline(scene).components, requires_safety_checker=False)
    pipelines = {"nine_channels": nine.to(scene.device), "blending": blending}
    figures: dict[str, Any] = {"parameters": count(nine.unet), "scale": FILLING_SCALE}
    for name, part in (("held_out", scene.prompt_corpus.unseen), ("learned", scene.prompt_corpus.training)):
        drawn = distinct(drawings(part), scene.prompts // 2)
        holes = partial_masks(len(drawn), drawn.pixels.shape[1])
        pictures = {key: filled(pipeline, drawn, holes) for key, pipeline in pipelines.items()}
        pictures["originals"] = drawn.pixels
        by_way = {key: hole_figures(judge, drawn, holes, made) for key, made in pictures.items()}
        figures[name] = {"pictures": len(drawn)} | by_way
    return figures


def partial_masks(n: int, size: int) -> np.ndarray:
    """Random masks, (n, size, size) bool, that leave something of the picture."""
    rng, masks = np.random.default_rng(0), list[np.ndarray]()
    while len(masks) < n:
        mask = random_mask(size, rng)
        masks += [] if mask.all() else [mask]
    return np.stack(masks)


def filled(pipeline: StableDiffusionInpaintPipeline, corpus: Corpus, holes: np.ndarray) -> np.ndarray:
    """The pictures with their holes filled under their captions; picture i starts from the noise of seed i."""
    pictures = torch.from_numpy(corpus.pixels).permute(0, 3, 1, 2) / 255
    masks = torch.from_numpy(holes)[:, None].float()
    shape = (4, *(side // pipeline.vae_scale_factor for side in holes.shape[1:]))

    def make(captions: list[str], first: int) -> np.ndarray:
        own = range(first, first + len(captions))
        noises = torch.stack([torch.randn(shape, generator=torch.Generator().manual_seed(seed)) for seed in own])
        part = slice(own.start, own.stop)
        more: dict[str, Any] = {
            "image": pictures[part],
            "mask_image": masks[part],
            "latents": noises.to(pipeline.device),
        }
        return generate(pipeline, captions, FILLING_SCALE, seed=first, **more)

    return in_batches(make, plain_captions(corpus))


def hole_figures(judge: LoadedJudge, corpus: Corpus, holes: np.ndarray, pictures: np.ndarray) -> dict[str, float]:
    """Means over pictures of the RMS inside the hole and of the seam, and caption accuracy."""
    errors = np.square(pictures.astype(float) - corpus.pixels).mean(axis=3)
    seams = [value for picture, hole in zip(pictures, holes, strict=True) if (value := seam(picture, hole)) is not None]
    return {
        "hole_rms": float(np.mean([error[hole].mean() ** 0.5 for error, hole in zip(errors, holes, strict=True)])),
        "seam": float(np.mean(seams)),
        "accuracy": accuracy(judge, pictures, plain_captions(corpus)),
    }


def measure_upsampler(scene: Scene) -> dict[str, Any]:
    """PSNR (dB), SSIM and detail (gradient energy as a share of the originals') of held-out drawings and people, averaged down and
    enlarged: by the network at several steps of noise augmentation, and by formulas."""
    model = UNet2DModel.from_pretrained(scene.models("upsampler") / "unet").float().eval().to(scene.device)
    unseen = scene.corpus.unseen
    figures: dict[str, Any] = {"parameters": count(model), "steps": UPSAMPLING_STEPS}
    for name, whole in (("drawings", drawings(unseen)), ("people", unseen.persons)):
        part = evenly(whole, max(scene.prompts // 4, 1))
        small = avg_pool2d(to_unit(to_device(part.pixels, scene.device)), FACTOR)
        side = part.pixels.shape[1]
        formulas = {
            key: np.stack([np.array(Image.fromarray(one).resize((side, side), number)) for one in to_pixels(small)])
            for key, number in FORMULAS.items()
        }
        figures[name] = {
            "pictures": len(part),
            "noise": [
                {"step": noise}
                | enlarged_figures(to_pixels(upsample(model, small, noise, UPSAMPLING_STEPS)), part.pixels)
                for noise in NOISE_STEPS
            ],
            **{key: enlarged_figures(pictures, part.pixels) for key, pictures in formulas.items()},
        }
    return figures


def enlarged_figures(pictures: np.ndarray, originals: np.ndarray) -> dict[str, float]:
    """Means of PSNR and SSIM, and the gradient energy of all as a share of the originals'."""
    pairs = [*zip(pictures, originals, strict=True)]
    energies = [sum(gradient_energy(picture) for picture in part) for part in (pictures, originals)]
    return {
        "psnr_db": float(np.mean([psnr(*pair) for pair in pairs])),
        "ssim": float(np.mean([structural_similarity(*pair, channel_axis=2) for pair in pairs])),
        "detail": energies[0] / energies[1],
    }


def drawings(corpus: Corpus) -> Corpus:
    """The pictures that are no generated people."""
    return corpus.select(np.array([group != PEOPLE_GROUP for group in corpus.groups]))
