/* Test that the fake kernel does what real kernels do and reports misuse. The other
 * tests rely on that. */
#define _GNU_SOURCE
#include <errno.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "fixture.h"

#ifndef MADV_POPULATE_WRITE
#define MADV_POPULATE_WRITE 23
#endif

#define KEEP (MREMAP_MAYMOVE | 4)
#define ONTO (MREMAP_MAYMOVE | MREMAP_FIXED)
#define ACCESS (PROT_READ | PROT_WRITE)

static char *
map(size_t length)
{
    char *mapped = pages_ops.map(length, ACCESS);
    CHECK(mapped != MAP_FAILED);
    return mapped;
}

static bool
is_refused(void *mapped, int error)
{
    return mapped == MAP_FAILED && errno == error;
}

/* Whether a process that reads at this address is killed. */
static bool
faults(const char *address)
{
    int status;
    pid_t child = fork();
    CHECK(child >= 0);
    if (child == 0) {
        signal(SIGSEGV, SIG_DFL); /* instead of the handler of a sanitizer */
        _exit(*(const volatile char *)address * 0);
    }
    CHECK(waitpid(child, &status, 0) == child);
    return WIFSIGNALED(status) && WTERMSIG(status) == SIGSEGV;
}

static void
test_kernel_unmapped_memory_faults(void)
{
    kernel_boot(KERNEL_MAINLINE);
    char *mapped = map(2 * MIB);
    CHECK(!faults(mapped) && !faults(mapped + 2 * MIB - 1));
    CHECK(faults(mapped - 1) && kernel_is_mapped(mapped, 2 * MIB));
    CHECK(pages_ops.unmap(mapped + MIB, MIB) == 0);
    CHECK(faults(mapped + MIB) && !faults(mapped + MIB - 1));
    CHECK(!kernel_is_mapped(mapped, 2 * MIB));
    char *closed = pages_ops.map(MIB, PROT_NONE);
    CHECK(faults(closed) && !kernel_is_mapped(closed, MIB));
    CHECK(kernel.nbytes == 2 * MIB && kernel.nmappings == 2);
    CHECK_SOUND(kernel_misuse());
}

static void
test_kernel_2014_flag_4_grows_and_keeps_the_source(void)
{
    kernel_boot(KERNEL_2014);
    map(MIB);
    char *source = map(MIB);
    fill(source, MIB, 1);
    char *moved = pages_ops.remap(source, MIB, 3 * MIB, KEEP, NULL);
    CHECK(moved != MAP_FAILED && moved != source);
    CHECK(is_filled(moved, MIB, 1) && is_zero(moved + MIB, 2 * MIB));
    CHECK(kernel_is_mapped(source, MIB) && is_zero(source, MIB));
    CHECK(kernel.nbytes == 5 * MIB);
}

/* As in version 4 of the patch for MREMAP_RETAIN: a source is kept only if the range
 * moves. */
static void
test_kernel_2014_flag_4_grows_in_place_where_it_can(void)
{
    kernel_boot(KERNEL_2014);
    kernel.bottom_up = true;
    char *source = map(MIB);
    fill(source, MIB, 1);
    CHECK(pages_ops.remap(source, MIB, 3 * MIB, KEEP, NULL) == source);
    CHECK(is_filled(source, MIB, 1) && kernel.nbytes == 3 * MIB);
}

static void
test_kernel_mainline_flag_4_needs_equal_lengths(void)
{
    kernel_boot(KERNEL_MAINLINE);
    char *source = map(MIB), *target = map(2 * MIB);
    fill(source, MIB, 1);
    CHECK(is_refused(pages_ops.remap(source, MIB, 2 * MIB, KEEP, NULL), EINVAL));
    CHECK(is_refused(pages_ops.remap(source, MIB, MIB, 4, NULL), EINVAL));
    CHECK(pages_ops.remap(source, MIB, MIB, KEEP | ONTO, target) == target);
    CHECK(is_filled(target, MIB, 1) && is_zero(source, MIB));
    CHECK(kernel_is_mapped(source, MIB) && kernel_is_mapped(target, 2 * MIB));
}

static void
test_kernel_others_refuse_flag_4(void)
{
    const int errors[KERNEL_KINDS] = {
        [KERNEL_OLD] = EINVAL,
        [KERNEL_ENOSYS] = ENOSYS,
        [KERNEL_EPERM] = EPERM,
        [KERNEL_WHOLE] = ENOSYS,
    };
    for (int kind = KERNEL_OLD; kind < KERNEL_NO_PAGES; kind++) {
        kernel_boot(kind);
        char *source = map(MIB);
        CHECK(is_refused(pages_ops.remap(source, MIB, MIB, KEEP, NULL), errors[kind]));
    }
    kernel_boot(KERNEL_NO_PAGES);
    CHECK(is_refused(pages_ops.map(MIB, ACCESS), ENOSYS));
}

static void
test_kernel_remap_maymove_leaves_no_source(void)
{
    kernel_boot(KERNEL_OLD);
    char *source = map(MIB), *target = map(2 * MIB);
    fill(source, MIB, 1);
    CHECK(pages_ops.remap(source, MIB, 2 * MIB, ONTO, target) == target);
    CHECK(is_filled(target, MIB, 1) && is_zero(target + MIB, MIB));
    CHECK(faults(source) && kernel.nbytes == 2 * MIB && kernel.nmappings == 1);
}

static void
test_kernel_remap_in_place_needs_free_space(void)
{
    kernel_boot(KERNEL_MAINLINE);
    kernel.bottom_up = true;
    char *low = map(MIB), *high = map(MIB);
    CHECK(is_refused(pages_ops.remap(low, MIB, 2 * MIB, 0, NULL), ENOMEM));
    CHECK(pages_ops.remap(high, MIB, 2 * MIB, 0, NULL) == high);
    CHECK(pages_ops.remap(low, MIB, 2 * MIB, MREMAP_MAYMOVE, NULL) == high + 2 * MIB);
    CHECK(kernel.nbytes == 4 * MIB && kernel.nmappings == 2);
}

static void
test_kernel_remap_of_two_mappings_is_refused(void)
{
    kernel_boot(KERNEL_MAINLINE);
    char *source = map(2 * MIB), *target = map(2 * MIB);
    CHECK(pages_ops.advise(source, MIB, MADV_HUGEPAGE) == 0);
    CHECK(is_refused(pages_ops.remap(source, 2 * MIB, 2 * MIB, ONTO, target), EFAULT));
    CHECK(pages_ops.remap(source, MIB, MIB, ONTO, target) == target);
}

static void
test_kernel_advise_populates_and_discards(void)
{
    kernel_boot(KERNEL_MAINLINE);
    char *mapped = map(MIB);
    CHECK(kernel_resident(mapped, MIB) == 0);
    CHECK(pages_ops.advise(mapped, MIB, MADV_POPULATE_WRITE) == 0);
    CHECK(kernel_resident(mapped, MIB) == MIB);
    fill(mapped, MIB, 1);
    CHECK(pages_ops.advise(mapped, MIB, MADV_DONTNEED) == 0);
    CHECK(kernel_resident(mapped, MIB) == 0 && is_zero(mapped, MIB));
    kernel_boot(KERNEL_OLD);
    CHECK(pages_ops.advise(map(MIB), MIB, MADV_POPULATE_WRITE) == -1 &&
          errno == EINVAL);
}

static void
test_kernel_advise_marks_huge_pages(void)
{
    kernel_boot(KERNEL_MAINLINE);
    char *mapped = map(4 * MIB);
    CHECK(kernel_is_advised(mapped, 4 * MIB, KERNEL_HUGE_UNSAID));
    CHECK(pages_ops.advise(mapped, 2 * MIB, MADV_NOHUGEPAGE) == 0);
    CHECK(pages_ops.advise(mapped + 2 * MIB, 2 * MIB, MADV_HUGEPAGE) == 0);
    CHECK(kernel_is_advised(mapped, 2 * MIB, KERNEL_HUGE_REFUSED));
    CHECK(kernel_is_advised(mapped + 2 * MIB, 2 * MIB, KERNEL_HUGE_ASKED));
    CHECK(!kernel_is_advised(mapped, 4 * MIB, KERNEL_HUGE_ASKED));
    char *target = map(4 * MIB);
    CHECK(pages_ops.remap(mapped, 2 * MIB, 4 * MIB, ONTO, target) == target);
    CHECK(kernel_is_advised(target, 4 * MIB, KERNEL_HUGE_REFUSED));
    CHECK(!kernel_is_advised(mapped, 2 * MIB, KERNEL_HUGE_REFUSED));
    CHECK_SOUND(kernel_misuse());
}

static void
test_kernel_protect_opens_and_closes(void)
{
    kernel_boot(KERNEL_MAINLINE);
    char *closed = pages_ops.map(4 * MIB, PROT_NONE);
    CHECK(kernel_is_closed(closed, 4 * MIB));
    CHECK(pages_ops.protect(closed + MIB, MIB, ACCESS) == 0);
    CHECK(kernel_is_mapped(closed + MIB, MIB) && is_zero(closed + MIB, MIB));
    CHECK(faults(closed + MIB - 1) && faults(closed + 2 * MIB));
    CHECK(kernel_is_closed(closed, MIB) && kernel_is_closed(closed + 2 * MIB, 2 * MIB));
    CHECK(!kernel_is_closed(closed, MIB + 1) && !kernel_is_mapped(closed, 4 * MIB));
    fill(closed + MIB, MIB, 1);
    CHECK(pages_ops.protect(closed, 4 * MIB, ACCESS) == 0);
    CHECK(is_filled(closed + MIB, MIB, 1) && !faults(closed));
    CHECK(kernel.calls[KERNEL_PROTECT] == 2 && kernel.nbytes == 4 * MIB);
    CHECK(pages_ops.protect(closed + 1, MIB, ACCESS) == -1 && errno == EINVAL);
    CHECK_SOUND(kernel_misuse());
    kernel_boot(KERNEL_NO_PAGES);
    CHECK(pages_ops.protect(closed, MIB, ACCESS) == -1 && errno == ENOSYS);
}

static void
test_kernel_advise_hides_from_core_files(void)
{
    kernel_boot(KERNEL_OLD);
    char *mapped = map(2 * MIB);
    CHECK(kernel_is_dumped(mapped, 2 * MIB) && !kernel_is_hidden(mapped, 2 * MIB));
    CHECK(pages_ops.advise(mapped, MIB, MADV_DONTDUMP) == 0);
    CHECK(kernel_is_hidden(mapped, MIB) && kernel_is_dumped(mapped + MIB, MIB));
    CHECK(!kernel_is_hidden(mapped, 2 * MIB) && !kernel_is_dumped(mapped, 2 * MIB));
    CHECK(pages_ops.advise(mapped, 2 * MIB, MADV_DODUMP) == 0);
    CHECK(kernel_is_dumped(mapped, 2 * MIB) && !kernel_is_dumped(mapped, 3 * MIB));
    CHECK_SOUND(kernel_misuse());
}

/* Parts of a mapping that have the same protection and advice again are one mapping,
 * which can be moved. */
static void
test_kernel_parts_that_agree_are_one_mapping(void)
{
    kernel_boot(KERNEL_MAINLINE);
    kernel.bottom_up = true;
    char *mapped = pages_ops.map(4 * MIB, PROT_NONE);
    char *next = map(4 * MIB), *target = map(4 * MIB);
    CHECK(pages_ops.advise(mapped, 4 * MIB, MADV_DONTDUMP) == 0);
    CHECK(kernel.nmappings == 3);
    CHECK(pages_ops.protect(mapped, MIB, ACCESS) == 0 && kernel.nmappings == 4);
    CHECK(pages_ops.protect(mapped + MIB, MIB, ACCESS) == 0 && kernel.nmappings == 4);
    CHECK(pages_ops.advise(mapped, MIB, MADV_DODUMP) == 0 && kernel.nmappings == 5);
    CHECK(is_refused(pages_ops.remap(mapped, 2 * MIB, 3 * MIB, 1, NULL), EFAULT));
    CHECK(pages_ops.advise(mapped + MIB, MIB, MADV_DODUMP) == 0);
    CHECK(pages_ops.advise(mapped, 4 * MIB, MADV_HUGEPAGE) == 0);
    CHECK(kernel.nmappings == 4);
    CHECK(pages_ops.remap(mapped, 2 * MIB, 2 * MIB, KEEP | ONTO, target) == target);
    CHECK(pages_ops.advise(next, 4 * MIB, MADV_HUGEPAGE) == 0);
    CHECK(pages_ops.protect(mapped, 4 * MIB, ACCESS) == 0);
    CHECK(pages_ops.advise(mapped, 4 * MIB, MADV_DODUMP) == 0);
    CHECK(mapped + 4 * MIB == next && kernel.nmappings == 4);
    CHECK(is_refused(pages_ops.remap(mapped, 8 * MIB, 9 * MIB, 1, NULL), EFAULT));
    CHECK_SOUND(kernel_misuse());
}

/* Linux keeps the page offset of moved pages, so it does not merge them with a
 * neighbour. */
static void
test_kernel_moved_pages_are_a_mapping_of_their_own(void)
{
    kernel_boot(KERNEL_MAINLINE);
    char *mapped = map(4 * MIB);
    fill(mapped, 2 * MIB, 1);
    char *moved =
        pages_ops.remap(mapped, 2 * MIB, 2 * MIB, KEEP | ONTO, mapped + 2 * MIB);
    CHECK(moved == mapped + 2 * MIB && is_filled(moved, 2 * MIB, 1));
    CHECK(pages_ops.advise(mapped, 4 * MIB, MADV_HUGEPAGE) == 0);
    CHECK(kernel.nmappings == 2 && is_zero(mapped, 2 * MIB));
    CHECK_SOUND(kernel_misuse());
}

static void
test_kernel_offered_memory_under_pressure_reads_as_zero(void)
{
    kernel_boot(KERNEL_MAINLINE);
    char *mapped = map(2 * MIB);
    fill(mapped, 2 * MIB, 1);
    CHECK(pages_ops.advise(mapped, MIB, MADV_FREE) == 0);
    CHECK(is_filled(mapped, 2 * MIB, 1));
    kernel.pressed = true;
    CHECK(is_filled(mapped, 2 * MIB, 1));
    CHECK(pages_ops.advise(mapped, MIB, MADV_FREE) == 0);
    CHECK(is_zero(mapped, MIB) && !is_zero(mapped + MIB, 1));
    CHECK(kernel.noffers == 2 && kernel.offered_nbytes == 2 * MIB);
    kernel_boot(KERNEL_OLD);
    mapped = map(MIB);
    CHECK(pages_ops.advise(mapped, MIB, MADV_FREE) == -1 && errno == EINVAL);
}

/* The test sets the time, and reading the clock does not count as a call. */
static void
test_kernel_clock_stands_still(void)
{
    kernel_boot(KERNEL_MAINLINE);
    kernel_fail(1, ENOMEM);
    CHECK(pages_ops.clock_ms() == 0);
    kernel.now_ms = 1234;
    CHECK(pages_ops.clock_ms() == 1234 && pages_ops.clock_ms() == 1234);
    CHECK(kernel.ncalls == 0 && kernel.nfailed == 0);
}

static void
test_kernel_limits_refuse_calls(void)
{
    kernel_boot(KERNEL_MAINLINE);
    char *mapped = map(4 * MIB);
    kernel.most_nbytes = 5 * MIB;
    CHECK(is_refused(pages_ops.map(2 * MIB, ACCESS), ENOMEM));
    CHECK(is_refused(pages_ops.remap(mapped, 4 * MIB, 6 * MIB, 1, NULL), ENOMEM));
    CHECK(pages_ops.remap(mapped, 4 * MIB, 5 * MIB, 1, NULL) != MAP_FAILED);
    kernel_boot(KERNEL_MAINLINE);
    mapped = map(4 * MIB);
    kernel.most_mappings = 1;
    CHECK(is_refused(pages_ops.map(MIB, ACCESS), ENOMEM));
    CHECK(pages_ops.protect(mapped, MIB, PROT_NONE) == -1 && errno == ENOMEM);
    CHECK(kernel_is_mapped(mapped, 4 * MIB));
    CHECK(pages_ops.protect(mapped, 4 * MIB, PROT_NONE) == 0);
    CHECK(pages_ops.unmap(mapped + MIB, MIB) == -1 && errno == ENOMEM);
    CHECK(pages_ops.unmap(mapped + 2 * MIB, 2 * MIB) == 0);
}

static void
test_kernel_fails_the_call_that_it_is_told_to(void)
{
    kernel_boot(KERNEL_MAINLINE);
    kernel_fail(2, EAGAIN);
    map(MIB);
    CHECK(store_heap.reallocate(NULL, 10) == NULL && errno == EAGAIN);
    map(MIB);
    CHECK(kernel.nfailed == 1 && kernel.ncalls == 3);
    kernel_fail_from(2, ENOMEM);
    char *mapped = map(MIB);
    CHECK(pages_ops.advise(mapped, MIB, MADV_DONTNEED) == -1);
    CHECK(pages_ops.protect(mapped, MIB, PROT_NONE) == -1 && errno == ENOMEM);
    CHECK(kernel_is_mapped(mapped, MIB));
    CHECK(pages_ops.unmap(mapped, MIB) == -1);
    CHECK(kernel.nlost == 1 && kernel.lost_nbytes == MIB && kernel.nbytes == 2 * MIB);
    kernel_heal();
    CHECK(pages_ops.unmap(mapped + 4 * MIB, 0) == -1);
}

static void
test_kernel_heap_blocks_move(void)
{
    kernel_boot(KERNEL_NO_PAGES);
    char *block = store_heap.reallocate(NULL, 100);
    CHECK(!is_zero(block, 100));
    fill(block, 100, 1);
    char *longer = store_heap.reallocate(block, 200);
    CHECK(longer != block && is_filled(longer, 100, 1));
    CHECK(kernel.nblocks == 1 && kernel_leak() != NULL);
    store_heap.release(longer);
    CHECK_SOUND(kernel_leak());
    CHECK_SOUND(kernel_misuse());
}

/* ---------------------------------------------------------- what it must notice */

static void
unmap_twice(char *mapped)
{
    pages_ops.unmap(mapped, MIB);
    pages_ops.unmap(mapped, MIB);
}

static void
unmap_too_much(char *mapped)
{
    pages_ops.unmap(mapped, 3 * MIB);
}

static void
move_after_unmap(char *mapped)
{
    pages_ops.unmap(mapped, MIB);
    pages_ops.remap(mapped, MIB, 2 * MIB, MREMAP_MAYMOVE, NULL);
}

static void
move_onto_nothing(char *mapped)
{
    pages_ops.remap(mapped, MIB, MIB, ONTO, mapped - 8 * MIB);
}

static void
advise_too_far(char *mapped)
{
    pages_ops.advise(mapped, 3 * MIB, MADV_DONTNEED);
}

static void
protect_too_far(char *mapped)
{
    pages_ops.protect(mapped, 3 * MIB, PROT_NONE);
}

static void
map_read_only(char *mapped)
{
    (void)mapped;
    pages_ops.map(MIB, PROT_READ);
}

static void
use_what_was_lost(char *mapped)
{
    kernel_fail(1, ENOMEM);
    pages_ops.unmap(mapped, MIB);
    pages_ops.unmap(mapped, MIB);
}

static void
unmap_a_squatter(char *mapped)
{
    kernel.squatters = 1;
    pages_ops.unmap(mapped, MIB);
    pages_ops.unmap(mapped, MIB);
}

static void
release_twice(char *mapped)
{
    (void)mapped;
    void *block = store_heap.reallocate(NULL, 10);
    store_heap.release(block);
    store_heap.release(block);
}

static void
resize_what_is_no_block(char *mapped)
{
    store_heap.release(store_heap.reallocate(mapped, 10));
}

static void
test_kernel_notices_misuse(void)
{
    void (*const misuses[])(char *) = {
        unmap_twice,       unmap_too_much,   move_after_unmap, move_onto_nothing,
        advise_too_far,    map_read_only,    release_twice,    resize_what_is_no_block,
        use_what_was_lost, unmap_a_squatter, protect_too_far,
    };
    for (size_t i = 0; i < sizeof misuses / sizeof *misuses; i++) {
        CASE("misuse %zu", i);
        kernel_boot(KERNEL_MAINLINE);
        char *mapped = map(2 * MIB);
        CHECK_SOUND(kernel_misuse());
        misuses[i](mapped);
        CHECK(kernel_misuse() != NULL);
    }
}

static void
test_kernel_unaligned_maps_off_2_mib_boundaries(void)
{
    for (int bottom_up = 0; bottom_up < 2; bottom_up++) {
        kernel_boot(KERNEL_MAINLINE);
        kernel.bottom_up = bottom_up;
        kernel.unaligned = 3;
        for (int i = 0; i < 3; i++) {
            CHECK((uintptr_t)map(2 * MIB) % GROWTH_QUANTUM != 0);
        }
        CHECK((uintptr_t)map(2 * MIB) % GROWTH_QUANTUM == 0);
    }
}

int
main(void)
{
    RUN(test_kernel_unmapped_memory_faults);
    RUN(test_kernel_2014_flag_4_grows_and_keeps_the_source);
    RUN(test_kernel_2014_flag_4_grows_in_place_where_it_can);
    RUN(test_kernel_mainline_flag_4_needs_equal_lengths);
    RUN(test_kernel_others_refuse_flag_4);
    RUN(test_kernel_remap_maymove_leaves_no_source);
    RUN(test_kernel_remap_in_place_needs_free_space);
    RUN(test_kernel_remap_of_two_mappings_is_refused);
    RUN(test_kernel_advise_populates_and_discards);
    RUN(test_kernel_advise_marks_huge_pages);
    RUN(test_kernel_protect_opens_and_closes);
    RUN(test_kernel_advise_hides_from_core_files);
    RUN(test_kernel_parts_that_agree_are_one_mapping);
    RUN(test_kernel_moved_pages_are_a_mapping_of_their_own);
    RUN(test_kernel_offered_memory_under_pressure_reads_as_zero);
    RUN(test_kernel_clock_stands_still);
    RUN(test_kernel_limits_refuse_calls);
    RUN(test_kernel_fails_the_call_that_it_is_told_to);
    RUN(test_kernel_heap_blocks_move);
    RUN(test_kernel_notices_misuse);
    RUN(test_kernel_unaligned_maps_off_2_mib_boundaries);
    return check_done();
}
