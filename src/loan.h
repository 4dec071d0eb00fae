/* loan: the free tail of a buffer, lent to be written to: to a memoryview, or to a copy
 * during which other threads run. While that lasts nobody else appends, and what is
 * written is not seen before it is accepted.
 *
 * `lender` is the thread that may release the view by asking for the next one; or
 * LOAN_ITSELF while the buffer itself is at work there: readfrom(), which is known by the
 * view it made, since another loan may have come in the place of one that ended early, or
 * a copy.
 */
#ifndef GROWBUF_LOAN_H
#define GROWBUF_LOAN_H

#include "buffer.h"

enum { LOAN_ITSELF = 0 }; /* no thread */

/* The type whose objects lend the tail of one buffer to a memoryview (SpareObject). */
extern PyType_Spec loan_spare_spec;

/* Return a memoryview of the free tail, of `least` bytes or more, but `most` at most.
 * The one that this thread has is released before. */
PyObject *loan_view(PyObject *op, size_t least, size_t most, unsigned long lender);

/* Append the first `nbytes` of what was lent by LOAN_ITSELF in `view`; if that is NULL, of
 * what was lent to a thread. Raise ValueError if that is not the tail, or no longer. */
int loan_accept(PyObject *op, size_t nbytes, const PyObject *view);

/* Release the view that this thread has. If somebody uses it, it stays as it is, and with
 * it the export, until the next time. */
void loan_release(PyObject *op);

/* The buffer is at work in `view` no longer. What was raised meanwhile stays raised, and
 * its traceback may be what holds the view. */
void loan_end(PyObject *op, const PyObject *view);

/* Append `nbytes` bytes that the caller holds, and then `own_nbytes` of the buffer's own
 * from `own_at` on. Other threads run meanwhile if that is much (fill.h): who looks sees
 * none of it before all is there, who would change the length gets a BufferError. */
int loan_append(BufferObject *self, const char *bytes, size_t nbytes, size_t own_at,
                size_t own_nbytes);

#endif
