"""Compare the lines that no test reached with tools/uncovered.txt, which names the
functions that have such lines, each with the reason.

    python tools/uncovered.py LINES.json      as gcovr --json writes it
"""

import json
import sys
from collections import defaultdict
from pathlib import Path

LEAST_PERCENT = 95
LIST = Path(__file__).with_name("uncovered.txt")


def read_list():
    """Return the functions that may have uncovered lines, as 'file:function'."""
    lines = LIST.read_text().splitlines()
    return {line.split()[0] for line in lines if line and not line.startswith("#")}


def count(report):
    """Return the number of lines, and those not reached by 'file:function'."""
    total, missed = 0, defaultdict(list)
    for file in report["files"]:
        for line in file["lines"]:
            total += 1
            if line["count"] == 0:
                where = f"{file['file']}:{line.get('function_name', '')}"
                missed[where].append(line["line_number"])
    return total, missed


def main(path):
    total, missed = count(json.loads(Path(path).read_text()))
    reached = 100 * (1 - sum(map(len, missed.values())) / total)
    listed = read_list()
    for where in sorted(missed.keys() - listed):
        print(f"not in {LIST.name}: {where}, lines {missed[where]}")
    for where in sorted(listed - missed.keys()):
        print(f"reached this time, though in {LIST.name}: {where}")
    print(f"{reached:.1f} % of {total} lines are reached")
    # What only a race reaches is reached now and then, so that is no failure.
    sys.exit(reached < LEAST_PERCENT or not missed.keys() <= listed)


if __name__ == "__main__":
    main(sys.argv[1])
