/* rows: the object GrowArray, whose rows are the bytes of a GrowBuffer. Here are the
 * ndarray that looks at them, and the tailroom for more.
 *
 * Whatever changes, the kept view too, is read and written under the critical section of
 * the buffer: ROWS_LOCKED. Functions that expect it say so; -1 and NULL come with an
 * exception, and then the rows are unchanged.
 */
#ifndef GROWBUF_ROWS_H
#define GROWBUF_ROWS_H

#include "buffer.h"
#include "layout.h"

typedef struct {
    PyObject_HEAD
    BufferObject *buffer;
    LayoutObject *layout;
    PyObject *weakrefs;
    PyObject *view; /* the kept view: the ndarray made last, or NULL; an export */
    size_t view_nbytes;
    unsigned int nexports; /* by the buffer protocol: memoryviews and the like */
    /* Others know the buffer: they may change it, and a kept view would be in their way. */
    bool shared;
    bool small; /* so far a few bytes on the heap, that no view has looked at */
} RowsObject;

/* Up to so many bytes an array needs no reservation, unless there are views. Its block
 * grows by a half, and at least by ROWS_MIN_SMALL. */
enum { ROWS_MIN_SMALL = 32, ROWS_MAX_SMALL = 64 * 1024 };

static inline RowsObject *
rows_cast(PyObject *op)
{
    return (RowsObject *)op;
}

/* Evaluate a call under the lock. */
#define ROWS_LOCKED(rows, result, call)                                                \
    Py_BEGIN_CRITICAL_SECTION((rows)->buffer);                                         \
    result = (call);                                                                   \
    Py_END_CRITICAL_SECTION()

void rows_dealloc(PyObject *op);

/* Return GrowArray itself among the bases of `type`, or NULL. Borrowed. */
static inline PyTypeObject *
rows_type(PyTypeObject *type)
{
    while (type != NULL && type->tp_dealloc != rows_dealloc) {
        type = type->tp_base;
    }
    return type;
}

static inline bool
rows_check(PyObject *op)
{
    return rows_type(Py_TYPE(op)) != NULL;
}

/* Return a new object of a type that derives from GrowArray. Takes over `buffer`, which may
 * be NULL with an exception. */
PyObject *rows_create(PyTypeObject *type, PyObject *buffer, LayoutObject *layout);

Py_ssize_t rows_length(PyObject *op);

/* Raise ValueError unless the buffer, which others may have changed, is whole rows.
 * Under the lock. */
int rows_check_whole(const RowsObject *self);

/* End being small: reserve address space for `nbytes` and more, as far as the process has
 * some, and copy the rows there, which never move again. Under the lock. */
int rows_stabilize(RowsObject *self, size_t nbytes);

/* Return an ndarray of the rows in a buffer, which is ours or was. */
PyObject *rows_make_view(RowsObject *self, BufferObject *buffer);

/* Return the kept view: the ndarray made last if it still shows all rows, else a new one.
 * pre: the caller gives it to no other code, which could change its shape and flags. */
PyObject *rows_kept_view(PyObject *op);

/* Return a new ndarray of all rows, to be handed out. */
PyObject *rows_new_view(PyObject *op);

/* Drop the kept view, and raise BufferError if another view is held. Dropping it may run
 * other code. Under the lock. */
int rows_drop_views(RowsObject *self);

/* Raise an exception unless the rows are whole and may grow by `nbytes`. A view keeps a
 * buffer that may move from growing; the kept view does not. May run other code. Under the
 * lock. */
int rows_check_growable(RowsObject *self, size_t nbytes);

/* Ensure `nbytes` of tailroom after whole rows. As rows_check_growable(). */
int rows_make_tailroom_slow(RowsObject *self, size_t nbytes);

static inline int
rows_make_tailroom(RowsObject *self, size_t nbytes)
{
    BufferObject *buffer = self->buffer;
    return nbytes <= store_tailroom(&buffer->store) && !buffer_is_exported(buffer) &&
                   !self->shared
               ? 0
               : rows_make_tailroom_slow(self, nbytes);
}

/* Convert an argument, a number of rows that is at least `min`, to bytes. */
int rows_nbytes_of(const LayoutObject *layout, const char *name, PyObject *nrows,
                   Py_ssize_t min, size_t *nbytes);

static inline NumPyObject *
rows_numpy(PyObject *op)
{
    return rows_cast(op)->layout->numpy;
}

/* Whether an operand is of a type whose code does not see the other operand, or keeps it no
 * longer than the operation. Code of another type might return it, or change its shape. */
bool rows_is_tame(NumPyObject *numpy, PyObject *op);

/* Return an operand as NumPy is to see it: a GrowArray as a view, the kept one or a new one,
 * anything else as it is. */
PyObject *rows_as_ndarray(PyObject *op, bool kept);

/* Zero what pads the items of some rows, or of all rows, after NumPy has written there. Runs
 * no other code, and may be called with an exception set. What is no GrowArray is left. */
void rows_clean_between(PyObject *op, Py_ssize_t start, Py_ssize_t stop);
void rows_clean(PyObject *op);

#endif
