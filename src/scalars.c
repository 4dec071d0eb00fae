/* scalars: NumPy's scalar types, and the values of their objects. */

#include "scalars.h"

#include <string.h>

int
scalars_add(struct scalars *scalars, PyObject *op, int kind)
{
    PyTypeObject *type = Py_TYPE(op);
    struct scalar scalar = {.type = type, .kind = (char)kind};
    if (kind != 'S' && kind != 'U') {
        Py_buffer view;
        if (PyObject_GetBuffer(op, &view, PyBUF_SIMPLE) < 0) {
            return -1;
        }
        const char *object = (const char *)op, *value = view.buf;
        size_t nbytes = (size_t)view.len, size = (size_t)type->tp_basicsize;
        PyBuffer_Release(&view);
        if (value < object + sizeof(PyObject) || nbytes > UINT8_MAX ||
            value + nbytes > object + size) {
            return 0;
        }
        assert(value - object <= UINT16_MAX);
        scalar.nbytes = (uint8_t)nbytes;
        scalar.offset = (uint16_t)(value - object);
    }
    if (scalars->count == SCALARS_MAX) {
        PyErr_SetString(PyExc_ValueError, "too many scalar types");
        return -1;
    }
    scalars->of[scalars->count++] = scalar;
    return 0;
}

bool
scalar_integer(const struct scalar *scalar, PyObject *item, long long *value)
{
    union {
        int8_t i1;
        int16_t i2;
        int32_t i4;
        int64_t i8;
        uint8_t u1;
        uint16_t u2;
        uint32_t u4;
        uint64_t u8;
    } number;
    assert(scalar->nbytes <= sizeof number);
    memcpy(&number, scalar_value(scalar, item), scalar->nbytes);
    switch (scalar->nbytes) {
    case 1:
        *value = scalar->kind == 'i' ? number.i1 : number.u1;
        return true;
    case 2:
        *value = scalar->kind == 'i' ? number.i2 : number.u2;
        return true;
    case 4:
        *value = scalar->kind == 'i' ? (long long)number.i4 : (long long)number.u4;
        return true;
    default:
        *value = number.i8;
        return scalar->kind == 'i' || number.u8 <= INT64_MAX;
    }
}

bool
scalar_double(const struct scalar *scalar, PyObject *item, double *value)
{
    assert(scalar->kind == 'f');
    const char *from = scalar_value(scalar, item);
    float single;
    switch (scalar->nbytes) {
    case sizeof single:
        memcpy(&single, from, sizeof single);
        *value = single;
        return true;
    case sizeof *value:
        memcpy(value, from, sizeof *value);
        return true;
    default:
        return false;
    }
}

bool
scalar_complex(const struct scalar *scalar, PyObject *item, Py_complex *value)
{
    assert(scalar->kind == 'c');
    float singles[2];
    double doubles[2];
    const char *from = scalar_value(scalar, item);
    switch (scalar->nbytes) {
    case sizeof singles:
        memcpy(singles, from, sizeof singles);
        *value = (Py_complex){singles[0], singles[1]};
        return true;
    case sizeof doubles:
        memcpy(doubles, from, sizeof doubles);
        *value = (Py_complex){doubles[0], doubles[1]};
        return true;
    default:
        return false;
    }
}
