"""The example pictures of assets/images: photographs from scikit-image and drawings from the vector sets.

Only what is free of copyright restrictions or under a licence that allows copies with credit. Needs scikit-image.
"""

import csv
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path
from typing import NamedTuple

import numpy as np
from PIL import Image

from lab.training.captions import describe
from lab.training.licences import LICENCE_LINKS, credit, licence_texts
from lab.training.vector_sets import EMOJIBASE, STYLES, concepts_by_name, fetch, read_emoji, read_icons, render

LONG_SIDE = 512  # pixels
INDEX_FIELDS = ("file", "title", "alt", "kind", "author", "licence", "source")
PUBLIC_DOMAIN = "public domain"


class Photograph(NamedTuple):
    name: str  # of the function in skimage.data
    title: str
    alt: str
    author: str
    licence: str
    origin: str  # where scikit-image has it from


class Drawing(NamedTuple):
    style: str  # the style's word
    concept: str  # its description in the captions
    title: str
    alt: str


# fmt: off
PHOTOGRAPHS = (
    Photograph("astronaut", "Astronaut Eileen Collins",
               "A smiling woman in an orange space suit in front of a flag and a shuttle model",
               "NASA", PUBLIC_DOMAIN, "from NASA Great Images"),
    Photograph("camera", "Cameraman", "A person in a dark coat behind a film camera on a tripod, in grey",
               "Lav Varshney", "CC0-1.0", "given by the photographer"),
    Photograph("chelsea", "Chelsea the cat", "Close view of a tabby cat's face with green eyes",
               "Stefan van der Walt", "CC0-1.0", "given by the photographer"),
    Photograph("coffee", "Cup of coffee", "A cup of espresso on a red saucer with a spoon, on a wooden table",
               "Rachel Michetti, courtesy of Pikolo Espresso Bar", "CC0-1.0", "given by the photographer"),
    Photograph("rocket", "Rocket on the launch pad", "A white rocket on its lit launch pad at dusk, between four masts",
               "SpaceX", PUBLIC_DOMAIN, "from SpaceX photos, DSCOVR on Falcon 9"),
    Photograph("hubble_deep_field", "Hubble deep field", "Hundreds of small coloured galaxies on black",
               "NASA", PUBLIC_DOMAIN, "from HubbleSite, eXtreme Deep Field"),
    Photograph("horse", "Horse silhouette", "The filled black shape of a standing horse on white",
               "Andreas Preuss (marauder)", "CC0-1.0", "from openclipart"),
)
DRAWINGS = (
    Drawing("3D",      "fox",        "Fox, 3D",                "The face of an orange fox, softly shaded"),
    Drawing("glossy",  "red apple",  "Red apple, glossy",      "A shiny red apple with a green leaf"),
    Drawing("flat",    "sailboat",   "Sailboat, flat",         "A boat with yellow sails on blue water"),
    Drawing("sticker", "sunflower",  "Sunflower, sticker",     "A yellow sunflower with a brown centre"),
    Drawing("cartoon", "house with garden", "House, cartoon",  "A house with a red roof beside a green tree"),
    Drawing("blob",    "butterfly",  "Butterfly, blob",        "A butterfly with orange and yellow wings"),
)
# fmt: on

LINE_DRAWING = """\
<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 512 512" fill="none" stroke="#222" stroke-width="7"
     stroke-linecap="round" stroke-linejoin="round">
  <path d="M92 424 L90 250 L342 246 L346 426 M62 268 L214 122 L372 264 M276 168 L278 118 L314 116 L316 204"/>
  <path d="M180 426 L178 330 L244 328 L246 424 M226 380 l2 2 M120 284 L164 282 L166 330 L122 332 Z M142 284 L144 330"/>
  <path d="M276 284 L318 282 L320 330 L278 332 Z M298 283 L299 331"/>
  <path d="M430 426 C426 380 432 356 428 316 M430 316 C372 318 376 250 410 244 C408 206 456 204 456 244
           C496 252 492 318 430 316 Z"/>
  <path d="M30 430 C120 420 180 436 260 428 S420 436 486 426"/>
  <path d="M120 82 a34 34 0 1 1 -68 2 a34 34 0 1 1 68 -2 M86 26 L86 12 M130 42 L142 30 M146 84 L160 84 M40 42 L30 30"/>
  <path d="M236 62 C244 48 254 48 260 60 C266 48 276 48 284 60"/>
</svg>"""


def build(folder: Path, packages: Path) -> None:
    """Write the pictures, `index.csv` and `LICENSES.md`. Raises FetchError where a vector set cannot be fetched."""
    folder.mkdir(parents=True, exist_ok=True)
    rows = [*_photographs(folder), *_drawings(folder, packages), _line_drawing(folder)]
    with (folder / "index.csv").open("w", encoding="utf-8", newline="") as file:
        table = csv.DictWriter(file, INDEX_FIELDS, lineterminator="\n")
        table.writeheader()
        table.writerows(rows)
    (folder / "LICENSES.md").write_text(_licences(rows), encoding="utf-8")


def _photographs(folder: Path) -> Iterator[dict[str, str]]:
    import skimage  # only here, so that building the picture folder does not need it

    version = metadata.version("scikit-image")
    for photo in PHOTOGRAPHS:
        pixels = np.asarray(getattr(skimage.data, photo.name)())
        is_silhouette = pixels.dtype == bool
        image = Image.fromarray(pixels.astype(np.uint8) * 255 if is_silhouette else pixels)
        image.thumbnail((LONG_SIDE, LONG_SIDE), Image.Resampling.LANCZOS)
        file = f"{photo.name.replace('_', '-')}.{'png' if is_silhouette else 'jpg'}"
        image.save(folder / file, quality=90, optimize=True)
        source = f"scikit-image {version}, data.{photo.name}; {photo.origin}"
        kind = "drawing" if is_silhouette else "photo"
        yield _row(file, photo.title, photo.alt, kind, photo.author, photo.licence, source)


def _drawings(folder: Path, packages: Path) -> Iterator[dict[str, str]]:
    emoji = read_emoji(fetch(EMOJIBASE, packages))
    sets = {style.word: fetch(style.package, packages) for style in STYLES}
    concepts = concepts_by_name(list(sets.values()), emoji)
    styles = {style.word: style for style in STYLES}
    for drawing in DRAWINGS:
        style = styles[drawing.style]
        icons = read_icons(sets[drawing.style], emoji, concepts)
        icon = next(icon for icon in icons if describe(icon.emoji) == drawing.concept)
        file = f"{drawing.concept.replace(' ', '-')}-{drawing.style.lower()}.png"
        render(icon.svg, LONG_SIDE).save(folder / file, optimize=True)
        source = f"{style.package.name} {style.package.version}, {icon.name}"
        author = f"{style.author} ({style.title})"
        yield _row(file, drawing.title, drawing.alt, "drawing", author, style.licence, source)


def _line_drawing(folder: Path) -> dict[str, str]:
    file = "house-line-drawing.png"
    render(LINE_DRAWING, LONG_SIDE).convert("L").save(folder / file, optimize=True)
    alt = "A child's line drawing of a house, a tree and the sun"
    return _row(file, "House, line drawing", alt, "drawing", "Diffusion Lab", "CC0-1.0", "drawn for Diffusion Lab")


def _row(*values: str) -> dict[str, str]:
    return dict(zip(INDEX_FIELDS, values, strict=True))


def _licences(rows: list[dict[str, str]]) -> str:
    table = "\n".join(
        f"| {row['file']} | {row['title']} | {row['author']} | {_licence(row['licence'])} | {row['source']} |"
        for row in rows
    )
    used = {drawing.style for drawing in DRAWINGS}
    credits = "\n".join(f"- {credit(style)}" for style in STYLES if style.word in used)
    return f"""\
# Where these images come from

Photographs were made smaller, at most {LONG_SIDE} px; drawings were rendered from vector drawings on white.

| file | title | author | licence | source |
| --- | --- | --- | --- | --- |
{table}

The vector drawings:

{credits}

{licence_texts()}"""


def _licence(name: str) -> str:
    return f"[{name}]({LICENCE_LINKS[name]})" if name in LICENCE_LINKS else name
