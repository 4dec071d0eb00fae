/* spare: the free tail of a buffer. spare() returns it as a writable memoryview, and
 * commit() appends what was written there. While the view exists nothing else can be
 * appended. The bytes written become part of the buffer only when they are committed.
 *
 * The `owner` of a spare is the thread whose next spare() releases the view. It is
 * SPARE_READER while readfrom() uses the view. readfrom() passes its view to
 * spare_commit(): the source may have released the view, and other code may have called
 * spare() since. Then nothing is committed.
 */
#ifndef GROWBUF_SPARE_H
#define GROWBUF_SPARE_H

#include "buffer.h"

enum { SPARE_READER = 0 }; /* an `owner`; no thread has this number */

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

/* Make the memoryview of an outstanding spare a view like others (SPARE_SHARED).
 * Nothing of it can be committed then, and it does not prevent appending. Code that
 * holds it can write to the tail, and so to bytes that are appended later. Return false
 * if the buffer has no limit: then the spare stays outstanding. Under the lock. */
bool spare_make_shared(BufferObject *self);

/* End the spare of this thread: release its view. If an object that was made of the
 * view exists, it cannot be released: call spare_make_shared() then. */
void spare_abandon(PyObject *op);

/* End readfrom()'s use of `view`, and release it. An exception that is set stays set.
 * If its traceback still uses the view, the next spare() releases the view. */
void spare_end_reader(PyObject *op, const PyObject *view);

#endif
