"""Random sequences of calls leave GrowIO and io.BytesIO with equal bytes and position.

The buffer of the GrowIO stays consistent. Each bytes object that was passed to the file
or returned by it is unchanged.
"""

import io
import pickle

import pytest
from models import SETTINGS, Pair, initialize, invariant, precondition, rule, st

import growbuf
from growbuf import GrowIO
from growbuf._growbuf import check

KIB = 1 << 10
BLOB = (b"spam and eggs\n" + bytes(range(256))) * 4000
KINDS = {"b": bytes, "a": bytearray, "m": memoryview}
# Lengths around the thresholds: bytes to a buffer, heap to span, steps of dirty_end,
# and moves.
LENGTHS = st.one_of(
    st.integers(0, 40),
    st.integers(0, 90 * KIB),
    st.integers(72 * KIB - 3, 72 * KIB + 3),
    st.just(1 << 20),
)
SIZES = st.one_of(st.none(), st.integers(-1, 300), LENGTHS)
LARGEST = 8 << 20


class Model(Pair):
    def __init__(self):
        super().__init__()
        self.live = growbuf.stats()["spans_live"]
        self.model, self.subject = io.BytesIO(), GrowIO()
        self.views, self.held, self.has_buffer = [], [], False

    def hold(self, data):
        """Keep a bytes object and a copy of it, to compare them later."""
        self.held.append((data, bytearray(data)))

    def length(self):
        return self.model.getbuffer().nbytes

    @initialize(length=LENGTHS, kind=st.sampled_from("bam"))
    def make(self, length, kind):
        data = BLOB[:length]
        self.hold(data)
        self.model, self.subject = io.BytesIO(data), GrowIO(KINDS[kind](data))

    @precondition(lambda self: self.length() < LARGEST and not self.views)
    @rule(length=LENGTHS, shift=st.integers(0, 250), kind=st.sampled_from("bam"))
    def write(self, length, shift, kind):
        piece = KINDS[kind](BLOB[shift : shift + length])
        self.both(lambda f: f.write(piece))

    @precondition(lambda self: self.length() < LARGEST and not self.views)
    @rule(lengths=st.lists(LENGTHS, max_size=4))
    def writelines(self, lengths):
        self.both(lambda f: f.writelines([BLOB[:length] for length in lengths]))

    @precondition(lambda self: not self.views)
    @rule(pieces=st.lists(st.integers(1, 200), max_size=30))
    def write_and_get_value(self, pieces):
        for length in pieces:
            self.both(lambda f, length=length: f.write(BLOB[:length]))
            self.both(lambda f: f.getvalue())

    @rule(offset=st.integers(-(2 << 20), 2 << 20), whence=st.integers(-1, 3))
    def seek(self, offset, whence):
        self.both(lambda f: f.seek(offset, whence))

    @precondition(lambda self: self.length() > 0)
    @rule(where=st.floats(0, 1.2))
    def seek_near(self, where):
        offset = int(where * self.length())
        self.both(lambda f: f.seek(offset))

    @precondition(lambda self: not self.views)
    @rule(size=SIZES)
    def truncate(self, size):
        self.both(lambda f: f.truncate(size))

    @rule(size=SIZES, name=st.sampled_from(["read", "read1", "readline"]))
    def read(self, size, name):
        self.both(lambda f: getattr(f, name)(size))

    @rule(size=st.one_of(st.none(), st.integers(-1, 100_000)))
    def readlines(self, size):
        self.both(lambda f: f.readlines(size))

    @precondition(lambda self: self.model.tell() <= self.length())
    @rule(length=LENGTHS)
    def readinto(self, length):
        def read(file):
            target = bytearray(length)
            return file.readinto(target), target

        self.both(read)

    @rule()
    def next_line(self):
        self.both(lambda f: next(f, None))

    @rule()
    def keep_value(self):
        value = self.subject.getvalue()
        assert value == self.model.getvalue()
        assert hash(value) == hash(bytes(bytearray(value)))
        self.hold(value)

    @rule()
    def keep_all_that_is_read(self):
        self.both(lambda f: f.seek(0))
        value = self.subject.read()
        assert value == self.model.read()
        self.hold(value)

    @precondition(lambda self: self.held)
    @rule()
    def drop_what_is_kept(self):
        self.same_as_ever()
        self.held.clear()

    @precondition(lambda self: not self.views)
    @rule(share=st.booleans())
    def pickle(self, share):
        self.model = pickle.loads(pickle.dumps(self.model))
        if share:
            state = self.subject.__getstate__()
            self.subject = GrowIO()
            self.subject.__setstate__(state)
            self.hold(state[0])
        else:
            self.subject = pickle.loads(pickle.dumps(self.subject))
        self.has_buffer = False

    @rule()
    def look_at_buffer(self):
        buffer, self.has_buffer = self.subject.buffer, True
        assert buffer is self.subject.buffer
        equal = buffer == self.model.getbuffer()
        assert equal

    @precondition(lambda self: not self.views)
    @rule(length=st.integers(0, 1000))
    def write_to_buffer(self, length):
        """Extend the buffer. In the model, write at the end and restore tell()."""
        self.subject.buffer.extend(BLOB[:length])
        self.has_buffer = True
        position = self.model.tell()
        self.model.seek(0, 2)
        self.model.write(BLOB[:length])
        self.model.seek(position)

    @precondition(lambda self: len(self.views) < 3)
    @rule()
    def take_view(self):
        self.views.append((self.model.getbuffer(), self.subject.getbuffer()))
        self.has_buffer = True

    @precondition(lambda self: self.views)
    @rule(where=st.floats(0, 0.99), value=st.integers(0, 255))
    def write_through_view(self, where, value):
        for view in self.views[-1]:
            if len(view):
                view[int(where * len(view))] = value

    @precondition(lambda self: self.views)
    @rule(length=st.integers(1, 1000))
    def grow_under_view(self, length):
        self.both(lambda f: f.seek(0, 2))
        self.both(lambda f: f.write(BLOB[:length]))
        self.both(lambda f: f.close())

    @precondition(lambda self: self.views)
    @rule()
    def drop_view(self):
        for view in self.views.pop():
            view.release()

    @invariant()
    def same_position(self):
        assert self.subject.tell() == self.model.tell()
        if self.has_buffer:  # without one, reading the attribute would create it
            assert check(self.subject.buffer) is None

    def same_as_ever(self):
        for data, content in self.held:
            # A variable keeps pytest from showing how megabytes differ.
            equal = data == content
            assert equal

    def teardown(self):
        while self.views:
            self.drop_view()
        equal = self.subject.getvalue() == self.model.getvalue()
        assert equal
        self.same_as_ever()
        self.held.clear()
        self.subject = None
        self.assert_none_left(self.live)


TestModel = Model.TestCase
TestModel.settings = SETTINGS
pytestmark = pytest.mark.filterwarnings("error")
