"""What `bench` measures: ways to collect data of unknown length, in the same cases.

A *way* is one library in its best use. What is said about it: `add` takes a piece,
`finish` returns all of them as one object. A way that can do more says what: `append`
takes one item, `window` is an object that `del` shortens at the front. One that `keeps`
the pieces until the end is given pieces of its own.
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
PACKAGES = {"numpy_da": "numpy-dynamic-array"}  # where the module has another name
READ_NBYTES = 64 << 10
PIECE_NBYTES = 4 << 10
INTERLEAVED = 16
REBUILD_NBYTES = 4 << 20
BLOCK_ITEMS = 1024
QUADRATIC_PIECES = 256
PER_ITEM_NBYTES = 256 << 10  # for what takes a microsecond an item


class Way(NamedTuple):
    add: Callable[[Any], Any]
    finish: Callable[[], Any]
    append: Callable[[Any], Any] | None = None
    window: Any = None
    items_per_byte: int = 1
    keeps: bool = False


class Peer(NamedTuple):
    """How a way is begun, and what it needs.

    Whoever copies all at each piece, or goes byte by byte in Python, gets no more than
    `most(piece_nbytes)` bytes; per byte that flatters the former.
    """

    begin: Callable[[int], Way]
    module: str | None = None
    most: Callable[[int], int] | None = None


def quadratic(piece_nbytes: int) -> int:
    return piece_nbytes * QUADRATIC_PIECES


def slow(piece_nbytes: int) -> int:
    return PER_ITEM_NBYTES


def is_there(peer: Peer) -> bool:
    return peer.module is None or find_spec(peer.module) is not None


# -------------------------------------------------------------------- ways to bytes


def grow_buffer(nbytes):
    buf = GrowBuffer()
    return Way(buf.extend, lambda: buf, buf.append, buf)


def grow_io(nbytes):
    file = GrowIO()
    return Way(file.write, lambda: file.buffer)


def byte_array(nbytes):
    buf = bytearray()
    return Way(buf.extend, lambda: buf, buf.append, buf)


def bytes_io(nbytes):
    file = io.BytesIO()
    return Way(file.write, file.getvalue)


def list_join(nbytes):
    pieces = []
    return Way(pieces.append, lambda: b"".join(pieces), keeps=True)


def array_array(nbytes):
    grown = array.array("B")
    return Way(grown.frombytes, lambda: grown, grown.append, grown)


def anonymous(nbytes):
    return mmap.mmap(-1, nbytes, mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)


def mmap_resize(nbytes):
    """Double a mapping: a private one, for a shared one that has grown is SIGBUS."""
    memory, length = anonymous(mmap.PAGESIZE), 0

    def add(piece):
        nonlocal length
        end = length + len(piece)
        if end > len(memory):
            memory.resize(max(end, 2 * len(memory)))
        memory[length:end] = piece
        length = end

    return Way(add, lambda: memory)


def numpy_append(nbytes):
    import numpy as np

    grown = np.empty(0, np.uint8)

    def add(piece):
        nonlocal grown
        grown = np.append(grown, np.frombuffer(piece, np.uint8))

    return Way(add, lambda: grown)


def numpy_concatenate(nbytes):
    import numpy as np

    pieces = []
    return Way(
        lambda piece: pieces.append(np.frombuffer(piece, np.uint8)),
        lambda: np.concatenate(pieces),
        keeps=True,
    )


def numpy_empty(nbytes):
    """Fill an array of the final length: what growing could cost at best."""
    import numpy as np

    filled, length = np.empty(nbytes, np.uint8), 0
    memory = memoryview(filled)

    def add(piece):
        nonlocal length
        end = length + len(piece)
        memory[length:end] = piece
        length = end

    return Way(add, lambda: filled)


def pyarrow_stream(nbytes):
    import pyarrow

    stream = pyarrow.BufferOutputStream()
    return Way(stream.write, stream.getvalue)


def pyarrow_builder(nbytes):
    """The one builder that pyarrow has in Python: of strings."""
    from pyarrow.lib import StringBuilder

    builder = StringBuilder()
    return Way(builder.append, builder.finish)


def bit_array(nbytes):
    import bitarray

    bits = bitarray.bitarray()
    return Way(bits.frombytes, lambda: bits, window=bits, items_per_byte=8)


def gap_buffer(nbytes):
    # The package was last changed when these had two names.
    collections.MutableSequence = collections.abc.MutableSequence
    from bytegapbuffer import bytegapbuffer

    buf = bytegapbuffer()
    return Way(buf.extend, lambda: buf, buf.append, buf)


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


# ------------------------------------------------------------------ ways to float64


def grow_array(nbytes):
    grown = growbuf.GrowArray()
    return Way(grown.extend, lambda: grown.array, grown.append)


def list_of_floats(nbytes):
    import numpy as np

    items = []
    return Way(items.extend, lambda: np.array(items), items.append)


def array_of_doubles(nbytes):
    import numpy as np

    grown = array.array("d")
    return Way(
        lambda block: grown.frombytes(block.data.cast("B")),
        lambda: np.frombuffer(grown),
        grown.append,
    )


def doubles_in_bytearray(nbytes):
    import numpy as np

    grown = bytearray()
    return Way(lambda block: grown.extend(block.data), lambda: np.frombuffer(grown))


def numpy_append_floats(nbytes):
    import numpy as np

    grown = np.empty(0)

    def add(block):
        nonlocal grown
        grown = np.append(grown, block)

    return Way(add, lambda: grown, add)


def numpy_concatenate_floats(nbytes):
    import numpy as np

    blocks = []
    return Way(
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

    return Way(add, lambda: filled, append)


def dynarray_floats(nbytes):
    from dynarray import DynamicArray

    grown = DynamicArray()
    return Way(grown.extend, lambda: grown[:], grown.append)


def numpy_da_floats(nbytes):
    from numpy_da import DynamicArray

    grown = DynamicArray()
    return Way(grown.append, lambda: grown.data, grown.append)


def awkward_floats(nbytes):
    import awkward
    import numpy as np

    grown = awkward.ArrayBuilder()
    return Way(grown.extend, lambda: np.asarray(grown.snapshot()), grown.real)


def pyarrow_items(nbytes):
    """There is no builder of numbers in Python: `array` is one over a list."""
    import pyarrow

    items = []
    return Way(items.extend, lambda: pyarrow.array(items), items.append)


def pyarrow_blocks(nbytes):
    import pyarrow

    blocks = []
    return Way(
        lambda block: blocks.append(pyarrow.array(block.copy())),
        lambda: pyarrow.concat_arrays(blocks),
    )


ITEMS = {
    "GrowArray": Peer(grow_array, "numpy"),
    "list": Peer(list_of_floats, "numpy"),
    "array.array": Peer(array_of_doubles, "numpy"),
    "np.append": Peer(numpy_append_floats, "numpy", most=quadratic),
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
    "awkward": Peer(awkward_floats, "awkward", most=slow),
    "dynarray": ITEMS["dynarray"],
    "numpy-dynamic-array": ITEMS["numpy-dynamic-array"],
}


# ---------------------------------------------------------------------------- cases


class Case(NamedTuple):
    """The same job for each peer.

    `run(begin, given)` is timed, `give(nbytes)` is a context that makes what it works
    on. `nbytes` are `share` of the size that is asked for.
    """

    doc: str
    run: Callable[[Callable[[int], Way], Any], Any]
    peers: dict[str, Peer]
    share: float = 1
    piece_nbytes: int = READ_NBYTES
    give: Callable[[int], Any] = nullcontext

    def nbytes(self, name: str, size: int) -> int:
        """Return how many bytes a peer is given when `size` is asked for."""
        pieces = max(1, int(size * self.share) // self.piece_nbytes)
        most = self.peers[name].most
        if most is not None:
            pieces = min(pieces, max(1, most(self.piece_nbytes) // self.piece_nbytes))
        return pieces * self.piece_nbytes

    @property
    def ours(self) -> str:
        return next(iter(self.peers))


def build(piece_nbytes):
    piece = PATTERN[:piece_nbytes]
    own = partial(bytes, memoryview(piece))

    def run(begin, nbytes):
        way = begin(nbytes)
        add = way.add
        if way.keeps:
            for _ in range(nbytes // piece_nbytes):
                add(own())
        else:
            for _ in range(nbytes // piece_nbytes):
                add(piece)
        return way.finish()

    return run


def by_byte(begin, nbytes):
    way = begin(nbytes)
    add, item = (way.append, 7) if way.append else (way.add, b"\7")
    for _ in range(nbytes):
        add(item)
    return way.finish()


def rebuild(begin, nbytes):
    """Build and drop, many times over."""
    run = build(READ_NBYTES)
    for _ in range(max(1, nbytes // REBUILD_NBYTES)):
        run(begin, min(nbytes, REBUILD_NBYTES))


def slide(begin, nbytes):
    """Let a window half as long slide over what comes."""
    way, piece = begin(nbytes), PATTERN
    window, front = way.window, len(piece) * way.items_per_byte
    most = nbytes // 2 * way.items_per_byte
    for _ in range(nbytes // len(piece)):
        way.add(piece)
        if len(window) > most:
            del window[:front]
    return window


def interleaved(begin, nbytes):
    ways = [begin(nbytes // INTERLEAVED) for _ in range(INTERLEAVED)]
    own = partial(bytes, memoryview(PATTERN[:PIECE_NBYTES]))
    for _ in range(nbytes // INTERLEAVED // PIECE_NBYTES):
        for way in ways:
            way.add(own())
    return [way.finish() for way in ways]


def call(job, given):
    return job(given)


# ------------------------------------------------------------- from files and sockets


def drain(begin, source):
    """Add all that a file or a socket has."""
    way, read = begin(0), getattr(source, "recv", None) or source.read
    while piece := read(READ_NBYTES):
        way.add(piece)
    return way.finish()


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
    """Give a connected socket at whose other end a process sends so many bytes."""
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
    """Return the peers with which a source is drained, whose length nobody knows."""
    ways = {
        name: peer._replace(begin=partial(drain, peer.begin))
        for name, peer in BYTES.items()
        if name != "np.empty"
    }
    return {**ways, "GrowBuffer": Peer(readfrom), **special}


def floats(begin, items):
    """Append the items one by one."""
    way = begin(8 * len(items))
    append = way.append
    for item in items:
        append(item)
    return way.finish()


def values_of(nbytes):
    """Give Python's own objects, made before the clock runs."""
    return nullcontext([i / 2 for i in range(nbytes // 8)])


def blocks(begin, nbytes):
    import numpy as np

    way, block = begin(nbytes), np.arange(float(BLOCK_ITEMS))
    for _ in range(nbytes // block.nbytes):
        way.add(block)
    return way.finish()


SLIDING = {name: BYTES[name] for name in BYTES if name in ("GrowBuffer", "bytearray")}
SLIDING |= {name: BYTES[name] for name in ("array.array", "bitarray", "bytegapbuffer")}

CASES = {
    "build-64": Case("extend by 64 B", build(64), BYTES, 1 / 8, 64),
    "build-4k": Case("extend by 4 KiB", build(4 << 10), BYTES, 1, 4 << 10),
    "build-64k": Case("extend by 64 KiB", build(64 << 10), BYTES),
    "by-byte": Case("append single bytes", by_byte, BYTES, 1 / 64, 1),
    "rebuild": Case("build 4 MiB, drop it, again", rebuild, BYTES),
    "window": Case("slide a window of half the length", slide, SLIDING, 1 / 8),
    "interleaved": Case("grow 16 in turn, by 4 KiB", interleaved, BYTES),
    "file": Case(
        "read a file",
        call,
        draining(**{"file.read()": Peer(lambda file: file.read())}),
        give=file_of,
    ),
    "socket": Case("receive from a socket", call, draining(), give=socket_of),
    "zeros": Case("make zeros", call, ZEROS),
    "append": Case("append Python floats", floats, ITEMS, 1 / 16, 8, values_of),
    "extend": Case("extend by 1024 float64", blocks, BLOCKS, 1, BLOCK_ITEMS * 8),
}
