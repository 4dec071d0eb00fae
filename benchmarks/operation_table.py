"""The operations that operations.py times, as source text: those of GrowBuffer beside
bytearray, GrowIO beside io.BytesIO, and GrowArray beside other ways to an ndarray.

The statements use these names, and those in NAMES below:

    T               the type: bytearray or GrowBuffer, io.BytesIO or GrowIO
    n, half         the size, and half of it
    src             n bytes of text that begin at some offset in a page: a bytes object,
                    or a memoryview if n is 100,000 or more
    data            the same text as a bytes object
    x               the object that the operation works on: see Operation.x
    y               what it returns
"""

import array
import copy
import datetime
import functools
import io
import multiprocessing
import multiprocessing.reduction
import os
import pickle
import re
import struct
import zlib
from dataclasses import dataclass, field, replace
from itertools import repeat

import growbuf

try:
    import numpy as np
except ImportError:
    np = None

KIB, MIB = 1 << 10, 1 << 20
# Sizes: SIZES in bytes, BURSTS in bytes of a burst, the others in rows of an array.
SIZES = (0, 13, 100, 1000, 10_000, 60_000, 100_000, 300_000)
SIZES += (MIB, 4 * MIB, 16 * MIB, 64 * MIB)
BURSTS = (128 * KIB, 256 * KIB, 512 * KIB, MIB)
ROWS = (0, 10, 100, 1000, 5000, 10_000, 100_000, 1_000_000, 8_000_000)
VALUES = (10, 100, 1000, 10_000)
BLOCK_ROWS = (0, 16, 160, 1600, 16_000, 160_000, 1_600_000, 8_000_000)

WARM, COLD = "warm", "cold"
COLD_MIN = 10_000  # bytes or rows; every process has free blocks of smaller sizes
COLD_MAX_ROWS = 2_000_000  # more take seconds to make anew in each process

TEXT = b" a few words\tand the Number 42 of things, then a new line.  \r\n"
SMALL = TEXT[:13]


@dataclass
class Operation:
    """An operation of one kind, and how it is run at each size.

    setup makes what the statement uses. x is an expression that makes the object x. If
    `each` is true, each run gets a new object, else all runs use the same. values is an
    expression of i: the list `values` has its results for each i below n. end undoes
    the setup. None of these is timed. ours and peer hold fields that differ for growbuf
    and for its peer.
    """

    kind: str
    group: str
    name: str
    statement: str
    setup: str = ""
    values: str = ""
    x: str | None = "T(src)"
    end: str = ""
    each: bool = False
    cold: bool = False
    sizes: tuple = SIZES
    peer_name: str = ""
    ours: dict = field(default_factory=dict)
    peer: dict = field(default_factory=dict)

    def cold_sizes(self):
        """Return the sizes of its cold cells, which operations.py explains."""
        most = COLD_MAX_ROWS if self.kind == "array" else SIZES[-1]
        return [n for n in self.sizes if self.cold and COLD_MIN <= n <= most]

    def variant(self, is_ours):
        """Return the operation as growbuf or the peer does it."""
        return replace(self, **(self.ours if is_ours else self.peer))


def of_sizes(least=0, most=SIZES[-1]):
    return tuple(n for n in SIZES if least <= n <= most)


def lines(*statements):
    return "\n".join(statements)


# ------------------------------------------------------------ helpers of statements


def cut(source, count=16):
    """Return a source as `count` pieces, or as fewer if it is shorter."""
    step = max(1, -(-len(source) // count))
    return [source[start : start + step] for start in range(0, len(source), step)]


def cut_by(source, nbytes):
    return [source[start : start + nbytes] for start in range(0, len(source), nbytes)]


def bounds(n, count=16):
    """Return where the pieces of n bytes begin and end."""
    step = max(1, -(-n // count))
    return [(start, min(n, start + step)) for start in range(0, n, step)]


def iterate(items):
    """Return an iterator of items that has no length hint."""
    return map(int, items)


class Echo:
    """A process that sends back what it gets, through a multiprocessing connection."""

    def __init__(self):
        self.connection, theirs = multiprocessing.Pipe()
        self.process = os.fork()
        if self.process == 0:
            self.connection.close()
            try:
                while True:
                    theirs.send(theirs.recv())
            except BaseException:
                os._exit(0)
        theirs.close()

    def __call__(self, item):
        self.connection.send(item)
        return self.connection.recv()

    def close(self):
        self.connection.close()
        os.waitpid(self.process, 0)


# ------------------------------------------------------------------------- buffers

HAS_RESIZE = hasattr(bytearray, "resize")  # from 3.14 on
HAS_TAKE_BYTES = hasattr(bytearray, "take_bytes")  # from 3.15 on
NOT_EMPTY = of_sizes(least=13)
PER_ITEM = of_sizes(most=MIB)  # for operations that make an object for each byte
PER_WORD = of_sizes(most=4 * MIB)  # for each word or line


def adder(table, kind, group, **shared):
    """Return a function that adds an operation to the table."""

    def add(statement, name=None, **more):
        name = name or statement.replace("\n", "; ")
        more = {**shared, **more}
        table.append(Operation(kind, group, name, statement, **more))

    return add


def buffer_made(add):
    add("T()", "T()", x=None, sizes=(0,))
    add("T(n)", "T(n)", x=None, cold=True)
    add(
        lines("y = T(n)", "m = memoryview(y)", "m[:] = src", "m.release()"),
        "T(n), filled by a memoryview",
        x=None,
        cold=True,
    )
    add(
        lines("f.seek(0)", "y = T(n)", "f.readinto(y)"),
        "T(n), f.readinto()",
        setup="f = io.BytesIO(data)",
        x=None,
        cold=True,
    )
    add(
        lines(
            "f.seek(0)",
            "y = T(n)",
            "m = memoryview(y)",
            "for start, stop in ends: f.readinto(m[start:stop])",
            "m.release()",
        ),
        "T(n), f.readinto() 16 times",
        setup=lines("f = io.BytesIO(data)", "ends = bounds(n)"),
        x=None,
        cold=True,
    )
    add("T(src)", "T(source)", x=None, cold=True)
    add("T(memoryview(data))", "T(memoryview)", x=None)
    add("T(x)", "T(x)", cold=True)
    items = {"setup": "items = list(data)", "x": None, "sizes": PER_ITEM}
    add("T(items)", "T(list)", **items)
    add("T(iterate(items))", "T(iterator)", **items)
    add("T(text, 'utf-8')", "T(str, 'utf-8')", setup="text = data.decode()", x=None)
    add("T.fromhex(text)", "T.fromhex()", setup="text = data.hex()", x=None)
    add("x.copy()", cold=True)
    add("copy.copy(x)")
    add("copy.deepcopy(x)")


def buffer_grown(add):
    pieces = {"setup": "pieces = cut(src)", "x": None, "cold": True}
    add(
        lines("y = T()", "for piece in pieces: y += piece"),
        "16 times y += piece",
        **pieces,
    )
    add(
        lines("y = T()", "for piece in pieces: y.extend(piece)"),
        "16 times y.extend(piece)",
        **pieces,
    )
    add(
        lines("y = T()", "for piece in pieces: y += piece"),
        "y += 64 B, to n",
        setup="pieces = cut_by(data, 64)",
        x=None,
        sizes=of_sizes(100, 4 * MIB),
    )
    add(
        lines("y = T()", "for byte in data: y.append(byte)"),
        "y.append(), to n",
        x=None,
        sizes=of_sizes(13, MIB),
    )
    add(lines("y = T()", "y += src"), "y = T(); y += source", x=None, cold=True)
    add("x += src", "x += source, once", each=True, cold=True)
    add("x *= 2", "x *= 2, once", each=True)
    add("x.append(7)", "x.append(), once", each=True)
    add(lines("x += SMALL", "del x[n:]"), "x += 13 B; del x[n:]")
    add(lines("x.extend(SMALL)", "del x[n:]"), "x.extend(13 B); del x[n:]")
    add(
        lines("x.extend(items)", "del x[n:]"),
        "x.extend(list of 13); del x[n:]",
        setup="items = list(SMALL)",
    )
    add(lines("x.append(7)", "x.pop()"), "x.append(); x.pop()")
    add(
        lines("for _ in runs: x.append(7)", "for _ in runs: x.pop()"),
        "64 times append, 64 times pop",
        setup="runs = range(64)",
    )
    add(lines("x.insert(0, 7)", "del x[0]"), "x.insert(0, 7); del x[0]")
    add(lines("x.insert(half, 7)", "del x[half]"), "x.insert(half, 7); del x[half]")
    add(
        lines("x[half:half] = SMALL", "del x[half : half + 13]"),
        "x[half:half] = 13 B; del those",
    )
    grow = lines("x.resize(2 * n)", "x.resize(n)")
    idiom = grow if HAS_RESIZE else lines("x.extend(bytes(n))", "del x[n:]")
    add(grow, "x.resize(2 * n); x.resize(n)", peer={"statement": idiom})


def buffer_shrunk(add):
    for statement in (
        "x.clear()",
        "del x[:]",
        "del x[:half]",
        "del x[half:]",
        "del x[::2]",
        "x[half:] = SMALL",
        "x.pop()",
        "x.pop(0)",
    ):
        add(f"{statement}", f"{statement}, once", each=True)
    add("x.remove(115)", "x.remove(), once", each=True)
    for amount, count in (("", "n"), ("half", "half")):
        take = f"x.take_bytes({amount})"
        idiom = take
        if not HAS_TAKE_BYTES:
            idiom = lines(f"y = bytes(x[:{count}])", f"del x[:{count}]")
        add(take, take + ", once", each=True, peer={"statement": idiom})
    take = lines("y = x[:half]", "del x[:half]")
    add("x.take(half)", "x.take(half), once", each=True, peer={"statement": take})
    take = lines("y = x[:]", "x.clear()")
    add("x.take()", "x.take(), once", each=True, peer={"statement": take})
    freeze = lines("y = bytes(x)", "x.clear()")
    add("x.freeze()", "x.freeze(), once", each=True, peer={"statement": freeze})
    freeze = lines("y = bytes(x[:half])", "del x[:half]")
    add("x.freeze(half)", "x.freeze(half), once", each=True, peer={"statement": freeze})

    add(lines("x.clear()", "x += src"), "x.clear(); x += source", cold=True)
    for part in (":half", "half:"):
        grown = {"setup": f"back = src[{part}]", "cold": True}
        add(lines(f"del x[{part}]", "x += back"), f"del x[{part}]; x += half", **grown)
    add(
        lines("del x[half:]", "for piece in pieces: x += piece"),
        "del x[half:]; 16 times x += piece",
        setup="pieces = cut(src[half:])",
    )
    add(
        lines("del x[:4]", "x += back"),
        "del x[:4]; x += 4 B",
        setup="back = data[:4]",
    )
    add(
        lines("x += piece", "del x[:step]"),
        "window: x += n/16; del x[:n/16]",
        setup=lines("piece = cut(src)[0]", "step = len(piece)"),
    )
    add("x[:half] = part", "x[:half] = as many bytes", setup="part = src[:half]")
    add(
        lines("x[:half] = SMALL", "x[:13] = part"),
        "x[:half] = 13 B; and back",
        setup="part = src[:half]",
    )
    add("x[::2] = part", "x[::2] = as many bytes", setup="part = data[::2]")


def buffer_results(add):
    for statement in ("x[:4]", "x[half : half + 8]", "x[1:-1]", "x[::2]", "x[::-1]"):
        add(statement)
    add("x[:half]", cold=True)
    add("x[half:]", cold=True)
    add("x + src", "x + source", cold=True)
    add("x + x")
    add("data + x", "bytes + x")
    add("x * 2", cold=True)
    add("3 * x")
    add("x % data", "b'%b;' % bytes", x="T(b'%b;')")
    add("x.join(pieces)", setup="pieces = cut(src)", x="T(b', ')", cold=True)
    add("b', '.join((x, x))")
    for method in ("strip", "lstrip", "rstrip"):
        add(f"x.{method}()", cold=method == "strip")
    add("x.strip(b' \\n')")
    for method in ("split", "rsplit"):
        add(f"x.{method}()", sizes=PER_WORD)
        add(f"x.{method}(b'\\n')", sizes=PER_WORD)
        add(f"x.{method}(b' ', 3)")
    add("x.splitlines()", cold=True, sizes=PER_WORD)
    for method in ("partition", "rpartition"):
        add(f"x.{method}(b' ')")
        add(f"x.{method}(b'\\0')")
    add("x.replace(b'e', b'a')")
    add("x.replace(b'\\r\\n', b'\\n')")
    add("x.replace(b'\\n', b'<br>')")
    add("x.replace(b'\\0', b'')")
    add("x.translate(swap)", setup="swap = bytes(range(256))[::-1]")
    add("x.translate(None, b'\\r')")
    for method in ("upper", "lower", "title", "swapcase", "capitalize", "expandtabs"):
        add(f"x.{method}()", cold=method == "upper")
    for method in ("ljust", "rjust", "center", "zfill"):
        add(f"x.{method}(n + 8)")
    add("x.removeprefix(b' a')")
    add("x.removesuffix(b'\\n')")


def buffer_read(add):
    for statement in ("len(x)", "bool(x)", "b'\\0' in x", "32 in x"):
        add(statement)
    for statement in ("x[half]", "x[-1]", "x[half] = 7"):
        add(statement, sizes=NOT_EMPTY)
    for method in ("find", "rfind"):
        add(f"x.{method}(b'\\0')")
    add("x.find(b'Number')")
    add("x.find(b'\\n', half)")
    add("x.index(tail)", setup="tail = data[-2:]")
    add("x.rindex(b' ')", sizes=NOT_EMPTY)
    add("x.count(b'e')")
    add("x.count(b'the')")
    add("x.startswith(b' a')")
    add("x.endswith(b'\\n')")
    add("x == src", "x == source")
    add("x == twin", setup="twin = T(src)")
    add("x < twin", setup="twin = T(src)")
    for method, text in (
        ("isalnum", "a"),
        ("isalpha", "a"),
        ("isascii", "a"),
        ("isdigit", "7"),
        ("islower", "a"),
        ("isspace", " "),
        ("istitle", "Aa"),
        ("isupper", "A"),
    ):
        add(f"x.{method}()", x=f"T((b'{text}' * n)[:n])")
    add("x.hex()")
    add("x.hex(':')", sizes=PER_WORD)
    add("x.decode()")
    add("x.decode('latin-1')")
    add("for y in x: pass", "for byte in x", sizes=PER_ITEM)
    add("for y in reversed(x): pass", "for byte in reversed(x)", sizes=PER_ITEM)
    add("list(x)", sizes=PER_ITEM)
    add("sum(x)", sizes=PER_ITEM)
    add("text = repr(x)", "repr(x)", sizes=PER_ITEM)
    add("x.__sizeof__() > n", "x.__sizeof__()")
    add("x.reverse()")
    add("T.maketrans(b'abc', b'ABC')", "T.maketrans()", x=None, sizes=(0,))


def buffer_handed_on(add):
    add("memoryview(x).release()", "memoryview(x)")
    add("bytes(x)", cold=True)
    add("T(memoryview(x))")
    add("memoryview(x).tobytes()")
    add("bytes(memoryview(x)[:half])")
    add("f.write(x)", setup="f = open(os.devnull, 'wb', 0)", end="f.close()")
    add("io.BytesIO(x)")
    readinto = lines("f.seek(0)", "f.readinto(x)")
    add(readinto, "f.readinto(x)", setup="f = io.BytesIO(data)")
    add("nul.search(x)", "re.search(pattern, x)", setup="nul = re.compile(b'\\0')")
    add("zlib.crc32(x)")
    add("int.from_bytes(x[:8], 'big')")
    add("struct.unpack_from('>QI', x)", sizes=NOT_EMPTY)
    add("struct.pack_into('>QI', x, 0, 1, 2)", sizes=NOT_EMPTY)
    for protocol in (4, 5):
        dump = f"text = pickle.dumps(x, {protocol})"
        add(dump, dump[7:], cold=protocol == 5)
        load = "pickle.loads(text)"
        dump = dump.replace("(x", "(T(src)")
        add(load, f"pickle.loads(protocol {protocol})", setup=dump, x=None)
    add(
        lines(
            "kept = []",
            "text = pickle.dumps(x, 5, buffer_callback=kept.append)",
            "y = pickle.loads(text, buffers=kept)",
        ),
        "pickle 5 and back, out of band",
    )
    add("text = ForkingPickler.dumps(x)", "multiprocessing: pickled")
    add(
        "echo(x)",
        "multiprocessing: there and back",
        setup="echo = Echo()",
        end="echo.close()",
        sizes=of_sizes(most=16 * MIB),
    )


def buffer_swinging(add, ours="T()"):
    """Add operations that append a burst of n bytes to a buffer and remove it again.
    The expression `ours` makes growbuf's buffer."""

    def swing(name, *statements, **more):
        if ours != "T()":
            name = f"limit: {name}"
        add(lines(*statements), name, x="T()", ours={"x": ours}, **more)

    take = "while x: y = x.take(8192)"
    take_idiom = lines("while x:", "    y = x[:8192]", "    del x[:8192]")
    take_bytes = "while x: y = x.take_bytes(min(8192, len(x)))"
    bytes_idiom = take_idiom.replace("x[:8192]\n", "bytes(x[:8192])\n")
    if HAS_TAKE_BYTES:
        bytes_idiom = take_bytes
    reads = {"setup": "f = io.BytesIO(data); pieces = range(n // 8192)"}
    read = lines("f.seek(0)", "for _ in pieces: x += f.read(8192)")
    spare = lines("f.seek(0)", "for _ in pieces:", "    m = x.spare(8192)[:8192]")
    spare += "\n    got = f.readinto(m)\n    m.release()\n    x.commit(got)"
    grow = lines("x.resize(n)", "x.resize(0)")
    grow_idiom = grow if HAS_RESIZE else lines("x.extend(bytes(n))", "del x[:]")
    drain = "while x: del x[:8192]"

    swing("x += burst; del x[:burst]", "x += src", "del x[:n]")
    swing("x += burst; x.clear()", "x += src", "x.clear()")
    swing("x += burst; del x[:8 KiB] ...", "x += src", drain)
    swing("x += burst; del x[-8 KiB:] ...", "x += src", "while x: del x[-8192:]")
    swing("8 KiB in, to burst; 8 KiB out ...", read, drain, **reads)
    line = "while (end := x.find(b'\\n') + 1): y = x[:end]; del x[:end]"
    swing("x += burst; lines out", "x += src", line, "x.clear()")

    def around(name, *statements):
        """Add an operation on a burst that is appended to 1 MiB, which stays."""
        name = f"1 MiB kept; {name}"
        if ours != "T()":
            name = f"limit: {name}"
        way = {"x": ours.replace("T(", "T(bytes(MIB), ")}
        add(lines("x += src", *statements), name, x="T(bytes(MIB))", ours=way)

    around("x += burst; del x[:burst]", "del x[:n]")
    around("x += burst; del x[-burst:]", "del x[-n:]")
    around("x += burst; del x[:8 KiB]..", "while len(x) > MIB: del x[:8192]")

    def own(name, statement, idiom, **more):
        """Add an operation that bytearray does in another way."""
        if ours != "T()":
            name = f"limit: {name}"
        own_way = {"x": ours, "statement": statement}
        add(idiom, name, x="T()", ours=own_way, **more)

    burst = "x += src\n"
    own("x += burst; x.take(8 KiB) ...", burst + take, burst + take_idiom)
    own("x += burst; x.take_bytes(8 KiB) ...", burst + take_bytes, burst + bytes_idiom)
    own(
        "x.spare(8 KiB), commit; del at once",
        spare + "\n" + "x.clear()",
        read + "\n" + "x.clear()",
        **reads,
    )
    own(
        "x.spare(8 KiB), commit; 8 KiB out ...",
        spare + "\n" + drain,
        read + "\n" + drain,
        **reads,
    )
    own("x.resize(burst); x.resize(0)", grow, grow_idiom)


def buffer_operations():
    table = []
    buffer_made(adder(table, "buffer", "made"))
    buffer_grown(adder(table, "buffer", "grown"))
    buffer_shrunk(adder(table, "buffer", "shrunk", sizes=NOT_EMPTY))
    buffer_results(adder(table, "buffer", "results"))
    buffer_read(adder(table, "buffer", "read"))
    buffer_handed_on(adder(table, "buffer", "handed on"))
    swing = adder(table, "buffer", "lengths that swing", sizes=BURSTS)
    buffer_swinging(swing)
    buffer_swinging(swing, ours="T(limit=64 * MIB)")
    return table


# --------------------------------------------------------------------------- files


def io_made(add):
    add("T()", "T()", x=None, sizes=(0,))
    add("T(data)", "T(bytes)", x=None, cold=True)
    add("T(view)", "T(memoryview)", setup="view = memoryview(data)", x=None)
    add("T(data).read()", "T(bytes).read()", x=None, cold=True)
    add("T(data).getvalue()", "T(bytes).getvalue()", x=None, cold=True)
    add("T(data).readlines()", "T(bytes).readlines()", x=None, sizes=PER_WORD)
    add("x.close()", "x.close(), once", each=True)
    add(lines("with T(data) as y: y.read(4)", "y = None"), "with T(bytes)", x=None)
    add("pickle.loads(pickle.dumps(x))", "pickle and back")
    add("copy.copy(x)")


def io_written(add):
    pieces = {"setup": "pieces = cut(src)", "x": None, "cold": True}
    build = lines("y = T()", "for piece in pieces: y.write(piece)")
    add(build, "16 times y.write(piece)", **pieces)
    add(
        build + "\ny = y.getvalue()",
        "16 times y.write(); y.getvalue()",
        **pieces,
    )
    add(
        build + "\ny.seek(0)\ny = y.read()",
        "16 times y.write(); y.read()",
        **pieces,
    )
    add(
        build,
        "y.write(64 B), to n",
        setup="pieces = cut_by(data, 64)",
        x=None,
        sizes=of_sizes(100, 4 * MIB),
    )
    add(lines("y = T()", "y.writelines(pieces)"), "y.writelines()", **pieces)
    add(lines("y = T()", "y.write(src)"), "y = T(); y.write(source)", x=None, cold=True)
    add(lines("x.seek(0)", "x.write(src)"), "x.seek(0); x.write(source)")
    add(
        lines("x.seek(n)", "x.write(SMALL)", "x.truncate(n)"),
        "x.write(13 B) at the end; x.truncate()",
    )
    add(lines("x.seek(half)", "x.write(SMALL)"), "x.seek(half); x.write(13 B)")
    add("x.write(b'')", sizes=(0, 100_000))
    add(
        lines("x.seek(0)", "x.truncate()", "x.write(src)"), "truncate to 0; write again"
    )
    add(
        lines("x.truncate(half)", "x.seek(half)", "x.write(part)"),
        "x.truncate(half); write again",
        setup="part = src[half:]",
    )
    add("x.truncate(half)", "x.truncate(half), once", each=True)
    add(
        lines("y = T()", "y.seek(n)", "y.write(SMALL)"),
        "y.seek(n); y.write(13 B)",
        x=None,
    )


def io_read(add):
    rewind = "x.seek(0)\n"
    for statement in ("x.getvalue()", "x.getbuffer().release()"):
        add(statement, cold=statement == "x.getvalue()")
    add(rewind + "x.read()", "x.read()", cold=True)
    add(rewind + "for _ in runs: y = x.read(13)", "x.read(13) 16 times", **RUNS)
    add(rewind + "while x.read(step): pass", "x.read(n/16) to the end", **STEPS)
    add(rewind + "while x.read1(step): pass", "x.read1(n/16) to the end", **STEPS)
    add(rewind + "x.read(half)", "x.read(half)")
    room = "into = bytearray(n)"
    add(rewind + "x.readinto(into)", "x.readinto()", setup=room)
    add(rewind + "x.readinto1(into)", "x.readinto1()", setup=room)
    room = "into = bytearray(max(1, n // 16))"
    add(rewind + "while x.readinto(into): pass", "x.readinto(n/16 B)", setup=room)
    add(rewind + "x.readline()", "x.readline()")
    add(rewind + "x.readlines()", "x.readlines()", sizes=PER_WORD)
    add(rewind + "for y in x: pass", "for line in x", sizes=PER_WORD)
    add("x.seek(half)")
    add("x.seek(0, 2)")
    add("x.tell()")
    for method in ("readable", "writable", "seekable", "isatty", "flush"):
        add(f"x.{method}()", sizes=(0,))
    add("x.closed", sizes=(0,))


RUNS = {"setup": "runs = range(16)"}
STEPS = {"setup": "step = max(1, n // 16)"}


def io_swinging(add):
    add(lines("x.write(src)", "x.seek(0)", "x.truncate()"), "a burst written; truncate")
    read = "while x.read(8192): pass"
    add(
        lines("x.write(src)", "x.seek(0)", read, "x.seek(0)", "x.truncate()"),
        "a burst; x.read(8 KiB) ...; truncate",
    )
    add(
        lines("for piece in pieces: x.write(piece)", "y = x.getvalue()")
        + "\nx.seek(0)\nx.truncate()",
        "8 KiB in ...; getvalue; truncate",
        setup="pieces = cut_by(data, 8192)",
    )


def io_operations():
    table = []
    io_made(adder(table, "io", "made", x="T(src)"))
    # Files that have been written to: a BytesIO then no longer shares its bytes.
    written = {"x": "written(T, src)"}
    io_written(adder(table, "io", "written", **written))
    io_read(adder(table, "io", "read", **written))
    swing = {"x": "T()", "sizes": BURSTS}
    io_swinging(adder(table, "io", "lengths that swing", **swing))
    return table


def written(kind, source):
    file = kind()
    file.write(source)
    return file


# -------------------------------------------------------------------------- arrays


class Doubling:
    """An ndarray that doubles when it is full, as programs without growbuf use it."""

    def __init__(self, dtype, row_shape=()):
        self.rows = np.empty((16, *row_shape), dtype)
        self.length = 0

    def grow(self, length):
        rows = np.empty(
            (max(length, 2 * len(self.rows)), *self.rows.shape[1:]), self.rows.dtype
        )
        rows[: self.length] = self.rows[: self.length]
        self.rows = rows

    def append(self, row):
        if self.length == len(self.rows):
            self.grow(self.length + 1)
        self.rows[self.length] = row
        self.length += 1

    def extend(self, rows):
        length = self.length + len(rows)
        if length > len(self.rows):
            self.grow(length)
        self.rows[self.length : length] = rows
        self.length = length

    @property
    def array(self):
        return self.rows[: self.length]


@functools.lru_cache(maxsize=2)
def values_of(expression, n):
    """Return a list of the values of an expression of i, for each i below n."""
    return eval(f"[{expression} for i in range(n)]", {**NAMES, "n": n})


def own_values_of(expression, n):
    """Return the list after changing the reference count of each object. After a fork
    the first such change copies the page, which is not to be timed."""
    values = values_of(expression, n)
    for _ in values:
        pass
    return values


def build_by_rows(add):
    """Add operations that build an array row by row from Python floats, and drop it."""
    append_all = "for value in values: append(value)"
    ours = lines(
        "a = GrowArray(dtype=f8)", "append = a.append", append_all, "y = a.array"
    )
    peers = {
        "list + np.array": lines("a = []", "append = a.append", append_all)
        + "\ny = np.array(a, f8)",
        "array.array": lines("a = array.array('d')", "append = a.append", append_all)
        + "\ny = np.frombuffer(a, f8)",
        "a doubling ndarray": lines("a = Doubling(f8)", "append = a.append", append_all)
        + "\ny = a.array",
    }
    setup = "f8 = np.dtype('f8')"
    for peer, statement in peers.items():
        if peer == "array.array":  # np.frombuffer() refuses an empty buffer
            statement = statement.replace("np.frombuffer(a, f8)", "from_array(a)")
        add(
            ours,
            f"floats: {peer}",
            setup=setup,
            values="i / 2",
            sizes=ROWS,
            cold=True,
            peer_name=peer,
            peer={"statement": statement},
        )
    ours = ours.replace("dtype=f8", "dtype=f8, row_shape=3")
    peers = {
        "list + np.array": peers["list + np.array"],
        "a doubling ndarray": peers["a doubling ndarray"].replace("(f8)", "(f8, (3,))"),
    }
    for peer, statement in peers.items():
        if peer == "list + np.array":
            statement += "\ny.shape = n, 3"
        add(
            ours,
            f"rows of 3 floats: {peer}",
            setup=setup,
            values="(i / 2, i / 3, i / 4)",
            sizes=ROWS[:-1],
            peer_name=peer,
            peer={"statement": statement},
        )


def from_array(items):
    return np.frombuffer(items, items.typecode) if items else np.empty(0)


def build_by_blocks(add):
    """Add operations that build an array from 16 blocks, and drop it."""
    each = "for block in blocks: "
    ours = lines("a = GrowArray(dtype=f8)", each + "a.extend(block)", "y = a.array")
    peers = {
        "np.concatenate": lines(
            "a = [none]", each + "a.append(block)", "y = np.concatenate(a)"
        ),
        "a doubling ndarray": lines(
            "a = Doubling(f8)", each + "a.extend(block)", "y = a.array"
        ),
        "array.array": lines(
            "a = array.array('d')",
            each + "a.frombytes(block.data.cast('B'))",
            "y = from_array(a)",
        ),
        "list + np.array": lines(
            "a = []", each + "a += block.tolist()", "y = np.array(a, f8)"
        ),
    }
    setup = lines(
        "f8, none = np.dtype('f8'), np.empty(0)", "blocks = cut(np.arange(n / 1))"
    )
    for peer, statement in peers.items():
        add(
            ours,
            f"16 blocks: {peer}",
            setup=setup,
            sizes=BLOCK_ROWS[:-1] if peer == "list + np.array" else BLOCK_ROWS,
            cold=True,
            peer_name=peer,
            peer={"statement": statement},
        )


TYPES = {  # the dtype, and an expression of a value of it
    "float": ("'f8'", "i / 2"),
    "int": ("'i8'", "i"),
    "bool": ("'?'", "i % 3 == 0"),
    "np.float64": ("'f8'", "np.float64(i / 2)"),
    "np.float32": ("'f4'", "np.float32(i / 2)"),
    "np.int64": ("'i8'", "np.int64(i)"),
    "np.bool_": ("'?'", "np.bool_(i % 3 == 0)"),
    "datetime": ("'M8[us]'", "MOMENT + i * SECOND"),
    "np.datetime64": ("'M8[us]'", "np.datetime64(MOMENT + i * SECOND)"),
    "timedelta": ("'m8[us]'", "i * SECOND"),
    "str": ("'U8'", "str(i)"),
    "bytes": ("'S8'", "b'%d' % i"),
    "record": ("RECORD", "(i / 2, i, i % 3 == 0, b'ab')"),
    "np.void record": ("RECORD", "np.array((i / 2, i, True, b'ab'), RECORD)[()]"),
    "nested record": ("NESTED", "((i / 2, i), i, (True, (b'ab', i)))"),
    "record with subarray": ("SUBARRAY", "(i, (i / 2, 1.0, 2.0))"),
    "row of 3 np.float64": ("'f8'", "np.array((i / 2, 1.0, 2.0))"),
}
MOMENT, SECOND = datetime.datetime(2024, 2, 29), datetime.timedelta(seconds=1)
RECORD = [("t", "f8"), ("id", "i4"), ("ok", "?"), ("label", "S4")]
NESTED = [
    ("at", [("x", "f8"), ("y", "f8")]),
    ("id", "i4"),
    ("tag", [("ok", "?"), ("of", [("label", "S4"), ("n", "i8")])]),
]
SUBARRAY = [("id", "i4"), ("at", "f8", 3)]


def append_types(add):
    """Add operations that build an array from values of each type, one by one."""
    append_all = "append = a.append\nfor value in values: append(value)"
    for name, (dtype, value) in TYPES.items():
        shape = ", row_shape=3" if name.startswith("row") else ""
        add(
            lines(f"a = GrowArray(dtype=dtype{shape})", append_all, "y = a.array"),
            f"append {name}",
            setup=f"dtype = np.dtype({dtype})",
            values=value,
            sizes=VALUES,
            peer_name="list + np.array",
            peer={"statement": lines("a = []", append_all, "y = np.array(a, dtype)")},
        )


def array_swinging(add):
    """Add operations that append n bytes of rows and remove them again."""
    setup = "block = np.arange(n / 8); nrows = len(block); f8 = np.dtype('f8')"
    ways = {
        "whole": "del x[:nrows]",
        "from the front": "while len(x): del x[:1024]",
        "from the end": "while len(x): del x[-1024:]",
    }
    for name, drain in ways.items():
        for limit in ("", ", limit=1 << 20"):
            add(
                lines("x.extend(block)", drain),
                f"{'limit: ' if limit else ''}out {name}: array.array",
                x=f"GrowArray(dtype=f8{limit})",
                setup=setup,
                peer_name="array.array",
                peer={
                    "x": "array.array('d')",
                    "statement": lines("x.frombytes(block.data.cast('B'))", drain),
                },
            )
    cut_front = "while len(x): x = x[1024:].copy()"
    add(
        lines("x.extend(block)", ways["from the front"]),
        "out from the front: np.concatenate",
        x="GrowArray(dtype=f8)",
        setup=setup,
        peer_name="np.concatenate",
        peer={
            "x": "np.empty(0)",
            "statement": lines("x = np.concatenate((x, block))", cut_front),
        },
    )
    add(
        lines("x.resize(nrows)", "x.resize(0)"),
        "x.resize(burst); x.resize(0): ndarray",
        x="GrowArray(dtype=f8)",
        setup=setup,
        peer_name="ndarray.resize",
        peer={
            "x": "np.empty(0)",
            "statement": lines(
                "x.resize(nrows, refcheck=False)", "x.resize(0, refcheck=False)"
            ),
        },
    )


def array_operations():
    table = []
    if np is not None:
        build_by_rows(adder(table, "array", "built by single rows", x=None))
        build_by_blocks(adder(table, "array", "built by 16 blocks", x=None))
        append_types(adder(table, "array", "values appended", x=None))
        array_swinging(adder(table, "array", "lengths that swing", sizes=BURSTS))
    return table


# The names that statements may use. Each way gets a copy as its globals.
NAMES = {
    **{module.__name__: module for module in (array, copy, io, os, pickle, re)},
    **{module.__name__: module for module in (struct, zlib)},
    "ForkingPickler": multiprocessing.reduction.ForkingPickler,
    "repeat": repeat,
    "np": np,
    "GrowArray": growbuf.GrowArray if np else None,
    "MIB": MIB,
    "MOMENT": MOMENT,
    "SECOND": SECOND,
    "SMALL": SMALL,
    "RECORD": RECORD,
    "NESTED": NESTED,
    "SUBARRAY": SUBARRAY,
    "Doubling": Doubling,
    "Echo": Echo,
    "bounds": bounds,
    "cut": cut,
    "cut_by": cut_by,
    "from_array": from_array,
    "iterate": iterate,
    "own_values_of": own_values_of,
    "written": written,
}


def operations():
    """Return all operations, kind by kind."""
    return [*buffer_operations(), *io_operations(), *array_operations()]
