/* pieces: the methods of bytearray that split the bytes, here into GrowBuffers. */
#include "pieces.h"

#include "args.h"
#include "base.h"
#include "split.h"

/* Every function here converts its arguments first, and passes a call with uncommon
 * arguments to bytearray's method. After that no other code runs, except the garbage
 * collector of Python 3.11 when a list or tuple is made. So an export keeps the bytes
 * in place. */

static inline bool
piece_is_within(struct piece part, struct piece all)
{
    return part.start >= all.start &&
           part.start + part.nbytes <= all.start + all.nbytes;
}

/* Return a list of new buffers, one for each piece. Raise MemoryError if `error` is not
 * 0. */
static PyObject *
new_list(PyObject *op, const struct split_list *pieces, int error)
{
    if (error) {
        return PyErr_NoMemory();
    }
    PyTypeObject *type = buffer_type(Py_TYPE(op));
    assert(type != NULL && buffer_is_exported(buffer_cast(op)));
    PyObject *list = PyList_New((Py_ssize_t)pieces->count);
    for (size_t i = 0; list != NULL && i < pieces->count; i++) {
        assert(piece_is_within(pieces->items[i], buffer_piece(op)));
        PyObject *item = buffer_copy(type, pieces->items[i]);
        if (item == NULL) {
            Py_CLEAR(list);
            break;
        }
        PyList_SET_ITEM(list, (Py_ssize_t)i, item);
    }
    return list;
}

/* Return a tuple of three new buffers. */
static PyObject *
new_triple(PyObject *op, struct piece one, struct piece two, struct piece three)
{
    PyTypeObject *type = buffer_type(Py_TYPE(op));
    const struct piece pieces[] = {one, two, three};
    PyObject *tuple = PyTuple_New(3);
    assert(type != NULL);
    for (int i = 0; tuple != NULL && i < 3; i++) {
        PyObject *item = buffer_copy(type, pieces[i]);
        if (item == NULL) {
            Py_CLEAR(tuple);
        }
        else {
            PyTuple_SET_ITEM(tuple, i, item);
        }
    }
    return tuple;
}

/* Split the bytes at the separator that `find` finds, and return the three parts. If it
 * finds none, partition() returns all bytes as the first part, and rpartition() as the
 * last. */
static PyObject *
new_partition(PyObject *op, PyObject *arg, size_t (*find)(struct piece, struct piece),
              enum base_method method)
{
    struct args_bytes separator;
    if (!args_open_bytes(arg, &separator) || separator.piece.nbytes == 0) {
        args_close_bytes(&separator);
        return base_call(op, method, &arg, 1, NULL);
    }
    PyObject *result;
    Py_BEGIN_CRITICAL_SECTION(op);
    buffer_hold(buffer_cast(op));
    struct piece all = buffer_piece(op), none = {all.start, 0};
    size_t at = find(all, separator.piece);
    assert(buffer_is_exported(buffer_cast(op)));
    assert(at == FIND_NONE || at <= all.nbytes - separator.piece.nbytes);
    if (at != FIND_NONE) {
        size_t end = at + separator.piece.nbytes;
        assert(end <= all.nbytes);
        struct piece before = {all.start, at};
        struct piece after = {all.start + end, all.nbytes - end};
        result = new_triple(op, before, separator.piece, after);
    }
    else if (method == BASE_partition) {
        result = new_triple(op, all, none, none);
    }
    else {
        result = new_triple(op, none, none, all);
    }
    buffer_unhold(buffer_cast(op));
    Py_END_CRITICAL_SECTION();
    args_close_bytes(&separator);
    return result;
}

static PyObject *
growbuffer_partition(PyObject *op, PyObject *separator)
{
    return new_partition(op, separator, find_first, BASE_partition);
}

static PyObject *
growbuffer_rpartition(PyObject *op, PyObject *separator)
{
    return new_partition(op, separator, find_last, BASE_rpartition);
}

/* Split at the separator, or at white space if it is None or missing. */
static PyObject *
new_split(PyObject *op, PyObject *const *args, Py_ssize_t nargs, PyObject *kwnames,
          enum base_method method)
{
    static const char *const names[] = {"sep", "maxsplit"};
    PyObject *values[2], *result = NULL;
    Py_ssize_t max = -1;
    struct args_bytes separator = {.piece = {NULL, 0}};
    bool is_common = args_sort(args, nargs, kwnames, names, 2, values) &&
                     (values[1] == NULL || args_small_int(values[1], &max));
    bool at_space = is_common && (values[0] == NULL || values[0] == Py_None);
    if (is_common && !at_space) {
        is_common =
            args_open_bytes(values[0], &separator) && separator.piece.nbytes > 0;
    }
    assert(!PyErr_Occurred());
    if (is_common) {
        struct split_list pieces;
        split_list_init(&pieces);
        Py_BEGIN_CRITICAL_SECTION(op);
        buffer_hold(buffer_cast(op));
        struct piece all = buffer_piece(op), sep = separator.piece;
        bool left = method == BASE_split;
        assert(left || method == BASE_rsplit);
        int error =
            at_space
                ? (left ? split_space : split_space_last)(&pieces, all, (size_t)max)
                : (left ? split_by : split_by_last)(&pieces, all, sep, (size_t)max);
        result = new_list(op, &pieces, error);
        buffer_unhold(buffer_cast(op));
        Py_END_CRITICAL_SECTION();
        split_list_free(&pieces);
    }
    args_close_bytes(&separator);
    return is_common ? result : base_call(op, method, args, nargs, kwnames);
}

static PyObject *
growbuffer_split(PyObject *op, PyObject *const *args, Py_ssize_t nargs,
                 PyObject *kwnames)
{
    return new_split(op, args, nargs, kwnames, BASE_split);
}

static PyObject *
growbuffer_rsplit(PyObject *op, PyObject *const *args, Py_ssize_t nargs,
                  PyObject *kwnames)
{
    return new_split(op, args, nargs, kwnames, BASE_rsplit);
}

static PyObject *
growbuffer_splitlines(PyObject *op, PyObject *const *args, Py_ssize_t nargs,
                      PyObject *kwnames)
{
    static const char *const names[] = {"keepends"};
    PyObject *value, *result;
    if (!args_sort(args, nargs, kwnames, names, 1, &value) ||
        (value != NULL && !PyBool_Check(value))) {
        return base_call(op, BASE_splitlines, args, nargs, kwnames);
    }
    struct split_list pieces;
    split_list_init(&pieces);
    Py_BEGIN_CRITICAL_SECTION(op);
    buffer_hold(buffer_cast(op));
    assert(buffer_is_exported(buffer_cast(op)));
    int error = split_lines(&pieces, buffer_piece(op), value == Py_True);
    result = new_list(op, &pieces, error);
    buffer_unhold(buffer_cast(op));
    Py_END_CRITICAL_SECTION();
    split_list_free(&pieces);
    return result;
}

/* clang-format off */
#define PIECES_O(name) {#name, growbuffer_##name, METH_O, NULL}
#define PIECES_NAMED(name)                                                             \
    {#name, BUFFER_METHOD(growbuffer_##name), METH_FASTCALL | METH_KEYWORDS, NULL}
/* clang-format on */

const PyMethodDef pieces_methods[] = {
    PIECES_O(partition), PIECES_O(rpartition),     PIECES_NAMED(rsplit),
    PIECES_NAMED(split), PIECES_NAMED(splitlines), {NULL, NULL, 0, NULL},
};
