"""Operations execute as many instructions as instructions.json says, and the counting
in instructions.py is right."""

import instructions
import pytest


@pytest.mark.slow
def test_instructions_of_operations_equal_written_counts():
    reason = instructions.why_not()
    if reason:
        pytest.skip(f"instructions are not compared: {reason}")
    counts = instructions.count()
    assert not instructions.differing(counts, instructions.read()["counts"])


@pytest.mark.parametrize("factor, differs", [(1, 0), (1.02, 0), (1.04, 1), (0.96, 1)])
def test_differing_counts_off_by_more_than_three_percent_are_listed(factor, differs):
    written = {"append": {"instructions": 50.0, "calls": 2.0}}
    counts = {"append": {"instructions": 50.0 * factor, "calls": 2.0}}
    assert len(instructions.differing(counts, written)) == differs


COUNTS = """\
ob=/usr/lib/libpython.so
fn=method_vectorcall
10 1000
cob=/x/growbuf/_growbuf.so
cfn=append
calls=7 20
10 3000
ob=/x/growbuf/_growbuf.so
fn=append
20 30
+1 12
cfn=resize
calls=3 40
21 500
cob=/usr/lib/libc.so
cfn=memcpy
calls=2 0
22 900
* 5
"""


def test_counted_file_with_other_objects_counts_extension_only(tmp_path):
    path = tmp_path / "counts"
    path.write_text(COUNTS)
    assert instructions.counted(path) == {"instructions": 30 + 12 + 5, "calls": 2}


@pytest.mark.parametrize(
    "percent, differs", [(50, False), (90, False), (102, False), (103, True)]
)
def test_differing_percentage_more_than_12_points_higher_is_listed(percent, differs):
    written, counts = {"x.f()": {"percent": 90}}, {"x.f()": {"percent": percent}}
    assert bool(instructions.differing(counts, written)) is differs
