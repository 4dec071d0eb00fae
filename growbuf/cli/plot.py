"""Draw pictures of benchmark results, legible on a white and on a black background."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from operator import itemgetter
from typing import Any

from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, NullLocator

from growbuf.cli.measure import grouped

GRAY, OURS, THEIRS = "#7d8590", "#2f81f7", "#d4761c"
WIDTH_INCHES = 4.8  # so text is over 10 pixels high on a screen 400 pixels wide
POINTS_PER_INCH, LINE_POINTS = 72, 13

STYLE = {
    "axes.edgecolor": GRAY,
    "axes.labelcolor": GRAY,
    "axes.spines.right": False,
    "axes.spines.top": False,
    "figure.constrained_layout.use": True,
    "figure.constrained_layout.w_pad": 0.15,  # for viewers with a wider font
    "font.size": 10,
    "grid.alpha": 0.3,
    "grid.color": GRAY,
    "lines.linewidth": 2,
    "savefig.dpi": 100,
    "savefig.transparent": True,
    "svg.fonttype": "none",  # text stays text: files are a tenth of the size
    "svg.hashsalt": "growbuf",
    "text.color": GRAY,
    "xtick.color": GRAY,
    "ytick.color": GRAY,
}


@contextmanager
def picture(file: str, height_inches: float, **grid: Any) -> Iterator[Any]:
    """Provide axes to draw on, then write the file.

    The same figures always give the same file: no date is written to an SVG file.
    """
    with rc_context(STYLE):
        figure = Figure(figsize=(WIDTH_INCHES, height_inches))
        yield figure.subplots(**grid)
        undated = {"Date": None} if file.endswith(".svg") else None
        figure.savefig(file, metadata=undated)


def log_axis(axis: Axis, marks: Sequence[int] = (1,)) -> None:
    """Make an axis logarithmic, with labels at `marks` times each power of ten."""
    axis.axes.set(**{f"{axis.axis_name}scale": "log"})
    axis.set_major_locator(LogLocator(subs=marks))
    axis.set_major_formatter("{x:g}")
    axis.set_minor_locator(NullLocator())


def label_ends(axes: Axes, ends: list[tuple[float, float, str, str]]) -> None:
    """Write the text of each (x, y, text, color) to the right of its point (x, y).

    If it would overlap the text below it, it is moved up.
    """
    text_y, scale = float("-inf"), axes.figure.dpi / POINTS_PER_INCH
    for x, y, text, color in sorted(ends, key=itemgetter(1)):
        point_y = axes.transData.transform((x, y))[1] / scale
        text_y = max(point_y, text_y + LINE_POINTS)
        place = {"xytext": (6, text_y - point_y), "textcoords": "offset points"}
        axes.annotate(text, (x, y), **place, color=color, va="center")


def label_bars(axes: Axes, names: Sequence[str], values: Sequence[float]) -> None:
    """Draw horizontal bars with their values. Those of growbuf have another colour."""
    colors = [OURS if name.startswith("Grow") else THEIRS for name in names]
    bars = axes.barh(names, values, color=colors, height=0.7)
    axes.bar_label(bars, fmt="{:.2f}", padding=4)
    axes.invert_yaxis()
    axes.tick_params(left=False)
    axes.spines["left"].set_visible(False)


def plot_ratios(rows: list[dict[str, Any]], file: str) -> None:
    """Draw the ratio of each peer's time to growbuf's: one diagram for each case."""
    rows = [row for row in rows if "ratio" in row]
    groups = grouped(rows, "allocator", "case")
    heights = [len(group) + 2 for _, group in groups]
    grid = {"nrows": len(groups), "squeeze": False, "height_ratios": heights}
    with picture(file, 0.22 * sum(heights) + 0.5, sharex=True, **grid) as axes:
        for ((allocator, case), group), (ax,) in zip(groups, axes, strict=True):
            log_axis(ax.xaxis)
            ax.set_title(f"{case}, {allocator}", loc="left", fontsize=10)
            label_bars(ax, *zip(*((r["peer"], r["ratio"]) for r in group), strict=True))
            ax.axvline(1, color=GRAY, linewidth=0.8)
        axes[-1][0].set_xlabel("time of the peer / time of growbuf")
