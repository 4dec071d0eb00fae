"""What GrowBuffer has beyond bytearray: capacity, counts, rungs, limits."""

import gc
import os
import subprocess
import sys
import textwrap
import tracemalloc

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
    """Run code in a fresh interpreter; return what it printed, or fail with it."""
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
    return {name: count - before[name] for name, count in growbuf.stats().items()}


# --------------------------------------------------------------- capacity and reserve


@pytest.mark.parametrize("nbytes", [0, 1, 100, 5000, 256 << 10, 5 * MIB, 1 << 34])
@pytest.mark.parametrize("length", [0, 10, 300_000, 3 * MIB])
def test_reserve(length, nbytes):
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
def test_reserving_takes_no_memory():
    growbuf.trim()  # or it is lent memory that others have left
    buf = GrowBuffer()
    buf.reserve(1 << 36)
    assert buf.capacity >= 1 << 36
    assert sys.getsizeof(buf) < 64 << 10
    buf += b"abc"
    assert_holds(buf, b"abc")


def test_reserve_refuses():
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
        buf.reserve(2)  # there already
    assert_holds(buf, b"abc")


@pytest.mark.parametrize("length", [0, 10, 1000, 300_000, 5 * MIB])
def test_trim(length):
    buf = GrowBuffer(b"x" * length)
    buf.reserve(length + 3 * MIB)
    buf.extend(b"y" * 1000)
    del buf[:500]
    buf.trim()
    assert_holds(buf, (b"x" * length + b"y" * 1000)[500:])
    assert buf.capacity < len(buf) + 2 * MIB
    assert sys.getsizeof(buf) < len(buf) + 8192
    with memoryview(buf), pytest.raises(BufferError):
        buf.trim()
    buf.clear()
    buf.trim()
    assert buf.capacity == 0


def test_capacity_is_read_only():
    with pytest.raises(AttributeError):
        GrowBuffer().capacity = 5


# ------------------------------------------------------------------------- the counts


@MOVES_PAGES
def test_stats_count_moves_exactly():
    """From 2 MiB to 64 MiB there are five doublings; nothing but the crossing copies."""
    growbuf.trim()
    before = growbuf.stats()
    buf, piece = GrowBuffer(), bytes(1 << 16)
    lengths = set()
    while len(buf) < 63 * MIB:
        buf += piece
        lengths.add(place(buf)[2])
    spans = sorted(length for length in lengths if length >= 2 * MIB)
    assert spans == [n * MIB for n in (2, 4, 8, 16, 32, 64)]
    counted = difference(before)
    assert counted["moves"] == 5
    assert counted["moved_bytes"] == sum(spans[:-1])
    assert counted["copies"] == 1 and counted["copied_bytes"] < 256 << 10
    assert counted["spans_live"] == 1
    del buf
    assert difference(before)["spans_live"] == 0


@MOVES_PAGES
def test_trim_gives_everything_back():
    bufs = [GrowBuffer(b"x" * MIB) for _ in range(3)]
    del bufs
    assert growbuf.stats()["pool_bytes"] >= MIB
    growbuf.trim()
    stats = growbuf.stats()
    assert stats["pool_spans"] == stats["pool_bytes"] == 0


@MOVES_PAGES
def test_a_span_is_used_again():
    growbuf.trim()
    buf = GrowBuffer(b"x" * MIB)
    where = place(buf)
    del buf
    buf = GrowBuffer(b"y" * MIB)
    assert place(buf) == where
    assert_holds(buf, b"y" * MIB)
    buf.resize(2 * MIB - 100)
    assert_holds(buf, b"y" * MIB + bytes(MIB - 100))


def test_zeros_are_zeros_on_used_pages():
    for _ in range(3):
        buf = GrowBuffer(b"\xff" * (3 * MIB))
        buf.resize(MIB)
        buf.resize(3 * MIB)
        assert_holds(buf, b"\xff" * MIB + bytes(2 * MIB))
        del buf
        assert_holds(GrowBuffer(3 * MIB), bytes(3 * MIB))
        assert_holds(GrowBuffer(b"\0") * (3 * MIB), bytes(3 * MIB))


@MOVES_PAGES
@pytest.mark.skipif(facts()["strategy"] == "maymove", reason="keeps no source")
def test_the_source_of_a_move_stays_mapped_and_reads_as_zero():
    import ctypes

    growbuf.trim()
    buf = GrowBuffer(b"\xff" * (2 * MIB - 1))
    _, source, length = place(buf)
    before = growbuf.stats()
    buf += b"x"
    assert place(buf)[1] != source
    counted = difference(before)
    assert counted["moves"] == 1 and counted["pool_spans"] == 1
    assert counted["pool_bytes"] == 0
    assert ctypes.string_at(source, length) == bytes(length)
    again = GrowBuffer(b"a" * MIB)
    assert place(again)[1:] == (source, length), "the next span of that length"
    assert_holds(again, b"a" * MIB)


# --------------------------------------------------------------- what is accounted for


def test_getsizeof_counts_the_bytes():
    for length in (0, 100, 10_000, MIB, 20 * MIB):
        growbuf.trim()  # a span used before may hold more
        buf = GrowBuffer(bytes(range(256)) * (length // 256))
        assert sys.getsizeof(buf) >= len(buf) + GrowBuffer.__basicsize__
        assert sys.getsizeof(buf) <= len(buf) * 1.2 + (72 << 10)


def test_tracemalloc_sees_spans():
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


def test_info():
    info = growbuf.info()
    assert info["version"] == growbuf.__version__
    assert info["strategy"] in RUNGS
    assert set(info["probe"]) == set(RUNGS[:-1])
    assert info["page_size"] >= 4096 and info["huge_page_size"] == 2 * MIB
    assert info["transparent_hugepage"] in ("always", "madvise", "never")
    assert info["kernel"]


@ON_LINUX
def test_who_is_denied_huge_pages_is_told_so():
    """prctl(2), which a container's or a service's starter may have called."""
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
def test_each_rung_can_be_forced(rung):
    strategy, moves, copied = run(BUILD, env={"GROWBUF_STRATEGY": rung}).split()
    assert RUNGS.index(strategy) >= RUNGS.index(rung)
    if facts()["strategy"] == "dontunmap" and rung != "retain":
        assert strategy == rung
    assert (int(moves) > 0) == (strategy in RUNGS[:3])
    assert (int(copied) > 50) == (strategy == "copy")


def test_an_unknown_rung_is_refused_at_import():
    with pytest.raises(
        AssertionError, match="ImportError: GROWBUF_STRATEGY=fast: no such"
    ):
        run("import growbuf", env={"GROWBUF_STRATEGY": "fast"})
    assert run("import growbuf; print(1)", env={"GROWBUF_STRATEGY": ""}) == "1"


# ------------------------------------------------------------------------- the limits


@ON_LINUX
@pytest.mark.parametrize("rung", RUNGS[:3])
def test_growing_where_twice_the_space_is_refused(rung):
    """`ulimit -v` of 1.6 times the length: a doubled span does not fit, the step does."""
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
def test_running_out_loses_nothing(rung):
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
    # On the heap it is the allocator's, which may copy and keep what it has given up.
    assert pieces > (100 if rung == "heap" else 1000)


def mappings():
    with open("/proc/self/maps") as maps:
        return sum(1 for _ in maps)


@MOVES_PAGES
def test_a_thousand_growing_buffers_leave_few_mappings():
    before = mappings()
    bufs = [GrowBuffer() for _ in range(1000)]
    piece = bytes(500_000)
    for _ in range(10):  # to 5 MB each, in turn: through spans of 2, 4 and 8 MiB
        for buf in bufs:
            buf.resize(len(buf) + len(piece))
    assert all(check(buf) is None for buf in bufs)
    assert {place(buf)[2] for buf in bufs} == {8 * MIB}
    assert mappings() - before <= len(bufs) + 64 + 10
    del bufs, buf
    growbuf.trim()
    assert mappings() - before <= 10


@ON_LINUX
def test_a_forked_child_has_its_own_bytes():
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
def test_subinterpreters_import_it():
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
