"""The written notebooks: each runs from top to bottom. `make test` runs a third of them with less of everything, another one every
day; `make notebooks-test` runs all, whole, each in a kernel of its own."""

import os
import re
import warnings

import jupytext
import matplotlib
import nbformat
import pytest

from lab.capsules.notebook import setup
from lab.capsules.written import FOLDER, WRITTEN, read
from lab.papers import PAPERS
from lab.ui import TABS
from tests.notebooks import ROOT, code_of, run_here, run_in_a_kernel
from tests.shelf import of_the_day

ALL = bool(os.environ.get("LAB_ALL_NOTEBOOKS"))
QUICK = "QUICK = False"  # of the first cell of each
NAMES = [one.name for one in WRITTEN]
BY_NAME = {one.name: one for one in WRITTEN}


def test_the_shelf_holds_all_that_are_written():
    assert {file.stem for file in FOLDER.glob("*.py")} == set(NAMES) and len(set(NAMES)) == len(NAMES)
    assert {one.tab for one in WRITTEN} <= {tab.name for tab in TABS}


@pytest.mark.parametrize("name", NAMES)
def test_it_is_laid_out_as_all_are(name):
    one = BY_NAME[name]
    book, text = one.notebook, one.path.read_text("utf-8")
    nbformat.validate(book)
    theirs = jupytext.reads(text, fmt="py:percent")
    assert [(cell.cell_type, cell.source.strip("\n")) for cell in theirs.cells] == [
        (cell.cell_type, cell.source) for cell in book.cells
    ]
    words = [cell.source for cell in book.cells if cell.cell_type == "markdown"]
    assert words[0].startswith("# ") and one.about.endswith(".") and len(one.about) < 260
    assert sum("$$" in cell for cell in words) >= 2 and all(cell.count("$") % 2 == 0 for cell in words)
    assert all(paper in everything() for paper in re.findall(r"https://arxiv\.org/abs/\d+\.\d+", text))
    first = code_of(book)[0]
    modules = set(re.findall(r"(?m)^(?:import|from) (\w+)", text)) & {*re.findall(r'"(\w+)": "', first)}
    needed = dict(re.findall(r'"(\w+)": "([\w-]+)"', first))
    assert first == f"{QUICK}  # True: less of everything, to try it out\n\n{setup(needed, in_the_lab=True)}"
    assert set(needed) <= modules | {"transformers"}
    assert "import lab" not in text and "from lab" not in text
    assert "**Try.**" in words[-1]


def everything():
    """The links of all papers of the lab, and those that notebooks alone name."""
    return {row.link for row in PAPERS} | {f"https://arxiv.org/abs/{number}" for number in OTHERS}


OTHERS = {"1706.03762", "2404.07724"}


if ALL:

    @pytest.mark.parametrize("name", NAMES)
    def test_it_runs_whole_in_a_kernel(name, tmp_path):
        run = run_in_a_kernel(BY_NAME[name].notebook, tmp_path, timeout_s=600)
        assert any("image/png" in output.get("data", {}) for cell in run.cells for output in cell.get("outputs", []))

else:

    @pytest.mark.parametrize("name", of_the_day())
    def test_a_third_of_them_runs_quickly(name, tmp_path):
        matplotlib.use("Agg")
        text = BY_NAME[name].path.read_text("utf-8")
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", message=".*non-interactive")
            run_here(read(text.replace(QUICK, "QUICK = True")), tmp_path)
        matplotlib.pyplot.close("all")


def test_what_stands_before_the_first_cell_is_refused():
    with pytest.raises(ValueError, match="begins with a cell, not with 'import torch'"):
        read("import torch\n# %%\n1")


def test_the_readme_names_the_shelf():
    words = (ROOT / "README.md").read_text("utf-8")
    assert "make notebooks" in words and "lab/notebooks" in words
