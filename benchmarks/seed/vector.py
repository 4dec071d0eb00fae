"""The loop of vector.c in Python: `vector.py bytearray`, `vector.py GrowBuffer`.

Each `*= 2` grows the vector to twice its length and fills the new half. It prints the
seconds that the loop took, and the peak memory of the process in bytes.
"""

import resource
import sys
import time

from growbuf import GrowBuffer

KINDS = {"bytearray": bytearray, "GrowBuffer": GrowBuffer}


def grow(kind):
    vector = kind(b"\xff" * 4)
    while len(vector) < 1 << 30:
        vector *= 2


def main():
    start = time.perf_counter()
    grow(KINDS[sys.argv[1]])
    taken = time.perf_counter() - start
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    print(f"{taken:.6f} {peak}")


if __name__ == "__main__":
    main()
