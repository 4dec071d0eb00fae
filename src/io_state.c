/* io_state: construction and pickling of a GrowIO. */
#include "io_state.h"

#include "args.h"
#include "construct.h"
#include "copy.h"
#include "frozen.h"
#include "io_file.h"

/* --------------------------------------------------------------------- construction */

/* The object that contains the bytes of a file. The other field is NULL. */
struct io_content {
    PyObject *bytes;
    BufferObject *buffer;
};

/* Return a new buffer with this limit, and with a copy of the bytes of `piece`. */
static PyObject *
io_new_limited(PyTypeObject *type, struct piece piece, PyObject *limit)
{
    PyObject *name = PyUnicode_FromString("limit");
    PyObject *names = name == NULL ? NULL : PyTuple_Pack(1, name);
    PyObject *op =
        names == NULL ? NULL : construct_call_type((PyObject *)type, &limit, 0, names);
    Py_XDECREF(names);
    Py_XDECREF(name);
    if (op != NULL && buffer_append(buffer_cast(op), piece.nbytes) < 0) {
        Py_CLEAR(op);
    }
    if (op != NULL) {
        assert(buffer_length(buffer_cast(op)) == piece.nbytes);
        copy_bytes(buffer_bytes(buffer_cast(op)), piece.start, piece.nbytes);
    }
    return op;
}

/* Make the content of a file from the bytes of `source`. NULL stands for no bytes.
 *   without a limit  A bytes object or a FrozenBytes is shared with the caller. The
 *                    bytes of other objects are copied: fewer than
 *                    GROWTH_BUFFER_MIN to a bytes object, others to a buffer.
 *   with a limit     The bytes of every object are copied to a buffer. */
static int
io_make_content(PyTypeObject *type, PyObject *source, PyObject *limit,
                struct io_content *content)
{
    *content = (struct io_content){NULL, NULL};
    if (limit == Py_None &&
        (source == NULL || PyBytes_CheckExact(source) || frozen_is_frozen(source))) {
        content->bytes =
            source == NULL ? PyBytes_FromStringAndSize(NULL, 0) : Py_NewRef(source);
        return content->bytes == NULL ? -1 : 0;
    }
    Py_buffer view = {0};
    if (source != NULL && PyObject_GetBuffer(source, &view, PyBUF_CONTIG_RO) < 0) {
        return -1;
    }
    if (limit == Py_None && (size_t)view.len < GROWTH_BUFFER_MIN) {
        content->bytes = PyBytes_FromStringAndSize(view.buf, view.len);
    }
    else {
        struct piece piece = {view.buf, (size_t)view.len};
        PyTypeObject *buffer_type = io_buffer_type(type);
        content->buffer =
            (BufferObject *)(limit == Py_None
                                 ? buffer_copy(buffer_type, piece)
                                 : io_new_limited(buffer_type, piece, limit));
    }
    assert(content->bytes == NULL || content->buffer == NULL);
    PyBuffer_Release(&view);
    return content->bytes == NULL && content->buffer == NULL ? -1 : 0;
}

/* Set the content to `op`, which was passed as `buffer`. Raise TypeError if it is no
 * GrowBuffer, or if there are other arguments. */
static int
io_take_buffer(PyObject *op, PyObject *source, PyObject *limit,
               struct io_content *content)
{
    if (buffer_type(Py_TYPE(op)) == NULL) {
        PyErr_Format(PyExc_TypeError,
                     "buffer must be a GrowBuffer, not '%.200s': pass other objects as "
                     "initial_bytes, which copies them",
                     Py_TYPE(op)->tp_name);
        return -1;
    }
    if (source != NULL) {
        PyErr_SetString(PyExc_TypeError,
                        "initial_bytes cannot be combined with buffer, which has its "
                        "own bytes: pass one of them");
        return -1;
    }
    if (limit != Py_None) {
        PyErr_SetString(PyExc_TypeError,
                        "limit cannot be combined with buffer, which has its own: pass "
                        "limit to GrowBuffer");
        return -1;
    }
    *content = (struct io_content){NULL, (BufferObject *)Py_NewRef(op)};
    return 0;
}

/* Converting the arguments may run user code, which may close the file or replace its
 * bytes. io_replace() works in both cases. */
int
io_init(PyObject *op, PyObject *args, PyObject *kwargs)
{
    static char *names[] = {"initial_bytes", "buffer", "limit", NULL};
    PyObject *source = NULL, *buffer = Py_None, *limit = Py_None;
    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "|O$OO:GrowIO", names, &source,
                                     &buffer, &limit)) {
        return -1;
    }
    source = source == Py_None ? NULL : source;
    struct io_content content;
    int rc = buffer != Py_None ? io_take_buffer(buffer, source, limit, &content)
                               : io_make_content(Py_TYPE(op), source, limit, &content);
    return rc < 0 ? -1 : io_replace(op, content.bytes, content.buffer, 0);
}

PyObject *
io_vectorcall(PyObject *op, PyObject *const *args, size_t nargsf, PyObject *kwnames)
{
    PyTypeObject *type = (PyTypeObject *)op;
    Py_ssize_t nargs = PyVectorcall_NARGS(nargsf);
    if (nargs > 1 || kwnames != NULL) {
        return construct_call_type(op, args, nargs, kwnames);
    }
    struct io_content content;
    PyObject *source = nargs == 0 || args[0] == Py_None ? NULL : args[0];
    return io_make_content(type, source, Py_None, &content) < 0
               ? NULL
               : io_make(type, content.bytes, content.buffer);
}

/* ------------------------------------------------------------------------- pickling */

const char io_getstate_doc[] = PyDoc_STR(
"__getstate__($self, /)\n--\n\n"
"Return the state that pickle and copy need: a tuple of the bytes, the position in\n"
"bytes, and a dict of the attributes, or None if the file has no dict.\n\n"
"Raise ValueError if the file is closed. Costs as much as getvalue().\n\n"
">>> from growbuf import GrowIO\n"
">>> GrowIO(b'spam').__getstate__()\n"
"(b'spam', 0, None)");

PyObject *
io_getstate(PyObject *op, PyObject *Py_UNUSED(ignored))
{
    IOObject *self = io_cast(op);
    PyObject *value = NULL, *attributes = NULL;
    size_t position = 0;
    IO_IF_OPEN(self, {
        value = io_get_bytes(self, 0, io_length(self));
        position = self->position;
        attributes = Py_XNewRef(self->base.dict);
    });
    if (value == NULL) {
        Py_XDECREF(attributes);
        return NULL;
    }
    PyObject *copy = attributes == NULL ? Py_NewRef(Py_None) : PyDict_Copy(attributes);
    Py_XDECREF(attributes);
    if (copy == NULL) {
        Py_DECREF(value);
        return NULL;
    }
    return Py_BuildValue("(NnN)", value, (Py_ssize_t)position, copy);
}

/* Check all items of a state except its bytes. Return its position, or -1 with an
 * exception. */
static Py_ssize_t
io_check_state(PyObject *op, PyObject *state)
{
    if (!PyTuple_Check(state) || PyTuple_GET_SIZE(state) < 3) {
        PyErr_Format(PyExc_TypeError,
                     "%.200s.__setstate__ argument should be 3-tuple, got %.200s",
                     Py_TYPE(op)->tp_name, Py_TYPE(state)->tp_name);
        return -1;
    }
    if (io_check_open(op) < 0) {
        return -1;
    }
    PyObject *number = PyTuple_GET_ITEM(state, 1);
    if (!PyLong_Check(number)) {
        PyErr_Format(PyExc_TypeError,
                     "second item of state must be an integer, not %.200s",
                     Py_TYPE(number)->tp_name);
        return -1;
    }
    PyObject *attributes = PyTuple_GET_ITEM(state, 2);
    if (attributes != Py_None && !PyDict_Check(attributes)) {
        PyErr_Format(PyExc_TypeError,
                     "third item of state should be a dict, got a %.200s",
                     Py_TYPE(attributes)->tp_name);
        return -1;
    }
    Py_ssize_t position = PyLong_AsSsize_t(number);
    if (position < 0 && !PyErr_Occurred()) {
        PyErr_SetString(PyExc_ValueError, "position value cannot be negative");
        return -1;
    }
    return position;
}

/* Add the attributes of a state. Before that, check that the file is open and that no
 * view exists: user code that ran since io_check_state() may have closed the file or
 * made a view. */
static int
io_update_attributes(PyObject *op, PyObject *more)
{
    IOObject *self = io_cast(op);
    int rc = -1;
    IO_IF_OPEN(self, rc = io_check_replaceable_locked(self));
    if (rc < 0 || more == Py_None) {
        return rc;
    }
    PyObject *attributes = PyObject_GenericGetDict(op, NULL);
    rc = attributes == NULL ? -1 : PyDict_Update(attributes, more);
    Py_XDECREF(attributes);
    return rc;
}

const char io_setstate_doc[] = PyDoc_STR(
"__setstate__($self, object, /)\n--\n\n"
"Restore the bytes, the position and the attributes that __getstate__ returned.\n\n"
"object: the tuple. Its first item may be any bytes-like object; a bytes object is\n"
"shared, and other objects are copied. Attributes that are not in its dict stay.\n\n"
"Raise ValueError if the file is closed, TypeError or ValueError for another tuple,\n"
"BufferError while a view of the file's bytes exists.\n\n"
">>> from growbuf import GrowIO\n"
">>> file = GrowIO()\n"
">>> file.__setstate__((b'spam', 2, None))\n"
">>> file.read()\n"
"b'am'");

PyObject *
io_setstate(PyObject *op, PyObject *state)
{
    Py_ssize_t position = io_check_state(op, state);
    if (position < 0) {
        return NULL;
    }
    struct io_content content;
    if (io_make_content(Py_TYPE(op), PyTuple_GET_ITEM(state, 0), Py_None, &content) <
        0) {
        return NULL;
    }
    if (io_update_attributes(op, PyTuple_GET_ITEM(state, 2)) < 0) {
        Py_XDECREF(content.bytes);
        Py_XDECREF(content.buffer);
        return NULL;
    }
    int rc = io_replace(op, content.bytes, content.buffer, (size_t)position);
    return buffer_none_or_null(rc);
}
