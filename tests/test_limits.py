"""Each test runs a child process in which the system refuses something.

The child grows buffers until it is refused or has reached a length.  growbuf must
either grow in another way or raise MemoryError, and lose no byte. The child prints the
outcome: whether anything was refused, whether pages were moved, which kind of memory
held the bytes at the end, and the rung that was selected at import.

With GROWBUF_TEST_SYSCTL=1, tests that run as root change settings of the whole machine
and restore them.
"""

import os
import platform
from contextlib import contextmanager
from pathlib import Path

import pytest
from test_growbuffer import MIB, ON_LINUX, run

from growbuf._growbuf import facts

pytestmark = [
    ON_LINUX,
    pytest.mark.skipif(
        facts()["strategy"] != "dontunmap",
        reason="the expected outcomes are those of the rung dontunmap",
    ),
]

BEFORE_IMPORT = """
import ctypes, errno, os, resource
LIBC = ctypes.CDLL(None, use_errno=True)
"""
GROW = """
import growbuf
from growbuf import GrowBuffer
from growbuf._growbuf import check, facts, place
PIECE = bytes(range(256)) * 400

def grow(most, **options):
    buf, npieces, refused = GrowBuffer(**options), 0, False
    try:
        while len(buf) < most:
            buf += PIECE
            npieces += 1
    except MemoryError:
        refused = True
    kind = place(buf)[0]
    assert check(buf) is None and len(buf) == npieces * len(PIECE)
    assert all(buf.startswith(PIECE, i * len(PIECE)) for i in range(npieces))
    del buf[100 << 10 :]
    buf += b"and on"
    assert buf[-6:] == b"and on" and check(buf) is None
    return "refused" if refused else "grown", kind

def tell(most):
    outcome, kind = grow(most)
    moved = "moved" if growbuf.stats()["moves"] else "not moved"
    print(outcome, moved, kind, facts()["strategy"], sep=", ")
"""


def child(*pieces, **options):
    return run("\n".join([BEFORE_IMPORT, *pieces]), **options)


# ------------------------------------------------------------------- resource limits

LIMITED = """
with open("/proc/self/status") as status:
    used = next(int(line.split()[1]) for line in status if "{field}" in line) << 10
resource.setrlimit(resource.{limit}, (used + (150 << 20),) * 2)
tell(1 << 30)
assert grow(1 << 30, limit=32 << 20) == ("refused", "limited")
"""


@pytest.mark.parametrize(
    ("limit", "field"), [("RLIMIT_AS", "VmSize"), ("RLIMIT_DATA", "VmData")]
)
def test_append_under_rlimit_raises_memory_error_and_keeps_bytes(limit, field):
    printed = child(GROW, LIMITED.format(limit=limit, field=field))
    assert printed == "refused, moved, span, dontunmap"


MANY_MAPPINGS = """
MAP = LIBC.mmap
MAP.restype = ctypes.c_void_p
MAP.argtypes = [ctypes.c_void_p, ctypes.c_size_t] + [ctypes.c_int] * 3 + [ctypes.c_long]
FAILED = ctypes.c_void_p(-1).value

def fill():  # two protections in turn, or the kernel makes one mapping of all
    pages = []
    while True:
        page = MAP(None, 4096, len(pages) % 2, 0x22, -1, 0)
        if page == FAILED:
            assert ctypes.get_errno() == errno.ENOMEM
            return pages
        pages.append(page)

pages = fill()
LIBC.munmap.argtypes = [ctypes.c_void_p, ctypes.c_size_t]
for page in pages[len(pages) - {left} :]:
    LIBC.munmap(page, 4096)
tell(60 << 20)
"""


@pytest.mark.skipif(os.sysconf("SC_PAGESIZE") != 4096, reason="maps pages of 4 KiB")
@pytest.mark.parametrize(
    ("left", "expected"),
    [(0, "not moved, heap, dontunmap"), (12, "moved, span, dontunmap")],
)
def test_append_without_free_mappings_falls_back_to_heap(left, expected):
    """Other mappings have reached vm.max_map_count: the bytes go to the heap."""
    if int(Path("/proc/sys/vm/max_map_count").read_text()) > 1_000_000:
        pytest.skip("there are too many mappings to use up")
    printed = child(GROW, MANY_MAPPINGS.format(left=left))
    assert printed.split(", ", 1)[1] == expected
    assert left == 0 or printed.startswith("grown")


# ----------------------------------------------- error messages for a refused limit

REFUSED = """
def message(limit):
    try:
        GrowBuffer(limit=limit)
    except MemoryError as error:
        return str(error)
    return "not refused"

words = {words!r}
assert all(word in message({limit}) for word in words), message({limit})
assert f"limit={limit}" in message({limit})
"""


def test_limit_without_free_mappings_error_names_max_map_count():
    if int(Path("/proc/sys/vm/max_map_count").read_text()) > 1_000_000:
        pytest.skip("there are too many mappings to use up")
    code = REFUSED.format(words=["vm.max_map_count", "drop"], limit=4 * MIB)
    after = "for page in pages: LIBC.munmap(page, 4096)\nGrowBuffer(limit=4 << 20)"
    filled = MANY_MAPPINGS.format(left=0).replace("tell(60 << 20)", "")
    assert child(GROW, filled, code, after) == ""


def test_limit_above_rlimit_as_error_names_it():
    code = REFUSED.format(words=["RLIMIT_AS", "ulimit -v"], limit=64 * MIB)
    limited = """
with open("/proc/self/statm") as statm:
    used = int(statm.read().split()[0]) * os.sysconf("SC_PAGESIZE")
resource.setrlimit(resource.RLIMIT_AS, (used + (100 << 20),) * 2)
GrowBuffer(limit=32 << 20)
growbuf.trim()
"""
    assert child(GROW, limited, code) == ""


@pytest.mark.parametrize("limit", [1 << 46, 1 << 60])
def test_limit_above_address_space_error_says_smaller(limit):
    assert child(GROW, REFUSED.format(words=["smaller"], limit=limit)) == ""


@pytest.mark.parametrize("limit", [1, 100, 65_536])
def test_limit_below_1_mib_takes_one_mapping(limit):
    """20,000 such buffers leave enough mappings for threads and imports."""
    code = """
import threading
with open("/proc/self/maps") as maps:
    before = sum(1 for _ in maps)
bufs = [GrowBuffer(b"x", limit={limit}) for _ in range(20_000)]
with open("/proc/self/maps") as maps:
    count = sum(1 for _ in maps) - before
threading.Thread(target=int).start()
import mmap, sqlite3
print(count <= 20_000 + 16, all(buf == b"x" for buf in bufs))
"""
    assert child(GROW, code.format(limit=limit)) == "True True"


@pytest.mark.parametrize("limit", [1, 4096, 1 << 16, 1 << 20, 1 << 30])
def test_append_of_one_byte_under_limit_takes_two_pages_at_most(limit):
    code = """
def rss():
    with open("/proc/self/statm") as statm:
        return int(statm.read().split()[1]) * os.sysconf("SC_PAGESIZE")

bufs = [GrowBuffer(limit={limit}) for _ in range(1000)]
before = rss()
for buf in bufs:
    buf += b"x"
held = rss() - before
for buf in bufs:
    buf.clear()
pages = 1000 * os.sysconf("SC_PAGESIZE")
print(held <= 2 * pages + (1 << 20), rss() - before <= 2 * pages + (1 << 20))
"""
    assert child(GROW, code.format(limit=limit)) == "True True"


def test_append_under_mlockall_moves_pages():
    """Under mlockall(MCL_FUTURE) mappings are locked. Pages move out of them, too."""
    printed = child(GROW, 'print("no" if LIBC.mlockall(2) else "") or tell(30 << 20)')
    if printed.startswith("no"):
        pytest.skip("locking memory is not allowed here")
    assert printed == "grown, moved, span, dontunmap"


def test_append_with_thp_disabled_moves_pages():
    code = "assert LIBC.prctl(41, 1, 0, 0, 0) == 0\ntell(60 << 20)"  # THP_DISABLE
    assert child(GROW, code) == "grown, moved, span, dontunmap"


def test_append_without_sys_mounted_requests_huge_pages():
    """The setting is unknown where /sys is not mounted, as in some containers."""
    code = """
new_namespace, private, tmpfs = 0x20000, 0x44000, b"tmpfs"
if (
    LIBC.unshare(new_namespace)
    or LIBC.mount(None, b"/", None, private, None)
    or LIBC.mount(tmpfs, b"/sys", tmpfs, 0, None)
):
    print("no namespace")
    raise SystemExit
"""
    show = """
print(facts()["transparent_hugepage"])
buf = GrowBuffer()
while len(buf) < 20 << 20:
    buf += PIECE
_, address, length = place(buf)
with open("/proc/self/smaps") as smaps:
    for line in smaps:
        first, *rest = line.split()
        if not first.endswith(":"):
            start, end = (int(text, 16) for text in first.split("-"))
        elif first == "VmFlags:" and start <= address < end:
            print("hg" in rest)
"""
    printed = child(code, GROW, show)
    if printed == "no namespace":
        pytest.skip("only root may hide /sys from a process")
    assert printed == "unknown\nTrue"


# ------------------------------------------------------------------------- seccomp

# A program of struct sock_filter (code, jt, jf, k). If the number of the system call is
# equal and `test` holds for the argument, the call fails with an errno value.
FILTER = """
class Program(ctypes.Structure):
    _fields_ = [("length", ctypes.c_ushort), ("filter", ctypes.c_char_p)]

def step(code, jt, jf, k):
    return (code | jt << 16 | jf << 24 | k << 32).to_bytes(8, "little")

LOAD, EQUAL, AT_LEAST, ANY_BIT, RETURN = 0x20, 0x15, 0x35, 0x45, 0x06
steps = [
    step(LOAD, 0, 0, 0),
    step(EQUAL, 0, 3, {number}),
    step(LOAD, 0, 0, 16 + 8 * {argument}),
    step({test}, 0, 1, {operand}),
    step(RETURN, 0, 0, 0x50000 | errno.{error}),
    step(RETURN, 0, 0, 0x7FFF0000),
]
program = Program(len(steps), b"".join(steps))
assert LIBC.prctl(38, 1, 0, 0, 0) == 0  # NO_NEW_PRIVS
if LIBC.prctl(22, 2, ctypes.byref(program)):  # SECCOMP, filter
    print("no seccomp")
    raise SystemExit
"""
NUMBERS = {
    "x86_64": {"mmap": 9, "mremap": 25, "madvise": 28},
    "aarch64": {"mmap": 222, "mremap": 216, "madvise": 233},
}
EVERY = {"argument": 0, "test": "AT_LEAST", "operand": 0}
# For each forbidden call: the condition, and the outcome of growing if the filter is
# installed before the import and after it.
FORBIDDEN = {
    "mremap": (
        EVERY,
        "grown, not moved, span, copy",
        "grown, not moved, span, dontunmap",
    ),
    "mremap with flag 4": (
        {"argument": 3, "test": "ANY_BIT", "operand": 4},
        "grown, moved, span, maymove",
        "grown, moved, span, dontunmap",
    ),
    "madvise": (
        EVERY,
        "grown, moved, span, dontunmap",
        "grown, moved, span, dontunmap",
    ),
    "mmap of 2 MiB": (
        {"argument": 1, "test": "AT_LEAST", "operand": 2 * MIB},
        "grown, not moved, heap, dontunmap",
        "grown, not moved, heap, dontunmap",
    ),
}


@pytest.mark.parametrize("error", ["ENOSYS", "EPERM", "EINVAL"])
@pytest.mark.parametrize("name", FORBIDDEN)
def test_append_under_seccomp_filter_grows(name, error):
    numbers = NUMBERS.get(platform.machine())
    if numbers is None:
        pytest.skip("the numbers of its system calls are not known here")
    condition, early, late = FORBIDDEN[name]
    number = numbers[name.partition(" ")[0]]
    forbid = FILTER.format(number=number, error=error, **condition)
    printed = child(forbid, GROW, "tell(60 << 20)")
    if printed == "no seccomp":
        pytest.skip("no filter is allowed here")
    assert printed == early
    assert child(GROW, forbid, "tell(60 << 20)") == late


# ------------------------------------------------------------------ a memory cgroup


@contextmanager
def cgroup(nbytes):
    """Make a memory cgroup of this size; yield the file through which to join it."""
    version_1 = Path("/sys/fs/cgroup/memory")
    root = version_1 if version_1.is_dir() else Path("/sys/fs/cgroup")
    limit = "memory.limit_in_bytes" if version_1.is_dir() else "memory.max"
    group = root / f"growbuf-test-{os.getpid()}"
    try:
        group.mkdir()
    except OSError as error:
        pytest.skip(f"no cgroup can be made: {error}")
    try:
        try:
            (group / limit).write_text(str(nbytes))
        except OSError as error:
            pytest.skip(f"no memory cgroup: {error}")
        yield group / "cgroup.procs"
    finally:
        group.rmdir()


def test_append_in_memory_cgroup_stays_within_it():
    """The kernel kills a process that exceeds its cgroup. Doubled address space, zeros,
    and reserved capacity must not count as memory."""
    code = """
with open({procs!r}, "w") as procs:
    procs.write(str(os.getpid()))
zeros, reserved = GrowBuffer(4 << 30), GrowBuffer(limit=1 << 40)
reserved.reserve(1 << 40)
tell(100 << 20)
"""
    with cgroup(160 * MIB) as procs:
        printed = child(GROW, code.format(procs=str(procs)))
    assert printed == "grown, moved, span, dontunmap"


# ------------------------------------------------------- settings of the whole machine

MACHINE = pytest.mark.skipif(
    os.environ.get("GROWBUF_TEST_SYSCTL") != "1" or os.geteuid() != 0,
    reason="changes the machine's settings: GROWBUF_TEST_SYSCTL=1, and root",
)


@contextmanager
def setting(path, value):
    """Change a kernel setting, and restore it at the end."""
    words = path.read_text()
    before = words.partition("[")[2].partition("]")[0] or words
    path.write_text(value)
    try:
        yield
    finally:
        path.write_text(before)


@MACHINE
def test_append_under_strict_overcommit_grows():
    """The kernel charges address space as memory, and a span twice while it moves."""
    code = """
buf = GrowBuffer(b"abc" * 100_000)
for nbytes in (1 << 38, 1 << 46):
    try:
        buf.reserve(nbytes)
    except MemoryError:
        assert buf == b"abc" * 100_000 and check(buf) is None
    else:
        print("not refused")
assert grow(1 << 30, limit=16 << 20) == ("refused", "limited")
tell(60 << 20)
"""
    with setting(Path("/proc/sys/vm/overcommit_memory"), "2"):
        printed = child(GROW, code)
    assert printed == "grown, moved, span, dontunmap"


@MACHINE
@pytest.mark.parametrize("value", ["never", "madvise", "always"])
def test_append_with_each_huge_page_setting_moves_pages(value):
    with setting(Path("/sys/kernel/mm/transparent_hugepage/enabled"), value):
        printed = child(
            GROW, 'print(facts()["transparent_hugepage"]) or tell(60 << 20)'
        )
    assert printed == f"{value}\ngrown, moved, span, dontunmap"


SIZES = Path("/sys/kernel/mm/transparent_hugepage")
MEDIUM = SIZES / "hugepages-64kB"


@MACHINE
@pytest.mark.skipif(
    not (MEDIUM / "stats").exists(), reason="counts of each size of page: Linux 6.10"
)
def test_append_with_pages_of_64_kib_only_uses_them():
    """The counter is that of the whole machine, so other processes must be quiet."""
    code = f"""
def allocated():
    with open("{MEDIUM}/stats/anon_fault_alloc") as file:
        return int(file.read())
before = allocated()
buf = GrowBuffer(b"abc" * 100_000)
print(facts()["transparent_hugepage"], allocated() - before >= 4)
tell(60 << 20)
"""
    with (
        setting(SIZES / "hugepages-2048kB" / "enabled", "never"),
        setting(MEDIUM / "enabled", "madvise"),
    ):
        printed = child(GROW, code)
    assert printed == "64kB True\ngrown, moved, span, dontunmap"
