/* layout: how the rows of arrays lie in memory, and what was taken from NumPy for them.
 *
 * growbuf/array.py is the only code that imports NumPy. When it is imported it hands over
 * functions of NumPy's and its own, and later one Layout for each dtype and row shape.
 * Arrays share layouts. No NumPy header is needed: an ndarray is met by its attributes and
 * by the buffer protocol.
 */
#ifndef GROWBUF_LAYOUT_H
#define GROWBUF_LAYOUT_H

#define PY_SSIZE_T_CLEAN
#include <Python.h>
#include <stdbool.h>
#include <string.h>

#include "setitem.h"

/* What growbuf/array.py hands over. */
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
    DO(selected) /* (nrows, key) -> ndarray of bools: the rows that a key selects */   \
    DO(buffer_format) /* (dtype) -> the format of the buffer protocol; None: none */   \
    DO(address_space) /* () -> bytes: in all, and what others than buffers have of it */

#define NUMPY_HOOK(name) NUMPY_##name,
enum numpy_hook { NUMPY_HOOKS(NUMPY_HOOK) NUMPY_NHOOKS };
#undef NUMPY_HOOK

enum { NUMPY_NKEPT = 64 };

/* A layout, under the arguments that it was asked for with. */
struct kept {
    PyObject *dtype, *row_shape, *layout;
};

typedef struct {
    PyObject_HEAD
    PyObject *hooks[NUMPY_NHOOKS];
    struct scalars scalars;
    struct kept kept[NUMPY_NKEPT];
    Py_ssize_t space_nbytes,
        others_nbytes; /* what address_space() said; -1: not asked */
} NumPyObject;

/* A run of bytes of an item that hold no value. */
struct padding {
    size_t offset, nbytes;
};

typedef struct {
    PyObject_HEAD
    NumPyObject *numpy;
    PyObject *dtype;
    PyObject *row_shape;  /* a tuple of ints */
    PyObject *view_shape; /* the (-1, *row_shape) for reshape(); NULL for one axis */
    PyObject *new_row;    /* () -> ndarray of one row */
    PyObject *format;     /* a bytes object; None: none; NULL: not asked yet */
    size_t row_nbytes, itemsize;
    bool is_void; /* an item is a view of its array, as NumPy's void scalars are */
    struct field field; /* a row */
    Py_ssize_t npaddings;
    struct padding *paddings;
} LayoutObject;

extern PyType_Spec layout_numpy_spec, layout_spec;

static inline LayoutObject *
layout_cast(PyObject *op)
{
    return (LayoutObject *)op;
}

/* use_numpy(scalars, **hooks): growbuf/array.py hands over what it has. */
PyObject *layout_use_numpy(PyObject *module, PyObject *args, PyObject *kwargs);
extern const char layout_use_numpy_doc[];

/* Return the layout for two arguments of GrowArray, which may be None. A new reference. */
PyObject *layout_of(NumPyObject *numpy, PyObject *dtype, PyObject *row_shape);

/* Return the format of an item in the buffer protocol, which lives as long as the layout. If
 * it has none that NumPy reads back as the same dtype, raise BufferError. */
const char *layout_format(LayoutObject *layout);

/* Call what was handed over. */
PyObject *layout_call(LayoutObject *layout, enum numpy_hook hook, PyObject *value);

/* Return how many bytes an array may reserve that is to hold `nbytes`: at most `max`, and 0
 * where it is to have no reservation. -1 comes with an exception. */
int layout_choose_limit(NumPyObject *numpy, size_t nbytes, size_t max, size_t *limit);

/* Zero the bytes of rows that hold no value. NumPy leaves them to chance, in casts too. */
void layout_clean_slow(const LayoutObject *layout, char *rows, size_t nbytes);

static inline void
layout_clean(const LayoutObject *layout, char *rows, size_t nbytes)
{
    if (layout->npaddings > 0) {
        layout_clean_slow(layout, rows, nbytes);
    }
}

/* Write a row, or return false if that takes Python code. */
static inline bool
layout_write(const LayoutObject *layout, char *to, PyObject *row)
{
    if (layout->npaddings > 0) {
        memset(to, 0, layout->row_nbytes);
    }
    return layout->field.write(&layout->field, to, row);
}

#endif
