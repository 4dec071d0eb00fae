"""Tests of the public names, the help, and the hints in error messages."""

import doctest
import inspect
import pydoc
import re
import rlcompleter
import subprocess
import sys

import pytest

import growbuf
from growbuf import GrowBuffer, GrowIO
from growbuf._growbuf import check, place

NAMES = {"FrozenBytes", "GrowBuffer", "GrowIO", "configure", "info", "stats", "trim"}


# --------------------------------------------------------------------------- names


def test_dir_with_numpy_lists_all_public_names():
    pytest.importorskip("numpy")
    assert set(dir(growbuf)) == {*NAMES, "GrowArray", "__version__"}


def test_dir_without_numpy_omits_growarray(monkeypatch):
    monkeypatch.setitem(sys.modules, "numpy", None)
    assert set(dir(growbuf)) == {*NAMES, "__version__"}


def star_import():
    namespace = {}
    exec("from growbuf import *", namespace)
    del namespace["__builtins__"]
    return namespace


def test_star_import_with_numpy_has_growarray():
    pytest.importorskip("numpy")
    assert star_import()["GrowArray"] is growbuf.GrowArray
    assert set(star_import()) == {*NAMES, "GrowArray"}


def test_star_import_without_numpy_omits_growarray(monkeypatch):
    monkeypatch.setitem(sys.modules, "numpy", None)
    assert set(star_import()) == NAMES


def completions(text, **names):
    completer = rlcompleter.Completer(names)
    found = []
    while (one := completer.complete(text, len(found))) is not None:
        found.append(one.rstrip("()"))
    return found


@pytest.mark.parametrize(
    "value", [growbuf, GrowBuffer(), GrowIO()], ids=["module", "buffer", "file"]
)
def test_tab_completion_omits_private_names(value):
    found = {name.removeprefix("value.") for name in completions("value.", value=value)}
    assert found == {name for name in dir(value) if not name.startswith("_")}


def test_module_getattr_of_unknown_name_raises_attribute_error():
    with pytest.raises(AttributeError, match="'growbuf' has no attribute 'GrowBufer'"):
        growbuf.GrowBufer  # noqa: B018


# ---------------------------------------------------------------------------- help


def own_attributes(kind):
    """Yield the public attributes that the type itself defines."""
    for name in vars(kind):
        if not name.startswith("_"):
            yield getattr(kind, name)


DOCUMENTED = [
    *(getattr(growbuf, name) for name in sorted(NAMES)),
    *own_attributes(GrowBuffer),
    *own_attributes(GrowIO),
]


@pytest.mark.parametrize("thing", DOCUMENTED, ids=lambda thing: thing.__name__)
def test_docstring_of_each_public_name_exists(thing):
    assert thing.__doc__ and thing.__doc__[0].isupper()


def members(kind, base):
    """Yield the name and docstring of each public member that is not the base's own."""
    for name, member in vars(kind).items():
        theirs = getattr(base, name, None)
        if not name.startswith("_") and member.__doc__ != getattr(
            theirs, "__doc__", None
        ):
            yield name, member.__doc__


def without_example(kind, base=object):
    return [name for name, doc in members(kind, base) if ">>> " not in doc]


def test_docstring_of_each_own_member_has_an_example():
    assert without_example(GrowBuffer, bytearray) == []
    assert without_example(GrowIO) == []
    for name in ("configure", "info", "stats", "trim"):
        assert ">>> " in getattr(growbuf, name).__doc__


def test_docstring_of_each_own_member_of_growarray_has_an_example():
    """Members that are NumPy's have NumPy's first line only."""
    np = pytest.importorskip("numpy")
    ours = without_example(growbuf.GrowArray)
    assert [name for name in ours if not hasattr(np.ndarray, name)] == []


def test_docstrings_in_pydoc_fit_a_terminal():
    """pydoc indents a method by four columns, after a vertical bar. Docstrings that are
    inherited from the base are not checked."""
    for thing in (growbuf, *DOCUMENTED):
        base = getattr(bytearray, getattr(thing, "__name__", ""), None)
        if base is not None and thing.__doc__ == base.__doc__:
            continue
        lines = pydoc.getdoc(thing).splitlines()
        assert [line for line in lines if len(line) > 92] == []


def test_help_of_growbuffer_begins_with_signature_and_example():
    text = pydoc.plain(pydoc.render_doc(GrowBuffer))
    head = text.partition("Method resolution order")[0]
    # Python 3.13 breaks a long signature after each name.
    signature = re.sub(r"[\s|]", "", head)
    assert "GrowBuffer(source=b'',/,encoding=None,errors='strict'" in signature
    assert re.search(r"prefault=False,limit=None,?\)", signature)
    assert ">>> buf += b' and eggs'" in head
    for argument in ("prefault:", "limit:"):
        assert argument in head


@pytest.mark.parametrize("name", ["mean", "reshape", "astype", "argsort", "cumsum"])
def test_help_of_ndarray_method_has_numpy_signature_and_first_line(name):
    np = pytest.importorskip("numpy")
    method = getattr(growbuf.GrowArray, name)
    first, _, rest = method.__doc__.partition("\n\n")
    assert first and first in " ".join(getattr(np.ndarray, name).__doc__.split())
    assert f"numpy.ndarray.{name}" in rest
    names = list(inspect.signature(method).parameters)
    assert names[0] == "self" and len(names) > 1
    told = (
        getattr(np.ndarray, name).__text_signature__
        or np.ndarray.__dict__[name].__doc__
    )
    assert all(other in told for other in names[1:])


def test_help_of_ndarray_attribute_has_numpy_first_line():
    np = pytest.importorskip("numpy")
    first = growbuf.GrowArray.T.__doc__.partition("\n\n")[0]
    assert first and first in " ".join(np.ndarray.T.__doc__.split())


def test_no_docstring_of_growarray_only_refers_to_ndarray():
    pytest.importorskip("numpy")
    docs = [member.__doc__ or "" for member in vars(growbuf.GrowArray).values()]
    assert [doc for doc in docs if doc.startswith("As ndarray.")] == []


class Printer:
    """What IPython passes to _repr_pretty_()."""

    def __init__(self, value):
        self.shown = ""
        value._repr_pretty_(self, False)

    def text(self, text):
        self.shown += text


class Own(GrowBuffer):
    pass


def test_prompt_shows_short_buffer_as_repr():
    for buffer in (GrowBuffer(), GrowBuffer(b"x" * 1000)):
        assert Printer(buffer).shown == repr(buffer)


@pytest.mark.parametrize("kind", [GrowBuffer, Own])
def test_prompt_shows_both_ends_of_long_buffer(kind):
    buffer = kind(b"a" * 500 + b"b" * 501)
    ends = f"{b'a' * 32} ... {b'b' * 32}"
    assert Printer(buffer).shown == f"<{kind.__name__} of 1001 bytes: {ends}>"
    assert repr(buffer) == f"{kind.__name__}({bytes(buffer)})"


def test_prompt_with_broken_printer_raises_its_error():
    with pytest.raises(AttributeError, match="text"):
        GrowBuffer()._repr_pretty_(None, False)
    with pytest.raises(TypeError):
        GrowBuffer()._repr_pretty_(None)


def test_growio_works_in_with_statement():
    with GrowIO(b"spam") as file:
        assert file.read() == b"spam"
    assert file.closed


def test_docstring_examples_under_doctest_pass():
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


def test_command_help_lists_each_command():
    done = command("--help")
    assert done.returncode == 0
    assert re.search(r"^    demo .*\n(.*\n)*    info ", done.stdout, re.MULTILINE)


def test_command_version_prints_the_package_version():
    assert command("--version").stdout == f"growbuf {growbuf.__version__}\n"


@pytest.mark.parametrize("words", [(), ("demmo",)])
def test_command_missing_or_unknown_lists_the_commands(words):
    done = command(*words)
    assert done.returncode == 2
    assert "demo" in done.stderr and "info" in done.stderr


# -------------------------------------------------------------------------- errors

# (a call that takes a number of bytes, the argument's name, the minimum)
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
def test_size_argument_out_of_range_is_named_with_its_value(call, name, least):
    low = least - 1
    with pytest.raises(ValueError, match=f"^{name} must be {least} or more, got {low}"):
        call(low)
    with pytest.raises(TypeError, match=f"^{name} must be an integer, got str"):
        call("1 MiB")
    most = sys.maxsize
    with pytest.raises(OverflowError, match=f"^{name} .* between {least} and {most}"):
        call(1 << 70)


@pytest.mark.parametrize(("call", "name", "least"), SIZES)
def test_size_argument_whose_index_raises_propagates_the_error(call, name, least):
    class Raises:
        def __index__(self):
            raise KeyError("mine")

    with pytest.raises(KeyError, match="mine"):
        call(Raises())


def test_take_of_more_than_length_raises_value_error():
    with pytest.raises(ValueError, match="cannot take 4 bytes: the buffer holds 3"):
        GrowBuffer(b"abc").take(4)


class NeitherTrueNorFalse:
    def __bool__(self):
        raise TypeError("neither true nor false")


@pytest.mark.parametrize(
    ("call", "tells"),
    [
        (lambda: check(b""), "expected a GrowBuffer or a FrozenBytes, got bytes"),
        (lambda: place(b""), "expected a GrowBuffer or a FrozenBytes, got bytes"),
        (lambda: growbuf.configure(prefault=NeitherTrueNorFalse()), "neither true"),
        (lambda: GrowBuffer().readfrom(), "missing required argument 'source'"),
        (lambda: GrowBuffer(b"abc")["a":], "slice indices must be integers"),
    ],
)
def test_call_with_wrong_type_names_the_type(call, tells):
    with pytest.raises(TypeError, match=tells):
        call()


def test_append_under_view_error_recommends_limit():
    buffer = GrowBuffer(b"abc")
    with memoryview(buffer), pytest.raises(BufferError, match="limit=nbytes"):
        buffer.append(1)


@pytest.mark.parametrize(
    ("variable", "value", "tells"),
    [
        (
            "GROWBUF_STRATEGY",
            "fast",
            "set it to retain, dontunmap, maymove, copy or heap",
        ),
        ("GROWBUF_POOL_LIMIT", "1G", "not a number of bytes"),
    ],
)
def test_import_with_wrong_environment_setting_names_it(
    monkeypatch, variable, value, tells
):
    monkeypatch.setenv(variable, value)
    words = [sys.executable, "-c", "import growbuf"]
    done = subprocess.run(words, capture_output=True, text=True)
    assert done.returncode == 1
    assert f"ImportError: {variable} is {value}, which is " in done.stderr
    assert tells in done.stderr
