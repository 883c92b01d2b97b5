"""The dial: what each network of a family makes of the same pictures, from beta 0 to 16 (Higgins et al. 2017; Burgess et al. 2018)."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import partial

import numpy as np
import torch
from torch import Tensor

from lab import shapes
from lab.disentanglement import gap_of, mutual_information
from lab.models.families import Data, LoadedFamily
from lab.models.pictures import resized
from lab.models.tensors import all_to_signed, to_uint8
from lab.operations.house import House
from lab.operations.limits import check_load
from lab.operations.loading import loading
from lab.requests.base import Event
from lab.requests.betas import DRAWS, SIDE, VALUES, BetaColumn, BetaMeasures, BetaRequest, BetaSet
from lab.requests.bound import BETAS

AT_ONCE = 600  # pictures of a call, so that nobody waits long for it


@dataclass(frozen=True)
class Measured:
    """What a network costs over many pictures: `kl` (latents,) and `distortion` in nats, and the means of all codes, (n, latents)."""

    kl: np.ndarray
    distortion: float
    means: np.ndarray


def betas(request: BetaRequest, house: House) -> Iterator[Event]:
    """The BetaSet, a BetaColumn for each beta, then BetaMeasures for each."""
    check_load(request, house.settings)
    yield from loading(house, request.family)
    with house.lease(request.family) as family:
        data = family.data(request.pictures)
        pixels = data.pixels[measured_places(data)]
        shown, titles = _shown(request, data)
        known = request.pictures == "shapes"
        yield BetaSet(shown, titles, len(pixels), family.gaps if known else {}, _entropies() if known else {})
        columns = {}
        for beta in BETAS:
            columns[beta] = house.compute(partial(_column, request, family, beta, shown))
            yield columns[beta]
        for beta in BETAS:
            name = f"{request.pictures}-{beta:g}"
            whole = family.once(("measured", name), partial(_measure, family, name, pixels, house))
            mean = torch.from_numpy(columns[beta].means[request.start])
            yield house.compute(partial(_measures, request, family, beta, whole, mean))


def measured_places(data: Data) -> np.ndarray:
    """The pictures over which a network is measured, (n,) whole numbers: those that none has learned; all, where there are none."""
    return np.flatnonzero(data.held_out if data.held_out.any() else ~data.held_out)


def squared_error(pixels: np.ndarray, decoded: Tensor) -> Tensor:
    """|x - decode(z)|^2 of each picture, (n,), of pixels (n, side, side, 3) uint8 and decoded ones (n, 3, side, side)."""
    return (all_to_signed(pixels) - decoded).square().flatten(1).sum(1)


def rms_of(distortion: np.ndarray | float, scale: float, floats: int) -> np.ndarray:
    """The root mean square error in grey levels of 255 of a distortion in nats under a likelihood of deviation `scale`."""
    return np.asarray(127.5 * scale * np.sqrt(2 * np.asarray(distortion) / floats))


def _shown(request: BetaRequest, data: Data) -> tuple[np.ndarray, tuple[str, ...]]:
    """The pictures of a column and their titles: a visitor's own, then those that the seed chooses."""
    places = measured_places(data)
    chosen = np.random.default_rng(request.seed).choice(places, request.count, replace=len(places) < request.count)
    own = [] if request.picture is None else [resized(request.picture, SIDE)]
    return np.stack([*own, *data.pixels[chosen]]), (*[""] * len(own), *(data.titles[place] for place in chosen))


def _entropies() -> dict[str, float]:
    """Of each factor of the shapes, whose values are equally frequent."""
    return {shapes.TITLES[name]: float(np.log(count)) for name, count in shapes.FACTORS.items()}


def _measure(family: LoadedFamily, name: str, pixels: np.ndarray, house: House) -> Measured:
    """What a network costs over the pictures, with the same noise under every beta."""
    latents = family.members[name].config.latents
    eps = torch.randn(len(pixels), latents, generator=torch.Generator().manual_seed(0))
    cuts = range(0, len(pixels), AT_ONCE)
    parts = [
        house.compute(partial(_measure_part, family, name, pixels[k : k + AT_ONCE], eps[k : k + AT_ONCE])) for k in cuts
    ]
    kl, distortions, means = (np.concatenate([part[i] for part in parts]) for i in range(3))
    return Measured(kl.mean(0), float(distortions.mean()), means)


def _measure_part(
    family: LoadedFamily, name: str, pixels: np.ndarray, eps: Tensor
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    posterior = family.encode(name, pixels)
    error = squared_error(pixels, family.decode(name, posterior.sample(eps)))
    scale = family.members[name].config.scale
    return posterior.kl().double().numpy(), (error / (2 * scale**2)).double().numpy(), posterior.mean.numpy()


def _column(request: BetaRequest, family: LoadedFamily, beta: float, shown: np.ndarray) -> BetaColumn:
    name = f"{request.pictures}-{beta:g}"
    config = family.members[name].config
    generator = torch.Generator().manual_seed(request.seed)
    z = torch.randn(request.shown, config.latents, generator=generator)
    eps = torch.randn(DRAWS, 1, config.latents, generator=generator)  # the same for every picture
    posterior = family.encode(name, shown)
    codes = posterior.sample(eps).flatten(0, 1)  # draw by draw
    errors = squared_error(np.tile(shown, (DRAWS, 1, 1, 1)), family.decode(name, codes)).unflatten(0, (DRAWS, -1))
    distortions = (errors.mean(0) / (2 * config.scale**2)).numpy()
    return BetaColumn(
        beta,
        _pictures(family.decode(name, posterior.mean)),
        _pictures(family.decode(name, z)),
        posterior.mean.numpy(),
        posterior.kl().numpy(),
        distortions,
        rms_of(distortions, config.scale, 3 * config.side**2),
    )


def _measures(request: BetaRequest, family: LoadedFamily, beta: float, whole: Measured, mean: Tensor) -> BetaMeasures:
    """Of what was measured once, with the traversal from a picture's `mean`."""
    name = f"{request.pictures}-{beta:g}"
    config = family.members[name].config
    information = gap = None
    if request.pictures == "shapes":
        information = mutual_information(whole.means, shapes.factors())
        gap = gap_of(information, np.array([*_entropies().values()]))
    rms = float(rms_of(whole.distortion, config.scale, 3 * config.side**2))
    found = BetaMeasures(beta, whole.kl, whole.distortion, rms, np.empty(0), information, gap)
    return replace(found, traversal=_traversal(family, name, mean, found))


def _traversal(family: LoadedFamily, name: str, mean: Tensor, found: BetaMeasures) -> np.ndarray:
    """A row for each living latent: the picture's mean, but for that latent."""
    codes = mean.repeat(found.living, len(VALUES), 1)
    for row, latent in enumerate(found.order[: found.living]):
        codes[row, :, latent] = torch.tensor(VALUES)
    flat = codes.flatten(0, 1)
    if not len(flat):
        return np.empty((0, len(VALUES), SIDE, SIDE, 3), np.uint8)
    return _pictures(family.decode(name, flat)).reshape(found.living, len(VALUES), SIDE, SIDE, 3)


def _pictures(decoded: Tensor) -> np.ndarray:
    return np.stack([to_uint8(one) for one in decoded])
