"""The house rules of the design: which room imports which, sane tables, documented settings."""

import ast
import inspect
import json
import re
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import diffusers
import pytest
from pydantic import ValidationError

from lab import catalog
from lab import settings as lab_settings
from lab.annotators import annotators_of
from lab.catalog import (
    CONTROLS,
    GROUPS,
    GUIDANCE,
    HELPERS,
    MODELS,
    SAMPLERS,
    SCHEDULES,
    SPACINGS,
    STYLES,
    UNCLIPS,
    Model,
    control_of,
    guide_networks,
    leasable,
    rules_for,
    samplers_for,
)
from lab.engine import samplers as engine_samplers
from lab.engine.guidance import ClassifierFree, make_rule
from lab.engine.process import Level
from lab.models.loaders import FAMILIES
from lab.models.pictures import PictureSet
from lab.settings import ASSETS, Settings, at_hand

ROOT = Path(__file__).resolve().parent.parent
TABLES = {"models": MODELS, "samplers": SAMPLERS, "schedules": SCHEDULES, "guidance": GUIDANCE, "controls": CONTROLS,
          "helpers": HELPERS}  # fmt: skip

# Which rooms of lab/ a room may import, besides itself. A file at the top of lab/ is a room of its own.
MAY_IMPORT = {
    "store": set(),
    "settings": {"catalog", "store"},
    "launching": {"settings"},
    "memory": set(),
    "catalog": set(),
    "architecture": {"catalog", "settings", "store"},
    "fidelity_curves": {"settings"},
    "unclip_curves": {"settings"},
    "papers": set(),
    "equations": set(),
    "notebooks": set(),
    "quantities": set(),
    "toy_data": set(),
    "shapes": set(),
    "disentanglement": set(),
    "captions": set(),
    "vocabulary": {"captions", "settings"},
    "requests": {"catalog"},
    "capsules": {"requests", "catalog", "equations", "papers", "settings", "vocabulary"},
    "unused": {"requests", "catalog"},
    "engine": set(),
    "notes": {"engine", "papers"},
    "annotators": {"requests", "catalog", "settings"},
    "measures": set(),
    "views": {"catalog"},
    "models": {"engine", "requests", "catalog", "settings", "shapes", "store", "vocabulary"},
    "operations": {
        "disentanglement",
        "shapes",
        "quantities",
        "models",
        "engine",
        "annotators",
        "measures",
        "requests",
        "captions",
        "catalog",
        "settings",
        "unused",
        "views",
        "vocabulary",
    },
    "backends": {
        "operations",
        "store",
        "models",
        "engine",
        "annotators",
        "measures",
        "requests",
        "catalog",
        "memory",
        "quantities",
        "settings",
    },
    "ui": {
        "annotators",
        "architecture",
        "measures",
        "requests",
        "catalog",
        "captions",
        "equations",
        "fidelity_curves",
        "unclip_curves",
        "notes",
        "papers",
        "capsules",
        "quantities",
        "shapes",
        "settings",
        "toy_data",
        "views",
        "vocabulary",
    },
    "training": {
        "models",
        "engine",
        "annotators",
        "measures",
        "backends",
        "capsules",
        "disentanglement",
        "fidelity_curves",
        "unclip_curves",
        "shapes",
        "operations",
        "requests",
        "catalog",
        "settings",
    },
    "app": {"ui", "backends", "launching", "memory", "settings"},
}
HEAVY = {"torch", "torchvision", "diffusers", "transformers", "cv2"}
# Libraries that a room must leave alone; only the face knows gradio.
MUST_NOT_IMPORT = {room: {"gradio"} for room in MAY_IMPORT if room != "ui"} | {
    "ui": HEAVY - {"cv2"},
    "measures": (HEAVY - {"cv2"}) | {"gradio"},
    "views": (HEAVY - {"cv2"}) | {"gradio"},
    "settings": HEAVY | {"gradio"},
    "store": HEAVY | {"gradio"},
    "catalog": HEAVY | {"gradio", "numpy", "pydantic"},
    "toy_data": HEAVY | {"gradio", "numpy", "pydantic"},
    "shapes": HEAVY | {"gradio"},
    "disentanglement": HEAVY | {"gradio"},
    "architecture": HEAVY | {"gradio"},
    "equations": HEAVY | {"gradio", "numpy"},
    "notebooks": {"gradio"},
    "captions": HEAVY | {"gradio"},
    "fidelity_curves": HEAVY | {"gradio"},
    "unclip_curves": HEAVY | {"gradio"},
    "vocabulary": HEAVY | {"gradio"},
    "requests": HEAVY | {"gradio"},
    "capsules": HEAVY | {"gradio"},
    "quantities": HEAVY | {"gradio"},
    "unused": HEAVY | {"gradio"},
    "app": HEAVY,
}


def sources():
    return [ROOT / "app.py", *sorted((ROOT / "lab").rglob("*.py"))]


def room_of(path):
    parts = path.relative_to(ROOT).with_suffix("").parts
    return parts[0] if parts[0] != "lab" else parts[1]


def imported(path):
    """Full names of everything a file imports, wherever in the file; relative imports made absolute."""
    package = path.relative_to(ROOT).with_suffix("").parts[:-1]
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = ".".join(package[: len(package) - node.level + 1]) if node.level else ""
            module = ".".join(part for part in (base, node.module) if part)
            # `from lab import x` imports the room x; `from lab.room import y` imports from a room.
            yield from (f"{module}.{alias.name}" if module == "lab" else module for alias in node.names)


def files():
    return [
        pytest.param(path, id=str(path.relative_to(ROOT))) for path in sources() if path != ROOT / "lab/__init__.py"
    ]


@pytest.mark.parametrize("path", files())
def test_imports_point_one_way(path):
    room = room_of(path)
    assert room in MAY_IMPORT, f"{room} is a new room: say in MAY_IMPORT what it may import"
    for name in imported(path):
        library, _, rest = name.partition(".")
        if library == "lab":
            other = rest.partition(".")[0]
            assert other == room or other in MAY_IMPORT[room], f"lab.{room} must not import {name}"
        assert library not in MUST_NOT_IMPORT.get(room, set()), f"lab.{room} must not import {library}"


def test_the_walk_sees_every_kind_of_import(tmp_path, monkeypatch):
    """The rule is only as good as what it reads."""
    monkeypatch.setattr(sys.modules[__name__], "ROOT", tmp_path)
    file = tmp_path / "lab" / "ui" / "tabs" / "bad.py"
    file.parent.mkdir(parents=True)
    file.write_text(
        "import torch.nn as nn\nfrom lab import engine\nfrom ...models import cache\nfrom . import other\n"
        "def f():\n    from lab.backends.local import LocalBackend\n"
    )
    assert set(imported(file)) == {"torch.nn", "lab.engine", "lab.models", "lab.ui.tabs", "lab.backends.local"}
    assert room_of(file) == "ui"


def test_operations_alone_join_models_and_engine():
    """Backends reach the models through operations; only types and the cache pass them by."""
    for path in (ROOT / "lab" / "engine").glob("*.py"):
        assert not [name for name in imported(path) if name.startswith("lab.") and not name.startswith("lab.engine")]


LOADED = """
import importlib, pkgutil, sys
package = importlib.import_module(sys.argv[1])
for found in pkgutil.walk_packages(getattr(package, "__path__", []), package.__name__ + "."):
    importlib.import_module(found.name)
print(*sorted({name.partition(".")[0] for name in sys.modules}))
"""


def libraries_loaded_by(module):
    """The top-level libraries that importing a module, with all its submodules, leaves in a fresh interpreter."""
    done = subprocess.run([sys.executable, "-c", LOADED, module], cwd=ROOT, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    return set(done.stdout.split())


@pytest.mark.parametrize(
    ("module", "banned"),
    [
        ("lab.ui", {"torch", "diffusers", "transformers"}),
        ("lab.requests", HEAVY | {"gradio"}),
        ("lab.catalog", HEAVY | {"gradio", "numpy", "pydantic"}),
        ("lab.toy_data", HEAVY | {"gradio", "numpy", "pydantic"}),
        ("lab.settings", HEAVY | {"gradio"}),
        ("lab.notes.chapters", HEAVY | {"gradio", "numpy"}),
    ],
)
def test_importing_a_light_room_loads_nothing_heavy(module, banned):
    """Transitively, too: the page can be built where torch is not installed."""
    assert not libraries_loaded_by(module) & banned


@pytest.mark.parametrize("table", TABLES)
def test_rows_are_sane(table):
    rows = TABLES[table]
    assert rows
    for key, row in rows.items():
        # Models and controls may be named as folders and hub ids are, with a hyphen.
        assert key == row.name and re.fullmatch(
            r"[a-z][a-z0-9-]*" if hasattr(row, "source") else r"[a-z][a-z0-9_]*", key
        )
        assert row.title.strip() == row.title != ""
        assert row.about.endswith(".") and len(row.about) < 200
    assert len({row.title for row in rows.values()}) == len(rows)


@pytest.mark.parametrize("table", ["samplers", "schedules", "guidance"])
def test_colours_are_one_a_row_and_papers_are_linked(table):
    rows = TABLES[table].values()
    colours = [row.colour.lower() for row in rows]
    assert all(re.fullmatch(r"#[0-9a-f]{6}", colour) for colour in colours)
    assert len(set(colours)) == len(colours)
    for row in rows:
        assert re.fullmatch(r"\d{4}\.\d{5}", row.arxiv)
        year = re.search(r"(?:19|20)\d\d", row.paper)
        # A paper appears in the year of its preprint or soon after.
        assert year and 0 <= int(year.group()) - (2000 + int(row.arxiv[:2])) <= 2


@pytest.mark.parametrize("name", SAMPLERS)
def test_sampler_rows_name_what_exists(name):
    row = SAMPLERS[name]
    cls = engine_samplers.OWN.get(row.scheduler) or getattr(diffusers, row.scheduler)
    # make_scheduler passes on only what a class takes: a misspelt option would be lost in silence.
    assert set(row.options) <= set(inspect.signature(cls.__init__).parameters)
    assert row.spacings and set(row.spacings) <= set(SPACINGS)
    step = inspect.signature(cls.step).parameters
    assert not row.eta or "eta" in step
    assert not row.stochastic or "generator" in step


def test_mended_samplers_are_used():
    """Where the engine mends a class of diffusers, the catalog must name the mended one."""
    for row in SAMPLERS.values():
        for cls in engine_samplers.OWN.values():
            assert row.scheduler not in {base.__name__ for base in cls.__mro__[1:]}, f"{row.name} misses {cls}"


@pytest.mark.parametrize("name", MODELS)
def test_model_rows_name_what_exists(name):
    model = MODELS[name]
    assert model.family in FAMILIES
    assert model.schedules and set(model.schedules) <= set(SCHEDULES)
    assert len(model.schedules) == 1 or not model.trained  # a network knows the process it was trained under
    assert model.size > 0
    assert set(model.conditions) <= {"prompt", "group", "style"}
    assert model.guided == (bool(model.conditions) and not model.consistency)  # what is distilled has no twin
    assert 0 <= model.guidance_scale <= 30 and (model.guided or model.consistency or model.guidance_scale == 1)
    assert set(model.controls) <= set(CONTROLS)
    assert not model.controls or model.family == "stable_diffusion"
    if model.perfect:
        perfect = MODELS[model.perfect]
        # The perfect score lives where the learned one does: same side, pixels both, and its forward process.
        assert not (perfect.trained or perfect.latent or model.latent)
        assert perfect.size == model.size and set(model.schedules) <= set(perfect.schedules)


def test_what_can_be_leased_has_one_name_and_a_loader():
    assert len(leasable()) == len(MODELS) + len(CONTROLS) + len(HELPERS)
    assert {row.family for row in leasable().values()} == set(FAMILIES)


def test_samplers_and_rules_are_offered_where_they_apply():
    pixels = {"schedules": ("linear",), "conditions": ("prompt",)}
    plain, latent, learned, distilled = (
        Model("a", "A", "exact", "pictures", 64, "A model.", **pixels, **more)
        for more in ({}, {"latent": True}, {"learned_variance": True}, {"consistency": True})
    )
    assert set(SAMPLERS) - samplers_for(plain).keys() == {"lcm", "ddpm_learned"}
    assert set(SAMPLERS) - samplers_for(learned).keys() == {"lcm"}
    assert set(SAMPLERS) - samplers_for(distilled).keys() == {"ddpm_learned"}
    combine = {name for name, row in GUIDANCE.items() if not row.guide}
    assert set(rules_for(plain)) == combine
    assert combine - rules_for(latent).keys() == {"threshold"}
    symmetric = replace(plain, guides={"symmetry": ""})
    assert rules_for(symmetric).keys() - combine == {"symmetry"}


def test_every_guidance_row_names_a_rule_of_the_engine():
    rules = {type(make_rule(row.rule, 1.0)) for row in GUIDANCE.values() if not row.guide}
    assert len(rules) == sum(not row.guide for row in GUIDANCE.values())
    assert all(issubclass(rule, ClassifierFree) for rule in rules)


@pytest.mark.parametrize("row", [row for row in GUIDANCE.values() if row.guide], ids=lambda row: row.name)
def test_every_guide_is_some_models_and_is_added_to_one_half(row):
    assert any(row.guide in model.guides for model in MODELS.values())
    assert make_rule(row.rule, 3.0).needs(Level(0.6, 0.8)) == ((True, False) if row.base else (True, True))
    assert row.base in ("", "unconditional", "conditional") and row.origin in (0, 1)


def test_what_guides_a_model_can_be_leased():
    for model in MODELS.values():
        assert all(not network or network in HELPERS for network in model.guides.values())
        assert set(guide_networks(model, GUIDANCE)) == set(filter(None, model.guides.values()))


@pytest.mark.parametrize("name", CONTROLS)
def test_control_rows_have_annotators_and_are_used_by_a_model(name):
    assert annotators_of(name)
    assert any(name in model.controls for model in MODELS.values())


def weights(folder):
    """The safetensors files of a model's folder: one, or all the shards that its index names."""
    (index,) = [*folder.glob("*.safetensors.index.json")] or [None]
    if index is None:
        (file,) = folder.glob("*.safetensors")
        return [file]
    return [folder / name for name in set(json.loads(index.read_text())["weight_map"].values())]


def parts_of(family, folder):
    """The folders of a row's source that hold a config and weights, by family."""
    if family in ("stable_diffusion", "inpainting"):
        index = json.loads((folder / "model_index.json").read_text())
        kind = "StableDiffusionPipeline" if family == "stable_diffusion" else "StableDiffusionInpaintPipeline"
        assert index["_class_name"] == kind
        assert (folder / "scheduler" / "scheduler_config.json").is_file()
        assert (folder / "tokenizer" / "tokenizer_config.json").is_file()
        return [folder / part for part in ("unet", "vae", "text_encoder")]
    if family == "unclip":
        index = json.loads((folder / "model_index.json").read_text())
        assert index["_class_name"] == "StableUnCLIPPipeline"
        for scheduler in ("scheduler", "prior_scheduler", "image_noising_scheduler"):
            assert (folder / scheduler / "scheduler_config.json").is_file()
        parts = ("prior", "prior_text_encoder", "image_encoder", "image_normalizer", "text_encoder", "unet", "vae")
        return [folder / part for part in parts]
    if family == "pixel":
        assert (folder / "scheduler" / "scheduler_config.json").is_file()
        assert isinstance(json.loads((folder / "classes.json").read_text()), list)
        return [folder / "unet"]
    if family == "upsampler":
        assert (folder / "scheduler" / "scheduler_config.json").is_file()
        return [folder / "unet"]
    if family == "family":
        told = json.loads((folder / "family.json").read_text())
        assert told.keys() <= {"style", "per_group", "gaps"}
        return [part for part in folder.iterdir() if part.is_dir()]
    if family == "noised_clip":
        assert (folder / "scheduler" / "scheduler_config.json").is_file()
        return [folder / "image_encoder"]
    if family == "classifier":
        assert (folder / "scheduler" / "scheduler_config.json").is_file()
        assert len(json.loads((folder / "classes.json").read_text())) == 8
        return [folder / "classifier"]
    if family == "clip":
        assert (folder / "tokenizer" / "tokenizer_config.json").is_file()
        return [folder / part for part in ("text_encoder", "image_encoder")]
    if family == "judge":
        assert (folder / "tokenizer" / "tokenizer_config.json").is_file()
    return [folder]


SHIPPED = [
    pytest.param(row.family, row.source, id=name)
    for name, row in leasable().items()
    if row.family not in ("exact", "local") and "@" not in row.source
]


@pytest.mark.parametrize(("family", "source"), SHIPPED)
def test_what_the_tables_name_is_shipped_whole(family, source):
    """A half-copied model is worse than none: the page would offer it and fail."""
    folder = ASSETS / source
    assert at_hand(source, Settings()), f"{source} is named by a row and not in assets"
    for part in parts_of(family, folder):
        assert (part / "config.json").is_file(), part
        for file in weights(part):
            assert 0 < file.stat().st_size <= 10_000_000, f"{file}: a git host would refuse it"


HUB_SOURCES = {source for row in leasable().values() for source in (row.source, getattr(row, "tiny_decoder", ""))}


@pytest.mark.parametrize("source", sorted(source for source in HUB_SOURCES if "@" in source))
def test_hub_rows_are_pinned_and_not_offered_until_allowed(source):
    name, _, revision = source.partition("@")
    assert re.fullmatch(r"[\w.-]+/[\w.-]+", name) and re.fullmatch(r"[0-9a-f]{40}", revision)
    assert not at_hand(source, Settings()) and not at_hand(source, Settings(offline=False))
    assert at_hand(source, Settings(offline=False, allowed_models=name))


def test_an_allowed_id_without_a_row_gets_one(monkeypatch):
    monkeypatch.setattr(catalog, "MODELS", dict(MODELS))
    catalog.add_hub_models(["some/new-model@abc", "stabilityai/sd-turbo", "lllyasviel/sd-controlnet-canny"])
    assert catalog.MODELS.keys() - MODELS.keys() == {"some/new-model"}
    row = catalog.MODELS["some/new-model"]
    assert (row.source, row.title, row.family) == ("some/new-model@abc", "new-model", "stable_diffusion")


def test_an_allowed_unclip_is_a_row_of_its_tab_alone(monkeypatch, tmp_path):
    for table in ("MODELS", "HELPERS", "UNCLIPS"):
        monkeypatch.setattr(catalog, table, dict(getattr(catalog, table)))
    folders = []
    for parent in ("a", "b"):
        folders.append(tmp_path / parent / "karlo")
        folders[-1].mkdir(parents=True)
        (folders[-1] / "model_index.json").write_text("{}")
    known = catalog.UNCLIPS["unclip-sd-2-1"].source.partition("@")[0]
    entries = ["unclip:some/karlo@abc", f"unclip:{known}", *(f"unclip:{folder}" for folder in folders)]
    settings = Settings(offline=False, allowed_models=",".join(entries))
    for _ in range(2):  # the page asks for them, and the backend
        catalog.add_hub_models(settings.allowed_models)
    added = {name: row for name, row in catalog.UNCLIPS.items() if name not in UNCLIPS}
    assert {name: row.source for name, row in added.items()} == {
        "some/karlo": "some/karlo@abc", "karlo": str(folders[0]), "karlo-2": str(folders[1]),
    }  # fmt: skip
    assert catalog.HELPERS.items() >= added.items() and catalog.MODELS.keys() == MODELS.keys()
    assert all(row.family == "unclip" and at_hand(row.source, settings) for row in added.values())
    assert at_hand(known, settings) and str(tmp_path) not in "".join(row.about + row.title for row in added.values())


def test_a_kind_of_control_leads_to_the_models_own_net():
    assert control_of(MODELS["text-to-image"], "edges").name == "edges"
    assert control_of(MODELS["sd-1-5"], "pose").name == "pose-sd-1-5"
    assert control_of(MODELS["exact"], "edges") is None
    assert all(row.kind in CONTROLS for row in CONTROLS.values() if row.kind)


def test_a_source_is_at_hand_where_it_can_be_loaded(tmp_path):
    online = Settings(offline=False, allowed_models="some/model")
    assert at_hand("pictures", Settings()) and at_hand(str(tmp_path), Settings())
    assert not at_hand(str(tmp_path / "gone"), online)
    assert not at_hand("models/never-made", Settings())
    assert at_hand("some/model", online) and not at_hand("other/model", online)
    assert not at_hand("some/model", Settings(allowed_models="some/model"))  # allowed, but the lab is offline


def test_the_exact_and_local_models_have_their_pictures():
    for row in MODELS.values():
        if row.family in ("exact", "local"):
            assert at_hand(row.source, Settings()) and (ASSETS / row.source / "index.csv").is_file()


def test_groups_and_styles_are_those_of_the_pictures():
    pictures = PictureSet.load(ASSETS / "pictures")
    assert set(pictures.groups) <= set(GROUPS) and set(pictures.styles) == set(STYLES)
    assert all(title.strip() == title != "" for title in GROUPS.values())


def test_rows_are_frozen():
    for rows in TABLES.values():
        with pytest.raises(AttributeError):
            next(iter(rows.values())).name = "other"


def test_settings_come_from_the_environment(monkeypatch):
    monkeypatch.setenv("LAB_PORT", "8123")
    monkeypatch.setenv("LAB_DEVICE", "cuda:1")
    monkeypatch.setenv("LAB_OFFLINE", "false")
    monkeypatch.setenv("LAB_ALLOWED_MODELS", "runwayml/sd, stabilityai/sdxl,,")
    monkeypatch.setenv("PORT", "1")  # without the prefix: not ours
    monkeypatch.setenv("LAB_UNKNOWN", "ignored")
    settings = Settings()
    assert (settings.port, settings.device, settings.offline) == (8123, "cuda:1", False)
    assert settings.allowed_models == ("runwayml/sd", "stabilityai/sdxl")


@pytest.mark.parametrize("text", ["", " , "])
def test_no_models_allowed_is_an_empty_list(monkeypatch, text):
    monkeypatch.setenv("LAB_ALLOWED_MODELS", text)
    assert Settings().allowed_models == ()


def test_allowed_models_as_text_or_tuple():
    assert Settings(allowed_models="a/b,c/d").allowed_models == ("a/b", "c/d")
    assert Settings(allowed_models=("a/b",)).allowed_models == ("a/b",)


def test_settings_are_frozen():
    with pytest.raises(ValidationError, match="frozen"):
        Settings().port = 1


@pytest.mark.parametrize(
    ("name", "value"),
    [("PORT", "0"), ("PORT", "many"), ("DEVICE", "abacus"), ("DTYPE", "int8"), ("MAX_RUNS", "0"), ("BACKEND", "moon")],
)
def test_bad_settings_are_refused(monkeypatch, name, value):
    monkeypatch.setenv(f"LAB_{name}", value)
    with pytest.raises(ValidationError, match=name.lower()):
        Settings()


def test_defaults_are_valid_and_documented():
    assert Settings.model_validate(Settings().model_dump()) == Settings()
    for name, field in Settings.model_fields.items():
        assert field.description and field.description.endswith("."), name
        assert f"`LAB_{name.upper()}`" in lab_settings.table()


def test_the_readme_has_the_table_of_settings():
    assert lab_settings.table() in (ROOT / "README.md").read_text()


def test_tests_run_coroutines_in_one_place():
    """After the browser tests a loop runs in the tests' thread: `asyncio.run` there fails, in the whole suite alone."""
    runs = re.compile(r"asyncio\.run\(|asyncio\.Runner|run_until_complete|anyio\.run\(")
    files = [path for path in (ROOT / "tests").rglob("*.py") if path != Path(__file__)]
    assert [str(path) for path in files if runs.search(path.read_text())] == []
    assert "asyncio.run" in (ROOT / "tests" / "loops.py").read_text()
