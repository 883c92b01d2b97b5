"""One function per model family: a catalog row in, a loaded model out."""

import logging
import math
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache, partial
from pathlib import Path
from types import MappingProxyType
from typing import Any, Generic, Protocol, TypeVar

import numpy as np
import torch
import transformers
from diffusers import (
    AutoencoderKL,
    AutoencoderTiny,
    ControlNetModel,
    ModelMixin,
    PriorTransformer,
    UNet2DConditionModel,
)
from diffusers.pipelines.deprecated.unclip.text_proj import UnCLIPTextProjModel
from diffusers.pipelines.stable_diffusion import StableUnCLIPImageNormalizer
from torch import Tensor

from lab.catalog import (
    CONTROLS,
    GROUPS,
    HELPERS,
    MODELS,
    SCORER,
    TAESD,
    UNCLIP_PREFIX,
    Control,
    Helper,
    Model,
    leasable,
)
from lab.engine.denoisers import Denoiser
from lab.engine.noising import alphas_cumprod
from lab.engine.process import VariancePreserving
from lab.models.cache import ModelCache, Shelf, alone, first_line
from lab.models.clip import LoadedClip, read_clip
from lab.models.compiled import Engines, Workshop
from lab.models.decoding import Decoder, tiny_decoder
from lab.models.exact import ExactData, ExactDenoiser, Support, TwoGroups
from lab.models.families import LoadedAutoencoder, LoadedFamily, read_autoencoder, read_family
from lab.models.guides import LoadedClassifier, LoadedNoisedClip
from lab.models.judge import LoadedJudge, read_judge
from lab.models.local import AllPlaces, LocalDenoiser, OwnPlace, Patches
from lab.models.noisy_encoder import NoisyEncoder
from lab.models.parts import (
    check_class,
    read_config,
    read_image_processor,
    read_network,
    read_scheduler,
    read_tokenizer,
    without_paths,
)
from lab.models.pictures import PictureSet
from lab.models.pixel import read_classes, read_pixel
from lab.models.pixel_unclip import LoadedPixelUnclip, PixelDecoderDenoiser, check_decoder, clip_range_of
from lab.models.sources import content_key, fetched_bytes, folder_at_hand, folder_of, weight_of
from lab.models.stable_diffusion import LoadedControl, LoadedStableDiffusion, Parts, SplitControl, embedding_values
from lab.models.tensors import PixelSpace, to_signed
from lab.models.unclip import (
    ClipParts,
    EmbeddingContext,
    EmbeddingNoise,
    Gallery,
    LoadedUnclip,
    PriorDenoiser,
    UnclipModel,
)
from lab.models.upsampler import LoadedUpsampler, read_upsampler
from lab.requests.base import LabError
from lab.requests.fields import Condition, Forward
from lab.settings import ASSETS, Settings, at_hand
from lab.store import SUPER_RESOLUTION
from lab.vocabulary import nearest, suggestion

log = logging.getLogger("lab")

PATCH = 11  # pixels: the local score machine's, where a request names none
PREVIEW_EXAMPLES = 48
SLOW = 200_000_000  # bytes that take a while to read
ENCODERS = {  # of each pipeline: the part's name behind "text_encoder" and "tokenizer", and its class in transformers
    "StableDiffusionPipeline": {"": "CLIPTextModel"},
    "StableDiffusionXLPipeline": {"": "CLIPTextModel", "_2": "CLIPTextModelWithProjection"},
}
ENCODERS |= {name.replace("Pipeline", "InpaintPipeline"): encoders for name, encoders in ENCODERS.items()}
UNCLIP_ENCODERS = {name: {"": "CLIPTextModel"} for name in ("StableUnCLIPPipeline", "StableUnCLIPImg2ImgPipeline")}
LEARNED_STYLES = ("3D", "flat")  # of the drawings, by the latent models that are trained here
TOKENIZERS = ("CLIPTokenizer", "CLIPTokenizerFast")
PIXEL_UNCLIPS = ("UnCLIPPipeline", "UnCLIPImageVariationPipeline")
UNCLIP_CLASSES = {  # of the parts of an unCLIP folder that it may name, beside those of a Stable Diffusion
    "decoder": ("UNet2DConditionModel",),
    "text_proj": ("UnCLIPTextProjModel",),
    "tokenizer": TOKENIZERS,
    "image_encoder": ("CLIPVisionModelWithProjection",),
    "feature_extractor": ("CLIPImageProcessor", "CLIPImageProcessorFast", "CLIPFeatureExtractor"),
    "image_normalizer": ("StableUnCLIPImageNormalizer",),
    "prior": ("PriorTransformer",),
    "prior_text_encoder": ("CLIPTextModelWithProjection",),
    "prior_tokenizer": TOKENIZERS,
}


class LoadedModel(Protocol):
    """What the operations need of a model, whatever its family."""

    shape: tuple[int, int, int]  # of x_t
    side: int  # of its pictures, in pixels
    latent: bool  # to_picture is a network's work, and preview is not
    distilled: bool  # with its guidance (LCM): a row's prompt says at what scale, and there is no unconditional twin

    @property
    def tiny(self) -> Decoder | None:
        """What makes a picture of x_0 too, in a fraction of the time and less sharply; None where there is no such thing."""
        ...

    def denoiser(self, forward: Forward) -> Denoiser:
        """The model under a forward process; the same object for the same process, so that runs can share calls."""
        ...

    def conditioning(self, condition: Condition) -> Any:
        """What the denoiser takes as a row's conditioning. Raises LabError where the condition cannot be met."""
        ...

    def unconditional(self, negative: str = "") -> Any:
        """The conditioning of the unconditional twin, or of a negative prompt in its place."""
        ...

    def unread(self, condition: Condition, negative: str = "") -> Sequence[str]:
        """What of the words of a condition is not read, in sentences; none where all are."""
        ...

    def knowing(self, x_0: Tensor, conditioning: Any = None) -> Any:
        """`conditioning`, or `unconditional()` where it is None, of the model that knows x_0 (channels, height, width) as well.
        A network knows what it was trained on, and nothing is changed."""
        ...

    def to_values(self, x_0: Tensor) -> Tensor:
        """One x_0 (channels, height, width) as a picture before it is clipped to [-1, 1]: (3, height, width) on the CPU."""
        ...

    def to_picture(self, x_0: Tensor) -> np.ndarray:
        """(height, width, 3) uint8 of one x_0 (channels, height, width)."""
        ...

    def preview(self, x: Tensor) -> np.ndarray:
        """(height, width, 3) uint8 of one x_0 or x_t, cheaply; smaller than the picture where that is what is cheap."""
        ...

    def from_picture(self, picture: np.ndarray) -> Tensor:
        """The x_0 (channels, height, width) of an RGB picture of any size, resized to the model's."""
        ...

    def nearest(self, x_0: Tensor) -> tuple[np.ndarray, str, float] | None:
        """The data picture nearest to x_0, its caption and the RMS distance; None where no data is at hand."""
        ...


Of = TypeVar("Of", ExactDenoiser, LocalDenoiser)


class Views(Generic[Of]):
    """The denoisers of one picture set, a view for each forward process."""

    def __init__(self, data: ExactData, make: Callable[[ExactData, Tensor], Of]) -> None:
        self._data = data
        self._make: Callable[[ExactData, Tensor], Of] = make
        self._lock = threading.Lock()
        self._views: dict[Forward, Of] = {}

    def of(self, forward: Forward) -> Of:
        """The view of a process; the same object for the same process."""
        with self._lock:
            if forward not in self._views:
                if len(self._views) >= 64:  # views are small; forget the oldest rather than grow for ever
                    self._views.pop(next(iter(self._views)))
                table = alphas_cumprod(forward.schedule, forward.T, forward.zero_snr)
                self._views[forward] = self._make(self._data, table)
            return self._views[forward]


class LoadedPictures(PixelSpace):
    """A picture set: what the exact denoiser and the local one know, and how they find it."""

    distilled = False

    def __init__(self, pictures: PictureSet, data: ExactData) -> None:
        self.pictures, self.data = pictures, data
        self.shape, self.side = data.shape, data.shape[1]
        self._indices = lru_cache(maxsize=256)(self._search)

    def support(self, condition: Condition) -> Support:
        """The pictures that a condition finds. Raises LabError where there are none."""
        if condition == Condition():
            return self.data.everything
        return self.data.support(self._indices(condition))

    def depicting(self, condition: Condition) -> np.ndarray:
        """The pictures that a condition finds, (n, side, side, 3) uint8. Raises LabError where there are none."""
        return self.pictures.pixels[self.support(condition).indices.cpu().numpy()]

    def unread(self, condition: Condition, negative: str = "") -> Sequence[str]:
        return ()

    def from_picture(self, picture: np.ndarray) -> Tensor:
        return to_signed(picture, self.shape[1:])

    def nearest(self, x_0: Tensor, among: Support | None = None) -> tuple[np.ndarray, str, float]:
        index, rms = self.data.nearest(x_0, among)
        return self.pictures.pixels[index], self.pictures.captions[index], rms

    def spread(self, group: str, count: int) -> Tensor:
        """Indices (count,) of so many pictures of a group, spread evenly over it; of all groups where it is empty. They come
        round again where the group has fewer."""
        found = np.flatnonzero(np.array(self.pictures.groups) == group) if group else np.arange(len(self.pictures))
        return torch.from_numpy(found[np.arange(count) * len(found) // count])

    def two_groups(self, names: tuple[str, str], counts: tuple[int, int]) -> TwoGroups:
        """So many pictures of each group, spread evenly over it, as the data."""
        first, second = (self.spread(name, count) for name, count in zip(names, counts, strict=True))
        return TwoGroups(self.data, (first, second))

    def known(self, group: str, count: int) -> Support:
        """Of a group, or of all groups where it is empty, `count` pictures spread evenly over it; all it has where that is 0 or
        more than it has."""
        everything = self.support(Condition(group=group))
        if not 0 < count < len(everything.indices):
            return everything
        return self.data.support(self.spread(group, count))

    def _search(self, condition: Condition) -> Tensor:
        indices = np.flatnonzero(self.pictures.matching(condition.prompt, condition.group, condition.style))
        if len(indices) == 0:
            raise LabError(_nothing_matches(condition, self.pictures))
        return torch.from_numpy(indices)


class LoadedExact(LoadedPictures):
    """The exact denoiser of a picture set."""

    def __init__(self, pictures: PictureSet, data: ExactData) -> None:
        super().__init__(pictures, data)
        self._views = Views(data, ExactDenoiser)

    def denoiser(self, forward: Forward) -> ExactDenoiser:
        return self._views.of(forward)

    def conditioning(self, condition: Condition) -> Support:
        return self.support(condition)

    def unconditional(self, negative: str = "") -> Support:
        """All pictures; or, for a negative prompt, those it finds."""
        return self.conditioning(Condition(prompt=negative))

    def knowing(self, x_0: Tensor, conditioning: Support | None = None) -> Support:
        return self.data.knowing(x_0, conditioning)


class LoadedLocal(LoadedPictures):
    """The local score machine of a picture set; a condition is met with patches of PATCH pixels."""

    def __init__(self, pictures: PictureSet, data: ExactData) -> None:
        super().__init__(pictures, data)
        self._views = Views(data, LocalDenoiser)
        self._all_places = lru_cache(maxsize=4)(partial(AllPlaces, data))  # of bounded memory

    def denoiser(self, forward: Forward) -> LocalDenoiser:
        return self._views.of(forward)

    def conditioning(self, condition: Condition) -> OwnPlace:
        return OwnPlace(self.support(condition), PATCH)

    def unconditional(self, negative: str = "") -> OwnPlace:
        """Patches of all pictures; or, for a negative prompt, of those it finds."""
        return self.conditioning(Condition(prompt=negative))

    def knowing(self, x_0: Tensor, conditioning: OwnPlace | None = None) -> OwnPlace:
        patches = self.unconditional() if conditioning is None else conditioning
        return replace(patches, support=self.data.knowing(x_0, patches.support))

    def patches(self, support: Support, side: int, translated: bool) -> Patches:
        """A row's conditioning: the pictures whose patches count, a patch's side in pixels (odd), and whether patches of all
        places do or those of the same one."""
        return self._all_places(support, side) if translated else OwnPlace(support, side)


def _nothing_matches(condition: Condition, pictures: PictureSet) -> str:
    """What was searched for, and where such pictures are, or the captions that come nearest to it."""
    words = [f"'{condition.prompt.strip()[:60]}'"] if condition.prompt.strip() else []
    words += [f"in {GROUPS[condition.group]}"] if condition.group else []
    words += [f"in {condition.style}"] if condition.style else []
    elsewhere = pictures.matching(condition.prompt)
    if condition.prompt.strip() and elsewhere.any():
        groups = sorted({GROUPS[pictures.groups[index]] for index in np.flatnonzero(elsewhere)})
        where = f" There are some in {', '.join(groups)}." if condition.group else " There are some in other styles."
        return f"No picture matches {' '.join(words)}.{where}"
    near = nearest(condition.prompt)
    here = [name for name in near if pictures.matching(name, condition.group, condition.style).any()]
    hint = suggestion(here or near) if near else "Try a single word, such as apple, cat or heart."
    return f"No picture matches {' '.join(words)}. {hint}"


def load_exact(row: Model, settings: Settings, shelf: Shelf, workshop: Workshop | None) -> LoadedModel:
    """Family "exact": the exact denoiser of a folder's pictures."""
    return LoadedExact(*_picture_set(row, settings, shelf))


def load_local(row: Model, settings: Settings, shelf: Shelf, workshop: Workshop | None) -> LoadedModel:
    """Family "local": the local score machine of a folder's pictures, which it shares with an exact denoiser of their size."""
    return LoadedLocal(*_picture_set(row, settings, shelf))


def _picture_set(row: Model, settings: Settings, shelf: Shelf) -> tuple[PictureSet, ExactData]:
    """The pictures of a folder at the model's size, held-out ones left out."""
    pictures = PictureSet.load(folder_of(row.source, settings)).resized(row.size)
    pictures = pictures.select(~pictures.held_out)

    def read() -> ExactData:
        return ExactData(torch.from_numpy(pictures.pixels).permute(0, 3, 1, 2).float() / 127.5 - 1)

    return pictures, shelf(f"exact/{row.source}/{row.size}", read)


def load_stable_diffusion(row: Model, settings: Settings, shelf: Shelf, workshop: Workshop | None) -> LoadedModel:
    """Family "stable_diffusion": a folder or hub id that a pipeline of ENCODERS opens; its safety checker stays out."""
    return _latent_diffusion(row, settings, shelf, workshop, "style" in row.conditions)


def load_inpainting(row: Helper, settings: Settings, shelf: Shelf, workshop: Workshop | None) -> LoadedModel:
    """Family "inpainting": a folder that StableDiffusionInpaintPipeline opens, trained on the captions of the lab's pictures.
    Raises LabError where its UNet takes no mask."""
    loaded = _latent_diffusion(row, settings, shelf, workshop, styled=True)
    if not loaded.fills:
        raise LabError("Its unet takes no mask: it draws whole pictures.")
    return loaded


def load_unclip(row: Helper, settings: Settings, shelf: Shelf, workshop: Workshop | None) -> UnclipModel:
    """Family "unclip": a folder that StableUnCLIPPipeline or UnCLIPPipeline opens, with the image encoder beside it, or one that
    StableUnCLIPImg2ImgPipeline or UnCLIPImageVariationPipeline opens, which may lack a prior."""
    folder = folder_of(row.source, settings, half=pick_dtype(settings) != torch.float32)
    index = read_config(folder / "model_index.json", "folder")
    check_class(index.get("_class_name"), [*UNCLIP_ENCODERS, *PIXEL_UNCLIPS], "It")
    on_pixels = index["_class_name"] in PIXEL_UNCLIPS
    own = {"text_encoder": ("CLIPTextModelWithProjection",)} if on_pixels else {}
    for part, kinds in (UNCLIP_CLASSES | own).items():
        if part in index:
            check_class(_class_in(index, part), kinds, f"Its {part}")
    loaded = (_pixel_unclip if on_pixels else _latent_unclip)(row, folder, settings, shelf, workshop)
    if pick_device(settings).type == "cpu":  # as in _latent_diffusion
        loaded.try_out()
    return loaded


def _pixel_unclip(
    row: Helper, folder: Path, settings: Settings, shelf: Shelf, workshop: Workshop | None
) -> LoadedPixelUnclip:
    dtype = pick_dtype(settings)
    net = _part(folder / "decoder", UNet2DConditionModel, dtype, settings, shelf)
    projection = _part(folder / "text_proj", UnCLIPTextProjModel, dtype, settings, shelf)
    scheduler = read_scheduler(folder / "decoder_scheduler")
    check_decoder(net.config, scheduler.config.get("variance_type") or "fixed")
    clip = _unclip_encoders(folder, settings, shelf, "")
    key = content_key(folder / "decoder")
    engines = shelf(
        f"{key}/engines", lambda: Engines(key)
    )  # torch alone: OpenVINO crashes while it compiles such a decoder
    denoiser = PixelDecoderDenoiser(net, scheduler, engines)
    prior = _prior(folder, settings, shelf, clips=True)
    return LoadedPixelUnclip(denoiser, projection, clip, prior, _gallery(clip.image), clip_range_of(scheduler))


def _unclip_encoders(folder: Path, settings: Settings, shelf: Shelf, prefix: str | None) -> ClipParts:
    """The CLIP of an unCLIP folder, whose text encoder and tokenizer have a `prefix`; without these where that is None."""
    dtype = pick_dtype(settings)
    image = _part(folder / "image_encoder", transformers.CLIPVisionModelWithProjection, dtype, settings, shelf)
    processor = read_image_processor(folder / "feature_extractor")
    if prefix is None:
        return ClipParts(image, processor)
    kind = transformers.CLIPTextModelWithProjection
    text = _part(folder / f"{prefix}text_encoder", kind, dtype, settings, shelf)
    return ClipParts(image, processor, text, read_tokenizer(folder / f"{prefix}tokenizer"))


def _prior(folder: Path, settings: Settings, shelf: Shelf, clips: bool = False) -> PriorDenoiser | None:
    """The prior of an unCLIP folder; None where it has none. With `clips` predicted x_0 is clipped where its scheduler says so."""
    if not (folder / "prior").is_dir():
        return None
    net = _part(folder / "prior", PriorTransformer, pick_dtype(settings), settings, shelf)
    scheduler = read_scheduler(folder / "prior_scheduler")
    return PriorDenoiser(net, scheduler, clip_range_of(scheduler) if clips else None)


def _latent_unclip(
    row: Helper, folder: Path, settings: Settings, shelf: Shelf, workshop: Workshop | None
) -> LoadedUnclip:
    dtype = pick_dtype(settings)
    prior = _prior(folder, settings, shelf)
    clip = _unclip_encoders(folder, settings, shelf, None if prior is None else "prior_")
    image = clip.image
    normalizer = read_network(folder / "image_normalizer", StableUnCLIPImageNormalizer, torch.float32)
    noising = read_scheduler(folder / "image_noising_scheduler")
    noise = EmbeddingNoise(normalizer.mean[0], normalizer.std[0], VariancePreserving(noising.alphas_cumprod))
    context = None
    if (folder / "context").is_dir():
        context = _part(folder / "context", EmbeddingContext, dtype, settings, shelf)
    decoder = _latent_diffusion(row, settings, shelf, workshop, styled=False, pipelines=UNCLIP_ENCODERS)
    values = embedding_values(decoder.denoiser(Forward(schedule="scaled_linear")).unet)
    if values != 2 * image.config.projection_dim:
        raise LabError(
            f"Its unet takes {values} values of an embedding and its level, and its image_encoder gives "
            f"{image.config.projection_dim} of each."
        )
    return LoadedUnclip(decoder, clip, noise, prior, _gallery(image), context)


def _gallery(image: transformers.CLIPVisionModelWithProjection) -> Gallery:
    """The lab's pictures in the styles that its latent models learned; fewer of them for an encoder of large pictures."""
    pictures = PictureSet.load(ASSETS / "pictures")
    known = pictures.select(np.isin(np.array(pictures.styles), LEARNED_STYLES))
    every = 1 if image.config.image_size <= pictures.pixels.shape[1] else 8
    return Gallery(known.select(np.arange(0, len(known), every)))


def _latent_diffusion(
    row: Model | Helper,
    settings: Settings,
    shelf: Shelf,
    workshop: Workshop | None,
    styled: bool,
    pipelines: Mapping[str, dict[str, str]] = MappingProxyType(ENCODERS),
) -> LoadedStableDiffusion:
    dtype = pick_dtype(settings)
    folder = folder_of(row.source, settings, half=dtype != torch.float32)
    index = read_config(folder / "model_index.json", "folder")
    if "UnCLIP" in str(index.get("_class_name")) and pipelines is not UNCLIP_ENCODERS:
        raise LabError(
            f"It is an unCLIP model, a {index['_class_name']}. Whoever runs the lab writes {UNCLIP_PREFIX} before its name in "
            "LAB_ALLOWED_MODELS, and the tab unCLIP has it."
        )
    check_class(index.get("_class_name"), pipelines, "It")
    encoders = pipelines[index["_class_name"]]
    _check_index(index, encoders)
    vae_config = read_config(folder / "vae" / "config.json", "vae")
    overflows = dtype == torch.float16 and vae_config.get("force_upcast")
    parts = Parts(
        unet=_part(folder / "unet", UNet2DConditionModel, dtype, settings, shelf),
        autoencoder=_part(folder / "vae", AutoencoderKL, torch.float32 if overflows else dtype, settings, shelf),
        encoders=tuple(
            (
                read_tokenizer(folder / f"tokenizer{suffix}"),
                _part(folder / f"text_encoder{suffix}", getattr(transformers, kind), dtype, settings, shelf),
            )
            for suffix, kind in encoders.items()
        ),
        scheduler=read_scheduler(folder / "scheduler", index["scheduler"][1]),
        zeros=len(encoders) > 1 and index.get("force_zeros_for_empty_prompt", True),
        tiny=_tiny_decoder(row, len(encoders) > 1, settings, shelf, workshop) if isinstance(row, Model) else None,
    )
    key = content_key(folder / "unet", content_key(folder / "vae"))
    engines = shelf(f"{key}/engines", lambda: Engines(key, workshop, row.name))
    pictures = PictureSet.load(ASSETS / "pictures")
    examples = pictures.pixels[:: len(pictures) // PREVIEW_EXAMPLES][:PREVIEW_EXAMPLES]
    loaded = LoadedStableDiffusion(parts, engines, examples, styled, row.title)
    if pick_device(settings).type == "cpu":  # on an accelerator it is tried out there, when it is first used
        loaded.try_out()
    return loaded


def _tiny_decoder(row: Model, xl: bool, settings: Settings, shelf: Shelf, workshop: Workshop | None) -> Decoder | None:
    """What decodes a model's latents beside its autoencoder; None where the lab has none, or cannot fetch its ten megabytes: the
    model draws without it."""
    source = row.tiny_decoder
    if not source or (source == TAESD and xl) or not at_hand(source, settings):
        return None
    try:
        folder = folder_of(source, settings)
    except LabError:
        log.warning("%s could not be fetched", source, exc_info=True)
        return None
    key = content_key(folder)
    network = _part(folder, AutoencoderTiny, pick_dtype(settings), settings, shelf, name="tiny decoder")
    return tiny_decoder(network, shelf(f"{key}/engines", lambda: Engines(key, workshop, row.name)))


def _check_index(index: dict[str, Any], encoders: dict[str, str]) -> None:
    """Refuse a pipeline that is made of other classes than the lab knows, or that asks for what the lab does not say."""
    classes = {"unet": ["UNet2DConditionModel"], "vae": ["AutoencoderKL"]}
    classes |= {f"text_encoder{suffix}": [kind] for suffix, kind in encoders.items()}
    classes |= {f"tokenizer{suffix}": list(TOKENIZERS) for suffix in encoders}
    for part, names in classes.items():
        check_class(_class_in(index, part), names, f"Its {part}")
    if not _class_in(index, "scheduler"):
        raise LabError("Its scheduler is missing.")
    if index.get("requires_aesthetics_score"):
        raise LabError(
            "It asks for an aesthetic score with each prompt (requires_aesthetics_score), which the lab has not."
        )


def _class_in(index: dict[str, Any], part: str) -> Any:
    """The class that model_index.json names for a part; None where it names none."""
    entry = index.get(part)
    return entry[1] if isinstance(entry, list) and len(entry) == 2 else None


def load_control(row: Control, settings: Settings, shelf: Shelf, workshop: Workshop | None) -> LoadedControl:
    """A ControlNet: a folder or hub id that ControlNetModel opens."""
    dtype = pick_dtype(settings)
    folder = folder_of(row.source, settings, half=dtype != torch.float32)
    split = _part(folder, ControlNetModel, dtype, settings, shelf, SplitControl, "network")
    key = content_key(folder, *(["reversed"] if split.reverse else []))
    engines = shelf(f"{key}/engines", lambda: Engines(key, workshop, row.name))
    return LoadedControl(split, engines)


def load_pixel(row: Model, settings: Settings, shelf: Shelf, workshop: Workshop | None) -> LoadedModel:
    """Family "pixel": a folder with a UNet2DModel and its scheduler."""
    return read_pixel(folder_of(row.source, settings), shelf, workshop, row.name)


def _part(
    folder: Path,
    kind: Any,
    dtype: torch.dtype,
    settings: Settings,
    shelf: Shelf,
    dress: Callable[[Any], Any] = lambda net: net,
    name: str = "",
) -> Any:
    """A network of a folder in host memory, read at most once while anyone has it."""

    def read() -> Any:
        net = read_network(folder, kind, dtype, name)
        if pick_device(settings).type == "cuda" and isinstance(net, ModelMixin):
            net.to(memory_format=torch.channels_last)  # what cuDNN's fast convolutions read
            if settings.compile_blocks and isinstance(net, UNet2DConditionModel):
                net.compile_repeated_blocks(dynamic=True)  # the transformer blocks: once for all sizes and batches
        return dress(net)

    if not folder.is_dir():
        raise LabError(f"Its folder {name or folder.name} is missing.")
    return shelf(content_key(folder, kind.__name__, dtype), read)


def load_clip(row: Helper, settings: Settings, shelf: Shelf, workshop: Workshop | None) -> LoadedClip:
    """Family "clip": a folder with both encoders of a CLIP and its tokenizer."""
    return read_clip(folder_of(row.source, settings), shelf)


def load_classifier(row: Helper, settings: Settings, shelf: Shelf, workshop: Workshop | None) -> LoadedClassifier:
    """Family "classifier": a folder with a NoisyEncoder, its scheduler and classes.json, the names of its outputs."""
    folder = folder_of(row.source, settings)
    network = _noisy_encoder(folder / "classifier", shelf)
    return LoadedClassifier(
        network, read_scheduler(folder / "scheduler"), read_classes(folder, network.config.outputs, "classifier")
    )


def load_noised_clip(row: Helper, settings: Settings, shelf: Shelf, workshop: Workshop | None) -> LoadedNoisedClip:
    """Family "noised_clip": a folder with a NoisyEncoder and its scheduler; the texts are embedded by the CLIP that scores."""
    folder, clip = folder_of(row.source, settings), folder_of(HELPERS[SCORER].source, settings)
    text = shelf(
        content_key(clip / "text_encoder"),
        lambda: read_network(clip / "text_encoder", transformers.CLIPTextModelWithProjection, torch.float32),
    )
    return LoadedNoisedClip(
        _noisy_encoder(folder / "image_encoder", shelf),
        read_scheduler(folder / "scheduler"),
        text,
        read_tokenizer(clip / "tokenizer"),
    )


def _noisy_encoder(folder: Path, shelf: Shelf) -> NoisyEncoder:
    """In float32: its gradient is taken, and it costs less than a denoiser call."""
    return shelf(content_key(folder), lambda: read_network(folder, NoisyEncoder, torch.float32))


def load_judge(row: Helper, settings: Settings, shelf: Shelf, workshop: Workshop | None) -> LoadedJudge:
    """Family "judge": a folder with a judge and its tokenizer."""
    return read_judge(folder_of(row.source, settings), shelf)


def load_upsampler(row: Helper, settings: Settings, shelf: Shelf, workshop: Workshop | None) -> LoadedUpsampler:
    """Family "upsampler": a folder with a UNet2DModel that sees the small picture beside x_t, and its scheduler."""
    return read_upsampler(folder_of(row.source, settings), shelf, workshop, row.name)


def load_family(row: Helper, settings: Settings, shelf: Shelf, workshop: Workshop | None) -> LoadedFamily:
    """Family "family": a folder with a folder for each of its small autoencoders."""
    return read_family(folder_of(row.source, settings), shelf)


def load_autoencoder(row: Helper, settings: Settings, shelf: Shelf, workshop: Workshop | None) -> LoadedAutoencoder:
    """Family "autoencoder": a folder with an AutoencoderKL."""
    return read_autoencoder(folder_of(row.source, settings), shelf)


def weigh_exact(row: Model, folder: Path, settings: Settings) -> int:
    """In float32: the pictures, their norms and their mean."""
    pictures, values = PictureSet.count(folder), 3 * row.size**2
    return 4 * (pictures * values + pictures + values)


def weigh_weights(row: Any, folder: Path, settings: Settings) -> int:
    """The weights in the precision that the settings ask for."""
    return weight_of(folder, pick_dtype(settings))


def weigh_unclip(row: Helper, folder: Path, settings: Settings) -> int:
    """The weights of the parts that draw: what enlarges the picture of a pixel decoder stays out."""
    parts = (part for part in folder.iterdir() if part.is_dir() and part.name not in SUPER_RESOLUTION)
    return sum(weight_of(part, pick_dtype(settings)) for part in parts)


def weigh_float32(row: Any, folder: Path, settings: Settings) -> int:
    """The weights in float32, whatever the settings ask for."""
    return weight_of(folder, torch.float32)


def weigh_noised_clip(row: Helper, folder: Path, settings: Settings) -> int:
    """In float32, with the text encoder of the CLIP that scores."""
    clip = folder_at_hand(HELPERS[SCORER].source)
    text = 0 if clip is None else weight_of(clip / "text_encoder", torch.float32)
    return text + weigh_float32(row, folder, settings)


@dataclass(frozen=True)
class Family:
    """How the rows of a family become what the cache leases, and how many bytes that takes."""

    load: Callable[[Any, Settings, Shelf, Workshop | None], Any]
    weigh: Callable[[Any, Path, Settings], int] = weigh_weights


FAMILIES = {
    "exact": Family(load_exact, weigh_exact),
    "local": Family(load_local, weigh_exact),
    "stable_diffusion": Family(load_stable_diffusion),
    "inpainting": Family(load_inpainting),
    "pixel": Family(load_pixel),
    "controlnet": Family(load_control),
    "clip": Family(load_clip, weigh_float32),
    "classifier": Family(load_classifier, weigh_float32),
    "noised_clip": Family(load_noised_clip, weigh_noised_clip),
    "judge": Family(load_judge, weigh_float32),
    "upsampler": Family(load_upsampler, weigh_float32),
    "family": Family(load_family, weigh_float32),
    "autoencoder": Family(load_autoencoder, weigh_float32),
    "unclip": Family(load_unclip, weigh_unclip),
}


def load(name: str, settings: Settings, shelf: Shelf = alone, workshop: Workshop | None = None) -> Any:
    """Load what a row of the catalog names: a model, a ControlNet or a helper network. Raises LabError that names it.

    Networks are compiled by the `workshop`, where there is one.
    """
    try:
        row = leasable()[name]
        return FAMILIES[row.family].load(row, settings, shelf, workshop)
    except LabError as error:
        raise LabError(f"The {title_of(name)} could not be loaded: {error}") from error
    except MemoryError:
        raise
    except Exception as error:
        log.warning("the %s could not be loaded", title_of(name), exc_info=True)
        raise LabError(
            f"The {title_of(name)} could not be loaded: {without_paths(first_line(error)).rstrip('.')}. Its files may be damaged or incomplete: "
            "choose another model, and ask whoever runs the lab to fetch them again."
        ) from error


def fetch(name: str, settings: Settings) -> None:
    """Bring the files of a row to this machine, where they are the hub's. Raises LabError that names it."""
    try:
        folder_of(leasable()[name].source, settings, half=pick_dtype(settings) != torch.float32)
    except LabError as error:
        raise LabError(f"The {title_of(name)} could not be loaded: {error}") from error


def title_of(name: str) -> str:
    """What a visitor knows a cached thing as."""
    if name in CONTROLS:
        return f"control '{CONTROLS[name].title}'"
    if name in HELPERS:
        return f"helper network '{HELPERS[name].title}'"
    return f"model '{MODELS[name].title}'" if name in MODELS else f"model '{name}'"


def weigh(name: str, settings: Settings) -> int:
    """Bytes that `load(name)` will take, as far as its files tell; 0 where they are not on this machine yet."""
    row = leasable()[name]
    folder = folder_at_hand(row.source)
    return 0 if folder is None else FAMILIES[row.family].weigh(row, folder, settings)


def absent(name: str) -> bool:
    """Whether the files of a cached thing must be fetched first."""
    return folder_at_hand(leasable()[name].source) is None


def arrived(name: str) -> int:
    """Bytes of its files that a download has brought by now."""
    return fetched_bytes(leasable()[name].source)


def slow_to_load(name: str, settings: Settings) -> bool:
    """Whether a load takes so long that a visitor should read of it first."""
    return absent(name) or weigh(name, settings) > SLOW


def make_workshop(settings: Settings) -> Workshop | None:
    """What compiles networks, where the settings ask for it and nothing faster is there."""
    if pick_device(settings).type != "cpu" or settings.cpu_engine != "openvino":
        return None
    return Workshop(settings.cache_folder, pick_threads(settings), pick_half(settings))


def make_cache(settings: Settings, workshop: Workshop | None = None) -> ModelCache[Any]:
    """The lab's cache: the catalog's loaders, the device and the budgets of the settings."""
    device = pick_device(settings)
    return ModelCache(
        lambda name, shelf: load(name, settings, shelf, workshop),
        device,
        settings.device_budget_gb * 1e9 or 0.8 * _memory_of(device),
        settings.host_budget_gb * 1e9,
        lambda name: weigh(name, settings),
        title_of,
        lambda name: fetch(name, settings),
        absent,
    )


def _memory_of(device: torch.device) -> float:
    """Bytes of a device's memory."""
    if device.type == "cuda":
        return torch.cuda.mem_get_info(device)[1]
    return torch.mps.recommended_max_memory() if device.type == "mps" else math.inf


def pick_dtype(settings: Settings) -> torch.dtype:
    """The precision of the weights that the settings ask for; "auto": bfloat16 on CUDA, else float32.

    Compiled networks keep float32 weights: what they compute in is the workshop's (`pick_half`).
    """
    device = pick_device(settings).type
    if settings.dtype == "auto" or (device == "cpu" and settings.cpu_engine == "openvino"):
        return torch.bfloat16 if device == "cuda" else torch.float32
    return {"float32": torch.float32, "bfloat16": torch.bfloat16, "float16": torch.float16}[settings.dtype]


def pick_half(settings: Settings) -> bool:
    """Whether compiled networks compute in bfloat16 where the processor can: 1.5 times float32's speed there, at a
    relative error of about 2 % a call (measured on two cores with AMX); "auto" keeps float32, so that pictures are
    the same everywhere.

    Not int8, as NNCF 3.4 makes it: with weights and activations in int8 the shipped UNet took 0.7 of bfloat16's time, but its pictures
    were off by 5 grey levels in the mean, by 2.6 where its first, last and time layers were left out, against bfloat16's 0.3; weights
    alone in int8 saved no time. A UNet of SD-Turbo's size with random weights, which say nothing of pictures, took 0.65."""
    return settings.dtype == "bfloat16"


def pick_threads(settings: Settings) -> int:
    """Threads for the mathematics."""
    return settings.threads or torch.get_num_threads()


def pick_device(settings: Settings) -> torch.device:
    """The device that the settings ask for; "auto" takes CUDA, then Apple's GPU, then the CPU."""
    if settings.device != "auto":
        return torch.device(settings.device)
    if torch.cuda.is_available():
        return torch.device("cuda")
    return torch.device("mps" if torch.backends.mps.is_available() else "cpu")
