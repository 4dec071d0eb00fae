/* mman: what the fake kernel of tests/c needs of Linux's <sys/mman.h>, for Windows: its
 * arena is one reservation, of which pages are committed when they are made accessible.
 * Only tests include this file.
 */
#ifndef GROWBUF_TESTS_MMAN_H
#define GROWBUF_TESTS_MMAN_H

#include <assert.h>
#include <errno.h>
#include <stddef.h>
#include <windows.h>

#include <psapi.h>

enum { PROT_NONE = 0, PROT_READ = 1, PROT_WRITE = 2 };
enum { MAP_PRIVATE = 0x2, MAP_ANONYMOUS = 0x20, MAP_NORESERVE = 0x4000 };
enum { MREMAP_MAYMOVE = 1, MREMAP_FIXED = 2 };
enum { MADV_DONTNEED = 4, MADV_FREE = 8, MADV_HUGEPAGE = 14, MADV_NOHUGEPAGE = 15 };
enum { MADV_DONTDUMP = 16, MADV_DODUMP = 17 };
#define MAP_FAILED ((void *)-1)

static inline void *
mmap(void *address, size_t length, int protection, int flags, int file, long offset)
{
    assert(address == NULL && protection == PROT_NONE && file == -1 && offset == 0);
    (void)address, (void)protection, (void)flags, (void)file, (void)offset;
    void *mapped = VirtualAlloc(NULL, length, MEM_RESERVE, PAGE_NOACCESS);
    return mapped == NULL ? MAP_FAILED : mapped;
}

/* Call `change` for each run of committed pages in a range that have one protection. */
static inline int
mman_each(char *from, size_t length, BOOL (*change)(char *, size_t, DWORD))
{
    for (char *to = from + length; from < to;) {
        MEMORY_BASIC_INFORMATION info;
        if (VirtualQuery(from, &info, sizeof info) == 0) {
            return -1;
        }
        char *end = (char *)info.BaseAddress + info.RegionSize;
        end = end < to ? end : to;
        if (info.State == MEM_COMMIT &&
            !change(from, (size_t)(end - from), info.Protect)) {
            return -1;
        }
        from = end;
    }
    return 0;
}

static inline BOOL
mman_close(char *from, size_t length, DWORD protection)
{
    DWORD before;
    return protection == PAGE_NOACCESS ||
           VirtualProtect(from, length, PAGE_NOACCESS, &before);
}

static inline BOOL
mman_clear(char *from, size_t length, DWORD protection)
{
    return VirtualFree(from, length, MEM_DECOMMIT) &&
           (protection == PAGE_NOACCESS ||
            VirtualAlloc(from, length, MEM_COMMIT, protection) != NULL);
}

static inline int
mprotect(void *address, size_t length, int protection)
{
    DWORD before;
    if (protection == PROT_NONE) {
        return mman_each(address, length, mman_close);
    }
    return VirtualAlloc(address, length, MEM_COMMIT, PAGE_READWRITE) != NULL &&
                   VirtualProtect(address, length, PAGE_READWRITE, &before)
               ? 0
               : -1;
}

static inline int
madvise(void *address, size_t length, int advice)
{
    return advice == MADV_DONTNEED ? mman_each(address, length, mman_clear) : 0;
}

/* Many pages in one call: under wine each call reads a file of the system. */
static inline int
mincore(void *address, size_t length, unsigned char *present)
{
    enum { PAGE_NBYTES = 4096, NPAGES = 1024 };
    static PSAPI_WORKING_SET_EX_INFORMATION infos[NPAGES];
    size_t npages = (length + PAGE_NBYTES - 1) / PAGE_NBYTES;
    for (size_t first = 0; first < npages; first += NPAGES) {
        size_t n = npages - first < NPAGES ? npages - first : NPAGES;
        for (size_t i = 0; i < n; i++) {
            infos[i].VirtualAddress = (char *)address + (first + i) * PAGE_NBYTES;
        }
        DWORD nbytes = (DWORD)(n * sizeof *infos);
        if (!K32QueryWorkingSetEx(GetCurrentProcess(), infos, nbytes)) {
            return -1;
        }
        for (size_t i = 0; i < n; i++) {
            present[first + i] = infos[i].VirtualAttributes.Valid;
        }
    }
    return 0;
}

#endif
