/* rows_resize: the methods of a GrowArray that detach its first rows, and that set the
 * length and the capacity. */

#include "rows_resize.h"

#include "args.h"
#include "transfer.h"

/* ------------------------------------------------------------------------- detach */

/* For transfer_take_first(): return an ndarray of the buffer of the detached rows. */
static PyObject *
make_detached(void *self, PyObject *taken)
{
    assert(buffer_length(buffer_cast(taken)) % rows_cast(self)->layout->row_nbytes ==
           0);
    return rows_make_view(self, taken);
}

/* Remove the first rows and return them: `nbytes` of rows, or all if it is SIZE_MAX.
 * `nrows` is the number in the message of an error. Under the lock. */
static PyObject *
detach_first(RowsObject *self, size_t nbytes, PyObject *nrows)
{
    BufferObject *buffer = self->buffer;
    if (rows_check_whole(self) < 0 || rows_drop_kept_view(self, true) < 0) {
        return NULL;
    }
    size_t length = buffer_length(buffer);
    nbytes = nbytes == SIZE_MAX ? length : nbytes;
    if (nbytes > length) {
        PyErr_Format(PyExc_ValueError, "cannot detach %S rows: the array has %zu",
                     nrows, length / self->layout->row_nbytes);
        return NULL;
    }
    assert(nbytes % self->layout->row_nbytes == 0);
    return transfer_take_first(buffer, nbytes, make_detached, self);
}

PyDoc_STRVAR(detach_doc,
"detach($self, nrows=None, /)\n--\n\n"
"Remove the first `nrows` rows, all by default, and return them as an ndarray that\n"
"owns their memory.\n\n"
"Rows of less than 1 MiB in all are copied. The pages of more rows move: that takes\n"
"microseconds, and a copy of 2 MiB at most. If the kernel cannot move pages, or a view\n"
"is held, the rows are copied instead; the view keeps its rows.\n"
"Raise BufferError if a view is held and the array is not stable; ValueError if nrows\n"
"is negative or more than the number of rows. The array is unchanged then.\n\n"
">>> from growbuf import GrowArray\n"
">>> samples = GrowArray([1.0, 2.0, 3.0])\n"
">>> samples.detach(1), samples.detach(), len(samples)\n"
"(array([1.]), array([2., 3.]), 0)");

static PyObject *
rows_detach(PyObject *op, PyObject *const *args, Py_ssize_t nargs)
{
    RowsObject *self = rows_cast(op);
    PyObject *nrows = nargs > 0 ? args[0] : Py_None;
    size_t nbytes = SIZE_MAX;
    if (args_check_count("detach", nargs, 0, 1) < 0 ||
        (nrows != Py_None &&
         rows_nbytes_of(self->layout, "nrows", nrows, 0, &nbytes) < 0)) {
        return NULL;
    }
    PyObject *rows;
    ROWS_LOCKED(self, rows, detach_first(self, nbytes, nrows));
    assert((rows == NULL) == (PyErr_Occurred() != NULL));
    return rows;
}

/* -------------------------------------------------------------- length and memory */

/* Set the length to `nbytes`. Under the lock. */
static int
resize_to(RowsObject *self, size_t nbytes)
{
    assert(nbytes % self->layout->row_nbytes == 0 && nbytes <= self->max_nbytes);
    if (nbytes < buffer_length(self->buffer) &&
        rows_drop_kept_view(self, nbytes == 0) < 0) {
        return -1;
    }
    size_t length = buffer_length(self->buffer);
    if (nbytes <= length) {
        return buffer_splice(self->buffer, nbytes, length - nbytes, 0);
    }
    if (rows_check_growable(self, nbytes - length) < 0) {
        return -1;
    }
    length = buffer_length(self->buffer);
    assert(length % self->layout->row_nbytes == 0);
    if (nbytes <= length) {
        return buffer_splice(self->buffer, nbytes, length - nbytes, 0);
    }
    int rc = buffer_append_zeros(self->buffer, nbytes - length);
    return rows_explain_no_memory(self, nbytes - length, rc);
}

PyDoc_STRVAR(resize_doc,
"resize($self, nrows, /)\n--\n\n"
"Set the number of rows: remove rows at the end, or append rows of zero bytes.\n\n"
"Raise ValueError if nrows is negative or more than maxlen; MemoryError past the\n"
"limit; BufferError if rows would be removed while a view is held. Writes the new\n"
"rows once, except in new pages, which are zero already.\n\n"
">>> from growbuf import GrowArray\n"
">>> samples = GrowArray([1.0])\n"
">>> samples.resize(3)\n"
">>> samples\n"
"GrowArray([1., 0., 0.])");

static PyObject *
rows_resize(PyObject *op, PyObject *nrows)
{
    RowsObject *self = rows_cast(op);
    size_t nbytes;
    if (rows_nbytes_of(self->layout, "nrows", nrows, 0, &nbytes) < 0) {
        return NULL;
    }
    if (nbytes > self->max_nbytes) {
        PyErr_Format(PyExc_ValueError, "cannot resize to %S rows: maxlen is %zu", nrows,
                     self->max_nbytes / self->layout->row_nbytes);
        return NULL;
    }
    int rc;
    ROWS_LOCKED(self, rc, resize_to(self, nbytes));
    return buffer_none_or_null(rc);
}

PyDoc_STRVAR(reserve_doc,
"reserve($self, nrows, /)\n--\n\n"
"Ensure a capacity of at least nrows, the present rows included.\n\n"
"An nrows of more than maxlen reserves maxlen rows.\n"
"Raise ValueError if nrows is negative, MemoryError past the limit or if the system\n"
"refuses, BufferError if it would move rows while a view is held.\n\n"
">>> from growbuf import GrowArray\n"
">>> samples = GrowArray()\n"
">>> samples.reserve(1000)\n"
">>> samples.capacity >= 1000\n"
"True");

static PyObject *
rows_reserve(PyObject *op, PyObject *nrows)
{
    RowsObject *self = rows_cast(op);
    size_t nbytes;
    if (rows_nbytes_of(self->layout, "nrows", nrows, 0, &nbytes) < 0) {
        return NULL;
    }
    nbytes = Py_MIN(nbytes, self->max_nbytes);
    assert(nbytes <= PY_SSIZE_T_MAX);
    int rc = 0;
    Py_BEGIN_CRITICAL_SECTION(self->buffer);
    if (nbytes > store_capacity(&self->buffer->store)) {
        size_t length = buffer_length(self->buffer);
        assert(length < nbytes);
        assert(nbytes % self->layout->row_nbytes == 0);
        rc = rows_check_growable(self, nbytes - length);
        rc = rc < 0 ? -1 : buffer_reserve(self->buffer, nbytes);
        rc = rows_explain_no_memory(self, nbytes - length, rc);
    }
    Py_END_CRITICAL_SECTION();
    return buffer_none_or_null(rc);
}

PyDoc_STRVAR(clear_doc,
"clear($self, /)\n--\n\n"
"Remove all rows and release the memory; a view that is held keeps its rows.\n\n"
"Bytes that readfrom() has read but not appended are dropped.\n"
"Raise BufferError if a view is held and the array is not stable. Costs some system\n"
"calls for a large array.\n\n"
">>> from growbuf import GrowArray\n"
">>> samples = GrowArray([1.0, 2.0])\n"
">>> samples.clear()\n"
">>> len(samples)\n"
"0");

static PyObject *
rows_clear(PyObject *op, PyObject *Py_UNUSED(ignored))
{
    RowsObject *self = rows_cast(op);
    int rc;
    Py_BEGIN_CRITICAL_SECTION(self->buffer);
    rc = rows_drop_kept_view(self, true) < 0 ? -1 : buffer_clear(self->buffer);
    assert(rc < 0 || buffer_length(self->buffer) == 0);
    if (rc == 0 && self->extra != NULL) {
        self->extra->pending_nbytes = 0;
    }
    Py_END_CRITICAL_SECTION();
    return buffer_none_or_null(rc);
}

PyDoc_STRVAR(trim_doc,
"trim($self, /)\n--\n\n"
"Release the memory that the rows do not need.\n\n"
"Raise BufferError while a view is held. Costs some system calls, and a copy of the\n"
"rows if first rows were removed.\n\n"
">>> from growbuf import GrowArray\n"
">>> samples = GrowArray([1.0, 2.0])\n"
">>> samples.trim()\n"
">>> samples\n"
"GrowArray([1., 2.])");

static PyObject *
rows_trim(PyObject *op, PyObject *Py_UNUSED(ignored))
{
    RowsObject *self = rows_cast(op);
    int rc;
    ROWS_LOCKED(self, rc,
                rows_drop_kept_view(self, false) < 0 ? -1 : buffer_trim(self->buffer));
    return buffer_none_or_null(rc);
}

const PyMethodDef rows_resize_methods[] = {
    {"detach", BUFFER_METHOD(rows_detach), METH_FASTCALL, detach_doc},
    {"resize", rows_resize, METH_O, resize_doc},
    {"reserve", rows_reserve, METH_O, reserve_doc},
    {"clear", rows_clear, METH_NOARGS, clear_doc},
    {"trim", rows_trim, METH_NOARGS, trim_doc},
    {NULL, NULL, 0, NULL},
};
