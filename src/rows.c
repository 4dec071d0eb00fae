/* rows: the object GrowArray, its views and its tailroom. */

#include "rows.h"

#include <stdint.h>
#include <string.h>

/* ------------------------------------------------------ construction, deallocation */

/* For GrowArray itself tp_alloc is not called: it takes twice as long. */
PyObject *
rows_create(PyTypeObject *type, PyObject *buffer, LayoutObject *layout)
{
    PyObject *op = NULL;
    assert(rows_type(type) != NULL && layout->row_nbytes > 0);
    if (buffer != NULL && type->tp_dealloc != rows_dealloc) {
        op = type->tp_alloc(type, 0);
    }
    else if (buffer != NULL && (op = (PyObject *)PyObject_New(RowsObject, type))) {
        memset((char *)op + sizeof *op, 0, sizeof(RowsObject) - sizeof *op);
    }
    if (op == NULL) {
        Py_XDECREF(buffer);
        return NULL;
    }
    RowsObject *self = rows_cast(op);
    assert(self->view == NULL && self->extra == NULL && !self->small);
    self->view_nbytes = SIZE_MAX;
    self->buffer = buffer_cast(buffer);
    self->layout = layout_cast(Py_NewRef(layout));
    self->max_nbytes = MAXLEN_NONE;
    return op;
}

struct rows_extra *
rows_ensure_extra(RowsObject *self)
{
    if (self->extra == NULL) {
        self->extra = PyMem_Calloc(1, sizeof *self->extra);
    }
    return self->extra;
}

void
rows_dealloc(PyObject *op)
{
    RowsObject *self = rows_cast(op);
    PyTypeObject *type = Py_TYPE(op);
    assert(Py_REFCNT(op) == 0 && self->nexports == 0); /* an export has a reference */
    if (self->weakrefs != NULL) {
        PyObject_ClearWeakRefs(op);
    }
    Py_CLEAR(self->view);
    if (self->extra != NULL) {
        Py_CLEAR(self->extra->pinned);
        PyMem_Free(self->extra->before);
        PyMem_Free(self->extra->pending);
        PyMem_Free(self->extra);
    }
    Py_CLEAR(self->buffer);
    Py_CLEAR(self->layout);
    type->tp_free(op);
    Py_DECREF(type);
}

/* ---------------------------------------------------------------------- lengths */

Py_ssize_t
rows_length(PyObject *op)
{
    RowsObject *self = rows_cast(op);
    size_t nbytes;
    ROWS_LOCKED(self, nbytes, buffer_length(self->buffer));
    assert(self->layout->row_nbytes > 0 && nbytes <= PY_SSIZE_T_MAX);
    return (Py_ssize_t)(nbytes / self->layout->row_nbytes);
}

int
rows_check_whole(const RowsObject *self)
{
    size_t length = buffer_length(self->buffer), row_nbytes = self->layout->row_nbytes;
    if (!self->shared || length % row_nbytes == 0) {
        assert(length % row_nbytes == 0);
        return 0;
    }
    PyErr_Format(
        PyExc_ValueError,
        "the buffer of the array has %zu bytes, which is not a multiple of the "
        "row size, %zu bytes: change the length of the buffer",
        length, row_nbytes);
    return -1;
}

int
rows_nbytes_of(const LayoutObject *layout, const char *name, PyObject *nrows,
               Py_ssize_t min, size_t *nbytes)
{
    if (!PyIndex_Check(nrows)) {
        PyErr_Format(PyExc_TypeError, "%s must be an integer, got %.200s", name,
                     Py_TYPE(nrows)->tp_name);
        return -1;
    }
    PyObject *number = PyNumber_Index(nrows);
    if (number == NULL) {
        return -1;
    }
    int overflow, rc = 0;
    long long count = PyLong_AsLongLongAndOverflow(number, &overflow);
    long long max = (long long)(PY_SSIZE_T_MAX / layout->row_nbytes);
    if (overflow < 0 || (overflow == 0 && count < min)) {
        PyErr_Format(PyExc_ValueError, "%s must be %zd or more, got %S", name, min,
                     number);
        rc = -1;
    }
    else {
        count = overflow > 0 || count > max ? max : count;
        *nbytes = (size_t)count * layout->row_nbytes;
        assert(count < 0 || *nbytes <= PY_SSIZE_T_MAX);
    }
    Py_DECREF(number);
    return rc;
}

int
rows_explain_no_memory(const RowsObject *self, size_t nbytes, int rc)
{
    size_t row_nbytes = self->layout->row_nbytes;
    assert((rc < 0) == (PyErr_Occurred() != NULL));
    if (rc < 0 && !store_is_limited(&self->buffer->store) &&
        PyErr_ExceptionMatches(PyExc_MemoryError)) {
        PyErr_Format(PyExc_MemoryError,
                     "there is no memory for %zu more rows of %zu bytes",
                     nbytes / row_nbytes, row_nbytes);
    }
    return rc;
}

/* ---------------------------------------------------------- from small to stable */

/* Reserve address space for `limit` bytes, copy the rows there, and make it the
 * buffer's store. Return 1 without an exception if the system refuses. */
static int
move_to_reservation(BufferObject *buffer, size_t limit)
{
    size_t length = buffer_length(buffer);
    struct store fresh;
    assert(length <= limit && !store_is_limited(&buffer->store));
    store_init(&fresh);
    if (store_set_limit(&fresh, limit) != 0) {
        return 1;
    }
    if (store_append(&fresh, length) != 0) {
        store_free(&fresh);
        return 1;
    }
    assert(fresh.length == length);
    memcpy(fresh.start, buffer_bytes(buffer), length);
    int rc = buffer_exchange(buffer, &fresh);
    store_free(&fresh);
    return rc;
}

/* Choose a limit of at most `max` bytes, with space for the rows and `nbytes` more. If
 * possible, also with space for twice maxlen rows. */
static int
choose_limit(RowsObject *self, size_t nbytes, size_t max, size_t *limit)
{
    NumPyObject *numpy = self->layout->numpy;
    size_t needed = buffer_length(self->buffer) + nbytes;
    assert(needed >= nbytes);
    *limit = 0;
    if (self->max_nbytes < SIZE_MAX / 2 && 2 * self->max_nbytes > needed &&
        layout_choose_limit(numpy, 2 * self->max_nbytes, max, limit) < 0) {
        return -1;
    }
    return *limit > 0 ? 0 : layout_choose_limit(numpy, needed, max, limit);
}

int
rows_stabilize(RowsObject *self, size_t nbytes)
{
    size_t limit = SIZE_MAX;
    int rc = 1;
    assert(!self->small || (self->view == NULL && !self->shared));
    while (self->small && rc > 0) {
        if (choose_limit(self, nbytes, limit - 1, &limit) < 0) {
            return -1;
        }
        if (!self->small) { /* another thread did it */
            break;
        }
        if (limit == 0) { /* no address space */
            rc = buffer_reserve(self->buffer, buffer_length(self->buffer) + nbytes);
            rc = rows_explain_no_memory(self, nbytes, rc);
            break;
        }
        rc = move_to_reservation(self->buffer, limit);
    }
    if (rc >= 0) {
        self->small = false;
    }
    assert((rc < 0) == (PyErr_Occurred() != NULL));
    return rc < 0 ? -1 : 0;
}

/* ---------------------------------------------------------------------- the view */

PyObject *
rows_make_view(RowsObject *self, PyObject *bytes)
{
    LayoutObject *layout = self->layout;
    assert(layout->row_nbytes > 0);
    const struct ndarray_api *api = &layout->numpy->ndarray;
    if (api->functions != NULL && buffer_is_exact_type(Py_TYPE(bytes))) {
        BufferObject *buffer = buffer_cast(bytes);
        assert(buffer_length(buffer) % layout->row_nbytes == 0);
        return ndarray_make(api, buffer, layout->view_dtype,
                            buffer_length(buffer) / layout->row_nbytes);
    }
    PyObject *args[] = {bytes, layout->view_dtype};
    return PyObject_Vectorcall(layout->numpy->hooks[NUMPY_frombuffer], args, 2, NULL);
}

/* Return a view of an ndarray. Takes the reference to it, which may be NULL. */
static PyObject *
view_of(PyObject *array)
{
    PyObject *view = array == NULL ? NULL : PyObject_GetItem(array, Py_Ellipsis);
    Py_XDECREF(array);
    return view;
}

/* Prepare the array for a new view. If it is small, call rows_stabilize(), so that
 * appending does not move the rows later. Then check the buffer's length. */
static int
prepare_view(RowsObject *self)
{
    return self->small && rows_stabilize(self, 0) < 0 ? -1 : rows_check_whole(self);
}

/* See rows_kept_view(). Under the lock. */
static PyObject *
kept_view(RowsObject *self)
{
    if (prepare_view(self) < 0) {
        return NULL;
    }
    size_t nbytes = buffer_length(self->buffer);
    if (self->view != NULL && self->view_nbytes == nbytes) {
        assert(!self->shared && buffer_is_exported(self->buffer));
        return Py_NewRef(self->view);
    }
    const char *start = buffer_bytes(self->buffer);
    /* Keep a view of the new ndarray, not the ndarray itself. Slices of the kept view
     * have the ndarray as their base. Other code can change the shape of that base, but
     * it cannot reach the kept view. */
    PyObject *view = view_of(rows_make_view(self, (PyObject *)self->buffer));
    /* Making the view may run the garbage collector, and so any code. That may have
     * changed the length before the view was an export, or removed rows from the front.
     * Keep the view only if it shows all rows. */
    if (view != NULL && !self->shared && nbytes == buffer_length(self->buffer) &&
        start == buffer_bytes(self->buffer) &&
        PyObject_Size(view) == (Py_ssize_t)(nbytes / self->layout->row_nbytes)) {
        self->view_nbytes = nbytes;
        Py_XSETREF(self->view, Py_NewRef(view));
    }
    return view;
}

/* See rows_new_view(). The first view after a change of the length is not kept, because
 * often no other view of this length is made. So only one ndarray is made. Keeping one
 * view and returning another would make three. Under the lock. */
static PyObject *
new_view(RowsObject *self)
{
    if (prepare_view(self) < 0) {
        return NULL;
    }
    size_t nbytes = buffer_length(self->buffer);
    if (self->view_nbytes == nbytes) {
        return view_of(kept_view(self));
    }
    self->view_nbytes = nbytes;
    Py_CLEAR(self->view);
    return rows_make_view(self, (PyObject *)self->buffer);
}

PyObject *
rows_kept_view(PyObject *op)
{
    RowsObject *self = rows_cast(op);
    PyObject *view;
    ROWS_LOCKED(self, view, kept_view(self));
    return view;
}

PyObject *
rows_new_view(PyObject *op)
{
    RowsObject *self = rows_cast(op);
    PyObject *view;
    ROWS_LOCKED(self, view, new_view(self));
    return view;
}

/* Raise BufferError because views are held. The message says of which kind they are. */
static int
refuse_viewed(const RowsObject *self, const char *refusal)
{
    const char *views =
        self->shared ? "a view of the array or of its buffer is held"
        : buffer_nexports(self->buffer) <= (size_t)self->nexports
            ? "a memoryview of the array is held: release() it"
            : "an ndarray view of the array is held, such as .array, a slice, a row, "
              "an iterator: drop it, or keep a .copy() of it. In IPython %xdel _N "
              "drops the result Out[N]; a traceback may hold an ndarray, too";
    PyErr_Format(PyExc_BufferError, "%s while %s", refusal, views);
    return -1;
}

int
rows_drop_kept_view(RowsObject *self, bool front)
{
    BufferObject *buffer = self->buffer;
    assert(!PyErr_Occurred());
    Py_CLEAR(self->view);
    Py_CLEAR(self->view); /* a weak reference's callback may have made one */
    if (!buffer_is_exported(buffer)) {
        return 0;
    }
    self->view_nbytes = SIZE_MAX; /* another thread may have kept a view just now */
    int rc = front ? buffer_check_removable(buffer) : buffer_check_resizable(buffer);
    if (rc == 0 || !PyErr_ExceptionMatches(PyExc_BufferError) ||
        buffer_spare_is_outstanding(buffer)) {
        return rc;
    }
    PyErr_Clear();
    return refuse_viewed(self, store_is_limited(&buffer->store)
                                   ? "only the first rows can be removed"
                                   : "rows cannot be moved or removed");
}

/* Raise MemoryError because the rows would grow past the limit. Say so if views still
 * hold removed rows at the start of the reservation. */
static int
refuse_past_limit(RowsObject *self)
{
    size_t row_nbytes = self->layout->row_nbytes;
    size_t nrows = buffer_limit(self->buffer) / row_nbytes;
    size_t held = buffer_held(self->buffer) / row_nbytes;
    assert(store_is_limited(&self->buffer->store));
    const char *plural = nrows == 1 ? "" : "s";
    if (held == 0) {
        PyErr_Format(PyExc_MemoryError,
                     "the array would grow past its limit of %zu row%s: make an array "
                     "with a larger limit=",
                     nrows, plural);
    }
    else {
        PyErr_Format(
            PyExc_MemoryError,
            "the array would grow past its limit of %zu row%s: older views still "
            "hold %zu rows that were removed from its front; drop these views, or "
            "keep copies",
            nrows, plural, held);
    }
    return -1;
}

int
rows_check_growable(RowsObject *self, size_t nbytes)
{
    BufferObject *buffer = self->buffer;
    size_t length = buffer_length(buffer);
    if (self->small && (length > ROWS_MAX_SMALL || nbytes > ROWS_MAX_SMALL - length) &&
        rows_stabilize(self, nbytes) < 0) {
        return -1;
    }
    bool may_move = !store_is_limited(&buffer->store);
    if (buffer_is_exported(buffer) &&
        (may_move || buffer_spare_is_outstanding(buffer))) {
        Py_CLEAR(self->view);
    }
    if (may_move && buffer_is_exported(buffer) &&
        !buffer_spare_is_outstanding(buffer)) {
        return refuse_viewed(self,
                             "rows cannot be appended to an array that is not stable "
                             "(see limit=)");
    }
    if (buffer_check_growable(buffer) < 0) {
        return -1;
    }
    if (rows_check_whole(self) < 0) {
        return -1;
    }
    const struct store *store = &buffer->store;
    return store_is_limited(store) && nbytes > store_capacity(store) - store->length
               ? refuse_past_limit(self)
               : 0;
}

int
rows_make_tailroom_slow(RowsObject *self, size_t nbytes)
{
    if (rows_check_growable(self, nbytes) < 0) {
        return -1;
    }
    size_t length = buffer_length(self->buffer);
    assert(nbytes <= PY_SSIZE_T_MAX && length <= PY_SSIZE_T_MAX);
    if (length + nbytes > self->max_nbytes) {
        int rc = rows_drop_kept_view(self, true);
        if (rc == 0) {
            rc = maxlen_make_tailroom(self->buffer, self->max_nbytes, nbytes);
        }
        return rows_explain_no_memory(self, nbytes, rc);
    }
    size_t wanted = nbytes;
    if (self->small && nbytes > store_tailroom(&self->buffer->store)) {
        assert(length <= ROWS_MAX_SMALL);
        size_t more =
            Py_MIN(Py_MAX(length / 2, ROWS_MIN_SMALL), ROWS_MAX_SMALL - length);
        wanted = Py_MAX(nbytes, more);
    }
    int rc = buffer_make_tailroom(self->buffer, wanted);
    return rows_explain_no_memory(self, nbytes, rc);
}

/* --------------------------------------------------------------------- operands */

bool
rows_is_tame(NumPyObject *numpy, PyObject *op)
{
    PyTypeObject *type = Py_TYPE(op);
    return type == (PyTypeObject *)numpy->hooks[NUMPY_ndarray] || rows_check(op) ||
           type == &PyFloat_Type || type == &PyLong_Type || type == &PyBool_Type ||
           type == &PyComplex_Type || type == &PyUnicode_Type ||
           type == &PyBytes_Type || type == &PyList_Type || type == &PyTuple_Type ||
           op == Py_None || scalars_find(&numpy->scalars, type) != NULL;
}

PyObject *
rows_as_ndarray(PyObject *op, bool kept)
{
    return !rows_check(op) ? Py_NewRef(op)
           : kept          ? rows_kept_view(op)
                           : rows_new_view(op);
}

void
rows_clean_between(PyObject *op, Py_ssize_t start, Py_ssize_t stop)
{
    RowsObject *self = rows_cast(op);
    if (!rows_check(op) || self->layout->npaddings == 0) {
        return;
    }
    size_t row_nbytes = self->layout->row_nbytes;
    Py_BEGIN_CRITICAL_SECTION(self->buffer);
    Py_ssize_t nrows = (Py_ssize_t)(buffer_length(self->buffer) / row_nbytes);
    Py_ssize_t count = PySlice_AdjustIndices(nrows, &start, &stop, 1);
    assert(start >= 0 && count >= 0 && (count == 0 || start + count <= nrows));
    layout_clean(self->layout, buffer_bytes(self->buffer) + (size_t)start * row_nbytes,
                 (size_t)count * row_nbytes);
    Py_END_CRITICAL_SECTION();
}

void
rows_clean(PyObject *op)
{
    rows_clean_between(op, 0, PY_SSIZE_T_MAX);
}
