"""Uses of GrowBuffer, for type checkers. Never run."""

import socket
from collections.abc import MutableSequence
from typing import Any, assert_type

from typing_extensions import Buffer

import growbuf
from growbuf import GrowBuffer


def takes_bytearray(data: bytearray) -> None: ...
def takes_buffer(data: Buffer) -> None: ...
def takes_sequence(data: MutableSequence[int]) -> None: ...


def arguments_of_constructor() -> None:
    GrowBuffer()
    GrowBuffer(b"spam")
    GrowBuffer(1 << 20)
    GrowBuffer([1, 2, 3])
    GrowBuffer("spam", "utf-8")
    GrowBuffer("spam", encoding="utf-8", errors="replace")
    GrowBuffer(b"spam", limit=1 << 40, prefault=True)
    GrowBuffer("spam")  # type: ignore[arg-type]
    GrowBuffer(limit="1 MiB")  # type: ignore[call-overload]


def use_as_bytearray(buffer: GrowBuffer) -> None:
    takes_bytearray(buffer)
    takes_buffer(buffer)
    takes_sequence(buffer)
    takes_buffer(memoryview(buffer))


def types_of_results(buffer: GrowBuffer) -> None:
    assert_type(buffer[0], int)
    assert_type(buffer[:2], GrowBuffer)
    assert_type(buffer + b"x", GrowBuffer)
    assert_type(buffer * 2, GrowBuffer)
    assert_type(buffer.copy(), GrowBuffer)
    assert_type(buffer.replace(b"a", b"b", 1), GrowBuffer)
    assert_type(buffer.split(b","), list[GrowBuffer])
    assert_type(buffer.partition(b","), tuple[GrowBuffer, GrowBuffer, GrowBuffer])
    assert_type(buffer.decode(), str)
    buffer += b"more"
    buffer *= 2
    assert_type(buffer, GrowBuffer)


def methods_of_its_own(buffer: GrowBuffer, source: socket.socket) -> None:
    assert_type(buffer.capacity, int)
    assert_type(buffer.limit, int | None)
    assert_type(buffer.spare(4096), memoryview)
    assert_type(buffer.readfrom(source), int | None)
    assert_type(buffer.readfrom(source.fileno(), 4096), int | None)
    assert_type(buffer.take(2), GrowBuffer)
    assert_type(buffer.freeze(), growbuf.FrozenBytes)
    assert_type(buffer.freeze(10), growbuf.FrozenBytes)
    hash(buffer.freeze().upper())
    # bytearray has resize() since 3.14 and take_bytes() since 3.15. GrowBuffer has both
    # on every Python.
    assert_type(buffer.resize(10), None)
    assert_type(buffer.take_bytes(2), bytes)
    buffer.capacity = 1  # type: ignore[misc]


class Log(GrowBuffer):
    """May be subclassed; in-place operators return the subclass."""

    def line(self, text: str) -> None:
        self.extend(text.encode() + b"\n")


def subclass_in_place_operators(log: Log) -> None:
    log += b"x"
    assert_type(log, Log)
    assert_type(log[1:], GrowBuffer)


def the_module() -> None:
    assert_type(growbuf.__version__, str)
    assert_type(growbuf.stats()["moves"], int)
    assert_type(growbuf.info(), dict[str, Any])
    growbuf.configure(pool_limit=0, prefault=None)
    growbuf.trim()
    growbuf.configure(0)  # type: ignore[call-arg]
