"""Count the system calls of a job with strace.

The job runs once more for this, because strace slows it down.
"""

import functools
import json
import shutil
import subprocess
import sys
import tempfile

from growbuf.cli.bench_worker import MARK
from growbuf.cli.measure import preload


@functools.cache
def has_strace():
    """Return whether strace is installed and permitted to trace."""
    if not shutil.which("strace"):
        return False
    words = ["strace", "-qq", "-o", "/dev/null", "true"]
    return subprocess.run(words, capture_output=True).returncode == 0


def count_system_calls(allocator, case, peer, nbytes):
    """Return {"system_calls": count}, or {} if they cannot be counted."""
    if not has_strace():
        return {}
    request = json.dumps({"case": case, "peer": peer, "nbytes": nbytes})
    worker = [sys.executable, "-m", "growbuf.cli.bench_worker", "--once", request]
    with tempfile.NamedTemporaryFile("r") as log:
        subprocess.run(
            ["strace", "-qq", "-o", log.name, *worker], env=preload(allocator)
        )
        lines = log.read().splitlines()
    marks = [i for i, line in enumerate(lines) if MARK in line]
    return {"system_calls": marks[1] - marks[0] - 1} if len(marks) == 2 else {}
