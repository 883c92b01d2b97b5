"""The start: behind proxies, on any address, below a path; and one sentence where a setting does not fit."""

import errno
import os
import re
import socket
import subprocess
import sys

import httpx
import pytest

import app as entry
from lab import launching
from lab.settings import Settings
from tests.deploy.running import ROOT, clean, running
from tests.ports import free_port

NOWHERE = "http://127.0.0.1:9"  # a proxy that nobody runs


@pytest.fixture(autouse=True)
def bare(monkeypatch):
    for name in os.environ.keys() - clean().keys():
        monkeypatch.delenv(name)


@pytest.fixture
def used():
    """A port of this machine that somebody listens on."""
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        listening.listen()
        yield listening.getsockname()[1]


@pytest.fixture
def free():
    return free_port()


def refusal(ask):
    with pytest.raises(SystemExit) as ended:
        ask()
    return ended.value.code


# Settings


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("PORT", "0", "'0', but should be greater than or equal to 1"),
        ("PORT", "65536", "'65536', but should be less than or equal to 65535"),
        ("PORT", "http", "'http', but should be a valid integer"),
        ("BACKEND", "gpu", "'gpu', but should be 'auto', 'local', 'zerogpu' or 'ray'"),
        ("DEVICE", "gpu", "'gpu', but should be one of: auto, cpu, mps, cuda or cuda:N"),
        ("OFFLINE", "maybe", "'maybe', but should be a valid boolean"),
        ("HOST_BUDGET_GB", "nan", "'nan', but should be greater than 0"),
        ("MAX_UPLOAD_MB", "inf", "'inf', but should be a finite number"),
        ("ALLOWED_MODELS", "a/b, c d", "'a/b, c d', but should be hub models as OWNER/NAME or OWNER/NAME@REVISION, "
                                       "comma-separated; 'c d' is none"),
        ("ALLOWED_MODELS", "unclip:a b", "'unclip:a b', but should be hub models as OWNER/NAME or OWNER/NAME@REVISION, each behind unclip:, "
                                         "or unclip:/FOLDER, comma-separated; 'unclip:a b' is none"),
        ("ALLOWED_MODELS", "unclip:/not/there", "'unclip:/not/there', but should name folders with a model_index.json behind unclip:; "
                                                "'/not/there' is none"),
        ("ALLOWED_MODELS", "/not/there", "'/not/there', but should be hub models as OWNER/NAME or OWNER/NAME@REVISION, "
                                         "comma-separated; '/not/there' is none"),
    ],
)  # fmt: skip
def test_a_value_that_does_not_fit_is_one_sentence(monkeypatch, name, value, words):
    monkeypatch.setenv(f"LAB_{name}", value)
    assert refusal(launching.read_settings) == f"LAB_{name} is {words}."


def test_every_variable_is_refused_in_words_or_taken(monkeypatch):
    """Whatever its type: with a value that is hardly right for any. Empty is as if it were not set."""
    for name, field in Settings.model_fields.items():
        with monkeypatch.context() as one:
            one.setenv(f"LAB_{name.upper()}", "")
            assert getattr(launching.read_settings(), name) == field.default
            one.setenv(f"LAB_{name.upper()}", "-?-")
            if name not in ("host", "ray_address", "cache_dir"):
                assert re.fullmatch(rf"LAB_{name.upper()} is '-\?-', but should .+\.", refusal(launching.read_settings))


def test_two_wrong_values_are_two_sentences(monkeypatch):
    monkeypatch.setenv("LAB_PORT", "x")
    monkeypatch.setenv("LAB_DTYPE", "x")
    assert re.fullmatch(r"LAB_PORT is .+\.\nLAB_DTYPE is .+\.", refusal(launching.read_settings))


# Addresses


@pytest.mark.parametrize(
    ("host", "gradios"),
    [("127.0.0.1", "127.0.0.1"), ("0.0.0.0", "0.0.0.0"), ("localhost", "localhost"), ("::1", "[::1]"), ("[::1]", "[::1]"),
     ("::", "[::]"), (" 127.0.0.1 ", "127.0.0.1"), ("0", "0.0.0.0"), ("127.1", "127.0.0.1")],
)  # fmt: skip
def test_an_address_of_this_machine_is_taken(free, host, gradios):
    assert launching.check_address(host, free) == gradios


@pytest.mark.parametrize("host", ["127.0.0.1", "0.0.0.0", "localhost", "::1", "::"])
def test_a_port_in_use_is_told_with_the_variable_that_helps(used, host):
    words = refusal(lambda: launching.check_address(host, used))
    assert re.fullmatch(rf"Port {used} of \S+ is in use by another program\. Set LAB_PORT to another port\.", words)


@pytest.mark.parametrize("host", ["192.0.2.1", "2001:db8::1"])
def test_an_address_of_another_machine_is_told(free, host):
    words = refusal(lambda: launching.check_address(host, free))
    assert words.startswith(f"LAB_HOST is '{host}', which is not an address of this machine.") and "LAB_HOST" in words


@pytest.mark.parametrize("host", ["a..b", "x" * 70, "no such host", "300.1.1.1.1", "http://localhost"])
def test_a_name_of_nothing_is_told(free, host, monkeypatch):
    if host.isascii() and len(host) < 64 and ".." not in host:  # no name server is asked
        monkeypatch.setattr(
            socket, "getaddrinfo", lambda *_, **__: (_ for _ in ()).throw(socket.gaierror(-2, "unknown"))
        )
    words = refusal(lambda: launching.check_address(host, free))
    assert words.startswith(f"LAB_HOST is '{host}', which is no address and no name of one.")


@pytest.mark.parametrize(
    ("fault", "words"),
    [(errno.EACCES, "needs the rights of an administrator. Set LAB_PORT to"), (errno.ENOBUFS, "Set LAB_HOST or LAB_PORT")],
)  # fmt: skip
def test_a_port_that_the_system_refuses_is_told(free, monkeypatch, fault, words):
    class Refusing(socket.socket):
        def bind(self, _):
            raise OSError(fault, os.strerror(fault))

    monkeypatch.setattr(socket, "socket", Refusing)
    assert words in refusal(lambda: launching.check_address("127.0.0.1", free))


# Backends


@pytest.mark.parametrize("device", ["cuda:99", "mps"])
def test_a_device_that_is_not_there_is_told(device):
    words = refusal(lambda: entry.make_backend(Settings(device=device)))
    assert words == f"LAB_DEVICE is '{device}', but torch finds no such device here. Set it to auto or cpu."


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (ModuleNotFoundError("No module named 'ray'", name="ray"), "LAB_BACKEND is 'ray', but the package ray is not"),
        (ConnectionError("Could not connect"), "LAB_RAY_ADDRESS is 'nowhere:1', but no Ray cluster could be joined"),
    ],
)
def test_a_backend_that_is_not_there_is_told(monkeypatch, error, words):
    monkeypatch.setattr(entry, "_backend", lambda settings: (_ for _ in ()).throw(error))
    assert refusal(lambda: entry.make_backend(Settings(backend="ray", ray_address="nowhere:1"))).startswith(words)


# The app


def test_it_ends_with_one_sentence_and_status_1(used):
    ended = subprocess.run(
        [sys.executable, "app.py"], cwd=ROOT, env={**clean(), "LAB_PORT": str(used)}, capture_output=True, text=True
    )
    assert ended.returncode == 1
    assert ended.stderr == f"Port {used} of 127.0.0.1 is in use by another program. Set LAB_PORT to another port.\n"


def test_it_opens_behind_proxies_on_ipv6_and_below_a_path(tmp_path):
    """A proxy asks for what the page names without the path in front."""
    proxies = {"http_proxy": NOWHERE, "HTTPS_PROXY": NOWHERE, "ALL_PROXY": "socks5://127.0.0.1:9", "NO_PROXY": "x.org"}
    with (
        running(tmp_path / "log", host="[::1]", LAB_HOST="::1", GRADIO_ROOT_PATH="/lab", **proxies) as app,
        httpx.Client(base_url=app.url, headers={"Host": "lab.example.org"}, timeout=60, trust_env=False) as proxy,
    ):
        assert proxy.get("/config").json()["root"] == "http://lab.example.org/lab"
        files = re.findall(r'(?:src|href)="\./(assets/[^"]+)"', proxy.get("/").text)
        assert files and {proxy.get(f"/{path}").status_code for path in [*files, "line"]} == {200}
        assert "Traceback" not in app.log.read_text()
