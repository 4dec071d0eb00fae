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

/* Whether a copy is to let other threads run, which get a BufferError if they would change
 * either side. Where there is no GIL others run anyway: no copy gives the object's lock
 * away, and who wants that waits. */
static inline bool
fill_is_much(size_t nbytes)
{
#ifdef Py_GIL_DISABLED
    (void)nbytes;
    return false;
#else
    return nbytes >= (size_t)1 << 20;
#endif
}

void fill_copy_much(char *to, const char *from, size_t nbytes);

/* Copy, and let other threads run meanwhile if it is much. Both sides must be held so
 * that nobody can change their length, and the one that is written must not be seen. */
static inline void
fill_copy(char *to, const char *from, size_t nbytes)
{
    if (fill_is_much(nbytes)) {
        fill_copy_much(to, from, nbytes);
    }
    else if (nbytes > 0) {
        memcpy(to, from, nbytes);
    }
}

/* Append what `bytearray(source, encoding, errors)` would hold; `source` may be NULL. */
int fill_from(struct store *store, PyObject *source, const char *encoding,
              const char *errors);

/* Append the bytes that an iterable of ints yields. `refusal` is the message for what
 * cannot be iterated over, with a %s for its type. */
int fill_from_iterable(struct store *store, PyObject *iterable, const char *refusal);

#endif
