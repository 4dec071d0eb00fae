"""Write the counts in a log of `make retain` as a table into a page, between two marks.

python3 tools/retain_table.py LOG PAGE
"""

import json
import re
import sys
from pathlib import Path

MARKED = re.compile(r"(<!--retain counts-->\n).*?(<!--/retain counts-->)", re.DOTALL)
COLUMNS = {
    "moves": "moves",
    "copied": "bytes copied",
    "remap": "`mremap`",
    "map": "`mmap`",
    "unmap": "`munmap`",
    "advise": "`madvise`",
    "mappings": "extra mappings, at most",
    "faults": "page faults",
}


def read_counts(log):
    """Return the objects that the guest printed, one for each row of the table."""
    lines = [line for line in log.splitlines() if line.startswith("counts: {")]
    return [json.loads(line.removeprefix("counts: ")) for line in lines]


def as_table(rows):
    """Return the rows as a table in Markdown."""
    lines = [f"| rung, vectors | {' | '.join(COLUMNS.values())} |", "|---" * 9 + "|"]
    for row in rows:
        cells = " | ".join(f"{row[key]:,}" for key in COLUMNS)
        lines.append(f"| `{row['rung']}`, {row['vectors']} | {cells} |")
    return "\n".join(lines) + "\n"


def fill(text, rows):
    """Return the text of a page with the table of these rows."""
    text, count = MARKED.subn(lambda found: found[1] + as_table(rows) + found[2], text)
    if count != 1:
        raise ValueError("the page has no place for the table")
    return text


def main(log, page):
    rows = read_counts(Path(log).read_text())
    if not rows:
        sys.exit(f"{log}: no counts")
    page = Path(page)
    page.write_text(fill(page.read_text(), rows))
    print(f"retain: {len(rows)} rows of counts are in {page}")


if __name__ == "__main__":
    main(*sys.argv[1:])
