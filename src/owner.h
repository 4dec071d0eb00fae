/* owner: bytes handed on to another owner without copying them, where that can be. */
#ifndef GROWBUF_OWNER_H
#define GROWBUF_OWNER_H

#include "buffer.h"

extern const PyMethodDef owner_methods[];

/* The type that holds what freeze() gave away: a read-only buffer and nothing else. */
extern PyType_Spec owner_frozen_spec;

#endif
