"""`python -m lab.training data`: build the captioned picture folder that lab.models.pictures reads.

Fetch the pinned vector sets, render them at one size on white, leave out blank and repeated pictures, mark the
held-out concepts and write sheets, index and licences. The same packages give the same pixels, bit for bit.
"""

import argparse
import csv
import hashlib
import math
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image
from tqdm import tqdm

from lab.models.pictures import COLUMNS, HELD_OUT, INDEX_FIELDS, KEYWORD_SEPARATOR, TRAIN
from lab.training import example_images
from lab.training.captions import caption, describe
from lab.training.licences import picture_licences
from lab.training.vector_sets import (
    EMOJIBASE,
    STYLES,
    Emoji,
    FetchError,
    Icon,
    Style,
    concepts_by_name,
    fetch,
    read_emoji,
    read_icons,
    render,
)

ROOT = Path(__file__).parents[2]
FULL_FOLDER = ROOT / ".data/pictures"
SUBSET_FOLDER = ROOT / "assets/pictures"
IMAGES_FOLDER = ROOT / "assets/images"
PACKAGES_FOLDER = ROOT / ".data/packages"

PICTURES_PER_SHEET = 1024
BLANK_CONTRAST = 8.0  # grey levels; a picture whose strongest channel varies less (standard deviation) shows nothing
REPEAT_DISTANCE = 6.0  # grey levels, root mean square; pictures closer than this look the same side by side
HELD_OUT_SHARE = 0.05

# The subset keeps concepts that nearly every style draws, from the subgroups whose members a viewer tells apart at a
# glance: no office papers, signs and clock faces, and of the faces and hands only the well-known kinds.
SUBSET_MIN_STYLES = 5
SUBSET_LEFT_OUT = frozenset("""
    alphanum arrow av-symbol book-paper computer currency face-concerned face-neutral-skeptical face-sleepy family
    emotion gender hand-fingers-open hand-single-finger hotel keycap mail money office other-object other-symbol
    person-gesture person-symbol place-map punctuation sound time transport-sign warning writing zodiac
""".split())  # fmt: skip
SUBSET_LEFT_OUT_WORDS = frozenset("behind gibbous oncoming quarter small waning waxing".split())
GENDERED = frozenset("man men woman women boy girl".split())


@dataclass(frozen=True)
class Picture:
    """One rendered icon with its style."""

    icon: Icon
    style: Style
    pixels: np.ndarray  # (size, size, 3) uint8

    @property
    def emoji(self) -> Emoji:
        return self.icon.emoji


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The arguments of the `data` command."""
    parser.add_argument("--out", type=Path, help=f"folder to write (default {FULL_FOLDER.relative_to(ROOT)})")
    parser.add_argument("--size", type=int, default=64, help="width and height of a picture in pixels (default 64)")
    parser.add_argument("--packages", type=Path, default=PACKAGES_FOLDER, help="where fetched packages are kept")
    parser.add_argument("--subset", action="store_true", help="the shipped subset (default folder assets/pictures)")
    parser.add_argument(
        "--images", action="store_true", help="the example images instead (default folder assets/images)"
    )


def main(args: argparse.Namespace) -> None:
    """Run the `data` command and say what was written; a failed fetch ends it with one plain line."""
    default = IMAGES_FOLDER if args.images else SUBSET_FOLDER if args.subset else FULL_FOLDER
    folder = args.out or default
    try:
        if args.images:
            example_images.build(folder, args.packages)
            return
        pictures = build(folder, args.packages, args.size, args.subset)
    except FetchError as error:
        raise SystemExit(str(error)) from error
    print(f"{len(pictures)} pictures of {len({p.emoji.concept for p in pictures})} concepts in {folder}")
    print(f"sha256 of the pixels: {pixel_digest(p.pixels for p in pictures)}")


def build(
    folder: Path,
    packages: Path = PACKAGES_FOLDER,
    size: int = 64,
    subset: bool = False,
    styles: Sequence[Style] = STYLES,
) -> list[Picture]:
    """Write a picture folder and return its pictures in the order of the index. Raises FetchError."""
    emoji = read_emoji(fetch(EMOJIBASE, packages))
    sets = [fetch(style.package, packages) for style in styles]
    concepts = concepts_by_name(sets, emoji)
    icons = [
        (style, icon) for style, path in zip(styles, sets, strict=True) for icon in read_icons(path, emoji, concepts)
    ]
    rendered = [
        Picture(icon, style, np.asarray(render(icon.svg, size)))
        for style, icon in tqdm(icons, desc="rendering", unit="picture", mininterval=1)
    ]
    pictures = without_repeats([p for p in rendered if p.pixels.std((0, 1)).max() >= BLANK_CONTRAST])
    if subset:
        pictures = shipped_subset(pictures)
    write(folder, pictures)
    return pictures


def without_repeats(pictures: Sequence[Picture]) -> list[Picture]:
    """The pictures, in their order, less those that look the same as another (REPEAT_DISTANCE).

    Of equal pictures the one with the most neutral name stays ("family of two adults and child" where a set draws
    all families alike), then the first of the set, then that of the earlier style.
    """
    preference = sorted(
        range(len(pictures)), key=lambda i: (_is_gendered(pictures[i].emoji), pictures[i].emoji.order, i)
    )
    ranked = [pictures[i].pixels for i in preference]
    repeats: set[int] = set()
    for first, second in _close_pairs(ranked, REPEAT_DISTANCE):
        if first not in repeats:
            repeats.add(second)
    dropped = {preference[i] for i in repeats}
    return [picture for i, picture in enumerate(pictures) if i not in dropped]


def _close_pairs(pixels: Sequence[np.ndarray], distance: float) -> list[tuple[int, int]]:
    """Sorted index pairs (i, j), i < j, of pictures less than `distance` apart (root mean square, grey levels).

    Averaging can only bring pictures closer, so 16 px thumbnails, compared by matrix product, find all candidates.
    """
    thumbnails = np.stack([_thumbnail(picture) for picture in pixels])
    norms = (thumbnails**2).sum(1)
    reach = thumbnails.shape[1] * distance**2 * 1.05  # rounding of the expanded square stays inside 5 %
    pairs = []
    for start in range(0, len(pixels), 512):
        block = slice(start, start + 512)
        squared = norms[block, None] + norms - 2 * thumbnails[block] @ thumbnails.T  # (512, n)
        for i, j in np.argwhere(squared < reach):
            if (first := int(i) + start) < j:
                difference = pixels[first].astype(np.float32) - pixels[j]
                if np.sqrt((difference**2).mean()) < distance:
                    pairs.append((first, int(j)))
    return sorted(pairs)


def _thumbnail(picture: np.ndarray) -> np.ndarray:
    side = math.gcd(len(picture), 16)
    blocks = picture.reshape(side, len(picture) // side, side, -1, 3)
    return (blocks.mean((1, 3), dtype=np.float32) - 128).ravel()


def shipped_subset(pictures: Sequence[Picture]) -> list[Picture]:
    """The subset that is shipped: concepts that most styles draw, told apart at a glance, one per gendered family."""
    styles: dict[str, set[str]] = {}
    for picture in pictures:
        styles.setdefault(picture.emoji.concept, set()).add(picture.style.word)
    return [
        picture
        for picture in pictures
        if len(styles[picture.emoji.concept]) >= SUBSET_MIN_STYLES
        and picture.emoji.subgroup not in SUBSET_LEFT_OUT
        and SUBSET_LEFT_OUT_WORDS.isdisjoint(_caption_words(picture.emoji))
        and (not _is_gendered(picture.emoji) or picture.emoji.subgroup == "person")
    ]


def is_held_out(concept: str) -> bool:
    """Whether no model may use the pictures of a concept.

    Decided by a hash of the concept without gender, hair and direction, so that all styles and the man, woman and
    person of one emoji fall on the same side.
    """
    neutral = {"1f468": "1f9d1", "1f469": "1f9d1"}  # man, woman -> person
    modifiers = {"200d", "2640", "2642", "27a1"}  # joiner, female, male, facing right
    family = "-".join(neutral.get(point, point) for point in concept.split("-") if point not in modifiers)
    return int(hashlib.sha256(family.encode()).hexdigest()[:8], 16) < HELD_OUT_SHARE * 2**32


def pixel_digest(pixels: Iterable[np.ndarray]) -> str:
    """sha256 of all pixels in the order of the index: equal builds have equal digests."""
    digest = hashlib.sha256()
    for picture in pixels:
        digest.update(np.ascontiguousarray(picture).tobytes())
    return digest.hexdigest()


def write(folder: Path, pictures: Sequence[Picture]) -> None:
    """Write sheets, index and licences; sheets of an earlier build in the folder go."""
    folder.mkdir(parents=True, exist_ok=True)
    # The index goes first and comes last, so that a build cut short is a folder without one, which the reader refuses.
    for old in (folder / "index.csv", *folder.glob("*.webp")):
        old.unlink(missing_ok=True)
    rows = []
    for style in dict.fromkeys(picture.style for picture in pictures):
        of_style = [picture for picture in pictures if picture.style == style]
        for number, start in enumerate(range(0, len(of_style), PICTURES_PER_SHEET), start=1):
            chunk = of_style[start : start + PICTURES_PER_SHEET]
            sheet = f"{style.word.lower()}-{number}.webp"
            _sheet([picture.pixels for picture in chunk]).save(folder / sheet, lossless=True, quality=75, method=6)
            rows += [_row(sheet, cell, picture) for cell, picture in enumerate(chunk)]
    with (folder / "index.csv").open("w", encoding="utf-8", newline="") as file:
        table = csv.DictWriter(file, INDEX_FIELDS, lineterminator="\n")
        table.writeheader()
        table.writerows(rows)
    (folder / "LICENSES.md").write_text(picture_licences(), encoding="utf-8")


def _sheet(pixels: Sequence[np.ndarray]) -> Image.Image:
    size = len(pixels[0])
    rows = math.ceil(len(pixels) / COLUMNS)
    cells = np.full((rows * COLUMNS, size, size, 3), 255, np.uint8)
    cells[: len(pixels)] = pixels
    grid = cells.reshape(rows, COLUMNS, size, size, 3).swapaxes(1, 2)
    return Image.fromarray(grid.reshape(rows * size, COLUMNS * size, 3))


def _row(sheet: str, cell: int, picture: Picture) -> dict[str, str | int]:
    emoji = picture.emoji
    return {
        "sheet": sheet,
        "cell": cell,
        "caption": caption(emoji, picture.style.word),
        "style": picture.style.word,
        "group": emoji.group,
        "subgroup": emoji.subgroup,
        "concept": emoji.concept,
        "keywords": KEYWORD_SEPARATOR.join(emoji.keywords),
        "split": HELD_OUT if is_held_out(emoji.concept) else TRAIN,
        "source": picture.style.source,
        "name": picture.icon.name,
    }


def _is_gendered(emoji: Emoji) -> bool:
    return not GENDERED.isdisjoint(_caption_words(emoji))


def _caption_words(emoji: Emoji) -> list[str]:
    return re.findall(r"\w+", describe(emoji))
