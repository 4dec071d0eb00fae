"""Measure a vector that doubles from 4 bytes to 1 GiB: the origin of growbuf.

    python benchmarks/seed.py                     compile, run, print two tables
    python benchmarks/seed.py --json seed.json    also write the figures to a file

MREMAP_RETAIN, a Linux patch of 2014, was proposed with this loop: grow to twice the
length, fill the new half, repeat. It runs in C with growbuf's store (src/store.h) and
with realloc of each allocator, and in Python. All of them run in turn, --repeat times,
each in its own process. Before each run 2 GiB of memory are touched and freed, because
a virtual machine may have to wait until its host provides memory.

All figures are medians over the rounds. `seconds` is the time. `of glibc` is the time
divided by glibc's. `store / it` is the time of the store on its best rung divided by
the time in this row. `peak` is the peak memory of the process, for each byte of the
vector. `patch` is the time in seconds that the patch's author reported from his
machine.

In the first table memory may be in huge pages. In the second the processes get none
(PR_SET_THP_DISABLE). Then nearly all the time is spent on the first touch of each page.
glibc moves pages too, so the store can be faster only if it takes fewer page faults. It
does: it asks the kernel to make many pages present at once.

Needs a C compiler and the extra `cli`.
"""

import argparse
import ctypes
import json
import os
import platform
import shlex
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

from growbuf import info
from growbuf.cli.measure import ALLOCATORS, GIB, MissingError, preload

ROOT = Path(__file__).resolve().parents[1]
SEED = ROOT / "benchmarks" / "seed"
LAYERS = (
    *("store", "store_memory", "spans", "moves", "pool", "entries", "prefault"),
    *("pages", "pages_linux", "pages_posix", "growth"),
)
RUNGS = ("retain", "dontunmap", "maymove", "copy", "heap")
PATCH_SECONDS = {"glibc": 0.135, "jemalloc": 0.226, "tcmalloc": 0.238}
PR_SET_THP_DISABLE = 41


# ------------------------------------------------------------------- the contenders


def compile_vector(folder):
    program = Path(folder) / "vector"
    compiler = shlex.split(os.environ.get("CC") or "cc")
    sources = [SEED / "vector.c", *(ROOT / "src" / f"{name}.c" for name in LAYERS)]
    flags = ["-std=c11", "-O3", "-DNDEBUG", "-pthread", "-I", ROOT / "src"]
    subprocess.run([*compiler, *flags, *sources, "-o", program], check=True)
    return program


def over_realloc(program):
    for name in ALLOCATORS:
        try:
            yield name, [program, "realloc"], preload(name)
        except MissingError as error:
            print(error, file=sys.stderr)


def over_store(program):
    probed = info()["probe"]
    for rung in RUNGS:
        answer = probed.get(rung, "ok")
        if answer == "ok":
            yield f"store, {rung}", [program, "store"], {"GROWBUF_STRATEGY": rung}
        else:
            print(f"store, {rung}: this kernel lacks it ({answer})", file=sys.stderr)


def in_python():
    for kind in ("bytearray", "GrowBuffer"):
        command = [sys.executable, SEED / "vector.py", kind]
        yield kind, command, {"PYTHONPATH": str(ROOT)}


def contenders(program):
    """Return {name: (command, variables to set in its environment)}."""
    found = [*over_realloc(program), *over_store(program), *in_python()]
    return {name: (command, more) for name, command, more in found}


# ------------------------------------------------------------------------ measuring


def deny_huge_pages():
    """Restrict this process, and the program that it executes, to 4 KiB pages."""
    if ctypes.CDLL(None, use_errno=True).prctl(PR_SET_THP_DISABLE, 1, 0, 0, 0):
        raise OSError(ctypes.get_errno(), "PR_SET_THP_DISABLE")


def run(program, command, more, denied):
    """Warm up and run one contender; return (seconds, peak)."""
    subprocess.run([program, "touch"], check=True)
    done = subprocess.run(
        command,
        env={**os.environ, **more},
        preexec_fn=deny_huge_pages if denied else None,
        check=True,
        stdout=subprocess.PIPE,
        text=True,
    )
    taken, peak = done.stdout.split()
    return float(taken), int(peak) / GIB


def ratios(times, others):
    return [t / other for t, other in zip(times, others, strict=True)]


def measure(program, repeat, denied):
    """Run all contenders in turn; return {name: row}."""
    over = contenders(program)
    rounds = [
        {name: run(program, *how, denied) for name, how in over.items()}
        for _ in range(repeat)
    ]
    times = {name: [each[name][0] for each in rounds] for name in over}
    best = next(name for name in over if name.startswith("store"))
    rows = {}
    for name in over:
        each = {
            "seconds": times[name],
            "of glibc": ratios(times[name], times["glibc"]),
            "store / it": ratios(times[best], times[name]),
            "peak": [one[name][1] for one in rounds],
        }
        medians = {column: statistics.median(found) for column, found in each.items()}
        rows[name] = {**medians, "patch": PATCH_SECONDS.get(name), "each": each}
    return rows


# ------------------------------------------------------------------------- the report

COLUMNS = {
    "seconds": "{:.3f}",
    "of glibc": "{:.2f}",
    "store / it": "{:.2f}",
    "peak": "{:.2f}",
    "patch": "{:.3f}",
}


def machine():
    facts = info()
    return {
        "machine": f"{platform.machine()}, {os.cpu_count()} processors",
        "kernel": facts["kernel"],
        "libc": " ".join(platform.libc_ver()),
        "transparent_hugepage": facts["transparent_hugepage"],
        "strategy": facts["strategy"],
    }


def show(title, rows):
    from rich.console import Console
    from rich.table import Table

    table = Table("", *COLUMNS, title=title)
    for name, row in rows.items():
        cells = (
            "" if row[column] is None else form.format(row[column])
            for column, form in COLUMNS.items()
        )
        table.add_row(name, *cells)
    Console().print(table)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--repeat", type=int, default=7)
    parser.add_argument("--json", type=Path, metavar="FILE")
    options = parser.parse_args()
    setting = info()["transparent_hugepage"]
    titles = {
        "huge": f"transparent huge pages: {setting}",
        "small": "4 KiB pages only",
    }
    report = {"machine": machine(), "repeat": options.repeat}
    print(*report["machine"].values(), sep="; ")
    with tempfile.TemporaryDirectory() as folder:
        program = compile_vector(folder)
        for pages, title in titles.items():
            report[pages] = measure(program, options.repeat, pages == "small")
            show(title, report[pages])
    if options.json:
        options.json.write_text(json.dumps(report, indent=2) + "\n")


if __name__ == "__main__":
    main()
