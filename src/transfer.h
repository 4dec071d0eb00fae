/* transfer: moving bytes to another owner, without copying them if possible. */
#ifndef GROWBUF_TRANSFER_H
#define GROWBUF_TRANSFER_H

#include "buffer.h"

extern const PyMethodDef transfer_methods[];

/* Remove the first `nbytes` bytes (-1: all) and return them in a new buffer without a
 * limit. */
PyObject *transfer_take(PyObject *op, Py_ssize_t nbytes);

/* Undo transfer_take(). This needs no memory if the buffer has no bytes
 * now, and if both buffers have a limit or neither has. */
void transfer_put_back(BufferObject *self, BufferObject *taken);

/* The module's function _rebuild(bytes, type=GrowBuffer), to which pickles refer. It
 * returns a buffer with these bytes. If they are a writable out-of-band view of all
 * bytes of a buffer of exactly that type, it returns that buffer itself. */
PyObject *transfer_rebuild(PyObject *module, PyObject *const *args, Py_ssize_t nargs);

#endif
