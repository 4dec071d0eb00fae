/* copy: copying plain bytes. */
#include "copy.h"

#include <assert.h>

/* So few bytes are copied with vector instructions, which write whole lines of the
 * cache. From the end, because a load would otherwise wait for the store before it, whose
 * address differs only in the higher bits. */
enum { BLOCK = 256, LINE = 64 };

void
copy_from_end(char *to, const char *from, size_t nbytes)
{
    assert(to >= from + nbytes || from >= to + nbytes);
    assert(nbytes >= LINE);
    size_t odd = (uintptr_t)(to + nbytes) % LINE;
    nbytes -= odd;
    memcpy(to + nbytes, from + nbytes, odd);
    while (nbytes >= BLOCK) {
        nbytes -= BLOCK;
        memcpy(to + nbytes, from + nbytes, BLOCK);
    }
    memcpy(to, from, nbytes);
}
