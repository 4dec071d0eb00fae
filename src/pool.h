/* pool: memory that no buffer uses, kept for the next buffer; and the process's counts.
 *
 * There is one pool in a process. It has a lock, and every function may be called from
 * any thread. It has four kinds of entries:
 *   dirty spans    the spans of deallocated buffers, with their pages;
 *   tails          pages after the last byte of a buffer in use. It used them before it
 *                  shrank, or they came with a dirty span. The buffer takes its tail
 *                  back when it grows;
 *   zero spans     the old addresses of moved pages: address space without memory;
 *   reservations   the spans of deallocated buffers that had a limit, with their pages.
 *
 * The pool gives entries back to the system by itself in these cases:
 *   - Another entry is added, and all together would have more memory than the limit of
 *     the pool. The oldest entries go back first.
 *   - The pool is used, and an entry was added more than POOL_IDLE_MS ago.
 *   - The system is short of memory: of a span in huge pages it may take the memory
 *     after the first 16 MiB. The address space stays in the pool.
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

/* Set how many bytes of memory the pool may keep, and give entries back until it keeps
 * no more. */
void pool_set_limit(size_t nbytes);

/* Take a dirty span of at least `needed` bytes. If bytes after the first `length` are
 * dirty, it is cut there and the rest stays in the pool; if mappings cannot be cut, it is
 * taken whole, and has at most 4 times `length` bytes. If `needed` is less than
 * GROWTH_HUGE_PART_MIN, no span is taken that is in huge pages or longer than 2 MiB.
 * Return false if there is no such span. */
bool pool_take(size_t needed, size_t length, struct span *span);

/* As pool_take(), but take only a span whose first `needed` bytes are all dirty. */
bool pool_take_dirty(size_t needed, size_t length, struct span *span);

/* Take a zero span, or a reservation, of exactly `length` bytes. Return false if there
 * is none. `may_be_huge`: whether the zero span may be in huge pages. Such a span takes
 * 2 MiB of memory when its first byte is written. */
bool pool_take_zero(size_t length, bool may_be_huge, struct span *span);
bool pool_take_reservation(size_t length, struct span *span);

/* Take the dirty span that directly follows `span` in the same mapping, and join the
 * two. If they have more than `length` bytes together, and bytes after these are dirty,
 * the rest stays in the pool. Return false, and take nothing, if there is no such span
 * or the two have fewer than `needed` bytes together. */
bool pool_take_after(struct span *span, size_t needed, size_t length);

/* Take the pages of a span's tail back, up to the page that contains offset `end`, if
 * the pool still has the tail. `dirty_end` increases to the last byte of these pages,
 * which is set to zero. */
void pool_take_tail(struct span *span, size_t end);

/* Keep the pages of `span` from offset `from` on as its tail. The byte before them is
 * set to zero and `dirty_end` becomes its offset, from - 1: the byte at dirty_end is
 * always zero, and never in the tail. Pages for which the limit of the pool leaves no
 * space go back to the system. pre: from <= dirty_end, and `from` is the offset of a
 * page. */
void pool_keep_tail(struct span *span, size_t from);

/* Return a span's tail. Its length is 0 if there is none, or the pool has given it back
 * to the system. */
struct span pool_tail(const struct span *span);

/* Add a span or a reservation that was in use to the pool. Memory for which the limit
 * leaves no space goes back to the system. pool_keep_source() is for the old addresses
 * of a span that was moved and stays in use: it does not change the count of spans in
 * use. */
void pool_keep(const struct span *span);
void pool_keep_source(const struct span *span);

/* Give all entries back to the system. Return whether there was one. */
bool pool_drain(void);

/* Count a span that is now in use (`change` is 1) or no longer is (-1). Its length is
 * `reserved_nbytes` if it has a limit; otherwise that is 0. */
void pool_count_live(int change, size_t reserved_nbytes);

/* Count `nbytes` bytes that were moved, or copied. */
void pool_count_move(size_t nbytes);
void pool_count_copy(size_t nbytes);

/* Return a number that identifies a new mapping (span.h). */
uint64_t pool_new_mapping(void);

struct pool_stats pool_stats(void);

/* Return what is wrong with the pool, or NULL. */
const char *pool_check(void);

#endif
