/* pages_posix: locks, threads and fork of POSIX, and the table of systems but Linux. */
#define _GNU_SOURCE
#include "pages_system.h"

#ifndef _WIN32

#include <pthread.h>
#include <signal.h>
#include <time.h>

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
    pthread_mutex_lock(&locks[lock].mutex);
}

void
posix_unlock(enum pages_lock lock)
{
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

/* Make the condition variables new: the threads that waited in the parent do not exist
 * in the child. */
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
    after_in_child = hooks->after_in_child;
    pthread_atfork(hooks->before, hooks->after_in_parent, reset_in_child);
}

#ifndef __linux__

static uint64_t
posix_clock_ms(void)
{
    struct timespec now = {0};
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

#define POSIX_OPS {.clock_ms = posix_clock_ms, PAGES_POSIX_THREADS}

const struct pages_ops pages_system_ops = POSIX_OPS;
struct pages_ops pages_ops = POSIX_OPS;

#endif
#endif
