/* scalars: NumPy's scalar types, and the values of their objects.
 *
 * No NumPy header is used. The buffer protocol returns the address of an object's
 * value. So one object of each type shows at which offset all of them store their
 * values.
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
    uint8_t nbytes;           /* of the value; 0 for text, which is a str or bytes */
    uint16_t offset;          /* of the value, from the start of the object */
};

enum { SCALARS_MAX = 32 };

struct scalars {
    int count;
    struct scalar of[SCALARS_MAX];
};

/* Add the type of `scalar`. Skip a type whose objects store their value in other
 * memory. -1 comes with an exception. */
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

/* Return the address of the value in an object. */
static inline const char *
scalar_value(const struct scalar *scalar, PyObject *item)
{
    assert(Py_TYPE(item) == scalar->type);
    return (const char *)item + scalar->offset;
}

/* Read a number. scalar_integer() returns false if the value does not fit.
 * scalar_double() reads a C float or double, and scalar_complex() a pair of either.
 * They return false for other sizes, such as that of float16. pre: the kind is b, i or
 * u for scalar_integer(), f for scalar_double(), c for scalar_complex(). */
bool scalar_integer(const struct scalar *scalar, PyObject *item, long long *value);
bool scalar_double(const struct scalar *scalar, PyObject *item, double *value);
bool scalar_complex(const struct scalar *scalar, PyObject *item, Py_complex *value);

#endif
