/* pages: the only file with system calls.
 *
 * The words, each with one meaning throughout:
 *   page    what the kernel maps: 4 KiB, or 2 MiB when huge;
 *   span    a run of pages with one owner (spans.h);
 *   store   one buffer's bytes: a heap block or a span (store.h);
 *   buffer  the Python object around a store (buffer.h);
 *   gap     the free bytes of a store in front of the first one in use.
 *
 * The contract of all functions here: 0 is success; anything else is an errno value
 * and nothing has changed. Addresses and lengths are multiples of the page size.
 *
 * Everything goes through the table `pages_ops`, so that a test can put a kernel of
 * its own behind it. Reading the table is not locked: it is set before first use.
 */
#ifndef GROWBUF_PAGES_H
#define GROWBUF_PAGES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The operations, each called and answering as the system's own does: MAP_FAILED,
 * -1 or NULL with errno. `reallocate(NULL, n)` allocates. */
struct pages_ops {
    void *(*map)(void *address, size_t length, int protection, int flags);
    int (*unmap)(void *address, size_t length);
    void *(*remap)(void *address, size_t length, size_t new_length, int flags,
                   void *new_address);
    int (*advise)(void *address, size_t length, int advice);
    int (*protect)(void *address, size_t length, int protection);
    uint64_t (*clock_ms)(void); /* some steady time, good to 10 ms or so */
    void *(*reallocate)(void *block, size_t nbytes);
    void (*release)(void *block);
};

extern struct pages_ops pages_ops;
extern const struct pages_ops pages_system_ops;

/* The ladder, worst rung first. A store grows by the best one the kernel has, and by
 * a lower one when a single move fails. */
enum pages_rung {
    PAGES_HEAP,      /* no pages at all: one heap block and realloc */
    PAGES_COPY,      /* map, copy, unmap */
    PAGES_MAYMOVE,   /* mremap, the source goes */
    PAGES_DONTUNMAP, /* mremap with equal lengths, the source stays (Linux 5.7) */
    PAGES_RETAIN,    /* mremap that grows, the source stays (a patch of 2014) */
    PAGES_NRUNGS
};

extern const char *const pages_rung_names[PAGES_NRUNGS];

/* The system's setting of transparent huge pages. */
enum pages_huge {
    PAGES_HUGE_NEVER,
    PAGES_HUGE_MADVISE,
    PAGES_HUGE_ALWAYS,
    PAGES_NHUGE
};

extern const char *const pages_huge_names[PAGES_NHUGE];

/* What the kernel can do, filled by pages_probe. */
struct pages_facts {
    enum pages_rung rung;      /* where growth starts */
    int answers[PAGES_NRUNGS]; /* errno of trying each rung on a page; 0: it works */
    int populate;              /* the same for MADV_POPULATE_WRITE (Linux 5.14) */
    enum pages_huge huge;
    size_t page_nbytes;
};

extern struct pages_facts pages_facts;

/* Try every rung on a page and start from the best one that works and is not above
 * `highest` (PAGES_NRUNGS - 1: any). Call once, before anything else. */
void pages_probe(enum pages_rung highest);

/* Find `name` in pages_rung_names. Return the rung, or -1. */
int pages_rung_named(const char *name);

/* Map `length` fresh zero bytes at a multiple of 2 MiB. */
int pages_map(size_t length, char **address);

/* Take `length` bytes of address space at a multiple of 2 MiB, to be moved onto:
 * no access, no memory, no commit charge. */
int pages_reserve(size_t length, char **address);

/* Make reserved address space that holds nothing accessible, or keep it out of core files
 * until then. */
int pages_open(char *address, size_t length);
int pages_hide(char *address, size_t length);

/* Give a range back to the system. */
void pages_unmap(char *address, size_t length);

/* Each moves `length` bytes of pages; the first two leave a source that is mapped and
 * reads as zero, the others none. */

/* Grow to `new_length`: in place if there is room, and then the same address comes back;
 * else by moving (flag 4 of 2014: grows and keeps the source). */
int pages_move_retain(char *address, size_t length, size_t new_length, char **moved);

/* Move to `target` if nothing is there, else to wherever there is room. ENOTSUP from a
 * kernel that need not move what does not grow. */
int pages_move_dontunmap(char *address, size_t length, char *target, char **moved);

/* Move onto `target`, replacing what is there. The kernel empties it before it looks at
 * its limits: but a move that does not grow is refused by none of them, so the target of
 * one that fails is still there. */
int pages_move_onto(char *address, size_t length, char *target);

/* Grow in place or wherever there is room: needs address space for the difference
 * only, but gives no alignment. */
int pages_move_anywhere(char *address, size_t length, size_t new_length, char **moved);

/* Grow in place, into address space that nothing holds. */
int pages_extend(char *address, size_t length, size_t new_length);

/* Ask for huge pages, or for none where the system would give them unasked. */
int pages_advise_huge(char *address, size_t length);
int pages_advise_small(char *address, size_t length);

/* Have pages present before they are written. */
int pages_populate(char *address, size_t length);

/* Give memory back and keep the address space: at once, so that the range reads as zero;
 * or when the system is short of it, so that it may read as zero until written to. */
int pages_discard(char *address, size_t length);
int pages_offer(char *address, size_t length);

#endif
