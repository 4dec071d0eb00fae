/* spare: the free tail of a buffer. spare() returns it as a writable memoryview, and
 * commit() appends what was written there. Until the commit, nothing else can change
 * the length while the view exists.
 *
 * The `owner` of a spare is the thread whose next spare() releases the view. It is
 * SPARE_READER while readfrom() uses the view. readfrom() passes its view to
 * spare_commit(), because the source may release that view, and other code may then
 * call spare(). In this case spare_commit() raises ValueError.
 */
#ifndef GROWBUF_SPARE_H
#define GROWBUF_SPARE_H

#include "buffer.h"

/* The type of SpareObject, which exports the tail of one buffer to a memoryview. */
extern PyType_Spec spare_type_spec;

/* The methods spare() and commit(). */
extern const PyMethodDef spare_methods[];

/* Return a memoryview of the free tail, of at least `min` bytes and at most `max`.
 * First release the last view of this buffer that this thread got. */
PyObject *spare_view(PyObject *op, size_t min, size_t max, unsigned long owner);

/* Append the first `nbytes` bytes of the spare. `view` is the view that readfrom()
 * made; NULL means the view that spare() returned. Raise ValueError if the spare is no
 * longer the tail of the buffer. */
int spare_commit(PyObject *op, size_t nbytes, const PyObject *view);

/* As spare_commit(), for a caller that holds the lock. On 3.13, locking the same object
 * again would release the lock for a moment. Other threads could then see the bytes
 * before the caller has done the rest. */
int spare_commit_locked(BufferObject *self, size_t nbytes, const PyObject *view);

/* What spare_commit() changes: fields of the spare, and two bytes of the tail. */
struct spare_mark {
    char *start; /* NULL: spare_commit() would raise */
    unsigned long owner;
    const PyObject *reader;
    char first, next; /* the bytes at `start`, and after the `nbytes` to append */
};

/* Undo spare_commit(): the same bytes can be committed again. `mark` is what
 * spare_mark() returned before. pre: nbytes > 0, and the commit was the last change of
 * the buffer. Under the lock. */
struct spare_mark spare_mark(const BufferObject *self, size_t nbytes);
void spare_uncommit(BufferObject *self, size_t nbytes, const struct spare_mark *mark);

/* Make an outstanding spare SPARE_SHARED: its memoryview is then a view like others.
 * Nothing of it can be committed, and it does not prevent appending. Code that holds it
 * can write to the tail, and so to bytes that are appended later. Return false, and do
 * nothing, if the buffer has no limit. Under the lock. */
bool spare_make_shared(BufferObject *self);

/* Release the view that this thread got from spare(). If that fails because an object
 * made from the view exists, call spare_make_shared(). */
void spare_abandon(PyObject *op);

/* End readfrom()'s use of `view`, and release it. An exception that is set stays set.
 * If the view cannot be released, because the traceback of that exception still uses
 * it, the next spare() of this thread releases it. */
void spare_end_reader(PyObject *op, const PyObject *view);

#endif
