# Each target makes what it needs from nothing: a virtual environment per kind of
# Python (.venv/cpython-313t-..., so that several live side by side) and the
# extension in place, built again when a source changes.
#
#   make test PYTHON=python3.13    another interpreter (3.11 or newer)
#   make test ARGS="-k demo"       arguments for pytest, or for what the target runs
#   make test GROWBUF_DEBUG=1      assertions on
#   make test UNDER="env X=y"      what stands in front of pytest's command

PYTHON ?= python3
ARGS ?=
UNDER ?=
BENCH_JSON ?= .benchmarks/bench.json
OPERATIONS_JSON ?= .benchmarks/operations.json
PROGRAMS_JSON ?= .benchmarks/programs.json
export GROWBUF_DEBUG ?= 0
export PIP_DISABLE_PIP_VERSION_CHECK = 1
# An older wheel, where the newest release would have to be built: free-threaded 3.13.
export PIP_PREFER_BINARY = 1

SOURCES := setup.py pyproject.toml growbuf/__init__.py $(wildcard src/*.[ch])
C_FILES := $(wildcard src/*.[ch] tests/c/*.[ch] tests/fuzz/*.c benchmarks/seed/*.c)
BUILD := build-$(if $(filter 1,$(GROWBUF_DEBUG)),debug,release)

# The name that tells Pythons apart: version, platform, free-threaded and debug builds.
TAG := $(shell $(PYTHON) -c 'import sys, sysconfig; sys.version_info >= (3, 11) and \
	print(sysconfig.get_config_var("SOABI") or sys.implementation.cache_tag)' 2>/dev/null)
VENV := .venv/$(TAG)
LINT := .venv/lint-$(TAG)
RELEASE := .venv/release-$(TAG)
SWAP := .venv/swap-$(TAG)
PROGRAMS := .venv/programs-$(TAG)
TOOLS := analyze coverage freethreaded fuzz races refleak sanitize valgrind

.DEFAULT_GOAL := help
.PHONY: help demo test lint format docs clean python
.PHONY: bench operations programs pictures seed guard soak leaks matrix swap typing wheel cross $(TOOLS)
.DELETE_ON_ERROR:

help:
	@echo "make demo | test | lint | format | docs | clean"
	@echo "     (PYTHON=, ARGS=, GROWBUF_DEBUG=1)"
	@echo "make bench | operations | programs | pictures | seed     what it is worth"
	@echo "make matrix | soak | swap | guard | leaks     more tests"
	@echo "make $(foreach tool,$(TOOLS),$(tool) |)" | sed 's/ |$$//'
	@echo "make typing | wheel | cross           what is released"

demo: $(VENV)/$(BUILD)-cli
	@$(VENV)/bin/python -m growbuf demo $(ARGS)

test: $(VENV)/$(BUILD)-test
	@$(UNDER) $(VENV)/bin/python -m pytest $(ARGS)

# The suite: pytest-benchmark, memory in fresh processes; `pictures` draws what it wrote
# and makes the tables of docs/performance.md.
bench: $(VENV)/$(BUILD)-bench
	@mkdir -p $(dir $(BENCH_JSON))
	@$(VENV)/bin/python -m pytest -q benchmarks --benchmark-quiet \
		--benchmark-json=$(BENCH_JSON) $(ARGS)

# Every operation at every size, beside bytearray, io.BytesIO and other arrays.
operations: $(VENV)/$(BUILD)-bench
	@mkdir -p $(dir $(OPERATIONS_JSON))
	@$(VENV)/bin/python benchmarks/operations.py --json $(OPERATIONS_JSON) $(ARGS)

# Work of real libraries, with GrowBuffer as the builtin bytearray and without.
programs: $(PROGRAMS)/ready $(VENV)/$(BUILD)-bench
	@mkdir -p $(dir $(PROGRAMS_JSON))
	@PYTHONPATH=. $(PROGRAMS)/bin/python benchmarks/programs.py --json $(PROGRAMS_JSON) $(ARGS)

# What `bench` and `operations` wrote, of what there is, for docs/.
pictures: $(VENV)/$(BUILD)-bench
	@test ! -f $(BENCH_JSON) || \
		$(VENV)/bin/python benchmarks/pictures.py $(BENCH_JSON) docs
	@test ! -f $(OPERATIONS_JSON) || \
		$(VENV)/bin/python benchmarks/heatmap.py $(OPERATIONS_JSON) docs

# The loop growbuf began with, beside other allocators: ARGS="--json FILE".
seed: $(VENV)/$(BUILD)-cli
	@$(VENV)/bin/python benchmarks/seed.py $(ARGS)

# Instructions that operations take, against those written down: ARGS=--write.
guard: $(VENV)/$(BUILD)-test
	@$(VENV)/bin/python tests/instructions.py $(ARGS)

# Warnings are errors; the pages are in build/docs.
docs: $(VENV)/$(BUILD)-docs
	@$(VENV)/bin/python -m sphinx --quiet --fail-on-warning --fresh-env \
		--doctree-dir build/doctrees docs build/docs
	@echo "docs: build/docs/index.html"

# The model tests, round after round: make soak SOAK=10 SEED=123 (minutes; the seed is
# printed with each round).
soak: $(VENV)/$(BUILD)-test
	@$(VENV)/bin/python tests/soak.py $(SOAK) $(SEED)

# The tests of packages that live on bytearray, with GrowBuffer in its place.
swap: $(SWAP)/ready $(VENV)/$(BUILD)-test
	@$(SWAP)/bin/python -m pytest -p no:cacheprovider $(ARGS) tests/swap_packages.py

# What operations leave behind when they are repeated.
leaks: $(VENV)/$(BUILD)-test
	@$(VENV)/bin/python tests/leaks.py $(ARGS)

# The tests on each Python, allocator and rung that can be had.
matrix: | python
	@PYTHON="$(PYTHON)" $(PYTHON) tools/matrix.py $(ARGS)

# Each is a script that says what it does; what it needs it installs as root, and names
# otherwise.
$(TOOLS): | python
	@PYTHON="$(PYTHON)" tools/$@ $(ARGS)

lint: $(LINT)/ready
	@$(LINT)/bin/ruff check --quiet .
	@$(LINT)/bin/ruff format --quiet --check .
	@$(LINT)/bin/clang-format --dry-run -Werror $(C_FILES)
	@CFLAGS="-Wall -Wextra -Werror" $(LINT)/bin/python setup.py --quiet build_ext \
		--force --build-temp $(LINT)/build --build-lib $(LINT)/build
	@echo "lint: clean"

# The stubs against what there is, and two type checkers over tests/typing.
typing: $(VENV)/$(BUILD)-typing
	@$(VENV)/bin/python -m pytest tests/test_typing.py $(ARGS)

# An sdist, and a wheel of this Python for every Linux that has the symbols it names.
wheel: $(RELEASE)/ready
	@rm -rf $(RELEASE)/dist
	@$(RELEASE)/bin/python -m build --outdir $(RELEASE)/dist
	@$(RELEASE)/bin/auditwheel show $(RELEASE)/dist/*.whl
	@PATH="$(abspath $(RELEASE))/bin:$$PATH" \
		auditwheel repair --wheel-dir dist $(RELEASE)/dist/*.whl
	@mv $(RELEASE)/dist/*.tar.gz dist

# All of src/ compiled for musl, macOS, Windows and arm64; the C tests run under musl.
cross: $(RELEASE)/ready $(VENV)/$(BUILD)-test
	@$(RELEASE)/bin/python tests/cross/compile.py
	@CC="$(RELEASE)/bin/python -m ziglang cc -target $$(uname -m)-linux-musl" \
		$(VENV)/bin/python -m pytest -k "plain and test_program" tests/test_c.py

format: $(LINT)/ready
	@$(LINT)/bin/ruff check --quiet --fix-only .
	@$(LINT)/bin/ruff format --quiet .
	@$(LINT)/bin/clang-format -i $(C_FILES)

clean:
	rm -rf .venv build dist *.egg-info growbuf/*.so
	rm -rf .pytest_cache .ruff_cache .hypothesis .benchmarks
	find growbuf tests benchmarks docs -name __pycache__ -prune -exec rm -rf {} + 2>/dev/null || true

# A release and a debug build of one Python share the file they make: building one
# makes the other's marks stale.
$(VENV)/$(BUILD)-%: $(SOURCES) | $(VENV)/ready
	@echo "building growbuf[$*] for $(TAG) ($(BUILD))"
	@rm -f $(filter-out $(wildcard $(VENV)/$(BUILD)-*),$(wildcard $(VENV)/build-*))
	@$(VENV)/bin/python -m pip install --quiet --no-build-isolation --editable '.[$*]'
	@touch $@

$(VENV)/ready: | python
	@echo "making $(VENV)"
	@$(PYTHON) -m venv --clear $(VENV)
	@$(VENV)/bin/python -m pip install --quiet --upgrade 'setuptools>=77'
	@touch $@

# With the dependency group of that name, for which pip must be 25.1 or newer.
$(LINT)/ready $(RELEASE)/ready $(SWAP)/ready $(PROGRAMS)/ready: .venv/%-$(TAG)/ready: pyproject.toml | python
	@echo "making $(@D)"
	@$(PYTHON) -m venv --clear $(@D)
	@$(@D)/bin/python -m pip install --quiet --upgrade pip
	@$(@D)/bin/python -m pip install --quiet --group $*
	@touch $@

python:
	@test -n "$(TAG)" || { echo "growbuf needs Python 3.11 or newer and '$(PYTHON)'" \
		"is not: try make PYTHON=/path/to/python3.11" >&2; exit 1; }
