/* store_memory: taking, growing, shrinking and giving back the memory of a store, which
 * is a heap block or a span. The functions on its bytes are in store.h.
 *
 *   address           start           start+length      dirty_end         end
 *   |<-- headroom -->|<--- in use --->|NUL  tailroom   |  zero, untouched |
 *
 * In a span the first GROWTH_FRONT bytes are always headroom, so that another object
 * can take the span over (frozen.c).
 *
 * The bytes before `dirty_end` may be written without further preparation. `dirty_end`
 * increases in steps, so that the memory of a span depends on the bytes in use and not
 * on the length of the span. A NUL follows the last byte in use. A store without bytes
 * may have no memory (STORE_EMPTY).
 *
 * A function that returns int returns 0, or an errno value; after an error the bytes in
 * use are unchanged. Functions that make a store smaller cannot fail. A function that
 * changes the length or the capacity may move the bytes, even if it fails: pointers
 * into them are invalid afterwards.
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
    STORE_EMPTY,  /* no memory */
    STORE_HEAP,   /* a heap block of memory.length bytes */
    STORE_SPAN,   /* a span, which may move when the store grows */
    STORE_LIMITED /* a reserved span with a limit; appending never moves it (views.h) */
};

/* There may be many stores, so the struct is kept small: memory.tag has several fields.
 *   kind       an enum store_kind;
 *   prefault   a helper thread makes pages present ahead of the writer;
 *   advanced   bytes were removed from the front of a limited store while it had views
 *              (views.h). The headroom may then be longer than the bytes in use, and
 *              parts of its memory may have been given back;
 *   grown      appending has made the heap block longer since it was taken or
 *              shortened;
 *   swings     the store is empty or in a heap block, but had a span with
 *              GROWTH_SPAN_MIN dirty bytes or more. It may need one again soon. */
struct store {
    char *start;
    size_t length;
    struct span memory;
};

enum {
    STORE_TAG_KIND = 3,
    STORE_TAG_PREFAULT = 4,
    STORE_TAG_ADVANCED = 8,
    STORE_TAG_GROWN = 16,
    STORE_TAG_SWINGS = 32
};

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

/* Whether the store tries to take a span again for `needed` bytes. */
static inline bool
store_swings(const struct store *store, size_t needed)
{
    return (store->memory.tag & STORE_TAG_SWINGS) != 0 && needed >= GROWTH_HEAP_AGAIN;
}

/* Return the tag that a store gets when it gives up its memory: STORE_TAG_SWINGS or
 * 0. */
static inline unsigned
store_swings_after(const struct store *store)
{
    bool swings = store_kind(store) == STORE_SPAN
                      ? store->memory.dirty_end >= GROWTH_SPAN_MIN
                      : (store->memory.tag & STORE_TAG_SWINGS) != 0;
    return swings ? STORE_TAG_SWINGS : 0;
}

/* Whether the store has a limit. Such a store does not move when bytes are appended. */
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

/* The allocator of heap blocks, with the interface of realloc() and free(). Set it
 * before its first use. */
struct store_heap {
    void *(*reallocate)(void *block, size_t nbytes);
    void (*release)(void *block);
};

extern struct store_heap store_heap;

/* Fewer bytes than this need no span: with their NUL they are fewer than
 * GROWTH_SPAN_MIN. */
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

/* Return how many bytes of the headroom may be used. In a span these are all except
 * GROWTH_FRONT. */
static inline size_t
store_free_headroom(const struct store *store)
{
    return store_kind(store) < STORE_SPAN ? store_headroom(store)
                                          : store_headroom(store) - GROWTH_FRONT;
}

/* Return how many bytes can be appended by writing them and calling store_commit(). */
static inline size_t
store_tailroom(const struct store *store)
{
    return store->memory.dirty_end - store_headroom(store) - store->length;
}

/* Return the largest value that `dirty_end` may have. The byte at that offset is kept
 * for the NUL. */
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

/* When a store shrinks below this many bytes, it moves from a span in huge pages, which
 * takes at least 2 MiB of memory, to a span in small pages. */
#define STORE_HUGE_LEAVE ((size_t)256 << 10)

/* Whether store_shrink_to_fit() has nothing to do once bytes were removed and the store
 * has this headroom and length. This is false for empty and advanced stores. */
static inline bool
store_keeps_memory(const struct store *store, size_t headroom, size_t length)
{
    switch (store_kind(store)) {
    case STORE_HEAP:
        return length > 0 && store->memory.length <= 3 * length;
    case STORE_SPAN:
        return length >= (store->memory.huge ? STORE_HUGE_LEAVE : GROWTH_HEAP_AGAIN) &&
               headroom <= GROWTH_FRONT + length &&
               store->memory.dirty_end <= 3 * length;
    case STORE_LIMITED: /* it never leaves its span */
        return !store_is_advanced(store) && headroom <= GROWTH_FRONT + length &&
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

/* Give all memory back. The store is empty afterwards. */
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

/* Return the size of the largest heap block that is used again for `nbytes` bytes. At
 * most nbytes + 64 bytes of such a block are unused. */
static inline size_t
store_max_reused(size_t nbytes)
{
    return 2 * nbytes + 64;
}

/* Replace the content of a store by `nbytes` bytes of unspecified value. Its heap block
 * is used again if that is large enough and not larger than store_max_reused().
 * `prefault` becomes the setting of the store.
 * pre: the store is empty or has a heap block, and nbytes < STORE_SMALL. */
static inline int
store_begin(struct store *store, size_t nbytes, bool prefault)
{
    assert(store_kind(store) <= STORE_HEAP && nbytes < STORE_SMALL);
    char *block = store->memory.address;
    size_t allocated = store->memory.length;
    if (nbytes >= allocated || allocated > store_max_reused(nbytes)) {
        if (nbytes == 0 && block == NULL) {
            store->memory.tag = prefault ? STORE_TAG_PREFAULT : 0;
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

/* Make a heap block of `allocated` bytes the memory of a store. `length` bytes from
 * `start` on are in use, and a NUL follows them. pre: the store is empty. */
void store_adopt(struct store *store, char *block, size_t allocated, char *start,
                 size_t length);

/* Replace the memory and the kind of a store. The prefault setting stays. */
void store_set_memory(struct store *store, const struct span *memory,
                      enum store_kind kind);

/* Give an empty store a limit. It then grows to `limit` bytes without moving, and
 * growing past that fails with EFBIG. This takes address space but no memory. ENOTSUP
 * on the rung `heap`. */
int store_set_limit(struct store *store, size_t limit);

/* Return why store_set_limit() failed with ENOMEM. */
static inline enum pages_shortage
store_shortage(size_t limit)
{
    return spans_shortage(limit);
}

/* As store_set_limit(), but only if the pool has a reservation for this limit. Then
 * memory of an earlier store may be used again. Return false, and do nothing, if the
 * pool has none. */
bool store_reuse_limited(struct store *store, size_t limit);

/* Make `store` the owner of a reservation, with no byte in use. The store may then only
 * be passed to store_free(). pre: the span is reserved. */
void store_own_reservation(struct store *store, const struct span *reservation);

/* ------------------------------------------------------------------------- capacity */

/* Return how many bytes the store can have in use before its memory must grow. */
size_t store_capacity(const struct store *store);

/* Return how many bytes of memory the store may occupy. */
size_t store_nbytes(const struct store *store);

/* Ensure that the memory can hold `needed` bytes after the headroom, the NUL included.
 * If that takes a span, `zeroed` is passed to spans_take(). */
int store_grow_capacity(struct store *store, size_t needed, bool zeroed);

/* Ensure that the capacity is at least `capacity` bytes. In a span this takes address
 * space but no memory. Exception: if spans are made accessible in steps, a store that
 * moves to a span has all of the capacity accessible, which counts as used. */
int store_reserve(struct store *store, size_t capacity);

/* Move the bytes in use to the start of the memory, so that the free headroom becomes
 * tailroom. An advanced store also gives back the memory after them, and is no longer
 * advanced. */
void store_slide(struct store *store);

/* If the address of the first byte is not a multiple of STORE_ALIGNMENT, move the bytes
 * in use to the start of the memory, which is aligned. */
#define STORE_ALIGNMENT ((size_t)16)
void store_align(struct store *store);

/* Give memory back after bytes were removed, if the store has much more than it
 * needs. */
void store_shrink_to_fit(struct store *store);

/* Give back all memory that the length does not need. */
void store_trim(struct store *store);

/* Return what is wrong with the store, or NULL. store_check_layout() does not check the
 * NUL after the last byte: while another writer uses the tailroom there may be none. */
const char *store_check(const struct store *store);
const char *store_check_layout(const struct store *store);

#endif
