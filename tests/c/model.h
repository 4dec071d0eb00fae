/* model: a store beside the bytes it should hold, in memory that no fake kernel moves.
 * Each action is done to both, and then both are compared.
 */
#ifndef GROWBUF_TESTS_MODEL_H
#define GROWBUF_TESTS_MODEL_H

#include "fixture.h"
#include "store.h"

struct model {
    struct store store;
    char *bytes;
    size_t length;
    size_t most;   /* bytes there is room for */
    uint64_t seed; /* of the next bytes written */
};

static inline void
model_init(struct model *model, size_t most)
{
    *model = (struct model){.bytes = malloc(most), .most = most, .seed = 1};
    CHECK(model->bytes != NULL);
    store_init(&model->store);
}

/* What is not ready is zero. Of a large span it is enough to look at its edges. */
static inline bool
model_is_zero_behind(const struct store *store)
{
    const struct span *span = &store->memory;
    size_t some = 16 * KIB, rest = span->length - span->ready;
    size_t edge = rest < some ? rest : some;
    return store->memory.kind != STORE_SPAN ||
           (is_zero(span->address + span->ready, edge) &&
            is_zero(span->address + span->length - edge, edge));
}

static inline void
model_check(const struct model *model)
{
    const struct store *store = &model->store;
    CHECK_SOUND(store_check(store));
    check_state();
    CHECK(store->length == model->length);
    CHECK(model->length == 0 || memcmp(store->start, model->bytes, model->length) == 0);
    CHECK(model_is_zero_behind(store));
    CHECK(store->memory.kind == STORE_EMPTY || store->length <= store_capacity(store));
}

static inline int
model_splice(struct model *model, size_t at, size_t removed, size_t inserted)
{
    CHECK(model->length - removed + inserted <= model->most);
    int error = store_splice(&model->store, at, removed, inserted);
    if (error == 0) {
        char *hole = model->bytes + at;
        size_t tail = model->length - at - removed;
        memmove(hole + inserted, hole + removed, tail);
        fill(hole, inserted, ++model->seed);
        model->length += inserted - removed;
        CHECK(model->store.length == model->length);
        memcpy(model->store.start + at, hole, inserted);
    }
    model_check(model);
    return error;
}

static inline int
model_append(struct model *model, size_t nbytes)
{
    return model_splice(model, model->length, 0, nbytes);
}

/* Append what needs no call. */
static inline int
model_append_ready(struct model *model, size_t nbytes)
{
    size_t room = store_room(&model->store);
    nbytes = nbytes < room ? nbytes : room;
    if (nbytes > 0 && model->length + nbytes <= model->most) {
        fill(model->bytes + model->length, nbytes, ++model->seed);
        memcpy(model->store.start + model->length, model->bytes + model->length,
               nbytes);
        store_append_ready(&model->store, nbytes);
        model->length += nbytes;
    }
    model_check(model);
    return 0;
}

static inline int
model_append_zeros(struct model *model, size_t nbytes)
{
    CHECK(model->length + nbytes <= model->most);
    int error = store_append_zeros(&model->store, nbytes);
    if (error == 0) {
        memset(model->bytes + model->length, 0, nbytes);
        model->length += nbytes;
    }
    model_check(model);
    return error;
}

/* Write into the room behind the NUL, as may whoever has written there and then not
 * said that it is in use. */
static inline int
model_scribble(struct model *model)
{
    size_t room = store_room(&model->store);
    if (room > 1) {
        memset(model->store.start + model->length + 1, 0x77, room - 1);
    }
    model_check(model);
    return 0;
}

static inline int
model_reserve(struct model *model, size_t capacity)
{
    int error = store_reserve(&model->store, capacity);
    CHECK(error || store_capacity(&model->store) >= capacity);
    model_check(model);
    return error;
}

static inline int
model_trim(struct model *model)
{
    store_trim(&model->store);
    model_check(model);
    return 0;
}

/* Empty the store; it can be used again. */
static inline int
model_clear(struct model *model)
{
    store_free(&model->store);
    model->length = 0;
    model_check(model);
    CHECK(model->store.memory.kind == STORE_EMPTY);
    return 0;
}

static inline void
model_free(struct model *model)
{
    model_clear(model);
    free(model->bytes);
}

#endif
