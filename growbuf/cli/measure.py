"""What the demo and the benchmarks measure with: memory, processes, allocators."""

import ctypes.util
import json
import mmap
import os
import signal
import sys
import traceback
from collections.abc import Callable, Iterable
from functools import partial
from math import log
from operator import itemgetter
from statistics import linear_regression
from time import perf_counter_ns
from typing import Any

GIB = 1 << 30
ALLOCATORS = {  # the library to preload, and the Debian package that has it
    "glibc": (None, None),
    "jemalloc": ("jemalloc", "libjemalloc2"),
    "tcmalloc": ("tcmalloc_minimal", "libtcmalloc-minimal4"),
    "mimalloc": ("mimalloc", "libmimalloc2.0"),
}


class MissingError(Exception):
    """Something to be measured is not installed; the text says what to install."""


def preload(allocator: str) -> dict[str, str]:
    """Return an environment in which processes use this allocator."""
    library, package = ALLOCATORS[allocator]
    if library is None:
        return dict(os.environ)
    path = ctypes.util.find_library(library)
    if path is None:
        raise MissingError(f"{allocator}: not found, install {package}")
    return {**os.environ, "LD_PRELOAD": path}


# ------------------------------------------------------------------------- memory


def touch(nbytes: int) -> None:
    """Have the host of a virtual machine hand out so much memory, and free it."""
    with mmap.mmap(-1, nbytes, mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS) as memory:
        if hasattr(mmap, "MADV_HUGEPAGE"):
            memory.madvise(mmap.MADV_HUGEPAGE)
        memory[:: mmap.PAGESIZE] = bytes(-(-nbytes // mmap.PAGESIZE))


def warm_up(nbytes: int) -> None:
    """Touch and free `nbytes` of memory, so that its next owner finds it at hand.

    A host that takes back what its guest has free (virtio-balloon's free page
    reporting) takes whole huge pages only, within a second. Without this, who asks
    for those waits for the host, and who asks for small pages does not while
    fragments last. A child does it, or it would show in our own peak.
    """
    if nbytes and hasattr(os, "fork"):
        in_child(touch, nbytes)


def memory_nbytes(field: str) -> int:
    """Return the physical memory of this process: now (VmRSS) or at most (VmHWM).

    Linux's ru_maxrss will not do: it starts from the memory of the parent process.
    """
    try:
        with open("/proc/self/status") as status:
            fields = dict(line.split(":", 1) for line in status)
        return int(fields[field].split()[0]) << 10
    except (OSError, KeyError):
        return 0 if field == "VmRSS" else rusage_nbytes()


def rusage_nbytes() -> int:
    from resource import RUSAGE_SELF, getrusage

    unit = 1 if sys.platform == "darwin" else 1 << 10
    return getrusage(RUSAGE_SELF).ru_maxrss * unit


def available_nbytes() -> int | None:
    """Return how much memory can be had without swapping, if the system says."""
    found = [nbytes for nbytes in (meminfo_nbytes(), cgroup_nbytes()) if nbytes]
    return min(found, default=None)


def meminfo_nbytes() -> int | None:
    try:
        with open("/proc/meminfo") as meminfo:
            fields = dict(line.split(":", 1) for line in meminfo)
        return int(fields["MemAvailable"].split()[0]) << 10
    except (OSError, KeyError):
        return None


def cgroup_nbytes() -> int | None:
    """Return the limit of this process's cgroup (version 2), which containers have."""
    try:
        with open("/proc/self/cgroup") as cgroups:
            folder = cgroups.read().rpartition("0::/")[2].strip()
        with open(os.path.join("/sys/fs/cgroup", folder, "memory.max")) as limit:
            return int(limit.read())
    except (OSError, ValueError):  # no such cgroup, or no limit: "max"
        return None


def memory_of_machine() -> int:
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")


def minor_faults() -> int:
    from resource import RUSAGE_SELF, getrusage

    return getrusage(RUSAGE_SELF).ru_minflt


def mappings() -> int:
    """Return how many mappings this process has: 0 where there is no /proc."""
    try:
        with open("/proc/self/maps") as maps:
            return sum(1 for _ in maps)
    except OSError:
        return 0


# ---------------------------------------------------------------------- processes


def in_child(call: Callable, *args: Any) -> Any:
    """Return what `call` returns in a forked process, through JSON.

    A fork finds its modules imported and its peak memory is its own, so that it
    measures what a fresh process would, for a millisecond.
    """
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(reading)
        answer_and_exit(writing, partial(call, *args))
    os.close(writing)
    with open(reading) as answer:
        text = answer.read()
    code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    if code:
        raise ChildProcessError(exit_reason(code))
    return json.loads(text)


def exit_reason(code: int) -> str:
    if code < 0:
        return f"killed by {signal.Signals(-code).name}, perhaps for lack of memory"
    return f"exit code {code}"


def answer_and_exit(writing: int, call: Callable[[], Any]) -> None:
    code = 1
    try:
        text = json.dumps(call())
        with open(writing, "w") as answer:
            answer.write(text)
        code = 0
    except BaseException:
        traceback.print_exc()
    finally:
        os._exit(code)


# ------------------------------------------------------------------------ figures


def seconds(job: Callable, *args: Any, warm: int = 0) -> float:
    """Time one call, without the time in which its result is dropped."""
    if warm:
        touch(warm)
    start = perf_counter_ns()
    result = job(*args)
    taken = perf_counter_ns() - start
    del result
    return taken / 1e9


def figures(job: Callable[[], Any]) -> dict[str, float]:
    """Call `job` once and return what it took, less what the process held before."""
    held, faults, maps = memory_nbytes("VmRSS"), minor_faults(), mappings()
    start = perf_counter_ns()
    result = job()
    taken = perf_counter_ns() - start
    row = {
        "seconds": taken / 1e9,
        "faults": minor_faults() - faults,
        "mappings": mappings() - maps,
        "peak_nbytes": memory_nbytes("VmHWM") - held,
    }
    del result
    return {**row, "after_nbytes": memory_nbytes("VmRSS") - held}


def exponent(points: Iterable[tuple[float, float]]) -> float:
    """Return the k for which n ** k fits best how the second figure grows with n."""
    lengths, values = zip(*points, strict=True)
    return linear_regression([*map(log, lengths)], [*map(log, values)]).slope


def grouped(rows: Iterable[dict], *names: str) -> list[tuple[Any, list[dict]]]:
    """Return the rows that have the same under `names` together, first come first."""
    groups: dict[Any, list[dict]] = {}
    for row in rows:
        groups.setdefault(itemgetter(*names)(row), []).append(row)
    return list(groups.items())
