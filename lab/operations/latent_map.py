"""The plane of two latents: every training picture's code in an autoencoder and in a variational one, and what they draw between."""

from collections.abc import Iterator
from functools import cached_property, partial

import numpy as np
import torch
from torch import Tensor

from lab.models.families import Data, LoadedFamily
from lab.models.tensors import to_signed, to_uint8
from lab.operations.house import House
from lab.operations.limits import check_load
from lab.operations.loading import loading
from lab.requests.base import Event, LabError
from lab.requests.latent_map import (
    DRAWS,
    GRID,
    MAP,
    NETWORKS,
    SIDE,
    MapDraws,
    MapPictures,
    MapPlane,
    MapPoint,
    MapRequest,
    member,
)

WITHIN = 0.995  # of the codes lie in the part of a plane that is shown
PRIOR = 2.2  # and all of N(0, I) up to so many deviations
MARGIN = 1.06
SEED = 0
GREY_LEVELS = 127.5  # of a unit of a value in [-1, 1]


def latent_map(request: MapRequest, house: House) -> Iterator[Event]:
    """The training pictures; the plane of each network; one's own picture in each; then how far draws are from all pictures."""
    check_load(request, house.settings)
    yield from loading(house, MAP)
    with house.lease(MAP) as family:
        data = family.data(request.pictures)
        labels = tuple(dict.fromkeys(data.labels))
        number = np.array([labels.index(label) for label in data.labels])
        yield MapPictures(data.pixels, data.titles, labels, number)
        networks = {network: Plane(family, member(request.pictures, network), network, data) for network in NETWORKS}
        for network, plane in networks.items():
            yield family.once(("plane", request.pictures, network), partial(house.compute, plane.of_training))
        if request.picture is not None:
            picture = to_uint8(to_signed(request.picture, (SIDE, SIDE)))
            for plane in networks.values():
                yield house.compute(partial(plane.of_own, picture))
        for network, plane in networks.items():
            yield family.once(("draws", request.pictures, network), partial(house.compute, plane.draws))


class Plane:
    """One network of a run at work."""

    def __init__(self, family: LoadedFamily, name: str, network: str, data: Data) -> None:
        if name not in family.members or family.members[name].config.latents != 2:
            raise LabError(
                f"The weights of the map have no network '{name}' of two latents. Restore assets/models/map from the repository."
            )
        self._family, self._name, self._network, self._data = family, name, network, data

    def of_training(self) -> MapPlane:
        """The codes of all training pictures, and what the plane decodes to."""
        posterior = self._family.encode(self._name, self._data.pixels)
        codes = posterior.mean.double().numpy()
        decoded = self._decode(posterior.mean)
        rms = (decoded - self._known).square().mean(1).sqrt()
        box = box_of(codes)
        cells = self._decode(torch.from_numpy(lattice(box).reshape(-1, 2)))
        return MapPlane(
            self._network, posterior.mean.numpy(), posterior.std.numpy(), box, _sheet(cells),
            self._nearest(cells).reshape(GRID, GRID), rms.numpy(), posterior.kl().sum(1).numpy() if self._variational else None,
        )  # fmt: skip

    def of_own(self, picture: np.ndarray) -> MapPoint:
        """Where a picture of one's own lands."""
        posterior = self._family.encode(self._name, picture[None])
        (decoded,) = self._decode(posterior.mean)
        kl = posterior.kl().sum().item() if self._variational else None
        return MapPoint(
            self._network, picture, posterior.mean[0].numpy(), posterior.std[0].numpy(), _picture(decoded),
            float((decoded - _values(picture[None])[0]).square().mean().sqrt()), kl,
        )  # fmt: skip

    def draws(self) -> MapDraws:
        """How far what is drawn is from all training pictures."""
        eps = torch.randn(DRAWS, 2, generator=torch.Generator().manual_seed(SEED))
        codes = self._family.encode(self._name, self._data.pixels).mean.double().numpy()
        spread = np.linalg.cholesky(np.cov(codes.T) + 1e-9 * np.eye(2))
        fitted = torch.from_numpy(codes.mean(0) + eps.double().numpy() @ spread.T)
        known = torch.from_numpy(codes[:: max(1, len(codes) // DRAWS)][:DRAWS])
        of = [self._nearest(self._decode(some)) for some in (eps, fitted, known)]
        return MapDraws(self._network, eps.numpy(), *of)

    @cached_property
    def _known(self) -> Tensor:
        """The training pictures, (n, values) in grey levels."""
        return _values(self._data.pixels)

    @property
    def _variational(self) -> bool:
        return bool(self._family.members[self._name].config.variational)

    def _decode(self, codes: Tensor) -> Tensor:
        """Decoded pictures, (n, values), in grey levels within 0 to 255."""
        decoded = self._family.decode(self._name, codes).clamp(-1, 1)
        return (decoded.permute(0, 2, 3, 1).flatten(1) + 1) * GREY_LEVELS

    def _nearest(self, pictures: Tensor) -> np.ndarray:
        """Of each picture the distance to the nearest training picture, (n,)."""
        distances: np.ndarray = torch.cdist(pictures, self._known).amin(1).numpy() / self._known.shape[1] ** 0.5
        return distances


def box_of(codes: np.ndarray) -> tuple[float, float, float]:
    """The square of a plane that holds WITHIN of the codes (n, 2) and N(0, I) up to PRIOR deviations: its middle and half its side."""
    inner = np.quantile(codes, [(1 - WITHIN) / 2, (1 + WITHIN) / 2], axis=0)
    low, high = np.minimum(inner[0], -PRIOR), np.maximum(inner[1], PRIOR)
    x, y = (low + high) / 2
    return float(x), float(y), float(MARGIN * (high - low).max() / 2)


def lattice(box: tuple[float, float, float], side: int = GRID) -> np.ndarray:
    """The middles of side x side cells of a box, (side, side, 2), the first row at the top, where y is largest."""
    x, y, half = box
    places = half * ((np.arange(side) + 0.5) * 2 / side - 1)
    across, up = np.meshgrid(x + places, y - places)
    return np.stack([across, up], 2)


def _values(pixels: np.ndarray) -> Tensor:
    return torch.tensor(pixels.reshape(len(pixels), -1)).float()


def _picture(values: Tensor) -> np.ndarray:
    return values.round().to(torch.uint8).reshape(SIDE, SIDE, 3).numpy()


def _sheet(cells: Tensor) -> np.ndarray:
    """(GRID^2, values) as one picture."""
    tiles = cells.round().to(torch.uint8).reshape(GRID, GRID, SIDE, SIDE, 3)
    return tiles.permute(0, 2, 1, 3, 4).reshape(GRID * SIDE, GRID * SIDE, 3).numpy()
