/* Test what a store promises about its bytes, its memory and its calls. Then compare
 * several stores with models after random actions.
 *
 *     test_store [SEED]        the seed of a failure, as printed
 */
#define _GNU_SOURCE
#include <errno.h>
#include <inttypes.h>
#include <time.h>
#include <unistd.h>

#include "model.h"

static uint64_t seed;

/* The resident memory of a store, in bytes. */
static size_t
resident(const struct store *store)
{
    return kernel_resident(store->memory.address, store->memory.length);
}

static void
append(struct store *store, size_t nbytes)
{
    size_t at = store->length;
    CHECK(store_splice(store, at, 0, nbytes) == 0);
    memset(store->start + at, 'x', nbytes);
    CHECK_SOUND(store_check(store));
}

/* ------------------------------------------------------------- heap, span, heap */

static void
test_store_empty_owns_nothing(void)
{
    struct store store;
    begin(KERNEL_MAINLINE, ANY_RUNG);
    size_t calls = kernel.ncalls;
    store_init(&store);
    CHECK(store.start == store_nothing && store.start[0] == 0);
    CHECK(store_capacity(&store) == 0 && store_nbytes(&store) == 0);
    CHECK(store_tailroom(&store) == 0 && store_headroom(&store) == 0);
    CHECK(store_splice(&store, 0, 0, 0) == 0);
    CHECK(store_append_zeros(&store, 0) == 0 && store_reserve(&store, 0) == 0);
    store_trim(&store);
    store_free(&store);
    CHECK_SOUND(store_check(&store));
    CHECK(kernel.ncalls == calls);
    finish();
}

static void
test_store_grown_and_shrunk_leaves_the_heap_and_returns(void)
{
    for (int kind = 0; kind < KERNEL_KINDS; kind++) {
        struct model model;
        begin(kind, ANY_RUNG);
        bool has_spans = kind != KERNEL_NO_PAGES;
        model_init(&model, 4 * MIB);
        while (model.length < 3 * MIB) {
            CHECK(model_append(&model, 10001) == 0);
            /* A store leaves the heap when its block is full. The block may be longer
             * than needed. */
            bool may_be = has_spans && model.length + 1 >= GROWTH_SPAN_MIN;
            bool must_be = may_be && model.length > GROWTH_SPAN_MIN / 4 * 5 + 100;
            bool is = store_kind(&model.store) == STORE_SPAN;
            CHECK(is ? may_be : !must_be);
        }
        while (model.length > 5000) {
            CHECK(model_splice(&model, model.length / 3, model.length / 20, 0) == 0);
            bool in_heap = !has_spans || model.length < GROWTH_HEAP_AGAIN;
            CHECK(store_kind(&model.store) == (in_heap ? STORE_HEAP : STORE_SPAN));
        }
        model_free(&model);
        finish();
    }
}

/* Between the two thresholds a store stays in its span. */
static void
test_store_length_that_swings_does_not_copy(void)
{
    struct store store;
    begin(KERNEL_MAINLINE, ANY_RUNG);
    store_init(&store);
    append(&store, 300 * KIB);
    uint64_t copies = pool_stats().copies;
    for (int i = 0; i < 10; i++) {
        CHECK(store_splice(&store, 100 * KIB, 200 * KIB, 0) == 0);
        append(&store, 200 * KIB);
    }
    CHECK(pool_stats().copies == copies && store_kind(&store) == STORE_SPAN);
    store_free(&store);
    finish();
}

/* A store that had a span and was emptied takes a dirty span again, for its first 8
 * KiB. The pool keeps all pages of that span except those in use. If the store then
 * stays below GROWTH_SPAN_MIN and is emptied again, its next bytes are on the heap. */
static void
test_store_emptied_takes_a_dirty_span_again(void)
{
    struct store store, other;
    begin(KERNEL_MAINLINE, ANY_RUNG);
    size_t page = pages_facts.page_nbytes;
    store_init(&other);
    store_init(&store);
    append(&store, 200 * KIB);
    CHECK(store_splice(&store, 100 * KIB, 100 * KIB, 0) == 0);
    CHECK(store_splice(&store, 0, 93 * KIB, 0) == 0); /* now on the heap */
    CHECK(store_kind(&store) == STORE_HEAP);
    CHECK(store_splice(&store, 0, 7 * KIB, 0) == 0 && store.length == 0);
    size_t kept = pool_stats().nbytes;
    uint64_t copies = pool_stats().copies;
    append(&other, 8 * KIB);
    CHECK(store_kind(&other) == STORE_HEAP && pool_stats().nbytes == kept);
    for (int i = 0; i < 16; i++) {
        append(&store, 8 * KIB);
        size_t tail = pool_stats().nbytes;
        CHECK(store_kind(&store) == STORE_SPAN && store_nbytes(&store) + tail >= kept);
        CHECK(store_nbytes(&store) <= 2 * store.length + 3 * page);
        CHECK(i > 0 || store_nbytes(&store) <= 8 * KIB + GROWTH_FRONT + page);
        CHECK(resident(&store) <= store_nbytes(&store) + tail);
    }
    CHECK(pool_stats().copies == copies);
    for (int i = 0; i < 2; i++) { /* in between it is below GROWTH_SPAN_MIN */
        CHECK(store_splice(&store, 0, store.length, 0) == 0);
        append(&store, 8 * KIB);
        CHECK(store_kind(&store) == (i == 0 ? STORE_SPAN : STORE_HEAP));
    }
    store_free(&store);
    append(&store, 200 * KIB);
    CHECK(store_splice(&store, 0, store.length, 0) == 0 && pool_drain());
    append(&store, 8 * KIB);
    CHECK(store_kind(&store) == STORE_HEAP && pool_stats().nentries == 0);
    store_free(&store);
    store_free(&other);
    finish();
}

/* As in the test before, but the first bytes after the store was emptied are fewer than
 * GROWTH_HEAP_AGAIN. The store is emptied by store_splice() or by store_take(). */
static void
test_store_emptied_then_few_bytes_takes_a_dirty_span_again(void)
{
    for (int take = 0; take < 2; take++) {
        struct store store, taken;
        begin(KERNEL_MAINLINE, ANY_RUNG);
        store_init(&store);
        store_init(&taken);
        append(&store, 200 * KIB);
        if (take) {
            CHECK(store_take(&store, store.length, &taken) == 0);
            store_free(&taken);
        }
        else {
            CHECK(store_splice(&store, 0, store.length, 0) == 0);
        }
        CHECK(store_kind(&store) == STORE_EMPTY && pool_stats().nentries == 1);
        while (store.length < 6 * KIB) {
            append(&store, 1000);
            CHECK(store_kind(&store) == STORE_HEAP);
        }
        append(&store, 4 * KIB);
        CHECK(store_kind(&store) == STORE_SPAN);
        store_free(&store);
        finish();
    }
}

static void
test_store_small_has_a_block_of_its_length(void)
{
    struct store store;
    begin(KERNEL_MAINLINE, ANY_RUNG);
    store_init(&store);
    append(&store, 1000);
    CHECK(store_capacity(&store) == 1000 && store_nbytes(&store) == 1001);
    CHECK(kernel.calls[KERNEL_REALLOCATE] == 1);
    append(&store, 1);
    CHECK(store_capacity(&store) > 1001 + 1001 / 8);
    store_trim(&store);
    CHECK(store_capacity(&store) == 1001);
    store_free(&store);
    CHECK(kernel.nblocks == 0);
    finish();
}

/* On the heap rung a block has at most three times the bytes that are in use. */
static void
test_store_splice_on_the_heap_shrinks_the_block(void)
{
    struct model model;
    begin(KERNEL_NO_PAGES, ANY_RUNG);
    model_init(&model, 4 * MIB);
    CHECK(model_append(&model, 4 * MIB) == 0);
    while (model.length > 100) {
        CHECK(model_splice(&model, 0, model.length / 10, 0) == 0);
        CHECK(store_nbytes(&model.store) <= 3 * model.length + 3);
    }
    model_free(&model);
    finish();
}

/* ----------------------------------------------------------------- the headroom */

static void
test_store_splice_at_the_front_copies_nothing(void)
{
    struct store store;
    begin(KERNEL_MAINLINE, ANY_RUNG);
    store_init(&store);
    append(&store, 3 * MIB);
    uint64_t copies = pool_stats().copies;
    char *start = store.start;
    for (size_t at = 1; at <= 1 * MIB / 1000; at++) {
        CHECK(store_splice(&store, 0, 1000, 0) == 0);
        CHECK(store.start == start + at * 1000);
    }
    CHECK(pool_stats().copies == copies);
    CHECK(store_splice(&store, 0, 0, 5000) == 0);
    CHECK(store_free_headroom(&store) == MIB / 1000 * 1000 - 5000);
    CHECK_SOUND(store_check(&store));
    store_free(&store);
    finish();
}

static void
test_store_splice_moves_the_shorter_side(void)
{
    struct model model;
    begin(KERNEL_MAINLINE, ANY_RUNG);
    model_init(&model, 4 * MIB);
    CHECK(model_append(&model, MIB) == 0);
    CHECK(model_splice(&model, 1000, 500, 0) == 0 &&
          store_free_headroom(&model.store) == 500);
    CHECK(model_splice(&model, MIB - 2000, 500, 0) == 0 &&
          store_free_headroom(&model.store) == 500);
    CHECK(model_splice(&model, 2000, 0, 100) == 0 &&
          store_free_headroom(&model.store) == 400);
    CHECK(model_splice(&model, MIB - 2000, 0, 99) == 0 &&
          store_free_headroom(&model.store) == 400);
    CHECK(model_splice(&model, 10, 0, 401) == 0 &&
          store_free_headroom(&model.store) == 400);
    CHECK(model_splice(&model, 10, 1, 401) == 0 &&
          store_free_headroom(&model.store) == 0);
    model_free(&model);
    finish();
}

/* Slide a window: append a piece, and delete as many bytes from the front. The deleted
 * bytes become headroom, which never gets longer than the window. So at most one byte
 * is copied for each deleted byte. A span takes memory for two windows at most, and for
 * an eighth more that is prepared ahead. A heap block may be longer.
 *
 *   |<-- deleted -->|<-------- window -------->|     */
static void
slide_window(enum kernel_kind kind, size_t window, size_t piece)
{
    struct store store;
    begin(kind, ANY_RUNG);
    CASE("a kernel %s, %zu bytes of %zu", kernel_names[kind], piece, window);
    store_init(&store);
    append(&store, window);
    uint64_t copied = pool_stats().copied_nbytes;
    size_t deleted = 0, page = pages_facts.page_nbytes;
    size_t percent = store_kind(&store) == STORE_SPAN ? 215 : 260;
    size_t bound = (window + piece) / 100 * percent + page;
    while (deleted < 10 * window) {
        append(&store, piece);
        CHECK(store_nbytes(&store) <= bound);
        CHECK(store_splice(&store, 0, piece, 0) == 0);
        CHECK_SOUND(store_check(&store));
        deleted += piece;
        CHECK(store_nbytes(&store) <= bound);
        CHECK(store_kind(&store) == STORE_HEAP ||
              resident(&store) <= store_nbytes(&store) + page);
    }
    copied = pool_stats().copied_nbytes - copied;
    /* Copies within the heap are not counted. */
    CHECK(store_kind(&store) == STORE_SPAN ? copied <= deleted && copied > deleted / 2
                                           : copied == 0);
    store_free(&store);
    finish();
}

static void
test_store_window_slides_within_twice_its_length(void)
{
    for (int kind = 0; kind < KERNEL_KINDS; kind++) {
        slide_window(kind, 50 * KIB, 300);
        slide_window(kind, 700 * KIB, 3000);
        slide_window(kind, 3 * MIB, 64 * KIB);
        slide_window(kind, 4 * MIB, 1 * MIB);
    }
}

/* The headroom is as long as the bytes in use, so growing would move them to the
 * front. */
static void
test_store_append_within_tailroom_copies_nothing(void)
{
    struct store store;
    begin(KERNEL_MAINLINE, ANY_RUNG);
    store_init(&store);
    append(&store, 2 * MIB);
    CHECK(store_splice(&store, 0, MIB, 0) == 0);
    CHECK(store_free_headroom(&store) == MIB && store_tailroom(&store) > 100);
    char *start = store.start;
    append(&store, store_tailroom(&store));
    CHECK(store.start == start);
    store_free(&store);
    finish();
}

/* ----------------------------------------------------------------------- memory */

/* The memory that a shrunk store does not need becomes its tail, up to the limit of the
 * pool. The rest goes back to the system at once, and the tail with pool_drain(). */
static void
test_store_splice_shrinking_leaves_no_more_than_a_tail(void)
{
    const size_t limits[] = {0, MIB, POOL_NBYTES};
    for (int i = 0; i < 6 * KERNEL_NO_PAGES; i++) {
        struct store store;
        begin(i / 6, ANY_RUNG);
        pool_set_limit(limits[i % 3]);
        store_init(&store);
        append(&store, 20 * MIB);
        while (store.length > MIB / 2) {
            size_t at = i % 2 ? 0 : store.length - MIB / 2;
            CHECK(store_splice(&store, at, MIB / 2, 0) == 0);
            CHECK_SOUND(store_check(&store));
            size_t bound = growth_ahead(3 * store.length, store.length);
            bound += pages_facts.page_nbytes;
            CHECK(store_nbytes(&store) <= bound);
            CHECK(pool_stats().nbytes <= limits[i % 3]);
            CHECK(resident(&store) <= bound + pool_stats().nbytes);
        }
        (void)pool_drain();
        CHECK(resident(&store) <= 2 * MIB);
        CHECK_SOUND(store_check(&store));
        store_free(&store);
        finish();
    }
}

static void
test_store_trim_keeps_what_is_in_use(void)
{
    struct model model;
    begin(KERNEL_MAINLINE, ANY_RUNG);
    model_init(&model, 12 * MIB);
    CHECK(model_append(&model, 9 * MIB) == 0);
    CHECK(model_splice(&model, 0, 4 * MIB, 0) == 0);
    CHECK(model_splice(&model, 3 * MIB + 123, model.length - 3 * MIB - 123, 0) == 0);
    model_trim(&model);
    CHECK(store_free_headroom(&model.store) == 0 &&
          model.store.memory.length == 4 * MIB);
    CHECK(store_nbytes(&model.store) <= 3 * MIB + 2 * pages_facts.page_nbytes);
    model_trim(&model);
    /* With the GROWTH_FRONT bytes before them and the NUL, 4 MiB need a span of 6. */
    CHECK(model_splice(&model, 0, 0, 4 * MIB - model.length) == 0);
    model_trim(&model);
    CHECK(model.store.memory.length == 6 * MIB);
    CHECK(model_splice(&model, 0, GROWTH_FRONT + 1, 0) == 0);
    model_trim(&model);
    CHECK(model.store.memory.length == 4 * MIB);
    CHECK(model_splice(&model, 100, model.length - 200, 0) == 0);
    model_trim(&model);
    CHECK(store_kind(&model.store) == STORE_HEAP &&
          store_capacity(&model.store) == 200);
    model_free(&model);
    finish();
}

static void
test_store_reserve_takes_address_space_only(void)
{
    for (int kind = 0; kind < KERNEL_NO_PAGES; kind++) {
        struct model model;
        begin(kind, ANY_RUNG);
        model_init(&model, 12 * MIB);
        CHECK(store_reserve(&model.store, 10 * MIB) == 0);
        CHECK(resident(&model.store) <= pages_facts.page_nbytes);
        size_t maps = kernel.calls[KERNEL_MAP], moves = kernel.calls[KERNEL_REMAP];
        while (model.length < 10 * MIB) {
            CHECK(model_append(&model, 512 * KIB) == 0);
        }
        CHECK(kernel.calls[KERNEL_MAP] == maps && kernel.calls[KERNEL_REMAP] == moves);
        model_free(&model);
        finish();
    }
}

static void
test_store_reserve_of_little_is_on_the_heap(void)
{
    struct model model;
    begin(KERNEL_MAINLINE, ANY_RUNG);
    model_init(&model, 12 * MIB);
    CHECK(model_reserve(&model, 1000) == 0 && store_capacity(&model.store) == 1000);
    CHECK(model_append(&model, 900) == 0 && model_splice(&model, 0, 400, 0) == 0);
    CHECK(model_reserve(&model, 900) == 0 && store_free_headroom(&model.store) == 0);
    CHECK(model_reserve(&model, 300) == 0 && store_capacity(&model.store) >= 900);
    CHECK(model_reserve(&model, MIB) == 0 && store_kind(&model.store) == STORE_SPAN);
    model_clear(&model);
    CHECK(model_reserve(&model, MIB) == 0);
    model_trim(&model);
    CHECK(store_kind(&model.store) == STORE_EMPTY);
    model_free(&model);
    finish();
}

static void
test_store_append_makes_few_unused_pages_present(void)
{
    struct store store;
    begin(KERNEL_MAINLINE, ANY_RUNG);
    store_init(&store);
    while (store.length < 15 * MIB) {
        append(&store, 100 * KIB);
        size_t used = store.length + store.length / 8 + 64 * KIB;
        CHECK(store_kind(&store) == STORE_HEAP ||
              resident(&store) <= used + pages_facts.page_nbytes);
    }
    store_free(&store);
    finish();
}

/* -------------------------------------------------------------- zeros and reuse */

static void
test_store_append_zeros_on_fresh_pages_touches_none(void)
{
    for (int kind = 0; kind < KERNEL_NO_PAGES; kind++) {
        struct store store;
        begin(kind, ANY_RUNG);
        store_init(&store);
        CHECK(store_append_zeros(&store, 11 * MIB) == 0);
        CHECK(resident(&store) <= 2 * pages_facts.page_nbytes);
        CHECK(is_zero(store.start, store.length + 1));
        store_free(&store);
        finish();
    }
}

/* Below 32 MiB dirty memory is cleared, which is faster than page faults. For 32 MiB
 * and more, fresh pages are taken, of which only the written ones take memory. */
static void
test_store_append_zeros_takes_dirty_pages_below_32_mib(void)
{
    const size_t first = GROWTH_FRESH_ZEROS_MIN - GROWTH_FRONT - 1;
    const size_t nbytes[] = {first - 1, first};
    for (int i = 0; i < 2 * KERNEL_NO_PAGES; i++) {
        struct store store;
        begin(i / 2, ANY_RUNG);
        CASE("a kernel %s, %zu bytes", kernel_names[i / 2], nbytes[i % 2]);
        store_init(&store);
        append(&store, 40 * MIB);
        char *dirty = store.memory.address;
        store_free(&store);
        size_t calls = kernel.ncalls;
        CHECK(store_append_zeros(&store, nbytes[i % 2]) == 0);
        CHECK((store.memory.address == dirty) == (i % 2 == 0));
        CHECK((kernel.ncalls == calls) == (i % 2 == 0));
        CHECK(resident(&store) <= 2 * pages_facts.page_nbytes || i % 2 == 0);
        CHECK(is_zero(store.start, store.length + 1));
        CHECK_SOUND(store_check(&store));
        store_free(&store);
        finish();
    }
}

static void
test_store_append_zeros_on_used_memory_are_zero(void)
{
    for (int kind = 0; kind < KERNEL_KINDS; kind++) {
        struct model model;
        begin(kind, ANY_RUNG);
        model_init(&model, 8 * MIB);
        CHECK(model_append(&model, 3 * MIB) == 0);
        model_scribble(&model);
        model_clear(&model); /* the dirty span goes to the pool */
        CHECK(model_append_zeros(&model, MIB) == 0);
        model_clear(&model);
        CHECK(model_append(&model, 300 * KIB) == 0); /* takes the dirty span */
        model_scribble(&model);
        CHECK(model_append_zeros(&model, MIB) == 0);
        CHECK(model_append_zeros(&model, 5 * MIB) == 0);
        CHECK(model_splice(&model, 100 * KIB, 6 * MIB, 0) == 0);
        CHECK(model_append_zeros(&model, MIB) == 0);
        model_free(&model);
        finish();
    }
}

/* Append zeros over a tail: kept or evicted, whole or with a part taken back, in memory
 * that is locked or not. */
static void
test_store_append_zeros_over_a_tail_shows_no_old_byte(void)
{
    for (int i = 0; i < 8 * KERNEL_NO_PAGES; i++) {
        struct model model;
        bool limited = i % 2, part = i / 2 % 2, evicted = i / 4 % 2;
        for (int locked = 0; locked < 2; locked++) {
            begin(i / 8, ANY_RUNG);
            CASE("a kernel %s, limited %d, part %d, evicted %d, locked %d",
                 kernel_names[i / 8], limited, part, evicted, locked);
            kernel.locked = locked;
            model_init(&model, 20 * MIB);
            CHECK(!limited || model_limit(&model, 12 * MIB + 5) == 0);
            CHECK(model_append(&model, 9 * MIB) == 0);
            model_scribble(&model);
            CHECK(model_splice(&model, MIB, 8 * MIB, 0) == 0);
            CHECK(pool_tail(&model.store.memory).length > 7 * MIB);
            if (part) {
                CHECK(model_append(&model, 700 * KIB) == 0);
                model_scribble(&model);
            }
            if (evicted) {
                pool_set_limit(0);
            }
            CHECK(model_append_zeros(&model, 100) == 0);
            CHECK(model_append_zeros(&model, 3 * MIB + 77) == 0);
            CHECK(model_append_zeros(&model, 7 * MIB) == 0);
            model_free(&model);
            finish();
        }
    }
}

static void
test_store_built_again_makes_no_call(void)
{
    struct store store;
    begin(KERNEL_MAINLINE, ANY_RUNG);
    store_init(&store);
    append(&store, 3 * MIB);
    size_t dirty_end = store.memory.dirty_end;
    store_free(&store);
    CHECK(pool_stats().nbytes == dirty_end);
    size_t calls = kernel.ncalls;
    append(&store, 2 * MIB);
    CHECK(kernel.ncalls == calls && store.memory.has_tail);
    append(&store, MIB);
    CHECK(kernel.ncalls == calls);
    store_free(&store);
    CHECK(pool_stats().nbytes - dirty_end <= pages_facts.page_nbytes);
    CHECK(pool_stats().nentries == 1);
    finish();
}

/* A small store is in a span of 2 MiB. When that is full, its bytes are copied once to
 * the dirty span. */
static void
test_store_grown_again_makes_no_call_from_2_mib_on(void)
{
    for (int kind = 0; kind < KERNEL_NO_PAGES; kind++) {
        struct model model;
        begin(kind, ANY_RUNG);
        model_init(&model, 13 * MIB);
        CHECK(model_append(&model, 12 * MIB) == 0);
        model_clear(&model);
        while (model.length < 2 * MIB - 60000) {
            CHECK(model_append(&model, 60000) == 0);
        }
        CHECK(model.store.memory.length == 2 * MIB && pool_stats().nbytes >= 12 * MIB);
        struct pool_stats before = pool_stats();
        size_t calls = kernel.ncalls;
        while (model.length + 60000 <= 12 * MIB) {
            CHECK(model_append(&model, 60000) == 0);
        }
        CHECK(kernel.ncalls == calls);
        CHECK(pool_stats().copies == before.copies + 1);
        CHECK(pool_stats().copied_nbytes - before.copied_nbytes <= 2 * MIB);
        CHECK(pool_stats().moves == before.moves);
        model_free(&model);
        finish();
    }
}

/* The resident memory of all stores, in bytes. */
static size_t
all_resident(const struct store *stores, size_t nstores)
{
    size_t nbytes = 0;
    for (size_t i = 0; i < nstores; i++) {
        nbytes += resident(&stores[i]);
    }
    return nbytes;
}

/* Make a store of `nbytes` bytes. If `how` is 0, reserve no capacity. If it is 1,
 * reserve 7 MiB before the bytes are appended. If it is 2, append the bytes, and then
 * reserve first 3 MiB and then 5 MiB. */
static void
make_small(struct store *store, size_t nbytes, int how)
{
    const size_t before[] = {0, 7 * MIB, 0}, then[] = {0, 7 * MIB, 3 * MIB};
    store_init(store);
    CHECK(store_reserve(store, before[how]) == 0);
    append(store, nbytes);
    CHECK(store_reserve(store, then[how]) == 0);
    CHECK(how != 2 || store_reserve(store, 5 * MIB) == 0);
}

/* Fill the pool and make a small store, many times. The small stores are kept. */
static void
hold_small_stores(enum kernel_kind kind, int how, size_t nbytes)
{
    enum { NSMALL = 40, LIMIT = 8 << 20 };
    struct store stores[NSMALL], large;
    begin(kind, ANY_RUNG);
    CASE("a kernel %s, way %d, %zu bytes", kernel_names[kind], how, nbytes);
    pool_set_limit(LIMIT);
    store_init(&large);
    for (size_t i = 0; i < NSMALL; i++) {
        append(&large, LIMIT);
        store_free(&large);
        make_small(&stores[i], nbytes, how);
        size_t used = (i + 1) * (3 * nbytes + nbytes / 8 + 64 * KIB + 8 * KIB);
        CHECK(all_resident(stores, i + 1) <= LIMIT + used);
        check_state();
    }
    (void)pool_drain();
    size_t used = NSMALL * (3 * nbytes + nbytes / 8 + 64 * KIB + 8 * KIB);
    CHECK(all_resident(stores, NSMALL) <= used);
    for (size_t i = 0; i < NSMALL; i++) {
        store_free(&stores[i]);
    }
    CHECK(pool_stats().nbytes <= LIMIT);
    finish();
}

/* The pool counts the memory that small stores do not use, and can give it back. */
static void
test_store_many_small_hold_no_more_than_the_pool_limit(void)
{
    for (int i = 0; i < 3 * KERNEL_NO_PAGES; i++) {
        hold_small_stores(i / 3, i % 3, 100 * KIB);
        hold_small_stores(i / 3, i % 3, 1100 * KIB);
    }
}

/* --------------------------------------------------------------------- huge pages */

/* A store of 4 MiB or more requests huge pages for its whole span, so that one call can
 * still move the span. */
static void
test_store_asks_for_huge_pages_from_4_mib(void)
{
    begin(KERNEL_MAINLINE, ANY_RUNG);
    struct store store;
    store_init(&store);
    append(&store, 4 * MIB - GROWTH_FRONT - 1);
    CHECK(!store.memory.huge);
    append(&store, GROWTH_FRONT + 1);
    CHECK(store.memory.huge);
    append(&store, 12 * MIB);
    uint64_t copies = pool_stats().copies, moves = pool_stats().moves;
    CHECK(store_reserve(&store, 100 * MIB) == 0);
    CHECK(pool_stats().copies == copies && pool_stats().moves == moves + 1);
    CHECK(store.memory.huge && store.length == 16 * MIB && store.start[99] == 'x');
    store_free(&store);
    CHECK(store_append_zeros(&store, 16 * MIB) == 0 && store.memory.huge);
    store_free(&store);
    finish();
}

static void
test_store_asks_for_huge_pages_for_bytes_and_zeros_together(void)
{
    begin(KERNEL_MAINLINE, ANY_RUNG);
    struct store store;
    store_init(&store);
    append(&store, 3 * MIB);
    CHECK(!store.memory.huge);
    CHECK(store_append_zeros(&store, 2 * MIB) == 0 && store.memory.huge);
    store_free(&store);
    finish();
}

/* A store that leaves huge pages may get a dirty span. It then gives the pages that it
 * does not use to the pool. */
static void
test_store_leaving_huge_pages_for_a_dirty_span_keeps_no_more_than_its_length(void)
{
    struct store store, other;
    begin(KERNEL_MAINLINE, ANY_RUNG);
    store_init(&store);
    store_init(&other);
    append(&store, 8 * MIB);
    append(&other, 100 * KIB);
    store_free(&other);
    CHECK(store.memory.huge);
    CHECK(store_splice(&store, 40000, store.length - 40000, 0) == 0);
    CHECK(store_kind(&store) == STORE_SPAN && !store.memory.huge);
    CHECK(store_nbytes(&store) <= GROWTH_FRONT + 40000 + pages_facts.page_nbytes);
    CHECK_SOUND(store_check(&store));
    store_free(&store);
    finish();
}

static void
test_store_large_without_huge_pages_populates(void)
{
    begin(KERNEL_MAINLINE, ANY_RUNG);
    pages_facts.huge = PAGES_HUGE_NEVER;
    struct store store;
    store_init(&store);
    append(&store, 17 * MIB); /* prepares nothing ahead: it may never grow again */
    CHECK(!store.memory.huge);
    CHECK(store.memory.dirty_end == 17 * MIB + pages_facts.page_nbytes - 1);
    CHECK(resident(&store) >= store.memory.dirty_end); /* also the unwritten bytes */
    append(&store, MIB);
    size_t end = growth_ahead(GROWTH_FRONT + 18 * MIB, 18 * MIB);
    CHECK(!store.memory.huge && store.memory.dirty_end == end);
    CHECK(resident(&store) >= store.memory.dirty_end);
    CHECK(kernel_is_advised(store.memory.address, store.memory.length,
                            KERNEL_HUGE_UNSAID));
    store_free(&store);
    finish();
}

/* Below 4 MiB the unused rest of the last huge page would be a large part of a
 * store. */
static void
test_store_small_asks_for_small_pages_where_huge_come_unasked(void)
{
    for (int kind = 0; kind < KERNEL_WHOLE; kind++) {
        begin(kind, ANY_RUNG);
        pages_facts.huge = PAGES_HUGE_ALWAYS;
        struct store store;
        store_init(&store);
        for (size_t length = MIB; length <= 20 * MIB; length += MIB) {
            append(&store, MIB);
            const struct span *span = &store.memory;
            bool huge = length >= GROWTH_HUGE_MIN;
            CHECK(span->huge == huge);
            CHECK(kernel_is_advised(span->address, span->length,
                                    huge ? KERNEL_HUGE_ASKED : KERNEL_HUGE_REFUSED));
        }
        store_free(&store);
        CHECK(pool_drain() && store_append_zeros(&store, 2 * MIB) == 0);
        CHECK(kernel_is_advised(store.memory.address, store.memory.length,
                                KERNEL_HUGE_REFUSED));
        store_free(&store);
        finish();
    }
}

/* Memory of the pool may turn into zeros. That does not matter to its next owner. */
static void
test_store_on_offered_memory_keeps_its_bytes(void)
{
    for (int kind = 0; kind < KERNEL_NO_PAGES; kind++) {
        struct model large, small;
        begin(kind, ANY_RUNG);
        kernel.pressed = true;
        model_init(&large, 24 * MIB);
        model_init(&small, 24 * MIB);
        CHECK(model_append(&large, 20 * MIB) == 0);
        model_scribble(&large);
        model_clear(&large);
        CHECK((kernel.noffers > 0) == (kind != KERNEL_OLD && kind != KERNEL_WHOLE));
        CHECK(model_append(&small, 1 * MIB) == 0);
        CHECK(model_append(&large, 15 * MIB) == 0);
        CHECK(model_append(&large, 5 * MIB) == 0);
        CHECK(model_append_zeros(&large, 1 * MIB) == 0);
        CHECK(model_append_zeros(&small, 1 * MIB) == 0);
        model_clear(&large);
        CHECK(model_append(&small, 20 * MIB) == 0);
        CHECK(model_splice(&small, 0, 19 * MIB, 0) == 0);
        model_free(&small);
        model_free(&large);
        finish();
    }
}

/* ---------------------------------------------------------------------------- other */

static void
test_store_lengths_past_the_maximum_are_refused(void)
{
    for (int kind = 0; kind < KERNEL_KINDS; kind++) {
        const size_t lengths[] = {100, 300 * KIB};
        for (int i = 0; i < 2; i++) {
            begin(kind, ANY_RUNG);
            struct store store;
            store_init(&store);
            append(&store, lengths[i]);
            for (size_t less = 0; less < 10; less++) {
                size_t largest = SIZE_MAX / 2 - less;
                CHECK(store_splice(&store, 5, 0, largest) == ENOMEM);
                CHECK(store_splice(&store, 0, 5, SIZE_MAX - less) == ENOMEM);
                CHECK(store_append_zeros(&store, largest) == ENOMEM);
                CHECK(store_append_zeros(&store, SIZE_MAX - less) == ENOMEM);
                CHECK(store_reserve(&store, largest) == ENOMEM);
                CHECK(store_reserve(&store, SIZE_MAX - less) == ENOMEM);
            }
            CHECK(store.length == lengths[i] && store.start[lengths[i] - 1] == 'x');
            CHECK_SOUND(store_check(&store));
            store_free(&store);
            finish();
        }
    }
}

/*   block   |<- 100 ->|<-- in use -->|NUL    | */
static void
test_store_adopt_takes_over_a_heap_block(void)
{
    struct store store;
    begin(KERNEL_MAINLINE, ANY_RUNG);
    store_init(&store);
    char *block = store_heap.reallocate(NULL, 1000);
    fill(block + 100, 500, 1);
    block[600] = 0;
    store_adopt(&store, block, 1000, block + 100, 500);
    CHECK_SOUND(store_check(&store));
    CHECK(store.start == block + 100 && store_headroom(&store) == 100);
    CHECK(store_tailroom(&store) == 399 && store_capacity(&store) == 899);
    append(&store, 399);
    CHECK(store.start == block + 100);
    append(&store, MIB);
    CHECK(is_filled(store.start, 500, 1) && kernel.nblocks == 0);
    store_free(&store);
    finish();
}

static void
test_store_repeat_fills_all_of_it(void)
{
    char bytes[1000];
    for (size_t unit = 1; unit < 40; unit++) {
        for (size_t nbytes = unit; nbytes < 130; nbytes++) {
            memset(bytes, 'x', sizeof bytes);
            fill(bytes, unit, unit);
            store_repeat(bytes, unit, nbytes);
            bool same = memcmp(bytes, bytes + unit, nbytes - unit) == 0;
            CHECK(same && is_filled(bytes, unit, unit) && bytes[nbytes] == 'x');
        }
    }
}

static void
test_store_check_reports_each_fault(void)
{
    struct store store, broken;
    begin(KERNEL_MAINLINE, ANY_RUNG);
    store_init(&store);
    broken = store;
    broken.length = 1;
    CHECK(store_check(&broken) != NULL);
    append(&store, MIB);
    CHECK_SOUND(store_check(&store));
    broken = store;
    broken.start--;
    CHECK(store_check(&broken) != NULL);
    broken = store;
    broken.memory.dirty_end = broken.memory.length;
    CHECK(store_check(&broken) != NULL);
    broken = store;
    broken.memory.dirty_end = broken.length - 1;
    CHECK(store_check(&broken) != NULL);
    store.start[MIB] = 'x';
    CHECK(store_check(&store) != NULL);
    store.start[MIB] = 0;
    broken = store;
    broken.memory.length++;
    CHECK(store_check(&broken) != NULL);
    store_free(&store);
    finish();
}

/* ------------------------------------------------------------------ random work */

enum { NSTORES = 4, MOST = 40 << 20 };

/* For some time a store grows or shrinks towards one of these lengths, which are near
 * all thresholds. */
static const size_t aims[] = {
    0,         10,         1000,    20 * 1024,     40 * 1024, 70 * 1024,
    80 * 1024, 270 * 1024, 1 << 20, (2 << 20) - 1, 3 << 20,   5 << 20,
};

/* These are rare, because each action on so long a store takes long. */
static const size_t large_aims[] = {15 << 20, (16 << 20) + 1, 24 << 20};

static size_t
below(uint64_t *state, size_t limit)
{
    return limit == 0 ? 0 : next_random(state) % limit;
}

static size_t
choose_aim(uint64_t *state)
{
    return below(state, 12) == 0 ? large_aims[below(state, 3)]
                                 : aims[below(state, sizeof aims / sizeof *aims)];
}

/* Return how many bytes to append: at most half of the distance to the aim and 10 more.
 * One time in four, at most 100. */
static size_t
choose_nbytes(uint64_t *state, const struct model *model, size_t aim)
{
    size_t distance = aim > model->length ? aim - model->length : 0;
    size_t most = below(state, 4) == 0 ? 100 : distance / 2 + 10;
    return below(state, most);
}

static int
random_splice(uint64_t *state, struct model *model, size_t aim)
{
    size_t ends[] = {0, below(state, model->length + 1), model->length};
    size_t at = ends[below(state, 3)], removed = 0, inserted = 0;
    if (model->length < aim) {
        inserted = choose_nbytes(state, model, aim);
    }
    if (model->length > aim || below(state, 4) == 0) {
        removed = below(state, (model->length - at) / (1 + below(state, 8)) + 1);
    }
    return model_splice(model, at, removed, inserted);
}

static int
random_action(uint64_t *state, struct model *model, size_t aim)
{
    switch (below(state, 24)) {
    case 0:
        return model_trim(model);
    case 1:
        return model_reserve(model, below(state, 2 * aim + 100));
    case 2:
    case 3:
        return model_append_zeros(model, choose_nbytes(state, model, aim));
    case 4:
        return model_scribble(model);
    case 5:
        return below(state, 4) == 0 ? model_clear(model) : 0;
    case 6:
    case 7:
        return model_commit(model, below(state, 100000));
    case 8:
    case 9:
    case 10:
    case 11:
        return model_append(model, choose_nbytes(state, model, aim));
    default:
        return random_splice(state, model, aim);
    }
}

/* Empty a store and perhaps give it a limit. */
static int
random_begin(uint64_t *state, struct model *model)
{
    model_clear(model);
    if (below(state, 2) == 0) {
        return 0;
    }
    int error = model_limit(model, below(state, choose_aim(state) + 2));
    return error == ENOTSUP && pages_facts.rung == PAGES_HEAP ? 0 : error;
}

/* Empty `taken` and move the first bytes of a store to it, if that is possible. */
static int
random_take(uint64_t *state, struct model *model, struct model *taken)
{
    size_t ends[] = {0, below(state, model->length + 1), model->length};
    size_t nbytes = ends[below(state, 3)];
    model_clear(taken);
    bool can = model_can_take(model, nbytes);
    int error = model_take(model, nbytes, taken);
    return can ? error : 0;
}

/* Let time pass, change whether memory is short or locked, and perhaps change the limit
 * of the pool. Return that limit. */
static size_t
random_conditions(uint64_t *state, size_t pool_limit)
{
    const size_t limits[] = {0, MIB + 5000, 5 * MIB, 20 * MIB, POOL_NBYTES};
    kernel.now_ms += below(state, 4) == 0 ? below(state, 2 * POOL_IDLE_MS) : 1;
    kernel.pressed = below(state, 2);
    kernel.locked = below(state, 8) == 0;
    if (below(state, 30) == 0) {
        pool_limit = limits[below(state, sizeof limits / sizeof *limits)];
        pool_set_limit(pool_limit);
    }
    return pool_limit;
}

/* Do a random action. If the kernel is faulty, one of its next calls may fail, or all
 * from that one on. The action may fail only if a call did, or if the store
 * would grow past its limit. */
static void
random_work(uint64_t *state, struct model *model, size_t aim, bool faulty)
{
    size_t nfailed = kernel.nfailed;
    if (faulty && below(state, 4) == 0) {
        size_t nth = 1 + below(state, 6);
        (below(state, 2) ? kernel_fail : kernel_fail_from)(nth, ENOMEM);
    }
    int error = random_action(state, model, aim);
    kernel_heal();
    CHECK(error == 0 || error == EFBIG ||
          (error == ENOMEM && kernel.nfailed > nfailed));
}

static void
work_at_random(enum kernel_kind kind, enum pages_rung highest, uint64_t *state)
{
    struct model models[NSTORES];
    size_t aims_now[NSTORES] = {0}, pool_limit = POOL_NBYTES;
    begin(kind, highest);
    bool faulty = below(state, 2);
    kernel.bottom_up = below(state, 2);
    kernel.unaligned = below(state, 2) ? SIZE_MAX : 0;
    pages_facts.huge = (int)below(state, PAGES_NHUGE);
    for (int i = 0; i < NSTORES; i++) {
        model_init(&models[i], MOST);
    }
    for (int i = 0; i < 500; i++) {
        size_t which = below(state, NSTORES);
        CASE("seed %" PRIu64 ", a kernel %s, highest rung %s, faulty %d, action %d on "
             "store %zu",
             seed, kernel_names[kind], pages_rung_names[highest], faulty, i, which);
        if (i % 40 == 0) {
            aims_now[which] = choose_aim(state);
        }
        pool_limit = random_conditions(state, pool_limit);
        random_work(state, &models[which], aims_now[which], faulty);
        if (below(state, 25) == 0) {
            struct model *other =
                &models[(which + 1 + below(state, NSTORES - 1)) % NSTORES];
            CHECK(random_take(state, &models[which], other) == 0);
        }
        if (below(state, 40) == 0) {
            CHECK(random_begin(state, &models[which]) == 0);
        }
        CHECK(pool_stats().nbytes <= pool_limit);
    }
    for (int i = 0; i < NSTORES; i++) {
        model_check(&models[i]);
        model_free(&models[i]);
    }
    finish();
    CHECK(faulty || kernel.nlost == 0);
}

static void
test_store_random_work_keeps_every_byte(void)
{
    uint64_t state = seed;
    for (int kind = 0; kind < KERNEL_KINDS; kind++) {
        work_at_random(kind, ANY_RUNG, &state);
        work_at_random(kind, PAGES_DONTUNMAP, &state);
    }
    work_at_random(KERNEL_MAINLINE, PAGES_MAYMOVE, &state);
    work_at_random(KERNEL_MAINLINE, PAGES_COPY, &state);
    work_at_random(KERNEL_MAINLINE, PAGES_HEAP, &state);
}

/* Return the first argument, or a number from the clock. The seed must not be zero,
 * because xorshift would return only zeros. */
static uint64_t
choose_seed(int argc, char **argv)
{
    if (argc > 1) {
        return strtoull(argv[1], NULL, 10) | 1;
    }
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    return ((uint64_t)now.tv_nsec << 20 ^ (uint64_t)now.tv_sec ^ (uint64_t)getpid()) |
           1;
}

int
main(int argc, char **argv)
{
    seed = choose_seed(argc, argv);
    printf("seed %" PRIu64 "\n", seed);
    fflush(stdout);
    RUN(test_store_empty_owns_nothing);
    RUN(test_store_grown_and_shrunk_leaves_the_heap_and_returns);
    RUN(test_store_length_that_swings_does_not_copy);
    RUN(test_store_emptied_takes_a_dirty_span_again);
    RUN(test_store_emptied_then_few_bytes_takes_a_dirty_span_again);
    RUN(test_store_small_has_a_block_of_its_length);
    RUN(test_store_splice_on_the_heap_shrinks_the_block);
    RUN(test_store_splice_at_the_front_copies_nothing);
    RUN(test_store_splice_moves_the_shorter_side);
    RUN(test_store_window_slides_within_twice_its_length);
    RUN(test_store_append_within_tailroom_copies_nothing);
    RUN(test_store_splice_shrinking_leaves_no_more_than_a_tail);
    RUN(test_store_trim_keeps_what_is_in_use);
    RUN(test_store_reserve_takes_address_space_only);
    RUN(test_store_reserve_of_little_is_on_the_heap);
    RUN(test_store_append_makes_few_unused_pages_present);
    RUN(test_store_append_zeros_on_fresh_pages_touches_none);
    RUN(test_store_append_zeros_takes_dirty_pages_below_32_mib);
    RUN(test_store_append_zeros_on_used_memory_are_zero);
    RUN(test_store_append_zeros_over_a_tail_shows_no_old_byte);
    RUN(test_store_built_again_makes_no_call);
    RUN(test_store_grown_again_makes_no_call_from_2_mib_on);
    RUN(test_store_many_small_hold_no_more_than_the_pool_limit);
    RUN(test_store_asks_for_huge_pages_from_4_mib);
    RUN(test_store_asks_for_huge_pages_for_bytes_and_zeros_together);
    RUN(test_store_leaving_huge_pages_for_a_dirty_span_keeps_no_more_than_its_length);
    RUN(test_store_large_without_huge_pages_populates);
    RUN(test_store_small_asks_for_small_pages_where_huge_come_unasked);
    RUN(test_store_on_offered_memory_keeps_its_bytes);
    RUN(test_store_lengths_past_the_maximum_are_refused);
    RUN(test_store_adopt_takes_over_a_heap_block);
    RUN(test_store_repeat_fills_all_of_it);
    RUN(test_store_check_reports_each_fault);
    RUN(test_store_random_work_keeps_every_byte);
    return check_done();
}
