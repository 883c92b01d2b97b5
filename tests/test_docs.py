"""What README.md, lab/README.md and the docstrings say of the repository is there: files, names, pictures."""

import ast
import re
from pathlib import Path

import pytest
from PIL import Image

from tests import readme_pictures

ROOT = Path(__file__).parents[1]
README, HOUSE = ROOT / "README.md", ROOT / "lab" / "README.md"
NAMED = re.compile(r"(?<![\w./-])(?:lab|tests|assets)/[\w./-]*\w|(?<![\w./])app\.py\b")
QUOTED = re.compile(r"`([^`\n]+)`")
SOURCE = "\n".join(path.read_text() for path in [ROOT / "app.py", *(ROOT / "lab").rglob("*.py")])


@pytest.mark.parametrize("page", [README, HOUSE], ids=lambda page: page.parent.name)
def test_every_path_that_is_named_exists(page):
    paths = [
        word for word in QUOTED.findall(page.read_text()) if re.match(r"(lab|tests|assets|app\.py)\b[\w./-]*$", word)
    ]
    assert len(paths) > 3
    assert not [path for path in paths if not (ROOT / path).exists() and not (ROOT / f"{path}.py").exists()]


def test_every_path_that_a_docstring_names_exists():
    named = set()
    for file in [ROOT / "app.py", *(ROOT / "lab").rglob("*.py"), *(ROOT / "tests").rglob("*.py")]:
        for node in ast.walk(ast.parse(file.read_text())):
            if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
                named |= {(file.name, path) for path in NAMED.findall(ast.get_docstring(node) or "")}
    assert len(named) > 3
    assert not [pair for pair in named if not (ROOT / pair[1]).exists() and not (ROOT / f"{pair[1]}.py").exists()]


def test_every_name_of_the_house_page_is_in_the_code():
    words = QUOTED.findall(HOUSE.read_text())
    names = {part for word in words if re.fullmatch(r"[A-Z_a-z][\w.]*", word) for part in word.split(".")[-1:]}
    names -= {"lab", "tests", "py", "KDPM2DiscreteScheduler"}
    assert len(names) > 25
    assert not [name for name in names if not re.search(rf"\b{name}\b", SOURCE)]


def test_pictures_of_the_readme_are_there_and_small():
    shown = re.findall(r"assets/readme/(\w+)\.webp", README.read_text())
    assert sorted(shown) == sorted(name for name, *_ in readme_pictures.PICTURES)
    for name in shown:
        file = readme_pictures.FOLDER / f"{name}.webp"
        assert file.stat().st_size <= readme_pictures.MOST
        assert Image.open(file).width == readme_pictures.KEPT
