/* fill: bytes out of Python objects, gathered in a store that no one else can see.
 *
 * Whatever user code runs meanwhile can change the buffer that the bytes are meant for,
 * so callers look at that buffer only afterwards.
 */
#ifndef GROWBUF_FILL_H
#define GROWBUF_FILL_H

#include "buffer.h"

/* Convert to a byte as bytearray does. */
int fill_byte(PyObject *item, unsigned char *value);

/* Append what `bytearray(source, encoding, errors)` would hold; `source` may be NULL. */
int fill_from(struct store *store, PyObject *source, const char *encoding,
              const char *errors);

/* Append the bytes that an iterable of ints yields. `refusal` is the message for what
 * cannot be iterated over, with a %s for its type. */
int fill_from_iterable(struct store *store, PyObject *iterable, const char *refusal);

#endif
