/* rows_numpy: NumPy's protocols, by which ufuncs and functions take an array. */
#ifndef GROWBUF_ROWS_NUMPY_H
#define GROWBUF_ROWS_NUMPY_H

#include "rows.h"

/* Methods, for the type's table. */
extern const PyMethodDef rows_numpy_methods[];

#endif
