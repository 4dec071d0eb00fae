/* buffer_object: the Python object GrowBuffer: its struct, its construction and
 * deallocation, and its exports. buffer.h has the functions that change the bytes.
 *
 * Code that reads a GrowBuffer sees a bytearray: start, size and exports in the base
 * struct always describe our store. Two rules prevent bytearray's own code (the base)
 * from resizing memory that it did not allocate:
 *   the pin   ob_exports starts at 1 and never falls below. So the base always finds an
 *             export and raises BufferError. To our code, 1 means no export. The lower
 *             half of ob_exports counts the pin and all exports. The upper half counts
 *             only the views: exports through the buffer protocol. Each view records
 *             where the bytes began when it was made (views.h). The other exports
 *             belong to functions that use the bytes while other code may run
 *             (buffer_hold).
 *   no slack  ob_alloc never shows free bytes, because bytearray.__init__ appends into
 *             free bytes without checking exports.
 *
 * Callers hold the lock: the GIL, or the object's critical section on a free-threaded
 * build. A function that returns -1 or NULL has set an exception and left the buffer
 * unchanged.
 */
#ifndef GROWBUF_BUFFER_OBJECT_H
#define GROWBUF_BUFFER_OBJECT_H

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

/* Evaluate `call` under the lock of the object `op`, and assign its value to a new
 * variable `result` of type `type`. */
#define BUFFER_LOCKED(type, result, op, call)                                          \
    type result;                                                                       \
    Py_BEGIN_CRITICAL_SECTION(op);                                                     \
    result = (call);                                                                   \
    Py_END_CRITICAL_SECTION()

typedef struct {
    PyByteArrayObject base;
    struct store store;
    struct extra *extra; /* NULL until the buffer needs it */
} BufferObject;

enum spare_state {
    SPARE_RELEASED,    /* no memoryview exists */
    SPARE_OUTSTANDING, /* a memoryview of the tail of the buffer exists */
    SPARE_DETACHED,    /* a memoryview exists; the buffer has moved to other memory */
    SPARE_SHARED       /* a memoryview exists, but does not prevent appending */
};

/* Spans are reported to tracemalloc in this domain. Python's allocator reports heap
 * blocks. */
#define BUFFER_TRACE_DOMAIN 0x67726f77u

/* The `owner` of a spare that readfrom() uses. No thread has this number. */
enum { SPARE_READER = 0 };

/* The free tail of a buffer, which spare() returns as a writable memoryview (spare.c).
 * The memoryview counts as a view of the buffer. At first the spare is outstanding:
 * until commit() is called or the memoryview is released, nothing else can change the
 * length. If the memoryview still exists after commit(), the next change of the length
 * copies the bytes of the buffer to other memory. The spare is then detached: it owns
 * the former memory until the memoryview is released. spare_make_shared() describes the
 * fourth state.
 *
 * While a memoryview exists this object has a reference to the buffer. Otherwise the
 * buffer has a reference to this object. So the two never form a cycle. */
typedef struct spare {
    PyObject_HEAD
    BufferObject *buffer; /* NULL: it was deallocated, or no longer uses this spare */
    enum spare_state state;
    char *start; /* where commit() appends; NULL: there is nothing to commit */
    size_t nbytes;
    size_t position;        /* the start that the memoryview saw (views.h) */
    char first;             /* SPARE_RELEASED: the byte that the NUL has replaced */
    PyObject *view;         /* a weak reference to the newest memoryview */
    unsigned long owner;    /* the thread that may release it, or SPARE_READER */
    const PyObject *reader; /* the view that readfrom() reads into, or NULL */
    struct store store;     /* SPARE_DETACHED: the memory of the memoryview */
} SpareObject;

/* Fields that few buffers need. They are allocated on demand. */
struct extra {
    SpareObject *spare; /* NULL until spare() or readfrom() is called */
    size_t nshared;     /* how many views are SPARE_SHARED */
    struct views views; /* most fields are zero until views_advance() is called */
};

static inline BufferObject *
buffer_cast(PyObject *op)
{
    return (BufferObject *)op;
}

/* Return the address of the bytes, their number, or both. They are valid until the
 * length changes. */
static inline char *
buffer_bytes(const BufferObject *self)
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

/* ------------------------------------------------------------------------- the type */

/* Slots: construction and deallocation. */
PyObject *buffer_new(PyTypeObject *type, PyObject *args, PyObject *kwargs);
void buffer_dealloc(PyObject *op);

/* Slots: the buffer protocol. Py_buffer.internal holds the position of the start that
 * the view saw (views.h). */
int buffer_getbuffer(PyObject *op, Py_buffer *view, int flags);
void buffer_releasebuffer(PyObject *op, Py_buffer *view);

/* On free-threaded 3.13, bytearray's methods read the bytes without a lock. Later
 * versions take the object's critical section, as our functions do. */
#if defined(Py_GIL_DISABLED) && PY_VERSION_HEX < 0x030E0000
#define BUFFER_UNLOCKED_BASE
#endif

/* Whether a type is GrowBuffer itself, and not a subclass. Each interpreter has its own
 * GrowBuffer type, so the types are recognized by their tp_dealloc. */
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

/* --------------------------------------------------------------------- construction */

/* Reuse the memory of deallocated buffers.
 *   keep_dead  From now on keep deallocated buffers of `type`. This does nothing if
 *              those of another type are kept already.
 *   limit_dead Call this when the limit of the pool was lowered. If buffers of `type`
 *              are kept, and have more than half that many bytes, free them. Some 1,024
 *              of them may be kept with any limit.
 *   dead_nbytes
 *              Return how many bytes the kept buffers of `type` have, without these
 *              1,024.
 *   free_dead  If buffers of `type` are kept, free those that there are.
 *   drop_dead  If buffers of `type` are kept, free them and keep none from now on. */
void buffer_keep_dead(const PyTypeObject *type);
void buffer_limit_dead(const PyTypeObject *type);
size_t buffer_dead_nbytes(const PyTypeObject *type);
void buffer_free_dead(const PyTypeObject *type);
void buffer_drop_dead(const PyTypeObject *type);

/* Return a new buffer of `nbytes` bytes. The caller writes their values before any
 * other code runs. pre: `type` is GrowBuffer itself. */
PyObject *buffer_create(PyTypeObject *type, size_t nbytes);

/* Return a new buffer with a copy of these bytes. pre: as for buffer_create(). */
PyObject *buffer_copy(PyTypeObject *type, struct piece piece);

/* Return a new buffer that takes over the memory of `store`. If this fails, the memory
 * is freed. `store` is empty afterwards in both cases. pre: `type` is GrowBuffer
 * itself. */
PyObject *buffer_from_store(PyTypeObject *type, struct store *store);

/* -------------------------------------------------------------- publishing a change */

/* The gate: the only function that writes the address and the length of the bytes to
 * the base struct. It is called after every change of a buffer's store. */
static inline void
buffer_publish(BufferObject *self)
{
    Py_ssize_t length = (Py_ssize_t)self->store.length;
    assert(self->base.ob_exports >= 1 && length >= 0);
    self->base.ob_start = self->base.ob_bytes = self->store.start;
    self->base.ob_alloc = length > 0 ? length + 1 : 0;
    Py_SET_SIZE(self, length);
}

/* What decides whether tracemalloc must be told of a change of a store's memory. */
struct buffer_trace {
    const char *address;
    size_t dirty_end;
    bool is_span;
};

static inline struct buffer_trace
buffer_trace_of(const struct store *store)
{
    return (struct buffer_trace){store->memory.address, store->memory.dirty_end,
                                 store_kind(store) >= STORE_SPAN};
}

/* If the memory of a store has changed since `before` was buffer_trace_of(store),
 * report that to tracemalloc. pre: it is or was a span. */
void buffer_trace_change(struct buffer_trace before, const struct store *store);

/* Return the limit, or 0 if the buffer has none. */
size_t buffer_limit(const BufferObject *self);

/* Return how many removed bytes must stay in memory: they were removed from the front,
 * and a view may still see them. The capacity of a buffer with a limit is the limit
 * less these bytes. */
size_t buffer_held(const BufferObject *self);

/* Raise the MemoryError for an errno value that `store` returned. */
void buffer_no_memory(const struct store *store, int error);

/* Raise the MemoryError for an append past the limit of the buffer. */
void buffer_past_limit(const BufferObject *self);

/* Raise the MemoryError for an errno value that the store of the buffer returned, and
 * return -1. */
int buffer_raise_error(const BufferObject *self, int error);

/* Return the spare of the buffer, or NULL. */
static inline SpareObject *
buffer_spare(const BufferObject *self)
{
    return self->extra == NULL ? NULL : self->extra->spare;
}

/* Make a later commit() of a released spare fail: its bytes were overwritten, or the
 * end of the buffer has moved. */
static inline void
buffer_forget_spare(BufferObject *self)
{
    SpareObject *spare = buffer_spare(self);
    if (spare != NULL && spare->state == SPARE_RELEASED) {
        assert(spare->buffer == self);
        spare->start = NULL;
    }
}

/* Return what is wrong with the buffer, or NULL. */
const char *buffer_check(BufferObject *self);

/* Publish the store after a change, and report to tracemalloc what has changed since
 * `before`. A released spare can no longer be committed. Raise MemoryError if `error`,
 * the errno value of the change, is not 0. */
static inline int
buffer_publish_change(BufferObject *self, struct buffer_trace before, int error)
{
    buffer_forget_spare(self);
    if (before.is_span || store_kind(&self->store) >= STORE_SPAN) {
        buffer_trace_change(before, &self->store);
    }
    buffer_publish(self);
    assert(buffer_check(self) == NULL);
    return error == 0 ? 0 : buffer_raise_error(self, error);
}

/* -------------------------------------------------------------------------- exports */

/* The bits of the lower half of ob_exports. A debug build has as many as a 32-bit
 * system, so that a test can reach BUFFER_MAX_VIEWS. */
#ifdef GROWBUF_DEBUG
#define BUFFER_HALF 16
#else
#define BUFFER_HALF (sizeof(Py_ssize_t) * 4)
#endif

/* What one view adds to ob_exports: 1 to each half. The lower half can count more than
 * twice BUFFER_MAX_VIEWS exports. So it also has space for the pin and for the exports
 * of buffer_hold(). */
#define BUFFER_VIEW (((Py_ssize_t)1 << BUFFER_HALF) + 1)
#define BUFFER_MAX_VIEWS (((size_t)1 << (BUFFER_HALF - 1)) - 1)

/* Return the number of exports other than the pin. */
static inline size_t
buffer_nexports(const BufferObject *self)
{
    return ((size_t)self->base.ob_exports & (((size_t)1 << BUFFER_HALF) - 1)) - 1;
}

/* Return how many of the exports are views. */
static inline size_t
buffer_nviews(const BufferObject *self)
{
    return (size_t)self->base.ob_exports >> BUFFER_HALF;
}

/* Count a view, and set `*position` to the position of the start that it sees. Raise
 * BufferError if there are BUFFER_MAX_VIEWS already. */
int buffer_acquire_view(BufferObject *self, size_t *position);

/* Stop counting a view, and give back memory that no view sees any more. */
void buffer_release_view(BufferObject *self, size_t position);

/* Whether there is an export other than the pin. */
static inline bool
buffer_is_exported(const BufferObject *self)
{
    return self->base.ob_exports != 1;
}

/* Add an export that is not a view. Until buffer_unhold(), user code and other threads
 * cannot remove or move bytes. They can append to a buffer with a limit, because that
 * moves no byte. */
static inline void
buffer_hold(BufferObject *self)
{
    self->base.ob_exports++;
    assert(buffer_nexports(self) > buffer_nviews(self));
}

static inline void
buffer_unhold(BufferObject *self)
{
    assert(buffer_nexports(self) > buffer_nviews(self));
    self->base.ob_exports--;
}

/* ------------------------------------------------------------------------ the spare */

/* Allocate `extra`, unless the buffer has it. */
int buffer_ensure_extra(BufferObject *self);

/* The message of the BufferError while readfrom() has a spare. */
#define BUFFER_IS_READ_INTO                                                            \
    "readfrom() is reading into the buffer: wait until it returns"

/* Whether a view of the tail exists that is neither detached nor shared. */
static inline bool
buffer_spare_is_outstanding(const BufferObject *self)
{
    const SpareObject *spare = buffer_spare(self);
    return spare != NULL && spare->state == SPARE_OUTSTANDING;
}

/* Whether an outstanding or shared view of the tail exists. Code that holds it may
 * overwrite the NUL. */
static inline bool
buffer_tail_may_be_written(const BufferObject *self)
{
    return buffer_spare_is_outstanding(self) ||
           (self->extra != NULL && self->extra->nshared > 0);
}

/* -------------------------------------------------------------------------- methods */

/* Cast a function that takes more than two arguments for a PyMethodDef. */
#define BUFFER_METHOD(function) (PyCFunction)(void (*)(void)) function

/* Return None if `rc` is 0, and NULL if it is -1. */
static inline PyObject *
buffer_none_or_null(int rc)
{
    assert((rc < 0) == (PyErr_Occurred() != NULL));
    if (rc < 0) {
        return NULL;
    }
    Py_RETURN_NONE;
}

#endif
