"""Time the work of real libraries, with bytearray and with GrowBuffer in its place.

    make programs                                 all, in an environment made for it
    make programs ARGS="--only 'h11|tornado'"     some, by their names
    make programs ARGS=--quick                    a tenth of the work, for a first look
    python benchmarks/programs.py --json FILE     with the libraries that are there

Each run has a process of its own. For GrowBuffer, the builtin is replaced in it before
anything else is imported (tests/swap). bytearray and GrowBuffer take turns. The process
does the work once, so that all modules are imported, and then many times while the
clock runs. `cpu` is the processor time that the work takes with bytearray, in all
threads, divided by the time that it takes with GrowBuffer: the median over the rounds.
Above 1, GrowBuffer is faster. `peak` is the peak resident memory of GrowBuffer's
process divided by that of bytearray's. It includes all imports, and both processes
import growbuf. A program fails unless both runs return the same value. The work is in
program_table.py.
"""

import argparse
import json
import os
import platform
import re
import subprocess
import sys
import time
from pathlib import Path
from statistics import geometric_mean, median

from common import add_json, case_parser, memory_nbytes, parse, write_json
from program_table import PROGRAMS

import growbuf

CHECKOUT = Path(__file__).resolve().parent.parent
KINDS = {"bytearray": "", "GrowBuffer": "growbuf.GrowBuffer"}
MISSING = "missing"


def work(name, quick):
    """Do a program's work in this process and return what it took."""
    function, count = PROGRAMS[name]
    try:
        function(1)
    except ModuleNotFoundError as error:
        return {MISSING: error.name}
    start, start_cpu = time.perf_counter(), time.process_time()
    value = function(max(1, count // 10) if quick else count)
    return {
        "kind": bytearray.__name__,
        "cpu_s": time.process_time() - start_cpu,
        "wall_s": time.perf_counter() - start,
        "peak_nbytes": memory_nbytes("VmHWM"),
        "value": value,
    }


def run(name, kind, quick):
    """Return the result of work() in a process in which `kind` replaces bytearray."""
    path = [str(CHECKOUT / "tests" / "swap"), str(CHECKOUT)]
    path += filter(None, [os.environ.get("PYTHONPATH")])
    swap = {"GROWBUF_SWAP": KINDS[kind], "PYTHONPATH": os.pathsep.join(path)}
    command = [sys.executable, __file__, "--worker", name, *["--quick"] * quick]
    done = subprocess.run(
        command, env={**os.environ, **swap}, check=True, stdout=subprocess.PIPE
    )
    result = json.loads(done.stdout)
    if result.get("kind", kind) != kind:
        raise RuntimeError(f"{name}: {result['kind']} was bytearray, not {kind}")
    return result


def measure(name, repeat, quick):
    """Return the row of a program: medians, and the ratios of runs in turn."""
    rounds = []
    for _ in range(repeat):
        theirs, ours = pair = [run(name, kind, quick) for kind in KINDS]
        if MISSING in theirs:
            return {"program": name, MISSING: theirs[MISSING]}
        if theirs["value"] != ours["value"]:
            values = f"{theirs['value']!r} and {ours['value']!r}"
            raise AssertionError(f"{name}: not the same value: {values}")
        rounds.append(pair)
    row = {"program": name, "rounds": len(rounds)}
    row["cpu"] = median(t["cpu_s"] / o["cpu_s"] for t, o in rounds)
    row["peak"] = median(o["peak_nbytes"] / t["peak_nbytes"] for t, o in rounds)
    for index, kind in enumerate(KINDS):
        for figure in ("cpu_s", "wall_s", "peak_nbytes"):
            row[f"{kind} {figure}"] = median(pair[index][figure] for pair in rounds)
    return row


def print_row(row):
    if MISSING in row:
        print(f"{row['program']}: {row[MISSING]} is not installed")
        return
    print(
        f"{row['program']:28} {row['cpu']:6.2f} {row['peak']:6.2f}"
        f" {row['bytearray cpu_s']:10.3f} {row['GrowBuffer cpu_s']:10.3f}"
        f" {row['bytearray peak_nbytes'] / 1e6:10.1f}"
        f" {row['GrowBuffer peak_nbytes'] / 1e6:10.1f}",
        flush=True,
    )


def summary(rows):
    """Return the geometric means and the worst of what was measured."""
    return {
        "programs": len(rows),
        "cpu": geometric_mean(row["cpu"] for row in rows),
        "peak": geometric_mean(row["peak"] for row in rows),
        "lowest cpu": min(row["cpu"] for row in rows),
        "highest peak": max(row["peak"] for row in rows),
    }


def main():
    parser = case_parser(__doc__, repeat=5)
    parser.add_argument("--quick", action="store_true", help="a tenth of the work")
    parser.add_argument("--only", metavar="PATTERN", help="of the names of programs")
    add_json(parser)
    parser.add_argument("--worker", help=argparse.SUPPRESS)
    options = parse(parser)
    if options.worker:
        print(json.dumps(work(options.worker, options.quick)))
        return
    names = [name for name in PROGRAMS if re.search(options.only or "", name)]
    if not names:
        parser.error(f"no such program; there are {', '.join(PROGRAMS)}")
    print(f"{'':28} {'cpu':>6} {'peak':>6} {'seconds of each':>21} {'MB of each':>21}")
    rows = []
    for name in names:
        rows.append(measure(name, options.repeat, options.quick))
        print_row(rows[-1])
    report = {"python": platform.python_version(), "growbuf": growbuf.info()}
    report |= {"quick": options.quick, "programs": rows}
    if measured := [row for row in rows if MISSING not in row]:
        report["summary"] = total = summary(measured)
        print(f"{'geometric mean':28} {total['cpu']:6.2f} {total['peak']:6.2f}")
    write_json(options, report)


if __name__ == "__main__":
    main()
