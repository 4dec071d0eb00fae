"""GrowIO where a file, a binary file or a BytesIO is asked for. Never run."""

import gzip
import io
import pickle
import shutil
import tarfile
import wave
import zipfile
from typing import IO, BinaryIO, assert_type

from growbuf import GrowBuffer, GrowIO


def takes_binary_io(file: BinaryIO) -> None: ...
def takes_io(file: IO[bytes]) -> None: ...
def takes_bytesio(file: io.BytesIO) -> None: ...
def takes_buffered(file: io.BufferedIOBase) -> None: ...


def arguments_of_constructor() -> None:
    GrowIO()
    GrowIO(b"spam")
    GrowIO(initial_bytes=bytearray(b"spam"))
    GrowIO(None)
    GrowIO(b"spam", limit=1 << 40)
    GrowIO(buffer=GrowBuffer())
    GrowIO("spam")  # type: ignore[arg-type]
    GrowIO(buffer=bytearray())  # type: ignore[arg-type]


def use_as_file(file: GrowIO) -> None:
    takes_binary_io(file)
    takes_io(file)
    takes_bytesio(file)
    takes_buffered(file)
    with wave.open(file, "wb") as sound:
        sound.setnchannels(1)
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("name", b"data")
    with tarfile.open(fileobj=file, mode="w") as tar:
        tar.addfile(tarfile.TarInfo("name"))
    with gzip.open(file, "wb") as packed:
        packed.write(b"data")
    pickle.dump({}, file)
    shutil.copyfileobj(file, GrowIO())
    io.TextIOWrapper(file, encoding="utf-8").write("text")
    io.BufferedReader(file).read()


def types_of_results(file: GrowIO) -> None:
    assert_type(file.buffer, GrowBuffer)
    assert_type(file.read(), bytes)
    assert_type(file.read1(5), bytes)
    assert_type(file.peek(5), bytes)
    assert_type(file.readline(None), bytes)
    assert_type(file.readlines(), list[bytes])
    assert_type(file.readinto(bytearray(5)), int)
    assert_type(file.write(b"x"), int)
    assert_type(file.writelines([b"x", bytearray()]), None)
    assert_type(file.seek(0, 2), int)
    assert_type(file.tell(), int)
    assert_type(file.truncate(), int)
    assert_type(file.getvalue(), bytes)
    assert_type(file.getbuffer(), "memoryview[int]")
    assert_type(file.closed, bool)
    file.write("text")  # type: ignore[arg-type]
    file.buffer = GrowBuffer()  # type: ignore[misc]
    for line in file:
        assert_type(line, bytes)
    with GrowIO() as other:
        assert_type(other, GrowIO)


class Named(GrowIO):
    """May be subclassed, with a method overridden as in BytesIO."""

    def __init__(self, name: str) -> None:
        super().__init__(name.encode())

    def close(self) -> None:
        super().close()


def use_of_subclass_as_file(file: Named) -> None:
    takes_binary_io(file)
    assert_type(file.read(), bytes)
