/* Test the functions that compute how much memory to ask for, near all their bounds. */
#include <stdint.h>

#include "check.h"
#include "growth.h"

#define LARGEST (SIZE_MAX / 2)
#define MIB ((size_t)1 << 20)

/* Sizes near each power of two, and near the largest sizes. */
static size_t
size_at(size_t i)
{
    const size_t edges[] = {LARGEST, LARGEST - LARGEST / 9, SIZE_MAX, LARGEST / 2};
    size_t edge = i / 7 < 63 ? (size_t)1 << i / 7 : edges[i / 7 % 4];
    return edge + i % 7 - 3;
}

enum { NSIZES = 7 * (63 + 4) };

static void
test_growth_round_up_near_each_edge_is_the_next_multiple(void)
{
    CHECK(growth_round_up(0, 4096) == 0 && growth_round_up(1, 4096) == 4096);
    CHECK(growth_round_up(4096, 4096) == 4096 && growth_round_up(4097, 4096) == 8192);
    CHECK(growth_round_up(7, 1) == 7);
    for (size_t i = 0; i < NSIZES; i++) {
        size_t nbytes = size_at(i), up = growth_round_up(nbytes, GROWTH_QUANTUM);
        CASE("%zu bytes", nbytes);
        CHECK(up % GROWTH_QUANTUM == 0 && up <= LARGEST);
        CHECK(up == 0 || (up >= nbytes && up - nbytes < GROWTH_QUANTUM));
        CHECK((up == 0) == (nbytes == 0 || nbytes > LARGEST - GROWTH_QUANTUM));
    }
}

/* `needed` is never 0, because a block has at least the NUL. */
static void
test_growth_heap_first_block_is_exact(void)
{
    for (size_t i = 0; i < NSIZES; i++) {
        size_t needed = size_at(i);
        CASE("%zu bytes", needed);
        CHECK(needed == 0 ||
              growth_heap(needed, 0, false) == (needed > LARGEST ? 0 : needed));
    }
}

/* A block that grows by more than a quarter gets exactly what it needs. */
static void
test_growth_heap_large_step_is_exact(void)
{
    CHECK(growth_heap(1251, 1000, true) == 1251 &&
          growth_heap(1250, 1000, true) > 1250);
    CHECK(growth_heap(51, 40, true) == 51 && growth_heap(50, 40, true) > 50);
    CHECK(growth_heap(300 << 10, 200 << 10, true) == 300 << 10);
    for (size_t i = 0; i < NSIZES; i++) {
        size_t allocated = size_at(i), most = allocated + allocated / 4;
        CASE("from %zu bytes", allocated);
        if (allocated > 0 && allocated <= LARGEST / 2) {
            CHECK(growth_heap(most + 1, allocated, true) == most + 1);
            CHECK(growth_heap(most, allocated, true) > most);
            CHECK(growth_heap(2 * allocated + 1, allocated, true) == 2 * allocated + 1);
        }
    }
}

/* The first time that a block grows by a quarter or less, it gets an eighth more,
 * because it may never grow again. */
static void
test_growth_heap_first_small_step_is_an_eighth(void)
{
    for (size_t i = 0; i < NSIZES; i++) {
        size_t needed = size_at(i), more = needed / 8 + 6;
        CASE("%zu bytes", needed);
        if (needed > 4) {
            size_t nbytes = needed > LARGEST          ? 0
                            : more > LARGEST - needed ? needed
                                                      : needed + more;
            CHECK(growth_heap(needed, needed - 1, false) == nbytes);
        }
    }
    CHECK(growth_heap(1251, 1000, false) == 1251);
}

/* A small block gets a quarter more, one of 16 KiB or more a half, one of 256 KiB or
 * more an eighth. */
static void
test_growth_heap_small_step_adds_a_share_by_size(void)
{
    const size_t small = 16 << 10, large = 256 << 10;
    CHECK(growth_heap(101, 100, true) == 101 + 25 + 6);
    CHECK(growth_heap(small - 1, small - 2, true) == small - 1 + (small - 1) / 4 + 6);
    CHECK(growth_heap(small, small - 1, true) == small + small / 2);
    CHECK(growth_heap(large - 1, large - 2, true) == large - 1 + (large - 1) / 2);
    CHECK(growth_heap(large, large - 1, true) == large + large / 8);
    CHECK(growth_heap(80 * MIB, 79 * MIB, true) == 90 * MIB);
}

/* At least an eighth more, as for a bytearray, and at most a half. */
static void
test_growth_heap_small_step_gets_an_eighth_more_at_least(void)
{
    for (size_t i = 0; i < NSIZES; i++) {
        size_t needed = size_at(i), nbytes = growth_heap(needed, needed - 1, true);
        CASE("%zu bytes", needed);
        if (needed > LARGEST) {
            CHECK(nbytes == 0);
        }
        else if (needed > 4) { /* up to 4, one byte more is more than a quarter */
            CHECK(nbytes >= needed && nbytes <= LARGEST);
            CHECK(nbytes - needed >= needed / 8 || needed > LARGEST - LARGEST / 8);
            CHECK(nbytes - needed <= needed / 2 + 6);
        }
    }
}

/* The number of blocks grows with the logarithm of the length. */
static void
test_growth_heap_byte_by_byte_takes_few_blocks(void)
{
    size_t allocated = 0, nblocks = 0;
    for (size_t needed = 1; needed < 16 * MIB; needed++) {
        if (needed > allocated) {
            allocated = growth_heap(needed, allocated, nblocks > 1);
            nblocks++;
        }
    }
    CHECK(allocated >= 16 * MIB - 1 && nblocks <= 100);
}

static void
test_growth_span_first_is_rounded_up(void)
{
    CHECK(growth_span(1, 0) == 2 * MIB && growth_span(2 * MIB, 0) == 2 * MIB);
    CHECK(growth_span(2 * MIB + 1, 0) == 4 * MIB);
    CHECK(growth_span(LARGEST, 0) == 0 && growth_span(SIZE_MAX, 0) == 0);
    CHECK(growth_span(LARGEST - 2 * MIB, 0) != 0);
    CHECK(growth_span(LARGEST - 2 * MIB + 1, 0) == 0);
}

static void
test_growth_span_doubles(void)
{
    CHECK(growth_span(2 * MIB + 1, 2 * MIB) == 4 * MIB);
    CHECK(growth_span(10 * MIB + 1, 10 * MIB) == 20 * MIB);
    CHECK(growth_span(50 * MIB + 1, 10 * MIB) == 52 * MIB);
    CHECK(growth_span(20 * MIB, 10 * MIB) == 20 * MIB);
    for (size_t length = 2 * MIB; length <= LARGEST / 4; length *= 2) {
        CASE("from %zu bytes", length);
        CHECK(growth_span(length + 1, length) == 2 * length);
        CHECK(growth_span(LARGEST, length) == 0);
    }
    /* A span that is too long to double can still grow. */
    size_t half = LARGEST / 2 + 1;
    CHECK(growth_span(half + 1, half) == half + 2 * MIB);
}

static void
test_growth_span_modest_is_an_eighth_more(void)
{
    CHECK(growth_span_modest(1) == 2 * MIB);
    CHECK(growth_span_modest(16 * MIB) == 18 * MIB);
    CHECK(growth_span_modest(16 * MIB + 1) == 20 * MIB);
    CHECK(growth_span_modest(SIZE_MAX) == 0 && growth_span_modest(LARGEST) == 0);
    for (size_t i = 0; i < NSIZES; i++) {
        size_t needed = size_at(i), modest = growth_span_modest(needed);
        CASE("%zu bytes", needed);
        CHECK(modest % GROWTH_QUANTUM == 0 && modest <= LARGEST);
        CHECK(modest == 0 || modest >= needed);
        CHECK(modest == 0 || modest - needed < needed / 8 + GROWTH_QUANTUM);
    }
}

/* A larger need never gets a shorter span. */
static void
test_growth_span_for_more_bytes_is_never_shorter(void)
{
    size_t span = 0, modest = 0;
    for (size_t needed = 1; needed < 64 * MIB; needed += 12345) {
        CASE("%zu bytes", needed);
        CHECK(growth_span(needed, 8 * MIB) >= span);
        CHECK(growth_span_modest(needed) >= modest);
        span = growth_span(needed, 8 * MIB);
        modest = growth_span_modest(needed);
    }
}

/* growth_ahead() adds an eighth of the length, but at least 64 KiB and at most 32 MiB.
 * If the length is below 64 KiB, it adds the length instead, but at least 4 KiB. */
static void
test_growth_ahead_is_an_eighth_within_bounds(void)
{
    CHECK(growth_ahead(100, 0) == 100 + (4 << 10));
    CHECK(growth_ahead(9 << 10, 4 << 10) == 13 << 10);
    CHECK(growth_ahead(9 << 10, 5 << 10) == 14 << 10);
    CHECK(growth_ahead(99 << 10, 64 << 10) == (99 + 64) << 10);
    CHECK(growth_ahead(99 << 10, 65 << 10) == (99 + 64) << 10);
    CHECK(growth_ahead(MIB, 512 << 10) == MIB + (64 << 10));
    CHECK(growth_ahead(2 * MIB, MIB) == 2 * MIB + MIB / 8);
    CHECK(growth_ahead(5 * MIB, 4 * MIB) == 5 * MIB + MIB / 2);
    CHECK(growth_ahead(256 * MIB, 256 * MIB) == 288 * MIB);
    CHECK(growth_ahead(LARGEST / 2, LARGEST / 2) == LARGEST / 2 + 32 * MIB);
    CHECK(growth_ahead(LARGEST - 1, LARGEST - 1) == LARGEST - 1);
    CHECK(growth_ahead(LARGEST, 0) == LARGEST);
}

/* A file that grows by more than an eighth gets exactly its length. One that grows by
 * less gets more: below 16 KiB an eighth more, otherwise a half more. The result is at
 * most GROWTH_BUFFER_MIN. */
static void
test_growth_file_small_step_adds_a_share_by_size(void)
{
    const size_t small = 16 << 10, max = GROWTH_BUFFER_MIN;
    CHECK(growth_file(101, 0) == 101 && growth_file(113, 100) == 113);
    CHECK(growth_file(112, 100) == 112 + 14 + 6);
    CHECK(growth_file(small - 1, small - 2) == small - 1 + (small - 1) / 8 + 6);
    CHECK(growth_file(small, small - 1) == small + small / 2);
    CHECK(growth_file(max - 1, max - 2) == max && growth_file(max - 1, 0) == max - 1);
    for (size_t length = 0; length < max; length += 1 + length / 9) {
        for (size_t size = 0; size <= length; size += 1 + size / 9) {
            size_t wanted = growth_file(length, size);
            CASE("%zu bytes, from %zu", length, size);
            CHECK(length <= wanted && wanted <= max);
        }
    }
}

/* The other layers rely on this order of the thresholds. */
static void
test_growth_thresholds_are_in_the_expected_order(void)
{
    CHECK(GROWTH_HEAP_AGAIN * 2 <= GROWTH_SPAN_MIN);
    CHECK(GROWTH_SPAN_MIN < GROWTH_BUFFER_MIN);
    CHECK(GROWTH_BUFFER_MIN < GROWTH_HUGE_PART_MIN);
    CHECK(GROWTH_HUGE_PART_MIN < GROWTH_QUANTUM);
    CHECK(GROWTH_QUANTUM * 2 <= GROWTH_HUGE_MIN);
    CHECK(GROWTH_HUGE_MIN < GROWTH_FRESH_ZEROS_MIN);
    CHECK((GROWTH_QUANTUM & (GROWTH_QUANTUM - 1)) == 0);
}

int
main(void)
{
    RUN(test_growth_round_up_near_each_edge_is_the_next_multiple);
    RUN(test_growth_heap_first_block_is_exact);
    RUN(test_growth_heap_large_step_is_exact);
    RUN(test_growth_heap_first_small_step_is_an_eighth);
    RUN(test_growth_heap_small_step_adds_a_share_by_size);
    RUN(test_growth_heap_small_step_gets_an_eighth_more_at_least);
    RUN(test_growth_heap_byte_by_byte_takes_few_blocks);
    RUN(test_growth_span_first_is_rounded_up);
    RUN(test_growth_span_doubles);
    RUN(test_growth_span_modest_is_an_eighth_more);
    RUN(test_growth_span_for_more_bytes_is_never_shorter);
    RUN(test_growth_ahead_is_an_eighth_within_bounds);
    RUN(test_growth_file_small_step_adds_a_share_by_size);
    RUN(test_growth_thresholds_are_in_the_expected_order);
    return check_done();
}
