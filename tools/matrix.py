"""Run the tests with each Python, allocator and rung, and print a table of results.

    python tools/matrix.py [NAME ...]     run all entries, or only those named

An entry is one run of tests. Entries differ in the Python, the allocator, the rung or
the system for which growbuf is built, or they run the tests of other packages. Each row
of the table is an entry: passed, FAILED, or not run with the reason. As many entries
run at once as there are processors. The entry `default` runs the whole suite. The
others run only the tests whose result may differ there. The output of an entry is in
build/matrix/NAME.log. It is also printed if the entry fails, and for `default`.
"""

import json
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
MISSING = 77  # exit code of tools/sid and tools/windows if what they need is missing

HOST_PYTHONS = ["3.13", "3.12"]
SID_PYTHONS = ["3.15-dbg", "3.15", "3.14"]
RUNGS = ["retain", "dontunmap", "maymove", "copy", "heap"]  # best first
ALLOCATORS = ["jemalloc", "mimalloc"]

# Tests that only the default Python runs. Most have the same result on every Python,
# such as test_memory.py, which examines pages. test_swap.py takes long. test_limits.py
# and test_faults.py force each rung themselves.
ON_DEFAULT_ONLY = [
    *(
        "bench",
        "c",
        "demo",
        "docs",
        "examples",
        "faults",
        "figures",
        "layers",
        "limits",
    ),
    *("links", "memory", "packaging", "rungs", "swap", "tools", "typing"),
]
# Tests whose result may depend on the rung or on the allocator.
WHAT_BUFFERS_DO = [
    *("array", "array_model", "growbuffer", "memory", "model", "owner", "tail"),
    *("traps", "views"),
]
# Tests whose result may depend on what the system offers in place of mremap().
WHAT_PAGES_DO = ["growbuffer", "views", "front", "owner", "tail", "memory", "maxlen"]
# The C tests that run under wine. `make windows` runs more of them, which take longer.
ON_WINDOWS = ["test_windows", "test_growth", "test_calls", "test_pages"]


@dataclass
class Entry:
    """One run of tests. If it has no command, it is not run and `summary` says why."""

    name: str
    command: list[str] = field(default_factory=list)
    outcome: str = "not run"
    summary: str = ""
    seconds: float = 0.0

    @property
    def log(self):
        return LOGS / f"{self.name}.log"


SLOWEST = "--durations=10"
EVERYTHING = f"{SLOWEST} --ignore=tests/test_rungs.py"  # the rungs are entries here
# The model tests take the same steps in each entry if CI is set. The default Python
# runs all of these steps, so the other entries run fewer.
FEW = "GROWBUF_FEW_EXAMPLES=1"
QUICKLY = f"-q -p no:cacheprovider -m 'not slow' {SLOWEST}"


def without(files):
    ignored = (f"--ignore=tests/test_{name}.py" for name in files)
    return f"{QUICKLY} {shlex.join(ignored)}"


def only(files):
    return f"{QUICKLY} {shlex.join(f'tests/test_{name}.py' for name in files)}"


def make_test(python, arguments="", under="", debug=False):
    """Return the command that runs the tests; `debug` builds with assertions.

    It sets all four variables, so that none is inherited from a make that runs this
    script.
    """
    words = [f"PYTHON={python}", f"ARGS={arguments}", f"UNDER={under}"]
    words.append(f"GROWBUF_DEBUG={int(debug)}")
    return ["make", "--no-print-directory", "test", *words]


def find_python(version):
    """Return pyenv's newest release of a version, else the one on PATH, else None."""
    pyenv = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv")) / "versions"
    found = pyenv.glob(f"{version}.*/bin/python{version}")
    newest = max(found, key=lambda path: int(path.parts[-3].split(".")[2]), default="")
    return str(newest) or shutil.which(f"python{version}")


def on_python(version):
    python = find_python(version)
    if python is None:
        return Entry(version, summary=f"no python{version} in pyenv or on the path")
    in_copy = 'source tools/common.sh; copy_sources "$0"; cd "$0"; exec "$@"'
    words = make_test(python, without(ON_DEFAULT_ONLY), f"env {FEW}")
    return Entry(version, ["bash", "-c", in_copy, f"build/matrix/{version}", *words])


def on_sid(version):
    tests = without(ON_DEFAULT_ONLY)
    debug = version.endswith("-dbg")
    words = make_test(f"python{version}", tests, f"env {FEW}", debug)
    return Entry(version, ["tools/sid", version, *words])


def on_allocator(name):
    library = next(Path("/usr/lib").glob(f"*/lib{name}.so.2*"), None)
    if library is None:
        return Entry(name, summary=f"no lib{name}.so.2 in /usr/lib")
    return with_setting(name, f"LD_PRELOAD={library}")


def read_info():
    """Return what `make info` says: `probe`, a result for each rung, is "ok" or the name
    of an errno value, and `strategy` is the rung in use."""
    info = ["make", "--no-print-directory", "info", f"PYTHON={PYTHON}", "ARGS=--json"]
    done = subprocess.run(info, cwd=CHECKOUT, check=True, stdout=subprocess.PIPE)
    return json.loads(done.stdout)


def on_rung(name, probed):
    """Return the entry of a rung. It has no command if the kernel lacks the rung.

    If such a rung were forced, the next one below it would be used. That one has an
    entry of its own.
    """
    answer = probed.get(name, "ok")
    if answer == "ok":
        return with_setting(name, f"GROWBUF_STRATEGY={name}")
    lower = RUNGS[RUNGS.index(name) + 1 :]
    used = next(rung for rung in lower if probed.get(rung, "ok") == "ok")
    return Entry(
        name, summary=f"this kernel lacks it ({answer}): it would repeat {used}"
    )


def with_setting(name, setting):
    tests = only(WHAT_BUFFERS_DO)
    return Entry(name, make_test(PYTHON, tests, f"env {FEW} {setting}"))


def on_target(name, arguments=""):
    words = [name, f"PYTHON={PYTHON}", f"ARGS={arguments}"]
    return Entry(name, ["make", "--no-print-directory", *words])


def entries(probed):
    """Return all entries, those that take longest first."""
    return [
        Entry("default", make_test(PYTHON, EVERYTHING)),
        *map(on_sid, SID_PYTHONS),
        *map(on_python, HOST_PYTHONS),
        *map(on_allocator, ALLOCATORS),
        *(on_rung(name, probed) for name in RUNGS),
        on_target("posix", only(WHAT_PAGES_DO)),
        Entry("windows", ["tools/windows", "c", *ON_WINDOWS]),
        *map(on_target, ["swap", "typing"]),
    ]


def last_line(path):
    """Return the last line that counts tests; if there is none, the last line."""
    lines = path.read_text(errors="replace").strip().splitlines() or [""]
    counts = [line for line in lines if re.search(r"\d (passed|failed)", line)]
    return (counts or lines)[-1].strip("= ")


def run_command(entry):
    """Run the entry's command into its log; return its exit code, None on a timeout."""
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
    """Run an entry if it has a command, and print its row.

    All output is one write, so that the rows of entries that run at once do not mix.
    """
    if entry.command:
        began = time.monotonic()
        status = run_command(entry)
        entry.seconds = time.monotonic() - began
        entry.outcome = {0: "passed", MISSING: "not run"}.get(status, "FAILED")
        entry.summary = last_line(entry.log)
    text = f"{row(entry)}\n"
    if entry.outcome == "FAILED" or entry.name == "default":
        text += entry.log.read_text(errors="replace")
    sys.stdout.write(text)
    sys.stdout.flush()


def row(entry):
    return f"{entry.name:10} {entry.outcome:8} {entry.seconds:5.0f} s  {entry.summary}"


def report(done, seconds):
    """Print the table and the number of each outcome; return whether none failed."""
    outcomes = [entry.outcome for entry in done]
    counts = ", ".join(
        f"{outcomes.count(outcome)} {outcome}"
        for outcome in ("passed", "not run", "FAILED")
    )
    print(f"\n{'entry':10} {'outcome':8} {'time':>7}  tests")
    print(*map(row, done), sep="\n")
    print(f"{len(done)} entries: {counts}, in {seconds / 60:.1f} minutes")
    return "FAILED" not in outcomes


def main(names):
    # The entries of the default Python share a virtual environment. Make it first.
    subprocess.run(make_test(PYTHON, "--version"), cwd=CHECKOUT, check=True)
    facts = read_info()
    everything = entries(facts["probe"])
    chosen = [entry for entry in everything if not names or entry.name in names]
    if unknown := set(names) - {entry.name for entry in chosen}:
        sys.exit(f"no such entry: {', '.join(sorted(unknown))}")
    default = next((entry for entry in chosen if entry.name == "default"), None)
    for entry in chosen:
        if default and entry.name == facts["strategy"]:
            entry.command, entry.summary = [], "the default run uses this rung"
    LOGS.mkdir(parents=True, exist_ok=True)
    began = time.monotonic()
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        list(pool.map(run, chosen))
    passed = report(chosen, time.monotonic() - began)
    if passed and default:
        print(default.summary)
    sys.exit(not passed)


if __name__ == "__main__":
    main(sys.argv[1:])
