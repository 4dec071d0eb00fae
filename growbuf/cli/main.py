"""The command line: parse the arguments, run the command, return its exit code.

Every error is one line on stderr. If the arguments are wrong, argparse also prints the
usage before that line. Exit codes: 0 success, 1 a buffer has a wrong digest, 2 bad
arguments or input, 130 interrupted, 141 the program that reads our output has closed
the pipe (128 + SIGPIPE, as a shell reports it).
"""

import argparse
import importlib.util
import json
import os
import re
import sys

import growbuf
from growbuf.cli.cases import CASES, SELECTION
from growbuf.cli.explain import explain
from growbuf.cli.measure import ALLOCATORS

UNITS = {"": 1, "K": 1 << 10, "M": 1 << 20, "G": 1 << 30, "T": 1 << 40}


def parse_nbytes(text: str) -> int:
    """Return the number of bytes that `text` names: 65536, 64K, 64KB or 64KiB."""
    match = re.fullmatch(r"(\d+)([KMGT]?)(?:i?B)?", text.strip(), re.IGNORECASE)
    nbytes = int(match[1]) * UNITS[match[2].upper()] if match else 0
    if nbytes < 1:
        raise argparse.ArgumentTypeError(f"not a size of at least one byte: {text!r}")
    return nbytes


def parse_count(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"not a count of at least one: {text!r}")
    return int(text)


def make_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m growbuf",
        description="A bytearray that grows by moving pages instead of copying bytes.",
    )
    parser.add_argument(
        "--version", action="version", version=f"growbuf {growbuf.__version__}"
    )
    commands = parser.add_subparsers(required=True, metavar="{demo,bench,info}")
    add_demo(commands)
    add_bench(commands)
    add_info(commands)
    return parser


def add_demo(commands: "argparse._SubParsersAction") -> None:
    demo = commands.add_parser(
        "demo",
        help="build a large buffer from real data and compare with bytearray",
        description="Read real data of unknown length into a GrowBuffer and into a "
        "bytearray, in turn, and compare time and memory.",
    )
    demo.add_argument(
        "file",
        nargs="?",
        metavar="FILE",
        help="a file; if it is compressed by gzip, bzip2 or xz, it is decompressed "
        "(default: a compressed tar of Python's standard library, repeated)",
    )
    demo.add_argument(
        "--size",
        type=parse_nbytes,
        help="length of the data if no FILE is given, e.g. 256M "
        "(default: 1G, or a quarter of the available memory if that is less)",
    )
    demo.add_argument(
        "--repeat",
        type=parse_count,
        default=5,
        metavar="N",
        help="number of runs of each type (default: %(default)s)",
    )
    demo.add_argument(
        "--cold",
        action="store_true",
        help="leave out the warm-up, which touches and frees memory before each run",
    )
    demo.set_defaults(command=run_demo, parser=demo)


def add_bench(commands: "argparse._SubParsersAction") -> None:
    bench = commands.add_parser(
        "bench",
        help="compare with other libraries that collect data, in about a minute",
        description="Collect data of unknown length with growbuf and with other "
        "libraries, in turn.\nPrint memory use and the ratios of their times.",
        epilog=list_cases(),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    bench.add_argument(
        "cases",
        nargs="*",
        metavar="CASE",
        help="cases to measure (default: a selection that takes a minute; "
        "'all': every case)",
    )
    bench.add_argument(
        "--size",
        type=parse_nbytes,
        default="128M",
        help="length of the largest results (default: %(default)s)",
    )
    bench.add_argument(
        "--repeat",
        type=parse_count,
        default=3,
        metavar="N",
        help="number of runs of each library (default: %(default)s)",
    )
    bench.add_argument(
        "--allocator",
        type=lambda text: text.split(","),
        default=["glibc"],
        metavar="NAME,...",
        help="memory allocators to preload, one after the other: "
        f"{', '.join(ALLOCATORS)} (default: glibc)",
    )
    bench.add_argument("--json", metavar="FILE", help="write all figures to FILE")
    bench.add_argument(
        "--plot", metavar="FILE", help="draw the ratios into FILE (.svg, .png, .pdf)"
    )
    bench.set_defaults(command=run_bench, parser=bench)


def list_cases() -> str:
    """Return a line for each case of the benchmark, with a * if it is selected."""
    lines = [
        f"  {'*' if name in SELECTION else ' '} {name:12} {case.doc}"
        for name, case in CASES.items()
    ]
    return "\n".join(["cases (*: measured if none is named):", *lines])


def add_info(commands: "argparse._SubParsersAction") -> None:
    info = commands.add_parser(
        "info",
        help="show how buffers grow on this machine, and why",
        description="Show how buffers grow on this machine, and why.",
    )
    info.add_argument("--json", action="store_true", help="print JSON")
    info.set_defaults(command=run_info)


def run_demo(args: argparse.Namespace) -> int:
    if args.file is not None and args.size is not None:
        args.parser.error("--size cannot be used with a FILE: all of the file is read")
    try:
        from growbuf.cli import demo
    except ModuleNotFoundError as error:
        return fail_without_rich("the demo", error)
    try:
        demo.run(args.file, args.size, args.repeat, args.cold)
    except demo.InputError as error:
        return fail(2, str(error))
    except demo.DigestError as error:
        return fail(1, str(error))
    return 0


def run_bench(args: argparse.Namespace) -> int:
    try:
        from growbuf.cli import bench
    except ModuleNotFoundError as error:
        return fail_without_rich("the benchmark", error)
    for what, names, known in (
        ("case", args.cases, bench.CASE_NAMES),
        ("allocator", args.allocator, ALLOCATORS),
    ):
        for name in names:
            if name not in known:
                args.parser.error(
                    f"no such {what}: {name} (choose from {', '.join(known)})"
                )
    if args.plot and importlib.util.find_spec("matplotlib") is None:
        return fail(2, "--plot needs matplotlib: pip install matplotlib")
    options = args.cases, args.size, args.repeat, args.allocator, args.json, args.plot
    try:
        bench.run(*options)
    except bench.MissingError as error:
        return fail(2, str(error))
    return 0


def run_info(args: argparse.Namespace) -> int:
    facts = growbuf.info()
    if args.json:
        print(json.dumps(facts, indent=2))
    else:
        for name, fact in facts.items():
            print(f"{name}: {as_text(fact)}")
            print(explain(name, facts))
    return 0


def as_text(fact: object) -> str:
    if isinstance(fact, dict):
        return ", ".join(f"{name}: {as_text(part)}" for name, part in fact.items())
    return "no" if fact is None else str(fact)


def fail_without_rich(what: str, error: ModuleNotFoundError) -> int:
    """Report that rich is missing. Raise `error` again if another module is missing."""
    if error.name != "rich":
        raise error
    return fail(2, f"{what} needs rich: pip install rich")


def fail(code: int, message: str) -> int:
    """Print an error message and return the exit code."""
    print(f"growbuf: {message}", file=sys.stderr)
    return code


def main(argv: list[str] | None = None) -> int:
    try:
        try:
            args = make_parser().parse_args(argv)
            return args.command(args)
        finally:
            sys.stdout.flush()
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:
        discard_stdout()
        return 141
    except OSError as error:  # such as a full disk, or no folder for temporary files
        discard_stdout()
        return fail(2, str(error))


def discard_stdout() -> None:
    """Redirect stdout to /dev/null, so that the flush at exit does not fail again."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
