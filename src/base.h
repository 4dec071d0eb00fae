/* base: calls to bytearray's own methods and slots. While one runs, other code cannot
 * remove or move bytes of the buffer. A bytearray that it returns becomes a GrowBuffer.
 *
 * A method of GrowBuffer computes its result itself if the arguments are of common
 * types. It passes all other arguments to the method of bytearray, so that conversions,
 * errors and messages are those of the running Python.
 */
#ifndef GROWBUF_BASE_H
#define GROWBUF_BASE_H

#include "buffer.h"
#include "state.h"

/* The names of the methods that base_call() can call. On free-threaded 3.13 bytearray's
 * methods take no lock, so GrowBuffer overrides those of BASE_LOCKED. On other builds
 * that list is empty, and GrowBuffer uses bytearray's methods. */
/* clang-format off */
#ifdef BUFFER_UNLOCKED_BASE
#define BASE_LOCKED(DO)                                                                \
    DO(decode) DO(isalnum) DO(isalpha) DO(isascii) DO(isdigit) DO(islower) DO(isspace) \
    DO(istitle) DO(isupper) DO(reverse) DO(__reduce__)
#else
#define BASE_LOCKED(DO)
#endif
#define BASE_METHODS(DO)                                                               \
    DO(center) DO(count) DO(endswith) DO(expandtabs) DO(find) DO(hex) DO(index)        \
    DO(join) DO(ljust) DO(lstrip) DO(partition) DO(removeprefix) DO(removesuffix)      \
    DO(replace) DO(rfind) DO(rindex) DO(rjust) DO(rpartition) DO(rsplit) DO(rstrip)    \
    DO(split) DO(splitlines) DO(startswith) DO(strip) DO(translate) DO(zfill)          \
    BASE_LOCKED(DO)
/* clang-format on */

#define BASE_INDEX(name) BASE_##name,
enum base_method { BASE_METHODS(BASE_INDEX) BASE_NMETHODS };
#undef BASE_INDEX

/* Look up the methods and store them in the module's state. */
int base_state_init(struct state *state);

/* Call a method of bytearray, and return what base_wrap() makes of its result. User
 * code that runs in the call cannot remove or move bytes: it gets a BufferError. As
 * buffer_hold() says, it can append to a buffer with a limit. */
PyObject *base_call(PyObject *op, enum base_method method, PyObject *const *args,
                    Py_ssize_t nargs, PyObject *kwnames);

/* Convert the result of a method of bytearray: replace a bytearray, or each bytearray
 * in a list or tuple, by a GrowBuffer. Return any other object unchanged, and NULL for
 * NULL. The reference to `result` is consumed. */
PyObject *base_wrap(PyTypeObject *type, PyObject *result);

/* Call bytearray's % and `in`, with the protection of base_call(). */
PyObject *base_remainder(PyObject *left, PyObject *right);
int base_contains(PyObject *op, PyObject *value);

#ifdef BUFFER_UNLOCKED_BASE
/* Call a slot of bytearray under the lock, which it does not take itself. */
PyObject *base_item(PyObject *op, Py_ssize_t index);
PyObject *base_repr(PyObject *op);
PyObject *base_str(PyObject *op);
#endif

/* Complete GrowBuffer's table, which has `count` methods and space for `max`. A method
 * without a docstring gets bytearray's. The methods of bytearray that are missing are
 * added, because a method in the type's own dictionary is called faster than an
 * inherited one. Class and static methods are not added. Return the new count. If there
 * is no space for all methods, raise SystemError and return -1. */
Py_ssize_t base_complete(PyMethodDef *methods, size_t count, size_t max);

#endif
