/* spare: the free tail of a buffer, given out as a memoryview to be written to, and then
 * committed. While the view lives nothing else is appended, and what is written is not
 * part of the buffer before it is committed.
 *
 * `owner` is the thread that releases the view when it asks for the next one; or
 * SPARE_READER while readfrom() has its source write there. readfrom() is recognized by
 * the view that it made, since another spare may be outstanding by the time it commits.
 */
#ifndef GROWBUF_SPARE_H
#define GROWBUF_SPARE_H

#include "buffer.h"

enum { SPARE_READER = 0 }; /* no thread */

/* The type whose objects export the tail of one buffer to a memoryview (SpareObject). */
extern PyType_Spec spare_type_spec;

/* The methods spare() and commit(). */
extern const PyMethodDef spare_methods[];

/* Return a memoryview of the free tail, of at least `min` bytes and at most `max`. The
 * view that this thread got before is released first. */
PyObject *spare_view(PyObject *op, size_t min, size_t max, unsigned long owner);

/* Append the first `nbytes` of the spare that `view` shows, of readfrom(); if `view` is
 * NULL, of the one that spare() returned. Raise ValueError if that is not the buffer's
 * tail any more. */
int spare_commit(PyObject *op, size_t nbytes, const PyObject *view);

/* Note that readfrom() is done with `view`, and release it. An exception that is set stays
 * set; its traceback may hold the view, which is then released by the next spare(). */
void spare_end_reader(PyObject *op, const PyObject *view);

#endif
