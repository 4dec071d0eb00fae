/* rows_numpy: the protocols by which NumPy's ufuncs and functions take a GrowArray. */
#ifndef GROWBUF_ROWS_NUMPY_H
#define GROWBUF_ROWS_NUMPY_H

#include "rows.h"

/* Methods, for the type's table. */
extern const PyMethodDef rows_numpy_methods[];

#endif
