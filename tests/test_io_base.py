"""GrowIO is an io.BytesIO, and uses nothing of the base's state.

Every attribute and slot of the running Python's BytesIO is overridden, or listed here
with the reason why it need not be. The base's own methods, called on a GrowIO, find a
closed file and raise an exception. So they never use bytes that are not the GrowIO's.
"""

import copyreg
import gc
import io
import json
import pickle
import sys
import weakref

import pytest
from test_interface import LAST_SLOT, own_names, type_slot
from test_io import CALLS, TEXT

from growbuf import GrowBuffer, GrowIO

# What GrowIO may inherit, with the reason.
INHERITED = {
    "calls the methods of the file that it is called on": "__enter__ __exit__ "
    "_checkClosed _checkReadable _checkSeekable _checkWritable readinto1",
    "always raises UnsupportedOperation": "detach fileno",
    "holds the attributes, at the same place as in the base": "__dict__",
    "describes the type, not a file": "__module__",
}

# The same for slots, by their numbers in CPython's stable ABI.
INHERITED_SLOTS = {
    47: "tp_alloc: the object, not its bytes",
    58: "tp_getattro",
    59: "tp_hash",
    62: "tp_iter: the file itself",
    66: "tp_repr",
    67: "tp_richcompare",
    69: "tp_setattro",
    70: "tp_str",
    74: "tp_free: the object, not its bytes",
}


def test_growio_is_an_instance_of_bytesio():
    assert GrowIO.__mro__[1] is io.BytesIO
    assert isinstance(GrowIO(), io.BytesIO)


def test_every_attribute_of_bytesio_is_overridden_or_listed():
    known = {*vars(GrowIO), *" ".join(INHERITED.values()).split()}
    assert [name for name in own_names(io.BytesIO) if name not in known] == []


def test_attributes_listed_as_inherited_are_inherited():
    names = " ".join(INHERITED.values()).split()
    assert [name for name in names if not hasattr(io.BytesIO, name)] == []
    assert set(names) & set(vars(GrowIO)) <= {"__module__"}


def test_every_slot_of_bytesio_is_overridden_or_listed():
    slots = {slot: type_slot(io.BytesIO, slot) for slot in range(1, LAST_SLOT + 1)}
    filled = [slot for slot, code in slots.items() if code]
    inherited = [slot for slot in filled if slots[slot] == type_slot(GrowIO, slot)]
    assert [slot for slot in inherited if slot not in INHERITED_SLOTS] == []
    assert len(filled) > len(inherited) + 5


@pytest.mark.parametrize("name", [name for name in vars(GrowIO) if name[0] != "_"])
def test_method_of_its_own_shows_an_example(name):
    assert ">>> " in getattr(GrowIO, name).__doc__


OWN_METHODS = [
    name
    for name, value in vars(io.BytesIO).items()
    if callable(value) and name not in ("__new__", "__sizeof__", "__iter__", "__doc__")
]


@pytest.mark.parametrize("name", OWN_METHODS)
@pytest.mark.parametrize(
    "make", [GrowIO, lambda: GrowIO(TEXT), lambda: GrowIO(limit=1)]
)
def test_method_of_bytesio_called_on_a_growio_finds_it_closed(name, make):
    file = make()
    before = file.getvalue()
    calls = CALLS[name] if name != "__init__" else [(), (b"other",), (bytearray(5),)]
    for args in calls:
        with pytest.raises((ValueError, BufferError, TypeError, OverflowError)):
            getattr(io.BytesIO, name)(file, *args)
        assert file.getvalue() == before and file.tell() == 0 and not file.closed


def test_init_of_bytesio_called_on_a_growio_is_refused():
    """It would store the bytes where no method of GrowIO reads them."""

    class File(GrowIO):
        def __init__(self, content):
            io.BytesIO.__init__(self, content)

    with pytest.raises(BufferError):
        File(b"lost")


def test_new_of_bytesio_makes_no_growio():
    with pytest.raises(TypeError, match="not safe"):
        io.BytesIO.__new__(GrowIO)


def test_class_of_a_file_cannot_be_exchanged():
    class Theirs(io.BytesIO):
        pass

    class Ours(GrowIO):
        pass

    for file, other in (Theirs(), Ours), (Ours(), Theirs), (GrowIO(), io.BytesIO):
        with pytest.raises(TypeError):
            file.__class__ = other


def test_subclass_of_growio_and_another_bytesio_uses_growio():
    class Upper(io.BytesIO):
        def write(self, data):
            return super().write(data.upper())

    class Both(Upper, GrowIO):
        pass

    file = Both(b"spam")
    file.seek(0, 2)
    file.write(b" and eggs")
    assert file.getvalue() == b"spam AND EGGS"
    assert file.buffer == b"spam AND EGGS"
    both = weakref.ref(file)
    file.itself = file
    del file
    gc.collect()
    assert both() is None


def test_old_pickle_protocols_are_refused_as_for_bytesio():
    for protocol, kind in (0, GrowIO), (1, GrowIO), (0, io.BytesIO):
        with pytest.raises((TypeError, pickle.PicklingError)):
            pickle.dumps(kind(b"spam"), protocol)


def test_copyreg_new_of_growio_makes_an_empty_file():
    assert copyreg.__newobj__(GrowIO).getvalue() == b""


def test_growio_passed_to_c_code_that_asks_for_a_file_is_taken():
    """C code of the standard library uses files by their methods only."""
    file = GrowIO()
    text = io.TextIOWrapper(file, "utf-8", write_through=True)
    json.dump({"spam": [1, 2]}, text)
    file.seek(0)
    assert json.load(text) == {"spam": [1, 2]}
    with io.BufferedReader(GrowIO(b"spam and eggs"), 4) as reader:
        assert reader.peek(1)[:1] == b"s" and reader.read() == b"spam and eggs"
    assert memoryview(file.getbuffer()).obj is file.buffer


def test_getsizeof_of_growio_counts_its_bytes():
    """The base's own __sizeof__ would count another bytes object."""
    file = GrowIO()
    file.write(bytes(50_000))
    assert sys.getsizeof(file) > 50_000
    assert io.BytesIO.__sizeof__(file) < 1000


def test_growio_adds_only_the_attribute_buffer_to_bytesio():
    """A name that GrowIO adds must not hide an attribute of a newer BytesIO."""
    added = {name for name in vars(GrowIO) if not name.startswith("_")}
    added -= set(dir(io.BytesIO)) | {"peek"}
    assert added == {"buffer"}
    assert type(GrowIO(b"spam").buffer) is GrowBuffer
