/* failing: a library to preload into a Python. failing_call() calls a Python function.
 * During that call it makes the n-th system call of the extension fail, or the n-th
 * allocation by Python's allocators. tests/faulted.py uses it.
 *
 * Only calls in the same thread fail. Of the system calls, only those fail that the
 * extension's own code makes, not those of the interpreter or the allocator.
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

/* Calls of the kind `what` are counted in `seen`, from 1 on. Those with a number in
 * [first, first + count) fail. */
static _Thread_local struct {
    enum what what;
    long first, count, seen;
    int error;
} fault;

static size_t lost_nbytes;

/* Count a call, if it is of the kind that may fail. Return whether it is to fail. */
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

/* Count a system call, if the code at `caller` is in the extension. Return whether the
 * call is to fail. If so, set errno. */
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

/* Memory that could not be unmapped stays mapped. It is counted here, so that the test
 * does not take it for a leak of the extension. */
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

/* The extension calls mremap by syscall(). Other uses of syscall() come here too. */
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

/* When free-threaded 3.13 has no memory for the items of a new list, it deallocates the
 * list before it has set the pointer to the items. The pointer may still be that of a
 * freed list, whose items are then deallocated a second time. So these allocations must
 * not fail. */
#if defined(Py_GIL_DISABLED) && PY_VERSION_HEX < 0x030E0000
#include <execinfo.h>

static bool
is_for_a_list(void)
{
    enum { NFRAMES = 8 }; /* this function, the hook and the allocator are innermost */
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

/* Call `function(argument)`. Make `count` calls of the kind `what` fail with `error`,
 * the first of them number `first`. */
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

/* Return how many calls of the kind `what` were made during the last failing_call(). */
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
