/* array: the type Rows, which GrowArray is made of: its table, construction, attributes. */
#ifndef GROWBUF_ARRAY_H
#define GROWBUF_ARRAY_H

#define PY_SSIZE_T_CLEAN
#include <Python.h>

/* Return the new type, or NULL. */
PyTypeObject *array_make_type(PyObject *module);

#endif
