"""In which order the chapters can be read: what each stands on, and where to begin for what one knows and wants."""

from dataclasses import dataclass

from lab.notes.step import Shown

# Chapters by name, and those that are to be read before.
NEEDS: dict[str, tuple[str, ...]] = {
    "basics": (),
    "elbo": ("basics",),
    "forward": ("basics", "elbo"),
    "loss": ("elbo", "forward"),
    "variance": ("loss",),
    "dynamics": ("loss",),
    "guidance": ("loss",),
    "latent": ("loss", "guidance"),
    "flow": ("dynamics",),
}


@dataclass(frozen=True)
class Way:
    """Where to go, in order, for somebody: chapters by name, and tabs of the lab."""

    who: str
    stops: tuple[str | Shown, ...]


WAYS = (
    Way(
        "You have read nothing yet",
        (
            Shown("noising"),
            "basics",
            "elbo",
            "forward",
            "loss",
            Shown("samplers"),
            "guidance",
            "latent",
            Shown("controlnet"),
        ),
    ),
    Way("You know autoencoders and their bound", ("forward", "loss", "variance")),
    Way("You know DDPM and want fewer steps", ("dynamics", "flow")),
    Way("You want to know why guidance and ControlNet work", ("forward", "loss", "guidance", "latent")),
)
