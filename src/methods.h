/* methods: what the methods of bytearray compute, as functions of bytes.
 *
 * Text is ASCII, as in bytearray. Only the functions that add to a list of pieces
 * allocate memory, and only they can fail. A function that writes a result needs a
 * target that does not overlap the source and has space for all of it. The result is as
 * long as the source, unless the function says otherwise. For two functions another
 * one, whose name ends in _nbytes, returns the length.
 */
#ifndef GROWBUF_METHODS_H
#define GROWBUF_METHODS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "find.h"

/* A function that returns a length returns this if the length would be too large. */
#define METHODS_NONE SIZE_MAX

/* A set of byte values. */
struct methods_set {
    bool has[256];
};

/* Fill a set with the values that occur in a piece. */
void methods_set_values(struct methods_set *set, struct piece values);

enum methods_sides { METHODS_LEFT = 1, METHODS_RIGHT = 2, METHODS_BOTH = 3 };

/* Return the bytes without those at the given ends whose values occur in `values`. For
 * methods_strip_space() they are white space: blank, tab, newline, vertical tab, form
 * feed, carriage return. */
struct piece methods_strip(struct piece bytes, struct piece values,
                           enum methods_sides sides);
struct piece methods_strip_space(struct piece bytes, enum methods_sides sides);

/* -------------------------------------------------------------------- splitting */

/* A list of pieces, in the order of the source. The functions that add to it return 0
 * or an errno value. The caller frees the list in both cases. */
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
 * `max`. Runs at the two ends do not count, so no piece is empty. */
int methods_split_space(struct methods_pieces *pieces, struct piece bytes, size_t max);
int methods_rsplit_space(struct methods_pieces *pieces, struct piece bytes, size_t max);

/* Split after "\n", "\r" and "\r\n". If `keep` is true they stay in the pieces. */
int methods_splitlines(struct methods_pieces *pieces, struct piece bytes, bool keep);

/* ------------------------------------------------------------------ translating */

void methods_lower(char *to, struct piece from);
void methods_upper(char *to, struct piece from);
void methods_swapcase(char *to, struct piece from);
void methods_capitalize(char *to, struct piece from);
void methods_title(char *to, struct piece from);

/* Write table[value] for each byte; the table has 256 entries. */
void methods_translate(char *to, struct piece from, const char *table);

/* As methods_translate(), but leave out the values in `deleted`. If `table` is NULL,
 * values are not changed. Return how many bytes are in the result; the target must be
 * as long as the source. */
size_t methods_translate_kept(char *to, struct piece from, const char *table,
                              const struct methods_set *deleted);

/* Replace the first `count` occurrences of `old` by `new`. pre: `old` is not empty. It
 * occurs that often, or `new` has the same length. */
size_t methods_replaced_nbytes(struct piece from, struct piece old, struct piece new,
                               size_t count);
void methods_replace(char *to, size_t nbytes, struct piece from, struct piece old,
                     struct piece new, size_t count);

/* Replace each tab by blanks, up to the next column that is a multiple of `tabsize`. */
size_t methods_expanded_nbytes(struct piece from, size_t tabsize);
void methods_expand_tabs(char *to, struct piece from, size_t tabsize);

/* Write two hexadecimal digits for each byte; methods_hex_separated() also writes the
 * separator between bytes. */
void methods_hex(char *to, struct piece from);
void methods_hex_separated(char *to, struct piece from, char separator);

/* Write the bytes that pairs of hexadecimal digits stand for. White space between pairs
 * is skipped. Return how many bytes were written, or METHODS_NONE if there is anything
 * else in `from`. pre: the target has space for from.nbytes / 2 bytes. */
size_t methods_from_hex(char *to, struct piece from);

/* Write every step-th byte, beginning with *from. */
void methods_stride(char *to, const char *from, ptrdiff_t step, size_t count);

#endif
