/* Test on each kernel: bytes are removed from the front of a store with a limit while
 * views of it exist (views.h). The test keeps a copy of the bytes of each view, and
 * compares them after each step. */
#include <errno.h>

#include "fixture.h"
#include "views.h"

enum { MOST_VIEWS = 32 };

#define LIMIT (3 * MIB)

struct seen {
    const char *start;
    size_t length;
    size_t position;
    char *bytes; /* a copy of what the view shows; NULL: the view does not exist */
};

/* A store, the views of it, and the bytes that it should hold. */
struct viewed {
    struct store store;
    struct views views;
    struct seen seen[MOST_VIEWS];
    size_t nviews;
    size_t limit;
    char *bytes;
    size_t length;
    size_t removed; /* from the front, in all */
    size_t nmoves;  /* to another reservation */
    uint64_t seed;
};

static void
check(const struct viewed *viewed)
{
    const struct store *store = &viewed->store;
    size_t oldest = viewed->views.position, used = 0;
    CHECK_SOUND(store_check(store));
    CHECK_SOUND(views_check(&viewed->views, store, viewed->nviews));
    check_state();
    CHECK(store->length == viewed->length);
    CHECK(memcmp(store->start, viewed->bytes, viewed->length) == 0);
    for (size_t i = 0; i < MOST_VIEWS; i++) {
        const struct seen *seen = &viewed->seen[i];
        if (seen->bytes != NULL) {
            CHECK(memcmp(seen->start, seen->bytes, seen->length) == 0);
            oldest = seen->position < oldest ? seen->position : oldest;
            used++;
        }
    }
    CHECK(used == viewed->nviews);
    size_t held = viewed->views.position - oldest;
    CHECK(viewed->views.held == held);
    CHECK(store_capacity(store) == viewed->limit - held);
    CHECK(views_limit(&viewed->views, store) == viewed->limit);
}

static void
begin_viewed(struct viewed *viewed, enum kernel_kind kind, size_t limit)
{
    begin(kind, ANY_RUNG);
    kernel.pressed = kind == KERNEL_WHOLE; /* offered memory reads as zero at once */
    *viewed = (struct viewed){.limit = limit, .bytes = malloc(limit), .seed = 1};
    store_init(&viewed->store);
    CHECK(viewed->bytes != NULL && store_set_limit(&viewed->store, limit) == 0);
    check(viewed);
}

static int
append(struct viewed *viewed, size_t nbytes)
{
    const char *start = viewed->store.start;
    size_t left = viewed->limit - viewed->views.held - viewed->length;
    int error = store_append(&viewed->store, nbytes);
    CHECK((error == EFBIG) == (nbytes > left) && viewed->store.start == start);
    if (error == 0) {
        fill(viewed->bytes + viewed->length, nbytes, ++viewed->seed);
        memcpy(viewed->store.start + viewed->length, viewed->bytes + viewed->length,
               nbytes);
        viewed->length += nbytes;
    }
    check(viewed);
    return error;
}

static void
make_view(struct viewed *viewed, size_t slot)
{
    struct seen *seen = &viewed->seen[slot];
    CHECK(seen->bytes == NULL);
    *seen = (struct seen){.start = viewed->store.start,
                          .length = viewed->length,
                          .position = views_acquire(&viewed->views, &viewed->store),
                          .bytes = malloc(viewed->length + 1)};
    memcpy(seen->bytes, viewed->bytes, viewed->length);
    viewed->nviews++;
}

static void
drop_view(struct viewed *viewed, size_t slot)
{
    struct seen *seen = &viewed->seen[slot];
    const char *start = viewed->store.start;
    size_t blocks = kernel.nblocks, calls = kernel.calls[KERNEL_REALLOCATE];
    CHECK(seen->bytes != NULL);
    free(seen->bytes);
    seen->bytes = NULL;
    viewed->nviews--;
    if (viewed->views.fronts != NULL) {
        views_release(&viewed->views, &viewed->store, seen->position, viewed->nviews);
    }
    CHECK(viewed->store.start == start);
    CHECK(kernel.nblocks <= blocks && kernel.calls[KERNEL_REALLOCATE] == calls);
    check(viewed);
}

static int
remove_first(struct viewed *viewed, size_t nbytes)
{
    const struct store before = viewed->store;
    int error = viewed->nviews == 0 ? store_splice(&viewed->store, 0, nbytes, 0)
                                    : views_advance(&viewed->views, &viewed->store,
                                                    nbytes, viewed->nviews, false);
    if (error == 0) {
        bool moved = viewed->store.memory.address != before.memory.address;
        CHECK(viewed->nviews == 0 || moved ||
              viewed->store.start == before.start + nbytes);
        viewed->nmoves += moved;
        viewed->length -= nbytes;
        viewed->removed += nbytes;
        memmove(viewed->bytes, viewed->bytes + nbytes, viewed->length);
    }
    else {
        CHECK(error == ENOMEM && viewed->store.start == before.start);
        CHECK(viewed->store.memory.address == before.memory.address);
    }
    check(viewed);
    return error;
}

static size_t
resident(const struct viewed *viewed)
{
    const struct span *span = &viewed->store.memory, *old = &viewed->views.old;
    return kernel_resident(span->address, span->length) +
           (old->address == NULL ? 0 : kernel_resident(old->address, old->length));
}

static void
end(struct viewed *viewed)
{
    for (size_t i = 0; i < MOST_VIEWS; i++) {
        if (viewed->seen[i].bytes != NULL) {
            drop_view(viewed, i);
        }
    }
    CHECK(viewed->views.fronts == NULL && viewed->views.old.address == NULL);
    store_free(&viewed->store);
    free(viewed->bytes);
    finish();
    CHECK(kernel.nblocks == 0);
}

/* Each view is made before the previous one is released. */
static void
test_views_window_that_always_has_a_view_takes_bounded_memory(void)
{
    for (EACH_KERNEL_WITH_PAGES(kind)) {
        struct viewed viewed;
        size_t window = MIB, piece = 200 * KIB, most = 0;
        begin_viewed(&viewed, kind, LIMIT);
        CHECK(append(&viewed, window) == 0);
        make_view(&viewed, 0);
        for (size_t i = 0; viewed.removed < 40 * MIB; i++) {
            CHECK(append(&viewed, piece) == 0);
            CHECK(remove_first(&viewed, piece) == 0);
            most = resident(&viewed) > most ? resident(&viewed) : most;
            make_view(&viewed, (i + 1) % 2);
            drop_view(&viewed, i % 2);
        }
        CHECK(viewed.nmoves >= 40 * MIB / (2 * LIMIT + 4 * MIB));
        CHECK(most <= 2 * window + MIB);
        CHECK(pool_stats().live == 1 || pool_stats().live == 2);
        end(&viewed);
    }
}

static void
test_views_memory_goes_back_when_oldest_view_is_released(void)
{
    for (EACH_KERNEL_WITH_PAGES(kind)) {
        struct viewed viewed;
        begin_viewed(&viewed, kind, LIMIT);
        CHECK(append(&viewed, 2 * MIB) == 0);
        make_view(&viewed, 0);
        CHECK(remove_first(&viewed, MIB) == 0);
        make_view(&viewed, 1);
        CHECK(remove_first(&viewed, MIB / 2) == 0);
        make_view(&viewed, 2);
        CHECK(resident(&viewed) >= 2 * MIB);
        drop_view(&viewed, 1); /* the oldest view still shows all bytes */
        CHECK(resident(&viewed) >= 2 * MIB && viewed.views.held == MIB + MIB / 2);
        drop_view(&viewed, 0);
        CHECK(viewed.views.held == 0);
        CHECK(resident(&viewed) <= MIB / 2 + 512 * KIB);
        drop_view(&viewed, 2);
        CHECK(viewed.views.fronts == NULL);
        end(&viewed);
    }
}

static void
test_views_one_kept_for_ever_allows_limit_bytes_and_no_more(void)
{
    for (EACH_KERNEL_WITH_PAGES(kind)) {
        for (size_t skipped = 0; skipped < 4; skipped++) {
            struct viewed viewed;
            begin_viewed(&viewed, kind, LIMIT);
            /* The view that is kept begins at various places of the reservation. */
            CHECK(append(&viewed, MIB) == 0);
            make_view(&viewed, 0);
            for (size_t i = 0; i < skipped * 9; i++) {
                CHECK(append(&viewed, 100 * KIB) == 0);
                CHECK(remove_first(&viewed, 100 * KIB) == 0);
                make_view(&viewed, (i + 1) % 2);
                drop_view(&viewed, i % 2);
            }
            make_view(&viewed, 5);
            size_t from = viewed.removed;
            while (append(&viewed, 64 * KIB) == 0) {
                CHECK(remove_first(&viewed, 64 * KIB) == 0);
            }
            CHECK(viewed.removed - from + viewed.length <= LIMIT);
            CHECK(viewed.removed - from + viewed.length > LIMIT - 64 * KIB);
            CHECK(append(&viewed, LIMIT - viewed.views.held - viewed.length) == 0);
            CHECK(append(&viewed, 1) == EFBIG);
            CHECK(remove_first(&viewed, viewed.length) == 0);
            for (size_t i = 0; i < MOST_VIEWS; i++) {
                if (viewed.seen[i].bytes != NULL) {
                    drop_view(&viewed, i);
                }
            }
            CHECK(append(&viewed, LIMIT) == 0);
            end(&viewed);
        }
    }
}

static void
act(struct viewed *viewed, uint64_t random)
{
    size_t slot = random / 8 % MOST_VIEWS, nbytes = random / 256 % (500 * KIB);
    size_t left = viewed->limit - viewed->views.held - viewed->length;
    switch (random % 8) {
    case 0:
    case 1:
    case 2:
        (void)append(viewed, nbytes < left || random % 64 == 1 ? nbytes : left);
        return;
    case 3:
    case 4:
        if (viewed->length > 0) {
            (void)remove_first(viewed, nbytes % viewed->length + 1);
        }
        return;
    default:
        if (viewed->seen[slot].bytes != NULL) {
            drop_view(viewed, slot);
        }
        else if (random % 8 == 5 || viewed->nviews < 3) {
            make_view(viewed, slot);
        }
    }
}

static void
test_views_random_changes_keep_what_each_view_saw(void)
{
    for (EACH_KERNEL_WITH_PAGES(kind)) {
        struct viewed viewed;
        uint64_t random = 7 + (uint64_t)kind;
        size_t nmoves = 0;
        for (int failing = 0; failing < 2; failing++) {
            begin_viewed(&viewed, kind, failing ? LIMIT : MIB / 2);
            for (int i = 0; i < 1500; i++) {
                if (failing && i % 3 == 0) {
                    kernel_fail(1 + next_random(&random) % 4, ENOMEM);
                }
                act(&viewed, next_random(&random));
                kernel_heal();
            }
            nmoves += viewed.nmoves;
            end(&viewed);
        }
        CHECK(nmoves > 2);
    }
}

/* For each n, the n-th system call or allocation of a removal fails, and all after
 * it. */
static void
test_views_removal_that_fails_leaves_all_unchanged(void)
{
    for (EACH_KERNEL_WITH_PAGES(kind)) {
        struct viewed viewed;
        size_t nfailed = 0;
        begin_viewed(&viewed, kind, LIMIT);
        make_view(&viewed, 0);
        for (size_t i = 0; viewed.nmoves < 2; i++) {
            CHECK(append(&viewed, 300 * KIB) == 0);
            int error = ENOMEM;
            for (size_t nth = 1; error != 0; nth++) {
                kernel_fail_from(nth, ENOMEM);
                error = remove_first(&viewed, 300 * KIB);
                kernel_heal();
                nfailed += error != 0;
            }
            make_view(&viewed, (i + 1) % 2);
            drop_view(&viewed, i % 2);
        }
        CHECK(nfailed >= 2); /* allocating `fronts`, and mapping a reservation */
        end(&viewed);
    }
}

static void
test_views_of_many_starts_are_released_in_any_order(void)
{
    struct viewed viewed;
    begin_viewed(&viewed, KERNEL_MAINLINE, LIMIT);
    uint64_t random = 11;
    for (int round = 0; round < 20; round++) {
        for (size_t i = 0; i < MOST_VIEWS; i++) {
            size_t left = LIMIT - viewed.views.held - viewed.length;
            CHECK(append(&viewed, left < 5000 ? left : 5000) == 0);
            make_view(&viewed, i);
            if (viewed.length > 0) {
                CHECK(remove_first(&viewed, 1 + i % viewed.length) == 0);
            }
        }
        CHECK(viewed.views.nearlier == MOST_VIEWS);
        while (viewed.nviews > 0) {
            size_t slot = next_random(&random) % MOST_VIEWS;
            if (viewed.seen[slot].bytes != NULL) {
                drop_view(&viewed, slot);
            }
        }
        CHECK(viewed.views.fronts == NULL);
    }
    end(&viewed);
}

/* Append and remove until the store moves to another reservation. One view of the old
 * one is left. */
static void
move_under_view(struct viewed *viewed)
{
    make_view(viewed, 0);
    for (size_t i = 0; viewed->nmoves == 0; i++) {
        CHECK(append(viewed, 300 * KIB) == 0);
        size_t nmoves = viewed->nmoves;
        CHECK(remove_first(viewed, 300 * KIB) == 0);
        if (viewed->nmoves == nmoves) {
            make_view(viewed, (i + 1) % 2);
            drop_view(viewed, i % 2);
        }
    }
    CHECK(viewed->views.old.address != NULL && viewed->nviews == 1);
}

/* No view sees the bytes that are removed from the new reservation. */
static void
test_views_removal_after_move_gives_memory_back(void)
{
    for (EACH_KERNEL_WITH_PAGES(kind)) {
        struct viewed viewed;
        size_t piece = 300 * KIB;
        begin_viewed(&viewed, kind, LIMIT);
        move_under_view(&viewed);
        const struct span *span = &viewed.store.memory;
        while (store_capacity(&viewed.store) >= viewed.length + 2 * piece) {
            CHECK(append(&viewed, piece) == 0);
            CHECK(remove_first(&viewed, piece) == 0);
            CHECK(kernel_resident(span->address, span->length) <= 2 * piece);
        }
        CHECK(store_headroom(&viewed.store) > 3 * piece);
        CHECK(viewed.views.old.address != NULL && viewed.nviews == 1);
        size_t last = viewed.seen[0].bytes == NULL;
        make_view(&viewed, !last);
        CHECK(append(&viewed, piece) == 0);
        CHECK(remove_first(&viewed, piece) == 0);
        drop_view(&viewed, last);
        CHECK(viewed.views.old.address == NULL);
        end(&viewed);
    }
}

/* The memory of bytes that were appended after the newest view was made is given back
 * while they are copied. The test makes a new view so rarely that at least three
 * pieces are such bytes when the store moves. */
static void
test_views_move_gives_back_bytes_that_no_view_sees(void)
{
    for (EACH_KERNEL_WITH_PAGES(kind)) {
        struct viewed viewed;
        size_t piece = 100 * KIB;
        begin_viewed(&viewed, kind, LIMIT);
        CHECK(append(&viewed, MIB) == 0);
        make_view(&viewed, 0);
        for (size_t i = 0; viewed.nmoves == 0; i++) {
            CHECK(append(&viewed, piece) == 0);
            CHECK(remove_first(&viewed, piece) == 0);
            if (i % 8 == 7 && viewed.nmoves == 0) {
                make_view(&viewed, (i / 8 + 1) % 2);
                drop_view(&viewed, i / 8 % 2);
            }
        }
        const struct views *views = &viewed.views;
        size_t seen = views->seen_end - views->position;
        CHECK(seen < viewed.length && viewed.length - seen >= 3 * piece);
        CHECK(kernel_resident(views->old.address, views->old.length) <=
              views->held + seen + 2 * STORE_GIVE_BACK_MIN);
        end(&viewed);
    }
}

static void
test_views_forget_returns_old_reservation(void)
{
    struct viewed viewed;
    begin_viewed(&viewed, KERNEL_MAINLINE, LIMIT);
    move_under_view(&viewed);
    struct seen *seen = &viewed.seen[viewed.seen[0].bytes == NULL];
    struct span old = views_forget(&viewed.views, &viewed.store);
    CHECK(old.address != NULL && viewed.views.old.address == NULL);
    CHECK(memcmp(seen->start, seen->bytes, seen->length) == 0);
    free(seen->bytes);
    seen->bytes = NULL;
    viewed.nviews = 0;
    spans_give(&old);
    check(&viewed);
    CHECK(append(&viewed, LIMIT - viewed.length) == 0);
    end(&viewed);
}

int
main(void)
{
    RUN(test_views_window_that_always_has_a_view_takes_bounded_memory);
    RUN(test_views_memory_goes_back_when_oldest_view_is_released);
    RUN(test_views_one_kept_for_ever_allows_limit_bytes_and_no_more);
    RUN(test_views_random_changes_keep_what_each_view_saw);
    RUN(test_views_removal_that_fails_leaves_all_unchanged);
    RUN(test_views_of_many_starts_are_released_in_any_order);
    RUN(test_views_removal_after_move_gives_memory_back);
    RUN(test_views_move_gives_back_bytes_that_no_view_sees);
    RUN(test_views_forget_returns_old_reservation);
    return check_done();
}
