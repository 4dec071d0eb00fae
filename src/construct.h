/* construct: a new buffer, and bytes out of Python objects.
 *
 * Bytes are gathered in a store that no other code sees, because user code may run
 * meanwhile and change the buffer that they are meant for.
 */
#ifndef GROWBUF_CONSTRUCT_H
#define GROWBUF_CONSTRUCT_H

#include "buffer.h"

/* tp_init, and tp_vectorcall, which subclasses do not inherit: it makes a buffer without
 * an argument tuple, __new__ and __init__. */
PyObject *construct_vectorcall(PyObject *type, PyObject *const *args, size_t nargsf,
                               PyObject *kwnames);
int construct_init(PyObject *op, PyObject *args, PyObject *kwargs);

/* Call a type with vectorcall's arguments through its __new__ and __init__. */
PyObject *construct_call_type(PyObject *type, PyObject *const *args, Py_ssize_t nargs,
                              PyObject *kwnames);

/* Append what `bytearray(source, encoding, errors)` would hold; `source` may be NULL. */
int construct_from(struct store *store, PyObject *source, const char *encoding,
                   const char *errors);

/* Append the bytes that an iterable of ints yields. `refusal` is the message for what
 * cannot be iterated over, with a %s for its type. */
int construct_from_iterable(struct store *store, PyObject *iterable,
                            const char *refusal);

#endif
