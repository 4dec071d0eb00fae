/* Test on the running kernel what the other tests check on fake kernels. Tests that
 * need what this kernel lacks print that and are left out. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdatomic.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "fixture.h"

/* The build with -fsanitize defines this as 1. */
#ifndef SANITIZED
#define SANITIZED 0
#endif

static enum pages_rung best;

/* -------------------------------------------------------- what the kernel tells */

/* Call `see` for each mapping of this process. It must not allocate, because an
 * allocation may make a mapping. */
static void
each_mapping(void (*see)(uintptr_t from, uintptr_t to, const char *access, void *data),
             void *data)
{
    char line[512];
    FILE *maps = fopen("/proc/self/maps", "r");
    CHECK(maps != NULL);
    while (fgets(line, sizeof line, maps) != NULL) {
        uintptr_t from, to;
        char access[5];
        if (sscanf(line, "%" SCNxPTR "-%" SCNxPTR " %4s", &from, &to, access) == 3) {
            see(from, to, access, data);
        }
    }
    fclose(maps);
}

static void
count_one(uintptr_t from, uintptr_t to, const char *access, void *data)
{
    (void)from, (void)to, (void)access;
    ++*(size_t *)data;
}

static size_t
count_mappings(void)
{
    size_t nmappings = 0;
    each_mapping(count_one, &nmappings);
    return nmappings;
}

struct overlap {
    uintptr_t from, to;
    size_t nbytes;
};

static void
add_overlap(uintptr_t from, uintptr_t to, const char *access, void *data)
{
    struct overlap *overlap = data;
    uintptr_t low = from > overlap->from ? from : overlap->from;
    uintptr_t high = to < overlap->to ? to : overlap->to;
    if (low < high && access[0] == 'r' && access[1] == 'w') {
        overlap->nbytes += high - low;
    }
}

static bool
is_mapped(const char *address, size_t length)
{
    uintptr_t from = (uintptr_t)address;
    struct overlap overlap = {from, from + length, 0};
    each_mapping(add_overlap, &overlap);
    return overlap.nbytes == length;
}

/* Return a number of /proc/self/statm in bytes. 0: address space, 1: resident
 * memory. */
static size_t
statm(int which)
{
    size_t npages[2];
    FILE *file = fopen("/proc/self/statm", "r");
    CHECK(file != NULL && fscanf(file, "%zu %zu", &npages[0], &npages[1]) == 2);
    fclose(file);
    return npages[which] * pages_system_ops.page_nbytes();
}

/* ------------------------------------------------------------------------- help */

static void
start(enum pages_rung highest)
{
    CASE("highest rung %s", pages_rung_names[highest]);
    kernel_leave();
    pages_probe(highest);
    CHECK(pool_stats().live == 0 && pool_stats().nentries == 0);
}

static void
end(void)
{
    pool_drain();
    CHECK_SOUND(pool_check());
    CHECK(pool_stats().live == 0 && pool_stats().nentries == 0);
}

static bool
is_left_out(enum pages_rung rung)
{
    if (best < rung) {
        printf("left out: this kernel has no %s\n", pages_rung_names[rung]);
    }
    return best < rung;
}

/* Check that a store has pieces of `nbytes` that append_filled() made with consecutive
 * seeds. */
static void
check_pieces(const struct store *store, size_t nbytes, size_t npieces, uint64_t seed)
{
    CHECK(store->length == nbytes * npieces);
    for (size_t i = 0; i < npieces; i++) {
        CHECK(is_filled(store->start + i * nbytes, nbytes, seed + i));
    }
}

/* ------------------------------------------------------------------------ tests */

static void
test_pages_probe_finds_a_rung(void)
{
    start(ANY_RUNG);
    best = pages_facts.rung;
    printf("this kernel: %s;", pages_rung_names[best]);
    for (int rung = PAGES_COPY; rung < PAGES_NRUNGS; rung++) {
        int error = pages_facts.errors[rung];
        printf(" %s: %s;", pages_rung_names[rung], error ? strerror(error) : "yes");
    }
    printf(" huge pages: %s\n", pages_huge_names[pages_facts.huge]);
    CHECK(pages_facts.errors[best] == 0);
    const char *expected = getenv("GROWBUF_EXPECT");
    CHECK(expected == NULL || strcmp(expected, pages_rung_names[best]) == 0);
    end();
}

static void
test_spans_grow_keeps_the_source_mapped_for_others(void)
{
    if (is_left_out(PAGES_DONTUNMAP)) {
        return;
    }
    start(ANY_RUNG);
    /* Without a wall after the span, the rung `retain` would grow it in place. */
    struct span span, again, walls[2];
    CHECK(spans_take(2 * MIB, false, &walls[0]) == 0);
    CHECK(spans_take(4 * MIB, false, &span) == 0);
    CHECK(spans_take(2 * MIB, false, &walls[1]) == 0);
    fill(span.address, 4 * MIB - 1, 1);
    span.dirty_end = 4 * MIB - 1;
    char *source = span.address;
    CHECK(spans_grow(&span, 4 * MIB + 1, 0, 4 * MIB - 1) == 0);
    CHECK(span.address != source && is_filled(span.address, 4 * MIB - 1, 1));
    CHECK(is_mapped(source, 4 * MIB) && is_mapped(span.address, 8 * MIB));
    CHECK(pool_stats().nentries == 1 && pool_stats().nbytes == 0);
    CHECK(is_zero(source, 4 * MIB));
    CHECK(spans_take(4 * MIB, true, &again) == 0);
    CHECK(again.address == source && pool_stats().nentries == 0);
    spans_give(&again);
    spans_give(&span);
    spans_give(&walls[0]);
    spans_give(&walls[1]);
    end();
}

/* Build 40 MiB on each rung that this kernel has. */
static void
test_store_built_by_each_rung_has_its_bytes(void)
{
    for (int highest = 0; highest <= (int)best; highest++) {
        start(highest);
        struct store store;
        struct pool_stats before = pool_stats();
        store_init(&store);
        for (size_t i = 0; i < 400; i++) {
            append_filled(&store, 100 * KIB, i);
        }
        struct pool_stats after = pool_stats();
        check_pieces(&store, 100 * KIB, 400, 0);
        bool moves = highest >= PAGES_MAYMOVE; /* retain may also grow in place */
        CHECK((after.moves > before.moves) == moves || highest == PAGES_RETAIN);
        CHECK(!moves || after.copied_nbytes - before.copied_nbytes < 2 * MIB);
        CHECK((after.live > 0) == (highest > PAGES_HEAP));
        CHECK((uintptr_t)store.memory.address % GROWTH_QUANTUM == 0 ||
              highest == PAGES_HEAP || highest == PAGES_RETAIN);
        store_free(&store);
        end();
    }
}

static void
test_store_free_gives_address_space_back(void)
{
    size_t nmappings = 0, nbytes = 0;
    for (int i = 0; i < 3; i++) {
        start(ANY_RUNG);
        struct store stores[20];
        for (int j = 0; j < 20; j++) {
            store_init(&stores[j]);
            append_filled(&stores[j], 300 * KIB, 1);
            CHECK(store_reserve(&stores[j], 20 * MIB) == 0);
        }
        for (int j = 0; j < 20; j++) {
            store_free(&stores[j]);
        }
        end();
        /* In the first rounds malloc and stdio allocate memory that they keep. */
        CHECK(i < 2 || count_mappings() <= nmappings + 1);
        CHECK(i < 2 || statm(0) <= nbytes + MIB);
        nmappings = count_mappings();
        nbytes = statm(0);
    }
}

/* The stores grow in turn, so that none finds free address space after it. */
static void
test_store_thousand_growing_leave_few_mappings(void)
{
    enum { NSTORES = 1000 };
    static struct store stores[NSTORES];
    const size_t capacities[] = {MIB, 3 * MIB, 5 * MIB};
    start(ANY_RUNG);
    size_t before = count_mappings(), most = 0;
    uint64_t moves = pool_stats().moves;
    for (int i = 0; i < NSTORES; i++) {
        store_init(&stores[i]);
    }
    for (uint64_t round = 0; round < 3; round++) {
        for (size_t i = 0; i < NSTORES; i++) {
            append_filled(&stores[i], 100 * KIB, 10 * i + round);
            CHECK(store_reserve(&stores[i], capacities[round]) == 0);
        }
        size_t now = count_mappings() - before;
        most = now > most ? now : most;
    }
    for (size_t i = 0; i < NSTORES; i++) {
        check_pieces(&stores[i], 100 * KIB, 3, 10 * i);
    }
    printf("%d stores grown in turn to 8 MiB, %" PRIu64 " moves: %zu mappings at most, "
           "%" PRIu64 " of them entries of the pool\n",
           NSTORES, pool_stats().moves - moves, most, pool_stats().nentries);
    CHECK(most <= NSTORES + POOL_NSLOTS + 16);
    for (int i = 0; i < NSTORES; i++) {
        store_free(&stores[i]);
    }
    CHECK(count_mappings() <= before + POOL_NSLOTS + 16);
    end();
    CHECK(count_mappings() <= before + 16);
}

static void
test_store_append_zeros_takes_no_memory(void)
{
    if (is_left_out(PAGES_COPY)) {
        return;
    }
    start(ANY_RUNG);
    struct store store;
    store_init(&store);
    size_t before = statm(1);
    CHECK(store_append_zeros(&store, 512 * MIB) == 0);
    CHECK(statm(1) - before < 8 * MIB);
    CHECK(is_zero(store.start, 4 * MIB) && store.start[512 * MIB - 1] == 0);
    store_free(&store);
    end();
}

/* What a store does not need becomes its tail, within the limit of the pool.
 * pool_drain() gives it back. */
static void
test_pool_drain_gives_the_tail_of_a_store_back(void)
{
    if (is_left_out(PAGES_COPY)) {
        return;
    }
    start(ANY_RUNG);
    struct store store;
    store_init(&store);
    for (size_t i = 0; i < 100; i++) {
        append_filled(&store, MIB, i);
    }
    size_t full = statm(1);
    CHECK(store_splice(&store, 0, 96 * MIB, 0) == 0);
    CHECK(is_filled(store.start, MIB, 96) && is_filled(store.start + 3 * MIB, MIB, 99));
    CHECK(full - statm(1) > 30 * MIB && pool_stats().nbytes <= POOL_NBYTES);
    CHECK(pool_drain() && full - statm(1) > 90 * MIB);
    CHECK(is_filled(store.start, MIB, 96) && is_filled(store.start + 3 * MIB, MIB, 99));
    append_filled(&store, 30 * MIB, 1);
    CHECK(is_filled(store.start + 4 * MIB, 30 * MIB, 1));
    store_free(&store);
    end();
}

/* There are three pieces of one dirty span. The first is joined with the second. Both
 * are still one mapping, so one call moves them. The third piece is unchanged. */
static void
test_spans_grow_joined_pieces_move_as_one(void)
{
    if (is_left_out(PAGES_MAYMOVE)) {
        return;
    }
    start(ANY_RUNG);
    struct span dirty, piece, other;
    CHECK(spans_take(8 * MIB, false, &dirty) == 0);
    fill(dirty.address, 8 * MIB - 1, 9);
    dirty.dirty_end = 8 * MIB - 1;
    spans_give(&dirty);
    CHECK(spans_take(2 * MIB, false, &piece) == 0);
    char *address = piece.address;
    fill(address, 2 * MIB - 1, 1);
    CHECK(spans_grow(&piece, 3 * MIB, 0, 2 * MIB - 1) == 0);
    CHECK(piece.address == address && piece.length == 4 * MIB);
    fill(address, 4 * MIB - 1, 2);
    CHECK(spans_take(4 * MIB, false, &other) == 0);
    CHECK(other.address == address + 4 * MIB);
    fill(other.address, 4 * MIB - 1, 3);
    struct pool_stats before = pool_stats();
    CHECK(spans_grow(&piece, 4 * MIB + 1, 0, 4 * MIB - 1) == 0);
    CHECK(piece.address != address && is_filled(piece.address, 4 * MIB - 1, 2));
    CHECK(is_filled(other.address, 4 * MIB - 1, 3));
    CHECK(is_zero(piece.address + piece.dirty_end, piece.length - piece.dirty_end));
    CHECK(pool_stats().moves == before.moves + 1);
    CHECK(pool_stats().copies == before.copies);
    spans_give(&piece);
    spans_give(&other);
    end();
}

/* Each offered page keeps its bytes or reads as zero. Bytes written to it later
 * stay. */
static void
test_pages_offer_can_be_written_again(void)
{
    if (is_left_out(PAGES_COPY)) {
        return;
    }
    start(ANY_RUNG);
    char *mapped;
    CHECK(pages_map(4 * MIB, &mapped) == 0);
    fill(mapped, 4 * MIB, 1);
    int error = pages_offer(mapped + 2 * MIB, 2 * MIB);
    printf("offering memory: %s\n", error ? strerror(error) : "yes");
    CHECK(is_filled(mapped, 2 * MIB, 1));
    fill(mapped + 2 * MIB, MIB, 2);
    CHECK(is_filled(mapped, 2 * MIB, 1) && is_filled(mapped + 2 * MIB, MIB, 2));
    pages_unmap(mapped, 4 * MIB);
    end();
}

/* The second and third round get the memory of the round before. */
static void
test_store_rebuilt_in_huge_pages_has_its_bytes(void)
{
    start(ANY_RUNG);
    for (uint64_t round = 0; round < 3; round++) {
        struct store store;
        store_init(&store);
        for (size_t i = 0; i < 40; i++) {
            append_filled(&store, MIB, 100 * round + i);
        }
        check_pieces(&store, MIB, 40, 100 * round);
        store_free(&store);
    }
    end();
}

static void
test_pages_clock_goes_forward(void)
{
    start(ANY_RUNG);
    uint64_t before = pages_ops.clock_ms();
    usleep(60 * 1000);
    uint64_t passed = pages_ops.clock_ms() - before;
    CHECK(passed >= 40 && passed < 60 * 1000);
    end();
}

/* If the pool is not used for a second, its next use gives the memory back. */
static void
test_pool_idle_memory_goes_back_to_the_system(void)
{
    if (is_left_out(PAGES_COPY)) {
        return;
    }
    start(ANY_RUNG);
    struct store large, small;
    store_init(&large);
    store_init(&small);
    append_filled(&large, 30 * MIB, 1);
    append_filled(&small, MIB, 2);
    store_free(&large);
    size_t full = statm(1);
    CHECK(pool_stats().nbytes >= 30 * MIB);
    usleep((POOL_IDLE_MS + 100) * 1000);
    store_free(&small);
    CHECK(pool_stats().nbytes <= 2 * MIB);
    CHECK(full - statm(1) > 25 * MIB);
    end();
}

/* -------------------------------------------------------------- stores with a limit */

static void
test_store_limited_grows_where_it_is(void)
{
    const size_t limit = (size_t)1 << 30, reach = 2 * limit + 2 * MIB;
    if (is_left_out(PAGES_COPY)) {
        return;
    }
    start(ANY_RUNG);
    struct store store;
    store_init(&store);
    size_t space = statm(0), memory = statm(1);
    CHECK(store_set_limit(&store, limit) == 0);
    char *address = store.start;
    CHECK(statm(0) - space >= reach && statm(0) - space <= reach + 2 * MIB);
    CHECK(store_reserve(&store, limit) == 0 && statm(1) <= memory + MIB);
    CHECK(!is_mapped(address, 4 * MIB));
    for (size_t i = 0; i < 64; i++) {
        append_filled(&store, MIB, i);
        CHECK(store.start == address);
    }
    check_pieces(&store, MIB, 64, 0);
    CHECK(statm(1) - memory <= 64 * MIB + 64 * MIB / 8 + 4 * MIB);
    CHECK(statm(0) - space <= reach + 4 * MIB);
    CHECK(store_splice(&store, 0, 60 * MIB, 0) == 0 && store.start == address);
    CHECK(pool_drain() && statm(1) - memory <= 16 * MIB);
    CHECK(is_filled(address, MIB, 60));
    store_free(&store);
    CHECK(pool_stats().nentries == 1 && pool_drain());
    CHECK(statm(0) <= space + 4 * MIB && !is_mapped(address, 2 * MIB));
    end();
}

/* Whether the process can get 32 TiB of address space. Some kernels have only 39 bits
 * of it. The stack is near the end of the address space. */
static bool
is_spacious(void)
{
    struct rlimit limit;
    CHECK(getrlimit(RLIMIT_AS, &limit) == 0);
    return limit.rlim_cur == RLIM_INFINITY && (uint64_t)(uintptr_t)&limit >> 46 != 0;
}

/* Each store takes one mapping, or less, because the kernel may merge adjacent ones. */
static void
test_store_set_limit_small_takes_a_mapping_at_most(void)
{
    enum { NSTORES = 5000 };
    static struct store stores[NSTORES];
    if (is_left_out(PAGES_COPY)) {
        return;
    }
    start(ANY_RUNG);
    size_t before = count_mappings(), memory = statm(1), nlimited = 0;
    for (; nlimited < NSTORES; nlimited++) {
        store_init(&stores[nlimited]);
        if (store_set_limit(&stores[nlimited], 1 + nlimited) != 0) {
            CHECK(!is_spacious());
            break;
        }
        append_filled(&stores[nlimited], 1, nlimited);
    }
    size_t now = count_mappings() - before, more = statm(1) - memory;
    printf("%zu stores with a limit of less than 1 MiB: %zu mappings, %zu KiB each\n",
           nlimited, now, more / KIB / nlimited);
    CHECK(nlimited > 0 && now <= nlimited + 16);
    /* Each store takes a page, and at most one page for its page table. */
    CHECK(more <= nlimited * 2 * pages_facts.page_nbytes + MIB);
    for (size_t i = 0; i < nlimited; i++) {
        check_pieces(&stores[i], 1, 1, i);
        store_free(&stores[i]);
    }
    end();
}

/* Each store takes two mappings: its accessible part and the rest. */
static void
test_store_set_limit_thousand_large_ones_fit(void)
{
    enum { NSTORES = 1000 };
    static struct store stores[NSTORES];
    const size_t limit = (size_t)16 << 30;
    if (is_left_out(PAGES_COPY)) {
        return;
    }
    start(ANY_RUNG);
    size_t before = count_mappings(), memory = statm(1), nlimited = 0;
    for (; nlimited < NSTORES; nlimited++) {
        store_init(&stores[nlimited]);
        int error = store_set_limit(&stores[nlimited], limit);
        if (error) {
            CHECK(error == ENOMEM && !is_spacious());
            break;
        }
    }
    size_t now = count_mappings() - before, more = statm(1) - memory;
    printf("%zu stores with a limit of 16 GiB: %zu mappings, %zu KiB of memory\n",
           nlimited, now, more / KIB);
    CHECK(nlimited > 0);
    CHECK(now <= 2 * nlimited + 16 && more <= 16 * MIB);
    for (size_t i = 0; i < nlimited; i++) {
        append_filled(&stores[i], 10000, i);
    }
    for (size_t i = 0; i < nlimited; i++) {
        check_pieces(&stores[i], 10000, 1, i);
        store_free(&stores[i]);
    }
    CHECK(count_mappings() <= before + 16);
    end();
}

/* Build a store in small steps, so that one with a limit is opened in many steps, and
 * take half of it. */
static void
take_half(struct store *store)
{
    struct store taken;
    store_init(&taken);
    for (size_t i = 0; i < 64; i++) {
        append_filled(store, MIB, i);
    }
    size_t memory = statm(1);
    uint64_t copied = pool_stats().copied_nbytes;
    CHECK(store_take(store, 32 * MIB, &taken) == 0);
    check_pieces(&taken, MIB, 32, 0);
    check_pieces(store, MIB, 32, 32);
    CHECK(pool_stats().copied_nbytes - copied <= 2 * MIB);
    CHECK(statm(1) <= memory + 4 * MIB);
    append_filled(&taken, MIB, 32);
    append_filled(store, MIB, 64);
    check_pieces(&taken, MIB, 33, 0);
    check_pieces(store, MIB, 33, 32);
    store_free(&taken);
    store_free(store);
}

static void
test_store_take_from_a_span_and_from_a_limit(void)
{
    if (is_left_out(PAGES_DONTUNMAP)) {
        return;
    }
    start(ANY_RUNG);
    struct store store;
    store_init(&store);
    take_half(&store);
    CHECK(store_set_limit(&store, 100 * MIB) == 0);
    take_half(&store);
    end();
}

/* ------------------------------------------------------- in a child process */

static void
in_child(void (*work)(void))
{
    int status;
    fflush(stdout);
    pid_t child = fork();
    CHECK(child >= 0);
    if (child == 0) {
        work();
        fflush(stdout);
        _exit(0);
    }
    CHECK(waitpid(child, &status, 0) == child);
    CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 0);
}

/* Build 160 MiB in 260 MiB of address space, which are too few to double 128 MiB. */
static void
build_in_little_space(void)
{
    struct store store;
    struct rlimit limit = {statm(0) + 260 * MIB, RLIM_INFINITY};
    CHECK(setrlimit(RLIMIT_AS, &limit) == 0);
    store_init(&store);
    for (size_t i = 0; i < 160; i++) {
        append_filled(&store, MIB, i);
    }
    check_pieces(&store, MIB, 160, 0);
    CHECK(store_splice(&store, 0, 0, 500 * MIB) == ENOMEM);
    check_pieces(&store, MIB, 160, 0);
    store_free(&store);
    end();
}

static void
test_store_grows_in_little_address_space(void)
{
    if (SANITIZED) {
        printf("left out: a sanitizer needs more address space\n");
        return;
    }
    if (is_left_out(PAGES_MAYMOVE)) {
        return;
    }
    start(ANY_RUNG);
    in_child(build_in_little_space);
    end();
}

static struct store inherited;

static void
use_inherited(void)
{
    struct store store;
    check_pieces(&inherited, MIB, 3, 0);
    CHECK(pool_stats().nentries > 0 || best == PAGES_HEAP);
    store_init(&store);
    append_filled(&store, 5 * MIB, 9);
    append_filled(&inherited, MIB, 3);
    check_pieces(&inherited, MIB, 4, 0);
    store_free(&store);
    store_free(&inherited);
    end();
}

static void
test_fork_child_has_a_pool_of_its_own(void)
{
    struct store dropped;
    start(ANY_RUNG);
    store_init(&dropped);
    store_init(&inherited);
    append_filled(&dropped, MIB, 7);
    for (size_t i = 0; i < 3; i++) {
        append_filled(&inherited, MIB, i);
    }
    store_free(&dropped);
    in_child(use_inherited);
    check_pieces(&inherited, MIB, 3, 0);
    store_free(&inherited);
    end();
}

/* ---------------------------------------------------------------------- threads */

enum { NTHREADS = 4, NROUNDS = 30 };

static void *
build_and_drop(void *data)
{
    uint64_t seed = (uint64_t)(uintptr_t)data * 1000;
    for (size_t i = 0; i < NROUNDS; i++) {
        struct store store;
        size_t npieces = 10 + 7 * i % 40;
        store_init(&store);
        for (size_t piece = 0; piece < npieces; piece++) {
            size_t at = store.length;
            if (store_splice(&store, at, 0, 100 * KIB) != 0) {
                return "a store could not grow";
            }
            fill(store.start + at, 100 * KIB, seed + piece);
        }
        for (size_t piece = 0; piece < npieces; piece++) {
            if (!is_filled(store.start + piece * 100 * KIB, 100 * KIB, seed + piece)) {
                return "a store has other bytes than were written";
            }
        }
        store_free(&store);
        if (i % 10 == 0) {
            pool_drain();
        }
    }
    return NULL;
}

static void
test_threads_share_the_pool(void)
{
    pthread_t threads[NTHREADS];
    void *reason;
    start(ANY_RUNG);
    for (uintptr_t i = 0; i < NTHREADS; i++) {
        CHECK(pthread_create(&threads[i], NULL, build_and_drop, (void *)(i + 1)) == 0);
    }
    for (int i = 0; i < NTHREADS; i++) {
        CHECK(pthread_join(threads[i], &reason) == 0);
        CHECK_SOUND((const char *)reason);
    }
    end();
}

/* Only use the pool. end() checks its counts. */
static void *
take_and_give(void *data)
{
    for (int i = 0; i < 20000; i++) {
        struct span span;
        if (spans_take(1, false, &span) != 0) {
            return "a span could not be taken";
        }
        spans_give(&span);
    }
    return data;
}

static void
test_threads_take_and_give_at_once(void)
{
    pthread_t threads[NTHREADS];
    void *reason;
    if (is_left_out(PAGES_COPY)) {
        return;
    }
    start(ANY_RUNG);
    for (int i = 0; i < NTHREADS; i++) {
        CHECK(pthread_create(&threads[i], NULL, take_and_give, NULL) == 0);
    }
    for (int i = 0; i < NTHREADS; i++) {
        CHECK(pthread_join(threads[i], &reason) == 0);
        CHECK_SOUND((const char *)reason);
    }
    end();
}

static atomic_bool stop;

static void *
work_on_the_pool(void *data)
{
    while (!atomic_load(&stop)) {
        pool_count_copy(0);
    }
    return data;
}

static void
look_at_the_pool(void)
{
    alarm(20); /* ends a wait for a thread that does not exist here */
    (void)pool_stats();
}

static int nconfigured;

static void
count_configuring(void)
{
    nconfigured++;
}

/* Only the first call configures. After it, a child that is forked while another thread
 * uses the pool finds the pool consistent. */
static void
test_pool_init_is_done_once(void)
{
    pthread_t thread;
    pool_init(PAGES_COPY, count_configuring);
    enum pages_rung rung = pages_facts.rung;
    CHECK(rung <= PAGES_COPY);
    pool_init(ANY_RUNG, count_configuring);
    CHECK(pages_facts.rung == rung && nconfigured == 1);
    CHECK(pthread_create(&thread, NULL, work_on_the_pool, NULL) == 0);
    for (int i = 0; i < 50; i++) {
        in_child(look_at_the_pool);
    }
    atomic_store(&stop, true);
    CHECK(pthread_join(thread, NULL) == 0);
    end();
}

int
main(void)
{
    RUN(test_pages_probe_finds_a_rung);
    RUN(test_spans_grow_keeps_the_source_mapped_for_others);
    RUN(test_store_built_by_each_rung_has_its_bytes);
    RUN(test_store_free_gives_address_space_back);
    RUN(test_store_thousand_growing_leave_few_mappings);
    RUN(test_store_append_zeros_takes_no_memory);
    RUN(test_pool_drain_gives_the_tail_of_a_store_back);
    RUN(test_spans_grow_joined_pieces_move_as_one);
    RUN(test_pages_offer_can_be_written_again);
    RUN(test_store_rebuilt_in_huge_pages_has_its_bytes);
    RUN(test_pages_clock_goes_forward);
    RUN(test_pool_idle_memory_goes_back_to_the_system);
    RUN(test_store_limited_grows_where_it_is);
    RUN(test_store_set_limit_small_takes_a_mapping_at_most);
    RUN(test_store_set_limit_thousand_large_ones_fit);
    RUN(test_store_take_from_a_span_and_from_a_limit);
    RUN(test_store_grows_in_little_address_space);
    RUN(test_fork_child_has_a_pool_of_its_own);
    RUN(test_threads_share_the_pool);
    RUN(test_threads_take_and_give_at_once);
    RUN(test_pool_init_is_done_once);
    return check_done();
}
