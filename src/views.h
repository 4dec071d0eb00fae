/* views: removing bytes from the front of a limited store while views of it exist.
 *
 * Removing bytes from the front moves nothing: the start of the store advances. The
 * first byte that a view sees is the one at which the store began when the view was
 * made. While views exist, the removed bytes that they see are not overwritten. The
 * memory before the oldest start that a view still sees can be given back.
 *
 *   memory.address      oldest          start       start + length       dirty_end
 *   |<-- given back -->|<--- held --->|<--- in use --->|NUL  tailroom   |
 *                      |<-------------- at most the limit ------------->|
 *
 * The invariant (views_check() checks most of it):
 *   - A *front* is an earlier start of the store, with the number of views that were
 *     made at it and still exist. Its position is the number of bytes that had been
 *     removed by then. Positions increase from front to front. `nearlier` is the number
 *     of views of all fronts. The other views were made at the present start.
 *   - `held` is the number of removed bytes that a view may see: those from the oldest
 *     front to the start. The capacity of the store is the limit less `held`. So there
 *     are at most `limit` bytes from the oldest byte that a view may see to the last
 *     byte in use.
 *   - headroom + limit < memory.length: there is address space to grow to the limit. If
 *     removing bytes would break this, the store moves: it takes another reservation,
 *     and copies the bytes in use there. The old reservation is kept for the views that
 *     were made before the move. They see no byte of the new one. So when bytes of the
 *     new reservation are removed, their memory is given back without waiting for those
 *     views: only views made after the move prevent it.
 *   - No view sees a byte at or after position `seen_end`, except the view of a spare.
 *     While the store moves, the memory of such bytes is given back piece by piece as
 *     they are copied. So of the bytes in use, only those that a view sees take memory
 *     twice.
 *   - There is at most one old reservation. More than `limit` bytes are removed between
 *     two moves, and views hold at most `limit` bytes. So no view from before the first
 *     move is left at the second.
 *
 * A view from before a move keeps its bytes, but does not show what is written to the
 * store after the move.
 */
#ifndef GROWBUF_VIEWS_H
#define GROWBUF_VIEWS_H

#include "store.h"

struct views_front {
    size_t position;
    size_t count;
};

/* While `fronts` is NULL, all fields are zero, except that `freed` and `seen_end` may
 * have other values. `fronts` is allocated when bytes are removed while a view exists.
 * It becomes NULL again when no view is left. */
struct views {
    struct views_front *fronts; /* NULL: none. Those in use are [first, end) */
    size_t first, end, allocated;
    size_t nearlier; /* the number of views that were made at an earlier start */
    size_t position; /* of the present start; it may wrap, so only subtract positions */
    size_t held;     /* the number of removed bytes that a view may see */
    size_t seen_end; /* the end of the bytes when the newest view was made */
    size_t freed;    /* the memory of the store before this offset was given back */

    /* The old reservation. Its address is NULL if there is none. */
    struct span old;
    size_t old_freed; /* as `freed`, for the old reservation */
    size_t old_start; /* the offset in it of the byte at position `moved` */
    size_t moved;     /* the position of the start just after the move */
};

/* Record that a new view sees the bytes in use. Return its position, which is that of
 * the start. */
static inline size_t
views_acquire(struct views *views, const struct store *store)
{
    views->seen_end = views->position + store->length;
    return views->position;
}

/* Remove the first `nbytes` bytes of a limited store that has `nviews` views.
 * `sees_tail` is whether one of these is a spare, which sees bytes after the last one
 * in use. Return 0; or ENOMEM if there is no memory to count the views, or if the store
 * must move and there is no reservation for it or no memory for the bytes in use. pre:
 * 0 < nbytes <= store->length and nviews > 0. */
int views_advance(struct views *views, struct store *store, size_t nbytes,
                  size_t nviews, bool sees_tail);

/* Update the counts after a view made at `position` was released. `nviews` views are
 * left. Give back the memory that no view can see now. This does not move the store and
 * cannot fail. pre: views->fronts is not NULL. */
void views_release(struct views *views, struct store *store, size_t position,
                   size_t nviews);

/* Forget the only view of the store, and return the old reservation, which the caller
 * then owns. Its address is NULL if there is none. */
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
