/* buffer: the Python object GrowBuffer: its construction and deallocation, and the gate,
 * which publishes every change of its length.
 *
 * To code that reads, a GrowBuffer is a bytearray: start, size and exports in the base
 * struct always describe our store. Two rules keep the base's own code from resizing
 * memory that it did not allocate:
 *   the pin   ob_exports starts at 1 and never falls below. So the base always finds an
 *             export, and refuses with BufferError. Our code takes 1 for no export.
 *   no slack  ob_alloc never shows free bytes, because bytearray.__init__ appends into
 *             free bytes without looking at exports.
 *
 * Callers hold the GIL, or the object's critical section on a free-threaded build.
 * -1 and NULL come with an exception; then the buffer is unchanged.
 */
#ifndef GROWBUF_BUFFER_H
#define GROWBUF_BUFFER_H

#define PY_SSIZE_T_CLEAN
#include <Python.h>
#include <stdbool.h>

#include "store.h"

#if PY_VERSION_HEX < 0x030D0000
#define Py_BEGIN_CRITICAL_SECTION(op) {
#define Py_END_CRITICAL_SECTION() }
#define Py_BEGIN_CRITICAL_SECTION2(a, b) {
#define Py_END_CRITICAL_SECTION2() }
#endif

typedef struct {
    PyByteArrayObject base;
    struct store store;
    struct spare *spare; /* NULL until spare() or readfrom() is called */
} BufferObject;

/* The free tail, given out as a memoryview to be written to (spare.c). While the view
 * lives, the spare is outstanding: it is an export of the buffer, and nothing may be
 * appended except what is committed. Then this object has a reference to the buffer,
 * otherwise the buffer has one to this: never both, so that there is no cycle. */
typedef struct spare {
    PyObject_HEAD
    BufferObject *buffer; /* NULL: deallocated */
    bool outstanding;
    char *start; /* NULL: nothing that could be committed */
    size_t nbytes;
    char first;     /* when not outstanding: what was written where the NUL is now */
    PyObject *view; /* a weak reference to the memoryview that was made last */
    unsigned long owner; /* the thread that may release that; 0: none, it is in use */
    const PyObject *reader; /* the view that readfrom() reads into; else NULL */
} SpareObject;

static inline BufferObject *
buffer_cast(PyObject *op)
{
    return (BufferObject *)op;
}

/* The bytes and how many; valid until the next change of length. */
static inline char *
buffer_bytes(BufferObject *self)
{
    return self->store.start;
}

static inline size_t
buffer_length(const BufferObject *self)
{
    return self->store.length;
}

/* The gate: the only function that publishes where the bytes are and how many. Every
 * change of a buffer's store ends here. */
static inline void
buffer_publish(BufferObject *self)
{
    Py_ssize_t length = (Py_ssize_t)self->store.length;
    self->base.ob_start = self->base.ob_bytes = self->store.start;
    self->base.ob_alloc = length > 0 ? length + 1 : 0;
    Py_SET_SIZE(self, length);
}

/* Slots: construction and deallocation. */
PyObject *buffer_new(PyTypeObject *type, PyObject *args, PyObject *kwargs);
void buffer_dealloc(PyObject *op);

/* On free-threaded 3.13 the base takes no lock, neither to read nor to count exports;
 * later ones take the object's critical section, as all of ours do. */
#if defined(Py_GIL_DISABLED) && PY_VERSION_HEX < 0x030E0000
#define BUFFER_UNLOCKED_BASE
int buffer_getbuffer(PyObject *op, Py_buffer *view, int flags);
void buffer_releasebuffer(PyObject *op, Py_buffer *view);
#endif

/* Whether a type is GrowBuffer itself, of any interpreter. */
static inline bool
buffer_is_exact_type(const PyTypeObject *type)
{
    return type->tp_dealloc == buffer_dealloc;
}

/* Return the GrowBuffer type among the bases of `type`, or NULL. Borrowed. */
static inline PyTypeObject *
buffer_type(PyTypeObject *type)
{
    while (type != NULL && !buffer_is_exact_type(type)) {
        type = type->tp_base;
    }
    return type;
}

/* Use memory of deallocated buffers of this type again, if no other type does; and stop. */
void buffer_keep_dead(const PyTypeObject *type);
void buffer_free_dead(const PyTypeObject *type);

/* Return a new buffer of `type`, which is GrowBuffer itself, with `nbytes` bytes, whose
 * values the caller writes before any other code runs. */
PyObject *buffer_create(PyTypeObject *type, size_t nbytes);

/* Return a new buffer of `type`, the same, that takes over `store` and leaves it empty,
 * also when it fails. */
PyObject *buffer_from_store(PyTypeObject *type, struct store *store);

/* Invalidate a pending spare(): its bytes were overwritten, or the end moved. */
static inline void
buffer_forget_spare(BufferObject *self)
{
    if (self->spare != NULL && !self->spare->outstanding) {
        self->spare->start = NULL;
    }
}

/* How many exports there are besides the pin. */
static inline Py_ssize_t
buffer_nexports(const BufferObject *self)
{
    return self->base.ob_exports - 1;
}

/* Whether an export other than the pin keeps the bytes where they are. */
static inline bool
buffer_is_exported(const BufferObject *self)
{
    return self->base.ob_exports != 1;
}

/* Hold an export while user code or another thread may run. */
static inline void
buffer_hold(BufferObject *self)
{
    self->base.ob_exports++;
}

static inline void
buffer_unhold(BufferObject *self)
{
    assert(self->base.ob_exports > 1);
    self->base.ob_exports--;
}

/* Raise BufferError unless the length may change in any way; or unless the buffer may
 * grow at its end, which moves nothing in a store that has a limit. */
int buffer_check_resizable(BufferObject *self);
int buffer_check_growable(BufferObject *self);

/* As buffer_check_growable, but the export of the outstanding spare does not count. */
int buffer_check_committable(BufferObject *self);

/* Raise the MemoryError for an errno value that the store returned. */
void buffer_no_memory(const struct store *store, int error);

/* Replace `removed` bytes at `at` by `inserted` bytes, whose values the caller writes
 * before any other code runs. */
int buffer_splice(BufferObject *self, size_t at, size_t removed, size_t inserted);

/* Grow at the end, or make room for that, by a function of the store. */
int buffer_grow(BufferObject *self, int (*grow)(struct store *, size_t), size_t nbytes);

/* Append `nbytes`, whose values the caller writes before any other code runs. nbytes == 0
 * takes the slow path, since an empty store's NUL is shared: nbytes - 1 wraps to
 * SIZE_MAX. */
static inline int
buffer_append(BufferObject *self, size_t nbytes)
{
    if (nbytes - 1 >= store_tailroom(&self->store) || buffer_is_exported(self)) {
        return nbytes == 0 ? 0 : buffer_grow(self, store_append, nbytes);
    }
    store_commit(&self->store, nbytes);
    buffer_publish(self);
    return 0;
}

static inline int
buffer_append_zeros(BufferObject *self, size_t nbytes)
{
    return nbytes == 0 ? 0 : buffer_grow(self, store_append_zeros, nbytes);
}

/* Make the capacity at least `capacity` bytes in all. */
static inline int
buffer_reserve(BufferObject *self, size_t capacity)
{
    return capacity <= store_capacity(&self->store)
               ? 0
               : buffer_grow(self, store_reserve, capacity);
}

/* Make room for `nbytes` after the last byte, for buffer_commit. */
static inline int
buffer_make_tailroom(BufferObject *self, size_t nbytes)
{
    return nbytes <= store_tailroom(&self->store)
               ? 0
               : buffer_grow(self, store_make_tailroom, nbytes);
}

/* Append `nbytes` that the caller has already written after the last byte. */
static inline void
buffer_commit(BufferObject *self, size_t nbytes)
{
    if (nbytes > 0) { /* the NUL of an empty store is shared, and not written */
        store_commit(&self->store, nbytes);
        buffer_publish(self);
    }
}

/* Give back all memory that the length does not need. */
int buffer_trim(BufferObject *self);

/* Remove all bytes. An empty buffer gives back what it has reserved. */
int buffer_clear(BufferObject *self);

/* Move the first `nbytes` into `taken`, a new and empty buffer, without copying them.
 * Return 1, and do nothing, where that cannot be. */
int buffer_take(BufferObject *self, size_t nbytes, BufferObject *taken);

/* Hand the store over to `taken`, a new and empty buffer; one that is fixed is replaced
 * by another with the same limit. */
int buffer_hand_over(BufferObject *self, BufferObject *taken);

/* Exchange the contents with `store`, which is left with the old ones. Nothing for
 * nothing is no change of length, under an export either (but see 3.15's __init__);
 * an outstanding spare has bytes even where the buffer has none. */
int buffer_exchange(BufferObject *self, struct store *store);

/* Undo the handing over of `store`, also under an export that was made since, of no bytes:
 * it is left empty. Return 1, and do nothing, where that cannot be. */
int buffer_put_back(BufferObject *self, struct store *store);

/* A function that takes more than two arguments, for a table of methods. */
#define BUFFER_METHOD(function) (PyCFunction)(void (*)(void)) function

/* Make None of success and NULL of -1: what most methods return. */
static inline PyObject *
buffer_none_or_null(int rc)
{
    if (rc < 0) {
        return NULL;
    }
    Py_RETURN_NONE;
}

/* Return why the buffer is not as it should be, or NULL. */
const char *buffer_check(BufferObject *self);

#endif
