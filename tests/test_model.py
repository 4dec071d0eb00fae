"""Any sequence of calls leaves GrowBuffer as it leaves bytearray, and whole.

hypothesis prints the failing sequence, and the seed with which to see it again:
pytest tests/test_model.py --hypothesis-seed=N
"""

import hypothesis.strategies as st
import pytest
from conftest import assert_holds
from hypothesis import HealthCheck, settings
from hypothesis.stateful import (
    RuleBasedStateMachine,
    invariant,
    precondition,
    rule,
)

from growbuf import GrowBuffer
from growbuf._growbuf import check, place

KIB = 1 << 10
BLOB = bytes(range(251)) * 100_000
# Around the thresholds: heap to span, span to heap, ready steps, moves, huge pages.
LENGTHS = st.one_of(
    st.integers(0, 40),
    st.integers(0, 70 * KIB),
    st.integers(250 * KIB, 262 * KIB),
    st.integers(0, 3 << 20),
    st.just(17 << 20),
)
PLACES = st.floats(0, 1)
STEPS = st.sampled_from([-1000, -3, -2, -1, 2, 3, 7, 1000])
LARGEST = 40 << 20


def data(length, shift):
    return BLOB[shift : shift + length]


class Model(RuleBasedStateMachine):
    def __init__(self):
        super().__init__()
        self.model, self.buf, self.views = bytearray(), GrowBuffer(), []

    def at(self, where):
        return int(where * len(self.model))

    def both(self, call):
        """Do the same to both; under an export both must refuse alike."""
        outcomes = []
        for each in (self.model, self.buf):
            try:
                outcomes.append(call(each))
            except BufferError:
                outcomes.append(BufferError)  # GrowBuffer's names the way out
            except (IndexError, ValueError) as error:
                outcomes.append((type(error), str(error)))
        assert outcomes[0] == outcomes[1]

    @precondition(lambda self: len(self.model) < LARGEST)
    @rule(length=LENGTHS, shift=st.integers(0, 250), how=st.sampled_from("+ei"))
    def grow(self, length, shift, how):
        piece = data(length, shift)
        calls = {
            "+": lambda b: b.__iadd__(piece) and None,
            "e": lambda b: b.extend(piece),
            "i": lambda b: b.extend(iter(piece[:2000])),
        }
        self.both(calls[how])

    @rule(value=st.integers(0, 255))
    def append(self, value):
        self.both(lambda b: b.append(value))

    @rule(where=PLACES, value=st.integers(0, 255))
    def insert(self, where, value):
        index = self.at(where)
        self.both(lambda b: b.insert(index, value))

    @rule(where=PLACES, end=st.sampled_from([0, -1, None]))
    def pop(self, where, end):
        index = self.at(where) if end is None else end
        self.both(lambda b: b.pop(index))

    @rule(value=st.integers(0, 255))
    def remove(self, value):
        self.both(lambda b: b.remove(value))

    @rule(length=LENGTHS)
    def delete_front(self, length):
        self.both(lambda b: b.__delitem__(slice(0, length)))

    @rule(length=LENGTHS)
    def delete_back(self, length):
        keep = max(0, len(self.model) - length)
        self.both(lambda b: b.__delitem__(slice(keep, None)))

    @rule(start=PLACES, stop=PLACES, step=STEPS)
    def delete_steps(self, start, stop, step):
        slice_ = slice(self.at(start), self.at(stop), step)
        self.both(lambda b: b.__delitem__(slice_))

    @precondition(lambda self: len(self.model) < LARGEST)
    @rule(start=PLACES, removed=LENGTHS, length=LENGTHS, shift=st.integers(0, 250))
    def assign(self, start, removed, length, shift):
        first, piece = self.at(start), data(length, shift)
        self.both(lambda b: b.__setitem__(slice(first, first + removed), piece))

    @precondition(lambda self: len(self.model) < LARGEST // 3)
    @rule(count=st.integers(-1, 3))
    def repeat(self, count):
        self.both(lambda b: b.__imul__(count) and None)

    @rule()
    def reverse(self):
        self.both(lambda b: b.reverse())

    @rule()
    def clear(self):
        self.both(lambda b: b.clear())

    @precondition(lambda self: not self.views and len(self.model) < LARGEST)
    @rule(length=LENGTHS)
    def resize(self, length):
        del self.model[length:]
        self.model.extend(bytes(length - len(self.model)))
        self.buf.resize(length)

    @precondition(lambda self: not self.views)
    @rule(where=PLACES)
    def take_bytes(self, where):
        n = self.at(where)
        assert self.buf.take_bytes(n) == self.model[:n]
        del self.model[:n]

    @precondition(lambda self: not self.views)
    @rule(length=LENGTHS)
    def reserve(self, length):
        self.buf.reserve(length)
        assert self.buf.capacity >= length

    @precondition(lambda self: not self.views)
    @rule()
    def trim(self):
        self.buf.trim()

    @rule(start=PLACES, stop=PLACES)
    def slice(self, start, stop):
        first, last = self.at(start), self.at(stop)
        part = self.buf[first:last]
        assert type(part) is GrowBuffer and check(part) is None
        assert part == self.model[first:last]

    @precondition(lambda self: len(self.views) < 3)
    @rule()
    def take_view(self):
        self.views.append((memoryview(self.model), memoryview(self.buf)))

    @precondition(lambda self: self.views)
    @rule()
    def drop_view(self):
        for view in self.views.pop():
            view.release()

    @invariant()
    def same(self):
        assert_holds(self.buf, self.model)
        assert place(self.buf)[2] >= len(self.buf)
        for theirs, ours in self.views:
            assert theirs == ours

    def teardown(self):
        while self.views:
            self.drop_view()


TestModel = Model.TestCase
TestModel.settings = settings(
    max_examples=60,
    stateful_step_count=40,
    deadline=None,
    suppress_health_check=list(HealthCheck),
)
pytestmark = pytest.mark.filterwarnings("error")
