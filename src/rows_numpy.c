/* rows_numpy: the protocols by which NumPy's ufuncs and functions take a GrowArray. */

#include "rows_numpy.h"

/* ------------------------------------------------------------------------ ufuncs */

/* Return a copy of the tuple `out` with views in place of GrowArrays. */
static PyObject *
out_as_ndarrays(PyObject *out, bool kept)
{
    Py_ssize_t n = PyTuple_GET_SIZE(out);
    PyObject *result = PyTuple_New(n);
    assert(PyTuple_Check(out));
    for (Py_ssize_t i = 0; result != NULL && i < n; i++) {
        PyObject *item = rows_as_ndarray(PyTuple_GET_ITEM(out, i), kept);
        if (item == NULL) {
            Py_CLEAR(result);
            break;
        }
        PyTuple_SET_ITEM(result, i, item);
    }
    return result;
}

/* Return `result` with the GrowArrays of the tuple `out` in place of their views. Takes
 * the reference to `result`. */
static PyObject *
out_as_growarrays(PyObject *out, PyObject *result)
{
    Py_ssize_t n = PyTuple_GET_SIZE(out);
    assert(PyTuple_Check(out) && result != NULL);
    if (!PyTuple_CheckExact(result)) {
        PyObject *target = n == 1 ? PyTuple_GET_ITEM(out, 0) : Py_None;
        if (rows_check(target)) {
            Py_SETREF(result, Py_NewRef(target));
        }
        return result;
    }
    PyObject *mapped = PyTuple_New(PyTuple_GET_SIZE(result));
    for (Py_ssize_t i = 0; mapped != NULL && i < PyTuple_GET_SIZE(result); i++) {
        PyObject *target = i < n ? PyTuple_GET_ITEM(out, i) : Py_None;
        PyObject *item = rows_check(target) ? target : PyTuple_GET_ITEM(result, i);
        PyTuple_SET_ITEM(mapped, i, Py_NewRef(item));
    }
    Py_DECREF(result);
    return mapped;
}

/* Return the value of the keyword `out` if it is a tuple, else NULL. Borrowed. */
static PyObject *
find_out(PyObject *const *values, PyObject *kwnames)
{
    for (Py_ssize_t i = 0; kwnames != NULL && i < PyTuple_GET_SIZE(kwnames); i++) {
        PyObject *name = PyTuple_GET_ITEM(kwnames, i);
        if (PyUnicode_CompareWithASCIIString(name, "out") == 0 &&
            PyTuple_Check(values[i])) {
            return values[i];
        }
    }
    return NULL;
}

static inline bool
is_named(PyObject *name, const char *text)
{
    return PyUnicode_CompareWithASCIIString(name, text) == 0;
}

/* Whether the ufunc is of exactly the type np.ufunc, and rows_is_tame() is true of all
 * its operands. Then no code other than NumPy's can keep the view. */
static bool
all_tame(NumPyObject *numpy, PyObject *const *args, Py_ssize_t nargs, PyObject *out)
{
    bool tame = Py_TYPE(args[0]) == (PyTypeObject *)numpy->hooks[NUMPY_ufunc];
    for (Py_ssize_t i = 2; i < nargs; i++) {
        tame = tame && (args[i] == out || rows_is_tame(numpy, args[i]));
    }
    for (Py_ssize_t i = 0; out != NULL && i < PyTuple_GET_SIZE(out); i++) {
        tame = tame && rows_is_tame(numpy, PyTuple_GET_ITEM(out, i));
    }
    return tame;
}

PyDoc_STRVAR(array_ufunc_doc,
"__array_ufunc__($self, ufunc, method, /, *inputs, **kwargs)\n--\n\n"
"Call a ufunc, or a method of one, with an ndarray in place of each GrowArray.\n\n"
"Return the argument out if there is one, else the result. reduce() returns an\n"
"ndarray of the rows of out.");

/* More than any ufunc takes: NumPy allows 64 operands and ten keywords. */
enum { MAX_ARGS = 80 };

static PyObject *
rows_array_ufunc(PyObject *op, PyObject *const *args, Py_ssize_t nargs,
                 PyObject *kwnames)
{
    Py_ssize_t all = nargs + (kwnames == NULL ? 0 : PyTuple_GET_SIZE(kwnames));
    if (nargs < 2 || all > MAX_ARGS || !PyUnicode_Check(args[1])) {
        PyErr_SetString(PyExc_TypeError,
                        "__array_ufunc__() needs a ufunc, the name of a "
                        "method, and its arguments");
        return NULL;
    }
    PyObject *out = find_out(args + nargs, kwnames);
    bool reduces = is_named(args[1], "reduce");
    bool kept = !(reduces && out != NULL) && all_tame(rows_numpy(op), args, all, out);
    /* Collect the ufunc and its arguments, without args[1], the method's name. */
    PyObject *arrays[MAX_ARGS], *result = NULL;
    Py_ssize_t n = 0;
    for (; n < all - 1; n++) {
        PyObject *arg = args[n == 0 ? 0 : n + 1];
        assert(n < MAX_ARGS && arg != NULL);
        arrays[n] = out != NULL && arg == out ? out_as_ndarrays(out, kept)
                                              : rows_as_ndarray(arg, kept);
        if (arrays[n] == NULL) {
            break;
        }
    }
    if (n == all - 1) {
        assert(nargs >= 2 && PyUnicode_Check(args[1]));
        size_t count = (size_t)nargs - 2; /* without the ufunc and the name */
        result = is_named(args[1], "__call__")
                     ? PyObject_Vectorcall(arrays[0], arrays + 1, count, kwnames)
                     : PyObject_VectorcallMethod(args[1], arrays, count + 1, kwnames);
    }
    while (n > 0) {
        Py_DECREF(arrays[--n]);
    }
    for (Py_ssize_t i = 0; i < nargs; i++) {
        rows_clean(args[i]); /* ufunc.at() writes to an input */
    }
    for (Py_ssize_t i = 0; out != NULL && i < PyTuple_GET_SIZE(out); i++) {
        rows_clean(PyTuple_GET_ITEM(out, i));
    }
    return result == NULL || out == NULL || reduces ? result
                                                    : out_as_growarrays(out, result);
}

/* --------------------------------------------------------------------- functions */

/* A call of a function. Views replace the GrowArrays in its arguments. */
struct call {
    PyObject *replaced; /* the list of the GrowArrays that were replaced */
};

static PyObject *replace(struct call *call, PyObject *op);

static PyObject *
replace_in_tuple(struct call *call, PyObject *tuple)
{
    Py_ssize_t n = PyTuple_GET_SIZE(tuple);
    PyObject *result = PyTuple_New(n);
    for (Py_ssize_t i = 0; result != NULL && i < n; i++) {
        PyObject *item = replace(call, PyTuple_GET_ITEM(tuple, i));
        if (item == NULL) {
            Py_CLEAR(result);
            break;
        }
        PyTuple_SET_ITEM(result, i, item);
    }
    return result;
}

static PyObject *
replace_in_list(struct call *call, PyObject *list)
{
    PyObject *tuple = PySequence_Tuple(list);
    PyObject *replaced = tuple == NULL ? NULL : replace_in_tuple(call, tuple);
    PyObject *result = replaced == NULL ? NULL : PySequence_List(replaced);
    Py_XDECREF(tuple);
    Py_XDECREF(replaced);
    return result;
}

static PyObject *
replace_in_dict(struct call *call, PyObject *dict)
{
    PyObject *result = PyDict_Copy(dict), *key, *value;
    Py_ssize_t at = 0;
    while (result != NULL && PyDict_Next(result, &at, &key, &value)) {
        PyObject *replaced = replace(call, value);
        if (replaced == NULL || PyDict_SetItem(result, key, replaced) < 0) {
            Py_CLEAR(result);
        }
        Py_XDECREF(replaced);
    }
    return result;
}

/* Return an argument with views in place of GrowArrays, also of those in lists, tuples
 * and dicts. Each view is a new one, because the function may return it. */
static PyObject *
replace(struct call *call, PyObject *op)
{
    if (rows_check(op)) {
        return PyList_Append(call->replaced, op) < 0 ? NULL : rows_new_view(op);
    }
    if (!PyTuple_CheckExact(op) && !PyList_CheckExact(op) && !PyDict_CheckExact(op)) {
        return Py_NewRef(op);
    }
    if (Py_EnterRecursiveCall(" in __array_function__")) {
        return NULL;
    }
    PyObject *result = PyTuple_CheckExact(op)  ? replace_in_tuple(call, op)
                       : PyList_CheckExact(op) ? replace_in_list(call, op)
                                               : replace_in_dict(call, op);
    Py_LeaveRecursiveCall();
    return result;
}

/* Call a function of NumPy. If no GrowArray was replaced, there is one inside an object
 * of another type. NumPy would find it again and call __array_function__() without end.
 * So call the function's implementation, which does not look for one. */
static PyObject *
call_function(PyObject *function, const struct call *call, PyObject *args,
              PyObject *kwargs)
{
    PyObject *implementation = NULL;
    assert(PyTuple_Check(args) && PyDict_Check(kwargs));
    if (PyList_GET_SIZE(call->replaced) == 0) {
        implementation = PyObject_GetAttrString(function, "_implementation");
        if (implementation == NULL) {
            if (!PyErr_ExceptionMatches(PyExc_AttributeError)) {
                return NULL;
            }
            PyErr_Clear();
        }
    }
    PyObject *result =
        PyObject_Call(implementation != NULL ? implementation : function, args, kwargs);
    Py_XDECREF(implementation);
    return result;
}

/* If a function returned the view that replaced its argument out, return the GrowArray
 * that was passed as out; else NULL. Borrowed. The first argument is skipped: it is
 * never out, but some functions, such as atleast_1d(), return it. */
static PyObject *
find_returned(PyObject *args, PyObject *new_args, PyObject *kwargs,
              PyObject *new_kwargs, PyObject *result)
{
    for (Py_ssize_t i = 1; i < PyTuple_GET_SIZE(args); i++) {
        PyObject *arg = PyTuple_GET_ITEM(args, i);
        if (result == PyTuple_GET_ITEM(new_args, i) && rows_check(arg)) {
            return arg;
        }
    }
    PyObject *out = PyDict_GetItemString(kwargs, "out");
    bool is_returned = out != NULL && rows_check(out) &&
                       result == PyDict_GetItemString(new_kwargs, "out");
    return is_returned ? out : NULL;
}

PyDoc_STRVAR(array_function_doc,
"__array_function__($self, func, types, args, kwargs, /)\n--\n\n"
"Call a function of NumPy with an ndarray in place of each GrowArray.\n\n"
"Return the argument out if there is one, else the result.");

static PyObject *
rows_array_function(PyObject *Py_UNUSED(op), PyObject *arguments)
{
    PyObject *function, *types, *args, *kwargs, *result = NULL;
    if (!PyArg_ParseTuple(arguments, "OOO!O!:__array_function__", &function, &types,
                          &PyTuple_Type, &args, &PyDict_Type, &kwargs)) {
        return NULL;
    }
    struct call call = {.replaced = PyList_New(0)};
    if (call.replaced == NULL) {
        return NULL;
    }
    PyObject *new_args = replace(&call, args);
    PyObject *new_kwargs = new_args == NULL ? NULL : replace(&call, kwargs);
    if (new_kwargs != NULL) {
        result = call_function(function, &call, new_args, new_kwargs);
        PyObject *out = find_returned(args, new_args, kwargs, new_kwargs, result);
        if (out != NULL) {
            Py_SETREF(result, Py_NewRef(out));
        }
    }
    for (Py_ssize_t i = 0; i < PyList_GET_SIZE(call.replaced); i++) {
        rows_clean(PyList_GET_ITEM(call.replaced, i));
    }
    Py_XDECREF(new_args);
    Py_XDECREF(new_kwargs);
    Py_DECREF(call.replaced);
    return result;
}

PyDoc_STRVAR(clean_doc,
"_clean($self, /)\n--\n\n"
"Zero the padding bytes of all rows, after an ndarray's method has written to them.");

static PyObject *
rows_clean_method(PyObject *op, PyObject *Py_UNUSED(ignored))
{
    rows_clean(op);
    Py_RETURN_NONE;
}

PyDoc_STRVAR(pin_doc,
"_pin($self, address, view, /)\n--\n\n"
"Keep a view as long as the array exists, because other code uses its address.\n\n"
"If a view with the same address is kept already, the new one is not needed.");

static PyObject *
rows_pin(PyObject *op, PyObject *args)
{
    RowsObject *self = rows_cast(op);
    PyObject *address, *view, *kept = NULL;
    if (!PyArg_ParseTuple(args, "OO:_pin", &address, &view)) {
        return NULL;
    }
    Py_BEGIN_CRITICAL_SECTION(self->buffer);
    struct rows_extra *extra = rows_ensure_extra(self);
    if (extra == NULL) {
        PyErr_NoMemory();
    }
    else if (extra->pinned != NULL || (extra->pinned = PyDict_New()) != NULL) {
        kept = PyDict_SetDefault(extra->pinned, address, view);
    }
    Py_END_CRITICAL_SECTION();
    return kept == NULL ? NULL : Py_NewRef(Py_None);
}

const PyMethodDef rows_numpy_methods[] = {
    {"__array_ufunc__", BUFFER_METHOD(rows_array_ufunc), METH_FASTCALL | METH_KEYWORDS,
     array_ufunc_doc},
    {"_pin", rows_pin, METH_VARARGS, pin_doc},
    {"_clean", rows_clean_method, METH_NOARGS, clean_doc},
    {"__array_function__", rows_array_function, METH_VARARGS, array_function_doc},
    {NULL, NULL, 0, NULL},
};
