/* cells: how the items of one row lie in memory, and Python objects written there.
 *
 * No Python code runs here: a writer takes the objects whose value can be read with
 * none, and returns false, without an exception, for all others. What a refused row has
 * written is unspecified.
 */
#ifndef GROWBUF_CELLS_H
#define GROWBUF_CELLS_H

#define PY_SSIZE_T_CLEAN
#include <Python.h>
#include <stdbool.h>

/* What a row is as a Python object. */
enum cells_shape {
    CELLS_NONE,     /* nothing that can be written here */
    CELLS_ITEM,     /* the item itself */
    CELLS_SEQUENCE, /* a list or a tuple of items */
    CELLS_RECORD    /* a tuple of fields */
};

struct cell {
    bool (*write)(const struct cell *cell, char *to, PyObject *item);
    size_t offset; /* in the row */
    size_t nbytes;
    bool swapped; /* the byte order is not this machine's */
};

struct cells {
    enum cells_shape shape;
    Py_ssize_t count;
    bool padded; /* some bytes of a row belong to no cell */
    struct cell *cell;
};

/* Take over a description: (shape, ((kind, offset, nbytes, swapped), ...)), where kind
 * is the character of dtype.kind. One that cannot be written here leaves CELLS_NONE. -1
 * comes with an exception. */
int cells_open(struct cells *cells, PyObject *description, size_t row_nbytes);
void cells_close(struct cells *cells);

/* Write one row. */
bool cells_write_row(const struct cells *cells, size_t row_nbytes, char *to,
                     PyObject *row);

static inline bool
cells_write(const struct cells *cells, size_t row_nbytes, char *to, PyObject *row)
{
    return cells->shape == CELLS_ITEM ? cells->cell->write(cells->cell, to, row)
                                      : cells_write_row(cells, row_nbytes, to, row);
}

#endif
