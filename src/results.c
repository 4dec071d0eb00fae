/* results: what bytearray returns as bytearray, returned as GrowBuffer. */
#include "results.h"

#include <errno.h>
#include <string.h>

/* ------------------------------------------------------------ wrapping a result */

/* Hand the base's heap block to a store, where the base has one of its own: since 3.15
 * its bytes are inside a bytes object, which no one else can free. */
static int
adopt(struct store *store, PyObject *result)
{
    PyByteArrayObject *base = (PyByteArrayObject *)result;
    size_t length = (size_t)Py_SIZE(result);
    if (length == 0) {
        return 0;
    }
#if PY_VERSION_HEX < 0x030F0000
    if (Py_REFCNT(result) == 1) {
        store_adopt(store, base->ob_bytes, (size_t)base->ob_alloc, base->ob_start,
                    length);
        base->ob_bytes = base->ob_start = NULL;
        base->ob_alloc = 0;
        Py_SET_SIZE(result, 0);
        return 0;
    }
#endif
    if (store_splice(store, 0, 0, length) != 0) {
        PyErr_NoMemory();
        return -1;
    }
    memcpy(store->start, base->ob_start, length);
    return 0;
}

/* Return `result`, a reference to which is taken, as a GrowBuffer if it is a bytearray. */
static PyObject *
wrap_one(PyTypeObject *type, PyObject *result)
{
    if (!PyByteArray_CheckExact(result)) {
        return result;
    }
    struct store store;
    store_init(&store);
    int rc = adopt(&store, result);
    Py_DECREF(result);
    return rc < 0 ? NULL : buffer_from_store(type, &store);
}

/* The same for the items of a list or tuple that nobody has seen yet. */
static PyObject *
wrap_items(PyTypeObject *type, PyObject *sequence)
{
    PyObject **items = PySequence_Fast_ITEMS(sequence);
    for (Py_ssize_t i = 0; i < PySequence_Fast_GET_SIZE(sequence); i++) {
        PyObject *item = items[i];
        items[i] = Py_NewRef(Py_None); /* so that ours is the item's only reference */
        item = wrap_one(type, item);
        if (item == NULL) {
            Py_DECREF(sequence);
            return NULL;
        }
        Py_SETREF(items[i], item);
    }
    return sequence;
}

/* The same for what may hold bytearrays. NULL is passed on. */
static PyObject *
wrap_result(PyTypeObject *type, PyObject *result)
{
    if (result == NULL) {
        return NULL;
    }
    return PyList_CheckExact(result) || PyTuple_CheckExact(result)
               ? wrap_items(type, result)
               : wrap_one(type, result);
}

/* ----------------------------------------------------------- the base's methods */

#define RESULTS_NAME(name) #name,
static const char *const names[] = {RESULTS_METHODS(RESULTS_NAME)};
#undef RESULTS_NAME

static_assert((int)RESULTS_NMETHODS <= (int)STATE_MOST_BASE,
              "the state holds all base methods");

int
results_state_init(struct state *state)
{
    for (int i = 0; i < RESULTS_NMETHODS; i++) {
        state->base[i] =
            PyObject_GetAttrString((PyObject *)&PyByteArray_Type, names[i]);
        if (state->base[i] == NULL) {
            return -1;
        }
    }
    return 0;
}

enum { MOST_ARGS = 8 };

/* Call the base's method with `op` in front of the arguments, and wrap the result. What
 * the arguments or the collector run meanwhile cannot move the bytes that it looks at. */
static PyObject *
call_base(PyObject *op, PyTypeObject *type, int method, PyObject *const *args,
          Py_ssize_t nargs, PyObject *kwnames)
{
    struct state *state = PyType_GetModuleState(type);
    PyObject *all[MOST_ARGS + 1];
    Py_ssize_t n = nargs + (kwnames == NULL ? 0 : PyTuple_GET_SIZE(kwnames));
    if (state == NULL) {
        return NULL;
    }
    if (n > MOST_ARGS) {
        PyErr_Format(PyExc_TypeError, "%s() takes fewer than %zd arguments",
                     names[method], n);
        return NULL;
    }
    all[0] = op;
    memcpy(all + 1, args, (size_t)n * sizeof *args);
    PyObject *result;
    Py_BEGIN_CRITICAL_SECTION(op); /* which the base takes itself since 3.14 */
    buffer_hold(buffer_cast(op));
    result = PyObject_Vectorcall(state->base[method], all, (size_t)nargs + 1, kwnames);
    buffer_unhold(buffer_cast(op));
    Py_END_CRITICAL_SECTION();
    return wrap_result(type, result);
}

#define RESULTS_CALL(name)                                                             \
    static PyObject *growbuffer_##name(PyObject *op, PyTypeObject *type,               \
                                       PyObject *const *args, Py_ssize_t nargs,        \
                                       PyObject *kwnames)                              \
    {                                                                                  \
        return call_base(op, type, RESULTS_##name, args, nargs, kwnames);              \
    }
RESULTS_METHODS(RESULTS_CALL)
#undef RESULTS_CALL

/* ------------------------------------------------------------------- the copies */

/* Return a new buffer of the same kind as `op` with two pieces of bytes in it, which are
 * held. */
static PyObject *
from_pieces(PyObject *op, const char *one, size_t one_nbytes, const char *two,
            size_t two_nbytes)
{
    struct store store;
    store_init(&store);
    if (one_nbytes > (size_t)PY_SSIZE_T_MAX - two_nbytes ||
        store_splice(&store, 0, 0, one_nbytes + two_nbytes) != 0) {
        return PyErr_NoMemory();
    }
    if (one_nbytes > 0) {
        memcpy(store.start, one, one_nbytes);
    }
    if (two_nbytes > 0) {
        memcpy(store.start + one_nbytes, two, two_nbytes);
    }
    return buffer_from_store(buffer_type(Py_TYPE(op)), &store);
}

static PyObject *
growbuffer_copy(PyObject *op, PyObject *Py_UNUSED(ignored))
{
    BufferObject *self = buffer_cast(op);
    PyObject *result;
    Py_BEGIN_CRITICAL_SECTION(op);
    result = from_pieces(op, buffer_bytes(self), buffer_length(self), NULL, 0);
    Py_END_CRITICAL_SECTION();
    return result;
}

static PyObject *
copy_slice(PyObject *op, Py_ssize_t start, Py_ssize_t stop)
{
    BufferObject *self = buffer_cast(op);
    PyObject *result;
    Py_BEGIN_CRITICAL_SECTION(op);
    Py_ssize_t count =
        PySlice_AdjustIndices((Py_ssize_t)buffer_length(self), &start, &stop, 1);
    result = from_pieces(op, buffer_bytes(self) + start, (size_t)count, NULL, 0);
    Py_END_CRITICAL_SECTION();
    return result;
}

/* The base takes the critical section itself since 3.14. */
static PyObject *
base_subscript(PyObject *op, PyObject *index)
{
    PyObject *result;
    Py_BEGIN_CRITICAL_SECTION(op);
    result = PyByteArray_Type.tp_as_mapping->mp_subscript(op, index);
    Py_END_CRITICAL_SECTION();
    return result;
}

PyObject *
results_subscript(PyObject *op, PyObject *index)
{
    Py_ssize_t start, stop, step;
    if (!PySlice_Check(index)) {
        return base_subscript(op, index);
    }
    if (PySlice_Unpack(index, &start, &stop, &step) < 0) {
        return NULL;
    }
    return step == 1 ? copy_slice(op, start, stop)
                     : wrap_result(buffer_type(Py_TYPE(op)), base_subscript(op, index));
}

PyObject *
results_concat(PyObject *op, PyObject *other)
{
    Py_buffer left, right;
    if (PyObject_GetBuffer(op, &left, PyBUF_SIMPLE) < 0) {
        return NULL;
    }
    PyObject *result = NULL;
    if (PyObject_GetBuffer(other, &right, PyBUF_SIMPLE) < 0) {
        PyErr_Format(PyExc_TypeError, "can't concat %.100s to %.100s",
                     Py_TYPE(other)->tp_name, Py_TYPE(op)->tp_name);
    }
    else {
        result =
            from_pieces(op, left.buf, (size_t)left.len, right.buf, (size_t)right.len);
        PyBuffer_Release(&right);
    }
    PyBuffer_Release(&left);
    return result;
}

/* Make `nbytes` of copies of `unit` bytes; of one zero byte, fresh pages. */
static int
repeat_bytes(struct store *store, const char *bytes, size_t unit, size_t nbytes)
{
    if (unit == 1 && bytes[0] == '\0') {
        return store_append_zeros(store, nbytes);
    }
    int error = store_splice(store, 0, 0, nbytes);
    if (error == 0 && nbytes > 0) {
        memcpy(store->start, bytes, unit);
        store_repeat(store->start, unit, nbytes);
    }
    return error;
}

PyObject *
results_repeat(PyObject *op, Py_ssize_t count)
{
    BufferObject *self = buffer_cast(op);
    struct store store;
    store_init(&store);
    count = count < 0 ? 0 : count;
    int error = 0;
    Py_BEGIN_CRITICAL_SECTION(op);
    size_t unit = buffer_length(self);
    if (unit > 0 && (size_t)count > (size_t)PY_SSIZE_T_MAX / unit) {
        error = ENOMEM;
    }
    else if (count > 0) {
        error = repeat_bytes(&store, buffer_bytes(self), unit, unit * (size_t)count);
    }
    Py_END_CRITICAL_SECTION();
    return error ? PyErr_NoMemory()
                 : buffer_from_store(buffer_type(Py_TYPE(op)), &store);
}

/* The slot is tried for either side; a result is ours only if the left side is. */
PyObject *
results_remainder(PyObject *left, PyObject *right)
{
    PyObject *result;
    PyTypeObject *type = buffer_type(Py_TYPE(left));
    Py_BEGIN_CRITICAL_SECTION2(left, right);
    if (type != NULL) { /* the base holds no export of the format (gh-142557) */
        buffer_hold(buffer_cast(left));
    }
    result = PyByteArray_Type.tp_as_number->nb_remainder(left, right);
    if (type != NULL) {
        buffer_unhold(buffer_cast(left));
    }
    Py_END_CRITICAL_SECTION2();
    return type == NULL ? result : wrap_result(type, result);
}

#ifdef BUFFER_UNLOCKED_BASE
PyObject *
results_item(PyObject *op, Py_ssize_t index)
{
    PyObject *result;
    Py_BEGIN_CRITICAL_SECTION(op);
    result = PyByteArray_Type.tp_as_sequence->sq_item(op, index);
    Py_END_CRITICAL_SECTION();
    return result;
}

int
results_contains(PyObject *op, PyObject *value)
{
    int rc;
    Py_BEGIN_CRITICAL_SECTION(op);
    rc = PyByteArray_Type.tp_as_sequence->sq_contains(op, value);
    Py_END_CRITICAL_SECTION();
    return rc;
}

static PyObject *
locked(PyObject *op, reprfunc call)
{
    PyObject *result;
    Py_BEGIN_CRITICAL_SECTION(op);
    result = call(op);
    Py_END_CRITICAL_SECTION();
    return result;
}

PyObject *
results_repr(PyObject *op)
{
    return locked(op, PyByteArray_Type.tp_repr);
}

PyObject *
results_str(PyObject *op)
{
    return locked(op, PyByteArray_Type.tp_str);
}
#endif

/* --------------------------------------------------------------------- the table */

/* clang-format off */
#define RESULTS_DEF(name)                                                              \
    {#name, (PyCFunction)(void (*)(void))growbuffer_##name,                                  \
     METH_METHOD | METH_FASTCALL | METH_KEYWORDS, NULL},
static const PyMethodDef defs[RESULTS_NDEFS] = {
    RESULTS_METHODS(RESULTS_DEF)
    {"copy", growbuffer_copy, METH_NOARGS, NULL},
};
/* clang-format on */
#undef RESULTS_DEF

/* The base's docstring, signature line and all; it lives as long as the interpreter's
 * code does. */
static const char *
base_doc(const char *name)
{
    for (const PyMethodDef *def = PyByteArray_Type.tp_methods; def->ml_name; def++) {
        if (strcmp(def->ml_name, name) == 0) {
            return def->ml_doc;
        }
    }
    return NULL;
}

size_t
results_methods(PyMethodDef methods[RESULTS_NDEFS])
{
    for (size_t i = 0; i < RESULTS_NDEFS; i++) {
        methods[i] = defs[i];
        methods[i].ml_doc = base_doc(defs[i].ml_name);
    }
    return RESULTS_NDEFS;
}
