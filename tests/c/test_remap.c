/* Test each property of mremap() that growbuf relies on. The tests run on two fakes of
 * a kernel of today, with and without a patch, and on the running kernel. So a fake
 * kernel that differs from the running one fails here.
 *
 * Flag 4 keeps the source of a move mapped. Kernels of today accept it only for equal
 * lengths (MREMAP_DONTUNMAP). With the patch they also accept it for growth
 * (MREMAP_RETAIN). If GROWBUF_EXPECT names a rung, it must be the best one of the
 * running kernel, and a test that cannot run is an error. `tools/retain` sets it.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "fixture.h"

#ifndef SANITIZED
#define SANITIZED 0
#endif

#define KEEP (MREMAP_MAYMOVE | 4)
#define FIXED MREMAP_FIXED
#define ACCESS (PROT_READ | PROT_WRITE)

/* Much less than 2 MiB, so that no kernel aligns the mappings to 2 MiB. */
#define LENGTH (256 * KIB)

enum subject { FAKE_PATCHED, FAKE_MAINLINE, REAL, NSUBJECTS };

static enum subject subject;
static bool exists; /* flag 4 is accepted for equal lengths */
static bool grows;  /* and for growth */

/* ------------------------------------------------------------ what the kernel shows */

static size_t page;

struct totals {
    uintptr_t from, to;
    size_t nbytes, nmappings;
};

/* Count the mappings of this process, and the bytes in the range that may be read and
 * written. This works for a fake kernel too, because its arena is real memory. */
static struct totals
read_maps(const char *from, size_t length)
{
    struct totals totals = {(uintptr_t)from, (uintptr_t)from + length, 0, 0};
    static char line[512];
    FILE *maps = fopen("/proc/self/maps", "r");
    CHECK(maps != NULL);
    while (fgets(line, sizeof line, maps) != NULL) {
        uintptr_t low, high;
        char access[5];
        if (sscanf(line, "%" SCNxPTR "-%" SCNxPTR " %4s", &low, &high, access) != 3) {
            continue;
        }
        totals.nmappings++;
        low = low > totals.from ? low : totals.from;
        high = high < totals.to ? high : totals.to;
        if (low < high && access[0] == 'r' && access[1] == 'w') {
            totals.nbytes += high - low;
        }
    }
    fclose(maps);
    return totals;
}

static bool
is_mapped(const char *address, size_t length)
{
    return read_maps(address, length).nbytes == length;
}

static size_t
count_mappings(void)
{
    return subject == REAL ? read_maps(NULL, 0).nmappings : kernel.nmappings;
}

/* Return the number in KiB that follows `name` in a file of /proc. */
static size_t
read_kib(const char *path, const char *name)
{
    char line[256];
    size_t nkib = 0, found = 0;
    FILE *file = fopen(path, "r");
    CHECK(file != NULL);
    while (!found && fgets(line, sizeof line, file) != NULL) {
        found = strncmp(line, name, strlen(name)) == 0 &&
                sscanf(line + strlen(name), ": %zu", &nkib) == 1;
    }
    fclose(file);
    CHECK(found);
    return nkib;
}

/* ------------------------------------------------------------------------- help */

static void *
remap(char *address, size_t length, size_t new_length, int flags, char *target)
{
    return pages_ops.remap(address, length, new_length, flags, target);
}

static bool
is_refused(void *mapped, int error)
{
    return mapped == MAP_FAILED && errno == error;
}

static char *
map(size_t length)
{
    char *mapped = pages_ops.map(length, PAGES_OPENED);
    CHECK(mapped != MAP_FAILED);
    return mapped;
}

/* Map `length` bytes, written by fill() with `seed`, that cannot grow in place:
 *
 *     |<----- length ----->|<----- no access ----->|     */
static char *
map_walled(size_t length, uint64_t seed)
{
    char *mapped = map(2 * length);
    CHECK(pages_ops.protect(mapped + length, length, PROT_NONE) == 0);
    fill(mapped, length, seed);
    return mapped;
}

/* Map `length` bytes, written by fill() with `seed`. As many addresses after them are
 * free. */
static char *
map_with_room(size_t length, uint64_t seed)
{
    char *mapped = map(2 * length);
    CHECK(pages_ops.unmap(mapped + length, length) == 0);
    fill(mapped, length, seed);
    return mapped;
}

/* Return whether this kernel refuses to grow with flag 4, and check the refusal. */
static bool
refuses_growth(char *source)
{
    size_t nmappings = count_mappings();
    if (!grows) {
        CHECK(is_refused(remap(source, LENGTH, 2 * LENGTH, KEEP, NULL), EINVAL));
        CHECK(is_filled(source, LENGTH, 1) && count_mappings() == nmappings);
    }
    return !grows;
}

/* Run a test in a child process, because it sets limits or changes all mappings. Return
 * whether it succeeded. */
static bool
succeeds_in_child(void (*work)(void))
{
    int status;
    fflush(stdout);
    pid_t child = fork();
    CHECK(child >= 0);
    if (child == 0) {
        work();
        fflush(stdout);
        _exit(0);
    }
    CHECK(waitpid(child, &status, 0) == child);
    return WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

static void
in_child(void (*work)(void))
{
    CHECK(succeeds_in_child(work));
}

/* Print why a test cannot run. If a rung is expected, that is a failure. */
static void
leave_out(const char *reason)
{
    printf("left out: %s\n", reason);
    CHECK(getenv("GROWBUF_EXPECT") == NULL);
}

/* --------------------------------------------------------------- moves that succeed */

static void
equal_length_moves_and_keeps_the_source(void)
{
    char *source = map_walled(LENGTH, 1);
    size_t nmappings = count_mappings();
    char *moved = remap(source, LENGTH, LENGTH, KEEP, NULL);
    CHECK(moved != MAP_FAILED && moved != source && is_filled(moved, LENGTH, 1));
    CHECK(is_mapped(moved, LENGTH) && is_mapped(source, LENGTH));
    CHECK(is_zero(source, LENGTH) && count_mappings() == nmappings + 1);
}

static void
growth_moves_and_keeps_the_source(void)
{
    char *source = map_walled(LENGTH, 1);
    size_t nmappings = count_mappings();
    if (refuses_growth(source)) {
        return;
    }
    char *moved = remap(source, LENGTH, 3 * LENGTH, KEEP, NULL);
    CHECK(moved != MAP_FAILED && moved != source && is_filled(moved, LENGTH, 1));
    CHECK(is_mapped(moved, 3 * LENGTH) && is_zero(moved + LENGTH, 2 * LENGTH));
    CHECK(is_mapped(source, LENGTH) && is_zero(source, LENGTH));
    CHECK(count_mappings() == nmappings + 1);
}

/* Write to the source, move out of it again, and move something else onto it. */
static void
source_can_be_used_again(void)
{
    char *source = map_walled(LENGTH, 1);
    char *first = remap(source, LENGTH, LENGTH, KEEP, NULL);
    CHECK(first != MAP_FAILED);
    fill(source, LENGTH, 2);
    CHECK(is_filled(first, LENGTH, 1) && is_filled(source, LENGTH, 2));
    size_t length = grows ? 2 * LENGTH : LENGTH;
    char *second = remap(source, LENGTH, length, KEEP, NULL);
    CHECK(second != MAP_FAILED && second != source && is_zero(source, LENGTH));
    CHECK(is_filled(second, LENGTH, 2) && is_filled(first, LENGTH, 1));
    CHECK(remap(first, LENGTH, LENGTH, KEEP | FIXED, source) == source);
    CHECK(is_filled(source, LENGTH, 1) && is_zero(first, LENGTH));
}

static void
growth_is_in_place_where_there_is_room(void)
{
    char *source = map_with_room(LENGTH, 1);
    size_t nmappings = count_mappings();
    if (refuses_growth(source)) {
        return;
    }
    CHECK(remap(source, LENGTH, 2 * LENGTH, KEEP, NULL) == source);
    CHECK(is_filled(source, LENGTH, 1) && is_zero(source + LENGTH, LENGTH));
    CHECK(count_mappings() == nmappings);
}

/* A hint is a target address without MREMAP_FIXED. */
static void
hint_is_taken_at_equal_lengths(void)
{
    char *source = map_walled(LENGTH, 1), *target = map(LENGTH);
    CHECK(pages_ops.unmap(target, LENGTH) == 0);
    CHECK(remap(source, LENGTH, LENGTH, KEEP, target) == target);
    CHECK(is_filled(target, LENGTH, 1) && is_zero(source, LENGTH));
}

/* A hint that is not a multiple of the page size is an error at equal lengths only. */
static void
hint_is_ignored_by_growth(void)
{
    char *source = map_walled(LENGTH, 1), *hint = source + 1;
    CHECK(is_refused(remap(source, LENGTH, LENGTH, KEEP, hint), EINVAL));
    if (!refuses_growth(source)) {
        char *moved = remap(source, LENGTH, 2 * LENGTH, KEEP, hint);
        CHECK(moved != MAP_FAILED && is_filled(moved, LENGTH, 1));
    }
}

static void
hint_in_use_is_not_taken(void)
{
    char *source = map_walled(LENGTH, 1), *target = map_walled(LENGTH, 2);
    char *moved = remap(source, LENGTH, LENGTH, KEEP, target);
    CHECK(moved != MAP_FAILED && moved != target && moved != source);
    CHECK(is_filled(moved, LENGTH, 1) && is_filled(target, LENGTH, 2));
}

static void
fixed_replaces_what_is_at_the_target(void)
{
    char *source = map_walled(LENGTH, 1), *target = map_walled(2 * LENGTH, 2);
    size_t length = grows ? 2 * LENGTH : LENGTH, nmappings = count_mappings();
    if (!grows) {
        char *refused = remap(source, LENGTH, 2 * LENGTH, KEEP | FIXED, target);
        CHECK(is_refused(refused, EINVAL) && is_filled(target, 2 * LENGTH, 2));
    }
    CHECK(remap(source, LENGTH, length, KEEP | FIXED, target) == target);
    CHECK(is_filled(target, LENGTH, 1));
    CHECK(!grows || is_zero(target + LENGTH, LENGTH));
    CHECK(is_mapped(source, LENGTH) && is_zero(source, LENGTH));
    CHECK(is_mapped(target, 2 * LENGTH));
    CHECK(count_mappings() == nmappings + !grows);
}

/*   |<- one page ->|<- moved ->|<- the rest ->|  */
static void
part_of_a_mapping_moves_and_the_rest_stays(void)
{
    char *source = map_walled(LENGTH, 1), *part = source + page;
    size_t nmappings = count_mappings(), nbytes = 8 * page;
    static char before[LENGTH];
    memcpy(before, source, LENGTH);
    char *moved = remap(part, nbytes, grows ? 2 * nbytes : nbytes, KEEP, NULL);
    CHECK(moved != MAP_FAILED && memcmp(moved, before + page, nbytes) == 0);
    CHECK(memcmp(source, before, page) == 0 && is_zero(part, nbytes));
    size_t after = page + nbytes;
    CHECK(memcmp(source + after, before + after, LENGTH - after) == 0);
    CHECK(is_mapped(source, LENGTH) && count_mappings() == nmappings + 1);
}

/* Pages that are read-only or inaccessible move, too, with their bytes. */
static void
access_moves_with_the_pages(void)
{
    const int protections[] = {PROT_READ, PROT_NONE};
    for (int i = 0; i < 2; i++) {
        char *source = map_walled(LENGTH, 1);
        CHECK(pages_ops.protect(source, LENGTH, protections[i]) == 0);
        char *moved = remap(source, LENGTH, LENGTH, KEEP, NULL);
        CHECK(moved != MAP_FAILED && moved != source);
        CHECK(!is_mapped(moved, page) && !is_mapped(source, page));
        CHECK(pages_ops.protect(moved, LENGTH, ACCESS) == 0);
        CHECK(pages_ops.protect(source, LENGTH, ACCESS) == 0);
        CHECK(is_filled(moved, LENGTH, 1) && is_zero(source, LENGTH));
    }
}

/* ------------------------------------------------------------------ moves refused */

static void
refused_without_maymove(void)
{
    for (int room = 0; room < 2; room++) {
        char *source = (room ? map_with_room : map_walled)(LENGTH, 1);
        size_t nmappings = count_mappings();
        CHECK(is_refused(remap(source, LENGTH, LENGTH, 4, NULL), EINVAL));
        CHECK(is_refused(remap(source, LENGTH, 2 * LENGTH, 4, NULL), EINVAL));
        CHECK(is_filled(source, LENGTH, 1) && count_mappings() == nmappings);
    }
}

static void
refused_when_it_shrinks(void)
{
    char *source = map_walled(LENGTH, 1), *target = map_walled(LENGTH, 2);
    size_t half = LENGTH / 2;
    CHECK(is_refused(remap(source, LENGTH, half, KEEP, NULL), EINVAL));
    CHECK(is_refused(remap(source, LENGTH, half, KEEP | FIXED, target), EINVAL));
    CHECK(is_filled(source, LENGTH, 1) && is_filled(target, LENGTH, 2));
}

static void
refused_onto_itself_and_off_page_boundaries(void)
{
    char *source = map_walled(LENGTH, 1), *target = map_walled(LENGTH, 2);
    char *over = source + page;
    CHECK(is_refused(remap(source, LENGTH, LENGTH, KEEP | FIXED, over), EINVAL));
    CHECK(is_refused(remap(source, LENGTH, LENGTH, KEEP | FIXED, target + 1), EINVAL));
    CHECK(is_refused(remap(source + 1, LENGTH, LENGTH, KEEP, NULL), EINVAL));
    CHECK(is_filled(source, LENGTH, 1) && is_filled(target, LENGTH, 2));
}

/* The two halves are two mappings, because their access differs. Since Linux 6.17 one
 * call moves both, but only with MREMAP_FIXED and equal lengths. */
static void
two_mappings_do_not_move_without_a_target(void)
{
    char *source = map_walled(LENGTH, 1);
    CHECK(is_refused(remap(source, 2 * LENGTH, 2 * LENGTH, KEEP, NULL), EFAULT));
    CHECK(is_filled(source, LENGTH, 1));
    if (grows) {
        CHECK(is_refused(remap(source, 2 * LENGTH, 3 * LENGTH, KEEP, NULL), EFAULT));
        CHECK(is_filled(source, LENGTH, 1));
    }
}

/* A kernel before 6.17 refuses to move two mappings, but only after it has unmapped the
 * target. */
static void
two_mappings_move_onto_a_target_since_6_17(void)
{
    char *source = map_walled(LENGTH, 1), *target = map_walled(2 * LENGTH, 2);
    char *moved = remap(source, 2 * LENGTH, 2 * LENGTH, KEEP | FIXED, target);
    bool done = moved != MAP_FAILED;
    printf("two mappings onto a target: %s\n", done ? "moved" : strerror(errno));
    CHECK(done ? moved == target : errno == EFAULT);
    CHECK(is_filled(done ? target : source, LENGTH, 1) && is_mapped(source, LENGTH));
    CHECK(!done || is_zero(source, LENGTH));
    CHECK(read_maps(target, 2 * LENGTH).nbytes == (done ? LENGTH : 0));
}

/* ---------------------------------------------- limits: a refusal keeps the source */

/* Limit the address space to its present size and `more` bytes. */
static void
allow_more_nbytes(size_t more)
{
    if (subject == REAL) {
        size_t nbytes = read_kib("/proc/self/status", "VmSize") * KIB;
        struct rlimit limit = {nbytes + more, RLIM_INFINITY};
        CHECK(setrlimit(RLIMIT_AS, &limit) == 0);
    }
    else {
        kernel.most_nbytes = kernel.nbytes + more;
    }
}

/* The new length is counted in addition to the source. */
static void
address_space_limit_counts_source_and_target_work(void)
{
    const size_t slack = 16 * page, length = 16 * LENGTH;
    char *source = map_walled(length, 1);
    size_t new_length = grows ? 2 * length : length;
    allow_more_nbytes(new_length - slack);
    CHECK(is_refused(remap(source, length, new_length, KEEP, NULL), ENOMEM));
    CHECK(is_filled(source, length, 1) && is_mapped(source, length));
    allow_more_nbytes(new_length + slack);
    char *moved = remap(source, length, new_length, KEEP, NULL);
    CHECK(moved != MAP_FAILED && is_filled(moved, length, 1));
    CHECK(is_zero(source, length));
}

static void
address_space_limit_counts_source_and_target(void)
{
    if (SANITIZED && subject == REAL) {
        printf("left out: a sanitizer needs more address space\n");
        return;
    }
    in_child(address_space_limit_counts_source_and_target_work);
}

/* If a mapping grows in place, only the difference of the lengths is counted. */
static void
address_space_limit_counts_growth_in_place_once_work(void)
{
    const size_t slack = 16 * page, length = 16 * LENGTH;
    char *source = map_with_room(length, 1);
    allow_more_nbytes(length + slack);
    CHECK(remap(source, length, 2 * length, KEEP, NULL) == source);
    CHECK(is_filled(source, length, 1));
}

static void
address_space_limit_counts_growth_in_place_once(void)
{
    if (SANITIZED && subject == REAL) {
        printf("left out: a sanitizer needs more address space\n");
        return;
    }
    if (grows) {
        in_child(address_space_limit_counts_growth_in_place_once_work);
    }
}

/* With MREMAP_FIXED the whole target is counted, if nothing is mapped there yet. */
static void
address_space_limit_counts_a_target_that_is_given_work(void)
{
    const size_t slack = 16 * page, length = 16 * LENGTH;
    const size_t new_length = grows ? 2 * length : length;
    char *source = map_walled(length, 1), *target = map(new_length);
    CHECK(pages_ops.unmap(target, new_length) == 0);
    allow_more_nbytes(new_length - slack);
    CHECK(is_refused(remap(source, length, new_length, KEEP | FIXED, target), ENOMEM));
    CHECK(is_filled(source, length, 1) && is_mapped(source, length));
    allow_more_nbytes(new_length + slack);
    CHECK(remap(source, length, new_length, KEEP | FIXED, target) == target);
    CHECK(is_filled(target, length, 1) && is_zero(source, length));
}

static void
address_space_limit_counts_a_target_that_is_given(void)
{
    if (SANITIZED) {
        printf("left out: a sanitizer needs more address space\n");
        return;
    }
    in_child(address_space_limit_counts_a_target_that_is_given_work);
}

/* A mapping of which every second page has no access. Each such page costs two
 * mappings; with access again, it is joined with its neighbours. */
static char *comb;
static size_t nteeth;

#define MOST_TEETH ((size_t)1 << 17)

static void
take_all_mappings(void)
{
    if (subject != REAL) {
        kernel.most_mappings = kernel.nmappings;
        return;
    }
    comb = map(2 * MOST_TEETH * page);
    for (nteeth = 0; nteeth < MOST_TEETH; nteeth++) {
        if (pages_ops.protect(comb + 2 * nteeth * page, page, PROT_NONE) != 0) {
            break;
        }
    }
}

static void
give_two_mappings(void)
{
    if (subject != REAL) {
        kernel.most_mappings += 2;
        return;
    }
    nteeth--;
    CHECK(pages_ops.protect(comb + 2 * nteeth * page, page, ACCESS) == 0);
}

/* The kernel makes only one mapping for a move, but refuses it unless some more are
 * left. It checks that before it unmaps a target that is given with MREMAP_FIXED. */
static void
mapping_limit_refuses_before_anything_changes_work(void)
{
    char *source = map_walled(LENGTH, 1), *target = map_walled(LENGTH, 2);
    take_all_mappings();
    if (nteeth == MOST_TEETH) {
        leave_out("vm.max_map_count is above 262,144");
        return;
    }
    size_t nneeded = 0, nfixed = 0;
    size_t length = grows ? 2 * LENGTH : LENGTH;
    for (;; nneeded += 2) {
        char *moved = remap(source, LENGTH, length, KEEP, NULL);
        if (moved != MAP_FAILED) {
            CHECK(is_filled(moved, LENGTH, 1) && pages_ops.unmap(moved, length) == 0);
            break;
        }
        CHECK(errno == ENOMEM && is_filled(source, LENGTH, 1));
        give_two_mappings();
    }
    fill(source, LENGTH, 1);
    for (nfixed = nneeded;; nfixed += 2) {
        if (remap(source, LENGTH, LENGTH, KEEP | FIXED, target) == target) {
            break;
        }
        CHECK(errno == ENOMEM && is_filled(source, LENGTH, 1));
        CHECK(is_filled(target, LENGTH, 2));
        give_two_mappings();
    }
    CHECK(is_filled(target, LENGTH, 1) && is_zero(source, LENGTH));
    printf("mappings to spare: %zu for a move, %zu onto a target\n", nneeded, nfixed);
    CHECK(nneeded == (grows ? 4 : 6) && nfixed == 6);
}

static void
mapping_limit_refuses_before_anything_changes(void)
{
    if (SANITIZED && subject == REAL) {
        printf("left out: a sanitizer needs mappings of its own\n");
        return;
    }
    in_child(mapping_limit_refuses_before_anything_changes_work);
}

/* --------------------------------- only the running kernel: kinds of memory */

static char *
map_as(size_t length, int flags, int file)
{
    char *mapped = mmap(NULL, length, ACCESS, flags, file, 0);
    CHECK(mapped != MAP_FAILED);
    return mapped;
}

/* After the move source and target show the same memory. */
static void
shared_memory_moves_at_equal_lengths_only(void)
{
    char *source = map_as(LENGTH, MAP_SHARED | MAP_ANONYMOUS, -1);
    fill(source, LENGTH, 1);
    CHECK(is_refused(remap(source, LENGTH, 2 * LENGTH, KEEP, NULL), EINVAL));
    CHECK(is_filled(source, LENGTH, 1));
    char *moved = remap(source, LENGTH, LENGTH, KEEP, NULL);
    if (moved == MAP_FAILED) {
        CHECK(errno == EINVAL); /* Linux 5.7 to 5.12 */
        return;
    }
    CHECK(is_filled(moved, LENGTH, 1) && is_filled(source, LENGTH, 1));
}

/* The move locks the target and unlocks the source. What VmLck counts is only printed,
 * because it depends on the version of the kernel. */
static void
locked_memory_moves_at_equal_lengths_only(void)
{
    char *source = map_walled(LENGTH, 1);
    size_t locked = read_kib("/proc/self/status", "VmLck");
    if (mlock(source, LENGTH) != 0) {
        leave_out("memory cannot be locked");
        return;
    }
    CHECK(is_refused(remap(source, LENGTH, 2 * LENGTH, KEEP, NULL), EINVAL));
    CHECK(is_filled(source, LENGTH, 1));
    char *moved = remap(source, LENGTH, LENGTH, KEEP, NULL);
    CHECK(moved != MAP_FAILED && is_filled(moved, LENGTH, 1));
    CHECK(is_zero(source, LENGTH));
    size_t counted = read_kib("/proc/self/status", "VmLck") - locked;
    /* Linux 6.18 counts it twice, and other memory of the process may be locked too. */
    printf("locked memory: %zu KiB, counted as %zu\n", LENGTH / KIB, counted);
    CHECK(munlock(moved, LENGTH) == 0);
}

/* The pages that were written move. Afterwards the source reads as the file. */
static void
private_file_moves_and_source_reads_as_the_file(void)
{
    static char bytes[LENGTH];
    FILE *file = tmpfile();
    CHECK(file != NULL);
    fill(bytes, LENGTH, 1);
    CHECK(fwrite(bytes, 1, LENGTH, file) == LENGTH && fflush(file) == 0);
    char *source = map_as(LENGTH, MAP_PRIVATE, fileno(file));
    fill(source, LENGTH, 2);
    char *moved = remap(source, LENGTH, LENGTH, KEEP, NULL);
    if (moved == MAP_FAILED) {
        CHECK(errno == EINVAL); /* Linux 5.7 to 5.12 */
        return;
    }
    CHECK(is_filled(moved, LENGTH, 2) && is_filled(source, LENGTH, 1));
    fclose(file);
}

/* -------------------------- only the running kernel: what memory is charged */

/* The memory that the system has promised. Other processes change this sum. */
static size_t
committed(void)
{
    return read_kib("/proc/meminfo", "Committed_AS") * KIB;
}

/* Whether a sum is as expected. Only checked with GROWBUF_EXPECT, because then no other
 * process runs. */
static bool
is_near(size_t sum, size_t expected)
{
    size_t apart = sum > expected ? sum - expected : expected - sum;
    return getenv("GROWBUF_EXPECT") == NULL || apart < MIB;
}

/* The kernel charges the source and all of the target. */
static void
commit_charge_is_for_source_and_target(void)
{
    const size_t length = 64 * MIB, new_length = grows ? 2 * length : length;
    size_t before = committed();
    char *mapped = map_as(2 * length, MAP_PRIVATE | MAP_ANONYMOUS, -1);
    CHECK(mprotect(mapped + length, length, PROT_NONE) == 0);
    CHECK(is_near(committed(), before + 2 * length));
    char *moved = remap(mapped, length, new_length, KEEP, NULL);
    CHECK(moved != MAP_FAILED &&
          is_near(committed(), before + 2 * length + new_length));
    CHECK(munmap(moved, new_length) == 0 && is_near(committed(), before + 2 * length));
    CHECK(munmap(mapped, 2 * length) == 0 && is_near(committed(), before));
}

static void
commit_charge_in_place_is_for_the_difference(void)
{
    const size_t length = 64 * MIB;
    size_t before = committed();
    char *mapped = map_as(2 * length, MAP_PRIVATE | MAP_ANONYMOUS, -1);
    CHECK(munmap(mapped + length, length) == 0);
    int flags = grows ? KEEP : MREMAP_MAYMOVE;
    CHECK(remap(mapped, length, 2 * length, flags, NULL) == mapped);
    CHECK(is_near(committed(), before + 2 * length));
    CHECK(munmap(mapped, 2 * length) == 0 && is_near(committed(), before));
}

/* With MAP_NORESERVE, which spans have, nothing is charged. */
static void
commit_charge_without_reserve_is_none(void)
{
    const size_t length = 64 * MIB, new_length = grows ? 2 * length : length;
    size_t before = committed();
    char *mapped = map(2 * length);
    CHECK(pages_ops.protect(mapped + length, length, PROT_NONE) == 0);
    char *moved = remap(mapped, length, new_length, KEEP, NULL);
    CHECK(moved != MAP_FAILED && is_near(committed(), before));
    CHECK(munmap(moved, new_length) == 0 && munmap(mapped, 2 * length) == 0);
}

/* --------------------------------- only the running kernel: a memory cgroup */

static int
open_for_writing(const char *folder, const char *name)
{
    char path[256];
    (void)snprintf(path, sizeof path, "%s/%s", folder, name);
    return open(path, O_WRONLY | O_CLOEXEC);
}

/* Write a number to an open file. Return whether that succeeded. */
static bool
write_number(int file, size_t number)
{
    char text[64];
    int nbytes = snprintf(text, sizeof text, "%zu", number);
    return pwrite(file, text, (size_t)nbytes, 0) == nbytes;
}

static bool
put(const char *folder, const char *name, size_t number)
{
    int file = open_for_writing(folder, name);
    bool done = file >= 0 && write_number(file, number);
    if (file >= 0) {
        close(file);
    }
    return done;
}

static size_t
get(const char *folder, const char *name)
{
    char path[256];
    size_t number = 0;
    (void)snprintf(path, sizeof path, "%s/%s", folder, name);
    FILE *file = fopen(path, "r");
    CHECK(file != NULL && fscanf(file, "%zu", &number) == 1);
    fclose(file);
    return number;
}

/* The folder of the group. Each process has its own, because several may run this test
 * at the same time. */
static char group[64];

/* Return free addresses whose offset in 2 MiB differs from that of `source`. With equal
 * offsets the kernel would move whole page tables. */
static char *
find_target(const char *source, size_t length)
{
    char *target = map(length + page);
    CHECK(pages_ops.unmap(target, length + page) == 0);
    return (uintptr_t)(target - source) % (2 * MIB) == 0 ? target + page : target;
}

/* The source has one page in each 2 MiB, so that the target needs a page table for each
 * page. The group has memory for a quarter of these tables, and for some more that the
 * kernel has charged in advance. So the kernel has moved some pages when it fails, and
 * must move them back. */
static void
fail_half_way(void)
{
    enum { NPAGES = 256 };
    const size_t step = 2 * MIB, length = NPAGES * step;
    const size_t new_length = grows ? 2 * length : length;
    CHECK(put(group, "cgroup.procs", (size_t)getpid()));
    char *source = map(length), *target = find_target(source, new_length);
    (void)pages_ops.advise(source, length, MADV_NOHUGEPAGE);
    for (size_t i = 0; i < NPAGES; i++) {
        fill(source + i * step, page, i);
    }
    size_t nmappings = count_mappings(), before = committed();
    size_t used = get(group, "memory.usage_in_bytes");
    int limit = open_for_writing(group, "memory.limit_in_bytes");
    CHECK(limit >= 0 && write_number(limit, used + NPAGES / 4 * page));
    /* Until the limit is higher, no new memory may be touched and no file may be
     * opened, because both may need memory. If the process has to wait for memory
     * nevertheless, the alarm ends it. */
    alarm(60);
    char *moved = remap(source, length, new_length, KEEP | FIXED, target);
    int error = errno;
    bool raised = write_number(limit, used + 64 * MIB);
    CHECK(raised && moved == MAP_FAILED && error == ENOMEM);
    CHECK(close(limit) == 0 && get(group, "memory.failcnt") > 0);
    CHECK(is_near(committed(), before));
    CHECK(count_mappings() == nmappings && is_mapped(source, length));
    for (size_t i = 0; i < NPAGES; i++) {
        CHECK(is_filled(source + i * step, page, i));
        CHECK(is_zero(source + i * step + page, page));
    }
    CHECK(remap(source, length, new_length, KEEP | FIXED, target) == target);
    for (size_t i = 0; i < NPAGES; i++) {
        CHECK(is_filled(target + i * step, page, i) &&
              is_zero(source + i * step, page));
    }
}

/* This needs a group of version 1, which can be told not to kill its processes. */
static void
memory_cgroup_failing_a_move_half_way_keeps_the_source(void)
{
    (void)snprintf(group, sizeof group, "/sys/fs/cgroup/memory/growbuf-remap-%ld",
                   (long)getpid());
    if (mkdir(group, 0755) != 0 && errno != EEXIST) {
        leave_out("no memory cgroup of version 1 can be made");
        return;
    }
    bool can_run = put(group, "memory.oom_control", 1);
    bool succeeded = can_run && succeeds_in_child(fail_half_way);
    CHECK(rmdir(group) == 0); /* even if the child failed */
    CHECK(succeeded || !can_run);
    if (!can_run) {
        leave_out("the memory cgroup cannot be told not to kill");
    }
}

/* ----------------------------------------------------------------- the list */

static const struct statement {
    void (*test)(void);
    const char *text;
    bool real_only;
} statements[] = {
#define STATE(test) {(test), #test, false}
#define STATE_REAL(test) {(test), #test, true}
    STATE(equal_length_moves_and_keeps_the_source),
    STATE(growth_moves_and_keeps_the_source),
    STATE(source_can_be_used_again),
    STATE(growth_is_in_place_where_there_is_room),
    STATE(hint_is_taken_at_equal_lengths),
    STATE(hint_is_ignored_by_growth),
    STATE(hint_in_use_is_not_taken),
    STATE(fixed_replaces_what_is_at_the_target),
    STATE(part_of_a_mapping_moves_and_the_rest_stays),
    STATE(access_moves_with_the_pages),
    STATE(refused_without_maymove),
    STATE(refused_when_it_shrinks),
    STATE(refused_onto_itself_and_off_page_boundaries),
    STATE(two_mappings_do_not_move_without_a_target),
    STATE(two_mappings_move_onto_a_target_since_6_17),
    STATE(address_space_limit_counts_source_and_target),
    STATE(address_space_limit_counts_growth_in_place_once),
    STATE(mapping_limit_refuses_before_anything_changes),
    STATE_REAL(address_space_limit_counts_a_target_that_is_given),
    STATE_REAL(shared_memory_moves_at_equal_lengths_only),
    STATE_REAL(locked_memory_moves_at_equal_lengths_only),
    STATE_REAL(private_file_moves_and_source_reads_as_the_file),
    STATE_REAL(commit_charge_is_for_source_and_target),
    STATE_REAL(commit_charge_in_place_is_for_the_difference),
    STATE_REAL(commit_charge_without_reserve_is_none),
    STATE_REAL(memory_cgroup_failing_a_move_half_way_keeps_the_source),
};

static void
start(enum subject next)
{
    static const enum kernel_kind kinds[] = {KERNEL_RETAIN, KERNEL_MAINLINE};
    subject = next;
    if (subject == REAL) {
        pages_ops = pages_system_ops;
    }
    else {
        kernel_boot(kinds[subject]);
    }
}

/* Find out what the kernel under test, a fake or the running one, does with flag 4. */
static void
find_out(void)
{
    start(subject);
    pages_probe(ANY_RUNG);
    exists = pages_facts.errors[PAGES_DONTUNMAP] == 0;
    grows = pages_facts.errors[PAGES_RETAIN] == 0;
    page = pages_facts.page_nbytes;
    const char *expected = subject == REAL ? getenv("GROWBUF_EXPECT") : NULL;
    if (expected != NULL) {
        CASE("expected: %s, found: %s", expected, pages_rung_names[pages_facts.rung]);
        CHECK(strcmp(expected, pages_rung_names[pages_facts.rung]) == 0);
    }
}

int
main(void)
{
    static const char *const names[] = {"a patched fake", "a mainline fake",
                                        "this one"};
    for (subject = 0; subject < NSUBJECTS; subject++) {
        RUN(find_out);
        if (!exists) {
            printf("this kernel has no flag 4\n");
            continue;
        }
        for (size_t i = 0; i < sizeof statements / sizeof *statements; i++) {
            const struct statement *statement = &statements[i];
            if (subject == REAL || !statement->real_only) {
                start(subject);
                check_run(statement->test, statement->text);
                CHECK_SOUND(kernel_misuse());
                if (subject == REAL) {
                    printf("%s: %s\n", grows ? "retain" : "dontunmap", statement->text);
                }
            }
        }
        printf("kernel: %s; flag 4 %s\n", names[subject],
               grows ? "grows" : "needs equal lengths");
    }
    return check_done();
}
