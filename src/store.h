/* store: the bytes of one buffer: appended, replaced, removed. Their memory is
 * described in store_memory.h, and so are the rules for all functions of both files.
 */
#ifndef GROWBUF_STORE_H
#define GROWBUF_STORE_H

#include "store_memory.h"

/* Append `nbytes`, and write no NUL: the byte after the last one keeps its value. The
 * caller has written the appended bytes. pre: nbytes <= store_tailroom, and the kind is
 * not STORE_EMPTY. */
static inline void
store_commit_without_nul(struct store *store, size_t nbytes)
{
    assert(nbytes <= store_tailroom(store) && store_kind(store) != STORE_EMPTY);
    store->length += nbytes;
}

/* Append `nbytes` and a NUL. The caller has written their values after the last byte,
 * or writes them next. pre: as for store_commit_without_nul(). */
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

/* Remove `nbytes` at the start of the bytes (offset 0) or at their end, if that keeps
 * all memory. Return false, and do nothing, if it does not. */
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

/* Remove the first `nbytes`, which become headroom. No memory is given back. Call
 * store_slide() before anything else if the headroom is then longer than the bytes in
 * use. */
static inline void
store_skip(struct store *store, size_t nbytes)
{
    assert(nbytes <= store->length && store_kind(store) != STORE_EMPTY);
    store->start += nbytes;
    store->length -= nbytes;
}

/* Append `nbytes` of unspecified value. */
int store_append(struct store *store, size_t nbytes);

/* Append `nbytes` zero bytes. Fresh pages read as zero, so they are not written. */
int store_append_zeros(struct store *store, size_t nbytes);

/* Make store_tailroom(store) at least `nbytes`. */
int store_make_tailroom(struct store *store, size_t nbytes);

/* Replace `removed` bytes at offset `at` by `inserted` bytes of unspecified value. This
 * moves the bytes on the shorter side if there is enough headroom, else those after. */
int store_splice(struct store *store, size_t at, size_t removed, size_t inserted);

/* Move the first `nbytes` bytes to `taken`, an empty store. Their pages move, and at
 * most 2 MiB are copied. The remaining bytes of a limited store are moved to its front
 * if they are fewer than the headroom. ENOTSUP if pages cannot be moved like this, or
 * if copying costs less. */
int store_take(struct store *store, size_t nbytes, struct store *taken);

/* Fill the first `nbytes` of `bytes` with copies of the first `unit` bytes. */
void store_repeat(char *bytes, size_t unit, size_t nbytes);

#endif
