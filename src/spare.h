/* loan: the free tail of a buffer, lent to be written to: to a memoryview, or to a copy
 * during which other threads run. While that lasts nobody else appends, and what is
 * written is not seen before it is accepted.
 *
 * `lender` is the thread that may release the view by asking for the next one; or
 * SPARE_READER while the buffer itself is at work there: readfrom(), which is known by the
 * view it made, since another loan may have come in the place of one that ended early, or
 * a copy.
 */
#ifndef GROWBUF_SPARE_H
#define GROWBUF_SPARE_H

#include "buffer.h"

enum { SPARE_READER = 0 }; /* no thread */

/* The type whose objects lend the tail of one buffer to a memoryview (SpareObject). */
extern PyType_Spec spare_type_spec;

/* Return a memoryview of the free tail, of `least` bytes or more, but `most` at most.
 * The one that this thread has is released before. */
PyObject *spare_view(PyObject *op, size_t least, size_t most, unsigned long lender);

/* Append the first `nbytes` of what was lent by SPARE_READER in `view`; if that is NULL, of
 * what was lent to a thread. Raise ValueError if that is not the tail, or no longer. */
int spare_commit(PyObject *op, size_t nbytes, const PyObject *view);

/* Release the view that this thread has. If somebody uses it, it stays as it is, and with
 * it the export, until the next time. */
void spare_release(PyObject *op);

/* The buffer is at work in `view` no longer. What was raised meanwhile stays raised, and
 * its traceback may be what holds the view. */
void spare_end(PyObject *op, const PyObject *view);

#endif
