/* methods: what the methods of bytearray compute, on plain bytes.
 *
 * Text is ASCII, as it is for bytearray. Nothing here allocates except the lists of pieces,
 * and nothing can fail but those. Where a result is written, it does not overlap its
 * source, and the caller has made as many bytes for it as the function beside it says.
 */
#ifndef GROWBUF_METHODS_H
#define GROWBUF_METHODS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Some bytes of another's memory. */
struct piece {
    const char *start;
    size_t nbytes;
};

/* An offset or a length that there is not. */
#define METHODS_NONE SIZE_MAX

/* ------------------------------------------------------------------- searching */

/* Return the offset of the first or the last occurrence of `part`, or METHODS_NONE. An
 * empty part occurs before each byte and after the last. Linear, whatever the bytes are. */
size_t methods_find(struct piece bytes, struct piece part);
size_t methods_rfind(struct piece bytes, struct piece part);

/* Return how often `part`, which is not empty, occurs without overlaps: `max` at most. */
size_t methods_count(struct piece bytes, struct piece part, size_t max);

/* A set of byte values. */
struct methods_set {
    bool has[256];
};

/* Fill a set with the values that occur in a piece. */
void methods_set_values(struct methods_set *set, struct piece values);

enum methods_sides { METHODS_LEFT = 1, METHODS_RIGHT = 2, METHODS_BOTH = 3 };

/* Return what is left when values of the set are removed from the given ends; or white
 * space: blank, tab, newline, vertical tab, form feed, carriage return. */
struct piece methods_strip(struct piece bytes, const struct methods_set *set,
                           enum methods_sides sides);
struct piece methods_strip_space(struct piece bytes, enum methods_sides sides);

/* -------------------------------------------------------------------- splitting */

/* Pieces in the order of the source. Zero is success and errno the failure of what adds to
 * them; they are to be freed in either case. */
struct methods_pieces {
    struct piece *items;
    size_t count, allocated;
    struct piece first[16]; /* where the items are until they outgrow it */
};

void methods_pieces_init(struct methods_pieces *pieces);
void methods_pieces_free(struct methods_pieces *pieces);

/* Split at a separator that is not empty, at `max` places at most: the first or the last
 * ones. */
int methods_split(struct methods_pieces *pieces, struct piece bytes,
                  struct piece separator, size_t max);
int methods_rsplit(struct methods_pieces *pieces, struct piece bytes,
                   struct piece separator, size_t max);

/* Split at runs of white space; there are no empty pieces. */
int methods_split_space(struct methods_pieces *pieces, struct piece bytes, size_t max);
int methods_rsplit_space(struct methods_pieces *pieces, struct piece bytes, size_t max);

/* Split after "\n", "\r" and "\r\n", which stay in the pieces or not. */
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

/* The same without the values of a set, and by no table where that is NULL. Return how many
 * bytes are written; there is to be room for as many as are read. */
size_t methods_translate_kept(char *to, struct piece from, const char *table,
                              const struct methods_set *deleted);

/* Replace the first `count` occurrences of `old` by `new`: methods_count() has found that
 * many, or, where the lengths are equal, there may be fewer. */
size_t methods_replaced_nbytes(struct piece from, struct piece old, struct piece new,
                               size_t count);
void methods_replace(char *to, size_t nbytes, struct piece from, struct piece old,
                     struct piece new, size_t count);

/* Put blanks in place of each tab, up to the next multiple of `tabsize` columns. */
size_t methods_expanded_nbytes(struct piece from, size_t tabsize);
void methods_expand_tabs(char *to, struct piece from, size_t tabsize);

/* Write two digits for each byte; or three characters, the third being the separator, which
 * does not follow the last byte. */
void methods_hex(char *to, struct piece from);
void methods_hex_separated(char *to, struct piece from, char separator);

/* Write every step-th byte, beginning with *from. */
void methods_stride(char *to, const char *from, ptrdiff_t step, size_t count);

#endif
