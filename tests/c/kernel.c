#define _GNU_SOURCE
#include "kernel.h"

#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "store.h"

#ifndef MADV_POPULATE_WRITE
#define MADV_POPULATE_WRITE 23
#endif

#define KEEP_SOURCE 4
#define ARENA_NBYTES ((size_t)4 << 30)
#define HUGE_NBYTES ((size_t)2 << 20)
#define JUNK 0xA5
#define SQUATTER 0x5A

enum { MOST_MAPPINGS = 4096, MOST_BLOCKS = 4096, MOST_HEAP = 1 << 30 };

enum owner { OURS, LOST, ANOTHER };

struct mapping {
    char *from, *to;
    int protection;
    enum kernel_huge huge;
    bool hidden; /* from core files */
    enum owner owner;
    size_t origin; /* a number; parts have the same one if one call mapped them */
};

struct block {
    char *address;
    size_t nbytes;
};

struct kernel kernel;

const char *const kernel_names[KERNEL_KINDS] = {
    [KERNEL_2014] = "2014",
    [KERNEL_RETAIN] = "patched today",
    [KERNEL_MAINLINE] = "mainline",
    [KERNEL_OLD] = "old",
    [KERNEL_ENOSYS] = "without mremap",
    [KERNEL_EPERM] = "that forbids mremap",
    [KERNEL_WHOLE] = "that unmaps whole mappings",
    [KERNEL_NO_PAGES] = "without mmap",
};

static char *arena;
static size_t page_nbytes;
static struct mapping mappings[MOST_MAPPINGS]; /* by address */
static size_t nmappings, norigins;
static struct block blocks[MOST_BLOCKS];
static size_t fail_at; /* a count of calls; 0: none fails */
static bool fail_after;
static int fail_with;
static const char *misuse;

static void
wrong(const char *what)
{
    if (misuse == NULL) {
        misuse = what;
    }
}

/* Count a call. Return whether the test wants it to fail. */
static bool
fails(enum kernel_call call)
{
    kernel.calls[call]++;
    kernel.ncalls++;
    bool now = fail_at != 0 &&
               (fail_after ? kernel.ncalls >= fail_at : kernel.ncalls == fail_at);
    if (now) {
        kernel.nfailed++;
        errno = fail_with;
    }
    return now;
}

static void *
no_address(int error)
{
    errno = error;
    return MAP_FAILED;
}

static int
no_success(int error)
{
    errno = error;
    return -1;
}

/* -------------------------------------------------------- the table of mappings */

/* Return the index of the first mapping that ends after `address`. */
static size_t
find(const char *address)
{
    size_t low = 0, high = nmappings;
    while (low < high) {
        size_t middle = (low + high) / 2;
        if (mappings[middle].to <= address) {
            low = middle + 1;
        }
        else {
            high = middle;
        }
    }
    return low;
}

static void
insert(size_t at, struct mapping mapping)
{
    if (nmappings == MOST_MAPPINGS) {
        fprintf(stderr, "the fake kernel's table of mappings is full\n");
        abort();
    }
    memmove(&mappings[at + 1], &mappings[at], (nmappings - at) * sizeof *mappings);
    mappings[at] = mapping;
    nmappings++;
}

/* Cut the mapping around `address` in two. Return the index of the first mapping that
 * begins at `address` or after it. */
static size_t
split(char *address)
{
    size_t at = find(address);
    if (at == nmappings || mappings[at].from >= address) {
        return at;
    }
    struct mapping rest = mappings[at];
    rest.from = address;
    mappings[at].to = address;
    insert(at + 1, rest);
    return at + 1;
}

/* Remove the mappings [first, last) from the table. */
static void
drop(size_t first, size_t last)
{
    memmove(&mappings[first], &mappings[last], (nmappings - last) * sizeof *mappings);
    nmappings -= last - first;
}

static bool
agree(const struct mapping *front, const struct mapping *next)
{
    return front->to == next->from && front->origin == next->origin &&
           front->protection == next->protection && front->huge == next->huge &&
           front->hidden == next->hidden && front->owner == next->owner;
}

/* Join adjacent mappings that agree, in [from, to) and at both its ends. */
static void
join(const char *from, const char *to)
{
    size_t at = find(from - 1);
    while (at + 1 < nmappings && mappings[at].from < to) {
        if (agree(&mappings[at], &mappings[at + 1])) {
            mappings[at].to = mappings[at + 1].to;
            drop(at + 1, at + 2);
        }
        else {
            at++;
        }
    }
}

/* Count our bytes and mappings again from the table. Done after every change. */
static void
tally(void)
{
    kernel.nbytes = kernel.nmappings = 0;
    for (size_t i = 0; i < nmappings; i++) {
        if (mappings[i].owner == OURS) {
            kernel.nbytes += (size_t)(mappings[i].to - mappings[i].from);
            kernel.nmappings++;
        }
    }
}

/* Whether [from, to) is mapped without a hole and all of it belongs to `owner`. */
static bool
belongs(const char *from, const char *to, enum owner owner)
{
    for (size_t at = find(from); from < to; at++) {
        if (at == nmappings || mappings[at].from > from ||
            mappings[at].owner != owner) {
            return false;
        }
        from = mappings[at].to;
    }
    return true;
}

/* Whether another owner has mapped a page in [from, to). */
static bool
is_squatted(const char *from, const char *to)
{
    for (size_t at = find(from); at < nmappings && mappings[at].from < to; at++) {
        if (mappings[at].owner == ANOTHER) {
            return true;
        }
    }
    return false;
}

/* Whether [from, to) is in the arena and nothing is mapped in it. */
static bool
is_free(const char *from, const char *to)
{
    size_t at = find(from);
    return from >= arena && to <= arena + ARENA_NBYTES &&
           (at == nmappings || mappings[at].from >= to);
}

/* -------------------------------------------------------------- the real memory */

static void
must(int result)
{
    if (result != 0) {
        perror("the fake kernel's arena");
        abort();
    }
}

static void
zero(char *from, char *to)
{
    must(madvise(from, (size_t)(to - from), MADV_DONTNEED));
}

static void
protect(char *from, char *to, int protection)
{
    must(mprotect(from, (size_t)(to - from), protection));
}

/* Copy the pages that are not zero, so that the target's other pages stay untouched. */
static void
copy(char *target, const char *source, size_t length)
{
    static char zeros[1 << 16];
    for (size_t at = 0; at < length; at += page_nbytes) {
        if (memcmp(source + at, zeros, page_nbytes) != 0) {
            memcpy(target + at, source + at, page_nbytes);
        }
    }
}

/* Remove [from, to) from the table and make it fault. */
static void
clear(char *from, char *to)
{
    size_t first = split(from);
    drop(first, split(to));
    zero(from, to);
    protect(from, to, PROT_NONE);
    tally();
}

static void
enter(struct mapping mapping)
{
    mapping.origin = ++norigins;
    insert(find(mapping.from), mapping);
    protect(mapping.from, mapping.to, mapping.protection);
    tally();
}

/* -------------------------------------------------------------- finding a place */

static char *
round_down(char *address, size_t unit)
{
    return address - (uintptr_t)address % unit;
}

/* Return an address in the hole [from, to) for `length` bytes, or NULL. */
static char *
fit(char *from, char *to, size_t length, size_t unit)
{
    if ((size_t)(to - from) < length) {
        return NULL;
    }
    char *place = kernel.bottom_up ? round_down(from + unit - 1, unit)
                                   : round_down(to - length, unit);
    return place >= from && place <= to - length ? place : NULL;
}

/* Return the first place from the top (or the bottom) of the arena, or NULL. */
static char *
place(size_t length, size_t unit)
{
    for (size_t i = 0; i <= nmappings; i++) {
        size_t hole = kernel.bottom_up ? i : nmappings - i;
        char *from = hole == 0 ? arena : mappings[hole - 1].to;
        char *to = hole == nmappings ? arena + ARENA_NBYTES : mappings[hole].from;
        char *found = length <= ARENA_NBYTES ? fit(from, to, length, unit) : NULL;
        if (found != NULL) {
            return found;
        }
    }
    return NULL;
}

/* Return an address for a new mapping, or NULL. Like today's kernels, align large
 * mappings to 2 MiB, except the next ones, as many as `kernel.unaligned` says. */
static char *
place_new(size_t length)
{
    if (length < HUGE_NBYTES || kernel.unaligned == 0) {
        return place(length, length < HUGE_NBYTES ? page_nbytes : HUGE_NBYTES);
    }
    kernel.unaligned--;
    char *found = place(length + HUGE_NBYTES + 2 * page_nbytes, page_nbytes);
    if (found != NULL && (uintptr_t)(found + page_nbytes) % HUGE_NBYTES == 0) {
        found += page_nbytes;
    }
    return found == NULL ? NULL : found + page_nbytes;
}

static bool
is_aligned(const void *address, size_t length)
{
    return (uintptr_t)address % page_nbytes == 0 && length % page_nbytes == 0 &&
           length != 0;
}

/* A kernel refuses a move unless its limit of mappings allows this many more. Most
 * moves make only one mapping, but the kernel may have to cut the source in three, and
 * the mapping at the target too. A move with flag 4 and equal lengths needs as many as
 * a move with a target, even if it has none. */
enum { SPARE_FOR_MOVE = 4, SPARE_FOR_TARGET = 6 };

/* Whether a limit forbids a call that maps `more_nbytes`, unmaps `less_nbytes`, and
 * needs `more_mappings`. */
static bool
is_refused(size_t more_nbytes, size_t less_nbytes, size_t more_mappings)
{
    return (kernel.most_nbytes != 0 &&
            kernel.nbytes + more_nbytes > kernel.most_nbytes + less_nbytes) ||
           (kernel.most_mappings != 0 &&
            kernel.nmappings + more_mappings > kernel.most_mappings);
}

/* ---------------------------------------------------------------- map and unmap */

static void *
fake_map(size_t length, int protection)
{
    if (fails(KERNEL_MAP)) {
        return MAP_FAILED;
    }
    if (kernel.kind == KERNEL_NO_PAGES) {
        return no_address(ENOSYS);
    }
    if (protection != PROT_NONE && protection != (PROT_READ | PROT_WRITE)) {
        wrong("maps memory that can only be read, or only be written");
    }
    if (length == 0 || length % page_nbytes != 0) {
        return no_address(EINVAL);
    }
    char *from = is_refused(length, 0, 1) ? NULL : place_new(length);
    if (from == NULL) {
        return no_address(ENOMEM);
    }
    enter((struct mapping){
        .from = from, .to = from + length, .protection = protection, .owner = OURS});
    return from;
}

/* Mark the range as lost, because unmapping it failed. */
static void
lose(char *from, char *to)
{
    (void)split(to);
    for (size_t at = split(from); at < nmappings && mappings[at].from < to; at++) {
        if (mappings[at].owner == OURS) {
            mappings[at].owner = LOST;
            kernel.lost_nbytes += (size_t)(mappings[at].to - mappings[at].from);
        }
    }
    kernel.nlost++;
    tally();
}

/* Whether [from, to) is in the middle of a mapping, so that unmapping it leaves two. */
static bool
cuts_in_two(const char *from, const char *to)
{
    size_t at = find(from);
    return at < nmappings && mappings[at].from < from && mappings[at].to > to;
}

static void
squat(char *from)
{
    if (kernel.squatters > 0 && --kernel.squatters == 0) {
        enter((struct mapping){.from = from,
                               .to = from + page_nbytes,
                               .protection = PROT_READ | PROT_WRITE,
                               .owner = ANOTHER});
        memset(from, SQUATTER, page_nbytes);
    }
}

/* Whether [from, to) is exactly what one call has mapped. */
static bool
is_whole(const char *from, const char *to)
{
    size_t first = find(from), last = find(to - 1);
    return first < nmappings && last < nmappings && mappings[first].from == from &&
           mappings[last].to == to && mappings[first].origin == mappings[last].origin &&
           (first == 0 || mappings[first - 1].origin != mappings[first].origin) &&
           (last + 1 == nmappings ||
            mappings[last + 1].origin != mappings[last].origin);
}

static int
fake_unmap(void *address, size_t length)
{
    char *from = address, *to = from + length;
    bool failed = fails(KERNEL_UNMAP);
    if (!failed && kernel.kind == KERNEL_NO_PAGES) {
        return no_success(ENOSYS);
    }
    if (!is_aligned(address, length)) {
        wrong("unmaps what is not a run of pages");
        return no_success(EINVAL);
    }
    if (is_squatted(from, to)) {
        wrong("unmaps what another owner has mapped");
    }
    if (!kernel.late && !belongs(from, to, OURS)) {
        wrong("unmaps what it has not mapped");
    }
    if (kernel.kind == KERNEL_WHOLE && !is_whole(from, to)) {
        wrong("unmaps a part of a mapping");
        return no_success(EINVAL);
    }
    if (failed || (cuts_in_two(from, to) && is_refused(0, 0, 1))) {
        lose(from, to);
        return no_success(failed ? fail_with : ENOMEM);
    }
    clear(from, to);
    squat(from);
    return 0;
}

/* ------------------------------------------------------------------------ remap */

/* Return the errno of an error that follows from the arguments alone, or 0. */
static int
remap_forbidden(const void *address, size_t length, size_t new_length, int flags)
{
    bool keep = flags & KEEP_SOURCE, may_move = flags & MREMAP_MAYMOVE;
    if (kernel.kind == KERNEL_ENOSYS || kernel.kind >= KERNEL_WHOLE) {
        return ENOSYS;
    }
    if (kernel.kind == KERNEL_EPERM) {
        return EPERM;
    }
    if (!is_aligned(address, length) || !is_aligned(address, new_length) ||
        flags & ~(MREMAP_MAYMOVE | MREMAP_FIXED | KEEP_SOURCE) ||
        (flags & (MREMAP_FIXED | KEEP_SOURCE) && !may_move) ||
        (keep && new_length < length)) {
        return EINVAL;
    }
    if (keep && (kernel.kind == KERNEL_OLD ||
                 (kernel.kind == KERNEL_MAINLINE && length != new_length))) {
        return EINVAL;
    }
    return 0;
}

/* Move the pages to `target`, which is free, and grow the mapping. */
static void *
move(char *from, size_t length, size_t new_length, char *target, bool keep)
{
    struct mapping moved = mappings[find(from)];
    moved.from = target;
    moved.to = target + new_length;
    moved.origin = norigins + 1;
    enter((struct mapping){.from = target,
                           .to = moved.to,
                           .protection = PROT_READ | PROT_WRITE,
                           .owner = OURS});
    protect(from, from + length, PROT_READ | PROT_WRITE);
    copy(target, from, length);
    mappings[find(target)] = moved;
    protect(target, moved.to, moved.protection);
    if (!keep) {
        clear(from, from + length);
        return target;
    }
    if (!kernel.dirty) {
        zero(from, from + length);
    }
    protect(from, from + length, moved.protection);
    return target;
}

/* Whether a mapped range is more than one mapping. */
static bool
is_several(const char *from, size_t length)
{
    return mappings[find(from)].to < from + length;
}

/* Move to a fixed target. Like Linux, unmap the target before the source is checked. */
static void *
move_onto(char *from, size_t length, size_t new_length, char *target, bool keep)
{
    if (!is_aligned(target, new_length) ||
        (from < target + new_length && target < from + length)) {
        return no_address(EINVAL);
    }
    if (is_squatted(target, target + new_length)) {
        wrong("moves onto what another owner has mapped");
    }
    if (!belongs(target, target + new_length, OURS)) {
        wrong("moves onto what it has not mapped");
    }
    if (is_refused(new_length, new_length + (keep ? 0 : length), SPARE_FOR_TARGET)) {
        return no_address(ENOMEM);
    }
    clear(target, target + new_length);
    if (is_several(from, length)) {
        squat(target);
        return no_address(EFAULT);
    }
    return move(from, length, new_length, target, keep);
}

/* Return an address for `length` bytes: `hint` if it is free; NULL if there is no
 * space. */
static char *
place_at(char *hint, size_t length)
{
    return hint != NULL && is_free(hint, hint + length) ? hint
                                                        : place(length, page_nbytes);
}

/* Grow in place if there is free space, else move if `flags` allow it. With flag 4 and
 * equal lengths the range moves to `hint`, if that is free. A kernel of 2014 does not
 * move it. */
static void *
move_or_grow(char *from, size_t length, size_t new_length, int flags, char *hint)
{
    bool keep = flags & KEEP_SOURCE;
    struct mapping *mapping = &mappings[find(from)];
    bool must_move = keep && new_length == length && kernel.kind != KERNEL_2014;
    if (new_length == length && !must_move) {
        return from;
    }
    if (must_move && (uintptr_t)hint % page_nbytes != 0) {
        return no_address(EINVAL);
    }
    if (is_several(from, length)) {
        return no_address(EFAULT);
    }
    bool in_place = !must_move && mapping->to == from + length &&
                    is_free(mapping->to, from + new_length);
    if (is_refused(new_length - (keep && !in_place ? 0 : length), 0,
                   in_place    ? 0
                   : must_move ? SPARE_FOR_TARGET
                               : SPARE_FOR_MOVE)) {
        return no_address(ENOMEM);
    }
    if (in_place) {
        mapping->to = from + new_length;
        protect(from, mapping->to, mapping->protection);
        tally();
        return from;
    }
    char *target =
        flags & MREMAP_MAYMOVE ? place_at(must_move ? hint : NULL, new_length) : NULL;
    return target == NULL ? no_address(ENOMEM)
                          : move(from, length, new_length, target, keep);
}

static void *
fake_remap(void *address, size_t length, size_t new_length, int flags, void *target)
{
    char *from = address;
    if (fails(KERNEL_REMAP)) {
        if (kernel.late && flags & MREMAP_FIXED &&
            (flags & KEEP_SOURCE || new_length > length)) {
            clear(target, (char *)target + new_length);
            kernel.squatters = 1;
            squat(target);
            errno = fail_with;
        }
        return MAP_FAILED;
    }
    int error = remap_forbidden(address, length, new_length, flags);
    if (error) {
        return no_address(error);
    }
    if (new_length < length || !belongs(from, from + length, OURS)) {
        wrong("moves what it has not mapped, or makes it shorter");
        return no_address(EFAULT);
    }
    return flags & MREMAP_FIXED
               ? move_onto(from, length, new_length, target, flags & KEEP_SOURCE)
               : move_or_grow(from, length, new_length, flags, target);
}

/* ------------------------------------------------ protection and advice of ranges */

static void
set_protection(struct mapping *mapping, int protection)
{
    mapping->protection = protection;
}

static void
set_huge(struct mapping *mapping, int huge)
{
    mapping->huge = huge;
}

static void
set_hidden(struct mapping *mapping, int hidden)
{
    mapping->hidden = hidden;
}

/* Apply `set` to [from, to). A part of a mapping that differs becomes a mapping of its
 * own, until the rest is equal again. */
static int
mark(char *from, char *to, void (*set)(struct mapping *, int), int value)
{
    (void)split(from);
    (void)split(to);
    for (size_t at = find(from); at < nmappings && mappings[at].from < to; at++) {
        set(&mappings[at], value);
    }
    join(from, to);
    tally();
    return 0;
}

/* Whether a mapping begins before `address` and ends after it. */
static bool
is_inside(const char *address)
{
    size_t at = find(address);
    return at < nmappings && mappings[at].from < address;
}

static int
fake_protect(void *address, size_t length, int protection)
{
    char *from = address, *to = from + length;
    if (fails(KERNEL_PROTECT)) {
        return -1;
    }
    if (kernel.kind == KERNEL_NO_PAGES) {
        return no_success(ENOSYS);
    }
    if (!is_aligned(address, length)) {
        return no_success(EINVAL);
    }
    if (!belongs(from, to, OURS)) {
        wrong("protects what it has not mapped");
        return no_success(ENOMEM);
    }
    if (is_refused(0, 0, (size_t)is_inside(from) + is_inside(to))) {
        return no_success(ENOMEM);
    }
    protect(from, to, protection);
    return mark(from, to, set_protection, protection);
}

/* ----------------------------------------------------------------------- advise */

static bool
has_populate(void)
{
    return kernel.kind == KERNEL_RETAIN || kernel.kind == KERNEL_MAINLINE ||
           kernel.kind == KERNEL_EPERM;
}

static int
populate(char *from, char *to)
{
    if (!has_populate()) {
        return no_success(EINVAL);
    }
    for (volatile char *page = from; page < to; page += page_nbytes) {
        *page = *page;
    }
    return 0;
}

/* Take the offered memory: at once if `kernel.pressed`, else never. */
static int
take_offer(char *from, char *to)
{
    if (kernel.kind == KERNEL_OLD) {
        return no_success(EINVAL);
    }
    kernel.noffers++;
    kernel.offered_nbytes += (size_t)(to - from);
    if (kernel.pressed) {
        zero(from, to);
    }
    return 0;
}

/* Discard as Windows decommits: the range must be made accessible before the next
 * use. */
static int
discard_and_close(char *from, char *to)
{
    zero(from, to);
    protect(from, to, PROT_NONE);
    return mark(from, to, set_protection, PROT_NONE);
}

static int
fake_advise(void *address, size_t length, int advice)
{
    char *from = address, *to = from + length;
    if (fails(KERNEL_ADVISE)) {
        return -1;
    }
    if (kernel.kind == KERNEL_NO_PAGES) {
        return no_success(ENOSYS);
    }
    if (!is_aligned(address, length)) {
        return no_success(EINVAL);
    }
    /* After a failed unmap growbuf discards the range, which is not ours by then. */
    bool may_be_lost =
        advice == MADV_DONTNEED && (kernel.late || belongs(from, to, LOST));
    if (!may_be_lost && !belongs(from, to, OURS)) {
        wrong("advises about what it has not mapped");
        return no_success(ENOMEM);
    }
    if (kernel.locked && (advice == MADV_DONTNEED || advice == MADV_FREE)) {
        return no_success(EINVAL);
    }
    if (kernel.kind == KERNEL_WHOLE && advice != MADV_FREE) {
        return advice == MADV_DONTNEED ? discard_and_close(from, to)
                                       : no_success(ENOTSUP);
    }
    switch (advice) {
    case MADV_DONTNEED:
        zero(from, to);
        return 0;
    case MADV_HUGEPAGE:
        return mark(from, to, set_huge, KERNEL_HUGE_ASKED);
    case MADV_NOHUGEPAGE:
        return mark(from, to, set_huge, KERNEL_HUGE_REFUSED);
    case MADV_DONTDUMP:
        return mark(from, to, set_hidden, true);
    case MADV_DODUMP:
        return mark(from, to, set_hidden, false);
    case MADV_FREE:
        return take_offer(from, to);
    case MADV_POPULATE_WRITE:
        return populate(from, to);
    default:
        return no_success(EINVAL);
    }
}

/* --------------------------------------------------------------------- the heap */

static struct block *
find_block(const char *address)
{
    for (size_t i = 0; i < MOST_BLOCKS; i++) {
        if (blocks[i].address == address) {
            return &blocks[i];
        }
    }
    return NULL;
}

static void
fake_release(void *address)
{
    struct block *block = address == NULL ? NULL : find_block(address);
    if (block != NULL) {
        memset(block->address, JUNK, block->nbytes);
        free(block->address);
        *block = (struct block){0};
        kernel.nblocks--;
    }
    else if (address != NULL) {
        wrong("releases what is no block on the heap");
    }
}

/* Return a block at another address that is not zeroed, so that code which relies on
 * the old address or on zeros fails. */
static void *
fake_reallocate(void *address, size_t nbytes)
{
    struct block *old = address == NULL ? NULL : find_block(address);
    if (fails(KERNEL_REALLOCATE)) {
        return NULL;
    }
    if (address != NULL && old == NULL) {
        wrong("resizes what is no block on the heap");
    }
    struct block *block = find_block(NULL);
    char *memory = block == NULL || nbytes > MOST_HEAP ? NULL : malloc(nbytes);
    if (memory == NULL) {
        errno = ENOMEM;
        return NULL;
    }
    memset(memory, JUNK, nbytes);
    if (old != NULL) {
        memcpy(memory, old->address, old->nbytes < nbytes ? old->nbytes : nbytes);
    }
    *block = (struct block){memory, nbytes};
    kernel.nblocks++;
    fake_release(address);
    return memory;
}

/* These two never fail, so they are not counted as calls. */
static uint64_t
fake_clock_ms(void)
{
    return kernel.now_ms;
}

static enum pages_huge
fake_huge(void)
{
    return kernel.huge;
}

/* ---------------------------------------------------------------- what tests call */

size_t
kernel_page_nbytes(void)
{
    const char *text = getenv("GROWBUF_PAGE_NBYTES");
    return text == NULL ? pages_system_ops.page_nbytes() : strtoul(text, NULL, 10);
}

/* Map at a multiple of kernel_page_nbytes(), which is more than the system's page. */
static void *
map_at_page(size_t length, int protection)
{
    size_t page = kernel_page_nbytes();
    char *mapped = pages_system_ops.map(length + page, protection);
    if (mapped == MAP_FAILED) {
        return mapped;
    }
    size_t head = -(uintptr_t)mapped % page;
    if (head > 0) {
        must(pages_system_ops.unmap(mapped, head));
    }
    must(pages_system_ops.unmap(mapped + head + length, page - head));
    return mapped + head;
}

void
kernel_leave(void)
{
    pages_ops = pages_system_ops;
    if (kernel_page_nbytes() != pages_system_ops.page_nbytes()) {
        pages_ops.page_nbytes = kernel_page_nbytes;
        pages_ops.map = map_at_page;
        pages_ops.remap = NULL; /* it chooses addresses by the system's page size */
    }
}

static void
make_arena(void)
{
    int flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE;
    char *mapped = mmap(NULL, ARENA_NBYTES + HUGE_NBYTES, PROT_NONE, flags, -1, 0);
    must(mapped == MAP_FAILED);
    arena = round_down(mapped + HUGE_NBYTES - 1, HUGE_NBYTES);
    page_nbytes = kernel_page_nbytes();
    /* With huge pages more memory would be resident than the tests expect. */
    (void)madvise(arena, ARENA_NBYTES, MADV_NOHUGEPAGE);
}

void
kernel_boot(enum kernel_kind kind)
{
    if (arena == NULL) {
        make_arena();
    }
    if (nmappings > 0) {
        clear(arena, arena + ARENA_NBYTES);
    }
    for (size_t i = 0; i < MOST_BLOCKS; i++) {
        fake_release(blocks[i].address);
    }
    kernel = (struct kernel){.kind = kind, .huge = PAGES_HUGE_MADVISE};
    misuse = NULL;
    kernel_heal();
    pages_ops = pages_system_ops; /* locks and threads are the real ones */
    pages_ops.page_nbytes = kernel_page_nbytes;
    pages_ops.map = fake_map;
    pages_ops.unmap = fake_unmap;
    pages_ops.remap = fake_remap;
    pages_ops.advise = fake_advise;
    pages_ops.protect = fake_protect;
    pages_ops.huge = fake_huge;
    pages_ops.clock_ms = fake_clock_ms;
    pages_ops.whole_only = pages_ops.in_steps = kind == KERNEL_WHOLE;
    store_heap = (struct store_heap){fake_reallocate, fake_release};
}

void
kernel_fail(size_t nth, int error)
{
    fail_at = kernel.ncalls + nth;
    fail_after = false;
    fail_with = error;
}

void
kernel_fail_from(size_t nth, int error)
{
    kernel_fail(nth, error);
    fail_after = true;
}

void
kernel_heal(void)
{
    fail_at = 0;
}

/* Whether all of a range is ours and `is` is true for each of its mappings. */
static bool
all_of_it(const char *address, size_t length, bool (*is)(const struct mapping *))
{
    const char *end = address + length;
    for (size_t at = find(address); at < nmappings && mappings[at].from < end; at++) {
        if (!is(&mappings[at])) {
            return false;
        }
    }
    return belongs(address, end, OURS);
}

static bool
is_open(const struct mapping *mapping)
{
    return mapping->protection == (PROT_READ | PROT_WRITE);
}

static bool
is_closed(const struct mapping *mapping)
{
    return mapping->protection == PROT_NONE;
}

static bool
is_hidden(const struct mapping *mapping)
{
    return mapping->hidden;
}

static bool
is_dumped(const struct mapping *mapping)
{
    return !mapping->hidden;
}

bool
kernel_is_mapped(const char *address, size_t length)
{
    return all_of_it(address, length, is_open);
}

bool
kernel_is_closed(const char *address, size_t length)
{
    return all_of_it(address, length, is_closed);
}

bool
kernel_is_dumped(const char *address, size_t length)
{
    return all_of_it(address, length, is_dumped);
}

bool
kernel_is_hidden(const char *address, size_t length)
{
    return all_of_it(address, length, is_hidden);
}

bool
kernel_is_advised(const char *address, size_t length, enum kernel_huge huge)
{
    const char *end = address + length;
    for (size_t at = find(address); at < nmappings && mappings[at].from < end; at++) {
        if (mappings[at].huge != huge) {
            return false;
        }
    }
    return belongs(address, end, OURS);
}

/* A page counts as resident if at least one real page in it is. */
size_t
kernel_resident(const char *address, size_t length)
{
    static unsigned char present[MOST_HEAP / 4096];
    size_t real = pages_system_ops.page_nbytes(), nresident = 0;
    size_t page = kernel_page_nbytes(), each = page / real;
    must(mincore((void *)address, length, present));
    for (size_t i = 0; i < length / real; i += each) {
        bool any = false;
        for (size_t j = i; j < i + each; j++) {
            any = any || (present[j] & 1);
        }
        nresident += any;
    }
    return nresident * page;
}

const char *
kernel_misuse(void)
{
    return misuse;
}

const char *
kernel_leak(void)
{
    for (size_t at = 0; at < nmappings; at++) {
        const struct mapping *mapping = &mappings[at];
        if (mapping->owner == ANOTHER && *mapping->from != SQUATTER) {
            return "memory of another owner was written to";
        }
    }
    return kernel.nbytes > 0    ? "a mapping was not given back"
           : kernel.nblocks > 0 ? "a block on the heap was not given back"
                                : NULL;
}
