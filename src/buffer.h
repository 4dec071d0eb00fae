/* buffer: the functions that append, insert and remove bytes of a GrowBuffer, or move
 * its bytes to another store. Each one calls the store, and publishes the new address
 * and length. Most check the exports first. For the others the caller has done so.
 *
 * An export other than the pin (buffer_object.h) prevents most changes, because running
 * code or a view uses the bytes. There are two exceptions: a buffer with a limit allows
 * some changes while views exist, and a spare that was committed does not prevent
 * changes.
 *
 * As in buffer_object.h, callers hold the lock, and a function that returns -1 has set
 * an exception and left the buffer unchanged.
 */
#ifndef GROWBUF_BUFFER_H
#define GROWBUF_BUFFER_H

#include "buffer_object.h"

/* Raise BufferError if exports prevent a change of the length. If the only export is a
 * committed spare, and prevents it, detach the spare instead: it keeps the memory that
 * its view shows. If the buffer still uses that memory, copy the bytes of the buffer to
 * other memory. Their address changes then. Raise MemoryError if there is no memory.
 *   resizable  for any change.
 *   growable   for growing at the end. If the store has a limit, that moves no byte, so
 *              views are allowed.
 *   removable  for removing bytes from the front. If the store has a limit, views are
 *              allowed (views.h).
 * All three raise while a spare is outstanding and not committed. */
int buffer_check_resizable(BufferObject *self);
int buffer_check_growable(BufferObject *self);
int buffer_check_removable(BufferObject *self);

/* As buffer_check_growable(), for commit(): an outstanding spare is allowed. */
int buffer_check_committable(BufferObject *self);

/* -------------------------------------------------------------------------- growing */

/* If the exports allow growing, call `grow`, a function of the store that appends bytes
 * or adds capacity. */
int buffer_grow(BufferObject *self, int (*grow)(struct store *, size_t), size_t nbytes);

/* Append `nbytes` bytes. The caller writes their values before any other code runs. 0
 * bytes must not reach store_commit(), because all empty stores share one NUL, which is
 * never written. So the condition is true for 0, where nbytes - 1 wraps to SIZE_MAX. */
static inline int
buffer_append(BufferObject *self, size_t nbytes)
{
    if (nbytes - 1 >= store_tailroom(&self->store) || buffer_is_exported(self)) {
        return nbytes == 0 ? 0 : buffer_grow(self, store_append, nbytes);
    }
    store_commit(&self->store, nbytes);
    buffer_publish(self);
    return 0;
}

/* Append `nbytes` zero bytes. */
static inline int
buffer_append_zeros(BufferObject *self, size_t nbytes)
{
    return nbytes == 0 ? 0 : buffer_grow(self, store_append_zeros, nbytes);
}

/* Make the capacity at least `capacity` bytes. */
static inline int
buffer_reserve(BufferObject *self, size_t capacity)
{
    return capacity <= store_capacity(&self->store)
               ? 0
               : buffer_grow(self, store_reserve, capacity);
}

/* Make the tailroom at least `nbytes`. */
static inline int
buffer_make_tailroom(BufferObject *self, size_t nbytes)
{
    return nbytes <= store_tailroom(&self->store)
               ? 0
               : buffer_grow(self, store_make_tailroom, nbytes);
}

/* Append `nbytes` that the caller has already written after the last byte. */
static inline void
buffer_commit(BufferObject *self, size_t nbytes)
{
    if (nbytes > 0) { /* the NUL of an empty store must not be written */
        store_commit(&self->store, nbytes);
        buffer_publish(self);
    }
}

/* As buffer_commit(), but write no NUL: a view shows the byte after the last one. */
static inline void
buffer_commit_without_nul(BufferObject *self, size_t nbytes)
{
    assert(nbytes > 0 && buffer_tail_may_be_written(self));
    store_commit_without_nul(&self->store, nbytes);
    buffer_publish(self);
}

/* Undo buffer_commit(self, nbytes). A released spare can no longer be committed: the
 * bytes appended may have overwritten it. pre: it was the last change of the buffer. */
static inline void
buffer_uncommit(BufferObject *self, size_t nbytes)
{
    store_uncommit(&self->store, nbytes);
    buffer_forget_spare(self);
    buffer_publish(self);
}

/* ----------------------------------------------------------- replacing and removing */

/* As buffer_splice(). Called unless buffer_cut() has removed the bytes. */
int buffer_splice_any(BufferObject *self, size_t at, size_t removed, size_t inserted);

/* If the bytes are at either end, there are no exports, and the store keeps its memory,
 * remove them and return true. Otherwise return false and do nothing. The result is
 * true for most removals. No span changes then, so tracemalloc is not told. */
static inline bool
buffer_cut(BufferObject *self, size_t at, size_t removed)
{
    if (removed == 0 || buffer_is_exported(self) ||
        (at != 0 && at + removed != self->store.length) ||
        !store_cut(&self->store, at, removed)) {
        return false;
    }
    buffer_forget_spare(self);
    buffer_publish(self);
    assert(buffer_check(self) == NULL);
    return true;
}

/* Replace `removed` bytes at offset `at` by `inserted` bytes. The caller writes their
 * values before any other code runs. Exports never prevent a change that keeps the
 * length. This function checks them with buffer_check_growable() for an insertion at
 * the end, buffer_check_removable() for a removal from the front, and
 * buffer_check_resizable() for any other change. */
static inline int
buffer_splice(BufferObject *self, size_t at, size_t removed, size_t inserted)
{
    assert(at <= self->store.length && removed <= self->store.length - at);
    return inserted == 0 && buffer_cut(self, at, removed)
               ? 0
               : buffer_splice_any(self, at, removed, inserted);
}

/* Move the bytes to the start of their memory, so that there is no free headroom. pre:
 * there are no exports. */
void buffer_slide(BufferObject *self);

/* Append `nbytes` that the caller has already written after the last byte. Then remove
 * the first `removed` bytes, which become headroom. If the headroom is then longer than
 * the bytes, move them to the start of their memory. pre: there are no exports, and
 * nbytes > 0. */
static inline void
buffer_roll(BufferObject *self, size_t nbytes, size_t removed)
{
    assert(!buffer_is_exported(self));
    store_commit(&self->store, nbytes);
    store_skip(&self->store, removed);
    if (store_free_headroom(&self->store) > self->store.length) {
        buffer_slide(self);
        return;
    }
    buffer_publish(self);
}

/* Give back all memory that the length does not need. */
int buffer_trim(BufferObject *self);

/* Remove all bytes. If the buffer is empty already and not exported, give its capacity
 * back. */
int buffer_clear(BufferObject *self);

/* ------------------------------------------------ moving the bytes to another owner */

/* Move the first `nbytes` bytes to `*taken`, by moving their pages or the whole store.
 * `*taken` need not be initialized. Return 1 if the bytes can be removed but must be
 * copied, because the store cannot move them or because views see them: then the buffer
 * is unchanged and `*taken` is empty. */
int buffer_take(BufferObject *self, size_t nbytes, struct store *taken);

/* Move the whole store of a buffer with a limit to `*taken`. The buffer gets a new,
 * empty store with the same limit. Return 1, and do nothing, if there is no address
 * space for the new store. */
int buffer_hand_over(BufferObject *self, struct store *taken);

/* Swap the buffer's store and `store`. Raise BufferError if exports prevent it. Before
 * Python 3.15, an empty store may be swapped for an empty store while exports exist,
 * unless one of the two stores has a limit or a spare is outstanding. Since 3.15 that
 * raises too, as bytearray.__init__ does. */
int buffer_exchange(BufferObject *self, struct store *store);

/* Swap the stores of two buffers. `self` must be empty, and `other` must not be
 * exported. `self` may be exported, unless it has a limit or a spare is outstanding. If
 * one of these does not hold, return -1, without an exception and with both buffers
 * unchanged. */
int buffer_swap(BufferObject *self, BufferObject *other);

#endif
