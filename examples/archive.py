"""Pack NumPy arrays and a text into a zip archive in memory.

    python examples/archive.py

zipfile and numpy.save write to a GrowIO as to any file. Its attribute `buffer` is a
GrowBuffer with the bytes that they wrote. It can be sent or stored without a copy.
"""

import zipfile

import numpy as np

from growbuf import GrowIO


def pack(arrays, notes):
    """Return a GrowIO with a zip archive of the notes and a file for each array."""
    file = GrowIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("notes.txt", notes)
        for name, array in arrays.items():
            with GrowIO() as member:
                np.save(member, array)
                archive.writestr(f"{name}.npy", member.buffer)
    return file


def unpack(file):
    """Return {name: array} of an archive that pack() made."""
    with zipfile.ZipFile(file) as archive:
        return {
            name.removesuffix(".npy"): np.load(GrowIO(archive.read(name)))
            for name in archive.namelist()
            if name.endswith(".npy")
        }


def main():
    days = np.arange(100_000)
    arrays = {"days": days, "degrees": np.round(15 + 10 * np.sin(days / 58), 1)}
    file = pack(arrays, "One measurement for each day.\n")
    nbytes = sum(array.nbytes for array in arrays.values())
    print(f"{nbytes} bytes of arrays are {len(file.buffer)} bytes of archive")
    for name, array in unpack(file).items():
        print(f"{name}: {len(array)} values, mean {array.mean():.2f}")


if __name__ == "__main__":
    main()
