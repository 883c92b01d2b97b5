"""The pinned sets of vector pictures and their names: what they are, fetching them, reading and rendering them.

Seven packages of the npm registry: six icon sets in Iconify's JSON format (SVG bodies by name) and emojibase-data
(a label, keywords and a group for every emoji). Fetched with `npm pack`, checked against the digests below.
"""

import hashlib
import io
import json
import re
import shutil
import subprocess
import tarfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import resvg_py
from PIL import Image

SUPERSAMPLING = 2  # resvg draws filtered shapes with jagged edges at small sizes; twice the size, averaged, is smooth


@dataclass(frozen=True)
class Package:
    name: str
    version: str
    sha256: str  # of the packed file


@dataclass(frozen=True)
class Style:
    """One vector set: the word that captions call it by, and whom to thank for it."""

    word: str
    title: str
    author: str
    licence: str
    home: str
    package: Package

    @property
    def source(self) -> str:
        return self.package.name.removeprefix("@iconify-json/")


# fmt: off
STYLES = (
    Style("glossy", "Noto Emoji", "Google Inc.", "Apache-2.0", "https://github.com/googlefonts/noto-emoji",
          Package("@iconify-json/noto", "1.2.9",
                  "3e918d88fc945c0bb3d468dbace6f88caef67f01c9f0e7bcae0915a042e8f1ad")),
    Style("blob", "Noto Emoji, version 1", "Google Inc.", "Apache-2.0", "https://github.com/googlefonts/noto-emoji",
          Package("@iconify-json/noto-v1", "1.2.5",
                  "2bf62c26c2c2884aa99e90aec942cdaee17a5921f05690694f4978ad4b017c37")),
    Style("sticker", "Twemoji", "Twitter, Inc and other contributors", "CC-BY-4.0", "https://github.com/jdecked/twemoji",
          Package("@iconify-json/twemoji", "1.2.5",
                  "19046dff7d8707ce96212ec86468b36ac5f8e60409629dd13f809265c6d0ebb7")),
    Style("flat", "Fluent Emoji, flat", "Microsoft Corporation", "MIT", "https://github.com/microsoft/fluentui-emoji",
          Package("@iconify-json/fluent-emoji-flat", "1.2.6",
                  "7d064769dee690815f823bc5bcc511d957198caf9f5edd8dd9c1aa48a6aeb175")),
    Style("3D", "Fluent Emoji, colour", "Microsoft Corporation", "MIT", "https://github.com/microsoft/fluentui-emoji",
          Package("@iconify-json/fluent-emoji", "1.2.7",
                  "8044210dbf11e016d4de85f15d01a243423bd832457e7e2491df1b751c0e272b")),
    Style("cartoon", "EmojiOne 2.3", "EmojiOne", "CC-BY-4.0", "https://github.com/EmojiTwo/emojitwo",
          Package("@iconify-json/emojione", "1.2.3",
                  "26a14f44284407e8bcde91799388dca2bfd91dbcd55a97f425524a1c5b73610e")),
)
EMOJIBASE = Package("emojibase-data", "17.0.0", "d01d0e2ca4e22cb402679532155342c71e2e871f25c32223c013b8b166ebdf5a")
# fmt: on


class FetchError(RuntimeError):
    """A package that could not be fetched, or is not the pinned one; the message says what to do."""


class Emoji(NamedTuple):
    """What emojibase-data says of one emoji."""

    concept: str  # code points in hexadecimal, "1f34e"; without the variation selector
    label: str  # "red apple"
    keywords: tuple[str, ...]
    group: str  # "food-drink"
    subgroup: str  # "food-fruit"
    order: int  # place in the Unicode chart


class Icon(NamedTuple):
    """One drawing of one emoji."""

    emoji: Emoji
    name: str  # the set's own name for it, "red-apple"
    svg: str


def fetch(package: Package, packages: Path) -> Path:
    """The unpacked folder of a pinned package, fetched with `npm pack` into `packages` unless it is there.

    Raises FetchError where npm is missing, the registry cannot be reached, or the file is not the pinned one.
    """
    packed = packages / f"{package.name.removeprefix('@').replace('/', '-')}-{package.version}.tgz"
    spec = f"{package.name}@{package.version}"
    if not packed.exists():
        packages.mkdir(parents=True, exist_ok=True)
        npm = shutil.which("npm")
        if npm is None:
            raise FetchError(
                f"npm is needed to fetch {spec}: install Node.js, or put the file {packed.name} in {packages}."
            )
        done = subprocess.run([npm, "pack", "--silent", spec], cwd=packages, capture_output=True, text=True)
        if done.returncode or not packed.exists():
            raise FetchError(f"npm pack {spec} failed: {done.stderr.strip() or 'no file came'}")
    if (digest := hashlib.sha256(packed.read_bytes()).hexdigest()) != package.sha256:
        raise FetchError(f"{packed} is not the pinned {spec}: its sha256 is {digest}. Delete it and run again.")
    unpacked = packed.with_suffix("")
    if not unpacked.exists():
        partial = packed.with_suffix(".partial")
        shutil.rmtree(partial, ignore_errors=True)
        with tarfile.open(packed) as archive:
            archive.extractall(partial, filter="data")
        partial.rename(unpacked)
    return unpacked / "package"


def read_emoji(emojibase: Path) -> dict[str, Emoji]:
    """Concept -> Emoji for all of emojibase-data but flags, and components such as skin tones and loose letters."""
    names = _read_json(emojibase / "meta/groups.json")
    emoji = {}
    for entry in _read_json(emojibase / "en/data.json"):
        group = names["groups"].get(str(entry.get("group")))
        if group in (None, "component", "flags"):
            continue
        concept = _concept(entry["hexcode"])
        subgroup = names["subgroups"][str(entry["subgroup"])]
        emoji[concept] = Emoji(concept, entry["label"], tuple(entry.get("tags", ())), group, subgroup, entry["order"])
    return emoji


def concepts_by_name(icon_sets: list[Path], emoji: dict[str, Emoji]) -> dict[str, str]:
    """Icon name -> concept. Not every set says which emoji its icons are, but the sets share their names.

    A name is known from a set's own table, from emojibase's labels, or as an alias of a known name.
    """
    concepts = {re.sub(r"[^a-z0-9]+", "-", entry.label.lower()): entry.concept for entry in emoji.values()}
    for folder in icon_sets:
        concepts |= {name: _concept(code) for code, name in _read_json(folder / "chars.json").items()}
    for folder in icon_sets:
        for alias, details in _read_json(folder / "icons.json").get("aliases", {}).items():
            pair = (alias, details["parent"])
            if details.keys() == {"parent"} and (concept := concepts.get(pair[0]) or concepts.get(pair[1])):
                for name in pair:
                    concepts.setdefault(name, concept)
    return concepts


def read_icons(folder: Path, emoji: dict[str, Emoji], concepts: dict[str, str]) -> list[Icon]:
    """The icons of a set that are a known emoji, in the order of the Unicode chart.

    Skin-tone variants and flags have no entry in `emoji`, and so go; icons that their makers withdrew (hidden) go too.
    """
    icon_set = _read_json(folder / "icons.json")
    icons = []
    for name, icon in icon_set["icons"].items():
        if (entry := emoji.get(concepts.get(name, ""))) and not icon.get("hidden"):
            box = [icon.get(key, icon_set.get(key, default)) for key, default in _VIEW_BOX]
            icons.append(Icon(entry, name, _svg(box, icon["body"])))
    return sorted(icons, key=lambda icon: (icon.emoji.order, icon.name))


def render(svg: str, size: int) -> Image.Image:
    """An SVG text as a size x size RGB picture on white, its shape kept and centred."""
    large = size * SUPERSAMPLING
    png = resvg_py.svg_to_bytes(svg_string=svg, width=large, height=large, background="#ffffff", skip_system_fonts=True)
    return Image.open(io.BytesIO(bytes(png))).convert("RGB").reduce(SUPERSAMPLING)


_VIEW_BOX = (("left", 0), ("top", 0), ("width", 16), ("height", 16))  # Iconify's defaults


def _svg(box: list[float], body: str) -> str:
    # A square box around the icon's own, with the icon in its middle, lets any icon be rendered square.
    left, top, width, height = box
    side = max(width, height)
    view_box = f"{left - (side - width) / 2} {top - (side - height) / 2} {side} {side}"
    namespaces = 'xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink"'
    return f'<svg {namespaces} viewBox="{view_box}" width="{side}" height="{side}">{body}</svg>'


def _concept(code_points: str) -> str:
    return code_points.lower().replace("-fe0f", "")


def _read_json(path: Path) -> Any:
    return json.loads(path.read_text(encoding="utf-8"))
