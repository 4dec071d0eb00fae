/* moves: mapping a span, and growing it by moving its pages (the ladder in pages.h).
 *
 * A function that returns int returns 0, or an errno value; then the span is unchanged.
 * pre, of moves_grow: the span has no tail in the pool, and the helper does not touch
 * it.
 */
#ifndef GROWBUF_MOVES_H
#define GROWBUF_MOVES_H

#include <stddef.h>

#include "span.h"

/* Map a span of `length` zero bytes. ENOMEM if `length` is 0. If spans are opened in
 * steps, only its first page is accessible. */
int moves_map(size_t length, struct span *span);

/* Map `length` bytes, of which the first `opened` are accessible. */
int moves_map_opened(size_t length, size_t opened, char **address);

/* Make a span accessible up to offset `end`, if it is opened in steps. */
int moves_open(const struct span *span, size_t end);

/* Ask for huge pages for a span, unless that was done before. */
void moves_use_huge(struct span *span);

/* Find `length` bytes of free address space, at a multiple of 2 MiB, to move pages to.
 * They stay unmapped. If another thread maps something there first, the kernel moves
 * the pages to another address. */
int moves_find_target(size_t length, char **address);

/* Grow a span to `doubled` bytes by the best rung that works. If the system refuses
 * that, grow it to `needed` bytes and an eighth more, or to `needed`. The bytes of
 * [from, to) keep their offsets and values; others may change. */
int moves_grow(struct span *span, size_t needed, size_t doubled, size_t from,
               size_t to);

#endif
