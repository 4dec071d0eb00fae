"""Run each file of examples/ as a user does, and check what it prints.

The tests know the expected figures, or compute them without growbuf.
"""

import math
import os
import re
import struct
import subprocess
import sys
import threading
import wave
from hashlib import sha256
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from random import Random
from zlib import crc32

import pytest

import growbuf

CHECKOUT = Path(__file__).resolve().parent.parent
EXAMPLES = CHECKOUT / "examples"

pytestmark = pytest.mark.skipif(
    not EXAMPLES.exists(), reason="the tests run without their checkout"
)


def start(name, *words, **more):
    return subprocess.run(
        [sys.executable, "-W", "error", EXAMPLES / name, *words],
        env={**os.environ, "PYTHONPATH": str(CHECKOUT)},
        capture_output=True,
        text=True,
        timeout=120,
        **more,
    )


def run(name, *words, **more):
    """Run an example, assert that it succeeds without a warning, return its output."""
    done = start(name, *words, **more)
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout


def test_every_example_is_run_by_a_test():
    tested = set(re.findall(r'run\("(\w+\.py)"', Path(__file__).read_text()))
    assert tested == {path.name for path in EXAMPLES.glob("*.py")}


def test_frame_server_answers_every_message():
    lengths = [0, 1, 1000, 70_000, 3 << 20, 17, 20 << 20]
    wanted = [
        f"{length:>9} bytes  {sha256(Random(5).randbytes(length)).hexdigest()}"
        for length in lengths
    ]
    assert run("frame_server.py").splitlines() == wanted


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


class ShortBody(BaseHTTPRequestHandler):
    """Announces 80 bytes and sends 16."""

    def do_GET(self):
        self.send_response(200)
        self.send_header("Content-Length", "80")
        self.end_headers()
        self.wfile.write(bytes(16))

    def log_message(self, *words):
        pass


@pytest.fixture
def short_url():
    with ThreadingHTTPServer(("127.0.0.1", 0), ShortBody) as server:
        threading.Thread(target=server.serve_forever).start()
        yield f"http://127.0.0.1:{server.server_port}/"
        server.shutdown()


def test_download_of_short_body_tells_both_lengths(short_url):
    pytest.importorskip("numpy")
    done = start("download.py", short_url)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == (
        f"{short_url}: the connection ended after 16 of 80 announced bytes\n"
    )


def test_live_with_file_draws_png(tmp_path):
    pytest.importorskip("matplotlib")
    if growbuf.info()["strategy"] == "heap":
        pytest.skip("on the heap an array cannot grow while a view of it exists")
    picture = tmp_path / "picture.png"
    assert run("live.py", picture) == f"written: {picture}\n"
    assert picture.read_bytes().startswith(b"\x89PNG")


def test_live_without_arguments_and_screen_draws_png(tmp_path, monkeypatch):
    pytest.importorskip("matplotlib")
    if growbuf.info()["strategy"] == "heap":
        pytest.skip("on the heap an array cannot grow while a view of it exists")
    monkeypatch.setenv("MPLBACKEND", "agg")
    assert run("live.py", cwd=tmp_path) == "written: live.png\n"
    assert (tmp_path / "live.png").read_bytes().startswith(b"\x89PNG")


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


def test_collect_wav_without_file_measures_a_louder_tone():
    pytest.importorskip("numpy")
    *levels, total = run("collect_wav.py").splitlines()
    decibels = [float(line.split()[2]) for line in levels]
    assert len(decibels) == 8 and decibels == sorted(decibels)
    assert total.startswith("8000 frames, peak 32")


def test_archive_prints_what_it_packed_and_unpacked():
    pytest.importorskip("numpy")
    head, *lines = run("archive.py").splitlines()
    degrees = [round(15 + 10 * math.sin(day / 58), 1) for day in range(100_000)]
    assert lines == [
        "days: 100000 values, mean 49999.50",
        f"degrees: 100000 values, mean {sum(degrees) / len(degrees):.2f}",
    ]
    packed = re.fullmatch(r"1600000 bytes of arrays are (\d+) bytes of archive", head)
    assert int(packed[1]) < 800_000


def test_parse_http_growbuffer_gives_same_events_as_bytearray():
    pytest.importorskip("h11")
    crc = crc32(bytes(range(256)) * (32 << 10))
    for line, kind in zip(
        run("parse_http.py").splitlines(), ("bytearray", "GrowBuffer"), strict=True
    ):
        assert line == f"{kind}: POST of {8 << 20} bytes, {crc:08x}"
