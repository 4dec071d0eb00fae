#define _GNU_SOURCE
#include "prefault.h"

#include "pages.h"

#ifdef __linux__

#include <pthread.h>
#include <signal.h>
#include <time.h>

enum {
    MOST_ORDERS = 16,               /* one more is refused: it is only help */
    PIECE_NBYTES = 2 * 1024 * 1024, /* a huge page */
    IDLE_MS = 20,
    STACK_NBYTES = 128 * 1024
};

struct range {
    char *start, *end;
};

/* All of it under the lock; a piece is touched without, and is `busy` meanwhile. */
static struct {
    struct range orders[MOST_ORDERS];
    size_t norders;
    struct range busy;
    bool running;
} helper;

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t ordered = PTHREAD_COND_INITIALIZER;
static pthread_cond_t done = PTHREAD_COND_INITIALIZER;

static bool
overlap(const struct range *one, const struct range *two)
{
    return one->start < two->end && two->start < one->end;
}

static void
remove_order(size_t i)
{
    helper.norders--;
    for (; i < helper.norders; i++) {
        helper.orders[i] = helper.orders[i + 1];
    }
}

/* Cut the last piece off the oldest order. */
static struct range
next_piece(void)
{
    struct range *order = &helper.orders[0];
    struct range piece = *order;
    if ((size_t)(piece.end - piece.start) > PIECE_NBYTES) {
        piece.start = piece.end - PIECE_NBYTES;
    }
    order->end = piece.start;
    if (order->end == order->start) {
        remove_order(0);
    }
    return piece;
}

/* Wait for an order. Return false if none comes for a while. */
static bool
wait_for_order(void)
{
    struct timespec until;
    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_nsec += IDLE_MS * 1000000L;
    if (until.tv_nsec >= 1000000000L) {
        until.tv_sec++;
        until.tv_nsec -= 1000000000L;
    }
    while (helper.norders == 0) {
        if (pthread_cond_timedwait(&ordered, &mutex, &until) != 0) {
            return helper.norders > 0;
        }
    }
    return true;
}

static void *
work(void *unused)
{
    pthread_mutex_lock(&mutex);
    while (helper.norders > 0 || wait_for_order()) {
        struct range piece = helper.busy = next_piece();
        pthread_mutex_unlock(&mutex);
        (void)pages_populate(piece.start, (size_t)(piece.end - piece.start));
        pthread_mutex_lock(&mutex);
        helper.busy = (struct range){NULL, NULL};
        pthread_cond_broadcast(&done);
    }
    helper.running = false;
    pthread_mutex_unlock(&mutex);
    return unused;
}

/* Start the thread, with all signals blocked: they are for the threads of the program. */
static bool
start(void)
{
    pthread_t thread;
    pthread_attr_t attributes;
    sigset_t all, before;
    sigfillset(&all);
    pthread_attr_init(&attributes);
    pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
    pthread_attr_setstacksize(&attributes, STACK_NBYTES);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    bool started = pthread_create(&thread, &attributes, work, NULL) == 0;
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    pthread_attr_destroy(&attributes);
    return started;
}

void
prefault_ask(char *address, size_t length)
{
    if (length == 0) {
        return;
    }
    pthread_mutex_lock(&mutex);
    if (helper.norders < MOST_ORDERS) {
        helper.orders[helper.norders++] = (struct range){address, address + length};
        helper.running = helper.running || start();
        if (!helper.running) {
            helper.norders = 0;
        }
        pthread_cond_signal(&ordered);
    }
    pthread_mutex_unlock(&mutex);
}

void
prefault_stop(const char *address, size_t length)
{
    struct range range = {(char *)address, (char *)address + length};
    pthread_mutex_lock(&mutex);
    for (size_t i = helper.norders; i-- > 0;) {
        if (overlap(&helper.orders[i], &range)) {
            remove_order(i);
        }
    }
    while (overlap(&helper.busy, &range)) {
        pthread_cond_wait(&done, &mutex);
    }
    pthread_mutex_unlock(&mutex);
}

void
prefault_before_fork(void)
{
    pthread_mutex_lock(&mutex);
}

void
prefault_after_fork(bool in_child)
{
    if (in_child) {
        helper.norders = 0;
        helper.busy = (struct range){NULL, NULL};
        helper.running = false;
        pthread_cond_init(&ordered, NULL);
        pthread_cond_init(&done, NULL);
    }
    pthread_mutex_unlock(&mutex);
}

#else /* No pages to have present. */

void
prefault_ask(char *address, size_t length)
{
    (void)address, (void)length;
}

void
prefault_stop(const char *address, size_t length)
{
    (void)address, (void)length;
}

void
prefault_before_fork(void)
{
}

void
prefault_after_fork(bool in_child)
{
    (void)in_child;
}

#endif
