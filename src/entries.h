/* entries: the entries of the pool, in the order in which they came (pool.h).
 *
 * There may be many small buffers, and each has a span of 2 MiB: those spans are a stack
 * of their own, in which nothing is searched. Its oldest ones leave at the other end. The
 * other entries are searched from one end to the other; there are few.
 *
 * pre, of all functions: the caller holds the lock.
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
    struct span span; /* of a tail: just its pages, all of them dirty */
    enum entry_kind kind;
    uint64_t came_ms;
};

/* The lock protects all of it. */
extern struct entries {
    struct entry entries[POOL_NSLOTS];
    size_t nentries;
    /* In use is [first_small, first_small + nsmall). */
    struct entry small[2 * POOL_NSMALL];
    size_t first_small, nsmall;
    size_t limit;
    uint64_t mappings; /* numbers given out */
    struct pool_stats stats;
    bool is_locked; /* for assertions */
} pool;

void entries_lock(void);
void entries_unlock(void);

/* Remove and return the entry at a slot, or the oldest or newest small span. */
struct entry entries_remove(size_t slot);
struct span entries_remove_small(bool newest);

/* Return the oldest or newest small span. pre: there is one. */
struct entry *entries_small_end(bool newest);

/* Make room for an entry, and give idle ones back. The lock may be released meanwhile; but
 * when this returns true there is room. Return false if the entry is over the limit. */
bool entries_make_room(const struct span *span, enum entry_kind kind, uint64_t now_ms);

/* Add an entry. pre: there is room. */
void entries_insert(const struct span *span, enum entry_kind kind, uint64_t now_ms);

/* Give entries back to the system: the oldest one, or those that have been idle too long.
 * The lock may be released meanwhile. */
void entries_evict_oldest(void);
void entries_evict_idle(uint64_t now_ms);

/* Give the memory of a tail back, or clear it where the system refuses. */
void entries_discard_tail(const struct span *tail);

/* Remove and return the first `length` bytes of the span at a slot, or all of it if no
 * more than those are dirty. */
struct span entries_split(size_t slot, size_t length);

/* Return one span made of two, of which the second continues the first. */
struct span entries_join(struct span span, const struct span *next);

/* Return the slot of the span after `span`, or before it, that is one mapping with it;
 * or -1. */
int entries_find_neighbour(const struct span *span, bool after);

/* Join a span that comes back with its neighbours, from which it was once cut, if the
 * whole is within the limit. */
void entries_join_neighbours(struct span *span);

/* Return what is wrong with the entries, or NULL. The one function that locks itself. */
const char *entries_check(void);

#endif
