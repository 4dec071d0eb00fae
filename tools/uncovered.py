"""Check which lines of src/ no test reaches.

    python tools/uncovered.py LINES.json      a file that gcovr --json has written

It fails if fewer than 95 % of the lines are reached, or if a function with unreached
lines is not listed in tools/uncovered.txt, which gives the reason for each.
"""

import json
import sys
from collections import defaultdict
from pathlib import Path

MIN_PERCENT = 95
LIST = Path(__file__).with_name("uncovered.txt")


def read_list():
    """Return the functions that may have unreached lines, as 'file:function'."""
    lines = LIST.read_text().splitlines()
    return {line.split()[0] for line in lines if line and not line.startswith("#")}


def count(report):
    """Return the number of lines, and {'file:function': its unreached lines}."""
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
        print(f"not listed in {LIST.name}: {where}, lines {missed[where]}")
    for where in sorted(listed - missed.keys()):
        print(f"listed in {LIST.name}, but reached this time: {where}")
    print(f"{reached:.1f} % of {total} lines are reached")
    # A listed function that was reached is no failure: threads that race reach some of
    # them in some runs.
    sys.exit(reached < MIN_PERCENT or not missed.keys() <= listed)


if __name__ == "__main__":
    main(sys.argv[1])
