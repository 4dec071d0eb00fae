/* rows_readfrom: reading rows from a file, a descriptor or a socket.
 *
 * The source writes to the tailroom until at least one row is complete. Then all
 * complete rows are appended at once. The part of the next row is copied to `pending`
 * of the array, and back to the tailroom before the next read. So no other code sees
 * it. Only this part is copied, which is less than a row.
 *
 *   | rows | row | row | part |  free  |      after a read
 *   | rows           |NUL              |      appended;  pending: |part|
 *
 * If a view of an array that is not stable was made meanwhile, the complete rows cannot
 * be appended. They become pending too, and the next call appends them.
 */
#include "rows_readfrom.h"

#include "readfrom.h"
#include "rows_spare.h"
#include "spare.h"

/* What is still to be read. */
struct reading {
    PyObject *reader; /* a method of the source */
    size_t expected;  /* bytes left in the source; 0: unknown */
    size_t max;       /* bytes to read at most, a multiple of the row size */
};

/* Allocate `pending`, of the size of a row, if there is none. It holds less than a row,
 * or a complete row if the array is full. If complete rows cannot be appended,
 * put_back_pending() makes it longer. */
static int
ensure_pending(RowsObject *self)
{
    int rc = 0;
    Py_BEGIN_CRITICAL_SECTION(self->buffer);
    struct rows_extra *extra = rows_ensure_extra(self);
    if (extra != NULL && extra->pending == NULL) {
        extra->pending = PyMem_Malloc(self->layout->row_nbytes);
    }
    if (extra == NULL || extra->pending == NULL) {
        PyErr_NoMemory();
        rc = -1;
    }
    Py_END_CRITICAL_SECTION();
    return rc;
}

/* Move pending bytes to `to`, which has space for `max` bytes: the part of a row, or as
 * many complete rows as fit. Return the number of bytes. */
static size_t
take_pending(RowsObject *self, char *to, size_t max)
{
    size_t row_nbytes = self->layout->row_nbytes, nbytes;
    Py_BEGIN_CRITICAL_SECTION(self->buffer);
    struct rows_extra *extra = self->extra;
    assert(extra != NULL && extra->pending != NULL && max >= row_nbytes);
    nbytes = extra->pending_nbytes;
    if (nbytes >= row_nbytes) {
        nbytes = Py_MIN(nbytes, max);
        nbytes -= nbytes % row_nbytes;
    }
    assert(nbytes <= max);
    assert(nbytes <= extra->pending_nbytes);
    extra->pending_nbytes -= nbytes;
    memcpy(to, extra->pending, nbytes);
    memmove(extra->pending, extra->pending + nbytes, extra->pending_nbytes);
    Py_END_CRITICAL_SECTION();
    return nbytes;
}

/* Append bytes to `pending`, up to a complete row. Bytes after that row are lost. This
 * happens only if two threads call readfrom() of a full array at once, to one byte. */
static void
put_pending(RowsObject *self, const char *bytes, size_t nbytes)
{
    Py_BEGIN_CRITICAL_SECTION(self->buffer);
    struct rows_extra *extra = self->extra;
    size_t row_nbytes = self->layout->row_nbytes;
    size_t max = row_nbytes - Py_MIN(extra->pending_nbytes, row_nbytes);
    assert(extra->pending != NULL && nbytes < row_nbytes + (row_nbytes == 1));
    nbytes = Py_MIN(nbytes, max);
    assert(extra->pending_nbytes + nbytes <= row_nbytes || nbytes == 0);
    memcpy(extra->pending + extra->pending_nbytes, bytes, nbytes);
    extra->pending_nbytes += nbytes;
    Py_END_CRITICAL_SECTION();
}

/* Insert complete rows in `pending`, before the part of a row that follows them.
 * `first` is their first byte; a NUL may have replaced it in `bytes`. If there is no
 * memory for the rows, they are lost, and MemoryError is raised. */
static void
put_back_pending(RowsObject *self, const char *bytes, size_t nbytes, char first)
{
    Py_BEGIN_CRITICAL_SECTION(self->buffer);
    struct rows_extra *extra = self->extra;
    size_t all = nbytes + extra->pending_nbytes;
    assert(nbytes > 0 && nbytes % self->layout->row_nbytes == 0);
    assert(extra->pending_nbytes <= self->layout->row_nbytes);
    char *pending =
        PyMem_Realloc(extra->pending, Py_MAX(all, self->layout->row_nbytes));
    if (pending == NULL) {
        PyErr_NoMemory();
    }
    else {
        assert(bytes + nbytes <= pending || bytes >= pending + all); /* no overlap */
        memmove(pending + nbytes, pending, extra->pending_nbytes);
        memcpy(pending, bytes, nbytes);
        pending[0] = first;
        extra->pending = pending;
        extra->pending_nbytes = all;
    }
    Py_END_CRITICAL_SECTION();
}

/* Find out whether the source of a full array has ended: read one more byte. If the
 * source has one, keep it for the next call and raise MemoryError. Return as
 * readfrom_call() does. */
static Py_ssize_t
read_past_last_row(RowsObject *self, PyObject *reader)
{
    size_t row_nbytes = self->layout->row_nbytes;
    Py_ssize_t nbytes = 1;
    size_t pending;
    assert(self->extra != NULL && self->extra->pending != NULL);
    ROWS_LOCKED(self, pending, self->extra->pending_nbytes);
    if (pending < row_nbytes) {
        PyObject *byte = PyByteArray_FromStringAndSize(NULL, 1);
        if (byte == NULL) {
            return READ_ERROR;
        }
        nbytes = readfrom_call(reader, byte, 1);
        if (nbytes > 0 && PyByteArray_GET_SIZE(byte) > 0) {
            put_pending(self, PyByteArray_AS_STRING(byte), 1);
        }
        Py_DECREF(byte);
    }
    if (nbytes > 0) {
        int rc;
        ROWS_LOCKED(self, rc, rows_check_growable(self, row_nbytes));
        return rc < 0 ? READ_ERROR : READ_NOTHING_YET; /* rows were removed meanwhile */
    }
    return nbytes;
}

/* Call the source once, with the part of the view after an offset. */
static Py_ssize_t
read_into(PyObject *reader, PyObject *view, size_t offset)
{
    Py_ssize_t all = PyMemoryView_GET_BUFFER(view)->len;
    assert((Py_ssize_t)offset < all);
    if (offset == 0) {
        return readfrom_call(reader, view, all);
    }
    PyObject *rest = PySequence_GetSlice(view, (Py_ssize_t)offset, all);
    if (rest == NULL) {
        return READ_ERROR;
    }
    Py_ssize_t nbytes = readfrom_call(reader, rest, all - (Py_ssize_t)offset);
    Py_DECREF(rest);
    return nbytes;
}

/* Append the complete rows at the start of a view of the tailroom. If that fails, keep
 * them for the next call, and raise the exception of the append. An exception that was
 * already set stays set instead. */
static int
append_complete(PyObject *op, PyObject *view, size_t nbytes, char first)
{
    PyObject *type, *value, *traceback;
    assert(nbytes > 0 && nbytes % rows_cast(op)->layout->row_nbytes == 0);
    PyErr_Fetch(&type, &value, &traceback);
    if (rows_spare_commit(op, nbytes, view) == 0) {
        PyErr_Restore(type, value, traceback);
        return 0;
    }
    if (type == NULL) {
        PyErr_Fetch(&type, &value, &traceback);
    }
    PyErr_Clear();
    Py_buffer held; /* the source may have kept the view, and may release it */
    if (PyObject_GetBuffer(view, &held, PyBUF_SIMPLE) == 0) {
        put_back_pending(rows_cast(op), held.buf, nbytes, first);
        PyBuffer_Release(&held);
    }
    if (PyErr_Occurred()) {
        Py_XDECREF(type);
        Py_XDECREF(value);
        Py_XDECREF(traceback);
    }
    else {
        PyErr_Restore(type, value, traceback);
    }
    return -1;
}

/* Read into a view of the tailroom until a row is complete. Append the complete rows,
 * and make the part of the next row pending. Set *appended to the number of bytes
 * appended. Return as readfrom_call() does. */
static Py_ssize_t
read_to_view(PyObject *op, PyObject *reader, PyObject *view, size_t *appended)
{
    RowsObject *self = rows_cast(op);
    size_t row_nbytes = self->layout->row_nbytes;
    Py_buffer held; /* the source cannot release the view before its bytes are read */
    if (PyObject_GetBuffer(view, &held, PyBUF_SIMPLE) < 0) {
        return READ_ERROR;
    }
    char *bytes = held.buf;
    size_t filled = take_pending(self, bytes, (size_t)held.len);
    Py_ssize_t nbytes = 1;
    while (filled < row_nbytes && nbytes > 0) {
        nbytes = read_into(reader, view, filled);
        filled += nbytes > 0 ? (size_t)nbytes : 0;
        if (nbytes > 0 && PyErr_CheckSignals() < 0) {
            nbytes = READ_ERROR;
        }
    }
    assert(filled <= (size_t)held.len && (size_t)held.len >= row_nbytes);
    size_t part = filled % row_nbytes, complete = filled - part;
    char first = bytes[0];
    put_pending(self, bytes + complete, part);
    PyBuffer_Release(&held);
    if (complete > 0 && append_complete(op, view, complete, first) < 0) {
        return READ_ERROR;
    }
    *appended = complete;
    return nbytes;
}

/* Make one view of the tailroom, and read into it until a row is complete. Return as
 * readfrom_call() does. */
static Py_ssize_t
read_rows_once(PyObject *op, const struct reading *reading, size_t *appended)
{
    RowsObject *self = rows_cast(op);
    size_t row_nbytes = self->layout->row_nbytes;
    size_t left = readfrom_left((PyObject *)self->buffer);
    left -= left % row_nbytes;
    if (left == 0) {
        return read_past_last_row(self, reading->reader);
    }
    size_t max = Py_MIN(reading->max, left);
    max = Py_MIN(max, Py_MAX(self->max_nbytes, row_nbytes));
    size_t min = Py_MAX(readfrom_min_view(reading->expected), row_nbytes);
    assert(max >= row_nbytes && reading->max % row_nbytes == 0);
    PyObject *view = rows_spare_view(op, Py_MIN(min, max), max, SPARE_READER);
    if (view == NULL) {
        return READ_ERROR;
    }
    Py_ssize_t nbytes = read_to_view(op, reading->reader, view, appended);
    spare_end_reader((PyObject *)self->buffer, view);
    spare_abandon((PyObject *)self->buffer);
    Py_DECREF(view);
    return nbytes;
}

static PyObject *
read_all_rows(PyObject *op, struct reading *reading)
{
    size_t done = 0;
    Py_ssize_t nbytes = 1;
    while (nbytes > 0 && reading->max > 0) {
        size_t appended = 0;
        nbytes = read_rows_once(op, reading, &appended);
        assert(appended <= reading->max);
        done += appended;
        reading->max -= appended;
        reading->expected -= Py_MIN(appended, reading->expected);
    }
    if (nbytes == READ_ERROR) {
        return NULL;
    }
    if (nbytes == READ_NOTHING_YET && done == 0) {
        Py_RETURN_NONE;
    }
    return PyLong_FromSize_t(done / rows_cast(op)->layout->row_nbytes);
}

PyDoc_STRVAR(readfrom_doc,
"readfrom($self, source, nrows=-1)\n--\n\n"
"Read rows from `source`, append them, and return their number.\n\n"
"source: a file descriptor, an object with readinto() (a file) or with recv_into()\n"
"(a socket). Its bytes are rows in the format that they have in memory. They are read\n"
"into the memory of the array, without another copy.\n"
"nrows: the largest number of rows to read; -1 or None reads to the end of the\n"
"source.\n\n"
"Return 0 if the source has ended before a row was complete. Return None if a\n"
"non-blocking source has no more bytes at the moment and no row was complete. A part\n"
"of the next row may have arrived in each case: pending_nbytes is the number of its\n"
"bytes, and a later call continues with them. So if the source has ended and\n"
"pending_nbytes is not 0, it ended within a row. A view never shows a part of a\n"
"row.\n\n"
"If the source raises, or the array reaches its limit (MemoryError), all rows and\n"
"bytes that were read are kept. If a view of an array that is not stable is made\n"
"meanwhile, raise BufferError; the next call appends the rows. Other threads run\n"
"while the source waits. They may read the array, but cannot change its length\n"
"(BufferError).\n\n"
">>> import io\n"
">>> from growbuf import GrowArray\n"
">>> samples = GrowArray(dtype='u1', row_shape=2)\n"
">>> samples.readfrom(io.BytesIO(bytes([1, 2, 3, 4, 5])))\n"
"2\n"
">>> samples.readfrom(io.BytesIO(bytes([6])))\n"
"1\n"
">>> samples[-1]\n"
"array([5, 6], dtype=uint8)");

static PyObject *
rows_readfrom(PyObject *op, PyObject *args, PyObject *kwargs)
{
    static char *names[] = {"source", "nrows", NULL};
    RowsObject *self = rows_cast(op);
    PyObject *source, *number = Py_None, *file, *result = NULL;
    size_t max = SIZE_MAX;
    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "O|O:readfrom", names, &source,
                                     &number) ||
        (number != Py_None &&
         rows_nbytes_of(self->layout, "nrows", number, -1, &max) < 0)) {
        return NULL;
    }
    if (max > PY_SSIZE_T_MAX) { /* -1 rows */
        max = PY_SSIZE_T_MAX - PY_SSIZE_T_MAX % self->layout->row_nbytes;
    }
    struct reading reading = {.max = max};
    reading.reader = readfrom_find_reader(source, &file);
    if (reading.reader != NULL) {
        reading.expected = readfrom_find_expected(file);
    }
    if (!PyErr_Occurred() && ensure_pending(self) == 0) {
        result = read_all_rows(op, &reading);
    }
    Py_XDECREF(reading.reader);
    Py_XDECREF(file);
    return result;
}

const PyMethodDef rows_readfrom_methods[] = {
    {"readfrom", BUFFER_METHOD(rows_readfrom), METH_VARARGS | METH_KEYWORDS,
     readfrom_doc},
    {NULL, NULL, 0, NULL},
};
