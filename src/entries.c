/* entries: the entries of the pool, oldest first. */
#include "entries.h"

#include <assert.h>
#include <string.h>

#include "growth.h"

struct entries pool = {.limit = POOL_NBYTES};

void
entries_lock(void)
{
    pages_ops.lock(PAGES_LOCK_POOL);
    assert(!pool.is_locked);
    pool.is_locked = true;
}

void
entries_unlock(void)
{
    assert(pool.is_locked);
    pool.is_locked = false;
    pages_ops.unlock(PAGES_LOCK_POOL);
}

static size_t
entry_nbytes(const struct entry *entry)
{
    return entry->span.dirty_end;
}

struct entry
entries_remove(size_t slot)
{
    assert(pool.is_locked && slot < pool.nentries);
    struct entry entry = pool.entries[slot];
    assert(pool.stats.nbytes >= entry_nbytes(&entry));
    pool.nentries--;
    pool.stats.nentries--;
    pool.stats.nbytes -= entry_nbytes(&entry);
    memmove(&pool.entries[slot], &pool.entries[slot + 1],
            (pool.nentries - slot) * sizeof *pool.entries);
    return entry;
}

static bool
is_small(const struct span *span)
{
    return span->length == GROWTH_QUANTUM && span->dirty_end > 0 && !span->huge &&
           !span->reserved && !span->split;
}

struct entry *
entries_small_end(bool newest)
{
    assert(pool.nsmall > 0);
    return &pool.small[pool.first_small + (newest ? pool.nsmall - 1 : 0)];
}

struct span
entries_remove_small(bool newest)
{
    struct span span = entries_small_end(newest)->span;
    pool.first_small += !newest;
    pool.nsmall--;
    pool.stats.nentries--;
    pool.stats.nbytes -= span.dirty_end;
    return span;
}

static void
insert_small(const struct entry *entry)
{
    assert(pool.nsmall < POOL_NSMALL);
    if (pool.first_small + pool.nsmall == 2 * POOL_NSMALL) {
        memmove(pool.small, &pool.small[pool.first_small],
                pool.nsmall * sizeof *pool.small);
        pool.first_small = 0;
    }
    pool.small[pool.first_small + pool.nsmall++] = *entry;
}

void
entries_insert(const struct span *span, enum entry_kind kind, uint64_t now_ms)
{
    const struct entry entry = {*span, kind, now_ms};
    assert(pool.is_locked && (kind != ENTRY_TAIL || span->dirty_end == span->length));
    assert(span->dirty_end <= span->length && !span->has_tail);
    assert(pool.stats.nbytes + span->dirty_end <= pool.limit);
    if (kind == ENTRY_SPAN && is_small(span)) {
        insert_small(&entry);
    }
    else {
        assert(pool.nentries < POOL_NSLOTS);
        pool.entries[pool.nentries++] = entry;
    }
    pool.stats.nentries++;
    pool.stats.nbytes += span->dirty_end;
}

/* A tail that is evicted is given back under the lock: until then its owner must not
 * see that it is no longer in the pool. Memory locked by mlock(2) cannot be given back,
 * so it is set to zero. */
void
entries_discard_tail(const struct span *tail)
{
    if (pages_discard(tail->address, tail->length, tail->huge) != 0) {
        memset(tail->address, 0, tail->length);
    }
}

/* Unmap a span that is no longer in the pool. Unmapping takes time, so the lock is
 * released for it. */
static void
unmap_unlocked(const struct span *span)
{
    entries_unlock();
    pages_unmap(span->address, span->length);
    entries_lock();
}

static void
evict(size_t slot)
{
    struct entry entry = entries_remove(slot);
    if (entry.kind == ENTRY_TAIL) {
        entries_discard_tail(&entry.span);
    }
    else {
        assert(!entry.span.has_tail); /* else the tail would be unmapped too */
        unmap_unlocked(&entry.span);
    }
}

static void
evict_small(void)
{
    struct span span = entries_remove_small(false);
    unmap_unlocked(&span);
}

void
entries_evict_oldest(void)
{
    if (pool.nentries == 0 || (pool.nsmall > 0 && entries_small_end(false)->came_ms <
                                                      pool.entries[0].came_ms)) {
        evict_small();
    }
    else {
        evict(0);
    }
}

static bool
is_idle(const struct entry *entry, uint64_t now_ms)
{
    return entry->came_ms + POOL_IDLE_MS < now_ms;
}

void
entries_evict_idle(uint64_t now_ms)
{
    while ((pool.nentries > 0 && is_idle(&pool.entries[0], now_ms)) ||
           (pool.nsmall > 0 && is_idle(entries_small_end(false), now_ms))) {
        entries_evict_oldest();
    }
}

/* Return the slot of the oldest reservation if there are POOL_MAX_RESERVATIONS; or
 * -1. */
static int
find_reservation_to_evict(void)
{
    int count = 0, oldest = -1;
    assert(pool.is_locked);
    for (size_t slot = pool.nentries; slot-- > 0;) {
        if (pool.entries[slot].kind == ENTRY_RESERVATION) {
            oldest = (int)slot;
            count++;
        }
    }
    return count >= POOL_MAX_RESERVATIONS ? oldest : -1;
}

/* Evict one entry to make space for `span`. Return false, and evict none, if there is
 * space already. */
static bool
evict_for(const struct span *span, enum entry_kind kind)
{
    int slot = kind == ENTRY_RESERVATION ? find_reservation_to_evict() : -1;
    if (pool.stats.nentries > 0 && pool.stats.nbytes + span->dirty_end > pool.limit) {
        entries_evict_oldest();
    }
    else if (kind == ENTRY_SPAN && is_small(span)) {
        if (pool.nsmall < POOL_NSMALL) {
            return false;
        }
        evict_small();
    }
    else if (slot >= 0 || pool.nentries == POOL_NSLOTS) {
        evict(slot >= 0 ? (size_t)slot : 0);
    }
    else {
        return false;
    }
    return true;
}

bool
entries_make_room(const struct span *span, enum entry_kind kind, uint64_t now_ms)
{
    entries_evict_idle(now_ms);
    while (span->dirty_end <= pool.limit && evict_for(span, kind)) {
    }
    return span->dirty_end <= pool.limit;
}

/* Cut the span at `slot` in two. The last byte of each is zero, as in every span.
 *
 *   |<------------ dirty ------------->|  zeros |
 *   |<-- length -->|<----- dirty ----->|  zeros |      the rest stays
 */
struct span
entries_split(size_t slot, size_t length)
{
    struct span *rest = &pool.entries[slot].span;
    assert(pool.is_locked && pool.entries[slot].kind == ENTRY_SPAN);
    assert(length % GROWTH_QUANTUM == 0 && length > 0);
    if (rest->dirty_end <= length || pages_facts.whole_only) {
        return entries_remove(slot).span;
    }
    rest->split = true;
    struct span piece = *rest;
    piece.length = length;
    piece.dirty_end = length - 1;
    piece.address[length - 1] = '\0';
    rest->address += length;
    rest->length -= length;
    rest->dirty_end -= length;
    pool.stats.nbytes -= length;
    return piece;
}

/* Whether `next` directly follows `span` in memory, in the same mapping. */
static bool
continues(const struct span *span, const struct span *next)
{
    return span->address + span->length == next->address &&
           span->number == next->number && span->huge == next->huge;
}

struct span
entries_join(struct span span, const struct span *next)
{
    assert(continues(&span, next));
    if (next->dirty_end > 0) {
        span.dirty_end = span.length + next->dirty_end;
    }
    span.length += next->length;
    return span;
}

int
entries_find_neighbour(const struct span *span, bool after)
{
    assert(pool.is_locked && !span->reserved);
    for (size_t slot = 0; slot < pool.nentries; slot++) {
        const struct entry *entry = &pool.entries[slot];
        if (entry->kind == ENTRY_SPAN &&
            (after ? continues(span, &entry->span) : continues(&entry->span, span))) {
            return (int)slot;
        }
    }
    return -1;
}

void
entries_join_neighbours(struct span *span)
{
    for (int after = 0; after < 2; after++) {
        int slot = entries_find_neighbour(span, after);
        if (slot >= 0) {
            const struct span *other = &pool.entries[slot].span;
            struct span whole =
                after ? entries_join(*span, other) : entries_join(*other, span);
            assert(whole.dirty_end < whole.length);
            if (whole.dirty_end <= pool.limit) {
                (void)entries_remove((size_t)slot);
                *span = whole;
            }
        }
    }
}

static const char *
check_entry(const struct entry *entry)
{
    const struct span *span = &entry->span;
    size_t unit = entry->kind == ENTRY_TAIL ? pages_facts.page_nbytes : GROWTH_QUANTUM;
    return span->length == 0          ? "an entry of the pool is empty"
           : span->length % unit != 0 ? "an entry of the pool has an odd length"
           : span->has_tail           ? "an entry of the pool has a tail"
           : entry->kind == ENTRY_TAIL
               ? (span->dirty_end != span->length ? "a tail is not dirty" : NULL)
           : span->dirty_end >= span->length ? "a kept span is dirty to its end"
                                             : NULL;
}

const char *
entries_check(void)
{
    const char *reason = NULL;
    size_t nbytes = 0;
    entries_lock();
    for (size_t slot = 0; slot < pool.nentries && reason == NULL; slot++) {
        nbytes += entry_nbytes(&pool.entries[slot]);
        reason = check_entry(&pool.entries[slot]);
    }
    for (size_t i = 0; i < pool.nsmall && reason == NULL; i++) {
        const struct entry *entry = &pool.small[pool.first_small + i];
        nbytes += entry_nbytes(entry);
        reason = is_small(&entry->span) ? check_entry(entry) : "a small span is none";
    }
    if (reason == NULL && pool.nentries + pool.nsmall != pool.stats.nentries) {
        reason = "the entries of the pool are miscounted";
    }
    if (reason == NULL && (nbytes != pool.stats.nbytes || nbytes > pool.limit)) {
        reason = "the memory of the pool is miscounted or over the limit";
    }
    entries_unlock();
    return reason;
}
