/* results: the methods of bytearray that return new bytes, here as GrowBuffers. */
#include "results.h"

#include <string.h>

#include "args.h"
#include "base.h"
#include "copy.h"
#include "methods.h"

/* Every function here converts its arguments first, and passes a call with uncommon
 * arguments to bytearray's method. After the conversion no other code runs. */

/* --------------------------------------------------- results as long as the source */

/* Return a new buffer with what `map` makes of the bytes. */
static PyObject *
new_mapped(PyObject *op, void (*map)(char *, struct piece))
{
    PyObject *result;
    assert(buffer_type(Py_TYPE(op)) != NULL);
    Py_BEGIN_CRITICAL_SECTION(op);
    struct piece from = buffer_piece(op);
    result = buffer_create(buffer_type(Py_TYPE(op)), from.nbytes);
    if (result != NULL) {
        assert(buffer_length(buffer_cast(result)) == from.nbytes);
        map(buffer_bytes(buffer_cast(result)), from);
    }
    Py_END_CRITICAL_SECTION();
    return result;
}

#define RESULTS_MAPPED(name)                                                           \
    static PyObject *growbuffer_##name(PyObject *op, PyObject *Py_UNUSED(ignored))     \
    {                                                                                  \
        return new_mapped(op, methods_##name);                                         \
    }
RESULTS_MAPPED(capitalize)
RESULTS_MAPPED(lower)
RESULTS_MAPPED(swapcase)
RESULTS_MAPPED(title)
RESULTS_MAPPED(upper)
#undef RESULTS_MAPPED

static PyObject *
growbuffer_copy(PyObject *op, PyObject *Py_UNUSED(ignored))
{
    PyObject *result;
    Py_BEGIN_CRITICAL_SECTION(op);
    result = buffer_copy(buffer_type(Py_TYPE(op)), buffer_piece(op));
    Py_END_CRITICAL_SECTION();
    return result;
}

/* Copy the bytes of a piece to a new bytes object, and make the piece refer to the
 * copy. Return the object, which the caller releases after the last use of the piece.
 * Return NULL with an exception if there is no memory. */
static PyObject *
copy_piece(struct piece *piece)
{
    PyObject *copy = PyBytes_FromStringAndSize(piece->start, (Py_ssize_t)piece->nbytes);
    if (copy != NULL) {
        piece->start = PyBytes_AS_STRING(copy);
    }
    return copy;
}

/* Get the bytes of a buffer for a function that reads them twice: to measure its
 * result, and to write it. If there are views, code without the GIL may write through
 * them in between, so the bytes are copied. Then `*copy` is the object that contains
 * the copy, and the caller releases it. Otherwise `*copy` is NULL. Return false with an
 * exception if there is no memory. Under the lock. */
static bool
open_constant(PyObject *op, struct piece *bytes, PyObject **copy)
{
    *bytes = buffer_piece(op);
    *copy = NULL;
    return !buffer_is_exported(buffer_cast(op)) || (*copy = copy_piece(bytes)) != NULL;
}

/* Return a new buffer with `old` replaced by `new`, at most `max` times. Return NULL
 * without an exception if the result would be too long. */
static PyObject *
new_replaced(PyTypeObject *type, struct piece from, struct piece old, struct piece new,
             size_t max)
{
    size_t count = max, nbytes = from.nbytes;
    assert(old.nbytes > 0);
    if (old.nbytes != new.nbytes) {
        count = find_count(from, old, max);
        assert(count <= max && count <= from.nbytes / old.nbytes);
        nbytes = methods_replaced_nbytes(from, old, new, count);
    }
    if (nbytes == METHODS_NONE) {
        return NULL;
    }
    assert(nbytes <= GROWTH_MAX);
    PyObject *result = buffer_create(type, nbytes);
    if (result != NULL) {
        assert(buffer_length(buffer_cast(result)) == nbytes);
        methods_replace(buffer_bytes(buffer_cast(result)), nbytes, from, old, new,
                        count);
    }
    return result;
}

/* As new_replaced(), for the bytes of a buffer. */
static PyObject *
replace_pieces(PyObject *op, const struct args_bytes *old, struct piece new, size_t max)
{
    struct piece from, part = old->piece;
    bool is_constant = old->view.obj == NULL; /* it is a bytes object */
    PyObject *copy = NULL, *part_copy = is_constant ? NULL : copy_piece(&part);
    PyObject *result = NULL;
    if (is_constant || part_copy != NULL) {
        Py_BEGIN_CRITICAL_SECTION(op);
        if (open_constant(op, &from, &copy)) {
            result = new_replaced(buffer_type(Py_TYPE(op)), from, part, new, max);
        }
        Py_END_CRITICAL_SECTION();
    }
    Py_XDECREF(copy);
    Py_XDECREF(part_copy);
    return result;
}

/* Return a new buffer of the bytes whose values are not in `deleted`, translated by
 * `table`. Either may be NULL. */
static PyObject *
new_translated(PyObject *op, const char *table, const struct methods_set *deleted)
{
    PyObject *result;
    Py_BEGIN_CRITICAL_SECTION(op);
    struct piece from = buffer_piece(op);
    result = buffer_create(buffer_type(Py_TYPE(op)), from.nbytes);
    if (result != NULL && from.nbytes > 0) {
        char *to = buffer_bytes(buffer_cast(result));
        assert(buffer_length(buffer_cast(result)) == from.nbytes);
        if (deleted != NULL) {
            size_t nbytes = methods_translate_kept(to, from, table, deleted);
            assert(nbytes <= from.nbytes);
            (void)buffer_splice(buffer_cast(result), nbytes, from.nbytes - nbytes, 0);
        }
        else if (table != NULL) {
            methods_translate(to, from, table);
        }
        else {
            copy_bytes(to, from.start, from.nbytes);
        }
    }
    Py_END_CRITICAL_SECTION();
    return result;
}

static PyObject *
growbuffer_translate(PyObject *op, PyObject *const *args, Py_ssize_t nargs,
                     PyObject *kwnames)
{
    static const char *const names[] = {NULL, "delete"};
    PyObject *values[2];
    struct args_bytes table, deleted;
    table.view.obj = deleted.view.obj = NULL;
    bool is_common =
        args_sort(args, nargs, kwnames, names, 2, values) && values[0] != NULL;
    if (is_common && values[0] != Py_None) {
        is_common = args_open_bytes(values[0], &table) && table.piece.nbytes == 256;
    }
    if (is_common && values[1] != NULL) {
        is_common = args_open_bytes(values[1], &deleted);
    }
    PyObject *result = NULL;
    if (is_common) {
        struct methods_set set;
        bool deletes = values[1] != NULL && deleted.piece.nbytes > 0;
        assert(values[0] == Py_None || table.piece.nbytes == 256);
        if (deletes && deleted.piece.nbytes == 1 && values[0] == Py_None) {
            const struct piece nothing = {"", 0};
            result = replace_pieces(op, &deleted, nothing, (size_t)-1);
        }
        else {
            if (deletes) {
                methods_set_values(&set, deleted.piece);
            }
            result = new_translated(op, values[0] == Py_None ? NULL : table.piece.start,
                                    deletes ? &set : NULL);
        }
    }
    args_close_bytes(&table);
    args_close_bytes(&deleted);
    return is_common ? result : base_call(op, BASE_translate, args, nargs, kwnames);
}

/* ----------------------------------------------------------------- shorter results */

/* Return a new buffer without the bytes that strip() removes at the given ends: those
 * that occur in the argument, or white space if it is None or missing. */
static PyObject *
new_stripped(PyObject *op, PyObject *const *args, Py_ssize_t nargs,
             enum methods_sides sides, enum base_method method)
{
    bool space = nargs == 0 || args[0] == Py_None;
    struct args_bytes values = {.piece = {NULL, 0}};
    assert(nargs >= 0 && (sides & METHODS_BOTH) != 0);
    if (nargs > 1 || (!space && !args_open_bytes(args[0], &values))) {
        return base_call(op, method, args, nargs, NULL);
    }
    PyObject *result;
    Py_BEGIN_CRITICAL_SECTION(op);
    struct piece all = buffer_piece(op);
    result = buffer_copy(buffer_type(Py_TYPE(op)),
                         space ? methods_strip_space(all, sides)
                               : methods_strip(all, values.piece, sides));
    Py_END_CRITICAL_SECTION();
    args_close_bytes(&values);
    return result;
}

#define RESULTS_STRIPPED(name, sides)                                                  \
    static PyObject *growbuffer_##name(PyObject *op, PyObject *const *args,            \
                                       Py_ssize_t nargs)                               \
    {                                                                                  \
        return new_stripped(op, args, nargs, sides, BASE_##name);                      \
    }
RESULTS_STRIPPED(strip, METHODS_BOTH)
RESULTS_STRIPPED(lstrip, METHODS_LEFT)
RESULTS_STRIPPED(rstrip, METHODS_RIGHT)
#undef RESULTS_STRIPPED

/* Return a new buffer without the prefix or suffix `arg`, or a copy if the bytes do not
 * begin or end with it. */
static PyObject *
new_without(PyObject *op, PyObject *arg, enum methods_sides side,
            enum base_method method)
{
    struct args_bytes part;
    assert(side == METHODS_LEFT || side == METHODS_RIGHT);
    if (!args_open_bytes(arg, &part)) {
        return base_call(op, method, &arg, 1, NULL);
    }
    PyObject *result;
    Py_BEGIN_CRITICAL_SECTION(op);
    struct piece from = buffer_piece(op);
    size_t nbytes = part.piece.nbytes;
    if (nbytes > 0 && nbytes <= from.nbytes) {
        bool left = side == METHODS_LEFT;
        const char *at = from.start + (left ? 0 : from.nbytes - nbytes);
        assert(at >= from.start && at + nbytes <= from.start + from.nbytes);
        if (memcmp(at, part.piece.start, nbytes) == 0) {
            from.start += left ? nbytes : 0;
            from.nbytes -= nbytes;
        }
    }
    result = buffer_copy(buffer_type(Py_TYPE(op)), from);
    Py_END_CRITICAL_SECTION();
    args_close_bytes(&part);
    return result;
}

static PyObject *
growbuffer_removeprefix(PyObject *op, PyObject *prefix)
{
    return new_without(op, prefix, METHODS_LEFT, BASE_removeprefix);
}

static PyObject *
growbuffer_removesuffix(PyObject *op, PyObject *suffix)
{
    return new_without(op, suffix, METHODS_RIGHT, BASE_removesuffix);
}

/* Return a new buffer of the bytes that a str of hexadecimal digits stands for. Return
 * NULL without an exception if bytes.fromhex() would raise. pre: the str is ASCII. */
static PyObject *
new_from_hex(PyTypeObject *type, PyObject *text)
{
    struct piece digits = {(const char *)PyUnicode_1BYTE_DATA(text),
                           (size_t)PyUnicode_GET_LENGTH(text)};
    size_t max = digits.nbytes / 2;
    assert(buffer_is_exact_type(type) && PyUnicode_IS_ASCII(text));
    PyObject *result = buffer_create(type, max);
    if (result == NULL || digits.nbytes == 0) {
        return result;
    }
    size_t nbytes = methods_from_hex(buffer_bytes(buffer_cast(result)), digits);
    if (nbytes == METHODS_NONE) {
        Py_CLEAR(result);
    }
    else {
        (void)buffer_splice(buffer_cast(result), nbytes, max - nbytes, 0);
    }
    return result;
}

/* A class method. As in bytearray, a subclass is called with the bytes as its
 * argument. */
static PyObject *
growbuffer_fromhex(PyObject *type, PyObject *text)
{
    if (buffer_is_exact_type((PyTypeObject *)type) && PyUnicode_CheckExact(text) &&
        PyUnicode_IS_READY(text) && PyUnicode_IS_ASCII(text)) {
        PyObject *result = new_from_hex((PyTypeObject *)type, text);
        if (result != NULL || PyErr_Occurred()) {
            return result;
        }
    }
    PyObject *bytes =
        PyObject_CallMethod((PyObject *)&PyBytes_Type, "fromhex", "(O)", text);
    PyObject *result = bytes == NULL ? NULL : PyObject_CallOneArg(type, bytes);
    Py_XDECREF(bytes);
    return result;
}

/* ------------------------------------------------------------------ longer results */

/* Return a new buffer of `width` bytes: `left` fill bytes, the bytes of the buffer, and
 * fill bytes after them. */
static PyObject *
new_padded(PyObject *op, size_t left, size_t width, char fill)
{
    PyObject *result;
    struct piece from = buffer_piece(op);
    assert(width >= from.nbytes && left <= width - from.nbytes);
    result = buffer_create(buffer_type(Py_TYPE(op)), width);
    if (result != NULL && width > 0) {
        char *to = buffer_bytes(buffer_cast(result));
        assert(buffer_length(buffer_cast(result)) == width);
        memset(to, fill, left);
        copy_bytes(to + left, from.start, from.nbytes);
        memset(to + left + from.nbytes, fill, width - left - from.nbytes);
    }
    return result;
}

/* Pad the bytes to a width. `share` is how much of the padding goes to the left: 0
 * none, 1 half, 2 all. */
static PyObject *
new_justified(PyObject *op, PyObject *const *args, Py_ssize_t nargs, int share,
              enum base_method method)
{
    Py_ssize_t wanted;
    assert(share >= 0 && share <= 2);
    if (nargs < 1 || nargs > 2 || !args_small_int(args[0], &wanted) ||
        (nargs == 2 &&
         (!PyBytes_CheckExact(args[1]) || PyBytes_GET_SIZE(args[1]) != 1))) {
        return base_call(op, method, args, nargs, NULL);
    }
    char fill = nargs == 2 ? PyBytes_AS_STRING(args[1])[0] : ' ';
    PyObject *result;
    Py_BEGIN_CRITICAL_SECTION(op);
    size_t length = buffer_length(buffer_cast(op));
    size_t width = wanted < (Py_ssize_t)length ? length : (size_t)wanted;
    size_t padding = width - length;
    /* If the padding and the width are odd, the larger half goes to the left. */
    size_t left = share == 2   ? padding
                  : share == 1 ? padding / 2 + (padding & width & 1)
                               : 0;
    assert(width >= length && left <= padding);
    result = new_padded(op, left, width, fill);
    Py_END_CRITICAL_SECTION();
    return result;
}

#define RESULTS_JUSTIFIED(name, share)                                                 \
    static PyObject *growbuffer_##name(PyObject *op, PyObject *const *args,            \
                                       Py_ssize_t nargs)                               \
    {                                                                                  \
        return new_justified(op, args, nargs, share, BASE_##name);                     \
    }
RESULTS_JUSTIFIED(ljust, 0)
RESULTS_JUSTIFIED(center, 1)
RESULTS_JUSTIFIED(rjust, 2)
#undef RESULTS_JUSTIFIED

static PyObject *
growbuffer_zfill(PyObject *op, PyObject *arg)
{
    Py_ssize_t wanted;
    if (!args_small_int(arg, &wanted)) {
        return base_call(op, BASE_zfill, &arg, 1, NULL);
    }
    PyObject *result;
    Py_BEGIN_CRITICAL_SECTION(op);
    size_t length = buffer_length(buffer_cast(op));
    size_t width = wanted < (Py_ssize_t)length ? length : (size_t)wanted;
    size_t left = width - length;
    assert(length <= width);
    result = new_padded(op, left, width, '0');
    if (result != NULL && left > 0 && length > 0) {
        char *to = buffer_bytes(buffer_cast(result));
        assert(left < buffer_length(buffer_cast(result)));
        if (to[left] == '+' || to[left] == '-') { /* the sign goes before the zeros */
            to[0] = to[left];
            to[left] = '0';
        }
    }
    Py_END_CRITICAL_SECTION();
    return result;
}

static PyObject *
growbuffer_expandtabs(PyObject *op, PyObject *const *args, Py_ssize_t nargs,
                      PyObject *kwnames)
{
    static const char *const names[] = {"tabsize"};
    PyObject *value, *result = NULL;
    Py_ssize_t tabsize = 8;
    bool is_common = args_sort(args, nargs, kwnames, names, 1, &value) &&
                     (value == NULL || args_small_int(value, &tabsize));
    if (is_common) {
        size_t size = tabsize < 0 ? 0 : (size_t)tabsize;
        struct piece from;
        PyObject *copy;
        Py_BEGIN_CRITICAL_SECTION(op);
        if (open_constant(op, &from, &copy)) {
            size_t nbytes = methods_expanded_nbytes(from, size);
            assert(nbytes == METHODS_NONE || nbytes <= GROWTH_MAX);
            is_common = nbytes != METHODS_NONE;
            result = is_common ? buffer_create(buffer_type(Py_TYPE(op)), nbytes) : NULL;
            if (result != NULL) {
                assert(buffer_length(buffer_cast(result)) == nbytes);
                methods_expand_tabs(buffer_bytes(buffer_cast(result)), from, size);
            }
        }
        Py_END_CRITICAL_SECTION();
        Py_XDECREF(copy);
    }
    return is_common ? result : base_call(op, BASE_expandtabs, args, nargs, kwnames);
}

/* Since 3.15 the count may be passed by name. Calls with names go to bytearray's
 * method. */
static PyObject *
growbuffer_replace(PyObject *op, PyObject *const *args, Py_ssize_t nargs,
                   PyObject *kwnames)
{
    Py_ssize_t max = -1;
    struct args_bytes old, new;
    old.view.obj = new.view.obj = NULL;
    PyObject *result = NULL;
    if (kwnames == NULL && nargs >= 2 && nargs <= 3 &&
        (nargs == 2 || args_small_int(args[2], &max)) &&
        args_open_bytes(args[0], &old) && args_open_bytes(args[1], &new) &&
        old.piece.nbytes > 0) {
        result = replace_pieces(op, &old, new.piece, (size_t)max);
    }
    args_close_bytes(&old);
    args_close_bytes(&new);
    return result != NULL || PyErr_Occurred()
               ? result
               : base_call(op, BASE_replace, args, nargs, kwnames);
}

/* Return the bytes of an item that no other thread can change: a bytes or, with the
 * GIL, a bytearray, GrowBuffer or memoryview. `start` is NULL for any other item. */
static struct piece
join_piece(PyObject *item)
{
    if (PyBytes_CheckExact(item)) {
        return (struct piece){PyBytes_AS_STRING(item), (size_t)PyBytes_GET_SIZE(item)};
    }
#ifndef Py_GIL_DISABLED
    if (PyByteArray_CheckExact(item) || buffer_is_exact_type(Py_TYPE(item))) {
        return (struct piece){PyByteArray_AS_STRING(item),
                              (size_t)PyByteArray_GET_SIZE(item)};
    }
    if (PyMemoryView_Check(item) && args_is_readable(item)) {
        const Py_buffer *view = PyMemoryView_GET_BUFFER(item);
        return (struct piece){view->len == 0 ? "" : view->buf, (size_t)view->len};
    }
#endif
    return (struct piece){NULL, 0};
}

/* Return the length of the joined items, or METHODS_NONE if bytearray's method must
 * join them. */
static size_t
joined_nbytes(struct piece separator, PyObject **items, Py_ssize_t count)
{
    size_t nbytes = 0;
    for (Py_ssize_t i = 0; i < count; i++) {
        struct piece piece = join_piece(items[i]);
        size_t before = i > 0 ? separator.nbytes : 0;
        if (piece.start == NULL || before > PY_SSIZE_T_MAX - nbytes ||
            piece.nbytes > PY_SSIZE_T_MAX - nbytes - before) {
            return METHODS_NONE;
        }
        nbytes += before + piece.nbytes;
    }
    assert(nbytes <= GROWTH_MAX);
    return nbytes;
}

static PyObject *
growbuffer_join(PyObject *op, PyObject *iterable)
{
    PyObject *result = NULL;
    size_t nbytes = METHODS_NONE;
    if (PyList_CheckExact(iterable) || PyTuple_CheckExact(iterable)) {
        Py_BEGIN_CRITICAL_SECTION2(op, iterable);
        struct piece separator = buffer_piece(op);
        PyObject **items = PySequence_Fast_ITEMS(iterable);
        Py_ssize_t count = PySequence_Fast_GET_SIZE(iterable);
        nbytes = joined_nbytes(separator, items, count);
        result = nbytes == METHODS_NONE
                     ? NULL
                     : buffer_create(buffer_type(Py_TYPE(op)), nbytes);
        char *to = result == NULL ? NULL : buffer_bytes(buffer_cast(result));
        for (Py_ssize_t i = 0; nbytes > 0 && to != NULL && i < count; i++) {
            struct piece piece = join_piece(items[i]);
            if (i > 0) {
                copy_bytes(to, separator.start, separator.nbytes);
                to += separator.nbytes;
            }
            copy_bytes(to, piece.start, piece.nbytes);
            to += piece.nbytes;
            assert(to <= buffer_bytes(buffer_cast(result)) + nbytes);
        }
        Py_END_CRITICAL_SECTION2();
    }
    return nbytes != METHODS_NONE ? result
                                  : base_call(op, BASE_join, &iterable, 1, NULL);
}

/* Format the values and return the length of the result. Write the result to `to`,
 * unless that is NULL. The format may have %b and %s without flags, and %%. Return
 * METHODS_NONE if bytearray's method must handle the format or a value. */
static size_t
format_values(char *to, struct piece format, PyObject *const *values, Py_ssize_t count)
{
    size_t nbytes = 0;
    Py_ssize_t nused = 0;
    while (format.nbytes > 0) {
        size_t at = find_byte(format, '%');
        struct piece literal = {format.start, at == FIND_NONE ? format.nbytes : at};
        struct piece value = {"", 0};
        if (at != FIND_NONE) {
            char conversion = at + 1 < format.nbytes ? format.start[at + 1] : '\0';
            bool is_value = conversion == 'b' || conversion == 's';
            value = conversion == '%'           ? (struct piece){"%", 1}
                    : is_value && nused < count ? join_piece(values[nused++])
                                                : (struct piece){NULL, 0};
        }
        if (value.start == NULL || literal.nbytes > PY_SSIZE_T_MAX - nbytes ||
            value.nbytes > PY_SSIZE_T_MAX - nbytes - literal.nbytes) {
            return METHODS_NONE;
        }
        if (to != NULL) {
            copy_bytes(to + nbytes, literal.start, literal.nbytes);
            copy_bytes(to + nbytes + literal.nbytes, value.start, value.nbytes);
        }
        nbytes += literal.nbytes + value.nbytes;
        format = piece_after(format, literal.nbytes + (at == FIND_NONE ? 0 : 2));
    }
    return nused == count ? nbytes : METHODS_NONE;
}

PyObject *
results_remainder(PyObject *left, PyObject *right)
{
    PyTypeObject *type = buffer_type(Py_TYPE(left));
    if (type == NULL) {
        return base_remainder(left, right);
    }
    bool is_tuple = PyTuple_CheckExact(right);
    PyObject *const *values = is_tuple ? PySequence_Fast_ITEMS(right) : &right;
    Py_ssize_t count = is_tuple ? PyTuple_GET_SIZE(right) : 1;
    PyObject *result = NULL, *copy;
    bool is_common = true;
    struct piece format;
    Py_BEGIN_CRITICAL_SECTION(left);
    if (open_constant(left, &format, &copy)) {
        size_t nbytes = format_values(NULL, format, values, count);
        assert(nbytes == METHODS_NONE || nbytes <= GROWTH_MAX);
        is_common = nbytes != METHODS_NONE;
        result = is_common ? buffer_create(type, nbytes) : NULL;
        if (result != NULL && nbytes > 0) {
            char *to = buffer_bytes(buffer_cast(result));
            assert(buffer_length(buffer_cast(result)) == nbytes);
            (void)format_values(to, format, values, count);
        }
    }
    Py_END_CRITICAL_SECTION();
    Py_XDECREF(copy);
    return is_common ? result : base_remainder(left, right);
}

/* clang-format off */
#define RESULTS_NOARGS(name) {#name, growbuffer_##name, METH_NOARGS, NULL}
#define RESULTS_O(name) {#name, growbuffer_##name, METH_O, NULL}
#define RESULTS_CLASS(name) {#name, growbuffer_##name, METH_O | METH_CLASS, NULL}
#define RESULTS_FAST(name)                                                             \
    {#name, BUFFER_METHOD(growbuffer_##name), METH_FASTCALL, NULL}
#define RESULTS_NAMED(name)                                                            \
    {#name, BUFFER_METHOD(growbuffer_##name), METH_FASTCALL | METH_KEYWORDS, NULL}
/* clang-format on */

const PyMethodDef results_methods[] = {
    RESULTS_NOARGS(capitalize), RESULTS_FAST(center),    RESULTS_NOARGS(copy),
    RESULTS_NAMED(expandtabs),  RESULTS_CLASS(fromhex),  RESULTS_O(join),
    RESULTS_FAST(ljust),        RESULTS_NOARGS(lower),   RESULTS_FAST(lstrip),
    RESULTS_O(removeprefix),    RESULTS_O(removesuffix), RESULTS_NAMED(replace),
    RESULTS_FAST(rjust),        RESULTS_FAST(rstrip),    RESULTS_FAST(strip),
    RESULTS_NOARGS(swapcase),   RESULTS_NOARGS(title),   RESULTS_NAMED(translate),
    RESULTS_NOARGS(upper),      RESULTS_O(zfill),        {NULL, NULL, 0, NULL},
};
