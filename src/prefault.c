/* prefault: a helper thread that makes pages present before the writer reaches them. */
#include "prefault.h"

#include <assert.h>
#include <stdbool.h>

#include "pages.h"

enum {
    MAX_ORDERS = 16,                /* a further order is ignored */
    PIECE_NBYTES = 2 * 1024 * 1024, /* a huge page */
    IDLE_MS = 20 /* the helper ends after this time without an order */
};

/* An order: a range of pages to make present; or a piece of one. */
struct range {
    char *start, *end;
};

/* PAGES_LOCK_PREFAULT protects all fields. The helper releases it while it touches a
 * piece; `busy` is that piece. */
static struct {
    struct range orders[MAX_ORDERS];
    size_t norders;
    struct range busy;
    bool running; /* false makes the helper end; the helper sets it so when it ends */
    bool started; /* the helper was started and not joined yet */
    bool joining; /* a thread waits, without the lock, for the helper to end */
    bool forking; /* a fork is running: start no helper */
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
remove_order(size_t i)
{
    assert(i < helper.norders);
    helper.norders--;
    for (; i < helper.norders; i++) {
        helper.orders[i] = helper.orders[i + 1];
    }
}

/* Remove the last piece of the oldest order and return it. */
static struct range
next_piece(void)
{
    struct range *order = &helper.orders[0];
    struct range piece = *order;
    assert(helper.norders > 0 && piece.start < piece.end);
    if ((size_t)(piece.end - piece.start) > PIECE_NBYTES) {
        piece.start = piece.end - PIECE_NBYTES;
    }
    order->end = piece.start;
    if (order->end == order->start) {
        remove_order(0);
    }
    return piece;
}

/* Wait for an order. Return false if none came in IDLE_MS, or if the helper is to
 * end. */
static bool
wait_for_order(void)
{
    while (helper.norders == 0 && helper.running) {
        if (!pages_ops.wait(PAGES_LOCK_PREFAULT, IDLE_MS)) {
            break;
        }
    }
    return helper.norders > 0 && helper.running;
}

/* The function that the helper thread runs. */
static void
work(void)
{
    lock();
    while (wait_for_order()) {
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

/* Wait until the helper, which was told to end, has ended. The lock is released for
 * that, because the helper takes it before it ends. */
static void
join(void)
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
    lock();
    if (length > 0 && helper.norders < MAX_ORDERS && !helper.forking) {
        helper.orders[helper.norders++] = (struct range){address, address + length};
        if (!helper.running && !helper.joining) {
            join();
            helper.started = helper.running =
                !helper.forking && pages_ops.start_thread(work);
        }
        if (!helper.running) {
            helper.norders = 0;
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
    for (size_t i = helper.norders; i-- > 0;) {
        if (overlap(&helper.orders[i], &range)) {
            remove_order(i);
        }
    }
    while (overlap(&helper.busy, &range)) {
        (void)pages_ops.wait(PAGES_LOCK_PREFAULT, 0);
    }
    assert(!overlap(&helper.busy, &range));
    unlock();
}

/* End the helper, drop all orders, and hold the lock until prefault_after_fork(). */
void
prefault_before_fork(void)
{
    lock();
    assert(!helper.forking);
    helper.forking = true;
    while (helper.started || helper.joining) {
        helper.norders = 0;
        helper.running = false;
        pages_ops.wake(PAGES_LOCK_PREFAULT);
        if (helper.joining) {
            (void)pages_ops.wait(PAGES_LOCK_PREFAULT, 0);
        }
        else {
            join();
        }
    }
    assert(helper.busy.start == NULL);
    helper.norders = 0;
}

void
prefault_after_fork(void)
{
    assert(helper.forking && !helper.started && helper.norders == 0);
    helper.forking = false;
    unlock();
}
