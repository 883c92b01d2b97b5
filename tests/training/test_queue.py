"""The queue: in order, resumable at any point, and nothing stands on a base that has changed."""

from dataclasses import replace

import pytest
import torch
from safetensors.torch import load_file, save_file

from lab.training import queue as queues
from lab.training.__main__ import ASSETS, find_models
from lab.training.export import export
from lab.training.queue import Queue, State, fingerprint
from lab.training.recipes import RECIPES
from lab.training.train import CHECKPOINT
from tests.training.conftest import SIZE, TINY

NAMES = ("autoencoder", "clip", "text-to-image", "controlnet-edges")


@pytest.fixture
def queue(corpus, tmp_path, monkeypatch):
    """A queue of tiny recipes of a fraction of a second each."""
    for name in NAMES:
        row = RECIPES[name]
        tiny = replace(row, options=replace(row.options, size=SIZE, **TINY[name]), minutes=0.005)
        monkeypatch.setitem(RECIPES, name, tiny)
    torch.set_num_threads(1)
    runs = tmp_path / "runs"
    return Queue(runs, lambda name: runs / name / "model", lambda size, people: corpus, torch.device("cpu"))


def test_every_model_is_trained_in_order_and_exported_in_small_files(queue):
    said = []
    assert queue.run([*reversed(NAMES)], say=said.append)
    assert [line.split(",")[1].split(":")[0].strip() for line in said if " of 4, " in line] == list(NAMES)
    for name in NAMES:
        assert queue.state(name) is State.DONE
        files = [*(queue.runs / "exports" / name).rglob("*.safetensors")]
        assert files and all(file.stat().st_size < 16e6 for file in files)
        assert all(
            tensor.dtype is torch.float16 for tensor in load_file(files[0]).values() if tensor.is_floating_point()
        )
    before = {name: (queue.runs / name / CHECKPOINT).stat().st_mtime_ns for name in NAMES}
    assert queue.run(NAMES, say=said.append)  # nothing is left to do
    assert before == {name: (queue.runs / name / CHECKPOINT).stat().st_mtime_ns for name in NAMES}


def test_a_queue_that_was_stopped_goes_on_where_it_was(queue, monkeypatch):
    monkeypatch.setitem(RECIPES, "autoencoder", replace(RECIPES["autoencoder"], minutes=1000))
    assert not queue.run(NAMES, hours=0.5 / 3600)
    assert queue.state("autoencoder") is State.STARTED and queue.state("clip") is State.NEW
    steps = torch.load(queue.runs / "autoencoder" / CHECKPOINT)["step"]
    state = torch.load(queue.runs / "autoencoder" / CHECKPOINT)
    state["sitting"]["budget"]["minutes"] = state["seconds"] / 60 + 0.005
    torch.save(state, queue.runs / "autoencoder" / CHECKPOINT)
    assert queue.run(["autoencoder"])
    assert torch.load(queue.runs / "autoencoder" / CHECKPOINT)["step"] > steps


def test_a_base_that_changed_makes_what_stands_on_it_stale_and_nothing_else(queue):
    assert queue.run(NAMES)
    (unet,) = (queue.models("text-to-image") / "unet").glob("*.safetensors")
    tensors = load_file(unet)
    tensors["conv_in.bias"] += 1
    save_file(tensors, unet)
    assert [queue.state(name) for name in NAMES] == [State.DONE, State.DONE, State.DONE, State.STALE]
    before = torch.load(queue.runs / "controlnet-edges" / CHECKPOINT)["seconds"]
    assert queue.run(NAMES)
    assert [queue.state(name) for name in NAMES] == [State.DONE] * 4
    anew = torch.load(queue.runs / "controlnet-edges" / CHECKPOINT)
    assert anew["sitting"]["from_step"] == 0 and anew["seconds"] != before


def test_a_model_and_its_export_have_the_same_fingerprint(make, tmp_path):
    model = make.model("text-to-image")
    export(model, tmp_path / "assets" / "text-to-image")
    assert fingerprint(model) == fingerprint(tmp_path / "assets" / "text-to-image")
    assert fingerprint(model) != fingerprint(model / "unet")


def test_a_round_on_a_gpu_is_shared_by_weight(queue):
    on_gpu = replace(queue, device=torch.device("cuda"))
    shares = {name: on_gpu.minutes(name, list(RECIPES)) for name in RECIPES}
    assert sum(shares.values()) == pytest.approx(queues.GPU_ROUND_MINUTES)
    assert on_gpu.minutes("clip", ["clip"]) == queues.GPU_ROUND_MINUTES


def test_bases_are_recipes_that_come_before(queue):
    seen = set()
    for name, row in RECIPES.items():
        assert set(row.bases) <= seen
        seen.add(name)


def test_a_model_without_a_run_lies_where_it_ships(tmp_path):
    (tmp_path / "clip" / "model").mkdir(parents=True)
    find = find_models(tmp_path)
    assert find("clip") == tmp_path / "clip" / "model"
    assert find("prior") == find("unclip") == ASSETS / "unclip" and find("judge") == ASSETS / "judge"
