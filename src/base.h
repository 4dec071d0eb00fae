/* base: calls to bytearray's own methods and slots. While one runs, no other code can
 * change the length. A bytearray that it returns is turned into a GrowBuffer.
 *
 * A method of GrowBuffer computes its result itself if the arguments are of common
 * types. It passes all other arguments to the method of bytearray, so that conversions,
 * errors and messages are those of the running Python.
 */
#ifndef GROWBUF_BASE_H
#define GROWBUF_BASE_H

#include "buffer.h"
#include "state.h"

/* The names of the methods that are called here. BASE_LOCKED are those that GrowBuffer
 * would inherit as they are, if the base took the lock. */
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

/* Call a method of bytearray and return its result through base_wrap(). User code that
 * runs in the call cannot change the length: it gets a BufferError. */
PyObject *base_call(PyObject *op, enum base_method method, PyObject *const *args,
                    Py_ssize_t nargs, PyObject *kwnames);

/* Return `result` with each bytearray in it replaced by a GrowBuffer. The reference to
 * `result` is consumed. NULL is returned as NULL. */
PyObject *base_wrap(PyTypeObject *type, PyObject *result);

/* Call a slot of bytearray; the length cannot change meanwhile. */
PyObject *base_remainder(PyObject *left, PyObject *right);
int base_contains(PyObject *op, PyObject *value);

#ifdef BUFFER_UNLOCKED_BASE
PyObject *base_item(PyObject *op, Py_ssize_t index);
PyObject *base_repr(PyObject *op);
PyObject *base_str(PyObject *op);
#endif

/* Complete a table that has `count` methods and space for `max`, and return the new
 * count. A method without a docstring gets bytearray's. The methods of bytearray that
 * are missing are added, except class and static methods: a method in the type's own
 * dictionary is called faster than an inherited one. If there is no space for them,
 * raise SystemError and return -1. */
Py_ssize_t base_complete(PyMethodDef *methods, size_t count, size_t max);

#endif
