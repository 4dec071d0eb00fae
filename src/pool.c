/* pool: memory that no buffer uses, kept for later use; and counts of the process. */
#include "pool.h"

#include <assert.h>
#include <string.h>

#include "entries.h"
#include "growth.h"
#include "prefault.h"

/* If a span in huge pages is kept, pages_offer() is called for its memory from this
 * offset on: the system takes that memory when it runs short. */
#define OFFER_MIN ((size_t)16 << 20)

/* A longer reservation is not kept, because it takes too much address space. */
#define RESERVATION_MAX ((uint64_t)4 << 40)

/* ------------------------------------------------------------------ once, and fork */

/* Take the locks before fork() and release them after it, so that no other thread
 * changes the pool while the process is copied. */
static void
before_fork(void)
{
    prefault_before_fork();
    entries_lock();
}

static void
after_fork(void)
{
    entries_unlock();
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
    entries_lock();
    init_args.highest = highest;
    init_args.configure_once = configure_once;
    entries_unlock();
    pages_ops.once(init_once);
}

/* -------------------------------------------------------------------------- taking */

/* Whether the dirty span `one` suits `needed` bytes better than `other`. The best is
 * the span with the fewest dirty bytes of those with at least `needed`. If there is
 * none, it is the span with the most dirty bytes. */
static bool
suits_better(const struct span *one, const struct span *other, size_t needed)
{
    if (one->dirty_end >= needed) {
        return other->dirty_end < needed || one->dirty_end < other->dirty_end;
    }
    return one->dirty_end > other->dirty_end;
}

/* Return the newest small span: one of 2 MiB in small pages that was never cut
 * (entries.h). Return NULL if there is none, if it has fewer than `min_dirty` dirty
 * bytes, or if `length` is more than 2 MiB. */
static const struct span *
find_small(size_t min_dirty, size_t length)
{
    assert(entries.is_locked && min_dirty > 0);
    if (length > GROWTH_QUANTUM || entries.nsmall == 0) {
        return NULL;
    }
    const struct span *span = &entries_small_end(true)->span;
    return span->dirty_end >= min_dirty ? span : NULL;
}

/* Search the slots for the span that suits best, with the conditions of pool_take().
 * At least `min_dirty` bytes of it must be dirty. Return its slot, or -1 if no span
 * suits better than `best`, which may be NULL. */
static int
find_dirty(size_t needed, size_t min_dirty, size_t length, const struct span *best)
{
    int found = -1;
    bool little = needed < GROWTH_HUGE_PART_MIN;
    assert(entries.is_locked && min_dirty > 0);
    for (size_t slot = 0; slot < entries.nslots; slot++) {
        const struct span *span = &entries.slots[slot].span;
        if (entries.slots[slot].kind == ENTRY_SPAN && span->length >= needed &&
            span->dirty_end >= min_dirty &&
            !(little && (span->huge || span->length > GROWTH_QUANTUM)) &&
            !(pages_facts.whole_only && span->length / 4 > length) &&
            (best == NULL || suits_better(span, best, needed))) {
            best = span;
            found = (int)slot;
        }
    }
    return found;
}

/* The common part of pool_take() and pool_take_dirty(). The slots are searched only if
 * there is no usable small span, or if `needed` is large and the small span has fewer
 * dirty bytes. */
static bool
take_dirty(size_t needed, size_t min_dirty, size_t length, struct span *span)
{
    assert(length >= needed && length % GROWTH_QUANTUM == 0);
    uint64_t now_ms = pages_ops.clock_ms();
    entries_lock();
    const struct span *small = find_small(min_dirty, length);
    bool searches =
        small == NULL || (small->dirty_end < needed && needed >= GROWTH_HUGE_PART_MIN);
    int slot = searches ? find_dirty(needed, min_dirty, length, small) : -1;
    bool found = slot >= 0 || small != NULL;
    if (slot >= 0) {
        *span = entries_split((size_t)slot, length);
    }
    else if (small != NULL) {
        *span = entries_remove_small(true);
    }
    assert(!found || span->dirty_end + 1 >= min_dirty); /* one less if it was cut */
    assert(!found || (span->length >= needed && !span->reserved && !span->has_tail));
    entries_evict_idle(now_ms);
    entries_unlock();
    return found;
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

/* Take the newest zero span, or reservation, of exactly `length` bytes. */
static bool
take_exact(enum entry_kind kind, size_t length, bool may_be_huge, struct span *span)
{
    bool found = false;
    assert(kind != ENTRY_TAIL && length % GROWTH_QUANTUM == 0);
    uint64_t now_ms = pages_ops.clock_ms();
    entries_lock();
    for (size_t slot = entries.nslots; slot-- > 0 && !found;) {
        const struct entry *entry = &entries.slots[slot];
        found = entry->kind == kind && entry->span.length == length &&
                (kind == ENTRY_RESERVATION ||
                 (entry->span.dirty_end == 0 && (may_be_huge || !entry->span.huge)));
        if (found) {
            *span = entries_remove(slot).span;
        }
    }
    assert(!found || span->reserved == (kind == ENTRY_RESERVATION));
    entries_evict_idle(now_ms);
    entries_unlock();
    return found;
}

bool
pool_take_zero(size_t length, bool may_be_huge, struct span *span)
{
    return take_exact(ENTRY_SPAN, length, may_be_huge, span);
}

bool
pool_take_reservation(size_t length, struct span *span)
{
    assert(length > 0);
    return take_exact(ENTRY_RESERVATION, length, true, span);
}

bool
pool_take_after(struct span *span, size_t needed, size_t length)
{
    assert(!span->has_tail && needed > span->length && length >= needed);
    bool enough = false;
    if (!span->split) {
        return false;
    }
    entries_lock();
    int slot = entries_find_neighbour(span, true);
    if (slot >= 0) {
        const struct span *next = &entries.slots[slot].span;
        enough = next->dirty_end > 0 && span->length + next->length >= needed;
    }
    if (enough) {
        struct span piece = entries_split((size_t)slot, length - span->length);
        *span = entries_join(*span, &piece);
        assert(span->length >= needed && span->dirty_end < span->length);
    }
    entries_unlock();
    return enough;
}

/* --------------------------------------------------------------------------- tails */

/* Return the slot of the tail of `span`, or -1. */
static int
find_tail(const struct span *span)
{
    assert(entries.is_locked && span->has_tail);
    for (size_t slot = entries.nslots; slot-- > 0;) {
        const struct entry *entry = &entries.slots[slot];
        if (entry->kind == ENTRY_TAIL && entry->span.address >= span->address &&
            entry->span.address < span->address + span->length) {
            return (int)slot;
        }
    }
    return -1;
}

/* Remove the first `nbytes` of the tail at `slot`, or the whole tail if it is not
 * longer. Return how many bytes were removed. */
static size_t
shorten_tail(size_t slot, size_t nbytes)
{
    struct span *tail = &entries.slots[slot].span;
    assert(entries.slots[slot].kind == ENTRY_TAIL && tail->length == tail->dirty_end);
    assert(nbytes > 0 && nbytes % pages_facts.page_nbytes == 0);
    if (tail->length <= nbytes) {
        return entries_remove(slot).span.length;
    }
    tail->address += nbytes;
    tail->length -= nbytes;
    tail->dirty_end -= nbytes;
    entries.stats.nbytes -= nbytes;
    return nbytes;
}

/* Take back the first pages of the tail, up to the page that contains offset `end`:
 * none if `end` is before the tail. Set the last byte taken to zero, and `dirty_end` to
 * its offset.
 *
 *   before  |<-- dirty -->|<-zeros->|<--------------- tail ------------->|
 *   after   |<---------------- dirty --------------->|0|<---- tail ----->|
 *                                              ^ end
 */
static void
take_tail(struct span *span, size_t end)
{
    assert(entries.is_locked && end < span->length);
    int slot = find_tail(span);
    span->has_tail = slot >= 0;
    if (slot < 0) {
        return;
    }
    size_t all = entries.slots[slot].span.length;
    size_t from = (size_t)(entries.slots[slot].span.address - span->address);
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
        entries_lock();
        take_tail(span, end < span->length ? end : span->length - 1);
        entries_evict_idle(now_ms);
        entries_unlock();
    }
}

void
pool_keep_tail(struct span *span, size_t from)
{
    size_t page = pages_facts.page_nbytes;
    assert(from > 0 && from % page == 0 && from < span->length && !span->touched);
    uint64_t now_ms = pages_ops.clock_ms();
    entries_lock();
    if (span->has_tail) {
        take_tail(span, span->length - 1);
    }
    assert(from <= span->dirty_end && !span->has_tail);
    size_t length = growth_round_up(span->dirty_end + 1, page) - from;
    size_t kept = length < entries.limit ? length : entries.limit & ~(page - 1);
    struct span tail = {.address = span->address + from,
                        .length = kept,
                        .dirty_end = kept,
                        .huge = span->huge};
    if (!entries_make_space(&tail, ENTRY_TAIL, now_ms)) {
        kept = 0; /* another thread has lowered the limit meanwhile */
    }
    assert(kept <= length);
    struct span rest = {
        .address = tail.address + kept, .length = length - kept, .huge = span->huge};
    if (kept > 0) {
        entries_insert(&tail, ENTRY_TAIL, now_ms);
        span->has_tail = true;
    }
    span->dirty_end = from - 1;
    span->address[from - 1] = '\0';
    entries_unlock();
    if (rest.length > 0) {
        entries_discard_tail(&rest);
    }
}

struct span
pool_tail(const struct span *span)
{
    assert(span->address != NULL);
    struct span tail = {0};
    if (span->has_tail) {
        entries_lock();
        int slot = find_tail(span);
        tail = slot < 0 ? tail : entries.slots[slot].span;
        entries_unlock();
    }
    return tail;
}

/* ------------------------------------------------------------------------- keeping */

/* If a span has more dirty bytes than `limit`, round the limit down to a multiple of 2
 * MiB, keep that many bytes and unmap the rest. If the span is a reservation, or
 * mappings cannot be cut, give back only the memory of the rest. If the limit is below
 * 2 MiB, do nothing. */
static void
cut_to(struct span *span, size_t limit)
{
    assert(!span->has_tail && span->dirty_end < span->length);
    size_t kept = limit & ~(GROWTH_QUANTUM - 1);
    if (span->dirty_end <= limit || kept == 0) {
        return;
    }
    if (span->reserved || pages_facts.whole_only) {
        size_t end = growth_round_up(span->dirty_end + 1, pages_facts.page_nbytes);
        if (pages_discard(span->address + kept, end - kept, span->huge) != 0) {
            return;
        }
    }
    else {
        pages_unmap(span->address + kept, span->length - kept);
        span->length = kept;
    }
    span->address[kept - 1] = '\0';
    span->dirty_end = kept - 1;
}

/* The common part of pool_keep() and pool_keep_source(). The lock is released during
 * system calls on the span, which take time. */
static void
keep_span(struct span span, bool was_live)
{
    assert(span.length % GROWTH_QUANTUM == 0 && span.dirty_end < span.length);
    assert(!span.has_tail && !span.touched);
    uint64_t now_ms = pages_ops.clock_ms();
    entries_lock();
    assert(!was_live || entries.stats.live > 0);
    entries.stats.live -= was_live;
    assert(!span.reserved || !was_live || entries.stats.reserved_nbytes >= span.length);
    entries.stats.reserved_nbytes -= was_live && span.reserved ? span.length : 0;
    size_t limit = entries.limit;
    if (span.dirty_end > limit || (span.huge && span.dirty_end > OFFER_MIN)) {
        entries_unlock();
        cut_to(&span, limit);
        if (span.huge && span.dirty_end > OFFER_MIN) {
            size_t end = growth_round_up(span.dirty_end, pages_facts.page_nbytes);
            (void)pages_offer(span.address + OFFER_MIN, end - OFFER_MIN);
        }
        entries_lock();
    }
    if (span.split) {
        entries_join_neighbours(&span);
    }
    enum entry_kind kind = span.reserved ? ENTRY_RESERVATION : ENTRY_SPAN;
    bool fits = (!span.reserved || span.length <= RESERVATION_MAX) &&
                entries_make_space(&span, kind, now_ms);
    if (fits) {
        entries_insert(&span, kind, now_ms);
    }
    entries_unlock();
    if (!fits) {
        pages_unmap(span.address, span.length);
    }
}

void
pool_keep(const struct span *span)
{
    keep_span(*span, true);
}

void
pool_keep_source(const struct span *span)
{
    assert(!span->reserved); /* a reserved span never moves */
    keep_span(*span, false);
}

void
pool_set_limit(size_t nbytes)
{
    uint64_t now_ms = pages_ops.clock_ms();
    entries_lock();
    entries.limit = nbytes;
    entries_evict_idle(now_ms);
    while (entries.stats.nbytes > entries.limit) {
        entries_evict_oldest();
    }
    entries_unlock();
}

size_t
pool_limit(void)
{
    entries_lock();
    size_t nbytes = entries.limit;
    entries_unlock();
    return nbytes;
}

bool
pool_drain(void)
{
    entries_lock();
    bool any = entries.stats.nentries > 0;
    while (entries.stats.nentries > 0) {
        entries_evict_oldest();
    }
    entries_unlock();
    return any;
}

/* ----------------------------------------------------------------------- counting */

void
pool_count_live(int change, size_t reserved_nbytes)
{
    entries_lock();
    assert(change > 0 || entries.stats.live > 0);
    entries.stats.live += (uint64_t)change;
    entries.stats.reserved_nbytes += (uint64_t)change * reserved_nbytes;
    entries_unlock();
}

void
pool_count_move(size_t nbytes)
{
    assert(nbytes > 0);
    entries_lock();
    entries.stats.moves++;
    entries.stats.moved_nbytes += nbytes;
    entries_unlock();
}

void
pool_count_copy(size_t nbytes)
{
    entries_lock();
    entries.stats.copies++;
    entries.stats.copied_nbytes += nbytes;
    entries_unlock();
}

uint64_t
pool_new_mapping(void)
{
    entries_lock();
    uint64_t number = ++entries.mappings;
    entries_unlock();
    return number;
}

struct pool_stats
pool_stats(void)
{
    entries_lock();
    struct pool_stats stats = entries.stats;
    entries_unlock();
    return stats;
}

/* --------------------------------------------------------------------------- check */

static const char *
check_entry(const struct entry *entry)
{
    const struct span *span = &entry->span;
    size_t unit = entry->kind == ENTRY_TAIL ? pages_facts.page_nbytes : GROWTH_QUANTUM;
    return span->length == 0          ? "an entry of the pool is empty"
           : span->length % unit != 0 ? "an entry of the pool has a wrong length"
           : span->has_tail           ? "an entry of the pool has a tail"
           : entry->kind == ENTRY_TAIL
               ? (span->dirty_end != span->length ? "a tail is not dirty" : NULL)
           : span->dirty_end >= span->length ? "a kept span is dirty to its end"
                                             : NULL;
}

const char *
pool_check(void)
{
    const char *reason = NULL;
    size_t nbytes = 0;
    entries_lock();
    for (size_t slot = 0; slot < entries.nslots && reason == NULL; slot++) {
        nbytes += entries.slots[slot].span.dirty_end;
        reason = check_entry(&entries.slots[slot]);
    }
    for (size_t i = 0; i < entries.nsmall && reason == NULL; i++) {
        const struct entry *entry = &entries.small[entries.first_small + i];
        nbytes += entry->span.dirty_end;
        reason = entries_is_small(&entry->span) ? check_entry(entry)
                                                : "a span is in the wrong array";
    }
    if (reason == NULL && entries.nslots + entries.nsmall != entries.stats.nentries) {
        reason = "the entries of the pool are miscounted";
    }
    if (reason == NULL && (nbytes != entries.stats.nbytes || nbytes > entries.limit)) {
        reason = "the memory of the pool is miscounted or over the limit";
    }
    entries_unlock();
    return reason;
}
