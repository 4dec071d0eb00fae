/* entries: the entries of the pool (pool.h), oldest first.
 *
 * There may be many small buffers, and each has a span of 2 MiB. These small spans have
 * an array of their own: spans are added and taken at one end, and the oldest are
 * evicted at the other, so it is never searched. All other entries are in a second
 * array, which is searched linearly, because they are few.
 *
 * pre, of all functions but entries_lock, entries_check and entries_discard_tail: the
 * caller holds the lock.
 */
#ifndef GROWBUF_ENTRIES_H
#define GROWBUF_ENTRIES_H

#include <stdbool.h>
#include <stddef.h>

#include "pages.h"
#include "pool_stats.h"
#include "span.h"

enum entry_kind { ENTRY_SPAN, ENTRY_TAIL, ENTRY_RESERVATION };

struct entry {
    struct span span; /* for a tail: its pages only, all of them dirty */
    enum entry_kind kind;
    uint64_t came_ms; /* when it was added */
};

/* The lock protects all fields. */
extern struct entries {
    struct entry entries[POOL_NSLOTS];
    size_t nentries;
    /* The small spans; [first_small, first_small + nsmall) are in use. */
    struct entry small[2 * POOL_NSMALL];
    size_t first_small, nsmall;
    size_t limit;
    uint64_t mappings; /* the last number given to a mapping */
    struct pool_stats stats;
    bool is_locked; /* for assertions */
} pool;

/* Take and release the lock of the pool. */
void entries_lock(void);
void entries_unlock(void);

/* Remove and return the entry at a slot, or the oldest or newest small span. */
struct entry entries_remove(size_t slot);
struct span entries_remove_small(bool newest);

/* Return the oldest or newest small span. pre: there is one. */
struct entry *entries_small_end(bool newest);

/* Give back idle entries, and then the oldest ones until the pool has space for an
 * entry. The lock may be released for some time, but it is held when this returns.
 * Return false, and make no space, if the entry alone is over the limit. */
bool entries_make_room(const struct span *span, enum entry_kind kind, uint64_t now_ms);

/* Add an entry. pre: there is space for it. */
void entries_insert(const struct span *span, enum entry_kind kind, uint64_t now_ms);

/* Give entries back to the system: the oldest one, or all that are older than
 * POOL_IDLE_MS. The lock may be released for some time. */
void entries_evict_oldest(void);
void entries_evict_idle(uint64_t now_ms);

/* Give the memory of a tail back to the system. If that fails, set it to zero. */
void entries_discard_tail(const struct span *tail);

/* Remove and return the first `length` bytes of the span at a slot. If no bytes after
 * these are dirty, or mappings cannot be cut, remove and return the whole span. */
struct span entries_split(size_t slot, size_t length);

/* Return the span that two spans make together. pre: `next` follows `span` in memory
 * and is in the same mapping. */
struct span entries_join(struct span span, const struct span *next);

/* Return the slot of the span that directly follows `span` in the same mapping or, if
 * `after` is false, directly precedes it; or -1. */
int entries_find_neighbour(const struct span *span, bool after);

/* Join a span with the adjacent spans of its mapping that are in the pool, and remove
 * these from it. A span that would be over the limit is not joined. */
void entries_join_neighbours(struct span *span);

/* Return what is wrong with the entries, or NULL. This function takes the lock. */
const char *entries_check(void);

#endif
