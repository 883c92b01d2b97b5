"""What the system counts of this process, and what is given back to it."""

import subprocess
import sys

from lab.memory import resident_bytes, trim


def test_resident_bytes_are_those_that_linux_counts():
    with open("/proc/self/status") as file:
        kilobytes = next(int(line.split()[1]) for line in file if line.startswith("VmRSS"))
    assert abs(resident_bytes() - 1024 * kilobytes) < 50_000_000


def test_what_was_freed_is_given_back():
    """A hundred thousand small blocks, of which the last stays and holds the rest in the heap."""
    blocks = [bytes(2000) for _ in range(100_000)]
    full, last = resident_bytes(), blocks.pop()
    blocks.clear()
    trim()
    assert len(last) == 2000 and resident_bytes() < full - 100_000_000


ARENAS = """
import re, threading
from lab.memory import share_arenas
share_arenas()
gate, kept = threading.Barrier(33), []
def work():
    kept.append([bytes(1000) for _ in range(1000)])
    gate.wait()
    gate.wait()
threads = [threading.Thread(target=work, daemon=True) for _ in range(32)]
for thread in threads: thread.start()
gate.wait()
# the heaps of arenas other than the first begin at multiples of 64 MB
heaps = [line for line in open("/proc/self/maps") if re.match(r"[0-9a-f]+[048c]000000-[0-9a-f]+ rw", line)]
print(len(heaps))
"""


def test_a_crowd_of_threads_shares_two_arenas():
    """The first, which grows from the program's end, and one more; each thread has one to itself otherwise."""
    counted = subprocess.run([sys.executable, "-c", ARENAS], capture_output=True, text=True, check=True)
    assert int(counted.stdout) <= 2
