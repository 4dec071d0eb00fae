/* vector: double a vector from 4 bytes to 1 GiB and fill each new half. MREMAP_RETAIN
 * was proposed to Linux in 2014 for this loop.
 *
 *     vector realloc      use the process's allocator
 *     vector store        use growbuf's store; GROWBUF_STRATEGY names the highest rung
 *     vector touch        only write to 2 GiB in huge pages, and print nothing
 *
 * The first two print the seconds that the loop took, and the peak memory of the
 * process in bytes.
 */
#define _GNU_SOURCE
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <time.h>

#include "pages.h"
#include "spans.h"
#include "store.h"

#define FIRST ((size_t)4)
#define LAST ((size_t)1 << 30)

static void
fail(const char *what)
{
    perror(what);
    exit(1);
}

/* Make the compiler assume that the bytes are read, so that it keeps the writes. */
static void
use(const char *bytes)
{
    __asm__ volatile("" : : "r"(bytes) : "memory");
}

static void
grow_by_realloc(void)
{
    char *bytes = NULL;
    size_t length = 0;
    for (size_t grown = FIRST; grown <= LAST; grown *= 2) {
        char *block = realloc(bytes, grown);
        if (block == NULL) {
            fail("realloc");
        }
        bytes = block;
        memset(bytes + length, 0xff, grown - length);
        use(bytes);
        length = grown;
    }
    free(bytes);
}

static void
grow_by_store(void)
{
    struct store store;
    store_init(&store);
    for (size_t grown = FIRST; grown <= LAST; grown *= 2) {
        size_t length = store.length;
        if (store_append(&store, grown - length) != 0) {
            fail("store_append");
        }
        memset(store.start + length, 0xff, grown - length);
        use(store.start);
    }
    store_free(&store);
}

static void
probe(void)
{
    const char *name = getenv("GROWBUF_STRATEGY");
    int rung = name == NULL ? PAGES_NRUNGS - 1 : pages_rung_named(name);
    if (rung < 0) {
        fail(name);
    }
    pool_init((enum pages_rung)rung, NULL);
}

static void
touch(void)
{
    char *bytes = mmap(NULL, 2 * LAST, PROT_READ | PROT_WRITE,
                       MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (bytes == MAP_FAILED) {
        fail("mmap");
    }
    (void)madvise(bytes, 2 * LAST, MADV_HUGEPAGE);
    memset(bytes, 1, 2 * LAST);
    use(bytes);
}

static double
seconds(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

static void
measure(void (*work)(void))
{
    struct rusage used;
    double start = seconds();
    work();
    double taken = seconds() - start;
    getrusage(RUSAGE_SELF, &used);
    printf("%.6f %ld\n", taken, used.ru_maxrss * 1024);
}

int
main(int argc, char **argv)
{
    const char *how = argc == 2 ? argv[1] : "";
    if (strcmp(how, "realloc") == 0) {
        measure(grow_by_realloc);
    }
    else if (strcmp(how, "store") == 0) {
        probe();
        measure(grow_by_store);
    }
    else if (strcmp(how, "touch") == 0) {
        touch();
    }
    else {
        fprintf(stderr, "usage: %s realloc | store | touch\n", argv[0]);
        return 2;
    }
    return 0;
}
