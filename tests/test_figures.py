"""The figures of README.md and docs/ are those of docs/figures.json, and
benchmarks/figures.py takes them from the commands' reports. No time is checked."""

import json
import os
import re
import sys
from pathlib import Path

import pytest

CHECKOUT = Path(__file__).resolve().parent.parent
BENCHMARKS = CHECKOUT / "benchmarks"
PAGES = [CHECKOUT / "README.md", *sorted((CHECKOUT / "docs").rglob("*.md"))]
# Every measured figure on these pages is in the file.
MEASURED = [
    CHECKOUT / "README.md",
    CHECKOUT / "docs" / "arrays.md",
    CHECKOUT / "docs" / "performance.md",
]
UNMARKED = re.compile(
    r"(?<!more than )\b\d[\d.,]* "
    r"(?:times as|ms|ns|µs|s for|page faults|system calls)\b"
    r"|ratio (?:is|of)\s+\d|exponent for \w+ is\s+\d|\d bytes of memory for each"
)

pytest.importorskip("rich")
pytestmark = pytest.mark.skipif(
    not BENCHMARKS.exists() or not hasattr(os, "fork"),
    reason="needs the checkout, and fork",
)


@pytest.fixture
def figures(monkeypatch):
    monkeypatch.syspath_prepend(BENCHMARKS)
    import figures

    return figures


@pytest.fixture
def source(figures):
    return json.loads(figures.FILE.read_text())


# ------------------------------------------------------------------------- the texts


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_page_has_the_figures_of_the_file(figures, source, page):
    text = page.read_text()
    assert text == figures.fill(text, source)


def test_other_figure_in_page_is_replaced(figures, source):
    source["figures"]["build.glibc"]["median"] = 7.04
    text = "a <!--figure build.glibc-->4.8<!--/figure--> b"
    assert figures.fill(text, source) == text.replace("4.8", "7")


def test_every_figure_is_in_a_page(figures, source):
    found = [figures.MARK.findall(page.read_text()) for page in PAGES]
    used = {name for marks in found for _, name, *_ in marks}
    assert used == {*source["figures"], "machine"}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_page_names_the_command_of_each_figure(figures, source, page):
    text = page.read_text()
    words = " ".join(text.split())
    for _, name, *_ in figures.MARK.findall(text):
        if name != "machine":
            command = source["figures"][name]["command"]
            assert source["commands"][command]["run"] in words, name


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_no_line_of_page_starts_with_mark(page):
    """Markdown takes such a line for HTML: it ends the paragraph, and shows backticks."""
    assert not re.search(r"^\s*<!--figure", page.read_text(), re.MULTILINE)


def without_marks(text):
    text = re.sub(r"<!--figure.*?<!--/figure-->", "X", text, flags=re.DOTALL)
    return re.sub(r"^ *```.*?^ *```$", "", text, flags=re.MULTILINE | re.DOTALL)


@pytest.mark.parametrize("page", MEASURED, ids=lambda page: page.name)
def test_page_has_no_figure_without_a_mark(page):
    assert UNMARKED.findall(without_marks(page.read_text())) == []


@pytest.mark.parametrize(
    "text", ["it took 4.8 times as long", "the ratio is 0.58", "the slowest took 5 ms"]
)
def test_figure_without_a_mark_is_found(text):
    assert UNMARKED.search(text)


# -------------------------------------------------------------------------- measuring


def test_file_has_the_layout_that_dump_writes(figures, source):
    assert figures.FILE.read_text() == figures.dump(source)


def test_figures_of_the_suite_name_cases_and_peers_that_it_has(source):
    """Otherwise `make figures` would measure everything and only then fail."""
    from growbuf.cli.cases import CASES
    from growbuf.cli.measure import ALLOCATORS

    peers = {name: {*case.peers} for name, case in CASES.items()}
    kinds = {"GrowBuffer", "bytearray"}
    peers |= dict.fromkeys(("scaling", "appends", "windows", "exponents"), kinds)
    for figure in source["figures"].values():
        where = figure["where"]
        if figure["command"] == "bench" and where:
            cases, names, allocators = (
                {*part} if isinstance(part := where.get(key, default), list) else {part}
                for key, default in (
                    ("case", None),
                    ("peer", None),
                    ("allocator", "glibc"),
                )
            )
            assert cases <= {*peers} and allocators <= {*ALLOCATORS}, where
            assert all(names <= peers[case] for case in cases), where


def suite_report():
    """Return a report as `make bench` writes it, with ratios of 2 and 4."""
    rows = [
        {
            "allocator": "glibc",
            "case": "windows",
            "peer": peer,
            "nbytes": 1 << 29,
            "seconds": seconds,
            "peak_nbytes": 1 << 30,
            "each": {"seconds": seconds, "peak_nbytes": [1 << 30, 1 << 29]},
            "append_ns": [1, 3_000_000, 2_000_000],
        }
        for peer, seconds in (("GrowBuffer", [1.0, 2.0]), ("bytearray", [2.0, 8.0]))
    ]
    return {"benchmarks": [{"extra_info": row} for row in rows]}


@pytest.mark.parametrize(
    ("value", "wanted"),
    [
        ("ratio", (3, [2, 4])),
        ("s/GiB", (5, [2, 8])),
        ("peak", (1.5, [1, 2])),
        ("peak_nbytes", (805_300_000, [536_900_000, 1_074_000_000])),
        ("slowest ms", (3, None)),
        ("slow appends", (2, None)),
    ],
)
def test_take_from_suite_returns_median_and_spread(figures, value, wanted):
    figure = {"where": {"case": "windows", "peer": "bytearray"}, "value": value}
    assert figures.take(figure, figures.rows_of(suite_report())) == wanted


def test_take_exponent_of_scaling_rows(figures):
    rows = [
        {"allocator": "glibc", "case": "scaling", "peer": "bytearray"}
        | {"nbytes": n, "seconds": seconds}
        | {"each": {"seconds": seconds, "peak_nbytes": [n**2 for _ in seconds]}}
        for n, seconds in (
            (1 << 20, [1 / 16, 1 / 256]),
            (1 << 24, [1.0]),
            (1 << 28, [16.0, 256.0]),
        )
    ]
    report = {"benchmarks": [{"extra_info": row} for row in rows]}
    where = {"case": "exponents", "peer": "bytearray"}
    taken = [
        figures.take(
            {"where": where, "value": f"{of} exponent"}, figures.rows_of(report)
        )
        for of in ("time", "peak")
    ]
    assert taken == [(1.5, [1, 2]), (2, [2, 2])]


def test_take_from_seed_report_finds_pages_and_peer(figures):
    report = {"huge": {"glibc": {"seconds": 1}}, "small": {"glibc": {"seconds": 2}}}
    figure = {"where": {"pages": "small", "peer": "glibc"}, "value": "seconds"}
    assert figures.take(figure, figures.rows_of(report)) == (2, None)


def test_take_of_several_rows_needs_pick(figures):
    each = {"ratio": [1, 3, 8]}
    rows = [{"case": "a", "ratio": 2.0}, {"case": "b", "ratio": 3, "each": each}]
    figure = {"where": {"case": ["a", "b"]}, "value": "ratio"}
    with pytest.raises(LookupError, match="2 rows"):
        figures.take(figure, rows)
    assert figures.take({**figure, "pick": "min"}, rows) == (2, None)
    assert figures.take({**figure, "pick": "max"}, rows) == (3, [1, 8])
    with pytest.raises(LookupError, match="no row"):
        figures.take({**figure, "where": {"case": "c"}}, rows)


def test_measured_command_writes_file_and_page(figures, source, tmp_path, monkeypatch):
    page, file = tmp_path / "page.md", tmp_path / "figures.json"
    page.write_text("upper: <!--figure small.upper-->?<!--/figure--> (`upper`)\n")
    run = "python benchmarks/versus.py upper strip --repeat 2"
    source["commands"]["small"]["run"] = run
    source["machine"] = "another"
    file.write_text(figures.dump(source))
    monkeypatch.setattr(figures, "FILE", file)
    monkeypatch.setattr(figures, "pages", lambda: [page])
    monkeypatch.setattr(sys, "argv", ["figures.py", "--measure", "small"])
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PYTHONPATH", str(CHECKOUT))
    figures.main()
    measured = json.loads(file.read_text())
    figure = measured["figures"]["small.upper"]
    low, high = figure["spread"]
    assert 0 < low <= figure["median"] <= high
    assert f"-->{figure['median']:.2f}<!--" in page.read_text()
    assert measured["machine"] == figures.describe_machine()
    others = {**measured["figures"], "small.upper": None, "small.strip": None}
    before = {**source["figures"], "small.upper": None, "small.strip": None}
    assert others == before


def test_missing_names_what_figures_of_chosen_commands_need(
    figures, source, monkeypatch
):
    def preload(name):
        raise figures.MissingError(f"{name}: not found")

    monkeypatch.setattr(figures, "preload", preload)
    monkeypatch.setattr(figures, "has_strace", lambda: False)
    allocators = [f"{name}: not found" for name in figures.ALLOCATORS]
    assert [*figures.missing(source, ["build"])] == allocators
    assert [*figures.missing(source, ["bench"])][:-1] == allocators
    assert "strace" in [*figures.missing(source, ["bench"])][-1]
    assert [*figures.missing(source, ["small", "arrays"])] == []


def test_machine_is_described_without_the_name_of_its_kernel_build(figures):
    text = figures.describe_machine()
    assert re.search(r" \d+ GiB of memory, \w+ \d+\.\d+, ", text)


def test_measured_command_does_not_inherit_arguments_of_make(
    figures, tmp_path, monkeypatch
):
    report = tmp_path / "report.json"
    monkeypatch.setenv("ARGS", "bench")
    monkeypatch.setenv("MAKEFLAGS", " -- ARGS=bench")
    monkeypatch.setenv("SEEN", "1")
    code = (
        "import json, os; names = {'ARGS', 'MAKEFLAGS', 'SEEN'} & {*os.environ}; "
        f"json.dump({{'rows': [{{'names': [*names]}}]}}, open({str(report)!r}, 'w'))"
    )
    command = {"run": f'python -c "{code}"', "report": str(report)}
    row, _ = figures.measure("name", command)
    assert row == {"names": ["SEEN"]}
