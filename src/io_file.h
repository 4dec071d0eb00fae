/* io_file: one GrowIO: its bytes, position and lock, and how it opens and closes.
 *
 * An open file has exactly one of these two objects. A closed file has neither.
 *
 *   bytes   a bytes object. Its first `nbytes` bytes are the bytes of the file:
 *
 *             |<----- nbytes ----->|   unspecified   |NUL
 *             |<--------- PyBytes_GET_SIZE --------->|
 *
 *           The object is *shared* if the file was made from it, or if a read of all
 *           bytes has returned it: then other code may refer to it. The file does not
 *           write to a shared object. The next write copies the bytes first, unless
 *           only the file refers to the object by then.
 *
 *           If the bytes are in a buffer, a read of all bytes turns the buffer's memory
 *           into a FrozenBytes. The next write turns it into a buffer again, or copies
 *           the bytes if other code refers to the FrozenBytes.
 *   buffer  a GrowBuffer. The file gets one when a write makes it GROWTH_BUFFER_MIN
 *           bytes long or longer, or when the caller passes one or asks for it. If an
 *           export forbids a change of the length, the buffer itself raises
 *           BufferError.
 *
 * The fields of the base struct have the values of a closed file. So if other code
 * calls a method of io.BytesIO itself on a GrowIO, that method raises an exception.
 *
 * Call functions that end in _locked, and inline functions that take an IOObject, only
 * between IO_BEGIN and IO_END. There no other thread uses the file or its buffer. A
 * function that returns -1 or NULL has set an exception and left the file unchanged.
 */
#ifndef GROWBUF_IO_FILE_H
#define GROWBUF_IO_FILE_H

#include "buffer.h"

/* The fields of a BytesIO. No header of Python declares them, so io_make_type()
 * compares their size and offsets with those of the running Python's type.
 * Free-threaded builds have the last field since 3.14.7; with older ones it is
 * unused. */
struct io_base {
    PyObject_HEAD
    PyObject *buf; /* NULL: to BytesIO's own methods the file is closed */
    Py_ssize_t pos, string_size;
    PyObject *dict, *weakrefs; /* attributes and weak references, as of a BytesIO */
    Py_ssize_t exports;        /* 1: BytesIO's own __init__ and close() raise */
#ifdef Py_GIL_DISABLED
    int buf_shared; /* 0: what BytesIO needs while `buf` is NULL */
#endif
};

typedef struct {
    struct io_base base;
    BufferObject *buffer;
    PyObject *bytes;
    size_t nbytes;   /* how many bytes of `bytes` are in use */
    size_t position; /* at most PY_SSIZE_T_MAX, and may be past the end */
    bool shared;     /* other code may refer to `bytes` */
    bool finalizing; /* close() succeeds even while views exist */
} IOObject;

static inline IOObject *
io_cast(PyObject *op)
{
    return (IOObject *)op;
}

/* ------------------------------------------------------------------------ the lock */

#ifdef GROWBUF_DEBUG
void io_assert_consistent(const IOObject *self);
#else
#define io_assert_consistent(self) ((void)0)
#endif

#ifdef Py_GIL_DISABLED
void io_lock(IOObject *self, PyCriticalSection2 *section);
#define IO_BEGIN(self)                                                                 \
    {                                                                                  \
        PyCriticalSection2 io_section;                                                 \
        io_lock(self, &io_section);
#define IO_END(self)                                                                   \
    io_assert_consistent(self);                                                        \
    PyCriticalSection2_End(&io_section);                                               \
    }
#else
#define IO_BEGIN(self) {
#define IO_END(self)                                                                   \
    io_assert_consistent(self);                                                        \
    }
#endif

/* Lock the file, and execute `statement` if it is open. If it is closed, raise
 * ValueError. */
#define IO_IF_OPEN(self, statement)                                                    \
    IO_BEGIN(self);                                                                    \
    if (io_check_open_locked(self) == 0) {                                             \
        statement;                                                                     \
    }                                                                                  \
    IO_END(self)

/* ------------------------------------------------------------------- open or closed */

static inline bool
io_is_closed(const IOObject *self)
{
    return self->bytes == NULL && self->buffer == NULL;
}

/* Raise ValueError and return -1. */
int io_raise_closed(void);

static inline int
io_check_open_locked(const IOObject *self)
{
    return io_is_closed(self) ? io_raise_closed() : 0;
}

static inline int
io_check_open(PyObject *op)
{
    int rc = -1;
    IO_IF_OPEN(io_cast(op), rc = 0);
    return rc;
}

/* Raise BufferError and return -1. The message is "cannot `action` while a view of its
 * bytes exists". */
int io_raise_views(const char *action);

/* Raise BufferError if a view of the bytes exists. */
static inline int
io_check_no_views_locked(const IOObject *self, const char *action)
{
    return self->buffer != NULL && buffer_is_exported(self->buffer)
               ? io_raise_views(action)
               : 0;
}

static inline int
io_check_replaceable_locked(const IOObject *self)
{
    return io_check_no_views_locked(self, "give the file other bytes");
}

/* Replace the file's bytes by those of `bytes` or `buffer`; the other of these two is
 * NULL. The file is open afterwards, even if it was closed. The references are
 * consumed, on failure too. Raise BufferError if a view of the old bytes exists. */
int io_replace(PyObject *op, PyObject *bytes, BufferObject *buffer, size_t position);

/* ----------------------------------------------------- the bytes of an open file */

static inline size_t
io_length(const IOObject *self)
{
    return self->buffer != NULL ? buffer_length(self->buffer) : self->nbytes;
}

static inline char *
io_start(const IOObject *self)
{
    return self->buffer != NULL ? buffer_bytes(self->buffer)
                                : PyBytes_AS_STRING(self->bytes);
}

/* Return the number of bytes from the position to the end of the file, but at most
 * `max`. If `max` is negative, there is no maximum. */
static inline size_t
io_available(const IOObject *self, Py_ssize_t max)
{
    size_t length = io_length(self);
    size_t rest = length > self->position ? length - self->position : 0;
    return max >= 0 && (size_t)max < rest ? (size_t)max : rest;
}

/* Return all bytes of the file as a bytes object. That is the file's own object, which
 * becomes shared. If the bytes are in a buffer, its memory first becomes a FrozenBytes.
 * The bytes are copied instead in these cases:
 *   - Other code refers to the buffer, has a view of it, or may commit a spare.
 *   - The buffer has a limit, is of a subclass, or is not in a span.
 *   - It is shorter than GROWTH_SHARE_MIN.
 *   - The build is free-threaded.
 * pre: the file has 2 bytes or more. */
PyObject *io_get_all_locked(IOObject *self);

/* Return the `nbytes` bytes at offset `at` as a bytes object. If these are all bytes of
 * the file, it is what io_get_all_locked() returns; otherwise it is a copy. For fewer
 * than 2 bytes it is an object that Python keeps, such as b"". */
static inline PyObject *
io_get_bytes(IOObject *self, size_t at, size_t nbytes)
{
    if (nbytes == io_length(self) && nbytes > 1) {
        if (self->bytes == NULL || nbytes < (size_t)PyBytes_GET_SIZE(self->bytes)) {
            return io_get_all_locked(self);
        }
        self->shared = true;
        return Py_NewRef(self->bytes);
    }
    assert(nbytes == 0 || (at < io_length(self) && nbytes <= io_length(self) - at));
    /* No address is computed for 0 bytes: `at` may be past the end of the file. */
    return PyBytes_FromStringAndSize(nbytes > 0 ? io_start(self) + at : NULL,
                                     (Py_ssize_t)nbytes);
}

/* Prepare a write that ends at offset `end`. Afterwards one of these is true:
 *   - The file has a bytes object to which nothing else refers, of `end` bytes or more.
 *   - The file has a buffer. It may be shorter than `end`; io_grow_buffer_locked()
 *     makes it longer. */
int io_make_writable_locked(IOObject *self, size_t end);

/* Shorten a file to `nbytes` bytes. If less than half of its bytes object is in use
 * then, free the rest of the object. If there is too little memory to do that, the rest
 * stays. pre: the file has no buffer, and `nbytes` is at most its length. */
void io_truncate_bytes_locked(IOObject *self, size_t nbytes);

/* Make the buffer `end` bytes long. The bytes between its old length and the position
 * become zeros. The caller writes those after the position:
 *
 *   before   |<--- length --->|
 *   after    |<--- length --->|0000000|............|
 *                                     position     end
 */
int io_grow_buffer_locked(IOObject *self, size_t end);

/* Make the `nbytes` bytes from the position on writable, and return the address of the
 * first. If they end past the end of the file, the file grows. Its bytes may move in
 * any case. The caller writes these bytes before any other code runs. pre: nbytes > 0,
 * and the sum of the position and `nbytes` does not wrap. */
static inline char *
io_make_place(IOObject *self, size_t nbytes)
{
    size_t end = self->position + nbytes;
    assert(nbytes > 0 && end > self->position);
    if (self->buffer == NULL &&
        (self->shared || end > (size_t)PyBytes_GET_SIZE(self->bytes)) &&
        io_make_writable_locked(self, end) < 0) {
        return NULL;
    }
    if (self->buffer != NULL) {
        if (end > buffer_length(self->buffer) && io_grow_buffer_locked(self, end) < 0) {
            return NULL;
        }
    }
    else if (end > self->nbytes) {
        if (self->position > self->nbytes) {
            memset(PyBytes_AS_STRING(self->bytes) + self->nbytes, 0,
                   self->position - self->nbytes);
        }
        self->nbytes = end;
    }
    assert(end <= io_length(self));
    return io_start(self) + self->position;
}

/* Return a new reference to the file's buffer. If the bytes are not in a buffer, move
 * them to one first. No export is taken (unlike buffer_hold()). */
BufferObject *io_hold_buffer(PyObject *op);

/* --------------------------------------------------- construction and deallocation */

/* Return the GrowBuffer type of the interpreter of `type`, which is GrowIO or a
 * subclass. The reference is borrowed. */
PyTypeObject *io_buffer_type(PyTypeObject *type);

/* Return a new file with the bytes of `bytes` or `buffer`; the other of these two is
 * NULL. The references are consumed, on failure too. */
PyObject *io_make(PyTypeObject *type, PyObject *bytes, BufferObject *buffer);

/* The type's slots. A file is empty until its __init__ is called. */
PyObject *io_new(PyTypeObject *type, PyObject *args, PyObject *kwargs);
void io_finalize(PyObject *op);
int io_traverse(PyObject *op, visitproc visit, void *arg);
int io_clear(PyObject *op);
void io_dealloc(PyObject *op);

#endif
