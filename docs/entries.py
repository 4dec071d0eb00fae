"""The entries of the reference: what the stubs and docs/inherited.py say of each name.

conf.py makes the site from them, and the tests check them. The files are parsed and not
imported, so that neither NumPy nor Sphinx has to be installed.
"""

import ast
import re
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parent.parent

# The name of a type in the stubs, and in the reference.
NAMES = {
    "SupportsIndex | _Reads | _Receives": "int | BinaryIO | socket",
    "_RowShape": "int | tuple[int, ...]",
    "NDArray[_Item]": "ndarray",
    "np.dtype[_Item]": "dtype",
    "np.dtype": "dtype",
    "SupportsIndex": "int",
    "Self": "GrowArray",
    "GrowArray[Any]": "GrowArray",
    "Axes": "int | tuple[int, ...] | None",
    "Order": "str",
}

# The methods that the stub of GrowBuffer leaves out: bytearray's have the same types.
NOT_IN_STUB = {
    "append": ("(item: int, /)", "None"),
    "clear": ("()", "None"),
    "extend": ("(iterable_of_ints: Buffer | Iterable[int], /)", "None"),
    "insert": ("(index: int, item: int, /)", "None"),
    "pop": ("(index: int = -1, /)", "int"),
    "remove": ("(value: int, /)", "None"),
}


class Entry(NamedTuple):
    """A member that a type inherits."""

    kind: str  # method, classmethod, staticmethod or property
    arguments: str
    result: str
    doc: str


def readable(node):
    """Return the source of a part of a stub, with the type names of the reference."""
    text = ast.unparse(node) if node is not None else ""
    for name, other in NAMES.items():
        text = re.sub(rf"(?<![\w.]){re.escape(name)}(?![\w\[])", other, text)
    return text


def arguments(function):
    """Return the arguments of a method in a stub, without self or cls."""
    args = readable(function.args)
    return f"({re.sub(r'^(self|cls)(, /)?(, )?', '', args)})"


def members(file):
    """Yield (type or "", definition) of each function and method of a file."""
    for part in ast.parse((ROOT / file).read_text()).body:
        if isinstance(part, ast.FunctionDef):
            yield "", part
        elif isinstance(part, ast.ClassDef):
            for member in part.body:
                if isinstance(member, ast.FunctionDef):
                    yield part.name, member


def read_stubs():
    """Return {full name: (arguments, type of the result)} of all functions and methods.

    If a function has overloads, the last one is used, which accepts the most types.
    """
    found = {f"growbuf.GrowBuffer.{name}": entry for name, entry in NOT_IN_STUB.items()}
    for file in ("growbuf/_growbuf.pyi", "growbuf/array.pyi"):
        for owner, member in members(file):
            name = ".".join(filter(None, ("growbuf", owner, member.name)))
            found[name] = arguments(member), readable(member.returns)
    return found


def read_inherited():
    """Return {type: {name: Entry}} of the members that each type inherits."""
    found = {}
    for owner, member in members("docs/inherited.py"):
        kind = (*(node.id for node in member.decorator_list), "method")[0]
        found.setdefault(owner, {})[member.name] = Entry(
            kind,
            arguments(member),
            readable(member.returns),
            ast.get_docstring(member),
        )
    shared = {
        name: of_frozen(entry)
        for name, entry in found["GrowBuffer"].items()
        if hasattr(bytes, name)
    }
    found["FrozenBytes"] = dict(sorted({**shared, **found["FrozenBytes"]}.items()))
    return found


def of_frozen(entry):
    """Return the entry of FrozenBytes that is made of an entry of GrowBuffer.

    In the examples, the methods are called on a FrozenBytes, and return bytes.
    """
    lines = [
        re.sub(r"GrowBuffer(\(b'.*?'\))", r"GrowBuffer\1.freeze()", line)
        if line.startswith(">>> ")
        else re.sub(r"GrowBuffer\((b'.*?')\)", r"\1", line)
        for line in entry.doc.split("\n")
    ]
    result = entry.result.replace("GrowBuffer", "bytes")
    return entry._replace(result=result, doc="\n".join(lines))
