/* pages_windows: locks of Windows, and a table without mappings or a helper thread. */
#include "pages_system.h"

#ifdef _WIN32

#include <windows.h>

static SRWLOCK locks[PAGES_NLOCKS] = {SRWLOCK_INIT, SRWLOCK_INIT};

static void
windows_lock(enum pages_lock lock)
{
    AcquireSRWLockExclusive(&locks[lock]);
}

static void
windows_unlock(enum pages_lock lock)
{
    ReleaseSRWLockExclusive(&locks[lock]);
}

/* There is no helper thread, so no thread ever waits. */
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
    {.clock_ms = windows_clock_ms,                                                     \
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
