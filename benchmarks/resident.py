"""Compare the memory of live buffers and arrays with that of bytearray and array.array.

    python benchmarks/resident.py                    all cases
    python benchmarks/resident.py many shrunk        some of them
    python benchmarks/resident.py --json FILE

Each case runs once with each type, in a process of its own. `memory` is how much
physical memory the process has got: the pages that are resident. A huge page counts as
2 MiB even if only a part of it is mapped, because the kernel cannot use the rest. Only
root can see that; without it, `memory` is the resident memory. What growbuf's pool
keeps is shown separately: it is at most 64 MiB, and docs/pool.md says for how long.
`ratio` is growbuf's memory without the pool divided by the peer's. `mappings` are those
that the case added.

many       600 buffers of 40,000 bytes, after one of 100 MiB was dropped
shrunk     600 buffers that had 1 MiB and were cut to 40,000 bytes
shrunk-8m  the same, from 8 MiB: the buffers have used huge pages
arrays     10,000 arrays of 10 rows
pool       31 live buffers of 100,000 bytes; then one of 60 MiB is dropped. `pool` is
           how much of that the pool keeps, in parts of its limit. It is to be 0.5 or
           more.
lengths    one buffer of each of several lengths, and the memory of its pages divided by
           its length: at most 1.25, and 1.125 from 16 MiB on. From 4 to 8 MiB it may be
           1.5 (docs/how-it-grows.md), so there is no such length.
"""

import argparse
import array
import gc
import json
import os
import subprocess
import sys

from common import add_json, case_parser, parse, write_json

import growbuf
from growbuf._growbuf import place

KIB, MIB = 1 << 10, 1 << 20
PAGE = os.sysconf("SC_PAGESIZE")
HUGE = 2 * MIB
PIECE = b"x" * (64 * KIB)
POOL_LIMIT = 64 * MIB
KINDS = {"peer": bytearray, "growbuf": growbuf.GrowBuffer}


# ------------------------------------------------------------------------- measuring


def mappings():
    """Return the start and end of each mapping of this process."""
    with open("/proc/self/maps") as maps:
        ranges = [line.split()[0].split("-") for line in maps]
    return [(int(start, 16), int(end, 16)) for start, end in ranges]


def present(ranges):
    """Return the frame numbers of all pages that are present; 0 unless root reads."""
    frames = array.array("Q")
    with open("/proc/self/pagemap", "rb", buffering=0) as pagemap:
        for start, end in ranges:
            if start < 1 << 47:  # the kernel's page after that has no entry
                for at in range(start // PAGE, end // PAGE, 1 << 20):
                    pagemap.seek(at * 8)
                    count = min(1 << 20, end // PAGE - at)
                    frames.frombytes(pagemap.read(count * 8))
    present = 1 << 63
    return [frame & ((1 << 55) - 1) for frame in frames if frame & present]


def physical_nbytes(ranges=None):
    """Return the memory of address ranges, or of all mappings, with all of each huge page
    of which they have a part."""
    frames = present(mappings() if ranges is None else ranges)
    if os.geteuid() != 0:
        return len(frames) * PAGE
    huge, small = set(), 0
    with open("/proc/kpageflags", "rb", buffering=0) as flags:
        for frame in frames:
            if frame // (HUGE // PAGE) in huge:
                continue
            flags.seek(frame * 8)
            if int.from_bytes(flags.read(8), sys.byteorder) >> 22 & 1:  # KPF_THP
                huge.add(frame // (HUGE // PAGE))
            else:
                small += 1
    return small * PAGE + len(huge) * HUGE


# ----------------------------------------------------------------------------- cases


def built(kind, nbytes):
    buffer = kind()
    for _ in range(nbytes // len(PIECE)):
        buffer += PIECE
    return buffer


def many(kind):
    dropped = built(KINDS[kind], 100 * MIB)
    del dropped
    return [KINDS[kind](b"y" * 40_000) for _ in range(600)]


def shrunk(kind, nbytes=MIB):
    buffers = []
    for _ in range(600):
        buffers.append(built(KINDS[kind], nbytes))
        del buffers[-1][40_000:]
    return buffers


def shrunk_from_8_mib(kind):
    return shrunk(kind, 8 * MIB)


def arrays(kind):
    made = []
    for _ in range(10_000):
        one = array.array("d") if kind == "peer" else growbuf.GrowArray(dtype=float)
        for row in range(10):
            one.append(float(row))
        made.append(one)
    return made


CASES = {  # the function, and the largest ratio
    "many": (many, 1.15),
    "shrunk": (shrunk, 1.15),
    "shrunk-8m": (shrunk_from_8_mib, 1.15),
    "arrays": (arrays, 1.5),
}
LENGTHS = (  # MiB, and the largest ratio
    *((1, 1.25), (2.0625, 1.25), (3.5, 1.25), (8, 1.25), (8.0625, 1.25), (12, 1.25)),
    *((16, 1.125), (16.0625, 1.125), (24, 1.125), (64, 1.125), (100.0625, 1.125)),
)


def work(case, kind):
    """Run a case in this process and return its figures."""
    if case == "arrays" and kind == "growbuf":
        growbuf.GrowArray(dtype=float).append(1.0)  # imports NumPy's parts
    gc.collect()
    for _ in range(2):  # the first call allocates memory that is kept
        before, nmappings = physical_nbytes(), len(mappings())
    kept = CASES[case][0](kind)
    pool = growbuf.stats()["pool_bytes"]
    figures = {
        "nbytes": physical_nbytes() - before - pool,
        "pool": pool,
        "mappings": len(mappings()) - nmappings,
    }
    del kept
    return figures


def work_lengths(_case, _kind):
    """Return the memory of a buffer of each length, in parts of the length."""
    ratios = {}
    for mib, _ in LENGTHS:
        growbuf.trim()
        buffer = built(growbuf.GrowBuffer, int(mib * MIB))
        _, address, nbytes = place(buffer)
        ratios[mib] = physical_nbytes([(address, address + nbytes)]) / len(buffer)
    return ratios


def work_pool(_case, _kind):
    growbuf.trim()
    buffers = [growbuf.GrowBuffer(b"x" * 100_000) for _ in range(31)]
    dropped = built(growbuf.GrowBuffer, 60 * MIB)
    del dropped
    kept = growbuf.stats()["pool_bytes"] / POOL_LIMIT
    del buffers
    return {"kept": kept}


WORK = {"pool": work_pool, "lengths": work_lengths}
NAMES = (*CASES, *WORK)


def run(case, kind):
    """Return the figures of a case, from a new process."""
    command = [sys.executable, __file__, "--worker", kind, case]
    return json.loads(subprocess.run(command, check=True, capture_output=True).stdout)


def measure(case):
    """Return the row of a case."""
    if case == "pool":
        kept = run(case, "growbuf")["kept"]
        return {"case": case, "kept": kept, "passes": kept >= 0.5}
    if case == "lengths":
        ratios = run(case, "growbuf")
        passes = all(ratios[str(mib)] <= most for mib, most in LENGTHS)
        return {"case": case, "ratios": ratios, "passes": passes}
    theirs, ours = run(case, "peer"), run(case, "growbuf")
    ratio, most = ours["nbytes"] / theirs["nbytes"], CASES[case][1]
    row = {"case": case, "peer": theirs, "growbuf": ours, "ratio": ratio, "most": most}
    # The system's default is 65,530 mappings; half of them stay free.
    return row | {"passes": ratio <= most and ours["mappings"] < 65_530 // 2}


def print_row(row):
    verdict = "" if row["passes"] else "   more than asked"
    if row["case"] == "pool":
        print(f"{'pool':10} keeps {row['kept']:.2f} of its limit{verdict}")
    elif row["case"] == "lengths":
        ratios = ", ".join(
            f"{mib}: {ratio:.3f}" for mib, ratio in row["ratios"].items()
        )
        print(f"{'lengths':10} MiB: memory / length: {ratios}{verdict}")
    else:
        theirs, ours = (row[kind] for kind in KINDS)
        print(
            f"{row['case']:10} {theirs['nbytes'] / MIB:6.1f} {ours['nbytes'] / MIB:6.1f}"
            f" MiB, pool {ours['pool'] / MIB:.1f};"
            f" ratio {row['ratio']:.2f}, at most {row['most']:.2f};"
            f" mappings {theirs['mappings']}, {ours['mappings']}{verdict}",
            flush=True,
        )


def main():
    parser = case_parser(__doc__, NAMES)
    add_json(parser)
    parser.add_argument("--worker", choices=KINDS, help=argparse.SUPPRESS)
    options = parse(parser, NAMES)
    if options.worker:
        (case,) = options.cases
        print(json.dumps(WORK.get(case, work)(case, options.worker)))
        return
    rows = []
    for case in options.cases:
        rows.append(measure(case))
        print_row(rows[-1])
    write_json(options, {"rows": rows})
    if not all(row["passes"] for row in rows):
        sys.exit(1)


if __name__ == "__main__":
    main()
