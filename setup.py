"""Describe the one extension module; everything else is in pyproject.toml."""

import os
import shlex
import sys
from glob import glob

from setuptools import Extension, setup

# CPython's own flags usually contain -g; -g0 undoes it.
RELEASE = ["-O3", "-g0"]
# They also contain -DNDEBUG, which removes every assert().
DEBUG = ["-O1", "-g", "-UNDEBUG", "-DGROWBUF_DEBUG"]


def compile_args() -> list[str]:
    if sys.platform == "win32":
        return ["/std:c11", "/experimental:c11atomics"]
    flavour = DEBUG if os.environ.get("GROWBUF_DEBUG") == "1" else RELEASE
    # The user's flags come last, so that they override ours.
    wanted = shlex.split(os.environ.get("CFLAGS", ""))
    return ["-std=c11", "-fvisibility=hidden", "-pthread", *flavour, *wanted]


def macros() -> list[tuple[str, str | None]]:
    """GROWBUF_PAGES=posix makes Linux use what every POSIX system has, for tests."""
    pages = os.environ.get("GROWBUF_PAGES") or "system"
    if pages not in ("system", "posix"):
        sys.exit(f"GROWBUF_PAGES is system or posix, not {pages}")
    return [("GROWBUF_PAGES_POSIX", None)] if pages == "posix" else []


def link_args() -> list[str]:
    return [] if sys.platform == "win32" else ["-pthread"]


setup(
    ext_modules=[
        Extension(
            "growbuf._growbuf",
            sources=sorted(glob("src/*.c")),
            depends=sorted(glob("src/*.h")),
            define_macros=macros(),
            extra_compile_args=compile_args(),
            extra_link_args=link_args(),
        )
    ]
)
