/* entries: the entries of the pool (pool.h), in two arrays, each oldest first.
 *
 * `small` holds dirty spans of 2 MiB that were never cut and are not in huge pages.
 * Each buffer of 72 KiB to 2 MiB leaves one, so there may be many. The newest is taken
 * and the oldest is evicted, so this array is never searched.
 *
 * `slots` holds all other entries. They are few, so this array is searched linearly. A
 * slot is an index into it. When an entry is removed, each later entry moves to the
 * previous slot.
 *
 * pre, of all functions except entries_lock() and entries_discard_tail(): the caller
 * holds the lock.
 */
#ifndef GROWBUF_ENTRIES_H
#define GROWBUF_ENTRIES_H

#include <stdbool.h>
#include <stddef.h>

#include "growth.h"
#include "pages.h"
#include "pool_stats.h"
#include "span.h"

enum entry_kind { ENTRY_SPAN, ENTRY_TAIL, ENTRY_RESERVATION };

struct entry {
    struct span span; /* for a tail: only the pages of the tail, all of them dirty */
    enum entry_kind kind;
    uint64_t added_ms; /* when it was added to the pool */
};

/* The lock protects all fields. */
extern struct entries {
    struct entry slots[POOL_NSLOTS];
    size_t nslots; /* the first `nslots` are in use */

    /* `nsmall` items of `small` are in use, from `first_small` on. The array has twice
     * as many items as can be in use. So items are moved to its start at most once in
     * POOL_NSMALL insertions. */
    struct entry small[2 * POOL_NSMALL];
    size_t first_small, nsmall;

    size_t limit;      /* bytes of memory that all entries may have together */
    uint64_t mappings; /* the number of the newest mapping (pool_new_mapping) */
    struct pool_stats stats;
    bool is_locked; /* for assertions */
} entries;

/* Take and release the lock of the pool. */
void entries_lock(void);
void entries_unlock(void);

/* Whether the entry of this span belongs in `small`, if it is not a tail. */
static inline bool
entries_is_small(const struct span *span)
{
    return span->length == GROWTH_QUANTUM && span->dirty_end > 0 && !span->huge &&
           !span->reserved && !span->split;
}

/* Remove and return the entry at a slot, or the newest or oldest small span. */
struct entry entries_remove(size_t slot);
struct span entries_remove_small(bool newest);

/* Return the newest or oldest entry of `small`. pre: there is one. */
const struct entry *entries_small_end(bool newest);

/* Ensure that an entry can be added. Evict idle entries, and then the oldest ones until
 * there is a free place in the array and enough memory below the limit. For a
 * reservation, evict the oldest reservation if there are POOL_MAX_RESERVATIONS. The
 * lock may be released for some time, but it is held when this returns. Return false if
 * the entry alone is over the limit. */
bool entries_make_space(const struct span *span, enum entry_kind kind, uint64_t now_ms);

/* Add an entry. pre: entries_make_space() returned true for it, and the lock has been
 * held since then. */
void entries_insert(const struct span *span, enum entry_kind kind, uint64_t now_ms);

/* Evict the oldest entry, or all entries that are older than POOL_IDLE_MS. To evict an
 * entry is to remove it and to give its memory back to the system. The lock may be
 * released for some time. pre, of the first function: there is an entry. */
void entries_evict_oldest(void);
void entries_evict_idle(uint64_t now_ms);

/* Give the memory of a tail back to the system. If that fails, fill it with zeros. */
void entries_discard_tail(const struct span *tail);

/* Remove and return the first `length` bytes of the span at a slot. The rest stays in
 * the slot. If no byte of the rest is dirty, or mappings cannot be cut, remove and
 * return the whole span. */
struct span entries_split(size_t slot, size_t length);

/* Return the span that two spans make together. pre: `next` follows `span` in memory
 * and is in the same mapping. */
struct span entries_join(struct span span, const struct span *next);

/* Return the slot of the span that directly follows `span` in the same mapping or, if
 * `after` is false, directly precedes it. Return -1 if there is none. */
int entries_find_neighbour(const struct span *span, bool after);

/* Join a span with the adjacent spans of its mapping that are in the pool, and remove
 * those from the pool. Two spans are not joined if together they would have more memory
 * than the limit. */
void entries_join_neighbours(struct span *span);

#endif
