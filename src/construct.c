/* construct: making a new buffer, and reading bytes from Python objects. */
#include "construct.h"

#include <errno.h>
#include <string.h>

#include "args.h"
#include "copy.h"

/* ------------------------------------------------ bytes from Python objects */

static int
construct_append(struct store *store, size_t nbytes)
{
    assert(!PyErr_Occurred());
    int error = store_append(store, nbytes);
    if (error) {
        buffer_no_memory(store, error);
    }
    return error ? -1 : 0;
}

static int
construct_append_byte(struct store *store, unsigned char value)
{
    if (store_tailroom(store) > 0) {
        store_commit(store, 1);
    }
    else if (construct_append(store, 1) < 0) {
        return -1;
    }
    assert(store->length > 0);
    store->start[store->length - 1] = (char)value;
    return 0;
}

/* Write the values of the items before the first one that is not a small int in
 * range(256). Return their number. No other code runs. */
static size_t
write_small_ints(char *to, PyObject *const *items, size_t count)
{
    Py_ssize_t value;
    size_t i = 0;
    while (i < count && args_small_int(items[i], &value) && (size_t)value <= 255) {
        to[i++] = (char)value;
    }
    return i;
}

/* Append the bytes that the iterator of a list or tuple would yield. An __index__ may
 * change the list, so its length is read again for each item. */
static int
from_items(struct store *store, PyObject *sequence)
{
    size_t at = store->length, count = (size_t)PySequence_Fast_GET_SIZE(sequence);
    assert(PyList_CheckExact(sequence) || PyTuple_CheckExact(sequence));
    if (construct_append(store, count) < 0) {
        return -1;
    }
    size_t i =
        write_small_ints(store->start + at, PySequence_Fast_ITEMS(sequence), count);
    for (; i < (size_t)PySequence_Fast_GET_SIZE(sequence); i++) {
        PyObject *item = PySequence_Fast_GET_ITEM(sequence, (Py_ssize_t)i);
        Py_ssize_t number;
        unsigned char value;
        if (args_small_int(item, &number) && number >= 0 && number <= 255) {
            value = (unsigned char)number;
        }
        else {
            Py_INCREF(item);
            int rc = args_byte_slow(item, &value);
            Py_DECREF(item);
            if (rc < 0) {
                return -1;
            }
        }
        if (i == count) { /* the list has become longer */
            if (construct_append(store, 1) < 0) {
                return -1;
            }
            count++;
        }
        assert(at + i < store->length);
        store->start[at + i] = (char)value;
    }
    if (i < count) { /* the list has become shorter */
        (void)store_splice(store, at + i, count - i, 0);
    }
    assert(store_check(store) == NULL);
    return 0;
}

int
construct_from_iterable(struct store *store, PyObject *iterable, const char *refusal)
{
    assert(refusal != NULL && store_check(store) == NULL);
    if (PyList_CheckExact(iterable) || PyTuple_CheckExact(iterable)) {
        int rc;
        Py_BEGIN_CRITICAL_SECTION(iterable);
        rc = from_items(store, iterable);
        Py_END_CRITICAL_SECTION();
        return rc;
    }
    PyObject *iterator = PyObject_GetIter(iterable);
    if (iterator == NULL) {
        if (PyErr_ExceptionMatches(PyExc_TypeError)) {
            PyErr_Format(PyExc_TypeError, refusal, Py_TYPE(iterable)->tp_name);
        }
        return -1;
    }
    PyObject *item;
    while ((item = PyIter_Next(iterator)) != NULL) {
        unsigned char value;
        int rc = args_byte(item, &value);
        Py_DECREF(item);
        if (rc < 0 || construct_append_byte(store, value) < 0) {
            break;
        }
    }
    Py_DECREF(iterator);
    assert(store_check(store) == NULL);
    return PyErr_Occurred() ? -1 : 0;
}

/* A copy of this many bytes or more runs without the GIL. */
#define COPY_WITHOUT_GIL ((size_t)1 << 20)

/* Append bytes that no code can change, such as those of a bytes object. No other code
 * can reach the store either, so a long copy runs without the GIL. */
static int
from_bytes(struct store *store, const char *bytes, size_t nbytes)
{
    size_t at = store->length;
    if (construct_append(store, nbytes) < 0) {
        return -1;
    }
    assert(store->length == at + nbytes);
    if (nbytes >= COPY_WITHOUT_GIL) {
        Py_BEGIN_ALLOW_THREADS
        copy_bytes(store->start + at, bytes, nbytes);
        Py_END_ALLOW_THREADS
    }
    else {
        copy_bytes(store->start + at, bytes, nbytes);
    }
    return 0;
}

static int
from_buffer(struct store *store, PyObject *source)
{
    Py_buffer view;
    if (PyObject_GetBuffer(source, &view, PyBUF_FULL_RO) < 0) {
        return -1;
    }
    size_t at = store->length;
    int rc = construct_append(store, (size_t)view.len);
    assert(view.len >= 0 && (rc < 0 || store->length == at + (size_t)view.len));
    if (rc == 0 && PyBuffer_IsContiguous(&view, 'C')) {
        copy_bytes(store->start + at, view.buf, (size_t)view.len);
    }
    else if (rc == 0 && view.len > 0) {
        rc = PyBuffer_ToContiguous(store->start + at, &view, view.len, 'C');
    }
    PyBuffer_Release(&view);
    return rc;
}

/* Whether this is a known encoding that stores the ASCII characters as their codes. */
static bool
is_ascii_superset(const char *encoding)
{
    return strcmp(encoding, "utf-8") == 0 || strcmp(encoding, "ascii") == 0 ||
           strcmp(encoding, "latin-1") == 0;
}

static int
from_str(struct store *store, PyObject *source, const char *encoding,
         const char *errors)
{
    assert(PyUnicode_Check(source));
    if (encoding == NULL) {
        PyErr_SetString(PyExc_TypeError, "string argument without an encoding");
        return -1;
    }
    if (errors == NULL && PyUnicode_IS_READY(source) && PyUnicode_IS_ASCII(source) &&
        is_ascii_superset(encoding)) {
        return from_bytes(store, (const char *)PyUnicode_1BYTE_DATA(source),
                          (size_t)PyUnicode_GET_LENGTH(source));
    }
    PyObject *encoded = PyUnicode_AsEncodedString(source, encoding, errors);
    if (encoded == NULL) {
        return -1;
    }
    assert(PyBytes_Check(encoded));
    int rc = from_bytes(store, PyBytes_AS_STRING(encoded),
                        (size_t)PyBytes_GET_SIZE(encoded));
    Py_DECREF(encoded);
    return rc;
}

/* Append as many zeros as the integer `source` says. Return 1, without an exception, if
 * its __index__ raises TypeError. As in bytearray, `source` is not used as a count
 * then. */
static int
from_count(struct store *store, PyObject *source)
{
    assert(PyIndex_Check(source));
    Py_ssize_t count = PyNumber_AsSsize_t(source, PyExc_OverflowError);
    if (count == -1 && PyErr_Occurred()) {
        if (!PyErr_ExceptionMatches(PyExc_TypeError)) {
            return -1;
        }
        PyErr_Clear();
        return 1;
    }
    if (count < 0) {
        PyErr_SetString(PyExc_ValueError, "negative count");
        return -1;
    }
    assert(store_check(store) == NULL);
    int error = store_append_zeros(store, (size_t)count);
    if (error) {
        buffer_no_memory(store, error);
    }
    return error ? -1 : 0;
}

int
construct_from(struct store *store, PyObject *source, const char *encoding,
               const char *errors)
{
    assert(store_check(store) == NULL && !PyErr_Occurred());
    if (source != NULL && PyUnicode_Check(source)) {
        return from_str(store, source, encoding, errors);
    }
    if (encoding != NULL || errors != NULL) {
        PyErr_Format(PyExc_TypeError, "%s without a string argument",
                     encoding != NULL ? "encoding" : "errors");
        return -1;
    }
    if (source == NULL) {
        return 0;
    }
    if (PyBytes_CheckExact(source)) {
        return from_bytes(store, PyBytes_AS_STRING(source),
                          (size_t)PyBytes_GET_SIZE(source));
    }
    if (PyIndex_Check(source)) {
        int rc = from_count(store, source);
        if (rc <= 0) {
            return rc;
        }
    }
    if (PyObject_CheckBuffer(source)) {
        return from_buffer(store, source);
    }
    return construct_from_iterable(store, source,
                                   "cannot convert '%.200s' object to bytearray");
}

/* ---------------------------------------------------------------------- __init__ */

struct init_args {
    PyObject *source;
    const char *encoding, *errors;
    int prefault;
    Py_ssize_t limit; /* 0: none */
};

static int
construct_parse(PyObject *args, PyObject *kwargs, struct init_args *parsed)
{
    static char *names[] = {"source", "encoding", "errors", "prefault", "limit", NULL};
    PyObject *limit = Py_None;
    assert(PyTuple_Check(args) && (kwargs == NULL || PyDict_Check(kwargs)));
    *parsed = (struct init_args){.prefault = store_prefault};
    if (kwargs == NULL && PyTuple_GET_SIZE(args) <= 1) {
        parsed->source = PyTuple_GET_SIZE(args) == 1 ? PyTuple_GET_ITEM(args, 0) : NULL;
        return 0;
    }
    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "|Oss$pO:GrowBuffer", names,
                                     &parsed->source, &parsed->encoding,
                                     &parsed->errors, &parsed->prefault, &limit)) {
        return -1;
    }
    return limit == Py_None ? 0 : args_nbytes(limit, "limit", 1, &parsed->limit);
}

const char *
construct_limit_advice(int error, size_t nbytes)
{
    assert(error != 0 && nbytes > 0);
    if (error == ENOTSUP) {
        return "this system cannot reserve any, leave out limit=";
    }
    switch (store_shortage(nbytes)) {
    case PAGES_SHORT_OF_MAPPINGS:
        return "the process has as many mappings as vm.max_map_count allows, drop "
               "some buffers or raise vm.max_map_count";
    case PAGES_SHORT_BY_RLIMIT:
        return "RLIMIT_AS (ulimit -v) has no room for twice the limit, try a smaller "
               "one or raise RLIMIT_AS";
    default:
        return "try a smaller one";
    }
}

/* Give an empty store its limit. Do nothing if the limit is 0. */
static int
reserve_limit(struct store *store, Py_ssize_t limit)
{
    assert(limit >= 0 && store_kind(store) == STORE_EMPTY);
    int error = limit > 0 ? store_set_limit(store, (size_t)limit) : 0;
    if (error) {
        PyErr_Format(PyExc_MemoryError,
                     "cannot reserve address space for limit=%zd: %s", limit,
                     construct_limit_advice(error, (size_t)limit));
        return -1;
    }
    return 0;
}

/* The bytes are converted before the buffer is changed, so that a second __init__ that
 * fails leaves it unchanged. bytearray is emptied first, and keeps what was read before
 * the failure (CPython gh-160179). */
int
construct_init(PyObject *op, PyObject *args, PyObject *kwargs)
{
    struct init_args parsed;
    if (construct_parse(args, kwargs, &parsed) < 0) {
        return -1;
    }
    struct store store;
    store_init(&store);
    store_set_prefault(&store, parsed.prefault);
    int rc = reserve_limit(&store, parsed.limit);
    if (rc == 0) {
        rc = construct_from(&store, parsed.source, parsed.encoding, parsed.errors);
    }
    if (rc == 0) { /* raises if a view of the buffer exists */
        BUFFER_LOCKED(int, exchanged, op, buffer_exchange(buffer_cast(op), &store));
        rc = exchanged;
    }
    store_free(&store);
    return rc;
}

PyObject *
construct_call_type(PyObject *type, PyObject *const *args, Py_ssize_t nargs,
                    PyObject *kwnames)
{
    PyObject *result = NULL;
    assert(PyType_Check(type) && nargs >= 0);
    PyObject *kwargs = PyDict_New();
    PyObject *positional = PyTuple_New(nargs);
    if (kwargs == NULL || positional == NULL) {
        goto done;
    }
    for (Py_ssize_t i = 0; i < nargs; i++) {
        PyTuple_SET_ITEM(positional, i, Py_NewRef(args[i]));
    }
    for (Py_ssize_t i = 0; kwnames != NULL && i < PyTuple_GET_SIZE(kwnames); i++) {
        if (PyDict_SetItem(kwargs, PyTuple_GET_ITEM(kwnames, i), args[nargs + i]) < 0) {
            goto done;
        }
    }
    result = PyType_Type.tp_call(type, positional, kwargs);
done:
    Py_XDECREF(kwargs);
    Py_XDECREF(positional);
    return result;
}

/* Store the text of the argument `encoding` or `errors` in `*text`, or NULL if `arg` is
 * NULL. Return false if the argument is unusual, so that construct_init() must convert
 * it or raise. */
static bool
read_text(PyObject *arg, const char **text)
{
    Py_ssize_t length = 0;
    *text = NULL;
    if (arg == NULL) {
        return true;
    }
    if (!PyUnicode_CheckExact(arg) || !PyUnicode_IS_READY(arg) ||
        !PyUnicode_IS_ASCII(arg)) {
        return false;
    }
    *text = PyUnicode_AsUTF8AndSize(arg, &length); /* cannot fail for ASCII */
    assert(*text != NULL);
    return strlen(*text) == (size_t)length;
}

PyObject *
construct_vectorcall(PyObject *type, PyObject *const *args, size_t nargsf,
                     PyObject *kwnames)
{
    static const char *const names[] = {"source", "encoding", "errors"};
    Py_ssize_t nargs = PyVectorcall_NARGS(nargsf);
    PyObject *values[] = {nargs > 0 ? args[0] : NULL, NULL, NULL};
    const char *encoding = NULL, *errors = NULL;
    if ((nargs > 1 || kwnames != NULL) &&
        (!args_sort(args, nargs, kwnames, names, 3, values) ||
         !read_text(values[1], &encoding) || !read_text(values[2], &errors))) {
        return construct_call_type(type, args, nargs, kwnames);
    }
    struct store store;
    assert(buffer_is_exact_type((PyTypeObject *)type));
    store_init(&store);
    if (construct_from(&store, values[0], encoding, errors) < 0) {
        store_free(&store);
        return NULL;
    }
    return buffer_from_store((PyTypeObject *)type, &store);
}
