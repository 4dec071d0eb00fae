#include "store.h"

#include <assert.h>
#include <errno.h>
#include <stdint.h>
#include <string.h>

#include "growth.h"
#include "pages.h"

#define LARGEST (SIZE_MAX / 2)

_Alignas(16) char store_nothing[1];
bool store_prefault;

void
store_init(struct store *store)
{
    *store = (struct store){.start = store_nothing, .prefault = store_prefault};
}

void
store_free(struct store *store)
{
    if (store->kind == STORE_HEAP) {
        pages_ops.release(store->memory.address);
    }
    else if (store->kind == STORE_SPAN) {
        spans_give(&store->memory);
    }
    *store = (struct store){.start = store_nothing, .prefault = store->prefault};
}

size_t
store_capacity(const struct store *store)
{
    return store->kind == STORE_EMPTY ? 0 : store->memory.length - 1 - store_gap(store);
}

size_t
store_nbytes(const struct store *store)
{
    return store->kind == STORE_SPAN
               ? growth_round_up(store->memory.ready + 1, pages_facts.page_nbytes)
               : store->memory.length;
}

static void
end_with_nul(struct store *store)
{
    if (store->kind != STORE_EMPTY) {
        store->start[store->length] = '\0';
    }
}

/* Move the bytes back to the front of the memory.
 *
 *   |<--- gap --->|<--- in use --->|   room   |
 *   |<--- in use --->|         room           |
 */
static void
slide(struct store *store)
{
    if (store_gap(store) > 0) {
        memmove(store->memory.address, store->start, store->length);
        spans_count_copy(store->length);
        store->start = store->memory.address;
        end_with_nul(store);
    }
}

/* ------------------------------------------------------------------- the heap */

/* Give an empty store a first block of just `nbytes`, all in use: most buffers never
 * have another. */
static int
heap_begin(struct store *store, size_t nbytes)
{
    char *block = pages_ops.reallocate(NULL, nbytes + 1);
    if (block == NULL) {
        return ENOMEM;
    }
    block[nbytes] = '\0';
    store_adopt(store, block, nbytes + 1, block, nbytes);
    return 0;
}

/* Have a heap block of `nbytes`; the gap stays. */
static int
heap_resize(struct store *store, size_t nbytes)
{
    size_t gap = store_gap(store);
    assert(gap + store->length < nbytes);
    char *block = pages_ops.reallocate(store->memory.address, nbytes);
    if (block == NULL) {
        return ENOMEM;
    }
    store->memory =
        (struct span){.address = block, .length = nbytes, .ready = nbytes - 1};
    store->start = block + gap;
    store->kind = STORE_HEAP;
    end_with_nul(store);
    return 0;
}

/* Have `needed` bytes behind the gap, and as many more as bytearray would. */
static int
heap_grow(struct store *store, size_t needed)
{
    size_t nbytes = growth_heap(store_gap(store) + needed, store->memory.length);
    if (nbytes != 0 && heap_resize(store, nbytes) == 0) {
        return 0;
    }
    slide(store);
    return needed <= store->memory.length ? 0 : heap_resize(store, needed);
}

/* -------------------------------------------------------------------- the span */

static bool
wants_span(size_t needed)
{
    return needed >= GROWTH_SPAN_MIN && pages_facts.rung > PAGES_HEAP;
}

/* Leave the heap, or nothing, for a span. */
static int
enter_span(struct store *store, size_t needed, bool zeroed)
{
    struct span span;
    int error = spans_take(needed, zeroed, &span);
    if (error) {
        return error;
    }
    assert(span.length > store->length);
    if (store->length > 0) {
        memcpy(span.address, store->start, store->length);
        spans_count_copy(store->length);
    }
    if (span.ready < store->length) {
        span.ready = store->length;
    }
    size_t length = store->length;
    store_free(store);
    store->start = span.address;
    store->length = length;
    store->memory = span;
    store->kind = STORE_SPAN;
    end_with_nul(store);
    return 0;
}

/* Leave the span for the heap if so little is in use. Return false to stay: too much is,
 * or the heap refuses. */
static bool
leave_span(struct store *store)
{
    size_t length = store->length;
    char *block = NULL;
    if (length < GROWTH_HEAP_AGAIN) {
        block = pages_ops.reallocate(NULL, length + 1);
    }
    if (block == NULL) {
        return false;
    }
    memcpy(block, store->start, length);
    block[length] = '\0';
    spans_count_copy(length);
    store_free(store);
    store_adopt(store, block, length + 1, block, length);
    return true;
}

/* Have `needed` bytes of address space behind the gap. */
static int
span_grow(struct store *store, size_t needed)
{
    size_t gap = store_gap(store);
    if (gap + needed <= store->memory.length) {
        return 0;
    }
    int error = spans_grow(&store->memory, gap + needed, gap, gap + store->length);
    store->start = store->memory.address + gap;
    if (error && gap > 0 && needed <= store->memory.length) {
        slide(store);
        error = 0;
    }
    end_with_nul(store);
    return error;
}

/* Have the bytes up to `end`, an offset in the span, ready, and some ahead: in huge
 * pages from where those waste little, else in pages that are there before the writer
 * is. Where the system refuses either, the writer faults them in one by one. */
static void
make_ready(struct store *store, size_t end)
{
    struct span *span = &store->memory;
    size_t length = end - store_gap(store);
    size_t ready = growth_ahead(end, length);
    if (ready > span->length - 1) {
        ready = span->length - 1;
    }
    if (ready <= span->ready) {
        return;
    }
    spans_outgrown(span);
    if (!span->huge && length >= GROWTH_HUGE_MIN) {
        span->huge = pages_advise_huge(span->address, span->length) == 0;
    }
    if (store->prefault) {
        spans_prefault(span, ready, ready - end);
    }
    if (!span->huge) {
        size_t page = pages_facts.page_nbytes;
        size_t from = span->ready & ~(page - 1);
        size_t to = growth_round_up(ready, page);
        (void)pages_populate(span->address + from, to - from);
    }
    span->ready = ready;
}

/* --------------------------------------------------------------- grow and shrink */

/* Have capacity for `needed` bytes, the NUL included; what is not ready stays so. */
static int
grow_capacity(struct store *store, size_t needed, bool zeroed)
{
    if (store->kind == STORE_SPAN) {
        return span_grow(store, needed);
    }
    if (wants_span(needed) && enter_span(store, needed, zeroed) == 0) {
        return 0;
    }
    return heap_grow(store, needed);
}

/* Have room for `nbytes` more. A window that has passed its own length slides back
 * first: each byte is copied once at most for each byte that was deleted. */
static int
grow(struct store *store, size_t nbytes)
{
    if (nbytes > LARGEST - 1 - store->length) {
        return ENOMEM;
    }
    if (store_gap(store) >= store->length) {
        slide(store);
    }
    if (nbytes <= store_room(store)) {
        return 0;
    }
    int error = grow_capacity(store, store->length + nbytes + 1, false);
    if (error == 0 && store->kind == STORE_SPAN) {
        make_ready(store, store_gap(store) + store->length + nbytes);
    }
    return error;
}

/* Give memory back after bytes were removed: never more than about three times the
 * length is kept, and never so little that a window that swings would thrash. */
static void
settle_span(struct store *store)
{
    if (leave_span(store)) {
        return;
    }
    if (store_gap(store) > store->length) {
        slide(store);
    }
    if (store->memory.ready > 3 * store->length) {
        size_t end = store_gap(store) + store->length;
        spans_discard(&store->memory, growth_ahead(end, store->length));
    }
}

/* A block that cannot be made smaller is still a good one. */
static void
heap_shrink(struct store *store)
{
    slide(store);
    (void)heap_resize(store, store->length + 1);
}

static void
settle(struct store *store)
{
    if (store->length == 0) {
        store_free(store);
    }
    else if (store->kind == STORE_SPAN) {
        settle_span(store);
    }
    else if (store->length < store->memory.length / 3) {
        heap_shrink(store);
    }
}

/* Put `nbytes` between `at` and the tail.
 *
 *   |   gap   |<--at-->|<-----tail----->|  room  |
 *   |  |<--at-->|<-n-->|<-----tail----->|  room  |      the front is shorter
 *   |   gap   |<--at-->|<-n-->|<-----tail----->| |      else
 */
static int
open_hole(struct store *store, size_t at, size_t nbytes)
{
    size_t tail = store->length - at;
    if (at < tail && nbytes <= store_gap(store)) {
        memmove(store->start - nbytes, store->start, at);
        store->start -= nbytes;
        store->length += nbytes;
        return 0;
    }
    int error = nbytes > store_room(store) ? grow(store, nbytes) : 0;
    if (error == 0) {
        char *hole = store->start + at;
        memmove(hole + nbytes, hole, tail);
        store_append_ready(store, nbytes);
    }
    return error;
}

/* Take `nbytes` out in front of the tail.
 *
 *   |   gap   |<--at-->|<-n-->|<-----tail----->|   room   |
 *   |   gap          |<--at-->|<-----tail----->|   room   |   the front is shorter
 *   |   gap   |<--at-->|<-----tail----->|      room       |   else
 */
static void
close_hole(struct store *store, size_t at, size_t nbytes)
{
    size_t tail = store->length - at - nbytes;
    if (at < tail) {
        memmove(store->start + nbytes, store->start, at);
        store->start += nbytes;
    }
    else {
        char *hole = store->start + at;
        memmove(hole, hole + nbytes, tail);
    }
    store->length -= nbytes;
    end_with_nul(store);
    settle(store);
}

int
store_splice(struct store *store, size_t at, size_t removed, size_t inserted)
{
    assert(at <= store->length && removed <= store->length - at);
    if (store->kind == STORE_EMPTY && inserted - 1 < GROWTH_SPAN_MIN - 2) {
        return heap_begin(store, inserted);
    }
    if (inserted > removed) {
        return open_hole(store, at + removed, inserted - removed);
    }
    if (removed > inserted) {
        close_hole(store, at + inserted, removed - inserted);
    }
    return 0;
}

int
store_append_zeros(struct store *store, size_t nbytes)
{
    if (nbytes == 0) {
        return 0;
    }
    if (nbytes > LARGEST - 1 - store->length) {
        return ENOMEM;
    }
    size_t needed = store->length + nbytes + 1;
    int error = nbytes > store_room(store) ? grow_capacity(store, needed, true) : 0;
    if (error) {
        return error;
    }
    struct span *memory = &store->memory;
    size_t end = store_gap(store) + store->length + nbytes;
    size_t dirty = store_room(store) + 1; /* the NUL is one of the zeros to write */
    memset(store->start + store->length, 0, nbytes + 1 < dirty ? nbytes + 1 : dirty);
    if (memory->ready < end) {
        if (!memory->huge && nbytes >= GROWTH_HUGE_MIN) {
            memory->huge = pages_advise_huge(memory->address, memory->length) == 0;
        }
        memory->ready = end;
    }
    store->length += nbytes;
    return 0;
}

int
store_reserve(struct store *store, size_t capacity)
{
    if (capacity <= store_capacity(store)) {
        return 0;
    }
    if (capacity > LARGEST - 1) {
        return ENOMEM;
    }
    if (store->kind == STORE_SPAN || wants_span(capacity + 1)) {
        return grow_capacity(store, capacity + 1, false);
    }
    slide(store);
    return heap_resize(store, capacity + 1);
}

void
store_trim(struct store *store)
{
    if (store->length == 0) {
        store_free(store);
        return;
    }
    if (store->kind == STORE_HEAP) {
        heap_shrink(store);
        return;
    }
    if (leave_span(store)) {
        return;
    }
    slide(store);
    spans_cut(&store->memory, growth_round_up(store->length + 1, GROWTH_QUANTUM));
    spans_discard(&store->memory, store->length + 1);
}

void
store_adopt(struct store *store, char *block, size_t allocated, char *start,
            size_t length)
{
    assert(store->kind == STORE_EMPTY && length < allocated && start >= block);
    store->start = start;
    store->length = length;
    store->memory =
        (struct span){.address = block, .length = allocated, .ready = allocated - 1};
    store->kind = STORE_HEAP;
}

void
store_repeat(char *bytes, size_t unit, size_t nbytes)
{
    if (unit == 1) {
        memset(bytes, bytes[0], nbytes);
        return;
    }
    for (size_t done = unit; done < nbytes;) {
        size_t piece = done < nbytes - done ? done : nbytes - done;
        memcpy(bytes + done, bytes, piece);
        done += piece;
    }
}

const char *
store_check(const struct store *store)
{
    const struct span *memory = &store->memory;
    if (store->kind == STORE_EMPTY) {
        return store->length != 0              ? "an empty store has a length"
               : store->start != store_nothing ? "an empty store starts somewhere"
               : memory->address != NULL       ? "an empty store has memory"
               : memory->ready != 0            ? "an empty store has room"
                                               : NULL;
    }
    if (store->start < memory->address || memory->ready >= memory->length) {
        return "the gap is negative or the room has no place for a NUL";
    }
    if (store_gap(store) > memory->ready ||
        store->length > memory->ready - store_gap(store)) {
        return "the bytes in use are not ready";
    }
    if (store->start[store->length] != '\0') {
        return "the byte after the last is not NUL";
    }
    if (store->kind == STORE_SPAN && memory->length % GROWTH_QUANTUM != 0) {
        return "the span is no multiple of 2 MiB";
    }
    return NULL;
}
