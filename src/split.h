/* split: splitting bytes at a separator, at white space, or into lines.
 *
 * The functions add pieces of the source to a list. They return 0, or ENOMEM if there
 * is no memory for the list. In both cases the caller calls split_list_free().
 */
#ifndef GROWBUF_SPLIT_H
#define GROWBUF_SPLIT_H

#include <stdbool.h>
#include <stddef.h>

#include "find.h"

/* Pieces in the order of the source. */
struct split_list {
    struct piece *items;
    size_t count, allocated;
    struct piece first[16]; /* the items, while there are at most 16 */
};

void split_list_init(struct split_list *pieces);
void split_list_free(struct split_list *pieces);

/* Split at the first `max` occurrences of the separator; split_by_last() at the last
 * `max`. pre: the separator is not empty. */
int split_by(struct split_list *pieces, struct piece bytes, struct piece separator,
             size_t max);
int split_by_last(struct split_list *pieces, struct piece bytes, struct piece separator,
                  size_t max);

/* Split at the first `max` runs of white space; split_space_last() at the last
 * `max`. Runs at the start and at the end do not count, so no piece is empty. */
int split_space(struct split_list *pieces, struct piece bytes, size_t max);
int split_space_last(struct split_list *pieces, struct piece bytes, size_t max);

/* Split after each "\n", "\r" and "\r\n". If `keep` is true, the pieces include
 * these. */
int split_lines(struct split_list *pieces, struct piece bytes, bool keep);

#endif
