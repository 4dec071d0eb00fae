"""Functions for the demo and the benchmarks: memory, child processes, allocators."""

import ctypes.util
import json
import mmap
import os
import signal
import sys
import traceback
from collections.abc import Callable, Iterable
from math import log
from operator import itemgetter
from statistics import linear_regression
from time import perf_counter_ns
from typing import Any

GIB = 1 << 30
ALLOCATORS = {  # the library to preload, and the Debian package that contains it
    "glibc": (None, None),
    "jemalloc": ("jemalloc", "libjemalloc2"),
    "tcmalloc": ("tcmalloc_minimal", "libtcmalloc-minimal4"),
    "mimalloc": ("mimalloc", "libmimalloc2.0"),
}


class MissingError(Exception):
    """What was asked for cannot be done, because something is missing, such as a
    library; the message says what."""


def preload(allocator: str) -> dict[str, str]:
    """Return the environment in which a new process uses this allocator."""
    library, package = ALLOCATORS[allocator]
    if library is None:
        return dict(os.environ)
    path = ctypes.util.find_library(library)
    if path is None:
        raise MissingError(f"{allocator}: not found, install {package}")
    return {**os.environ, "LD_PRELOAD": path}


# ------------------------------------------------------------------------- memory


def touch(nbytes: int) -> None:
    """Write to each page of `nbytes` new bytes of memory, then free them.

    In a virtual machine this makes the host provide the memory before a measurement.
    """
    with mmap.mmap(-1, nbytes, mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS) as memory:
        if hasattr(mmap, "MADV_HUGEPAGE"):
            memory.madvise(mmap.MADV_HUGEPAGE)
        memory[:: mmap.PAGESIZE] = bytes(-(-nbytes // mmap.PAGESIZE))


def warm_up(nbytes: int) -> None:
    """Touch and free `nbytes` of memory, so that the next run does not wait for it.

    In a virtual machine, the host may take back memory that the guest has freed, within
    a second (free page reporting of virtio-balloon). The host takes whole huge pages
    only. So without a warm-up, a run that asks for huge pages waits for the host. A run
    that asks for small pages can use free pages that are not part of a free huge page.
    The host has not taken these, so the run does not wait for them.

    A child process does this, so that the peak memory of this process does not rise.
    """
    if nbytes and hasattr(os, "fork"):
        in_child(touch, nbytes)


def memory_nbytes(field: str) -> int:
    """Return the resident memory of this process: now (VmRSS) or at its peak (VmHWM).

    On Linux ru_maxrss cannot be used instead of VmHWM, because it starts from the
    memory of the parent process. On a system without /proc, ru_maxrss is used as VmHWM,
    and the result for VmRSS is 0.
    """
    try:
        with open("/proc/self/status") as status:
            fields = dict(line.split(":", 1) for line in status)
        return int(fields[field].split()[0]) << 10
    except (OSError, KeyError):
        if field == "VmRSS":
            return 0
    from resource import RUSAGE_SELF, getrusage

    unit = 1 if sys.platform == "darwin" else 1 << 10
    return getrusage(RUSAGE_SELF).ru_maxrss * unit


def available_nbytes() -> int | None:
    """Return how much memory is available without swapping, or None if not known."""
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
    """Return the memory limit of this process's cgroup (version 2), or None.

    Containers set such a limit.
    """
    try:
        with open("/proc/self/cgroup") as cgroups:
            folder = cgroups.read().rpartition("0::/")[2].strip()
        with open(os.path.join("/sys/fs/cgroup", folder, "memory.max")) as limit:
            return int(limit.read())
    except (OSError, ValueError):  # no such cgroup, or no limit: "max"
        return None


def machine_nbytes() -> int:
    """Return how much physical memory the machine has."""
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")


def count_minor_faults() -> int:
    from resource import RUSAGE_SELF, getrusage

    return getrusage(RUSAGE_SELF).ru_minflt


def count_mappings() -> int:
    """Return how many memory mappings this process has, or 0 without /proc."""
    try:
        with open("/proc/self/maps") as maps:
            return sum(1 for _ in maps)
    except OSError:
        return 0


# ---------------------------------------------------------------------- processes


def in_child(call: Callable, *args: Any) -> Any:
    """Call a function in a forked process and return its result, passed as JSON.

    The child process starts in a millisecond, because all modules are imported already.
    It has its own peak memory, so it measures the same as a new process.
    """
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        code = 1
        try:
            os.close(reading)
            text = json.dumps(call(*args))
            with open(writing, "w") as pipe:
                pipe.write(text)
            code = 0
        except BaseException:
            traceback.print_exc()
        finally:
            os._exit(code)
    os.close(writing)
    with open(reading) as pipe:
        text = pipe.read()
    code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    if code:
        raise ChildProcessError(exit_reason(code))
    return json.loads(text)


def exit_reason(code: int) -> str:
    """Return why a process ended. A negative code is the number of a signal."""
    if code < 0:
        return f"killed by {signal.Signals(-code).name}, perhaps for lack of memory"
    return f"exit code {code}"


# ------------------------------------------------------------------------ figures


def seconds(job: Callable, *args: Any, warm: int = 0) -> float:
    """Return how long one call takes, without the time to drop its result.

    Before the call, touch and free `warm` bytes of memory.
    """
    if warm:
        touch(warm)
    start = perf_counter_ns()
    result = job(*args)
    taken = perf_counter_ns() - start
    del result
    return taken / 1e9


def figures(job: Callable[[], Any]) -> dict[str, float]:
    """Call `job` once. Return its time, and what the process gained meanwhile.

    That is page faults, mappings, memory at the peak, and memory after the result was
    dropped.
    """
    held, faults, maps = memory_nbytes("VmRSS"), count_minor_faults(), count_mappings()
    start = perf_counter_ns()
    result = job()
    taken = perf_counter_ns() - start
    row = {
        "seconds": taken / 1e9,
        "faults": count_minor_faults() - faults,
        "mappings": count_mappings() - maps,
        "peak_nbytes": memory_nbytes("VmHWM") - held,
    }
    del result
    return {**row, "after_nbytes": memory_nbytes("VmRSS") - held}


def exponent(points: Iterable[tuple[float, float]]) -> float:
    """Fit y = c * x ** k to the points (x, y), and return k."""
    lengths, values = zip(*points, strict=True)
    return linear_regression([*map(log, lengths)], [*map(log, values)]).slope


def grouped(rows: Iterable[dict], *names: str) -> list[tuple[Any, list[dict]]]:
    """Group rows that have equal values under `names`, in order of first appearance."""
    groups: dict[Any, list[dict]] = {}
    for row in rows:
        groups.setdefault(itemgetter(*names)(row), []).append(row)
    return list(groups.items())
