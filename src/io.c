#include "io.h"

#include <limits.h>
#include <string.h>

#include "args.h"
#include "state.h"

/* _io._BufferedIOBase has no struct in any header. What its instances keep fits into
 * `of_base`, or the type is not made: two words on all Pythons so far. */
typedef struct {
    PyObject_HEAD
    void *of_base[4];
    BufferObject *buffer; /* NULL when new or closed */
    size_t position;      /* at most PY_SSIZE_T_MAX, and maybe behind the end */
    bool is_new;          /* its buffer is made when it is needed */
    bool finalizing;
} IOObject;

static inline IOObject *
io_cast(PyObject *op)
{
    return (IOObject *)op;
}

static void io_dealloc(PyObject *op);

/* Return GrowIO itself among the bases of `type`. Borrowed. */
static PyTypeObject *
io_type(PyTypeObject *type)
{
    while (type->tp_dealloc != io_dealloc) {
        type = type->tp_base;
    }
    return type;
}

static PyTypeObject *
base_of(PyObject *op)
{
    return io_type(Py_TYPE(op))->tp_base;
}

static PyTypeObject *
buffer_type_of(PyTypeObject *type)
{
    struct state *state = PyType_GetModuleState(io_type(type));
    return state->buffer_type;
}

/* ----------------------------------------------------------- a call's arguments */

/* Every method converts its arguments first, which may run user code that closes or
 * changes the file (CPython gh-143378, gh-143602). What they were converted to is all
 * that the rest of the call, its action, looks at. */
struct given {
    char *bytes;
    Py_ssize_t number; /* how many bytes, or an offset */
    int whence;
};

/* Convert an optional number of bytes; None stands for -1. */
static int
as_size(PyObject *number, Py_ssize_t *size)
{
    if (args_small_int(number, size)) {
        return 0;
    }
    *size = -1;
    if (number == Py_None) {
        return 0;
    }
    if (!PyIndex_Check(number)) {
        PyErr_Format(PyExc_TypeError,
                     "argument should be integer or None, not '%.200s'",
                     Py_TYPE(number)->tp_name);
        return -1;
    }
    *size = PyNumber_AsSsize_t(number, PyExc_OverflowError);
    return *size == -1 && PyErr_Occurred() ? -1 : 0;
}

/* The same for methods that have no other argument. */
static int
size_argument(const char *name, PyObject *const *args, Py_ssize_t nargs,
              struct given *given)
{
    *given = (struct given){.number = -1};
    if (args_check_count(name, nargs, 0, 1) < 0) {
        return -1;
    }
    return nargs == 0 ? 0 : as_size(args[0], &given->number);
}

static int
as_whence(PyObject *number, int *whence)
{
    int overflow;
    long value = PyLong_AsLongAndOverflow(number, &overflow);
    if (value == -1 && PyErr_Occurred()) {
        return -1;
    }
    if (overflow || value < INT_MIN || value > INT_MAX) {
        PyErr_SetString(PyExc_OverflowError,
                        "Python int too large to convert to C int");
        return -1;
    }
    *whence = (int)value;
    return 0;
}

/* -------------------------------------------------------------------- open, closed */

static void
raise_closed(void)
{
    PyErr_SetString(PyExc_ValueError, "I/O operation on closed file.");
}

/* Give a file that has no buffer an empty one if it is new, which most are not for
 * long: __init__ brings a buffer of its own. */
static void
open_new(IOObject *self)
{
    if (self->is_new) {
        PyTypeObject *type = buffer_type_of(Py_TYPE(self));
        self->buffer = (BufferObject *)buffer_new(type, NULL, NULL);
        self->is_new = self->buffer == NULL;
    }
    else {
        raise_closed();
    }
}

/* Return a new reference to the buffer of the open file. */
static inline BufferObject *
hold(PyObject *op)
{
    IOObject *self = io_cast(op);
    BufferObject *buffer;
    Py_BEGIN_CRITICAL_SECTION(op);
    if (self->buffer == NULL) {
        open_new(self);
    }
    buffer = self->buffer;
    Py_XINCREF(buffer);
    Py_END_CRITICAL_SECTION();
    return buffer;
}

static bool
is_closed(PyObject *op)
{
    IOObject *self = io_cast(op);
    bool closed;
    Py_BEGIN_CRITICAL_SECTION(op);
    closed = self->buffer == NULL && !self->is_new;
    Py_END_CRITICAL_SECTION();
    return closed;
}

/* Raise ValueError if the file is closed. */
static int
check_open(PyObject *op)
{
    if (is_closed(op)) {
        raise_closed();
        return -1;
    }
    return 0;
}

typedef PyObject *(*io_action)(IOObject *self, BufferObject *buffer,
                               struct given given);

/* Perform a call's action on the open file, with the file and its buffer locked. Where
 * another thread closes the file before they are, it was closed. */
static inline PyObject *
perform(PyObject *op, io_action action, struct given given)
{
    IOObject *self = io_cast(op);
    BufferObject *buffer = hold(op);
    if (buffer == NULL) {
        return NULL;
    }
    PyObject *result = NULL;
    Py_BEGIN_CRITICAL_SECTION2(op, (PyObject *)buffer);
    if (self->buffer == buffer) {
        result = action(self, buffer, given);
    }
    else {
        raise_closed();
    }
    Py_END_CRITICAL_SECTION2();
    Py_DECREF(buffer);
    return result;
}

/* The same for a call with an optional number of bytes and nothing else. */
static PyObject *
perform_sized(PyObject *op, const char *name, io_action action, PyObject *const *args,
              Py_ssize_t nargs)
{
    struct given given;
    return size_argument(name, args, nargs, &given) < 0 ? NULL
                                                        : perform(op, action, given);
}

/* Return a new reference to the buffer of a file in whatever state, NULL for none. */
static BufferObject *
hold_any(PyObject *op)
{
    BufferObject *buffer;
    Py_BEGIN_CRITICAL_SECTION(op);
    buffer = io_cast(op)->buffer;
    Py_XINCREF(buffer);
    Py_END_CRITICAL_SECTION();
    return buffer;
}

enum installed { INSTALLED, REFUSED, TOO_LATE };

/* Exchange the buffer `old` for `buffer` if it is still the file's, not exported. */
static enum installed
exchange(PyObject *op, BufferObject *old, BufferObject *buffer, size_t position)
{
    IOObject *self = io_cast(op);
    enum installed result = INSTALLED;
    Py_BEGIN_CRITICAL_SECTION2(op, old != NULL ? (PyObject *)old : op);
    if (self->buffer != old) {
        result = TOO_LATE;
    }
    else if (old != NULL && !self->finalizing && buffer_check_resizable(old) < 0) {
        result = REFUSED;
    }
    else {
        self->buffer = buffer;
        self->position = position;
        self->is_new = false;
    }
    Py_END_CRITICAL_SECTION2();
    return result;
}

/* Put `buffer`, a reference to which is taken, in the place of the file's own, unless
 * that is exported. NULL closes the file, which in its finalizer cannot fail: a view
 * keeps the bytes alive without it. */
static int
install(PyObject *op, BufferObject *buffer, size_t position)
{
    enum installed result;
    do {
        BufferObject *old = hold_any(op);
        result = exchange(op, old, buffer, position);
        if (result == INSTALLED) {
            Py_XDECREF(old); /* the file's own */
        }
        Py_XDECREF(old);
    } while (result == TOO_LATE);
    if (result == REFUSED) {
        Py_XDECREF(buffer);
        return -1;
    }
    return 0;
}

/* ---------------------------------------------------------------- bytes of a buffer */

/* Have bytes from `position` to `end` in the buffer. Those between its end and the
 * position become zeros, which cost nothing on fresh pages:
 *
 *   |<--- length --->|      |            |
 *   |<--- length --->|0000000............|
 *                           position     end
 */
static inline int
make_place(BufferObject *buffer, size_t position, size_t end)
{
    size_t length = buffer_length(buffer);
    if (end <= length) {
        return 0;
    }
    if (end > PY_SSIZE_T_MAX) {
        PyErr_SetString(PyExc_OverflowError, "new buffer size too large");
        return -1;
    }
    return position > length ? buffer_append_zeros(buffer, end - length)
                             : buffer_append(buffer, end - length);
}

/* Write at `position`. The GIL is kept, however many bytes there are: files shared by
 * threads must not see each other's writes as exports. */
static inline int
put(BufferObject *buffer, size_t position, const char *bytes, size_t nbytes)
{
    if (nbytes > 0) {
        if (make_place(buffer, position, position + nbytes) < 0) {
            return -1;
        }
        /* The bytes may be a view of the buffer. */
        memmove(buffer_bytes(buffer) + position, bytes, nbytes);
    }
    return 0;
}

/* Return how many bytes there are from `position`, at most `most`; -1 is no bound. */
static inline size_t
available(BufferObject *buffer, size_t position, Py_ssize_t most)
{
    size_t length = buffer_length(buffer);
    size_t rest = length > position ? length - position : 0;
    return most >= 0 && (size_t)most < rest ? (size_t)most : rest;
}

static PyObject *
get_bytes(BufferObject *buffer, size_t position, size_t nbytes)
{
    /* Behind the end there is no address to point to. */
    const char *from = nbytes > 0 ? buffer_bytes(buffer) + position : NULL;
    return PyBytes_FromStringAndSize(from, (Py_ssize_t)nbytes);
}

/* Return how long the line at `position` is, its newline included. */
static size_t
line_nbytes(BufferObject *buffer, size_t position, Py_ssize_t most)
{
    size_t nbytes = available(buffer, position, most);
    if (nbytes == 0) {
        return 0;
    }
    const char *from = buffer_bytes(buffer) + position;
    const char *newline = memchr(from, '\n', nbytes);
    return newline == NULL ? nbytes : (size_t)(newline - from) + 1;
}

/* ------------------------------------------------------------------------- writing */

PyDoc_STRVAR(write_doc,
"write($self, b, /)\n--\n\n"
"Write the bytes of a buffer at the position, and move it behind them.\n\n"
"Return how many bytes that were. A position behind the end is reached by zeros.\n"
"Raise BufferError if the length would change while the bytes are exported, and\n"
"MemoryError if memory runs out; then the file is what it was. Costs one copy of the\n"
"bytes: those already there are not copied once the buffer is in pages.");

static PyObject *
write_bytes(IOObject *self, BufferObject *buffer, struct given given)
{
    PyObject *result = PyLong_FromSsize_t(given.number);
    if (result == NULL) {
        return NULL;
    }
    size_t nbytes = (size_t)given.number;
    if (put(buffer, self->position, given.bytes, nbytes) < 0) {
        Py_DECREF(result);
        return NULL;
    }
    self->position += nbytes;
    return result;
}

/* The file's own buffer is not held by an export, under which it could not grow. It is
 * what `bytes` is, unless another thread has given the file a new one. */
static PyObject *
write_own_bytes(IOObject *self, BufferObject *buffer, struct given given)
{
    if ((char *)buffer != given.bytes) {
        raise_closed();
        return NULL;
    }
    size_t nbytes = buffer_length(buffer);
    PyObject *result = PyLong_FromSize_t(nbytes);
    if (result == NULL || nbytes == 0) {
        return result;
    }
    if (make_place(buffer, self->position, self->position + nbytes) < 0) {
        Py_DECREF(result);
        return NULL;
    }
    (void)put(buffer, self->position, buffer_bytes(buffer), nbytes);
    self->position += nbytes;
    return result;
}

static PyObject *
write_buffer(PyObject *op, PyObject *data)
{
    if (check_open(op) < 0) {
        return NULL;
    }
    if (data == (PyObject *)io_cast(op)->buffer) {
        return perform(op, write_own_bytes, (struct given){.bytes = (char *)data});
    }
    Py_buffer view;
    if (PyObject_GetBuffer(data, &view, PyBUF_CONTIG_RO) < 0) {
        return NULL;
    }
    struct given given = {.bytes = view.buf, .number = view.len};
    PyObject *result = perform(op, write_bytes, given);
    PyBuffer_Release(&view);
    return result;
}

static PyObject *
io_write(PyObject *op, PyObject *data)
{
    if (PyBytes_CheckExact(data)) {
        struct given given = {.bytes = PyBytes_AS_STRING(data),
                              .number = PyBytes_GET_SIZE(data)};
        return perform(op, write_bytes, given);
    }
    return write_buffer(op, data);
}

PyDoc_STRVAR(writelines_doc,
"writelines($self, lines, /)\n--\n\n"
"Write each buffer that an iterable yields; no newlines are added.\n\n"
"What was written before an error stays.");

static PyObject *
writelines(PyObject *op, PyObject *lines)
{
    if (check_open(op) < 0) {
        return NULL;
    }
    PyObject *iterator = PyObject_GetIter(lines);
    if (iterator == NULL) {
        return NULL;
    }
    PyObject *line;
    while ((line = PyIter_Next(iterator)) != NULL) {
        PyObject *written = io_write(op, line);
        Py_DECREF(line);
        if (written == NULL) {
            break;
        }
        Py_DECREF(written);
    }
    Py_DECREF(iterator);
    if (PyErr_Occurred()) {
        return NULL;
    }
    Py_RETURN_NONE;
}

PyDoc_STRVAR(truncate_doc,
"truncate($self, size=None, /)\n--\n\n"
"Cut the file off behind `size` bytes, by default at the position; return `size`.\n\n"
"The position stays, and a file that is shorter stays as it is. Raise ValueError if\n"
"`size` is negative, BufferError if the length would change while the bytes are\n"
"exported.");

static PyObject *
truncate_to(IOObject *Py_UNUSED(self), BufferObject *buffer, struct given given)
{
    if (given.number < 0) {
        PyErr_Format(PyExc_ValueError, "negative size value %zd", given.number);
        return NULL;
    }
    PyObject *result = PyLong_FromSsize_t(given.number);
    size_t size = (size_t)given.number, length = buffer_length(buffer);
    if (result != NULL && size < length &&
        buffer_splice(buffer, size, length - size, 0) < 0) {
        Py_CLEAR(result);
    }
    return result;
}

static PyObject *
truncate_here(IOObject *self, BufferObject *buffer, struct given given)
{
    given.number = (Py_ssize_t)self->position;
    return truncate_to(self, buffer, given);
}

static PyObject *
truncate_(PyObject *op, PyObject *const *args, Py_ssize_t nargs)
{
    struct given given;
    if (size_argument("truncate", args, nargs, &given) < 0) {
        return NULL;
    }
    bool here = nargs == 0 || args[0] == Py_None;
    return perform(op, here ? truncate_here : truncate_to, given);
}

/* ------------------------------------------------------------------------- reading */

PyDoc_STRVAR(read_doc,
"read($self, size=-1, /)\n--\n\n"
"Read at most `size` bytes, all there are if it is negative or None.\n\n"
"Return bytes, none of them at the end of the file. Costs one copy of them.");

static PyObject *
read_nbytes(IOObject *self, BufferObject *buffer, size_t nbytes)
{
    PyObject *result = get_bytes(buffer, self->position, nbytes);
    if (result != NULL) {
        self->position += nbytes;
    }
    return result;
}

static PyObject *
read_bytes(IOObject *self, BufferObject *buffer, struct given given)
{
    size_t nbytes = available(buffer, self->position, given.number);
    return read_nbytes(self, buffer, nbytes);
}

static PyObject *
io_read(PyObject *op, PyObject *const *args, Py_ssize_t nargs)
{
    return perform_sized(op, "read", read_bytes, args, nargs);
}

PyDoc_STRVAR(read1_doc,
"read1($self, size=-1, /)\n--\n\n"
"Do what read() does: there is no raw stream to call less often.");

static PyObject *
read1(PyObject *op, PyObject *const *args, Py_ssize_t nargs)
{
    return perform_sized(op, "read1", read_bytes, args, nargs);
}

PyDoc_STRVAR(readinto_doc,
"readinto($self, buffer, /)\n--\n\n"
"Read into a writable buffer as many bytes as there are or as it holds.\n\n"
"Return how many that were, 0 at the end of the file. The buffer may be a view of the\n"
"file's own bytes.");

static PyObject *
read_into(IOObject *self, BufferObject *buffer, struct given given)
{
    size_t nbytes = available(buffer, self->position, given.number);
    PyObject *result = PyLong_FromSize_t(nbytes);
    if (result != NULL && nbytes > 0) {
        memmove(given.bytes, buffer_bytes(buffer) + self->position, nbytes);
        self->position += nbytes;
    }
    return result;
}

static PyObject *
readinto(PyObject *op, PyObject *target)
{
    Py_buffer view;
    if (PyObject_GetBuffer(target, &view, PyBUF_WRITABLE) < 0) {
        PyErr_Format(PyExc_TypeError,
                     "readinto() argument must be read-write bytes-like object, not "
                     "%.50s",
                     target == Py_None ? "None" : Py_TYPE(target)->tp_name);
        return NULL;
    }
    struct given given = {.bytes = view.buf, .number = view.len};
    PyObject *result = perform(op, read_into, given);
    PyBuffer_Release(&view);
    return result;
}

PyDoc_STRVAR(readline_doc,
"readline($self, size=-1, /)\n--\n\n"
"Read up to and with the next newline, at most `size` bytes if it is not negative.\n\n"
"Return bytes, none of them at the end of the file.");

static PyObject *
read_line(IOObject *self, BufferObject *buffer, struct given given)
{
    size_t nbytes = line_nbytes(buffer, self->position, given.number);
    return read_nbytes(self, buffer, nbytes);
}

static PyObject *
readline(PyObject *op, PyObject *const *args, Py_ssize_t nargs)
{
    return perform_sized(op, "readline", read_line, args, nargs);
}

/* The end of the file is the end of the iteration: NULL with no exception. */
static PyObject *
next_line(IOObject *self, BufferObject *buffer, struct given Py_UNUSED(given))
{
    size_t nbytes = line_nbytes(buffer, self->position, -1);
    return nbytes == 0 ? NULL : read_nbytes(self, buffer, nbytes);
}

static PyObject *
io_iternext(PyObject *op)
{
    return perform(op, next_line, (struct given){0});
}

PyDoc_STRVAR(readlines_doc,
"readlines($self, size=None, /)\n--\n\n"
"Read lines to the end of the file and return a list of them.\n\n"
"A positive `size` stops after the line with which so many bytes are reached.");

static int
append_new(PyObject *list, PyObject *item)
{
    int rc = item == NULL ? -1 : PyList_Append(list, item);
    Py_XDECREF(item);
    return rc;
}

/* `bytes` is the list. It is made before, since making one may collect garbage and so
 * run user code. */
static PyObject *
read_lines(IOObject *self, BufferObject *buffer, struct given given)
{
    PyObject *lines = (PyObject *)given.bytes;
    size_t position = self->position, start = position, nbytes;
    while ((nbytes = line_nbytes(buffer, position, -1)) > 0) {
        if (append_new(lines, get_bytes(buffer, position, nbytes)) < 0) {
            return NULL;
        }
        position += nbytes;
        if (given.number > 0 && position - start >= (size_t)given.number) {
            break;
        }
    }
    self->position = position;
    return Py_NewRef(lines);
}

/* Only here is the size an int and nothing else. */
static int
as_hint(PyObject *size, Py_ssize_t *hint)
{
    *hint = -1;
    if (size == Py_None) {
        return 0;
    }
    if (!PyLong_Check(size)) {
        PyErr_Format(PyExc_TypeError, "integer argument expected, got '%.200s'",
                     Py_TYPE(size)->tp_name);
        return -1;
    }
    *hint = PyLong_AsSsize_t(size);
    return *hint == -1 && PyErr_Occurred() ? -1 : 0;
}

static PyObject *
readlines(PyObject *op, PyObject *const *args, Py_ssize_t nargs)
{
    struct given given = {0};
    if (args_check_count("readlines", nargs, 0, 1) < 0 || check_open(op) < 0 ||
        as_hint(nargs == 1 ? args[0] : Py_None, &given.number) < 0) {
        return NULL;
    }
    PyObject *lines = PyList_New(0);
    if (lines == NULL) {
        return NULL;
    }
    given.bytes = (char *)lines;
    PyObject *result = perform(op, read_lines, given);
    Py_DECREF(lines);
    return result;
}

/* -------------------------------------------------------------------- the position */

PyDoc_STRVAR(seek_doc,
"seek($self, pos, whence=0, /)\n--\n\n"
"Move to the byte `pos` and return the new position.\n\n"
"It counts from the start (`whence` 0), the position (1) or the end (2), and may be\n"
"behind the end. Raise ValueError if it is negative from the start; from elsewhere\n"
"what is before the start becomes the start. Costs nothing, also far behind the end.");

static PyObject *
seek_from(IOObject *self, size_t origin, Py_ssize_t offset)
{
    if (offset > PY_SSIZE_T_MAX - (Py_ssize_t)origin) {
        PyErr_SetString(PyExc_OverflowError, "new position too large");
        return NULL;
    }
    Py_ssize_t position = (Py_ssize_t)origin + offset;
    position = position < 0 ? 0 : position;
    PyObject *result = PyLong_FromSsize_t(position);
    if (result != NULL) {
        self->position = (size_t)position;
    }
    return result;
}

static PyObject *
seek_to(IOObject *self, BufferObject *buffer, struct given given)
{
    switch (given.whence) {
    case SEEK_SET:
        if (given.number < 0) {
            PyErr_Format(PyExc_ValueError, "negative seek value %zd", given.number);
            return NULL;
        }
        return seek_from(self, 0, given.number);
    case SEEK_CUR:
        return seek_from(self, self->position, given.number);
    case SEEK_END:
        return seek_from(self, buffer_length(buffer), given.number);
    default:
        PyErr_Format(PyExc_ValueError, "invalid whence (%i, should be 0, 1 or 2)",
                     given.whence);
        return NULL;
    }
}

static PyObject *
seek(PyObject *op, PyObject *const *args, Py_ssize_t nargs)
{
    struct given given = {.whence = SEEK_SET};
    if (args_check_count("seek", nargs, 1, 2) < 0 ||
        args_index(args[0], &given.number) < 0 ||
        (nargs == 2 && as_whence(args[1], &given.whence) < 0)) {
        return NULL;
    }
    return perform(op, seek_to, given);
}

PyDoc_STRVAR(tell_doc,
"tell($self, /)\n--\n\n"
"Return the position, in bytes from the start.");

static PyObject *
get_position(IOObject *self, BufferObject *Py_UNUSED(buffer),
             struct given Py_UNUSED(given))
{
    return PyLong_FromSize_t(self->position);
}

static PyObject *
tell(PyObject *op, PyObject *Py_UNUSED(ignored))
{
    return perform(op, get_position, (struct given){0});
}

/* ---------------------------------------------------------------- the whole at once */

PyDoc_STRVAR(getvalue_doc,
"getvalue($self, /)\n--\n\n"
"Return all bytes, wherever the position is, as bytes.\n\n"
"Costs one copy; getbuffer() and the attribute buffer cost none.");

static PyObject *
get_value(IOObject *Py_UNUSED(self), BufferObject *buffer,
          struct given Py_UNUSED(given))
{
    return get_bytes(buffer, 0, buffer_length(buffer));
}

static PyObject *
getvalue(PyObject *op, PyObject *Py_UNUSED(ignored))
{
    return perform(op, get_value, (struct given){0});
}

static PyObject *
io_get_buffer(PyObject *op, void *Py_UNUSED(closure))
{
    return (PyObject *)hold(op);
}

PyDoc_STRVAR(getbuffer_doc,
"getbuffer($self, /)\n--\n\n"
"Return a memoryview of the bytes, through which they can be written.\n\n"
"While there is one the length cannot change and the file cannot be closed: that is a\n"
"BufferError. Costs no copy.");

static PyObject *
getbuffer(PyObject *op, PyObject *Py_UNUSED(ignored))
{
    PyObject *buffer = io_get_buffer(op, NULL);
    PyObject *view = buffer == NULL ? NULL : PyMemoryView_FromObject(buffer);
    Py_XDECREF(buffer);
    return view;
}

PyDoc_STRVAR(close_doc,
"close($self, /)\n--\n\n"
"Let go of the buffer; every other method raises ValueError from then on.\n\n"
"Who has the buffer keeps its bytes. Raise BufferError while they are exported.");

static PyObject *
io_close(PyObject *op, PyObject *Py_UNUSED(ignored))
{
    if (install(op, NULL, 0) < 0) {
        return NULL;
    }
    Py_RETURN_NONE;
}

PyDoc_STRVAR(sizeof_doc,
"__sizeof__($self, /)\n--\n\n"
"Return the bytes of memory the file and its buffer may occupy.");

static PyObject *
io_sizeof(PyObject *op, PyObject *Py_UNUSED(ignored))
{
    size_t nbytes = (size_t)Py_TYPE(op)->tp_basicsize;
    if (!is_closed(op)) {
        BufferObject *buffer = hold(op);
        if (buffer == NULL) {
            return NULL;
        }
        Py_BEGIN_CRITICAL_SECTION((PyObject *)buffer);
        nbytes += sizeof(BufferObject) + store_nbytes(&buffer->store);
        Py_END_CRITICAL_SECTION();
        Py_DECREF(buffer);
    }
    return PyLong_FromSize_t(nbytes);
}

/* ------------------------------------------------------------------ what it is not */

PyDoc_STRVAR(flush_doc,
"flush($self, /)\n--\n\n"
"Do nothing, unless the file is closed: raise ValueError then.");

static PyObject *
flush(PyObject *op, PyObject *Py_UNUSED(ignored))
{
    if (check_open(op) < 0) {
        return NULL;
    }
    Py_RETURN_NONE;
}

PyDoc_STRVAR(isatty_doc, "isatty($self, /)\n--\n\nReturn False.");

static PyObject *
isatty_(PyObject *op, PyObject *Py_UNUSED(ignored))
{
    return check_open(op) < 0 ? NULL : Py_NewRef(Py_False);
}

PyDoc_STRVAR(readable_doc, "readable($self, /)\n--\n\nReturn True.");
PyDoc_STRVAR(seekable_doc, "seekable($self, /)\n--\n\nReturn True.");
PyDoc_STRVAR(writable_doc, "writable($self, /)\n--\n\nReturn True.");

static PyObject *
yes(PyObject *op, PyObject *Py_UNUSED(ignored))
{
    return check_open(op) < 0 ? NULL : Py_NewRef(Py_True);
}

static PyObject *
get_closed(PyObject *op, void *Py_UNUSED(closure))
{
    return PyBool_FromLong(is_closed(op));
}

/* -------------------------------------------------------------------------- birth */

/* Write the bytes of an object, NULL for none, to a buffer that nobody has seen. */
static int
fill_buffer(BufferObject *buffer, PyObject *source)
{
    if (source == NULL) {
        return 0;
    }
    Py_buffer view;
    if (PyObject_GetBuffer(source, &view, PyBUF_CONTIG_RO) < 0) {
        return -1;
    }
    int rc = put(buffer, 0, view.buf, (size_t)view.len);
    PyBuffer_Release(&view);
    return rc;
}

/* Return a new buffer with the bytes of `source`, NULL for none, and with a limit
 * unless that is None. */
static BufferObject *
make_buffer(PyTypeObject *type, PyObject *source, PyObject *limit)
{
    PyObject *op;
    if (limit == Py_None) {
        op = buffer_new(type, NULL, NULL);
    }
    else {
        PyObject *nothing = PyTuple_New(0);
        PyObject *kwargs = Py_BuildValue("{sO}", "limit", limit);
        op = nothing == NULL || kwargs == NULL
                 ? NULL
                 : PyObject_Call((PyObject *)type, nothing, kwargs);
        Py_XDECREF(kwargs);
        Py_XDECREF(nothing);
    }
    if (op != NULL && fill_buffer(buffer_cast(op), source) < 0) {
        Py_CLEAR(op);
    }
    return (BufferObject *)op;
}

/* A file that __init__ was not called for is an empty one. */
static PyObject *
io_new(PyTypeObject *type, PyObject *Py_UNUSED(args), PyObject *Py_UNUSED(kwargs))
{
    PyObject *op = type->tp_alloc(type, 0);
    if (op != NULL) {
        io_cast(op)->is_new = true;
    }
    return op;
}

struct init_args {
    PyObject *initial; /* NULL for none */
    PyObject *buffer, *limit;
};

static int
parse_init(PyObject *args, PyObject *kwargs, struct init_args *parsed)
{
    static char *names[] = {"initial_bytes", "buffer", "limit", NULL};
    *parsed = (struct init_args){NULL, Py_None, Py_None};
    if (kwargs == NULL && PyTuple_GET_SIZE(args) <= 1) {
        parsed->initial =
            PyTuple_GET_SIZE(args) == 1 ? PyTuple_GET_ITEM(args, 0) : NULL;
    }
    else if (!PyArg_ParseTupleAndKeywords(args, kwargs, "|O$OO:GrowIO", names,
                                          &parsed->initial, &parsed->buffer,
                                          &parsed->limit)) {
        return -1;
    }
    if (parsed->initial == Py_None) {
        parsed->initial = NULL;
    }
    return 0;
}

/* Return a new reference to a GrowBuffer that was given to be worked on. */
static BufferObject *
given_buffer(const struct init_args *args)
{
    if (buffer_type(Py_TYPE(args->buffer)) == NULL) {
        PyErr_Format(PyExc_TypeError, "buffer must be a GrowBuffer, not '%.200s'",
                     Py_TYPE(args->buffer)->tp_name);
        return NULL;
    }
    if (args->initial != NULL) {
        PyErr_SetString(PyExc_TypeError,
                        "initial_bytes cannot be combined with buffer, which has its "
                        "own bytes");
        return NULL;
    }
    if (args->limit != Py_None) {
        PyErr_SetString(PyExc_TypeError,
                        "limit cannot be combined with buffer, which has its own");
        return NULL;
    }
    return (BufferObject *)Py_NewRef(args->buffer);
}

static int
io_init(PyObject *op, PyObject *args, PyObject *kwargs)
{
    struct init_args parsed;
    if (parse_init(args, kwargs, &parsed) < 0) {
        return -1;
    }
    BufferObject *buffer =
        parsed.buffer != Py_None
            ? given_buffer(&parsed)
            : make_buffer(buffer_type_of(Py_TYPE(op)), parsed.initial, parsed.limit);
    return buffer == NULL ? -1 : install(op, buffer, 0);
}

/* ------------------------------------------------------------------------- pickling */

/* Return the value and the position. */
static PyObject *
get_state(IOObject *self, BufferObject *buffer, struct given Py_UNUSED(given))
{
    PyObject *value = get_bytes(buffer, 0, buffer_length(buffer));
    return value == NULL ? NULL
                         : Py_BuildValue("(Nn)", value, (Py_ssize_t)self->position);
}

PyDoc_STRVAR(getstate_doc,
"__getstate__($self, /)\n--\n\n"
"Return the bytes, the position, and a copy of the attributes or None.");

static PyObject *
io_getstate(PyObject *op, PyObject *Py_UNUSED(ignored))
{
    PyObject *state = perform(op, get_state, (struct given){0});
    PyObject *attributes = state == NULL ? NULL : PyObject_GenericGetDict(op, NULL);
    if (attributes == NULL) {
        Py_XDECREF(state);
        return NULL;
    }
    Py_SETREF(attributes, PyDict_GET_SIZE(attributes) > 0 ? PyDict_Copy(attributes)
                                                          : Py_NewRef(Py_None));
    PyObject *result = attributes == NULL
                           ? NULL
                           : PyTuple_Pack(3, PyTuple_GET_ITEM(state, 0),
                                          PyTuple_GET_ITEM(state, 1), attributes);
    Py_XDECREF(attributes);
    Py_DECREF(state);
    return result;
}

static int
check_state(PyObject *op, PyObject *state)
{
    if (!PyTuple_Check(state) || PyTuple_GET_SIZE(state) < 3) {
        PyErr_Format(PyExc_TypeError,
                     "%.200s.__setstate__ argument should be 3-tuple, got %.200s",
                     Py_TYPE(op)->tp_name, Py_TYPE(state)->tp_name);
        return -1;
    }
    if (check_open(op) < 0) {
        return -1;
    }
    PyObject *position = PyTuple_GET_ITEM(state, 1);
    if (!PyLong_Check(position)) {
        PyErr_Format(PyExc_TypeError,
                     "second item of state must be an integer, not %.200s",
                     Py_TYPE(position)->tp_name);
        return -1;
    }
    PyObject *attributes = PyTuple_GET_ITEM(state, 2);
    if (attributes != Py_None && !PyDict_Check(attributes)) {
        PyErr_Format(PyExc_TypeError,
                     "third item of state should be a dict, got a %.200s",
                     Py_TYPE(attributes)->tp_name);
        return -1;
    }
    return 0;
}

static int
state_position(PyObject *state, Py_ssize_t *position)
{
    *position = PyLong_AsSsize_t(PyTuple_GET_ITEM(state, 1));
    if (*position == -1 && PyErr_Occurred()) {
        return -1;
    }
    if (*position < 0) {
        PyErr_SetString(PyExc_ValueError, "position value cannot be negative");
        return -1;
    }
    return 0;
}

/* What gave the bytes may have closed the file, or have made an export of it. */
static int
check_replaceable(PyObject *op)
{
    BufferObject *buffer = hold_any(op);
    if (buffer == NULL) {
        return check_open(op);
    }
    int rc;
    Py_BEGIN_CRITICAL_SECTION(buffer);
    rc = buffer_check_resizable(buffer);
    Py_END_CRITICAL_SECTION();
    Py_DECREF(buffer);
    return rc;
}

static int
update_attributes(PyObject *op, PyObject *more)
{
    if (more == Py_None) {
        return 0;
    }
    PyObject *attributes = PyObject_GenericGetDict(op, NULL);
    int rc = attributes == NULL ? -1 : PyDict_Update(attributes, more);
    Py_XDECREF(attributes);
    return rc;
}

PyDoc_STRVAR(setstate_doc,
"__setstate__($self, object, /)\n--\n\n"
"Become what __getstate__ returned, with a new buffer. After an error the bytes and\n"
"the position are what they were.");

static PyObject *
io_setstate(PyObject *op, PyObject *state)
{
    Py_ssize_t position;
    if (check_state(op, state) < 0 || state_position(state, &position) < 0) {
        return NULL;
    }
    PyTypeObject *type = buffer_type_of(Py_TYPE(op));
    BufferObject *buffer = make_buffer(type, PyTuple_GET_ITEM(state, 0), Py_None);
    if (buffer == NULL || check_replaceable(op) < 0 ||
        update_attributes(op, PyTuple_GET_ITEM(state, 2)) < 0) {
        Py_XDECREF(buffer);
        return NULL;
    }
    return buffer_none_or_null(install(op, buffer, (size_t)position));
}

/* --------------------------------------------------------------------------- death */

/* The base's finalizer calls close(), which may be a subclass's. An export is no reason
 * for ours to complain now. */
static void
io_finalize(PyObject *op)
{
    io_cast(op)->finalizing = true;
    base_of(op)->tp_finalize(op);
    io_cast(op)->finalizing = false; /* a subclass's close() may have kept the file */
}

static int
io_traverse(PyObject *op, visitproc visit, void *arg)
{
    PyTypeObject *base = base_of(op);
    Py_VISIT(io_cast(op)->buffer);
    if (!(base->tp_flags & Py_TPFLAGS_HEAPTYPE)) {
        Py_VISIT(Py_TYPE(op)); /* from 3.12 the base is a heap type and does it */
    }
    return base->tp_traverse(op, visit, arg);
}

static int
io_clear(PyObject *op)
{
    Py_CLEAR(io_cast(op)->buffer);
    return base_of(op)->tp_clear(op);
}

/* As for BytesIO, a file that is no longer used need not be closed: only a subclass's
 * deallocator calls the finalizer. */
static void
io_dealloc(PyObject *op)
{
    PyTypeObject *type = Py_TYPE(op);
    PyObject_GC_UnTrack(op);
    PyObject_ClearWeakRefs(op);
    (void)io_clear(op);
    type->tp_free(op);
    Py_DECREF(type);
}

/* ------------------------------------------------------------------------ the type */

PyDoc_STRVAR(io_doc,
"GrowIO(initial_bytes=b'', *, buffer=None, limit=None)\n--\n\n"
"A binary file in memory, as io.BytesIO, over a GrowBuffer.\n\n"
"It takes what BytesIO takes and does what BytesIO does, but is no subclass of it:\n\n"
">>> from growbuf import GrowIO\n"
">>> file = GrowIO()\n"
">>> file.write(b'spam and eggs')\n"
"13\n"
">>> file.seek(5)\n"
"5\n"
">>> file.read()\n"
"b'and eggs'\n"
">>> file.buffer\n"
"GrowBuffer(b'spam and eggs')\n\n"
"buffer: a GrowBuffer to work on in place, from position 0, with no copy.\n"
"limit: of a new buffer, in bytes; it never moves.\n\n"
"What grows the file costs what it costs the buffer: from 72 KiB up no byte is copied\n"
"to make room. After any exception but in writelines() the bytes and the position are\n"
"what they were.");

static PyMethodDef io_methods[] = {
    {"write", io_write, METH_O, write_doc},
    {"writelines", writelines, METH_O, writelines_doc},
    {"truncate", BUFFER_METHOD(truncate_), METH_FASTCALL, truncate_doc},
    {"read", BUFFER_METHOD(io_read), METH_FASTCALL, read_doc},
    {"read1", BUFFER_METHOD(read1), METH_FASTCALL, read1_doc},
    {"readinto", readinto, METH_O, readinto_doc},
    {"readline", BUFFER_METHOD(readline), METH_FASTCALL, readline_doc},
    {"readlines", BUFFER_METHOD(readlines), METH_FASTCALL, readlines_doc},
    {"seek", BUFFER_METHOD(seek), METH_FASTCALL, seek_doc},
    {"tell", tell, METH_NOARGS, tell_doc},
    {"getvalue", getvalue, METH_NOARGS, getvalue_doc},
    {"getbuffer", getbuffer, METH_NOARGS, getbuffer_doc},
    {"close", io_close, METH_NOARGS, close_doc},
    {"flush", flush, METH_NOARGS, flush_doc},
    {"isatty", isatty_, METH_NOARGS, isatty_doc},
    {"readable", yes, METH_NOARGS, readable_doc},
    {"seekable", yes, METH_NOARGS, seekable_doc},
    {"writable", yes, METH_NOARGS, writable_doc},
    {"__getstate__", io_getstate, METH_NOARGS, getstate_doc},
    {"__setstate__", io_setstate, METH_O, setstate_doc},
    {"__sizeof__", io_sizeof, METH_NOARGS, sizeof_doc},
    {NULL, NULL, 0, NULL},
};

PyDoc_STRVAR(closed_doc, "True if the file is closed.");
PyDoc_STRVAR(buffer_doc, "The GrowBuffer underneath.");

static PyGetSetDef io_getset[] = {
    {"closed", get_closed, NULL, closed_doc, NULL},
    {"buffer", io_get_buffer, NULL, buffer_doc, NULL},
    {NULL, NULL, NULL, NULL, NULL},
};

static PyType_Slot io_slots[] = {
    {Py_tp_doc, (void *)io_doc},   {Py_tp_new, io_new},
    {Py_tp_init, io_init},         {Py_tp_dealloc, io_dealloc},
    {Py_tp_finalize, io_finalize}, {Py_tp_traverse, io_traverse},
    {Py_tp_clear, io_clear},       {Py_tp_iter, PyObject_SelfIter},
    {Py_tp_iternext, io_iternext}, {Py_tp_methods, io_methods},
    {Py_tp_getset, io_getset},     {0, NULL},
};

static PyType_Spec io_spec = {
    .name = "growbuf.GrowIO",
    .basicsize = sizeof(IOObject),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE | Py_TPFLAGS_HAVE_GC |
             Py_TPFLAGS_IMMUTABLETYPE,
    .slots = io_slots,
};

/* Return the C type behind io.BufferedIOBase, if our fields fit behind its own. */
static PyObject *
find_base(void)
{
    PyObject *module = PyImport_ImportModule("_io");
    PyObject *base =
        module == NULL ? NULL : PyObject_GetAttrString(module, "_BufferedIOBase");
    Py_XDECREF(module);
    if (base == NULL) {
        return NULL;
    }
    if (!PyType_Check(base) ||
        ((PyTypeObject *)base)->tp_basicsize > (Py_ssize_t)offsetof(IOObject, buffer)) {
        PyErr_SetString(PyExc_ImportError,
                        "growbuf does not know this Python's _io._BufferedIOBase");
        Py_CLEAR(base);
    }
    return base;
}

/* Make it a virtual subclass, as io's own C types are. */
static int
register_type(PyObject *type)
{
    PyObject *io = PyImport_ImportModule("io");
    PyObject *base = io == NULL ? NULL : PyObject_GetAttrString(io, "BufferedIOBase");
    PyObject *result =
        base == NULL ? NULL : PyObject_CallMethod(base, "register", "O", type);
    Py_XDECREF(io);
    Py_XDECREF(base);
    Py_XDECREF(result);
    return result == NULL ? -1 : 0;
}

PyTypeObject *
io_make_type(PyObject *module)
{
    PyObject *base = find_base();
    if (base == NULL) {
        return NULL;
    }
    PyObject *type = PyType_FromModuleAndSpec(module, &io_spec, base);
    Py_DECREF(base);
    if (type != NULL && register_type(type) < 0) {
        Py_CLEAR(type);
    }
    return (PyTypeObject *)type;
}
