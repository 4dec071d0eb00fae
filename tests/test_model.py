"""Random sequences of calls leave GrowBuffer and bytearray with the same bytes.

After each step, check() must find the GrowBuffer consistent. For what bytearray lacks
(a limit, spare() and commit(), take()), the test applies the documented effect to the
model. models.py explains how to reproduce a failure.
"""

import io
import pickle

import pytest
from models import SETTINGS, Pair, initialize, invariant, precondition, rule, st

import growbuf
from growbuf import GrowBuffer
from growbuf._growbuf import check, place

KIB, MIB = 1 << 10, 1 << 20
BLOB = bytes(range(251)) * 100_000
# Lengths around the thresholds: heap to span and back, steps of dirty_end, moves, and
# huge pages.
LENGTHS = st.one_of(
    st.integers(0, 40),
    st.integers(0, 80 * KIB),
    st.integers(250 * KIB, 262 * KIB),
    st.integers(0, 3 * MIB),
    st.just(17 * MIB),
)
SHIFTS = st.integers(0, 250)
PLACES = st.floats(0, 1)
BYTES = st.integers(0, 255)
STEPS = st.sampled_from([-1000, -3, -2, -1, 2, 3, 7, 1000])
LIMITS = st.sampled_from([None, None, 5000, 100 * KIB, 3 * MIB, 64 * MIB])
LARGEST = 40 * MIB

# Methods that only read, with their arguments. They are inherited from bytearray and
# run here on bytes in pages of a span.
READS = {
    "__add__": [b"tail"],
    "__contains__": [7],
    "__eq__": [b"\x00\x01"],
    "__getitem__": [slice(1, None, 7)],
    "__lt__": [b"\x05"],
    "__mod__": [()],
    "__mul__": [2],
    "capitalize": [],
    "center": [70_000, b"c"],
    "copy": [],
    "count": [b"\x10\x11"],
    "decode": ["latin-1"],
    "endswith": [(b"\x01", b"\xfa")],
    "expandtabs": [4],
    "find": [b"\xf9\xfa\x00"],
    "hex": [],
    "index": [250],
    "isascii": [],
    "join": [[b"a", bytearray(b"b")]],
    "ljust": [75_000],
    "lower": [],
    "lstrip": [bytes(range(100))],
    "partition": [b"\xfa\x00"],
    "removeprefix": [b"\x00"],
    "removesuffix": [b"\xfa"],
    "replace": [b"\x01", b"one"],
    "rfind": [b"\x01\x02"],
    "rpartition": [b"\xfa\x00"],
    "rsplit": [b"\x20", 3],
    "rstrip": [],
    "split": [b"\x20", 3],
    "splitlines": [True],
    "startswith": [b"\x00\x01"],
    "strip": [b"\x00\xfa"],
    "swapcase": [],
    "title": [],
    "translate": [bytes(reversed(range(256))), b"\x05"],
    "upper": [],
    "zfill": [73_000],
}


def data(length, shift):
    return BLOB[shift : shift + length]


def fails_after(values):
    yield from values
    raise IndexError("the iterable fails")


class Source:
    """A file whose readinto() writes one piece a call; after the last piece it returns
    `last`, or raises it."""

    def __init__(self, pieces, last):
        self.pieces, self.last = list(pieces), last

    def readinto(self, view):
        if not self.pieces:
            if self.last is OSError:
                raise OSError("the source fails")
            return self.last
        piece = self.pieces.pop(0)
        view[: len(piece)] = piece
        return len(piece)


class Memory:
    """The memory at one address. `past` has the bytes that were removed from its front
    while views existed. The model's bytes follow them as long as `live` is true: until
    the subject moves to other memory."""

    def __init__(self):
        self.past, self.live = bytearray(), True


class Seen:
    """A memoryview, where its bytes begin and end in a Memory, and how many bytes had
    been removed from the front when it was made."""

    def __init__(self, view, memory, shown, position):
        self.view, self.memory, self.position = view, memory, position
        self.start = len(memory.past) + shown.start
        self.stop = max(self.start, len(memory.past) + shown.stop)


class Model(Pair):
    """`views` holds a Seen for each memoryview. `outstanding` is the view that the last
    spare() returned, while it is outstanding. `others` holds (object returned by take()
    or freeze(), a copy of its bytes)."""

    @initialize(limit=LIMITS, prefault=st.booleans())
    def begin(self, limit, prefault):
        self.live = growbuf.stats()["spans_live"]
        self.views, self.outstanding, self.others = [], None, []
        self.memory, self.position = Memory(), 0
        self.model, self.subject = bytearray(), None
        self.start_anew(limit, prefault)

    def start_anew(self, limit, prefault):
        self.limit = limit if limit_is_possible() else None
        self.subject = GrowBuffer(self.model, limit=self.limit, prefault=prefault)
        self.address = place(self.subject)[1]

    @property
    def free(self):
        """Whether the length may change: no view exists and no spare is outstanding."""
        return not self.views and self.outstanding is None

    def at(self, where):
        return int(where * len(self.model))

    @property
    def capacity(self):
        """The limit, less the removed bytes that a view holds; None without a limit."""
        if self.limit is None:
            return None
        oldest = min((seen.position for seen in self.views), default=self.position)
        return self.limit - (self.position - oldest)

    def passes_limit(self, change):
        """Apply the change to a copy; return whether that exceeds the limit."""
        tried = self.model.copy()
        self.outcome(change, tried)
        return self.limit is not None and len(tried) > self.capacity

    def change(self, call, *, appends=False, front=False):
        """Make a call that may change the length on both objects, and compare. If the
        subject must refuse it, an export makes the model refuse it too. `front`: the
        call removes bytes from the front only, if it succeeds."""
        ours = theirs = MemoryError
        before = self.model.copy() if front else b""
        try:
            ours = self.outcome(call, self.subject)
        except MemoryError:
            assert self.passes_limit(call)
            return
        grows = (
            (appends or front) and self.limit is not None and self.outstanding is None
        )
        if self.free or grows:
            theirs = self.outcome(call, self.model)
        else:
            with memoryview(self.model):
                theirs = self.outcome(call, self.model)
        equal = self.same(theirs, ours)
        assert equal
        self.removed(before[: len(before) - len(self.model)] if front else b"")

    def removed(self, piece):
        """Record that bytes were removed from the front."""
        self.position += len(piece)
        if not self.views:
            self.memory = Memory()
            return
        self.memory.past += piece
        address = place(self.subject)[1]
        if piece and self.limit is not None and address != self.address:
            self.memory.past += self.model
            self.memory.live, self.memory = False, Memory()
            self.address = address

    # ------------------------------------------------------------------- growing

    @precondition(lambda self: len(self.model) < LARGEST)
    @rule(length=LENGTHS, shift=SHIFTS, how=st.sampled_from("+emiIS"))
    def grow(self, length, shift, how):
        piece = data(length, shift)
        calls = {
            "+": lambda b: b.__iadd__(piece) and None,
            "e": lambda b: b.extend(piece),
            "m": lambda b: b.extend(memoryview(BLOB)[shift : shift + length]),
            "i": lambda b: b.extend(iter(piece[:2000])),
            "I": lambda b: b.extend(fails_after(piece[:2000])),
            "S": lambda b: b.__setitem__(slice(len(b), None), piece),
        }
        self.change(calls[how], appends=True)

    @precondition(lambda self: len(self.model) < LARGEST // 2)
    @rule()
    def extend_by_itself(self):
        self.change(lambda b: b.extend(b), appends=True)

    @rule(value=st.one_of(BYTES, st.sampled_from([-1, 256, 1 << 70, "a", None])))
    def append(self, value):
        self.change(lambda b: b.append(value), appends=True)

    @rule(where=PLACES, value=BYTES)
    def insert(self, where, value):
        index = self.at(where)
        at_end = index == len(self.model)
        self.change(lambda b: b.insert(index, value), appends=at_end)

    @precondition(lambda self: len(self.model) < LARGEST // 3)
    @rule(count=st.integers(-1, 3))
    def repeat(self, count):
        multiply = lambda b: b.__imul__(count) and None  # noqa: E731
        self.change(multiply, appends=count > 0, front=count <= 0)

    @precondition(lambda self: len(self.model) < LARGEST)
    @rule(length=LENGTHS)
    def resize(self, length):
        def call(buf):
            if isinstance(buf, GrowBuffer):
                buf.resize(length)
            elif length > len(buf):
                buf.extend(bytes(length - len(buf)))
            else:
                del buf[length:]

        self.change(call, appends=length > len(self.model), front=length == 0)

    # ----------------------------------------------------------------- shrinking

    @rule(where=PLACES, end=st.sampled_from([0, -1, None]))
    def pop(self, where, end):
        index = self.at(where) if end is None else end
        front = index in (0, -len(self.model))
        self.change(lambda b: b.pop(index), front=front)

    @rule(value=BYTES)
    def remove(self, value):
        front = self.model[:1] == bytes([value])
        self.change(lambda b: b.remove(value), front=front)

    @rule(length=LENGTHS)
    def delete_front(self, length):
        self.change(lambda b: b.__delitem__(slice(0, length)), front=True)

    @precondition(lambda self: self.limit is not None and self.outstanding is None)
    @rule(length=st.integers(1, 80 * KIB), times=st.integers(1, 60))
    def stream_under_a_view(self, length, times):
        """Append and remove as much, while a view always exists: the next one is made
        before the last one is released."""
        for shift in range(times):
            self.take_view(0, 1, True)
            self.grow(min(length, max(1, self.capacity - len(self.model))), shift, "+")
            if len(self.views) > 1:
                self.drop_view(-2)
            self.delete_front(length)
        self.drop_view(-1)

    @rule(length=LENGTHS)
    def delete_back(self, length):
        keep = max(0, len(self.model) - length)
        self.change(lambda b: b.__delitem__(slice(keep, None)), front=keep == 0)

    @rule(where=PLACES)
    def delete_one(self, where):
        index = self.at(where)
        self.change(lambda b: b.__delitem__(index), front=index == 0)

    @rule(start=PLACES, stop=PLACES, step=STEPS)
    def delete_steps(self, start, stop, step):
        slice_ = slice(self.at(start), self.at(stop), step)
        self.change(lambda b: b.__delitem__(slice_))

    @rule()
    def clear(self):
        self.change(lambda b: b.clear(), front=True)

    @rule(where=PLACES)
    def take_bytes(self, where):
        n = self.at(where)

        def call(buf):
            if isinstance(buf, GrowBuffer):
                return buf.take_bytes(n)
            first = bytes(buf[:n])
            del buf[:n]
            return first

        if self.free or (self.limit is not None and self.outstanding is None):
            self.change(call, front=True)
        else:
            self.refused(lambda: self.subject.take_bytes(n))

    # ----------------------------------------------------------------- assigning

    @precondition(lambda self: len(self.model) < LARGEST)
    @rule(start=PLACES, removed=LENGTHS, length=LENGTHS, shift=SHIFTS)
    def assign(self, start, removed, length, shift):
        first, piece = self.at(start), data(length, shift)
        at_end = first == len(self.model)
        self.change(
            lambda b: b.__setitem__(slice(first, first + removed), piece),
            appends=at_end,
            front=first == 0 and length == 0,
        )

    @rule(start=PLACES, stop=PLACES, step=STEPS, off=st.sampled_from([0, 0, 0, 1]))
    def assign_steps(self, start, stop, step, off):
        slice_ = slice(self.at(start), self.at(stop), step)
        count = len(range(*slice_.indices(len(self.model))))
        piece = data(count + off, 5)
        self.change(lambda b: b.__setitem__(slice_, piece))

    @rule(where=st.floats(-1.1, 1.1), value=BYTES)
    def assign_one(self, where, value):
        index = self.at(where)
        self.change(lambda b: b.__setitem__(index, value))

    @rule()
    def reverse(self):
        self.change(lambda b: b.reverse())

    @precondition(lambda self: self.free and len(self.model) < 5 * MIB)
    @rule(limit=LIMITS, prefault=st.booleans())
    def init_again(self, limit, prefault):
        self.limit = limit if limit_is_possible() else None
        if self.limit is not None:
            del self.model[self.limit :]
        self.subject.__init__(self.model, limit=self.limit, prefault=prefault)
        self.address = place(self.subject)[1]

    # ------------------------------------------------------------------- reading

    @precondition(lambda self: len(self.model) < MIB)
    @rule(name=st.sampled_from(sorted(READS)))
    def read(self, name):
        self.both(lambda b: getattr(b, name)(*READS[name]))

    @rule(start=PLACES, stop=PLACES)
    def slice(self, start, stop):
        first, last = self.at(start), self.at(stop)
        assert self.same(self.model[first:last], self.subject[first:last])

    @precondition(lambda self: len(self.model) < 3 * MIB)
    @rule(protocol=st.integers(0, pickle.HIGHEST_PROTOCOL))
    def pickle(self, protocol):
        again = pickle.loads(pickle.dumps(self.subject, protocol))
        assert self.same(self.model, again)

    # ------------------------------------------------------------------ capacity

    @rule(length=LENGTHS)
    def reserve(self, length):
        before = self.subject.capacity
        moves = self.outstanding is not None or (self.views and self.limit is None)
        if length > before and moves:
            self.refused(lambda: self.subject.reserve(length))
        elif self.limit is not None and length > self.capacity:
            with pytest.raises(MemoryError):
                self.subject.reserve(length)
        else:
            self.subject.reserve(length)
            assert self.subject.capacity >= max(length, before)

    @rule()
    def trim(self):
        if self.free:
            self.subject.trim()
        else:
            self.refused(self.subject.trim)

    @rule(pool_limit=st.sampled_from([0, 5 * MIB, 64 * MIB]))
    def trim_the_pool(self, pool_limit):
        growbuf.configure(pool_limit=pool_limit)
        growbuf.trim()

    # ------------------------------------------------------------------ the tail

    def can_spare(self, nbytes):
        """Whether spare() must succeed if no spare is outstanding."""
        within = self.limit is None or len(self.model) + nbytes <= self.capacity
        return within and (not self.views or self.limit is not None)

    @precondition(lambda self: len(self.model) < LARGEST)
    @rule(nbytes=LENGTHS)
    def spare(self, nbytes):
        if self.can_spare(nbytes):
            self.outstanding = self.subject.spare(nbytes)
            assert len(self.outstanding) >= nbytes
        else:
            self.outstanding = None
            with pytest.raises((BufferError, MemoryError)):
                self.subject.spare(nbytes)

    @precondition(lambda self: self.outstanding is not None)
    @rule(length=LENGTHS, shift=SHIFTS, drop=st.booleans())
    def fill_and_commit(self, length, shift, drop):
        piece = data(min(length, len(self.outstanding)), shift)
        self.outstanding[: len(piece)] = piece
        if self.views and self.limit is None and piece:
            self.refused(lambda: self.subject.commit(len(piece)))
            return
        if drop:
            self.outstanding.release()
        self.subject.commit(len(piece))
        self.outstanding = None
        self.model += piece

    @precondition(lambda self: self.outstanding is not None)
    @rule()
    def commit_too_much(self):
        with pytest.raises(ValueError, match="cannot commit"):
            self.subject.commit(len(self.outstanding) + 1)

    @precondition(lambda self: self.outstanding is not None)
    @rule()
    def forget_the_spare(self):
        self.outstanding = None

    @precondition(lambda self: len(self.model) < LARGEST and self.outstanding is None)
    @rule(length=LENGTHS, shift=SHIFTS, most=st.sampled_from([-1, None, 0, 3, 50_000]))
    def read_from_a_file(self, length, shift, most):
        piece = data(length, shift)
        wanted = piece if most in (-1, None) else piece[:most]
        self.read_from(io.BytesIO(piece), most, wanted, len(wanted))

    @precondition(lambda self: len(self.model) < LARGEST and self.outstanding is None)
    @rule(
        lengths=st.lists(st.integers(1, 5000), max_size=4),
        last=st.sampled_from([0, None, OSError]),
    )
    def read_from_a_source(self, lengths, last):
        pieces = [data(length, 7) for length in lengths]
        wanted = b"".join(pieces)
        result = None if last is None and not wanted else len(wanted)
        raises = OSError if last is OSError else result
        self.read_from(Source(pieces, last), -1, wanted, raises)

    def read_from(self, source, most, wanted, expected):
        """Read; `expected` is the result, or the type of the source's exception."""
        left = (
            len(wanted) + 1 if self.limit is None else self.capacity - len(self.model)
        )
        if self.views and self.limit is None and most != 0:
            self.refused(lambda: self.subject.readfrom(source, most))
            return
        try:
            assert self.subject.readfrom(source, most) == expected
        except (MemoryError, OSError, ValueError) as error:
            # A Source writes a piece in one call, and fails if the view is shorter.
            assert type(error) is expected or len(wanted) > left
            if len(wanted) > left:
                kept = len(self.subject) - len(self.model)
                assert kept == left or isinstance(source, Source)
                wanted = wanted[: min(left, kept)]
        self.model += wanted

    # ------------------------------------------------------------ results kept

    def keep(self, made, expected):
        """Compare `made` with a copy of `expected` after each further step."""
        self.others = [*self.others[-2:], (made, bytes(expected))]

    @rule(where=PLACES, all_=st.booleans())
    def take(self, where, all_):
        n = len(self.model) if all_ else self.at(where)
        if self.outstanding is not None or (self.views and self.limit is None):
            self.refused(lambda: self.subject.take(n))
            return
        taken = self.subject.take(None if all_ else n)
        assert taken.limit is None or all_
        first = self.model[:n]
        self.keep(taken, first)
        del self.model[:n]
        self.removed(first)
        self.address = place(self.subject)[1]

    @rule(where=PLACES, all_=st.booleans())
    def freeze(self, where, all_):
        n = len(self.model) if all_ else self.at(where)
        if self.outstanding is not None or (self.views and self.limit is None):
            if n:
                self.refused(lambda: self.subject.freeze(n))
            return
        first = self.model[:n]
        self.keep(self.subject.freeze(None if all_ else n), first)
        del self.model[:n]
        self.removed(first)
        self.address = place(self.subject)[1]

    @precondition(lambda self: self.free and self.others)
    @rule()
    def go_on_with_what_was_taken(self):
        made, expected = self.others.pop()
        if isinstance(made, GrowBuffer):
            self.keep(self.subject, self.model)
            self.subject, self.model = made, bytearray(expected)
            self.limit, self.address = made.limit, place(made)[1]

    # --------------------------------------------------------------------- views

    def refused(self, call):
        with pytest.raises(BufferError):
            call()

    @precondition(lambda self: len(self.views) < 3)
    @rule(start=PLACES, stop=PLACES, whole=st.booleans())
    def take_view(self, start, stop, whole):
        shown = slice(0, len(self.model))
        if not whole:
            shown = slice(self.at(start), self.at(stop))
        view = memoryview(self.subject)[shown]
        self.views.append(Seen(view, self.memory, shown, self.position))

    @precondition(lambda self: self.views)
    @rule(where=st.floats(0, 0.999), value=BYTES)
    def write_through_a_view(self, where, value):
        seen = self.views[-1]
        if len(seen.view):
            index = int(where * len(seen.view))
            seen.view[index] = value
            at, past = seen.start + index, seen.memory.past
            if at < len(past):
                past[at] = value
            else:
                self.model[at - len(past)] = value

    @precondition(lambda self: self.views)
    @rule(index=st.integers(0, 2))
    def drop_view(self, index):
        self.views.pop(index % len(self.views)).view.release()

    @staticmethod
    def same(theirs, ours):
        """Whether two results are equal, with a GrowBuffer for each bytearray."""
        if isinstance(theirs, bytearray):
            return type(ours) is GrowBuffer and ours == theirs and check(ours) is None
        if isinstance(theirs, list | tuple) and type(theirs) is type(ours):
            return len(theirs) == len(ours) and all(map(Model.same, theirs, ours))
        return type(theirs) is type(ours) and theirs == ours

    # ---------------------------------------------------------------- invariants

    @invariant()
    def same_bytes(self):
        # A variable keeps pytest from showing how megabytes differ.
        equal = self.subject == self.model
        assert equal and len(self.subject) == len(self.model)
        assert check(self.subject) is None
        for seen in self.views:
            shown = seen.memory.past + (self.model if seen.memory.live else b"")
            equal = seen.view == shown[seen.start : seen.stop]
            assert equal
        for made, expected in self.others:
            equal = made == expected
            assert equal
            assert not isinstance(made, GrowBuffer) or check(made) is None

    @invariant()
    def sizes_agree(self):
        buf = self.subject
        kind, address, length = place(buf)
        assert length >= len(buf) and buf.limit == self.limit
        assert buf.capacity >= len(buf)
        assert buf.__sizeof__() >= GrowBuffer().__sizeof__() + len(buf)
        if self.limit is not None:
            assert kind == "limited" and address == self.address
            assert buf.capacity == self.capacity

    def teardown(self):
        for seen in self.views:
            seen.view.release()
        self.outstanding = self.subject = None
        self.others.clear()
        self.assert_none_left(self.live)


def limit_is_possible():
    return growbuf.info()["strategy"] != "heap"


TestModel = Model.TestCase
TestModel.settings = SETTINGS
pytestmark = pytest.mark.filterwarnings("error")
