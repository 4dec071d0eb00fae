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
 *   - A *front* is a start that the store had, with the number of views made then that
 *     still exist. Its position is how many bytes were removed before it. Positions
 *     increase from front to front. The views of the present start are not counted in a
 *     front: they are all views but `nolder`.
 *   - `held` is how many removed bytes a view may see: from the oldest front to the
 *     start. The store's capacity is the limit less `held`. So from the oldest byte
 *     that a view may see to the last byte in use there are at most `limit` bytes.
 *   - headroom + limit < memory.length: there is address space to grow to the limit.
 *     When the start would come too near to the end of the reservation, the store takes
 *     another one and copies the bytes in use there (it *turns*). Views made before
 *     keep the former reservation, which is `former` here.
 *   - There is one former reservation at most. Between two turns more than `limit`
 *     bytes are removed; a view made before the first turn would have held them.
 *
 * After a turn, views that were made before it keep their bytes, but do not show what
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
    size_t nolder;   /* the sum of the counts */
    size_t position; /* of the present start; differences are correct if it wraps */
    size_t held;
    size_t freed; /* the memory of the store before this offset was given back */
    struct span
        former; /* the former reservation; its address is NULL if there is none */
    size_t former_freed; /* as `freed`, in it */
    size_t former_start; /* the offset in it of the bytes at `turned` */
    size_t turned;       /* the position of the first start after the turn */
};

/* Remove the first `nbytes` bytes of a limited store, of which `nviews` views exist.
 * `sees_tail`: one of them, a spare, sees bytes after the last one, too. ENOMEM if there is no memory to count the views, or, for a turn, no reservation or no
 * memory for the bytes in use. pre: 0 < nbytes <= store->length and nviews > 0. */
int views_advance(struct views *views, struct store *store, size_t nbytes,
                  size_t nviews, bool sees_tail);

/* A view made at `position` was released, and `nviews` views are left. Give memory back
 * that no view can see now. This does not move the store and cannot fail. pre:
 * views->fronts is not NULL. */
void views_release(struct views *views, struct store *store, size_t position,
                   size_t nviews);

/* Forget all views. If `position` is before the turn, *seen becomes the former
 * reservation; else there is none, and *seen is unchanged. pre: the view made at
 * `position` is the only one. */
bool views_leave(struct views *views, struct store *store, size_t position,
                 struct span *seen);

/* Whether a view made at `position` sees the former reservation. */
static inline bool
views_are_former(const struct views *views, size_t position)
{
    return views->former.address != NULL && views->turned - position - 1 < SIZE_MAX / 2;
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
