#include "growth.h"

#include <stdint.h>

#define LARGEST (SIZE_MAX / 2)
#define HEAP_SMALL ((size_t)16 << 10)
#define HEAP_LARGE ((size_t)256 << 10)
#define AHEAD_MIN ((size_t)64 << 10)
#define AHEAD_MAX ((size_t)32 << 20)

size_t
growth_round_up(size_t nbytes, size_t unit)
{
    if (nbytes > LARGEST - unit) {
        return 0;
    }
    return (nbytes + unit - 1) & ~(unit - 1);
}

size_t
growth_heap(size_t needed, size_t allocated)
{
    if (needed > LARGEST) {
        return 0;
    }
    if (needed > allocated + allocated / 4) {
        return needed;
    }
    size_t ahead = needed < HEAP_SMALL   ? needed / 4 + 6
                   : needed < HEAP_LARGE ? needed / 2
                                         : needed / 8;
    return ahead > LARGEST - needed ? needed : needed + ahead;
}

size_t
growth_span(size_t needed, size_t length)
{
    size_t exact = growth_round_up(needed, GROWTH_QUANTUM);
    if (exact == 0 || length > LARGEST / 2) {
        return exact;
    }
    return exact > 2 * length ? exact : 2 * length;
}

size_t
growth_span_modest(size_t needed)
{
    size_t ahead = needed > LARGEST - needed / 8 ? needed : needed + needed / 8;
    return growth_round_up(ahead, GROWTH_QUANTUM);
}

size_t
growth_ahead(size_t end, size_t length)
{
    size_t step = length / 8;
    step = step < AHEAD_MIN ? AHEAD_MIN : step > AHEAD_MAX ? AHEAD_MAX : step;
    return end > LARGEST - step ? end : end + step;
}
