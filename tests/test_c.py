"""The C tests: each program of tests/c compiled, plain and sanitized, and run; and what
several threads do once more under the sanitizer of threads.

The seed of a random test that failed, as it printed it, is taken back from GROWBUF_SEED.
CFLAGS are added to the compiler's, and GROWBUF_UNDER is put in front of each program.
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
TIMEOUT_SECONDS = 3000 if UNDER else 300

# CPython's flags carry -DNDEBUG, and so may CC: under it an assert tests nothing.
FLAGS = ["-std=c11", "-Wall", "-Wextra", "-Werror", "-UNDEBUG", "-pthread"]
SANITIZE = ["-fsanitize=address,undefined", "-fno-sanitize-recover=all"]
FLAVOURS = {
    "plain": [*FLAGS, "-O2"],
    "sanitized": [*FLAGS, "-O1", "-g", *SANITIZE, "-DSANITIZED=1"],
    "threads": [*FLAGS, "-O1", "-g", "-fsanitize=thread", "-DSANITIZED=1"],
}

# What all programs are linked with: the layers that need no Python, and the kernel.
LAYERS = [
    *("growth", "pages", "pages_linux", "pages_posix"),
    *("prefault", "entries", "pool", "moves", "spans", "store"),
]
SHARED = [
    *(SOURCE / f"{layer}.c" for layer in LAYERS),
    TESTS / "kernel.c",
]
PROGRAMS = [path.stem for path in sorted(TESTS.glob("test_*.c"))]


def run(*words):
    """Run a command and return it done, what it printed in one piece."""
    # The fake kernel counts what leaks, and where processes may not be traced the
    # sanitizer cannot.
    environment = {"ASAN_OPTIONS": "detect_leaks=0", **os.environ}
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


def build_and_run(flags, program, objects):
    """Compile one program and run it, seed and all; return it done."""
    executable = objects[0].parent / program
    compile_c(flags, TESTS / f"{program}.c", *objects, "-o", executable)
    seeds = [os.environ["GROWBUF_SEED"]] if "GROWBUF_SEED" in os.environ else []
    return run(*UNDER, executable, *seeds)


def why_not(flavour, folder):
    """Return why programs of this flavour cannot be made and run here, or None."""
    if shutil.which(COMPILER[0]) is None:
        return f"there is no compiler: {COMPILER[0]!r} is not found"
    if flavour == "plain":
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
    """Compile what all programs share, as many files at once as there are processors.
    Give a function that starts to build and run a program and returns its future."""
    reason = why_not(flavour, folder)
    if reason:
        pytest.skip(reason)
    flags = FLAVOURS[flavour]
    objects = [folder / f"{source.stem}.o" for source in SHARED]
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        objects = list(
            pool.map(lambda source: compile_shared(flags, source, folder), SHARED)
        )
        yield lambda program: pool.submit(build_and_run, flags, program, objects)


@pytest.fixture(scope="session", params=["plain", "sanitized"])
def results(request, tmp_path_factory):
    """Start all programs of a flavour; the result of each is waited for by the test
    that wants it."""
    with compiled(request.param, tmp_path_factory.mktemp(request.param)) as start:
        yield {program: start(program) for program in PROGRAMS}


def check(program, done):
    print(done.stdout)
    assert done.returncode == 0, f"{program} ended with {done.returncode}"


@pytest.mark.parametrize("program", PROGRAMS)
def test_program(results, program):
    check(program, results[program].result())


def test_threads_do_not_race(tmp_path):
    with compiled("threads", tmp_path) as start:
        check("test_threads", start("test_threads").result())


def test_there_are_programs():
    assert {"test_growth", "test_pages", "test_spans", "test_store"} <= set(PROGRAMS)
