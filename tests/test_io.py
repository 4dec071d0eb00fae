"""GrowIO does what io.BytesIO does, over a GrowBuffer.

CPython's own tests of BytesIO run with GrowIO in its place. Each method is called on
both types and compared. Modules of the standard library and NumPy use a GrowIO as a
file. The last tests cover what only GrowIO has: its buffer, exports, and the state
after an error. test_io_base.py tests that GrowIO is a subclass of BytesIO,
test_io_bytes.py how it shares bytes objects.
"""

import array
import copy
import csv
import gc
import gzip
import io
import pickle
import shutil
import sys
import tarfile
import threading
import types
import unittest
import weakref
import zipfile
from itertools import product

import cpython_suite
import pytest
from test_growbuffer import RESERVES, run

from growbuf import GrowBuffer, GrowIO
from growbuf._growbuf import check

KIB, MIB = 1 << 10, 1 << 20
ON_312 = pytest.mark.skipif(sys.version_info < (3, 12), reason="__buffer__ is of 3.12")
FREE_THREADED = not getattr(sys, "_is_gil_enabled", lambda: True)()


KINDS = io.BytesIO, GrowIO


@pytest.fixture(params=KINDS, ids=lambda file_type: file_type.__name__)
def file_type(request):
    """Run the test once with io.BytesIO and once with GrowIO."""
    return request.param


def assert_file(file, content, position):
    """Assert that a file is open and consistent, with these bytes and position."""
    assert (file.closed, file.tell()) == (False, position)
    assert file.getvalue() == content
    if isinstance(file, GrowIO):
        assert check(file.buffer) is None


# --------------------------------------------------------------- CPython's own tests


EXPECTED = {  # the tests of CPython that GrowIO must fail, with the reason
    "test_sizeof": "it counts the words of BytesIO's struct",
    "test_memory_error": "truncate() must fail for want of memory; GrowIO needs none",
}
SINCE_3_14 = {"test_memory_error"}


def load_memoryio():
    """Load CPython's tests with GrowIO for BytesIO; 3.15 has moved the module."""
    name = "test_memoryio"
    if cpython_suite.find(name) is None:
        name = "test_io.test_memoryio"
    module = cpython_suite.load_copy(name, GrowIO)
    module.CBytesIOTest.ioclass = GrowIO
    module.io = types.SimpleNamespace(**{**vars(io), "BytesIO": GrowIO})
    return module


def memoryio_tests():
    try:
        case = load_memoryio().CBytesIOTest
    except unittest.SkipTest as reason:
        return [pytest.param(None, marks=pytest.mark.skip(reason=str(reason)))]
    return [
        pytest.param(
            case(name),
            id=name,
            marks=pytest.mark.xfail(strict=True, reason=EXPECTED[name])
            if name in EXPECTED
            else (),
        )
        for name in unittest.defaultTestLoader.getTestCaseNames(case)
    ]


TESTS = memoryio_tests()


@pytest.mark.parametrize("test", TESTS)
def test_growio_in_cpython_suite_passes(test):
    skipped, problems = cpython_suite.run(test)
    if problems:
        pytest.fail("\n".join(problems), pytrace=False)
    if skipped:
        pytest.skip("; ".join(skipped))


@pytest.mark.skipif(len(TESTS) == 1, reason="no test.test_memoryio")
def test_expected_failures_table_lists_existing_cpython_tests():
    """An expected failure of a removed test would otherwise go unnoticed."""
    missing = set(EXPECTED) - {test.id for test in TESTS}
    assert missing == set() or (missing == SINCE_3_14 and sys.version_info < (3, 15))
    assert len(TESTS) > 30


# -------------------------------------------------------------------- the interface


def test_growio_type_is_a_buffered_file():
    assert isinstance(GrowIO(), io.BufferedIOBase)
    assert not isinstance(GrowIO(), (io.RawIOBase, io.TextIOBase))
    assert not hasattr(GrowIO(), "name")
    assert not hasattr(GrowIO(), "mode")


@pytest.mark.parametrize(
    "name", [n for n in vars(io.BytesIO) if callable(getattr(io.BytesIO, n))]
)
def test_method_signature_equals_bytesio_and_has_docstring(name):
    theirs, ours = getattr(io.BytesIO, name), getattr(GrowIO, name)
    assert ours.__doc__
    if theirs.__text_signature__ is not None:
        assert ours.__text_signature__ == theirs.__text_signature__


class Index:
    def __init__(self, number):
        self.number = number

    def __index__(self):
        return self.number


# Valid and some invalid arguments for each method of BytesIO.
SIZES = [(), (None,), (-1,), (0,), (1,), (7,), (10**6,), (Index(3),), (True,), (1, 2)]
BAD_SIZES = [("1",), (1.0,), (2**64,), (-(2**64),), (2**100,), ([],)]
CALLS = {
    "__iter__": [()],
    "__next__": [()],
    "__setstate__": [
        ((b"state", 3, None),),
        ((bytearray(b"state"), 30, {"spam": 1}),),
        ((b"state", -1, None),),
        ((b"state", 2**64, None),),
        (("state", 3, None),),
        ((b"state", 3.0, None),),
        ((b"state", 3, 3),),
        ((b"state", 3),),
        (0,),
        (),
    ],
    "__getstate__": [()],
    "__enter__": [()],
    "__exit__": [(None, None, None)],
    "close": [(), (1,)],
    "detach": [()],
    "fileno": [()],
    "flush": [(), (1,)],
    "getbuffer": [()],
    "getvalue": [(), (1,)],
    "isatty": [()],
    "peek": [
        (),
        (0,),
        (-1,),
        (1,),
        (7,),
        (Index(3),),
        (True,),
        ("1",),
        (1.0,),
        (2**64,),
    ],
    "read": SIZES + BAD_SIZES,
    "read1": SIZES + BAD_SIZES,
    "readable": [()],
    "readinto": [
        (bytearray(4),),
        (bytearray(10**6),),
        (bytearray(),),
        (memoryview(bytearray(8))[2:5],),
        (memoryview(bytearray(8))[::2],),
        (array.array("i", [1, 2]),),
        (b"bytes",),
        ("text",),
        (None,),
        (),
    ],
    "readinto1": [(bytearray(4),), (b"bytes",)],
    "readline": SIZES + BAD_SIZES,
    "readlines": [(22,), (8,), (16,), (24,)] + SIZES + BAD_SIZES,
    "seek": [
        *[(offset, whence) for offset in (-3, 0, 2, 10**7) for whence in (0, 1, 2)],
        *[(1, 3), (-1, 3), (1, -1), (1, 2**40), (1, 2**80), (1, "1"), (1, None)],
        *[(sys.maxsize,), (sys.maxsize, 1), (sys.maxsize, 2), (2**64,), (1.0,)],
        *[("1",), (Index(2),), (Index(2), Index(1)), (), (1, 2, 3), (-1,), (None,)],
    ],
    "seekable": [()],
    "tell": [(), (1,)],
    "truncate": SIZES + BAD_SIZES + [(-5,), (Index(-5),)],
    "writable": [()],
    "write": [
        (b"",),
        (b"1",),
        (b"some bytes",),
        (b"x" * 100_000,),
        (bytearray(b"array"),),
        (GrowBuffer(b"buffer"),),
        (memoryview(b"a view")[2:],),
        (array.array("i", [1, 2]),),
        (memoryview(b"strided")[::2],),
        ("text",),
        (1,),
        (None,),
        (),
    ],
    "writelines": [([],), ([b"a", b"b\n"],), ([b"a", "b"],), ((b"a",),), (1,)],
}
TEXT = b"line one\nline two\n\nthe last of them"
CONTENTS = {"none": b"", "text": TEXT, "much": TEXT * 10_000}


def written(kind, content):
    file = kind()
    for start in range(0, len(content), 1 << 16):
        file.write(content[start : start + (1 << 16)])
    return file


def viewed(kind, content):
    file = kind(content)
    file.getbuffer().release()
    return file


# Ways to make a file with some content: each leaves the bytes of a GrowIO in a
# different kind of object.
BIRTHS = {"made": lambda kind, content: kind(content)}
BIRTHS |= {"written": written, "viewed": viewed}
PLACES = {
    "start": lambda file: file.seek(0),
    "middle": lambda file: file.seek(5),
    "end": lambda file: file.seek(0, 2),
    "behind": lambda file: file.seek(70_000, 2),
    "farthest": lambda file: file.seek(sys.maxsize),
    "closed": lambda file: file.close(),
}


MUTABLE = bytearray, array.array


def outcome(file, name, args):
    """Make a call; return its result, or the type and message of its exception."""
    try:
        answer = getattr(file, name)(*args)
    except Exception as error:
        kind = type(file)
        message = str(error).replace(f"{kind.__module__}.{kind.__name__}", "TYPE")
        return type(error), message.replace(kind.__name__, "TYPE")
    if isinstance(answer, memoryview):
        return "view", bytes(answer), answer.readonly
    return "itself" if answer is file else answer


def state_of(file):
    return "closed" if file.closed else (file.getvalue(), file.tell())


def failed(answer):
    return isinstance(answer, tuple) and isinstance(answer[0], type)


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("name", [name for name in CALLS if hasattr(io.BytesIO, name)])
def test_method_with_each_argument_equals_bytesio(name, place):
    every = product(BIRTHS.values(), CONTENTS.values(), CALLS[name])
    for birth, content, args in every:
        if has_bug_in_old_bytesio(name, place):
            continue
        files, answers, states = [birth(kind, content) for kind in KINDS], [], []
        for file in files:
            PLACES[place](file)
            before, given = state_of(file), copy_of(args)
            answers.append(outcome(file, name, given))
            states.append((state_of(file), changed_of(given), vars(file)))
        if not worded_otherwise(name, place, *answers):
            assert answers[0] == answers[1], (name, args)
        if failed(answers[1]) and name != "writelines":
            # This does not hold for BytesIO: an error in __setstate__ loses its bytes.
            assert states[1][0] == before
        else:
            assert states[0] == states[1], (name, args)


def has_bug_in_old_bytesio(name, place):
    """Return whether old versions of BytesIO have a bug here: CPython gh-141311."""
    return place in ("behind", "farthest") and name in ("readinto", "readinto1")


def worded_otherwise(name, place, theirs, ours):
    """Return whether both calls failed where the error depends on the Python version.

    Since 3.14 truncate() has two new messages. On a closed file, the argument may be
    checked before or after the check that the file is open.
    """
    if not (failed(theirs) and failed(ours)):
        return False
    if place == "closed":
        return name in ("__setstate__", "truncate", "write")
    return name == "truncate" and theirs[0] is ours[0] is not ValueError


def copy_of(args):
    return tuple(copy.copy(arg) if isinstance(arg, MUTABLE) else arg for arg in args)


def changed_of(args):
    return [bytes(arg) for arg in args if isinstance(arg, MUTABLE)]


def test_calls_table_of_growio_covers_every_method():
    methods = {n for n in dir(GrowIO) if callable(getattr(GrowIO, n))}
    private = {name for name in methods if name.startswith("_check")}
    assert methods - set(dir(object)) - set(CALLS) == {"__del__"} | private


@pytest.mark.parametrize(
    ("args", "kwargs"),
    [
        ((), {}),
        ((b"spam",), {}),
        ((bytearray(b"spam"),), {}),
        ((memoryview(b"spam")[1:],), {}),
        ((GrowBuffer(b"spam"),), {}),
        ((None,), {}),
        ((), {"initial_bytes": b"spam"}),
        (("spam",), {}),
        ((5,), {}),
        (([],), {}),
        ((memoryview(b"spam")[::2],), {}),
    ],
)
def test_init_with_each_argument_equals_bytesio(args, kwargs):
    seen = []
    for each in io.BytesIO, GrowIO:
        try:
            file = each(*args, **kwargs)
        except (TypeError, BufferError) as error:
            seen.append((type(error), str(error)))
        else:
            seen.append((file.getvalue(), file.tell()))
    assert seen[0] == seen[1]


def test_init_of_used_file_replaces_content_and_opens_it(file_type):
    file = file_type(b"spam")
    file.read(2)
    file.__init__(b"eggs and spam")
    assert_file(file, b"eggs and spam", 0)
    with pytest.raises(TypeError):
        file.__init__("text")
    file.close()
    file.__init__(b"open")
    assert file.read() == b"open"


def test_new_without_init_returns_an_empty_open_file(file_type):
    file = file_type.__new__(file_type)
    assert file.closed is False
    assert_file(file, b"", 0)
    assert file_type.__new__(file_type).write(b"spam") == 4
    file_type.__new__(file_type).close()
    sys.getsizeof(file_type.__new__(file_type))


def test_init_of_subclass_with_other_arguments_succeeds(file_type):
    class Named(file_type):
        def __init__(self, name, content):
            super().__init__(content)
            self.name = name

    file = Named("spam", b"eggs")
    assert (file.name, file.read()) == ("spam", b"eggs")


def test_iter_in_with_block_yields_lines_then_closes(file_type):
    with file_type(TEXT) as file:
        assert list(file) == TEXT.splitlines(keepends=True)
    assert file.closed
    with pytest.raises(ValueError, match=r"^I/O operation on closed file\.$"), file:
        pass


@pytest.mark.parametrize("protocol", range(2, pickle.HIGHEST_PROTOCOL + 1))
def test_pickle_of_file_keeps_content_position_and_attributes(file_type, protocol):
    file = file_type(TEXT)
    file.seek(7)
    file.spam = "eggs"
    other = pickle.loads(pickle.dumps(file, protocol))
    assert type(other) is file_type
    assert other.spam == "eggs"
    assert_file(other, TEXT, 7)


def test_copy_of_file_has_its_own_content_and_position(file_type):
    file = file_type(TEXT)
    file.read(3)
    for other in copy.copy(file), copy.deepcopy(file):
        other.write(b"!")
        assert_file(other, TEXT[:3] + b"!" + TEXT[4:], 4)
    assert_file(file, TEXT, 3)


def test_write_far_past_the_end_takes_no_memory():
    file = GrowIO(b"start")
    file.seek(1 << 33)
    file.write(b"end")
    assert len(file.buffer) == (1 << 33) + 3
    file.seek(-5, 2)
    assert file.read() == b"\0\0end"
    file.truncate(7)
    assert_file(file, b"start\0\0", (1 << 33) + 3)


# ----------------------------------------------------------- modules that use files


LARGE = bytes(range(256)) * (2 * MIB // 256)


def test_zipfile_on_file_round_trips(file_type):
    file = file_type()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("large", LARGE)
        archive.writestr("empty", b"")
    with zipfile.ZipFile(file, "a") as archive:
        archive.writestr("more", b"more")
    with zipfile.ZipFile(file) as archive:
        assert archive.testzip() is None
        assert archive.read("large") == LARGE
        assert archive.namelist() == ["large", "empty", "more"]


@pytest.mark.parametrize("mode", ["", "gz", "xz"])
def test_tarfile_on_file_round_trips(file_type, mode):
    file = file_type()
    with tarfile.open(fileobj=file, mode=f"w:{mode}") as archive:
        member = tarfile.TarInfo("large")
        member.size = len(LARGE)
        archive.addfile(member, file_type(LARGE))
    file.seek(0)
    with tarfile.open(fileobj=file) as archive:
        assert archive.extractfile("large").read() == LARGE


def test_gzip_on_file_round_trips_and_leaves_it_open(file_type):
    file = file_type()
    with gzip.open(file, "wb") as packed:
        packed.write(LARGE)
    file.seek(0)
    with gzip.open(file) as packed:
        assert packed.read() == LARGE
    assert not file.closed


def test_textiowrapper_on_file_round_trips(file_type):
    rows = [["spam", "ä€"], ["eggs", "1,5"]]
    file = file_type()
    text = io.TextIOWrapper(file, encoding="utf-8", newline="")
    csv.writer(text).writerows(rows)
    text.flush()
    file.seek(0)
    assert list(csv.reader(text)) == rows
    assert text.detach() is file


@pytest.mark.parametrize(
    "wrapper", [io.BufferedReader, io.BufferedWriter, io.BufferedRandom]
)
def test_buffered_wrapper_on_file_reads_writes_and_closes_it(file_type, wrapper):
    file = file_type(b"spam and eggs")
    with wrapper(file) as outer:
        if outer.readable():
            assert outer.read(4) == b"spam"
        if outer.writable():
            outer.seek(9)
            outer.write(b"ham!")
            outer.flush()
            assert file.getvalue() == b"spam and ham!"
    assert file.closed


def test_pickle_dump_to_file_loads_equal_data(file_type):
    file = file_type()
    data = {"large": LARGE, "list": list(range(1000))}
    pickle.dump(data, file, 5)
    file.seek(0)
    assert pickle.load(file) == data


def test_copyfileobj_to_file_copies_all_bytes(file_type, tmp_path):
    source, target = file_type(LARGE), file_type()
    shutil.copyfileobj(source, target)
    assert_file(target, LARGE, len(LARGE))
    (tmp_path / "file").write_bytes(LARGE)
    with open(tmp_path / "file", "rb", buffering=0) as raw:
        target.seek(0)
        shutil.copyfileobj(raw, target, 100_000)
    assert_file(target, LARGE, len(LARGE))


def test_numpy_save_to_file_loads_equal_values(file_type):
    numpy = pytest.importorskip("numpy")
    values = numpy.arange(100_000, dtype="f8").reshape(1000, 100)
    file = file_type()
    numpy.save(file, values)
    file.seek(0)
    assert (numpy.load(file) == values).all()
    file = file_type()
    numpy.savez_compressed(file, values=values)
    file.seek(0)
    assert (numpy.load(file)["values"] == values).all()


# ------------------------------------------------------------ user code during a call


def closing(file):
    file.close()


def clearing(file):
    file.truncate(0)


def growing(file):
    file.seek(0, 2)
    file.write(b"grown" * 1000)
    file.seek(0)


class Meddler:
    """An argument that changes the file when it is converted to its value."""

    def __init__(self, file, meddle, value):
        self.file, self.meddle, self.value = file, meddle, value

    def __index__(self):
        self.meddle(self.file)
        return self.value

    def __buffer__(self, flags):
        self.meddle(self.file)
        return memoryview(self.value)


MEDDLES = [closing, clearing, growing]


@pytest.mark.parametrize("meddle", MEDDLES)
@pytest.mark.parametrize("name", ["read", "readline", "seek", "truncate"])
def test_method_whose_index_changes_the_file_equals_bytesio(name, meddle):
    file = GrowIO(TEXT)
    if meddle is closing:
        with pytest.raises(ValueError, match="closed file"):
            getattr(file, name)(Meddler(file, meddle, 5))
        return
    expected = io.BytesIO(TEXT)
    meddle(expected)
    assert getattr(file, name)(Meddler(file, meddle, 5)) == getattr(expected, name)(5)
    assert_file(file, expected.getvalue(), expected.tell())


@ON_312
@pytest.mark.parametrize("meddle", MEDDLES)
@pytest.mark.parametrize("name", ["write", "readinto", "writelines", "__init__"])
def test_method_whose_source_changes_the_file_equals_bytesio(name, meddle):
    file = GrowIO(TEXT)
    source = Meddler(file, meddle, bytearray(b"spam"))
    argument = [source] if name == "writelines" else source
    if meddle is closing and name == "__init__":
        file.__init__(source)
        assert_file(file, b"spam", 0)
        return
    if meddle is closing:
        with pytest.raises(ValueError, match="closed file"):
            getattr(file, name)(argument)
        return
    expected = io.BytesIO(TEXT)
    meddle(expected)
    plain = bytearray(b"spam")
    assert getattr(file, name)(argument) == getattr(expected, name)(
        [plain] if name == "writelines" else plain
    )
    assert_file(file, expected.getvalue(), expected.tell())
    assert source.value == plain


def test_writelines_whose_lines_close_the_file_raises():
    file = GrowIO(TEXT)

    def lines():
        yield b"one"
        file.truncate(1)
        yield b"two"
        file.close()
        yield b"three"

    buffer = file.buffer
    with pytest.raises(ValueError, match="closed file"):
        file.writelines(lines())
    assert buffer == b"o\0\0two"


# -------------------------------------------------------------- buffer and exports


def test_init_with_buffer_works_on_it_in_place():
    buffer = GrowBuffer(b"spam and eggs")
    file = GrowIO(buffer=buffer)
    assert file.buffer is buffer
    assert file.read(4) == b"spam"
    file.seek(0, 2)
    file.write(b"!")
    assert buffer == b"spam and eggs!"
    del buffer[4:]
    assert file.read() == b""  # the position is past the end now
    file.write(b"x")
    assert buffer == b"spam" + bytes(10) + b"x"
    file.close()
    assert buffer == b"spam" + bytes(10) + b"x"


def test_init_with_subclass_of_growbuffer_works_on_it_in_place():
    class Named(GrowBuffer):
        pass

    buffer = Named(b"spam")
    buffer.file = file = GrowIO(buffer=buffer)
    file.seek(4)
    file.write(b"!")
    assert buffer == b"spam!"


@pytest.mark.parametrize(
    ("args", "kwargs", "message"),
    [
        (
            (),
            {"buffer": bytearray()},
            "buffer must be a GrowBuffer, not 'bytearray': pass .* as initial_bytes",
        ),
        (
            (b"",),
            {"buffer": GrowBuffer()},
            "initial_bytes cannot be combined with buffer.*: pass one of them",
        ),
        (
            (),
            {"buffer": GrowBuffer(), "limit": 5},
            "limit cannot be combined with buffer.*: pass limit to GrowBuffer",
        ),
        ((b"", GrowBuffer()), {}, "takes at most 1 positional argument"),
        ((b"",), {"foo": 1}, "foo"),
    ],
)
def test_init_with_invalid_arguments_raises_and_changes_nothing(args, kwargs, message):
    with pytest.raises(TypeError, match=message):
        GrowIO(*args, **kwargs)
    file = GrowIO(b"spam")
    file.read(1)
    with pytest.raises(TypeError, match=message):
        file.__init__(*args, **kwargs)
    assert_file(file, b"spam", 1)


@RESERVES
def test_write_under_view_with_limit_grows_in_place():
    file = GrowIO(b"spam", limit=MIB)
    file.seek(4)
    with file.getbuffer() as view:
        file.write(b" and eggs")
        assert view == b"spam"
        with pytest.raises(BufferError):
            file.truncate(2)
    before = file.getvalue()
    with pytest.raises(MemoryError, match="limit"):
        file.write(bytes(2 * MIB))
    assert_file(file, before, len(before))
    with file.getbuffer() as view:
        file.seek(40)
        file.write(b"!")  # skipped bytes become zeros, in place
        assert view == before and file.getvalue() == before.ljust(40, b"\0") + b"!"


def test_write_of_own_bytes_copies_them():
    for position in 0, 2, 4, 7:
        file = GrowIO(b"spam")
        file.seek(position)
        assert file.write(file.buffer) == 4
        expected = b"spam"[:position].ljust(position, b"\0") + b"spam"
        assert_file(file, expected, position + 4)
        file = GrowIO(b"spam and eggs")
        file.seek(position)
        file.write(file.getbuffer()[2:6])  # fits: nothing grows
        expected = bytearray(b"spam and eggs")
        expected[position : position + 4] = b"am a"
        assert_file(file, expected, position + 4)


def test_write_of_own_empty_buffer_past_end_changes_nothing():
    file = GrowIO()
    file.seek(100)
    assert file.write(file.buffer) == 0
    assert_file(file, b"", 100)


def test_readinto_own_view_copies_overlapping_bytes():
    file = GrowIO(b"abcd")
    with file.getbuffer()[1:] as target:
        assert file.readinto(target) == 3
    assert_file(file, b"aabc", 3)


@pytest.mark.parametrize("length", [0, 5, 300_000])
def test_method_under_view_raises_if_it_changes_the_length(length):
    file = GrowIO(b"x" * length)
    file.seek(length // 2)
    view = file.getbuffer()
    assert view.obj is file.buffer
    for change in (
        lambda: file.write(b"y" * (length + 1)),
        lambda: file.writelines([b"y" * (length + 1)]),
        lambda: file.truncate(length - 1),
        lambda: file.close(),
        lambda: file.__init__(b"other"),
        lambda: file.__setstate__((b"other", 0, None)),
    ):
        with pytest.raises((BufferError, ValueError)):
            change()
        assert_file(file, b"x" * length, length // 2)
    file.write(b"")
    file.truncate(length)
    file.write(b"y"[:length])
    view[:1] = b"z"[:length]
    view.release()
    file.truncate(0)
    file.close()


@pytest.mark.parametrize(
    ("call", "asked"),
    [
        (lambda file: file.close(), "close the file"),
        (lambda file: file.truncate(2), "truncate the file"),
        (lambda file: file.__init__(b"other"), "give the file other bytes"),
        (
            lambda file: file.__setstate__((b"other", 0, None)),
            "give the file other bytes",
        ),
    ],
)
@pytest.mark.parametrize("length", [5, 300_000])
def test_close_truncate_init_under_view_error_says_to_release_it(length, call, asked):
    """The message does not recommend a limit: a limit would not help."""
    file = GrowIO(b"x" * length)
    view = file.getbuffer()
    message = f"cannot {asked} while a view of its bytes exists: release the view first"
    with pytest.raises(BufferError) as caught:
        call(file)
    assert str(caught.value) == message
    view.release()
    call(file)


def test_write_under_view_without_limit_error_recommends_limit():
    file = GrowIO(b"spam")
    with file.getbuffer(), pytest.raises(BufferError, match="limit=nbytes"):
        file.write(b"eggs and more")


@pytest.mark.parametrize("bound", [-1, 3, 20, 1 << 20])
@pytest.mark.parametrize("content", [b"", b"spam and eggs", b"x" * 300_000])
def test_readfrom_of_file_into_its_own_buffer_raises(content, bound):
    """The call would never end: each byte that is read makes the file longer."""
    file = GrowIO(content)
    file.seek(len(content) // 2)
    with pytest.raises(ValueError, match=r"its own buffer.*use .*extend\(.*read\(\)\)"):
        file.buffer.readfrom(file, bound)
    assert_file(file, content, len(content) // 2)
    file.buffer.extend(file.read())
    assert file.getvalue() == content + content[len(content) // 2 :]


def test_readfrom_of_file_into_another_buffer_reads_the_rest():
    file, buffer = GrowIO(buffer=GrowBuffer(b"spam and eggs")), GrowBuffer(b"1")
    file.seek(5)
    assert buffer.readfrom(file) == 8
    assert buffer == b"1and eggs"


def test_readinto_spare_of_own_buffer_reads_once():
    """Without readfrom(), the caller decides when to stop."""
    file = GrowIO(b"spam and eggs")
    assert file.readinto(file.buffer.spare(100)) == 13
    file.buffer.commit(13)
    assert file.getvalue() == b"spam and eggs" * 2


def test_getbuffer_view_after_file_is_deallocated_keeps_bytes():
    class Own(GrowIO):
        pass

    for kind in GrowIO, Own:
        file = kind(b"spam")
        view = file.getbuffer()
        del file  # an exception in the finalizer would fail this test
        gc.collect()
        assert view == b"spam"


def test_buffer_of_closed_file_raises_and_keeps_bytes():
    file = GrowIO(b"spam")
    buffer = file.buffer
    file.close()
    file.close()
    assert buffer == b"spam"
    for name in "buffer", "getbuffer":
        with pytest.raises(ValueError, match="closed file"):
            getattr(file, name)()
    with pytest.raises(AttributeError):
        file.buffer = buffer


def test_sizeof_of_written_file_includes_its_bytes():
    file = GrowIO()
    empty = sys.getsizeof(file)
    file.write(bytes(MIB))
    assert MIB < sys.getsizeof(file) - empty < 3 * MIB
    file.close()
    assert sys.getsizeof(file) <= empty


@pytest.mark.parametrize("position", [0, 4, 10])
@pytest.mark.parametrize("nbytes", [sys.maxsize, sys.maxsize // 2])
def test_write_at_impossible_position_raises_and_changes_nothing(position, nbytes):
    file = GrowIO(b"spam")
    file.seek(nbytes - 2)
    with pytest.raises((MemoryError, OverflowError)):
        file.write(b"eggs")
    assert_file(file, b"spam", nbytes - 2)
    file.seek(position)
    with pytest.raises(TypeError):
        file.write("text")
    assert_file(file, b"spam", position)


def test_write_without_memory_raises_and_changes_nothing():
    code = """
        import growbuf
        file = growbuf.GrowIO()
        piece = b"x" * (1 << 20)
        try:
            while True:
                file.write(piece)
        except MemoryError:
            pass
        written = file.tell()
        assert written == len(file.buffer) and written % len(piece) == 0, written
        file.seek(1 << 40)
        try:
            file.write(b"x")
        except MemoryError:
            pass
        assert file.tell() == 1 << 40 and len(file.buffer) == written
        assert growbuf._growbuf.check(file.buffer) is None
        print("fine")
    """
    assert run(code, limit=600 * MIB) == "fine"


# ----------------------------------------------------------- deallocation and threads


@pytest.mark.parametrize("kind", [GrowIO, type("Own", (GrowIO,), {})])
def test_gc_of_file_in_a_cycle_collects_it(kind):
    file = kind(b"spam")
    file.itself, file.view = file, file.getbuffer()
    gone = weakref.ref(file)
    del file
    gc.collect()
    assert gone() is None


def test_dealloc_of_subclass_calls_its_close(file_type):
    closed = []

    class Own(file_type):
        def close(self):
            closed.append(self.getvalue())
            super().close()

    Own(b"spam")
    gc.collect()
    assert closed == [b"spam"]


@pytest.mark.skipif(FREE_THREADED, reason="references are counted later")
def test_methods_called_repeatedly_leak_no_references():
    def work():
        file = GrowIO(TEXT)
        file.getbuffer().release()
        file.attribute = file
        pickle.loads(pickle.dumps(file)).readlines()
        file.seek(0)
        for _ in file:
            pass
        file.writelines([TEXT, bytearray(TEXT)])
        for bad in "text", 5:
            for call in file.write, file.readinto, file.__setstate__, file.__init__:
                with pytest.raises(TypeError):
                    call(bad)
        file.close()
        with pytest.raises(ValueError, match="closed"):
            file.read()

    counted = []
    for _ in range(3):
        work()
        gc.collect()
        counted.append(
            (
                sys.getrefcount(GrowIO),
                sys.getrefcount(GrowBuffer),
                sys.getrefcount(TEXT),
            )
        )
    assert counted[1] == counted[2]


def test_write_from_several_threads_keeps_pieces_whole(file_type):
    if file_type is io.BytesIO and FREE_THREADED and sys.version_info < (3, 14):
        pytest.skip("BytesIO has no lock there")
    file = file_type()
    pieces = [bytes([n]) * (3 * MIB // 2 + n) for n in range(8)]

    def write(piece):
        for _ in range(4):
            file.write(piece)

    threads = [threading.Thread(target=write, args=[piece]) for piece in pieces]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    file.seek(0)
    left = {piece[0]: 4 for piece in pieces}
    while first := file.read(1):
        rest = file.read(len(pieces[first[0]]) - 1)
        assert first + rest == pieces[first[0]]
        left[first[0]] -= 1
    assert set(left.values()) == {0}


def test_setstate_under_view_raises_and_changes_nothing():
    file = GrowIO(b"abc")
    file.name = "before"
    with file.getbuffer(), pytest.raises(BufferError):
        file.__setstate__((b"other", 1, {"name": "after"}))
    assert file.getvalue() == b"abc" and file.name == "before"


@pytest.mark.skipif(sys.version_info < (3, 12), reason="__buffer__ is of 3.12")
def test_setstate_whose_source_closes_the_file_leaves_it_closed():
    class Bytes:
        def __buffer__(self, flags):
            file.close()
            return memoryview(b"other")

    file = GrowIO(b"abc")
    with pytest.raises(ValueError, match="closed"):
        file.__setstate__((Bytes(), 1, None))
    assert file.closed


def test_dealloc_with_close_that_resurrects_leaves_file_usable():
    kept = []

    class File(GrowIO):
        def close(self):
            kept.append(self) if not kept else super().close()

    File(b"abc")
    (file,) = kept
    view = file.getbuffer()
    with pytest.raises(BufferError):
        file.close()
    with pytest.raises(BufferError):
        file.__init__(b"other")
    assert file.getvalue() == b"abc"
    view.release()
    file.close()


@pytest.mark.parametrize("data", ["text", 5, b"", array.array("B", b"x")])
def test_write_to_closed_file_with_any_data_raises_value_error(data):
    """As with BytesIO, except that in 3.15 it checks first that data is a buffer."""
    file = GrowIO()
    file.close()
    with pytest.raises(ValueError, match="closed"):
        file.write(data)


def test_close_during_calls_in_threads_raises_only_value_error():
    """Each call in a thread either succeeds or raises ValueError."""
    errors = []

    def work(file):
        try:
            for n in range(300):
                file.write(b"spam\n" * 100)
                file.seek(0 if n % 7 else 100_000)
                file.readline()
                file.read(50)
                file.truncate(5000)
                file.__init__(b"again") if n % 50 == 3 else None
        except ValueError:
            pass
        except Exception as error:
            errors.append(error)

    for _ in range(5):
        file = GrowIO()
        threads = [threading.Thread(target=work, args=[file]) for _ in range(4)]
        for thread in threads:
            thread.start()
        file.close()
        for thread in threads:
            thread.join()
    assert errors == []


@pytest.mark.skipif(
    sys.version_info < (3, 12), reason="per-interpreter state is of 3.12"
)
def test_growio_in_subinterpreters_uses_their_own_types():
    work = (
        "import sys; sys.path[:] = {path!r}\n"
        "import io, growbuf\n"
        "file = growbuf.GrowIO(b'spam')\n"
        "assert isinstance(file, io.BufferedIOBase)\n"
        "assert type(file.buffer) is growbuf.GrowBuffer\n"
        "assert file.readlines() == [b'spam']\n"
    )
    code = f"""
        try:
            import _interpreters as interpreters
        except ImportError:
            import _xxsubinterpreters as interpreters
        import sys
        import growbuf
        mine = growbuf.GrowIO(b"x" * 3_000_000)
        for _ in range(3):
            one = interpreters.create()
            failed = interpreters.run_string(one, {work!r}.format(path=sys.path))
            assert not failed, failed
            interpreters.destroy(one)
        assert len(mine.read()) == 3_000_000
        print("fine")
    """
    assert run(code) == "fine"
