/* arrow: exporting the rows of a GrowArray by Arrow's C data interface. */
#ifndef GROWBUF_ARROW_H
#define GROWBUF_ARROW_H

#include "rows.h"

/* Methods, for the type's table. */
extern const PyMethodDef arrow_methods[];

#endif
