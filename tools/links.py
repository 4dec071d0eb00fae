"""Check the links of the site and of the Markdown files, and the titles of the site.

    python tools/links.py       after `make docs`

Every link within the site must lead to a page and, with a #, to a place on it. Every
relative link in a Markdown file of the checkout must lead to a file. Links to other
sites are only listed: checking them needs a network. For each word in SEARCHES, each
page that is named there must have a title with this word, so that the site's search
shows the page. Each public name of each type must have an entry in the reference. The
entry must have an example and, for a method, the type of the result.
"""

import json
import re
import sys
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urldefrag, urlsplit

import growbuf

ROOT = Path(__file__).resolve().parent.parent
SITE = ROOT / "build" / "docs"
SEARCHES = {
    "RSS": {"faq"},
    "macOS": {"platforms"},
    "Windows": {"platforms"},
    "BufferError": {"troubleshooting"},
    "MemoryError": {"troubleshooting"},
}
LINK = re.compile(r"\]\((?!#)([^)\s]+)\)")
TYPES = "FrozenBytes", "GrowArray", "GrowBuffer", "GrowIO"
ENTRY = re.compile(
    r'<dt class="sig[^"]*" id="(growbuf\.\w+\.\w+)">(.*?)(?=<dt class="sig|\Z)',
    re.DOTALL,
)


class Page(HTMLParser):
    """The links of a page, and the names on it that a link may have after a #."""

    def __init__(self, path):
        super().__init__()
        self.links, self.names = [], {""}
        self.feed(path.read_text())

    def handle_starttag(self, tag, attrs):
        for name, value in attrs:
            if name in ("href", "src") and value and tag != "link":
                self.links.append(value)
            elif name == "id":
                self.names.add(value)


def is_external(link):
    return bool(urlsplit(link).scheme or urlsplit(link).netloc)


def broken_on_site(pages):
    """Yield a line for each link of the site that leads nowhere."""
    for path, page in pages.items():
        for link in filter(lambda link: not is_external(link), page.links):
            target, name = urldefrag(unquote(link))
            file = (path.parent / target.split("?")[0]).resolve() if target else path
            if not file.exists():
                yield f"{path.relative_to(SITE)}: no such page: {link}"
            elif file in pages and name not in pages[file].names:
                yield f"{path.relative_to(SITE)}: no such place: {link}"


def broken_in_checkout():
    """Yield a line for each relative link in Markdown that leads to no file."""
    for path in (*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")):
        for link in LINK.findall(path.read_text()):
            target = urldefrag(link)[0]
            if not is_external(link) and not (path.parent / target).exists():
                yield f"{path.relative_to(ROOT)}: no such file: {link}"


def not_found_by_search():
    """Yield a line for each word of SEARCHES that the title of a named page lacks."""
    text = (SITE / "searchindex.js").read_text()
    index = json.loads(text.removeprefix("Search.setIndex(").removesuffix(")"))
    for word, wanted in SEARCHES.items():
        found = {
            index["docnames"][place[0]]
            for title, places in index["alltitles"].items()
            if word.lower() in title.lower()
            for place in places
        }
        if not wanted <= found:
            yield f"search for {word}: in no title of {', '.join(wanted - found)}"


def not_described():
    """Yield a line for each public name of a type whose entry is not complete."""
    entries = {}
    for path in SITE.glob("reference*.html"):
        entries.update(ENTRY.findall(path.read_text()))
    for type_name in TYPES:
        kind = getattr(growbuf, type_name)
        for name in (name for name in dir(kind) if not name.startswith("_")):
            entry = entries.get(full := f"growbuf.{type_name}.{name}", "")
            if ">&gt;&gt;&gt; <" not in entry:
                yield f"reference: no entry with an example: {full}"
            elif callable(getattr(kind, name)) and "sig-return-typehint" not in entry:
                yield f"reference: no type of the result: {full}"


def main():
    if not (SITE / "index.html").exists():
        sys.exit("there is no site: run make docs")
    paths = [path for path in SITE.rglob("*.html") if "_static" not in path.parts]
    pages = {path.resolve(): Page(path) for path in paths}
    external = {link for page in pages.values() for link in page.links}
    for link in sorted(filter(is_external, external)):
        if "/edit/main/" not in link and "?plain=1" not in link:
            print(f"not checked: {link}")
    broken = [
        *broken_on_site(pages),
        *broken_in_checkout(),
        *not_found_by_search(),
        *not_described(),
    ]
    print(*broken, sep="\n", end="\n" if broken else "")
    count = sum(len(page.links) for page in pages.values())
    print(f"links: {count} on {len(pages)} pages, {len(broken)} broken")
    sys.exit(bool(broken))


if __name__ == "__main__":
    main()
