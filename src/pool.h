/* pool: memory that no buffer uses, kept for the next buffer; and the process's counts.
 *
 * There is one pool in a process. It has a lock, and every function may be called from
 * any thread. It has four kinds of entries:
 *   dirty spans    of deallocated buffers, with their pages;
 *   tails          pages of a buffer in use that are after its last byte. It used them
 *                  before it shrank, or they came with a dirty span. The buffer takes
 *                  its tail back when it grows;
 *   zero spans     the old addresses of moved pages: address space without memory;
 *   reservations   of deallocated buffers that had a limit, with their pages.
 *
 * What goes back to the system, and when:
 *   - The pool keeps no more memory than its limit. The oldest entries go back first.
 *   - An entry that has been in the pool for more than POOL_IDLE_MS goes back when the
 *     pool is used next.
 *   - If a span is in huge pages, all but its first 16 MiB are offered to the system,
 *     which takes them when it is short of memory.
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
 * the hooks for fork. Only the first call in a process does this. Call it before all
 * other functions. */
void pool_init(enum pages_rung highest, void (*configure_once)(void));

/* Set how much memory the pool may keep. Give entries back until it keeps no more. */
void pool_set_limit(size_t nbytes);

/* Take a dirty span of at least `needed` bytes. If it is dirty after `length` bytes, it
 * is cut there and the rest stays; where mappings cannot be cut, it is taken whole if it
 * has at most 4 times `length` bytes. A store that needs less than GROWTH_HUGE_PART_MIN
 * gets no span longer than 2 MiB. Return false if there is no such span. */
bool pool_take(size_t needed, size_t length, struct span *span);

/* As pool_take(), but take only a span whose first `needed` bytes are all dirty. */
bool pool_take_dirty(size_t needed, size_t length, struct span *span);

/* Take a zero span, or a reservation, of exactly `length` bytes. `may_be_huge`: whether
 * the zero span may be one for which huge pages were asked, which takes 2 MiB of memory
 * when its first byte is written. Return false if there is none. */
bool pool_take_zero(size_t length, bool may_be_huge, struct span *span);
bool pool_take_reservation(size_t length, struct span *span);

/* Take the dirty span that follows `span` in the same mapping, and join the two. It is
 * cut so that both have `length` bytes. Return false, and take nothing, if they have
 * fewer than `needed` bytes or there is no such span. */
bool pool_take_after(struct span *span, size_t needed, size_t length);

/* Take a span's tail back up to offset `end`, as far as the pool still has it.
 * `dirty_end` increases: to `end` or more if the tail reaches so far. */
void pool_take_tail(struct span *span, size_t end);

/* Keep the pages of `span` from offset `from` on as its tail: `dirty_end` becomes
 * `from - 1`. Pages for which the limit leaves no space go back to the system. */
void pool_keep_tail(struct span *span, size_t from);

/* Return the part of a span's tail that the pool still has. Its length is 0 if the pool
 * has none. */
struct span pool_tail(const struct span *span);

/* Keep a span or a reservation that was in use, as far as the limit allows; the rest
 * goes back to the system. pool_keep_source() is for the source of a move: the span
 * that moved stays in use, so the count of live spans stays too. */
void pool_keep(const struct span *span);
void pool_keep_source(const struct span *span);

/* Give all entries back to the system. Return whether there was one. */
bool pool_drain(void);

/* Change the counts. For pool_count_live(), `change` is 1 for a span that is now in use
 * and -1 for one that no longer is; `reserved_nbytes` is its length if it has a limit,
 * else 0. For the other two, `nbytes` bytes were moved or copied. */
void pool_count_live(int change, size_t reserved_nbytes);
void pool_count_move(size_t nbytes);
void pool_count_copy(size_t nbytes);

/* Return a number that identifies a new mapping (span.h). */
uint64_t pool_new_mapping(void);

struct pool_stats pool_stats(void);

/* Return what is wrong with the pool, or NULL. */
const char *pool_check(void);

#endif
