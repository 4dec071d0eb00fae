/* span: a run of pages with one owner: a store, the pool, or a function that moves it. */
#ifndef GROWBUF_SPAN_H
#define GROWBUF_SPAN_H

#include <stddef.h>
#include <stdint.h>

/*   address           dirty_end         |<----- tail ----->|             length
 *   |<----- dirty ----->|               |                  |               |
 *   |  may hold anything|<-- page end ->| kept by the pool |  reads as zero |
 *
 * The bytes before `dirty_end` are the owner's and may hold anything. Those after it read
 * as zero, one byte at least, except for the tail: pages that the owner has used and the
 * pool keeps for it (pool.h). The tail begins at a page after the byte at `dirty_end`. A
 * heap block is described by the same struct (store.h). */
struct span {
    char *address;
    size_t length; /* a multiple of GROWTH_QUANTUM */
    size_t dirty_end;
    /* Adjacent spans with one number are one mapping. A reserved span, which is never
     * joined with another, has the limit of its owner's bytes here. */
    uint64_t number : 51;
    uint64_t split : 1;    /* it was once cut in two: a neighbour may have its number */
    uint64_t tag : 8;      /* the owner's; functions on spans do not read it */
    uint64_t huge : 1;     /* huge pages were asked for */
    uint64_t touched : 1;  /* the prefault helper may touch it, or has (prefault.h) */
    uint64_t reserved : 1; /* opened step by step, and never moved: for a limit */
    uint64_t has_tail : 1;
};

#define SPAN_MAX_LIMIT (((uint64_t)1 << 51) - 1)

#endif
