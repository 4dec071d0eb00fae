"""What the reference says about the methods that growbuf inherits from bytearray,
bytes, io.BytesIO and numpy.ndarray. No program imports this file: entries.py reads it.

Each method is written as in a stub, with types. Its docstring has the form of growbuf's
own: what it does, the arguments, what it returns and raises, what it costs, an example.
If bytes also has a method of GrowBuffer, entries.py makes an entry of FrozenBytes from
the same text, and replaces the type in it. The tests run the examples, and compare the
names with those of the types.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, BinaryIO, Literal

import numpy as np
from numpy import ndarray
from numpy.typing import ArrayLike, DTypeLike
from typing_extensions import Buffer

Order = Literal["C", "F", "A", "K"]
Axes = int | tuple[int, ...] | None


class GrowBuffer:
    def capitalize(self) -> GrowBuffer:
        """Return a copy whose first byte is in upper case and all others in lower case.

        Only ASCII letters change. Costs one copy of the bytes.

        >>> from growbuf import GrowBuffer
        >>> GrowBuffer(b'spam EGGS').capitalize()
        GrowBuffer(b'Spam eggs')
        """

    def center(self, width: int, fillchar: bytes | bytearray = b" ", /) -> GrowBuffer:
        """Return a copy with fill bytes on both sides.

        width: the length of the result, which is never less than the present length.
        fillchar: the fill byte, as an object that has this one byte.

        Raise TypeError if fillchar has another length. Costs one copy of the bytes.

        >>> from growbuf import GrowBuffer
        >>> GrowBuffer(b'egg').center(7, b'*')
        GrowBuffer(b'**egg**')
        """

    def copy(self) -> GrowBuffer:
        """Return a copy, without a limit. Costs one copy of the bytes.

        >>> from growbuf import GrowBuffer
        >>> GrowBuffer(b'spam').copy()
        GrowBuffer(b'spam')
        """

    def count(
        self, sub: Buffer | int, start: int | None = None, end: int | None = None, /
    ) -> int:
        """Return how often `sub` occurs, without overlaps.

        sub: the bytes to look for, or one byte as an int.
        start, end: look only at this part, as in a slice.

        Raise ValueError for an int outside range(256). Reads that part once.

        >>> from growbuf import GrowBuffer
        >>> GrowBuffer(b'banana').count(b'a')
        3
        """

    def decode(self, encoding: str = "utf-8", errors: str = "strict") -> str:
        """Return the text that the bytes encode.

        encoding: the name of the encoding.
        errors: what is done with invalid bytes: 'strict' raises, 'replace' and 'ignore'
        do not. It may also be a name that was passed to codecs.register_error().

        Raise UnicodeDecodeError for invalid bytes, LookupError for an unknown name.
        The text takes one to four bytes for each character.

        >>> from growbuf import GrowBuffer
        >>> GrowBuffer(b'spam').decode()
        'spam'
        """

    def endswith(
        self,
        suffix: Buffer | tuple[Buffer, ...],
        start: int | None = None,
        end: int | None = None,
        /,
    ) -> bool:
        """Return whether the bytes end with `suffix`.

        suffix: a bytes-like object, or a tuple of them: any of these may match.
        start, end: look only at this part, as in a slice.

        Raise TypeError for other objects. Reads as many bytes as the suffix has.

        >>> from growbuf import GrowBuffer
        >>> GrowBuffer(b'spam').endswith(b'am')
        True
        """

    def expandtabs(self, tabsize: int = 8) -> GrowBuffer:
        """Return a copy with spaces in place of tabs.

        tabsize: the number of columns from one tab stop to the next; 0 removes tabs.

        Raise OverflowError if the result would be too long. Costs one copy of the
        bytes.

        >>> from growbuf import GrowBuffer
        >>> GrowBuffer(b'a\\tb').expandtabs(4)
        GrowBuffer(b'a   b')
        """

    def find(
        self, sub: Buffer | int, start: int | None = None, end: int | None = None, /
    ) -> int:
        """Return the index of the first occurrence of `sub`, or -1.

        sub: the bytes to look for, or one byte as an int.
        start, end: look only at this part, as in a slice. The index is still counted
        from the first byte of all.

        Raise ValueError for an int outside range(256). Reads the bytes up to `sub`.

        >>> from growbuf import GrowBuffer
        >>> GrowBuffer(b'spam').find(b'am'), GrowBuffer(b'spam').find(b'x')
        (2, -1)
        """

    @classmethod
    def fromhex(cls, string: str, /) -> GrowBuffer:
        """Return a new object with the bytes that a text of hexadecimal digits names.

        string: two digits for each byte; white space between bytes is skipped. Python
        3.14 and newer also accept bytes-like objects.

        Raise ValueError for other characters. Costs one pass over the text.

        >>> from growbuf import GrowBuffer
        >>> GrowBuffer.fromhex('2e f0')
        GrowBuffer(b'.\\xf0')
        """

    def hex(self, sep: str | bytes = ..., bytes_per_sep: int = 1) -> str:
        """Return two hexadecimal digits for each byte, as a text.

        sep: one character to put between groups of digits; none if it is not given.
        bytes_per_sep: how many bytes make a group, counted from the end; from the start
        if it is negative.

        Raise ValueError if sep is not one ASCII character. The text takes two bytes for
        each byte, and one for each separator.

        >>> from growbuf import GrowBuffer
        >>> GrowBuffer(b'\\xf0\\xf1').hex(' ')
        'f0 f1'
        """

    def index(
        self, sub: Buffer | int, start: int | None = None, end: int | None = None, /
    ) -> int:
        """Return the index of the first occurrence of `sub`, as find() does.

        sub: the bytes to look for, or one byte as an int.
        start, end: look only at this part, as in a slice.

        Raise ValueError if there is none. Reads the bytes up to `sub`.

        >>> from growbuf import GrowBuffer
        >>> GrowBuffer(b'spam').index(b'a')
        2
        """

    def isalnum(self) -> bool:
        """Return whether there are bytes and all are ASCII letters or digits.

        Reads up to the first other byte.

        >>> from growbuf import GrowBuffer
        >>> GrowBuffer(b'a1').isalnum()
        True
        """

    def isalpha(self) -> bool:
        """Return whether there are bytes and all are ASCII letters.

        Reads up to the first other byte.

        >>> from growbuf import GrowBuffer
        >>> GrowBuffer(b'a1').isalpha()
        False
        """

    def isascii(self) -> bool:
        """Return whether all bytes are below 128. True if there are no bytes.

        Reads up to the first other byte.

        >>> from growbuf import GrowBuffer
        >>> GrowBuffer(b'\\xff').isascii()
        False
        """

    def isdigit(self) -> bool:
        """Return whether there are bytes and all are ASCII digits.

        Reads up to the first other byte.

        >>> from growbuf import GrowBuffer
        >>> GrowBuffer(b'12').isdigit()
        True
        """

    def islower(self) -> bool:
        """Return whether there is an ASCII letter and none is in upper case.

        Reads up to the first letter in upper case.

        >>> from growbuf import GrowBuffer
        >>> GrowBuffer(b'spam').islower()
        True
        """

    def isspace(self) -> bool:
        """Return whether there are bytes and all are ASCII white space.

        White space is space, tab, newline, carriage return, form feed and vertical tab.
        Reads up to the first other byte.

        >>> from growbuf import GrowBuffer
        >>> GrowBuffer(b' \\t').isspace()
        True
        """

    def istitle(self) -> bool:
        """Return whether each word begins in upper case and continues in lower case.

        A word is a run of ASCII letters. False if there is no word. Reads all bytes.

        >>> from growbuf import GrowBuffer
        >>> GrowBuffer(b'Spam Eggs').istitle()
        True
        """

    def isupper(self) -> bool:
        """Return whether there is an ASCII letter and none is in lower case.

        Reads up to the first letter in lower case.

        >>> from growbuf import GrowBuffer
        >>> GrowBuffer(b'SPAM').isupper()
        True
        """

    def join(self, iterable_of_bytes: Iterable[Buffer], /) -> GrowBuffer:
        """Return the parts joined, with the bytes of this object between them.

        iterable_of_bytes: bytes-like objects.

        Raise TypeError if one is not. Copies each part once.

        >>> from growbuf import GrowBuffer
        >>> GrowBuffer(b', ').join([b'spam', b'eggs'])
        GrowBuffer(b'spam, eggs')
        """

    def ljust(self, width: int, fillchar: bytes | bytearray = b" ", /) -> GrowBuffer:
        """Return a copy with fill bytes after it.

        width: the length of the result, which is never less than the present length.
        fillchar: the fill byte, as an object that has this one byte.

        Raise TypeError if fillchar has another length. Costs one copy of the bytes.

        >>> from growbuf import GrowBuffer
        >>> GrowBuffer(b'egg').ljust(5, b'.')
        GrowBuffer(b'egg..')
        """

    def lower(self) -> GrowBuffer:
        """Return a copy with all ASCII letters in lower case.

        Costs one copy of the bytes.

        >>> from growbuf import GrowBuffer
        >>> GrowBuffer(b'SPAM').lower()
        GrowBuffer(b'spam')
        """

    def lstrip(self, bytes: Buffer | None = None, /) -> GrowBuffer:
        """Return a copy without certain bytes at its start.

        bytes: the byte values to leave out; ASCII white space if it is None.

        Raise TypeError if it is not a bytes-like object. Costs one copy of what stays.

        >>> from growbuf import GrowBuffer
        >>> GrowBuffer(b'  spam ').lstrip()
        GrowBuffer(b'spam ')
        """

    @staticmethod
    def maketrans(frm: Buffer, to: Buffer, /) -> bytes:
        """Return a table for translate().

        frm: the bytes to replace.
        to: what replaces each of them, of the same length.

        Raise ValueError if the lengths differ. Costs a table of 256 bytes.

        >>> from growbuf import GrowBuffer
        >>> table = GrowBuffer.maketrans(b'ab', b'xy')
        >>> GrowBuffer(b'abc').translate(table)
        GrowBuffer(b'xyc')
        """

    def partition(self, sep: Buffer, /) -> tuple[GrowBuffer, GrowBuffer, GrowBuffer]:
        """Split at the first separator.

        sep: the bytes that separate.

        Return the bytes before it, the separator, and the bytes after it. Without a
        separator, return all bytes and two empty parts. Raise ValueError if sep is
        empty. Costs one copy of the bytes.

        >>> from growbuf import GrowBuffer
        >>> GrowBuffer(b'a=b=c').partition(b'=')
        (GrowBuffer(b'a'), GrowBuffer(b'='), GrowBuffer(b'b=c'))
        """

    def removeprefix(self, prefix: Buffer, /) -> GrowBuffer:
        """Return a copy without `prefix` at its start, if it starts with that.

        prefix: a bytes-like object.

        Raise TypeError for other objects. Costs one copy of what stays.

        >>> from growbuf import GrowBuffer
        >>> GrowBuffer(b'www.spam').removeprefix(b'www.')
        GrowBuffer(b'spam')
        """

    def removesuffix(self, suffix: Buffer, /) -> GrowBuffer:
        """Return a copy without `suffix` at its end, if it ends with that.

        suffix: a bytes-like object.

        Raise TypeError for other objects. Costs one copy of what stays.

        >>> from growbuf import GrowBuffer
        >>> GrowBuffer(b'spam.py').removesuffix(b'.py')
        GrowBuffer(b'spam')
        """

    def replace(self, old: Buffer, new: Buffer, count: int = -1, /) -> GrowBuffer:
        """Return a copy with other bytes in place of `old`.

        old: the bytes to replace. If it is empty, `new` is inserted before each byte
        and at the end.
        new: what replaces them.
        count: how many are replaced at most, from the start; all if it is negative.

        Raise TypeError for other objects, OverflowError if the result would be too
        long. Reads the bytes twice if the lengths differ, and copies them once.

        >>> from growbuf import GrowBuffer
        >>> GrowBuffer(b'spam').replace(b'a', b'oo')
        GrowBuffer(b'spoom')
        """

    def reverse(self) -> None:
        """Reverse the order of the bytes in place.

        Works while views exist. Reads and writes each byte once.

        >>> from growbuf import GrowBuffer
        >>> word = GrowBuffer(b'spam')
        >>> word.reverse()
        >>> word
        GrowBuffer(b'maps')
        """

    def rfind(
        self, sub: Buffer | int, start: int | None = None, end: int | None = None, /
    ) -> int:
        """Return the index of the last occurrence of `sub`, or -1.

        sub: the bytes to look for, or one byte as an int.
        start, end: look only at this part, as in a slice.

        Raise ValueError for an int outside range(256). Reads from the end to `sub`.

        >>> from growbuf import GrowBuffer
        >>> GrowBuffer(b'banana').rfind(b'a')
        5
        """

    def rindex(
        self, sub: Buffer | int, start: int | None = None, end: int | None = None, /
    ) -> int:
        """Return the index of the last occurrence of `sub`, as rfind() does.

        sub: the bytes to look for, or one byte as an int.
        start, end: look only at this part, as in a slice.

        Raise ValueError if there is none. Reads from the end to `sub`.

        >>> from growbuf import GrowBuffer
        >>> GrowBuffer(b'banana').rindex(b'n')
        4
        """

    def rjust(self, width: int, fillchar: bytes | bytearray = b" ", /) -> GrowBuffer:
        """Return a copy with fill bytes before it.

        width: the length of the result, which is never less than the present length.
        fillchar: the fill byte, as an object that has this one byte.

        Raise TypeError if fillchar has another length. Costs one copy of the bytes.

        >>> from growbuf import GrowBuffer
        >>> GrowBuffer(b'egg').rjust(5, b'.')
        GrowBuffer(b'..egg')
        """

    def rpartition(self, sep: Buffer, /) -> tuple[GrowBuffer, GrowBuffer, GrowBuffer]:
        """Split at the last separator.

        sep: the bytes that separate.

        Return the bytes before it, the separator, and the bytes after it. Without a
        separator, return two empty parts and all bytes. Raise ValueError if sep is
        empty. Costs one copy of the bytes.

        >>> from growbuf import GrowBuffer
        >>> GrowBuffer(b'a=b=c').rpartition(b'=')
        (GrowBuffer(b'a=b'), GrowBuffer(b'='), GrowBuffer(b'c'))
        """

    def rsplit(self, sep: Buffer | None = None, maxsplit: int = -1) -> list[GrowBuffer]:
        """Return the parts between separators, which are searched for from the end.

        sep: the bytes that separate; if it is None, runs of ASCII white space do.
        maxsplit: the largest number of splits; if it is negative, there is no limit.

        Raise ValueError if sep is empty. Costs one copy of the bytes, and an object for
        each part.

        >>> from growbuf import GrowBuffer
        >>> GrowBuffer(b'a b c').rsplit(maxsplit=1)
        [GrowBuffer(b'a b'), GrowBuffer(b'c')]
        """

    def rstrip(self, bytes: Buffer | None = None, /) -> GrowBuffer:
        """Return a copy without certain bytes at its end.

        bytes: the byte values to leave out; ASCII white space if it is None.

        Raise TypeError if it is not a bytes-like object. Costs one copy of what stays.

        >>> from growbuf import GrowBuffer
        >>> GrowBuffer(b' spam  ').rstrip()
        GrowBuffer(b' spam')
        """

    def split(self, sep: Buffer | None = None, maxsplit: int = -1) -> list[GrowBuffer]:
        """Return the parts between separators.

        sep: the bytes that separate; if it is None, runs of ASCII white space do.
        maxsplit: the largest number of splits; if it is negative, there is no limit.

        Raise ValueError if sep is empty. Costs one copy of the bytes, and an object for
        each part.

        >>> from growbuf import GrowBuffer
        >>> GrowBuffer(b'a,b').split(b',')
        [GrowBuffer(b'a'), GrowBuffer(b'b')]
        """

    def splitlines(self, keepends: bool = False) -> list[GrowBuffer]:
        """Return the lines. They end with a newline, a carriage return, or both.

        keepends: whether the ends of the lines stay in the result.

        Costs one copy of the bytes, and an object for each line.

        >>> from growbuf import GrowBuffer
        >>> GrowBuffer(b'a\\nb').splitlines()
        [GrowBuffer(b'a'), GrowBuffer(b'b')]
        """

    def startswith(
        self,
        prefix: Buffer | tuple[Buffer, ...],
        start: int | None = None,
        end: int | None = None,
        /,
    ) -> bool:
        """Return whether the bytes start with `prefix`.

        prefix: a bytes-like object, or a tuple of them: any of these may match.
        start, end: look only at this part, as in a slice.

        Raise TypeError for other objects. Reads as many bytes as the prefix has.

        >>> from growbuf import GrowBuffer
        >>> GrowBuffer(b'spam').startswith(b'sp')
        True
        """

    def strip(self, bytes: Buffer | None = None, /) -> GrowBuffer:
        """Return a copy without certain bytes at its start and end.

        bytes: the byte values to leave out; ASCII white space if it is None.

        Raise TypeError if it is not a bytes-like object. Costs one copy of what stays.

        >>> from growbuf import GrowBuffer
        >>> GrowBuffer(b'  spam  ').strip()
        GrowBuffer(b'spam')
        """

    def swapcase(self) -> GrowBuffer:
        """Return a copy with ASCII letters in the other case.

        Costs one copy of the bytes.

        >>> from growbuf import GrowBuffer
        >>> GrowBuffer(b'Spam').swapcase()
        GrowBuffer(b'sPAM')
        """

    def title(self) -> GrowBuffer:
        """Return a copy with the first letter of each word in upper case.

        A word is a run of ASCII letters; its other letters become lower case. Costs one
        copy of the bytes.

        >>> from growbuf import GrowBuffer
        >>> GrowBuffer(b'spam and eggs').title()
        GrowBuffer(b'Spam And Eggs')
        """

    def translate(self, table: Buffer | None, /, delete: Buffer = b"") -> GrowBuffer:
        """Return a copy in which each byte is replaced by its entry in a table.

        table: 256 bytes, as maketrans() makes them; None replaces nothing.
        delete: the byte values to leave out first.

        Raise ValueError if the table has another length. Costs one copy of the bytes.

        >>> from growbuf import GrowBuffer
        >>> GrowBuffer(b'spam').translate(None, b'am')
        GrowBuffer(b'sp')
        """

    def upper(self) -> GrowBuffer:
        """Return a copy with all ASCII letters in upper case.

        Costs one copy of the bytes.

        >>> from growbuf import GrowBuffer
        >>> GrowBuffer(b'spam').upper()
        GrowBuffer(b'SPAM')
        """

    def zfill(self, width: int, /) -> GrowBuffer:
        """Return a copy with zeros, b'0', before it; a sign stays the first byte.

        width: the length of the result, which is never less than the present length.

        Raise TypeError if it is no integer. Costs one copy of the bytes.

        >>> from growbuf import GrowBuffer
        >>> GrowBuffer(b'-42').zfill(5)
        GrowBuffer(b'-0042')
        """


class FrozenBytes:
    @classmethod
    def fromhex(cls, string: str, /) -> bytes:
        """Raise TypeError: a FrozenBytes is made by freeze() and getvalue() only.

        string: is not read. `bytes.fromhex(string)` makes bytes of it.

        Costs nothing.

        >>> from growbuf import FrozenBytes
        >>> try:
        ...     FrozenBytes.fromhex('2e f0')
        ... except TypeError:
        ...     print(bytes.fromhex('2e f0'))
        b'.\\xf0'
        """

    @staticmethod
    def maketrans(frm: Buffer, to: Buffer, /) -> bytes:
        """Return a table for translate().

        frm: the bytes to replace.
        to: what replaces each of them, of the same length.

        Raise ValueError if the lengths differ. Costs a table of 256 bytes.

        >>> from growbuf import FrozenBytes
        >>> table = FrozenBytes.maketrans(b'ab', b'xy')
        >>> b'abc'.translate(table)
        b'xyc'
        """


class GrowIO:
    def detach(self) -> None:
        """Raise io.UnsupportedOperation: there is no raw stream to return.

        Costs nothing.

        >>> import io
        >>> from growbuf import GrowIO
        >>> try:
        ...     GrowIO().detach()
        ... except io.UnsupportedOperation as error:
        ...     print(error)
        detach
        """

    def fileno(self) -> int:
        """Raise io.UnsupportedOperation: the file has no file descriptor.

        Costs nothing.

        >>> import io
        >>> from growbuf import GrowIO
        >>> try:
        ...     GrowIO().fileno()
        ... except io.UnsupportedOperation as error:
        ...     print(error)
        fileno
        """

    def readinto1(self, buffer: Buffer, /) -> int:
        """Do what readinto(buffer) does: a file in memory has no raw stream.

        buffer: a writable bytes-like object; it is filled from its start.

        Return how many bytes were read. Raise as readinto() does. Costs one copy of the
        bytes.

        >>> from growbuf import GrowIO
        >>> target = bytearray(4)
        >>> GrowIO(b'spam and eggs').readinto1(target), target
        (4, bytearray(b'spam'))
        """


class GrowArray:
    @property
    def T(self) -> ndarray:
        """All rows with the axes in reverse order. A view.

        >>> from growbuf import GrowArray
        >>> GrowArray([[1, 2], [3, 4]]).T.tolist()
        [[1, 3], [2, 4]]
        """

    @property
    def base(self) -> object:
        """The object that keeps the memory of `array` mapped.

        >>> from growbuf import GrowArray
        >>> GrowArray([1.0]).base is None
        False
        """

    @property
    def ctypes(self) -> object:
        """An object with the address, shape and strides of all rows, for ctypes. It
        keeps a view.

        >>> from growbuf import GrowArray
        >>> samples = GrowArray([1.0])
        >>> samples.ctypes.data == samples.array.ctypes.data
        True
        """

    @property
    def data(self) -> memoryview:
        """A memoryview of all rows. A view.

        >>> from growbuf import GrowArray
        >>> GrowArray([1.0, 2.0]).data[1]
        2.0
        """

    @property
    def device(self) -> str:
        """Always 'cpu'. Needs NumPy 2.

        >>> from growbuf import GrowArray
        >>> GrowArray([1.0]).device
        'cpu'
        """

    @property
    def flat(self) -> np.flatiter:
        """An iterator over all items, which can be indexed and assigned to. A view.

        >>> from growbuf import GrowArray
        >>> table = GrowArray([[1, 2], [3, 4]])
        >>> table.flat = 7
        >>> table
        GrowArray([[7, 7],
                   [7, 7]])
        """

    @property
    def imag(self) -> ndarray:
        """The imaginary parts of all items. A view for complex dtypes, else zeros.

        >>> from growbuf import GrowArray
        >>> GrowArray([1 + 2j]).imag.tolist()
        [2.0]
        """

    @property
    def mT(self) -> ndarray:
        """All rows with the last two axes exchanged. A view. Needs NumPy 2.

        >>> from growbuf import GrowArray
        >>> pairs = GrowArray([[1, 2], [3, 4]])
        >>> pairs.mT.tolist()
        [[1, 3], [2, 4]]
        """

    @property
    def real(self) -> ndarray:
        """The real parts of all items. A view; it can be assigned to.

        >>> from growbuf import GrowArray
        >>> GrowArray([1 + 2j]).real.tolist()
        [1.0]
        """

    @property
    def strides(self) -> tuple[int, ...]:
        """The distance in bytes from one item to the next along each axis.

        >>> from growbuf import GrowArray
        >>> GrowArray([[1.0, 2.0]]).strides
        (16, 8)
        """

    def all(
        self,
        axis: Axes = None,
        out: ndarray | GrowArray | None = None,
        *,
        keepdims: bool = False,
        where: ArrayLike = True,
    ) -> Any:
        """Return whether all items are true, along axes.

        axis, out, keepdims, where: as for sum().

        Raise numpy.exceptions.AxisError, a ValueError, for an axis that does not exist.
        Reads up to the first false item.

        >>> from growbuf import GrowArray
        >>> bool(GrowArray([1, 0]).all())
        False
        """

    def any(
        self,
        axis: Axes = None,
        out: ndarray | GrowArray | None = None,
        *,
        keepdims: bool = False,
        where: ArrayLike = True,
    ) -> Any:
        """Return whether any item is true, along axes.

        axis, out, keepdims, where: as for sum().

        Raise numpy.exceptions.AxisError, a ValueError, for an axis that does not exist.
        Reads up to the first true item.

        >>> from growbuf import GrowArray
        >>> bool(GrowArray([1, 0]).any())
        True
        """

    def argmax(
        self,
        axis: int | None = None,
        out: ndarray | GrowArray | None = None,
        *,
        keepdims: bool = False,
    ) -> Any:
        """Return the index of the largest item, the first one if several are equal.

        axis, out, keepdims: as for sum(). Without an axis, the items are counted in the
        order of ravel().

        Raise ValueError if there is no item. Reads the items once.

        >>> from growbuf import GrowArray
        >>> int(GrowArray([1, 5, 3]).argmax())
        1
        """

    def argmin(
        self,
        axis: int | None = None,
        out: ndarray | GrowArray | None = None,
        *,
        keepdims: bool = False,
    ) -> Any:
        """Return the index of the smallest item, the first one if several are equal.

        axis, out, keepdims: as for sum(). Without an axis, the items are counted in the
        order of ravel().

        Raise ValueError if there is no item. Reads the items once.

        >>> from growbuf import GrowArray
        >>> int(GrowArray([4, 1, 3]).argmin())
        1
        """

    def argpartition(
        self,
        kth: int | Sequence[int],
        axis: int | None = -1,
        kind: str = "introselect",
        order: str | Sequence[str] | None = None,
    ) -> ndarray:
        """Return the indexes in the order in which partition() would put the items.

        kth: an index, or several. partition() puts the same item there as sort().
        axis: along which axis; None takes all items as one axis.
        kind: the algorithm; there is only 'introselect'.
        order: for records, the fields to compare, in this order.

        Raise ValueError if kth is out of bounds. Takes time proportional to the items,
        and memory for an index of each.

        >>> from growbuf import GrowArray
        >>> int(GrowArray([3, 1, 2]).argpartition(0)[0])
        1
        """

    def argsort(
        self,
        axis: int | None = -1,
        kind: str | None = None,
        order: str | Sequence[str] | None = None,
        *,
        stable: bool | None = None,
    ) -> ndarray:
        """Return the indexes that would sort the items.

        axis: along which axis; None takes all items as one axis.
        kind: 'quicksort' (if it is None), 'mergesort', 'heapsort' or 'stable'.
        order: for records, the fields to compare, in this order.
        stable: whether equal items keep their order; in place of kind, from NumPy 2 on.

        Raise ValueError for an unknown kind or field. Takes n log n comparisons, and
        memory for an index of each item.

        >>> from growbuf import GrowArray
        >>> GrowArray([3, 1, 2]).argsort().tolist()
        [1, 2, 0]
        """

    def astype(
        self,
        dtype: DTypeLike,
        order: Order = "K",
        casting: str = "unsafe",
        subok: bool = True,
        copy: bool = True,
    ) -> ndarray:
        """Return all rows converted to another dtype.

        dtype: that of the result.
        order: the order of the result's memory: 'C', 'F', 'A' or 'K'.
        casting: which conversions are allowed, from 'no' to 'unsafe'.
        subok: without effect here.
        copy: if it is false and the dtype is the same, the result is a view.

        Raise TypeError if casting forbids the conversion. Costs one copy of the items.

        >>> from growbuf import GrowArray
        >>> GrowArray([1.5, 2.5]).astype(int).tolist()
        [1, 2]
        """

    def byteswap(self, inplace: bool = False) -> ndarray:
        """Return the items with their bytes in reverse order, of the same dtype.

        inplace: if it is true, the items of the array itself are changed.

        Return a new ndarray, or the array itself. Reads and writes each item once.

        >>> from growbuf import GrowArray
        >>> GrowArray([1], dtype='u2').byteswap().tolist()
        [256]
        """

    def choose(
        self,
        choices: Sequence[ArrayLike],
        out: ndarray | GrowArray | None = None,
        mode: Literal["raise", "wrap", "clip"] = "raise",
    ) -> Any:
        """Return an array whose items are taken from the arrays in `choices`.

        choices: a sequence of arrays. Where this array has the item n, the result has
        the item at the same index of choices[n].
        out: an array for the result.
        mode: what is done with an item that is out of bounds.

        Raise ValueError for such an item if mode is 'raise'. Costs memory for the
        result.

        >>> from growbuf import GrowArray
        >>> GrowArray([1, 0]).choose([[10, 20], [30, 40]]).tolist()
        [30, 20]
        """

    def clip(
        self,
        min: ArrayLike | None = None,
        max: ArrayLike | None = None,
        out: ndarray | GrowArray | None = None,
        **kwargs: Any,
    ) -> Any:
        """Return the items; `min` replaces smaller ones, and `max` larger ones.

        min, max: the bounds; None is no bound.
        out: an array for the result; the array itself to change it in place.
        kwargs: further arguments of a ufunc.

        Raise ValueError if no bound is given, before NumPy 2.1. Reads the items once.

        >>> from growbuf import GrowArray
        >>> GrowArray([1, 5, 9]).clip(2, 6).tolist()
        [2, 5, 6]
        """

    def compress(
        self,
        condition: ArrayLike,
        axis: int | None = None,
        out: ndarray | GrowArray | None = None,
    ) -> ndarray:
        """Return the items at the indexes at which a condition is true.

        condition: bools, one for each index of the axis; what comes after the last bool
        is left out.
        axis: along which axis; None takes all items as one axis.
        out: an array for the result.

        Raise ValueError if condition has more than one axis. Costs one copy of the
        result.

        >>> from growbuf import GrowArray
        >>> GrowArray([1, 2, 3]).compress([True, False, True]).tolist()
        [1, 3]
        """

    def conj(self) -> ndarray:
        """Return the complex conjugate of each item. Costs one copy of the items.

        >>> from growbuf import GrowArray
        >>> GrowArray([1 + 2j]).conj().tolist()
        [(1-2j)]
        """

    def conjugate(self) -> ndarray:
        """Return the complex conjugate of each item. Costs one copy of the items.

        >>> from growbuf import GrowArray
        >>> GrowArray([1 + 2j]).conjugate().tolist()
        [(1-2j)]
        """

    def cumprod(
        self,
        axis: int | None = None,
        dtype: DTypeLike = None,
        out: ndarray | GrowArray | None = None,
    ) -> ndarray:
        """Return for each item the product of all items up to it.

        axis, dtype, out: as for sum().

        Raise numpy.exceptions.AxisError, a ValueError, for an axis that does not exist.
        Reads the items once; the result has as many.

        >>> from growbuf import GrowArray
        >>> GrowArray([1, 2, 3]).cumprod().tolist()
        [1, 2, 6]
        """

    def cumsum(
        self,
        axis: int | None = None,
        dtype: DTypeLike = None,
        out: ndarray | GrowArray | None = None,
    ) -> ndarray:
        """Return for each item the sum of all items up to it.

        axis, dtype, out: as for sum().

        Raise numpy.exceptions.AxisError, a ValueError, for an axis that does not exist.
        Reads the items once; the result has as many.

        >>> from growbuf import GrowArray
        >>> GrowArray([1, 2, 3]).cumsum().tolist()
        [1, 3, 6]
        """

    def diagonal(self, offset: int = 0, axis1: int = 0, axis2: int = 1) -> ndarray:
        """Return the items whose two indexes are equal. A read-only view.

        offset: how far the diagonal is above the main one; below if it is negative.
        axis1, axis2: the axes of the two indexes.

        Raise ValueError if there are fewer than two axes. Costs no copy.

        >>> from growbuf import GrowArray
        >>> GrowArray([[1, 2], [3, 4]]).diagonal().tolist()
        [1, 4]
        """

    def dot(self, other: ArrayLike, /, out: ndarray | GrowArray | None = None) -> Any:
        """Return the product of matrices or vectors.

        other: the right operand.
        out: an array for the result, of exactly its shape and dtype.

        Raise ValueError if the shapes do not fit. Costs one multiplication of matrices.

        >>> from growbuf import GrowArray
        >>> int(GrowArray([1, 2]).dot([3, 4]))
        11
        """

    def dump(self, file: str | BinaryIO) -> None:
        """Write a pickle of all rows, as an ndarray.

        file: a path, or a binary file that is open for writing.

        Raise OSError if the file cannot be written. Costs one copy of the rows.

        >>> import io, pickle
        >>> from growbuf import GrowArray
        >>> file = io.BytesIO()
        >>> GrowArray([1, 2]).dump(file)
        >>> pickle.loads(file.getvalue()).tolist()
        [1, 2]
        """

    def dumps(self) -> bytes:
        """Return a pickle of all rows, as an ndarray. Costs one copy of the rows.

        >>> import pickle
        >>> from growbuf import GrowArray
        >>> pickle.loads(GrowArray([1, 2]).dumps()).tolist()
        [1, 2]
        """

    def fill(self, value: Any) -> None:
        """Set all items to a value, in place.

        value: a scalar; it is cast to the dtype.

        Raise ValueError if it cannot be cast. Writes each item once.

        >>> from growbuf import GrowArray
        >>> samples = GrowArray([1, 2])
        >>> samples.fill(7)
        >>> samples
        GrowArray([7, 7])
        """

    def flatten(self, order: Order = "C") -> ndarray:
        """Return a copy of all items with one axis.

        order: in order 'C' the last index changes fastest, in order 'F' the first. 'A'
        and 'K' do what 'C' does.

        Raise ValueError for another order. Costs one copy of the items.

        >>> from growbuf import GrowArray
        >>> GrowArray([[1, 2], [3, 4]]).flatten('F').tolist()
        [1, 3, 2, 4]
        """

    def getfield(self, dtype: DTypeLike, offset: int = 0) -> ndarray:
        """Return a part of each item as another dtype. A view.

        dtype: that of the part.
        offset: where the part begins, in bytes from the start of the item.

        Raise ValueError if the part is not within an item. Costs no copy.

        >>> from growbuf import GrowArray
        >>> GrowArray([1 + 2j]).getfield('f8', 8).tolist()
        [2.0]
        """

    def item(self, *args: int | tuple[int, ...]) -> Any:
        """Return one item as an object of Python.

        args: its index, as one number over all items, as a tuple, or as one number for
        each axis; none if there is only one item.

        Raise ValueError if there are several items and no index, IndexError if the
        index is out of bounds. Costs one object.

        >>> from growbuf import GrowArray
        >>> GrowArray([1.5, 2.5]).item(1)
        2.5
        """

    def max(
        self,
        axis: Axes = None,
        out: ndarray | GrowArray | None = None,
        *,
        keepdims: bool = False,
        initial: Any = ...,
        where: ArrayLike = True,
    ) -> Any:
        """Return the largest item, along axes.

        axis, out, keepdims, initial, where: as for sum().

        Raise ValueError if there is no item and no initial. Reads the items once.

        >>> from growbuf import GrowArray
        >>> int(GrowArray([1, 5, 3]).max())
        5
        """

    def mean(
        self,
        axis: Axes = None,
        dtype: DTypeLike = None,
        out: ndarray | GrowArray | None = None,
        *,
        keepdims: bool = False,
        where: ArrayLike = True,
    ) -> Any:
        """Return the mean of the items, along axes.

        axis, dtype, out, keepdims, where: as for sum().

        Without items it is NaN, with a RuntimeWarning. Raise
        numpy.exceptions.AxisError, a ValueError, for an axis that does not exist. Reads
        the items once.

        >>> from growbuf import GrowArray
        >>> float(GrowArray([1.0, 2.0]).mean())
        1.5
        """

    def min(
        self,
        axis: Axes = None,
        out: ndarray | GrowArray | None = None,
        *,
        keepdims: bool = False,
        initial: Any = ...,
        where: ArrayLike = True,
    ) -> Any:
        """Return the smallest item, along axes.

        axis, out, keepdims, initial, where: as for sum().

        Raise ValueError if there is no item and no initial. Reads the items once.

        >>> from growbuf import GrowArray
        >>> int(GrowArray([4, 1, 3]).min())
        1
        """

    def nonzero(self) -> tuple[ndarray, ...]:
        """Return the indexes of the items that are not zero: an array for each axis.

        Reads the items twice, and costs memory for the result.

        >>> from growbuf import GrowArray
        >>> [part.tolist() for part in GrowArray([0, 5, 7]).nonzero()]
        [[1, 2]]
        """

    def partition(
        self,
        kth: int | Sequence[int],
        axis: int = -1,
        kind: str = "introselect",
        order: str | Sequence[str] | None = None,
    ) -> None:
        """Reorder items in place: none before kth is larger, none after it is smaller.

        kth: an index, or several. partition() puts the same item there as sort().
        axis: along which axis.
        kind: the algorithm; there is only 'introselect'.
        order: for records, the fields to compare, in this order.

        Raise ValueError if kth is out of bounds. Takes time proportional to the items.

        >>> from growbuf import GrowArray
        >>> samples = GrowArray([3, 1, 2])
        >>> samples.partition(0)
        >>> int(samples[0])
        1
        """

    def prod(
        self,
        axis: Axes = None,
        dtype: DTypeLike = None,
        out: ndarray | GrowArray | None = None,
        *,
        keepdims: bool = False,
        initial: Any = 1,
        where: ArrayLike = True,
    ) -> Any:
        """Return the product of the items, along axes.

        axis, dtype, out, keepdims, initial, where: as for sum().

        Raise numpy.exceptions.AxisError, a ValueError, for an axis that does not exist.
        Reads the items once. Integers overflow without an error.

        >>> from growbuf import GrowArray
        >>> int(GrowArray([2, 3]).prod())
        6
        """

    def put(
        self,
        indices: ArrayLike,
        values: ArrayLike,
        mode: Literal["raise", "wrap", "clip"] = "raise",
    ) -> None:
        """Set the items at some indexes, in place.

        indices: the indexes of the items, counted in the order of ravel().
        values: the new items; they are repeated if there are too few.
        mode: what is done with an index that is out of bounds.

        Raise IndexError for such an index if mode is 'raise'. Writes each of the items.

        >>> from growbuf import GrowArray
        >>> samples = GrowArray([1, 2, 3])
        >>> samples.put([0, 2], [7, 9])
        >>> samples
        GrowArray([7, 2, 9])
        """

    def ravel(self, order: Order = "C") -> ndarray:
        """Return all items with one axis. A view, or in order 'F' a copy if needed.

        order: in order 'C' the last index changes fastest, in order 'F' the first. 'A'
        and 'K' do what 'C' does.

        Raise ValueError for another order. Costs no copy in order 'C'.

        >>> from growbuf import GrowArray
        >>> GrowArray([[1, 2], [3, 4]]).ravel().tolist()
        [1, 2, 3, 4]
        """

    def repeat(self, repeats: ArrayLike, axis: int | None = None) -> ndarray:
        """Return the items, each of them several times.

        repeats: how often each is repeated: a number, or one for each index of `axis`.
        axis: along which axis; None takes all items as one axis.

        Raise ValueError for negative numbers. Costs memory for the result.

        >>> from growbuf import GrowArray
        >>> GrowArray([1, 2]).repeat(2).tolist()
        [1, 1, 2, 2]
        """

    def reshape(
        self,
        *shape: int | tuple[int, ...],
        order: Order = "C",
        copy: bool | None = None,
    ) -> ndarray:
        """Return all items in another shape. A view, or in order 'F' a copy if needed.

        shape: numbers, or a tuple; one of them may be -1 and is then computed.
        order: in which order items are read and placed.
        copy: whether to copy; None copies only if needed. From NumPy 2.1 on.

        Raise ValueError if the number of items would change. Costs no copy in order
        'C'.

        >>> from growbuf import GrowArray
        >>> GrowArray([1, 2, 3, 4]).reshape(2, 2).tolist()
        [[1, 2], [3, 4]]
        """

    def round(
        self, decimals: int = 0, out: ndarray | GrowArray | None = None
    ) -> ndarray:
        """Return the items rounded; a half is rounded to the even neighbour.

        decimals: how many digits after the point; before it if it is negative.
        out: an array for the result; the array itself to change it in place.

        Raise TypeError for a dtype that has no numbers. Reads the items once.

        >>> from growbuf import GrowArray
        >>> GrowArray([1.26, 2.5]).round(1).tolist()
        [1.3, 2.5]
        """

    def searchsorted(
        self,
        v: ArrayLike,
        side: Literal["left", "right"] = "left",
        sorter: ArrayLike | None = None,
    ) -> Any:
        """Return where values would have to be inserted to keep the rows sorted.

        v: the values.
        side: whether a value goes to the 'left' or to the 'right' of equal items.
        sorter: the indexes that sort the rows, if they are not sorted.

        Raise ValueError if the array has more than one axis. Takes log n comparisons
        for each value.

        >>> from growbuf import GrowArray
        >>> int(GrowArray([1, 3, 5]).searchsorted(4))
        2
        """

    def setfield(self, val: ArrayLike, dtype: DTypeLike, offset: int = 0) -> None:
        """Set a part of each item, in place.

        val: the values; they are cast to dtype.
        dtype: that of the part.
        offset: where the part begins, in bytes from the start of the item.

        Raise ValueError if the part is not within an item. Writes each item once.

        >>> from growbuf import GrowArray
        >>> samples = GrowArray([1 + 2j])
        >>> samples.setfield(7.0, 'f8', 8)
        >>> samples.tolist()
        [(1+7j)]
        """

    def setflags(
        self,
        write: bool | None = None,
        align: bool | None = None,
        uic: bool | None = None,
    ) -> None:
        """Raise ValueError if a flag would change: set the flags of a view instead.

        write, align, uic: the flags of an ndarray; None changes nothing.

        Costs nothing.

        >>> from growbuf import GrowArray
        >>> view = GrowArray([1.0]).array
        >>> view.setflags(write=False)
        >>> view.flags.writeable
        False
        """

    def sort(
        self,
        axis: int = -1,
        kind: str | None = None,
        order: str | Sequence[str] | None = None,
        *,
        stable: bool | None = None,
    ) -> None:
        """Sort the items in place.

        axis: along which axis; by default the last.
        kind: 'quicksort' (if it is None), 'mergesort', 'heapsort' or 'stable'.
        order: for records, the fields to compare, in this order.
        stable: whether equal items keep their order; in place of kind, from NumPy 2 on.

        Raise ValueError for an unknown kind or field. Takes n log n comparisons. Views
        see the new order.

        >>> from growbuf import GrowArray
        >>> samples = GrowArray([3, 1, 2])
        >>> samples.sort()
        >>> samples
        GrowArray([1, 2, 3])
        """

    def squeeze(self, axis: Axes = None) -> ndarray:
        """Return all rows without axes of length 1. A view.

        axis: which of those axes to remove; all if it is None.

        Raise ValueError for an axis of another length. Costs no copy.

        >>> from growbuf import GrowArray
        >>> GrowArray([[1], [2]]).squeeze().tolist()
        [1, 2]
        """

    def std(
        self,
        axis: Axes = None,
        dtype: DTypeLike = None,
        out: ndarray | GrowArray | None = None,
        ddof: float = 0,
        *,
        keepdims: bool = False,
        where: ArrayLike = True,
        mean: ArrayLike = ...,
    ) -> Any:
        """Return the standard deviation of the items, along axes.

        axis, dtype, out, keepdims, where: as for sum().
        ddof: the divisor is the number of items minus this.
        mean: the mean, if it is known already. From NumPy 2 on.

        Without items it is NaN, with a RuntimeWarning. Raise
        numpy.exceptions.AxisError, a ValueError, for an axis that does not exist. Reads
        the items twice, and takes memory for the squares.

        >>> from growbuf import GrowArray
        >>> float(GrowArray([1.0, 3.0]).std())
        1.0
        """

    def sum(
        self,
        axis: Axes = None,
        dtype: DTypeLike = None,
        out: ndarray | GrowArray | None = None,
        *,
        keepdims: bool = False,
        initial: Any = 0,
        where: ArrayLike = True,
    ) -> Any:
        """Return the sum of the items, along axes.

        axis: along which axis, or axes as a tuple; None takes all items together.
        dtype: that of the result: by default the array's own, or a larger one for small
        integers.
        out: an array for the result, of its shape.
        keepdims: whether the result keeps these axes, with length 1.
        initial: what the calculation starts with; the result if there is no item.
        where: bools; only items for which they are true count.

        Raise numpy.exceptions.AxisError, a ValueError, for an axis that does not exist.
        Reads the items once. Integers overflow without an error.

        >>> from growbuf import GrowArray
        >>> GrowArray([[1, 2], [3, 4]]).sum(axis=0).tolist()
        [4, 6]
        """

    def swapaxes(self, axis1: int, axis2: int, /) -> ndarray:
        """Return all rows with two axes exchanged. A view.

        axis1, axis2: the axes.

        Raise numpy.exceptions.AxisError, a ValueError, for an axis that does not exist.
        Costs no copy.

        >>> from growbuf import GrowArray
        >>> GrowArray([[1, 2], [3, 4]]).swapaxes(0, 1).tolist()
        [[1, 3], [2, 4]]
        """

    def take(
        self,
        indices: ArrayLike,
        axis: int | None = None,
        out: ndarray | GrowArray | None = None,
        mode: Literal["raise", "wrap", "clip"] = "raise",
    ) -> Any:
        """Return the items at some indexes. To remove the first rows, see detach().

        indices: the indexes, in an array of any shape.
        axis: along which axis; None takes all items as one axis.
        out: an array for the result.
        mode: what is done with an index that is out of bounds.

        Raise IndexError for such an index if mode is 'raise'. Costs one copy of the
        result.

        >>> from growbuf import GrowArray
        >>> GrowArray([10, 20, 30]).take([2, 0]).tolist()
        [30, 10]
        """

    def to_device(self, device: str, /, *, stream: None = None) -> ndarray:
        """Return all rows as an ndarray. A view. Needs NumPy 2.

        device: 'cpu'; there is no other.
        stream: None.

        Raise ValueError for another device. Costs no copy.

        >>> from growbuf import GrowArray
        >>> samples = GrowArray([1, 2])
        >>> samples.to_device('cpu').tolist()
        [1, 2]
        """

    def tobytes(self, order: Order = "C") -> bytes:
        """Return the bytes of all rows.

        order: in order 'C' the last index changes fastest, in order 'F' the first. 'A'
        and 'K' do what 'C' does.

        Raise ValueError for another order. Costs one copy of the rows.

        >>> from growbuf import GrowArray
        >>> GrowArray([1, 2], dtype='u1').tobytes()
        b'\\x01\\x02'
        """

    def tofile(self, fid: str | BinaryIO, sep: str = "", format: str = "%s") -> None:
        """Write all items to a file.

        fid: a path, or a file that has a file descriptor.
        sep: text between items; if it is empty, the bytes of the rows are written.
        format: how each item is written as text.

        Raise OSError if the file cannot be written, io.UnsupportedOperation if it has
        no descriptor. Bytes are written without a copy.

        >>> import os, tempfile
        >>> from growbuf import GrowArray
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     path = os.path.join(folder, 'samples')
        ...     GrowArray([1.0, 2.0]).tofile(path)
        ...     os.path.getsize(path)
        16
        """

    def tolist(self) -> list[Any]:
        """Return all items as a list of Python objects, nested for several axes.

        Costs an object for each item.

        >>> from growbuf import GrowArray
        >>> GrowArray([[1, 2]]).tolist()
        [[1, 2]]
        """

    def trace(
        self,
        offset: int = 0,
        axis1: int = 0,
        axis2: int = 1,
        dtype: DTypeLike = None,
        out: ndarray | GrowArray | None = None,
    ) -> Any:
        """Return the sum of the items of a diagonal.

        offset: how far the diagonal is above the main one; below if it is negative.
        axis1, axis2: the axes of the two indexes.
        dtype: that in which the sum is computed.
        out: an array for the result.

        Raise ValueError if there are fewer than two axes. Reads the diagonal once.

        >>> from growbuf import GrowArray
        >>> int(GrowArray([[1, 2], [3, 4]]).trace())
        5
        """

    def transpose(self, *axes: int | tuple[int, ...] | None) -> ndarray:
        """Return all rows with the axes in another order. A view.

        axes: the new order, as numbers or a tuple; none or None reverses the order.

        Raise ValueError if it does not name each axis once. Costs no copy.

        >>> from growbuf import GrowArray
        >>> GrowArray([[1, 2], [3, 4]]).transpose().tolist()
        [[1, 3], [2, 4]]
        """

    def var(
        self,
        axis: Axes = None,
        dtype: DTypeLike = None,
        out: ndarray | GrowArray | None = None,
        ddof: float = 0,
        *,
        keepdims: bool = False,
        where: ArrayLike = True,
        mean: ArrayLike = ...,
    ) -> Any:
        """Return the variance of the items, along axes.

        axis, dtype, out, keepdims, where: as for sum().
        ddof: the divisor is the number of items minus this.
        mean: the mean, if it is known already. From NumPy 2 on.

        Without items it is NaN, with a RuntimeWarning. Raise
        numpy.exceptions.AxisError, a ValueError, for an axis that does not exist. Reads
        the items twice, and takes memory for the squares.

        >>> from growbuf import GrowArray
        >>> float(GrowArray([1.0, 3.0]).var())
        1.0
        """

    def view(self, dtype: DTypeLike = ..., type: type = ...) -> ndarray:
        """Return an ndarray of the same memory. A view.

        dtype: how its bytes are read; the array's own if it is not given.
        type: a subclass of ndarray; ndarray if it is not given.

        Raise ValueError if the items do not fit the dtype. Costs no copy.

        >>> from growbuf import GrowArray
        >>> GrowArray([1, 2], dtype='u1').view('u2').shape
        (1,)
        """
