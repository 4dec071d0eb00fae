/* prefault: a helper thread that makes pages present before the writer reaches them. */
#include "prefault.h"

#include <assert.h>
#include <stdbool.h>

#include "pages.h"

enum {
    MAX_REQUESTS = 16,              /* a further request is ignored */
    PIECE_NBYTES = 2 * 1024 * 1024, /* a huge page */
    IDLE_MS = 20 /* the helper ends after waiting this long for a request */
};

/* The pages to make present: those of a request, or of a piece of one. */
struct range {
    char *start, *end;
};

/* PAGES_LOCK_PREFAULT protects all fields. Its condition variable is signalled when a
 * request is added, when the helper is told to end, and when `busy` or `joining` is
 * cleared. */
static struct {
    struct range requests[MAX_REQUESTS]; /* oldest first */
    size_t nrequests;
    struct range busy; /* the piece that the helper is touching without the lock */
    bool running; /* the helper was started, has not ended and was not told to end */
    bool started; /* the helper was started, and no thread has begun to join it */
    bool joining; /* a thread is joining the helper without the lock */
    bool forking; /* between the hooks of fork(): start no helper */
} helper;

static void
lock(void)
{
    pages_ops.lock(PAGES_LOCK_PREFAULT);
}

static void
unlock(void)
{
    pages_ops.unlock(PAGES_LOCK_PREFAULT);
}

static bool
overlap(const struct range *one, const struct range *two)
{
    return one->start < two->end && two->start < one->end;
}

static void
remove_request(size_t i)
{
    assert(i < helper.nrequests && helper.nrequests <= MAX_REQUESTS);
    helper.nrequests--;
    for (; i < helper.nrequests; i++) {
        helper.requests[i] = helper.requests[i + 1];
    }
}

/* Remove the last piece of the oldest request and return it. */
static struct range
next_piece(void)
{
    struct range *request = &helper.requests[0];
    struct range piece = *request;
    assert(helper.nrequests > 0 && piece.start < piece.end);
    if ((size_t)(piece.end - piece.start) > PIECE_NBYTES) {
        piece.start = piece.end - PIECE_NBYTES;
    }
    request->end = piece.start;
    if (request->end == request->start) {
        remove_request(0);
    }
    return piece;
}

/* Wait until there is a request. Return false if none was made for IDLE_MS, or if the
 * helper was told to end. */
static bool
wait_for_request(void)
{
    while (helper.nrequests == 0 && helper.running) {
        if (!pages_ops.wait(PAGES_LOCK_PREFAULT, IDLE_MS)) {
            break;
        }
    }
    return helper.nrequests > 0 && helper.running;
}

/* The function that the helper thread runs. */
static void
work(void)
{
    lock();
    while (wait_for_request()) {
        assert(helper.busy.start == NULL);
        struct range piece = helper.busy = next_piece();
        unlock();
        (void)pages_populate(piece.start, (size_t)(piece.end - piece.start));
        lock();
        helper.busy = (struct range){NULL, NULL};
        pages_ops.wake(PAGES_LOCK_PREFAULT);
    }
    helper.running = false;
    unlock();
}

/* If a helper was started and not joined yet, join it: wait until it has ended. The
 * lock is released meanwhile, because the helper takes it before it ends. pre: the
 * caller holds the lock; `running` is false, which makes the helper end. */
static void
join_helper(void)
{
    assert(!helper.running && !helper.joining);
    if (helper.started) {
        helper.started = false;
        helper.joining = true;
        unlock();
        pages_ops.join_thread();
        lock();
        helper.joining = false;
        pages_ops.wake(PAGES_LOCK_PREFAULT);
    }
}

void
prefault_ask(char *address, size_t length)
{
    assert(length == 0 || address != NULL);
    assert((uintptr_t)address % pages_facts.page_nbytes == 0);
    assert(length % pages_facts.page_nbytes == 0);
    lock();
    if (length > 0 && helper.nrequests < MAX_REQUESTS && !helper.forking) {
        helper.requests[helper.nrequests++] = (struct range){address, address + length};
        if (!helper.running && !helper.joining) {
            join_helper();
            helper.started = helper.running =
                !helper.forking && pages_ops.start_thread(work);
        }
        if (!helper.running) {
            helper.nrequests = 0;
        }
        pages_ops.wake(PAGES_LOCK_PREFAULT);
    }
    unlock();
}

void
prefault_stop(const char *address, size_t length)
{
    struct range range = {(char *)address, (char *)address + length};
    assert(length > 0);
    lock();
    for (size_t i = helper.nrequests; i-- > 0;) {
        if (overlap(&helper.requests[i], &range)) {
            remove_request(i);
        }
    }
    while (overlap(&helper.busy, &range)) {
        (void)pages_ops.wait(PAGES_LOCK_PREFAULT, 0);
    }
    assert(!overlap(&helper.busy, &range));
    unlock();
}

void
prefault_before_fork(void)
{
    lock();
    assert(!helper.forking);
    helper.forking = true;
    while (helper.started || helper.joining) {
        helper.nrequests = 0;
        helper.running = false;
        pages_ops.wake(PAGES_LOCK_PREFAULT);
        if (helper.joining) {
            (void)pages_ops.wait(PAGES_LOCK_PREFAULT, 0);
        }
        else {
            join_helper();
        }
    }
    assert(helper.busy.start == NULL);
    helper.nrequests = 0;
}

void
prefault_after_fork(void)
{
    assert(helper.forking && !helper.started && helper.nrequests == 0);
    helper.forking = false;
    unlock();
}
