# Two commands: `make` runs the study and builds the book, `make test` runs the tests. Both set up .venv first.
# STUDY=params.faces.yaml runs and verifies that study, beside params.yaml and without touching its outputs.
# PYTHON=/path/to/python3.12 names the interpreter; left out, tools/venv.sh takes the newest suitable one
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
UV := $(BIN)/uv pip install --quiet --python $(BIN)/python --compile-bytecode
BESIDE := $(if $(STUDY),--study "$(STUDY)")
# pip and uv read the same setting under two names
export UV_FIND_LINKS ?= $(PIP_FIND_LINKS)
# a virtual environment that happens to be active must not win over .venv
export PATH := $(abspath $(BIN)):$(PATH)
export DVC_NO_ANALYTICS := 1
export PYTHONHASHSEED := 0
# threads that spin while they wait cost a busy machine several times the work
export OMP_WAIT_POLICY := PASSIVE
# memory that torch frees and takes again at each step stays with the process (glibc): training and attacks take 0.7 to
# 1.0 of the time
export MALLOC_MMAP_MAX_ := 0
export MALLOC_TRIM_THRESHOLD_ := 4000000000


.PHONY: all help setup book verify test lint lab pdf lock wheels licences bench
all: book

help: ## what can be made
	@awk -F ':.*## ' '/^[a-z]+:.*## / {printf "make %-9s %s\n", $$1, $$2}' Makefile

setup: $(READY) ## the environment alone, in .venv

$(READY): requirements.lock pyproject.toml tools/venv.sh
	@PYTHON="$(PYTHON)" sh tools/venv.sh
	@touch $@

# Without a local folder: the lock records what the index has.
lock: ## requirements.lock anew, from requirements.in
	UV_FIND_LINKS= $(BIN)/uv pip compile requirements.in --override requirements.overrides --python-version 3.11 \
	  --universal --generate-hashes --no-annotate --custom-compile-command "make lock" --output-file requirements.lock

# Whether every pin has a wheel for each Python and platform that the compendium is meant for. Installs nothing.
wheels: $(READY) ## which pins lack a wheel for a Python or platform
	@$(BIN)/python tools/wheels.py

licences: $(READY) ## the book's page on the packages that are used
	@$(BIN)/python tools/licences.py > book/dependencies.md

# What `dvc repro` would run, several stages at a time.
book: $(READY) ## the same as make alone: the study, the book, and how far the results are from the recorded ones
	@$(BIN)/python -m rrlib run $(BESIDE)

verify: $(READY) ## how far the results are from the recorded ones
	@$(BIN)/python -m rrlib verify $(BESIDE)

test: $(READY) ## the tests
	@OMP_NUM_THREADS=1 $(BIN)/python -m pytest --numprocesses logical --dist loadfile

lint: $(READY) ## style and types
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy

lab: $(READY) ## the notebooks in JupyterLab, to run and change by hand
	@$(BIN)/jupyter lab --notebook-dir=.

pdf: $(READY) ## the whole book as one PDF, outputs/book.pdf; needs Chromium
	@PYTHONPATH=. $(BIN)/python tools/pdf.py

# This sweep beside the libraries that attack too, about half an hour on one core; the book shows what it records.
bench: benchmarks/.peers ## the attacks beside those of other libraries, about half an hour
	@PYTHONPATH=benchmarks/.peers $(BIN)/python benchmarks/sweep.py --record book/benchmarks

# In a folder of their own, so that .venv stays what the lock says.
benchmarks/.peers: benchmarks/requirements.txt | $(READY)
	@rm -rf $@
	@$(UV) --no-deps --target $@ --requirement $<
