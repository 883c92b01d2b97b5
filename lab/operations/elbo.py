"""The evidence lower bound of a picture under a variational autoencoder, and the importance-weighted bounds above it."""

from collections.abc import Iterator
from functools import partial
from typing import Any

import numpy as np
import torch
from torch import Tensor

from lab.engine.noising import gaussian
from lab.engine.variational import effective_draws, importance_bounds, kl_to_prior, log_weights, reconstruction
from lab.models.families import LoadedFamily
from lab.models.pictures import resized
from lab.models.tensors import all_to_signed, to_uint8
from lab.operations.bounds import ModelChain
from lab.operations.house import House
from lab.operations.limits import check_load
from lab.operations.loading import loading
from lab.requests.base import Event, LabError
from lab.requests.bound import BATCH, DIFFUSION, BoundRequest, BoundTerms, BoundWeights, DiffusionBound

SCHEDULE = "cosine"


def elbo(request: BoundRequest, house: House) -> Iterator[Event]:
    """The BoundTerms, then BoundWeights as they come, then the DiffusionBound where there are calls. Raises LabError where the
    network is not there or its code is one point."""
    check_load(request, house.settings)
    yield from loading(house, request.family)
    with house.lease(request.family) as family:
        network = _network(family, request)
        pixels, title, held_out = _picture(family, request)
        bound = Bound(network, pixels, request)
        yield house.compute(partial(bound.terms, title, held_out))
        for i in range(request.batches):
            yield house.compute(partial(bound.weights, i))
    if request.calls:
        yield from loading(house, DIFFUSION)
        with house.lease(DIFFUSION) as model:
            yield _diffusion(request, model, pixels, house)


def _network(family: LoadedFamily, request: BoundRequest) -> Any:
    network = family.members.get(request.member)
    if network is None or not network.config.variational:
        raise LabError(
            f"This family has no variational network for {request.pictures} under beta {request.beta:g}: it has "
            f"{', '.join(family.members)}. Choose another beta."
        )
    return network


def _picture(family: LoadedFamily, request: BoundRequest) -> tuple[np.ndarray, str, bool]:
    """The picture at the network's side; its title, and whether it is held out, where it is one of the set."""
    if request.picture is not None:
        return resized(request.picture, family.members[request.member].config.side), "", False
    data = family.data(request.pictures)
    place = request.number % len(data.pixels)
    return data.pixels[place], data.titles[place], bool(data.held_out[place])


class Bound:
    """The bound of one picture (side, side, 3) uint8 under a network. Draws are told by the request's seed: those of the two terms
    are stream 0, those of batch i stream i + 1."""

    def __init__(self, network: Any, pixels: np.ndarray, request: BoundRequest) -> None:
        self._network, self._pixels, self._request = network, pixels, request
        self._x = all_to_signed(pixels[None])
        self._latents = network.config.latents
        self._found = torch.empty(0, dtype=torch.float64)

    def _likelihood(self, codes: Tensor) -> Tensor:
        device = self._network.device
        parts = [self._network.log_likelihood(self._x.to(device), part.to(device)) for part in codes.split(BATCH)]
        return torch.cat(parts).cpu()

    def _posterior(self) -> tuple[Tensor, Tensor]:
        q = self._network.encode(self._x.to(self._network.device))
        return q.mean[0].cpu(), q.std[0].cpu()

    @torch.inference_mode()
    def terms(self, title: str, held_out: bool) -> BoundTerms:
        """Both terms of the ELBO."""
        mean, std = self._posterior()
        eps = gaussian(self._request.seed, 0, (self._request.draws, self._latents))
        found = reconstruction(self._likelihood, mean, std, eps)
        decoded = self._network.decode(mean[None].to(self._network.device))[0].cpu()
        return BoundTerms(
            picture=self._pixels,
            decoded=to_uint8(decoded),
            reconstruction=found.sum(0).numpy(),
            kl=kl_to_prior(mean.double(), std.double()).numpy(),
            mean=mean.numpy(),
            std=std.numpy(),
            scale=float(self._network.config.scale),
            title=title,
            held_out=held_out,
        )

    @torch.inference_mode()
    def weights(self, i: int) -> BoundWeights:
        """The log weights of batch i, after those of all before it."""
        count = min(BATCH, self._request.most * self._request.repeats - i * BATCH)
        eps = gaussian(self._request.seed, i + 1, (count, self._latents))
        weights = log_weights(self._likelihood, *self._posterior(), eps)
        self._found = torch.cat([self._found, weights])
        bounds = np.stack([_spread(importance_bounds(self._found, count)) for count in self._request.counts])
        latest = self._found[-self._request.most :]
        return BoundWeights(i, self._request.batches, weights.numpy(), bounds, effective_draws(latest))


def _spread(bounds: Tensor) -> np.ndarray:
    """Mean, 5 % and 95 %; NaN of none."""
    if not len(bounds):
        return np.full(3, np.nan)
    return np.array([float(bounds.mean()), *np.quantile(bounds.numpy(), (0.05, 0.95))])


def _diffusion(request: BoundRequest, model: Any, pixels: np.ndarray, house: House) -> DiffusionBound:
    """The Ledger's bound of the picture, under the variance that the model learned where it did."""
    along = ModelChain(DIFFUSION, model, SCHEDULE, request.calls, house)
    bound = along.bound(pixels, request.seed)
    terms = dict[int, dict[str, float]]()
    for i, record in along.records([bound]):
        terms[i] = bound.bits(i, record)
    variance = "learned" if "learned" in terms[0] else "small"
    bits = [terms[i][variance] for i in range(request.calls)]
    return DiffusionBound(bound.prior, tuple(bits[:-1]), bits[-1], variance)
