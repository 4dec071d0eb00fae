/* io_file: one GrowIO: its bytes, its position, its lock, and how it opens and closes.
 *
 * The bytes are in one of two objects. A closed file has neither.
 *
 *   bytes   a bytes object: the one that the file was made from, of any length; or one
 *           to which only the file refers, and which is written in place:
 *
 *             |<----- nbytes ----->|   unspecified   |NUL
 *             |<--------- PyBytes_GET_SIZE --------->|
 *
 *           It is a FrozenBytes after a read of all bytes of a buffer. The next write
 *           makes its memory a buffer again, or copies it if other code has the object.
 *   buffer  a GrowBuffer: once the file is longer, or when the caller gives it or asks
 *           for it. It raises BufferError itself if an export forbids a new length.
 *
 * Methods of io.BytesIO itself, if they are called on a GrowIO, find a closed file.
 *
 * Inline functions, and those that end in _locked, are called between IO_BEGIN and IO_END.
 * There no other code uses the file, nor its buffer if it has one.
 * -1 and NULL come with an exception; then the file is unchanged.
 */
#ifndef GROWBUF_IO_FILE_H
#define GROWBUF_IO_FILE_H

#include "buffer.h"

/* The fields of a BytesIO, which no header of Python's declares: io_make_type compares
 * them with the running Python's type. */
struct io_base {
    PyObject_HEAD
    PyObject *buf; /* NULL: to BytesIO's own methods the file is closed */
    Py_ssize_t pos, string_size;
    PyObject *dict, *weakrefs; /* used as a BytesIO does */
    Py_ssize_t exports;        /* 1: BytesIO's own __init__ and close() raise */
};

typedef struct {
    struct io_base base;
    BufferObject *buffer;
    PyObject *bytes;
    size_t nbytes;   /* of `bytes` in use */
    size_t position; /* at most PY_SSIZE_T_MAX, and may be past the end */
    bool shared;     /* other code may have a reference to `bytes` */
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

/* ------------------------------------------------------------------- open or closed */

static inline bool
io_is_closed(const IOObject *self)
{
    return self->bytes == NULL && self->buffer == NULL;
}

/* Raise ValueError. Returns -1. */
int io_raise_closed(void);

static inline int
io_check_open_locked(const IOObject *self)
{
    return io_is_closed(self) ? io_raise_closed() : 0;
}

static inline int
io_check_open(PyObject *op)
{
    int rc;
    IO_BEGIN(io_cast(op));
    rc = io_check_open_locked(io_cast(op));
    IO_END(io_cast(op));
    return rc;
}

/* Raise BufferError if a view of the bytes exists. `action` completes "cannot ...". */
int io_check_no_views_locked(const IOObject *self, const char *action);

static inline int
io_check_replaceable_locked(const IOObject *self)
{
    return io_check_no_views_locked(self, "give the file other bytes");
}

/* Replace the file's bytes by `bytes` or by `buffer`; close the file if both are NULL.
 * Takes over both references, on failure too. Raise BufferError while a view of the old
 * bytes exists. */
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

/* Return how many bytes there are from the position on, at most `max`; -1: all. */
static inline size_t
io_available(const IOObject *self, Py_ssize_t max)
{
    size_t length = io_length(self);
    size_t rest = length > self->position ? length - self->position : 0;
    return max >= 0 && (size_t)max < rest ? (size_t)max : rest;
}

/* Make the file's bytes object of its buffer, without a copy. Do nothing if other code
 * has the buffer, if the buffer has a limit, or if its memory is no span. */
void io_freeze_buffer_locked(IOObject *self);

/* Return `nbytes` bytes from `at` on as a bytes object: the file's own object if it has
 * no other bytes, else a copy. */
static inline PyObject *
io_get_bytes(IOObject *self, size_t at, size_t nbytes)
{
    if (self->buffer != NULL && nbytes >= GROWTH_HEAP_AGAIN &&
        nbytes == buffer_length(self->buffer)) {
        io_freeze_buffer_locked(self);
    }
    if (self->bytes != NULL && nbytes == (size_t)PyBytes_GET_SIZE(self->bytes) &&
        nbytes > 1) {
        self->shared = true;
        return Py_NewRef(self->bytes);
    }
    /* Past the end there is no address to point to. */
    return PyBytes_FromStringAndSize(nbytes > 0 ? io_start(self) + at : NULL,
                                     (Py_ssize_t)nbytes);
}

/* Make the bytes object as long as the bytes in use, or move them to a buffer. */
int io_fit_bytes_locked(IOObject *self);

/* Return all bytes as a bytes object, the file's own if it has no buffer. */
static inline PyObject *
io_get_value(IOObject *self)
{
    size_t length = io_length(self);
    if (self->bytes != NULL && length > 1 &&
        length < (size_t)PyBytes_GET_SIZE(self->bytes) &&
        io_fit_bytes_locked(self) < 0) {
        return NULL;
    }
    return io_get_bytes(self, 0, length);
}

/* Make `bytes` writable and `end` bytes long at least, or move the bytes to a buffer.
 * Only the file refers to the bytes object afterwards, if there is one. The file's length does not change. */
int io_make_writable_locked(IOObject *self, size_t end);

/* Shorten a file that has no buffer to `nbytes`, at most its length. If less than half
 * of its bytes object is then in use, free the rest of the memory. */
int io_truncate_bytes_locked(IOObject *self, size_t nbytes);

/* Make the buffer `end` bytes long. The bytes between its old length and the position
 * become zeros; fresh pages are zero already:
 *
 *   |<--- length --->|      |            |
 *   |<--- length --->|0000000............|
 *                        position       end
 */
int io_grow_buffer_locked(IOObject *self, size_t end);

/* Make `nbytes` > 0 bytes from the position on writable, and return the address of the
 * first. The file grows if it must, and its bytes may move. The caller writes all of
 * them before any other code runs. */
static inline char *
io_make_place(IOObject *self, size_t nbytes)
{
    size_t end = self->position + nbytes;
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
    return io_start(self) + self->position;
}

/* Return a new reference to the file's buffer. If the bytes are not in one, move them
 * there first. */
BufferObject *io_hold_buffer(PyObject *op);

/* --------------------------------------------------- construction and deallocation */

/* Return the GrowBuffer type that belongs to GrowIO or a subclass of it. Borrowed. */
PyTypeObject *io_buffer_type(PyTypeObject *type);

/* Return a new file, with the bytes that io_replace takes. */
PyObject *io_make(PyTypeObject *type, PyObject *bytes, BufferObject *buffer);

/* The type's slots. A file is empty until its __init__ is called. */
PyObject *io_new(PyTypeObject *type, PyObject *args, PyObject *kwargs);
void io_finalize(PyObject *op);
int io_traverse(PyObject *op, visitproc visit, void *arg);
int io_clear(PyObject *op);
void io_dealloc(PyObject *op);

#endif
