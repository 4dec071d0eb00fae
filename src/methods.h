/* methods: the methods of bytearray, as functions on bytes.
 *
 * Letters and digits are those of ASCII, as in bytearray. No function allocates memory.
 * One that writes a result to `to` needs space for all of it there, and `to` must not
 * overlap the source. The result is as long as the source, unless its comment says
 * otherwise.
 * methods_replaced_nbytes() and methods_expanded_nbytes() return the length of the
 * result of the function that follows them.
 */
#ifndef GROWBUF_METHODS_H
#define GROWBUF_METHODS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "find.h"

/* A function that returns a length returns this if the length would be too large, or if
 * there is no result. */
#define METHODS_NONE SIZE_MAX

/* A set of byte values. */
struct methods_set {
    bool has[256];
};

/* Make `set` the set of the values that occur in `values`. */
void methods_set_values(struct methods_set *set, struct piece values);

enum methods_sides { METHODS_LEFT = 1, METHODS_RIGHT = 2, METHODS_BOTH = 3 };

/* Remove bytes from one end or both ends, as long as they occur in `values`. Return the
 * rest. methods_strip_space() removes white space: blank, tab, newline, vertical tab,
 * form feed, carriage return. */
struct piece methods_strip(struct piece bytes, struct piece values,
                           enum methods_sides sides);
struct piece methods_strip_space(struct piece bytes, enum methods_sides sides);

/* ------------------------------------------------------------------ translating */

void methods_lower(char *to, struct piece from);
void methods_upper(char *to, struct piece from);
void methods_swapcase(char *to, struct piece from);
void methods_capitalize(char *to, struct piece from);
void methods_title(char *to, struct piece from);

/* Write table[value] for each byte; the table has 256 entries. */
void methods_translate(char *to, struct piece from, const char *table);

/* As methods_translate(), but leave out the bytes whose values are in `deleted`. If
 * `table` is NULL, the others are copied. Return the length of the result. pre: `to`
 * has space for from.nbytes bytes. */
size_t methods_translate_kept(char *to, struct piece from, const char *table,
                              const struct methods_set *deleted);

/* Replace the first `count` occurrences of `old` by `new`. `nbytes` is the length of
 * the result. pre: `old` is not empty, and it occurs at least `count` times or `new`
 * has the same length. */
size_t methods_replaced_nbytes(struct piece from, struct piece old, struct piece new,
                               size_t count);
void methods_replace(char *to, size_t nbytes, struct piece from, struct piece old,
                     struct piece new, size_t count);

/* Replace each tab by blanks up to the next column that is a multiple of `tabsize`. If
 * `tabsize` is 0, remove the tabs. Column 0 follows each "\n" and "\r". */
size_t methods_expanded_nbytes(struct piece from, size_t tabsize);
void methods_expand_tabs(char *to, struct piece from, size_t tabsize);

/* Write two hexadecimal digits for each byte. methods_hex_separated() also writes the
 * separator between two bytes. */
void methods_hex(char *to, struct piece from);
void methods_hex_separated(char *to, struct piece from, char separator);

/* Write one byte for each pair of hexadecimal digits. White space before and after a
 * pair is skipped. Return how many bytes were written, or METHODS_NONE if `from`
 * contains anything else. pre: `to` has space for from.nbytes / 2 bytes. */
size_t methods_from_hex(char *to, struct piece from);

/* Write `count` bytes: *from, and then every step-th byte after it, or before it if
 * `step` is negative. */
void methods_stride(char *to, const char *from, ptrdiff_t step, size_t count);

#endif
