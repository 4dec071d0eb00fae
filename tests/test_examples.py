"""Run each file of examples/ as a user does, and check what it prints.

The expected figures come from elsewhere, such as the sizes of the files that it read.
"""

import math
import os
import re
import struct
import subprocess
import sys
import wave
from pathlib import Path

import pytest

import growbuf

CHECKOUT = Path(__file__).resolve().parent.parent
EXAMPLES = CHECKOUT / "examples"

pytestmark = pytest.mark.skipif(
    not EXAMPLES.exists(), reason="the tests run without their checkout"
)


def run(name, *words):
    """Run an example, assert that it succeeds without a warning, return its output."""
    done = subprocess.run(
        [sys.executable, "-W", "error", EXAMPLES / name, *words],
        env={**os.environ, "PYTHONPATH": str(CHECKOUT)},
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout


def test_every_example_is_run_by_a_test():
    tested = set(re.findall(r'run\("(\w+\.py)"', Path(__file__).read_text()))
    assert tested == {path.name for path in EXAMPLES.glob("*.py")}


def test_frame_server_answers_every_message():
    nbytes = 1 + 17 + 1000 + 70_000 + (3 << 20) + (20 << 20)
    printed = run("frame_server.py")
    assert printed == f"{nbytes} bytes sent, 7 of 7 messages answered\n"


def test_frame_receiver_finds_no_wrong_frame():
    pytest.importorskip("numpy")
    if growbuf.info()["strategy"] == "heap":
        pytest.skip("on the heap an array cannot grow while a view of it exists")
    printed = run("frame_receiver.py", "8")
    looks = re.fullmatch(r"2097 of 2097 frames, (\d+) looks, 0 wrong frames\n", printed)
    assert int(looks[1]) > 1


def test_download_prints_mean_of_values():
    pytest.importorskip("numpy")
    printed = run("download.py")
    assert printed == f"{32 << 20} bytes are {4 << 20} values with mean 0.500\n"


def test_live_with_file_draws_png(tmp_path):
    pytest.importorskip("matplotlib")
    if growbuf.info()["strategy"] == "heap":
        pytest.skip("on the heap an array cannot grow while a view of it exists")
    picture = tmp_path / "picture.png"
    run("live.py", picture)
    assert picture.read_bytes().startswith(b"\x89PNG")


def test_collect_wav_sine_wave_prints_its_level(tmp_path):
    pytest.importorskip("numpy")
    rate, peak, path = 8000, 3277, tmp_path / "sine.wav"  # a tenth of 32767: -20 dB
    sine = [round(peak * math.sin(n * math.tau / 40)) for n in range(2 * rate)]
    with wave.open(str(path), "wb") as file:
        file.setparams((2, 2, rate, 0, "NONE", ""))
        file.writeframes(b"".join(struct.pack("<hh", n, n) for n in sine))
    *levels, total = run("collect_wav.py", path).splitlines()
    assert total == f"{2 * rate} frames, peak {peak}"
    assert [line.split("s", 1)[1].strip() for line in levels[1:]] == ["-20.0 dB"] * 15


def test_archive_prints_sizes_of_its_files():
    pytest.importorskip("numpy")
    sizes = [path.stat().st_size for path in EXAMPLES.glob("*.py")]
    printed = run("archive.py", EXAMPLES)
    assert printed.startswith(
        f"{len(sizes) + 1} files, {sum(sizes)} bytes of source in "
    )
    assert int(printed.split()[-2]) < sum(sizes)


def test_parse_http_growbuffer_gives_same_events_as_bytearray():
    pytest.importorskip("h11")
    printed = run("parse_http.py")
    assert printed == f"bytearray and GrowBuffer: the same POST of {8 << 20} bytes\n"
