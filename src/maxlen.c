/* maxlen: appending to a buffer that keeps only its last bytes. */
#include "maxlen.h"

int
maxlen_make_tailroom(BufferObject *buffer, size_t max, size_t nbytes)
{
    const struct store *store = &buffer->store;
    /* The headroom, the bytes in use and the new bytes should fit in this many bytes.
     * While there are exports, they may need more. */
    size_t all = max <= SIZE_MAX / 2 ? 2 * max : SIZE_MAX;
    assert(max != MAXLEN_NONE && store->length + nbytes > max);
    if (nbytes <= store_tailroom(store)) {
        return 0;
    }
    size_t used = store_free_headroom(store) + store->length;
    if (!buffer_is_exported(buffer) && (used > all || nbytes > all - used)) {
        buffer_slide(buffer);
        used = store->length;
    }
    /* A store without a limit may move when it grows: let it grow only once. If there
     * is no memory for that, add only `nbytes`. */
    if (!store_is_limited(store) && used < all && nbytes < all - used) {
        if (buffer_make_tailroom(buffer, all - used) == 0) {
            return 0;
        }
        if (!PyErr_ExceptionMatches(PyExc_MemoryError)) {
            return -1;
        }
        PyErr_Clear();
    }
    return buffer_make_tailroom(buffer, nbytes);
}

int
maxlen_trim(BufferObject *buffer, size_t max)
{
    size_t length = buffer_length(buffer);
    assert(max != MAXLEN_NONE);
    return length <= max ? 0 : buffer_splice(buffer, 0, length - max, 0);
}

int
maxlen_commit(BufferObject *buffer, size_t max, size_t nbytes)
{
    assert(nbytes > 0 && buffer_length(buffer) + nbytes > max);
    buffer_commit(buffer, nbytes);
    if (maxlen_trim(buffer, max) < 0) {
        buffer_uncommit(buffer, nbytes);
        return -1;
    }
    return 0;
}
