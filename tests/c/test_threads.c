/* Several threads work on the running kernel. Each has spans and stores of its own, and
 * all share the pool. The test is meant for -fsanitize=thread, but also works without
 * it.
 *
 *     test_threads [SEED]      the seed of a failure, as printed
 */
#define _GNU_SOURCE
#include <errno.h>
#include <inttypes.h>
#include <pthread.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include "fixture.h"
#include "prefault.h"

enum { NTHREADS = 4, NROUNDS = 80, NHELD = 3 };

#define LIMIT (24 * MIB)

/* What a thread owns. fill() has written the bytes in use, with `seed`. */
struct held_span {
    struct span span;
    size_t used;
    uint64_t seed;
};

struct held_store {
    struct store store;
    uint64_t seed;
};

struct worker {
    uint64_t state;
    struct held_span spans[NHELD];
    struct held_store stores[NHELD];
    const char *reason;
};

static size_t
below(struct worker *worker, size_t limit)
{
    return next_random(&worker->state) % limit;
}

/* Keep the first failure of a worker. A thread must not end the program. */
static void
expect(struct worker *worker, bool holds, const char *what)
{
    if (!holds && worker->reason == NULL) {
        worker->reason = what;
    }
}

/* ----------------------------------------------------------------------- the spans */

static void
write_span(struct worker *worker, struct held_span *held, size_t used)
{
    held->seed = next_random(&worker->state);
    held->used = used;
    pool_take_tail(&held->span, used);
    fill(held->span.address, used, held->seed);
    if (held->span.dirty_end < used) {
        held->span.dirty_end = used;
    }
}

/* Check the bytes of a span. Those from `dirty_end` to the tail, but at most 1 MiB of
 * them, must be zero. */
static void
check_span(struct worker *worker, const struct held_span *held)
{
    const struct span *span = &held->span;
    size_t page = pages_facts.page_nbytes;
    size_t to =
        span->has_tail ? growth_round_up(span->dirty_end + 1, page) : span->length;
    size_t zero = to - span->dirty_end;
    const char *reason = spans_check(span);
    expect(worker, reason == NULL, reason);
    expect(worker, is_filled(span->address, held->used, held->seed),
           "the bytes of a span have changed");
    expect(worker, is_zero(span->address + span->dirty_end, zero < MIB ? zero : MIB),
           "a span is not zero after dirty_end");
}

static void
take_span(struct worker *worker, struct held_span *held)
{
    bool zeroed = below(worker, 4) == 0;
    size_t needed = 1 + below(worker, 3 * MIB);
    if (spans_take(needed, zeroed, &held->span) != 0) {
        expect(worker, false, "a span could not be taken");
        held->span = (struct span){0};
        return;
    }
    expect(worker, held->span.length >= needed, "a span is too short");
    write_span(worker, held, needed - 1);
}

static void
grow_span(struct worker *worker, struct held_span *held)
{
    size_t needed = held->span.length + 1 + below(worker, 2 * MIB);
    if (spans_grow(&held->span, needed, 0, held->used) != 0) {
        expect(worker, false, "a span could not grow");
        return;
    }
    expect(worker, held->span.length >= needed, "a span did not grow");
    check_span(worker, held);
    if (held->used < 6 * MIB) {
        write_span(worker, held, needed - 1);
    }
}

/* Use fewer bytes, so that the rest becomes a tail, which another thread may evict. */
static void
cap_span(struct worker *worker, struct held_span *held)
{
    held->used = below(worker, held->used + 1);
    fill(held->span.address, held->used, held->seed);
    spans_cap(&held->span, held->used + below(worker, 5000));
    check_span(worker, held);
}

static void
work_on_a_span(struct worker *worker, struct held_span *held)
{
    if (held->span.address == NULL) {
        take_span(worker, held);
        return;
    }
    check_span(worker, held);
    size_t what = below(worker, 4);
    if (what == 0 || held->span.length > 8 * MIB) {
        spans_give(&held->span);
    }
    else if (what == 1) {
        cap_span(worker, held);
    }
    else if (what == 2) {
        write_span(worker, held, below(worker, held->span.length - 1));
    }
    else {
        grow_span(worker, held);
    }
}

/* ---------------------------------------------------------------------- the stores */

static void
write_store(struct worker *worker, struct held_store *held)
{
    held->seed = next_random(&worker->state);
    fill(held->store.start, held->store.length, held->seed);
}

static void
check_store(struct worker *worker, const struct held_store *held)
{
    const struct store *store = &held->store;
    const char *reason = store_check(store);
    expect(worker, reason == NULL, reason);
    expect(worker, is_filled(store->start, store->length, held->seed),
           "the bytes of a store have changed");
}

static void
work_on_a_store(struct worker *worker, struct held_store *held)
{
    struct store *store = &held->store;
    size_t length = store->length, nbytes = 1 + below(worker, MIB);
    int error = 0;
    check_store(worker, held);
    switch (length > 6 * MIB ? 1 : below(worker, 9)) {
    case 0:
        store_free(store);
        if (below(worker, 2) == 0) { /* with a limit, if that is supported */
            (void)store_set_limit(store, 7 * MIB + below(worker, 5 * MIB));
        }
        break;
    case 1:
        store_free(store);
        break;
    case 2:
        store_trim(store);
        break;
    case 3: /* the removed bytes become a tail */
    case 4:
        error =
            store_splice(store, below(worker, 2) ? 0 : length / 8, length / 8 * 7, 0);
        break;
    case 5:
        error = store_reserve(store, length + nbytes);
        break;
    case 6:
        error = store_append_zeros(store, nbytes);
        expect(worker, error || is_zero(store->start + length, nbytes),
               "appended zeros are not zero");
        break;
    default:
        error = store_splice(store, length, 0, nbytes);
        break;
    }
    expect(worker, error == 0, "a store could not grow");
    write_store(worker, held);
    check_store(worker, held);
}

/* ---------------------------------------------------------------------- the threads */

/* Drain the pool or change its limit, and check its counts while other threads use
 * it. */
static void
work_on_the_pool(struct worker *worker)
{
    size_t what = below(worker, 12);
    if (what == 0) {
        pool_drain();
    }
    else if (what < 4) {
        pool_set_limit(what * LIMIT / 3);
    }
    struct pool_stats stats = pool_stats();
    expect(worker, stats.nentries <= POOL_NSLOTS, "too many entries");
    expect(worker, stats.live <= 2 * NTHREADS * NHELD, "too many spans in use");
}

static void
give_all(struct worker *worker)
{
    for (int i = 0; i < NHELD; i++) {
        check_store(worker, &worker->stores[i]);
        store_free(&worker->stores[i].store);
        if (worker->spans[i].span.address != NULL) {
            check_span(worker, &worker->spans[i]);
            spans_give(&worker->spans[i].span);
        }
    }
}

static void *
work(void *data)
{
    struct worker *worker = data;
    for (int i = 0; i < NHELD; i++) {
        worker->spans[i] = (struct held_span){0};
        store_init(&worker->stores[i].store);
    }
    for (int i = 0; i < NROUNDS && worker->reason == NULL; i++) {
        work_on_a_span(worker, &worker->spans[below(worker, NHELD)]);
        work_on_a_store(worker, &worker->stores[below(worker, NHELD)]);
        work_on_the_pool(worker);
    }
    give_all(worker);
    return NULL;
}

static uint64_t seed;

/* Fail as under mlockall(): advice cannot give memory back. */
static int
advise_locked(void *address, size_t length, int advice)
{
    if (advice == MADV_DONTNEED || advice == MADV_FREE) {
        errno = EINVAL;
        return -1;
    }
    return pages_system_ops.advise(address, length, advice);
}

static void
work_together(enum pages_rung highest, bool locked)
{
    static struct worker workers[NTHREADS];
    pthread_t threads[NTHREADS];
    CASE("seed %" PRIu64 ", highest rung %s, locked %d", seed,
         pages_rung_names[highest], locked);
    kernel_leave();
    pages_probe(highest);
    if (locked) {
        pages_ops.advise = advise_locked;
    }
    pool_set_limit(LIMIT);
    for (uint64_t i = 0; i < NTHREADS; i++) {
        workers[i] = (struct worker){.state = (seed + 2 * i) * NTHREADS + highest};
        next_random(&workers[i].state);
        CHECK(pthread_create(&threads[i], NULL, work, &workers[i]) == 0);
    }
    for (int i = 0; i < NTHREADS; i++) {
        CHECK(pthread_join(threads[i], NULL) == 0);
        CHECK_SOUND(workers[i].reason);
    }
    CHECK_SOUND(pool_check());
    pool_set_limit(LIMIT);
    (void)pool_drain();
    CHECK(pool_stats().live == 0 && pool_stats().nentries == 0);
    CHECK(pool_stats().nbytes == 0 && pool_stats().reserved_nbytes == 0);
}

static void
test_threads_share_the_pool(void)
{
    for (int rung = PAGES_COPY; rung < PAGES_NRUNGS; rung++) {
        pages_probe(rung);
        if ((int)pages_facts.rung == rung) {
            work_together(rung, false);
        }
    }
}

/* In locked memory an evicted tail is cleared, while its owner may write next to it. */
static void
test_threads_in_locked_memory_share_the_pool(void)
{
    work_together(ANY_RUNG, true);
}

/* A helper thread touches pages ahead of each writer. */
static void
test_threads_with_the_helper_share_the_pool(void)
{
    store_prefault = true;
    work_together(ANY_RUNG, false);
    store_prefault = false;
    prefault_before_fork(); /* joins the helper, or a sanitizer reports a leak */
    prefault_after_fork();
}

/* Return the first argument, or a number from the clock. It is odd, so that no worker's
 * state is zero. */
static uint64_t
choose_seed(int argc, char **argv)
{
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    uint64_t clock = (uint64_t)now.tv_nsec ^ (uint64_t)now.tv_sec ^ (uint64_t)getpid();
    return (argc > 1 ? strtoull(argv[1], NULL, 10) : clock) | 1;
}

int
main(int argc, char **argv)
{
    seed = choose_seed(argc, argv);
    printf("seed %" PRIu64 "\n", seed);
    fflush(stdout);
    RUN(test_threads_share_the_pool);
    RUN(test_threads_in_locked_memory_share_the_pool);
    RUN(test_threads_with_the_helper_share_the_pool);
    return check_done();
}
