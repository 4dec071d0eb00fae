#include "spare.h"

#include "state.h"

#ifdef _MSC_VER
#define THREAD_LOCAL __declspec(thread)
#else
#define THREAD_LOCAL _Thread_local
#endif

/* -------------------------------------------------------------- the loan itself */

/* Make one without the collector, which up to 3.11 runs here and has finalizers change
 * the buffer, whose length the caller has looked at. */
static SpareObject *
new_spare(PyTypeObject *type)
{
#if PY_VERSION_HEX < 0x030C0000
    int collects = PyGC_Disable();
#endif
    PyObject *spare = type->tp_alloc(type, 0);
#if PY_VERSION_HEX < 0x030C0000
    if (collects) {
        PyGC_Enable();
    }
#endif
    return (SpareObject *)spare;
}

static SpareObject *
spare_of(BufferObject *self)
{
    if (self->spare == NULL) {
        self->spare = new_spare(state_of((PyObject *)self)->spare_type);
        if (self->spare != NULL) {
            self->spare->buffer = self;
        }
    }
    return self->spare;
}

/* Under the buffer's critical section, by who has a reference to `spare`. */
static void
begin_loan(SpareObject *spare)
{
    Py_INCREF(spare->buffer);
    buffer_hold(spare->buffer);
    spare->lent = true;
    spare->lender = SPARE_READER;
    spare->reader = NULL;
    Py_DECREF(spare);
}

/* The tail begins where the NUL behind the last byte belongs. Put it back now that
 * nobody writes there, and keep what was written in case it is committed yet. */
static void
end_loan(SpareObject *spare)
{
    BufferObject *buffer = spare->buffer;
    Py_BEGIN_CRITICAL_SECTION(buffer);
    struct store *store = &buffer->store;
    if (store_kind(store) != STORE_EMPTY) {
        spare->first = store->start[store->length];
        store->start[store->length] = '\0';
    }
    Py_INCREF(spare);
    spare->lent = false;
    buffer_unhold(buffer);
    Py_END_CRITICAL_SECTION();
    Py_DECREF(buffer);
}

static int
refuse_lent(const SpareObject *spare)
{
    PyErr_SetString(PyExc_BufferError,
                    spare->lender == SPARE_READER
                        ? "the tail is in use: bytes are read or copied into it"
                        : "the view that spare() gave before is in use: release it and "
                          "what was made of it first");
    return -1;
}

/* Find `least` bytes or more of free tail, but `most` at most. */
static int
find_tail(SpareObject *spare, size_t least, size_t most)
{
    BufferObject *self = spare->buffer;
    if (spare->lent) {
        return refuse_lent(spare);
    }
    if (buffer_check_growable(self) < 0 || buffer_make_tailroom(self, least) < 0) {
        return -1;
    }
    size_t room = store_tailroom(&self->store);
    spare->start = buffer_bytes(self) + buffer_length(self);
    spare->nbytes = room < most ? room : most;
    if (store_kind(&self->store) == STORE_HEAP) {
        /* Who reads on for want of the NUL stops there: behind a span's room it is. */
        spare->start[room] = '\0';
    }
    return 0;
}

/* ------------------------------------------------------------------- its object */

/* Whom a thread is making a view for, and how much of the tail it is to show. The
 * collector may run before the view is an export: so what is lent is found out then. */
static THREAD_LOCAL struct lending {
    SpareObject *spare;
    size_t least, most;
} lending;

static int
spare_getbuffer(PyObject *op, Py_buffer *view, int flags)
{
    SpareObject *spare = (SpareObject *)op;
    view->obj = NULL;
    if (lending.spare != spare) {
        PyErr_SetString(PyExc_BufferError, "the tail is lent by spare() only");
        return -1;
    }
    if (find_tail(spare, lending.least, lending.most) < 0 ||
        PyBuffer_FillInfo(view, op, spare->start, (Py_ssize_t)spare->nbytes, 0, flags) <
            0) {
        return -1;
    }
    begin_loan(spare);
    return 0;
}

static void
spare_releasebuffer(PyObject *op, Py_buffer *Py_UNUSED(view))
{
    end_loan((SpareObject *)op);
}

static int
spare_traverse(PyObject *op, visitproc visit, void *arg)
{
    SpareObject *spare = (SpareObject *)op;
    Py_VISIT(Py_TYPE(op));
    if (spare->lent) {
        Py_VISIT(spare->buffer);
    }
    return 0;
}

static void
spare_dealloc(PyObject *op)
{
    PyTypeObject *type = Py_TYPE(op);
    PyObject_GC_UnTrack(op);
    Py_CLEAR(((SpareObject *)op)->view);
    type->tp_free(op);
    Py_DECREF(type);
}

PyDoc_STRVAR(spare_type_doc, "The free tail of a GrowBuffer, lent by spare().");

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

/* ------------------------------------------------------------ lend and take back */

void
spare_release(PyObject *op)
{
    BufferObject *self = buffer_cast(op);
    PyObject *reference = NULL;
    Py_BEGIN_CRITICAL_SECTION(op);
    if (self->spare != NULL && self->spare->lender == PyThread_get_thread_ident()) {
        reference = Py_XNewRef(self->spare->view);
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

/* Make the view, which has find_tail called, and begin_loan. */
static PyObject *
new_view(SpareObject *spare, size_t least, size_t most)
{
    struct lending before = lending;
    lending = (struct lending){spare, least, most};
    PyObject *view = PyMemoryView_FromObject((PyObject *)spare);
    lending = before;
    return view;
}

/* Return a view of the free tail: `least` bytes or more, but `most` at most. */
static PyObject *
lend(BufferObject *self, size_t least, size_t most, unsigned long lender)
{
    SpareObject *spare = spare_of(self);
    if (spare == NULL) {
        return NULL;
    }
    if (spare->lent) {
        (void)refuse_lent(spare);
        return NULL;
    }
    spare->start = NULL;
    PyObject *view = new_view(spare, least, most);
    PyObject *reference = view == NULL ? NULL : PyWeakref_NewRef(view, NULL);
    if (reference == NULL) {
        Py_XDECREF(view);
        buffer_forget_spare(self);
        return NULL;
    }
    Py_XSETREF(spare->view, reference);
    spare->lender = lender;
    spare->reader = lender == SPARE_READER ? view : NULL;
    return view;
}

PyObject *
spare_view(PyObject *op, size_t least, size_t most, unsigned long lender)
{
    PyObject *view;
    spare_release(op);
    Py_BEGIN_CRITICAL_SECTION(op);
    view = lend(buffer_cast(op), least, most, lender);
    Py_END_CRITICAL_SECTION();
    return view;
}

/* Whether what was lent is still the tail. */
static bool
is_tail(const BufferObject *self)
{
    const SpareObject *spare = self->spare;
    return spare != NULL && spare->start != NULL &&
           spare->start == self->store.start + self->store.length &&
           spare->nbytes <= store_tailroom(&self->store);
}

/* Whether it was lent to who works in `view`; NULL: to a thread. */
static bool
is_loan_of(const SpareObject *spare, const PyObject *view)
{
    return spare->reader == view && (view != NULL || spare->lender != SPARE_READER);
}

/* Nobody is at work there now: this thread may release the view. */
static void
end_work(SpareObject *spare)
{
    spare->start = NULL;
    spare->reader = NULL;
    spare->lender = PyThread_get_thread_ident();
}

static int
accept(BufferObject *self, size_t nbytes, const PyObject *view)
{
    if (!is_tail(self) || !is_loan_of(self->spare, view)) {
        PyErr_SetString(PyExc_ValueError, "nothing to commit: spare() was not called, "
                                          "or the buffer has changed since");
        return -1;
    }
    if (nbytes > self->spare->nbytes) {
        PyErr_Format(PyExc_ValueError,
                     "nbytes must be %zu at most, which spare() gave, got %zu",
                     self->spare->nbytes, nbytes);
        return -1;
    }
    if (nbytes > 0) {
        if (buffer_check_committable(self) < 0) {
            return -1;
        }
        if (!self->spare->lent) {
            self->spare->start[0] = self->spare->first;
        }
        buffer_commit(self, nbytes);
    }
    end_work(self->spare);
    return 0;
}

int
spare_commit(PyObject *op, size_t nbytes, const PyObject *view)
{
    int rc;
    Py_BEGIN_CRITICAL_SECTION(op);
    rc = accept(buffer_cast(op), nbytes, view);
    Py_END_CRITICAL_SECTION();
    return rc;
}

void
spare_end(PyObject *op, const PyObject *view)
{
    SpareObject *spare = buffer_cast(op)->spare;
    Py_BEGIN_CRITICAL_SECTION(op);
    if (spare->reader == view) {
        end_work(spare);
    }
    Py_END_CRITICAL_SECTION();
    spare_release(op);
}
