/* results: what bytearray returns as bytearray, returned as GrowBuffer.
 *
 * Copies of the bytes (slices, +, *, copy) are made here. All else is computed by the
 * base's own method, found by name when the module is made, and what it returns is
 * turned into a GrowBuffer that takes the heap block over.
 */
#ifndef GROWBUF_RESULTS_H
#define GROWBUF_RESULTS_H

#include "buffer.h"
#include "state.h"

/* The methods of the base that return bytearrays, alone or in a list or tuple. Where the
 * base takes no lock, all others that look at the bytes are called under ours too. */
/* clang-format off */
#ifdef BUFFER_UNLOCKED_BASE
#define RESULTS_OTHERS(DO)                                                             \
    DO(count) DO(decode) DO(endswith) DO(find) DO(hex) DO(index) DO(isalnum)           \
    DO(isalpha) DO(isascii) DO(isdigit) DO(islower) DO(isspace) DO(istitle)            \
    DO(isupper) DO(reverse) DO(rfind) DO(rindex) DO(startswith) DO(__reduce__)
#else
#define RESULTS_OTHERS(DO)
#endif
#define RESULTS_METHODS(DO)                                                            \
    DO(capitalize) DO(center) DO(expandtabs) DO(join) DO(ljust) DO(lower) DO(lstrip)   \
    DO(partition) DO(removeprefix) DO(removesuffix) DO(replace) DO(rjust)              \
    DO(rpartition) DO(rsplit) DO(rstrip) DO(split) DO(splitlines) DO(strip)            \
    DO(swapcase) DO(title) DO(translate) DO(upper) DO(zfill) RESULTS_OTHERS(DO)
/* clang-format on */

#define RESULTS_INDEX(name) RESULTS_##name,
enum { RESULTS_METHODS(RESULTS_INDEX) RESULTS_NMETHODS };
#undef RESULTS_INDEX

/* Find the base's methods. */
int results_state_init(struct state *state);

/* Slots. */
PyObject *results_subscript(PyObject *op, PyObject *index);
PyObject *results_concat(PyObject *op, PyObject *other);
PyObject *results_repeat(PyObject *op, Py_ssize_t count);
PyObject *results_remainder(PyObject *left, PyObject *right);
#ifdef BUFFER_UNLOCKED_BASE
PyObject *results_item(PyObject *op, Py_ssize_t index);
int results_contains(PyObject *op, PyObject *value);
PyObject *results_repr(PyObject *op);
PyObject *results_str(PyObject *op);
#endif

/* Write the methods to a type's table, with the base's docstrings; return how many. */
enum { RESULTS_NDEFS = RESULTS_NMETHODS + 1 };
size_t results_methods(PyMethodDef methods[RESULTS_NDEFS]);

#endif
