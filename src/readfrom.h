/* readfrom: reading a file, a descriptor or a socket into the free tail of a buffer. */
#ifndef GROWBUF_READFROM_H
#define GROWBUF_READFROM_H

#include "buffer.h"

extern const PyMethodDef readfrom_methods[];

/* What readfrom_call() may return instead of a number of bytes. 0 bytes mean the end of
 * the source. */
enum { READ_ERROR = -1, READ_NOTHING_YET = -2 };

/* Return the source's method that reads into a buffer: readinto() of a file, or
 * recv_into() of a socket. A descriptor is opened as a file. `*file` becomes a new
 * reference to the file, or NULL for a socket. Raise TypeError for other objects. */
PyObject *readfrom_find_reader(PyObject *source, PyObject **file);

/* Return how many bytes are left in a file, or 0 if it does not report that. Exceptions
 * are cleared, except one that does not derive from Exception (KeyboardInterrupt). */
size_t readfrom_find_expected(PyObject *file);

/* Return the minimum size of the view that a source reads into. `expected` is how many
 * bytes the source seems to have left. */
size_t readfrom_min_view(size_t expected);

/* Return how many bytes can be appended before the buffer is at its limit, or
 * PY_SSIZE_T_MAX if it has no limit. */
size_t readfrom_left(PyObject *op);

/* Call the source's method `reader` with a view of `view_nbytes` bytes. Return the
 * number of bytes that it read, or one of the READ_ values. */
Py_ssize_t readfrom_call(PyObject *reader, PyObject *view, Py_ssize_t view_nbytes);

#endif
