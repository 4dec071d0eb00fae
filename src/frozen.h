/* frozen: the Python type FrozenBytes, bytes that were taken out of a GrowBuffer.
 *
 * Its instances differ from other bytes objects only in where they are: in the span
 * that has their bytes, or in a heap block. The free bytes at the start of a span
 * (GROWTH_FRONT) hold a description of the memory and the header of the object:
 *
 *   memory      |<------- headroom ------->| start                  dirty_end
 *   of a span   |      |struct span|header |<----- bytes ----->|NUL    |   zeros   |
 *   of a block         |struct span|header |<----- bytes ----->|NUL|
 *
 * So an object takes over the memory of a store, and gives it back, without a copy.
 *
 * On a free-threaded build other threads may read the reference count of an object that
 * was deallocated, so its memory must not be unmapped, nor be used for anything but
 * another object of that size. Python's allocator guarantees this, and a span does not.
 * There every FrozenBytes is a block of that allocator, without a struct span.
 */
#ifndef GROWBUF_FROZEN_H
#define GROWBUF_FROZEN_H

#include "buffer.h"

extern PyType_Spec frozen_spec;

/* Whether `op` is a FrozenBytes, of the type of any interpreter. */
bool frozen_is_frozen(const PyObject *op);

/* Return a new FrozenBytes of `nbytes` bytes. The caller writes their values before any
 * other code runs. */
PyObject *frozen_create(PyTypeObject *type, size_t nbytes);

/* Whether frozen_from_store() can take over the memory of this store. */
bool frozen_can_take(const struct store *store);

/* Return a FrozenBytes with the bytes of `store`, which is empty afterwards. This
 * cannot fail. The header must be aligned to 16, and the bytes with it. So if bytes
 * were removed at the front, and their number is not a multiple of 16, then all bytes
 * are moved once, to the start of the memory. pre: frozen_can_take(store). */
PyObject *frozen_from_store(PyTypeObject *type, struct store *store);

/* Undo frozen_from_store(): move the memory of the object to `store`, and deallocate
 * the object. Return false, and do nothing, if it is not in a span. pre: the caller has
 * the only reference, and gives it up. */
bool frozen_into_store(PyObject *op, struct store *store);

/* Return the bytes and the memory of the object as a store, to be read only. */
struct store frozen_store(const PyObject *op);

/* Return what is wrong with a FrozenBytes, or NULL. */
const char *frozen_check(const PyObject *op);

#endif
