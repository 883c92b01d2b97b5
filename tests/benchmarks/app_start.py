"""Seconds from `python app.py` to the first HTTP 200, and seconds to import what app.py imports."""

import os
import statistics
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path

from tests.benchmarks._report import value
from tests.ports import free_port

ROOT = Path(__file__).resolve().parents[2]

TIMEOUT_S = 120
IMPORTS = "import time; began = time.perf_counter(); import app; print(time.perf_counter() - began)"


def start_s() -> float:
    """Start the app, wait until its page answers, and end it."""
    port = free_port()
    began = time.perf_counter()
    app = subprocess.Popen(
        [sys.executable, "app.py"], cwd=ROOT, env={**os.environ, "LAB_PORT": str(port)}, stdout=subprocess.DEVNULL
    )
    try:
        while time.perf_counter() - began < TIMEOUT_S:
            if app.poll() is not None:
                raise SystemExit(f"app.py ended with {app.returncode} before it answered")
            try:
                with urllib.request.urlopen(f"http://127.0.0.1:{port}/", timeout=5) as answer:
                    if answer.status == 200:
                        return time.perf_counter() - began
            except (urllib.error.URLError, OSError):
                time.sleep(0.05)
        raise SystemExit(f"no answer within {TIMEOUT_S} s")
    finally:
        app.terminate()
        try:
            app.wait(10)
        except subprocess.TimeoutExpired:
            app.kill()
            app.wait()


def import_s() -> float:
    done = subprocess.run([sys.executable, "-c", IMPORTS], cwd=ROOT, capture_output=True, text=True, check=True)
    return float(done.stdout.split()[-1])


def main() -> None:
    start_s()  # warm the disk cache and the .pyc files: the second start is the one that counts
    value("app start until HTTP 200, seconds", statistics.median(start_s() for _ in range(3)), aim="at most 10")
    value("import of app.py, seconds", statistics.median(import_s() for _ in range(3)))


if __name__ == "__main__":
    main()
