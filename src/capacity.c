/* capacity: how many bytes a buffer can hold, and how much memory that takes. */
#include "capacity.h"

#include "args.h"

PyDoc_STRVAR(reserve_doc,
"reserve($self, nbytes, /)\n--\n\n"
"Make the capacity at least `nbytes` bytes.\n\n"
"Then the bytes do not move while the buffer grows up to that, unless some are\n"
"removed. From 72 KiB up this takes address space and no memory. Raise ValueError if\n"
"`nbytes` is negative, MemoryError if it is more than a limit or the system has too\n"
"little memory. If the capacity must grow and there is no limit, raise BufferError\n"
"while the bytes are exported. An operation that removes bytes may give the reserved\n"
"capacity back.\n\n"
">>> from growbuf import GrowBuffer\n"
">>> buf = GrowBuffer()\n"
">>> buf.reserve(1 << 20)\n"
">>> buf.capacity >= 1 << 20, len(buf)\n"
"(True, 0)");

static PyObject *
growbuffer_reserve(PyObject *op, PyObject *nbytes)
{
    Py_ssize_t capacity;
    if (args_nbytes(nbytes, "nbytes", 0, &capacity) < 0) {
        return NULL;
    }
    assert(capacity >= 0);
    BUFFER_LOCKED(int, rc, op, buffer_reserve(buffer_cast(op), (size_t)capacity));
    return buffer_none_or_null(rc);
}

PyDoc_STRVAR(trim_doc,
"trim($self, /)\n--\n\n"
"Give back all memory that the length does not need.\n\n"
"Raise BufferError while the bytes are exported. Costs some system calls, and a copy\n"
"of the bytes if bytes before them were deleted.\n\n"
">>> from growbuf import GrowBuffer\n"
">>> buf = GrowBuffer(bytes(1 << 20))\n"
">>> del buf[1000:]\n"
">>> buf.trim()\n"
">>> buf.capacity < 1 << 17\n"
"True");

static PyObject *
growbuffer_trim(PyObject *op, PyObject *Py_UNUSED(ignored))
{
    assert(buffer_type(Py_TYPE(op)) != NULL);
    BUFFER_LOCKED(int, rc, op, buffer_trim(buffer_cast(op)));
    return buffer_none_or_null(rc);
}

static size_t
memory_nbytes(PyObject *op)
{
    BUFFER_LOCKED(size_t, nbytes, op,
                  store_nbytes(&buffer_cast(op)->store) + buffer_held(buffer_cast(op)));
    assert(nbytes <= PY_SSIZE_T_MAX);
    return nbytes;
}

PyDoc_STRVAR(sizeof_doc,
"__sizeof__($self, /)\n--\n\n"
"Return how many bytes of memory the object and its contents may occupy.\n\n"
"Reserved address space that was never used does not count.");

static PyObject *
growbuffer_sizeof(PyObject *op, PyObject *Py_UNUSED(ignored))
{
    assert((size_t)Py_TYPE(op)->tp_basicsize >= sizeof(BufferObject));
    return PyLong_FromSize_t((size_t)Py_TYPE(op)->tp_basicsize + memory_nbytes(op));
}

PyDoc_STRVAR(alloc_doc,
"__alloc__($self, /)\n--\n\n"
"Return how many bytes of memory the contents and the NUL after them may occupy.");

static PyObject *
growbuffer_alloc(PyObject *op, PyObject *Py_UNUSED(ignored))
{
    return PyLong_FromSize_t(memory_nbytes(op));
}

PyDoc_STRVAR(capacity_doc,
"How many bytes the buffer can hold before its capacity must grow.\n\n"
">>> from growbuf import GrowBuffer\n"
">>> buf = GrowBuffer()\n"
">>> buf.reserve(1000)\n"
">>> buf.capacity >= 1000\n"
"True");

static PyObject *
growbuffer_capacity(PyObject *op, void *Py_UNUSED(closure))
{
    BUFFER_LOCKED(size_t, capacity, op, store_capacity(&buffer_cast(op)->store));
    assert(capacity < GROWTH_MAX);
    return PyLong_FromSize_t(capacity);
}

PyDoc_STRVAR(limit_doc,
"The largest number of bytes the buffer can hold, or None if it has no limit.\n\n"
">>> from growbuf import GrowBuffer\n"
">>> GrowBuffer(b'spam', limit=1000).limit, GrowBuffer().limit\n"
"(1000, None)");

static PyObject *
growbuffer_limit(PyObject *op, void *Py_UNUSED(closure))
{
    BUFFER_LOCKED(size_t, limit, op, buffer_limit(buffer_cast(op)));
    assert(limit <= SPAN_MAX_LIMIT);
    if (limit == 0) {
        Py_RETURN_NONE;
    }
    return PyLong_FromSize_t(limit);
}

const PyMethodDef capacity_methods[] = {
    {"reserve", growbuffer_reserve, METH_O, reserve_doc},
    {"trim", growbuffer_trim, METH_NOARGS, trim_doc},
    {"__sizeof__", growbuffer_sizeof, METH_NOARGS, sizeof_doc},
    {"__alloc__", growbuffer_alloc, METH_NOARGS, alloc_doc},
    {NULL, NULL, 0, NULL},
};

const PyGetSetDef capacity_getset[] = {
    {"capacity", growbuffer_capacity, NULL, capacity_doc, NULL},
    {"limit", growbuffer_limit, NULL, limit_doc, NULL},
    {NULL, NULL, NULL, NULL, NULL},
};
