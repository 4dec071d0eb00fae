/* pages: memory mappings, and everything else that is asked of the operating system.
 *
 * The words, each with one meaning throughout:
 *   page      the unit that the kernel maps: 4 KiB, or 2 MiB if it is huge;
 *   span      a run of pages with one owner (spans.h);
 *   store     the bytes of one buffer, in a heap block or in a span (store.h);
 *   buffer    the Python object around a store (buffer.h);
 *   headroom  the free bytes of a store before the first byte in use;
 *   tailroom  the bytes that can be appended to a store without a further call.
 *
 * Every function that returns int returns 0 for success and an errno value for failure.
 * After a failure nothing has changed. pre: addresses and lengths are multiples of the
 * page size.
 *
 * All system calls go through the table `pages_ops`, which a test may replace. The file
 * pages_<system>.c fills it in and is the only one that makes system calls. Reading the
 * table takes no lock: it is set before its first use.
 */
#ifndef GROWBUF_PAGES_H
#define GROWBUF_PAGES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The system's setting of transparent huge pages. */
enum pages_huge {
    PAGES_HUGE_NEVER,
    PAGES_HUGE_MADVISE,
    PAGES_HUGE_ALWAYS,
    PAGES_HUGE_UNKNOWN, /* the setting cannot be read: asking does no harm */
    PAGES_NHUGE
};

extern const char *const pages_huge_names[PAGES_NHUGE];

/* Why the system refuses to map more. */
enum pages_shortage {
    PAGES_SHORT_OF_SPACE,    /* no such range is free; or the reason is not known */
    PAGES_SHORT_OF_MAPPINGS, /* the process has as many as it may (vm.max_map_count) */
    PAGES_SHORT_BY_RLIMIT    /* RLIMIT_AS, which `ulimit -v` sets */
};

/* The locks of the process. Each has a condition that threads wait for. */
enum pages_lock { PAGES_LOCK_POOL, PAGES_LOCK_PREFAULT, PAGES_NLOCKS };

/* What fork calls: before it, and after it in the parent and in the child. */
struct pages_fork_hooks {
    void (*before)(void);
    void (*after_in_parent)(void);
    void (*after_in_child)(void);
};

/* The operations of a system. Those on mappings take Linux's arguments and report as
 * Linux does: MAP_FAILED or -1, and errno. One that is NULL does not exist: ENOSYS. */
struct pages_ops {
    void *(*map)(void *address, size_t length, int protection, int flags);
    int (*unmap)(void *address, size_t length);
    void *(*remap)(void *address, size_t length, size_t new_length, int flags,
                   void *new_address);
    int (*advise)(void *address, size_t length, int advice);
    int (*protect)(void *address, size_t length, int protection);

    size_t (*page_nbytes)(void);
    enum pages_huge (*huge)(void);
    enum pages_shortage (*shortage)(size_t length);
    uint64_t (*clock_ms)(void); /* steady, with a resolution of 10 ms or so */

    void (*lock)(enum pages_lock lock);
    void (*unlock)(enum pages_lock lock);

    /* Wait for the condition of a held lock, which is released meanwhile. Return false
     * after `timeout_ms` milliseconds; 0 waits without a timeout. */
    bool (*wait)(enum pages_lock lock, unsigned timeout_ms);
    void (*wake)(enum pages_lock lock);

    /* Start the one helper thread, and wait until it has ended. Return false if the
     * system cannot start it. */
    bool (*start_thread)(void (*work)(void));
    void (*join_thread)(void);

    /* Call a function once in the life of the process. */
    void (*once)(void (*function)(void));
    void (*at_fork)(const struct pages_fork_hooks *hooks);
};

extern struct pages_ops pages_ops;
extern const struct pages_ops pages_system_ops;

/* The ladder of ways to grow, worst rung first. A store grows by the best rung that the
 * kernel has, and by a lower one when a single move fails. */
enum pages_rung {
    PAGES_HEAP,      /* no pages at all: one heap block and realloc */
    PAGES_COPY,      /* map, copy, unmap */
    PAGES_MAYMOVE,   /* mremap; the source is unmapped */
    PAGES_DONTUNMAP, /* mremap of equal lengths; the source stays mapped (Linux 5.7) */
    PAGES_RETAIN,    /* mremap that grows; the source stays mapped (a patch of 2014) */
    PAGES_NRUNGS
};

extern const char *const pages_rung_names[PAGES_NRUNGS];

/* What the kernel can do; pages_probe fills it in. */
struct pages_facts {
    enum pages_rung rung;     /* the rung that growth starts from */
    int errors[PAGES_NRUNGS]; /* the errno of trying each rung on a page; 0: it works */
    int populate_error;       /* the same for MADV_POPULATE_WRITE (Linux 5.14) */
    enum pages_huge huge;
    size_t page_nbytes;
};

extern struct pages_facts pages_facts;

/* Try every rung on a page, and start from the best one that works and is not above
 * `highest` (PAGES_NRUNGS - 1: any). Call it once, before anything else. */
void pages_probe(enum pages_rung highest);

/* Return why mapping `length` bytes was refused with ENOMEM. It reads what may be megabytes
 * of text from the system. */
enum pages_shortage pages_shortage(size_t length);

/* Return the rung with that name, or -1. */
int pages_rung_named(const char *name);

/* Map `length` fresh zero bytes at a multiple of 2 MiB. */
int pages_map(size_t length, char **address);

/* Reserve `length` bytes of address space at a multiple of 2 MiB. They cannot be
 * accessed, take no memory and are not charged. */
int pages_reserve(size_t length, char **address);

/* Make a range of reserved address space accessible. */
int pages_open(char *address, size_t length);

/* Keep a range out of core files until it is opened. */
int pages_hide(char *address, size_t length);

/* Give a range back to the system. */
void pages_unmap(char *address, size_t length);

/* The moves: each moves `length` bytes of pages. The first two leave the source mapped,
 * and it reads as zero; the others leave none. */

/* Grow to `new_length`: in place if there is room, and then `*moved` is `address`, else
 * by moving (flag 4 of 2014). */
int pages_move_retain(char *address, size_t length, size_t new_length, char **moved);

/* Move to `target` if nothing is mapped there, else to any free place. ENOTSUP from a
 * kernel that leaves in place what does not grow. */
int pages_move_dontunmap(char *address, size_t length, char *target, char **moved);

/* Move onto `target`, and replace what is mapped there. The kernel unmaps the target
 * before it checks its limits; a move that does not grow is refused by none of them, so
 * the target is still mapped after a failure. */
int pages_move_onto(char *address, size_t length, char *target);

/* Grow in place or by moving anywhere. This needs address space for the difference only,
 * and gives no alignment. */
int pages_move_anywhere(char *address, size_t length, size_t new_length, char **moved);

/* Grow in place, into address space that is free. */
int pages_extend(char *address, size_t length, size_t new_length);

/* Ask for huge pages; or for none where the system would, or may, give them unasked. */
int pages_advise_huge(char *address, size_t length);
int pages_advise_small(char *address, size_t length);

/* Make pages present before they are written. */
int pages_populate(char *address, size_t length);

/* Give the memory of a range back and keep the address space. pages_discard does it at
 * once, and the range reads as zero. pages_offer lets the system take the memory when it
 * is short: until a page is written again it may read as zero. */
int pages_discard(char *address, size_t length);
int pages_offer(char *address, size_t length);

#endif
