/* io_file: one GrowIO: its bytes, position and lock, and how it opens and closes.
 *
 * An open file has its bytes in one of two objects. A closed file has neither object.
 *
 *   bytes   a bytes object, the first `nbytes` bytes of which are those of the file:
 *
 *             |<----- nbytes ----->|   unspecified   |NUL
 *             |<--------- PyBytes_GET_SIZE --------->|
 *
 *           The object is shared if the file was made from it, or if a read of all
 *           bytes has returned it. Shared objects may have any length, and are not
 *           written to. The next write copies the bytes, unless only the file refers
 *           to the object by then.
 *
 *           A read of all bytes of a buffer makes a FrozenBytes of its memory. The next
 *           write makes a buffer of it again, or copies the bytes.
 *   buffer  a GrowBuffer. A file gets one when it is written to and has IO_BUFFER_MIN
 *           bytes or more, or when the caller passes one or asks for it. The buffer
 *           itself raises BufferError if an export forbids a change of its length.
 *
 * To the methods of io.BytesIO itself a GrowIO is a closed file.
 *
 * Functions that end in _locked, and inline functions that take an IOObject, are called
 * between IO_BEGIN and IO_END. There no other code uses the file or its buffer. A
 * function that returns -1 or NULL has set an exception and left the file unchanged.
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
    size_t nbytes;   /* how many of `bytes` are in use */
    size_t position; /* at most PY_SSIZE_T_MAX, and may be past the end */
    bool shared;     /* other code may have a reference to `bytes` */
    bool finalizing; /* close() succeeds even while views exist */
} IOObject;

static inline IOObject *
io_cast(PyObject *op)
{
    return (IOObject *)op;
}

/* Below this length a file that is written to has its bytes in a bytes object. Few
 * files grow far past it, and for a file that does not, a heap block costs less than a
 * span: it takes no system call and fewer pages. It is below 128 KiB, from where on
 * glibc maps each block by itself. */
#define IO_BUFFER_MIN ((size_t)120 << 10)

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
    int rc = -1;
    IO_IF_OPEN(io_cast(op), rc = 0);
    return rc;
}

/* Raise BufferError. `action` follows "cannot" in the message. Returns -1. */
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

/* Replace the file's bytes by `bytes` or by `buffer`, of which the other is NULL. The
 * file is open afterwards. The references are consumed, on failure too. Raise
 * BufferError if a view of the old bytes exists. */
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

/* Return the number of bytes from the position to the end, but `max` at most. A
 * negative `max` is no maximum. */
static inline size_t
io_available(const IOObject *self, Py_ssize_t max)
{
    size_t length = io_length(self);
    size_t rest = length > self->position ? length - self->position : 0;
    return max >= 0 && (size_t)max < rest ? (size_t)max : rest;
}

/* Return all bytes of the file, which are 2 or more, as a bytes object. That is the
 * file's own object, which becomes shared. If the bytes are in a buffer, a FrozenBytes
 * takes its memory over. The bytes of the buffer are copied if that is not possible:
 * other code has the buffer or a view of it, it has a limit, or its memory is no
 * span. */
PyObject *io_get_all_locked(IOObject *self);

/* Return a bytes object of the `nbytes` bytes at offset `at`: a copy, or what
 * io_get_all_locked() returns if they are all bytes of the file. Objects of fewer than
 * 2 bytes are always Python's own. */
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
    /* If the position is past the end, then no address belongs to it. */
    return PyBytes_FromStringAndSize(nbytes > 0 ? io_start(self) + at : NULL,
                                     (Py_ssize_t)nbytes);
}

/* Prepare a write that ends at `end`: make sure that only the file refers to `bytes`,
 * and that it has `end` bytes or more; or else that the bytes are in a buffer. A buffer
 * made here has `end` bytes already, unless zeros must be added before the position. */
int io_make_writable_locked(IOObject *self, size_t end);

/* Shorten a file that has no buffer to `nbytes`, at most its length. If less than half
 * of its bytes object is then in use, free the memory of the rest, or keep it if there
 * is too little memory to do so. */
void io_truncate_bytes_locked(IOObject *self, size_t nbytes);

/* Make the buffer `end` bytes long. The bytes between its old length and the position
 * become zeros; fresh pages are zero already:
 *
 *   |<--- length --->|      |            |
 *   |<--- length --->|0000000............|
 *                        position       end
 */
int io_grow_buffer_locked(IOObject *self, size_t end);

/* Make the `nbytes` bytes from the position on writable, and return the address of the
 * first. The file grows if they reach past its end, and then all its bytes may move.
 * The caller writes the values of these bytes before any other code runs. pre:
 * nbytes > 0. */
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
 * them to one first. */
BufferObject *io_hold_buffer(PyObject *op);

/* --------------------------------------------------- construction and deallocation */

/* Return the GrowBuffer type of the interpreter of `type`, which is GrowIO or a
 * subclass. The reference is borrowed. */
PyTypeObject *io_buffer_type(PyTypeObject *type);

/* Return a new file of `bytes` or of `buffer`. Both references are consumed, on failure
 * too. */
PyObject *io_make(PyTypeObject *type, PyObject *bytes, BufferObject *buffer);

/* The type's slots. A file is empty until its __init__ is called. */
PyObject *io_new(PyTypeObject *type, PyObject *args, PyObject *kwargs);
void io_finalize(PyObject *op);
int io_traverse(PyObject *op, visitproc visit, void *arg);
int io_clear(PyObject *op);
void io_dealloc(PyObject *op);

#endif
