/* spare: the free tail of a buffer. spare() returns it as a writable memoryview, and
 * commit() appends what was written there. While the view exists nothing else can be
 * appended. The bytes written become part of the buffer only when they are committed.
 *
 * `owner` is the thread whose next spare() releases the view. It is SPARE_READER while
 * readfrom() uses the view. readfrom() passes its view to spare_commit(), because
 * another spare may be outstanding by then.
 */
#ifndef GROWBUF_SPARE_H
#define GROWBUF_SPARE_H

#include "buffer.h"

enum { SPARE_READER = 0 }; /* the number of no thread */

/* The type whose objects export the tail of one buffer to a memoryview
 * (SpareObject). */
extern PyType_Spec spare_type_spec;

/* The methods spare() and commit(). */
extern const PyMethodDef spare_methods[];

/* Return a memoryview of the free tail, of at least `min` bytes and at most `max`. The
 * last view that this thread got is released first. */
PyObject *spare_view(PyObject *op, size_t min, size_t max, unsigned long owner);

/* Append the first `nbytes` bytes of the spare. `view` is the view that readfrom()
 * made; NULL means the view that spare() returned. Raise ValueError if the spare is no
 * longer the tail of the buffer. */
int spare_commit(PyObject *op, size_t nbytes, const PyObject *view);

/* Let the memoryview of an outstanding spare be a view like others: nothing of it can
 * be committed any more, and it prevents no append. Its holder may still write to the
 * tail, and so to bytes that are appended later. Return false if the buffer has no
 * limit: then the spare stays as it is. Under the lock. */
bool spare_make_shared(BufferObject *self);

/* End the spare of this thread: release its view; or share it, if an object made from
 * it exists. */
void spare_abandon(PyObject *op);

/* End readfrom()'s use of `view`, and release it. An exception that is set stays set.
 * If its traceback still uses the view, the next spare() releases the view. */
void spare_end_reader(PyObject *op, const PyObject *view);

#endif
