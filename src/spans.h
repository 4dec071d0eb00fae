/* spans: runs of pages, taken, prepared, moved and given back.
 *
 * Any thread may call these functions, but only one at a time for one span.
 * A function that returns int returns 0, or an errno value; then the span is unchanged,
 * except that it may have its tail back.
 */
#ifndef GROWBUF_SPANS_H
#define GROWBUF_SPANS_H

#include <stdbool.h>
#include <stddef.h>

#include "pool.h"
#include "span.h"

/* Take a span of at least `needed` bytes. It may be dirty; but if `zeroed`, and where so
 * many zero bytes are better had from fresh pages, it is not. */
int spans_take(size_t needed, bool zeroed, struct span *span);

/* Reserve address space as a span that never moves and is opened step by step. It holds
 * `limit` bytes and a headroom as long. ENOTSUP on the rung `heap`. */
int spans_reserve(size_t limit, struct span *span);

/* Give a span back: to the pool as far as its limit allows, the rest to the system. */
void spans_give(struct span *span);

/* How a span is prepared for writing. */
struct spans_use {
    size_t max_end; /* no byte from this offset on is ever written; < length */
    size_t nbytes;  /* bytes that will be in use, up to the end that is asked for */
    bool prefault;  /* a helper thread touches pages ahead of the writer */
};

/* Make the bytes up to offset `end` dirty, and some more ahead. pre: dirty_end < end. */
int spans_prepare(struct span *span, size_t end, const struct spans_use *use);

/* Make the bytes up to offset `end` accessible, and leave those after `dirty_end` zero:
 * `dirty_end` grows only by what comes back with the tail. */
int spans_prepare_zeros(struct span *span, size_t end, const struct spans_use *use);

/* Leave no dirty byte from offset `end` on: pages go to the pool as the span's tail. */
void spans_cap(struct span *span, size_t end);

/* Give the pages from offset `end` on back to the system; the address space stays. */
void spans_discard(struct span *span, size_t end);

/* Grow a span to at least `needed` bytes by the best rung that works. The bytes of
 * [from, to) keep their offsets and values; others may change. */
int spans_grow(struct span *span, size_t needed, size_t from, size_t to);

/* Cut a span to `length`, a multiple of GROWTH_QUANTUM; or cut that many bytes off its
 * front. The memory goes back to the system. */
void spans_cut(struct span *span, size_t length);
void spans_cut_front(struct span *span, size_t nbytes);

/* Move the pages of [from, to), with room for one byte after them, to a span of their
 * own, in which they begin at from % GROWTH_QUANTUM. The bytes of [to, end) stay where
 * they are; all others may become zero. ENOTSUP except on the rung `dontunmap`. */
int spans_extract(struct span *span, size_t from, size_t to, size_t end,
                  struct span *extracted);

/* Bytes of memory that the owner of a span may occupy. */
size_t spans_nbytes(const struct span *span);

/* Return what is wrong with a span, or NULL. */
const char *spans_check(const struct span *span);

#endif
