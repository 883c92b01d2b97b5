"""The lab in front of a hostile client: the real app in a process of its own, called past its page.

What is sent is what a page never sends: values of every wrong type and size in every field of every handler, paths in
place of files, addresses of files, bombs. Each call must be answered in words, nothing may be told that is not the
visitor's, and the app's log must hold no traceback.
"""

import io
import json
import re
import secrets
from pathlib import Path

import gradio as gr
import httpx
import numpy as np
import pytest
from fastapi.testclient import TestClient
from gradio.route_utils import delete_files_created_by_app
from PIL import Image

from lab.backends.deferred import Deferred
from lab.settings import Settings
from lab.ui import build
from lab.ui.shell import media
from tests.load.harness import serving

ROOT = Path(__file__).parents[1]
HTML = "<img src=x onerror=alert(1)>"
SECRET = "diffusion-lab-test-secret"  # in a file that nobody may read through the lab
UPLOAD_MB = 2
JSON = {"Content-Type": "application/json"}  # as httpx sends it, but with NaN
LIMITS = {  # so small that whatever gets past the checks is refused by the last of them, or soon done
    "LAB_MAX_LANE_STEPS": "12",
    "LAB_MAX_LANES": "4",
    "LAB_MAX_VISITOR_LANES": "4",
    "LAB_MAX_VISITOR_STEPS": "12",
    "LAB_MAX_UPLOAD_MB": str(UPLOAD_MB),
    "LAB_MAX_UPLOAD_PIXELS": "1000000",
}
FILES = (
    "/etc/passwd",
    "/proc/self/environ",
    "../../../etc/passwd",
    str(ROOT / "app.py"),
    "app.py",
    "C:\\Windows\\win.ini",
)


def file_data(path, **other):
    return {"path": path, "meta": {"_type": "gradio.FileData"}, **other}


HOSTILE = (
    None,
    float("nan"),
    float("inf"),
    -1,
    10**9,
    10**400,
    0.5,
    True,
    "",
    HTML,
    "x" * 1_000_000,
    "1," * 100_000,
    "\ud800\x00",
    "1e999, nan, -0",
    [],
    [1] * 100_000,
    ["ddim"] * 10_000,
    [[[[]]]],
    {},
    {"__type__": "update", "value": HTML},
    {"pick": HTML},
    *(file_data(path) for path in FILES),
    {"path": "/etc/passwd"},
    file_data("x", url="http://127.0.0.1:1/secret"),
    file_data("x", url="file:///etc/passwd"),
)


class Attacker:
    """A client that speaks Gradio's queue protocol and sends what it likes."""

    def __init__(self, server, log):
        self.log, self.tab = log, server.tab
        self.http = httpx.Client(base_url=server.url, timeout=60)
        config = self.http.get("/config").json()
        self.parts = {part["id"]: part for part in config["components"]}
        self.events = [event for event in config["dependencies"] if event["backend_fn"]]

    def first(self, event):
        """What the page sends before anything is touched."""
        return [self.parts[one]["props"].get("value") for one in event["inputs"]]

    def fields(self, event):
        """Positions of the inputs that come from the page; the others stay on the server."""
        return [i for i, one in enumerate(event["inputs"]) if self.parts[one]["type"] != "state"]

    def handlers(self):
        """One event of each handler: those with the same inputs and outputs are presets of one."""
        return list({(*event["inputs"], -1, *event["outputs"]): event for event in self.events}.values())

    def labelled(self, label, event):
        """Position of the input with this label."""
        return next(i for i, one in enumerate(event["inputs"]) if self.parts[one]["props"].get("label") == label)

    def call(self, calls):
        """How each of `calls`, (event, data, event data), has ended, and all that was sent until then."""
        session, ends, sent, ids = secrets.token_hex(6), {}, {}, []
        for event, data, event_data in calls:
            body = {"data": data, "fn_index": event["id"], "session_hash": session, "event_data": event_data}
            joined = self.http.post("/gradio_api/queue/join", content=json.dumps(body), headers=JSON)
            assert joined.status_code == 200, joined.text[:300]
            ids.append(joined.json()["event_id"])
        with self.http.stream("GET", "/gradio_api/queue/data", params={"session_hash": session}) as stream:
            lines = stream.iter_lines()
            while not ends.keys() >= set(ids):
                line = next(lines)
                message = json.loads(line[5:]) if line else {}
                if message.get("event_id"):
                    sent.setdefault(message["event_id"], []).append(line)
                if message.get("msg") == "process_completed":
                    ends[message["event_id"]] = message
        return [(ends[one], "\n".join(sent[one])) for one in ids]

    def upload(self, name, content):
        return self.http.post("/gradio_api/upload", files={"files": (name, content)})

    def spoilt(self, event, turn):
        """The event with every field in its turn hostile, the others as they are."""
        plain = self.first(event)
        for k, index in enumerate(self.fields(event)):
            yield event, [*plain[:index], HOSTILE[(turn + k) % len(HOSTILE)], *plain[index + 1 :]], None


@pytest.fixture(scope="module")
def attacker(tmp_path_factory):
    log = tmp_path_factory.mktemp("safety") / "log"
    with serving(log, **LIMITS, LAB_TEST_SECRET=SECRET) as server:
        yield Attacker(server, log)


@pytest.fixture(autouse=True)
def silent_and_alive(attacker):
    """After every attack the log has no traceback, and a visitor gets a picture."""
    before = attacker.log.stat().st_size
    yield
    log = attacker.log.read_bytes()[before:].decode()
    assert "Traceback" not in log, log[-5000:]
    tab = attacker.tab
    few = {row[0]: "" for row in tab.lanes[1:]} | {tab.lanes[0][0]: "ddim", tab.lanes[0][1]: 3}
    run = next(event for event in attacker.events if event["id"] == tab.run)
    ((end, text),) = attacker.call([(run, tab.data(few), None)])
    assert end["success"] and text.count("data:image/png;base64") >= 1 and "bad" not in notes(text)[-1], notes(text)


def notes(text):
    """The sentences to the visitor in what was sent, with the class they have."""
    return re.findall(r"class=.{0,2}lab-note([^>]*>[^<]*)<", text)


def assert_answered(answers):
    """Each has ended, in words where it failed; nothing of a file, of the machine, or of raw markup is in it."""
    for end, text in answers:
        assert end["success"] or end["output"]["error"], text[:500]
        found = [secret for secret in ("root:x:", SECRET, "Traceback", str(ROOT / "lab"), HTML) if secret in text]
        assert not found, [text[max(0, text.index(one) - 300) :][:600] for one in found]
        assert end["success"] or len(end["output"]["error"]) < 6 * 310  # escaped
    return answers


def chunks(items, size):
    return [items[i : i + size] for i in range(0, len(items), size)]


def test_every_field_of_every_handler_takes_anything(attacker):
    calls = []
    for event in attacker.handlers():
        calls += attacker.spoilt(event, len(calls))
    assert len(calls) > 200
    for some in chunks(calls, 100):
        assert_answered(attacker.call(some))


def test_run_and_click_of_every_tab_take_anything(attacker):
    """The handlers that matter most meet every hostile value at every place that a script of the page fills."""
    clicks = [event for event in attacker.events if event["targets"] and event["targets"][0][1] in ("click", "input")]
    on_html = {k for k, part in attacker.parts.items() if part["type"] == "html"}
    scripted = [event for event in clicks if event["targets"][0][0] in on_html]
    assert len(scripted) >= 6  # stage, film strip, galleries, editor
    values = [value for value in HOSTILE if not isinstance(value, str) or len(value) < 1000]
    data = [None, [], HTML, *({name: value} for value in values for name in ("pick", "drawn", "joints", "value"))]
    calls = [(event, attacker.first(event), one) for k, event in enumerate(scripted) for one in data[k::4]]
    for some in chunks(calls, 100):
        assert_answered(attacker.call(some))
    wrong = [
        (event, attacker.first(event)[:n], None)
        for event in attacker.handlers()[::5]
        for n in (0, 1)
        if event["inputs"]
    ]
    assert_answered(attacker.call(wrong))


def test_limits_hold_for_direct_calls(attacker):
    """What the page's own fields would not let through meets the same limits behind them, and is told so."""
    run = next(event for event in attacker.events if event["id"] == attacker.tab.run)
    row = attacker.tab.lanes[0]
    alone = {one[0]: "" for one in attacker.tab.lanes[1:]}
    asked = [
        ({row[1]: 10**9}, "must be at most 1000"),
        ({row[1]: 900}, "at most"),
        ({row[1]: -3}, "must be at least 1"),
        ({one[0]: "ddim" for one in attacker.tab.lanes}, "at most"),
        ({attacker.tab.controls["T"]: 10**6}, "must be at most 4000"),
        ({attacker.tab.controls["Prompt"]: "x" * 301}, "at most 300 characters"),
    ]
    for values, words in asked:
        ((end, text),) = assert_answered(attacker.call([(run, attacker.tab.data(alone | values), None)]))
        assert end["success"] and words in notes(text)[-1] and "bad" in notes(text)[-1], (values, notes(text))
    seed = attacker.tab.controls["Seed"]
    ((end, _),) = attacker.call([(run, attacker.tab.data({seed: -1}), None)])
    assert not end["success"] and "from 0 up" in end["output"]["error"]


def test_a_prompt_of_markup_is_shown_as_text(attacker):
    run = next(event for event in attacker.events if event["id"] == attacker.tab.run)
    fields = {attacker.tab.controls["Prompt"]: HTML, attacker.tab.controls["Group"]: ""}
    few = {row[0]: "" for row in attacker.tab.lanes[1:]} | {attacker.tab.lanes[0][1]: 3}
    ((_, text),) = assert_answered(attacker.call([(run, attacker.tab.data(fields | few), None)]))
    assert "&lt;img" in text  # the answer names the words that it found no picture for


@pytest.mark.parametrize("path", FILES)
def test_no_file_is_served(attacker, path):
    for address in ("/gradio_api/file=", "/file=", "/gradio_api/file/", "/static/", "/assets/", "/gradio_api/stream/"):
        answer = attacker.http.get(address + path)
        assert answer.status_code in (401, 403, 404, 405), (address, answer.status_code)


def test_it_fetches_nothing_for_others(attacker):
    for address in ("http://127.0.0.1:1/", "https://example.com/", "https://evil.hf.space/", "file:///etc/passwd"):
        assert attacker.http.get(f"/gradio_api/proxy={address}").status_code >= 400


def test_example_pictures_are_served_and_their_neighbours_are_not(attacker):
    examples = ROOT / "assets" / "images"
    assert attacker.http.get(f"/gradio_api/file={examples}/coffee.jpg").status_code == 200
    for beside in ("../models/clip/README.md", "../../app.py", "..%2f..%2fapp.py", "%2e%2e/%2e%2e/app.py"):
        assert attacker.http.get(f"/gradio_api/file={examples}/{beside}").status_code in (403, 404)


def test_uploads_have_a_size(attacker):
    megabyte = b"x" * 1_000_000
    assert attacker.upload("small.png", megabyte).status_code == 200
    assert attacker.upload("large.png", megabyte * (UPLOAD_MB + 1)).status_code == 413


def test_uploaded_bombs_and_rubbish_are_answered_in_words(attacker):
    """By every tab that takes a picture. 100 megapixels in 12 KB would be 300 MB in memory."""
    bomb = io.BytesIO()
    Image.new("1", (10_000, 10_000)).save(bomb, "PNG")
    told = {b"not a picture": "not a picture", b"": "empty", bomb.getvalue(): "too large"}
    takes = [event for event in attacker.handlers() if event["api_name"].startswith("on_upload")]
    assert len(takes) >= 2
    for content, words in told.items():
        path = attacker.upload("../../evil.png", content).json()[0]
        assert ".." not in path
        for event in takes:
            data = attacker.first(event)
            image = next(i for i, one in enumerate(event["inputs"]) if attacker.parts[one]["type"] == "image")
            data[image] = file_data(path)
            ((_, text),) = assert_answered(attacker.call([(event, data, None)]))
            assert words in notes(text)[-1], notes(text)


def test_another_site_cannot_read_answers(attacker):
    for address in ("/config", "/line", "/gradio_api/info"):
        answer = attacker.http.get(address, headers={"Origin": "https://evil.example"})
        assert answer.headers.get("access-control-allow-origin") in (None, "")


def test_queued_handlers_cannot_be_called_past_the_queue(attacker):
    answer = attacker.http.post("/gradio_api/run/on_run", json={"data": [], "session_hash": "x"})
    assert answer.status_code in (404, 422, 500) and "data:image" not in answer.text
    body = {"data": attacker.tab.data({}), "fn_index": attacker.tab.run, "session_hash": "x"}
    answer = attacker.http.post("/gradio_api/run/predict", json=body)
    assert answer.status_code >= 400 and "data:image" not in answer.text


def test_files_for_visitors_go_after_an_hour(monkeypatch):
    """Files that the lab writes, by age; Gradio's own, uploads among them, by `delete_cache` of the page."""
    monkeypatch.setattr(media._Scratch, "SWEEP_EVERY_S", 0)
    scratch_file = media._Scratch().file
    first = media.save_png(np.zeros((8, 8, 3), np.uint8), scratch_file("first.png"), "")
    made = first.parent.stat().st_mtime
    monkeypatch.setattr(media.time, "time", lambda: made + 3599)
    scratch_file("second.png")
    assert first.exists()
    monkeypatch.setattr(media.time, "time", lambda: made + 3601)
    scratch_file("third.png")
    assert not first.exists()


def test_uploads_go_after_an_hour(monkeypatch, tmp_path):
    """The page asks Gradio to look every hour for files an hour old, and what Gradio then does finds an upload."""
    monkeypatch.setenv("GRADIO_TEMP_DIR", str(tmp_path))
    page = build(Deferred(), Settings())
    assert page.delete_cache == (3600, 3600)
    page.max_file_size = None  # else set by launch()
    client = TestClient(gr.routes.App.create_app(page))
    answer = client.post("/gradio_api/upload", files={"files": ("mine.png", b"mine")})
    upload = Path(answer.json()[0])
    assert upload.read_bytes() == b"mine" and upload.is_relative_to(tmp_path)
    delete_files_created_by_app(page, 3600)
    assert upload.exists()
    delete_files_created_by_app(page, -1)
    assert not upload.exists()
