#include "cells.h"

#include <math.h>
#include <stdint.h>
#include <string.h>

#include "args.h"

/* -------------------------------------------------------------------- storing */

static void
reverse(char *bytes, size_t nbytes)
{
    for (size_t i = 0; i < nbytes / 2; i++) {
        char byte = bytes[i];
        bytes[i] = bytes[nbytes - 1 - i];
        bytes[nbytes - 1 - i] = byte;
    }
}

static inline void
put(const struct cell *cell, char *to, const void *value, size_t nbytes)
{
    memcpy(to, value, nbytes);
    if (cell->swapped) {
        reverse(to, nbytes);
    }
}

/* -------------------------------------------------------------------- reading */

/* An int of this type or a bool, which NumPy lets into any number. */
static inline bool
read_integer(PyObject *item, long long *value)
{
    Py_ssize_t small;
    if (args_small_int(item, &small)) {
        *value = small;
        return true;
    }
    if (PyBool_Check(item)) {
        *value = item == Py_True;
        return true;
    }
    if (!PyLong_CheckExact(item)) {
        return false;
    }
    int overflow;
    *value = PyLong_AsLongLongAndOverflow(item, &overflow);
    return overflow == 0;
}

/* np.float64 is a float too; a class made in Python may have a value of its own. */
static inline bool
is_plain_float(PyObject *item)
{
    return PyFloat_CheckExact(item) ||
           (PyFloat_Check(item) &&
            !PyType_HasFeature(Py_TYPE(item), Py_TPFLAGS_HEAPTYPE));
}

/* What is not exact as a double is left to NumPy. */
static inline bool
read_double(PyObject *item, double *value)
{
    if (is_plain_float(item)) {
        *value = PyFloat_AS_DOUBLE(item);
        return true;
    }
    long long integer;
    if (!read_integer(item, &integer) || integer > 1LL << 53 ||
        integer < -(1LL << 53)) {
        return false;
    }
    *value = (double)integer;
    return true;
}

/* NumPy warns of an overflow, and of an underflow if it is asked to. */
static inline bool
narrow(double value, float *narrowed)
{
    *narrowed = (float)value;
    return isnormal(*narrowed) || value == 0 || !isfinite(value);
}

static inline bool
read_complex(PyObject *item, Py_complex *value)
{
    if (PyComplex_CheckExact(item)) {
        *value = ((PyComplexObject *)item)->cval;
        return true;
    }
    value->imag = 0;
    return read_double(item, &value->real);
}

/* -------------------------------------------------------------------- writers */

#define INTEGER_WRITER(name, type, least, most)                                        \
    static bool write_##name(const struct cell *cell, char *to, PyObject *item)        \
    {                                                                                  \
        long long integer;                                                             \
        if (!read_integer(item, &integer) || integer < (least) || integer > (most)) {  \
            return false;                                                              \
        }                                                                              \
        type value = (type)integer;                                                    \
        put(cell, to, &value, sizeof value);                                           \
        return true;                                                                   \
    }

INTEGER_WRITER(i1, int8_t, INT8_MIN, INT8_MAX)
INTEGER_WRITER(i2, int16_t, INT16_MIN, INT16_MAX)
INTEGER_WRITER(i4, int32_t, INT32_MIN, INT32_MAX)
INTEGER_WRITER(i8, int64_t, INT64_MIN, INT64_MAX)
INTEGER_WRITER(u1, uint8_t, 0, UINT8_MAX)
INTEGER_WRITER(u2, uint16_t, 0, UINT16_MAX)
INTEGER_WRITER(u4, uint32_t, 0, UINT32_MAX)
INTEGER_WRITER(u8, uint64_t, 0, INT64_MAX)

/* Other numbers are not cast to bool as same_kind. */
static bool
write_b1(const struct cell *Py_UNUSED(cell), char *to, PyObject *item)
{
    *to = (char)(item == Py_True);
    return PyBool_Check(item);
}

static bool
write_f8(const struct cell *cell, char *to, PyObject *item)
{
    double value;
    if (!read_double(item, &value)) {
        return false;
    }
    put(cell, to, &value, sizeof value);
    return true;
}

static bool
write_f4(const struct cell *cell, char *to, PyObject *item)
{
    double value;
    float narrowed;
    if (!read_double(item, &value) || !narrow(value, &narrowed)) {
        return false;
    }
    put(cell, to, &narrowed, sizeof narrowed);
    return true;
}

static bool
write_c16(const struct cell *cell, char *to, PyObject *item)
{
    Py_complex value;
    if (!read_complex(item, &value)) {
        return false;
    }
    put(cell, to, &value.real, sizeof value.real);
    put(cell, to + sizeof value.real, &value.imag, sizeof value.imag);
    return true;
}

static bool
write_c8(const struct cell *cell, char *to, PyObject *item)
{
    Py_complex value;
    float real, imag;
    if (!read_complex(item, &value) || !narrow(value.real, &real) ||
        !narrow(value.imag, &imag)) {
        return false;
    }
    put(cell, to, &real, sizeof real);
    put(cell, to + sizeof real, &imag, sizeof imag);
    return true;
}

/* As NumPy does, what is too long for the field is cut, and the rest of it is NUL. */
static bool
write_bytes(const struct cell *cell, char *to, PyObject *item)
{
    if (!PyBytes_CheckExact(item)) {
        return false;
    }
    size_t length = (size_t)PyBytes_GET_SIZE(item);
    size_t nbytes = length < cell->nbytes ? length : cell->nbytes;
    memcpy(to, PyBytes_AS_STRING(item), nbytes);
    memset(to + nbytes, 0, cell->nbytes - nbytes);
    return true;
}

static bool
write_text(const struct cell *cell, char *to, PyObject *item)
{
    if (!PyUnicode_CheckExact(item)) {
        return false;
    }
#if PY_VERSION_HEX < 0x030C0000
    if (!PyUnicode_IS_READY(item)) {
        return false;
    }
#endif
    Py_ssize_t length = PyUnicode_GET_LENGTH(item);
    Py_ssize_t room = (Py_ssize_t)(cell->nbytes / sizeof(Py_UCS4));
    for (Py_ssize_t i = 0; i < room; i++, to += sizeof(Py_UCS4)) {
        Py_UCS4 character = i < length ? PyUnicode_READ_CHAR(item, i) : 0;
        put(cell, to, &character, sizeof character);
    }
    return true;
}

static const struct writer {
    char kind;     /* of the dtype */
    size_t nbytes; /* 0: any */
    bool (*write)(const struct cell *cell, char *to, PyObject *item);
} writers[] = {
    {'b', 1, write_b1}, {'f', 8, write_f8},    {'f', 4, write_f4},
    {'i', 1, write_i1}, {'i', 2, write_i2},    {'i', 4, write_i4},
    {'i', 8, write_i8}, {'u', 1, write_u1},    {'u', 2, write_u2},
    {'u', 4, write_u4}, {'u', 8, write_u8},    {'c', 16, write_c16},
    {'c', 8, write_c8}, {'S', 0, write_bytes}, {'U', 0, write_text},
};

/* ----------------------------------------------------------------------- rows */

/* Without the GIL a list may change while it is read. */
static inline bool
may_be_list(const struct cells *cells)
{
#ifdef Py_GIL_DISABLED
    (void)cells;
    return false;
#else
    return cells->shape == CELLS_SEQUENCE;
#endif
}

bool
cells_write_row(const struct cells *cells, size_t row_nbytes, char *to, PyObject *row)
{
    bool fits =
        PyTuple_CheckExact(row) || (may_be_list(cells) && PyList_CheckExact(row));
    if (cells->shape == CELLS_NONE || !fits ||
        PySequence_Fast_GET_SIZE(row) != cells->count) {
        return false;
    }
    if (cells->padded) {
        memset(to, 0, row_nbytes);
    }
    PyObject **items = PySequence_Fast_ITEMS(row);
    for (Py_ssize_t i = 0; i < cells->count; i++) {
        const struct cell *cell = &cells->cell[i];
        if (!cell->write(cell, to + cell->offset, items[i])) {
            return false;
        }
    }
    return true;
}

/* Find what writes such a cell; false if nothing does. */
static bool
find_writer(struct cell *cell, int kind)
{
    for (size_t i = 0; i < sizeof writers / sizeof *writers; i++) {
        const struct writer *writer = &writers[i];
        if (writer->kind == kind &&
            (writer->nbytes == 0 || writer->nbytes == cell->nbytes)) {
            cell->write = writer->write;
            return true;
        }
    }
    return false;
}

/* Return 1, or 0 for a cell that nothing writes. */
static int
parse_cell(PyObject *description, struct cell *cell)
{
    int kind, swapped;
    Py_ssize_t offset, nbytes;
    if (!PyArg_ParseTuple(description, "Cnnp:cell", &kind, &offset, &nbytes,
                          &swapped)) {
        return -1;
    }
    *cell = (struct cell){
        .offset = (size_t)offset, .nbytes = (size_t)nbytes, .swapped = swapped};
    return find_writer(cell, kind);
}

int
cells_open(struct cells *cells, PyObject *description, size_t row_nbytes)
{
    PyObject *list;
    int shape;
    *cells = (struct cells){.shape = CELLS_NONE};
    if (!PyArg_ParseTuple(description, "iO!:cells", &shape, &PyTuple_Type, &list)) {
        return -1;
    }
    size_t end = 0; /* of the cells so far, if they lie without a gap in between */
    int rc = shape != CELLS_NONE;
    cells->count = PyTuple_GET_SIZE(list);
    cells->cell = PyMem_New(struct cell, cells->count);
    if (cells->cell == NULL) {
        PyErr_NoMemory();
        return -1;
    }
    for (Py_ssize_t i = 0; i < cells->count && rc > 0; i++) {
        rc = parse_cell(PyTuple_GET_ITEM(list, i), &cells->cell[i]);
        cells->padded |= cells->cell[i].offset != end;
        end += cells->cell[i].nbytes;
    }
    cells->padded |= end != row_nbytes;
    cells->shape = rc > 0 ? (enum cells_shape)shape : CELLS_NONE;
    return rc < 0 ? -1 : 0;
}

void
cells_close(struct cells *cells)
{
    PyMem_Free(cells->cell);
    cells->cell = NULL;
}
