/* io_file: one GrowIO: its bytes, position and lock, and how it opens and closes. */
#include "io_file.h"

#include <string.h>

#include "copy.h"
#include "frozen.h"
#include "growth.h"
#include "state.h"

/* ------------------------------------------------------------------------ the lock */

#ifdef GROWBUF_DEBUG
static const char *
io_find_fault(const IOObject *self)
{
    if (self->base.buf != NULL || self->base.exports != 1) {
        return "a method of BytesIO itself has changed the base struct";
    }
    if (self->bytes != NULL && self->buffer != NULL) {
        return "the file has both a bytes object and a buffer";
    }
    if (self->position > PY_SSIZE_T_MAX) {
        return "the position is too large";
    }
    if (self->bytes == NULL) {
        return self->buffer == NULL ? NULL : buffer_check(self->buffer);
    }
    bool is_frozen = frozen_is_frozen(self->bytes);
    if (!(is_frozen || PyBytes_CheckExact(self->bytes)) ||
        (is_frozen && !self->shared) ||
        self->nbytes > (size_t)PyBytes_GET_SIZE(self->bytes)) {
        return "the bytes object has a wrong type, is not shared or is too short";
    }
    if (!self->shared &&
        (PyBytes_GET_SIZE(self->bytes) == 0 || Py_REFCNT(self->bytes) != 1)) {
        return "other code refers to the bytes object that the file writes to";
    }
    return NULL;
}

void
io_assert_consistent(const IOObject *self)
{
    const char *fault = io_find_fault(self);
    if (fault != NULL) {
        Py_FatalError(fault);
    }
}
#endif

#ifdef Py_GIL_DISABLED
/* Lock the file, and its buffer if it has one. If another thread replaces the buffer
 * before both are locked, start again. */
void
io_lock(IOObject *self, PyCriticalSection2 *section)
{
    PyObject *op = (PyObject *)self;
    for (;;) {
        PyCriticalSection2_Begin(section, op, op);
        BufferObject *buffer = self->buffer;
        if (buffer == NULL) {
            return;
        }
        Py_INCREF(buffer);
        PyCriticalSection2_End(section);
        PyCriticalSection2_Begin(section, op, (PyObject *)buffer);
        bool still = self->buffer == buffer;
        if (still) {
            Py_DECREF(buffer); /* not the last reference: the file has one */
            return;
        }
        PyCriticalSection2_End(section);
        Py_DECREF(buffer);
    }
}
#endif

/* ------------------------------------------------------------------- open or closed */

int
io_raise_closed(void)
{
    PyErr_SetString(PyExc_ValueError, "I/O operation on closed file.");
    return -1;
}

int
io_raise_views(const char *action)
{
    PyErr_Format(PyExc_BufferError,
                 "cannot %s while a view of its bytes exists: release the view first",
                 action);
    return -1;
}

int
io_replace(PyObject *op, PyObject *bytes, BufferObject *buffer, size_t position)
{
    IOObject *self = io_cast(op);
    assert((bytes == NULL) != (buffer == NULL) && position <= PY_SSIZE_T_MAX);
    int rc;
    IO_BEGIN(self);
    rc = io_check_replaceable_locked(self);
    if (rc == 0) {
        PyObject *old_bytes = self->bytes;
        BufferObject *old_buffer = self->buffer;
        self->bytes = bytes;
        self->nbytes = bytes == NULL ? 0 : (size_t)PyBytes_GET_SIZE(bytes);
        self->shared = true;
        self->buffer = buffer;
        self->position = position;
        bytes = old_bytes;
        buffer = old_buffer;
    }
    IO_END(self);
    /* Drop the old objects; after a failure, the new ones. This is done without the
     * lock, because deallocating an object may run user code. */
    Py_XDECREF(bytes);
    Py_XDECREF(buffer);
    return rc;
}

/* ----------------------------------------------------- the bytes of an open file */

/* Change the size of `bytes` to `size`. If there is too little memory, the object is
 * unchanged; _PyBytes_Resize() would deallocate it. pre: only the file refers to it. */
static int
io_resize_bytes_locked(IOObject *self, size_t size)
{
    assert(!self->shared && self->nbytes <= size && size > 0);
    assert(Py_REFCNT(self->bytes) == 1 && size < PY_SSIZE_T_MAX);
    size_t allocated = offsetof(PyBytesObject, ob_sval) + size + 1;
    PyObject *bytes = PyObject_Realloc(self->bytes, allocated);
    if (bytes == NULL) {
        PyErr_NoMemory();
        return -1;
    }
    Py_SET_SIZE(bytes, (Py_ssize_t)size);
    PyBytes_AS_STRING(bytes)[size] = '\0';
    self->bytes = bytes;
    return 0;
}

/* Copy the bytes to a new bytes object of size `size`, which is not shared. */
static int
io_copy_bytes_locked(IOObject *self, size_t size)
{
    assert(self->nbytes <= size && size > 0);
    PyObject *bytes = PyBytes_FromStringAndSize(NULL, (Py_ssize_t)size);
    if (bytes == NULL) {
        return -1;
    }
    assert(bytes != self->bytes && PyBytes_GET_SIZE(bytes) == (Py_ssize_t)size);
    memcpy(PyBytes_AS_STRING(bytes), PyBytes_AS_STRING(self->bytes), self->nbytes);
    Py_SETREF(self->bytes, bytes);
    self->shared = false;
    return 0;
}

/* Whether only the file refers to `op`. */
static bool
io_is_unique(PyObject *op)
{
#if PY_VERSION_HEX >= 0x030E0000
    return PyUnstable_Object_IsUniquelyReferenced(op);
#elif defined(Py_GIL_DISABLED)
    (void)op;
    return false; /* the reference count alone does not tell */
#else
    return Py_REFCNT(op) == 1;
#endif
}

/* Turn the memory of a FrozenBytes into a buffer. Do nothing if it is on the heap or
 * has a limit. pre: only the file refers to the FrozenBytes. */
static int
io_thaw_locked(IOObject *self)
{
    assert(frozen_is_frozen(self->bytes) && self->buffer == NULL);
    PyObject *op = buffer_create(io_buffer_type(Py_TYPE(self)), 0);
    struct store store;
    if (op == NULL) {
        return -1;
    }
    if (!frozen_into_store(self->bytes, &store)) {
        Py_DECREF(op);
        return 0;
    }
    self->bytes = NULL;
    self->buffer = (BufferObject *)op;
    int rc = buffer_exchange(self->buffer, &store);
    store_free(&store);
    size_t length = buffer_length(self->buffer);
    if (rc == 0 && length > self->nbytes) { /* truncate() has shortened the file */
        rc = buffer_splice(self->buffer, self->nbytes, length - self->nbytes, 0);
    }
    assert(rc == 0 && buffer_length(self->buffer) == self->nbytes);
    return rc;
}

/* Make the bytes writable without a copy, if only the file still refers to `bytes`:
 *   - A FrozenBytes in a span without a limit becomes a buffer.
 *   - A bytes object that is no FrozenBytes and not empty is no longer shared, and its
 *     cached hash is removed.
 * In all other cases do nothing: the object stays shared. */
static int
io_reclaim_bytes_locked(IOObject *self)
{
    assert(self->shared && self->bytes != NULL && self->buffer == NULL);
    if (!io_is_unique(self->bytes)) {
        return 0;
    }
    if (frozen_is_frozen(self->bytes)) {
        return io_thaw_locked(self);
    }
    if (PyBytes_GET_SIZE(self->bytes) > 0) {
        _Py_COMP_DIAG_PUSH;
        _Py_COMP_DIAG_IGNORE_DEPR_DECLS;
        ((PyBytesObject *)self->bytes)->ob_shash = -1;
        _Py_COMP_DIAG_POP;
        self->shared = false;
    }
    return 0;
}

/* Copy the bytes to a new buffer of `length` bytes, and drop the bytes object. The
 * caller writes the bytes after the first `nbytes` before any other code runs. */
static int
io_move_to_buffer_locked(IOObject *self, size_t length)
{
    assert(self->nbytes <= length && self->buffer == NULL);
    PyObject *op = buffer_create(io_buffer_type(Py_TYPE(self)), length);
    if (op == NULL) {
        return -1;
    }
    self->buffer = buffer_cast(op);
    assert(buffer_length(self->buffer) == length && self->bytes != NULL);
    copy_bytes(buffer_bytes(self->buffer), PyBytes_AS_STRING(self->bytes),
               self->nbytes);
    Py_CLEAR(self->bytes);
    return 0;
}

int
io_make_writable_locked(IOObject *self, size_t end)
{
    if (self->shared && io_reclaim_bytes_locked(self) < 0) {
        return -1;
    }
    if (self->buffer != NULL) {
        return 0;
    }
    size_t size = (size_t)PyBytes_GET_SIZE(self->bytes);
    if (!self->shared && end <= size) {
        return 0;
    }
    if (end > PY_SSIZE_T_MAX) {
        PyErr_SetString(PyExc_OverflowError, "new buffer size too large");
        return -1;
    }
    size_t length = end > self->nbytes ? end : self->nbytes;
    assert(length > 0 && self->buffer == NULL);
    if (length >= GROWTH_BUFFER_MIN) {
        /* If there must be zeros before the position, io_grow_buffer_locked() will
         * append them. */
        return io_move_to_buffer_locked(
            self, self->position > self->nbytes ? self->nbytes : length);
    }
    size_t wanted = growth_file(length, size);
    return self->shared ? io_copy_bytes_locked(self, wanted)
                        : io_resize_bytes_locked(self, wanted);
}

int
io_grow_buffer_locked(IOObject *self, size_t end)
{
    BufferObject *buffer = self->buffer;
    size_t length = buffer_length(buffer);
    assert(end > length && end >= self->position);
    if (end > PY_SSIZE_T_MAX) {
        PyErr_SetString(PyExc_OverflowError, "new buffer size too large");
        return -1;
    }
    return self->position > length ? buffer_append_zeros(buffer, end - length)
                                   : buffer_append(buffer, end - length);
}

/* Turn the memory of the file's buffer into a FrozenBytes, without a copy. Do nothing
 * in the cases that io_get_all_locked() lists, except for the length, which the caller
 * has checked. */
static void
io_freeze_buffer_locked(IOObject *self)
{
    BufferObject *buffer = self->buffer;
    const struct store *store = &buffer->store;
    const SpareObject *spare = buffer_spare(buffer);
    bool has_spare = spare != NULL && spare->start != NULL;
    if (!frozen_can_take(store) || store_is_limited(store) || has_spare ||
        buffer_is_exported(buffer) || !buffer_is_exact_type(Py_TYPE(buffer)) ||
        !io_is_unique((PyObject *)buffer)) {
        return;
    }
    struct store taken;
    assert(self->bytes == NULL && store_kind(store) == STORE_SPAN);
    if (buffer_take(buffer, buffer_length(buffer), &taken) == 0) {
        self->bytes =
            frozen_from_store(state_of((PyObject *)buffer)->frozen_type, &taken);
        self->nbytes = (size_t)PyBytes_GET_SIZE(self->bytes);
        self->shared = true;
        self->buffer = NULL;
        Py_DECREF(buffer);
    }
    assert(!PyErr_Occurred());
}

/* Make the bytes object exactly as long as the bytes in use, but at least one byte. An
 * object to which other code refers is copied. A FrozenBytes that can become a buffer
 * becomes one instead (io_reclaim_bytes_locked). */
static int
io_fit_bytes_locked(IOObject *self)
{
    assert(self->bytes != NULL && self->buffer == NULL);
    if (self->shared && io_reclaim_bytes_locked(self) < 0) {
        return -1;
    }
    size_t size = self->nbytes > 0 ? self->nbytes : 1;
    return self->buffer != NULL ? 0
           : self->shared       ? io_copy_bytes_locked(self, size)
                                : io_resize_bytes_locked(self, size);
}

PyObject *
io_get_all_locked(IOObject *self)
{
    size_t length = io_length(self);
    assert(length > 1);
    if (self->bytes != NULL && length < (size_t)PyBytes_GET_SIZE(self->bytes) &&
        io_fit_bytes_locked(self) < 0) {
        return NULL;
    }
    if (self->buffer != NULL && length >= GROWTH_SHARE_MIN) {
        io_freeze_buffer_locked(self);
    }
    if (self->bytes == NULL) {
        return PyBytes_FromStringAndSize(io_start(self), (Py_ssize_t)length);
    }
    assert(length == (size_t)PyBytes_GET_SIZE(self->bytes));
    self->shared = true;
    return Py_NewRef(self->bytes);
}

void
io_truncate_bytes_locked(IOObject *self, size_t nbytes)
{
    assert(self->buffer == NULL && nbytes <= self->nbytes);
    self->nbytes = nbytes;
    if (nbytes < (size_t)PyBytes_GET_SIZE(self->bytes) / 2 &&
        io_fit_bytes_locked(self) < 0) {
        PyErr_Clear();
    }
}

BufferObject *
io_hold_buffer(PyObject *op)
{
    IOObject *self = io_cast(op);
    BufferObject *buffer = NULL;
    IO_IF_OPEN(self, {
        int rc = self->buffer == NULL && frozen_is_frozen(self->bytes)
                     ? io_reclaim_bytes_locked(self)
                     : 0;
        if (rc == 0 && self->buffer == NULL) {
            rc = io_move_to_buffer_locked(self, self->nbytes);
        }
        buffer = rc < 0 ? NULL : (BufferObject *)Py_NewRef(self->buffer);
    });
    return buffer;
}

/* --------------------------------------------------- construction and deallocation */

/* Return GrowIO itself, which is `type` or one of its bases. The reference is
 * borrowed. */
static PyTypeObject *
io_type(PyTypeObject *type)
{
    while (type->tp_dealloc != io_dealloc) {
        type = type->tp_base;
    }
    return type;
}

PyTypeObject *
io_buffer_type(PyTypeObject *type)
{
    struct state *state = PyType_GetModuleState(io_type(type));
    return state->buffer_type;
}

PyObject *
io_make(PyTypeObject *type, PyObject *bytes, BufferObject *buffer)
{
    PyObject *op = type->tp_alloc(type, 0);
    if (op == NULL) {
        Py_XDECREF(bytes);
        Py_XDECREF(buffer);
        return NULL;
    }
    IOObject *self = io_cast(op);
    assert((bytes == NULL) != (buffer == NULL));
    self->base.exports = 1;
    self->bytes = bytes;
    self->nbytes = bytes == NULL ? 0 : (size_t)PyBytes_GET_SIZE(bytes);
    self->shared = true;
    self->buffer = buffer;
    return op;
}

PyObject *
io_new(PyTypeObject *type, PyObject *Py_UNUSED(args), PyObject *Py_UNUSED(kwargs))
{
    PyObject *nothing = PyBytes_FromStringAndSize(NULL, 0);
    return nothing == NULL ? NULL : io_make(type, nothing, NULL);
}

/* The base's finalizer calls close(), which a subclass may override. During that call
 * GrowIO's own close() does not raise if views exist: a view has a reference to the
 * buffer, so it stays valid without the file. */
void
io_finalize(PyObject *op)
{
    io_cast(op)->finalizing = true;
    io_type(Py_TYPE(op))->tp_base->tp_finalize(op);
    io_cast(op)->finalizing = false; /* close() of a subclass may revive the file */
}

/* `bytes` is not visited. It refers to no other object, so the collector does not need
 * it; and gc.get_referents() would return an object that the file later writes to. */
int
io_traverse(PyObject *op, visitproc visit, void *arg)
{
    Py_VISIT(Py_TYPE(op));
    Py_VISIT(io_cast(op)->base.dict);
    Py_VISIT(io_cast(op)->buffer);
    return 0;
}

int
io_clear(PyObject *op)
{
    Py_CLEAR(io_cast(op)->base.dict);
    Py_CLEAR(io_cast(op)->bytes);
    Py_CLEAR(io_cast(op)->buffer);
    return 0;
}

/* This does not call the finalizer, and BytesIO's deallocator does not either. The
 * deallocator of a Python subclass does. */
void
io_dealloc(PyObject *op)
{
    PyTypeObject *type = Py_TYPE(op);
    PyObject_GC_UnTrack(op);
    PyObject_ClearWeakRefs(op);
    (void)io_clear(op);
    type->tp_free(op);
    Py_DECREF(type);
}
