"""tools/links.py finds links that lead nowhere, and words that the search must find."""

import importlib.util
import json
from pathlib import Path

import pytest

FILE = Path(__file__).resolve().parent.parent / "tools" / "links.py"

pytestmark = pytest.mark.skipif(
    not FILE.exists(), reason="the tests run without their checkout"
)


@pytest.fixture
def links(tmp_path, monkeypatch):
    """Return the module, with a checkout of one page whose site is complete."""
    spec = importlib.util.spec_from_file_location("links", FILE)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    monkeypatch.setattr(module, "ROOT", tmp_path)
    monkeypatch.setattr(module, "SITE", tmp_path / "build" / "docs")
    monkeypatch.setattr(module, "SEARCHES", {"RSS": {"faq"}})
    monkeypatch.setattr(module, "TYPES", ())
    module.SITE.mkdir(parents=True)
    (module.SITE / "index.html").write_text('<p id="a"><a href="faq.html#b">b</a>')
    (module.SITE / "faq.html").write_text('<p id="b"><a href="#b">b</a>')
    index = {"docnames": ["faq"], "alltitles": {"Why RSS": [[0, "why"]]}}
    (module.SITE / "searchindex.js").write_text(f"Search.setIndex({json.dumps(index)})")
    (tmp_path / "README.md").write_text("[a](README.md#a) [b](https://example.org)")
    return module


def report(links, capsys):
    with pytest.raises(SystemExit) as ended:
        links.main()
    return bool(ended.value.code), capsys.readouterr().out


def test_complete_site_passes_and_lists_external_links(links, capsys):
    (links.SITE / "faq.html").write_text('<p id="b"><a href="https://example.org">')
    failed, out = report(links, capsys)
    assert not failed and out.startswith("not checked: https://example.org\n")


@pytest.mark.parametrize(
    ("link", "tells"),
    [
        ("nowhere.html", "index.html: no such page: nowhere.html"),
        ("faq.html#c", "index.html: no such place: faq.html#c"),
        ("#c", "index.html: no such place: #c"),
    ],
)
def test_broken_link_of_site_is_named(links, capsys, link, tells):
    (links.SITE / "index.html").write_text(f'<a href="{link}">')
    failed, out = report(links, capsys)
    assert failed and tells in out


def test_broken_link_of_checkout_is_named(links, capsys):
    (links.ROOT / "README.md").write_text("![a](docs/picture.svg)")
    failed, out = report(links, capsys)
    assert failed and "README.md: no such file: docs/picture.svg" in out


def test_word_in_no_title_is_named(links, capsys):
    links.SEARCHES["macOS"] = {"faq"}
    failed, out = report(links, capsys)
    assert failed and "search for macOS: in no title of faq" in out


def test_name_without_entry_or_without_example_is_named(links, capsys):
    links.TYPES = ("GrowBuffer",)
    (links.SITE / "reference.html").write_text(
        '<dt class="sig" id="growbuf.GrowBuffer.trim">trim()'
        '<dt class="sig" id="growbuf.GrowBuffer.limit">limit<span>&gt;&gt;&gt; </span>'
    )
    failed, out = report(links, capsys)
    assert (
        failed and "reference: no entry with an example: growbuf.GrowBuffer.take" in out
    )
    assert "GrowBuffer.trim" in out and "GrowBuffer.limit" not in out
