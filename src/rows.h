/* rows: the struct of a GrowArray. Its rows are the bytes of a GrowBuffer. The
 * functions here make ndarrays of the rows, and tailroom for more rows.
 *
 * All fields that change, the kept view among them, are read and written in the
 * critical section of the buffer, which ROWS_LOCKED enters. "Under the lock" in a
 * comment means that the caller is in it. -1 and NULL come with an exception; then the
 * rows are unchanged.
 */
#ifndef GROWBUF_ROWS_H
#define GROWBUF_ROWS_H

#include "buffer.h"
#include "layout.h"
#include "maxlen.h"

/* What few arrays have. The struct is allocated when it is needed first. */
struct rows_extra {
    /* The rows that were read last by an index, the newest one first (rows_swap.h). The
     * objects are compared only: no reference is held. */
    const PyObject *views[2];
    Py_ssize_t rows[2];
    /* After rows[0] was set to rows[1]: two rows of bytes, what rows[0] had before that
     * and what it was set to. Else NULL. */
    char *before;
    PyObject *pinned; /* a view that is kept as long as the array; or NULL */
    char *pending;    /* what readfrom() has read and not appended (rows_readfrom.c) */
    size_t pending_nbytes;
};

typedef struct {
    PyObject_HEAD
    BufferObject *buffer;
    LayoutObject *layout;
    PyObject *weakrefs;
    PyObject *view;     /* the kept view: a cached ndarray, or NULL; it is an export */
    size_t view_nbytes; /* of the newest view of all rows; SIZE_MAX: none was made */
    struct rows_extra *extra; /* or NULL */
    size_t max_nbytes; /* of the last rows that are kept (maxlen=); or MAXLEN_NONE */
    unsigned int nexports; /* by the buffer protocol: memoryviews and the like */
    /* Other code refers to the buffer and may resize it: keep no view, an export. */
    bool shared;
    bool small; /* at most 64 KiB on the heap, and no view was made yet */
} RowsObject;

/* An array of at most ROWS_MAX_SMALL bytes reserves no address space until its first
 * view. Its heap block grows by half of its length, and at least by ROWS_MIN_SMALL
 * bytes. */
enum { ROWS_MIN_SMALL = 40, ROWS_MAX_SMALL = 64 * 1024 };

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

/* Return self->extra, allocated if there was none; NULL without an exception. Under the
 * lock. */
struct rows_extra *rows_ensure_extra(RowsObject *self);

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

/* Return a new object of a type that derives from GrowArray. Takes over `buffer`, which
 * may be NULL with an exception. */
PyObject *rows_create(PyTypeObject *type, PyObject *buffer, LayoutObject *layout);

Py_ssize_t rows_length(PyObject *op);

/* Raise ValueError if the buffer's length is no multiple of the row size: other code
 * may have changed it. Under the lock. */
int rows_check_whole(const RowsObject *self);

/* End being small: reserve address space for `nbytes` more at least, and copy the rows
 * there; they never move again. If none can be reserved, the rows stay where they are.
 * Under the lock. */
int rows_stabilize(RowsObject *self, size_t nbytes);

/* Return an ndarray of the rows in an object that exports bytes: the array's own
 * buffer, under the lock; a new buffer; or a memoryview. */
PyObject *rows_make_view(RowsObject *self, PyObject *bytes);

/* Return the kept view if it still shows all rows, else make a new one and keep it.
 * pre: the caller passes it to no code that could change its shape or flags. */
PyObject *rows_kept_view(PyObject *op);

/* Return a new ndarray of all rows, which may be passed to any code. */
PyObject *rows_new_view(PyObject *op);

/* Drop the kept view, and raise BufferError if another view prevents rows from being
 * moved or removed. If `front` is true, only first rows are to be removed: then views
 * of a stable array do not prevent it. Dropping may run other code. Under the lock. */
int rows_drop_views(RowsObject *self, bool front);

/* Raise an exception unless the buffer's length is a multiple of the row size and may
 * grow by `nbytes`. If the buffer may move, a view prevents growing; the kept view is
 * dropped. May run other code. Under the lock. */
int rows_check_growable(RowsObject *self, size_t nbytes);

/* Ensure `nbytes` of tailroom, after the check that rows_check_growable() makes. Under
 * the lock. */
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

/* Publish `nbytes` of whole rows that were written to the tailroom, which
 * rows_make_tailroom() made for them. If there are then more rows than maxlen, remove
 * the first ones. pre: nbytes <= max_nbytes, or it is one row. Under the lock. */
static inline int
rows_commit(RowsObject *self, size_t nbytes)
{
    BufferObject *buffer = self->buffer;
    size_t max = self->max_nbytes;
    if (max == MAXLEN_NONE || buffer_length(buffer) + nbytes <= max) {
        buffer_commit(buffer, nbytes);
        return 0;
    }
    if (buffer_is_exported(buffer)) {
        self->view_nbytes = SIZE_MAX; /* the kept view, if any, shows other rows */
        return maxlen_commit(buffer, max, nbytes);
    }
    buffer_roll(buffer, nbytes, buffer_length(buffer) + nbytes - max);
    return 0;
}

/* Convert an argument, a number of rows that is at least `min`, to bytes. */
int rows_nbytes_of(const LayoutObject *layout, const char *name, PyObject *nrows,
                   Py_ssize_t min, size_t *nbytes);

static inline NumPyObject *
rows_numpy(PyObject *op)
{
    return rows_cast(op)->layout->numpy;
}

/* Whether an operand's type is known to keep no reference to the other operand after
 * the operation. Code of another type might return the other operand, or change its
 * shape. */
bool rows_is_tame(NumPyObject *numpy, PyObject *op);

/* Return an operand to pass to NumPy: for a GrowArray the kept view or a new one, else
 * the operand itself. */
PyObject *rows_as_ndarray(PyObject *op, bool kept);

/* Zero the padding bytes of the rows between two indices, or of all rows, after NumPy
 * has written to them. Runs no other code, and may be called with an exception set.
 * Does nothing if `op` is no GrowArray. */
void rows_clean_between(PyObject *op, Py_ssize_t start, Py_ssize_t stop);
void rows_clean(PyObject *op);

#endif
