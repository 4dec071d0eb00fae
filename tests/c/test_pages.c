/* Test the probe on each kernel, alignment to 2 MiB, each way to move, advice, and
 * opening reserved pages. */
#define _POSIX_C_SOURCE 200809L /* mkdtemp() */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "fixture.h"
#include "pages_system.h"

static const int expected_errors[KERNEL_KINDS][PAGES_NRUNGS] = {
    [KERNEL_2014] = {0, 0, 0, ENOTSUP, 0},
    [KERNEL_RETAIN] = {0, 0, 0, 0, 0},
    [KERNEL_MAINLINE] = {0, 0, 0, 0, EINVAL},
    [KERNEL_OLD] = {0, 0, 0, EINVAL, EINVAL},
    [KERNEL_ENOSYS] = {0, 0, ENOSYS, ENOSYS, ENOSYS},
    [KERNEL_EPERM] = {0, 0, EPERM, EPERM, EPERM},
    [KERNEL_WHOLE] = {0, 0, ENOSYS, ENOSYS, ENOSYS},
    [KERNEL_NO_PAGES] = {0, ENOSYS, ENOSYS, ENOSYS, ENOSYS},
};

static const int expected_populate[KERNEL_KINDS] = {
    [KERNEL_2014] = EINVAL, [KERNEL_OLD] = EINVAL,    [KERNEL_MAINLINE] = 0,
    [KERNEL_RETAIN] = 0,    [KERNEL_ENOSYS] = EINVAL, [KERNEL_NO_PAGES] = ENOSYS,
    [KERNEL_EPERM] = 0,     [KERNEL_WHOLE] = ENOTSUP,
};

static void
check_nothing_left(void)
{
    CHECK_SOUND(kernel_misuse());
    CHECK_SOUND(kernel_leak());
}

/* -------------------------------------------------------------------- the probe */

static void
test_pages_probe_finds_the_best_rung_and_each_error(void)
{
    for (int kind = 0; kind < KERNEL_KINDS; kind++) {
        begin(kind, ANY_RUNG);
        CHECK(pages_facts.rung == best_rung[kind]);
        for (int rung = 0; rung < PAGES_NRUNGS; rung++) {
            CHECK(pages_facts.errors[rung] == expected_errors[kind][rung]);
        }
        CHECK(pages_facts.populate_error == expected_populate[kind]);
        CHECK(pages_facts.page_nbytes >= 4096);
        check_nothing_left();
    }
}

static void
test_pages_probe_with_a_highest_rung_finds_the_best_up_to_it(void)
{
    for (int kind = 0; kind < KERNEL_KINDS; kind++) {
        for (int highest = 0; highest < PAGES_NRUNGS; highest++) {
            begin(kind, highest);
            int best = (int)best_rung[kind];
            best = best < highest ? best : highest;
            while (expected_errors[kind][best] != 0) {
                best--;
            }
            CHECK((int)pages_facts.rung == best);
        }
    }
}

/* The probe must refuse the rungs that keep the source mapped, and take the next one. */
static void
check_probe_takes_maymove(void)
{
    pages_probe(ANY_RUNG);
    CHECK(pages_facts.rung == PAGES_MAYMOVE);
    CHECK(pages_facts.errors[PAGES_DONTUNMAP] == ENOTSUP);
    check_nothing_left();
}

static void
test_pages_probe_where_source_keeps_its_bytes_takes_lower_rung(void)
{
    const enum kernel_kind kinds[] = {KERNEL_2014, KERNEL_RETAIN, KERNEL_MAINLINE};
    for (int i = 0; i < 3; i++) {
        kernel_boot(kinds[i]);
        kernel.dirty = true;
        check_probe_takes_maymove();
    }
}

static int
advise_nothing(void *address, size_t length, int advice)
{
    (void)address, (void)length, (void)advice;
    return 0;
}

/* qemu-user does the same to a source: madvise() succeeds but discards nothing. */
static void
test_pages_probe_where_source_is_not_discarded_takes_lower_rung(void)
{
    const enum kernel_kind kinds[] = {KERNEL_RETAIN, KERNEL_MAINLINE};
    for (int i = 0; i < 2; i++) {
        kernel_boot(kinds[i]);
        pages_ops.advise = advise_nothing;
        check_probe_takes_maymove();
    }
}

/* The lowest free range has two pages. If the probe mapped only its source page, a
 * kernel of 2014 would put it there and grow it in place. The probe would not see
 * whether it moves pages. So the probe maps a second page after the source.
 *
 *   |wall|<-- 2 free pages -->|wall|
 *   |wall|source | second page|wall|     */
static void
test_pages_probe_where_two_pages_are_free_finds_retain(void)
{
    kernel_boot(KERNEL_2014);
    kernel.bottom_up = true;
    char *walls;
    size_t page = pages_facts.page_nbytes;
    CHECK(pages_map(2 * MIB, &walls) == 0);
    pages_unmap(walls + page, 2 * page);
    pages_probe(ANY_RUNG);
    CHECK_SOUND(kernel_misuse());
    CHECK(pages_facts.rung == PAGES_RETAIN);
    CHECK(kernel.nbytes == 2 * MIB - 2 * page);
}

static void
probe_with_failures(enum kernel_kind kind, bool lasting, bool late)
{
    bool failed = true;
    for (size_t n = 1; failed; n++) {
        CASE("a kernel %s, call %zu fails, lasting %d", kernel_names[kind], n, lasting);
        kernel_boot(kind);
        kernel.late = late;
        (lasting ? kernel_fail_from : kernel_fail)(n, ENOMEM);
        pages_probe(ANY_RUNG);
        failed = kernel.nfailed > 0;
        CHECK(pages_facts.rung <= best_rung[kind]);
        CHECK(pages_facts.errors[pages_facts.rung] == 0);
        check_nothing_left();
    }
    CHECK(pages_facts.rung == best_rung[kind]);
}

static void
test_pages_probe_failing_takes_a_lower_rung(void)
{
    for (int kind = 0; kind < KERNEL_KINDS; kind++) {
        for (int variant = 0; variant < 4; variant++) {
            probe_with_failures(kind, variant & 1, variant & 2);
        }
    }
}

static void
test_pages_rung_named_knows_every_rung(void)
{
    CHECK(pages_rung_named("heap") == PAGES_HEAP);
    CHECK(pages_rung_named("retain") == PAGES_RETAIN);
    CHECK(pages_rung_named("") == -1 && pages_rung_named("Copy") == -1);
    for (int rung = 0; rung < PAGES_NRUNGS; rung++) {
        CHECK(pages_rung_named(pages_rung_names[rung]) == rung);
    }
}

static size_t asked_about;

static enum pages_shortage
say_mappings(size_t length)
{
    asked_about = length;
    return PAGES_SHORT_OF_MAPPINGS;
}

/* If a system has no operation that reports why a call was refused, the result is
 * PAGES_SHORT_OF_SPACE. */
static void
test_pages_shortage_is_what_the_system_reports(void)
{
    kernel_boot(KERNEL_MAINLINE);
    pages_ops.shortage = say_mappings;
    CHECK(pages_shortage(5 * MIB) == PAGES_SHORT_OF_MAPPINGS && asked_about == 5 * MIB);
    pages_ops.shortage = NULL;
    CHECK(pages_shortage(5 * MIB) == PAGES_SHORT_OF_SPACE);
}

/* -------------------------------------------------------------------- alignment */

static void
test_pages_map_begins_at_2_mib(void)
{
    const size_t unaligned[] = {0, 1, 2, SIZE_MAX};
    for (int i = 0; i < 8; i++) {
        begin(KERNEL_MAINLINE, ANY_RUNG);
        kernel.unaligned = unaligned[i / 2];
        kernel.bottom_up = i % 2;
        char *mapped, *reserved;
        CHECK(pages_map(6 * MIB, &mapped) == 0);
        CHECK((uintptr_t)mapped % GROWTH_QUANTUM == 0);
        CHECK(kernel_is_mapped(mapped, 6 * MIB) && is_zero(mapped, 6 * MIB));
        CHECK(kernel.nbytes == 6 * MIB);
        CHECK(pages_reserve(2 * MIB, &reserved) == 0);
        CHECK((uintptr_t)reserved % GROWTH_QUANTUM == 0);
        CHECK(!kernel_is_mapped(reserved, 2 * MIB) && kernel.nbytes == 8 * MIB);
        pages_unmap(mapped, 6 * MIB);
        pages_unmap(reserved, 2 * MIB);
        check_nothing_left();
    }
}

/* Either all is mapped or nothing. Only ranges whose unmapping failed are lost. */
static void
test_pages_map_failing_leaves_nothing(void)
{
    for (size_t n = 1, nfailed = 1; nfailed > 0; n++) {
        begin(KERNEL_MAINLINE, ANY_RUNG);
        CASE("call %zu fails", n);
        kernel.unaligned = SIZE_MAX;
        kernel_fail(n, ENOMEM);
        char *mapped = NULL;
        int error = pages_map(4 * MIB, &mapped);
        nfailed = kernel.nfailed;
        CHECK(error == 0 || (error == ENOMEM && nfailed > 0));
        CHECK(kernel.nbytes == (error ? 0 : 4 * MIB));
        if (error == 0) {
            CHECK((uintptr_t)mapped % GROWTH_QUANTUM == 0);
            kernel_heal();
            pages_unmap(mapped, 4 * MIB);
        }
        check_nothing_left();
    }
}

static void
test_pages_unmap_refused_leaves_no_memory(void)
{
    begin(KERNEL_MAINLINE, ANY_RUNG);
    char *mapped;
    CHECK(pages_map(2 * MIB, &mapped) == 0);
    fill(mapped, 2 * MIB, 1);
    CHECK(kernel_resident(mapped, 2 * MIB) == 2 * MIB);
    kernel_fail(1, ENOMEM);
    pages_unmap(mapped, 2 * MIB);
    CHECK(kernel.nlost == 1 && kernel.lost_nbytes == 2 * MIB);
    CHECK(kernel_resident(mapped, 2 * MIB) == 0);
    check_nothing_left();
}

/* ------------------------------------------------------------------------ moves */

/* Map a source of 2 MiB that cannot grow in place, fill it, and reserve a target of
 * 4 MiB. */
static void
prepare(enum kernel_kind kind, char **source, char **target)
{
    char *wall;
    begin(kind, ANY_RUNG);
    CHECK(pages_map(2 * MIB, &wall) == 0);
    CHECK(pages_map(2 * MIB, source) == 0);
    CHECK(pages_reserve(4 * MIB, target) == 0);
    fill(*source, 2 * MIB, kind);
}

static void
check_moved(const char *moved, size_t length, enum kernel_kind kind)
{
    CHECK(kernel_is_mapped(moved, length));
    CHECK(is_filled(moved, 2 * MIB, kind));
    CHECK(is_zero(moved + 2 * MIB, length - 2 * MIB));
    CHECK_SOUND(kernel_misuse());
}

static void
check_not_moved(const char *source, size_t nbytes, enum kernel_kind kind)
{
    CHECK(kernel.nbytes == nbytes);
    CHECK(kernel_is_mapped(source, 2 * MIB) && is_filled(source, 2 * MIB, kind));
    CHECK_SOUND(kernel_misuse());
}

static void
test_pages_move_retain_on_each_kernel_moves_or_is_refused(void)
{
    for (int kind = 0; kind < KERNEL_NO_PAGES; kind++) {
        char *source, *target, *moved;
        prepare(kind, &source, &target);
        int error = pages_move_retain(source, 2 * MIB, 4 * MIB, &moved);
        CHECK(error == expected_errors[kind][PAGES_RETAIN]);
        if (error) {
            check_not_moved(source, 8 * MIB, kind);
        }
        else {
            check_moved(moved, 4 * MIB, kind);
            CHECK(kernel_is_mapped(source, 2 * MIB) && is_zero(source, 2 * MIB));
        }
    }
}

static void
test_pages_move_dontunmap_on_each_kernel_moves_or_is_refused(void)
{
    for (int kind = 0; kind < KERNEL_NO_PAGES; kind++) {
        char *source, *target, *moved;
        prepare(kind, &source, &target);
        pages_unmap(target, 4 * MIB);
        int error = pages_move_dontunmap(source, 2 * MIB, target, &moved);
        CHECK(error == expected_errors[kind][PAGES_DONTUNMAP]);
        if (error) {
            check_not_moved(source, 4 * MIB, kind);
        }
        else {
            CHECK(moved == target);
            check_moved(target, 2 * MIB, kind);
            CHECK(kernel_is_mapped(source, 2 * MIB) && is_zero(source, 2 * MIB));
        }
    }
}

static void
test_pages_move_onto_on_each_kernel_moves_or_is_refused(void)
{
    for (int kind = 0; kind < KERNEL_NO_PAGES; kind++) {
        char *source, *target;
        prepare(kind, &source, &target);
        int error = pages_move_onto(source, 2 * MIB, target);
        CHECK(error == expected_errors[kind][PAGES_MAYMOVE]);
        if (error) {
            check_not_moved(source, 8 * MIB, kind);
        }
        else {
            check_moved(target, 2 * MIB, kind);
            CHECK(!kernel_is_mapped(source, 2 * MIB) && kernel.nbytes == 6 * MIB);
        }
    }
}

static void
test_pages_move_anywhere_on_each_kernel_moves_or_is_refused(void)
{
    for (int kind = 0; kind < KERNEL_NO_PAGES; kind++) {
        char *source, *target, *moved;
        prepare(kind, &source, &target);
        int error = pages_move_anywhere(source, 2 * MIB, 4 * MIB, &moved);
        CHECK(error == expected_errors[kind][PAGES_MAYMOVE]);
        if (error) {
            check_not_moved(source, 8 * MIB, kind);
        }
        else {
            check_moved(moved, 4 * MIB, kind);
            CHECK(!kernel_is_mapped(source, 2 * MIB) && kernel.nbytes == 10 * MIB);
        }
    }
}

static void
test_pages_extend_needs_free_space(void)
{
    char *source, *target;
    prepare(KERNEL_MAINLINE, &source, &target);
    CHECK(pages_extend(source, 2 * MIB, 4 * MIB) == ENOMEM);
    check_not_moved(source, 8 * MIB, KERNEL_MAINLINE);
    pages_unmap(target, 4 * MIB);
    CHECK(pages_move_dontunmap(source, 2 * MIB, target, &target) == 0);
    CHECK(pages_extend(target, 2 * MIB, 4 * MIB) == 0);
    check_moved(target, 4 * MIB, KERNEL_MAINLINE);
}

/* ----------------------------------------------------------------------- advice */

static void
test_pages_populate_calls_only_where_it_works(void)
{
    for (int kind = 0; kind < KERNEL_NO_PAGES; kind++) {
        begin(kind, ANY_RUNG);
        char *mapped;
        CHECK(pages_map(2 * MIB, &mapped) == 0);
        size_t calls = kernel.calls[KERNEL_ADVISE];
        int error = pages_populate(mapped, MIB);
        CHECK(error == expected_populate[kind]);
        CHECK(kernel.calls[KERNEL_ADVISE] - calls == (error ? 0 : 1));
        CHECK(kernel_resident(mapped, 2 * MIB) == (error ? 0 : MIB));
    }
}

static void
test_pages_advise_huge_asks_unless_there_are_none(void)
{
    begin(KERNEL_MAINLINE, ANY_RUNG);
    char *mapped;
    CHECK(pages_map(2 * MIB, &mapped) == 0);
    size_t calls = kernel.calls[KERNEL_ADVISE];
    for (int huge = 0; huge < PAGES_NHUGE; huge++) {
        bool none = huge == PAGES_HUGE_NEVER || huge == PAGES_HUGE_64K;
        pages_facts.huge = huge; /* if it is unknown, advice does no harm */
        CHECK(pages_advise_huge(mapped, 2 * MIB) == (none ? ENOTSUP : 0));
        calls += !none;
        CHECK(kernel.calls[KERNEL_ADVISE] == calls);
    }
    pages_facts.huge = PAGES_HUGE_MADVISE;
    kernel_fail(1, EINVAL);
    CHECK(pages_advise_huge(mapped, 2 * MIB) == EINVAL);
}

static void
test_pages_advise_fresh_refuses_huge_ones_or_asks_for_64k(void)
{
    for (int huge = 0; huge < PAGES_NHUGE; huge++) {
        begin(KERNEL_MAINLINE, ANY_RUNG);
        CASE("huge pages: %s", pages_huge_names[huge]);
        pages_facts.huge = huge;
        enum kernel_huge told = advice_for_fresh();
        bool asks = told != KERNEL_HUGE_UNSAID;
        char *mapped;
        CHECK(pages_map(2 * MIB, &mapped) == 0);
        size_t calls = kernel.calls[KERNEL_ADVISE];
        CHECK(pages_advise_fresh(mapped, 2 * MIB) == 0);
        CHECK(kernel.calls[KERNEL_ADVISE] - calls == asks);
        CHECK(kernel_is_advised(mapped, 2 * MIB, told));
        kernel_fail(1, EINVAL);
        CHECK(pages_advise_fresh(mapped, 2 * MIB) == (asks ? EINVAL : 0));
    }
}

static void
test_pages_discard_of_part_of_huge_page_splits_it(void)
{
    const struct {
        size_t from, length, nsplit;
    } cases[] = {{0, MIB, 1},       {MIB, MIB, 1},   {512 * KIB, MIB, 1},
                 {0, 2 * MIB, 0},   {0, 3 * MIB, 1}, {MIB, 3 * MIB, 1},
                 {MIB, 2 * MIB, 2}, {0, 4 * MIB, 0}};
    begin(KERNEL_MAINLINE, ANY_RUNG);
    char *mapped;
    CHECK(pages_map(6 * MIB, &mapped) == 0);
    char *huge =
        (char *)(((uintptr_t)mapped + 2 * MIB - 1) & ~(uintptr_t)(2 * MIB - 1));
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        CASE("%zu bytes from %zu", cases[i].length, cases[i].from);
        size_t calls = kernel.calls[KERNEL_ADVISE];
        CHECK(pages_discard(huge + cases[i].from, cases[i].length, true) == 0);
        CHECK(kernel.calls[KERNEL_ADVISE] - calls == cases[i].nsplit + 1);
    }
}

/* A range that begins or ends within a page of 64 KiB splits that page. */
static void
test_pages_discard_of_part_of_64k_page_splits_it(void)
{
    const struct {
        size_t from, length, nsplit;
    } cases[] = {{0, 64 * KIB, 0},         {4 * KIB, 8 * KIB, 1},
                 {4 * KIB, 60 * KIB, 1},   {32 * KIB, 64 * KIB, 2},
                 {0, 2 * MIB, 0},          {0, 68 * KIB, 1},
                 {60 * KIB, 132 * KIB, 1}, {MIB, MIB, 0}};
    for (int huge = 0; huge < PAGES_NHUGE; huge++) {
        begin(KERNEL_MAINLINE, ANY_RUNG);
        char *mapped;
        CHECK(pages_map(2 * MIB, &mapped) == 0);
        pages_facts.huge = huge;
        bool splits = huge == PAGES_HUGE_64K && pages_facts.page_nbytes < 64 * KIB;
        for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
            if (cases[i].from % pages_facts.page_nbytes != 0 ||
                cases[i].length % pages_facts.page_nbytes != 0) {
                continue; /* the test runs with pages of 16 and 64 KiB, too */
            }
            CASE("%zu bytes from %zu", cases[i].length, cases[i].from);
            size_t calls = kernel.calls[KERNEL_ADVISE];
            CHECK(pages_discard(mapped + cases[i].from, cases[i].length, false) == 0);
            CHECK(kernel.calls[KERNEL_ADVISE] - calls ==
                  1 + (splits ? cases[i].nsplit : 0));
        }
    }
}

#if defined __linux__ && !defined GROWBUF_PAGES_POSIX
static void
write_setting(const char *directory, const char *name, const char *text)
{
    char path[128];
    snprintf(path, sizeof path, "%s/%s", directory, name);
    FILE *file = fopen(path, "w");
    CHECK(file != NULL && fputs(text, file) >= 0 && fclose(file) == 0);
}

static void
remove_settings(const char *directory)
{
    const char *const names[] = {
        "enabled",          "hugepages-2048kB/enabled", "hugepages-64kB/enabled",
        "hugepages-2048kB", "hugepages-64kB",           ""};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        char path[128];
        snprintf(path, sizeof path, "%s/%s", directory, names[i]);
        (void)remove(path);
    }
}

/* The files have the form of those of Linux 6.8 and later. Older kernels have only the
 * first: NULL stands for a file that does not exist. */
static void
test_pages_linux_setting_reads_each_size(void)
{
    const struct {
        const char *all, *large, *medium;
        enum pages_huge expected;
    } cases[] = {
        {NULL, NULL, NULL, PAGES_HUGE_UNKNOWN},
        {"always madvise [never]", NULL, NULL, PAGES_HUGE_NEVER},
        {"always [madvise] never", NULL, NULL, PAGES_HUGE_MADVISE},
        {"[always] madvise never", NULL, NULL, PAGES_HUGE_ALWAYS},
        {"always [madvise] never", "always [inherit] madvise never",
         "always inherit madvise [never]", PAGES_HUGE_MADVISE},
        {"always [madvise] never", "always [inherit] madvise never",
         "always inherit [madvise] never", PAGES_HUGE_MADVISE},
        {"always [madvise] never", "always inherit madvise [never]",
         "always inherit madvise [never]", PAGES_HUGE_NEVER},
        {"always [madvise] never", "always inherit madvise [never]",
         "always inherit [madvise] never", PAGES_HUGE_64K},
        {"always [madvise] never", "always inherit madvise [never]",
         "always [inherit] madvise never", PAGES_HUGE_64K},
        {"always madvise [never]", "always [inherit] madvise never",
         "[always] inherit madvise never", PAGES_HUGE_64K},
        {"always madvise [never]", "always [inherit] madvise never",
         "always [inherit] madvise never", PAGES_HUGE_NEVER},
        {"always madvise [never]", "[always] inherit madvise never",
         "always inherit [madvise] never", PAGES_HUGE_ALWAYS},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char directory[] = "/tmp/growbuf-XXXXXX", path[64];
        const char *const texts[] = {cases[i].all, cases[i].large, cases[i].medium};
        const char *const names[] = {"enabled", "hugepages-2048kB/enabled",
                                     "hugepages-64kB/enabled"};
        CASE("case %zu", i);
        CHECK(mkdtemp(directory) != NULL);
        snprintf(path, sizeof path, "%s/hugepages-2048kB", directory);
        CHECK(mkdir(path, 0700) == 0);
        snprintf(path, sizeof path, "%s/hugepages-64kB", directory);
        CHECK(mkdir(path, 0700) == 0);
        for (size_t file = 0; file < 3; file++) {
            if (texts[file] != NULL) {
                write_setting(directory, names[file], texts[file]);
            }
        }
        CHECK(pages_linux_setting(directory) == cases[i].expected);
        remove_settings(directory);
    }
}
#endif

/* The probe reports the setting of the system, and PAGES_HUGE_NEVER if a system has no
 * operation that returns it. */
static void
test_pages_probe_reports_the_setting_of_huge_pages(void)
{
    for (int huge = 0; huge < PAGES_NHUGE; huge++) {
        kernel_boot(KERNEL_MAINLINE);
        kernel.huge = huge;
        pages_probe(ANY_RUNG);
        CHECK((int)pages_facts.huge == huge);
        pages_ops.huge = NULL;
        pages_probe(ANY_RUNG);
        CHECK(pages_facts.huge == PAGES_HUGE_NEVER);
    }
}

/* Offered memory keeps its bytes until the system takes it; then it reads as zero. */
static void
test_pages_offer_may_leave_zeros(void)
{
    for (int kind = 0; kind < KERNEL_NO_PAGES; kind++) {
        begin(kind, ANY_RUNG);
        char *mapped;
        int error = kind == KERNEL_OLD ? EINVAL : 0;
        CHECK(pages_map(2 * MIB, &mapped) == 0);
        fill(mapped, 2 * MIB, 1);
        CHECK(pages_offer(mapped + MIB, MIB) == error);
        CHECK(is_filled(mapped, 2 * MIB, 1));
        kernel.pressed = true;
        CHECK(pages_offer(mapped + MIB, MIB) == error);
        CHECK(is_filled(mapped, MIB, 1));
        CHECK(is_zero(mapped + MIB, MIB) == (error == 0));
    }
}

static void
test_pages_discard_in_steps_closes_the_pages(void)
{
    begin(KERNEL_WHOLE, ANY_RUNG);
    char *mapped;
    CHECK(pages_facts.whole_only && pages_facts.in_steps);
    CHECK(pages_facts.step_nbytes == pages_facts.page_nbytes);
    CHECK(pages_map(2 * MIB, &mapped) == 0);
    fill(mapped, 2 * MIB, 1);
    CHECK(pages_discard(mapped + MIB, MIB, false) == 0 && is_filled(mapped, MIB, 1));
    CHECK(kernel_is_mapped(mapped, MIB) && kernel_is_closed(mapped + MIB, MIB));
    CHECK(pages_open(mapped + MIB, MIB) == 0 && is_zero(mapped + MIB, MIB));
    pages_unmap(mapped, 2 * MIB);
    check_nothing_left();
}

static void
test_pages_discard_leaves_zeros(void)
{
    begin(KERNEL_OLD, ANY_RUNG);
    char *mapped;
    CHECK(pages_map(2 * MIB, &mapped) == 0);
    fill(mapped, 2 * MIB, 1);
    CHECK(pages_discard(mapped + MIB, MIB, false) == 0);
    CHECK(is_filled(mapped, MIB, 1) && is_zero(mapped + MIB, MIB));
    fill(mapped, 2 * MIB, 1);
    kernel_fail(1, EAGAIN);
    CHECK(pages_discard(mapped, 2 * MIB, false) == EAGAIN &&
          is_filled(mapped, 2 * MIB, 1));
}

/* --------------------------------------------------------------- opening and hiding */

static void
test_pages_open_of_a_part_leaves_the_rest_closed(void)
{
    for (int kind = 0; kind < KERNEL_WHOLE; kind++) {
        begin(kind, ANY_RUNG);
        char *reserved;
        CHECK(pages_reserve(8 * MIB, &reserved) == 0);
        CHECK(pages_hide(reserved, 8 * MIB) == 0);
        CHECK(kernel_is_closed(reserved, 8 * MIB) &&
              kernel_is_hidden(reserved, 8 * MIB));
        for (size_t opened = 2 * MIB; opened <= 8 * MIB; opened += 2 * MIB) {
            CHECK(pages_open(reserved + opened - 2 * MIB, 2 * MIB) == 0);
            CHECK(kernel_is_mapped(reserved, opened));
            CHECK(kernel_is_dumped(reserved, opened));
            CHECK(kernel_is_closed(reserved + opened, 8 * MIB - opened));
            CHECK(kernel_is_hidden(reserved + opened, 8 * MIB - opened));
            CHECK(kernel.nmappings == (opened < 8 * MIB ? 2 : 1));
        }
        CHECK(kernel_resident(reserved, 8 * MIB) == 0 && kernel.nbytes == 8 * MIB);
        pages_unmap(reserved, 8 * MIB);
        check_nothing_left();
    }
    begin(KERNEL_NO_PAGES, ANY_RUNG);
    static char bytes[2 << 16];
    char *page = bytes + -(uintptr_t)bytes % PAGE;
    CHECK(pages_open(page, PAGE) == ENOSYS);
    CHECK(pages_hide(page, PAGE) == ENOSYS);
}

/* Pages that are opened twice, as after a failure, keep their bytes. */
static void
test_pages_open_twice_does_no_harm(void)
{
    begin(KERNEL_MAINLINE, ANY_RUNG);
    char *reserved;
    CHECK(pages_reserve(4 * MIB, &reserved) == 0);
    CHECK(pages_open(reserved, 2 * MIB) == 0);
    fill(reserved, 2 * MIB, 1);
    CHECK(pages_open(reserved, 4 * MIB) == 0);
    CHECK(is_filled(reserved, 2 * MIB, 1) && is_zero(reserved + 2 * MIB, 2 * MIB));
    CHECK_SOUND(kernel_misuse());
}

static void
test_pages_open_refused_changes_nothing(void)
{
    begin(KERNEL_MAINLINE, ANY_RUNG);
    char *reserved;
    CHECK(pages_reserve(4 * MIB, &reserved) == 0);
    kernel_fail(1, EAGAIN);
    CHECK(pages_hide(reserved, 4 * MIB) == EAGAIN);
    CHECK(kernel_is_dumped(reserved, 4 * MIB));
    CHECK(pages_hide(reserved, 4 * MIB) == 0);
    kernel_fail(1, ENOMEM);
    CHECK(pages_open(reserved, 2 * MIB) == ENOMEM);
    CHECK(kernel_is_closed(reserved, 4 * MIB) && kernel_is_hidden(reserved, 4 * MIB));
    kernel_fail(2, ENOMEM); /* the advice for core files, which may fail */
    CHECK(pages_open(reserved, 2 * MIB) == 0);
    CHECK(kernel_is_mapped(reserved, 2 * MIB) && kernel_is_hidden(reserved, 2 * MIB));
    CHECK_SOUND(kernel_misuse());
}

int
main(void)
{
    RUN(test_pages_probe_finds_the_best_rung_and_each_error);
    RUN(test_pages_probe_with_a_highest_rung_finds_the_best_up_to_it);
    RUN(test_pages_probe_where_source_keeps_its_bytes_takes_lower_rung);
    RUN(test_pages_probe_where_source_is_not_discarded_takes_lower_rung);
    RUN(test_pages_probe_where_two_pages_are_free_finds_retain);
    RUN(test_pages_probe_failing_takes_a_lower_rung);
    RUN(test_pages_rung_named_knows_every_rung);
    RUN(test_pages_shortage_is_what_the_system_reports);
    RUN(test_pages_map_begins_at_2_mib);
    RUN(test_pages_map_failing_leaves_nothing);
    RUN(test_pages_unmap_refused_leaves_no_memory);
    RUN(test_pages_move_retain_on_each_kernel_moves_or_is_refused);
    RUN(test_pages_move_dontunmap_on_each_kernel_moves_or_is_refused);
    RUN(test_pages_move_onto_on_each_kernel_moves_or_is_refused);
    RUN(test_pages_move_anywhere_on_each_kernel_moves_or_is_refused);
    RUN(test_pages_extend_needs_free_space);
    RUN(test_pages_populate_calls_only_where_it_works);
    RUN(test_pages_advise_huge_asks_unless_there_are_none);
    RUN(test_pages_advise_fresh_refuses_huge_ones_or_asks_for_64k);
    RUN(test_pages_discard_of_part_of_huge_page_splits_it);
    RUN(test_pages_discard_of_part_of_64k_page_splits_it);
#if defined __linux__ && !defined GROWBUF_PAGES_POSIX
    RUN(test_pages_linux_setting_reads_each_size);
#endif
    RUN(test_pages_probe_reports_the_setting_of_huge_pages);
    RUN(test_pages_offer_may_leave_zeros);
    RUN(test_pages_discard_in_steps_closes_the_pages);
    RUN(test_pages_discard_leaves_zeros);
    RUN(test_pages_open_of_a_part_leaves_the_rest_closed);
    RUN(test_pages_open_twice_does_no_harm);
    RUN(test_pages_open_refused_changes_nothing);
    return check_done();
}
