"""Run the tests inside a guest, one line for each step.

    guest.py RUNG MINUTES PROGRAMS STEPS

RUNG is the best rung that the guest's kernel must have; most steps are repeated for each
lower one. The model tests are repeated for MINUTES. PROGRAMS is the folder with the
compiled C programs. Only the steps whose names match the regular expression STEPS run.
The exit code is 1 if a step failed, or if none ran.
"""

import os
import random
import re
import subprocess
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))
import soak

RUNGS = ["retain", "dontunmap", "maymove", "copy", "heap"]
SUITES = ["growbuffer", "views", "array", "io"]
# Only on the best rung, because a guest is slow.
MORE_SUITES = [
    *(
        "methods",
        "traps",
        "tail",
        "frozen",
        "limits",
        "fork",
        "threads",
        "front",
        "memory",
    ),
    *("maxlen", "rows_in_place", "records", "io_base", "io_bytes"),
]
STEP_SECONDS = 3600
# A thousand buffers that grow in turn, each time in another order. They never touch
# most of the memory that they reserve, because on user-mode Linux each touched page
# costs the host a mapping.
THOUSAND = """
import random, growbuf
from growbuf._growbuf import check
KIB = 1 << 10
assert growbuf.info()["strategy"] == {rung!r}, growbuf.info()
random.seed(1)
buffers = [growbuf.GrowBuffer() for _ in range(1000)]
before = growbuf.stats()
for turn, room in enumerate([100 * KIB, 1000 * KIB, 3000 * KIB, 7000 * KIB]):
    for i in random.sample(range(1000), 1000):
        buffers[i].reserve(room)
        buffers[i] += bytes([1 + (i + turn) % 255]) * (10000 + i)
for i, buffer in enumerate(buffers):
    assert check(buffer) is None
    assert buffer == b"".join(
        bytes([1 + (i + turn) % 255]) * (10000 + i) for turn in range(4)
    )
after = growbuf.stats()
grown = {{name: after[name] - before[name] for name in ("moves", "copies")}}
assert (grown["moves"] > 0) == ({rung!r} in ("retain", "dontunmap", "maymove")), grown
print("1000 buffers,", grown["moves"], "moves,", grown["copies"], "copies")
"""


def run(command, **variables):
    """Run a command; return its exit code and what it printed. `timeout` ends it."""
    done = subprocess.run(
        ["timeout", "--kill-after=10", str(STEP_SECONDS), *map(str, command)],
        env={**os.environ, **variables},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        stdin=subprocess.DEVNULL,
        text=True,
        errors="replace",
    )
    ended = f"ended after {STEP_SECONDS} seconds\n" if done.returncode == 124 else ""
    return done.returncode, done.stdout + ended


def last_line(text):
    return next((line for line in reversed(text.splitlines()) if line.strip()), "")


def tail(text, nlines=60):
    return "".join(f"    {line}\n" for line in text.splitlines()[-nlines:])


# Each of the following runs a step. It returns whether the step passed, one line about
# it, and output for the log.


def run_c(programs, rung):
    names = sorted(path.name for path in Path(programs).glob("test_*"))
    output, nfailed, nchecks = "", 0, 0
    for name in names:
        code, text = run([Path(programs, name)], GROWBUF_EXPECT=rung)
        found = re.search(r"(\d+) checks$", text.strip())
        nchecks += int(found[1]) if found else 0
        if code:
            nfailed += 1
            output += f"{name}: exit code {code}\n" + tail(text)
        elif name in ("test_remap", "test_real"):
            output += text
    passed = len(names) - nfailed
    return not nfailed, f"{passed} of {len(names)} programs, {nchecks} checks", output


def run_thousand(rung):
    command = [sys.executable, "-c", THOUSAND.format(rung=rung)]
    code, text = run(command, GROWBUF_STRATEGY=rung)
    return not code, last_line(text), tail(text) if code else ""


def run_counts(programs, rung, nvectors):
    code, text = run([Path(programs, "counts"), rung, nvectors])
    return not code, "1 GiB", tail(text) if code else f"counts: {text}"


def run_suite(name, rung):
    options = ["-q", "-p", "no:cacheprovider", "-m", "not slow", "--tb=short"]
    command = [sys.executable, "-m", "pytest", *options, f"tests/test_{name}.py"]
    code, text = run(command, GROWBUF_STRATEGY=rung)
    return not code, last_line(text), tail(text, 200) if code else ""


def run_models(minutes):
    """Repeat the model tests from a random seed, the first round on the best rung."""
    seed = len(soak.RUNGS) * random.randrange(250_000)
    code, text = run([sys.executable, "tests/soak.py", minutes, seed])
    return not code, f"{text.count('SEED=')} rounds from {seed}", tail(text)


class Steps:
    """Runs the steps whose names match the pattern, and prints a line for each."""

    def __init__(self, pattern):
        self.pattern = pattern
        self.nrun, self.failed = 0, []

    def run(self, name, work, *args):
        if not re.search(self.pattern, name):
            return
        started = time.monotonic()
        passed, summary, output = work(*args)
        seconds = time.monotonic() - started
        word = "ok" if passed else "FAILED"
        print(output, end="" if output.endswith("\n") or not output else "\n")
        print(f"step: {name}: {word}: {summary} ({seconds:.0f} s)", flush=True)
        self.nrun += 1
        if not passed:
            self.failed.append(name)


def main(best, minutes, programs, pattern):
    steps, rungs = Steps(pattern), RUNGS[RUNGS.index(best) :]
    steps.run("C programs", run_c, programs, best)
    for rung in rungs:
        steps.run(f"thousand buffers, {rung}", run_thousand, rung)
    for rung in rungs[:-1]:  # on the heap the kernel is asked for nothing
        for nvectors in 1, 2:
            steps.run(
                f"counts, {rung}, {nvectors}", run_counts, programs, rung, nvectors
            )
    for rung in rungs:
        for name in SUITES + MORE_SUITES * (rung == best):
            steps.run(f"test_{name}, {rung}", run_suite, name, rung)
    if float(minutes) > 0:
        steps.run("model tests", run_models, minutes)
    print(f"steps run: {steps.nrun}; failed: {', '.join(steps.failed) or 'none'}")
    return bool(steps.failed) or not steps.nrun


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:5]))  # user-mode Linux may append an argument of its own
