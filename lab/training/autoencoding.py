"""Figures of the families of small autoencoders: how well a picture comes back, what its code weighs, and of the shapes how far a
latent means one thing."""

from typing import Any

import torch

from lab.disentanglement import mutual_information_gap
from lab.models.families import Data, LoadedFamily, read_family
from lab.shapes import factors
from lab.training.scene import Scene
from lab.training.scores import count

DEAD = 0.01  # nats: a latent whose mean KL is less tells nothing


def measure_family(name: str, scene: Scene) -> dict[str, Any]:
    """Of each member RMS (grey levels) of pictures drawn again from the mean of their codes, of those it learned and of held-out ones,
    and its rate in nats with the number of latents that carry any; of the shapes the mutual information gap."""
    family = read_family(scene.models(name))
    rows = [_row(family, member) for member in family.members]
    figures: dict[str, Any] = {"parameters_each": count(next(iter(family.members.values()))), "member": rows}
    if family.gaps:
        gaps = [torch.tensor(values) for values in family.gaps.values()]
        figures["mutual_information_gap"] = [
            {"beta": beta, "mean": float(one.mean()), "least": float(one.min()), "most": float(one.max())}
            for beta, one in zip(family.gaps, gaps, strict=True)
        ]
    return figures


def _row(family: LoadedFamily, name: str) -> dict[str, float]:
    network = family.members[name]
    pictures = name.partition("-")[0]
    data = family.data(pictures)
    row = {"beta": float(network.config.beta if network.config.variational else -1)}
    for part, mask in (("learned", ~data.held_out), ("held_out", data.held_out)):
        if mask.any():
            row[f"{part}_rms"] = _rms(family, name, data, mask)
    posterior = family.encode(name, data.pixels[~data.held_out])
    if network.config.variational:
        kl = posterior.kl().mean(0)
        row |= {"rate": float(kl.sum()), "latents_alive": float((kl > DEAD).sum())}
    if pictures == "shapes":
        row["gap"] = mutual_information_gap(posterior.mean.numpy(), factors())
    return row


def _rms(family: LoadedFamily, name: str, data: Data, mask: Any) -> float:
    """Root of the mean squared error over all pictures, in grey levels of 255."""
    pixels = data.pixels[mask]
    drawn = (family.decode(name, family.encode(name, pixels).mean).clamp(-1, 1) + 1) * 127.5
    return float((drawn.permute(0, 2, 3, 1) - torch.from_numpy(pixels)).square().mean().sqrt())
