/* arrow: exporting the rows of a GrowArray by Arrow's C data interface.
 *
 * https://arrow.apache.org/docs/format/CDataInterface.html defines the two structs.
 * growbuf/array.py describes the parts of a row in Arrow's terms (struct part).
 * Contiguous items are passed without a copy, if Arrow stores them as NumPy does. Then
 * the array's memory stays exported until the consumer releases the items, which it may
 * do in any thread.
 */
#include "arrow.h"

#include <stdint.h>

#include "layout.h"

struct ArrowSchema {
    const char *format;
    const char *name;
    const char *metadata;
    int64_t flags;
    int64_t n_children;
    struct ArrowSchema **children;
    struct ArrowSchema *dictionary;
    void (*release)(struct ArrowSchema *);
    void *private_data;
};

struct ArrowArray {
    int64_t length;
    int64_t null_count;
    int64_t offset;
    int64_t n_buffers;
    int64_t n_children;
    const void **buffers;
    struct ArrowArray **children;
    struct ArrowArray *dictionary;
    void (*release)(struct ArrowArray *);
    void *private_data;
};

enum { ARROW_NULLABLE = 2 };

/* How NumPy's items of a part differ from Arrow's. */
enum {
    PART_BITS = 1,    /* bools: NumPy has bytes, Arrow has bits */
    PART_DAYS = 2,    /* days: NumPy has 8 bytes, Arrow has 4 */
    PART_SWAPPED = 4, /* the byte order is not this machine's */
    PART_NULLS = 8    /* the smallest integer is NumPy's NaT, which is a null */
};

/* A part of a row, as the tuple that growbuf/array.py makes:
 *   (format, name, offset, nbytes, flags, count, (part, ...))
 * A struct has parts. A list has one part, and repeats it `count` times. An item has no
 * parts. The offset is counted from the start of the part that contains this one. */
struct part {
    const char *format, *name;
    Py_ssize_t offset, nbytes;
    int flags;
    Py_ssize_t count;
    PyObject *parts;
};

static int
read_part(PyObject *tuple, struct part *part)
{
    return PyArg_ParseTuple(tuple, "ssnninO!:part", &part->format, &part->name,
                            &part->offset, &part->nbytes, &part->flags, &part->count,
                            &PyTuple_Type, &part->parts)
               ? 0
               : -1;
}

/* ----------------------------------------------------------------------- the schema */

static void
release_schema(struct ArrowSchema *schema)
{
    for (int64_t i = 0; i < schema->n_children; i++) {
        struct ArrowSchema *child = schema->children[i];
        if (child != NULL && child->release != NULL) {
            child->release(child);
        }
        PyMem_RawFree(child);
    }
    PyMem_RawFree(schema->children);
    PyMem_RawFree(schema->private_data);
    schema->release = NULL;
}

/* Copy the two strings to memory of the schema's own. */
static int
copy_strings(struct ArrowSchema *schema, const struct part *part)
{
    size_t format = strlen(part->format) + 1, name = strlen(part->name) + 1;
    char *copy = PyMem_RawMalloc(format + name);
    if (copy == NULL) {
        PyErr_NoMemory();
        return -1;
    }
    schema->private_data = copy;
    schema->format = memcpy(copy, part->format, format);
    schema->name = memcpy(copy + format, part->name, name);
    return 0;
}

/* Make the schema of a part. The caller releases it, after an error too. */
static int
make_schema(struct ArrowSchema *schema, PyObject *tuple)
{
    struct part part;
    *schema = (struct ArrowSchema){.flags = ARROW_NULLABLE, .release = release_schema};
    if (read_part(tuple, &part) < 0 || copy_strings(schema, &part) < 0) {
        return -1;
    }
    Py_ssize_t n = PyTuple_GET_SIZE(part.parts);
    if (n == 0) {
        return 0;
    }
    schema->children = PyMem_RawCalloc((size_t)n, sizeof *schema->children);
    if (schema->children == NULL) {
        PyErr_NoMemory();
        return -1;
    }
    schema->n_children = n;
    for (Py_ssize_t i = 0; i < n; i++) {
        schema->children[i] = PyMem_RawCalloc(1, sizeof *schema);
        if (schema->children[i] == NULL) {
            PyErr_NoMemory();
            return -1;
        }
        if (make_schema(schema->children[i], PyTuple_GET_ITEM(part.parts, i)) < 0) {
            return -1;
        }
    }
    return 0;
}

static void
free_schema(PyObject *capsule)
{
    struct ArrowSchema *schema =
        PyCapsule_GetPointer(capsule, PyCapsule_GetName(capsule)); /* any name */
    assert(schema != NULL);
    if (schema->release != NULL) {
        schema->release(schema);
    }
    PyMem_RawFree(schema);
}

static PyObject *
new_schema(PyObject *tuple)
{
    struct ArrowSchema *schema = PyMem_RawCalloc(1, sizeof *schema);
    PyObject *capsule = schema == NULL
                            ? PyErr_NoMemory()
                            : PyCapsule_New(schema, "arrow_schema", free_schema);
    if (capsule == NULL) {
        PyMem_RawFree(schema);
        return NULL;
    }
    if (make_schema(schema, tuple) < 0) {
        Py_CLEAR(capsule);
    }
    return capsule;
}

/* ------------------------------------------------------------------------ the array */

/* What one ArrowArray owns. A consumer may move children out of their parent, so each
 * child holds its own reference to the memoryview of the rows. */
struct owned {
    PyObject *rows; /* or NULL, if no buffer is in the memory of the rows */
    const void *buffers[2];
    void *validity, *values; /* blocks to free; each may be NULL */
};

/* Drop a reference. May be called in any thread, attached to the interpreter or not.
 * After the interpreter has ended, leak the object. */
static void
drop_rows(PyObject *rows)
{
#if PY_VERSION_HEX >= 0x030D0000
    bool attached = PyThreadState_GetUnchecked() != NULL;
#elif PY_VERSION_HEX >= 0x030C0000
    bool attached = _PyThreadState_UncheckedGet() != NULL;
#else
    /* _PyThreadState_UncheckedGet() of 3.11 may return another thread's state. */
    bool attached = PyGILState_Check();
#endif
    if (attached) {
        Py_DECREF(rows);
    }
    else if (Py_IsInitialized()) {
        PyGILState_STATE state = PyGILState_Ensure();
        Py_DECREF(rows);
        PyGILState_Release(state);
    }
}

static void
release_array(struct ArrowArray *array)
{
    for (int64_t i = 0; i < array->n_children; i++) {
        struct ArrowArray *child = array->children[i];
        if (child != NULL && child->release != NULL) {
            child->release(child);
        }
        PyMem_RawFree(child);
    }
    PyMem_RawFree(array->children);
    struct owned *owned = array->private_data;
    array->release = NULL;
    if (owned != NULL) {
        PyMem_RawFree(owned->validity);
        PyMem_RawFree(owned->values);
        if (owned->rows != NULL) {
            drop_rows(owned->rows);
        }
        PyMem_RawFree(owned);
    }
}

/* Items of `nbytes` in memory, one every `stride` bytes. */
struct items {
    const char *start;
    Py_ssize_t count, stride, nbytes;
};

static void *
new_block(size_t count, size_t nbytes)
{
    void *block = PyMem_RawCalloc(count > 0 ? count : 1, nbytes);
    if (block == NULL) {
        PyErr_NoMemory();
    }
    return block;
}

/* Copy items to a new contiguous block. If `swapped`, reverse the bytes of each. */
static void *
gather_items(const struct items *items, bool swapped)
{
    assert(items->count >= 0 && items->nbytes > 0 && items->stride >= items->nbytes);
    char *block = new_block((size_t)items->count, (size_t)items->nbytes), *to = block;
    for (Py_ssize_t i = 0; block != NULL && i < items->count; i++) {
        const char *from = items->start + i * items->stride;
        if (swapped) {
            for (Py_ssize_t k = 0; k < items->nbytes; k++) {
                to[k] = from[items->nbytes - 1 - k];
            }
        }
        else {
            memcpy(to, from, (size_t)items->nbytes);
        }
        to += items->nbytes;
    }
    return block;
}

/* Convert bools of one byte to a new block of bits. */
static void *
gather_bits(const struct items *items)
{
    unsigned char *block = new_block((size_t)items->count / 8 + 1, 1);
    assert(items->count >= 0 && items->nbytes == 1 && items->stride > 0);
    for (Py_ssize_t i = 0; block != NULL && i < items->count; i++) {
        if (items->start[i * items->stride] != 0) {
            block[i / 8] |= (unsigned char)(1 << i % 8);
        }
    }
    return block;
}

static inline int64_t
time_at(const char *values, Py_ssize_t i)
{
    int64_t value;
    memcpy(&value, values + i * (Py_ssize_t)sizeof value, sizeof value);
    return value;
}

/* Count the NaTs in times. If there are any, make the validity bitmap. */
static int
find_nulls(struct ArrowArray *array, struct owned *owned, const char *values)
{
    assert(owned->validity == NULL && array->null_count == 0);
    for (Py_ssize_t i = 0; i < array->length; i++) {
        array->null_count += time_at(values, i) == INT64_MIN;
    }
    if (array->null_count == 0) {
        return 0;
    }
    unsigned char *bits = owned->validity = new_block((size_t)array->length / 8 + 1, 1);
    for (Py_ssize_t i = 0; bits != NULL && i < array->length; i++) {
        if (time_at(values, i) != INT64_MIN) {
            bits[i / 8] |= (unsigned char)(1 << i % 8);
        }
    }
    owned->buffers[0] = bits;
    return bits == NULL ? -1 : 0;
}

/* Replace the values, days of 64 bits, by a copy with 32 bits, and drop the reference
 * to the rows. NaT becomes 0: the validity bitmap marks it as a null. */
static int
shorten_days(struct owned *owned, Py_ssize_t count)
{
    const char *values = owned->buffers[1];
    assert(count >= 0 && values != NULL);
    int32_t *days = new_block((size_t)count, sizeof *days);
    for (Py_ssize_t i = 0; days != NULL && i < count; i++) {
        int64_t value = time_at(values, i);
        if (value != INT64_MIN && (value < INT32_MIN || value > INT32_MAX)) {
            PyMem_RawFree(days);
            PyErr_SetString(PyExc_OverflowError,
                            "a date does not fit in Arrow's date32");
            return -1;
        }
        days[i] = value == INT64_MIN ? 0 : (int32_t)value;
    }
    if (days == NULL) {
        return -1;
    }
    PyMem_RawFree(owned->values);
    owned->buffers[1] = owned->values = days;
    Py_CLEAR(owned->rows);
    return 0;
}

/* Set the buffers of an array of items. Contiguous and aligned items of this machine's
 * byte order are used in the memory of `rows`, except bools and days. All others are
 * copied. `rows` is NULL if the items are in a temporary block: they are copied too. */
static int
make_items(struct ArrowArray *array, const struct part *part, const struct items *items,
           PyObject *rows)
{
    struct owned *owned = array->private_data;
    bool swapped = (part->flags & PART_SWAPPED) != 0;
    bool aligned = part->nbytes > 8 || (part->nbytes & (part->nbytes - 1)) != 0 ||
                   (uintptr_t)items->start % (uintptr_t)part->nbytes == 0;
    assert(owned != NULL && part->nbytes > 0 && items->nbytes == part->nbytes);
    array->n_buffers = 2;
    if (part->flags & PART_BITS) {
        owned->values = gather_bits(items);
    }
    else if (rows == NULL || items->stride != items->nbytes || swapped || !aligned) {
        owned->values = gather_items(items, swapped);
    }
    else {
        owned->buffers[1] = items->start;
        owned->rows = Py_NewRef(rows);
    }
    if (owned->buffers[1] == NULL) {
        owned->buffers[1] = owned->values;
    }
    if (owned->buffers[1] == NULL ||
        ((part->flags & PART_NULLS) &&
         find_nulls(array, owned, owned->buffers[1]) < 0)) {
        return -1;
    }
    return part->flags & PART_DAYS ? shorten_days(owned, items->count) : 0;
}

static int make_array(struct ArrowArray *array, PyObject *tuple, struct items items,
                      PyObject *rows);

/* Make the arrays of the parts of a struct or a list, as children of its array. */
static int
make_children(struct ArrowArray *array, const struct part *part, struct items items,
              PyObject *rows)
{
    Py_ssize_t n = PyTuple_GET_SIZE(part->parts);
    array->n_buffers = 1;
    array->children = PyMem_RawCalloc((size_t)n, sizeof *array->children);
    if (array->children == NULL) {
        PyErr_NoMemory();
        return -1;
    }
    array->n_children = n;
    for (Py_ssize_t i = 0; i < n; i++) {
        array->children[i] = PyMem_RawCalloc(1, sizeof *array);
        if (array->children[i] == NULL) {
            PyErr_NoMemory();
            return -1;
        }
        if (make_array(array->children[i], PyTuple_GET_ITEM(part->parts, i), items,
                       rows) < 0) {
            return -1;
        }
    }
    return 0;
}

/* Make the array of the items of lists, as the child of the array of the lists. Lists
 * that are not contiguous are first copied to a temporary block. */
static int
make_list(struct ArrowArray *array, const struct part *part, struct items items,
          PyObject *rows)
{
    char *block = NULL;
    if (items.stride != items.nbytes) {
        block = gather_items(&items, false);
        if (block == NULL) {
            return -1;
        }
        items.start = block;
        rows = NULL;
    }
    assert(part->count > 0 && items.nbytes % part->count == 0);
    items.count *= part->count;
    items.nbytes /= part->count;
    items.stride = items.nbytes;
    int rc = make_children(array, part, items, rows);
    PyMem_RawFree(block);
    return rc;
}

/* Make the array of a part. `items` are the parts that contain it. The caller releases
 * the array, after an error too. */
static int
make_array(struct ArrowArray *array, PyObject *tuple, struct items items,
           PyObject *rows)
{
    struct part part;
    *array = (struct ArrowArray){.length = items.count, .release = release_array};
    struct owned *owned = array->private_data = PyMem_RawCalloc(1, sizeof *owned);
    if (owned == NULL) {
        PyErr_NoMemory();
        return -1;
    }
    array->buffers = owned->buffers;
    if (read_part(tuple, &part) < 0) {
        return -1;
    }
    assert(part.offset >= 0 && part.offset + part.nbytes <= items.nbytes);
    items.start += part.offset;
    items.nbytes = part.nbytes;
    return PyTuple_GET_SIZE(part.parts) == 0 ? make_items(array, &part, &items, rows)
           : part.format[1] == 'w'           ? make_list(array, &part, items, rows)
                                             : make_children(array, &part, items, rows);
}

static void
free_array(PyObject *capsule)
{
    struct ArrowArray *array =
        PyCapsule_GetPointer(capsule, PyCapsule_GetName(capsule));
    assert(array != NULL);
    if (array->release != NULL) {
        array->release(array);
    }
    PyMem_RawFree(array);
}

static PyObject *
new_array(PyObject *tuple, struct items items, PyObject *rows)
{
    struct ArrowArray *array = PyMem_RawCalloc(1, sizeof *array);
    PyObject *capsule = array == NULL ? PyErr_NoMemory()
                                      : PyCapsule_New(array, "arrow_array", free_array);
    if (capsule == NULL) {
        PyMem_RawFree(array);
        return NULL;
    }
    if (make_array(array, tuple, items, rows) < 0) {
        Py_CLEAR(capsule);
    }
    return capsule;
}

/* --------------------------------------------------------------------- the methods */

PyDoc_STRVAR(arrow_c_array_doc,
"__arrow_c_array__($self, requested_schema=None)\n--\n\n"
"Return the rows as two capsules, an ArrowSchema and an ArrowArray.\n\n"
"Numbers, times and strings of fixed length are not copied. Copied are: booleans and\n"
"dates in days, which Arrow stores in fewer bits; items of the other byte order; and\n"
"fields of records. requested_schema is ignored.\n"
"Raise TypeError if Arrow has no type for the dtype.");

static PyObject *
rows_arrow_c_array(PyObject *op, PyObject *args, PyObject *kwargs)
{
    static char *names[] = {"requested_schema", NULL};
    RowsObject *self = rows_cast(op);
    PyObject *requested = NULL, *view = NULL, *array = NULL, *result = NULL;
    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "|O:__arrow_c_array__", names,
                                     &requested)) {
        return NULL;
    }
    PyObject *row = layout_call(self->layout, NUMPY_arrow, Py_None);
    PyObject *schema = row == NULL ? NULL : new_schema(row);
    if (schema != NULL) {
        ROWS_LOCKED(self, view,
                    rows_stabilize(self, 0) < 0 || rows_check_whole(self) < 0
                        ? NULL
                        : PyMemoryView_FromObject((PyObject *)self->buffer));
    }
    if (view != NULL) {
        Py_ssize_t row_nbytes = (Py_ssize_t)self->layout->row_nbytes;
        const Py_buffer *bytes = PyMemoryView_GET_BUFFER(view);
        struct items items = {bytes->buf, bytes->len / row_nbytes, row_nbytes,
                              row_nbytes};
        array = new_array(row, items, view);
    }
    if (array != NULL) {
        result = PyTuple_Pack(2, schema, array);
    }
    Py_XDECREF(row);
    Py_XDECREF(schema);
    Py_XDECREF(view);
    Py_XDECREF(array);
    return result;
}

PyDoc_STRVAR(arrow_c_schema_doc,
"__arrow_c_schema__($self, /)\n--\n\n"
"Return the type of the rows as a capsule of an ArrowSchema.");

static PyObject *
rows_arrow_c_schema(PyObject *op, PyObject *Py_UNUSED(ignored))
{
    PyObject *row = layout_call(rows_cast(op)->layout, NUMPY_arrow, Py_None);
    PyObject *schema = row == NULL ? NULL : new_schema(row);
    Py_XDECREF(row);
    return schema;
}

const PyMethodDef arrow_methods[] = {
    {"__arrow_c_array__", BUFFER_METHOD(rows_arrow_c_array),
     METH_VARARGS | METH_KEYWORDS, arrow_c_array_doc},
    {"__arrow_c_schema__", rows_arrow_c_schema, METH_NOARGS, arrow_c_schema_doc},
    {NULL, NULL, 0, NULL},
};
