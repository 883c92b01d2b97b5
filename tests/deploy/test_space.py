"""The repository as a Hugging Face Space: its front matter and files, and starts in what a Space gives an app.

A CPU Space runs `python app.py` with its own variables in the environment. On ZeroGPU the `spaces` package changes torch,
so that the app believes in a GPU, and asks a service of the Space's host for one at each decorated call; here stands a
service that has none to give.
"""

import http.server
import re
import subprocess
import threading
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import gradio
import httpx
import pytest
import yaml
from packaging.requirements import Requirement

from lab.catalog import MODELS
from tests.deploy.running import press, running

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text()
FRONT = yaml.safe_load(README.split("---\n")[1])
NEEDS = {
    one.name: one
    for one in (Requirement(line.partition("#")[0]) for line in (ROOT / "requirements.txt").read_text().splitlines()
                if line.partition("#")[0].strip())
}  # fmt: skip
COLOURS = {"red", "yellow", "green", "blue", "indigo", "purple", "pink", "gray"}
LARGEST = 10_000_000  # bytes of a file that the hub takes outside its large-file storage
SPACE = {
    "SPACE_ID": "somebody/diffusion-lab",
    "SPACE_HOST": "somebody-diffusion-lab.hf.space",
    "SPACE_AUTHOR_NAME": "somebody",
    "SPACE_REPO_NAME": "diffusion-lab",
    "SPACE_TITLE": "Diffusion Lab",
    "SYSTEM": "spaces",
    "GRADIO_SERVER_NAME": "0.0.0.0",
    "GRADIO_ALLOW_FLAGGING": "never",
    "GRADIO_NUM_PORTS": "1",
    "GRADIO_THEME": "huggingface",
    "HF_HUB_OFFLINE": "1",
    "CPU_CORES": "2",
    "MEMORY": "16Gi",
}


# The repository


def test_front_matter_is_what_a_space_reads():
    assert FRONT["sdk"] == "gradio" and FRONT["app_file"] == "app.py" and (ROOT / "app.py").exists()
    assert len(FRONT["short_description"]) <= 60 and FRONT["title"] and FRONT["license"] == "apache-2.0"
    assert {FRONT["colorFrom"], FRONT["colorTo"]} <= COLOURS
    assert len(FRONT["emoji"]) == 1 and FRONT["pinned"] is False


def test_the_space_gets_the_gradio_that_is_tested_here():
    lowest = next(one.version for one in NEEDS["gradio"].specifier if one.operator == ">=")
    assert FRONT["sdk_version"] == gradio.__version__ and FRONT["sdk_version"].startswith(lowest)
    assert NEEDS["gradio"].specifier.contains(FRONT["sdk_version"])


def test_python_is_one_that_the_house_and_zerogpu_take():
    assert isinstance(FRONT["python_version"], str)  # 3.10 would be read as 3.1
    minor = int(FRONT["python_version"].split(".")[1])
    assert minor >= int(re.search(r'requires-python = ">=3\.(\d+)"', (ROOT / "pyproject.toml").read_text())[1])
    assert FRONT["python_version"] in ("3.10", "3.12")  # ZeroGPU's


def test_torch_may_be_one_that_zerogpu_takes():
    """Of what ZeroGPU lists: 2.8 to 2.11."""
    assert all(NEEDS["torch"].specifier.contains(f"2.{minor}.0") for minor in range(8, 12))


def test_nothing_needs_large_file_storage():
    tracked = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    sizes = {name: (ROOT / name).stat().st_size for name in tracked.split("\0") if name and (ROOT / name).is_file()}
    assert len(sizes) > 100 and (large := {name for name, size in sizes.items() if size >= LARGEST}) == set(), large


# A CPU Space


def drawn(app, model, steps):
    """How a run of one lane on a model ended; its group, prompt and schedule are the model's first."""
    tab = app.tab
    values = {row[0]: "" for row in tab.lanes[1:]} | dict(
        zip(tab.lanes[0], ("ddim", steps, 0, "trailing"), strict=True)
    )
    values |= {tab.controls["Model"]: model, tab.controls["Group"]: "", tab.controls["Prompt"]: ""}
    values[tab.controls["Schedule"]] = MODELS[model].schedules[0]
    return press(app, tab.run, tab.data(values))


def test_a_cpu_space_starts_and_draws(tmp_path):
    """From every address, since the Space's proxy comes from outside, and though nothing can be written at home."""
    log = tmp_path / "log"
    with running(log, **SPACE, HOME="/proc/none", XDG_CACHE_HOME="", TMPDIR=str(tmp_path)) as app:
        page = httpx.get(app.url, headers={"Host": SPACE["SPACE_HOST"], "X-Forwarded-Proto": "https"}, timeout=60)
        assert page.status_code == 200 and "Diffusion Lab" in page.text
        assert "http://0.0.0.0" in log.read_text()
        for model in ("exact", "text-to-image"):
            answer = drawn(app, model, 3)
            assert answer.success and "data:image/png;base64" in str(answer.data), answer


# ZeroGPU


class NoGpu(http.server.BaseHTTPRequestHandler):
    """What a Space's host answers while no GPU is free: well begun, and not now."""

    asked: list[str]

    def do_POST(self):
        self.asked.append(self.path)
        self.send_response(200 if self.path == "/startup-report" else 503)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_):
        """Nothing on the console."""


@pytest.fixture
def host():
    """The address of a host without a GPU, and what it is asked."""
    handler = type("Handler", (NoGpu,), {"asked": []})
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}", handler.asked
        server.shutdown()


def test_a_zerogpu_space_starts_draws_and_asks_for_a_gpu(tmp_path, host):
    """With the `spaces` package as it is on ZeroGPU: what needs no network is drawn on the CPU, and what does asks for as
    many seconds as its work was counted to take."""
    address, asked = host
    log = tmp_path / "log"
    zero = {
        "SPACES_ZERO_GPU": "true",
        "SPACES_ZERO_DEVICE_API_URL": address,
        "ZEROGPU_OFFLOAD_DIR": str(tmp_path / "z"),
    }
    with running(log, **SPACE, **zero, HOME=str(tmp_path), TMPDIR=str(tmp_path)) as app:
        assert "/startup-report" in asked  # what was placed is packed
        answer = drawn(app, "exact", 3)
        assert answer.success and "data:image/png;base64" in str(answer.data), answer
        seconds = []
        for steps in (3, 900):
            refused = drawn(app, "text-to-image", steps)
            assert refused.success and "No GPU was available" in refused.text, refused
            (query,) = (parse_qs(urlsplit(path).query) for path in asked[-1:])
            seconds.append(int(query["durationSeconds"][0]))
        assert 0 < seconds[0] < seconds[1]
