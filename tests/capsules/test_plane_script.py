"""The script of the plane, run: the particles that the lanes of the engine make of the same noise, and the shares that it prints."""

import subprocess
import sys

import numpy as np
import pytest
import torch

from lab.capsules.plane_script import FIRST, LANES, LAST, PLAIN, SIZE, plane_script
from lab.engine import plane_lanes
from lab.engine.mixture import Mixture
from lab.engine.plane_measures import shares
from lab.engine.process import Level
from lab.toy_data import TOYS


def script(name, lanes, steps=20, **more):
    toy = TOYS[name]
    return plane_script(toy.title, toy.points, toy.weights, toy.std, toy.classes, lanes, steps, seed=5, **more)


def engine(lane, data, x, steps, noise, size):
    """The end of the engine's lane from x in the same number of steps."""
    sigmas = plane_lanes.geometric(FIRST, LAST, min(10, steps))
    score = data.score_at
    path = {
        "ddpm": lambda: plane_lanes.ddpm(score, x, steps, noise),
        "sde": lambda: plane_lanes.reverse_sde(score, x, steps, noise),
        "ddim": lambda: plane_lanes.ddim(score, x, steps),
        "flow": lambda: plane_lanes.flow(plane_lanes.velocity_of(data.denoise), x, steps),
        "langevin": lambda: plane_lanes.langevin(
            score, (1 + PLAIN**2) ** 0.5 * x, Level.from_sigma(PLAIN), steps, size, noise
        ),
        "annealed": lambda: plane_lanes.annealed_langevin(
            score, (1 + FIRST**2) ** 0.5 * x, sigmas, max(1, steps // 10), size, noise
        ),
    }
    *_, end = path[lane]()
    return end


@pytest.mark.parametrize("lane", [lane for lane in LANES if lane != "exact"])
@pytest.mark.parametrize("name", ["two-modes", "swiss-roll"])
def test_its_particles_are_those_of_the_engine(name, lane):
    """From the same generator, drawn in the same order."""
    found = {}
    exec(script(name, [lane], size=2.0), found)
    toy = TOYS[name]
    data = Mixture(torch.tensor(toy.points, dtype=torch.float64), torch.tensor(toy.weights), toy.std)
    rng = np.random.default_rng(5)
    x = torch.from_numpy(rng.standard_normal((1280, 2)))
    want = engine(lane, data, x, 20, lambda at: torch.from_numpy(rng.standard_normal(at.shape)), 2 * SIZE)
    np.testing.assert_allclose(found["x"], want.numpy(), atol=1e-6)
    got = np.bincount(found["likely"], minlength=len(found["TRUTH"])) / 1280
    np.testing.assert_allclose(got, shares(want, data, torch.tensor(toy.classes)).numpy(), atol=1e-12)


def test_a_visitor_can_run_it(tmp_path):
    """At most sixty lines, in an interpreter of its own, with shares near the truth."""
    text = script("two-modes", ["exact", "ddim"], steps=50)
    lines = [line for line in text.splitlines() if line]
    assert len(lines) <= 60 and max(map(len, lines)) <= 120
    (tmp_path / "plane.py").write_text(text)
    done = subprocess.run([sys.executable, "plane.py"], cwd=tmp_path, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    data, exact, ddim = (line.replace("[", " ").replace("]", " ").split() for line in done.stdout.splitlines())
    assert data == ["data", "0.2", "0.8"] and (exact[0], ddim[0]) == ("exact", "ddim")
    assert float(exact[2]) == pytest.approx(0.8, abs=0.04) and float(ddim[2]) == pytest.approx(0.8, abs=0.04)


@pytest.mark.parametrize(("start", "low"), [("noise", 0.0), ("square", 0.0), ("mode", 0.95)])
def test_particles_start_where_the_page_has_them(start, low):
    """Plain Langevin's few steps leave them with the mode: of those that start at the light one nearly all."""
    found = {}
    exec(script("two-modes", ["langevin"], steps=1, start=start), found)
    assert (found["likely"] == 0).mean() >= low
    assert np.abs(found["x"]).max() < (1.9 if start != "noise" else 6)
