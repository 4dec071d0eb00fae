/* failing: a library to preload into a Python, so that one call of a function runs
 * while the n-th system call that the extension makes fails, or the n-th allocation by
 * Python's allocators. tests/faulted.py calls it.
 *
 * Only the thread that makes the call, and only system calls made from the extension's
 * own code: the interpreter's, and the allocator's under it, go through as ever.
 */
#define _GNU_SOURCE
#define PY_SSIZE_T_CLEAN
#include <Python.h>

#include <dlfcn.h>
#include <errno.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdbool.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>

#define EXPORTED __attribute__((visibility("default")))
#define NEXT(name) ((__typeof__(&name))dlsym(RTLD_NEXT, #name))

enum what { NOTHING, SYSTEM_CALLS, ALLOCATIONS };

/* Those numbered [first, first + count) fail, counted from 1 as they are seen. */
static _Thread_local struct {
    enum what what;
    long first, count, seen;
    int error;
} fault;

static size_t lost_nbytes;

static bool
fails(enum what what)
{
    if (fault.what != what) {
        return false;
    }
    fault.seen++;
    return fault.seen >= fault.first && fault.seen - fault.first < fault.count;
}

/* ------------------------------------------------------------------ system calls */

static bool
call_fails(const void *caller)
{
    Dl_info info;
    if (fault.what != SYSTEM_CALLS || dladdr(caller, &info) == 0 ||
        strstr(info.dli_fname, "/_growbuf.") == NULL || !fails(SYSTEM_CALLS)) {
        return false;
    }
    errno = fault.error;
    return true;
}

#define FAILS() call_fails(__builtin_return_address(0))

EXPORTED void *
mmap(void *address, size_t length, int protection, int flags, int file, off_t offset)
{
    return FAILS() ? MAP_FAILED
                   : NEXT(mmap)(address, length, protection, flags, file, offset);
}

/* What cannot be unmapped stays: no leak of the extension's. */
EXPORTED int
munmap(void *address, size_t length)
{
    if (FAILS()) {
        lost_nbytes += length;
        return -1;
    }
    return NEXT(munmap)(address, length);
}

EXPORTED int
mprotect(void *address, size_t length, int protection)
{
    return FAILS() ? -1 : NEXT(mprotect)(address, length, protection);
}

EXPORTED int
madvise(void *address, size_t length, int advice)
{
    return FAILS() ? -1 : NEXT(madvise)(address, length, advice);
}

EXPORTED int
pthread_create(pthread_t *thread, const pthread_attr_t *attributes,
               void *(*start)(void *), void *argument)
{
    return FAILS() ? fault.error
                   : NEXT(pthread_create)(thread, attributes, start, argument);
}

/* The extension's mremap, and whatever else is called so. */
EXPORTED long
syscall(long number, ...)
{
    long arguments[6];
    va_list list;
    va_start(list, number);
    for (int i = 0; i < 6; i++) {
        arguments[i] = va_arg(list, long);
    }
    va_end(list);
    return FAILS() ? -1
                   : NEXT(syscall)(number, arguments[0], arguments[1], arguments[2],
                                   arguments[3], arguments[4], arguments[5]);
}

/* ------------------------------------------------------------------- allocations */

/* Free-threaded 3.13 drops a list whose items there was no memory for, before it has
 * set where they are: what a list freed earlier had there is dropped once more. */
#if defined(Py_GIL_DISABLED) && PY_VERSION_HEX < 0x030E0000
#include <execinfo.h>

static bool
is_for_a_list(void)
{
    enum { NFRAMES = 8 }; /* this, the hook, and the allocator's own on top */
    void *frames[NFRAMES];
    int nframes = backtrace(frames, NFRAMES);
    for (int i = 0; i < nframes; i++) {
        Dl_info info;
        if (dladdr(frames[i], &info) != 0 && info.dli_sname != NULL &&
            strcmp(info.dli_sname, "PyList_New") == 0) {
            return true;
        }
    }
    return false;
}
#else
static bool
is_for_a_list(void)
{
    return false;
}
#endif

static bool
allocation_fails(void)
{
    return fails(ALLOCATIONS) && !is_for_a_list();
}

enum { NDOMAINS = 3 };
static const PyMemAllocatorDomain domains[NDOMAINS] = {
    PYMEM_DOMAIN_RAW, PYMEM_DOMAIN_MEM, PYMEM_DOMAIN_OBJ};
static PyMemAllocatorEx usual[NDOMAINS];

static void *
failing_malloc(void *context, size_t nbytes)
{
    PyMemAllocatorEx *next = context;
    return allocation_fails() ? NULL : next->malloc(next->ctx, nbytes);
}

static void *
failing_calloc(void *context, size_t count, size_t nbytes)
{
    PyMemAllocatorEx *next = context;
    return allocation_fails() ? NULL : next->calloc(next->ctx, count, nbytes);
}

static void *
failing_realloc(void *context, void *block, size_t nbytes)
{
    PyMemAllocatorEx *next = context;
    return allocation_fails() ? NULL : next->realloc(next->ctx, block, nbytes);
}

static void
failing_free(void *context, void *block)
{
    PyMemAllocatorEx *next = context;
    next->free(next->ctx, block);
}

static void
hook_allocators(void)
{
    for (int i = 0; i < NDOMAINS; i++) {
        PyMem_GetAllocator(domains[i], &usual[i]);
        PyMemAllocatorEx failing = {&usual[i], failing_malloc, failing_calloc,
                                    failing_realloc, failing_free};
        PyMem_SetAllocator(domains[i], &failing);
    }
}

static void
unhook_allocators(void)
{
    for (int i = 0; i < NDOMAINS; i++) {
        PyMem_SetAllocator(domains[i], &usual[i]);
    }
}

/* ------------------------------------------------------------ for tests/faulted.py */

/* Call `function(argument)` while `count` of these fail, from the first-th on. */
EXPORTED PyObject *
failing_call(PyObject *function, PyObject *argument, int what, long first, long count,
             int error)
{
    hook_allocators();
    fault.first = first, fault.count = count, fault.seen = 0, fault.error = error;
    fault.what = what;
    PyObject *result = PyObject_CallOneArg(function, argument);
    fault.what = NOTHING;
    unhook_allocators();
    return result;
}

/* How many of these the last call made. */
EXPORTED long
failing_seen(void)
{
    return fault.seen;
}

/* Bytes that are still mapped because unmapping them failed. */
EXPORTED size_t
failing_lost_nbytes(void)
{
    return lost_nbytes;
}
