"""How many instructions of growbuf's own code an operation takes, compared with what is
written down: a guard against becoming slower that needs no clock.

    python tests/instructions.py            count, compare; fail if one is 3% off
    python tests/instructions.py --write    count and write tests/instructions.json

Valgrind counts what is executed in the extension module alone, and the calls that leave
it; not what Python, NumPy and libc do then, which differs from machine to machine.  The
module is compiled for this with flags of its own, so that figures depend on the
compiler and on Python's headers, and are compared where both are those they were
written with.
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
FLAGS = "-DNDEBUG -fwrapv"  # in place of Python's own; setup.py adds -O3
ALLOWED = 0.03
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
    "GrowArray.extend": array_extend,
}


def work():
    """Do each operation once, so that all is loaded, and again, between calls of
    stats(): there Valgrind writes down what it has counted since the one before."""
    from growbuf import stats

    for operation in OPERATIONS.values():
        operation()
    for operation in OPERATIONS.values():
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
    """Return what was counted, a file for each operation, in their order."""
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
        "GROWBUF_STRATEGY": "copy",  # whatever Valgrind makes of mremap
    }
    command = [*valgrind, sys.executable, __file__, "--work"]
    subprocess.run(command, env=environment, check=True)
    found = sorted(folder.glob("counts.*"), key=lambda path: int(path.suffix[1:]))
    _before, *between = found  # what came after the last is in no numbered file
    assert len(between) == len(OPERATIONS), [path.name for path in found]
    return between


def counted(path):
    """Return instructions and calls out of the module, in one of callgrind's files.

    After `ob=` come lines of a position and what was executed there; after `calls=` one
    that is the callee's, in the object that `cob=` named if it was another.
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


def count():
    """Return what an operation takes, by its name: instructions, and calls out."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        build(folder)
        return {
            operation: {
                what: round(total / COUNT, 2) for what, total in counted(path).items()
            }
            for operation, path in zip(
                OPERATIONS, run_under_valgrind(folder), strict=True
            )
        }


# ------------------------------------------------------------------------ comparing


def compiler():
    command = [*shlex.split(os.environ.get("CC") or "cc"), "--version"]
    told = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
    return told.stdout.splitlines()[0].split()[-1]


def environment():
    """Return what figures depend on."""
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
    """Return why counts cannot be compared here, or None."""
    if shutil.which("valgrind") is None:
        return "there is no valgrind"
    written = read()["environment"]
    differing = [
        f"{what} is {here}, not {written[what]}"
        for what, here in environment().items()
        if here != written[what]
    ]
    return "; ".join(differing) or None


def differing(counts, written):
    """Return in words what differs by more than is allowed: if it is less, and that is
    meant, it is to be written down too, so that it stays."""
    return [
        f"{operation}: {counts[operation][what]} {what}, written down are {figure}"
        for operation, row in written.items()
        for what, figure in row.items()
        if abs(counts[operation][what] - figure) > figure * ALLOWED
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
        print(f"{operation:20}", *(f"{row[what]:8} {what}" for what in sorted(row)))
    return "\n".join(differing(counts, read()["counts"])) or None


if __name__ == "__main__":
    sys.exit(main())
