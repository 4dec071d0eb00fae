/* ndarray: making an ndarray of a buffer's bytes by NumPy's C API.
 *
 * No NumPy header is used. NumPy passes its functions on in a capsule, as a table. The
 * places of the two that are used here are part of NumPy's ABI, and are the same in
 * NumPy 1 and 2. np.frombuffer() does the same in two to three times as long.
 */
#ifndef GROWBUF_NDARRAY_H
#define GROWBUF_NDARRAY_H

#include "buffer.h"

struct ndarray_api {
    void *const *functions;    /* NULL: NumPy has another ABI, so none can be called */
    PyTypeObject *holder_type; /* of the objects that are a base of an ndarray */
};

/* Read the table from NumPy's capsule, if the ABI is known. -1 comes with an exception.
 */
int ndarray_open(struct ndarray_api *api, PyObject *module, PyObject *capsule);

/* Return an ndarray of all bytes of a buffer, which is a view of it: `nitems` items of
 * a dtype, which may be a subarray. No other code runs. pre: api->functions is not
 * NULL, and the buffer is locked or new. */
PyObject *ndarray_make(const struct ndarray_api *api, BufferObject *buffer,
                       PyObject *dtype, size_t nitems);

#endif
