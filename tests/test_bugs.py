"""Test growbuf against bugs found in bytearray, BytesIO, mmap and NumPy.

The table BUGS at the end maps each bug to its test. Methods that only read are
inherited from the running Python's bytearray, and share its bugs.
"""

import sys
from contextlib import nullcontext

import pytest
from conftest import assert_holds
from test_growbuffer import MIB, run
from test_security import array_module

from growbuf import GrowBuffer, GrowIO
from growbuf._growbuf import check


class Evil:
    """An index whose conversion to an integer clears the buffer."""

    def __init__(self, buf, number):
        self.buf, self.number = buf, number

    def __index__(self):
        try:
            self.buf.clear()
        except BufferError:  # the calling method holds an export
            pass
        return self.number

    __len__ = __index__


def sound(buf):
    assert check(buf) is None
    length = len(buf)
    buf += b"on"
    assert buf[length:] == b"on" and check(buf) is None


# ------------------------------------------------------------- bytearray with user code


def setitem_value_clears_buffer_raises_index_error():
    buf = GrowBuffer(56)
    with pytest.raises(IndexError):
        buf[23] = Evil(buf, 1)
    assert_holds(buf, b"")


def mod_value_clears_buffer_keeps_buffer_valid():
    buf = GrowBuffer(b"%d and %b")

    class Shown:
        def __bytes__(self):
            Evil(buf, 0).__index__()
            return b"shown"

    try:
        buf % (5, Shown())
    except (BufferError, ValueError, TypeError):
        pass
    sound(buf)


def search_argument_calls_clear_still_finds():
    """The search exports the bytes: clear() raises, and the search completes."""
    searches = {"__contains__": 1, "count": 3, "find": 3, "index": 3}
    searches |= {"rfind": 3, "rindex": 3, "startswith": 3, "endswith": 3}
    for name, nargs in searches.items():
        for at in range(nargs):
            for length in (6, 5000, 3 * MIB):
                data = b"A" * length
                buf = GrowBuffer(data)
                args = [b"A", 0, length][:nargs]
                if at == 0 and name.endswith("with"):
                    continue
                args[at] = Evil(buf, 65 if at == 0 else args[at])
                expected = getattr(data, name)(*[b"A", 0, length][:nargs])
                assert getattr(buf, name)(*args) == expected
                assert_holds(buf, data)
                sound(buf)


def hex_separator_calls_clear_formats_all_bytes():
    buf = GrowBuffer(b"ABCDEF")

    class Separator(str):
        __len__ = Evil(buf, 1).__index__

    assert buf.hex(Separator(":")) == "41:42:43:44:45:46"
    assert_holds(buf, b"ABCDEF")
    sound(buf)


def take_bytes_count_clears_buffer_raises_index_error():
    buf = GrowBuffer(b"A" * (16 * MIB))
    with pytest.raises(IndexError):
        buf.take_bytes(Evil(buf, 8 * MIB))
    assert_holds(buf, b"")


def extend_iterator_appends_meanwhile_keeps_all_items():
    """The items are collected first; bytes the iterator appends are kept too."""
    buf = GrowBuffer(b"abc")

    class Grows:
        def __init__(self, items):
            self.items = iter(items)

        def __iter__(self):
            return self

        def __next__(self):
            buf.append(33)
            return next(self.items)

    buf.extend(Grows([65, 66]))
    assert sorted(buf) == sorted(b"abc!!!AB")
    sound(buf)


def init_invalid_item_leaves_buffer_unchanged():
    buf = GrowBuffer(b"abc")
    with pytest.raises(ValueError):
        buf.__init__([1, 2, 256])
    assert_holds(buf, b"abc")


def resize_too_large_keeps_bytes():
    for length in (3, 5000, 3 * MIB):
        buf = GrowBuffer(b"x" * length)
        with pytest.raises(MemoryError):
            buf.resize(1 << 62)
        assert_holds(buf, b"x" * length)


def take_bytes_leaving_one_byte_shares_no_memory():
    for length in range(2, 6):
        buf = GrowBuffer(b"abcde"[:length])
        last = bytes(buf[-1:])
        buf.take_bytes(length - 1)
        buf[0] = 0x42
        assert last == b"abcde"[length - 1 : length] and buf == b"B"
    empty, other = GrowBuffer(), GrowBuffer()
    empty += b"x"
    empty[0] = 1
    assert other == b"" == bytes(other)


# ------------------------------------------------------------------ files and mappings


def growio_argument_closes_file_raises_value_error():
    for name in ("read", "readline", "seek", "truncate"):
        file = GrowIO(b"spam")

        class Closes:
            def __index__(self, file=file):
                file.close()
                return 2

        with pytest.raises(ValueError):
            getattr(file, name)(Closes())
        assert file.closed


def writelines_iterator_truncates_file_fills_with_zeros():
    file = GrowIO(b"spam")

    class Lines:
        def __iter__(self):
            yield b"one"
            file.truncate(0)
            yield b"two"

    file.writelines(Lines())
    assert file.getvalue() == b"\0\0\0two"


def read_at_max_position_returns_nothing():
    file = GrowIO(b"spam")
    file.seek(sys.maxsize)
    assert file.readinto(bytearray(5)) == 0 and file.read(5) == b""
    assert file.tell() == sys.maxsize


def resize_repeatedly_new_pages_are_writable():
    """A grown shared mapping faults past its old end; growbuf maps private memory."""
    code = """
        from growbuf import GrowBuffer
        buf = GrowBuffer(b"x" * (2 << 20))
        for _ in range(5):
            buf.resize(2 * len(buf))
            buf[-1] = buf[len(buf) // 2] = 1
        print(len(buf) >> 20)
    """
    assert run(code) == "64"


# ------------------------------------------------------------------------------- NumPy


def numpy_frombuffer_clear_raises_or_keeps_the_bytes():
    """A stable array can drop its rows: the view keeps their memory."""
    np = pytest.importorskip("numpy")
    array = array_module().GrowArray
    buf = GrowBuffer(b"\1" * 400)
    for owner in (buf, array([1.0] * 50), array.from_buffer(buf, "u1")):
        view = np.frombuffer(owner, "u1")
        before = view.tobytes()
        length, stable = len(owner), getattr(owner, "stable", False)
        with nullcontext() if stable else pytest.raises(BufferError):
            owner.clear()
        assert len(owner) == (0 if stable else length)
        for reuse in (b"\5" * 400,) * 3:
            owner.extend([5.0] * 50) if stable else GrowBuffer(reuse)
        assert view.tobytes() == before
        del view
    buf.clear()


def numpy_frombuffer_of_frozen_bytes_never_changes():
    """Frozen bytes are immutable, so a view stays valid without an export."""
    np = pytest.importorskip("numpy")
    buf = GrowBuffer(b"\1" * 100_000)
    frozen = buf.freeze()
    view = np.frombuffer(frozen, "u1")
    del frozen
    buf += b"\5" * 100_000
    assert view.min() == view.max() == 1


def array_resize_under_view_raises_buffer_error():
    """resize() checks exports. NumPy checks reference counts, which vary by Python."""
    array = array_module().GrowArray([1.0] * 50)
    view = array[10:20]
    with pytest.raises(BufferError):
        array.resize(5)
    assert view.tolist() == [1.0] * 10
    del view
    array.resize(5)
    assert len(array) == 5


BUGS = {
    "CPython gh-91153": setitem_value_clears_buffer_raises_index_error,
    "CPython gh-142557": mod_value_clears_buffer_keeps_buffer_valid,
    "CPython gh-142558, gh-142559, gh-142560": search_argument_calls_clear_still_finds,
    "CPython gh-143195": hex_separator_calls_clear_formats_all_bytes,
    "CPython gh-153570": take_bytes_count_clears_buffer_raises_index_error,
    "CPython gh-153419, gh-153578": extend_iterator_appends_meanwhile_keeps_all_items,
    "CPython gh-160179": init_invalid_item_leaves_buffer_unchanged,
    "CPython gh-157242": resize_too_large_keeps_bytes,
    "CPython gh-156995": take_bytes_leaving_one_byte_shares_no_memory,
    "CPython gh-143378": growio_argument_closes_file_raises_value_error,
    "CPython gh-143602": writelines_iterator_truncates_file_fills_with_zeros,
    "CPython gh-141311": read_at_max_position_returns_nothing,
    "CPython gh-110243": resize_repeatedly_new_pages_are_writable,
    "NumPy #9562": numpy_frombuffer_clear_raises_or_keeps_the_bytes,
    "NumPy #21632": numpy_frombuffer_of_frozen_bytes_never_changes,
    "NumPy #30265": array_resize_under_view_raises_buffer_error,
}


@pytest.mark.parametrize("bug", BUGS)
def test_operation_with_bug_in_other_library_is_correct(bug):
    BUGS[bug]()
