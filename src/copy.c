/* copy: copying plain bytes. */
#include "copy.h"

#include <assert.h>

/* So few bytes are copied with vector instructions. From the end, because a load would
 * otherwise wait for the store before it, whose address differs only in the higher
 * bits. */
enum { BLOCK = 256 };

void
copy_from_end(char *to, const char *from, size_t nbytes)
{
    assert(to >= from + nbytes || from >= to + nbytes);
    while (nbytes >= BLOCK) {
        nbytes -= BLOCK;
        memcpy(to + nbytes, from + nbytes, BLOCK);
    }
    if (nbytes > 0) {
        memcpy(to, from, nbytes);
    }
}
