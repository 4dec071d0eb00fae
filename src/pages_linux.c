/* pages_linux: the system calls of Linux. */
#define _GNU_SOURCE
#include "pages_system.h"

#if defined __linux__ && !defined GROWBUF_PAGES_POSIX

#include <assert.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#ifndef MADV_POPULATE_WRITE
#define MADV_POPULATE_WRITE 23
#endif

static_assert((int)PAGES_OPENED == (PROT_READ | PROT_WRITE), "mprotect() takes it");
static_assert((int)PAGES_ADVICE_DISCARD == MADV_DONTNEED, "madvise() takes it");
static_assert((int)PAGES_ADVICE_OFFER == MADV_FREE, "madvise() takes it");
static_assert((int)PAGES_ADVICE_HUGE == MADV_HUGEPAGE, "madvise() takes it");
static_assert((int)PAGES_ADVICE_SMALL == MADV_NOHUGEPAGE, "madvise() takes it");
static_assert((int)PAGES_ADVICE_HIDE == MADV_DONTDUMP, "madvise() takes it");
static_assert((int)PAGES_ADVICE_SHOW == MADV_DODUMP, "madvise() takes it");
static_assert((int)PAGES_ADVICE_POPULATE == MADV_POPULATE_WRITE, "madvise() takes it");

/* MAP_PRIVATE, because a shared mapping that has grown raises SIGBUS when it is
 * accessed past its old end. MAP_NORESERVE, because a span has more address space than
 * its store may ever use. */
static void *
linux_map(size_t length, int access)
{
    assert(length > 0);
    int flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE;
    return mmap(NULL, length, access, flags, -1, 0);
}

/* The wrapper of libc is not used. Some versions read the fifth argument only with
 * MREMAP_FIXED, and otherwise pass an undefined value to the kernel. */
static void *
linux_remap(void *address, size_t length, size_t new_length, int flags,
            void *new_address)
{
    return (void *)syscall(SYS_mremap, address, length, new_length, flags, new_address);
}

static size_t
linux_page_nbytes(void)
{
    long nbytes = sysconf(_SC_PAGESIZE);
    return nbytes > 0 ? (size_t)nbytes : 4096;
}

/* Read the first `size` - 1 bytes of a file as a string, which is "" if the file cannot
 * be read. */
static void
read_text(const char *path, char *text, size_t size)
{
    ssize_t nbytes = 0;
    int file = open(path, O_RDONLY | O_CLOEXEC);
    if (file >= 0) {
        nbytes = read(file, text, size - 1);
        close(file);
    }
    text[nbytes > 0 ? nbytes : 0] = '\0';
}

/* Read one setting. It is the word in brackets: "always [madvise] never". If that is
 * "inherit", or the file cannot be read, return `inherited`. */
static enum pages_huge
read_setting(const char *directory, const char *name, enum pages_huge inherited)
{
    char path[128], text[64];
    snprintf(path, sizeof path, "%s/%s", directory, name);
    read_text(path, text, sizeof text);
    return strstr(text, "[always]")    ? PAGES_HUGE_ALWAYS
           : strstr(text, "[madvise]") ? PAGES_HUGE_MADVISE
           : strstr(text, "[never]")   ? PAGES_HUGE_NEVER
                                       : inherited;
}

/* Since Linux 6.8 each size of page has a setting of its own, which may be "inherit":
 * that of all sizes. Advice is for all sizes at once: a program that asks for pages of
 * 64 KiB gets pages of 2 MiB too, if these may be used. */
enum pages_huge
pages_linux_setting(const char *directory)
{
    enum pages_huge all = read_setting(directory, "enabled", PAGES_HUGE_UNKNOWN);
    enum pages_huge large = read_setting(directory, "hugepages-2048kB/enabled", all);
    enum pages_huge medium = read_setting(directory, "hugepages-64kB/enabled", all);
    bool gives = medium == PAGES_HUGE_MADVISE || medium == PAGES_HUGE_ALWAYS;
    return large == PAGES_HUGE_NEVER && gives ? PAGES_HUGE_64K : large;
}

/* A parent process may have disabled huge pages for this process. Only prctl(2) reports
 * that; madvise(2) succeeds all the same. */
static enum pages_huge
linux_huge(void)
{
    return prctl(PR_GET_THP_DISABLE, 0, 0, 0, 0) == 1
               ? PAGES_HUGE_NEVER
               : pages_linux_setting("/sys/kernel/mm/transparent_hugepage");
}

/* Count the mappings: the lines of /proc/self/maps. This allocates no memory. */
static size_t
count_mappings(void)
{
    char text[4096];
    size_t nlines = 0;
    ssize_t nbytes;
    int file = open("/proc/self/maps", O_RDONLY | O_CLOEXEC);
    while (file >= 0 && (nbytes = read(file, text, sizeof text)) > 0) {
        for (ssize_t i = 0; i < nbytes; i++) {
            nlines += text[i] == '\n';
        }
    }
    if (file >= 0) {
        close(file);
    }
    return nlines;
}

/* Reserving address space takes a few more mappings for a short time. */
enum { MAPPINGS_TO_SPARE = 4 };

static enum pages_shortage
linux_shortage(size_t length)
{
    char text[64];
    struct rlimit limit;
    read_text("/proc/sys/vm/max_map_count", text, sizeof text);
    size_t max_mappings = strtoul(text, NULL, 10);
    if (max_mappings > 0 && count_mappings() + MAPPINGS_TO_SPARE > max_mappings) {
        return PAGES_SHORT_OF_MAPPINGS;
    }
    read_text("/proc/self/statm", text, sizeof text);
    size_t mapped = strtoul(text, NULL, 10) * linux_page_nbytes();
    if (getrlimit(RLIMIT_AS, &limit) == 0 && limit.rlim_cur != RLIM_INFINITY &&
        (length > limit.rlim_cur || mapped > limit.rlim_cur - length)) {
        return PAGES_SHORT_BY_RLIMIT;
    }
    return PAGES_SHORT_OF_SPACE;
}

static uint64_t
linux_clock_ms(void)
{
    struct timespec now = {0};
    clock_gettime(CLOCK_MONOTONIC_COARSE, &now);
    return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

#define LINUX_OPS                                                                      \
    {.map = linux_map,                                                                 \
     .unmap = munmap,                                                                  \
     .remap = linux_remap,                                                             \
     .advise = madvise,                                                                \
     .protect = mprotect,                                                              \
     .page_nbytes = linux_page_nbytes,                                                 \
     .huge = linux_huge,                                                               \
     .shortage = linux_shortage,                                                       \
     .clock_ms = linux_clock_ms,                                                       \
     PAGES_POSIX_THREADS}

const struct pages_ops pages_system_ops = LINUX_OPS;
struct pages_ops pages_ops = LINUX_OPS;

#endif
