"""Every code block of README.md, CONTRIBUTING.md and docs/: Python runs, the blocks of a
page in one namespace; of a shell's commands each names what there is."""

import doctest
import re
import shlex
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

import growbuf

sybil = pytest.importorskip("sybil")
markdown = pytest.importorskip("sybil.parsers.markdown")

CHECKOUT = Path(__file__).resolve().parent.parent
DOCS = CHECKOUT / "docs"
PAGES = [CHECKOUT / "README.md", CHECKOUT / "CONTRIBUTING.md", *DOCS.rglob("*.md")]
FENCE = re.compile(r"^ *```(\S*)[^\n]*$.*?^ *```$", re.MULTILINE | re.DOTALL)
RUN = {"python", "sh"}
NOT_CODE = {"text", "{toctree}", "{include}", "{literalinclude}", "{eval-rst}"}

pytestmark = pytest.mark.skipif(
    not DOCS.exists(), reason="the tests run without their checkout"
)


def check_make(words):
    """`make TARGET VARIABLE=...`: there is the target."""
    makefile = (CHECKOUT / "Makefile").read_text()
    rules = re.findall(r"^(\w+):", makefile, re.MULTILINE)
    tools = re.search(r"^TOOLS := (.*)$", makefile, re.MULTILINE)[1].split()
    assert words[1] in [*rules, *tools]


def check_pip(words):
    """`pip install growbuf[extra]`: there is the extra."""
    project = tomllib.loads((CHECKOUT / "pyproject.toml").read_text())["project"]
    name, extra = re.fullmatch(r"(\w+)(?:\[(\w+)\])?", words[-1]).groups()
    assert name == project["name"]
    assert extra is None or extra in project["optional-dependencies"]


def check_python(words):
    """`python FILE` or `python -m growbuf COMMAND`: there is the file or command."""
    if words[1] != "-m":
        assert (CHECKOUT / words[1]).exists()
        return
    usage = [sys.executable, "-m", *words[2:4], "--help"]
    subprocess.run(usage, cwd=CHECKOUT, check=True, capture_output=True)


def check_cc(words):
    """`cc FLAG... -o PROGRAM SOURCE...`: it compiles."""
    at = words.index("-o")
    syntax = [*words[:at], *words[at + 2 :], "-Werror", "-fsyntax-only"]
    subprocess.run(syntax, cwd=CHECKOUT, check=True, capture_output=True)


CHECKS = {
    "cc": check_cc,
    "make": check_make,
    "pip": check_pip,
    "python": check_python,
}
OTHERS = {"gdb", "mkdir"}


def check_shell(example):
    """Check each command; variables in front of it and comments are left out."""
    for line in example.parsed.replace("\\\n", "").splitlines():
        words = shlex.split(line, comments=True)
        while words and re.match(r"\w+=", words[0]):
            del words[0]
        if words and words[0] not in OTHERS:
            CHECKS[words[0]](words)


def parse(page):
    parsers = [
        markdown.PythonCodeBlockParser(doctest_optionflags=doctest.ELLIPSIS),
        markdown.CodeBlockParser("sh", check_shell),
    ]
    return sybil.Sybil(parsers).parse(page)


@pytest.mark.skipif(growbuf.info()["strategy"] == "heap", reason="a limit needs pages")
@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_code_runs(page, tmp_path, monkeypatch):
    if re.search(r"GrowArray|import numpy", page.read_text()):
        pytest.importorskip("numpy")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PYTHONPATH", str(CHECKOUT))  # for processes that a page starts
    for example in parse(page).examples():
        example.evaluate()


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_no_block_is_left_out(page):
    text = page.read_text()
    languages = FENCE.findall(text)
    assert set(languages) <= RUN | NOT_CODE
    # The fences in front of an example tell its block; a doctest is in it, not at it.
    found = {text[: example.start].count("```") for example in parse(page).examples()}
    assert len(found) == sum(language in RUN for language in languages)


def test_the_architecture_names_every_file():
    """`src/store.{h,c}` stands for both."""
    page = (DOCS / "architecture.md").read_text()
    told = set()
    for name, suffixes in re.findall(r"^\| `([\w/]+)\.([\w{},]+)`", page, re.MULTILINE):
        told |= {f"{name}.{suffix}" for suffix in suffixes.strip("{}").split(",")}
    sources = {".c", ".h", ".py", ".pyi", ".typed"}
    paths = [*(CHECKOUT / "src").iterdir(), *(CHECKOUT / "growbuf").rglob("*")]
    there = {str(p.relative_to(CHECKOUT)) for p in paths if p.suffix in sources}
    assert told == there


def test_the_examples_are_all_named():
    page = (DOCS / "examples.md").read_text()
    told = re.findall(r"^\| \[(.+)\]\(../examples/\1\) \|", page, re.MULTILINE)
    assert sorted(told) == sorted(path.name for path in CHECKOUT.glob("examples/*.py"))


def public_members(kind):
    """Return what a type of ours adds or overrides, but for what ndarrays lend."""
    ours = [base for base in kind.__mro__ if base.__module__.startswith("growbuf")]
    docs = {
        name: member.__doc__ for base in ours for name, member in vars(base).items()
    }
    return {
        name
        for name, doc in docs.items()
        if not name.startswith("_") and not doc.startswith("As ndarray.")
    }


@pytest.mark.parametrize("name", ["GrowBuffer", "GrowArray"])
def test_the_reference_has_every_public_member(name):
    if name == "GrowArray":
        pytest.importorskip("numpy")
    elif not getattr(sys, "_is_gil_enabled", lambda: True)():
        pytest.skip("3.13's bytearray has no lock: more methods are ours there")
    page = (DOCS / "reference.md").read_text()
    told = re.findall(rf":: growbuf\.{name}\.(\w+)$", page, re.MULTILINE)
    assert public_members(getattr(growbuf, name)) <= {
        *told,
        *re.findall(r"`(\w+)`", page),
    }


def test_the_reference_has_every_public_name():
    page = (DOCS / "reference.md").read_text()
    told = re.findall(r":: growbuf\.(\w+)$", page, re.MULTILINE)
    assert set(told) == {name for name in dir(growbuf) if not name.startswith("_")}
