# Every wish is one word: make search, make test, make install.
#
# CPU only, on Linux: hand over PyTorch's index of CPU wheels as TORCH_INDEX (see README), or pip takes the build for
# NVIDIA cards with several gigabytes of libraries.

PYTHON ?= python3
TORCH_INDEX ?=

BIN := .venv/bin
QUICK := $(wildcard tests/pool tests/io tests/results tests/objectives tests/docs tests/test_files.py tests/test_plugins.py)
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt
TORCH := $(if $(TORCH_INDEX),--extra-index-url $(TORCH_INDEX)) torch

.PHONY: search test tests long quick harden coverage check tree docs demo figures vega install clean

search: install  ## the main job: the front of 36 compressed networks
	@$(BIN)/python -m evo_ensyth search

test: .venv/installed-dev  ## everything that .ci/run runs: the checks, beside the tests
	@$(MAKE) --no-print-directory --jobs 2 --output-sync=none check tests

tests: .venv/installed-dev
	@NUMBA_BOUNDSCHECK=0 $(BIN)/python -m pytest -n 2 --dist worksteal

long: .venv/installed-dev  ## every test, also those of half a minute and more
	@NUMBA_BOUNDSCHECK=0 $(BIN)/python -m pytest -n 2 --dist worksteal --long

quick: .venv/installed-dev  ## the tests of a minute: arrays, files, objectives, results, rooms
	@NUMBA_BOUNDSCHECK=0 $(BIN)/python -m pytest -n 2 --dist worksteal -m "not slow" $(QUICK)

harden: .venv/installed-dev  ## kill, damage, fill up: all that was not tried yet, or PART=kills; hours, see docs/reliability.md
	@PYTHONPATH=$(CURDIR):$(CURDIR)/tests $(BIN)/python -m hardening --jobs 2 $(PART) $(if $(SECONDS),--seconds $(SECONDS))

coverage: .venv/installed-dev  ## which lines of the kernels a small pool reaches, with the compiler off
	@PYTHONPATH=.:tests NUMBA_DISABLE_JIT=1 $(BIN)/python -m coverage run tests/engine/kernels/test_compiler_off.py > /dev/null
	@$(BIN)/python -m coverage report --show-missing

check: .venv/installed-dev  ## lint, types, import contracts, floors, spelling and the words that went
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports --no-logo
	@$(BIN)/codespell .
	@$(BIN)/python docs/tree.py

figures: .venv/installed  ## docs/benchmarks.md from the stored figures
	@$(BIN)/python benchmarks/figures.py

vega:  ## fetch Vega-Lite, which draws the charts of front.html, from npm into the package
	@$(PYTHON) docs/fetch_vega.py

tree: .venv/installed-dev  ## the rooms of the package, floor by floor
	@$(BIN)/python docs/tree.py

docs: .venv/installed-dev  ## the site of docs/, into build/site
	@$(BIN)/python -m sphinx -q -W --keep-going -d build/site-doctrees docs build/site
	@echo "build/site/index.html"

demo: .venv/installed-dev  ## a page on this machine where an exported ensemble reads drawn digits; needs npm
	@npm install --silent --no-audit --no-fund --prefix docs/demo
	@test -e docs/demo/digits.onnx || { $(BIN)/python -m evo_ensyth search digits --quiet --out runs/digits/demo && \
		$(BIN)/python -m evo_ensyth export runs/digits/demo -o docs/demo/digits.onnx; }
	@$(BIN)/python -m http.server --bind 127.0.0.1 --directory docs/demo 8000

install: .venv/installed  ## .venv, and nothing more

.venv/installed: pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit("evo_ensyth needs Python 3.11 or newer, this is " + sys.version.split()[0] + "; say make PYTHON=python3.11" if sys.version_info < (3, 11) else 0)'
	@echo "installing into .venv; this takes a minute or two"
	@$(PYTHON) -m venv .venv
	@$(PIP) $(TORCH)
	@$(PIP) --editable '.[build,onnx]'
	@touch $@

.venv/installed-dev: .venv/installed
	@$(PIP) --editable '.[build,dev]'
	@touch $@

clean:  ## forget the environment and everything that was computed
	rm -rf .venv .mypy_cache .pytest_cache .ruff_cache .import_linter_cache build dist docs/demo/node_modules docs/demo/digits.onnx
	find runs -mindepth 1 -maxdepth 1 ! -name reference ! -name README.md -exec rm -rf {} +
