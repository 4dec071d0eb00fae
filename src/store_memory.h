/* store_memory: the memory of a store, which is a heap block or a span: taken,
 * enlarged, made smaller and given back. The bytes in it are store.h's.
 *
 *   address           start           start+length      dirty_end         end
 *   |<-- headroom -->|<--- in use --->|NUL  tailroom   |  zero, untouched |
 *
 * In a span the headroom is GROWTH_FRONT bytes or more. They stay free, so that another
 * object can take the span over (frozen.c).
 *
 * The bytes before `dirty_end` may be written at once. The capacity after it is made
 * dirty in steps, so that memory follows use and not address space. A NUL follows the
 * last byte in use. An empty store may own nothing at all.
 *
 * A function that returns int returns 0, or an errno value; then the store is
 * unchanged. Functions that make a store smaller cannot fail. A function that changes
 * the length or the capacity may move the bytes: pointers into them are invalid
 * afterwards.
 */
#ifndef GROWBUF_STORE_MEMORY_H
#define GROWBUF_STORE_MEMORY_H

#include <assert.h>
#include <errno.h>
#include <stdbool.h>
#include <stddef.h>

#include "growth.h"
#include "spans.h"

/* What the memory of a store is. */
enum store_kind {
    STORE_EMPTY,  /* nothing */
    STORE_HEAP,   /* a block of memory.length bytes */
    STORE_SPAN,   /* a span, which may move when the store grows */
    STORE_LIMITED /* a reserved span: it never moves, and has a limit */
};

/* There may be many stores, so the struct is kept small. The tag of its memory has bits
 * for its kind, for whether a helper thread makes pages present ahead of the writer,
 * and for whether the start of a limited store was advanced under views (views.h): then
 * the headroom may be longer than the bytes in use, and its memory is given back. */
struct store {
    char *start;
    size_t length;
    struct span memory;
};

enum { STORE_TAG_KIND = 3, STORE_TAG_PREFAULT = 4, STORE_TAG_ADVANCED = 8 };

static inline enum store_kind
store_kind(const struct store *store)
{
    return (enum store_kind)(store->memory.tag & STORE_TAG_KIND);
}

static inline bool
store_prefaults(const struct store *store)
{
    return (store->memory.tag & STORE_TAG_PREFAULT) != 0;
}

static inline bool
store_is_advanced(const struct store *store)
{
    return (store->memory.tag & STORE_TAG_ADVANCED) != 0;
}

/* Whether the store has a limit: growing at the end then leaves every byte in place. */
static inline bool
store_is_limited(const struct store *store)
{
    return store_kind(store) == STORE_LIMITED;
}

/* The headroom of an advanced store is given back in multiples of this, or of 2 MiB if
 * it is in huge pages. */
#define STORE_GIVE_BACK_MIN ((size_t)64 << 10)

/* Whether new stores prefault. Any thread may set it. */
extern _Atomic bool store_prefault;

/* The allocator of heap blocks. `reallocate(NULL, n)` allocates. Set it before the
 * first use. */
struct store_heap {
    void *(*reallocate)(void *block, size_t nbytes);
    void (*release)(void *block);
};

extern struct store_heap store_heap;

/* A store of fewer bytes than this can be a heap block (store_begin). */
#define STORE_SMALL (GROWTH_SPAN_MIN - 1)

/* The start of every empty store. It is a NUL that is never written, aligned as
 * malloc() aligns. */
extern char store_nothing[1];

static inline size_t
store_headroom(const struct store *store)
{
    return store_kind(store) == STORE_EMPTY
               ? 0
               : (size_t)(store->start - store->memory.address);
}

/* Return the part of the headroom that bytes may be moved to. */
static inline size_t
store_free_headroom(const struct store *store)
{
    return store_kind(store) < STORE_SPAN ? store_headroom(store)
                                          : store_headroom(store) - GROWTH_FRONT;
}

/* Return how many bytes can be appended with store_commit() alone. */
static inline size_t
store_tailroom(const struct store *store)
{
    return store->memory.dirty_end - store_headroom(store) - store->length;
}

/* Return the largest value that `dirty_end` may have. The byte at it is for the NUL. */
static inline size_t
store_max_dirty_end(const struct store *store)
{
    assert(store_kind(store) != STORE_EMPTY);
    return store_is_limited(store) ? store_headroom(store) + store->memory.number
                                   : store->memory.length - 1;
}

static inline void
store_end_with_nul(struct store *store)
{
    if (store_kind(store) != STORE_EMPTY) {
        assert(store_headroom(store) + store->length <= store->memory.dirty_end);
        store->start[store->length] = '\0';
    }
}

/* A store with fewer bytes in use than this leaves a span in huge pages, of which the
 * first alone takes 2 MiB, for a span in small pages. */
#define STORE_HUGE_LEAVE ((size_t)256 << 10)

/* Whether all memory is kept, and nothing is moved, when bytes are removed so that the
 * store has this headroom and length. */
static inline bool
store_keeps_memory(const struct store *store, size_t headroom, size_t length)
{
    switch (store_kind(store)) {
    case STORE_HEAP:
        return length > 0 && length >= store->memory.length / 3;
    case STORE_SPAN:
        return length >= (store->memory.huge ? STORE_HUGE_LEAVE : GROWTH_HEAP_AGAIN) &&
               headroom <= GROWTH_FRONT + length &&
               store->memory.dirty_end <= 3 * length;
    default:
        return false;
    }
}

/* ------------------------------------------------------- construction, deallocation */

void store_init(struct store *store);

/* Return an empty store with the prefault setting of `store`. */
static inline struct store
store_emptied(const struct store *store)
{
    return (struct store){.start = store_nothing,
                          .memory.tag = store->memory.tag & STORE_TAG_PREFAULT};
}

/* Set whether a helper thread makes pages present ahead of the writer. */
void store_set_prefault(struct store *store, bool prefault);

/* Give everything back; the store is empty afterwards. */
void store_free(struct store *store);

/* As store_free(), for a store that is not used again: its fields may keep their
 * values. */
static inline void
store_drop(struct store *store)
{
    if (store_kind(store) == STORE_HEAP) {
        store_heap.release(store->memory.address);
    }
    else if (store_kind(store) != STORE_EMPTY) {
        store_free(store);
    }
}

/* Return the size of the largest heap block that is used again for `nbytes` bytes.
 * Little more than half of it is unused then. */
static inline size_t
store_max_reused(size_t nbytes)
{
    return 2 * nbytes + 64;
}

/* Replace the content of a store by `nbytes` bytes of unspecified value. A heap block
 * is used again if it is large enough and not larger than store_max_reused(). `prefault`
 * becomes the setting of the store. pre: the store is empty or has a heap block, and
 * nbytes < STORE_SMALL. */
static inline int
store_begin(struct store *store, size_t nbytes, bool prefault)
{
    assert(store_kind(store) <= STORE_HEAP && nbytes < STORE_SMALL);
    char *block = store->memory.address;
    size_t allocated = store->memory.length;
    if (nbytes >= allocated || allocated > store_max_reused(nbytes)) {
        if (nbytes == 0 && block == NULL) {
            return 0;
        }
        allocated = nbytes + 1;
        block = store_heap.reallocate(block, allocated);
        if (block == NULL) {
            return ENOMEM;
        }
    }
    block[nbytes] = '\0';
    /* Assign each field: a struct built on the stack would be written and then
     * copied. */
    store->start = store->memory.address = block;
    store->length = nbytes;
    store->memory.length = allocated;
    store->memory.dirty_end = allocated - 1;
    store->memory.tag = STORE_HEAP | (prefault ? STORE_TAG_PREFAULT : 0);
    return 0;
}

/* Take over a heap block of `allocated` bytes, in which `length` bytes at `start` are
 * in use and followed by a NUL. pre: the store is empty. */
void store_adopt(struct store *store, char *block, size_t allocated, char *start,
                 size_t length);

/* Replace the memory and the kind of a store. The prefault setting stays. */
void store_set_memory(struct store *store, const struct span *memory,
                      enum store_kind kind);

/* Give an empty store a limit: it then grows to `limit` bytes without moving, and
 * growing past that fails with EFBIG. This takes address space and no memory. ENOTSUP
 * if the system has no pages (the rung `heap`). */
int store_set_limit(struct store *store, size_t limit);

/* Return why store_set_limit() failed with ENOMEM. */
static inline enum pages_shortage
store_shortage(size_t limit)
{
    return spans_shortage(limit);
}

/* As store_set_limit(), but only if the pool has kept memory for it: then the first
 * bytes can be appended at once. Return false, and do nothing, if it has none. */
bool store_reuse_limited(struct store *store, size_t limit);

/* Make `store` the owner of a reservation of which no byte is in use. The store is only
 * good for store_free(). pre: the span is reserved. */
void store_own_reservation(struct store *store, const struct span *reservation);

/* ------------------------------------------------------------------------- capacity */

/* Return how many bytes the store can hold before it must grow. */
size_t store_capacity(const struct store *store);

/* Return how many bytes of memory the store may occupy. */
size_t store_nbytes(const struct store *store);

/* Make the capacity at least `needed` bytes, the NUL included. The added bytes are not
 * touched; if `zeroed` is true they are zero in a span that is taken for this. */
int store_grow_capacity(struct store *store, size_t needed, bool zeroed);

/* Make the capacity at least `capacity` bytes in all. In a span this takes address
 * space and no memory. */
int store_reserve(struct store *store, size_t capacity);

/* Move the bytes in use to the start of the memory, so that the headroom becomes
 * tailroom. */
void store_slide(struct store *store);

/* Make the address of the first byte a multiple of this. If it is none, the bytes in
 * use move to the start of the memory. */
#define STORE_ALIGNMENT ((size_t)16)
void store_align(struct store *store);

/* Give memory back after bytes were removed, as far as the store has much more than it
 * needs. */
void store_shrink_to_fit(struct store *store);

/* Give back all memory that the length does not need. */
void store_trim(struct store *store);

/* Return what is wrong with the store, or NULL. store_check_layout leaves out the NUL
 * after the last byte, which is missing while another writer uses the tailroom. */
const char *store_check(const struct store *store);
const char *store_check_layout(const struct store *store);

#endif
