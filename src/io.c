/* io: the Python type GrowIO, a binary file in memory. */
#include "io.h"

#include "io_file.h"
#include "io_read.h"
#include "io_state.h"
#include "io_write.h"

/* --------------------------------------------------------------- whether it is open */

PyDoc_STRVAR(io_close_doc,
"close($self, /)\n--\n\n"
"Close the file and free its bytes. Its other file methods then raise ValueError.\n\n"
"Raise BufferError while a view of the bytes exists. If other code refers to the\n"
"file's GrowBuffer, that buffer is unchanged. Closing a closed file does nothing.\n\n"
">>> from growbuf import GrowIO\n"
">>> file = GrowIO(b'spam')\n"
">>> file.close(), file.closed\n"
"(None, True)");

static PyObject *
io_close(PyObject *op, PyObject *Py_UNUSED(ignored))
{
    IOObject *self = io_cast(op);
    PyObject *bytes = NULL;
    BufferObject *buffer = NULL;
    int rc;
    IO_BEGIN(self);
    rc = self->finalizing ? 0 : io_check_no_views_locked(self, "close the file");
    if (rc == 0) {
        bytes = self->bytes;
        buffer = self->buffer;
        self->bytes = NULL;
        self->buffer = NULL;
    }
    IO_END(self);
    /* This is done without the lock, because deallocating an object may run user
     * code. */
    Py_XDECREF(bytes);
    Py_XDECREF(buffer);
    return buffer_none_or_null(rc);
}

PyDoc_STRVAR(io_closed_doc,
"Whether the file is closed.\n\n"
">>> from growbuf import GrowIO\n"
">>> GrowIO().closed\n"
"False");

static PyObject *
io_get_closed(PyObject *op, void *Py_UNUSED(closure))
{
    IOObject *self = io_cast(op);
    bool closed;
    IO_BEGIN(self);
    closed = io_is_closed(self);
    IO_END(self);
    return Py_NewRef(closed ? Py_True : Py_False);
}

/* Return a new reference to `value`. Raise ValueError if the file is closed. */
static PyObject *
io_return_if_open(PyObject *op, PyObject *value)
{
    return io_check_open(op) < 0 ? NULL : Py_NewRef(value);
}

PyDoc_STRVAR(io_flush_doc,
"flush($self, /)\n--\n\n"
"Do nothing, because write() puts the bytes in memory at once.\n\n"
"Raise ValueError if the file is closed.\n\n"
">>> from growbuf import GrowIO\n"
">>> GrowIO().flush()");

static PyObject *
io_flush(PyObject *op, PyObject *Py_UNUSED(ignored))
{
    return io_return_if_open(op, Py_None);
}

PyDoc_STRVAR(io_isatty_doc,
"isatty($self, /)\n--\n\n"
"Return False: the file is not a terminal.\n\n"
"Raise ValueError if the file is closed. Costs nothing more than the call.\n\n"
">>> from growbuf import GrowIO\n"
">>> GrowIO().isatty()\n"
"False");

static PyObject *
io_isatty(PyObject *op, PyObject *Py_UNUSED(ignored))
{
    return io_return_if_open(op, Py_False);
}

PyDoc_STRVAR(io_readable_doc,
"readable($self, /)\n--\n\n"
"Return True: the file can be read.\n\n"
"Raise ValueError if the file is closed. Costs nothing more than the call.\n\n"
">>> from growbuf import GrowIO\n"
">>> GrowIO().readable()\n"
"True");

PyDoc_STRVAR(io_writable_doc,
"writable($self, /)\n--\n\n"
"Return True: the file can be written to.\n\n"
"Raise ValueError if the file is closed. Costs nothing more than the call.\n\n"
">>> from growbuf import GrowIO\n"
">>> GrowIO().writable()\n"
"True");

PyDoc_STRVAR(io_seekable_doc,
"seekable($self, /)\n--\n\n"
"Return True: the position can be moved.\n\n"
"Raise ValueError if the file is closed. Costs nothing more than the call.\n\n"
">>> from growbuf import GrowIO\n"
">>> GrowIO().seekable()\n"
"True");

static PyObject *
io_true(PyObject *op, PyObject *Py_UNUSED(ignored))
{
    return io_return_if_open(op, Py_True);
}

/* ---------------------------------------------------- the buffer, and memory use */

PyDoc_STRVAR(io_buffer_doc,
"The GrowBuffer that contains the file's bytes.\n\n"
"The buffer and the file share the bytes: a change of one is a change of the other.\n"
"If the bytes are not in a buffer yet, they are first copied to one. Raises\n"
"ValueError if the file is closed.\n\n"
">>> from growbuf import GrowIO\n"
">>> file = GrowIO(b'spam')\n"
">>> file.buffer.extend(b' and eggs')\n"
">>> file.read()\n"
"b'spam and eggs'");

static PyObject *
io_get_buffer(PyObject *op, void *Py_UNUSED(closure))
{
    return (PyObject *)io_hold_buffer(op);
}

PyDoc_STRVAR(io_sizeof_doc,
"__sizeof__($self, /)\n--\n\n"
"Return the size of the file and its bytes in memory, in bytes.\n\n"
"A bytes object to which other code may also refer is not counted.\n\n"
">>> import sys\n"
">>> from growbuf import GrowIO\n"
">>> sys.getsizeof(GrowIO(bytes(1000))) < 1000\n"
"True");

static PyObject *
io_sizeof(PyObject *op, PyObject *Py_UNUSED(ignored))
{
    IOObject *self = io_cast(op);
    size_t nbytes = (size_t)Py_TYPE(op)->tp_basicsize;
    IO_BEGIN(self);
    if (self->buffer != NULL) {
        nbytes += sizeof(BufferObject) + store_nbytes(&self->buffer->store) +
                  buffer_held(self->buffer);
    }
    else if (self->bytes != NULL && !self->shared) {
        nbytes += (size_t)(Py_TYPE(self->bytes)->tp_basicsize +
                           PyBytes_GET_SIZE(self->bytes));
    }
    IO_END(self);
    return PyLong_FromSize_t(nbytes);
}

/* ------------------------------------------------------------------------ the type */

PyDoc_STRVAR(io_doc,
"GrowIO(initial_bytes=b'', *, buffer=None, limit=None)\n--\n\n"
"A binary file in memory: an io.BytesIO that stores long content in a GrowBuffer.\n\n"
"initial_bytes: a bytes-like object. If it is a bytes object, it is not copied before\n"
"the first write. Other objects are copied.\n"
"buffer: a GrowBuffer that the file reads and writes in place, without a copy.\n"
"limit: the largest length of the file in bytes. Address space for it is reserved at\n"
"once. So appending moves no byte, and the file can grow while views exist.\n\n"
"Raise TypeError if initial_bytes is not bytes-like, MemoryError if there is too\n"
"little memory or address space.\n\n"
"With buffer or limit the bytes are in a GrowBuffer from the start. The same is true\n"
"if initial_bytes is copied and has 120 KiB or more. Other files keep their bytes in\n"
"a bytes object, as a BytesIO does. These bytes move to a GrowBuffer when a write\n"
"makes the file 120 KiB long or longer, or when getbuffer() or the attribute buffer\n"
"is used. A GrowBuffer grows by moving pages. After an exception the bytes and the\n"
"position are unchanged, except if writelines() raised it.\n\n"
">>> from growbuf import GrowIO\n"
">>> file = GrowIO()\n"
">>> file.write(b'spam and eggs')\n"
"13\n"
">>> file.seek(5)\n"
"5\n"
">>> file.read()\n"
"b'and eggs'\n"
">>> file.buffer\n"
"GrowBuffer(b'spam and eggs')");

static PyMethodDef io_methods[] = {
    {"read", BUFFER_METHOD(io_read), METH_FASTCALL, io_read_doc},
    {"read1", BUFFER_METHOD(io_read1), METH_FASTCALL, io_read1_doc},
    {"peek", BUFFER_METHOD(io_peek), METH_FASTCALL, io_peek_doc},
    {"readinto", io_readinto, METH_O, io_readinto_doc},
    {"readline", BUFFER_METHOD(io_readline), METH_FASTCALL, io_readline_doc},
    {"readlines", BUFFER_METHOD(io_readlines), METH_FASTCALL, io_readlines_doc},
    {"seek", BUFFER_METHOD(io_seek), METH_FASTCALL, io_seek_doc},
    {"tell", io_tell, METH_NOARGS, io_tell_doc},
    {"getvalue", io_getvalue, METH_NOARGS, io_getvalue_doc},
    {"getbuffer", io_getbuffer, METH_NOARGS, io_getbuffer_doc},
    {"write", io_write, METH_O, io_write_doc},
    {"writelines", io_writelines, METH_O, io_writelines_doc},
    {"truncate", BUFFER_METHOD(io_truncate), METH_FASTCALL, io_truncate_doc},
    {"close", io_close, METH_NOARGS, io_close_doc},
    {"flush", io_flush, METH_NOARGS, io_flush_doc},
    {"isatty", io_isatty, METH_NOARGS, io_isatty_doc},
    {"readable", io_true, METH_NOARGS, io_readable_doc},
    {"writable", io_true, METH_NOARGS, io_writable_doc},
    {"seekable", io_true, METH_NOARGS, io_seekable_doc},
    {"__getstate__", io_getstate, METH_NOARGS, io_getstate_doc},
    {"__setstate__", io_setstate, METH_O, io_setstate_doc},
    {"__sizeof__", io_sizeof, METH_NOARGS, io_sizeof_doc},
    {NULL, NULL, 0, NULL},
};

static PyGetSetDef io_getset[] = {
    {"closed", io_get_closed, NULL, io_closed_doc, NULL},
    {"buffer", io_get_buffer, NULL, io_buffer_doc, NULL},
    {NULL, NULL, NULL, NULL, NULL},
};

static PyType_Slot io_slots[] = {
    {Py_tp_doc, (void *)io_doc},   {Py_tp_new, io_new},
    {Py_tp_init, io_init},         {Py_tp_dealloc, io_dealloc},
    {Py_tp_finalize, io_finalize}, {Py_tp_traverse, io_traverse},
    {Py_tp_clear, io_clear},       {Py_tp_iter, PyObject_SelfIter},
    {Py_tp_iternext, io_iternext}, {Py_tp_methods, io_methods},
    {Py_tp_getset, io_getset},     {0, NULL},
};

static PyType_Spec io_spec = {
    .name = "growbuf.GrowIO",
    .basicsize = sizeof(IOObject),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE | Py_TPFLAGS_HAVE_GC |
             Py_TPFLAGS_IMMUTABLETYPE,
    .slots = io_slots,
};

/* Whether the fields of a BytesIO are those of struct io_base. Those after `exports`
 * may be missing. */
static bool
io_is_base_known(const PyTypeObject *type)
{
    size_t nbytes = (size_t)type->tp_basicsize;
    size_t nbytes_min = offsetof(struct io_base, exports) + sizeof(Py_ssize_t);
    return (nbytes == sizeof(struct io_base) || nbytes == nbytes_min) &&
           type->tp_dictoffset == (Py_ssize_t)offsetof(struct io_base, dict) &&
           type->tp_weaklistoffset == (Py_ssize_t)offsetof(struct io_base, weakrefs);
}

/* Return Python's own BytesIO. Raise ImportError if its fields are not known. */
static PyObject *
io_find_base(void)
{
    PyObject *module = PyImport_ImportModule("_io");
    PyObject *base = module == NULL ? NULL : PyObject_GetAttrString(module, "BytesIO");
    Py_XDECREF(module);
    if (base == NULL) {
        return NULL;
    }
    if (!PyType_Check(base) || !io_is_base_known((PyTypeObject *)base)) {
        PyErr_SetString(PyExc_ImportError,
                        "growbuf does not know this Python's io.BytesIO");
        Py_CLEAR(base);
    }
    return base;
}

PyTypeObject *
io_make_type(PyObject *module)
{
    PyObject *base = io_find_base();
    if (base == NULL) {
        return NULL;
    }
    PyTypeObject *type =
        (PyTypeObject *)PyType_FromModuleAndSpec(module, &io_spec, base);
    Py_DECREF(base);
    if (type != NULL) {
        type->tp_vectorcall = io_vectorcall; /* no slot of a spec before 3.14 */
    }
    return type;
}
