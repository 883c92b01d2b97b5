"""Links, files, pictures and recordings of an earlier lab still open, and give the settings that they had.

`tests/fixtures/before/README.md` says how they were made. The page is handled as a visitor does, by its labels and
buttons, so that nothing here depends on how the lab is built.
"""

import base64
import io
import json
import re
from hashlib import sha256
from html import unescape
from pathlib import Path
from types import SimpleNamespace

import gradio as gr
import numpy as np
import pytest
from PIL import Image

from lab.backends.local import LocalBackend
from lab.requests.base import LabError
from lab.settings import Settings
from lab.ui import build
from lab.ui.shell.media import data_uri

BEFORE = Path(__file__).parent / "fixtures" / "before"
SETTINGS = json.loads((BEFORE / "settings.json").read_text("utf-8"))
LINKS = json.loads((BEFORE / "links.json").read_text("utf-8"))
FILES = sorted(path.name for path in BEFORE.iterdir() if path.stem in SETTINGS)
RECORDINGS = [name for name in FILES if name.endswith(".steps")]
CONTROLS = gr.Textbox, gr.Number, gr.Slider, gr.Dropdown, gr.Radio, gr.Checkbox


class Backend(LocalBackend):
    """Keeps the requests that it gets, and computes no runs."""

    def __init__(self):
        super().__init__(Settings())
        self.requests = []

    def run(self, request, *more):
        self.requests.append(request)
        if request.load().lanes:
            raise LabError("not computed")
        return super().run(request, *more)


class Page:
    """The whole page with what a visitor does to it."""

    def __init__(self):
        self.backend, self.values = Backend(), {}
        self.blocks = build(self.backend, Settings())

    def part(self, elem_id):
        return next(part for part in self.blocks.blocks.values() if part.elem_id == elem_id)

    def value(self, part):
        return self.values.get(part, part.value)

    def handler(self, elem_id, event):
        """What the page calls when this happens to the element."""
        return next(one for one in self.blocks.fns.values() if (self.part(elem_id)._id, event) in one.targets)

    def open(self, update):
        """The page as it comes, with the update of a handler."""
        self.values = {}
        self.update(update)

    def update(self, update):
        for part, change in update.items():
            if not (isinstance(change, dict) and "__type__" in change):
                self.values[part] = change
            elif "value" in change:
                self.values[part] = change["value"]

    def open_link(self, code):
        self.backend.requests.clear()
        link = self.part("lab-code")
        self.open(next(one for one in self.blocks.fns.values() if link in one.inputs).fn(code))

    def open_file(self, path):
        """Drop a file on the page and press Restore."""
        self.backend.requests.clear()
        self.open(self.handler("lab-open", "upload").fn(str(path)))
        restore = self.handler("lab-restore", "click")
        self.update(restore.fn(*map(self.value, restore.inputs)))

    def run(self, tab):
        """Press Run; returns the request that comes of it."""
        run = self.handler(f"{tab}-run", "click")
        list(run.fn({part: self.value(part) for part in run.inputs}, SimpleNamespace(session_hash="visitor")))
        return self.backend.requests[-1]

    def finished(self):
        """The pictures of the Samplers tab."""
        uris = re.findall(r'src="(data:image/png;base64,[^"]+)"', self.value(self.part("samplers-stage")))
        return list(map(picture_in, uris))

    def noise(self):
        """The first frame of each of them, as the page replays it."""
        found = re.search(r'data-frames="([^"]+)"', self.value(self.part("samplers-stage")))
        for track in json.loads(unescape(found.group(1)))["pictures"].values():
            yield picture_in(track["sheet"])[: track["height"], : track["width"]]

    def controls(self, tab):
        """Label -> what the tab's controls of that label have, in the order of the page."""
        found = {}
        for part in within(self.part(f"tab-{tab}")):
            if isinstance(part, CONTROLS):
                found.setdefault(part.label, []).append(self.value(part))
        return found

    def facts(self, tab):
        """What the page has of settings that were opened: controls, pictures, and the run that comes of them."""
        controls = {"tab": tab, "controls": self.controls(tab)}
        if tab == "noising":  # painted at once
            gallery = self.value(self.part("noising-examples"))
            example = re.findall(r'aria-pressed="true" title="([^"]+)"', gallery)
            return controls | {"example": example or digest(self.backend.requests[0].picture)}
        request = self.run(tab)
        run = {"model": request.model, "lanes": request.load().lanes, "steps": request.load().steps}
        if hasattr(request, "picture"):
            return controls | {"run": run, "picture": digest(request.picture)}
        run["seeds"] = sorted({lane.seed for lane in request.lanes})
        return controls | {"run": run, "maps": {control.name: digest(control.map) for control in request.controls}}


def within(block):
    """The components in a block, in the order of the page."""
    for child in block.children:
        yield child
        yield from within(child) if hasattr(child, "children") else ()


def picture_in(uri):
    return np.asarray(Image.open(io.BytesIO(base64.b64decode(uri.partition(",")[2]))))


def digest(pixels):
    return f"{pixels.shape[1]} x {pixels.shape[0]}, {sha256(pixels.tobytes()).hexdigest()[:16]}"


@pytest.fixture(scope="module")
def page():
    return Page()


def assert_as_before(page, name):
    """The page has the settings that are written down; there may be controls beside them that came later."""
    before = {key: value for key, value in SETTINGS[name].items() if key != "finished"}
    now = page.facts(before["tab"])
    now["controls"] = {label: now["controls"].get(label) for label in before["controls"]}
    assert now == before


@pytest.mark.parametrize("name", LINKS)
def test_a_link_opens_with_the_settings_that_it_had(page, name):
    page.open_link(LINKS[name])
    assert_as_before(page, name)


@pytest.mark.parametrize("file", FILES)
def test_a_file_opens_with_the_settings_that_it_had(page, file):
    page.open_file(BEFORE / file)
    assert_as_before(page, file.partition(".")[0])


@pytest.mark.parametrize("file", RECORDINGS)
def test_a_recording_replays_to_the_pictures_that_it_had(page, file):
    page.open_file(BEFORE / file)
    finished = SETTINGS[file.partition(".")[0]]["finished"]
    assert sorted(map(digest, page.finished())) == finished
    noise = [digest(picture) for picture in page.noise()]
    assert len(noise) >= len(finished)
    packed = [picture_in(data_uri(picture, moving=True)) for picture in page.finished()]  # as a frame would be
    assert set(noise).isdisjoint(map(digest, packed))
    assert "Recorded on 29 November 2026" in page.value(page.part("samplers-stage"))
