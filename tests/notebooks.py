"""Running notebooks: in this interpreter, which has imported all that they need, or in a kernel of their own."""

import contextlib
import io
import os
from pathlib import Path

import nbformat
import numpy as np
import pytest
import torch
from IPython import display
from nbclient import NotebookClient
from PIL import Image

ROOT = Path(__file__).resolve().parent.parent


def assert_written(room, request, events, folder, close=1):
    """The pictures that a room gives a notebook are, to so many grey levels, all those that the room's script wrote."""
    outcome = room.outcome(request)
    for event in events:
        outcome.add(event)
    given = room.written(outcome)
    assert given.keys() == {file.name for file in folder.glob("*.png")} != set()
    for name, picture in given.items():
        again = np.asarray(Image.open(folder / name)).astype(int)
        assert again.shape == picture.shape and np.abs(again - picture).max() <= close, name


def lab_folder(folder):
    """A folder that is the lab's to a notebook, in which it may write."""
    if not (folder / "assets").exists():
        (folder / "assets").symlink_to(ROOT / "assets")
    return folder


def code_of(notebook):
    """The text of its cells of code."""
    return [cell.source for cell in notebook.cells if cell.cell_type == "code"]


def run_here(notebook, folder):
    """Run all cells in this interpreter, in the lab's folder. The objects that were displayed, and what was printed."""
    shown, printed, names, here = [], io.StringIO(), {"__name__": "__main__"}, Path.cwd()
    with pytest.MonkeyPatch.context() as patch, contextlib.redirect_stdout(printed), torch.enable_grad():
        patch.setattr(display, "display", lambda *objects, **how: shown.extend(objects))
        patch.chdir(lab_folder(folder))
        try:
            for number, source in enumerate(code_of(notebook)):
                exec(compile(source, f"cell {number}", "exec"), names)
        finally:
            os.chdir(here)
            torch.set_grad_enabled(True)
    return shown, printed.getvalue()


def run_in_a_kernel(notebook, folder, timeout_s=600):
    """The notebook with the outputs of a kernel of its own, started in the lab's folder."""
    run = nbformat.from_dict(notebook)
    NotebookClient(run, timeout=timeout_s, resources={"metadata": {"path": str(lab_folder(folder))}}).execute()
    return run
