"""Run the tests on each Python, allocator and rung, as many at a time as there are
processors, and end with a table of what passed, what could not be had and how long it
took.

    python tools/matrix.py [NAME ...]     all entries, or those named

The default Python runs the whole suite, the others what may depend on them; the rungs
have entries of their own. What an entry printed is in build/matrix/NAME.log, and is
shown if it failed.
"""

import os
import re
import shlex
import shutil
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

CHECKOUT = Path(__file__).resolve().parent.parent
LOGS = CHECKOUT / "build" / "matrix"
PYTHON = os.environ.get("PYTHON", "python3")
LONGEST_S = 1800
MISSING = 77  # how tools/sid ends when there can be no root

HOST_PYTHONS = ["3.13", "3.12"]
SID_PYTHONS = ["3.15-dbg", "3.15", "3.14"]
RUNGS = ["retain", "dontunmap", "maymove", "copy", "heap"]
ALLOCATORS = ["jemalloc", "mimalloc"]

# The C layers without a Python, the sources, the packages, the pages and the commands
# are the same everywhere, and the standard library's tests are many. Limits and faults
# go down the rungs by themselves.
SAME_EVERYWHERE = [
    *("bench", "c", "demo", "docs", "examples", "faults", "layers", "limits"),
    *("packaging", "rungs", "swap", "typing"),
]
# A rung and an allocator change what buffers do, not what types look like.
WHAT_BUFFERS_DO = [
    *("array", "array_model", "growbuffer", "memory", "model", "owner", "tail"),
    *("traps", "views"),
]


@dataclass
class Entry:
    """One run of the tests, or why there is none."""

    name: str
    command: list[str] = field(default_factory=list)
    outcome: str = "missing"
    summary: str = ""
    seconds: float = 0.0

    @property
    def log(self):
        return LOGS / f"{self.name}.log"


SLOWEST = "--durations=10"
EVERYTHING = f"{SLOWEST} --ignore=tests/test_rungs.py"  # which has entries of its own
QUICKLY = f"-q -p no:cacheprovider -m 'not slow' {SLOWEST}"


def without(files):
    ignored = (f"--ignore=tests/test_{name}.py" for name in files)
    return f"{QUICKLY} {shlex.join(ignored)}"


def only(files):
    return f"{QUICKLY} {shlex.join(f'tests/test_{name}.py' for name in files)}"


def make_test(python, arguments="", under=""):
    """Each word is given, so that nothing comes from the make that called this."""
    words = [f"PYTHON={python}", f"ARGS={arguments}", f"UNDER={under}"]
    return ["make", "--no-print-directory", "test", *words]


def find_python(version):
    """Return pyenv's newest patch of a version, else the one on the path, or None."""
    pyenv = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv")) / "versions"
    found = pyenv.glob(f"{version}.*/bin/python{version}")
    newest = max(found, key=lambda path: int(path.parts[-3].split(".")[2]), default="")
    return str(newest) or shutil.which(f"python{version}")


def on_python(version):
    python = find_python(version)
    if python is None:
        return Entry(version, summary=f"no python{version} in pyenv or on the path")
    in_copy = 'source tools/common.sh; copy_sources "$0"; cd "$0"; exec "$@"'
    words = make_test(python, without(SAME_EVERYWHERE))
    return Entry(version, ["bash", "-c", in_copy, f"build/matrix/{version}", *words])


def on_sid(version):
    words = make_test(f"python{version}", without(SAME_EVERYWHERE))
    return Entry(version, ["tools/sid", version, *words])


def on_allocator(name):
    library = next(Path("/usr/lib").glob(f"*/lib{name}.so.2*"), None)
    if library is None:
        return Entry(name, summary=f"no lib{name}.so.2 in /usr/lib")
    return with_setting(name, f"LD_PRELOAD={library}")


def on_rung(name):
    return with_setting(name, f"GROWBUF_STRATEGY={name}")


def with_setting(name, setting):
    return Entry(name, make_test(PYTHON, only(WHAT_BUFFERS_DO), f"env {setting}"))


def on_target(name):
    return Entry(name, ["make", "--no-print-directory", name, f"PYTHON={PYTHON}"])


def entries():
    """List them so that those that take longest begin first."""
    return [
        Entry("default", make_test(PYTHON, EVERYTHING)),
        *map(on_sid, SID_PYTHONS),
        *map(on_python, HOST_PYTHONS),
        *map(on_allocator, ALLOCATORS),
        *map(on_rung, RUNGS),
        *map(on_target, ["swap", "typing"]),
    ]


def last_line(path):
    """Return the last line that says something about tests, else just the last."""
    lines = path.read_text(errors="replace").strip().splitlines() or [""]
    told = [line for line in lines if re.search(r"\d (passed|failed)", line)]
    return (told or lines)[-1].strip("= ")


def run_command(entry):
    """Return how the entry's command ended, its output being in the log."""
    with entry.log.open("wb") as log:
        try:
            return subprocess.run(
                entry.command,
                cwd=CHECKOUT,
                stdout=log,
                stderr=subprocess.STDOUT,
                timeout=LONGEST_S,
            ).returncode
        except subprocess.TimeoutExpired:
            log.write(f"\nnot done after {LONGEST_S} s\n".encode())
            return None


def run(entry):
    """Run an entry that can be run; say how it ended, in one write."""
    if entry.command:
        began = time.monotonic()
        status = run_command(entry)
        entry.seconds = time.monotonic() - began
        entry.outcome = {0: "passed", MISSING: "missing"}.get(status, "FAILED")
        entry.summary = last_line(entry.log)
    text = f"{row(entry)}\n"
    if entry.outcome == "FAILED" or entry.name == "default":
        text += entry.log.read_text(errors="replace")
    sys.stdout.write(text)
    sys.stdout.flush()


def row(entry):
    return f"{entry.name:10} {entry.outcome:8} {entry.seconds:5.0f} s  {entry.summary}"


def report(done, seconds):
    """Print the table, then the verdict; return whether nothing failed."""
    outcomes = [entry.outcome for entry in done]
    counted = ", ".join(
        f"{outcomes.count(outcome)} {outcome}"
        for outcome in ("passed", "missing", "FAILED")
    )
    print(f"\n{'entry':10} {'outcome':8} {'time':>7}  tests")
    print(*map(row, done), sep="\n")
    print(f"{len(done)} entries: {counted}, in {seconds / 60:.1f} minutes")
    return "FAILED" not in outcomes


def main(names):
    chosen = [entry for entry in entries() if not names or entry.name in names]
    if unknown := set(names) - {entry.name for entry in chosen}:
        sys.exit(f"no such entry: {', '.join(sorted(unknown))}")
    LOGS.mkdir(parents=True, exist_ok=True)
    began = time.monotonic()
    # Entries on the default Python share its environment, which must be there first.
    subprocess.run(make_test(PYTHON, "--version"), cwd=CHECKOUT, check=True)
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        list(pool.map(run, chosen))
    passed = report(chosen, time.monotonic() - began)
    default = next((entry for entry in chosen if entry.name == "default"), None)
    if passed and default:
        print(default.summary)
    sys.exit(not passed)


if __name__ == "__main__":
    main(sys.argv[1:])
