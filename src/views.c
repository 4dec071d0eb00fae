/* views: removing bytes from the front of a limited store while views of it exist. */
#include "views.h"

#include <errno.h>
#include <string.h>

enum { FRONTS_MIN = 4 };

/* Return the position of the oldest start that a view sees. */
static size_t
oldest_position(const struct views *views)
{
    return views->first < views->end ? views->fronts[views->first].position
                                     : views->position;
}

/* As oldest_position(), but count only views that see the present reservation, not
 * those that see the old one. */
static size_t
oldest_since_move(const struct views *views)
{
    size_t low = views->first, high = views->end;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (views_see_old(views, views->fronts[middle].position)) {
            low = middle + 1;
        }
        else {
            high = middle;
        }
    }
    return low < views->end ? views->fronts[low].position : views->position;
}

/* ------------------------------------------------------------------- counting views */

/* Remove the fronts without views from the array. */
static void
compact(struct views *views)
{
    size_t to = 0;
    for (size_t i = views->first; i < views->end; i++) {
        if (views->fronts[i].count > 0) {
            views->fronts[to++] = views->fronts[i];
        }
    }
    views->first = 0;
    views->end = to;
}

/* Ensure that a front can be added. A full array is compacted. It is enlarged if more
 * than half of it is then in use, so that adding a front costs O(1) on average. */
static int
make_space(struct views *views)
{
    if (views->end < views->allocated) {
        return 0;
    }
    compact(views);
    if (views->allocated > 0 && views->end <= views->allocated / 2) {
        return 0;
    }
    size_t allocated = views->allocated > 0 ? 2 * views->allocated : FRONTS_MIN;
    struct views_front *fronts =
        store_heap.reallocate(views->fronts, allocated * sizeof *fronts);
    if (fronts == NULL) {
        return views->end < views->allocated ? 0 : ENOMEM;
    }
    views->fronts = fronts;
    views->allocated = allocated;
    return 0;
}

/* Return the front at `position`, by binary search. */
static struct views_front *
find_front(const struct views *views, size_t position)
{
    size_t low = views->first, high = views->end;
    assert(low < high);
    size_t oldest = views->fronts[low].position;
    while (high - low > 1) {
        size_t middle = low + (high - low) / 2;
        if (views->fronts[middle].position - oldest <= position - oldest) {
            low = middle;
        }
        else {
            high = middle;
        }
    }
    assert(views->fronts[low].position == position);
    return &views->fronts[low];
}

/* Forget all views. pre: there is no old reservation. */
static void
clear_views(struct views *views)
{
    assert(views->old.address == NULL);
    if (views->fronts != NULL) {
        store_heap.release(views->fronts);
    }
    *views = (struct views){.freed = views->freed};
}

/* ---------------------------------------------------------------------- the memory */

/* Give the memory of [*freed, end) back, with `end` rounded down to a multiple of 2 MiB
 * or of STORE_GIVE_BACK_MIN. Set *freed to that offset. */
static void
give_back(struct span *span, size_t *freed, size_t end)
{
    size_t unit = span->huge ? GROWTH_QUANTUM : STORE_GIVE_BACK_MIN;
    assert(end <= span->length);
    end &= ~(unit - 1);
    if (end > *freed && spans_discard_front(span, *freed, end) == 0) {
        *freed = end;
    }
}

/* Give back a reservation of which no view can see a byte. */
static void
give_back_old(struct span *span)
{
    spans_discard(span, 0);
    spans_give(span);
    *span = (struct span){0};
}

/* Give back what is before the first byte that a view may see. Views that see the old
 * reservation see no byte of the present one. */
static void
give_back_front(struct views *views, struct store *store)
{
    size_t held = views->position - oldest_since_move(views);
    assert(held <= store_headroom(store));
    give_back(&store->memory, &views->freed, store_headroom(store) - held);
}

/* Set `held` and the capacity of the store after the oldest front has changed. Give
 * back the memory before the oldest start that a view sees. */
static void
update_held(struct views *views, struct store *store)
{
    size_t oldest = oldest_position(views);
    size_t limit = views_limit(views, store);
    views->held = views->position - oldest;
    assert(views->held <= limit && store->length <= limit - views->held);
    store->memory.number = limit - views->held;
    if (views_see_old(views, oldest)) {
        give_back(&views->old, &views->old_freed,
                  views->old_start - (views->moved - oldest));
    }
    else if (views->old.address != NULL) {
        give_back_old(&views->old);
    }
    give_back_front(views, store);
}

/* ----------------------------------------------------------------- moving the store */

/* Make `fresh` a limited store with `rest` zero bytes in use, and a capacity of the
 * limit less `held`. The zeros take no memory until copy_to() overwrites them, and
 * copy_to() gives memory of the old store back at the same time. */
static int
make_fresh(const struct store *store, size_t rest, size_t limit, size_t held,
           struct store *fresh)
{
    store_init(fresh);
    store_set_prefault(fresh, store_prefaults(store));
    int error = store_set_limit(fresh, limit);
    if (error == 0) {
        fresh->memory.number = limit - held;
        error = store_append_zeros(fresh, rest);
    }
    if (error) {
        store_free(fresh);
    }
    return error;
}

/* Return how many of the bytes in use after the first `nbytes` a view may see. */
static size_t
count_seen(const struct views *views, const struct store *store, size_t nbytes)
{
    size_t rest = store->length - nbytes;
    size_t seen = views->seen_end - (views->position + nbytes);
    return seen > SIZE_MAX / 2 ? 0 : seen < rest ? seen : rest;
}

/* Copy the bytes of `store` after the first `nbytes` to `to`. A view may see the first
 * `seen` of them, or all if `sees_tail` is true: these keep their memory. Copy the
 * others in pieces, from the last to the first, and give the memory of each piece back
 * before the next is copied.
 *
 *   |<--nbytes-->|<--seen-->|         |   piece   |   (given back)   |
 */
static void
copy_to(struct store *store, size_t nbytes, size_t seen, bool sees_tail, char *to)
{
    const char *from = store->start + nbytes;
    size_t first = store_headroom(store) + nbytes, rest = store->length - nbytes;
    assert(seen <= rest);
    size_t kept = sees_tail ? rest : seen;
    if (!sees_tail) {
        spans_discard(&store->memory, first + rest);
    }
    pool_count_copy(rest);
    memcpy(to, from, kept);
    while (rest > kept) {
        size_t piece = (first + rest - 1) & ~(GROWTH_QUANTUM - 1);
        piece = piece > first + kept ? piece - first : kept;
        memcpy(to + piece, from + piece, rest - piece);
        rest = piece;
        spans_discard(&store->memory, first + rest);
    }
}

/* Replace the store by `fresh`, and keep its old reservation for the views. */
static void
move_to(struct views *views, struct store *store, size_t nbytes,
        const struct store *fresh)
{
    assert(views->old.address == NULL);
    views->old = store->memory;
    views->old_start = store_headroom(store) + nbytes;
    views->old_freed = views->freed;
    views->moved = views->position + nbytes;
    views->freed = 0;
    *store = *fresh;
}

/* Advance the start by `nbytes` and decrease the capacity by as much, so that
 * store_max_dirty_end() is unchanged. */
static void
advance_in_place(struct views *views, struct store *store, size_t nbytes)
{
    if (!store_is_advanced(store) || views->freed > store_headroom(store)) {
        views->freed = 0;
    }
    store->memory.tag |= STORE_TAG_ADVANCED;
    store->memory.number -= nbytes;
    store->start += nbytes;
    store->length -= nbytes;
}

int
views_advance(struct views *views, struct store *store, size_t nbytes, size_t nviews,
              bool sees_tail)
{
    assert(nbytes > 0 && nbytes <= store->length && nviews > 0);
    assert(views_check(views, store, nviews) == NULL);
    size_t present = nviews - views->nearlier;
    if (views->fronts == NULL) { /* views may have been made before this struct */
        views->seen_end = views->position + store->length;
    }
    if (present > 0 && make_space(views) != 0) {
        return ENOMEM;
    }
    size_t limit = views_limit(views, store), held = views->held + nbytes;
    if (limit >= store->memory.length - store_headroom(store) - nbytes) {
        struct store fresh;
        int error = make_fresh(store, store->length - nbytes, limit, held, &fresh);
        if (error) {
            return error;
        }
        copy_to(store, nbytes, count_seen(views, store, nbytes), sees_tail,
                fresh.start);
        move_to(views, store, nbytes, &fresh);
    }
    else {
        advance_in_place(views, store, nbytes);
    }
    if (present > 0) {
        views->fronts[views->end++] = (struct views_front){views->position, present};
        views->nearlier = nviews;
    }
    views->position += nbytes;
    views->held = held;
    if (views->old.address != NULL) {
        give_back_front(views, store);
    }
    assert(views_check(views, store, nviews) == NULL);
    return 0;
}

void
views_release(struct views *views, struct store *store, size_t position, size_t nviews)
{
    assert(views->fronts != NULL);
    if (position != views->position) {
        struct views_front *front = find_front(views, position);
        assert(front->count > 0 && views->nearlier > 0);
        front->count--;
        views->nearlier--;
        if (front != &views->fronts[views->first] || front->count > 0) {
            return;
        }
        while (views->first < views->end && views->fronts[views->first].count == 0) {
            views->first++;
        }
        update_held(views, store);
    }
    if (nviews == 0) {
        assert(views->nearlier == 0 && views->held == 0);
        clear_views(views);
    }
    assert(views_check(views, store, nviews) == NULL);
}

struct span
views_forget(struct views *views, struct store *store)
{
    struct span old = views->old;
    views->old = (struct span){0};
    store->memory.number = views_limit(views, store);
    clear_views(views);
    assert(views->fronts == NULL && views->held == 0);
    return old;
}

/* ---------------------------------------------------------------------------- check */

static const char *
check_fronts(const struct views *views, size_t nviews)
{
    size_t sum = 0;
    for (size_t i = views->first; i < views->end; i++) {
        size_t next =
            i + 1 < views->end ? views->fronts[i + 1].position : views->position;
        if (next - views->fronts[i].position - 1 >= SIZE_MAX / 2) {
            return "the positions of the fronts do not increase";
        }
        sum += views->fronts[i].count;
    }
    return views->first > views->end || views->end > views->allocated
               ? "the fronts are not in their array"
           : sum != views->nearlier || sum > nviews ? "the views are not counted"
           : views->first < views->end && views->fronts[views->first].count == 0
               ? "the oldest front has no view"
               : NULL;
}

const char *
views_check(const struct views *views, const struct store *store, size_t nviews)
{
    if (views->fronts == NULL) {
        return views->nearlier != 0 || views->position != 0 || views->held != 0 ||
                       views->old.address != NULL
                   ? "bytes are held and no view is counted"
                   : NULL;
    }
    if (nviews == 0 || !store_is_limited(store)) {
        return "there are fronts without a view or without a limit";
    }
    const char *reason = check_fronts(views, nviews);
    if (reason != NULL) {
        return reason;
    }
    size_t newest = nviews > views->nearlier ? views->position
                                             : views->fronts[views->end - 1].position;
    if (views->seen_end - newest > SIZE_MAX / 2) {
        return "seen_end is before the start of the newest view";
    }
    size_t oldest = oldest_position(views), limit = views_limit(views, store);
    if (views->held != views->position - oldest) {
        return "the bytes that views hold are not counted";
    }
    if (store_headroom(store) >= store->memory.length ||
        limit >= store->memory.length - store_headroom(store)) {
        return "there is no address space to grow to the limit";
    }
    size_t held = views->position - oldest_since_move(views);
    bool sees_old = views_see_old(views, oldest);
    return views->old.address != NULL && !sees_old ? "no view sees the old reservation"
           : !store_is_advanced(store) && held > 0 ? "the store is not advanced"
           : held > store_headroom(store) ||
                   (store_is_advanced(store) &&
                    views->freed > store_headroom(store) - held) ||
                   (sees_old &&
                    views->old_freed > views->old_start - (views->moved - oldest))
               ? "memory was given back that a view may see"
               : NULL;
}
