"""Packages that live on bytearray work with GrowBuffer as the builtin of that name:
their own tests pass that pass without.  `make swap` runs this.

The source distributions come from PyPI and stay in build/swap.  Their tests run in the
environment of the dependency group `swap`.
"""

import subprocess
import sys
import tarfile
from pathlib import Path
from typing import NamedTuple

import pytest
import swapped
from cpython_suite import REPR, Expected

STORE = Path(__file__).resolve().parent.parent / "build" / "swap"


class Package(NamedTuple):
    """A distribution, where its code is and its tests are, and which must fail."""

    version: str
    code: str
    tests: list[str]
    expected: tuple[Expected, ...] = ()


PACKAGES = {
    "h11": Package("0.16.0", ".", ["h11"]),
    "hpack": Package("4.2.0", "src", ["tests"]),
    "msgpack": Package("1.2.4", ".", ["test"]),
    "pypng": Package("0.20220715.0", "code", ["code/test_png.py"]),
    "tlslite-ng": Package(
        "0.8.2",
        ".",
        ["unit_tests"],
        (
            Expected("unit_tests/*::test_repr", REPR),
            Expected("unit_tests/*::test__repr__", REPR),
            Expected("unit_tests/*::test___repr__*", REPR),
            Expected("unit_tests/*::test___str__*", REPR),
        ),
    ),
    "tornado": Package(
        "6.6.1",
        ".",
        [f"tornado/test/{name}_test.py" for name in ("iostream", "websocket")],
    ),
    "wsproto": Package("1.3.2", "src", ["tests"]),
}


@pytest.fixture(scope="session")
def downloaded():
    """Have the source distributions in build/swap; pip takes those that are there."""
    subprocess.run(
        [
            *(sys.executable, "-m", "pip", "download", "--quiet", "--dest", STORE),
            *("--no-deps", "--no-binary", ":all:", "--no-build-isolation"),
            *("--find-links", STORE),
            *(f"{name}=={package.version}" for name, package in PACKAGES.items()),
        ],
        check=True,
    )


@pytest.fixture(params=PACKAGES)
def name(request):
    return request.param


@pytest.fixture
def folder(name, downloaded, tmp_path):
    """Unpack a package's source distribution into a folder of its own."""
    stem = f"{name.replace('-', '_')}-{PACKAGES[name].version}"
    with tarfile.open(STORE / f"{stem}.tar.gz") as archive:
        archive.extractall(tmp_path, filter="data")
    return tmp_path / stem


def request(package):
    """Return what swapped.py is to run: the Python halves, the same tests each time."""
    options = ["-q", "-p", "no:cacheprovider", "-p", "no:logging"]
    options += ["--hypothesis-seed=0", "-o", "addopts=", "-o"]
    words = [*options, f"pythonpath={package.code}", *package.tests]
    environment = {"MSGPACK_PUREPYTHON": "1", "TORNADO_EXTENSION": "0"}
    return {"runner": "pytest", "words": words, "environment": environment}


def test_package(name, folder):
    package = PACKAGES[name]
    found = swapped.not_as_before("growbuf.GrowBuffer", folder, **request(package))
    swapped.assert_expected(found, package.expected)


@pytest.mark.parametrize("name", ["h11"], indirect=True)
def test_a_wrong_method_is_noticed(name, folder):
    found = swapped.not_as_before("broken.Find", folder, **request(PACKAGES[name]))
    assert any(text.startswith("failed") for text in found.values())
