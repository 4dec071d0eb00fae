/* sequence: reading and searching a GrowBuffer: items, slices, +, *, in, hex(). */
#include "sequence.h"

#include <string.h>

#include "args.h"
#include "base.h"
#include "copy.h"
#include "methods.h"

/* Arguments are converted first and lengths are read afterwards, because a conversion
 * may run user code. Arguments of uncommon types are passed to bytearray's method
 * (base.h). */

/* ------------------------------------------------------------- items and slices */

static PyObject *
new_slice(PyObject *op, Py_ssize_t start, Py_ssize_t stop, Py_ssize_t step)
{
    BufferObject *self = buffer_cast(op);
    Py_ssize_t count =
        PySlice_AdjustIndices((Py_ssize_t)buffer_length(self), &start, &stop, step);
    assert(step != 0 && count >= 0 && (size_t)count <= buffer_length(self));
    PyObject *result = buffer_create(buffer_type(Py_TYPE(op)), (size_t)count);
    if (result == NULL || count == 0) {
        return result;
    }
    char *to = buffer_bytes(buffer_cast(result));
    const char *from = buffer_bytes(self) + start;
    assert(start >= 0 && (size_t)start < buffer_length(self));
    assert(start + (count - 1) * step >= 0);
    assert((size_t)(start + (count - 1) * step) < buffer_length(self));
    if (step == 1) {
        copy_bytes(to, from, (size_t)count);
    }
    else {
        methods_stride(to, from, step, (size_t)count);
    }
    return result;
}

/* Return the byte at the index, or -1 with an exception. */
static int
get_item(BufferObject *self, Py_ssize_t index)
{
    Py_ssize_t length = (Py_ssize_t)buffer_length(self);
    if (index < 0) {
        index += length;
    }
    if (index < 0 || index >= length) {
        PyErr_SetString(PyExc_IndexError, "bytearray index out of range");
        return -1;
    }
    assert(index >= 0 && (size_t)index < buffer_length(self));
    return (unsigned char)buffer_bytes(self)[index];
}

PyObject *
sequence_subscript(PyObject *op, PyObject *index)
{
    Py_ssize_t start, stop, step;
    if (PySlice_Check(index)) {
        if (PySlice_Unpack(index, &start, &stop, &step) < 0) {
            return NULL;
        }
        BUFFER_LOCKED(PyObject *, result, op, new_slice(op, start, stop, step));
        return result;
    }
    if (!args_small_int(index, &start)) {
        if (!PyIndex_Check(index)) {
            return PyByteArray_Type.tp_as_mapping->mp_subscript(op, index);
        }
        start = PyNumber_AsSsize_t(index, PyExc_IndexError);
        if (start == -1 && PyErr_Occurred()) {
            return NULL;
        }
    }
    BUFFER_LOCKED(int, value, op, get_item(buffer_cast(op), start));
    return value < 0 ? NULL : PyLong_FromLong(value);
}

/* ---------------------------------------------------------------------- + and * */

PyObject *
sequence_concat(PyObject *op, PyObject *other)
{
    BufferObject *self = buffer_cast(op);
    struct args_bytes right;
    if (!args_open_bytes(other, &right)) {
        int rc;
        Py_BEGIN_CRITICAL_SECTION(op);
        buffer_hold(self);
        rc = PyObject_GetBuffer(other, &right.view, PyBUF_SIMPLE);
        buffer_unhold(self);
        Py_END_CRITICAL_SECTION();
        if (rc < 0) {
            PyErr_Format(PyExc_TypeError, "can't concat %.100s to %.100s",
                         Py_TYPE(other)->tp_name, Py_TYPE(op)->tp_name);
            return NULL;
        }
        right.piece = (struct piece){right.view.buf, (size_t)right.view.len};
    }
    PyObject *result;
    Py_BEGIN_CRITICAL_SECTION(op);
    size_t length = buffer_length(self), added = right.piece.nbytes;
    assert(length <= PY_SSIZE_T_MAX && added <= PY_SSIZE_T_MAX);
    if (added > (size_t)PY_SSIZE_T_MAX - length) {
        result = PyErr_NoMemory();
    }
    else {
        result = buffer_create(buffer_type(Py_TYPE(op)), length + added);
    }
    if (result != NULL) {
        char *to = buffer_bytes(buffer_cast(result));
        assert(buffer_length(buffer_cast(result)) == length + added);
        assert(added == 0 || right.piece.start != NULL);
        copy_bytes(to, buffer_bytes(self), length);
        copy_bytes(to + length, right.piece.start, added);
    }
    Py_END_CRITICAL_SECTION();
    args_close_bytes(&right);
    return result;
}

/* Return a new buffer with the bytes repeated `count` times. If they are one zero byte,
 * append zeros: on new pages these need not be written. */
static PyObject *
new_repeated(PyObject *op, size_t count)
{
    PyTypeObject *type = buffer_type(Py_TYPE(op));
    const char *bytes = buffer_bytes(buffer_cast(op));
    size_t unit = buffer_length(buffer_cast(op));
    if (unit > 0 && count > (size_t)PY_SSIZE_T_MAX / unit) {
        return PyErr_NoMemory();
    }
    assert(type != NULL && unit * count <= PY_SSIZE_T_MAX);
    if (unit == 1 && bytes[0] == '\0') {
        PyObject *result = buffer_create(type, 0);
        if (result != NULL && buffer_append_zeros(buffer_cast(result), count) < 0) {
            Py_CLEAR(result);
        }
        return result;
    }
    PyObject *result = buffer_create(type, unit * count);
    if (result != NULL && unit * count > 0) {
        assert(count > 0 && unit > 0);
        copy_bytes(buffer_bytes(buffer_cast(result)), bytes, unit);
        store_repeat(buffer_bytes(buffer_cast(result)), unit, unit * count);
    }
    return result;
}

PyObject *
sequence_repeat(PyObject *op, Py_ssize_t count)
{
    BUFFER_LOCKED(PyObject *, result, op,
                  new_repeated(op, count < 0 ? 0 : (size_t)count));
    return result;
}

/* -------------------------------------------------------------------- searching */

int
sequence_contains(PyObject *op, PyObject *value)
{
    Py_ssize_t byte;
    if (args_small_int(value, &byte) && byte >= 0 && byte <= 255) {
        BUFFER_LOCKED(size_t, at, op, find_byte(buffer_piece(op), (char)byte));
        return at != FIND_NONE;
    }
    struct args_bytes part;
    if (!args_open_bytes(value, &part)) {
        return base_contains(op, value);
    }
    BUFFER_LOCKED(bool, found, op,
                  find_first(buffer_piece(op), part.piece) != FIND_NONE);
    args_close_bytes(&part);
    return found;
}

/* Compare with bytes, a bytearray or a GrowBuffer. Objects of other types, including
 * subclasses, are compared by bytearray's own slot. */
PyObject *
sequence_compare(PyObject *op, PyObject *other, int operator)
{
    bool is_bytes = PyBytes_CheckExact(other);
    if (!is_bytes && !PyByteArray_CheckExact(other) &&
        !buffer_is_exact_type(Py_TYPE(other))) {
        return PyByteArray_Type.tp_richcompare(op, other, operator);
    }
    int order = 0;
    Py_BEGIN_CRITICAL_SECTION2(op, other);
    struct piece left = buffer_piece(op);
    struct piece right = is_bytes ? (struct piece){PyBytes_AS_STRING(other),
                                                   (size_t)PyBytes_GET_SIZE(other)}
                                  : (struct piece){PyByteArray_AS_STRING(other),
                                                   (size_t)PyByteArray_GET_SIZE(other)};
    bool same_length = left.nbytes == right.nbytes;
    if (same_length || (operator != Py_EQ && operator != Py_NE)) {
        order = memcmp(left.start, right.start,
                       left.nbytes < right.nbytes ? left.nbytes : right.nbytes);
    }
    if (order == 0 && !same_length) {
        order = left.nbytes < right.nbytes ? -1 : 1;
    }
    Py_END_CRITICAL_SECTION2();
    Py_RETURN_RICHCOMPARE(order, 0, operator);
}

/* The arguments of a search method: the part, and the range to search. */
struct search {
    struct args_bytes part;
    char byte; /* the part, if it was passed as an int */
    Py_ssize_t start, stop;
};

/* Read the arguments. The part may be an int if `ints` is true. Return false if
 * bytearray's method must handle them. */
static bool
search_open(struct search *search, PyObject *const *args, Py_ssize_t nargs, bool ints)
{
    search->start = 0;
    search->stop = PY_SSIZE_T_MAX;
    if (nargs < 1 || nargs > 3 ||
        (nargs > 1 && args[1] != Py_None && !args_small_int(args[1], &search->start)) ||
        (nargs > 2 && args[2] != Py_None && !args_small_int(args[2], &search->stop))) {
        return false;
    }
    Py_ssize_t byte;
    if (ints && args_small_int(args[0], &byte) && byte >= 0 && byte <= 255) {
        search->byte = (char)byte;
        search->part.piece = (struct piece){&search->byte, 1};
        search->part.view.obj = NULL;
        return true;
    }
    return args_open_bytes(args[0], &search->part);
}

/* Return the bytes to search, and set search->start to their offset in the buffer. If
 * the range starts after its end, return a `start` of NULL: not even an empty part is
 * found then. */
static struct piece
search_range(struct search *search, BufferObject *self)
{
    Py_ssize_t length = (Py_ssize_t)buffer_length(self);
    Py_ssize_t start = search->start, stop = search->stop;
    start = start < 0 ? start + length : start;
    start = start < 0 ? 0 : start;
    stop = stop > length ? length : stop < 0 ? stop + length : stop;
    stop = stop < 0 ? 0 : stop;
    search->start = start;
    assert(start >= 0 && stop >= 0 && stop <= length);
    assert(start > stop || (size_t)stop <= buffer_length(self));
    return start > stop
               ? (struct piece){NULL, 0}
               : (struct piece){buffer_bytes(self) + start, (size_t)(stop - start)};
}

/* Return the offset that `find` finds. If it finds none, return -1, or raise ValueError
 * for index() and rindex(). */
static PyObject *
search_offset(PyObject *op, PyObject *const *args, Py_ssize_t nargs,
              size_t (*find)(struct piece, struct piece), enum base_method method)
{
    struct search search;
    if (!search_open(&search, args, nargs, true)) {
        return base_call(op, method, args, nargs, NULL);
    }
    size_t at;
    Py_BEGIN_CRITICAL_SECTION(op);
    struct piece bytes = search_range(&search, buffer_cast(op));
    at = bytes.start == NULL ? FIND_NONE : find(bytes, search.part.piece);
    assert(at == FIND_NONE || at + search.part.piece.nbytes <= bytes.nbytes);
    Py_END_CRITICAL_SECTION();
    args_close_bytes(&search.part);
    if (at == FIND_NONE && (method == BASE_index || method == BASE_rindex)) {
        PyErr_SetString(PyExc_ValueError, "subsection not found");
        return NULL;
    }
    assert(at == FIND_NONE || at <= (size_t)(PY_SSIZE_T_MAX - search.start));
    return PyLong_FromSsize_t(at == FIND_NONE ? -1 : search.start + (Py_ssize_t)at);
}

#define SEQUENCE_OFFSET(name, find)                                                    \
    static PyObject *growbuffer_##name(PyObject *op, PyObject *const *args,            \
                                       Py_ssize_t nargs)                               \
    {                                                                                  \
        return search_offset(op, args, nargs, find, BASE_##name);                      \
    }
SEQUENCE_OFFSET(find, find_first)
SEQUENCE_OFFSET(index, find_first)
SEQUENCE_OFFSET(rfind, find_last)
SEQUENCE_OFFSET(rindex, find_last)
#undef SEQUENCE_OFFSET

static PyObject *
growbuffer_count(PyObject *op, PyObject *const *args, Py_ssize_t nargs)
{
    struct search search;
    if (!search_open(&search, args, nargs, true)) {
        return base_call(op, BASE_count, args, nargs, NULL);
    }
    size_t count;
    Py_BEGIN_CRITICAL_SECTION(op);
    struct piece bytes = search_range(&search, buffer_cast(op));
    count = bytes.start == NULL ? 0
            : search.part.piece.nbytes == 0
                ? bytes.nbytes + 1
                : find_count(bytes, search.part.piece, FIND_NONE);
    assert(count <= bytes.nbytes + 1);
    Py_END_CRITICAL_SECTION();
    args_close_bytes(&search.part);
    return PyLong_FromSize_t(count);
}

/* Return whether the bytes to search start with the part, or end with it. */
static PyObject *
search_end(PyObject *op, PyObject *const *args, Py_ssize_t nargs,
           enum base_method method)
{
    struct search search;
    if (!search_open(&search, args, nargs, false)) {
        return base_call(op, method, args, nargs, NULL);
    }
    bool found;
    Py_BEGIN_CRITICAL_SECTION(op);
    struct piece bytes = search_range(&search, buffer_cast(op));
    struct piece part = search.part.piece;
    size_t at = method == BASE_startswith ? 0 : bytes.nbytes - part.nbytes;
    assert(method == BASE_startswith || method == BASE_endswith);
    found = bytes.start != NULL && part.nbytes <= bytes.nbytes &&
            memcmp(bytes.start + at, part.start, part.nbytes) == 0;
    Py_END_CRITICAL_SECTION();
    args_close_bytes(&search.part);
    return PyBool_FromLong(found);
}

static PyObject *
growbuffer_startswith(PyObject *op, PyObject *const *args, Py_ssize_t nargs)
{
    return search_end(op, args, nargs, BASE_startswith);
}

static PyObject *
growbuffer_endswith(PyObject *op, PyObject *const *args, Py_ssize_t nargs)
{
    return search_end(op, args, nargs, BASE_endswith);
}

/* Return the separator as a character, or -1 if bytearray's method must handle it. An
 * object of another type could run user code that changes the bytes (gh-143195). */
static int
hex_separator(PyObject *arg)
{
    if (PyBytes_CheckExact(arg) && PyBytes_GET_SIZE(arg) == 1) {
        unsigned char separator = (unsigned char)PyBytes_AS_STRING(arg)[0];
        return separator < 128 ? separator : -1;
    }
    return PyUnicode_CheckExact(arg) && PyUnicode_IS_READY(arg) &&
                   PyUnicode_IS_ASCII(arg) && PyUnicode_GET_LENGTH(arg) == 1
               ? PyUnicode_1BYTE_DATA(arg)[0]
               : -1;
}

static PyObject *
growbuffer_hex(PyObject *op, PyObject *const *args, Py_ssize_t nargs, PyObject *kwnames)
{
    int separator = nargs == 1 ? hex_separator(args[0]) : -1;
    if (kwnames != NULL || (nargs > 0 && separator < 0)) {
        return base_call(op, BASE_hex, args, nargs, kwnames);
    }
    PyObject *result;
    Py_BEGIN_CRITICAL_SECTION(op);
    struct piece from = buffer_piece(op);
    Py_ssize_t length = (Py_ssize_t)from.nbytes;
    if (length > PY_SSIZE_T_MAX / 3) {
        result = PyErr_NoMemory();
    }
    else if (separator < 0 || length == 0) {
        result = PyUnicode_New(2 * length, 127);
    }
    else {
        result = PyUnicode_New(3 * length - 1, 127);
    }
    if (result != NULL && length > 0) {
        char *to = (char *)PyUnicode_1BYTE_DATA(result);
        assert(PyUnicode_GET_LENGTH(result) >= 2 * length);
        assert(PyUnicode_KIND(result) == PyUnicode_1BYTE_KIND && separator < 128);
        if (separator < 0) {
            methods_hex(to, from);
        }
        else {
            methods_hex_separated(to, from, (char)separator);
        }
    }
    Py_END_CRITICAL_SECTION();
    return result;
}

/* clang-format off */
#define SEQUENCE_FAST(name)                                                            \
    {#name, BUFFER_METHOD(growbuffer_##name), METH_FASTCALL, NULL}
/* clang-format on */

const PyMethodDef sequence_methods[] = {
    SEQUENCE_FAST(count),
    SEQUENCE_FAST(endswith),
    SEQUENCE_FAST(find),
    {"hex", BUFFER_METHOD(growbuffer_hex), METH_FASTCALL | METH_KEYWORDS, NULL},
    SEQUENCE_FAST(index),
    SEQUENCE_FAST(rfind),
    SEQUENCE_FAST(rindex),
    SEQUENCE_FAST(startswith),
    {NULL, NULL, 0, NULL},
};
