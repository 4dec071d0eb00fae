/* setitem: writing Python objects into the fields of a row. */

#include "setitem.h"

#include <float.h>
#include <math.h>
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

/* Write a value in the byte order of the field. */
static inline void
store_value(const struct field *field, char *to, const void *value, size_t nbytes)
{
    assert(nbytes > 0 && nbytes <= field->nbytes);
    memcpy(to, value, nbytes);
    if (field->swapped) {
        reverse(to, nbytes);
    }
}

/* Copy the value of a NumPy scalar of the field's own type; return false for others. If
 * `nbytes` is a constant, the compiler copies without a call. */
static inline bool
write_own(const struct field *field, char *to, PyObject *item, size_t nbytes)
{
    if (field->own == NULL || Py_TYPE(item) != field->own->type) {
        return false;
    }
    assert(field->own->nbytes == nbytes && field->nbytes == nbytes);
    store_value(field, to, scalar_value(field->own, item), nbytes);
    return true;
}

/* -------------------------------------------------------------------- reading */

/* Read an int that fits in a long long, a bool, or an integer scalar of NumPy. Accept
 * signed scalars only if `signed_too`: the rule same_kind does not cast them to
 * unsigned integers. */
static inline bool
read_integer(const struct field *field, PyObject *item, bool signed_too,
             long long *value)
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
    if (PyLong_CheckExact(item)) {
        int overflow;
        *value = PyLong_AsLongLongAndOverflow(item, &overflow);
        return overflow == 0;
    }
    const struct scalar *scalar = scalars_find(field->scalars, Py_TYPE(item));
    if (scalar == NULL) {
        return false;
    }
    bool is_integer = scalar->kind == 'u' || scalar->kind == 'b' ||
                      (scalar->kind == 'i' && signed_too);
    return is_integer && scalar->nbytes <= sizeof(long long) &&
           scalar_integer(scalar, item, value);
}

/* Read a float, a float scalar of NumPy, or an integer. Return false for an object of a
 * Python subclass of float, which may override __float__; and for an integer that a
 * double may not represent exactly. NumPy converts these. */
static inline bool
read_double(const struct field *field, PyObject *item, double *value)
{
    if (PyFloat_CheckExact(item)) {
        *value = PyFloat_AS_DOUBLE(item);
        return true;
    }
    const struct scalar *scalar = scalars_find(field->scalars, Py_TYPE(item));
    if (scalar != NULL && scalar->kind == 'f') {
        return scalar_double(scalar, item, value);
    }
    long long integer;
    if (!read_integer(field, item, true, &integer) || integer > 1LL << 53 ||
        integer < -(1LL << 53)) {
        return false;
    }
    *value = (double)integer;
    return true;
}

/* Convert a double to a float. Return false if it overflows or underflows: NumPy may
 * warn of that. */
static inline bool
narrow(double value, float *narrowed)
{
    *narrowed = (float)value;
    return isnormal(*narrowed) || value == 0 || !isfinite(value);
}

static bool
read_complex(const struct field *field, PyObject *item, Py_complex *value)
{
    if (PyComplex_CheckExact(item)) {
        *value = ((PyComplexObject *)item)->cval;
        return true;
    }
    const struct scalar *scalar = scalars_find(field->scalars, Py_TYPE(item));
    if (scalar != NULL && scalar->kind == 'c') {
        return scalar_complex(scalar, item, value);
    }
    value->imag = 0;
    return read_double(field, item, &value->real);
}

/* ------------------------------------------------------------------- numbers */

#define INTEGER_WRITER(name, type, is_signed, min, max)                                \
    static bool write_##name(const struct field *field, char *to, PyObject *item)      \
    {                                                                                  \
        long long integer;                                                             \
        assert(field->nbytes == sizeof(type));                                         \
        if (write_own(field, to, item, sizeof(type))) {                                \
            return true;                                                               \
        }                                                                              \
        if (!read_integer(field, item, is_signed, &integer) || integer < (min) ||      \
            integer > (max)) {                                                         \
            return false;                                                              \
        }                                                                              \
        type value = (type)integer;                                                    \
        store_value(field, to, &value, sizeof value);                                  \
        return true;                                                                   \
    }

INTEGER_WRITER(i1, int8_t, true, INT8_MIN, INT8_MAX)
INTEGER_WRITER(i2, int16_t, true, INT16_MIN, INT16_MAX)
INTEGER_WRITER(i4, int32_t, true, INT32_MIN, INT32_MAX)
INTEGER_WRITER(i8, int64_t, true, INT64_MIN, INT64_MAX)
INTEGER_WRITER(u1, uint8_t, false, 0, UINT8_MAX)
INTEGER_WRITER(u2, uint16_t, false, 0, UINT16_MAX)
INTEGER_WRITER(u4, uint32_t, false, 0, UINT32_MAX)
INTEGER_WRITER(u8, uint64_t, false, 0, INT64_MAX)

/* By the rule same_kind, only bools can be cast to a bool. */
static bool
write_b1(const struct field *field, char *to, PyObject *item)
{
    assert(field->nbytes == 1);
    if (PyBool_Check(item)) {
        *to = (char)(item == Py_True);
        return true;
    }
    return write_own(field, to, item, 1);
}

static bool
write_f8(const struct field *field, char *to, PyObject *item)
{
    double value;
    assert(field->nbytes == sizeof value);
    if (!PyFloat_CheckExact(item) && write_own(field, to, item, sizeof value)) {
        return true;
    }
    if (!read_double(field, item, &value)) {
        return false;
    }
    store_value(field, to, &value, sizeof value);
    return true;
}

static bool
write_f2(const struct field *field, char *to, PyObject *item)
{
    assert(field->nbytes == 2);
    return write_own(field, to, item, 2);
}

static bool
write_f4(const struct field *field, char *to, PyObject *item)
{
    double value;
    float narrowed;
    assert(field->nbytes == sizeof narrowed);
    if (write_own(field, to, item, sizeof narrowed)) {
        return true;
    }
    if (!read_double(field, item, &value) || !narrow(value, &narrowed)) {
        return false;
    }
    store_value(field, to, &narrowed, sizeof narrowed);
    return true;
}

/* How many bytes of a long double hold its value. The others are padding: rows have
 * zeros there. */
#if LDBL_MANT_DIG == 64
enum { LONG_DOUBLE_NBYTES = 10 };
#else
enum { LONG_DOUBLE_NBYTES = sizeof(long double) };
#endif

static bool
write_long_double(const struct field *field, char *to, PyObject *item)
{
    double number;
    long double value;
    char bytes[sizeof value] = {0};
    assert(field->nbytes == sizeof value);
    if (field->own != NULL && Py_TYPE(item) == field->own->type) {
        memcpy(bytes, scalar_value(field->own, item), LONG_DOUBLE_NBYTES);
    }
    else if (read_double(field, item, &number)) {
        value = number;
        memcpy(bytes, &value, LONG_DOUBLE_NBYTES);
    }
    else {
        return false;
    }
    store_value(field, to, bytes, sizeof bytes);
    return true;
}

static bool
write_c16(const struct field *field, char *to, PyObject *item)
{
    Py_complex value;
    if (!field->swapped && /* each half would have to be swapped */
        write_own(field, to, item, 2 * sizeof value.real)) {
        return true;
    }
    if (!read_complex(field, item, &value)) {
        return false;
    }
    assert(field->nbytes == 2 * sizeof value.real);
    store_value(field, to, &value.real, sizeof value.real);
    store_value(field, to + sizeof value.real, &value.imag, sizeof value.imag);
    return true;
}

static bool
write_c8(const struct field *field, char *to, PyObject *item)
{
    Py_complex value;
    float real, imag;
    if (!field->swapped && write_own(field, to, item, 2 * sizeof real)) {
        return true;
    }
    if (!read_complex(field, item, &value) || !narrow(value.real, &real) ||
        !narrow(value.imag, &imag)) {
        return false;
    }
    assert(field->nbytes == 2 * sizeof real);
    store_value(field, to, &real, sizeof real);
    store_value(field, to + sizeof real, &imag, sizeof imag);
    return true;
}

/* ---------------------------------------------------------------------- texts */

/* Whether an object's type is `type` itself, or NumPy's scalar type of this kind. */
static inline bool
is_text(const struct field *field, PyObject *item, const PyTypeObject *type, char kind)
{
    if (Py_TYPE(item) == type) {
        return true;
    }
    const struct scalar *scalar = scalars_find(field->scalars, Py_TYPE(item));
    return scalar != NULL && scalar->kind == kind;
}

/* As NumPy does, cut off the bytes that do not fit, or fill the rest of the field with
 * NULs. */
static bool
write_bytes(const struct field *field, char *to, PyObject *item)
{
    if (!is_text(field, item, &PyBytes_Type, 'S')) {
        return false;
    }
    size_t length = (size_t)PyBytes_GET_SIZE(item);
    size_t nbytes = length < field->nbytes ? length : field->nbytes;
    assert(field->nbytes > 0);
    memcpy(to, PyBytes_AS_STRING(item), nbytes);
    memset(to + nbytes, 0, field->nbytes - nbytes);
    return true;
}

static bool
write_str(const struct field *field, char *to, PyObject *item)
{
    if (!is_text(field, item, &PyUnicode_Type, 'U')) {
        return false;
    }
#if PY_VERSION_HEX < 0x030C0000
    if (!PyUnicode_IS_READY(item)) {
        return false;
    }
#endif
    Py_ssize_t length = PyUnicode_GET_LENGTH(item);
    Py_ssize_t max = (Py_ssize_t)(field->nbytes / sizeof(Py_UCS4));
    assert(field->nbytes % sizeof(Py_UCS4) == 0);
    for (Py_ssize_t i = 0; i < max; i++, to += sizeof(Py_UCS4)) {
        Py_UCS4 character = i < length ? PyUnicode_READ_CHAR(item, i) : 0;
        store_value(field, to, &character, sizeof character);
    }
    return true;
}

/* ---------------------------------------------------------- dates and durations */

/* Return the address of the bytes after a NumPy scalar's value, where NumPy stores the
 * unit; NULL if the object is too short. */
static const char *
scalar_meta(const struct scalar *scalar, PyObject *item)
{
    size_t end = (size_t)scalar->offset + scalar->nbytes;
    assert(Py_TYPE(item) == scalar->type && scalar->nbytes == sizeof(int64_t));
    bool is_there = end + sizeof((struct field_unit *)0)->meta <=
                    (size_t)Py_TYPE(item)->tp_basicsize;
    return is_there ? (const char *)item + end : NULL;
}

/* Write a NumPy scalar that has the type and the unit of the field, or an object of
 * Python that `convert` can convert to ticks of the unit. */
static inline bool
write_ticks(const struct field *field, char *to, PyObject *item,
            bool (*convert)(const struct dates_unit *, PyObject *, int64_t *))
{
    int64_t ticks;
    assert(field->unit != NULL && field->nbytes == sizeof ticks);
    if (field->own != NULL && Py_TYPE(item) == field->own->type) {
        size_t nbytes = sizeof field->unit->meta;
        return memcmp(scalar_meta(field->own, item), field->unit->meta, nbytes) == 0 &&
               write_own(field, to, item, sizeof ticks);
    }
    if (!convert(&field->unit->unit, item, &ticks)) {
        return false;
    }
    store_value(field, to, &ticks, sizeof ticks);
    return true;
}

static bool
write_date(const struct field *field, char *to, PyObject *item)
{
    return write_ticks(field, to, item, dates_read);
}

static bool
write_duration(const struct field *field, char *to, PyObject *item)
{
    return write_ticks(field, to, item, dates_read_duration);
}

/* ------------------------------------------------------------------ compounds */

/* The writer of a field that has no other writer: it refuses every object. */
static bool
write_none(const struct field *Py_UNUSED(field), char *Py_UNUSED(to),
           PyObject *Py_UNUSED(item))
{
    return false;
}

static bool
write_record(const struct field *field, char *to, PyObject *item)
{
    assert(field->parts != NULL && field->nparts == field->count);
    if (!PyTuple_CheckExact(item) || PyTuple_GET_SIZE(item) != field->count) {
        return false;
    }
    for (Py_ssize_t i = 0; i < field->count; i++) {
        const struct field *part = &field->parts[i];
        assert(part->offset + part->nbytes <= field->nbytes);
        if (!part->write(part, to + part->offset, PyTuple_GET_ITEM(item, i))) {
            return false;
        }
    }
    return true;
}

/* Whether an object is a list or a tuple. Without the GIL another thread may change a
 * list while it is read, so accept only tuples. */
static inline bool
is_sequence(PyObject *item)
{
#ifdef Py_GIL_DISABLED
    return PyTuple_CheckExact(item);
#else
    return PyTuple_CheckExact(item) || PyList_CheckExact(item);
#endif
}

static bool
write_sequence(const struct field *field, char *to, PyObject *item)
{
    assert(field->parts != NULL && field->nparts == 1);
    if (!is_sequence(item) || PySequence_Fast_GET_SIZE(item) != field->count) {
        return false;
    }
    const struct field *part = field->parts;
    assert(part->nbytes * (size_t)field->count == field->nbytes);
    PyObject **items = PySequence_Fast_ITEMS(item);
    for (Py_ssize_t i = 0; i < field->count; i++, to += part->nbytes) {
        if (!part->write(part, to, items[i])) {
            return false;
        }
    }
    assert(PySequence_Fast_GET_SIZE(item) == field->count); /* no other code has run */
    return true;
}

/* --------------------------------------------------------------- descriptions */

static int open_field(struct field *field, PyObject *description,
                      const struct scalars *scalars);

/* If two entries fit, the later one is used. */
static const struct writer {
    char kind;
    size_t nbytes; /* 0: any */
    bool (*write)(const struct field *field, char *to, PyObject *item);
} writers[] = {
    {'b', 1, write_b1},       {'f', sizeof(long double), write_long_double},
    {'f', 8, write_f8},       {'f', 4, write_f4},
    {'f', 2, write_f2},       {'i', 1, write_i1},
    {'i', 2, write_i2},       {'i', 4, write_i4},
    {'i', 8, write_i8},       {'u', 1, write_u1},
    {'u', 2, write_u2},       {'u', 4, write_u4},
    {'u', 8, write_u8},       {'c', 16, write_c16},
    {'c', 8, write_c8},       {'S', 0, write_bytes},
    {'U', 0, write_str},      {'M', 8, write_date},
    {'m', 8, write_duration},
};

/* Set the writer of a field, and NumPy's scalar type for it. */
static void
find_writer(struct field *field, int kind)
{
    assert(field->own == NULL && field->write == write_none && field->nbytes > 0);
    for (size_t i = 0; i < sizeof writers / sizeof *writers; i++) {
        const struct writer *writer = &writers[i];
        if (writer->kind == kind &&
            (writer->nbytes == 0 || writer->nbytes == field->nbytes)) {
            field->write = writer->write;
        }
    }
    for (int i = field->scalars->count - 1; i >= 0; i--) {
        const struct scalar *scalar = &field->scalars->of[i];
        if (scalar->kind == kind && scalar->nbytes == field->nbytes) {
            field->own = scalar;
        }
    }
}

/* Store the field's unit, and the bytes by which NumPy's scalars show their unit.
 * `scalar` has the unit, `other` another one. If their bytes are equal, the unit is
 * stored elsewhere: then leave all scalars to NumPy. */
static int
open_unit(struct field *field, const char *name, PyObject *scalar, PyObject *other)
{
    assert(field->unit == NULL && name != NULL && other != NULL);
    field->unit = PyMem_Calloc(1, sizeof *field->unit);
    if (field->unit == NULL) {
        PyErr_NoMemory();
        return -1;
    }
    field->unit->unit = dates_unit_named(name);
    const struct scalar *own = field->own;
    bool is_own = own != NULL && Py_TYPE(scalar) == own->type &&
                  Py_TYPE(other) == own->type && scalar_meta(own, scalar) != NULL;
    size_t nbytes = sizeof field->unit->meta;
    if (is_own && memcmp(scalar_meta(own, scalar), scalar_meta(own, other), nbytes)) {
        memcpy(field->unit->meta, scalar_meta(own, scalar), nbytes);
    }
    else {
        field->own = NULL;
    }
    return 0;
}

/* Open the parts of a compound. If one part has no writer, the compound has none. */
static int
open_parts(struct field *field, PyObject *const *descriptions, Py_ssize_t nparts)
{
    assert(field->parts == NULL && field->nparts == 0);
    field->parts = PyMem_Calloc(nparts > 0 ? (size_t)nparts : 1, sizeof *field->parts);
    if (field->parts == NULL) {
        PyErr_NoMemory();
        return -1;
    }
    while (field->nparts < nparts) {
        PyObject *description = descriptions[field->nparts];
        struct field *part = &field->parts[field->nparts++];
        if (open_field(part, description, field->scalars) < 0) {
            return -1;
        }
        if (part->write == write_none) {
            field->write = write_none;
        }
    }
    return 0;
}

static int
open_record(struct field *field, PyObject *description)
{
    PyObject *name, *parts;
    Py_ssize_t offset, nbytes;
    if (!PyArg_ParseTuple(description, "UnnO!:record", &name, &offset, &nbytes,
                          &PyTuple_Type, &parts)) {
        return -1;
    }
    assert(offset >= 0 && nbytes > 0);
    field->offset = (size_t)offset;
    field->nbytes = (size_t)nbytes;
    field->write = write_record;
    field->count = PyTuple_GET_SIZE(parts);
    return open_parts(field, ((PyTupleObject *)parts)->ob_item, field->count);
}

static int
open_sequence(struct field *field, PyObject *description)
{
    PyObject *name, *part;
    Py_ssize_t offset, nbytes;
    if (!PyArg_ParseTuple(description, "UnnnO:sequence", &name, &offset, &nbytes,
                          &field->count, &part)) {
        return -1;
    }
    field->offset = (size_t)offset;
    field->nbytes = (size_t)nbytes;
    field->write = write_sequence;
    assert(offset >= 0 && field->count >= 0);
    int rc = open_parts(field, &part, 1);
    assert(rc < 0 || field->parts->nbytes * (size_t)field->count == field->nbytes);
    return rc;
}

static int
open_item(struct field *field, PyObject *description)
{
    const char *unit = NULL;
    PyObject *scalar = NULL, *other = NULL;
    int kind, swapped;
    Py_ssize_t offset, nbytes;
    if (!PyArg_ParseTuple(description, "Cnnp|sOO:item", &kind, &offset, &nbytes,
                          &swapped, &unit, &scalar, &other)) {
        return -1;
    }
    assert(offset >= 0 && nbytes > 0);
    field->offset = (size_t)offset;
    field->nbytes = (size_t)nbytes;
    field->swapped = swapped;
    find_writer(field, kind);
    if (kind != 'M' && kind != 'm') {
        return 0;
    }
    if (other == NULL) {
        PyErr_SetString(PyExc_TypeError, "a date needs a unit and two scalars");
        return -1;
    }
    return open_unit(field, unit, scalar, other);
}

/* As field_open(), but after an error the caller closes the field. */
static int
open_field(struct field *field, PyObject *description, const struct scalars *scalars)
{
    *field = (struct field){.write = write_none, .scalars = scalars};
    if (!PyTuple_Check(description) || PyTuple_GET_SIZE(description) == 0 ||
        !PyUnicode_Check(PyTuple_GET_ITEM(description, 0))) {
        PyErr_SetString(PyExc_TypeError, "a field is described by a tuple");
        return -1;
    }
    PyObject *name = PyTuple_GET_ITEM(description, 0);
    if (PyUnicode_CompareWithASCIIString(name, "record") == 0) {
        return open_record(field, description);
    }
    if (PyUnicode_CompareWithASCIIString(name, "sequence") == 0) {
        return open_sequence(field, description);
    }
    return open_item(field, description);
}

int
field_open(struct field *field, PyObject *description, const struct scalars *scalars)
{
    assert(description != NULL && scalars != NULL);
    int rc = open_field(field, description, scalars);
    if (rc < 0) {
        field_close(field);
    }
    return rc;
}

void
field_close(struct field *field)
{
    assert(field->nparts == 0 || field->parts != NULL);
    for (Py_ssize_t i = 0; i < field->nparts; i++) {
        field_close(&field->parts[i]);
    }
    PyMem_Free(field->parts);
    PyMem_Free(field->unit);
    *field = (struct field){.write = write_none};
}
