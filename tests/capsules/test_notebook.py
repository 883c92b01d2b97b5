"""Exported notebooks: a script's own lines, with its equations between them and the lab's pictures as outputs."""

import ast
import base64
import importlib.util
import io
import re
import subprocess
from pathlib import Path

import nbformat
import numpy as np
import pytest
from PIL import Image

from lab.backends.local import LocalBackend
from lab.capsules.invention_script import invention_script
from lab.capsules.latents_script import latents_script
from lab.capsules.notebook import Script, drawn, notebook
from lab.capsules.notebook_sections import SECTIONS
from lab.capsules.script import write
from lab.requests.fields import Condition, Forward
from lab.requests.invention import Invention, InventionRequest, Machine
from lab.requests.latents import Decoding, Encoding, ExampleLatents, LatentLane, LatentRequest
from lab.requests.sampling import LaneResult, LaneSettings, SamplingRequest
from lab.settings import Settings
from tests.capsules.corpus import LARGE, scripts
from tests.notebooks import code_of, run_here, run_in_a_kernel

SCRIPTS = scripts()
CLOSE = 2  # grey levels, as of scripts


def made(script):
    return nbformat.reads(notebook(script), as_version=4)


def pictures_of(cell):
    """The pictures among a cell's outputs."""
    data = [
        base64.b64decode(output.data["image/png"]) for output in cell.outputs if output.output_type == "display_data"
    ]
    return [np.asarray(Image.open(io.BytesIO(one))).astype(int) for one in data]


@pytest.fixture(scope="module")
def notebooks():
    return {name: made(Script(f"{name}.py", text)) for name, text in SCRIPTS.items()}


def test_every_kind_of_script_is_a_notebook_of_the_same_lines(notebooks):
    for name, book in notebooks.items():
        nbformat.validate(book)
        first, *cells = code_of(book)
        assert "pip" in first and "sys.argv" not in "".join(cells), name
        plain = re.sub(r"sys\.argv\[\d\] if len\(sys\.argv\) > \d else ", "", SCRIPTS[name])
        wanted = ast.parse(plain).body[1:]
        if "sys." not in plain.partition("import sys")[2]:
            wanted = [node for node in wanted if ast.unparse(node) != "import sys"]
        assert ast.dump(ast.Module(wanted, [])) == ast.dump(ast.parse("\n".join(cells))), name


def test_every_notebook_has_equations_and_every_section_its_notebook(notebooks):
    said = {
        name: [cell.source for cell in book.cells if cell.cell_type == "markdown"] for name, book in notebooks.items()
    }
    for name, words in said.items():
        assert words[0].startswith("# ") and "https" not in words[0].splitlines()[0], name
        assert any("$$" in text for text in words), name
        titles = [text.splitlines()[0] for text in words]
        assert len(set(titles)) == len(titles) > 2, name
        assert all(text.count("$") % 2 == 0 and "  " not in text for text in words), name
    everything = {text.splitlines()[0] for words in said.values() for text in words}
    assert {f"## {section.title}" for section in SECTIONS} <= everything


def test_a_latent_model_says_which_line_makes_it_larger(notebooks):
    assert "MODEL` is the one line to change" in "".join(cell.source for cell in notebooks["text-to-image, ddim"].cells)
    assert "one line to change" not in "".join(cell.source for cell in notebooks["short"].cells)


def test_the_same_script_gives_the_same_file():
    script = Script("lane.py", SCRIPTS["short"], {"picture.png": LARGE})
    assert notebook(script) == notebook(script) and script.notebook_name == "lane.ipynb"


def test_the_first_cell_installs_what_is_missing_and_finds_the_lab(notebooks, tmp_path, monkeypatch):
    first, called = code_of(notebooks["text-to-image, ddim"])[0], []
    found = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name == "diffusers" else found(name))
    monkeypatch.setattr(subprocess, "run", lambda command, check: called.append(command))
    inside = tmp_path / "lab" / "deep"
    (tmp_path / "lab" / "assets" / "models").mkdir(parents=True)
    inside.mkdir()
    monkeypatch.chdir(inside)
    exec(first, {})
    assert [command[-1] for command in called] == ["diffusers"]
    assert (inside.parent / "assets").exists() and Path.cwd() == tmp_path / "lab"
    monkeypatch.chdir(tmp_path)
    with pytest.raises(FileNotFoundError, match="Set LAB, above"):
        exec(first, {})


def test_what_the_run_found_besides_stands_at_the_end():
    (table, grey) = ("<table><tr><td>4.5 nats</td></tr></table>", LARGE[..., 0])
    script = Script("bound.py", SCRIPTS["bound"], table=table, beside={"decoded": LARGE, "nats": grey})
    last = made(script).cells[-1]
    assert table in last.source and "attachment:nats.png" in last.source
    png = base64.b64decode(last.attachments["decoded.png"]["image/png"])
    assert np.array_equal(np.asarray(Image.open(io.BytesIO(png))), LARGE)


# Run


@pytest.fixture(scope="module")
def backend():
    return LocalBackend(Settings(device="cpu", dtype="float32", cpu_engine="torch"))


def sampled(backend):
    request = SamplingRequest(
        model="text-to-image", forward=Forward(schedule="scaled_linear"), condition=Condition(prompt="red apple"),
        lanes=(LaneSettings(sampler="dpmpp_2m", steps=4, seed=3, guidance_scale=3),),
    )  # fmt: skip
    (result,) = [event for event in backend.run(request) if isinstance(event, LaneResult)]
    return Script("lane.py", write(request, 0), drawn(result))


def invented(backend):
    request = InventionRequest(machines=(Machine(kind="local"),), seeds=(5,), steps=3, group="symbols")
    (result,) = [event for event in backend.run(request) if isinstance(event, Invention)]
    return Script("memory.py", invention_script(request, 0), drawn(result))


def decoded(backend):
    request = LatentRequest(
        picture=LARGE, lanes=[LatentLane(kind="noise", log_snr=1.0), LatentLane(kind="only", channel=1)]
    )
    events = list(backend.run(request))
    encodings = {event.index: event for event in events if isinstance(event, Encoding)}
    (known,) = [event for event in events if isinstance(event, ExampleLatents)]
    pictures = {f"latents-{event.lane:03}.png": event.picture for event in events if isinstance(event, Decoding)}
    return Script("latents.py", latents_script(request, encodings, known), pictures)


@pytest.mark.parametrize("make", [sampled, invented, decoded])
def test_its_outputs_are_the_labs_and_its_cells_draw_them_again(make, backend, tmp_path):
    book = made(make(backend))
    before = pictures_of(book.cells[-1])
    shown, _ = run_here(book, tmp_path)
    again = [np.asarray(Image.open(io.BytesIO(one.data))).astype(int) for one in shown]
    assert len(again) == len(before) > 0
    for was, now in zip(before, again, strict=True):
        assert was.std() > 5 and np.abs(was - now).max() <= CLOSE


def test_a_kernel_runs_one_from_top_to_bottom(backend, tmp_path):
    request = SamplingRequest(
        model="exact-32", condition=Condition(prompt="apple"), lanes=(LaneSettings(steps=5, seed=2),)
    )
    (result,) = [event for event in backend.run(request) if isinstance(event, LaneResult)]
    book = made(Script("lane.py", write(request, 0), drawn(result)))
    (was,), (now,) = (pictures_of(one.cells[-1]) for one in (book, run_in_a_kernel(book, tmp_path)))
    assert np.abs(was - now).max() <= CLOSE
