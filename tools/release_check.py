"""Build what a release would publish, and check it.

    python tools/release_check.py      run by make release-check, in its environment

It builds an sdist and a wheel. Then it makes these checks and prints a line for each:

- twine check --strict, and check-wheel-contents;
- the links and images of the long description: each is absolute, and one into the
  repository leads to a file of the checkout;
- the long description rendered as PyPI does it, into build/release/readme.html;
- auditwheel: the wheel is portable (manylinux);
- the size of the wheel: a large one has debug information in it;
- the wheel, installed in a new environment of this Python;
- the sdist, built and installed in a new environment of each Python at hand.

Only builds need PyPI and a network: pip downloads setuptools for each of them.
"""

import os
import re
import shutil
import subprocess
import sys
import tomllib
import zipfile
from email.parser import BytesParser
from pathlib import Path

import matrix
from readme_renderer import markdown

ROOT = Path(__file__).resolve().parent.parent
OUT = ROOT / "build" / "release"
VERSIONS = ("3.11", "3.12", "3.13", "3.14", "3.15")
WHEEL_MAX_NBYTES = 400_000
SMOKE = """
import growbuf, sys
assert growbuf.__file__.startswith(sys.prefix), growbuf.__file__
buffer = growbuf.GrowBuffer()
for _ in range(64):
    buffer += bytes(65536)
assert len(buffer.freeze()) == 64 * 65536 and len(buffer) == 0
print(growbuf.__version__, growbuf.info()["strategy"])
"""


class CheckError(Exception):
    """A check failed. The message says why."""


def run(*words, **more):
    """Run a command; return what it printed, or raise CheckError with that."""
    done = subprocess.run(
        [*map(str, words)],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        **more,
    )
    if done.returncode:
        raise CheckError(f"{' '.join(map(str, words[:4]))} failed\n{done.stdout}")
    return done.stdout


def tool(name, *words):
    return run(Path(sys.executable).parent / name, *words)


def build():
    shutil.rmtree(OUT, ignore_errors=True)
    run(sys.executable, "-m", "build", "--outdir", OUT, ROOT)
    (sdist,), (wheel,) = OUT.glob("*.tar.gz"), OUT.glob("*.whl")
    return sdist, wheel


def description(wheel):
    """Return the long description of a wheel."""
    with zipfile.ZipFile(wheel) as archive:
        (name,) = (n for n in archive.namelist() if n.endswith(".dist-info/METADATA"))
        return BytesParser().parsebytes(archive.read(name)).get_payload()


def check_links(text):
    """Check that each link into the repository leads to a file.

    Return a text with the number of all links.
    """
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    links = re.findall(r"\]\(([^)\s]+)\)", text)
    for link in links:
        if not link.startswith(("https://", "#")):
            raise CheckError(f"a relative link in the long description: {link}")
        found = re.fullmatch(
            rf"{re.escape(project['urls']['Source'])}/(?:raw|blob)/HEAD/([^#]+)(#.*)?",
            link,
        )
        if found and not (ROOT / found[1]).exists():
            raise CheckError(f"a link of the long description leads nowhere: {link}")
    return f"{len(links)} links and images"


def render(text):
    html = markdown.render(text)
    if html is None or html.count("<img") != text.count("!["):
        raise CheckError("PyPI would not show the long description with its pictures")
    (OUT / "readme.html").write_text(html)
    return f"{OUT.relative_to(ROOT)}/readme.html, {html.count('<img')} pictures"


def check_portable(wheel):
    shown = " ".join(tool("auditwheel", "show", wheel).split())
    tag = re.search(r'platform tag: "(\w+)"', shown)
    if tag is None or not tag[1].startswith("manylinux"):
        raise CheckError(f"auditwheel does not call the wheel portable:\n{shown}")
    return tag[1]


def check_size(wheel):
    nbytes = wheel.stat().st_size
    if nbytes > WHEEL_MAX_NBYTES:
        raise CheckError(f"the wheel has {nbytes:,} bytes: is debug information in it?")
    return f"{nbytes:,} bytes"


def install(version, file):
    """Install a wheel or an sdist in a new environment of this version, and use it.

    The code that uses it runs in another folder than the checkout, so that it imports
    the installed package. Return what that code prints.
    """
    python = (
        sys.executable if version == this_version() else matrix.find_python(version)
    )
    if python is None:
        return "no such Python here"
    venv = OUT / f"venv-{version}"
    run(python, "-m", "venv", "--clear", venv)
    inside = venv / "bin" / "python"
    environment = {k: v for k, v in os.environ.items() if k != "PYTHONPATH"}
    run(inside, "-m", "pip", "install", "--quiet", file, env=environment)
    return run(inside, "-c", SMOKE, cwd=OUT, env=environment).strip()


def this_version():
    return f"{sys.version_info.major}.{sys.version_info.minor}"


def checks(sdist, wheel):
    """Yield the name of each check, and a function that runs it and returns a text."""
    text = description(wheel)
    yield "twine", lambda: tool("twine", "check", "--strict", sdist, wheel) and "passed"
    yield "contents", lambda: tool("check-wheel-contents", wheel) and "passed"
    yield "links", lambda: check_links(text)
    yield "rendered", lambda: render(text)
    yield "portable", lambda: check_portable(wheel)
    yield "size", lambda: check_size(wheel)
    yield f"wheel, {this_version()}", lambda: install(this_version(), wheel)
    for version in VERSIONS:
        yield f"sdist, {version}", lambda version=version: install(version, sdist)


def main():
    failed = 0
    sdist, wheel = build()
    print(f"built {sdist.name} and {wheel.name} in {OUT.relative_to(ROOT)}")
    for name, check in checks(sdist, wheel):
        try:
            print(f"{name:14} {check()}", flush=True)
        except CheckError as error:
            failed += 1
            print(f"{name:14} FAILED: {error}", flush=True)
    sys.exit(bool(failed))


if __name__ == "__main__":
    main()
