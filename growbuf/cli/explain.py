"""What each fact of info() means: what the system said, what follows, what changes it."""

import textwrap
from typing import Any

INDENT = " " * 4
WIDTH = 88

STRATEGIES = {
    "retain": "A larger range gets the pages and the old range stays mapped: this kernel "
    "has the patch of 2014. No better way exists.",
    "dontunmap": "A larger range gets the pages (mremap with MREMAP_DONTUNMAP), and the "
    "old range is used again. No byte is copied. No kernel without a patch has a better "
    "way.",
    "maymove": "A larger range gets the pages (mremap), and the old range is unmapped. No "
    "byte is copied. Linux 5.7 and newer have a better way, dontunmap, unless a sandbox "
    "forbids it.",
    "copy": "Growing copies the bytes, because pages cannot be moved here. Where a sandbox "
    "forbids mremap, its profile can allow it.",
    "heap": "Growing calls realloc, as bytearray does, and there are no limits: growbuf "
    "knows no way to map pages on this system, or GROWBUF_STRATEGY=heap is set.",
}
ANSWERS = {
    "EINVAL": "the kernel does not have it",
    "ENOSYS": "there is no such system call, or a sandbox forbids it",
    "EPERM": "a sandbox forbids it",
    "ENOMEM": "there is no memory or address space for it, see ulimit -v",
}
HUGE_PAGES = {
    "always": "The kernel uses huge pages in all memory, also in that of bytearray. Faster "
    "for both, so the ratio between them is smaller.",
    "madvise": "The kernel uses huge pages where a program asks for them. growbuf asks, "
    "for buffers from 4 MiB on.",
    "never": "The first write to memory goes page by page, which takes longer. An "
    "administrator turns huge pages on: echo madvise > "
    "/sys/kernel/mm/transparent_hugepage/enabled. In a container the host decides.",
    "unknown": "The system does not say whether it has huge pages (/sys is not mounted, or "
    "it is not Linux). growbuf asks for them anyway.",
}


def explain_forced(facts: dict[str, Any]) -> str:
    if facts["forced"] is None:
        return "The best way that works is used. GROWBUF_STRATEGY=NAME starts from another."
    return (
        "GROWBUF_STRATEGY is set, so no better way is tried. Unset it to use the best."
    )


def explain_probe(facts: dict[str, Any]) -> str:
    refused = {name: why for name, why in facts["probe"].items() if why != "ok"}
    told = [
        f"{name}: {ANSWERS.get(why, 'refused, for a reason growbuf does not know')}."
        for name, why in refused.items()
        if name != "retain"
    ]
    if "retain" in refused:
        told.append(
            "retain: no ordinary kernel has it; it needs a patch, and nothing is lost."
        )
    return " ".join(
        ["Each way was tried on a page when growbuf was imported.", *sorted(told)]
    )


def explain_populate(facts: dict[str, Any]) -> str:
    if facts["populate"] == "ok":
        return (
            "One call makes many pages present (MADV_POPULATE_WRITE), where there are no "
            "huge pages."
        )
    why = ANSWERS.get(facts["populate"], "it did not work")
    return (
        f"Pages are made present by the first write to each, one by one: {why}. Linux 5.14 "
        "and newer have a call for many pages."
    )


EXPLAIN = {
    "version": lambda facts: "The version of growbuf.",
    "kernel": lambda facts: (
        "What runs this process; in a container, the host's kernel."
    ),
    "forced": explain_forced,
    "strategy": lambda facts: STRATEGIES.get(facts["strategy"], ""),
    "probe": explain_probe,
    "populate": explain_populate,
    "page_size": lambda facts: (
        "Bytes that the kernel maps and moves at least. The system sets it."
    ),
    "huge_page_size": lambda facts: "Bytes of a huge page. The processor sets it.",
    "transparent_hugepage": lambda facts: HUGE_PAGES.get(
        facts["transparent_hugepage"], ""
    ),
}


def explain(name: str, facts: dict[str, Any]) -> str:
    """Return indented lines on one fact, "" for a fact that needs none."""
    text = EXPLAIN[name](facts) if name in EXPLAIN else ""
    return textwrap.fill(
        text,
        WIDTH,
        initial_indent=INDENT,
        subsequent_indent=INDENT,
        break_long_words=False,
    )
