/* tail: the free bytes behind the last one in use, and reading into them. */
#ifndef GROWBUF_TAIL_H
#define GROWBUF_TAIL_H

#include "buffer.h"

extern const PyMethodDef tail_methods[];
extern const PyGetSetDef tail_getset[];

#endif
