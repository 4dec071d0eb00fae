/* rows_swap: swapping two rows of an array whose rows are views of it.
 *
 * For `a[i], a[j] = a[j], a[i]` Python reads row j, then row i. Then it sets row i,
 * then row j. Rows of an ndarray are views. So after row i is set, the view of row i
 * shows the values of row j, and row j is set to them: row j is duplicated, and row i
 * is lost. shuffle() of NumPy's random generators swaps rows in this way in every
 * object that is not an ndarray. So an array remembers the last two rows that were read
 * by an index. If they are swapped, the second assignment writes the old values of row
 * i to row j.
 */
#ifndef GROWBUF_ROWS_SWAP_H
#define GROWBUF_ROWS_SWAP_H

#include "rows.h"

/* Remember that `view` was returned for the index `key`. `view` may be NULL. */
void rows_swap_read(RowsObject *self, PyObject *key, PyObject *view);

/* If this assignment is the second one of a swap, set the row and return true. If it is
 * the first one, store the old values, and return false: the caller sets the row. */
bool rows_swap_set(RowsObject *self, PyObject *key, PyObject *value);

#endif
