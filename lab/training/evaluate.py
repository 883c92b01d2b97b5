"""`python -m lab.training evaluate`: figures for every trained model, from held-out pictures and fixed seeds.

Prints one JSON document and writes the figures into the model cards. A judge that no generator saw (the recipe judge:
another architecture, another seed) reads the generated pictures. Where a figure depends on how well the
judge or an extraction works at all, the same figure for real pictures stands beside it.
"""

import json
import time
from collections.abc import Callable
from functools import partial
from typing import Any

import cv2
import numpy as np
import torch
from diffusers import (
    AutoencoderKL,
    ControlNetModel,
    StableDiffusionControlNetPipeline,
    StableDiffusionPipeline,
    UNet2DModel,
)
from skimage.metrics import peak_signal_noise_ratio, structural_similarity
from torch import Tensor
from transformers import CLIPTextModelWithProjection, CLIPTokenizer, CLIPVisionModelWithProjection

from lab.annotators.skeleton import draw_skeleton
from lab.engine.fidelity import frechet
from lab.engine.predictions import split_prediction
from lab.engine.process import Level
from lab.models.guides import LoadedClassifier
from lab.models.judge import LoadedJudge, read_judge
from lab.models.noisy_encoder import NoisyEncoder
from lab.training.autoencoding import measure_family
from lab.training.classification import NOISES, by_log_snr, exact_classifier, group_labels, noised
from lab.training.corpus import PEOPLE_GROUP, Corpus, evenly, to_device, to_pixels, to_unit
from lab.training.editing import measure_inpainting, measure_upsampler
from lab.training.losses import add_noise, levels, target, variational_bound
from lab.training.people import draw, random_figure, silhouette
from lab.training.recipes import recipes_of
from lab.training.recipes.autoencoder import reconstruct
from lab.training.recipes.clip import hidden_styles
from lab.training.recipes.judge import plain_captions
from lab.training.recipes.latents import generate
from lab.training.scene import CPU, Scene, distinct, in_batches, load_pipeline, prompt_parts, unseen_people
from lab.training.scores import (
    CHOICES,
    accuracy,
    count,
    edge_f1,
    foreground,
    nearest,
    overlap,
    recall,
    unit,
)  # fmt: skip
from lab.training.unclip import measure_unclip
from lab.training.wording import tokenize

SCALES = (0.0, 1.0, 2.0, 3.0, 5.0, 7.5, 10.0, 15.0)  # 0: without the caption, 1: without guidance
STUDENT_SCALE = 4.0
EDGE_THRESHOLDS = (80, 160)
BILLED, NEAR, STRATA = 64, 16, 32  # pictures whose bound is measured; terms of each
FIGURES_SEED = 10_000  # of people who are in no training set


def evaluate(scene: Scene, only: list[str] | None = None) -> dict[str, dict[str, Any]]:
    """Figures by model, of those that are trained (and named, where names are given)."""
    names = [name for name in only or MEASURES if all(scene.models(recipe).exists() for recipe in recipes_of(name))]
    return {name: MEASURES[name](scene) for name in names}


def measure_autoencoder(scene: Scene, name: str = "autoencoder") -> dict[str, Any]:
    """PSNR (dB) and SSIM on held-out pictures, means of per-picture values."""
    model = AutoencoderKL.from_pretrained(scene.models(name)).float().eval()
    unseen = scene.corpus.unseen
    copies = to_pixels(reconstruct(model, to_unit(to_device(unseen.pixels, CPU))))
    people = np.array([group == PEOPLE_GROUP for group in unseen.groups])
    quality = np.array(
        [
            (peak_signal_noise_ratio(real, copy), structural_similarity(real, copy, channel_axis=2))
            for real, copy in zip(unseen.pixels, copies, strict=True)
        ]
    )
    return {
        "psnr_db": quality[~people, 0].mean(), "ssim": quality[~people, 1].mean(), "pictures": int((~people).sum()),
        "people_psnr_db": quality[people, 0].mean(), "people_ssim": quality[people, 1].mean(),
        "parameters": count(model),
    }  # fmt: skip


def measure_clip(scene: Scene) -> dict[str, Any]:
    """Retrieval among 100 drawings, both ways: concepts it trained on, in a style it did not see them in."""
    folder = scene.models("clip")
    tokenizer = CLIPTokenizer.from_pretrained(folder / "tokenizer")
    text = CLIPTextModelWithProjection.from_pretrained(folder / "text_encoder").float().eval()
    image = CLIPVisionModelWithProjection.from_pretrained(folder / "image_encoder").float().eval()
    test = scene.corpus.training
    test = distinct(test.select(hidden_styles(test)), CHOICES)
    with torch.no_grad():
        images = unit(image(pixel_values=to_unit(to_device(test.pixels, CPU))).image_embeds)
        texts = unit(text(input_ids=tokenize(tokenizer, plain_captions(test))).text_embeds)
    similar = images @ texts.T
    return {
        "choices": len(test), "parameters": count(text) + count(image),
        "image_to_text_r1": recall(similar, 1), "image_to_text_r5": recall(similar, 5),
        "text_to_image_r1": recall(similar.T, 1), "text_to_image_r5": recall(similar.T, 5),
    }  # fmt: skip


def measure_judge(scene: Scene) -> dict[str, Any]:
    """The judge on real pictures: the ceiling of what it can say of generated ones. It reads them at 64 px; those of the
    pixel model have 32."""
    judge = read_judge(scene.models("judge"))
    test = scene.corpus.training
    drawings = distinct(test.select(hidden_styles(test)), CHOICES)
    pictures = {
        "drawings": drawings,
        "drawings_at_32_px": drawings.drawings(32),
        "people": distinct(unseen_people(scene), CHOICES),
    }
    figures = {
        f"real_{name}_accuracy": accuracy(judge, part.pixels, plain_captions(part)) for name, part in pictures.items()
    }
    return {"choices": CHOICES, "parameters": count(judge.network)} | figures


def measure_text_to_image(scene: Scene) -> dict[str, Any]:
    """Caption accuracy by guidance scale, distance of feature statistics, nearest training pictures, and time."""
    pipeline = load_pipeline(scene)
    judge = read_judge(scene.models("judge"))
    training = scene.prompt_corpus.training
    parts = prompt_parts(scene)
    drawings, people = parts.values()
    captions_by_part = {name: plain_captions(part) for name, part in parts.items()}
    curve, pictures_by_scale = [], {}
    for scale in SCALES:

        def make(captions: list[str], seed: int, scale: float = scale) -> np.ndarray:
            return generate(pipeline, captions if scale else [""] * len(captions), max(scale, 1.0), seed=seed)

        batches = {name: in_batches(make, captions) for name, captions in captions_by_part.items()}
        scores = {name: accuracy(judge, batches[name], captions) for name, captions in captions_by_part.items()}
        curve.append({"scale": scale, "accuracy": float(np.mean(list(scores.values()))), **scores})
        pictures_by_scale[scale] = np.concatenate(list(batches.values()))
    best = max(curve, key=lambda point: point["accuracy"])
    pictures = pictures_by_scale[best["scale"]]
    real = np.concatenate([drawings.pixels, people.pixels])
    others = alike(training, len(drawings), len(people))
    started = time.monotonic()
    generate(pipeline, ["red apple"], 5.0)
    seconds = time.monotonic() - started
    return {
        "parameters": count(pipeline.unet), "prompts": len(pictures), "choices": min(CHOICES, len(drawings), len(people)), "curve": curve,
        "best_scale": best["scale"], "accuracy": best["accuracy"],
        "frechet": apart(judge, pictures, real),
        "frechet_floor_real_against_real": apart(judge, others, real),
        "nearest_training_rms": nearest(pictures, training.pixels),
        "nearest_training_rms_of_unseen_real": nearest(scene.prompt_corpus.unseen.pixels[::4], training.pixels),
        "seconds_per_picture_25_steps_guided": seconds,
    }  # fmt: skip


def apart(judge: LoadedJudge, pictures: np.ndarray, real: np.ndarray) -> float:
    """The Fréchet distance of two sets of pictures in the judge's features."""
    return frechet(*(torch.from_numpy(judge.features(part)) for part in (pictures, real)))


def measure_edges(scene: Scene) -> dict[str, Any]:
    """F1 of edges found again in the generated picture, 2 px tolerance, with control and without."""
    pipeline, controlled = load_pipeline(scene), load_controlled(scene, "controlnet-edges")
    unseen = scene.prompt_corpus.unseen
    sample = evenly(unseen, scene.prompts // 2)
    edges = np.stack([cv2.Canny(picture, *EDGE_THRESHOLDS) for picture in sample.pixels])
    hints = torch.from_numpy(edges).float()[:, None].expand(-1, 3, -1, -1) / 255
    captions = list(sample.captions)
    return {
        name: float(np.mean([edge_f1(cv2.Canny(p, *EDGE_THRESHOLDS), e) for p, e in zip(pictures, edges, strict=True)]))
        for name, pictures in with_and_without(pipeline, controlled, captions, hints).items()
    } | {"pictures": len(sample), "parameters": count(controlled.controlnet)}


def measure_pose(scene: Scene) -> dict[str, Any]:
    """Overlap (intersection over union) of the generated person with the figure drawn from the same skeleton."""
    pipeline, controlled = load_pipeline(scene), load_controlled(scene, "controlnet-pose")
    size = scene.corpus.pixels.shape[1]
    rng = np.random.default_rng(FIGURES_SEED)
    figures = [random_figure(rng) for _ in range(scene.prompts // 2)]
    truth = np.stack([silhouette(figure, size) for figure in figures])
    skeletons = np.stack([draw_skeleton(figure.joints, figure.visible, size=size) for figure in figures])
    hints = torch.from_numpy(skeletons).permute(0, 3, 1, 2).float() / 255
    pictures = with_and_without(pipeline, controlled, [figure.caption for figure in figures], hints)
    pictures["of_the_drawn_figure"] = np.stack([draw(figure, size) for figure in figures])  # the extraction's ceiling
    return {
        name: float(np.mean([overlap(foreground(p), t) for p, t in zip(batch, truth, strict=True)]))
        for name, batch in pictures.items()
    } | {"pictures": len(figures), "parameters": count(controlled.controlnet)}


@torch.no_grad()
def measure_pixel(scene: Scene) -> dict[str, Any]:
    """L_vlb in bits per dimension of held-out drawings (Nichol & Dhariwal 2021, Table 2), of its T terms the NEAR that are
    nearest to the picture, which hold most of it, one by one, and one of each of STRATA equal parts of the others."""
    from diffusers import DDPMScheduler

    folder = scene.models("pixel")
    model = UNet2DModel.from_pretrained(folder / "unet").float().eval()
    scheduler = DDPMScheduler.from_pretrained(folder / "scheduler")
    predicts, alphas_cumprod = scheduler.config.prediction_type, scheduler.alphas_cumprod
    unseen = evenly(scene.corpus.unseen.drawings(model.config.sample_size), BILLED)
    rng, bounds, errors = torch.Generator().manual_seed(0), [], []
    for picture in unseen.pixels:
        small = to_unit(to_device(picture[None], CPU))
        t, weights = strata(len(alphas_cumprod), rng)
        x_0 = small.expand(len(t), -1, -1, -1)
        eps = torch.randn(x_0.shape, generator=rng)
        x_t = add_noise(x_0, eps, alphas_cumprod[t])
        anything = torch.full_like(t, model.config.num_class_embeds - 1)
        predicted, v = model(x_t, t, class_labels=anything).sample.chunk(2, dim=1)
        _, predicted_eps = split_prediction(predicted, x_t, levels(alphas_cumprod[t], x_t), predicts)
        bounds.append(variational_bound(torch.cat([predicted_eps, v], dim=1), x_0, x_t, t, alphas_cumprod) @ weights)
        error = (predicted - target(predicts, x_0, eps, alphas_cumprod[t])).square().flatten(1).mean(1)
        errors.append(error @ weights / len(alphas_cumprod))
    deviation = torch.stack(bounds).std() / len(bounds) ** 0.5
    return {
        "bits_per_dimension": float(torch.stack(bounds).mean()), "standard_error": float(deviation), "pictures": len(bounds),
        f"{predicts}_mse": float(torch.stack(errors).mean()), "parameters": count(model),
    }  # fmt: skip


def strata(T: int, rng: torch.Generator) -> tuple[Tensor, Tensor]:
    """Timesteps at which a bound of T terms is looked at, and of how many terms each stands for; both (NEAR + STRATA,)."""
    edges = torch.linspace(NEAR, T, STRATA + 1).long()
    widths = edges.diff()
    inside = edges[:-1] + (torch.rand(STRATA, generator=rng) * widths).long()
    return torch.cat([torch.arange(NEAR), inside]), torch.cat([torch.ones(NEAR), widths.float()])


@torch.no_grad()
def measure_classifier(scene: Scene) -> dict[str, Any]:
    """Accuracy, cross-entropy (nats) and expected calibration error on held-out drawings by log-SNR, t uniform in a band.

    Beside them those of two exact classifiers: of all drawings, which knows the held-out ones and is the ceiling, and of the
    training drawings alone.
    """
    from diffusers import DDPMScheduler

    folder = scene.models("classifier")
    model = NoisyEncoder.from_pretrained(folder / "classifier").float().eval()
    scheduler = DDPMScheduler.from_pretrained(folder / "scheduler")
    alphas_cumprod = scheduler.alphas_cumprod
    groups = json.loads((folder / "classes.json").read_text())
    drawings, unseen = (part.drawings(model.config.sample_size) for part in (scene.corpus, scene.corpus.unseen))
    beliefs = {
        "network": lambda x_t, t: (
            LoadedClassifier(model, scheduler, groups)
            .log_beliefs(x_t, Level.from_alpha_bar(alphas_cumprod[t].double()), 1.0)
            .exp()
        ),
        "exact": exact_classifier(drawings, groups, alphas_cumprod),
        "exact_of_training": exact_classifier(drawings.training, groups, alphas_cumprod),
    }
    x_0 = to_unit(to_device(unseen.pixels, CPU))
    bands = by_log_snr(beliefs, x_0, group_labels(unseen, groups), alphas_cumprod)
    return {"pictures": len(unseen), "classes": len(groups), "parameters": count(model), "band": bands}


@torch.no_grad()
def measure_noised_clip(scene: Scene) -> dict[str, Any]:
    """Retrieval by log-SNR: the caption of a noisy drawing among those of 100 that are in a style not trained on."""
    from diffusers import DDPMScheduler

    folder, clip = scene.models("noised-clip"), scene.models("clip")
    tokenizer = CLIPTokenizer.from_pretrained(clip / "tokenizer")
    text = CLIPTextModelWithProjection.from_pretrained(clip / "text_encoder").float().eval()
    model = NoisyEncoder.from_pretrained(folder / "image_encoder").float().eval()
    test = scene.corpus.training
    test = distinct(test.select(hidden_styles(test)), CHOICES).drawings(model.config.sample_size)
    texts = unit(text(input_ids=tokenize(tokenizer, plain_captions(test))).text_embeds)
    x_0 = to_unit(to_device(test.pixels, CPU)).repeat(NOISES, 1, 1, 1)
    bands = []
    for band, x_t, t in noised(x_0, DDPMScheduler.from_pretrained(folder / "scheduler").alphas_cumprod):
        similar = [images @ texts.T for images in unit(model(x_t, t)).split(len(texts))]
        bands.append(band | {f"image_to_text_r{k}": float(np.mean([recall(s, k) for s in similar])) for k in (1, 5)})
    return {"choices": len(test), "parameters": count(model), "band": bands}


def measure_student(scene: Scene) -> dict[str, Any]:
    """Caption accuracy in few steps, and the teacher's in 25, on the same captions, noises and guidance scale."""
    student = StableDiffusionPipeline.from_pretrained(scene.models("student"), safety_checker=None).to(scene.device)
    judge = read_judge(scene.models("judge"))
    captions_by_part = {name: plain_captions(part) for name, part in prompt_parts(scene).items()}

    def score(pipeline: StableDiffusionPipeline, steps: int) -> dict[str, float]:
        def make(captions: list[str], seed: int) -> np.ndarray:
            return generate(pipeline, captions, STUDENT_SCALE, steps, seed)

        scores = {
            name: accuracy(judge, in_batches(make, captions), captions) for name, captions in captions_by_part.items()
        }
        return {"steps": steps, "accuracy": float(np.mean(list(scores.values()))), **scores}

    started = time.monotonic()
    generate(student, ["red apple"], STUDENT_SCALE, 4)
    return {
        "scale": STUDENT_SCALE, "seconds_per_picture_4_steps": time.monotonic() - started, "parameters": count(student.unet),
        "student": [score(student, steps) for steps in (1, 2, 4, 8)],
        "teacher": [score(load_pipeline(scene), 25)],
    }  # fmt: skip


MEASURES: dict[str, Callable[[Scene], dict[str, Any]]] = {
    "autoencoder": measure_autoencoder,
    "clip": measure_clip,
    "judge": measure_judge,
    "text-to-image": measure_text_to_image,
    "controlnet-edges": measure_edges,
    "controlnet-pose": measure_pose,
    "pixel": measure_pixel,
    "classifier": measure_classifier,
    "noised-clip": measure_noised_clip,
    "student": measure_student,
    "inpainting": measure_inpainting,
    "upsampler": measure_upsampler,
    "unclip": measure_unclip,
    "f2": partial(measure_autoencoder, name="f2"),
    "f8": partial(measure_autoencoder, name="f8"),
    "map": partial(measure_family, "map"),
    "beta-drawings": partial(measure_family, "beta-drawings"),
    "beta-shapes": partial(measure_family, "beta-shapes"),
}


def load_controlled(scene: Scene, name: str) -> StableDiffusionControlNetPipeline:
    controlnet = ControlNetModel.from_pretrained(scene.models(name)).to(scene.device)
    parts = load_pipeline(scene).components | {"controlnet": controlnet}
    return StableDiffusionControlNetPipeline(**parts, requires_safety_checker=False)


def with_and_without(
    pipeline: StableDiffusionPipeline, controlled: StableDiffusionControlNetPipeline, captions: list[str], hints: Tensor
) -> dict[str, np.ndarray]:
    """Pictures of the captions from equal noise, with the control pictures and without."""
    return {
        "with_control": in_batches(
            lambda part, seed: generate(controlled, part, 3.0, seed=seed, image=hints[seed : seed + len(part)]),
            captions,
        ),
        "without_control": in_batches(lambda part, seed: generate(pipeline, part, 3.0, seed=seed), captions),
    }


def alike(training: Corpus, drawings: int, people: int) -> np.ndarray:
    """Random real pictures in the same mix of drawings and people."""
    is_person = np.array([group == PEOPLE_GROUP for group in training.groups])
    rng = np.random.default_rng(1)
    indices = [
        rng.choice(np.flatnonzero(of), n, replace=False) for of, n in ((~is_person, drawings), (is_person, people))
    ]
    return training.pixels[np.concatenate(indices)]
