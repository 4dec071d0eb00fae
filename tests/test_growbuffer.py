"""Test what GrowBuffer adds to bytearray.

This covers capacity, statistics, rungs (ways to move pages), process limits, fork and
subinterpreters.
"""

import array
import ctypes
import gc
import itertools
import mmap
import os
import subprocess
import sys
import textwrap
import tracemalloc
from contextlib import contextmanager

import pytest
from conftest import assert_holds

import growbuf
from growbuf import GrowBuffer
from growbuf._growbuf import check, facts, place

MIB = 1 << 20
RUNGS = ["retain", "dontunmap", "maymove", "copy", "heap"]
MOVES_PAGES = pytest.mark.skipif(
    facts()["strategy"] not in RUNGS[:3], reason="no page can be moved here"
)
RESERVES = pytest.mark.skipif(
    facts()["strategy"] == "heap", reason="address space cannot be reserved here"
)
ON_LINUX = pytest.mark.skipif(sys.platform != "linux", reason="of Linux")


def run(code, *, env=None, limit=None, close_fds=True):
    """Run code in a new interpreter and return its output.

    If the code fails, fail the test with the interpreter's error output.
    """
    command = [sys.executable, "-c", textwrap.dedent(code)]
    if limit:
        if "libasan" in os.environ.get("LD_PRELOAD", ""):
            pytest.skip(
                "the sanitizer's shadow takes more address space than any limit"
            )
        command = ["sh", "-c", f'ulimit -v {limit >> 10}; exec "$@"', "sh", *command]
    done = subprocess.run(
        command,
        env={**os.environ, **(env or {})},
        capture_output=True,
        text=True,
        close_fds=close_fds,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def difference(before):
    """Return by how much each of the module's statistics has increased."""
    return {name: count - before[name] for name, count in growbuf.stats().items()}


# --------------------------------------------------------------- capacity and reserve


@pytest.mark.parametrize("nbytes", [0, 1, 100, 5000, 256 << 10, 5 * MIB, 1 << 34])
@pytest.mark.parametrize("length", [0, 10, 300_000, 3 * MIB])
def test_reserve_larger_capacity_keeps_bytes_and_avoids_moves(length, nbytes):
    buf = GrowBuffer(b"x" * length)
    if nbytes > 5 * MIB and facts()["strategy"] == "heap":
        pytest.skip("a heap block of that length is memory")
    buf.reserve(nbytes)
    assert buf.capacity >= max(nbytes, length)
    assert_holds(buf, b"x" * length)
    capacity, where = buf.capacity, place(buf)
    for nmore in (1, min(nbytes, 64 << 10) - length - 1):
        if nmore > 0 and len(buf) + nmore <= capacity:
            buf.extend(bytes(nmore))
            assert place(buf) == where, "growing into the reserve moved"


@MOVES_PAGES
def test_reserve_64_gib_uses_no_memory():
    growbuf.trim()  # the buffer must not reuse dirty memory of other buffers
    buf = GrowBuffer()
    buf.reserve(1 << 36)
    assert buf.capacity >= 1 << 36
    assert sys.getsizeof(buf) < 64 << 10
    buf += b"abc"
    assert_holds(buf, b"abc")


def test_reserve_invalid_argument_or_view_raises():
    buf = GrowBuffer(b"abc")
    with pytest.raises(ValueError, match="-1"):
        buf.reserve(-1)
    with pytest.raises(TypeError):
        buf.reserve("10")
    with pytest.raises(TypeError):
        buf.reserve()
    with pytest.raises(OverflowError):
        buf.reserve(1 << 64)
    with memoryview(buf), pytest.raises(BufferError):
        buf.reserve(MIB)
    with memoryview(buf):
        buf.reserve(2)  # the capacity is sufficient already
    assert_holds(buf, b"abc")


@pytest.mark.parametrize("length", [0, 10, 1000, 300_000, 5 * MIB])
def test_trim_excess_capacity_keeps_bytes_and_frees_memory(length):
    buf = GrowBuffer(b"x" * length)
    buf.reserve(length + 3 * MIB)
    buf.extend(b"y" * 1000)
    del buf[:500]
    buf.trim()
    assert_holds(buf, (b"x" * length + b"y" * 1000)[500:])
    # Windows releases address space as a whole only, and memory page by page.
    assert sys.platform == "win32" or buf.capacity < len(buf) + 2 * MIB
    assert sys.getsizeof(buf) < len(buf) + 8192
    with memoryview(buf), pytest.raises(BufferError):
        buf.trim()
    buf.clear()
    buf.trim()
    assert buf.capacity == 0


def test_capacity_assignment_raises_attribute_error():
    with pytest.raises(AttributeError):
        GrowBuffer().capacity = 5


# ------------------------------------------------------------------------- statistics


@MOVES_PAGES
def test_stats_growth_to_64_mib_counts_five_moves():
    """Growth from 2 MiB to 64 MiB takes five doublings, each of which moves pages.

    Only the rung retain extends a span in place where the addresses after it are free.
    Only the change from the heap to a span copies bytes.
    """
    growbuf.trim()
    before = growbuf.stats()
    buf, piece = GrowBuffer(), bytes(1 << 16)
    spans = []
    while len(buf) < 63 * MIB:
        buf += piece
        _, *span = place(buf)
        if span[1] >= 2 * MIB and span not in spans[-1:]:
            spans.append(span)
    assert [length for _, length in spans] == [n * MIB for n in (2, 4, 8, 16, 32, 64)]
    moved = [
        length for (old, length), (new, _) in itertools.pairwise(spans) if old != new
    ]
    assert len(moved) == 5 or facts()["strategy"] == "retain"
    counted = difference(before)
    assert counted["moves"] == len(moved)
    assert counted["moved_bytes"] == sum(moved)
    assert counted["copies"] == 1 and counted["copied_bytes"] < 256 << 10
    assert counted["spans_live"] == 1
    del buf
    assert difference(before)["spans_live"] == 0


@MOVES_PAGES
def test_module_trim_pooled_spans_empties_pool():
    bufs = [GrowBuffer(b"x" * MIB) for _ in range(3)]
    del bufs
    assert growbuf.stats()["pool_bytes"] >= MIB
    growbuf.trim()
    stats = growbuf.stats()
    assert stats["pool_spans"] == stats["pool_bytes"] == 0


@MOVES_PAGES
def test_growbuffer_after_deallocation_reuses_span():
    growbuf.trim()
    buf = GrowBuffer(b"x" * MIB)
    where = place(buf)
    del buf
    buf = GrowBuffer(b"y" * MIB)
    assert place(buf) == where
    assert_holds(buf, b"y" * MIB)
    buf.resize(2 * MIB - 100)
    assert_holds(buf, b"y" * MIB + bytes(MIB - 100))


def test_resize_reused_pages_reads_zeros():
    for _ in range(3):
        buf = GrowBuffer(b"\xff" * (3 * MIB))
        buf.resize(MIB)
        buf.resize(3 * MIB)
        assert_holds(buf, b"\xff" * MIB + bytes(2 * MIB))
        del buf
        assert_holds(GrowBuffer(3 * MIB), bytes(3 * MIB))
        assert_holds(GrowBuffer(b"\0") * (3 * MIB), bytes(3 * MIB))


@contextmanager
def page_mapped_at(address):
    """Map a page without access at an address, unless something is mapped there."""
    libc = ctypes.CDLL(None)
    libc.mmap.restype = ctypes.c_void_p
    libc.mmap.argtypes = [ctypes.c_void_p, ctypes.c_size_t, *[ctypes.c_int] * 3]
    libc.mmap.argtypes += [ctypes.c_long]
    libc.munmap.argtypes = [ctypes.c_void_p, ctypes.c_size_t]
    flags = mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS | 0x100000  # MAP_FIXED_NOREPLACE
    mapped = libc.mmap(address, mmap.PAGESIZE, 0, flags, -1, 0)
    yield
    if mapped == address:
        libc.munmap(address, mmap.PAGESIZE)


@MOVES_PAGES
@pytest.mark.skipif(facts()["strategy"] == "maymove", reason="keeps no source")
def test_iadd_move_leaves_source_mapped_and_zeroed():
    growbuf.trim()
    buf = GrowBuffer(b"\xff" * (2 * MIB - 129))  # 128 bytes before it, and a NUL
    _, source, length = place(buf)
    before = growbuf.stats()
    with page_mapped_at(source + length):  # so that the span cannot grow in place
        buf += b"x"
    assert place(buf)[1] != source
    counted = difference(before)
    assert counted["moves"] == 1 and counted["pool_spans"] == 1
    assert counted["pool_bytes"] == 0
    assert ctypes.string_at(source, length) == bytes(length)
    again = GrowBuffer(b"a" * MIB)
    assert place(again)[1:] == (source, length), "the next span of that length"
    assert_holds(again, b"a" * MIB)


# ------------------------------------------------------------------ memory accounting


def test_getsizeof_various_lengths_counts_allocated_bytes():
    for length in (0, 100, 10_000, MIB, 20 * MIB):
        growbuf.trim()  # a reused span may hold more dirty pages
        buf = GrowBuffer(bytes(range(256)) * (length // 256))
        assert sys.getsizeof(buf) >= len(buf) + GrowBuffer.__basicsize__
        assert sys.getsizeof(buf) <= len(buf) * 1.2 + (72 << 10)


def test_tracemalloc_growing_buffer_traces_spans():
    length = 40 * MIB
    tracemalloc.start()
    try:
        buf = GrowBuffer()
        while len(buf) < length:
            buf += bytes(1 << 16)
        traced, _ = tracemalloc.get_traced_memory()
        assert length <= traced <= length * 1.25
        buf.clear()
        gc.collect()
        traced, _ = tracemalloc.get_traced_memory()
        assert traced < MIB
    finally:
        tracemalloc.stop()


def test_info_any_system_reports_all_fields():
    info = growbuf.info()
    assert info["version"] == growbuf.__version__
    assert info["strategy"] in RUNGS
    assert set(info["probe"]) == set(RUNGS[:-1])
    assert info["page_size"] >= 4096 and info["huge_page_size"] == 2 * MIB
    settings = ("always", "madvise", "never", "64kB", "unknown")
    assert info["transparent_hugepage"] in settings
    assert info["kernel"]


@ON_LINUX
def test_info_huge_pages_disabled_by_prctl_reports_never():
    """A container or a service manager may have disabled huge pages with prctl(2)."""
    code = """
        import ctypes
        PR_SET_THP_DISABLE = 41
        failed = ctypes.CDLL(None).prctl(PR_SET_THP_DISABLE, 1, 0, 0, 0)
        import growbuf
        print("cannot" if failed else growbuf.info()["transparent_hugepage"])
    """
    setting = run(code)
    if setting == "cannot":
        pytest.skip("this kernel has no such prctl")
    assert setting == "never"


# --------------------------------------------------------------------------- the rungs

BUILD = """
    import growbuf
    from growbuf._growbuf import check
    buf, expected = growbuf.GrowBuffer(), bytearray()
    for i in range(700):
        piece = bytes([i % 251]) * 65536
        buf += piece
        expected += piece
    assert buf == expected and check(buf) is None
    del buf[: 20 << 20], expected[: 20 << 20]
    buf[100:200] = expected[100:200] = b"xyz" * 100_000
    assert buf == expected and check(buf) is None
    stats = growbuf.stats()
    print(growbuf.info()["strategy"], stats["moves"], stats["copied_bytes"] >> 20)
"""


@ON_LINUX
@pytest.mark.parametrize("rung", RUNGS)
def test_strategy_forced_by_environment_uses_that_rung(rung):
    strategy, moves, copied = run(BUILD, env={"GROWBUF_STRATEGY": rung}).split()
    assert RUNGS.index(strategy) >= RUNGS.index(rung)
    if facts()["strategy"] == "dontunmap" and rung != "retain":
        assert strategy == rung
    assert (int(moves) > 0) == (strategy in RUNGS[:3])
    assert (int(copied) > 50) == (strategy == "copy")


def test_import_unknown_strategy_raises_import_error():
    with pytest.raises(
        AssertionError, match="ImportError: GROWBUF_STRATEGY is fast, which is no rung"
    ):
        run("import growbuf", env={"GROWBUF_STRATEGY": "fast"})
    assert run("import growbuf; print(1)", env={"GROWBUF_STRATEGY": ""}) == "1"


# --------------------------------------------------------------------- process limits


@ON_LINUX
@pytest.mark.parametrize("rung", RUNGS[:3])
def test_iadd_doubled_span_exceeds_ulimit_grows_in_smaller_steps(rung):
    """The address space is limited to 1.6 times the final length by `ulimit -v`.

    A span of twice the length does not fit, but a smaller step does.
    """
    if facts()["probe"]["maymove"] != "ok":
        pytest.skip("this system copies, which needs space for both spans")
    code = """
        import growbuf
        buf, piece = growbuf.GrowBuffer(), bytes(range(256)) * 256
        while len(buf) < 512 << 20:
            buf += piece
        assert buf[:65536] == buf[-65536:] == piece
        print(len(buf) >> 20)
    """
    limit = 512 * MIB * 16 // 10
    assert run(code, env={"GROWBUF_STRATEGY": rung}, limit=limit) == "512"


@ON_LINUX
@pytest.mark.parametrize("rung", RUNGS)
def test_iadd_out_of_memory_keeps_bytes(rung):
    code = """
        import growbuf
        from growbuf._growbuf import check
        buf, piece, n = growbuf.GrowBuffer(), bytes(range(256)) * 256, 0
        try:
            while True:
                buf += piece
                n += 1
        except MemoryError:
            pass
        assert len(buf) == n * len(piece) and check(buf) is None
        assert all(buf[i << 16 : (i + 1) << 16] == piece for i in range(0, n, 97))
        del buf[100:]
        assert buf == piece[:100] and check(buf) is None
        buf += piece
        assert buf == piece[:100] + piece and check(buf) is None
        print(n)
    """
    pieces = int(run(code, env={"GROWBUF_STRATEGY": rung}, limit=400 * MIB))
    # On the heap, the allocator may copy on growth and keep the freed blocks.
    assert pieces > (100 if rung == "heap" else 1000)


def mappings():
    """Return how many memory mappings the process has."""
    with open("/proc/self/maps") as maps:
        return sum(1 for _ in maps)


@MOVES_PAGES
def test_resize_thousand_buffers_leaves_few_mappings():
    before = mappings()
    bufs = [GrowBuffer() for _ in range(1000)]
    piece = bytes(500_000)
    for _ in range(10):  # each grows to 5 MB, through spans of 2, 4 and 8 MiB
        for buf in bufs:
            buf.resize(len(buf) + len(piece))
    assert all(check(buf) is None for buf in bufs)
    assert {place(buf)[2] for buf in bufs} == {8 * MIB}
    assert mappings() - before <= len(bufs) + 64 + 10
    del bufs, buf
    growbuf.trim()
    assert mappings() - before <= 10


@ON_LINUX
def test_iadd_in_forked_child_leaves_parent_unchanged():
    buf = GrowBuffer(b"x" * (5 * MIB))
    child = os.fork()
    if child == 0:
        buf += b"y" * (5 * MIB)
        fine = check(buf) is None and buf.count(b"y") == 5 * MIB
        growbuf.trim()
        os._exit(0 if fine else 1)
    _, status = os.waitpid(child, 0)
    assert status == 0
    assert_holds(buf, b"x" * (5 * MIB))


# ------------------------------------------------------------------------ interpreters


@pytest.mark.skipif(
    sys.version_info < (3, 12), reason="per-interpreter state is of 3.12"
)
def test_import_in_subinterpreters_leaves_main_unchanged():
    work = """
        import sys; sys.path[:] = {path!r}
        import growbuf
        buf = growbuf.GrowBuffer()
        for _ in range(100):
            buf += bytes(65536)
        assert len(buf) == 6553600 and type(buf[1:]) is growbuf.GrowBuffer
        assert buf.upper().count(0) == len(buf)
    """
    code = f"""
        try:
            import _interpreters as interpreters
        except ImportError:
            import _xxsubinterpreters as interpreters
        import sys
        import growbuf
        work = {textwrap.dedent(work)!r}.format(path=sys.path)
        mine = growbuf.GrowBuffer(b"x" * 3_000_000)
        for _ in range(3):
            one = interpreters.create()
            failed = interpreters.run_string(one, work)
            assert not failed, failed
            interpreters.destroy(one)
        assert mine == b"x" * 3_000_000 and growbuf._growbuf.check(mine) is None
        assert growbuf.stats()["spans_live"] <= 1
        print("fine")
    """
    assert run(code) == "fine"


@pytest.mark.skipif(
    sys.version_info < (3, 12), reason="per-interpreter state is of 3.12"
)
@pytest.mark.parametrize("main_first", [False, True])
def test_pool_limit_set_in_subinterpreter_limits_kept_objects_of_main(main_first):
    work = """
        import sys; sys.path[:] = {path!r}
        import growbuf
        growbuf.configure(pool_limit={limit})
    """
    code = f"""
        try:
            import _interpreters as interpreters
        except ImportError:
            import _xxsubinterpreters as interpreters
        import sys
        if {main_first}:
            import growbuf
        def set_limit(limit):
            one = interpreters.create()
            work = {textwrap.dedent(work)!r}.format(path=sys.path, limit=limit)
            failed = interpreters.run_string(one, work)
            assert not failed, failed
            interpreters.destroy(one)
        def kept():
            growbuf.trim()
            before = sys.getallocatedblocks()
            growbuf.GrowBuffer(b"word " * 20_000).split()
            return sys.getallocatedblocks() - before
        set_limit(0)
        import growbuf
        few = kept()
        set_limit(64 << 20)
        print("fine" if few < 3000 else few, kept() > 3000)
    """
    fine, keeps = run(code).split()
    assert fine == "fine"
    if keeps != "True":
        pytest.skip("this build of the extension, or of Python, keeps no objects")


def test_buffer_of_items_longer_than_a_byte_is_taken_as_bytes():
    numbers = array.array("i", [1, 2])
    buf = GrowBuffer(numbers)
    buf.extend(numbers)
    buf += memoryview(numbers)
    buf[:4] = numbers
    assert buf == bytes(numbers) + bytes(numbers)[4:] + 2 * bytes(numbers)
