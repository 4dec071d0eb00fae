/* Compare with a model, on each kernel: stores with a limit, which never move, and
 * store_take(), which moves the first pages of a store to another. */
#include <errno.h>

#include "model.h"

enum { MOST = 24 << 20 };

#define COUNT(array) (sizeof(array) / sizeof *(array))

/* The resident memory of a store and its tail, in bytes. */
static size_t
resident(const struct store *store)
{
    return kernel_resident(store->memory.address, store->memory.length);
}

/* Begin on a kernel with a store that has a limit. */
static void
begin_limited(struct model *model, enum kernel_kind kind, size_t limit)
{
    begin(kind, ANY_RUNG);
    CASE("a kernel %s, a limit of %zu", kernel_names[kind], limit);
    model_init(model, MOST);
    CHECK(model_limit(model, limit) == 0);
}

static void
end(struct model *model)
{
    model_free(model);
    finish();
}

/* ------------------------------------------------------------------- the limit */

static const size_t limits[] = {
    0,       1,           2,       100,     4095,    4096,    4097,    65537,
    MIB + 3, 2 * MIB - 1, 2 * MIB, 5 * MIB, 6999999, 8191999, 9 * MIB,
};

/* Check that no call can add a byte to a full store. */
static void
check_full(struct model *model)
{
    size_t length = model->length;
    CHECK(length == model->limit && store_tailroom(&model->store) == 0);
    CHECK(model_append(model, 1) == EFBIG);
    CHECK(model_append_zeros(model, 1) == EFBIG);
    CHECK(model_make_tailroom(model, 1) == EFBIG);
    CHECK(model_reserve(model, length + 1) == EFBIG);
    CHECK(model_splice(model, length / 2, 0, 1) == EFBIG);
    CHECK(model_splice(model, length / 2, length / 4, length / 4 + 1) == EFBIG);
    CHECK(model_splice(model, length / 2, length / 4, length / 4) == 0);
    CHECK(model->length == length);
}

static void
fill_in_pieces(struct model *model, size_t piece)
{
    while (model->length < model->limit) {
        size_t left = model->limit - model->length;
        CHECK(model_append(model, piece < left ? piece : left) == 0);
        CHECK(model->store.start == model->address + GROWTH_FRONT);
    }
}

static void
test_store_limited_holds_its_limit_and_no_more(void)
{
    for (EACH_KERNEL_WITH_PAGES(kind)) {
        for (size_t i = 0; i < COUNT(limits); i++) {
            struct model model;
            begin_limited(&model, kind, limits[i]);
            fill_in_pieces(&model, limits[i] / 7 + 1);
            check_full(&model);
            CHECK(model_splice(&model, 0, model.length, 0) == 0);
            fill_in_pieces(&model, limits[i]);
            check_full(&model);
            CHECK(model_splice(&model, 0, model.length, 0) == 0);
            CHECK(model_append_zeros(&model, limits[i]) == 0);
            check_full(&model);
            end(&model);
        }
    }
}

/* The limit counts from the first byte in use:
 *
 *   |<- headroom ->|<--- in use --->|<- tailroom ->|
 *                  |<----------- limit ----------->|
 */
static void
test_store_limit_with_headroom_holds_no_more(void)
{
    for (EACH_KERNEL_WITH_PAGES(kind)) {
        for (size_t i = 3; i < COUNT(limits); i++) {
            struct model model;
            size_t limit = limits[i], third = limit / 3;
            begin_limited(&model, kind, limit);
            CHECK(model_append(&model, limit) == 0);
            CHECK(model_splice(&model, 0, third, 0) == 0);
            CHECK(store_free_headroom(&model.store) == third);
            CHECK(model_append(&model, third) == 0);
            check_full(&model);
            CHECK(model_splice(&model, 0, 0, 1) == EFBIG);
            CHECK(model_splice(&model, 1, 1, 3) == EFBIG);
            CHECK(model_splice(&model, limit - third, third, 0) == 0);
            CHECK(model_splice(&model, 0, 0, third) == 0);
            check_full(&model);
            end(&model);
        }
    }
}

static void
test_store_set_limit_too_large_is_refused(void)
{
    for (EACH_KERNEL_WITH_PAGES(kind)) {
        struct model model;
        begin(kind, ANY_RUNG);
        model_init(&model, MOST);
        for (size_t less = 0; less < 10; less++) {
            CHECK(store_set_limit(&model.store, SIZE_MAX - less) == ENOMEM);
            CHECK(store_set_limit(&model.store, SIZE_MAX / 2 - less) == ENOMEM);
            CHECK(store_set_limit(&model.store, SIZE_MAX / 8 + less) == ENOMEM);
        }
        kernel.most_nbytes = 11 * MIB;
        CHECK(model_limit(&model, 5 * MIB + MIB) == ENOMEM);
        /* It needs twice the limit, GROWTH_FRONT bytes before the first, and a NUL. */
        CHECK(model_limit(&model, 5 * MIB) == ENOMEM);
        CHECK(kernel.nbytes == 0 && pool_stats().live == 0);
        CHECK(model_limit(&model, 5 * MIB - GROWTH_FRONT) == 0);
        end(&model);
    }
}

static void
test_store_set_limit_without_pages_is_not_supported(void)
{
    const enum kernel_kind kinds[] = {KERNEL_NO_PAGES, KERNEL_MAINLINE};
    for (int i = 0; i < 2; i++) {
        struct model model;
        begin(kinds[i], PAGES_HEAP);
        model_init(&model, MOST);
        size_t calls = kernel.ncalls;
        CHECK(model_limit(&model, 1000) == ENOTSUP && kernel.ncalls == calls);
        CHECK(model_append(&model, 2000) == 0);
        end(&model);
    }
}

/* -------------------------------------------------------------- space and memory */

static void
test_store_set_limit_takes_address_space_only(void)
{
    for (EACH_KERNEL_THAT_CUTS(kind)) {
        struct model model;
        begin_limited(&model, kind, 5 * MIB);
        size_t page = pages_facts.page_nbytes;
        CHECK(kernel.nbytes == 12 * MIB && kernel.nmappings == 2);
        CHECK(resident(&model.store) <= page && store_nbytes(&model.store) == page);
        CHECK(kernel_is_closed(model.address + 2 * MIB, 10 * MIB));
        CHECK(kernel_is_hidden(model.address + 2 * MIB, 10 * MIB));
        CHECK((uintptr_t)model.address % GROWTH_QUANTUM == 0);
        CHECK(pool_stats().live == 1);
        CHECK(model_reserve(&model, 5 * MIB) == 0 && resident(&model.store) <= page);
        CHECK(model_append(&model, 2 * MIB - 1) == 0);
        CHECK(model_append(&model, 1) == 0);
        CHECK(kernel_is_mapped(model.address, 4 * MIB));
        CHECK(kernel_is_dumped(model.address, 4 * MIB));
        CHECK(kernel_is_hidden(model.address + 4 * MIB, 8 * MIB));
        CHECK(kernel.nmappings == 2 && kernel.nbytes == 12 * MIB);
        CHECK(pool_stats().reserved_nbytes == 12 * MIB);
        model_clear(&model);
        CHECK(pool_stats().live == 0 && pool_stats().reserved_nbytes == 0);
        CHECK(kernel.nbytes == 12 * MIB && pool_stats().nentries == 1);
        CHECK(pool_drain() && kernel.nbytes == 0);
        end(&model);
    }
}

/* Where memory counts as used once it is accessible, a store first opens one page, and
 * then what it needs and the pages that are prepared ahead. */
static void
test_store_set_limit_in_steps_opens_what_is_used(void)
{
    struct model model;
    begin_limited(&model, KERNEL_WHOLE, 5 * MIB);
    size_t page = pages_facts.page_nbytes;
    CHECK(kernel.nbytes == 12 * MIB && kernel_is_mapped(model.address, page));
    CHECK(kernel_is_closed(model.address + page, 12 * MIB - page));
    CHECK(model_reserve(&model, 5 * MIB) == 0 && resident(&model.store) <= page);
    CHECK(model_append(&model, 2 * MIB) == 0 && model_append_zeros(&model, MIB) == 0);
    CHECK(kernel_is_mapped(model.address, 3 * MIB));
    CHECK(kernel_is_closed(model.address + 4 * MIB, 8 * MIB));
    CHECK(model_splice(&model, 0, 3 * MIB - 1, 0) == 0);
    model_trim(&model);
    CHECK(kernel_is_closed(model.address + page, 12 * MIB - page));
    end(&model);
}

static void
test_store_set_limit_without_space_empties_the_pool(void)
{
    struct model model;
    begin(KERNEL_MAINLINE, ANY_RUNG);
    model_init(&model, MOST);
    CHECK(model_append(&model, 5 * MIB) == 0);
    model_clear(&model);
    kernel.most_nbytes = 12 * MIB;
    CHECK(kernel.nbytes == 6 * MIB && pool_stats().nentries == 1);
    CHECK(model_limit(&model, 5 * MIB) == 0);
    CHECK(pool_stats().nentries == 0);
    end(&model);
}

/* Opening pages cuts the reservation in two mappings, or moves the cut. */
static void
test_store_limited_without_mappings_left_empties_the_pool(void)
{
    struct model model, other;
    begin(KERNEL_MAINLINE, ANY_RUNG);
    model_init(&model, MOST);
    model_init(&other, MOST);
    CHECK(model_limit(&model, 9 * MIB) == 0);
    CHECK(model_append(&other, MIB) == 0);
    model_clear(&other);
    kernel.most_mappings = kernel.nmappings;
    CHECK(kernel.nmappings == 3 && pool_stats().nentries == 1);
    CHECK(model_append(&model, 5 * MIB) == 0);
    CHECK(pool_stats().nentries == 0 && kernel.nmappings == 2);
    kernel.most_mappings = 2;
    CHECK(model_append(&model, 2 * MIB) == ENOMEM);
    kernel.most_mappings = 0;
    CHECK(model_append(&model, 2 * MIB) == 0);
    model_free(&other);
    end(&model);
}

static void
test_store_limited_makes_few_unused_pages_present(void)
{
    for (EACH_KERNEL_WITH_PAGES(kind)) {
        struct model model;
        begin_limited(&model, kind, 15 * MIB);
        while (model.length < 15 * MIB) {
            CHECK(model_append(&model, 256 * KIB) == 0);
            size_t used = model.length + model.length / 8 + 64 * KIB;
            CHECK(resident(&model.store) <= used + pages_facts.page_nbytes);
        }
        end(&model);
    }
}

/* When the headroom is as long as the window, the window slides back. So the store
 * takes the memory of at most two windows and of the pages that are made ready ahead.
 * It copies at most one byte for each byte that was deleted. */
static void
slide_window(enum kernel_kind kind, size_t limit, size_t window, size_t piece)
{
    struct model model;
    begin_limited(&model, kind, limit);
    CASE("a kernel %s, %zu bytes of %zu", kernel_names[kind], piece, window);
    CHECK(model_append(&model, window) == 0);
    uint64_t copied = pool_stats().copied_nbytes;
    size_t deleted = 0, most = window + piece;
    size_t bound = 2 * most + most / 8 + 64 * KIB + pages_facts.page_nbytes;
    while (deleted < 8 * limit) {
        CHECK(model_append(&model, piece) == 0);
        CHECK(model_splice(&model, 0, piece, 0) == 0);
        deleted += piece;
        CHECK(store_nbytes(&model.store) <= bound && resident(&model.store) <= bound);
    }
    copied = pool_stats().copied_nbytes - copied;
    CHECK(copied <= deleted && copied > deleted / 2);
    end(&model);
}

static void
test_store_limited_window_slides_within_twice_its_length(void)
{
    for (EACH_KERNEL_WITH_PAGES(kind)) {
        slide_window(kind, 100, 60, 40);
        slide_window(kind, 300 * KIB, 290 * KIB, 10 * KIB);
        slide_window(kind, 2 * MIB, 700 * KIB, 33333);
        slide_window(kind, 3 * MIB, 2 * MIB, MIB);
    }
}

/* The memory that a shrunk store does not need becomes its tail, up to the limit of the
 * pool. The rest goes back to the system at once, and the tail with pool_drain(). */
static void
test_store_splice_shrinking_leaves_no_more_than_a_tail(void)
{
    const size_t limits_of_pool[] = {0, MIB, POOL_NBYTES};
    for (int i = 0; i < 6 * KERNEL_NO_PAGES; i++) {
        struct model model;
        begin_limited(&model, i / 6, 12 * MIB);
        size_t pool_limit = limits_of_pool[i % 3];
        pool_set_limit(pool_limit);
        CHECK(model_append(&model, 12 * MIB) == 0);
        while (model.length > 0) {
            size_t some = model.length < 300 * KIB ? model.length : 300 * KIB;
            CHECK(model_splice(&model, i % 2 ? 0 : model.length - some, some, 0) == 0);
            size_t most = 3 * model.length + model.length / 8 + 64 * KIB;
            most += pages_facts.page_nbytes;
            CHECK(pool_stats().nbytes <= pool_limit);
            CHECK(resident(&model.store) <= most + pool_stats().nbytes);
        }
        CHECK(store_is_limited(&model.store) && store_free_headroom(&model.store) == 0);
        CHECK(pool_drain() == (pool_limit > 0));
        CHECK(resident(&model.store) <= pages_facts.page_nbytes);
        end(&model);
    }
}

/* A store does not give back memory that it is likely to need again. */
static void
test_store_limited_length_that_swings_makes_no_call(void)
{
    struct model model;
    begin_limited(&model, KERNEL_MAINLINE, 5 * MIB);
    CHECK(model_append(&model, 3 * MIB) == 0);
    size_t calls = kernel.ncalls;
    for (int i = 0; i < 5; i++) {
        CHECK(model_splice(&model, 1200 * KIB, 3 * MIB - 1200 * KIB, 0) == 0);
        CHECK(model_append(&model, 3 * MIB - 1200 * KIB) == 0);
    }
    CHECK(kernel.ncalls == calls);
    end(&model);
}

/* The first 2 MiB are accessible, and the bytes to append end there. Only the pages
 * that are prepared ahead lie after them, so that failing to open these is no error. */
static void
test_store_limited_with_opening_ahead_refused_uses_open_pages(void)
{
    struct model model;
    begin_limited(&model, KERNEL_MAINLINE, 5 * MIB);
    kernel_fail_from(1, ENOMEM);
    CHECK(model_append(&model, 2 * MIB - GROWTH_FRONT - 1) == 0);
    CHECK(model.opened == 2 * MIB);
    CHECK(model_append(&model, 1) == ENOMEM && model_append_zeros(&model, 1) == ENOMEM);
    kernel_heal();
    CHECK(model_append(&model, 1) == 0 && model.opened == 4 * MIB);
    end(&model);
}

static void
test_store_trim_keeps_what_is_in_use(void)
{
    const size_t lengths[] = {5 * MIB, 2 * MIB, 2 * MIB - 1, 4096, 4095, 10, 0};
    for (EACH_KERNEL_WITH_PAGES(kind)) {
        struct model model;
        begin_limited(&model, kind, 5 * MIB);
        for (size_t i = 0; i < COUNT(lengths); i++) {
            CHECK(model_append(&model, 5 * MIB - model.length) == 0);
            model_scribble(&model);
            CHECK(model_splice(&model, 0, 5 * MIB - lengths[i], 0) == 0);
            model_trim(&model);
            CHECK(store_free_headroom(&model.store) == 0);
            size_t page = pages_facts.page_nbytes;
            CHECK(resident(&model.store) <=
                  growth_round_up(GROWTH_FRONT + lengths[i] + 1, page));
        }
        end(&model);
    }
}

/* ---------------------------------------------------------------------- the bytes */

/* Append zeros both on pages that had other bytes before and on new pages. */
static void
test_store_limited_append_zeros_are_zero(void)
{
    const size_t limit = 5 * MIB;
    for (EACH_KERNEL_WITH_PAGES(kind)) {
        struct model model;
        begin_limited(&model, kind, limit);
        CHECK(model_append_zeros(&model, 3 * MIB) == 0);
        CHECK(model_append(&model, 1 * MIB) == 0);
        model_scribble(&model);
        CHECK(model_append_zeros(&model, limit - model.length) == 0);
        CHECK(model_splice(&model, 100, limit - 200, 0) == 0);
        CHECK(model_append_zeros(&model, limit - model.length) == 0);
        CHECK(model_append(&model, 0) == 0);
        CHECK(model_splice(&model, 0, 2 * MIB, 0) == 0);
        CHECK(model_append(&model, 2 * MIB) == 0);
        CHECK(model_splice(&model, 0, 4 * MIB + 999, 0) == 0);
        CHECK(model_append_zeros(&model, 2 * MIB) == 0);
        model_scribble(&model);
        model_trim(&model);
        CHECK(model_append_zeros(&model, limit - model.length) == 0);
        end(&model);
    }
}

static void
test_store_append_zeros_on_fresh_pages_touches_none(void)
{
    for (EACH_KERNEL_WITH_PAGES(kind)) {
        struct model model;
        begin_limited(&model, kind, 11 * MIB);
        CHECK(store_append_zeros(&model.store, 11 * MIB) == 0);
        CHECK(resident(&model.store) <= 2 * pages_facts.page_nbytes);
        CHECK(is_zero(model.store.start, 11 * MIB + 1));
        end(&model);
    }
}

/* With headroom, bytes past the limit may be dirty. When the bytes slide to the front,
 * these must become zero, even if the system does not take the memory back. */
static void
test_store_limited_slide_leaves_zeros_past_the_limit(void)
{
    for (int i = 0; i < 2 * KERNEL_NO_PAGES; i++) {
        struct model model;
        const size_t limit = 200 * KIB + 77;
        begin_limited(&model, i / 2, limit);
        CHECK(model_append(&model, limit) == 0);
        CHECK(model_splice(&model, 0, limit / 2, 0) == 0);
        CHECK(model_append(&model, limit / 2) == 0);
        CHECK(model.store.memory.dirty_end > limit);
        if (i % 2) {
            kernel_fail_from(1, EAGAIN);
        }
        CHECK(model_splice(&model, 0, limit / 2 + 1, 0) == 0);
        CHECK(store_free_headroom(&model.store) == 0 &&
              model.store.memory.dirty_end <= GROWTH_FRONT + limit);
        kernel_heal();
        CHECK(model_append_zeros(&model, limit - model.length) == 0);
        check_full(&model);
        end(&model);
    }
}

static void
test_store_limited_asks_for_huge_pages_as_a_whole(void)
{
    for (int huge = 0; huge < PAGES_NHUGE; huge++) {
        struct model model;
        begin(KERNEL_MAINLINE, ANY_RUNG);
        pages_facts.huge = huge;
        model_init(&model, MOST);
        CHECK(model_limit(&model, 20 * MIB) == 0);
        CHECK(kernel_is_advised(model.address, 42 * MIB, advice_for_fresh()));
        CHECK(model_append(&model, 4 * MIB - 1) == 0 && !model.store.memory.huge);
        CHECK(model_append(&model, 8 * MIB) == 0);
        CHECK(model.store.memory.huge ==
              (huge != PAGES_HUGE_NEVER && huge != PAGES_HUGE_64K));
        CHECK(kernel_is_advised(model.address, 42 * MIB,
                                huge ? KERNEL_HUGE_ASKED : KERNEL_HUGE_UNSAID));
        end(&model);
    }
}

/* -------------------------------------------------------------------------- take */

enum way { LIMITED, MOVING, PIECE, JOINED, WAYS };

static const char *const way_names[WAYS] = {"limited", "moving", "piece", "joined"};

/* Put a dirty span into the pool that is long enough for all calls of make(). */
static void
fill_the_pool(void)
{
    struct store store;
    store_init(&store);
    CHECK(store_append(&store, 13 * MIB) == 0);
    for (size_t at = 0; at < store.length; at += 1000) {
        store.start[at] = 'w';
    }
    store_free(&store);
    CHECK(pool_stats().nentries == 1);
}

/* Make a store of `length` bytes after a headroom: with a limit, in a span of its own,
 * in a piece of a dirty span, or in such a piece that was joined with the next one. */
static void
make(struct model *model, enum way way, size_t headroom, size_t length)
{
    model_init(model, MOST);
    if (way == PIECE || way == JOINED) {
        fill_the_pool();
    }
    if (way == LIMITED) {
        CHECK(model_limit(model, MOST) == 0);
    }
    if (way == JOINED) {
        CHECK(model_append(model, MIB) == 0);
    }
    CHECK(model_append(model, headroom + length - model->length) == 0);
    CHECK(model_splice(model, 0, headroom, 0) == 0);
    CHECK(store_free_headroom(&model->store) == headroom && model->length == length);
}

/* Use a store after store_take(), like any other store. */
static void
use(struct model *model)
{
    if (model->length > 10) {
        CHECK(model_splice(model, model->length / 2, 3, 5) == 0);
    }
    CHECK(model_append(model, 1) == 0);
    CHECK(model_append(model, MIB) == 0);
    CHECK(model_append_zeros(model, 100 * KIB) == 0);
    CHECK(model_splice(model, 0, 0, 1000) == 0);
    CHECK(model_append(model, 2 * MIB + 1) == 0);
    model_trim(model);
}

/* Take `nbytes` and check that the pages have moved, if the kernel can move them. */
static void
take(enum kernel_kind kind, enum way way, size_t headroom, size_t nbytes, size_t left)
{
    struct model model, taken;
    begin(kind, ANY_RUNG);
    CASE("a kernel %s, %s, %zu bytes after %zu and before %zu", kernel_names[kind],
         way_names[way], nbytes, headroom, left);
    make(&model, way, headroom, nbytes + left);
    model_init(&taken, MOST);
    bool limited = way == LIMITED, moves = has_dontunmap(kind);
    struct pool_stats before = pool_stats();
    char *start = model.store.start;
    int error = model_take(&model, nbytes, &taken);
    if (moves) {
        CHECK(error == 0 && store_kind(&taken.store) == STORE_SPAN);
        CHECK(taken.store.start != start && !store_is_limited(&taken.store));
        CHECK(pool_stats().moves == before.moves + 1);
        CHECK(store_is_limited(&model.store) == limited);
        CHECK(pool_stats().live ==
              before.live + (left >= GROWTH_HEAP_AGAIN || limited));
        use(&taken);
    }
    else {
        CHECK(error == ENOTSUP && pool_stats().copies == before.copies);
    }
    use(&model);
    model_free(&taken);
    end(&model);
}

/* Many cases begin or end at a multiple of 2 MiB, or a few bytes before or after it. */
static void
test_store_take_moves_the_pages(void)
{
    const size_t cases[][3] = {
        /* headroom, taken, left */
        {0, MIB, 3 * MIB},
        {0, 2 * MIB - 1, 2 * MIB},
        {0, 2 * MIB, 2 * MIB + 1},
        {0, 2 * MIB + 1, 2 * MIB - 1},
        {1, 2 * MIB - 2, 3 * MIB},
        {1, 2 * MIB - 1, 3 * MIB},
        {1, 2 * MIB, 100},
        {4095, MIB, MIB},
        {MIB + 77, 3 * MIB, 40 * KIB},
        {2 * MIB - 1, MIB, 5 * MIB},
        {2 * MIB, MIB + 1, 5 * MIB},
        {2 * MIB + 1, 6 * MIB - 1, MIB},
        {3 * MIB + 5, 5 * MIB, 4 * MIB - 7},
        {5 * MIB + 1, 5 * MIB, 1},
    };
    for (EACH_KERNEL_WITH_PAGES(kind)) {
        /* Without moves all sizes are the same case. */
        int ncases = has_dontunmap(kind) ? COUNT(cases) : 1;
        for (int i = 0; i < ncases * WAYS; i++) {
            const size_t *sizes = cases[i / WAYS];
            take(kind, i % WAYS, sizes[0], sizes[1], sizes[2]);
        }
    }
}

/* If all bytes are taken, a store without a limit passes on its memory as it is. Of a
 * store with a limit the pages move, and it keeps its reservation. */
static void
test_store_take_all_hands_the_store_over(void)
{
    const size_t lengths[] = {0, 1, 1000, 300 * KIB, 3 * MIB};
    for (int i = 0; i < KERNEL_KINDS * (int)COUNT(lengths); i++) {
        struct model model, taken;
        begin(i / (int)COUNT(lengths), ANY_RUNG);
        model_init(&model, MOST);
        model_init(&taken, MOST);
        CHECK(model_append(&model, lengths[i % (int)COUNT(lengths)]) == 0);
        struct store before = model.store;
        size_t calls = kernel.ncalls;
        CHECK(model_take(&model, model.length, &taken) == 0);
        CHECK(kernel.ncalls == calls && taken.store.start == before.start);
        CHECK(store_kind(&model.store) == STORE_EMPTY);
        use(&taken);
        use(&model);
        model_free(&taken);
        end(&model);
    }
    for (EACH_KERNEL_WITH_PAGES(kind)) {
        take(kind, LIMITED, 0, 3 * MIB, 0);
        take(kind, LIMITED, MIB + 1, 4 * MIB - 1, 0);
    }
}

/* Below 1 MiB, and on the heap, the caller copies, which costs no more. */
static void
test_store_take_of_little_is_not_supported(void)
{
    for (int i = 0; i < 2 * KERNEL_KINDS; i++) {
        struct model model, taken;
        bool has_pages = i / 2 != KERNEL_NO_PAGES;
        begin(i / 2, ANY_RUNG);
        model_init(&model, MOST);
        model_init(&taken, MOST);
        CHECK(i % 2 == 0 || model_limit(&model, MOST) == (has_pages ? 0 : ENOTSUP));
        CHECK(model_append(&model, 60 * KIB) == 0);
        size_t calls = kernel.ncalls;
        CHECK(model_take(&model, 30 * KIB, &taken) == ENOTSUP);
        CHECK(kernel.ncalls == calls);
        CHECK(model_append(&model, 3 * MIB) == 0);
        calls = kernel.ncalls;
        CHECK(model_take(&model, MIB - 1, &taken) == ENOTSUP);
        CHECK(model_take(&model, 0, &taken) == ENOTSUP && kernel.ncalls == calls);
        model_free(&taken);
        end(&model);
    }
}

/* Append and take frames in turn, then take all that are left. */
static void
test_store_take_again_and_again_keeps_the_bytes(void)
{
    for (int way = 0; way < WAYS; way++) {
        struct model model, taken;
        const size_t frame = 2 * MIB + 12345;
        begin(KERNEL_MAINLINE, ANY_RUNG);
        CASE("%s", way_names[way]);
        make(&model, way, 5, 3 * frame);
        model_init(&taken, MOST);
        for (int j = 0; j < 20; j++) {
            CHECK(model_append(&model, j % 2 ? frame / 2 : frame * 3 / 2) == 0);
            CHECK(model_take(&model, frame, &taken) == 0);
            CHECK(resident(&taken.store) <= frame + 2 * MIB);
            CHECK(resident(&model.store) <= 3 * model.length + 2 * MIB);
            model_clear(&taken);
        }
        while (model.length > frame) {
            CHECK(model_take(&model, frame, &taken) == 0);
            model_clear(&taken);
        }
        model_free(&taken);
        end(&model);
    }
}

/* Both stores keep their huge pages, and more can be taken from the first. */
static void
test_store_take_keeps_huge_pages(void)
{
    for (int way = LIMITED; way <= MOVING; way++) {
        struct model model, taken;
        begin(KERNEL_MAINLINE, ANY_RUNG);
        make(&model, way, 0, 20 * MIB + 3);
        model_init(&taken, MOST);
        CHECK(model.store.memory.huge);
        CHECK(model_take(&model, 5 * MIB, &taken) == 0);
        const struct span *span = &taken.store.memory;
        CHECK(span->huge && model.store.memory.huge);
        CHECK(kernel_is_advised(span->address, span->length, KERNEL_HUGE_ASKED));
        use(&taken);
        model_clear(&taken);
        CHECK(model_take(&model, 14 * MIB, &taken) == 0);
        use(&model);
        use(&taken);
        model_free(&taken);
        end(&model);
    }
}

/* A range of two mappings cannot be moved. The call fails and changes nothing. There
 * are two if the advice to include new pages in core files has failed. */
static void
test_store_take_of_two_mappings_changes_nothing(void)
{
    struct model model, taken;
    begin_limited(&model, KERNEL_MAINLINE, 9 * MIB);
    model_init(&taken, MOST);
    CHECK(model_append(&model, MIB) == 0);
    kernel_fail(2, EAGAIN); /* the advice about core files, after mprotect() */
    CHECK(model_append(&model, 4 * MIB) == 0);
    CHECK(!kernel_is_dumped(model.address, 4 * MIB));
    size_t nbytes = kernel.nbytes;
    CHECK(model_take(&model, 3 * MIB, &taken) == EFAULT);
    CHECK(kernel.nbytes == nbytes && pool_stats().live == 1);
    CHECK(model_take(&model, MIB, &taken) == 0); /* in the first mapping */
    use(&taken);
    use(&model);
    model_free(&taken);
    end(&model);
}

/* After a failed store_take() the tail may be part of the store again. It ends at a
 * multiple of a page, which may be past the limit. */
static void
test_store_take_failing_leaves_no_tailroom_past_the_limit(void)
{
    const size_t limit = 6999999;
    for (size_t n = 1, nfailed = 1; nfailed > 0; n++) {
        struct model model, taken;
        begin_limited(&model, KERNEL_MAINLINE, limit);
        CASE("call %zu fails", n);
        model_init(&taken, MOST);
        CHECK(model_append(&model, limit) == 0);
        CHECK(model_splice(&model, 2 * MIB, limit - 2 * MIB, 0) == 0);
        CHECK(pool_tail(&model.store.memory).length > 0);
        kernel_fail(n, ENOMEM);
        int error = model_take(&model, MIB, &taken);
        nfailed = kernel.nfailed;
        CHECK(error == 0 || error == ENOMEM);
        CHECK(n > 1 || error == ENOMEM);
        kernel_heal();
        CHECK(model_append(&model, limit - model.length) == 0);
        check_full(&model);
        model_free(&taken);
        end(&model);
    }
}

int
main(void)
{
    RUN(test_store_limited_holds_its_limit_and_no_more);
    RUN(test_store_limit_with_headroom_holds_no_more);
    RUN(test_store_set_limit_too_large_is_refused);
    RUN(test_store_set_limit_without_pages_is_not_supported);
    RUN(test_store_set_limit_takes_address_space_only);
    RUN(test_store_set_limit_in_steps_opens_what_is_used);
    RUN(test_store_set_limit_without_space_empties_the_pool);
    RUN(test_store_limited_without_mappings_left_empties_the_pool);
    RUN(test_store_limited_makes_few_unused_pages_present);
    RUN(test_store_limited_window_slides_within_twice_its_length);
    RUN(test_store_splice_shrinking_leaves_no_more_than_a_tail);
    RUN(test_store_limited_length_that_swings_makes_no_call);
    RUN(test_store_limited_with_opening_ahead_refused_uses_open_pages);
    RUN(test_store_trim_keeps_what_is_in_use);
    RUN(test_store_limited_append_zeros_are_zero);
    RUN(test_store_append_zeros_on_fresh_pages_touches_none);
    RUN(test_store_limited_slide_leaves_zeros_past_the_limit);
    RUN(test_store_limited_asks_for_huge_pages_as_a_whole);
    RUN(test_store_take_moves_the_pages);
    RUN(test_store_take_all_hands_the_store_over);
    RUN(test_store_take_of_little_is_not_supported);
    RUN(test_store_take_again_and_again_keeps_the_bytes);
    RUN(test_store_take_keeps_huge_pages);
    RUN(test_store_take_of_two_mappings_changes_nothing);
    RUN(test_store_take_failing_leaves_no_tailroom_past_the_limit);
    return check_done();
}
