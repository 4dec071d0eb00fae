/* readfrom: reading a file, a descriptor or a socket into the free tail of a buffer. */
#include "readfrom.h"

#include <errno.h>

#include "args.h"
#include "spare.h"

/* The bounds of readfrom_min_view(). A view is longer if more of the tail is free, and
 * shorter if the limit of the buffer or of the call leaves less. */
enum { VIEW_MIN = 64 * 1024, VIEW_MAX = 16 * 1024 * 1024 };

/* ------------------------------------------------------------------- the source */

PyObject *
readfrom_find_reader(PyObject *source, PyObject **file)
{
    *file = NULL;
    if (PyIndex_Check(source)) {
        PyObject *io = PyImport_ImportModule("io");
        PyObject *type = io == NULL ? NULL : PyObject_GetAttrString(io, "FileIO");
        if (type != NULL) {
            *file = PyObject_CallFunction(type, "OsO", source, "rb", Py_False);
        }
        Py_XDECREF(type);
        Py_XDECREF(io);
        return *file == NULL ? NULL : PyObject_GetAttrString(*file, "readinto");
    }
    PyObject *reader = PyObject_GetAttrString(source, "readinto");
    if (reader != NULL) {
        *file = Py_NewRef(source);
        return reader;
    }
    if (PyErr_ExceptionMatches(PyExc_AttributeError)) {
        PyErr_Clear();
        reader = PyObject_GetAttrString(source, "recv_into");
    }
    if (reader == NULL && PyErr_ExceptionMatches(PyExc_AttributeError)) {
        PyErr_Format(PyExc_TypeError,
                     "readfrom() needs a file descriptor or an object with readinto() "
                     "or recv_into(), got %.200s",
                     Py_TYPE(source)->tp_name);
    }
    return reader;
}

/* Call a method without arguments, and return its result as a number, or -1 if that
 * fails. */
static Py_ssize_t
call_for_number(PyObject *object, const char *method)
{
    PyObject *number = PyObject_CallMethod(object, method, NULL);
    Py_ssize_t value =
        number == NULL ? -1 : PyNumber_AsSsize_t(number, PyExc_OverflowError);
    Py_XDECREF(number);
    return value;
}

/* Return the size of an open file, or -1 with an exception. */
static Py_ssize_t
fstat_nbytes(Py_ssize_t descriptor)
{
    PyObject *os = PyImport_ImportModule("os");
    PyObject *status =
        os == NULL ? NULL : PyObject_CallMethod(os, "fstat", "n", descriptor);
    PyObject *size = status == NULL ? NULL : PyObject_GetAttrString(status, "st_size");
    Py_ssize_t nbytes = size == NULL ? -1 : PyLong_AsSsize_t(size);
    Py_XDECREF(size);
    Py_XDECREF(status);
    Py_XDECREF(os);
    return nbytes;
}

size_t
readfrom_find_expected(PyObject *file)
{
    Py_ssize_t size = -1, position = -1;
    if (file != NULL) {
        Py_ssize_t descriptor = call_for_number(file, "fileno");
        size = descriptor < 0 ? -1 : fstat_nbytes(descriptor);
        position = size <= 0 ? -1 : call_for_number(file, "tell");
    }
    if (PyErr_Occurred() && !PyErr_ExceptionMatches(PyExc_Exception)) {
        return 0;
    }
    PyErr_Clear();
    return position >= 0 && size > position ? (size_t)(size - position) : 0;
}

/* ------------------------------------------------------------------ the reading */

/* Reserve capacity for `nbytes` more bytes, so that the buffer moves at most once. The
 * number is only a hint, so a MemoryError is cleared. */
static int
reserve_expected(PyObject *op, size_t nbytes)
{
    BufferObject *self = buffer_cast(op);
    int rc = 0;
    Py_BEGIN_CRITICAL_SECTION(op);
    size_t length = buffer_length(self);
    if (nbytes > 0 && nbytes < (size_t)PY_SSIZE_T_MAX - length) {
        rc = buffer_reserve(self, length + nbytes);
    }
    Py_END_CRITICAL_SECTION();
    if (rc < 0 && PyErr_ExceptionMatches(PyExc_MemoryError)) {
        PyErr_Clear();
        rc = 0;
    }
    return rc;
}

/* Convert what the source returned, which is NULL if it raised, to a number of bytes or
 * one of the READ_ values. Raise OSError if the number is negative or more than
 * `view_nbytes`. */
static Py_ssize_t
convert_result(PyObject *result, Py_ssize_t view_nbytes)
{
    if (result == NULL && PyErr_ExceptionMatches(PyExc_BlockingIOError)) {
        PyErr_Clear();
        return READ_NOTHING_YET;
    }
    if (result == NULL || result == Py_None) {
        return result == NULL ? READ_ERROR : READ_NOTHING_YET;
    }
    Py_ssize_t nbytes = PyNumber_AsSsize_t(result, PyExc_OverflowError);
    if ((nbytes < 0 && !PyErr_Occurred()) || nbytes > view_nbytes) {
        PyErr_Format(
            PyExc_OSError,
            "the source returned %zd as the number of bytes read into a view of %zd",
            nbytes, view_nbytes);
    }
    return PyErr_Occurred() ? READ_ERROR : nbytes;
}

size_t
readfrom_min_view(size_t expected)
{
    return expected < VIEW_MIN ? VIEW_MIN : expected > VIEW_MAX ? VIEW_MAX : expected;
}

Py_ssize_t
readfrom_call(PyObject *reader, PyObject *view, Py_ssize_t view_nbytes)
{
    assert(view_nbytes > 0 && !PyErr_Occurred());
    PyObject *result = PyObject_CallOneArg(reader, view);
    Py_ssize_t nbytes = convert_result(result, view_nbytes);
    Py_XDECREF(result);
    return nbytes;
}

size_t
readfrom_left(PyObject *op)
{
    const struct store *store = &buffer_cast(op)->store;
    size_t left = PY_SSIZE_T_MAX;
    Py_BEGIN_CRITICAL_SECTION(op);
    assert(store_check_layout(store) == NULL);
    if (store_is_limited(store)) {
        left = store_capacity(store) - store->length;
    }
    Py_END_CRITICAL_SECTION();
    return left;
}

/* What is still to be read. */
struct reading {
    PyObject *reader; /* a method of the source */
    PyObject *file;   /* the source; NULL: a socket */
    size_t expected;  /* bytes left in the source, as far as is known */
    size_t max;       /* bytes to read at most */
};

/* The buffer is full. Find out whether the source has ended. If it has more bytes,
 * raise MemoryError; growbuf/_peek.py leaves them in the source if that is possible. */
static Py_ssize_t
read_past_limit(PyObject *op, const struct reading *reading)
{
    PyObject *module = PyImport_ImportModule("growbuf._peek");
    PyObject *result =
        module == NULL
            ? NULL
            : PyObject_CallMethod(module, "read_byte", "OO", reading->reader,
                                  reading->file == NULL ? Py_None : reading->file);
    Py_ssize_t nbytes = convert_result(result, 1);
    Py_XDECREF(result);
    Py_XDECREF(module);
    if (nbytes > 0) {
        Py_BEGIN_CRITICAL_SECTION(op);
        buffer_past_limit(buffer_cast(op));
        Py_END_CRITICAL_SECTION();
        return READ_ERROR;
    }
    return nbytes;
}

/* Call the source once. Return how many bytes were read, or one of the READ_ values. */
static Py_ssize_t
read_once(PyObject *op, const struct reading *reading)
{
    size_t left = readfrom_left(op);
    if (left == 0) {
        return read_past_limit(op, reading);
    }
    size_t max = Py_MIN(reading->max, left);
    size_t min = Py_MIN(readfrom_min_view(reading->expected), max);
    PyObject *view = spare_view(op, min, max, SPARE_READER);
    if (view == NULL) {
        return READ_ERROR;
    }
    Py_ssize_t view_nbytes = PyMemoryView_GET_BUFFER(view)->len;
    assert(view_nbytes >= (Py_ssize_t)min && view_nbytes <= (Py_ssize_t)max);
    Py_ssize_t nbytes = readfrom_call(reading->reader, view, view_nbytes);
    if (nbytes > 0 && spare_commit(op, (size_t)nbytes, view) < 0) {
        nbytes = READ_ERROR;
    }
    spare_end_reader(op, view);
    /* If this reference were dropped before the commit, the view could be released, and
     * other threads could append. */
    Py_DECREF(view);
    return nbytes;
}

/* Read until the source ends, has nothing yet, or reading->max bytes have been read. */
static PyObject *
read_all(PyObject *op, struct reading *reading)
{
    size_t done = 0;
    Py_ssize_t nbytes = 1;
    while (nbytes > 0 && reading->max > 0) {
        nbytes = read_once(op, reading);
        if (nbytes > 0) {
            assert((size_t)nbytes <= reading->max);
            done += (size_t)nbytes;
            reading->max -= (size_t)nbytes;
            reading->expected -= Py_MIN((size_t)nbytes, reading->expected);
            /* A source that never blocks does not check for signals. */
            nbytes = PyErr_CheckSignals() < 0 ? READ_ERROR : nbytes;
        }
    }
    if (nbytes == READ_ERROR) {
        return NULL;
    }
    if (nbytes == READ_NOTHING_YET && done == 0) {
        Py_RETURN_NONE;
    }
    return PyLong_FromSize_t(done);
}

PyDoc_STRVAR(readfrom_doc,
"readfrom($self, source, nbytes=-1)\n--\n\n"
"Read from `source`, append the bytes, and return how many were read.\n\n"
"source: a file descriptor, an object with readinto() (a file) or with recv_into()\n"
"(a socket). It reads into the buffer's own memory; nothing is copied in between.\n"
"nbytes: the largest number of bytes to read; -1 or None reads to the end.\n\n"
"If a non-blocking source has no more bytes yet, return how many were read before, or\n"
"None if there were none. When the source raises, or memory runs out, the bytes that\n"
"have arrived are kept. If the source has more bytes than a limit allows, MemoryError\n"
"is raised. The other bytes stay in the source if it is a descriptor, a socket, or an\n"
"object with peek() or seek(). Any other source, such as a TLS socket or a pipe on\n"
"Windows, loses one byte. The capacity for the rest of a file is reserved first, so\n"
"that the buffer moves at most once. Other threads run while the source waits; they\n"
"cannot change the length then (BufferError).\n\n"
">>> import io\n"
">>> from growbuf import GrowBuffer\n"
">>> source, buf = io.BytesIO(b'spam and eggs'), GrowBuffer()\n"
">>> buf.readfrom(source, 4), buf.readfrom(source), buf.readfrom(source)\n"
"(4, 9, 0)\n"
">>> buf\n"
"GrowBuffer(b'spam and eggs')");

static PyObject *
growbuffer_readfrom(PyObject *op, PyObject *args, PyObject *kwargs)
{
    static char *names[] = {"source", "nbytes", NULL};
    PyObject *source, *number = Py_None;
    Py_ssize_t nbytes = -1;
    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "O|O:readfrom", names, &source,
                                     &number) ||
        (number != Py_None && args_nbytes(number, "nbytes", -1, &nbytes) < 0)) {
        return NULL;
    }
    struct reading reading = {.max = nbytes < 0 ? PY_SSIZE_T_MAX : (size_t)nbytes};
    reading.reader = readfrom_find_reader(source, &reading.file);
    if (reading.reader != NULL) {
        size_t expected = readfrom_find_expected(reading.file);
        reading.expected = Py_MIN(expected, reading.max);
    }
    PyObject *result = NULL;
    if (!PyErr_Occurred() && reserve_expected(op, reading.expected) == 0) {
        result = read_all(op, &reading);
    }
    Py_XDECREF(reading.reader);
    Py_XDECREF(reading.file);
    return result;
}

const PyMethodDef readfrom_methods[] = {
    {"readfrom", BUFFER_METHOD(growbuffer_readfrom), METH_VARARGS | METH_KEYWORDS,
     readfrom_doc},
    {NULL, NULL, 0, NULL},
};
