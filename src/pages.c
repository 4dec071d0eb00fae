#define _GNU_SOURCE
#include "pages.h"

#include <assert.h>
#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "growth.h"

#ifdef __linux__

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#ifndef MADV_POPULATE_WRITE
#define MADV_POPULATE_WRITE 23
#endif

static void *
system_map(void *address, size_t length, int protection, int flags)
{
    return mmap(address, length, protection, flags, -1, 0);
}

/* Not the libc wrapper: some read the fifth argument only under MREMAP_FIXED, and
 * then hand the kernel garbage for it. */
static void *
system_remap(void *address, size_t length, size_t new_length, int flags,
             void *new_address)
{
    return (void *)syscall(SYS_mremap, address, length, new_length, flags, new_address);
}

#define system_unmap munmap
#define system_advise madvise
#define system_protect mprotect

static uint64_t
system_clock_ms(void)
{
    struct timespec now = {0};
    clock_gettime(CLOCK_MONOTONIC_COARSE, &now);
    return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

static size_t
system_page_nbytes(void)
{
    long nbytes = sysconf(_SC_PAGESIZE);
    return nbytes > 0 ? (size_t)nbytes : 4096;
}

/* The setting is the word in brackets: "always [madvise] never". A process may have been
 * denied huge pages by whoever started it; madvise(2) does not tell. */
static enum pages_huge
system_huge(void)
{
    char text[64] = "";
    if (prctl(PR_GET_THP_DISABLE, 0, 0, 0, 0) == 1) {
        return PAGES_HUGE_NEVER;
    }
    int file =
        open("/sys/kernel/mm/transparent_hugepage/enabled", O_RDONLY | O_CLOEXEC);
    if (file >= 0) {
        ssize_t nbytes = read(file, text, sizeof text - 1);
        close(file);
        text[nbytes > 0 ? nbytes : 0] = '\0';
    }
    return strstr(text, "[always]")    ? PAGES_HUGE_ALWAYS
           : strstr(text, "[madvise]") ? PAGES_HUGE_MADVISE
                                       : PAGES_HUGE_NEVER;
}

#else /* No such calls: every rung but the heap answers ENOSYS. */

enum { PROT_NONE, PROT_READ, PROT_WRITE };
enum { MAP_PRIVATE, MAP_ANONYMOUS, MAP_NORESERVE };
enum { MREMAP_MAYMOVE, MREMAP_FIXED };
enum { MADV_HUGEPAGE, MADV_NOHUGEPAGE, MADV_DONTNEED, MADV_FREE, MADV_POPULATE_WRITE };
enum { MADV_DONTDUMP, MADV_DODUMP };
#define MAP_FAILED ((void *)-1)

static void *
system_map(void *address, size_t length, int protection, int flags)
{
    (void)address, (void)length, (void)protection, (void)flags;
    errno = ENOSYS;
    return MAP_FAILED;
}

static void *
system_remap(void *address, size_t length, size_t new_length, int flags,
             void *new_address)
{
    (void)address, (void)length, (void)new_length, (void)flags, (void)new_address;
    errno = ENOSYS;
    return MAP_FAILED;
}

static int
system_unmap(void *address, size_t length)
{
    (void)address, (void)length;
    errno = ENOSYS;
    return -1;
}

static int
system_advise(void *address, size_t length, int advice)
{
    (void)address, (void)length, (void)advice;
    errno = ENOSYS;
    return -1;
}

static int
system_protect(void *address, size_t length, int protection)
{
    return system_advise(address, length, protection);
}

static uint64_t
system_clock_ms(void)
{
    return 0;
}

static size_t
system_page_nbytes(void)
{
    return 4096;
}

static enum pages_huge
system_huge(void)
{
    return PAGES_HUGE_NEVER;
}

#endif

const struct pages_ops pages_system_ops = {
    .map = system_map,
    .unmap = system_unmap,
    .remap = system_remap,
    .advise = system_advise,
    .protect = system_protect,
    .clock_ms = system_clock_ms,
    .reallocate = realloc,
    .release = free,
};

struct pages_ops pages_ops = {
    .map = system_map,
    .unmap = system_unmap,
    .remap = system_remap,
    .advise = system_advise,
    .protect = system_protect,
    .clock_ms = system_clock_ms,
    .reallocate = realloc,
    .release = free,
};

struct pages_facts pages_facts = {.rung = PAGES_HEAP, .page_nbytes = 4096};

const char *const pages_huge_names[PAGES_NHUGE] = {
    "never",
    "madvise",
    "always",
};

const char *const pages_rung_names[PAGES_NRUNGS] = {
    "heap", "copy", "maymove", "dontunmap", "retain",
};

int
pages_rung_named(const char *name)
{
    for (int rung = 0; rung < PAGES_NRUNGS; rung++) {
        if (strcmp(name, pages_rung_names[rung]) == 0) {
            return rung;
        }
    }
    return -1;
}

/* Both meanings of the one flag: RETAIN of 2014 and DONTUNMAP of Linux 5.7. */
#define KEEP_SOURCE 4
#define ACCESS (PROT_READ | PROT_WRITE)
/* Never MAP_SHARED: a shared mapping that grows faults with SIGBUS past its old end.
 * NORESERVE: a doubled span is not a promise to use it. */
#define PRIVATE (MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE)

static int
map_somewhere(size_t length, int protection, char **address)
{
    void *mapped = pages_ops.map(NULL, length, protection, PRIVATE);
    if (mapped == MAP_FAILED) {
        *address = NULL;
        return errno != 0 ? errno : ENOMEM;
    }
    assert(mapped != NULL); /* only MAP_FIXED gets address 0 */
    *address = mapped;
    return 0;
}

/* Newer kernels align large mappings to 2 MiB by themselves; on others map 2 MiB more
 * and cut:  |<-head->|<------length------>|<-rest->|  with head + rest = 2 MiB. */
static int
map_aligned(size_t length, int protection, char **address)
{
    char *mapped;
    int error = map_somewhere(length, protection, &mapped);
    if (error == 0 && (uintptr_t)mapped % GROWTH_QUANTUM != 0) {
        pages_unmap(mapped, length);
        error = map_somewhere(length + GROWTH_QUANTUM, protection, &mapped);
        if (error == 0) {
            size_t head = -(uintptr_t)mapped % GROWTH_QUANTUM;
            size_t rest = GROWTH_QUANTUM - head;
            if (head > 0) {
                pages_unmap(mapped, head);
            }
            if (rest > 0) {
                pages_unmap(mapped + head + length, rest);
            }
            mapped += head;
        }
    }
    if (error == 0) {
        *address = mapped;
    }
    return error;
}

int
pages_map(size_t length, char **address)
{
    return map_aligned(length, ACCESS, address);
}

int
pages_reserve(size_t length, char **address)
{
    return map_aligned(length, PROT_NONE, address);
}

void
pages_unmap(char *address, size_t length)
{
    /* It can fail only by cutting one mapping in two at vm.max_map_count. Then the
     * range stays mapped and unused, but its memory need not stay. */
    if (pages_ops.unmap(address, length) != 0) {
        (void)pages_ops.advise(address, length, MADV_DONTNEED);
    }
}

static int
remap(char *address, size_t length, size_t new_length, int flags, char *target,
      char **moved)
{
    void *mapped = pages_ops.remap(address, length, new_length, flags, target);
    if (mapped == MAP_FAILED) {
        return errno;
    }
    *moved = mapped;
    return 0;
}

int
pages_move_retain(char *address, size_t length, size_t new_length, char **moved)
{
    int flags = MREMAP_MAYMOVE | KEEP_SOURCE;
    return remap(address, length, new_length, flags, NULL, moved);
}

/* Not FIXED: a second mapping of the same length may be refused by a limit, after what
 * is at a fixed target has gone; and another thread may be there by the time it could
 * be unmapped. */
int
pages_move_dontunmap(char *address, size_t length, char *target, char **moved)
{
    int flags = MREMAP_MAYMOVE | KEEP_SOURCE;
    int error = remap(address, length, length, flags, target, moved);
    return error == 0 && *moved == address ? ENOTSUP : error;
}

int
pages_move_onto(char *address, size_t length, char *target)
{
    int flags = MREMAP_MAYMOVE | MREMAP_FIXED;
    return remap(address, length, length, flags, target, &target);
}

int
pages_move_anywhere(char *address, size_t length, size_t new_length, char **moved)
{
    return remap(address, length, new_length, MREMAP_MAYMOVE, NULL, moved);
}

int
pages_extend(char *address, size_t length, size_t new_length)
{
    return remap(address, length, new_length, 0, NULL, &address);
}

static int
advise(char *address, size_t length, int advice)
{
    return pages_ops.advise(address, length, advice) == 0 ? 0 : errno;
}

int
pages_advise_huge(char *address, size_t length)
{
    return pages_facts.huge == PAGES_HUGE_NEVER
               ? ENOTSUP
               : advise(address, length, MADV_HUGEPAGE);
}

int
pages_advise_small(char *address, size_t length)
{
    return pages_facts.huge == PAGES_HUGE_ALWAYS
               ? advise(address, length, MADV_NOHUGEPAGE)
               : 0;
}

int
pages_hide(char *address, size_t length)
{
    return advise(address, length, MADV_DONTDUMP);
}

int
pages_open(char *address, size_t length)
{
    if (pages_ops.protect(address, length, ACCESS) != 0) {
        return errno;
    }
    (void)advise(address, length, MADV_DODUMP);
    return 0;
}

int
pages_populate(char *address, size_t length)
{
    return pages_facts.populate ? pages_facts.populate
                                : advise(address, length, MADV_POPULATE_WRITE);
}

int
pages_discard(char *address, size_t length)
{
    return advise(address, length, MADV_DONTNEED);
}

int
pages_offer(char *address, size_t length)
{
    return advise(address, length, MADV_FREE);
}

/* Move `source`, one page with another mapped behind it, by one rung: one page arrives,
 * or two where the move grows it. */
static int
try_move(enum pages_rung rung, char *source, char *target, char **moved)
{
    size_t nbytes = pages_facts.page_nbytes;
    *moved = target;
    switch (rung) {
    case PAGES_RETAIN:
        return pages_move_retain(source, nbytes, 2 * nbytes, moved);
    case PAGES_DONTUNMAP:
        return pages_move_dontunmap(source, nbytes, NULL, moved);
    case PAGES_MAYMOVE:
        return pages_move_onto(source, nbytes, target);
    default:
        *moved = source;
        return 0;
    }
}

/* Try a rung on one page and see that its byte arrives, and that it stays mapped and
 * reads as zero where the source is kept. */
static int
try_rung(enum pages_rung rung)
{
    size_t nbytes = pages_facts.page_nbytes;
    char *source, *target, *moved;
    int error = map_somewhere(2 * nbytes, ACCESS, &source);
    if (error) {
        return error;
    }
    error = map_somewhere(2 * nbytes, PROT_NONE, &target);
    if (error) {
        pages_unmap(source, 2 * nbytes);
        return error;
    }
    *source = 1;
    error = try_move(rung, source, target, &moved);
    bool gone = error == 0 && rung == PAGES_MAYMOVE;
    bool kept = error == 0 && rung > PAGES_MAYMOVE;
    if (error == 0 && (*moved != 1 || (kept && *source != 0))) {
        error = ENOTSUP;
    }
    pages_unmap(gone ? source + nbytes : source, gone ? nbytes : 2 * nbytes);
    pages_unmap(target, 2 * nbytes);
    if (moved != target && moved != source) {
        pages_unmap(moved, rung == PAGES_RETAIN ? 2 * nbytes : nbytes);
    }
    return error;
}

static int
try_populate(void)
{
    char *page;
    int error = map_somewhere(pages_facts.page_nbytes, ACCESS, &page);
    if (error) {
        return error;
    }
    error = advise(page, pages_facts.page_nbytes, MADV_POPULATE_WRITE);
    pages_unmap(page, pages_facts.page_nbytes);
    return error;
}

void
pages_probe(enum pages_rung highest)
{
    pages_facts.page_nbytes = system_page_nbytes();
    for (int rung = PAGES_COPY; rung < PAGES_NRUNGS; rung++) {
        pages_facts.answers[rung] = try_rung((enum pages_rung)rung);
    }
    pages_facts.populate = try_populate();
    pages_facts.huge = system_huge();
    pages_facts.rung = highest;
    while (pages_facts.answers[pages_facts.rung] != 0) {
        pages_facts.rung--;
    }
}
