/* spare: the free tail of a buffer: spare() returns a view of it, commit() appends. */
#include "spare.h"

#include "args.h"
#include "state.h"

#ifdef _MSC_VER
#define THREAD_LOCAL __declspec(thread)
#else
#define THREAD_LOCAL _Thread_local
#endif

/* Per-thread arguments of spare_getbuffer(). Making a memoryview may first run the
 * garbage collector, and its finalizers may change the buffer. So only
 * spare_getbuffer() can determine the tail. */
static THREAD_LOCAL struct request {
    SpareObject *spare;
    size_t min, max;
} request;

/* -------------------------------------------------------------- the object Spare */

/* Raise BufferError, because the spare is outstanding. */
static int
spare_refuse(const SpareObject *spare)
{
    PyErr_SetString(PyExc_BufferError,
                    spare->owner == SPARE_READER
                        ? BUFFER_IS_READ_INTO
                        : "the view that spare() gave before is in use: release it and "
                          "the objects made from it first");
    return -1;
}

static int
spare_getbuffer(PyObject *op, Py_buffer *view, int flags)
{
    SpareObject *spare = (SpareObject *)op;
    view->obj = NULL;
    if (request.spare != spare) {
        PyErr_SetString(PyExc_BufferError, "only spare() can make a view of the tail");
        return -1;
    }
    /* The caller is spare_view_locked(), which holds the lock. */
    BufferObject *self = spare->buffer;
    if (self == NULL || buffer_spare(self) != spare) {
        PyErr_SetString(PyExc_BufferError,
                        "the buffer was changed while spare() made the view: call it "
                        "again");
        return -1;
    }
    assert(spare->buffer == self && request.min <= request.max);
    if (spare->state != SPARE_RELEASED) {
        return spare_refuse(spare);
    }
    if (buffer_check_growable(self) < 0 ||
        buffer_make_tailroom(self, request.min) < 0) {
        return -1;
    }
    size_t tailroom = store_tailroom(&self->store);
    assert(tailroom >= request.min);
    spare->start = buffer_bytes(self) + buffer_length(self);
    spare->nbytes = tailroom < request.max ? tailroom : request.max;
    if (store_kind(&self->store) == STORE_HEAP) {
        /* Code that scans for a NUL must stay in the block. Spans end in zero. */
        spare->start[tailroom] = '\0';
    }
    if (PyBuffer_FillInfo(view, op, spare->start, (Py_ssize_t)spare->nbytes, 0, flags) <
        0) {
        return -1;
    }
    if (buffer_acquire_view(self, &spare->position) < 0) {
        Py_CLEAR(view->obj);
        return -1;
    }
    assert(buffer_spare(self) == spare && spare->state == SPARE_RELEASED);
    assert(spare->nbytes <= store_tailroom(&self->store));
    Py_INCREF(self);
    spare->state = SPARE_OUTSTANDING;
    spare->owner = SPARE_READER;
    spare->reader = NULL;
    Py_DECREF(spare); /* drop the buffer's reference; the memoryview has its own */
    return 0;
}

/* End the bytes of the buffer with a NUL, and keep the byte that it replaces: it is the
 * first byte of the spare, and commit() may still append it. */
static void
spare_write_nul(SpareObject *spare, struct store *store)
{
    assert(store_check_layout(store) == NULL);
    if (store_kind(store) != STORE_EMPTY) {
        spare->first = store->start[store->length];
        store->start[store->length] = '\0';
    }
}

/* Called when the last memoryview of the spare was released. */
static void
spare_releasebuffer(PyObject *op, Py_buffer *Py_UNUSED(view))
{
    SpareObject *spare = (SpareObject *)op;
    BufferObject *self = spare->buffer; /* constant while a memoryview exists */
    assert(self != NULL);
    Py_BEGIN_CRITICAL_SECTION(self);
    assert(spare->state != SPARE_RELEASED);
    if (spare->state == SPARE_DETACHED) {
        assert(buffer_spare(self) != spare);
        store_free(&spare->store);
        spare->buffer = NULL;
    }
    else if (spare->state == SPARE_SHARED) {
        assert(buffer_spare(self) != spare && self->extra->nshared > 0);
        spare->buffer = NULL;
        self->extra->nshared--;
        if (!buffer_spare_is_outstanding(self)) {
            /* The view may have overwritten the NUL. */
            self->store.start[self->store.length] = '\0';
        }
        buffer_release_view(self, spare->position);
    }
    else {
        assert(buffer_spare(self) == spare);
        spare_write_nul(spare, &self->store);
        buffer_release_view(self, spare->position);
        Py_INCREF(spare);
    }
    spare->state = SPARE_RELEASED;
    Py_END_CRITICAL_SECTION();
    Py_DECREF(self);
}

static int
spare_traverse(PyObject *op, visitproc visit, void *arg)
{
    SpareObject *spare = (SpareObject *)op;
    Py_VISIT(Py_TYPE(op));
    if (spare->state != SPARE_RELEASED) {
        Py_VISIT(spare->buffer);
    }
    return 0;
}

static void
spare_dealloc(PyObject *op)
{
    PyTypeObject *type = Py_TYPE(op);
    /* A memoryview would have a reference to the spare. */
    assert(((SpareObject *)op)->state == SPARE_RELEASED);
    PyObject_GC_UnTrack(op);
    Py_CLEAR(((SpareObject *)op)->view);
    type->tp_free(op);
    Py_DECREF(type);
}

PyDoc_STRVAR(spare_type_doc,
"The free tail of a GrowBuffer. spare() returns a memoryview of it.");

static PyType_Slot spare_slots[] = {
    {Py_tp_doc, (void *)spare_type_doc},
    {Py_tp_traverse, spare_traverse},
    {Py_tp_dealloc, spare_dealloc},
    {Py_bf_getbuffer, spare_getbuffer},
    {Py_bf_releasebuffer, spare_releasebuffer},
    {0, NULL},
};

PyType_Spec spare_type_spec = {
    .name = "growbuf._growbuf.Spare",
    .basicsize = sizeof(SpareObject),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC | Py_TPFLAGS_IMMUTABLETYPE |
             Py_TPFLAGS_DISALLOW_INSTANTIATION,
    .slots = spare_slots,
};

/* ---------------------------------------------------------- making the view */

/* Return the buffer's spare. Make it if there is none. Up to Python 3.11 an
 * allocation may run the garbage collector, whose finalizers could change the buffer.
 * So it is disabled for the allocation. */
static SpareObject *
spare_ensure(BufferObject *self)
{
    if (buffer_ensure_extra(self) < 0 || self->extra->spare != NULL) {
        return buffer_spare(self);
    }
    PyTypeObject *type = state_of((PyObject *)self)->spare_type;
#if PY_VERSION_HEX < 0x030C0000
    int collects = PyGC_Disable();
#endif
    SpareObject *spare = (SpareObject *)type->tp_alloc(type, 0);
#if PY_VERSION_HEX < 0x030C0000
    if (collects) {
        PyGC_Enable();
    }
#endif
    if (spare != NULL) {
        spare->buffer = self;
        self->extra->spare = spare;
    }
    return spare;
}

/* Release the view that this thread got from spare(). If an object made from the view
 * still uses it, release() fails, and the next call tries again. An exception that is
 * set stays set. */
static void
spare_release(PyObject *op)
{
    BufferObject *self = buffer_cast(op);
    PyObject *reference = NULL;
    Py_BEGIN_CRITICAL_SECTION(op);
    SpareObject *spare = buffer_spare(self);
    if (spare != NULL && spare->state != SPARE_RELEASED &&
        spare->owner == PyThread_get_thread_ident()) {
        assert(spare->buffer == self);
        reference = Py_XNewRef(spare->view);
    }
    Py_END_CRITICAL_SECTION();
    if (reference == NULL) {
        return;
    }
    PyObject *type, *value, *traceback;
    PyErr_Fetch(&type, &value, &traceback);
    PyObject *view = PyObject_CallNoArgs(reference);
    if (view != NULL && view != Py_None) {
        PyObject *release = state_of(op)->release_name;
        Py_XDECREF(PyObject_CallMethodNoArgs(view, release));
    }
    PyErr_Restore(type, value, traceback);
    Py_XDECREF(view);
    Py_DECREF(reference);
}

bool
spare_make_shared(BufferObject *self)
{
    SpareObject *spare = buffer_spare(self);
    assert(spare != NULL && spare->state == SPARE_OUTSTANDING);
    if (!store_is_limited(&self->store)) {
        return false;
    }
    spare->start = NULL;
    spare->reader = NULL;
    spare->state = SPARE_SHARED;
    self->extra->spare = NULL; /* the memoryview has the reference */
    self->extra->nshared++;
    assert(self->extra->nshared <= buffer_nviews(self));
    return true;
}

void
spare_abandon(PyObject *op)
{
    BufferObject *self = buffer_cast(op);
    spare_release(op);
    Py_BEGIN_CRITICAL_SECTION(op);
    const SpareObject *spare = buffer_spare(self);
    if (spare != NULL && spare->state == SPARE_OUTSTANDING &&
        spare->owner == PyThread_get_thread_ident()) {
        (void)spare_make_shared(self);
    }
    Py_END_CRITICAL_SECTION();
}

static PyObject *
spare_view_locked(BufferObject *self, size_t min, size_t max, unsigned long owner)
{
    SpareObject *spare = buffer_spare(self);
    if (spare != NULL && spare->state != SPARE_RELEASED) {
        if (spare->start != NULL) {
            (void)spare_refuse(spare);
            return NULL;
        }
        if (buffer_check_growable(self) < 0) { /* detaches the old view */
            return NULL;
        }
    }
    spare = spare_ensure(self);
    if (spare == NULL) {
        return NULL;
    }
    assert(min <= max && spare->buffer == self);
    spare->start = NULL;
    /* Before 3.12 making an object may run the garbage collector, and so code that
     * makes the buffer drop its reference to this spare. */
    Py_INCREF(spare);
    struct request before = request;
    request = (struct request){spare, min, max};
    PyObject *view = PyMemoryView_FromObject((PyObject *)spare);
    request = before;
    PyObject *reference = view == NULL ? NULL : PyWeakref_NewRef(view, NULL);
    if (reference == NULL) {
        Py_XDECREF(view);
        buffer_forget_spare(self);
        Py_DECREF(spare);
        return NULL;
    }
    assert(spare->state == SPARE_OUTSTANDING && buffer_nviews(self) > 0);
    Py_XSETREF(spare->view, reference);
    spare->owner = owner;
    spare->reader = owner == SPARE_READER ? view : NULL;
    Py_DECREF(spare);
    return view;
}

PyObject *
spare_view(PyObject *op, size_t min, size_t max, unsigned long owner)
{
    spare_release(op);
    BUFFER_LOCKED(PyObject *, view, op,
                  spare_view_locked(buffer_cast(op), min, max, owner));
    return view;
}

/* ------------------------------------------------------------------- committing */

/* Called after a commit, and when readfrom() ends. Nothing more of the spare can be
 * committed then, and this thread may release the view. */
static void
spare_end(SpareObject *spare)
{
    assert(spare->state <= SPARE_OUTSTANDING && spare->buffer != NULL);
    spare->start = NULL;
    spare->reader = NULL;
    spare->owner = PyThread_get_thread_ident();
}

/* Whether a spare is still the tail of the buffer, so that it can be committed. */
static bool
is_tail(const BufferObject *self, const SpareObject *spare)
{
    return spare != NULL && spare->start != NULL &&
           spare->start == self->store.start + buffer_length(self) &&
           spare->nbytes <= store_tailroom(&self->store);
}

int
spare_commit_locked(BufferObject *self, size_t nbytes, const PyObject *view)
{
    SpareObject *spare = buffer_spare(self);
    assert(spare == NULL || spare->buffer == self);
    if (!is_tail(self, spare) || spare->reader != view ||
        (view == NULL && spare->owner == SPARE_READER)) {
        PyErr_SetString(PyExc_ValueError, "nothing to commit: spare() was not called, "
                                          "or the buffer has changed since");
        return -1;
    }
    if (nbytes > spare->nbytes) {
        PyErr_Format(PyExc_ValueError,
                     "cannot commit %zu bytes: spare() returned a view of %zu", nbytes,
                     spare->nbytes);
        return -1;
    }
    if (nbytes > 0) {
        if (buffer_check_committable(self) < 0) {
            return -1;
        }
        if (spare->state == SPARE_RELEASED) {
            spare->start[0] = spare->first;
        }
        assert(nbytes <= store_tailroom(&self->store));
    }
    if (nbytes > 0 && spare->state == SPARE_OUTSTANDING && nbytes < spare->nbytes) {
        /* The view shows the next byte. The NUL is written when the view is
         * released. */
        buffer_commit_without_nul(self, nbytes);
    }
    else {
        buffer_commit(self, nbytes);
    }
    spare_end(spare);
    return 0;
}

int
spare_commit(PyObject *op, size_t nbytes, const PyObject *view)
{
    BUFFER_LOCKED(int, rc, op, spare_commit_locked(buffer_cast(op), nbytes, view));
    return rc;
}

struct spare_mark
spare_mark(const BufferObject *self, size_t nbytes)
{
    const SpareObject *spare = buffer_spare(self);
    if (!is_tail(self, spare) || nbytes > spare->nbytes) {
        return (struct spare_mark){.start = NULL};
    }
    return (struct spare_mark){.start = spare->start,
                               .owner = spare->owner,
                               .reader = spare->reader,
                               .first = spare->start[0],
                               .next = spare->start[nbytes]};
}

void
spare_uncommit(BufferObject *self, size_t nbytes, const struct spare_mark *mark)
{
    SpareObject *spare = buffer_spare(self);
    assert(spare != NULL && spare->start == NULL && nbytes > 0);
    assert(mark->start + nbytes == buffer_bytes(self) + buffer_length(self));
    buffer_uncommit(self, nbytes);
    if (spare->state == SPARE_OUTSTANDING) {
        mark->start[0] = mark->first; /* the NUL has replaced it */
    }
    mark->start[nbytes] = mark->next;
    spare->start = mark->start;
    spare->owner = mark->owner;
    spare->reader = mark->reader;
}

void
spare_end_reader(PyObject *op, const PyObject *view)
{
    assert(view != NULL);
    Py_BEGIN_CRITICAL_SECTION(op);
    SpareObject *spare = buffer_spare(buffer_cast(op));
    if (spare != NULL && spare->reader == view) {
        spare_end(spare);
    }
    Py_END_CRITICAL_SECTION();
    spare_release(op);
}

/* ------------------------------------------------------------------ the methods */

PyDoc_STRVAR(spare_doc,
"spare($self, nbytes=65536)\n--\n\n"
"Return a writable memoryview of the free tail, of at least `nbytes` bytes.\n\n"
"It shows all free memory that is accessible already, so it is often longer: for a\n"
"long buffer it may be several MiB. If you need n bytes, ask for n.\n\n"
"Its content is unspecified. It may be old data of this process, so pass it only to\n"
"code that may see such data. With configure(pool_limit=0), new pages contain zeros.\n"
"Write to the view, then commit() as many bytes as were written:\n\n"
">>> from growbuf import GrowBuffer\n"
">>> buf = GrowBuffer()\n"
">>> buf.spare(4)[:2] = b'hi'\n"
">>> buf.commit(2)\n"
">>> buf\n"
"GrowBuffer(b'hi')\n\n"
"Until commit(), nothing else may change the length while the view exists. commit()\n"
"and this thread's next spare() release it. If code still holds it after commit(),\n"
"the next change of the length copies the bytes of the buffer to other memory.\n\n"
"Raise ValueError if `nbytes` is negative, MemoryError if the buffer cannot grow by\n"
"so much, BufferError while the bytes are exported and there is no limit. Before the\n"
"commit(), also raise BufferError if another thread made the last view and it still\n"
"exists, or if an object made from that view still exists. Costs as much as growing\n"
"by `nbytes`.");

enum { SPARE_NBYTES = 64 * 1024 };

static PyObject *
growbuffer_spare(PyObject *op, PyObject *const *args, Py_ssize_t nargs,
                 PyObject *kwnames)
{
    static const char *const names[] = {"nbytes"};
    PyObject *number;
    Py_ssize_t nbytes = SPARE_NBYTES;
    if (!args_sort(args, nargs, kwnames, names, 1, &number)) {
        PyErr_SetString(PyExc_TypeError, "spare() takes one argument at most: nbytes");
        return NULL;
    }
    if (number != NULL && args_nbytes(number, "nbytes", 0, &nbytes) < 0) {
        return NULL;
    }
    return spare_view(op, (size_t)nbytes, PY_SSIZE_T_MAX, PyThread_get_thread_ident());
}

PyDoc_STRVAR(commit_doc,
"commit($self, nbytes, /)\n--\n\n"
"Append the first `nbytes` bytes of what spare() returned.\n\n"
"Then the view is released, and the rest of it is free again. Raise ValueError if\n"
"`nbytes` is negative or more than spare() returned, or if spare() was not called or\n"
"the buffer has changed since; BufferError while the bytes are exported and there is\n"
"no limit.\n\n"
"The view cannot be released while an object made from it exists. Until then the byte\n"
"after the last one of the buffer may not be NUL. int(buf) and float(buf) rely on a\n"
"NUL there and may raise ValueError; int(bytes(buf)) works. commit() uses the newest\n"
"spare of any thread: threads that call both methods on one buffer need a lock. Costs\n"
"O(1): nothing is copied.\n\n"
">>> from growbuf import GrowBuffer\n"
">>> buf = GrowBuffer()\n"
">>> view = buf.spare(100)\n"
">>> view[:4] = b'spam'\n"
">>> buf.commit(4)\n"
">>> buf\n"
"GrowBuffer(b'spam')");

static PyObject *
growbuffer_commit(PyObject *op, PyObject *number)
{
    Py_ssize_t nbytes;
    if (args_nbytes(number, "nbytes", 0, &nbytes) < 0) {
        return NULL;
    }
    int rc = spare_commit(op, (size_t)nbytes, NULL);
    if (rc == 0) {
        spare_release(op);
    }
    return buffer_none_or_null(rc);
}

const PyMethodDef spare_methods[] = {
    {"spare", BUFFER_METHOD(growbuffer_spare), METH_FASTCALL | METH_KEYWORDS,
     spare_doc},
    {"commit", growbuffer_commit, METH_O, commit_doc},
    {NULL, NULL, 0, NULL},
};
