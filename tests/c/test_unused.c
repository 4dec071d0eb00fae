/* Test unused.c. The random test compares it with a model, which has the order and the
 * times of the chunks. */
#include <stdint.h>
#include <string.h>

#include "check.h"
#include "unused.c"

enum { OBJECT_NBYTES = 112, BLOCK_NBYTES = 16, MAX = 6, STEPS = 20000 };
#define CHUNK_NBYTES                                                                   \
    (sizeof(struct chunk) + UNUSED_CHUNK * (OBJECT_NBYTES + BLOCK_NBYTES))

static char places[UNUSED_CHUNK + MAX];
static struct {
    size_t count;
    size_t ids[MAX];        /* the first object of chunk i is places[ids[i]] */
    uint64_t since_ms[MAX]; /* when chunk i was added */
} model;

static size_t max_nbytes; /* how many bytes all chunks may have */

/* Add a chunk whose objects are places[id], places[id + 1] and so on. The ends wrap
 * around at UINT32_MAX. */
static bool
add(size_t id)
{
    void *objects[UNUSED_CHUNK];
    uint32_t ends[UNUSED_CHUNK + 1];
    for (size_t i = 0; i <= UNUSED_CHUNK; i++) {
        ends[i] = UINT32_MAX - 100 + (uint32_t)(id + i * BLOCK_NBYTES);
        if (i < UNUSED_CHUNK) {
            objects[i] = &places[id + i];
        }
    }
    return unused_add(objects, ends, OBJECT_NBYTES, max_nbytes);
}

static void
check_chunk(void *const *objects, const uint32_t *ends, size_t id)
{
    for (size_t i = 0; i < UNUSED_CHUNK; i++) {
        CHECK(objects[i] == &places[id + i]);
        CHECK(ends[i + 1] - ends[i] == BLOCK_NBYTES);
    }
    CHECK(ends[0] == UINT32_MAX - 100 + (uint32_t)id);
}

static void
test_unused_add_keeps_no_more_bytes_than_allowed(void)
{
    void *objects[UNUSED_CHUNK];
    uint32_t ends[UNUSED_CHUNK + 1];
    CHECK(!add(0) && unused_nbytes() == 0);
    max_nbytes = 2 * CHUNK_NBYTES;
    CHECK(add(0) && add(1) && !add(2));
    CHECK(unused_nbytes() == 2 * CHUNK_NBYTES);
    max_nbytes = CHUNK_NBYTES; /* what is there stays */
    CHECK(unused_nbytes() == 2 * CHUNK_NBYTES);
    CHECK(unused_take(objects, ends));
    check_chunk(objects, ends, 1);
    CHECK(!add(2));
    CHECK(unused_take(objects, ends));
    check_chunk(objects, ends, 0);
    CHECK(!unused_take(objects, ends) && unused_nbytes() == 0);
}

static void
test_unused_random_steps_return_the_chunks_of_the_model(void)
{
    void *objects[UNUSED_CHUNK];
    uint32_t ends[UNUSED_CHUNK + 1];
    uint64_t now_ms = 5000, state = 1;
    size_t id = 0, nidle = 0;
    max_nbytes = MAX * CHUNK_NBYTES;
    for (int step = 0; step < STEPS; step++) {
        state = state * 6364136223846793005u + 1442695040888963407u;
        unsigned choice = (unsigned)(state >> 33) % 8;
        now_ms += (state >> 40) % 200;
        CASE("step %d: %u", step, choice);
        if (choice < 3) {
            CHECK(add(id % MAX) == (model.count < MAX));
            if (model.count < MAX) {
                model.since_ms[model.count] = now_ms;
                model.ids[model.count++] = id++ % MAX;
            }
        }
        else if (choice < 5 && state >> 63) {
            CHECK(unused_take(objects, ends) == (model.count > 0));
            if (model.count > 0) {
                check_chunk(objects, ends, model.ids[--model.count]);
            }
        }
        else if (unused_take_idle(objects, ends, now_ms)) {
            CHECK(model.count > 0 && now_ms - model.since_ms[0] > POOL_IDLE_MS);
            check_chunk(objects, ends, model.ids[0]);
            nidle++;
            memmove(model.ids, model.ids + 1, (MAX - 1) * sizeof *model.ids);
            memmove(model.since_ms, model.since_ms + 1,
                    (MAX - 1) * sizeof *model.since_ms);
            model.count--;
        }
        CHECK(unused_nbytes() == model.count * CHUNK_NBYTES);
    }
    CHECK(nidle > 100);
    while (unused_take(objects, ends)) {
        model.count--;
    }
    CHECK(model.count == 0);
}

static void
test_unused_take_idle_after_a_period_returns_all_chunks(void)
{
    void *objects[UNUSED_CHUNK];
    uint32_t ends[UNUSED_CHUNK + 1];
    uint64_t now_ms = (uint64_t)1 << 40;
    for (size_t id = 0; id < MAX; id++) {
        CHECK(add(id));
    }
    CHECK(!unused_take_idle(objects, ends, now_ms));
    CHECK(!unused_take_idle(objects, ends, now_ms + POOL_IDLE_MS));
    now_ms += POOL_IDLE_MS + 1;
    size_t count = 0;
    while (unused_take_idle(objects, ends, now_ms)) {
        count++;
    }
    CHECK(count == MAX && unused_nbytes() == 0);
}

int
main(void)
{
    RUN(test_unused_add_keeps_no_more_bytes_than_allowed);
    RUN(test_unused_random_steps_return_the_chunks_of_the_model);
    RUN(test_unused_take_idle_after_a_period_returns_all_chunks);
    return check_done();
}
