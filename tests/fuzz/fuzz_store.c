/* A fuzz target for libFuzzer: two stores, each with its model (model.h), on a fake
 * kernel. An input is a program:
 *
 *     byte 0    the kernel and the highest rung
 *     byte 1    how the kernel behaves, and its setting of huge pages
 *     then      actions of four bytes: what, where, and how much (two bytes)
 *
 * `make fuzz` runs it. tests/c/test_corpus.c runs it on the inputs in corpus/.
 */
#include "model.h"

enum { NSTORES = 2, MOST_ACTIONS = 64, HEADER_NBYTES = 2, ACTION_NBYTES = 4 };

#define MOST (20 * MIB)

int LLVMFuzzerTestOneInput(const uint8_t *program, size_t nbytes);

/* Return a length that is near a power of two, or that is a multiple of a sixteenth of
 * a power of two. The thresholds of the stores are such lengths. */
static size_t
decode_length(uint8_t exponent, uint8_t mantissa)
{
    size_t power = (size_t)1 << exponent % 25;
    return exponent < 128 ? power + mantissa - 128 % power : power / 16 * mantissa;
}

static size_t
at_most(size_t nbytes, size_t most)
{
    return nbytes < most ? nbytes : most;
}

/* Return an offset from 0 to `length`, both included. */
static size_t
decode_place(uint8_t where, size_t length)
{
    return where == 255 ? length : length / 254 * where;
}

static int
splice(struct model *model, uint8_t where, size_t removed, size_t inserted)
{
    size_t at = at_most(decode_place(where, model->length), model->length);
    removed = at_most(removed, model->length - at);
    inserted = at_most(inserted, MOST - model->length);
    int error = model_splice(model, at, removed, inserted);
    CHECK(error == 0 || inserted > 0); /* shrinking cannot fail */
    return error;
}

/* Take the first bytes of a store. model_take() has checked that an ENOTSUP is right.
 * After a call has failed, the pages may be in two mappings, which cannot be moved:
 * EFAULT is then right, too. */
static int
take(struct model *model, uint8_t where, struct model *taken)
{
    size_t nbytes = at_most(decode_place(where, model->length), model->length);
    model_clear(taken);
    int error = model_take(model, nbytes, taken);
    return error == ENOTSUP || (error == EFAULT && kernel.nfailed > 0) ? 0 : error;
}

static int
begin_limited(struct model *model, size_t limit)
{
    model_clear(model);
    int error = model_limit(model, at_most(limit, MOST));
    return error == ENOTSUP && pages_facts.rung == PAGES_HEAP ? 0 : error;
}

static void
start_failing(uint8_t where)
{
    (where & 128 ? kernel_fail_from : kernel_fail)(1 + where % 16, ENOMEM);
}

/* Let time pass, set whether memory is short and whether it is locked, and perhaps
 * change the limit of the pool. */
static void
change_conditions(uint8_t where, size_t nbytes)
{
    kernel.pressed = where & 1;
    kernel.locked = where & 8;
    kernel.now_ms += where & 2 ? 1 + POOL_IDLE_MS : 1;
    if (where & 4) {
        pool_set_limit(nbytes);
    }
}

static int
act(struct model models[NSTORES], const uint8_t *action)
{
    struct model *model = &models[action[0] % NSTORES];
    struct model *other = &models[1 - action[0] % NSTORES];
    uint8_t where = action[1];
    size_t nbytes = decode_length(action[2], action[3]);
    size_t most = MOST - model->length;
    switch (action[0] / NSTORES % 12) {
    case 0:
        return model_append(model, at_most(nbytes, most));
    case 1:
        return model_commit(model, nbytes);
    case 2:
        return model_append_zeros(model, at_most(nbytes, most));
    case 3:
        return splice(model, where, 0, nbytes);
    case 4:
        return splice(model, where, nbytes, 0);
    case 5:
        return splice(model, where, action[3], nbytes);
    case 6:
        return where < 128 ? model_trim(model) : model_clear(model);
    case 7:
        return where < 128 ? model_reserve(model, at_most(nbytes, MOST))
                           : model_make_tailroom(model, at_most(nbytes, most));
    case 8:
        return take(model, where, other);
    case 9:
        return begin_limited(model, nbytes);
    case 10:
        start_failing(where);
        return model_scribble(model);
    default:
        change_conditions(where, nbytes);
        return 0;
    }
}

/* Do an action. It may report an error only if a call has failed during it, or if the
 * store would grow past its limit. */
static void
act_and_check(struct model models[NSTORES], const uint8_t *action)
{
    size_t nfailed = kernel.nfailed;
    int error = act(models, action);
    bool failed = kernel.nfailed > nfailed;
    CHECK(error == 0 || error == EFBIG || (error == ENOMEM && failed));
    for (int i = 0; i < NSTORES; i++) {
        model_check(&models[i]);
    }
    if (failed) {
        kernel_heal();
    }
}

/* The bytes of the models are static: mapping them for each run would take longer than
 * the run. */
static void
begin_models(struct model models[NSTORES])
{
    static char bytes[NSTORES][MOST];
    for (int i = 0; i < NSTORES; i++) {
        models[i] = (struct model){.bytes = bytes[i], .most = MOST, .seed = 1};
        store_init(&models[i].store);
    }
}

int
LLVMFuzzerTestOneInput(const uint8_t *program, size_t nbytes)
{
    if (nbytes < HEADER_NBYTES) {
        return 0;
    }
    struct model models[NSTORES];
    begin(program[0] % KERNEL_KINDS, program[0] / KERNEL_KINDS % PAGES_NRUNGS);
    kernel.bottom_up = program[1] & 1;
    kernel.late = program[1] & 2;
    kernel.unaligned = program[1] & 4 ? SIZE_MAX : 0;
    pages_facts.huge = program[1] / 8 % PAGES_NHUGE;
    begin_models(models);
    size_t nactions = (nbytes - HEADER_NBYTES) / ACTION_NBYTES;
    for (size_t i = 0; i < nactions && i < MOST_ACTIONS; i++) {
        CASE("action %zu of %zu", i, nactions);
        act_and_check(models, program + HEADER_NBYTES + i * ACTION_NBYTES);
    }
    for (int i = 0; i < NSTORES; i++) {
        model_clear(&models[i]);
    }
    finish();
    return 0;
}
