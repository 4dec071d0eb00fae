/* rows_readfrom: reading rows from a file, a descriptor or a socket. */
#ifndef GROWBUF_ROWS_READFROM_H
#define GROWBUF_ROWS_READFROM_H

#include "rows.h"

/* Methods, for the type's table. */
extern const PyMethodDef rows_readfrom_methods[];

#endif
