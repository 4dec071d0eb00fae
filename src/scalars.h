/* scalars: NumPy's scalar types, and the values of their objects.
 *
 * No NumPy header tells where a scalar keeps its value: one object of each type does, by the
 * buffer protocol.
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

/* Learn a scalar type from one of its objects. A type whose objects keep their value
 * elsewhere is left out. -1 comes with an exception. */
int scalars_add(struct scalars *scalars, PyObject *scalar, int kind);

/* Find a scalar type; NULL for every other type. */
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

/* Read a number; false if it does not fit. pre: the kind is b, i or u; f; c. */
bool scalar_integer(const struct scalar *scalar, PyObject *item, long long *value);
bool scalar_double(const struct scalar *scalar, PyObject *item, double *value);
bool scalar_complex(const struct scalar *scalar, PyObject *item, Py_complex *value);

#endif
