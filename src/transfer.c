/* transfer: moving bytes to another owner, without a copy if possible. */
#include "transfer.h"

#include "args.h"
#include "copy.h"
#include "frozen.h"
#include "growth.h"
#include "state.h"

/* Return a new GrowBuffer, for transfer_take_first(). If `copies` is true, it has a
 * copy of the first `nbytes` bytes, and otherwise no bytes. */
static BufferObject *
new_taken(BufferObject *self, size_t nbytes, bool copies)
{
    PyTypeObject *type = buffer_type(Py_TYPE(self));
    if (copies) {
        return (BufferObject *)buffer_copy(type,
                                           (struct piece){buffer_bytes(self), nbytes});
    }
    struct store nothing;
    store_init(&nothing);
    return (BufferObject *)buffer_from_store(type, &nothing);
}

/* ------------------------------------------------------------------------- take */

/* If `*nbytes` is -1, set it to the length. Raise ValueError if the buffer has fewer
 * than `*nbytes` bytes. `action` is the verb of the message: take or freeze. */
static int
check_nbytes(const BufferObject *self, const char *action, Py_ssize_t *nbytes)
{
    Py_ssize_t length = (Py_ssize_t)buffer_length(self);
    assert(*nbytes >= -1);
    if (*nbytes > length) {
        PyErr_Format(PyExc_ValueError, "cannot %s %zd bytes: the buffer holds %zd",
                     action, *nbytes, length);
        return -1;
    }
    *nbytes = *nbytes < 0 ? length : *nbytes;
    assert(*nbytes >= 0 && *nbytes <= length);
    return 0;
}

/* Move the first `nbytes` bytes to `taken`, an empty buffer, and return 0. If they
 * cannot be moved, copy them there and return 1: they are then in both buffers. */
static int
move_or_copy(BufferObject *self, size_t nbytes, BufferObject *taken)
{
    struct store store;
    assert(self != taken && nbytes <= buffer_length(self));
    assert(buffer_length(taken) == 0 && !buffer_is_exported(taken));
    int rc = buffer_take(self, nbytes, &store);
    if (rc == 0) {
        assert(store.length == nbytes && !store_is_limited(&store));
        return buffer_exchange(taken, &store);
    }
    if (rc < 0 || buffer_append(taken, nbytes) < 0) {
        return -1;
    }
    assert(buffer_length(taken) == nbytes && nbytes <= buffer_length(self));
    copy_bytes(buffer_bytes(taken), buffer_bytes(self), nbytes);
    return 1;
}

/* Append the buffer's bytes to those of `taken`, and give the buffer that store. It
 * needs memory for the buffer's bytes only. Return false, and do nothing, if exports or
 * a limit prevent it, or memory runs out. */
static bool
join_to_taken(BufferObject *self, BufferObject *taken)
{
    struct store whole;
    size_t at = buffer_length(taken), nbytes = buffer_length(self);
    assert(!store_is_limited(&taken->store));
    if (store_is_limited(&self->store) || buffer_check_resizable(self) < 0 ||
        buffer_append(taken, nbytes) < 0) {
        return false;
    }
    assert(buffer_length(taken) == at + nbytes && self != taken);
    copy_bytes(buffer_bytes(taken) + at, buffer_bytes(self), nbytes);
    int rc = buffer_take(taken, at + nbytes, &whole);
    assert(rc == 0 && whole.length == at + nbytes);
    rc = rc == 0 ? buffer_exchange(self, &whole) : rc;
    store_free(&whole);
    return rc == 0;
}

/* Undo move_or_copy() after it has moved bytes: they become the first bytes of the
 * buffer, which other code may have changed in the meantime. The exception that is set
 * stays set. transfer_take_first() says when the bytes moved are lost. */
static void
undo_move(BufferObject *self, BufferObject *taken)
{
    PyObject *type, *value, *traceback;
    assert(PyErr_Occurred() && !store_is_limited(&taken->store));
    PyErr_Fetch(&type, &value, &traceback);
    size_t nbytes = buffer_length(taken);
    bool is_limited = store_is_limited(&self->store);
    if (is_limited || buffer_swap(self, taken) < 0) {
        if (buffer_splice(self, 0, 0, nbytes) == 0) {
            copy_bytes(buffer_bytes(self), buffer_bytes(taken), nbytes);
        }
        else {
            PyErr_Clear();
            if (!join_to_taken(self, taken)) {
                PyErr_Clear();
                (void)buffer_swap(self, taken);
            }
        }
    }
    PyErr_Restore(type, value, traceback);
}

PyObject *
transfer_take_first(BufferObject *self, size_t nbytes,
                    PyObject *(*make)(void *, PyObject *), void *context)
{
    assert(nbytes <= buffer_length(self));
    bool copies = !store_may_take(&self->store, nbytes);
    if (copies && buffer_check_removable(self) < 0) {
        return NULL;
    }
    BufferObject *taken = new_taken(self, nbytes, copies);
    if (taken == NULL) {
        return NULL;
    }
    PyObject *result = NULL;
    int rc = copies ? 1 : move_or_copy(self, nbytes, taken);
    assert(rc < 0 || buffer_length(taken) == nbytes);
    if (rc == 0) {
        result = make(context, (PyObject *)taken);
        assert((result == NULL) == (PyErr_Occurred() != NULL));
        if (result == NULL) {
            undo_move(self, taken);
        }
    }
    else if (rc > 0) {
        buffer_hold(self); /* until `make` has returned, no other code removes bytes */
        result = make(context, (PyObject *)taken);
        buffer_unhold(self);
        assert(buffer_length(self) >= nbytes && buffer_length(taken) == nbytes);
        if (result != NULL && buffer_splice(self, 0, nbytes, 0) < 0) {
            Py_CLEAR(result);
        }
    }
    Py_DECREF(taken);
    return result;
}

PyDoc_STRVAR(take_doc,
"take($self, nbytes=None)\n--\n\n"
"Remove the first `nbytes` bytes, all if it is None, and return them as a GrowBuffer.\n"
"\n"
"All bytes of a buffer without a limit are handed over with its memory. Otherwise,\n"
"from 1 MiB up, pages move: that costs microseconds, and a copy of 2 MiB at most.\n"
"Fewer bytes than 1 MiB are copied once. More are copied, too, if the kernel cannot\n"
"move pages without unmapping the addresses that they had. In a buffer with a limit\n"
"the remaining bytes may be moved to the front. Raise ValueError if `nbytes` is\n"
"negative or more than there are, BufferError while the bytes are exported and there\n"
"is no limit. With a limit, the bytes are copied while they are exported, and the\n"
"views keep them.\n\n"
">>> from growbuf import GrowBuffer\n"
">>> buf = GrowBuffer(b'spam and eggs')\n"
">>> buf.take(4), buf\n"
"(GrowBuffer(b'spam'), GrowBuffer(b' and eggs'))");

/* Convert the argument `nbytes` of the method `name`. Without it, and for None, the
 * number becomes -1. */
static int
parse_nbytes(const char *name, PyObject *const *args, Py_ssize_t nargs,
             PyObject *kwnames, Py_ssize_t *nbytes)
{
    static const char *const names[] = {"nbytes"};
    PyObject *number;
    if (!args_sort(args, nargs, kwnames, names, 1, &number)) {
        PyErr_Format(PyExc_TypeError, "%s() takes one argument at most: nbytes", name);
        return -1;
    }
    *nbytes = -1;
    return number == NULL || number == Py_None
               ? 0
               : args_nbytes(number, "nbytes", 0, nbytes);
}

/* For transfer_take_first(): return the buffer itself. */
static PyObject *
return_taken(void *Py_UNUSED(context), PyObject *taken)
{
    return Py_NewRef(taken);
}

/* Remove the first `nbytes` bytes, all if it is -1. Under the lock. */
static PyObject *
take_buffer(BufferObject *self, Py_ssize_t nbytes)
{
    return check_nbytes(self, "take", &nbytes) < 0
               ? NULL
               : transfer_take_first(self, (size_t)nbytes, return_taken, NULL);
}

static PyObject *
growbuffer_take(PyObject *op, PyObject *const *args, Py_ssize_t nargs,
                PyObject *kwnames)
{
    Py_ssize_t nbytes;
    if (parse_nbytes("take", args, nargs, kwnames, &nbytes) < 0) {
        return NULL;
    }
    assert(nbytes >= -1);
    BUFFER_LOCKED(PyObject *, taken, op, take_buffer(buffer_cast(op), nbytes));
    return taken;
}

PyDoc_STRVAR(take_bytes_doc,
"take_bytes($self, n=None, /)\n--\n\n"
"Remove the first `n` bytes, all by default, and return them as bytes.\n\n"
"A negative `n` counts from the end. Raise IndexError if there are fewer bytes,\n"
"BufferError while the bytes are exported and there is no limit. The removed bytes\n"
"are copied once. freeze() returns a subclass of bytes instead, and moves many bytes\n"
"without a copy. Python's own bytearray has this method since 3.15.\n\n"
">>> from growbuf import GrowBuffer\n"
">>> buf = GrowBuffer(b'spam and eggs')\n"
">>> buf.take_bytes(4), buf\n"
"(b'spam', GrowBuffer(b' and eggs'))");

/* Remove the first `n` bytes, or all, and return them as bytes. A negative `n` counts
 * from the end. */
static PyObject *
take_first_bytes(BufferObject *self, Py_ssize_t n, bool all)
{
    Py_ssize_t length = (Py_ssize_t)buffer_length(self);
    Py_ssize_t taken = all ? length : n < 0 ? n + length : n;
    if (taken < 0 || taken > length) {
        PyErr_Format(PyExc_IndexError, "can't take %zd bytes outside size %zd", taken,
                     length);
        return NULL;
    }
    if (buffer_check_removable(self) < 0) {
        return NULL;
    }
    PyObject *bytes = PyBytes_FromStringAndSize(NULL, taken);
    if (bytes == NULL) {
        return NULL;
    }
    assert(taken <= (Py_ssize_t)buffer_length(self));
    copy_bytes(PyBytes_AS_STRING(bytes), buffer_bytes(self), (size_t)taken);
    if (buffer_splice(self, 0, (size_t)taken, 0) < 0) {
        Py_CLEAR(bytes);
    }
    return bytes;
}

static PyObject *
growbuffer_take_bytes(PyObject *op, PyObject *const *args, Py_ssize_t nargs)
{
    PyObject *n = nargs == 1 ? args[0] : Py_None;
    if (args_check_count("take_bytes", nargs, 0, 1) < 0) {
        return NULL;
    }
    if (n != Py_None && !PyIndex_Check(n)) {
        PyErr_SetString(PyExc_TypeError, "n must be an integer or None");
        return NULL;
    }
    Py_ssize_t number = n == Py_None ? 0 : PyNumber_AsSsize_t(n, PyExc_IndexError);
    if (number == -1 && PyErr_Occurred()) {
        return NULL;
    }
    BUFFER_LOCKED(PyObject *, bytes, op,
                  take_first_bytes(buffer_cast(op), number, n == Py_None));
    return bytes;
}

/* ----------------------------------------------------------------------- freeze */

/* Fewer bytes than this are copied, which costs less than the calls that move pages. A
 * whole span without a limit needs no call: it is moved from GROWTH_SHARE_MIN bytes
 * on. */
#define FREEZE_MIN ((size_t)1 << 20)

/* Move the first `nbytes` bytes to `taken`, with their pages. Return 1, with the buffer
 * unchanged, if they must be copied instead. */
static int
move_out(BufferObject *self, size_t nbytes, struct store *taken)
{
    const struct store *store = &self->store;
    bool whole = nbytes == store->length, limited = store_is_limited(store);
    assert(nbytes <= store->length && !buffer_is_exported(self));
    if (!frozen_can_take(store) ||
        nbytes < (whole && !limited ? GROWTH_SHARE_MIN : FREEZE_MIN)) {
        return 1;
    }
    int rc = buffer_take(self, nbytes, taken);
    return rc == 1 && whole && limited ? buffer_hand_over(self, taken) : rc;
}

/* Remove the first `nbytes` bytes and return them as FrozenBytes. */
static PyObject *
freeze_first(BufferObject *self, size_t nbytes)
{
    PyTypeObject *type = state_of((PyObject *)self)->frozen_type;
    struct store taken;
    assert(nbytes <= buffer_length(self));
    int rc = buffer_check_removable(self) < 0 ? -1
             : buffer_is_exported(self)       ? 1
                                              : move_out(self, nbytes, &taken);
    if (rc <= 0) {
        assert(rc < 0 || taken.length == nbytes);
        return rc < 0 ? NULL : frozen_from_store(type, &taken);
    }
    PyObject *frozen = frozen_create(type, nbytes);
    if (frozen == NULL) {
        return NULL;
    }
    assert(PyBytes_GET_SIZE(frozen) == (Py_ssize_t)nbytes);
    copy_bytes(PyBytes_AS_STRING(frozen), buffer_bytes(self), nbytes);
    if (buffer_splice(self, 0, nbytes, 0) < 0) {
        Py_CLEAR(frozen);
    }
    return frozen;
}

PyDoc_STRVAR(freeze_doc,
"freeze($self, nbytes=None)\n--\n\n"
"Remove the first `nbytes` bytes, all if it is None, and return them as FrozenBytes,\n"
"a subclass of bytes.\n\n"
"The object gets the pages of the bytes. That costs microseconds, and a copy of 2 MiB\n"
"at most. A buffer with a limit keeps the limit.\n\n"
"Fewer bytes than 1 MiB are copied instead. But if all bytes are frozen and there is\n"
"no limit, they are copied only if they are on the heap or fewer than 32 KiB. A part\n"
"is also copied if the kernel cannot move pages without unmapping the addresses that\n"
"they had. With a limit, the bytes are copied while views exist, and the views keep\n"
"them. A free-threaded Python always copies. If bytes were removed from the front\n"
"before, and their number is not a multiple of 16, the frozen bytes are moved once,\n"
"which costs as much as a copy.\n\n"
"Raise ValueError if `nbytes` is negative or more than there are, BufferError while a\n"
"view of a buffer without a limit exists, MemoryError if there is too little memory.\n"
"The buffer is unchanged then.\n\n"
">>> from growbuf import GrowBuffer\n"
">>> buf = GrowBuffer(b'spam and eggs')\n"
">>> buf.freeze(4), buf\n"
"(b'spam', GrowBuffer(b' and eggs'))\n"
">>> hash(buf.freeze()) == hash(b' and eggs')\n"
"True");

static PyObject *
growbuffer_freeze(PyObject *op, PyObject *const *args, Py_ssize_t nargs,
                  PyObject *kwnames)
{
    Py_ssize_t nbytes;
    if (parse_nbytes("freeze", args, nargs, kwnames, &nbytes) < 0) {
        return NULL;
    }
    PyObject *frozen = NULL;
    Py_BEGIN_CRITICAL_SECTION(op);
    if (check_nbytes(buffer_cast(op), "freeze", &nbytes) == 0) {
        frozen = freeze_first(buffer_cast(op), (size_t)nbytes);
    }
    Py_END_CRITICAL_SECTION();
    return frozen;
}

/* ------------------------------------------------------------ pickling and copying */

/* Return (_rebuild, (bytes,)), or NULL if `bytes` is NULL. The reference to `bytes` is
 * consumed. */
static PyObject *
new_reduced(PyObject *op, PyObject *bytes)
{
    PyObject *args = bytes == NULL ? NULL : PyTuple_Pack(1, bytes);
    PyObject *reduced =
        args == NULL ? NULL : PyTuple_Pack(2, state_of(op)->rebuild_type, args);
    Py_XDECREF(args);
    Py_XDECREF(bytes);
    return reduced;
}

/* Return the tuple from which protocol 5 restores an object: (_rebuild,
 * (PickleBuffer,)) for a GrowBuffer, and (_rebuild, (PickleBuffer, subclass), state)
 * for a subclass. */
static PyObject *
reduce_out_of_band(PyObject *op)
{
    PyObject *bytes = PyPickleBuffer_FromObject(op);
    if (bytes == NULL || buffer_is_exact_type(Py_TYPE(op))) {
        return new_reduced(op, bytes);
    }
    return Py_BuildValue("O(NO)N", state_of(op)->rebuild_type, bytes, Py_TYPE(op),
                         PyObject_CallMethod(op, "__getstate__", NULL));
}

PyDoc_STRVAR(reduce_ex_doc,
"__reduce_ex__($self, protocol, /)\n--\n\n"
"Return what pickle needs. From protocol 5 on, bytes can be out of band (PEP 574).");

static PyObject *
growbuffer_reduce_ex(PyObject *op, PyObject *protocol)
{
    Py_ssize_t number = PyNumber_AsSsize_t(protocol, PyExc_OverflowError);
    if (number == -1 && PyErr_Occurred()) {
        return NULL;
    }
    assert(buffer_type(Py_TYPE(op)) != NULL);
    if (number >= 5) {
        return reduce_out_of_band(op);
    }
    PyObject *reduced;
    Py_BEGIN_CRITICAL_SECTION(op); /* bytearray of 3.13 takes no lock */
    BufferObject *self = buffer_cast(op);
    buffer_hold(self);
    reduced =
        number >= 3 && buffer_is_exact_type(Py_TYPE(op))
            ? new_reduced(op, PyBytes_FromStringAndSize(
                                  buffer_bytes(self), (Py_ssize_t)buffer_length(self)))
            : PyObject_CallMethod((PyObject *)&PyByteArray_Type, "__reduce_ex__", "OO",
                                  op, protocol);
    buffer_unhold(self);
    Py_END_CRITICAL_SECTION();
    return reduced;
}

/* Whether `owner` is a buffer of exactly that type, and `view` is a writable,
 * contiguous view of all its bytes. */
static bool
is_view_of_all(PyObject *owner, const PyObject *type, const Py_buffer *view)
{
    if (owner == NULL || (PyObject *)Py_TYPE(owner) != type || view->readonly ||
        !PyBuffer_IsContiguous(view, 'C')) {
        return false;
    }
    BUFFER_LOCKED(struct piece, all, owner, buffer_piece(owner));
    return view->buf == all.start && (size_t)view->len == all.nbytes;
}

/* Return a new buffer of `type` with the bytes of a bytes or bytearray. They are
 * copied: a bytearray may be an out-of-band buffer, which belongs to the caller of
 * pickle.loads(). */
static PyObject *
rebuild_in_band(PyTypeObject *type, PyObject *bytes)
{
    struct args_bytes args;
    if (!buffer_is_exact_type(type) || !args_open_bytes(bytes, &args)) {
        return PyObject_CallOneArg((PyObject *)type, bytes);
    }
    PyObject *result = buffer_copy(type, args.piece);
    assert(result != NULL || PyErr_Occurred());
    args_close_bytes(&args);
    return result;
}

PyObject *
transfer_rebuild(PyObject *callable, PyObject *const *args, size_t nargsf,
                 PyObject *kwnames)
{
    Py_ssize_t nargs = PyVectorcall_NARGS(nargsf);
    if (kwnames != NULL && PyTuple_GET_SIZE(kwnames) > 0) {
        PyErr_SetString(PyExc_TypeError, "_rebuild() takes no keyword arguments");
        return NULL;
    }
    if (args_check_count("_rebuild", nargs, 1, 2) < 0) {
        return NULL;
    }
    struct state *state = PyType_GetModuleState((PyTypeObject *)callable);
    PyObject *bytes = args[0];
    PyObject *type = nargs == 2 ? args[1] : (PyObject *)state->buffer_type;
    if (!PyType_Check(type) ||
        !PyType_IsSubtype((PyTypeObject *)type, state->buffer_type)) {
        PyErr_Format(PyExc_TypeError,
                     "_rebuild() needs a subclass of GrowBuffer, got %R", type);
        return NULL;
    }
    if (PyBytes_CheckExact(bytes) || PyByteArray_CheckExact(bytes)) { /* in band */
        return rebuild_in_band((PyTypeObject *)type, bytes);
    }
    PyObject *view =
        PyPickleBuffer_Check(bytes) ? Py_NewRef(bytes) : PyMemoryView_FromObject(bytes);
    if (view == NULL) {
        return NULL;
    }
    assert(type != NULL && PyType_Check(type));
    const Py_buffer *shown =
        view == bytes ? PyPickleBuffer_GetBuffer(view) : PyMemoryView_GET_BUFFER(view);
    PyObject *result = NULL;
    if (shown != NULL) {
        result = is_view_of_all(shown->obj, type, shown)
                     ? Py_NewRef(shown->obj)
                     : PyObject_CallOneArg(type, bytes);
    }
    Py_DECREF(view);
    return result;
}

PyDoc_STRVAR(rebuild_doc,
"_rebuild(bytes, type=GrowBuffer, /)\n--\n\n"
"Return a buffer of these bytes, for pickle. If `bytes` is a writable out-of-band\n"
"view of all bytes of a buffer of exactly this type, return that buffer itself.");

PyType_Spec transfer_rebuild_spec = {
    .name = "growbuf._growbuf._rebuild",
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_DISALLOW_INSTANTIATION |
             Py_TPFLAGS_IMMUTABLETYPE,
    .slots = (PyType_Slot[]){{Py_tp_doc, (void *)rebuild_doc}, {0, NULL}},
};

/* Return a copy, as copy.copy() and copy.deepcopy() do. `memo` is the argument of
 * __deepcopy__(), or None for copy.copy(). */
static PyObject *
copy_object(PyObject *op, PyObject *memo)
{
    if (buffer_is_exact_type(Py_TYPE(op))) {
        BUFFER_LOCKED(PyObject *, result, op,
                      buffer_copy(Py_TYPE(op), buffer_piece(op)));
        return result;
    }
    PyObject *reduced = PyObject_CallMethod(op, "__reduce_ex__", "i", 4);
    PyObject *copy = reduced == NULL ? NULL : PyImport_ImportModule("copy");
    PyObject *reconstruct =
        copy == NULL ? NULL : PyObject_GetAttrString(copy, "_reconstruct");
    PyObject *before = reconstruct == NULL ? NULL : PyTuple_Pack(2, op, memo);
    PyObject *args = before == NULL ? NULL : PySequence_Concat(before, reduced);
    PyObject *result = args == NULL ? NULL : PyObject_CallObject(reconstruct, args);
    Py_XDECREF(args);
    Py_XDECREF(before);
    Py_XDECREF(reconstruct);
    Py_XDECREF(copy);
    Py_XDECREF(reduced);
    return result;
}

PyDoc_STRVAR(copy_doc,
"__copy__($self, /)\n--\n\n"
"Return a copy, for copy.copy(). A subclass keeps the attributes of the object.");

static PyObject *
growbuffer_copy_shallow(PyObject *op, PyObject *Py_UNUSED(ignored))
{
    return copy_object(op, Py_None);
}

PyDoc_STRVAR(deepcopy_doc,
"__deepcopy__($self, memo, /)\n--\n\n"
"Return a copy, for copy.deepcopy(). A subclass gets copies of the attributes.");

static PyObject *
growbuffer_copy_deep(PyObject *op, PyObject *memo)
{
    return copy_object(op, memo);
}

const PyMethodDef transfer_methods[] = {
    {"take", BUFFER_METHOD(growbuffer_take), METH_FASTCALL | METH_KEYWORDS, take_doc},
    {"take_bytes", BUFFER_METHOD(growbuffer_take_bytes), METH_FASTCALL, take_bytes_doc},
    {"freeze", BUFFER_METHOD(growbuffer_freeze), METH_FASTCALL | METH_KEYWORDS,
     freeze_doc},
    {"__reduce_ex__", growbuffer_reduce_ex, METH_O, reduce_ex_doc},
    {"__copy__", growbuffer_copy_shallow, METH_NOARGS, copy_doc},
    {"__deepcopy__", growbuffer_copy_deep, METH_O, deepcopy_doc},
    {NULL, NULL, 0, NULL},
};
