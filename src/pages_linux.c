/* pages_linux: the system calls of Linux. */
#define _GNU_SOURCE
#include "pages_system.h"

#ifdef __linux__

#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

static void *
linux_map(void *address, size_t length, int protection, int flags)
{
    return mmap(address, length, protection, flags, -1, 0);
}

/* The libc wrapper is not used: some versions read the fifth argument only under
 * MREMAP_FIXED and hand the kernel garbage otherwise. */
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

/* The setting is the word in brackets: "always [madvise] never". A parent process may
 * have denied huge pages to this one, which madvise(2) does not report. */
static enum pages_huge
linux_huge(void)
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
           : strstr(text, "[never]")   ? PAGES_HUGE_NEVER
                                       : PAGES_HUGE_UNKNOWN;
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
     .clock_ms = linux_clock_ms,                                                       \
     PAGES_POSIX_THREADS}

const struct pages_ops pages_system_ops = LINUX_OPS;
struct pages_ops pages_ops = LINUX_OPS;

#endif
