"""The exact number of moves and copies that fixed work takes on each rung.

c/test_calls.c counts the system calls of the lower layers.
"""

import pytest
from test_growbuffer import ON_LINUX, run

from growbuf._growbuf import facts

CODE = """
    import growbuf

    piece = bytes(1 << 16)

    def build(nbytes=256 << 20):
        buf = growbuf.GrowBuffer()
        while len(buf) < nbytes:
            buf += piece

    def window(length=8 << 20):
        buf = growbuf.GrowBuffer()
        for _ in range(1024):
            buf += piece
            if len(buf) > length:
                del buf[: len(piece)]

    def grow_in_place():
        buf = growbuf.GrowBuffer(limit=64 << 20)
        while len(buf) < 64 << 20:
            buf += piece

    {work}()
    print(*list(growbuf.stats().values())[:4])
"""
# moves, moved bytes, copies, copied bytes
MOVED = {
    "build": (8, 510 << 20, 1, 64 << 10),
    "window": (4, 30 << 20, 7, 50397184),
    "grow_in_place": (0, 0, 0, 0),
}
COPIED = {
    "build": (0, 0, 9, 534315008),
    "window": (0, 0, 11, 73269248),
    "grow_in_place": (0, 0, 0, 0),
}
EXPECTED = {"dontunmap": MOVED, "maymove": MOVED, "copy": COPIED}


@ON_LINUX
@pytest.mark.parametrize("work", MOVED)
@pytest.mark.parametrize("rung", EXPECTED)
def test_stats_after_fixed_work_equal_the_recorded_counts(rung, work):
    if facts()["probe"][rung] != "ok":
        pytest.skip("this kernel does not have it")
    counted = run(CODE.format(work=work), env={"GROWBUF_STRATEGY": rung})
    assert tuple(map(int, counted.split())) == EXPECTED[rung][work]
