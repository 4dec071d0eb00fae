"""Compile and run each program of tests/c, once without sanitizers and once with the
address and undefined behaviour sanitizers. test_threads also runs under the thread
sanitizer. The programs in ON_SYSTEM, which use the system's own calls, also run with
the table of operations of POSIX systems without mremap(). Those in ON_PAGES also run
with pages of 16 KiB and of 64 KiB.

A random test that fails prints its seed; set GROWBUF_SEED to it to repeat the run.
CFLAGS are appended to the compiler's flags. GROWBUF_UNDER is a command that runs each
program, for example valgrind.
"""

import os
import shlex
import shutil
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import pytest

CHECKOUT = Path(__file__).resolve().parent.parent
SOURCE, TESTS = CHECKOUT / "src", CHECKOUT / "tests" / "c"
pytestmark = [
    pytest.mark.skipif(
        sys.platform != "linux", reason="the fake kernels need Linux's mmap under them"
    ),
    pytest.mark.skipif(not SOURCE.exists(), reason="needs the checkout"),
]
COMPILER = shlex.split(os.environ.get("CC") or "cc")
CFLAGS = shlex.split(os.environ.get("CFLAGS", ""))
UNDER = shlex.split(os.environ.get("GROWBUF_UNDER", ""))
TIMEOUT_SECONDS = 3000 if UNDER else 900

# CPython's flags contain -DNDEBUG, and CC may too. It would disable assert().
FLAGS = ["-std=c11", "-Wall", "-Wextra", "-Werror", "-UNDEBUG", "-pthread"]
SANITIZE = ["-fsanitize=address,undefined", "-fno-sanitize-recover=all"]
FLAVOURS = {
    "plain": [*FLAGS, "-O2"],
    "posix": [*FLAGS, "-O2", "-DGROWBUF_PAGES_POSIX"],
    "sanitized": [*FLAGS, "-O1", "-g", *SANITIZE, "-DSANITIZED=1"],
    "threads": [*FLAGS, "-O1", "-g", "-fsanitize=thread", "-DSANITIZED=1"],
}

# Linked into each program: the layers that need no Python, and the fake kernel.
LAYERS = [
    *("growth", "pages", "pages_linux", "pages_posix"),
    *("prefault", "entries", "pool", "moves", "spans"),
    *("store_memory", "store", "views"),
]
SHARED = [
    *(SOURCE / f"{layer}.c" for layer in LAYERS),
    TESTS / "kernel.c",
]
PROGRAMS = [path.stem for path in sorted(TESTS.glob("test_*.c"))]
ON_SYSTEM = ["test_prefault", "test_real", "test_threads"]
ON_PAGES = [*ON_SYSTEM, "test_kernel", "test_pages", "test_spans", "test_store"]
ON_PAGES += ["test_limited"]
PAGE_SIZES = [16 << 10, 64 << 10]


def run(*words, **settings):
    """Run a command, with settings added to the environment; return the completed
    process, with stderr merged into stdout."""
    # The fake kernel counts leaks. The sanitizer's own leak check fails where a process
    # may not be traced.
    environment = {"ASAN_OPTIONS": "detect_leaks=0", **os.environ, **settings}
    return subprocess.run(
        [*map(str, words)],
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=TIMEOUT_SECONDS,
    )


def compile_c(flags, *words):
    done = run(*COMPILER, *flags, "-I", SOURCE, "-I", TESTS, *words, *CFLAGS)
    assert done.returncode == 0, done.stdout


def compile_shared(flags, source, folder):
    target = folder / f"{source.stem}.o"
    compile_c(flags, "-c", source, "-o", target)
    return target


def build(flags, program, objects):
    executable = objects[0].parent / program
    compile_c(flags, TESTS / f"{program}.c", *objects, "-o", executable)
    return executable


def run_program(executable, **settings):
    """Run a program with the seed; return the completed process."""
    seeds = [os.environ["GROWBUF_SEED"]] if "GROWBUF_SEED" in os.environ else []
    return run(*UNDER, executable, *seeds, **settings)


def build_and_run(flags, program, objects):
    """Compile one program and run it; return the completed process."""
    return run_program(build(flags, program, objects))


def why_not(flavour, folder):
    """Return why programs of this flavour cannot be built or run here, or None."""
    if shutil.which(COMPILER[0]) is None:
        return f"there is no compiler: {COMPILER[0]!r} is not found"
    if flavour in ("plain", "posix"):
        return None
    empty = folder / "empty.c"
    empty.write_text("int main(void) { return 0; }\n")
    done = run(*COMPILER, *FLAVOURS[flavour], empty, "-o", folder / "empty")
    if done.returncode == 0:
        done = run(folder / "empty")
    last = done.stdout.strip().rpartition("\n")[2]
    return f"the compiler cannot sanitize: {last}" if done.returncode else None


@contextmanager
def compiled(flavour, folder):
    """Compile the shared files in parallel, one for each processor. Yield a function
    that starts to build and run a program, or other work, and returns its future."""
    reason = why_not(flavour, folder)
    if reason:
        pytest.skip(reason)
    flags = FLAVOURS[flavour]
    objects = [folder / f"{source.stem}.o" for source in SHARED]
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        objects = list(
            pool.map(lambda source: compile_shared(flags, source, folder), SHARED)
        )
        yield lambda program, work=build_and_run: pool.submit(
            work, flags, program, objects
        )


@pytest.fixture(scope="session")
def plain(tmp_path_factory):
    """Start all programs; return the function that starts other work with the same
    objects, and the results."""
    with compiled("plain", tmp_path_factory.mktemp("plain")) as start:
        yield start, {program: start(program) for program in PROGRAMS}


@pytest.fixture(scope="session")
def sanitized(tmp_path_factory):
    with compiled("sanitized", tmp_path_factory.mktemp("sanitized")) as start:
        yield start, {program: start(program) for program in PROGRAMS}


@pytest.fixture(scope="session", params=["plain", "sanitized"])
def results(request):
    """Return the future of each program; the test of a program waits for its result."""
    return request.getfixturevalue(request.param)[1]


@pytest.fixture(scope="session")
def posix_results(tmp_path_factory):
    with compiled("posix", tmp_path_factory.mktemp("posix")) as start:
        yield {program: start(program) for program in ON_SYSTEM}


@pytest.fixture(scope="session")
def larger_results(plain):
    """Run programs that are built already, with each larger size of a page."""
    start, built = plain

    def run_larger(flags, program, objects):
        built[program].result()  # it was started before, so this cannot wait for ever
        return [
            run_program(
                objects[0].parent / program, GROWBUF_PAGE_NBYTES=str(page_nbytes)
            )
            for page_nbytes in PAGE_SIZES
        ]

    return {program: start(program, run_larger) for program in ON_PAGES}


def check(program, done):
    print(done.stdout)
    assert done.returncode == 0, f"{program} ended with {done.returncode}"


@pytest.mark.parametrize("program", PROGRAMS)
def test_c_program_in_each_build_succeeds(results, program):
    check(program, results[program].result())


@pytest.mark.parametrize("program", ON_SYSTEM)
def test_c_program_with_operations_of_posix_succeeds(posix_results, program):
    check(program, posix_results[program].result())


@pytest.mark.parametrize("program", ON_PAGES)
def test_c_program_with_larger_pages_succeeds(larger_results, program):
    """The fake kernel reports pages of these sizes, and refuses parts of a page."""
    for done in larger_results[program].result():
        check(program, done)


def test_c_threads_program_under_thread_sanitizer_has_no_race(tmp_path):
    with compiled("threads", tmp_path) as start:
        check("test_threads", start("test_threads").result())


def test_c_programs_list_includes_the_main_layers():
    assert {"test_growth", "test_pages", "test_spans", "test_store"} <= set(PROGRAMS)
