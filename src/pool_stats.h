/* pool_stats: the bounds of the pool, and what it counts. */
#ifndef GROWBUF_POOL_STATS_H
#define GROWBUF_POOL_STATS_H

#include <stdint.h>

enum {
    POOL_NSMALL = 1024,             /* dirty spans of 2 MiB that were never cut */
    POOL_NSLOTS = 128,              /* all other entries */
    POOL_MAX_RESERVATIONS = 8,      /* of them reservations: these take address space */
    POOL_NBYTES = 64 * 1024 * 1024, /* the limit at first */
    POOL_IDLE_MS = 1000
};

/* Counts since the process began, and what there is now. */
struct pool_stats {
    uint64_t moves, moved_nbytes;   /* pages moved; bytes of address space */
    uint64_t copies, copied_nbytes; /* bytes copied because they could not stay */
    uint64_t live;                  /* spans in use */
    uint64_t nentries;              /* entries in the pool */
    uint64_t nbytes;                /* memory that they may hold */
    uint64_t reserved_nbytes;       /* address space reserved by spans in use */
};

#endif
