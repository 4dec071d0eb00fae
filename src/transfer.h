/* transfer: bytes handed to another owner, without copying them where possible. */
#ifndef GROWBUF_TRANSFER_H
#define GROWBUF_TRANSFER_H

#include "buffer.h"

extern const PyMethodDef transfer_methods[];

/* Return a new buffer with the first `nbytes`, which go; -1: all. It has no limit. */
PyObject *transfer_take(PyObject *op, Py_ssize_t nbytes);

/* Undo that, or what freeze() did: where the buffer has no bytes by now, nor a limit that
 * those have not, no memory is needed. */
void transfer_put_back(BufferObject *self, BufferObject *taken);

/* The function of the module that pickles name: _rebuild(bytes, type=GrowBuffer) returns a
 * buffer of these bytes. A whole buffer of that very type that comes out of band, and may
 * be written to, is returned as it is. */
PyObject *transfer_rebuild(PyObject *module, PyObject *const *args, Py_ssize_t nargs);

/* The type that holds what freeze() gave away: a read-only buffer and nothing else. */
extern PyType_Spec transfer_frozen_spec;

#endif
