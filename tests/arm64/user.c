/* user: what qemu gets wrong when it emulates the processor of one program and passes its
 * system calls on (qemu-user). Nothing of growbuf is in here. `tools/arm64 user` runs it.
 *
 * qemu keeps a table of the pages that the program may use. Each test makes calls that
 * succeed on Linux, and prints whether they did. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { LENGTH = 1 << 20, KEEP_SOURCE = 4 };

static int nwrong;

static void
report(const char *what, long result)
{
    nwrong += result < 0;
    printf("%s: %s\n", what, result < 0 ? strerror(errno) : "ok");
}

static char *
map(int protection)
{
    int flags = MAP_PRIVATE | MAP_ANONYMOUS;
    return mmap(NULL, LENGTH, protection, flags, -1, 0);
}

int
main(void)
{
    static unsigned char present[LENGTH / 4096];
    int zeros = open("/dev/zero", O_RDONLY);
    char *source = map(PROT_READ | PROT_WRITE), *closed = map(PROT_NONE);
    memset(source, 1, LENGTH);
    report("mincore() of memory without access", mincore(closed, LENGTH, present));
    report("mremap() that keeps its source", syscall(SYS_mremap, source, LENGTH, LENGTH,
                                                     MREMAP_MAYMOVE | KEEP_SOURCE, 0));
    source[0] = 1;
    report("mincore() of the source", mincore(source, LENGTH, present));
    report("read() into the source", read(zeros, source, LENGTH));
    printf("%d of 4 are wrong\n", nwrong);
    return nwrong > 0;
}
