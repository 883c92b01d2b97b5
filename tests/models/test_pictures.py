"""The picture reader and its search, on the shipped pictures and on small folders made here."""

import csv
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from lab.models.pictures import COLUMNS, HELD_OUT, INDEX_FIELDS, TRAIN, PictureSet, PictureSetError

SHIPPED = Path(__file__).parents[2] / "assets/pictures"
GROUPS = {"activities", "animals-nature", "food-drink", "objects", "people-body", "smileys-emotion", "symbols",
          "travel-places"}  # fmt: skip
STYLES = {"glossy", "blob", "sticker", "flat", "3D", "cartoon"}

# caption, style, group, keywords; the picture at place i is filled with grey level 10 * i.
SMALL = (
    ("red apple, flat style", "flat", "food-drink", "fruit|health"),
    ("red apple, 3D style", "3D", "food-drink", "fruit|health"),
    ("green apple, flat style", "flat", "food-drink", "fruit|red"),
    ("kitchen knife, flat style", "flat", "food-drink", "cooking"),
    ("flat shoe, 3D style", "3D", "objects", "ballet|slipper"),
    ("car, 3D style", "3D", "travel-places", "automobile|red"),
    ("piñata, flat style", "flat", "activities", "party"),
)


@pytest.fixture(scope="module")
def shipped() -> PictureSet:
    return PictureSet.load(SHIPPED)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    cells = np.full((4, COLUMNS * 4, 3), 255, np.uint8)
    for i in range(len(SMALL)):
        cells[:, 4 * i : 4 * i + 4] = 10 * i
    Image.fromarray(cells).save(tmp_path / "small.webp", lossless=True)
    write_index(tmp_path, [{"cell": i} for i in range(len(SMALL))])
    return tmp_path


def write_index(folder: Path, changes: list[dict[str, object]]) -> None:
    with (folder / "index.csv").open("w", newline="", encoding="utf-8") as file:
        table = csv.DictWriter(file, INDEX_FIELDS)
        table.writeheader()
        for i, (change, (caption, style, group, keywords)) in enumerate(zip(changes, SMALL, strict=True)):
            row = {"sheet": "small.webp", "cell": i, "caption": caption, "style": style, "group": group,
                   "subgroup": "none", "concept": f"c{i}", "keywords": keywords, "split": HELD_OUT if i == 3 else TRAIN,
                   "source": "made", "name": f"name-{i}"}  # fmt: skip
            table.writerow(row | change)


def found(pictures: PictureSet, **query: str) -> list[str]:
    return list(pictures.select(pictures.matching(**query)).captions)


def test_load_returns_each_picture_with_its_row(folder: Path) -> None:
    pictures = PictureSet.load(folder)
    assert len(pictures) == len(SMALL)
    assert pictures.pixels.shape == (len(SMALL), 4, 4, 3)
    assert pictures.pixels.dtype == np.uint8
    assert (pictures.pixels == 10 * np.arange(len(SMALL))[:, None, None, None]).all()
    assert pictures.keywords[0] == ("fruit", "health")
    assert np.flatnonzero(pictures.held_out).tolist() == [3]


def test_select_takes_masks_and_indices(folder: Path) -> None:
    pictures = PictureSet.load(folder)
    assert pictures.select(np.array([5, 1])).captions == ("car, 3D style", "red apple, 3D style")
    train = pictures.select(~pictures.held_out)
    assert len(train) == len(SMALL) - 1
    assert train.pixels.shape[0] == len(train.keywords) == len(train)
    assert len(pictures.select(np.zeros(len(SMALL), bool))) == 0


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("red apple", [0, 1]),
        ("RED  Apples!", [0, 1]),
        ("apple", [0, 1, 2]),
        ("red", [0, 1]),  # captions answer, so the keyword "red" of green apple and car is left out
        ("a red apple, flat style", [0]),
        ("apple flat", [0, 2]),
        ("fruit", [0, 1, 2]),
        ("fruits, 3d style", [1]),
        ("shoe, flat style", []),  # the words are all in "flat shoe, 3D style", but that style is not flat
        ("flat shoe", [4]),
        ("kitchen knives", [3]),
        ("pinata", [6]),
        ("red automobile", [5]),
        ("flat style", [0, 2, 3, 6]),
        ("", range(len(SMALL))),
        ("   ", range(len(SMALL))),
        ("zeppelin", []),
        ("red zeppelin", []),
    ],
)
def test_caption_search(folder: Path, query: str, expected: list[int]) -> None:
    assert np.flatnonzero(PictureSet.load(folder).matching(query)).tolist() == list(expected)


def test_group_and_style_restrict_the_search(folder: Path) -> None:
    pictures = PictureSet.load(folder)
    assert found(pictures, group="food-drink", style="3D") == ["red apple, 3D style"]
    assert found(pictures, group="Food & Drink", style="3d style") == ["red apple, 3D style"]
    assert found(pictures, caption="red", group="travel-places") == ["car, 3D style"]
    assert found(pictures, caption="apple, flat style", style="3D") == []
    assert found(pictures, group="no such group") == found(pictures, style="no such style") == []


@pytest.mark.parametrize(
    "query", ["???", "'; DROP TABLE", "\x00\ud800", "(((((", "[a-z]*", "../../etc", "🍎", "ﬂ" * 9, "x" * 10**6]
)
def test_hostile_queries_match_nothing(shipped: PictureSet, query: str) -> None:
    assert not shipped.matching(query, group="", style="").any()
    assert not shipped.matching("", group=query).any()
    assert not shipped.matching("", style=query).any()


def test_search_of_an_empty_set(folder: Path) -> None:
    nothing = PictureSet.load(folder).select(np.array([], int))
    assert nothing.matching("apple", "food-drink", "flat").shape == (0,)
    assert nothing.matching().shape == (0,)


@pytest.mark.parametrize(
    "query",
    ["red apple", "heart", "cat", "dog", "car", "house", "sunflower", "guitar", "grinning face", "star", "happy"],
)
def test_well_known_things_are_shipped_in_every_style(shipped: PictureSet, query: str) -> None:
    assert set(shipped.select(shipped.matching(query)).styles) == STYLES


def test_shipped_set_is_large_and_complete(shipped: PictureSet) -> None:
    assert len(shipped) >= 3000
    assert shipped.pixels.shape[1:] == (64, 64, 3)
    assert set(shipped.groups) == GROUPS
    assert set(shipped.styles) == STYLES
    assert 0.02 < shipped.held_out.mean() < 0.08


def test_shipped_split_has_no_concept_on_both_sides(shipped: PictureSet) -> None:
    concepts = np.array(shipped.concepts)
    assert not set(concepts[shipped.held_out]) & set(concepts[~shipped.held_out])


def test_missing_index_is_named_with_a_remedy(tmp_path: Path) -> None:
    with pytest.raises(PictureSetError, match=r"index\.csv is missing.*lab\.training data"):
        PictureSet.load(tmp_path)


def test_missing_sheet_is_named(folder: Path) -> None:
    (folder / "small.webp").unlink()
    with pytest.raises(PictureSetError, match=r"small\.webp is missing"):
        PictureSet.load(folder)


@pytest.mark.parametrize("content", [b"", b"not a picture", b"RIFF\x10\x00\x00\x00WEBPVP8L"])
def test_damaged_sheet_is_named(folder: Path, content: bytes) -> None:
    (folder / "small.webp").write_bytes(content)
    with pytest.raises(PictureSetError, match=r"small\.webp is not a readable picture"):
        PictureSet.load(folder)


def test_truncated_sheet_is_named(folder: Path) -> None:
    content = (folder / "small.webp").read_bytes()
    (folder / "small.webp").write_bytes(content[: len(content) // 2])
    with pytest.raises(PictureSetError, match=r"small\.webp is not a readable picture"):
        PictureSet.load(folder)


def test_sheet_that_is_no_grid_is_refused(folder: Path) -> None:
    Image.new("RGB", (100, 30)).save(folder / "small.webp", lossless=True)
    with pytest.raises(PictureSetError, match="not a grid"):
        PictureSet.load(folder)


@pytest.mark.parametrize(
    "content", [b"", b"a,b\n1,2\n", b"\xff\xfe\x00", ",".join(INDEX_FIELDS).encode() + b"\nonly-one\n"]
)
def test_damaged_index_is_named(folder: Path, content: bytes) -> None:
    (folder / "index.csv").write_bytes(content)
    with pytest.raises(PictureSetError, match=r"index\.csv"):
        PictureSet.load(folder)


@pytest.mark.parametrize("cell", [32, -1, "two", ""])
def test_cell_outside_its_sheet_is_refused(folder: Path, cell: object) -> None:
    write_index(folder, [{"cell": cell}, *({} for _ in SMALL[1:])])
    with pytest.raises(PictureSetError, match="names a cell"):
        PictureSet.load(folder)
