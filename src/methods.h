/* methods: what the methods of bytearray compute, on plain bytes.
 *
 * Text is ASCII, as in bytearray. Only the functions that add to a list of pieces
 * allocate memory, and only they can fail. A function that writes a result needs a
 * target that does not overlap the source. The target is as long as the source, or as
 * long as the function of the same name that ends in _nbytes returns.
 */
#ifndef GROWBUF_METHODS_H
#define GROWBUF_METHODS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "find.h"

/* Returned if a length is too large. */
#define METHODS_NONE SIZE_MAX

/* A set of byte values. */
struct methods_set {
    bool has[256];
};

/* Fill a set with the values that occur in a piece. */
void methods_set_values(struct methods_set *set, struct piece values);

enum methods_sides { METHODS_LEFT = 1, METHODS_RIGHT = 2, METHODS_BOTH = 3 };

/* Return the bytes without those at the given ends whose values are in the set; or
 * without white space: blank, tab, newline, vertical tab, form feed, carriage
 * return. */
struct piece methods_strip(struct piece bytes, const struct methods_set *set,
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

/* Split at the separator, at most `max` times: at its first occurrences, or for rsplit
 * at its last. pre: the separator is not empty. */
int methods_split(struct methods_pieces *pieces, struct piece bytes,
                  struct piece separator, size_t max);
int methods_rsplit(struct methods_pieces *pieces, struct piece bytes,
                   struct piece separator, size_t max);

/* Split at runs of white space; there are no empty pieces. */
int methods_split_space(struct methods_pieces *pieces, struct piece bytes, size_t max);
int methods_rsplit_space(struct methods_pieces *pieces, struct piece bytes, size_t max);

/* Split after "\n", "\r" and "\r\n". If `keep` is true they stay in the pieces. */
int methods_splitlines(struct methods_pieces *pieces, struct piece bytes, bool keep);

/* ------------------------------------------------------------------ translating */

/* Each writes as many bytes as it reads. */
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

/* Replace the first `count` occurrences of `old` by `new`. There must be that many,
 * unless `old` and `new` have the same length. */
size_t methods_replaced_nbytes(struct piece from, struct piece old, struct piece new,
                               size_t count);
void methods_replace(char *to, size_t nbytes, struct piece from, struct piece old,
                     struct piece new, size_t count);

/* Put blanks in place of each tab, up to the next multiple of `tabsize` columns. */
size_t methods_expanded_nbytes(struct piece from, size_t tabsize);
void methods_expand_tabs(char *to, struct piece from, size_t tabsize);

/* Write two hexadecimal digits for each byte; methods_hex_separated() also writes the
 * separator between bytes. */
void methods_hex(char *to, struct piece from);
void methods_hex_separated(char *to, struct piece from, char separator);

/* Write every step-th byte, beginning with *from. */
void methods_stride(char *to, const char *from, ptrdiff_t step, size_t count);

#endif
