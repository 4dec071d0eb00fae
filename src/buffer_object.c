/* buffer_object: the Python object GrowBuffer: construction, deallocation, exports. */
#include "buffer_object.h"

#include <errno.h>
#include <stdatomic.h>

#include "copy.h"
#include "pool.h"
#include "unused.h"

/* -------------------------------------------------------------- publishing a change */

void
buffer_trace_change(struct buffer_trace before, const struct store *store)
{
    struct buffer_trace now = buffer_trace_of(store);
    assert(before.is_span || now.is_span);
    if (now.address == before.address && now.dirty_end == before.dirty_end) {
        return;
    }
    if (before.is_span) {
        PyTraceMalloc_Untrack(BUFFER_TRACE_DOMAIN, (uintptr_t)before.address);
    }
    if (now.is_span) {
        assert(store_nbytes(store) > store->length);
        (void)PyTraceMalloc_Track(BUFFER_TRACE_DOMAIN, (uintptr_t)now.address,
                                  store_nbytes(store));
    }
}

size_t
buffer_limit(const BufferObject *self)
{
    const struct store *store = &self->store;
    return store_is_limited(store) ? store_capacity(store) + buffer_held(self) : 0;
}

size_t
buffer_held(const BufferObject *self)
{
    return self->extra == NULL ? 0 : self->extra->views.held;
}

void
buffer_no_memory(const struct store *store, int error)
{
    assert(error != 0 && !PyErr_Occurred());
    if (error == EFBIG) {
        PyErr_Format(PyExc_MemoryError,
                     "the buffer would grow past its limit of %zu bytes",
                     store_capacity(store));
    }
    else {
        PyErr_NoMemory();
    }
}

void
buffer_past_limit(const BufferObject *self)
{
    size_t held = buffer_held(self);
    if (held == 0) {
        buffer_no_memory(&self->store, EFBIG);
        return;
    }
    PyErr_Format(
        PyExc_MemoryError,
        "the buffer would grow past its limit of %zu bytes: views that were "
        "made before bytes were removed from its front still hold %zu of them: "
        "release these views",
        buffer_limit(self), held);
}

int
buffer_raise_error(const BufferObject *self, int error)
{
    assert(error != 0);
    if (error == EFBIG) {
        buffer_past_limit(self);
    }
    else {
        buffer_no_memory(&self->store, error);
    }
    return -1;
}

/* ------------------------------------------------------- construction, deallocation */

/* Initialize a new object, with an empty store that is not published. */
static void
buffer_init(BufferObject *self)
{
    assert(Py_REFCNT(self) == 1);
    self->extra = NULL;
    self->base.ob_exports = 1;
#if PY_VERSION_HEX >= 0x030F0000
    /* Since 3.15 a bytearray keeps its bytes in a bytes object. Ours is always the
     * empty one, which is immortal. It is not NULL, because bytearray.__init__ would
     * then reset the exports and so the pin. */
    self->base.ob_bytes_object = Py_GetConstantBorrowed(Py_CONSTANT_EMPTY_BYTES);
#endif
    store_init(&self->store);
}

PyObject *
buffer_new(PyTypeObject *type, PyObject *Py_UNUSED(args), PyObject *Py_UNUSED(kwargs))
{
    PyObject *op = type->tp_alloc(type, 0);
    assert(buffer_type(type) != NULL);
    if (op != NULL) {
        buffer_init(buffer_cast(op));
        buffer_publish(buffer_cast(op));
    }
    return op;
}

/* Most buffers are small results that exist for a short time. So some deallocated
 * buffers are kept, with their heap blocks, and used again. When `items` is full, its
 * oldest buffers move to unused.h. When it is empty, buffers come back from there.
 *
 * Only buffers of one type are kept, that of the interpreter which called
 * buffer_keep_dead() first. The GIL of this interpreter protects unused.h and all
 * fields except `type`, which is atomic because other interpreters read it. */
enum { DEAD_MAX = 2 * UNUSED_CHUNK, DEAD_NBYTES_MAX = 32 * 1024 };

/* After this many deallocations, buffers in unused.h that were not used again for some
 * time are freed: at most DEAD_NFREED chunks at once, so that it takes a short time. */
enum { DEAD_PERIOD = 1024, DEAD_NFREED = 8 };

static struct {
    _Atomic(const PyTypeObject *) type; /* NULL: no buffers are kept */
    size_t count;
    size_t first;                /* the items before this one have no heap block */
    size_t nrecycled;            /* counts deallocations while `has_more` */
    bool has_more;               /* there are buffers in unused.h */
    uint32_t ends[DEAD_MAX + 1]; /* see dead_nbytes() */
    void *items[DEAD_MAX];
} dead;

/* Return how many bytes the heap blocks of all items have. The block of item i has
 * ends[i + 1] - ends[i] bytes, if there is one. The ends may wrap. */
static inline size_t
dead_nbytes(void)
{
    assert(dead.first <= dead.count && dead.count <= DEAD_MAX);
    return (uint32_t)(dead.ends[dead.count] - dead.ends[dead.first]);
}

void
buffer_keep_dead(const PyTypeObject *type)
{
#if !defined(Py_GIL_DISABLED) && !defined(GROWBUF_DEBUG)
    const PyTypeObject *none = NULL;
    (void)atomic_compare_exchange_strong(&dead.type, &none, type);
#else
    /* Without a GIL `dead` is not protected. Debug tools must see each free(). */
    (void)type;
#endif
}

/* Whether deallocated buffers of this type are kept. */
static bool
keeps_dead(const PyTypeObject *type)
{
    return atomic_load_explicit(&dead.type, memory_order_relaxed) == type;
}

/* Whether tracemalloc is tracing. It would count many kept objects as memory in use, at
 * the line that made them. And it would not count those that are used again if they
 * were made before it was started. So unused.h has none while it is tracing. */
static bool
is_tracing(void)
{
    return PyTraceMalloc_Untrack(BUFFER_TRACE_DOMAIN, 0) != -2; /* forgets nothing */
}

/* Return how many bytes unused.h may keep. Another interpreter may have changed it. */
static size_t
max_unused(void)
{
    return pool_limit() / 2;
}

/* Make room in `items`, which is full: move the oldest of them to unused.h. Return
 * false if unused_add() refuses them. */
Py_NO_INLINE static bool
spill_dead(void)
{
    assert(dead.count == DEAD_MAX && dead.first <= DEAD_MAX);
    if (is_tracing()) {
        return false;
    }
    for (size_t i = 0; i < dead.first; i++) {
        dead.ends[i] = dead.ends[dead.first]; /* these have no block */
    }
    dead.first = 0;
    if (!unused_add(dead.items, dead.ends, sizeof(BufferObject), max_unused())) {
        return false;
    }
    dead.has_more = true;
    dead.count -= UNUSED_CHUNK;
    memmove(dead.items, dead.items + UNUSED_CHUNK, dead.count * sizeof *dead.items);
    memmove(dead.ends, dead.ends + UNUSED_CHUNK, (dead.count + 1) * sizeof *dead.ends);
    return true;
}

/* Fill `items`, which is empty, from unused.h. Return false if that has none. */
static bool
take_unused_dead(void)
{
    assert(dead.count == 0);
    dead.has_more = unused_take(dead.items, dead.ends);
    dead.count = dead.has_more ? UNUSED_CHUNK : 0;
    dead.first = 0;
    return dead.has_more;
}

static void
free_dead(BufferObject *self)
{
    assert(self->extra == NULL);
    store_drop(&self->store);
    PyObject_Free(self);
}

/* Free buffers of unused.h that were not used again for some time. */
Py_NO_INLINE static void
free_idle_dead(void)
{
    void *items[UNUSED_CHUNK];
    uint32_t ends[UNUSED_CHUNK + 1];
    uint64_t now_ms = pages_ops.clock_ms();
    for (int i = 0; i < DEAD_NFREED && unused_take_idle(items, ends, now_ms); i++) {
        for (size_t j = 0; j < UNUSED_CHUNK; j++) {
            free_dead(items[j]);
        }
    }
    dead.has_more = unused_nbytes() > 0;
}

void
buffer_limit_dead(const PyTypeObject *type)
{
    if (keeps_dead(type) && unused_nbytes() > max_unused()) {
        buffer_free_dead(type);
    }
}

size_t
buffer_dead_nbytes(const PyTypeObject *type)
{
    return keeps_dead(type) ? unused_nbytes() : 0;
}

void
buffer_free_dead(const PyTypeObject *type)
{
    if (type == NULL || !keeps_dead(type)) {
        return;
    }
    while (dead.count > 0 || take_unused_dead()) {
        free_dead(dead.items[--dead.count]);
    }
    dead.first = 0;
}

/* As take_unused_dead(), but free what unused.h has if tracemalloc is tracing. */
Py_NO_INLINE static bool
refill_dead(const PyTypeObject *type)
{
    if (unused_nbytes() > 0 && is_tracing()) {
        buffer_free_dead(type);
    }
    return take_unused_dead();
}

void
buffer_drop_dead(const PyTypeObject *type)
{
    buffer_free_dead(type);
    if (type != NULL && keeps_dead(type)) {
        dead.type = NULL;
    }
}

/* Return an initialized object. Its store is not published; it is empty or has a heap
 * block, which the caller uses again or frees. pre: `type` is GrowBuffer itself. */
static inline BufferObject *
buffer_allocate(PyTypeObject *type)
{
    assert(buffer_is_exact_type(type));
    BufferObject *self;
    if (keeps_dead(type) && (dead.count > 0 || refill_dead(type))) {
        self = dead.items[--dead.count];
        assert(store_kind(&self->store) <= STORE_HEAP);
        assert(self->base.ob_exports == 1 && self->extra == NULL);
        (void)PyObject_Init((PyObject *)self, type);
        return self;
    }
    self = PyObject_New(BufferObject, type);
    if (self != NULL) {
        buffer_init(self);
    }
    return self;
}

/* Make room for the heap block of a buffer that will be kept, or free its memory. */
Py_NO_INLINE static void
make_room(struct store *store)
{
    assert(dead.count < DEAD_MAX);
    if (store_kind(store) > STORE_HEAP || store->memory.length > DEAD_NBYTES_MAX) {
        store_free(store);
    }
    /* The newest buffers are reused first. So the oldest ones lose their blocks. */
    while (store->memory.length + dead_nbytes() > DEAD_NBYTES_MAX) {
        assert(dead.first < dead.count);
        store_free(&((BufferObject *)dead.items[dead.first++])->store);
    }
}

/* Keep a deallocated buffer for buffer_allocate(), or free it. */
static inline void
buffer_recycle(BufferObject *self, PyTypeObject *type)
{
    struct store *store = &self->store;
    if (!keeps_dead(type) || (dead.count == DEAD_MAX && !spill_dead())) {
        store_drop(store);
        type->tp_free((PyObject *)self);
        return;
    }
    if (dead.has_more && ++dead.nrecycled % DEAD_PERIOD == 0) {
        free_idle_dead();
    }
    dead.first = dead.first < dead.count ? dead.first : dead.count;
    if (store_kind(store) > STORE_HEAP ||
        store->memory.length + dead_nbytes() > DEAD_NBYTES_MAX) {
        make_room(store);
    }
    assert(store_kind(store) <= STORE_HEAP && dead.count < DEAD_MAX);
    dead.items[dead.count++] = self;
    dead.ends[dead.count] = dead.ends[dead.count - 1] + (uint32_t)store->memory.length;
    assert(dead_nbytes() <= DEAD_NBYTES_MAX);
}

/* Drop a buffer whose store could not be made, and raise MemoryError. */
Py_NO_INLINE static PyObject *
drop_new(BufferObject *self, int error)
{
    assert(error != 0);
    buffer_publish(self);
    buffer_no_memory(&self->store, error);
    Py_DECREF(self);
    return NULL;
}

/* As buffer_create(), for STORE_SMALL bytes or more. */
Py_NO_INLINE static PyObject *
create_large(PyTypeObject *type, size_t nbytes)
{
    assert(nbytes >= STORE_SMALL);
    BufferObject *self = buffer_allocate(type);
    if (self == NULL) {
        return NULL;
    }
    store_free(&self->store);
    store_init(&self->store); /* store_free() keeps flags of the last owner */
    store_set_prefault(&self->store, store_prefault);
    int error = store_append(&self->store, nbytes);
    if (error) {
        return drop_new(self, error);
    }
    assert(self->store.length == nbytes);
    if (store_kind(&self->store) >= STORE_SPAN) {
        buffer_trace_change((struct buffer_trace){0}, &self->store);
    }
    buffer_publish(self);
    return (PyObject *)self;
}

PyObject *
buffer_create(PyTypeObject *type, size_t nbytes)
{
    if (nbytes >= STORE_SMALL) {
        return create_large(type, nbytes);
    }
    BufferObject *self = buffer_allocate(type);
    if (self == NULL) {
        return NULL;
    }
    int error = store_begin(&self->store, nbytes, store_prefault);
    if (error) {
        return drop_new(self, error);
    }
    buffer_publish(self);
    return (PyObject *)self;
}

PyObject *
buffer_copy(PyTypeObject *type, struct piece piece)
{
    PyObject *result = buffer_create(type, piece.nbytes);
    if (result != NULL) {
        copy_bytes(buffer_bytes(buffer_cast(result)), piece.start, piece.nbytes);
    }
    return result;
}

PyObject *
buffer_from_store(PyTypeObject *type, struct store *store)
{
    assert(store_check(store) == NULL);
    BufferObject *self = buffer_allocate(type);
    if (self == NULL) {
        store_free(store);
        return NULL;
    }
    store_drop(&self->store);
    self->store = *store;
    store_init(store);
    if (store_kind(&self->store) >= STORE_SPAN) {
        buffer_trace_change((struct buffer_trace){0}, &self->store);
    }
    buffer_publish(self);
    return (PyObject *)self;
}

int
buffer_ensure_extra(BufferObject *self)
{
    if (self->extra == NULL) {
        self->extra = PyMem_Calloc(1, sizeof *self->extra);
        if (self->extra == NULL) {
            PyErr_NoMemory();
            return -1;
        }
    }
    return 0;
}

static void
free_extra(BufferObject *self)
{
    SpareObject *spare = self->extra->spare;
    if (spare != NULL) {
        assert(spare->buffer == self && spare->state == SPARE_RELEASED);
        spare->buffer = NULL;
        spare->start = NULL;
        Py_DECREF(spare);
    }
    PyMem_Free(self->extra);
}

/* Do what few deallocated buffers need, before their memory is given back. */
Py_NO_INLINE static void
finish_rare(BufferObject *self)
{
    if (buffer_is_exported(self)) {
        /* As in bytearray: an extension did not release a view. */
        PyErr_SetString(PyExc_SystemError,
                        "deallocated bytearray object has exported buffers");
        PyErr_Print();
        self->base.ob_exports = 1;
    }
    if (self->extra != NULL) {
        free_extra(self);
        self->extra = NULL;
    }
    if (store_kind(&self->store) >= STORE_SPAN) {
        PyTraceMalloc_Untrack(BUFFER_TRACE_DOMAIN,
                              (uintptr_t)self->store.memory.address);
    }
}

void
buffer_dealloc(PyObject *op)
{
    BufferObject *self = buffer_cast(op);
    PyTypeObject *type = Py_TYPE(op);
    assert(self->base.ob_exports >= 1 && self->base.ob_start == self->store.start);
    if (buffer_is_exported(self) || self->extra != NULL ||
        store_kind(&self->store) >= STORE_SPAN) {
        finish_rare(self);
    }
    buffer_recycle(self, type);
    Py_DECREF(type);
}

/* -------------------------------------------------------------- the buffer protocol */

int
buffer_acquire_view(BufferObject *self, size_t *position)
{
    if (buffer_nviews(self) == BUFFER_MAX_VIEWS) {
        PyErr_Format(PyExc_BufferError,
                     "the buffer has %zu views, and cannot have more",
                     BUFFER_MAX_VIEWS);
        return -1;
    }
    self->base.ob_exports += BUFFER_VIEW;
    *position =
        self->extra == NULL ? 0 : views_acquire(&self->extra->views, &self->store);
    return 0;
}

void
buffer_release_view(BufferObject *self, size_t position)
{
    assert(buffer_nviews(self) > 0 && buffer_nexports(self) >= buffer_nviews(self));
    self->base.ob_exports -= BUFFER_VIEW;
    if (self->extra != NULL && self->extra->views.fronts != NULL) {
        views_release(&self->extra->views, &self->store, position, buffer_nviews(self));
    }
}

/* As PyBuffer_FillInfo(), for the bytes of a buffer, which are writable. That function
 * is called only for arguments that it refuses. */
static inline int
fill_view(BufferObject *self, Py_buffer *view, int flags)
{
    if (view == NULL || flags == PyBUF_READ || flags == PyBUF_WRITE) {
        return PyBuffer_FillInfo(view, (PyObject *)self, self->store.start,
                                 (Py_ssize_t)self->store.length, 0, flags);
    }
    *view = (Py_buffer){
        .buf = self->store.start,
        .obj = Py_NewRef((PyObject *)self),
        .len = (Py_ssize_t)self->store.length,
        .itemsize = 1,
        .ndim = 1,
        .format = (flags & PyBUF_FORMAT) == PyBUF_FORMAT ? "B" : NULL,
        .shape = (flags & PyBUF_ND) == PyBUF_ND ? &view->len : NULL,
        .strides = (flags & PyBUF_STRIDES) == PyBUF_STRIDES ? &view->itemsize : NULL,
    };
    return 0;
}

int
buffer_getbuffer(PyObject *op, Py_buffer *view, int flags)
{
    BufferObject *self = buffer_cast(op);
    size_t position = 0;
    int rc;
    Py_BEGIN_CRITICAL_SECTION(op);
    rc = fill_view(self, view, flags);
    if (rc == 0) {
        rc = buffer_acquire_view(self, &position);
        view->internal = (void *)position;
        if (rc < 0) {
            Py_CLEAR(view->obj);
        }
    }
    Py_END_CRITICAL_SECTION();
    return rc;
}

void
buffer_releasebuffer(PyObject *op, Py_buffer *view)
{
    Py_BEGIN_CRITICAL_SECTION(op);
    buffer_release_view(buffer_cast(op), (size_t)view->internal);
    Py_END_CRITICAL_SECTION();
}

/* ---------------------------------------------------------------------------- check */

const char *
buffer_check(BufferObject *self)
{
    const PyByteArrayObject *base = &self->base;
    if (base->ob_exports < 1) {
        return "the pin is lost";
    }
    if (base->ob_start != self->store.start || base->ob_bytes != self->store.start) {
        return "the base has another address";
    }
    if ((size_t)Py_SIZE(self) != self->store.length) {
        return "the base has another length";
    }
    if (base->ob_alloc > Py_SIZE(self) + 1) {
        return "the base sees free bytes to append into";
    }
    if (buffer_nviews(self) > buffer_nexports(self)) {
        return "there are more views than exports";
    }
    const char *reason = NULL;
    if (self->extra != NULL) {
        reason = views_check(&self->extra->views, &self->store, buffer_nviews(self));
    }
    return reason != NULL                     ? reason
           : buffer_tail_may_be_written(self) ? store_check_layout(&self->store)
                                              : store_check(&self->store);
}
