"""The site: `make docs` builds it into build/docs."""

import re
import sys
import textwrap
import tomllib
from pathlib import Path

from sphinx.util.docutils import SphinxDirective

import growbuf

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "docs"))
import entries  # noqa: E402

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
toc_object_entries_show_parents = "hide"
python_maximum_signature_line_length = 88
# Copy what is typed: no prompts, and no output.
copybutton_prompt_text = r">>> |\.\.\. "
copybutton_prompt_is_regexp = True

html_theme = "furo"
html_title = "growbuf"
html_static_path = ["_static"]
html_css_files = ["growbuf.css"]
# Sphinx does not copy the pictures that <picture> names.
html_extra_path = sorted(map(str, (ROOT / "docs").glob("operations-*.svg")))
html_favicon = "_static/favicon.svg"
html_show_sourcelink = False
html_theme_options = {
    "source_edit_link": f"{SOURCE}/edit/main/docs/{{filename}}",
    "source_view_link": f"{SOURCE}/blob/main/docs/{{filename}}?plain=1",
}

# A line such as "nbytes: how many" describes an argument, or an item of a returned
# dict.
DESCRIPTION = re.compile(r"^  ((?:\w+, )*\w+): ", re.MULTILINE)

SIGNATURES = entries.read_stubs()
INHERITED = entries.read_inherited()


def type_signature(app, what, name, obj, options, signature, result):
    """Return the signature in the stub, which has types, for methods and functions."""
    return SIGNATURES.get(name) if what in ("method", "function") else None


def listed(paragraph):
    """Return a paragraph. If it begins with a description, return it as a list."""
    indented = textwrap.indent(paragraph, "  ")
    if not DESCRIPTION.match(indented):
        return paragraph
    return DESCRIPTION.sub(r"- ``\1``: ", indented)


def shape_docstring(app, what, name, obj, options, lines):
    """Make a list of the arguments, and add the type of an attribute."""
    paragraphs = [listed(part) for part in "\n".join(lines).split("\n\n")]
    if what in ("attribute", "property") and name in SIGNATURES:
        paragraphs.insert(1, f"Type: ``{SIGNATURES[name][1]}``")
    lines[:] = "\n\n".join(paragraphs).split("\n")


def described(owner, name, entry):
    """Return an entry of docs/inherited.py in reStructuredText."""
    full = f"{owner}.{name}"
    if entry.kind == "property":
        head = f".. py:property:: {full}\n   :type: {entry.result}\n"
    else:
        head = f".. py:method:: {full}{entry.arguments} -> {entry.result}\n"
        if entry.kind != "method":
            head += f"   :{entry.kind}:\n"
    head += "   :module: growbuf\n"
    doc = "\n\n".join(listed(part) for part in entry.doc.split("\n\n"))
    return f"{head}\n{textwrap.indent(doc, '   ')}\n"


class Inherited(SphinxDirective):
    """Describe all that a type inherits: `.. inherited:: GrowArray`."""

    required_arguments = 1

    def run(self):
        (owner,) = self.arguments
        parts = (described(owner, *item) for item in INHERITED[owner].items())
        return self.parse_text_to_nodes("\n".join(parts))


def setup(app):
    app.add_directive("inherited", Inherited)
    app.connect("autodoc-process-docstring", shape_docstring)
    app.connect("autodoc-process-signature", type_signature)
