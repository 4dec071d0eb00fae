/* setitem: Python objects written into the fields of a row, as ndarray's `a[i] = value`
 * does it.
 *
 * No Python code runs here: a writer takes the objects whose value can be read without
 * it. For every other object it returns false, and sets no exception; then a compound
 * field may have been written in part.
 */
#ifndef GROWBUF_SETITEM_H
#define GROWBUF_SETITEM_H

#define PY_SSIZE_T_CLEAN
#include <Python.h>
#include <stdbool.h>

#include "dates.h"
#include "scalars.h"

/* The unit of a field that is a datetime64 or timedelta64. */
struct field_unit {
    struct dates_unit unit;
    char meta[8]; /* how NumPy's scalars of that unit say so, after their value */
};

/* A part of a row: a number, a text, a date; or a compound of those. */
struct field {
    bool (*write)(const struct field *field, char *to, PyObject *item);
    const struct scalars *scalars;
    const struct scalar *own; /* whose values are those of the field; or NULL */
    size_t offset;            /* from the start of the field around it */
    size_t nbytes;
    bool swapped;      /* the byte order is not this machine's */
    Py_ssize_t count;  /* of a compound: how many objects */
    Py_ssize_t nparts; /* `count` in a record; one in a sequence, which repeats */
    struct field *parts;
    struct field_unit *unit;
};

/* Make a field from a description by growbuf/array.py:
 *   (kind, offset, nbytes, swapped)            kind is the character of dtype.kind
 *   (kind, offset, nbytes, swapped, unit, scalar, other)
 *                                              the same for 'M' and 'm': the unit's name,
 *                                              a scalar of it, one of another unit
 *   ("record", offset, nbytes, (part, ...))
 *   ("sequence", offset, nbytes, count, part)
 * If a part is of a kind that cannot be written here, the whole field refuses all
 * objects. -1 comes with an exception. */
int field_open(struct field *field, PyObject *description,
               const struct scalars *scalars);
void field_close(struct field *field);

/* Whether a field is a single value that can be written here. Then what is refused has
 * written nothing. */
static inline bool
field_is_item(const struct field *field)
{
    return field->parts == NULL;
}

#endif
