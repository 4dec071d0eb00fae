/* growth: how much memory to ask for. Pure functions of sizes.
 *
 * A result of 0 means that it would pass SIZE_MAX / 2, the largest length of a Python
 * object; callers report it as ENOMEM.
 */
#ifndef GROWBUF_GROWTH_H
#define GROWBUF_GROWTH_H

#include <stddef.h>
#include <stdint.h>

/* The largest length in bytes of anything. */
#define GROWTH_MAX (SIZE_MAX / 2)

/* The length of a span is a multiple of this: the size of a huge page, and of what one
 * page table maps, on x86-64 and arm64. So whole page tables move. */
#define GROWTH_QUANTUM ((size_t)2 << 20)

/* A store leaves the heap for a span at this many bytes. At a larger size more bytes
 * would be copied and touched twice on the way; at a smaller size many small buffers
 * would each take pages of their own. */
#define GROWTH_SPAN_MIN ((size_t)72 << 10)

/* A store in a span returns to the heap when it shrinks below this many bytes: far
 * enough below GROWTH_SPAN_MIN that a length which swings around it does not copy. */
#define GROWTH_HEAP_AGAIN ((size_t)32 << 10)

/* Bytes in use from which huge pages are asked for. The last huge page may be nearly
 * unused: that is at most a half of the length at 4 MiB, a quarter from 8 MiB, an eighth
 * from 16 MiB. */
#define GROWTH_HUGE_MIN ((size_t)4 << 20)

/* A store that needs fewer bytes than this is given no part of a huge page. */
#define GROWTH_HUGE_PART_MIN ((size_t)1 << 20)

/* Zero bytes from which fresh pages, which the kernel clears when they are touched, are
 * better than clearing dirty ones. */
#define GROWTH_FRESH_ZEROS_MIN ((size_t)32 << 20)

/* Return `nbytes` rounded up to a multiple of `unit`, a power of two. */
size_t growth_round_up(size_t nbytes, size_t unit);

/* Return the size of the heap block for `needed` bytes (the NUL included) where the block
 * has `allocated`: just `needed` if that is much more than before, else some more. It is
 * a quarter more while there may be many such stores; a half more from 16 KiB, where a
 * copy takes time and the store will soon be in a span; an eighth more from 256 KiB, as
 * bytearray does, because only a system without pages has such blocks. */
size_t growth_heap(size_t needed, size_t allocated);

/* Return the length of the span for `needed` bytes (the NUL included) where the present
 * one has `length`, or 0 for none: it doubles, since address space is free. */
size_t growth_span(size_t needed, size_t length);

/* The same where the system refuses the doubled length: an eighth more than needed. */
size_t growth_span_modest(size_t needed);

/* Return the offset up to which pages are made present when `length` bytes in use end at
 * offset `end`: an eighth of the length further, but between 64 KiB (less while the
 * length is less) and 32 MiB. */
size_t growth_ahead(size_t end, size_t length);

#endif
