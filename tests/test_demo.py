"""`python -m growbuf`: its commands demo and info, run as processes on small files."""

import bz2
import errno
import gzip
import hashlib
import json
import lzma
import os
import random
import re
import shutil
import signal
import subprocess
import sys

import pytest

import growbuf

# Several pieces long, not a multiple of their length, compressible to half of it.
DATA = random.Random(2014).randbytes(150_001) * 2
DATA_SHA256 = hashlib.sha256(DATA).hexdigest()

COMPRESS = {
    "plain": bytes,
    "gz": gzip.compress,
    "bz2": bz2.compress,
    "xz": lzma.compress,
}
COMMAND = [sys.executable, "-m", "growbuf"]


@pytest.fixture
def growbuf_command(tmp_path):
    """Return a function that runs ``python -m growbuf`` outside the checkout."""

    def run(*words, prefix=()):
        return subprocess.run(
            [*prefix, *COMMAND, *map(str, words)],
            cwd=tmp_path,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
        )

    return run


@pytest.fixture
def write(tmp_path):
    """Return a function that makes a file of bytes and returns its path."""

    def write_bytes(content, name="data.bin"):
        path = tmp_path / name
        path.write_bytes(content)
        return path

    return write_bytes


def check_refused(done, *words):
    """Assert exit code 2, an empty stdout, and one line on stderr with all `words`."""
    assert done.returncode == 2, done.stderr
    announced = r"Building .* about .*\.\n" if os.path.isfile(words[0]) else ""
    assert re.fullmatch(announced, done.stdout), done.stdout
    lines = done.stderr.splitlines()
    assert len(lines) == 1, done.stderr
    for word in words:
        assert str(word) in lines[0]


def read_table(stdout):
    """Return {name of the row: its other cells} for the rows that have figures."""
    rows = (line.split() for line in stdout.splitlines())
    return {
        row[0]: row[1:]
        for row in rows
        if row and row[0] in ("bytearray", "GrowBuffer", "ratio")
    }


class TestInput:
    @pytest.mark.parametrize("kind", COMPRESS)
    def test_demo_file_is_decompressed(self, growbuf_command, write, kind):
        path = write(COMPRESS[kind](DATA))
        done = growbuf_command("demo", path, "--repeat", 1)
        assert done.returncode == 0, done.stderr
        assert done.stderr == ""
        assert f"{len(DATA):,} bytes" in done.stdout
        assert DATA_SHA256 in done.stdout
        assert "2 of 2" in done.stdout

    def test_demo_gzip_file_named_xz_is_decompressed(self, growbuf_command, write):
        path = write(gzip.compress(DATA), "data.xz")
        assert DATA_SHA256 in growbuf_command("demo", path, "--repeat", 1).stdout

    def test_demo_empty_file_succeeds(self, growbuf_command, write):
        done = growbuf_command("demo", write(b""), "--repeat", 1)
        assert done.returncode == 0, done.stderr
        assert hashlib.sha256(b"").hexdigest() in done.stdout

    def test_demo_file_name_with_markup_is_printed_as_is(self, growbuf_command, write):
        path = write(DATA, "[bold]:smile:.bin")
        assert path.name in growbuf_command("demo", path, "--repeat", 1).stdout

    def test_demo_without_file_uses_standard_library(self, growbuf_command):
        done = growbuf_command("demo", "--size", "1M", "--repeat", 2)
        assert done.returncode == 0, done.stderr
        assert "standard library" in done.stdout
        assert f"{1 << 20:,} bytes" in done.stdout
        assert "4 of 4" in done.stdout

    def test_read_pieces_with_length_repeats_file_to_it(self, tmp_path):
        from growbuf.cli.stream import PIECE_NBYTES, Source, read_pieces

        path = tmp_path / "data.bin"
        path.write_bytes(DATA)
        pieces = list(read_pieces(Source(str(path), 1_000_000)))
        assert max(map(len, pieces)) <= PIECE_NBYTES
        assert b"".join(pieces) == (DATA * 4)[:1_000_000]

    def test_write_stdlib_tar_twice_writes_same_content(self, tmp_path):
        from growbuf.cli.stream import read_file, write_stdlib_tar

        digests = set()
        for name in ("one", "two"):
            write_stdlib_tar(tmp_path / name)
            sha256 = hashlib.sha256()
            for piece in read_file(tmp_path / name):
                sha256.update(piece)
            digests.add(sha256.hexdigest())
        assert len(digests) == 1


class TestFigures:
    def test_demo_table_has_row_for_each_type_and_ratio(self, growbuf_command, write):
        done = growbuf_command("demo", write(DATA * 14), "--repeat", 3)
        rows = read_table(done.stdout)
        assert set(rows) == {"bytearray", "GrowBuffer", "ratio"}
        assert rows["bytearray"][-3:] == ["-", "-", "-"]
        moves = rows["GrowBuffer"][6]
        assert moves.isdecimal()
        assert all(cell.endswith("x") for cell in rows["ratio"])

    def test_demo_announces_work_and_names_runs_in_a_pipe(self, growbuf_command, write):
        done = growbuf_command("demo", write(DATA), "--repeat", 2)
        first, *lines = done.stdout.splitlines()
        assert first.startswith("Building 293 KiB of the data of ")
        assert "2 times as a bytearray and 2 times as a GrowBuffer: about" in first
        runs = [line.split(",")[0] for line in lines if line.startswith("run ")]
        kinds = ["bytearray", "GrowBuffer"] * 2
        assert runs == [f"run {n} of 4: {kind}" for n, kind in enumerate(kinds, 1)]

    def test_demo_announcement_tells_minutes_of_long_work(self):
        from growbuf.cli import demo

        assert "about 58 seconds" in demo.announcement(None, 1 << 30, 5)
        assert "about 17 minutes" in demo.announcement(None, 1 << 30, 100)

    def test_demo_of_eight_bytes_does_not_compare(self, growbuf_command, write):
        done = growbuf_command("demo", write(b"8 bytes."), "--repeat", 1)
        assert done.returncode == 0
        assert "ratio" not in read_table(done.stdout)
        assert "too little to tell" in done.stdout

    def test_demo_decompresses_legacy_lzma_file(self, growbuf_command, write):
        data = lzma.compress(DATA, lzma.FORMAT_ALONE)
        done = growbuf_command("demo", write(data, "data.lzma"), "--repeat", 1)
        assert done.returncode == 0 and done.stderr == ""
        assert DATA_SHA256 in done.stdout

    @pytest.mark.parametrize("name", ["data.gz", "data.TGZ", "data.xz", "data.bz2"])
    def test_demo_warns_about_compressed_name(self, growbuf_command, write, name):
        done = growbuf_command("demo", write(DATA, name), "--repeat", 1)
        (line,) = done.stderr.splitlines()
        assert line.startswith("growbuf: warning: ") and "but the file does not" in line
        assert DATA_SHA256 in done.stdout

    def test_measure_all_returns_every_figure_of_every_run(self, write):
        from growbuf.cli import demo

        source = demo.Source(str(write(DATA)))
        runs = demo.measure_all(source, demo.digest(source), 3, True)
        assert [len(runs[kind]) for kind in demo.KINDS] == [3, 3]
        for run in runs["GrowBuffer"]:
            assert run["length"] == len(DATA)
            assert run["sha256"] == DATA_SHA256
            assert 0 < run["append_ns"] < run["job_ns"]
            assert set(growbuf.stats()) < set(run)

    def test_demo_prints_note_on_warm_up_except_with_cold(self, growbuf_command, write):
        path = write(DATA)
        warm = growbuf_command("demo", path, "--repeat", 1)
        cold = growbuf_command("demo", path, "--repeat", 1, "--cold")
        assert "touched and freed" in " ".join(warm.stdout.split())
        assert "touched and freed" not in " ".join(cold.stdout.split())

    @pytest.mark.skipif(not os.path.exists("/proc/self/status"), reason="needs /proc")
    def test_measure_in_large_process_returns_peak_of_worker(self, write):
        from growbuf.cli import demo

        ballast = bytearray(os.urandom(1 << 20)) * 200
        run = demo.measure("bytearray", demo.Source(str(write(DATA))), 64 << 20, int)
        assert len(DATA) < run["peak_nbytes"] < len(ballast)


class TestRefusals:
    def test_demo_missing_file_fails_with_one_line(self, growbuf_command, tmp_path):
        path = tmp_path / "nowhere"
        check_refused(growbuf_command("demo", path), path, "No such file")

    def test_demo_directory_fails_with_one_line(self, growbuf_command, tmp_path):
        check_refused(growbuf_command("demo", tmp_path), tmp_path, "directory")

    def test_demo_pipe_fails_with_one_line(self, growbuf_command, tmp_path):
        path = tmp_path / "pipe"
        os.mkfifo(path)
        check_refused(growbuf_command("demo", path), path, "not a regular file")

    def test_demo_unreadable_file_fails_with_one_line(self, growbuf_command, write):
        path = write(DATA)
        path.chmod(0)
        prefix = without_root_s_privilege()
        check_refused(
            growbuf_command("demo", path, prefix=prefix), path, "Permission denied"
        )

    @pytest.mark.parametrize("kind", ["gz", "bz2", "xz"])
    def test_demo_truncated_file_fails_with_one_line(
        self, growbuf_command, write, kind
    ):
        content = COMPRESS[kind](DATA)
        path = write(content[: len(content) // 2])
        check_refused(growbuf_command("demo", path), path, "ended before")

    @pytest.mark.parametrize("kind", ["gz", "bz2", "xz"])
    def test_demo_corrupt_file_fails_with_one_line(self, growbuf_command, write, kind):
        content = bytearray(COMPRESS[kind](DATA))
        middle = len(content) // 2
        content[middle : middle + 64] = bytes(64)
        path = write(content)
        check_refused(growbuf_command("demo", path), path)

    def test_check_fits_more_than_available_memory_raises(self):
        from growbuf.cli import demo

        available = demo.available_nbytes()
        if available is None:
            pytest.skip("the system does not say how much memory is available")
        demo.check_fits(available // 2)
        with pytest.raises(demo.InputError, match="do not fit"):
            demo.check_fits(available * 2)

    def test_demo_size_beyond_memory_fails_with_one_line(self, growbuf_command):
        done = growbuf_command("demo", "--size", "99999T")
        check_refused(done, "do not fit in the", "available")

    @pytest.mark.parametrize(
        ("code", "errors", "message"),
        [
            (-signal.SIGKILL, "", "SIGKILL, perhaps for lack of memory"),
            (2, "noise\nnot enough memory\n", "failed: not enough memory"),
            (3, "", "exit code 3"),
        ],
    )
    def test_check_exit_failed_worker_raises_error_with_reason(
        self, code, errors, message
    ):
        from growbuf.cli import demo

        with pytest.raises(demo.InputError, match=message):
            demo.check_exit("bytearray", code, errors)

    @pytest.mark.parametrize("size", ["0", "-1", "x", "1Q", "1.5G", ""])
    def test_demo_invalid_size_exits_with_2(self, growbuf_command, size):
        done = growbuf_command("demo", f"--size={size}")
        assert done.returncode == 2
        assert "--size" in done.stderr

    @pytest.mark.parametrize("count", ["0", "-1", "1.5", ""])
    def test_demo_invalid_repeat_exits_with_2(self, growbuf_command, count):
        done = growbuf_command("demo", f"--repeat={count}")
        assert done.returncode == 2
        assert "--repeat" in done.stderr

    def test_demo_size_with_file_exits_with_2(self, growbuf_command, write):
        done = growbuf_command("demo", write(DATA), "--size", "1M")
        assert done.returncode == 2
        assert "--size" in done.stderr


def without_root_s_privilege():
    """Return a command prefix that removes root's right to read every file."""
    if os.geteuid() != 0:
        return ()
    if shutil.which("setpriv") is None:
        pytest.skip("root can read every file, and setpriv is not installed")
    return ("setpriv", "--bounding-set=-dac_override,-dac_read_search")


class TestDigest:
    def test_measure_all_wrong_digest_raises_digest_error(self, write):
        from growbuf.cli import demo

        source = demo.Source(str(write(DATA)))
        wrong = demo.Reference(len(DATA), "0" * 64)
        with pytest.raises(demo.DigestError, match=DATA_SHA256):
            demo.measure_all(source, wrong, 1, True)

    def test_measure_all_wrong_length_raises_digest_error(self, write):
        from growbuf.cli import demo

        source = demo.Source(str(write(DATA)))
        wrong = demo.Reference(len(DATA) + 1, DATA_SHA256)
        with pytest.raises(demo.DigestError, match=str(len(DATA))):
            demo.measure_all(source, wrong, 1, True)

    def test_demo_wrong_digest_exits_with_1_and_one_line(
        self, write, monkeypatch, capsys
    ):
        from growbuf.cli import demo, main

        wrong = demo.Reference(len(DATA), "0" * 64)
        monkeypatch.setattr(demo, "digest", lambda source: wrong)
        assert main.main(["demo", str(write(DATA)), "--repeat", "1"]) == 1
        errors = capsys.readouterr().err.splitlines()
        assert len(errors) == 1
        assert "does not hold the stream" in errors[0]


class TestEnds:
    def start(self, *words, cwd, stderr=subprocess.PIPE):
        return subprocess.Popen(
            [*COMMAND, "demo", *words],
            cwd=cwd,
            env={**os.environ, "TERM": "xterm"},
            stdout=subprocess.PIPE,
            stderr=stderr,
            text=True,
            start_new_session=True,
            preexec_fn=reset_sigint,
        )

    @pytest.mark.parametrize("send", [os.kill, os.killpg], ids=["parent", "group"])
    def test_demo_interrupted_exits_with_130(self, tmp_path, send):
        """Ctrl-C interrupts all processes; a supervisor may interrupt the parent."""
        with self.start("--size=64M", "--repeat=500", cwd=tmp_path) as process:
            assert "standard library" in process.stdout.readline()
            send(process.pid, signal.SIGINT)
            _, errors = process.communicate()
        assert process.returncode == 130
        assert errors == ""

    def test_demo_stdout_closed_during_run_exits_with_141(self, tmp_path, write):
        path = str(write(DATA))
        with self.start(path, "--repeat=1", cwd=tmp_path) as process:
            process.stdout.close()
            errors = process.stderr.read()
        assert process.returncode == 141
        assert errors == ""

    @pytest.mark.parametrize("words", [["--help"], ["info"]])
    def test_command_stdout_closed_before_start_exits_with_141(self, tmp_path, words):
        leader, follower = os.pipe()
        os.close(leader)
        done = subprocess.run(
            [*COMMAND, *words],
            cwd=tmp_path,
            env={**os.environ, "PYTHONUNBUFFERED": ""},
            stdout=follower,
            stderr=subprocess.PIPE,
        )
        os.close(follower)
        assert done.returncode == 141
        assert done.stderr == b""

    @pytest.mark.skipif(not os.path.exists("/dev/full"), reason="needs /dev/full")
    def test_info_to_full_disk_fails_with_one_line(self, tmp_path):
        with open("/dev/full", "w") as full:
            done = subprocess.run(
                [*COMMAND, "info"], cwd=tmp_path, stdout=full, stderr=subprocess.PIPE
            )
        assert done.returncode == 2
        assert done.stderr.count(b"\n") == 1
        assert b"No space left" in done.stderr

    @pytest.mark.skipif(not hasattr(os, "openpty"), reason="needs a pseudo-terminal")
    def test_demo_on_terminal_shows_progress(self, tmp_path, write):
        leader, follower = os.openpty()
        with self.start(
            str(write(DATA)), "--repeat=1", cwd=tmp_path, stderr=follower
        ) as process:
            os.close(follower)
            shown = b"".join(read_terminal(leader)).decode()
        assert process.returncode == 0
        assert "SHA-256 of the stream" in shown
        assert "building a" in shown


def reset_sigint():
    """Make SIGINT interrupt again; a shell ignores it in its background processes."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def read_terminal(leader):
    """Yield what processes write to a terminal, until the last has closed it."""
    with open(leader, "rb", buffering=0) as screen:
        try:
            while shown := screen.read(4096):
                yield shown
        except OSError as error:  # Linux reports the end as EIO
            if error.errno != errno.EIO:
                raise


class TestOtherCommands:
    def test_version_prints_version(self, growbuf_command):
        assert growbuf_command("--version").stdout == f"growbuf {growbuf.__version__}\n"

    def test_help_lists_commands_and_options(self, growbuf_command):
        done = growbuf_command("--help")
        assert done.returncode == 0
        assert "demo" in done.stdout
        assert "info" in done.stdout
        assert "--size" in growbuf_command("demo", "--help").stdout

    def test_without_command_exits_with_2(self, growbuf_command):
        assert growbuf_command().returncode == 2

    def test_info_prints_every_fact(self, growbuf_command):
        done = growbuf_command("info")
        assert done.returncode == 0, done.stderr
        lines = done.stdout.splitlines()
        facts = dict(line.split(": ", 1) for line in lines if not line.startswith(" "))
        assert list(facts) == list(growbuf.info())
        assert facts["strategy"] == growbuf.info()["strategy"]
        for rung, answer in growbuf.info()["probe"].items():
            assert f"{rung}: {answer}" in facts["probe"]
        assert max(map(len, lines)) <= 88

    def test_info_explains_every_fact(self, growbuf_command):
        lines = growbuf_command("info").stdout.splitlines()
        heads = [i for i, line in enumerate(lines) if not line.startswith(" ")]
        after = [lines[i + 1] for i in heads]
        assert all(line.startswith("    ") and line.strip() for line in after)

    @pytest.mark.parametrize(
        ("change", "tells"),
        [
            ({"strategy": "copy"}, "copies the bytes"),
            ({"strategy": "heap"}, "as bytearray does"),
            ({"forced": "copy"}, "Unset it"),
            ({"probe": {"maymove": "EPERM"}}, "maymove: a sandbox forbids it"),
            ({"probe": {"retain": "EINVAL"}}, "nothing is lost"),
            ({"populate": "EINVAL"}, "one by one"),
            ({"transparent_hugepage": "never"}, "echo madvise"),
            ({"transparent_hugepage": "64kB"}, "pages of 64 KiB"),
            ({"transparent_hugepage": "unknown"}, "does not say"),
        ],
    )
    def test_explain_tells_meaning_and_remedy(self, change, tells):
        from growbuf.cli.explain import explain

        (name,) = change
        text = " ".join(explain(name, growbuf.info() | change).split())
        assert tells in text

    @pytest.mark.parametrize("kernel", ["Darwin 23.4.0", "FreeBSD 14.1", "Windows 10"])
    def test_explain_on_other_system_gives_no_advice_on_linux(self, kernel):
        from growbuf.cli.explain import explain

        facts = growbuf.info() | {
            "kernel": kernel,
            "strategy": "copy",
            "probe": dict.fromkeys(["retain", "dontunmap", "maymove"], "ENOSYS"),
            "populate": "ENOTSUP",
            "transparent_hugepage": "unknown",
        }
        text = "\n".join(explain(name, facts) for name in facts)
        assert "Linux only" in text
        for word in ("/sys", "sandbox", "patch", "5.14", "administrator"):
            assert word not in text, word

    def test_bench_help_lists_every_case(self, growbuf_command):
        from growbuf.cli.cases import CASES

        text = growbuf_command("bench", "--help").stdout
        for name, case in CASES.items():
            assert f"{name:12} {case.doc}" in text

    def test_info_json_equals_growbuf_info(self, growbuf_command):
        assert json.loads(growbuf_command("info", "--json").stdout) == growbuf.info()


@pytest.mark.parametrize(
    ("text", "nbytes"),
    [("1", 1), ("64K", 65536), ("64KiB", 65536), ("3g", 3 << 30), ("2MB", 2 << 20)],
)
def test_parse_nbytes_with_unit_returns_bytes(text, nbytes):
    from growbuf.cli.main import parse_nbytes

    assert parse_nbytes(text) == nbytes
