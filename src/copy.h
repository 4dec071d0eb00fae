/* copy: copying bytes between places that do not overlap. */
#ifndef GROWBUF_COPY_H
#define GROWBUF_COPY_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

/* From this many bytes on, memcpy() may use an instruction (rep movsb) that is slow for
 * some distances: if the target begins 1 to 31 bytes after the source, modulo 4 KiB, it
 * takes 15 times as long on some processors (glibc bug 30994). Large buffers all begin
 * at the same offset in a page. So a copy from one to another that moves the bytes a
 * little to the right, as rjust() does, always has such a distance. */
enum { COPY_MANY = 2048, COPY_PAGE = 4096, COPY_NEAR = 32 };

/* As memcpy(), without that instruction where it is slow. pre: nbytes >= COPY_MANY. */
void copy_many(char *to, const char *from, size_t nbytes);

/* Copy bytes that do not overlap. Nothing is read or written for 0 bytes, so the
 * pointers may be NULL then. The length is looked at first: most copies are short. */
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
