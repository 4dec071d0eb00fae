/* rows_ops: what an ndarray does, done by the view. */

#include "rows_ops.h"

#include "args.h"
#include "rows_edit.h"

/* --------------------------------------------------------------------- operands */

/* Whether an operand is of a type whose code does not see the other operand, or keeps it no
 * longer than the operation. Code of another type might return it, or change its shape. */
static bool
is_tame(NumPyObject *numpy, PyObject *op)
{
    PyTypeObject *type = Py_TYPE(op);
    return type == (PyTypeObject *)numpy->hooks[NUMPY_ndarray] || rows_check(op) ||
           type == &PyFloat_Type || type == &PyLong_Type || type == &PyBool_Type ||
           type == &PyComplex_Type || type == &PyUnicode_Type ||
           type == &PyBytes_Type || type == &PyList_Type || type == &PyTuple_Type ||
           op == Py_None || scalars_find(&numpy->scalars, type) != NULL;
}

/* An operand as NumPy is to see it: a GrowArray as a view, anything else as it is. */
static PyObject *
as_ndarray(PyObject *op, bool kept)
{
    return !rows_check(op) ? Py_NewRef(op)
           : kept          ? rows_kept_view(op)
                           : rows_new_view(op);
}

static NumPyObject *
numpy_of(PyObject *op)
{
    return rows_cast(op)->layout->numpy;
}

/* -------------------------------------------------------------------- arithmetic */

static PyObject *
binary(PyObject *left, PyObject *right, binaryfunc apply)
{
    NumPyObject *numpy = numpy_of(rows_check(left) ? left : right);
    bool kept = is_tame(numpy, left) && is_tame(numpy, right);
    PyObject *result = NULL, *x = as_ndarray(left, kept);
    PyObject *y = x == NULL ? NULL : as_ndarray(right, kept);
    if (y != NULL) {
        result = apply(x, y);
    }
    Py_XDECREF(x);
    Py_XDECREF(y);
    return result;
}

/* The result of ndarray's own is the view, whose rows are ours. */
static PyObject *
in_place(PyObject *op, PyObject *other, binaryfunc apply)
{
    bool kept = is_tame(numpy_of(op), other);
    PyObject *view = as_ndarray(op, kept);
    PyObject *y = view == NULL ? NULL : as_ndarray(other, kept);
    PyObject *result = y == NULL ? NULL : apply(view, y);
    if (result != NULL && result == view) {
        Py_SETREF(result, Py_NewRef(op));
    }
    Py_XDECREF(view);
    Py_XDECREF(y);
    return result;
}

static PyObject *
unary(PyObject *op, unaryfunc apply)
{
    PyObject *view = rows_kept_view(op);
    PyObject *result = view == NULL ? NULL : apply(view);
    Py_XDECREF(view);
    return result;
}

static PyObject *
rows_richcompare(PyObject *op, PyObject *other, int operation)
{
    bool kept = is_tame(numpy_of(op), other);
    PyObject *view = as_ndarray(op, kept);
    PyObject *y = view == NULL ? NULL : as_ndarray(other, kept);
    PyObject *result = y == NULL ? NULL : PyObject_RichCompare(view, y, operation);
    Py_XDECREF(view);
    Py_XDECREF(y);
    return result;
}

#define BINARY(name, apply)                                                            \
    static PyObject *rows_##name(PyObject *left, PyObject *right)                      \
    {                                                                                  \
        return binary(left, right, apply);                                             \
    }
#define IN_PLACE(name, apply)                                                          \
    static PyObject *rows_inplace_##name(PyObject *op, PyObject *other)                \
    {                                                                                  \
        return in_place(op, other, apply);                                             \
    }
#define BOTH(name, apply)                                                              \
    BINARY(name, PyNumber_##apply)                                                     \
    IN_PLACE(name, PyNumber_InPlace##apply)
#define UNARY(name, apply)                                                             \
    static PyObject *rows_##name(PyObject *op)                                         \
    {                                                                                  \
        return unary(op, apply);                                                       \
    }

BOTH(add, Add)
BOTH(subtract, Subtract)
BOTH(multiply, Multiply)
BOTH(matrix_multiply, MatrixMultiply)
BOTH(true_divide, TrueDivide)
BOTH(floor_divide, FloorDivide)
BOTH(remainder, Remainder)
BOTH(lshift, Lshift)
BOTH(rshift, Rshift)
BOTH(and, And)
BOTH(or, Or)
BOTH(xor, Xor)
BINARY(divmod, PyNumber_Divmod)
UNARY(negative, PyNumber_Negative)
UNARY(positive, PyNumber_Positive)
UNARY(absolute, PyNumber_Absolute)
UNARY(invert, PyNumber_Invert)
/* Without these two Python would read the bytes of the rows as text. */
UNARY(int, PyNumber_Long)
UNARY(float, PyNumber_Float)

/* ndarray knows no modulus either. */
static PyObject *
power(PyObject *left, PyObject *right)
{
    return PyNumber_Power(left, right, Py_None);
}

static PyObject *
power_in_place(PyObject *left, PyObject *right)
{
    return PyNumber_InPlacePower(left, right, Py_None);
}

static PyObject *
rows_power(PyObject *left, PyObject *right, PyObject *modulus)
{
    if (modulus != Py_None) {
        Py_RETURN_NOTIMPLEMENTED;
    }
    return binary(left, right, power);
}

static PyObject *
rows_inplace_power(PyObject *op, PyObject *other, PyObject *Py_UNUSED(modulus))
{
    return in_place(op, other, power_in_place);
}

static int
rows_bool(PyObject *op)
{
    PyObject *view = rows_kept_view(op);
    int rc = view == NULL ? -1 : PyObject_IsTrue(view);
    Py_XDECREF(view);
    return rc;
}

/* ------------------------------------------------------------------------- items */

/* Items are copied as long as the array is small, which a view would end. */
static PyObject *
rows_subscript(PyObject *op, PyObject *key)
{
    RowsObject *self = rows_cast(op);
    LayoutObject *layout = self->layout;
    Py_ssize_t index;
    if (self->small && layout->view_shape == NULL && !layout->is_void &&
        args_small_int(key, &index)) {
        return rows_copy_row(op, index, false);
    }
    PyObject *view = rows_kept_view(op);
    PyObject *item = view == NULL ? NULL : PyObject_GetItem(view, key);
    Py_XDECREF(view);
    return item;
}

/* With this, a sequence, as an ndarray is: for reversed() and bisect. */
static PyObject *
rows_item(PyObject *op, Py_ssize_t index)
{
    PyObject *view = rows_kept_view(op);
    PyObject *item = view == NULL ? NULL : PySequence_GetItem(view, index);
    Py_XDECREF(view);
    return item;
}

/* Set an item without a view; return false where that takes NumPy. Under the lock. */
static bool
set_item(RowsObject *self, Py_ssize_t index, PyObject *value)
{
    const struct field *field = &self->layout->field;
    size_t nbytes = buffer_length(self->buffer);
    Py_ssize_t nrows = (Py_ssize_t)(nbytes / field->nbytes);
    Py_ssize_t row = index < 0 ? index + nrows : index;
    return row >= 0 && row < nrows && nbytes % field->nbytes == 0 &&
           field->write(field, buffer_bytes(self->buffer) + (size_t)row * field->nbytes,
                        value);
}

static int
rows_ass_subscript(PyObject *op, PyObject *key, PyObject *value)
{
    if (value == NULL) {
        return rows_delete(op, key);
    }
    RowsObject *self = rows_cast(op);
    Py_ssize_t index;
    if (field_is_item(&self->layout->field) && args_small_int(key, &index)) {
        bool done;
        ROWS_LOCKED(self, done, set_item(self, index, value));
        if (done) {
            return 0;
        }
    }
    PyObject *view = rows_kept_view(op);
    PyObject *source = view == NULL ? NULL : as_ndarray(value, true);
    int rc = source == NULL ? -1 : PyObject_SetItem(view, key, source);
    Py_XDECREF(source);
    Py_XDECREF(view);
    return rc;
}

static PyObject *
rows_iter(PyObject *op)
{
    PyObject *view = rows_new_view(op);
    PyObject *iterator = view == NULL ? NULL : PyObject_GetIter(view);
    Py_XDECREF(view);
    return iterator;
}

static int
rows_contains(PyObject *op, PyObject *value)
{
    bool kept = is_tame(numpy_of(op), value);
    PyObject *view = as_ndarray(op, kept);
    PyObject *item = view == NULL ? NULL : as_ndarray(value, kept);
    int rc = item == NULL ? -1 : PySequence_Contains(view, item);
    Py_XDECREF(item);
    Py_XDECREF(view);
    return rc;
}

/* -------------------------------------------------------------- the buffer protocol */

/* What an export holds until it is released. */
struct export {
    Py_buffer bytes;      /* the export of the GrowBuffer */
    Py_ssize_t lengths[]; /* the shape, then the strides */
};

/* Look at the bytes. Under the lock. */
static int
export_bytes(RowsObject *self, Py_buffer *bytes)
{
    if (rows_stabilize(self, 0) < 0 || rows_check_whole(self) < 0) {
        return -1;
    }
    return PyObject_GetBuffer((PyObject *)self->buffer, bytes, PyBUF_WRITABLE);
}

static void
set_lengths(const LayoutObject *layout, size_t nbytes, Py_ssize_t *shape,
            Py_ssize_t *strides, Py_ssize_t ndim)
{
    size_t stride = layout->itemsize;
    for (Py_ssize_t axis = ndim - 1; axis >= 0; axis--) {
        shape[axis] =
            axis == 0 ? (Py_ssize_t)(nbytes / layout->row_nbytes)
                      : PyLong_AsSsize_t(PyTuple_GET_ITEM(layout->row_shape, axis - 1));
        strides[axis] = (Py_ssize_t)stride;
        stride *= axis == 0 ? 1 : (size_t)shape[axis];
    }
}

static struct export *
open_export(RowsObject *self, Py_ssize_t ndim)
{
    struct export *export =
        PyMem_Malloc(sizeof *export + 2 * (size_t)ndim * sizeof(Py_ssize_t));
    if (export == NULL) {
        PyErr_NoMemory();
        return NULL;
    }
    int rc;
    ROWS_LOCKED(self, rc, export_bytes(self, &export->bytes));
    if (rc < 0) {
        PyMem_Free(export);
        return NULL;
    }
    set_lengths(self->layout, (size_t)export->bytes.len, export->lengths,
                export->lengths + ndim, ndim);
    return export;
}

static inline bool
asks_for(int flags, int what)
{
    return (flags & what) == what;
}

/* NumPy prefers this protocol to __array__(), so where it would read another dtype from the
 * format than ours there is no export with one. */
static int
rows_getbuffer(PyObject *op, Py_buffer *view, int flags)
{
    RowsObject *self = rows_cast(op);
    LayoutObject *layout = self->layout;
    Py_ssize_t ndim = 1 + PyTuple_GET_SIZE(layout->row_shape);
    const char *format = NULL;
    struct export *export = NULL;
    if (asks_for(flags, PyBUF_F_CONTIGUOUS) && ndim > 1) {
        PyErr_SetString(PyExc_BufferError, "the rows are not Fortran contiguous");
    }
    else if (!asks_for(flags, PyBUF_FORMAT) ||
             (format = layout_format(layout)) != NULL) {
        export = open_export(self, ndim);
    }
    if (export == NULL) {
        view->obj = NULL;
        return -1;
    }
    bool has_axes = asks_for(flags, PyBUF_ND);
    *view = (Py_buffer){
        .buf = export->bytes.buf,
        .obj = Py_NewRef(op),
        .len = export->bytes.len,
        .itemsize = (Py_ssize_t)layout->itemsize,
        .ndim = has_axes ? (int)ndim : 1,
        .format = (char *)format,
        .shape = has_axes ? export->lengths : NULL,
        .strides = asks_for(flags, PyBUF_STRIDES) ? export->lengths + ndim : NULL,
        .internal = export,
    };
    return 0;
}

static void
rows_releasebuffer(PyObject *Py_UNUSED(op), Py_buffer *view)
{
    struct export *export = view->internal;
    PyBuffer_Release(&export->bytes);
    PyMem_Free(export);
}

/* ------------------------------------------------------------------------ ufuncs */

/* What NumPy passes as `out`: a tuple, in which GrowArrays may be. */
static PyObject *
out_as_ndarrays(PyObject *out, bool kept)
{
    Py_ssize_t n = PyTuple_GET_SIZE(out);
    PyObject *result = PyTuple_New(n);
    for (Py_ssize_t i = 0; result != NULL && i < n; i++) {
        PyObject *item = as_ndarray(PyTuple_GET_ITEM(out, i), kept);
        if (item == NULL) {
            Py_CLEAR(result);
            break;
        }
        PyTuple_SET_ITEM(result, i, item);
    }
    return result;
}

/* Return a GrowArray that was given as `out`, and not their view. Takes over the reference to
 * `result`. */
static PyObject *
as_given(PyObject *out, PyObject *result)
{
    Py_ssize_t n = PyTuple_GET_SIZE(out);
    if (result == NULL || !PyTuple_CheckExact(result)) {
        PyObject *target = n == 1 ? PyTuple_GET_ITEM(out, 0) : Py_None;
        if (result != NULL && rows_check(target)) {
            Py_SETREF(result, Py_NewRef(target));
        }
        return result;
    }
    PyObject *mapped = PyTuple_New(PyTuple_GET_SIZE(result));
    for (Py_ssize_t i = 0; mapped != NULL && i < PyTuple_GET_SIZE(result); i++) {
        PyObject *target = i < n ? PyTuple_GET_ITEM(out, i) : Py_None;
        PyObject *item = rows_check(target) ? target : PyTuple_GET_ITEM(result, i);
        PyTuple_SET_ITEM(mapped, i, Py_NewRef(item));
    }
    Py_DECREF(result);
    return mapped;
}

/* The value of the keyword `out`, a tuple; else NULL. */
static PyObject *
find_out(PyObject *const *values, PyObject *kwnames)
{
    for (Py_ssize_t i = 0; kwnames != NULL && i < PyTuple_GET_SIZE(kwnames); i++) {
        PyObject *name = PyTuple_GET_ITEM(kwnames, i);
        if (PyUnicode_CompareWithASCIIString(name, "out") == 0 &&
            PyTuple_Check(values[i])) {
            return values[i];
        }
    }
    return NULL;
}

/* Call a ufunc, which is the first of `args`, or a method of it. */
static PyObject *
call_ufunc(PyObject *method, PyObject *const *args, Py_ssize_t nargs, PyObject *kwnames)
{
    if (PyUnicode_CompareWithASCIIString(method, "__call__") == 0) {
        return PyObject_Vectorcall(args[0], args + 1, (size_t)(nargs - 1), kwnames);
    }
    return PyObject_VectorcallMethod(method, args, (size_t)nargs, kwnames);
}

/* Whether neither a ufunc nor what it is called with has code that sees the view. */
static bool
all_tame(NumPyObject *numpy, PyObject *const *args, Py_ssize_t nargs, PyObject *out)
{
    bool tame = Py_TYPE(args[0]) == (PyTypeObject *)numpy->hooks[NUMPY_ufunc];
    for (Py_ssize_t i = 2; i < nargs; i++) {
        tame = tame && (args[i] == out || is_tame(numpy, args[i]));
    }
    for (Py_ssize_t i = 0; out != NULL && i < PyTuple_GET_SIZE(out); i++) {
        tame = tame && is_tame(numpy, PyTuple_GET_ITEM(out, i));
    }
    return tame;
}

PyDoc_STRVAR(array_ufunc_doc,
"__array_ufunc__($self, ufunc, method, /, *inputs, **kwargs)\n--\n\n"
"Apply a ufunc, or a method of one, to the rows as an ndarray.\n\n"
"Return what was given as out, if anything was.");

/* More than any ufunc takes: NumPy allows 64 operands, and there are ten keywords. */
enum { MAX_ARGS = 80 };

static PyObject *
rows_array_ufunc(PyObject *op, PyObject *const *args, Py_ssize_t nargs,
                 PyObject *kwnames)
{
    Py_ssize_t all = nargs + (kwnames == NULL ? 0 : PyTuple_GET_SIZE(kwnames));
    if (nargs < 2 || all > MAX_ARGS || !PyUnicode_Check(args[1])) {
        PyErr_SetString(PyExc_TypeError,
                        "__array_ufunc__() needs a ufunc, the name of a "
                        "method, and what that takes");
        return NULL;
    }
    PyObject *out = find_out(args + nargs, kwnames);
    bool kept = all_tame(numpy_of(op), args, all, out);
    /* The ufunc first, and then what it is called with: the name is left out. */
    PyObject *arrays[MAX_ARGS], *result = NULL;
    Py_ssize_t n = 0;
    for (; n < all - 1; n++) {
        PyObject *arg = args[n == 0 ? 0 : n + 1];
        arrays[n] = out != NULL && arg == out ? out_as_ndarrays(out, kept)
                                              : as_ndarray(arg, kept);
        if (arrays[n] == NULL) {
            break;
        }
    }
    if (n == all - 1) {
        result = call_ufunc(args[1], arrays, nargs - 1, kwnames);
        result = out == NULL ? result : as_given(out, result);
    }
    while (n > 0) {
        Py_DECREF(arrays[--n]);
    }
    return result;
}

const PyMethodDef rows_ops_methods[] = {
    {"__array_ufunc__", BUFFER_METHOD(rows_array_ufunc), METH_FASTCALL | METH_KEYWORDS,
     array_ufunc_doc},
    {NULL, NULL, 0, NULL},
};

#define NUMBER(name) {Py_nb_##name, rows_##name}
#define NUMBER_BOTH(name) NUMBER(name), NUMBER(inplace_##name)

const PyType_Slot rows_ops_slots[] = {
    {Py_tp_iter, rows_iter},
    {Py_tp_richcompare, rows_richcompare},
    {Py_tp_hash, PyObject_HashNotImplemented},
    {Py_bf_getbuffer, rows_getbuffer},
    {Py_bf_releasebuffer, rows_releasebuffer},
    {Py_sq_item, rows_item},
    {Py_sq_contains, rows_contains},
    {Py_mp_subscript, rows_subscript},
    {Py_mp_ass_subscript, rows_ass_subscript},
    NUMBER_BOTH(add),
    NUMBER_BOTH(subtract),
    NUMBER_BOTH(multiply),
    NUMBER_BOTH(matrix_multiply),
    NUMBER_BOTH(true_divide),
    NUMBER_BOTH(floor_divide),
    NUMBER_BOTH(remainder),
    NUMBER_BOTH(power),
    NUMBER_BOTH(lshift),
    NUMBER_BOTH(rshift),
    NUMBER_BOTH(and),
    NUMBER_BOTH(or),
    NUMBER_BOTH(xor),
    NUMBER(divmod),
    NUMBER(negative),
    NUMBER(positive),
    NUMBER(absolute),
    NUMBER(invert),
    NUMBER(int),
    NUMBER(float),
    NUMBER(bool),
};

const size_t rows_ops_nslots = sizeof rows_ops_slots / sizeof *rows_ops_slots;
