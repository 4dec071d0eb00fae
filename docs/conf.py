"""The site: `make docs` builds it into build/docs."""

import ast
import re
import textwrap
import tomllib
from pathlib import Path

import growbuf

ROOT = Path(__file__).resolve().parent.parent
SOURCE = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["urls"][
    "Source"
]

project = "growbuf"
author = copyright = "The growbuf developers"
release = growbuf.__version__

extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx_copybutton"]
myst_heading_anchors = 3  # so that pages can link to each other's headings
myst_html_meta = {
    "description lang=en": "growbuf: a bytearray, a NumPy array and a file in memory that "
    "grow by moving pages instead of copying bytes."
}
default_role = "code"  # docstrings write `nbytes`
autodoc_member_order = "groupwise"
python_display_short_literal_types = True
python_maximum_signature_line_length = 88
# Copy what is typed: no prompts, and no output.
copybutton_prompt_text = r">>> |\.\.\. "
copybutton_prompt_is_regexp = True

html_theme = "furo"
html_title = "growbuf"
html_static_path = ["_static"]
html_css_files = ["growbuf.css"]
html_favicon = "_static/favicon.svg"
html_show_sourcelink = False
html_theme_options = {
    "source_edit_link": f"{SOURCE}/edit/main/docs/{{filename}}",
    "source_view_link": f"{SOURCE}/blob/main/docs/{{filename}}?plain=1",
}

# A line such as "nbytes: how many" describes an argument, or an item of a returned dict.
DESCRIPTION = re.compile(r"^  ((?:\w+, )*\w+): ", re.MULTILINE)

# How the stubs name a type, and how the reference does.
NAMES = {
    "SupportsIndex | _Reads | _Receives": "int | BinaryIO | socket",
    "_RowShape": "int | tuple[int, ...]",
    "NDArray[_Item]": "ndarray",
    "np.dtype[_Item]": "dtype",
    "np.dtype": "dtype",
    "SupportsIndex": "int",
    "Self": "GrowArray",
    "GrowArray[Any]": "GrowArray",
}


def readable(node):
    """Return the source of a part of a stub, with the names that a reader knows."""
    text = ast.unparse(node) if node is not None else ""
    for name, other in NAMES.items():
        text = re.sub(rf"(?<![\w.]){re.escape(name)}(?![\w\[])", other, text)
    return text


def arguments(function):
    """Return the arguments of a method in a stub, without self or cls."""
    args = readable(function.args)
    return f"({re.sub(r'^(self|cls)(, /)?(, )?', '', args)})"


def read_stubs():
    """Return {full name: (arguments, type of the result)} of all functions and methods.

    Of overloads the last one counts, which accepts the most.
    """
    found = {}
    for file in ("_growbuf.pyi", "array.pyi"):
        tree = ast.parse((ROOT / "growbuf" / file).read_text())
        for part in tree.body:
            prefix = f"growbuf.{part.name}." if isinstance(part, ast.ClassDef) else ""
            for member in part.body if prefix else [part]:
                if isinstance(member, ast.FunctionDef):
                    name = (prefix or "growbuf.") + member.name
                    found[name] = arguments(member), readable(member.returns)
    return found


# The stub of GrowBuffer leaves these out, since bytearray's own are the same.
INHERITED = {
    "append": ("(item: int, /)", "None"),
    "clear": ("()", "None"),
    "extend": ("(iterable_of_ints: Buffer | Iterable[int], /)", "None"),
    "insert": ("(index: int, item: int, /)", "None"),
    "pop": ("(index: int = -1, /)", "int"),
    "remove": ("(value: int, /)", "None"),
}
SIGNATURES = read_stubs() | {f"growbuf.GrowBuffer.{k}": v for k, v in INHERITED.items()}


def type_signature(app, what, name, obj, options, signature, result):
    """Give a method the signature of its stub, which has types."""
    return SIGNATURES.get(name) if what in ("method", "function") else None


def listed(paragraph):
    """Return a paragraph; if it consists of descriptions, return them as a list."""
    indented = textwrap.indent(paragraph, "  ")
    if not DESCRIPTION.match(indented):
        return paragraph
    return DESCRIPTION.sub(r"- ``\1``: ", indented)


def shape_docstring(app, what, name, obj, options, lines):
    """List the arguments, and tell the type of an attribute."""
    paragraphs = [listed(part) for part in "\n".join(lines).split("\n\n")]
    if what in ("attribute", "property") and name in SIGNATURES:
        paragraphs.insert(1, f"Type: ``{SIGNATURES[name][1]}``")
    lines[:] = "\n\n".join(paragraphs).split("\n")


def setup(app):
    app.connect("autodoc-process-docstring", shape_docstring)
    app.connect("autodoc-process-signature", type_signature)
