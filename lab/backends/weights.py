"""Whether what models are loaded from is still what it was, so that a finished run may stand for a new one."""

from collections.abc import Iterable
from pathlib import Path

from lab.catalog import leasable
from lab.settings import ASSETS
from lab.store import whole_copy_of

Files = frozenset[tuple[str, int, int]]  # name, bytes and time of change (ns) of each file


class Weights:
    """The files of every row of the catalog, as they are when first seen: at best before any is loaded.

    A model in memory stays what it was loaded from, until it is evicted and loaded again. So files that have changed say
    nothing of the pictures that a run makes, neither the old nor the new ones.
    """

    def __init__(self) -> None:
        self._first: dict[str, Files] = {}
        for name in leasable():
            self.same((name,))

    def same(self, names: Iterable[str]) -> bool:
        """Whether the files of these rows are here, and as they were when first seen."""
        return all(self._same(leasable()[name].source) for name in names)

    def _same(self, source: str) -> bool:
        files = files_of(source)
        return bool(files) and self._first.setdefault(source, files) == files


def files_of(source: str) -> Files:
    """The files of a catalog row's `source` on this machine; none where it is not here, or not whole."""
    place = ASSETS / source  # an absolute path stays itself
    folder = place if place.exists() else whole_copy_of(source)
    files = [folder] if folder and folder.is_file() else folder.rglob("*") if folder else []
    return frozenset(_described(file) for file in files if file.is_file())


def _described(file: Path) -> tuple[str, int, int]:
    stat = file.stat()
    return str(file), stat.st_size, stat.st_mtime_ns
