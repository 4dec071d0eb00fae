"""Build a zip archive of source files and NumPy arrays in memory.

    python examples/archive.py FOLDER

zipfile and numpy.save write to a GrowIO as to any file. Its attribute `buffer` contains
what they wrote; it can be read, sent or stored without a copy.
"""

import sys
import zipfile
from pathlib import Path

import numpy as np

from growbuf import GrowIO


def pack(paths, arrays):
    """Return a GrowIO with a zip archive of the files and the named arrays."""
    file = GrowIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        for path in paths:
            archive.write(path, path.name)
        for name, array in arrays.items():
            member = GrowIO()
            np.save(member, array)
            archive.writestr(f"{name}.npy", member.buffer)
    return file


def main():
    paths = sorted(Path(sys.argv[1]).glob("*.py"))
    lengths = np.array([path.stat().st_size for path in paths])
    file = pack(paths, {"lengths": lengths})
    with zipfile.ZipFile(file) as archive:
        assert archive.testzip() is None
        unpacked = np.load(GrowIO(archive.read("lengths.npy")))
        assert (unpacked == lengths).all()
        nfiles = len(archive.namelist())
    print(
        f"{nfiles} files, {lengths.sum()} bytes of source in {len(file.buffer)} bytes"
    )


if __name__ == "__main__":
    main()
