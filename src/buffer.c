/* buffer: the Python object GrowBuffer, and the gate that publishes its length. */
#include "buffer.h"

#include <errno.h>
#include <stdatomic.h>

#include "copy.h"

/* ---------------------------------------------------------------- tracemalloc */

/* The memory of a store, as far as it concerns tracemalloc. */
struct trace {
    const char *address;
    size_t dirty_end;
    bool is_span;
};

static inline struct trace
trace_of(const struct store *store)
{
    return (struct trace){store->memory.address, store->memory.dirty_end,
                          store_kind(store) >= STORE_SPAN};
}

/* Report a change of the memory of a store since `before`. */
static inline void
update_trace(struct trace before, const struct store *store)
{
    struct trace now = trace_of(store);
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

/* ------------------------------------------------------ construction, deallocation */

/* Initialize a new object except for its store, which the caller makes and
 * publishes. */
static void
buffer_init(BufferObject *self)
{
    assert(Py_REFCNT(self) == 1);
    self->extra = NULL;
    self->base.ob_exports = 1;
#if PY_VERSION_HEX >= 0x030F0000
    /* Since 3.15 a bytearray keeps its bytes in a bytes object. Ours is an empty one,
     * not NULL: if it were NULL, bytearray.__init__ would reset the exports and so the
     * pin. */
    self->base.ob_bytes_object = Py_GetConstant(Py_CONSTANT_EMPTY_BYTES);
#endif
}

PyObject *
buffer_new(PyTypeObject *type, PyObject *Py_UNUSED(args), PyObject *Py_UNUSED(kwargs))
{
    PyObject *op = type->tp_alloc(type, 0);
    assert(buffer_type(type) != NULL);
    if (op != NULL) {
        buffer_init(buffer_cast(op));
        store_init(&buffer_cast(op)->store);
        buffer_publish(buffer_cast(op));
    }
    return op;
}

/* Most buffers are small results that exist for a short time. So some deallocated
 * buffers are kept, with their heap blocks, and used again. Only the type of the first
 * interpreter does this. Its GIL protects all fields except `type`, which is atomic
 * because other interpreters read it. */
enum { DEAD_MAX = 1024, DEAD_NBYTES_MAX = 32 * 1024 };

static struct {
    _Atomic(const PyTypeObject *) type; /* NULL: none are kept */
    size_t count, nbytes;
    BufferObject *items[DEAD_MAX];
} dead;

void
buffer_keep_dead(const PyTypeObject *type)
{
#if !defined(Py_GIL_DISABLED) && !defined(GROWBUF_DEBUG)
    const PyTypeObject *none = NULL;
    (void)atomic_compare_exchange_strong(&dead.type, &none, type);
#else
    (void)type; /* no GIL protects `dead`; or debug tools must see each free() */
#endif
}

void
buffer_free_dead(const PyTypeObject *type)
{
    if (type == NULL || type != dead.type) {
        return;
    }
    while (dead.count > 0) {
        BufferObject *self = dead.items[--dead.count];
        assert(dead.nbytes >= self->store.memory.length);
        dead.nbytes -= self->store.memory.length;
        store_drop(&self->store);
        PyObject_Free(self);
    }
    dead.type = NULL;
}

static bool
is_kept(const PyTypeObject *type)
{
    return atomic_load_explicit(&dead.type, memory_order_relaxed) == type;
}

/* Return an object that is initialized except for its store. The store is empty or has
 * a heap block, which the caller uses again or frees. pre: `type` is GrowBuffer
 * itself. */
static BufferObject *
buffer_allocate(PyTypeObject *type)
{
    assert(buffer_is_exact_type(type));
    BufferObject *self;
    if (is_kept(type) && dead.count > 0) {
        self = dead.items[--dead.count];
        assert(store_kind(&self->store) <= STORE_HEAP);
        assert(dead.nbytes >= self->store.memory.length);
        dead.nbytes -= self->store.memory.length;
        (void)PyObject_Init((PyObject *)self, type);
    }
    else {
        self = PyObject_New(BufferObject, type);
        if (self == NULL) {
            return NULL;
        }
        store_init(&self->store);
    }
    buffer_init(self);
    return self;
}

/* Keep a deallocated buffer for buffer_allocate(), or free it. */
static void
buffer_bury(BufferObject *self, PyTypeObject *type)
{
    struct store *store = &self->store;
    if (!is_kept(type) || dead.count == DEAD_MAX) {
        store_drop(store);
        type->tp_free((PyObject *)self);
        return;
    }
    if (store_kind(store) > STORE_HEAP ||
        store->memory.length > DEAD_NBYTES_MAX - dead.nbytes) {
        store_free(store);
    }
    assert(store->memory.length <= DEAD_NBYTES_MAX - dead.nbytes);
    dead.nbytes += store->memory.length;
    assert(dead.count < DEAD_MAX);
    dead.items[dead.count++] = self;
}

PyObject *
buffer_create(PyTypeObject *type, size_t nbytes)
{
    BufferObject *self = buffer_allocate(type);
    if (self == NULL) {
        return NULL;
    }
    int error;
    if (nbytes < STORE_SMALL) {
        error = store_begin(&self->store, nbytes);
    }
    else {
        store_free(&self->store);
        error = store_append(&self->store, nbytes);
        update_trace((struct trace){0}, &self->store);
    }
    buffer_publish(self);
    if (error) {
        buffer_no_memory(&self->store, error);
        Py_CLEAR(self);
    }
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
    update_trace((struct trace){0}, &self->store);
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
        spare->buffer = NULL;
        spare->start = NULL;
        Py_DECREF(spare);
    }
    PyMem_Free(self->extra);
}

void
buffer_dealloc(PyObject *op)
{
    BufferObject *self = buffer_cast(op);
    PyTypeObject *type = Py_TYPE(op);
    assert(self->base.ob_exports >= 1 && self->base.ob_start == self->store.start);
    if (self->base.ob_exports > 1) {
        /* As in bytearray: an extension did not release a view. */
        PyErr_SetString(PyExc_SystemError,
                        "deallocated bytearray object has exported buffers");
        PyErr_Print();
    }
    if (self->extra != NULL) {
        free_extra(self);
    }
    if (trace_of(&self->store).address != NULL) {
        PyTraceMalloc_Untrack(BUFFER_TRACE_DOMAIN,
                              (uintptr_t)self->store.memory.address);
    }
#if PY_VERSION_HEX >= 0x030F0000
    Py_XDECREF(self->base.ob_bytes_object);
#endif
    buffer_bury(self, type);
    Py_DECREF(type);
}

/* ------------------------------------------------------------ the buffer protocol */

size_t
buffer_begin_view(BufferObject *self)
{
    self->base.ob_exports += BUFFER_VIEW;
    return self->extra == NULL ? 0 : self->extra->views.position;
}

void
buffer_end_view(BufferObject *self, size_t position)
{
    assert(buffer_nviews(self) > 0);
    self->base.ob_exports -= BUFFER_VIEW;
    if (self->extra != NULL && self->extra->views.fronts != NULL) {
        views_release(&self->extra->views, &self->store, position, buffer_nviews(self));
    }
}

int
buffer_getbuffer(PyObject *op, Py_buffer *view, int flags)
{
    BufferObject *self = buffer_cast(op);
    int rc;
    Py_BEGIN_CRITICAL_SECTION(op);
    rc = PyBuffer_FillInfo(view, op, self->store.start, (Py_ssize_t)self->store.length,
                           0, flags);
    if (rc == 0) {
        view->internal = (void *)buffer_begin_view(self);
    }
    Py_END_CRITICAL_SECTION();
    return rc;
}

void
buffer_releasebuffer(PyObject *op, Py_buffer *view)
{
    Py_BEGIN_CRITICAL_SECTION(op);
    buffer_end_view(buffer_cast(op), (size_t)view->internal);
    Py_END_CRITICAL_SECTION();
}

/* -------------------------------------------------------------------- the gate */

/* What is to be done to the length. */
enum change { APPENDING, REMOVING_FIRST, OTHER_CHANGE };

/* Raise BufferError. The message begins as bytearray's does. It says what would be
 * allowed. */
static int
refuse_exported(const BufferObject *self, enum change change)
{
    bool limited = store_is_limited(&self->store);
    PyErr_Format(
        PyExc_BufferError, "Existing exports of data: object cannot be re-sized%s",
        buffer_nexports(self) > buffer_nviews(self)
            ? " while one of its methods is running"
        : limited && change == APPENDING
            ? ": release the view that spare() returned before commit(), or all others"
        : limited ? ": release its views (under views bytes can be appended, or "
                    "removed from the front)"
        : change == APPENDING ? ": release its views (appending under views needs "
                                "limit=nbytes)"
        : change == REMOVING_FIRST
            ? ": release its views (removing the first bytes under views needs "
              "limit=nbytes)"
            : ": release its views");
    return -1;
}

/* Raise BufferError because a spare is outstanding that was not committed. */
static int
refuse_uncommitted(void)
{
    PyErr_SetString(PyExc_BufferError,
                    "cannot change the length while a view from spare() exists: "
                    "commit() it or release it first");
    return -1;
}

static bool
is_committed(const BufferObject *self)
{
    return buffer_spare_is_outstanding(self) && self->extra->spare->start == NULL;
}

/* Whether the view of a spare is in the memory of the buffer. After a turn it is in the
 * former reservation. */
static bool
shares_memory(const BufferObject *self)
{
    const struct extra *extra = self->extra;
    return !views_are_former(&extra->views, extra->spare->position);
}

static int leave_spare(BufferObject *self);

/* Raise BufferError if exports prevent the change, and leave a committed spare if that
 * is necessary. */
static int
check_change(BufferObject *self, enum change change)
{
    assert(self->base.ob_exports >= 1);
    if (!buffer_is_exported(self)) {
        return 0;
    }
    bool limited = store_is_limited(&self->store);
    bool spare = buffer_spare_is_outstanding(self);
    if (spare && !is_committed(self)) {
        return refuse_uncommitted();
    }
    if (limited && change == APPENDING && !(spare && shares_memory(self))) {
        return 0;
    }
    if (limited && change == REMOVING_FIRST &&
        buffer_nexports(self) == buffer_nviews(self)) {
        return 0;
    }
    return spare && buffer_nexports(self) == 1 ? leave_spare(self)
                                               : refuse_exported(self, change);
}

int
buffer_check_resizable(BufferObject *self)
{
    return check_change(self, OTHER_CHANGE);
}

int
buffer_check_growable(BufferObject *self)
{
    return check_change(self, APPENDING);
}

int
buffer_check_removable(BufferObject *self)
{
    return check_change(self, REMOVING_FIRST);
}

int
buffer_check_committable(BufferObject *self)
{
    size_t others = buffer_nexports(self) - buffer_spare_is_outstanding(self);
    return others == 0 || store_is_limited(&self->store)
               ? 0
               : refuse_exported(self, APPENDING);
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

/* Publish the store, which may have changed since `before`. Raise MemoryError if
 * `error` is not 0. */
static int
changed(BufferObject *self, struct trace before, int error)
{
    struct store *store = &self->store;
    assert(self->base.ob_exports >= 1);
    buffer_forget_spare(self);
    update_trace(before, store);
    buffer_publish(self);
#ifdef GROWBUF_DEBUG
    const char *reason = buffer_check(self);
    if (reason != NULL) {
        Py_FatalError(reason);
    }
#endif
    if (error == EFBIG) {
        buffer_past_limit(self);
        return -1;
    }
    if (error) {
        buffer_no_memory(store, error);
        return -1;
    }
    return 0;
}

/* Make `fresh` an empty store with the limit and the prefault setting of the buffer. */
static int
make_fresh(const BufferObject *self, struct store *fresh)
{
    store_init(fresh);
    store_set_prefault(fresh, store_prefaults(&self->store));
    int error =
        store_is_limited(&self->store) ? store_set_limit(fresh, buffer_limit(self)) : 0;
    if (error) {
        buffer_no_memory(fresh, error);
        return -1;
    }
    return 0;
}

/* Leave the memory of a committed spare, of which the memoryview still exists, to it.
 * The buffer continues with a copy of its bytes in other memory; or as it is, if it has
 * turned since. pre: there is no other export. */
static int
leave_spare(BufferObject *self)
{
    SpareObject *spare = self->extra->spare;
    assert(is_committed(self) && buffer_nexports(self) == 1);
    struct trace before = trace_of(&self->store);
    struct store fresh;
    bool copies = shares_memory(self);
    if (copies) {
        size_t length = self->store.length;
        if (make_fresh(self, &fresh) < 0) {
            return -1;
        }
        int error = store_append(&fresh, length);
        if (error) {
            store_free(&fresh);
            buffer_no_memory(&fresh, error);
            return -1;
        }
        char *end = self->store.start + length;
        if (length > 0) {
            memcpy(fresh.start, self->store.start, length);
        }
        if (spare->nbytes > 0 && *end == '\0') {
            *end = spare->first;
        }
    }
    store_init(&spare->store);
    if (store_is_limited(&self->store)) {
        (void)views_leave(&self->extra->views, &self->store, spare->position,
                          &spare->store.memory);
    }
    if (copies) {
        spare->store = self->store;
        self->store = fresh;
    }
    else {
        spare->store.start = spare->store.memory.address + GROWTH_FRONT;
    }
    spare->state = SPARE_LEFT;
    self->extra->spare = NULL;
    self->base.ob_exports -= BUFFER_VIEW;
    return changed(self, before, 0);
}

int
buffer_grow(BufferObject *self, int (*grow)(struct store *, size_t), size_t nbytes)
{
    if (buffer_check_growable(self) < 0) {
        return -1;
    }
    struct trace before = trace_of(&self->store);
    return changed(self, before, grow(&self->store, nbytes));
}

/* Remove the first `nbytes` bytes, of which there are exports. */
static int
remove_first(BufferObject *self, size_t nbytes)
{
    if (buffer_check_removable(self) < 0) {
        return -1;
    }
    struct trace before = trace_of(&self->store);
    if (!buffer_is_exported(self)) { /* a committed spare was left */
        return changed(self, before, store_splice(&self->store, 0, nbytes, 0));
    }
    if (buffer_ensure_extra(self) < 0) {
        return -1;
    }
    int error = views_advance(&self->extra->views, &self->store, nbytes,
                              buffer_nviews(self), buffer_tail_is_written(self));
    return changed(self, before, error);
}

/* If the buffer has a heap block and all its bytes are removed, free the block. Return
 * whether it was freed. */
static inline bool
drop_block(BufferObject *self, size_t removed)
{
    bool drops =
        removed == self->store.length && store_kind(&self->store) == STORE_HEAP;
    if (drops) {
        store_free(&self->store);
    }
    return drops;
}

int
buffer_splice(BufferObject *self, size_t at, size_t removed, size_t inserted)
{
    assert(at <= self->store.length && removed <= self->store.length - at);
    if (at == self->store.length) {
        return buffer_append(self, inserted);
    }
    if (inserted == 0 && !buffer_is_exported(self) &&
        (at == 0 || at + removed == self->store.length) &&
        (store_cut(&self->store, at, removed) || drop_block(self, removed))) {
        /* The commonest cases. tracemalloc need not hear of them. */
        buffer_forget_spare(self);
        buffer_publish(self);
        assert(buffer_check(self) == NULL);
        return 0;
    }
    if (removed == inserted) {
        return 0;
    }
    if (at == 0 && inserted == 0 && buffer_is_exported(self)) {
        return remove_first(self, removed);
    }
    if (buffer_check_resizable(self) < 0) {
        return -1;
    }
    struct trace before = trace_of(&self->store);
    return changed(self, before, store_splice(&self->store, at, removed, inserted));
}

void
buffer_slide(BufferObject *self)
{
    assert(!buffer_is_exported(self));
    struct trace before = trace_of(&self->store);
    store_slide(&self->store);
    (void)changed(self, before, 0);
}

int
buffer_take(BufferObject *self, size_t nbytes, struct store *taken)
{
    assert(nbytes <= self->store.length);
    store_init(taken);
    if (buffer_check_removable(self) < 0) {
        return -1;
    }
    if (buffer_is_exported(self)) {
        return 1;
    }
    struct trace before = trace_of(&self->store);
    if (store_take(&self->store, nbytes, taken) != 0) {
        return 1;
    }
    return changed(self, before, 0);
}

int
buffer_trim(BufferObject *self)
{
    if (buffer_check_resizable(self) < 0) {
        return -1;
    }
    struct trace before = trace_of(&self->store);
    store_trim(&self->store);
    return changed(self, before, 0);
}

int
buffer_clear(BufferObject *self)
{
    size_t length = buffer_length(self);
    return length == 0 && !buffer_is_exported(self)
               ? buffer_trim(self) /* gives the capacity back */
               : buffer_splice(self, 0, length, 0);
}

static int
swap(BufferObject *self, struct store *store)
{
    struct store before = self->store;
    assert(store_check(store) == NULL);
    self->store = *store;
    *store = before;
    return changed(self, trace_of(&before), 0);
}

int
buffer_exchange(BufferObject *self, struct store *store)
{
    bool always = PY_VERSION_HEX >= 0x030F0000 || store_is_limited(store) ||
                  store_is_limited(&self->store) || buffer_spare_is_outstanding(self);
    if ((always || self->store.length + store->length > 0) &&
        buffer_check_resizable(self) < 0) {
        return -1;
    }
    return swap(self, store);
}

int
buffer_put_back(BufferObject *self, struct store *store)
{
    bool fixed = store_is_limited(&self->store);
    assert(store_check(store) == NULL);
    if (self->store.length > 0 || buffer_spare_is_outstanding(self) ||
        fixed != store_is_limited(store) || (fixed && buffer_is_exported(self))) {
        return 1;
    }
    (void)swap(self, store);
    store_free(store);
    return 0;
}

int
buffer_hand_over(BufferObject *self, struct store *taken)
{
    assert(store_is_limited(&self->store));
    store_init(taken);
    store_set_prefault(taken, store_prefaults(&self->store));
    if (store_set_limit(taken, buffer_limit(self)) != 0) {
        return 1;
    }
    if (buffer_exchange(self, taken) < 0) {
        store_free(taken);
        return -1;
    }
    return 0;
}

/* ---------------------------------------------------------------------- checks */

const char *
buffer_check(BufferObject *self)
{
    const PyByteArrayObject *base = &self->base;
    if (base->ob_exports < 1) {
        return "the pin is lost";
    }
    if (base->ob_start != self->store.start || base->ob_bytes != self->store.start) {
        return "the base looks at other bytes";
    }
    if ((size_t)Py_SIZE(self) != self->store.length) {
        return "the base has another length";
    }
    if (base->ob_alloc > Py_SIZE(self) + 1) {
        return "the base sees room to append into";
    }
    if (buffer_nviews(self) > buffer_nexports(self)) {
        return "views are counted that are no exports";
    }
    const char *reason = NULL;
    if (self->extra != NULL) {
        reason = views_check(&self->extra->views, &self->store, buffer_nviews(self));
    }
    return reason != NULL                 ? reason
           : buffer_tail_is_written(self) ? store_check_layout(&self->store)
                                          : store_check(&self->store);
}
