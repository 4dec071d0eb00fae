/* layout: the objects that describe how the rows of a dtype lie in memory. */

#include "layout.h"

#include <stddef.h>
#include <structmember.h>

#include "spans.h"
#include "state.h"

/* ------------------------------------------------------- the functions from NumPy */

static const char *const hook_names[] = {
#define HOOK_NAME(name) #name,
    NUMPY_HOOKS(HOOK_NAME)
#undef HOOK_NAME
};

static int
numpy_traverse(PyObject *op, visitproc visit, void *arg)
{
    NumPyObject *self = (NumPyObject *)op;
    Py_VISIT(Py_TYPE(op));
    for (int i = 0; i < NUMPY_NHOOKS; i++) {
        Py_VISIT(self->hooks[i]);
    }
    Py_VISIT(self->ndarray.holder_type);
    for (int i = 0; i < NUMPY_NKEPT; i++) {
        Py_VISIT(self->kept[i].dtype);
        Py_VISIT(self->kept[i].row_shape);
        Py_VISIT(self->kept[i].layout);
    }
    return 0;
}

static void
forget_layout(struct kept *kept)
{
    Py_CLEAR(kept->dtype);
    Py_CLEAR(kept->row_shape);
    Py_CLEAR(kept->layout);
}

static int
numpy_clear(PyObject *op)
{
    NumPyObject *self = (NumPyObject *)op;
    for (int i = 0; i < NUMPY_NHOOKS; i++) {
        Py_CLEAR(self->hooks[i]);
    }
    for (int i = 0; i < NUMPY_NKEPT; i++) {
        forget_layout(&self->kept[i]);
    }
    return 0;
}

static void
numpy_dealloc(PyObject *op)
{
    PyTypeObject *type = Py_TYPE(op);
    PyObject_GC_UnTrack(op);
    (void)numpy_clear(op);
    Py_CLEAR(((NumPyObject *)op)->ndarray.holder_type);
    type->tp_free(op);
    Py_DECREF(type);
}

PyDoc_STRVAR(numpy_doc, "The types and functions that growbuf.array has passed to\n"
                        "growbuf._growbuf.");

/* Tests set these two. */
static PyMemberDef numpy_members[] = {
    {"space_nbytes", T_PYSSIZET, offsetof(NumPyObject, space_nbytes), 0, NULL},
    {"others_nbytes", T_PYSSIZET, offsetof(NumPyObject, others_nbytes), 0, NULL},
    {NULL, 0, 0, 0, NULL},
};

static PyType_Slot numpy_slots[] = {
    {Py_tp_doc, (void *)numpy_doc}, {Py_tp_members, numpy_members},
    {Py_tp_dealloc, numpy_dealloc}, {Py_tp_traverse, numpy_traverse},
    {Py_tp_clear, numpy_clear},     {0, NULL},
};

PyType_Spec layout_numpy_spec = {
    .name = "growbuf._growbuf.NumPy",
    .basicsize = sizeof(NumPyObject),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC | Py_TPFLAGS_IMMUTABLETYPE |
             Py_TPFLAGS_DISALLOW_INSTANTIATION,
    .slots = numpy_slots,
};

/* Add the scalar types of a tuple of (kind, scalar). */
static int
add_scalars(NumPyObject *self, PyObject *list)
{
    if (!PyTuple_Check(list)) {
        PyErr_SetString(PyExc_TypeError, "scalars must be a tuple");
        return -1;
    }
    for (Py_ssize_t i = 0; i < PyTuple_GET_SIZE(list); i++) {
        PyObject *scalar;
        int kind;
        if (!PyArg_ParseTuple(PyTuple_GET_ITEM(list, i), "CO:scalar", &kind, &scalar) ||
            scalars_add(&self->scalars, scalar, kind) < 0) {
            return -1;
        }
    }
    return 0;
}

/* Store the hooks. Every one must be an argument. */
static int
add_hooks(NumPyObject *self, PyObject *kwargs)
{
    for (int i = 0; i < NUMPY_NHOOKS; i++) {
        assert(self->hooks[i] == NULL);
        PyObject *hook =
            kwargs == NULL ? NULL : PyDict_GetItemString(kwargs, hook_names[i]);
        if (hook == NULL) {
            PyErr_Format(PyExc_TypeError, "use_numpy() needs %s", hook_names[i]);
            return -1;
        }
        self->hooks[i] = Py_NewRef(hook);
    }
    return 0;
}

const char layout_use_numpy_doc[] = PyDoc_STR(
"use_numpy(scalars, api, /, **hooks)\n--\n\n"
"Set the types and functions that arrays use. growbuf.array calls this.\n\n"
"scalars: a tuple of (dtype.kind, scalar), one for each scalar type.\n"
"api: the capsule with the functions of NumPy's C API.\n"
"hooks: types and functions; layout.h lists them.\n\n"
"Return the object that holds them.");

PyObject *
layout_use_numpy(PyObject *module, PyObject *args, PyObject *kwargs)
{
    struct state *state = PyModule_GetState(module);
    PyObject *op = state->numpy_type->tp_alloc(state->numpy_type, 0);
    if (op == NULL) {
        return NULL;
    }
    ((NumPyObject *)op)->space_nbytes = -1;
    PyObject *scalars, *api;
    if (!PyArg_ParseTuple(args, "OO:use_numpy", &scalars, &api) || dates_init() < 0 ||
        ndarray_open(&((NumPyObject *)op)->ndarray, module, api) < 0 ||
        add_scalars((NumPyObject *)op, scalars) < 0 ||
        add_hooks((NumPyObject *)op, kwargs) < 0) {
        Py_DECREF(op);
        return NULL;
    }
    Py_XSETREF(state->numpy, Py_NewRef(op));
    return op;
}

/* -------------------------------------------------------------------- a layout */

static int
layout_traverse(PyObject *op, visitproc visit, void *arg)
{
    LayoutObject *self = layout_cast(op);
    Py_VISIT(Py_TYPE(op));
    Py_VISIT(self->numpy);
    Py_VISIT(self->dtype);
    Py_VISIT(self->row_shape);
    Py_VISIT(self->view_dtype);
    Py_VISIT(self->new_row);
    Py_VISIT(self->format);
    return 0;
}

/* There is no tp_clear: an array needs all fields of its layout. Every reference cycle
 * passes through `numpy`, whose tp_clear breaks it. */
static void
layout_dealloc(PyObject *op)
{
    LayoutObject *self = layout_cast(op);
    PyTypeObject *type = Py_TYPE(op);
    PyObject_GC_UnTrack(op);
    Py_CLEAR(self->numpy);
    Py_CLEAR(self->dtype);
    Py_CLEAR(self->row_shape);
    Py_CLEAR(self->view_dtype);
    Py_CLEAR(self->new_row);
    Py_CLEAR(self->format);
    field_close(&self->field);
    PyMem_Free(self->paddings);
    type->tp_free(op);
    Py_DECREF(type);
}

/* Copy the paddings from a tuple of (offset, nbytes). */
static int
open_paddings(LayoutObject *self, PyObject *list)
{
    Py_ssize_t count = PyTuple_GET_SIZE(list);
    assert(self->paddings == NULL && self->npaddings == 0);
    self->paddings = PyMem_New(struct padding, count > 0 ? count : 1);
    if (self->paddings == NULL) {
        PyErr_NoMemory();
        return -1;
    }
    for (; self->npaddings < count; self->npaddings++) {
        Py_ssize_t offset, nbytes;
        if (!PyArg_ParseTuple(PyTuple_GET_ITEM(list, self->npaddings), "nn:padding",
                              &offset, &nbytes)) {
            return -1;
        }
        assert(offset >= 0 && nbytes > 0);
        assert((size_t)offset + (size_t)nbytes <= self->itemsize);
        self->paddings[self->npaddings] =
            (struct padding){.offset = (size_t)offset, .nbytes = (size_t)nbytes};
    }
    return 0;
}

/* Layout(dtype, itemsize, row_shape, row_nbytes, is_void, view_dtype, new_row, field,
 * paddings) */
static PyObject *
layout_new(PyTypeObject *type, PyObject *args, PyObject *Py_UNUSED(kwargs))
{
    struct state *state = PyType_GetModuleState(type);
    PyObject *dtype, *row_shape, *view_dtype, *new_row, *field, *paddings;
    Py_ssize_t itemsize, row_nbytes;
    int is_void;
    if (!PyArg_ParseTuple(args, "OnO!npOOOO!:Layout", &dtype, &itemsize, &PyTuple_Type,
                          &row_shape, &row_nbytes, &is_void, &view_dtype, &new_row,
                          &field, &PyTuple_Type, &paddings)) {
        return NULL;
    }
    if (itemsize <= 0 || row_nbytes <= 0 || row_nbytes % itemsize != 0 ||
        state->numpy == NULL) {
        PyErr_SetString(
            PyExc_ValueError,
            "Layout() needs use_numpy() first, and rows that are not empty");
        return NULL;
    }
    PyObject *op = type->tp_alloc(type, 0);
    if (op == NULL) {
        return NULL;
    }
    LayoutObject *self = layout_cast(op);
    self->numpy = (NumPyObject *)Py_NewRef(state->numpy);
    self->dtype = Py_NewRef(dtype);
    self->row_shape = Py_NewRef(row_shape);
    self->new_row = Py_NewRef(new_row);
    self->row_nbytes = (size_t)row_nbytes;
    self->itemsize = (size_t)itemsize;
    self->has_shape = PyTuple_GET_SIZE(row_shape) > 0;
    self->is_void = is_void;
    self->view_dtype = Py_NewRef(view_dtype);
    if (field_open(&self->field, field, &self->numpy->scalars) < 0 ||
        open_paddings(self, paddings) < 0) {
        Py_CLEAR(op);
    }
    return op;
}

PyDoc_STRVAR(layout_doc, "How the rows of one dtype and row shape lie in memory.");

static PyMemberDef layout_members[] = {
    {"dtype", T_OBJECT_EX, offsetof(LayoutObject, dtype), READONLY, NULL},
    {"row_shape", T_OBJECT_EX, offsetof(LayoutObject, row_shape), READONLY, NULL},
    {NULL, 0, 0, 0, NULL},
};

static PyType_Slot layout_slots[] = {
    {Py_tp_doc, (void *)layout_doc}, {Py_tp_new, layout_new},
    {Py_tp_dealloc, layout_dealloc}, {Py_tp_traverse, layout_traverse},
    {Py_tp_members, layout_members}, {0, NULL},
};

PyType_Spec layout_spec = {
    .name = "growbuf._growbuf.Layout",
    .basicsize = sizeof(LayoutObject),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC | Py_TPFLAGS_IMMUTABLETYPE,
    .slots = layout_slots,
};

void
layout_clean_slow(const LayoutObject *layout, char *rows, size_t nbytes)
{
    assert(layout->itemsize > 0 && nbytes % layout->itemsize == 0);
    for (char *item = rows; item < rows + nbytes; item += layout->itemsize) {
        for (Py_ssize_t i = 0; i < layout->npaddings; i++) {
            assert(layout->paddings[i].offset + layout->paddings[i].nbytes <=
                   layout->itemsize);
            memset(item + layout->paddings[i].offset, 0, layout->paddings[i].nbytes);
        }
    }
}

/* Compute the format with Python code, and store it. Return a borrowed reference. */
static PyObject *
compute_format(LayoutObject *layout)
{
    PyObject *hook = layout->numpy->hooks[NUMPY_buffer_format];
    PyObject *format = PyObject_CallOneArg(hook, layout->dtype);
    if (format != NULL && PyUnicode_Check(format)) {
        Py_SETREF(format, PyUnicode_AsUTF8String(format));
    }
    if (format == NULL) {
        return NULL;
    }
    assert(format == Py_None || PyBytes_Check(format));
    Py_BEGIN_CRITICAL_SECTION(layout);
    if (layout->format == NULL) {
        layout->format = Py_NewRef(format);
    }
    Py_END_CRITICAL_SECTION();
    Py_DECREF(format);
    return layout->format;
}

const char *
layout_format(LayoutObject *layout)
{
    PyObject *format;
    Py_BEGIN_CRITICAL_SECTION(layout);
    format = layout->format; /* is set once, and then never changes */
    Py_END_CRITICAL_SECTION();
    if (format == NULL) {
        format = compute_format(layout);
    }
    if (format == Py_None) {
        PyErr_SetString(
            PyExc_BufferError,
            "the buffer protocol has no format for rows of this dtype: take "
            "array.array, or its bytes as array.array.view('u1')");
    }
    return format == NULL || format == Py_None ? NULL : PyBytes_AS_STRING(format);
}

PyObject *
layout_call(LayoutObject *layout, enum numpy_hook hook, PyObject *value)
{
    PyObject *args[] = {(PyObject *)layout, value};
    assert(hook < NUMPY_NHOOKS && value != NULL);
    return PyObject_Vectorcall(layout->numpy->hooks[hook], args, 2, NULL);
}

/* ----------------------------------------------------------------- address space */

/* A limit of n bytes reserves 2 n bytes of address space. The first arrays get limits
 * larger than the memory of the machine. Later arrays get smaller ones, so that
 * thousands of arrays fit, and other code finds address space too. */
static const struct {
    size_t limit; /* in bytes */
    double share; /* the largest share of the address space in use afterwards */
} limits[] = {
    {(size_t)1 << 40, 0.25}, {(size_t)1 << 38, 0.45}, {(size_t)1 << 36, 0.60},
    {(size_t)1 << 34, 0.75}, {(size_t)1 << 32, 0.90}, {(size_t)1 << 30, 0.95},
};
enum { MAX_PART = 64 }; /* one reservation takes at most 1/64 of the address space */

/* Call address_space(), and store what it returns. */
static int
measure_space(NumPyObject *numpy)
{
    PyObject *space = PyObject_CallNoArgs(numpy->hooks[NUMPY_address_space]);
    Py_ssize_t all, others;
    if (space == NULL || !PyArg_ParseTuple(space, "nn:address_space", &all, &others)) {
        Py_XDECREF(space);
        return -1;
    }
    Py_DECREF(space);
    Py_BEGIN_CRITICAL_SECTION(numpy);
    numpy->others_nbytes = others;
    numpy->space_nbytes = all;
    Py_END_CRITICAL_SECTION();
    return 0;
}

bool
layout_must_measure_space(NumPyObject *numpy)
{
    BUFFER_LOCKED(bool, unknown, numpy, numpy->space_nbytes < 0);
    return unknown;
}

int
layout_choose_limit(NumPyObject *numpy, size_t nbytes, size_t max, size_t *limit)
{
    size_t space, used;
    if (layout_must_measure_space(numpy) && measure_space(numpy) < 0) {
        return -1;
    }
    Py_BEGIN_CRITICAL_SECTION(numpy);
    assert(numpy->space_nbytes >= 0);
    space = (size_t)numpy->space_nbytes;
    used = (size_t)numpy->others_nbytes;
    Py_END_CRITICAL_SECTION();
    used += (size_t)pool_stats().reserved_nbytes;
    *limit = 0;
    for (size_t i = 0; i < sizeof limits / sizeof *limits && *limit == 0; i++) {
        size_t reserved = 2 * limits[i].limit;
        if (limits[i].limit <= max && nbytes <= limits[i].limit / 2 &&
            reserved <= space / MAX_PART &&
            (double)(used + reserved) <= (double)space * limits[i].share) {
            *limit = limits[i].limit;
        }
    }
    assert(*limit <= max && (*limit == 0 || nbytes <= *limit / 2));
    return 0;
}

/* ---------------------------------------------------------------- cached layouts */

/* Whether an argument means the same dtype in every call. A list of fields may change,
 * and so may the attribute `dtype` of a class. */
static bool
is_constant_dtype(NumPyObject *numpy, PyObject *dtype)
{
    PyTypeObject *dtypes = (PyTypeObject *)numpy->hooks[NUMPY_dtype];
    PyTypeObject *scalars = (PyTypeObject *)numpy->hooks[NUMPY_generic];
    if (PyType_Check(dtype)) {
        return !PyType_HasFeature((PyTypeObject *)dtype, Py_TPFLAGS_HEAPTYPE) ||
               PyType_IsSubtype((PyTypeObject *)dtype, scalars);
    }
    return dtype == Py_None || PyUnicode_CheckExact(dtype) ||
           PyObject_TypeCheck(dtype, dtypes);
}

/* Whether a row shape is None, an int or a tuple of ints. Return false for an object of
 * a subclass, which may override __eq__. */
static bool
is_constant_shape(PyObject *row_shape)
{
    if (!PyTuple_CheckExact(row_shape)) {
        return row_shape == Py_None || PyLong_CheckExact(row_shape);
    }
    for (Py_ssize_t i = 0; i < PyTuple_GET_SIZE(row_shape); i++) {
        if (!PyLong_CheckExact(PyTuple_GET_ITEM(row_shape, i))) {
            return false;
        }
    }
    return true;
}

/* Compare dtypes by identity: equal dtypes may have different metadata. Compare names
 * by value. */
static bool
is_same_dtype(PyObject *left, PyObject *right)
{
    return left == right ||
           (left != NULL && PyUnicode_CheckExact(left) && PyUnicode_CheckExact(right) &&
            PyUnicode_Compare(left, right) == 0);
}

static bool
is_same_shape(PyObject *left, PyObject *right)
{
    if (left == right || left == NULL || Py_TYPE(left) != Py_TYPE(right)) {
        return left == right;
    }
    int rc = PyObject_RichCompareBool(left, right, Py_EQ);
    if (rc < 0) {
        PyErr_Clear(); /* a RecursionError, as ints run no other code */
    }
    return rc == 1;
}

/* Return the place in the cache for two arguments. */
static struct kept *
find_slot(NumPyObject *numpy, PyObject *dtype, PyObject *row_shape)
{
    assert(is_constant_dtype(numpy, dtype) && is_constant_shape(row_shape));
    size_t hash = PyUnicode_CheckExact(dtype) ? (size_t)PyObject_Hash(dtype)
                                              : (size_t)dtype / sizeof(PyObject);
    if (row_shape != Py_None) {
        hash += 31 * (size_t)PyObject_Hash(row_shape);
    }
    return &numpy->kept[hash % NUMPY_NKEPT];
}

/* Return the cached layout for two arguments, or NULL. */
static PyObject *
find_kept(NumPyObject *numpy, PyObject *dtype, PyObject *row_shape)
{
    PyObject *layout = NULL;
    Py_BEGIN_CRITICAL_SECTION(numpy);
    struct kept *kept = find_slot(numpy, dtype, row_shape);
    if (is_same_dtype(kept->dtype, dtype) &&
        is_same_shape(kept->row_shape, row_shape)) {
        layout = Py_NewRef(kept->layout);
    }
    Py_END_CRITICAL_SECTION();
    return layout;
}

static void
cache_layout(NumPyObject *numpy, PyObject *dtype, PyObject *row_shape, PyObject *layout)
{
    struct kept before;
    Py_BEGIN_CRITICAL_SECTION(numpy);
    struct kept *kept = find_slot(numpy, dtype, row_shape);
    before = *kept;
    *kept = (struct kept){.dtype = Py_NewRef(dtype),
                          .row_shape = Py_NewRef(row_shape),
                          .layout = Py_NewRef(layout)};
    Py_END_CRITICAL_SECTION();
    forget_layout(&before);
}

PyObject *
layout_of(NumPyObject *numpy, PyObject *dtype, PyObject *row_shape)
{
    bool is_constant = is_constant_dtype(numpy, dtype) && is_constant_shape(row_shape);
    PyObject *layout = is_constant ? find_kept(numpy, dtype, row_shape) : NULL;
    if (layout != NULL) {
        return layout;
    }
    PyObject *args[] = {dtype, row_shape};
    assert(!PyErr_Occurred());
    layout = PyObject_Vectorcall(numpy->hooks[NUMPY_make_layout], args, 2, NULL);
    struct state *state = PyType_GetModuleState(Py_TYPE(numpy));
    if (layout != NULL && Py_TYPE(layout) != state->layout_type) {
        PyErr_SetString(PyExc_TypeError, "make_layout() must return a Layout");
        Py_CLEAR(layout);
    }
    if (layout != NULL && is_constant) {
        cache_layout(numpy, dtype, row_shape, layout);
    }
    return layout;
}
