"""A bytearray that grows by moving pages instead of copying bytes.

>>> import growbuf
>>> buf = growbuf.GrowBuffer()
>>> for _ in range(1000):
...     buf += b"0123456789"
>>> len(buf), bytes(buf[:10])
(10000, b'0123456789')
"""

try:
    from ._growbuf import FrozenBytes, GrowBuffer, GrowIO, configure, stats, trim
except ModuleNotFoundError as _error:
    if _error.name != f"{__name__}._growbuf":
        raise
    raise ImportError(
        f"growbuf is not built for this Python in {__path__[0]}: run 'pip install .' in "
        "the checkout, or run Python in another folder if growbuf is installed"
    ) from None

__version__ = "0.1.0"
_NAMES = ["FrozenBytes", "GrowBuffer", "GrowIO", "configure", "info", "stats", "trim"]

# bool() and not False: jedi, which completes names, ignores what is under `if False`.
TYPE_CHECKING = bool()  # noqa: UP018
if TYPE_CHECKING:
    from typing import Any

    from .array import GrowArray as GrowArray

    __all__ = [
        "FrozenBytes",
        "GrowArray",
        "GrowBuffer",
        "GrowIO",
        "configure",
        "info",
        "stats",
        "trim",
    ]


def __getattr__(name: str) -> "Any":
    """Import GrowArray at its first use, because it needs NumPy.

    Compute __all__ here too: it has GrowArray only where NumPy is installed. So
    `from growbuf import *` works without NumPy.
    """
    if name == "GrowArray":
        from .array import GrowArray

        globals()[name] = GrowArray
        return GrowArray
    if name == "__all__":
        return [name for name in __dir__() if not name.startswith("_")]
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    """Return the public names, with GrowArray only if NumPy is installed.

    Tools that complete names read the value of each name. Without NumPy that would fail
    for GrowArray.
    """
    from importlib.util import find_spec

    arrays = ["GrowArray"] if find_spec("numpy") else []
    return sorted([*_NAMES, *arrays, "__version__"])


def info() -> "dict[str, Any]":
    """Return a dict that describes how buffers grow on this machine.

    strategy: the rung (the way to grow) that is tried first: 'retain', 'dontunmap' and
    'maymove' move pages, 'copy' copies the bytes, 'heap' uses realloc
    forced: the value of GROWBUF_STRATEGY, the best rung that may be used, or None
    probe: for each rung, the result of trying it on one page at import: 'ok' or the
    name of the errno
    populate: the result of trying MADV_POPULATE_WRITE, in the same form
    page_size, huge_page_size: in bytes
    transparent_hugepage: the setting for this process: 'always', 'madvise', 'never',
    '64kB' (pages of 64 KiB and none of 2 MiB) or 'unknown'
    kernel: its name and release
    version: the version of growbuf

    Costs a few microseconds.

    >>> import growbuf
    >>> growbuf.info()["page_size"] >= 4096
    True
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
