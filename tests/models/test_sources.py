"""Where weights come from: local folders, the hub's store, damage that is noticed, and bytes told from headers."""

import hashlib
import shutil

import huggingface_hub
import pytest
import torch
from diffusers import AutoencoderKL
from safetensors.torch import save_file

from lab.capsule import LabError
from lab.models import sources
from lab.models.sources import content_key, fetched_bytes, folder_at_hand, folder_of, variant_of, weight_of
from lab.settings import ASSETS, Settings
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


@pytest.mark.parametrize("error", [OSError("500 Server Error"), TimeoutError("slow"), ValueError("no such revision")])
def test_a_hub_that_fails_is_an_error_in_words(monkeypatch, error):
    def fail(*arguments, **more):
        raise error

    monkeypatch.setattr(sources, "list_repo_files", fail)
    with pytest.raises(LabError, match="the Hugging Face hub did not give it") as caught:
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
        "local_files_only": False,
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
    (revision / "model_index.json").symlink_to(store / "blobs" / "abc")
    assert folder_at_hand(ID) == revision


def test_the_variant_is_what_is_there_and_wanted(tmp_path):
    (tmp_path / "w.fp16.safetensors").touch()
    assert variant_of(tmp_path, half=True) == variant_of(tmp_path, half=False) == "fp16"
    (tmp_path / "w.safetensors").touch()
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
    sources._recorded.cache_clear()
    content_key(vae)
    weights.write_bytes(flipped(weights.read_bytes()))
    AutoencoderKL.from_pretrained(vae)  # which would have opened it
    with pytest.raises(LabError, match="of 'vae' is damaged. Fetch the lab's assets folder again"):
        content_key(vae)
    sources._recorded.cache_clear()


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
