/* store_memory: the memory of a store: a heap block or a span. */
#include "store_memory.h"

#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

_Alignas(16) char store_nothing[1];
_Atomic bool store_prefault;
struct store_heap store_heap = {realloc, free};

void
store_init(struct store *store)
{
    *store = (struct store){.start = store_nothing,
                            .memory.tag = store_prefault ? STORE_TAG_PREFAULT : 0};
}

void
store_set_prefault(struct store *store, bool prefault)
{
    unsigned tag = store->memory.tag & ~(unsigned)STORE_TAG_PREFAULT;
    store->memory.tag = prefault ? tag | STORE_TAG_PREFAULT : tag;
}

void
store_set_memory(struct store *store, const struct span *memory, enum store_kind kind)
{
    unsigned prefault = store->memory.tag & STORE_TAG_PREFAULT;
    assert(memory->address != NULL && memory->dirty_end < memory->length);
    store->memory = *memory;
    store->memory.tag = prefault | (unsigned)kind;
}

void
store_free(struct store *store)
{
    struct store empty = store_emptied(store);
    assert(store_check_layout(store) == NULL);
    empty.memory.tag |= store_swings_after(store);
    switch (store_kind(store)) {
    case STORE_HEAP:
        store_heap.release(store->memory.address);
        break;
    case STORE_SPAN:
    case STORE_LIMITED:
        if (store_is_advanced(store)) {
            spans_discard(&store->memory, 0); /* the pool keeps its address space */
        }
        spans_give(&store->memory);
        break;
    default: /* STORE_EMPTY */
        break;
    }
    *store = empty;
}

size_t
store_capacity(const struct store *store)
{
    return store_kind(store) == STORE_EMPTY
               ? 0
               : store_max_dirty_end(store) - store_headroom(store);
}

size_t
store_nbytes(const struct store *store)
{
    size_t headroom = store_headroom(store);
    return store_kind(store) < STORE_SPAN ? store->memory.length
           : store_is_advanced(store)
               ? spans_nbytes(&store->memory) - (headroom & ~(STORE_GIVE_BACK_MIN - 1))
               : spans_nbytes(&store->memory);
}

/* Move the bytes in use to the start of the memory, or after GROWTH_FRONT in a span.
 * Then give back the memory after them, if the store is advanced.
 *
 *   |<-- headroom -->|<--- in use --->| tailroom |
 *   |<--- in use --->|         tailroom          |
 */
static void
slide(struct store *store)
{
    size_t nbytes = store_free_headroom(store);
    if (nbytes > 0) {
        assert(store->length <= store->memory.dirty_end - store_headroom(store));
        memmove(store->start - nbytes, store->start, store->length);
        if (store_kind(store) >= STORE_SPAN) { /* copies in the heap are not counted */
            pool_count_copy(store->length);
        }
        store->start -= nbytes;
        store_end_with_nul(store);
    }
    if (store_is_advanced(store)) {
        spans_discard(&store->memory, GROWTH_FRONT + store->length + 1);
        store->memory.tag &= ~(uint64_t)STORE_TAG_ADVANCED;
    }
}

void
store_slide(struct store *store)
{
    slide(store);
    if (store_is_limited(store)) {
        /* With less headroom, the largest allowed dirty_end is less too. */
        spans_cap(&store->memory, store_max_dirty_end(store));
    }
}

void
store_align(struct store *store)
{
    if ((uintptr_t)store->start % STORE_ALIGNMENT != 0) {
        store_slide(store);
    }
    assert((uintptr_t)store->start % STORE_ALIGNMENT == 0 ||
           store_kind(store) < STORE_SPAN);
}

/* ------------------------------------------------------------------------- the heap */

/* Make the size of the heap block `nbytes`. The headroom stays. */
static int
heap_resize(struct store *store, size_t nbytes)
{
    size_t headroom = store_headroom(store);
    assert(store_kind(store) <= STORE_HEAP && headroom + store->length < nbytes);
    char *block = store_heap.reallocate(store->memory.address, nbytes);
    if (block == NULL) {
        return ENOMEM;
    }
    store->memory.address = block;
    store->memory.length = nbytes;
    store->memory.dirty_end = nbytes - 1;
    if (store_kind(store) == STORE_EMPTY) {
        store->memory.tag |= STORE_HEAP;
    }
    store->start = block + headroom;
    store->start[store->length] = '\0';
    return 0;
}

/* Make the heap block hold `needed` bytes after the headroom, or more (growth_heap). If
 * there is not enough memory, remove the headroom and ask for `needed` bytes only. */
static int
heap_grow(struct store *store, size_t needed)
{
    assert(store_kind(store) <= STORE_HEAP && needed > store->length);
    bool has_grown = (store->memory.tag & STORE_TAG_GROWN) != 0;
    size_t nbytes =
        growth_heap(store_headroom(store) + needed, store->memory.length, has_grown);
    store->memory.tag |= store_kind(store) == STORE_HEAP ? STORE_TAG_GROWN : 0;
    if (nbytes != 0 && heap_resize(store, nbytes) == 0) {
        return 0;
    }
    slide(store);
    return needed <= store->memory.length ? 0 : heap_resize(store, needed);
}

void
store_adopt(struct store *store, char *block, size_t allocated, char *start,
            size_t length)
{
    assert(store_kind(store) == STORE_EMPTY && length < allocated);
    assert(start >= block && start + length < block + allocated);
    const struct span memory = {
        .address = block, .length = allocated, .dirty_end = allocated - 1};
    store_set_memory(store, &memory, STORE_HEAP);
    store->start = start;
    store->length = length;
}

/* ------------------------------------------------------------------------- the span */

static bool
wants_span(size_t needed)
{
    return needed >= GROWTH_SPAN_MIN && pages_facts.rung > PAGES_HEAP;
}

/* Copy the bytes of a store into a span, which becomes its memory. Give the old memory
 * back. */
static void
move_into(struct store *store, const struct span *span)
{
    struct store moved = store_emptied(store);
    assert(span->length > GROWTH_FRONT + store->length && !span->reserved);
    assert(!store_is_limited(store));
    store_set_memory(&moved, span, STORE_SPAN);
    moved.start = span->address + GROWTH_FRONT;
    moved.length = store->length;
    if (store->length > 0) {
        memcpy(moved.start, store->start, store->length);
        pool_count_copy(store->length);
    }
    if (moved.memory.dirty_end < GROWTH_FRONT + store->length) {
        moved.memory.dirty_end = GROWTH_FRONT + store->length;
    }
    store_free(store);
    *store = moved;
    store_end_with_nul(store);
}

/* Move a store that is empty or in a heap block to a span that can hold `needed`
 * bytes. */
static int
enter_span(struct store *store, size_t needed, bool zeroed)
{
    struct span span;
    int error = spans_take(GROWTH_FRONT + needed, zeroed, &span);
    if (error == 0) {
        move_into(store, &span);
    }
    return error;
}

/* Move a store that had a span into a dirty span of the pool. Return false if there is
 * none. Clear `swings`: store_free() sets it again if the store has needed
 * GROWTH_SPAN_MIN bytes in the span. So a store that stays small is on the heap the
 * next time. */
static bool
enter_span_again(struct store *store, size_t needed)
{
    struct span span;
    assert(store_swings(store, needed) && needed < GROWTH_SPAN_MIN);
    store->memory.tag &= ~(uint64_t)STORE_TAG_SWINGS;
    if (!spans_take_again(GROWTH_FRONT + needed, &span)) {
        return false;
    }
    move_into(store, &span);
    return true;
}

/* Move a store of few bytes out of its span: to the heap, or from huge pages to a span
 * in small ones. Return false if the store stays where it is, because it has too many
 * bytes or there is not enough memory. */
static bool
leave_span(struct store *store)
{
    size_t length = store->length;
    struct span span;
    assert(store_kind(store) == STORE_SPAN);
    if (length < GROWTH_HEAP_AGAIN) {
        char *block = store_heap.reallocate(NULL, length + 1);
        if (block != NULL) {
            memcpy(block, store->start, length);
            block[length] = '\0';
            pool_count_copy(length);
            store_free(store);
            unsigned swings = store->memory.tag & STORE_TAG_SWINGS;
            store_adopt(store, block, length + 1, block, length);
            store->memory.tag |= swings;
            return true;
        }
    }
    if (store->memory.huge && length < STORE_HUGE_LEAVE &&
        spans_take(GROWTH_FRONT + length + 1, false, &span) == 0) {
        move_into(store, &span);
        spans_cap(&store->memory, GROWTH_FRONT + length); /* the pages may be dirty */
        return true;
    }
    return false;
}

/* Make the span hold `needed` bytes after the headroom. If it cannot grow, but is long
 * enough without the headroom, move the bytes in use to its start. */
static int
span_grow(struct store *store, size_t needed)
{
    size_t headroom = store_headroom(store);
    assert(store_kind(store) == STORE_SPAN && needed > store->length);
    if (headroom + needed <= store->memory.length) {
        return 0;
    }
    int error = spans_grow(&store->memory, headroom + needed, headroom,
                           headroom + store->length);
    store->start = store->memory.address + headroom;
    if (error && GROWTH_FRONT + needed <= store->memory.length) {
        slide(store);
        error = 0;
    }
    store_end_with_nul(store);
    return error;
}

int
store_set_limit(struct store *store, size_t limit)
{
    assert(store_kind(store) == STORE_EMPTY);
    struct span span;
    int error = spans_reserve(limit, &span);
    if (error) {
        return error;
    }
    span.dirty_end = GROWTH_FRONT;
    store_set_memory(store, &span, STORE_LIMITED);
    store->start = span.address + GROWTH_FRONT;
    return 0;
}

bool
store_reuse_limited(struct store *store, size_t limit)
{
    assert(store_kind(store) == STORE_EMPTY);
    struct span span;
    if (!spans_reserve_kept(limit, &span)) {
        return false;
    }
    if (span.dirty_end < GROWTH_FRONT) {
        span.dirty_end = GROWTH_FRONT;
    }
    store_set_memory(store, &span, STORE_LIMITED);
    store->start = span.address + GROWTH_FRONT;
    store_end_with_nul(store);
    return true;
}

void
store_own_reservation(struct store *store, const struct span *reservation)
{
    assert(reservation->reserved && reservation->dirty_end >= GROWTH_FRONT);
    store_init(store);
    store_set_memory(store, reservation, STORE_LIMITED);
    /* Some of its pages may have been given back, as in an advanced store. */
    store->memory.tag |= STORE_TAG_ADVANCED;
    store->memory.number = reservation->length - GROWTH_FRONT - 1;
    store->start = reservation->address + GROWTH_FRONT;
    assert(store_check_layout(store) == NULL);
}

/* ------------------------------------------------------------ growing and shrinking */

int
store_grow_capacity(struct store *store, size_t needed, bool zeroed)
{
    assert(needed > store->length);
    if (store_kind(store) == STORE_LIMITED) {
        return needed <= store->memory.number + 1 ? 0 : EFBIG;
    }
    if (store_kind(store) == STORE_SPAN) {
        return span_grow(store, needed);
    }
    bool entered = wants_span(needed)
                       ? enter_span(store, needed, zeroed) == 0
                       : store_swings(store, needed) && enter_span_again(store, needed);
    return entered ? 0 : heap_grow(store, needed);
}

/* If more than about three times the length is dirty, give the pages after the bytes in
 * use to the pool as a tail. The store takes them back if it grows. Before that, the
 * pool may give them back to the system (pool.h). */
static void
cap_surplus(struct store *store)
{
    size_t length = store->length;
    assert(store_kind(store) >= STORE_SPAN);
    if (store->memory.dirty_end > growth_ahead(3 * length, length)) {
        spans_cap(&store->memory, store_headroom(store) + length);
    }
}

int
store_reserve(struct store *store, size_t capacity)
{
    if (capacity <= store_capacity(store)) {
        return 0;
    }
    if (capacity > GROWTH_MAX - 1) {
        return ENOMEM;
    }
    if (store_kind(store) >= STORE_SPAN || wants_span(capacity + 1)) {
        int error = store_grow_capacity(store, capacity + 1, false);
        if (error == 0 && store_kind(store) == STORE_SPAN) {
            cap_surplus(store);
        }
        assert(error != 0 || capacity <= store_capacity(store));
        return error;
    }
    slide(store);
    return heap_resize(store, capacity + 1);
}

/* Give the surplus memory of a span back after bytes were removed. */
static void
span_shrink(struct store *store)
{
    if (store_kind(store) == STORE_SPAN && leave_span(store)) {
        return;
    }
    if (store_free_headroom(store) > store->length) {
        slide(store);
    }
    cap_surplus(store);
    if (store_is_limited(store)) {
        spans_cap(&store->memory, store_max_dirty_end(store));
    }
}

/* Make the heap block as small as the length allows. If realloc() fails, the store
 * keeps its block, or frees it if it has no bytes. */
static void
heap_shrink(struct store *store)
{
    assert(store_kind(store) == STORE_HEAP);
    slide(store);
    store->memory.tag &= ~(uint64_t)STORE_TAG_GROWN;
    if (heap_resize(store, store->length + 1) != 0 && store->length == 0) {
        store_free(store);
    }
}

/* When all bytes are removed, a heap block of more bytes than this is shortened to one
 * byte and not freed, as in bytearray. If many buffers were cleared and their blocks
 * freed, malloc() would join the blocks and give their pages to the system. When the
 * buffers are filled again, there would be a fault for each page. */
#define FREE_MAX ((size_t)512)

void
store_shrink_to_fit(struct store *store)
{
    if (store_keeps_memory(store, store_headroom(store), store->length)) {
        return;
    }
    if (store->length == 0 && store_kind(store) != STORE_LIMITED &&
        !(store_kind(store) == STORE_HEAP && store->memory.length > FREE_MAX)) {
        store_free(store);
    }
    else if (store_kind(store) >= STORE_SPAN) {
        span_shrink(store);
    }
    else {
        heap_shrink(store);
    }
}

/* Give back all memory of a limited store that its length does not need. */
static void
trim_limited(struct store *store)
{
    slide(store);
    spans_discard(&store->memory, GROWTH_FRONT + store->length + 1);
    spans_cap(&store->memory, store_max_dirty_end(store));
}

void
store_trim(struct store *store)
{
    if (store_kind(store) == STORE_LIMITED) {
        trim_limited(store);
    }
    else if (store->length == 0) {
        store_free(store);
    }
    else if (store_kind(store) == STORE_HEAP) {
        heap_shrink(store);
    }
    else if (!leave_span(store)) {
        size_t end = GROWTH_FRONT + store->length + 1;
        slide(store);
        spans_cut(&store->memory, growth_round_up(end, GROWTH_QUANTUM));
        spans_discard(&store->memory, end);
    }
    assert(store_free_headroom(store) == 0 && store_check_layout(store) == NULL);
}

/* ---------------------------------------------------------------------------- check */

const char *
store_check_layout(const struct store *store)
{
    const struct span *memory = &store->memory;
    if (store_kind(store) == STORE_EMPTY) {
        return store->length != 0              ? "an empty store has a length"
               : store->start != store_nothing ? "an empty store has a start"
               : memory->address != NULL       ? "an empty store has memory"
               : memory->dirty_end != 0        ? "an empty store has tailroom"
                                               : NULL;
    }
    if (store->start < memory->address ||
        memory->dirty_end > store_max_dirty_end(store)) {
        return "the headroom is negative or there is no space for the NUL";
    }
    if (store_kind(store) >= STORE_SPAN && store_headroom(store) < GROWTH_FRONT) {
        return "the headroom is too short for the header of an object";
    }
    if (store_is_limited(store) && store_free_headroom(store) > store->length &&
        !store_is_advanced(store)) {
        return "the headroom of a limited store is longer than the bytes in use";
    }
    if (store_kind(store) >= STORE_SPAN &&
        store_max_dirty_end(store) >= memory->length) {
        return "the limit is past the end of the reservation";
    }
    if (store_headroom(store) > memory->dirty_end ||
        store->length > memory->dirty_end - store_headroom(store)) {
        return "the bytes in use are not dirty";
    }
    return store_kind(store) >= STORE_SPAN ? spans_check(memory) : NULL;
}

const char *
store_check(const struct store *store)
{
    const char *reason = store_check_layout(store);
    if (reason == NULL && store->start[store->length] != '\0') {
        return "the byte after the last is not NUL";
    }
    return reason;
}
