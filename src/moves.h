/* moves: mapping a span, and growing it by moving its pages (the ladder in pages.h).
 *
 * A function that returns int returns 0, or an errno value. After an error the span is
 * unchanged, but moves_grow() may have moved it.
 */
#ifndef GROWBUF_MOVES_H
#define GROWBUF_MOVES_H

#include <stddef.h>

#include "span.h"

/* Map a span of `length` bytes that read as zero. If spans are made accessible in
 * steps, only the first page is accessible. ENOMEM if `length` is 0. */
int moves_map(size_t length, struct span *span);

/* Map `length` bytes, of which the first `opened` are accessible. */
int moves_map_opened(size_t length, size_t opened, char **address);

/* If a span is made accessible in steps, make it accessible up to offset `end`. */
int moves_open(const struct span *span, size_t end);

/* Ask for huge pages for a span, unless that was done before. */
void moves_use_huge(struct span *span);

/* Find `length` bytes of address space, at a multiple of 2 MiB, to move pages to with
 * pages_move_dontunmap(). Nothing is mapped there. If another thread maps something
 * there before the move, the kernel moves the pages to another address. */
int moves_find_target(size_t length, char **address);

/* Grow a span to `doubled` bytes by the best rung that works. If that fails, grow it to
 * `needed` bytes and an eighth more, and if that fails, to `needed`. The bytes of
 * [from, to) keep their offsets and values; others may change. pre: the span has no
 * tail, and the prefault helper does not touch it. */
int moves_grow(struct span *span, size_t needed, size_t doubled, size_t from,
               size_t to);

#endif
