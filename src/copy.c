/* copy: copying bytes between places that do not overlap. */
#include "copy.h"

#include <assert.h>

/* memcpy() copies a block of BLOCK bytes with vector instructions. Each block begins at
 * a multiple of LINE in the target, so that whole cache lines are written. */
enum { BLOCK = 256, LINE = 64 };

/* Copy in blocks, the last block first. This order avoids 4 KiB aliasing: to decide
 * whether a load reads what an earlier instruction stores, a processor compares only
 * the last 12 bits of the two addresses. In these bits the target begins a few bytes
 * after the source. If the first block were copied first, each load would seem to read
 * what was just stored, and would wait for the store.
 *
 *   from               |<- loaded next ->|<- loaded before ->|
 *   to, modulo 4 KiB                       |<- stored before ->|
 */
static void
copy_from_end(char *to, const char *from, size_t nbytes)
{
    assert(to >= from + nbytes || from >= to + nbytes);
    assert(nbytes >= COPY_MANY);
    size_t odd = (uintptr_t)(to + nbytes) % LINE;
    nbytes -= odd;
    memcpy(to + nbytes, from + nbytes, odd);
    while (nbytes >= BLOCK) {
        nbytes -= BLOCK;
        memcpy(to + nbytes, from + nbytes, BLOCK);
    }
    memcpy(to, from, nbytes);
}

void
copy_many(char *to, const char *from, size_t nbytes)
{
    size_t ahead = ((uintptr_t)to - (uintptr_t)from) % COPY_PAGE;
    assert(nbytes >= COPY_MANY);
    if (ahead > 0 && ahead < COPY_NEAR) {
        copy_from_end(to, from, nbytes);
    }
    else {
        memcpy(to, from, nbytes);
    }
}
