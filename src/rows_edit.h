/* rows_edit: rows inserted and removed, and the number of them set. */
#ifndef GROWBUF_ROWS_EDIT_H
#define GROWBUF_ROWS_EDIT_H

#include "rows.h"

/* `del rows[key]`. */
int rows_delete(PyObject *op, PyObject *key);

/* Methods, for the type's table. */
extern const PyMethodDef rows_edit_methods[];

#endif
