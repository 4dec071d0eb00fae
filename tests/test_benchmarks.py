"""Test the scripts in benchmarks/ that time operations and programs, except the times.

The scripts must compare the values of what they time, time every operation, and write
complete reports.
"""

import importlib.util
import io
import json
import os
import re
import subprocess
import sys
import zipfile
from pathlib import Path
from xml.etree import ElementTree

import pytest

import growbuf

CHECKOUT = Path(__file__).resolve().parent.parent
BENCHMARKS = CHECKOUT / "benchmarks"

pytestmark = pytest.mark.skipif(
    not BENCHMARKS.exists() or not hasattr(os, "fork"),
    reason="needs the checkout, and fork",
)


@pytest.fixture
def load(monkeypatch):
    """Return a function that imports a script of benchmarks/ under a name of its own,
    because tests/ has an operations.py too."""
    monkeypatch.syspath_prepend(BENCHMARKS)

    def load(name):
        spec = importlib.util.spec_from_file_location(
            f"benchmarks_{name}", BENCHMARKS / f"{name}.py"
        )
        module = importlib.util.module_from_spec(spec)
        monkeypatch.setitem(sys.modules, spec.name, module)
        spec.loader.exec_module(module)
        return module

    return load


@pytest.fixture
def operations(load):
    return load("operations")


@pytest.fixture
def programs(load):
    return load("programs")


def script(name, *words, **more):
    return subprocess.run(
        [sys.executable, BENCHMARKS / f"{name}.py", *map(str, words)],
        env={**os.environ, "PYTHONPATH": str(CHECKOUT)},
        capture_output=True,
        text=True,
        **more,
    )


def operation(operations, statement, **more):
    return operations.Operation("buffer", "some", statement, statement, **more)


class TestOperations:
    def test_operations_json_has_a_row_for_each_cell(self, tmp_path):
        pattern = r"T\(n\) / (13|10,000) B|: x.read\(\) / 0 B|: floats: list.* 10 rows"
        file = tmp_path / "operations.json"
        done = script("operations", "--quick", "--only", pattern, "--json", file)
        assert done.returncode == 0, done.stderr
        report = json.loads(file.read_text())
        names = {row["cell"] for row in report["cells"]}
        wanted = {
            "buffer: T(n) / 13 B / warm",
            "buffer: T(n) / 10,000 B / warm",
            "buffer: T(n) / 10,000 B / cold",
            "io: x.read() / 0 B / warm",
        }
        if importlib.util.find_spec("numpy"):
            wanted.add("array: floats: list + np.array / 10 rows / warm")
        assert names == wanted
        for row in report["cells"]:
            assert min(row["ratio"], row["peer_ns"], row["ours_ns"]) > 0, row
            assert row["rounds"] >= 2 and row["runs"] >= 1
            assert row["allocator"] == "glibc"
            assert row["cell"] in done.stdout
        *_, total = report["summary"]
        assert total["kind"] == "all" and total["cells"] == len(names)
        assert report["growbuf"] == growbuf.info()

    def test_operations_only_pattern_without_a_cell_fails(self):
        done = script("operations", "--only", "no such cell")
        assert done.returncode == 1 and "no cell matches --only" in done.stderr

    @pytest.mark.parametrize(
        ("kind", "peer", "others"),
        [("buffer", bytearray, set()), ("io", io.BytesIO, {"detach", "fileno"})],
    )
    def test_operations_table_times_each_method_of_the_peer(
        self, operations, kind, peer, others
    ):
        """`others` are methods that raise for every BytesIO."""
        table = [op.variant(True) for op in operations.operations() if op.kind == kind]
        source = "\n".join(f"{op.x}\n{op.statement}" for op in table)
        timed = set(re.findall(r"\.(\w+)", source))
        public = {name for name in dir(peer) if not name.startswith("_")}
        assert public - others <= timed

    def test_operations_table_names_are_unique(self, operations):
        names = [(op.kind, op.name) for op in operations.operations()]
        assert len(set(names)) == len(names)

    @pytest.mark.parametrize("n", [0, 13, 1000])
    def test_way_values_of_both_kinds_are_equal(self, operations, n):
        """Check each operation that is timed at this size."""
        for op in operations.operations():
            if n in op.sizes:
                cell = operations.Cell(op, n, "warm")
                ways = operations.Way(op, False), operations.Way(op, True)
                operations.check(cell, *ways)

    @pytest.mark.parametrize(
        ("statement", "ours", "name"),
        [
            ("x.find(b'Number')", "x.find(b'number')", "y"),
            ("x.append(7)", "x.append(8)", "x"),
            ("y = x[:4]", "y = bytes(x[:4])", "y"),
            ("y = [x[:4], 1]", "y = [bytes(x[:4]), 1]", "y"),
            ("y = list(x) * 2", "y = list(x) * 2 + [1]", "y"),
            ("y = 1", "y = 1.0", "y"),
        ],
    )
    def test_measure_different_values_gives_error_and_no_ratio(
        self, operations, capfd, statement, ours, name
    ):
        op = operation(operations, statement, ours={"statement": ours})
        row = operations.measure(operations.Cell(op, 1000, "warm"), operations.QUICK)
        assert "ratio" not in row and row["error"]
        assert f"{name} is not the same" in capfd.readouterr().err

    def test_way_without_values_raises(self, operations):
        op = operation(operations, "z = T(n)", x=None)
        ways = operations.Way(op, False), operations.Way(op, True)
        with pytest.raises(AssertionError, match="nothing to compare"):
            operations.check(operations.Cell(op, 13, "warm"), *ways)

    def test_way_code_is_not_shared_between_kinds(self, operations):
        op = operation(operations, "x.find(b'a')")
        theirs, ours = (operations.Way(op, is_ours)._warm for is_ours in (False, True))
        assert theirs.__code__ is not ours.__code__
        assert theirs.__globals__ is not ours.__globals__

    def test_way_warm_ns_runs_the_statement_n_times(self, operations):
        seen = []
        op = operation(operations, "x(n)", x="T")
        way = operations.Way(op, True)
        way.kind = seen.append
        cell = operations.Cell(op, 13, "warm")
        assert way.warm_ns(cell, 0, 5) >= 0 and seen == [13] * 5
        assert way.cold_ns(cell, 0, 2) >= 0 and seen == [13] * 7

    def test_way_of_each_makes_an_object_for_each_run(self, operations):
        op = operation(operations, "assert len(x) == n; x.clear()", each=True)
        way, cell = operations.Way(op, True), operations.Cell(op, 100, "warm")
        way.warm_ns(cell, 0, 3)
        way.cold_ns(cell, 0, 3)

    @pytest.mark.parametrize("n", [0, 13, 60_000, 300_000])
    def test_material_sources_are_equal_at_different_offsets(self, operations, n):
        material = operations.Material(n)
        assert len(material.data) == n
        assert {bytes(source) for source in material.sources} == {material.data}
        if n >= 60_000:
            np = pytest.importorskip("numpy")
            places = {
                np.frombuffer(s, "u1").ctypes.data % 4096 for s in material.sources
            }
            assert len(places) > 3


def cells(**ratios):
    """Return cells as operations.py writes them, one for each name."""
    for name, ratio in ratios.items():
        for state in ("warm", "cold"):
            yield {
                "kind": "buffer",
                "group": "some",
                "operation": name,
                "size": 1 << 20,
                "state": state,
                "ratio": ratio,
            }


class TestHeatMap:
    SUMMARY = [
        {"kind": "buffer", "state": "warm", "cells": 2, "mean": 1, "losing": 1}
        | {"lowest": 0.5},
        {"kind": "all", "state": "", "cells": 2, "mean": 1, "losing": 1, "lowest": 0.5},
    ]

    def test_heatmap_of_same_cells_writes_same_files(self, load, tmp_path, monkeypatch):
        heatmap = load("heatmap")
        report = {"summary": self.SUMMARY, "cells": [*cells(a=0.5, b=2.0), {"x": 1}]}
        source = tmp_path / "operations.json"
        source.write_text(json.dumps(report))
        page = tmp_path / "performance.md"
        page.write_text("before\n\n<!-- operations -->\n\n| old |\n\nafter\n")
        drawn = []
        for _ in range(2):
            monkeypatch.setattr(sys, "argv", ["heatmap.py", str(source), str(tmp_path)])
            heatmap.main()
            drawn.append([path.read_bytes() for path in sorted(tmp_path.glob("*.svg"))])
        assert drawn[0] == drawn[1] and len(drawn[0]) == 2
        text = page.read_text()
        assert text.startswith("before\n\n<!-- operations -->\n\n| cells of |")
        assert "| buffer | warm | 2 | 1.00 | 1 | .50 |\n\nafter" in text
        assert "old" not in text and "all" not in text

    def test_class_of_loss_and_gain_of_same_factor_have_same_step(self, load):
        heatmap = load("heatmap")
        for factor in (1.06, 1.3, 1.7, 3, 10):
            loss, gain = heatmap.class_of(1 / factor), heatmap.class_of(factor)
            assert (loss[0], gain[0]) == ("l", "g") and loss[1:] == gain[1:]
        assert heatmap.class_of(1) == heatmap.class_of(0.96) == "e"

    @pytest.mark.parametrize(("form", "most"), [("WIDE", 832), ("NARROW", 380)])
    def test_draw_shows_each_ratio(self, load, form, most):
        heatmap = load("heatmap")
        rows = list(cells(a=0.5, b=2.0, c=0.004, d=140))
        svg = heatmap.draw(rows, getattr(heatmap, form))
        width = float(ElementTree.fromstring(svg).get("width"))
        assert width <= most, "the width of the text on a screen of 1,400 or 400 px"
        sizes = map(float, re.findall(r"font-size:([\d.]+)px", svg))
        assert min(sizes) >= 10
        for rect in ElementTree.fromstring(svg).iter(
            "{http://www.w3.org/2000/svg}rect"
        ):
            assert float(rect.get("x")) + float(rect.get("width")) <= width
        for number in (".50", "2.0", ".004", "140"):
            assert svg.count(f">{number}</text>") == 2
        assert "some, cold" in svg


class TestPrograms:
    def test_programs_json_has_a_row_for_each_program(self, tmp_path):
        file = tmp_path / "programs.json"
        words = "--quick", "--repeat", 1, "--only", "line parser|_pyio", "--json", file
        done = script("programs", *words)
        assert done.returncode == 0, done.stderr
        report = json.loads(file.read_text())
        assert [row["program"] for row in report["programs"]] == [
            "_pyio",
            "a line parser",
        ]
        for row in report["programs"]:
            assert row["rounds"] == 1
            assert min(value for key, value in row.items() if key != "program") > 0
        assert report["summary"]["programs"] == 2

    def test_measure_without_library_names_it(self, programs):
        if importlib.util.find_spec("kafka"):
            pytest.skip("it is there")
        row = programs.measure("kafka-python", repeat=1, quick=True)
        assert row == {"program": "kafka-python", "missing": "kafka"}

    def test_programs_table_has_twelve_libraries_or_more(self, programs):
        libraries = [name for name in programs.PROGRAMS if not name.startswith("a ")]
        assert len(libraries) >= 12

    def test_measure_different_value_raises(self, programs, monkeypatch):
        monkeypatch.setattr(programs, "KINDS", {"bytearray": "", "Find": "broken.Find"})
        with pytest.raises(AssertionError, match="not the same value"):
            programs.measure("a line parser", repeat=1, quick=True)

    def test_measure_without_replaced_builtin_raises(self, programs, monkeypatch):
        monkeypatch.setitem(programs.KINDS, "GrowBuffer", "")
        with pytest.raises(RuntimeError, match="bytearray was bytearray"):
            programs.measure("a line parser", repeat=1, quick=True)


class TestAnimation:
    def test_animation_file_in_docs_is_up_to_date(self, load):
        drawn = load("animation").draw()
        assert (CHECKOUT / "docs" / "growing.svg").read_text() == drawn

    def test_animation_is_valid_and_stops_for_reduced_motion(self, load):
        picture = load("animation").draw()
        root = ElementTree.fromstring(picture)
        assert root.tag.endswith("svg") and len(root) > 50
        assert "prefers-reduced-motion" in picture


class TestMemory:
    def test_thin_keeps_the_peaks_in_order(self, load):
        memory = load("memory")
        points = [(i, 1000 if i == 777 else i % 7) for i in range(10_000)]
        kept = memory.thin(points)
        assert len(kept) <= memory.MAX_POINTS
        assert [777, 1000] in kept and kept == sorted(kept)

    def test_memory_sample_reaches_the_length_of_the_result(self, load, monkeypatch):
        memory = load("memory")
        monkeypatch.setattr(memory, "warm_up", lambda nbytes: None)
        monkeypatch.setenv("PYTHONPATH", str(CHECKOUT))
        points = memory.sample("glibc", "GrowBuffer")
        assert points == sorted(points)
        assert max(nbytes for _, nbytes in points) >= 0.95 * memory.NBYTES


# ------------------------------------------------------------------------------- ends


def test_ends_jobs_of_each_case_have_equal_results(load):
    ends = load("ends")
    for kind, end in ((bytearray, bytes), (growbuf.GrowBuffer, ends.GrowBuffer.freeze)):
        assert ends.build(kind, end, 1 << 20) == ends.PIECE * 16
    pieces = ends.distinct(1 << 20)
    pickled = ends.pickled(growbuf.GrowIO, pieces)
    assert pickled == ends.pickled(io.BytesIO, pieces) and len(pickled) > 1 << 20
    archive = ends.archived(growbuf.GrowIO, 1 << 20)
    for file in (archive, ends.archived(io.BytesIO, 1 << 20)):
        with zipfile.ZipFile(io.BytesIO(file)) as entries:
            assert entries.testzip() is None and len(entries.namelist()) == 16
            assert b"".join(map(entries.read, entries.namelist())) == ends.PIECE * 16
    assert ends.take_all(growbuf.GrowBuffer, ends.GrowBuffer.freeze, 1024, 4096) > 0
    assert ends.take_all(bytearray, ends.copy_and_clear, 1024, 4096) > 0


def test_sizes_writes_the_ratio_of_each_run(tmp_path):
    pytest.importorskip("rich")
    file = tmp_path / "sizes.json"
    words = (
        "--least",
        256,
        "--most",
        256,
        "--piece",
        64,
        "--repeat",
        2,
        "--json",
        file,
    )
    done = script("sizes", *words)
    assert done.returncode == 0, done.stderr
    (row,) = json.loads(file.read_text())["rows"]
    assert (row["length"], row["piece"]) == (256, 64)
    for name in ("first", "again"):
        low, high = sorted(row["each"][name])
        assert 0 < low <= row[name] <= high


def test_ends_uses_and_reading_give_ratios(load):
    ends = load("ends")
    rows = [*ends.reading_case(1, 1 << 20)]
    rows += [
        (name, ends.compare(*jobs, 1)) for name, jobs in ends.uses(1 << 20).items()
    ]
    assert len(rows) >= 10 and all(row["ratio"] > 0 for _, row in rows)
