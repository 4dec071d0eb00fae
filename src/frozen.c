/* frozen: the Python type FrozenBytes, bytes that were taken out of a GrowBuffer. */
#include "frozen.h"

#include <string.h>

/* The header of the object: that of any bytes object. */
#define BYTES_NBYTES offsetof(PyBytesObject, ob_sval)

/* The struct span before it, which a free-threaded build does not have. */
#ifdef Py_GIL_DISABLED
#define MEMORY_NBYTES ((size_t)0)
#else
#define MEMORY_NBYTES sizeof(struct span)
#endif

#define HEADER_NBYTES (MEMORY_NBYTES + BYTES_NBYTES)

static_assert(HEADER_NBYTES % STORE_ALIGNMENT == 0 &&
                  BYTES_NBYTES % STORE_ALIGNMENT == 0,
              "bytes and header are not both aligned");

static inline bool
is_header_aligned(const void *address)
{
    return (uintptr_t)address % STORE_ALIGNMENT == 0;
}

bool
frozen_can_take(const struct store *store)
{
    return MEMORY_NBYTES > 0 && HEADER_NBYTES <= GROWTH_FRONT &&
           store_kind(store) >= STORE_SPAN;
}

/* --------------------------------------------------- construction, deallocation */

/* Initialize the header before `start`, of an object whose bytes begin there. */
static PyObject *
init_at(char *start, PyTypeObject *type, size_t nbytes)
{
    PyVarObject *op = (PyVarObject *)(start - BYTES_NBYTES);
    assert(is_header_aligned(op) && nbytes < PY_SSIZE_T_MAX);
    assert(type->tp_itemsize == 1 && type->tp_basicsize == BYTES_NBYTES + 1);
    (void)PyObject_InitVar(op, type, (Py_ssize_t)nbytes);
    _Py_COMP_DIAG_PUSH;
    _Py_COMP_DIAG_IGNORE_DEPR_DECLS;
    ((PyBytesObject *)op)->ob_shash = -1; /* not computed yet */
    _Py_COMP_DIAG_POP;
    start[nbytes] = '\0';
    assert(frozen_check((PyObject *)op) == NULL);
    return (PyObject *)op;
}

/* Return the struct span that describes a heap block. */
static inline struct span
heap_memory(char *block, size_t allocated)
{
    return (struct span){.address = block,
                         .length = allocated,
                         .dirty_end = allocated - 1,
                         .tag = STORE_HEAP};
}

/* Write `memory`, which describes the memory of an object, before the header of the
 * object. The bytes of the object begin at `start`. */
static inline void
describe_memory(char *start, const struct span *memory)
{
    assert(start - HEADER_NBYTES >= memory->address);
    memcpy(start - HEADER_NBYTES, memory, MEMORY_NBYTES);
}

struct store
frozen_store(const PyObject *op)
{
    struct store store = {.start = PyBytes_AS_STRING(op),
                          .length = (size_t)PyBytes_GET_SIZE(op)};
    assert(frozen_is_frozen(op));
    if (MEMORY_NBYTES > 0) {
        memcpy(&store.memory, (const char *)op - MEMORY_NBYTES, MEMORY_NBYTES);
    }
    else {
        store.memory = heap_memory((char *)op, HEADER_NBYTES + store.length + 1);
    }
    return store;
}

static PyObject *
create_on_heap(PyTypeObject *type, size_t nbytes)
{
    if (nbytes > (size_t)PY_SSIZE_T_MAX - HEADER_NBYTES - 1) {
        return PyErr_NoMemory();
    }
    size_t allocated = HEADER_NBYTES + nbytes + 1;
    char *block = PyObject_Malloc(allocated);
    if (block == NULL) {
        return PyErr_NoMemory();
    }
    const struct span memory = heap_memory(block, allocated);
    describe_memory(block + HEADER_NBYTES, &memory);
    return init_at(block + HEADER_NBYTES, type, nbytes);
}

PyObject *
frozen_create(PyTypeObject *type, size_t nbytes)
{
    struct store store;
    store_init(&store);
    store_set_prefault(&store, false);
    if (nbytes >= STORE_SMALL && MEMORY_NBYTES > 0 &&
        store_append(&store, nbytes) == 0) {
        if (frozen_can_take(&store)) {
            return frozen_from_store(type, &store);
        }
        store_free(&store);
    }
    return create_on_heap(type, nbytes);
}

PyObject *
frozen_from_store(PyTypeObject *type, struct store *store)
{
    assert(frozen_can_take(store) && store_check(store) == NULL);
    store_align(store);
    char *start = store->start;
    assert(is_header_aligned(start) && store_headroom(store) >= HEADER_NBYTES);
    (void)PyTraceMalloc_Track(BUFFER_TRACE_DOMAIN, (uintptr_t)store->memory.address,
                              store_nbytes(store));
    describe_memory(start, &store->memory);
    size_t nbytes = store->length;
    assert(start + nbytes < store->memory.address + store->memory.length);
    store_init(store);
    return init_at(start, type, nbytes);
}

/* Replace the struct span before the header by an empty one, so that frozen_dealloc()
 * frees no memory. */
bool
frozen_into_store(PyObject *op, struct store *store)
{
    struct store taken = frozen_store(op);
    assert(Py_REFCNT(op) == 1 && frozen_check(op) == NULL);
    if (store_kind(&taken) != STORE_SPAN) {
        return false;
    }
    const struct span nothing = {.tag = STORE_EMPTY};
    describe_memory(taken.start, &nothing);
    PyTraceMalloc_Untrack(BUFFER_TRACE_DOMAIN, (uintptr_t)taken.memory.address);
    Py_DECREF(op);
    *store = taken;
    return true;
}

static void
frozen_dealloc(PyObject *op)
{
    struct store store = frozen_store(op);
    PyTypeObject *type = Py_TYPE(op);
    assert(store_kind(&store) == STORE_EMPTY || frozen_check(op) == NULL);
    assert(Py_REFCNT(op) == 0 && !PyObject_IS_GC(op));
    if (store_kind(&store) == STORE_HEAP) {
        PyObject_Free(store.memory.address);
    }
    else if (store_kind(&store) != STORE_EMPTY) {
        PyTraceMalloc_Untrack(BUFFER_TRACE_DOMAIN, (uintptr_t)store.memory.address);
        store_free(&store);
    }
    Py_DECREF(type);
}

/* ------------------------------------------------------------------- the methods */

PyDoc_STRVAR(sizeof_doc,
"__sizeof__($self, /)\n--\n\n"
"Return the size of the object in memory, in bytes.");

static PyObject *
frozen_sizeof(PyObject *op, PyObject *Py_UNUSED(ignored))
{
    struct store store = frozen_store(op);
    return PyLong_FromSize_t(store_nbytes(&store));
}

PyDoc_STRVAR(reduce_doc,
"__reduce__($self, /)\n--\n\n"
"Return what pickle needs. The object is restored as a bytes object.");

static PyObject *
frozen_reduce(PyObject *op, PyObject *Py_UNUSED(ignored))
{
    return Py_BuildValue("O(y#)", &PyBytes_Type, PyBytes_AS_STRING(op),
                         PyBytes_GET_SIZE(op));
}

PyDoc_STRVAR(reduce_ex_doc,
"__reduce_ex__($self, protocol, /)\n--\n\n"
"Return what pickle needs. The object is restored as a bytes object. From protocol 5\n"
"on the bytes can go out of band (PEP 574).");

static PyObject *
frozen_reduce_ex(PyObject *op, PyObject *protocol)
{
    Py_ssize_t number = PyNumber_AsSsize_t(protocol, PyExc_OverflowError);
    if (number == -1 && PyErr_Occurred()) {
        return NULL;
    }
    assert(frozen_check(op) == NULL);
    if (number < 5) {
        return frozen_reduce(op, NULL);
    }
    PyObject *bytes = PyPickleBuffer_FromObject(op);
    return bytes == NULL ? NULL : Py_BuildValue("O(N)", &PyBytes_Type, bytes);
}

PyDoc_STRVAR(copy_doc,
"__copy__($self, /)\n--\n\n"
"Return the object itself, as copy.copy() of bytes does.");

PyDoc_STRVAR(deepcopy_doc,
"__deepcopy__($self, memo, /)\n--\n\n"
"Return the object itself, as copy.deepcopy() of bytes does.");

static PyObject *
frozen_copy(PyObject *op, PyObject *Py_UNUSED(memo))
{
    return Py_NewRef(op);
}

static PyMethodDef frozen_methods[] = {
    {"__sizeof__", frozen_sizeof, METH_NOARGS, sizeof_doc},
    {"__reduce__", frozen_reduce, METH_NOARGS, reduce_doc},
    {"__reduce_ex__", frozen_reduce_ex, METH_O, reduce_ex_doc},
    {"__copy__", frozen_copy, METH_NOARGS, copy_doc},
    {"__deepcopy__", frozen_copy, METH_O, deepcopy_doc},
    {NULL, NULL, 0, NULL},
};

/* ---------------------------------------------------------------------- the type */

PyDoc_STRVAR(frozen_doc,
"The bytes that GrowBuffer.freeze() or GrowIO.getvalue() returns.\n\n"
"It is a bytes object that differs from others only in its memory: it can take over\n"
"the pages of the buffer, so that the bytes are not copied. Slices, copies made by\n"
"bytes() and other results are ordinary bytes objects. As with every subclass of\n"
"bytes, partition() and rpartition() return the object itself in their result if they\n"
"do not find the separator. The type cannot be called, and cannot have subclasses.\n\n"
"The program may crash if C code resizes the object with _PyBytes_Resize(), which\n"
"is for new bytes objects only. In Python itself only input() does so, with the line\n"
"that sys.stdin.readline() returned. So if sys.stdin is replaced, readline() of the\n"
"new object must not return a FrozenBytes, but a copy of it: bytes(frozen).\n\n"
">>> from growbuf import GrowBuffer\n"
">>> frozen = GrowBuffer(b'spam and eggs').freeze()\n"
">>> frozen, isinstance(frozen, bytes), {b'spam and eggs': 1}[frozen]\n"
"(b'spam and eggs', True, 1)");

static PyType_Slot frozen_slots[] = {
    {Py_tp_doc, (void *)frozen_doc},
    {Py_tp_dealloc, frozen_dealloc},
    {Py_tp_methods, frozen_methods},
    {0, NULL},
};

/* The sizes of an object (basicsize, itemsize) are inherited from bytes. */
PyType_Spec frozen_spec = {
    .name = "growbuf.FrozenBytes",
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_IMMUTABLETYPE |
             Py_TPFLAGS_DISALLOW_INSTANTIATION,
    .slots = frozen_slots,
};

bool
frozen_is_frozen(const PyObject *op)
{
    return Py_TYPE(op)->tp_dealloc == frozen_dealloc;
}

const char *
frozen_check(const PyObject *op)
{
    if (!frozen_is_frozen(op) || !PyBytes_Check((PyObject *)op)) {
        return "it is not a FrozenBytes";
    }
    struct store store = frozen_store(op);
    return store_headroom(&store) < HEADER_NBYTES
               ? "there is no space for the header before the bytes"
               : store_check(&store);
}
