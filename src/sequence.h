/* sequence: reading and searching a GrowBuffer: items, slices, +, *, in, hex(). */
#ifndef GROWBUF_SEQUENCE_H
#define GROWBUF_SEQUENCE_H

#include "buffer.h"

/* Slots. */
PyObject *sequence_subscript(PyObject *op, PyObject *index);
PyObject *sequence_concat(PyObject *op, PyObject *other);
PyObject *sequence_repeat(PyObject *op, Py_ssize_t count);
PyObject *sequence_compare(PyObject *op, PyObject *other, int operator);
int sequence_contains(PyObject *op, PyObject *value);

extern const PyMethodDef sequence_methods[];

#endif
