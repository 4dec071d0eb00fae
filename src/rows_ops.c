/* rows_ops: operators, items and iteration of a GrowArray, and its buffer protocol. */

#include "rows_ops.h"

#include "args.h"
#include "rows_edit.h"
#include "rows_swap.h"

/* -------------------------------------------------------------------- arithmetic */

static PyObject *
binary(PyObject *left, PyObject *right, binaryfunc apply)
{
    assert(rows_check(left) || rows_check(right));
    NumPyObject *numpy = rows_numpy(rows_check(left) ? left : right);
    bool kept = rows_is_tame(numpy, left) && rows_is_tame(numpy, right);
    PyObject *result = NULL, *x = rows_as_ndarray(left, kept);
    PyObject *y = x == NULL ? NULL : rows_as_ndarray(right, kept);
    if (y != NULL) {
        result = apply(x, y);
    }
    Py_XDECREF(x);
    Py_XDECREF(y);
    return result;
}

/* Apply an in-place operator to the ndarray of the rows. If that returns the ndarray,
 * return the GrowArray instead. */
static PyObject *
in_place(PyObject *op, PyObject *other, binaryfunc apply)
{
    assert(rows_check(op));
    bool kept = rows_is_tame(rows_numpy(op), other);
    PyObject *view = rows_as_ndarray(op, kept);
    PyObject *y = view == NULL ? NULL : rows_as_ndarray(other, kept);
    PyObject *result = y == NULL ? NULL : apply(view, y);
    rows_clean(op);
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
    bool kept = rows_is_tame(rows_numpy(op), other);
    PyObject *view = rows_as_ndarray(op, kept);
    PyObject *y = view == NULL ? NULL : rows_as_ndarray(other, kept);
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
/* Without these two, int() and float() would parse the bytes of the rows as text. */
UNARY(int, PyNumber_Long)
UNARY(float, PyNumber_Float)

/* Like an ndarray, an array does not support pow() with three arguments. */
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
    assert(rows_check(op));
    PyObject *view = rows_kept_view(op);
    int rc = view == NULL ? -1 : PyObject_IsTrue(view);
    Py_XDECREF(view);
    return rc;
}

/* ------------------------------------------------------------------------- items */

/* While the array is small, copy the item: making a view would reserve address space.
 */
static PyObject *
rows_subscript(PyObject *op, PyObject *key)
{
    RowsObject *self = rows_cast(op);
    LayoutObject *layout = self->layout;
    assert(layout->row_nbytes > 0 && !PyErr_Occurred());
    Py_ssize_t index;
    if (self->small && !layout->has_shape && !layout->is_void &&
        args_small_int(key, &index)) {
        return rows_copy_row(op, index, false);
    }
    PyObject *view = rows_kept_view(op);
    PyObject *item = view == NULL ? NULL : PyObject_GetItem(view, key);
    if (layout->has_shape || layout->is_void) {
        rows_swap_read(self, key, item);
    }
    Py_XDECREF(view);
    return item;
}

/* This slot makes the type a sequence, as ndarray is: reversed() and bisect need it.
 * PySequence_GetItem() has already added the length to a negative index. */
static PyObject *
rows_item(PyObject *op, Py_ssize_t index)
{
    assert(rows_check(op));
    if (index < 0) {
        Py_ssize_t nrows = rows_length(op);
        PyErr_Format(PyExc_IndexError,
                     "index %zd is out of bounds for axis 0 with size %zd",
                     index - nrows, nrows);
        return NULL;
    }
    PyObject *key = PyLong_FromSsize_t(index);
    PyObject *item = key == NULL ? NULL : rows_subscript(op, key);
    Py_XDECREF(key);
    return item;
}

/* Set an item without a view. Return false if NumPy must do it. Under the lock. */
static bool
set_item(RowsObject *self, Py_ssize_t index, PyObject *value)
{
    const struct field *field = &self->layout->field;
    size_t nbytes = buffer_length(self->buffer);
    Py_ssize_t nrows = (Py_ssize_t)(nbytes / field->nbytes);
    Py_ssize_t row = index < 0 ? index + nrows : index;
    assert(field->nbytes == self->layout->row_nbytes && nrows >= 0);
    return row >= 0 && row < nrows && nbytes % field->nbytes == 0 &&
           field->write(field, buffer_bytes(self->buffer) + (size_t)row * field->nbytes,
                        value);
}

static inline bool
is_int_or_none(PyObject *op)
{
    return op == Py_None || PyLong_CheckExact(op);
}

/* Zero the padding bytes of the rows that a key selects. If the key is not an index and
 * not a slice of ints without a step, zero those of all rows. */
static void
clean_selected(PyObject *op, PyObject *key)
{
    Py_ssize_t start, stop, step;
    if (PyTuple_Check(key) && PyTuple_GET_SIZE(key) > 0) {
        key = PyTuple_GET_ITEM(key, 0);
    }
    if (args_small_int(key, &start)) {
        rows_clean_between(op, start, start == -1 ? PY_SSIZE_T_MAX : start + 1);
        return;
    }
    PySliceObject *slice = PySlice_Check(key) ? (PySliceObject *)key : NULL;
    if (slice != NULL && is_int_or_none(slice->start) && is_int_or_none(slice->stop) &&
        slice->step == Py_None && PySlice_Unpack(key, &start, &stop, &step) == 0) {
        rows_clean_between(op, start, stop);
        return;
    }
    rows_clean(op);
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
        assert(!self->layout->has_shape && self->layout->field.write != NULL);
        ROWS_LOCKED(self, done, set_item(self, index, value));
        if (done) {
            return 0;
        }
    }
    if (rows_swap_set(self, key, value)) {
        return 0;
    }
    PyObject *view = rows_kept_view(op);
    PyObject *source = view == NULL ? NULL : rows_as_ndarray(value, true);
    int rc = source == NULL ? -1 : PyObject_SetItem(view, key, source);
    if (rc < 0) {
        rows_clean(op);
    }
    else {
        clean_selected(op, key);
    }
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
    bool kept = rows_is_tame(rows_numpy(op), value);
    PyObject *view = rows_as_ndarray(op, kept);
    PyObject *item = view == NULL ? NULL : rows_as_ndarray(value, kept);
    int rc = item == NULL ? -1 : PySequence_Contains(view, item);
    Py_XDECREF(item);
    Py_XDECREF(view);
    return rc;
}

/* -------------------------------------------------------------- the buffer protocol */

/* What one export of the array owns. It is freed when the export is released. */
struct export {
    Py_buffer bytes;      /* the export of the GrowBuffer */
    Py_ssize_t lengths[]; /* the shape, then the strides */
};

static void
set_lengths(const LayoutObject *layout, size_t nbytes, Py_ssize_t *shape,
            Py_ssize_t *strides, Py_ssize_t ndim)
{
    size_t stride = layout->itemsize;
    assert(ndim == 1 + PyTuple_GET_SIZE(layout->row_shape));
    assert(stride > 0 && nbytes % layout->row_nbytes == 0);
    for (Py_ssize_t axis = ndim - 1; axis >= 0; axis--) {
        shape[axis] =
            axis == 0 ? (Py_ssize_t)(nbytes / layout->row_nbytes)
                      : PyLong_AsSsize_t(PyTuple_GET_ITEM(layout->row_shape, axis - 1));
        strides[axis] = (Py_ssize_t)stride;
        stride *= axis == 0 ? 1 : (size_t)shape[axis];
    }
    assert(stride == layout->row_nbytes);
}

static struct export *
open_export(RowsObject *self, Py_ssize_t ndim)
{
    assert(ndim > 0);
    struct export *export =
        PyMem_Malloc(sizeof *export + 2 * (size_t)ndim * sizeof(Py_ssize_t));
    if (export == NULL) {
        PyErr_NoMemory();
        return NULL;
    }
    int rc = -1;
    Py_BEGIN_CRITICAL_SECTION(self->buffer);
    if (rows_stabilize(self, 0) == 0 && rows_check_whole(self) == 0) {
        rc = PyObject_GetBuffer((PyObject *)self->buffer, &export->bytes,
                                PyBUF_WRITABLE);
    }
    self->nexports += rc == 0;
    Py_END_CRITICAL_SECTION();
    if (rc < 0) {
        PyMem_Free(export);
        return NULL;
    }
    assert(export->bytes.obj == (PyObject *)self->buffer && self->nexports > 0);
    set_lengths(self->layout, (size_t)export->bytes.len, export->lengths,
                export->lengths + ndim, ndim);
    return export;
}

static inline bool
asks_for(int flags, int what)
{
    return (flags & what) == what;
}

/* NumPy prefers this protocol to __array__(). So an export with a format is refused if
 * NumPy would read another dtype than ours from the format. */
static int
rows_getbuffer(PyObject *op, Py_buffer *view, int flags)
{
    RowsObject *self = rows_cast(op);
    LayoutObject *layout = self->layout;
    Py_ssize_t ndim = 1 + PyTuple_GET_SIZE(layout->row_shape);
    const char *format = NULL;
    struct export *export = NULL;
    if (asks_for(flags, PyBUF_F_CONTIGUOUS) && ndim > 1) {
        PyErr_SetString(PyExc_BufferError,
                        "the rows are in C order, not in Fortran order: "
                        "np.asfortranarray(array) makes a copy");
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
    assert(format != NULL || !asks_for(flags, PyBUF_FORMAT));
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
rows_releasebuffer(PyObject *op, Py_buffer *view)
{
    RowsObject *self = rows_cast(op);
    struct export *export = view->internal;
    assert(export != NULL && view->buf == export->bytes.buf);
    Py_BEGIN_CRITICAL_SECTION(self->buffer);
    assert(self->nexports > 0);
    self->nexports--;
    Py_END_CRITICAL_SECTION();
    PyBuffer_Release(&export->bytes);
    PyMem_Free(export);
}

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
