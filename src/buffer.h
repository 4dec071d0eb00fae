/* buffer: the Python object GrowBuffer. This file constructs and deallocates it, and
 * holds the gate: the function that publishes every change of its length.
 *
 * Code that reads a GrowBuffer sees a bytearray: start, size and exports in the base
 * struct always describe our store. Two rules prevent bytearray's own code (the base)
 * from resizing memory that it did not allocate:
 *   the pin   ob_exports starts at 1 and never falls below. So the base always finds an
 *             export and raises BufferError. To our code, 1 means no export. The lower
 *             half of ob_exports counts the pin and all exports. The upper half counts
 *             those that are views: exports by the buffer protocol, of which the start
 *             that they saw is known (views.h). While there are other exports, code
 *             that is running uses the bytes, and their number must not change.
 *   no slack  ob_alloc never shows free bytes, because bytearray.__init__ appends into
 *             free bytes without checking exports.
 *
 * Callers hold the GIL, or the object's critical section on a free-threaded build. A
 * function that returns -1 or NULL has set an exception and left the buffer unchanged.
 */
#ifndef GROWBUF_BUFFER_H
#define GROWBUF_BUFFER_H

#define PY_SSIZE_T_CLEAN
#include <Python.h>
#include <stdbool.h>

#include "find.h"
#include "store.h"
#include "views.h"

/* Before 3.13 the GIL protects every object. */
#if PY_VERSION_HEX < 0x030D0000
#define Py_BEGIN_CRITICAL_SECTION(op) {
#define Py_END_CRITICAL_SECTION() }
#define Py_BEGIN_CRITICAL_SECTION2(a, b) {
#define Py_END_CRITICAL_SECTION2() }
#endif

typedef struct {
    PyByteArrayObject base;
    struct store store;
    struct extra *extra; /* NULL: the buffer has nothing of it */
} BufferObject;

enum spare_state {
    SPARE_RELEASED,    /* no memoryview exists */
    SPARE_OUTSTANDING, /* a memoryview exists, of the tail of the buffer */
    SPARE_LEFT,        /* a memoryview exists, and the buffer has left its memory */
    SPARE_SHARED       /* a memoryview exists, which is a view like others now */
};

/* Spans are reported to tracemalloc in this domain. Python's allocator reports heap
 * blocks. */
#define BUFFER_TRACE_DOMAIN 0x67726f77u

/* The free tail of a buffer, which spare() returns as a writable memoryview (spare.c).
 * While the memoryview exists the spare is outstanding: it is a view of the buffer.
 * Until commit() is called, nothing else can change the length. If the memoryview still
 * exists after commit(), the next change of the length copies the bytes of the buffer
 * to other memory, and the former memory stays here until the memoryview is released.
 *
 * While a memoryview exists this object has a reference to the buffer. Otherwise the
 * buffer has a reference to this object. So the two never form a cycle. */
typedef struct spare {
    PyObject_HEAD
    BufferObject *buffer; /* NULL: it was deallocated */
    enum spare_state state;
    char *start;            /* NULL: there is nothing to commit */
    size_t nbytes;          /* after commit(): the bytes that were not committed */
    size_t position;        /* of the buffer's start when the memoryview was made */
    char first;             /* after a release or commit(): what the NUL has replaced */
    PyObject *view;         /* a weak reference to the newest memoryview */
    unsigned long owner;    /* the thread that may release it; 0: readfrom() uses it */
    const PyObject *reader; /* the view that readfrom() reads into, or NULL */
    struct store store;     /* SPARE_LEFT: the memory of the memoryview */
} SpareObject;

/* What few buffers have. */
struct extra {
    SpareObject *spare; /* NULL until spare() or readfrom() is called */
    size_t nshared;     /* the views of spares that are SPARE_SHARED */
    struct views views; /* all zero until bytes are removed from the front of views */
};

static inline BufferObject *
buffer_cast(PyObject *op)
{
    return (BufferObject *)op;
}

/* Return the address of the bytes, and their number. Both are valid until the length
 * changes. */
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

static inline struct piece
buffer_piece(PyObject *op)
{
    BufferObject *self = buffer_cast(op);
    return (struct piece){buffer_bytes(self), buffer_length(self)};
}

/* The gate: the only function that writes the address and the number of the bytes to
 * the base struct. It is called after every change of a buffer's store. */
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

/* Slots: the buffer protocol. Py_buffer.internal is the position of the start that the
 * view saw (views.h). */
int buffer_getbuffer(PyObject *op, Py_buffer *view, int flags);
void buffer_releasebuffer(PyObject *op, Py_buffer *view);

/* On free-threaded 3.13 bytearray takes no lock to read. Later versions take the
 * object's critical section, as our functions do. */
#if defined(Py_GIL_DISABLED) && PY_VERSION_HEX < 0x030E0000
#define BUFFER_UNLOCKED_BASE
#endif

/* Whether a type is GrowBuffer itself, and no subclass. Each interpreter has its
 * own. */
static inline bool
buffer_is_exact_type(const PyTypeObject *type)
{
    return type->tp_dealloc == buffer_dealloc;
}

/* Return the GrowBuffer type that `type` is or derives from, or NULL. The reference is
 * borrowed. */
static inline PyTypeObject *
buffer_type(PyTypeObject *type)
{
    while (type != NULL && !buffer_is_exact_type(type)) {
        type = type->tp_base;
    }
    return type;
}

/* Keep deallocated buffers of this type, so that their memory is used again. This does
 * nothing if buffers of another type are kept already. buffer_free_dead() frees them
 * and stops that. */
void buffer_keep_dead(const PyTypeObject *type);
void buffer_free_dead(const PyTypeObject *type);

/* Return a new buffer of `nbytes` bytes. The caller writes their values before any
 * other code runs. pre: `type` is GrowBuffer itself. */
PyObject *buffer_create(PyTypeObject *type, size_t nbytes);

/* Return a new buffer with a copy of these bytes. pre: as for buffer_create(). */
PyObject *buffer_copy(PyTypeObject *type, struct piece piece);

/* Return a new buffer that takes over `store`, which is empty afterwards. It is freed
 * if this fails. pre: `type` is GrowBuffer itself. */
PyObject *buffer_from_store(PyTypeObject *type, struct store *store);

/* Return the spare of the buffer, or NULL. */
static inline SpareObject *
buffer_spare(const BufferObject *self)
{
    return self->extra == NULL ? NULL : self->extra->spare;
}

/* Whether a view that spare() or readfrom() made of the tail exists. */
static inline bool
buffer_spare_is_outstanding(const BufferObject *self)
{
    const SpareObject *spare = buffer_spare(self);
    return spare != NULL && spare->state == SPARE_OUTSTANDING;
}

/* Whether a view exists that was made of the tail. Other code may write there, and
 * overwrite the NUL. */
static inline bool
buffer_tail_is_written(const BufferObject *self)
{
    return buffer_spare_is_outstanding(self) ||
           (self->extra != NULL && self->extra->nshared > 0);
}

/* Make a later commit() of a released spare fail: its bytes were overwritten, or the
 * end of the buffer has moved. */
static inline void
buffer_forget_spare(BufferObject *self)
{
    SpareObject *spare = buffer_spare(self);
    if (spare != NULL && spare->state == SPARE_RELEASED) {
        spare->start = NULL;
    }
}

/* Ensure that the buffer has `extra`. */
int buffer_ensure_extra(BufferObject *self);

/* One view in ob_exports. Each half of ob_exports has enough bits, because a view takes
 * more than a byte of memory. */
#define BUFFER_HALF (sizeof(Py_ssize_t) * 4)
#define BUFFER_VIEW (((Py_ssize_t)1 << BUFFER_HALF) + 1)

/* Return the number of exports other than the pin, and how many of them are views. */
static inline size_t
buffer_nexports(const BufferObject *self)
{
    return ((size_t)self->base.ob_exports & (((size_t)1 << BUFFER_HALF) - 1)) - 1;
}

static inline size_t
buffer_nviews(const BufferObject *self)
{
    return (size_t)self->base.ob_exports >> BUFFER_HALF;
}

/* Count a view and return the position of the start that it sees; and stop counting
 * it, which may give memory back. */
size_t buffer_begin_view(BufferObject *self);
void buffer_end_view(BufferObject *self, size_t position);

/* Whether an export other than the pin keeps the bytes where they are. */
static inline bool
buffer_is_exported(const BufferObject *self)
{
    return self->base.ob_exports != 1;
}

/* Add an export, and remove it. Between the two, user code and other threads cannot
 * change the length. */
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

/* Raise BufferError if the length cannot change, because there are exports. If the only
 * export is a spare that was committed, move the bytes to other memory: they are
 * somewhere else afterwards.
 *   growable   for growing at the end. If the store has a limit that moves no byte, so
 *              views are allowed.
 *   removable  for removing bytes from the front. If the store has a limit, views are
 *              allowed (views.h).
 * All three raise while a spare is not committed. */
int buffer_check_resizable(BufferObject *self);
int buffer_check_growable(BufferObject *self);
int buffer_check_removable(BufferObject *self);

/* As buffer_check_growable(), for commit(): an outstanding spare is allowed. */
int buffer_check_committable(BufferObject *self);

/* Return the limit, or 0 if the buffer has none, and how many bytes that were removed
 * from the front a view may still see. The capacity is the limit less those bytes. */
size_t buffer_limit(const BufferObject *self);
size_t buffer_held(const BufferObject *self);

/* Raise the MemoryError for an errno value that the store returned. */
void buffer_no_memory(const struct store *store, int error);

/* Raise the MemoryError for an append past the limit. */
void buffer_past_limit(const BufferObject *self);

/* Replace `removed` bytes at offset `at` by `inserted` bytes. The caller writes their
 * values before any other code runs. If bytes are only removed, at the front, views are
 * allowed as buffer_check_removable() says. */
int buffer_splice(BufferObject *self, size_t at, size_t removed, size_t inserted);

/* Call `grow`, a function of the store that appends bytes or adds capacity. */
int buffer_grow(BufferObject *self, int (*grow)(struct store *, size_t), size_t nbytes);

/* Append `nbytes` bytes. The caller writes their values before any other code runs.
 * Nothing is done for 0 bytes (nbytes - 1 is SIZE_MAX then), because an empty store has
 * no NUL of its own to write. */
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

/* Append `nbytes` zero bytes. */
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

/* Make the tailroom at least `nbytes`. */
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
    if (nbytes > 0) { /* an empty store has no NUL of its own to write */
        store_commit(&self->store, nbytes);
        buffer_publish(self);
    }
}

/* Undo buffer_commit(), which must be the last change of the buffer. */
static inline void
buffer_uncommit(BufferObject *self, size_t nbytes)
{
    store_uncommit(&self->store, nbytes);
    buffer_publish(self);
}

/* Move the bytes to the start of their memory. pre: there are no exports. */
void buffer_slide(BufferObject *self);

/* Append `nbytes` that the caller has already written after the last byte, and remove
 * the first `removed` bytes of all, which become headroom. The headroom is never longer
 * than the bytes. pre: there are no exports, and nbytes > 0. */
static inline void
buffer_roll(BufferObject *self, size_t nbytes, size_t removed)
{
    assert(!buffer_is_exported(self));
    store_commit(&self->store, nbytes);
    store_skip(&self->store, removed);
    if (store_free_headroom(&self->store) > self->store.length) {
        buffer_slide(self);
        return;
    }
    buffer_publish(self);
}

/* Give back all memory that the length does not need. */
int buffer_trim(BufferObject *self);

/* Remove all bytes. If the buffer is empty already, give its capacity back. */
int buffer_clear(BufferObject *self);

/* Move the first `nbytes` bytes to a store, by moving their pages or the whole store.
 * Return 1, and do nothing, if the store cannot do that, or if views see the bytes but do
 * not prevent removing them. `*taken` need not be initialized. */
int buffer_take(BufferObject *self, size_t nbytes, struct store *taken);

/* Move the whole store of a buffer with a limit to `*taken`. The buffer gets a new and
 * empty store with that limit. Return 1, and do nothing, if there is no address space for
 * it. */
int buffer_hand_over(BufferObject *self, struct store *taken);

/* Swap the buffer's store and `store`. Raise BufferError if there are exports. Swapping
 * an empty store for an empty store is allowed under exports, except with a limit,
 * while a spare is outstanding, and since 3.15, whose __init__ raises then. */
int buffer_exchange(BufferObject *self, struct store *store);

/* Put back a store that was moved away. It is empty afterwards. Exports
 * of the buffer, which are of no bytes, are allowed if it has no limit. Return 1, and
 * do nothing, if the buffer has bytes or an outstanding spare, if only one of the two
 * stores has a limit, or if there is an export and a limit. */
int buffer_put_back(BufferObject *self, struct store *store);

/* Cast a function that takes more than two arguments for a PyMethodDef. */
#define BUFFER_METHOD(function) (PyCFunction)(void (*)(void)) function

/* Return None if `rc` is 0, and NULL if it is -1. */
static inline PyObject *
buffer_none_or_null(int rc)
{
    if (rc < 0) {
        return NULL;
    }
    Py_RETURN_NONE;
}

/* Return what is wrong with the buffer, or NULL. */
const char *buffer_check(BufferObject *self);

#endif
