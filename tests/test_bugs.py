"""Bugs that bytearray, BytesIO, mmap and NumPy have had, each as a test of ours.

The table at the end says which bug each test is about.  What only reads is the running
Python's own method, and has that Python's bugs.
"""

import sys

import pytest
from conftest import assert_holds
from test_growbuffer import MIB, run
from test_security import array_module

from growbuf import GrowBuffer, GrowIO
from growbuf._growbuf import check


class Evil:
    """Is a number; clears the buffer when it is asked which."""

    def __init__(self, buf, number):
        self.buf, self.number = buf, number

    def __index__(self):
        try:
            self.buf.clear()
        except BufferError:  # where the caller holds an export meanwhile
            pass
        return self.number

    __len__ = __index__


def sound(buf):
    assert check(buf) is None
    length = len(buf)
    buf += b"on"
    assert buf[length:] == b"on" and check(buf) is None


# -------------------------------------------------------------- bytearray and user code


def item_that_clears():
    buf = GrowBuffer(56)
    with pytest.raises(IndexError):
        buf[23] = Evil(buf, 1)
    assert_holds(buf, b"")


def formatting_that_clears():
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


def searching_that_clears():
    """The bytes are exported meanwhile: clear() raises, and the search goes on."""
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


def separator_that_clears():
    buf = GrowBuffer(b"ABCDEF")

    class Separator(str):
        __len__ = Evil(buf, 1).__index__

    assert buf.hex(Separator(":")) == "41:42:43:44:45:46"
    assert_holds(buf, b"ABCDEF")
    sound(buf)


def bytes_taken_that_clear():
    buf = GrowBuffer(b"A" * (16 * MIB))
    with pytest.raises(IndexError):
        buf.take_bytes(Evil(buf, 8 * MIB))
    assert_holds(buf, b"")


def items_that_grow_what_they_extend():
    """The new bytes go where the end was when extend was called."""
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


def failed_init_leaves_it_empty_and_sound():
    buf = GrowBuffer(b"abc")
    with pytest.raises(ValueError):
        buf.__init__([1, 2, 256])
    assert_holds(buf, b"")


def failed_resize_keeps_the_bytes():
    for length in (3, 5000, 3 * MIB):
        buf = GrowBuffer(b"x" * length)
        with pytest.raises(MemoryError):
            buf.resize(1 << 62)
        assert_holds(buf, b"x" * length)


def one_byte_left_is_nobody_elses():
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


def reading_that_closes():
    for name in ("read", "readline", "seek", "truncate"):
        file = GrowIO(b"spam")

        class Closes:
            def __index__(self, file=file):
                file.close()
                return 2

        with pytest.raises(ValueError):
            getattr(file, name)(Closes())
        assert file.closed


def writing_that_changes_the_file():
    file = GrowIO(b"spam")

    class Lines:
        def __iter__(self):
            yield b"one"
            file.truncate(0)
            yield b"two"

    file.writelines(Lines())
    assert file.getvalue() == b"\0\0\0two"


def reading_at_the_very_end():
    file = GrowIO(b"spam")
    file.seek(sys.maxsize)
    assert file.readinto(bytearray(5)) == 0 and file.read(5) == b""
    assert file.tell() == sys.maxsize


def grown_pages_can_be_written():
    """A shared mapping that has grown faults behind its old end; ours are private."""
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


def frombuffer_holds_an_export():
    np = pytest.importorskip("numpy")
    array = array_module().GrowArray
    buf = GrowBuffer(b"\1" * 400)
    for owner in (buf, array([1.0] * 50), array.from_buffer(buf, "u1")):
        view = np.frombuffer(owner, "u1")
        before = view.tobytes()
        with pytest.raises(BufferError):
            owner.clear()
        for reuse in (b"\5" * 400,) * 3:
            GrowBuffer(reuse)
        assert view.tobytes() == before
        del view
    buf.clear()


def views_of_frozen_bytes_never_change():
    """What has no release need not be held: nobody can change it."""
    np = pytest.importorskip("numpy")
    buf = GrowBuffer(b"\1" * 100_000)
    frozen = buf.freeze()
    view = np.frombuffer(frozen.obj, "u1")
    frozen.release()
    del frozen
    buf += b"\5" * 100_000
    assert view.min() == view.max() == 1


def resizing_asks_for_exports_not_references():
    """NumPy counts references, whose number a new Python may change."""
    array = array_module().GrowArray([1.0] * 50)
    view = array[10:20]
    with pytest.raises(BufferError):
        array.resize(5)
    assert view.tolist() == [1.0] * 10
    del view
    array.resize(5)
    assert len(array) == 5


BUGS = {
    "CPython gh-91153": item_that_clears,
    "CPython gh-142557": formatting_that_clears,
    "CPython gh-142558, gh-142559, gh-142560": searching_that_clears,
    "CPython gh-143195": separator_that_clears,
    "CPython gh-153570": bytes_taken_that_clear,
    "CPython gh-153419, gh-153578": items_that_grow_what_they_extend,
    "CPython gh-160179": failed_init_leaves_it_empty_and_sound,
    "CPython gh-157242": failed_resize_keeps_the_bytes,
    "CPython gh-156995": one_byte_left_is_nobody_elses,
    "CPython gh-143378": reading_that_closes,
    "CPython gh-143602": writing_that_changes_the_file,
    "CPython gh-141311": reading_at_the_very_end,
    "CPython gh-110243": grown_pages_can_be_written,
    "NumPy #9562": frombuffer_holds_an_export,
    "NumPy #21632": views_of_frozen_bytes_never_change,
    "NumPy #30265": resizing_asks_for_exports_not_references,
}


@pytest.mark.parametrize("bug", BUGS)
def test_bug(bug):
    BUGS[bug]()
