/* pages: memory mappings, and all other calls to the operating system.
 *
 * The terms of the project:
 *   page      the unit that the kernel maps: usually 4 KiB, or 2 MiB if it is huge;
 *   span      a run of pages with one owner (spans.h);
 *   store     the bytes of one buffer, in a heap block or in a span (store.h);
 *   buffer    the Python object around a store (buffer.h);
 *   headroom  the free bytes of a store before the first byte in use;
 *   tailroom  the bytes after the last byte in use that may be written without further
 *             preparation.
 *
 * Every function that returns int, except pages_rung_named(), returns 0 for success and
 * an errno value for failure. A function that fails changes nothing, except
 * pages_move_onto() if it returns EFAULT. pre: addresses and lengths are multiples of
 * the page size.
 *
 * All system calls go through the table `pages_ops`, which a test may replace. Only the
 * files pages_<system>.c make system calls; they fill in the table. Reading the table
 * needs no lock, because it is set before its first use.
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
    PAGES_HUGE_UNKNOWN, /* the setting cannot be read; huge pages are asked for */
    PAGES_HUGE_64K, /* pages of 64 KiB where they are asked for, but none of 2 MiB */
    PAGES_NHUGE
};

extern const char *const pages_huge_names[PAGES_NHUGE];

/* Why the system refused to map more. The first value is also used if the reason is
 * unknown. */
enum pages_shortage {
    PAGES_SHORT_OF_SPACE,    /* no free range is large enough */
    PAGES_SHORT_OF_MAPPINGS, /* the process has vm.max_map_count mappings */
    PAGES_SHORT_BY_RLIMIT    /* RLIMIT_AS, which `ulimit -v` sets */
};

/* The locks of the process. Each has a condition variable. */
enum pages_lock { PAGES_LOCK_POOL, PAGES_LOCK_PREFAULT, PAGES_NLOCKS };

/* The functions that fork() calls before it forks, and afterwards in the parent and in
 * the child. */
struct pages_fork_hooks {
    void (*before)(void);
    void (*after_in_parent)(void);
    void (*after_in_child)(void);
};

/* Whether a range can be read and written. The values are PROT_NONE and PROT_READ |
 * PROT_WRITE of every POSIX system. */
enum pages_access { PAGES_CLOSED = 0, PAGES_OPENED = 3 };

/* The last argument of the operation `advise`. The values are those of Linux's
 * madvise(): MADV_DONTNEED, MADV_FREE, MADV_HUGEPAGE, MADV_NOHUGEPAGE, MADV_DONTDUMP,
 * MADV_DODUMP and MADV_POPULATE_WRITE. */
enum pages_advice {
    PAGES_ADVICE_DISCARD = 4,
    PAGES_ADVICE_OFFER = 8,
    PAGES_ADVICE_HUGE = 14,
    PAGES_ADVICE_SMALL = 15,
    PAGES_ADVICE_HIDE = 16,
    PAGES_ADVICE_SHOW = 17,
    PAGES_ADVICE_POPULATE = 23
};

/* What the operation `map` returns when it fails: MAP_FAILED of every POSIX system. */
#define PAGES_FAILED ((void *)-1)

/* The operations of a system. Those on mappings report a failure as Linux's system
 * calls do: PAGES_FAILED or -1, and errno. An operation that is NULL does not exist on
 * the system: the functions below then return ENOSYS.
 *
 * map() maps private memory that reads as zero. Where the system allows it, the memory
 * does not count as promised (overcommit) until it is used. remap() is Linux's
 * mremap(); no other system has it. */
struct pages_ops {
    void *(*map)(size_t length, int access);
    int (*unmap)(void *address, size_t length);
    void *(*remap)(void *address, size_t length, size_t new_length, int flags,
                   void *new_address);
    int (*advise)(void *address, size_t length, int advice);
    int (*protect)(void *address, size_t length, int access);

    size_t (*page_nbytes)(void);
    enum pages_huge (*huge)(void);
    enum pages_shortage (*shortage)(size_t length);
    uint64_t (*clock_ms)(void); /* never goes back; resolution about 10 ms */

    void (*lock)(enum pages_lock lock);
    void (*unlock)(enum pages_lock lock);

    /* Wait until another thread calls wake() for the lock. The caller holds the lock,
     * which is released while the thread waits. Return false after `timeout_ms`
     * milliseconds (0: no timeout), or at once if the system cannot wait. */
    bool (*wait)(enum pages_lock lock, unsigned timeout_ms);
    void (*wake)(enum pages_lock lock);

    /* Start the helper thread: at most one runs at a time. Return false if the system
     * cannot start it. join_thread() waits until the thread has ended. */
    bool (*start_thread)(void (*work)(void));
    void (*join_thread)(void);

    /* Call the function. Every later call of once() in the process does nothing. */
    void (*once)(void (*function)(void));
    void (*at_fork)(const struct pages_fork_hooks *hooks);

    /* How the system differs from POSIX. */
    bool whole_only; /* unmap() takes only a whole range that map() returned */
    bool in_steps;   /* memory counts as used once it is accessible, and discarding it
                      * makes it inaccessible */
};

/* The table in use, and the operations of the running system. */
extern struct pages_ops pages_ops;
extern const struct pages_ops pages_system_ops;

/* The ladder of ways to grow, worst rung first. A store grows by the best rung that
 * works on this kernel. If a move fails, that growth tries the lower rungs. */
enum pages_rung {
    PAGES_HEAP,      /* no pages: a heap block and realloc */
    PAGES_COPY,      /* map, copy, unmap */
    PAGES_MAYMOVE,   /* mremap; the source is unmapped */
    PAGES_DONTUNMAP, /* mremap of equal lengths; the source stays mapped (Linux 5.7) */
    PAGES_RETAIN,    /* mremap that grows; the source stays mapped (a patch of 2014) */
    PAGES_NRUNGS
};

extern const char *const pages_rung_names[PAGES_NRUNGS];

/* What the kernel supports, as found by pages_probe. */
struct pages_facts {
    enum pages_rung rung;     /* the rung that growth starts from */
    int errors[PAGES_NRUNGS]; /* for each rung, the errno of a try; 0: it works */
    int populate_error;       /* the same for MADV_POPULATE_WRITE (Linux 5.14) */
    enum pages_huge huge;
    size_t page_nbytes;
    bool whole_only;    /* a mapping cannot be cut in two */
    bool in_steps;      /* every span is made accessible in steps, as it is used */
    size_t step_nbytes; /* the length of a step; reserved spans always have steps */
};

extern struct pages_facts pages_facts;

/* Fill in pages_facts: try every rung on one page, and choose the best that works and
 * is not above `highest` (PAGES_NRUNGS - 1 allows any). Call it once, before all other
 * functions. */
void pages_probe(enum pages_rung highest);

/* Return why mapping `length` bytes failed with ENOMEM. This may read megabytes of text
 * from the system. */
enum pages_shortage pages_shortage(size_t length);

/* Return the rung with that name, or -1. */
int pages_rung_named(const char *name);

/* Map `length` bytes that read as zero. The address is a multiple of 2 MiB if mappings
 * can be cut. */
int pages_map(size_t length, char **address);

/* As pages_map(), but reserve address space only. It cannot be accessed, takes no
 * memory, and does not count as memory that the kernel has promised (overcommit). */
int pages_reserve(size_t length, char **address);

/* Make a range of reserved address space accessible. */
int pages_open(char *address, size_t length);

/* Leave a range out of core files until pages_open(). */
int pages_hide(char *address, size_t length);

/* Unmap a range: its memory and its address space go back to the system. pre: if
 * mappings cannot be cut, the range is the whole of one mapping. */
void pages_unmap(char *address, size_t length);

/* Each of the four pages_move_...() functions moves the pages of `length` bytes to
 * another address. The first two leave the old addresses mapped, and these read as
 * zero. The other two unmap the old addresses. */

/* Grow to `new_length`. If the addresses after the range are free, grow in place:
 * `*moved` is then `address`. Otherwise move the pages. This needs a kernel with a
 * patch of 2014, in which flag 4 of mremap() means MREMAP_RETAIN. */
int pages_move_retain(char *address, size_t length, size_t new_length, char **moved);

/* Move to `target` if nothing is mapped there, else to any free address. ENOTSUP if the
 * kernel does not move a range whose length stays the same. */
int pages_move_dontunmap(char *address, size_t length, char *target, char **moved);

/* Whether the kernel supports the rung `dontunmap`, and the rung in use is that one or
 * a higher one. */
static inline bool
pages_have_dontunmap(void)
{
    return pages_facts.rung >= PAGES_DONTUNMAP &&
           pages_facts.errors[PAGES_DONTUNMAP] == 0;
}

/* Move onto `target`, and replace what is mapped there. After a failure the target is
 * still mapped, except after EFAULT. EFAULT means that the source is more than one
 * mapping, for example because the program has locked a part of it. Linux before 6.17
 * then has unmapped the target, and another thread may have mapped something there. */
int pages_move_onto(char *address, size_t length, char *target);

/* Grow in place, or move to any free address, which need not be a multiple of 2 MiB. Of
 * all moves this takes the least address space: the difference of the two lengths. */
int pages_move_anywhere(char *address, size_t length, size_t new_length, char **moved);

/* Grow in place, if the addresses after the range are free. */
int pages_extend(char *address, size_t length, size_t new_length);

/* Ask for pages of 2 MiB. ENOTSUP if the system has none. */
int pages_advise_huge(char *address, size_t length);

/* Set the page size of a new mapping, which applies until pages_advise_huge() is
 * called. If the system may use pages of 2 MiB unasked, ask for small pages. If it has
 * pages of 64 KiB and none of 2 MiB, ask for pages of 64 KiB. Otherwise do nothing. */
int pages_advise_fresh(char *address, size_t length);

/* Make pages present before they are written: each then takes no page fault. */
int pages_populate(char *address, size_t length);

/* Give the memory of a range back now, and keep its address space. The range reads as
 * zero afterwards; if spans are made accessible in steps, it is inaccessible until
 * pages_open(). If `huge` is true, the range may begin or end within a huge page. That
 * page is split: otherwise the kernel keeps all of its memory until it runs short. The
 * same holds for pages of 64 KiB, if the system has them (PAGES_HUGE_64K). */
int pages_discard(char *address, size_t length, bool huge);

/* Let the system take the memory of a range when it runs short of memory. Until a page
 * is written again, it has its old value or reads as zero. */
int pages_offer(char *address, size_t length);

#endif
