/* rows_edit: inserting and removing rows of a GrowArray. */
#ifndef GROWBUF_ROWS_EDIT_H
#define GROWBUF_ROWS_EDIT_H

#include "rows.h"

/* Return a copy of a row: an ndarray, or a scalar if the row shape is (). If `remove`,
 * also remove the row. */
PyObject *rows_copy_row(PyObject *op, Py_ssize_t index, bool remove);

/* `del rows[key]`. */
int rows_delete(PyObject *op, PyObject *key);

/* Methods, for the type's table. */
extern const PyMethodDef rows_edit_methods[];

#endif
