/* methods: the methods of bytearray, as functions on bytes.
 *
 * Letters and digits are those of ASCII, as in bytearray. Only the functions that add
 * to a list of pieces allocate memory, and only they can run out of it. A function that
 * writes a result to `to` needs space for all of it there, and `to` must not overlap
 * the source. The result is as long as the source, unless its comment says otherwise.
 * methods_replaced_nbytes() and methods_expanded_nbytes() return the length of the
 * result of the function that follows them.
 */
#ifndef GROWBUF_METHODS_H
#define GROWBUF_METHODS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "find.h"

/* A function that returns a length returns this if the length would be too large, or if
 * there is no result. */
#define METHODS_NONE SIZE_MAX

/* A set of byte values. */
struct methods_set {
    bool has[256];
};

/* Set a set to the values that occur in a piece. */
void methods_set_values(struct methods_set *set, struct piece values);

enum methods_sides { METHODS_LEFT = 1, METHODS_RIGHT = 2, METHODS_BOTH = 3 };

/* Remove bytes from one end or both ends, as long as they occur in `values`. Return the
 * rest. methods_strip_space() removes white space: blank, tab, newline, vertical tab,
 * form feed, carriage return. */
struct piece methods_strip(struct piece bytes, struct piece values,
                           enum methods_sides sides);
struct piece methods_strip_space(struct piece bytes, enum methods_sides sides);

/* -------------------------------------------------------------------- splitting */

/* A list of pieces, in the order of the source. The functions that add to it return 0
 * or an errno value. In both cases the caller calls methods_pieces_free(). */
struct methods_pieces {
    struct piece *items;
    size_t count, allocated;
    struct piece first[16]; /* the items, while there are at most 16 */
};

void methods_pieces_init(struct methods_pieces *pieces);
void methods_pieces_free(struct methods_pieces *pieces);

/* Split at the first `max` occurrences of the separator; methods_rsplit() at the last
 * `max`. pre: the separator is not empty. */
int methods_split(struct methods_pieces *pieces, struct piece bytes,
                  struct piece separator, size_t max);
int methods_rsplit(struct methods_pieces *pieces, struct piece bytes,
                   struct piece separator, size_t max);

/* Split at the first `max` runs of white space; methods_rsplit_space() at the last
 * `max`. Runs at the start and at the end do not count, so no piece is empty. */
int methods_split_space(struct methods_pieces *pieces, struct piece bytes, size_t max);
int methods_rsplit_space(struct methods_pieces *pieces, struct piece bytes, size_t max);

/* Split after each "\n", "\r" and "\r\n". If `keep` is true, the pieces include
 * these. */
int methods_splitlines(struct methods_pieces *pieces, struct piece bytes, bool keep);

/* ------------------------------------------------------------------ translating */

void methods_lower(char *to, struct piece from);
void methods_upper(char *to, struct piece from);
void methods_swapcase(char *to, struct piece from);
void methods_capitalize(char *to, struct piece from);
void methods_title(char *to, struct piece from);

/* Write table[value] for each byte; the table has 256 entries. */
void methods_translate(char *to, struct piece from, const char *table);

/* As methods_translate(), but leave out the bytes whose values are in `deleted`. If
 * `table` is NULL, the others are copied. Return the length of the result. pre: `to`
 * has space for from.nbytes bytes. */
size_t methods_translate_kept(char *to, struct piece from, const char *table,
                              const struct methods_set *deleted);

/* Replace the first `count` occurrences of `old` by `new`. `nbytes` is the length of
 * the result. pre: `old` is not empty, and it occurs at least `count` times or `new`
 * has the same length. */
size_t methods_replaced_nbytes(struct piece from, struct piece old, struct piece new,
                               size_t count);
void methods_replace(char *to, size_t nbytes, struct piece from, struct piece old,
                     struct piece new, size_t count);

/* Replace each tab by blanks up to the next column that is a multiple of `tabsize`; by
 * none if that is 0. Column 0 follows each "\n" and "\r". */
size_t methods_expanded_nbytes(struct piece from, size_t tabsize);
void methods_expand_tabs(char *to, struct piece from, size_t tabsize);

/* Write two hexadecimal digits for each byte. methods_hex_separated() also writes the
 * separator between two bytes. */
void methods_hex(char *to, struct piece from);
void methods_hex_separated(char *to, struct piece from, char separator);

/* Write one byte for each pair of hexadecimal digits. White space between pairs is
 * skipped. Return how many bytes were written, or METHODS_NONE if `from` contains
 * anything else. pre: `to` has space for from.nbytes / 2 bytes. */
size_t methods_from_hex(char *to, struct piece from);

/* Write `count` bytes: *from, and then every step-th byte after it, or before it if
 * `step` is negative. */
void methods_stride(char *to, const char *from, ptrdiff_t step, size_t count);

#endif
