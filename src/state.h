/* state: the state of the module, one in each interpreter. */
#ifndef GROWBUF_STATE_H
#define GROWBUF_STATE_H

#include "buffer.h"

enum { STATE_MAX_METHODS = 128, STATE_MAX_BASE = 48, STATE_MAX_ROWS_METHODS = 32 };

struct state {
    PyTypeObject *buffer_type;
    PyTypeObject *spare_type;       /* spare.c */
    PyTypeObject *frozen_type;      /* frozen.c */
    PyTypeObject *numpy_type;       /* layout.c */
    PyTypeObject *layout_type;      /* layout.c */
    PyTypeObject *rebuild_type;     /* transfer.c */
    PyObject *numpy;                /* set by use_numpy() (layout.c), or NULL */
    PyObject *release_name;         /* "release" */
    PyObject *dtype_name;           /* "dtype" */
    PyObject *base[STATE_MAX_BASE]; /* bytearray's own methods: base.c */

    /* The types' tables of methods. They are filled in when the module is imported. The
     * methods of bytearray get the docstrings of the running Python (base.h). */
    PyMethodDef methods[STATE_MAX_METHODS];
    PyMethodDef rows_methods[STATE_MAX_ROWS_METHODS];
};

/* Append the methods of `more`, a table that ends in a NULL name, to `methods`, which
 * has `n` methods so far. Return the new number. */
static inline size_t
state_add_methods(PyMethodDef *methods, size_t n, const PyMethodDef *more)
{
    for (; more->ml_name != NULL; more++) {
        methods[n++] = *more;
    }
    return n;
}

/* Return the state of the module that made the type of a GrowBuffer. */
static inline struct state *
state_of(PyObject *op)
{
    return PyType_GetModuleState(buffer_type(Py_TYPE(op)));
}

#endif
