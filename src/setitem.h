/* setitem: writing Python objects into the fields of a row, as `array[i] = value` does.
 *
 * No Python code runs here. A writer accepts objects whose value can be read without
 * Python code. For other objects it returns false without an exception. Then some parts
 * of a compound field may already be written.
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
    char meta[8]; /* the bytes after the value in NumPy's scalars of this unit */
};

/* A row or a part of it: a number, a text, a date, a duration, or a compound of fields.
 */
struct field {
    bool (*write)(const struct field *field, char *to, PyObject *item);
    const struct scalars *scalars;
    const struct scalar *own; /* NumPy's scalar type for this field, or NULL */
    size_t offset;            /* from the start of the field that contains it */
    size_t nbytes;
    bool swapped;      /* the byte order is not this machine's */
    Py_ssize_t count;  /* of a compound: the number of objects */
    Py_ssize_t nparts; /* `count` in a record; 1 in a sequence, which repeats it */
    struct field *parts;
    struct field_unit *unit;
};

/* Make a field from the description that growbuf/array.py passes:
 *   (kind, offset, nbytes, swapped)            kind is the character of dtype.kind
 *   (kind, offset, nbytes, swapped, unit, scalar, other)
 *                                              for 'M' and 'm': also the unit's name, a
 *                                              scalar of it, and one of another unit
 *   ("record", offset, nbytes, (part, ...))
 *   ("sequence", offset, nbytes, count, part)
 * If there is no writer for one part, the writer of the whole field returns false for
 * every object. -1 comes with an exception. */
int field_open(struct field *field, PyObject *description,
               const struct scalars *scalars);
void field_close(struct field *field);

/* Whether a field is a single value, not a compound. When the writer of a single value
 * returns false, it has changed nothing. */
static inline bool
field_is_item(const struct field *field)
{
    return field->parts == NULL;
}

#endif
