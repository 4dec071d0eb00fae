/* buffer: every change of the bytes of a GrowBuffer: appended, inserted, removed, moved
 * to another store. Each function checks the exports, calls the store, and publishes
 * what the store is then.
 *
 * An export other than the pin prevents most changes, because code that is running, or
 * that has a view, uses the bytes. Exceptions are made for a buffer with a limit, and
 * for a view that spare() returned and that was committed.
 *
 * As in buffer_object.h, callers hold the lock, and a function that returns -1 has set
 * an exception and left the buffer unchanged.
 */
#ifndef GROWBUF_BUFFER_H
#define GROWBUF_BUFFER_H

#include "buffer_object.h"

/* Raise BufferError if the length cannot change, because there are exports. If the only
 * export is a spare that was committed, move the bytes to other memory: they are
 * somewhere else afterwards.
 *   growable   for growing at the end. If the store has a limit that moves no byte, so
 *              views are allowed.
 *   removable  for removing bytes from the front. If the store has a limit, views are
 *              allowed (views.h).
 * All three raise while a spare is not committed. */
int buffer_check_resizable(BufferObject *self);
int buffer_check_growable(BufferObject *self);
int buffer_check_removable(BufferObject *self);

/* As buffer_check_growable(), for commit(): an outstanding spare is allowed. */
int buffer_check_committable(BufferObject *self);

/* -------------------------------------------------------------------------- growing */

/* Call `grow`, a function of the store that appends bytes or adds capacity. */
int buffer_grow(BufferObject *self, int (*grow)(struct store *, size_t), size_t nbytes);

/* Append `nbytes` bytes. The caller writes their values before any other code runs.
 * Nothing is done for 0 bytes (nbytes - 1 is SIZE_MAX then), because an empty store has
 * no NUL of its own to write. */
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

/* Make the capacity at least `capacity` bytes in all. */
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
    if (nbytes > 0) { /* an empty store has no NUL of its own to write */
        store_commit(&self->store, nbytes);
        buffer_publish(self);
    }
}

/* As buffer_commit(), but write no NUL: a view shows the byte after the last one. */
static inline void
buffer_commit_without_nul(BufferObject *self, size_t nbytes)
{
    assert(nbytes > 0 && buffer_tail_is_written(self));
    store_commit_without_nul(&self->store, nbytes);
    buffer_publish(self);
}

/* Undo buffer_commit(), which must be the last change of the buffer. */
static inline void
buffer_uncommit(BufferObject *self, size_t nbytes)
{
    store_uncommit(&self->store, nbytes);
    buffer_publish(self);
}

/* ----------------------------------------------------------- replacing and removing */

/* Replace `removed` bytes at offset `at` by `inserted` bytes. The caller writes their
 * values before any other code runs. If bytes are only removed, at the front, views are
 * allowed as buffer_check_removable() says. */
int buffer_splice(BufferObject *self, size_t at, size_t removed, size_t inserted);

/* Move the bytes to the start of their memory. pre: there are no exports. */
void buffer_slide(BufferObject *self);

/* Append `nbytes` that the caller has already written after the last byte, and remove
 * the first `removed` bytes of all, which become headroom. The headroom is never longer
 * than the bytes. pre: there are no exports, and nbytes > 0. */
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

/* Remove all bytes. If the buffer is empty already, give its capacity back. */
int buffer_clear(BufferObject *self);

/* ------------------------------------------------ moving the bytes to another owner */

/* Move the first `nbytes` bytes to a store, by moving their pages or the whole store.
 * Return 1 if the store cannot do that, or if views see the bytes but do not prevent
 * removing them: then the buffer has all its bytes, and `*taken` is empty. `*taken`
 * need not be initialized. */
int buffer_take(BufferObject *self, size_t nbytes, struct store *taken);

/* Move the whole store of a buffer with a limit to `*taken`. The buffer gets a new and
 * empty store with that limit. Return 1, and do nothing, if there is no address space
 * for it. */
int buffer_hand_over(BufferObject *self, struct store *taken);

/* Swap the buffer's store and `store`. Raise BufferError if there are exports. Swapping
 * an empty store for an empty store is allowed under exports, except with a limit,
 * while a spare is outstanding, and since 3.15, whose __init__ raises then. */
int buffer_exchange(BufferObject *self, struct store *store);

/* Swap the stores of two buffers, of which `self` has no bytes. Exports of `self` are
 * allowed then, except with a limit and except for a spare. Return -1, without an
 * exception and with both buffers unchanged, if `self` has bytes, or if one of the two
 * has other exports. */
int buffer_swap(BufferObject *self, BufferObject *other);

#endif
