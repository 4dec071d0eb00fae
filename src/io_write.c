/* io_write: the methods of GrowIO that change its bytes. */
#include "io_write.h"

#include <string.h>

#include "args.h"
#include "io_file.h"

/* ---------------------------------------------------------------------------- write */

/* Write at the position and move it. The bytes may be a view of the file's own. The GIL
 * is not released, however many there are: that would need an export, and other
 * threads' writes would then raise BufferError. */
static inline int
io_put(IOObject *self, const char *bytes, size_t nbytes)
{
    if (nbytes > 0) {
        char *place = io_make_place(self, nbytes);
        if (place == NULL) {
            return -1;
        }
        memmove(place, bytes, nbytes);
        self->position += nbytes;
    }
    return 0;
}

/* If `data` is the file's own buffer, write all its bytes. This takes no export, since
 * an exported buffer cannot grow. Return 1 if they are written, 0 if `data` is another
 * object, -1 with an exception. */
static int
io_write_own_buffer(PyObject *op, PyObject *data, PyObject **result)
{
    IOObject *self = io_cast(op);
    int rc;
    *result = NULL;
    IO_BEGIN(self);
    rc = io_check_open_locked(self);
    if (rc == 0 && (PyObject *)self->buffer == data) {
        size_t nbytes = buffer_length(self->buffer);
        *result = PyLong_FromSize_t(nbytes);
        if (*result != NULL && nbytes > 0 && io_make_place(self, nbytes) == NULL) {
            Py_CLEAR(*result);
        }
        if (*result != NULL) {
            (void)io_put(self, buffer_bytes(self->buffer), nbytes);
        }
        rc = *result == NULL ? -1 : 1;
    }
    IO_END(self);
    return rc;
}

/* Write bytes and return their number. The result is made before the write, because
 * making it can fail. */
static PyObject *
io_write_nbytes(PyObject *op, const char *bytes, Py_ssize_t nbytes)
{
    IOObject *self = io_cast(op);
    PyObject *result = PyLong_FromSsize_t(nbytes);
    if (result == NULL) {
        return NULL;
    }
    int rc;
    IO_BEGIN(self);
    rc = io_check_open_locked(self) < 0 ? -1 : io_put(self, bytes, (size_t)nbytes);
    IO_END(self);
    if (rc < 0) {
        Py_CLEAR(result);
    }
    return result;
}

const char io_write_doc[] = PyDoc_STR(
"write($self, b, /)\n--\n\n"
"Write bytes at the position and move it past them.\n\n"
"b: a bytes-like object.\n\n"
"Return how many bytes were written: all of them. If the position is past the end the\n"
"bytes between become zeros. Raise ValueError if the file is closed, TypeError if b is\n"
"not bytes-like; MemoryError if there is too little memory; BufferError if the file\n"
"would become longer while a view of its bytes exists and it has no limit. Then\n"
"nothing is written. Copies b once; while the file is shorter than 72 KiB, growing\n"
"now and then copies it, too.\n\n"
">>> from growbuf import GrowIO\n"
">>> file = GrowIO()\n"
">>> file.write(b'spam'), file.write(bytearray(b' and eggs'))\n"
"(4, 9)\n"
">>> file.getvalue()\n"
"b'spam and eggs'");

PyObject *
io_write(PyObject *op, PyObject *data)
{
    if (PyBytes_CheckExact(data)) {
        return io_write_nbytes(op, PyBytes_AS_STRING(data), PyBytes_GET_SIZE(data));
    }
    PyObject *result;
    if (io_write_own_buffer(op, data, &result) != 0) {
        return result;
    }
    Py_buffer view;
    if (PyObject_GetBuffer(data, &view, PyBUF_CONTIG_RO) < 0) {
        return NULL;
    }
    result = io_write_nbytes(op, view.buf, view.len);
    PyBuffer_Release(&view);
    return result;
}

const char io_writelines_doc[] = PyDoc_STR(
"writelines($self, lines, /)\n--\n\n"
"Write one bytes-like object after the other.\n\n"
"lines: an iterable of bytes-like objects. No newlines are added.\n\n"
"Raise the exceptions of write() or of the iterable; bytes that are written already\n"
"stay. Costs as much as one write() for each object.\n\n"
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
        PyObject *written = io_write(op, line);
        Py_DECREF(line);
        if (written == NULL) {
            break;
        }
        Py_DECREF(written);
    }
    Py_DECREF(iterator);
    return buffer_none_or_null(PyErr_Occurred() ? -1 : 0);
}

/* ------------------------------------------------------------------------- truncate */

const char io_truncate_doc[] = PyDoc_STR(
"truncate($self, size=None, /)\n--\n\n"
"Cut the file off after a number of bytes. The position does not change.\n\n"
"size: the new length in bytes; the position if it is None. A shorter file is\n"
"unchanged.\n\n"
"Return size. Raise ValueError if the file is closed or size is negative, TypeError if\n"
"it is no integer, BufferError while a view of the bytes exists, if the file would\n"
"become shorter. Copies at most half of a bytes object that the file was made from, and\n"
"otherwise nothing.\n\n"
">>> from growbuf import GrowIO\n"
">>> file = GrowIO(b'spam and eggs')\n"
">>> file.truncate(4), file.getvalue()\n"
"(4, b'spam')");

static int
io_truncate_locked(IOObject *self, size_t size)
{
    size_t length = io_length(self);
    if (size >= length) {
        return 0;
    }
    if (self->buffer == NULL) {
        return io_truncate_bytes_locked(self, size);
    }
    if (io_check_no_views_locked(self, "truncate the file") < 0) {
        return -1;
    }
    return buffer_splice(self->buffer, size, length - size, 0);
}

PyObject *
io_truncate(PyObject *op, PyObject *const *args, Py_ssize_t nargs)
{
    IOObject *self = io_cast(op);
    Py_ssize_t size;
    if (args_file_size("truncate", args, nargs, &size) < 0) {
        return NULL;
    }
    bool at_position = nargs == 0 || args[0] == Py_None;
    PyObject *result = NULL;
    IO_BEGIN(self);
    if (io_check_open_locked(self) == 0) {
        size = at_position ? (Py_ssize_t)self->position : size;
        if (size < 0) {
            PyErr_Format(PyExc_ValueError, "negative size value %zd", size);
        }
        else {
            result = PyLong_FromSsize_t(size);
        }
        if (result != NULL && io_truncate_locked(self, (size_t)size) < 0) {
            Py_CLEAR(result);
        }
    }
    IO_END(self);
    return result;
}
