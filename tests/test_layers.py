"""The rules of the source that a compiler does not see: who may include whom, and that
system calls are made in one file."""

import re
from pathlib import Path

import pytest

CHECKOUT = Path(__file__).resolve().parent.parent
SOURCES = sorted((CHECKOUT / "src").glob("*.[ch]"))
pytestmark = pytest.mark.skipif(
    not (CHECKOUT / "src").exists(), reason="needs the checkout"
)

# From the top down; what stands on one line are siblings, which do not include each
# other. From `store` on no Python.h.
LAYERS = [
    {"growbuf"},
    {"io", "array"},
    {"io_read", "io_write", "io_state"},
    {"io_file"},
    {"edit", "results", "tail", "transfer"},
    {"spare"},
    {"state"},
    {"cells", "construct"},
    {"args"},
    {"buffer"},
    {"store"},
    {"spans"},
    {"prefault"},
    {"pages"},
    {"growth"},
]
WITHOUT_PYTHON = {"store", "spans", "prefault", "pages", "growth"}
LEVELS = {name: level for level, names in enumerate(LAYERS) for name in names}

SYSTEM_CALLS = re.compile(
    r"\b(mmap|mmap64|mremap|munmap|madvise|posix_madvise|mprotect|mincore|mlock|brk|sbrk"
    r"|syscall|sysconf|getpagesize|VirtualAlloc|VirtualFree)\s*\("
)
SYSTEM_HEADERS = {"sys/mman.h", "sys/syscall.h", "sys/resource.h", "unistd.h"}

COMMENT_OR_STRING = re.compile(
    r'/\*.*?\*/|//[^\n]*|"(?:\\.|[^"\\\n])*"|' + r"'(?:\\.|[^'\\\n])*'", re.DOTALL
)


OWN_HEADER, SYSTEM_HEADER, ANY_HEADER = '"([^"]+)"', "<([^>]+)>", '["<]([^">]+)[">]'


def code(path):
    """Return a file without what is in comments and strings."""
    return COMMENT_OR_STRING.sub(" ", path.read_text())


def included(path, pattern):
    return re.findall(rf"^\s*#\s*include\s*{pattern}", path.read_text(), re.MULTILINE)


def own_headers(path):
    return {Path(name).stem for name in included(path, OWN_HEADER)}


def system_headers(path):
    return set(included(path, SYSTEM_HEADER))


def named(paths):
    return pytest.mark.parametrize("path", paths, ids=lambda path: path.name)


def test_there_are_sources():
    assert {path.stem for path in SOURCES} >= WITHOUT_PYTHON


@named(SOURCES)
def test_each_file_has_its_layer(path):
    assert path.stem in LEVELS, f"say in this test which layer {path.name} is"


@named(SOURCES)
def test_includes_go_down_only(path):
    for other in own_headers(path) - {path.stem}:
        assert other in LEVELS, f"{path.name} includes {other}.h, which has no layer"
        assert LEVELS[path.stem] < LEVELS[other], f"{path.name} includes {other}.h"


@named([path for path in SOURCES if path.stem in WITHOUT_PYTHON])
def test_no_python_below_the_line(path):
    assert "Python.h" not in included(path, ANY_HEADER)
    assert not re.search(r"\b_?(Py[A-Z_]|PY_)\w+", code(path))


@named([path for path in SOURCES if path.name != "pages.c"])
def test_system_calls_are_in_pages_only(path):
    calls = sorted(set(SYSTEM_CALLS.findall(code(path))))
    assert not calls, f"{path.name} calls {', '.join(calls)}"
    assert not system_headers(path) & SYSTEM_HEADERS


def test_pages_makes_the_system_calls():
    """Else the test above would look for the wrong words."""
    path = CHECKOUT / "src" / "pages.c"
    assert {"mmap", "syscall", "sysconf"} <= set(SYSTEM_CALLS.findall(code(path)))
    assert "sys/mman.h" in system_headers(path)


# Functions that <io.h> declares on Windows, where Python's headers include it.
OF_WINDOWS = [
    "access",
    "chmod",
    "chsize",
    "close",
    "creat",
    "dup",
    "dup2",
    "eof",
    "filelength",
    "isatty",
    "locking",
    "lseek",
    "mktemp",
    "open",
    "read",
    "setmode",
    "sopen",
    "tell",
    "umask",
    "unlink",
    "write",
]


@named(SOURCES)
def test_no_function_has_the_name_of_one_of_windows(path):
    defined = re.findall(
        r"^(?:static .*\b)?(\w+)\([^;]*\)\n\{", code(path), re.MULTILINE
    )
    assert not set(defined) & set(OF_WINDOWS)


@named([path for path in SOURCES if path.suffix == ".c"])
def test_a_file_includes_its_own_header_first(path):
    own = path.with_suffix(".h")
    if own.exists():
        assert included(path, ANY_HEADER)[0] == own.name
