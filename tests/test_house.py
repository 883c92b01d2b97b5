"""The house rules of the design: which room imports which, sane tables, documented settings."""

import ast
import inspect
import re
import subprocess
import sys
from pathlib import Path

import diffusers
import pytest
from pydantic import ValidationError

from lab import settings as lab_settings
from lab.catalog import GROUPS, MODELS, SAMPLERS, SCHEDULES, SPACINGS, samplers_for
from lab.engine import samplers as engine_samplers
from lab.models.loaders import FAMILIES
from lab.settings import Settings

ROOT = Path(__file__).resolve().parent.parent
TABLES = {"models": MODELS, "samplers": SAMPLERS, "schedules": SCHEDULES}

# Which rooms of lab/ a room may import, besides itself. A file at the top of lab/ is a room of its own.
MAY_IMPORT = {
    "settings": set(),
    "catalog": set(),
    "capsule": {"catalog"},
    "engine": set(),
    "annotators": {"capsule", "catalog", "settings"},
    "measures": {"engine"},
    "models": {"engine", "capsule", "catalog", "settings"},
    "operations": {"models", "engine", "annotators", "measures", "capsule", "catalog", "settings"},
    "backends": {"operations", "models", "engine", "annotators", "measures", "capsule", "catalog", "settings"},
    "ui": {"capsule", "catalog", "settings"},
    "training": {"models", "engine", "annotators", "measures", "capsule", "catalog", "settings"},
    "app": {"ui", "backends", "settings"},
}
HEAVY = {"torch", "torchvision", "diffusers", "transformers", "cv2"}
# Libraries that a room must leave alone; only the face knows gradio.
MUST_NOT_IMPORT = {room: {"gradio"} for room in MAY_IMPORT if room != "ui"} | {
    "ui": HEAVY - {"cv2"},
    "settings": HEAVY | {"gradio"},
    "catalog": HEAVY | {"gradio", "numpy", "pydantic"},
    "capsule": HEAVY | {"gradio"},
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
        ("lab.capsule", HEAVY | {"gradio"}),
        ("lab.catalog", HEAVY | {"gradio", "numpy", "pydantic"}),
        ("lab.settings", HEAVY | {"gradio"}),
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
        assert key == row.name and re.fullmatch(r"[a-z][a-z0-9_]*", key)
        assert row.title.strip() == row.title != ""
        assert row.about.endswith(".") and len(row.about) < 200
    assert len({row.title for row in rows.values()}) == len(rows)


@pytest.mark.parametrize("table", ["samplers", "schedules"])
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


def test_model_rows_name_what_exists():
    for model in MODELS.values():
        assert model.family in FAMILIES
        assert model.schedules and set(model.schedules) <= set(SCHEDULES)
        assert model.size > 0
        assert set(model.conditions) <= {"prompt", "group", "style"}
        assert samplers_for(model)
    assert all(title and not title.startswith(" ") for title in GROUPS.values())


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
