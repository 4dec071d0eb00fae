/* pool: memory that no buffer uses, kept for later use; and the counts of the process.
 *
 * There is one pool in a process. It has a lock, and every function may be called from
 * any thread. It has four kinds of entries:
 *   dirty spans    the spans of deallocated buffers, with their pages;
 *   tails          pages after the last byte of a buffer in use. The buffer used them
 *                  before it shrank, or it took a dirty span with more pages than it
 *                  needed. It takes its tail back when it grows;
 *   zero spans     the old addresses of moved pages: address space without memory;
 *   reservations   the spans of deallocated buffers that had a limit, with their pages.
 *
 * The pool gives entries back to the system, oldest first:
 *   - when an entry is added, and there would be too many entries (pool_stats.h), or
 *     more memory in all of them than the limit of the pool;
 *   - when the pool is used more than POOL_IDLE_MS after the entry was added.
 * When the system is short of memory, it may take the memory after the first 16 MiB of
 * a span in huge pages. The address space then stays in the pool.
 */
#ifndef GROWBUF_POOL_H
#define GROWBUF_POOL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "pages.h"
#include "pool_stats.h"
#include "span.h"

/* Probe the kernel (pages_probe), call `configure_once` if it is not NULL, and register
 * the hooks for fork(). Call this before all other functions. Later calls in the same
 * process do nothing. */
void pool_init(enum pages_rung highest, void (*configure_once)(void));

/* Set how many bytes of memory the pool may keep. Give the oldest entries back until it
 * keeps no more than that. */
void pool_set_limit(size_t nbytes);

/* Return that number. */
size_t pool_limit(void);

/* Take a dirty span of at least `needed` bytes. If bytes after the first `length` are
 * dirty, the span is cut there and the rest stays in the pool. If mappings cannot be
 * cut, the whole span is taken. Return false if the pool has no such span. Two kinds of
 * spans are never taken:
 *   - spans of more than 4 times `length` bytes, if mappings cannot be cut;
 *   - spans in huge pages or longer than 2 MiB, if `needed` is less than
 *     GROWTH_HUGE_PART_MIN. */
bool pool_take(size_t needed, size_t length, struct span *span);

/* As pool_take(), but take only a span whose first `needed` bytes are all dirty. */
bool pool_take_dirty(size_t needed, size_t length, struct span *span);

/* Take a zero span, or a reservation, of exactly `length` bytes. Return false if there
 * is none. If `may_be_huge` is false, no zero span in huge pages is taken: it would
 * take 2 MiB of memory as soon as its first byte is written. */
bool pool_take_zero(size_t length, bool may_be_huge, struct span *span);
bool pool_take_reservation(size_t length, struct span *span);

/* Take the dirty span that directly follows `span` in the same mapping, and join it to
 * `span`. If the joined span has dirty bytes after the first `length`, it is cut there
 * and the rest stays in the pool. Return false, and take nothing, if there is no such
 * span or the two together have fewer than `needed` bytes. */
bool pool_take_after(struct span *span, size_t needed, size_t length);

/* If the pool still has the tail of `span`, take back its pages up to the one that
 * contains offset `end`. `dirty_end` becomes the offset of the last byte taken, which
 * is set to zero. */
void pool_take_tail(struct span *span, size_t end);

/* Keep the dirty pages of `span` from offset `from` on as its tail. If the limit of the
 * pool is less than that, the last of them go back to the system. `dirty_end` becomes
 * from - 1, and the byte there is set to zero: the byte at dirty_end is always zero,
 * and never in the tail. pre: from <= dirty_end, and a page begins at `from`. */
void pool_keep_tail(struct span *span, size_t from);

/* Return the tail of a span. Its length is 0 if there is none, for example because the
 * pool has given it back to the system. */
struct span pool_tail(const struct span *span);

/* Add a span or a reservation to the pool. If it has more memory than the limit of the
 * pool, the rest goes back to the system. pool_keep() is for a span that was in use,
 * and decreases the count of spans in use. pool_keep_source() does not: it is for a
 * span that is not counted, for example because its owner has moved to another one. */
void pool_keep(const struct span *span);
void pool_keep_source(const struct span *span);

/* Give all entries back to the system. Return whether there was one. */
bool pool_drain(void);

/* Count a span that is now in use (`change` is 1) or no longer in use (-1).
 * `reserved_nbytes` is its length if it is a reservation, and otherwise 0. */
void pool_count_live(int change, size_t reserved_nbytes);

/* Count one move of pages, or one copy, of `nbytes` bytes. */
void pool_count_move(size_t nbytes);
void pool_count_copy(size_t nbytes);

/* Return a number that identifies a new mapping (span.h). */
uint64_t pool_new_mapping(void);

struct pool_stats pool_stats(void);

/* Return what is wrong with the pool, or NULL. */
const char *pool_check(void);

#endif
