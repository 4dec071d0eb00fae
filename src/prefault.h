/* prefault: a helper thread that has pages present before the writer comes to them.
 *
 * It is one per process, started with the first order and gone soon after the last. It
 * does an order from its end to its start, in pieces, while the writer comes from the
 * start: where they meet, both have done their share. What it does is never needed: a
 * page that it did not reach is faulted in as ever, so nothing here can fail.
 *
 * It holds no Python object and takes no signal. In a child after fork there is none
 * until the next order. It does not keep a process from ending.
 */
#ifndef GROWBUF_PREFAULT_H
#define GROWBUF_PREFAULT_H

#include <stdbool.h>
#include <stddef.h>

/* Have the pages of a range present soon. It must stay mapped until prefault_stop. */
void prefault_ask(char *address, size_t length);

/* Forget all orders within a range, and return when none of it is being touched. */
void prefault_stop(const char *address, size_t length);

/* What fork must do before it, and after it in parent and child. */
void prefault_before_fork(void);
void prefault_after_fork(bool in_child);

#endif
