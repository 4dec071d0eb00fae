/* rows_attributes: the attributes of a GrowArray. */
#include "rows_attributes.h"

PyDoc_STRVAR(array_doc,
"All rows as an ndarray, without a copy. The ndarray does not grow with the array.\n\n"
"Each use makes a new ndarray. That takes tens of nanoseconds, or half a microsecond\n"
"if the length has changed since the last use.\n\n"
">>> from growbuf import GrowArray\n"
">>> samples = GrowArray([1.0, 2.0])\n"
">>> view = samples.array\n"
">>> view[0] = 9\n"
">>> samples\n"
"GrowArray([9., 2.])");

static PyObject *
get_array(PyObject *op, void *Py_UNUSED(closure))
{
    return rows_new_view(op);
}

/* Reserve address space for a small array, so that the attributes that describe the
 * reservation do not change later. */
static int
stabilize(RowsObject *self)
{
    int rc;
    ROWS_LOCKED(self, rc, rows_stabilize(self, 0));
    return rc;
}

PyDoc_STRVAR(buffer_doc,
"The GrowBuffer that holds the rows. Keep its length a multiple of the row size.\n\n"
"After the first use of this attribute, the array no longer caches a view: it makes\n"
"one for each operation that needs it.\n\n"
">>> from growbuf import GrowArray\n"
">>> bytes(GrowArray([1, 2], dtype='u1').buffer)\n"
"b'\\x01\\x02'");

/* Drop the kept view, and keep none from now on: it would prevent the caller from
 * removing bytes of the buffer. */
static PyObject *
get_buffer(PyObject *op, void *Py_UNUSED(closure))
{
    RowsObject *self = rows_cast(op);
    if (stabilize(self) < 0) {
        return NULL;
    }
    Py_BEGIN_CRITICAL_SECTION(self->buffer);
    self->shared = true;
    Py_CLEAR(self->view);
    Py_END_CRITICAL_SECTION();
    return Py_NewRef(self->buffer);
}

/* For tests: return the buffer, and change nothing. */
static PyObject *
get_own_buffer(PyObject *op, void *Py_UNUSED(closure))
{
    return Py_NewRef(rows_cast(op)->buffer);
}

PyDoc_STRVAR(dtype_doc,
"The dtype of the items.\n\n"
">>> from growbuf import GrowArray\n"
">>> GrowArray([1, 2], dtype='u1').dtype\n"
"dtype('uint8')");

static PyObject *
get_dtype(PyObject *op, void *Py_UNUSED(closure))
{
    return Py_NewRef(rows_cast(op)->layout->dtype);
}

PyDoc_STRVAR(row_shape_doc,
"The shape of one row.\n\n"
">>> from growbuf import GrowArray\n"
">>> GrowArray([[1, 2, 3]]).row_shape\n"
"(3,)");

static PyObject *
get_row_shape(PyObject *op, void *Py_UNUSED(closure))
{
    return Py_NewRef(rows_cast(op)->layout->row_shape);
}

PyDoc_STRVAR(shape_doc,
"A tuple: the number of rows, then the row shape.\n\n"
">>> from growbuf import GrowArray\n"
">>> GrowArray([[1, 2, 3]]).shape\n"
"(1, 3)");

static PyObject *
get_shape(PyObject *op, void *Py_UNUSED(closure))
{
    PyObject *row_shape = rows_cast(op)->layout->row_shape;
    Py_ssize_t ndim = PyTuple_GET_SIZE(row_shape);
    PyObject *nrows = PyLong_FromSsize_t(rows_length(op));
    PyObject *shape = nrows == NULL ? NULL : PyTuple_New(ndim + 1);
    if (shape == NULL) {
        Py_XDECREF(nrows);
        return NULL;
    }
    PyTuple_SET_ITEM(shape, 0, nrows);
    for (Py_ssize_t i = 0; i < ndim; i++) {
        PyTuple_SET_ITEM(shape, i + 1, Py_NewRef(PyTuple_GET_ITEM(row_shape, i)));
    }
    return shape;
}

static int
refuse(const char *message)
{
    PyErr_SetString(PyExc_AttributeError, message);
    return -1;
}

static int
set_shape(PyObject *Py_UNUSED(op), PyObject *Py_UNUSED(value), void *Py_UNUSED(closure))
{
    return refuse("only the number of rows can change: use resize(nrows); "
                  "array.reshape(shape) is a view of another shape");
}

static int
set_dtype(PyObject *Py_UNUSED(op), PyObject *Py_UNUSED(value), void *Py_UNUSED(closure))
{
    return refuse("the dtype cannot change: array.view(dtype) is a view of another "
                  "dtype, GrowArray(array, dtype=dtype) a copy");
}

PyDoc_STRVAR(ndim_doc,
"The number of axes.\n\n"
">>> from growbuf import GrowArray\n"
">>> GrowArray([[1, 2, 3]]).ndim\n"
"2");

static PyObject *
get_ndim(PyObject *op, void *Py_UNUSED(closure))
{
    return PyLong_FromSsize_t(1 + PyTuple_GET_SIZE(rows_cast(op)->layout->row_shape));
}

static size_t
nbytes_of(PyObject *op)
{
    return (size_t)rows_length(op) * rows_cast(op)->layout->row_nbytes;
}

PyDoc_STRVAR(size_doc,
"The number of items.\n\n"
">>> from growbuf import GrowArray\n"
">>> GrowArray([[1, 2, 3]]).size\n"
"3");

static PyObject *
get_size(PyObject *op, void *Py_UNUSED(closure))
{
    return PyLong_FromSize_t(nbytes_of(op) / rows_cast(op)->layout->itemsize);
}

PyDoc_STRVAR(itemsize_doc,
"The number of bytes of one item.\n\n"
">>> from growbuf import GrowArray\n"
">>> GrowArray([1.0, 2.0]).itemsize\n"
"8");

static PyObject *
get_itemsize(PyObject *op, void *Py_UNUSED(closure))
{
    return PyLong_FromSize_t(rows_cast(op)->layout->itemsize);
}

PyDoc_STRVAR(nbytes_doc,
"The number of bytes of all rows.\n\n"
">>> from growbuf import GrowArray\n"
">>> GrowArray([1.0, 2.0]).nbytes\n"
"16");

static PyObject *
get_nbytes(PyObject *op, void *Py_UNUSED(closure))
{
    return PyLong_FromSize_t(nbytes_of(op));
}

PyDoc_STRVAR(capacity_doc,
"The number of rows for which there is space.\n\n"
"If the array is stable, this is the limit, less the removed rows that a view holds.\n"
"If not, rows may move when the array grows past it.\n\n"
">>> from growbuf import GrowArray\n"
">>> GrowArray(limit=1000).capacity\n"
"1000");

static PyObject *
get_capacity(PyObject *op, void *Py_UNUSED(closure))
{
    RowsObject *self = rows_cast(op);
    if (stabilize(self) < 0) {
        return NULL;
    }
    size_t nbytes;
    ROWS_LOCKED(self, nbytes, store_capacity(&self->buffer->store));
    return PyLong_FromSize_t(nbytes / self->layout->row_nbytes);
}

PyDoc_STRVAR(stable_doc,
"Whether appending never moves rows, so that it is possible while views are held.\n\n"
"But if first rows are removed while views are held, the other rows may be moved.\n"
"Views made earlier keep their rows then, but do not show later changes.\n\n"
">>> from growbuf import GrowArray\n"
">>> GrowArray(limit=1000).stable\n"
"True");

static PyObject *
get_stable(PyObject *op, void *Py_UNUSED(closure))
{
    RowsObject *self = rows_cast(op);
    return stabilize(self) < 0
               ? NULL
               : PyBool_FromLong(store_is_limited(&self->buffer->store));
}

PyDoc_STRVAR(limit_doc,
"The largest number of rows; None if there is no limit and rows may move.\n\n"
">>> from growbuf import GrowArray\n"
">>> GrowArray(limit=1000).limit\n"
"1000");

static PyObject *
get_limit(PyObject *op, void *Py_UNUSED(closure))
{
    RowsObject *self = rows_cast(op);
    if (stabilize(self) < 0) {
        return NULL;
    }
    if (!store_is_limited(&self->buffer->store)) {
        Py_RETURN_NONE;
    }
    size_t nbytes;
    ROWS_LOCKED(self, nbytes, buffer_limit(self->buffer));
    return PyLong_FromSize_t(nbytes / self->layout->row_nbytes);
}

PyDoc_STRVAR(pending_nbytes_doc,
"The number of bytes that readfrom() has read but not appended.\n\n"
"They are the first part of a row, or rows that could not be appended. No view shows\n"
"them. The next readfrom() continues with them; clear() drops them.\n\n"
">>> import io\n"
">>> from growbuf import GrowArray\n"
">>> samples = GrowArray(dtype='f8')\n"
">>> samples.readfrom(io.BytesIO(bytes(11))), samples.pending_nbytes\n"
"(1, 3)");

static PyObject *
get_pending_nbytes(PyObject *op, void *Py_UNUSED(closure))
{
    RowsObject *self = rows_cast(op);
    size_t nbytes;
    ROWS_LOCKED(self, nbytes, self->extra == NULL ? 0 : self->extra->pending_nbytes);
    return PyLong_FromSize_t(nbytes);
}

PyDoc_STRVAR(maxlen_doc,
"The largest number of rows that are kept; None if all are kept.\n\n"
">>> from growbuf import GrowArray\n"
">>> GrowArray(maxlen=100).maxlen\n"
"100");

static PyObject *
get_maxlen(PyObject *op, void *Py_UNUSED(closure))
{
    RowsObject *self = rows_cast(op);
    if (self->max_nbytes == MAXLEN_NONE) {
        Py_RETURN_NONE;
    }
    return PyLong_FromSize_t(self->max_nbytes / self->layout->row_nbytes);
}

PyGetSetDef rows_attributes[] = {
    {"array", get_array, NULL, array_doc, NULL},
    {"buffer", get_buffer, NULL, buffer_doc, NULL},
    {"dtype", get_dtype, set_dtype, dtype_doc, NULL},
    {"shape", get_shape, set_shape, shape_doc, NULL},
    {"row_shape", get_row_shape, set_shape, row_shape_doc, NULL},
    {"ndim", get_ndim, NULL, ndim_doc, NULL},
    {"size", get_size, NULL, size_doc, NULL},
    {"itemsize", get_itemsize, NULL, itemsize_doc, NULL},
    {"nbytes", get_nbytes, NULL, nbytes_doc, NULL},
    {"capacity", get_capacity, NULL, capacity_doc, NULL},
    {"limit", get_limit, NULL, limit_doc, NULL},
    {"maxlen", get_maxlen, NULL, maxlen_doc, NULL},
    {"pending_nbytes", get_pending_nbytes, NULL, pending_nbytes_doc, NULL},
    {"stable", get_stable, NULL, stable_doc, NULL},
    {"_buffer", get_own_buffer, NULL, NULL, NULL},
    {NULL, NULL, NULL, NULL, NULL},
};
