/* prefault: a helper thread that makes pages present before the writer reaches them.
 *
 * There is at most one in a process. It starts with the first order and ends soon after
 * the last. It works through an order from its end to its start, in pieces, while the
 * writer comes from the start: where they meet, each has done a part. A page that the
 * helper did not reach is faulted in by the writer, so nothing here can fail.
 *
 * The helper holds no Python object and handles no signal. It does not keep a process
 * from ending. It ends before a fork, so that the child of a process whose other threads
 * are idle is the child of a process with one thread; the next order starts it again.
 */
#ifndef GROWBUF_PREFAULT_H
#define GROWBUF_PREFAULT_H

#include <stddef.h>

/* Make the pages of a range present soon. It must stay mapped until prefault_stop. */
void prefault_ask(char *address, size_t length);

/* Drop all orders within a range, and return when the helper touches none of it. */
void prefault_stop(const char *address, size_t length);

/* What fork calls before it, and after it in the parent and in the child. */
void prefault_before_fork(void);
void prefault_after_fork(void);

#endif
