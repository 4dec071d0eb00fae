"""Compare methods that GrowBuffer computes itself with bytearray's, on random bytes.

A round that fails prints its seed. Set GROWBUF_SEED to that number to repeat the round.
tests/c/test_methods.c tests the algorithms alone.
"""

import array
import ctypes
import os
import random
import subprocess
import sys

import pytest
from conftest import assert_holds
from test_interface import without_names

from growbuf import GrowBuffer
from growbuf._growbuf import check

ROUNDS = int(os.environ.get("GROWBUF_ROUNDS") or 150)
SEED = int(os.environ.get("GROWBUF_SEED") or random.SystemRandom().getrandbits(32))

# Alphabets of few values, so that parts occur often and overlap, and alphabets of the
# values that methods for text treat differently.
ALPHABETS = [b"a", b"ab", b"aA \t\n\r", b" \t\n\r\v\f\x1c\x85", b"\0\xff\x80", b"+-01"]
ALPHABETS += [bytes(range(256)), b"aA" + bytes(range(0x40, 0x80)), b"\r\n"]
LENGTHS = [0, 1, 2, 3, 7, 8, 9, 15, 16, 17, 31, 33, 64, 65, 127, 300, 1023, 1024, 3000]
LARGE = [70_000, 73_728, 200_000]


class Number:
    """An object that only __index__() converts to an int."""

    def __init__(self, number):
        self.number = number

    def __index__(self):
        return self.number


class Text(bytes):
    """A subclass of bytes."""


class Part(GrowBuffer):
    """A subclass of GrowBuffer."""


class Given:
    """Random arguments, each made once and given to both kinds."""

    def __init__(self, seed):
        self.random = random.Random(seed)
        self.alphabet = self.random.choice(ALPHABETS)

    def bytes(self, length):
        chosen = bytes(self.random.choices(self.alphabet, k=min(max(1, length), 3000)))
        return (chosen * (length // len(chosen) + 1))[:length]

    def part(self, data):
        """Return bytes that are likely to occur in `data`, or almost to occur."""
        kind = self.random.randrange(8)
        length = self.random.choice([0, 1, 1, 1, 2, 2, 3, 4, 8, 15, 16, 17, 40, 300])
        if kind == 0:
            return self.bytes(length)
        if kind == 1:
            return data
        if kind == 2:
            return data[:length] if self.random.random() < 0.5 else data[-length:]
        if kind == 3:  # likely to be almost in data of few values
            return self.bytes(1) * length + self.bytes(1)
        start = self.random.randint(0, max(0, len(data) - length))
        return data[start : start + length]

    def dressed(self, data):
        """Return bytes as an object of one of the types that a method may be given."""
        dress = self.random.choice(
            [bytes, bytes, bytes, bytearray, GrowBuffer, memoryview, Text, Part]
            + [lambda data: array.array("B", data), lambda data: memoryview(data)[::1]]
            + [
                lambda data: memoryview(data * 2)[::2],
                lambda data: data.decode("latin-1"),
            ]
            + [lambda data: None, lambda data: 3, lambda data: list(data)]
        )
        return dress(data)

    def number(self, near, most=1 << 80):
        number = self.random.choice(
            [0, 1, 2, 3, -1, -2, near, near - 1, near + 1, -near, near + 9, near // 2]
            + [2 * near, 40, 255, 256, 2**31, 2**62, 2**63, -(2**63), -(2**70), 2**70]
        )
        if most < number < 2**62:  # it would take gigabytes
            number = most
        dress = self.random.choice([int] * 8 + [Number, bool, float, str, type(None)])
        if dress is type(None):
            return None
        return dress(number)

    def index(self, near):
        return self.random.choice([None, self.number(near), self.number(near)])


def some(given, *arguments):
    """Leave out some of the last arguments."""
    return arguments[: given.random.randint(0, len(arguments))]


def named(given, names, arguments):
    """Name some of the last arguments, at times by a wrong name."""
    count = given.random.randint(0, len(arguments))
    keywords = dict(zip(names[count:], arguments[count:], strict=False))
    if given.random.random() < 0.05:
        keywords["wrong"] = 1
    return arguments[:count], keywords


def of_nothing(given, data):
    return ((1,) if given.random.random() < 0.02 else ()), {}


def of_part(given, data):
    return (given.dressed(given.part(data)),), {}


def of_part_or_none(given, data):
    return some(given, given.dressed(given.part(data))), {}


def of_search(given, data):
    part = given.dressed(given.part(data))
    if given.random.random() < 0.2:
        part = given.number(97)
    near = len(data)
    return (part, *some(given, given.index(near), given.index(near))), {}


def of_end(given, data):
    arguments, _ = of_search(given, data)
    if given.random.random() < 0.2:
        arguments = ((arguments[0], b"a"), *arguments[1:])
    return arguments, {}


def of_width(given, data):
    width = given.number(len(data), most=10**6)
    return (width, *some(given, given.dressed(given.bytes(1)))), {}


def of_zfill(given, data):
    return (given.number(len(data), most=10**6),), {}


def of_tabs(given, data):
    return named(given, ("tabsize",), some(given, given.number(8, most=40)))


def of_split(given, data):
    separator = None if given.random.random() < 0.4 else given.dressed(given.part(data))
    return named(given, ("sep", "maxsplit"), some(given, separator, given.number(3)))


def of_lines(given, data):
    keep = given.random.choice([True, False, 0, 1, 2, None, "yes", []])
    return named(given, ("keepends",), some(given, keep))


def of_replace(given, data):
    old, new = given.part(data), given.bytes(given.random.choice([0, 1, 1, 2, 5]))
    if given.random.random() < 0.2:
        new = given.bytes(len(old))
    counts = some(given, given.number(3))
    return (given.dressed(old), given.dressed(new), *counts), {}


def of_translate(given, data):
    table = bytes(given.random.choices(range(256), k=256))
    table = None if given.random.random() < 0.3 else given.dressed(table)
    return named(
        given, ("", "delete"), (table, *some(given, given.dressed(given.bytes(3))))
    )


def of_join(given, data):
    parts = [given.dressed(given.bytes(3)) for _ in range(given.random.randrange(5))]
    if given.random.random() < 0.5:
        parts = [part for part in parts if isinstance(part, bytes | bytearray)]
    return (given.random.choice([list, tuple, iter])(parts),), {}


def of_item(given, data):
    if given.random.random() < 0.5:
        near = len(data)
        return (slice(given.index(near), given.index(near), given.index(3)),), {}
    return (given.number(len(data)),), {}


def of_count(given, data):
    return (given.number(3, most=9),), {}


def of_hex(given, data):
    separator = given.random.choice([":", b"-", "é", b"\xff", "", "ab", Text(b"."), 3])
    return named(
        given, ("sep", "bytes_per_sep"), some(given, separator, given.number(2))
    )


ARGUMENTS = {
    "__add__": of_part,
    "__contains__": lambda given, data: (of_search(given, data)[0][:1], {}),
    "__getitem__": of_item,
    "__mul__": of_count,
    "capitalize": of_nothing,
    "center": of_width,
    "copy": of_nothing,
    "count": of_search,
    "endswith": of_end,
    "expandtabs": of_tabs,
    "find": of_search,
    "hex": of_hex,
    "index": of_search,
    "join": of_join,
    "ljust": of_width,
    "lower": of_nothing,
    "lstrip": of_part_or_none,
    "partition": of_part,
    "removeprefix": of_part,
    "removesuffix": of_part,
    "replace": of_replace,
    "rfind": of_search,
    "rindex": of_search,
    "rjust": of_width,
    "rpartition": of_part,
    "rsplit": of_split,
    "rstrip": of_part_or_none,
    "split": of_split,
    "splitlines": of_lines,
    "startswith": of_end,
    "strip": of_part_or_none,
    "swapcase": of_nothing,
    "title": of_nothing,
    "translate": of_translate,
    "upper": of_nothing,
    "zfill": of_zfill,
}


def outcome(kind, subject, name, arguments, keywords):
    """Return the result or exception of a call in the same form for both kinds."""
    try:
        result = getattr(subject, name)(*arguments, **keywords)
    except MemoryError:
        return MemoryError
    except (BufferError, IndexError, OverflowError, TypeError, ValueError) as error:
        text = without_names(str(error), Part, GrowBuffer)
        return type(error), text.replace(f"TYPE.{name}()", f"{name}()")
    parts = result if isinstance(result, list | tuple) else [result]
    for part in parts:
        if isinstance(part, bytearray):
            assert type(part) is (bytearray if kind is bytearray else GrowBuffer)
            assert part is not subject and (kind is bytearray or check(part) is None)
    return type(result) in (list, tuple), [
        bytes(part) if isinstance(part, bytearray) else part for part in parts
    ]


def again(arguments):
    """Return the arguments, with lists for iterators: a call uses an iterator up."""
    return tuple(
        list(argument) if hasattr(argument, "__next__") else argument
        for argument in arguments
    )


@pytest.mark.parametrize("name", ARGUMENTS)
def test_method_on_random_bytes_does_what_bytearray_does(name):
    for turn in range(ROUNDS):
        seed = f"{SEED} {name} {turn}"
        given = Given(seed)
        data = given.bytes(given.random.choice(LENGTHS if turn else LARGE))
        arguments, keywords = ARGUMENTS[name](given, data)
        arguments = again(arguments)
        iterated = given.random.random() < 0.3 and name == "join"
        subject = given.random.choice([GrowBuffer, GrowBuffer, Part])(data)
        outcomes = [
            outcome(
                type(each),
                each,
                name,
                tuple(map(iter, arguments)) if iterated else arguments,
                keywords,
            )
            for each in (bytearray(data), subject)
        ]
        told = f"GROWBUF_SEED={SEED}, turn {turn}: {name}{arguments!r:.300} {keywords}"
        assert outcomes[0] == outcomes[1], f"{told} of {data!r:.300}"
        assert_holds(subject, data)


class Peer(bytearray):
    """A subclass of bytearray."""


def hex_text(given):
    """Return digits as fromhex() takes them, at times with something else among them."""
    data = given.bytes(given.random.choice(LENGTHS))
    text = data.hex(*given.random.choice([(), (), (" ",), (" ", 3)]))
    text = given.random.choice([str, str.upper, str.title])(text)
    if given.random.random() < 0.4:
        at = given.random.randint(0, len(text))
        text = (
            text[:at] + given.random.choice("  \t\n\v\f\r\x1cg:/@`G\0éĀ0") + text[at:]
        )
    return given.random.choice([str, str, str, Name])(text)


class Name(str):
    """A subclass of str."""


@pytest.mark.parametrize(
    "peer, kind", [(bytearray, GrowBuffer), (Peer, Part)], ids=["buffer", "subclass"]
)
def test_fromhex_of_random_text_does_what_bytearray_does(peer, kind):
    for turn in range(3 * ROUNDS):
        given = Given(f"{SEED} fromhex {turn}")
        text = hex_text(given)
        outcomes = []
        for each in (peer, kind):
            try:
                outcomes.append(each.fromhex(text))
                assert type(outcomes[-1]) is each
            except ValueError as error:
                outcomes.append(str(error))
        told = f"GROWBUF_SEED={SEED}, turn {turn}: {text!r:.300}"
        assert outcomes[0] == outcomes[1], told
        assert isinstance(outcomes[1], str) or check(outcomes[1]) is None


@pytest.mark.parametrize("wrong", [None, 3, [], "é0", (), ("00",)])
def test_fromhex_of_wrong_argument_raises_as_bytearray_does(wrong):
    with pytest.raises((TypeError, ValueError)) as expected:
        bytearray.fromhex(wrong)
    with pytest.raises(expected.type) as raised:
        GrowBuffer.fromhex(wrong)
    assert str(raised.value) == str(expected.value)


@pytest.mark.parametrize("name", ["find", "rfind", "count", "split", "rsplit"])
def test_search_for_part_that_almost_occurs_everywhere_is_linear(name):
    """If a search compared the part at every position, it would take hours."""
    data = b"a" * 2_000_000
    for part in (b"a" * 100_000 + b"b", b"b" + b"a" * 100_000):
        part += b"a" * 100_000
        expected = [data] if name.endswith("split") else 0 if name == "count" else -1
        assert getattr(GrowBuffer(data), name)(part) == expected
    data = b"ab" * 1_000_000
    part = b"ab" * 50_000 + b"b"
    assert GrowBuffer(data + part).find(part) == len(data)
    assert GrowBuffer(part + data).rfind(part) == 0


NUMBERS = {
    "find": 1,
    "count": 1,
    "startswith": 1,
    "split": 1,
    "replace": 2,
    "center": 0,
}
NUMBERS |= {"zfill": 0, "expandtabs": 0, "__getitem__": 0, "__mul__": 0}


@pytest.mark.parametrize("name", NUMBERS)
def test_number_that_changes_the_buffer_is_converted_before_its_length_is_read(name):
    """The method may also hold an export of the bytes, which refuses the change."""
    for length in (5, 3000, 300_000):
        for change in ("clear", "extend", "take"):
            data = b"a" * length
            subject = GrowBuffer(data)

            class Changes:
                def __index__(self, subject=subject, change=change):
                    getattr(subject, change)(
                        *([b"x" * 1000] if change == "extend" else [])
                    )
                    return 2

            arguments = [b"a"] * NUMBERS[name] + [Changes()]
            try:
                getattr(subject, name)(*arguments)
            except (BufferError, IndexError):
                pass
            assert check(subject) is None
            assert bytes(subject) in (b"", data, data + b"x" * 1000)


@pytest.mark.skipif(sys.version_info < (3, 12), reason="__buffer__ is of 3.12")
@pytest.mark.parametrize(
    "name", ["find", "split", "replace", "join", "strip", "__add__"]
)
def test_buffer_that_clears_the_buffer_is_asked_under_an_export(name):
    for length in (5, 3000, 300_000):
        subject = GrowBuffer(b"a" * length)

        class Clears:
            def __buffer__(self, flags, subject=subject):
                subject.clear()
                return memoryview(b"b")

        argument = [Clears()] if name == "join" else Clears()
        with pytest.raises((BufferError, TypeError)):
            getattr(subject, name)(*([b"a"] if name == "replace" else []), argument)
        assert_holds(subject, b"a" * length)


@pytest.mark.parametrize("hint", [-1, "many", 1 << 70, ZeroDivisionError])
@pytest.mark.parametrize("kind", [bytearray, GrowBuffer])
def test_extend_iterator_with_wrong_length_hint_raises_and_appends_nothing(kind, hint):
    class Iterator:
        def __iter__(self):
            return self

        def __next__(self):
            return 65

        def __length_hint__(self):
            if isinstance(hint, type):
                raise hint
            return hint

    buf = kind(b"abc")
    errors = {-1: ValueError, "many": TypeError, 1 << 70: OverflowError}
    with pytest.raises(errors.get(hint, ZeroDivisionError)):
        buf.extend(Iterator())
    assert buf == b"abc"


@pytest.mark.parametrize("name", ["strip", "lstrip", "rstrip"])
def test_strip_with_two_arguments_raises(name):
    for first in (None, b"a"):
        with pytest.raises(TypeError, match="at most 1 argument"):
            getattr(GrowBuffer(b" a "), name)(first, 5)


@pytest.mark.skipif(sys.implementation.name != "cpython", reason="needs the C API")
@pytest.mark.parametrize("name", ["replace", "zfill", "translate", "startswith"])
def test_method_called_from_c_with_null_arguments_raises_type_error(name):
    """A C extension may pass NULL for no arguments; copying 0 bytes from NULL is
    undefined, which a build with sanitizers reports."""
    call = ctypes.pythonapi.PyObject_Vectorcall
    call.restype = ctypes.py_object
    call.argtypes = [
        ctypes.py_object,
        ctypes.c_void_p,
        ctypes.c_size_t,
        ctypes.c_void_p,
    ]
    with pytest.raises(TypeError):
        call(getattr(GrowBuffer(b"spam"), name), None, 0, None)


@pytest.mark.parametrize("name", ["find", "split", "strip", "removeprefix"])
def test_method_given_scattered_view_without_memory_raises_memory_error(name):
    """The first allocation is that of an exception, and fails."""
    _testcapi = pytest.importorskip("_testcapi")
    method, view = getattr(GrowBuffer(b"spam"), name), memoryview(b"abcd")[::2]
    with pytest.raises((BufferError, TypeError)):
        method(view)
    _testcapi.set_nomemory(0, 1)
    try:
        method(view)
        raised = None
    except BaseException as error:
        raised = type(error)
    finally:
        _testcapi.remove_mem_hooks()
    assert raised is MemoryError


# ------------------------------------------------- results of common arguments: edges


def result_of(call):
    """Return what a call returns, or the type and the text of what it raises."""
    try:
        return call()
    except Exception as error:
        return type(error), str(error)


EDGE_LENGTHS = [*range(70), 95, 96, 97, 128, 255, 8159, 8160, 8161, 8200]


@pytest.mark.parametrize("offset", [0, 1, 7])
def test_hex_at_each_length_is_that_of_bytearray(offset):
    values = random.Random(3).randbytes(EDGE_LENGTHS[-1] + offset)
    for length in EDGE_LENGTHS:
        buf = GrowBuffer(values[: offset + length])
        del buf[:offset]
        assert buf.hex() == bytearray(buf).hex()
        assert buf.hex(":") == bytearray(buf).hex(":")


SEPARATORS = [(":",), (b":",), ("-", 2), ("-", -3), (b"\0",), ("\x7f", 1), (":", 0)]
SEPARATORS += [("",), ("ab",), ("\xe9",), (b"\xe9",), (7,), (":", "a"), (":", 1, 1)]


@pytest.mark.parametrize("args", SEPARATORS, ids=repr)
def test_hex_with_separator_does_what_bytearray_does(args):
    for length in (0, 1, 2, 15, 16, 17, 40):
        values = bytes(range(200, 200 + length))
        got = result_of(lambda values=values: GrowBuffer(values).hex(*args))
        assert got == result_of(lambda values=values: bytearray(values).hex(*args))


PARTS = [b"ab", b"aa", b"aba", b"abc", b"abab", b"abca", b"aaab", b"abcd", b"abcde"]


@pytest.mark.parametrize("part", PARTS)
def test_count_of_short_part_is_that_of_bytearray(part):
    pick = random.Random(5)
    for length in EDGE_LENGTHS:
        values = bytes(pick.choices(part, k=length))
        for text in (values, part * (length // len(part)), values[:-1] + part):
            buf, peer = GrowBuffer(text), bytearray(text)
            assert buf.count(part) == peer.count(part)
            assert buf.count(part, 1, -1) == peer.count(part, 1, -1)
            assert buf.replace(part, b"-") == peer.replace(part, b"-")
            assert buf.replace(part, b"-", 2) == peer.replace(part, b"-", 2)


@pytest.mark.parametrize("length", [255, 256, 8159, 8160, 8161, 16_400])
def test_count_of_part_at_every_position_is_exact(length):
    """A counter of one byte counts in every 32nd position, and must not overflow."""
    assert GrowBuffer(b"a" * length).count(b"a") == length
    assert GrowBuffer(b"ab" * length).count(b"ab") == length


def released():
    view = memoryview(b"abc")
    view.release()
    return view


JOINED = {
    "nothing": list,
    "one": lambda: [b"one"],
    "views": lambda: [memoryview(b"abc"), memoryview(bytearray(b"de"))],
    "part of a view": lambda: (b"", memoryview(b"abcdef")[2:4]),
    "empty view": lambda: [memoryview(b""), b"", memoryview(b"abc")[1:1]],
    "buffers": lambda: [GrowBuffer(b"abc"), bytearray(b"de"), Part(b"f"), Text(b"g")],
    "two dimensions": lambda: [memoryview(bytes(6)).cast("B", (2, 3)), b"x"],
    "wide items": lambda: [memoryview(array.array("i", [1, 2])), b"x"],
    "array": lambda: [array.array("H", [1, 2]), memoryview(b"x")],
    "scattered view": lambda: [b"x", memoryview(b"abcdef")[::2]],
    "backward view": lambda: [memoryview(b"abc")[::-1]],
    "released view": lambda: [b"x", released()],
    "str": lambda: [memoryview(b"abc"), "de"],
    "int": lambda: [b"abc", 7],
    "many": lambda: [memoryview(b"abc")] * 1000,
    "iterator": lambda: iter([memoryview(b"abc"), b"de"]),
}


@pytest.mark.parametrize("items", JOINED.values(), ids=JOINED)
def test_join_does_what_bytearray_does(items):
    for separator in (b"", b", "):
        buf = GrowBuffer(separator)
        got = result_of(lambda buf=buf: buf.join(items()))
        assert got == result_of(lambda each=separator: bytearray(each).join(items()))
        assert not isinstance(got, bytearray) or type(got) is GrowBuffer
        buf.append(7)  # no export of the separator is left


def test_join_leaves_no_export_of_its_items():
    buf = GrowBuffer(b"abc")
    with memoryview(buf) as view:
        assert GrowBuffer(b"-").join([view, buf, view]) == b"abc-abc-abc"
    buf.append(7)
    assert check(buf) is None


def test_join_with_itself_as_an_item_reads_it():
    buf = GrowBuffer(b"ab")
    assert buf.join([buf, memoryview(buf), buf]) == b"ab" * 5


FORMATS = [b"", b"%", b"%b", b"a%b;", b"%s%%%b", b"%%", b"%5b|", b"%.1s", b"%d", b"%c"]
FORMATS += [b"%a", b"%r", b"%(k)b", b"%b%", b"%x%b", b"no value", b"%b" * 40]


class Convertible:
    def __bytes__(self):
        return b"converted"


FORMAT_VALUES = [b"v", b"", GrowBuffer(b"buffer"), bytearray(b"array"), Text(b"text")]
FORMAT_VALUES += [memoryview(b"view"), memoryview(b"abcd")[::2], "str", 7, None]
FORMAT_VALUES += [{b"k": b"dict"}, Convertible(), (), (b"a",), (b"a", b"bc"), (7, b"a")]
FORMAT_VALUES += [(memoryview(b"a"), bytearray(b"b")), (b"ab",) * 40, [b"list"]]


@pytest.mark.parametrize("text", FORMATS)
def test_percent_does_what_bytearray_does(text):
    for value in FORMAT_VALUES:
        buf = GrowBuffer(text)
        got = result_of(lambda buf=buf, value=value: buf % value)
        assert got == result_of(lambda value=value: bytearray(text) % value), value
        assert not isinstance(got, bytearray) or type(got) is GrowBuffer
        assert buf == text
        buf.append(7)  # no export of the format is left


def test_percent_of_long_value_is_that_of_bytearray():
    for length in (1000, 10_000, 70_000, 200_000):
        value = random.Random(length).randbytes(length)
        assert (
            GrowBuffer(b"<%b|%s>") % (value, value)
            == b"<" + value + b"|" + value + b">"
        )


@pytest.mark.parametrize(
    "name", ["__eq__", "__ne__", "__lt__", "__le__", "__gt__", "__ge__"]
)
def test_comparison_is_that_of_bytearray(name):
    texts = [b"", b"a", b"ab", b"b", b"\x80", b"ab\0", b"ab" * 500, b"ab" * 500 + b"c"]
    kinds = [bytes, bytearray, GrowBuffer, Part, Text, memoryview]
    for left in texts:
        for right in texts:
            expected = getattr(left, name)(right)
            for kind in kinds:
                assert getattr(GrowBuffer(left), name)(kind(right)) is expected
                assert getattr(Part(left), name)(kind(right)) is expected
        for other in ("a", 7, None, [97]):
            assert getattr(GrowBuffer(left), name)(other) is NotImplemented


@pytest.mark.parametrize("kind", [list, tuple])
@pytest.mark.parametrize("odd", [256, -1, 2**70, -(2**70), True, 1.5, "a", None])
def test_list_with_odd_item_does_what_bytearray_does(kind, odd):
    for at in (0, 1, 16, 99):
        values = [*range(100)]
        values[at] = odd
        got = result_of(lambda values=values: GrowBuffer(kind(values)))
        assert got == result_of(lambda values=values: bytearray(kind(values)))


@pytest.mark.parametrize("change", ["clear", "pop", "append", "replace"])
def test_list_changed_by_an_item_does_what_its_iterator_yields(change):
    class Changing:
        def __init__(self, values):
            self.values = values

        def __index__(self):
            if change == "replace":
                self.values[-1] = 9
            else:
                getattr(self.values, change)(*([8] if change == "append" else []))
            return 5

    outcomes = []
    for kind in (GrowBuffer, lambda values: bytearray(iter(values))):
        values = [1, 2, 3, 4, 6, 7]
        values[2] = Changing(values)
        outcomes.append(bytes(kind(values)))
    assert outcomes[0] == outcomes[1]


TWICE_READ = {
    "%": "left % ()",
    "replace, shorter": "left.replace(b'%', b'')",
    "replace, longer": "left.replace(b'%', b'abc')",
    "replace, old in a view": "fixed.replace(memoryview(left)[:1], b'abc')",
    "translate": "left.translate(None, b'%')",
    "expandtabs": "left.expandtabs()",
}


@pytest.mark.skipif(not hasattr(os, "preadv"), reason="writes without the GIL")
@pytest.mark.parametrize("call", TWICE_READ.values(), ids=TWICE_READ)
def test_result_of_bytes_that_change_without_the_gil_stays_in_its_memory(call):
    """These methods read the bytes twice: to measure the result and to write it."""
    code = f"""
import os, tempfile, threading, time
from growbuf import GrowBuffer
n = 1 << 15
left, fixed = GrowBuffer(b"%" * n), GrowBuffer(b"%\\t" * n)
file = tempfile.TemporaryFile()
file.write(b"%" * n + b"\\t" * n)
file.flush()

def write():
    view = memoryview(left)
    while True:
        os.preadv(file.fileno(), [view], 0)
        os.preadv(file.fileno(), [view], n)

threading.Thread(target=write, daemon=True).start()
end = time.monotonic() + 0.5
while time.monotonic() < end:
    try:
        {call}
    except (TypeError, ValueError):
        pass
os._exit(0)
"""
    subprocess.run([sys.executable, "-c", code], check=True)
