/* copy: copying plain bytes. */
#ifndef GROWBUF_COPY_H
#define GROWBUF_COPY_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

/* From this many bytes on, memcpy() may use an instruction (rep movsb) that takes 15
 * times as long on some processors if, modulo 4 KiB, the target begins 1 to 31 bytes
 * after the source (glibc bug 30994). Large buffers all begin at the same place in a
 * page, so that padding one on the left, for example, would always meet this. */
enum { COPY_MANY = 2048, COPY_PAGE = 4096, COPY_NEAR = 32 };

/* As memcpy(), without that instruction. pre: nbytes >= COPY_MANY. */
void copy_from_end(char *to, const char *from, size_t nbytes);

/* Copy bytes that do not overlap. Nothing is read or written for 0 bytes, so the
 * pointers may be NULL then. */
static inline void
copy_bytes(char *to, const char *from, size_t nbytes)
{
    size_t ahead = ((uintptr_t)to - (uintptr_t)from) % COPY_PAGE;
    if (nbytes >= COPY_MANY && ahead > 0 && ahead < COPY_NEAR) {
        copy_from_end(to, from, nbytes);
    }
    else if (nbytes > 0) {
        memcpy(to, from, nbytes);
    }
}

#endif
