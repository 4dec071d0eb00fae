#include "fill.h"

int
fill_byte_slowly(PyObject *item, unsigned char *value)
{
    int overflow;
    long number = PyLong_AsLongAndOverflow(item, &overflow);
    if (number == -1 && PyErr_Occurred()) {
        return -1;
    }
    if (overflow || number < 0 || number > 255) {
        PyErr_SetString(PyExc_ValueError, "byte must be in range(0, 256)");
        return -1;
    }
    *value = (unsigned char)number;
    return 0;
}

static int
append_unwritten(struct store *store, size_t nbytes)
{
    int error = store_append(store, nbytes);
    if (error) {
        buffer_no_memory(store, error);
    }
    return error ? -1 : 0;
}

static int
append_byte(struct store *store, unsigned char value)
{
    if (store_tailroom(store) > 0) {
        store_commit(store, 1);
    }
    else if (append_unwritten(store, 1) < 0) {
        return -1;
    }
    store->start[store->length - 1] = (char)value;
    return 0;
}

int
fill_from_iterable(struct store *store, PyObject *iterable, const char *refusal)
{
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
        int rc = fill_byte(item, &value);
        Py_DECREF(item);
        if (rc < 0 || append_byte(store, value) < 0) {
            break;
        }
    }
    Py_DECREF(iterator);
    return PyErr_Occurred() ? -1 : 0;
}

/* Bytes from which a copy is worth letting other threads run. */
#define COPY_WITHOUT_GIL ((size_t)1 << 20)

/* Append bytes that no code can change, such as those of a bytes object. No other code
 * sees the store either, so a long copy runs without the GIL. */
static int
fill_from_bytes(struct store *store, const char *bytes, size_t nbytes)
{
    size_t at = store->length;
    if (append_unwritten(store, nbytes) < 0) {
        return -1;
    }
    if (nbytes >= COPY_WITHOUT_GIL) {
        Py_BEGIN_ALLOW_THREADS
        memcpy(store->start + at, bytes, nbytes);
        Py_END_ALLOW_THREADS
    }
    else if (nbytes > 0) {
        memcpy(store->start + at, bytes, nbytes);
    }
    return 0;
}

static int
fill_from_buffer(struct store *store, PyObject *source)
{
    Py_buffer view;
    if (PyObject_GetBuffer(source, &view, PyBUF_FULL_RO) < 0) {
        return -1;
    }
    size_t at = store->length;
    int rc = append_unwritten(store, (size_t)view.len);
    if (rc == 0 && view.len > 0) {
        rc = PyBuffer_ToContiguous(store->start + at, &view, view.len, 'C');
    }
    PyBuffer_Release(&view);
    return rc;
}

static int
fill_from_str(struct store *store, PyObject *source, const char *encoding,
              const char *errors)
{
    if (encoding == NULL) {
        PyErr_SetString(PyExc_TypeError, "string argument without an encoding");
        return -1;
    }
    PyObject *encoded = PyUnicode_AsEncodedString(source, encoding, errors);
    if (encoded == NULL) {
        return -1;
    }
    int rc = fill_from_bytes(store, PyBytes_AS_STRING(encoded),
                             (size_t)PyBytes_GET_SIZE(encoded));
    Py_DECREF(encoded);
    return rc;
}

/* Append `count` zeros. Return 1 where `source` turns out to be no count. */
static int
fill_from_count(struct store *store, PyObject *source)
{
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
    int error = store_append_zeros(store, (size_t)count);
    if (error) {
        buffer_no_memory(store, error);
    }
    return error ? -1 : 0;
}

int
fill_from(struct store *store, PyObject *source, const char *encoding,
          const char *errors)
{
    if (source != NULL && PyUnicode_Check(source)) {
        return fill_from_str(store, source, encoding, errors);
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
        return fill_from_bytes(store, PyBytes_AS_STRING(source),
                               (size_t)PyBytes_GET_SIZE(source));
    }
    if (PyIndex_Check(source)) {
        int rc = fill_from_count(store, source);
        if (rc <= 0) {
            return rc;
        }
    }
    if (PyObject_CheckBuffer(source)) {
        return fill_from_buffer(store, source);
    }
    return fill_from_iterable(store, source,
                              "cannot convert '%.200s' object to bytearray");
}
