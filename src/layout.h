/* layout: how the rows of arrays lie in memory, and the NumPy functions used for that.
 *
 * growbuf/array.py is the only code that imports NumPy. When it is imported, it passes
 * functions of NumPy and of its own to this file. Later it makes a Layout for each pair
 * of dtype and row shape. Arrays share layouts. No NumPy header is needed: C code reads
 * ndarrays by their attributes and the buffer protocol, and makes them by ndarray.h.
 */
#ifndef GROWBUF_LAYOUT_H
#define GROWBUF_LAYOUT_H

#define PY_SSIZE_T_CLEAN
#include <Python.h>
#include <stdbool.h>
#include <string.h>

#include "ndarray.h"
#include "setitem.h"

/* The types and functions that growbuf/array.py passes. */
#define NUMPY_HOOKS(DO)                                                                \
    DO(ndarray) /* these four are types */                                             \
    DO(dtype)                                                                          \
    DO(generic)                                                                        \
    DO(ufunc)                                                                          \
    DO(frombuffer)  /* (buffer, dtype) -> ndarray with one axis */                     \
    DO(make_layout) /* (dtype, row_shape) -> Layout */                                 \
    DO(make_rows)   /* (data, dtype, row_shape) -> (dtype, row_shape, rows) */         \
    DO(row)         /* (layout, value) -> ndarray of one row */                        \
    DO(rows)        /* (layout, values) -> ndarray of rows; None: iterate over them */ \
    DO(selected) /* (nrows, key) -> ndarray of bools: whether key selects the row */   \
    DO(inserted) /* (layout, value) -> ndarray of rows; None: it is one row */         \
    DO(arrow)    /* (layout, None) -> the parts of a row for Arrow: arrow.c */         \
    DO(buffer_format) /* (dtype) -> buffer protocol format; None: it has none */       \
    DO(address_space) /* () -> bytes of address space: (all, used by other code) */

#define NUMPY_HOOK(name) NUMPY_##name,
enum numpy_hook { NUMPY_HOOKS(NUMPY_HOOK) NUMPY_NHOOKS };
#undef NUMPY_HOOK

enum { NUMPY_NKEPT = 64 };

/* A cached layout, and the arguments for which it was made. */
struct kept {
    PyObject *dtype, *row_shape, *layout;
};

typedef struct {
    PyObject_HEAD
    PyObject *hooks[NUMPY_NHOOKS];
    struct scalars scalars;
    struct ndarray_api ndarray;
    struct kept kept[NUMPY_NKEPT];
    /* What address_space() returned. space_nbytes is -1 until it is called. Both are
     * read and written in the critical section of this object. */
    Py_ssize_t space_nbytes, others_nbytes;
} NumPyObject;

/* Padding: adjacent bytes of an item that belong to no value. */
struct padding {
    size_t offset, nbytes;
};

typedef struct {
    PyObject_HEAD
    NumPyObject *numpy;
    PyObject *dtype;
    PyObject *row_shape;  /* a tuple of ints */
    PyObject *view_dtype; /* the dtype, as a subarray if a row has a shape */
    PyObject *new_row;    /* () -> ndarray of one row */
    PyObject *format;     /* bytes; None: there is none; NULL: not yet computed */
    size_t row_nbytes, itemsize;
    bool has_shape; /* the row shape is not () */
    bool is_void;   /* a scalar of this dtype is a view of its array, as np.void is */
    struct field field; /* how Python objects are written to a row */
    Py_ssize_t npaddings;
    struct padding *paddings;
} LayoutObject;

extern PyType_Spec layout_numpy_spec, layout_spec;

static inline LayoutObject *
layout_cast(PyObject *op)
{
    return (LayoutObject *)op;
}

/* use_numpy(scalars, api, **hooks): store what growbuf/array.py passes. */
PyObject *layout_use_numpy(PyObject *module, PyObject *args, PyObject *kwargs);
extern const char layout_use_numpy_doc[];

/* Return the layout for two arguments of GrowArray(). Each may be None. Return a new
 * reference. */
PyObject *layout_of(NumPyObject *numpy, PyObject *dtype, PyObject *row_shape);

/* Return the buffer protocol's format of an item. The string lives as long as the
 * layout. Raise BufferError if the dtype has no format that NumPy converts back to the
 * same dtype. */
const char *layout_format(LayoutObject *layout);

/* Call hook(layout, value). */
PyObject *layout_call(LayoutObject *layout, enum numpy_hook hook, PyObject *value);

/* Whether layout_choose_limit() would have to call Python code first. */
bool layout_must_measure_space(NumPyObject *numpy);

/* Choose a limit in bytes for an array that must hold `nbytes`: at least twice that,
 * and at most `max`. Set *limit to 0 if no address space should be reserved. Return 0;
 * -1 comes with an exception. */
int layout_choose_limit(NumPyObject *numpy, size_t nbytes, size_t max, size_t *limit);

/* Zero the padding bytes of rows. NumPy leaves them unspecified, also when it casts. */
void layout_clean_slow(const LayoutObject *layout, char *rows, size_t nbytes);

static inline void
layout_clean(const LayoutObject *layout, char *rows, size_t nbytes)
{
    if (layout->npaddings > 0) {
        layout_clean_slow(layout, rows, nbytes);
    }
}

/* Write a row. Return false if that needs Python code; then the row may be written in
 * part. */
static inline bool
layout_write(const LayoutObject *layout, char *to, PyObject *row)
{
    if (layout->npaddings > 0) {
        memset(to, 0, layout->row_nbytes);
    }
    return layout->field.write(&layout->field, to, row);
}

#endif
