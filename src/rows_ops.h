/* rows_ops: what an ndarray does, done by the view: operators, access to items; and the
 * buffer protocol.
 *
 * The kept view is given to NumPy alone. Where an operand's own code may see it, it gets a
 * view of its own.
 */
#ifndef GROWBUF_ROWS_OPS_H
#define GROWBUF_ROWS_OPS_H

#include "rows.h"

/* Slots, for the type's table. */
extern const PyType_Slot rows_ops_slots[];
extern const size_t rows_ops_nslots;

#endif
