"""Packages that use bytearray work when GrowBuffer replaces the builtin bytearray.

Each of their own tests that passes without the replacement must pass with it, except
for those that are listed with a reason. `make swap` runs this. The source distributions
come from PyPI and stay in build/swap. Their tests run in the virtual environment of the
dependency group `swap`.
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
    """A source distribution: its code, its tests, and which of these must fail."""

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
    """Download the source distributions to build/swap, those that are not there yet."""
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
    """Unpack a package's source distribution and return its folder."""
    stem = f"{name.replace('-', '_')}-{PACKAGES[name].version}"
    with tarfile.open(STORE / f"{stem}.tar.gz") as archive:
        archive.extractall(tmp_path, filter="data")
    return tmp_path / stem


def request(package):
    """Return the arguments for swapped.py.

    The environment selects the pure Python version of each package. The seed makes
    hypothesis run the same tests each time.
    """
    options = ["-q", "-p", "no:cacheprovider", "-p", "no:logging"]
    options += ["--hypothesis-seed=0", "-o", "addopts=", "-o"]
    words = [*options, f"pythonpath={package.code}", *package.tests]
    environment = {"MSGPACK_PUREPYTHON": "1", "TORNADO_EXTENSION": "0"}
    return {"runner": "pytest", "words": words, "environment": environment}


def test_swap_package_passes_as_before(name, folder):
    package = PACKAGES[name]
    found = swapped.find_changes("growbuf.GrowBuffer", folder, **request(package))
    swapped.assert_expected(found, package.expected)


@pytest.mark.parametrize("name", ["h11"], indirect=True)
def test_swap_type_with_wrong_method_is_detected(name, folder):
    found = swapped.find_changes("broken.Find", folder, **request(PACKAGES[name]))
    assert any(text.startswith("failed") for text in found.values())
