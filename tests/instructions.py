"""Count how many instructions each operation executes.

For some operations the instructions of growbuf's own code are counted. For others all
instructions are, as a percentage of those that bytearray takes in the same run.

    python tests/instructions.py            compare with tests/instructions.json
    python tests/instructions.py --write    write tests/instructions.json

The comparison fails if a count differs by more than 3%, or if a percentage is more than
12 points higher. It detects slower code without measuring time.

Of the operations in OPERATIONS, Valgrind counts the instructions of the extension
module, and the calls that leave it. It does not count what Python, NumPy and libc
execute, which differs between machines. Of the small results in RESULTS it counts all
instructions, the interpreter's and the allocator's too, because they are most of what a
result costs. The extension is compiled for this with fixed flags. Its counts still
depend on the compiler and on Python's headers, so they are compared only if both are
the same as when the file was written.
"""

import argparse
import json
import os
import platform
import re
import shlex
import shutil
import subprocess
import sys
import tempfile
from collections import Counter
from pathlib import Path

CHECKOUT = Path(__file__).resolve().parent.parent
WRITTEN = Path(__file__).with_suffix(".json")
FLAGS = "-DNDEBUG -fwrapv"  # instead of Python's own flags; setup.py adds -O3
ALLOWED = 0.03
ALLOWED_POINTS = 12
COUNT = 20_000


# ------------------------------------------------------------------ the operations


def append():
    from growbuf import GrowBuffer

    buf = GrowBuffer()
    for _ in range(COUNT):
        buf.append(7)


def extend():
    from growbuf import GrowBuffer

    buf, piece = GrowBuffer(), bytes(64)
    for _ in range(COUNT):
        buf.extend(piece)


def delete_front():
    from growbuf import GrowBuffer

    buf = GrowBuffer(64 * COUNT)
    for _ in range(COUNT):
        del buf[:64]


def array_append():
    from growbuf import GrowArray

    array = GrowArray(limit=COUNT)
    for i in range(COUNT):
        array.append(i / 2)


def array_append_maxlen():
    """After the first rows each append removes a row."""
    from growbuf import GrowArray

    array = GrowArray(limit=COUNT, maxlen=100)
    for i in range(COUNT):
        array.append(i / 2)


def array_extend():
    import numpy as np

    from growbuf import GrowArray

    array, block = GrowArray(limit=8 * COUNT), np.arange(8.0)
    for _ in range(COUNT):
        array.extend(block)


OPERATIONS = {
    "append": append,
    "extend": extend,
    "del front": delete_front,
    "GrowArray.append": array_append,
    "GrowArray.append maxlen": array_append_maxlen,
    "GrowArray.extend": array_extend,
}


# Statements that make small results. `x` has 100 bytes. loop() repeats each statement.
RESULTS = [
    "T(data)",
    "x.copy()",
    "x[2:7]",
    "x[::2]",
    "x + data",
    "x * 2",
    "x.strip()",
    "x.upper()",
    "x.split()",
    "x.split(b' ', 1)",
    "x.partition(b' ')",
    "x.replace(b'fox', b'horse')",
    "x.translate(table)",
    "x.ljust(110)",
    "x.join((data, data))",
    "x.find(b'lazy')",
    "x.decode()",
]
RESULT_COUNT = 1000


def loop(statement, kind):
    """Return a new function that repeats the statement on this kind. If the kinds
    shared one, the interpreter's inline caches would favour one of them."""
    data = (b" The quick, brown fox jumps over the lazy dog;\n" * 3)[:100]
    names = {"T": kind, "data": data, "x": kind(data), "table": bytes(range(256))[::-1]}
    names["turns"] = range(RESULT_COUNT)
    code = (
        f"def run(T, data, x, table, turns):\n    for _ in turns:\n        {statement}"
    )
    exec(code, names)
    run = names["run"]
    return lambda: run(*(names[name] for name in ("T", "data", "x", "table", "turns")))


def loops():
    from growbuf import GrowBuffer

    return [
        loop(statement, kind)
        for statement in RESULTS
        for kind in (bytearray, GrowBuffer)
    ]


def work():
    """Run each operation once, so that all code is loaded, and then once more.

    The second time stats() is called before each: Valgrind then writes what it has
    counted since the previous call.
    """
    from growbuf import stats

    operations = [*OPERATIONS.values(), *loops()]
    for operation in operations:
        operation()
    for operation in operations:
        stats()
        operation()
    stats()


# ----------------------------------------------------------------------- counting


def build(folder):
    shutil.copytree(
        CHECKOUT / "growbuf",
        folder / "growbuf",
        ignore=shutil.ignore_patterns("*.so", "__pycache__"),
    )
    command = [sys.executable, "setup.py", "--quiet", "build_ext", "--force"]
    places = ["--build-lib", folder, "--build-temp", folder / "objects"]
    environment = {**os.environ, "CFLAGS": FLAGS, "GROWBUF_DEBUG": "0"}
    subprocess.run([*command, *places], cwd=CHECKOUT, env=environment, check=True)


def run_under_valgrind(folder):
    """Return the files with the counts, one for each operation, in their order."""
    valgrind = [
        "valgrind",
        "--quiet",
        "--tool=callgrind",
        "--dump-before=stats",
        "--compress-strings=no",
        f"--callgrind-out-file={folder / 'counts'}",
    ]
    environment = {
        **os.environ,
        "PYTHONPATH": str(folder),
        "PYTHONHASHSEED": "0",
        "GROWBUF_STRATEGY": "copy",  # do not depend on how Valgrind handles mremap
    }
    command = [*valgrind, sys.executable, __file__, "--work"]
    subprocess.run(command, env=environment, check=True)
    found = sorted(folder.glob("counts.*"), key=lambda path: int(path.suffix[1:]))
    _before, *between = found  # counts after the last stats() are in another file
    expected = len(OPERATIONS) + 2 * len(RESULTS)
    assert len(between) == expected, [path.name for path in found]
    return between


def counted(path):
    """Return the module's instructions and its calls to others, from a callgrind file.

    `ob=` names an object file. The lines after it, until the next one, are each a
    position and the number of instructions executed there. `calls=` counts calls to a
    function; if that is in another object file, `cob=` names it on a line before. The
    line after `calls=` has the callee's instructions, which do not count.
    """
    counts = Counter()
    ours = leaves = called = False
    for line in path.read_text().splitlines():
        if line.startswith("ob="):
            ours = "_growbuf." in line
        elif line.startswith("cob="):
            leaves = "_growbuf." not in line
        elif line.startswith("calls="):
            counts["calls"] += ours and leaves and int(line[6:].split()[0])
            leaves, called = False, True
        elif called:
            called = False
        elif ours and re.match(r"[+\-*\d]", line):
            counts["instructions"] += int(line.split()[1])
    return counts


def total(path):
    """Return all instructions that a callgrind file counts."""
    return int(
        re.search(r"^(?:summary|totals): (\d+)", path.read_text(), re.M).group(1)
    )


def count():
    """Return {operation: {"instructions": ..., "calls": ...}}, each for one repetition,
    and {statement: {"percent": ...}} of what bytearray takes."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        build(folder)
        paths = iter(run_under_valgrind(folder))
        counts = {
            operation: {
                what: round(total / COUNT, 2)
                for what, total in counted(next(paths)).items()
            }
            for operation in OPERATIONS
        }
        for statement in RESULTS:
            theirs, ours = total(next(paths)), total(next(paths))
            counts[statement] = {"percent": round(100 * ours / theirs, 1)}
        return counts


# ------------------------------------------------------------------------ comparing


def compiler():
    command = [*shlex.split(os.environ.get("CC") or "cc"), "--version"]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
    return done.stdout.splitlines()[0].split()[-1]


def environment():
    """Return what the counts depend on."""
    return {
        "machine": platform.machine(),
        "python": "{} {}.{}".format(
            platform.python_implementation(), *sys.version_info
        ),
        "compiler": compiler(),
    }


def read():
    return json.loads(WRITTEN.read_text())


def why_not():
    """Return the reason why counts cannot be compared on this machine, or None."""
    if shutil.which("valgrind") is None:
        return "valgrind is not installed"
    written = read()["environment"]
    differing = [
        f"{what} is {here}, not {written[what]}"
        for what, here in environment().items()
        if here != written[what]
    ]
    return "; ".join(differing) or None


def is_off(what, now, figure):
    """Return whether a count differs from the written one by more than is allowed.

    Instructions of growbuf's own code may differ by 3%, up or down: if a lower count is
    intended, write it to the file, so that the code cannot become slower again
    unnoticed. A percentage compares all code that runs with what bytearray takes. It
    depends on the state of the heap, and may be lower, or up to 12 points higher.
    """
    if what == "percent":
        return now > figure + ALLOWED_POINTS
    return abs(now - figure) > figure * ALLOWED


def differing(counts, written):
    """Return a line for each count that differs from the written one: see is_off."""
    return [
        f"{operation}: {counts[operation][what]} {what}, but {figure} in {WRITTEN.name}"
        for operation, row in written.items()
        for what, figure in row.items()
        if is_off(what, counts[operation][what], figure)
    ]


def main():
    parser = argparse.ArgumentParser(description=__doc__.split(".")[0])
    parser.add_argument("--write", action="store_true")
    parser.add_argument("--work", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.work:
        work()
        return None
    reason = None if options.write else why_not()
    if reason:
        print(f"not compared: {reason}")
        return None
    counts = count()
    if options.write:
        report = {"environment": environment(), "counts": counts}
        WRITTEN.write_text(json.dumps(report, indent=2) + "\n")
    for operation, row in counts.items():
        print(f"{operation:28}", *(f"{row[what]:8} {what}" for what in sorted(row)))
    return "\n".join(differing(counts, read()["counts"])) or None


if __name__ == "__main__":
    sys.exit(main())
