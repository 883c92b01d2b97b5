"""The written notebooks, lab/notebooks: percent-format Python, which reads as code and opens in JupyterLab by jupytext.

A cell begins at a line `# %%`; one of `# %% [markdown]` is text, each line behind `# `. The first cell of text has the title
and, in its first paragraph, what the notebook is about.
"""

import re
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import nbformat
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook

from lab.capsules.notebook import METADATA

FOLDER = Path(__file__).resolve().parent.parent / "notebooks"
CELL = re.compile(r"^# %%(.*)$", re.MULTILINE)


@dataclass(frozen=True)
class Written:
    """A notebook of the shelf, by the name of its file, and the tab whose instrument it takes apart."""

    name: str
    tab: str

    @property
    def path(self) -> Path:
        return FOLDER / f"{self.name}.py"

    @cached_property
    def notebook(self) -> nbformat.NotebookNode:
        """Its cells, none of them executed."""
        return read(self.path.read_text("utf-8"))

    @property
    def title(self) -> str:
        return self._paragraphs[0].removeprefix("# ")

    @property
    def about(self) -> str:
        """The first paragraph beneath the title."""
        return " ".join(self._paragraphs[1].split())

    @property
    def _paragraphs(self) -> list[str]:
        return self.notebook.cells[0].source.split("\n\n")


WRITTEN = tuple(
    Written(*row)
    for row in (
        ("forward_noising", "noising"),
        ("exact_denoiser", "samplers"),
        ("guidance", "guidance"),
        ("controlnet", "controlnet"),
        ("score_and_langevin", "score"),
        ("variational_bound", "inside"),
        ("learned_variance", "ledger"),
        ("editing", "edit"),
        ("classifier_guidance", "guidance"),
        ("autoencoders", "inside"),
        ("attention", "inside"),
        ("unclip", "unclip"),
    )
    if (FOLDER / f"{row[0]}.py").exists()
)


def read(text: str) -> nbformat.NotebookNode:
    """A notebook of percent-format Python. Raises ValueError where something stands before its first cell."""
    before, *parts = CELL.split(text)
    if before.strip():
        raise ValueError(f"a written notebook begins with a cell, not with {before.strip()[:40]!r}")
    cells = []
    for number, (kind, source) in enumerate(zip(parts[::2], parts[1::2], strict=True)):
        if kind.strip() == "[markdown]":
            cell = new_markdown_cell(re.sub(r"(?m)^# ?", "", source.strip("\n")))
        else:
            cell = new_code_cell(source.strip("\n"))
        cell["id"] = f"cell-{number}"
        cells.append(cell)
    return new_notebook(cells=cells, metadata=METADATA)
