# make run       set everything up if need be, then serve the lab
# make test      lint, types, unit tests, browser tests
# make coverage  the same tests, and which lines none of them reaches
# make lint-page what a linter says of the page's style sheets and scripts; needs Node, which nothing else does
# make soak      64 visitors for five minutes, then for one where 16 fit; what is left of a hundred visits
# make bench     every benchmark, one JSON line a figure
# make gpu-check eight minutes of a machine with CUDA: figures and weights in OUT (default .runs-gpu)
# make notebooks       open the written notebooks in JupyterLab, which is installed for that
# make notebooks-test  run all of them, each in a kernel of its own
# make train     train every model again, resuming where it stopped (hours: see python -m lab.training all --help)
# make pictures  the README's, taken anew
# make format    put the code into the house's format

PYTHON ?= $(firstword $(foreach name,python3.13 python3.12 python3.11 python3,$(if $(shell $(name) -c 'import sys, venv, ensurepip; print(1) if sys.version_info >= (3, 11) else None' 2>/dev/null),$(name))))
BIN := .venv/bin
# Bytecode is written even where the machine says not to: it makes the second start three times faster.
LIGHT := OMP_WAIT_POLICY=PASSIVE GRADIO_ANALYTICS_ENABLED=False PYTHONDONTWRITEBYTECODE=
# Two workers (tests/workers.py) on two cores.
TWO := OMP_NUM_THREADS=1

.PHONY: run test coverage notebooks notebooks-test lint-page soak bench gpu-check train pictures format
.DELETE_ON_ERROR:

run: .venv/ready
	@$(LIGHT) $(BIN)/python app.py

test: .venv/ready-test
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(LIGHT) $(BIN)/python -m tests.browser.setup
	$(LIGHT) $(TWO) $(BIN)/python -m pytest -n 2

coverage: .venv/ready-test
	$(LIGHT) $(BIN)/python -m tests.browser.setup
	$(LIGHT) $(TWO) $(BIN)/python -m pytest -n 2 --cov --cov-report=term-missing:skip-covered

# Two rules are off (lab/ui/biome.json): Gradio's own styles can be met by !important alone, and in any order.
lint-page:
	@command -v npx >/dev/null || { echo "Node is needed for this check alone: https://nodejs.org"; exit 1; }
	cd lab/ui && npx --yes @biomejs/biome@2.6.8 lint --error-on-warnings .

soak: .venv/ready-test
	$(LIGHT) SOAK_S=300 $(BIN)/python -m pytest -s tests/load/test_soak.py tests/load/test_overload.py tests/load/visits.py

bench: .venv/ready-test
	@set -e; for file in tests/benchmarks/[a-z]*.py; do \
		$(LIGHT) $(BIN)/python -m tests.benchmarks.$$(basename $$file .py); done

gpu-check: .venv/ready-test
	$(LIGHT) $(BIN)/python -m tests.gpu_check $(or $(OUT),.runs-gpu)

# A double click opens a percent-format file as a notebook; nothing is saved into it but cells (lab/notebooks/jupytext.toml).
notebooks: .venv/ready-notebooks
	cd lab/notebooks && $(LIGHT) ../../$(BIN)/jupyter lab

notebooks-test: .venv/ready-test
	$(LIGHT) $(TWO) LAB_ALL_NOTEBOOKS=1 $(BIN)/python -m pytest -v -n 2 tests/test_written_notebooks.py

train: .venv/ready-test
	$(LIGHT) OMP_NUM_THREADS=1 nice -n 19 $(BIN)/python -m lab.training all

pictures: .venv/ready-test
	$(LIGHT) $(BIN)/python -m tests.readme_pictures

format: .venv/ready-test
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

.venv/bin/uv:
	@test -n "$(PYTHON)" || { echo "Python 3.11 or newer with venv is needed (on Debian: apt install python3 python3-venv)."; exit 1; }
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check uv

.venv/ready: requirements.txt | .venv/bin/uv
	$(BIN)/uv pip install --quiet --python $(BIN)/python -r requirements.txt
	@touch $@

.venv/ready-notebooks: .venv/ready
	$(BIN)/uv pip install --quiet --python $(BIN)/python jupyterlab jupytext matplotlib
	$(BIN)/jupytext-config --settings-file .venv/etc/jupyter/labconfig/default_setting_overrides.json set-default-viewer python
	@touch $@

.venv/ready-test: requirements-dev.txt .venv/ready
	$(BIN)/uv pip install --quiet --python $(BIN)/python -r requirements-dev.txt
	@touch $@
