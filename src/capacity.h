/* capacity: how many bytes a buffer can hold, and how much memory that takes. */
#ifndef GROWBUF_CAPACITY_H
#define GROWBUF_CAPACITY_H

#include "buffer.h"

extern const PyMethodDef capacity_methods[];
extern const PyGetSetDef capacity_getset[];

#endif
