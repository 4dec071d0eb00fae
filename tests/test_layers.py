"""Rules of the source that a compiler does not check: which file may include which
header, and that system calls are in the files of the system only."""

import re
from collections import Counter
from pathlib import Path

import pytest

CHECKOUT = Path(__file__).resolve().parent.parent
SOURCES = sorted((CHECKOUT / "src").glob("*.[ch]"))
pytestmark = pytest.mark.skipif(
    not (CHECKOUT / "src").exists(), reason="needs the checkout"
)

# The layers from the top down. Files of one layer do not include each other. From
# `views` on, no file includes Python.h.
LAYERS = [
    {"growbuf"},
    {"io", "array"},
    {
        "io_read",
        "io_write",
        "io_state",
        "rows_ops",
        "rows_numpy",
        "rows_attributes",
        "rows_readfrom",
        "rows_resize",
        "arrow",
    },
    {"io_file", "rows_edit", "rows_spare", "rows_swap"},
    {"rows_append"},
    {"rows"},
    {"edit", "results", "pieces", "sequence", "capacity", "readfrom", "transfer"},
    {"base", "spare", "layout", "maxlen"},
    {"state"},
    {"setitem", "construct", "ndarray"},
    {"args", "scalars", "dates", "frozen"},
    {"buffer"},
    {"buffer_object"},
    {"views"},
    {"store"},
    {"store_memory"},
    {"spans"},
    {"moves"},
    {"pool"},
    {"entries"},
    {"prefault"},
    {"pages_linux", "pages_posix", "pages_windows"},
    {"pages_system"},
    {"pages", "methods", "split", "unused"},
    {"span", "pool_stats", "growth", "find", "copy"},
]
SYSTEMS = {"pages_linux", "pages_posix", "pages_windows"}
WITHOUT_PYTHON = {
    "methods",
    "split",
    "unused",
    "find",
    "copy",
    "views",
    "store",
    "store_memory",
    "spans",
    "moves",
    "pool",
    "entries",
    "prefault",
    "pages",
    "span",
    "pool_stats",
    "growth",
    *SYSTEMS,
}
LEVELS = {name: level for level, names in enumerate(LAYERS) for name in names}

# What only pages_<system>.c may call or include: memory, clocks, threads, locks, files.
SYSTEM_CALLS = re.compile(
    r"(?<![\w.>])(mmap|mmap64|mremap|munmap|madvise|posix_madvise|mprotect|mincore"
    r"|mlock|brk|sbrk|prctl|syscall|sysconf|getpagesize|open|read|write|close"
    r"|clock_\w+|gettimeofday|nanosleep|fork|pthread_\w+|sig(?:fill|empty)set"
    r"|sigprocmask|getrlimit|setrlimit|Virtual(?:Alloc|Free|Protect|Unlock)\w*"
    r"|GetSystemInfo|GetTickCount64|InitOnce\w+"
    r"|(?:Acquire|Release)SRWLock\w+)\s*\("
)
STANDARD_HEADERS = {"assert.h", "errno.h", "stdio.h", "stdlib.h", "string.h"}
SYSTEM_HEADERS = re.compile(
    r"^(sys/.*|unistd\.h|pthread\.h|signal\.h|time\.h|fcntl\.h|windows\.h)$"
)

COMMENT_OR_STRING = re.compile(
    r'/\*.*?\*/|//[^\n]*|"(?:\\.|[^"\\\n])*"|' + r"'(?:\\.|[^'\\\n])*'", re.DOTALL
)


OWN_HEADER, SYSTEM_HEADER, ANY_HEADER = '"([^"]+)"', "<([^>]+)>", '["<]([^">]+)[">]'


def code(path):
    """Return the text of a file without comments and strings."""
    return COMMENT_OR_STRING.sub(" ", path.read_text())


def included(path, pattern):
    return re.findall(rf"^\s*#\s*include\s*{pattern}", path.read_text(), re.MULTILINE)


def own_headers(path):
    return {Path(name).stem for name in included(path, OWN_HEADER)}


def system_headers(path):
    return set(included(path, SYSTEM_HEADER))


def named(paths):
    return pytest.mark.parametrize("path", paths, ids=lambda path: path.name)


def test_sources_of_checkout_include_all_layers_without_python():
    assert {path.stem for path in SOURCES} >= WITHOUT_PYTHON


@named(SOURCES)
def test_layers_table_lists_each_file(path):
    assert path.stem in LEVELS, f"say in this test which layer {path.name} is"


@named(SOURCES)
def test_includes_of_each_file_name_lower_layers_only(path):
    for other in own_headers(path) - {path.stem}:
        assert other in LEVELS, f"{path.name} includes {other}.h, which has no layer"
        assert LEVELS[path.stem] < LEVELS[other], f"{path.name} includes {other}.h"


@named([path for path in SOURCES if path.stem in WITHOUT_PYTHON])
def test_layers_from_store_down_do_not_use_python(path):
    assert "Python.h" not in included(path, ANY_HEADER)
    assert not re.search(r"\b_?(Py[A-Z_]|PY_)\w+", code(path))


@named([path for path in SOURCES if path.stem not in SYSTEMS])
def test_system_calls_outside_system_files_are_absent(path):
    calls = sorted(set(SYSTEM_CALLS.findall(code(path))))
    assert not calls, f"{path.name} calls {', '.join(calls)}"
    assert not {name for name in system_headers(path) if SYSTEM_HEADERS.match(name)}


@pytest.mark.parametrize(
    "system, calls, header",
    [
        ("linux", {"syscall", "sysconf", "prctl", "clock_gettime"}, "sys/mman.h"),
        ("posix", {"pthread_mutex_lock", "pthread_create", "mmap"}, "pthread.h"),
        ("windows", {"AcquireSRWLockExclusive", "VirtualAlloc"}, "windows.h"),
    ],
)
def test_system_call_patterns_match_the_system_files(system, calls, header):
    """The patterns of the test above must match real calls and headers."""
    path = CHECKOUT / "src" / f"pages_{system}.c"
    assert calls <= set(SYSTEM_CALLS.findall(code(path)))
    assert header in system_headers(path)
    assert all(map(SYSTEM_HEADERS.match, system_headers(path) - STANDARD_HEADERS))


# Fields of the base struct: only buffer_object.c and buffer_object.h read or write them.
BASE_FIELDS = re.compile(
    r"\b(ob_exports|ob_alloc|Py_SET_SIZE)\b|\bbase\.ob_(start|bytes)\b"
)
# Functions that publish a change of the length: only these two files, buffer.c and
# buffer.h call them.
PUBLISHING = re.compile(r"\bbuffer_publish(_change)?\b")


@named([path for path in SOURCES if path.stem != "buffer_object"])
def test_base_fields_outside_buffer_object_are_not_accessed(path):
    """Exempt are bytearrays that a method of the base has returned, and the bytes
    object of a GrowIO: they are no GrowBuffers."""
    found = [
        line.strip()
        for line in code(path).splitlines()
        if BASE_FIELDS.search(line)
        and "base->" not in line
        and not re.search(r"Py_SET_SIZE\((base|bytes)\b", line)
    ]
    assert not found


@named([path for path in SOURCES if path.stem not in ("buffer_object", "buffer")])
def test_lengths_outside_buffer_are_not_published(path):
    assert not PUBLISHING.search(code(path))


def test_base_field_patterns_match_buffer_object():
    """The patterns of the tests above must match real fields and calls."""
    paths = [CHECKOUT / "src" / f"buffer_object.{suffix}" for suffix in "hc"]
    text = "".join(map(code, paths))
    assert {"ob_exports", "ob_alloc", "Py_SET_SIZE"} <= set(
        re.findall(r"\b(ob_exports|ob_alloc|Py_SET_SIZE)\b", text)
    )
    assert text.count("Py_SET_SIZE(") == 1
    assert PUBLISHING.search(code(CHECKOUT / "src" / "buffer.h"))


# Functions that <io.h> declares on Windows; Python's headers include it there.
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


def defined_functions(path):
    return re.findall(r"^(?:static .*\b)?(\w+)\([^;]*\)\n\{", code(path), re.MULTILINE)


@named(SOURCES)
def test_function_names_do_not_collide_with_windows_io_h(path):
    assert not set(defined_functions(path)) & set(OF_WINDOWS)


def test_function_names_are_unique():
    """A debugger, a profile and a search then lead to one function. Each
    pages_<system>.c defines what its system has."""
    paths = [path for path in SOURCES if path.stem not in SYSTEMS]
    counts = Counter(name for path in paths for name in defined_functions(path))
    assert len(counts) > 500
    assert {name for name, count in counts.items() if count > 1} == set()


@named([path for path in SOURCES if path.suffix == ".c"])
def test_includes_of_each_file_begin_with_its_own_header(path):
    own = path.with_suffix(".h")
    if own.exists():
        assert included(path, ANY_HEADER)[0] == own.name


def test_picture_of_layers_has_a_box_for_each_layer():
    """docs/layers.svg shows LAYERS, from the top down."""
    picture = (CHECKOUT / "docs" / "layers.svg").read_text()
    boxes = [
        {
            name
            for line in re.findall(r'font-size="14">([^<]*)<', box)
            for name in line.split(" · ")
        }
        for box in picture.split('<rect class="box"')[1:]
    ]
    assert boxes == LAYERS
