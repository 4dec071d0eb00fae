/* store: the bytes of one buffer, in a heap block or in a span.
 *
 *   address           start           start+length      dirty_end         end
 *   |<-- headroom -->|<--- in use --->|NUL  tailroom   |  zero, untouched |
 *
 * The bytes before `dirty_end` may be written at once. The capacity after it is made
 * dirty in steps, so that memory follows use and not address space. A NUL follows the
 * last byte in use. An empty store may own nothing at all.
 *
 * A function that returns int returns 0, or an errno value; then the store is unchanged.
 * Functions that make a store smaller cannot fail. A function that changes the length or
 * the capacity may move the bytes: pointers into them are invalid afterwards.
 */
#ifndef GROWBUF_STORE_H
#define GROWBUF_STORE_H

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

/* A store is small, because there may be many: its kind, and whether a helper thread
 * makes pages present ahead of the writer, are bits in the tag of its memory. */
struct store {
    char *start;
    size_t length;
    struct span memory;
};

enum { STORE_TAG_KIND = 3, STORE_TAG_PREFAULT = 4 };

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

/* Whether new stores prefault. Any thread may set it. */
extern _Atomic bool store_prefault;

/* Where heap blocks come from. `reallocate(NULL, n)` allocates. Set it before first use. */
struct store_heap {
    void *(*reallocate)(void *block, size_t nbytes);
    void (*release)(void *block);
};

extern struct store_heap store_heap;

/* Bytes that always fit into a heap block of their own. */
#define STORE_SMALL (GROWTH_SPAN_MIN - 1)

/* The start of every empty store: aligned as any memory is, and never written. */
extern char store_nothing[1];

static inline size_t
store_headroom(const struct store *store)
{
    return store_kind(store) == STORE_EMPTY
               ? 0
               : (size_t)(store->start - store->memory.address);
}

/* Bytes that can be appended without a call or a copy. */
static inline size_t
store_tailroom(const struct store *store)
{
    return store->memory.dirty_end - store_headroom(store) - store->length;
}

/* Append `nbytes` that the caller has written, or writes next, after the last byte.
 * pre: nbytes <= store_tailroom, and the store is not empty unless nbytes is 0. */
static inline void
store_commit(struct store *store, size_t nbytes)
{
    assert(nbytes <= store_tailroom(store) && store_kind(store) != STORE_EMPTY);
    store->length += nbytes;
    store->start[store->length] = '\0';
}

void store_init(struct store *store);

/* Say whether a helper thread makes pages present ahead of the writer. */
void store_set_prefault(struct store *store, bool prefault);

/* Give everything back; the store is empty afterwards. */
void store_free(struct store *store);

/* The same for a store that is not used again. */
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

/* Append `nbytes` of unspecified value. */
int store_append(struct store *store, size_t nbytes);

/* Bytes of a heap block that is used again for `nbytes`: none goes to waste by more than
 * half and a little. */
static inline size_t
store_max_reused(size_t nbytes)
{
    return 2 * nbytes + 64;
}

/* Make `nbytes`, of unspecified value, all that a store has. It is empty, or has a heap
 * block, which is used again if its size is about right. `nbytes` is less than
 * STORE_SMALL. */
static inline int
store_begin(struct store *store, size_t nbytes)
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
    /* One by one: a struct put together elsewhere would be loaded before it is stored. */
    store->start = store->memory.address = block;
    store->length = nbytes;
    store->memory.length = allocated;
    store->memory.dirty_end = allocated - 1;
    store->memory.tag = STORE_HEAP | (store_prefault ? STORE_TAG_PREFAULT : 0);
    return 0;
}

/* Replace `removed` bytes at `at` by `inserted` bytes of unspecified value. Moves the
 * shorter side where the headroom allows it. */
int store_splice(struct store *store, size_t at, size_t removed, size_t inserted);

/* Make store_tailroom(store) at least `nbytes`. */
int store_make_tailroom(struct store *store, size_t nbytes);

/* Append `nbytes` zero bytes. On fresh pages that costs nothing. */
int store_append_zeros(struct store *store, size_t nbytes);

/* Make the capacity at least `capacity` bytes in all. Takes address space, no memory. */
int store_reserve(struct store *store, size_t capacity);

/* Keep no more memory than the length needs. */
void store_trim(struct store *store);

/* Make an empty store never move as it grows, up to `limit` bytes; past it, EFBIG. Takes
 * address space only. ENOTSUP without pages. */
int store_set_limit(struct store *store, size_t limit);

/* Whether growing at the end leaves every byte in place. */
static inline bool
store_is_limited(const struct store *store)
{
    return store_kind(store) == STORE_LIMITED;
}

/* Move the first `nbytes` to `taken` with their pages, and copy at most 2 MiB; what is
 * left of a limited store slides to its front if it is less than the headroom would be.
 * ENOTSUP where that is impossible or would cost more than a copy. */
int store_take(struct store *store, size_t nbytes, struct store *taken);

/* Take over a heap block of `allocated` bytes with `length` bytes in use at `start`, and a
 * NUL after them. pre: the store is empty. */
void store_adopt(struct store *store, char *block, size_t allocated, char *start,
                 size_t length);

/* Bytes that the store can hold before it must grow. */
size_t store_capacity(const struct store *store);

/* Bytes of memory that the store may occupy. */
size_t store_nbytes(const struct store *store);

/* Fill `nbytes` with copies of the first `unit` of them. */
void store_repeat(char *bytes, size_t unit, size_t nbytes);

/* Return what is wrong with the store, or NULL. store_check_layout leaves out the NUL
 * after the last byte, which is missing while another writer uses the tailroom. */
const char *store_check(const struct store *store);
const char *store_check_layout(const struct store *store);

#endif
