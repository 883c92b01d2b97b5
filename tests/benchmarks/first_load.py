"""From the start of a process with nothing kept, and with everything kept: seconds to the first picture (text-to-image, 25 steps, guided),
until the ten most used shapes are compiled, and until every network of the shipped models is compiled or converted. Imports included;
each in a process of its own, one after another.

The naive way prepares the same networks model by model in the order of the alphabet, each shape as it comes. What a run waits for goes
first in either.
"""

import json
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

from tests.benchmarks._report import compare

LOAD = """
import json, sys, time
began = time.perf_counter()
from lab.backends.local import LocalBackend
from lab.models.most_used import MOST_USED, Shape
from lab.settings import Settings
from tests.benchmarks.race import lane, request

class Alike(dict):
    def get(self, shape, rank=0):
        return 0

backend = LocalBackend(Settings(device="cpu", dtype="float32", cpu_engine="openvino", cache_dir=sys.argv[1]))
workshop = backend.workshop
if sys.argv[2] == "alphabet":
    workshop._ranks = Alike(workshop._ranks)
    backend._looks.sort(key=lambda look: look.networks)
warming = backend.warm("exact", "text-to-image")
for _ in backend.run(request(lane())):
    pass
picture = time.perf_counter() - began
warming.join()
preparing = backend.prepare()

def compiled():
    return {Shape(*one.place, rows, one.example[0].shape[-1]) for one in list(workshop._all) for _, rows in one.shapes}

while not compiled() >= set(MOST_USED):
    time.sleep(0.05)
ten = time.perf_counter() - began
preparing.join()
workshop.finish()
print(json.dumps([picture, ten, time.perf_counter() - began]))
"""
FIGURES = (
    "first picture of text-to-image, 25 steps guided",
    "the ten most used shapes are compiled",
    "all networks of the shipped models are compiled or converted",
)
AIMS = ("none", "below 1", "none")


def seconds(folder: Path, order: str) -> list[float]:
    """A start's figures, in a process of its own."""
    command = [sys.executable, "-c", LOAD, str(folder), order]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
    return json.loads(done.stdout.splitlines()[-1])


def main() -> None:
    with TemporaryDirectory() as folder:
        for kept in ("nothing kept", "everything kept"):
            both = [seconds(Path(folder) / order, order) for order in ("table", "alphabet")]
            for figure, aim, ours, naive in zip(FIGURES, AIMS, *both, strict=True):
                compare(
                    f"seconds from the start until {figure}, {kept}; the table's order / the alphabet's",
                    ours,
                    naive,
                    aim,
                )


if __name__ == "__main__":
    main()
