/* rows_edit: inserting and removing rows of a GrowArray. */

#include "rows_edit.h"

#include "args.h"
#include "rows_append.h"

/* ------------------------------------------------------------------------ indices */

/* Return the row number of an index, which may be negative; -1 with an exception. Under
 * the lock. */
static Py_ssize_t
find_row(RowsObject *self, Py_ssize_t index)
{
    if (rows_check_whole(self) < 0) {
        return -1;
    }
    Py_ssize_t nrows =
        (Py_ssize_t)(buffer_length(self->buffer) / self->layout->row_nbytes);
    Py_ssize_t row = index < 0 ? index + nrows : index;
    assert(nrows >= 0);
    if (row < 0 || row >= nrows) {
        PyErr_Format(PyExc_IndexError,
                     "index %zd is out of bounds for axis 0 with size %zd", index,
                     nrows);
        return -1;
    }
    return row;
}

/* Drop the kept view, a cached ndarray of all rows (rows.h), and return the row number
 * of an index. Dropping a view may run code that changes the length, so the number is
 * computed again afterwards. */
static Py_ssize_t
find_row_to_remove(RowsObject *self, Py_ssize_t index)
{
    Py_ssize_t row = find_row(self, index);
    return row < 0 || rows_drop_kept_view(self, row == 0) < 0 ? -1
                                                              : find_row(self, index);
}

/* Clip the bounds of a slice to the rows that exist. Return the number of rows between
 * them. */
static Py_ssize_t
clip(RowsObject *self, Py_ssize_t *start, Py_ssize_t *stop)
{
    size_t nrows = buffer_length(self->buffer) / self->layout->row_nbytes;
    return PySlice_AdjustIndices((Py_ssize_t)nrows, start, stop, 1);
}

static int
convert_index(PyObject *number, PyObject *overflow, Py_ssize_t *index)
{
    *index = PyNumber_AsSsize_t(number, overflow);
    return *index == -1 && PyErr_Occurred() ? -1 : 0;
}

/* ------------------------------------------------------------------------- insert */

/* Raise IndexError if `nbytes` more bytes would exceed maxlen. */
static int
check_maxlen(const RowsObject *self, size_t nbytes)
{
    if (buffer_length(self->buffer) + nbytes <= self->max_nbytes) {
        return 0;
    }
    PyErr_Format(PyExc_IndexError, "cannot insert a row: the array has maxlen=%zu",
                 self->max_nbytes / self->layout->row_nbytes);
    return -1;
}

/* Insert bytes that are rows. Under the lock. */
static int
insert_bytes(RowsObject *self, Py_ssize_t index, const char *bytes, size_t nbytes)
{
    size_t row_nbytes = self->layout->row_nbytes;
    Py_ssize_t end = PY_SSIZE_T_MAX, row = index;
    assert(row_nbytes > 0 && nbytes % row_nbytes == 0);
    if (check_maxlen(self, nbytes) < 0) {
        return -1;
    }
    if (nbytes == 0) {
        return 0;
    }
    if (clip(self, &row, &end) == 0) {
        return rows_append_bytes(self, bytes, nbytes) < 0 ? -1 : 0;
    }
    if (rows_check_whole(self) < 0 || rows_drop_kept_view(self, false) < 0 ||
        rows_check_growable(self, nbytes) < 0 || check_maxlen(self, nbytes) < 0) {
        return -1; /* dropping a view may have run code that appended rows */
    }
    (void)clip(self, &index, &end);
    size_t at = (size_t)index * row_nbytes;
    assert(index >= 0 && at <= buffer_length(self->buffer));
    int rc = buffer_splice(self->buffer, at, 0, nbytes);
    if (rows_explain_no_memory(self, nbytes, rc) < 0) {
        return -1;
    }
    assert(at + nbytes <= buffer_length(self->buffer));
    memcpy(buffer_bytes(self->buffer) + at, bytes, nbytes);
    return 0;
}

PyDoc_STRVAR(insert_doc,
"insert($self, index, row, /)\n--\n\n"
"Insert one row, or an array of rows, before an index.\n\n"
"index: clipped to the number of rows, as list.insert() does.\n"
"row: as for append(); or rows as for extend(), with one axis more than a row.\n\n"
"Raise as append() does; BufferError while a view is held, unless the row goes to the\n"
"end; IndexError if more than maxlen rows would result, as deque.insert() does.\n"
"Moves the rows after the index. If fewer rows are before it, and removed first rows\n"
"have left memory free at the start, moves these instead.\n\n"
">>> from growbuf import GrowArray\n"
">>> samples = GrowArray([1.0, 3.0])\n"
">>> samples.insert(1, 2)\n"
">>> samples\n"
"GrowArray([1., 2., 3.])");

static PyObject *
rows_insert(PyObject *op, PyObject *const *args, Py_ssize_t nargs)
{
    RowsObject *self = rows_cast(op);
    Py_ssize_t index;
    if (args_check_count("insert", nargs, 2, 2) < 0) {
        return NULL;
    }
    PyObject *gathered = rows_gather(op, args[1]);
    int rc = gathered == NULL ? -1 : convert_index(args[0], NULL, &index);
    if (rc == 0) {
        BufferObject *buffer = rows_cast(gathered)->buffer;
        assert(buffer != self->buffer && rows_cast(gathered)->layout == self->layout);
        ROWS_LOCKED(
            self, rc,
            insert_bytes(self, index, buffer_bytes(buffer), buffer_length(buffer)));
    }
    Py_XDECREF(gathered);
    return buffer_none_or_null(rc);
}

/* ---------------------------------------------------------------------------- pop */

/* Remove a row. pre: the kept view is dropped. */
static int
remove_row(RowsObject *self, Py_ssize_t row)
{
    size_t nbytes = self->layout->row_nbytes;
    assert(nbytes > 0 && buffer_length(self->buffer) % nbytes == 0);
    assert(row >= 0 && (size_t)row < buffer_length(self->buffer) / nbytes);
    return buffer_splice(self->buffer, (size_t)row * nbytes, nbytes, 0);
}

/* Copy a row to `array`, whose memory begins at `bytes`. Return the array, or its only
 * item as a scalar if the row shape is (). If `remove`, also remove the row. The result
 * is made first, because that can fail; meanwhile the buffer is held, so that other
 * code cannot change its length. */
static PyObject *
copy_row(RowsObject *self, Py_ssize_t index, bool remove, PyObject *array, char *bytes)
{
    LayoutObject *layout = self->layout;
    Py_ssize_t row = remove ? find_row_to_remove(self, index) : find_row(self, index);
    PyObject *key = row < 0 ? NULL : PyTuple_New(0);
    if (key == NULL) {
        return NULL;
    }
    assert((size_t)row < buffer_length(self->buffer) / layout->row_nbytes);
    memcpy(bytes, buffer_bytes(self->buffer) + (size_t)row * layout->row_nbytes,
           layout->row_nbytes);
    buffer_hold(self->buffer);
    PyObject *item =
        !layout->has_shape ? PyObject_GetItem(array, key) : Py_NewRef(array);
    buffer_unhold(self->buffer);
    Py_DECREF(key);
    assert((item == NULL) == (PyErr_Occurred() != NULL));
    if (item != NULL && remove && remove_row(self, row) < 0) {
        Py_CLEAR(item);
    }
    return item;
}

PyObject *
rows_copy_row(PyObject *op, Py_ssize_t index, bool remove)
{
    RowsObject *self = rows_cast(op);
    PyObject *array = PyObject_CallNoArgs(self->layout->new_row), *item = NULL;
    Py_buffer view;
    if (array != NULL && PyObject_GetBuffer(array, &view, PyBUF_WRITABLE) == 0) {
        assert((size_t)view.len == self->layout->row_nbytes);
        ROWS_LOCKED(self, item, copy_row(self, index, remove, array, view.buf));
        PyBuffer_Release(&view);
    }
    Py_XDECREF(array);
    return item;
}

PyDoc_STRVAR(pop_doc,
"pop($self, index=-1, /)\n--\n\n"
"Remove a row and return it: a scalar if the row shape is (), else an ndarray.\n\n"
"index: of the row. Negative numbers count from the end.\n\n"
"Raise IndexError if there is no such row; BufferError while a view is held, except\n"
"for the first row of a stable array. O(1) for the first and the last row. For other\n"
"rows, moves the rows before it or after it, whichever are fewer.\n\n"
">>> from growbuf import GrowArray\n"
">>> samples = GrowArray([1.0, 2.0])\n"
">>> float(samples.pop()), len(samples)\n"
"(2.0, 1)");

static PyObject *
rows_pop(PyObject *op, PyObject *const *args, Py_ssize_t nargs)
{
    Py_ssize_t index = -1;
    if (args_check_count("pop", nargs, 0, 1) < 0 ||
        (nargs > 0 && convert_index(args[0], PyExc_IndexError, &index) < 0)) {
        return NULL;
    }
    return rows_copy_row(op, index, true);
}

/* ------------------------------------------------------------------------- delete */

/* Delete the rows of a slice without a step. Under the lock. */
static int
delete_between(RowsObject *self, Py_ssize_t start, Py_ssize_t stop)
{
    Py_ssize_t first = start, last = stop;
    if (rows_check_whole(self) < 0) {
        return -1;
    }
    if (clip(self, &first, &last) == 0) {
        return 0;
    }
    if (rows_drop_kept_view(self, first == 0) < 0) {
        return -1;
    }
    size_t count = (size_t)clip(self, &start, &stop);
    size_t row_nbytes = self->layout->row_nbytes;
    assert(start >= 0 && count <= buffer_length(self->buffer) / row_nbytes);
    return buffer_splice(self->buffer, (size_t)start * row_nbytes, count * row_nbytes,
                         0);
}

enum { FIND_NEAR = 8 }; /* bools that are compared one by one before memchr() */

/* Return the index of the first `value` at or after `at`; `count` if there is none. */
static size_t
find_bool(const char *bools, size_t at, size_t count, bool value)
{
    assert(at <= count);
    for (size_t near = at + FIND_NEAR; at < near && at < count; at++) {
        if (bools[at] == value) {
            return at;
        }
    }
    const char *found = at < count ? memchr(bools + at, value, count - at) : NULL;
    return found == NULL ? count : (size_t)(found - bools);
}

/* Remove the rows where `gone` is true. `count` is the length of `gone`. The array may
 * have become longer after `gone` was made.
 *
 *   |..xxx...x..|    x: a row to remove
 *   |.....xxxx..|    each run of rows between two runs of x has moved once
 *   |.......|        buffer_splice() removes the x: it moves the rows before them or
 *                    after them, whichever are fewer
 *
 * If all x are the first rows, nothing moves. */
static int
delete_where(RowsObject *self, const char *gone, size_t count)
{
    size_t to = find_bool(gone, 0, count, true);
    if (to == count) {
        return 0;
    }
    size_t from = find_bool(gone, to, count, false);
    size_t next = find_bool(gone, from, count, true);
    bool front = to == 0 && next == count;
    if (rows_check_whole(self) < 0 || rows_drop_kept_view(self, front) < 0) {
        return -1;
    }
    BufferObject *buffer = self->buffer;
    size_t row_nbytes = self->layout->row_nbytes;
    if (count > buffer_length(buffer) / row_nbytes) {
        PyErr_Format(
            PyExc_IndexError,
            "cannot delete the selected rows: the length was %zu when they were "
            "selected, and other code has made it %zu; select again",
            count, buffer_length(buffer) / row_nbytes);
        return -1;
    }
    char *bytes = buffer_bytes(buffer);
    for (; next < count; next = find_bool(gone, from, count, true)) {
        assert(to < from && from < next);
        memmove(bytes + to * row_nbytes, bytes + from * row_nbytes,
                (next - from) * row_nbytes);
        to += next - from;
        from = find_bool(gone, next, count, false);
    }
    assert(to < from && from <= count);
    assert(from * row_nbytes <= buffer_length(buffer));
    return buffer_splice(buffer, to * row_nbytes, (from - to) * row_nbytes, 0);
}

/* Delete the rows that NumPy selects by a key. */
static int
delete_selected(PyObject *op, PyObject *key)
{
    RowsObject *self = rows_cast(op);
    PyObject *nrows = PyLong_FromSsize_t(rows_length(op));
    if (nrows == NULL) {
        return -1;
    }
    PyObject *args[] = {nrows, key};
    PyObject *gone =
        PyObject_Vectorcall(self->layout->numpy->hooks[NUMPY_selected], args, 2, NULL);
    Py_DECREF(nrows);
    Py_buffer view;
    int rc = gone == NULL ? -1 : PyObject_GetBuffer(gone, &view, PyBUF_SIMPLE);
    if (rc == 0) {
        ROWS_LOCKED(self, rc, delete_where(self, view.buf, (size_t)view.len));
        PyBuffer_Release(&view);
    }
    Py_XDECREF(gone);
    return rc;
}

static int
delete_slice(PyObject *op, PyObject *slice)
{
    RowsObject *self = rows_cast(op);
    Py_ssize_t start, stop, step;
    int rc;
    if (PySlice_Unpack(slice, &start, &stop, &step) < 0) {
        return -1;
    }
    if (step == 1) {
        ROWS_LOCKED(self, rc, delete_between(self, start, stop));
        return rc;
    }
    PyObject *unpacked = Py_BuildValue("nnn", start, stop, step);
    PyObject *key = unpacked == NULL
                        ? NULL
                        : PyObject_Call((PyObject *)&PySlice_Type, unpacked, NULL);
    rc = key == NULL ? -1 : delete_selected(op, key);
    Py_XDECREF(unpacked);
    Py_XDECREF(key);
    return rc;
}

/* Return 1 if a key is the index of one row, else 0; -1 with an exception. Arrays and
 * bools are no indices: NumPy treats them as masks or lists of rows. */
static int
is_index(LayoutObject *layout, PyObject *key)
{
    if (PyLong_CheckExact(key)) {
        return 1;
    }
    const struct scalar *scalar = scalars_find(&layout->numpy->scalars, Py_TYPE(key));
    PyTypeObject *ndarray = (PyTypeObject *)layout->numpy->hooks[NUMPY_ndarray];
    if (!PyIndex_Check(key) || PyBool_Check(key) ||
        (scalar != NULL && scalar->kind == 'b') || PyObject_TypeCheck(key, ndarray)) {
        return 0;
    }
    PyObject *ndim = PyObject_GetAttrString(key, "ndim");
    if (ndim == NULL) {
        if (!PyErr_ExceptionMatches(PyExc_AttributeError)) {
            return -1;
        }
        PyErr_Clear();
        return 1;
    }
    int rc = PyObject_Not(ndim);
    Py_DECREF(ndim);
    return rc;
}

int
rows_delete(PyObject *op, PyObject *key)
{
    RowsObject *self = rows_cast(op);
    if (PyTuple_Check(key) && PyTuple_GET_SIZE(key) == 1) {
        key = PyTuple_GET_ITEM(key, 0);
    }
    if (PySlice_Check(key)) {
        return delete_slice(op, key);
    }
    int rc = is_index(self->layout, key);
    if (rc <= 0) {
        return rc < 0 ? -1 : delete_selected(op, key);
    }
    Py_ssize_t index;
    rc = convert_index(key, PyExc_IndexError, &index);
    if (rc == 0) {
        Py_BEGIN_CRITICAL_SECTION(self->buffer);
        Py_ssize_t row = find_row_to_remove(self, index);
        assert((row < 0) == (PyErr_Occurred() != NULL));
        rc = row < 0 ? -1 : remove_row(self, row);
        Py_END_CRITICAL_SECTION();
    }
    return rc;
}

const PyMethodDef rows_edit_methods[] = {
    {"insert", BUFFER_METHOD(rows_insert), METH_FASTCALL, insert_doc},
    {"pop", BUFFER_METHOD(rows_pop), METH_FASTCALL, pop_doc},
    {NULL, NULL, 0, NULL},
};
