/* rows_resize: the methods of a GrowArray that detach its first rows, and that set the
 * length and the capacity: detach(), resize(), reserve(), clear(), trim(). */
#ifndef GROWBUF_ROWS_RESIZE_H
#define GROWBUF_ROWS_RESIZE_H

#include "rows.h"

/* Methods, for the type's table. */
extern const PyMethodDef rows_resize_methods[];

#endif
