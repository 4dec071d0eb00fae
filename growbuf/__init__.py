"""A bytearray that grows by moving pages instead of copying bytes.

>>> import growbuf
>>> buf = growbuf.GrowBuffer()
>>> for _ in range(1000):
...     buf += b"0123456789"
>>> len(buf), bytes(buf[:10])
(10000, b'0123456789')
"""

from ._growbuf import GrowBuffer, GrowIO, configure, stats, trim

__version__ = "0.1.0"
__all__ = ["GrowBuffer", "GrowIO", "configure", "info", "stats", "trim"]

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from .array import GrowArray as GrowArray


def __getattr__(name: str) -> "Any":
    """Import what needs NumPy when it is asked for; hence not in __all__ either."""
    if name == "GrowArray":
        from .array import GrowArray

        globals()[name] = GrowArray
        return GrowArray
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    """Name GrowArray where NumPy is: whoever completes names asks for each."""
    from importlib.util import find_spec

    arrays = ["GrowArray"] if find_spec("numpy") else []
    return sorted([*__all__, *arrays, "__version__"])


def info() -> "dict[str, Any]":
    """Return how buffers grow here, as a dict.

    strategy: the rung of the ladder that growth starts from: 'retain', 'dontunmap',
    'maymove', 'copy' or 'heap'
    forced: the value of GROWBUF_STRATEGY, or None; no rung above it is used
    probe: what the kernel answered when each rung was tried on one page: 'ok' or the
    name of the errno
    populate: the same for MADV_POPULATE_WRITE
    page_size, huge_page_size: in bytes
    transparent_hugepage: the setting for this process: 'always', 'madvise' or 'never'
    kernel: its name and release
    version: of growbuf

    Costs a few microseconds: the probe was made when the package was imported.
    """
    import os
    import platform

    from ._growbuf import facts

    return {
        "version": __version__,
        "kernel": f"{platform.system()} {platform.release()}",
        "forced": os.environ.get("GROWBUF_STRATEGY") or None,
        **facts(),
    }
