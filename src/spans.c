#include "spans.h"

#include <assert.h>
#include <errno.h>
#include <string.h>

#include "growth.h"
#include "pages.h"
#include "prefault.h"

/* -------------------------------------------------------------- once, and the lock */

/* What spans_init was called with. */
struct init {
    enum pages_rung highest;
    void (*settle)(void);
};

static void
init(const struct init *with)
{
    pages_probe(with->highest);
    if (with->settle != NULL) {
        with->settle();
    }
}

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
start(INIT_ONCE *once, void *with, void **context)
{
    (void)once, (void)context;
    init(with);
    return TRUE;
}

void
spans_init(enum pages_rung highest, void (*settle)(void))
{
    static INIT_ONCE once = INIT_ONCE_STATIC_INIT;
    struct init with = {highest, settle};
    InitOnceExecuteOnce(&once, start, &with, NULL);
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

/* fork waits until no thread is inside, so that the child's pool is whole. */
static void
before_fork(void)
{
    prefault_before_fork();
    lock();
}

static void
after_fork_in_parent(void)
{
    unlock();
    prefault_after_fork(false);
}

static void
after_fork_in_child(void)
{
    unlock();
    prefault_after_fork(true);
}

static struct init init_with;

static void
start(void)
{
    lock();
    struct init with = init_with;
    unlock();
    init(&with);
    pthread_atfork(before_fork, after_fork_in_parent, after_fork_in_child);
}

void
spans_init(enum pages_rung highest, void (*settle)(void))
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    lock();
    init_with = (struct init){highest, settle};
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
    size_t lent_nbytes;
    uint16_t mappings; /* numbers given out; two alike side by side are unlikely */
    struct spans_stats stats;
} pool = {.budget = SPANS_POOL_NBYTES};

static bool
is_cold(const struct span *span)
{
    return span->ready == 0;
}

static uint16_t
new_mapping(void)
{
    lock();
    uint16_t number = ++pool.mappings;
    unlock();
    return number;
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

/* Remove and return the first `length` bytes of the span at `slot`, or all of it if no
 * more than those are warm. The last byte of a piece is zero, as of any span.
 *
 *   |<------------ ready ------------->|  zeros |
 *   |<-- length -->|<----- ready ----->|  zeros |      the rest stays
 */
static struct span
pool_split(size_t slot, size_t length)
{
    struct span *rest = &pool.spans[slot];
    if (rest->ready <= length) {
        return pool_remove(slot);
    }
    struct span piece = *rest;
    piece.length = length;
    piece.ready = length - 1;
    piece.address[length - 1] = '\0';
    rest->address += length;
    rest->length -= length;
    rest->ready -= length;
    pool.stats.retained_nbytes -= length;
    return piece;
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

/* Tell whether `behind` continues `front`: in memory, and in one mapping. */
static bool
continues(const struct span *front, const struct span *behind)
{
    return front->address + front->length == behind->address &&
           front->mapping == behind->mapping && front->huge == behind->huge;
}

/* Return the slot of the span that continues `span`, or -1. */
static int
pool_find_behind(const struct span *span)
{
    for (size_t slot = 0; slot < pool.stats.retained; slot++) {
        if (continues(span, &pool.spans[slot])) {
            return (int)slot;
        }
    }
    return -1;
}

static int
pool_find_in_front(const struct span *span)
{
    for (size_t slot = 0; slot < pool.stats.retained; slot++) {
        if (continues(&pool.spans[slot], span)) {
            return (int)slot;
        }
    }
    return -1;
}

/* Make one span of two of which the second continues the first. */
static struct span
joined(struct span front, struct span behind)
{
    if (!is_cold(&behind)) {
        front.ready = front.length + behind.ready;
    }
    front.length += behind.length;
    return front;
}

/* What the budget leaves beside what is lent. */
static size_t
pool_most(void)
{
    return pool.budget > pool.lent_nbytes ? pool.budget - pool.lent_nbytes : 0;
}

/* Join a span that comes back with its neighbours, from which it was split once, as far
 * as the budget holds the whole. */
static void
pool_join(struct span *span)
{
    int slot = pool_find_behind(span);
    if (slot >= 0) {
        struct span whole = joined(*span, pool.spans[slot]);
        if (whole.ready <= pool_most()) {
            (void)pool_remove((size_t)slot);
            *span = whole;
        }
    }
    slot = pool_find_in_front(span);
    if (slot >= 0) {
        struct span whole = joined(pool.spans[slot], *span);
        if (whole.ready <= pool_most()) {
            (void)pool_remove((size_t)slot);
            *span = whole;
        }
    }
}

/* Tell whether the oldest span must go before `nspans` with `ready` bytes come: for want
 * of room, or because nobody has wanted it for long. */
static bool
pool_must_lose(size_t nspans, size_t ready, uint64_t now_ms)
{
    return pool.stats.retained + nspans > SPANS_POOL_SLOTS ||
           pool.stats.retained_nbytes + pool.lent_nbytes + ready > pool.budget ||
           pool.came_ms[0] + SPANS_POOL_IDLE_MS < now_ms;
}

/* Make that room, under the lock, which is let go meanwhile: giving memory back takes
 * time. */
static void
pool_lose(size_t nspans, size_t ready, uint64_t now_ms)
{
    while (pool.stats.retained > 0 && pool_must_lose(nspans, ready, now_ms)) {
        struct span oldest = pool_remove(0);
        unlock();
        pages_unmap(oldest.address, oldest.length);
        lock();
    }
}

/* Put a span in, and out the oldest ones that leave it no room; where even that would
 * not do, give it to the system. */
static void
pool_keep(struct span span)
{
    uint64_t now_ms = pages_ops.clock_ms();
    if (span.huge && span.ready > GROWTH_HUGE_MIN) {
        (void)pages_offer(span.address + GROWTH_HUGE_MIN,
                          span.length - GROWTH_HUGE_MIN);
    }
    lock();
    pool_join(&span);
    pool_lose(1, span.ready <= pool_most() ? span.ready : 0, now_ms);
    /* Meanwhile another thread may have put one in. */
    bool keep = pool.stats.retained_nbytes + span.ready <= pool_most();
    if (keep) {
        pool.came_ms[pool.stats.retained] = now_ms;
        pool.spans[pool.stats.retained++] = span;
        pool.stats.retained_nbytes += span.ready;
    }
    unlock();
    if (!keep) {
        pages_unmap(span.address, span.length);
    }
}

/* Give back what has been there too long. */
static void
pool_expire(void)
{
    uint64_t now_ms = pages_ops.clock_ms();
    lock();
    pool_lose(0, 0, now_ms);
    unlock();
}

/* Count `ready` warm bytes of a span as lent, until it has outgrown all that is. */
static void
pool_lend(struct span *span, size_t ready)
{
    size_t npages = ready / pages_facts.page_nbytes;
    span->lent_npages += (uint32_t)npages;
    pool.lent_nbytes += npages * pages_facts.page_nbytes;
}

static void
pool_unlend(struct span *span)
{
    pool.lent_nbytes -= span->lent_npages * pages_facts.page_nbytes;
    span->lent_npages = 0;
}

void
spans_outgrown(struct span *span)
{
    if (span->lent_npages > 0) {
        lock();
        pool_unlend(span);
        unlock();
    }
}

void
spans_set_pool_limit(size_t nbytes)
{
    lock();
    pool.budget = nbytes;
    unlock();
    pool_expire();
}

/* Empty the pool. Return whether there was anything in it. */
static bool
pool_drain(void)
{
    struct span span;
    bool any = false;
    for (;;) {
        lock();
        bool left = pool.stats.retained > 0;
        if (left) {
            span = pool_remove(0);
        }
        unlock();
        if (!left) {
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
count_live(size_t reserved_nbytes)
{
    lock();
    pool.stats.live++;
    pool.stats.reserved_nbytes += reserved_nbytes;
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
take_warm(size_t needed, size_t length, struct span *span)
{
    lock();
    int slot = pool_find_warm(needed);
    if (slot >= 0) {
        *span = pool_split((size_t)slot, length);
        pool_lend(span, span->ready);
    }
    unlock();
    return slot >= 0;
}

static bool
take_cold(size_t length, bool may_be_huge, struct span *span)
{
    lock();
    int slot = pool_find_cold(length, may_be_huge);
    if (slot >= 0) {
        *span = pool_remove((size_t)slot);
    }
    unlock();
    return slot >= 0;
}

static int
take_fresh(size_t length, struct span *span)
{
    char *address;
    int error = length == 0 ? ENOMEM : pages_map(length, &address);
    if (error == 0) {
        (void)pages_advise_small(address, length);
        *span = (struct span){
            .address = address, .length = length, .mapping = new_mapping()};
    }
    return error;
}

/* A cold one of that length, or a new one; the pool gives way to it. */
static int
take_zeroed(size_t length, struct span *span)
{
    if (take_cold(length, length >= GROWTH_HUGE_MIN, span)) {
        return 0;
    }
    int error = take_fresh(length, span);
    if (error == ENOMEM && pool_drain()) {
        error = take_fresh(length, span);
    }
    return error;
}

int
spans_take(size_t needed, bool zeroed, struct span *span)
{
    size_t length = growth_span(needed, 0);
    int error = 0;
    if (zeroed || !take_warm(needed, length, span)) {
        error = take_zeroed(length, span);
    }
    if (error == 0) {
        count_live(0);
    }
    pool_expire();
    return error;
}

void
spans_prefault(struct span *span, size_t from, size_t length)
{
    from = growth_round_up(from, pages_facts.page_nbytes);
    if (from < span->length) {
        size_t most = span->length - from;
        span->touched = true;
        prefault_ask(span->address + from, length < most ? length : most);
    }
}

/* Have nobody touch the span before its pages move or go. There may be some past `ready`
 * until they are discarded. */
static void
stop_prefault(const struct span *span)
{
    if (span->touched) {
        prefault_stop(span->address, span->length);
    }
}

/* Return what the budget leaves for a span that comes back. */
static size_t
settle_loan(struct span *span)
{
    lock();
    pool_unlend(span);
    pool.stats.live--;
    size_t most = pool_most();
    unlock();
    return most;
}

void
spans_give(struct span *span)
{
    if (span->touched) {
        spans_discard(span, span->ready);
    }
    size_t most = settle_loan(span) & ~(GROWTH_QUANTUM - 1);
    if (span->ready > most && most > 0) {
        spans_cut(span, most);
    }
    pool_keep(*span);
    *span = (struct span){0};
}

void
spans_cut(struct span *span, size_t length)
{
    assert(length > 0 && length % GROWTH_QUANTUM == 0);
    if (length < span->length) {
        stop_prefault(span);
        spans_outgrown(span);
        pages_unmap(span->address + length, span->length - length);
        span->length = length;
        if (span->ready >= length) {
            span->address[length - 1] = '\0';
            span->ready = length - 1;
        }
    }
}

void
spans_cut_front(struct span *span, size_t nbytes)
{
    assert(nbytes <= span->ready && nbytes % GROWTH_QUANTUM == 0);
    if (nbytes > 0) {
        stop_prefault(span);
        spans_outgrown(span);
        pages_unmap(span->address, nbytes);
        span->address += nbytes;
        span->length -= nbytes;
        span->ready -= nbytes;
    }
}

void
spans_discard(struct span *span, size_t end)
{
    size_t kept = growth_round_up(end, pages_facts.page_nbytes);
    bool ahead = span->touched;
    stop_prefault(span);
    span->touched = false;
    if ((ahead || kept < span->ready) && kept < span->length &&
        pages_discard(span->address + kept, span->length - kept) == 0 &&
        kept < span->ready) {
        spans_outgrown(span);
        span->ready = kept;
    }
}

/* -------------------------------------------------------------------- moving */

/* Take address space to move onto: a retained source of that length, or new. It begins
 * at a multiple of 2 MiB. */
static int
take_target(size_t length, char **address)
{
    struct span span;
    if (take_cold(length, true, &span)) {
        *address = span.address;
        return 0;
    }
    return pages_reserve(length, address);
}

/* Find such a place, and leave it free: pages go elsewhere if somebody else is there
 * before them. */
static int
find_target(size_t length, char **address)
{
    int error = take_target(length, address);
    if (error == 0) {
        pages_unmap(*address, length);
    }
    return error;
}

/* The pages are at `address` now and the source they left is still mapped. */
static void
leave_source(struct span *span, char *address)
{
    struct span source = *span;
    source.ready = source.lent_npages = 0;
    source.mapping = new_mapping();
    span->address = address;
    span->mapping = new_mapping();
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

/* Grow over what lies behind, which was given up for that: two mappings side by side
 * could not move as one before Linux 6.17. Should another thread have mapped something
 * there, the pages have moved all the same and a lower rung grows them. */
static int
extend(struct span *span, size_t length)
{
    int error = pages_extend(span->address, span->length, length);
    if (error == 0) {
        span->length = length;
    }
    return error;
}

/*   source  |<-- pages -->|                      target  |<---- address space ---->|
 *   after   |<-- zeros -->|  (to the pool)               |<-- pages -->|<--extend->|
 */
static int
move_dontunmap(struct span *span, size_t length)
{
    char *target, *moved;
    int error = find_target(length, &target);
    if (error == 0) {
        error = pages_move_dontunmap(span->address, span->length, target, &moved);
    }
    if (error) {
        return error;
    }
    leave_source(span, moved);
    return extend(span, length);
}

static int
move_maymove(struct span *span, size_t length)
{
    char *target;
    int error = take_target(length, &target);
    if (error) {
        return error;
    }
    error = pages_move_onto(span->address, span->length, target);
    if (error) {
        pages_unmap(target, length);
        return error;
    }
    count_move(span->length);
    pages_unmap(target + span->length, length - span->length);
    span->address = target;
    span->mapping = new_mapping();
    return extend(span, length);
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
        span->mapping = new_mapping();
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
    target.kind = span->kind;
    target.prefault = span->prefault;
    spans_outgrown(span);
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

/* Grow over what lies behind in the pool: no system call, no page fault. */
static bool
absorb(struct span *span, size_t needed, size_t doubled)
{
    bool enough = false;
    lock();
    int slot = pool_find_behind(span);
    if (slot >= 0) {
        const struct span *behind = &pool.spans[slot];
        enough = !is_cold(behind) && span->length + behind->length >= needed;
    }
    if (enough) {
        struct span piece = pool_split((size_t)slot, doubled - span->length);
        *span = joined(*span, piece);
        pool_lend(span, piece.ready);
    }
    unlock();
    return enough;
}

int
spans_grow(struct span *span, size_t needed, size_t from, size_t to)
{
    assert(needed > span->length && from <= to && to <= span->length);
    size_t doubled = growth_span(needed, span->length);
    if (doubled == 0) {
        return ENOMEM;
    }
    if (absorb(span, needed, doubled)) {
        return 0;
    }
    stop_prefault(span);
    if (pages_facts.rung >= PAGES_MAYMOVE && grow_moving(span, needed, doubled) == 0) {
        return 0;
    }
    return grow_copying(span, needed, doubled, from, to);
}

/*   span       |<----->|<from..to>|<---rest--->|end      pages move in whole tables
 *   extracted  |<----->|<from..to>|<-->|
 *   span       |<------ zeros --->|<---rest--->|end      the first of it copied back
 */
int
spans_extract(struct span *span, size_t from, size_t to, size_t end,
              struct span *extracted)
{
    assert(from < to && to <= end && end <= span->ready);
    if (pages_facts.rung != PAGES_DONTUNMAP) {
        return ENOTSUP;
    }
    size_t first = from & ~(GROWTH_QUANTUM - 1);
    size_t length = growth_round_up(to + 1, GROWTH_QUANTUM) - first;
    char *target, *moved;
    int error = find_target(length, &target);
    if (error) {
        return error;
    }
    stop_prefault(span);
    error = pages_move_dontunmap(span->address + first, length, target, &moved);
    if (error) {
        return error;
    }
    spans_outgrown(span);
    size_t rest = (end < first + length ? end : first + length) - to;
    if (rest > 0) {
        memcpy(span->address + to, moved + (to - first), rest);
        spans_count_copy(rest);
    }
    size_t ready = span->ready - first < length ? span->ready - first : length - 1;
    moved[ready] = '\0';
    *extracted = (struct span){.address = moved,
                               .length = length,
                               .ready = ready,
                               .mapping = new_mapping(),
                               .huge = span->huge,
                               .touched = span->touched};
    count_move(length);
    count_live(0);
    return 0;
}

/* ------------------------------------------------------------------ reserving */

int
spans_reserve(size_t length, char **address)
{
    if (pages_facts.rung == PAGES_HEAP) {
        return ENOTSUP;
    }
    int error = pages_reserve(length, address);
    if (error == ENOMEM && pool_drain()) {
        error = pages_reserve(length, address);
    }
    if (error == 0) {
        (void)pages_advise_small(*address, length);
        (void)pages_hide(*address, length);
        count_live(length);
    }
    return error;
}

void
spans_release(char *address, size_t length)
{
    pages_unmap(address, length);
    lock();
    pool.stats.live--;
    pool.stats.reserved_nbytes -= length;
    unlock();
}

int
spans_open(char *address, size_t from, size_t to)
{
    int error = pages_open(address + from, to - from);
    if (error == ENOMEM && pool_drain()) {
        error = pages_open(address + from, to - from);
    }
    return error;
}
