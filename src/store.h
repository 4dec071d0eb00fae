/* store: appending, replacing and removing the bytes of one buffer. store_memory.h
 * describes their memory, and the rules for all functions of both files.
 */
#ifndef GROWBUF_STORE_H
#define GROWBUF_STORE_H

#include "store_memory.h"

/* Append `nbytes` bytes that the caller has written into the tailroom. The byte after
 * them is unchanged. pre: nbytes <= store_tailroom(store), and the kind is not
 * STORE_EMPTY. */
static inline void
store_commit_without_nul(struct store *store, size_t nbytes)
{
    assert(nbytes <= store_tailroom(store) && store_kind(store) != STORE_EMPTY);
    store->length += nbytes;
}

/* Append `nbytes` bytes and write a NUL after them. The caller has written them into
 * the tailroom, or writes them next. pre: as for store_commit_without_nul(). */
static inline void
store_commit(struct store *store, size_t nbytes)
{
    store_commit_without_nul(store, nbytes);
    store->start[store->length] = '\0';
}

/* Remove the last `nbytes`, which store_commit() has just appended. */
static inline void
store_uncommit(struct store *store, size_t nbytes)
{
    assert(nbytes <= store->length && store_kind(store) != STORE_EMPTY);
    store->length -= nbytes;
    store->start[store->length] = '\0';
}

/* Remove the first `nbytes` bytes (`at` is 0) or the last, if store_keeps_memory() is
 * true for the result. Otherwise return false and do nothing. */
static inline bool
store_cut(struct store *store, size_t at, size_t nbytes)
{
    assert(at == 0 || at + nbytes == store->length);
    size_t skipped = at == 0 ? nbytes : 0, length = store->length - nbytes;
    if (!store_keeps_memory(store, store_headroom(store) + skipped, length)) {
        return false;
    }
    store->start += skipped;
    store->length = length;
    store->start[length] = '\0';
    return true;
}

/* Remove the first `nbytes`, which become headroom. No memory is given back. If
 * store_free_headroom() is then more than the bytes in use, call store_slide() before
 * any other function. */
static inline void
store_skip(struct store *store, size_t nbytes)
{
    assert(nbytes <= store->length && store_kind(store) != STORE_EMPTY);
    store->start += nbytes;
    store->length -= nbytes;
}

/* Append `nbytes` of unspecified value. */
int store_append(struct store *store, size_t nbytes);

/* Append `nbytes` zero bytes. Bytes after `dirty_end` are zero already and are not
 * written. */
int store_append_zeros(struct store *store, size_t nbytes);

/* Ensure that store_tailroom(store) is at least `nbytes`. */
int store_make_tailroom(struct store *store, size_t nbytes);

/* Replace `removed` bytes at offset `at` by `inserted` bytes of unspecified value. Move
 * either the bytes before them or those after them, whichever are fewer. If the store
 * grows by more bytes than the free headroom has, move those after. */
int store_splice(struct store *store, size_t at, size_t removed, size_t inserted);

/* Copying fewer bytes than this costs less than the system calls that move pages. */
#define STORE_TAKE_MIN ((size_t)1 << 20)

/* Whether store_take() may move the first `nbytes` bytes: it fails otherwise. */
static inline bool
store_may_take(const struct store *store, size_t nbytes)
{
    return (nbytes == store->length && !store_is_limited(store)) ||
           (nbytes >= STORE_TAKE_MIN && store_kind(store) >= STORE_SPAN);
}

/* Move the first `nbytes` bytes to `taken`, an empty store. If these are all bytes of a
 * store without a limit, `taken` gets its memory. Otherwise their pages move, and at
 * most 2 MiB are copied for that. Afterwards `store` gives back memory that
 * it does not need, and its remaining bytes may move. ENOTSUP if the pages cannot be
 * moved (spans_extract), or if copying costs less. */
int store_take(struct store *store, size_t nbytes, struct store *taken);

/* Fill the first `nbytes` of `bytes` with copies of the first `unit` bytes. */
void store_repeat(char *bytes, size_t unit, size_t nbytes);

#endif
