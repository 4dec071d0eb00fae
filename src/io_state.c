/* io_state: construction and pickling of a GrowIO. */
#include "io_state.h"

#include <string.h>

#include "args.h"
#include "construct.h"
#include "frozen.h"
#include "growth.h"
#include "io_file.h"

/* --------------------------------------------------------------------- construction */

/* The content of a file, in one of these two objects. */
struct io_content {
    PyObject *bytes;
    BufferObject *buffer;
};

/* Return a new buffer with a copy of the bytes of `view`. It has a limit unless `limit`
 * is None. */
static BufferObject *
io_new_buffer(PyTypeObject *type, const Py_buffer *view, PyObject *limit)
{
    PyObject *op;
    if (limit == Py_None) {
        op = buffer_new(type, NULL, NULL);
    }
    else {
        PyObject *name = PyUnicode_FromString("limit");
        PyObject *names = name == NULL ? NULL : PyTuple_Pack(1, name);
        op = names == NULL ? NULL
                           : construct_call_type((PyObject *)type, &limit, 0, names);
        Py_XDECREF(names);
        Py_XDECREF(name);
    }
    BufferObject *buffer = (BufferObject *)op;
    size_t nbytes = (size_t)view->len;
    if (buffer != NULL && nbytes > 0) {
        if (buffer_append(buffer, nbytes) < 0) {
            Py_CLEAR(buffer);
        }
        else {
            memcpy(buffer_bytes(buffer), view->buf, nbytes);
        }
    }
    return buffer;
}

/* Make the content of a file from `source`; NULL stands for no bytes. A bytes object or a
 * FrozenBytes is shared with the caller. Other objects are copied: to a bytes object if they are
 * shorter than 72 KiB, else to a buffer. With a limit all are copied to a buffer. */
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
    if (limit == Py_None && (size_t)view.len < GROWTH_SPAN_MIN - 1) {
        content->bytes = PyBytes_FromStringAndSize(view.buf, view.len);
    }
    else {
        content->buffer = io_new_buffer(io_buffer_type(type), &view, limit);
    }
    PyBuffer_Release(&view);
    return content->bytes == NULL && content->buffer == NULL ? -1 : 0;
}

/* Make the argument `buffer` the content, after a check of the arguments. */
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

/* Converting the arguments may run user code, which may close the file or give it other
 * bytes. The content made here replaces them all the same. */
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
"Return what pickle and copy need: a tuple of the bytes, the position in bytes, and a\n"
"copy of the attributes as a dict, or None.\n\n"
"Raise ValueError if the file is closed. Costs what getvalue() costs.\n\n"
">>> from growbuf import GrowIO\n"
">>> GrowIO(b'spam').__getstate__()\n"
"(b'spam', 0, None)");

PyObject *
io_getstate(PyObject *op, PyObject *Py_UNUSED(ignored))
{
    IOObject *self = io_cast(op);
    PyObject *value = NULL, *attributes = NULL;
    size_t position = 0;
    IO_BEGIN(self);
    if (io_check_open_locked(self) == 0) {
        value = io_get_value(self);
        position = self->position;
        attributes = Py_XNewRef(self->base.dict);
    }
    IO_END(self);
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

/* Check a state, except for its bytes. Return its position, or -1 with an exception. */
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

/* Add the attributes of a state. First check again that the bytes can be replaced: user
 * code that ran while they were read may have closed the file or made a view of it. */
static int
io_update_attributes(PyObject *op, PyObject *more)
{
    IOObject *self = io_cast(op);
    int rc;
    IO_BEGIN(self);
    rc = io_check_open_locked(self) < 0 ? -1 : io_check_replaceable_locked(self);
    IO_END(self);
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
"Take the bytes, the position and the attributes that __getstate__ returned.\n\n"
"object: the tuple. Its bytes may be any bytes-like object. Attributes are added to those\n"
"that the file has.\n\n"
"Raise ValueError if the file is closed, TypeError or ValueError for another tuple,\n"
"BufferError while a view of the bytes exists. Shares a bytes object, and copies others.\n\n"
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
