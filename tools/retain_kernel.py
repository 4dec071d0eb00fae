"""Give the mremap() of a Linux source tree the semantics of MREMAP_RETAIN.

    python3 tools/retain_kernel.py [SOURCE]

Today's MREMAP_DONTUNMAP has the flag value of MREMAP_RETAIN, moves pages and keeps the
source mapped, but only if the old and the new length are equal. This script changes the
conditions in SOURCE/mm/mremap.c that refuse a move that also grows the mapping, and
those that check limits before such a move. It finds each condition by a pattern in one
function. If it does not find a pattern exactly once, the source is another version than
it knows. Then it prints the rule that it cannot make, and leaves the file unchanged.
Without SOURCE it prints the changes.
"""

import re
import sys
from pathlib import Path
from typing import NamedTuple


class Change(NamedTuple):
    """A condition to change.

    rule: what the kernel does after the change. function: the start of the definition
    that has the condition. pattern: a regular expression that matches the condition.
    replacement: the new condition.
    """

    rule: str
    function: str
    pattern: str
    replacement: str


CHANGES = [
    Change(
        "a move that keeps its source may grow, and may not shrink",
        "SYSCALL_DEFINE5(mremap",
        r"\bold_len != new_len(?=\)\))",
        "old_len > new_len",
    ),
    Change(
        "growth without MREMAP_FIXED is tried in place, then moves to a free address",
        "SYSCALL_DEFINE5(mremap",
        r"flags & \(MREMAP_FIXED \| MREMAP_DONTUNMAP\)",
        "flags & MREMAP_FIXED || (flags & MREMAP_DONTUNMAP && old_len == new_len)",
    ),
    Change(
        "growth that moves takes address space for the whole new length",
        "SYSCALL_DEFINE5(mremap",
        r"\(flags & MREMAP_MAYMOVE\)(?= \{)",
        "(flags & MREMAP_MAYMOVE && (!(flags & MREMAP_DONTUNMAP) ||"
        " may_expand_vm(mm, vma->vm_flags, new_len >> PAGE_SHIFT)))",
    ),
    Change(
        "so does a move to a fixed address",
        "unsigned long mremap_to(",
        r"\bold_len >> PAGE_SHIFT",
        "new_len >> PAGE_SHIFT",
    ),
    Change(
        "locked and shared memory does not grow by such a move",
        "vma_to_resize(",
        r"\(VM_DONTEXPAND \| VM_PFNMAP\)(?=\)\)\s*return ERR_PTR\(-EINVAL)",
        "(VM_DONTEXPAND | VM_PFNMAP |"
        " (old_len == new_len ? 0 : VM_LOCKED | VM_SHARED))",
    ),
]


def function_range(text, name):
    """Return the range of a function: from `name` to its closing brace at column 0."""
    found = re.search(
        re.escape(name) + r"[^;{]*\n\{.*?^\}", text, re.DOTALL | re.MULTILINE
    )
    if found is None:
        raise ValueError(f"there is no function {name}...)")
    return found.span()


def apply(change, text):
    """Return the text with one condition changed."""
    start, end = function_range(text, change.function)
    body, count = re.subn(change.pattern, lambda _: change.replacement, text[start:end])
    if count != 1:
        raise ValueError(
            f"{change.function}...) has {count} conditions like {change.pattern}"
        )
    return text[:start] + body + text[end:]


def main(source=None):
    """Change the file and print the rules. Without a source, print the changes."""
    if source is None:
        for change in CHANGES:
            print(*change, sep="\n    ")
        return
    path = Path(source, "mm/mremap.c")
    if not path.is_file():
        sys.exit(f"{path}: there is no such file: {source} is not a Linux source tree")
    text = path.read_text()
    for change in CHANGES:
        try:
            text = apply(change, text)
        except ValueError as error:
            sys.exit(f"{path}: cannot make the rule '{change.rule}': {error}")
    path.write_text(text)
    for change in CHANGES:
        print(f"  {path.name}: {change.rule}")


if __name__ == "__main__":
    main(*sys.argv[1:])
