/* entries: the entries of the pool, in two arrays, each oldest first. */
#include "entries.h"

#include <assert.h>
#include <string.h>

#include "growth.h"

struct entries entries = {.limit = POOL_NBYTES};

void
entries_lock(void)
{
    pages_ops.lock(PAGES_LOCK_POOL);
    assert(!entries.is_locked);
    entries.is_locked = true;
}

void
entries_unlock(void)
{
    assert(entries.is_locked);
    entries.is_locked = false;
    pages_ops.unlock(PAGES_LOCK_POOL);
}

struct entry
entries_remove(size_t slot)
{
    assert(entries.is_locked && slot < entries.nslots);
    struct entry entry = entries.slots[slot];
    assert(entries.stats.nbytes >= entry.span.dirty_end);
    assert(entries.stats.nentries == entries.nslots + entries.nsmall);
    entries.nslots--;
    entries.stats.nentries--;
    entries.stats.nbytes -= entry.span.dirty_end;
    memmove(&entries.slots[slot], &entries.slots[slot + 1],
            (entries.nslots - slot) * sizeof *entries.slots);
    return entry;
}

const struct entry *
entries_small_end(bool newest)
{
    assert(entries.is_locked && entries.nsmall > 0);
    assert(entries.first_small + entries.nsmall <= 2 * POOL_NSMALL);
    return &entries.small[entries.first_small + (newest ? entries.nsmall - 1 : 0)];
}

struct span
entries_remove_small(bool newest)
{
    struct span span = entries_small_end(newest)->span;
    assert(entries.stats.nbytes >= span.dirty_end && entries_is_small(&span));
    entries.first_small += !newest;
    entries.nsmall--;
    entries.stats.nentries--;
    entries.stats.nbytes -= span.dirty_end;
    return span;
}

static void
insert_small(const struct entry *entry)
{
    assert(entries.nsmall < POOL_NSMALL);
    if (entries.first_small + entries.nsmall == 2 * POOL_NSMALL) {
        memmove(entries.small, &entries.small[entries.first_small],
                entries.nsmall * sizeof *entries.small);
        entries.first_small = 0;
    }
    entries.small[entries.first_small + entries.nsmall++] = *entry;
}

void
entries_insert(const struct span *span, enum entry_kind kind, uint64_t now_ms)
{
    const struct entry entry = {*span, kind, now_ms};
    assert(entries.is_locked &&
           (kind != ENTRY_TAIL || span->dirty_end == span->length));
    assert(span->dirty_end <= span->length && !span->has_tail);
    assert(entries.stats.nbytes + span->dirty_end <= entries.limit);
    if (kind == ENTRY_SPAN && entries_is_small(span)) {
        insert_small(&entry);
    }
    else {
        assert(entries.nslots < POOL_NSLOTS);
        entries.slots[entries.nslots++] = entry;
    }
    entries.stats.nentries++;
    entries.stats.nbytes += span->dirty_end;
}

/* If the tail is evicted, the caller holds the lock, so that the owner of the span
 * cannot use the pages before they read as zero. The system does not take back memory
 * that the program has locked by mlock(2): hence the memset(). */
void
entries_discard_tail(const struct span *tail)
{
    assert((uintptr_t)tail->address % pages_facts.page_nbytes == 0);
    assert(tail->length > 0 && tail->length % pages_facts.page_nbytes == 0);
    if (pages_discard(tail->address, tail->length, tail->huge) != 0) {
        memset(tail->address, 0, tail->length);
    }
}

/* Unmap a span that was removed from the pool. This takes time, so the lock is released
 * meanwhile. */
static void
unmap_unlocked(const struct span *span)
{
    assert(span->length > 0 && !span->has_tail); /* its tail would be unmapped too */
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
    assert(entries.is_locked && entries.stats.nentries > 0);
    if (entries.nslots == 0 ||
        (entries.nsmall > 0 &&
         entries_small_end(false)->added_ms < entries.slots[0].added_ms)) {
        evict_small();
    }
    else {
        evict(0);
    }
}

static bool
is_idle(const struct entry *entry, uint64_t now_ms)
{
    return entry->added_ms + POOL_IDLE_MS < now_ms;
}

void
entries_evict_idle(uint64_t now_ms)
{
    while ((entries.nslots > 0 && is_idle(&entries.slots[0], now_ms)) ||
           (entries.nsmall > 0 && is_idle(entries_small_end(false), now_ms))) {
        entries_evict_oldest();
    }
}

/* Return the slot of the oldest reservation if the pool has POOL_MAX_RESERVATIONS of
 * them, and otherwise -1. */
static int
find_reservation_to_evict(void)
{
    int count = 0, oldest = -1;
    assert(entries.is_locked);
    for (size_t slot = entries.nslots; slot-- > 0;) {
        if (entries.slots[slot].kind == ENTRY_RESERVATION) {
            oldest = (int)slot;
            count++;
        }
    }
    return count >= POOL_MAX_RESERVATIONS ? oldest : -1;
}

/* Evict one entry if `span` cannot be added now. Return whether one was evicted. */
static bool
evict_for(const struct span *span, enum entry_kind kind)
{
    assert(entries.is_locked && span->dirty_end <= entries.limit);
    assert(entries.nslots <= POOL_NSLOTS && entries.nsmall <= POOL_NSMALL);
    int slot = kind == ENTRY_RESERVATION ? find_reservation_to_evict() : -1;
    if (entries.stats.nentries > 0 &&
        entries.stats.nbytes + span->dirty_end > entries.limit) {
        entries_evict_oldest();
    }
    else if (kind == ENTRY_SPAN && entries_is_small(span)) {
        if (entries.nsmall < POOL_NSMALL) {
            return false;
        }
        evict_small();
    }
    else if (slot >= 0 || entries.nslots == POOL_NSLOTS) {
        evict(slot >= 0 ? (size_t)slot : 0);
    }
    else {
        return false;
    }
    return true;
}

bool
entries_make_space(const struct span *span, enum entry_kind kind, uint64_t now_ms)
{
    entries_evict_idle(now_ms);
    while (span->dirty_end <= entries.limit && evict_for(span, kind)) {
    }
    return span->dirty_end <= entries.limit;
}

/* Every span ends in a zero byte, so the last byte of the first part is set to zero.
 *
 *   |<---------- dirty ---------->|<-zeros->|
 *   |<- length ->|
 *   |<- dirty ->0|<--- dirty ---->|<-zeros->|      the second part stays in the slot
 */
struct span
entries_split(size_t slot, size_t length)
{
    struct span *rest = &entries.slots[slot].span;
    assert(entries.is_locked && entries.slots[slot].kind == ENTRY_SPAN);
    assert(slot < entries.nslots && length % GROWTH_QUANTUM == 0 && length > 0);
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
    entries.stats.nbytes -= length;
    assert(rest->dirty_end > 0 && rest->dirty_end < rest->length);
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
    assert(continues(&span, next) && !span.has_tail && !next->has_tail);
    if (next->dirty_end > 0) {
        span.dirty_end = span.length + next->dirty_end;
    }
    span.length += next->length;
    return span;
}

int
entries_find_neighbour(const struct span *span, bool after)
{
    assert(entries.is_locked && !span->reserved);
    for (size_t slot = 0; slot < entries.nslots; slot++) {
        const struct entry *entry = &entries.slots[slot];
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
    assert(span->split && !span->has_tail);
    for (int after = 0; after < 2; after++) {
        int slot = entries_find_neighbour(span, after);
        if (slot >= 0) {
            const struct span *other = &entries.slots[slot].span;
            struct span whole =
                after ? entries_join(*span, other) : entries_join(*other, span);
            assert(whole.dirty_end < whole.length);
            if (whole.dirty_end <= entries.limit) {
                (void)entries_remove((size_t)slot);
                *span = whole;
            }
        }
    }
}
