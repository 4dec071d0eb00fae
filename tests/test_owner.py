"""Test take(), pickling and copies, and growbuf with other libraries."""

import asyncio
import copy
import ctypes
import http.client
import http.server
import io
import multiprocessing
import os
import pickle
import random
import shutil
import socket
import ssl
import sysconfig
import threading
import zlib
from contextlib import suppress
from types import SimpleNamespace

import pytest
from conftest import assert_holds, assert_no_leak
from test_growbuffer import MIB, ON_LINUX, RUNGS, difference, run
from test_tail import fed, send_and_close, tls

import growbuf
from growbuf import GrowBuffer, GrowIO
from growbuf._growbuf import _rebuild, check, facts, place

LARGE = 9 * MIB + 17
MOVES_PARTS = pytest.mark.skipif(
    facts()["strategy"] not in RUNGS[:2],
    reason="a source that moves is unmapped here",
)
RESERVES = pytest.mark.skipif(
    facts()["strategy"] == "heap", reason="address space cannot be reserved here"
)
LIMITS = [None, pytest.param(32 * MIB, marks=RESERVES)]
PROTOCOLS = range(pickle.HIGHEST_PROTOCOL + 1)


def pattern(length):
    return random.Random(length).randbytes(min(length, 99_991)) * (length // 99_991 + 1)


def begun(length, headroom=0, limit=None):
    """Return a buffer of `length` bytes after that much headroom, and its bytes."""
    data = pattern(length + headroom)[: length + headroom]
    buf = GrowBuffer(data, limit=limit)
    del buf[:headroom]
    return buf, data[headroom:]


def address(buf):
    return ctypes.addressof(ctypes.c_char.from_buffer(buf))


# --------------------------------------------------------------------------------- take


@pytest.mark.parametrize("limit", LIMITS)
@pytest.mark.parametrize("headroom", [0, 1, 5000, 2 * MIB + 3])
@pytest.mark.parametrize(
    "nbytes",
    [0, 1, 1000, MIB - 1, MIB, 2 * MIB - 1, 2 * MIB, 4 * MIB + 5, LARGE - 1, LARGE],
)
def test_take_leaves_two_independent_growable_buffers(nbytes, headroom, limit):
    """Both buffers can grow afterwards, also by zeros, each on its own pages."""
    buf, data = begun(LARGE, headroom, limit)
    taken = buf.take(nbytes)
    assert type(taken) is GrowBuffer and taken.limit is None and buf.limit == limit
    assert_holds(taken, data[:nbytes])
    assert_holds(buf, data[nbytes:])
    for part, rest in ((taken, data[:nbytes]), (buf, data[nbytes:])):
        part += b"more"
        part.resize(len(rest) + 3 * MIB)
        assert_holds(part, rest + b"more" + bytes(3 * MIB - 4))
    del buf
    assert taken.startswith(data[:nbytes])


@pytest.mark.parametrize("length", [0, 1, 5, 300_000])
def test_take_from_small_buffer_splits_bytes(length):
    for nbytes in sorted({0, min(1, length), length // 2, length}):
        buf, data = begun(length)
        assert_holds(buf.take(nbytes), data[:nbytes])
        assert_holds(buf, data[nbytes:])
    buf, data = begun(length)
    assert_holds(buf.take(nbytes=None), data)
    assert_holds(buf, b"")
    buf += b"again"
    assert_holds(buf, b"again")


@pytest.mark.parametrize("length", [300, LARGE])
def test_take_all_hands_over_memory_without_copy(length):
    buf, data = begun(length)
    where, before = address(buf), growbuf.stats()
    taken = buf.take()
    assert address(taken) == where and place(buf)[0] == "empty"
    counted = difference(before)
    assert counted["moves"] == counted["copied_bytes"] == counted["spans_live"] == 0
    assert_holds(taken, data)


@MOVES_PARTS
@pytest.mark.parametrize("limit", LIMITS)
def test_take_large_part_moves_pages(limit):
    buf, data = begun(LARGE, limit=limit)
    before = growbuf.stats()
    taken = buf.take(5 * MIB)
    counted = difference(before)
    assert counted["moves"] == 1 and counted["moved_bytes"] == 6 * MIB
    # With a limit, the rest may move to the front.
    stays = LARGE - 5 * MIB if limit else 0
    assert counted["copied_bytes"] <= 2 * MIB + stays
    assert taken == data[: 5 * MIB] and buf == data[5 * MIB :]


@pytest.mark.parametrize("seed", range(4))
def test_take_random_parts_of_stream_joins_to_whole(seed):
    """The parts joined equal the bytes appended. The test's id is the seed."""
    chance, parts, expected = random.Random(seed), [], bytearray()
    buf = GrowBuffer(
        limit=None if seed % 2 or facts()["strategy"] == "heap" else 1 << 26
    )
    for _ in range(150):
        piece = chance.randbytes(1000) * chance.choice([1, 10, 1000, 3000])
        buf += piece
        expected += piece
        while len(buf) > 12 * MIB or (len(buf) and chance.random() < 0.4):
            parts.append(buf.take(chance.randint(0, len(buf))))
            assert check(buf) is None is check(parts[-1])
    assert b"".join([*parts, buf]) == expected


@pytest.mark.parametrize(
    ("nbytes", "error"),
    [
        (-1, ValueError),
        (11, ValueError),
        (1 << 40, ValueError),
        (1 << 64, OverflowError),
        (1.5, TypeError),
        ("1", TypeError),
    ],
)
def test_take_bad_argument_raises_and_keeps_bytes(nbytes, error):
    buf = GrowBuffer(b"0123456789")
    with pytest.raises(error):
        buf.take(nbytes)
    with pytest.raises(TypeError):
        buf.take(1, 2)
    assert_holds(buf, b"0123456789")


def test_take_argument_clears_buffer_raises_value_error():
    """take() converts its argument before it reads the length."""
    buf = GrowBuffer(b"0123456789")

    class Index:
        def __index__(self):
            buf.clear()
            return 5

    with pytest.raises(ValueError, match="cannot take 5 bytes: the buffer holds 0"):
        buf.take(Index())
    assert_holds(buf, b"")


@pytest.mark.parametrize("limit", LIMITS)
@pytest.mark.parametrize("length", [10, LARGE])
@pytest.mark.parametrize("name", ["take", "take some", "freeze", "take_bytes"])
def test_take_and_freeze_under_export_raise_or_keep_view(name, length, limit):
    buf, data = begun(length, limit=limit)
    calls = {
        "take": buf.take,
        "take some": lambda: buf.take(length // 2),
        "freeze": buf.freeze,
        "take_bytes": lambda: buf.take_bytes(length // 2),
    }
    with memoryview(buf) as view:
        where = place(buf)
        if limit is not None:
            taken = calls[name]()
            assert bytes(view) == data and data == bytes(taken) + buf
            return
        with pytest.raises(BufferError):
            calls[name]()
        assert place(buf) == where and bytes(view) == data
    assert_holds(buf, data)
    assert data.startswith(bytes(calls[name]()))


@pytest.mark.parametrize("limit", LIMITS)
@pytest.mark.parametrize("length", [0, 1, 1000, LARGE])
def test_take_bytes_twice_returns_both_parts(length, limit):
    buf, data = begun(length, limit=limit)
    assert buf.take_bytes(length // 3) == data[: length // 3]
    assert_holds(buf, data[length // 3 :])
    rest = buf.take_bytes()
    assert type(rest) is bytes and rest == data[length // 3 :]
    assert_holds(buf, b"")
    assert buf.limit == limit


def test_take_while_another_thread_appends_loses_no_bytes():
    buf, parts, done = GrowBuffer(), [], threading.Event()
    piece = pattern(50_000)[:50_000]

    def take():
        while not done.is_set() or len(buf):
            try:
                parts.append(buf.take(min(len(buf), 2 * MIB)))
            except (BufferError, ValueError):
                pass

    taker = threading.Thread(target=take)
    taker.start()
    for _ in range(400):
        while True:
            try:
                buf += piece
            except BufferError:
                continue
            break
    done.set()
    taker.join()
    assert b"".join(parts) == piece * 400 and check(buf) is None


TAKE_ON_A_RUNG = """
    import random
    from growbuf import GrowBuffer, GrowIO
    from growbuf._growbuf import check
    chance, buf, expected = random.Random(5), GrowBuffer(), bytearray()
    for _ in range(40):
        piece = chance.randbytes(997) * chance.choice([1, 1000, 3000])
        buf += piece
        expected += piece
        nbytes = chance.randint(0, len(buf))
        taken = buf.take(nbytes)
        assert taken == expected[:nbytes] and check(taken) is None
        del expected[:nbytes]
        assert buf == expected and check(buf) is None
        taken.resize(nbytes + 3_000_000)
        assert taken.count(0, nbytes) == 3_000_000
    frozen = buf.freeze()
    assert frozen == expected and len(buf) == 0
    print("fine")
"""


@ON_LINUX
@pytest.mark.parametrize("rung", RUNGS)
def test_take_and_freeze_on_each_rung_keep_bytes(rung):
    assert run(TAKE_ON_A_RUNG, env={"GROWBUF_STRATEGY": rung}) == "fine"


# ----------------------------------------------------------------------------- pickling


class Labelled(GrowBuffer):
    """A subclass with attributes, at module level so that pickle finds it."""


def labelled(data):
    buf = Labelled(data)
    buf.label = ["a list"]
    return buf


KINDS = [GrowBuffer, labelled]


@pytest.mark.parametrize("make", KINDS, ids=["GrowBuffer", "subclass"])
@pytest.mark.parametrize("length", [0, 5, LARGE])
@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_pickle_in_band_restores_type_and_attributes(protocol, length, make):
    data = pattern(length)[:length]
    buf = make(data)
    again = pickle.loads(pickle.dumps(buf, protocol))
    assert type(again) is type(buf) and vars_of(again) == vars_of(buf)
    assert_holds(again, data)
    again.append(1)
    assert_holds(buf, data)
    buf.append(2)  # raises BufferError if an export remains


def vars_of(buf):
    return getattr(buf, "__dict__", {})


@pytest.mark.parametrize("make", KINDS, ids=["GrowBuffer", "subclass"])
@pytest.mark.parametrize("length", [0, 5, LARGE])
def test_pickle_out_of_band_returns_same_buffer(length, make):
    data = pattern(length)[:length]
    buf, buffers = make(data), []
    pickled = pickle.dumps(buf, 5, buffer_callback=buffers.append)
    assert len(pickled) < 200
    with buffers[0].raw() as raw:
        assert raw.nbytes == length and raw == data and not raw.readonly
        if length:
            raw[0] ^= 255
            assert buf[0] == raw[0]
            raw[0] ^= 255
    again = pickle.loads(pickled, buffers=buffers)
    assert again is buf
    buffers[0].release()
    buf.append(1)
    assert_holds(buf, data + b"\x01")


CARRIERS = {
    "bytes": bytes,
    "bytearray": bytearray,
    "memoryview of bytes": memoryview,
    "read-only view": lambda data: memoryview(GrowBuffer(data)).toreadonly(),
    "frozen": lambda data: GrowBuffer(data).freeze(),
    "part": lambda data: memoryview(GrowBuffer(b"x" + data))[1:],
    "beginning": lambda data: memoryview(GrowBuffer(data + b"x"))[:-1],
    "backwards": lambda data: memoryview(GrowBuffer(data[::-1]))[::-1],
    "of another type": lambda data: memoryview(Labelled(data)),
}


@pytest.mark.parametrize("length", [5, LARGE])
@pytest.mark.parametrize("name", CARRIERS)
def test_unpickle_from_other_buffer_type_copies_bytes(name, length):
    data = pattern(length)[:length]
    pickled = pickle.dumps(GrowBuffer(data), 5, buffer_callback=lambda buffer: False)
    carrier = CARRIERS[name](data)
    again = pickle.loads(pickled, buffers=[carrier])
    assert type(again) is GrowBuffer
    again[0] ^= 255
    again.append(1)
    assert_holds(again[1:], data[1:] + b"\x01")
    assert bytes(carrier) == data


@pytest.mark.parametrize("whole", [lambda buf: buf, memoryview, pickle.PickleBuffer])
def test_unpickle_from_growbuffer_returns_that_buffer(whole):
    """Unpickling returns the GrowBuffer received into, also for a subclass."""
    data = pattern(LARGE)[:LARGE]
    for make, kind in ((GrowBuffer, GrowBuffer), (labelled, Labelled)):
        pickled = pickle.dumps(make(data), 5, buffer_callback=lambda buffer: False)
        received = kind()
        received.readfrom(io.BytesIO(data))
        again = pickle.loads(pickled, buffers=[whole(received)])
        assert again is received
        assert vars_of(again) == ({"label": ["a list"]} if kind is Labelled else {})


def test_unpickle_numpy_array_from_growbuffer_shares_memory():
    numpy = pytest.importorskip("numpy")
    array, buffers = numpy.arange(100_000), []
    pickled = pickle.dumps(array, 5, buffer_callback=buffers.append)
    received = GrowBuffer(buffers[0])
    again = pickle.loads(pickled, buffers=[received])
    assert (again == array).all()
    received[0] = 77
    assert again[0] == 77
    with pytest.raises(BufferError):
        received.append(1)


def test_reduce_ex_and_rebuild_bad_arguments_raise_type_error():
    buf = GrowBuffer(b"abc")
    for call in (
        lambda: buf.__reduce_ex__("5"),
        lambda: buf.__reduce_ex__(),
        lambda: _rebuild(5),
        lambda: _rebuild("abc"),
        lambda: _rebuild(),
        lambda: _rebuild(b"abc", bytearray),
        lambda: _rebuild(b"abc", GrowBuffer()),
        lambda: _rebuild(b"abc", GrowBuffer, 1),
        lambda: _rebuild(bytes=b"abc"),
        lambda: object.__new__(_rebuild),
    ):
        with pytest.raises(TypeError):
            call()
    buf.append(1)


@pytest.mark.parametrize("limit", LIMITS)
@pytest.mark.parametrize("length", [0, 5, LARGE])
@pytest.mark.parametrize("copied", [copy.copy, copy.deepcopy])
def test_copy_after_append_leaves_original_unchanged(copied, length, limit):
    buf, data = begun(length, limit=limit)
    again = copied(buf)
    assert type(again) is GrowBuffer and again.limit is None
    again += b"x"
    buf += b"y"
    assert_holds(again, data + b"x")
    assert_holds(buf, data + b"y")


def test_copy_of_subclass_copies_attributes():
    buf = labelled(b"abc")
    shallow, deep = copy.copy(buf), copy.deepcopy(buf)
    assert type(shallow) is type(deep) is Labelled and shallow == deep == b"abc"
    assert shallow.label is buf.label
    assert deep.label == buf.label and deep.label is not buf.label


def test_deepcopy_of_subclass_referring_to_itself_refers_to_copy():
    buf = labelled(b"abc")
    buf.label = [buf]
    deep = copy.deepcopy(buf)
    assert deep is not buf and deep.label[0] is deep and deep == b"abc"


def test_copy_of_subclass_with_reduce_ex_calls_it():
    class Reduced(GrowBuffer):
        def __reduce_ex__(self, protocol):
            return Reduced, (b"reduced",)

    assert copy.copy(Reduced(b"abc")) == copy.deepcopy(Reduced(b"abc")) == b"reduced"


def test_rebuild_is_a_type_that_returns_growbuffers():
    """The pickler finds the name of a type by itself. It asks a function for it."""
    assert type(_rebuild) is type
    assert type(_rebuild(b"abc")) is type(_rebuild(*[b"abc"])) is GrowBuffer
    assert _rebuild(b"abc") == b"abc"


def test_reduce_ex_of_growbuffer_names_one_callable():
    """Pickling getattr() and the class would cost twice as much."""
    for protocol in range(3, pickle.HIGHEST_PROTOCOL + 1):
        reduced = GrowBuffer(b"abc").__reduce_ex__(protocol)
        assert reduced[0] is _rebuild and len(reduced) == 2 and len(reduced[1]) == 1


# ---------------------------------------------------------------------------- processes


def answer(connection, queue, buf):
    """Run in a child process: send each object back the way it was received."""
    buf[0] = ord("A")
    buf += b" came as an argument"
    connection.send(buf)
    connection.send_bytes(buf)
    received = connection.recv()
    received += b" came through a pipe"
    queue.put(received)
    into = GrowBuffer()
    into.commit(connection.recv_bytes_into(into.spare(LARGE)))
    connection.send((type(buf) is type(received) is GrowBuffer, into))
    connection.close()


@ON_LINUX
@pytest.mark.parametrize("method", ["fork", "spawn"])
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_multiprocessing_pipe_and_queue_transfer_bytes(method):
    context = multiprocessing.get_context(method)
    ours, theirs = context.Pipe()
    queue = context.SimpleQueue()
    buf, data = begun(LARGE)
    process = context.Process(target=answer, args=(theirs, queue, buf))
    process.start()
    theirs.close()
    came = b"A" + data[1:] + b" came as an argument"
    assert_holds(ours.recv(), came)
    assert ours.recv_bytes() == came
    ours.send(buf)
    assert_holds(queue.get(), data + b" came through a pipe")
    ours.send_bytes(memoryview(buf)[:100_000])
    same, into = ours.recv()
    assert same
    assert_holds(into, data[:100_000])
    process.join()
    assert process.exitcode == 0
    assert_holds(buf, data)


@ON_LINUX
@pytest.mark.parametrize("limit", LIMITS)
@pytest.mark.parametrize("length", [100, LARGE])
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_write_in_forked_child_leaves_parent_unchanged(length, limit):
    buf, data = begun(length, limit=limit)
    frozen = GrowBuffer(data).freeze()
    child = os.fork()
    if child == 0:
        buf[0] ^= 255
        buf += b"child"
        taken = buf.take(length)
        fine = taken[1:] == data[1:] and buf == b"child" and frozen == data
        os._exit(0 if fine and check(buf) is None is check(taken) else 1)
    assert os.waitpid(child, 0)[1] == 0
    assert_holds(buf, data)
    assert frozen == data


# ------------------------------------------------------------- system calls and sockets


@ON_LINUX
def test_readv_and_preadv_into_spare_append_bytes(tmp_path):
    data = pattern(300_000)[:300_000]
    (tmp_path / "data").write_bytes(data)
    head, body = GrowBuffer(), GrowBuffer(b"body:")
    with open(tmp_path / "data", "rb", buffering=0) as file:
        views = head.spare(12)[:12], body.spare(100_000)[:100_000]
        assert os.readv(file.fileno(), views) == 100_012
        head.commit(12)
        body.commit(100_000)
        del views
        body.commit(os.preadv(file.fileno(), [body.spare(500)[:500]], 299_900))
    assert_holds(head, data[:12])
    assert_holds(body, b"body:" + data[12:100_012] + data[299_900:])


def receive(sock, buf):
    """Fill a buffer from a socket by a loop of spare(), recv_into() and commit()."""
    while nbytes := sock.recv_into(buf.spare()):
        buf.commit(nbytes)
    return buf


def test_recv_into_spare_from_socket_receives_all_bytes():
    ours, theirs = socket.socketpair()
    data = pattern(LARGE)[:LARGE]
    with fed(send_and_close(theirs), data), ours:
        assert_holds(receive(ours, GrowBuffer(b">")), b">" + data)


def test_recv_into_spare_from_tls_socket_receives_all_bytes():
    ours, theirs = socket.socketpair()
    data = pattern(LARGE)[:LARGE]

    def serve(data):
        context = tls(ssl.PROTOCOL_TLS_SERVER)
        with context.wrap_socket(theirs, server_side=True) as sock:
            sock.sendall(GrowBuffer(data))
            sock.unwrap()

    with fed(serve, data), tls(ssl.PROTOCOL_TLS_CLIENT).wrap_socket(ours) as sock:
        assert_holds(receive(sock, GrowBuffer()), data)


class Pages(http.server.BaseHTTPRequestHandler):
    """Serve one page: with its length, in chunks, or until the connection closes."""

    protocol_version = "HTTP/1.1"
    body = pattern(3 * MIB)[: 3 * MIB]

    def do_GET(self):
        self.send_response(200)
        if self.path == "/length":
            self.send_header("Content-Length", str(len(self.body)))
        elif self.path == "/chunked":
            self.send_header("Transfer-Encoding", "chunked")
        else:
            self.send_header("Connection", "close")
        self.end_headers()
        for at in range(0, len(self.body), 99_999):
            piece = self.body[at : at + 99_999]
            framed = b"%x\r\n%b\r\n" % (len(piece), piece)
            self.wfile.write(framed if self.path == "/chunked" else piece)
        self.wfile.write(b"0\r\n\r\n" if self.path == "/chunked" else b"")

    def log_message(self, *_):
        pass


@pytest.mark.parametrize("path", ["/length", "/chunked", "/close"])
def test_readfrom_http_response_reads_whole_body(path):
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Pages) as server:
        threading.Thread(target=server.serve_forever, args=(0.01,)).start()
        connection = http.client.HTTPConnection(*server.server_address)
        try:
            connection.request("GET", path)
            buf = GrowBuffer()
            assert buf.readfrom(connection.getresponse()) == len(Pages.body)
        finally:
            connection.close()
            server.shutdown()
    assert_holds(buf, Pages.body)


class Receiver(asyncio.BufferedProtocol):
    """A protocol that makes the event loop receive into the buffer's tail."""

    def __init__(self):
        self.buf = GrowBuffer()
        self.closed = asyncio.get_running_loop().create_future()

    def get_buffer(self, sizehint):
        return self.buf.spare()

    def buffer_updated(self, nbytes):
        self.buf.commit(nbytes)

    def connection_lost(self, error):
        self.closed.set_result(error)


async def download(data, by_tls):
    async def serve(reader, writer):
        writer.write(data)
        await writer.drain()
        writer.close()

    serving = tls(ssl.PROTOCOL_TLS_SERVER) if by_tls else None
    asking = tls(ssl.PROTOCOL_TLS_CLIENT) if by_tls else None
    server = await asyncio.start_server(serve, "127.0.0.1", 0, ssl=serving)
    async with server:
        port = server.sockets[0].getsockname()[1]
        loop = asyncio.get_running_loop()
        _, receiver = await loop.create_connection(
            Receiver,
            "127.0.0.1",
            port,
            ssl=asking,
            server_hostname="" if asking else None,
        )
        assert await asyncio.wait_for(receiver.closed, 60) is None
    return receiver.buf


@pytest.mark.parametrize("by_tls", [False, True], ids=["tcp", "tls"])
def test_asyncio_buffered_protocol_receives_all_bytes(by_tls):
    data = pattern(LARGE)[:LARGE]
    buf = asyncio.run(download(data, by_tls))
    assert_holds(buf, data)
    buf.append(1)


# ---------------------------------------------------------------------- other libraries


def writer(buf):
    """Return an object with write() and flush(), to pass as a file to write to."""
    return SimpleNamespace(write=buf.extend, flush=lambda: None)


def test_zlib_with_taken_and_frozen_bytes_round_trips():
    data = pattern(LARGE)[:LARGE]
    packed, unpacked = GrowBuffer(zlib.compress(data, 1)), GrowBuffer()
    unpacker = zlib.decompressobj()
    while packed:
        unpacked += unpacker.decompress(packed.take(min(99_999, len(packed))))
    unpacked += unpacker.flush()
    assert unpacker.eof
    assert_holds(unpacked, data)
    assert zlib.decompress(zlib.compress(unpacked.freeze())) == data


def test_copyfileobj_into_extend_appends_all_bytes():
    data = pattern(LARGE)[:LARGE]
    buf = GrowBuffer(b">")
    shutil.copyfileobj(io.BytesIO(data), writer(buf), 65_536)
    assert_holds(buf, b">" + data)


def test_file_write_of_buffer_and_frozen_bytes_writes_all(tmp_path):
    buf, data = begun(LARGE)
    with open(tmp_path / "data", "wb", buffering=0) as file:
        assert file.write(buf) == LARGE
        assert os.pwrite(file.fileno(), buf.freeze(), LARGE) == LARGE
    assert (tmp_path / "data").read_bytes() == data * 2


def test_numpy_save_and_frombuffer_of_frozen_bytes_round_trip():
    numpy = pytest.importorskip("numpy")
    buf, array = GrowBuffer(), numpy.arange(100_000.0)
    numpy.save(writer(buf), array)
    assert (numpy.load(io.BytesIO(buf)) == array).all()
    frozen = numpy.frombuffer(buf.freeze(), "<f8", offset=128)
    assert not frozen.flags.writeable and (frozen == array).all()


def test_pyarrow_buffer_of_growbuffer_shares_memory():
    pyarrow = pytest.importorskip("pyarrow")
    table = pyarrow.table({"x": range(100_000)})
    sink = pyarrow.BufferOutputStream()
    with pyarrow.ipc.new_stream(sink, table.schema) as stream:
        stream.write_table(table)
    buf = GrowBuffer()
    buf.readfrom(io.BytesIO(sink.getvalue()))
    shown = pyarrow.py_buffer(buf)
    assert shown.address == address(buf) and shown.size == len(buf) and shown.is_mutable
    with pytest.raises(BufferError):
        buf.append(1)
    del shown
    kind, where = place(buf)[0], address(buf)
    frozen = pyarrow.py_buffer(buf.freeze())
    assert not frozen.is_mutable
    copied = kind == "heap" or sysconfig.get_config_var("Py_GIL_DISABLED")
    assert copied or frozen.address == where
    assert pyarrow.ipc.open_stream(frozen).read_all() == table


@pytest.mark.parametrize("name", ["PNG", "BMP", "JPEG"])
def test_pillow_save_into_extend_writes_same_file(name):
    image_module = pytest.importorskip("PIL.Image")
    pixels = GrowBuffer(pattern(640 * 480)[: 640 * 480])
    image = image_module.frombuffer("L", (640, 480), pixels, "raw", "L", 0, 1)
    buf, expected = GrowBuffer(), io.BytesIO()
    image.save(writer(buf), name)
    image.save(expected, name)
    assert_holds(buf, expected.getvalue())
    if name != "JPEG":
        assert image_module.open(io.BytesIO(buf)).tobytes() == pixels


# -------------------------------------------------------------------------------- leaks


def in_vain(call, *args):
    with memoryview(GrowBuffer(b"abc")) as view:
        try:
            getattr(view.obj, call)(*args)
        except (BufferError, ValueError, TypeError):
            return
    raise AssertionError("nothing was raised")


def rebuild_in_vain():
    with suppress(TypeError):
        _rebuild(5)


def value_and_write():
    file = GrowIO()
    for _ in range(3):
        file.write(b"x" * 100_000)
        file.getvalue()
    value = file.getvalue()
    file.write(b"y")
    return value


LEAKS = {
    "take all": lambda: GrowBuffer(b"x" * 1000).take(),
    "take some": lambda: GrowBuffer(b"x" * 1000).take(10),
    "take much": lambda: GrowBuffer(3 * MIB).take(2 * MIB),
    "take in vain": lambda: [
        in_vain("take"),
        in_vain("take", -1),
        in_vain("take", "1"),
    ],
    "freeze": lambda: bytes(GrowBuffer(b"x" * 1000).freeze()),
    "freeze some": lambda: GrowBuffer(b"x" * 1000).freeze(10),
    "freeze much": lambda: GrowBuffer(3 * MIB).freeze(2 * MIB),
    "freeze all": lambda: GrowBuffer(100_000).freeze(),
    "pickle frozen": lambda: there_and_back(GrowBuffer(100_000).freeze()),
    "value and write": value_and_write,
    "freeze in vain": lambda: in_vain("freeze"),
    "pickle": lambda: pickle.loads(pickle.dumps(GrowBuffer(b"abc"), 5)),
    "pickle a subclass": lambda: pickle.loads(pickle.dumps(labelled(b"abc"), 5)),
    "pickle out of band": lambda: there_and_back(GrowBuffer(b"abc")),
    "copy": lambda: copy.deepcopy(GrowBuffer(b"abc")),
    "rebuild": lambda: _rebuild(pickle.PickleBuffer(GrowBuffer(b"abc"))),
    "rebuild in vain": rebuild_in_vain,
    "copy a subclass": lambda: copy.deepcopy(labelled(b"abc")),
}


def there_and_back(buf):
    buffers = []
    pickled = pickle.dumps(buf, 5, buffer_callback=buffers.append)
    return pickle.loads(pickled, buffers=buffers)


@pytest.mark.parametrize("name", LEAKS)
def test_take_freeze_pickle_and_copy_repeated_leak_no_memory(name):
    assert_no_leak(LEAKS[name])


def test_take_and_freeze_repeated_leak_no_spans():
    growbuf.trim()
    before = growbuf.stats()
    for _ in range(50):
        for limit in [None] if facts()["strategy"] == "heap" else [None, 32 * MIB]:
            buf, _ = begun(LARGE, limit=limit)
            parts = [buf.take(2 * MIB), buf.take(10), buf.freeze(2 * MIB)]
            parts += [buf.freeze(), buf.take()]
            del buf, parts
    growbuf.trim()
    counted = difference(before)
    assert counted["spans_live"] == counted["pool_spans"] == 0
