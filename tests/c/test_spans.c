/* Spans taken, given back and moved on each kernel, and the bounds of the pool. */
#include <errno.h>

#include "fixture.h"

#define EACH_KERNEL_WITH_PAGES(kind)                                                   \
    int kind = 0;                                                                      \
    kind < KERNEL_NO_PAGES;                                                            \
    kind++

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

/* -------------------------------------------------------------------- take and give */

static void
test_a_span_taken_is_zero_and_aligned(void)
{
    for (EACH_KERNEL_WITH_PAGES(kind)) {
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

/* As much of it as was asked for; less is below, among the pieces. */
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
    CHECK(spans_take(3 * MIB, false, &span) == 0);
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

/* ---------------------------------------------------------------------- in pieces */

/* Warm memory that nobody uses: `ready` bytes of a span of `length`, all written to. */
static char *
keep_warm(size_t length, size_t ready)
{
    struct span warm;
    CHECK(spans_take(length, true, &warm) == 0);
    char *address = warm.address;
    fill(address, ready, 9);
    warm.ready = ready;
    give(&warm);
    return address;
}

static size_t
retained_nbytes(void)
{
    return spans_stats().retained_nbytes;
}

/*   |<----------------- 7 MiB ready ---------------->| zeros |
 *   |<- first ->|<------- second ------->|<- third ->        |
 *    2 MiB       4                        1 of 2 ready         */
static void
test_a_warm_span_is_lent_in_pieces(void)
{
    begin(KERNEL_MAINLINE, ANY_RUNG);
    char *warm = keep_warm(8 * MIB, 7 * MIB);
    size_t calls = kernel.ncalls;
    struct span first, second, third;
    CHECK(spans_take(100 * KIB, false, &first) == 0);
    CHECK(first.address == warm && first.ready == 2 * MIB - 1);
    CHECK(spans_stats().retained == 1 && retained_nbytes() == 5 * MIB);
    check_span(&first, 2 * MIB);
    CHECK(spans_take(2 * MIB + 1, false, &second) == 0);
    CHECK(second.address == warm + 2 * MIB && second.ready == 4 * MIB - 1);
    CHECK(spans_stats().retained == 1 && retained_nbytes() == MIB);
    check_span(&second, 4 * MIB);
    CHECK(spans_take(2 * MIB, false, &third) == 0);
    CHECK(third.address == warm + 6 * MIB && third.ready == MIB);
    CHECK(spans_stats().retained == 0 && retained_nbytes() == 0);
    check_span(&third, 2 * MIB);
    CHECK(kernel.ncalls == calls && spans_stats().live == 3);
    give(&first);
    give(&second);
    give(&third);
    finish();
}

/* What is no more than was asked for goes as a whole, cold end and all. */
static void
test_what_is_warm_no_further_is_not_split(void)
{
    const size_t ready[] = {2 * MIB - 1, 2 * MIB, 2 * MIB + 1};
    for (int i = 0; i < 3; i++) {
        begin(KERNEL_MAINLINE, ANY_RUNG);
        CASE("%zu bytes are warm", ready[i]);
        keep_warm(6 * MIB, ready[i]);
        struct span span;
        CHECK(spans_take(2 * MIB, false, &span) == 0);
        check_span(&span, i < 2 ? 6 * MIB : 2 * MIB);
        CHECK(span.ready == (i < 2 ? ready[i] : 2 * MIB - 1));
        CHECK(retained_nbytes() == (i < 2 ? 0 : 1));
        CHECK(spans_stats().retained == (i < 2 ? 0 : 1));
        give(&span);
        CHECK(spans_stats().retained == 1 && retained_nbytes() >= ready[i]);
        finish();
    }
}

static void
test_a_growing_span_absorbs_what_is_warm_behind_it(void)
{
    for (EACH_KERNEL_WITH_PAGES(kind)) {
        begin(kind, ANY_RUNG);
        char *warm = keep_warm(16 * MIB, 15 * MIB);
        struct span span = take(2 * MIB, 2 * MIB - 1, 1);
        struct spans_stats before = spans_stats();
        size_t calls = kernel.ncalls;
        CHECK(span.address == warm);
        CHECK(spans_grow(&span, 2 * MIB + 1, 0, 2 * MIB - 1) == 0);
        CHECK(span.address == warm && span.ready == 4 * MIB - 1);
        CHECK(retained_nbytes() == 11 * MIB);
        CHECK(lent(&span) == 2 * (2 * MIB - pages_facts.page_nbytes));
        check_span(&span, 4 * MIB);
        /* Further than doubling, as far as is needed. */
        CHECK(spans_grow(&span, 9 * MIB, 0, 2 * MIB - 1) == 0);
        CHECK(span.address == warm && span.ready == 10 * MIB - 1);
        CHECK(retained_nbytes() == 5 * MIB);
        check_span(&span, 10 * MIB);
        /* All the rest, which is less than twice as much, cold end and all. */
        CHECK(spans_grow(&span, 16 * MIB, 0, 2 * MIB - 1) == 0);
        CHECK(span.address == warm && span.ready == 15 * MIB);
        check_span(&span, 16 * MIB);
        CHECK(spans_stats().retained == 0 && retained_nbytes() == 0);
        CHECK(is_filled(span.address, 2 * MIB - 1, 1) && kernel.ncalls == calls);
        CHECK(spans_stats().moves == before.moves);
        CHECK(spans_stats().copies == before.copies && spans_stats().live == 1);
        give(&span);
        finish();
    }
}

/* An absorbed piece is part of the span like any other when that moves at last. */
static void
test_what_was_absorbed_moves_with_the_rest(void)
{
    for (EACH_KERNEL_WITH_PAGES(kind)) {
        begin(kind, ANY_RUNG);
        keep_warm(8 * MIB, 8 * MIB - 1);
        struct span span = take(2 * MIB, 0, 0), behind;
        CHECK(spans_grow(&span, 3 * MIB, 0, 0) == 0);
        fill(span.address, 4 * MIB - 1, 1);
        CHECK(spans_take(4 * MIB, false, &behind) == 0);
        fill(behind.address, 4 * MIB - 1, 2);
        CHECK(behind.address == span.address + 4 * MIB);
        uint64_t copies = spans_stats().copies;
        CHECK(spans_grow(&span, 4 * MIB + 1, 0, 4 * MIB - 1) == 0);
        CHECK(spans_stats().copies - copies == (pages_facts.rung == PAGES_COPY));
        CHECK(is_filled(span.address, 4 * MIB - 1, 1));
        CHECK(is_filled(behind.address, 4 * MIB - 1, 2));
        check_span(&span, 8 * MIB);
        check_span(&behind, 4 * MIB);
        give(&span);
        give(&behind);
        finish();
    }
}

enum obstacle { TOO_SHORT, COLD, IN_USE, FRONT_IS_HUGE, BEHIND_IS_HUGE, OBSTACLES };

/* Put an obstacle behind the first of three pieces, which the others are. */
static void
put_behind(enum obstacle obstacle, struct span *first, struct span *others)
{
    if (obstacle == COLD) {
        spans_discard(&others[0], 0);
        spans_discard(&others[1], 0);
    }
    first->huge = obstacle == FRONT_IS_HUGE;
    others[0].huge = others[1].huge = obstacle == BEHIND_IS_HUGE;
    if (obstacle != IN_USE) {
        give(&others[0]);
    }
    if (obstacle != TOO_SHORT && obstacle != IN_USE) {
        give(&others[1]);
    }
}

static void
test_what_cannot_be_absorbed_stays(void)
{
    for (int i = 0; i < OBSTACLES * KERNEL_NO_PAGES; i++) {
        int kind = i / OBSTACLES, obstacle = i % OBSTACLES;
        begin(kind, ANY_RUNG);
        CASE("a kernel %s, obstacle %d", kernel_names[kind], obstacle);
        keep_warm(6 * MIB, 6 * MIB - 1);
        struct span span = take(2 * MIB, 2 * MIB - 1, 1);
        struct span others[2] = {take(2 * MIB, 0, 0), take(2 * MIB, 0, 0)};
        char *address = span.address, *behind = others[0].address;
        CHECK(behind == address + 2 * MIB && others[1].address == behind + 2 * MIB);
        put_behind(obstacle, &span, others);
        size_t nbytes = retained_nbytes();
        CHECK(spans_grow(&span, 4 * MIB + 1, 0, 2 * MIB - 1) == 0);
        CHECK(span.address != address && is_filled(span.address, 2 * MIB - 1, 1));
        check_span(&span, 6 * MIB);
        CHECK(retained_nbytes() == nbytes && kernel_is_mapped(behind, 4 * MIB));
        for (int j = 0; j < 2; j++) {
            if (others[j].address != NULL) {
                give(&others[j]);
            }
        }
        give(&span);
        finish();
    }
}

/* Side by side, but mapped one by one: an address that is free for anybody by now. */
static void
test_what_is_another_mapping_is_not_absorbed_or_joined(void)
{
    for (EACH_KERNEL_WITH_PAGES(kind)) {
        begin(kind, ANY_RUNG);
        kernel.bottom_up = true;
        struct span first = take(2 * MIB, MIB, 1), second = take(2 * MIB, MIB, 2);
        struct span third = take(2 * MIB, MIB, 3);
        CHECK(second.address == first.address + 2 * MIB);
        CHECK(third.address == second.address + 2 * MIB);
        give(&second);
        give(&third);
        CHECK(spans_stats().retained == 2 && retained_nbytes() == 2 * MIB);
        CHECK(spans_grow(&first, 2 * MIB + 1, 0, MIB) == 0);
        CHECK(retained_nbytes() == 2 * MIB && is_filled(first.address, MIB, 1));
        check_span(&first, 4 * MIB);
        give(&first);
        finish();
    }
}

/* The source that a moved piece leaves is no neighbour any more. */
static void
test_what_has_moved_is_not_joined(void)
{
    for (int i = 0; i < 2 * KERNEL_NO_PAGES; i++) {
        begin(i / 2, ANY_RUNG);
        kernel.bottom_up = i % 2;
        keep_warm(6 * MIB, 6 * MIB - 1);
        struct span first = take(2 * MIB, 2 * MIB - 1, 1);
        struct span second = take(2 * MIB, 2 * MIB - 1, 2);
        struct span third = take(2 * MIB, 2 * MIB - 1, 3);
        CHECK(spans_grow(&second, 2 * MIB + 1, 0, 2 * MIB - 1) == 0);
        CHECK(is_filled(second.address, 2 * MIB - 1, 2));
        check_span(&second, 4 * MIB);
        give(&third);
        give(&first);
        CHECK(retained_nbytes() == 4 * MIB - 2);
        CHECK(spans_stats().retained == 2 + (pages_facts.rung >= PAGES_DONTUNMAP));
        give(&second);
        CHECK(retained_nbytes() == 6 * MIB - 3);
        finish();
    }
}

/* Nor if it has moved right behind the last piece: that is another mapping there.
 *
 *   |<- first ->|<- second ->|<- third ->|
 *                            |<- third ->|<------- first ------->|      */
static void
test_what_has_moved_to_the_end_is_not_joined(void)
{
    for (int kind = KERNEL_2014; kind <= KERNEL_OLD; kind++) {
        begin(kind, ANY_RUNG);
        kernel.bottom_up = true;
        keep_warm(6 * MIB, 6 * MIB - 1);
        struct span first = take(2 * MIB, 2 * MIB - 1, 1);
        struct span second = take(2 * MIB, 2 * MIB - 1, 2);
        struct span third = take(2 * MIB, 2 * MIB - 1, 3);
        char *end = third.address + 2 * MIB;
        kernel.most_nbytes = kernel.nbytes + 2 * MIB;
        CHECK(spans_grow(&first, 2 * MIB + 1, 0, 2 * MIB - 1) == 0);
        CHECK(first.address == end && is_filled(end, 2 * MIB - 1, 1));
        check_span(&first, 4 * MIB);
        give(&third);
        give(&first);
        CHECK(spans_stats().retained == 2 && retained_nbytes() == 4 * MIB - 2);
        give(&second);
        finish();
    }
}

/* Numbers from 0 to 23, each another order of four. */
static void
set_order(int number, int *order)
{
    int left[] = {0, 1, 2, 3};
    for (int i = 0, n = 4; i < 4; i++, n--) {
        int at = number % n;
        number /= n;
        order[i] = left[at];
        memmove(&left[at], &left[at + 1], (size_t)(n - at - 1) * sizeof *left);
    }
}

static void
test_pieces_join_in_any_order(void)
{
    for (int number = 0; number < 24; number++) {
        int order[4];
        set_order(number, order);
        begin(KERNEL_MAINLINE, ANY_RUNG);
        CASE("order %d%d%d%d", order[0], order[1], order[2], order[3]);
        char *warm = keep_warm(8 * MIB, 7 * MIB);
        size_t calls = kernel.ncalls;
        struct span pieces[4], whole;
        for (int i = 0; i < 4; i++) {
            CHECK(spans_take(2 * MIB, false, &pieces[i]) == 0);
            CHECK(pieces[i].address == warm + (size_t)i * 2 * MIB);
        }
        for (int i = 0; i < 4; i++) {
            give(&pieces[order[i]]);
        }
        CHECK(spans_stats().retained == 1 && retained_nbytes() == 7 * MIB);
        CHECK(spans_take(8 * MIB, false, &whole) == 0);
        CHECK(whole.address == warm && whole.ready == 7 * MIB);
        check_span(&whole, 8 * MIB);
        CHECK(kernel.ncalls == calls);
        give(&whole);
        finish();
    }
}

/*   |ready| zeros |<---- ready ---->| zeros |      the zeros between count as ready
 *   |ready| zeros                           |      where nothing behind is */
static void
test_what_is_joined_is_ready_to_the_last_warm_byte(void)
{
    for (int cold = 0; cold < 2; cold++) {
        begin(KERNEL_MAINLINE, ANY_RUNG);
        keep_warm(4 * MIB, 3 * MIB);
        struct span first = take(2 * MIB, 0, 0), second = take(2 * MIB, 0, 0);
        spans_discard(&first, 4096);
        if (cold) {
            spans_discard(&second, 0);
        }
        size_t ready = first.ready;
        give(&first);
        give(&second);
        CHECK(spans_stats().retained == 1);
        CHECK(retained_nbytes() == (cold ? ready : 3 * MIB));
        struct span whole = take(4 * MIB, 0, 0);
        check_span(&whole, 4 * MIB);
        give(&whole);
        finish();
    }
}

/* Neighbours that together are over the budget stay apart: the older ones have to go,
 * not all of them. */
static void
test_what_does_not_fit_is_not_joined(void)
{
    for (int front = 0; front < 2; front++) {
        begin(KERNEL_MAINLINE, ANY_RUNG);
        CASE("what comes back is in front %d", front);
        keep_warm(8 * MIB, 8 * MIB - 1);
        struct span first = take(4 * MIB, 0, 0), second = take(4 * MIB, 0, 0);
        struct span *last = front ? &first : &second, *other = front ? &second : &first;
        char *address = last->address;
        spans_outgrown(&first);
        spans_outgrown(&second);
        give(other);
        spans_set_pool_limit(6 * MIB);
        CHECK(retained_nbytes() == 4 * MIB - 1);
        give(last);
        CHECK(spans_stats().retained == 1 && retained_nbytes() == 4 * MIB - 1);
        CHECK(kernel_is_mapped(address, 4 * MIB) && kernel.nbytes == 4 * MIB);
        finish();
    }
}

/* --------------------------------------------------------------- what is lent counts */

/* As far as it is known at all, in pages: what the pool has, and what is lent. */
static void
check_budget(const struct span *spans, size_t nspans, size_t budget)
{
    size_t nbytes = retained_nbytes();
    for (size_t i = 0; i < nspans; i++) {
        nbytes += lent(&spans[i]);
    }
    CHECK(nbytes <= budget);
    check_state();
}

/* Half of the memory is lent; then so much comes back from elsewhere that the pool would
 * be full of it, were nothing lent. */
static void
test_what_is_lent_counts_towards_the_budget(void)
{
    begin(KERNEL_MAINLINE, ANY_RUNG);
    spans_set_pool_limit(16 * MIB);
    struct span fresh[4], small[4];
    for (int i = 0; i < 4; i++) {
        CHECK(spans_take(4 * MIB, true, &fresh[i]) == 0);
        fresh[i].ready = 4 * MIB - 1;
    }
    keep_warm(16 * MIB, 16 * MIB - 1);
    for (size_t i = 0; i < 4; i++) {
        CHECK(spans_take(100 * KIB, false, &small[i]) == 0);
        CHECK(lent(&small[i]) == 2 * MIB - pages_facts.page_nbytes);
        check_budget(small, i + 1, 16 * MIB);
    }
    CHECK(retained_nbytes() == 8 * MIB - 1);
    for (int i = 0; i < 4; i++) {
        give(&fresh[i]);
        check_budget(small, 4, 16 * MIB);
    }
    CHECK(retained_nbytes() == 8 * MIB - 2 && spans_stats().retained == 2);
    for (int i = 0; i < 4; i++) {
        give(&small[i]);
        check_budget(small, 4, 16 * MIB);
    }
    finish();
}

/* Each of these ends a loan; then the budget is all there again. */
static void
end_loan(int how, struct span *span)
{
    switch (how) {
    case 0:
        spans_outgrown(span);
        spans_outgrown(span); /* and what is none may be ended, too */
        break;
    case 1: /* the copy is in fresh memory */
        pages_facts.rung = PAGES_COPY;
        CHECK(spans_grow(span, 100 * MIB, 0, 0) == 0);
        break;
    case 2:
        spans_cut(span, 2 * MIB);
        break;
    case 3:
        spans_discard(span, 100);
        break;
    default:
        give(span);
        spans_trim();
        break;
    }
}

static void
test_a_loan_ends_in_each_of_these_ways(void)
{
    for (int how = 0; how < 5; how++) {
        for (int left = 0; left < 2; left++) {
            begin(KERNEL_MAINLINE, ANY_RUNG);
            CASE("way %d, left in use %d", how, left);
            spans_set_pool_limit(8 * MIB);
            struct span other;
            CHECK(spans_take(8 * MIB, true, &other) == 0);
            other.ready = 8 * MIB - 1;
            keep_warm(4 * MIB, 4 * MIB - 1);
            struct span span = take(4 * MIB, 0, 0);
            CHECK(lent(&span) == 4 * MIB - pages_facts.page_nbytes);
            end_loan(how, &span);
            CHECK(lent(&span) == 0);
            if (span.address != NULL && !left) {
                give(&span);
                spans_trim();
            }
            give(&other);
            CHECK(retained_nbytes() == 8 * MIB - 1);
            if (span.address != NULL) {
                give(&span);
            }
            finish();
        }
    }
}

/* The pages that are lent move along, used or not, and none are lent with the source. */
static void
test_a_loan_moves_along(void)
{
    for (int kind = KERNEL_2014; kind <= KERNEL_OLD; kind++) {
        begin(kind, ANY_RUNG);
        keep_warm(4 * MIB, 4 * MIB - 1);
        struct span span = take(2 * MIB, MIB, 1), wall = take(2 * MIB, 0, 0), cold;
        size_t nbytes = 2 * MIB - pages_facts.page_nbytes;
        CHECK(lent(&span) == nbytes);
        CHECK(spans_grow(&span, 2 * MIB + 1, 0, MIB) == 0);
        CHECK(lent(&span) == nbytes && is_filled(span.address, MIB, 1));
        CHECK(spans_take(2 * MIB, true, &cold) == 0 && lent(&cold) == 0);
        give(&cold);
        CHECK(spans_grow(&span, 4 * MIB + 1, 0, MIB) == 0);
        CHECK(lent(&span) == nbytes && is_filled(span.address, MIB, 1));
        give(&wall);
        give(&span);
        finish();
    }
}

/* A loan that has been refused its growth is still one, and is not counted twice. */
static void
test_a_loan_survives_a_refusal(void)
{
    for (EACH_KERNEL_WITH_PAGES(kind)) {
        begin(kind, ANY_RUNG);
        keep_warm(4 * MIB, 4 * MIB - 1);
        struct span span = take(2 * MIB, MIB, 1);
        CHECK(spans_grow(&span, SIZE_MAX, 0, MIB) == ENOMEM);
        CHECK(lent(&span) == 2 * MIB - pages_facts.page_nbytes);
        kernel_fail_from(1, ENOMEM);
        CHECK(spans_grow(&span, 4 * MIB + 1, 0, MIB) == ENOMEM);
        kernel_heal();
        CHECK(lent(&span) == 2 * MIB - pages_facts.page_nbytes);
        CHECK(is_filled(span.address, MIB, 1));
        check_span(&span, 2 * MIB);
        give(&span);
        finish();
    }
}

/* ------------------------------------------------------------------ time and budget */

static void
test_what_nobody_takes_for_long_goes(void)
{
    begin(KERNEL_MAINLINE, ANY_RUNG);
    kernel.now_ms = 5000;
    struct span spans[4];
    for (int i = 0; i < 4; i++) {
        spans[i] = take(2 * MIB, i < 2 ? 0 : MIB, 1);
    }
    const char *first = spans[0].address, *third = spans[2].address;
    give(&spans[0]); /* a cold one goes like a warm one */
    kernel.now_ms = 5000 + SPANS_POOL_IDLE_MS;
    give(&spans[1]);
    CHECK(spans_stats().retained == 2);
    kernel.now_ms++;
    give(&spans[2]);
    CHECK(!kernel_is_mapped(first, 2 * MIB) && spans_stats().retained == 2);
    kernel.now_ms += SPANS_POOL_IDLE_MS;
    give(&spans[3]);
    CHECK(kernel_is_mapped(third, 2 * MIB) && spans_stats().retained == 2);
    kernel.now_ms += 2 * SPANS_POOL_IDLE_MS;
    CHECK(spans_stats().retained == 2); /* nothing has been done since */
    spans_set_pool_limit(SPANS_POOL_NBYTES);
    CHECK(spans_stats().retained == 0 && kernel.nbytes == 0);
    finish();
}

/* To take another span is to use the pool, whether that is fresh or not. */
static void
test_taking_lets_the_old_ones_go(void)
{
    for (int fresh = 0; fresh < 2; fresh++) {
        begin(KERNEL_MAINLINE, ANY_RUNG);
        CASE("fresh %d", fresh);
        struct span old = take(4 * MIB, MIB, 1), warm = take(2 * MIB, 2 * MIB - 1, 1);
        const char *old_address = old.address;
        give(&old);
        give(&warm);
        kernel.now_ms = SPANS_POOL_IDLE_MS;
        struct span span;
        CHECK(spans_take(2 * MIB, fresh, &span) == 0);
        CHECK(kernel_is_mapped(old_address, 4 * MIB));
        give(&span);
        kernel.now_ms++;
        CHECK(spans_take(2 * MIB, fresh, &span) == 0);
        CHECK(!kernel_is_mapped(old_address, 4 * MIB));
        check_span(&span, 2 * MIB);
        give(&span);
        finish();
    }
}

/* A span that does not fit at all is a use of the pool like any other. */
static void
test_a_span_too_large_lets_the_old_ones_go(void)
{
    begin(KERNEL_MAINLINE, ANY_RUNG);
    spans_set_pool_limit(MIB);
    struct span old = take(2 * MIB, MIB, 1), large = take(2 * MIB, 2 * MIB - 1, 1);
    give(&old);
    kernel.now_ms = SPANS_POOL_IDLE_MS + 1;
    give(&large);
    CHECK(spans_stats().retained == 0 && kernel.nbytes == 0);
    finish();
}

/* What could not be kept anyway sends nothing else away. */
static void
test_a_span_too_large_leaves_the_others(void)
{
    begin(KERNEL_MAINLINE, ANY_RUNG);
    spans_set_pool_limit(MIB);
    struct span first = take(2 * MIB, MIB / 4, 1), second = take(2 * MIB, MIB / 4, 1);
    struct span large = take(2 * MIB, MIB + 1, 1);
    give(&first);
    give(&second);
    give(&large);
    CHECK(spans_stats().retained == 2 && retained_nbytes() == MIB / 2);
    finish();
}

/* Pages that a helper has touched past `ready` are not among what is counted. */
static void
test_what_was_touched_ahead_is_not_kept(void)
{
    begin(KERNEL_MAINLINE, ANY_RUNG);
    const size_t ready[] = {MIB, 4 * MIB - 1};
    for (int i = 0; i < 2; i++) {
        struct span span = take(4 * MIB, ready[i], 1);
        char *address = span.address;
        (void)pages_populate(address, 4 * MIB);
        span.touched = true;
        give(&span);
        CHECK(spans_stats().retained == 1 && retained_nbytes() == ready[i]);
        CHECK(is_filled(address, ready[i], 1));
        CHECK(kernel_resident(address, 4 * MIB) == growth_round_up(ready[i], 4096));
        spans_trim();
    }
    finish();
}

/* Nor where a part of the span has gone since. */
static void
test_what_was_touched_ahead_of_a_part_is_not_kept(void)
{
    for (int i = 0; i < 3; i++) {
        begin(KERNEL_MAINLINE, PAGES_DONTUNMAP);
        struct span part = {0}, span = take(8 * MIB, 3 * MIB, 1);
        (void)pages_populate(span.address, 8 * MIB);
        span.touched = true;
        switch (i) {
        case 0:
            spans_cut(&span, 6 * MIB);
            break;
        case 1:
            spans_cut_front(&span, 2 * MIB);
            break;
        default:
            CHECK(spans_extract(&span, 0, MIB, 3 * MIB, &part) == 0);
            give(&part);
            break;
        }
        char *address = span.address;
        size_t length = span.length, ready = span.ready;
        give(&span);
        CHECK(kernel_resident(address, length) <= growth_round_up(ready, 4096));
        finish();
    }
}

/* What is taken is in use again, and what comes back begins anew. */
static void
test_what_is_used_now_and_then_stays(void)
{
    begin(KERNEL_MAINLINE, ANY_RUNG);
    char *warm = keep_warm(4 * MIB, 3 * MIB);
    for (int i = 0; i < 10; i++) {
        kernel.now_ms += SPANS_POOL_IDLE_MS;
        struct span piece = take(2 * MIB, 0, 0); /* the rest of it is joined again */
        CHECK(piece.address == warm && spans_stats().retained == 1);
        give(&piece);
        CHECK(spans_stats().retained == 1 && retained_nbytes() == 3 * MIB);
    }
    kernel.now_ms += 10 * SPANS_POOL_IDLE_MS;
    struct span late = take(4 * MIB, 0, 0);
    CHECK(late.address == warm && late.ready == 3 * MIB);
    give(&late);
    CHECK(spans_stats().retained == 1);
    finish();
}

/* The rest of a span that was split is as old as it was. */
static void
test_a_rest_keeps_its_age(void)
{
    begin(KERNEL_MAINLINE, ANY_RUNG);
    struct span other = take(2 * MIB, MIB, 1);
    char *warm = keep_warm(4 * MIB, 3 * MIB);
    kernel.now_ms = SPANS_POOL_IDLE_MS;
    struct span piece = take(2 * MIB, 0, 0);
    kernel.now_ms++;
    give(&other);
    CHECK(spans_stats().retained == 1 && retained_nbytes() == MIB);
    CHECK(!kernel_is_mapped(warm + 2 * MIB, 2 * MIB));
    check_span(&piece, 2 * MIB);
    give(&piece);
    finish();
}

/* A move that leaves a source uses the pool, too. */
static void
test_a_move_lets_the_old_ones_go(void)
{
    begin(KERNEL_MAINLINE, ANY_RUNG);
    struct span old = take(2 * MIB, MIB, 1), wall = take(2 * MIB, 0, 0);
    struct span span = take(6 * MIB, MIB, 1);
    give(&old);
    kernel.now_ms = SPANS_POOL_IDLE_MS + 1;
    CHECK(spans_grow(&span, 6 * MIB + 1, 0, MIB) == 0);
    CHECK(spans_stats().retained == 1 && retained_nbytes() == 0);
    give(&wall);
    give(&span);
    finish();
}

static void
test_the_budget_can_be_set(void)
{
    begin(KERNEL_MAINLINE, ANY_RUNG);
    struct span spans[6];
    for (int i = 0; i < 6; i++) {
        CHECK(spans_take(20 * MIB, true, &spans[i]) == 0);
        spans[i].ready = 20 * MIB - 1;
    }
    spans_set_pool_limit(100 * MIB);
    for (int i = 0; i < 6; i++) {
        give(&spans[i]);
    }
    CHECK(spans_stats().retained == 5 && retained_nbytes() == 100 * MIB - 5);
    spans_set_pool_limit(100 * MIB - 5);
    CHECK(spans_stats().retained == 5);
    spans_set_pool_limit(100 * MIB - 6);
    CHECK(spans_stats().retained == 4);
    spans_set_pool_limit(30 * MIB);
    CHECK(spans_stats().retained == 1 && kernel.nbytes == 20 * MIB);
    check_state();
    spans_set_pool_limit(200 * MIB); /* which brings nothing back */
    CHECK(spans_stats().retained == 1);
    finish();
}

static void
test_a_budget_of_nothing_keeps_no_memory(void)
{
    for (EACH_KERNEL_WITH_PAGES(kind)) {
        begin(kind, ANY_RUNG);
        struct span warm = take(4 * MIB, MIB, 1), live = take(4 * MIB, MIB, 2);
        give(&warm);
        spans_set_pool_limit(0);
        CHECK(spans_stats().retained == 0 && kernel.nbytes == 4 * MIB);
        CHECK(spans_grow(&live, 4 * MIB + 1, 0, MIB) == 0);
        CHECK(is_filled(live.address, MIB, 2) && retained_nbytes() == 0);
        check_span(&live, 8 * MIB);
        give(&live);
        CHECK(retained_nbytes() == 0 && spans_stats().live == 0);
        finish();
    }
}

/* Of what is lent nothing can be had back; the pool is empty until enough has been. */
static void
test_a_budget_below_what_is_lent_keeps_nothing(void)
{
    begin(KERNEL_MAINLINE, ANY_RUNG);
    keep_warm(8 * MIB, 8 * MIB - 1);
    struct span first = take(4 * MIB, 0, 0), second = take(2 * MIB, 0, 0);
    struct span fresh;
    CHECK(spans_take(2 * MIB, true, &fresh) == 0);
    fresh.ready = 1;
    CHECK(retained_nbytes() == 2 * MIB - 1);
    spans_set_pool_limit(4 * MIB);
    CHECK(spans_stats().retained == 0);
    give(&fresh);
    CHECK(spans_stats().retained == 0 && kernel.nbytes == 6 * MIB);
    give(&first);
    CHECK(retained_nbytes() == 2 * MIB - 1); /* the front of it, as far as that goes */
    give(&second);
    CHECK(retained_nbytes() <= 4 * MIB && retained_nbytes() > 0);
    finish();
}

static struct span from_elsewhere;
static int (*fake_unmap)(void *, size_t);

/* While one thread waits for the system, another gives a span back. */
static int
unmap_meanwhile(void *address, size_t length)
{
    pages_ops.unmap = fake_unmap;
    spans_give(&from_elsewhere);
    return fake_unmap(address, length);
}

static void
test_what_comes_meanwhile_counts_towards_the_budget(void)
{
    begin(KERNEL_MAINLINE, ANY_RUNG);
    spans_set_pool_limit(17 * MIB);
    struct span large, old = take(2 * MIB, 1, 1);
    CHECK(spans_take(10 * MIB, true, &large) == 0);
    large.ready = 10 * MIB - 1;
    keep_warm(16 * MIB, 16 * MIB - 1);
    CHECK(spans_take(16 * MIB, false, &from_elsewhere) == 0);
    CHECK(lent(&from_elsewhere) > 10 * MIB);
    give(&old);
    kernel.now_ms += SPANS_POOL_IDLE_MS + 1;
    fake_unmap = pages_ops.unmap;
    pages_ops.unmap = unmap_meanwhile;
    give(&large);
    CHECK(pages_ops.unmap == fake_unmap);
    CHECK(retained_nbytes() == 16 * MIB - 1);
    finish();
}

/* -------------------------------------------------------------------- what is offered */

/* The memory of huge pages from 16 MiB on, once nobody uses it; small ones never. */
static void
test_huge_memory_is_offered_to_the_system(void)
{
    for (int i = 0; i < 3 * KERNEL_NO_PAGES; i++) {
        const size_t ready[] = {16 * MIB, 16 * MIB + 1, 20 * MIB};
        begin(i / 3, ANY_RUNG);
        struct span small = take(24 * MIB, 1, 1), large = take(24 * MIB, 1, 1);
        small.ready = large.ready = ready[i % 3];
        large.huge = true;
        give(&small);
        CHECK(kernel.noffers == 0);
        size_t expected = i % 3 == 0 || i / 3 == KERNEL_OLD ? 0 : 8 * MIB;
        give(&large);
        CHECK(kernel.noffers == (expected > 0) && kernel.offered_nbytes == expected);
        CHECK(spans_stats().retained == 2);
        finish();
    }
}

/* Under pressure it reads as zero, in front of it all is there; and the pieces of it are
 * what pieces are. */
static void
test_offered_memory_may_be_gone(void)
{
    for (int pressed = 0; pressed < 2; pressed++) {
        begin(KERNEL_MAINLINE, ANY_RUNG);
        kernel.pressed = pressed;
        struct span span = take(24 * MIB, 20 * MIB, 1), piece;
        span.huge = true;
        char *address = span.address;
        give(&span);
        CHECK(is_filled(address, 16 * MIB, 1));
        CHECK(is_zero(address + 16 * MIB, 4 * MIB) == pressed);
        CHECK(spans_take(17 * MIB, false, &piece) == 0);
        CHECK(piece.address == address && piece.huge && piece.ready == 18 * MIB - 1);
        fill(address, 18 * MIB - 1, 2);
        CHECK(spans_grow(&piece, 19 * MIB, 0, 18 * MIB - 1) == 0);
        CHECK(piece.address == address && is_filled(address, 18 * MIB - 1, 2));
        check_span(&piece, 24 * MIB);
        give(&piece);
        finish();
    }
}

/* ----------------------------------------------------------------- small pages, huge */

/* Where the system would give huge pages to anybody, a small span asks for none. */
static void
test_a_fresh_span_is_of_small_pages(void)
{
    for (int huge = 0; huge < PAGES_NHUGE; huge++) {
        for (EACH_KERNEL_WITH_PAGES(kind)) {
            begin(kind, ANY_RUNG);
            CASE("huge pages %s", pages_huge_names[huge]);
            pages_facts.huge = huge;
            bool refused = huge == PAGES_HUGE_ALWAYS;
            enum kernel_huge told = refused ? KERNEL_HUGE_REFUSED : KERNEL_HUGE_UNSAID;
            struct span wall = take(2 * MIB, 0, 0), span = take(2 * MIB, MIB, 1);
            CHECK(kernel.calls[KERNEL_ADVISE] == (refused ? 2 : 0) + 1u);
            CHECK(kernel_is_advised(span.address, 2 * MIB, told));
            CHECK(spans_grow(&span, 2 * MIB + 1, 0, MIB) == 0);
            CHECK(kernel_is_advised(span.address, 4 * MIB, told));
            give(&wall);
            give(&span);
            finish();
        }
    }
}

/* It is only advice. */
static void
test_a_span_can_do_without_the_advice(void)
{
    begin(KERNEL_MAINLINE, ANY_RUNG);
    pages_facts.huge = PAGES_HUGE_ALWAYS;
    kernel_fail(2, EINVAL);
    struct span span = take(2 * MIB, MIB, 1);
    CHECK(kernel.nfailed == 1);
    check_span(&span, 2 * MIB);
    give(&span);
    finish();
}

/* ------------------------------------------------------------------------ the pool */

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
    struct span span = take(SPANS_POOL_NBYTES, 0, 0); /* less would be a piece */
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
    for (EACH_KERNEL_WITH_PAGES(kind)) {
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

/* ------------------------------------------------------------------- cut and discard */

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

/* ------------------------------------------------------------------------- growing */

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
    for (EACH_KERNEL_WITH_PAGES(kind)) {
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
    for (EACH_KERNEL_WITH_PAGES(kind)) {
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
    for (EACH_KERNEL_WITH_PAGES(kind)) {
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
    for (EACH_KERNEL_WITH_PAGES(kind)) {
        begin(kind, ANY_RUNG);
        struct span span = take(2 * MIB, MIB, 1), warm = take(4 * MIB, MIB, 2);
        give(&warm);
        CHECK(spans_grow(&span, SIZE_MAX, 0, MIB) == ENOMEM);
        CHECK(spans_grow(&span, SIZE_MAX / 2, 0, MIB) == ENOMEM);
        CHECK(is_filled(span.address, MIB, 1));
        check_span(&span, 2 * MIB);
        CHECK(spans_grow(&span, SIZE_MAX / 4, 0, MIB) == ENOMEM);
        CHECK(is_filled(span.address, MIB, 1));
        check_span(&span, 2 * MIB);
        give(&span);
        finish();
    }
}

/* Nothing was refused, so there is no reason to give anything up; nor is what lies behind
 * taken where that is another mapping. */
static void
test_growing_leaves_the_warm_spans_in_the_pool(void)
{
    for (int i = 0; i < 2 * KERNEL_NO_PAGES; i++) {
        begin(i / 2, ANY_RUNG);
        kernel.bottom_up = i % 2;
        struct span span = take(2 * MIB, MIB, 1), warm = take(2 * MIB, MIB, 2);
        give(&warm);
        CHECK(spans_grow(&span, 2 * MIB + 1, 0, MIB) == 0);
        CHECK(spans_stats().retained_nbytes == MIB);
        give(&span);
        finish();
    }
}

/* ---------------------------------------------------------------------- adversities */

/* While the place for the pages is free, somebody else maps there: they go elsewhere. */
static void
test_a_lost_race_for_the_target_costs_only_its_alignment(void)
{
    begin(KERNEL_MAINLINE, PAGES_DONTUNMAP);
    struct span span = take(2 * MIB, MIB, 1);
    kernel.squatters = 1;
    CHECK(spans_grow(&span, 2 * MIB + 1, 0, MIB) == 0);
    CHECK(kernel.squatters == 0);
    CHECK(is_filled(span.address, MIB, 1));
    check_span(&span, 4 * MIB);
    give(&span);
    finish();
}

/*   the limit holds        the span of 16 MiB and
 *   32 MiB more            twice as much: as ever
 *   4, 2 MiB               an eighth ahead, or what is needed: without a target
 *   1 MiB                  nothing, and the span is what it was */
static void
test_where_address_space_is_short_the_steps_are_short(void)
{
    const size_t spare[] = {32, 4, 2, 1};
    const size_t lengths[] = {32, 20, 18, 16};
    const enum kernel_kind kinds[] = {KERNEL_2014, KERNEL_MAINLINE, KERNEL_OLD};
    for (int i = 0; i < 12; i++) {
        begin(kinds[i / 4], ANY_RUNG);
        CASE("a kernel %s, %zu MiB to spare", kernel_names[kinds[i / 4]], spare[i % 4]);
        struct span wall = take(2 * MIB, 0, 0), span = take(16 * MIB, 16 * MIB - 1, 1);
        kernel.most_nbytes = kernel.nbytes + spare[i % 4] * MIB;
        int error = spans_grow(&span, 16 * MIB + 1, 0, 16 * MIB - 1);
        CHECK(error == (spare[i % 4] == 1 ? ENOMEM : 0));
        CHECK(is_filled(span.address, 16 * MIB - 1, 1));
        check_span(&span, lengths[i % 4] * MIB);
        give(&wall);
        give(&span);
        finish();
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

/* Grow a span in a kernel with some in the pool while the `n`th call fails. `late` is
 * what kernel.late is; `pieces`: it is a piece and first grows over the next. What is
 * old is given back on the way, and something large offered. */
static bool
grow_with_failure(enum kernel_kind kind, size_t n, bool late, bool pieces)
{
    begin(kind, ANY_RUNG);
    CASE("a kernel %s, call %zu fails, late %d, pieces %d", kernel_names[kind], n, late,
         pieces);
    struct span warm = take(2 * MIB, 1000, 3), cold = take(4 * MIB, 0, 0);
    struct span wall = take(2 * MIB, 0, 0), large = take(18 * MIB, 0, 0);
    if (pieces) {
        keep_warm(6 * MIB, 6 * MIB - 1);
    }
    struct span span = take(pieces ? 2 * MIB : 4 * MIB, 2 * MIB - 1, 1);
    large.huge = true;
    large.ready = 17 * MIB;
    give(&warm);
    give(&cold);
    kernel.late = late;
    kernel_fail(n, ENOMEM);
    CHECK(!pieces || spans_grow(&span, 2 * MIB + 1, 0, 2 * MIB - 1) == 0);
    CHECK(kernel.nfailed == 0); /* that was no call at all */
    give(&large);
    CHECK(spans_grow(&span, 4 * MIB + 1, 0, 2 * MIB - 1) == 0);
    kernel.now_ms += SPANS_POOL_IDLE_MS + 1;
    CHECK(spans_grow(&span, 8 * MIB + 1, 0, 2 * MIB - 1) == 0);
    bool failed = kernel.nfailed > 0;
    CHECK(is_filled(span.address, 2 * MIB - 1, 1));
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
    for (EACH_KERNEL_WITH_PAGES(kind)) {
        for (int variant = 0; variant < 4; variant++) {
            size_t n = 1;
            while (grow_with_failure(kind, n, variant & 1, variant & 2)) {
                n++;
            }
            CHECK(n > 3);
        }
    }
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
    for (EACH_KERNEL_WITH_PAGES(kind)) {
        for (size_t n = 1; grow_in_outage(kind, n); n++) {
        }
    }
}

/* ---------------------------------------------------------------------- extracting */

/*   span       |<-1->|<--from..to-->|<-- rest -->|
 *   extracted  |<-1->|<--from..to-->|              and where it was there is nothing
 */
static void
extract(size_t from, size_t to, size_t end)
{
    begin(KERNEL_MAINLINE, ANY_RUNG);
    CASE("%zu to %zu of %zu", from, to, end);
    struct span span = take(end + 1, end, 1), extracted;
    char *was = span.address;
    size_t length = span.length;
    fill(span.address + from, to - from, 2);
    fill(span.address + to, end - to, 3);
    uint64_t copied = spans_stats().copied_nbytes;
    CHECK(spans_extract(&span, from, to, end, &extracted) == 0);
    size_t first = from % GROWTH_QUANTUM;
    CHECK(is_filled(extracted.address + first, to - from, 2));
    CHECK((uintptr_t)extracted.address % GROWTH_QUANTUM == 0);
    CHECK(extracted.ready >= first + to - from);
    CHECK(extracted.ready <= first + end - from);
    check_span(&extracted, growth_round_up(first + to - from + 1, GROWTH_QUANTUM));
    CHECK(span.address == was && is_filled(was + to, end - to, 3));
    CHECK(is_zero(was + from, to - from));
    check_span(&span, length);
    size_t border = growth_round_up(to + 1, GROWTH_QUANTUM);
    CHECK(spans_stats().copied_nbytes - copied == (end < border ? end : border) - to);
    CHECK(spans_stats().live == 2 && spans_stats().retained == 0);
    give(&extracted);
    give(&span);
    finish();
}

static void
test_extracting_leaves_the_rest_where_it_was(void)
{
    const size_t cases[][3] = {
        {0, 100, 200},
        {0, 2 * MIB - 1, 3 * MIB},
        {0, 2 * MIB, 3 * MIB},
        {0, 2 * MIB, 2 * MIB},
        {1, 4 * MIB - 1, 6 * MIB - 1},
        {2 * MIB - 1, 2 * MIB, 4 * MIB},
        {2 * MIB, 2 * MIB + 1, 5 * MIB},
        {3 * MIB, 5 * MIB, 5 * MIB},
        {5 * MIB + 7, 7 * MIB + 7, 9 * MIB},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        extract(cases[i][0], cases[i][1], cases[i][2]);
    }
}

/* On a kernel of 2014 it would stay, but what does not grow does not move there. */
static void
test_extracting_needs_a_source_that_stays(void)
{
    for (EACH_KERNEL_WITH_PAGES(kind)) {
        begin(kind, kind == KERNEL_2014 ? PAGES_RETAIN : PAGES_MAYMOVE);
        struct span span = take(3 * MIB, 3 * MIB, 1), extracted;
        size_t calls = kernel.ncalls;
        CHECK(spans_extract(&span, 0, 2 * MIB, 3 * MIB, &extracted) == ENOTSUP);
        CHECK(kernel.ncalls == calls && is_filled(span.address, 3 * MIB, 1));
        give(&span);
        finish();
    }
}

/* A span is what it was, whichever call fails, and nothing is left behind; but where the
 * target could not be freed, the pages go elsewhere. */
static void
test_extracting_that_fails_changes_nothing(void)
{
    for (size_t n = 1, nfailed = 1; nfailed > 0; n++) {
        begin(KERNEL_MAINLINE, ANY_RUNG);
        CASE("call %zu fails", n);
        struct span span = take(3 * MIB, 3 * MIB, 1), extracted;
        kernel.late = n % 2;
        kernel_fail(n, ENOMEM);
        int error = spans_extract(&span, MIB, 2 * MIB, 3 * MIB, &extracted);
        nfailed = kernel.nfailed;
        CHECK(error == (nfailed > 0 && n != 2 ? ENOMEM : 0) && n < 5);
        CHECK(is_filled(span.address, 3 * MIB, 1) == (error != 0));
        CHECK(kernel.nbytes == (error ? 4 * MIB : 8 * MIB));
        if (error == 0) {
            give(&extracted);
        }
        give(&span);
        finish();
    }
}

static void
test_extracting_ends_a_loan(void)
{
    begin(KERNEL_MAINLINE, ANY_RUNG);
    struct span warm = take(12 * MIB, 12 * MIB - 1, 1), extracted;
    give(&warm);
    struct span piece = take(4 * MIB, 0, 0);
    CHECK(lent(&piece) == 4 * MIB - pages_facts.page_nbytes);
    CHECK(spans_extract(&piece, 0, MIB, 4 * MIB - 1, &extracted) == 0);
    CHECK(lent(&piece) == 0 && lent(&extracted) == 0);
    give(&extracted);
    give(&piece);
    finish();
}

static void
test_the_front_is_given_back(void)
{
    for (EACH_KERNEL_WITH_PAGES(kind)) {
        begin(kind, ANY_RUNG);
        struct span warm = take(12 * MIB, 12 * MIB - 1, 1);
        give(&warm);
        struct span piece = take(6 * MIB, 0, 0);
        char *address = piece.address;
        fill(address, 6 * MIB - 1, 2);
        fill(address + 4 * MIB, 2 * MIB - 1, 3);
        size_t nbytes = kernel.nbytes;
        spans_cut_front(&piece, 0);
        CHECK(piece.address == address && lent(&piece) > 0);
        spans_cut_front(&piece, 4 * MIB);
        CHECK(piece.address == address + 4 * MIB && piece.ready == 2 * MIB - 1);
        CHECK(is_filled(piece.address, 2 * MIB - 1, 3) && lent(&piece) == 0);
        CHECK(kernel.nbytes == nbytes - 4 * MIB);
        check_span(&piece, 2 * MIB);
        give(&piece);
        finish();
    }
}

/* ------------------------------------------------------------------------ reserving */

static void
test_reserved_space_is_no_memory(void)
{
    for (int i = 0; i < KERNEL_NO_PAGES * PAGES_NHUGE; i++) {
        begin(i / PAGES_NHUGE, ANY_RUNG);
        pages_facts.huge = i % PAGES_NHUGE;
        char *address;
        CHECK(spans_reserve(8 * MIB, &address) == 0);
        CHECK((uintptr_t)address % GROWTH_QUANTUM == 0);
        CHECK(kernel_is_closed(address, 8 * MIB) && kernel_is_hidden(address, 8 * MIB));
        CHECK(kernel.nbytes == 8 * MIB && spans_stats().live == 1);
        CHECK(spans_stats().reserved_nbytes == 8 * MIB);
        CHECK(kernel_is_advised(address, 8 * MIB,
                                pages_facts.huge == PAGES_HUGE_ALWAYS
                                    ? KERNEL_HUGE_REFUSED
                                    : KERNEL_HUGE_UNSAID));
        CHECK(spans_open(address, 0, 2 * MIB) == 0);
        CHECK(spans_open(address, 2 * MIB, 6 * MIB) == 0);
        CHECK(kernel_is_mapped(address, 6 * MIB) && kernel_is_dumped(address, 6 * MIB));
        CHECK(kernel_is_closed(address + 6 * MIB, 2 * MIB));
        fill(address, 6 * MIB, 1);
        spans_release(address, 8 * MIB);
        CHECK(kernel.nbytes == 0 && spans_stats().retained == 0);
        CHECK(spans_stats().reserved_nbytes == 0);
        finish();
    }
}

/* What makes it dearer than it must be, but is no reason to do without. */
static void
test_space_can_do_without_the_advice(void)
{
    for (size_t n = 2; n < 4; n++) {
        begin(KERNEL_MAINLINE, ANY_RUNG);
        pages_facts.huge = PAGES_HUGE_ALWAYS;
        char *address;
        kernel_fail(n, EINVAL);
        CHECK(spans_reserve(4 * MIB, &address) == 0);
        CHECK(kernel.nfailed == 1 && kernel_is_hidden(address, 4 * MIB) == (n == 2));
        spans_release(address, 4 * MIB);
        finish();
    }
}

static void
test_space_that_cannot_be_had_is_an_error(void)
{
    char *address;
    begin(KERNEL_NO_PAGES, ANY_RUNG);
    CHECK(spans_reserve(2 * MIB, &address) == ENOTSUP);
    begin(KERNEL_MAINLINE, ANY_RUNG);
    kernel.most_nbytes = 7 * MIB;
    CHECK(spans_reserve(8 * MIB, &address) == ENOMEM && spans_stats().live == 0);
    struct span span = take(4 * MIB, 100, 1);
    give(&span);
    CHECK(spans_reserve(6 * MIB, &address) == 0 && spans_stats().retained == 0);
    kernel.most_nbytes = 0;
    span = take(4 * MIB, 100, 1);
    give(&span);
    kernel_fail(1, ENOMEM);
    CHECK(spans_open(address, 0, 2 * MIB) == 0 && spans_stats().retained == 0);
    kernel_fail(1, ENOMEM);
    CHECK(spans_open(address, 2 * MIB, 6 * MIB) == ENOMEM);
    CHECK(kernel_is_closed(address + 2 * MIB, 4 * MIB));
    spans_release(address, 6 * MIB);
    finish();
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
    RUN(test_a_warm_span_is_lent_in_pieces);
    RUN(test_what_is_warm_no_further_is_not_split);
    RUN(test_a_growing_span_absorbs_what_is_warm_behind_it);
    RUN(test_what_was_absorbed_moves_with_the_rest);
    RUN(test_what_cannot_be_absorbed_stays);
    RUN(test_what_is_another_mapping_is_not_absorbed_or_joined);
    RUN(test_what_has_moved_is_not_joined);
    RUN(test_what_has_moved_to_the_end_is_not_joined);
    RUN(test_pieces_join_in_any_order);
    RUN(test_what_is_joined_is_ready_to_the_last_warm_byte);
    RUN(test_what_does_not_fit_is_not_joined);
    RUN(test_what_is_lent_counts_towards_the_budget);
    RUN(test_a_loan_ends_in_each_of_these_ways);
    RUN(test_a_loan_moves_along);
    RUN(test_a_loan_survives_a_refusal);
    RUN(test_what_nobody_takes_for_long_goes);
    RUN(test_taking_lets_the_old_ones_go);
    RUN(test_a_span_too_large_lets_the_old_ones_go);
    RUN(test_a_span_too_large_leaves_the_others);
    RUN(test_what_was_touched_ahead_is_not_kept);
    RUN(test_what_was_touched_ahead_of_a_part_is_not_kept);
    RUN(test_what_is_used_now_and_then_stays);
    RUN(test_a_rest_keeps_its_age);
    RUN(test_a_move_lets_the_old_ones_go);
    RUN(test_the_budget_can_be_set);
    RUN(test_a_budget_of_nothing_keeps_no_memory);
    RUN(test_a_budget_below_what_is_lent_keeps_nothing);
    RUN(test_what_comes_meanwhile_counts_towards_the_budget);
    RUN(test_huge_memory_is_offered_to_the_system);
    RUN(test_offered_memory_may_be_gone);
    RUN(test_a_fresh_span_is_of_small_pages);
    RUN(test_a_span_can_do_without_the_advice);
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
    RUN(test_growing_leaves_the_warm_spans_in_the_pool);
    RUN(test_a_lost_race_for_the_target_costs_only_its_alignment);
    RUN(test_where_address_space_is_short_the_steps_are_short);
    RUN(test_where_address_space_is_short_the_pool_goes_first);
    RUN(test_at_the_limit_of_mappings_spans_still_grow);
    RUN(test_an_end_that_cannot_be_cut_off_holds_no_memory);
    RUN(test_one_failing_call_never_stops_growth);
    RUN(test_an_outage_costs_nothing_but_an_error);
    RUN(test_extracting_leaves_the_rest_where_it_was);
    RUN(test_extracting_needs_a_source_that_stays);
    RUN(test_extracting_that_fails_changes_nothing);
    RUN(test_extracting_ends_a_loan);
    RUN(test_the_front_is_given_back);
    RUN(test_reserved_space_is_no_memory);
    RUN(test_space_can_do_without_the_advice);
    RUN(test_space_that_cannot_be_had_is_an_error);
    return check_done();
}
