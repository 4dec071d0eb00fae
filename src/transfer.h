/* transfer: moving bytes to another owner, without a copy if possible. */
#ifndef GROWBUF_TRANSFER_H
#define GROWBUF_TRANSFER_H

#include "buffer.h"

extern const PyMethodDef transfer_methods[];

/* Move the first `nbytes` bytes to a new buffer without a limit, and return what `make`
 * returns for that buffer. If `make` returns NULL, put the bytes back:
 *   - If they had to be copied, they are removed only after `make` has succeeded.
 *   - If their pages were moved, they become the first bytes again: an empty buffer
 *     without a limit gets the pages back, and any other buffer gets a copy.
 *   - If that copy fails, an empty buffer gets the pages, and loses its limit. If the
 *     buffer is not empty and has no limit, its bytes are appended to those moved, and
 *     it gets their memory. If this fails too, or if there is a limit, the bytes moved
 *     are lost.
 * Under the lock. pre: nbytes <= buffer_length(self). */
PyObject *transfer_take_first(BufferObject *self, size_t nbytes,
                              PyObject *(*make)(void *context, PyObject *taken),
                              void *context);

/* The type _rebuild, to which pickles refer. A call of it never makes an object of that
 * type, but calls transfer_rebuild(). It is a type, and not a function, because pickle
 * asks a function for its __reduce_ex__(), and so takes longer to find the name. */
extern PyType_Spec transfer_rebuild_spec;

/* The tp_vectorcall of that type: _rebuild(bytes, type=GrowBuffer). Return a buffer
 * with these bytes. If they are an out-of-band, writable view of all bytes of a buffer
 * of exactly that type, return that buffer itself. */
PyObject *transfer_rebuild(PyObject *callable, PyObject *const *args, size_t nargsf,
                           PyObject *kwnames);

#endif
