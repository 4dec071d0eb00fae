/* prefault: a helper thread that makes pages present before the writer reaches them.
 *
 * A process has at most one helper. It starts when a range is asked for, and ends when
 * none has been asked for during 20 ms. It works through a range in pieces, from the
 * end to the start, while the writer comes from the start. The writer faults in all
 * pages that the helper has not reached, so no function here can fail.
 *
 * The helper uses no Python object and handles no signal. A process can end while it
 * runs. The helper ends before a fork, so that a program without other threads forks
 * with one thread only. The next range starts it again.
 */
#ifndef GROWBUF_PREFAULT_H
#define GROWBUF_PREFAULT_H

#include <stddef.h>

/* Ask the helper to make the pages of a range present. The request may be ignored. The
 * range must stay mapped until prefault_stop(). */
void prefault_ask(char *address, size_t length);

/* Drop all requests that overlap a range. Return when the helper touches no page of
 * it. */
void prefault_stop(const char *address, size_t length);

/* The hooks of fork(): before it, and afterwards in the parent and in the child. */
void prefault_before_fork(void);
void prefault_after_fork(void);

#endif
