/* spans: runs of pages, taken, given back and moved; and the pool that keeps some.
 *
 * The pool is one per process and has its own lock; everything here may be called from
 * any thread. It keeps two sorts of spans that nobody uses: warm ones, given back with
 * their pages, for as many bytes as its budget allows; and cold ones, the emptied
 * sources of moves, which are address space and no memory. Both are bounded. Memory
 * that nobody took for a second goes back to the system when the pool is used next,
 * and what is in huge pages, the bulk of it, as soon as the system is short.
 *
 * A warm span is lent in pieces: no more than is asked for, and when that has been
 * outgrown, what lies behind it if that is still there. What is lent and not yet
 * outgrown counts towards the budget, so that all memory beyond what buffers hold is
 * within it, however long a buffer lives.
 *
 * 0 is success, anything else an errno value; then the span is what it was.
 */
#ifndef GROWBUF_SPANS_H
#define GROWBUF_SPANS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "pages.h"

/* `ready` bytes from the start may be in memory and hold anything; from there on all is
 * zero, and that is one byte at least. A heap block is described by the same struct
 * (store.h). */
struct span {
    char *address;
    size_t length; /* a multiple of GROWTH_QUANTUM */
    size_t ready;
    uint32_t lent_npages; /* that were warm when it was taken, until outgrown */
    uint16_t mapping;     /* spans side by side with one number are one mapping */
    bool huge : 1;        /* huge pages were asked for */
    bool touched : 1;     /* a helper may be, or has been (prefault.h) */
    bool prefault : 1;    /* the owner's, as `kind` is: see store.h */
    uint8_t kind;
};

/* What has happened in this process since it began, and what there is now. */
struct spans_stats {
    uint64_t moves, moved_nbytes;   /* pages moved; bytes of address space */
    uint64_t copies, copied_nbytes; /* bytes that had to be copied to stay together */
    uint64_t live;                  /* spans in use */
    uint64_t retained;              /* spans in the pool */
    uint64_t retained_nbytes;       /* memory they may hold */
    uint64_t reserved_nbytes;       /* address space that was reserved, see below */
};

enum {
    SPANS_POOL_SLOTS = 64,                /* spans the pool holds at most */
    SPANS_POOL_NBYTES = 64 * 1024 * 1024, /* memory it holds at most, to begin with */
    SPANS_POOL_IDLE_MS = 1000             /* and how long if nobody wants it */
};

/* Probe the kernel (pages_probe), call `settle` if it is not NULL, and make the pool
 * survive fork, once in a process: later calls do nothing. Call before anything else. */
void spans_init(enum pages_rung highest, void (*settle)(void));

/* Have the pool hold `nbytes` of memory at most, and give back what is more. */
void spans_set_pool_limit(size_t nbytes);

/* Take a span of at least `needed` bytes. `zeroed`: all of it must read as zero;
 * otherwise a warm one may come, whatever it holds. */
int spans_take(size_t needed, bool zeroed, struct span *span);

/* Have `length` bytes at offset `from` present soon, as far as the span goes. */
void spans_prefault(struct span *span, size_t from, size_t length);

/* Note that what was warm of the span is in use by now, or was given back. */
void spans_outgrown(struct span *span);

/* Give a span back: to the pool as far as its budget goes, the rest to the system. */
void spans_give(struct span *span);

/* Grow a span to at least `needed` bytes by the best rung that works. Bytes in
 * [from, to) keep their offsets and values; what is outside may become zero. */
int spans_grow(struct span *span, size_t needed, size_t from, size_t to);

/* Cut a span to `length`, giving the memory behind it back. */
void spans_cut(struct span *span, size_t length);

/* Give the first `nbytes` of a span back; it begins behind them. */
void spans_cut_front(struct span *span, size_t nbytes);

/* Give the pages behind offset `end` back; the address space stays. */
void spans_discard(struct span *span, size_t end);

/* Move the pages with the bytes of [from, to), and one byte's room behind them, to a span
 * of their own, in which they begin at from % GROWTH_QUANTUM. [to, end) stays where it
 * was; all else may become zero. ENOTSUP but on the rung `dontunmap`. */
int spans_extract(struct span *span, size_t from, size_t to, size_t end,
                  struct span *extracted);

/* Take address space, to be opened from its start on; it counts as a span in use. */
int spans_reserve(size_t length, char **address);
void spans_release(char *address, size_t length);

/* Have [from, to) of reserved address space accessible. */
int spans_open(char *address, size_t from, size_t to);

/* Give all that the pool holds back to the system. */
void spans_trim(void);

/* Note that a store copied `nbytes` where it could not move them. */
void spans_count_copy(size_t nbytes);

struct spans_stats spans_stats(void);

/* Return why the pool is not as it should be, or NULL. */
const char *spans_check(void);

#endif
