"""Compare GrowArray with a NumPy model after random sequences of calls.

After each call the rows must equal the model's, and the buffer must pass its own check.
Each view must show the current values of the rows it was made from.
"""

import pickle

import pytest
from models import SETTINGS, Pair, initialize, invariant, precondition, rule, st

import growbuf
from growbuf import GrowBuffer
from growbuf._growbuf import check, place

np = pytest.importorskip("numpy")

RECORD = np.dtype([("t", "<f8"), ("n", ">i4"), ("at", "u1", 2)])
LAYOUTS = st.sampled_from(
    [("f8", ()), ("i4", (2,)), ("u1", ()), ("<c16", (2, 2)), (RECORD, ())]
)
KINDS = st.sampled_from(["default", "limit", "moving", "shared"])
LIMIT = 5000
LARGEST = 60_000
COUNTS = st.sampled_from([0, 1, 7, 300, 20_000])
PLACES = st.integers(-12, 12)
SLICES = st.builds(
    slice,
    st.one_of(st.none(), st.integers(-10, 5000)),
    st.one_of(st.none(), st.integers(-10, 90_000)),
    st.sampled_from([None, 1, -1, 2, 3]),
)


def fails_after(rows):
    """Yield the rows, then raise KeyError."""
    yield from rows
    raise KeyError("the iterable fails")


def assert_same(rows, expected):
    """Compare the bytes, because == of rows is false for NaN and ignores padding."""
    assert rows.dtype == expected.dtype and rows.shape == expected.shape
    equal = rows.tobytes() == expected.tobytes()
    assert equal


class Model(Pair):
    """Apply each rule to a GrowArray, `subject`, and to an ndarray, `model`.

    A change of length replaces `model` by a new array. `past` has the rows that were
    removed from the front while views exist. `views` holds a list for each view: the
    view, its slice, the length of `past` when it was made, and the number of rows then.
    The last item has the rows that the view shows, if the array has left their memory.
    Otherwise it is None. `others` holds pairs of a detached ndarray and a copy of it.
    """

    @initialize(layout=LAYOUTS, kind=KINDS)
    def begin(self, layout, kind):
        dtype, row_shape = layout
        self.live = growbuf.stats()["spans_live"]
        self.views, self.others, self.count = [], [], 0
        self.model = np.zeros((0, *row_shape), dtype)
        self.past = self.model
        self.subject = self.make(kind, dtype, row_shape)

    def make(self, kind, dtype, row_shape):
        """Return an empty GrowArray of a kind; set `limited` and `stable` for it."""
        has_pages = growbuf.info()["strategy"] != "heap"
        self.limited = False
        self.stable = has_pages and kind in ("default", "limit")
        if kind in ("moving", "shared") or (kind == "limit" and not has_pages):
            array = growbuf.GrowArray.from_buffer(GrowBuffer(), dtype, row_shape)
            if kind == "shared":
                assert array.buffer == b""  # from now on, the caller knows the buffer
            return array
        self.limited = kind == "limit"
        limit = LIMIT if self.limited else None
        return growbuf.GrowArray(dtype=dtype, row_shape=row_shape, limit=limit)

    def rows(self, nrows):
        """Return new rows with consecutive values, modulo 251."""
        rows = np.zeros((nrows, *self.model.shape[1:]), self.model.dtype)
        names = rows.dtype.names
        for column in [rows[name] for name in names] if names else [rows]:
            values = np.arange(self.count, self.count + column.size) % 251
            column[...] = values.reshape(column.shape)
            self.count += column.size
        return rows

    def joined(self, parts):
        """Return the parts joined into one array of the model's dtype."""
        return np.concatenate(parts, dtype=self.model.dtype)

    def shown(self, view):
        """Return the rows that a view of `views` must show."""
        _, key, start, nrows, left = view
        if left is not None:
            return left
        return self.joined([self.past[start:], self.model])[:nrows][key]

    def change(self, call, changed, shrinks=False, front=False):
        """Call `call` and expect the rows `changed`, or expect that it is refused.

        While views exist, an array that moves refuses every call. A stable array
        refuses each call that `shrinks`, unless it removes rows from the `front`.
        """
        oldest = min((view[2] for view in self.views), default=len(self.past))
        limit = LIMIT - (len(self.past) - oldest) if self.limited else None
        if self.views and not (self.stable and (front or not shrinks)):
            refusal = BufferError
        elif limit is not None and len(changed) > limit:
            refusal = MemoryError
        else:
            address = place(self.subject._buffer)[1] if self.views else None
            shown = [self.shown(view).copy() for view in self.views if front]
            call(self.subject)
            gone = len(self.model) - len(changed) if front and self.views else 0
            if gone and place(self.subject._buffer)[1] != address:
                for view, rows in zip(self.views, shown, strict=True):
                    view[4] = rows
            self.past = self.joined([self.past, self.model[:gone]])
            self.model = changed
            return
        with pytest.raises(refusal):
            call(self.subject)

    # ------------------------------------------------------------------- growing

    @rule(how=st.sampled_from(["row", "python"]))
    def append(self, how):
        rows = self.rows(1)
        row = rows[0] if how == "row" else rows.tolist()[0]
        self.change(lambda a: a.append(row), self.joined([self.model, rows]))

    @precondition(lambda self: len(self.model) < LARGEST)
    @rule(nrows=COUNTS, how=st.sampled_from(["array", "list", "iter", "apart"]))
    def extend(self, nrows, how):
        rows = self.rows(nrows)
        made = {
            "array": lambda: rows,
            "list": rows.tolist,
            "iter": lambda: iter(rows.tolist()),
            "apart": lambda: np.repeat(rows, 2, axis=0)[::2],
        }
        given = made[how]()
        if nrows:
            changed = self.joined([self.model, rows])
            self.change(lambda a: a.extend(given), changed)
        else:
            self.subject.extend(given)

    @precondition(lambda self: len(self.model) < LARGEST)
    @rule()
    def extend_by_itself(self):
        if len(self.model):
            changed = self.joined([self.model, self.model])
            self.change(lambda a: a.extend(a), changed)
        else:
            self.subject.extend(self.subject)

    @rule(nrows=st.sampled_from([0, 3, 2000]))
    def extend_by_what_fails(self, nrows):
        rows = fails_after(self.rows(nrows))
        with pytest.raises(KeyError):
            self.subject.extend(rows)

    @rule()
    def extend_by_what_does_not_fit(self):
        """A row that does not fit must also undo the valid rows before it."""
        rows = [*self.rows(3).tolist(), "no row"]
        if not self.views or self.stable:
            with pytest.raises((TypeError, ValueError, MemoryError)):
                self.subject.extend(rows)

    @rule(index=PLACES)
    def insert(self, index):
        rows = self.rows(1)
        at = slice(index, None).indices(len(self.model))[0]
        changed = self.joined([self.model[:at], rows, self.model[at:]])
        self.change(
            lambda a: a.insert(index, rows[0]), changed, shrinks=at < len(self.model)
        )

    @rule(nrows=st.sampled_from([0, 1, 5, 2000, 30_000]))
    def resize(self, nrows):
        old = len(self.model)
        zeros = np.zeros((max(0, nrows - old), *self.model.shape[1:]), self.model.dtype)
        changed = self.joined([self.model[:nrows], zeros])
        if nrows != old:
            self.change(
                lambda a: a.resize(nrows), changed, shrinks=nrows < old, front=not nrows
            )
        else:
            self.subject.resize(nrows)

    # ----------------------------------------------------------------- shrinking

    @rule(index=PLACES)
    def pop(self, index):
        if not -len(self.model) <= index < len(self.model):
            with pytest.raises(IndexError):
                self.subject.pop(index)
            return
        popped, expected = [], self.model[index].tobytes()
        changed = np.delete(self.model, index, axis=0)
        front = index in (0, -len(self.model))
        self.change(
            lambda a: popped.append(a.pop(index)), changed, shrinks=True, front=front
        )
        assert all(row.tobytes() == expected for row in popped)

    @rule(key=SLICES)
    def delete(self, key):
        if len(self.model[key]):
            changed = np.delete(self.model, key, axis=0)
            gone = sorted(range(len(self.model))[key])
            front = gone == list(range(len(gone)))
            self.change(
                lambda a: a.__delitem__(key), changed, shrinks=True, front=front
            )
        else:
            del self.subject[key]

    @rule(every=st.integers(1, 5))
    def delete_selected(self, every):
        mask = np.arange(len(self.model)) % every == 0
        if mask.any():
            changed, front = self.model[~mask], mask[: mask.sum()].all()
            self.change(
                lambda a: a.__delitem__(mask), changed, shrinks=True, front=front
            )
        else:
            del self.subject[mask]

    @rule()
    def clear(self):
        self.change(lambda a: a.clear(), self.model[:0], shrinks=True, front=True)

    @rule()
    def trim(self):
        self.change(lambda a: a.trim(), self.model, shrinks=True)

    @rule()
    def detach(self):
        taken, rows = [], self.model
        self.change(
            lambda a: taken.append(a.detach()), rows[:0], shrinks=True, front=True
        )
        self.others += [(array, rows.copy()) for array in taken]
        del self.others[:-3]

    # ----------------------------------------------------------------- assigning

    @rule(key=SLICES)
    def assign(self, key):
        rows = self.rows(len(self.model[key]))
        self.subject[key] = rows
        self.model[key] = rows

    @precondition(lambda self: self.model.dtype.names is None)
    @rule(name=st.sampled_from(["__iadd__", "__imul__", "__isub__"]))
    def in_place(self, name):
        assert getattr(self.subject, name)(3) is self.subject
        getattr(self.model, name)(3)

    # ---------------------------------------------------------- copies and views

    @precondition(lambda self: len(self.model) < 3000)
    @rule(protocol=st.integers(2, 5))
    def copy(self, protocol):
        pickled = pickle.dumps(self.subject, protocol)
        for again in self.subject.copy(), pickle.loads(pickled):
            assert_same(again, self.model)

    @precondition(lambda self: len(self.views) < 3)
    @rule(key=SLICES)
    def hold(self, key):
        key = slice(*key.indices(len(self.model)))
        if key.stop < 0:
            key = slice(key.start, None, key.step)
        if not self.views:
            self.past = self.model[:0]
        shown = self.subject[key]
        nrows = len(self.model)
        self.views.append([shown, key, len(self.past), nrows, None])

    @precondition(lambda self: self.views)
    @rule(index=st.integers(0, 2))
    def drop(self, index):
        del self.views[index % len(self.views)]

    @rule()
    def look(self):
        """Read rows, after which the array keeps an internal view."""
        assert len(list(self.subject[:3])) == min(3, len(self.model))

    @rule()
    def ask(self):
        """Read the properties that make the array reserve address space."""
        array = self.subject
        assert array.stable is self.stable
        assert array.capacity >= len(array)
        assert (array.limit is None) is not self.stable
        assert array.limit == LIMIT or not self.limited

    @invariant()
    def same_rows(self):
        """Compare rows and views with the model.

        This makes no view, because a view would make the array reserve address space.
        """
        array = self.subject
        assert array.shape == self.model.shape and array.dtype == self.model.dtype
        equal = bytes(array._buffer) == self.model.tobytes()
        assert equal
        assert check(array._buffer) is None
        for view in self.views:
            assert_same(view[0], self.shown(view))
        for taken, rows in self.others:
            assert_same(taken, rows)

    def teardown(self):
        self.views, self.others, self.subject = [], [], None
        self.assert_none_left(self.live)


TestModel = Model.TestCase
TestModel.settings = SETTINGS
pytestmark = pytest.mark.filterwarnings("error")
