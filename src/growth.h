/* growth: how much memory to ask for. Pure functions of sizes.
 *
 * Each function returns a number of bytes. growth_round_up(), growth_heap(),
 * growth_span() and growth_span_modest() return 0 if it would be more than GROWTH_MAX.
 * Callers report that as ENOMEM.
 */
#ifndef GROWBUF_GROWTH_H
#define GROWBUF_GROWTH_H

#include <stddef.h>
#include <stdint.h>

/* The largest number of bytes of any memory: the largest length of a Python object. */
#define GROWTH_MAX (SIZE_MAX / 2)

/* The length of a span is a multiple of this. On x86-64 and arm64 it is the size of a
 * huge page and of the range that one page table maps, so the kernel moves whole page
 * tables. */
#define GROWTH_QUANTUM ((size_t)2 << 20)

/* A store leaves at least this many bytes at the start of its span unused. An object
 * that takes over the span has its header there (frozen.c). A span begins at a page
 * boundary, so a store that leaves exactly these bytes unused begins at a multiple of
 * 128. If they were 64, it would be slow on some processors to copy from a large bytes
 * object (copy.h): its bytes begin 48 bytes into a page, and those of the store would
 * begin 16 bytes after that. */
#define GROWTH_FRONT ((size_t)128)

/* A store moves from the heap to a span at this many bytes. If it were larger, more
 * bytes would be copied on the way. If it were smaller, many small buffers would each
 * take pages of their own. */
#define GROWTH_SPAN_MIN ((size_t)72 << 10)

/* A store in a span returns to the heap when it shrinks below this many bytes. This is
 * far below GROWTH_SPAN_MIN, so that a store whose length goes up and down a little is
 * not copied each time. */
#define GROWTH_HEAP_AGAIN ((size_t)32 << 10)

/* Huge pages are asked for from this many bytes in use. The last huge page may be
 * nearly unused: that wastes at most half of the length at 4 MiB, a quarter at 8 MiB
 * and an eighth at 16 MiB. */
#define GROWTH_HUGE_MIN ((size_t)4 << 20)

/* A store that needs fewer bytes than this gets no span in huge pages, nor a part of
 * one: its first byte would take a page of 2 MiB. */
#define GROWTH_HUGE_PART_MIN ((size_t)1 << 20)

/* From this many zero bytes on, fresh pages are used, which the kernel clears when they
 * are touched. Fewer are made by clearing dirty pages, which costs less. */
#define GROWTH_FRESH_ZEROS_MIN ((size_t)32 << 20)

/* Return `nbytes` rounded up to a multiple of `unit`, a power of two. */
size_t growth_round_up(size_t nbytes, size_t unit);

/* Return the size of the heap block that `needed` bytes (the NUL included) get, when
 * the present block has `allocated` bytes (0 if there is none). If `needed` is more
 * than 1.25 times `allocated`, that is `needed`. Otherwise the store grows in small
 * steps, and its block gets more than `needed`:
 *   below 16 KiB  a quarter more, since there may be many such stores;
 *   from 16 KiB   a half, since copies take time and the store will soon be in a span;
 *   from 256 KiB  an eighth, as in bytearray: only the rung `heap` has such blocks.
 */
size_t growth_heap(size_t needed, size_t allocated);

/* Return the length of the span that `needed` bytes (the NUL included) get, when the
 * present span has `length` bytes (0 if there is none). It is at least twice `length`,
 * because address space costs nothing. */
size_t growth_span(size_t needed, size_t length);

/* Return the length of the span to ask for when the system refuses that of
 * growth_span(): an eighth more than `needed`. */
size_t growth_span_modest(size_t needed);

/* Return the offset up to which pages are made present, if `length` bytes are in use
 * and the last of them ends at offset `end`. It is `end` plus length / 8, except that
 * no fewer than 64 KiB and no more than 32 MiB are added. If `length` is below 64 KiB,
 * `length` is added, or 4 KiB if that is more. */
size_t growth_ahead(size_t end, size_t length);

#endif
