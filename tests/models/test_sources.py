"""Where weights come from: local folders, the hub's store, damage that is noticed, and bytes told from headers."""

import errno
import hashlib
import json
import shutil
import socket
from dataclasses import replace

import httpx
import huggingface_hub
import pytest
import torch
from diffusers import AutoencoderKL
from huggingface_hub.errors import GatedRepoError, RepositoryNotFoundError, RevisionNotFoundError
from safetensors.torch import save_file

from lab.catalog import MODELS
from lab.models import sources
from lab.models.loaders import absent, load
from lab.models.sources import content_key, fetched_bytes, folder_at_hand, folder_of, variant_of, weight_of
from lab.requests.base import LabError
from lab.requests.fields import Condition
from lab.settings import ASSETS, Settings, at_hand
from lab.store import gap_in
from tests.models import tiny

ID = "somebody/a-model@0123abc"
ALLOWED = Settings(offline=False, allowed_models=ID)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tiny.text_to_image(tmp_path_factory.mktemp("source"))


def test_folders_of_the_lab_and_of_the_machine(tmp_path):
    assert folder_of("models/clip", Settings()) == ASSETS / "models" / "clip"
    assert folder_of(str(tmp_path), Settings()) == tmp_path


def test_only_what_the_operator_allows_is_fetched(monkeypatch):
    monkeypatch.setattr(sources, "list_repo_files", lambda *_, **__: pytest.fail("the hub was asked"))
    with pytest.raises(LabError, match="not among the models that this lab may fetch"):
        folder_of("somebody/else", ALLOWED)


def test_offline_the_hub_is_not_asked(monkeypatch, tmp_path):
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_CACHE", str(tmp_path))
    with pytest.raises(LabError, match="set to stay offline. Choose another model"):
        folder_of(ID, Settings(offline=True, allowed_models=ID))


def of_the_hub(kind):
    return kind("no", response=httpx.Response(404, request=httpx.Request("GET", "https://hub")))


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (OSError("500 Server Error"), "the Hugging Face hub did not give it"),
        (ValueError("no safetensors"), "the Hugging Face hub did not give it"),
        (TimeoutError("slow"), "the Hugging Face hub cannot be reached"),
        (httpx.ConnectError("no route"), "the Hugging Face hub cannot be reached"),
        (OSError(errno.ENOSPC, "No space left on device"), "this machine's disk is full"),
        (of_the_hub(GatedRepoError), "its authors give it only to those who asked"),
        (of_the_hub(RevisionNotFoundError), "the Hugging Face hub has no such revision"),
        (of_the_hub(RepositoryNotFoundError), "the Hugging Face hub has no model of that name"),
    ],
)
def test_a_hub_that_fails_is_an_error_in_words_that_are_true(monkeypatch, tmp_path, error, words):
    def fail(*arguments, **more):
        raise error

    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_CACHE", str(tmp_path))
    monkeypatch.setattr(sources, "list_repo_files", fail)
    with pytest.raises(LabError, match=f"is not on this machine, and {words}") as caught:
        folder_of(ID, ALLOWED)
    assert caught.value.__cause__ is error


@pytest.mark.parametrize(
    ("files", "half", "variant"),
    [
        (["model_index.json", "unet/w.safetensors", "unet/w.fp16.safetensors"], True, "fp16"),
        (["model_index.json", "unet/w.safetensors", "unet/w.fp16.safetensors"], False, None),
        (["model_index.json", "unet/w.safetensors"], True, None),
    ],
)
def test_a_pipeline_is_fetched_at_its_revision_in_the_precision_that_fits(monkeypatch, tmp_path, files, half, variant):
    asked = {}

    def download(name, **options):
        asked.update(options, name=name)
        return str(tmp_path)

    monkeypatch.setattr(sources, "list_repo_files", lambda name, revision: files)
    monkeypatch.setattr(sources.DiffusionPipeline, "download", download)
    assert folder_of(ID, ALLOWED, half) == tmp_path
    assert asked == {
        "name": "somebody/a-model", "revision": "0123abc", "variant": variant, "use_safetensors": True,
    }  # fmt: skip


@pytest.mark.parametrize(("half", "weights"), [(True, "w.fp16.safetensors"), (False, "w.safetensors")])
def test_of_a_control_only_one_precision_is_fetched_and_never_a_pickle(monkeypatch, tmp_path, half, weights):
    asked = {}
    files = ["config.json", "w.safetensors", "w.fp16.safetensors", "w.bin", "w.ckpt"]
    monkeypatch.setattr(sources, "list_repo_files", lambda name, revision: files)
    monkeypatch.setattr(
        sources, "snapshot_download", lambda name, **options: asked.update(options, name=name) or tmp_path
    )
    assert folder_of(ID, ALLOWED, half) == tmp_path
    assert asked["allow_patterns"] == ["*.json", weights] and asked["revision"] == "0123abc"


def test_of_an_unclip_on_pixels_all_is_fetched_but_what_enlarges_its_pictures(monkeypatch, tmp_path):
    """diffusers refuses to fetch it: it misses the module of its text_proj."""
    asked = {}
    files = [
        "model_index.json",
        "text_proj/config.json",
        "decoder/w.safetensors",
        "decoder/w.bin",
        "tokenizer/merges.txt",
    ]
    monkeypatch.setattr(sources, "list_repo_files", lambda name, revision: files)
    monkeypatch.setattr(
        sources, "snapshot_download", lambda name, **options: asked.update(options, name=name) or tmp_path
    )
    allowed = Settings(offline=False, allowed_models=f"unclip:{ID}")
    assert folder_of(ID, allowed) == tmp_path and asked["revision"] == "0123abc"
    assert asked["allow_patterns"] == ["*.json", "decoder/w.safetensors", "*/merges.txt"]
    assert asked["ignore_patterns"] == ["super_res_first/*", "super_res_last/*", "super_res_scheduler/*"]


# The hub's cache on this machine


REVISION = "0123456789abcdef0123456789abcdef01234567"


@pytest.fixture
def cached(folder, tmp_path, monkeypatch):
    """The tiny model as the hub's cache has it: blobs, a snapshot that links to them, the branch that leads there."""
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_CACHE", str(tmp_path))
    store = tmp_path / "models--somebody--a-model"
    for file in (file for file in folder.rglob("*") if file.is_file()):
        blob = store / "blobs" / hashlib.sha256(file.read_bytes()).hexdigest()
        link = store / "snapshots" / REVISION / file.relative_to(folder)
        for path in (blob, link):
            path.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(file, blob)
        link.symlink_to(blob)
    (store / "refs").mkdir()
    (store / "refs" / "main").write_text(REVISION)
    return store


@pytest.fixture
def no_network(monkeypatch):
    def refuse(*arguments, **more):
        raise OSError("the network is down")

    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setattr(sources, "list_repo_files", lambda *_, **__: pytest.fail("the hub was asked"))


@pytest.mark.parametrize("source", ["somebody/a-model", f"somebody/a-model@{REVISION}", "somebody/a-model@main"])
@pytest.mark.parametrize("offline", [True, False])
@pytest.mark.parametrize("switch", [True, False])
@pytest.mark.parametrize("allowed", ["", "somebody/a-model"])
def test_what_is_whole_in_the_hubs_cache_is_offered_and_drawn(
    cached, no_network, monkeypatch, source, offline, switch, allowed
):
    """Whatever the network and the switches say."""
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", switch)
    settings = Settings(device="cpu", offline=offline, allowed_models=allowed)
    row = replace(MODELS["text-to-image"], name="cached", source=source)
    monkeypatch.setitem(MODELS, "cached", row)
    assert at_hand(source, settings) and not absent("cached")
    assert folder_of(source, settings, half=True) == cached / "snapshots" / REVISION
    if source.endswith("main") and switch:  # once is enough
        assert load("cached", settings).conditioning(Condition(prompt="cat")).prompt.hidden.isfinite().all()


@pytest.mark.parametrize(
    ("gone", "gap"),
    [
        ("unet/diffusion_pytorch_model.safetensors", "weights in unet"), ("vae/config.json", "vae/config.json"),
        ("text_encoder/model.safetensors", "weights in text_encoder"), ("tokenizer/tokenizer.json", "a vocabulary"),
        ("scheduler/scheduler_config.json", "scheduler/scheduler_config.json"),
    ],
)  # fmt: skip
@pytest.mark.parametrize("dangling", [True, False])
def test_what_is_partly_in_the_hubs_cache_is_not_offered_and_said_so(cached, monkeypatch, gone, gap, dangling):
    """A file that is missing, or a link to a blob that never came."""
    file = cached / "snapshots" / REVISION / gone
    if dangling:
        file.resolve().unlink()
    else:
        file.unlink()
    offline = Settings(allowed_models="somebody/a-model")
    monkeypatch.setitem(MODELS, "cached", replace(MODELS["text-to-image"], source="somebody/a-model"))
    assert not at_hand("somebody/a-model", offline) and absent("cached")
    with pytest.raises(LabError, match=f"only partly on this machine \\({gap}.*the lab is set to stay offline"):
        folder_of("somebody/a-model", offline)
    with pytest.raises(LabError, match="only partly on this machine .*not among the models that this lab may fetch"):
        folder_of("somebody/a-model", Settings(offline=False))
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", True)
    with pytest.raises(LabError, match="HF_HUB_OFFLINE keeps it from asking the hub"):
        folder_of("somebody/a-model", Settings(offline=False, allowed_models="somebody/a-model"))
    assert not at_hand("somebody/a-model", Settings(offline=False, allowed_models="somebody/a-model"))


def test_another_revision_than_the_one_in_the_cache_is_not_there(cached):
    assert not at_hand(f"somebody/a-model@{'f' * 40}", Settings())
    assert not at_hand("somebody/a-model@other-branch", Settings())


def test_a_network_in_shards_is_whole_with_all_of_them(tmp_path):
    (tmp_path / "config.json").write_text("{}")
    index = {"weight_map": {"a": "one.safetensors", "b": "two.safetensors"}}
    (tmp_path / "diffusion_pytorch_model.safetensors.index.fp16.json").write_text(json.dumps(index))
    (tmp_path / "one.safetensors").touch()
    assert gap_in(tmp_path) == "weights"
    (tmp_path / "two.safetensors").touch()
    assert gap_in(tmp_path) == "" and variant_of(tmp_path, half=False) == "fp16"


def test_what_is_at_hand_and_how_much_of_the_rest_has_come(monkeypatch, tmp_path):
    """In the hub's own store: a file that is being written counts with the bytes it has."""
    assert folder_at_hand("models/clip") == ASSETS / "models" / "clip"
    assert folder_at_hand("/folder that/is gone/") is None
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_CACHE", str(tmp_path))
    monkeypatch.setattr(huggingface_hub.file_download, "HF_HUB_CACHE", str(tmp_path), raising=False)
    assert folder_at_hand(ID) is None and fetched_bytes(ID) == 0
    store = tmp_path / "models--somebody--a-model"
    (store / "blobs").mkdir(parents=True)
    (store / "blobs" / "abc").write_bytes(b"{}")
    (store / "blobs" / "def.incomplete").write_bytes(b"12345")
    assert folder_at_hand(ID) is None and fetched_bytes(ID) == 7
    revision = store / "snapshots" / "0123abc"
    revision.mkdir(parents=True)
    (revision / "config.json").symlink_to(store / "blobs" / "abc")
    assert folder_at_hand(ID) is None
    (revision / "diffusion_pytorch_model.safetensors").symlink_to(store / "blobs" / "abc")
    assert folder_at_hand(ID) == revision


def test_the_variant_is_what_is_there_and_wanted(tmp_path):
    (tmp_path / "model.fp16.safetensors").touch()
    assert variant_of(tmp_path, half=True) == variant_of(tmp_path, half=False) == "fp16"
    (tmp_path / "model.safetensors").touch()
    assert variant_of(tmp_path, half=True) == "fp16" and variant_of(tmp_path, half=False) is None


# Content


def test_equal_content_has_one_key_wherever_it_lies(folder, tmp_path):
    copy = shutil.copytree(folder / "vae", tmp_path / "copy")
    assert content_key(copy, "kind") == content_key(folder / "vae", "kind") != content_key(folder / "vae", "other kind")
    weights = copy / "diffusion_pytorch_model.safetensors"
    weights.write_bytes(flipped(weights.read_bytes()))
    assert content_key(copy, "kind") != content_key(folder / "vae", "kind")


def test_files_of_the_hubs_store_are_known_by_their_names(tmp_path):
    (tmp_path / "blobs").mkdir()
    (tmp_path / "snapshot").mkdir()
    (tmp_path / "blobs" / "abc").write_bytes(b"weights")
    (tmp_path / "snapshot" / "w.safetensors").symlink_to(tmp_path / "blobs" / "abc")
    key = content_key(tmp_path / "snapshot")
    (tmp_path / "blobs" / "abc").write_bytes(b"as large")
    assert content_key(tmp_path / "snapshot") == key


def test_every_shipped_file_has_its_checksum():
    recorded = dict(reversed(line.split(maxsplit=1)) for line in sources.CHECKSUMS.read_text().splitlines())
    files = {str(file.relative_to(ASSETS / "models")) for file in (ASSETS / "models").rglob("*.safetensors")}
    assert recorded.keys() == files
    for name, digest in recorded.items():
        assert hashlib.sha256((ASSETS / "models" / name).read_bytes()).hexdigest() == digest, name


def test_a_flipped_bit_in_a_shipped_file_is_noticed(folder, tmp_path, monkeypatch):
    assets = tmp_path / "assets"
    vae = shutil.copytree(folder / "vae", assets / "models" / "vae")
    weights = vae / "diffusion_pytorch_model.safetensors"
    sums = assets / "models" / "SHA256SUMS"
    sums.write_text(f"{hashlib.sha256(weights.read_bytes()).hexdigest()}  vae/{weights.name}\n")
    monkeypatch.setattr(sources, "ASSETS", assets)
    monkeypatch.setattr(sources, "CHECKSUMS", sums)
    sources._shipped_checksums.cache_clear()
    content_key(vae)
    weights.write_bytes(flipped(weights.read_bytes()))
    AutoencoderKL.from_pretrained(vae)  # which would have opened it
    with pytest.raises(LabError, match="of 'vae' is damaged. Fetch the lab's assets folder again"):
        content_key(vae)
    sources._shipped_checksums.cache_clear()


def flipped(data):
    """The same bytes but for one bit of the last weight."""
    return data[:-1] + bytes([data[-1] ^ 1])


def test_bytes_are_told_from_the_headers(tmp_path):
    save_file({"a": torch.zeros(3, 5), "b": torch.zeros(7, dtype=torch.float16)}, tmp_path / "w.safetensors")
    (tmp_path / "part").mkdir()
    save_file({"a": torch.zeros(2)}, tmp_path / "part" / "w.safetensors")
    (tmp_path / "part" / "cut.safetensors").write_bytes(b"\x10\0\0")
    assert weight_of(tmp_path, torch.float32) == 4 * (15 + 7 + 2)
    assert weight_of(tmp_path, torch.float16) == 2 * (15 + 7 + 2)
