/* maxlen: appending to a buffer that keeps only its last `max` bytes.
 *
 * The bytes removed from the front become headroom. When the headroom is longer than
 * the bytes in use, the bytes move to the start of the memory. So at most one byte
 * moves for each byte appended, and the memory is about 2 * max bytes.
 *
 *   | headroom |<---- max bytes ---->|  tailroom  |
 *   | headroom      |<---- max bytes ---->| tailr.|    after an append
 *   |<---- max bytes ---->|      tailroom         |    after the bytes have moved
 *
 * The caller holds the buffer's lock.
 */
#ifndef GROWBUF_MAXLEN_H
#define GROWBUF_MAXLEN_H

#include "buffer.h"

/* The `max` of a buffer that keeps all bytes. */
#define MAXLEN_NONE SIZE_MAX

/* Ensure `nbytes` of tailroom in a buffer whose length plus `nbytes` is more than
 * `max`. The bytes may move if there are no exports. -1 comes with an exception; then
 * the bytes are unchanged. */
int maxlen_make_tailroom(BufferObject *buffer, size_t max, size_t nbytes);

/* Remove bytes from the front until at most `max` are left. -1 comes with an exception.
 */
int maxlen_trim(BufferObject *buffer, size_t max);

/* Append `nbytes` that were written after the last byte, then call maxlen_trim(). If
 * views prevent that, raise an exception, return -1 and append nothing. If there are no
 * exports, buffer_roll() does the same in one step. pre: nbytes > 0, and the length
 * plus `nbytes` is more than `max`. */
int maxlen_commit(BufferObject *buffer, size_t max, size_t nbytes);

#endif
