/* array: the Python type GrowArray: its construction and its slot table. */
#include "array.h"

#include <stddef.h>
#include <string.h>
#include <structmember.h>

#include "args.h"
#include "arrow.h"
#include "construct.h"
#include "rows.h"
#include "rows_append.h"
#include "rows_attributes.h"
#include "rows_edit.h"
#include "rows_numpy.h"
#include "rows_ops.h"
#include "rows_readfrom.h"
#include "rows_resize.h"
#include "rows_spare.h"
#include "state.h"

/* ------------------------------------------------------------------- construction */

static struct state *
state_of_type(PyTypeObject *type)
{
    return PyType_GetModuleState(rows_type(type));
}

/* Return a new buffer with a limit of `nbytes`. `nrows` is the limit in the message of
 * an error. */
static PyObject *
new_limited_buffer(struct state *state, size_t nbytes, PyObject *nrows)
{
    struct store store;
    store_init(&store);
    assert(nbytes > 0);
    int error = store_set_limit(&store, nbytes);
    if (error) {
        PyErr_Format(PyExc_MemoryError,
                     "cannot reserve address space for limit=%S rows: %s", nrows,
                     construct_limit_advice(error, nbytes));
        return NULL;
    }
    return buffer_from_store(state->buffer_type, &store);
}

/* Return a new buffer with the default limit if the pool has an unused reservation of
 * that length. If it has none, return NULL without an exception. After an error return
 * NULL with an exception. */
static PyObject *
reuse_reservation(struct state *state, NumPyObject *numpy)
{
    struct store store;
    size_t limit;
    store_init(&store);
    if (layout_must_measure_space(numpy) ||
        layout_choose_limit(numpy, 0, SIZE_MAX, &limit) < 0 || limit == 0 ||
        !store_reuse_limited(&store, limit)) {
        return NULL;
    }
    assert(store_is_limited(&store) && store.length == 0);
    return buffer_from_store(state->buffer_type, &store);
}

/* The two arguments of GrowArray() that are numbers of rows. Each may be None. */
struct bounds {
    PyObject *limit, *maxlen;
};

/* Convert the bounds to bytes. Raise the limit to at least twice maxlen, because rows
 * are appended before the first ones are removed. */
static int
convert_bounds(const LayoutObject *layout, struct bounds bounds, size_t *limit,
               size_t *max)
{
    *limit = 0;
    *max = MAXLEN_NONE;
    if ((bounds.limit != Py_None &&
         rows_nbytes_of(layout, "limit", bounds.limit, 1, limit) < 0) ||
        (bounds.maxlen != Py_None &&
         rows_nbytes_of(layout, "maxlen", bounds.maxlen, 0, max) < 0)) {
        return -1;
    }
    if (bounds.limit == Py_None || bounds.maxlen == Py_None) {
        return 0;
    }
    if (*limit < *max) {
        PyErr_Format(PyExc_ValueError, "limit=%S is less than maxlen=%S", bounds.limit,
                     bounds.maxlen);
        return -1;
    }
    assert(*max != MAXLEN_NONE && *max <= *limit);
    *limit = Py_MAX(*limit, Py_MIN(2 * *max, (size_t)PY_SSIZE_T_MAX));
    return 0;
}

/* Return a new array without rows. It is small if no limit was asked for and the pool
 * has no unused reservation. */
static PyObject *
new_empty(PyTypeObject *type, LayoutObject *layout, struct bounds bounds)
{
    struct state *state = state_of_type(type);
    size_t nbytes, max;
    if (convert_bounds(layout, bounds, &nbytes, &max) < 0) {
        return NULL;
    }
    bool has_limit = bounds.limit != Py_None;
    assert(has_limit == (nbytes > 0) && layout->row_nbytes > 0);
    PyObject *buffer = has_limit ? new_limited_buffer(state, nbytes, bounds.limit)
                                 : reuse_reservation(state, layout->numpy);
    assert(!has_limit || buffer != NULL || PyErr_Occurred());
    bool small = !has_limit && buffer == NULL && !PyErr_Occurred();
    if (small) {
        buffer = buffer_create(state->buffer_type, 0);
    }
    PyObject *op = rows_create(type, buffer, layout);
    if (op != NULL) {
        rows_cast(op)->small = small;
        rows_cast(op)->max_nbytes = max;
    }
    return op;
}

/* Return the layout of an ndarray's rows. Return NULL without an exception for other
 * data, and NULL with one after an error. */
static PyObject *
layout_of_ndarray(NumPyObject *numpy, PyObject *data)
{
    if (Py_TYPE(data) != (PyTypeObject *)numpy->hooks[NUMPY_ndarray]) {
        return NULL;
    }
    PyObject *dtype = PyObject_GetAttrString(data, "dtype"), *layout = NULL;
    PyObject *shape = PyObject_GetAttrString(data, "shape"), *row_shape = NULL;
    if (dtype != NULL && shape != NULL && PyTuple_GET_SIZE(shape) > 0) {
        row_shape = PyTuple_GetSlice(shape, 1, PyTuple_GET_SIZE(shape));
    }
    if (row_shape != NULL) {
        layout = layout_of(numpy, dtype, row_shape);
    }
    assert(layout == NULL || (row_shape != NULL && dtype != NULL));
    Py_XDECREF(dtype);
    Py_XDECREF(shape);
    Py_XDECREF(row_shape);
    return layout;
}

/* Return a new array with the rows of an array or an iterable. */
static PyObject *
new_with_rows(PyTypeObject *type, PyObject *layout, PyObject *values,
              struct bounds bounds)
{
    PyObject *op = new_empty(type, layout_cast(layout), bounds);
    assert((op == NULL) == (PyErr_Occurred() != NULL));
    if (op != NULL && rows_extend_by(op, values) < 0) {
        Py_CLEAR(op);
    }
    return op;
}

/* Return a new array with the rows that NumPy makes of `args`: data, dtype and
 * row_shape. */
static PyObject *
new_with_made_rows(PyTypeObject *type, NumPyObject *numpy, PyObject *const args[3],
                   struct bounds bounds)
{
    PyObject *dtype, *row_shape, *values, *op = NULL;
    PyObject *made = PyObject_Vectorcall(numpy->hooks[NUMPY_make_rows], args, 3, NULL);
    if (made != NULL &&
        PyArg_ParseTuple(made, "OOO:make_rows", &dtype, &row_shape, &values)) {
        PyObject *layout = layout_of(numpy, dtype, row_shape);
        op = layout == NULL ? NULL : new_with_rows(type, layout, values, bounds);
        Py_XDECREF(layout);
    }
    assert(op != NULL || PyErr_Occurred());
    Py_XDECREF(made);
    return op;
}

static NumPyObject *
numpy_of_type(PyTypeObject *type)
{
    PyObject *numpy = state_of_type(type)->numpy;
    if (numpy == NULL) {
        PyErr_SetString(PyExc_TypeError,
                        "GrowArray needs growbuf.array to be imported");
    }
    return (NumPyObject *)numpy;
}

/* Return a new array for the arguments of GrowArray(). Each may be None. */
static PyObject *
construct(PyTypeObject *type, PyObject *data, PyObject *dtype, PyObject *row_shape,
          struct bounds bounds)
{
    NumPyObject *numpy = numpy_of_type(type);
    if (numpy == NULL) {
        return NULL;
    }
    PyObject *layout = NULL, *op = NULL;
    if (data == Py_None) {
        layout = layout_of(numpy, dtype, row_shape);
        op = layout == NULL ? NULL : new_empty(type, layout_cast(layout), bounds);
    }
    else {
        layout = dtype == Py_None && row_shape == Py_None
                     ? layout_of_ndarray(numpy, data)
                     : NULL;
        op = layout != NULL ? new_with_rows(type, layout, data, bounds)
             : PyErr_Occurred()
                 ? NULL
                 : new_with_made_rows(type, numpy,
                                      (PyObject *[]){data, dtype, row_shape}, bounds);
    }
    assert(op == NULL || rows_check(op));
    Py_XDECREF(layout);
    return op;
}

static PyObject *
rows_new(PyTypeObject *type, PyObject *args, PyObject *kwargs)
{
    static char *names[] = {"data", "dtype", "row_shape", "limit", "maxlen", NULL};
    PyObject *data = Py_None, *dtype = Py_None, *row_shape = Py_None;
    struct bounds bounds = {Py_None, Py_None};
    return PyArg_ParseTupleAndKeywords(args, kwargs, "|O$OOOO:GrowArray", names, &data,
                                       &dtype, &row_shape, &bounds.limit,
                                       &bounds.maxlen)
               ? construct(type, data, dtype, row_shape, bounds)
               : NULL;
}

/* As rows_new(), but makes no tuple and no dict of the arguments. Used for GrowArray
 * itself, not for subclasses. Wrong arguments go to rows_new(), which raises. */
static PyObject *
rows_vectorcall(PyObject *type, PyObject *const *args, size_t nargsf, PyObject *kwnames)
{
    static const char *const names[] = {"data", "dtype", "row_shape", "limit",
                                        "maxlen"};
    enum { NPARAMS = sizeof names / sizeof *names };
    PyObject *values[NPARAMS];
    Py_ssize_t nargs = PyVectorcall_NARGS(nargsf);
    if (nargs > 1 || !args_sort(args, nargs, kwnames, names, NPARAMS, values)) {
        return construct_call_type(type, args, nargs, kwnames);
    }
    for (int i = 0; i < NPARAMS; i++) {
        values[i] = values[i] == NULL ? Py_None : values[i];
    }
    struct bounds bounds = {values[3], values[4]};
    assert(rows_type((PyTypeObject *)type) == (PyTypeObject *)type);
    return construct((PyTypeObject *)type, values[0], values[1], values[2], bounds);
}

PyDoc_STRVAR(from_buffer_doc,
"from_buffer($type, buffer, dtype, row_shape=())\n--\n\n"
"Return an array whose rows are the bytes of a GrowBuffer, without a copy.\n\n"
"buffer: the array uses its bytes. A change of either is visible in the other.\n"
"The array is stable if the buffer has a limit. If the buffer is of a subclass and\n"
"has an attribute that refers to the array, neither of them is ever freed: the\n"
"garbage collector does not track arrays.\n"
"dtype, row_shape: as for GrowArray().\n\n"
"Raise TypeError if buffer is no GrowBuffer, ValueError if its length is not a\n"
"multiple of the row size.\n\n"
">>> from growbuf import GrowArray, GrowBuffer\n"
">>> GrowArray.from_buffer(GrowBuffer(b'ab'), 'u1')\n"
"GrowArray([97, 98], dtype=uint8)");

static PyObject *
rows_from_buffer(PyObject *type, PyObject *args, PyObject *kwargs)
{
    static char *names[] = {"buffer", "dtype", "row_shape", NULL};
    PyObject *buffer, *dtype, *row_shape = NULL;
    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "OO|O:from_buffer", names, &buffer,
                                     &dtype, &row_shape)) {
        return NULL;
    }
    if (buffer_type(Py_TYPE(buffer)) == NULL) {
        PyErr_Format(PyExc_TypeError, "from_buffer() needs a GrowBuffer, got %.200s",
                     Py_TYPE(buffer)->tp_name);
        return NULL;
    }
    PyTypeObject *cls = (PyTypeObject *)type;
    assert(rows_type(cls) != NULL);
    NumPyObject *numpy = numpy_of_type(cls);
    PyObject *layout =
        numpy == NULL
            ? NULL
            : layout_of(numpy, dtype, row_shape == NULL ? Py_None : row_shape);
    if (layout == NULL) {
        return NULL;
    }
    PyObject *op = rows_create(cls, Py_NewRef(buffer), layout_cast(layout));
    Py_DECREF(layout);
    if (op != NULL) {
        RowsObject *self = rows_cast(op);
        self->shared = true;
        assert(!self->small && self->max_nbytes == MAXLEN_NONE);
        int rc;
        ROWS_LOCKED(self, rc, rows_check_whole(self));
        if (rc < 0) {
            Py_CLEAR(op);
        }
    }
    return op;
}

/* Copy `nbytes`, all rows of one array, to an empty one. Making tailroom may run other
 * code. If that has changed the number of rows, copy nothing and return 1: the caller
 * tries again. */
static int
copy_rows(RowsObject *from, RowsObject *to, size_t nbytes)
{
    int rc;
    ROWS_LOCKED(to, rc, rows_make_tailroom(to, nbytes));
    if (rc < 0) {
        return -1;
    }
    assert(from != to && from->buffer != to->buffer);
    Py_BEGIN_CRITICAL_SECTION2(from->buffer, to->buffer);
    rc = rows_check_whole(from) < 0 ? -1 : buffer_length(from->buffer) != nbytes;
    if (rc == 0) {
        assert(store_tailroom(&to->buffer->store) >= nbytes);
        assert(buffer_length(to->buffer) == 0 &&
               nbytes % from->layout->row_nbytes == 0);
        assert(from->layout == to->layout && !buffer_is_exported(to->buffer));
        memcpy(buffer_bytes(to->buffer), buffer_bytes(from->buffer), nbytes);
        buffer_commit(to->buffer, nbytes);
    }
    Py_END_CRITICAL_SECTION2();
    return rc;
}

PyDoc_STRVAR(copy_doc,
"copy($self, /)\n--\n\n"
"Return a copy of the array, with the default limit and the same maxlen.\n\n"
"Each row is copied once.\n\n"
">>> from growbuf import GrowArray\n"
">>> samples = GrowArray([1.0, 2.0])\n"
">>> other = samples.copy()\n"
">>> other.append(3)\n"
">>> len(samples), len(other)\n"
"(2, 3)");

static PyObject *
rows_copy(PyObject *op, PyObject *Py_UNUSED(ignored))
{
    RowsObject *self = rows_cast(op);
    PyObject *copy =
        new_empty(Py_TYPE(op), self->layout, (struct bounds){Py_None, Py_None});
    int rc = copy == NULL ? -1 : 1;
    if (copy != NULL) {
        rows_cast(copy)->max_nbytes = self->max_nbytes;
    }
    while (rc > 0) {
        size_t nbytes = (size_t)rows_length(op) * self->layout->row_nbytes;
        assert(nbytes <= PY_SSIZE_T_MAX && self->layout->row_nbytes > 0);
        rc = copy_rows(self, rows_cast(copy), nbytes);
    }
    if (rc < 0) {
        Py_CLEAR(copy);
    }
    return copy;
}

/* --------------------------------------------------------------------- the table */

PyDoc_STRVAR(rows_doc,
"GrowArray(data=None, *, dtype=None, row_shape=None, limit=None, maxlen=None)\n--\n\n"
"A NumPy array that grows along its first axis, while views of it stay valid.\n\n"
"data: an array-like or an iterable of rows. An array-like also gives the dtype and\n"
"the row shape if these arguments are None.\n"
"dtype: of the items; by default that of data, else float64. Any dtype except those\n"
"of Python objects and StringDType.\n"
"row_shape: the shape of one row, a length or a tuple; by default ().\n"
"limit: the largest number of rows. Address space for them is reserved (no memory).\n"
"So appending moves no row, and rows can be appended while views are held. None: as\n"
"many rows as fit in 1 TiB, or fewer if much of the address space is in use. If no\n"
"address space can be reserved, `stable` is False, and the array cannot grow while\n"
"views are held.\n"
"maxlen: the largest number of rows to keep, as in collections.deque. When more are\n"
"appended, the first rows are removed. The array takes memory for about twice maxlen\n"
"rows. A limit is raised to at least twice maxlen.\n\n"
"The attribute `array` is an ndarray of all rows. Indexing, iteration, comparison and\n"
"arithmetic use it, and so do the attributes of ndarray that GrowArray does not\n"
"define. The results are ndarrays.\n\n"
"After an exception the array has the same rows as before; readfrom() keeps those\n"
"that it has read. As in NumPy, an assignment to items or an operator such as += may\n"
"have changed some values before it raises.\n\n"
">>> from growbuf import GrowArray\n"
">>> samples = GrowArray(row_shape=2)\n"
">>> samples.append((1, 2))\n"
">>> seen = samples.array\n"
">>> samples.extend([[3, 4], [5, 6]])\n"
">>> seen, len(samples)\n"
"(array([[1., 2.]]), 3)\n"
">>> samples.mean(axis=0)\n"
"array([3., 4.])");

static PyMemberDef rows_members[] = {
    {"__weaklistoffset__", T_PYSSIZET, offsetof(RowsObject, weakrefs), READONLY, NULL},
    {NULL, 0, 0, 0, NULL},
};

static const PyMethodDef own_methods[] = {
    {"from_buffer", BUFFER_METHOD(rows_from_buffer),
     METH_VARARGS | METH_KEYWORDS | METH_CLASS, from_buffer_doc},
    {"copy", rows_copy, METH_NOARGS, copy_doc},
    {"__class_getitem__", Py_GenericAlias, METH_O | METH_CLASS,
     "GrowArray[np.float64], for type checkers."},
    {NULL, NULL, 0, NULL},
};

static const PyType_Slot own_slots[] = {
    {Py_tp_doc, (void *)rows_doc}, {Py_tp_new, rows_new},
    {Py_tp_dealloc, rows_dealloc}, {Py_tp_getset, rows_attributes},
    {Py_tp_members, rows_members}, {Py_mp_length, rows_length},
    {Py_sq_length, rows_length},
};

enum { MAX_SLOTS = 64 };

static size_t
add_slots(PyType_Slot *slots, size_t n, const PyType_Slot *more, size_t count)
{
    assert(n + count < MAX_SLOTS);
    memcpy(slots + n, more, count * sizeof *slots);
    return n + count;
}

PyTypeObject *
array_make_type(PyObject *module)
{
    struct state *state = PyModule_GetState(module);
    size_t n = state_add_methods(state->rows_methods, 0, own_methods);
    n = state_add_methods(state->rows_methods, n, rows_append_methods);
    n = state_add_methods(state->rows_methods, n, rows_edit_methods);
    n = state_add_methods(state->rows_methods, n, rows_resize_methods);
    n = state_add_methods(state->rows_methods, n, arrow_methods);
    n = state_add_methods(state->rows_methods, n, rows_spare_methods);
    n = state_add_methods(state->rows_methods, n, rows_readfrom_methods);
    (void)state_add_methods(state->rows_methods, n, rows_numpy_methods);

    PyType_Slot slots[MAX_SLOTS] = {{Py_tp_methods, state->rows_methods}};
    n = add_slots(slots, 1, own_slots, sizeof own_slots / sizeof *own_slots);
    n = add_slots(slots, n, rows_ops_slots, rows_ops_nslots);
    slots[n] = (PyType_Slot){0, NULL};
    assert(n < MAX_SLOTS &&
           state->rows_methods[STATE_MAX_ROWS_METHODS - 1].ml_name == NULL);
    /* As ndarray, the type has no Py_TPFLAGS_HAVE_GC, because rows hold no Python
     * objects. A reference cycle is possible if from_buffer() gets an object of a
     * subclass of GrowBuffer: an attribute of that object may refer to the array. */
    PyType_Spec spec = {
        .name = "growbuf.array.GrowArray",
        .basicsize = sizeof(RowsObject),
        .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE,
        .slots = slots,
    };
    PyObject *type = PyType_FromModuleAndSpec(module, &spec, NULL);
    if (type != NULL) {
        /* Py_tp_vectorcall is a slot of a spec only since 3.14. */
        ((PyTypeObject *)type)->tp_vectorcall = rows_vectorcall;
    }
    return (PyTypeObject *)type;
}
