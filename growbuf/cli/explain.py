"""Explain each fact of info(): what it means for growbuf, and how to change it."""

import textwrap
from typing import Any

INDENT = " " * 4
WIDTH = 88

STRATEGIES = {
    "retain": "The kernel moves the pages to a larger range of addresses and keeps the "
    "old range mapped, in one call. This kernel has the patch that adds "
    "MREMAP_RETAIN. This is the best way.",
    "dontunmap": "The kernel moves the pages to a larger range of addresses (mremap "
    "with MREMAP_DONTUNMAP), and growbuf keeps the old range for later use. No byte is "
    "copied. This is the best way on a kernel without a patch.",
    "maymove": "The kernel moves the pages to a larger range of addresses (mremap) and "
    "unmaps the old range. No byte is copied. Linux 5.7 and newer have a better way, "
    "dontunmap, unless a sandbox forbids it.",
    "copy": "Growing copies the bytes, because pages cannot be moved here.",
    "heap": "Growing calls realloc, as bytearray does, and buffers cannot have a "
    "limit. Either growbuf cannot map pages on this system, or GROWBUF_STRATEGY=heap "
    "is set.",
}
ERRORS = {
    "EINVAL": "the kernel does not have it",
    "ENOSYS": "there is no such system call, or a sandbox forbids it",
    "EPERM": "a sandbox forbids it",
    "ENOTSUP": "pages moved in this way keep their old bytes, as in some emulators",
    "ENOMEM": "there was too little memory or address space, see ulimit -v",
}
HUGE_PAGES = {
    "always": "The kernel uses huge pages for all memory, also for a bytearray. Both "
    "types are faster then, and the ratio of their times is smaller.",
    "madvise": "The kernel uses huge pages where a program asks for them. growbuf asks "
    "for them in buffers of 4 MiB or more.",
    "never": "The kernel provides memory in small pages, one at the first write to "
    "each, which takes longer. An administrator turns huge pages on: echo madvise > "
    "/sys/kernel/mm/transparent_hugepage/enabled. In a container the host decides.",
    "64kB": "The kernel may use pages of 64 KiB, and none of 2 MiB. growbuf asks "
    "for them in all memory that it maps.",
    "unknown": "The system does not say whether it has huge pages: the setting in /sys "
    "cannot be read. growbuf asks for them anyway.",
}


def on_linux(facts: dict[str, Any]) -> bool:
    return str(facts["kernel"]).startswith("Linux ")


def explain_strategy(facts: dict[str, Any]) -> str:
    text = STRATEGIES.get(facts["strategy"], "")
    if facts["strategy"] == "copy" and on_linux(facts):
        text += " If a sandbox forbids mremap, its profile can be changed to allow it."
    return text


def explain_forced(facts: dict[str, Any]) -> str:
    if facts["forced"] is None:
        return "The best way that works is used. GROWBUF_STRATEGY=NAME selects another."
    return (
        "GROWBUF_STRATEGY is set, so no better way is tried. Unset it to use the best."
    )


def explain_probe(facts: dict[str, Any]) -> str:
    tried = "Each way was tried on a page when growbuf was imported."
    if not on_linux(facts):
        return f"{tried} Only Linux has a call that moves pages, mremap."
    refused = {name: why for name, why in facts["probe"].items() if why != "ok"}
    lines = [
        f"{name}: {ERRORS.get(why, 'refused for a reason that growbuf does not know')}."
        for name, why in refused.items()
        if name != "retain"
    ]
    if "retain" in refused:
        lines.append(
            "retain: it needs a patched kernel, and nothing is lost without it."
        )
    return " ".join([tried, *sorted(lines)])


def explain_populate(facts: dict[str, Any]) -> str:
    if not on_linux(facts):
        return "growbuf asks for memory of many pages in one call on Linux only."
    if facts["populate"] == "ok":
        return (
            "Where there are no huge pages, one call makes the kernel provide memory "
            "for many pages (MADV_POPULATE_WRITE)."
        )
    why = ERRORS.get(facts["populate"], "it did not work")
    return (
        "The kernel provides memory for small pages one by one, at the first write to "
        f"each: {why}. Linux 5.14 and newer have a call for many pages."
    )


def explain_huge_pages(facts: dict[str, Any]) -> str:
    if not on_linux(facts):
        return "growbuf asks for huge pages on Linux only."
    return HUGE_PAGES.get(facts["transparent_hugepage"], "")


EXPLAIN = {
    "version": lambda facts: "The version of growbuf.",
    "kernel": lambda facts: (
        "The kernel that runs this process. In a container it is that of the host."
    ),
    "forced": explain_forced,
    "strategy": explain_strategy,
    "probe": explain_probe,
    "populate": explain_populate,
    "page_size": lambda facts: (
        "The size in bytes of the smallest unit that the kernel maps and moves."
    ),
    "huge_page_size": lambda facts: "The size of a huge page in bytes.",
    "transparent_hugepage": explain_huge_pages,
}


def explain(name: str, facts: dict[str, Any]) -> str:
    """Return indented lines that explain one fact, or "" if there is nothing to say."""
    text = EXPLAIN[name](facts) if name in EXPLAIN else ""
    return textwrap.fill(
        text,
        WIDTH,
        initial_indent=INDENT,
        subsequent_indent=INDENT,
        break_long_words=False,
    )
