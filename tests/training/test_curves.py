"""The curves that are shipped, and the command that measures them."""

import json
from contextlib import ExitStack
from dataclasses import asdict

import numpy as np
import pytest

from lab.catalog import GUIDANCE, SAMPLERS
from lab.fidelity_curves import FILE, RULES, SCALES, CurvePoint, fidelity_curves
from lab.models.loaders import make_cache
from lab.settings import Settings
from lab.training import __main__ as command_line
from lab.training import curves
from lab.training.curves import Plan, Scene, drawn_as, header, shares

KEYS = [(rule, scale) for rule in RULES for scale in SCALES]


@pytest.fixture(scope="module")
def cache():
    return make_cache(Settings(device="cpu", cpu_engine="torch"))


@pytest.fixture(scope="module")
def leases():
    with ExitStack() as leases:
        yield leases


@pytest.fixture(scope="module")
def few(cache, leases):
    return Scene(Plan(n=3, steps=3), cache, leases)


def test_every_point_is_shipped_and_is_what_the_command_writes():
    shipped = fidelity_curves()
    assert [(point.rule, point.scale) for point in shipped.points] == KEYS
    assert [asdict(point) for point in shipped.points] == json.loads(FILE.read_text())["points"]
    assert shipped.n >= 256 and shipped.sampler in SAMPLERS and set(RULES) <= set(GUIDANCE)
    for point in shipped.points:
        assert 0 <= point.precision <= 1 and 0 <= point.recall <= 1 and point.frechet > shipped.floor > 0


def test_what_is_shipped_comes_out_again_with_the_shipped_weights(cache, leases):
    """The floor over all real pictures, and a small point: sixteen pictures that the classifier guides, from noise to figures."""
    there = json.loads(FILE.read_text())
    again = header(Scene(Plan(there["n"], there["steps"], there["seed"]), cache, leases), cache)
    assert again["weights"] == there["weights"]
    for name, value in again.items():
        if isinstance(value, dict):
            assert value == {
                key: one if isinstance(one, str) else pytest.approx(one, rel=0.02) for key, one in there[name].items()
            }
        else:
            assert there[name] == (value if isinstance(value, str) else pytest.approx(value, rel=1e-3)), name


@pytest.mark.parametrize("key", [key for key in KEYS if drawn_as(*key) != key], ids=str)
def test_points_that_are_drawn_once_have_the_same_pictures(few, key):
    np.testing.assert_array_equal(few.draw(*key), few.draw(*drawn_as(*key)))


def test_shares_are_whole_and_sum_up():
    assert shares(10, {"a": 6, "b": 3, "c": 1}) == {"a": 6, "b": 3, "c": 1}
    assert shares(4, {"a": 1, "b": 1, "c": 1}) == {"a": 2, "b": 1, "c": 1}
    counts = {"a": 838, "b": 635, "c": 17, "d": 2}
    assert sum(shares(256, counts).values()) == 256
    assert all(abs(n - 256 * counts[name] / 1492) < 1 for name, n in shares(256, counts).items())


class ToyScene:
    """Points without pictures; notes what is drawn, and stops after `left` of them."""

    def __init__(self):
        self.drawn, self.left = [], 999

    def __call__(self, plan, cache, leases):
        self.plan, self.real = plan, [None] * 9
        return self

    def point(self, rule, scale):
        if not self.left:
            raise KeyboardInterrupt
        self.left -= 1
        self.drawn.append((rule, scale))
        return CurvePoint(rule, scale, RULES.index(rule) / 10, scale / 10, 5.0)


@pytest.fixture
def toy(monkeypatch):
    toy = ToyScene()
    content = {"real": 9, "k": 3, "sampler": "ddim", "weights": {"pixel": "a", "judge": "b", "classifier": "c"}}
    monkeypatch.setattr(curves, "Scene", toy)
    monkeypatch.setattr(curves, "header", lambda scene, cache: content | asdict(scene.plan))
    toy.content = content
    return toy


def test_a_stop_loses_one_point_and_what_is_drawn_alike_is_drawn_once(toy, tmp_path):
    file, said = tmp_path / "curves" / "guidance.json", []
    toy.left = 10
    with pytest.raises(KeyboardInterrupt):
        curves.measure_all(Plan(), file, "cpu", said.append)
    assert len(toy.drawn) == 10 and len(said) == len(json.loads(file.read_text())["points"]) >= 10
    toy.left = 999
    curves.measure_all(Plan(), file, "cpu", said.append)
    points = json.loads(file.read_text())["points"]
    assert [(point["rule"], point["scale"]) for point in points] == KEYS and len(said) == len(KEYS)
    assert sorted(toy.drawn) == sorted({drawn_as(*key) for key in KEYS})
    assert {(point["rule"], point["scale"]): point["precision"] for point in points} == {
        key: RULES.index(drawn_as(*key)[0]) / 10 for key in KEYS
    }
    assert not file.with_suffix(".partial").exists()


def test_points_of_other_settings_or_weights_are_measured_anew(toy, tmp_path):
    file, alone = tmp_path / "guidance.json", {drawn_as(*key) for key in KEYS}
    guided = {key for key in alone if GUIDANCE[key[0]].guide}
    for plan, weights, anew in [
        (Plan(), {}, alone),
        (Plan(), {}, set()),
        (Plan(), {"classifier": "d"}, guided),
        (Plan(), {"judge": "e"}, alone),
        (Plan(steps=9), {}, alone),
    ]:
        toy.drawn.clear()
        toy.content["weights"] = toy.content["weights"] | weights
        curves.measure_all(plan, file, "cpu", lambda text: None)
        assert set(toy.drawn) == anew and len(toy.drawn) == len(anew)


def test_the_command_line_says_what_is_drawn_and_where(monkeypatch, tmp_path):
    calls = []
    monkeypatch.setattr(curves, "measure_all", lambda *arguments: calls.append(arguments))
    command_line.main(["curves"])
    command_line.main(["curves", "--pictures", "64", "--steps", "5", "--seed", "3", "--out", str(tmp_path / "a.json")])
    assert calls == [(Plan(), FILE, "cpu"), (Plan(64, 5, 3), tmp_path / "a.json", "cpu")]
