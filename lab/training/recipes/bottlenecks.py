"""bottlenecks: families of small autoencoders of whole pictures (lab/models/bottleneck.py), which differ in one thing each.

map: two latents, an autoencoder and a variational one beside each other, of drawings of one style and of the shapes; under a wide
likelihood, for the posteriors of so few pictures are otherwise too narrow to be seen.
beta-shapes, beta-drawings: Higgins et al. 2017, one network for each weight beta of the KL divergence; of the shapes, whose factors
are known (lab/shapes.py), from several seeds, for the spread of the mutual information gap.

Each batch goes to one member, drawn at random, so that all have seen about as much when the time is over.
"""

from abc import abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple, cast

import numpy as np
import torch
from torch import Tensor, nn

from lab import shapes
from lab.disentanglement import mutual_information_gap
from lab.models.bottleneck import Bottleneck
from lab.models.families import Choice, write_family
from lab.training.corpus import Corpus, draw_indices, to_device, to_pixels, to_unit
from lab.training.records import tile
from lab.training.train import Models, Options, Recipe

BETAS = (0, 1, 2, 4, 8, 16)
SHOWN = 16  # pictures of a member on the sheet


@dataclass(frozen=True)
class FamilyOptions(Options):
    size: int = 32
    people: int = 0
    batch: int = 64
    lr: float = 1e-3
    weight_decay: float = 0.0
    channels: tuple[int, ...] = (24, 32, 48)
    hidden: int = 128
    latents: int = 10
    scale: float = 0.5
    seeds: int = 1  # networks of each kind; the first is shipped
    style: str = ""  # of the drawings; all where it is ""
    per_group: int = 0  # drawings of each group; all where it is 0

    @property
    def choice(self) -> Choice:
        """Which drawings it learns."""
        return Choice(self.style, self.per_group)


class Member(NamedTuple):
    """One network of a family."""

    pictures: str  # "drawings" or "shapes"
    variational: bool
    beta: float
    seed: int = 0

    @property
    def name(self) -> str:
        """The folder it is shipped in."""
        return f"{self.pictures}-{f'{self.beta:g}' if self.variational else 'ae'}"


class Family(nn.ModuleDict):
    """The networks, by their place in the list of members."""

    def member(self, place: int) -> Bottleneck:
        """The network at a place."""
        return cast(Bottleneck, self[str(place)])


class FamilyRecipe(Recipe[Family]):
    """Autoencoders that differ in one thing."""

    options: FamilyOptions

    def __init__(self, options: FamilyOptions, corpus: Corpus, device: torch.device, models: Models) -> None:
        self.options, self.device = options, device
        self.members = self.list_members()
        drawn = corpus.drawings(options.size)
        drawn = drawn.select(options.choice.mask(drawn.styles, drawn.groups, drawn.held_out))
        self.pixels = {
            "drawings": to_device(drawn.training.pixels, device),
            "shapes": to_device(shapes.pictures().copy(), device),
        }
        self.model = Family()
        for place, member in enumerate(self.members):
            torch.manual_seed(options.seed + member.seed)
            self.model[str(place)] = Bottleneck(
                options.latents,
                options.size,
                options.channels,
                options.hidden,
                member.variational,
                member.beta,
                options.scale,
            ).to(device)

    @abstractmethod
    def list_members(self) -> list[Member]:
        """The members of the family."""

    def loss(self, model: Family, rng: torch.Generator) -> dict[str, Tensor]:
        place = int(draw_indices(len(self.members), 1, rng))
        member, network = self.members[place], model.member(place)
        pixels = self.pixels[member.pictures]
        pictures = to_unit(pixels[draw_indices(len(pixels), self.options.batch, rng)])
        posterior = network.encode(pictures)
        eps = torch.randn(posterior.mean.shape, generator=rng, device=self.device)
        error = (pictures - network.decode(posterior.sample(eps))).square().flatten(1).sum(1)
        distortion = error.mean() / (2 * self.options.scale**2)
        rate = posterior.kl().sum(1).mean() if member.variational else torch.zeros(())
        loss = distortion + (member.beta * rate if member.beta else 0)
        return {"loss": loss / error.new_tensor(pictures[0].numel()), "distortion": distortion, "rate": rate}

    @torch.no_grad()
    def sheet(self, model: Family) -> np.ndarray:
        """A row of pictures and below it a row of what each member of the first seed makes of them."""
        rows = []
        for place, member in enumerate(self.members):
            if member.seed == 0:
                pixels = self.pixels[member.pictures]
                chosen = pixels[torch.arange(SHOWN) * len(pixels) // SHOWN]
                network = model.member(place)
                drawn = to_pixels(network.decode(network.encode(to_unit(chosen)).mean))
                prior = torch.randn(SHOWN, self.options.latents, generator=torch.Generator().manual_seed(0))
                rows += [
                    chosen.permute(0, 2, 3, 1).cpu().numpy(),
                    drawn,
                    to_pixels(network.decode(prior.to(self.device))),
                ]
        return tile(np.concatenate(rows), SHOWN)

    def export(self, model: Family, folder: Path) -> None:
        """The members of the first seed, a folder each."""
        for place, member in enumerate(self.members):
            if member.seed == 0:
                model.member(place).save_pretrained(folder / member.name)
        write_family(folder, self.options.choice)


class Map(FamilyRecipe):
    """Two latents: the autoencoder and the variational one, of drawings and of shapes."""

    name = "map"

    def list_members(self) -> list[Member]:
        kinds = ((False, 0.0), (True, 1.0))
        return [Member("drawings", *kind) for kind in kinds] + [Member("shapes", *kind) for kind in kinds]


class BetaDrawings(FamilyRecipe):
    """The drawings under every beta."""

    name = "beta-drawings"

    def list_members(self) -> list[Member]:
        return [Member("drawings", True, beta) for beta in BETAS]


class BetaShapes(FamilyRecipe):
    """The shapes under every beta, from several seeds."""

    name = "beta-shapes"

    def list_members(self) -> list[Member]:
        return [Member("shapes", True, beta, seed) for seed in range(self.options.seeds) for beta in BETAS]

    def export(self, model: Family, folder: Path) -> None:
        """The members of the first seed, and the mutual information gap of all."""
        super().export(model, folder)
        gaps: dict[str, list[float]] = {f"{beta:g}": [] for beta in BETAS}
        for member, codes in self.codes(model):
            gaps[f"{member.beta:g}"].append(mutual_information_gap(codes, shapes.factors()))
        write_family(folder, self.options.choice, gaps)

    @torch.no_grad()
    def codes(self, model: Family) -> Iterator[tuple[Member, np.ndarray]]:
        """The mean of q(z | x) of every shape, (count, latents), of each member."""
        for place, member in enumerate(self.members):
            parts = self.pixels["shapes"].split(512)
            yield member, torch.cat([model.member(place).encode(to_unit(part)).mean for part in parts]).cpu().numpy()
