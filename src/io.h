/* io: the Python object GrowIO, a binary file in memory: a GrowBuffer and a position.
 *
 * It is a heap type behind _io._BufferedIOBase, whose instances keep a dict and weak
 * references in words of their own. Exports are the buffer's business: getbuffer() is a
 * view of the buffer, and each change of length goes through the buffer's gate.
 */
#ifndef GROWBUF_IO_H
#define GROWBUF_IO_H

#include "buffer.h"

/* Return the new type GrowIO, which the io module takes for one of its own. */
PyTypeObject *io_make_type(PyObject *module);

#endif
