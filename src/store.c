/* store: appending, replacing and removing the bytes of one buffer. */
#include "store.h"

#include <errno.h>
#include <string.h>

/* ----------------------------------------------------------------------- at the end */

/* Return how the span of a store is to be prepared if `nbytes` bytes will be in use. */
static struct spans_use
use_of(const struct store *store, size_t nbytes)
{
    assert(store_kind(store) >= STORE_SPAN && nbytes <= store_capacity(store));
    return (struct spans_use){.max_end = store_max_dirty_end(store),
                              .nbytes = nbytes,
                              .prefault = store_prefaults(store)};
}

/* Moving at most this many bytes costs less than a call of the allocator. */
#define SLIDE_SHORT ((size_t)1 << 10)

/* Before the memory grows, the bytes in use are moved to its start in two cases:
 *   - They are no more than the free headroom. So no more bytes are moved than were
 *     deleted from the front before.
 *   - They are few (at most SLIDE_SHORT, and at most 8 times the free headroom), and
 *     moving them makes enough tailroom.
 * They are also moved if the memory cannot grow and moving them makes enough tailroom.
 * A limited store must not move when it grows, so it moves its bytes when it
 * shrinks. */
int
store_make_tailroom(struct store *store, size_t nbytes)
{
    if (nbytes <= store_tailroom(store)) {
        return 0;
    }
    if (nbytes > GROWTH_MAX - 1 - store->length) {
        return ENOMEM;
    }
    size_t headroom = store_free_headroom(store);
    bool is_short = store->length <= SLIDE_SHORT && store->length <= 8 * headroom &&
                    nbytes <= store_tailroom(store) + headroom;
    if (headroom > 0 && (is_short || headroom >= store->length) &&
        !store_is_limited(store)) {
        store_slide(store);
        if (nbytes <= store_tailroom(store)) {
            return 0;
        }
    }
    bool is_first = store_kind(store) == STORE_EMPTY;
    int error = store_grow_capacity(store, store->length + nbytes + 1, false);
    size_t end = store_headroom(store) + store->length + nbytes;
    if (error == 0 && store_kind(store) >= STORE_SPAN &&
        end > store->memory.dirty_end) {
        struct spans_use use = use_of(store, store->length + nbytes);
        /* Most buffers never grow, so the first bytes get no pages ahead. */
        use.exact = is_first && !use.prefault;
        error = spans_prepare(&store->memory, end, &use);
    }
    if (error != 0 && nbytes <= store_tailroom(store) + store_free_headroom(store) &&
        !store_is_limited(store)) {
        store_slide(store);
        error = 0;
    }
    assert(error != 0 || nbytes <= store_tailroom(store));
    return error;
}

int
store_append(struct store *store, size_t nbytes)
{
    if (store_kind(store) == STORE_EMPTY && nbytes > 0 && nbytes < STORE_SMALL &&
        !store_swings(store, nbytes)) {
        unsigned swings = store->memory.tag & STORE_TAG_SWINGS;
        int error = store_begin(store, nbytes, store_prefaults(store));
        store->memory.tag |= swings; /* it may soon need GROWTH_HEAP_AGAIN bytes */
        return error;
    }
    bool grows_block = store_kind(store) == STORE_HEAP && store_headroom(store) == 0 &&
                       nbytes > store_tailroom(store) && nbytes < GROWTH_SPAN_MIN &&
                       store->length + nbytes + 1 < GROWTH_SPAN_MIN;
    int error = grows_block
                    ? store_grow_capacity(store, store->length + nbytes + 1, false)
                    : store_make_tailroom(store, nbytes);
    if (error == 0 && nbytes > 0) {
        store_commit(store, nbytes);
    }
    return error;
}

int
store_append_zeros(struct store *store, size_t nbytes)
{
    if (nbytes == 0) {
        return 0;
    }
    if (nbytes > GROWTH_MAX - 1 - store->length) {
        return ENOMEM;
    }
    size_t needed = store->length + nbytes + 1;
    int error =
        nbytes > store_tailroom(store) ? store_grow_capacity(store, needed, true) : 0;
    size_t end = store_headroom(store) + store->length + nbytes;
    if (error == 0 && store_kind(store) >= STORE_SPAN &&
        end > store->memory.dirty_end) {
        struct spans_use use = use_of(store, store->length + nbytes);
        error = spans_prepare_zeros(&store->memory, end, &use);
    }
    if (error) {
        return error;
    }
    assert(end <= store_max_dirty_end(store));
    /* Clear these bytes and the one after them, the NUL. Those past the offset
     * dirty_end are zero already. */
    size_t dirty = store_tailroom(store) + 1;
    memset(store->start + store->length, 0, nbytes + 1 < dirty ? nbytes + 1 : dirty);
    if (store->memory.dirty_end < end) {
        store->memory.dirty_end = end;
    }
    store->length += nbytes;
    assert(store_check_layout(store) == NULL);
    return 0;
}

/* ------------------------------------------------------------------------- anywhere */

/* Insert `nbytes` of unspecified value at offset `at`.
 *
 *   | headroom |<--at-->|<-----rest----->|  tailroom  |
 *   | |<--at-->|<-n-->|<-----rest----->|  tailroom    |      the front is shorter
 *   | headroom |<--at-->|<-n-->|<-----rest----->|     |      otherwise
 */
static int
open_hole(struct store *store, size_t at, size_t nbytes)
{
    size_t rest = store->length - at;
    assert(nbytes > 0 && at <= store->length);
    if (store_is_limited(store) && nbytes > store->memory.number - store->length) {
        return EFBIG;
    }
    if (at < rest && nbytes <= store_free_headroom(store)) {
        memmove(store->start - nbytes, store->start, at);
        store->start -= nbytes;
        store->length += nbytes;
        if (store_is_limited(store)) {
            /* With less headroom, the largest allowed dirty_end is less too. */
            spans_cap(&store->memory, store_max_dirty_end(store));
        }
        return 0;
    }
    int error = store_make_tailroom(store, nbytes);
    if (error == 0) {
        char *hole = store->start + at;
        memmove(hole + nbytes, hole, rest);
        store_commit(store, nbytes);
    }
    return error;
}

/* Remove `nbytes` at offset `at`.
 *
 *   | headroom |<--at-->|<-n-->|<-----rest----->| tailroom |
 *   | headroom        |<--at-->|<-----rest----->| tailroom |   the front is shorter
 *   | headroom |<--at-->|<-----rest----->|     tailroom    |   otherwise
 */
static void
close_hole(struct store *store, size_t at, size_t nbytes)
{
    size_t rest = store->length - at - nbytes;
    assert(nbytes > 0 && rest < store->length);
    if (at < rest) {
        memmove(store->start + nbytes, store->start, at);
        store->start += nbytes;
    }
    else {
        char *hole = store->start + at;
        memmove(hole, hole + nbytes, rest);
    }
    store->length -= nbytes;
    store_end_with_nul(store);
    store_shrink_to_fit(store);
}

int
store_splice(struct store *store, size_t at, size_t removed, size_t inserted)
{
    assert(at <= store->length && removed <= store->length - at);
    if (at == store->length) {
        return store_append(store, inserted);
    }
    if (inserted > removed) {
        return open_hole(store, at + removed, inserted - removed);
    }
    if (removed > inserted) {
        close_hole(store, at + inserted, removed - inserted);
    }
    return 0;
}

int
store_take(struct store *store, size_t nbytes, struct store *taken)
{
    assert(nbytes <= store->length && store_kind(taken) == STORE_EMPTY);
    if (nbytes == store->length && !store_is_limited(store)) {
        *taken = *store;
        *store = store_emptied(taken);
        store->memory.tag |= store_swings_after(taken);
        return 0;
    }
    if (!store_may_take(store, nbytes)) {
        return ENOTSUP;
    }
    size_t headroom = store_headroom(store);
    struct span span;
    int error = spans_extract(&store->memory, headroom, headroom + nbytes,
                              headroom + store->length, &span);
    if (error) {
        /* The tail may have been taken back, so that too many bytes are dirty. */
        spans_cap(&store->memory, store_max_dirty_end(store));
        return error;
    }
    store_set_memory(taken, &span, STORE_SPAN);
    taken->start = span.address + spans_extracted_at(headroom);
    taken->length = nbytes;
    store_end_with_nul(taken);
    store->start += nbytes;
    store->length -= nbytes;
    store_end_with_nul(store);
    if (store_kind(store) == STORE_SPAN) {
        spans_cut_front(&store->memory,
                        store_free_headroom(store) & ~(GROWTH_QUANTUM - 1));
    }
    store_shrink_to_fit(store);
    assert(store_check(store) == NULL && store_check(taken) == NULL);
    return 0;
}

void
store_repeat(char *bytes, size_t unit, size_t nbytes)
{
    assert(unit > 0);
    if (unit == 1) {
        memset(bytes, bytes[0], nbytes);
        return;
    }
    for (size_t done = unit; done < nbytes;) {
        size_t piece = done < nbytes - done ? done : nbytes - done;
        memcpy(bytes + done, bytes, piece);
        done += piece;
    }
}
