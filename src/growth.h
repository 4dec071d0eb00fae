/* growth: how much memory to ask for, as pure functions of sizes.
 *
 * Each function returns a number of bytes. All except growth_ahead() return 0 if the
 * number would be more than GROWTH_MAX. Callers report that as ENOMEM.
 */
#ifndef GROWBUF_GROWTH_H
#define GROWBUF_GROWTH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The largest number of bytes of a block or a span. It is the largest length that a
 * Python object can have. */
#define GROWTH_MAX (SIZE_MAX / 2)

/* The length of a span is a multiple of this. On x86-64 and arm64 it is the size of a
 * huge page, and of the range that one page table maps. So the kernel can move a whole
 * page table at a time. */
#define GROWTH_QUANTUM ((size_t)2 << 20)

/* The number of bytes at the start of a span that a store never uses. An object that
 * takes over the span has its header there (frozen.c). With 64 bytes instead, copying
 * from a large bytes object to the store would be slow on some processors (copy.h): the
 * bytes of that object begin 48 bytes into a page, and those of the store would begin
 * 16 bytes further. */
#define GROWTH_FRONT ((size_t)128)

/* A store moves from the heap to a span when it needs this many bytes. With a larger
 * value, a growing store would be copied more often before it has a span. With a
 * smaller one, many small buffers would each take pages of their own. */
#define GROWTH_SPAN_MIN ((size_t)72 << 10)

/* A store returns from a span to the heap when it shrinks below this many bytes. This
 * is far below GROWTH_SPAN_MIN, so that a store that grows and shrinks a little is not
 * copied each time. A store that had a span takes one again when it needs this many
 * bytes, if the pool has one with dirty pages. So if it shrinks and grows again in
 * small steps, its bytes are not copied from one heap block to the next. */
#define GROWTH_HEAP_AGAIN ((size_t)8 << 10)

/* The span of a store of this many bytes or more can become that of a bytes object.
 * Fewer bytes are copied, which costs less than an object with pages of its own. */
#define GROWTH_SHARE_MIN ((size_t)32 << 10)

/* From this many bytes in use on, huge pages are asked for. The last one may be nearly
 * unused: it wastes at most half of the length at 4 MiB, a quarter at 8 MiB, and an
 * eighth at 16 MiB. */
#define GROWTH_HUGE_MIN ((size_t)4 << 20)

/* A store that needs fewer bytes than this gets no span in huge pages, and no part of
 * one, because its first byte would take a page of 2 MiB. A store that needs more may
 * get one; the dirty pages that it does not need become its tail. STORE_HUGE_LEAVE has
 * the same value. */
#define GROWTH_HUGE_PART_MIN ((size_t)256 << 10)

/* This many zero bytes or more are taken as fresh pages, which the kernel clears when
 * they are touched. For fewer, dirty pages of the pool are cleared, which costs
 * less. */
#define GROWTH_FRESH_ZEROS_MIN ((size_t)32 << 20)

/* A GrowIO object that was written to keeps fewer bytes than this in a bytes object,
 * and this many or more in a buffer. Most files stay shorter. For them a heap block
 * costs less than a span, because it takes no system call and fewer pages. The value is
 * below 128 KiB: from that size on, glibc maps each heap block separately. */
#define GROWTH_BUFFER_MIN ((size_t)120 << 10)

/* Return `nbytes` rounded up to a multiple of `unit`, a power of two. */
size_t growth_round_up(size_t nbytes, size_t unit);

/* Return the size of the heap block to allocate for `needed` bytes, the NUL included.
 * `allocated` is the size of the present block, or 0. If `needed` is more than 1.25
 * times that, return `needed`. Otherwise return more:
 *   if it has not grown before  an eighth, as in bytearray: it may never grow again;
 *   below 16 KiB                a quarter, since there may be many such stores;
 *   from 16 KiB                 a half, since copies take time and the store soon moves
 *                               to a span;
 *   from 256 KiB                an eighth: the rung is `heap`, or no span could be had.
 */
size_t growth_heap(size_t needed, size_t allocated, bool has_grown);

/* Return the length of the span to take for `needed` bytes, the NUL included. `length`
 * is the length of the present span, or 0. The result is at least twice `length`,
 * because address space costs nothing. Exception: if that would be more than
 * GROWTH_MAX, the result is just enough for `needed`. */
size_t growth_span(size_t needed, size_t length);

/* Return the length of the span to take if the system has refused that of
 * growth_span(): `needed` and an eighth more. */
size_t growth_span_modest(size_t needed);

/* Return the offset up to which pages are to be made present when `length` bytes are in
 * use and end at offset `end`. The result is `end` plus an eighth of `length`, but at
 * least 64 KiB and at most 32 MiB are added. If `length` is below 64 KiB, `length` is
 * added instead of 64 KiB, and at least 4 KiB. */
size_t growth_ahead(size_t end, size_t length);

/* Return the size of the bytes object to make for the `length` bytes of a file. `size`
 * is the size of the present one. If `length` is more than 1.125 times that, return
 * `length`. Otherwise the file grows in small steps, so return more, but at most
 * GROWTH_BUFFER_MIN:
 *   below 16 KiB  an eighth more, since there may be many such files;
 *   from 16 KiB   a half more, since each copy takes longer.
 * pre: length < GROWTH_BUFFER_MIN. */
size_t growth_file(size_t length, size_t size);

#endif
