/* fill: bytes out of Python objects, gathered in a store that no one else can see.
 *
 * Whatever user code runs meanwhile can change the buffer that the bytes are meant for,
 * so callers look at that buffer only afterwards.
 */
#ifndef GROWBUF_FILL_H
#define GROWBUF_FILL_H

#include "buffer.h"

#include <string.h>

/* Read an int of one digit without a call: nearly every byte and index is one. Return
 * false for anything else. */
static inline bool
fill_small_int(PyObject *item, Py_ssize_t *value)
{
    if (!PyLong_CheckExact(item)) {
        return false;
    }
#if PY_VERSION_HEX >= 0x030C0000
    if (!PyUnstable_Long_IsCompact((PyLongObject *)item)) {
        return false;
    }
    *value = PyUnstable_Long_CompactValue((PyLongObject *)item);
#else
    Py_ssize_t ndigits = Py_SIZE(item);
    if (ndigits < -1 || ndigits > 1) {
        return false;
    }
    *value = ndigits * (Py_ssize_t)((PyLongObject *)item)->ob_digit[0];
#endif
    return true;
}

/* Convert to a byte as bytearray does. */
int fill_byte_slowly(PyObject *item, unsigned char *value);

static inline int
fill_byte(PyObject *item, unsigned char *value)
{
    Py_ssize_t number;
    if (fill_small_int(item, &number) && number >= 0 && number <= 255) {
        *value = (unsigned char)number;
        return 0;
    }
    return fill_byte_slowly(item, value);
}

/* Append what `bytearray(source, encoding, errors)` would hold; `source` may be NULL. */
int fill_from(struct store *store, PyObject *source, const char *encoding,
              const char *errors);

/* Append the bytes that an iterable of ints yields. `refusal` is the message for what
 * cannot be iterated over, with a %s for its type. */
int fill_from_iterable(struct store *store, PyObject *iterable, const char *refusal);

#endif
