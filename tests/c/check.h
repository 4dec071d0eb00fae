/* check: the harness of the C tests. A failed CHECK prints its place, its condition and
 * the case under test, and ends the program with exit code 1.
 */
#ifndef GROWBUF_TESTS_CHECK_H
#define GROWBUF_TESTS_CHECK_H

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>

#define CHECK(condition) check_that((condition), #condition, __FILE__, __LINE__)

/* For the functions `*_check` of the source, which return what is wrong, or NULL. */
#define CHECK_SOUND(reason) check_sound((reason), #reason, __FILE__, __LINE__)

/* Describe the case under test. A check that fails prints the description. */
#define CASE(...) ((void)snprintf(check_case, sizeof check_case, __VA_ARGS__))

#define RUN(test) check_run((test), #test)

static const char *check_test = "";
static char check_case[256];
static unsigned long check_count, check_tests;

static inline void
check_fail(const char *what, const char *file, int line)
{
    fflush(stdout);
    fprintf(stderr, "%s:%d: %s: failed: %s\n", file, line, check_test, what);
    if (check_case[0] != '\0') {
        fprintf(stderr, "    the case: %s\n", check_case);
    }
    exit(1);
}

static inline void
check_that(bool holds, const char *what, const char *file, int line)
{
    check_count++;
    if (!holds) {
        check_fail(what, file, line);
    }
}

static inline void
check_sound(const char *reason, const char *what, const char *file, int line)
{
    check_count++;
    if (reason != NULL) {
        fprintf(stderr, "%s\n", reason);
        check_fail(what, file, line);
    }
}

static inline void
check_run(void (*test)(void), const char *name)
{
    check_test = name;
    check_case[0] = '\0';
    test();
    check_tests++;
}

/* Print the counts. Return the exit code of the program: 1 if no test ran, else 0. */
static inline int
check_done(void)
{
    printf("%lu tests, %lu checks\n", check_tests, check_count);
    return check_tests == 0;
}

#endif
