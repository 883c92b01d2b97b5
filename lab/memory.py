"""The memory of this process: what the system counts, and what C's allocator keeps of what was freed.

glibc gives every thread an arena of its own, up to eight a core, and each keeps the gaps of its busiest moment. With a
hundred threads of visitors that is more than the models take. Elsewhere than on Linux with glibc nothing is known and done.
"""

import ctypes
import os
from contextlib import suppress
from pathlib import Path

ARENAS = 2
M_ARENA_MAX = -8  # malloc.h


def resident_bytes() -> int:
    """Bytes of this process that are in memory, its libraries included; 0 where the system does not say."""
    try:
        return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except (OSError, ValueError, AttributeError):
        return 0


def share_arenas() -> None:
    """All threads allocate from ARENAS arenas. Before there are many threads."""
    with suppress(OSError, AttributeError, TypeError):
        ctypes.CDLL(None).mallopt(M_ARENA_MAX, ARENAS)


def trim() -> None:
    """Give back to the system what is free in all arenas."""
    with suppress(OSError, AttributeError, TypeError):
        ctypes.CDLL(None).malloc_trim(0)
