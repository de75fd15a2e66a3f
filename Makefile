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


.PHONY: all setup book verify test lint lab lock wheels licences bench
all: book

setup: $(READY)

$(READY): requirements.lock pyproject.toml tools/venv.sh
	@PYTHON="$(PYTHON)" sh tools/venv.sh
	@touch $@

# Without a local folder: the lock records what the index has.
lock:
	UV_FIND_LINKS= $(BIN)/uv pip compile requirements.in --override requirements.overrides --python-version 3.11 \
	  --universal --generate-hashes --no-annotate --custom-compile-command "make lock" --output-file requirements.lock

# Whether every pin has a wheel for each Python and platform that the compendium is meant for. Installs nothing.
wheels: $(READY)
	@$(BIN)/python tools/wheels.py

# The page on what the compendium uses, from what is installed.
licences: $(READY)
	@$(BIN)/python tools/licences.py > book/dependencies.md

# The study and the book: what `dvc repro` would run, several stages at a time, and how far the results are from the
# recorded ones.
book: $(READY)
	@$(BIN)/python -m rrlib run $(BESIDE)

# How far the results are from the recorded ones.
verify: $(READY)
	@$(BIN)/python -m rrlib verify $(BESIDE)

test: $(READY)
	@OMP_NUM_THREADS=1 $(BIN)/python -m pytest --numprocesses logical --dist loadfile

lint: $(READY)
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy

# The notebooks, to run and change by hand.
lab: $(READY)
	@$(BIN)/jupyter lab --notebook-dir=. notebooks

# This sweep beside the libraries that attack too, about half an hour on one core; the book shows what it records.
bench: benchmarks/.peers
	@PYTHONPATH=benchmarks/.peers $(BIN)/python benchmarks/sweep.py --record book/benchmarks

# In a folder of their own, so that .venv stays what the lock says.
benchmarks/.peers: benchmarks/requirements.txt | $(READY)
	@rm -rf $@
	@$(UV) --no-deps --target $@ --requirement $<
