/* setitem: Python objects written into the fields of a row. */

#include "setitem.h"

#include <datetime.h>
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

static inline void
store_value(const struct field *field, char *to, const void *value, size_t nbytes)
{
    memcpy(to, value, nbytes);
    if (field->swapped) {
        reverse(to, nbytes);
    }
}

/* -------------------------------------------------------------- NumPy's scalars */

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
        scalar.nbytes = (uint8_t)nbytes;
        scalar.offset = (uint16_t)(value - object);
    }
    if (scalars->count == SETITEM_MAX_SCALARS) {
        PyErr_SetString(PyExc_ValueError, "too many scalar types");
        return -1;
    }
    scalars->of[scalars->count++] = scalar;
    return 0;
}

static inline const char *
scalar_value(const struct scalar *scalar, PyObject *item)
{
    return (const char *)item + scalar->offset;
}

static bool
read_scalar_integer(const struct scalar *scalar, PyObject *item, long long *value)
{
    const char *from = scalar_value(scalar, item);
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
    memcpy(&number, from, scalar->nbytes);
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

/* Copy the value of a scalar whose type is the field's own. */
static inline bool
write_own(const struct field *field, char *to, PyObject *item)
{
    if (field->own == NULL || Py_TYPE(item) != field->own->type) {
        return false;
    }
    store_value(field, to, scalar_value(field->own, item), field->nbytes);
    return true;
}

/* -------------------------------------------------------------------- reading */

/* Read an int that fits, or a bool, which every number can hold. Otherwise look at one of
 * NumPy's integers; by the rule same_kind one with a sign is none for a field without. */
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
           read_scalar_integer(scalar, item, value);
}

/* NumPy's scalars that are no double: false for what is not exact as one. */
static bool
read_scalar_double(const struct field *field, PyObject *item, double *value)
{
    const struct scalar *scalar = scalars_find(field->scalars, Py_TYPE(item));
    if (scalar != NULL && scalar->kind == 'f') {
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
    long long integer;
    if (!read_integer(field, item, true, &integer) || integer > 1LL << 53 ||
        integer < -(1LL << 53)) {
        return false;
    }
    *value = (double)integer;
    return true;
}

/* A class made in Python that derives from float may have a value of its own. */
static inline bool
read_double(const struct field *field, PyObject *item, double *value)
{
    if (PyFloat_CheckExact(item)) {
        *value = PyFloat_AS_DOUBLE(item);
        return true;
    }
    return read_scalar_double(field, item, value);
}

/* NumPy warns of an overflow, and of an underflow if it is asked to. */
static inline bool
narrow(double value, float *narrowed)
{
    *narrowed = (float)value;
    return isnormal(*narrowed) || value == 0 || !isfinite(value);
}

static bool
read_scalar_complex(const struct scalar *scalar, PyObject *item, Py_complex *value)
{
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

static bool
read_complex(const struct field *field, PyObject *item, Py_complex *value)
{
    if (PyComplex_CheckExact(item)) {
        *value = ((PyComplexObject *)item)->cval;
        return true;
    }
    const struct scalar *scalar = scalars_find(field->scalars, Py_TYPE(item));
    if (scalar != NULL && scalar->kind == 'c') {
        return read_scalar_complex(scalar, item, value);
    }
    value->imag = 0;
    return read_double(field, item, &value->real);
}

/* ------------------------------------------------------------------- numbers */

#define INTEGER_WRITER(name, type, is_signed, min, max)                                \
    static bool write_##name(const struct field *field, char *to, PyObject *item)      \
    {                                                                                  \
        long long integer;                                                             \
        if (write_own(field, to, item)) {                                              \
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

/* By the rule same_kind no other number is a bool. */
static bool
write_b1(const struct field *field, char *to, PyObject *item)
{
    if (PyBool_Check(item)) {
        *to = (char)(item == Py_True);
        return true;
    }
    return write_own(field, to, item);
}

static bool
write_f8(const struct field *field, char *to, PyObject *item)
{
    double value;
    if (!read_double(field, item, &value)) {
        return false;
    }
    store_value(field, to, &value, sizeof value);
    return true;
}

static bool
write_f4(const struct field *field, char *to, PyObject *item)
{
    double value;
    float narrowed;
    if (write_own(field, to, item)) {
        return true;
    }
    if (!read_double(field, item, &value) || !narrow(value, &narrowed)) {
        return false;
    }
    store_value(field, to, &narrowed, sizeof narrowed);
    return true;
}

/* The rest of a long double is padding, which is zero in a row. */
#if LDBL_MANT_DIG == 64
enum { LONG_DOUBLE_NBYTES = 10 };
#else
enum { LONG_DOUBLE_NBYTES = sizeof(long double) };
#endif

static bool
write_long_double(const struct field *field, char *to, PyObject *item)
{
    double single;
    long double value;
    char bytes[sizeof value] = {0};
    if (field->own != NULL && Py_TYPE(item) == field->own->type) {
        memcpy(bytes, scalar_value(field->own, item), LONG_DOUBLE_NBYTES);
    }
    else if (read_double(field, item, &single)) {
        value = single;
        memcpy(bytes, &value, LONG_DOUBLE_NBYTES);
    }
    else {
        return false;
    }
    store_value(field, to, bytes, sizeof bytes);
    return true;
}

/* A half: only NumPy's own, bit by bit. */
static bool
write_f2(const struct field *field, char *to, PyObject *item)
{
    return write_own(field, to, item);
}

static bool
write_c16(const struct field *field, char *to, PyObject *item)
{
    Py_complex value;
    if (!field->swapped && write_own(field, to, item)) { /* each half is swapped */
        return true;
    }
    if (!read_complex(field, item, &value)) {
        return false;
    }
    store_value(field, to, &value.real, sizeof value.real);
    store_value(field, to + sizeof value.real, &value.imag, sizeof value.imag);
    return true;
}

static bool
write_c8(const struct field *field, char *to, PyObject *item)
{
    Py_complex value;
    float real, imag;
    if (!field->swapped && write_own(field, to, item)) {
        return true;
    }
    if (!read_complex(field, item, &value) || !narrow(value.real, &real) ||
        !narrow(value.imag, &imag)) {
        return false;
    }
    store_value(field, to, &real, sizeof real);
    store_value(field, to + sizeof real, &imag, sizeof imag);
    return true;
}

/* ---------------------------------------------------------------------- texts */

/* Whether an object is exactly of a builtin type, or of NumPy's that derives from it. */
static inline bool
is_text(const struct field *field, PyObject *item, const PyTypeObject *type, char kind)
{
    if (Py_TYPE(item) == type) {
        return true;
    }
    const struct scalar *scalar = scalars_find(field->scalars, Py_TYPE(item));
    return scalar != NULL && scalar->kind == kind;
}

/* As NumPy does, cut what is too long for the field, and fill the rest with NULs. */
static bool
write_bytes(const struct field *field, char *to, PyObject *item)
{
    if (!is_text(field, item, &PyBytes_Type, 'S')) {
        return false;
    }
    size_t length = (size_t)PyBytes_GET_SIZE(item);
    size_t nbytes = length < field->nbytes ? length : field->nbytes;
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
    for (Py_ssize_t i = 0; i < max; i++, to += sizeof(Py_UCS4)) {
        Py_UCS4 character = i < length ? PyUnicode_READ_CHAR(item, i) : 0;
        store_value(field, to, &character, sizeof character);
    }
    return true;
}

/* ---------------------------------------------------------- dates and durations */

enum { MONTHS = 12, DAYS_IN_WEEK = 7, SECONDS_IN_DAY = 86400, MICROSECONDS = 1000000 };
#define MICROSECONDS_IN_DAY ((int64_t)SECONDS_IN_DAY * MICROSECONDS)

static const struct {
    const char *name;
    int64_t per_day;
    char calendar;
} units[] = {
    {"Y", 0, 'Y'},
    {"M", 0, 'M'},
    {"W", 0, 'W'},
    {"D", 1, 0},
    {"h", 24, 0},
    {"m", 24 * 60, 0},
    {"s", SECONDS_IN_DAY, 0},
    {"ms", (int64_t)SECONDS_IN_DAY * 1000, 0},
    {"us", (int64_t)SECONDS_IN_DAY * MICROSECONDS, 0},
    {"ns", (int64_t)SECONDS_IN_DAY * MICROSECONDS * 1000, 0},
};

/* Days from 1970-01-01 to a day of the Gregorian calendar. A year begins in March here,
 * so that the leap day is its last. */
static int64_t
days_since_1970(int year, int month, int day)
{
    int64_t y = month > 2 ? year : year - 1; /* 0 or more, as year is 1 or more */
    int64_t m = month > 2 ? month - 3 : month + 9;
    int64_t leap_days = y / 4 - y / 100 + y / 400;
    enum { DAYS_TO_1970 = 719468 }; /* from 0000-03-01 */
    return 365 * y + leap_days + (153 * m + 2) / 5 + day - 1 - DAYS_TO_1970;
}

/* Make ticks of days and a time of day, 0 or more; as NumPy does, round down. */
static bool
ticks_of(const struct unit *unit, int64_t days, int64_t microseconds, int64_t *ticks)
{
    if (unit->calendar == 'W') {
        *ticks = (days >= 0 ? days : days - (DAYS_IN_WEEK - 1)) / DAYS_IN_WEEK;
        return true;
    }
    if (unit->per_day == 0 || days > INT64_MAX / unit->per_day - 1 ||
        days < INT64_MIN / unit->per_day + 1) {
        return false;
    }
    int64_t of_day = unit->per_day > MICROSECONDS_IN_DAY
                         ? microseconds * (unit->per_day / MICROSECONDS_IN_DAY)
                         : microseconds / (MICROSECONDS_IN_DAY / unit->per_day);
    *ticks = days * unit->per_day + of_day;
    return true;
}

/* Read a date, or a datetime without a time zone. */
static bool
read_date(const struct unit *unit, PyObject *item, int64_t *ticks)
{
    int64_t seconds = 0, microseconds = 0;
    if (PyDateTime_CheckExact(item)) {
        if (PyDateTime_DATE_GET_TZINFO(item) != Py_None) {
            return false;
        }
        seconds = PyDateTime_DATE_GET_HOUR(item) * 3600 +
                  PyDateTime_DATE_GET_MINUTE(item) * 60 +
                  PyDateTime_DATE_GET_SECOND(item);
        microseconds = PyDateTime_DATE_GET_MICROSECOND(item);
    }
    else if (!PyDate_CheckExact(item)) {
        return false;
    }
    int year = PyDateTime_GET_YEAR(item), month = PyDateTime_GET_MONTH(item);
    switch (unit->calendar) {
    case 'Y':
        *ticks = year - 1970;
        return true;
    case 'M':
        *ticks = (year - 1970) * MONTHS + month - 1;
        return true;
    default:
        return ticks_of(unit, days_since_1970(year, month, PyDateTime_GET_DAY(item)),
                        seconds * MICROSECONDS + microseconds, ticks);
    }
}

static bool
read_duration(const struct unit *unit, PyObject *item, int64_t *ticks)
{
    if (!PyDelta_CheckExact(item)) {
        return false;
    }
    int64_t seconds = PyDateTime_DELTA_GET_SECONDS(item);
    return ticks_of(unit, PyDateTime_DELTA_GET_DAYS(item),
                    seconds * MICROSECONDS + PyDateTime_DELTA_GET_MICROSECONDS(item),
                    ticks);
}

/* Where a NumPy scalar says its unit, or NULL. */
static const char *
scalar_meta(const struct scalar *scalar, PyObject *item)
{
    size_t end = (size_t)scalar->offset + scalar->nbytes;
    bool is_there =
        end + sizeof((struct unit *)0)->meta <= (size_t)Py_TYPE(item)->tp_basicsize;
    return is_there ? (const char *)item + end : NULL;
}

/* Write one of NumPy's own dates or durations, if it is of the field's unit. */
static bool
write_own_ticks(const struct field *field, char *to, PyObject *item)
{
    return field->own != NULL && Py_TYPE(item) == field->own->type &&
           memcmp(scalar_meta(field->own, item), field->unit->meta,
                  sizeof field->unit->meta) == 0 &&
           write_own(field, to, item);
}

static bool
write_date(const struct field *field, char *to, PyObject *item)
{
    int64_t ticks;
    if (write_own_ticks(field, to, item)) {
        return true;
    }
    if (!read_date(field->unit, item, &ticks)) {
        return false;
    }
    store_value(field, to, &ticks, sizeof ticks);
    return true;
}

static bool
write_duration(const struct field *field, char *to, PyObject *item)
{
    int64_t ticks;
    if (write_own_ticks(field, to, item)) {
        return true;
    }
    if (!read_duration(field->unit, item, &ticks)) {
        return false;
    }
    store_value(field, to, &ticks, sizeof ticks);
    return true;
}

/* ------------------------------------------------------------------ compounds */

static bool
write_none(const struct field *Py_UNUSED(field), char *Py_UNUSED(to),
           PyObject *Py_UNUSED(item))
{
    return false;
}

static bool
write_record(const struct field *field, char *to, PyObject *item)
{
    if (!PyTuple_CheckExact(item) || PyTuple_GET_SIZE(item) != field->count) {
        return false;
    }
    for (Py_ssize_t i = 0; i < field->count; i++) {
        const struct field *part = &field->parts[i];
        if (!part->write(part, to + part->offset, PyTuple_GET_ITEM(item, i))) {
            return false;
        }
    }
    return true;
}

/* Without the GIL another thread may change a list while it is read. */
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
    if (!is_sequence(item) || PySequence_Fast_GET_SIZE(item) != field->count) {
        return false;
    }
    const struct field *part = field->parts;
    PyObject **items = PySequence_Fast_ITEMS(item);
    for (Py_ssize_t i = 0; i < field->count; i++, to += part->nbytes) {
        if (!part->write(part, to, items[i])) {
            return false;
        }
    }
    return true;
}

/* --------------------------------------------------------------- descriptions */

static int open_field(struct field *field, PyObject *description,
                      const struct scalars *scalars);

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

static void
find_writer(struct field *field, int kind)
{
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

/* Find out how NumPy's scalars say a unit. If two units look the same that way, none of
 * those scalars can be written here. */
static int
open_unit(struct field *field, const char *name, PyObject *scalar, PyObject *other)
{
    field->unit = PyMem_Calloc(1, sizeof *field->unit);
    if (field->unit == NULL) {
        PyErr_NoMemory();
        return -1;
    }
    for (size_t i = 0; i < sizeof units / sizeof *units; i++) {
        if (strcmp(units[i].name, name) == 0) {
            field->unit->per_day = units[i].per_day;
            field->unit->calendar = units[i].calendar;
        }
    }
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

/* Open the parts of a compound, which can be written if all of them can. */
static int
open_parts(struct field *field, PyObject *const *descriptions, Py_ssize_t nparts)
{
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
    return open_parts(field, &part, 1);
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
    int rc = open_field(field, description, scalars);
    if (rc < 0) {
        field_close(field);
    }
    return rc;
}

void
field_close(struct field *field)
{
    for (Py_ssize_t i = 0; i < field->nparts; i++) {
        field_close(&field->parts[i]);
    }
    PyMem_Free(field->parts);
    PyMem_Free(field->unit);
    *field = (struct field){.write = write_none};
}

int
setitem_init(void)
{
    PyDateTime_IMPORT;
    return PyDateTimeAPI == NULL ? -1 : 0;
}
