/* rows_swap: swapping two rows of an array whose rows are views of it. */

#include "rows_swap.h"

#include "args.h"

/* Return the row number of a key that is an integer; -1 for other keys. */
static Py_ssize_t
row_of(const RowsObject *self, PyObject *key)
{
    Py_ssize_t index;
    if (!args_small_int(key, &index)) {
        const struct scalar *scalar =
            scalars_find(&self->layout->numpy->scalars, Py_TYPE(key));
        long long value;
        if (scalar == NULL || (scalar->kind != 'i' && scalar->kind != 'u') ||
            !scalar_integer(scalar, key, &value)) {
            return -1;
        }
        index = (Py_ssize_t)value;
    }
    Py_ssize_t nrows =
        (Py_ssize_t)(buffer_length(self->buffer) / self->layout->row_nbytes);
    Py_ssize_t row = index < 0 ? index + nrows : index;
    assert(nrows >= 0);
    return row >= 0 && row < nrows ? row : -1;
}

static char *
address_of(RowsObject *self, Py_ssize_t row)
{
    assert(row >= 0 && self->layout->row_nbytes > 0);
    return buffer_bytes(self->buffer) + (size_t)row * self->layout->row_nbytes;
}

static void
drop_before(struct rows_extra *swap)
{
    PyMem_Free(swap->before);
    swap->before = NULL;
}

void
rows_swap_read(RowsObject *self, PyObject *key, PyObject *view)
{
    Py_BEGIN_CRITICAL_SECTION(self->buffer);
    Py_ssize_t row = row_of(self, key);
    struct rows_extra *swap = rows_ensure_extra(self);
    assert(row >= -1);
    if (swap != NULL) { /* without memory a swap is not recognized */
        drop_before(swap);
        swap->views[1] = swap->views[0];
        swap->rows[1] = swap->rows[0];
        swap->views[0] = row < 0 ? NULL : view;
        swap->rows[0] = row;
    }
    Py_END_CRITICAL_SECTION();
}

/* Return the address of an object's memory if the memory has the size of a row, else
 * NULL. The caller compares it with the address of a row, because a remembered object
 * may have been freed, and `value` may be a new object in its place. May run other
 * code. */
static const char *
memory_of(const RowsObject *self, PyObject *value)
{
    Py_buffer view;
    if (PyObject_GetBuffer(value, &view, PyBUF_SIMPLE) < 0) {
        PyErr_Clear();
        return NULL;
    }
    const char *address =
        (size_t)view.len == self->layout->row_nbytes ? view.buf : NULL;
    PyBuffer_Release(&view);
    return address;
}

/* See rows_swap_set(). Under the lock. */
static bool
set_locked(RowsObject *self, PyObject *key, PyObject *value)
{
    struct rows_extra *swap = self->extra;
    const char *memory =
        swap != NULL && (value == swap->views[0] || value == swap->views[1])
            ? memory_of(self, value)
            : NULL;
    if (memory == NULL) {
        return false;
    }
    size_t nbytes = self->layout->row_nbytes;
    assert(nbytes > 0 && value != NULL);
    bool is_second = swap->before != NULL;
    Py_ssize_t row = row_of(self, key), other = swap->rows[!is_second];
    if (row < 0 || row == other || row != swap->rows[is_second] ||
        value != swap->views[!is_second] || memory != address_of(self, other)) {
        return false;
    }
    char *to = address_of(self, row);
    assert(memory + nbytes <= to || to + nbytes <= memory); /* two rows */
    if (!is_second) {
        swap->before = PyMem_Malloc(2 * nbytes);
        if (swap->before != NULL) {
            memcpy(swap->before, to, nbytes);
            memcpy(swap->before + nbytes, memory, nbytes);
        }
        return false;
    }
    /* Write only if both rows still have the values that the first assignment set. */
    const char *set = swap->before + nbytes;
    assert(swap->before != NULL && swap->rows[1] == row);
    bool was_set = memcmp(memory, set, nbytes) == 0 && memcmp(to, set, nbytes) == 0;
    if (was_set) {
        memcpy(to, swap->before, nbytes);
    }
    return was_set;
}

bool
rows_swap_set(RowsObject *self, PyObject *key, PyObject *value)
{
    bool is_set, is_first;
    Py_BEGIN_CRITICAL_SECTION(self->buffer);
    struct rows_extra *swap = self->extra;
    char *before = swap == NULL ? NULL : swap->before;
    is_set = set_locked(self, key, value);
    is_first = swap != NULL && before == NULL && swap->before != NULL;
    if (swap != NULL && !is_first) {
        drop_before(swap);
        swap->views[0] = swap->views[1] = NULL;
    }
    Py_END_CRITICAL_SECTION();
    return is_set;
}
