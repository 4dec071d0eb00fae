/* scalars: NumPy's scalar types, and the values of their objects.
 *
 * No NumPy header is used. Where the objects of a type store their value is found from
 * one of them: the buffer protocol returns that address.
 */
#ifndef GROWBUF_SCALARS_H
#define GROWBUF_SCALARS_H

#define PY_SSIZE_T_CLEAN
#include <Python.h>
#include <stdbool.h>
#include <stdint.h>

struct scalar {
    const PyTypeObject *type; /* borrowed: NumPy's scalar types are never freed */
    char kind;                /* as dtype.kind */
    uint8_t nbytes;           /* of the value; 0 for text, which is a str or a bytes */
    uint16_t offset;          /* of the value, from the start of the object */
};

enum { SCALARS_MAX = 32 };

struct scalars {
    int count;
    struct scalar of[SCALARS_MAX];
};

/* Add a scalar type, given one of its objects. A type whose objects store their value
 * outside of the object is left out. -1 comes with an exception. */
int scalars_add(struct scalars *scalars, PyObject *scalar, int kind);

/* Return the entry of a scalar type, or NULL for another type. */
static inline const struct scalar *
scalars_find(const struct scalars *scalars, const PyTypeObject *type)
{
    for (const struct scalar *each = scalars->of; each < scalars->of + scalars->count;
         each++) {
        if (each->type == type) {
            return each;
        }
    }
    return NULL;
}

static inline const char *
scalar_value(const struct scalar *scalar, PyObject *item)
{
    assert(Py_TYPE(item) == scalar->type);
    return (const char *)item + scalar->offset;
}

/* Read a number. Return false if it does not fit. pre: the kind is b, i or u for an
 * integer, f for a double, c for a complex number. */
bool scalar_integer(const struct scalar *scalar, PyObject *item, long long *value);
bool scalar_double(const struct scalar *scalar, PyObject *item, double *value);
bool scalar_complex(const struct scalar *scalar, PyObject *item, Py_complex *value);

#endif
