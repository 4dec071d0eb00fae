/* model: a store and a plain copy of the bytes that it should hold. Each action is done
 * to both, and then both are compared.
 */
#ifndef GROWBUF_TESTS_MODEL_H
#define GROWBUF_TESTS_MODEL_H

#include <errno.h>

#include "fixture.h"
#include "store.h"

struct model {
    struct store store;
    char *bytes;
    size_t length;
    size_t most;   /* the size of `bytes` */
    uint64_t seed; /* of the last bytes written */

    /* Of a store with a limit: */
    const char *address; /* of its span; NULL: the store has no limit */
    size_t limit;
    size_t opened; /* accessible bytes of the span */
};

static inline void
model_init(struct model *model, size_t most)
{
    *model = (struct model){.bytes = malloc(most), .most = most, .seed = 1};
    CHECK(model->bytes != NULL);
    store_init(&model->store);
}

/* Whether all bytes are zero. A page that is not resident reads as zero. It is not read
 * here, because that would make it present. */
static inline bool
is_zero_or_untouched(const char *bytes, size_t nbytes)
{
    size_t page = pages_facts.page_nbytes;
    while (nbytes > 0) {
        size_t in_page = (uintptr_t)bytes % page;
        size_t some = page - in_page < nbytes ? page - in_page : nbytes;
        if (kernel_resident(bytes - in_page, page) > 0 && !is_zero(bytes, some)) {
            return false;
        }
        bytes += some;
        nbytes -= some;
    }
    return true;
}

/* Whether [from, to) of a span is zero. Of a long range only both ends are looked
 * at. */
static inline bool
model_is_zero(const struct span *span, size_t from, size_t to)
{
    size_t rest = to - from, edge = rest < 16 * KIB ? rest : 16 * KIB;
    return is_zero_or_untouched(span->address + from, edge) &&
           is_zero_or_untouched(span->address + to - edge, edge);
}

/* Whether all bytes from `dirty_end` on are zero, except for those of the tail. If the
 * store has a limit, only the accessible part of the span is read. */
static inline bool
model_is_zero_after(const struct model *model)
{
    const struct span *span = &model->store.memory;
    if (store_kind(&model->store) < STORE_SPAN) {
        return true;
    }
    bool limited = model->address != NULL && !pages_facts.in_steps;
    size_t end = limited ? model->opened : span->length;
    struct span tail = pool_tail(span);
    if (tail.length == 0) {
        return model_is_zero(span, span->dirty_end, end);
    }
    size_t from = (size_t)(tail.address - span->address), to = from + tail.length;
    CHECK(from > span->dirty_end && to <= end);
    return model_is_zero(span, span->dirty_end, from) && model_is_zero(span, to, end);
}

/* The address space in bytes that a store with this limit reserves. */
static inline size_t
model_reach(size_t limit)
{
    return growth_round_up(GROWTH_FRONT + 2 * limit + 1, GROWTH_QUANTUM);
}

/* Check a store with a limit: that it has not moved, and that the accessible part of
 * its reservation has the right length. This part is as long as the store has needed so
 * far, or longer if an earlier store opened more of the reservation. */
static inline void
model_check_limited(struct model *model)
{
    const struct span *span = &model->store.memory;
    size_t needed = growth_round_up(span->dirty_end + 1, pages_facts.step_nbytes);
    size_t reach = model_reach(model->limit);
    model->opened = needed > model->opened ? needed : model->opened;
    size_t rest = reach - model->opened;
    CHECK(store_is_limited(&model->store) && span->address == model->address);
    CHECK(store_capacity(&model->store) == model->limit);
    if (pages_facts.in_steps) {
        /* Discarding closes pages, so not all of `opened` is open. */
        CHECK(kernel_is_mapped(span->address, needed));
        return;
    }
    CHECK(kernel_is_mapped(span->address, model->opened));
    CHECK(kernel_is_closed(span->address + model->opened, rest));
    CHECK(kernel.nfailed > 0 || kernel_is_dumped(span->address, model->opened));
    CHECK(kernel.nfailed > 0 || kernel_is_hidden(span->address + model->opened, rest));
}

static inline void
model_check(struct model *model)
{
    const struct store *store = &model->store;
    CHECK_SOUND(store_check(store));
    check_state();
    if (model->address != NULL) {
        model_check_limited(model);
    }
    CHECK(store->length == model->length);
    CHECK(model->length == 0 || memcmp(store->start, model->bytes, model->length) == 0);
    CHECK(model_is_zero_after(model));
    CHECK(store_kind(store) == STORE_EMPTY || store->length <= store_capacity(store));
}

/* Check the result of a call after which a store can hold `wanted` bytes. `error` must
 * be EFBIG if `wanted` is more than the limit, and only then. The first byte of a store
 * with a limit must still be at `start`. */
static inline void
model_check_growth(const struct model *model, size_t wanted, const char *start,
                   int error)
{
    bool limited = model->address != NULL;
    CHECK((error == EFBIG) == (limited && wanted > model->limit));
    CHECK(!limited || model->store.start == start);
}

static inline int
model_splice(struct model *model, size_t at, size_t removed, size_t inserted)
{
    const char *start = model->store.start;
    bool at_end = at == model->length;
    size_t wanted = model->length - removed + inserted;
    CHECK(wanted <= model->most);
    int error = store_splice(&model->store, at, removed, inserted);
    model_check_growth(model, wanted, at_end ? start : model->store.start, error);
    if (error == 0) {
        char *hole = model->bytes + at;
        size_t tail = model->length - at - removed;
        memmove(hole + inserted, hole + removed, tail);
        fill(hole, inserted, ++model->seed);
        model->length += inserted - removed;
        CHECK(model->store.length == model->length);
        memcpy(model->store.start + at, hole, inserted);
    }
    model_check(model);
    return error;
}

static inline int
model_append(struct model *model, size_t nbytes)
{
    return model_splice(model, model->length, 0, nbytes);
}

/* Write bytes into the tailroom and commit them: at most `nbytes`, and at most as many
 * as fit. The store takes no further memory for them. */
static inline int
model_commit(struct model *model, size_t nbytes)
{
    size_t room = store_tailroom(&model->store);
    nbytes = nbytes < room ? nbytes : room;
    if (nbytes > 0 && model->length + nbytes <= model->most) {
        fill(model->bytes + model->length, nbytes, ++model->seed);
        memcpy(model->store.start + model->length, model->bytes + model->length,
               nbytes);
        store_commit(&model->store, nbytes);
        model->length += nbytes;
    }
    model_check(model);
    return 0;
}

static inline int
model_append_zeros(struct model *model, size_t nbytes)
{
    CHECK(model->length + nbytes <= model->most);
    const char *start = model->store.start;
    int error = store_append_zeros(&model->store, nbytes);
    model_check_growth(model, model->length + nbytes, start, error);
    if (error == 0) {
        memset(model->bytes + model->length, 0, nbytes);
        model->length += nbytes;
    }
    model_check(model);
    return error;
}

/* Write to the tailroom after the NUL and do not commit it, as a caller may. */
static inline int
model_scribble(struct model *model)
{
    size_t room = store_tailroom(&model->store);
    if (room > 1) {
        memset(model->store.start + model->length + 1, 0x77, room - 1);
    }
    model_check(model);
    return 0;
}

static inline int
model_reserve(struct model *model, size_t capacity)
{
    const char *start = model->store.start;
    int error = store_reserve(&model->store, capacity);
    model_check_growth(model, capacity, start, error);
    CHECK(error || store_capacity(&model->store) >= capacity);
    model_check(model);
    return error;
}

static inline int
model_make_tailroom(struct model *model, size_t nbytes)
{
    const char *start = model->store.start;
    int error = store_make_tailroom(&model->store, nbytes);
    CHECK(error || store_tailroom(&model->store) >= nbytes);
    model_check_growth(model, model->length + nbytes, start, error);
    model_check(model);
    return error;
}

static inline int
model_trim(struct model *model)
{
    store_trim(&model->store);
    model_check(model);
    return 0;
}

/* Empty the store; it can be used again. */
static inline int
model_clear(struct model *model)
{
    store_free(&model->store);
    model->length = 0;
    model->address = NULL;
    model_check(model);
    CHECK(store_kind(&model->store) == STORE_EMPTY);
    return 0;
}

/* Return how many bytes of the reservation are accessible. */
static inline size_t
model_find_opened(const struct model *model)
{
    size_t opened = 0, reach = model_reach(model->limit);
    while (opened < reach &&
           kernel_is_mapped(model->address + opened, GROWTH_QUANTUM)) {
        opened += GROWTH_QUANTUM;
    }
    return opened;
}

/* Give the empty store a limit: from then on it does not move. */
static inline int
model_limit(struct model *model, size_t limit)
{
    CHECK(limit <= model->most);
    int error = store_set_limit(&model->store, limit);
    if (error == 0) {
        model->address = model->store.memory.address;
        model->limit = limit;
        model->opened = model_find_opened(model);
        CHECK(model->address != NULL && model->store.memory.dirty_end == GROWTH_FRONT);
    }
    CHECK(store_kind(&model->store) == (error ? STORE_EMPTY : STORE_LIMITED));
    model_check(model);
    return error;
}

/* Whether store_take can move the first bytes of a store. */
static inline bool
model_can_take(const struct model *model, size_t nbytes)
{
    bool all = nbytes == model->length && model->address == NULL;
    return all || (nbytes >= MIB && store_kind(&model->store) >= STORE_SPAN &&
                   pages_have_dontunmap());
}

/* How many bytes store_take may copy. The pages that move end at a multiple of 2 MiB.
 * So the first bytes that are left may move too, and are copied back. If a store with
 * a limit has fewer bytes left than headroom, these bytes slide to the front, and are
 * copied too. */
static inline size_t
model_may_copy(const struct model *model, size_t nbytes)
{
    size_t left = model->length - nbytes;
    size_t headroom = store_free_headroom(&model->store) + nbytes;
    return 2 * MIB + (model->address != NULL && left < headroom ? left : 0);
}

/* Move the first `nbytes` to `taken`, which is empty. */
static inline int
model_take(struct model *model, size_t nbytes, struct model *taken)
{
    struct store before = model->store;
    uint64_t copied = pool_stats().copied_nbytes;
    size_t most = model_may_copy(model, nbytes);
    bool can = model_can_take(model, nbytes);
    CHECK(nbytes <= taken->most);
    int error = store_take(&model->store, nbytes, &taken->store);
    CHECK((error == ENOTSUP) == !can);
    if (error == 0) {
        memcpy(taken->bytes, model->bytes, nbytes);
        memmove(model->bytes, model->bytes + nbytes, model->length - nbytes);
        taken->length = nbytes;
        model->length -= nbytes;
        CHECK(pool_stats().copied_nbytes - copied <= most);
    }
    else {
        CHECK(model->store.start == before.start);
        /* The store may have taken its tail back. */
        CHECK(model->store.memory.dirty_end >= before.memory.dirty_end);
        CHECK(error != ENOTSUP ||
              model->store.memory.dirty_end == before.memory.dirty_end);
        CHECK(store_kind(&taken->store) == STORE_EMPTY);
    }
    model_check(model);
    model_check(taken);
    return error;
}

static inline void
model_free(struct model *model)
{
    model_clear(model);
    free(model->bytes);
}

#endif
