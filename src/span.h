/* span: a run of pages with one owner: a store, the pool, or code that moves it. */
#ifndef GROWBUF_SPAN_H
#define GROWBUF_SPAN_H

#include <stddef.h>
#include <stdint.h>

/*   address          dirty_end                                       length
 *   |<--- dirty --->|<-- zero -->|<----- tail ----->|<--- zero --->|
 *
 * The bytes before `dirty_end` are dirty: they may have any value. All others read as
 * zero, except those of the tail; the byte at `dirty_end` is always zero. The tail is a
 * range of dirty pages that the owner does not need now. The pool keeps them until the
 * owner takes them back, and before that it may give their memory back to the system
 * (pool.h). The tail begins at a page boundary after the byte at `dirty_end`.
 *
 * The same struct describes a heap block (store_memory.h). */
struct span {
    char *address;
    size_t length; /* a multiple of GROWTH_QUANTUM */
    size_t dirty_end;
    /* The number of the mapping: adjacent spans with the same number are in one mapping
     * and can be joined. A reserved span is never joined with another. Its owner stores
     * a limit here instead, in bytes. */
    uint64_t number : 51;
    uint64_t split : 1;    /* it was cut: an adjacent span may have the same number */
    uint64_t tag : 8;      /* used by the owner; functions on spans ignore it */
    uint64_t huge : 1;     /* huge pages were asked for */
    uint64_t touched : 1;  /* the prefault helper may touch its pages (prefault.h) */
    uint64_t reserved : 1; /* a reservation: accessible in steps, and never moved */
    uint64_t has_tail : 1; /* the pool may keep a tail of it */
};

/* The largest limit that fits into `number`. */
#define SPAN_MAX_LIMIT (((uint64_t)1 << 51) - 1)

#endif
