/* spans: taking, preparing, moving and giving back runs of pages. */
#include "spans.h"

#include <assert.h>
#include <errno.h>
#include <string.h>

#include "growth.h"
#include "moves.h"
#include "pages.h"
#include "prefault.h"

/* A span from the pool may have more dirty bytes than its new owner needs. The surplus
 * becomes its tail if it has at least this many bytes. A shorter one is not worth an
 * entry of the pool. */
#define TAIL_MIN ((size_t)256 << 10)

static size_t
round_to_page(size_t nbytes)
{
    return growth_round_up(nbytes, pages_facts.page_nbytes);
}

/* --------------------------------------------------------------- taking and giving */

/* Take a span that reads as zero. If the system refuses one, drain the pool and try
 * again. */
static int
take_zero(size_t length, struct span *span)
{
    if (pool_take_zero(length, length >= GROWTH_HUGE_MIN, span)) {
        assert(span->dirty_end == 0 && !span->reserved);
        return 0;
    }
    int error = moves_map(length, span);
    if (error == ENOMEM && pool_drain()) {
        error = moves_map(length, span);
    }
    return error;
}

int
spans_take(size_t needed, bool zeroed, struct span *span)
{
    size_t length = growth_span(needed, 0);
    bool fresh = zeroed && needed >= GROWTH_FRESH_ZEROS_MIN;
    if (length == 0) {
        return ENOMEM;
    }
    int error = fresh || !pool_take(needed, length, span) ? take_zero(length, span) : 0;
    if (error) {
        return error;
    }
    error = moves_open(span, needed - 1);
    if (error) {
        pool_keep_source(span);
        return error;
    }
    pool_count_live(1, 0);
    size_t kept = round_to_page(growth_ahead(needed, needed) + 1);
    if (span->dirty_end > kept && span->dirty_end - kept >= TAIL_MIN) {
        pool_keep_tail(span, kept);
    }
    assert(spans_check(span) == NULL);
    return 0;
}

bool
spans_take_again(size_t needed, struct span *span)
{
    assert(needed > 0 && needed < GROWTH_SPAN_MIN + GROWTH_FRONT);
    if (!pool_take_dirty(needed, GROWTH_QUANTUM, span)) {
        return false;
    }
    pool_count_live(1, 0);
    size_t kept = round_to_page(needed + 1);
    if (span->dirty_end >= kept) {
        pool_keep_tail(span, kept);
    }
    assert(spans_check(span) == NULL && span->dirty_end >= needed);
    return true;
}

/* Return how many bytes to reserve for a limit: GROWTH_FRONT plus twice the limit,
 * because the headroom may be as long as the bytes in use. For a small limit that is 2
 * MiB: one step, so that all of it is accessible and takes one mapping instead of
 * two. */
static size_t
limit_reach(size_t limit)
{
    return growth_round_up(GROWTH_FRONT + 2 * limit + 1, GROWTH_QUANTUM);
}

static int
reserve_fresh(size_t length, struct span *span)
{
    char *address;
    assert(length % GROWTH_QUANTUM == 0 && length > 0);
    int error = moves_map_opened(length, pages_facts.step_nbytes, &address);
    if (error == 0) {
        *span = (struct span){.address = address, .length = length, .reserved = true};
    }
    return error;
}

bool
spans_reserve_kept(size_t limit, struct span *span)
{
    if (limit > SPAN_MAX_LIMIT || limit > GROWTH_MAX / 4 ||
        !pool_take_reservation(limit_reach(limit), span)) {
        return false;
    }
    if (span->dirty_end >= TAIL_MIN) { /* the new owner may need few of the pages */
        spans_cap(span, pages_facts.page_nbytes - 1);
    }
    spans_cap(span, limit);
    span->number = limit;
    pool_count_live(1, span->length);
    assert(spans_check(span) == NULL && span->dirty_end <= limit);
    return true;
}

int
spans_reserve(size_t limit, struct span *span)
{
    if (pages_facts.rung == PAGES_HEAP) {
        return ENOTSUP;
    }
    if (limit > SPAN_MAX_LIMIT || limit > GROWTH_MAX / 4) {
        return ENOMEM;
    }
    if (spans_reserve_kept(limit, span)) {
        spans_cap(span, 0);
        return 0;
    }
    size_t length = limit_reach(limit);
    int error = reserve_fresh(length, span);
    if (error == ENOMEM && pool_drain()) {
        error = reserve_fresh(length, span);
    }
    if (error) {
        return error;
    }
    span->number = limit;
    pool_count_live(1, length);
    assert(spans_check(span) == NULL);
    assert(span->dirty_end == 0 && span->number == limit);
    assert(GROWTH_FRONT + 2 * limit < length);
    return 0;
}

enum pages_shortage
spans_shortage(size_t limit)
{
    assert(limit > 0 && limit <= GROWTH_MAX);
    return pages_shortage(2 * limit);
}

/* Stop the helper from touching pages of the span, before they move or are unmapped.
 * The pages after dirty_end that it has touched stay present until they are
 * discarded. */
static void
stop_prefault(const struct span *span)
{
    if (span->touched) {
        prefault_stop(span->address, span->length);
    }
}

void
spans_give(struct span *span)
{
    assert(spans_check(span) == NULL);
    pool_take_tail(span, span->length);
    if (span->touched) {
        spans_discard(span, span->dirty_end);
        span->touched = false;
    }
    pool_keep(span);
    *span = (struct span){0};
}

void
spans_cut(struct span *span, size_t length)
{
    assert(length > 0 && length % GROWTH_QUANTUM == 0 && !span->reserved);
    pool_take_tail(span, span->length);
    if (pages_facts.whole_only) {
        spans_discard(span, length);
    }
    else if (length < span->length) {
        stop_prefault(span);
        pages_unmap(span->address + length, span->length - length);
        span->length = length;
        if (span->dirty_end >= length) {
            span->address[length - 1] = '\0';
            span->dirty_end = length - 1;
        }
    }
}

void
spans_cut_front(struct span *span, size_t nbytes)
{
    assert(nbytes <= span->dirty_end && nbytes % GROWTH_QUANTUM == 0);
    assert(!span->reserved && !(pages_facts.whole_only && nbytes > 0));
    if (nbytes > 0) {
        assert(nbytes < span->length);
        stop_prefault(span);
        pages_unmap(span->address, nbytes);
        span->address += nbytes;
        span->length -= nbytes;
        span->dirty_end -= nbytes;
    }
}

/* -------------------------------------------------------------- preparing to write */

/* Ask the helper to touch `length` bytes from offset `from` on. */
static void
prefault_from(struct span *span, size_t from, size_t length)
{
    size_t to = round_to_page(from + length);
    from = round_to_page(from);
    to = to < span->length ? to : span->length;
    if (from < to) {
        span->touched = true;
        prefault_ask(span->address + from, to - from);
    }
}

int
spans_prepare(struct span *span, size_t end, const struct spans_use *use)
{
    assert(span->dirty_end < end && end <= use->max_end && use->nbytes <= end);
    assert(use->max_end < span->length);
    size_t ahead =
        use->exact ? round_to_page(end + 1) - 1 : growth_ahead(end, use->nbytes);
    ahead = ahead < use->max_end ? ahead : use->max_end;
    pool_take_tail(span, ahead);
    spans_cap(span, use->max_end); /* taking the tail back adds whole pages */
    if (end <= span->dirty_end) {
        return 0;
    }
    if (moves_open(span, ahead) != 0) {
        ahead = end;
        int error = moves_open(span, ahead);
        if (error) {
            return error;
        }
    }
    if (use->nbytes >= GROWTH_HUGE_MIN) {
        moves_use_huge(span);
    }
    if (use->prefault && !span->reserved && !span->has_tail &&
        pages_facts.populate_error == 0) {
        prefault_from(span, ahead, ahead - end);
    }
    if (!span->huge) {
        size_t from = span->dirty_end & ~(pages_facts.page_nbytes - 1);
        (void)pages_populate(span->address + from, round_to_page(ahead) - from);
    }
    span->dirty_end = ahead;
    assert(spans_check(span) == NULL);
    return 0;
}

int
spans_prepare_zeros(struct span *span, size_t end, const struct spans_use *use)
{
    assert(end <= use->max_end && use->max_end < span->length);
    assert(use->nbytes <= end);
    pool_take_tail(span, end);
    spans_cap(span, use->max_end);
    int error = end > span->dirty_end ? moves_open(span, end) : 0;
    if (error == 0 && end > span->dirty_end && use->nbytes >= GROWTH_HUGE_MIN) {
        moves_use_huge(span);
    }
    return error;
}

void
spans_cap(struct span *span, size_t end)
{
    size_t kept = round_to_page(end + 1);
    if (end >= span->dirty_end) {
        return;
    }
    if (span->touched) {
        spans_discard(span, end); /* the pool keeps no page that the helper may touch */
    }
    else if (kept <= span->dirty_end) {
        pool_keep_tail(span, kept);
    }
    if (end < span->dirty_end) {
        memset(span->address + end, 0, span->dirty_end - end);
        span->dirty_end = end;
    }
    assert(span->dirty_end <= end && spans_check(span) == NULL);
}

void
spans_discard(struct span *span, size_t end)
{
    /* The page of the byte at dirty_end must stay accessible. */
    size_t kept = round_to_page(pages_facts.in_steps ? end + 1 : end);
    bool touched = span->touched;
    assert(end <= span->length);
    pool_take_tail(span, span->length);
    stop_prefault(span);
    /* The helper may have touched any page after dirty_end. If spans are made
     * accessible in steps, any page after dirty_end may be accessible, and counts as
     * used. */
    bool all = touched || pages_facts.in_steps;
    size_t to = all          ? span->length
                : span->huge ? growth_round_up(span->dirty_end + 1, GROWTH_QUANTUM)
                             : round_to_page(span->dirty_end + 1);
    if (kept < to && pages_discard(span->address + kept, to - kept, span->huge) == 0) {
        span->touched = false;
        size_t dirty_end = pages_facts.in_steps ? end : kept;
        if (span->dirty_end > dirty_end) {
            memset(span->address + dirty_end, 0, kept - dirty_end);
            span->dirty_end = dirty_end;
        }
    }
    assert(!span->has_tail && spans_check(span) == NULL);
}

int
spans_discard_front(const struct span *span, size_t from, size_t to)
{
    assert(from < to && to <= span->dirty_end && !span->touched);
    char *address = span->address + from;
    return pages_facts.in_steps ? pages_offer(address, to - from)
                                : pages_discard(address, to - from, span->huge);
}

/* -------------------------------------------------------------------------- moving */

/* Grow by copying the bytes of [from, to) into a dirty span from the pool. This is done
 * for at most 2 MiB: for so few, page faults on new pages would cost more than the
 * copy. Return false if there are more bytes, or the pool has no such span. */
static bool
grow_into_dirty(struct span *span, size_t needed, size_t doubled, size_t from,
                size_t to)
{
    struct span target;
    if (to - from > GROWTH_QUANTUM || !pool_take_dirty(needed, doubled, &target)) {
        return false;
    }
    assert(to < target.dirty_end && target.length >= needed && !span->has_tail);
    memcpy(target.address + from, span->address + from, to - from);
    pool_count_copy(to - from);
    if (span->touched) {
        spans_discard(span, span->dirty_end);
        span->touched = false;
    }
    target.tag = span->tag;
    pool_keep_source(span);
    *span = target;
    return true;
}

int
spans_grow(struct span *span, size_t needed, size_t from, size_t to)
{
    assert(needed > span->length && from <= to && to <= span->length);
    assert(!span->reserved);
    size_t doubled = growth_span(needed, span->length);
    if (doubled == 0) {
        return ENOMEM;
    }
    pool_take_tail(span, span->length);
    if (pool_take_after(span, needed, doubled)) {
        return 0;
    }
    stop_prefault(span);
    if (grow_into_dirty(span, needed, doubled, from, to)) {
        return 0;
    }
    return moves_grow(span, needed, doubled, from, to);
}

/* The range that moves is extended to multiples of 2 MiB, so that the kernel can move
 * whole page tables. So the first bytes of the rest may move too. They are then copied
 * back.
 *
 *   span       |<----->|<from..to>|<---rest--->|end      before
 *   extracted  |<----->|<from..to>|<-->|                 moved
 *   span       |<------ zeros --->|<---rest--->|end      after copying back
 */
int
spans_extract(struct span *span, size_t from, size_t to, size_t end,
              struct span *extracted)
{
    assert(GROWTH_FRONT <= from && from < to && to <= end && end <= span->dirty_end);
    if (!pages_have_dontunmap()) {
        return ENOTSUP;
    }
    pool_take_tail(span, span->length);
    size_t first = from - spans_extracted_at(from);
    size_t length = growth_round_up(to + 1, GROWTH_QUANTUM) - first;
    char *target, *moved;
    int error = moves_find_target(length, &target);
    if (error) {
        return error;
    }
    stop_prefault(span);
    error = pages_move_dontunmap(span->address + first, length, target, &moved);
    if (error) {
        return error;
    }
    size_t rest = (end < first + length ? end : first + length) - to;
    if (rest > 0) {
        memcpy(span->address + to, moved + (to - first), rest);
        pool_count_copy(rest);
    }
    size_t dirty = span->dirty_end - first;
    size_t dirty_end = dirty < length ? dirty : length - 1;
    moved[dirty_end] = '\0';
    *extracted = (struct span){.address = moved,
                               .length = length,
                               .dirty_end = dirty_end,
                               .number = pool_new_mapping(),
                               .huge = span->huge,
                               .touched = span->touched};
    pool_count_move(length);
    pool_count_live(1, 0);
    assert(spans_check(span) == NULL && spans_check(extracted) == NULL);
    return 0;
}

/* --------------------------------------------------------------------------- check */

size_t
spans_nbytes(const struct span *span)
{
    return round_to_page(span->dirty_end + 1);
}

static bool
tail_fits(const struct span *span)
{
    struct span tail = pool_tail(span);
    return tail.length == 0 ||
           (tail.address > span->address + span->dirty_end &&
            tail.address + tail.length <= span->address + span->length);
}

const char *
spans_check(const struct span *span)
{
    return span->address == NULL ? "a span has no address"
           : (uintptr_t)span->address % pages_facts.page_nbytes != 0
               ? "a span does not begin at a page"
           : span->length == 0 || span->length % GROWTH_QUANTUM != 0
               ? "the length of a span is no multiple of 2 MiB"
           : span->dirty_end >= span->length ? "a span has no zero byte at its end"
           : span->has_tail && span->touched ? "the helper may touch a tail"
           : !tail_fits(span)                ? "a tail is not after the dirty bytes"
                                             : NULL;
}
