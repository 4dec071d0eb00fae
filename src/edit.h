/* edit: the methods and slots of bytearray that change the length, or assign to items
 * and slices. */
#ifndef GROWBUF_EDIT_H
#define GROWBUF_EDIT_H

#include "buffer.h"

/* Slots. */
PyObject *edit_inplace_concat(PyObject *op, PyObject *other);
PyObject *edit_inplace_repeat(PyObject *op, Py_ssize_t count);
int edit_ass_item(PyObject *op, Py_ssize_t index, PyObject *value);
int edit_ass_subscript(PyObject *op, PyObject *index, PyObject *value);

/* Methods, for the type's table. */
extern const PyMethodDef edit_methods[];

#endif
