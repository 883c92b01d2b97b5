"""The decoders of small autoencoders, as the page takes them: decoder.js decodes by itself while a visitor drags.

Each member of a family has an address that changes with its weights: "map/drawings-1", "beta-shapes/shapes-4".
"""

from collections.abc import Iterator
from functools import cache, partial
from hashlib import blake2b
from pathlib import Path

import numpy as np
from safetensors.numpy import load_file, save
from starlette.routing import Route

from lab.catalog import HELPERS
from lab.settings import ASSETS
from lab.ui.shell.sources import route

FAMILIES = ("map", "beta-drawings", "beta-shapes")  # rows of HELPERS
FILE = "diffusion_pytorch_model{}.safetensors"
DECODER = ("from_code.", "to_map.", "up.")  # the names of its tensors begin so
MEDIA = "application/octet-stream"


@cache
def members() -> dict[str, Path]:
    """The weights of every member that is there, by "family/member"."""
    found = dict[str, Path]()
    for family in FAMILIES:
        folder = ASSETS / HELPERS[family].source if family in HELPERS else None
        for one in sorted(folder.iterdir()) if folder is not None and folder.is_dir() else ():
            files = [one / FILE.format(variant) for variant in ("", ".fp16")]
            found |= {f"{family}/{one.name}": file for file in files if file.is_file()}
    return found


def decoder(file: Path) -> bytes:
    """The tensors of the decoder in a file of weights, in float16, as a file of safetensors."""
    return save(
        {
            name: np.ascontiguousarray(values.astype(np.float16))
            for name, values in load_file(file).items()
            if name.startswith(DECODER)
        }
    )


@cache
def address(member: str) -> str:
    """Where the page finds the decoder of "family/member", from its own address on. Raises KeyError where there is none."""
    content = blake2b(members()[member].read_bytes(), digest_size=6).hexdigest()
    return f"inside-weights/{content}/{member}.safetensors"


def _route(member: str) -> Route:
    return route(f"/{address(member)}", MEDIA, partial(decoder, members()[member]))


def routes() -> Iterator[partial[Route]]:
    """What the server answers for them."""
    for member in members():
        yield partial(_route, member)
