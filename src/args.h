/* args: the only conversions of a call's arguments.
 *
 * Converting an argument may run user code, such as an __index__ that clears a buffer.
 * So a function converts all arguments first and reads lengths afterwards. -1 comes
 * with an exception.
 */
#ifndef GROWBUF_ARGS_H
#define GROWBUF_ARGS_H

#define PY_SSIZE_T_CLEAN
#include <Python.h>
#include <stdbool.h>

#include "find.h"

/* Read a small int without a call into Python: nearly every byte and index is small.
 * Return false for a larger int and for any other object. */
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

/* Convert any object to a byte, as bytearray does. args_byte() calls this for objects
 * that are not a small int in range(256). */
int args_byte_slow(PyObject *item, unsigned char *value);

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

/* The rest of args_file_size(): None, other objects, and a wrong number of arguments.
 * pre: *size is -1, which is the result for None. */
int args_file_size_slow(const char *name, PyObject *const *args, Py_ssize_t nargs,
                        Py_ssize_t *size);

/* Convert the only argument of a file's method such as read(). The result is a number
 * of bytes, or -1 for None and for no argument. */
static inline int
args_file_size(const char *name, PyObject *const *args, Py_ssize_t nargs,
               Py_ssize_t *size)
{
    *size = -1; /* the result for None and for no argument */
    return nargs == 0 || (nargs == 1 && args_small_int(args[0], size))
               ? 0
               : args_file_size_slow(name, args, nargs, size);
}

/* Convert the argument `name`, a number of bytes that is at least `min`. */
int args_nbytes(PyObject *number, const char *name, Py_ssize_t min, Py_ssize_t *nbytes);

/* The bytes of an argument. They stay in place until args_close_bytes(). */
struct args_bytes {
    struct piece piece;
    Py_buffer view; /* held if the object could change them; else `obj` is NULL */
};

/* Get the bytes of a bytes, bytearray, GrowBuffer or memoryview. Return false for any
 * other object, and for a memoryview that is released or not contiguous. This runs no
 * user code and raises nothing. */
bool args_open_bytes(PyObject *object, struct args_bytes *bytes);

static inline void
args_close_bytes(struct args_bytes *bytes)
{
    if (bytes->view.obj != NULL) {
        PyBuffer_Release(&bytes->view);
    }
}

/* The part of args_sort() for named arguments. pre: `values` holds the positional
 * ones. */
bool args_sort_named(PyObject *const *args, Py_ssize_t nargs, PyObject *kwnames,
                     const char *const *names, Py_ssize_t nparams, PyObject **values);

/* Store the arguments of a METH_FASTCALL | METH_KEYWORDS call in the order of the
 * parameters. A parameter without an argument gets NULL. A parameter whose name is NULL
 * is positional only. Return false if there are too many arguments, an unknown name, or
 * two values for one parameter. */
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

/* Raise TypeError, with the interpreter's message, unless min <= nargs <= max. */
int args_check_count(const char *name, Py_ssize_t nargs, Py_ssize_t min,
                     Py_ssize_t max);

#endif
