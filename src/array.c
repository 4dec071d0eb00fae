#include "array.h"

#include <string.h>

#include "cells.h"
#include "args.h"
#include "transfer.h"
#include "state.h"

typedef struct {
    PyObject_HEAD
    BufferObject *buffer;
    PyObject *dtype;
    PyObject *row_shape;
    PyObject *frombuffer; /* makes a flat ndarray of (buffer, dtype) */
    PyObject *folding;    /* the (-1, *row_shape) to fold that into, or NULL */
    PyObject *view;       /* the ndarray made last, or NULL; an export of the buffer */
    size_t view_nbytes;
    bool shared; /* others know the buffer: a view kept here could be in their way */
    size_t row_nbytes;
    size_t whole; /* a length of the buffer that is known to be of whole rows */
    struct cells cells;
} RowsObject;

static inline RowsObject *
rows_cast(PyObject *op)
{
    return (RowsObject *)op;
}

/* Raise ValueError unless the buffer, which others may have changed, has whole rows. */
static inline int
check_whole(RowsObject *self)
{
    size_t length = buffer_length(self->buffer);
    if (length == self->whole) {
        return 0;
    }
    if (length % self->row_nbytes != 0) {
        PyErr_Format(PyExc_ValueError,
                     "the buffer has %zu bytes, which are not whole rows of %zu",
                     length, self->row_nbytes);
        return -1;
    }
    self->whole = length;
    return 0;
}

/* All that changes, the view that is kept too, is under the buffer's critical section. */
static Py_ssize_t
rows_length(PyObject *op)
{
    RowsObject *self = rows_cast(op);
    size_t nbytes;
    Py_BEGIN_CRITICAL_SECTION(self->buffer);
    nbytes = buffer_length(self->buffer);
    Py_END_CRITICAL_SECTION();
    return (Py_ssize_t)(nbytes / self->row_nbytes);
}

/* -------------------------------------------------------------------- the view */

/* Return an ndarray of the rows in a buffer, which is ours or was. */
static PyObject *
make_view(RowsObject *self, BufferObject *buffer)
{
    PyObject *args[] = {(PyObject *)buffer, self->dtype};
    PyObject *flat = PyObject_Vectorcall(self->frombuffer, args, 2, NULL);
    if (flat == NULL) {
        return NULL;
    }
    /* Never the flat one, which is the base of all views that are handed out. */
    PyObject *folded = self->folding == NULL
                           ? PyObject_GetItem(flat, Py_Ellipsis)
                           : PyObject_CallMethod(flat, "reshape", "O", self->folding);
    Py_DECREF(flat);
    return folded;
}

/* Return the ndarray of all rows: the one made before, if it still shows them all. */
static PyObject *
rows_view(RowsObject *self)
{
    size_t nbytes = buffer_length(self->buffer);
    if (self->view != NULL && self->view_nbytes == nbytes) {
        return Py_NewRef(self->view);
    }
    if (check_whole(self) < 0) {
        return NULL;
    }
    PyObject *view = make_view(self, self->buffer);
    /* Making one may run other code, through the collector, before it is an export. */
    if (view != NULL && !self->shared && nbytes == buffer_length(self->buffer) &&
        PyObject_Size(view) == (Py_ssize_t)(nbytes / self->row_nbytes)) {
        self->view_nbytes = nbytes;
        Py_XSETREF(self->view, Py_NewRef(view));
    }
    return view;
}

static PyObject *
locked_view(PyObject *op)
{
    RowsObject *self = rows_cast(op);
    PyObject *view;
    Py_BEGIN_CRITICAL_SECTION(self->buffer);
    view = rows_view(self);
    Py_END_CRITICAL_SECTION();
    return view;
}

/* The same for who may keep it, and give it another shape or make it read-only: a view of
 * its own. */
static PyObject *
handed_view(PyObject *op)
{
    PyObject *view = locked_view(op);
    PyObject *own = view == NULL ? NULL : PyObject_GetItem(view, Py_Ellipsis);
    Py_XDECREF(view);
    return own;
}

static void rows_dealloc(PyObject *op);

static bool
is_rows(PyObject *op)
{
    PyTypeObject *type = Py_TYPE(op);
    while (type != NULL && type->tp_dealloc != rows_dealloc) {
        type = type->tp_base;
    }
    return type != NULL;
}

/* An object as NumPy should see it: Rows as their view, anything else as it is. */
static PyObject *
plain(PyObject *op)
{
    return is_rows(op) ? locked_view(op) : Py_NewRef(op);
}

/* Drop the view that is kept, and raise BufferError if there are others. */
static int
rows_free_to_shrink(RowsObject *self)
{
    Py_CLEAR(self->view);
    Py_CLEAR(self->view); /* what a weak reference called may have had one made */
    if (!buffer_is_exported(self->buffer)) {
        return 0;
    }
    PyErr_SetString(PyExc_BufferError,
                    "a view of the array is held (its .array, a slice, a memoryview): "
                    "rows can be appended, but not moved or removed, until it is gone");
    return -1;
}

/* Have room for `nbytes` behind the rows. A view that is held keeps pages that may move
 * from growing; ours is no reason to refuse. */
static inline int
rows_make_room(RowsObject *self, size_t nbytes)
{
    BufferObject *buffer = self->buffer;
    if (buffer_is_exported(buffer)) {
        if (!store_is_limited(&buffer->store)) {
            Py_CLEAR(self->view);
        }
        if (buffer_check_growable(buffer) < 0) {
            return -1;
        }
    }
    if (check_whole(self) < 0) {
        return -1;
    }
    return nbytes <= store_tailroom(&buffer->store)
               ? 0
               : buffer_make_tailroom(buffer, nbytes);
}

/* ---------------------------------------------------- appending Python's objects */

/* Have the rows that were written behind the end in the array. */
static void
publish(RowsObject *self, size_t nbytes)
{
    buffer_commit(self->buffer, nbytes);
    self->whole += nbytes;
}

/* Rows are written behind the end, where there is room, and the buffer is told when all
 * of them are there. If one cannot be written, the NUL that follows the last byte is put
 * back. */
static int
rows_write(RowsObject *self, PyObject *const *rows, size_t count)
{
    char *end = buffer_bytes(self->buffer) + buffer_length(self->buffer), *to = end;
    for (size_t i = 0; i < count; i++, to += self->row_nbytes) {
        if (!cells_write(&self->cells, self->row_nbytes, to, rows[i])) {
            *end = '\0';
            buffer_forget_spare(self->buffer);
            return 0;
        }
    }
    publish(self, count * self->row_nbytes);
    return 1;
}

/* Append one row, or return 0 if it is not of a kind that is written here. */
static int
append_row(RowsObject *self, PyObject *row)
{
    int rc;
    Py_BEGIN_CRITICAL_SECTION(self->buffer);
    rc = rows_make_room(self, self->row_nbytes);
    if (rc == 0) {
        rc = rows_write(self, &row, 1);
    }
    Py_END_CRITICAL_SECTION();
    return rc;
}

/* The same for all rows in a list or a tuple. To have room may drop a view, whose weak
 * references call user code that changes the list: so its items are looked up after. */
static int
append_listed(RowsObject *self, PyObject *rows)
{
    size_t count = (size_t)PySequence_Fast_GET_SIZE(rows);
    if (count == 0) {
        return 1;
    }
    if (count > PY_SSIZE_T_MAX / self->row_nbytes) {
        PyErr_NoMemory();
        return -1;
    }
    if (rows_make_room(self, count * self->row_nbytes) < 0) {
        return -1;
    }
    return (size_t)PySequence_Fast_GET_SIZE(rows) == count
               ? rows_write(self, PySequence_Fast_ITEMS(rows), count)
               : 0;
}

static int
append_rows(RowsObject *self, PyObject *rows)
{
    if (!PyList_CheckExact(rows) && !PyTuple_CheckExact(rows)) {
        return 0;
    }
    int rc;
    Py_BEGIN_CRITICAL_SECTION2(rows, self->buffer);
    rc = append_listed(self, rows);
    Py_END_CRITICAL_SECTION2();
    return rc;
}

/* ------------------------------------------------------ appending bytes of arrays */

static int
append_bytes(RowsObject *self, const char *bytes, size_t nbytes)
{
    BufferObject *buffer = self->buffer;
    if (nbytes == 0) {
        return 0;
    }
    if (rows_make_room(self, nbytes) < 0) {
        return -1;
    }
    memcpy(buffer_bytes(buffer) + buffer_length(buffer), bytes, nbytes);
    publish(self, nbytes);
    return 0;
}

static int
append_view(RowsObject *self, const Py_buffer *view)
{
    int rc;
    Py_BEGIN_CRITICAL_SECTION(self->buffer);
    rc = append_bytes(self, view->buf, (size_t)view->len);
    Py_END_CRITICAL_SECTION();
    return rc;
}

/* Whether an object's items are of our dtype: 1, 0, or -1 with an exception. A dtype is
 * equal to much that is none, so that types are compared first. */
static int
has_our_dtype(RowsObject *self, PyObject *op)
{
    PyObject *name = state_of((PyObject *)self->buffer)->dtype_name;
    PyObject *dtype = PyObject_GetAttr(op, name);
    if (dtype == NULL) {
        if (!PyErr_ExceptionMatches(PyExc_AttributeError)) {
            return -1;
        }
        PyErr_Clear();
        return 0;
    }
    int rc = dtype == self->dtype;
    if (!rc && Py_TYPE(dtype) == Py_TYPE(self->dtype)) {
        rc = PyObject_RichCompareBool(dtype, self->dtype, Py_EQ);
    }
    Py_DECREF(dtype);
    return rc;
}

/* Whether the last axes of a view are those of one row, behind `naxes` others. */
static bool
fits(RowsObject *self, const Py_buffer *view, int naxes)
{
    Py_ssize_t ndim = PyTuple_GET_SIZE(self->row_shape);
    if (view->ndim != ndim + naxes) {
        return false;
    }
    size_t row_nbytes = (size_t)view->itemsize; /* a scalar shows its bytes as items */
    for (Py_ssize_t i = 0; i < ndim; i++) {
        PyObject *length = PyTuple_GET_ITEM(self->row_shape, i);
        if (view->shape[naxes + i] != PyLong_AsSsize_t(length)) {
            return false;
        }
        row_nbytes *= (size_t)view->shape[naxes + i];
    }
    return row_nbytes == self->row_nbytes;
}

/* Append an array of our dtype whose bytes are in our order, or return 0 if it is not:
 * a row (`naxes` 0) or a block of rows (1). Ourselves are left to NumPy, because a view
 * of our own would keep us from growing. */
static int
append_array(PyObject *op, PyObject *array, int naxes)
{
    RowsObject *self = rows_cast(op);
    if (array == op || !PyObject_CheckBuffer(array) || PyBytes_Check(array)) {
        return 0;
    }
    int rc = has_our_dtype(self, array);
    if (rc <= 0) {
        return rc;
    }
    Py_buffer view;
    if (PyObject_GetBuffer(array, &view, PyBUF_C_CONTIGUOUS) < 0) {
        if (!PyErr_ExceptionMatches(PyExc_Exception)) {
            return -1;
        }
        PyErr_Clear();
        return 0;
    }
    rc = fits(self, &view, naxes);
    if (rc > 0 && append_view(self, &view) < 0) {
        rc = -1;
    }
    PyBuffer_Release(&view);
    return rc;
}

/* ------------------------------------------------------------------ the methods */

/* Hand what is not written here to the method that asks NumPy. */
static PyObject *
done_or_slowly(int rc, PyObject *op, const char *method, PyObject *arg)
{
    return rc == 0 ? PyObject_CallMethod(op, method, "(O)", arg)
                   : buffer_none_or_null(rc);
}

PyDoc_STRVAR(append_doc,
"append($self, row, /)\n--\n\n"
"Append one row, broadcast to the row shape.\n\n"
"Values are cast by NumPy's rule same_kind. Raise what NumPy raises for a value that\n"
"does not fit, MemoryError past the limit, and BufferError if the array is not stable\n"
"and a view of it is held; then the array is what it was. Amortized O(1).");

static PyObject *
append(PyObject *op, PyObject *row)
{
    int rc = append_row(rows_cast(op), row);
    if (rc == 0) {
        rc = append_array(op, row, 0);
    }
    return done_or_slowly(rc, op, "_append_slowly", row);
}

PyDoc_STRVAR(extend_doc,
"extend($self, rows, /)\n--\n\n"
"Append all rows of an array or an iterable, each broadcast to the row shape.\n\n"
"All or none: when one of them does not fit or the iterable raises, the array is what\n"
"it was. A contiguous array of the same dtype is copied once; other arrays, and what\n"
"an iterable yields, are first gathered beside the array. Errors as in append().");

static PyObject *
extend(PyObject *op, PyObject *rows)
{
    int rc = append_rows(rows_cast(op), rows);
    if (rc == 0) {
        rc = append_array(op, rows, 1);
    }
    return done_or_slowly(rc, op, "_extend_slowly", rows);
}

PyDoc_STRVAR(append_bytes_doc,
"_append_bytes($self, rows, /)\n--\n\n"
"Append the bytes of rows. Raise ValueError unless they are whole.");

static PyObject *
append_bytes_of(PyObject *op, PyObject *rows)
{
    Py_buffer view;
    if (PyObject_GetBuffer(rows, &view, PyBUF_SIMPLE) < 0) {
        return NULL;
    }
    RowsObject *self = rows_cast(op);
    int rc = -1;
    if ((size_t)view.len % self->row_nbytes == 0) {
        rc = append_view(self, &view);
    }
    else {
        PyErr_Format(PyExc_ValueError, "%zd bytes are not whole rows of %zu", view.len,
                     self->row_nbytes);
    }
    PyBuffer_Release(&view);
    return buffer_none_or_null(rc);
}

/* ------------------------------------------------------------------ removing rows */

/* A subclass with a dtype of its own may give other bytes than those of a row. */
static int
check_nbytes(const RowsObject *self, Py_ssize_t nbytes)
{
    if ((size_t)nbytes == self->row_nbytes) {
        return 0;
    }
    PyErr_Format(PyExc_ValueError, "%zd bytes are not a row of %zu", nbytes,
                 self->row_nbytes);
    return -1;
}

/* Return where the row of an index is, or -1 with an IndexError. */
static Py_ssize_t
find_row(RowsObject *self, Py_ssize_t index)
{
    if (check_whole(self) < 0) {
        return -1;
    }
    Py_ssize_t nrows = (Py_ssize_t)(buffer_length(self->buffer) / self->row_nbytes);
    Py_ssize_t row = index < 0 ? index + nrows : index;
    if (row < 0 || row >= nrows) {
        PyErr_Format(PyExc_IndexError,
                     "index %zd is out of bounds for axis 0 with size %zd", index,
                     nrows);
        return -1;
    }
    return row;
}

/* Have nobody look at the rows, and return where one of them is, which is looked for
 * again: to drop the view may run user code. */
static Py_ssize_t
find_row_to_remove(RowsObject *self, Py_ssize_t index)
{
    return find_row(self, index) < 0 || rows_free_to_shrink(self) < 0
               ? -1
               : find_row(self, index);
}

static int
remove_row(RowsObject *self, Py_ssize_t row)
{
    size_t nbytes = self->row_nbytes;
    return buffer_splice(self->buffer, (size_t)row * nbytes, nbytes, 0);
}

PyDoc_STRVAR(remove_row_doc, "_remove_row($self, index, /)\n--\n\nRemove a row.");

static PyObject *
rows_remove_row(PyObject *op, PyObject *number)
{
    RowsObject *self = rows_cast(op);
    Py_ssize_t index = PyNumber_AsSsize_t(number, PyExc_IndexError);
    if (index == -1 && PyErr_Occurred()) {
        return NULL;
    }
    int rc;
    Py_BEGIN_CRITICAL_SECTION(self->buffer);
    Py_ssize_t row = find_row_to_remove(self, index);
    rc = row < 0 ? -1 : remove_row(self, row);
    Py_END_CRITICAL_SECTION();
    return buffer_none_or_null(rc);
}

/* The item must be there before the row goes, in case there is no memory for it; and the
 * row must stay until then. */
static PyObject *
pop_row(RowsObject *self, Py_ssize_t index, char *bytes, PyObject *array)
{
    Py_ssize_t row = find_row_to_remove(self, index);
    PyObject *key = row < 0 ? NULL : PyTuple_New(0);
    if (key == NULL) {
        return NULL;
    }
    memcpy(bytes, buffer_bytes(self->buffer) + (size_t)row * self->row_nbytes,
           self->row_nbytes);
    buffer_hold(self->buffer);
    PyObject *item = PyObject_GetItem(array, key);
    buffer_unhold(self->buffer);
    Py_DECREF(key);
    if (item != NULL && remove_row(self, row) < 0) {
        Py_CLEAR(item);
    }
    return item;
}

PyDoc_STRVAR(pop_row_doc,
"_pop_row($self, index, bytes_of_array, array, /)\n--\n\n"
"Move a row to the bytes of an array; return array[()].");

static PyObject *
rows_pop_row(PyObject *op, PyObject *args)
{
    RowsObject *self = rows_cast(op);
    Py_buffer bytes;
    PyObject *number, *array_bytes, *array, *item = NULL;
    if (!PyArg_ParseTuple(args, "OOO:_pop_row", &number, &array_bytes, &array) ||
        PyObject_GetBuffer(array_bytes, &bytes, PyBUF_WRITABLE) < 0) {
        return NULL;
    }
    Py_ssize_t index = PyNumber_AsSsize_t(number, PyExc_IndexError);
    if ((index != -1 || !PyErr_Occurred()) && check_nbytes(self, bytes.len) == 0) {
        Py_BEGIN_CRITICAL_SECTION(self->buffer);
        item = pop_row(self, index, bytes.buf, array);
        Py_END_CRITICAL_SECTION();
    }
    PyBuffer_Release(&bytes);
    return item;
}

/* Return how many rows there are between two ends, which are made to be rows. */
static Py_ssize_t
adjust(RowsObject *self, Py_ssize_t *start, Py_ssize_t *stop)
{
    size_t nrows = buffer_length(self->buffer) / self->row_nbytes;
    return PySlice_AdjustIndices((Py_ssize_t)nrows, start, stop, 1);
}

static int
remove_rows(RowsObject *self, Py_ssize_t start, Py_ssize_t stop)
{
    Py_ssize_t first = start, last = stop;
    if (check_whole(self) < 0) {
        return -1;
    }
    if (adjust(self, &first, &last) == 0) {
        return 0;
    }
    if (rows_free_to_shrink(self) < 0) {
        return -1;
    }
    size_t count = (size_t)adjust(self, &start, &stop);
    return buffer_splice(self->buffer, (size_t)start * self->row_nbytes,
                         count * self->row_nbytes, 0);
}

PyDoc_STRVAR(remove_rows_doc,
"_remove_rows($self, slice, /)\n--\n\nRemove the rows of a slice, whose step is 1.");

static PyObject *
rows_remove_rows(PyObject *op, PyObject *slice)
{
    RowsObject *self = rows_cast(op);
    Py_ssize_t start, stop, step;
    if (PySlice_Unpack(slice, &start, &stop, &step) < 0) {
        return NULL;
    }
    if (step != 1) {
        PyErr_SetString(PyExc_ValueError, "the step of the slice must be 1");
        return NULL;
    }
    int rc;
    Py_BEGIN_CRITICAL_SECTION(self->buffer);
    rc = remove_rows(self, start, stop);
    Py_END_CRITICAL_SECTION();
    return buffer_none_or_null(rc);
}

enum { FIND_NEAR = 8 }; /* bools that are looked at before memchr is worth a call */

/* Return the first from `at` on that is `value`, `count` if none is. */
static size_t
find_bool(const char *bools, size_t at, size_t count, bool value)
{
    for (size_t near = at + FIND_NEAR; at < near && at < count; at++) {
        if (bools[at] == value) {
            return at;
        }
    }
    const char *found = at < count ? memchr(bools + at, value, count - at) : NULL;
    return found == NULL ? count : (size_t)(found - bools);
}

/* Remove the rows where `gone` is true; the array may have more than that tells of.
 *
 *   |..xxx...x..|      x removed; a run of others moves once, and the last one with all
 *   |.......|          behind it as the gate does it, from whichever side is shorter
 */
static int
delete_where(RowsObject *self, const char *gone, size_t count)
{
    size_t to = find_bool(gone, 0, count, true);
    if (to == count) {
        return 0;
    }
    if (check_whole(self) < 0 || rows_free_to_shrink(self) < 0) {
        return -1;
    }
    BufferObject *buffer = self->buffer;
    size_t row_nbytes = self->row_nbytes;
    if (count > buffer_length(buffer) / row_nbytes) {
        PyErr_SetString(PyExc_IndexError, "rows were removed meanwhile");
        return -1;
    }
    char *bytes = buffer_bytes(buffer);
    size_t from = find_bool(gone, to, count, false);
    size_t next;
    while ((next = find_bool(gone, from, count, true)) < count) {
        memmove(bytes + to * row_nbytes, bytes + from * row_nbytes,
                (next - from) * row_nbytes);
        to += next - from;
        from = find_bool(gone, next, count, false);
    }
    return buffer_splice(buffer, to * row_nbytes, (from - to) * row_nbytes, 0);
}

PyDoc_STRVAR(delete_where_doc,
"_delete_where($self, gone, /)\n--\n\n"
"Remove the rows for which a bool of these is true.");

static PyObject *
rows_delete_where(PyObject *op, PyObject *gone)
{
    Py_buffer view;
    if (PyObject_GetBuffer(gone, &view, PyBUF_SIMPLE) < 0) {
        return NULL;
    }
    RowsObject *self = rows_cast(op);
    int rc;
    Py_BEGIN_CRITICAL_SECTION(self->buffer);
    rc = delete_where(self, view.buf, (size_t)view.len);
    Py_END_CRITICAL_SECTION();
    PyBuffer_Release(&view);
    return buffer_none_or_null(rc);
}

/* ----------------------------------------------------------- inserting and taking */

static int
insert_bytes(RowsObject *self, Py_ssize_t index, const char *bytes)
{
    Py_ssize_t end = PY_SSIZE_T_MAX, row = index;
    if (adjust(self, &row, &end) == 0) {
        return append_bytes(self, bytes, self->row_nbytes);
    }
    if (check_whole(self) < 0 || rows_free_to_shrink(self) < 0) {
        return -1;
    }
    (void)adjust(self, &index, &end);
    size_t at = (size_t)index * self->row_nbytes;
    if (buffer_splice(self->buffer, at, 0, self->row_nbytes) < 0) {
        return -1;
    }
    memcpy(buffer_bytes(self->buffer) + at, bytes, self->row_nbytes);
    return 0;
}

PyDoc_STRVAR(insert_bytes_doc,
"_insert_bytes($self, index, bytes_of_row, /)\n--\n\n"
"Insert a row before the index, which is clipped.");

static PyObject *
rows_insert_bytes(PyObject *op, PyObject *args)
{
    RowsObject *self = rows_cast(op);
    PyObject *number, *bytes;
    if (!PyArg_ParseTuple(args, "OS:_insert_bytes", &number, &bytes)) {
        return NULL;
    }
    Py_ssize_t index = PyNumber_AsSsize_t(number, NULL);
    if ((index == -1 && PyErr_Occurred()) ||
        check_nbytes(self, PyBytes_GET_SIZE(bytes)) < 0) {
        return NULL;
    }
    int rc;
    Py_BEGIN_CRITICAL_SECTION(self->buffer);
    rc = insert_bytes(self, index, PyBytes_AS_STRING(bytes));
    Py_END_CRITICAL_SECTION();
    return buffer_none_or_null(rc);
}

static PyObject *
take_rows(RowsObject *self)
{
    if (check_whole(self) < 0 || rows_free_to_shrink(self) < 0) {
        return NULL;
    }
    PyObject *taken = transfer_take((PyObject *)self->buffer, -1);
    PyObject *rows = taken == NULL ? NULL : make_view(self, buffer_cast(taken));
    if (taken != NULL && rows == NULL) {
        transfer_put_back(self->buffer, buffer_cast(taken));
    }
    Py_XDECREF(taken);
    return rows;
}

PyDoc_STRVAR(take_doc,
"take($self, /)\n--\n\n"
"Remove all rows and return them as an ndarray that owns their pages.\n\n"
"The pages move, from 1 MiB up: microseconds. Raise BufferError under a view.");

static PyObject *
rows_take(PyObject *op, PyObject *Py_UNUSED(ignored))
{
    RowsObject *self = rows_cast(op);
    PyObject *rows;
    Py_BEGIN_CRITICAL_SECTION(self->buffer);
    rows = take_rows(self);
    Py_END_CRITICAL_SECTION();
    return rows;
}

/* -------------------------------------------------------------- length and memory */

static int
resize_to(RowsObject *self, size_t nbytes)
{
    if (nbytes < buffer_length(self->buffer) && rows_free_to_shrink(self) < 0) {
        return -1;
    }
    size_t length = buffer_length(self->buffer);
    if (nbytes <= length) {
        return buffer_splice(self->buffer, nbytes, length - nbytes, 0);
    }
    if (rows_make_room(self, 0) < 0) {
        return -1;
    }
    length = buffer_length(self->buffer);
    return nbytes <= length ? 0 : buffer_append_zeros(self->buffer, nbytes - length);
}

static int
reserve_bytes(RowsObject *self, size_t nbytes)
{
    if (nbytes <= store_capacity(&self->buffer->store)) {
        return 0;
    }
    return rows_make_room(self, 0) < 0 ? -1 : buffer_reserve(self->buffer, nbytes);
}

static int
clear_rows(RowsObject *self, size_t Py_UNUSED(nbytes))
{
    return rows_free_to_shrink(self) < 0 ? -1 : buffer_clear(self->buffer);
}

static int
trim_rows(RowsObject *self, size_t Py_UNUSED(nbytes))
{
    return rows_free_to_shrink(self) < 0 ? -1 : buffer_trim(self->buffer);
}

static PyObject *
perform(PyObject *op, int (*action)(RowsObject *self, size_t nbytes), PyObject *number)
{
    RowsObject *self = rows_cast(op);
    size_t nbytes = number == NULL ? 0 : PyLong_AsSize_t(number);
    if (nbytes == (size_t)-1 && PyErr_Occurred()) {
        return NULL;
    }
    int rc;
    Py_BEGIN_CRITICAL_SECTION(self->buffer);
    rc = action(self, nbytes);
    Py_END_CRITICAL_SECTION();
    return buffer_none_or_null(rc);
}

PyDoc_STRVAR(resize_doc, "_resize($self, nbytes, /)\n--\n\nHave whole rows of bytes.");

static PyObject *
rows_resize(PyObject *op, PyObject *number)
{
    return perform(op, resize_to, number);
}

PyDoc_STRVAR(reserve_doc, "_reserve($self, nbytes, /)\n--\n\nHave a capacity.");

static PyObject *
rows_reserve(PyObject *op, PyObject *number)
{
    return perform(op, reserve_bytes, number);
}

PyDoc_STRVAR(clear_doc,
"clear($self, /)\n--\n\n"
"Remove all rows and give the memory back. Raise BufferError under a view.");

static PyObject *
rows_clear_all(PyObject *op, PyObject *Py_UNUSED(ignored))
{
    return perform(op, clear_rows, NULL);
}

PyDoc_STRVAR(trim_doc,
"trim($self, /)\n--\n\n"
"Give back the memory the rows do not need. Raise BufferError under a view.");

static PyObject *
rows_trim(PyObject *op, PyObject *Py_UNUSED(ignored))
{
    return perform(op, trim_rows, NULL);
}

/* ------------------------------------------------------- what the view does for us */

static PyObject *
rows_subscript(PyObject *op, PyObject *key)
{
    PyObject *view = locked_view(op);
    if (view == NULL) {
        return NULL;
    }
    PyObject *item = PyObject_GetItem(view, key);
    Py_DECREF(view);
    return item;
}

/* With this, a sequence, as an ndarray is: for reversed() and bisect. */
static PyObject *
rows_item(PyObject *op, Py_ssize_t index)
{
    PyObject *view = locked_view(op);
    if (view == NULL) {
        return NULL;
    }
    PyObject *item = PySequence_GetItem(view, index);
    Py_DECREF(view);
    return item;
}

static int
rows_ass_subscript(PyObject *op, PyObject *key, PyObject *value)
{
    if (value == NULL) {
        PyObject *none = PyObject_CallMethod(op, "_delete", "(O)", key);
        Py_XDECREF(none);
        return none == NULL ? -1 : 0;
    }
    PyObject *view = locked_view(op);
    PyObject *source = view == NULL ? NULL : plain(value);
    int rc = source == NULL ? -1 : PyObject_SetItem(view, key, source);
    Py_XDECREF(source);
    Py_XDECREF(view);
    return rc;
}

static PyObject *
rows_iter(PyObject *op)
{
    PyObject *view = handed_view(op);
    if (view == NULL) {
        return NULL;
    }
    PyObject *iterator = PyObject_GetIter(view);
    Py_DECREF(view);
    return iterator;
}

static int
rows_contains(PyObject *op, PyObject *value)
{
    PyObject *view = locked_view(op);
    if (view == NULL) {
        return -1;
    }
    int rc = PySequence_Contains(view, value);
    Py_DECREF(view);
    return rc;
}

static int
rows_bool(PyObject *op)
{
    PyObject *view = locked_view(op);
    if (view == NULL) {
        return -1;
    }
    int rc = PyObject_IsTrue(view);
    Py_DECREF(view);
    return rc;
}

/* NumPy reads some formats of void and structured items otherwise than it wrote them,
 * or not at all (titles, padding behind the last field). Refused, it asks
 * __array__(). */
static int
check_format(RowsObject *self, int flags)
{
    if ((flags & PyBUF_FORMAT) != PyBUF_FORMAT) {
        return 0;
    }
    PyObject *kind = PyObject_GetAttrString(self->dtype, "kind");
    if (kind == NULL) {
        return -1;
    }
    bool is_void = PyUnicode_CompareWithASCIIString(kind, "V") == 0;
    Py_DECREF(kind);
    if (is_void) {
        PyErr_SetString(PyExc_BufferError, "structured rows are not exported with a "
                                           "format: take memoryview(array.array)");
    }
    return is_void ? -1 : 0;
}

/* Never called, since the export is the ndarray's. But only of a type that has it does
 * np.frombuffer keep the export for as long as it looks (numpy #21632). */
static void
rows_releasebuffer(PyObject *Py_UNUSED(op), Py_buffer *Py_UNUSED(buffer))
{
}

/* The export is the ndarray's, with its shape and format. */
static int
rows_getbuffer(PyObject *op, Py_buffer *buffer, int flags)
{
    PyObject *view = check_format(rows_cast(op), flags) < 0 ? NULL : handed_view(op);
    if (view == NULL) {
        buffer->obj = NULL;
        return -1;
    }
    int rc = PyObject_GetBuffer(view, buffer, flags);
    Py_DECREF(view);
    return rc;
}

/* ------------------------------------------------------------------- arithmetic */

static PyObject *
binary(PyObject *left, PyObject *right, binaryfunc apply)
{
    PyObject *result = NULL;
    PyObject *x = plain(left), *y = x == NULL ? NULL : plain(right);
    if (y != NULL) {
        result = apply(x, y);
    }
    Py_XDECREF(x);
    Py_XDECREF(y);
    return result;
}

/* The result of ndarray's own is the view, whose rows are ours. */
static PyObject *
in_place(PyObject *op, PyObject *other, binaryfunc apply)
{
    PyObject *view = locked_view(op);
    PyObject *y = view == NULL ? NULL : plain(other);
    PyObject *result = y == NULL ? NULL : apply(view, y);
    if (result != NULL && result == view) {
        Py_SETREF(result, Py_NewRef(op));
    }
    Py_XDECREF(view);
    Py_XDECREF(y);
    return result;
}

static PyObject *
unary(PyObject *op, unaryfunc apply)
{
    PyObject *view = locked_view(op);
    if (view == NULL) {
        return NULL;
    }
    PyObject *result = apply(view);
    Py_DECREF(view);
    return result;
}

static PyObject *
rows_richcompare(PyObject *op, PyObject *other, int operation)
{
    PyObject *view = locked_view(op);
    PyObject *y = view == NULL ? NULL : plain(other);
    PyObject *result = y == NULL ? NULL : PyObject_RichCompare(view, y, operation);
    Py_XDECREF(view);
    Py_XDECREF(y);
    return result;
}

#define BINARY(name, apply)                                                            \
    static PyObject *rows_##name(PyObject *left, PyObject *right)                      \
    {                                                                                  \
        return binary(left, right, apply);                                             \
    }
#define IN_PLACE(name, apply)                                                          \
    static PyObject *rows_inplace_##name(PyObject *op, PyObject *other)                \
    {                                                                                  \
        return in_place(op, other, apply);                                             \
    }
#define BOTH(name, apply)                                                              \
    BINARY(name, PyNumber_##apply)                                                     \
    IN_PLACE(name, PyNumber_InPlace##apply)
#define UNARY(name, apply)                                                             \
    static PyObject *rows_##name(PyObject *op)                                         \
    {                                                                                  \
        return unary(op, apply);                                                       \
    }

BOTH(add, Add)
BOTH(subtract, Subtract)
BOTH(multiply, Multiply)
BOTH(matrix_multiply, MatrixMultiply)
BOTH(true_divide, TrueDivide)
BOTH(floor_divide, FloorDivide)
BOTH(remainder, Remainder)
BOTH(lshift, Lshift)
BOTH(rshift, Rshift)
BOTH(and, And)
BOTH(or, Or)
BOTH(xor, Xor)
BINARY(divmod, PyNumber_Divmod)
UNARY(negative, PyNumber_Negative)
UNARY(positive, PyNumber_Positive)
UNARY(absolute, PyNumber_Absolute)
UNARY(invert, PyNumber_Invert)
/* Without these two Python would read the bytes of the rows as text. */
UNARY(int, PyNumber_Long)
UNARY(float, PyNumber_Float)

/* ndarray knows no modulus either. */
static PyObject *
power(PyObject *left, PyObject *right)
{
    return PyNumber_Power(left, right, Py_None);
}

static PyObject *
power_in_place(PyObject *left, PyObject *right)
{
    return PyNumber_InPlacePower(left, right, Py_None);
}

static PyObject *
rows_power(PyObject *left, PyObject *right, PyObject *modulus)
{
    if (modulus != Py_None) {
        Py_RETURN_NOTIMPLEMENTED;
    }
    return binary(left, right, power);
}

static PyObject *
rows_inplace_power(PyObject *op, PyObject *other, PyObject *Py_UNUSED(modulus))
{
    return in_place(op, other, power_in_place);
}

/* ------------------------------------------------------------------------ ufuncs */

/* What NumPy passes as `out`: a tuple, in which Rows may be. */
static PyObject *
plain_tuple(PyObject *tuple)
{
    Py_ssize_t n = PyTuple_GET_SIZE(tuple);
    PyObject *result = PyTuple_New(n);
    for (Py_ssize_t i = 0; result != NULL && i < n; i++) {
        PyObject *item = plain(PyTuple_GET_ITEM(tuple, i));
        if (item == NULL) {
            Py_CLEAR(result);
            break;
        }
        PyTuple_SET_ITEM(result, i, item);
    }
    return result;
}

/* Where Rows were given as `out`, the result is them and not their view. Takes over the
 * reference to `result`. */
static PyObject *
as_given(PyObject *out, PyObject *result)
{
    Py_ssize_t n = PyTuple_GET_SIZE(out);
    if (result == NULL || !PyTuple_CheckExact(result)) {
        PyObject *target = n == 1 ? PyTuple_GET_ITEM(out, 0) : Py_None;
        if (result != NULL && is_rows(target)) {
            Py_SETREF(result, Py_NewRef(target));
        }
        return result;
    }
    PyObject *mapped = PyTuple_New(PyTuple_GET_SIZE(result));
    for (Py_ssize_t i = 0; mapped != NULL && i < PyTuple_GET_SIZE(result); i++) {
        PyObject *target = i < n ? PyTuple_GET_ITEM(out, i) : Py_None;
        PyObject *item = is_rows(target) ? target : PyTuple_GET_ITEM(result, i);
        PyTuple_SET_ITEM(mapped, i, Py_NewRef(item));
    }
    Py_DECREF(result);
    return mapped;
}

/* Whether a string is these `length` characters, without the calls that a comparison in
 * general takes: a ufunc of a few items is not much longer. */
static inline bool
is_word(PyObject *op, const char *word, size_t length)
{
    return PyUnicode_Check(op) && PyUnicode_IS_ASCII(op) &&
           (size_t)PyUnicode_GET_LENGTH(op) == length &&
           memcmp(PyUnicode_1BYTE_DATA(op), word, length) == 0;
}

#define IS_WORD(op, word) is_word((op), (word), sizeof(word) - 1)

static PyObject *
find_out(PyObject *const *values, PyObject *kwnames)
{
    for (Py_ssize_t i = 0; kwnames != NULL && i < PyTuple_GET_SIZE(kwnames); i++) {
        if (IS_WORD(PyTuple_GET_ITEM(kwnames, i), "out") && PyTuple_Check(values[i])) {
            return values[i];
        }
    }
    return NULL;
}

/* Call a ufunc, which is the first of `args`, or a method of it. */
static PyObject *
call_ufunc(PyObject *method, PyObject *const *args, Py_ssize_t nargs, PyObject *kwnames)
{
    if (IS_WORD(method, "__call__")) {
        size_t nargsf = (size_t)(nargs - 1) | PY_VECTORCALL_ARGUMENTS_OFFSET;
        return PyObject_Vectorcall(args[0], args + 1, nargsf, kwnames);
    }
    return PyObject_VectorcallMethod(method, args, (size_t)nargs, kwnames);
}

PyDoc_STRVAR(array_ufunc_doc,
"__array_ufunc__($self, ufunc, method, /, *inputs, **kwargs)\n--\n\n"
"Apply a ufunc, or a method of one, to the rows as an ndarray.\n\n"
"What was given as out is returned as it was given.");

/* More than any ufunc takes: NumPy allows 64 operands, and there are ten keywords. */
enum { MOST_ARGS = 80 };

static PyObject *
array_ufunc(PyObject *Py_UNUSED(op), PyObject *const *args, Py_ssize_t nargs,
            PyObject *kwnames)
{
    PyObject *plains[MOST_ARGS], *result = NULL;
    Py_ssize_t nkwargs = kwnames == NULL ? 0 : PyTuple_GET_SIZE(kwnames);
    PyObject *out = find_out(args + nargs, kwnames);
    /* Alone, it may as well be given by position, which costs NumPy less. */
    bool by_position =
        out != NULL && nargs >= 2 && nkwargs == 1 && IS_WORD(args[1], "__call__");
    Py_ssize_t nmore = by_position ? PyTuple_GET_SIZE(out) : nkwargs;
    if (nargs < 2 || nargs + nmore > MOST_ARGS) {
        PyErr_SetString(PyExc_TypeError,
                        "__array_ufunc__() needs a ufunc, the name of a "
                        "method, and what that takes");
        return NULL;
    }
    PyObject *const *more =
        by_position ? ((PyTupleObject *)out)->ob_item : args + nargs;
    /* The ufunc first, and then what it is called with: the name is left out. */
    Py_ssize_t n = 0, all = nargs - 1 + nmore;
    for (; n < all; n++) {
        PyObject *arg = n == 0          ? args[0]
                        : n < nargs - 1 ? args[n + 1]
                                        : more[n - (nargs - 1)];
        plains[n] = out != NULL && arg == out ? plain_tuple(arg) : plain(arg);
        if (plains[n] == NULL) {
            break;
        }
    }
    if (n == all) {
        result = by_position ? call_ufunc(args[1], plains, n, NULL)
                             : call_ufunc(args[1], plains, nargs - 1, kwnames);
        result = out == NULL ? result : as_given(out, result);
    }
    while (n > 0) {
        Py_DECREF(plains[--n]);
    }
    return result;
}

/* ----------------------------------------------------------------- the attributes */

static PyObject *
get_array(PyObject *op, void *Py_UNUSED(closure))
{
    return handed_view(op);
}

/* Who has the buffer may shrink it, and no view that is kept here may be in the way. */
static PyObject *
get_buffer(PyObject *op, void *Py_UNUSED(closure))
{
    RowsObject *self = rows_cast(op);
    Py_BEGIN_CRITICAL_SECTION(self->buffer);
    self->shared = true;
    Py_CLEAR(self->view);
    Py_END_CRITICAL_SECTION();
    return Py_NewRef(self->buffer);
}

static PyObject *
get_own_buffer(PyObject *op, void *Py_UNUSED(closure))
{
    return Py_NewRef(rows_cast(op)->buffer);
}

static PyObject *
get_dtype(PyObject *op, void *Py_UNUSED(closure))
{
    return Py_NewRef(rows_cast(op)->dtype);
}

static PyObject *
get_row_shape(PyObject *op, void *Py_UNUSED(closure))
{
    return Py_NewRef(rows_cast(op)->row_shape);
}

static PyObject *
get_row_nbytes(PyObject *op, void *Py_UNUSED(closure))
{
    return PyLong_FromSize_t(rows_cast(op)->row_nbytes);
}

static PyObject *
get_shape(PyObject *op, void *Py_UNUSED(closure))
{
    PyObject *row_shape = rows_cast(op)->row_shape;
    Py_ssize_t ndim = PyTuple_GET_SIZE(row_shape);
    PyObject *nrows = PyLong_FromSsize_t(rows_length(op));
    PyObject *shape = nrows == NULL ? NULL : PyTuple_New(ndim + 1);
    if (shape == NULL) {
        Py_XDECREF(nrows);
        return NULL;
    }
    PyTuple_SET_ITEM(shape, 0, nrows);
    for (Py_ssize_t i = 0; i < ndim; i++) {
        PyTuple_SET_ITEM(shape, i + 1, Py_NewRef(PyTuple_GET_ITEM(row_shape, i)));
    }
    return shape;
}

/* -------------------------------------------------------------- birth and death */

static PyObject *
fold(PyObject *row_shape)
{
    PyObject *any = Py_BuildValue("(i)", -1);
    PyObject *folding = any == NULL ? NULL : PySequence_Concat(any, row_shape);
    Py_XDECREF(any);
    return folding;
}

static int
rows_open(RowsObject *self, PyObject *cells)
{
    if (PyTuple_GET_SIZE(self->row_shape) > 0) {
        self->folding = fold(self->row_shape);
        if (self->folding == NULL) {
            return -1;
        }
    }
    return cells_open(&self->cells, cells, self->row_nbytes);
}

static PyObject *
rows_new(PyTypeObject *type, PyObject *args, PyObject *kwargs)
{
    PyObject *buffer, *dtype, *row_shape, *frombuffer, *cells;
    Py_ssize_t row_nbytes;
    int shared;
    if (kwargs != NULL && PyDict_GET_SIZE(kwargs) > 0) {
        PyErr_SetString(PyExc_TypeError, "Rows() takes no keyword arguments");
        return NULL;
    }
    if (!PyArg_ParseTuple(args, "OOO!nOpO!:Rows", &buffer, &dtype, &PyTuple_Type,
                          &row_shape, &row_nbytes, &frombuffer, &shared, &PyTuple_Type,
                          &cells)) {
        return NULL;
    }
    if (buffer_type(Py_TYPE(buffer)) == NULL || row_nbytes <= 0) {
        PyErr_SetString(PyExc_TypeError, "Rows() needs a GrowBuffer and rows of bytes");
        return NULL;
    }
    PyObject *op = type->tp_alloc(type, 0);
    if (op == NULL) {
        return NULL;
    }
    RowsObject *self = rows_cast(op);
    self->buffer = (BufferObject *)Py_NewRef(buffer);
    self->dtype = Py_NewRef(dtype);
    self->row_shape = Py_NewRef(row_shape);
    self->frombuffer = Py_NewRef(frombuffer);
    self->row_nbytes = (size_t)row_nbytes;
    self->shared = shared;
    if (rows_open(self, cells) < 0) {
        Py_CLEAR(op);
    }
    return op;
}

static int
rows_traverse(PyObject *op, visitproc visit, void *arg)
{
    RowsObject *self = rows_cast(op);
    Py_VISIT(Py_TYPE(op));
    Py_VISIT(self->buffer);
    Py_VISIT(self->dtype);
    Py_VISIT(self->row_shape);
    Py_VISIT(self->frombuffer);
    Py_VISIT(self->view);
    return 0;
}

/* Only the view: nothing else can be part of a cycle, or may be missing. */
static int
rows_clear(PyObject *op)
{
    Py_CLEAR(rows_cast(op)->view);
    return 0;
}

static void
rows_dealloc(PyObject *op)
{
    RowsObject *self = rows_cast(op);
    PyTypeObject *type = Py_TYPE(op);
    PyObject_GC_UnTrack(op);
    Py_CLEAR(self->view);
    Py_CLEAR(self->buffer);
    Py_CLEAR(self->dtype);
    Py_CLEAR(self->row_shape);
    Py_CLEAR(self->frombuffer);
    Py_CLEAR(self->folding);
    cells_close(&self->cells);
    type->tp_free(op);
    Py_DECREF(type);
}

static PyMethodDef rows_methods[] = {
    {"append", append, METH_O, append_doc},
    {"extend", extend, METH_O, extend_doc},
    {"_append_bytes", append_bytes_of, METH_O, append_bytes_doc},
    {"_remove_row", rows_remove_row, METH_O, remove_row_doc},
    {"_pop_row", rows_pop_row, METH_VARARGS, pop_row_doc},
    {"_remove_rows", rows_remove_rows, METH_O, remove_rows_doc},
    {"_delete_where", rows_delete_where, METH_O, delete_where_doc},
    {"_insert_bytes", rows_insert_bytes, METH_VARARGS, insert_bytes_doc},
    {"take", rows_take, METH_NOARGS, take_doc},
    {"_resize", rows_resize, METH_O, resize_doc},
    {"_reserve", rows_reserve, METH_O, reserve_doc},
    {"clear", rows_clear_all, METH_NOARGS, clear_doc},
    {"trim", rows_trim, METH_NOARGS, trim_doc},
    {"__array_ufunc__", BUFFER_METHOD(array_ufunc), METH_FASTCALL | METH_KEYWORDS,
     array_ufunc_doc},
    {NULL, NULL, 0, NULL},
};

PyDoc_STRVAR(rows_doc, "Rows of one dtype in a GrowBuffer: see GrowArray.");
PyDoc_STRVAR(array_doc,
"All rows as an ndarray, without a copy. It keeps its length.\n\n"
"A new one each time, in tens of nanoseconds; where the length has changed, in half a\n"
"microsecond.");
PyDoc_STRVAR(buffer_doc,
"The GrowBuffer that holds the rows, which stay whole.\n\n"
"Once it is handed out the array keeps no view of its own, and makes one each time it\n"
"needs one.");
PyDoc_STRVAR(dtype_doc, "The dtype of the items.");
PyDoc_STRVAR(shape_doc, "The number of rows, and a row's shape.");
PyDoc_STRVAR(row_shape_doc, "The shape of one row.");

static PyGetSetDef rows_getset[] = {
    {"array", get_array, NULL, array_doc, NULL},
    {"buffer", get_buffer, NULL, buffer_doc, NULL},
    {"dtype", get_dtype, NULL, dtype_doc, NULL},
    {"shape", get_shape, NULL, shape_doc, NULL},
    {"row_shape", get_row_shape, NULL, row_shape_doc, NULL},
    {"_buffer", get_own_buffer, NULL, NULL, NULL},
    {"_row_nbytes", get_row_nbytes, NULL, NULL, NULL},
    {NULL, NULL, NULL, NULL, NULL},
};

#define NUMBER(name) {Py_nb_##name, rows_##name}
#define NUMBER_BOTH(name) NUMBER(name), NUMBER(inplace_##name)

static PyType_Slot rows_slots[] = {
    {Py_tp_doc, (void *)rows_doc},
    {Py_tp_new, rows_new},
    {Py_tp_dealloc, rows_dealloc},
    {Py_tp_traverse, rows_traverse},
    {Py_tp_clear, rows_clear},
    {Py_tp_methods, rows_methods},
    {Py_tp_getset, rows_getset},
    {Py_tp_iter, rows_iter},
    {Py_tp_richcompare, rows_richcompare},
    {Py_tp_hash, PyObject_HashNotImplemented},
    {Py_bf_getbuffer, rows_getbuffer},
    {Py_bf_releasebuffer, rows_releasebuffer},
    {Py_sq_item, rows_item},
    {Py_mp_length, rows_length},
    {Py_mp_subscript, rows_subscript},
    {Py_mp_ass_subscript, rows_ass_subscript},
    {Py_sq_length, rows_length},
    {Py_sq_contains, rows_contains},
    NUMBER_BOTH(add),
    NUMBER_BOTH(subtract),
    NUMBER_BOTH(multiply),
    NUMBER_BOTH(matrix_multiply),
    NUMBER_BOTH(true_divide),
    NUMBER_BOTH(floor_divide),
    NUMBER_BOTH(remainder),
    NUMBER_BOTH(power),
    NUMBER_BOTH(lshift),
    NUMBER_BOTH(rshift),
    NUMBER_BOTH(and),
    NUMBER_BOTH(or),
    NUMBER_BOTH(xor),
    NUMBER(divmod),
    NUMBER(negative),
    NUMBER(positive),
    NUMBER(absolute),
    NUMBER(invert),
    NUMBER(int),
    NUMBER(float),
    NUMBER(bool),
    {0, NULL},
};

PyType_Spec array_rows_spec = {
    .name = "growbuf._growbuf.Rows",
    .basicsize = sizeof(RowsObject),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE | Py_TPFLAGS_HAVE_GC |
             Py_TPFLAGS_IMMUTABLETYPE,
    .slots = rows_slots,
};
