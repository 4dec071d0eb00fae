/* growbuf._growbuf: the module. It makes the types and the functions. */

#include "buffer.h"

#include <errno.h>
#include <stdlib.h>

#include "args.h"
#include "array.h"
#include "base.h"
#include "capacity.h"
#include "construct.h"
#include "edit.h"
#include "frozen.h"
#include "growth.h"
#include "io.h"
#include "layout.h"
#include "pages.h"
#include "pieces.h"
#include "pool.h"
#include "readfrom.h"
#include "results.h"
#include "sequence.h"
#include "spare.h"
#include "state.h"
#include "transfer.h"

/* -------------------------------------------------------------------- the type */

PyDoc_STRVAR(buffer_doc,
"GrowBuffer(source=b'', /, encoding=None, errors='strict', *, prefault=False,\n"
"           limit=None)\n--\n\n"
"A bytearray that grows by moving pages instead of copying bytes.\n\n"
"It is a subclass of bytearray, with the same arguments and methods:\n\n"
">>> from growbuf import GrowBuffer\n"
">>> buf = GrowBuffer(b'spam')\n"
">>> buf += b' and eggs'\n"
">>> buf\n"
"GrowBuffer(b'spam and eggs')\n"
">>> isinstance(buf, bytearray)\n"
"True\n\n"
"Slices and the results of methods are GrowBuffers where those of a bytearray are\n"
"bytearrays. From 72 KiB up the bytes are in pages of their own. Growing moves the\n"
"pages (mremap(2)), at a cost that hardly depends on the length. A buffer that cannot\n"
"grow raises MemoryError and is unchanged.\n\n"
"source, encoding, errors: as for bytearray. A str needs an encoding.\n"
"prefault: a helper thread touches pages ahead of the writer. It has no effect on a\n"
"buffer with a limit.\n"
"limit: the largest number of bytes that the buffer can hold; None for no limit.\n"
"Address space for them is reserved, which takes no memory. So bytes can be appended,\n"
"and removed from the front, while views of the buffer exist. A view keeps its length\n"
"and sees later writes. Removed bytes count towards the limit while a view sees them.\n"
"Growing past the limit raises MemoryError. So does a limit for which the system has\n"
"no address space. Copies and slices have no limit.");

/* Make a type of the module. `base` is its base type, or NULL for object. */
static PyTypeObject *
make_type(PyObject *module, PyType_Spec *spec, PyObject *base)
{
    assert(!PyErr_Occurred());
    return (PyTypeObject *)PyType_FromModuleAndSpec(module, spec, base);
}

/* A prompt shows up to PROMPT_MAX_NBYTES in full. Of a longer buffer it shows
 * PROMPT_END_NBYTES at each end. */
enum { PROMPT_MAX_NBYTES = 1000, PROMPT_END_NBYTES = 32 };

/* Return bytes `start` to `end` as a bytes object. */
static PyObject *
copy_slice(PyObject *op, Py_ssize_t start, Py_ssize_t end)
{
    assert(start >= 0 && start <= end);
    PyObject *slice = PySequence_GetSlice(op, start, end);
    PyObject *copy = slice != NULL ? PyBytes_FromObject(slice) : NULL;
    Py_XDECREF(slice);
    return copy;
}

/* Return the text for a prompt: the repr of a short buffer, both ends of a long one. */
static PyObject *
prompt_text(PyObject *op)
{
    Py_ssize_t nbytes = PyObject_Size(op);
    if (nbytes <= PROMPT_MAX_NBYTES) {
        return nbytes < 0 ? NULL : PyObject_Repr(op);
    }
    PyObject *text = NULL, *last = NULL;
    PyObject *first = copy_slice(op, 0, PROMPT_END_NBYTES);
    if (first != NULL) {
        last = copy_slice(op, nbytes - PROMPT_END_NBYTES, nbytes);
    }
    if (last != NULL) {
        const char *dot = strrchr(Py_TYPE(op)->tp_name, '.');
        const char *name = dot != NULL ? dot + 1 : Py_TYPE(op)->tp_name;
        text = PyUnicode_FromFormat("<%s of %zd bytes: %R ... %R>", name, nbytes, first,
                                    last);
    }
    Py_XDECREF(first);
    Py_XDECREF(last);
    return text;
}

PyDoc_STRVAR(repr_pretty_doc,
"_repr_pretty_($self, printer, cycle, /)\n--\n\n"
"Show the buffer at IPython's prompt, or only its ends if it is over 1,000 bytes.\n"
"\n"
"repr() shows all bytes, because programs may write it to a file.");

static PyObject *
growbuffer_repr_pretty(PyObject *op, PyObject *args)
{
    PyObject *printer, *cycle;
    if (!PyArg_UnpackTuple(args, "_repr_pretty_", 2, 2, &printer, &cycle)) {
        return NULL;
    }
    PyObject *text = prompt_text(op);
    if (text == NULL) {
        return NULL;
    }
    PyObject *done = PyObject_CallMethod(printer, "text", "O", text);
    Py_DECREF(text);
    return done;
}

static const PyMethodDef prompt_methods[] = {
    {"_repr_pretty_", growbuffer_repr_pretty, METH_VARARGS, repr_pretty_doc},
    {NULL, NULL, 0, NULL},
};

static PyTypeObject *
make_buffer_type(PyObject *module, struct state *state)
{
    size_t n = state_add_methods(state->methods, 0, results_methods);
    n = state_add_methods(state->methods, n, pieces_methods);
    n = state_add_methods(state->methods, n, sequence_methods);
    n = state_add_methods(state->methods, n, edit_methods);
    n = state_add_methods(state->methods, n, capacity_methods);
    n = state_add_methods(state->methods, n, spare_methods);
    n = state_add_methods(state->methods, n, readfrom_methods);
    n = state_add_methods(state->methods, n, transfer_methods);
    n = state_add_methods(state->methods, n, prompt_methods);
    Py_ssize_t count = base_complete(state->methods, n, STATE_MAX_METHODS - 1);
    if (count < 0) {
        return NULL;
    }
    assert(count < STATE_MAX_METHODS);
    state->methods[count] = (PyMethodDef){NULL, NULL, 0, NULL};

    PyType_Slot slots[] = {
        {Py_tp_doc, (void *)buffer_doc},
        {Py_tp_new, buffer_new},
        {Py_tp_init, construct_init},
        {Py_tp_dealloc, buffer_dealloc},
        {Py_tp_methods, state->methods},
        {Py_tp_getset, (void *)capacity_getset},
        {Py_tp_richcompare, sequence_compare},
        {Py_mp_subscript, sequence_subscript},
        {Py_mp_ass_subscript, edit_ass_subscript},
        {Py_sq_ass_item, edit_ass_item},
        {Py_sq_concat, sequence_concat},
        {Py_sq_repeat, sequence_repeat},
        {Py_sq_inplace_concat, edit_inplace_concat},
        {Py_sq_inplace_repeat, edit_inplace_repeat},
        {Py_sq_contains, sequence_contains},
        {Py_nb_remainder, results_remainder},
        {Py_bf_getbuffer, buffer_getbuffer},
        {Py_bf_releasebuffer, buffer_releasebuffer},
#ifdef BUFFER_UNLOCKED_BASE
        {Py_sq_item, base_item},
        {Py_tp_iter, PySeqIter_New},
        {Py_tp_repr, base_repr},
        {Py_tp_str, base_str},
#endif
        {0, NULL},
    };
    PyType_Spec spec = {
        .name = "growbuf.GrowBuffer",
        .basicsize = sizeof(BufferObject),
        .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE | Py_TPFLAGS_IMMUTABLETYPE,
        .slots = slots,
    };
    PyTypeObject *type = make_type(module, &spec, (PyObject *)&PyByteArray_Type);
    if (type != NULL) {
        type->tp_vectorcall = construct_vectorcall; /* a slot only since 3.14 */
    }
    return type;
}

/* ---------------------------------------------------------------- the functions */

/* Return the name of an errno value that a probe may return, or "ok" for 0. */
static PyObject *
errno_name(int error)
{
    switch (error) {
    case 0:
        return PyUnicode_FromString("ok");
    case EINVAL:
        return PyUnicode_FromString("EINVAL");
    case ENOSYS:
        return PyUnicode_FromString("ENOSYS");
    case EPERM:
        return PyUnicode_FromString("EPERM");
    case EFAULT:
        return PyUnicode_FromString("EFAULT");
    case ENOMEM:
        return PyUnicode_FromString("ENOMEM");
    case ENOTSUP:
        return PyUnicode_FromString("ENOTSUP");
    default:
        return PyUnicode_FromFormat("errno %d", error);
    }
}

/* Store a value in a dict. The reference to it is consumed; it may be NULL. */
static int
set_new(PyObject *dict, const char *key, PyObject *value)
{
    assert(PyDict_Check(dict) && (value == NULL) == (PyErr_Occurred() != NULL));
    int rc = value == NULL ? -1 : PyDict_SetItemString(dict, key, value);
    Py_XDECREF(value);
    return rc;
}

/* Return a dict of what the probe of each rung returned. */
static PyObject *
probe_results(void)
{
    PyObject *results = PyDict_New();
    for (int rung = PAGES_NRUNGS - 1; results != NULL && rung > PAGES_HEAP; rung--) {
        PyObject *name = errno_name(pages_facts.errors[rung]);
        if (set_new(results, pages_rung_names[rung], name) < 0) {
            Py_CLEAR(results);
        }
    }
    return results;
}

PyDoc_STRVAR(facts_doc,
"facts()\n--\n\n"
"Return a dict of facts about the system: strategy, probe, populate, page_size and\n"
"huge_page_size (in bytes), transparent_hugepage.");

static PyObject *
facts(PyObject *Py_UNUSED(module), PyObject *Py_UNUSED(ignored))
{
    assert(pages_facts.rung < PAGES_NRUNGS && pages_facts.page_nbytes > 0);
    PyObject *dict = PyDict_New();
    if (dict == NULL) {
        return NULL;
    }
    if (set_new(dict, "strategy",
                PyUnicode_FromString(pages_rung_names[pages_facts.rung])) < 0 ||
        set_new(dict, "probe", probe_results()) < 0 ||
        set_new(dict, "populate", errno_name(pages_facts.populate_error)) < 0 ||
        set_new(dict, "page_size", PyLong_FromSize_t(pages_facts.page_nbytes)) < 0 ||
        set_new(dict, "huge_page_size", PyLong_FromSize_t(GROWTH_QUANTUM)) < 0 ||
        set_new(dict, "transparent_hugepage",
                PyUnicode_FromString(pages_huge_names[pages_facts.huge])) < 0) {
        Py_CLEAR(dict);
    }
    return dict;
}

PyDoc_STRVAR(stats_doc,
"stats()\n--\n\n"
"Return a dict of ints: counts since the process began, and what there is now.\n\n"
"moves, moved_bytes: moves of pages (growing, take()), and the address space moved.\n"
"copies, copied_bytes: copies within a buffer, or from the heap to a span or back.\n"
"The growth of small buffers on the heap, where realloc may copy, is not counted.\n"
"spans_live: spans in use. A span is the pages of one buffer.\n"
"pool_spans, pool_bytes: spans kept for new buffers, and how much memory (not\n"
"address space) they may hold. trim() gives them back.\n"
"object_bytes: memory of the objects and heap blocks of dropped buffers that this\n"
"interpreter keeps for new ones, except for the newest 1,024.\n"
"reserved_bytes: address space that is reserved by buffers with a limit.\n\n"
"All interpreters of a process share one pool and these counts.\n\n"
">>> import growbuf\n"
">>> growbuf.trim()\n"
">>> growbuf.stats()['pool_bytes']\n"
"0");

static PyObject *
stats(PyObject *module, PyObject *Py_UNUSED(ignored))
{
    struct pool_stats s = pool_stats();
    struct state *state = PyModule_GetState(module);
    size_t unused = buffer_dead_nbytes(state->buffer_type);
    return Py_BuildValue("{sKsKsKsKsKsKsKsKsn}", "moves", s.moves, "moved_bytes",
                         s.moved_nbytes, "copies", s.copies, "copied_bytes",
                         s.copied_nbytes, "spans_live", s.live, "pool_spans",
                         s.nentries, "pool_bytes", s.nbytes, "reserved_bytes",
                         s.reserved_nbytes, "object_bytes", (Py_ssize_t)unused);
}

PyDoc_STRVAR(trim_doc,
"trim()\n--\n\n"
"Give the memory and address space that is kept for new buffers back to the system.\n\n"
"Objects of deleted GrowBuffers, which are kept for new ones, go back to Python's\n"
"allocator. Buffers in use are not changed: GrowBuffer.trim() gives back the memory\n"
"that a buffer does not need. Costs a system call for each span in the pool\n"
"(pool_spans in stats()).\n\n"
">>> import growbuf\n"
">>> growbuf.trim()\n"
">>> growbuf.stats()['pool_bytes']\n"
"0");

static PyObject *
trim(PyObject *module, PyObject *Py_UNUSED(ignored))
{
    struct state *state = PyModule_GetState(module);
    buffer_free_dead(state->buffer_type);
    (void)pool_drain();
    Py_RETURN_NONE;
}

PyDoc_STRVAR(configure_doc,
"configure(*, pool_limit=None, prefault=None)\n--\n\n"
"Set how this process keeps and prepares memory. None leaves a setting unchanged.\n\n"
"pool_limit: the largest number of bytes of memory that the pool keeps for new\n"
"buffers; 0 keeps none. It starts at the value of the environment variable\n"
"GROWBUF_POOL_LIMIT, or at 64 MiB. Besides, deallocated objects of half that many\n"
"bytes are kept. Those that were not used for a second or two are freed when more\n"
"buffers are deallocated.\n"
"prefault: whether buffers made from now on use a helper thread that touches pages\n"
"ahead of the writer. It starts at False.\n\n"
"Raise ValueError if pool_limit is negative. Lowering the limit gives memory back at\n"
"once, with one system call for each span.\n\n"
">>> import growbuf\n"
">>> growbuf.configure(pool_limit=256 << 20)\n"
">>> growbuf.configure(pool_limit=64 << 20)");

static PyObject *
configure(PyObject *module, PyObject *args, PyObject *kwargs)
{
    static char *names[] = {"pool_limit", "prefault", NULL};
    PyObject *pool_limit = Py_None, *prefault = Py_None;
    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "|$OO:configure", names, &pool_limit,
                                     &prefault)) {
        return NULL;
    }
    int ahead = prefault == Py_None ? store_prefault : PyObject_IsTrue(prefault);
    if (ahead < 0) {
        return NULL;
    }
    if (pool_limit != Py_None) {
        Py_ssize_t nbytes;
        if (args_nbytes(pool_limit, "pool_limit", 0, &nbytes) < 0) {
            return NULL;
        }
        struct state *state = PyModule_GetState(module);
        assert(nbytes >= 0);
        pool_set_limit((size_t)nbytes);
        buffer_limit_dead(state->buffer_type);
    }
    store_prefault = ahead;
    Py_RETURN_NONE;
}

PyDoc_STRVAR(check_doc,
"check(buffer, /)\n--\n\n"
"Return what is wrong with a GrowBuffer or a FrozenBytes, or with the pool, or None.\n"
"For tests.");

static PyObject *
check(PyObject *Py_UNUSED(module), PyObject *op)
{
    bool is_frozen = frozen_is_frozen(op);
    if (!is_frozen && buffer_type(Py_TYPE(op)) == NULL) {
        PyErr_Format(PyExc_TypeError,
                     "expected a GrowBuffer or a FrozenBytes, got %.200s",
                     Py_TYPE(op)->tp_name);
        return NULL;
    }
    BUFFER_LOCKED(const char *, reason, op,
                  is_frozen ? frozen_check(op) : buffer_check(buffer_cast(op)));
    reason = reason != NULL ? reason : pool_check();
    return Py_BuildValue("z", reason);
}

PyDoc_STRVAR(place_doc,
"place(buffer, /)\n--\n\n"
"Return (kind, address, length) of the memory of a GrowBuffer or a FrozenBytes. The\n"
"kind is 'empty', 'heap', 'span' or 'limited'; the length is in bytes of address\n"
"space. For tests.");

static PyObject *
place(PyObject *Py_UNUSED(module), PyObject *op)
{
    static const char *const kinds[] = {"empty", "heap", "span", "limited"};
    bool is_frozen = frozen_is_frozen(op);
    if (!is_frozen && buffer_type(Py_TYPE(op)) == NULL) {
        PyErr_Format(PyExc_TypeError,
                     "expected a GrowBuffer or a FrozenBytes, got %.200s",
                     Py_TYPE(op)->tp_name);
        return NULL;
    }
    BUFFER_LOCKED(struct store, store, op,
                  is_frozen ? frozen_store(op) : buffer_cast(op)->store);
    assert((size_t)store_kind(&store) < sizeof kinds / sizeof *kinds);
    return Py_BuildValue("(sNN)", kinds[store_kind(&store)],
                         PyLong_FromVoidPtr(store.memory.address),
                         PyLong_FromSize_t(store.memory.length));
}

static PyMethodDef functions[] = {
    {"facts", facts, METH_NOARGS, facts_doc},
    {"stats", stats, METH_NOARGS, stats_doc},
    {"configure", BUFFER_METHOD(configure), METH_VARARGS | METH_KEYWORDS,
     configure_doc},
    {"trim", trim, METH_NOARGS, trim_doc},
    {"check", check, METH_O, check_doc},
    {"place", place, METH_O, place_doc},
    {"use_numpy", BUFFER_METHOD(layout_use_numpy), METH_VARARGS | METH_KEYWORDS,
     layout_use_numpy_doc},
    {NULL, NULL, 0, NULL},
};

/* -------------------------------------------------------------------- the module */

/* Return the highest rung that may be used: the one that GROWBUF_STRATEGY names, or the
 * highest of all if it is not set. If there is no such rung, raise ImportError and
 * return -1. */
static int
read_highest_rung(void)
{
    const char *name = getenv("GROWBUF_STRATEGY");
    if (name == NULL || *name == '\0') {
        return PAGES_NRUNGS - 1;
    }
    int rung = pages_rung_named(name);
    assert(rung < PAGES_NRUNGS);
    if (rung < 0) {
        PyErr_Format(PyExc_ImportError,
                     "GROWBUF_STRATEGY is %s, which is no rung: set it to retain, "
                     "dontunmap, maymove, copy or heap, or unset it",
                     name);
    }
    return rung;
}

/* Read the pool's limit from GROWBUF_POOL_LIMIT, or use the default if that is not set.
 * Return false, without an exception, if it is not a number of bytes. */
static bool
read_pool_limit(size_t *nbytes)
{
    *nbytes = POOL_NBYTES;
    const char *text = getenv("GROWBUF_POOL_LIMIT");
    if (text == NULL || *text == '\0') {
        return true;
    }
    char *end;
    errno = 0;
    long long number = strtoll(text, &end, 10);
    *nbytes = (size_t)number;
    return errno == 0 && *end == '\0' && number >= 0 && number <= PY_SSIZE_T_MAX;
}

/* Configure the pool and the heap once in a process. An import in another interpreter
 * does not do it again, so that the settings of configure() stay. Heap blocks come from
 * bytearray's allocator, so that a buffer can take over the block of a bytearray. */
static void
configure_once(void)
{
    size_t nbytes;
    if (read_pool_limit(&nbytes)) {
        pool_set_limit(nbytes);
    }
#if PY_VERSION_HEX < 0x030D0000
    store_heap.reallocate = PyObject_Realloc;
    store_heap.release = PyObject_Free;
#else
    store_heap.reallocate = PyMem_Realloc;
    store_heap.release = PyMem_Free;
#endif
}

/* Add a type to the module. The reference to it is consumed. */
static int
add_type(PyObject *module, PyTypeObject *type)
{
    int rc = type == NULL ? -1 : PyModule_AddType(module, type);
    Py_XDECREF(type);
    return rc;
}

static int
add_types(PyObject *module, struct state *state)
{
    PyObject *bytes = (PyObject *)&PyBytes_Type;
    if (!(state->spare_type = make_type(module, &spare_type_spec, NULL)) ||
        !(state->frozen_type = make_type(module, &frozen_spec, bytes)) ||
        !(state->buffer_type = make_buffer_type(module, state)) ||
        !(state->numpy_type = make_type(module, &layout_numpy_spec, NULL)) ||
        !(state->layout_type = make_type(module, &layout_spec, NULL)) ||
        !(state->rebuild_type = make_type(module, &transfer_rebuild_spec, NULL)) ||
        PyModule_AddType(module, state->rebuild_type) < 0 ||
        PyModule_AddType(module, state->buffer_type) < 0 ||
        PyModule_AddType(module, state->frozen_type) < 0 ||
        PyModule_AddType(module, state->layout_type) < 0) {
        return -1;
    }
    state->rebuild_type->tp_vectorcall = transfer_rebuild; /* a slot since 3.14 */
    buffer_keep_dead(state->buffer_type);
    return add_type(module, io_make_type(module)) < 0
               ? -1
               : add_type(module, array_make_type(module));
}

static int
module_exec(PyObject *module)
{
    struct state *state = PyModule_GetState(module);
    int highest = read_highest_rung();
    size_t nbytes;
    if (highest < 0) {
        return -1;
    }
    if (!read_pool_limit(&nbytes)) {
        PyErr_Format(PyExc_ImportError,
                     "GROWBUF_POOL_LIMIT is %s, which is not a number of bytes",
                     getenv("GROWBUF_POOL_LIMIT"));
        return -1;
    }
    assert(highest < PAGES_NRUNGS && nbytes <= PY_SSIZE_T_MAX);
    pool_init((enum pages_rung)highest, configure_once);
    if (!(state->release_name = PyUnicode_InternFromString("release")) ||
        !(state->dtype_name = PyUnicode_InternFromString("dtype")) ||
        base_state_init(state) < 0) {
        return -1;
    }
    int rc = add_types(module, state);
    if (rc < 0 && !PyErr_Occurred()) {
        PyErr_NoMemory(); /* PyType_FromModuleAndSpec() of 3.11 may not raise it */
    }
    return rc;
}

static int
module_traverse(PyObject *module, visitproc visit, void *arg)
{
    struct state *state = PyModule_GetState(module);
    Py_VISIT(state->buffer_type);
    Py_VISIT(state->spare_type);
    Py_VISIT(state->frozen_type);
    Py_VISIT(state->numpy_type);
    Py_VISIT(state->layout_type);
    Py_VISIT(state->numpy);
    Py_VISIT(state->release_name);
    Py_VISIT(state->rebuild_type);
    Py_VISIT(state->dtype_name);
    for (int i = 0; i < STATE_MAX_BASE; i++) {
        Py_VISIT(state->base[i]);
    }
    return 0;
}

static int
module_clear(PyObject *module)
{
    struct state *state = PyModule_GetState(module);
    buffer_drop_dead(state->buffer_type);
    Py_CLEAR(state->buffer_type);
    Py_CLEAR(state->spare_type);
    Py_CLEAR(state->frozen_type);
    Py_CLEAR(state->numpy_type);
    Py_CLEAR(state->layout_type);
    Py_CLEAR(state->numpy);
    Py_CLEAR(state->release_name);
    Py_CLEAR(state->rebuild_type);
    Py_CLEAR(state->dtype_name);
    for (int i = 0; i < STATE_MAX_BASE; i++) {
        Py_CLEAR(state->base[i]);
    }
    return 0;
}

static void
module_free(void *module)
{
    (void)module_clear(module);
}

static PyModuleDef_Slot module_slots[] = {
    {Py_mod_exec, module_exec},
#if PY_VERSION_HEX >= 0x030C0000
    {Py_mod_multiple_interpreters, Py_MOD_PER_INTERPRETER_GIL_SUPPORTED},
#endif
#if PY_VERSION_HEX >= 0x030D0000
    {Py_mod_gil, Py_MOD_GIL_NOT_USED},
#endif
    {0, NULL},
};

PyDoc_STRVAR(module_doc, "The C core of growbuf.");

static PyModuleDef module_def = {
    .m_base = PyModuleDef_HEAD_INIT,
    .m_name = "growbuf._growbuf",
    .m_doc = module_doc,
    .m_size = sizeof(struct state),
    .m_methods = functions,
    .m_slots = module_slots,
    .m_traverse = module_traverse,
    .m_clear = module_clear,
    .m_free = module_free,
};

PyMODINIT_FUNC
PyInit__growbuf(void)
{
    return PyModuleDef_Init(&module_def);
}
