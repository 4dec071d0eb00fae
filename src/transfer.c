/* transfer: moving bytes to another owner, without copying them if possible. */
#include "transfer.h"

#include "args.h"

#include "state.h"

static BufferObject *
new_buffer(PyObject *op)
{
    struct store nothing;
    store_init(&nothing);
    return (BufferObject *)buffer_from_store(buffer_type(Py_TYPE(op)), &nothing);
}

/* ------------------------------------------------------------------------- take */

/* Move the first `nbytes` bytes to `taken`, without a copy if the store can do that. */
static int
take_into(BufferObject *self, size_t nbytes, BufferObject *taken)
{
    int rc = buffer_take(self, nbytes, taken);
    if (rc <= 0 || nbytes == 0) {
        return rc < 0 ? -1 : 0;
    }
    if (buffer_append(taken, nbytes) < 0) {
        return -1;
    }
    memcpy(buffer_bytes(taken), buffer_bytes(self), nbytes);
    return buffer_splice(self, 0, nbytes, 0);
}

/* As take_into(), but check `nbytes` first; -1 means all bytes. */
static int
take_checked(BufferObject *self, Py_ssize_t nbytes, BufferObject *taken)
{
    Py_ssize_t length = (Py_ssize_t)buffer_length(self);
    if (nbytes > length) {
        PyErr_Format(PyExc_ValueError, "cannot take %zd bytes: the buffer holds %zd",
                     nbytes, length);
        return -1;
    }
    return take_into(self, (size_t)(nbytes < 0 ? length : nbytes), taken);
}

PyObject *
transfer_take(PyObject *op, Py_ssize_t nbytes)
{
    BufferObject *taken = new_buffer(op);
    if (taken == NULL) {
        return NULL;
    }
    int rc;
    Py_BEGIN_CRITICAL_SECTION(op);
    rc = take_checked(buffer_cast(op), nbytes, taken);
    Py_END_CRITICAL_SECTION();
    if (rc < 0) {
        Py_CLEAR(taken);
    }
    return (PyObject *)taken;
}

void
transfer_put_back(BufferObject *self, BufferObject *taken)
{
    size_t nbytes = buffer_length(taken);
    if (!buffer_is_exported(taken) && buffer_put_back(self, &taken->store) == 0) {
        return;
    }
    if (buffer_append(self, nbytes) == 0 && nbytes > 0) {
        memcpy(buffer_bytes(self) + buffer_length(self) - nbytes, buffer_bytes(taken),
               nbytes);
    }
}

PyDoc_STRVAR(take_doc,
"take($self, nbytes=None)\n--\n\n"
"Remove the first `nbytes` bytes and return them as a GrowBuffer; None: all.\n\n"
"If all bytes are removed, the whole memory is handed over. From 1 MiB up the pages\n"
"move: that costs microseconds and a copy of 2 MiB at most. In a buffer with a limit the\n"
"remaining bytes may be moved to its front. Fewer bytes are copied once, and more are\n"
"too if the kernel cannot move pages and keep the source mapped. Raise ValueError if\n"
"`nbytes` is negative or more than there are, BufferError while the bytes are exported.");

static PyObject *
growbuffer_take(PyObject *op, PyObject *args, PyObject *kwargs)
{
    static char *names[] = {"nbytes", NULL};
    PyObject *number = Py_None;
    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "|O:take", names, &number)) {
        return NULL;
    }
    Py_ssize_t nbytes = -1;
    if (number != Py_None && args_nbytes(number, "nbytes", 0, &nbytes) < 0) {
        return NULL;
    }
    return transfer_take(op, nbytes);
}

PyDoc_STRVAR(take_bytes_doc,
"take_bytes($self, n=None, /)\n--\n\n"
"Remove the first `n` bytes, all by default, and return them as bytes.\n\n"
"A negative `n` counts from the end. Raise IndexError if there are fewer, BufferError\n"
"while the bytes are exported. The removed bytes are copied once.\n"
"Python's own bytearray has this method since 3.15.");

static PyObject *
take_first(BufferObject *self, PyObject *n)
{
    Py_ssize_t taken = 0;
    if (n != Py_None) {
        taken = PyNumber_AsSsize_t(n, PyExc_IndexError);
        if (taken == -1 && PyErr_Occurred()) {
            return NULL;
        }
    }
    Py_ssize_t length = (Py_ssize_t)buffer_length(self);
    if (n == Py_None || taken < 0) {
        taken += length;
    }
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
    memcpy(PyBytes_AS_STRING(bytes), buffer_bytes(self), (size_t)taken);
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
    PyObject *bytes;
    Py_BEGIN_CRITICAL_SECTION(op);
    bytes = take_first(buffer_cast(op), n);
    Py_END_CRITICAL_SECTION();
    return bytes;
}

/* ----------------------------------------------------------------------- freeze */

/* An object with a buffer that no other code can reach. It exports the bytes
 * read-only. */
typedef struct {
    PyObject_HEAD
    BufferObject *buffer;
} FrozenObject;

static int
frozen_getbuffer(PyObject *op, Py_buffer *view, int flags)
{
    BufferObject *buffer = ((FrozenObject *)op)->buffer;
    return PyBuffer_FillInfo(view, op, buffer_bytes(buffer),
                             (Py_ssize_t)buffer_length(buffer), 1, flags);
}

static void
frozen_dealloc(PyObject *op)
{
    PyTypeObject *type = Py_TYPE(op);
    Py_CLEAR(((FrozenObject *)op)->buffer);
    type->tp_free(op);
    Py_DECREF(type);
}

PyDoc_STRVAR(frozen_type_doc, "The bytes that freeze() took out of a GrowBuffer.");

static PyType_Slot frozen_slots[] = {
    {Py_tp_doc, (void *)frozen_type_doc},
    {Py_tp_dealloc, frozen_dealloc},
    {Py_bf_getbuffer, frozen_getbuffer},
    {0, NULL},
};

PyType_Spec transfer_frozen_spec = {
    .name = "growbuf._growbuf.Frozen",
    .basicsize = sizeof(FrozenObject),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_IMMUTABLETYPE |
             Py_TPFLAGS_DISALLOW_INSTANTIATION,
    .slots = frozen_slots,
};

static PyObject *
new_frozen(PyObject *op)
{
    PyTypeObject *type = state_of(op)->frozen_type;
    PyObject *frozen = type->tp_alloc(type, 0);
    if (frozen != NULL) {
        ((FrozenObject *)frozen)->buffer = new_buffer(op);
        if (((FrozenObject *)frozen)->buffer == NULL) {
            Py_CLEAR(frozen);
        }
    }
    return frozen;
}

/* Move the bytes to `frozen` and return a view of them there. If the view cannot be
 * made, put the bytes back. */
static PyObject *
freeze_into(BufferObject *self, PyObject *frozen)
{
    BufferObject *held = ((FrozenObject *)frozen)->buffer;
    if (buffer_hand_over(self, held) < 0) {
        return NULL;
    }
    PyObject *view = PyMemoryView_FromObject(frozen);
    if (view == NULL) {
        transfer_put_back(self, held);
    }
    return view;
}

PyDoc_STRVAR(freeze_doc,
"freeze($self, /)\n--\n\n"
"Move all bytes to a read-only memoryview and leave the buffer empty.\n\n"
"Return the memoryview, of all bytes. Nothing is copied, and no code can change the\n"
"bytes from then on, so the view can be hashed. A buffer with a limit keeps the limit,\n"
"in new address space. Raise BufferError while a view of the buffer exists, and\n"
"MemoryError if there is no address space; the buffer is unchanged then. Costs\n"
"microseconds at any length.\n\n"
">>> from growbuf import GrowBuffer\n"
">>> buf = GrowBuffer(b'spam')\n"
">>> view = buf.freeze()\n"
">>> bytes(view), buf\n"
"(b'spam', GrowBuffer(b''))");

static PyObject *
growbuffer_freeze(PyObject *op, PyObject *Py_UNUSED(ignored))
{
    PyObject *frozen = new_frozen(op);
    if (frozen == NULL) {
        return NULL;
    }
    PyObject *view;
    Py_BEGIN_CRITICAL_SECTION(op);
    view = freeze_into(buffer_cast(op), frozen);
    Py_END_CRITICAL_SECTION();
    Py_DECREF(frozen);
    return view;
}

/* ------------------------------------------------------------ pickling and copying */

/* Return the tuple from which protocol 5 restores an object: (_rebuild,
 * (PickleBuffer,)) for a GrowBuffer, and (_rebuild, (PickleBuffer, subclass), state)
 * for a subclass. */
static PyObject *
reduce_out_of_band(PyObject *op)
{
    PyObject *rebuild = state_of(op)->rebuild, *reduced = NULL;
    PyObject *bytes = PyPickleBuffer_FromObject(op);
    if (bytes != NULL && buffer_is_exact_type(Py_TYPE(op))) {
        reduced = Py_BuildValue("O(O)", rebuild, bytes);
    }
    else if (bytes != NULL) {
        reduced = Py_BuildValue("O(OO)N", rebuild, bytes, Py_TYPE(op),
                                PyObject_CallMethod(op, "__getstate__", NULL));
    }
    Py_XDECREF(bytes);
    return reduced;
}

PyDoc_STRVAR(reduce_ex_doc,
"__reduce_ex__($self, protocol, /)\n--\n\n"
"Return what pickle needs. From protocol 5 on the bytes can go out of band (PEP 574).");

static PyObject *
growbuffer_reduce_ex(PyObject *op, PyObject *protocol)
{
    Py_ssize_t number = PyNumber_AsSsize_t(protocol, PyExc_OverflowError);
    if (number == -1 && PyErr_Occurred()) {
        return NULL;
    }
    if (number >= 5) {
        return reduce_out_of_band(op);
    }
    PyObject *reduced;
    Py_BEGIN_CRITICAL_SECTION(op); /* bytearray of 3.13 takes none */
    BufferObject *self = buffer_cast(op);
    buffer_hold(self);
    reduced = number >= 3 && buffer_is_exact_type(Py_TYPE(op))
                  ? Py_BuildValue("O(y#)", state_of(op)->rebuild, buffer_bytes(self),
                                  (Py_ssize_t)buffer_length(self))
                  : PyObject_CallMethod((PyObject *)&PyByteArray_Type, "__reduce_ex__",
                                        "OO", op, protocol);
    buffer_unhold(self);
    Py_END_CRITICAL_SECTION();
    return reduced;
}

/* Whether `owner` is a buffer of exactly that type, and `view` is a writable,
 * contiguous view of all its bytes. */
static bool
is_shown_whole(PyObject *owner, const PyObject *type, const Py_buffer *view)
{
    return owner != NULL && (PyObject *)Py_TYPE(owner) == type && !view->readonly &&
           PyBuffer_IsContiguous(view, 'C') &&
           (size_t)view->len == buffer_length(buffer_cast(owner));
}

PyObject *
transfer_rebuild(PyObject *module, PyObject *const *args, Py_ssize_t nargs)
{
    if (args_check_count("_rebuild", nargs, 1, 2) < 0) {
        return NULL;
    }
    struct state *state = PyModule_GetState(module);
    PyObject *bytes = args[0];
    PyObject *type = nargs == 2 ? args[1] : (PyObject *)state->buffer_type;
    if (!PyType_Check(type) ||
        !PyType_IsSubtype((PyTypeObject *)type, state->buffer_type)) {
        PyErr_Format(PyExc_TypeError,
                     "_rebuild() needs a subclass of GrowBuffer, got %R", type);
        return NULL;
    }
    if (PyBytes_CheckExact(bytes) || PyByteArray_CheckExact(bytes)) {
        return PyObject_CallOneArg(type, bytes); /* in band */
    }
    PyObject *view = PyMemoryView_FromObject(bytes);
    if (view == NULL) {
        return NULL;
    }
    PyObject *owner = PyMemoryView_GET_BASE(view);
    PyObject *result = is_shown_whole(owner, type, PyMemoryView_GET_BUFFER(view))
                           ? Py_NewRef(owner)
                           : NULL;
    Py_DECREF(view);
    return result != NULL ? result : PyObject_CallOneArg(type, bytes);
}

/* Return a copy, as copy.copy() and copy.deepcopy() do. `memo` is the one of
 * deepcopy(), or None. */
static PyObject *
copy_object(PyObject *op, PyObject *memo)
{
    if (buffer_is_exact_type(Py_TYPE(op))) {
        PyObject *result;
        Py_BEGIN_CRITICAL_SECTION(op);
        size_t nbytes = buffer_length(buffer_cast(op));
        result = buffer_create(Py_TYPE(op), nbytes);
        if (result != NULL && nbytes > 0) {
            memcpy(buffer_bytes(buffer_cast(result)), buffer_bytes(buffer_cast(op)),
                   nbytes);
        }
        Py_END_CRITICAL_SECTION();
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
"Return a copy, for copy.copy(); of a subclass, with the attributes of the object.");

static PyObject *
growbuffer_copy_shallow(PyObject *op, PyObject *Py_UNUSED(ignored))
{
    return copy_object(op, Py_None);
}

PyDoc_STRVAR(deepcopy_doc,
"__deepcopy__($self, memo, /)\n--\n\n"
"Return a copy, for copy.deepcopy(); of a subclass, with copies of its attributes.");

static PyObject *
growbuffer_copy_deep(PyObject *op, PyObject *memo)
{
    return copy_object(op, memo);
}

const PyMethodDef transfer_methods[] = {
    {"take", BUFFER_METHOD(growbuffer_take), METH_VARARGS | METH_KEYWORDS, take_doc},
    {"take_bytes", BUFFER_METHOD(growbuffer_take_bytes), METH_FASTCALL, take_bytes_doc},
    {"freeze", growbuffer_freeze, METH_NOARGS, freeze_doc},
    {"__reduce_ex__", growbuffer_reduce_ex, METH_O, reduce_ex_doc},
    {"__copy__", growbuffer_copy_shallow, METH_NOARGS, copy_doc},
    {"__deepcopy__", growbuffer_copy_deep, METH_O, deepcopy_doc},
    {NULL, NULL, 0, NULL},
};
