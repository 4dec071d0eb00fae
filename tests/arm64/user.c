/* user: what qemu gets wrong when it emulates the processor of one program and passes
 * its system calls on (qemu-user). Nothing of growbuf is in here. `tools/arm64 faults`
 * runs it.
 *
 * qemu keeps a table of the pages that the program may use. After mremap() with
 * MREMAP_DONTUNMAP it regards the source as unmapped. Each test makes a call
 * that succeeds on Linux, and prints whether it succeeds here. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

enum { LENGTH = 1 << 20, KEEP_SOURCE = 4 };

static int ntests, nwrong;

static void
report(const char *what, bool right, const char *otherwise)
{
    ntests++;
    nwrong += !right;
    printf("%s: %s\n", what, right ? "ok" : otherwise);
}

static void
report_call(const char *what, long result)
{
    report(what, result >= 0, strerror(errno));
}

static char *
map(int protection)
{
    int flags = MAP_PRIVATE | MAP_ANONYMOUS;
    return mmap(NULL, LENGTH, protection, flags, -1, 0);
}

/* Whether a child process can copy bytes there. memcpy() uses instructions of SVE for a
 * few bytes, if the processor has them and glibc is 2.36 or newer. */
static bool
can_copy(char *target, size_t length)
{
    static char bytes[LENGTH];
    int status = 1;
    fflush(stdout);
    pid_t child = fork();
    if (child == 0) {
        memcpy(target, bytes, length);
        _exit(0);
    }
    return waitpid(child, &status, 0) == child && status == 0;
}

int
main(void)
{
    static unsigned char present[LENGTH / 4096];
    volatile size_t few = 1;
    int zeros = open("/dev/zero", O_RDONLY);
    char *source = map(PROT_READ | PROT_WRITE), *closed = map(PROT_NONE);
    memset(source, 1, LENGTH);
    report_call("mincore() of memory without access", mincore(closed, LENGTH, present));
    report_call(
        "mremap() that keeps its source",
        syscall(SYS_mremap, source, LENGTH, LENGTH, MREMAP_MAYMOVE | KEEP_SOURCE, 0));
    memset(source, 2, LENGTH);
    report_call("mincore() of the source", mincore(source, LENGTH, present));
    report_call("read() into the source", read(zeros, source, LENGTH));
    memset(source, 3, LENGTH);
    report("memcpy() of many bytes to the source", can_copy(source, LENGTH), "killed");
    report("memcpy() of one byte to the source", can_copy(source, few), "killed");
    report_call("madvise() of the source", madvise(source, LENGTH, MADV_DONTNEED));
    report("zeros in the source afterwards", source[0] == 0, "the old bytes");
    printf("%d of %d are wrong\n", nwrong, ntests);
    return nwrong > 0;
}
