/* pool_stats: the bounds of the pool, and the counts of the process. */
#ifndef GROWBUF_POOL_STATS_H
#define GROWBUF_POOL_STATS_H

#include <stdint.h>

enum {
    POOL_NSMALL = 1024,             /* the max number of small spans (entries.h) */
    POOL_NSLOTS = 128,              /* the max number of all other entries */
    POOL_MAX_RESERVATIONS = 8,      /* how many of these may be reservations */
    POOL_NBYTES = 64 * 1024 * 1024, /* the initial limit of the memory in the pool */
    POOL_IDLE_MS = 1000             /* entries older than this are given back */
};

/* The first four count since the process began; the others are present values. */
struct pool_stats {
    uint64_t moves, moved_nbytes;   /* moves of pages; bytes moved by them */
    uint64_t copies, copied_nbytes; /* copies; bytes copied by them */
    uint64_t live;                  /* spans in use */
    uint64_t nentries;              /* entries in the pool */
    uint64_t nbytes;                /* the dirty bytes of these entries */
    uint64_t reserved_nbytes;       /* bytes reserved by the spans in use */
};

#endif
