/* store: one buffer's bytes, in a heap block or in a span, with a gap in front.
 *
 *   address         start           start+length      ready             end
 *   |<---- gap ---->|<--- in use --->|NUL  room      |  zeros, untouched |
 *
 * Bytes in front of `ready` may be written at once; behind it lies capacity that is
 * made ready in steps, so that memory follows use and not address space. A NUL
 * follows the last byte in use. An empty store may own nothing at all.
 *
 * 0 is success, anything else an errno value; then the store is what it was. What makes
 * a store smaller cannot fail. Any call that changes the length or the capacity may
 * move the bytes: pointers into them are invalid afterwards.
 */
#ifndef GROWBUF_STORE_H
#define GROWBUF_STORE_H

#include <stdbool.h>
#include <stddef.h>

#include "spans.h"

/* What the memory is, in `memory.kind`. */
enum store_kind {
    STORE_EMPTY,  /* nothing */
    STORE_HEAP,   /* a block: `memory.length` is what was allocated */
    STORE_SPAN,   /* a span, which may move when the store grows */
    STORE_LIMITED /* reserved address space, which never moves: `memory.length` is the
                  * limit and one more, and twice as much is reserved */
};

struct store {
    char *start;
    size_t length;
    struct span memory; /* `memory.prefault`: a helper thread has pages present ahead of
                         * the writer */
};

/* Whether stores have that from now on, if they do not say. Any thread may set it. */
extern _Atomic bool store_prefault;

/* The start of every empty store: aligned as any memory is, and never written. */
extern char store_nothing[1];

static inline size_t
store_headroom(const struct store *store)
{
    return store->memory.kind == STORE_EMPTY
               ? 0
               : (size_t)(store->start - store->memory.address);
}

/* Bytes that can be appended with no call and no copy. */
static inline size_t
store_tailroom(const struct store *store)
{
    return store->memory.ready - store_headroom(store) - store->length;
}

/* Append `nbytes`, at most store_tailroom, whose values the caller writes. */
static inline void
store_commit(struct store *store, size_t nbytes)
{
    store->length += nbytes;
    store->start[store->length] = '\0';
}

void store_init(struct store *store);

/* Give everything back; the store is empty then. */
void store_free(struct store *store);

/* Append `nbytes` of unspecified value. */
int store_append(struct store *store, size_t nbytes);

/* Replace `removed` bytes at `at` by `inserted` bytes of unspecified value. Moves the
 * shorter side where the gap allows it. */
int store_splice(struct store *store, size_t at, size_t removed, size_t inserted);

/* Have store_tailroom(store) at least `nbytes`. */
int store_make_tailroom(struct store *store, size_t nbytes);

/* Append `nbytes` zero bytes. Costs nothing on fresh pages. */
int store_append_zeros(struct store *store, size_t nbytes);

/* Have capacity for `capacity` bytes in all. Takes address space, no memory. */
int store_reserve(struct store *store, size_t capacity);

/* Have no more memory than the length needs. */
void store_trim(struct store *store);

/* Have an empty store never move as it grows, up to `limit` bytes; past it, EFBIG. Takes
 * address space only. ENOTSUP without pages. */
int store_set_limit(struct store *store, size_t limit);

/* Whether growing at the end leaves every byte where it is. */
static inline bool
store_is_limited(const struct store *store)
{
    return store->memory.kind == STORE_LIMITED;
}

/* Move the first `nbytes` to `taken` with their pages, copying 2 MiB at most; but what
 * is left of a fixed store slides to its front, if it is less than the gap would be.
 * ENOTSUP where that cannot be, or would not pay. */
int store_take(struct store *store, size_t nbytes, struct store *taken);

/* Take over a heap block of `allocated` bytes with `length` in use at `start`, a NUL
 * behind them. The store was empty. */
void store_adopt(struct store *store, char *block, size_t allocated, char *start,
                 size_t length);

/* Bytes the store can hold before it must grow. */
size_t store_capacity(const struct store *store);

/* Bytes of memory the store may occupy. */
size_t store_nbytes(const struct store *store);

/* Fill `nbytes` with copies of the first `unit` of them. */
void store_repeat(char *bytes, size_t unit, size_t nbytes);

/* Return why the store is not as it should be, or NULL; of its layout alone, when the NUL
 * behind the last byte is not there because somebody else writes to the tail. */
const char *store_check(const struct store *store);
const char *store_check_layout(const struct store *store);

#endif
