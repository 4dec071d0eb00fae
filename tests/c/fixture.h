/* fixture: what the tests of pages, spans and stores share. begin() starts a test on a
 * fake kernel. finish() checks that nothing is left on it.
 */
#ifndef GROWBUF_TESTS_FIXTURE_H
#define GROWBUF_TESTS_FIXTURE_H

#include <stdint.h>
#include <string.h>

#include "check.h"
#include "growth.h"
#include "kernel.h"
#include "pages.h"
#include "store.h"

#define KIB ((size_t)1 << 10)
#define MIB ((size_t)1 << 20)
#define PAGE (kernel_page_nbytes())
#define ANY_RUNG ((enum pages_rung)(PAGES_NRUNGS - 1))

/* The best rung that each kernel has. */
static const enum pages_rung best_rung[KERNEL_KINDS] = {
    [KERNEL_2014] = PAGES_RETAIN,        [KERNEL_RETAIN] = PAGES_RETAIN,
    [KERNEL_MAINLINE] = PAGES_DONTUNMAP, [KERNEL_OLD] = PAGES_MAYMOVE,
    [KERNEL_ENOSYS] = PAGES_COPY,        [KERNEL_EPERM] = PAGES_COPY,
    [KERNEL_WHOLE] = PAGES_COPY,         [KERNEL_NO_PAGES] = PAGES_HEAP,
};

/* Whether a kernel can move a range to one of equal length and keep the source
 * mapped. */
static inline bool
has_dontunmap(enum kernel_kind kind)
{
    return kind == KERNEL_RETAIN || kind == KERNEL_MAINLINE;
}

/* Start a fake kernel without mappings. The highest rung that may be used is
 * `highest`. */
static inline void
begin(enum kernel_kind kind, enum pages_rung highest)
{
    CASE("a kernel %s, highest rung %s", kernel_names[kind], pages_rung_names[highest]);
    kernel_boot(kind);
    pages_probe(highest);
    pool_set_limit(POOL_NBYTES);
    CHECK(pool_stats().live == 0 && pool_stats().nentries == 0);
}

static inline void
check_state(void)
{
    CHECK_SOUND(kernel_misuse());
    CHECK_SOUND(pool_check());
}

static inline void
finish(void)
{
    kernel_heal();
    kernel.most_nbytes = kernel.most_mappings = 0;
    (void)pool_drain();
    check_state();
    CHECK(pool_stats().live == 0 && pool_stats().nentries == 0);
    CHECK(pool_stats().nbytes == 0 && pool_stats().reserved_nbytes == 0);
    CHECK_SOUND(kernel_leak());
}

/* Whether all of `nbytes` bytes are zero. */
static inline bool
is_zero(const char *bytes, size_t nbytes)
{
    return nbytes == 0 || (bytes[0] == 0 && memcmp(bytes, bytes + 1, nbytes - 1) == 0);
}

/* Return the next number of a pseudorandom sequence (xorshift64). */
static inline uint64_t
next_random(uint64_t *state)
{
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    return *state;
}

/* Fill with pseudorandom bytes that are never zero, so that a test notices bytes that
 * are lost, shifted or from elsewhere. */
static inline void
fill(char *bytes, size_t nbytes, uint64_t seed)
{
    uint64_t state = seed * 2 + 1;
    for (size_t at = 0; at < nbytes; at += sizeof state) {
        uint64_t word = next_random(&state) | UINT64_C(0x0101010101010101);
        size_t left = nbytes - at;
        memcpy(bytes + at, &word, left < sizeof word ? left : sizeof word);
    }
}

/* Append bytes that fill() makes. */
static inline void
append_filled(struct store *store, size_t nbytes, uint64_t seed)
{
    size_t at = store->length;
    CHECK(store_splice(store, at, 0, nbytes) == 0);
    fill(store->start + at, nbytes, seed);
    CHECK_SOUND(store_check(store));
}

/* Whether fill() would write these bytes. */
static inline bool
is_filled(const char *bytes, size_t nbytes, uint64_t seed)
{
    char expected[4096];
    uint64_t state = seed * 2 + 1;
    for (size_t at = 0; at < nbytes; at += sizeof expected) {
        size_t left = nbytes - at;
        for (size_t i = 0; i < sizeof expected; i += sizeof state) {
            uint64_t word = next_random(&state) | UINT64_C(0x0101010101010101);
            memcpy(expected + i, &word, sizeof word);
        }
        if (memcmp(bytes + at, expected,
                   left < sizeof expected ? left : sizeof expected)) {
            return false;
        }
    }
    return true;
}

#endif
