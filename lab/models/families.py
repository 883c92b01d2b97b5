"""Families of small autoencoders that differ in one thing each, with the pictures that they learned; and autoencoders that halve
the side of a picture so many times (Rombach et al. 2022, arXiv:2112.10752, section 4.1)."""

import json
from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import cache
from pathlib import Path
from typing import Any, TypeVar, cast

import numpy as np
import torch
from diffusers import AutoencoderKL
from torch import Tensor

from lab import shapes
from lab.catalog import GROUPS
from lab.models.bottleneck import Bottleneck, Posterior
from lab.models.cache import Shelf, alone
from lab.models.parts import read_config, read_network
from lab.models.pictures import PictureSet
from lab.models.sources import content_key
from lab.models.tensors import all_to_signed
from lab.requests.base import LabError
from lab.settings import ASSETS

FILE = "family.json"  # which drawings it learned, the mutual information gap of each seed by beta
BATCH = 256  # pictures that go through a network at once

T = TypeVar("T")


@dataclass(frozen=True)
class Data:
    """The pictures of a family: `pixels` (n, side, side, 3) uint8, and of each its group (or form), its title, and whether no
    network learned it."""

    pixels: np.ndarray
    labels: tuple[str, ...]
    titles: tuple[str, ...]
    held_out: np.ndarray  # (n,) bool


@dataclass(frozen=True)
class Choice:
    """Which drawings a family learned: those of a style, "" for all, and of each group so many, evenly spread, 0 for all."""

    style: str = ""
    per_group: int = 0

    def mask(self, styles: Sequence[str], groups: Sequence[str], held_out: np.ndarray) -> np.ndarray:
        """Of drawings in the order of the lab's set, with these styles and groups, (n,) bool; of so many a group none is held out."""
        found = np.isin(np.array(styles), [self.style]) if self.style else np.ones(len(styles), bool)
        if not self.per_group:
            return found
        places = np.zeros(len(styles), bool)
        for group in dict.fromkeys(groups):
            of_group = np.flatnonzero(found & ~held_out & (np.array(groups) == group))
            count = min(self.per_group, len(of_group))
            places[of_group[np.arange(count) * len(of_group) // max(count, 1)]] = True
        return places


class LoadedFamily:
    """Networks by name, "drawings-4": the pictures that it learned and its beta, "ae" for a code of one point. Safe to share."""

    def __init__(
        self,
        members: Mapping[str, Bottleneck],
        choice: Choice = Choice(),
        gaps: Mapping[str, list[float]] | None = None,
    ) -> None:
        self.members, self.choice = dict(members), choice
        self._found: dict[Hashable, Any] = {}
        by_beta = {float(beta): tuple(values) for beta, values in (gaps or {}).items()}
        self.gaps = dict(sorted(by_beta.items()))  # by beta, one a seed

    def data(self, pictures: str) -> Data:
        """The "shapes" or the "drawings" that its members learned, and the drawings of their kind that none did."""
        return _shapes() if pictures == "shapes" else _drawings(self.choice)

    def once(self, key: Hashable, make: Callable[[], T]) -> T:
        """What `make` finds, as long as the family is loaded: for what its own pictures tell, whoever asks. Two that ask at the same
        time for the first time both make it."""
        if key not in self._found:
            self._found[key] = make()
        return cast(T, self._found[key])

    @torch.inference_mode()
    def encode(self, member: str, pixels: np.ndarray) -> Posterior:
        """q(z | x) of pictures (n, side, side, 3) uint8, on the CPU."""
        network = self.members[member]
        found = [network.encode(part.to(network.device)) for part in all_to_signed(pixels).split(BATCH)]
        return Posterior(torch.cat([one.mean for one in found]).cpu(), torch.cat([one.std for one in found]).cpu())

    @torch.inference_mode()
    def decode(self, member: str, codes: Tensor) -> Tensor:
        """The mean of p(x | z), (n, 3, side, side), of codes (n, latents), on the CPU."""
        network = self.members[member]
        return torch.cat([network.decode(part.to(network.device)).cpu() for part in codes.float().split(BATCH)])


class LoadedAutoencoder:
    """An autoencoder of feature maps. Safe to share."""

    def __init__(self, autoencoder: AutoencoderKL) -> None:
        self.autoencoder = autoencoder
        config = autoencoder.config
        self.factor = 2 ** (len(config.block_out_channels) - 1)
        self.side = config.sample_size
        self.shape = (config.latent_channels, self.side // self.factor, self.side // self.factor)

    @property
    def floats(self) -> int:
        """How many numbers a picture becomes."""
        return int(np.prod(self.shape))

    @torch.inference_mode()
    def encode(self, values: Tensor) -> Tensor:
        """The mean of the latents, (channels, height, width) on the CPU and not scaled, of a picture (3, side, side) in [-1, 1]."""
        weight = next(self.autoencoder.parameters())
        return self.autoencoder.encode(values[None].to(weight)).latent_dist.mean[0].float().cpu()

    @torch.inference_mode()
    def decode(self, latents: Tensor) -> Tensor:
        """The picture (3, side, side) of latents as `encode` gives them, on the CPU and not clipped."""
        weight = next(self.autoencoder.parameters())
        return self.autoencoder.decode(latents[None].to(weight)).sample[0].float().cpu()


def read_family(folder: Path, shelf: Shelf = alone) -> LoadedFamily:
    """The networks in the folders of a folder. Raises LabError where there is none or one of them cannot be called."""
    told = read_config(folder / FILE, "family")
    members = {
        one.name: shelf(content_key(one), _reader(one))
        for one in sorted(folder.iterdir(), key=_order)
        if (one / "config.json").is_file()
    }
    if not members:
        raise LabError("It has no network.")
    for name, network in members.items():
        _try_out(name, network)
    return LoadedFamily(members, Choice(told.get("style", ""), told.get("per_group", 0)), told.get("gaps"))


def read_autoencoder(folder: Path, shelf: Shelf = alone) -> LoadedAutoencoder:
    """The AutoencoderKL in a folder, in float32."""
    return LoadedAutoencoder(
        shelf(content_key(folder), lambda: read_network(folder, AutoencoderKL, torch.float32, "autoencoder"))
    )


def write_family(folder: Path, choice: Choice, gaps: Mapping[str, list[float]] | None = None) -> None:
    """What `read_family` reads beside the networks."""
    told = asdict(choice) | ({"gaps": gaps} if gaps else {})
    (folder / FILE).write_text(json.dumps(told, indent=1, sort_keys=True) + "\n")


def _order(folder: Path) -> tuple[str, float]:
    """By pictures and then by beta, a code of one point first."""
    pictures, _, beta = folder.name.partition("-")
    return pictures, float(beta) if beta.replace(".", "").isdigit() else -1.0


def _reader(folder: Path) -> Callable[[], Bottleneck]:
    return lambda: read_network(folder, Bottleneck, torch.float32, folder.name)


@torch.inference_mode()
def _try_out(name: str, network: Bottleneck) -> None:
    """One picture there and back, where the network lies."""
    zeros = torch.zeros(1, 3, network.config.side, network.config.side, device=network.device)
    try:
        decoded = network.decode(network.encode(zeros).mean)
    except RuntimeError as error:
        raise LabError(f"Its network {name} cannot be called on a picture ({error}).") from error
    if decoded.shape != zeros.shape or not decoded.isfinite().all():
        raise LabError(f"Its network {name} gives no picture: its weights are damaged.")


@cache
def _shapes() -> Data:
    forms = tuple(shapes.FORMS[row[0]] for row in shapes.factors())
    return Data(shapes.pictures(), forms, forms, np.zeros(shapes.count(), bool))


@cache
def _drawings(choice: Choice) -> Data:
    pictures = PictureSet.load(ASSETS / "pictures").resized(shapes.SIDE)
    pictures = pictures.select(choice.mask(pictures.styles, pictures.groups, pictures.held_out))
    titles = tuple(caption.rpartition(",")[0] or caption for caption in pictures.captions)
    labels = tuple(GROUPS.get(group, group) for group in pictures.groups)
    return Data(pictures.pixels, labels, titles, pictures.held_out)
