/* find: searching bytes. */
#ifndef GROWBUF_FIND_H
#define GROWBUF_FIND_H

#include <assert.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* A range of bytes. The struct does not own the memory. */
struct piece {
    const char *start;
    size_t nbytes;
};

/* Return a piece without its first `nbytes` bytes. pre: it has that many. */
static inline struct piece
piece_after(struct piece bytes, size_t nbytes)
{
    assert(nbytes <= bytes.nbytes);
    return (struct piece){bytes.start + nbytes, bytes.nbytes - nbytes};
}

/* Whether a byte is white space: blank, tab, newline, vertical tab, form feed, carriage
 * return. */
static inline bool
is_white_space(char value)
{
    return value == ' ' || (unsigned char)(value - '\t') <= '\r' - '\t';
}

/* The functions below return this instead of an offset if they find nothing. */
#define FIND_NONE SIZE_MAX

/* Return the offset of the first or the last byte that equals `value`, or FIND_NONE. */
size_t find_byte(struct piece bytes, char value);
size_t find_byte_last(struct piece bytes, char value);

/* As find_first(), find_last() and find_count(), for one byte or for a part of two
 * bytes or more. */
size_t find_first_part(struct piece bytes, struct piece part);
size_t find_last_part(struct piece bytes, struct piece part);
size_t find_count_byte(struct piece bytes, char value, size_t max);
size_t find_count_part(struct piece bytes, struct piece part, size_t max);

/* Return the offset of the first or the last occurrence of `part`, or FIND_NONE. An
 * empty part occurs before each byte and after the last. The time is linear in the
 * number of bytes for all contents. One byte is searched for by another function:
 * entering the search for a part costs more, because it saves many registers. */
static inline size_t
find_first(struct piece bytes, struct piece part)
{
    return part.nbytes > 1    ? find_first_part(bytes, part)
           : part.nbytes == 1 ? find_byte(bytes, part.start[0])
                              : 0;
}

static inline size_t
find_last(struct piece bytes, struct piece part)
{
    return part.nbytes > 1    ? find_last_part(bytes, part)
           : part.nbytes == 1 ? find_byte_last(bytes, part.start[0])
                              : bytes.nbytes;
}

/* Count the occurrences of `part` that do not overlap. Stop at `max`. pre: `part` is
 * not empty. */
static inline size_t
find_count(struct piece bytes, struct piece part, size_t max)
{
    assert(part.nbytes > 0);
    return part.nbytes == 1 ? find_count_byte(bytes, part.start[0], max)
                            : find_count_part(bytes, part, max);
}

#endif
