"""The real app on a free port, and a page in headless Chromium that fails the test on any console error."""

import os
import signal
import subprocess
import sys
import time
import urllib.request
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest
from playwright.sync_api import Locator, Page, Request, TimeoutError, expect, sync_playwright

from lab.capsules.capsule import from_link
from lab.ui.shell import ahead
from tests.browser.setup import find
from tests.ports import free_port

ROOT = Path(__file__).parents[2]
SCREENSHOTS = ROOT / ".artifacts"
FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update",
         "--use-fake-device-for-media-stream", "--use-fake-ui-for-media-stream"]  # fmt: skip
WIDE = {"width": 1440, "height": 1000}
START_S = 180  # two cores, perhaps busy


def keep(page: Page, name: str) -> None:
    """A screenshot of the whole page, to look at. Nothing is tested by it: without a GPU, Chromium's own now and then
    waits for a frame that never comes, so one that is not there in a quarter of a minute is left out."""
    SCREENSHOTS.mkdir(exist_ok=True)
    try:
        page.screenshot(path=SCREENSHOTS / f"{name}.png", full_page=True, timeout=15_000)
    except TimeoutError:
        warnings.warn(f"no screenshot of {name}", stacklevel=2)


def fill(control: Locator, text: str) -> None:
    """Type `text` into a control and leave it: again where Gradio, which mounts what an accordion holds when it is opened,
    put its own value over it. Fails after ten seconds."""
    for _ in range(50):
        control.fill(text)
        control.press("Tab")
        control.page.wait_for_timeout(200)
        if control.input_value() == text:
            return
    pytest.fail(f"the control does not keep {text!r}")


FILLED = {  # what a tab without a shelf shows once it has what it opens with; others then have their first run there
    "start": ".start-card button",
    "noising": "#noising-film button img",
    "score": "#score-chart svg",
    "models": "#tab-models table",
    "papers": "#tab-papers article a",
    "notes": "#tab-notes h2",
}
FIRST_S = 180  # that a first run may take: it loads its models


def open_tab(page: Page, tab: str) -> None:
    """Open the tab of this name and wait until it rests: its first run has ended, its film and its charts are there."""
    page.locator(f"#strip-{tab}").click()
    expect(page.locator(FILLED.get(tab, f"#{tab}-shelf li")).first).to_be_visible(timeout=FIRST_S * 1000)
    ended(page, tab)
    expect(page.locator(f"#tab-{tab} :is(.reel.waits, .empty:visible)")).to_have_count(0)
    expect(page.locator(f"#{tab}-replay", has_text="Pause")).to_have_count(0)


def press_preset(page: Page, tab: str, title: str) -> None:
    """Press a preset of the tab that is open, and wait until what the tab said before is gone, so that no end of a run is
    mistaken for this one's."""
    page.locator(f"#{tab}-note .lab-note").first.evaluate("note => { note.id = 'said-before'; }")
    page.locator(f"#{tab}-presets").get_by_role("button", name=title, exact=True).click()
    expect(page.locator("#said-before")).to_have_count(0)
    expect(page.locator(f"#{tab}-presets [aria-pressed=true]")).to_have_text(title)


def ended(page: Page, tab: str) -> None:
    """Wait for the end of the tab's run."""
    page.wait_for_function(
        "tab => document.getElementById(`${tab}-stop`)?.disabled !== false", arg=tab, timeout=FIRST_S * 1000
    )


def stop_at(page: Page, address: "Served", tab: str, words: str) -> None:
    """Press Stop as soon as the note says `words`, while the server rests: a page may lag behind a run that is soon over."""
    page.wait_for_function(
        """([tab, words]) => !document.getElementById(`${tab}-stop`).disabled
          && new RegExp(words).test(document.getElementById(`${tab}-note`).textContent)""",
        arg=[tab, words],
    )
    with address.paused(), page.expect_request(lambda request: request.method == "POST"):
        page.evaluate("tab => document.getElementById(`${tab}-stop`).click()", tab)


def watch_requests(page: Page) -> list[str]:
    """The addresses that the page asks the server for from now on, without what every open page asks by itself: who waits,
    and whether the server is there."""
    requests: list[str] = []
    own = f"/{ahead.ADDRESS}", "/heartbeat"

    def note(request: Request) -> None:
        path = urlsplit(request.url).path
        if request.url.startswith("http") and not any(word in path for word in own):
            requests.append(request.url)

    page.on("request", note)
    return requests


def bring(page: Page, gallery: str, path: Path) -> None:
    """Choose a file of one's own in a gallery of examples."""
    with page.expect_file_chooser() as chooser:
        page.click(f"{gallery} [data-bring=choose]")
    chooser.value.set_files(path)


def wait_for_address(page: Page, name: str, value: object) -> None:
    """Wait until the link in the page's address carries `value` for the control of this name. Fails after a minute."""
    for _ in range(600):
        code = parse_qs(urlsplit(page.url).query).get("c", [""])[0]
        if code and from_link(code).values.get(name) == value:
            return
        page.wait_for_timeout(100)
    pytest.fail(f"the address does not carry {name} = {value!r}: {page.url}")


class Served(str):
    """The address of what is served, with the process that serves it."""

    process: subprocess.Popen[bytes]

    @contextmanager
    def paused(self) -> Iterator[None]:
        """Nothing moves on the server meanwhile: what a page shows of a run stays as it is, however soon the run would end."""
        self.process.send_signal(signal.SIGSTOP)
        try:
            yield
        finally:
            self.process.send_signal(signal.SIGCONT)


@contextmanager
def serving(command: list[str], port: int, log_file: Path, **environment: str) -> Iterator[Served]:
    """The address of what a command of Python serves at a port, from when it answers on; it is ended in the end."""
    log = log_file.open("w+")
    app = subprocess.Popen(
        [sys.executable, *command], cwd=ROOT, stdout=log, stderr=subprocess.STDOUT, env={**os.environ, **environment}
    )
    url = Served(f"http://127.0.0.1:{port}")
    url.process = app
    try:
        deadline = time.monotonic() + START_S
        while True:
            try:
                urllib.request.urlopen(url, timeout=5).close()
                break
            except OSError:
                if app.poll() is not None or time.monotonic() > deadline:
                    log.seek(0)
                    pytest.fail(f"the page did not start:\n{log.read()}")
                time.sleep(0.3)
        yield url
    finally:
        app.terminate()
        app.wait(20)


def stroke(page: Page, selector: str, *corners: tuple[float, float], steps: int = 12) -> None:
    """A stroke of the mouse through points given as fractions of a canvas."""
    canvas = page.locator(selector)
    canvas.scroll_into_view_if_needed()
    at = canvas.bounding_box()
    assert at is not None
    places = [(at["x"] + x * at["width"], at["y"] + y * at["height"]) for x, y in corners]
    page.mouse.move(*places[0])
    page.mouse.down()
    for place in places[1:]:
        page.mouse.move(*place, steps=steps)
    page.mouse.up()


@pytest.fixture(scope="session")
def address(tmp_path_factory):
    """The address of a lab started as the README says, without a network."""
    port, log = free_port(), tmp_path_factory.mktemp("app") / "log"
    with serving(["app.py"], port, log, LAB_PORT=str(port), LAB_CPU_ENGINE="openvino") as url:
        yield url


@pytest.fixture(scope="session")
def browser():
    with sync_playwright() as playwright:
        # Scrollbars as on Windows and Linux: Playwright hides them, and with them what does not fit.
        browser = playwright.chromium.launch(
            executable_path=find(), args=FLAGS, ignore_default_args=["--hide-scrollbars"]
        )
        yield browser
        browser.close()


class Visit:
    """A page of the lab at 1440 px whose console must stay silent; opened when it is asked for."""

    def __init__(self, browser):
        self.browser, self.page, self.errors = browser, None, []

    def open(self, address):
        """The page, opened there if there is none; at its size again, and at its top."""
        if self.page is None:
            self.page = self.browser.new_page(viewport=WIDE)
            self.page.set_default_timeout(60_000)
            self.page.on("console", lambda said: self.errors.append(said.text) if said.type == "error" else None)
            self.page.on("pageerror", lambda error: self.errors.append(error.stack or str(error)))
            self.page.goto(address)
        self.page.set_viewport_size(WIDE)
        self.page.evaluate("scrollTo(0, 0)")
        return self.page

    def check(self, test):
        """What was wrong on the console, once; of a test that failed a screenshot is kept, and the next page is a new one."""
        self.page.evaluate("new Promise((done) => setTimeout(done))")  # what it has said until now has come
        errors, self.errors = self.errors, []
        if errors or test.stash.get(FAILED, False):
            keep(self.page, test.name)
            self.close()
        return errors

    def close(self):
        if self.page is not None:
            self.page.close()
            self.page = None


FAILED = pytest.StashKey[bool]()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item, call):
    report = yield
    if report.failed:
        item.stash[FAILED] = True
    return report


@pytest.fixture
def opens():
    """What the address of a page ends with, for a module to say."""
    return ""


@pytest.fixture(scope="module")
def visit(browser):
    visit = Visit(browser)
    yield visit
    visit.close()


@pytest.fixture
def page(browser, address, opens, visit, request):
    """A page of the lab for this test alone; of those marked `same_page` a module has one, since to open one takes seconds.
    They read, or set first whatever they go by."""
    same = request.node.get_closest_marker("same_page")
    own = visit if same else Visit(browser)
    yield own.open(address + opens)
    errors = own.check(request.node)
    if not same:
        own.close()
    assert not errors
