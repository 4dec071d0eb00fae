/* views: removing bytes from the front of a limited store while views of it exist.
 *
 * Removing bytes from the front moves nothing: the start advances, and the bytes before
 * it stay where they are until no view can see them. A view sees bytes from the start
 * that the store had when the view was made. Later bytes never replace earlier ones
 * while a view exists. So the memory before the oldest start that a view saw can be
 * given back.
 *
 *   memory.address      oldest          start       start + length       dirty_end
 *   |<-- given back -->|<--- held --->|<--- in use --->|NUL  tailroom   |
 *                      |<-------------- at most the limit ------------->|
 *
 * The invariant, which views_check() checks:
 *   - A *front* is an earlier start of the store, with the number of views made then
 *     that still exist. Its position is how many bytes were removed before it.
 *     Positions increase from front to front. `nearlier` is the number of views of all
 *     fronts. The other views were made at the present start.
 *   - `held` is how many removed bytes a view may see: from the oldest front to the
 *     start. The store's capacity is the limit less `held`. So from the oldest byte
 *     that a view may see to the last byte in use there are at most `limit` bytes.
 *   - headroom + limit < memory.length: there is address space to grow to the limit.
 *     When the start would come too near to the end of the reservation, the store is
 *     moved: it takes another reservation, and copies the bytes in use there. The views
 *     made before see the old reservation, which is kept for them. They see no byte of
 *     the new one, whose removed bytes are given back as far as no later view sees them.
 *   - There is one old reservation at most. Between two moves more than `limit` bytes
 *     are removed; a view made before the first move would have held them.
 *
 * After a move, views that were made before it keep their bytes, but do not show what
 * is written to the store later.
 */
#ifndef GROWBUF_VIEWS_H
#define GROWBUF_VIEWS_H

#include "store.h"

struct views_front {
    size_t position;
    size_t count;
};

/* All zero: no view exists, or no byte was removed since the oldest view was made. */
struct views {
    struct views_front *fronts; /* NULL: none. Those in use are [first, end) */
    size_t first, end, allocated;
    size_t nearlier; /* the number of views that were made at an earlier start */
    size_t position; /* of the present start; differences are correct if it wraps */
    size_t held;     /* the number of removed bytes that a view may see */
    size_t freed;    /* the memory of the store before this offset was given back */

    /* The old reservation. Its address is NULL if there is none. */
    struct span old;
    size_t old_freed; /* as `freed`, in it */
    size_t old_start; /* the offset in it of the byte at position `moved` */
    size_t moved;     /* the position of the first start in the present reservation */
};

/* Remove the first `nbytes` bytes of a limited store, of which `nviews` views exist.
 * `sees_tail`: one of them, a spare, sees bytes after the last one, too. ENOMEM if
 * there is no memory to count the views; or if the store must be moved and there is no
 * reservation, or no memory for the bytes in use. pre: 0 < nbytes <= store->length and
 * nviews > 0. */
int views_advance(struct views *views, struct store *store, size_t nbytes,
                  size_t nviews, bool sees_tail);

/* A view made at `position` was released, and `nviews` views are left. Give memory back
 * that no view can see now. This does not move the store and cannot fail. pre:
 * views->fronts is not NULL. */
void views_release(struct views *views, struct store *store, size_t position,
                   size_t nviews);

/* Forget all views, and return the old reservation, which the caller then owns. Its
 * address is NULL if there is none. pre: there is one view. */
struct span views_forget(struct views *views, struct store *store);

/* Whether a view made at `position` sees the old reservation. */
static inline bool
views_see_old(const struct views *views, size_t position)
{
    return views->old.address != NULL && views->moved - position - 1 < SIZE_MAX / 2;
}

/* Return the limit of a limited store. */
static inline size_t
views_limit(const struct views *views, const struct store *store)
{
    assert(store_is_limited(store));
    return store_capacity(store) + views->held;
}

/* Return what is wrong, or NULL. `nviews` views of the store exist. */
const char *views_check(const struct views *views, const struct store *store,
                        size_t nviews);

#endif
