/* methods: what the methods of bytearray compute, on plain bytes. */
#define _GNU_SOURCE /* memrchr */

#include "methods.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* ------------------------------------------------------------------- searching */

/* For fewer bytes than this a loop costs less than a call of memchr(). */
enum { FEW = 16 };

static size_t
find_byte(struct piece bytes, char value)
{
    if (bytes.nbytes < FEW) {
        for (size_t at = 0; at < bytes.nbytes; at++) {
            if (bytes.start[at] == value) {
                return at;
            }
        }
        return METHODS_NONE;
    }
    const char *found = memchr(bytes.start, value, bytes.nbytes);
    return found == NULL ? METHODS_NONE : (size_t)(found - bytes.start);
}

static size_t
rfind_byte(struct piece bytes, char value)
{
#ifdef __linux__
    if (bytes.nbytes >= FEW) {
        const char *found = memrchr(bytes.start, value, bytes.nbytes);
        return found == NULL ? METHODS_NONE : (size_t)(found - bytes.start);
    }
#endif
    for (size_t at = bytes.nbytes; at > 0; at--) {
        if (bytes.start[at - 1] == value) {
            return at - 1;
        }
    }
    return METHODS_NONE;
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
 * resembles the bytes nearly everywhere. Then find_by_hash() continues the search. */
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

/* A word is 8 positions. Return how many words come before the first one that has a
 * position where the first and the last byte of the part both match. A position matches
 * if its byte in `difference` is zero. */
static inline size_t
words_without_pair(const char *word, ptrdiff_t stride, size_t nwords,
                   size_t last_offset, uint64_t first, uint64_t last)
{
    size_t n = 0;
    for (; n < nwords; n++, word += stride) {
        uint64_t difference =
            (word_of(word) ^ first) | (word_of(word + last_offset) ^ last);
        if ((difference - repeat_in_word(1)) & ~difference & repeat_in_word('\x80')) {
            break;
        }
    }
    return n;
}

/* Find the positions where the first and the last byte of the part match, 8 positions
 * at a time, and compare the rest there. Return the position of the part. Otherwise
 * return npositions, and set *nleft to the number of positions not searched. */
static inline size_t
find_pair(const struct search *search, int step, size_t *nleft)
{
    const char *part = search->part.start;
    size_t last_offset = search->part.nbytes - 1, at = 0, ncompared = 0;
    char first = part[0], last = part[last_offset];
    uint64_t first_word = repeat_in_word(first), last_word = repeat_in_word(last);
    while (at < search->npositions) {
        const char *next = search->begin + (ptrdiff_t)at * step;
        size_t nwords = (search->npositions - at) / WORD;
        if (nwords == 0 && search->npositions >= WORD) {
            nwords = 1; /* the last word begins before `at`, where nothing was found */
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
                ncompared += last_offset + WORD; /* WORD is for the cost of the call */
            }
        }
        if (is_too_similar(ncompared, at)) {
            break;
        }
    }
    *nleft = search->npositions - at;
    return search->npositions;
}

/* At each position, look at the byte that the last byte of the part would match (the
 * first byte, if the search goes left). Its value determines how many positions can be
 * skipped (Horspool). Return as find_pair() does. */
static inline size_t
find_by_skips(const struct search *search, int step, size_t *nleft)
{
    const char *part = search->part.start;
    size_t max = search->part.nbytes - 1, at = 0, ncompared = 0;
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

/* Find the part at one of the last `nleft` positions with a rolling hash (Rabin-Karp):
 * each position costs the same. */
static size_t
find_by_hash(const struct search *search, size_t nleft)
{
    size_t nbytes = search->part.nbytes;
    int step = search->step;
    const char *next = search->begin + (ptrdiff_t)(search->npositions - nleft) * step;
    /* The next byte to leave the hash. */
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

/* From these lengths on, making the table of skips is worth its cost. */
enum { SKIPS_PART_MIN = 16, SKIPS_BYTES_MIN = 1024 };

static inline size_t
search_run(const struct search *search, int step)
{
    size_t nleft = 0, at;
    bool skips =
        search->part.nbytes >= SKIPS_PART_MIN && search->npositions >= SKIPS_BYTES_MIN;
    at = skips ? find_by_skips(search, step, &nleft) : find_pair(search, step, &nleft);
    return nleft > 0 ? find_by_hash(search, nleft) : at;
}

size_t
methods_find(struct piece bytes, struct piece part)
{
    if (part.nbytes <= 1) {
        return part.nbytes == 0 ? 0 : find_byte(bytes, part.start[0]);
    }
    if (part.nbytes > bytes.nbytes) {
        return METHODS_NONE;
    }
    struct search search = {bytes.start, bytes.nbytes - part.nbytes + 1, part, 1};
    size_t at = search_run(&search, 1);
    return at < search.npositions ? at : METHODS_NONE;
}

size_t
methods_rfind(struct piece bytes, struct piece part)
{
    if (part.nbytes <= 1) {
        return part.nbytes == 0 ? bytes.nbytes : rfind_byte(bytes, part.start[0]);
    }
    if (part.nbytes > bytes.nbytes) {
        return METHODS_NONE;
    }
    size_t npositions = bytes.nbytes - part.nbytes + 1;
    struct search search = {bytes.start + npositions - 1, npositions, part, -1};
    size_t at = search_run(&search, -1);
    return at < npositions ? npositions - 1 - at : METHODS_NONE;
}

static size_t
count_byte(struct piece bytes, char value, size_t max)
{
    size_t count = 0;
    if (max >= bytes.nbytes) {
        for (size_t i = 0; i < bytes.nbytes; i++) {
            count += bytes.start[i] == value;
        }
        return count;
    }
    for (size_t i = 0; i < bytes.nbytes && count < max; i++) {
        count += bytes.start[i] == value;
    }
    return count;
}

/* Return a piece without its first `nbytes` bytes. */
static struct piece
piece_after(struct piece bytes, size_t nbytes)
{
    assert(nbytes <= bytes.nbytes);
    return (struct piece){bytes.start + nbytes, bytes.nbytes - nbytes};
}

size_t
methods_count(struct piece bytes, struct piece part, size_t max)
{
    assert(part.nbytes > 0);
    if (part.nbytes == 1) {
        return count_byte(bytes, part.start[0], max);
    }
    size_t count = 0, at;
    while (count < max && (at = methods_find(bytes, part)) != METHODS_NONE) {
        bytes = piece_after(bytes, at + part.nbytes);
        count++;
    }
    return count;
}

/* ------------------------------------------------------------------------- sets */

static bool
is_space(char value)
{
    return value == ' ' || (unsigned char)(value - '\t') <= '\r' - '\t';
}

void
methods_set_values(struct methods_set *set, struct piece values)
{
    memset(set->has, 0, sizeof set->has);
    for (size_t i = 0; i < values.nbytes; i++) {
        set->has[(unsigned char)values.start[i]] = true;
    }
}

static bool
set_has(const struct methods_set *set, char value)
{
    return set->has[(unsigned char)value];
}

struct piece
methods_strip(struct piece bytes, const struct methods_set *set,
              enum methods_sides sides)
{
    size_t start = 0, stop = bytes.nbytes;
    if (sides & METHODS_LEFT) {
        while (start < stop && set_has(set, bytes.start[start])) {
            start++;
        }
    }
    if (sides & METHODS_RIGHT) {
        while (stop > start && set_has(set, bytes.start[stop - 1])) {
            stop--;
        }
    }
    return (struct piece){bytes.start + start, stop - start};
}

struct piece
methods_strip_space(struct piece bytes, enum methods_sides sides)
{
    size_t start = 0, stop = bytes.nbytes;
    if (sides & METHODS_LEFT) {
        while (start < stop && is_space(bytes.start[start])) {
            start++;
        }
    }
    if (sides & METHODS_RIGHT) {
        while (stop > start && is_space(bytes.start[stop - 1])) {
            stop--;
        }
    }
    return (struct piece){bytes.start + start, stop - start};
}

/* -------------------------------------------------------------------- splitting */

void
methods_pieces_init(struct methods_pieces *pieces)
{
    pieces->items = pieces->first;
    pieces->count = 0;
    pieces->allocated = sizeof pieces->first / sizeof *pieces->first;
}

void
methods_pieces_free(struct methods_pieces *pieces)
{
    if (pieces->items != pieces->first) {
        free(pieces->items);
    }
}

static int
pieces_grow(struct methods_pieces *pieces)
{
    bool is_first = pieces->items == pieces->first;
    if (pieces->allocated > SIZE_MAX / 2 / sizeof *pieces->items) {
        return ENOMEM;
    }
    size_t nbytes = 2 * pieces->allocated * sizeof *pieces->items;
    struct piece *items = realloc(is_first ? NULL : pieces->items, nbytes);
    if (items == NULL) {
        return ENOMEM;
    }
    if (is_first) {
        memcpy(items, pieces->first, sizeof pieces->first);
    }
    pieces->items = items;
    pieces->allocated *= 2;
    return 0;
}

static int
pieces_add(struct methods_pieces *pieces, const char *start, size_t nbytes)
{
    assert(pieces->count <= pieces->allocated);
    if (pieces->count == pieces->allocated) {
        int error = pieces_grow(pieces);
        if (error) {
            return error;
        }
    }
    pieces->items[pieces->count++] = (struct piece){start, nbytes};
    return 0;
}

static void
pieces_reverse(struct methods_pieces *pieces)
{
    for (size_t i = 0, j = pieces->count; i + 1 < j; i++) {
        struct piece item = pieces->items[i];
        pieces->items[i] = pieces->items[--j];
        pieces->items[j] = item;
    }
}

int
methods_split(struct methods_pieces *pieces, struct piece bytes, struct piece separator,
              size_t max)
{
    assert(separator.nbytes > 0);
    size_t at;
    while (max-- > 0 && (at = methods_find(bytes, separator)) != METHODS_NONE) {
        int error = pieces_add(pieces, bytes.start, at);
        if (error) {
            return error;
        }
        bytes = piece_after(bytes, at + separator.nbytes);
    }
    return pieces_add(pieces, bytes.start, bytes.nbytes);
}

int
methods_rsplit(struct methods_pieces *pieces, struct piece bytes,
               struct piece separator, size_t max)
{
    assert(separator.nbytes > 0);
    size_t at;
    while (max-- > 0 && (at = methods_rfind(bytes, separator)) != METHODS_NONE) {
        struct piece after = piece_after(bytes, at + separator.nbytes);
        int error = pieces_add(pieces, after.start, after.nbytes);
        if (error) {
            return error;
        }
        bytes.nbytes = at;
    }
    int error = pieces_add(pieces, bytes.start, bytes.nbytes);
    pieces_reverse(pieces);
    return error;
}

int
methods_split_space(struct methods_pieces *pieces, struct piece bytes, size_t max)
{
    const char *at = bytes.start, *end = at + bytes.nbytes;
    for (;;) {
        while (at < end && is_space(*at)) {
            at++;
        }
        if (at == end) {
            return 0;
        }
        const char *start = at;
        if (max-- == 0) {
            at = end;
        }
        while (at < end && !is_space(*at)) {
            at++;
        }
        int error = pieces_add(pieces, start, (size_t)(at - start));
        if (error) {
            return error;
        }
    }
}

int
methods_rsplit_space(struct methods_pieces *pieces, struct piece bytes, size_t max)
{
    const char *start = bytes.start, *at = start + bytes.nbytes;
    int error = 0;
    while (error == 0) {
        while (at > start && is_space(at[-1])) {
            at--;
        }
        if (at == start) {
            break;
        }
        const char *end = at;
        if (max-- == 0) {
            at = start;
        }
        while (at > start && !is_space(at[-1])) {
            at--;
        }
        error = pieces_add(pieces, at, (size_t)(end - at));
    }
    pieces_reverse(pieces);
    return error;
}

/* Return the offset of the first such byte at `from` or later, or the length if
 * none. */
static size_t
next_byte(struct piece bytes, size_t from, char value)
{
    size_t at = find_byte(piece_after(bytes, from), value);
    return at == METHODS_NONE ? bytes.nbytes : from + at;
}

int
methods_splitlines(struct methods_pieces *pieces, struct piece bytes, bool keep)
{
    size_t newline = next_byte(bytes, 0, '\n'), carriage = next_byte(bytes, 0, '\r');
    for (size_t start = 0; start < bytes.nbytes;) {
        size_t stop = newline < carriage ? newline : carriage, next = stop;
        if (stop < bytes.nbytes) {
            bool is_pair = newline == carriage + 1 && newline < bytes.nbytes;
            next = stop + (is_pair ? 2 : 1);
        }
        int error =
            pieces_add(pieces, bytes.start + start, (keep ? next : stop) - start);
        if (error) {
            return error;
        }
        start = next;
        newline = newline < start ? next_byte(bytes, start, '\n') : newline;
        carriage = carriage < start ? next_byte(bytes, start, '\r') : carriage;
    }
    return 0;
}

/* ------------------------------------------------------------------ translating */

/* The upper and the lower case of a letter differ in this bit. The loops have no
 * branches, so that compilers vectorize them. */
enum { CASE = 'a' - 'A' };

static unsigned char
is_between(unsigned char value, unsigned char first, unsigned char last)
{
    return (unsigned char)(value - first) <= (unsigned char)(last - first);
}

static unsigned char
is_letter(unsigned char value)
{
    return is_between(value | CASE, 'a', 'z');
}

void
methods_lower(char *to, struct piece from)
{
    for (size_t i = 0; i < from.nbytes; i++) {
        unsigned char c = (unsigned char)from.start[i];
        to[i] = (char)(c ^ (is_between(c, 'A', 'Z') * CASE));
    }
}

void
methods_upper(char *to, struct piece from)
{
    for (size_t i = 0; i < from.nbytes; i++) {
        unsigned char c = (unsigned char)from.start[i];
        to[i] = (char)(c ^ (is_between(c, 'a', 'z') * CASE));
    }
}

void
methods_swapcase(char *to, struct piece from)
{
    for (size_t i = 0; i < from.nbytes; i++) {
        unsigned char c = (unsigned char)from.start[i];
        to[i] = (char)(c ^ (is_letter(c) * CASE));
    }
}

void
methods_capitalize(char *to, struct piece from)
{
    methods_lower(to, from);
    if (from.nbytes > 0) {
        methods_upper(to, (struct piece){from.start, 1});
    }
}

void
methods_title(char *to, struct piece from)
{
    methods_capitalize(to, (struct piece){from.start, from.nbytes > 0});
    for (size_t i = 1; i < from.nbytes; i++) {
        unsigned char before = (unsigned char)from.start[i - 1];
        unsigned char c = (unsigned char)from.start[i];
        unsigned char lower = c | (is_letter(c) * CASE);
        to[i] = (char)(lower ^ ((is_letter(c) & !is_letter(before)) * CASE));
    }
}

void
methods_translate(char *to, struct piece from, const char *table)
{
    for (size_t i = 0; i < from.nbytes; i++) {
        to[i] = table[(unsigned char)from.start[i]];
    }
}

size_t
methods_translate_kept(char *to, struct piece from, const char *table,
                       const struct methods_set *deleted)
{
    char *next = to;
    for (size_t i = 0; i < from.nbytes; i++) {
        char c = from.start[i];
        *next = table == NULL ? c : table[(unsigned char)c];
        next += !set_has(deleted, c); /* a deleted byte is overwritten */
    }
    return (size_t)(next - to);
}

size_t
methods_replaced_nbytes(struct piece from, struct piece old, struct piece new,
                        size_t count)
{
    assert(old.nbytes > 0 && count <= from.nbytes / old.nbytes);
    size_t kept = from.nbytes - count * old.nbytes;
    return new.nbytes > 0 && count > (SIZE_MAX / 2 - kept) / new.nbytes
               ? METHODS_NONE
               : kept + count * new.nbytes;
}

/* Replace all bytes of one value by another. */
static void
replace_byte(char *to, struct piece from, char old, char new)
{
    for (size_t i = 0; i < from.nbytes; i++) {
        to[i] = from.start[i] == old ? new : from.start[i];
    }
}

/* Write the bytes that do not have the value `old`, of which there are `nbytes`. The
 * others are written too and then overwritten. */
static void
delete_byte(char *to, size_t nbytes, const char *from, char old)
{
    for (const char *end = to + nbytes; to < end; from++) {
        *to = *from;
        to += *from != old;
    }
}

void
methods_replace(char *to, size_t nbytes, struct piece from, struct piece old,
                struct piece new, size_t count)
{
    assert(old.nbytes > 0);
    if (old.nbytes == 1 && new.nbytes == 1 && count >= from.nbytes) {
        replace_byte(to, from, old.start[0], new.start[0]);
        return;
    }
    if (old.nbytes == 1 && new.nbytes == 0 && count > from.nbytes / 32 &&
        count == count_byte(from, old.start[0], METHODS_NONE)) {
        delete_byte(to, nbytes, from.start, old.start[0]);
        return;
    }
    size_t at;
    while (count-- > 0 && (at = methods_find(from, old)) != METHODS_NONE) {
        memcpy(to, from.start, at);
        to += at;
        if (new.nbytes > 0) {
            memcpy(to, new.start, new.nbytes);
            to += new.nbytes;
        }
        from = piece_after(from, at + old.nbytes);
    }
    if (from.nbytes > 0) {
        memcpy(to, from.start, from.nbytes);
    }
}

/* Return how many blanks replace a tab in that column. */
static size_t
tab_width(size_t column, size_t tabsize)
{
    return tabsize == 0 ? 0 : tabsize - column % tabsize;
}

/* Return the column after a run of bytes without tabs that begins in `column`. */
static size_t
column_after(struct piece run, size_t column)
{
    for (size_t i = run.nbytes; i > 0; i--) {
        if (run.start[i - 1] == '\n' || run.start[i - 1] == '\r') {
            return run.nbytes - i;
        }
    }
    return column + run.nbytes;
}

size_t
methods_expanded_nbytes(struct piece from, size_t tabsize)
{
    size_t nbytes = from.nbytes, column = 0, at;
    while ((at = find_byte(from, '\t')) != METHODS_NONE) {
        column = column_after((struct piece){from.start, at}, column);
        size_t width = tab_width(column, tabsize);
        if (width > SIZE_MAX / 2 - nbytes) {
            return METHODS_NONE;
        }
        nbytes += width;
        nbytes--;
        column += width;
        from = piece_after(from, at + 1);
    }
    return nbytes;
}

void
methods_expand_tabs(char *to, struct piece from, size_t tabsize)
{
    size_t column = 0, at;
    while ((at = find_byte(from, '\t')) != METHODS_NONE) {
        column = column_after((struct piece){from.start, at}, column);
        size_t width = tab_width(column, tabsize);
        memcpy(to, from.start, at);
        memset(to + at, ' ', width);
        to += at + width;
        column += width;
        from = piece_after(from, at + 1);
    }
    if (from.nbytes > 0) {
        memcpy(to, from.start, from.nbytes);
    }
}

static const char digits[] = "0123456789abcdef";

void
methods_hex(char *to, struct piece from)
{
    for (size_t i = 0; i < from.nbytes; i++) {
        unsigned char c = (unsigned char)from.start[i];
        *to++ = digits[c >> 4];
        *to++ = digits[c & 15];
    }
}

void
methods_hex_separated(char *to, struct piece from, char separator)
{
    for (size_t i = 0; i < from.nbytes; i++) {
        unsigned char c = (unsigned char)from.start[i];
        if (i > 0) {
            *to++ = separator;
        }
        *to++ = digits[c >> 4];
        *to++ = digits[c & 15];
    }
}

void
methods_stride(char *to, const char *from, ptrdiff_t step, size_t count)
{
    if (step == -1) {
        for (size_t i = 0; i < count; i++) {
            to[i] = *(from - i);
        }
        return;
    }
    for (size_t i = 0; i < count; i++) {
        to[i] = from[(ptrdiff_t)i * step];
    }
}
