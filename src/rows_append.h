/* rows_append: converting values to rows and appending them: append() and extend(). */
#ifndef GROWBUF_ROWS_APPEND_H
#define GROWBUF_ROWS_APPEND_H

#include "rows.h"

/* Append bytes that are rows. With maxlen, only the last of them are kept. Return 1.
 * Under the lock. */
int rows_append_bytes(RowsObject *self, const char *bytes, size_t nbytes);

/* Append all rows of an array or an iterable. Does what GrowArray.extend() does, even
 * if a subclass overrides it. Return 1. */
int rows_extend_by(PyObject *op, PyObject *values);

/* Return a new GrowArray of the same layout, with the rows of `value`. `value` is one
 * row, or rows if it has one axis more than a row. */
PyObject *rows_gather(PyObject *op, PyObject *value);

/* Methods, for the type's table. */
extern const PyMethodDef rows_append_methods[];

#endif
