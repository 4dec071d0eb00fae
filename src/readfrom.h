/* readfrom: reading a file, a descriptor or a socket into the free tail of a buffer. */
#ifndef GROWBUF_READFROM_H
#define GROWBUF_READFROM_H

#include "buffer.h"

extern const PyMethodDef readfrom_methods[];

#endif
