/* rows_spare: spare(), which returns unused memory after the last row for other code to
 * write rows to; and commit(), which appends those rows. */
#ifndef GROWBUF_ROWS_SPARE_H
#define GROWBUF_ROWS_SPARE_H

#include "rows.h"

/* Return a memoryview of the tailroom, of at least `min` bytes and at most `max`. First
 * end the last spare of this thread. `owner` is as for spare_view(). */
PyObject *rows_spare_view(PyObject *op, size_t min, size_t max, unsigned long owner);

/* Append the first `nbytes` of the spare, a multiple of the row size. Then end the
 * spare. `view` is as for spare_commit(). */
int rows_spare_commit(PyObject *op, size_t nbytes, const PyObject *view);

/* Methods, for the type's table. */
extern const PyMethodDef rows_spare_methods[];

#endif
