/* moves: mapping a span, and growing it by moving its pages. */
#include "moves.h"

#include <assert.h>
#include <errno.h>
#include <stdbool.h>
#include <string.h>

#include "growth.h"
#include "pages.h"
#include "pool.h"

int
moves_map_opened(size_t length, size_t opened, char **address)
{
    assert(opened > 0 && opened <= length && length % GROWTH_QUANTUM == 0);
    bool whole = opened == length;
    int error = whole ? pages_map(length, address) : pages_reserve(length, address);
    if (error) {
        return error;
    }
    (void)pages_advise_fresh(*address, length);
    if (!whole) {
        (void)pages_hide(*address, length);
        error = pages_open(*address, opened);
    }
    if (error) {
        pages_unmap(*address, length);
    }
    return error;
}

int
moves_map(size_t length, struct span *span)
{
    size_t opened = pages_facts.in_steps ? pages_facts.step_nbytes : length;
    char *address;
    assert(length % GROWTH_QUANTUM == 0);
    int error = length == 0 ? ENOMEM : moves_map_opened(length, opened, &address);
    if (error == 0) {
        *span = (struct span){
            .address = address, .length = length, .number = pool_new_mapping()};
    }
    return error;
}

/* Return the end of the part that is certainly accessible in a span that is made
 * accessible in steps. More may be accessible, if `dirty_end` was larger before. */
static size_t
opened_end(size_t dirty_end)
{
    return growth_round_up(dirty_end + 1, pages_facts.step_nbytes);
}

int
moves_open(const struct span *span, size_t end)
{
    assert(end < span->length && span->dirty_end < span->length);
    if (!span->reserved && !pages_facts.in_steps) {
        return 0;
    }
    size_t from = opened_end(span->dirty_end), to = opened_end(end);
    if (to <= from) {
        return 0;
    }
    assert(to <= span->length);
    int error = pages_open(span->address + from, to - from);
    if (error == ENOMEM && pool_drain()) {
        error = pages_open(span->address + from, to - from);
    }
    return error;
}

void
moves_use_huge(struct span *span)
{
    assert(span->address != NULL && span->length % GROWTH_QUANTUM == 0);
    if (!span->huge) {
        span->huge = pages_advise_huge(span->address, span->length) == 0;
    }
}

/* Take address space to move pages to, at a multiple of 2 MiB: a zero span of that
 * length from the pool, or a new reservation. */
static int
take_target(size_t length, char **address)
{
    struct span span;
    assert(length > 0 && length % GROWTH_QUANTUM == 0);
    if (pool_take_zero(length, true, &span)) {
        assert(span.dirty_end == 0 && span.length == length);
        *address = span.address;
        return 0;
    }
    return pages_reserve(length, address);
}

int
moves_find_target(size_t length, char **address)
{
    assert(length > 0 && length % GROWTH_QUANTUM == 0);
    int error = take_target(length, address);
    if (error == 0) {
        pages_unmap(*address, length);
    }
    return error;
}

/* Set the address of a span whose pages have moved to `address`. Its old addresses are
 * still mapped and read as zero: give them to the pool. */
static void
leave_source(struct span *span, char *address)
{
    struct span source = *span;
    assert(address != span->address && !span->has_tail && !span->reserved);
    source.dirty_end = 0;
    source.touched = false;
    source.number = pool_new_mapping();
    span->address = address;
    span->number = pool_new_mapping();
    pool_count_move(span->length);
    pool_keep_source(&source);
}

static int
move_retain(struct span *span, size_t length)
{
    assert(length > span->length && length % GROWTH_QUANTUM == 0);
    char *moved;
    int error = pages_move_retain(span->address, span->length, length, &moved);
    if (error) {
        return error;
    }
    if (moved != span->address) {
        leave_source(span, moved);
    }
    span->length = length;
    return 0;
}

/* Grow a moved span in place, into the rest of the target. The caller has unmapped the
 * rest, so that the span stays one mapping: before Linux 6.17 one call could not move
 * two mappings. This fails if another thread has mapped something there meanwhile. The
 * pages have then moved, but the span has its old length: the next attempt grows it. */
static int
extend(struct span *span, size_t length)
{
    assert(length > span->length);
    int error = pages_extend(span->address, span->length, length);
    if (error == 0) {
        span->length = length;
    }
    return error;
}

/*   source  |<-- pages -->|                      target  |<---- address space ---->|
 *   after   |<-- zeros -->|  (to the pool)               |<-- pages -->|<--extend->|
 */
static int
move_dontunmap(struct span *span, size_t length)
{
    assert(length > span->length && length % GROWTH_QUANTUM == 0);
    char *target, *moved;
    int error = moves_find_target(length, &target);
    if (error == 0) {
        error = pages_move_dontunmap(span->address, span->length, target, &moved);
    }
    if (error) {
        return error;
    }
    leave_source(span, moved);
    return extend(span, length);
}

static int
move_maymove(struct span *span, size_t length)
{
    assert(length > span->length && length % GROWTH_QUANTUM == 0);
    char *target;
    int error = take_target(length, &target);
    if (error) {
        return error;
    }
    error = pages_move_onto(span->address, span->length, target);
    if (error && error != EFAULT) { /* after EFAULT the target may be unmapped */
        pages_unmap(target, length);
        return error;
    }
    pages_unmap(target + span->length, length - span->length);
    if (error) {
        return error;
    }
    pool_count_move(span->length);
    span->address = target;
    span->number = pool_new_mapping();
    return extend(span, length);
}

/* Grow in place, or move to an address that the kernel chooses. Of all moves this takes
 * the least address space (pages_move_anywhere). */
static int
move_anywhere(struct span *span, size_t length)
{
    char *moved;
    assert(length > span->length);
    int error = pages_move_anywhere(span->address, span->length, length, &moved);
    if (error == 0) {
        if (moved != span->address) {
            pool_count_move(span->length);
        }
        span->address = moved;
        span->length = length;
        span->number = pool_new_mapping();
    }
    return error;
}

/* Grow to `length` by the rung in use. If that fails, try the lower rungs that move
 * pages. */
static int
move(struct span *span, size_t length)
{
    assert(!span->reserved && !span->has_tail);
    int error = ENOTSUP;
    switch (pages_facts.rung) {
    case PAGES_RETAIN:
        error = move_retain(span, length);
        if (error == 0) {
            break;
        }
        /* fall through */
    case PAGES_DONTUNMAP:
        error = move_dontunmap(span, length);
        if (error == 0) {
            break;
        }
        /* fall through */
    case PAGES_MAYMOVE:
        error = move_maymove(span, length);
        break;
    default:
        break;
    }
    return error;
}

/* Grow by copying the bytes of [from, to) to a new span, and unmap the old one. */
static int
copy(struct span *span, size_t length, size_t from, size_t to)
{
    assert(from <= to && to <= span->dirty_end && span->dirty_end < span->length);
    assert(length > to && !span->has_tail);
    struct span target;
    int error = moves_map(length, &target);
    if (error) {
        return error;
    }
    error = moves_open(&target, to);
    if (error) {
        pages_unmap(target.address, length);
        return error;
    }
    if (span->huge) {
        moves_use_huge(&target);
    }
    memcpy(target.address + from, span->address + from, to - from);
    pool_count_copy(to - from);
    target.dirty_end = to;
    target.tag = span->tag;
    pages_unmap(span->address, span->length);
    *span = target;
    return 0;
}

/* Grow by moving. Try these lengths in turn: `doubled`; the same after draining the
 * pool, if memory ran out; an eighth more than `needed`; `needed`. The last two use
 * move_anywhere(), which takes the least address space. */
static int
grow_moving(struct span *span, size_t needed, size_t doubled)
{
    int error = move(span, doubled);
    if (error == ENOMEM && pool_drain()) {
        error = move(span, doubled);
    }
    if (error) {
        error = move_anywhere(span, growth_span_modest(needed));
    }
    if (error) {
        error = move_anywhere(span, growth_span(needed, 0));
    }
    return error;
}

/* As grow_moving(), but grow by copying. */
static int
grow_copying(struct span *span, size_t needed, size_t doubled, size_t from, size_t to)
{
    int error = copy(span, doubled, from, to);
    if (error == ENOMEM && pool_drain()) {
        error = copy(span, doubled, from, to);
    }
    if (error) {
        error = copy(span, growth_span_modest(needed), from, to);
    }
    if (error) {
        error = copy(span, growth_span(needed, 0), from, to);
    }
    return error;
}

int
moves_grow(struct span *span, size_t needed, size_t doubled, size_t from, size_t to)
{
    assert(!span->has_tail && !span->reserved);
    assert(needed > span->length && from <= to && to <= span->length);
    if (pages_facts.rung >= PAGES_MAYMOVE && grow_moving(span, needed, doubled) == 0) {
        return 0;
    }
    return grow_copying(span, needed, doubled, from, to);
}
