/* pool: memory that no buffer uses, kept for the next one; and the counts of a process.
 *
 * There is one pool in a process. It has a lock, and every function may be called from
 * any thread. It keeps four sorts of entries:
 *   dirty spans    of dropped buffers, with their pages;
 *   tails          the pages of a buffer in use that are after its last byte: what it
 *                  used before it shrank, or what came with a dirty span. The buffer
 *                  takes its tail back when it grows;
 *   zero spans     the emptied sources of moves: address space without memory;
 *   reservations   of dropped buffers that had a limit, with their pages.
 *
 * What goes back to the system, and when:
 *   - The memory kept is at most the limit of the pool. The oldest entries go first.
 *   - An entry that is not taken for POOL_IDLE_MS goes back when the pool is used next.
 *   - What is in huge pages after the first 16 MiB of a span is offered to the system,
 *     which takes it as soon as it is short of memory.
 */
#ifndef GROWBUF_POOL_H
#define GROWBUF_POOL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "pages.h"
#include "pool_stats.h"
#include "span.h"

/* Once in a process: probe the kernel (pages_probe), call `configure_once` if it is not
 * NULL, and make the pool survive fork. Call it before anything else. */
void pool_init(enum pages_rung highest, void (*configure_once)(void));

/* Set the limit of the memory that is kept, and give back what is over it. */
void pool_set_limit(size_t nbytes);

/* Take a dirty span of at least `needed` bytes, cut to `length` if it is longer and dirty
 * after that. A store that needs little gets no part of a large span, whose pages may be
 * huge. Return false if there is none. */
bool pool_take(size_t needed, size_t length, struct span *span);

/* Take a dirty span of which the first `needed` bytes are dirty. */
bool pool_take_dirty(size_t needed, size_t length, struct span *span);

/* Take a zero span, or a reservation, of exactly `length` bytes. A zero span with huge
 * pages asked for takes 2 MiB at its first byte: only a mover may get it. */
bool pool_take_zero(size_t length, bool may_be_huge, struct span *span);
bool pool_take_reservation(size_t length, struct span *span);

/* Take the dirty span that continues `span` and join the two, if they have at least
 * `needed` bytes; cut it so that they have `length`. */
bool pool_take_after(struct span *span, size_t needed, size_t length);

/* Take a span's own tail back up to offset `end`, as far as the pool still has it:
 * `dirty_end` grows, to `end` at least if the pool has so much. */
void pool_take_tail(struct span *span, size_t end);

/* Keep the pages of `span` from offset `from` on as its tail: `dirty_end` becomes
 * `from - 1`. What the limit leaves no room for goes back to the system. */
void pool_keep_tail(struct span *span, size_t from);

/* Return what the pool still has of a span's tail; of length 0 if that is nothing. */
struct span pool_tail(const struct span *span);

/* Keep a span or a reservation that was in use, as far as the limit leaves room for it;
 * or the source of a move, which was not counted as live. */
void pool_keep(const struct span *span);
void pool_keep_source(const struct span *span);

/* Give back all entries. Return whether there was one. */
bool pool_drain(void);

/* Count a span as in use, or no longer; `reserved_nbytes`: address space of a limit. */
void pool_count_live(int change, size_t reserved_nbytes);
void pool_count_move(size_t nbytes);
void pool_count_copy(size_t nbytes);

/* Return a number that no mapping had before. */
uint64_t pool_new_mapping(void);

struct pool_stats pool_stats(void);

/* Return what is wrong with the pool, or NULL. */
const char *pool_check(void);

#endif
