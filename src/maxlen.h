/* maxlen: appending to a buffer that keeps its last `max` bytes only.
 *
 * What is removed from the front becomes headroom. When that is longer than the bytes
 * in use, these move to the start of the memory: one byte moves for each byte appended
 * at most, and the memory is about twice `max`.
 *
 *   | headroom |<---- max bytes ---->|  tailroom  |
 *   | headroom      |<---- max bytes ---->| tailr.|    after an append
 *   |<---- max bytes ---->|      tailroom         |    when the headroom is as long
 *
 * The caller holds the buffer's lock.
 */
#ifndef GROWBUF_MAXLEN_H
#define GROWBUF_MAXLEN_H

#include "buffer.h"

/* The `max` of a buffer that keeps all bytes. */
#define MAXLEN_NONE SIZE_MAX

/* Ensure `nbytes` of tailroom in a buffer that will have more than `max` bytes with
 * them. The bytes may move if there are no exports. -1 comes with an exception, and the
 * bytes are then unchanged. */
int maxlen_make_tailroom(BufferObject *buffer, size_t max, size_t nbytes);

/* Remove from the front what is more than `max` bytes. -1 comes with an exception. */
int maxlen_trim(BufferObject *buffer, size_t max);

/* Append `nbytes` that were written after the last byte, and remove from the front what
 * is then more than `max`. If views prevent that, raise an exception, return -1 and
 * append nothing. pre: 0 < nbytes, and the buffer has more than `max` bytes with them.
 * Without exports buffer_roll() does the same at once. */
int maxlen_commit(BufferObject *buffer, size_t max, size_t nbytes);

#endif
