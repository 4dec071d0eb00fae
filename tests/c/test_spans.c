/* Test on each kernel how spans are taken, given back and moved, and the bounds of the
 * pool. */
#include <errno.h>

#include "fixture.h"
#include "moves.h"

/* Take a span and write to the first `nbytes`. */
static struct span
take(size_t needed, size_t nbytes, uint64_t seed)
{
    struct span span;
    CHECK(spans_take(needed, false, &span) == 0);
    pool_take_tail(&span, nbytes);
    fill(span.address, nbytes, seed);
    span.dirty_end = span.dirty_end > nbytes ? span.dirty_end : nbytes;
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

/* How many bytes of a span must be accessible: all, or those up to `dirty_end` if spans
 * are made accessible in steps. */
static size_t
opened_nbytes(const struct span *span)
{
    return pages_facts.in_steps ? growth_round_up(span->dirty_end + 1, PAGE)
                                : span->length;
}

/* Check the length of a span, and that all bytes from `dirty_end` on are zero, except
 * for those of the tail. */
static void
check_span(const struct span *span, size_t length)
{
    struct span tail = pool_tail(span);
    size_t to = span->length, from = to;
    if (tail.length > 0) {
        from = (size_t)(tail.address - span->address);
        to = from + tail.length;
    }
    CHECK(span->length == length);
    CHECK(kernel_is_mapped(span->address, opened_nbytes(span)));
    CHECK_SOUND(spans_check(span));
    if (pages_facts.in_steps) {
        from = to = opened_nbytes(span);
        length = to;
    }
    CHECK(is_zero(span->address + span->dirty_end, from - span->dirty_end));
    CHECK(is_zero(span->address + to, length - to));
    check_state();
}

/* -------------------------------------------------------------------- take and give */

static void
test_spans_take_fresh_is_zero_and_aligned(void)
{
    for (EACH_KERNEL_WITH_PAGES(kind)) {
        begin(kind, ANY_RUNG);
        const size_t needs[] = {1, 2 * MIB, 2 * MIB + 1, 5 * MIB};
        struct span spans[4];
        for (int i = 0; i < 4; i++) {
            CHECK(spans_take(needs[i], i % 2, &spans[i]) == 0);
            CHECK((uintptr_t)spans[i].address % GROWTH_QUANTUM == 0);
            CHECK(spans[i].dirty_end == 0 && !spans[i].huge);
            check_span(&spans[i], growth_span(needs[i], 0));
            CHECK(pool_stats().live == (uint64_t)i + 1);
        }
        for (int i = 0; i < 4; i++) {
            give(&spans[i]);
        }
        finish();
    }
}

/* Where mappings cannot be cut, spans_cut() does not change the length of a span, and
 * the next owner gets the whole span. */
static void
test_spans_cut_where_mappings_cannot_be_cut_keeps_the_length(void)
{
    begin(KERNEL_WHOLE, ANY_RUNG);
    struct span span = take(6 * MIB, 5 * MIB, 1), again;
    char *address = span.address;
    spans_cut(&span, 2 * MIB);
    CHECK(span.length == 6 * MIB && span.dirty_end == 2 * MIB);
    CHECK(is_filled(address, 2 * MIB, 1) && is_zero(address + 2 * MIB, PAGE));
    CHECK(kernel_is_closed(address + 2 * MIB + PAGE, 4 * MIB - PAGE));
    give(&span);
    CHECK(spans_take(2 * MIB, false, &again) == 0);
    CHECK(again.address == address && again.length == 6 * MIB);
    give(&again);
    finish();
}

/* Where memory counts as used once it is accessible, no more is opened than is
 * needed. */
static void
test_spans_in_steps_open_what_is_needed(void)
{
    begin(KERNEL_WHOLE, ANY_RUNG);
    struct span span;
    CHECK(spans_take(MIB, false, &span) == 0 && span.length == 2 * MIB);
    CHECK(kernel_is_mapped(span.address, MIB));
    CHECK(kernel_is_closed(span.address + MIB, MIB));
    fill(span.address, 100, 1);
    span.dirty_end = 100;
    CHECK(spans_grow(&span, 2 * MIB + 1, 0, 100) == 0 && span.dirty_end == 100);
    CHECK(kernel_is_closed(span.address + PAGE, span.length - PAGE));
    give(&span);
    (void)pool_drain();
    finish();
}

/* The pool is empty, so no call is repeated. A call that fails is an error, unless it
 * is only advice. */
static void
test_spans_take_in_steps_with_one_call_failing_fails_unless_it_is_advice(void)
{
    const enum kernel_call calls[] = {KERNEL_MAP,    KERNEL_ADVISE,  KERNEL_PROTECT,
                                      KERNEL_ADVISE, KERNEL_PROTECT, KERNEL_ADVISE};
    for (size_t n = 1; n <= 7; n++) {
        begin(KERNEL_WHOLE, ANY_RUNG);
        CASE("call %zu fails", n);
        size_t protects = kernel.calls[KERNEL_PROTECT];
        struct span span;
        kernel_fail(n, ENOMEM);
        int error = spans_take(MIB, false, &span);
        CHECK(kernel.nfailed == (n <= 6));
        CHECK(error == (n <= 6 && calls[n - 1] != KERNEL_ADVISE ? ENOMEM : 0));
        CHECK(error == 0 || kernel.calls[KERNEL_PROTECT] - protects == n / 2);
        CHECK(pool_stats().live == (error == 0));
        if (error == 0) {
            check_span(&span, 2 * MIB);
            CHECK(kernel_is_mapped(span.address, MIB));
            give(&span);
        }
        finish();
    }
}

static void
test_spans_take_refused_is_an_error(void)
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

/* All dirty bytes are needed here. The tests "in pieces" below need only a part. */
static void
test_spans_take_gets_a_dirty_span_without_a_call(void)
{
    begin(KERNEL_MAINLINE, ANY_RUNG);
    struct span less = take(2 * MIB, 100, 1), dirty = take(4 * MIB, 3 * MIB, 2);
    char *dirtiest = dirty.address;
    give(&dirty);
    give(&less);
    CHECK(pool_stats().nbytes == 3 * MIB + 100);
    size_t calls = kernel.ncalls;
    struct span span;
    CHECK(spans_take(3 * MIB, false, &span) == 0);
    CHECK(span.address == dirtiest && span.dirty_end == 3 * MIB &&
          kernel.ncalls == calls);
    check_span(&span, 4 * MIB);
    CHECK(pool_stats().nentries == 1 && pool_stats().nbytes == 100);
    give(&span);
    finish();
}

static void
test_spans_take_leaves_a_dirty_span_that_is_too_short(void)
{
    begin(KERNEL_MAINLINE, ANY_RUNG);
    struct span dirty = take(2 * MIB, MIB, 1);
    give(&dirty);
    struct span span = take(2 * MIB + 1, 0, 0);
    CHECK(pool_stats().nentries == 1 && span.dirty_end == 0);
    give(&span);
    finish();
}

/* Below 32 MiB a request for zeros may get dirty pages, because clearing them is faster
 * than page faults on fresh ones. For 32 MiB and more, fresh pages cost less. */
static void
test_spans_take_zeroed_gets_dirty_pages_below_32_mib_only(void)
{
    for (int i = 0; i < 4; i++) {
        begin(KERNEL_MAINLINE, ANY_RUNG);
        CASE("%d", i);
        size_t needed = i % 2 ? GROWTH_FRESH_ZEROS_MIN : GROWTH_FRESH_ZEROS_MIN - 1;
        struct span dirty = take(32 * MIB, 32 * MIB - 1, 1), span;
        char *address = dirty.address;
        give(&dirty);
        CHECK(spans_take(needed, i / 2, &span) == 0);
        CHECK((span.address == address) == (i < 3));
        CHECK((span.dirty_end > 0) == (i < 3));
        check_span(&span, 32 * MIB);
        give(&span);
        finish();
    }
}

/* A zero span of the pool is taken if a new span would have the same length. */
static void
test_spans_take_gets_a_zero_span_of_its_length(void)
{
    begin(KERNEL_MAINLINE, ANY_RUNG);
    struct span zero = take(4 * MIB, 0, 0), span;
    char *address = zero.address;
    give(&zero);
    CHECK(pool_stats().nentries == 1 && pool_stats().nbytes == 0);
    span = take(2 * MIB, 0, 0);
    CHECK(span.address != address);
    give(&span);
    CHECK(spans_take(3 * MIB, true, &span) == 0 && span.address == address);
    give(&span);
    finish();
}

/* Writing the first byte of a span in huge pages takes 2 MiB of memory. */
static void
test_spans_take_small_gets_no_zero_span_in_huge_pages(void)
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

/* Empty the pool, and put one span of `length` into it that is dirty up to `dirty_end`.
 * Return its address. */
static char *
keep_dirty(size_t length, size_t dirty_end)
{
    struct span span;
    CHECK(pool_drain() || pool_stats().nentries == 0);
    CHECK(spans_take(length, true, &span) == 0);
    char *address = span.address;
    fill(address, dirty_end, 9);
    span.dirty_end = dirty_end;
    give(&span);
    return address;
}

static size_t
kept_nbytes(void)
{
    return pool_stats().nbytes;
}

/* In MiB:
 *
 *   |<------------------- 7 dirty ------------------>|zeros |
 *   |<- first: 2->|<------- second: 4 ------->|<- third: 2->|     */
static void
test_spans_take_gets_pieces_of_a_dirty_span(void)
{
    begin(KERNEL_MAINLINE, ANY_RUNG);
    char *dirty = keep_dirty(8 * MIB, 7 * MIB);
    size_t calls = kernel.ncalls;
    struct span first, second, third;
    CHECK(spans_take(2 * MIB, false, &first) == 0);
    CHECK(first.address == dirty && first.dirty_end == 2 * MIB - 1);
    CHECK(pool_stats().nentries == 1 && kept_nbytes() == 5 * MIB);
    check_span(&first, 2 * MIB);
    CHECK(spans_take(4 * MIB - 1, false, &second) == 0);
    CHECK(second.address == dirty + 2 * MIB && second.dirty_end == 4 * MIB - 1);
    CHECK(pool_stats().nentries == 1 && kept_nbytes() == MIB);
    check_span(&second, 4 * MIB);
    CHECK(spans_take(2 * MIB, false, &third) == 0);
    CHECK(third.address == dirty + 6 * MIB && third.dirty_end == MIB);
    CHECK(pool_stats().nentries == 0 && kept_nbytes() == 0);
    check_span(&third, 2 * MIB);
    CHECK(kernel.ncalls == calls && pool_stats().live == 3);
    give(&first);
    give(&second);
    give(&third);
    finish();
}

/* A request for less than 256 KiB gets a dirty span of 2 MiB in small pages, but no
 * part of a longer span or of one in huge pages. */
static void
test_spans_take_small_gets_no_part_of_a_large_or_huge_span(void)
{
    for (int i = 0; i < 6; i++) {
        bool little = i < 3, huge = i % 3 == 1, large = i % 3 == 2;
        begin(KERNEL_MAINLINE, ANY_RUNG);
        CASE("little %d, huge %d, large %d", little, huge, large);
        size_t length = large ? 4 * MIB : 2 * MIB;
        size_t needed = GROWTH_HUGE_PART_MIN - (little ? 1 : 0);
        struct span dirty = take(length, length - 1, 1), span;
        char *address = dirty.address;
        dirty.huge = huge;
        give(&dirty);
        CHECK(spans_take(needed, false, &span) == 0);
        CHECK((span.address == address) == (!little || i == 0));
        check_span(&span, 2 * MIB);
        give(&span);
        finish();
    }
}

/* If no more is dirty than is needed, the whole span is taken, with its zeros. */
static void
test_spans_take_does_not_split_off_zeros(void)
{
    const size_t dirty_end[] = {2 * MIB - 1, 2 * MIB, 2 * MIB + 1};
    for (int i = 0; i < 3; i++) {
        begin(KERNEL_MAINLINE, ANY_RUNG);
        CASE("%zu bytes are dirty", dirty_end[i]);
        keep_dirty(6 * MIB, dirty_end[i]);
        struct span span;
        CHECK(spans_take(2 * MIB, false, &span) == 0);
        check_span(&span, i < 2 ? 6 * MIB : 2 * MIB);
        CHECK(span.dirty_end == (i < 2 ? dirty_end[i] : 2 * MIB - 1));
        CHECK(kept_nbytes() == (i < 2 ? 0 : 1));
        CHECK(pool_stats().nentries == (i < 2 ? 0 : 1));
        give(&span);
        CHECK(pool_stats().nentries == 1 && kept_nbytes() >= dirty_end[i]);
        finish();
    }
}

static void
test_spans_grow_joins_the_dirty_span_after_it(void)
{
    for (EACH_KERNEL_THAT_CUTS(kind)) {
        begin(kind, ANY_RUNG);
        char *dirty = keep_dirty(16 * MIB, 15 * MIB);
        struct span span = take(2 * MIB, 2 * MIB - 1, 1);
        struct pool_stats before = pool_stats();
        size_t calls = kernel.ncalls;
        CHECK(span.address == dirty);
        CHECK(spans_grow(&span, 2 * MIB + 1, 0, 2 * MIB - 1) == 0);
        CHECK(span.address == dirty && span.dirty_end == 4 * MIB - 1);
        CHECK(kept_nbytes() == 11 * MIB);
        check_span(&span, 4 * MIB);
        /* More than twice the length, because more is needed. */
        CHECK(spans_grow(&span, 9 * MIB, 0, 2 * MIB - 1) == 0);
        CHECK(span.address == dirty && span.dirty_end == 10 * MIB - 1);
        CHECK(kept_nbytes() == 5 * MIB);
        check_span(&span, 10 * MIB);
        /* All the rest, with its zeros, although that is less than twice the length. */
        CHECK(spans_grow(&span, 16 * MIB, 0, 2 * MIB - 1) == 0);
        CHECK(span.address == dirty && span.dirty_end == 15 * MIB);
        check_span(&span, 16 * MIB);
        CHECK(pool_stats().nentries == 0 && kept_nbytes() == 0);
        CHECK(is_filled(span.address, 2 * MIB - 1, 1) && kernel.ncalls == calls);
        CHECK(pool_stats().moves == before.moves);
        CHECK(pool_stats().copies == before.copies && pool_stats().live == 1);
        give(&span);
        finish();
    }
}

/* When a span moves, the pieces that it has joined move with it. */
static void
test_spans_grow_moves_joined_pieces_along(void)
{
    for (EACH_KERNEL_THAT_CUTS(kind)) {
        begin(kind, ANY_RUNG);
        keep_dirty(8 * MIB, 8 * MIB - 1);
        struct span span = take(2 * MIB, 0, 0), next;
        CHECK(spans_grow(&span, 3 * MIB, 0, 0) == 0);
        fill(span.address, 4 * MIB - 1, 1);
        CHECK(spans_take(4 * MIB, false, &next) == 0);
        fill(next.address, 4 * MIB - 1, 2);
        CHECK(next.address == span.address + 4 * MIB);
        uint64_t copies = pool_stats().copies;
        CHECK(spans_grow(&span, 4 * MIB + 1, 0, 4 * MIB - 1) == 0);
        CHECK(pool_stats().copies - copies == (pages_facts.rung == PAGES_COPY));
        CHECK(is_filled(span.address, 4 * MIB - 1, 1));
        CHECK(is_filled(next.address, 4 * MIB - 1, 2));
        check_span(&span, 8 * MIB);
        check_span(&next, 4 * MIB);
        give(&span);
        give(&next);
        finish();
    }
}

enum obstacle { TOO_SHORT, ZERO, IN_USE, FIRST_IS_HUGE, NEXT_IS_HUGE, OBSTACLES };

/* Make the two pieces after the first one an obstacle, so that it cannot grow over
 * them. */
static void
put_after(enum obstacle obstacle, struct span *first, struct span *others)
{
    if (obstacle == ZERO) {
        spans_discard(&others[0], 0);
        spans_discard(&others[1], 0);
    }
    first->huge = obstacle == FIRST_IS_HUGE;
    others[0].huge = others[1].huge = obstacle == NEXT_IS_HUGE;
    if (obstacle != IN_USE) {
        give(&others[0]);
    }
    if (obstacle != TOO_SHORT && obstacle != IN_USE) {
        give(&others[1]);
    }
}

static void
test_spans_grow_leaves_what_it_cannot_join(void)
{
    for (int i = 0; i < OBSTACLES * KERNEL_WHOLE; i++) {
        int kind = i / OBSTACLES, obstacle = i % OBSTACLES;
        begin(kind, ANY_RUNG);
        CASE("a kernel %s, obstacle %d", kernel_names[kind], obstacle);
        keep_dirty(6 * MIB, 6 * MIB - 1);
        struct span span = take(2 * MIB, 2 * MIB - 1, 1);
        struct span others[2] = {take(2 * MIB, 0, 0), take(2 * MIB, 0, 0)};
        char *address = span.address, *next = others[0].address;
        CHECK(next == address + 2 * MIB && others[1].address == next + 2 * MIB);
        put_after(obstacle, &span, others);
        size_t nbytes = kept_nbytes();
        CHECK(spans_grow(&span, 4 * MIB + 1, 0, 2 * MIB - 1) == 0);
        CHECK(span.address != address && is_filled(span.address, 2 * MIB - 1, 1));
        check_span(&span, 6 * MIB);
        CHECK(kept_nbytes() == nbytes && kernel_is_mapped(next, 4 * MIB));
        for (int j = 0; j < 2; j++) {
            if (others[j].address != NULL) {
                give(&others[j]);
            }
        }
        give(&span);
        finish();
    }
}

/* Spans that are adjacent but were mapped by different calls are not joined: they are
 * two mappings, and one call could not move both. */
static void
test_spans_grow_joins_no_other_mapping(void)
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
        CHECK(pool_stats().nentries == 2 && kept_nbytes() == 2 * MIB);
        CHECK(spans_grow(&first, 2 * MIB + 1, 0, MIB) == 0);
        CHECK(kept_nbytes() == 2 * MIB && is_filled(first.address, MIB, 1));
        check_span(&first, 4 * MIB);
        give(&first);
        finish();
    }
}

/* Two adjacent spans are not joined, however many mappings were made after the first
 * and before the second: their numbers differ. */
static void
test_pool_new_mapping_numbers_do_not_repeat(void)
{
    const int counts[] = {(1 << 8) - 1, (1 << 15) - 1, (1 << 16) - 1, (1 << 20) - 1};
    for (int i = 0; i < 4; i++) {
        begin(KERNEL_MAINLINE, ANY_RUNG);
        kernel.bottom_up = true;
        struct span first = take(2 * MIB, MIB, 1);
        for (int j = 0; j < counts[i]; j++) {
            (void)pool_new_mapping();
        }
        struct span second = take(2 * MIB, MIB, 2);
        CHECK(second.address == first.address + 2 * MIB);
        give(&first);
        give(&second);
        CHECK(pool_stats().nentries == 2);
        finish();
    }
}

/* The old addresses of a moved piece are not joined with the pieces beside them. */
static void
test_pool_keep_of_moved_pieces_does_not_join(void)
{
    for (int i = 0; i < 2 * KERNEL_WHOLE; i++) {
        begin(i / 2, ANY_RUNG);
        kernel.bottom_up = i % 2;
        keep_dirty(6 * MIB, 6 * MIB - 1);
        struct span first = take(2 * MIB, 2 * MIB - 1, 1);
        struct span second = take(2 * MIB, 2 * MIB - 1, 2);
        struct span third = take(2 * MIB, 2 * MIB - 1, 3);
        CHECK(spans_grow(&second, 2 * MIB + 1, 0, 2 * MIB - 1) == 0);
        CHECK(is_filled(second.address, 2 * MIB - 1, 2));
        check_span(&second, 4 * MIB);
        give(&third);
        give(&first);
        CHECK(kept_nbytes() == 4 * MIB - 2);
        CHECK(pool_stats().nentries == 2 + (pages_facts.rung >= PAGES_DONTUNMAP));
        give(&second);
        CHECK(kept_nbytes() == 6 * MIB - 3);
        finish();
    }
}

/* A piece that moves to the addresses after the last piece gets a new mapping there, so
 * it is not joined with that piece.
 *
 *   before   |<- first ->|<- second ->|<- third ->|
 *   after    |  source   |<- second ->|<- third ->|<------- first ------->|     */
static void
test_pool_keep_of_a_piece_moved_to_the_end_does_not_join(void)
{
    for (int kind = KERNEL_2014; kind <= KERNEL_OLD; kind++) {
        begin(kind, ANY_RUNG);
        kernel.bottom_up = true;
        keep_dirty(6 * MIB, 6 * MIB - 1);
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
        CHECK(pool_stats().nentries == 2 && kept_nbytes() == 4 * MIB - 2);
        give(&second);
        finish();
    }
}

/* Set one of the 24 orders of 0 to 3, by its number. */
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
test_pool_keep_pieces_in_any_order_joins_them(void)
{
    for (int number = 0; number < 24; number++) {
        int order[4];
        set_order(number, order);
        begin(KERNEL_MAINLINE, ANY_RUNG);
        CASE("order %d%d%d%d", order[0], order[1], order[2], order[3]);
        char *dirty = keep_dirty(8 * MIB, 7 * MIB);
        size_t calls = kernel.ncalls;
        struct span pieces[4], whole;
        for (int i = 0; i < 4; i++) {
            CHECK(spans_take(2 * MIB, false, &pieces[i]) == 0);
            CHECK(pieces[i].address == dirty + (size_t)i * 2 * MIB);
        }
        for (int i = 0; i < 4; i++) {
            give(&pieces[order[i]]);
        }
        CHECK(pool_stats().nentries == 1 && kept_nbytes() == 7 * MIB);
        CHECK(spans_take(8 * MIB, false, &whole) == 0);
        CHECK(whole.address == dirty && whole.dirty_end == 7 * MIB);
        check_span(&whole, 8 * MIB);
        CHECK(kernel.ncalls == calls);
        give(&whole);
        finish();
    }
}

/* The zeros between dirty bytes count as dirty, those after the last one do not:
 *
 *   |dirty| zeros |<---- dirty ---->| zeros |
 *   |dirty| zeros                           |     */
static void
test_pool_keep_joined_is_dirty_to_the_last_dirty_byte(void)
{
    for (int zero = 0; zero < 2; zero++) {
        begin(KERNEL_MAINLINE, ANY_RUNG);
        keep_dirty(4 * MIB, 3 * MIB);
        struct span first = take(2 * MIB, 0, 0), second = take(2 * MIB, 0, 0);
        spans_discard(&first, PAGE);
        if (zero) {
            spans_discard(&second, 0);
        }
        size_t dirty_end = first.dirty_end;
        give(&first);
        give(&second);
        CHECK(pool_stats().nentries == 1);
        CHECK(kept_nbytes() == (zero ? dirty_end : 3 * MIB));
        struct span whole = take(4 * MIB, 0, 0);
        check_span(&whole, 4 * MIB);
        give(&whole);
        finish();
    }
}

/* Neighbours that together are over the limit are not joined: the older one is evicted,
 * and the other one stays. */
static void
test_pool_keep_joins_no_more_than_the_limit(void)
{
    for (int front = 0; front < 2; front++) {
        begin(KERNEL_MAINLINE, ANY_RUNG);
        CASE("given last: the %s piece", front ? "first" : "second");
        keep_dirty(8 * MIB, 8 * MIB - 1);
        struct span first = take(4 * MIB, 0, 0), second = take(4 * MIB, 0, 0);
        struct span *last = front ? &first : &second, *other = front ? &second : &first;
        char *address = last->address;
        give(other);
        pool_set_limit(6 * MIB);
        CHECK(kept_nbytes() == 4 * MIB - 1);
        give(last);
        CHECK(pool_stats().nentries == 1 && kept_nbytes() == 4 * MIB - 1);
        CHECK(kernel_is_mapped(address, 4 * MIB) && kernel.nbytes == 4 * MIB);
        finish();
    }
}

/* --------------------------------------------------------------------------- tails */

/* Take a span of `length`, write all of it, and make a tail of the bytes from `from`
 * on. */
static struct span
take_with_tail(size_t length, size_t from)
{
    struct span span = take(length, length - 1, 1);
    spans_cap(&span, from - 1);
    CHECK(span.dirty_end == from - 1 && span.address[from - 1] == 0);
    return span;
}

static size_t
tail_nbytes(const struct span *span)
{
    return pool_tail(span).length;
}

static void
test_spans_cap_keeps_a_tail_that_comes_back(void)
{
    size_t page = PAGE;
    /* where the tail begins, up to where it is taken back, and dirty_end after that */
    const size_t cases[][3] = {
        {page, 0, page - 1},
        {page, page - 1, page - 1},
        {page, page, 2 * page - 1},
        {page, 2 * page - 1, 2 * page - 1},
        {page, 2 * page, 3 * page - 1},
        {MIB, MIB + 1, MIB + page - 1},
        {MIB, 2 * MIB, 2 * MIB + page - 1},
        {MIB, 4 * MIB - 2, 4 * MIB - 1},
        {MIB, 4 * MIB - 1, 4 * MIB - 1},
        {4 * MIB - page, 9 * MIB, 4 * MIB - 1},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        size_t from = cases[i][0], end = cases[i][1], dirty_end = cases[i][2];
        begin(KERNEL_MAINLINE, ANY_RUNG);
        CASE("from %zu, back to %zu", from, end);
        size_t calls = 0;
        struct span span = take(4 * MIB, 4 * MIB - 1, 1);
        calls = kernel.ncalls;
        spans_cap(&span, from - 1);
        CHECK(span.dirty_end == from - 1 && span.has_tail);
        CHECK(kept_nbytes() == 4 * MIB - from && tail_nbytes(&span) == 4 * MIB - from);
        CHECK(is_filled(span.address, from - 1, 1) && span.address[from - 1] == 0);
        check_span(&span, 4 * MIB);
        pool_take_tail(&span, end);
        CHECK(span.dirty_end == dirty_end && span.address[dirty_end] == 0);
        CHECK(span.has_tail == (dirty_end < 4 * MIB - 1));
        CHECK(tail_nbytes(&span) == 4 * MIB - 1 - dirty_end);
        CHECK(kept_nbytes() == tail_nbytes(&span) && kernel.ncalls == calls);
        check_span(&span, 4 * MIB);
        give(&span);
        CHECK(pool_stats().nentries == 1 && kept_nbytes() == 4 * MIB - 1);
        finish();
    }
}

/* If the bytes end in the middle of a page, the rest of the page is cleared. */
static void
test_spans_cap_within_a_page_clears_the_rest_of_it(void)
{
    for (int locked = 0; locked < 2; locked++) {
        begin(KERNEL_MAINLINE, ANY_RUNG);
        kernel.locked = locked;
        struct span span = take(2 * MIB, 2 * MIB - 1, 1);
        spans_cap(&span, MIB + 5);
        CHECK(span.dirty_end == MIB + 5 && is_filled(span.address, MIB + 5, 1));
        CHECK(tail_nbytes(&span) == MIB - PAGE);
        check_span(&span, 2 * MIB);
        spans_cap(&span, MIB + 5);
        spans_cap(&span, MIB); /* the same page */
        CHECK(span.dirty_end == MIB && tail_nbytes(&span) == MIB - PAGE);
        check_span(&span, 2 * MIB);
        spans_cap(&span, MIB - 1); /* the page before it */
        CHECK(span.dirty_end == MIB - 1 && tail_nbytes(&span) == MIB);
        check_span(&span, 2 * MIB);
        spans_cap(&span, 0);
        CHECK(span.dirty_end == 0 && tail_nbytes(&span) == 2 * MIB - PAGE);
        check_span(&span, 2 * MIB);
        CHECK(pool_stats().nentries == 1);
        give(&span);
        finish();
    }
}

/* Evict a tail in one of five ways. Its memory goes back to the system and then reads
 * as zero. Locked memory stays resident and is cleared. */
static void
evict_tail(int how)
{
    struct span span;
    switch (how) {
    case 0:
        pool_set_limit(MIB);
        break;
    case 1:
        (void)pool_drain();
        break;
    case 2:
        kernel.now_ms += POOL_IDLE_MS + 1;
        pool_set_limit(POOL_NBYTES);
        break;
    case 3: /* a newer entry takes up the limit */
        pool_set_limit(5 * MIB);
        span = take(4 * MIB, 4 * MIB - 1, 9);
        give(&span);
        break;
    default: /* taking another span uses the pool, which evicts idle entries */
        kernel.now_ms += POOL_IDLE_MS + 1;
        span = take(2 * MIB, 1, 1);
        give(&span);
        break;
    }
}

static void
test_pool_tail_evicted_reads_as_zero(void)
{
    for (int i = 0; i < 10; i++) {
        begin(KERNEL_MAINLINE, ANY_RUNG);
        CASE("way %d, locked %d", i / 2, i % 2);
        kernel.locked = i % 2;
        struct span span = take_with_tail(4 * MIB, MIB);
        CHECK(tail_nbytes(&span) == 3 * MIB);
        evict_tail(i / 2);
        CHECK(tail_nbytes(&span) == 0 && span.dirty_end == MIB - 1);
        CHECK(kernel.locked || kernel_resident(span.address, 4 * MIB) == MIB);
        CHECK(is_zero(span.address + MIB - 1, 3 * MIB + 1));
        check_span(&span, 4 * MIB);
        pool_take_tail(&span, 4 * MIB);
        CHECK(!span.has_tail && span.dirty_end == MIB - 1);
        check_span(&span, 4 * MIB);
        give(&span);
        finish();
    }
}

/* Call a function that first takes the tail of the span back. */
static void
use_span_with_tail(int how, struct span *span)
{
    struct span part;
    size_t length = span->length;
    switch (how) {
    case 0:
        CHECK(spans_grow(span, length + 1, 0, MIB - 1) == 0);
        break;
    case 1:
        spans_cut(span, 2 * MIB);
        break;
    case 2:
        spans_discard(span, MIB - 1);
        break;
    case 3:
        if (has_dontunmap(kernel.kind)) {
            CHECK(spans_extract(span, GROWTH_FRONT, MIB / 2, MIB - 1, &part) == 0);
            CHECK(is_filled(part.address, MIB / 2, 1));
            give(&part);
        }
        break;
    default:
        CHECK(spans_grow(span, SIZE_MAX, 0, MIB - 1) == ENOMEM);
        break;
    }
}

static void
test_spans_functions_with_a_tail_keep_the_bytes(void)
{
    for (int i = 0; i < 5 * KERNEL_NO_PAGES; i++) {
        begin(i / 5, ANY_RUNG);
        CASE("a kernel %s, way %d", kernel_names[i / 5], i % 5);
        struct span span = take_with_tail(4 * MIB, MIB);
        use_span_with_tail(i % 5, &span);
        check_span(&span, span.length);
        CHECK(i % 5 == 3 || is_filled(span.address, MIB - 1, 1));
        CHECK(i % 5 == 3 || i % 5 == 4 || tail_nbytes(&span) == 0);
        give(&span);
        finish();
    }
}

/* Only the front of the span goes back; the tail stays in place. */
static void
test_spans_cut_front_leaves_the_tail(void)
{
    begin(KERNEL_MAINLINE, ANY_RUNG);
    struct span span = take_with_tail(6 * MIB, 3 * MIB);
    spans_cut_front(&span, 2 * MIB);
    CHECK(span.dirty_end == MIB - 1 && tail_nbytes(&span) == 3 * MIB);
    check_span(&span, 4 * MIB);
    pool_take_tail(&span, 2 * MIB);
    CHECK(span.dirty_end == 2 * MIB + PAGE - 1 && tail_nbytes(&span) == 2 * MIB - PAGE);
    check_span(&span, 4 * MIB);
    give(&span);
    finish();
}

/* The dirty bytes of a taken span that are not needed become its tail, if they are 256
 * KiB or more. */
static void
test_spans_take_keeps_what_is_not_needed_as_a_tail(void)
{
    const size_t dirty[] = {1408 * KIB - 1, 1408 * KIB, 2 * MIB - 1};
    for (int i = 0; i < 3; i++) {
        begin(KERNEL_MAINLINE, ANY_RUNG);
        CASE("%zu bytes dirty", dirty[i]);
        size_t needed = MIB - 1, ahead = 1152 * KIB; /* an eighth more */
        keep_dirty(2 * MIB, dirty[i]);
        struct span span;
        size_t calls = kernel.ncalls;
        CHECK(spans_take(needed, false, &span) == 0 && kernel.ncalls == calls);
        CHECK(span.dirty_end == (i == 0 ? dirty[i] : ahead - 1));
        CHECK(span.has_tail == (i > 0) && tail_nbytes(&span) == kept_nbytes());
        CHECK(kept_nbytes() ==
              (i == 0 ? 0 : growth_round_up(dirty[i] + 1, PAGE) - ahead));
        check_span(&span, 2 * MIB);
        give(&span);
        finish();
    }
}

/* Of a tail that is over the limit of the pool, the first pages are kept. */
static void
test_pool_keep_tail_over_the_limit_keeps_the_front(void)
{
    const size_t limits[] = {0, 1, PAGE - 1, PAGE, 5000, MIB + 1};
    for (int i = 0; i < 12; i++) {
        begin(KERNEL_MAINLINE, ANY_RUNG);
        CASE("a limit of %zu, locked %d", limits[i / 2], i % 2);
        kernel.locked = i % 2;
        pool_set_limit(limits[i / 2]);
        struct span span = take_with_tail(4 * MIB, MIB);
        CHECK(tail_nbytes(&span) == (limits[i / 2] & ~(PAGE - 1)));
        CHECK(span.has_tail == (limits[i / 2] >= PAGE));
        check_span(&span, 4 * MIB);
        give(&span);
        finish();
    }
}

/* Of too many tails the oldest are evicted. Their spans must read as zero there. */
static void
test_pool_keep_tail_many_evict_the_oldest(void)
{
    enum { MORE = POOL_NSLOTS + 10 };
    static struct span spans[MORE];
    begin(KERNEL_MAINLINE, ANY_RUNG);
    for (int i = 0; i < MORE; i++) {
        spans[i] = take(2 * MIB, 3 * PAGE - 1, 1);
        spans_cap(&spans[i], 100);
        CHECK(pool_stats().nentries <= POOL_NSLOTS);
    }
    for (int i = 0; i < MORE; i++) {
        CHECK(tail_nbytes(&spans[i]) == (i < 10 ? 0 : 2 * PAGE));
        check_span(&spans[i], 2 * MIB);
        CHECK(is_filled(spans[i].address, 100, 1));
    }
    for (int i = 0; i < MORE; i++) {
        give(&spans[i]);
    }
    finish();
}

static struct span given_meanwhile;
static int (*fake_unmap)(void *, size_t);

/* In place of an unmap: give a span to the pool first, as if another thread had given
 * it while the lock was released. */
static int
give_meanwhile(void *address, size_t length)
{
    pages_ops.unmap = fake_unmap;
    spans_give(&given_meanwhile);
    return fake_unmap(address, length);
}

/* In place of an unmap: lower the limit of the pool first, as if another thread had
 * lowered it. */
static int
lower_limit_meanwhile(void *address, size_t length)
{
    pages_ops.unmap = fake_unmap;
    pool_set_limit(MIB);
    return fake_unmap(address, length);
}

static void
test_pool_keep_tail_with_the_limit_lowered_during_an_unmap_keeps_none(void)
{
    begin(KERNEL_MAINLINE, ANY_RUNG);
    struct span old = take(2 * MIB, 1, 1), span = take(4 * MIB, 4 * MIB - 1, 1);
    give(&old);
    kernel.now_ms += POOL_IDLE_MS + 1;
    fake_unmap = pages_ops.unmap;
    pages_ops.unmap = lower_limit_meanwhile;
    spans_cap(&span, MIB);
    CHECK(pages_ops.unmap == fake_unmap && kept_nbytes() == 0 && !span.has_tail);
    check_span(&span, 4 * MIB);
    give(&span);
    finish();
}

/* A span whose pages a helper thread may touch gets no tail: they go to the system. */
static void
test_spans_cap_of_touched_pages_gives_them_back(void)
{
    begin(KERNEL_MAINLINE, ANY_RUNG);
    struct span span = take(4 * MIB, 3 * MIB, 1);
    (void)pages_populate(span.address, 4 * MIB);
    span.touched = true;
    spans_cap(&span, MIB);
    CHECK(kept_nbytes() == 0 && !span.has_tail && span.dirty_end == MIB);
    CHECK(kernel_resident(span.address, 4 * MIB) == MIB);
    check_span(&span, 4 * MIB);
    give(&span);
    finish();
}

/* ------------------------------------------------------------------ time and limit */

static void
test_pool_idle_entries_are_evicted(void)
{
    begin(KERNEL_MAINLINE, ANY_RUNG);
    kernel.now_ms = 5000;
    struct span spans[4];
    for (int i = 0; i < 4; i++) {
        spans[i] = take(2 * MIB, i < 2 ? 0 : MIB, 1);
    }
    const char *first = spans[0].address, *third = spans[2].address;
    give(&spans[0]); /* zero spans are evicted like dirty ones */
    kernel.now_ms = 5000 + POOL_IDLE_MS;
    give(&spans[1]);
    CHECK(pool_stats().nentries == 2);
    kernel.now_ms++;
    give(&spans[2]);
    CHECK(!kernel_is_mapped(first, 2 * MIB) && pool_stats().nentries == 2);
    kernel.now_ms += POOL_IDLE_MS;
    give(&spans[3]);
    CHECK(kernel_is_mapped(third, 2 * MIB) && pool_stats().nentries == 2);
    kernel.now_ms += 2 * POOL_IDLE_MS;
    CHECK(pool_stats().nentries == 2); /* the pool has not been used since */
    pool_set_limit(POOL_NBYTES);
    CHECK(pool_stats().nentries == 0 && kernel.nbytes == 0);
    finish();
}

/* Taking a span uses the pool, whether the span comes from the pool or is fresh. */
static void
test_spans_take_evicts_idle_entries(void)
{
    for (int fresh = 0; fresh < 3; fresh++) {
        begin(KERNEL_MAINLINE, ANY_RUNG);
        CASE("fresh %d", fresh);
        size_t needed = fresh == 2 ? GROWTH_FRESH_ZEROS_MIN : 2 * MIB;
        struct span old = take(4 * MIB, MIB, 1), dirty = take(2 * MIB, 2 * MIB - 1, 1);
        const char *old_address = old.address;
        give(&old);
        give(&dirty);
        kernel.now_ms = POOL_IDLE_MS;
        struct span span;
        CHECK(spans_take(needed, fresh, &span) == 0);
        CHECK(kernel_is_mapped(old_address, 4 * MIB));
        give(&span);
        kernel.now_ms++;
        CHECK(spans_take(needed, fresh, &span) == 0);
        CHECK(!kernel_is_mapped(old_address, 4 * MIB));
        check_span(&span, needed);
        give(&span);
        finish();
    }
}

/* Giving a span that the pool cannot keep is a use of the pool, too. */
static void
test_pool_keep_too_large_evicts_idle_entries(void)
{
    begin(KERNEL_MAINLINE, ANY_RUNG);
    pool_set_limit(MIB);
    struct span old = take(2 * MIB, MIB, 1), large = take(2 * MIB, 2 * MIB - 1, 1);
    give(&old);
    kernel.now_ms = POOL_IDLE_MS + 1;
    give(&large);
    CHECK(pool_stats().nentries == 0 && kernel.nbytes == 0);
    finish();
}

/* A span that cannot be kept must not evict other entries. */
static void
test_pool_keep_too_large_leaves_the_others(void)
{
    begin(KERNEL_MAINLINE, ANY_RUNG);
    pool_set_limit(MIB);
    struct span first = take(2 * MIB, MIB / 4, 1), second = take(2 * MIB, MIB / 4, 1);
    struct span large = take(2 * MIB, MIB + 1, 1);
    give(&first);
    give(&second);
    give(&large);
    CHECK(pool_stats().nentries == 2 && kept_nbytes() == MIB / 2);
    finish();
}

/* The pool does not count pages that a helper has touched past `dirty_end`. So these go
 * back to the system. */
static void
test_spans_give_discards_pages_touched_ahead(void)
{
    begin(KERNEL_MAINLINE, ANY_RUNG);
    const size_t dirty_end[] = {MIB, 4 * MIB - 1};
    for (int i = 0; i < 2; i++) {
        struct span span = take(4 * MIB, dirty_end[i], 1);
        char *address = span.address;
        (void)pages_populate(address, 4 * MIB);
        span.touched = true;
        give(&span);
        CHECK(pool_stats().nentries == 1 && kept_nbytes() == dirty_end[i]);
        CHECK(is_filled(address, dirty_end[i], 1));
        CHECK(kernel_resident(address, 4 * MIB) == growth_round_up(dirty_end[i], PAGE));
        pool_drain();
    }
    finish();
}

/* As in the test before, but a part of the span was removed after the pages were
 * touched. */
static void
test_spans_give_after_losing_a_part_discards_pages_touched_ahead(void)
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
            CHECK(spans_extract(&span, GROWTH_FRONT, MIB, 3 * MIB, &part) == 0);
            give(&part);
            break;
        }
        char *address = span.address;
        size_t length = span.length, dirty_end = span.dirty_end;
        give(&span);
        CHECK(kernel_resident(address, length) <= growth_round_up(dirty_end, PAGE));
        finish();
    }
}

/* An entry that is taken and given back counts as new. */
static void
test_pool_entry_used_now_and_then_stays(void)
{
    begin(KERNEL_MAINLINE, ANY_RUNG);
    char *dirty = keep_dirty(4 * MIB, 3 * MIB);
    for (int i = 0; i < 10; i++) {
        kernel.now_ms += POOL_IDLE_MS;
        struct span piece = take(2 * MIB, 0, 0); /* give() joins it with the rest */
        CHECK(piece.address == dirty && pool_stats().nentries == 1);
        give(&piece);
        CHECK(pool_stats().nentries == 1 && kept_nbytes() == 3 * MIB);
    }
    kernel.now_ms += 10 * POOL_IDLE_MS;
    struct span late = take(4 * MIB, 0, 0);
    CHECK(late.address == dirty && late.dirty_end == 3 * MIB);
    give(&late);
    CHECK(pool_stats().nentries == 1);
    finish();
}

/* If a part of an entry is taken, the rest keeps the age of the entry. */
static void
test_pool_rest_of_a_split_span_keeps_its_age(void)
{
    begin(KERNEL_MAINLINE, ANY_RUNG);
    struct span other = take(2 * MIB, MIB, 1);
    char *dirty = keep_dirty(4 * MIB, 3 * MIB);
    kernel.now_ms = POOL_IDLE_MS;
    struct span piece = take(2 * MIB, 0, 0);
    kernel.now_ms++;
    give(&other);
    CHECK(pool_stats().nentries == 1 && kept_nbytes() == MIB);
    CHECK(!kernel_is_mapped(dirty + 2 * MIB, 2 * MIB));
    check_span(&piece, 2 * MIB);
    give(&piece);
    finish();
}

/* A move that leaves a source uses the pool, too. */
static void
test_spans_grow_by_a_move_evicts_idle_entries(void)
{
    begin(KERNEL_MAINLINE, ANY_RUNG);
    struct span old = take(2 * MIB, MIB, 1), wall = take(2 * MIB, 0, 0);
    struct span span = take(6 * MIB, MIB, 1);
    give(&old);
    kernel.now_ms = POOL_IDLE_MS + 1;
    CHECK(spans_grow(&span, 6 * MIB + 1, 0, MIB) == 0);
    CHECK(pool_stats().nentries == 1 && kept_nbytes() == 0);
    give(&wall);
    give(&span);
    finish();
}

static void
test_pool_set_limit_evicts_the_oldest(void)
{
    begin(KERNEL_MAINLINE, ANY_RUNG);
    struct span spans[6];
    for (int i = 0; i < 6; i++) {
        CHECK(spans_take(20 * MIB, true, &spans[i]) == 0);
        spans[i].dirty_end = 20 * MIB - 1;
    }
    pool_set_limit(100 * MIB);
    for (int i = 0; i < 6; i++) {
        give(&spans[i]);
    }
    CHECK(pool_stats().nentries == 5 && kept_nbytes() == 100 * MIB - 5);
    pool_set_limit(100 * MIB - 5);
    CHECK(pool_stats().nentries == 5);
    pool_set_limit(100 * MIB - 6);
    CHECK(pool_stats().nentries == 4);
    pool_set_limit(30 * MIB);
    CHECK(pool_stats().nentries == 1 && kernel.nbytes == 20 * MIB);
    check_state();
    pool_set_limit(200 * MIB); /* a higher limit brings no entry back */
    CHECK(pool_stats().nentries == 1);
    finish();
}

static void
test_pool_limit_of_zero_keeps_no_memory(void)
{
    for (EACH_KERNEL_WITH_PAGES(kind)) {
        begin(kind, ANY_RUNG);
        struct span dirty = take(4 * MIB, MIB, 1), live = take(4 * MIB, MIB, 2);
        give(&dirty);
        pool_set_limit(0);
        CHECK(pool_stats().nentries == 0 && kernel.nbytes == 4 * MIB);
        CHECK(spans_grow(&live, 4 * MIB + 1, 0, MIB) == 0);
        CHECK(is_filled(live.address, MIB, 2) && kept_nbytes() == 0);
        check_span(&live, 8 * MIB);
        give(&live);
        CHECK(kept_nbytes() == 0 && pool_stats().live == 0);
        finish();
    }
}

static void
test_pool_keep_during_an_unmap_counts_towards_the_limit(void)
{
    begin(KERNEL_MAINLINE, ANY_RUNG);
    pool_set_limit(17 * MIB);
    struct span old = take(2 * MIB, 1, 1), large = take(10 * MIB, 10 * MIB - 1, 1);
    given_meanwhile = take(16 * MIB, 16 * MIB - 1, 1);
    give(&old);
    kernel.now_ms += POOL_IDLE_MS + 1;
    fake_unmap = pages_ops.unmap;
    pages_ops.unmap = give_meanwhile;
    give(&large);
    CHECK(pages_ops.unmap == fake_unmap);
    CHECK(kept_nbytes() == 10 * MIB - 1 && pool_stats().nentries == 1);
    finish();
}

/* ---------------------------------------------------------- offered memory */

/* The pool offers the memory after the first 16 MiB of a span to the system
 * (MADV_FREE), if the span is in huge pages. */
static void
test_pool_keep_offers_huge_pages_after_16_mib(void)
{
    for (int i = 0; i < 3 * KERNEL_NO_PAGES; i++) {
        const size_t dirty_end[] = {16 * MIB, 16 * MIB + 1, 20 * MIB};
        begin(i / 3, ANY_RUNG);
        struct span small = take(24 * MIB, 1, 1), large = take(24 * MIB, 1, 1);
        small.dirty_end = large.dirty_end = dirty_end[i % 3];
        large.huge = true;
        give(&small);
        CHECK(kernel.noffers == 0);
        const size_t offered[] = {0, PAGE, 4 * MIB};
        size_t expected = i / 3 == KERNEL_OLD ? 0 : offered[i % 3];
        give(&large);
        CHECK(kernel.noffers == (expected > 0) && kernel.offered_nbytes == expected);
        CHECK(pool_stats().nentries == 2);
        finish();
    }
}

/* If the system takes offered memory, it reads as zero; the bytes before it stay.
 * Pieces of it can be taken like those of other spans. */
static void
test_spans_take_offered_memory_may_be_zero(void)
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
        CHECK(piece.address == address && piece.huge &&
              piece.dirty_end == 18 * MIB - 1);
        fill(address, 18 * MIB - 1, 2);
        CHECK(spans_grow(&piece, 19 * MIB, 0, 18 * MIB - 1) == 0);
        CHECK(piece.address == address && is_filled(address, 18 * MIB - 1, 2));
        check_span(&piece, 24 * MIB);
        give(&piece);
        finish();
    }
}

/* --------------------------------------------------- small pages, huge pages */

/* If the system may use huge pages unasked, a small span requests small ones. If it has
 * pages of 64 KiB only, the span requests those. */
static void
test_spans_take_fresh_asks_for_small_pages(void)
{
    for (int huge = 0; huge < PAGES_NHUGE; huge++) {
        for (EACH_KERNEL_THAT_CUTS(kind)) {
            begin(kind, ANY_RUNG);
            CASE("huge pages %s", pages_huge_names[huge]);
            pages_facts.huge = huge;
            enum kernel_huge told = advice_for_fresh();
            bool asks = told != KERNEL_HUGE_UNSAID;
            size_t nprobed = kernel.calls[KERNEL_ADVISE];
            struct span wall = take(2 * MIB, 0, 0), span = take(2 * MIB, MIB, 1);
            CHECK(kernel.calls[KERNEL_ADVISE] - nprobed == (asks ? 2u : 0u));
            CHECK(kernel_is_advised(span.address, 2 * MIB, told));
            CHECK(spans_grow(&span, 2 * MIB + 1, 0, MIB) == 0);
            CHECK(kernel_is_advised(span.address, 4 * MIB, told));
            give(&wall);
            give(&span);
            finish();
        }
    }
}

/* Advice that fails is no error. */
static void
test_spans_take_with_advice_refused_succeeds(void)
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

/* Give more spans of `length` than the pool keeps: the oldest ones are unmapped. */
static void
check_most_entries(size_t length, size_t nbytes, size_t most)
{
    enum { MORE = POOL_NSMALL + 10 };
    static struct span spans[MORE];
    begin(KERNEL_MAINLINE, ANY_RUNG);
    size_t count = most + 10;
    CHECK(count <= MORE);
    for (size_t i = 0; i < count; i++) {
        spans[i] = take(length, nbytes, 1);
    }
    const char *oldest = spans[0].address, *kept = spans[10].address;
    for (size_t i = 0; i < count; i++) {
        give(&spans[i]);
        CHECK(pool_stats().nentries <= most);
    }
    CHECK(pool_stats().nentries == most && kernel.nbytes == most * length);
    CHECK(!kernel_is_mapped(oldest, length) && kernel_is_mapped(kept, length));
    finish();
}

static void
test_pool_keep_evicts_the_oldest_of_too_many(void)
{
    check_most_entries(2 * MIB, 0, POOL_NSLOTS); /* only dirty spans count as small */
    check_most_entries(4 * MIB, 1, POOL_NSLOTS);
    check_most_entries(2 * MIB, 1, POOL_NSMALL);
}

static void
test_pool_keep_evicts_the_oldest_over_the_limit(void)
{
    begin(KERNEL_MAINLINE, ANY_RUNG);
    struct span spans[10];
    for (int i = 0; i < 10; i++) {
        spans[i] = take(10 * MIB, 1, 1);
        spans[i].dirty_end = 9 * MIB + 1;
    }
    for (int i = 0; i < 10; i++) {
        give(&spans[i]);
        CHECK(pool_stats().nbytes <= POOL_NBYTES);
    }
    CHECK(pool_stats().nentries == 7);
    CHECK(pool_stats().nbytes == 7 * (9 * MIB + 1));
    finish();
}

static void
test_pool_keep_over_the_limit_keeps_the_front(void)
{
    begin(KERNEL_MAINLINE, ANY_RUNG);
    struct span large = take(100 * MIB, 1, 1), other = take(2 * MIB, 2, 1);
    large.dirty_end = 70 * MIB;
    char *address = large.address;
    give(&other);
    give(&large);
    CHECK(pool_stats().nentries == 1 && pool_stats().live == 0);
    CHECK(pool_stats().nbytes <= POOL_NBYTES);
    CHECK(kernel_is_mapped(address, POOL_NBYTES));
    CHECK(kernel.nbytes == POOL_NBYTES);
    struct span span = take(POOL_NBYTES, 0, 0); /* exactly the part that was kept */
    CHECK(span.address == address && span.dirty_end == POOL_NBYTES - 1);
    CHECK(span.address[span.dirty_end] == 0);
    give(&span);
    finish();
}

static void
test_spans_check_reports_each_fault(void)
{
    begin(KERNEL_MAINLINE, ANY_RUNG);
    struct span span = take_with_tail(4 * MIB, MIB), broken[8];
    CHECK_SOUND(spans_check(&span));
    for (int i = 0; i < 8; i++) {
        broken[i] = span;
    }
    broken[0].address = NULL;
    broken[1].address++;
    broken[2].length = 0;
    broken[3].length -= pages_facts.page_nbytes;
    broken[4].dirty_end = broken[4].length;
    broken[5].dirty_end = MIB;   /* in the tail */
    broken[6].length -= 2 * MIB; /* in the tail */
    broken[7].touched = true;
    for (int i = 0; i < 8; i++) {
        CASE("fault %d", i);
        CHECK(spans_check(&broken[i]) != NULL);
    }
    give(&span);
    finish();
}

static void
test_pool_drain_gives_everything_back(void)
{
    for (EACH_KERNEL_WITH_PAGES(kind)) {
        begin(kind, ANY_RUNG);
        struct span live = take(2 * MIB, MIB, 1), dirty = take(4 * MIB, MIB, 2);
        struct span zero = take(6 * MIB, 0, 0);
        give(&dirty);
        give(&zero);
        CHECK(kernel.nmappings == 3 && pool_stats().nentries == 2);
        pool_drain();
        CHECK(pool_stats().nentries == 0 && pool_stats().nbytes == 0);
        CHECK(kernel.nmappings == 1 && kernel.nbytes == 2 * MIB);
        CHECK(is_filled(live.address, MIB, 1));
        give(&live);
        finish();
    }
}

static void
test_spans_take_without_space_empties_the_pool(void)
{
    begin(KERNEL_MAINLINE, ANY_RUNG);
    struct span first = take(6 * MIB, MIB, 1), second = take(4 * MIB, MIB, 2);
    give(&first);
    give(&second);
    kernel.most_nbytes = 12 * MIB;
    struct span span = take(10 * MIB, 0, 0);
    CHECK(kernel.nbytes == 10 * MIB && pool_stats().nentries == 0);
    give(&span);
    finish();
}

/* Among dirty spans of 2 MiB that were never cut, the newest one is taken, however much
 * of it is needed. The oldest one is evicted first. */
static void
test_spans_take_of_2_mib_gets_the_newest(void)
{
    begin(KERNEL_MAINLINE, ANY_RUNG);
    struct span spans[3], span;
    for (int i = 0; i < 3; i++) {
        spans[i] = take(2 * MIB, (size_t)(i + 1) * 100 * KIB, 1);
    }
    char *addresses[3] = {spans[0].address, spans[1].address, spans[2].address};
    give(&spans[1]);
    give(&spans[2]);
    give(&spans[0]);
    span = take(90 * KIB, 0, 0);
    CHECK(span.address == addresses[0] && kept_nbytes() == 500 * KIB);
    give(&span);
    pool_set_limit(450 * KIB); /* the oldest goes */
    CHECK(pool_stats().nentries == 2 && kept_nbytes() == 400 * KIB);
    span = take(90 * KIB, 0, 0);
    CHECK(span.address == addresses[0]);
    give(&span);
    finish();
}

/* A request for a span with many dirty bytes must not get one that has fewer. */
static void
test_pool_take_dirty_gets_no_span_that_is_less_dirty(void)
{
    for (size_t more = 0; more < 2; more++) {
        begin(KERNEL_MAINLINE, ANY_RUNG);
        struct span span = take(2 * MIB, 100 * KIB, 1), taken;
        give(&span);
        bool found = pool_take_dirty(100 * KIB + more, 2 * MIB, &taken);
        CHECK(found == (more == 0));
        if (found) {
            pool_keep_source(&taken);
        }
        finish();
    }
}

/* The pool keeps these spans in its array `small`. It adds at the end of the items in
 * use and evicts at their start, so that they move along the array. When they reach the
 * end of the array, they are moved back to its start. */
static void
test_pool_keep_of_thousands_of_small_spans_in_turn_keeps_the_newest(void)
{
    begin(KERNEL_MAINLINE, ANY_RUNG);
    pool_set_limit(1);
    struct span one = take(2 * MIB, 1, 1), other = take(2 * MIB, 1, 1);
    for (int i = 0; i < 3 * POOL_NSMALL; i++) {
        char *address = other.address;
        spans_give(&one);
        spans_give(&other);
        CHECK(pool_stats().nentries == 1 && kept_nbytes() == 1);
        CHECK(spans_take(1, false, &one) == 0 && one.address == address);
        CHECK(spans_take(1, false, &other) == 0 && other.dirty_end == 0);
        other.dirty_end = 1;
    }
    CHECK_SOUND(pool_check());
    give(&one);
    pool_set_limit(0);
    give(&other);
    finish();
}

/* ---------------------------------------------------------- cut and discard */

static void
test_spans_cut_gives_the_end_back(void)
{
    begin(KERNEL_MAINLINE, ANY_RUNG);
    struct span span = take(8 * MIB, 7 * MIB, 1);
    spans_cut(&span, 8 * MIB);
    CHECK(span.dirty_end == 7 * MIB);
    spans_cut(&span, 4 * MIB);
    CHECK(kernel.nbytes == 4 * MIB && span.dirty_end == 4 * MIB - 1);
    CHECK(is_filled(span.address, 4 * MIB - 1, 1));
    check_span(&span, 4 * MIB);
    memset(span.address + MIB, 0, 3 * MIB);
    span.dirty_end = MIB;
    spans_cut(&span, 2 * MIB);
    CHECK(span.dirty_end == MIB);
    check_span(&span, 2 * MIB);
    give(&span);
    finish();
}

static void
test_spans_discard_leaves_zeros_and_no_memory(void)
{
    begin(KERNEL_MAINLINE, ANY_RUNG);
    size_t page = pages_facts.page_nbytes;
    struct span span = take(4 * MIB, 3 * MIB, 1);
    spans_discard(&span, 3 * MIB);
    CHECK(span.dirty_end == 3 * MIB);
    spans_discard(&span, MIB + 1);
    CHECK(span.dirty_end == MIB + page && is_filled(span.address, MIB + page, 1));
    CHECK(kernel_resident(span.address, 4 * MIB) == MIB + page);
    check_span(&span, 4 * MIB);
    kernel_fail(1, EAGAIN);
    spans_discard(&span, page);
    CHECK(span.dirty_end == MIB + page && is_filled(span.address, MIB + page, 1));
    give(&span);
    finish();
}

/* ------------------------------------------------------------------------- growing */

/* Grow from 2 MiB to 16 MiB, and check the bytes in use after each step. */
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
        CHECK(span.dirty_end >= to && pool_stats().live == 1);
    }
    give(&span);
}

static void
test_spans_grow_by_each_rung_keeps_the_bytes(void)
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
test_pool_stats_count_moves_and_copies(void)
{
    for (EACH_KERNEL_WITH_PAGES(kind)) {
        begin(kind, ANY_RUNG);
        struct span wall = take(2 * MIB, 0, 0), span = take(2 * MIB, MIB, 1);
        struct pool_stats before = pool_stats();
        CHECK(spans_grow(&span, 2 * MIB + 1, 5, MIB) == 0);
        CHECK(spans_grow(&span, 4 * MIB + 1, 5, MIB) == 0);
        struct pool_stats after = pool_stats();
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
test_spans_grow_keeps_the_source_mapped_for_others(void)
{
    const enum kernel_kind kinds[] = {KERNEL_2014, KERNEL_RETAIN, KERNEL_MAINLINE};
    for (int i = 0; i < 3; i++) {
        begin(kinds[i], ANY_RUNG);
        CHECK(pages_facts.rung >= PAGES_DONTUNMAP);
        struct span wall = take(2 * MIB, 0, 0), span = take(2 * MIB, MIB, 1), again;
        char *source = span.address;
        CHECK(spans_grow(&span, 2 * MIB + 1, 0, MIB) == 0);
        CHECK(span.address != source && is_filled(span.address, MIB, 1));
        CHECK(kernel_is_mapped(source, 2 * MIB) && is_zero(source, 2 * MIB));
        CHECK(pool_stats().nentries == 1 && pool_stats().nbytes == 0);
        size_t calls = kernel.ncalls;
        CHECK(spans_take(2 * MIB, true, &again) == 0);
        CHECK(again.address == source && kernel.ncalls == calls);
        CHECK(pool_stats().nentries == 0);
        give(&wall);
        give(&span);
        give(&again);
        finish();
    }
}

/* In MiB:
 *
 *   first   2 -> 4 -> 8        leaves sources of 2 and 4
 *   second  2 -> 4             moves onto the source of 4 */
static void
test_spans_grow_moves_onto_a_source_of_its_length(void)
{
    begin(KERNEL_MAINLINE, ANY_RUNG);
    struct span second = take(2 * MIB, MIB, 2), first = take(2 * MIB, MIB, 1);
    CHECK(spans_grow(&first, 2 * MIB + 1, 0, MIB) == 0);
    char *source = first.address;
    CHECK(spans_grow(&first, 4 * MIB + 1, 0, MIB) == 0);
    CHECK(first.address != source && pool_stats().nentries == 2);
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

/* A span that grows in place leaves no source, so the pool must not get one. */
static void
test_spans_grow_in_place_leaves_one_owner(void)
{
    for (EACH_KERNEL_WITH_PAGES(kind)) {
        begin(kind, ANY_RUNG);
        kernel.bottom_up = true;
        struct span span = take(2 * MIB, MIB, 1), other;
        struct pool_stats before = pool_stats();
        char *source = span.address;
        CHECK(spans_grow(&span, 2 * MIB + 1, 0, MIB) == 0);
        bool in_place = span.address == source;
        CHECK(in_place == (pages_facts.rung == PAGES_RETAIN));
        CHECK(!in_place || pool_stats().moves == before.moves);
        CHECK(!in_place || pool_stats().nentries == 0);
        CHECK(spans_take(2 * MIB, true, &other) == 0);
        fill(other.address, 2 * MIB - 1, 2);
        other.dirty_end = 2 * MIB - 1;
        CHECK(is_filled(span.address, MIB, 1));
        check_span(&span, 4 * MIB);
        give(&other);
        give(&span);
        finish();
    }
}

static void
test_spans_grow_past_the_maximum_changes_nothing(void)
{
    for (EACH_KERNEL_WITH_PAGES(kind)) {
        begin(kind, ANY_RUNG);
        struct span span = take(2 * MIB, MIB, 1), dirty = take(4 * MIB, MIB, 2);
        give(&dirty);
        CHECK(spans_grow(&span, SIZE_MAX, 0, MIB) == ENOMEM);
        CHECK(spans_grow(&span, SIZE_MAX / 2, 0, MIB) == ENOMEM);
        CHECK(is_filled(span.address, MIB, 1));
        check_span(&span, 2 * MIB);
        CHECK(spans_grow(&span, SIZE_MAX / 4, 0, MIB) == ENOMEM);
        CHECK(spans_grow(&span, SIZE_MAX / 2 - 4 * MIB, 0, MIB) == ENOMEM);
        CHECK(is_filled(span.address, MIB, 1));
        check_span(&span, 2 * MIB);
        give(&span);
        finish();
    }
}

/* The pool keeps its entries as long as no call is refused. A span does not grow over
 * an entry after it that is another mapping. */
static void
test_spans_grow_leaves_other_dirty_spans_in_the_pool(void)
{
    for (int i = 0; i < 2 * KERNEL_NO_PAGES; i++) {
        begin(i / 2, ANY_RUNG);
        kernel.bottom_up = i % 2;
        struct span span = take(2 * MIB, MIB, 1), dirty = take(2 * MIB, MIB, 2);
        give(&dirty);
        CHECK(spans_grow(&span, 2 * MIB + 1, 0, MIB) == 0);
        CHECK(pool_stats().nbytes == MIB);
        give(&span);
        finish();
    }
}

/* ------------------------------------------------- growing into dirty pages */

/* Return a span with `to` bytes in use, and put a dirty one of 10 MiB into the pool. */
static struct span
prepare_to_grow(enum kernel_kind kind, size_t to, size_t dirty_end, char **dirty)
{
    begin(kind, ANY_RUNG);
    struct span span = take(to + 1, to, 1), other = take(10 * MIB, dirty_end, 9);
    span.tag = 5;
    *dirty = other.address;
    give(&other);
    return span;
}

static void
test_spans_grow_copies_up_to_2_mib_into_a_dirty_span(void)
{
    for (int i = 0; i < 2 * KERNEL_NO_PAGES; i++) {
        char *dirty;
        bool touched = i % 2;
        if (touched && i / 2 == KERNEL_WHOLE) {
            continue; /* this kernel has no helper thread */
        }
        struct span span = prepare_to_grow(i / 2, 2 * MIB - 1, 10 * MIB - 1, &dirty);
        char *source = span.address;
        if (touched) { /* pages that the helper touched must not stay in the source */
            span.dirty_end = MIB;
            (void)pages_populate(source, 2 * MIB);
            span.touched = true;
        }
        size_t from = touched ? 0 : 100, to = touched ? MIB : 2 * MIB - 1;
        size_t length = pages_facts.whole_only ? 10 * MIB : 4 * MIB;
        size_t left = pages_facts.whole_only ? 0 : 6 * MIB - 1;
        struct pool_stats before = pool_stats();
        CHECK(spans_grow(&span, 2 * MIB + 1, from, to) == 0);
        struct pool_stats after = pool_stats();
        CHECK(span.address == dirty && span.tag == 5);
        CHECK(span.dirty_end == length - 1 && !span.touched);
        check_span(&span, length);
        char *expected = malloc(to);
        fill(expected, to, 1);
        CHECK(memcmp(span.address + from, expected + from, to - from) == 0);
        free(expected);
        CHECK(after.copies == before.copies + 1 && after.moves == before.moves);
        CHECK(after.copied_nbytes - before.copied_nbytes == to - from);
        CHECK(after.live == before.live && after.nentries == 1 + (left > 0));
        CHECK(after.nbytes == left + (touched ? MIB : 2 * MIB - 1));
        CHECK(kernel_is_mapped(source, 2 * MIB));
        CHECK(!touched || kernel_resident(source, 2 * MIB) == MIB);
        give(&span);
        finish();
    }
}

/* A span with more than 2 MiB in use is not copied into a dirty span. A span is not
 * copied into one with fewer dirty bytes than it needs. */
static void
test_spans_grow_with_more_in_use_or_fewer_dirty_bytes_leaves_the_dirty_span(void)
{
    const size_t used[] = {2 * MIB, 2 * MIB + 1, 2 * MIB};
    const size_t dirty_ends[] = {10 * MIB - 1, 10 * MIB - 1, 4 * MIB};
    for (int i = 0; i < 3 * KERNEL_NO_PAGES; i++) {
        char *dirty;
        struct span span =
            prepare_to_grow(i / 3, used[i % 3], dirty_ends[i % 3], &dirty);
        CHECK(span.length == 4 * MIB);
        CHECK(spans_grow(&span, 4 * MIB + 1, 0, used[i % 3]) == 0);
        CHECK((span.address == dirty) == (i % 3 == 0));
        CHECK(is_filled(span.address, used[i % 3], 1));
        CHECK(kept_nbytes() >= (i % 3 == 0 ? 2 * MIB : dirty_ends[i % 3]));
        check_span(&span, pages_facts.whole_only && i % 3 == 0 ? 10 * MIB : 8 * MIB);
        give(&span);
        finish();
    }
}

/* ------------------------------------------------------------------------- failures */

/* If another owner has mapped at the target, the pages move to other addresses. */
static void
test_spans_grow_with_its_target_taken_moves_elsewhere(void)
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

/* If the program changes a part of a span, as mlock() does, the span is two mappings,
 * and no call moves both. The kernel notices that only after it has unmapped the
 * target. Another owner may have mapped there by then, and that mapping must stay. */
static void
test_spans_grow_of_two_mappings_copies(void)
{
    const enum kernel_kind kinds[] = {KERNEL_2014, KERNEL_RETAIN, KERNEL_MAINLINE,
                                      KERNEL_OLD};
    for (int i = 0; i < 16; i++) {
        begin(kinds[i / 4], ANY_RUNG);
        CASE("a kernel %s, unmap %d", kernel_names[kinds[i / 4]], i % 4);
        struct span span = take(4 * MIB, 3 * MIB, 1);
        struct pool_stats before = pool_stats();
        CHECK(pages_ops.advise(span.address, 2 * MIB, PAGES_ADVICE_HIDE) == 0);
        kernel.squatters = (size_t)(i % 4);
        CHECK(spans_grow(&span, 4 * MIB + 1, 0, 3 * MIB) == 0);
        CHECK(is_filled(span.address, 3 * MIB, 1));
        CHECK(pool_stats().copies == before.copies + 1);
        CHECK(pool_stats().moves == before.moves);
        check_span(&span, 8 * MIB);
        kernel.squatters = 0;
        give(&span);
        finish();
    }
}

/* Grow a span of 16 MiB when only this much address space is left:
 *
 *   32 MiB     it doubles, as usual
 *   4 MiB      it grows by an eighth, wherever the kernel finds space
 *   2 MiB      it grows by what is needed, wherever the kernel finds space
 *   1 MiB      it cannot grow, and is unchanged     */
static void
test_spans_grow_without_space_takes_short_steps(void)
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
test_spans_grow_without_space_empties_the_pool(void)
{
    for (int kind = KERNEL_2014; kind < KERNEL_NO_PAGES; kind++) {
        begin(kind, ANY_RUNG);
        struct span dirty = take(10 * MIB, MIB, 2), span = take(4 * MIB, MIB, 1);
        give(&dirty);
        kernel.most_nbytes = 14 * MIB;
        CHECK(spans_grow(&span, 4 * MIB + 1, 0, MIB) == 0);
        CHECK(is_filled(span.address, MIB, 1));
        check_span(&span, 8 * MIB);
        give(&span);
        finish();
    }
}

static void
test_spans_grow_without_mappings_left_succeeds(void)
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
test_spans_cut_refused_leaves_no_memory(void)
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

/* Grow a span while the `n`th call fails. Return whether there were that many calls.
 * `late` is the value of kernel.late. If `pieces` is true, the span is a piece that
 * first grows over the next piece. The span has so many bytes in use that
 * spans_grow() does not copy them into a dirty span. During the test the pool evicts
 * idle entries, and offers the memory of a large one. */
static bool
grow_with_failure(enum kernel_kind kind, size_t n, bool late, bool pieces)
{
    begin(kind, ANY_RUNG);
    CASE("a kernel %s, call %zu fails, late %d, pieces %d", kernel_names[kind], n, late,
         pieces);
    if (pieces) {
        keep_dirty(6 * MIB, 6 * MIB - 1);
    }
    struct span span = take(pieces ? 2 * MIB : 4 * MIB, 2 * MIB - 1, 1);
    struct span wall = take(pieces ? 4 * MIB : 2 * MIB, 0, 0);
    struct span dirty = take(2 * MIB, 1000, 3), zero = take(4 * MIB, 0, 0);
    struct span large = take(18 * MIB, 17 * MIB, 1);
    large.huge = true;
    if (pieces) {
        give(&wall);
    }
    give(&dirty);
    give(&zero);
    const size_t used = 4 * MIB - 1;
    CHECK(pieces || moves_open(&span, used) == 0);
    kernel.late = late;
    kernel_fail(n, ENOMEM);
    CHECK(!pieces || spans_grow(&span, 2 * MIB + 1, 0, 2 * MIB - 1) == 0);
    CHECK(kernel.nfailed == 0); /* so far there was no call */
    fill(span.address, used, 1);
    span.dirty_end = used;
    give(&large);
    CHECK(spans_grow(&span, 6 * MIB + 1, 0, used) == 0);
    kernel.now_ms += POOL_IDLE_MS + 1;
    CHECK(spans_grow(&span, 2 * span.length - 1, 0, used) == 0);
    bool failed = kernel.nfailed > 0;
    CHECK(is_filled(span.address, used, 1));
    check_span(&span, span.length);
    if (!pieces) {
        give(&wall);
    }
    give(&span);
    finish();
    CHECK(kernel.nlost <= 1 && kernel.nblocks == 0);
    return failed;
}

static void
test_spans_grow_with_one_call_failing_succeeds(void)
{
    for (EACH_KERNEL_WITH_PAGES(kind)) {
        for (int variant = 0; variant < (kind < KERNEL_WHOLE ? 4 : 2); variant++) {
            size_t n = 1;
            while (grow_with_failure(kind, n, variant & 1, variant & 2)) {
                n++;
            }
            CHECK(n > 3);
        }
    }
}

/* Grow a span while every call from the `n`th on fails. Return whether there were that
 * many calls. Growing may report an error, but the bytes are unchanged, and it succeeds
 * when no call fails. */
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
test_spans_grow_in_an_outage_keeps_the_bytes(void)
{
    for (EACH_KERNEL_WITH_PAGES(kind)) {
        for (size_t n = 1; grow_in_outage(kind, n); n++) {
        }
    }
}

/* ---------------------------------------------------------------------- extracting */

/* Extract [from, to) of a span, of which the bytes before `end` are in use. The numbers
 * are the seeds of the bytes.
 *
 *   span, before   |<- 1 ->|<- from..to: 2 ->|<- to..end: 3 ->|
 *   span, after    | any   |      zero       |<- to..end: 3 ->|
 *   extracted      | any   |<- from..to: 2 ->| any
 */
static void
extract(enum kernel_kind kind, size_t from, size_t to, size_t end)
{
    begin(kind, ANY_RUNG);
    CASE("a kernel %s, %zu to %zu of %zu", kernel_names[kind], from, to, end);
    struct span span = take(end + 1, end, 1), extracted;
    char *was = span.address;
    size_t length = span.length;
    fill(span.address + from, to - from, 2);
    fill(span.address + to, end - to, 3);
    uint64_t copied = pool_stats().copied_nbytes;
    CHECK(spans_extract(&span, from, to, end, &extracted) == 0);
    size_t first = spans_extracted_at(from);
    CHECK(first >= GROWTH_FRONT && (from - first) % GROWTH_QUANTUM == 0);
    CHECK(is_filled(extracted.address + first, to - from, 2));
    CHECK((uintptr_t)extracted.address % GROWTH_QUANTUM == 0);
    CHECK(extracted.dirty_end >= first + to - from);
    CHECK(extracted.dirty_end <= first + end - from);
    check_span(&extracted, growth_round_up(first + to - from + 1, GROWTH_QUANTUM));
    CHECK(span.address == was && is_filled(was + to, end - to, 3));
    CHECK(is_zero(was + from, to - from));
    check_span(&span, length);
    size_t border = growth_round_up(to + 1, GROWTH_QUANTUM);
    CHECK(pool_stats().copied_nbytes - copied == (end < border ? end : border) - to);
    CHECK(pool_stats().live == 2 && pool_stats().nentries == 0);
    give(&extracted);
    give(&span);
    finish();
}

static void
test_spans_extract_leaves_the_rest_where_it_was(void)
{
    enum { FRONT = GROWTH_FRONT };
    const size_t cases[][3] = {
        {FRONT, FRONT + 100, FRONT + 200},
        {FRONT, 2 * MIB - 1, 3 * MIB},
        {FRONT, 2 * MIB, 3 * MIB},
        {FRONT, 2 * MIB, 2 * MIB},
        {FRONT + 1, 4 * MIB - 1, 6 * MIB - 1},
        {2 * MIB - 1, 2 * MIB, 4 * MIB},
        {2 * MIB, 2 * MIB + 1, 5 * MIB},
        {2 * MIB + FRONT - 1, 2 * MIB + FRONT, 5 * MIB},
        {2 * MIB + FRONT, 4 * MIB - 1, 5 * MIB},
        {3 * MIB, 5 * MIB, 5 * MIB},
        {5 * MIB + 7, 7 * MIB + 7, 9 * MIB},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        extract(KERNEL_MAINLINE, cases[i][0], cases[i][1], cases[i][2]);
        extract(KERNEL_RETAIN, cases[i][0], cases[i][1], cases[i][2]);
    }
}

/* The kernel of 2014 would keep the source, but it does not move at equal lengths. */
static void
test_spans_extract_below_dontunmap_is_not_supported(void)
{
    for (EACH_KERNEL_WITH_PAGES(kind)) {
        begin(kind, kind == KERNEL_2014 ? PAGES_RETAIN : PAGES_MAYMOVE);
        struct span span = take(3 * MIB, 3 * MIB, 1), extracted;
        size_t calls = kernel.ncalls;
        CHECK(spans_extract(&span, MIB, 2 * MIB, 3 * MIB, &extracted) == ENOTSUP);
        CHECK(kernel.ncalls == calls && is_filled(span.address, 3 * MIB, 1));
        give(&span);
        finish();
    }
}

/* If a call fails, the span is unchanged and nothing is lost. The second call only
 * frees the target: if it fails, the pages move to other addresses. */
static void
test_spans_extract_failing_changes_nothing(void)
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
test_spans_cut_front_gives_the_front_back(void)
{
    for (EACH_KERNEL_THAT_CUTS(kind)) {
        begin(kind, ANY_RUNG);
        struct span dirty = take(12 * MIB, 12 * MIB - 1, 1);
        give(&dirty);
        struct span piece = take(6 * MIB, 0, 0);
        char *address = piece.address;
        fill(address, 6 * MIB - 1, 2);
        fill(address + 4 * MIB, 2 * MIB - 1, 3);
        size_t nbytes = kernel.nbytes;
        spans_cut_front(&piece, 0);
        CHECK(piece.address == address);
        spans_cut_front(&piece, 4 * MIB);
        CHECK(piece.address == address + 4 * MIB && piece.dirty_end == 2 * MIB - 1);
        CHECK(is_filled(piece.address, 2 * MIB - 1, 3));
        CHECK(kernel.nbytes == nbytes - 4 * MIB);
        check_span(&piece, 2 * MIB);
        give(&piece);
        finish();
    }
}

/* ------------------------------------------------------------------------ reserving */

static struct span
reserve(size_t limit)
{
    struct span span;
    CHECK(spans_reserve(limit, &span) == 0);
    CHECK(span.dirty_end == 0 && span.reserved && span.number == limit);
    CHECK_SOUND(spans_check(&span));
    check_state();
    return span;
}

/* Write to the first `nbytes` of a reserved span. */
static void
write_reserved(struct span *span, size_t nbytes, uint64_t seed)
{
    struct spans_use use = {.max_end = span->number, .nbytes = nbytes};
    if (nbytes > span->dirty_end) {
        CHECK(spans_prepare(span, nbytes, &use) == 0);
    }
    fill(span->address, nbytes, seed);
}

/* If a tail ends where the accessible part of a reservation ends, the pages after it
 * must be opened before they are used.
 *
 *   |<-- dirty -->|<--------- tail -------->|<--- not open yet --->|
 *                                           2 MiB                       */
static void
test_spans_prepare_after_a_tail_at_the_border_opens_more(void)
{
    for (size_t less = 0; less <= 4097; less += less < 3 || less > 4094 ? 1 : 1364) {
        begin(KERNEL_MAINLINE, ANY_RUNG);
        CASE("%zu bytes before the border", less);
        struct spans_use use = {.max_end = 5 * MIB, .nbytes = 0};
        struct span span = reserve(5 * MIB);
        size_t dirty_end = 2 * MIB - 1 - less;
        CHECK(spans_prepare(&span, dirty_end - 4096, &use) == 0);
        CHECK(span.dirty_end == dirty_end);
        fill(span.address, dirty_end, 1);
        spans_cap(&span, 100);
        CHECK(tail_nbytes(&span) > 0);
        CHECK(spans_prepare(&span, dirty_end, &use) == 0 && tail_nbytes(&span) == 0);
        CHECK(span.dirty_end < 2 * MIB);
        CHECK(spans_prepare(&span, 2 * MIB + 100, &use) == 0);
        CHECK(kernel_is_mapped(span.address, span.dirty_end + 1));
        fill(span.address, span.dirty_end, 2);
        give(&span);
        finish();
    }
}

/* The pages of a tail are present, so no prefault is needed. The helper thread must not
 * touch a tail, because the pool may give it back meanwhile. */
static void
test_spans_prepare_with_a_tail_asks_for_no_prefault(void)
{
    for (int tail = 0; tail < 2; tail++) {
        begin(KERNEL_MAINLINE, ANY_RUNG);
        struct spans_use use = {
            .max_end = 8 * MIB - 1, .nbytes = 2 * MIB, .prefault = true};
        struct span span = take(8 * MIB, tail ? 8 * MIB - 1 : MIB, 1);
        spans_cap(&span, MIB);
        CHECK(span.has_tail == tail);
        CHECK(spans_prepare(&span, 2 * MIB, &use) == 0);
        CHECK(span.touched == !tail && span.has_tail == tail);
        give(&span);
        finish();
    }
}

static void
test_spans_reserve_takes_no_memory(void)
{
    for (int i = 0; i < KERNEL_WHOLE * PAGES_NHUGE; i++) {
        begin(i / PAGES_NHUGE, ANY_RUNG);
        pages_facts.huge = i % PAGES_NHUGE;
        struct span span = reserve(3 * MIB);
        char *address = span.address;
        CHECK(span.length == 8 * MIB && (uintptr_t)address % GROWTH_QUANTUM == 0);
        CHECK(kernel_is_mapped(address, 2 * MIB) && kernel_is_dumped(address, 2 * MIB));
        CHECK(kernel_is_closed(address + 2 * MIB, 6 * MIB));
        CHECK(kernel_is_hidden(address + 2 * MIB, 6 * MIB));
        CHECK(kernel.nbytes == 8 * MIB && pool_stats().live == 1);
        CHECK(kernel_resident(address, 8 * MIB) == 0);
        CHECK(pool_stats().reserved_nbytes == 8 * MIB);
        CHECK(kernel_is_advised(address, 8 * MIB, advice_for_fresh()));
        write_reserved(&span, 3 * MIB, 1);
        CHECK(kernel_is_mapped(address, 4 * MIB) && kernel_is_dumped(address, 4 * MIB));
        CHECK(kernel_is_closed(address + 4 * MIB, 4 * MIB));
        give(&span);
        CHECK(pool_stats().reserved_nbytes == 0 && pool_stats().live == 0);
        finish();
    }
}

/* A limit takes twice as much address space, since the headroom may be as long as the
 * bytes in use. Up to a limit of about 1 MiB that is one open mapping of 2 MiB. */
static void
test_spans_reserve_below_1_mib_takes_one_mapping(void)
{
    const size_t limits[] = {
        0,       1,      PAGE, MIB - GROWTH_FRONT / 2 - 1, MIB, 2 * MIB - GROWTH_FRONT,
        2 * MIB, 5 * MIB};
    const size_t lengths[] = {2, 2, 2, 2, 4, 4, 6, 12};
    for (int i = 0; i < 8 * KERNEL_WHOLE; i++) {
        begin(i / 8, ANY_RUNG);
        CASE("a kernel %s, a limit of %zu", kernel_names[i / 8], limits[i % 8]);
        struct span span = reserve(limits[i % 8]);
        bool whole = lengths[i % 8] == 2;
        CHECK(span.length == lengths[i % 8] * MIB);
        CHECK(kernel.nmappings == (whole ? 1 : 2));
        CHECK(kernel.calls[KERNEL_PROTECT] == (whole ? 0 : 1));
        CHECK(kernel_is_mapped(span.address, 2 * MIB));
        CHECK(kernel_is_dumped(span.address, 2 * MIB));
        CHECK(GROWTH_FRONT + 2 * limits[i % 8] < span.length);
        give(&span);
        finish();
    }
}

/* Advice that fails is no error. The span only takes more memory or time. */
static void
test_spans_reserve_with_advice_refused_succeeds(void)
{
    for (size_t n = 2; n < 4; n++) {
        begin(KERNEL_MAINLINE, ANY_RUNG);
        pages_facts.huge = PAGES_HUGE_ALWAYS;
        kernel_fail(n, EINVAL);
        struct span span = reserve(MIB);
        CHECK(kernel.nfailed == 1);
        CHECK(kernel_is_hidden(span.address + 2 * MIB, 2 * MIB) == (n == 2));
        give(&span);
        finish();
    }
}

static void
test_spans_reserve_refused_is_an_error_and_leaves_nothing(void)
{
    struct span span;
    begin(KERNEL_NO_PAGES, ANY_RUNG);
    CHECK(spans_reserve(2 * MIB, &span) == ENOTSUP);
    begin(KERNEL_MAINLINE, PAGES_HEAP);
    CHECK(spans_reserve(2 * MIB, &span) == ENOTSUP && kernel.nbytes == 0);
    begin(KERNEL_MAINLINE, ANY_RUNG);
    kernel.most_nbytes = 7 * MIB;
    CHECK(spans_reserve(3 * MIB, &span) == ENOMEM && pool_stats().live == 0);
    CHECK(spans_reserve(SPAN_MAX_LIMIT + 1, &span) == ENOMEM);
    CHECK(spans_reserve(SIZE_MAX, &span) == ENOMEM);
    for (size_t n = 1; n <= 4; n++) { /* map, hide, open, advise */
        size_t nfailed = kernel.nfailed;
        kernel_fail(n, EAGAIN);
        int error = spans_reserve(MIB, &span);
        CHECK(error == (n == 1 || n == 3 ? EAGAIN : 0));
        CHECK(kernel.nfailed == nfailed + 1);
        CHECK(kernel.nbytes == (error ? 0 : 4 * MIB));
        if (error == 0) {
            give(&span);
            (void)pool_drain();
        }
    }
    finish();
}

/* If address space is short, the pool gives its entries back, also reservations. */
static void
test_spans_reserve_without_space_empties_the_pool(void)
{
    begin(KERNEL_MAINLINE, ANY_RUNG);
    struct span kept = reserve(MIB), span = take(4 * MIB, 100, 1), other;
    give(&kept);
    give(&span);
    CHECK(kernel.nbytes == 8 * MIB && pool_stats().nentries == 2);
    kernel.most_nbytes = 8 * MIB;
    span = reserve(3 * MIB);
    CHECK(pool_stats().nentries == 0 && kernel.nbytes == 8 * MIB);
    write_reserved(&span, 100, 1);
    CHECK(spans_take(1, false, &other) == ENOMEM);
    give(&span);
    CHECK(pool_stats().nentries == 1);
    span = take(4 * MIB, 100, 1);
    CHECK(pool_stats().nentries == 0 && kernel.nbytes == 4 * MIB);
    give(&span);
    finish();
}

/* If opening more of a reservation fails, the pool gives its entries back, and the call
 * is repeated. */
static void
test_spans_prepare_refused_empties_the_pool_and_tries_again(void)
{
    begin(KERNEL_MAINLINE, ANY_RUNG);
    struct spans_use use = {.max_end = 7 * MIB, .nbytes = 3 * MIB};
    struct span kept = take(4 * MIB, 100, 1), span = reserve(7 * MIB);
    give(&kept);
    kernel_fail(1, ENOMEM);
    CHECK(spans_prepare(&span, 3 * MIB, &use) == 0 && pool_stats().nentries == 0);
    kernel_fail_from(1, ENOMEM);
    use.nbytes = 5 * MIB;
    size_t dirty_end = span.dirty_end;
    CHECK(spans_prepare(&span, 5 * MIB, &use) == ENOMEM);
    CHECK(span.dirty_end == dirty_end);
    CHECK(kernel_is_closed(span.address + 4 * MIB, 12 * MIB));
    kernel_heal();
    CHECK(spans_prepare(&span, 5 * MIB, &use) == 0);
    give(&span);
    finish();
}

/* A request for a reservation of the same length gets the one in the pool. Its dirty
 * pages become its tail. */
static void
test_spans_reserve_gets_a_kept_one_with_its_pages_as_a_tail(void)
{
    for (int i = 0; i < 2 * KERNEL_NO_PAGES; i++) {
        begin(i / 2, ANY_RUNG);
        size_t limit = i % 2 ? 5 * MIB : 5 * MIB + 1000; /* the same length of space */
        struct span span = reserve(5 * MIB);
        char *address = span.address;
        write_reserved(&span, 3 * MIB, 1);
        size_t dirty_end = span.dirty_end;
        give(&span);
        CHECK(pool_stats().nentries == 1 && kept_nbytes() == dirty_end);
        size_t calls = kernel.ncalls;
        span = reserve(limit);
        CHECK(span.address == address && kernel.ncalls == calls);
        CHECK(pool_stats().nentries == 1 && span.has_tail);
        CHECK(pool_stats().reserved_nbytes == 12 * MIB && pool_stats().live == 1);
        CHECK(is_zero(address, PAGE));
        CHECK(tail_nbytes(&span) == growth_round_up(dirty_end + 1, PAGE) - PAGE);
        write_reserved(&span, 3 * MIB, 2);
        CHECK(kernel.ncalls == calls && is_filled(address, 3 * MIB, 2));
        give(&span);
        span = reserve(9 * MIB); /* another length */
        CHECK(span.address != address && !span.has_tail);
        give(&span);
        CHECK(pool_stats().nentries == 2);
        finish();
    }
}

/* A request for a span never gets a reservation of the pool, or a part of it. */
static void
test_spans_take_gets_no_reservation(void)
{
    begin(KERNEL_MAINLINE, ANY_RUNG);
    struct span span = reserve(MIB);
    char *address = span.address;
    write_reserved(&span, MIB, 1);
    give(&span);
    for (int zeroed = 0; zeroed < 2; zeroed++) {
        CHECK(spans_take(MIB, zeroed, &span) == 0);
        CHECK(span.address != address && span.dirty_end == 0 && !span.reserved);
        give(&span);
    }
    span = reserve(100);
    CHECK(span.address != address);
    give(&span);
    finish();
}

static void
test_pool_keep_evicts_the_oldest_of_too_many_reservations(void)
{
    enum { MORE = POOL_MAX_RESERVATIONS + 3 };
    begin(KERNEL_MAINLINE, ANY_RUNG);
    struct span spans[MORE], span = take(2 * MIB, 100, 1);
    for (int i = 0; i < MORE; i++) {
        spans[i] = reserve(MIB);
    }
    const char *oldest = spans[0].address, *kept = spans[3].address;
    give(&span);
    for (int i = 0; i < MORE; i++) {
        give(&spans[i]);
        CHECK(pool_stats().nentries <= 1 + POOL_MAX_RESERVATIONS);
    }
    CHECK(pool_stats().nentries == 1 + POOL_MAX_RESERVATIONS);
    CHECK(kernel.nbytes == 2 * MIB + POOL_MAX_RESERVATIONS * 4 * MIB);
    CHECK(!kernel_is_mapped(oldest, 2 * MIB) && kernel_is_mapped(kept, 2 * MIB));
    finish();
}

/* A reservation that another thread gives back during an unmap is counted. */
static void
test_pool_keep_reservation_during_an_unmap_is_counted(void)
{
    enum { MORE = POOL_MAX_RESERVATIONS + 1 };
    begin(KERNEL_MAINLINE, ANY_RUNG);
    struct span spans[MORE];
    for (int i = 0; i < MORE; i++) {
        spans[i] = reserve(MIB);
    }
    given_meanwhile = reserve(MIB);
    for (int i = 0; i < POOL_MAX_RESERVATIONS; i++) {
        give(&spans[i]);
    }
    fake_unmap = pages_ops.unmap;
    pages_ops.unmap = give_meanwhile;
    give(&spans[POOL_MAX_RESERVATIONS]);
    CHECK(pages_ops.unmap == fake_unmap);
    CHECK(pool_stats().nentries == POOL_MAX_RESERVATIONS);
    CHECK(kernel.nbytes == POOL_MAX_RESERVATIONS * 4 * MIB);
    finish();
}

/* If more of a reservation is dirty than the limit of the pool, only its front stays
 * dirty. The pool does not keep the reservation if the limit is below 2 MiB, or if the
 * memory is locked. */
static void
test_pool_keep_reservation_over_the_limit_keeps_less_memory(void)
{
    const size_t limits[] = {0, MIB, 2 * MIB, 5 * MIB};
    for (int i = 0; i < 8; i++) {
        begin(KERNEL_MAINLINE, ANY_RUNG);
        CASE("a limit of %zu, locked %d", limits[i / 2], i % 2);
        pool_set_limit(limits[i / 2]);
        kernel.locked = i % 2;
        struct span span = reserve(7 * MIB);
        char *address = span.address;
        write_reserved(&span, 6 * MIB, 1);
        give(&span);
        CHECK(kept_nbytes() <= limits[i / 2]);
        CHECK(pool_stats().nentries == (i / 2 < 2 || kernel.locked ? 0 : 1));
        CHECK((kernel.nbytes == 0) == (pool_stats().nentries == 0));
        span = reserve(7 * MIB);
        write_reserved(&span, 7 * MIB, 2);
        CHECK(is_filled(span.address, 7 * MIB, 2));
        CHECK(kernel.nbytes == 16 * MIB &&
              (span.address == address || i / 2 < 2 || i % 2));
        give(&span);
        finish();
    }
}

int
main(void)
{
    RUN(test_spans_take_fresh_is_zero_and_aligned);
    RUN(test_spans_cut_where_mappings_cannot_be_cut_keeps_the_length);
    RUN(test_spans_in_steps_open_what_is_needed);
    RUN(test_spans_take_in_steps_with_one_call_failing_fails_unless_it_is_advice);
    RUN(test_spans_take_refused_is_an_error);
    RUN(test_spans_take_gets_a_dirty_span_without_a_call);
    RUN(test_spans_take_leaves_a_dirty_span_that_is_too_short);
    RUN(test_spans_take_zeroed_gets_dirty_pages_below_32_mib_only);
    RUN(test_spans_take_gets_a_zero_span_of_its_length);
    RUN(test_spans_take_small_gets_no_zero_span_in_huge_pages);
    RUN(test_spans_take_gets_pieces_of_a_dirty_span);
    RUN(test_spans_take_small_gets_no_part_of_a_large_or_huge_span);
    RUN(test_spans_take_does_not_split_off_zeros);
    RUN(test_spans_grow_joins_the_dirty_span_after_it);
    RUN(test_spans_grow_moves_joined_pieces_along);
    RUN(test_spans_grow_leaves_what_it_cannot_join);
    RUN(test_spans_grow_joins_no_other_mapping);
    RUN(test_pool_new_mapping_numbers_do_not_repeat);
    RUN(test_pool_keep_of_moved_pieces_does_not_join);
    RUN(test_pool_keep_of_a_piece_moved_to_the_end_does_not_join);
    RUN(test_pool_keep_pieces_in_any_order_joins_them);
    RUN(test_pool_keep_joined_is_dirty_to_the_last_dirty_byte);
    RUN(test_pool_keep_joins_no_more_than_the_limit);
    RUN(test_spans_cap_keeps_a_tail_that_comes_back);
    RUN(test_spans_cap_within_a_page_clears_the_rest_of_it);
    RUN(test_pool_tail_evicted_reads_as_zero);
    RUN(test_spans_functions_with_a_tail_keep_the_bytes);
    RUN(test_spans_cut_front_leaves_the_tail);
    RUN(test_spans_take_keeps_what_is_not_needed_as_a_tail);
    RUN(test_pool_keep_tail_over_the_limit_keeps_the_front);
    RUN(test_pool_keep_tail_many_evict_the_oldest);
    RUN(test_pool_keep_tail_with_the_limit_lowered_during_an_unmap_keeps_none);
    RUN(test_spans_cap_of_touched_pages_gives_them_back);
    RUN(test_pool_idle_entries_are_evicted);
    RUN(test_spans_take_evicts_idle_entries);
    RUN(test_pool_keep_too_large_evicts_idle_entries);
    RUN(test_pool_keep_too_large_leaves_the_others);
    RUN(test_spans_give_discards_pages_touched_ahead);
    RUN(test_spans_give_after_losing_a_part_discards_pages_touched_ahead);
    RUN(test_pool_entry_used_now_and_then_stays);
    RUN(test_pool_rest_of_a_split_span_keeps_its_age);
    RUN(test_spans_grow_by_a_move_evicts_idle_entries);
    RUN(test_pool_set_limit_evicts_the_oldest);
    RUN(test_pool_limit_of_zero_keeps_no_memory);
    RUN(test_pool_keep_during_an_unmap_counts_towards_the_limit);
    RUN(test_pool_keep_offers_huge_pages_after_16_mib);
    RUN(test_spans_take_offered_memory_may_be_zero);
    RUN(test_spans_take_fresh_asks_for_small_pages);
    RUN(test_spans_take_with_advice_refused_succeeds);
    RUN(test_pool_keep_evicts_the_oldest_of_too_many);
    RUN(test_pool_keep_evicts_the_oldest_over_the_limit);
    RUN(test_pool_keep_over_the_limit_keeps_the_front);
    RUN(test_spans_check_reports_each_fault);
    RUN(test_pool_drain_gives_everything_back);
    RUN(test_spans_take_without_space_empties_the_pool);
    RUN(test_spans_cut_gives_the_end_back);
    RUN(test_spans_discard_leaves_zeros_and_no_memory);
    RUN(test_spans_grow_by_each_rung_keeps_the_bytes);
    RUN(test_pool_stats_count_moves_and_copies);
    RUN(test_spans_grow_keeps_the_source_mapped_for_others);
    RUN(test_spans_grow_moves_onto_a_source_of_its_length);
    RUN(test_spans_grow_in_place_leaves_one_owner);
    RUN(test_spans_grow_past_the_maximum_changes_nothing);
    RUN(test_spans_grow_leaves_other_dirty_spans_in_the_pool);
    RUN(test_spans_grow_copies_up_to_2_mib_into_a_dirty_span);
    RUN(test_spans_grow_with_more_in_use_or_fewer_dirty_bytes_leaves_the_dirty_span);
    RUN(test_spans_grow_with_its_target_taken_moves_elsewhere);
    RUN(test_spans_grow_of_two_mappings_copies);
    RUN(test_spans_grow_without_space_takes_short_steps);
    RUN(test_spans_grow_without_space_empties_the_pool);
    RUN(test_spans_grow_without_mappings_left_succeeds);
    RUN(test_spans_cut_refused_leaves_no_memory);
    RUN(test_spans_grow_with_one_call_failing_succeeds);
    RUN(test_spans_grow_in_an_outage_keeps_the_bytes);
    RUN(test_spans_extract_leaves_the_rest_where_it_was);
    RUN(test_spans_extract_below_dontunmap_is_not_supported);
    RUN(test_spans_extract_failing_changes_nothing);
    RUN(test_spans_cut_front_gives_the_front_back);
    RUN(test_spans_prepare_after_a_tail_at_the_border_opens_more);
    RUN(test_spans_prepare_with_a_tail_asks_for_no_prefault);
    RUN(test_spans_reserve_takes_no_memory);
    RUN(test_spans_reserve_below_1_mib_takes_one_mapping);
    RUN(test_spans_reserve_with_advice_refused_succeeds);
    RUN(test_spans_reserve_refused_is_an_error_and_leaves_nothing);
    RUN(test_spans_reserve_without_space_empties_the_pool);
    RUN(test_spans_prepare_refused_empties_the_pool_and_tries_again);
    RUN(test_spans_reserve_gets_a_kept_one_with_its_pages_as_a_tail);
    RUN(test_spans_take_gets_no_reservation);
    RUN(test_pool_keep_evicts_the_oldest_of_too_many_reservations);
    RUN(test_pool_keep_reservation_during_an_unmap_is_counted);
    RUN(test_pool_keep_reservation_over_the_limit_keeps_less_memory);
    RUN(test_spans_take_of_2_mib_gets_the_newest);
    RUN(test_pool_take_dirty_gets_no_span_that_is_less_dirty);
    RUN(test_pool_keep_of_thousands_of_small_spans_in_turn_keeps_the_newest);
    return check_done();
}
