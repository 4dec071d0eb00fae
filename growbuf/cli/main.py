"""The command line: arguments in, one clear line and an exit code out.

Exit codes: 0 done, 1 a digest differs, 2 bad arguments or input, 130 interrupted,
141 the reader of our output went away (128 + SIGPIPE, as a shell reports it).
"""

import argparse
import importlib.util
import json
import os
import re
import sys

import growbuf
from growbuf.cli.measure import ALLOCATORS

UNITS = {"": 1, "K": 1 << 10, "M": 1 << 20, "G": 1 << 30, "T": 1 << 40}


def parse_nbytes(text: str) -> int:
    """Return how many bytes `text` says: ``65536``, ``64K``, ``64KB`` or ``64KiB``."""
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
        description="A bytearray that grows by moving its pages, not its bytes.",
    )
    parser.add_argument(
        "--version", action="version", version=f"growbuf {growbuf.__version__}"
    )
    commands = parser.add_subparsers(required=True, metavar="{demo,bench,info}")

    demo = commands.add_parser(
        "demo",
        help="build a big buffer from real data, in GrowBuffer and in bytearray",
        description="Stream real data of unknown length into a GrowBuffer and into a "
        "bytearray, in turn, and compare time and memory.",
    )
    demo.add_argument(
        "file",
        nargs="?",
        metavar="FILE",
        help="a plain, gzip, bzip2 or xz file, told apart by its first bytes "
        "(default: a compressed tar of Python's standard library, repeated)",
    )
    demo.add_argument(
        "--size",
        type=parse_nbytes,
        help="length of the data when there is no FILE, e.g. 256M "
        "(default: 1G, or a quarter of the available memory if that is less)",
    )
    demo.add_argument(
        "--repeat",
        type=parse_count,
        default=5,
        metavar="N",
        help="how often each type is measured (default: %(default)s)",
    )
    demo.add_argument(
        "--cold",
        action="store_true",
        help="leave out the warm-up: let each run find memory as it is",
    )
    demo.set_defaults(command=run_demo, parser=demo)

    add_bench(commands)

    info = commands.add_parser(
        "info",
        help="show how buffers grow on this machine, and why",
        description="Show how buffers grow on this machine, and why.",
    )
    info.add_argument("--json", action="store_true", help="print JSON")
    info.set_defaults(command=run_info)
    return parser


def add_bench(commands: "argparse._SubParsersAction") -> None:
    bench = commands.add_parser(
        "bench",
        help="measure growing against other ways to do it, for a minute",
        description="Collect data of unknown length with growbuf and with its peers, "
        "in turn; print ratios of time, taken in the same run, and memory.",
    )
    bench.add_argument(
        "cases",
        nargs="*",
        metavar="CASE",
        help="what to measure (default: what fits in a minute; 'all': all of them)",
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
        help="how often each peer is measured (default: %(default)s)",
    )
    bench.add_argument(
        "--allocator",
        type=lambda text: text.split(","),
        default=["glibc"],
        metavar="NAME,...",
        help=f"preload these, in turn: {', '.join(ALLOCATORS)} (default: glibc)",
    )
    bench.add_argument("--json", metavar="FILE", help="write what was measured")
    bench.add_argument(
        "--plot", metavar="FILE", help="draw the ratios (.svg, .png, .pdf)"
    )
    bench.set_defaults(command=run_bench, parser=bench)


def run_bench(args: argparse.Namespace) -> int:
    try:
        from growbuf.cli import bench
    except ModuleNotFoundError as error:
        return needs_extra("the benchmark", error)
    known = (
        ("case", args.cases, bench.CASE_NAMES),
        ("allocator", args.allocator, ALLOCATORS),
    )
    for what, names, there in known:
        for name in names:
            if name not in there:
                args.parser.error(
                    f"no such {what}: {name}; there are {', '.join(there)}"
                )
    if args.plot and importlib.util.find_spec("matplotlib") is None:
        return fail(2, "--plot needs matplotlib: pip install 'growbuf[bench]'")
    bench.run(args.cases, args.size, args.repeat, args.allocator, args.json, args.plot)
    return 0


def needs_extra(what: str, error: ModuleNotFoundError) -> int:
    if error.name != "rich":
        raise error
    return fail(2, f"{what} needs rich: pip install 'growbuf[cli]'")


def run_demo(args: argparse.Namespace) -> int:
    if args.file is not None and args.size is not None:
        args.parser.error("--size is for the built-in data: a FILE is read as it is")
    try:
        from growbuf.cli import demo
    except ModuleNotFoundError as error:
        return needs_extra("the demo", error)
    try:
        demo.run(args.file, args.size, args.repeat, args.cold)
    except demo.InputError as error:
        return fail(2, str(error))
    except demo.DigestError as error:
        return fail(1, str(error))
    return 0


def run_info(args: argparse.Namespace) -> int:
    facts = growbuf.info()
    print(json.dumps(facts, indent=2) if args.json else format_facts(facts))
    return 0


def format_facts(facts: dict) -> str:
    width = max(map(len, facts))
    return "\n".join(f"{name:{width}}  {in_words(facts[name])}" for name in facts)


def in_words(fact: object) -> str:
    if isinstance(fact, dict):
        return ", ".join(f"{name}: {in_words(part)}" for name, part in fact.items())
    return "no" if fact is None else str(fact)


def fail(code: int, message: str) -> int:
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
        abandon_stdout()
        return 141
    except OSError as error:  # a full disk, no folder for temporary files
        abandon_stdout()
        return fail(2, str(error))


def abandon_stdout() -> None:
    """Drop what could not be written, or the interpreter tries again at its exit."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
