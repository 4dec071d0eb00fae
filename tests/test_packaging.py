"""The sdist and the wheel: what they contain, and that they work once installed."""

import os
import re
import shutil
import struct
import subprocess
import sys
import sysconfig
import tarfile
import venv
import zipfile
from importlib.metadata import metadata
from pathlib import Path

import pytest

import growbuf
from growbuf import _growbuf

CHECKOUT = Path(__file__).resolve().parent.parent
EXTRAS = ("rich", "numpy")
# Variables that would change how the package is built, or which growbuf is imported.
UNSET = {"CFLAGS", "GROWBUF_DEBUG", "PYTHONPATH"}

SMOKE = """
import os, subprocess, sys
import growbuf

assert growbuf.__file__.startswith(sys.prefix), growbuf.__file__
buffer = growbuf.GrowBuffer()
piece = bytes(range(256)) * 256
for _ in range(64):
    buffer += piece
assert isinstance(buffer, bytearray)
assert buffer == piece * 64
assert isinstance(growbuf.info()["strategy"], str)
growbuf.trim()

def run(*words):
    command = [sys.executable, "-m", "growbuf", *words]
    return subprocess.run(command, capture_output=True, text=True)

assert run("--version").stdout == f"growbuf {growbuf.__version__}\\n"
assert "strategy" in run("info").stdout
for command in ("demo", "bench"):
    done = run(command)
    assert done.returncode == 2, done
    assert done.stderr.count("\\n") == 1, done
    assert "pip install rich" in done.stderr, done
print("ok", growbuf.__version__)
"""


def run(*words, cwd):
    """Run a command that must succeed and return what it printed."""
    environment = {k: v for k, v in os.environ.items() if k not in UNSET}
    done = subprocess.run(
        [*map(str, words)], cwd=cwd, env=environment, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def build(tmp_path_factory):
    """Return a function that builds an sdist or a wheel, without network."""

    def build_one(kind, tree):
        folder = tmp_path_factory.mktemp(kind)
        words = ("-m", "build", "--no-isolation", f"--{kind}", "--outdir", folder, ".")
        run(sys.executable, *words, cwd=tree)
        (path,) = folder.iterdir()
        return path

    return build_one


@pytest.fixture(scope="module")
def tree(tmp_path_factory):
    """Return a copy of the checkout without anything that was built in it."""
    if not (CHECKOUT / "pyproject.toml").exists():
        pytest.skip("the tests run without their checkout")
    built = shutil.ignore_patterns(
        ".git",
        ".venv",
        "build",
        "dist",
        "*.egg-info",
        "*.so",
        "__pycache__",
        ".*_cache",
    )
    return shutil.copytree(
        CHECKOUT, tmp_path_factory.mktemp("clone") / "growbuf", ignore=built
    )


@pytest.fixture(scope="module")
def wheel(build, tree):
    return build("wheel", tree)


@pytest.fixture(scope="module")
def sdist(build, tree):
    return build("sdist", tree)


@pytest.fixture(scope="module")
def wheel_of_sdist(build, sdist, tmp_path_factory):
    folder = tmp_path_factory.mktemp("unpacked")
    with tarfile.open(sdist) as archive:
        # Python 3.11.3 and older have no filters; 3.12 and 3.13 warn if none is set.
        archive.extraction_filter = getattr(tarfile, "data_filter", None)
        archive.extractall(folder)
    (unpacked,) = folder.iterdir()
    return build("wheel", unpacked)


def elf_section_names(image):
    """Return the names of the sections of a 64-bit ELF file, such as ".text"."""
    order = "<" if image[5] == 1 else ">"
    (table,) = struct.unpack_from(f"{order}Q", image, 0x28)
    header_nbytes, count, names_index = struct.unpack_from(f"{order}3H", image, 0x3A)
    headers = [
        struct.unpack_from(f"{order}I20xQ", image, table + header_nbytes * index)
        for index in range(count)
    ]
    names_start = headers[names_index][1]
    starts = [names_start + offset for offset, _ in headers]
    return {image[start : image.index(b"\0", start)].decode() for start in starts}


def names_in(wheel):
    with zipfile.ZipFile(wheel) as archive:
        return set(archive.namelist())


@pytest.mark.slow
class TestDistributions:
    @pytest.mark.parametrize("built", ["wheel", "wheel_of_sdist"])
    def test_wheel_installed_in_new_venv_works(self, request, tmp_path, built):
        target = tmp_path / "venv"
        venv.create(target, with_pip=False, symlinks=True)
        python = target / "bin" / "python"
        words = ("install", "--no-index", "--no-deps", request.getfixturevalue(built))
        run(sys.executable, "-m", "pip", "--python", python, *words, cwd=tmp_path)
        out = run(python, "-c", SMOKE, cwd=tmp_path)
        assert out == f"ok {growbuf.__version__}\n"

    def test_wheel_contains_only_the_package(self, wheel):
        suffix = sysconfig.get_config_var("EXT_SUFFIX")
        names = names_in(wheel)
        assert {
            "growbuf/__init__.py",
            "growbuf/__main__.py",
            "growbuf/_growbuf.pyi",
            "growbuf/py.typed",
            f"growbuf/_growbuf{suffix}",
        } <= names
        assert {name.split("/")[0].split("-")[0] for name in names} == {"growbuf"}
        assert not [name for name in names if name.endswith((".c", ".h"))]

    def test_wheel_contains_every_module(self, wheel):
        modules = {
            path.relative_to(CHECKOUT).as_posix()
            for pattern in ("*.py", "*.pyi")
            for path in (CHECKOUT / "growbuf").rglob(pattern)
        }
        assert "growbuf/cli/main.py" in modules
        assert modules <= names_in(wheel)

    def test_wheel_contains_no_debug_information(self, wheel):
        with zipfile.ZipFile(wheel) as archive:
            (name,) = (name for name in names_in(wheel) if name.endswith(".so"))
            image = archive.read(name)
        if image[:5] != b"\x7fELF\2":
            pytest.skip("the extension is no 64-bit ELF file")
        sections = elf_section_names(image)
        assert ".text" in sections
        assert not [name for name in sections if name.startswith(".debug")]

    def test_sdist_contains_every_source_and_header(self, sdist):
        with tarfile.open(sdist) as archive:
            names = {name.partition("/")[2] for name in archive.getnames()}
        wanted = {
            str(path.relative_to(CHECKOUT))
            for folder in ("src", "tests", "growbuf")
            for pattern in ("*.c", "*.h", "*.py", "*.pyi")
            for path in (CHECKOUT / folder).rglob(pattern)
        }
        assert any(name.endswith(".h") for name in wanted)
        assert wanted <= names
        assert {"LICENSE", "README.md", "pyproject.toml", "setup.py"} <= names
        assert not [name for name in names if name.endswith((".so", ".pyc"))]

    def test_wheel_built_from_sdist_contains_same_files(self, wheel, wheel_of_sdist):
        assert names_in(wheel) == names_in(wheel_of_sdist)


class TestInstalled:
    def test_metadata_version_equals_module_version(self):
        assert metadata("growbuf")["Version"] == growbuf.__version__

    def test_long_description_has_absolute_links_only(self):
        text = metadata("growbuf")["Description"] or metadata("growbuf").get_payload()
        source = next(
            url.partition(", ")[2]
            for url in metadata("growbuf").get_all("Project-URL")
            if url.startswith("Source, ")
        )
        links = re.findall(r"(!?)\[[^]]*\]\(([^)]+)\)", text)
        images = [link for sign, link in links if sign]
        assert images and len(images) < len(links)
        assert all(link.startswith(f"{source}/raw/HEAD/docs/") for link in images)
        assert all(link.startswith("https://") for _, link in links)

    def test_metadata_requires_nothing_without_extras(self):
        needed = metadata("growbuf").get_all("Requires-Dist") or []
        assert needed
        assert [line for line in needed if "extra ==" not in line] == []

    def test_import_growbuf_loads_neither_extras_nor_cli(self, tmp_path):
        done = subprocess.run(
            [sys.executable, "-X", "importtime", "-c", "import growbuf"],
            cwd=tmp_path,
            capture_output=True,
            text=True,
            check=True,
        )
        loaded = {line.rpartition("|")[2].strip() for line in done.stderr.splitlines()}
        assert "growbuf._growbuf" in loaded
        assert {name.partition(".")[0] for name in loaded}.isdisjoint(EXTRAS)
        assert not [name for name in loaded if name.startswith("growbuf.cli")]

    @pytest.mark.skipif(shutil.which("nm") is None, reason="needs nm (binutils)")
    def test_extension_exports_only_its_init_function(self, tmp_path):
        out = run("nm", "-D", "--defined-only", _growbuf.__file__, cwd=tmp_path)
        assert [line.split()[-1] for line in out.splitlines()] == ["PyInit__growbuf"]

    def test_import_of_package_that_is_not_built_says_so(self, tmp_path):
        package = Path(growbuf.__file__).parent
        shutil.copytree(
            package,
            tmp_path / "growbuf",
            ignore=shutil.ignore_patterns("*.so", "*.pyd"),
        )
        done = subprocess.run(
            [sys.executable, "-S", "-c", "import growbuf"],  # -S: not the installed one
            cwd=tmp_path,
            env={**os.environ, "PYTHONPATH": str(tmp_path)},
            capture_output=True,
            text=True,
        )
        *_, last = done.stderr.splitlines()
        assert last.startswith("ImportError: growbuf is not built for this Python in ")
        assert "pip install ." in last and "During handling" not in done.stderr
