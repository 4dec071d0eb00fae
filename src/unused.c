/* unused: deallocated objects, kept for new ones. */
#include "unused.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "pool_stats.h"

struct chunk {
    size_t nbytes; /* of the objects, of what they own, and of this struct */
    void *objects[UNUSED_CHUNK];
    uint32_t ends[UNUSED_CHUNK + 1];
};

/* The chunk that was added last is the last item, and is taken first. So if there were
 * never fewer than `nidle` chunks since a point in time, the first `nidle` were not
 * taken since then.
 *
 *   chunks  |<- nexpired ->|               |
 *           |<------- nidle ------>|       |
 *           0                              count
 */
static struct {
    size_t count, nbytes;
    size_t nidle;      /* the smallest count since `since_ms` */
    size_t nexpired;   /* this many chunks were not taken for POOL_IDLE_MS */
    uint64_t since_ms; /* 0: unused_take_idle() was not called yet */
    struct chunk *chunks[UNUSED_MAX_CHUNKS];
} unused;

static size_t
smaller(size_t a, size_t b)
{
    return a < b ? a : b;
}

size_t
unused_nbytes(void)
{
    return unused.nbytes;
}

bool
unused_add(void *const *objects, const uint32_t *ends, size_t object_nbytes,
           size_t max_nbytes)
{
    size_t nbytes = sizeof(struct chunk) + UNUSED_CHUNK * object_nbytes +
                    (uint32_t)(ends[UNUSED_CHUNK] - ends[0]);
    assert(unused.nbytes >= unused.count * sizeof(struct chunk));
    assert(object_nbytes > 0 && unused.count <= UNUSED_MAX_CHUNKS);
    if (unused.count == UNUSED_MAX_CHUNKS || nbytes > max_nbytes ||
        unused.nbytes > max_nbytes - nbytes) {
        return false;
    }
    struct chunk *chunk = malloc(sizeof *chunk);
    if (chunk == NULL) {
        return false;
    }
    chunk->nbytes = nbytes;
    memcpy(chunk->objects, objects, sizeof chunk->objects);
    memcpy(chunk->ends, ends, sizeof chunk->ends);
    unused.chunks[unused.count++] = chunk;
    unused.nbytes += nbytes;
    return true;
}

/* Remove a chunk, and write its objects and ends to `objects` and `ends`. */
static void
take(size_t index, void **objects, uint32_t *ends)
{
    assert(index < unused.count);
    struct chunk *chunk = unused.chunks[index];
    memcpy(objects, chunk->objects, sizeof chunk->objects);
    memcpy(ends, chunk->ends, sizeof chunk->ends);
    assert(unused.nbytes >= chunk->nbytes);
    unused.nbytes -= chunk->nbytes;
    free(chunk);
    unused.count--;
    memmove(&unused.chunks[index], &unused.chunks[index + 1],
            (unused.count - index) * sizeof(struct chunk *));
    unused.nidle = smaller(unused.nidle, unused.count);
    unused.nexpired = smaller(unused.nexpired, unused.count);
}

bool
unused_take(void **objects, uint32_t *ends)
{
    if (unused.count == 0) {
        return false;
    }
    take(unused.count - 1, objects, ends);
    return true;
}

bool
unused_take_idle(void **objects, uint32_t *ends, uint64_t now_ms)
{
    assert(unused.nexpired <= unused.nidle && unused.nidle <= unused.count);
    if (now_ms - unused.since_ms > POOL_IDLE_MS) {
        unused.nexpired = unused.nidle;
        unused.nidle = unused.count;
        unused.since_ms = now_ms;
    }
    if (unused.nexpired == 0) {
        return false;
    }
    unused.nexpired--;
    unused.nidle--; /* it was not smaller than nexpired */
    take(0, objects, ends);
    return true;
}
