/* args: conversion of the arguments of a call. */
#include "args.h"

#include "buffer.h"

int
args_byte_slow(PyObject *item, unsigned char *value)
{
    int overflow;
    long number = PyLong_AsLongAndOverflow(item, &overflow);
    if (number == -1 && PyErr_Occurred()) {
        return -1;
    }
    if (overflow || number < 0 || number > 255) {
        PyErr_SetString(PyExc_ValueError, "byte must be in range(0, 256)");
        return -1;
    }
    *value = (unsigned char)number;
    return 0;
}

int
args_index(PyObject *number, Py_ssize_t *index)
{
    if (args_small_int(number, index)) {
        return 0;
    }
    PyObject *integer = PyNumber_Index(number);
    if (integer == NULL) {
        return -1;
    }
    *index = PyLong_AsSsize_t(integer);
    Py_DECREF(integer);
    return *index == -1 && PyErr_Occurred() ? -1 : 0;
}

int
args_file_size_slow(const char *name, PyObject *const *args, Py_ssize_t nargs,
                    Py_ssize_t *size)
{
    if (args_check_count(name, nargs, 0, 1) < 0) {
        return -1;
    }
    if (args[0] == Py_None) {
        return 0;
    }
    if (!PyIndex_Check(args[0])) {
        PyErr_Format(PyExc_TypeError,
                     "argument should be integer or None, not '%.200s'",
                     Py_TYPE(args[0])->tp_name);
        return -1;
    }
    *size = PyNumber_AsSsize_t(args[0], PyExc_OverflowError);
    return *size == -1 && PyErr_Occurred() ? -1 : 0;
}

int
args_nbytes(PyObject *number, const char *name, Py_ssize_t min, Py_ssize_t *nbytes)
{
    if (args_small_int(number, nbytes) && *nbytes >= min) {
        return 0;
    }
    if (!PyIndex_Check(number)) {
        PyErr_Format(PyExc_TypeError, "%s must be an integer, got %.200s", name,
                     Py_TYPE(number)->tp_name);
        return -1;
    }
    PyObject *integer = PyNumber_Index(number);
    if (integer == NULL) {
        return -1;
    }
    *nbytes = PyLong_AsSsize_t(integer);
    Py_DECREF(integer);
    if (*nbytes == -1 && PyErr_Occurred()) {
        PyErr_Format(PyExc_OverflowError, "%s must be between %zd and %zd", name, min,
                     PY_SSIZE_T_MAX);
        return -1;
    }
    if (*nbytes < min) {
        PyErr_Format(PyExc_ValueError, "%s must be %zd or more, got %zd", name, min,
                     *nbytes);
        return -1;
    }
    return 0;
}

bool
args_open_view(PyObject *object, struct args_bytes *bytes)
{
    bytes->view.obj = NULL;
    if (PyMemoryView_Check(object) ? !args_is_readable(object)
                                   : !PyByteArray_CheckExact(object) &&
                                         !buffer_is_exact_type(Py_TYPE(object))) {
        return false;
    }
    if (PyObject_GetBuffer(object, &bytes->view, PyBUF_SIMPLE) < 0) {
        /* The object has as many views as it can have. Or, without a GIL, another
         * thread has released the memoryview. */
        PyErr_Clear();
        return false;
    }
    bytes->piece = (struct piece){bytes->view.buf, (size_t)bytes->view.len};
    return true;
}

bool
args_sort_named(PyObject *const *args, Py_ssize_t nargs, PyObject *kwnames,
                const char *const *names, Py_ssize_t nparams, PyObject **values)
{
    for (Py_ssize_t i = 0; i < PyTuple_GET_SIZE(kwnames); i++) {
        PyObject *name = PyTuple_GET_ITEM(kwnames, i);
        Py_ssize_t j = 0;
        while (j < nparams &&
               (names[j] == NULL || PyUnicode_CompareWithASCIIString(name, names[j]))) {
            j++;
        }
        if (j == nparams || values[j] != NULL) {
            return false;
        }
        values[j] = args[nargs + i];
    }
    return true;
}

int
args_wrong_count(const char *name, Py_ssize_t nargs, Py_ssize_t min, Py_ssize_t max)
{
    assert(nargs < min || nargs > max);
    Py_ssize_t bound = nargs < min ? min : max;
    PyErr_Format(PyExc_TypeError, "%s expected %s%zd argument%s, got %zd", name,
                 min == max    ? ""
                 : nargs < min ? "at least "
                               : "at most ",
                 bound, bound == 1 ? "" : "s", nargs);
    return -1;
}
