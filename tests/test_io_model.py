"""Any sequence of calls leaves GrowIO as it leaves io.BytesIO, and its buffer whole."""

import io
import pickle

import pytest
from models import SETTINGS, Pair, invariant, precondition, rule, st

from growbuf import GrowIO
from growbuf._growbuf import check

KIB = 1 << 10
BLOB = (b"spam and eggs\n" + bytes(range(256))) * 4000
# Around the thresholds: heap to span, ready steps, moves.
LENGTHS = st.one_of(st.integers(0, 40), st.integers(0, 90 * KIB), st.just(1 << 20))
SIZES = st.one_of(st.none(), st.integers(-1, 300), LENGTHS)
LARGEST = 8 << 20


class Model(Pair):
    def __init__(self):
        super().__init__()
        self.model, self.subject, self.views = io.BytesIO(), GrowIO(), []

    @precondition(lambda self: len(self.subject.buffer) < LARGEST and not self.views)
    @rule(length=LENGTHS, shift=st.integers(0, 250), kind=st.sampled_from("bam"))
    def write(self, length, shift, kind):
        kinds = {"b": bytes, "a": bytearray, "m": memoryview}
        piece = kinds[kind](BLOB[shift : shift + length])
        self.both(lambda f: f.write(piece))

    @precondition(lambda self: len(self.subject.buffer) < LARGEST and not self.views)
    @rule(lengths=st.lists(LENGTHS, max_size=4))
    def writelines(self, lengths):
        self.both(lambda f: f.writelines([BLOB[:length] for length in lengths]))

    @rule(offset=st.integers(-(2 << 20), 2 << 20), whence=st.integers(-1, 3))
    def seek(self, offset, whence):
        self.both(lambda f: f.seek(offset, whence))

    @precondition(lambda self: len(self.subject.buffer) > 0)
    @rule(where=st.floats(0, 1.2))
    def seek_near(self, where):
        offset = int(where * len(self.subject.buffer))
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

    @precondition(lambda self: self.model.tell() <= len(self.subject.buffer))
    @rule(length=LENGTHS)
    def readinto(self, length):
        def read(file):
            target = bytearray(length)
            return file.readinto(target), target

        self.both(read)

    @rule()
    def next_line(self):
        self.both(lambda f: next(f, None))

    @precondition(lambda self: not self.views)
    @rule()
    def pickle(self):
        self.model = pickle.loads(pickle.dumps(self.model))
        self.subject = pickle.loads(pickle.dumps(self.subject))

    @precondition(lambda self: len(self.views) < 3)
    @rule()
    def take_view(self):
        self.views.append((self.model.getbuffer(), self.subject.getbuffer()))

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
    def same_bytes(self):
        assert self.subject.tell() == self.model.tell()
        assert self.subject.buffer == self.model.getbuffer()
        assert check(self.subject.buffer) is None

    def teardown(self):
        while self.views:
            self.drop_view()


TestModel = Model.TestCase
TestModel.settings = SETTINGS
pytestmark = pytest.mark.filterwarnings("error")
