"""Converted networks on disk are whole or not there."""

import os
import subprocess
import sys

import pytest

from lab.models.network_folder import NetworkFolder

NAME = "network-1.0"
GRAPH, WEIGHTS = b"<net>" * 100, bytes(range(1, 256)) * 40


def write(graph):
    graph.write_bytes(GRAPH)
    graph.with_suffix(".bin").write_bytes(WEIGHTS)


@pytest.fixture
def networks(tmp_path):
    networks = NetworkFolder(tmp_path / "cache")
    networks.keep(NAME, write)
    return networks


def zeros(content):
    middle = len(content) // 2
    return content[:middle] + bytes(8) + content[middle + 8 :]


DAMAGE = {
    "zeros in the middle": zeros,
    "all zeros": lambda content: bytes(len(content)),
    "one bit": lambda content: bytes([content[0] ^ 1]) + content[1:],
    "cut off": lambda content: content[:-1],
    "nothing": lambda content: b"",
    "longer": lambda content: content + b"\0",
}


@pytest.mark.parametrize("suffix", [".xml", ".bin", ".sha256"])
@pytest.mark.parametrize("damage", DAMAGE.values(), ids=DAMAGE)
def test_what_is_damaged_is_not_there_and_is_written_anew(networks, suffix, damage):
    graph = networks.find(NAME)
    assert (graph.read_bytes(), graph.with_suffix(".bin").read_bytes()) == (GRAPH, WEIGHTS)
    file = networks.folder / f"{NAME}{suffix}"
    file.write_bytes(damage(file.read_bytes()))
    assert networks.find(NAME) is None
    assert networks.keep(NAME, write) == networks.find(NAME) == graph


@pytest.mark.parametrize("suffix", [".xml", ".bin", ".sha256"])
def test_a_missing_file_takes_the_others_with_it(networks, suffix):
    (networks.folder / f"{NAME}{suffix}").unlink()
    assert networks.find(NAME) is None


def test_what_is_there_is_not_written_again_and_names_are_apart(networks):
    networks.keep(NAME, lambda graph: pytest.fail("written again"))
    assert networks.find("network-1.1") is None
    networks.keep("other-1.0", write)
    networks.throw_away(NAME)
    assert sorted(file.name for file in networks.folder.iterdir()) == [
        "other-1.0.bin",
        "other-1.0.sha256",
        "other-1.0.xml",
    ]


@pytest.mark.parametrize("step", ["write", "fsync", "replace"])
def test_a_full_disk_leaves_nothing_behind(tmp_path, monkeypatch, step):
    networks, full = NetworkFolder(tmp_path), OSError(28, "No space left on device")

    def fail(*_, **__):
        raise full

    def half(graph):
        write(graph)
        if step == "write":
            fail()

    if step == "fsync":
        monkeypatch.setattr(os, "fsync", fail)
    if step == "replace":
        whole = type(tmp_path).replace
        monkeypatch.setattr(
            type(tmp_path), "replace", lambda one, to: fail() if one.suffix == ".sha256" else whole(one, to)
        )
    with pytest.raises(OSError, match="No space left"):
        networks.keep(NAME, half)
    assert list(tmp_path.iterdir()) == []


KILLED = """
import os, signal, sys
from pathlib import Path
from lab.models.network_folder import NetworkFolder
def write(graph):
    graph.write_bytes(b"half")
    os.kill(os.getpid(), signal.SIGKILL)
NetworkFolder(Path(sys.argv[1])).keep("network-1.0", write)
"""


def test_drafts_of_a_killed_writer_are_removed_and_those_of_one_at_work_are_not(tmp_path):
    subprocess.run([sys.executable, "-c", KILLED, str(tmp_path)], check=False)
    assert [file.name for file in tmp_path.iterdir()] == ["draft-network-1.0.xml"]
    NetworkFolder(tmp_path).sweep()
    assert list(tmp_path.iterdir()) == []

    def while_another_starts(graph):
        write(graph)
        NetworkFolder(tmp_path).sweep()
        assert graph.exists()

    assert NetworkFolder(tmp_path).keep(NAME, while_another_starts).read_bytes() == GRAPH


def test_a_folder_that_cannot_be_made_holds_nothing(tmp_path):
    (tmp_path / "file").touch()
    networks = NetworkFolder(tmp_path / "file" / "cache")
    networks.sweep()
    assert networks.find(NAME) is None
    with pytest.raises(OSError):
        networks.keep(NAME, write)
