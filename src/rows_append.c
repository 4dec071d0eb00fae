/* rows_append: converting values to rows and appending them.
 *
 * Three ways are tried in turn. First, C code converts the value and writes it after
 * the last row. Second, if the value is an array of our dtype, its bytes are copied.
 * Third, growbuf/array.py makes an array of it with NumPy. A function returns 1 if it
 * is done, 0 if the next way is to be tried, -1 with an exception.
 */

#include "rows_append.h"

#include "state.h"

/* ---------------------------------------------------- appending Python's objects */

/* Write rows to the tailroom, then publish them all. If C code cannot convert one,
 * publish none, restore the NUL after the last byte, and return 0. pre: the tailroom is
 * long enough. */
static int
write_rows(RowsObject *self, PyObject *const *rows, size_t count)
{
    LayoutObject *layout = self->layout;
    char *end = buffer_bytes(self->buffer) + buffer_length(self->buffer), *to = end;
    assert(count > 0);
    assert(count * layout->row_nbytes <= store_tailroom(&self->buffer->store));
    assert(!buffer_is_exported(self->buffer) || store_is_limited(&self->buffer->store));
    assert(rows != NULL && layout->row_nbytes > 0);
    for (size_t i = 0; i < count; i++, to += layout->row_nbytes) {
        if (!layout_write(layout, to, rows[i])) {
            *end = '\0';
            buffer_forget_spare(self->buffer);
            return 0;
        }
    }
    assert(to == end + count * layout->row_nbytes);
    return rows_commit(self, count * layout->row_nbytes) < 0 ? -1 : 1;
}

/* Write and publish all rows of a list or a tuple. Making tailroom may run code that
 * changes the list, so its items are read afterwards. */
static int
write_listed(RowsObject *self, PyObject *rows)
{
    size_t count = (size_t)PySequence_Fast_GET_SIZE(rows);
    assert(PyList_CheckExact(rows) || PyTuple_CheckExact(rows));
    if (count == 0) {
        return 1;
    }
    if (count > PY_SSIZE_T_MAX / self->layout->row_nbytes) {
        PyErr_Format(PyExc_MemoryError, "there is no memory for %zu rows of %zu bytes",
                     count, self->layout->row_nbytes);
        return -1;
    }
    if (count * self->layout->row_nbytes > self->max_nbytes) {
        return 0;
    }
    if (rows_make_tailroom(self, count * self->layout->row_nbytes) < 0) {
        return -1;
    }
    return (size_t)PySequence_Fast_GET_SIZE(rows) == count
               ? write_rows(self, PySequence_Fast_ITEMS(rows), count)
               : 0;
}

/* ------------------------------------------------------ appending bytes of arrays */

int
rows_append_bytes(RowsObject *self, const char *bytes, size_t nbytes)
{
    assert(nbytes % self->layout->row_nbytes == 0 && (bytes != NULL || nbytes == 0));
    assert(self->max_nbytes == MAXLEN_NONE ||
           self->max_nbytes % self->layout->row_nbytes == 0);
    if (nbytes > self->max_nbytes) { /* the last rows are kept */
        bytes += nbytes - self->max_nbytes;
        nbytes = self->max_nbytes;
    }
    if (nbytes == 0) {
        return 1;
    }
    if (rows_make_tailroom(self, nbytes) < 0) {
        return -1;
    }
    char *end = buffer_bytes(self->buffer) + buffer_length(self->buffer);
    assert(nbytes <= store_tailroom(&self->buffer->store));
    memmove(end, bytes, nbytes); /* rows of a committed spare may overlap the tail */
    layout_clean(self->layout, end, nbytes);
    return rows_commit(self, nbytes) < 0 ? -1 : 1;
}

/* Return 1 if an object's dtype is ours, else 0; -1 with an exception. The types of the
 * dtypes are compared first, because a dtype also equals other objects, such as its
 * name. */
static int
has_our_dtype(RowsObject *self, PyObject *op)
{
    PyObject *ours = self->layout->dtype;
    PyObject *dtype =
        PyObject_GetAttr(op, state_of((PyObject *)self->buffer)->dtype_name);
    if (dtype == NULL) {
        if (!PyErr_ExceptionMatches(PyExc_AttributeError)) {
            return -1;
        }
        PyErr_Clear();
        return 0;
    }
    int rc = dtype == ours;
    assert(ours != NULL && !PyErr_Occurred());
    if (!rc && Py_TYPE(dtype) == Py_TYPE(ours)) {
        rc = PyObject_RichCompareBool(dtype, ours, Py_EQ);
    }
    Py_DECREF(dtype);
    return rc;
}

/* Whether a view has `naxes` axes, followed by the axes of one row. */
static bool
has_our_shape(RowsObject *self, const Py_buffer *view, int naxes)
{
    PyObject *row_shape = self->layout->row_shape;
    Py_ssize_t ndim = PyTuple_GET_SIZE(row_shape);
    assert(naxes == 0 || naxes == 1);
    if (view->ndim != ndim + naxes) {
        return false;
    }
    /* A datetime64 scalar exports its value as an axis of 8 items of 1 byte. So compare
     * the bytes of a row too. */
    size_t row_nbytes = (size_t)view->itemsize;
    for (Py_ssize_t i = 0; i < ndim; i++) {
        if (view->shape[naxes + i] !=
            PyLong_AsSsize_t(PyTuple_GET_ITEM(row_shape, i))) {
            return false;
        }
        row_nbytes *= (size_t)view->shape[naxes + i];
    }
    return row_nbytes == self->layout->row_nbytes;
}

/* Append a C-contiguous array of our dtype: one row if `naxes` is 0, rows if it is 1.
 * Return 0 for other objects; for the array itself, because an export of it would
 * prevent growing; and for a row of a subclass of ndarray, such as np.ma.masked. */
static int
append_array(PyObject *op, PyObject *array, int naxes)
{
    RowsObject *self = rows_cast(op);
    if (array == op || !PyObject_CheckBuffer(array) || PyBytes_Check(array)) {
        return 0;
    }
    PyTypeObject *ndarray = (PyTypeObject *)self->layout->numpy->hooks[NUMPY_ndarray];
    if (naxes == 0 && Py_TYPE(array) != ndarray && PyObject_TypeCheck(array, ndarray)) {
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
    rc = has_our_shape(self, &view, naxes);
    if (rc > 0) {
        assert(view.len >= 0 && (size_t)view.len % self->layout->row_nbytes == 0);
        ROWS_LOCKED(self, rc, rows_append_bytes(self, view.buf, (size_t)view.len));
    }
    PyBuffer_Release(&view);
    return rc;
}

/* Append the rows of an ndarray that NumPy made for us. Takes the reference to it,
 * which may be NULL with an exception. */
static int
append_made(RowsObject *self, PyObject *array)
{
    Py_buffer view;
    if (array == NULL || PyObject_GetBuffer(array, &view, PyBUF_SIMPLE) < 0) {
        Py_XDECREF(array);
        return -1;
    }
    int rc = -1;
    if ((size_t)view.len % self->layout->row_nbytes == 0) {
        ROWS_LOCKED(self, rc, rows_append_bytes(self, view.buf, (size_t)view.len));
    }
    else {
        PyErr_Format(PyExc_ValueError,
                     "%zd bytes are not a multiple of the row size, %zu bytes",
                     view.len, self->layout->row_nbytes);
    }
    PyBuffer_Release(&view);
    Py_DECREF(array);
    return rc;
}

/* -------------------------------------------------------------- append and extend */

/* Append one row in any of the three ways. */
static int
append_row(PyObject *op, PyObject *row)
{
    RowsObject *self = rows_cast(op);
    int rc;
    ROWS_LOCKED(self, rc,
                rows_make_tailroom(self, self->layout->row_nbytes) < 0
                    ? -1
                    : write_rows(self, &row, 1));
    if (rc == 0) {
        rc = append_array(op, row, 0);
    }
    return rc != 0 ? rc : append_made(self, layout_call(self->layout, NUMPY_row, row));
}

/* Return a new array without rows, of the same layout. Values are gathered there first,
 * because the code that yields them may fail or change the array `op`. */
static PyObject *
begin_gathering(PyObject *op)
{
    RowsObject *self = rows_cast(op);
    PyTypeObject *type = state_of((PyObject *)self->buffer)->buffer_type;
    return rows_create(rows_type(Py_TYPE(op)), buffer_new(type, NULL, NULL),
                       self->layout);
}

/* `value` is one row, or rows if it has one axis more than a row. */
PyObject *
rows_gather(PyObject *op, PyObject *value)
{
    PyObject *gathered = begin_gathering(op), *array = Py_NewRef(Py_None);
    if (gathered == NULL) {
        Py_DECREF(array);
        return NULL;
    }
    if (!PyFloat_Check(value) && !PyLong_Check(value)) {
        Py_SETREF(array, layout_call(rows_cast(op)->layout, NUMPY_inserted, value));
    }
    if ((array == Py_None ? append_row(gathered, value)
                          : append_made(rows_cast(gathered), Py_XNewRef(array))) < 0) {
        Py_CLEAR(gathered);
    }
    Py_XDECREF(array);
    assert((gathered == NULL) == (PyErr_Occurred() != NULL));
    return gathered;
}

/* Gather all rows that an iterable yields, then append them. */
static int
extend_by_iterable(PyObject *op, PyObject *iterable)
{
    RowsObject *self = rows_cast(op);
    PyObject *gathered = begin_gathering(op), *row;
    PyObject *iterator = gathered == NULL ? NULL : PyObject_GetIter(iterable);
    if (iterator == NULL) {
        Py_XDECREF(gathered);
        return -1;
    }
    rows_cast(gathered)->max_nbytes = self->max_nbytes;
    int rc = 1;
    while (rc > 0 && (row = PyIter_Next(iterator)) != NULL) {
        rc = append_row(gathered, row);
        Py_DECREF(row);
    }
    Py_DECREF(iterator);
    if (rc > 0 && !PyErr_Occurred()) {
        assert(gathered != op && rows_cast(gathered)->buffer != self->buffer);
        BufferObject *buffer = rows_cast(gathered)->buffer;
        ROWS_LOCKED(
            self, rc,
            rows_append_bytes(self, buffer_bytes(buffer), buffer_length(buffer)));
    }
    Py_DECREF(gathered);
    return PyErr_Occurred() ? -1 : rc;
}

int
rows_extend_by(PyObject *op, PyObject *values)
{
    RowsObject *self = rows_cast(op);
    int rc;
    if (PyList_CheckExact(values) || PyTuple_CheckExact(values)) {
        Py_BEGIN_CRITICAL_SECTION2(values, self->buffer);
        rc = write_listed(self, values);
        Py_END_CRITICAL_SECTION2();
    }
    else {
        rc = append_array(op, values, 1);
    }
    if (rc != 0) {
        return rc;
    }
    PyObject *array = layout_call(self->layout, NUMPY_rows, values);
    if (array != Py_None) {
        return append_made(self, array);
    }
    Py_DECREF(array);
    return extend_by_iterable(op, values);
}

PyDoc_STRVAR(append_doc,
"append($self, row, /)\n--\n\n"
"Append one row.\n\n"
"row: a value or an array-like. It is broadcast to the row shape, and cast to the\n"
"dtype if NumPy's rule same_kind allows the cast.\n\n"
"If the array has maxlen rows, the first row is removed.\n\n"
"Raise TypeError, ValueError or OverflowError if the row does not fit, MemoryError\n"
"past the limit, BufferError if the array is not stable and a view of it is held.\n"
"The array is unchanged after an exception. Amortized O(1).\n\n"
">>> from growbuf import GrowArray\n"
">>> points = GrowArray(row_shape=2)\n"
">>> points.append((1, 2))\n"
">>> points\n"
"GrowArray([[1., 2.]])");

static PyObject *
rows_append(PyObject *op, PyObject *row)
{
    return buffer_none_or_null(append_row(op, row));
}

PyDoc_STRVAR(extend_doc,
"extend($self, rows, /)\n--\n\n"
"Append all rows of an array or an iterable.\n\n"
"rows: an array-like whose first axis counts rows, or an iterable of rows; each row\n"
"is broadcast and cast as append() does.\n\n"
"Raise as append() does, or an exception of the iterable; then no row is appended. A\n"
"contiguous array of the same dtype is copied once. Other arrays and the rows of an\n"
"iterable are first copied to a temporary array.\n\n"
">>> from growbuf import GrowArray\n"
">>> samples = GrowArray()\n"
">>> samples.extend([1, 2])\n"
">>> samples.extend(x / 2 for x in range(3))\n"
">>> samples\n"
"GrowArray([1. , 2. , 0. , 0.5, 1. ])");

static PyObject *
rows_extend(PyObject *op, PyObject *values)
{
    return buffer_none_or_null(rows_extend_by(op, values));
}

const PyMethodDef rows_append_methods[] = {
    {"append", rows_append, METH_O, append_doc},
    {"extend", rows_extend, METH_O, extend_doc},
    {NULL, NULL, 0, NULL},
};
