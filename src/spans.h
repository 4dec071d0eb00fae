/* spans: taking, preparing, moving and giving back runs of pages.
 *
 * Any thread may call these functions, but only one thread at a time for one span. A
 * function that returns int returns 0, or an errno value. After an error the bytes in
 * use are unchanged, but the span may have taken its tail back, and spans_grow() may
 * have moved it.
 */
#ifndef GROWBUF_SPANS_H
#define GROWBUF_SPANS_H

#include <stdbool.h>
#include <stddef.h>

#include "growth.h"
#include "pool.h"
#include "span.h"

/* Take a span of at least `needed` bytes, which are accessible. They may be dirty,
 * unless `zeroed` is true and `needed` is GROWTH_FRESH_ZEROS_MIN or more. */
int spans_take(size_t needed, bool zeroed, struct span *span);

/* As spans_take(), but only if the pool has a dirty span of 2 MiB whose first `needed`
 * bytes are dirty. The pages after those become its tail. Return false if there is
 * none. */
bool spans_take_again(size_t needed, struct span *span);

/* Reserve address space for `limit` bytes: a span that is not moved when its store
 * grows, and that is made accessible in steps. It has space for GROWTH_FRONT plus twice
 * the limit, so that the headroom may be as long as the bytes in use. ENOTSUP on the
 * rung `heap`. */
int spans_reserve(size_t limit, struct span *span);

/* Return why spans_reserve() failed with ENOMEM. This may read megabytes of text from
 * the system. */
enum pages_shortage spans_shortage(size_t limit);

/* As spans_reserve(), but only if the pool has kept such a reservation. Its first bytes
 * may be dirty. Return false if there is none. */
bool spans_reserve_kept(size_t limit, struct span *span);

/* Give a span to the pool. What is over the pool's limit goes back to the system. */
void spans_give(struct span *span);

/* How a span is prepared for writing. */
struct spans_use {
    size_t max_end; /* the largest value of dirty_end that is allowed; < length */
    size_t nbytes;  /* how many bytes will be in use */
    bool prefault;  /* a helper thread touches pages ahead of the writer */
    bool exact;     /* prepare pages only up to `end` of spans_prepare() */
};

/* Increase `dirty_end` to `end` or more: the bytes before it may then be written. pre:
 * dirty_end < end. */
int spans_prepare(struct span *span, size_t end, const struct spans_use *use);

/* Make the bytes up to offset `end` accessible. Those from `dirty_end` on read as zero.
 * `dirty_end` increases only if the tail is taken back. */
int spans_prepare_zeros(struct span *span, size_t end, const struct spans_use *use);

/* If `dirty_end` is more than `end`, decrease it to `end`. The pages after it become
 * the tail of the span, or go back to the system if the helper may touch them. The
 * bytes between `end` and the first such page are set to zero. */
void spans_cap(struct span *span, size_t end);

/* Give the memory of the whole pages after offset `end` back to the system, and
 * decrease `dirty_end` accordingly. The address space stays. */
void spans_discard(struct span *span, size_t end);

/* Give the memory of [from, to) back to the system, although later bytes are in use.
 * The range stays accessible, and its bytes get unspecified values. pre: both offsets
 * are multiples of the page size. */
int spans_discard_front(const struct span *span, size_t from, size_t to);

/* Grow a span to at least `needed` bytes by the best rung that works. The bytes of
 * [from, to) keep their offsets and values; others may change. */
int spans_grow(struct span *span, size_t needed, size_t from, size_t to);

/* Shorten a span: spans_cut() keeps its first `length` bytes, spans_cut_front() removes
 * its first `nbytes`. Both numbers are multiples of GROWTH_QUANTUM. What is removed
 * goes back to the system. If mappings cannot be cut, spans_cut() gives back only the
 * memory. pre: the span is not reserved; for spans_cut_front(), mappings can be cut or
 * `nbytes` is 0. */
void spans_cut(struct span *span, size_t length);
void spans_cut_front(struct span *span, size_t nbytes);

/* Move the pages of [from, to) to a new span. There the bytes begin at offset
 * spans_extracted_at(from): at least GROWTH_FRONT bytes precede them, and at least one
 * follows. In the old span the bytes of [to, end) are unchanged, and all others may
 * become zero. ENOTSUP unless pages_have_dontunmap(). pre: from >= GROWTH_FRONT. */
int spans_extract(struct span *span, size_t from, size_t to, size_t end,
                  struct span *extracted);

static inline size_t
spans_extracted_at(size_t from)
{
    return GROWTH_FRONT + (from - GROWTH_FRONT) % GROWTH_QUANTUM;
}

/* Return how many bytes of memory the dirty pages of a span may take. */
size_t spans_nbytes(const struct span *span);

/* Return what is wrong with a span, or NULL. */
const char *spans_check(const struct span *span);

#endif
