/* rows_ops: operators, items and iteration of a GrowArray, and its buffer protocol.
 *
 * An ndarray of the rows does the work. It is the kept view if only code of NumPy gets
 * it, and a new view if code of an operand may get it.
 */
#ifndef GROWBUF_ROWS_OPS_H
#define GROWBUF_ROWS_OPS_H

#include "rows.h"

/* Slots, for the type's table. */
extern const PyType_Slot rows_ops_slots[];
extern const size_t rows_ops_nslots;

#endif
