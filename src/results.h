/* results: the methods of bytearray that return new bytes. Here they return
 * GrowBuffers. Those that return a list or tuple are in pieces.h.
 *
 * If the arguments are of common types, methods.c computes the result directly in a new
 * GrowBuffer. All other calls are passed to bytearray's own method (base.h).
 */
#ifndef GROWBUF_RESULTS_H
#define GROWBUF_RESULTS_H

#include "buffer.h"

/* The slot nb_remainder. */
PyObject *results_remainder(PyObject *left, PyObject *right);

extern const PyMethodDef results_methods[];

#endif
