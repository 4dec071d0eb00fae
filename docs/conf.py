"""The site: `make docs` builds it into build/docs."""

import re
import textwrap

import growbuf

project = "growbuf"
author = copyright = "The growbuf developers"
release = growbuf.__version__

extensions = ["myst_parser", "sphinx.ext.autodoc"]
myst_heading_anchors = 3  # so that pages can link to each other's headings
myst_html_meta = {
    "description lang=en": "growbuf: a bytearray, a NumPy array and a file in memory that "
    "grow by moving pages instead of copying bytes."
}
default_role = "code"  # docstrings write `nbytes`
autodoc_member_order = "groupwise"
python_display_short_literal_types = True

html_theme = "furo"
html_title = "growbuf"
html_static_path = ["_static"]
html_css_files = ["growbuf.css"]
html_show_sourcelink = False

# A line such as "nbytes: how many" describes an argument, or an item of a returned dict.
DESCRIPTION = re.compile(r"^  ((?:\w+, )*\w+): ", re.MULTILINE)


def listed(paragraph):
    """Return a paragraph; if it consists of descriptions, return them as a list."""
    indented = textwrap.indent(paragraph, "  ")
    if not DESCRIPTION.match(indented):
        return paragraph
    return DESCRIPTION.sub(r"- ``\1``: ", indented)


def list_descriptions(app, what, name, obj, options, lines):
    paragraphs = "\n".join(lines).split("\n\n")
    lines[:] = "\n\n".join(map(listed, paragraphs)).split("\n")


def setup(app):
    app.connect("autodoc-process-docstring", list_descriptions)
