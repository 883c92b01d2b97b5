"""Converted networks on disk: whole or not there, whatever happened while they were written.

A network is OpenVINO's pair of files, a graph (.xml) and its weights (.bin), and a third (.sha256) with the checksums of
both, which is written last. A power cut may leave a file of the right length and name with zeros in it, so everything is
flushed, and what does not match its checksums is as if it were not there.
"""

import hashlib
import logging
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

fcntl: Any
try:
    import fcntl
except ImportError:  # Windows, where the files of two processes that write at once are not kept apart
    fcntl = None

log = logging.getLogger("lab")

DRAFT = "draft-"


class NetworkFolder:
    """A folder of converted networks by name. Several processes may share it; one writes at a time."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def find(self, name: str) -> Path | None:
        """The graph's file, if it and its weights are what was written; else None."""
        graph, _, sums = self._files(name)
        try:
            return graph if sums.read_text() == _checksums(graph) else None
        except (OSError, UnicodeDecodeError):
            return None

    def keep(self, name: str, write: Callable[[Path], None]) -> Path:
        """What `find` says, or what `write(file)` writes now: a graph's file, with the weights beside it.

        Raises OSError where it cannot be written, and whatever `write` raises; nothing is left behind then.
        """
        with self._writing():
            if file := self.find(name):  # another process was faster
                return file
            self._remove(f"{DRAFT}*")
            graph, weights, sums = self._files(DRAFT + name)
            try:
                write(graph)
                sums.write_text(_checksums(graph))
                for draft in (graph, weights, sums):
                    _flush(draft)
                for draft, file in zip((graph, weights, sums), self._files(name), strict=True):
                    draft.replace(file)
                _flush(self.folder)
            except BaseException:
                self._remove(f"{DRAFT}*")
                self._remove(f"{name}.*")
                raise
        return self._files(name)[0]

    def throw_away(self, name: str) -> None:
        """Remove a network."""
        with self._writing():
            self._remove(f"{name}.*")

    def sweep(self) -> None:
        """Remove what killed writers left, unless somebody writes at this moment."""
        with suppress(OSError), self._writing(wait=False):
            self._remove(f"{DRAFT}*")

    def _files(self, name: str) -> tuple[Path, Path, Path]:
        return self.folder / f"{name}.xml", self.folder / f"{name}.bin", self.folder / f"{name}.sha256"

    def _remove(self, pattern: str) -> None:
        for file in self.folder.glob(pattern):
            file.unlink(missing_ok=True)

    @contextmanager
    def _writing(self, wait: bool = True) -> Iterator[None]:
        """Nobody else writes into the folder meanwhile. The lock ends with its process, however that ends."""
        self.folder.mkdir(parents=True, exist_ok=True)
        if fcntl is None:
            yield
            return
        handle = os.open(self.folder, os.O_RDONLY)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX if wait else fcntl.LOCK_EX | fcntl.LOCK_NB)
            yield
        finally:
            os.close(handle)


def _checksums(graph: Path) -> str:
    """The SHA-256 of a graph and of its weights, a line each."""
    lines = []
    for file in (graph, graph.with_suffix(".bin")):
        with file.open("rb") as content:
            lines.append(f"{hashlib.file_digest(content, 'sha256').hexdigest()}\n")
    return "".join(lines)


def _flush(path: Path) -> None:
    """Have the system write a file, or a folder's list of files, to the disk. Raises OSError where that fails."""
    if fcntl is None:  # Windows flushes no folder, and no file that is open for reading
        return
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
