"""What a newcomer meets: the names, the help, and errors that tell the way out."""

import doctest
import pydoc
import re
import rlcompleter
import subprocess
import sys

import pytest

import growbuf
from growbuf import GrowBuffer, GrowIO
from growbuf._growbuf import check, place

NAMES = {"GrowBuffer", "GrowIO", "configure", "info", "stats", "trim"}


# --------------------------------------------------------------------------- names


def test_dir_is_the_public_interface():
    pytest.importorskip("numpy")
    assert set(dir(growbuf)) == {*NAMES, "GrowArray", "__version__"}


def test_dir_names_only_what_can_be_had(monkeypatch):
    monkeypatch.setitem(sys.modules, "numpy", None)
    assert set(dir(growbuf)) == {*NAMES, "__version__"}


def test_a_star_import_needs_nothing_that_may_be_missing():
    namespace = {}
    exec("from growbuf import *", namespace)
    del namespace["__builtins__"]
    assert set(namespace) == NAMES


def completions(text, **names):
    completer = rlcompleter.Completer(names)
    found = []
    while (one := completer.complete(text, len(found))) is not None:
        found.append(one.rstrip("()"))
    return found


@pytest.mark.parametrize(
    "value", [growbuf, GrowBuffer(), GrowIO()], ids=["module", "buffer", "file"]
)
def test_tab_offers_nothing_private(value):
    found = {name.removeprefix("value.") for name in completions("value.", value=value)}
    assert found == {name for name in dir(value) if not name.startswith("_")}


def test_an_unknown_name_is_an_attribute_error():
    with pytest.raises(AttributeError, match="'growbuf' has no attribute 'GrowBufer'"):
        growbuf.GrowBufer  # noqa: B018


# ---------------------------------------------------------------------------- help


def own_attributes(kind):
    """Yield what a type has of its own and shows: not its __dunder__ names."""
    for name in vars(kind):
        if not name.startswith("_"):
            yield getattr(kind, name)


DOCUMENTED = [
    *(getattr(growbuf, name) for name in sorted(NAMES)),
    *own_attributes(GrowBuffer),
    *own_attributes(GrowIO),
]


@pytest.mark.parametrize("thing", DOCUMENTED, ids=lambda thing: thing.__name__)
def test_everything_public_has_a_docstring(thing):
    assert thing.__doc__ and thing.__doc__[0].isupper()


def test_docstrings_fit_a_terminal():
    """pydoc sets a method four columns in, behind a bar."""
    for thing in (growbuf, *DOCUMENTED):
        lines = pydoc.getdoc(thing).splitlines()
        assert [line for line in lines if len(line) > 92] == []


def test_help_begins_with_what_it_is_and_an_example():
    text = pydoc.plain(pydoc.render_doc(GrowBuffer))
    head = text.partition("Method resolution order")[0]
    signature = re.sub(r"[\s|]", "", head)  # 3.13 sets a long one one name a line
    assert "GrowBuffer(source=b'',/,encoding='utf-8'" in signature
    assert re.search(r"prefault=False,limit=None,?\)", signature)
    assert ">>> buf += b' and eggs'" in head
    for argument in ("prefault:", "limit:"):
        assert argument in head


def test_the_examples_in_docstrings_hold():
    finder, runner = doctest.DocTestFinder(), doctest.DocTestRunner()
    examined = {}
    for module in (growbuf, growbuf._growbuf):
        for test in finder.find(module):
            examined[test.name] = bool(test.examples)
            runner.run(test)
    assert runner.failures == 0
    having = {name for name, has_examples in examined.items() if has_examples}
    assert having >= {"growbuf", "growbuf.GrowBuffer", "growbuf.GrowBuffer.spare"}


# -------------------------------------------------------------------- command line


def command(*words):
    return subprocess.run(
        [sys.executable, "-m", "growbuf", *words], capture_output=True, text=True
    )


def test_the_command_s_help_names_each_command():
    done = command("--help")
    assert done.returncode == 0
    assert re.search(r"^    demo .*\n(.*\n)*    info ", done.stdout, re.MULTILINE)


def test_the_command_s_version():
    assert command("--version").stdout == f"growbuf {growbuf.__version__}\n"


@pytest.mark.parametrize("words", [(), ("demmo",)])
def test_a_wrong_command_names_the_right_ones(words):
    done = command(*words)
    assert done.returncode == 2
    assert "demo" in done.stderr and "info" in done.stderr


# -------------------------------------------------------------------------- errors

# (how a number of bytes is passed, the argument's name, the least that is allowed)
SIZES = [
    (lambda n: GrowBuffer(limit=n), "limit", 1),
    (lambda n: GrowIO(limit=n), "limit", 1),
    (lambda n: GrowBuffer().reserve(n), "nbytes", 0),
    (lambda n: GrowBuffer().spare(n), "nbytes", 0),
    (lambda n: GrowBuffer().commit(n), "nbytes", 0),
    (lambda n: GrowBuffer().take(n), "nbytes", 0),
    (lambda n: GrowBuffer().readfrom(0, n), "nbytes", -1),
    (lambda n: growbuf.configure(pool_limit=n), "pool_limit", 0),
]


@pytest.mark.parametrize(("call", "name", "least"), SIZES)
def test_a_size_that_cannot_be_is_named_with_its_value(call, name, least):
    low = least - 1
    with pytest.raises(ValueError, match=f"^{name} must be {least} or more, got {low}"):
        call(low)
    with pytest.raises(TypeError, match=f"^{name} must be an integer, got str"):
        call("1 MiB")
    most = sys.maxsize
    with pytest.raises(OverflowError, match=f"^{name} .* between {least} and {most}"):
        call(1 << 70)


@pytest.mark.parametrize(("call", "name", "least"), SIZES)
def test_the_error_of_an_index_is_its_own(call, name, least):
    class Raises:
        def __index__(self):
            raise KeyError("mine")

    with pytest.raises(KeyError, match="mine"):
        call(Raises())


def test_what_is_not_there_cannot_be_taken():
    with pytest.raises(ValueError, match="nbytes must be 3 at most, .* got 4"):
        GrowBuffer(b"abc").take(4)


class NeitherTrueNorFalse:
    def __bool__(self):
        raise TypeError("neither true nor false")


@pytest.mark.parametrize(
    ("call", "tells"),
    [
        (lambda: check(b""), "expected a GrowBuffer, got bytes"),
        (lambda: place(b""), "expected a GrowBuffer, got bytes"),
        (lambda: growbuf.configure(prefault=NeitherTrueNorFalse()), "neither true"),
        (lambda: GrowBuffer().readfrom(), "missing required argument 'source'"),
        (lambda: GrowBuffer(b"abc")["a":], "slice indices must be integers"),
    ],
)
def test_a_wrong_type_is_named(call, tells):
    with pytest.raises(TypeError, match=tells):
        call()


def test_a_buffer_under_a_view_tells_how_to_have_one_that_grows():
    buffer = GrowBuffer(b"abc")
    with memoryview(buffer), pytest.raises(BufferError, match="limit=nbytes"):
        buffer.append(1)


@pytest.mark.parametrize(
    ("variable", "value", "tells"),
    [
        ("GROWBUF_STRATEGY", "fast", "one of retain, dontunmap, maymove, copy, heap"),
        ("GROWBUF_POOL_LIMIT", "1G", "not a number of bytes"),
    ],
)
def test_a_wrong_setting_is_named(monkeypatch, variable, value, tells):
    monkeypatch.setenv(variable, value)
    words = [sys.executable, "-c", "import growbuf"]
    done = subprocess.run(words, capture_output=True, text=True)
    assert done.returncode == 1
    assert f"ImportError: {variable}={value}: " in done.stderr and tells in done.stderr
