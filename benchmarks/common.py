"""What the scripts share: cases named on the command line, ratios, tables, pages."""

import argparse
import ctypes
import gc
import json
import re
import statistics
import subprocess
import sys
from pathlib import Path

import growbuf
from growbuf.cli.measure import (
    ALLOCATORS,
    MissingError,
    in_child,
    memory_nbytes,
    preload,
    touch,
)

# The scripts import these from here.
__all__ = ["in_child", "memory_nbytes", "touch"]

PIECE = bytes(range(256)) * 256  # 64 KiB
RELEASE = (  # calls that make glibc, jemalloc, mimalloc and TCMalloc give memory back
    ("malloc_trim", 0),
    ("mallctl", b"arena.4096.purge", None, None, None, ctypes.c_size_t(0)),
    ("mi_collect", True),
    ("MallocExtension_ReleaseFreeMemory",),
)


def case_parser(doc, cases=(), repeat=7):
    """Return a parser. Its positional arguments name cases, if there are any."""
    parser = argparse.ArgumentParser(description=doc.splitlines()[0])
    if cases:
        parser.add_argument("cases", nargs="*", metavar="CASE", help=", ".join(cases))
    parser.add_argument("--repeat", type=int, default=repeat)
    return parser


def add_allocators(parser):
    """Add an option that names allocators; the script starts a worker for each."""
    parser.add_argument("--allocator", default="glibc", help=",".join(ALLOCATORS))
    parser.add_argument("--worker", action="store_true", help=argparse.SUPPRESS)


def add_json(parser):
    """Add an option to write the figures to a file, for figures.py and the pictures."""
    parser.add_argument(
        "--json",
        metavar="FILE",
        type=argparse.FileType("w"),
        help="write the figures to FILE",
    )


def write_json(options, report):
    """Write the report to the file that the option --json names, if it names one."""
    if options.json:
        with options.json as file:
            json.dump(report, file, indent=1)


def parse(parser, cases=()):
    """Parse the command line. If it names no cases, select all."""
    options = parser.parse_args()
    refuse_unknown(parser, "case", getattr(options, "cases", ()), cases)
    if hasattr(options, "allocator"):
        options.allocator = options.allocator.split(",")
        refuse_unknown(parser, "allocator", options.allocator, ALLOCATORS)
    if cases:
        options.cases = options.cases or list(cases)
    return options


def refuse_unknown(parser, what, names, there):
    for name in names:
        if name not in there:
            parser.error(f"no such {what}: {name}; there are {', '.join(there)}")


def run_worker(allocator, *words):
    """Run this script as a worker under an allocator. Return its report, or None."""
    try:
        environment = preload(allocator)
    except MissingError as error:
        print(error, file=sys.stderr)
        return None
    command = [sys.executable, sys.argv[0], "--worker", *map(str, words)]
    done = subprocess.run(command, env=environment, check=True, stdout=subprocess.PIPE)
    return json.loads(done.stdout)


def release():
    """Make growbuf and the allocator give back the memory they keep."""
    gc.collect()
    growbuf.trim()
    release_free_memory()


def release_free_memory():
    """Make the allocator give back its free memory."""
    library = ctypes.CDLL(None)
    for name, *args in RELEASE:
        if hasattr(library, name):
            getattr(library, name)(*args)


def take_pairs(theirs, ours, repeat):
    """Return the times of two jobs, taken in turn, each in a process of its own."""
    return [(in_child(theirs), in_child(ours)) for _ in range(repeat)]


def ratios(pairs):
    return [theirs / ours for theirs, ours in pairs]


def ratio(pairs):
    return statistics.median(ratios(pairs))


def compare(theirs, ours, repeat):
    """Return the ratio of each pair of runs, their median, and our median seconds."""
    pairs = take_pairs(theirs, ours, repeat)
    return {
        "ratio": ratio(pairs),
        "each": {"ratio": ratios(pairs)},
        "seconds": statistics.median(ours for _, ours in pairs),
    }


def show(rows, forms, title=None):
    """Print a table with those columns of `forms` that at least one row has."""
    from rich.console import Console
    from rich.table import Table

    forms = {name: form for name, form in forms.items() if any(name in r for r in rows)}
    table = Table(*forms, title=title)
    for row in rows:
        table.add_row(
            *(form.format(row[c]) if c in row else "" for c, form in forms.items())
        )
    Console().print(table)


# ------------------------------------------------------------- pages and pictures


def read_arguments(doc):
    """Return the report and the folder of pages that a command names: FILE [FOLDER]."""
    parser = argparse.ArgumentParser(description=doc.splitlines()[0])
    parser.add_argument("report", metavar="FILE", type=argparse.FileType())
    parser.add_argument(
        "folder", nargs="?", metavar="FOLDER", type=Path, default="docs"
    )
    options = parser.parse_args()
    with options.report as file:
        return json.load(file), options.folder


def write_tables(folder, name, make):
    """Replace each table after a comment <!-- NAME: WORDS --> of performance.md.

    `make` gets the words, and returns the lines of a table in Markdown.
    """
    page = folder / "performance.md"
    if page.exists():
        text = re.sub(
            rf"(<!-- {name}(?:: (.+))? -->\n\n)(?:\|.*\n)*",
            lambda found: found[1] + make((found[2] or "").split()),
            page.read_text(),
        )
        page.write_text(text)


def markdown_table(head, rows):
    """Return a table in Markdown; a cell is a string."""
    lines = [head, ["---"] * len(head), *rows]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)
