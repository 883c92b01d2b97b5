"""Settings of all tests: torch computes unless a test says otherwise, so that nothing compiles beside it."""

import os

os.environ.setdefault("LAB_CPU_ENGINE", "torch")
