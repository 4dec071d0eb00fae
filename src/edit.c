/* edit: the methods and slots of bytearray that change the length, or assign to items
 * and slices. */
#include "edit.h"

#include <errno.h>
#include <string.h>

#include "args.h"
#include "construct.h"
#include "copy.h"

/* Every function here runs user code first and reads the buffer's length afterwards,
 * because an __index__, an iterator or a __buffer__ may have changed it (CPython
 * gh-91153, gh-142557, gh-143195). */

/* ------------------------------------------------------------------- replacing */

static int
edit_append_bytes(BufferObject *self, const char *bytes, size_t nbytes)
{
    size_t at = buffer_length(self);
    if (buffer_append(self, nbytes) < 0) {
        return -1;
    }
    assert(buffer_length(self) == at + nbytes);
    copy_bytes(buffer_bytes(self) + at, bytes, nbytes);
    return 0;
}

static int
edit_append_self(BufferObject *self)
{
    size_t nbytes = buffer_length(self);
    if (buffer_append(self, nbytes) < 0) {
        return -1;
    }
    assert(buffer_length(self) == 2 * nbytes);
    copy_bytes(buffer_bytes(self) + nbytes, buffer_bytes(self), nbytes);
    return 0;
}

/* Replace `removed` bytes at offset `at` by `nbytes` from `bytes`. If these are bytes
 * of the buffer itself, the caller has an export of it: then buffer_splice() fails if
 * it would move any of them. */
static int
edit_replace(BufferObject *self, size_t at, size_t removed, const char *bytes,
             size_t nbytes)
{
    assert(at <= buffer_length(self) && removed <= buffer_length(self) - at);
    if (buffer_splice(self, at, removed, nbytes) < 0) {
        return -1;
    }
    assert(nbytes <= buffer_length(self) - at);
    if (removed == nbytes) {
        memmove(buffer_bytes(self) + at, bytes, nbytes);
    }
    else {
        copy_bytes(buffer_bytes(self) + at, bytes, nbytes);
    }
    return 0;
}

/* ------------------------------------------------------------ growing at the end */

PyDoc_STRVAR(append_doc,
"append($self, item, /)\n--\n\n"
"Append one byte, the int `item` in range(256).\n\n"
"Raise ValueError for an int out of the range, BufferError while the bytes are\n"
"exported and there is no limit. Costs amortized O(1): when a buffer of more than 2\n"
"MiB grows, its pages move, and its bytes are not copied.\n\n"
">>> from growbuf import GrowBuffer\n"
">>> buf = GrowBuffer(b'spa')\n"
">>> buf.append(109)\n"
">>> buf\n"
"GrowBuffer(b'spam')");

static PyObject *
growbuffer_append(PyObject *op, PyObject *item)
{
    BufferObject *self = buffer_cast(op);
    unsigned char value;
    if (args_byte(item, &value) < 0) {
        return NULL;
    }
    int rc;
    Py_BEGIN_CRITICAL_SECTION(op);
    rc = buffer_append(self, 1);
    if (rc == 0) {
        assert(buffer_length(self) > 0);
        buffer_bytes(self)[buffer_length(self) - 1] = (char)value;
    }
    Py_END_CRITICAL_SECTION();
    return buffer_none_or_null(rc);
}

/* Append the bytes of an object that has the buffer protocol. Its __buffer__ may itself
 * append to the buffer. If `at_old_end` is true, the bytes are then inserted where the
 * end was before. `refusal` is the message for an object without the protocol. Its
 * first %s is the type of the object, and its second, if any, that of the buffer. */
static int
extend_from_buffer(PyObject *op, PyObject *other, bool at_old_end, const char *refusal)
{
    BufferObject *self = buffer_cast(op);
    if (other == op) {
        BUFFER_LOCKED(int, rc, op, edit_append_self(self));
        return rc;
    }
    BUFFER_LOCKED(size_t, old_end, op, buffer_length(self));
    Py_buffer view;
    if (PyObject_GetBuffer(other, &view, PyBUF_SIMPLE) < 0) {
        PyErr_Format(PyExc_TypeError, refusal, Py_TYPE(other)->tp_name,
                     Py_TYPE(op)->tp_name);
        return -1;
    }
    BUFFER_LOCKED(int, rc, op,
                  old_end < buffer_length(self) && at_old_end
                      ? edit_replace(self, old_end, 0, view.buf, (size_t)view.len)
                      : edit_append_bytes(self, view.buf, (size_t)view.len));
    assert(view.obj != NULL);
    PyBuffer_Release(&view);
    return rc;
}

static int
extend_from_iterable(PyObject *op, PyObject *iterable)
{
    if (PyObject_LengthHint(iterable, 0) < 0) {
        return -1; /* bytearray raises for a wrong hint, too */
    }
    struct store store;
    store_init(&store);
    int rc =
        construct_from_iterable(&store, iterable, "can't extend bytearray with %.100s");
    if (rc == 0) {
        Py_BEGIN_CRITICAL_SECTION(op);
        rc = edit_append_bytes(buffer_cast(op), store.start, store.length);
        Py_END_CRITICAL_SECTION();
    }
#if PY_VERSION_HEX >= 0x030D0000
    else if (PyUnicode_Check(iterable) && PyErr_ExceptionMatches(PyExc_TypeError)) {
        PyErr_SetString(PyExc_TypeError, "expected iterable of integers; got: 'str'");
    }
#endif
    store_free(&store);
    return rc;
}

/* extend() inserts at the old end, as bytearray does. Without a GIL it appends at the
 * new end, because another thread may have appended in the meantime. */
#ifdef Py_GIL_DISABLED
enum { AT_OLD_END = false };
#else
enum { AT_OLD_END = true };
#endif

PyDoc_STRVAR(extend_doc,
"extend($self, iterable_of_ints, /)\n--\n\n"
"Append all bytes of a buffer, or all items of an iterable.\n\n"
"iterable_of_ints: a bytes-like object, or an iterable of ints in range(256).\n\n"
"If the iterable raises or memory runs out, the buffer is unchanged.\n"
"Raise ValueError for an int out of the range, BufferError while the bytes are\n"
"exported and there is no limit. The new bytes are copied once. When a\n"
"buffer of more than 2 MiB grows, its pages move, and its bytes are not copied.\n\n"
">>> from growbuf import GrowBuffer\n"
">>> buf = GrowBuffer(b'spam')\n"
">>> buf.extend(b' and')\n"
">>> buf.extend([32, 49])\n"
">>> buf\n"
"GrowBuffer(b'spam and 1')");

static PyObject *
growbuffer_extend(PyObject *op, PyObject *iterable)
{
    return buffer_none_or_null(
        PyObject_CheckBuffer(iterable)
            ? extend_from_buffer(op, iterable, AT_OLD_END,
                                 "can't set bytearray slice from %.100s")
            : extend_from_iterable(op, iterable));
}

PyObject *
edit_inplace_concat(PyObject *op, PyObject *other)
{
    if (extend_from_buffer(op, other, false, "can't concat %.100s to %.100s") < 0) {
        return NULL;
    }
    return Py_NewRef(op);
}

static int
repeat_in_place(BufferObject *self, size_t count)
{
    size_t unit = buffer_length(self);
    if (count == 0) {
        return buffer_splice(self, 0, unit, 0);
    }
    if (unit > (size_t)PY_SSIZE_T_MAX / count) {
        PyErr_NoMemory();
        return -1;
    }
    if (buffer_append(self, unit * (count - 1)) < 0) {
        return -1;
    }
    assert(buffer_length(self) == unit * count);
    if (unit > 0) {
        store_repeat(buffer_bytes(self), unit, unit * count);
    }
    return 0;
}

PyObject *
edit_inplace_repeat(PyObject *op, Py_ssize_t count)
{
    BUFFER_LOCKED(int, rc, op,
                  repeat_in_place(buffer_cast(op), count < 0 ? 0 : (size_t)count));
    return rc < 0 ? NULL : Py_NewRef(op);
}

/* ----------------------------------------------------------------- single items */

PyDoc_STRVAR(insert_doc,
"insert($self, index, item, /)\n--\n\n"
"Insert one byte, the int `item`, before the given index.\n\n"
"An index past either end means that end. Raise ValueError for an int out of\n"
"range(256), BufferError while the bytes are exported. Costs one move of the bytes\n"
"after it, or of those before it if they are fewer and the buffer has headroom.\n\n"
">>> from growbuf import GrowBuffer\n"
">>> buf = GrowBuffer(b'sam')\n"
">>> buf.insert(1, 112)\n"
">>> buf\n"
"GrowBuffer(b'spam')");

static int
insert_byte(BufferObject *self, Py_ssize_t index, unsigned char value)
{
    Py_ssize_t length = (Py_ssize_t)buffer_length(self);
    if (index < 0) {
        index += length;
    }
    index = index < 0 ? 0 : index > length ? length : index;
    assert(index >= 0 && index <= length);
    return edit_replace(self, (size_t)index, 0, (const char *)&value, 1);
}

static PyObject *
growbuffer_insert(PyObject *op, PyObject *const *args, Py_ssize_t nargs)
{
    Py_ssize_t index;
    unsigned char value;
    if (args_check_count("insert", nargs, 2, 2) < 0 ||
        args_index(args[0], &index) < 0 || args_byte(args[1], &value) < 0) {
        return NULL;
    }
    BUFFER_LOCKED(int, rc, op, insert_byte(buffer_cast(op), index, value));
    return buffer_none_or_null(rc);
}

PyDoc_STRVAR(pop_doc,
"pop($self, index=-1, /)\n--\n\n"
"Remove the byte at the index, the last one by default, and return it as an int.\n\n"
"Raise IndexError if there is none, BufferError while the bytes are exported; the\n"
"first byte of a buffer with a limit can be removed then, too. Costs O(1) at either\n"
"end, else one move of the bytes on the shorter side.\n\n"
">>> from growbuf import GrowBuffer\n"
">>> buf = GrowBuffer(b'spam')\n"
">>> buf.pop(), buf.pop(0), buf\n"
"(109, 115, GrowBuffer(b'pa'))");

/* Remove the byte at the index and return it, or -1 with an exception. */
static int
pop_byte(BufferObject *self, Py_ssize_t index)
{
    Py_ssize_t length = (Py_ssize_t)buffer_length(self);
    if (length == 0) {
        PyErr_SetString(PyExc_IndexError, "pop from empty bytearray");
        return -1;
    }
    if (index < 0) {
        index += length;
    }
    if (index < 0 || index >= length) {
        PyErr_SetString(PyExc_IndexError, "pop index out of range");
        return -1;
    }
    assert(index >= 0 && (size_t)index < buffer_length(self));
    unsigned char value = (unsigned char)buffer_bytes(self)[index];
    assert(length == (Py_ssize_t)buffer_length(self) && Py_SIZE(self) == length);
    return buffer_splice(self, (size_t)index, 1, 0) < 0 ? -1 : value;
}

static PyObject *
growbuffer_pop(PyObject *op, PyObject *const *args, Py_ssize_t nargs)
{
    Py_ssize_t index = -1;
    if (args_check_count("pop", nargs, 0, 1) < 0 ||
        (nargs == 1 && args_index(args[0], &index) < 0)) {
        return NULL;
    }
    BUFFER_LOCKED(int, value, op, pop_byte(buffer_cast(op), index));
    assert(value >= -1 && value <= 255);
    return value < 0 ? NULL : PyLong_FromLong(value);
}

PyDoc_STRVAR(remove_doc,
"remove($self, value, /)\n--\n\n"
"Remove the first byte that has the value.\n\n"
"Raise ValueError if there is none, BufferError while the bytes are exported. Costs\n"
"the search and one move of the bytes on the shorter side.\n\n"
">>> from growbuf import GrowBuffer\n"
">>> buf = GrowBuffer(b'eggs')\n"
">>> buf.remove(103)\n"
">>> buf\n"
"GrowBuffer(b'egs')");

static int
remove_byte(BufferObject *self, unsigned char value)
{
    const char *bytes = buffer_bytes(self);
    const char *found = memchr(bytes, value, buffer_length(self));
    if (found == NULL) {
        PyErr_SetString(PyExc_ValueError, "value not found in bytearray");
        return -1;
    }
    assert(found >= bytes && (size_t)(found - bytes) < buffer_length(self));
    return buffer_splice(self, (size_t)(found - bytes), 1, 0);
}

static PyObject *
growbuffer_remove(PyObject *op, PyObject *item)
{
    unsigned char value;
    if (args_byte(item, &value) < 0) {
        return NULL;
    }
    BUFFER_LOCKED(int, rc, op, remove_byte(buffer_cast(op), value));
    return buffer_none_or_null(rc);
}

/* --------------------------------------------------------------- the whole length */

PyDoc_STRVAR(clear_doc,
"clear($self, /)\n--\n\n"
"Remove all bytes and give the memory back, to the pool if that is not full.\n\n"
"The buffer keeps its limit. Raise BufferError while the bytes are exported and\n"
"there is no limit. With a limit, views keep their bytes. Costs at most a few system\n"
"calls.\n\n"
">>> from growbuf import GrowBuffer\n"
">>> buf = GrowBuffer(b'spam')\n"
">>> buf.clear()\n"
">>> buf\n"
"GrowBuffer(b'')");

static PyObject *
growbuffer_clear(PyObject *op, PyObject *Py_UNUSED(ignored))
{
    BUFFER_LOCKED(int, rc, op, buffer_clear(buffer_cast(op)));
    return buffer_none_or_null(rc);
}

PyDoc_STRVAR(resize_doc,
"resize($self, size, /)\n--\n\n"
"Set the length to `size` bytes: remove bytes at the end, or append zeros.\n\n"
"Raise ValueError if `size` is negative, BufferError while the bytes are exported,\n"
"unless the buffer grows and has a limit. Zeros on new pages cost nothing until the\n"
"pages are used. Python's own bytearray has this method since 3.14.\n\n"
">>> from growbuf import GrowBuffer\n"
">>> buf = GrowBuffer(b'spam')\n"
">>> buf.resize(6)\n"
">>> bytes(buf[4:])\n"
"b'\\x00\\x00'");

static int
set_length(BufferObject *self, size_t to)
{
    size_t from = buffer_length(self);
    assert(to <= PY_SSIZE_T_MAX && from <= PY_SSIZE_T_MAX);
    return to <= from ? buffer_splice(self, to, from - to, 0)
                      : buffer_append_zeros(self, to - from);
}

static PyObject *
growbuffer_resize(PyObject *op, PyObject *size)
{
    Py_ssize_t length;
    if (args_index(size, &length) < 0) {
        return NULL;
    }
    if (length < 0) {
        PyErr_Format(PyExc_ValueError, "Can only resize to positive sizes, got %zd",
                     length);
        return NULL;
    }
    BUFFER_LOCKED(int, rc, op, set_length(buffer_cast(op), (size_t)length));
    return buffer_none_or_null(rc);
}

/* ------------------------------------------------- assignment to items and slices */

/* The bytes to assign to a slice. They do not move while the buffer changes. */
struct source {
    const char *bytes;
    size_t nbytes;
    Py_buffer view;
    struct store store;
};

static void
source_close(struct source *source)
{
    assert(source->view.obj == NULL || store_kind(&source->store) == STORE_EMPTY);
    PyBuffer_Release(&source->view);
    store_free(&source->store);
}

/* Get the bytes to assign. Those of another bytes or bytearray are exported. Those of
 * any other object are copied, because it may be a view of the buffer itself or an
 * iterator that reads it. */
static int
source_open(struct source *source, PyObject *op, PyObject *values)
{
    source->view.obj = NULL;
    store_init(&source->store);
    if (values != op && (PyByteArray_Check(values) || PyBytes_Check(values))) {
        if (PyObject_GetBuffer(values, &source->view, PyBUF_SIMPLE) < 0) {
            return -1;
        }
        assert(source->view.len >= 0);
        source->bytes = source->view.buf;
        source->nbytes = (size_t)source->view.len;
        return 0;
    }
    if (PyNumber_Check(values) || PyUnicode_Check(values)) {
        PyErr_SetString(PyExc_TypeError, "can assign only bytes, buffers, or iterables "
                                         "of ints in range(0, 256)");
        return -1;
    }
    if (construct_from(&source->store, values, NULL, NULL) < 0) {
        store_free(&source->store);
        return -1;
    }
    assert(store_check(&source->store) == NULL);
    source->bytes = source->store.start;
    source->nbytes = source->store.length;
    return 0;
}

/* Remove every step-th byte, `count` of them from `first` on, in one pass.
 *
 *   |....x..x..x..x.....|      x is removed, step is 3
 *   |...............|          each run of bytes between two x moves once
 */
static int
delete_every(BufferObject *self, size_t first, size_t step, size_t count)
{
    if (buffer_check_resizable(self) < 0) {
        return -1;
    }
    if (count == 0) {
        return 0;
    }
    assert(step >= 1 && first < buffer_length(self));
    assert((count - 1) * step < buffer_length(self) - first);
    char *bytes = buffer_bytes(self);
    char *end = bytes + buffer_length(self);
    char *to = bytes + first, *from = to;
    for (size_t i = 0; i < count; i++) {
        from++;
        size_t run = i + 1 < count ? step - 1 : (size_t)(end - from);
        memmove(to, from, run);
        to += run;
        from += run;
    }
    assert(from == end && (size_t)(end - to) == count);
    return buffer_splice(self, (size_t)(to - bytes), count, 0);
}

/* Assign to every step-th byte, `count` of them from `first` on. Raise ValueError if
 * the source has another number of bytes. */
static int
assign_every(BufferObject *self, Py_ssize_t first, Py_ssize_t step, Py_ssize_t count,
             const struct source *source)
{
    if (source->nbytes != (size_t)count) {
        PyErr_Format(PyExc_ValueError,
                     "attempt to assign bytes of size %zd "
                     "to extended slice of size %zd",
                     (Py_ssize_t)source->nbytes, count);
        return -1;
    }
    char *bytes = buffer_bytes(self);
    assert(count == 0 || (first >= 0 && (size_t)first < buffer_length(self)));
    assert(count == 0 || first + (count - 1) * step >= 0);
    assert(count == 0 || (size_t)(first + (count - 1) * step) < buffer_length(self));
    for (Py_ssize_t i = 0; i < count; i++) {
        bytes[first + i * step] = source->bytes[i];
    }
    return 0;
}

/* Assign the bytes of the source to a slice. Delete the slice if there is no source, or
 * if the source is empty. */
static int
assign_slice(BufferObject *self, Py_ssize_t start, Py_ssize_t stop, Py_ssize_t step,
             const struct source *source)
{
    Py_ssize_t length = (Py_ssize_t)buffer_length(self);
    Py_ssize_t count = PySlice_AdjustIndices(length, &start, &stop, step);
    assert(step != 0 && count >= 0 && count <= length);
    if (step == 1 && source == NULL) {
        return buffer_splice(self, (size_t)start, (size_t)count, 0);
    }
    if (step == 1) {
        return edit_replace(self, (size_t)start, (size_t)count, source->bytes,
                            source->nbytes);
    }
    if (source != NULL && source->nbytes > 0) {
        return assign_every(self, start, step, count, source);
    }
    if (step < 0 && count > 0) {
        start += step * (count - 1);
        step = -step;
    }
    assert(count == 0 || (start >= 0 && step > 1) || step == 1);
    return delete_every(self, (size_t)start, (size_t)step, (size_t)count);
}

/* Assign `values` to a slice, or delete it if they are NULL. */
static int
ass_slice(PyObject *op, PyObject *slice, PyObject *values)
{
    Py_ssize_t start, stop, step;
    if (PySlice_Unpack(slice, &start, &stop, &step) < 0) {
        return -1;
    }
    BufferObject *self = buffer_cast(op);
    if (values == NULL) {
        BUFFER_LOCKED(int, rc, op, assign_slice(self, start, stop, step, NULL));
        return rc;
    }
    struct source source;
    if (source_open(&source, op, values) < 0) {
        return -1;
    }
    BUFFER_LOCKED(int, rc, op, assign_slice(self, start, stop, step, &source));
    source_close(&source);
    return rc;
}

/* Assign to one item, or delete it if `delete` is true. */
static int
assign_item(BufferObject *self, Py_ssize_t index, bool delete, unsigned char value)
{
    Py_ssize_t length = (Py_ssize_t)buffer_length(self);
    if (index < 0) {
        index += length;
    }
    if (index < 0 || index >= length) {
        PyErr_SetString(PyExc_IndexError, "bytearray index out of range");
        return -1;
    }
    assert(index >= 0 && (size_t)index < buffer_length(self));
    if (delete) {
        return buffer_splice(self, (size_t)index, 1, 0);
    }
    buffer_bytes(self)[index] = (char)value;
    return 0;
}

int
edit_ass_item(PyObject *op, Py_ssize_t index, PyObject *value)
{
    unsigned char byte = 0;
    if (value != NULL && args_byte(value, &byte) < 0) {
        return -1;
    }
    BUFFER_LOCKED(int, rc, op,
                  assign_item(buffer_cast(op), index, value == NULL, byte));
    return rc;
}

int
edit_ass_subscript(PyObject *op, PyObject *index, PyObject *value)
{
    Py_ssize_t i;
    if (args_small_int(index, &i)) {
        return edit_ass_item(op, i, value);
    }
    if (PyIndex_Check(index)) {
        i = PyNumber_AsSsize_t(index, PyExc_IndexError);
        return i == -1 && PyErr_Occurred() ? -1 : edit_ass_item(op, i, value);
    }
    if (PySlice_Check(index)) {
        return ass_slice(op, index, value);
    }
    PyErr_Format(PyExc_TypeError,
                 "bytearray indices must be integers or slices, not %.200s",
                 Py_TYPE(index)->tp_name);
    return -1;
}

const PyMethodDef edit_methods[] = {
    {"append", growbuffer_append, METH_O, append_doc},
    {"clear", growbuffer_clear, METH_NOARGS, clear_doc},
    {"extend", growbuffer_extend, METH_O, extend_doc},
    {"insert", BUFFER_METHOD(growbuffer_insert), METH_FASTCALL, insert_doc},
    {"pop", BUFFER_METHOD(growbuffer_pop), METH_FASTCALL, pop_doc},
    {"remove", growbuffer_remove, METH_O, remove_doc},
    {"resize", growbuffer_resize, METH_O, resize_doc},
    {NULL, NULL, 0, NULL},
};
