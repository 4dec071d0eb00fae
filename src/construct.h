/* construct: making a new buffer, and reading bytes from Python objects.
 *
 * Bytes are collected in a store that no other code can reach, because user code may
 * run in the meantime and change the buffer that will get them.
 */
#ifndef GROWBUF_CONSTRUCT_H
#define GROWBUF_CONSTRUCT_H

#include "buffer.h"

/* The slots tp_vectorcall and tp_init. For common arguments tp_vectorcall makes a
 * GrowBuffer without a call of __new__ and __init__. Subclasses do not inherit it. */
PyObject *construct_vectorcall(PyObject *type, PyObject *const *args, size_t nargsf,
                               PyObject *kwnames);
int construct_init(PyObject *op, PyObject *args, PyObject *kwargs);

/* store_set_limit() has returned `error` for a limit of `nbytes`. Return the end of the
 * message about that: the reason, and what the user can do. */
const char *construct_limit_advice(int error, size_t nbytes);

/* Call a type with the arguments of vectorcall. This runs its __new__ and __init__. */
PyObject *construct_call_type(PyObject *type, PyObject *const *args, Py_ssize_t nargs,
                              PyObject *kwnames);

/* Append the bytes that `bytearray(source, encoding, errors)` would have. Any of the
 * three may be NULL: it was not passed. */
int construct_from(struct store *store, PyObject *source, const char *encoding,
                   const char *errors);

/* Append the bytes that an iterable of ints yields. `refusal` is the message for an
 * object that is not iterable, with a %s for its type. */
int construct_from_iterable(struct store *store, PyObject *iterable,
                            const char *refusal);

#endif
