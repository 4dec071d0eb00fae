/* split: splitting bytes at a separator, at white space, or into lines. */
#include "split.h"

#include <assert.h>
#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

void
split_list_init(struct split_list *pieces)
{
    pieces->items = pieces->first;
    pieces->count = 0;
    pieces->allocated = sizeof pieces->first / sizeof *pieces->first;
}

void
split_list_free(struct split_list *pieces)
{
    if (pieces->items != pieces->first) {
        free(pieces->items);
    }
}

static int
list_grow(struct split_list *pieces)
{
    bool is_first = pieces->items == pieces->first;
    assert(pieces->count > 0 && pieces->count == pieces->allocated);
    if (pieces->allocated > SIZE_MAX / 2 / sizeof *pieces->items) {
        return ENOMEM;
    }
    size_t nbytes = 2 * pieces->allocated * sizeof *pieces->items;
    struct piece *items = realloc(is_first ? NULL : pieces->items, nbytes);
    if (items == NULL) {
        return ENOMEM;
    }
    if (is_first) {
        memcpy(items, pieces->first, sizeof pieces->first);
    }
    pieces->items = items;
    pieces->allocated *= 2;
    return 0;
}

static int
list_add(struct split_list *pieces, const char *start, size_t nbytes)
{
    assert(pieces->count <= pieces->allocated);
    if (pieces->count == pieces->allocated) {
        int error = list_grow(pieces);
        if (error) {
            return error;
        }
    }
    pieces->items[pieces->count++] = (struct piece){start, nbytes};
    return 0;
}

static void
list_reverse(struct split_list *pieces)
{
    for (size_t i = 0, j = pieces->count; i + 1 < j; i++) {
        struct piece item = pieces->items[i];
        pieces->items[i] = pieces->items[--j];
        pieces->items[j] = item;
    }
}

int
split_by(struct split_list *pieces, struct piece bytes, struct piece separator,
         size_t max)
{
    assert(separator.nbytes > 0);
    size_t at;
    while (max-- > 0 && (at = find_first(bytes, separator)) != FIND_NONE) {
        int error = list_add(pieces, bytes.start, at);
        if (error) {
            return error;
        }
        assert(at + separator.nbytes <= bytes.nbytes);
        bytes = piece_after(bytes, at + separator.nbytes);
    }
    return list_add(pieces, bytes.start, bytes.nbytes);
}

int
split_by_last(struct split_list *pieces, struct piece bytes, struct piece separator,
              size_t max)
{
    assert(separator.nbytes > 0);
    size_t at;
    while (max-- > 0 && (at = find_last(bytes, separator)) != FIND_NONE) {
        assert(at + separator.nbytes <= bytes.nbytes);
        struct piece after = piece_after(bytes, at + separator.nbytes);
        int error = list_add(pieces, after.start, after.nbytes);
        if (error) {
            return error;
        }
        bytes.nbytes = at;
    }
    int error = list_add(pieces, bytes.start, bytes.nbytes);
    list_reverse(pieces);
    return error;
}

int
split_space(struct split_list *pieces, struct piece bytes, size_t max)
{
    const char *at = bytes.start, *end = at + bytes.nbytes;
    for (;;) {
        while (at < end && is_white_space(*at)) {
            at++;
        }
        if (at == end) {
            return 0;
        }
        const char *start = at;
        if (max-- == 0) {
            at = end;
        }
        while (at < end && !is_white_space(*at)) {
            at++;
        }
        int error = list_add(pieces, start, (size_t)(at - start));
        if (error) {
            return error;
        }
    }
}

int
split_space_last(struct split_list *pieces, struct piece bytes, size_t max)
{
    const char *start = bytes.start, *at = start + bytes.nbytes;
    int error = 0;
    while (error == 0) {
        while (at > start && is_white_space(at[-1])) {
            at--;
        }
        if (at == start) {
            break;
        }
        const char *end = at;
        if (max-- == 0) {
            at = start;
        }
        while (at > start && !is_white_space(at[-1])) {
            at--;
        }
        error = list_add(pieces, at, (size_t)(end - at));
    }
    list_reverse(pieces);
    return error;
}

/* Return the offset of the first byte that equals `value` at offset `from` or later. If
 * there is none, return the length. */
static size_t
next_byte(struct piece bytes, size_t from, char value)
{
    size_t at = find_byte(piece_after(bytes, from), value);
    assert(at == FIND_NONE || at < bytes.nbytes - from);
    return at == FIND_NONE ? bytes.nbytes : from + at;
}

int
split_lines(struct split_list *pieces, struct piece bytes, bool keep)
{
    if (bytes.nbytes == 0) {
        return 0;
    }
    size_t newline = next_byte(bytes, 0, '\n'), carriage = next_byte(bytes, 0, '\r');
    for (size_t start = 0; start < bytes.nbytes;) {
        size_t stop = newline < carriage ? newline : carriage, next = stop;
        if (stop < bytes.nbytes) {
            bool is_pair = newline == carriage + 1 && newline < bytes.nbytes;
            next = stop + (is_pair ? 2 : 1);
        }
        assert(start <= stop && stop <= next && next <= bytes.nbytes);
        int error = list_add(pieces, bytes.start + start, (keep ? next : stop) - start);
        if (error) {
            return error;
        }
        start = next;
        newline = newline < start ? next_byte(bytes, start, '\n') : newline;
        carriage = carriage < start ? next_byte(bytes, start, '\r') : carriage;
    }
    return 0;
}
