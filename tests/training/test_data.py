"""Building the picture folder: on tiny packages made here, and what the shipped folders must hold."""

import argparse
import csv
import json
import subprocess
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from lab.models.pictures import PictureSet
from lab.training import data, vector_sets
from lab.training.captions import describe
from lab.training.vector_sets import STYLES, Emoji, FetchError, Package, Style, fetch

ROOT = Path(__file__).parents[2]
PICTURES = ROOT / "assets/pictures"
IMAGES = ROOT / "assets/images"
FILE_LIMIT_BYTES = 9_000_000
SHIPPED_PIXELS_SHA256 = "91540a18935d8c86995ecae96bb1ddc24883147d608e6eee35b2e7270d1f5a0d"  # `data --subset` prints it

DISC = '<circle cx="8" cy="8" r="{}" fill="{}"/>'
EMOJI = (  # hexcode, label, group, subgroup, tags
    ("1F34E", "red apple", 4, 0, ["fruit"]),
    ("1F697", "automobile", 5, 1, ["vehicle"]),
    ("1F9D1", "person", 1, 2, []),
    ("1F468-200D-2642-FE0F", "man: beard", 1, 2, []),
    ("25A1", "white square", 8, 3, []),
    ("1F3C1", "chequered flag", 9, 4, []),
)
ICONS = {
    "red-apple": DISC.format(6, "red"),
    "automobile": '<path d="M1 6h14v6H1z" fill="blue"/>',
    "person": DISC.format(4, "orange"),
    "man-beard": DISC.format(4, "#ffa501"),  # the same to the eye as "person"
    "person-medium-skin-tone": DISC.format(4, "brown"),
    "white-square": '<path d="M2 2h12v12H2z" fill="#fffffe"/>',
    "chequered-flag": DISC.format(5, "black"),
    "withdrawn-apple": DISC.format(3, "red"),
}


@pytest.fixture
def packages(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with a tiny emojibase and two icon sets that differ in colour, used instead of fetched ones."""
    folder = tmp_path / "packages"
    groups = {"1": "people-body", "4": "food-drink", "5": "travel-places", "8": "symbols", "9": "flags"}
    subgroups = {"0": "food-fruit", "1": "transport-ground", "2": "person", "3": "geometric", "4": "flag"}
    entries = [
        {"hexcode": code, "label": label, "group": group, "subgroup": subgroup, "tags": tags, "order": order}
        for order, (code, label, group, subgroup, tags) in enumerate(EMOJI)
    ]
    write_json(folder / "emojibase-data/meta/groups.json", {"groups": groups, "subgroups": subgroups})
    write_json(folder / "emojibase-data/en/data.json", entries)
    chars = {"1f9d1": "person", "1f9d1-1f3fd": "person-medium-skin-tone", "1f34e": "withdrawn-apple"}
    for style, colour in (("one", "red"), ("two", "green")):
        icons = {name: {"body": body.replace("red", colour)} for name, body in ICONS.items()}
        icons["withdrawn-apple"]["hidden"] = True
        icon_set = {"icons": icons, "aliases": {"car": {"parent": "automobile"}}, "width": 16, "height": 16}
        write_json(folder / style / "icons.json", icon_set)
        write_json(folder / style / "chars.json", chars)
    monkeypatch.setattr(data, "fetch", lambda package, packages: packages / package.name)
    return folder


def write_json(path: Path, content: object) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content))


def tiny_styles() -> list[Style]:
    return [Style(word, word, "nobody", "MIT", "", Package(word, "1.0.0", "")) for word in ("one", "two")]


def index_rows(folder: Path) -> list[dict[str, str]]:
    with (folder / "index.csv").open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def test_build_writes_a_folder_that_the_reader_reads(packages: Path, tmp_path: Path) -> None:
    built = data.build(tmp_path / "out", packages, size=16, styles=tiny_styles())
    pictures = PictureSet.load(tmp_path / "out")
    assert pictures.captions == (
        "red apple, one style", "car, one style", "person, one style", "red apple, two style",
    )  # fmt: skip
    assert pictures.groups == ("food-drink", "travel-places", "people-body", "food-drink")
    assert pictures.keywords[0] == ("fruit",)
    np.testing.assert_array_equal(pictures.pixels, np.stack([picture.pixels for picture in built]))
    assert pictures.pixels[0, 8, 8].tolist() == [255, 0, 0]  # the drawing, in its middle
    assert pictures.pixels[0, 0, 0].tolist() == [255, 255, 255]  # on white


def test_build_is_reproducible_and_replaces_an_earlier_one(packages: Path, tmp_path: Path) -> None:
    def build(folder: Path) -> dict[str, bytes]:
        data.build(folder, packages, size=16, styles=tiny_styles())
        return {path.name: path.read_bytes() for path in folder.iterdir()}

    again = tmp_path / "again"
    again.mkdir()
    Image.new("RGB", (8, 8)).save(again / "left-over.webp")
    assert build(tmp_path / "out") == build(again)


def test_other_sizes(packages: Path, tmp_path: Path) -> None:
    data.build(tmp_path / "out", packages, size=128, styles=tiny_styles())
    assert PictureSet.load(tmp_path / "out").pixels.shape[1:] == (128, 128, 3)


def test_repeats_keep_the_neutral_name() -> None:
    def picture(label: str, order: int, level: int) -> data.Picture:
        emoji = Emoji(f"c{order}", label, (), "people-body", "family", order)
        pixels = np.full((16, 16, 3), level, np.uint8)
        return data.Picture(vector_sets.Icon(emoji, label, ""), STYLES[0], pixels)

    pictures = [picture("family: man, boy", 0, 100), picture("family: adult, child", 1, 103), picture("dog", 2, 200)]
    assert [kept.icon.name for kept in data.without_repeats(pictures)] == ["family: adult, child", "dog"]


@pytest.mark.parametrize(
    ("label", "subgroup", "typed"),
    [
        ("red apple", "food-fruit", "red apple"),
        ("person: blond hair", "person", "person with blond hair"),
        ("man: beard", "person", "man with a beard"),
        ("woman: bald", "person", "bald woman"),
        ("person walking: facing right", "person-activity", "person walking facing right"),
        ("kiss: woman, man", "family", "woman and man kissing"),
        ("family: man, woman, boy, boy", "family", "family of man, woman and two boys"),
        ("family: adult, child, child", "person-symbol", "family of adult and two children"),
        ("keycap: #", "keycap", "keycap hash"),
        ("AB button (blood type)", "alphanum", "blood type ab button"),
        ("Japanese “free of charge” button", "alphanum", "japanese free of charge button"),
        ("UP! button", "alphanum", "up button"),
        ("twelve o’clock", "time", "clock showing twelve o'clock"),
        ("Leo", "zodiac", "leo zodiac sign"),
    ],
)
def test_captions_read_as_typed(label: str, subgroup: str, typed: str) -> None:
    assert describe(Emoji("c", label, (), "group", subgroup, 0)) == typed


def test_held_out_follows_the_family_not_the_gender() -> None:
    for person, man, woman in (("1f9d1-200d-1f373", "1f468-200d-1f373", "1f469-200d-1f373"),
                               ("1f3c4", "1f3c4-200d-2642", "1f3c4-200d-2640")):  # fmt: skip
        assert data.is_held_out(person) == data.is_held_out(man) == data.is_held_out(woman)
    assert 0.03 < np.mean([data.is_held_out(f"{code:x}") for code in range(0x1F000, 0x1F800)]) < 0.07


def test_fetch_refuses_what_is_not_pinned(tmp_path: Path) -> None:
    (tmp_path / "scope-thing-1.0.0.tgz").write_bytes(b"something else")
    with pytest.raises(FetchError, match=r"not the pinned @scope/thing@1\.0\.0"):
        fetch(Package("@scope/thing", "1.0.0", "0" * 64), tmp_path)


def test_fetch_says_that_npm_is_missing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(vector_sets.shutil, "which", lambda name: None)
    with pytest.raises(FetchError, match="npm is needed"):
        fetch(Package("thing", "1.0.0", ""), tmp_path)


def test_a_failed_fetch_ends_the_command_with_the_reason(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(vector_sets.shutil, "which", lambda name: "npm")
    failed = subprocess.CompletedProcess([], 1, "", "no network")
    monkeypatch.setattr(vector_sets.subprocess, "run", lambda *args, **kwargs: failed)
    parser = argparse.ArgumentParser()
    data.add_arguments(parser)
    with pytest.raises(SystemExit, match=r"npm pack .* failed: no network"):
        data.main(parser.parse_args(["--out", str(tmp_path / "out"), "--packages", str(tmp_path / "packages")]))


def test_shipped_captions_look_typed() -> None:
    for row in index_rows(PICTURES):
        text, _, style = row["caption"].rpartition(", ")
        assert style == f"{row['style']} style"
        assert text == text.lower().strip()
        assert not set(text) & set('_:()“”"!'), text
        assert max(word.count("-") for word in text.split()) <= 2, text  # jack-o-lantern, but no name with hyphens


def test_shipped_pictures_are_as_built_and_all_different() -> None:
    rows = index_rows(PICTURES)
    assert max(Counter(row["caption"] for row in rows).values()) == 1
    assert max(Counter((row["style"], row["concept"]) for row in rows).values()) == 1
    pixels = PictureSet.load(PICTURES).pixels
    assert data.pixel_digest(pixels) == SHIPPED_PIXELS_SHA256
    assert len({picture.tobytes() for picture in pixels}) == len(rows)
    assert min(picture.std((0, 1)).max() for picture in pixels) >= data.BLANK_CONTRAST


def test_shipped_split_is_the_one_the_code_decides() -> None:
    for row in index_rows(PICTURES):
        assert (row["split"] == "held-out") == data.is_held_out(row["concept"])


def test_shipped_folders_are_small_and_credited() -> None:
    for folder, limit_bytes in ((PICTURES, 10_500_000), (IMAGES, 1_500_000)):
        sizes = [path.stat().st_size for path in folder.iterdir()]
        assert max(sizes) < FILE_LIMIT_BYTES
        assert sum(sizes) < limit_bytes
        licences = (folder / "LICENSES.md").read_text(encoding="utf-8")
        for licence in ("Apache-2.0", "CC-BY-4.0", "MIT", "Copyright (c) Microsoft Corporation"):
            assert licence in licences
        assert "Apache License" in (folder / "Apache-2.0.txt").read_text(encoding="utf-8")
    notes = (PICTURES / "LICENSES.md").read_text(encoding="utf-8")
    assert all(f"{style.package.name} {style.package.version}" in notes for style in STYLES)


def test_example_images_are_indexed_and_fit() -> None:
    rows = index_rows(IMAGES)
    assert len(rows) >= 12
    assert {row["kind"] for row in rows} == {"photo", "drawing"}
    assert {row["file"] for row in rows} == {path.name for path in IMAGES.iterdir() if path.suffix in (".png", ".jpg")}
    for row in rows:
        assert all(row.values()), row
        assert (IMAGES / row["file"]).stat().st_size <= 150_000
        with Image.open(IMAGES / row["file"]) as image:
            image.load()
            assert max(image.size) <= 512
