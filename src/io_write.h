/* io_write: the methods of GrowIO that change its bytes. */
#ifndef GROWBUF_IO_WRITE_H
#define GROWBUF_IO_WRITE_H

#include "buffer.h"

extern const char io_write_doc[], io_writelines_doc[], io_truncate_doc[];

PyObject *io_write(PyObject *op, PyObject *data);
PyObject *io_writelines(PyObject *op, PyObject *lines);
PyObject *io_truncate(PyObject *op, PyObject *const *args, Py_ssize_t nargs);

#endif
