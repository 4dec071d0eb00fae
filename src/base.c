/* base: calls to bytearray's own methods and slots. */
#include "base.h"

#include <string.h>

/* ------------------------------------------------------------ wrapping a result */

/* Fewer bytes than this are always copied. */
enum { ADOPT_MIN = 2048 };

/* Return a new buffer with the bytes of a bytearray. If they are many, and no other
 * code has a reference to the bytearray, take over its heap block. Since 3.15 a
 * bytearray keeps its bytes in a bytes object, so they are always copied. */
static PyObject *
new_from_bytearray(PyTypeObject *type, PyByteArrayObject *base)
{
    size_t length = (size_t)Py_SIZE(base);
    assert(buffer_is_exact_type(type) && PyByteArray_CheckExact(base));
#if PY_VERSION_HEX < 0x030F0000
    if (length >= ADOPT_MIN && Py_REFCNT(base) == 1) {
        struct store store;
        store_init(&store);
        store_adopt(&store, base->ob_bytes, (size_t)base->ob_alloc, base->ob_start,
                    length);
        base->ob_bytes = base->ob_start = NULL;
        base->ob_alloc = 0;
        Py_SET_SIZE(base, 0);
        return buffer_from_store(type, &store);
    }
#endif
    return buffer_copy(type, (struct piece){base->ob_start, length});
}

/* As base_wrap(), for one object. The items of a list or tuple are not replaced. */
static PyObject *
wrap_one(PyTypeObject *type, PyObject *result)
{
    if (!PyByteArray_CheckExact(result)) {
        return result;
    }
    PyObject *wrapped = new_from_bytearray(type, (PyByteArrayObject *)result);
    Py_DECREF(result);
    return wrapped;
}

PyObject *
base_wrap(PyTypeObject *type, PyObject *result)
{
    if (result == NULL) {
        return NULL;
    }
    if (!PyList_CheckExact(result) && !PyTuple_CheckExact(result)) {
        return wrap_one(type, result);
    }
    /* A new list or tuple: no other code has a reference to it yet. */
    PyObject **items = PySequence_Fast_ITEMS(result);
    for (Py_ssize_t i = 0; i < PySequence_Fast_GET_SIZE(result); i++) {
        PyObject *item = items[i];
        items[i] = Py_NewRef(Py_None); /* so that `item` is the only reference */
        item = wrap_one(type, item);
        if (item == NULL) {
            Py_DECREF(result);
            return NULL;
        }
        Py_SETREF(items[i], item);
    }
    return result;
}

/* ----------------------------------------------------------- the base's methods */

#define BASE_NAME(name) #name,
static const char *const names[] = {BASE_METHODS(BASE_NAME)};
#undef BASE_NAME

static_assert((int)BASE_NMETHODS <= (int)STATE_MAX_BASE,
              "the state holds all base methods");

int
base_state_init(struct state *state)
{
    for (int i = 0; i < BASE_NMETHODS; i++) {
        state->base[i] =
            PyObject_GetAttrString((PyObject *)&PyByteArray_Type, names[i]);
        if (state->base[i] == NULL) {
            return -1;
        }
    }
    return 0;
}

enum { ARGS_MAX = 8 };

PyObject *
base_call(PyObject *op, enum base_method method, PyObject *const *args,
          Py_ssize_t nargs, PyObject *kwnames)
{
    PyObject *all[ARGS_MAX + 1];
    assert(method < BASE_NMETHODS && nargs >= 0);
    Py_ssize_t count = nargs + (kwnames == NULL ? 0 : PyTuple_GET_SIZE(kwnames));
    if (count > ARGS_MAX) {
        PyErr_Format(PyExc_TypeError, "%s() takes fewer than %zd arguments",
                     names[method], count);
        return NULL;
    }
    assert(!PyErr_Occurred());
    all[0] = op;
    for (Py_ssize_t i = 0; i < count; i++) { /* not memcpy(): args may be NULL */
        all[i + 1] = args[i];
    }
    PyObject *result;
    Py_BEGIN_CRITICAL_SECTION(op); /* since 3.14 the base does this, too */
    buffer_hold(buffer_cast(op));
    result = PyObject_Vectorcall(state_of(op)->base[method], all, (size_t)nargs + 1,
                                 kwnames);
    buffer_unhold(buffer_cast(op));
    Py_END_CRITICAL_SECTION();
    return base_wrap(buffer_type(Py_TYPE(op)), result);
}

/* ------------------------------------------------------------- the base's slots */

/* Either operand may be the GrowBuffer. The result is a GrowBuffer only if the left
 * operand is. */
PyObject *
base_remainder(PyObject *left, PyObject *right)
{
    PyObject *result;
    PyTypeObject *type = buffer_type(Py_TYPE(left));
    Py_BEGIN_CRITICAL_SECTION2(left, right);
    if (type != NULL) { /* nb_remainder() does not hold it (gh-142557) */
        buffer_hold(buffer_cast(left));
    }
    result = PyByteArray_Type.tp_as_number->nb_remainder(left, right);
    if (type != NULL) {
        buffer_unhold(buffer_cast(left));
    }
    Py_END_CRITICAL_SECTION2();
    return type == NULL ? result : base_wrap(type, result);
}

int
base_contains(PyObject *op, PyObject *value)
{
    int rc;
    Py_BEGIN_CRITICAL_SECTION(op);
    buffer_hold(buffer_cast(op));
    rc = PyByteArray_Type.tp_as_sequence->sq_contains(op, value);
    buffer_unhold(buffer_cast(op));
    Py_END_CRITICAL_SECTION();
    return rc;
}

#ifdef BUFFER_UNLOCKED_BASE
PyObject *
base_item(PyObject *op, Py_ssize_t index)
{
    PyObject *result;
    Py_BEGIN_CRITICAL_SECTION(op);
    result = PyByteArray_Type.tp_as_sequence->sq_item(op, index);
    Py_END_CRITICAL_SECTION();
    return result;
}

static PyObject *
call_locked(PyObject *op, reprfunc call)
{
    PyObject *result;
    Py_BEGIN_CRITICAL_SECTION(op);
    result = call(op);
    Py_END_CRITICAL_SECTION();
    return result;
}

PyObject *
base_repr(PyObject *op)
{
    return call_locked(op, PyByteArray_Type.tp_repr);
}

PyObject *
base_str(PyObject *op)
{
    return call_locked(op, PyByteArray_Type.tp_str);
}

#define BASE_CALL(name)                                                                \
    static PyObject *growbuffer_##name(PyObject *op, PyObject *const *args,            \
                                       Py_ssize_t nargs, PyObject *kwnames)            \
    {                                                                                  \
        return base_call(op, BASE_##name, args, nargs, kwnames);                       \
    }
BASE_LOCKED(BASE_CALL)
#undef BASE_CALL
#endif

/* -------------------------------------------------------------------- the table */

static PyMethodDef *
find_method(PyMethodDef *methods, size_t count, const char *name)
{
    for (size_t i = 0; i < count; i++) {
        if (strcmp(methods[i].ml_name, name) == 0) {
            return &methods[i];
        }
    }
    return NULL;
}

Py_ssize_t
base_complete(PyMethodDef *methods, size_t count, size_t max)
{
#ifdef BUFFER_UNLOCKED_BASE
    /* clang-format off */
#define BASE_DEF(name)                                                                 \
    {#name, BUFFER_METHOD(growbuffer_##name), METH_FASTCALL | METH_KEYWORDS, NULL},
    /* clang-format on */
    static const PyMethodDef locked[] = {BASE_LOCKED(BASE_DEF)};
#undef BASE_DEF
    for (size_t i = 0; i < sizeof locked / sizeof *locked; i++) {
        assert(count < max);
        methods[count++] = locked[i];
    }
#endif
    size_t ours = count;
    assert(count <= max);
    for (const PyMethodDef *def = PyByteArray_Type.tp_methods; def->ml_name; def++) {
        PyMethodDef *found = find_method(methods, ours, def->ml_name);
        if (found != NULL && found->ml_doc == NULL) {
            found->ml_doc = def->ml_doc;
        }
        else if (found == NULL && !(def->ml_flags & (METH_CLASS | METH_STATIC))) {
            if (count == max) {
                PyErr_Format(PyExc_SystemError,
                             "GrowBuffer has no space for the method %s of bytearray",
                             def->ml_name);
                return -1;
            }
            methods[count++] = *def;
        }
    }
    return (Py_ssize_t)count;
}
