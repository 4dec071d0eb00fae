"""Describe the extension module and the long description.

Everything else is in pyproject.toml.
"""

import os
import re
import shlex
import shutil
import sys
import tomllib
from glob import glob

from setuptools import Extension, setup
from setuptools.command.build_ext import build_ext

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
    """Return the macros to define. GROWBUF_PAGES=posix is for tests on Linux.

    It selects the system calls that every POSIX system has.
    """
    pages = os.environ.get("GROWBUF_PAGES") or "system"
    if pages not in ("system", "posix"):
        sys.exit(f"GROWBUF_PAGES is system or posix, not {pages}")
    return [("GROWBUF_PAGES_POSIX", None)] if pages == "posix" else []


def link_args() -> list[str]:
    return [] if sys.platform == "win32" else ["-pthread"]


def long_description() -> str:
    """Return README.md with absolute links, so that they work on any page."""
    with open("pyproject.toml", "rb") as file:
        source = tomllib.load(file)["project"]["urls"]["Source"]
    with open("README.md", encoding="utf-8") as file:
        text = file.read()

    def absolute(link: re.Match[str]) -> str:
        kind = "raw" if link[1] else "blob"  # an image has a "!" before it
        return f"{link[1]}{link[2]}({source}/{kind}/HEAD/{link[3]})"

    return re.sub(r"(!?)(\[[^]]*\])\((?!https?:|#)([^)]+)\)", absolute, text)


class BuildExtension(build_ext):
    def build_extensions(self) -> None:
        """Build, or say in one line that there is no compiler."""
        words = getattr(self.compiler, "compiler", None)  # None on Windows
        if words and shutil.which(words[0]) is None:
            sys.exit(
                f"growbuf needs a C compiler, but {words[0]!r} is not on the PATH: "
                "install gcc, or set CC to another compiler"
            )
        super().build_extensions()


setup(
    cmdclass={"build_ext": BuildExtension},
    long_description=long_description(),
    long_description_content_type="text/markdown",
    ext_modules=[
        Extension(
            "growbuf._growbuf",
            sources=sorted(glob("src/*.c")),
            depends=sorted(glob("src/*.h")),
            define_macros=macros(),
            extra_compile_args=compile_args(),
            extra_link_args=link_args(),
        )
    ],
)
