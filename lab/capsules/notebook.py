"""A script of the lab as a notebook: the same lines in cells, with the equations between them and the run's own pictures.

The script's text is the one source. It is cut where there are blank lines; what stands before a cell is told by its code
(lab/capsules/notebook_sections.py). What a notebook needs besides is in two cells of its own: the first installs what is
missing and goes to the lab's folder, the last shows the pictures that were written. The outputs of the last are the lab's.
"""

import ast
import base64
import io
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from textwrap import dedent
from typing import Protocol

import nbformat
import numpy as np
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output
from PIL import Image

from lab.capsules.notebook_sections import LARGER, SECTIONS, SETTINGS, STEPS, Section
from lab.catalog import SAMPLERS
from lab.equations import EQUATIONS, NOTATION

SHOWN = 256  # px: the width at which a small picture is shown
PACKAGES = {"PIL": "pillow", "skimage": "scikit-image"}  # that are not called as their modules are
FEW_LINES = 12  # a cell of fewer takes in what follows without a heading


@dataclass(frozen=True)
class Script:
    """A script and the pictures that it draws again: by the names of the files that it writes, (height, width) or
    (height, width, 3) uint8, None where the lab has not drawn what is in a file. `table` and `beside` are of the run, too: its
    numbers as HTML, and pictures, by what they are called, that the script does not draw."""

    name: str  # of its file
    text: str
    pictures: Mapping[str, np.ndarray | None] = field(default_factory=dict)
    table: str = ""
    beside: Mapping[str, np.ndarray] = field(default_factory=dict)

    @property
    def notebook_name(self) -> str:
        return f"{self.name.removesuffix('.py')}.ipynb"


class Drawing(Protocol):
    """What has a picture, (height, width, 3) uint8."""

    @property
    def picture(self) -> np.ndarray: ...


def drawn(result: Drawing | None) -> dict[str, np.ndarray | None]:
    """The pictures of a script that draws one, as the lab drew it."""
    return {"picture.png": None if result is None else result.picture}


def notebook(script: Script) -> str:
    """The notebook's file, JSON of nbformat 4."""
    tree, lines = ast.parse(script.text), script.text.splitlines()
    about, body = ast.get_docstring(tree) or "", tree.body[1:]
    last = max(index for index, node in enumerate(body) if isinstance(node, ast.Import | ast.ImportFrom))
    head = _without_arguments(_text(lines, body[: last + 1]))
    blocks = [_without_arguments(block) for block in _blocks(lines, body[last + 1 :])]
    if not any("sys." in block for block in blocks):
        head = head.replace("import sys\n", "")
    cells = [
        new_markdown_cell(_title(about, any(picture is not None for picture in script.pictures.values()))),
        new_code_cell(_setup(about, tree, script.text), metadata={"jupyter": {"source_hidden": True}}),
        new_code_cell(head),
        *_cells(blocks, _sampler(about)),
        *_showing(script),
        *_found(script),
    ]
    for number, cell in enumerate(cells):
        cell["id"] = f"cell-{number}"  # not drawn at random: the same script gives the same file
    made = new_notebook(cells=cells, metadata=METADATA)
    nbformat.validate(made)
    return nbformat.writes(made)


METADATA = {
    "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
    "language_info": {"name": "python"},
}


# The script's text, cut


def _text(lines: Sequence[str], nodes: Sequence[ast.stmt]) -> str:
    """The lines of statements that stand together."""
    return "\n".join(lines[_first(nodes[0]) - 1 : nodes[-1].end_lineno])


def _first(node: ast.stmt) -> int:
    decorators = getattr(node, "decorator_list", [])
    return min([node.lineno, *(one.lineno for one in decorators)])


def _blocks(lines: Sequence[str], nodes: Sequence[ast.stmt]) -> list[str]:
    """Statements that no blank line parts, with the comments above them."""
    found: list[str] = []
    begin = (nodes[0].lineno if nodes else 1) - 1
    for node, after in zip(nodes, [*nodes[1:], None]):
        end = node.end_lineno or node.lineno
        if after is None or not all(line.strip() for line in lines[end : _first(after) - 1]):
            while begin > 0 and lines[begin - 1].startswith("#"):
                begin -= 1
            found.append("\n".join(lines[begin:end]))
            begin = _first(after) - 1 if after is not None else end
    return found


def _without_arguments(code: str) -> str:
    """A notebook has no command line: what may be given there is what is there if nothing is."""
    code = re.sub(r'Path\(sys\.argv\[\d\] if len\(sys\.argv\) > \d else (".*?")\)', r"Path(\1)", code)
    return re.sub(r"sys\.argv\[\d\] if len\(sys\.argv\) > \d else ", "", code)


# Cells


def _cells(blocks: Sequence[str], sampler: str) -> Iterator[nbformat.NotebookNode]:
    """Code, and what is said before it. A block with nothing to be said goes with a short one before it."""
    left, code = [*SECTIONS, _step(sampler)], ""
    for block in blocks:
        now = [section for section in left if re.search(section.code, block, re.MULTILINE)]
        left = [section for section in left if section not in now]
        if now or code.count("\n") >= FEW_LINES:
            yield from _code(code)
            yield from (_words(section, block) for section in now)
            code = block
        else:
            gap = (
                "\n\n\n"
                if re.match(r"def |class ", block) or re.search(r"^(def|class) ", code, re.MULTILINE)
                else "\n\n"
            )
            code = f"{code}{gap}{block}" if code else block
    yield from _code(code)


def _code(code: str) -> Iterator[nbformat.NotebookNode]:
    if code:
        yield new_code_cell(code)


def _words(section: Section, code: str) -> nbformat.NotebookNode:
    larger = f" {LARGER}" if section is SETTINGS and "NEGATIVE" in code and "MODEL" in code else ""
    equation = f"\n\n$${section.latex}$$" if section.latex else ""
    paper = f"\n\n{section.paper}" if section.paper else ""
    return new_markdown_cell(f"## {section.title}\n\n{section.words}{larger}{equation}{paper}")


def _step(sampler: str) -> Section:
    """What is said of the loop: the step of the script's sampler."""
    row, equation = SAMPLERS[sampler], EQUATIONS[sampler]
    paper = f"[{row.paper}](https://arxiv.org/abs/{row.arxiv}), {equation.place}"
    return Section(STEPS, f"Step by step: {row.title}", f"{NOTATION}\n\n{equation.words}", equation.latex, paper)


def _sampler(about: str) -> str:
    """The sampler that a script names in its first lines; DDIM where it names none."""
    words = " ".join(about.split())
    named = [
        row
        for row in SAMPLERS.values()
        if re.search(rf"(, {re.escape(row.title)}:|sampler is {re.escape(row.title)},)", words)
    ]
    return named[0].name if named else "ddim"


def _title(about: str, shown: bool) -> str:
    """The script's own words about itself, without those on how to call it."""
    first, *more = [" ".join(part.split()) for part in about.split("\n\n") if not part.startswith("    ")]
    title = re.sub(r" \([^()]*https?://[^()]*(\([^()]*\))?[^()]*\)", "", first).partition(": ")[0].rstrip(".")
    said = [first.removeprefix(f"{title}: "), *more] if first.rstrip(".") != title else more
    said = [re.sub(r"\b(Run it in|It writes)\b[^.]*(\.png[^.]*)*\.( |$)", "", part).strip() for part in said]
    after = "The cells draw again what Diffusion Lab drew, by a script of the same lines."
    if shown:
        after += " The pictures at the end are the lab's own of that run; run all cells, and they are drawn anew."
    return "\n\n".join([f"# {title}", *(f"{part[0].upper()}{part[1:]}" for part in said if part), after])


# What a notebook needs besides


def _setup(about: str, tree: ast.Module, text: str) -> str:
    """The first cell."""
    install = re.search(r"pip install (.*)", about)
    modules = {
        name.partition(".")[0]
        for node in tree.body
        for name in (
            [one.name for one in node.names] if isinstance(node, ast.Import)
            else [node.module or ""] if isinstance(node, ast.ImportFrom)
            else []
        )
    } & {"PIL", "diffusers", "numpy", "safetensors", "skimage", "torch", "transformers"}  # fmt: skip
    by_package = {PACKAGES.get(name, name): name for name in sorted(modules)}
    for package in install[1].split() if install else ():
        by_package.setdefault(package, {value: key for key, value in PACKAGES.items()}.get(package, package))
    return setup({module: package for package, module in sorted(by_package.items())}, in_the_lab="assets/" in text)


def setup(needed: Mapping[str, str], *, in_the_lab: bool) -> str:
    """Code that installs packages, by their modules, where these are missing; and goes to the lab's folder."""
    rows = "".join(f'    "{module}": "{package}",\n' for module, package in needed.items())
    code = f"""\
# What is missing is installed, as on a machine of Colab; nothing else is touched.
import importlib.util
import os
import subprocess
import sys
from pathlib import Path

needed = {{
{rows}}}
missing = [package for module, package in needed.items() if importlib.util.find_spec(module) is None]
if missing:
    subprocess.run([sys.executable, "-m", "pip", "install", "--quiet", *missing], check=True)
"""
    return code + LAB if in_the_lab else code.replace("import os\n", "").replace("from pathlib import Path\n", "")


LAB = """
LAB = Path.cwd()  # the lab's folder or one inside it; name it here if this notebook lies elsewhere
found = [folder for folder in (LAB, *LAB.parents) if (folder / "assets" / "models").is_dir()]
if not found:
    raise FileNotFoundError("This is not Diffusion Lab's folder. Set LAB, above, to the one that has assets in it.")
os.chdir(found[0])"""


def _showing(script: Script) -> Iterator[nbformat.NotebookNode]:
    """The last cell, which shows the files that were written. There is none where only numbers are printed."""
    names = list(script.pictures)
    if not names:
        return
    where = 'f"{FOLDER}/{name}"' if re.search(r"\.save\(FOLDER", script.text) else "name"
    code = dedent(f"""\
        from IPython import display

        for name in {names!r}:
            display.display(display.Image({where}, width={SHOWN}))""").replace("'", '"')
    yield new_markdown_cell("## What came of it")
    known = [picture for picture in script.pictures.values() if picture is not None]
    yield new_code_cell(code, outputs=[_output(picture) for picture in known])


def _found(script: Script) -> Iterator[nbformat.NotebookNode]:
    """What the run has besides: text, with its pictures in it."""
    if not (script.table or script.beside):
        return
    names = [f"{name}.png" for name in script.beside]
    shown = "\n\n".join(f"![{name}](attachment:{name}) {name.removesuffix('.png')}" for name in names)
    cell = new_markdown_cell("\n\n".join(filter(None, ["## What the lab found", script.table, shown])))
    if names:
        cell["attachments"] = {f"{name}.png": {"image/png": _png(picture)} for name, picture in script.beside.items()}
    yield cell


def _png(picture: np.ndarray) -> str:
    stream = io.BytesIO()
    Image.fromarray(picture).save(stream, "PNG")
    return base64.b64encode(stream.getvalue()).decode()


def _output(picture: np.ndarray) -> nbformat.NotebookNode:
    data = {
        "image/png": _png(picture),
        "text/plain": "<IPython.core.display.Image object>",
    }
    return new_output("display_data", data, metadata={"image/png": {"width": SHOWN}})
