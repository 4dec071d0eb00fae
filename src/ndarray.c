/* ndarray: making an ndarray of a buffer's bytes by NumPy's C API. */
#include "ndarray.h"

#include <stdint.h>
#include <string.h>

/* ------------------------------------------------------------------- NumPy's table */

enum {
    AT_VERSION = 0,
    AT_NDARRAY = 2, /* the type */
    AT_NEW_FROM_DESCR = 94,
    AT_SET_BASE_OBJECT = 282
};
enum { VERSION_1 = 0x01000009, VERSION_2 = 0x02000000 }; /* of the ABI */
enum { C_CONTIGUOUS = 0x1, ALIGNED = 0x100, WRITEABLE = 0x400 };

typedef unsigned int get_version_function(void);
typedef PyObject *new_from_descr_function(PyTypeObject *type, PyObject *dtype, int ndim,
                                          const intptr_t *lengths,
                                          const intptr_t *strides, void *bytes,
                                          int flags, PyObject *like);
typedef int set_base_object_function(PyObject *array, PyObject *base);

/* ---------------------------------------------------------- the base of an ndarray */

/* The object that an ndarray has as its base. While a holder exists, it counts as one
 * view of the buffer. */
typedef struct {
    PyObject_HEAD
    BufferObject *buffer; /* NULL: not yet a view */
    /* How many bytes had been removed from the front of the buffer when the ndarray was
     * made (views.h). buffer_release_view() needs that number. */
    size_t position;
    char *start; /* the bytes that the ndarray shows */
    size_t nbytes;
} HolderObject;

/* NumPy asks for a writable view of the base before it sets the flag WRITEABLE. That
 * view refers to the holder. So the holder, which counts as a view of the buffer,
 * exists at least as long. */
static int
holder_getbuffer(PyObject *op, Py_buffer *view, int flags)
{
    HolderObject *self = (HolderObject *)op;
    assert(self->buffer != NULL && buffer_nviews(self->buffer) > 0);
    return PyBuffer_FillInfo(view, op, self->start, (Py_ssize_t)self->nbytes, 0, flags);
}

static void
holder_dealloc(PyObject *op)
{
    HolderObject *self = (HolderObject *)op;
    PyTypeObject *type = Py_TYPE(op);
    if (self->buffer != NULL) {
        Py_BEGIN_CRITICAL_SECTION(self->buffer);
        buffer_release_view(self->buffer, self->position);
        Py_END_CRITICAL_SECTION();
        Py_DECREF(self->buffer);
    }
    type->tp_free(op);
    Py_DECREF(type);
}

PyDoc_STRVAR(holder_doc, "The base of an ndarray of a GrowBuffer's bytes.");

static PyType_Slot holder_slots[] = {
    {Py_tp_doc, (void *)holder_doc},
    {Py_tp_dealloc, holder_dealloc},
    {Py_bf_getbuffer, holder_getbuffer},
    {0, NULL},
};

static PyType_Spec holder_spec = {
    .name = "growbuf._growbuf.Holder",
    .basicsize = sizeof(HolderObject),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_IMMUTABLETYPE |
             Py_TPFLAGS_DISALLOW_INSTANTIATION,
    .slots = holder_slots,
};

/* ------------------------------------------------------------------- the functions */

int
ndarray_open(struct ndarray_api *api, PyObject *module, PyObject *capsule)
{
    void *const *functions = PyCapsule_GetPointer(capsule, NULL);
    PyErr_Clear(); /* it is None, or a capsule of another kind */
    if (functions != NULL) {
        get_version_function *get_version;
        memcpy(&get_version, &functions[AT_VERSION], sizeof get_version);
        unsigned int version = get_version();
        if (version == VERSION_1 || version == VERSION_2) {
            api->functions = functions;
        }
    }
    api->holder_type =
        (PyTypeObject *)PyType_FromModuleAndSpec(module, &holder_spec, NULL);
    if (api->holder_type == NULL && !PyErr_Occurred()) {
        PyErr_NoMemory(); /* PyType_FromModuleAndSpec() of 3.11 may not raise it */
    }
    return api->holder_type == NULL ? -1 : 0;
}

PyObject *
ndarray_make(const struct ndarray_api *api, BufferObject *buffer, PyObject *dtype,
             size_t nitems)
{
    new_from_descr_function *new_from_descr;
    set_base_object_function *set_base_object;
    assert(api->functions != NULL);
    memcpy(&new_from_descr, &api->functions[AT_NEW_FROM_DESCR], sizeof new_from_descr);
    memcpy(&set_base_object, &api->functions[AT_SET_BASE_OBJECT],
           sizeof set_base_object);

    HolderObject *holder = PyObject_New(HolderObject, api->holder_type);
    if (holder == NULL) {
        return NULL;
    }
    holder->buffer = NULL;
    if (buffer_acquire_view(buffer, &holder->position) < 0) {
        Py_DECREF(holder);
        return NULL;
    }
    holder->buffer = (BufferObject *)Py_NewRef(buffer);
    holder->start = buffer_bytes(buffer);
    holder->nbytes = buffer_length(buffer);
    assert(buffer_nviews(buffer) > 0);
    assert(nitems == 0 ? holder->nbytes == 0 : holder->nbytes % nitems == 0);
    intptr_t length = (intptr_t)nitems;
    PyObject *array =
        new_from_descr(api->functions[AT_NDARRAY], Py_NewRef(dtype), 1, &length, NULL,
                       buffer_bytes(buffer), C_CONTIGUOUS | ALIGNED | WRITEABLE, NULL);
    if (array == NULL) {
        Py_DECREF(holder);
    }
    else if (set_base_object(array, (PyObject *)holder) < 0) { /* takes the reference */
        Py_CLEAR(array);
    }
    return array;
}
