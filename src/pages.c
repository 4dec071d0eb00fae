/* pages: memory mappings, made by the operations that each system provides. */
#include "pages.h"

#include <assert.h>
#include <errno.h>
#include <string.h>

#include "growth.h"

/* Flags of remap(), which only Linux has. KEEP_SOURCE is MREMAP_RETAIN in the patch of
 * 2014, and MREMAP_DONTUNMAP since Linux 5.7. */
enum { MOVE = 1, ONTO = 2, KEEP_SOURCE = 4 };

/* The size of the pages of PAGES_HUGE_64K. */
#define MEDIUM ((size_t)64 << 10)

struct pages_facts pages_facts = {.rung = PAGES_HEAP,
                                  .page_nbytes = 4096,
                                  .step_nbytes = GROWTH_QUANTUM};

const char *const pages_huge_names[PAGES_NHUGE] = {
    "never", "madvise", "always", "unknown", "64kB",
};

const char *const pages_rung_names[PAGES_NRUNGS] = {
    "heap", "copy", "maymove", "dontunmap", "retain",
};

int
pages_rung_named(const char *name)
{
    assert(name != NULL);
    for (int rung = 0; rung < PAGES_NRUNGS; rung++) {
        if (strcmp(name, pages_rung_names[rung]) == 0) {
            return rung;
        }
    }
    return -1;
}

enum pages_shortage
pages_shortage(size_t length)
{
    assert(length > 0);
    return pages_ops.shortage == NULL ? PAGES_SHORT_OF_SPACE
                                      : pages_ops.shortage(length);
}

static inline bool
is_aligned(const void *address, size_t length)
{
    size_t page = pages_facts.page_nbytes;
    return (uintptr_t)address % page == 0 && length % page == 0 && length > 0;
}

static int
map_somewhere(size_t length, enum pages_access access, char **address)
{
    assert(is_aligned(NULL, length));
    if (pages_ops.map == NULL) {
        return ENOSYS;
    }
    void *mapped = pages_ops.map(length, access);
    if (mapped == PAGES_FAILED) {
        *address = NULL;
        return errno != 0 ? errno : ENOMEM;
    }
    assert(mapped != NULL); /* only MAP_FIXED gets address 0 */
    *address = mapped;
    return 0;
}

/* Whether a span may begin there. */
static bool
is_fit(const char *address)
{
    assert(address != NULL);
    return pages_facts.whole_only || (uintptr_t)address % GROWTH_QUANTUM == 0;
}

/* Map at a multiple of 2 MiB, if mappings can be cut. Newer kernels choose such an
 * address. If the kernel chooses another, map 2 MiB more and unmap both ends:
 *
 *    |<-head->|<------length------>|<-rest->|  with head + rest = 2 MiB. */
static int
map_aligned(size_t length, enum pages_access access, char **address)
{
    assert(length % GROWTH_QUANTUM == 0);
    char *mapped;
    int error = map_somewhere(length, access, &mapped);
    if (error == 0 && !is_fit(mapped)) {
        pages_unmap(mapped, length);
        error = map_somewhere(length + GROWTH_QUANTUM, access, &mapped);
        if (error == 0) {
            size_t head = -(uintptr_t)mapped % GROWTH_QUANTUM;
            size_t rest = GROWTH_QUANTUM - head;
            if (head > 0) {
                pages_unmap(mapped, head);
            }
            if (rest > 0) {
                pages_unmap(mapped + head + length, rest);
            }
            mapped += head;
        }
    }
    if (error == 0) {
        assert(is_fit(mapped));
        *address = mapped;
    }
    return error;
}

int
pages_map(size_t length, char **address)
{
    return map_aligned(length, PAGES_OPENED, address);
}

int
pages_reserve(size_t length, char **address)
{
    return map_aligned(length, PAGES_CLOSED, address);
}

void
pages_unmap(char *address, size_t length)
{
    assert(is_aligned(address, length));
    /* This fails only if it would cut a mapping in two and the process already has
     * vm.max_map_count mappings. Then the range stays mapped and only its memory goes
     * back. Where mappings cannot be cut, unmapping does not fail. */
    if (pages_ops.unmap(address, length) != 0 && !pages_facts.whole_only) {
        (void)pages_ops.advise(address, length, PAGES_ADVICE_DISCARD);
    }
}

static int
remap(char *address, size_t length, size_t new_length, int flags, char *target,
      char **moved)
{
    assert(is_aligned(address, length) && is_aligned(target, new_length));
    assert(new_length >= length);
    if (pages_ops.remap == NULL) {
        return ENOSYS;
    }
    void *mapped = pages_ops.remap(address, length, new_length, flags, target);
    if (mapped == PAGES_FAILED) {
        return errno;
    }
    *moved = mapped;
    return 0;
}

int
pages_move_retain(char *address, size_t length, size_t new_length, char **moved)
{
    int flags = MOVE | KEEP_SOURCE;
    return remap(address, length, new_length, flags, NULL, moved);
}

/* MREMAP_FIXED is not used. With it the kernel first unmaps what is at the target, and
 * the move may then fail because of a limit. By then another thread may have mapped
 * something there, so the caller could neither unmap nor use the target. */
int
pages_move_dontunmap(char *address, size_t length, char *target, char **moved)
{
    int flags = MOVE | KEEP_SOURCE;
    int error = remap(address, length, length, flags, target, moved);
    return error == 0 && *moved == address ? ENOTSUP : error;
}

int
pages_move_onto(char *address, size_t length, char *target)
{
    assert(target + length <= address || address + length <= target);
    int flags = MOVE | ONTO;
    return remap(address, length, length, flags, target, &target);
}

int
pages_move_anywhere(char *address, size_t length, size_t new_length, char **moved)
{
    return remap(address, length, new_length, MOVE, NULL, moved);
}

int
pages_extend(char *address, size_t length, size_t new_length)
{
    return remap(address, length, new_length, 0, NULL, &address);
}

static int
advise(char *address, size_t length, int advice)
{
    assert(is_aligned(address, length));
    if (pages_ops.advise == NULL) {
        return ENOSYS;
    }
    return pages_ops.advise(address, length, advice) == 0 ? 0 : errno;
}

int
pages_advise_huge(char *address, size_t length)
{
    return pages_facts.huge == PAGES_HUGE_NEVER || pages_facts.huge == PAGES_HUGE_64K
               ? ENOTSUP
               : advise(address, length, PAGES_ADVICE_HUGE);
}

int
pages_advise_fresh(char *address, size_t length)
{
    bool may_be_unasked =
        pages_facts.huge == PAGES_HUGE_ALWAYS || pages_facts.huge == PAGES_HUGE_UNKNOWN;
    return may_be_unasked ? advise(address, length, PAGES_ADVICE_SMALL)
           : pages_facts.huge == PAGES_HUGE_64K
               ? advise(address, length, PAGES_ADVICE_HUGE)
               : 0;
}

int
pages_hide(char *address, size_t length)
{
    return advise(address, length, PAGES_ADVICE_HIDE);
}

int
pages_open(char *address, size_t length)
{
    assert(is_aligned(address, length));
    if (pages_ops.protect(address, length, PAGES_OPENED) != 0) {
        return errno;
    }
    (void)advise(address, length, PAGES_ADVICE_SHOW);
    return 0;
}

int
pages_populate(char *address, size_t length)
{
    return pages_facts.populate_error != 0
               ? pages_facts.populate_error
               : advise(address, length, PAGES_ADVICE_POPULATE);
}

int
pages_offer(char *address, size_t length)
{
    return advise(address, length, PAGES_ADVICE_OFFER);
}

/* Split the pages of `nbytes` bytes in which the range begins and ends. Linux splits
 * such a page if pages_offer() is called for a part of it. */
static void
split_at_ends(char *address, size_t length, size_t nbytes)
{
    size_t before = (uintptr_t)address % nbytes;
    size_t last = (uintptr_t)(address + length) % nbytes;
    assert(nbytes >= pages_facts.page_nbytes);
    if (before > 0) {
        size_t rest = nbytes - before;
        (void)pages_offer(address, rest < length ? rest : length);
    }
    if (last > 0 && (before == 0 || last < length)) {
        (void)pages_offer(address + length - last, last);
    }
}

int
pages_discard(char *address, size_t length, bool huge)
{
    if (huge) {
        split_at_ends(address, length, GROWTH_QUANTUM);
    }
    else if (pages_facts.huge == PAGES_HUGE_64K && pages_facts.page_nbytes < MEDIUM) {
        split_at_ends(address, length, MEDIUM);
    }
    return advise(address, length, PAGES_ADVICE_DISCARD);
}

/* Move the page at `source` by the given rung. A second page is mapped after it, and
 * does not move. Afterwards one page is mapped at `*moved`, or two if the rung is
 * `retain`. The rung `copy` moves no page: `*moved` is then `source`. */
static int
try_move(enum pages_rung rung, char *source, char *target, char **moved)
{
    size_t nbytes = pages_facts.page_nbytes;
    *moved = target;
    switch (rung) {
    case PAGES_RETAIN:
        return pages_move_retain(source, nbytes, 2 * nbytes, moved);
    case PAGES_DONTUNMAP:
        return pages_move_dontunmap(source, nbytes, NULL, moved);
    case PAGES_MAYMOVE:
        return pages_move_onto(source, nbytes, target);
    default:
        *moved = source;
        return 0;
    }
}

/* Whether the old address of a moved page reads as zero, and does so again after a byte
 * was written there and the page was discarded. qemu-user regards the page as unmapped,
 * though it can be accessed: there discarding does nothing, system calls fail with
 * EFAULT, and some instructions raise SIGSEGV. */
static bool
is_usable_source(char *page)
{
    if (*page != 0) {
        return false;
    }
    *page = 1;
    return advise(page, pages_facts.page_nbytes, PAGES_ADVICE_DISCARD) != 0 ||
           *page == 0;
}

/* Try a rung on one page. Check that the page's byte has moved and, if the rung keeps
 * the source mapped, that the source is usable. Return 0 or an errno value. */
static int
try_rung(enum pages_rung rung)
{
    size_t nbytes = pages_facts.page_nbytes;
    char *source, *target, *moved;
    assert(rung > PAGES_HEAP && rung < PAGES_NRUNGS);
    int error = map_somewhere(2 * nbytes, PAGES_OPENED, &source);
    if (error) {
        return error;
    }
    error = map_somewhere(2 * nbytes, PAGES_CLOSED, &target);
    if (error) {
        pages_unmap(source, 2 * nbytes);
        return error;
    }
    *source = 1;
    error = try_move(rung, source, target, &moved);
    bool gone = error == 0 && rung == PAGES_MAYMOVE;
    bool kept = error == 0 && rung > PAGES_MAYMOVE;
    if (error == 0 && (*moved != 1 || (kept && !is_usable_source(source)))) {
        error = ENOTSUP;
    }
    pages_unmap(gone ? source + nbytes : source, gone ? nbytes : 2 * nbytes);
    pages_unmap(target, 2 * nbytes);
    if (moved != target && moved != source) {
        pages_unmap(moved, rung == PAGES_RETAIN ? 2 * nbytes : nbytes);
    }
    return error;
}

static int
try_populate(void)
{
    char *page;
    int error = map_somewhere(pages_facts.page_nbytes, PAGES_OPENED, &page);
    if (error) {
        return error;
    }
    error = advise(page, pages_facts.page_nbytes, PAGES_ADVICE_POPULATE);
    pages_unmap(page, pages_facts.page_nbytes);
    return error;
}

void
pages_probe(enum pages_rung highest)
{
    assert((int)highest >= PAGES_HEAP && highest < PAGES_NRUNGS);
    if (pages_ops.page_nbytes != NULL) {
        pages_facts.page_nbytes = pages_ops.page_nbytes();
    }
    assert(GROWTH_QUANTUM % pages_facts.page_nbytes == 0);
    pages_facts.whole_only = pages_ops.whole_only;
    pages_facts.in_steps = pages_ops.in_steps;
    pages_facts.step_nbytes =
        pages_ops.in_steps ? pages_facts.page_nbytes : GROWTH_QUANTUM;
    for (int rung = PAGES_COPY; rung < PAGES_NRUNGS; rung++) {
        pages_facts.errors[rung] = try_rung((enum pages_rung)rung);
    }
    pages_facts.populate_error = try_populate();
    pages_facts.huge = pages_ops.huge == NULL ? PAGES_HUGE_NEVER : pages_ops.huge();
    pages_facts.rung = highest;
    assert(pages_facts.errors[PAGES_HEAP] == 0); /* it makes no system call */
    while (pages_facts.errors[pages_facts.rung] != 0) {
        pages_facts.rung--;
    }
}
