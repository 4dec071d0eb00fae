/* io_state: construction and pickling of a GrowIO. */
#ifndef GROWBUF_IO_STATE_H
#define GROWBUF_IO_STATE_H

#include "buffer.h"

extern const char io_getstate_doc[], io_setstate_doc[];

/* The slots tp_init and tp_vectorcall. tp_vectorcall makes a file without an argument
 * tuple and without calling __new__ and __init__. Subclasses do not inherit it. */
int io_init(PyObject *op, PyObject *args, PyObject *kwargs);
PyObject *io_vectorcall(PyObject *type, PyObject *const *args, size_t nargsf,
                        PyObject *kwnames);

PyObject *io_getstate(PyObject *op, PyObject *ignored);
PyObject *io_setstate(PyObject *op, PyObject *state);

#endif
