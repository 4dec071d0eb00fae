/* counts: count the system calls that the loop of vector.c makes with growbuf's store,
 * and what they cost.
 *
 *     counts RUNG NVECTORS
 *
 * RUNG is the highest rung; the exit code is 3 if the kernel lacks it. NVECTORS vectors
 * double in turn, to 1 GiB in all. One vector alone may find free addresses after its
 * end and grow in place. Several take these addresses from each other.
 *
 * It prints one object of JSON: moves, copied bytes, the calls of mremap and of the
 * other system calls on mappings, how many mappings were added at most, and page
 * faults.
 */
#define _GNU_SOURCE
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include "pages.h"
#include "pool.h"
#include "spans.h"
#include "store.h"

#define FIRST ((size_t)4)
#define LAST ((size_t)1 << 30)

enum { MOST_VECTORS = 8 };

static struct {
    size_t map, unmap, remap, advise;
} calls;

static void *
counted_map(size_t length, int access)
{
    calls.map++;
    return pages_system_ops.map(length, access);
}

static int
counted_unmap(void *address, size_t length)
{
    calls.unmap++;
    return pages_system_ops.unmap(address, length);
}

static void *
counted_remap(void *address, size_t length, size_t new_length, int flags, void *target)
{
    calls.remap++;
    return pages_system_ops.remap(address, length, new_length, flags, target);
}

static int
counted_advise(void *address, size_t length, int advice)
{
    calls.advise++;
    return pages_system_ops.advise(address, length, advice);
}

static size_t
count_mappings(void)
{
    size_t nlines = 0;
    FILE *maps = fopen("/proc/self/maps", "r");
    if (maps == NULL) {
        perror("/proc/self/maps");
        exit(1);
    }
    for (int c; (c = getc(maps)) != EOF;) {
        nlines += c == '\n';
    }
    fclose(maps);
    return nlines;
}

static size_t
count_faults(void)
{
    struct rusage used;
    getrusage(RUSAGE_SELF, &used);
    return (size_t)used.ru_minflt;
}

static void
grow(struct store *store, size_t grown)
{
    size_t length = store->length;
    if (store_append(store, grown - length) != 0) {
        perror("store_append");
        exit(1);
    }
    memset(store->start + length, 0xff, grown - length);
}

int
main(int argc, char **argv)
{
    int rung = argc == 3 ? pages_rung_named(argv[1]) : -1;
    size_t nvectors = argc == 3 ? strtoul(argv[2], NULL, 10) : 0;
    if (rung < 0 || nvectors == 0 || nvectors > MOST_VECTORS) {
        fprintf(stderr, "usage: %s RUNG NVECTORS\n", argv[0]);
        return 2;
    }
    pool_init((enum pages_rung)rung, NULL);
    if ((int)pages_facts.rung != rung) {
        return 3;
    }
    pages_ops.map = counted_map;
    pages_ops.unmap = counted_unmap;
    pages_ops.remap = counted_remap;
    pages_ops.advise = counted_advise;
    struct store stores[MOST_VECTORS];
    for (size_t i = 0; i < nvectors; i++) {
        store_init(&stores[i]);
    }
    size_t mappings = count_mappings(), most = mappings, faults = count_faults();
    for (size_t grown = FIRST; grown <= LAST / nvectors; grown *= 2) {
        for (size_t i = 0; i < nvectors; i++) {
            grow(&stores[i], grown);
            size_t now = count_mappings();
            most = now > most ? now : most;
        }
    }
    faults = count_faults() - faults;
    struct pool_stats stats = pool_stats();
    printf("{\"rung\": \"%s\", \"vectors\": %zu, \"moves\": %" PRIu64
           ", \"copied\": %" PRIu64
           ", \"remap\": %zu, \"map\": %zu, \"unmap\": %zu, \"advise\": %zu"
           ", \"mappings\": %zu, \"faults\": %zu}\n",
           pages_rung_names[rung], nvectors, stats.moves, stats.copied_nbytes,
           calls.remap, calls.map, calls.unmap, calls.advise, most - mappings, faults);
    for (size_t i = 0; i < nvectors; i++) {
        store_free(&stores[i]);
    }
    return 0;
}
