/* prefault: a helper thread that makes pages present before the writer reaches them. */
#include "prefault.h"

#include <assert.h>
#include <stdbool.h>

#include "pages.h"

enum {
    MAX_ORDERS = 16,                /* a further order is refused */
    PIECE_NBYTES = 2 * 1024 * 1024, /* a huge page */
    IDLE_MS = 20
};

struct range {
    char *start, *end;
};

/* PAGES_LOCK_PREFAULT protects all of it. The helper touches a piece without the lock,
 * and `busy` is that piece meanwhile. */
static struct {
    struct range orders[MAX_ORDERS];
    size_t norders;
    struct range busy;
    bool running; /* cleared to make the thread end, and by the thread when it ends */
    bool started; /* the thread was started and has not been joined yet */
    bool joining; /* another thread waits, without the lock, until it has ended */
    bool forking; /* no thread is started */
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

/* Cut the last piece off the oldest order. */
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

/* Wait for an order. Return false if none came for a while, or the thread must end. */
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

/* Wait until a thread that ends has ended; it needs the lock for that. */
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

/* The lock is held until the fork is over. */
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
