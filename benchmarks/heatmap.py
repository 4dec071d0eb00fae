"""Draw what operations.py measured as heat maps: a ratio for each operation and size.

    python benchmarks/operations.py --json FILE
    python benchmarks/heatmap.py FILE [FOLDER]

It writes two SVG files for each kind to the folder (docs/ by default): one for wide
screens, and NAME-narrow.svg for those of phones, where the name of an operation is above
its cells.

In the folder's performance.md the table after <!-- operations --> is replaced. The same
figures make the same files, byte by byte.
"""

from dataclasses import dataclass
from html import escape

from common import markdown_table, read_arguments, write_tables

GRAY = "#7d8590"
# The colours of ratios from 1 down, where growbuf takes longer, and from 1 up. Both get
# equally dark, so that a loss is seen as easily as a gain of the same factor.
LOSSES = ("#f3dcd0", "#eab093", "#dc7f55", "#c04f25", "#8c2d0b")
GAINS = ("#d5e4f7", "#a3c8f2", "#66a3e6", "#2f76c6", "#144d91")
EVEN = "#e9e9e6"
STEPS = (1.05, 1.2, 1.5, 2.2, 4)  # factors at which colours begin, up and down
DARK_FROM = 3  # the index of the first colour that needs white text

ROW, HEAD = 15, 34
COLUMNS = 12  # of the widest table; all tables have columns of this width


@dataclass(frozen=True)
class Form:
    """The measures of a picture in pixels."""

    suffix: str
    width: int
    label: int  # the width of the names; 0: they are above the cells
    most: int  # characters of a name
    key: float  # the width of a cell of the legend

    @property
    def above(self):
        """The height of what is above the cells of a row."""
        return 0 if self.label else ROW


WIDE = Form("", width=830, label=236, most=40, key=39.5)
NARROW = Form("-narrow", width=372, label=0, most=66, key=33.8)


def style():
    """Return the rules of the classes that cells have."""
    rules = [
        f"text{{font-size:10px;fill:{GRAY}}}",
        ".b{font-weight:bold;font-size:12px}",
        ".c{text-anchor:middle}",
        ".h{text-anchor:middle}",
        f"rect.e{{fill:{EVEN}}}text.e{{fill:#333}}",
    ]
    for name, colors in (("l", LOSSES), ("g", GAINS)):
        for step, color in enumerate(colors):
            ink = "#fff" if step >= DARK_FROM else "#1f1f1f"
            rules.append(
                f"rect.{name}{step}{{fill:{color}}}text.{name}{step}{{fill:{ink}}}"
            )
    return "".join(rules)


def class_of(ratio):
    """Return the name of a ratio's colours."""
    step = sum(max(ratio, 1 / ratio) >= start for start in STEPS) - 1
    if step < 0:
        return "e"
    return f"g{step}" if ratio > 1 else f"l{step}"


def short(ratio):
    """Return a ratio in few characters: 12, 1.2, .12, .002."""
    digits = 0 if ratio >= 9.95 else 1 if ratio >= 1.995 else 2 if ratio >= 0.01 else 3
    return f"{ratio:.{digits}f}".lstrip("0")


def text(x, y, content, names=""):
    names = f" class='{names}'" if names else ""
    return f"<text{names} x='{x:g}' y='{y:g}'>{escape(content)}</text>"


def cell(x, width, height, ratio, content=None):
    """Return a cell whose top left corner is at x and 0, with its ratio in it."""
    name = class_of(ratio)
    rect = f"<rect class='{name}' x='{x:g}' width='{width:g}' height='{height}'/>"
    return rect + text(x + width / 2, height - 3, content or short(ratio), f"c {name}")


def group(y, parts):
    return f"<g transform='translate(0,{y})'>" + "".join(parts) + "</g>"


def size_name(row, n, form):
    """Return the head of a column: bytes, or rows of an array."""
    name = long_size_name(row, n)
    return name if form.label else name.removesuffix("B").replace(" ", "")


def long_size_name(row, n):
    if row["kind"] == "array" and row["group"] != "lengths that swing":
        for scale, unit in ((10**6, "M"), (10**3, "k")):
            if n >= scale:
                return f"{n / scale:g}{unit}"
        return f"{n:g}"
    for scale, unit in ((1 << 20, " MiB"), (1000, " kB")):
        if n >= scale and n % scale == 0:
            return f"{n // scale}{unit}"
    return f"{n // 1024} KiB" if n >= 1024 else f"{n} B"


def sections(rows):
    """Return the rows under each title: warm cells first (see operations.py)."""
    groups = {}
    for row in sorted(rows, key=lambda row: row["state"] == "cold"):
        title = row["group"] + (", cold" if row["state"] == "cold" else "")
        groups.setdefault(title, []).append(row)
    return groups


def draw_section(title, rows, top, parts, form):
    """Draw a table of cells under a title; return where it ends."""
    sizes = sorted({row["size"] for row in rows})
    width = (form.width - form.label) / COLUMNS
    places = {n: form.label + column * width for column, n in enumerate(sizes)}
    head = HEAD + form.above
    heads = [text(0, HEAD - 8, title, "b")]
    heads += [
        text(x + width / 2, head - 8, size_name(rows[0], n, form), "h")
        for n, x in places.items()
    ]
    parts.append(group(top, heads))
    ratios = {}
    for row in rows:
        ratios.setdefault(row["operation"], {})[row["size"]] = row["ratio"]
    for index, (name, by_size) in enumerate(ratios.items()):
        label = name if len(name) <= form.most else name[: form.most - 1] + "…"
        y = top + head + index * (ROW + form.above)
        parts.append(group(y, [text(0, ROW - 4, label)]))
        cells = [
            cell(places[n], width - 1, ROW - 1, ratio) for n, ratio in by_size.items()
        ]
        parts.append(group(y + form.above, cells))
    return top + head + len(ratios) * (ROW + form.above)


def draw_key(parts, form):
    """Draw the legend: the ratio that each colour stands for. Return where it ends."""
    parts.append(text(0, 13, "peer's time / growbuf's", "b"))
    cells, below = [], "above 1: growbuf is faster"
    steps = [1 / step for step in reversed(STEPS)] + [1, *STEPS]
    for index, ratio in enumerate(steps):
        sign = "" if ratio == 1 else "≤" if ratio < 1 else "≥"
        place = form.label + form.key * index
        # A ratio a little further from 1 has the colour that begins at this step.
        nearly = ratio * 1.0001 ** (ratio - 1)
        cells.append(cell(place, form.key - 1, ROW, nearly, sign + short(ratio)))
    if form.label:
        parts += [*cells, text(form.label + form.key * len(steps) + 8, 12, below)]
        return ROW
    parts += [text(160, 13, below), group(ROW + 4, cells)]
    return 2 * ROW + 4


def draw(rows, form=WIDE):
    """Return an SVG of the cells of one kind."""
    parts, width = [], form.width
    top = draw_key(parts, form)
    for title, below in sections(rows).items():
        top = draw_section(title, below, top, parts, form)
    size = f"viewBox='0 0 {width} {top + 4}' width='{width}' height='{top + 4}'"
    font = "font-family='system-ui, sans-serif'"
    head = f"<svg xmlns='http://www.w3.org/2000/svg' {size} {font}>"
    return "\n".join([head, f"<style>{style()}</style>", *parts, "</svg>", ""])


# -------------------------------------------------------------------------- the page


def table(summary):
    """Return the summary as a table in Markdown."""
    head = "cells of", "state", "number", "geometric mean", "under 0.95", "lowest"
    rows = [
        (
            *(row["kind"], row["state"], f"{row['cells']:,}", f"{row['mean']:.2f}"),
            *(f"{row['losing']:,}", short(row["lowest"])),
        )
        for row in summary
        if row["kind"] != "all"
    ]
    return markdown_table(head, rows)


def main():
    report, folder = read_arguments(__doc__)
    cells = [cell for cell in report["cells"] if "ratio" in cell]
    for kind in dict.fromkeys(cell["kind"] for cell in cells):
        for form in WIDE, NARROW:
            svg = draw([cell for cell in cells if cell["kind"] == kind], form)
            (folder / f"operations-{kind}{form.suffix}.svg").write_text(svg)
    write_tables(folder, "operations", lambda words: table(report["summary"]))


if __name__ == "__main__":
    main()
