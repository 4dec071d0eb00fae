/* io_read: the methods of GrowIO that read, and its position. */
#ifndef GROWBUF_IO_READ_H
#define GROWBUF_IO_READ_H

#include "buffer.h"

extern const char io_read_doc[], io_read1_doc[], io_peek_doc[], io_readinto_doc[];
extern const char io_readline_doc[], io_readlines_doc[], io_seek_doc[], io_tell_doc[];
extern const char io_getvalue_doc[], io_getbuffer_doc[];

PyObject *io_read(PyObject *op, PyObject *const *args, Py_ssize_t nargs);
PyObject *io_read1(PyObject *op, PyObject *const *args, Py_ssize_t nargs);
PyObject *io_peek(PyObject *op, PyObject *const *args, Py_ssize_t nargs);
PyObject *io_readinto(PyObject *op, PyObject *target);
PyObject *io_readline(PyObject *op, PyObject *const *args, Py_ssize_t nargs);
PyObject *io_readlines(PyObject *op, PyObject *const *args, Py_ssize_t nargs);
PyObject *io_iternext(PyObject *op);
PyObject *io_seek(PyObject *op, PyObject *const *args, Py_ssize_t nargs);
PyObject *io_tell(PyObject *op, PyObject *ignored);
PyObject *io_getvalue(PyObject *op, PyObject *ignored);
PyObject *io_getbuffer(PyObject *op, PyObject *ignored);

#endif
