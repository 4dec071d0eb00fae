/* rows_spare: free rows of a GrowArray that other code writes to: spare(), commit(). */
#ifndef GROWBUF_ROWS_SPARE_H
#define GROWBUF_ROWS_SPARE_H

#include "rows.h"

/* Return a memoryview of the tail, of at least `min` bytes and at most `max`. The spare
 * that this thread had before ends. `owner` is as for spare_view(). */
PyObject *rows_spare_view(PyObject *op, size_t min, size_t max, unsigned long owner);

/* Append the first `nbytes` bytes of the spare, which are whole rows; then release its
 * view. `view` is as for spare_commit(). */
int rows_spare_commit(PyObject *op, size_t nbytes, const PyObject *view);

/* Methods, for the type's table. */
extern const PyMethodDef rows_spare_methods[];

#endif
