#include "store.h"

#include <assert.h>
#include <errno.h>
#include <stdint.h>
#include <string.h>

#include "growth.h"
#include "pages.h"

#define LARGEST (SIZE_MAX / 2)

_Alignas(16) char store_nothing[1];
_Atomic bool store_prefault;

void
store_init(struct store *store)
{
    *store = (struct store){.start = store_nothing, .memory.prefault = store_prefault};
}

/* Bytes of address space for a limit: as much again lies behind it, because a window that
 * slides through has a gap in front as long as itself at most. */
static size_t
fixed_reach(const struct store *store)
{
    return 2 * growth_round_up(store->memory.length, GROWTH_QUANTUM);
}

/* What a store is when it has lost its memory. */
static struct store
emptied(const struct store *store)
{
    return (struct store){.start = store_nothing,
                          .memory.prefault = store->memory.prefault};
}

void
store_free(struct store *store)
{
    struct store empty = emptied(store);
    switch (store->memory.kind) {
    case STORE_HEAP:
        pages_ops.release(store->memory.address);
        break;
    case STORE_SPAN:
        spans_give(&store->memory);
        break;
    case STORE_LIMITED:
        spans_release(store->memory.address, fixed_reach(store));
        break;
    default: /* STORE_EMPTY */
        break;
    }
    *store = empty;
}

/* The offset that `ready` may come up to. */
static size_t
most_ready(const struct store *store)
{
    size_t most = store->memory.length - 1;
    return store->memory.kind == STORE_LIMITED ? store_headroom(store) + most : most;
}

size_t
store_capacity(const struct store *store)
{
    return store->memory.kind == STORE_EMPTY
               ? 0
               : most_ready(store) - store_headroom(store);
}

size_t
store_nbytes(const struct store *store)
{
    return store->memory.kind >= STORE_SPAN
               ? growth_round_up(store->memory.ready + 1, pages_facts.page_nbytes)
               : store->memory.length;
}

static void
end_with_nul(struct store *store)
{
    if (store->memory.kind != STORE_EMPTY) {
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
    if (store_headroom(store) > 0) {
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
    size_t gap = store_headroom(store);
    assert(gap + store->length < nbytes);
    char *block = pages_ops.reallocate(store->memory.address, nbytes);
    if (block == NULL) {
        return ENOMEM;
    }
    store->memory.address = block;
    store->memory.length = nbytes;
    store->memory.ready = nbytes - 1;
    store->memory.kind = STORE_HEAP;
    store->start = block + gap;
    end_with_nul(store);
    return 0;
}

/* Have `needed` bytes behind the gap, and as many more as bytearray would. */
static int
heap_grow(struct store *store, size_t needed)
{
    size_t nbytes = growth_heap(store_headroom(store) + needed, store->memory.length);
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

/* ---------------------------------------------------------------- the fixed span */

/* Bytes from the address on that are accessible when `ready` are ready. */
static size_t
fixed_access(size_t ready)
{
    return growth_round_up(ready + 1, GROWTH_QUANTUM);
}

static int
fixed_open(struct store *store, size_t ready)
{
    size_t from = fixed_access(store->memory.ready), to = fixed_access(ready);
    return to > from ? spans_open(store->memory.address, from, to) : 0;
}

/* Give the pages behind offset `end` back. */
static void
fixed_discard(struct store *store, size_t end)
{
    struct span *span = &store->memory;
    size_t kept = growth_round_up(end, pages_facts.page_nbytes);
    if (kept < span->ready &&
        pages_discard(span->address + kept, fixed_access(span->ready) - kept) == 0) {
        span->ready = kept;
    }
}

/* Have no more ready than the limit leaves, and zeros from there on. */
static void
fixed_cap(struct store *store)
{
    struct span *span = &store->memory;
    size_t most = most_ready(store);
    if (span->ready > most) {
        fixed_discard(store, most);
    }
    if (span->ready > most) {
        memset(span->address + most, 0, span->ready - most);
        span->ready = most;
    }
}

int
store_set_limit(struct store *store, size_t limit)
{
    assert(store->memory.kind == STORE_EMPTY);
    struct store fixed = emptied(store);
    fixed.memory.kind = STORE_LIMITED;
    fixed.memory.length = limit + 1;
    if (limit > LARGEST / 4) {
        return ENOMEM;
    }
    int error = spans_reserve(fixed_reach(&fixed), &fixed.memory.address);
    if (error) {
        return error;
    }
    error = spans_open(fixed.memory.address, 0, fixed_access(0));
    if (error) {
        spans_release(fixed.memory.address, fixed_reach(&fixed));
        return error;
    }
    fixed.start = fixed.memory.address;
    *store = fixed;
    return 0;
}

/* ------------------------------------------------------------- from heap to span */

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
    span.kind = STORE_SPAN;
    span.prefault = store->memory.prefault;
    size_t length = store->length;
    store_free(store);
    store->start = span.address;
    store->length = length;
    store->memory = span;
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
    size_t gap = store_headroom(store);
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

static void
ask_huge(struct store *store)
{
    struct span *span = &store->memory;
    if (!span->huge) {
        size_t reach = span->kind == STORE_LIMITED ? fixed_reach(store) : span->length;
        span->huge = pages_advise_huge(span->address, reach) == 0;
    }
}

/* Have the bytes up to `end`, an offset in the span, ready, and some ahead: in huge
 * pages from where those waste little, else in pages that are there before the writer
 * is. Where the system refuses either, the writer faults them in one by one. */
static int
make_ready(struct store *store, size_t end)
{
    struct span *span = &store->memory;
    size_t length = end - store_headroom(store);
    size_t ready = growth_ahead(end, length), most = most_ready(store);
    if (ready > most) {
        ready = most;
    }
    if (ready <= span->ready) {
        return 0;
    }
    if (span->kind == STORE_LIMITED && fixed_open(store, ready) != 0) {
        ready = end;
        int error = fixed_open(store, ready);
        if (error) {
            return error;
        }
    }
    spans_outgrown(span);
    if (length >= GROWTH_HUGE_MIN) {
        ask_huge(store);
    }
    if (span->prefault && span->kind == STORE_SPAN) {
        spans_prefault(span, ready, ready - end);
    }
    if (!span->huge) {
        size_t page = pages_facts.page_nbytes;
        size_t from = span->ready & ~(page - 1);
        size_t to = growth_round_up(ready, page);
        (void)pages_populate(span->address + from, to - from);
    }
    span->ready = ready;
    return 0;
}

/* --------------------------------------------------------------- grow and shrink */

/* Have capacity for `needed` bytes, the NUL included; what is not ready stays so. */
static int
grow_capacity(struct store *store, size_t needed, bool zeroed)
{
    if (store->memory.kind == STORE_LIMITED) {
        return needed <= store->memory.length ? 0 : EFBIG;
    }
    if (store->memory.kind == STORE_SPAN) {
        return span_grow(store, needed);
    }
    if (wants_span(needed) && enter_span(store, needed, zeroed) == 0) {
        return 0;
    }
    return heap_grow(store, needed);
}

/* A window that has passed its own length slides back first: each byte is copied once at
 * most for each byte that was deleted. One that must not move did so when it shrank. */
int
store_make_tailroom(struct store *store, size_t nbytes)
{
    if (nbytes <= store_tailroom(store)) {
        return 0;
    }
    if (nbytes > LARGEST - 1 - store->length) {
        return ENOMEM;
    }
    if (store_headroom(store) > 0 && store_headroom(store) >= store->length &&
        !store_is_limited(store)) {
        slide(store);
        if (nbytes <= store_tailroom(store)) {
            return 0;
        }
    }
    int error = grow_capacity(store, store->length + nbytes + 1, false);
    if (error == 0 && store->memory.kind >= STORE_SPAN) {
        error = make_ready(store, store_headroom(store) + store->length + nbytes);
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
    if (store_headroom(store) > store->length) {
        slide(store);
    }
    if (store->memory.ready > 3 * store->length) {
        size_t end = store_headroom(store) + store->length;
        spans_discard(&store->memory, growth_ahead(end, store->length));
    }
}

/* The same without leaving; and room to grow to the limit behind every gap. */
static void
settle_fixed(struct store *store)
{
    if (store_headroom(store) > store->length) {
        slide(store);
    }
    size_t length = store->length;
    if (store->memory.ready > growth_ahead(3 * length, length)) {
        fixed_discard(store, growth_ahead(store_headroom(store) + length, length));
    }
    fixed_cap(store);
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
    if (store->memory.kind == STORE_LIMITED) {
        settle_fixed(store);
    }
    else if (store->length == 0) {
        store_free(store);
    }
    else if (store->memory.kind == STORE_SPAN) {
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
    if (store_is_limited(store) && nbytes > store_capacity(store) - store->length) {
        return EFBIG;
    }
    if (at < tail && nbytes <= store_headroom(store)) {
        memmove(store->start - nbytes, store->start, at);
        store->start -= nbytes;
        store->length += nbytes;
        if (store_is_limited(store)) {
            fixed_cap(store); /* what the gap loses, the limit does */
        }
        return 0;
    }
    int error = store_make_tailroom(store, nbytes);
    if (error == 0) {
        char *hole = store->start + at;
        memmove(hole + nbytes, hole, tail);
        store_commit(store, nbytes);
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
store_append(struct store *store, size_t nbytes)
{
    if (store->memory.kind == STORE_EMPTY && nbytes - 1 < GROWTH_SPAN_MIN - 2) {
        return heap_begin(store, nbytes);
    }
    int error = store_make_tailroom(store, nbytes);
    if (error == 0 && nbytes > 0) {
        store_commit(store, nbytes);
    }
    return error;
}

int
store_splice(struct store *store, size_t at, size_t removed, size_t inserted)
{
    assert(at <= store->length && removed <= store->length - at);
    if (at == store->length) {
        return store_append(store, inserted);
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
    int error = nbytes > store_tailroom(store) ? grow_capacity(store, needed, true) : 0;
    struct span *memory = &store->memory;
    size_t end = store_headroom(store) + store->length + nbytes;
    if (error == 0 && memory->kind == STORE_LIMITED) {
        error = fixed_open(store, end);
    }
    if (error) {
        return error;
    }
    size_t dirty = store_tailroom(store) + 1; /* the NUL is one of the zeros to write */
    memset(store->start + store->length, 0, nbytes + 1 < dirty ? nbytes + 1 : dirty);
    if (memory->ready < end) {
        spans_outgrown(memory);
        if (nbytes >= GROWTH_HUGE_MIN) {
            ask_huge(store);
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
    if (store->memory.kind >= STORE_SPAN || wants_span(capacity + 1)) {
        return grow_capacity(store, capacity + 1, false);
    }
    slide(store);
    return heap_resize(store, capacity + 1);
}

void
store_trim(struct store *store)
{
    if (store->memory.kind == STORE_LIMITED) {
        slide(store);
        fixed_discard(store, store->length + 1);
        fixed_cap(store);
        return;
    }
    if (store->length == 0) {
        store_free(store);
        return;
    }
    if (store->memory.kind == STORE_HEAP) {
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

/* Bytes from which moving pages pays: below, copying them costs less than the calls. */
#define TAKE_MIN ((size_t)1 << 20)

int
store_take(struct store *store, size_t nbytes, struct store *taken)
{
    assert(nbytes <= store->length && taken->memory.kind == STORE_EMPTY);
    if (nbytes == store->length && !store_is_limited(store)) {
        *taken = *store;
        *store = emptied(taken);
        return 0;
    }
    if (nbytes < TAKE_MIN || store->memory.kind < STORE_SPAN) {
        return ENOTSUP;
    }
    size_t gap = store_headroom(store);
    struct span span;
    int error =
        spans_extract(&store->memory, gap, gap + nbytes, gap + store->length, &span);
    if (error) {
        return error;
    }
    span.kind = STORE_SPAN;
    span.prefault = taken->memory.prefault;
    taken->memory = span;
    taken->start = span.address + gap % GROWTH_QUANTUM;
    taken->length = nbytes;
    end_with_nul(taken);
    store->start += nbytes;
    store->length -= nbytes;
    end_with_nul(store);
    if (store->memory.kind == STORE_SPAN) {
        spans_cut_front(&store->memory, store_headroom(store) & ~(GROWTH_QUANTUM - 1));
    }
    settle(store);
    return 0;
}

void
store_adopt(struct store *store, char *block, size_t allocated, char *start,
            size_t length)
{
    assert(store->memory.kind == STORE_EMPTY && length < allocated && start >= block);
    store->start = start;
    store->length = length;
    store->memory.address = block;
    store->memory.length = allocated;
    store->memory.ready = allocated - 1;
    store->memory.kind = STORE_HEAP;
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
store_check_layout(const struct store *store)
{
    const struct span *memory = &store->memory;
    if (store->memory.kind == STORE_EMPTY) {
        return store->length != 0              ? "an empty store has a length"
               : store->start != store_nothing ? "an empty store starts somewhere"
               : memory->address != NULL       ? "an empty store has memory"
               : memory->ready != 0            ? "an empty store has room"
                                               : NULL;
    }
    if (store->start < memory->address || memory->ready > most_ready(store)) {
        return "the gap is negative or the room has no place for a NUL";
    }
    if (store_is_limited(store) && store_headroom(store) > store->length) {
        return "a gap is in the way of growing to the limit";
    }
    if (store_headroom(store) > memory->ready ||
        store->length > memory->ready - store_headroom(store)) {
        return "the bytes in use are not ready";
    }
    if (store->memory.kind == STORE_SPAN && memory->length % GROWTH_QUANTUM != 0) {
        return "the span is no multiple of 2 MiB";
    }
    return NULL;
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
