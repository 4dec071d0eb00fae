"""Make the pictures and tables of the documentation from the suite's results.

    python benchmarks/pictures.py BENCH.json [FOLDER]

It writes four SVG files to the folder (docs/ by default). If the folder has a file
performance.md, each table after a comment such as <!-- ratios: zeros --> is replaced by
one for the cases that the comment names. The same results make the same files, byte by
byte. Needs matplotlib.
"""

from operator import itemgetter
from statistics import median

from common import markdown_table, read_arguments, write_tables

from growbuf.cli.bench import add_ratios, short
from growbuf.cli.measure import GIB, grouped
from growbuf.cli.plot import OURS, THEIRS, label_bars, label_ends, log_axis, picture

COLORS = {
    "glibc": THEIRS,
    "jemalloc": "#c4559d",
    "tcmalloc": "#4c9f45",
    "mimalloc": "#9a6ee0",
}
MIB = 1 << 20
UNITS = ((GIB, "GiB"), (MIB, "MiB"), (1 << 10, "KiB"))
BATCH = 32
PEAK_NBYTES = 128 * MIB


def of_case(rows, case):
    return [row for row in rows if row["case"] == case]


def per_gib(row):
    return median(row["seconds"]) / row["nbytes"] * GIB


def readable(nbytes):
    for scale, unit in UNITS:
        if nbytes >= scale:
            return f"{nbytes / scale:.0f} {unit}"
    return f"{nbytes:.0f} B"


def time_and_length(axes, label, lengths):
    """Make both axes logarithmic; label the lengths that were measured."""
    log_axis(axes.yaxis, (1, 2, 5))
    axes.set_ylabel("seconds for each GiB")
    axes.set_xscale("log", base=2)
    axes.set_xticks(lengths, [readable(nbytes) for nbytes in lengths])
    axes.minorticks_off()
    axes.set_xlabel(label)
    axes.grid(True)


def draw_time(rows, file):
    """Draw the time for each GiB over the length, for each allocator."""
    rows, ends = of_case(rows, "scaling"), []
    lengths = sorted({row["nbytes"] for row in rows})
    with picture(file, 4.2) as axes:
        for (allocator, peer), group in grouped(rows, "allocator", "peer"):
            ours = peer == "GrowBuffer"
            color = OURS if ours else COLORS[allocator]
            width = 1 if ours and allocator != "glibc" else 2
            points = [(row["nbytes"], per_gib(row)) for row in group]
            axes.plot(*zip(*points, strict=True), "o-", color=color, lw=width, ms=3)
            if not ours:
                ends.append((*points[-1], f"bytearray, {allocator}", color))
            elif allocator == "glibc":
                ends.append((*points[-1], "GrowBuffer, any", color))
        time_and_length(axes, "length built in pieces of up to 64 KiB", lengths[::2])
        axes.set_xlim(right=lengths[-1] * 400)
        label_ends(axes, ends)


def draw_peak(rows, file):
    """Draw the peak memory for each byte of the result, for each peer and allocator."""
    built = [row for row in of_case(rows, "build-64k") if row["nbytes"] >= PEAK_NBYTES]
    bars = {row["peer"]: row["peak_nbytes"] / row["nbytes"] for row in built}
    for row in of_case(rows, "scaling"):
        if row["nbytes"] == PEAK_NBYTES and row["allocator"] != "glibc":
            name = f"{row['peer']}, {row['allocator']}"
            bars[name] = row["peak_nbytes"] / row["nbytes"]
    bars = dict(sorted(bars.items(), key=itemgetter(1)))
    with picture(file, 0.27 * len(bars) + 0.7) as axes:
        label_bars(axes, list(bars), list(bars.values()))
        axes.set_xlabel("peak memory for each byte, of 128 MiB")


def draw_window(rows, file):
    """Draw the time for each GiB that passes through a window, over its length."""
    rows, ends = of_case(rows, "windows"), []
    lengths = sorted({row["nbytes"] for row in rows})
    with picture(file, 3) as axes:
        for peer, group in grouped(rows, "peer"):
            color = OURS if peer == "GrowBuffer" else THEIRS
            # The job adds twice the length of the window.
            points = [(row["nbytes"], per_gib(row) / 2) for row in group]
            axes.plot(*zip(*points, strict=True), "o-", color=color, ms=4)
            ends.append((*points[-1], peer, color))
        time_and_length(axes, "length of the window", lengths)
        axes.set_xlim(right=lengths[-1] * 3)
        label_ends(axes, ends)


def slowest_ms(append_ns):
    """Return the slowest of each BATCH appends in milliseconds, so that spikes stay."""
    batches = range(0, len(append_ns), BATCH)
    return [max(append_ns[start : start + BATCH]) / 1e6 for start in batches]


def draw_appends(rows, file):
    """Draw the time of the slowest of every few appends."""
    strips = {}
    for row in of_case(rows, "appends"):
        ours = row["peer"] == "GrowBuffer"
        if not ours or row["allocator"] == "glibc":
            name = row["peer"] if ours else f"bytearray, {row['allocator']}"
            slowest = slowest_ms(row["append_ns"])
            strips[name] = (OURS if ours else COLORS[row["allocator"]], slowest)
    piece_mib = row["nbytes"] / MIB / len(row["append_ns"])
    grid = {"nrows": len(strips), "sharex": True, "sharey": True}
    with picture(file, 0.85 * len(strips) + 0.6, **grid) as axes:
        for ax, (name, (color, slowest)) in zip(axes, strips.items(), strict=True):
            lengths = [i * BATCH * piece_mib for i in range(len(slowest))]
            ax.plot(lengths, slowest, color=color, linewidth=1)
            log_axis(ax.yaxis)
            ax.set_title(name, loc="left", color=color, fontsize=10, pad=2)
            ax.grid(True, axis="y")
        ax.set_xlabel(
            f"MiB built so far (the slowest of each {BATCH} appends of 64 KiB)"
        )
        axes[len(axes) // 2].set_ylabel("milliseconds")


PICTURES = {
    "time.svg": draw_time,
    "peak-memory.svg": draw_peak,
    "window.svg": draw_window,
    "appends.svg": draw_appends,
}


def ratio_table(rows, cases):
    """Return a Markdown table: each peer's time divided by growbuf's, for each case."""
    ratios = {}
    for case in cases:
        group = [row for row in of_case(rows, case) if row["allocator"] == "glibc"]
        add_ratios(group)
        for row in group:
            ratios.setdefault(row["peer"], {})[case] = short(row["ratio"])
    rows = [
        [peer, *(of_peer.get(case, "") for case in cases)]
        for peer, of_peer in ratios.items()
    ]
    return markdown_table(["", *(f"`{case}`" for case in cases)], rows)


def main():
    report, folder = read_arguments(__doc__)
    rows = [bench["extra_info"] for bench in report["benchmarks"]]
    for name, draw in PICTURES.items():
        draw(rows, str(folder / name))
    write_tables(folder, "ratios", lambda cases: ratio_table(rows, cases))


if __name__ == "__main__":
    main()
