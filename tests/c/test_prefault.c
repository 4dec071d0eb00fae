/* Test the helper thread: which pages it touches, when it stops, and that a fork ends
 * it. The test uses real pages and threads. */
#define _GNU_SOURCE
#include <dirent.h>
#include <pthread.h>
#include <stdatomic.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "fixture.h"
#include "prefault.h"

#ifndef MADV_POPULATE_WRITE
#define MADV_POPULATE_WRITE 23
#endif

#define PIECE (2 * MIB)

/* How many pieces the helper has touched, and whether it is touching one now. While
 * `is_slow` is true, it waits before it touches a piece. */
static atomic_size_t npieces;
static atomic_bool is_inside, is_slow;

static int
advise_and_count(void *address, size_t length, int advice)
{
    if (advice == MADV_POPULATE_WRITE) {
        atomic_store(&is_inside, true);
        while (atomic_load(&is_slow)) {
            usleep(100);
        }
        for (volatile char *page = address; page < (char *)address + length;
             page += pages_facts.page_nbytes) {
            *page = *page;
        }
        atomic_fetch_add(&npieces, 1);
        atomic_store(&is_inside, false);
        return 0;
    }
    return pages_system_ops.advise(address, length, advice);
}

static bool
start_no_thread(void (*work)(void))
{
    (void)work;
    return false;
}

/* Return the number of threads. A thread that was just joined may still be counted. */
static size_t
count_threads(void)
{
    size_t nthreads = 0;
    DIR *folder = opendir("/proc/self/task");
    CHECK(folder != NULL);
    for (struct dirent *entry; (entry = readdir(folder)) != NULL;) {
        nthreads += entry->d_name[0] != '.';
    }
    closedir(folder);
    return nthreads;
}

static size_t threads_at_first;

static char *
start(size_t length)
{
    char *mapped = NULL;
    kernel_leave();
    pages_ops.advise = advise_and_count;
    pages_probe(ANY_RUNG);
    CHECK(pages_facts.populate_error == 0 && pages_map(length, &mapped) == 0);
    /* In huge pages one touch would make 2 MiB present. */
    (void)pages_advise_fresh(mapped, length);
    atomic_store(&npieces, 0);
    atomic_store(&is_slow, false);
    return mapped;
}

/* Wait until a condition holds, and fail after a minute. */
static void
wait_until(bool (*holds)(size_t), size_t argument)
{
    for (int i = 0; i < 60 * 1000 && !holds(argument); i++) {
        usleep(1000);
    }
    CHECK(holds(argument));
}

static bool
were_touched(size_t count)
{
    return atomic_load(&npieces) >= count;
}

static bool
is_touching(size_t ignored)
{
    (void)ignored;
    return atomic_load(&is_inside);
}

/* Whether there are `nothers` threads more than at first. */
static bool
are_left(size_t nothers)
{
    return count_threads() == threads_at_first + nothers;
}

static void
end(char *mapped, size_t length)
{
    atomic_store(&is_slow, false);
    prefault_stop(mapped, length);
    pages_unmap(mapped, length);
    prefault_before_fork();
    prefault_after_fork();
    wait_until(are_left, 0);
}

/* Exactly the pages of the range become present. */
static void
test_prefault_ask_makes_the_range_present(void)
{
    const size_t length = 4 * PIECE;
    char *mapped = start(length);
    fill(mapped + PIECE, 100, 1);
    prefault_ask(mapped + PIECE, 2 * PIECE + PAGE);
    wait_until(were_touched, 3);
    CHECK(kernel_resident(mapped + PIECE, 2 * PIECE + PAGE) == 2 * PIECE + PAGE);
    CHECK(kernel_resident(mapped, PIECE) == 0);
    CHECK(kernel_resident(mapped + 3 * PIECE + PAGE, PIECE - PAGE) == 0);
    CHECK(is_filled(mapped + PIECE, 100, 1) && is_zero(mapped + PIECE + 100, PIECE));
    end(mapped, length);
}

static void
test_prefault_ask_for_nothing_starts_no_thread(void)
{
    char *mapped = start(PIECE);
    prefault_ask(mapped, 0);
    CHECK(count_threads() == threads_at_first);
    end(mapped, PIECE);
}

/* An idle helper ends by itself, and a later request starts a new one. */
static void
test_prefault_helper_idle_ends_and_starts_again(void)
{
    char *mapped = start(2 * PIECE);
    for (size_t i = 0; i < 2; i++) {
        prefault_ask(mapped + i * PIECE, PIECE);
        wait_until(were_touched, i + 1);
        wait_until(are_left, 0);
    }
    CHECK(kernel_resident(mapped, 2 * PIECE) == 2 * PIECE);
    end(mapped, 2 * PIECE);
}

/* The helper finishes the piece that it is touching, and begins no other. */
static void
test_prefault_stop_waits_for_the_piece_and_drops_the_rest(void)
{
    char *mapped = start(8 * PIECE);
    for (int i = 0; i < 20; i++) {
        atomic_store(&npieces, 0);
        prefault_ask(mapped, 8 * PIECE);
        if (i % 2) {
            wait_until(were_touched, 1);
        }
        prefault_stop(mapped, 8 * PIECE);
        CHECK(!atomic_load(&is_inside));
        size_t count = atomic_load(&npieces);
        usleep(2000);
        CHECK(atomic_load(&npieces) == count);
        CHECK(pages_discard(mapped, 8 * PIECE, false) == 0);
        CHECK(kernel_resident(mapped, 8 * PIECE) == 0);
    }
    end(mapped, 8 * PIECE);
}

static void
test_prefault_stop_of_another_range_waits_for_nothing(void)
{
    char *mapped = start(4 * PIECE);
    atomic_store(&is_slow, true);
    prefault_ask(mapped + 2 * PIECE, 2 * PIECE);
    wait_until(is_touching, 0);
    prefault_stop(mapped, 2 * PIECE); /* if this waited, it would never return */
    CHECK(atomic_load(&is_inside));
    atomic_store(&is_slow, false);
    wait_until(were_touched, 2);
    end(mapped, 4 * PIECE);
}

/* Requests that the helper has no place for are dropped without an error. The writer
 * then touches the pages itself. */
static void
test_prefault_ask_too_often_drops_requests(void)
{
    enum { NREQUESTS = 40 };
    char *mapped = start(NREQUESTS * PIECE);
    atomic_store(&is_slow, true);
    for (size_t i = 0; i < NREQUESTS; i++) {
        prefault_ask(mapped + i * PIECE, PIECE);
    }
    atomic_store(&is_slow, false);
    wait_until(were_touched, 16);
    wait_until(are_left, 0);
    CHECK(atomic_load(&npieces) <= 17); /* 16 are queued while one is touched */
    end(mapped, NREQUESTS * PIECE);
}

static void
test_prefault_ask_without_a_thread_drops_the_request(void)
{
    char *mapped = start(2 * PIECE);
    pages_ops.start_thread = start_no_thread;
    for (int i = 0; i < 40; i++) {
        prefault_ask(mapped, PIECE);
    }
    prefault_stop(mapped, PIECE);
    CHECK(atomic_load(&npieces) == 0 && count_threads() == threads_at_first);
    pages_ops.start_thread = pages_system_ops.start_thread;
    prefault_ask(mapped + PIECE, PIECE);
    wait_until(were_touched, 1);
    CHECK(kernel_resident(mapped, PIECE) == 0);
    end(mapped, 2 * PIECE);
}

/* ---------------------------------------------------------------------------- fork */

/* prefault_before_fork() ends the thread and drops all requests. A later request starts
 * it again. */
static void
test_prefault_fork_ends_the_helper_and_drops_its_requests(void)
{
    char *mapped = start(64 * PIECE);
    for (int i = 0; i < 20; i++) {
        atomic_store(&npieces, 0);
        prefault_ask(mapped, 64 * PIECE);
        if (i % 2) {
            wait_until(were_touched, 1);
        }
        prefault_before_fork();
        CHECK(!atomic_load(&is_inside));
        wait_until(are_left, 0);
        size_t count = atomic_load(&npieces);
        prefault_after_fork();
        usleep(2000);
        CHECK(atomic_load(&npieces) == count && count < 64);
        CHECK(pages_discard(mapped, 64 * PIECE, false) == 0);
    }
    prefault_ask(mapped, PIECE);
    wait_until(were_touched, 1);
    end(mapped, 64 * PIECE);
}

/* Check that a request starts a helper. The parent and the child, which has one thread,
 * both do this. */
static void
use_helper_after_fork(char *mapped)
{
    atomic_store(&npieces, 0);
    prefault_ask(mapped, 2 * PIECE);
    wait_until(were_touched, 2);
    prefault_stop(mapped, 2 * PIECE);
    prefault_before_fork(); /* joins the thread before the child exits */
    prefault_after_fork();
}

static void
test_prefault_fork_parent_and_child_have_a_helper_each(void)
{
    pool_init(ANY_RUNG, NULL); /* registers the two hooks with fork() */
    char *mapped = start(64 * PIECE);
    for (int i = 0; i < 10; i++) {
        int status;
        prefault_ask(mapped, 64 * PIECE);
        pid_t child = fork();
        CHECK(child >= 0);
        if (child == 0) {
            alarm(60); /* ends a wait for a thread that does not exist here */
            use_helper_after_fork(mapped);
            _exit(0);
        }
        CHECK(waitpid(child, &status, 0) == child);
        CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 0);
        use_helper_after_fork(mapped);
        prefault_stop(mapped, 64 * PIECE);
    }
    end(mapped, 64 * PIECE);
}

static atomic_bool stop;

static void *
ask_and_stop(void *mapped)
{
    while (!atomic_load(&stop)) {
        prefault_ask(mapped, 4 * PIECE);
        prefault_stop(mapped, 4 * PIECE);
    }
    return NULL;
}

/* Other threads make requests while forks begin and end. */
static void
test_prefault_fork_during_requests_of_other_threads_ends_helper(void)
{
    enum { NTHREADS = 3 };
    pthread_t threads[NTHREADS];
    char *mapped = start(NTHREADS * 4 * PIECE);
    atomic_store(&stop, false);
    for (size_t i = 0; i < NTHREADS; i++) {
        char *own = mapped + i * 4 * PIECE;
        CHECK(pthread_create(&threads[i], NULL, ask_and_stop, own) == 0);
    }
    for (int i = 0; i < 200; i++) {
        prefault_before_fork();
        wait_until(are_left, NTHREADS);
        prefault_after_fork();
    }
    atomic_store(&stop, true);
    for (int i = 0; i < NTHREADS; i++) {
        CHECK(pthread_join(threads[i], NULL) == 0);
    }
    end(mapped, NTHREADS * 4 * PIECE);
}

static void *
do_nothing(void *data)
{
    return data;
}

/* Count the threads after one was started and joined. With the first thread a sanitizer
 * may start one of its own, which is then counted too. The joined thread may be counted
 * at first, so the smallest of a hundred counts is taken. */
static size_t
count_threads_at_first(void)
{
    pthread_t thread;
    CHECK(pthread_create(&thread, NULL, do_nothing, NULL) == 0);
    CHECK(pthread_join(thread, NULL) == 0);
    size_t nthreads = count_threads();
    for (int i = 0; i < 100; i++) {
        usleep(1000);
        size_t now = count_threads();
        nthreads = now < nthreads ? now : nthreads;
    }
    return nthreads;
}

int
main(void)
{
    threads_at_first = count_threads_at_first();
    kernel_leave();
    pages_probe(ANY_RUNG);
    if (pages_facts.populate_error != 0) {
        printf("left out: this kernel has no MADV_POPULATE_WRITE\n");
        return 0;
    }
    RUN(test_prefault_ask_makes_the_range_present);
    RUN(test_prefault_ask_for_nothing_starts_no_thread);
    RUN(test_prefault_helper_idle_ends_and_starts_again);
    RUN(test_prefault_stop_waits_for_the_piece_and_drops_the_rest);
    RUN(test_prefault_stop_of_another_range_waits_for_nothing);
    RUN(test_prefault_ask_too_often_drops_requests);
    RUN(test_prefault_ask_without_a_thread_drops_the_request);
    RUN(test_prefault_fork_ends_the_helper_and_drops_its_requests);
    RUN(test_prefault_fork_parent_and_child_have_a_helper_each);
    RUN(test_prefault_fork_during_requests_of_other_threads_ends_helper);
    return check_done();
}
