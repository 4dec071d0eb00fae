/* Test stores while system calls fail. A list of steps is done many times: the n-th
 * time, the n-th call fails, or the n-th call and all later calls of the same step (an
 * outage). After each step the bytes must be right. A step that reported an error must
 * succeed when it is repeated. At the end everything must be given back, except ranges
 * whose unmapping failed. */
#include <errno.h>

#include "model.h"

/* With ONE_CALL_LATE, a failing move has already lost its target (kernel.late). */
enum variant { ONE_CALL, ONE_CALL_LATE, OUTAGE, VARIANTS };

/* Each step does one thing to the model and returns the error of the store. */

static int
append_little(struct model *model)
{
    return model_append(model, 100);
}

static int
append_to_the_heap(struct model *model)
{
    return model_append(model, 20 * KIB);
}

static int
append_into_a_span(struct model *model)
{
    return model_append(model, 400 * KIB);
}

static int
append_one(struct model *model)
{
    return model_append(model, 1);
}

static int
insert_at_the_front(struct model *model)
{
    return model_splice(model, 0, 0, 50 * KIB);
}

static int
insert_in_the_middle(struct model *model)
{
    return model_splice(model, model->length / 2, 10, 30 * KIB);
}

static int
append_past_the_span(struct model *model)
{
    return model_append(model, 2 * MIB - model->length);
}

/* Append more bytes than the length of the span, so that doubling it is not enough. If
 * the pool has the spans that follow it in the same mapping, they are joined to it. */
static int
append_more_than_the_span(struct model *model)
{
    return model_append(model, model->store.memory.length + 300 * KIB);
}

/* Build another store and drop it: the next store gets a piece of its span. */
static int
fill_the_pool(struct model *model)
{
    struct store other;
    store_init(&other);
    int error = store_splice(&other, 0, 0, 5 * MIB);
    for (size_t at = 0; error == 0 && at < 5 * MIB; at += 1000) {
        other.start[at] = 'w';
    }
    store_free(&other);
    model_check(model);
    return error;
}

/* Lower the limit of the pool, so that it gives its memory back, and restore it. */
static int
keep_less(struct model *model)
{
    pool_set_limit(MIB);
    model_check(model);
    pool_set_limit(POOL_NBYTES);
    return 0;
}

/* Let so much time pass that the next use of the pool gives its memory back. */
static int
wait_long(struct model *model)
{
    kernel.now_ms += POOL_IDLE_MS + 1;
    model_check(model);
    return 0;
}

static int
reserve_more(struct model *model)
{
    return model_reserve(model, store_capacity(&model->store) + 1);
}

static int
append_zeros(struct model *model)
{
    return model_append_zeros(model, 300 * KIB);
}

static int
delete_from_the_front(struct model *model)
{
    return model_splice(model, 0, model->length / 3, 0);
}

static int
delete_from_the_middle(struct model *model)
{
    return model_splice(model, model->length / 3, model->length / 3, 7);
}

static int
delete_from_the_back(struct model *model)
{
    size_t kept = model->length / 2;
    return model_splice(model, kept, model->length - kept, 0);
}

/* Delete all bytes except the last 100 KiB. The headroom is then longer than these, so
 * they slide to the start of the memory. */
static int
delete_far(struct model *model)
{
    return model_splice(model, 0, model->length - 100 * KIB, 0);
}

static int
shrink_to_the_heap(struct model *model)
{
    return model_splice(model, 5 * KIB, model->length - 10 * KIB, 0);
}

/* Without pages this is not supported, and the work goes on without a limit. */
static int
set_limit(struct model *model)
{
    int error = model_limit(model, 3 * MIB + 3);
    return error == ENOTSUP ? 0 : error;
}

static int
fill_to_the_limit(struct model *model)
{
    return model->address == NULL ? 0
                                  : model_append(model, model->limit - model->length);
}

static int
grow_past_the_limit(struct model *model)
{
    if (model->address != NULL) {
        size_t most = model->limit - model->length;
        CHECK(model_append(model, most + 1) == EFBIG);
        CHECK(model_append_zeros(model, most + 1) == EFBIG);
        CHECK(model_splice(model, 0, 0, most + 1) == EFBIG);
        CHECK(model_make_tailroom(model, most + 1) == EFBIG);
    }
    return 0;
}

static int
make_room(struct model *model)
{
    return model_make_tailroom(model, store_tailroom(&model->store) + 1);
}

/* Take the first bytes and append to them. If that is not supported, only remove them,
 * as a caller would after copying them. EFAULT means that the bytes are in two
 * mappings, because the advice to include newly opened pages in core files has
 * failed. */
static int
take(struct model *model, size_t nbytes)
{
    struct model taken;
    model_init(&taken, model->most);
    int error = model_take(model, nbytes, &taken);
    if (error == 0) {
        (void)model_append(&taken, 700 * KIB);
    }
    model_free(&taken);
    if (error == EFAULT) {
        CHECK(!kernel_is_dumped(model->store.memory.address, model->opened));
    }
    return error == ENOTSUP || error == EFAULT ? model_splice(model, 0, nbytes, 0)
                                               : error;
}

static int
take_half(struct model *model)
{
    return take(model, model->length / 2);
}

static int
take_most(struct model *model)
{
    return take(model, model->length / 8 * 7);
}

static int
take_all(struct model *model)
{
    return take(model, model->length);
}

typedef int (*step)(struct model *);

static const step steps_of_one_store[] = {
    append_little,
    append_to_the_heap,
    insert_at_the_front,
    append_into_a_span,
    model_scribble,
    append_one,
    insert_in_the_middle,
    reserve_more,
    append_zeros,
    reserve_more,
    append_into_a_span,
    insert_at_the_front,
    delete_from_the_front,
    append_into_a_span,
    delete_from_the_middle,
    model_trim,
    append_past_the_span,
    reserve_more,
    delete_far,
    append_zeros,
    delete_from_the_back,
    shrink_to_the_heap,
    append_one,
    append_into_a_span,
    model_clear,
    append_zeros,
    append_to_the_heap,
    model_trim,
    model_clear,
    append_into_a_span,
    NULL,
};

static const step steps_with_the_pool[] = {
    fill_the_pool,
    append_into_a_span,
    append_past_the_span,
    append_more_than_the_span,
    fill_the_pool,
    append_one,
    delete_far,
    model_trim,
    wait_long,
    fill_the_pool,
    model_clear,
    append_little,
    append_into_a_span,
    append_past_the_span,
    wait_long,
    append_more_than_the_span,
    keep_less,
    model_clear,
    NULL,
};

static const step steps_with_a_limit[] = {
    set_limit,
    append_into_a_span,
    model_scribble,
    insert_at_the_front,
    delete_from_the_front,
    make_room,
    append_past_the_span,
    insert_at_the_front,
    take_most,
    append_zeros,
    fill_to_the_limit,
    grow_past_the_limit,
    delete_far,
    append_zeros,
    model_trim,
    model_clear,
    fill_the_pool,
    set_limit,
    fill_to_the_limit,
    take_all,
    append_little,
    NULL,
};

static const step steps_that_take[] = {
    append_into_a_span,
    append_past_the_span,
    append_into_a_span,
    delete_from_the_front,
    take_most,
    append_into_a_span,
    model_clear,
    fill_the_pool,
    append_into_a_span,
    append_past_the_span,
    append_into_a_span,
    take_half,
    append_zeros,
    model_trim,
    take_all,
    append_little,
    NULL,
};

/* Do a step. If it returns an error, nothing may have changed, and it must succeed when
 * no call fails. */
static void
do_step(struct model *model, step act, bool shrinks)
{
    size_t nfailed = kernel.nfailed, length = model->length;
    int error = act(model);
    if (error) {
        CHECK(!shrinks && kernel.nfailed > nfailed);
        CHECK(error == ENOMEM && model->length == length);
        kernel_heal();
        CHECK(act(model) == 0);
    }
}

static bool
only_shrinks(step act)
{
    return act == delete_from_the_front || act == delete_from_the_middle ||
           act == delete_from_the_back || act == delete_far ||
           act == shrink_to_the_heap || act == model_trim || act == model_clear ||
           act == keep_less || act == wait_long;
}

static void
start_failing(size_t n, enum variant variant)
{
    kernel.late = variant == ONE_CALL_LATE;
    (variant == OUTAGE ? kernel_fail_from : kernel_fail)(n, ENOMEM);
}

/* Do all the work while call `n` fails. Return whether there were that many calls. */
static bool
work(const step *steps, enum kernel_kind kind, enum variant variant, size_t n)
{
    struct model model;
    begin(kind, ANY_RUNG);
    kernel.bottom_up = n % 2;
    model_init(&model, 16 * MIB);
    pages_facts.huge = (int)(n % PAGES_NHUGE);
    start_failing(n, variant);
    for (int i = 0; steps[i] != NULL; i++) {
        CASE("a kernel %s, call %zu fails, variant %d, step %d", kernel_names[kind], n,
             variant, i);
        do_step(&model, steps[i], only_shrinks(steps[i]));
        if (kernel.nfailed > 0) {
            kernel_heal(); /* an outage lasts for one step */
        }
    }
    model_free(&model);
    bool failed = kernel.nfailed > 0;
    finish();
    CHECK(variant == OUTAGE || kernel.nlost <= 1);
    CHECK(kernel.nlost > 0 || kernel.lost_nbytes == 0);
    return failed;
}

static void
work_for_every_n(enum variant variant)
{
    for (int kind = 0; kind < KERNEL_KINDS; kind++) {
        const step *scripts[] = {steps_of_one_store, steps_with_the_pool,
                                 steps_with_a_limit, steps_that_take};
        int nscripts = has_dontunmap(kind) ? 4 : 3;
        for (int i = 0; i < nscripts; i++) {
            size_t n = 1;
            while (work(scripts[i], kind, variant, n)) {
                n++;
            }
            CHECK(n > 9);
        }
    }
}

static void
test_store_work_with_one_call_failing_keeps_bytes(void)
{
    work_for_every_n(ONE_CALL);
}

static void
test_store_work_with_a_failing_move_losing_its_target_keeps_bytes(void)
{
    work_for_every_n(ONE_CALL_LATE);
}

static void
test_store_work_in_an_outage_keeps_bytes(void)
{
    work_for_every_n(OUTAGE);
}

/* Calls that make a store smaller must succeed although every system call fails. */
static void
test_store_shrinking_while_every_call_fails_succeeds(void)
{
    for (int kind = 0; kind < KERNEL_KINDS; kind++) {
        struct model model;
        begin(kind, ANY_RUNG);
        model_init(&model, 8 * MIB);
        CHECK(model_append(&model, 6 * MIB) == 0);
        kernel_fail_from(1, ENOMEM);
        while (model.length > 3) {
            CHECK(model_splice(&model, 0, model.length / 4, 0) == 0);
            CHECK(model_splice(&model, model.length / 2, model.length / 4, 0) == 0);
            CHECK(model_splice(&model, model.length - 1, 1, 0) == 0);
            model_trim(&model);
        }
        CHECK(model_splice(&model, 0, model.length, 0) == 0);
        CHECK(store_kind(&model.store) <= STORE_HEAP);
        CHECK(store_nbytes(&model.store) <= 512);
        model_free(&model);
        finish();
    }
}

/* The same for a store with a limit. */
static void
test_store_limited_shrinking_while_every_call_fails_succeeds(void)
{
    for (int kind = 0; kind < KERNEL_NO_PAGES; kind++) {
        struct model model;
        begin(kind, ANY_RUNG);
        model_init(&model, 8 * MIB);
        CHECK(model_limit(&model, 6 * MIB) == 0 && model_append(&model, 6 * MIB) == 0);
        kernel_fail_from(1, ENOMEM);
        while (model.length > 3) {
            CHECK(model_splice(&model, 0, model.length / 4, 0) == 0);
            CHECK(model_splice(&model, model.length / 2, model.length / 4, 0) == 0);
            CHECK(model_splice(&model, model.length - 1, 1, 0) == 0);
            model_trim(&model);
        }
        CHECK(model_splice(&model, 0, model.length, 0) == 0);
        CHECK(model_append(&model, 6 * MIB) == 0); /* on pages that are still open */
        model_free(&model);
        finish();
    }
}

/* If growing is refused, a store uses its headroom. */
static void
test_store_append_refused_uses_the_headroom(void)
{
    const size_t lengths[] = {60 * KIB, 2 * MIB - 1};
    for (int i = 0; i < 2 * KERNEL_KINDS; i++) {
        struct model model;
        begin(i / 2, ANY_RUNG);
        model_init(&model, 8 * MIB);
        CHECK(model_append(&model, lengths[i % 2]) == 0);
        CHECK(model_splice(&model, 0, lengths[i % 2] / 3, 0) == 0);
        kernel_fail_from(1, ENOMEM);
        CHECK(model_append(&model, lengths[i % 2] / 3) == 0);
        CHECK(model_append(&model, lengths[i % 2]) == ENOMEM);
        model_free(&model);
        finish();
    }
}

/* Without address space for a span a store stays on the heap. */
static void
test_store_append_without_a_span_uses_the_heap(void)
{
    struct model model;
    begin(KERNEL_MAINLINE, ANY_RUNG);
    model_init(&model, 8 * MIB);
    kernel.most_nbytes = MIB;
    CHECK(model_append(&model, 300 * KIB) == 0);
    CHECK(store_kind(&model.store) == STORE_HEAP);
    CHECK(model_append(&model, 3 * MIB) == 0);
    CHECK(store_kind(&model.store) == STORE_HEAP);
    kernel.most_nbytes = 0;
    CHECK(model_append(&model, 3 * MIB) == 0);
    CHECK(store_kind(&model.store) == STORE_SPAN);
    model_free(&model);
    finish();
}

int
main(void)
{
    RUN(test_store_work_with_one_call_failing_keeps_bytes);
    RUN(test_store_work_with_a_failing_move_losing_its_target_keeps_bytes);
    RUN(test_store_work_in_an_outage_keeps_bytes);
    RUN(test_store_shrinking_while_every_call_fails_succeeds);
    RUN(test_store_limited_shrinking_while_every_call_fails_succeeds);
    RUN(test_store_append_refused_uses_the_headroom);
    RUN(test_store_append_without_a_span_uses_the_heap);
    return check_done();
}
