/* kernel: a fake kernel for the C tests. kernel_boot() puts its functions into the
 * table `pages_ops`, through which growbuf makes all its system calls. So a test can
 * count the calls, make one of them fail, and see at the end what was not given back.
 *
 * The memory is real: one large range of address space, the arena, that kernel.c has
 * reserved from the system. A fake mapping is a part of the arena. The bytes of a
 * mapping can be read and written if its protection allows it. Every other address of
 * the arena faults. To move a mapping, the fake kernel copies its bytes.
 *
 *   arena  |    |<-mapping->|<-mapping->|        |<--mapping-->|    |
 *            faults                       faults                 faults
 *
 * Mappings of different calls never become one, even where they touch. So a range that
 * begins in one of them and ends in another cannot be moved. Real kernels do not always
 * merge such mappings either. A call that changes only a part of a mapping splits it.
 * When all parts have the same protection and advice again, they become one mapping.
 *
 * Some calls are faults, for example unmapping addresses that are not mapped, or
 * freeing a block twice. kernel_misuse() returns the first of these.
 */
#ifndef GROWBUF_TESTS_KERNEL_H
#define GROWBUF_TESTS_KERNEL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "pages.h"

enum kernel_kind {
    KERNEL_2014,   /* flag 4 is RETAIN: grows in place, or moves and keeps the source; a
                    * range that does not grow is not moved */
    KERNEL_RETAIN, /* a kernel of today with the patch for MREMAP_RETAIN: flag 4 also
                    * grows a range; equal lengths always move */
    KERNEL_MAINLINE, /* flag 4 is DONTUNMAP: equal lengths only */
    KERNEL_OLD,      /* before 4.5: flag 4, MADV_POPULATE_WRITE, MADV_FREE are EINVAL */
    KERNEL_ENOSYS,   /* no mremap */
    KERNEL_EPERM,    /* mremap is forbidden */
    KERNEL_WHOLE, /* as Windows: unmaps only whole mappings; discarded memory faults */
    KERNEL_NO_PAGES, /* no mmap either: every call is ENOSYS */
    KERNEL_KINDS
};

extern const char *const kernel_names[KERNEL_KINDS];

/* The heads of loops: over the kernels that have pages, and over those that can also
 * cut a mapping in two and make all of a span accessible at once. */
#define EACH_KERNEL_WITH_PAGES(kind)                                                   \
    int kind = 0;                                                                      \
    kind < KERNEL_NO_PAGES;                                                            \
    kind++
#define EACH_KERNEL_THAT_CUTS(kind)                                                    \
    int kind = 0;                                                                      \
    kind < KERNEL_WHOLE;                                                               \
    kind++

enum kernel_call {
    KERNEL_MAP,
    KERNEL_UNMAP,
    KERNEL_REMAP,
    KERNEL_ADVISE,
    KERNEL_PROTECT,
    KERNEL_REALLOCATE,
    KERNEL_CALLS
};

/* The last advice about huge pages that a mapping was given. */
enum kernel_huge { KERNEL_HUGE_UNSAID, KERNEL_HUGE_ASKED, KERNEL_HUGE_REFUSED };

struct kernel {
    enum kernel_kind kind;

    /* What a test may set, at any time. */
    bool bottom_up;   /* new mappings get the lowest free addresses, not the highest */
    size_t unaligned; /* this many new mappings do not begin at a multiple of 2 MiB */
    size_t squatters; /* n: at the n-th unmap from now another owner maps there */
    bool late;    /* when a move onto a target fails, the target is already unmapped and
                   * another owner has mapped there; this affects only moves that keep
                   * their source or that grow */
    bool dirty;   /* after a move a source that stays mapped has its old bytes */
    bool pressed; /* short of memory: offered memory is taken and reads as zero */
    bool locked;  /* as by mlockall: no advice gives memory back */
    enum pages_huge huge; /* the setting of transparent huge pages */
    uint64_t now_ms;      /* the time of the clock */
    size_t most_nbytes;   /* like RLIMIT_AS; 0: no limit */
    size_t most_mappings; /* like vm.max_map_count; 0: no limit */

    /* What it counts. */
    size_t calls[KERNEL_CALLS];
    size_t ncalls;  /* calls of all kinds */
    size_t nfailed; /* calls that kernel_fail or kernel_fail_from made fail */
    size_t nbytes;  /* mapped bytes, without lost_nbytes */
    size_t nmappings;
    size_t nblocks; /* blocks on the heap */
    size_t nlost;   /* ranges whose unmapping failed */
    size_t lost_nbytes;
    size_t noffers; /* ranges that MADV_FREE offered */
    size_t offered_nbytes;
};

extern struct kernel kernel;

/* Start the fake kernel anew as `kind`, with nothing mapped, and put its operations
 * into `pages_ops`. */
void kernel_boot(enum kernel_kind kind);

/* Put the operations of the running system into `pages_ops`. */
void kernel_leave(void);

/* The size of a page in bytes. It is the value of the environment variable
 * GROWBUF_PAGE_NBYTES, a multiple of the system's size. If that is not set, it is the
 * system's size. After kernel_leave() the real operations use it too. */
size_t kernel_page_nbytes(void);

/* Make the `nth` call from now on fail with `error`; or that call and all after it. */
void kernel_fail(size_t nth, int error);
void kernel_fail_from(size_t nth, int error);

/* From now on no call fails. */
void kernel_heal(void);

/* Whether all of a range is mapped and may be read and written. */
bool kernel_is_mapped(const char *address, size_t length);

/* Whether all of a range is mapped and cannot be read or written. */
bool kernel_is_closed(const char *address, size_t length);

/* Whether all of a range is mapped and a core file would contain all of it (dumped), or
 * nothing of it (hidden). */
bool kernel_is_dumped(const char *address, size_t length);
bool kernel_is_hidden(const char *address, size_t length);

/* Whether all of a range is mapped and `huge` was the last advice about huge pages. */
bool kernel_is_advised(const char *address, size_t length, enum kernel_huge huge);

/* Bytes of memory, not address space, that a range takes up. */
size_t kernel_resident(const char *address, size_t length);

/* Return the first misuse of the kernel, or NULL. */
const char *kernel_misuse(void);

/* Return what has not been given back, or NULL. A range that could not be unmapped
 * because the call failed does not count. */
const char *kernel_leak(void);

#endif
