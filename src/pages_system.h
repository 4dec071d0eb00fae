/* pages_system: declarations for the files pages_<system>.c and their tests. */
#ifndef GROWBUF_PAGES_SYSTEM_H
#define GROWBUF_PAGES_SYSTEM_H

#include "pages.h"

#ifndef _WIN32
/* Locks, threads and fork of POSIX (pages_posix.c). */
void posix_lock(enum pages_lock lock);
void posix_unlock(enum pages_lock lock);
bool posix_wait(enum pages_lock lock, unsigned timeout_ms);
void posix_wake(enum pages_lock lock);
bool posix_start_thread(void (*work)(void));
void posix_join_thread(void);
void posix_once(void (*function)(void));
void posix_at_fork(const struct pages_fork_hooks *hooks);

/* Return the setting of transparent huge pages that the files in a directory contain,
 * as in /sys/kernel/mm/transparent_hugepage (pages_linux.c). */
enum pages_huge pages_linux_setting(const char *directory);

#define PAGES_POSIX_THREADS                                                            \
    .lock = posix_lock, .unlock = posix_unlock, .wait = posix_wait,                    \
    .wake = posix_wake, .start_thread = posix_start_thread,                            \
    .join_thread = posix_join_thread, .once = posix_once, .at_fork = posix_at_fork
#endif

#endif
