/* io_read: the methods of GrowIO that read, and its position. */
#include "io_read.h"

#include <limits.h>
#include <string.h>

#include "args.h"
#include "io_file.h"

/* ---------------------------------------------------------------------------- bytes */

/* Return the next `nbytes` bytes, and move the position past them. */
static inline PyObject *
io_read_nbytes(IOObject *self, size_t nbytes)
{
    assert(!io_is_closed(self) && nbytes <= io_available(self, -1));
    PyObject *result = io_get_bytes(self, self->position, nbytes);
    if (result != NULL) {
        assert((size_t)PyBytes_GET_SIZE(result) == nbytes);
        self->position += nbytes;
    }
    /* For 0 bytes the position may be past the end. */
    assert(result == NULL || nbytes == 0 || self->position <= io_length(self));
    return result;
}

/* The common part of read() and read1(). `name` is for error messages. */
static inline PyObject *
io_read_common(PyObject *op, const char *name, PyObject *const *args, Py_ssize_t nargs)
{
    IOObject *self = io_cast(op);
    Py_ssize_t size;
    if (args_file_size(name, args, nargs, &size) < 0) {
        return NULL;
    }
    PyObject *result = NULL;
    IO_IF_OPEN(self, result = io_read_nbytes(self, io_available(self, size)));
    return result;
}

const char io_read_doc[] = PyDoc_STR(
"read($self, size=-1, /)\n--\n\n"
"Read bytes, starting at the position, and move the position after them.\n\n"
"size: the largest number of bytes to read. If it is negative or None, read to the\n"
"end of the file.\n\n"
"Return a bytes object, which is empty at the end of the file. Raise ValueError if\n"
"the file is closed, TypeError if size is no integer. Copies the bytes once. A call\n"
"that reads all bytes of the file returns the object that getvalue() returns.\n\n"
">>> from growbuf import GrowIO\n"
">>> file = GrowIO(b'spam and eggs')\n"
">>> file.read(4), file.read(), file.read()\n"
"(b'spam', b' and eggs', b'')");

PyObject *
io_read(PyObject *op, PyObject *const *args, Py_ssize_t nargs)
{
    return io_read_common(op, "read", args, nargs);
}

const char io_read1_doc[] = PyDoc_STR(
"read1($self, size=-1, /)\n--\n\n"
"Do the same as read(size): a file in memory has no raw stream to read from.\n\n"
">>> from growbuf import GrowIO\n"
">>> GrowIO(b'spam and eggs').read1(4)\n"
"b'spam'");

PyObject *
io_read1(PyObject *op, PyObject *const *args, Py_ssize_t nargs)
{
    return io_read_common(op, "read1", args, nargs);
}

/* The largest number of bytes that peek() copies. pickle.load() asks for 128 KiB for
 * each object: copying so many would take too long if the objects are small. */
#define IO_PEEK_MAX ((Py_ssize_t)8 << 10)

const char io_peek_doc[] = PyDoc_STR(
"peek($self, size=0, /)\n--\n\n"
"Return the bytes that begin at the position, without moving the position.\n\n"
"size: the largest number of bytes to return. If it is less than 1 or more than 8\n"
"KiB, 8 KiB is used.\n\n"
"Return a bytes object, which is empty only at the end of the file. Raise\n"
"ValueError if the file is closed, TypeError if size is no integer. Copies the\n"
"bytes once. Python's own BytesIO has this method from 3.16 on.\n\n"
">>> from growbuf import GrowIO\n"
">>> file = GrowIO(b'spam and eggs')\n"
">>> file.peek(4), file.read(4)\n"
"(b'spam', b'spam')");

PyObject *
io_peek(PyObject *op, PyObject *const *args, Py_ssize_t nargs)
{
    IOObject *self = io_cast(op);
    Py_ssize_t size = 0;
    if (args_check_count("peek", nargs, 0, 1) < 0 ||
        (nargs == 1 && args_index(args[0], &size) < 0)) {
        return NULL;
    }
    size = size < 1 || size > IO_PEEK_MAX ? IO_PEEK_MAX : size;
    PyObject *result = NULL;
    IO_IF_OPEN(self,
               result = io_get_bytes(self, self->position, io_available(self, size)));
    assert(result == NULL || PyBytes_GET_SIZE(result) <= size);
    return result;
}

const char io_readinto_doc[] = PyDoc_STR(
"readinto($self, buffer, /)\n--\n\n"
"Read bytes into a buffer, and move the position after them.\n\n"
"buffer: a writable bytes-like object. It is filled from its start. It may be a\n"
"view of the file's own bytes.\n\n"
"Return how many bytes were read. That is the length of the buffer, or less if the\n"
"file ends before; 0 at the end of the file. Raise ValueError if the file is closed,\n"
"or if readfrom() of the file's own buffer calls this method; TypeError if the buffer\n"
"cannot be written to. Copies the bytes once.\n\n"
">>> from growbuf import GrowIO\n"
">>> target = bytearray(4)\n"
">>> GrowIO(b'spam and eggs').readinto(target), target\n"
"(4, bytearray(b'spam'))");

/* Read bytes into `view`, a view of `target`, and return their number as an int object.
 * Raise ValueError if `target` is the view that readfrom() of the file's own buffer
 * passes to readinto(): each read would make the file longer. */
static PyObject *
io_readinto_view(IOObject *self, const PyObject *target, const Py_buffer *view)
{
    const SpareObject *spare = self->buffer == NULL ? NULL : buffer_spare(self->buffer);
    assert(!io_is_closed(self) && view->len >= 0);
    if (spare != NULL && spare->reader == target) {
        PyErr_SetString(PyExc_ValueError,
                        "readfrom() cannot read a file into its own buffer, because it "
                        "would never reach the end: use buffer.extend(file.read())");
        return NULL;
    }
    size_t nbytes = io_available(self, view->len);
    assert(!view->readonly && nbytes <= (size_t)view->len);
    PyObject *result = PyLong_FromSize_t(nbytes);
    if (result != NULL && nbytes > 0) {
        memmove(view->buf, io_start(self) + self->position, nbytes);
        self->position += nbytes;
        assert(self->position <= io_length(self));
    }
    return result;
}

PyObject *
io_readinto(PyObject *op, PyObject *target)
{
    IOObject *self = io_cast(op);
    Py_buffer view;
    if (PyObject_GetBuffer(target, &view, PyBUF_WRITABLE) < 0) {
        PyErr_Format(PyExc_TypeError,
                     "readinto() argument must be read-write bytes-like object, not "
                     "%.50s",
                     target == Py_None ? "None" : Py_TYPE(target)->tp_name);
        return NULL;
    }
    PyObject *result = NULL;
    IO_IF_OPEN(self, result = io_readinto_view(self, target, &view));
    PyBuffer_Release(&view);
    return result;
}

/* ---------------------------------------------------------------------------- lines */

/* Return the length of the first line, its newline included, in the `available` bytes
 * at `start`. If they contain no newline, it is `available`. */
static inline size_t
io_line_nbytes(const char *start, size_t available)
{
    assert(available > 0);
    const char *newline = memchr(start, '\n', available);
    return newline == NULL ? available : (size_t)(newline - start) + 1;
}

/* Return the line of `nbytes` bytes at position 0, and move the position past it. It
 * may be all bytes of the file. This function is not inline, so that io_read_line()
 * saves fewer registers. */
Py_NO_INLINE static PyObject *
io_read_first_line(IOObject *self, size_t nbytes)
{
    assert(self->position == 0 && nbytes > 0 && nbytes <= io_length(self));
    return io_read_nbytes(self, nbytes);
}

/* Return the line at the position, or its first `available` bytes if it is longer, and
 * move the position past them. */
static inline PyObject *
io_read_line(IOObject *self, size_t available)
{
    if (available == 0) {
        return PyBytes_FromStringAndSize(NULL, 0);
    }
    assert(available <= io_available(self, -1));
    const char *start = io_start(self) + self->position;
    size_t nbytes = io_line_nbytes(start, available);
    assert(nbytes > 0 && nbytes <= available);
    if (self->position == 0) {
        return io_read_first_line(self, nbytes);
    }
    PyObject *line = PyBytes_FromStringAndSize(start, (Py_ssize_t)nbytes);
    if (line != NULL) {
        self->position += nbytes;
        assert(self->position <= io_length(self));
    }
    return line;
}

const char io_readline_doc[] = PyDoc_STR(
"readline($self, size=-1, /)\n--\n\n"
"Read one line, starting at the position, and move the position after it.\n\n"
"size: the largest number of bytes to read. If it is negative or None, the line is\n"
"read as a whole.\n\n"
"Return a bytes object: the line, or its first size bytes. The last line may end\n"
"without a newline. At the end of the file the bytes object is empty. Raise\n"
"ValueError if the file is closed, TypeError if size is no integer. Copies the line\n"
"once.\n\n"
">>> from growbuf import GrowIO\n"
">>> file = GrowIO(b'spam\\neggs')\n"
">>> file.readline(), file.readline(), file.readline()\n"
"(b'spam\\n', b'eggs', b'')");

PyObject *
io_readline(PyObject *op, PyObject *const *args, Py_ssize_t nargs)
{
    IOObject *self = io_cast(op);
    Py_ssize_t size;
    if (args_file_size("readline", args, nargs, &size) < 0) {
        return NULL;
    }
    PyObject *result = NULL;
    IO_IF_OPEN(self, result = io_read_line(self, io_available(self, size)));
    assert(result == NULL || size < 0 || PyBytes_GET_SIZE(result) <= size);
    return result;
}

/* At the end of the file return NULL without an exception, which ends the iteration. */
PyObject *
io_iternext(PyObject *op)
{
    IOObject *self = io_cast(op);
    PyObject *line = NULL;
    IO_IF_OPEN(self, {
        size_t available = io_available(self, -1);
        line = available == 0 ? NULL : io_read_line(self, available);
    });
    assert(line == NULL || PyBytes_GET_SIZE(line) > 0);
    return line;
}

const char io_readlines_doc[] = PyDoc_STR(
"readlines($self, size=None, /)\n--\n\n"
"Read lines, starting at the position, and move the position after them.\n\n"
"size: when the lines read have this many bytes or more in total, stop. If it is None\n"
"or less than 1, read to the end of the file.\n\n"
"Return a list with a bytes object for each line. Newlines are kept. Raise\n"
"ValueError if the file is closed, TypeError if size is no int. Copies the bytes\n"
"once. To use the lines one by one, iterate over the file.\n\n"
">>> from growbuf import GrowIO\n"
">>> GrowIO(b'spam\\nand\\neggs').readlines()\n"
"[b'spam\\n', b'and\\n', b'eggs']");

/* Append lines to the list until these have `hint` bytes or more in total, or the file
 * ends. If `hint` is 0 or negative, append all lines. On failure the position is
 * unchanged. */
static int
io_read_lines(IOObject *self, Py_ssize_t hint, PyObject *lines)
{
    size_t length = io_length(self), position = self->position, nread = 0;
    assert(!io_is_closed(self) && PyList_CheckExact(lines));
    while (position < length && (hint <= 0 || nread < (size_t)hint)) {
        size_t nbytes = io_line_nbytes(io_start(self) + position, length - position);
        assert(nbytes > 0 && nbytes <= length - position);
        PyObject *line = io_get_bytes(self, position, nbytes);
        int rc = line == NULL ? -1 : PyList_Append(lines, line);
        Py_XDECREF(line);
        if (rc < 0) {
            return -1;
        }
        position += nbytes;
        nread += nbytes;
        assert(position <= length && length == io_length(self));
    }
    self->position = position;
    return 0;
}

PyObject *
io_readlines(PyObject *op, PyObject *const *args, Py_ssize_t nargs)
{
    IOObject *self = io_cast(op);
    Py_ssize_t hint = -1;
    if (args_check_count("readlines", nargs, 0, 1) < 0 || io_check_open(op) < 0) {
        return NULL;
    }
    if (nargs == 1 && args[0] != Py_None) {
        if (!PyLong_Check(args[0])) { /* as BytesIO: no __index__ here */
            PyErr_Format(PyExc_TypeError, "integer argument expected, got '%.200s'",
                         Py_TYPE(args[0])->tp_name);
            return NULL;
        }
        hint = PyLong_AsSsize_t(args[0]);
        if (hint == -1 && PyErr_Occurred()) {
            return NULL;
        }
    }
    /* Make the list before locking the file: that may run the garbage collector, which
     * may run user code. */
    PyObject *lines = PyList_New(0);
    if (lines == NULL) {
        return NULL;
    }
    int rc = -1;
    IO_IF_OPEN(self, rc = io_read_lines(self, hint, lines));
    if (rc < 0) {
        Py_CLEAR(lines);
    }
    return lines;
}

/* --------------------------------------------------------------------- the position */

const char io_seek_doc[] = PyDoc_STR(
"seek($self, pos, whence=0, /)\n--\n\n"
"Move the position.\n\n"
"pos: the distance in bytes from the place that whence selects.\n"
"whence: 0 selects the start of the file, 1 the present position, 2 the end.\n\n"
"Return the new position, in bytes from the start. It may be past the end. If it\n"
"would be before the start, it becomes 0. Raise ValueError if the file is closed,\n"
"if whence is another number, or if pos is negative and whence is 0; OverflowError\n"
"if the position is too large for a C ssize_t. The bytes and the length do not\n"
"change.\n\n"
">>> from growbuf import GrowIO\n"
">>> file = GrowIO(b'spam and eggs')\n"
">>> file.seek(-4, 2), file.read()\n"
"(9, b'eggs')");

/* Return the position that seek() moves to, or -1 with an exception. */
static Py_ssize_t
io_find_position(const IOObject *self, Py_ssize_t offset, int whence)
{
    size_t origin = 0;
    assert(!io_is_closed(self) && self->position <= PY_SSIZE_T_MAX);
    if (whence == SEEK_CUR) {
        origin = self->position;
    }
    else if (whence == SEEK_END) {
        origin = io_length(self);
    }
    else if (whence != SEEK_SET) {
        PyErr_Format(PyExc_ValueError, "invalid whence (%i, should be 0, 1 or 2)",
                     whence);
        return -1;
    }
    else if (offset < 0) {
        PyErr_Format(PyExc_ValueError, "negative seek value %zd", offset);
        return -1;
    }
    assert(origin <= PY_SSIZE_T_MAX);
    if (offset > PY_SSIZE_T_MAX - (Py_ssize_t)origin) {
        PyErr_SetString(PyExc_OverflowError, "new position too large");
        return -1;
    }
    Py_ssize_t position = (Py_ssize_t)origin + offset;
    assert(position >= 0 || whence != SEEK_SET);
    return position < 0 ? 0 : position;
}

/* Convert `whence`. Raise OverflowError if it does not fit into an int. */
static int
io_convert_whence(PyObject *number, int *whence)
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

PyObject *
io_seek(PyObject *op, PyObject *const *args, Py_ssize_t nargs)
{
    IOObject *self = io_cast(op);
    Py_ssize_t offset;
    int whence = SEEK_SET;
    if (args_check_count("seek", nargs, 1, 2) < 0 || args_index(args[0], &offset) < 0 ||
        (nargs == 2 && io_convert_whence(args[1], &whence) < 0)) {
        return NULL;
    }
    PyObject *result = NULL;
    IO_IF_OPEN(self, {
        Py_ssize_t position = io_find_position(self, offset, whence);
        result = position < 0 ? NULL : PyLong_FromSsize_t(position);
        self->position = result == NULL ? self->position : (size_t)position;
    });
    return result;
}

const char io_tell_doc[] = "tell($self, /)\n--\n\n"
                           "Return the position, in bytes from the start.\n\n"
                           "Raise ValueError if the file is closed. Costs nothing more "
                           "than the call.\n\n"
                           ">>> from growbuf import GrowIO\n"
                           ">>> file = GrowIO(b'spam and eggs')\n"
                           ">>> file.read(4), file.tell()\n"
                           "(b'spam', 4)";

PyObject *
io_tell(PyObject *op, PyObject *Py_UNUSED(ignored))
{
    IOObject *self = io_cast(op);
    PyObject *result = NULL;
    IO_IF_OPEN(self, result = PyLong_FromSize_t(self->position));
    return result;
}

/* ---------------------------------------------------------------------- all bytes */

const char io_getvalue_doc[] = PyDoc_STR(
"getvalue($self, /)\n--\n\n"
"Return all bytes of the file. The position is neither used nor changed.\n\n"
"Return a bytes object that shares its bytes with the file. Until the next write the\n"
"call returns the same object. The next write copies the bytes if other code still\n"
"refers to the object. Raise ValueError if the file is closed.\n\n"
"If the file's bytes are in a buffer, the object is a FrozenBytes that takes over the\n"
"memory of the buffer. The bytes are copied instead in these cases: other code refers\n"
"to the buffer or has a view of it; the buffer has a limit; it has fewer than 32 KiB;\n"
"Python is free-threaded. Bytes are also copied after truncate() has shortened a\n"
"bytes object to which other code refers.\n\n"
">>> from growbuf import GrowIO\n"
">>> file = GrowIO()\n"
">>> file.write(b'spam')\n"
"4\n"
">>> file.getvalue()\n"
"b'spam'");

PyObject *
io_getvalue(PyObject *op, PyObject *Py_UNUSED(ignored))
{
    IOObject *self = io_cast(op);
    PyObject *result = NULL;
    IO_IF_OPEN(self, {
        result = io_get_bytes(self, 0, io_length(self));
        assert(result == NULL || (size_t)PyBytes_GET_SIZE(result) == io_length(self));
    });
    return result;
}

const char io_getbuffer_doc[] = PyDoc_STR(
"getbuffer($self, /)\n--\n\n"
"Return a writable memoryview of the file's bytes.\n\n"
"While the view exists the file cannot be closed and its length cannot change:\n"
"methods that would do so raise BufferError. But a file that was made with limit=\n"
"can still grow at its end. Raise ValueError if the file is closed. If the bytes are\n"
"not in a buffer yet, they are first copied to one.\n\n"
">>> from growbuf import GrowIO\n"
">>> file = GrowIO(b'spam and eggs')\n"
">>> with file.getbuffer() as view:\n"
"...     view[:4] = b'SPAM'\n"
">>> file.read()\n"
"b'SPAM and eggs'");

PyObject *
io_getbuffer(PyObject *op, PyObject *Py_UNUSED(ignored))
{
    PyObject *buffer = (PyObject *)io_hold_buffer(op);
    PyObject *view = buffer == NULL ? NULL : PyMemoryView_FromObject(buffer);
    Py_XDECREF(buffer);
    return view;
}
