/* Test how many calls, moves and copies each piece of work takes on each kernel: the
 * exact numbers. If a number has changed, the test prints the new row. Write it here if
 * the change was intended.
 */
#include <inttypes.h>

#include "fixture.h"

enum { NWORKS = 5 };

struct counts {
    uint64_t map, unmap, remap, advise, protect, reallocate;
    uint64_t moves, copies, copied_nbytes;
};

static void
append(struct store *store, size_t nbytes)
{
    while (nbytes > 0) {
        CHECK(store_append(store, 64 * KIB) == 0);
        nbytes -= 64 * KIB;
    }
}

/* Build 64 MiB from pieces of 64 KiB. */
static void
build(struct store *store)
{
    append(store, 64 * MIB);
}

/* Build 64 MiB, drop them and build them again from the memory in the pool. */
static void
build_again(struct store *store)
{
    append(store, 64 * MIB);
    store_free(store);
    append(store, 64 * MIB);
}

/* Slide a window of 8 MiB over 64 MiB. */
static void
window(struct store *store)
{
    append(store, 8 * MIB);
    for (size_t slid = 8 * MIB; slid < 64 * MIB; slid += 64 * KIB) {
        append(store, 64 * KIB);
        CHECK(store_splice(store, 0, 64 * KIB, 0) == 0);
    }
}

/* Build 64 MiB in place. */
static void
build_limited(struct store *store)
{
    if (store_set_limit(store, 64 * MIB) == 0) {
        append(store, 64 * MIB);
    }
}

/* Build 64 KiB from pieces of 64 B, a thousand times. */
static void
build_small(struct store *store)
{
    for (int i = 0; i < 1000; i++) {
        while (store->length < 64 * KIB) {
            CHECK(store_append(store, 64) == 0);
        }
        store_free(store);
    }
}

static const struct work {
    const char *name;
    void (*on)(struct store *store);
} works[NWORKS] = {
    {"build", build},
    {"build again", build_again},
    {"window", window},
    {"build limited", build_limited},
    {"build small", build_small},
};

/* A row for each piece of work: calls of map, unmap, remap, advise, protect,
 * reallocate; moves, copies, copied bytes. */
static const struct counts expected[KERNEL_KINDS][NWORKS] =
    {
        [KERNEL_2014] =
            {
                {1, 8, 6, 2, 0, 1, 6, 1, 65536},
                {1, 9, 7, 3, 0, 2, 6, 3, 2162688},
                {1, 5, 4, 2, 0, 1, 4, 7, 50397184},
                {1, 1, 0, 25, 20, 0, 0, 0, 0},
                {0, 0, 0, 0, 0, 24000, 0, 0, 0},
            },
        [KERNEL_RETAIN] =
            {
                {1, 8, 6, 20, 0, 1, 6, 1, 65536},
                {1, 9, 7, 33, 0, 2, 6, 3, 2162688},
                {1, 5, 4, 20, 0, 1, 4, 7, 50397184},
                {1, 1, 0, 43, 20, 0, 0, 0, 0},
                {0, 0, 0, 0, 0, 24000, 0, 0, 0},
            },
        [KERNEL_MAINLINE] =
            {
                {7, 14, 12, 20, 0, 1, 6, 1, 65536},
                {8, 17, 14, 33, 0, 2, 7, 3, 2162688},
                {5, 9, 8, 20, 0, 1, 4, 7, 50397184},
                {1, 1, 0, 43, 20, 0, 0, 0, 0},
                {0, 0, 0, 0, 0, 24000, 0, 0, 0},
            },
        [KERNEL_OLD] =
            {
                {7, 8, 12, 2, 0, 1, 6, 1, 65536},
                {9, 11, 14, 3, 0, 2, 7, 3, 2162688},
                {5, 5, 8, 2, 0, 1, 4, 7, 50397184},
                {1, 1, 0, 25, 20, 0, 0, 0, 0},
                {0, 0, 0, 0, 0, 24000, 0, 0, 0},
            },
        [KERNEL_ENOSYS] =
            {
                {7, 8, 0, 6, 0, 1, 0, 7, 131792896},
                {9, 11, 0, 8, 0, 2, 0, 10, 200933376},
                {5, 5, 0, 4, 0, 1, 0, 11, 73269248},
                {1, 1, 0, 25, 20, 0, 0, 0, 0},
                {0, 0, 0, 0, 0, 24000, 0, 0, 0},
            },
        [KERNEL_EPERM] =
            {
                {7, 8, 0, 24, 0, 1, 0, 7, 131792896},
                {9, 11, 0, 38, 0, 2, 0, 10, 200933376},
                {5, 5, 0, 22, 0, 1, 0, 11, 73269248},
                {1, 1, 0, 43, 20, 0, 0, 0, 0},
                {0, 0, 0, 0, 0, 24000, 0, 0, 0},
            },
        [KERNEL_WHOLE] =
            {
                {7, 7, 0, 90, 57, 1, 0, 7, 131792896},
                {14, 14, 0, 180, 114, 2, 0, 14, 263585792},
                {5, 5, 0, 63, 43, 1, 0, 11, 73269248},
                {1, 1, 0, 67, 42, 0, 0, 0, 0},
                {0, 0, 0, 0, 0, 24000, 0, 0, 0},
            },
        [KERNEL_NO_PAGES] =
            {
                {0, 0, 0, 0, 0, 44, 0, 0, 0},
                {0, 0, 0, 0, 0, 88, 0, 0, 0},
                {0, 0, 0, 0, 0, 33, 0, 0, 0},
                {0, 0, 0, 0, 0, 0, 0, 0, 0},
                {0, 0, 0, 0, 0, 24000, 0, 0, 0},
            },
};

static struct counts
count(const struct work *work)
{
    struct store store;
    struct pool_stats before = pool_stats();
    memset(kernel.calls, 0, sizeof kernel.calls);
    store_init(&store);
    work->on(&store);
    store_free(&store);
    pool_drain();
    struct pool_stats after = pool_stats();
    const size_t *calls = kernel.calls;
    return (struct counts){
        calls[KERNEL_MAP],
        calls[KERNEL_UNMAP],
        calls[KERNEL_REMAP],
        calls[KERNEL_ADVISE],
        calls[KERNEL_PROTECT],
        calls[KERNEL_REALLOCATE],
        after.moves - before.moves,
        after.copies - before.copies,
        after.copied_nbytes - before.copied_nbytes,
    };
}

static void
print(const char *kernel_name, const char *work_name, const struct counts *now)
{
    printf("%s, %s: {%" PRIu64 ", %" PRIu64 ", %" PRIu64 ", %" PRIu64 ", %" PRIu64
           ", %" PRIu64 ", %" PRIu64 ", %" PRIu64 ", %" PRIu64 "},\n",
           kernel_name, work_name, now->map, now->unmap, now->remap, now->advise,
           now->protect, now->reallocate, now->moves, now->copies, now->copied_nbytes);
}

static void
test_store_work_on_each_kernel_makes_expected_calls(void)
{
    bool all = true;
    for (int kind = 0; kind < KERNEL_KINDS; kind++) {
        for (int i = 0; i < NWORKS; i++) {
            begin(kind, ANY_RUNG);
            struct counts now = count(&works[i]);
            if (memcmp(&now, &expected[kind][i], sizeof now) != 0) {
                print(kernel_names[kind], works[i].name, &now);
                all = false;
            }
            finish();
        }
    }
    CHECK(all);
}

int
main(void)
{
    RUN(test_store_work_on_each_kernel_makes_expected_calls);
    return check_done();
}
