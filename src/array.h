/* array: the type GrowArray: its construction and its slot table. */
#ifndef GROWBUF_ARRAY_H
#define GROWBUF_ARRAY_H

#define PY_SSIZE_T_CLEAN
#include <Python.h>

/* Return the new type; NULL with an exception. growbuf/array.py adds methods to it. */
PyTypeObject *array_make_type(PyObject *module);

#endif
