/* pool_stats: the bounds of the pool, and its counts. */
#ifndef GROWBUF_POOL_STATS_H
#define GROWBUF_POOL_STATS_H

#include <stdint.h>

enum {
    POOL_NSMALL = 1024,             /* entries for small spans (entries.h) */
    POOL_NSLOTS = 128,              /* all other entries */
    POOL_MAX_RESERVATIONS = 8,      /* of these, for reservations */
    POOL_NBYTES = 64 * 1024 * 1024, /* the initial limit */
    POOL_IDLE_MS = 1000             /* older entries are given back */
};

/* The first four count since the process began; the others are present values. */
struct pool_stats {
    uint64_t moves, moved_nbytes;   /* moves of pages; address space moved */
    uint64_t copies, copied_nbytes; /* copies; bytes copied */
    uint64_t live;                  /* spans in use */
    uint64_t nentries;              /* entries in the pool */
    uint64_t nbytes;                /* memory that these may hold */
    uint64_t reserved_nbytes;       /* address space reserved by spans in use */
};

#endif
