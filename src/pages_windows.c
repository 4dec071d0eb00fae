/* pages_windows: the mappings and locks of Windows. There is no helper thread.
 *
 * Windows distinguishes reserved address space from committed memory. A committed page
 * counts as used, so spans are committed in steps, as they are used. A reservation can
 * be released only as a whole. */
#include "pages_system.h"

#ifdef _WIN32

#include <assert.h>
#include <errno.h>
#include <windows.h>

/* ---------------------------------------------------------------------- mappings */

static void *
windows_map(size_t length, int access)
{
    bool opened = access == PAGES_OPENED;
    assert(length > 0 && (opened || access == PAGES_CLOSED));
    DWORD type = opened ? MEM_RESERVE | MEM_COMMIT : MEM_RESERVE;
    void *mapped = VirtualAlloc(NULL, length, type, PAGE_READWRITE);
    if (mapped == NULL) {
        errno = ENOMEM;
        return PAGES_FAILED;
    }
    return mapped;
}

static int
windows_unmap(void *address, size_t length)
{
    assert(address != NULL && length > 0);
    (void)length; /* VirtualFree() releases the whole reservation */
    if (!VirtualFree(address, 0, MEM_RELEASE)) {
        errno = EINVAL;
        return -1;
    }
    return 0;
}

/* Commit a range. For pages that are committed already this does nothing. */
static int
windows_protect(void *address, size_t length, int access)
{
    assert(address != NULL && length > 0 && access == PAGES_OPENED);
    (void)access;
    if (VirtualAlloc(address, length, MEM_COMMIT, PAGE_READWRITE) == NULL) {
        errno = ENOMEM;
        return -1;
    }
    return 0;
}

static size_t
windows_page_nbytes(void)
{
    SYSTEM_INFO info;
    GetSystemInfo(&info);
    assert(info.dwPageSize > 0 && (info.dwPageSize & (info.dwPageSize - 1)) == 0);
    return info.dwPageSize;
}

/* Let Windows discard the content of a range, which stays committed. Unlocking pages
 * that are not locked removes them from the working set of the process at once. */
static bool
offer(void *address, size_t length)
{
    if (VirtualAlloc(address, length, MEM_RESET, PAGE_READWRITE) == NULL) {
        return false;
    }
    (void)VirtualUnlock(address, length);
    return true;
}

static int
windows_advise(void *address, size_t length, int advice)
{
    assert((uintptr_t)address % pages_facts.page_nbytes == 0 && length > 0);
    switch (advice) {
    case PAGES_ADVICE_DISCARD:
        errno = EINVAL;
        return VirtualFree(address, length, MEM_DECOMMIT) ? 0 : -1;
    case PAGES_ADVICE_OFFER:
        errno = EINVAL;
        return offer(address, length) ? 0 : -1;
    default:
        errno = ENOTSUP;
        return -1;
    }
}

/* ------------------------------------------------------------ locks, once, clock */

static SRWLOCK locks[PAGES_NLOCKS] = {SRWLOCK_INIT, SRWLOCK_INIT};

static void
windows_lock(enum pages_lock lock)
{
    assert((int)lock >= 0 && lock < PAGES_NLOCKS);
    AcquireSRWLockExclusive(&locks[lock]);
}

static void
windows_unlock(enum pages_lock lock)
{
    assert((int)lock >= 0 && lock < PAGES_NLOCKS);
    ReleaseSRWLockExclusive(&locks[lock]);
}

/* There is no helper thread, and threads wait for nothing else. */
static bool
windows_wait(enum pages_lock lock, unsigned timeout_ms)
{
    (void)lock, (void)timeout_ms;
    return false;
}

static void
windows_wake(enum pages_lock lock)
{
    (void)lock;
}

static bool
windows_start_thread(void (*work)(void))
{
    (void)work;
    return false;
}

static void
windows_join_thread(void)
{
}

static BOOL CALLBACK
call(INIT_ONCE *once, void *function, void **context)
{
    (void)once, (void)context;
    (*(void (**)(void))function)();
    return TRUE;
}

static void
windows_once(void (*function)(void))
{
    static INIT_ONCE once = INIT_ONCE_STATIC_INIT;
    assert(function != NULL);
    InitOnceExecuteOnce(&once, call, &function, NULL);
}

static void
windows_at_fork(const struct pages_fork_hooks *hooks)
{
    (void)hooks; /* Windows has no fork */
}

static uint64_t
windows_clock_ms(void)
{
    return GetTickCount64();
}

#define WINDOWS_OPS                                                                    \
    {.map = windows_map,                                                               \
     .unmap = windows_unmap,                                                           \
     .advise = windows_advise,                                                         \
     .protect = windows_protect,                                                       \
     .page_nbytes = windows_page_nbytes,                                               \
     .whole_only = true,                                                               \
     .in_steps = true,                                                                 \
     .clock_ms = windows_clock_ms,                                                     \
     .lock = windows_lock,                                                             \
     .unlock = windows_unlock,                                                         \
     .wait = windows_wait,                                                             \
     .wake = windows_wake,                                                             \
     .start_thread = windows_start_thread,                                             \
     .join_thread = windows_join_thread,                                               \
     .once = windows_once,                                                             \
     .at_fork = windows_at_fork}

const struct pages_ops pages_system_ops = WINDOWS_OPS;
struct pages_ops pages_ops = WINDOWS_OPS;

#endif
