/* rows_swap: swapping two rows of an array whose rows are views of it.
 *
 * For `a[i], a[j] = a[j], a[i]` Python reads row j and row i, and then sets row i and
 * row j. If the two objects that it has read are views, as rows of an ndarray are, row
 * i shows row j's values by the time that it is copied to row j: one row is duplicated,
 * the other lost. The shuffle() of NumPy's random generators swaps rows like this in
 * every object that is no ndarray. So an array remembers the last two rows that were
 * read by an index. If these are swapped, it writes to row j what row i was before.
 */
#ifndef GROWBUF_ROWS_SWAP_H
#define GROWBUF_ROWS_SWAP_H

#include "rows.h"

/* Remember that `view` was returned for an index. It may be NULL. */
void rows_swap_read(RowsObject *self, PyObject *key, PyObject *view);

/* Return whether this assignment is the second one of a swap. Then the row is set. */
bool rows_swap_set(RowsObject *self, PyObject *key, PyObject *value);

#endif
