/* ndarray: making an ndarray of a buffer's bytes by NumPy's C API.
 *
 * No NumPy header is used. NumPy exports a table of functions and types in a capsule.
 * The places of the entries that are used here belong to NumPy's ABI, and are the same
 * in NumPy 1 and 2. np.frombuffer() takes two to three times as long.
 */
#ifndef GROWBUF_NDARRAY_H
#define GROWBUF_NDARRAY_H

#include "buffer.h"

struct ndarray_api {
    void *const *functions; /* NULL: NumPy has an unknown ABI, so call none of them */
    PyTypeObject *holder_type; /* of the objects that are the base of an ndarray */
};

/* Read the table from NumPy's capsule if the ABI is known, and make the holder type. -1
 * comes with an exception. */
int ndarray_open(struct ndarray_api *api, PyObject *module, PyObject *capsule);

/* Return an ndarray that is a view of all bytes of a buffer. It has `nitems` items of
 * the dtype, which may be a subarray. Calls no user code. pre: api->functions is not
 * NULL, and the buffer is locked or new. */
PyObject *ndarray_make(const struct ndarray_api *api, BufferObject *buffer,
                       PyObject *dtype, size_t nitems);

#endif
