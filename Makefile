# make demo: set up and show everything on the bundled sample.    make test: set up and check everything.
# make lite: train the default encoder again, on the data sets that make datasets makes.
PYTHON ?= python3
BIN := .venv/bin
PIP := $(BIN)/python -m pip install --disable-pip-version-check --quiet --constraint constraints.txt

.PHONY: demo test lint types contracts benchmarks mutants datasets lite clean

demo: .venv/installed
	$(BIN)/i2v-search demo

test: .venv/installed-test lint types contracts
	$(BIN)/pytest -n auto --dist loadgroup

lint: .venv/installed-test
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: .venv/installed-test
	$(BIN)/mypy

contracts: .venv/installed-test
	$(BIN)/lint-imports

benchmarks: .venv/installed-test
	for name in extraction search store; do $(BIN)/python -m benchmarks.$$name || exit 1; done

mutants: .venv/installed-test
	$(BIN)/python scripts/mutants.py

DATASETS := data/openclipart data/emoji data/characters

datasets: $(DATASETS:=/tags.jsonl)

data/%/tags.jsonl: | .venv/installed-lite
	$(BIN)/python -m scripts.lite.make_dataset $* --out data/$*

lite: datasets
	$(BIN)/python -m scripts.lite.train_lite $(DATASETS) --out i2v_search/data/lite

.venv/bin/python:
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "i2v-search needs Python 3.11 or newer; run make PYTHON=python3.11 (or newer)")'
	$(PYTHON) -m venv .venv

.venv/installed: .venv/bin/python pyproject.toml constraints.txt
	@echo "Installing into .venv (about 150 MB to load) ..."
	$(PIP) --editable .
	@touch $@

.venv/installed-lite: .venv/installed
	@echo "Installing what data sets and training need, torch among it ..."
	$(PIP) --editable '.[lite]'
	@touch $@

.venv/installed-test: .venv/installed
	$(PIP) --editable '.[test]'
	@touch $@

clean:
	rm -rf .venv demo index/demo
