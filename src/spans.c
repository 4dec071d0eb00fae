#include "spans.h"

#include <assert.h>
#include <errno.h>
#include <string.h>

#include "growth.h"
#include "pages.h"

/* ------------------------------------------------------------------ the lock */

#ifdef _WIN32
#include <windows.h>
static SRWLOCK pool_lock = SRWLOCK_INIT;

static void
lock(void)
{
    AcquireSRWLockExclusive(&pool_lock);
}

static void
unlock(void)
{
    ReleaseSRWLockExclusive(&pool_lock);
}

static BOOL CALLBACK
start(INIT_ONCE *once, void *highest, void **context)
{
    (void)once, (void)context;
    pages_probe(*(enum pages_rung *)highest);
    return TRUE;
}

void
spans_init(enum pages_rung highest)
{
    static INIT_ONCE once = INIT_ONCE_STATIC_INIT;
    InitOnceExecuteOnce(&once, start, &highest, NULL);
}
#else
#include <pthread.h>
static pthread_mutex_t pool_lock = PTHREAD_MUTEX_INITIALIZER;

static void
lock(void)
{
    pthread_mutex_lock(&pool_lock);
}

static void
unlock(void)
{
    pthread_mutex_unlock(&pool_lock);
}

static enum pages_rung highest_rung;

static void
start(void)
{
    pages_probe(highest_rung);
    /* fork waits until no thread is inside, so that the child's pool is whole. */
    pthread_atfork(lock, unlock, unlock);
}

void
spans_init(enum pages_rung highest)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    lock();
    highest_rung = highest;
    unlock();
    pthread_once(&once, start);
}
#endif

/* ------------------------------------------------------------------ the pool */

/* The spans in the order they came, oldest first, and when; under the lock, as all of
 * this. */
static struct {
    struct span spans[SPANS_POOL_SLOTS];
    uint64_t came_ms[SPANS_POOL_SLOTS];
    size_t budget;
    struct spans_stats stats;
} pool = {.budget = SPANS_POOL_NBYTES};

static bool
is_cold(const struct span *span)
{
    return span->ready == 0;
}

/* Remove and return the span at `slot`. */
static struct span
pool_remove(size_t slot)
{
    struct span span = pool.spans[slot];
    pool.stats.retained--;
    pool.stats.retained_nbytes -= span.ready;
    size_t behind = pool.stats.retained - slot;
    memmove(&pool.spans[slot], &pool.spans[slot + 1], behind * sizeof *pool.spans);
    memmove(&pool.came_ms[slot], &pool.came_ms[slot + 1],
            behind * sizeof *pool.came_ms);
    return span;
}

/* Return the slot of the warmest span of at least `needed` bytes, or -1. */
static int
pool_find_warm(size_t needed)
{
    int found = -1;
    size_t ready = 0;
    for (size_t slot = 0; slot < pool.stats.retained; slot++) {
        const struct span *span = &pool.spans[slot];
        if (span->length >= needed && span->ready > ready) {
            found = (int)slot;
            ready = span->ready;
        }
    }
    return found;
}

/* Return the slot of a cold span of just `length` bytes, or -1. One that has huge pages
 * asked for would spend 2 MiB on the first byte, so only a mover may have it. */
static int
pool_find_cold(size_t length, bool may_be_huge)
{
    for (size_t slot = pool.stats.retained; slot-- > 0;) {
        const struct span *span = &pool.spans[slot];
        if (is_cold(span) && span->length == length && (may_be_huge || !span->huge)) {
            return (int)slot;
        }
    }
    return -1;
}

/* Take the span at the slot that `find` told; false for -1. */
static bool
pool_take(int slot, struct span *span)
{
    if (slot < 0) {
        return false;
    }
    *span = pool_remove((size_t)slot);
    return true;
}

/* Tell whether the oldest span must go before one with `ready` bytes comes: for want of
 * room, or because nobody has wanted it for long. */
static bool
pool_must_lose(size_t ready, uint64_t now_ms)
{
    return pool.stats.retained == SPANS_POOL_SLOTS ||
           pool.stats.retained_nbytes + ready > pool.budget ||
           (pool.stats.retained > 0 && pool.came_ms[0] + SPANS_POOL_IDLE_MS < now_ms);
}

/* Make room for `ready` bytes, under the lock, which is let go meanwhile: giving memory
 * back takes time. */
static void
pool_lose(size_t ready, uint64_t now_ms)
{
    while (pool.stats.retained > 0 && pool_must_lose(ready, now_ms)) {
        struct span oldest = pool_remove(0);
        unlock();
        pages_unmap(oldest.address, oldest.length);
        lock();
    }
}

/* Put a span in, and out the oldest ones that leave it no room. */
static void
pool_keep(struct span span)
{
    uint64_t now_ms = pages_ops.clock_ms();
    if (span.huge && span.ready > GROWTH_HUGE_MIN) {
        (void)pages_offer(span.address + GROWTH_HUGE_MIN, span.length - GROWTH_HUGE_MIN);
    }
    lock();
    pool_lose(span.ready, now_ms);
    if (span.ready <= pool.budget) {
        pool.came_ms[pool.stats.retained] = now_ms;
        pool.spans[pool.stats.retained++] = span;
        pool.stats.retained_nbytes += span.ready;
        span.address = NULL;
    }
    unlock();
    if (span.address != NULL) {
        pages_unmap(span.address, span.length);
    }
}

void
spans_retain(size_t nbytes)
{
    lock();
    pool.budget = nbytes;
    pool_lose(0, pages_ops.clock_ms());
    unlock();
}

/* Empty the pool. Return whether there was anything in it. */
static bool
pool_drain(void)
{
    struct span span;
    bool any = false;
    for (;;) {
        lock();
        bool taken = pool_take(pool.stats.retained > 0 ? 0 : -1, &span);
        unlock();
        if (!taken) {
            return any;
        }
        pages_unmap(span.address, span.length);
        any = true;
    }
}

void
spans_trim(void)
{
    (void)pool_drain();
}

/* ----------------------------------------------------------------- counting */

static void
count_live(int difference)
{
    lock();
    pool.stats.live += (uint64_t)(int64_t)difference;
    unlock();
}

static void
count_move(size_t nbytes)
{
    lock();
    pool.stats.moves++;
    pool.stats.moved_nbytes += nbytes;
    unlock();
}

void
spans_count_copy(size_t nbytes)
{
    lock();
    pool.stats.copies++;
    pool.stats.copied_nbytes += nbytes;
    unlock();
}

struct spans_stats
spans_stats(void)
{
    lock();
    struct spans_stats stats = pool.stats;
    unlock();
    return stats;
}

const char *
spans_check(void)
{
    const char *reason = NULL;
    size_t ready = 0;
    lock();
    for (size_t slot = 0; slot < pool.stats.retained; slot++) {
        const struct span *span = &pool.spans[slot];
        ready += span->ready;
        if (span->length == 0 || span->length % GROWTH_QUANTUM != 0) {
            reason = "a retained span's length is no multiple of 2 MiB";
        }
        if (span->ready >= span->length) {
            reason = "a retained span is ready to its end";
        }
    }
    if (ready != pool.stats.retained_nbytes || ready > pool.budget) {
        reason = "the retained bytes are miscounted or over the budget";
    }
    unlock();
    return reason;
}

/* -------------------------------------------------------------- take and give */

static bool
take_retained(size_t needed, size_t length, enum spans_sort sort, struct span *span)
{
    bool taken = false;
    lock();
    if (sort != SPANS_ZEROED) {
        taken = pool_take(pool_find_warm(needed), span);
    }
    if (!taken && sort != SPANS_WARM) {
        taken = pool_take(pool_find_cold(length, length >= GROWTH_HUGE_MIN), span);
    }
    unlock();
    return taken;
}

static int
take_fresh(size_t length, struct span *span)
{
    char *address;
    int error = length == 0 ? ENOMEM : pages_map(length, &address);
    if (error == 0) {
        (void)pages_advise_small(address, length);
        *span = (struct span){.address = address, .length = length};
    }
    return error;
}

int
spans_take(size_t needed, enum spans_sort sort, struct span *span)
{
    size_t length = growth_span(needed, 0);
    int error = 0;
    if (!take_retained(needed, length, sort, span)) {
        error = sort == SPANS_WARM ? ENOMEM : take_fresh(length, span);
        if (error == ENOMEM && sort != SPANS_WARM && pool_drain()) {
            error = take_fresh(length, span);
        }
    }
    if (error == 0) {
        count_live(+1);
    }
    return error;
}

static size_t
budget(void)
{
    lock();
    size_t nbytes = pool.budget;
    unlock();
    return nbytes;
}

void
spans_give(struct span *span)
{
    size_t most = budget();
    count_live(-1);
    if (span->ready > most && most >= GROWTH_QUANTUM) {
        spans_cut(span, most & ~(GROWTH_QUANTUM - 1));
    }
    pool_keep(*span);
    *span = (struct span){0};
}

void
spans_cut(struct span *span, size_t length)
{
    assert(length > 0 && length % GROWTH_QUANTUM == 0);
    if (length < span->length) {
        pages_unmap(span->address + length, span->length - length);
        span->length = length;
        if (span->ready >= length) {
            span->address[length - 1] = '\0';
            span->ready = length - 1;
        }
    }
}

void
spans_discard(struct span *span, size_t end)
{
    size_t kept = growth_round_up(end, pages_facts.page_nbytes);
    if (kept < span->ready &&
        pages_discard(span->address + kept, span->length - kept) == 0) {
        span->ready = kept;
    }
}

/* -------------------------------------------------------------------- moving */

/* Take address space to move onto: a retained source of that length, or new. */
static int
take_target(size_t length, char **address)
{
    struct span span;
    lock();
    bool taken = pool_take(pool_find_cold(length, true), &span);
    unlock();
    if (taken) {
        *address = span.address;
        return 0;
    }
    return pages_reserve(length, address);
}

/* The pages are at `address` now and the source they left is still mapped. */
static void
leave_source(struct span *span, char *address)
{
    struct span source = *span;
    source.ready = 0;
    span->address = address;
    count_move(span->length);
    pool_keep(source);
}

static int
move_retain(struct span *span, size_t length)
{
    char *moved;
    int error = pages_move_retain(span->address, span->length, length, &moved);
    if (error) {
        return error;
    }
    if (moved != span->address) {
        leave_source(span, moved);
    }
    span->length = length;
    return 0;
}

/*   source  |<-- pages -->|                      target  |<---- address space ---->|
 *   after   |<-- zeros -->|  (to the pool)               |<-- pages -->|<--extend->|
 *
 * The tail of the target is given up for a moment, so that the moved mapping can be
 * extended over it: two mappings side by side could not move as one before Linux 6.17.
 * Should another thread map something there meanwhile, the pages have moved all the
 * same and a lower rung grows them. */
static int
move_dontunmap(struct span *span, size_t length)
{
    char *target;
    size_t moved = span->length;
    int error = take_target(length, &target);
    if (error) {
        return error;
    }
    error = pages_move_dontunmap(span->address, moved, target);
    if (error) {
        pages_unmap(target, length);
        return error;
    }
    leave_source(span, target);
    pages_unmap(target + moved, length - moved);
    error = pages_extend(target, moved, length);
    if (error == 0) {
        span->length = length;
    }
    return error;
}

static int
move_maymove(struct span *span, size_t length)
{
    char *target;
    int error = take_target(length, &target);
    if (error) {
        return error;
    }
    error = pages_move_onto(span->address, span->length, length, target);
    if (error) {
        pages_unmap(target, length);
        return error;
    }
    count_move(span->length);
    span->address = target;
    span->length = length;
    return 0;
}

/* Move without a target of our own: all that is needed is the difference. */
static int
move_anywhere(struct span *span, size_t length)
{
    char *moved;
    int error = pages_move_anywhere(span->address, span->length, length, &moved);
    if (error == 0) {
        if (moved != span->address) {
            count_move(span->length);
        }
        span->address = moved;
        span->length = length;
    }
    return error;
}

/* Go down the ladder with one length. */
static int
move(struct span *span, size_t length)
{
    int error = ENOTSUP;
    switch (pages_facts.rung) {
    case PAGES_RETAIN:
        error = move_retain(span, length);
        if (error == 0) {
            break;
        }
        /* fall through */
    case PAGES_DONTUNMAP:
        error = move_dontunmap(span, length);
        if (error == 0) {
            break;
        }
        /* fall through */
    case PAGES_MAYMOVE:
        error = move_maymove(span, length);
        break;
    default:
        break;
    }
    return error;
}

static int
copy(struct span *span, size_t length, size_t from, size_t to)
{
    struct span target;
    int error = take_fresh(length, &target);
    if (error) {
        return error;
    }
    if (span->huge && pages_advise_huge(target.address, length) == 0) {
        target.huge = true;
    }
    memcpy(target.address + from, span->address + from, to - from);
    spans_count_copy(to - from);
    target.ready = to;
    pages_unmap(span->address, span->length);
    *span = target;
    return 0;
}

/* The lengths to ask for, in turn: twice what there is, since address space is free;
 * where that is refused, and the pool has no more to give, what is needed and little
 * more, which takes address space for the difference only. */
static int
grow_moving(struct span *span, size_t needed, size_t doubled)
{
    int error = move(span, doubled);
    if (error == ENOMEM && pool_drain()) {
        error = move(span, doubled);
    }
    if (error) {
        error = move_anywhere(span, growth_span_modest(needed));
    }
    if (error) {
        error = move_anywhere(span, growth_span(needed, 0));
    }
    return error;
}

static int
grow_copying(struct span *span, size_t needed, size_t doubled, size_t from, size_t to)
{
    int error = copy(span, doubled, from, to);
    if (error == ENOMEM && pool_drain()) {
        error = copy(span, doubled, from, to);
    }
    if (error) {
        error = copy(span, growth_span_modest(needed), from, to);
    }
    if (error) {
        error = copy(span, growth_span(needed, 0), from, to);
    }
    return error;
}

int
spans_grow(struct span *span, size_t needed, size_t from, size_t to)
{
    assert(needed > span->length && from <= to && to <= span->length);
    size_t doubled = growth_span(needed, span->length);
    if (doubled == 0) {
        return ENOMEM;
    }
    if (pages_facts.rung >= PAGES_MAYMOVE && grow_moving(span, needed, doubled) == 0) {
        return 0;
    }
    return grow_copying(span, needed, doubled, from, to);
}
