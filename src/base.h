/* base: bytearray's own methods and slots, called so that no other code can change the
 * bytes meanwhile; and the bytearrays they return, turned into GrowBuffers.
 *
 * A method of GrowBuffer computes its result itself where the arguments are plain. It
 * leaves all other arguments to the method of bytearray: conversions, errors and their
 * messages are then those of the running Python.
 */
#ifndef GROWBUF_BASE_H
#define GROWBUF_BASE_H

#include "buffer.h"
#include "state.h"

/* The methods that are called here. */
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

/* Find the methods, when the module is made. */
int base_state_init(struct state *state);

/* Call a method of bytearray. User code that the arguments run cannot change the length:
 * it gets a BufferError. */
PyObject *base_call(PyObject *op, enum base_method method, PyObject *const *args,
                    Py_ssize_t nargs, PyObject *kwnames);

/* Return `result`, a reference to which is taken, with a GrowBuffer in place of each
 * bytearray. NULL is passed on. */
PyObject *base_wrap(PyTypeObject *type, PyObject *result);

/* Slots of bytearray, called in the same way. */
PyObject *base_remainder(PyObject *left, PyObject *right);
int base_contains(PyObject *op, PyObject *value);

#ifdef BUFFER_UNLOCKED_BASE
PyObject *base_item(PyObject *op, Py_ssize_t index);
PyObject *base_repr(PyObject *op);
PyObject *base_str(PyObject *op);
#endif

/* Complete the `count` methods of a type's table, of `max` entries: give those without a
 * docstring the one of bytearray, and add the methods of bytearray that are missing. A
 * method found in the type's own dictionary is called faster than an inherited one. */
size_t base_complete(PyMethodDef *methods, size_t count, size_t max);

#endif
