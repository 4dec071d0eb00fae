"""Run the tests inside a guest, one line for each step.

    guest.py RUNG MINUTES PROGRAMS

RUNG is the best rung that the guest's kernel must have; the steps are repeated for each
lower one. The model tests are repeated for MINUTES. PROGRAMS is the folder with the
compiled C programs. The exit code is 1 if a step failed.
"""

import os
import re
import subprocess
import sys
import time
from pathlib import Path

RUNGS = ["retain", "dontunmap", "maymove", "copy", "heap"]
COUNTED = ["retain", "dontunmap", "maymove", "copy"]
SUITES = [
    *("growbuffer", "methods", "traps", "views", "tail", "frozen", "limits", "fork"),
    *("array", "io", "io_base", "io_bytes"),
]
# A thousand buffers that grow in turn, each time in another order. Most of what they
# reserve is never touched: each page that is costs the host of user-mode Linux a mapping.
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
    """Run a command; return its exit code and what it printed."""
    done = subprocess.run(
        [*map(str, command)],
        env={**os.environ, **variables},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        stdin=subprocess.DEVNULL,
        text=True,
        errors="replace",
    )
    return done.returncode, done.stdout


def last_line(text):
    return next((line for line in reversed(text.splitlines()) if line.strip()), "")


def run_c(programs, rung):
    """Run each C program. Return the failures, and a summary."""
    failed, output, nchecks = [], "", 0
    names = sorted(path.name for path in Path(programs).glob("test_*"))
    for name in names:
        code, text = run([Path(programs, name)], GROWBUF_EXPECT=rung)
        found = re.search(r"(\d+) checks$", text.strip())
        nchecks += int(found[1]) if found else 0
        if code:
            failed.append(name)
            output += f"{name}: exit code {code}\n" + tail(text)
        elif name in ("test_remap", "test_real"):
            output += text
    return failed, output, f"{len(names) - len(failed)} programs, {nchecks} checks"


def run_pytest(rung, files):
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider"]
    paths = [f"tests/test_{name}.py" for name in files]
    code, text = run(
        [*command, "-m", "not slow", "--tb=short", *paths], GROWBUF_STRATEGY=rung
    )
    return code, text


def tail(text, nlines=60):
    return "".join(f"    {line}\n" for line in text.splitlines()[-nlines:])


class Steps:
    def __init__(self):
        self.failed = []

    def say(self, name, ok, summary, started, output=""):
        if output:
            print(output, end="" if output.endswith("\n") else "\n")
        seconds = time.monotonic() - started
        word = "ok" if ok else "FAILED"
        print(f"step: {name}: {word}: {summary} ({seconds:.0f} s)", flush=True)
        if not ok:
            self.failed.append(name)


def main(best, minutes, programs):
    steps = Steps()
    started = time.monotonic()
    failed, output, summary = run_c(programs, best)
    steps.say("C programs", not failed, summary, started, output)
    for rung in RUNGS[RUNGS.index(best) :]:
        started = time.monotonic()
        code, text = run(
            [sys.executable, "-c", THOUSAND.format(rung=rung)], GROWBUF_STRATEGY=rung
        )
        name = f"thousand buffers, {rung}"
        steps.say(name, not code, last_line(text), started, tail(text) if code else "")
    for rung in COUNTED:
        started = time.monotonic()
        for nvectors in 1, 2:
            code, text = run([Path(programs, "counts"), rung, nvectors])
            if code == 3:  # the kernel has no such rung
                break
            name = f"counts, {rung}, {nvectors}"
            steps.say(name, not code, "1 GiB", started, f"counts: {text}")
    for rung in RUNGS[RUNGS.index(best) :]:
        started = time.monotonic()
        code, text = run_pytest(rung, SUITES)
        name = f"suites, {rung}"
        steps.say(name, not code, last_line(text), started, tail(text) if code else "")
    if float(minutes) > 0:
        started = time.monotonic()
        code, text = run([sys.executable, "tests/soak.py", minutes])
        rounds = text.count("SEED=")
        output = tail(text) if code else ""
        steps.say("model tests", not code, f"{rounds} rounds", started, output)
    print(f"steps failed: {', '.join(steps.failed) or 'none'}")
    return bool(steps.failed)


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:4]))  # user-mode Linux may append an argument of its own
