"""The code blocks of README.md, CONTRIBUTING.md and docs/ work.

The Python blocks of a page are run in one namespace. A shell command is not run: a
check finds out whether the target, file, module or extra that it names exists.
"""

import ast
import doctest
import inspect
import re
import shlex
import subprocess
import sys
import tempfile
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
    """Check `make TARGET VARIABLE=...`: the target exists."""
    makefile = (CHECKOUT / "Makefile").read_text()
    rules = re.findall(r"^([\w-]+):", makefile, re.MULTILINE)
    tools = re.search(r"^TOOLS := (.*)$", makefile, re.MULTILINE)[1].split()
    targets = [word for word in words[1:] if "=" not in word]
    assert targets and set(targets) <= {*rules, *tools}


def check_pip(words):
    """Check `pip install WHAT`: a checkout's extra exists, or it is a wheel of dist/.

    The package is not on PyPI yet, so no page may name it there. `--group NAME` names
    one of the dependency groups.
    """
    if words[-1] == "dist/*.whl":
        return
    settings = tomllib.loads((CHECKOUT / "pyproject.toml").read_text())
    project = settings["project"]
    if words[-2] == "--group":
        assert words[-1] in settings["dependency-groups"]
        return
    extra = re.fullmatch(r"\.(?:\[(\w+)\])?", words[-1])[1]
    assert extra is None or extra in project["optional-dependencies"]


def check_python(words):
    """Check that the file or command of `python ...` exists."""
    if words[1] != "-m":
        assert (CHECKOUT / words[1]).exists()
        return
    usage = [sys.executable, "-m", *words[2:4], "--help"]
    subprocess.run(usage, cwd=CHECKOUT, check=True, capture_output=True)


def check_cc(words):
    """Check `cc FLAG... -o PROGRAM SOURCE...`: the sources compile to a program."""
    at = words.index("-o") + 1
    with tempfile.TemporaryDirectory() as folder:
        words = [*words[:at], f"{folder}/program", *words[at + 1 :], "-Werror"]
        subprocess.run(words, cwd=CHECKOUT, check=True, capture_output=True)


CHECKS = {
    "cc": check_cc,
    "make": check_make,
    "pip": check_pip,
    "python": check_python,
}
OTHERS = {"gdb", "mkdir"}


def check_shell(example):
    """Check each command of a block, without comments and variables set before it."""
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
def test_page_code_blocks_run(page, tmp_path, monkeypatch):
    if re.search(r"GrowArray|import numpy", page.read_text()):
        pytest.importorskip("numpy")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PYTHONPATH", str(CHECKOUT))  # for processes that a page starts
    for example in parse(page).examples():
        example.evaluate()


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_page_code_blocks_are_all_found(page):
    text = page.read_text()
    languages = FENCE.findall(text)
    assert set(languages) <= RUN | NOT_CODE
    # All examples of a block have the same number of fences before them.
    found = {text[: example.start].count("```") for example in parse(page).examples()}
    assert len(found) == sum(language in RUN for language in languages)


@pytest.mark.parametrize("name", ["CONTRIBUTING.md", "docs/architecture.md"])
def test_page_names_functions_that_exist(name):
    sources = [*CHECKOUT.glob("src/*.[ch]"), *CHECKOUT.glob("tests/c/*.[ch]")]
    code = "\n".join(file.read_text() for file in sources)
    named = set(re.findall(r"`([a-z]+_[a-z_]+)`", (CHECKOUT / name).read_text()))
    assert named
    assert [word for word in named if not re.search(rf"\b{word}\b", code)] == []


def test_architecture_table_names_every_file():
    """A row may name several files as `src/store.{h,c}`."""
    page = (DOCS / "architecture.md").read_text()
    named = set()
    for name, suffixes in re.findall(r"^\| `([\w/]+)\.([\w{},]+)`", page, re.MULTILINE):
        named |= {f"{name}.{suffix}" for suffix in suffixes.strip("{}").split(",")}
    sources = {".c", ".h", ".py", ".pyi", ".typed"}
    paths = [*(CHECKOUT / "src").iterdir(), *(CHECKOUT / "growbuf").rglob("*")]
    assert named == {
        str(path.relative_to(CHECKOUT)) for path in paths if path.suffix in sources
    }


def test_examples_page_names_every_example():
    page = (DOCS / "examples.md").read_text()
    named = re.findall(r"^\| \[(.+)\]\(../examples/\1\) \|", page, re.MULTILINE)
    assert sorted(named) == sorted(path.name for path in CHECKOUT.glob("examples/*.py"))


def public_members(kind):
    """Return the public names that a type of ours adds to its base or overrides.

    Leave out those whose docstring refers to numpy.ndarray: they are NumPy's.
    """
    ours = [base for base in kind.__mro__ if base.__module__.startswith("growbuf")]
    docs = {
        name: member.__doc__ for base in ours for name, member in vars(base).items()
    }
    return {
        name
        for name, doc in docs.items()
        if not name.startswith("_") and f"see numpy.ndarray.{name}." not in doc
    }


@pytest.mark.parametrize("name", ["GrowBuffer", "GrowArray"])
def test_reference_names_every_public_member(name):
    if name == "GrowArray":
        pytest.importorskip("numpy")
    elif not getattr(sys, "_is_gil_enabled", lambda: True)():
        pytest.skip("free-threaded: GrowBuffer overrides more methods, to lock them")
    page = (DOCS / "reference.md").read_text()
    directives = re.findall(rf":: growbuf\.{name}\.(\w+)$", page, re.MULTILINE)
    assert public_members(getattr(growbuf, name)) <= {
        *directives,
        *re.findall(r"`(\w+)`", page),
    }


def buffer_errors():
    """Yield the message of each kind of BufferError that a view causes."""
    np = pytest.importorskip("numpy")
    array = growbuf.GrowArray([1.0, 2.0])
    loose = growbuf.GrowArray.from_buffer(growbuf.GrowBuffer(bytes(16)), "f8")
    file, buffer = growbuf.GrowIO(b"spam"), growbuf.GrowBuffer(b"spam")
    views = array.array, loose.array, file.getbuffer(), np.frombuffer(buffer, "u1")
    calls = array.pop, loose.pop, lambda: loose.append(1), file.close, buffer.pop
    for call in calls:
        with pytest.raises(BufferError) as caught:
            call()
        yield str(caught.value)
    del views


@pytest.mark.skipif(growbuf.info()["strategy"] == "heap", reason="a limit needs pages")
def test_troubleshooting_lists_each_buffer_error_of_a_view():
    page = (DOCS / "troubleshooting.md").read_text()
    table = page.partition("\n## ")[0]
    listed = re.findall(
        r"^\| `BufferError: (.*?)(?: \.\.\..*)?` \|", table, re.MULTILINE
    )
    for message in buffer_errors():
        assert any(message.startswith(start) for start in listed), message


# ---------------------------------------------------------- the entries of the reference

TYPES = ["GrowBuffer", "FrozenBytes", "GrowIO", "GrowArray"]
OLD_OF_NUMPY = {"itemset", "newbyteorder", "ptp", "tostring"}  # no longer in NumPy 2.3
NEW_IN_NUMPY = {  # names of methods, attributes and arguments that 1.26 lacks
    "copy",
    "descending",
    "device",
    "mT",
    "mean",
    "stable",
    "to_device",
}
RENAMED = {"b": "other"}  # of dot(), until NumPy 2.3
UNNAMED = {"self", "args", "kwargs"}  # in place of names that NumPy does not show
COST = re.compile(
    r"\b(costs?|copie[sd]|copy|moves?|reads?|writes?|takes?|nothing)\b|O\(1\)",
    re.IGNORECASE,
)


@pytest.fixture
def entries(monkeypatch):
    monkeypatch.syspath_prepend(DOCS)
    import entries

    return entries


def public_type(name):
    if name == "GrowArray":
        pytest.importorskip("numpy")
    return getattr(growbuf, name)


def own_entries(name):
    """Return the names of a type that the page of the reference has entries for."""
    page = (DOCS / "reference.md").read_text()
    found = set(re.findall(rf":: growbuf\.{name}\.(\w+)$", page, re.MULTILINE))
    if re.search(rf":: growbuf\.{name}\n +:members:$", page, re.MULTILINE):
        found |= {one for one in vars(public_type(name)) if not one.startswith("_")}
    return found


@pytest.mark.parametrize("name", TYPES)
def test_reference_has_an_entry_for_each_public_name(entries, name):
    kind, inherited = public_type(name), {*entries.read_inherited()[name]}
    public = {one for one in dir(kind) if not one.startswith("_")}
    assert public - inherited - own_entries(name) <= OLD_OF_NUMPY
    assert inherited - public <= NEW_IN_NUMPY


@pytest.mark.parametrize("name", TYPES)
def test_inherited_entry_has_the_arguments_of_the_method(entries, name):
    kind = public_type(name)
    for member, entry in entries.read_inherited()[name].items():
        try:
            real = inspect.signature(getattr(kind, member)).parameters
        except (ValueError, TypeError, AttributeError):  # no signature, or no method
            continue
        told = [one.arg for one in arguments_of(entry.arguments)]
        names = [RENAMED.get(one, one) for one in real if one not in UNNAMED]
        assert [one for one in told if one in names] == names, member
        assert real.keys() & {"args", "kwargs"} or {*told} <= {*names, *NEW_IN_NUMPY}


def arguments_of(text):
    """Return the arguments in a text such as "(n: int, /)"."""
    args = ast.parse(f"def f{text}: ...").body[0].args
    named = [*args.posonlyargs, *args.args, args.vararg, *args.kwonlyargs, args.kwarg]
    return [one for one in named if one is not None]


@pytest.mark.parametrize("name", TYPES)
def test_entry_of_each_method_is_complete(entries, name):
    """It has types, a description of each argument, the cost, and an example."""
    kind = public_type(name)
    methods = {
        member: (entry.arguments, entry.result, entry.doc)
        for member, entry in entries.read_inherited()[name].items()
        if entry.kind != "property"
    }
    stubs = entries.read_stubs()
    for member in own_entries(name):
        if member in dir(kind) and callable(getattr(kind, member)):
            told = stubs[f"growbuf.{name}.{member}"]
            methods.setdefault(member, (*told, getattr(kind, member).__doc__))
    lacks = []
    for member, (arguments, result, doc) in methods.items():
        about, _, example = doc.partition(">>> ")
        if not (result and example):
            lacks.append(f"{member}: type of the result, or example")
        if not COST.search(about):
            lacks.append(f"{member}: cost")
        for one in arguments_of(arguments):
            if one.annotation is None or not re.search(rf"\b{one.arg}\b", about):
                lacks.append(f"{member}: argument {one.arg}")
    assert not lacks, "; ".join(lacks)


@pytest.mark.parametrize("name", TYPES)
def test_examples_of_inherited_entries_run(entries, name, tmp_path, monkeypatch):
    kind = public_type(name)
    monkeypatch.chdir(tmp_path)
    parser, runner = doctest.DocTestParser(), doctest.DocTestRunner()
    inherited = entries.read_inherited()[name]
    found = {member: entry.doc for member, entry in inherited.items()}
    for member in found.keys() & {*dir(kind)}:
        runner.run(parser.get_doctest(found[member], {}, member, "inherited.py", 0))
    assert runner.tries > 2 * len(found) - len(NEW_IN_NUMPY)
    assert runner.failures == 0


def test_reference_names_every_public_name():
    page = (DOCS / "reference.md").read_text()
    directives = re.findall(r":: growbuf\.(\w+)$", page, re.MULTILINE)
    assert set(directives) == {
        name for name in dir(growbuf) if not name.startswith("_")
    }
