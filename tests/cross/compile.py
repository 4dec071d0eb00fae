"""Compile all of src/ for systems that are not at hand, with zig's compiler and libcs.

For every system it uses the headers of the Python that runs this script, and for
Windows a pyconfig.h of our own. A warning is an error. Nothing is linked with Python.
"""

import shutil
import subprocess
import sys
import sysconfig
import tempfile
from pathlib import Path

HERE = Path(__file__).resolve().parent
SOURCES = sorted((HERE.parents[1] / "src").glob("*.c"))
COMPILER = [sys.executable, "-m", "ziglang", "cc"]
FLAGS = ["-std=c11", "-O1", "-Wall", "-Wextra", "-Werror", "-UNDEBUG"]
TARGETS = [
    "x86_64-linux-musl",
    "aarch64-linux-gnu",
    "aarch64-linux-musl",
    "x86_64-freebsd",
    "aarch64-freebsd",
    "x86_64-macos",
    "aarch64-macos",
    "x86_64-windows-gnu",
]


def headers_of(target: str, folder: Path) -> Path:
    """Return the folder of Python.h and of the pyconfig.h that Python.h includes."""
    own = Path(sysconfig.get_path("include"))
    if "windows" not in target:
        return own
    copy = folder / "include"
    shutil.copytree(own, copy, dirs_exist_ok=True)
    shutil.copy(HERE / "pyconfig.h", copy)
    return copy


def compile_for(target: str, folder: Path) -> None:
    headers = headers_of(target, folder)
    for source in SOURCES:
        words = ["-target", target, *FLAGS, "-isystem", headers, "-c", source]
        words += ["-o", folder / f"{source.stem}.o"]
        subprocess.run([*COMPILER, *map(str, words)], check=True)
    print(f"{target}: {len(SOURCES)} files compiled without a warning", flush=True)


def main() -> int:
    with tempfile.TemporaryDirectory() as folder:
        try:
            for target in TARGETS:
                compile_for(target, Path(folder))
        except subprocess.CalledProcessError as error:
            return error.returncode
    return 0


if __name__ == "__main__":
    sys.exit(main())
