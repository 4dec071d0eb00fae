/* prefault: a helper thread that makes pages present before the writer reaches them.
 *
 * A process has at most one helper. It starts when a range is requested, and ends when
 * it has had no request to work on for 20 ms. It works through a range in pieces, from
 * the end to the start, because the writer begins at the start. No function here can
 * fail: a page that the helper has not reached becomes present when it is written to.
 *
 * The helper uses no Python object and handles no signal. The process may exit while
 * the helper runs. The helper ends before a fork, so that a program that started no
 * threads has only one when it forks. The next request starts the helper again.
 */
#ifndef GROWBUF_PREFAULT_H
#define GROWBUF_PREFAULT_H

#include <stddef.h>

/* Ask the helper to make the pages of a range present. The request may be ignored. If
 * `length` is 0, nothing happens. The caller keeps the range mapped until it has called
 * prefault_stop(). */
void prefault_ask(char *address, size_t length);

/* Drop all requests that overlap a range. Then wait while the helper is touching pages
 * of the range. */
void prefault_stop(const char *address, size_t length);

/* The hooks of fork(). The first ends the helper, drops all requests, and takes the
 * lock. The second, which runs in the parent and in the child, releases it. */
void prefault_before_fork(void);
void prefault_after_fork(void);

#endif
