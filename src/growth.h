/* growth: how much memory to ask for. Pure functions of sizes, no state.
 *
 * Every result is 0 when it would pass SIZE_MAX / 2, the largest length of a
 * Python object; callers take 0 as ENOMEM.
 */
#ifndef GROWBUF_GROWTH_H
#define GROWBUF_GROWTH_H

#include <stddef.h>

/* Spans come in multiples of this many bytes: the size of an x86-64 or arm64 huge
 * page and of one page table, so that whole tables move. */
#define GROWTH_QUANTUM ((size_t)2 << 20)

/* Bytes from which a store leaves the heap for a span. Later, more is copied and touched
 * twice on the way, which a first build of 256 KiB feels; earlier, a buffer of 64 KiB
 * would be in pages of its own. */
#define GROWTH_SPAN_MIN ((size_t)72 << 10)

/* A store in a span that shrinks below this many bytes goes back to the heap:
 * far enough below GROWTH_SPAN_MIN that a length swinging about it does not copy. */
#define GROWTH_HEAP_AGAIN ((size_t)32 << 10)

/* Bytes in use from which one huge page (2 MiB) is at most 12.5% of them. */
#define GROWTH_HUGE_MIN ((size_t)16 << 20)

/* `nbytes` rounded up to a multiple of `unit`, a power of two; 0 on overflow. */
size_t growth_round_up(size_t nbytes, size_t unit);

/* Bytes to allocate on the heap for `needed` bytes (the NUL included) where `allocated`
 * are: just those when growing in leaps. When growing slowly, a quarter ahead while there
 * may be many such buffers; a half from 16 KiB, where each copy is felt and the store is
 * soon in a span; where there are none, an eighth from 256 KiB, as bytearray. */
size_t growth_heap(size_t needed, size_t allocated);

/* Length of the span for `needed` bytes (the NUL included) where one of `length`
 * is in use, or none (0): doubling, since address space is free. */
size_t growth_span(size_t needed, size_t length);

/* The same when the system refuses the doubled one: an eighth ahead. */
size_t growth_span_modest(size_t needed);

/* How far past `end` (an offset in a span) pages are made ready at once when
 * `length` bytes are in use: at most an eighth of them or 64 KiB. */
size_t growth_ahead(size_t end, size_t length);

#endif
