/* methods: what the methods of bytearray compute, on plain bytes. */
#define _GNU_SOURCE /* memrchr */

#include "methods.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* ------------------------------------------------------------------- searching */

static size_t
find_byte(struct piece bytes, char value)
{
    const char *found =
        bytes.nbytes == 0 ? NULL : memchr(bytes.start, value, bytes.nbytes);
    return found == NULL ? METHODS_NONE : (size_t)(found - bytes.start);
}

static size_t
rfind_byte(struct piece bytes, char value)
{
#ifdef __linux__
    const char *found =
        bytes.nbytes == 0 ? NULL : memrchr(bytes.start, value, bytes.nbytes);
    return found == NULL ? METHODS_NONE : (size_t)(found - bytes.start);
#else
    size_t at = bytes.nbytes;
    while (at > 0 && bytes.start[at - 1] != value) {
        at--;
    }
    return at == 0 ? METHODS_NONE : at - 1;
#endif
}

/* Positions that are looked at together. */
enum { BLOCK = 64 };

/* Whether the first byte of a part and its last one stand where they belong, for any of
 * BLOCK positions. There is no branch in it: compilers make vector code of this. */
static bool
block_has_pair(const char *firsts, const char *lasts, char first, char last)
{
    unsigned char any = 0;
    for (int i = 0; i < BLOCK; i++) {
        any |= (unsigned char)((firsts[i] == first) & (lasts[i] == last));
    }
    return any;
}

/* Whether a search has compared so many bytes for the positions it is done with that the
 * part resembles the bytes nearly everywhere. */
static bool
is_too_similar(size_t compared, size_t npositions)
{
    return compared / 16 > npositions + BLOCK;
}

#define HASH_FACTOR 0x9e3779b97f4a7c15u /* any large odd number */

/* Find `part` by the hash of as many bytes, which is updated from position to position:
 * each one costs the same. `step` is 1 for the first occurrence, -1 for the last. */
static size_t
find_by_hash(struct piece bytes, struct piece part, int step)
{
    assert(0 < part.nbytes && part.nbytes <= bytes.nbytes);
    const unsigned char *head = (const unsigned char *)bytes.start;
    const unsigned char *wanted = (const unsigned char *)part.start;
    if (step < 0) {
        head += bytes.nbytes - 1;
        wanted += part.nbytes - 1;
    }
    uint64_t hash = 0, part_hash = 0, power = 1;
    for (size_t i = 0; i < part.nbytes; i++, wanted += step) {
        hash = hash * HASH_FACTOR + head[(ptrdiff_t)i * step];
        part_hash = part_hash * HASH_FACTOR + *wanted;
        power *= HASH_FACTOR;
    }
    const unsigned char *next = head + (ptrdiff_t)part.nbytes * step;
    size_t npositions = bytes.nbytes - part.nbytes + 1;
    for (size_t done = 0;; done++, head += step, next += step) {
        size_t at = step > 0 ? done : npositions - 1 - done;
        if (hash == part_hash &&
            memcmp(bytes.start + at, part.start, part.nbytes) == 0) {
            return at;
        }
        if (done + 1 == npositions) {
            return METHODS_NONE;
        }
        hash = hash * HASH_FACTOR + *next - power * *head;
    }
}

static bool
matches(const char *bytes, struct piece part)
{
    /* The first and the last byte have been compared. */
    return part.nbytes == 2 || memcmp(bytes + 1, part.start + 1, part.nbytes - 2) == 0;
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
    const char *firsts = bytes.start, *lasts = bytes.start + part.nbytes - 1;
    char first = part.start[0], last = part.start[part.nbytes - 1];
    size_t npositions = bytes.nbytes - part.nbytes + 1, at = 0, compared = 0;
    while (at < npositions) {
        size_t end = npositions;
        if (npositions - at >= BLOCK) {
            end = at + BLOCK;
            if (!block_has_pair(firsts + at, lasts + at, first, last)) {
                at = end;
                continue;
            }
        }
        for (; at < end; at++) {
            if (firsts[at] == first && lasts[at] == last) {
                if (matches(firsts + at, part)) {
                    return at;
                }
                compared += part.nbytes;
            }
        }
        if (at < npositions && is_too_similar(compared, at)) {
            struct piece rest = {bytes.start + at, bytes.nbytes - at};
            size_t found = find_by_hash(rest, part, 1);
            return found == METHODS_NONE ? found : at + found;
        }
    }
    return METHODS_NONE;
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
    const char *firsts = bytes.start, *lasts = bytes.start + part.nbytes - 1;
    char first = part.start[0], last = part.start[part.nbytes - 1];
    size_t npositions = bytes.nbytes - part.nbytes + 1, at = npositions, compared = 0;
    while (at > 0) { /* the positions from `at` on are done */
        size_t end = 0;
        if (at >= BLOCK) {
            end = at - BLOCK;
            if (!block_has_pair(firsts + end, lasts + end, first, last)) {
                at = end;
                continue;
            }
        }
        for (; at > end; at--) {
            if (firsts[at - 1] == first && lasts[at - 1] == last) {
                if (matches(firsts + at - 1, part)) {
                    return at - 1;
                }
                compared += part.nbytes;
            }
        }
        if (at > 0 && is_too_similar(compared, npositions - at)) {
            struct piece rest = {bytes.start, at + part.nbytes - 1};
            return find_by_hash(rest, part, -1);
        }
    }
    return METHODS_NONE;
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

/* Drop the first bytes of a piece. */
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

const struct methods_set methods_space = {{0x100003e00, 0, 0, 0}};

static bool
set_has(const struct methods_set *set, char value)
{
    unsigned char v = (unsigned char)value;
    return set->bits[v / 64] >> v % 64 & 1;
}

struct methods_set
methods_set_of(struct piece values)
{
    struct methods_set set = {{0}};
    for (size_t i = 0; i < values.nbytes; i++) {
        unsigned char v = (unsigned char)values.start[i];
        set.bits[v / 64] |= (uint64_t)1 << v % 64;
    }
    return set;
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
    for (;;) {
        bytes = methods_strip(bytes, &methods_space, METHODS_LEFT);
        if (bytes.nbytes == 0) {
            return 0;
        }
        size_t stop = 0;
        if (max-- == 0) {
            stop = bytes.nbytes;
        }
        while (stop < bytes.nbytes && !set_has(&methods_space, bytes.start[stop])) {
            stop++;
        }
        int error = pieces_add(pieces, bytes.start, stop);
        if (error) {
            return error;
        }
        bytes = piece_after(bytes, stop);
    }
}

int
methods_rsplit_space(struct methods_pieces *pieces, struct piece bytes, size_t max)
{
    int error = 0;
    while (error == 0) {
        bytes = methods_strip(bytes, &methods_space, METHODS_RIGHT);
        if (bytes.nbytes == 0) {
            break;
        }
        size_t start = bytes.nbytes;
        if (max-- == 0) {
            start = 0;
        }
        while (start > 0 && !set_has(&methods_space, bytes.start[start - 1])) {
            start--;
        }
        error = pieces_add(pieces, bytes.start + start, bytes.nbytes - start);
        bytes.nbytes = start;
    }
    pieces_reverse(pieces);
    return error;
}

/* Return the offset of the next byte of that value, `from` or later; if none, the end. */
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

/* The two cases of a letter differ in one bit. No branches: compilers make vector code of
 * the loops. */
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
methods_kept_nbytes(struct piece from, const struct methods_set *deleted)
{
    size_t nbytes = 0;
    for (size_t i = 0; i < from.nbytes; i++) {
        nbytes += !set_has(deleted, from.start[i]);
    }
    return nbytes;
}

void
methods_translate_kept(char *to, struct piece from, const char *table,
                       const struct methods_set *deleted)
{
    for (size_t i = 0; i < from.nbytes; i++) {
        char c = from.start[i];
        if (!set_has(deleted, c)) {
            *to++ = table == NULL ? c : table[(unsigned char)c];
        }
    }
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

static void
replace_bytes(char *to, struct piece from, char old, char new)
{
    for (size_t i = 0; i < from.nbytes; i++) {
        to[i] = from.start[i] == old ? new : from.start[i];
    }
}

void
methods_replace(char *to, struct piece from, struct piece old, struct piece new,
                size_t count)
{
    assert(old.nbytes > 0);
    if (old.nbytes == 1 && new.nbytes == 1 && count >= from.nbytes) {
        replace_bytes(to, from, old.start[0], new.start[0]);
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

/* Return how many blanks stand for a tab in a column. */
static size_t
tab_width(size_t column, size_t tabsize)
{
    return tabsize == 0 ? 0 : tabsize - column % tabsize;
}

static bool
ends_line(char c)
{
    return c == '\n' || c == '\r';
}

size_t
methods_expanded_nbytes(struct piece from, size_t tabsize)
{
    size_t nbytes = 0, column = 0;
    for (size_t i = 0; i < from.nbytes; i++) {
        char c = from.start[i];
        size_t width = c == '\t' ? tab_width(column, tabsize) : 1;
        if (width > SIZE_MAX / 2 - nbytes) {
            return METHODS_NONE;
        }
        nbytes += width;
        column = ends_line(c) ? 0 : column + width;
    }
    return nbytes;
}

void
methods_expand_tabs(char *to, struct piece from, size_t tabsize)
{
    size_t column = 0;
    for (size_t i = 0; i < from.nbytes; i++) {
        char c = from.start[i];
        size_t width = c == '\t' ? tab_width(column, tabsize) : 1;
        if (c == '\t') {
            memset(to, ' ', width);
        }
        else {
            *to = c;
        }
        to += width;
        column = ends_line(c) ? 0 : column + width;
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
