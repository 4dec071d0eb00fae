/* moves: spans mapped, and grown by moving their pages down the ladder (pages.h).
 *
 * A function that returns int returns 0, or an errno value; then the span is unchanged.
 * pre, of those that take a span: it has no tail in the pool, and no helper touches it.
 */
#ifndef GROWBUF_MOVES_H
#define GROWBUF_MOVES_H

#include <stddef.h>

#include "span.h"

/* Map a fresh span of `length` bytes; ENOMEM for 0. */
int moves_map(size_t length, struct span *span);

/* Ask for huge pages for a span, once. */
void moves_use_huge(struct span *span);

/* Find free address space of that length, at a multiple of 2 MiB, to move pages to. It is
 * not reserved: the kernel moves pages elsewhere if another thread maps something there. */
int moves_find_target(size_t length, char **address);

/* Grow a span to `doubled` bytes by the best rung that works; where the system refuses
 * that, to little more than `needed`. The bytes of [from, to) keep their offsets and
 * values; others may change. */
int moves_grow(struct span *span, size_t needed, size_t doubled, size_t from,
               size_t to);

#endif
