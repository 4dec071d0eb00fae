/* io_write: the methods of GrowIO that change its bytes. */
#include "io_write.h"

#include <string.h>

#include "args.h"
#include "io_file.h"

/* ---------------------------------------------------------------------------- write */

/* Write `nbytes` bytes at the position, and move the position past them. They may be
 * bytes of the file itself. The GIL is not released, even for a long copy: that would
 * need an export of the buffer, and writes of other threads would raise BufferError
 * during the copy. */
static inline int
io_put(IOObject *self, const char *bytes, size_t nbytes)
{
    assert(!io_is_closed(self) && self->position <= PY_SSIZE_T_MAX);
    if (nbytes > 0) {
        assert(bytes != NULL && nbytes <= PY_SSIZE_T_MAX);
        char *place = io_make_place(self, nbytes);
        if (place == NULL) {
            return -1;
        }
        assert(place + nbytes <= io_start(self) + io_length(self));
        memmove(place, bytes, nbytes);
        self->position += nbytes;
        assert(self->position <= io_length(self));
    }
    return 0;
}

/* Make the int that write() returns. Call this before the bytes are written, because it
 * can fail. writelines() needs no int and passes NULL as `number`. */
static int
io_make_number(PyObject **number, size_t nbytes)
{
    if (number != NULL) {
        assert(nbytes <= PY_SSIZE_T_MAX);
        *number = PyLong_FromSize_t(nbytes);
    }
    return number != NULL && *number == NULL ? -1 : 0;
}

/* Write `nbytes` bytes of another object. */
static int
io_write_bytes(IOObject *self, const char *bytes, Py_ssize_t nbytes, PyObject **number)
{
    if (io_make_number(number, (size_t)nbytes) < 0) {
        return -1;
    }
    int rc = -1;
    assert(nbytes >= 0);
    IO_IF_OPEN(self, rc = io_put(self, bytes, (size_t)nbytes));
    return rc;
}

/* Write all bytes of the file's own buffer to the file. No export is taken, because a
 * buffer with an export cannot grow. */
static int
io_put_own_buffer(IOObject *self, PyObject **number)
{
    size_t nbytes = buffer_length(self->buffer);
    assert(self->bytes == NULL);
    if (io_make_number(number, nbytes) < 0) {
        return -1;
    }
    /* Make space first, because that may move the bytes. */
    return nbytes > 0 && io_make_place(self, nbytes) == NULL
               ? -1
               : io_put(self, buffer_bytes(self->buffer), nbytes);
}

/* Write the bytes of an object. After a failure `*number` may be an int or NULL. */
static int
io_write_object(IOObject *self, PyObject *data, PyObject **number)
{
    assert(number == NULL || *number == NULL);
    if (PyBytes_CheckExact(data)) {
        return io_write_bytes(self, PyBytes_AS_STRING(data), PyBytes_GET_SIZE(data),
                              number);
    }
    bool is_own = false;
    int rc = -1;
    IO_IF_OPEN(self, {
        is_own = (PyObject *)self->buffer == data;
        rc = is_own ? io_put_own_buffer(self, number) : 0;
    });
    if (is_own || rc < 0) {
        return rc;
    }
    Py_buffer view;
    if (PyObject_GetBuffer(data, &view, PyBUF_CONTIG_RO) < 0) {
        return -1;
    }
    rc = io_write_bytes(self, view.buf, view.len, number);
    PyBuffer_Release(&view);
    return rc;
}

const char io_write_doc[] = PyDoc_STR(
"write($self, b, /)\n--\n\n"
"Write bytes at the position, and move the position after them.\n\n"
"b: a bytes-like object.\n\n"
"Return the number of bytes in b. All of them are written. If the position is past\n"
"the end of the file, the bytes between the end and the position become zeros. Raise\n"
"ValueError if the file is closed, TypeError if b is not bytes-like, MemoryError if\n"
"there is too little memory, and BufferError if the file would become longer while a\n"
"view of its bytes exists and it has no limit. After an exception nothing is written.\n"
"Copies b once. While the file is shorter than 120 KiB, growth may also copy the\n"
"bytes that it has.\n\n"
">>> from growbuf import GrowIO\n"
">>> file = GrowIO()\n"
">>> file.write(b'spam'), file.write(bytearray(b' and eggs'))\n"
"(4, 9)\n"
">>> file.getvalue()\n"
"b'spam and eggs'");

PyObject *
io_write(PyObject *op, PyObject *data)
{
    PyObject *number = NULL;
    if (io_write_object(io_cast(op), data, &number) < 0) {
        Py_CLEAR(number);
    }
    return number;
}

const char io_writelines_doc[] = PyDoc_STR(
"writelines($self, lines, /)\n--\n\n"
"Write each of several bytes-like objects.\n\n"
"lines: an iterable of bytes-like objects. No newlines are added.\n\n"
"Raise the exceptions of write() or of the iterable. Objects that were written before\n"
"an exception stay written. Costs as much as one write() for each object.\n\n"
">>> from growbuf import GrowIO\n"
">>> file = GrowIO()\n"
">>> file.writelines([b'spam\\n', b'eggs\\n'])\n"
">>> file.getvalue()\n"
"b'spam\\neggs\\n'");

PyObject *
io_writelines(PyObject *op, PyObject *lines)
{
    PyObject *iterator = io_check_open(op) < 0 ? NULL : PyObject_GetIter(lines);
    if (iterator == NULL) {
        return NULL;
    }
    PyObject *line;
    while ((line = PyIter_Next(iterator)) != NULL) {
        int rc = io_write_object(io_cast(op), line, NULL);
        Py_DECREF(line);
        if (rc < 0) {
            break;
        }
    }
    Py_DECREF(iterator);
    return buffer_none_or_null(PyErr_Occurred() ? -1 : 0);
}

/* ------------------------------------------------------------------------- truncate */

const char io_truncate_doc[] = PyDoc_STR(
"truncate($self, size=None, /)\n--\n\n"
"Remove all bytes after the first size bytes. The position does not change.\n\n"
"size: the new length in bytes. If it is None, the position is used. A file that is\n"
"not longer than that is unchanged.\n\n"
"Return size. Raise ValueError if the file is closed or size is negative, TypeError\n"
"if it is no integer, BufferError if bytes would be removed while a view of the file\n"
"exists. Copies the remaining bytes if they are less than half of a bytes object to\n"
"which other code refers, or if a buffer becomes shorter than 8 KiB.\n\n"
">>> from growbuf import GrowIO\n"
">>> file = GrowIO(b'spam and eggs')\n"
">>> file.truncate(4), file.getvalue()\n"
"(4, b'spam')");

/* Shorten the file to `size` bytes, or do nothing if it is not longer. -1 stands for
 * the position. Return `size` as an int object. */
static PyObject *
io_truncate_locked(IOObject *self, Py_ssize_t size)
{
    size_t length = io_length(self);
    assert(!io_is_closed(self) && size >= -1);
    size = size < 0 ? (Py_ssize_t)self->position : size;
    assert(size >= 0);
    PyObject *result = PyLong_FromSsize_t(size);
    if (result == NULL || (size_t)size >= length) {
        return result;
    }
    assert((size_t)size < length);
    if (self->buffer == NULL) {
        io_truncate_bytes_locked(self, (size_t)size);
    }
    else if (io_check_no_views_locked(self, "truncate the file") < 0 ||
             buffer_splice(self->buffer, (size_t)size, length - (size_t)size, 0) < 0) {
        Py_CLEAR(result);
    }
    assert(result == NULL || io_length(self) == (size_t)size);
    return result;
}

PyObject *
io_truncate(PyObject *op, PyObject *const *args, Py_ssize_t nargs)
{
    IOObject *self = io_cast(op);
    Py_ssize_t size;
    if (args_file_size("truncate", args, nargs, &size) < 0) {
        return NULL;
    }
    if (size < 0 && nargs == 1 && args[0] != Py_None) {
        if (io_check_open(op) == 0) {
            PyErr_Format(PyExc_ValueError, "negative size value %zd", size);
        }
        return NULL;
    }
    PyObject *result = NULL;
    IO_IF_OPEN(self, result = io_truncate_locked(self, size));
    return result;
}
