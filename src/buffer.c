/* buffer: the functions that change the length of a GrowBuffer, or move its bytes. */
#include "buffer.h"

#include <errno.h>
#include <string.h>

#include "copy.h"

/* ------------------------------------------------------------- what exports prevent */

/* What a caller is about to do to the length. */
enum change { APPENDING, REMOVING_FIRST, OTHER_CHANGE };

/* Raise BufferError. The message begins as bytearray's does, and then says what the
 * user can do. */
static int
refuse_exported(const BufferObject *self, enum change change)
{
    bool limited = store_is_limited(&self->store);
    assert(buffer_is_exported(self));
    PyErr_Format(
        PyExc_BufferError, "Existing exports of data: object cannot be re-sized%s",
        buffer_nexports(self) > buffer_nviews(self)
            ? " while one of its methods is running"
        : limited && change == APPENDING
            ? ": release the view from spare() that commit() has used, or all other "
              "views"
        : limited
            ? ": release its views (while views exist, bytes can only be appended, "
              "or removed from the front)"
        : change == APPENDING || change == REMOVING_FIRST
            ? ": release its views, or create the buffer with limit=nbytes"
            : ": release its views");
    return -1;
}

/* Whether a spare is outstanding that commit() cannot use any more: it was committed,
 * or readfrom() has ended. */
static bool
is_committed(const BufferObject *self)
{
    return buffer_spare_is_outstanding(self) && self->extra->spare->start == NULL;
}

/* Whether the memoryview of the spare shows memory of the buffer's store. It does not
 * if the store was moved to another reservation after the memoryview was made. */
static bool
spare_shows_store(const BufferObject *self)
{
    const struct extra *extra = self->extra;
    return !views_see_old(&extra->views, extra->spare->position);
}

/* Initialize `copy` with a copy of the buffer's bytes, its limit and its prefault
 * setting. */
static int
copy_store(const BufferObject *self, struct store *copy)
{
    const struct store *store = &self->store;
    store_init(copy);
    store_set_prefault(copy, store_prefaults(store));
    int error = store_is_limited(store) ? store_set_limit(copy, buffer_limit(self)) : 0;
    if (error == 0) {
        error = store_append(copy, store->length);
    }
    if (error) {
        store_free(copy);
        buffer_no_memory(copy, error);
        return -1;
    }
    assert(copy->length == store->length);
    copy_bytes(copy->start, store->start, store->length);
    return 0;
}

/* Make a committed spare the owner of the memory that its memoryview shows. The spare
 * frees that memory when the memoryview is released. If it is the buffer's present
 * memory, the buffer continues with a copy of its bytes in other memory. pre: there is
 * no other export. */
static int
detach_spare(BufferObject *self)
{
    SpareObject *spare = self->extra->spare;
    assert(is_committed(self) && buffer_nexports(self) == 1);
    struct buffer_trace before = buffer_trace_of(&self->store);
    struct store copy;
    bool copies = spare_shows_store(self);
    if (copies && copy_store(self, &copy) < 0) {
        return -1;
    }
    struct span old = {0};
    if (store_is_limited(&self->store)) {
        old = views_forget(&self->extra->views, &self->store);
    }
    assert(copies == (old.address == NULL));
    if (copies) {
        spare->store = self->store;
        self->store = copy;
    }
    else {
        store_own_reservation(&spare->store, &old);
    }
    spare->state = SPARE_DETACHED;
    self->extra->spare = NULL;
    buffer_release_view(self, spare->position);
    assert(!buffer_is_exported(self) && store_check_layout(&spare->store) == NULL);
    return buffer_publish_change(self, before, 0);
}

/* Raise BufferError if exports prevent the change. If the only export is a committed
 * spare that would prevent it, detach that. */
static int
check_change(BufferObject *self, enum change change)
{
    assert(buffer_nexports(self) >= buffer_nviews(self));
    if (!buffer_is_exported(self)) {
        return 0;
    }
    bool limited = store_is_limited(&self->store);
    bool spare = buffer_spare_is_outstanding(self);
    if (spare && !is_committed(self)) {
        PyErr_SetString(PyExc_BufferError,
                        self->extra->spare->owner == SPARE_READER
                            ? BUFFER_IS_READ_INTO
                            : "cannot change the length while a view from spare() "
                              "exists: commit() it or release it first");
        return -1;
    }
    if (limited && change == APPENDING && !(spare && spare_shows_store(self))) {
        return 0;
    }
    if (limited && change == REMOVING_FIRST &&
        buffer_nexports(self) == buffer_nviews(self)) {
        return 0;
    }
    return spare && buffer_nexports(self) == 1 ? detach_spare(self)
                                               : refuse_exported(self, change);
}

int
buffer_check_resizable(BufferObject *self)
{
    return check_change(self, OTHER_CHANGE);
}

int
buffer_check_growable(BufferObject *self)
{
    return check_change(self, APPENDING);
}

int
buffer_check_removable(BufferObject *self)
{
    return check_change(self, REMOVING_FIRST);
}

int
buffer_check_committable(BufferObject *self)
{
    size_t others = buffer_nexports(self) - buffer_spare_is_outstanding(self);
    return others == 0 || store_is_limited(&self->store)
               ? 0
               : refuse_exported(self, APPENDING);
}

/* -------------------------------------------------------------------------- growing */

int
buffer_grow(BufferObject *self, int (*grow)(struct store *, size_t), size_t nbytes)
{
    if (buffer_check_growable(self) < 0) {
        return -1;
    }
    assert(!buffer_is_exported(self) || store_is_limited(&self->store));
    struct buffer_trace before = buffer_trace_of(&self->store);
    return buffer_publish_change(self, before, grow(&self->store, nbytes));
}

/* ----------------------------------------------------------- replacing and removing */

/* Remove the first `nbytes` bytes while there are exports. */
static int
remove_first(BufferObject *self, size_t nbytes)
{
    if (buffer_check_removable(self) < 0) {
        return -1;
    }
    struct buffer_trace before = buffer_trace_of(&self->store);
    if (!buffer_is_exported(self)) { /* the check has detached a committed spare */
        return buffer_publish_change(self, before,
                                     store_splice(&self->store, 0, nbytes, 0));
    }
    if (buffer_ensure_extra(self) < 0) {
        return -1;
    }
    assert(store_is_limited(&self->store) && nbytes <= self->store.length);
    int error = views_advance(&self->extra->views, &self->store, nbytes,
                              buffer_nviews(self), buffer_tail_may_be_written(self));
    return buffer_publish_change(self, before, error);
}

int
buffer_splice_any(BufferObject *self, size_t at, size_t removed, size_t inserted)
{
    assert(at <= self->store.length && removed <= self->store.length - at);
    if (at == self->store.length) {
        return buffer_append(self, inserted);
    }
    if (removed == inserted) {
        return 0;
    }
    if (inserted == 0 && removed == self->store.length && !buffer_is_exported(self) &&
        store_kind(&self->store) == STORE_HEAP) {
        /* All bytes of a heap block are removed. tracemalloc need not be told. */
        self->store.length = 0;
        self->store.start[0] = '\0';
        store_shrink_to_fit(&self->store);
        buffer_forget_spare(self);
        buffer_publish(self);
        assert(buffer_check(self) == NULL);
        return 0;
    }
    if (at == 0 && inserted == 0 && buffer_is_exported(self)) {
        return remove_first(self, removed);
    }
    if (buffer_check_resizable(self) < 0) {
        return -1;
    }
    assert(!buffer_is_exported(self) && removed != inserted);
    struct buffer_trace before = buffer_trace_of(&self->store);
    return buffer_publish_change(self, before,
                                 store_splice(&self->store, at, removed, inserted));
}

void
buffer_slide(BufferObject *self)
{
    assert(!buffer_is_exported(self));
    struct buffer_trace before = buffer_trace_of(&self->store);
    store_slide(&self->store);
    (void)buffer_publish_change(self, before, 0);
}

int
buffer_trim(BufferObject *self)
{
    if (buffer_check_resizable(self) < 0) {
        return -1;
    }
    struct buffer_trace before = buffer_trace_of(&self->store);
    store_trim(&self->store);
    return buffer_publish_change(self, before, 0);
}

int
buffer_clear(BufferObject *self)
{
    size_t length = buffer_length(self);
    return length == 0 && !buffer_is_exported(self)
               ? buffer_trim(self) /* gives the capacity back */
               : buffer_splice(self, 0, length, 0);
}

/* ------------------------------------------------ moving the bytes to another owner */

int
buffer_take(BufferObject *self, size_t nbytes, struct store *taken)
{
    assert(nbytes <= self->store.length);
    store_init(taken);
    if (buffer_check_removable(self) < 0) {
        return -1;
    }
    if (buffer_is_exported(self)) {
        return 1;
    }
    struct buffer_trace before = buffer_trace_of(&self->store);
    if (store_take(&self->store, nbytes, taken) != 0) {
        return 1;
    }
    return buffer_publish_change(self, before, 0);
}

/* Swap the buffer's store and `store`, without a check of the exports. */
static int
swap_stores(BufferObject *self, struct store *store)
{
    struct store before = self->store;
    assert(store_check(store) == NULL);
    self->store = *store;
    *store = before;
    return buffer_publish_change(self, buffer_trace_of(&before), 0);
}

int
buffer_exchange(BufferObject *self, struct store *store)
{
    bool checks_empty = PY_VERSION_HEX >= 0x030F0000 || store_is_limited(store) ||
                        store_is_limited(&self->store) ||
                        buffer_spare_is_outstanding(self);
    if ((checks_empty || self->store.length + store->length > 0) &&
        buffer_check_resizable(self) < 0) {
        return -1;
    }
    return swap_stores(self, store);
}

int
buffer_swap(BufferObject *self, BufferObject *other)
{
    if (self->store.length > 0 || buffer_spare_is_outstanding(self) ||
        buffer_is_exported(other) ||
        (store_is_limited(&self->store) && buffer_is_exported(self))) {
        return -1;
    }
    struct store store;
    store_init(&store);
    (void)swap_stores(other, &store);
    (void)swap_stores(self, &store);
    return swap_stores(other, &store);
}

int
buffer_hand_over(BufferObject *self, struct store *taken)
{
    assert(store_is_limited(&self->store));
    store_init(taken);
    store_set_prefault(taken, store_prefaults(&self->store));
    if (store_set_limit(taken, buffer_limit(self)) != 0) {
        return 1;
    }
    if (buffer_exchange(self, taken) < 0) {
        store_free(taken);
        return -1;
    }
    return 0;
}
