# Every target works in a fresh clone. It makes a virtual environment for the chosen
# Python (such as .venv/cpython-313t-...) and builds the extension in place. It builds
# the extension again when a source file changes.
#
#   make test PYTHON=python3.13    use another interpreter (3.11 or newer)
#   make test ARGS="-k demo"       pass arguments to pytest, or to the target's program
#   make test GROWBUF_DEBUG=1      build with assertions
#   make test GROWBUF_PAGES=posix  build as for a POSIX system without mremap()
#   make test UNDER="env X=y"      put a prefix before the command that runs pytest

PYTHON ?= python3
ARGS ?=
UNDER ?=
BENCH_JSON ?= .benchmarks/bench.json
OPERATIONS_JSON ?= .benchmarks/operations.json
MEMORY_JSON ?= .benchmarks/memory.json
PROGRAMS_JSON ?= .benchmarks/programs.json
export GROWBUF_DEBUG ?= 0
export GROWBUF_PAGES ?= system
export PIP_DISABLE_PIP_VERSION_CHECK = 1
# Prefer an older wheel to a newer source distribution: some packages have no wheel of
# their newest release for free-threaded 3.13.
export PIP_PREFER_BINARY = 1

SOURCES := setup.py pyproject.toml growbuf/__init__.py $(wildcard src/*.[ch])
C_FILES := $(wildcard src/*.[ch] tests/c/*.[ch] tests/fuzz/*.c benchmarks/seed/*.c tests/arm64/*.c)
BUILD := build-$(if $(filter 1,$(GROWBUF_DEBUG)),debug,release)-$(GROWBUF_PAGES)

# A name for the kind of Python: its version, platform, and whether it is a debug or
# free-threaded build.
TAG := $(shell $(PYTHON) -c 'import sys, sysconfig; sys.version_info >= (3, 11) and \
	print(sysconfig.get_config_var("SOABI") or sys.implementation.cache_tag)' 2>/dev/null)
# The compiler that setuptools uses: CC, or that of the Python.
COMPILER = $(firstword $(shell $(PYTHON) -c 'import os, sysconfig; \
	print(os.environ.get("CC") or sysconfig.get_config_var("CC") or "cc")'))
VENV := .venv/$(TAG)
LINT := .venv/lint-$(TAG)
RELEASE := .venv/release-$(TAG)
SWAP := .venv/swap-$(TAG)
PROGRAMS := .venv/programs-$(TAG)
CONSUMERS := .venv/consumers-$(TAG)
TOOLS := analyze arm64 coverage freethreaded fuzz races refleak sanitize valgrind windows

.DEFAULT_GOAL := help
.PHONY: help demo info test lint format docs links clean python
.PHONY: bench ends figures memory operations programs pictures seed guard soak leaks matrix
.PHONY: retain swap consumers typing wheel cross posix release-check $(TOOLS)
.DELETE_ON_ERROR:

help:
	@echo "make demo | info | test | lint | format | docs | links | clean"
	@echo "     (variables: PYTHON=, ARGS=, GROWBUF_DEBUG=1)"
	@echo "make bench | operations | programs | ends | memory | figures | pictures | seed"
	@echo "make matrix | posix | retain | soak | swap | consumers | guard | leaks"
	@echo "make $(foreach tool,$(TOOLS),$(tool) |)" | sed 's/ |$$//'
	@echo "make typing | wheel | cross | release-check     checks of a release"

demo: $(VENV)/$(BUILD)-demo
	@$(VENV)/bin/python -m growbuf demo $(ARGS)

# Show how buffers grow on this machine. ARGS=--json prints JSON.
info: $(VENV)/$(BUILD)-test
	@$(VENV)/bin/python -m growbuf info $(ARGS)

test: $(VENV)/$(BUILD)-test
	@$(UNDER) $(VENV)/bin/python -m pytest $(ARGS)

# The benchmark suite, run by pytest-benchmark; it writes BENCH_JSON. From that file
# `pictures` draws the pictures and fills the tables of docs/performance.md.
bench: $(VENV)/$(BUILD)-bench
	@mkdir -p $(dir $(BENCH_JSON))
	@$(VENV)/bin/python -m pytest -q benchmarks --benchmark-quiet \
		--benchmark-json=$(BENCH_JSON) $(ARGS)

# Time every operation at every size, and compare with bytearray, io.BytesIO and other
# arrays.
operations: $(VENV)/$(BUILD)-bench
	@mkdir -p $(dir $(OPERATIONS_JSON))
	@$(VENV)/bin/python benchmarks/operations.py --json $(OPERATIONS_JSON) $(ARGS)

# Run programs that use real libraries, with the builtin bytearray and with GrowBuffer
# in its place, and compare.
programs: $(PROGRAMS)/ready $(VENV)/$(BUILD)-bench
	@mkdir -p $(dir $(PROGRAMS_JSON))
	@PYTHONPATH=. $(PROGRAMS)/bin/python benchmarks/programs.py --json $(PROGRAMS_JSON) $(ARGS)

# Time ways to get bytes without a copy, and compare with copying:
# ARGS="build --repeat 3".
ends: $(VENV)/$(BUILD)-bench
	@$(VENV)/bin/python benchmarks/ends.py $(ARGS)

# Draw the results of `bench`, `operations` and `memory` into docs/. Those whose file
# does not exist are left out. Also draw the animation, which shows no results.
pictures: $(VENV)/$(BUILD)-bench
	@test ! -f $(BENCH_JSON) || \
		$(VENV)/bin/python benchmarks/pictures.py $(BENCH_JSON) docs
	@test ! -f $(OPERATIONS_JSON) || \
		$(VENV)/bin/python benchmarks/heatmap.py $(OPERATIONS_JSON) docs
	@test ! -f $(MEMORY_JSON) || \
		$(VENV)/bin/python benchmarks/memory.py --draw $(MEMORY_JSON)
	@$(VENV)/bin/python benchmarks/animation.py docs

# Measure the memory of a process over time while it builds; `pictures` draws it.
memory: $(VENV)/$(BUILD)-bench
	@mkdir -p $(dir $(MEMORY_JSON))
	@$(VENV)/bin/python benchmarks/memory.py --json $(MEMORY_JSON) $(ARGS)

# Measure the figures of README.md and docs/, and write them into these texts. Then run
# `memory` and `pictures`. ARGS names commands of docs/figures.json. Without ARGS all
# are run, except those that need another Python or another setting of the system. This
# takes about half an hour on a quiet machine.
figures: $(VENV)/$(BUILD)-bench
	@PATH="$(abspath $(VENV))/bin:$$PATH" $(VENV)/bin/python benchmarks/figures.py --measure $(ARGS)
	@$(MAKE) --no-print-directory memory pictures ARGS=

# Time a vector that doubles its memory when it is full. The memory is a store of
# growbuf, or a block of an allocator: ARGS="--json FILE".
seed: $(VENV)/$(BUILD)-demo
	@$(VENV)/bin/python benchmarks/seed.py $(ARGS)

# Count the instructions of operations and compare them with tests/instructions.json,
# or write that file: ARGS=--write.
guard: $(VENV)/$(BUILD)-test
	@$(VENV)/bin/python tests/instructions.py $(ARGS)

# Write the site to build/docs; warnings are errors.
docs: $(VENV)/$(BUILD)-docs
	@$(VENV)/bin/python -m sphinx --quiet --fail-on-warning --fresh-env \
		--doctree-dir build/doctrees docs build/docs
	@echo "docs: build/docs/index.html"

# Check the links of the site; those to other sites are only listed.
links: docs
	@$(VENV)/bin/python tools/links.py

# Repeat the model tests for SOAK minutes: make soak SOAK=10 SEED=123. Each round prints
# its seed.
soak: $(VENV)/$(BUILD)-test
	@$(VENV)/bin/python tests/soak.py $(SOAK) $(SEED)

# Run the tests of packages that use bytearray, with GrowBuffer in its place.
swap: $(SWAP)/ready $(VENV)/$(BUILD)-test
	@$(SWAP)/bin/python -m pytest -p no:cacheprovider $(ARGS) tests/swap_packages.py

# Pass a GrowArray to libraries that take arrays. A library without a wheel is left out.
consumers: $(CONSUMERS)/ready $(VENV)/$(BUILD)-test
	@PYTHONPATH=. $(CONSUMERS)/bin/python -m pytest -p no:cacheprovider $(ARGS) \
		tests/test_consumers.py

# Repeat operations and check that memory use stops rising.
leaks: $(VENV)/$(BUILD)-test
	@$(VENV)/bin/python tests/leaks.py $(ARGS)

# Run the tests on each available Python, allocator and rung.
matrix: | python
	@PYTHON="$(PYTHON)" $(PYTHON) tools/matrix.py $(ARGS)

# Run tests on a kernel with MREMAP_RETAIN, built here, and on Debian's unpatched one:
# make retain SOAK=10 ARGS="retain debian".
retain: $(VENV)/$(BUILD)-test
	@SOAK="$(SOAK)" VENV="$(VENV)" tools/retain $(ARGS)

# Each tool is a script of that name in tools/, which starts with a description. As root
# it installs the packages it needs; otherwise it names them.
$(TOOLS): | python
	@PYTHON="$(PYTHON)" tools/$@ $(ARGS)

lint: $(LINT)/ready
	@$(LINT)/bin/ruff check --quiet .
	@$(LINT)/bin/ruff format --quiet --check .
	@$(LINT)/bin/clang-format --dry-run -Werror $(C_FILES)
	@CFLAGS="-Wall -Wextra -Werror" $(LINT)/bin/python setup.py --quiet build_ext \
		--force --build-temp $(LINT)/build --build-lib $(LINT)/build
	@echo "lint: clean"

# Compare the stubs with the modules, and run two type checkers on tests/typing.
typing: $(VENV)/$(BUILD)-typing
	@$(VENV)/bin/python -m pytest tests/test_typing.py $(ARGS)

# Build an sdist, and a wheel for this Python that auditwheel tags as portable.
wheel: $(RELEASE)/ready
	@rm -rf $(RELEASE)/dist
	@$(RELEASE)/bin/python -m build --outdir $(RELEASE)/dist
	@$(RELEASE)/bin/auditwheel show $(RELEASE)/dist/*.whl
	@PATH="$(abspath $(RELEASE))/bin:$$PATH" \
		auditwheel repair --wheel-dir dist $(RELEASE)/dist/*.whl
	@mv $(RELEASE)/dist/*.tar.gz dist

# Build what a release would publish and check it: links, contents, size, installation.
release-check: $(RELEASE)/ready
	@$(RELEASE)/bin/python tools/release_check.py $(ARGS)

# Compile src/ for musl, FreeBSD and macOS on x86-64 and arm64, for glibc on arm64, and
# for Windows on x86-64. Run the C tests with musl.
cross: $(RELEASE)/ready $(VENV)/$(BUILD)-test
	@$(RELEASE)/bin/python tests/cross/compile.py
	@CC="$(RELEASE)/bin/python -m ziglang cc -target $$(uname -m)-linux-musl" \
		$(VENV)/bin/python -m pytest -k "plain and test_c_program" tests/test_c.py

# Run the tests with growbuf built as for macOS and the BSDs:
# ARGS="-q tests/test_views.py".
posix: $(VENV)/$(BUILD)-test
	@VENV="$(abspath $(VENV))" tools/posix $(ARGS)

format: $(LINT)/ready
	@$(LINT)/bin/ruff check --quiet --fix-only .
	@$(LINT)/bin/ruff format --quiet .
	@$(LINT)/bin/clang-format -i $(C_FILES)

clean:
	rm -rf .venv build dist *.egg-info growbuf/*.so
	rm -rf .pytest_cache .ruff_cache .hypothesis .benchmarks
	find growbuf tests benchmarks docs -name __pycache__ -prune -exec rm -rf {} + 2>/dev/null || true

# Install what a target needs: its extra of the package, and its dependency group.
EXTRAS = cli,numpy
$(VENV)/$(BUILD)-bench: EXTRAS = bench
$(VENV)/$(BUILD)-%: $(VENV)/$(BUILD)
	@echo "installing what make $* needs, for $(TAG)"
	@$(VENV)/bin/python -m pip install --quiet 'growbuf[$(EXTRAS)]' --group $*
	@touch $@

# Install the package in place. All kinds of build for one Python write the same extension
# file. Building one therefore removes the stamp files of the others.
$(VENV)/$(BUILD): $(SOURCES) | $(VENV)/pip-25.1
	@echo "building growbuf for $(TAG) ($(BUILD))"
	@rm -f $(filter-out $(wildcard $(VENV)/$(BUILD)-*),$(wildcard $(VENV)/build-*))
	@PYTHONWARNINGS=ignore $(VENV)/bin/python -m pip install --quiet \
		--no-build-isolation --editable .
	@touch $@

$(VENV)/pip-25.1: | python
	@echo "making $(VENV)"
	@$(PYTHON) -m venv --clear $(VENV)
	@$(VENV)/bin/python -m pip install --quiet --upgrade 'pip>=25.1' 'setuptools>=77'
	@touch $@

# Make a virtual environment with the dependency group of the same name; --group needs
# pip 25.1.
$(LINT)/ready $(RELEASE)/ready $(SWAP)/ready $(PROGRAMS)/ready: .venv/%-$(TAG)/ready: pyproject.toml | python
	@echo "making $(@D)"
	@$(PYTHON) -m venv --clear $(@D)
	@$(@D)/bin/python -m pip install --quiet --upgrade pip
	@$(@D)/bin/python -m pip install --quiet --group $*
	@touch $@

$(CONSUMERS)/ready: | python
	@echo "making $(@D)"
	@$(PYTHON) -m venv --clear $(@D)
	@$(@D)/bin/python -m pip install --quiet --upgrade pip
	@$(@D)/bin/python -m pip install --quiet pytest pytest-randomly hypothesis numpy
	@for name in pandas polars pyarrow scipy scikit-learn xarray dask h5py zarr numba \
		matplotlib Pillow astropy opencv-python-headless soundfile; do \
		$(@D)/bin/python -m pip install --quiet --only-binary :all: $$name || \
		echo "left out: $$name"; done
	@touch $@

python:
	@test -n "$(TAG)" || { echo "growbuf needs Python 3.11 or newer and '$(PYTHON)'" \
		"is not: try make PYTHON=/path/to/python3.11" >&2; exit 1; }
	@test -w . || { echo "make needs to write here, and $(CURDIR) is read-only:" \
		"copy the checkout" >&2; exit 1; }
	@command -v $(COMPILER) >/dev/null || { echo "growbuf needs a C compiler, and" \
		"'$(COMPILER)' is not there: install gcc, or set CC" >&2; exit 1; }
