/* find: searching bytes. */
#define _GNU_SOURCE /* memrchr */

#include "find.h"

#include <assert.h>
#include <stdbool.h>
#include <string.h>

/* For fewer bytes than this a loop costs less than a call of memchr(). */
enum { FEW = 16 };

size_t
find_byte(struct piece bytes, char value)
{
    if (bytes.nbytes < FEW) {
        for (size_t at = 0; at < bytes.nbytes; at++) {
            if (bytes.start[at] == value) {
                return at;
            }
        }
        return FIND_NONE;
    }
    const char *found = memchr(bytes.start, value, bytes.nbytes);
    assert(found == NULL || *found == value);
    return found == NULL ? FIND_NONE : (size_t)(found - bytes.start);
}

size_t
find_byte_last(struct piece bytes, char value)
{
#ifdef __linux__
    if (bytes.nbytes >= FEW) {
        const char *found = memrchr(bytes.start, value, bytes.nbytes);
        return found == NULL ? FIND_NONE : (size_t)(found - bytes.start);
    }
#endif
    for (size_t at = bytes.nbytes; at > 0; at--) {
        if (bytes.start[at - 1] == value) {
            return at - 1;
        }
    }
    return FIND_NONE;
}

/* A search for a part of two bytes or more. Positions are numbered in the order in
 * which they are searched: from the left if `step` is 1, from the right if it is -1. */
struct search {
    const char *begin; /* the bytes at position 0 */
    size_t npositions;
    struct piece part;
    int step;
};

/* Whether a search has compared many more bytes than it has advanced, because the part
 * is similar to the bytes at many positions. Then find_by_hash() continues the
 * search. */
static bool
is_too_similar(size_t ncompared, size_t nadvanced)
{
    return ncompared / 8 > nadvanced + 64;
}

/* The number of positions that are checked together. */
enum { WORD = 8 };

static uint64_t
word_of(const char *bytes)
{
    uint64_t word;
    memcpy(&word, bytes, sizeof word);
    return word;
}

static uint64_t
repeat_in_word(char value)
{
    return (unsigned char)value * (uint64_t)0x0101010101010101u;
}

/* Return how many words of 8 positions come before the first word with a match: a
 * position where the first and the last byte of the part both occur. At a match the
 * byte in `difference` is zero. */
static inline size_t
words_without_pair(const char *word, ptrdiff_t stride, size_t nwords,
                   size_t last_offset, uint64_t first, uint64_t last)
{
    size_t n = 0;
    assert(last_offset > 0 && (stride == WORD || stride == -WORD));
    for (; n < nwords; n++, word += stride) {
        uint64_t difference =
            (word_of(word) ^ first) | (word_of(word + last_offset) ^ last);
        if ((difference - repeat_in_word(1)) & ~difference & repeat_in_word('\x80')) {
            break;
        }
    }
    return n;
}

/* Look for positions where the first and the last byte of the part match, 8 positions
 * at a time, and compare the other bytes there. Return the position of the part. If it
 * was not found, return npositions, and set *nleft to the number of positions that were
 * not searched. */
static inline size_t
find_pair(const struct search *search, int step, size_t *nleft)
{
    const char *part = search->part.start;
    size_t last_offset = search->part.nbytes - 1, at = 0, ncompared = 0;
    assert(last_offset > 0 && (step == 1 || step == -1));
    char first = part[0], last = part[last_offset];
    uint64_t first_word = repeat_in_word(first), last_word = repeat_in_word(last);
    while (at < search->npositions) {
        const char *next = search->begin + (ptrdiff_t)at * step;
        size_t nwords = (search->npositions - at) / WORD;
        if (nwords == 0 && search->npositions >= WORD) {
            nwords = 1; /* search a few positions again, to have a whole word */
            at = search->npositions - WORD;
            next = search->begin + (ptrdiff_t)at * step;
        }
        size_t skipped =
            WORD * words_without_pair(step > 0 ? next : next - (WORD - 1), WORD * step,
                                      nwords, last_offset, first_word, last_word);
        at += skipped;
        next += (ptrdiff_t)skipped * step;
        size_t count = search->npositions - at;
        count = count < WORD ? count : WORD;
        for (; count > 0; count--, at++, next += step) {
            if (next[0] == first && next[last_offset] == last) {
                if (last_offset == 1 ||
                    memcmp(next + 1, part + 1, last_offset - 1) == 0) {
                    return at;
                }
                ncompared += last_offset + WORD; /* WORD: the cost of the call */
            }
        }
        if (is_too_similar(ncompared, at)) {
            break;
        }
    }
    *nleft = search->npositions - at;
    return search->npositions;
}

/* Search by Horspool's algorithm. At each position, test the byte that must equal the
 * last byte of the part (the first byte, if the search goes left). The value of the
 * tested byte determines how many positions can be skipped. Return as find_pair()
 * does. */
static inline size_t
find_by_skips(const struct search *search, int step, size_t *nleft)
{
    const char *part = search->part.start;
    size_t max = search->part.nbytes - 1, at = 0, ncompared = 0;
    assert(max > 0 && (step == 1 || step == -1));
    size_t probe = step > 0 ? max : 0;
    unsigned char skips[256];
    memset(skips, max < 255 ? (int)max + 1 : 255, sizeof skips);
    for (size_t distance = max < 255 ? max : 254; distance > 0; distance--) {
        size_t i = step > 0 ? max - distance : distance;
        skips[(unsigned char)part[i]] = (unsigned char)distance;
    }
    while (at < search->npositions) {
        const char *next = search->begin + (ptrdiff_t)at * step;
        if (next[probe] == part[probe]) {
            if (memcmp(next, part, search->part.nbytes) == 0) {
                return at;
            }
            ncompared += max;
            if (is_too_similar(ncompared, at)) {
                break;
            }
        }
        at += skips[(unsigned char)next[probe]];
    }
    *nleft = at < search->npositions ? search->npositions - at : 0;
    return search->npositions;
}

#define HASH_FACTOR 0x9e3779b97f4a7c15u /* any large odd number */

/* Search the last `nleft` positions with a rolling hash (Rabin-Karp), which takes the
 * same time for each position. Return the position of the part, or npositions. */
static size_t
find_by_hash(const struct search *search, size_t nleft)
{
    size_t nbytes = search->part.nbytes;
    int step = search->step;
    assert(nleft > 0 && nleft <= search->npositions && nbytes > 1);
    const char *next = search->begin + (ptrdiff_t)(search->npositions - nleft) * step;
    /* The byte that leaves the hash next. */
    const char *head = step > 0 ? next : next + nbytes - 1;
    const char *wanted = search->part.start + (step > 0 ? 0 : nbytes - 1);
    uint64_t hash = 0, part_hash = 0, power = 1;
    for (size_t i = 0; i < nbytes; i++) {
        ptrdiff_t offset = (ptrdiff_t)i * step;
        hash = hash * HASH_FACTOR + (unsigned char)head[offset];
        part_hash = part_hash * HASH_FACTOR + (unsigned char)wanted[offset];
        power *= HASH_FACTOR;
    }
    for (; nleft > 0; nleft--, next += step, head += step) {
        if (hash == part_hash && memcmp(next, search->part.start, nbytes) == 0) {
            return search->npositions - nleft;
        }
        if (nleft > 1) {
            hash = hash * HASH_FACTOR + (unsigned char)head[(ptrdiff_t)nbytes * step] -
                   power * (unsigned char)*head;
        }
    }
    return search->npositions;
}

/* From this length of the part and this number of positions on, making the table of
 * skips saves more time than it takes. */
enum { SKIPS_PART_MIN = 16, SKIPS_POSITIONS_MIN = 1024 };

/* Return the position of the part, or npositions. */
static inline size_t
search_run(const struct search *search, int step)
{
    size_t nleft = 0, at;
    assert(search->npositions > 0 && search->step == step);
    bool skips = search->part.nbytes >= SKIPS_PART_MIN &&
                 search->npositions >= SKIPS_POSITIONS_MIN;
    at = skips ? find_by_skips(search, step, &nleft) : find_pair(search, step, &nleft);
    assert(nleft <= search->npositions);
    return nleft > 0 ? find_by_hash(search, nleft) : at;
}

size_t
find_first_part(struct piece bytes, struct piece part)
{
    assert(part.nbytes > 1);
    if (part.nbytes > bytes.nbytes) {
        return FIND_NONE;
    }
    struct search search = {bytes.start, bytes.nbytes - part.nbytes + 1, part, 1};
    size_t at = search_run(&search, 1);
    assert(at <= search.npositions);
    return at < search.npositions ? at : FIND_NONE;
}

size_t
find_last_part(struct piece bytes, struct piece part)
{
    assert(part.nbytes > 1);
    if (part.nbytes > bytes.nbytes) {
        return FIND_NONE;
    }
    size_t npositions = bytes.nbytes - part.nbytes + 1;
    struct search search = {bytes.start + npositions - 1, npositions, part, -1};
    size_t at = search_run(&search, -1);
    assert(at <= npositions);
    return at < npositions ? npositions - 1 - at : FIND_NONE;
}

/* Whether the `nbytes` bytes of a part begin at this address. All are compared, so that
 * there is no branch. */
static inline unsigned char
is_part_at(const char *at, const char *part, size_t nbytes)
{
    unsigned char same = at[0] == part[0];
    for (size_t i = 1; i < nbytes; i++) {
        same &= at[i] == part[i];
    }
    return same;
}

/* Count the positions at which the part occurs. There are NLANES counters of one byte
 * each, so that compilers vectorize the loop. They are added up before one can
 * overflow. `nbytes`, the length of the part, is a constant in each call. */
enum { NLANES = 32, LANE_MAX = 255 };
static inline size_t
count_positions(struct piece bytes, const char *part, size_t nbytes)
{
    size_t count = 0,
           npositions = bytes.nbytes < nbytes ? 0 : bytes.nbytes - nbytes + 1;
    const char *next = bytes.start;
    while (npositions >= NLANES) {
        unsigned char lanes[NLANES] = {0};
        size_t nrows = npositions / NLANES;
        nrows = nrows < LANE_MAX ? nrows : LANE_MAX;
        assert(nrows > 0 && NLANES * nrows <= npositions);
        for (size_t row = 0; row < nrows; row++, next += NLANES) {
            for (size_t lane = 0; lane < NLANES; lane++) {
                lanes[lane] += is_part_at(next + lane, part, nbytes);
            }
        }
        for (size_t lane = 0; lane < NLANES; lane++) {
            count += lanes[lane];
        }
        npositions -= NLANES * nrows;
    }
    for (; npositions > 0; npositions--, next++) {
        if (*next == *part) { /* seldom, so that a branch costs less */
            count += is_part_at(next, part, nbytes);
        }
    }
    return count;
}

/* Whether two occurrences of a part can overlap: it begins and ends with the same
 * bytes. */
static bool
overlaps_itself(struct piece part)
{
    for (size_t distance = 1; distance < part.nbytes; distance++) {
        if (memcmp(part.start, part.start + distance, part.nbytes - distance) == 0) {
            return true;
        }
    }
    return false;
}

/* Count the occurrences of a part of two to four bytes that cannot overlap. */
static size_t
count_short(struct piece bytes, struct piece part)
{
    assert(part.nbytes >= 2 && part.nbytes <= 4 && !overlaps_itself(part));
    switch (part.nbytes) {
    case 2:
        return count_positions(bytes, part.start, 2);
    case 3:
        return count_positions(bytes, part.start, 3);
    default:
        return count_positions(bytes, part.start, 4);
    }
}

size_t
find_count_byte(struct piece bytes, char value, size_t max)
{
    size_t count = 0, at;
    while (count < max && (at = find_byte(bytes, value)) != FIND_NONE) {
        bytes = piece_after(bytes, at + 1);
        count++;
        if (max - count >= bytes.nbytes) {
            return count + count_positions(bytes, &value, 1);
        }
    }
    return count;
}

size_t
find_count_part(struct piece bytes, struct piece part, size_t max)
{
    assert(part.nbytes > 1);
    if (part.nbytes <= 4 && max >= bytes.nbytes && !overlaps_itself(part)) {
        return count_short(bytes, part);
    }
    size_t count = 0, at;
    while (count < max && (at = find_first_part(bytes, part)) != FIND_NONE) {
        assert(at + part.nbytes <= bytes.nbytes);
        bytes = piece_after(bytes, at + part.nbytes);
        count++;
    }
    return count;
}
