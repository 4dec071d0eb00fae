/* io: the Python type GrowIO, a binary file in memory. It is a subclass of io.BytesIO
 * that overrides every method and slot, and keeps its bytes in fields of its own
 * (io_file.h).
 */
#ifndef GROWBUF_IO_H
#define GROWBUF_IO_H

#include "buffer.h"

/* Return the new type GrowIO. */
PyTypeObject *io_make_type(PyObject *module);

#endif
