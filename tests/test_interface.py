"""GrowBuffer has the whole interface of the running Python's bytearray.

GrowBuffer inherits methods that only read, and overrides methods that change the
length or return a bytearray. The tests check that each attribute and each slot is
in one of these groups, and compare each method on both types.
"""

import ctypes
import re
import reprlib
import sys
from collections.abc import Iterator
from contextlib import nullcontext
from itertools import product

import pytest

from growbuf import GrowBuffer
from growbuf._growbuf import check

# Attributes that GrowBuffer may inherit: they never change the length and never
# return a bytearray. The key of each group is the reason.
UNCHANGING = {
    "finds or counts": "__contains__ count endswith find index rfind rindex startswith",
    "answers a question": "__len__ isalnum isalpha isascii isdigit islower isspace "
    "istitle isupper",
    "compares": "__eq__ __ge__ __gt__ __le__ __lt__ __ne__",
    "returns text": "__repr__ __str__ decode hex",
    "is None, as what can change has no hash": "__hash__",
    "describes the type, not an object": "__doc__",
    "looks attributes up": "__getattribute__",
    "returns an iterator, which reads": "__iter__",
    "exports the bytes as they are": "__buffer__ __release_buffer__",
    "measures": "__alloc__ __sizeof__",
    "pickles the bytes in a tuple": "__reduce__ __reduce_ex__",
    "rewrites the bytes in place, as many as there were": "reverse",
    "is a static method that returns bytes": "maketrans",
}

SINCE_3_12 = {"__buffer__", "__release_buffer__"}

# The same for slots, by their numbers in CPython's stable ABI.
UNCHANGING_SLOTS = {
    1: "bf_getbuffer",
    2: "bf_releasebuffer",
    4: "mp_length",
    41: "sq_contains",
    44: "sq_item: returns one int",
    45: "sq_length",
    47: "tp_alloc: the object, not its bytes",
    58: "tp_getattro",
    59: "tp_hash",
    62: "tp_iter",
    66: "tp_repr",
    67: "tp_richcompare",
    69: "tp_setattro",
    70: "tp_str",
    74: "tp_free: the object, not its bytes",
}
LAST_SLOT = 83


class Own(bytes):
    """An argument that the test converts to the type under test."""


class Unsized:
    """An iterable without a length, which can be iterated repeatedly."""

    def __iter__(self):
        return iter(range(97, 123))


# Valid and some invalid arguments for each method of bytearray.
CALLS = {
    "__add__": [(b"tail",), (b"",), (Own(b"tail"),), ("text",)],
    "__buffer__": [(0,)],
    "__contains__": [(b"the",), (32,), (300,), ("t",)],
    "__delitem__": [(0,), (-1,), (slice(2, 9),), (slice(None, None, 3),), (10**9,)],
    "__eq__": [(b"the",), (Own(b"  Grow"),), (3,)],
    "__ge__": [(b"the",), (Own(b"  Grow"),), (3,)],
    "__getitem__": [(0,), (slice(2, 9),), (slice(None),), (slice(None, None, -2),)]
    + [(10**9,), ("x",)],
    "__gt__": [(b"the",), (Own(b"  Grow"),), (3,)],
    "__iadd__": [(b"tail",), (b"",), (Own(b"tail"),), ("text",), (bytes(3 << 20),)],
    "__imul__": [(0,), (1,), (3,), (-1,), ("x",)],
    "__init__": [(), (b"new",), (9,), ([1, 2],), ("\xe9", "utf-8"), (bytes(3 << 20),)],
    "__iter__": [()],
    "__le__": [(b"the",), (Own(b"  Grow"),), (3,)],
    "__len__": [()],
    "__lt__": [(b"the",), (Own(b"  Grow"),), (3,)],
    "__mod__": [(7,), ((7,),), ((),), (b"x",)],
    "__mul__": [(0,), (1,), (3,), (-1,), ("x",)],
    "__ne__": [(b"the",), (Own(b"  Grow"),), (3,)],
    "__reduce__": [()],
    "__reduce_ex__": [(0,), (2,)],  # from 3 on a function of growbuf reconstructs it
    "__repr__": [()],
    "__rmod__": [(Own(b"<%s>"),), (b"<%s>",), (3,)],
    "__rmul__": [(0,), (2,), ("x",)],
    "__setitem__": [(0, 1), (-1, 255), (0, 256), (10**9, 1), (0, b"x")]
    + [(slice(2, 9), b"longer than before"), (slice(2, 9), Own(b"s")), (slice(2, 9), 3)]
    + [(slice(None, None, 40), b""), (slice(1, 1), [1, 2]), (slice(3, None), b"")],
    "__str__": [()],
    "append": [(97,), (256,), (b"x",)],
    "capitalize": [()],
    "center": [(60,), (60, b"*"), (5 << 20,), (0,)],
    "clear": [()],
    "copy": [()],
    "count": [(b"t",), (116, 3), (b"",)],
    "decode": [(), ("ascii", "ignore"), ("no such codec",)],
    "endswith": [(b"  ",), ((b"x", b" "),), ("x",)],
    "expandtabs": [(), (3,)],
    "extend": [(b"tail",), ([1, 2],), (Unsized(),), (Own(b"tail"),), (bytes(3 << 20),)]
    + [("text",), (b"",), ([256],)],
    "find": [(b"the",), (116, 5, 30)],
    "fromhex": [("01 02 ff",), ("",), ("x",)],
    "hex": [(), ("-", 4)],
    "index": [(b"the",), (b"no",)],
    "insert": [(0, 97), (5, 97), (10**9, 97), (-2, 97), (0, 256)],
    "isalnum": [()],
    "isalpha": [()],
    "isascii": [()],
    "isdigit": [()],
    "islower": [()],
    "isspace": [()],
    "istitle": [()],
    "isupper": [()],
    "join": [([b"a", Own(b"b"), b"c"],), ([],), ([b"one"],), ([1],)],
    "ljust": [(60,), (60, b"*"), (5 << 20,), (0,)],
    "lower": [()],
    "lstrip": [(), (b" -",), (b"",)],
    "maketrans": [(b"the", b"abc"), (b"t", b"ab")],
    "partition": [(b"the",), (b"no",), (b"",)],
    "pop": [(), (0,), (3,), (10**9,)],
    "remove": [(116,), (255,), (256,)],
    "removeprefix": [(b"  Grow",), (b"-",), (b"no",)],
    "removesuffix": [(b"it  ",), (b"-",), (b"no",)],
    "replace": [(b"the", b"a"), (b"t", b"ttt", 1), (b"no", b""), (b"-", b"")],
    "resize": [(0,), (5,), (60,), (5 << 20,), (-1,), ("x",)],
    "reverse": [()],
    "rfind": [(b"the",), (116, 5, 30)],
    "rindex": [(b"the",), (b"no",)],
    "rjust": [(60,), (60, b"*"), (5 << 20,), (0,)],
    "rpartition": [(b"the",), (b"no",), (b"",)],
    "rsplit": [(), (b" ", 2), (b"no",), (b"",)],
    "rstrip": [(), (b" -",), (b"",)],
    "split": [(), (b" ", 2), (b"no",), (b"",)],
    "splitlines": [(), (True,)],
    "startswith": [(b"  ",), ((b"x", b" "),), ("x",)],
    "strip": [(), (b" -",), (b"",)],
    "swapcase": [()],
    "take_bytes": [(), (None,), (0,), (5,), (-5,), (10**9,), ("x",)],
    "title": [()],
    "translate": [(bytes(range(1, 256)) + b"\0",), (None, b"t-"), (b"short",)],
    "upper": [()],
    "zfill": [(60,), (5 << 20,), (0,)],
}

# Not called: they do not depend on the bytes, or must differ between the types.
UNCALLED = {"__doc__", "__getattribute__", "__hash__", "__new__", "__release_buffer__"}
UNCALLED |= {"__alloc__", "__sizeof__"}

SAMPLE = b"  Grow\tthe buffer %d times,\r\nthen take it  "
PAD = b"-" * (3 << 19)
CONTENTS = {"empty": b"", "small": SAMPLE, "large": PAD + SAMPLE + PAD}


def own_names(cls: type) -> list[str]:
    """List the attributes of a type, without those inherited from object."""
    return [name for name in dir(cls) if name not in vars(object) or name in vars(cls)]


def unchanging() -> list[str]:
    names = " ".join(UNCHANGING.values()).split()
    return [n for n in names if n not in SINCE_3_12 or sys.version_info >= (3, 12)]


def made(cls: type, content: bytes) -> bytearray:
    return cls(content)


def windowed(cls: type, content: bytes) -> bytearray:
    """Make an object with headroom before its bytes and tailroom after them."""
    front = len(content) // 2 + 7
    window = cls(front)
    window.extend(content)
    window.append(0)
    del window[:front]
    window.pop()
    return window


BIRTHS = [made, windowed]


class PeerSubclass(bytearray):
    """A user's subclass of bytearray, the reference type."""


class Subclass(GrowBuffer):
    """A user's subclass of GrowBuffer."""


# What is compared: (the base type, the class of the object) of each side.
PAIRS = [((bytearray, bytearray), (GrowBuffer, GrowBuffer))]
PAIRS += [((bytearray, PeerSubclass), (GrowBuffer, Subclass))]


def role(cls: type, plain: type, subject: bytearray) -> object:
    """Return a name for a class that is the same for both sides of a comparison."""
    if cls is plain:
        return "plain"
    return "subclass" if cls is type(subject) else cls


def shape(value: object, plain: type, subject: bytearray) -> object:
    """Convert a result into a value that is comparable between the two types."""
    if value is subject:
        return "itself"
    if isinstance(value, bytearray):
        return role(type(value), plain, subject), bytes(value)
    if isinstance(value, (list, tuple)):
        return type(value), [shape(each, plain, subject) for each in value]
    if isinstance(value, type):
        return role(value, plain, subject)
    if isinstance(value, memoryview):
        with value:
            return value.readonly, bytes(value)
    if isinstance(value, Iterator):
        return "iterator", list(value)
    if isinstance(value, BufferError):
        # GrowBuffer appends what to do to the message of bytearray.
        return type(value), re.sub(r"(?<=re-sized): .*$", "", str(value))
    if isinstance(value, Exception):
        return type(value), shape(str(value), plain, subject)
    if isinstance(value, str):
        return without_names(value, plain, type(subject))
    return value


def without_names(text: str, *types: type) -> str:
    """Replace the types' names, qualified or not, in a message or a repr."""
    for cls in *types, bytearray:
        text = text.replace(f"{cls.__module__}.{cls.__name__}", "TYPE")
        text = text.replace(cls.__name__, "TYPE")
    return text


def bytearrays_in(value: object) -> list[bytearray]:
    if isinstance(value, (list, tuple)):
        return [found for each in value for found in bytearrays_in(each)]
    return [value] if isinstance(value, bytearray) else []


def answer(call, plain: type, subject: bytearray, args: tuple) -> object:
    """Make a call; return its result, or the exception that it raises."""
    args = [of_type(plain, arg) for arg in args]
    try:
        return call(subject, *args)
    except Exception as error:
        return error


def of_type(plain: type, arg: object) -> object:
    if isinstance(arg, list):
        return [of_type(plain, each) for each in arg]
    return plain(arg) if isinstance(arg, Own) else arg


def compare(call, args: tuple, content: bytes) -> None:
    """Make the call on bytearray and GrowBuffer in each state; compare the outcomes."""
    for birth, exported, (theirs, ours) in product(BIRTHS, (False, True), PAIRS):
        expected = outcome(call, args, *theirs, birth, content, exported)
        found = outcome(call, args, *ours, birth, content, exported)
        if found != expected:
            state = f"{ours[1].__name__}, {birth.__name__}, exported={exported}"
            pytest.fail(
                f"{state}, args={reprlib.repr(args)}:\n"
                f"GrowBuffer {brief(found)}\nbytearray  {brief(expected)}",
                pytrace=False,
            )


def outcome(call, args, plain, cls, birth, content, exported) -> tuple:
    """Return the observable outcome of a call: its result and the bytes after it."""
    subject = birth(cls, content)
    with memoryview(subject) if exported else nullcontext():
        seen = shape(answer(call, plain, subject, args), plain, subject)
        assert plain is bytearray or check(subject) is None
        return seen, bytes(subject)


def brief(found: tuple) -> str:
    """Format an outcome, with long contents shortened."""
    short = reprlib.Repr()
    short.maxstring = short.maxother = 90
    return f"{short.repr(found)}, {len(found[1])} bytes"


def method(name: str):
    return lambda subject, *args: getattr(subject, name)(*args)


def test_attributes_of_bytearray_are_overridden_or_unchanging():
    known = set(vars(GrowBuffer)) | set(unchanging())
    assert [name for name in own_names(bytearray) if name not in known] == []


def test_unchanging_table_lists_only_attributes_of_bytearray():
    assert [name for name in unchanging() if name not in dir(bytearray)] == []


def test_slots_of_bytearray_are_overridden_or_unchanging():
    slots = {slot: type_slot(bytearray, slot) for slot in range(1, LAST_SLOT + 1)}
    inherited = [s for s, code in slots.items() if code == type_slot(GrowBuffer, s)]
    filled = [slot for slot in inherited if slots[slot]]
    assert [slot for slot in filled if slot not in UNCHANGING_SLOTS] == []


def type_slot(cls: type, slot: int) -> int | None:
    """Read a slot of a type; return None if it is empty or unknown to this Python."""
    get = ctypes.pythonapi.PyType_GetSlot
    get.restype, get.argtypes = ctypes.c_void_p, [ctypes.py_object, ctypes.c_int]
    try:
        return get(cls, slot)
    except SystemError:
        return None


def test_calls_table_of_bytearray_covers_every_method():
    known = set(CALLS) | UNCALLED
    assert [name for name in own_names(bytearray) if name not in known] == []


@pytest.mark.parametrize("content", CONTENTS.values(), ids=CONTENTS)
@pytest.mark.parametrize("name", [n for n in unchanging() if n in CALLS])
def test_unchanging_method_with_each_argument_changes_nothing(name, content):
    for birth in BIRTHS:
        for args in CALLS[name]:
            subject = birth(GrowBuffer, content)
            before = len(subject), subject.capacity
            returned = answer(method(name), GrowBuffer, subject, args)
            assert (len(subject), subject.capacity) == before
            assert subject == (content[::-1] if name == "reverse" else content)
            assert bytearrays_in(returned) == []


@pytest.mark.parametrize("content", CONTENTS.values(), ids=CONTENTS)
@pytest.mark.parametrize("name", [name for name in CALLS if hasattr(bytearray, name)])
def test_method_with_each_argument_equals_bytearray(name, content):
    for args in CALLS[name]:
        compare(method(name), args, content)


# Functions of the C API for sequences. Some reach slots that no attribute in
# Python reaches, such as sq_ass_item to delete one item. The signature "iOn"
# means: returns an int, takes an object and an index.
C_CALLS = {
    "PySequence_Concat": ("OOO", [(b"tail",), (Own(b"tail"),), ("text",)]),
    "PySequence_Repeat": ("OOn", [(0,), (3,)]),
    "PySequence_InPlaceConcat": ("OOO", [(b"tail",), ("text",)]),
    "PySequence_InPlaceRepeat": ("OOn", [(0,), (3,)]),
    "PySequence_GetItem": ("OOn", [(0,), (-1,), (10**9,)]),
    "PySequence_GetSlice": ("OOnn", [(2, 9), (0, 10**9)]),
    "PySequence_SetItem": ("iOnO", [(0, 97), (-1, 97), (10**9, 97), (0, 256)]),
    "PySequence_SetSlice": ("iOnnO", [(2, 9, b"longer than it was"), (2, 9, b"s")]),
    "PySequence_DelItem": ("iOn", [(0,), (-1,), (10**9,)]),
    "PySequence_DelSlice": ("iOnn", [(2, 9), (0, 10**9)]),
    "PyNumber_Add": ("OOO", [(b"tail",)]),
    "PyNumber_InPlaceAdd": ("OOO", [(b"tail",)]),
    "PyNumber_InPlaceMultiply": ("OOO", [(3,)]),
    "PyNumber_Remainder": ("OOO", [(7,)]),
}
C_TYPES = {"O": ctypes.py_object, "n": ctypes.c_ssize_t, "i": ctypes.c_int}


@pytest.mark.parametrize("content", CONTENTS.values(), ids=CONTENTS)
@pytest.mark.parametrize("name", C_CALLS)
def test_c_function_with_each_argument_equals_bytearray(name, content):
    signature, calls = C_CALLS[name]
    prototype = ctypes.PYFUNCTYPE(*(C_TYPES[code] for code in signature))
    for args in calls:
        compare(prototype((name, ctypes.pythonapi)), args, content)


@pytest.mark.parametrize(
    ("operation", "result"),
    [
        (lambda ours: b"a" + ours, bytes),
        (lambda ours: bytearray(b"a") + ours, bytearray),
        (lambda ours: b"%b" % ours, bytes),
        (lambda ours: b",".join([ours, ours]), bytes),
        (lambda ours: bytearray(b",").join([ours, ours]), bytearray),
        (lambda ours: bytearray(b"a").replace(b"a", ours), bytearray),
        (lambda ours: ours + bytearray(b"a"), GrowBuffer),
        (lambda ours: GrowBuffer(b",").join([bytearray(b"a"), b"b"]), GrowBuffer),
        (lambda ours: 2 * ours, GrowBuffer),
    ],
)
def test_operator_on_mixed_types_returns_type_of_left_operand(operation, result):
    found = operation(GrowBuffer(SAMPLE))
    assert type(found) is result
    assert found == operation(bytearray(SAMPLE))


# Newer Pythons have added resize() and take_bytes() to bytearray; GrowBuffer has
# them on every Python. If bytearray has them too, the same tests check it.
RESIZERS = [GrowBuffer] + [bytearray] * hasattr(bytearray, "resize")
TAKERS = [GrowBuffer] + [bytearray] * hasattr(bytearray, "take_bytes")


@pytest.mark.parametrize("birth", BIRTHS)
@pytest.mark.parametrize("cls", RESIZERS)
@pytest.mark.parametrize("nbytes", [0, 1, 4, 5, 6, 60, 300_000, 5 << 20])
def test_resize_to_other_length_truncates_or_adds_zeros(cls, birth, nbytes):
    subject = birth(cls, b"hello")
    assert subject.resize(nbytes) is None
    assert subject == b"hello"[:nbytes] + bytes(max(0, nbytes - 5))


@pytest.mark.parametrize("cls", RESIZERS)
@pytest.mark.parametrize("nbytes", [100, 100_000, 5 << 20])
def test_resize_over_former_bytes_sets_them_to_zero(cls, nbytes):
    subject = cls(b"x" * nbytes)
    subject.resize(nbytes // 2)
    subject.resize(nbytes)
    assert subject == b"x" * (nbytes // 2) + bytes(nbytes // 2)


@pytest.mark.parametrize("cls", RESIZERS)
@pytest.mark.parametrize(
    ("args", "error", "message"),
    [
        ((-1,), ValueError, "Can only resize to positive sizes, got -1"),
        ((sys.maxsize,), MemoryError, ""),
        ((2**64,), OverflowError, "Python int too large to convert to C ssize_t"),
        (("1",), TypeError, "'str' object cannot be interpreted as an integer"),
        ((1.0,), TypeError, "'float' object cannot be interpreted as an integer"),
        ((), TypeError, "TYPE.resize() takes exactly one argument (0 given)"),
        ((1, 2), TypeError, "TYPE.resize() takes exactly one argument (2 given)"),
    ],
)
def test_resize_with_invalid_argument_raises(cls, args, error, message):
    refuses(cls, "resize", args, error, message)


@pytest.mark.parametrize("cls", RESIZERS)
def test_resize_under_export_raises_unless_length_is_equal(cls):
    subject = cls(b"hello")
    with memoryview(subject):
        subject.resize(5)  # the length does not change
        for nbytes in 0, 4, 6:
            with pytest.raises(BufferError, match=EXPORTED):
                subject.resize(nbytes)
        with pytest.raises(ValueError, match="positive"):
            subject.resize(-1)
    assert subject == b"hello"


@pytest.mark.parametrize("birth", BIRTHS)
@pytest.mark.parametrize("cls", TAKERS)
@pytest.mark.parametrize("n", [None, 0, 2, 5, -1, -5, True])
@pytest.mark.parametrize("pad", [b"", b"-" * 300_000, b"-" * (5 << 20)], ids=len)
def test_take_bytes_with_n_returns_the_first_bytes(cls, birth, n, pad):
    content = b"hello" + pad
    subject = birth(cls, content)
    taken = subject.take_bytes(n)
    assert type(taken) is bytes
    assert taken + subject == content
    assert taken == content[:n]
    subject[:] = b"and" + subject + b"on"  # the returned bytes do not change
    assert taken == content[:n]


@pytest.mark.parametrize("cls", TAKERS)
def test_take_bytes_without_argument_returns_all(cls):
    subject = cls(b"hello")
    assert subject.take_bytes() == b"hello"
    assert subject == b""
    assert subject.take_bytes() == b""


@pytest.mark.parametrize("cls", TAKERS)
@pytest.mark.parametrize(
    ("args", "error", "message"),
    [
        ((6,), IndexError, "can't take 6 bytes outside size 5"),
        ((-6,), IndexError, "can't take -1 bytes outside size 5"),
        ((2**64,), IndexError, "cannot fit 'int' into an index-sized integer"),
        (("1",), TypeError, "n must be an integer or None"),
        ((1.5,), TypeError, "n must be an integer or None"),
        ((1, 2), TypeError, "take_bytes expected at most 1 argument, got 2"),
    ],
)
def test_take_bytes_with_invalid_argument_raises(cls, args, error, message):
    refuses(cls, "take_bytes", args, error, message)


@pytest.mark.parametrize("cls", TAKERS)
def test_take_bytes_under_export_raises_buffer_error(cls):
    for content in b"hello", b"":
        subject = cls(content)
        with memoryview(subject):
            for n in None, 0, len(content):
                with pytest.raises(BufferError, match=EXPORTED):
                    subject.take_bytes(n)
            with pytest.raises(IndexError):
                subject.take_bytes(6)
        assert subject == content


EXPORTED = "^Existing exports of data: object cannot be re-sized"


def refuses(cls: type, name: str, args: tuple, error: type, message: str) -> None:
    """Assert that a call raises this error and changes nothing."""
    subject = cls(b"hello")
    with pytest.raises(error) as caught:
        getattr(subject, name)(*args)
    assert without_names(str(caught.value), cls) == message
    assert subject == b"hello"
