"""Test spare() and commit(), and readfrom() with every kind of source."""

import gc
import gzip
import io
import os
import pickle
import random
import select
import signal
import socket
import ssl
import sys
import tarfile
import threading
import time
import weakref
import zipfile
from contextlib import contextmanager, suppress

import pytest
from conftest import assert_holds, assert_no_leak, collecting, together
from test_growbuffer import MIB, MOVES_PAGES, ON_LINUX, difference, run

import growbuf
from growbuf import GrowBuffer
from growbuf._growbuf import check, facts, place

STARTS = [0, 10, 5 * MIB]  # bytes: without memory, on the heap, in a span
RESERVES = pytest.mark.skipif(
    facts()["strategy"] == "heap", reason="address space cannot be reserved here"
)


def pattern(length):
    return random.Random(length).randbytes(min(length, 99_991)) * (length // 99_991 + 1)


def begun(length):
    data = pattern(length)[:length]
    return GrowBuffer(data), data


# -------------------------------------------------------------------------------- spare


@pytest.mark.parametrize("start", STARTS)
@pytest.mark.parametrize("nbytes", [0, 1, 100, 65_536, 5 * MIB])
def test_commit_after_write_appends_committed_bytes(start, nbytes):
    for committed in sorted({0, min(1, nbytes), nbytes // 2, nbytes}):
        buf, data = begun(start)
        view = buf.spare(nbytes)
        assert isinstance(view, memoryview) and not view.readonly
        assert view.format == "B" and view.contiguous and len(view) >= nbytes
        assert len(buf) == start, "sparing appends nothing"
        new = pattern(nbytes)[:nbytes]
        view[:nbytes] = new
        assert buf.commit(committed) is None
        assert_holds(buf, data + new[:committed])
        buf += b"and on"
        assert_holds(buf, data + new[:committed] + b"and on")


@pytest.mark.parametrize("start", STARTS)
def test_spare_without_argument_returns_64_kib(start):
    buf, _ = begun(start)
    assert len(buf.spare()) >= 65_536
    assert len(buf.spare(nbytes=70_000)) >= 70_000


def test_spare_of_one_byte_returns_whole_tailroom():
    buf = GrowBuffer(b"abc")
    buf.reserve(1000)
    with buf.spare(1) as view:
        assert len(view) == buf.capacity - 3


def test_spare_within_capacity_copies_nothing():
    buf, data = begun(5 * MIB)
    buf.reserve(6 * MIB)
    where, before = place(buf), growbuf.stats()
    buf.spare(500_000)[:5] = b"there"
    buf.commit(500_000)
    assert place(buf) == where and difference(before)["copied_bytes"] == 0
    assert buf.startswith(data + b"there")


def test_commit_and_next_spare_release_earlier_view():
    buf = GrowBuffer(b"abc")
    first = buf.spare(10)
    second = buf.spare(10)
    with pytest.raises(ValueError, match="released"):
        first[0] = 1
    second[0] = 100
    buf.commit(1)
    with pytest.raises(ValueError, match="released"):
        second[0] = 1
    assert_holds(buf, b"abcd")


def test_commit_after_view_released_appends_bytes():
    buf = GrowBuffer(b"abc")
    buf.spare(4)[:2] = b"de"
    buf.commit(2)
    with buf.spare(4) as view:
        view[:2] = b"fg"
    buf.commit(2)
    assert_holds(buf, b"abcdefg")


@pytest.mark.parametrize("start", STARTS)
def test_spare_without_commit_leaves_buffer_unchanged(start):
    buf, data = begun(start)
    for _ in range(3):
        buf.spare(100)[:100] = b"x" * 100
        assert_holds(buf, data)
    buf.spare(100)[:100] = b"y" * 100
    buf.commit(0)
    assert_holds(buf, data)
    with pytest.raises(ValueError, match="nothing to commit"):
        buf.commit(1)


def test_int_with_digits_in_tail_reads_committed_bytes_only():
    """int() and float() read up to the NUL after the last byte."""
    buf = GrowBuffer(b"12")
    buf.spare(10)[:3] = b"345"
    assert int(buf) == 12 and float(buf) == 12.0
    buf.commit(1)
    assert int(buf) == 123
    with memoryview(buf.spare(10)) as late:
        late[:3] = b"456"
        buf.commit(1)
        late[1:3] = b"78"
    assert int(buf) == 1234 and check(buf) is None


@pytest.mark.parametrize("start", STARTS)
def test_commit_refused_under_export_keeps_spare_outstanding(start):
    buf, data = begun(start)
    tail = buf.spare(10)
    tail[:2] = b"de"
    assert check(buf) is None, "any bytes may be in an outstanding spare"
    with memoryview(buf), pytest.raises(BufferError, match="limit=nbytes"):
        buf.commit(2)
    assert buf == data and check(buf) is None
    buf.commit(2)
    assert_holds(buf, data + b"de")


@pytest.mark.parametrize("spared", [0, 10])
def test_commit_more_than_spared_raises_value_error(spared):
    buf = GrowBuffer(b"abc")
    view = buf.spare(spared)
    most = len(view)
    with pytest.raises(
        ValueError, match=rf"commit {most + 1} bytes: .* view of {most}$"
    ):
        buf.commit(most + 1)
    view[:0] = b""  # raises ValueError if the view was released
    buf.commit(most)
    assert len(buf) == 3 + most and check(buf) is None


def test_commit_after_change_or_without_spare_raises_value_error():
    buf = GrowBuffer(b"abc")
    for change in (
        lambda: None,
        lambda: [buf.spare(10).release(), buf.commit(2)],
        lambda: [buf.spare(10).release(), buf.append(1)],
        lambda: [buf.spare(10).release(), buf.pop()],
        lambda: [buf.spare(10).release(), buf.extend(b"x" * MIB)],
        lambda: [buf.spare(10).release(), buf.clear()],
        lambda: [buf.spare(10).release(), buf.freeze()],
        lambda: [buf.spare(5000).release(), buf.trim()],
        lambda: buf.readfrom(io.BytesIO(b"xyz")),
        lambda: buf.readfrom(io.BytesIO(b"xyz"), 2),
        lambda: buf.copy(),
    ):
        change()
        data = bytes(buf)
        with pytest.raises(ValueError, match="nothing to commit"):
            buf.commit(5)
        assert_holds(buf, data)
        buf.spare(1)[0] = 65
        buf.commit(1)
        assert_holds(buf, data + b"A")


@pytest.mark.parametrize("name", ["spare", "commit"])
@pytest.mark.parametrize(
    ("nbytes", "error"),
    [(-1, ValueError), (1 << 64, OverflowError), (1.5, TypeError), ("1", TypeError)],
)
def test_spare_and_commit_bad_argument_raise(name, nbytes, error):
    buf = GrowBuffer(b"abc")
    buf.spare(10)
    with pytest.raises(error):
        getattr(buf, name)(nbytes)
    assert_holds(buf, b"abc")


@pytest.mark.parametrize("start", STARTS)
def test_spare_too_large_raises_memory_error(start):
    buf, data = begun(start)
    for nbytes in (sys.maxsize, sys.maxsize - start, 1 << 60):
        with pytest.raises(MemoryError):
            buf.spare(nbytes)
        assert_holds(buf, data)
    buf += b"x"
    assert_holds(buf, data + b"x")


# --------------------------------------------------------- while a spare is outstanding


def resizing(buf):
    """Return every call that changes the length or the memory, by name."""
    return {
        "append": lambda: buf.append(1),
        "extend": lambda: buf.extend(b"xyz"),
        "extend iterable": lambda: buf.extend([1, 2]),
        "iadd": lambda: buf.__iadd__(b"xyz"),
        "imul": lambda: buf.__imul__(3),
        "insert": lambda: buf.insert(0, 1),
        "resize up": lambda: buf.resize(len(buf) + 5),
        "resize down": lambda: buf.resize(len(buf) - 1),
        "slice": lambda: buf.__setitem__(slice(1, 2), b"xyz"),
        "reserve": lambda: buf.reserve(buf.capacity + 1),
        "clear": lambda: buf.clear(),
        "pop": lambda: buf.pop(),
        "remove": lambda: buf.remove(buf[0]),
        "del": lambda: buf.__delitem__(0),
        "del step": lambda: buf.__delitem__(slice(0, None, 2)),
        "trim": lambda: buf.trim(),
        "take": lambda: buf.take(),
        "take one": lambda: buf.take(1),
        "take_bytes": lambda: buf.take_bytes(1),
        "freeze": lambda: buf.freeze(),
        "init": lambda: buf.__init__(b"other"),
        "init with nothing": lambda: buf.__init__(),
    }


OF_THE_EMPTY = ["append", "extend", "resize up", "init", "init with nothing", "freeze"]


@pytest.mark.parametrize("limit", [None, pytest.param(16 * MIB, marks=RESERVES)])
@pytest.mark.parametrize("start", STARTS)
@pytest.mark.parametrize("name", resizing(None))
def test_resizing_method_while_spare_outstanding_raises_buffer_error(
    name, start, limit
):
    """An outstanding spare() keeps the memory in place, also of an empty buffer."""
    if start == 0 and name not in OF_THE_EMPTY:
        pytest.skip("does nothing to an empty buffer")
    if name == "reserve" and limit:
        pytest.skip("all that there may be is reserved")
    data = pattern(start)[:start]
    buf = GrowBuffer(data, limit=limit)
    view = buf.spare(1000)
    before = place(buf)
    with pytest.raises(BufferError):
        resizing(buf)[name]()
    view[:1000] = b"x" * 1000
    assert place(buf) == before and buf == data and buf.limit == limit
    buf.commit(1000)
    assert_holds(buf, data + b"x" * 1000)
    resizing(buf)[name]()
    assert check(buf) is None


def test_read_and_write_while_spare_outstanding_use_committed_bytes():
    buf = GrowBuffer(b"abcabc")
    with buf.spare(10) as view:
        view[:3] = b"abc"
        buf[1] = 66
        buf[3:5] = b"xy"
        assert buf == b"aBcxyc" and buf.find(b"cabc") == -1 and buf.count(b"a") == 1
        assert buf[-1] == ord("c") and buf.upper() == b"ABCXYC"
    assert_holds(buf, b"aBcxyc")


def test_commit_with_slice_of_view_held_leaves_later_changes_possible():
    buf = GrowBuffer(b"abc")
    part = buf.spare(100)[:10]
    with pytest.raises(BufferError, match="in use"):
        buf.spare(100)
    part[:2] = b"de"
    buf.commit(2)
    part[0] = ord("D")  # this byte is committed, so it is part of the buffer
    with pytest.raises(ValueError, match="nothing to commit"):
        buf.commit(1)
    buf.append(102)
    assert_holds(buf, b"abcDef")
    part[0], part[2] = ord("x"), ord("y")  # the buffer is in other memory now
    assert buf.readfrom(io.BytesIO(b"gh")) == 2
    assert bytes(part[:3]) == b"xey"
    part.release()
    assert_holds(buf, b"abcDefgh")


def test_spare_after_view_was_in_use_releases_view():
    buf = GrowBuffer(b"abc")
    view = buf.spare(10)
    user = pickle.PickleBuffer(view)
    with pytest.raises(BufferError, match="in use"):
        buf.spare(10)
    user.release()
    buf.spare(10)[:1] = b"d"
    with pytest.raises(ValueError, match="released"):
        view[0] = 1
    buf.commit(1)
    assert_holds(buf, b"abcd")


def test_spare_exporter_used_directly_raises():
    buf = GrowBuffer(b"abc")
    view = buf.spare(10)
    exporter = view.obj
    with pytest.raises(BufferError):
        memoryview(exporter)
    with pytest.raises(TypeError):
        type(exporter)()
    user = pickle.PickleBuffer(view)
    with pytest.raises(BufferError):
        buf.spare(10)
    user.release()
    del view, buf
    with pytest.raises(BufferError):
        memoryview(exporter)


def test_spare_while_another_thread_has_view_raises_buffer_error():
    buf = GrowBuffer(b"abc")
    view = buf.spare(10)

    def use():
        with pytest.raises(BufferError, match="in use"):
            buf.spare(10)
        with pytest.raises(BufferError, match="in use"):
            buf.readfrom(Source(b"x"))
        view[:3] = b"def"  # this thread may write to a view it did not create
        buf.commit(3)

    together(use)
    with pytest.raises(ValueError, match="released"):
        view[0] = 1
    assert_holds(buf, b"abcdef")


# What a finalizer does to the buffer, and the bytes of the buffer afterwards.
MEDDLINGS = {
    "clear": (lambda buf: buf.clear(), b""),
    "move": (lambda buf: buf.extend(b"y" * 5 * MIB), b"x" * 100 + b"y" * 5 * MIB),
    "append": (lambda buf: buf.append(1), b"x" * 100 + b"\1"),
    "take": (lambda buf: buf.take(), b""),
}


@pytest.mark.parametrize("nth", range(12))
@pytest.mark.parametrize("name", MEDDLINGS)
def test_spare_finalizer_changes_buffer_returns_valid_view(name, nth):
    buf = GrowBuffer(b"x" * 100)
    buf.reserve(5200)
    buf.spare(10).release()  # creates the exporter object that spare() reuses
    meddle, meddled = MEDDLINGS[name]

    def finalize():
        with suppress(BufferError):  # the view already exists
            meddle(buf)

    with collecting(nth, finalize):
        view = buf.spare(5000)
    held = bytes(buf)
    assert held in (b"x" * 100, meddled)
    view[:5000] = b"t" * 5000
    del view
    buf.commit(5000)
    assert_holds(buf, held + b"t" * 5000)


def is_released(view):
    try:
        len(view)
    except ValueError:
        return True
    return False


@RESERVES
@pytest.mark.parametrize("nth", range(12))
def test_spare_finalizer_calls_spare_one_call_gets_tail(nth):
    """The first spare() of a buffer creates objects, which can start a collection."""
    buf, views = GrowBuffer(b"x" * 100, limit=1000), []

    def ask():
        try:  # a context manager would create objects before spare()
            views.append(buf.spare(10))
        except BufferError:
            pass

    with collecting(nth, ask):
        ask()
    valid = [view for view in views if not is_released(view)]
    assert len(valid) == 1, "one call gets the tail, the other raises BufferError"
    valid[0][:3] = b"abc"
    with pytest.raises(BufferError):
        buf.append(1)
    buf.commit(3)
    valid.clear()
    assert_holds(buf, b"x" * 100 + b"abc")


@pytest.mark.parametrize("nth", range(3))
@pytest.mark.parametrize(
    ("change", "old", "new"),
    [
        (lambda buf: buf.extend(buf), 8 * MIB, b""),
        (lambda buf: buf.extend(b"x" * MIB), 8 * MIB, b"x" * MIB),
        (
            lambda buf: buf.__setitem__(slice(MIB, None), b"x" * 8 * MIB),
            MIB,
            b"x" * 8 * MIB,
        ),
    ],
    ids=["itself", "extend", "assign"],
)
def test_append_of_large_data_finalizer_clears_buffer_before_or_after(
    change, old, new, nth
):
    """The collection runs before or after the copy, never during it."""
    buf, data = begun(8 * MIB)
    with collecting(nth, buf.clear):
        change(buf)
    whole = data[:old] + (new or data)
    assert bytes(buf) in (whole, new, b"") and check(buf) is None


@pytest.mark.parametrize("nth", range(12))
def test_commit_in_finalizer_during_readfrom_raises_value_error(nth):
    buf = GrowBuffer(b"x" * 100)
    buf.spare(10).release()
    buf.commit(0)  # this thread made the last spare()

    def commit():
        with suppress(ValueError):
            buf.commit(4)
            pytest.fail("nothing was spared")

    with collecting(nth, commit):
        assert buf.readfrom(Source(b"abcd"), 4) == 4
    assert_holds(buf, b"x" * 100 + b"abcd")


def test_spare_view_in_reference_cycle_is_collected():
    class Buffer(GrowBuffer):
        pass

    buf = Buffer(b"x" * 100)
    buf.view = buf.spare(10)
    seen = weakref.ref(buf)
    del buf
    gc.collect()
    assert seen() is None


CHANGES_AND_BACK = {
    "append": lambda buf, data: (buf.append(1), buf.pop()),
    "extend": lambda buf, data: (
        buf.extend(b"y" * 100),
        buf.__delitem__(slice(-100, None)),
    ),
    "clear": lambda buf, data: (buf.clear(), buf.extend(data)),
    "take": lambda buf, data: (buf.take(), buf.extend(data)),
    "spare": lambda buf, data: buf.spare(1).release(),
}


@pytest.mark.parametrize("start", [1000, 5 * MIB])
@pytest.mark.parametrize("name", CHANGES_AND_BACK)
def test_commit_after_change_and_undo_raises_value_error(name, start):
    buf, data = begun(start)
    buf.append(1)
    buf.pop()
    view = buf.spare(6)
    view[:6] = b"secret"
    view.release()
    CHANGES_AND_BACK[name](buf, data)
    if name == "spare":
        buf.commit(0)
    with pytest.raises(ValueError, match="nothing to commit"):
        buf.commit(6)
    assert_holds(buf, data)


def test_int_and_eval_with_full_tail_stop_inside_block():
    for start in (b"1", b"1" * 100_000):
        buf = GrowBuffer(start)
        view = buf.spare(10)
        view[:] = b"1" * len(view)
        with pytest.raises((ValueError, SyntaxError)):
            int(buf)
        with pytest.raises((ValueError, SyntaxError)):
            eval(buf)
        del view
        assert eval(GrowBuffer(b"1")) == 1


def test_spare_view_after_buffer_dropped_stays_valid():
    view = GrowBuffer(b"x" * (3 * MIB)).spare(1000)
    view[:1000] = bytes(1000)
    assert len(view) >= 1000
    before = growbuf.stats()["spans_live"]
    view.release()
    assert growbuf.stats()["spans_live"] <= before


def test_spare_beyond_tailroom_under_export_raises_buffer_error():
    buf, data = begun(5 * MIB)
    tailroom = len(buf.spare(0))
    with memoryview(buf) as view:
        with pytest.raises(BufferError, match="limit=nbytes"):
            buf.spare(tailroom + 1)
        assert bytes(view) == data
    assert_holds(buf, data)


@RESERVES
def test_spare_under_export_with_limit_grows_to_limit():
    buf = GrowBuffer(b"abc", limit=5 * MIB)
    with memoryview(buf) as view:
        for i in range(100):
            buf.spare(40_000)[:40_000] = bytes([i]) * 40_000
            buf.commit(40_000)
        assert bytes(view) == b"abc"
        with pytest.raises(MemoryError, match=f"limit of {5 * MIB} bytes$"):
            buf.spare(5 * MIB - len(buf) + 1)
        assert len(buf.spare(5 * MIB - len(buf))) == 5 * MIB - len(buf)
    assert_holds(buf, b"abc" + b"".join(bytes([i]) * 40_000 for i in range(100)))


def test_spare_with_numpy_output_appends_results():
    numpy = pytest.importorskip("numpy")
    buf = GrowBuffer()
    for i in range(50):
        numbers = numpy.frombuffer(buf.spare(80_000), "<f8", count=10_000)
        numpy.multiply(numpy.arange(10_000.0), i, out=numbers)
        with pytest.raises(BufferError, match="commit"):
            buf.append(1)
        buf.commit(80_000)
        del numbers
    table = numpy.frombuffer(buf, "<f8").reshape(50, 10_000)
    assert (table == numpy.outer(numpy.arange(50), numpy.arange(10_000))).all()


@pytest.mark.parametrize("seed", range(4))
def test_spare_commit_readfrom_and_del_in_random_order_match_model(seed):
    """Compare with the same changes to a bytearray. The test's id is the seed."""
    chance = random.Random(seed)
    buf, model = GrowBuffer(), bytearray()
    for _ in range(400):
        nbytes = chance.choice([0, 1, 100, 5000, 70_000, 300_000])
        piece = chance.randbytes(nbytes)
        action = chance.randrange(6)
        if action < 3:
            used = chance.randint(0, nbytes)
            buf.spare(nbytes)[:nbytes] = piece
            buf.commit(used)
            model += piece[:used]
        elif action == 3:
            assert buf.readfrom(io.BytesIO(piece)) == nbytes
            model += piece
        elif action == 4:
            buf.spare(nbytes)[:nbytes] = piece  # without commit()
        elif len(model) > 2 * MIB or chance.random() < 0.3:
            first, last = sorted(chance.choices(range(len(model) + 1), k=2))
            del buf[first:last], model[first:last]
        assert_holds(buf, model)


def test_spare_and_commit_from_four_threads_keep_lengths_right():
    """Threads may overwrite each other's bytes; lengths and memory stay right."""
    buf, committed = GrowBuffer(), []
    buf.reserve(8 * MIB)
    start = threading.Barrier(4)

    def work():
        start.wait()
        for _ in range(3000):
            try:
                buf.spare(100)
                buf.commit(3)
                committed.append(3)
            except (BufferError, ValueError):
                pass

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(buf) == sum(committed) > 0 and check(buf) is None
    buf.append(1)


# ----------------------------------------------------------------------------- readfrom


def in_file(data, folder):
    (folder / "data").write_bytes(data)
    return folder / "data"


@contextmanager
def raw_file(data, folder):
    with open(in_file(data, folder), "rb", buffering=0) as file:
        yield file


@contextmanager
def buffered_file(data, folder):
    with open(in_file(data, folder), "rb") as file:
        yield file


@contextmanager
def descriptor(data, folder):
    number = os.open(in_file(data, folder), os.O_RDONLY)
    yield number
    os.close(number)  # raises OSError if readfrom() closed it


@contextmanager
def memory_file(data, folder):
    yield io.BytesIO(data)


@contextmanager
def gzip_file(data, folder):
    packed = in_file(gzip.compress(data, 1), folder)
    with gzip.open(packed) as file:
        yield file


@contextmanager
def zip_member(data, folder):
    path = folder / "data.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
        archive.writestr("member", data)
    with zipfile.ZipFile(path) as archive, archive.open("member") as file:
        yield file


@contextmanager
def tar_member(data, folder):
    path = folder / "data.tar"
    with tarfile.open(path, "w") as archive:
        archive.add(in_file(data, folder), "member")
    with tarfile.open(path) as archive, archive.extractfile("member") as file:
        yield file


@contextmanager
def fed(write, data):
    """Write in a thread, since a pipe or socket fills up. Ignore a closed reader."""

    def feed():
        try:
            write(data)
        except OSError:
            pass

    feeder = threading.Thread(target=feed)
    feeder.start()
    yield
    feeder.join()


def write_and_close(number):
    def write(data):
        with open(number, "wb", buffering=0) as file:
            while data:
                data = data[file.write(data) :]

    return write


def send_and_close(sock):
    def send(data):
        with sock:
            sock.sendall(data)

    return send


@contextmanager
def pipe(data, folder):
    reader, writer = os.pipe()
    with fed(write_and_close(writer), data):
        yield reader
        os.close(reader)


@contextmanager
def tcp_socket(data, folder):
    with socket.create_server(("127.0.0.1", 0)) as server:
        client = socket.create_connection(server.getsockname())
        served, _ = server.accept()
    with fed(send_and_close(served), data), client:
        yield client


@contextmanager
def socket_file(data, folder):
    ours, theirs = socket.socketpair()
    with fed(send_and_close(theirs), data), ours, ours.makefile("rb") as file:
        yield file


def tls(side):
    """Return a TLS context with anonymous key exchange, which needs no certificate."""
    context = ssl.SSLContext(side)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    context.set_ciphers("AECDH:ADH:@SECLEVEL=0")
    return context


@contextmanager
def tls_socket(data, folder):
    ours, theirs = socket.socketpair()

    def serve(data):
        context = tls(ssl.PROTOCOL_TLS_SERVER)
        with context.wrap_socket(theirs, server_side=True) as sock:
            sock.sendall(data)
            sock.unwrap()

    with fed(serve, data), tls(ssl.PROTOCOL_TLS_CLIENT).wrap_socket(ours) as sock:
        yield sock


SOURCES = [
    raw_file,
    buffered_file,
    descriptor,
    memory_file,
    gzip_file,
    zip_member,
    tar_member,
    pipe,
    tcp_socket,
    socket_file,
    tls_socket,
]


@pytest.mark.parametrize("length", [0, 1, 65_536, 3 * MIB + 5])
@pytest.mark.parametrize("source", SOURCES, ids=lambda source: source.__name__)
def test_readfrom_without_count_reads_to_end(source, length, tmp_path):
    buf, data = begun(10)
    new = pattern(length)[:length]
    with source(new, tmp_path) as opened:
        assert buf.readfrom(opened) == length
        assert_holds(buf, data + new)
        assert buf.readfrom(opened) == 0
    assert_holds(buf, data + new)


@pytest.mark.parametrize("source", SOURCES, ids=lambda source: source.__name__)
def test_readfrom_with_count_takes_no_more_from_source(source, tmp_path):
    """The next call continues exactly after the last byte read."""
    new = pattern(300_000)[:300_000]
    with source(new, tmp_path) as opened:
        buf = GrowBuffer()
        for nbytes in (0, 1, 99_999, 100_000, 99_990):
            before = len(buf)
            assert buf.readfrom(opened, nbytes=nbytes) == nbytes
            assert_holds(buf, new[: before + nbytes])
        assert buf.readfrom(opened, 100_000) == 10
        assert_holds(buf, new)


@pytest.mark.parametrize("nbytes", [-1, None])
def test_readfrom_keywords_with_count_none_or_minus_one_read_to_end(nbytes):
    buf = GrowBuffer()
    assert buf.readfrom(source=io.BytesIO(b"x" * 100_000), nbytes=nbytes) == 100_000


@pytest.mark.parametrize(
    ("nbytes", "error"),
    [(-2, ValueError), (1 << 64, OverflowError), (1.5, TypeError), ("9", TypeError)],
)
def test_readfrom_bad_count_raises_and_reads_nothing(nbytes, error):
    buf, source = GrowBuffer(b"abc"), io.BytesIO(b"xyz")
    with pytest.raises(error):
        buf.readfrom(source, nbytes)
    assert_holds(buf, b"abc")
    assert source.tell() == 0


@pytest.mark.parametrize("source", ["path", b"bytes", None, [1], io.StringIO("x")])
def test_readfrom_object_without_readinto_raises_type_error(source):
    buf = GrowBuffer(b"abc")
    with pytest.raises(TypeError, match=f"recv_into.*got .*{type(source).__name__}"):
        buf.readfrom(source)
    assert_holds(buf, b"abc")


def test_readfrom_source_fails_at_once_leaves_buffer_unchanged(tmp_path):
    closed = io.BytesIO(b"xyz")
    closed.close()
    folder = os.open(tmp_path, os.O_RDONLY)
    written = os.open(tmp_path / "new", os.O_WRONLY | os.O_CREAT)
    buf = GrowBuffer(b"abc")
    try:
        for source, error in (
            (closed, ValueError),
            (folder, IsADirectoryError),
            (written, OSError),
            (-1, ValueError),
            (1 << 20, OSError),
        ):
            with pytest.raises(error):
                buf.readfrom(source)
            assert_holds(buf, b"abc")
            buf.append(buf.pop())
    finally:
        os.close(folder)
        os.close(written)


@MOVES_PAGES
def test_readfrom_file_of_known_size_moves_and_copies_nothing(tmp_path):
    new = pattern(40 * MIB)[: 40 * MIB]
    with raw_file(new, tmp_path) as file:
        before, buf = growbuf.stats(), GrowBuffer()
        assert buf.readfrom(file) == len(new)
    assert difference(before)["moves"] == 0 == difference(before)["copied_bytes"]
    assert buf == new


@ON_LINUX
@pytest.mark.parametrize("path", ["/proc/filesystems", "/proc/self/environ"])
def test_readfrom_file_reporting_size_zero_reads_to_end(path):
    with open(path, "rb") as file, open(path, "rb", buffering=0) as again:
        assert os.fstat(file.fileno()).st_size == 0
        buf = GrowBuffer()
        assert buf.readfrom(again) == len(buf) > 0
        assert buf == file.read()


@pytest.mark.parametrize("change", [300_000, -100_000])
def test_readfrom_file_resized_meanwhile_reads_to_new_end(change, tmp_path):
    data = pattern(200_000)[:200_000]
    path = in_file(data, tmp_path)

    class Changing(io.FileIO):
        changed = False

        def readinto(self, view):
            if not self.changed:
                os.truncate(path, 200_000 + change)
                self.changed = True
            return super().readinto(view[:50_000])

    buf = GrowBuffer()
    with Changing(path) as file:
        assert buf.readfrom(file) == 200_000 + change
    assert_holds(buf, (data + bytes(300_000))[: 200_000 + change])


@contextmanager
def sparse_file(folder):
    with open(folder / "sparse", "w+b", buffering=0) as file:
        file.truncate(1 << 42)
        yield file


@ON_LINUX
def test_readfrom_part_of_huge_file_reserves_only_count(tmp_path):
    buf = GrowBuffer()
    with sparse_file(tmp_path) as file:
        assert buf.readfrom(file, 1000) == 1000 == file.tell()
        assert buf.capacity < MIB, "no more is reserved than is asked for"
        file.seek(-100_000, os.SEEK_END)
        assert buf.readfrom(file) == 100_000
    assert_holds(buf, bytes(101_000))


@ON_LINUX
def test_readfrom_reported_size_too_large_is_ignored(tmp_path):
    with sparse_file(tmp_path) as file:
        code = f"""
            import io
            from growbuf import GrowBuffer
            class Source(io.BytesIO):
                def fileno(self):
                    return {file.fileno()}
            buf = GrowBuffer(b"abc")
            print(buf.readfrom(Source(b"x" * 100_000)), len(buf))
        """
        os.set_inheritable(file.fileno(), True)
        assert run(code, limit=1 << 30, close_fds=False) == "100000 100003"


@pytest.mark.parametrize("answer", [None, "x", -1, 1 << 70, 1.5, OSError, RuntimeError])
@pytest.mark.parametrize("method", ["fileno", "tell"])
def test_readfrom_fileno_or_tell_fails_reads_to_end(method, answer):
    class Source(io.BytesIO):
        def fileno(self):
            return self.tell_or_raise() if method == "fileno" else 0

        def tell(self):
            return self.tell_or_raise() if method == "tell" else 0

        def tell_or_raise(self):
            if isinstance(answer, type):
                raise answer
            return answer

    buf = GrowBuffer(b"abc")
    assert buf.readfrom(Source(b"x" * 100_000)) == 100_000
    assert_holds(buf, b"abc" + b"x" * 100_000)


def test_readfrom_fileno_raises_keyboard_interrupt_propagates():
    class Source(io.BytesIO):
        def fileno(self):
            raise KeyboardInterrupt

    buf = GrowBuffer(b"abc")
    with pytest.raises(KeyboardInterrupt):
        buf.readfrom(Source(b"x"))
    assert_holds(buf, b"abc")


# --------------------------------------------------------------- sources that misbehave


class Source:
    """Return the pieces one by one, then call `last` for each further read."""

    def __init__(self, *pieces, last=lambda view: 0):
        self.pieces, self.last, self.views = list(pieces), last, []

    def readinto(self, view):
        if not self.pieces:
            return self.last(view)
        piece = self.pieces.pop(0)
        view[: len(piece)] = piece
        return len(piece)


@pytest.mark.parametrize("claimed", [0, 4])
def test_readfrom_view_released_in_readinto_keeps_next_spare(claimed):
    buf, lent, go_on = GrowBuffer(b"x"), threading.Event(), threading.Event()

    def read(view):
        lent.set()
        assert go_on.wait(10)
        view[:4] = b"read"
        return 4

    def leave(view):
        view.release()
        reader.start()
        assert lent.wait(10)
        return claimed

    second = Source(last=read)
    reader = threading.Thread(target=buf.readfrom, args=(second, 4))
    if claimed:
        with pytest.raises(ValueError, match="nothing to commit"):
            buf.readfrom(Source(last=leave), 4)
    else:
        assert buf.readfrom(Source(last=leave)) == 0
    with pytest.raises(BufferError):
        buf.append(1)
    go_on.set()
    reader.join()
    assert_holds(buf, b"xread")


def raiser(error):
    def last(view):
        view[:5] = b"tail?"
        raise error

    return last


@pytest.mark.parametrize("start", STARTS)
@pytest.mark.parametrize("error", [OSError, ValueError, MemoryError, KeyboardInterrupt])
def test_readfrom_source_raises_keeps_bytes_read_before(start, error):
    for pieces in ([], [b"one"], [b"one", b"t" * 60_000, b"three"]):
        buf, data = begun(start)
        try:
            buf.readfrom(Source(*pieces, last=raiser(error("in mid-way"))))
        except error as raised:
            assert str(raised) == "in mid-way"
            assert_holds(buf, data + b"".join(pieces))
            buf += b"and on"  # allowed although the traceback refers to the view
            with pytest.raises(ValueError, match="nothing to commit"):
                buf.commit(5)
        else:
            pytest.fail("nothing was raised")
        assert_holds(buf, data + b"".join(pieces) + b"and on")


@pytest.mark.parametrize("name", ["readinto", "recv_into"])
def test_readfrom_attribute_lookup_raises_propagates(name):
    class Odd:
        @property
        def _fail(self):
            raise RuntimeError("no such thing")

    setattr(Odd, name, Odd._fail)
    with pytest.raises(RuntimeError, match="no such thing"):
        GrowBuffer().readfrom(Odd())


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        (lambda view: len(view) + 1, OSError),
        (lambda view: sys.maxsize, OSError),
        (lambda view: -1, OSError),
        (lambda view: -2, OSError),
        (lambda view: 1 << 64, OverflowError),
        (lambda view: "5", TypeError),
        (lambda view: 5.0, TypeError),
        (lambda view: b"bytes", TypeError),
    ],
)
def test_readfrom_readinto_returns_bad_count_raises(answer, error):
    buf = GrowBuffer(b"abc")
    with pytest.raises(error):
        buf.readfrom(Source(b"true", last=answer))
    assert_holds(buf, b"abctrue")
    buf += b"!"
    assert_holds(buf, b"abctrue!")


def test_readfrom_readinto_returns_index_object_is_accepted():
    class Number:
        def __index__(self):
            return 3

    answers = iter([Number(), True, False])

    def last(view):
        view[:3] = b"xyz"
        return next(answers)

    buf = GrowBuffer(b"abc")
    assert buf.readfrom(Source(last=last)) == 4
    assert_holds(buf, b"abcxyzx")


@pytest.mark.parametrize("start", [0, 10, 5 * MIB])
@pytest.mark.parametrize("name", resizing(None))
def test_resizing_method_inside_readinto_raises_buffer_error(name, start):
    if start == 0 and name not in OF_THE_EMPTY:
        pytest.skip("does nothing to an empty buffer")
    buf, data = begun(start)
    met, answers = [], iter([5, 0])

    def last(view):
        try:
            resizing(buf)[name]()
        except BufferError as error:
            met.append(error)
        view[:5] = b"hello"
        return next(answers)

    assert buf.readfrom(Source(last=last)) == 5
    assert len(met) == 2
    assert_holds(buf, data + b"hello")


READING = r"readfrom\(\) is reading into the buffer"
USES_OF_THE_TAIL = {
    "spare": (lambda buf: buf.spare(10), BufferError, READING),
    "commit": (lambda buf: buf.commit(0), ValueError, "nothing to commit"),
    "readfrom": (lambda buf: buf.readfrom(Source(b"x")), BufferError, READING),
}


@pytest.mark.parametrize("in_a_thread", [False, True], ids=["itself", "in a thread"])
@pytest.mark.parametrize("name", USES_OF_THE_TAIL)
def test_spare_commit_and_readfrom_inside_readinto_raise(name, in_a_thread):
    buf, refused, answers = GrowBuffer(b"abc"), [], iter([5, 0])
    use, error, message = USES_OF_THE_TAIL[name]

    def attempt():
        with pytest.raises(error, match=message):
            use(buf)
        refused.append(name)

    def last(view):
        together(attempt) if in_a_thread else attempt()
        view[:5] = b"hello"
        return next(answers)

    assert buf.readfrom(Source(last=last)) == 5 and len(refused) == 2
    assert_holds(buf, b"abchello")
    buf.append(1)


@pytest.mark.parametrize("name", USES_OF_THE_TAIL)
def test_readfrom_readinto_releases_view_and_reuses_tail_raises_value_error(name):
    """Its count is committed only if no later call replaced the outstanding spare."""
    buf = GrowBuffer(b"abc")

    def last(view):
        view.release()
        if name == "commit":
            with pytest.raises(ValueError, match="nothing to commit"):
                buf.commit(0)
        else:
            USES_OF_THE_TAIL[name][0](buf)
        return 5

    if name == "commit":
        assert buf.readfrom(Source(last=last), 5) == 5
        assert len(buf) == 8
    else:
        with pytest.raises(ValueError, match="nothing to commit"):
            buf.readfrom(Source(last=last))
        assert_holds(buf, b"abcx" if name == "readfrom" else b"abc")
    buf.append(1)
    assert check(buf) is None


def test_readfrom_source_keeps_view_view_is_released():
    buf, kept = GrowBuffer(b"abc"), []

    def last(view):
        kept.append(view)
        view[:2] = b"xy"
        return 2 if len(kept) < 3 else 0

    assert buf.readfrom(Source(last=last)) == 4
    assert_holds(buf, b"abcxyxy")
    for view in kept:
        with pytest.raises(ValueError, match="released"):
            view[0] = 1
    buf.append(1)


def test_readfrom_source_keeps_view_of_view_keeps_its_memory():
    buf, kept = GrowBuffer(b"abc"), []

    def last(view):
        kept.append(memoryview(view))
        view[:2] = b"xy"
        return 2 if len(kept) < 4 else 0

    assert buf.readfrom(Source(last=last)) == 6
    assert_holds(buf, b"abcxyxyxy")
    buf.append(1)
    for view in kept:
        assert view[:2] == b"xy"
        view[:2] = b"zz"
    assert_holds(buf, b"abcxyxyxy\x01")


# ------------------------------------------------------------------------- non-blocking


@ON_LINUX
def test_readfrom_empty_non_blocking_pipe_returns_none():
    reader, writer = os.pipe()
    os.set_blocking(reader, False)
    buf = GrowBuffer(b"abc")
    assert buf.readfrom(reader) is None
    os.write(writer, b"hello")
    assert buf.readfrom(reader) == 5
    assert buf.readfrom(reader, 10) is None
    os.write(writer, b"world")
    assert buf.readfrom(reader, 2) == 2
    with open(reader, "rb", buffering=0) as file:
        assert buf.readfrom(file) == 3
        assert buf.readfrom(file) is None
        assert_holds(buf, b"abchelloworld")
        os.close(writer)
        assert buf.readfrom(file) == 0


def test_readfrom_empty_non_blocking_socket_returns_none():
    ours, theirs = socket.socketpair()
    with ours, theirs:
        ours.setblocking(False)
        buf = GrowBuffer(b"abc")
        assert buf.readfrom(ours) is None
        theirs.sendall(b"hello")
        select.select([ours], [], [], 10)
        assert buf.readfrom(ours) == 5
        assert buf.readfrom(ours) is None
        theirs.close()
        assert buf.readfrom(ours) == 0
    assert_holds(buf, b"abchello")


def test_readfrom_socket_timeout_raises_and_keeps_bytes():
    ours, theirs = socket.socketpair()
    with ours, theirs:
        ours.settimeout(0.05)
        theirs.sendall(b"hello")
        buf = GrowBuffer(b"abc")
        with pytest.raises(TimeoutError):
            buf.readfrom(ours)
        assert_holds(buf, b"abchello")
        buf.append(1)


def test_readfrom_non_blocking_tls_raises_want_read():
    """A non-blocking ssl socket raises SSLWantReadError instead of returning None."""
    ours, theirs = socket.socketpair()
    go = threading.Event()

    def serve(data):
        context = tls(ssl.PROTOCOL_TLS_SERVER)
        with context.wrap_socket(theirs, server_side=True) as sock:
            sock.sendall(data)
            go.wait()

    with fed(serve, b"hello"):
        with tls(ssl.PROTOCOL_TLS_CLIENT).wrap_socket(ours) as sock:
            buf = GrowBuffer()
            assert buf.readfrom(sock, 5) == 5
            sock.setblocking(False)
            with pytest.raises(ssl.SSLWantReadError):
                buf.readfrom(sock)
            assert_holds(buf, b"hello")
        go.set()


def test_readfrom_none_after_bytes_returns_count():
    buf = GrowBuffer()
    source = Source(b"some", b"thing", last=lambda view: None)
    assert buf.readfrom(source) == 9
    assert buf.readfrom(source) is None
    assert_holds(buf, b"something")


# ------------------------------------------------------------------ signals and threads


@contextmanager
def alarms(handler, delay, interval=0.0):
    before = signal.signal(signal.SIGALRM, handler)
    signal.setitimer(signal.ITIMER_REAL, delay, interval)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def write_slowly(number):
    def write(data):
        with open(number, "wb", buffering=0) as file:
            for at in range(0, len(data), 250):
                time.sleep(0.05)
                file.write(data[at : at + 250])

    return write


def pipe_ends():
    reader, writer = os.pipe()
    return open(reader, "rb", buffering=0), writer


def socket_ends():
    ours, theirs = socket.socketpair()
    return ours, theirs.detach()


@ON_LINUX
@pytest.mark.parametrize("ends", [pipe_ends, socket_ends])
def test_readfrom_signals_while_waiting_runs_handlers(ends):
    handled, buf, data = [], GrowBuffer(), pattern(1000)[:1000]
    source, number = ends()
    alarmed = alarms(lambda *_: handled.append(1), 0.01, 0.01)
    with alarmed, source, fed(write_slowly(number), data):
        assert buf.readfrom(source) == 1000
    assert_holds(buf, data)
    assert len(handled) > 5


class Alarm(Exception):
    pass


def raise_alarm(*_):
    raise Alarm


@ON_LINUX
def test_readfrom_signal_handler_raises_keeps_bytes():
    reader, writer = os.pipe()
    buf = GrowBuffer(b"abc")
    os.write(writer, b"hello")
    try:
        with alarms(raise_alarm, 0.05), pytest.raises(Alarm):
            buf.readfrom(reader)
        assert_holds(buf, b"abchello")
        buf.append(33)
        os.write(writer, b"more")
        assert buf.readfrom(reader, 4) == 4
    finally:
        os.close(reader)
        os.close(writer)
    assert_holds(buf, b"abchello!more")


@ON_LINUX
def test_readfrom_endless_source_signal_handler_interrupts():
    buf, most = GrowBuffer(), 1 << 30
    zeros = os.open("/dev/zero", os.O_RDONLY)
    with alarms(raise_alarm, 0.02), pytest.raises(Alarm):
        buf.readfrom(zeros, most)
    os.close(zeros)
    assert 0 < len(buf) < most and check(buf) is None
    assert buf.count(0) == len(buf)


@ON_LINUX
def test_readfrom_while_waiting_lets_other_threads_run():
    """The thread that writes to the pipe must run, or readfrom() never returns."""
    reader, writer = os.pipe()
    buf, met = GrowBuffer(b"abc"), []

    def other(data):
        while not met:  # loop until readfrom() waits
            time.sleep(0.001)
            try:
                buf.reserve(buf.capacity + 1)
            except BufferError as error:
                met.append(str(error))
        buf[0] = ord("A")
        met.append(bytes(buf))
        write_and_close(writer)(data)

    with fed(other, b"hello"):
        assert buf.readfrom(reader) == 5
    os.close(reader)
    assert "readfrom() is reading" in met[0] and met[1] == b"Abc"
    assert_holds(buf, b"Abchello")


@ON_LINUX
def test_readfrom_from_four_threads_keeps_buffer_valid():
    """One thread at a time uses the tail; the others get an error."""
    buf, read, failures = GrowBuffer(), [], []
    pieces = [bytes([65 + i]) * 1000 for i in range(4)]
    start = threading.Barrier(4)

    def work(piece):
        start.wait()
        for _ in range(300):
            try:
                read.append(buf.readfrom(io.BytesIO(piece)))
            except (BufferError, ValueError) as error:
                failures.append(str(error))

    threads = [threading.Thread(target=work, args=(piece,)) for piece in pieces]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(buf) >= sum(read) and check(buf) is None
    assert len(read) + len(failures) == 1200 and len(read) > 0
    buf.append(1)


# ---------------------------------------------------------------------------- the limit


@RESERVES
@pytest.mark.parametrize("source", SOURCES, ids=lambda source: source.__name__)
def test_readfrom_source_fits_limit_exactly_reads_to_end(source, tmp_path):
    """readfrom() finds the end of the source even with no tailroom left."""
    new = pattern(100_000)[:100_000]
    buf = GrowBuffer(b"abc", limit=100_003)
    with source(new, tmp_path) as opened, memoryview(buf) as view:
        assert buf.readfrom(opened) == 100_000
        assert bytes(view) == b"abc"
    assert_holds(buf, b"abc" + new)


@RESERVES
@pytest.mark.parametrize("source", SOURCES, ids=lambda source: source.__name__)
def test_readfrom_source_exceeds_limit_keeps_bytes_up_to_limit(source, tmp_path):
    new = pattern(100_000)[:100_000]
    buf = GrowBuffer(b"abc", limit=90_000)
    with source(new, tmp_path) as opened, memoryview(buf) as view:
        with pytest.raises(MemoryError, match="limit of 90000 bytes$"):
            buf.readfrom(opened)
        assert bytes(view) == b"abc"
    assert_holds(buf, b"abc" + new[: 90_000 - 3])


def drain(opened):
    """Read the rest of a source."""
    if isinstance(opened, int):
        with open(opened, "rb", buffering=0, closefd=False) as file:
            return file.read()
    if not isinstance(opened, socket.socket):
        return opened.read()
    return b"".join(iter(lambda: opened.recv(MIB), b""))


@RESERVES
@pytest.mark.parametrize(
    "source",
    [source for source in SOURCES if source is not tls_socket],
    ids=lambda source: source.__name__,
)
def test_readfrom_source_exceeds_limit_leaves_other_bytes_in_source(source, tmp_path):
    if source is pipe and sys.platform == "win32":
        pytest.skip("Windows cannot look into a pipe")
    new = pattern(100_000)[:100_000]
    buf = GrowBuffer(limit=90_000)
    with source(new, tmp_path) as opened:
        for _ in range(2):
            with pytest.raises(MemoryError, match="limit"):
                buf.readfrom(opened)
        assert drain(opened) == new[90_000:]
        assert buf.readfrom(opened) == 0  # the source has ended
    assert_holds(buf, new[:90_000])


@RESERVES
@ON_LINUX
def test_readfrom_at_limit_asks_pipe_without_taking_bytes():
    reader, writer = os.pipe()
    buf = GrowBuffer(b"abcde", limit=5)
    os.set_blocking(reader, False)
    assert buf.readfrom(reader) is None
    os.write(writer, b"xyz")
    with pytest.raises(MemoryError, match="limit of 5 bytes$"):
        buf.readfrom(reader)
    del buf[:3]
    assert buf.readfrom(reader, 3) == 3
    os.set_blocking(reader, True)
    threading.Timer(0.05, os.close, [writer]).start()
    assert buf.readfrom(reader) == 0  # waits for the end
    os.close(reader)
    assert_holds(buf, b"dexyz")


@RESERVES
@ON_LINUX
@pytest.mark.parametrize("error", [AttributeError, TypeError, ValueError])
@pytest.mark.parametrize("as_file", [False, True], ids=["socket", "file"])
def test_readfrom_at_limit_signal_handler_raises_propagates(as_file, error):
    def raise_error(*_):
        raise error("of the handler")

    buf = GrowBuffer(b"abcde", limit=5)
    ours, theirs = socket.socketpair()
    ours.settimeout(5)  # else a second wait for a byte would not end
    with ours, theirs, ours.makefile("rb") as file:
        source = file if as_file else ours
        alarmed = alarms(raise_error, 0.05)
        with alarmed, pytest.raises(error, match="^of the handler$"):
            buf.readfrom(source)
        theirs.send(b"x")
        with pytest.raises(MemoryError, match="limit of 5 bytes$"):
            buf.readfrom(source)
        assert source.read(1) == b"x" if as_file else source.recv(1) == b"x"
    assert_holds(buf, b"abcde")


@RESERVES
def test_readfrom_at_limit_accepts_end_and_refuses_bytes():
    buf = GrowBuffer(b"abcde", limit=5)
    assert buf.readfrom(Source()) == 0
    assert buf.readfrom(Source(last=lambda view: None)) is None
    assert buf.readfrom(io.BytesIO(b"xyz"), 0) == 0
    with pytest.raises(MemoryError, match="limit of 5 bytes$"):
        buf.readfrom(Source(b"x"))
    with pytest.raises(OSError):
        buf.readfrom(Source(last=lambda view: 2))
    assert_holds(buf, b"abcde")


@ON_LINUX
def test_readfrom_out_of_memory_keeps_bytes():
    code = """
        from growbuf import GrowBuffer
        from growbuf._growbuf import check
        buf = GrowBuffer(b"abc")
        try:
            with open("/dev/zero", "rb", buffering=0) as zeros:
                buf.readfrom(zeros)
        except MemoryError:
            assert buf.count(0) == len(buf) - 3 and check(buf) is None
            del buf[3:]
            buf += b"def"
            print(bytes(buf))
    """
    assert run(code, limit=400 * MIB) == "b'abcdef'"


# -------------------------------------------------------------------------------- leaks


def spare_in_vain(buf):
    for call in (
        lambda: buf.spare(sys.maxsize),
        lambda: buf.commit(1),
        lambda: buf.readfrom(Source(b"x", last=raiser(OSError()))),
        lambda: buf.readfrom(Source(last=lambda view: -5)),
        lambda: buf.readfrom(None),
        lambda: buf.readfrom(-1),
    ):
        try:
            call()
        except Exception:
            continue
        pytest.fail("nothing was raised")


LEAKS = {
    "spare": lambda: GrowBuffer(b"abc").spare(10),
    "commit": lambda: spare_and_commit(GrowBuffer(b"abc")),
    "spare again": lambda: [GrowBuffer(b"abc").spare(n) for n in (10, 20)],
    "readfrom": lambda: GrowBuffer().readfrom(io.BytesIO(b"x" * 100)),
    "readfrom object": lambda: GrowBuffer().readfrom(Source(b"one", b"two")),
    "readfrom nothing": lambda: GrowBuffer().readfrom(Source(last=lambda view: None)),
    "errors": lambda: spare_in_vain(GrowBuffer(b"abc")),
}


def spare_and_commit(buf):
    view = buf.spare(10)
    buf.commit(5)
    return view


@pytest.mark.parametrize("name", LEAKS)
def test_spare_commit_and_readfrom_repeated_leak_no_memory(name):
    assert_no_leak(LEAKS[name])


@ON_LINUX
def test_readfrom_descriptor_repeated_leaks_no_descriptors(tmp_path):
    with descriptor(b"xyz", tmp_path) as number:
        before = len(os.listdir("/proc/self/fd"))
        assert_no_leak(lambda: GrowBuffer().readfrom(number))
        assert len(os.listdir("/proc/self/fd")) == before


class UsesSpare:
    """In a cycle: the collector calls __del__(), which uses and drops the spare."""

    def __init__(self, buf):
        self.buf, self.itself = buf, self

    def __del__(self):
        with suppress(BufferError, ValueError):
            view = self.buf.spare(8)
            part = view[:1]
            self.buf.commit(1)
            self.buf.append(1)
            del part, view


def test_spare_while_a_finalizer_uses_the_spare_leaves_buffer_sound():
    """Before 3.12 making the memoryview may run the garbage collector."""
    buf = GrowBuffer(b"x" * 10)
    buf.spare(8).release()
    thresholds = gc.get_threshold()
    for _ in range(100):
        UsesSpare(buf)
        gc.set_threshold(1)
        with suppress(BufferError):
            buf.spare(8).release()
        gc.set_threshold(*thresholds)
    assert check(buf) is None
    buf.spare(8)[:3] = b"abc"
    buf.commit(3)
    assert buf.endswith(b"abc")


@pytest.mark.parametrize("length", [3, 100, 100_000])
def test_commit_after_removal_of_nothing_appends(length):
    buf = GrowBuffer(b"a" * length)
    buf.append(1)
    view = buf.spare(10)
    view[:2] = b"hi"
    view.release()
    del buf[0:0]
    buf[0:0] = b""
    assert len(buf.take(0)) == 0
    buf.commit(2)
    assert buf == b"a" * length + b"\x01hi"


@RESERVES
@pytest.mark.skipif(os.name == "nt", reason="pipes have no poll() there")
def test_readfrom_of_write_only_descriptor_into_full_buffer_raises_as_a_read():
    reader, writer = os.pipe()
    buf = GrowBuffer(b"full", limit=4)
    try:
        with pytest.raises(OSError, match="Bad file descriptor"):
            buf.readfrom(writer)
    finally:
        os.close(reader)
        os.close(writer)
    assert buf == b"full"
