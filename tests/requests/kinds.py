"""Every kind of request that there is."""

import importlib
import pkgutil

import lab.requests
from lab.requests.base import Request


def kinds(base: type[Request] = Request) -> list[type[Request]]:
    """All classes below `base`, in the modules of lab/requests, by name."""
    for module in pkgutil.iter_modules(lab.requests.__path__):
        importlib.import_module(f"lab.requests.{module.name}")
    below = {kind for child in base.__subclasses__() for kind in (child, *kinds(child))}
    return sorted(
        (kind for kind in below if kind.__module__.startswith("lab.requests.")), key=lambda kind: kind.__name__
    )
