/* transfer: moving bytes to another owner, without copying them if possible. */
#ifndef GROWBUF_TRANSFER_H
#define GROWBUF_TRANSFER_H

#include "buffer.h"

extern const PyMethodDef transfer_methods[];

/* Remove the first `nbytes` bytes, and return what `make` returns for a new buffer of
 * them, without a limit. If `make` returns NULL the buffer has its bytes again: bytes
 * that must be copied are removed only after `make` has returned. Bytes whose pages were
 * moved are copied back; if there is no memory for that and they were all, the buffer
 * gets the pages, and loses its limit. Under the lock. pre: there are so many bytes. */
PyObject *transfer_take_first(BufferObject *self, size_t nbytes,
                              PyObject *(*make)(void *context, PyObject *taken),
                              void *context);

/* The module's function _rebuild(bytes, type=GrowBuffer), to which pickles refer. It
 * returns a buffer with these bytes. If they are a writable out-of-band view of all
 * bytes of a buffer of exactly that type, it returns that buffer itself. */
PyObject *transfer_rebuild(PyObject *module, PyObject *const *args, Py_ssize_t nargs);

#endif
