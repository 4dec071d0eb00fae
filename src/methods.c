/* methods: the methods of bytearray, as functions on bytes. */
#include "methods.h"

#include <assert.h>
#include <string.h>

#include "copy.h"

/* Whether a result of `nbytes` bytes does not overlap its source. */
static inline bool
is_apart(const char *to, size_t nbytes, struct piece from)
{
    return to + nbytes <= from.start || from.start + from.nbytes <= to;
}

/* ------------------------------------------------------------------------- sets */

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

/* `values` has few bytes nearly always, so searching it takes less time than making a
 * set of it. */
struct piece
methods_strip(struct piece bytes, struct piece values, enum methods_sides sides)
{
    size_t start = 0, stop = bytes.nbytes;
    if (sides & METHODS_LEFT) {
        while (start < stop && find_byte(values, bytes.start[start]) != FIND_NONE) {
            start++;
        }
    }
    if (sides & METHODS_RIGHT) {
        while (stop > start && find_byte(values, bytes.start[stop - 1]) != FIND_NONE) {
            stop--;
        }
    }
    assert(start <= stop && stop <= bytes.nbytes);
    return (struct piece){bytes.start + start, stop - start};
}

struct piece
methods_strip_space(struct piece bytes, enum methods_sides sides)
{
    size_t start = 0, stop = bytes.nbytes;
    if (sides & METHODS_LEFT) {
        while (start < stop && is_white_space(bytes.start[start])) {
            start++;
        }
    }
    if (sides & METHODS_RIGHT) {
        while (stop > start && is_white_space(bytes.start[stop - 1])) {
            stop--;
        }
    }
    assert(start <= stop && stop <= bytes.nbytes);
    return (struct piece){bytes.start + start, stop - start};
}

/* ------------------------------------------------------------------ translating */

/* The upper and the lower case of a letter differ in this bit. The loops contain no
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
    assert(is_apart(to, from.nbytes, from));
    for (size_t i = 0; i < from.nbytes; i++) {
        unsigned char c = (unsigned char)from.start[i];
        to[i] = (char)(c ^ (is_between(c, 'A', 'Z') * CASE));
    }
}

void
methods_upper(char *to, struct piece from)
{
    assert(is_apart(to, from.nbytes, from));
    for (size_t i = 0; i < from.nbytes; i++) {
        unsigned char c = (unsigned char)from.start[i];
        to[i] = (char)(c ^ (is_between(c, 'a', 'z') * CASE));
    }
}

void
methods_swapcase(char *to, struct piece from)
{
    assert(is_apart(to, from.nbytes, from));
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

/* 8 bytes are read as one word and written as one word. The word is put together with
 * shifts: if its bytes were stored in an array one by one, the load of the whole array
 * would wait for these stores. */
void
methods_translate(char *to, struct piece from, const char *table)
{
    assert(table != NULL && is_apart(to, from.nbytes, from));
    while (from.nbytes >= sizeof(uint64_t)) {
        uint64_t word, translated = 0;
        memcpy(&word, from.start, sizeof word);
        for (unsigned shift = 0; shift < 64; shift += 8) {
            unsigned char c = (unsigned char)table[word >> shift & 255];
            translated |= (uint64_t)c << shift;
        }
        memcpy(to, &translated, sizeof translated);
        to += sizeof translated;
        from = piece_after(from, sizeof word);
    }
    for (size_t i = 0; i < from.nbytes; i++) {
        to[i] = table[(unsigned char)from.start[i]];
    }
}

/* Bytes are handled in blocks of 8. All bytes of a block are written first, because
 * usually none is deleted. If some are, the others are then moved together. */
size_t
methods_translate_kept(char *to, struct piece from, const char *table,
                       const struct methods_set *deleted)
{
    enum { BLOCK = 8 };
    char *next = to;
    assert(is_apart(to, from.nbytes, from));
    while (from.nbytes > 0) {
        size_t nbytes = from.nbytes < BLOCK ? from.nbytes : BLOCK, ndeleted = 0;
        for (size_t i = 0; i < nbytes; i++) {
            char c = from.start[i];
            ndeleted += set_has(deleted, c);
            next[i] = table == NULL ? c : table[(unsigned char)c];
        }
        size_t nkept = nbytes;
        if (ndeleted > 0) {
            nkept = 0;
            for (size_t i = 0; i < nbytes; i++) {
                next[nkept] = next[i];
                nkept += !set_has(deleted, from.start[i]);
            }
        }
        assert(nkept <= nbytes);
        next += nkept;
        from = piece_after(from, nbytes);
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
    assert(is_apart(to, from.nbytes, from));
    for (size_t i = 0; i < from.nbytes; i++) {
        to[i] = from.start[i] == old ? new : from.start[i];
    }
}

/* Write the first `nbytes` bytes that do not equal `old`. The others are written too,
 * and then overwritten, so that the loop contains no branch. */
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
    assert(old.nbytes > 0 && is_apart(to, nbytes, from));
    if (old.nbytes == 1 && new.nbytes == 1 && count >= from.nbytes) {
        replace_byte(to, from, old.start[0], new.start[0]);
        return;
    }
    if (old.nbytes == 1 && new.nbytes == 0 && count > from.nbytes / 32 &&
        count == find_count(from, old, FIND_NONE)) {
        delete_byte(to, nbytes, from.start, old.start[0]);
        return;
    }
    size_t at;
    while (count-- > 0 && (at = find_first(from, old)) != FIND_NONE) {
        assert(at + new.nbytes <= nbytes);
        nbytes -= at + new.nbytes;
        copy_bytes(to, from.start, at);
        to += at;
        copy_bytes(to, new.start, new.nbytes);
        to += new.nbytes;
        from = piece_after(from, at + old.nbytes);
    }
    assert(from.nbytes == nbytes);
    copy_bytes(to, from.start, from.nbytes);
}

/* Return how many blanks replace a tab in column `column`. */
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
    assert(nbytes <= SIZE_MAX / 2);
    while ((at = find_byte(from, '\t')) != FIND_NONE) {
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
    while ((at = find_byte(from, '\t')) != FIND_NONE) {
        column = column_after((struct piece){from.start, at}, column);
        size_t width = tab_width(column, tabsize);
        copy_bytes(to, from.start, at);
        memset(to + at, ' ', width);
        to += at + width;
        column += width;
        from = piece_after(from, at + 1);
    }
    copy_bytes(to, from.start, from.nbytes);
}

static const char digits[] = "0123456789abcdef";

/* Return the digit for a value below 16. Unlike a look-up in `digits`, this can be
 * vectorized. SSE2 compares signed bytes in one instruction, and unsigned ones in
 * two. */
static inline char
hex_digit(unsigned char value)
{
    return (char)(value + '0' + ((signed char)value > 9) * ('a' - '0' - 10));
}

/* Write the digits of `nbytes` bytes, a multiple of HEX_STEP. `restrict` lets compilers
 * vectorize the loop. */
enum { HEX_STEP = 16 };
static inline void
write_hex_steps(char *restrict to, const char *restrict from, size_t nbytes)
{
    for (size_t i = 0; i < nbytes; i++) {
        unsigned char c = (unsigned char)from[i];
        to[2 * i] = hex_digit(c >> 4);
        to[2 * i + 1] = hex_digit(c & 15);
    }
}

/* If the length is not a multiple of HEX_STEP, the last step writes some digits again.
 * write_hex_steps() is called at one place, with a variable length. If a call had a
 * constant length, gcc 12 would unroll the loop and not vectorize it. */
void
methods_hex(char *to, struct piece from)
{
    assert(from.nbytes <= SIZE_MAX / 2 && is_apart(to, 2 * from.nbytes, from));
    size_t at = 0, nbytes = from.nbytes - from.nbytes % HEX_STEP;
    while (from.nbytes >= HEX_STEP) {
        assert(at + nbytes <= from.nbytes);
        write_hex_steps(to + 2 * at, from.start + at, nbytes);
        if (at + nbytes == from.nbytes) {
            return;
        }
        at = from.nbytes - HEX_STEP;
        nbytes = HEX_STEP;
    }
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

static inline unsigned char
is_digit(unsigned char c)
{
    return is_between(c, '0', '9') | is_between(c | CASE, 'a', 'f');
}

/* Return the value of a hexadecimal digit. */
static inline unsigned char
digit_value(unsigned char c)
{
    return (unsigned char)((c & 15) + 9 * (c >> 6));
}

/* Convert 2 * HEX_BLOCK digits. Return false if there is any other byte among them. The
 * loops contain no branches, so that compilers vectorize them. */
enum { HEX_BLOCK = 32 };
static inline bool
read_hex_block(char *to, const char *from)
{
    unsigned char values[2 * HEX_BLOCK], valid = 1;
    for (size_t i = 0; i < 2 * HEX_BLOCK; i++) {
        unsigned char c = (unsigned char)from[i];
        valid &= is_digit(c);
        values[i] = digit_value(c);
    }
    for (size_t i = 0; valid && i < HEX_BLOCK; i++) {
        to[i] = (char)(values[2 * i] << 4 | values[2 * i + 1]);
    }
    return valid;
}

size_t
methods_from_hex(char *to, struct piece from)
{
    const char *start = to, *at = from.start, *end = at + from.nbytes, *scattered = at;
    assert(is_apart(to, from.nbytes / 2, from));
    while (at < end) {
        if (at >= scattered && end - at >= 2 * HEX_BLOCK) {
            if (read_hex_block(to, at)) {
                to += HEX_BLOCK;
                at += 2 * HEX_BLOCK;
                continue;
            }
            scattered = at + 2 * HEX_BLOCK; /* use no blocks before this */
        }
        unsigned char high = (unsigned char)at[0];
        unsigned char low = end - at > 1 ? (unsigned char)at[1] : '\0';
        if (is_digit(high) & is_digit(low)) {
            *to++ = (char)(digit_value(high) << 4 | digit_value(low));
            at += 2;
        }
        else if (is_white_space(*at)) {
            at++;
        }
        else {
            return METHODS_NONE;
        }
    }
    assert((size_t)(to - start) <= from.nbytes / 2);
    return (size_t)(to - start);
}

/* There is a loop for each of the most frequent steps: compilers vectorize a loop with
 * a constant step. */
#define STRIDE(step)                                                                   \
    for (size_t i = 0; i < count; i++) {                                               \
        to[i] = from[(ptrdiff_t)i * (step)];                                           \
    }

void
methods_stride(char *to, const char *from, ptrdiff_t step, size_t count)
{
    assert(step != 0);
    switch (step) {
    case -1:
        STRIDE(-1)
        break;
    case 2:
        STRIDE(2)
        break;
    case 4:
        STRIDE(4)
        break;
    default:
        STRIDE(step)
    }
}
#undef STRIDE
