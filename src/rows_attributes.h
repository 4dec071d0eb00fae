/* rows_attributes: the attributes of a GrowArray. */
#ifndef GROWBUF_ROWS_ATTRIBUTES_H
#define GROWBUF_ROWS_ATTRIBUTES_H

#include "rows.h"

/* For the type's table. */
extern PyGetSetDef rows_attributes[];

#endif
