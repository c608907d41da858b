# make demo: set up and run the demo on the bundled sample.    make test: set up and run all checks.
# make quick: the unit tests alone.    make coverage: what the tests reach.    make lowest: the oldest versions allowed.
# make site: the documentation as a web site, in .site/html.
# make pictures: the pictures of the documentation, from the bundled sample.
# make lite: train the default encoder again, on the data sets of make datasets.    make tags: its tags alone.
PYTHON ?= python3
BIN := .venv/bin
# Modules are compiled when they are first imported: of torch and Ray most never are.
PIP := $(BIN)/python -m pip install --disable-pip-version-check --quiet --no-compile --constraint constraints.txt
# A process for each core and two more, since tests wait for servers and browsers; each computes on one thread. They
# stand behind other programs, as the commands do that they start, which would wait for the tests otherwise.
WORKERS = $(shell $(BIN)/python -c 'import os; print((os.cpu_count() or 1) + 2)')
PYTEST = OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1 nice $(BIN)/pytest --numprocesses $(WORKERS) --dist loadgroup

# Tests that wait for browsers, servers and processes may fail on a machine that has no time for them. What failed is
# run once more, alone; what fails then is a fault. Both runs are printed.
AGAIN = echo "Once more, alone:" && $(BIN)/pytest --last-failed --last-failed-no-failures none --maxfail 1

.PHONY: demo pictures test quick lint types contracts collected coverage lowest benchmarks mutants datasets lite tags site clean

demo: .venv/installed
	$(BIN)/i2v-search demo

test: .venv/installed-test
	$(MAKE) --jobs=2 types contracts lint collected
	$(PYTEST) || { test $$? -eq 1 && $(AGAIN); }

quick: .venv/installed-test
	$(PYTEST) -p no:schemathesis -m unit

lint: .venv/installed-test
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: .venv/installed-test
	$(BIN)/mypy

contracts: .venv/installed-test
	$(BIN)/lint-imports

# Compiles what the tests import, while mypy keeps one core busy: each of the workers would, for itself.
collected: .venv/installed-test
	@$(BIN)/pytest --collect-only --quiet > .venv/collected || { tail -40 .venv/collected; exit 1; }

# In a separate, new environment: an existing one may have newer packages.
lowest:
	$(PYTHON) -m venv --clear .venv-lowest
	$(PYTHON) scripts/lowest.py > .venv-lowest/constraints.txt
	.venv-lowest/bin/python -m pip install --disable-pip-version-check --quiet --no-compile \
		--constraint .venv-lowest/constraints.txt --editable '.[test]'
	OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1 .venv-lowest/bin/pytest --numprocesses auto --dist loadgroup -m unit

# Which test runs which line is recorded too, in .coverage.
coverage: .venv/installed-test
	$(PYTEST) -m "not browser and not cluster" --cov --cov-context=test --cov-report=term:skip-covered

pictures: .venv/installed-test
	$(BIN)/python -m scripts.make_pictures

benchmarks: .venv/installed-test
	for name in extraction search store; do $(BIN)/python -m benchmarks.$$name || exit 1; done

# Warnings, and links within the site that lead nowhere, are failures.
site: .venv/installed-site
	$(BIN)/python -m scripts.site

mutants: coverage
	$(BIN)/python scripts/mutants.py

DATASETS := data/openclipart data/emoji data/characters
TITLED := data/emoji data/openclipart data/icons
EXTRA := data/icons data/scenes

datasets: $(DATASETS:=/tags.jsonl) $(EXTRA:=/tags.jsonl)

data/%/tags.jsonl: | .venv/installed-lite
	$(BIN)/python -m scripts.lite.make_dataset $* --out data/$*

lite: datasets
	$(BIN)/python -m scripts.lite.train_lite $(DATASETS) $(EXTRA:%=--extra %) --out i2v_search/data/lite
	$(BIN)/python -m scripts.lite.train_text $(TITLED) --out i2v_search/data/lite
	$(BIN)/python -m scripts.lite.train_sketches data/emoji data/openclipart --out i2v_search/data/lite
	$(BIN)/python -m scripts.lite.train_views data/emoji --out i2v_search/data/lite
	$(BIN)/python -m scripts.lite.train_dials data/emoji --extra data/icons --out i2v_search/data/lite

# The tags alone, from the vectors that the weights give; they and collections stay as they are.
tags: datasets
	$(BIN)/python -m scripts.lite.train_tags $(DATASETS) $(EXTRA:%=--extra %) --out i2v_search/data/lite

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

.venv/installed-site: .venv/installed
	$(PIP) --editable '.[site]'
	@touch $@

.venv/installed-test: .venv/bin/python pyproject.toml constraints.txt
	@echo "Installing what the tests need, torch and Ray among it ..."
	$(PIP) --editable '.[test]'
	@# It allows no typer as new as ours, which only its own command line would use.
	$(PIP) --no-deps openapi-python-client
	@touch .venv/installed $@

clean:
	rm -rf .venv demo index/demo
