/* growth: how much memory to ask for, as pure functions of sizes. */
#include "growth.h"

#include <assert.h>

/* Thresholds of growth_heap(). The first is one of growth_file(), too. */
#define HEAP_SMALL ((size_t)16 << 10)
#define HEAP_LARGE ((size_t)256 << 10)

/* Bounds of the number of bytes that growth_ahead() adds. */
#define AHEAD_TINY ((size_t)4 << 10)
#define AHEAD_MIN ((size_t)64 << 10)
#define AHEAD_MAX ((size_t)32 << 20)

size_t
growth_round_up(size_t nbytes, size_t unit)
{
    assert(unit > 0 && (unit & (unit - 1)) == 0);
    if (nbytes > GROWTH_MAX - unit) {
        return 0;
    }
    return (nbytes + unit - 1) & ~(unit - 1);
}

size_t
growth_heap(size_t needed, size_t allocated, bool has_grown)
{
    if (needed > GROWTH_MAX) {
        return 0;
    }
    if (needed > allocated + allocated / 4) {
        return needed;
    }
    size_t more = !has_grown            ? needed / 8 + 6
                  : needed < HEAP_SMALL ? needed / 4 + 6
                  : needed < HEAP_LARGE ? needed / 2
                                        : needed / 8;
    return more > GROWTH_MAX - needed ? needed : needed + more;
}

size_t
growth_span(size_t needed, size_t length)
{
    assert(length % GROWTH_QUANTUM == 0);
    size_t exact = growth_round_up(needed, GROWTH_QUANTUM);
    if (exact == 0 || length > GROWTH_MAX / 2) {
        return exact;
    }
    return exact > 2 * length ? exact : 2 * length;
}

size_t
growth_span_modest(size_t needed)
{
    size_t more = needed > GROWTH_MAX - needed / 8 ? needed : needed + needed / 8;
    size_t length = growth_round_up(more, GROWTH_QUANTUM);
    return length > 0 ? length : growth_round_up(needed, GROWTH_QUANTUM);
}

/* Return `value`, limited to the range from `min` to `max`. */
static size_t
between(size_t min, size_t value, size_t max)
{
    assert(min <= max);
    return value < min ? min : value > max ? max : value;
}

size_t
growth_ahead(size_t end, size_t length)
{
    assert(length <= end);
    size_t min = between(AHEAD_TINY, length, AHEAD_MIN);
    size_t step = between(min, length / 8, AHEAD_MAX);
    assert(step <= AHEAD_MAX && step >= AHEAD_TINY);
    return end > GROWTH_MAX - step ? end : end + step;
}

size_t
growth_file(size_t length, size_t size)
{
    assert(length < GROWTH_BUFFER_MIN);
    if (length > size + size / 8) {
        return length;
    }
    size_t wanted = length + (length < HEAP_SMALL ? length / 8 + 6 : length / 2);
    return wanted < GROWTH_BUFFER_MIN ? wanted : GROWTH_BUFFER_MIN;
}
