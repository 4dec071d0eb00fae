/* rows_resize: detaching the first rows of a GrowArray, and setting how many rows there
 * are, and how many there is memory for: detach(), resize(), reserve(), clear(),
 * trim(). */
#ifndef GROWBUF_ROWS_RESIZE_H
#define GROWBUF_ROWS_RESIZE_H

#include "rows.h"

/* Methods, for the type's table. */
extern const PyMethodDef rows_resize_methods[];

#endif
