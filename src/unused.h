/* unused: deallocated objects, kept for new ones, in chunks of UNUSED_CHUNK.
 *
 * buffer_object.c itself keeps the objects that are made and deallocated all the time.
 * Here are those of long lists, such as results of split(). If they were freed,
 * Python's allocator would give their memory back to the system. For the next list each
 * page would then cause a page fault, which takes more time than making the objects of
 * that page.
 *
 * Callers hold a lock, the same one for all functions.
 */
#ifndef GROWBUF_UNUSED_H
#define GROWBUF_UNUSED_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { UNUSED_CHUNK = 512, UNUSED_MAX_CHUNKS = 1024 };

/* Return how many bytes the chunks have. */
size_t unused_nbytes(void);

/* Keep UNUSED_CHUNK objects of `object_nbytes` bytes each. The object at index i
 * also owns other memory of ends[i + 1] - ends[i] bytes. There are UNUSED_CHUNK + 1
 * ends, and they may wrap. Return false, and keep none, if there are UNUSED_MAX_CHUNKS
 * chunks, if all chunks would have more than `max_nbytes` bytes, or if memory runs
 * out. */
bool unused_add(void *const *objects, const uint32_t *ends, size_t object_nbytes,
                size_t max_nbytes);

/* Write the objects and ends of the chunk that was added last to `objects` and `ends`,
 * and forget them. Return false if there is no chunk. */
bool unused_take(void **objects, uint32_t *ends);

/* As unused_take(), but take a chunk that was added more than POOL_IDLE_MS ago. Return
 * false if there is none. Call this now and then, with the time of
 * pages_ops.clock_ms(). */
bool unused_take_idle(void **objects, uint32_t *ends, uint64_t now_ms);

#endif
