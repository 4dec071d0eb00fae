"""What `bench` measures: libraries that collect data of unknown length, case by case.

A *case* is one job, such as extending by 64 KiB. A *peer* is one library that does the
job, in the best way that it has. A *builder* gives all peers the same interface, so
that the same code runs the job for all of them.
"""

import array
import collections
import collections.abc
import io
import mmap
import os
import socket
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from functools import partial
from importlib.util import find_spec
from typing import Any, NamedTuple

import growbuf
from growbuf import GrowBuffer, GrowIO

PATTERN = bytes(range(256)) * 256
PACKAGES = {"numpy_da": "numpy-dynamic-array"}  # module: package, if the names differ
READ_NBYTES = 64 << 10
PIECE_NBYTES = 4 << 10
INTERLEAVED = 16  # results that grow in turn
REBUILD_NBYTES = 4 << 20
BLOCK_ITEMS = 1024
QUADRATIC_PIECES = 256  # for peers that copy everything for each piece
PER_ITEM_NBYTES = 256 << 10  # for peers that take a microsecond for each item


class Builder(NamedTuple):
    """Functions that build one result with one library.

    `add` adds a piece. `finish` returns all pieces as one object. These are optional:
    `append` adds a single item. `window` is an object from whose front `del` can remove
    items. One byte of data is `items_per_byte` of these items. `keeps` says that the
    library keeps a reference to each piece until the end, so each piece must be a new
    object.
    """

    add: Callable[[Any], Any]
    finish: Callable[[], Any]
    append: Callable[[Any], Any] | None = None
    window: Any = None
    items_per_byte: int = 1
    keeps: bool = False


class Peer(NamedTuple):
    """A library. `begin(nbytes)` makes a builder. `module` is the module that it needs.

    `max_nbytes(piece_nbytes)` limits the length of the data for a slow peer: one that
    copies everything for each piece, or that runs Python code for each byte. A peer
    that copies everything takes less time for each byte if the data is shorter. So the
    limit makes that peer look better, not worse.
    """

    begin: Callable[[int], Builder]
    module: str | None = None
    max_nbytes: Callable[[int], int] | None = None


def quadratic(piece_nbytes: int) -> int:
    """Return the `max_nbytes` of a peer that copies everything for each piece."""
    return piece_nbytes * QUADRATIC_PIECES


def slow(piece_nbytes: int) -> int:
    """Return the `max_nbytes` of a peer that runs Python code for each byte or item."""
    return PER_ITEM_NBYTES


def is_installed(peer: Peer) -> bool:
    return peer.module is None or find_spec(peer.module) is not None


# ------------------------------------------------------------------ builders of bytes


def grow_buffer(nbytes):
    buf = GrowBuffer()
    return Builder(buf.extend, lambda: buf, buf.append, buf)


def grow_io(nbytes):
    file = GrowIO()
    return Builder(file.write, lambda: file.buffer)


def byte_array(nbytes):
    buf = bytearray()
    return Builder(buf.extend, lambda: buf, buf.append, buf)


def bytes_io(nbytes):
    file = io.BytesIO()
    return Builder(file.write, file.getvalue)


def list_join(nbytes):
    pieces = []
    return Builder(pieces.append, lambda: b"".join(pieces), keeps=True)


def array_array(nbytes):
    grown = array.array("B")
    return Builder(grown.frombytes, lambda: grown, grown.append, grown)


def anonymous(nbytes):
    return mmap.mmap(-1, nbytes, mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)


def mmap_resize(nbytes):
    """Double the length of a mapping when it is full.

    The mapping is private, because a write to the new part of a shared mapping raises
    SIGBUS.
    """
    memory, length = anonymous(mmap.PAGESIZE), 0

    def add(piece):
        nonlocal length
        end = length + len(piece)
        if end > len(memory):
            memory.resize(max(end, 2 * len(memory)))
        memory[length:end] = piece
        length = end

    return Builder(add, lambda: memory)


def numpy_append(nbytes):
    import numpy as np

    grown = np.empty(0, np.uint8)

    def add(piece):
        nonlocal grown
        grown = np.append(grown, np.frombuffer(piece, np.uint8))

    return Builder(add, lambda: grown)


def numpy_concatenate(nbytes):
    import numpy as np

    pieces = []
    return Builder(
        lambda piece: pieces.append(np.frombuffer(piece, np.uint8)),
        lambda: np.concatenate(pieces),
        keeps=True,
    )


def numpy_empty(nbytes):
    """Fill an array that has its final length from the start, so it never grows."""
    import numpy as np

    filled, length = np.empty(nbytes, np.uint8), 0
    memory = memoryview(filled)

    def add(piece):
        nonlocal length
        end = length + len(piece)
        memory[length:end] = piece
        length = end

    return Builder(add, lambda: filled)


def pyarrow_stream(nbytes):
    import pyarrow

    stream = pyarrow.BufferOutputStream()
    return Builder(stream.write, stream.getvalue)


def pyarrow_builder(nbytes):
    """Use the builder of strings: pyarrow has no other builder in Python."""
    from pyarrow.lib import StringBuilder

    builder = StringBuilder()
    return Builder(builder.append, builder.finish)


def bit_array(nbytes):
    import bitarray

    bits = bitarray.bitarray()
    return Builder(bits.frombytes, lambda: bits, window=bits, items_per_byte=8)


def gap_buffer(nbytes):
    # The package imports this name, which Python 3.10 removed.
    collections.MutableSequence = collections.abc.MutableSequence
    from bytegapbuffer import bytegapbuffer

    buf = bytegapbuffer()
    return Builder(buf.extend, lambda: buf, buf.append, buf)


BYTES = {
    "GrowBuffer": Peer(grow_buffer),
    "GrowIO": Peer(grow_io),
    "bytearray": Peer(byte_array),
    "io.BytesIO": Peer(bytes_io),
    "list + join": Peer(list_join),
    "array.array": Peer(array_array),
    "mmap.resize": Peer(mmap_resize),
    "np.append": Peer(numpy_append, "numpy", quadratic),
    "np.concatenate": Peer(numpy_concatenate, "numpy"),
    "np.empty": Peer(numpy_empty, "numpy"),
    "pyarrow stream": Peer(pyarrow_stream, "pyarrow"),
    "pyarrow builder": Peer(pyarrow_builder, "pyarrow"),
    "bitarray": Peer(bit_array, "bitarray"),
    "bytegapbuffer": Peer(gap_buffer, "bytegapbuffer", slow),
}


# ---------------------------------------------------------------- builders of float64


def grow_array(nbytes):
    grown = growbuf.GrowArray()
    return Builder(grown.extend, lambda: grown.array, grown.append)


def list_of_floats(nbytes):
    import numpy as np

    items = []
    return Builder(items.extend, lambda: np.array(items), items.append)


def array_of_doubles(nbytes):
    import numpy as np

    grown = array.array("d")
    return Builder(
        lambda block: grown.frombytes(block.data.cast("B")),
        lambda: np.frombuffer(grown),
        grown.append,
    )


def doubles_in_bytearray(nbytes):
    import numpy as np

    grown = bytearray()
    return Builder(lambda block: grown.extend(block.data), lambda: np.frombuffer(grown))


def numpy_append_floats(nbytes):
    import numpy as np

    grown = np.empty(0)

    def add(block):
        nonlocal grown
        grown = np.append(grown, block)

    return Builder(add, lambda: grown, add)


def numpy_concatenate_floats(nbytes):
    import numpy as np

    blocks = []
    return Builder(
        lambda block: blocks.append(block.copy()), lambda: np.concatenate(blocks)
    )


def numpy_empty_floats(nbytes):
    import numpy as np

    filled, length = np.empty(nbytes // 8), 0

    def add(block):
        nonlocal length
        end = length + len(block)
        filled[length:end] = block
        length = end

    def append(item):
        nonlocal length
        filled[length] = item
        length += 1

    return Builder(add, lambda: filled, append)


def dynarray_floats(nbytes):
    from dynarray import DynamicArray

    grown = DynamicArray()
    return Builder(grown.extend, lambda: grown[:], grown.append)


def numpy_da_floats(nbytes):
    from numpy_da import DynamicArray

    grown = DynamicArray()
    return Builder(grown.append, lambda: grown.data, grown.append)


def awkward_floats(nbytes):
    import awkward
    import numpy as np

    grown = awkward.ArrayBuilder()
    return Builder(grown.extend, lambda: np.asarray(grown.snapshot()), grown.real)


def pyarrow_items(nbytes):
    """Collect numbers in a list: pyarrow has no builder of numbers in Python."""
    import pyarrow

    items = []
    return Builder(items.extend, lambda: pyarrow.array(items), items.append)


def pyarrow_blocks(nbytes):
    import pyarrow

    blocks = []
    return Builder(
        lambda block: blocks.append(pyarrow.array(block.copy())),
        lambda: pyarrow.concat_arrays(blocks),
    )


ITEMS = {
    "GrowArray": Peer(grow_array, "numpy"),
    "list": Peer(list_of_floats, "numpy"),
    "array.array": Peer(array_of_doubles, "numpy"),
    "np.append": Peer(numpy_append_floats, "numpy", quadratic),
    "np.empty": Peer(numpy_empty_floats, "numpy"),
    "pyarrow.array": Peer(pyarrow_items, "pyarrow"),
    "awkward": Peer(awkward_floats, "awkward"),
    "dynarray": Peer(dynarray_floats, "dynarray"),
    "numpy-dynamic-array": Peer(numpy_da_floats, "numpy_da"),
}
BLOCKS = {
    "GrowArray": ITEMS["GrowArray"],
    "bytearray": Peer(doubles_in_bytearray, "numpy"),
    "array.array": ITEMS["array.array"],
    "np.append": ITEMS["np.append"],
    "np.concatenate": Peer(numpy_concatenate_floats, "numpy"),
    "np.empty": ITEMS["np.empty"],
    "pyarrow.concat": Peer(pyarrow_blocks, "pyarrow"),
    "awkward": Peer(awkward_floats, "awkward", slow),
    "dynarray": ITEMS["dynarray"],
    "numpy-dynamic-array": ITEMS["numpy-dynamic-array"],
}


# ---------------------------------------------------------------------------- cases


class Case(NamedTuple):
    """One job, for several peers.

    `run(begin, argument)` is timed. Before it, the context manager
    `make_argument(nbytes)` makes the argument, such as a file; by default it is
    `nbytes` itself. The length of the result is `share` times the size that the user
    asks for.
    """

    doc: str
    run: Callable[[Callable[[int], Builder], Any], Any]
    peers: dict[str, Peer]
    share: float = 1
    piece_nbytes: int = READ_NBYTES
    make_argument: Callable[[int], Any] = nullcontext

    def nbytes(self, name: str, size: int) -> int:
        """Return the length of a peer's result if the user asks for `size`."""
        nbytes, limit = int(size * self.share), self.peers[name].max_nbytes
        if limit is not None:
            nbytes = min(nbytes, limit(self.piece_nbytes))
        return max(1, nbytes // self.piece_nbytes) * self.piece_nbytes


def build(piece_nbytes):
    """Return a job that adds pieces of this length."""
    piece = PATTERN[:piece_nbytes]
    own = partial(bytes, memoryview(piece))

    def run(begin, nbytes):
        builder = begin(nbytes)
        add = builder.add
        if builder.keeps:
            for _ in range(nbytes // piece_nbytes):
                add(own())
        else:
            for _ in range(nbytes // piece_nbytes):
                add(piece)
        return builder.finish()

    return run


def by_byte(begin, nbytes):
    """Append bytes one by one, or pieces of one byte if the peer cannot append."""
    builder = begin(nbytes)
    add, item = (builder.append, 7) if builder.append else (builder.add, b"\7")
    for _ in range(nbytes):
        add(item)
    return builder.finish()


def rebuild(begin, nbytes):
    """Build a result of 4 MiB and drop it, many times."""
    run = build(READ_NBYTES)
    for _ in range(max(1, nbytes // REBUILD_NBYTES)):
        run(begin, min(nbytes, REBUILD_NBYTES))


def slide(begin, nbytes):
    """Add pieces, and delete from the front what is more than half of `nbytes`."""
    builder, piece = begin(nbytes), PATTERN
    window, front = builder.window, len(piece) * builder.items_per_byte
    max_items = nbytes // 2 * builder.items_per_byte
    for _ in range(nbytes // len(piece)):
        builder.add(piece)
        if len(window) > max_items:
            del window[:front]
    return window


def interleaved(begin, nbytes):
    """Build 16 results at once: add a piece to each in turn."""
    builders = [begin(nbytes // INTERLEAVED) for _ in range(INTERLEAVED)]
    own = partial(bytes, memoryview(PATTERN[:PIECE_NBYTES]))
    for _ in range(nbytes // INTERLEAVED // PIECE_NBYTES):
        for builder in builders:
            builder.add(own())
    return [builder.finish() for builder in builders]


def call(job, argument):
    """Run a job whose peers are functions of the argument, not builders."""
    return job(argument)


# ------------------------------------------------------------- from files and sockets


def drain(begin, source):
    """Read a file or a socket to its end, piece by piece, into a builder."""
    builder, read = begin(0), getattr(source, "recv", None) or source.read
    while piece := read(READ_NBYTES):
        builder.add(piece)
    return builder.finish()


def readfrom(source):
    buf = GrowBuffer()
    buf.readfrom(source)
    return buf


def numpy_fromfile(file):
    import numpy as np

    return np.fromfile(file, np.uint8)


@contextmanager
def file_of(nbytes: int) -> Iterator[io.FileIO]:
    with tempfile.TemporaryFile(buffering=0) as file:
        for _ in range(nbytes // len(PATTERN)):
            file.write(PATTERN)
        file.seek(0)
        yield file


@contextmanager
def socket_of(nbytes: int) -> Iterator[socket.socket]:
    """Provide a connected socket to which a child process sends `nbytes` bytes."""
    server = socket.create_server(("127.0.0.1", 0))
    child = os.fork()
    if child == 0:
        peer, _ = server.accept()
        for _ in range(nbytes // len(PATTERN)):
            peer.sendall(PATTERN)
        os._exit(0)
    with server, socket.create_connection(server.getsockname()) as sock:
        yield sock
    os.waitpid(child, 0)


# ----------------------------------------------------------------------------- zeros


def numpy_zeros(nbytes):
    import numpy as np

    return np.zeros(nbytes, np.uint8)


def bitarray_zeros(nbytes):
    import bitarray.util

    return bitarray.util.zeros(8 * nbytes)


ZEROS = {
    "GrowBuffer": Peer(GrowBuffer),
    "bytearray": Peer(bytearray),
    "io.BytesIO": Peer(lambda nbytes: io.BytesIO(bytes(nbytes))),
    "array.array": Peer(lambda nbytes: array.array("B", [0]) * nbytes),
    "mmap": Peer(anonymous),
    "np.zeros": Peer(numpy_zeros, "numpy"),
    "bitarray": Peer(bitarray_zeros, "bitarray"),
}

# ------------------------------------------------------------------------- the table


def draining(**special):
    """Return the peers that read a source to its end, and those of `special`.

    np.empty is not one of them, because it needs to know the length beforehand.
    """
    peers = {
        name: peer._replace(begin=partial(drain, peer.begin))
        for name, peer in BYTES.items()
        if name != "np.empty"
    }
    return {**peers, "GrowBuffer": Peer(readfrom), **special}


def floats(begin, items):
    """Append Python floats one by one."""
    builder = begin(8 * len(items))
    append = builder.append
    for item in items:
        append(item)
    return builder.finish()


def values_of(nbytes):
    """Provide a list of Python floats. Making it is not timed."""
    return nullcontext([i / 2 for i in range(nbytes // 8)])


def blocks(begin, nbytes):
    """Extend by arrays of 1,024 float64."""
    import numpy as np

    builder, block = begin(nbytes), np.arange(float(BLOCK_ITEMS))
    for _ in range(nbytes // block.nbytes):
        builder.add(block)
    return builder.finish()


SLIDING = {name: BYTES[name] for name in BYTES if name in ("GrowBuffer", "bytearray")}
SLIDING |= {name: BYTES[name] for name in ("array.array", "bitarray", "bytegapbuffer")}

CASES = {
    "build-64": Case("extend by 64 B", build(64), BYTES, 1 / 8, 64),
    "build-4k": Case("extend by 4 KiB", build(4 << 10), BYTES, 1, 4 << 10),
    "build-64k": Case("extend by 64 KiB", build(64 << 10), BYTES),
    "by-byte": Case("append single bytes", by_byte, BYTES, 1 / 64, 1),
    "rebuild": Case("build 4 MiB and drop it, many times", rebuild, BYTES),
    "window": Case("slide a window of half the length", slide, SLIDING, 1 / 8),
    "interleaved": Case("grow 16 in turn, by 4 KiB", interleaved, BYTES),
    "file": Case(
        "read a file",
        call,
        draining(**{"file.read()": Peer(lambda file: file.read())}),
        make_argument=file_of,
    ),
    "socket": Case("receive from a socket", call, draining(), make_argument=socket_of),
    "zeros": Case("make zeros", call, ZEROS),
    "append": Case("append Python floats", floats, ITEMS, 1 / 16, 8, values_of),
    "extend": Case("extend by 1024 float64", blocks, BLOCKS, 1, BLOCK_ITEMS * 8),
}

# The cases that are measured if none is named: together they take a minute. The suite
# in benchmarks/ runs all cases.
SELECTION = (
    *("build-64", "build-64k", "by-byte", "rebuild", "window", "zeros"),
    *("append", "extend"),
)
