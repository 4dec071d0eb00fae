/* rows: the struct of a GrowArray. Its rows are the bytes of a GrowBuffer. The
 * functions here make ndarrays of the rows, and tailroom for more rows.
 *
 * Fields that change, such as the kept view, are read and written in the critical
 * section of the buffer. ROWS_LOCKED enters it. "Under the lock" in a comment means
 * that the caller has entered it. -1 and NULL come with an exception; then the rows are
 * unchanged.
 */
#ifndef GROWBUF_ROWS_H
#define GROWBUF_ROWS_H

#include "buffer.h"
#include "layout.h"
#include "maxlen.h"

/* Fields that few arrays need. The struct is allocated when one is first needed. */
struct rows_extra {
    /* The last two rows that were read by an index, the newest one first (rows_swap.h).
     * The pointers are only compared: they hold no reference. */
    const PyObject *views[2];
    Py_ssize_t rows[2];
    /* The first half of a swap assigns the view of row rows[1] to row rows[0]. It sets
     * this to the bytes of two rows: the old bytes of row rows[0], then its new bytes.
     * NULL otherwise. */
    char *before;
    PyObject *pinned; /* a dict of the views that are kept, by address; or NULL */
    char *pending;    /* bytes that readfrom() has read and not appended; or NULL */
    size_t pending_nbytes;
};

typedef struct {
    PyObject_HEAD
    BufferObject *buffer;
    LayoutObject *layout;
    PyObject *weakrefs;
    PyObject *view;     /* the kept view: a cached ndarray, or NULL; it is an export */
    size_t view_nbytes; /* length of the newest view that showed all rows; SIZE_MAX if
                         * no view shows all rows */
    struct rows_extra *extra; /* or NULL */
    size_t max_nbytes;        /* maxlen in bytes; or MAXLEN_NONE */
    unsigned int nexports;    /* memoryviews and other exports of the array itself */
    /* Other code has the buffer and may resize it. A kept view, which is an export,
     * would prevent that: keep none. */
    bool shared;
    /* At most ROWS_MAX_SMALL bytes on the heap; no view was made yet. It becomes false
     * under the lock, and is also read without it. */
    _Atomic bool small;
} RowsObject;

/* A small array has reserved no address space. It is no longer small when it becomes
 * longer than ROWS_MAX_SMALL bytes, when its first view is made, or when a call needs
 * the reservation, such as spare() or the attribute `capacity`. Until then its heap
 * block grows by half of the array's length, and at least by ROWS_MIN_SMALL bytes. */
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

/* Return self->extra, and allocate it if there is none. Return NULL without an
 * exception if memory runs out. Under the lock. */
struct rows_extra *rows_ensure_extra(RowsObject *self);

/* Return GrowArray if `type` is GrowArray or derives from it, else NULL. Borrowed. */
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

/* Return a new object of GrowArray or a subclass. Takes the reference to `buffer`,
 * which may be NULL with an exception. */
PyObject *rows_create(PyTypeObject *type, PyObject *buffer, LayoutObject *layout);

Py_ssize_t rows_length(PyObject *op);

/* Raise ValueError if the buffer's length is not a multiple of the row size. Other code
 * may have changed the length. Under the lock. */
int rows_check_whole(const RowsObject *self);

/* Do nothing if the array is not small. Otherwise reserve address space for the rows
 * and at least `nbytes` more, and copy the rows there. The array is then stable, and no
 * longer small: appending never moves its rows. If no address space can be reserved,
 * give the array capacity for `nbytes` more instead: it is then neither stable nor
 * small. If that fails too, the array stays small. Under the lock. */
int rows_stabilize(RowsObject *self, size_t nbytes);

/* Return a new ndarray that shows the bytes of an object as rows. The object is the
 * array's own buffer (under the lock), a new buffer, or a memoryview. */
PyObject *rows_make_view(RowsObject *self, PyObject *bytes);

/* Return the kept view if it still shows all rows, else make a new one and keep it.
 * pre: the caller passes it to no code that could change its shape or flags. */
PyObject *rows_kept_view(PyObject *op);

/* Return a new ndarray of all rows, which may be passed to any code. */
PyObject *rows_new_view(PyObject *op);

/* Drop the kept view. Raise BufferError if another view prevents moving or removing
 * rows. If `front` is true, the caller removes only first rows: views of a stable array
 * do not prevent that. Dropping the view may run other code. Under the lock. */
int rows_drop_kept_view(RowsObject *self, bool front);

/* Raise an exception unless the buffer's length is a multiple of the row size and may
 * grow by `nbytes`. If a small array would become longer than ROWS_MAX_SMALL bytes,
 * call rows_stabilize(). Drop the kept view if the array is not stable or a spare is
 * outstanding, because views can prevent growing then. May run other code. Under the
 * lock. */
int rows_check_growable(RowsObject *self, size_t nbytes);

/* `rc` is what a call that needed `nbytes` more bytes has returned: return it. If it is
 * -1, the exception is MemoryError, and the array has no limit, the exception has no
 * text: replace it by one that states the number of rows. */
int rows_explain_no_memory(const RowsObject *self, size_t nbytes, int rc);

/* Call rows_check_growable(), then ensure `nbytes` of tailroom. Under the lock. */
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

/* Publish `nbytes` of rows that were written to the tailroom. If there are then more
 * rows than maxlen, remove the first ones. pre: rows_make_tailroom() made the tailroom;
 * nbytes <= max_nbytes, or it is one row. Under the lock. */
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
        self->view_nbytes = SIZE_MAX; /* the kept view will show removed rows */
        return maxlen_commit(buffer, max, nbytes);
    }
    buffer_roll(buffer, nbytes, buffer_length(buffer) + nbytes - max);
    return 0;
}

/* Convert an argument, a number of rows, to bytes. If the rows have more than
 * PY_SSIZE_T_MAX bytes, convert the largest number of rows that have not more. Raise
 * ValueError if the argument is less than `min`. If `min` is -1, the number -1 becomes
 * more than PY_SSIZE_T_MAX bytes. Messages contain the `name` of the argument. */
int rows_nbytes_of(const LayoutObject *layout, const char *name, PyObject *nrows,
                   Py_ssize_t min, size_t *nbytes);

static inline NumPyObject *
rows_numpy(PyObject *op)
{
    return rows_cast(op)->layout->numpy;
}

/* Whether an operand's type is known to keep no reference to the other operand after
 * the operation. Other types may keep or return it, or change its shape. */
bool rows_is_tame(NumPyObject *numpy, PyObject *op);

/* Return an operand to pass to NumPy. For a GrowArray that is the kept view if `kept`,
 * else a new view. For another object it is the object. */
PyObject *rows_as_ndarray(PyObject *op, bool kept);

/* Zero the padding bytes of the rows between two indices, or of all rows, after NumPy
 * has written to them. Runs no other code, and may be called with an exception set.
 * Does nothing if `op` is not a GrowArray. */
void rows_clean_between(PyObject *op, Py_ssize_t start, Py_ssize_t stop);
void rows_clean(PyObject *op);

#endif
