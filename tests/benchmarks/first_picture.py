"""From the start of a process to its first guided picture of 25 steps: the lab with nothing kept, the lab as it was left, and
OpenVINO GenAI on its exported folder. Imports included; each in a process of its own, one after another.

With nothing kept, torch draws the first picture while the network is converted and compiled in the background: how long
until the first compiled one is a figure of its own.
"""

import json
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

from tests.benchmarks._report import compare, value
from tests.benchmarks.race import BASE, export

OURS = """
import json, sys, time
began = time.perf_counter()
from lab.backends.local import LocalBackend
from lab.settings import Settings
from tests.benchmarks.race import lane, request
backend = LocalBackend(Settings(device="cpu", dtype="float32", cache_dir=sys.argv[1]))
def draw():
    for _ in backend.run(request(lane())):
        pass
draw()
first = time.perf_counter() - began
while not all("OpenVINO" in note for one in backend.status().resident for note in one.notes):
    time.sleep(0.05)
draw()
print(json.dumps([first, time.perf_counter() - began]))
backend.workshop.finish()
"""
THEIRS = """
import json, sys, time
began = time.perf_counter()
from pathlib import Path
import torch
from tests.benchmarks.race import Rival
Rival(Path(sys.argv[1]), "float32", guided=(True,)).draw()
print(json.dumps([time.perf_counter() - began]))
"""


def seconds(script: str, folder: Path) -> list[float]:
    """What a script prints, run in a process of its own."""
    done = subprocess.run([sys.executable, "-c", script, str(folder)], capture_output=True, text=True, check=True)
    return json.loads(done.stdout.splitlines()[-1])


def main() -> None:
    with TemporaryDirectory() as folder:
        rival, cache = Path(folder) / "genai", Path(folder) / "cache"
        rival.mkdir()
        export(BASE, rival)
        (theirs,) = seconds(THEIRS, rival)
        first, compiled = seconds(OURS, cache)
        again, again_compiled = seconds(OURS, cache)
    compare("first picture after the start of a process, ours with nothing kept / GenAI", first, theirs, "none")
    compare("first picture after the start of a process, ours as it was left / GenAI", again, theirs, "none")
    value("seconds to the first compiled picture, nothing kept", compiled)
    value("seconds to the first compiled picture, as it was left", again_compiled)


if __name__ == "__main__":
    main()
