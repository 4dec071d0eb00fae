"""Measure the figures of README.md and docs/, and write them into the texts.

    python benchmarks/figures.py                  write docs/figures.json into the texts
    python benchmarks/figures.py --measure        first measure what is in that file
    python benchmarks/figures.py --measure build  only the figures of these commands

docs/figures.json is the only source of these figures. It has

- the machine, as the texts describe it;
- the commands that measure. A command that needs another Python, or another setting of
  the system, says so in `needs`, and runs only if it is named;
- the figures. Each has the command that measures it, the rows of the report that it is
  taken from (`where`), the name of its value in these rows, which row counts if there
  are several (`pick`: min or max), the form in which it is printed, and the median and
  spread over the runs. The spread is null if there was only one run.

In a text a figure stands between <!--figure NAME--> and <!--/figure-->.
"""

import argparse
import json
import os
import re
import shlex
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import median

from syscalls import has_strace

import growbuf
from growbuf.cli.bench import machine
from growbuf.cli.measure import (
    ALLOCATORS,
    GIB,
    MissingError,
    exponent,
    grouped,
    preload,
)

ROOT = Path(__file__).resolve().parents[1]
FILE = ROOT / "docs" / "figures.json"
MARK = re.compile(r"(<!--figure ([\w.-]+)-->)(.*?)(<!--/figure-->)", re.DOTALL)
OF_MAKE = {"ARGS", "MAKEFLAGS", "MAKEOVERRIDES", "MFLAGS", "UNDER"}
MIB, MS_IN_NS = 1 << 20, 1e6


# ------------------------------------------------------------------------- the texts


def pages():
    return [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]


def as_text(name, source):
    """Return a figure as the texts print it."""
    if name == "machine":
        return source["machine"]
    figure = source["figures"][name]
    return figure["form"].format(figure["median"])


def fill(text, source):
    """Return the text with each figure as the source has it."""
    return MARK.sub(lambda found: found[1] + as_text(found[2], source) + found[4], text)


def describe_machine():
    """Return one or two sentences about this machine, for the texts."""
    facts, here = growbuf.info(), machine()
    kernel = re.match(r"\w+ \d+\.\d+", facts["kernel"])[0]
    virtual = " hypervisor" in Path("/proc/cpuinfo").read_text()
    return (
        f"It has {here['cores']} processors ({here['processor']}"
        f"{', in a virtual machine' if virtual else ''}), "
        f"{here['memory_nbytes'] / GIB:.0f} GiB of memory, {kernel}, "
        f"{' '.join(os.confstr('CS_GNU_LIBC_VERSION').split())} and {here['python']}. "
        f"Transparent huge pages are set to `{facts['transparent_hugepage']}`, and "
        f"buffers grow by the rung `{facts['strategy']}`."
    )


# ----------------------------------------------------------------------- the reports


def bench_rows(report):
    """Yield the rows of `make bench`, with the values that the texts use."""
    rows = [bench["extra_info"] for bench in report["benchmarks"]]
    for (case, allocator), group in grouped(rows, "case", "allocator"):
        first = next((row for row in group if row["peer"] == "GrowBuffer"), None)
        for row in group:
            yield {**row, "case": case, "allocator": allocator, **derived(row, first)}
    scaling = [row for row in rows if row["case"] == "scaling" and row["nbytes"] >= MIB]
    for (allocator, peer), group in grouped(scaling, "allocator", "peer"):
        yield {
            "case": "exponents",
            "allocator": allocator,
            "peer": peer,
            "each": {
                "time exponent": exponents(group, "seconds"),
                "peak exponent": exponents(group, "peak_nbytes"),
            },
        }


def exponents(rows, name):
    """Return the exponent with which a figure grows with the length, for each round.

    For a length that was measured in fewer rounds, every round uses its median.
    """
    figures = [(row["nbytes"], row["each"][name]) for row in rows]
    most = max(len(found) for _, found in figures)
    return [
        exponent(
            (nbytes, found[index] if len(found) == most else median(found))
            for nbytes, found in figures
        )
        for index in range(most)
    ]


def derived(row, first):
    """Return values of a row for each byte or GiB, and its ratios to growbuf's row."""
    # A window of n bytes is measured while 2 n bytes pass through it.
    nbytes = row["nbytes"] * (2 if row["case"] == "windows" else 1)
    scale = GIB / nbytes
    each = {**row["each"], "s/GiB": [taken * scale for taken in row["seconds"]]}
    if "peak_nbytes" in each:
        each["peak"] = [peak / row["nbytes"] for peak in each["peak_nbytes"]]
    if first and len(first["seconds"]) == len(row["seconds"]):
        scale = first["nbytes"] / row["nbytes"]
        pairs = zip(row["seconds"], first["seconds"], strict=True)
        each["ratio"] = [scale * theirs / ours for theirs, ours in pairs]
    if "append_ns" in row:
        each["slowest ms"] = [max(row["append_ns"]) / MS_IN_NS]
        each["slow appends"] = [sum(taken > MS_IN_NS for taken in row["append_ns"])]
    return {"each": each}


def seed_rows(report):
    for pages in ("huge", "small"):
        for peer, row in report[pages].items():
            yield {"pages": pages, "peer": peer, **row}


def rows_of(report):
    """Return the rows of a report, whichever command wrote it."""
    if "benchmarks" in report:
        return list(bench_rows(report))
    if "huge" in report:
        return list(seed_rows(report))
    return report.get("rows", [])


def matches(row, where):
    """Return whether a row has these values; a list means any of the values in it."""
    return all(
        row.get(name) in wanted if isinstance(wanted, list) else row.get(name) == wanted
        for name, wanted in where.items()
    )


def runs_of(row, value):
    """Return this value for each run of a row; a row without `each` is one run."""
    return row.get("each", {}).get(value) or ([row[value]] if value in row else [])


def take(figure, rows):
    """Return the median and the spread of a figure in the rows of its report."""
    value = figure["value"]
    found = [runs_of(row, value) for row in rows if matches(row, figure["where"])]
    found = [runs for runs in found if runs]
    if not found:
        raise LookupError(f"no row has {value!r} and {figure['where']}")
    if len(found) > 1 and "pick" not in figure:
        raise LookupError(f"{len(found)} rows match {figure['where']}")
    runs = {"min": min, "max": max}[figure.get("pick", "min")](found, key=median)
    spread = [round_to(min(runs)), round_to(max(runs))] if len(runs) > 1 else None
    return round_to(median(runs)), spread


def round_to(number):
    """Return a number with four significant digits, so that the file is readable."""
    return float(f"{number:.4g}")


# ----------------------------------------------------------------------- measuring


def measure(name, command):
    """Run a command; return the rows of its report, and a row with its minutes."""
    print(f"{name}: {command['run']}", file=sys.stderr, flush=True)
    with tempfile.TemporaryDirectory() as folder:
        file = ROOT / command.get("report", os.path.join(folder, "report.json"))
        words = shlex.split(command["run"])
        if "report" not in command:
            words += ["--json", str(file)]
        if words[0] == "python":
            words[0] = sys.executable
        # `make figures ARGS=...` must not pass its arguments on to another make.
        environment = {k: v for k, v in os.environ.items() if k not in OF_MAKE}
        start = time.monotonic()
        subprocess.run(
            words, cwd=ROOT, env=environment, check=True, stdout=subprocess.DEVNULL
        )
        minutes = (time.monotonic() - start) / 60
        return [*rows_of(json.loads(file.read_text())), {"minutes": minutes}]


def missing(source, names):
    """Yield a line for each missing program or library that these commands need."""
    figures = [one for one in source["figures"].values() if one["command"] in names]
    needed = json.dumps([one["where"] for one in figures])
    for allocator in ALLOCATORS:
        try:
            if json.dumps(allocator) in needed:
                preload(allocator)
        except MissingError as error:
            yield str(error)
    if any(one["value"] == "system_calls" for one in figures) and not has_strace():
        yield "strace: not found or not permitted"


def update(source, names):
    """Measure the figures of these commands and write them into the source."""
    source["machine"] = describe_machine()
    for name in names:
        rows = measure(name, source["commands"][name])
        for figure in source["figures"].values():
            if figure["command"] == name:
                figure["median"], figure["spread"] = take(figure, rows)
        FILE.write_text(dump(source))


def dump(source):
    """Return the source as JSON with a line for each command and figure."""
    parts = []
    for name, part in source.items():
        if isinstance(part, dict):
            lines = ",\n".join(
                f"  {json.dumps(k)}: {json.dumps(v)}" for k, v in part.items()
            )
            parts.append(f" {json.dumps(name)}: {{\n{lines}\n }}")
        else:
            parts.append(f" {json.dumps(name)}: {json.dumps(part)}")
    return "{\n" + ",\n".join(parts) + "\n}\n"


def main():
    source = json.loads(FILE.read_text())
    commands = source["commands"]
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "--measure",
        nargs="*",
        metavar="COMMAND",
        help=f"measure first; commands: {', '.join(commands)}",
    )
    names = parser.parse_args().measure
    if unknown := set(names or ()) - set(commands):
        parser.error(f"no such command: {', '.join(sorted(unknown))}")
    if names is not None:
        chosen = names or [k for k, v in commands.items() if "needs" not in v]
        if lines := [*missing(source, chosen)]:
            parser.exit(2, "\n".join(lines) + "\n")
        update(source, chosen)
        for name, command in commands.items():
            if "needs" in command and name not in names:
                print(
                    f"not measured: {name}, needs {command['needs']}", file=sys.stderr
                )
    for page in pages():
        text = page.read_text()
        if (new := fill(text, source)) != text:
            page.write_text(new)
            print(f"written: {page}")


if __name__ == "__main__":
    main()
