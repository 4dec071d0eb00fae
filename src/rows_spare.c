/* rows_spare: spare() and commit() of a GrowArray.
 *
 * A buffer's commit() releases the memoryview that spare() returned. Here spare()
 * returns an ndarray, which cannot be released. If the caller still holds it after
 * commit(), it becomes an ordinary view of a stable array: an export that does not
 * prevent appending.
 */
#include "rows_spare.h"

#include "spare.h"

PyObject *
rows_spare_view(PyObject *op, size_t min, size_t max, unsigned long owner)
{
    RowsObject *self = rows_cast(op);
    PyObject *buffer = (PyObject *)self->buffer;
    int rc;
    assert(min <= max && self->layout->row_nbytes > 0);
    spare_abandon(buffer);
    ROWS_LOCKED(self, rc,
                rows_stabilize(self, min) < 0 ? -1 : rows_make_tailroom(self, min));
    return rc < 0 ? NULL : spare_view(buffer, min, max, owner);
}

/* Append rows of the spare. If a stable array then has more rows than maxlen, remove
 * the first ones. If the array is not stable, the spare prevents that until it is
 * released. Under the lock. */
static int
commit_rows(RowsObject *self, size_t nbytes, const PyObject *view)
{
    BufferObject *buffer = self->buffer;
    if (!store_is_limited(&buffer->store)) {
        Py_CLEAR(self->view); /* other views prevent the append */
    }
    size_t length = buffer_length(buffer);
    assert(nbytes % self->layout->row_nbytes == 0);
    struct spare_mark mark = spare_mark(buffer, nbytes);
    if (rows_check_whole(self) < 0 || spare_commit_locked(buffer, nbytes, view) < 0) {
        return -1;
    }
    assert(buffer_length(buffer) == length + nbytes);
    layout_clean(self->layout, buffer_bytes(buffer) + length, nbytes);
    if (buffer_length(buffer) <= self->max_nbytes ||
        !store_is_limited(&buffer->store)) {
        return 0;
    }
    self->view_nbytes = SIZE_MAX; /* the kept view will show removed rows */
    if (maxlen_trim(buffer, self->max_nbytes) < 0) {
        spare_uncommit(buffer, nbytes, &mark);
        assert(buffer_length(buffer) == length);
        return -1;
    }
    assert(buffer_length(buffer) == self->max_nbytes);
    if (buffer_spare_is_outstanding(buffer)) {
        (void)spare_make_shared(buffer);
    }
    return 0;
}

int
rows_spare_commit(PyObject *op, size_t nbytes, const PyObject *view)
{
    RowsObject *self = rows_cast(op);
    int rc;
    ROWS_LOCKED(self, rc, commit_rows(self, nbytes, view));
    if (rc < 0) {
        return -1;
    }
    spare_abandon((PyObject *)self->buffer);
    Py_BEGIN_CRITICAL_SECTION(self->buffer);
    if (buffer_length(self->buffer) > self->max_nbytes) { /* it is not stable */
        assert(!store_is_limited(&self->buffer->store));
        self->view_nbytes = SIZE_MAX;
        Py_CLEAR(self->view);
        if (maxlen_trim(self->buffer, self->max_nbytes) < 0) {
            PyErr_Clear(); /* a view prevents that: leave it to the next append */
        }
    }
    Py_END_CRITICAL_SECTION();
    return 0;
}

PyDoc_STRVAR(spare_doc,
"spare($self, nrows, /)\n--\n\n"
"Return a writable ndarray of unused memory for `nrows` rows after the last row.\n\n"
"Its values are unspecified: they may be old data of this process. Write to its\n"
"first rows, then call commit() with the number of rows written, which appends\n"
"them.\n\n"
"Until commit(), a call that would change the length raises BufferError, unless the\n"
"ndarray was freed. If this thread calls spare() again, the new ndarray replaces this\n"
"one, which can no longer be committed. After commit() this ndarray is a view like\n"
"others. Do not write to its other rows then: later rows are appended there.\n\n"
"Raise ValueError if nrows is negative, MemoryError past the limit, BufferError if\n"
"another thread has called spare() and not yet commit(), or if the array is not\n"
"stable and a view is held.\n\n"
">>> from growbuf import GrowArray\n"
">>> samples = GrowArray([1.0])\n"
">>> rows = samples.spare(100)\n"
">>> rows[:2] = 2, 3\n"
">>> samples.commit(2)\n"
">>> samples\n"
"GrowArray([1., 2., 3.])");

static PyObject *
rows_spare(PyObject *op, PyObject *nrows)
{
    RowsObject *self = rows_cast(op);
    size_t nbytes;
    if (rows_nbytes_of(self->layout, "nrows", nrows, 0, &nbytes) < 0) {
        return NULL;
    }
    PyObject *view = rows_spare_view(op, nbytes, nbytes, PyThread_get_thread_ident());
    PyObject *rows = view == NULL ? NULL : rows_make_view(self, view);
    Py_XDECREF(view);
    return rows;
}

PyDoc_STRVAR(commit_doc,
"commit($self, nrows, /)\n--\n\n"
"Append the first `nrows` rows of what spare() returned.\n\n"
"Raise ValueError if nrows is negative or more than spare() returned, or if spare()\n"
"was not called or the array has changed since; BufferError if the array is not\n"
"stable and another view is held. One thread may commit the spare of another.\n"
"O(1): nothing is copied.\n\n"
">>> from growbuf import GrowArray\n"
">>> samples = GrowArray()\n"
">>> samples.spare(100)[:2] = 1, 2\n"
">>> samples.commit(2)\n"
">>> samples\n"
"GrowArray([1., 2.])");

/* Raise ValueError if the spare has fewer than `nbytes` bytes. `nrows` is the number in
 * the message. Under the lock. */
static int
check_spared(const RowsObject *self, size_t nbytes, PyObject *nrows)
{
    const SpareObject *spare = buffer_spare(self->buffer);
    assert(spare == NULL || spare->buffer == self->buffer);
    if (spare != NULL && spare->start != NULL && nbytes > spare->nbytes) {
        PyErr_Format(PyExc_ValueError, "cannot commit %S rows: spare() returned %zu",
                     nrows, spare->nbytes / self->layout->row_nbytes);
        return -1;
    }
    return 0;
}

static PyObject *
rows_commit_spare(PyObject *op, PyObject *nrows)
{
    RowsObject *self = rows_cast(op);
    size_t nbytes;
    if (rows_nbytes_of(self->layout, "nrows", nrows, 0, &nbytes) < 0) {
        return NULL;
    }
    int rc;
    ROWS_LOCKED(self, rc, check_spared(self, nbytes, nrows));
    return buffer_none_or_null(rc < 0 ? -1 : rows_spare_commit(op, nbytes, NULL));
}

const PyMethodDef rows_spare_methods[] = {
    {"spare", rows_spare, METH_O, spare_doc},
    {"commit", rows_commit_spare, METH_O, commit_doc},
    {NULL, NULL, 0, NULL},
};
