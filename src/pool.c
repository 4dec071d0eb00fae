/* pool: memory that no buffer uses, kept for the next one; and the counts of a process. */
#include "pool.h"

#include <assert.h>
#include <string.h>

#include "growth.h"
#include "prefault.h"

/* Of a span in huge pages, what comes after this is offered to the system. */
#define OFFER_MIN ((size_t)16 << 20)

enum kind { SPAN, TAIL, RESERVATION };

struct entry {
    struct span span; /* of a tail: just its pages, all of them dirty */
    enum kind kind;
    uint64_t came_ms;
};

/* The lock protects all of it. Entries are in the order in which they came. */
static struct {
    struct entry entries[POOL_NSLOTS];
    size_t limit;
    uint64_t mappings; /* numbers given out */
    struct pool_stats stats;
} pool = {.limit = POOL_NBYTES};

static void
lock(void)
{
    pages_ops.lock(PAGES_LOCK_POOL);
}

static void
unlock(void)
{
    pages_ops.unlock(PAGES_LOCK_POOL);
}

/* ------------------------------------------------------------------ once, and fork */

/* fork waits until no thread is inside, so that the child's pool is whole. */
static void
before_fork(void)
{
    prefault_before_fork();
    lock();
}

static void
after_fork(void)
{
    unlock();
    prefault_after_fork();
}

static struct {
    enum pages_rung highest;
    void (*configure_once)(void);
} init_args;

static void
init_once(void)
{
    static const struct pages_fork_hooks hooks = {before_fork, after_fork, after_fork};
    pages_probe(init_args.highest);
    if (init_args.configure_once != NULL) {
        init_args.configure_once();
    }
    pages_ops.at_fork(&hooks);
}

void
pool_init(enum pages_rung highest, void (*configure_once)(void))
{
    lock();
    init_args.highest = highest;
    init_args.configure_once = configure_once;
    unlock();
    pages_ops.once(init_once);
}

/* -------------------------------------------------------------------- the entries */

static size_t
entry_nbytes(const struct entry *entry)
{
    return entry->span.dirty_end;
}

/* Remove and return the entry at `slot`. */
static struct entry
pool_remove(size_t slot)
{
    assert(slot < pool.stats.nentries);
    struct entry entry = pool.entries[slot];
    assert(pool.stats.nbytes >= entry_nbytes(&entry));
    pool.stats.nentries--;
    pool.stats.nbytes -= entry_nbytes(&entry);
    memmove(&pool.entries[slot], &pool.entries[slot + 1],
            (pool.stats.nentries - slot) * sizeof *pool.entries);
    return entry;
}

static void
pool_insert(const struct span *span, enum kind kind, uint64_t now_ms)
{
    assert(pool.stats.nentries < POOL_NSLOTS);
    assert(span->dirty_end <= span->length && !span->has_tail);
    assert(pool.stats.nbytes + span->dirty_end <= pool.limit);
    pool.entries[pool.stats.nentries++] = (struct entry){*span, kind, now_ms};
    pool.stats.nbytes += span->dirty_end;
}

/* Give the memory of a tail back. Its owner must not find it gone from the pool before:
 * the lock is held. Locked memory (mlock) cannot be given back, and is cleared. */
static void
discard_tail(const struct span *tail)
{
    if (pages_discard(tail->address, tail->length) != 0) {
        memset(tail->address, 0, tail->length);
    }
}

/* Give an entry back to the system. The lock is released for what no other code can
 * reach, because unmapping takes time. */
static void
evict(size_t slot)
{
    struct entry entry = pool_remove(slot);
    if (entry.kind == TAIL) {
        discard_tail(&entry.span);
    }
    else {
        unlock();
        pages_unmap(entry.span.address, entry.span.length);
        lock();
    }
}

/* What comes into the pool. */
struct coming {
    size_t nentries, nreservations, nbytes;
};

/* Return the slot of the oldest reservation if there are as many as may be, or -1. */
static int
find_reservation_to_evict(void)
{
    int count = 0, oldest = -1;
    for (size_t slot = pool.stats.nentries; slot-- > 0;) {
        if (pool.entries[slot].kind == RESERVATION) {
            oldest = (int)slot;
            count++;
        }
    }
    return count >= POOL_MAX_RESERVATIONS ? oldest : -1;
}

/* Return the slot of an entry that must go before others come, or -1: the oldest, because
 * the pool is full or over its limit or the entry has been idle too long; or a
 * reservation, because there are too many. */
static int
find_to_evict(const struct coming *coming, uint64_t now_ms)
{
    if (pool.stats.nentries == 0) {
        return -1;
    }
    if (pool.stats.nentries + coming->nentries > POOL_NSLOTS ||
        pool.stats.nbytes + coming->nbytes > pool.limit ||
        pool.entries[0].came_ms + POOL_IDLE_MS < now_ms) {
        return 0;
    }
    return coming->nreservations > 0 ? find_reservation_to_evict() : -1;
}

/* Give back what must go before others come. The lock may be released meanwhile; but when
 * this returns there is room, if what comes is within the limit at all. */
static void
make_room(struct coming coming, uint64_t now_ms)
{
    int slot;
    while ((slot = find_to_evict(&coming, now_ms)) >= 0) {
        evict((size_t)slot);
    }
}

static void
evict_idle(uint64_t now_ms)
{
    make_room((struct coming){0}, now_ms);
}

/* Remove and return the first `length` bytes of the span at `slot`, or all of it if no
 * more than those are dirty. The last byte of a piece is zero, as of any span.
 *
 *   |<------------ dirty ------------->|  zeros |
 *   |<-- length -->|<----- dirty ----->|  zeros |      the rest stays
 */
static struct span
split(size_t slot, size_t length)
{
    struct span *rest = &pool.entries[slot].span;
    assert(length % GROWTH_QUANTUM == 0 && length > 0);
    if (rest->dirty_end <= length) {
        return pool_remove(slot).span;
    }
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

/* Whether `next` continues `span`: in memory, and in one mapping. */
static bool
continues(const struct span *span, const struct span *next)
{
    return span->address + span->length == next->address &&
           span->number == next->number && span->huge == next->huge;
}

/* Return one span made of two, of which the second continues the first. */
static struct span
joined(struct span span, const struct span *next)
{
    assert(continues(&span, next));
    if (next->dirty_end > 0) {
        span.dirty_end = span.length + next->dirty_end;
    }
    span.length += next->length;
    return span;
}

/* Return the slot of the span after `span`, or before it, that is one mapping with it;
 * or -1. */
static int
find_neighbour(const struct span *span, bool after)
{
    for (size_t slot = 0; slot < pool.stats.nentries; slot++) {
        const struct entry *entry = &pool.entries[slot];
        if (entry->kind == SPAN &&
            (after ? continues(span, &entry->span) : continues(&entry->span, span))) {
            return (int)slot;
        }
    }
    return -1;
}

/* Join a span that comes back with its neighbours, from which it was once split, if the
 * whole is within the limit. */
static void
join_neighbours(struct span *span)
{
    for (int after = 0; after < 2; after++) {
        int slot = find_neighbour(span, after);
        if (slot >= 0) {
            const struct span *other = &pool.entries[slot].span;
            struct span whole = after ? joined(*span, other) : joined(*other, span);
            if (whole.dirty_end <= pool.limit) {
                (void)pool_remove((size_t)slot);
                *span = whole;
            }
        }
    }
}

/* -------------------------------------------------------------------------- taking */

/* Whether the dirty span `one` suits `needed` bytes better than `other`: the smaller of
 * those that are dirty far enough, else the dirtier one. */
static bool
suits_better(const struct span *one, const struct span *other, size_t needed)
{
    if (one->dirty_end >= needed) {
        return other->dirty_end < needed || one->dirty_end < other->dirty_end;
    }
    return one->dirty_end > other->dirty_end;
}

/* Return the slot of the dirty span that suits best, or -1. */
static int
find_dirty(size_t needed, size_t min_dirty)
{
    int found = -1;
    bool little = needed < GROWTH_HUGE_PART_MIN;
    for (size_t slot = 0; slot < pool.stats.nentries; slot++) {
        const struct span *span = &pool.entries[slot].span;
        if (pool.entries[slot].kind == SPAN && span->length >= needed &&
            span->dirty_end >= min_dirty &&
            !(little && (span->huge || span->length > GROWTH_QUANTUM)) &&
            (found < 0 || suits_better(span, &pool.entries[found].span, needed))) {
            found = (int)slot;
        }
    }
    return found;
}

static bool
take_dirty(size_t needed, size_t min_dirty, size_t length, struct span *span)
{
    assert(length >= needed && min_dirty > 0);
    uint64_t now_ms = pages_ops.clock_ms();
    lock();
    int slot = find_dirty(needed, min_dirty);
    if (slot >= 0) {
        *span = split((size_t)slot, length);
    }
    evict_idle(now_ms);
    unlock();
    return slot >= 0;
}

bool
pool_take(size_t needed, size_t length, struct span *span)
{
    return take_dirty(needed, 1, length, span);
}

bool
pool_take_dirty(size_t needed, size_t length, struct span *span)
{
    return take_dirty(needed, needed, length, span);
}

/* Take the newest entry of a kind and of exactly that length. */
static bool
take_exact(enum kind kind, size_t length, bool may_be_huge, struct span *span)
{
    bool found = false;
    uint64_t now_ms = pages_ops.clock_ms();
    lock();
    for (size_t slot = pool.stats.nentries; slot-- > 0 && !found;) {
        const struct entry *entry = &pool.entries[slot];
        found = entry->kind == kind && entry->span.length == length &&
                (kind == RESERVATION ||
                 (entry->span.dirty_end == 0 && (may_be_huge || !entry->span.huge)));
        if (found) {
            *span = pool_remove(slot).span;
        }
    }
    evict_idle(now_ms);
    unlock();
    return found;
}

bool
pool_take_zero(size_t length, bool may_be_huge, struct span *span)
{
    return take_exact(SPAN, length, may_be_huge, span);
}

bool
pool_take_reservation(size_t length, struct span *span)
{
    return take_exact(RESERVATION, length, true, span);
}

bool
pool_take_after(struct span *span, size_t needed, size_t length)
{
    assert(!span->has_tail && needed > span->length && length >= needed);
    bool enough = false;
    lock();
    int slot = find_neighbour(span, true);
    if (slot >= 0) {
        const struct span *next = &pool.entries[slot].span;
        enough = next->dirty_end > 0 && span->length + next->length >= needed;
    }
    if (enough) {
        struct span piece = split((size_t)slot, length - span->length);
        *span = joined(*span, &piece);
    }
    unlock();
    return enough;
}

/* --------------------------------------------------------------------------- tails */

/* Return the slot of the tail of `span`, or -1. */
static int
find_tail(const struct span *span)
{
    for (size_t slot = pool.stats.nentries; slot-- > 0;) {
        const struct entry *entry = &pool.entries[slot];
        if (entry->kind == TAIL && entry->span.address >= span->address &&
            entry->span.address < span->address + span->length) {
            return (int)slot;
        }
    }
    return -1;
}

/* Remove the first `nbytes` of the tail at `slot`, or all of it if it has no more. Return
 * how many. */
static size_t
shorten_tail(size_t slot, size_t nbytes)
{
    struct span *tail = &pool.entries[slot].span;
    assert(nbytes > 0 && nbytes % pages_facts.page_nbytes == 0);
    if (tail->length <= nbytes) {
        return pool_remove(slot).span.length;
    }
    tail->address += nbytes;
    tail->length -= nbytes;
    tail->dirty_end -= nbytes;
    pool.stats.nbytes -= nbytes;
    return nbytes;
}

/* Take the tail back up to the page of the byte at `end`. The byte at dirty_end is the
 * owner's, and never one of the tail's.
 *
 *   |<----- dirty ---->|zero|<------------- tail ------------>|
 *   |<-------------- dirty ------------>|zero|<----- tail --->|
 *                                   end^
 */
static void
take_tail(struct span *span, size_t end)
{
    int slot = find_tail(span);
    span->has_tail = slot >= 0;
    if (slot < 0) {
        return;
    }
    size_t all = pool.entries[slot].span.length;
    size_t from = (size_t)(pool.entries[slot].span.address - span->address);
    assert(span->dirty_end < from && from + all <= span->length);
    if (end >= from) {
        size_t to = growth_round_up(end + 1, pages_facts.page_nbytes);
        size_t taken = shorten_tail((size_t)slot, to - from);
        span->has_tail = taken < all;
        span->dirty_end = from + taken - 1;
        span->address[span->dirty_end] = '\0';
    }
}

void
pool_take_tail(struct span *span, size_t end)
{
    if (span->has_tail) {
        uint64_t now_ms = pages_ops.clock_ms();
        lock();
        take_tail(span, end < span->length ? end : span->length - 1);
        evict_idle(now_ms);
        unlock();
    }
}

void
pool_keep_tail(struct span *span, size_t from)
{
    size_t page = pages_facts.page_nbytes;
    assert(from > 0 && from % page == 0 && !span->touched);
    uint64_t now_ms = pages_ops.clock_ms();
    lock();
    if (span->has_tail) {
        take_tail(span, span->length - 1);
    }
    assert(from <= span->dirty_end && !span->has_tail);
    size_t length = growth_round_up(span->dirty_end + 1, page) - from;
    size_t kept = length < pool.limit ? length : pool.limit & ~(page - 1);
    make_room((struct coming){.nentries = kept > 0, .nbytes = kept}, now_ms);
    if (kept > pool.limit) {
        kept = 0; /* the limit was lowered meanwhile */
    }
    struct span tail = {
        .address = span->address + from, .length = kept, .dirty_end = kept};
    struct span rest = {.address = tail.address + kept, .length = length - kept};
    if (kept > 0) {
        pool_insert(&tail, TAIL, now_ms);
        span->has_tail = true;
    }
    span->dirty_end = from - 1;
    span->address[from - 1] = '\0';
    unlock();
    if (rest.length > 0) {
        discard_tail(&rest);
    }
}

struct span
pool_tail(const struct span *span)
{
    struct span tail = {0};
    if (span->has_tail) {
        lock();
        int slot = find_tail(span);
        tail = slot < 0 ? tail : pool.entries[slot].span;
        unlock();
    }
    return tail;
}

/* ------------------------------------------------------------------------- keeping */

/* Give back what is over the limit by itself: whole quanta at the end. */
static void
cut_to(struct span *span, size_t limit)
{
    size_t kept = limit & ~(GROWTH_QUANTUM - 1);
    if (span->dirty_end <= limit || kept == 0) {
        return;
    }
    if (span->reserved) {
        size_t end = growth_round_up(span->dirty_end + 1, pages_facts.page_nbytes);
        if (pages_discard(span->address + kept, end - kept) == 0) {
            span->dirty_end = kept;
        }
        return;
    }
    pages_unmap(span->address + kept, span->length - kept);
    span->length = kept;
    if (span->dirty_end >= kept) {
        span->address[kept - 1] = '\0';
        span->dirty_end = kept - 1;
    }
}

static void
keep(struct span span, bool was_live)
{
    assert(span.length % GROWTH_QUANTUM == 0 && span.dirty_end < span.length);
    assert(!span.has_tail && !span.touched);
    uint64_t now_ms = pages_ops.clock_ms();
    lock();
    assert(!was_live || pool.stats.live > 0);
    pool.stats.live -= was_live;
    pool.stats.reserved_nbytes -= was_live && span.reserved ? span.length : 0;
    size_t limit = pool.limit;
    if (span.dirty_end > limit || (span.huge && span.dirty_end > OFFER_MIN)) {
        unlock();
        cut_to(&span, limit);
        if (span.huge && span.dirty_end > OFFER_MIN) {
            size_t end = growth_round_up(span.dirty_end, pages_facts.page_nbytes);
            (void)pages_offer(span.address + OFFER_MIN, end - OFFER_MIN);
        }
        lock();
    }
    if (!span.reserved) {
        join_neighbours(&span);
    }
    bool fits = span.dirty_end <= pool.limit;
    make_room((struct coming){fits, fits && span.reserved, fits ? span.dirty_end : 0},
              now_ms);
    fits =
        fits && span.dirty_end <= pool.limit; /* it may have been lowered meanwhile */
    if (fits) {
        pool_insert(&span, span.reserved ? RESERVATION : SPAN, now_ms);
    }
    unlock();
    if (!fits) {
        pages_unmap(span.address, span.length);
    }
}

void
pool_keep(const struct span *span)
{
    keep(*span, true);
}

void
pool_keep_source(const struct span *span)
{
    keep(*span, false);
}

void
pool_set_limit(size_t nbytes)
{
    uint64_t now_ms = pages_ops.clock_ms();
    lock();
    pool.limit = nbytes;
    evict_idle(now_ms);
    unlock();
}

bool
pool_drain(void)
{
    lock();
    bool any = pool.stats.nentries > 0;
    while (pool.stats.nentries > 0) {
        evict(0);
    }
    unlock();
    return any;
}

/* ----------------------------------------------------------------------- counting */

void
pool_count_live(int change, size_t reserved_nbytes)
{
    lock();
    assert(change > 0 || pool.stats.live > 0);
    pool.stats.live += (uint64_t)change;
    pool.stats.reserved_nbytes += (uint64_t)change * reserved_nbytes;
    unlock();
}

void
pool_count_move(size_t nbytes)
{
    lock();
    pool.stats.moves++;
    pool.stats.moved_nbytes += nbytes;
    unlock();
}

void
pool_count_copy(size_t nbytes)
{
    lock();
    pool.stats.copies++;
    pool.stats.copied_nbytes += nbytes;
    unlock();
}

uint64_t
pool_new_mapping(void)
{
    lock();
    uint64_t number = ++pool.mappings;
    unlock();
    return number;
}

struct pool_stats
pool_stats(void)
{
    lock();
    struct pool_stats stats = pool.stats;
    unlock();
    return stats;
}

/* --------------------------------------------------------------------------- check */

static const char *
check_entry(const struct entry *entry)
{
    const struct span *span = &entry->span;
    size_t unit = entry->kind == TAIL ? pages_facts.page_nbytes : GROWTH_QUANTUM;
    return span->length == 0          ? "an entry of the pool is empty"
           : span->length % unit != 0 ? "an entry of the pool has an odd length"
           : span->has_tail           ? "an entry of the pool has a tail"
           : entry->kind == TAIL
               ? (span->dirty_end != span->length ? "a tail is not dirty" : NULL)
           : span->dirty_end >= span->length ? "a kept span is dirty to its end"
                                             : NULL;
}

const char *
pool_check(void)
{
    const char *reason = NULL;
    size_t nbytes = 0;
    lock();
    for (size_t slot = 0; slot < pool.stats.nentries && reason == NULL; slot++) {
        nbytes += entry_nbytes(&pool.entries[slot]);
        reason = check_entry(&pool.entries[slot]);
    }
    if (reason == NULL && (nbytes != pool.stats.nbytes || nbytes > pool.limit)) {
        reason = "the memory of the pool is miscounted or over the limit";
    }
    unlock();
    return reason;
}
