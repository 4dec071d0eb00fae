/* pages_posix: the locks, threads and fork hooks of all POSIX systems, and the table of
 * those without mremap(), such as macOS and the BSDs. A build on Linux with
 * GROWBUF_PAGES_POSIX (setup.py) uses that table too, so that tests can run it. */
#define _GNU_SOURCE
#include "pages_system.h"

#ifndef _WIN32

#include <assert.h>
#include <pthread.h>
#include <signal.h>
#include <time.h>

#if !defined __linux__ || defined GROWBUF_PAGES_POSIX
#define IS_SYSTEM
#include <errno.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <unistd.h>
#endif

enum { STACK_NBYTES = 128 * 1024 };

static struct {
    pthread_mutex_t mutex;
    pthread_cond_t condition;
} locks[PAGES_NLOCKS] = {
    [PAGES_LOCK_POOL] = {PTHREAD_MUTEX_INITIALIZER, PTHREAD_COND_INITIALIZER},
    [PAGES_LOCK_PREFAULT] = {PTHREAD_MUTEX_INITIALIZER, PTHREAD_COND_INITIALIZER},
};

void
posix_lock(enum pages_lock lock)
{
    assert((int)lock >= 0 && lock < PAGES_NLOCKS);
    pthread_mutex_lock(&locks[lock].mutex);
}

void
posix_unlock(enum pages_lock lock)
{
    assert((int)lock >= 0 && lock < PAGES_NLOCKS);
    pthread_mutex_unlock(&locks[lock].mutex);
}

bool
posix_wait(enum pages_lock lock, unsigned timeout_ms)
{
    if (timeout_ms == 0) {
        return pthread_cond_wait(&locks[lock].condition, &locks[lock].mutex) == 0;
    }
    struct timespec until;
    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_sec += timeout_ms / 1000;
    until.tv_nsec += (long)(timeout_ms % 1000) * 1000000L;
    if (until.tv_nsec >= 1000000000L) {
        until.tv_sec++;
        until.tv_nsec -= 1000000000L;
    }
    return pthread_cond_timedwait(&locks[lock].condition, &locks[lock].mutex, &until) ==
           0;
}

void
posix_wake(enum pages_lock lock)
{
    pthread_cond_broadcast(&locks[lock].condition);
}

/* ------------------------------------------------------------------ the thread */

static pthread_t thread;

static void *
run(void *work)
{
    (*(void (**)(void))work)();
    return NULL;
}

/* Block all signals in the helper, so that other threads handle them. */
bool
posix_start_thread(void (*work)(void))
{
    static void (*current_work)(void);
    pthread_attr_t attributes;
    sigset_t all, before;
    current_work = work;
    sigfillset(&all);
    pthread_attr_init(&attributes);
    pthread_attr_setstacksize(&attributes, STACK_NBYTES);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    bool started = pthread_create(&thread, &attributes, run, &current_work) == 0;
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    pthread_attr_destroy(&attributes);
    return started;
}

void
posix_join_thread(void)
{
    pthread_join(thread, NULL);
}

/* ------------------------------------------------------------------ once, and fork */

void
posix_once(void (*function)(void))
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, function);
}

static void (*after_in_child)(void);

/* Initialize the condition variables again: the threads that waited in the parent do
 * not exist in the child. */
static void
reset_in_child(void)
{
    for (int lock = 0; lock < PAGES_NLOCKS; lock++) {
        pthread_cond_init(&locks[lock].condition, NULL);
    }
    after_in_child();
}

void
posix_at_fork(const struct pages_fork_hooks *hooks)
{
    assert(hooks->after_in_child != NULL);
    after_in_child = hooks->after_in_child;
    pthread_atfork(hooks->before, hooks->after_in_parent, reset_in_child);
}

/* ---------------------------------------------------------------------- mappings */

#ifdef IS_SYSTEM

#ifndef MAP_ANONYMOUS
#define MAP_ANONYMOUS MAP_ANON
#endif
/* Systems without this flag do not count private mappings as promised memory. */
#ifndef MAP_NORESERVE
#define MAP_NORESERVE 0
#endif
#define PRIVATE (MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE)

static_assert((int)PAGES_CLOSED == PROT_NONE, "mprotect() takes it");
static_assert((int)PAGES_OPENED == (PROT_READ | PROT_WRITE), "mprotect() takes it");

static void *
posix_map(size_t length, int access)
{
    assert(length > 0 && (access == PAGES_CLOSED || access == PAGES_OPENED));
    return mmap(NULL, length, access, PRIVATE, -1, 0);
}

/* MADV_DONTNEED leaves the bytes unchanged on most systems. So map the range again: a
 * new mapping reads as zero on all systems. */
static int
posix_discard(void *address, size_t length)
{
    assert((uintptr_t)address % pages_facts.page_nbytes == 0 && length > 0);
    int flags = PRIVATE | MAP_FIXED;
    void *mapped = mmap(address, length, PROT_READ | PROT_WRITE, flags, -1, 0);
    assert(mapped == address || mapped == MAP_FAILED);
    return mapped == MAP_FAILED ? -1 : 0;
}

static int
posix_advise(void *address, size_t length, int advice)
{
    switch (advice) {
    case PAGES_ADVICE_DISCARD:
        return posix_discard(address, length);
#ifdef MADV_FREE
    case PAGES_ADVICE_OFFER:
        return madvise(address, length, MADV_FREE);
#endif
#ifdef MADV_NOCORE /* the BSDs */
    case PAGES_ADVICE_HIDE:
        return madvise(address, length, MADV_NOCORE);
    case PAGES_ADVICE_SHOW:
        return madvise(address, length, MADV_CORE);
#endif
    default:
        errno = ENOTSUP;
        return -1;
    }
}

static size_t
posix_page_nbytes(void)
{
    long nbytes = sysconf(_SC_PAGESIZE);
    assert(nbytes <= 0 || (nbytes & (nbytes - 1)) == 0);
    return nbytes > 0 ? (size_t)nbytes : 4096;
}

/* POSIX does not report how much address space a process uses. If there is a limit,
 * assume that it is the reason: without a limit, a 64-bit system does not run out. */
static enum pages_shortage
posix_shortage(size_t length)
{
    assert(length > 0);
    (void)length;
#ifdef RLIMIT_AS
    struct rlimit limit;
    if (getrlimit(RLIMIT_AS, &limit) == 0 && limit.rlim_cur != RLIM_INFINITY) {
        return PAGES_SHORT_BY_RLIMIT;
    }
#endif
    return PAGES_SHORT_OF_SPACE;
}

static uint64_t
posix_clock_ms(void)
{
    struct timespec now = {0};
    clock_gettime(CLOCK_MONOTONIC, &now);
    assert(now.tv_sec >= 0 && now.tv_nsec < 1000000000L);
    return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

#define POSIX_OPS                                                                      \
    {.map = posix_map,                                                                 \
     .unmap = munmap,                                                                  \
     .advise = posix_advise,                                                           \
     .protect = mprotect,                                                              \
     .page_nbytes = posix_page_nbytes,                                                 \
     .shortage = posix_shortage,                                                       \
     .clock_ms = posix_clock_ms,                                                       \
     PAGES_POSIX_THREADS}

const struct pages_ops pages_system_ops = POSIX_OPS;
struct pages_ops pages_ops = POSIX_OPS;

#endif
#endif
