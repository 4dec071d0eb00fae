#include "tail.h"

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
    Py_ssize_t capacity = PyNumber_AsSsize_t(nbytes, PyExc_OverflowError);
    if (capacity == -1 && PyErr_Occurred()) {
        return NULL;
    }
    if (capacity < 0) {
        PyErr_Format(PyExc_ValueError, "nbytes must not be negative, got %zd",
                     capacity);
        return NULL;
    }
    int rc;
    Py_BEGIN_CRITICAL_SECTION(op);
    rc = buffer_reserve(buffer_cast(op), (size_t)capacity);
    Py_END_CRITICAL_SECTION();
    if (rc < 0) {
        return NULL;
    }
    Py_RETURN_NONE;
}

PyDoc_STRVAR(trim_doc,
"trim($self, /)\n--\n\n"
"Give back all memory that the length does not need.\n\n"
"Raise BufferError while the bytes are exported.");

static PyObject *
trim(PyObject *op, PyObject *Py_UNUSED(ignored))
{
    int rc;
    Py_BEGIN_CRITICAL_SECTION(op);
    rc = buffer_trim(buffer_cast(op));
    Py_END_CRITICAL_SECTION();
    if (rc < 0) {
        return NULL;
    }
    Py_RETURN_NONE;
}

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

const PyMethodDef tail_methods[] = {
    {"reserve", reserve, METH_O, reserve_doc},
    {"trim", trim, METH_NOARGS, trim_doc},
    {"__sizeof__", sizeof_, METH_NOARGS, sizeof_doc},
    {"__alloc__", alloc, METH_NOARGS, alloc_doc},
    {NULL, NULL, 0, NULL},
};

const PyGetSetDef tail_getset[] = {
    {"capacity", get_capacity, NULL,
     PyDoc_STR("Bytes the buffer holds before it must grow."), NULL},
     {NULL, NULL, NULL, NULL, NULL},
};
