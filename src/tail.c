#include "tail.h"

#include <errno.h>

#include "args.h"
#include "spare.h"
#include "state.h"

/* ------------------------------------------------------------- reserve and trim */

PyDoc_STRVAR(reserve_doc,
"reserve($self, nbytes, /)\n--\n\n"
"Have a capacity of at least `nbytes` bytes in all.\n\n"
"Growing up to there moves nothing. From 72 KiB up this takes address space and no\n"
"memory. Raise ValueError if `nbytes` is negative, MemoryError if the system refuses,\n"
"BufferError if it would move exported bytes. What shrinks the buffer may give the\n"
"reserve back.");

static PyObject *
reserve(PyObject *op, PyObject *nbytes)
{
    Py_ssize_t capacity;
    if (args_nbytes(nbytes, "nbytes", 0, &capacity) < 0) {
        return NULL;
    }
    int rc;
    Py_BEGIN_CRITICAL_SECTION(op);
    rc = buffer_reserve(buffer_cast(op), (size_t)capacity);
    Py_END_CRITICAL_SECTION();
    return buffer_none_or_null(rc);
}

PyDoc_STRVAR(trim_doc,
"trim($self, /)\n--\n\n"
"Give back all memory that the length does not need.\n\n"
"Raise BufferError while the bytes are exported. Costs some system calls, and a copy\n"
"of the bytes if others were deleted in front of them.");

static PyObject *
trim(PyObject *op, PyObject *Py_UNUSED(ignored))
{
    int rc;
    Py_BEGIN_CRITICAL_SECTION(op);
    rc = buffer_trim(buffer_cast(op));
    Py_END_CRITICAL_SECTION();
    return buffer_none_or_null(rc);
}

/* ------------------------------------------------------------- spare and commit */

PyDoc_STRVAR(spare_doc,
"spare($self, nbytes=65536)\n--\n\n"
"Return a writable memoryview of the free tail, of at least `nbytes` bytes.\n\n"
"What is in it is unspecified: it may be bytes that this process dropped before, so\n"
"pass it only to what may see those (with configure(pool_limit=0) pages come as zeros).\n"
"Write to it, then commit() as much as was written:\n\n"
">>> from growbuf import GrowBuffer\n"
">>> buf = GrowBuffer()\n"
">>> buf.spare(4)[:2] = b'hi'\n"
">>> buf.commit(2)\n"
">>> buf\n"
"GrowBuffer(b'hi')\n\n"
"While the view lives nothing else may change the length; commit() and this thread's\n"
"next spare() release it. Raise ValueError if `nbytes` is negative, MemoryError if\n"
"there is no room to be had, BufferError while the bytes are exported and there is no\n"
"limit, or if the view before is another thread's, or one made of it is still there.\n"
"Costs what growing costs.");

enum { SPARE_NBYTES = 64 * 1024 };

static PyObject *
spare(PyObject *op, PyObject *args, PyObject *kwargs)
{
    static char *names[] = {"nbytes", NULL};
    PyObject *number = NULL;
    Py_ssize_t nbytes = SPARE_NBYTES;
    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "|O:spare", names, &number) ||
        (number != NULL && args_nbytes(number, "nbytes", 0, &nbytes) < 0)) {
        return NULL;
    }
    return spare_view(op, (size_t)nbytes, PY_SSIZE_T_MAX, PyThread_get_thread_ident());
}

PyDoc_STRVAR(commit_doc,
"commit($self, nbytes, /)\n--\n\n"
"Append the first `nbytes` bytes of what spare() gave.\n\n"
"The rest of it is free again and the view is released. Raise ValueError if `nbytes`\n"
"is negative or more than was spared, or if nothing is: spare() was not called, or\n"
"the buffer has changed since; BufferError while the bytes are exported and there is\n"
"no limit. Any thread may commit what another was given: two that both spare and commit\n"
"need a lock of their own. Costs O(1): nothing is copied.");

static PyObject *
commit(PyObject *op, PyObject *number)
{
    Py_ssize_t nbytes;
    if (args_nbytes(number, "nbytes", 0, &nbytes) < 0) {
        return NULL;
    }
    int rc = spare_commit(op, (size_t)nbytes, NULL);
    if (rc == 0) {
        spare_release(op);
    }
    return buffer_none_or_null(rc);
}

/* -------------------------------------------------------------------- readfrom */

/* Return a callable that reads into a buffer it is given: a file's readinto, for a
 * descriptor too, or a socket's recv_into. `file` becomes what can be asked for a size. */
static PyObject *
reader_of(PyObject *source, PyObject **file)
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

static Py_ssize_t
call_for_number(PyObject *object, const char *method)
{
    PyObject *number = PyObject_CallMethod(object, method, NULL);
    Py_ssize_t value =
        number == NULL ? -1 : PyNumber_AsSsize_t(number, PyExc_OverflowError);
    Py_XDECREF(number);
    return value;
}

static Py_ssize_t
fstat_size(Py_ssize_t descriptor)
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

/* Return how many bytes are left in a file, as far as it can tell: 0 otherwise. */
static size_t
expected_of(PyObject *file)
{
    Py_ssize_t size = -1, position = -1;
    if (file != NULL) {
        Py_ssize_t descriptor = call_for_number(file, "fileno");
        size = descriptor < 0 ? -1 : fstat_size(descriptor);
        position = size <= 0 ? -1 : call_for_number(file, "tell");
    }
    if (PyErr_Occurred() && !PyErr_ExceptionMatches(PyExc_Exception)) {
        return 0;
    }
    PyErr_Clear();
    return position >= 0 && size > position ? (size_t)(size - position) : 0;
}

/* Have all of it in one place from the start; it is no more than a hint. */
static int
expect(PyObject *op, size_t nbytes)
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

enum { READ_LEAST = 64 * 1024, READ_MOST = 16 * 1024 * 1024 };

/* Make a number of what the source answered, as read_once returns it. */
static Py_ssize_t
number_read(PyObject *result, Py_ssize_t offered)
{
    if (result == NULL && PyErr_ExceptionMatches(PyExc_BlockingIOError)) {
        PyErr_Clear();
        return -2;
    }
    if (result == NULL || result == Py_None) {
        return result == NULL ? -1 : -2;
    }
    Py_ssize_t nbytes = PyNumber_AsSsize_t(result, PyExc_OverflowError);
    if ((nbytes < 0 && !PyErr_Occurred()) || nbytes > offered) {
        PyErr_Format(PyExc_OSError,
                     "the source says it read %zd bytes into a buffer of %zd", nbytes,
                     offered);
        nbytes = -1;
    }
    return nbytes;
}

static size_t
left_to_limit(PyObject *op)
{
    const struct store *store = &buffer_cast(op)->store;
    size_t left = PY_SSIZE_T_MAX;
    Py_BEGIN_CRITICAL_SECTION(op);
    if (store_is_limited(store)) {
        left = store_capacity(store) - store->length;
    }
    Py_END_CRITICAL_SECTION();
    return left;
}

/* At the limit only another byte tells whether the source ends there: it is an error. */
static Py_ssize_t
find_end(PyObject *op, PyObject *reader)
{
    PyObject *byte = PyByteArray_FromStringAndSize(NULL, 1);
    if (byte == NULL) {
        return -1;
    }
    PyObject *result = PyObject_CallOneArg(reader, byte);
    Py_DECREF(byte);
    Py_ssize_t nbytes = number_read(result, 1);
    Py_XDECREF(result);
    if (nbytes > 0) {
        buffer_no_memory(&buffer_cast(op)->store, EFBIG);
        nbytes = -1;
    }
    return nbytes;
}

/* Read once, `most` bytes at most. Return how many came, 0 at the end of the file, -2
 * if none are there yet, -1 with an exception. */
static Py_ssize_t
read_once(PyObject *op, PyObject *reader, size_t expected, size_t most)
{
    size_t left = left_to_limit(op);
    if (left == 0) {
        return find_end(op, reader);
    }
    most = most < left ? most : left;
    size_t least = expected < READ_LEAST  ? READ_LEAST
                   : expected > READ_MOST ? READ_MOST
                                          : expected;
    PyObject *view = spare_view(op, least < most ? least : most, most, SPARE_READER);
    if (view == NULL) {
        return -1;
    }
    Py_ssize_t offered = PyMemoryView_GET_BUFFER(view)->len;
    PyObject *result = PyObject_CallOneArg(reader, view);
    Py_ssize_t nbytes = number_read(result, offered);
    Py_XDECREF(result);
    if (nbytes > 0 && spare_commit(op, (size_t)nbytes, view) < 0) {
        nbytes = -1;
    }
    spare_end(op, view);
    /* Held until here: while it lives no other thread appends where we have read to. */
    Py_DECREF(view);
    return nbytes;
}

/* Read until there is no more, or `most` bytes are there. */
static PyObject *
read_all(PyObject *op, PyObject *reader, size_t expected, size_t most)
{
    size_t done = 0;
    Py_ssize_t nbytes = 0;
    while (done < most) {
        nbytes = read_once(op, reader, expected, most - done);
        if (nbytes <= 0) {
            break;
        }
        done += (size_t)nbytes;
        /* A source that never blocks would never notice. */
        if (PyErr_CheckSignals() < 0) {
            return NULL;
        }
        expected -= (size_t)nbytes < expected ? (size_t)nbytes : expected;
    }
    if (nbytes == -1) {
        return NULL;
    }
    if (nbytes == -2 && done == 0) {
        Py_RETURN_NONE;
    }
    return PyLong_FromSize_t(done);
}

PyDoc_STRVAR(readfrom_doc,
"readfrom($self, source, nbytes=-1)\n--\n\n"
"Read from `source` to the end of the buffer; return the number of bytes read.\n\n"
"source: a file descriptor, an object with readinto() (a file) or with recv_into()\n"
"(a socket). The bytes arrive where they stay; nothing is copied in between.\n"
"nbytes: how many at most; -1 or None: until the end of the file.\n\n"
"A non-blocking source that has nothing returns None, or what came before that. When\n"
"the source raises, or memory runs out, what has arrived is kept; past a limit that\n"
"is a MemoryError, and one byte more has been read. The size of a file is asked for,\n"
"so that the buffer moves once at most. Other threads run while it waits; meanwhile\n"
"they cannot change the length (BufferError).");

static int
parse_readfrom(PyObject *args, PyObject *kwargs, PyObject **source, Py_ssize_t *nbytes)
{
    static char *names[] = {"source", "nbytes", NULL};
    PyObject *number = Py_None;
    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "O|O:readfrom", names, source,
                                     &number)) {
        return -1;
    }
    *nbytes = -1;
    return number == Py_None ? 0 : args_nbytes(number, "nbytes", -1, nbytes);
}

static PyObject *
readfrom(PyObject *op, PyObject *args, PyObject *kwargs)
{
    PyObject *source;
    Py_ssize_t nbytes;
    if (parse_readfrom(args, kwargs, &source, &nbytes) < 0) {
        return NULL;
    }
    size_t most = nbytes < 0 ? PY_SSIZE_T_MAX : (size_t)nbytes;
    PyObject *file, *result = NULL;
    PyObject *reader = reader_of(source, &file);
    size_t expected = reader == NULL ? 0 : expected_of(file);
    expected = expected < most ? expected : most;
    if (!PyErr_Occurred() && expect(op, expected) == 0) {
        result = read_all(op, reader, expected, most);
    }
    Py_XDECREF(reader);
    Py_XDECREF(file);
    return result;
}

/* --------------------------------------------------------------- what there is */

PyDoc_STRVAR(sizeof_doc,
"__sizeof__($self, /)\n--\n\n"
"Return the bytes of memory the object and its contents may occupy.\n\n"
"Address space that was not used yet does not count.");

static PyObject *
sizeof_(PyObject *op, PyObject *Py_UNUSED(ignored))
{
    size_t nbytes;
    Py_BEGIN_CRITICAL_SECTION(op);
    nbytes = store_nbytes(&buffer_cast(op)->store);
    Py_END_CRITICAL_SECTION();
    return PyLong_FromSize_t((size_t)Py_TYPE(op)->tp_basicsize + nbytes);
}

PyDoc_STRVAR(alloc_doc,
"__alloc__($self, /)\n--\n\n"
"Return the bytes of memory the contents may occupy, the NUL behind them included.");

static PyObject *
alloc(PyObject *op, PyObject *Py_UNUSED(ignored))
{
    size_t nbytes;
    Py_BEGIN_CRITICAL_SECTION(op);
    nbytes = store_nbytes(&buffer_cast(op)->store);
    Py_END_CRITICAL_SECTION();
    return PyLong_FromSize_t(nbytes);
}

static PyObject *
get_capacity(PyObject *op, void *Py_UNUSED(closure))
{
    size_t capacity;
    Py_BEGIN_CRITICAL_SECTION(op);
    capacity = store_capacity(&buffer_cast(op)->store);
    Py_END_CRITICAL_SECTION();
    return PyLong_FromSize_t(capacity);
}

static PyObject *
get_limit(PyObject *op, void *Py_UNUSED(closure))
{
    const struct store *store = &buffer_cast(op)->store;
    size_t limit = 0;
    Py_BEGIN_CRITICAL_SECTION(op);
    if (store_is_limited(store)) {
        limit = store_capacity(store);
    }
    Py_END_CRITICAL_SECTION();
    if (limit == 0) {
        Py_RETURN_NONE;
    }
    return PyLong_FromSize_t(limit);
}

const PyMethodDef tail_methods[] = {
    {"reserve", reserve, METH_O, reserve_doc},
    {"trim", trim, METH_NOARGS, trim_doc},
    {"spare", BUFFER_METHOD(spare), METH_VARARGS | METH_KEYWORDS, spare_doc},
    {"commit", commit, METH_O, commit_doc},
    {"readfrom", BUFFER_METHOD(readfrom), METH_VARARGS | METH_KEYWORDS, readfrom_doc},
    {"__sizeof__", sizeof_, METH_NOARGS, sizeof_doc},
    {"__alloc__", alloc, METH_NOARGS, alloc_doc},
    {NULL, NULL, 0, NULL},
};

PyDoc_STRVAR(capacity_doc, "Bytes the buffer can hold before it must grow.");
PyDoc_STRVAR(limit_doc,
"Bytes the buffer can hold at most, without ever moving; or None.");

const PyGetSetDef tail_getset[] = {
    {"capacity", get_capacity, NULL, capacity_doc, NULL},
    {"limit", get_limit, NULL, limit_doc, NULL},
    {NULL, NULL, NULL, NULL, NULL},
};
