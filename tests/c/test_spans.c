/* Spans taken, given back and moved on each kernel, and the bounds of the pool. */
#include <errno.h>

#include "fixture.h"

/* Take a span and write to the first `nbytes`. */
static struct span
take(size_t needed, size_t nbytes, uint64_t seed)
{
    struct span span;
    CHECK(spans_take(needed, false, &span) == 0);
    fill(span.address, nbytes, seed);
    span.ready = span.ready > nbytes ? span.ready : nbytes;
    check_state();
    return span;
}

static void
give(struct span *span)
{
    spans_give(span);
    CHECK(span->address == NULL && span->length == 0);
    check_state();
}

static void
check_span(const struct span *span, size_t length)
{
    CHECK(span->length == length);
    CHECK(kernel_is_mapped(span->address, length));
    CHECK(span->ready < length);
    CHECK(is_zero(span->address + span->ready, length - span->ready));
    check_state();
}

/* ---------------------------------------------------------------- take and give */

static void
test_a_span_taken_is_zero_and_aligned(void)
{
    for (int kind = 0; kind < KERNEL_NO_PAGES; kind++) {
        begin(kind, ANY_RUNG);
        const size_t needs[] = {1, 2 * MIB, 2 * MIB + 1, 5 * MIB};
        struct span spans[4];
        for (int i = 0; i < 4; i++) {
            CHECK(spans_take(needs[i], i % 2, &spans[i]) == 0);
            CHECK((uintptr_t)spans[i].address % GROWTH_QUANTUM == 0);
            CHECK(spans[i].ready == 0 && !spans[i].huge);
            check_span(&spans[i], growth_span(needs[i], 0));
            CHECK(spans_stats().live == (uint64_t)i + 1);
        }
        for (int i = 0; i < 4; i++) {
            give(&spans[i]);
        }
        finish();
    }
}

static void
test_a_span_that_cannot_be_had_is_an_error(void)
{
    struct span span;
    begin(KERNEL_NO_PAGES, ANY_RUNG);
    CHECK(spans_take(1, false, &span) == ENOSYS);
    begin(KERNEL_MAINLINE, ANY_RUNG);
    kernel.most_nbytes = 3 * MIB;
    CHECK(spans_take(4 * MIB, false, &span) == ENOMEM);
    CHECK(spans_take(SIZE_MAX, false, &span) == ENOMEM);
    CHECK(spans_take(SIZE_MAX / 2, true, &span) == ENOMEM);
    finish();
}

static void
test_a_warm_span_comes_back_with_its_bytes_ready(void)
{
    begin(KERNEL_MAINLINE, ANY_RUNG);
    struct span cool = take(2 * MIB, 100, 1), warm = take(4 * MIB, 3 * MIB, 2);
    char *warmest = warm.address;
    give(&warm);
    give(&cool);
    CHECK(spans_stats().retained_nbytes == 3 * MIB + 100);
    size_t calls = kernel.ncalls;
    struct span span;
    CHECK(spans_take(1 * MIB, false, &span) == 0);
    CHECK(span.address == warmest && span.ready == 3 * MIB && kernel.ncalls == calls);
    check_span(&span, 4 * MIB);
    CHECK(spans_stats().retained == 1 && spans_stats().retained_nbytes == 100);
    give(&span);
    finish();
}

static void
test_a_warm_span_that_is_too_short_stays(void)
{
    begin(KERNEL_MAINLINE, ANY_RUNG);
    struct span warm = take(2 * MIB, MIB, 1);
    give(&warm);
    struct span span = take(2 * MIB + 1, 0, 0);
    CHECK(spans_stats().retained == 1 && span.ready == 0);
    give(&span);
    finish();
}

static void
test_zeros_never_come_from_a_warm_span(void)
{
    begin(KERNEL_MAINLINE, ANY_RUNG);
    struct span warm = take(2 * MIB, 2 * MIB - 1, 1), zeros;
    char *dirty = warm.address;
    give(&warm);
    CHECK(spans_take(2 * MIB, true, &zeros) == 0);
    CHECK(zeros.address != dirty && zeros.ready == 0);
    check_span(&zeros, 2 * MIB);
    give(&zeros);
    finish();
}

/* A cold span is as good as a new one, of its own length only. */
static void
test_a_cold_span_is_taken_again(void)
{
    begin(KERNEL_MAINLINE, ANY_RUNG);
    struct span cold = take(4 * MIB, 0, 0), span;
    char *address = cold.address;
    give(&cold);
    CHECK(spans_stats().retained == 1 && spans_stats().retained_nbytes == 0);
    span = take(2 * MIB, 0, 0);
    CHECK(span.address != address);
    give(&span);
    CHECK(spans_take(3 * MIB, true, &span) == 0 && span.address == address);
    give(&span);
    finish();
}

/* One with huge pages asked for costs 2 MiB at the first byte. */
static void
test_a_cold_huge_span_is_not_for_small_stores(void)
{
    begin(KERNEL_MAINLINE, ANY_RUNG);
    struct span small = take(2 * MIB, 0, 0), large = take(16 * MIB, 0, 0), span;
    small.huge = large.huge = true;
    char *large_address = large.address, *small_address = small.address;
    give(&small);
    give(&large);
    CHECK(spans_take(2 * MIB, true, &span) == 0 && span.address != small_address);
    give(&span);
    CHECK(spans_take(16 * MIB, true, &span) == 0 && span.address == large_address);
    give(&span);
    finish();
}

/* --------------------------------------------------------------------- the pool */

static void
test_the_pool_holds_so_many_spans_at_most(void)
{
    begin(KERNEL_MAINLINE, ANY_RUNG);
    enum { MORE = SPANS_POOL_SLOTS + 10 };
    struct span spans[MORE];
    for (int i = 0; i < MORE; i++) {
        spans[i] = take(2 * MIB, 1, 1);
    }
    const char *oldest = spans[0].address, *kept = spans[10].address;
    for (int i = 0; i < MORE; i++) {
        give(&spans[i]);
        CHECK(spans_stats().retained <= SPANS_POOL_SLOTS);
    }
    CHECK(spans_stats().retained == SPANS_POOL_SLOTS);
    CHECK(kernel.nbytes == SPANS_POOL_SLOTS * 2 * MIB);
    CHECK(!kernel_is_mapped(oldest, 2 * MIB) && kernel_is_mapped(kept, 2 * MIB));
    finish();
}

static void
test_the_pool_holds_so_many_bytes_at_most(void)
{
    begin(KERNEL_MAINLINE, ANY_RUNG);
    struct span spans[10];
    for (int i = 0; i < 10; i++) {
        spans[i] = take(10 * MIB, 1, 1);
        spans[i].ready = 9 * MIB + 1;
    }
    for (int i = 0; i < 10; i++) {
        give(&spans[i]);
        CHECK(spans_stats().retained_nbytes <= SPANS_POOL_NBYTES);
    }
    CHECK(spans_stats().retained == 7);
    CHECK(spans_stats().retained_nbytes == 7 * (9 * MIB + 1));
    finish();
}

static void
test_of_a_span_over_the_budget_the_front_is_kept(void)
{
    begin(KERNEL_MAINLINE, ANY_RUNG);
    struct span large = take(100 * MIB, 1, 1), other = take(2 * MIB, 2, 1);
    large.ready = 70 * MIB;
    char *address = large.address;
    give(&other);
    give(&large);
    CHECK(spans_stats().retained == 1 && spans_stats().live == 0);
    CHECK(spans_stats().retained_nbytes <= SPANS_POOL_NBYTES);
    CHECK(kernel_is_mapped(address, SPANS_POOL_NBYTES));
    CHECK(kernel.nbytes == SPANS_POOL_NBYTES);
    struct span span = take(60 * MIB, 0, 0);
    CHECK(span.address == address && span.ready == SPANS_POOL_NBYTES - 1);
    CHECK(span.address[span.ready] == 0);
    give(&span);
    finish();
}

static void
test_the_check_sees_what_is_wrong(void)
{
    begin(KERNEL_MAINLINE, ANY_RUNG);
    struct span span = take(2 * MIB, 0, 0);
    span.length -= pages_facts.page_nbytes;
    spans_give(&span);
    CHECK(spans_check() != NULL);
    spans_trim();
    CHECK_SOUND(spans_check());
    span = take(2 * MIB, 0, 0);
    span.ready = span.length;
    spans_give(&span);
    CHECK(spans_check() != NULL);
    spans_trim();
    CHECK_SOUND(spans_check());
}

static void
test_trim_gives_everything_back(void)
{
    for (int kind = 0; kind < KERNEL_NO_PAGES; kind++) {
        begin(kind, ANY_RUNG);
        struct span live = take(2 * MIB, MIB, 1), warm = take(4 * MIB, MIB, 2);
        struct span cold = take(6 * MIB, 0, 0);
        give(&warm);
        give(&cold);
        CHECK(kernel.nmappings == 3 && spans_stats().retained == 2);
        spans_trim();
        CHECK(spans_stats().retained == 0 && spans_stats().retained_nbytes == 0);
        CHECK(kernel.nmappings == 1 && kernel.nbytes == 2 * MIB);
        CHECK(is_filled(live.address, MIB, 1));
        give(&live);
        finish();
    }
}

static void
test_a_full_pool_is_emptied_before_a_span_is_refused(void)
{
    begin(KERNEL_MAINLINE, ANY_RUNG);
    struct span first = take(6 * MIB, MIB, 1), second = take(4 * MIB, MIB, 2);
    give(&first);
    give(&second);
    kernel.most_nbytes = 12 * MIB;
    struct span span = take(10 * MIB, 0, 0);
    CHECK(kernel.nbytes == 10 * MIB && spans_stats().retained == 0);
    give(&span);
    finish();
}

/* -------------------------------------------------------------- cut and discard */

static void
test_a_cut_span_gives_its_end_back(void)
{
    begin(KERNEL_MAINLINE, ANY_RUNG);
    struct span span = take(8 * MIB, 7 * MIB, 1);
    spans_cut(&span, 8 * MIB);
    CHECK(span.ready == 7 * MIB);
    spans_cut(&span, 4 * MIB);
    CHECK(kernel.nbytes == 4 * MIB && span.ready == 4 * MIB - 1);
    CHECK(is_filled(span.address, 4 * MIB - 1, 1));
    check_span(&span, 4 * MIB);
    span.ready = MIB; /* what is behind is zero by then */
    memset(span.address + MIB, 0, 3 * MIB);
    spans_cut(&span, 2 * MIB);
    CHECK(span.ready == MIB);
    check_span(&span, 2 * MIB);
    give(&span);
    finish();
}

static void
test_discarded_memory_is_zero_and_gone(void)
{
    begin(KERNEL_MAINLINE, ANY_RUNG);
    size_t page = pages_facts.page_nbytes;
    struct span span = take(4 * MIB, 3 * MIB, 1);
    spans_discard(&span, 3 * MIB);
    CHECK(span.ready == 3 * MIB);
    spans_discard(&span, MIB + 1);
    CHECK(span.ready == MIB + page && is_filled(span.address, MIB + page, 1));
    CHECK(kernel_resident(span.address, 4 * MIB) == MIB + page);
    check_span(&span, 4 * MIB);
    kernel_fail(1, EAGAIN);
    spans_discard(&span, page);
    CHECK(span.ready == MIB + page && is_filled(span.address, MIB + page, 1));
    give(&span);
    finish();
}

/* ---------------------------------------------------------------------- growing */

/* Grow from 2 MiB to 16 and see after each step that the bytes in use are there. */
static void
grow_and_check(void)
{
    struct span span = take(2 * MIB, 2 * MIB - 1, 1);
    size_t from = 1000, to = 2 * MIB - 1;
    for (size_t length = 2 * MIB; length < 16 * MIB; length *= 2) {
        CHECK(spans_grow(&span, length + 1, from, to) == 0);
        check_span(&span, 2 * length);
        char *expected = malloc(to);
        fill(expected, to, 1);
        CHECK(memcmp(span.address + from, expected + from, to - from) == 0);
        free(expected);
        CHECK(span.ready >= to && spans_stats().live == 1);
    }
    give(&span);
}

static void
test_growing_keeps_the_bytes_by_each_rung(void)
{
    for (int kind = 0; kind < KERNEL_NO_PAGES; kind++) {
        for (int highest = PAGES_COPY; highest < PAGES_NRUNGS; highest++) {
            for (int layout = 0; layout < 4; layout++) {
                begin(kind, highest);
                kernel.bottom_up = layout & 1;
                kernel.unaligned = layout & 2 ? SIZE_MAX : 0;
                grow_and_check();
                finish();
            }
        }
    }
}

static void
test_moves_and_copies_are_counted(void)
{
    for (int kind = 0; kind < KERNEL_NO_PAGES; kind++) {
        begin(kind, ANY_RUNG);
        struct span wall = take(2 * MIB, 0, 0), span = take(2 * MIB, MIB, 1);
        struct spans_stats before = spans_stats();
        CHECK(spans_grow(&span, 2 * MIB + 1, 5, MIB) == 0);
        CHECK(spans_grow(&span, 4 * MIB + 1, 5, MIB) == 0);
        struct spans_stats after = spans_stats();
        bool moves = pages_facts.rung >= PAGES_MAYMOVE;
        CHECK(after.moves - before.moves == (moves ? 2 : 0));
        CHECK(after.moved_nbytes - before.moved_nbytes == (moves ? 6 * MIB : 0));
        CHECK(after.copies - before.copies == (moves ? 0 : 2));
        CHECK(after.copied_nbytes - before.copied_nbytes ==
              (moves ? 0 : 2 * (MIB - 5)));
        give(&wall);
        give(&span);
        finish();
    }
}

static void
test_a_moved_source_stays_mapped_and_is_used_again(void)
{
    const enum kernel_kind kinds[] = {KERNEL_2014, KERNEL_MAINLINE};
    for (int i = 0; i < 2; i++) {
        begin(kinds[i], ANY_RUNG);
        CHECK(pages_facts.rung >= PAGES_DONTUNMAP);
        struct span wall = take(2 * MIB, 0, 0), span = take(2 * MIB, MIB, 1), again;
        char *source = span.address;
        CHECK(spans_grow(&span, 2 * MIB + 1, 0, MIB) == 0);
        CHECK(span.address != source && is_filled(span.address, MIB, 1));
        CHECK(kernel_is_mapped(source, 2 * MIB) && is_zero(source, 2 * MIB));
        CHECK(spans_stats().retained == 1 && spans_stats().retained_nbytes == 0);
        size_t calls = kernel.ncalls;
        CHECK(spans_take(2 * MIB, true, &again) == 0);
        CHECK(again.address == source && kernel.ncalls == calls);
        CHECK(spans_stats().retained == 0);
        give(&wall);
        give(&span);
        give(&again);
        finish();
    }
}

/*   first   2 -> 4 -> 8        leaves sources of 2 and 4 MiB
 *   second  2 -> 4             moves onto the one of 4 */
static void
test_a_moved_source_is_the_next_target(void)
{
    begin(KERNEL_MAINLINE, ANY_RUNG);
    struct span second = take(2 * MIB, MIB, 2), first = take(2 * MIB, MIB, 1);
    CHECK(spans_grow(&first, 2 * MIB + 1, 0, MIB) == 0);
    char *source = first.address;
    CHECK(spans_grow(&first, 4 * MIB + 1, 0, MIB) == 0);
    CHECK(first.address != source && spans_stats().retained == 2);
    size_t calls = kernel.calls[KERNEL_MAP];
    CHECK(spans_grow(&second, 2 * MIB + 1, 0, MIB) == 0);
    CHECK(second.address == source && kernel.calls[KERNEL_MAP] == calls);
    CHECK(is_filled(first.address, MIB, 1) && is_filled(second.address, MIB, 2));
    check_span(&first, 8 * MIB);
    check_span(&second, 4 * MIB);
    give(&first);
    give(&second);
    finish();
}

/* What grows where it is has no source to leave: the pool must not own it, too. */
static void
test_growing_in_place_leaves_one_owner(void)
{
    for (int kind = 0; kind < KERNEL_NO_PAGES; kind++) {
        begin(kind, ANY_RUNG);
        kernel.bottom_up = true;
        struct span span = take(2 * MIB, MIB, 1), other;
        struct spans_stats before = spans_stats();
        char *source = span.address;
        CHECK(spans_grow(&span, 2 * MIB + 1, 0, MIB) == 0);
        bool in_place = span.address == source;
        CHECK(in_place == (kind == KERNEL_2014));
        CHECK(!in_place || spans_stats().moves == before.moves);
        CHECK(!in_place || spans_stats().retained == 0);
        CHECK(spans_take(2 * MIB, true, &other) == 0);
        fill(other.address, 2 * MIB - 1, 2);
        other.ready = 2 * MIB - 1;
        CHECK(is_filled(span.address, MIB, 1));
        check_span(&span, 4 * MIB);
        give(&other);
        give(&span);
        finish();
    }
}

static void
test_what_cannot_be_is_refused_before_anything_happens(void)
{
    for (int kind = 0; kind < KERNEL_NO_PAGES; kind++) {
        begin(kind, ANY_RUNG);
        struct span span = take(2 * MIB, MIB, 1), warm = take(4 * MIB, MIB, 2);
        give(&warm);
        CHECK(spans_grow(&span, SIZE_MAX, 0, MIB) == ENOMEM);
        CHECK(spans_grow(&span, SIZE_MAX / 2, 0, MIB) == ENOMEM);
        CHECK(is_filled(span.address, MIB, 1) && spans_stats().retained == 1);
        check_span(&span, 2 * MIB);
        CHECK(spans_grow(&span, SIZE_MAX / 4, 0, MIB) == ENOMEM);
        CHECK(is_filled(span.address, MIB, 1));
        check_span(&span, 2 * MIB);
        give(&span);
        finish();
    }
}

/* What is not copied is not there: it need not take up memory. */
static void
test_a_copy_is_only_of_what_is_in_use(void)
{
    begin(KERNEL_ENOSYS, ANY_RUNG);
    struct span span = take(4 * MIB, 3 * MIB, 1);
    CHECK(spans_grow(&span, 4 * MIB + 1, 0, MIB) == 0);
    CHECK(span.ready == MIB && is_filled(span.address, MIB, 1));
    CHECK(kernel_resident(span.address, span.length) == MIB);
    check_span(&span, 8 * MIB);
    give(&span);
    finish();
}

static void
test_a_copy_has_huge_pages_if_the_span_had(void)
{
    begin(KERNEL_ENOSYS, ANY_RUNG);
    struct span span = take(4 * MIB, MIB, 1);
    span.huge = true;
    CHECK(spans_grow(&span, 4 * MIB + 1, 0, MIB) == 0 && span.huge);
    pages_facts.huge = PAGES_HUGE_NEVER;
    CHECK(spans_grow(&span, 8 * MIB + 1, 0, MIB) == 0 && !span.huge);
    give(&span);
    finish();
}

/* Nothing was refused, so there is no reason to give anything up. */
static void
test_growing_leaves_the_warm_spans_in_the_pool(void)
{
    for (int kind = 0; kind < KERNEL_NO_PAGES; kind++) {
        begin(kind, ANY_RUNG);
        struct span span = take(2 * MIB, MIB, 1), warm = take(2 * MIB, MIB, 2);
        give(&warm);
        CHECK(spans_grow(&span, 2 * MIB + 1, 0, MIB) == 0);
        CHECK(spans_stats().retained_nbytes == MIB);
        give(&span);
        finish();
    }
}

/* ------------------------------------------------------------------ adversities */

/* While the tail of a target is given up, somebody else maps there: the pages are moved
 * all the same, and grown by a lower rung. */
static void
test_a_lost_race_for_the_tail_costs_only_a_rung(void)
{
    const enum kernel_kind kinds[] = {KERNEL_2014, KERNEL_MAINLINE};
    for (int i = 0; i < 2; i++) {
        begin(kinds[i], PAGES_DONTUNMAP);
        struct span span = take(2 * MIB, MIB, 1);
        uint64_t moves = spans_stats().moves;
        kernel.squatters = 1;
        CHECK(spans_grow(&span, 2 * MIB + 1, 0, MIB) == 0);
        CHECK(kernel.squatters == 0 && spans_stats().moves == moves + 2);
        CHECK(is_filled(span.address, MIB, 1));
        check_span(&span, 4 * MIB);
        CHECK(kernel.nbytes == 6 * MIB && spans_stats().retained == 1);
        give(&span);
        finish();
    }
}

/* Beside the span of 16 MiB the limit leaves room for
 *
 *   moving   copying
 *     32       32     twice as much: as ever
 *      4       20     an eighth ahead; moving takes the difference only
 *      2       18     what is needed
 *      1       17     nothing, and the span is what it was
 */
static void
grow_where_address_space_is_short(enum kernel_kind kind, size_t spare, size_t length)
{
    begin(kind, ANY_RUNG);
    CASE("a kernel %s, %zu MiB to spare", kernel_names[kind], spare);
    struct span wall = take(2 * MIB, 0, 0), span = take(16 * MIB, 16 * MIB - 1, 1);
    kernel.most_nbytes = kernel.nbytes + spare * MIB;
    int error = spans_grow(&span, 16 * MIB + 1, 0, 16 * MIB - 1);
    CHECK(error == (length == 16 ? ENOMEM : 0));
    CHECK(is_filled(span.address, 16 * MIB - 1, 1));
    check_span(&span, length * MIB);
    give(&wall);
    give(&span);
    finish();
}

static void
test_where_address_space_is_short_the_steps_are_short(void)
{
    const size_t moving[] = {32, 4, 2, 1}, copying[] = {32, 20, 18, 17};
    const size_t lengths[] = {32, 20, 18, 16};
    for (int kind = 0; kind < KERNEL_NO_PAGES; kind++) {
        const size_t *spare = best_rung[kind] >= PAGES_MAYMOVE ? moving : copying;
        for (int i = 0; i < 4; i++) {
            grow_where_address_space_is_short(kind, spare[i], lengths[i]);
        }
    }
}

static void
test_where_address_space_is_short_the_pool_goes_first(void)
{
    for (int kind = KERNEL_2014; kind < KERNEL_NO_PAGES; kind++) {
        begin(kind, ANY_RUNG);
        struct span warm = take(10 * MIB, MIB, 2), span = take(4 * MIB, MIB, 1);
        give(&warm);
        kernel.most_nbytes = 14 * MIB;
        CHECK(spans_grow(&span, 4 * MIB + 1, 0, MIB) == 0);
        CHECK(is_filled(span.address, MIB, 1));
        check_span(&span, 8 * MIB);
        give(&span);
        finish();
    }
}

static void
test_at_the_limit_of_mappings_spans_still_grow(void)
{
    begin(KERNEL_MAINLINE, ANY_RUNG);
    struct span span = take(8 * MIB, 7 * MIB, 1);
    CHECK(spans_grow(&span, 8 * MIB + 1, 0, 7 * MIB) == 0);
    kernel.most_mappings = kernel.nmappings;
    CHECK(spans_grow(&span, 16 * MIB + 1, 0, 7 * MIB) == 0);
    CHECK(is_filled(span.address, 7 * MIB, 1));
    check_span(&span, span.length);
    give(&span);
    finish();
}

static void
test_an_end_that_cannot_be_cut_off_holds_no_memory(void)
{
    begin(KERNEL_MAINLINE, ANY_RUNG);
    struct span span = take(8 * MIB, 7 * MIB, 1);
    kernel_fail(1, ENOMEM);
    spans_cut(&span, 2 * MIB);
    CHECK(kernel.nlost == 1 && kernel.lost_nbytes == 6 * MIB);
    CHECK(is_filled(span.address, 2 * MIB - 1, 1));
    check_span(&span, 2 * MIB);
    CHECK(kernel_resident(span.address, 8 * MIB) == 2 * MIB);
    give(&span);
    finish();
}

/* Grow a span in a kernel with some in the pool while the `n`th call fails. */
static bool
grow_with_failure(enum kernel_kind kind, size_t n, bool late)
{
    begin(kind, ANY_RUNG);
    CASE("a kernel %s, call %zu fails, late %d", kernel_names[kind], n, late);
    struct span warm = take(2 * MIB, 1000, 3), cold = take(4 * MIB, 0, 0);
    struct span wall = take(2 * MIB, 0, 0), span = take(4 * MIB, 2 * MIB, 1);
    give(&warm);
    give(&cold);
    kernel.late = late;
    kernel_fail(n, ENOMEM);
    CHECK(spans_grow(&span, 4 * MIB + 1, 0, 2 * MIB) == 0);
    CHECK(spans_grow(&span, 8 * MIB + 1, 0, 2 * MIB) == 0);
    bool failed = kernel.nfailed > 0;
    CHECK(is_filled(span.address, 2 * MIB, 1));
    CHECK(kernel_is_mapped(span.address, span.length));
    CHECK(is_zero(span.address + span.ready, span.length - span.ready));
    check_state();
    give(&wall);
    give(&span);
    finish();
    CHECK(kernel.nlost <= 1 && kernel.nblocks == 0);
    return failed;
}

static void
test_one_failing_call_never_stops_growth(void)
{
    for (int kind = 0; kind < KERNEL_NO_PAGES; kind++) {
        for (int late = 0; late < 2; late++) {
            for (size_t n = 1; grow_with_failure(kind, n, late); n++) {
            }
        }
    }
}

/* A move that fails is done by the next rung, and as far. */
static void
test_a_move_that_fails_is_done_by_the_next_rung(void)
{
    const size_t nth_is_remap[] = {[KERNEL_2014] = 1, [KERNEL_MAINLINE] = 2};
    for (int kind = KERNEL_2014; kind <= KERNEL_MAINLINE; kind++) {
        begin(kind, ANY_RUNG);
        struct span wall = take(2 * MIB, 0, 0), span = take(4 * MIB, MIB, 1);
        uint64_t copies = spans_stats().copies;
        size_t remaps = kernel.calls[KERNEL_REMAP];
        kernel_fail(nth_is_remap[kind], EFAULT);
        CHECK(spans_grow(&span, 4 * MIB + 1, 0, MIB) == 0);
        CHECK(kernel.nfailed == 1 && kernel.calls[KERNEL_REMAP] > remaps + 1);
        CHECK(is_filled(span.address, MIB, 1) && spans_stats().copies == copies);
        check_span(&span, 8 * MIB);
        give(&wall);
        give(&span);
        finish();
    }
}

/* There is room behind the span, but none for a target. */
static void
test_growing_in_place_is_no_move(void)
{
    begin(KERNEL_OLD, ANY_RUNG);
    kernel.bottom_up = true;
    struct span span = take(4 * MIB, MIB, 1);
    uint64_t moves = spans_stats().moves;
    char *address = span.address;
    kernel.most_nbytes = 6 * MIB;
    CHECK(spans_grow(&span, 4 * MIB + 1, 0, MIB) == 0 && span.address == address);
    CHECK(spans_stats().moves == moves && is_filled(span.address, MIB, 1));
    check_span(&span, 6 * MIB);
    give(&span);
    finish();
}

/* Every call from the `n`th on fails: an error, and all bytes; later it works. */
static bool
grow_in_outage(enum kernel_kind kind, size_t n)
{
    begin(kind, ANY_RUNG);
    CASE("a kernel %s, all calls from %zu on fail", kernel_names[kind], n);
    struct span wall = take(2 * MIB, 0, 0), span = take(4 * MIB, 2 * MIB, 1);
    size_t length = span.length;
    kernel_fail_from(n, ENOMEM);
    int error = spans_grow(&span, 4 * MIB + 1, 0, 2 * MIB);
    bool failed = kernel.nfailed > 0;
    CHECK(error == 0 || (error == ENOMEM && span.length == length));
    CHECK(is_filled(span.address, 2 * MIB, 1));
    check_span(&span, span.length);
    kernel_heal();
    CHECK(error == 0 || spans_grow(&span, 4 * MIB + 1, 0, 2 * MIB) == 0);
    CHECK(is_filled(span.address, 2 * MIB, 1));
    check_span(&span, 8 * MIB);
    give(&wall);
    give(&span);
    finish();
    return failed;
}

static void
test_an_outage_costs_nothing_but_an_error(void)
{
    for (int kind = 0; kind < KERNEL_NO_PAGES; kind++) {
        for (size_t n = 1; grow_in_outage(kind, n); n++) {
        }
    }
}

int
main(void)
{
    RUN(test_a_span_taken_is_zero_and_aligned);
    RUN(test_a_span_that_cannot_be_had_is_an_error);
    RUN(test_a_warm_span_comes_back_with_its_bytes_ready);
    RUN(test_a_warm_span_that_is_too_short_stays);
    RUN(test_zeros_never_come_from_a_warm_span);
    RUN(test_a_cold_span_is_taken_again);
    RUN(test_a_cold_huge_span_is_not_for_small_stores);
    RUN(test_the_pool_holds_so_many_spans_at_most);
    RUN(test_the_pool_holds_so_many_bytes_at_most);
    RUN(test_of_a_span_over_the_budget_the_front_is_kept);
    RUN(test_the_check_sees_what_is_wrong);
    RUN(test_trim_gives_everything_back);
    RUN(test_a_full_pool_is_emptied_before_a_span_is_refused);
    RUN(test_a_cut_span_gives_its_end_back);
    RUN(test_discarded_memory_is_zero_and_gone);
    RUN(test_growing_keeps_the_bytes_by_each_rung);
    RUN(test_moves_and_copies_are_counted);
    RUN(test_a_moved_source_stays_mapped_and_is_used_again);
    RUN(test_a_moved_source_is_the_next_target);
    RUN(test_growing_in_place_leaves_one_owner);
    RUN(test_what_cannot_be_is_refused_before_anything_happens);
    RUN(test_a_copy_is_only_of_what_is_in_use);
    RUN(test_a_copy_has_huge_pages_if_the_span_had);
    RUN(test_growing_leaves_the_warm_spans_in_the_pool);
    RUN(test_a_lost_race_for_the_tail_costs_only_a_rung);
    RUN(test_where_address_space_is_short_the_steps_are_short);
    RUN(test_where_address_space_is_short_the_pool_goes_first);
    RUN(test_at_the_limit_of_mappings_spans_still_grow);
    RUN(test_an_end_that_cannot_be_cut_off_holds_no_memory);
    RUN(test_one_failing_call_never_stops_growth);
    RUN(test_a_move_that_fails_is_done_by_the_next_rung);
    RUN(test_growing_in_place_is_no_move);
    RUN(test_an_outage_costs_nothing_but_an_error);
    return check_done();
}
