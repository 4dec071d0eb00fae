/* copy: copying bytes between places that do not overlap. */
#ifndef GROWBUF_COPY_H
#define GROWBUF_COPY_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

/* For COPY_MANY bytes or more, memcpy() may use an instruction (rep movsb) that is slow
 * for some distances. If the target begins 1 to 31 bytes after the source, modulo 4
 * KiB, it takes 15 times as long on some processors (glibc bug 30994). Large buffers
 * all begin at the same offset in a page. So if a method such as rjust() writes a few
 * bytes first, and then copies all bytes of another buffer, the distance is one of
 * these. */
enum { COPY_MANY = 2048, COPY_PAGE = 4096, COPY_NEAR = 32 };

/* As memcpy(), but avoid that instruction where it is slow.
 * pre: nbytes >= COPY_MANY. */
void copy_many(char *to, const char *from, size_t nbytes);

/* Copy bytes that do not overlap. If `nbytes` is 0, the pointers may be NULL. The
 * length is tested first, because most copies are short. */
static inline void
copy_bytes(char *to, const char *from, size_t nbytes)
{
    if (nbytes >= COPY_MANY) {
        copy_many(to, from, nbytes);
    }
    else if (nbytes > 0) {
        memcpy(to, from, nbytes);
    }
}

#endif
