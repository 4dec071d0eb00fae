/* tail: the free bytes behind the last one in use, and reading into them. */
#ifndef GROWBUF_TAIL_H
#define GROWBUF_TAIL_H

#include "buffer.h"

extern const PyMethodDef tail_methods[];
extern const PyGetSetDef tail_getset[];

/* The type whose objects lend the tail of one buffer to a memoryview (SpareObject). */
extern PyType_Spec tail_spare_spec;

#endif
