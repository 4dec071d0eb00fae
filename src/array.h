/* array: rows of items of one type in a GrowBuffer, the C half of GrowArray.
 *
 * What NumPy does, NumPy does: growbuf/array.py tells how a row lies in memory, and
 * this file writes the common kinds of rows without asking anybody. It knows no NumPy
 * header; an ndarray is met by its attribute `dtype` and by the buffer protocol.
 */
#ifndef GROWBUF_ARRAY_H
#define GROWBUF_ARRAY_H

#include "buffer.h"

/* The type Rows, which GrowArray is made of. */
extern PyType_Spec array_rows_spec;

#endif
