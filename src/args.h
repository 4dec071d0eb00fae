/* args: conversion of the arguments of a call.
 *
 * Converting an argument may run user code, such as an __index__ that clears a buffer.
 * So callers convert all arguments first and read lengths afterwards. A function that
 * returns int returns 0, or -1 with an exception.
 */
#ifndef GROWBUF_ARGS_H
#define GROWBUF_ARGS_H

#define PY_SSIZE_T_CLEAN
#include <Python.h>
#include <stdbool.h>

#include "find.h"

/* Store the value of a small int, which CPython keeps in one digit, in `*value`. Nearly
 * all bytes and indexes are small, and reading them here saves a call into the
 * interpreter. Return false for a larger int and for any other object. */
static inline bool
args_small_int(PyObject *item, Py_ssize_t *value)
{
    if (!PyLong_CheckExact(item)) {
        return false;
    }
#if PY_VERSION_HEX >= 0x030C0000
    if (!PyUnstable_Long_IsCompact((PyLongObject *)item)) {
        return false;
    }
    *value = PyUnstable_Long_CompactValue((PyLongObject *)item);
#else
    Py_ssize_t ndigits = Py_SIZE(item);
    if (ndigits < -1 || ndigits > 1) {
        return false;
    }
    *value = ndigits * (Py_ssize_t)((PyLongObject *)item)->ob_digit[0];
#endif
    return true;
}

/* As args_byte(). Called for all objects except small ints in range(256). */
int args_byte_slow(PyObject *item, unsigned char *value);

/* Convert an item to a byte. Raise ValueError for an int out of range(256), as
 * bytearray does. */
static inline int
args_byte(PyObject *item, unsigned char *value)
{
    Py_ssize_t number;
    if (args_small_int(item, &number) && number >= 0 && number <= 255) {
        *value = (unsigned char)number;
        return 0;
    }
    return args_byte_slow(item, value);
}

/* Convert an index. Raise OverflowError if it does not fit into Py_ssize_t. */
int args_index(PyObject *number, Py_ssize_t *index);

/* As args_file_size(). Called if there is an argument that is not a small int, or more
 * than one argument. pre: `*size` is -1, the value for None. */
int args_file_size_slow(const char *name, PyObject *const *args, Py_ssize_t nargs,
                        Py_ssize_t *size);

/* Convert the optional argument of a file's method such as read(): a number of bytes,
 * which may be negative. Without an argument, and for None, `*size` becomes -1. */
static inline int
args_file_size(const char *name, PyObject *const *args, Py_ssize_t nargs,
               Py_ssize_t *size)
{
    *size = -1;
    return nargs == 0 || (nargs == 1 && args_small_int(args[0], size))
               ? 0
               : args_file_size_slow(name, args, nargs, size);
}

/* Convert the argument `name`, a number of bytes. Raise TypeError for an object without
 * __index__(), OverflowError for a number that does not fit into Py_ssize_t, ValueError
 * for one below `min`. */
int args_nbytes(PyObject *number, const char *name, Py_ssize_t min, Py_ssize_t *nbytes);

/* Whether a memoryview is C-contiguous and not released. For any other memoryview
 * PyObject_GetBuffer() would raise, and creating that exception takes memory. */
static inline bool
args_is_readable(PyObject *view)
{
    int flags = ((PyMemoryViewObject *)view)->flags;
    assert(PyMemoryView_Check(view));
    return (flags & (_Py_MEMORYVIEW_RELEASED | _Py_MEMORYVIEW_C)) == _Py_MEMORYVIEW_C;
}

/* The bytes of an argument. They stay at one address until args_close_bytes(). */
struct args_bytes {
    struct piece piece;
    Py_buffer view; /* prevents changes of the length, unless `obj` is NULL */
};

/* As args_open_bytes(), for an object that is not a bytes. */
bool args_open_view(PyObject *object, struct args_bytes *bytes);

/* Get the bytes of a bytes, bytearray, GrowBuffer or memoryview. Return false for any
 * other object, which includes instances of subclasses, and for a memoryview that is
 * released or not C-contiguous. This runs no user code and raises nothing. */
static inline bool
args_open_bytes(PyObject *object, struct args_bytes *bytes)
{
    if (!PyBytes_CheckExact(object)) {
        return args_open_view(object, bytes);
    }
    bytes->view.obj = NULL;
    bytes->piece =
        (struct piece){PyBytes_AS_STRING(object), (size_t)PyBytes_GET_SIZE(object)};
    return true;
}

static inline void
args_close_bytes(struct args_bytes *bytes)
{
    if (bytes->view.obj != NULL) {
        PyBuffer_Release(&bytes->view);
    }
}

/* As args_sort(), for the arguments passed by name. pre: those passed by position are
 * in `values`, and the other values are NULL. */
bool args_sort_named(PyObject *const *args, Py_ssize_t nargs, PyObject *kwnames,
                     const char *const *names, Py_ssize_t nparams, PyObject **values);

/* Set values[i] to the argument for the i-th of `nparams` parameters, or to NULL if it
 * has none. names[i] is the parameter's name, or NULL if it is positional only. The
 * first three arguments are those of a METH_FASTCALL | METH_KEYWORDS function. Return
 * false, without an exception, if there are too many arguments, an unknown name or two
 * arguments for one parameter. */
static inline bool
args_sort(PyObject *const *args, Py_ssize_t nargs, PyObject *kwnames,
          const char *const *names, Py_ssize_t nparams, PyObject **values)
{
    for (Py_ssize_t i = 0; i < nparams; i++) {
        values[i] = i < nargs ? args[i] : NULL;
    }
    return nargs <= nparams &&
           (kwnames == NULL ||
            args_sort_named(args, nargs, kwnames, names, nparams, values));
}

/* Raise TypeError, with the interpreter's message: `nargs` is less than `min` or more
 * than `max`. */
int args_wrong_count(const char *name, Py_ssize_t nargs, Py_ssize_t min,
                     Py_ssize_t max);

/* Raise TypeError if `nargs` is less than `min` or more than `max`. */
static inline int
args_check_count(const char *name, Py_ssize_t nargs, Py_ssize_t min, Py_ssize_t max)
{
    return nargs >= min && nargs <= max ? 0 : args_wrong_count(name, nargs, min, max);
}

#endif
