/* pieces: the methods of bytearray that split the bytes and return a list or tuple.
 * Here the items are GrowBuffers. Calls with uncommon arguments are passed to
 * bytearray's own method (base.h).
 */
#ifndef GROWBUF_PIECES_H
#define GROWBUF_PIECES_H

#include "buffer.h"

extern const PyMethodDef pieces_methods[];

#endif
