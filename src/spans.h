/* spans: runs of pages, taken, prepared, moved and given back.
 *
 * Any thread may call these functions, but only one at a time for one span.
 * A function that returns int returns 0, or an errno value; then the span is unchanged,
 * except that it may have taken its tail back.
 */
#ifndef GROWBUF_SPANS_H
#define GROWBUF_SPANS_H

#include <stdbool.h>
#include <stddef.h>

#include "growth.h"
#include "pool.h"
#include "span.h"

/* Take a span of at least `needed` bytes, which are accessible. It may be dirty, but not
 * if `zeroed` is true and `needed` is GROWTH_FRESH_ZEROS_MIN or more. */
int spans_take(size_t needed, bool zeroed, struct span *span);

/* Reserve address space as a span that never moves and is made accessible in steps. It
 * has space for GROWTH_FRONT, for `limit` bytes and for a headroom of the same length.
 * ENOTSUP on the rung `heap`. */
int spans_reserve(size_t limit, struct span *span);

/* Return why spans_reserve() failed with ENOMEM. This may read megabytes of text from the
 * system. */
enum pages_shortage spans_shortage(size_t limit);

/* As spans_reserve(), but only if the pool has kept such a reservation. Its first bytes
 * may be dirty. Return false if there is none. */
bool spans_reserve_kept(size_t limit, struct span *span);

/* Give a span back: to the pool as far as its limit allows, the rest to the system. */
void spans_give(struct span *span);

/* How a span is prepared for writing. */
struct spans_use {
    size_t max_end; /* no byte from this offset on is ever written; < length */
    size_t nbytes;  /* the number of bytes in use afterwards */
    bool prefault;  /* a helper thread touches pages ahead of the writer */
    bool exact;     /* prepare the page of the last byte, and none after it */
};

/* Make the bytes up to offset `end`, and some after it, dirty: they may then be
 * written. pre: dirty_end < end. */
int spans_prepare(struct span *span, size_t end, const struct spans_use *use);

/* Make the bytes up to offset `end` accessible. Those after `dirty_end` are zero. Only
 * taking the tail back increases `dirty_end`. */
int spans_prepare_zeros(struct span *span, size_t end, const struct spans_use *use);

/* Decrease `dirty_end` to `end` at most. Whole pages after it become the span's tail in
 * the pool, or go back to the system if the helper may touch them. The bytes between
 * `end` and the first such page are set to zero. */
void spans_cap(struct span *span, size_t end);

/* Give the whole pages after offset `end` back to the system. The address space
 * stays. */
void spans_discard(struct span *span, size_t end);

/* Give the memory of [from, to) back to the system, although later bytes are in use. The
 * range can still be written; what it holds is unspecified. Both are multiples of the
 * page size. */
int spans_discard_front(const struct span *span, size_t from, size_t to);

/* Grow a span to at least `needed` bytes by the best rung that works. The bytes of
 * [from, to) keep their offsets and values; others may change. */
int spans_grow(struct span *span, size_t needed, size_t from, size_t to);

/* Cut a span to `length`, or cut the first `nbytes` off it; both are multiples of
 * GROWTH_QUANTUM. The memory and the address space go back to the system. If mappings
 * cannot be cut, spans_cut() gives back the memory only. */
void spans_cut(struct span *span, size_t length);
void spans_cut_front(struct span *span, size_t nbytes);

/* Move the pages of [from, to) to a new span, which has at least GROWTH_FRONT bytes
 * before them and one after. In it the bytes begin at spans_extracted_at(from). The
 * bytes of [to, end) stay in place, and all others may become zero. ENOTSUP unless
 * pages_have_dontunmap(). pre: from >= GROWTH_FRONT. */
int spans_extract(struct span *span, size_t from, size_t to, size_t end,
                  struct span *extracted);

static inline size_t
spans_extracted_at(size_t from)
{
    return GROWTH_FRONT + (from - GROWTH_FRONT) % GROWTH_QUANTUM;
}

/* Bytes of memory that the owner of a span may occupy. */
size_t spans_nbytes(const struct span *span);

/* Return what is wrong with a span, or NULL. */
const char *spans_check(const struct span *span);

#endif
