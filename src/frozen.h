/* frozen: the Python type FrozenBytes, bytes that were taken out of a GrowBuffer.
 *
 * Its instances differ from other bytes objects only in their memory. An object is in
 * the span that contains its bytes, or in a heap block. The free bytes at the start of
 * a span (GROWTH_FRONT) contain a struct span, which describes the memory, and the
 * header of the object:
 *
 *   memory      |<------- headroom ------->| start                  dirty_end
 *   of a span   |      |struct span|header |<----- bytes ----->|NUL    |   zeros   |
 *   of a block         |struct span|header |<----- bytes ----->|NUL|
 *
 * So an object can take over the memory of a store, and give it back, without a copy.
 *
 * On a free-threaded build other threads may read the reference count of an object
 * after its deallocation. So its memory must stay mapped, and may only be used for
 * another object of that size. Python's allocator guarantees this, and a span does not.
 * On such a build every FrozenBytes is a heap block of Python's allocator, without a
 * struct span.
 */
#ifndef GROWBUF_FROZEN_H
#define GROWBUF_FROZEN_H

#include "buffer.h"

extern PyType_Spec frozen_spec;

/* Whether `op` is a FrozenBytes. Each interpreter has its own such type; all count. */
bool frozen_is_frozen(const PyObject *op);

/* Return a new FrozenBytes of `nbytes` bytes, in a span or in a heap block. The caller
 * writes the bytes before any other code runs. */
PyObject *frozen_create(PyTypeObject *type, size_t nbytes);

/* Whether frozen_from_store() can take over the memory of this store. */
bool frozen_can_take(const struct store *store);

/* Turn a store into a FrozenBytes. The store is empty afterwards. This cannot fail. An
 * object must begin at a multiple of 16, and so do its bytes. If the bytes of the store
 * do not, because bytes were removed from the front, they are first moved to the start
 * of the memory. pre: frozen_can_take(store). */
PyObject *frozen_from_store(PyTypeObject *type, struct store *store);

/* Undo frozen_from_store(): move the memory of the object to `store`, deallocate the
 * object and return true. Return false, and do nothing, if the object is in a heap
 * block, or in a span with a limit. pre: the caller has the only reference; it is
 * consumed if true is returned. */
bool frozen_into_store(PyObject *op, struct store *store);

/* Describe the bytes and the memory of the object as a store. The object still owns
 * them, so the caller must not change the store. */
struct store frozen_store(const PyObject *op);

/* Return what is wrong with a FrozenBytes, or NULL. */
const char *frozen_check(const PyObject *op);

#endif
