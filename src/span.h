/* span: a run of pages with one owner: a store, the pool or a function moving it. */
#ifndef GROWBUF_SPAN_H
#define GROWBUF_SPAN_H

#include <stddef.h>
#include <stdint.h>

/*   address          dirty_end                                       length
 *   |<--- dirty --->|<-- zero -->|<----- tail ----->|<--- zero --->|
 *
 * The bytes before `dirty_end` are dirty: they may have any value. The bytes from
 * `dirty_end` on read as zero, and there is at least one. Only the tail may be dirty
 * too: pages that the owner used before, and that the pool keeps until the owner takes
 * them back (pool.h). The tail begins at a page boundary after the byte at `dirty_end`.
 *
 * A heap block is described by the same struct (store.h). */
struct span {
    char *address;
    size_t length; /* a multiple of GROWTH_QUANTUM */
    size_t dirty_end;
    /* Adjacent spans with the same number are in one mapping. A reserved span is never
     * joined with another, so it stores its owner's limit here, in bytes. */
    uint64_t number : 51;
    uint64_t split : 1;    /* it was cut: an adjacent span may have the same number */
    uint64_t tag : 8;      /* used by the owner; functions on spans ignore it */
    uint64_t huge : 1;     /* huge pages were asked for */
    uint64_t touched : 1;  /* the prefault helper may touch its pages (prefault.h) */
    uint64_t reserved : 1; /* for a limit: made accessible in steps, never moved */
    uint64_t has_tail : 1; /* the pool may keep a tail for it */
};

/* The largest limit that fits into `number`. */
#define SPAN_MAX_LIMIT (((uint64_t)1 << 51) - 1)

#endif
