"""Run test suites with and without another type as the builtin bytearray.

find_changes() starts a child process for each run:

    python swapped.py FILE

swap/sitecustomize.py replaces the builtin when the child starts. Then the child reads
from FILE, as JSON, what to run. At the end it writes to FILE how each test ended.
"""

import faulthandler
import fnmatch
import json
import os
import subprocess
import sys
import tempfile
import unittest
from importlib import import_module
from pathlib import Path

import cpython_suite

TESTS = Path(__file__).resolve().parent
LONGEST_S = 300  # after this time the child prints its stacks and exits


# ------------------------------------------------------------------- the parent process


def find_changes(stand_in, folder, runner, environment=None, **arguments):
    """Return {test: what happened} for tests that end worse with stand_in than without.

    The result also has the tests that do not exist with stand_in. runner is a key of
    RUNNERS, arguments are passed to it, and the tests run in folder. Tests of sockets
    and clocks sometimes fail by chance, so each test that ended worse is run once more,
    and does not count if it passes then.
    """

    def run(stand_in, only=None):
        request = {"runner": runner, **arguments}
        if only is not None:
            request["only"] = sorted(only)
        return outcomes(stand_in, folder, request, environment)

    swapped = run(stand_in)
    doubtful = {name for name, end in swapped.items() if end["outcome"] != "passed"}
    plain = run("", doubtful)
    gone = dict.fromkeys(plain.keys() - swapped.keys(), "does not exist with the swap")
    worse = {
        name
        for name in doubtful
        if plain.get(name, {}).get("outcome") != swapped[name]["outcome"]
    }
    again = run(stand_in, worse) if worse else {}
    return gone | {
        name: "\n".join([end["outcome"], *end["texts"]])
        for name, end in again.items()
        if name in worse and end["outcome"] != "passed"
    }


def outcomes(stand_in, folder, request, environment):
    """Run tests in a child, in which stand_in replaces bytearray unless it is empty."""
    inherited = os.environ.get("PYTHONPATH", "")
    path = [str(TESTS / "swap"), str(TESTS.parent), inherited]
    swap = {"GROWBUF_SWAP": stand_in, "PYTHONPATH": os.pathsep.join(path)}
    with tempfile.NamedTemporaryFile("w+", suffix=".json") as file:
        json.dump(request, file)
        file.flush()
        done = subprocess.run(
            [sys.executable, __file__, file.name],
            cwd=folder,
            env={**os.environ, **(environment or {}), **swap},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
        )
        assert done.returncode == 0, done.stdout[-4000:]
        file.seek(0)
        return json.load(file)


def assert_expected(found, entries):
    """Fail if no entry expects a test in found, or if an entry matches none of them."""
    expected = [entry.test for entry in entries if entry.applies()]
    new = [
        f"{name}: {text}" for name, text in found.items() if not is_like(name, expected)
    ]
    assert not new, "\n\n".join(new)
    unused = [pattern for pattern in expected if not fnmatch.filter(found, pattern)]
    assert not unused, f"listed, but no such test ends worse with the swap: {unused}"


def is_like(name, patterns):
    return any(fnmatch.fnmatchcase(name, pattern) for pattern in patterns)


# -------------------------------------------------------------------- the child process


class Outcomes:
    """The worst outcome of each test, by its name; None for a test that was not run."""

    ORDER = [None, "passed", "skipped", "failed"]

    def __init__(self):
        self.by_name = {}

    def note(self, name, outcome, text=None):
        end = self.by_name.setdefault(name, {"outcome": outcome, "texts": []})
        end["outcome"] = max(outcome, end["outcome"], key=self.ORDER.index)
        end["texts"] += [text] if text else []


class Result(unittest.TestResult):
    """Notes how tests end. An exception that ended a thread of a test is a failure."""

    def __init__(self, outcomes, uncaught):
        super().__init__()
        self.outcomes, self.uncaught = outcomes, uncaught

    def stopTest(self, test):
        super().stopTest(test)
        self.outcomes.note(test.id(), "passed")
        while self.uncaught:
            self.outcomes.note(test.id(), "failed", self.uncaught.pop())

    def note_all(self):
        for test, reason in self.skipped:
            self.outcomes.note(name_of(test), "skipped", reason)
        for test, text in self.failures + self.errors:
            self.outcomes.note(name_of(test), "failed", text)
        for test in self.unexpectedSuccesses:
            self.outcomes.note(name_of(test), "failed", "unexpected success")


def name_of(test):
    """Return the name of a test, a subtest's test, or a fixture's class or module."""
    name = getattr(test, "test_case", test).id()
    return name.partition(" (")[2].rstrip(")") or name


def flatten(suite):
    for test in suite:
        if isinstance(test, unittest.TestSuite):
            yield from flatten(test)
        else:
            yield test


def is_in(name, names):
    """Return whether names contain a test, its class or its module."""
    parts = name.split(".")
    return any(".".join(parts[: n + 1]) in names for n in range(len(parts)))


def run_unittest(outcomes, modules, only=None, left_out=()):
    """Run the tests of modules that do not match `left_out`.

    If `only` is not None, run only those of them that it names.
    """
    from test import support

    support.use_resources = {}  # skip tests that need a network or gigabytes
    chosen = unittest.TestSuite()
    for test in load(outcomes, modules):
        if is_like(test.id(), left_out):
            continue
        if only is None or is_in(test.id(), only):
            chosen.addTest(test)
        else:
            outcomes.note(test.id(), None)
    with cpython_suite.uncaught_in_threads() as uncaught:
        result = Result(outcomes, uncaught)
        chosen.run(result)
    result.note_all()


def load(outcomes, modules):
    for name in modules:
        try:
            module = import_module(name)
        except unittest.SkipTest as reason:
            outcomes.note(name, "skipped", str(reason))
        else:
            yield from flatten(unittest.defaultTestLoader.loadTestsFromModule(module))


class Plugin:
    """Notes how tests end under pytest. A file that cannot be read counts as a test."""

    def __init__(self, outcomes, only):
        self.outcomes, self.only = outcomes, only

    def pytest_collection_modifyitems(self, items):
        if self.only is not None:
            for item in items:
                self.outcomes.note(item.nodeid, None)
            items[:] = [item for item in items if item.nodeid in self.only]

    def pytest_collectreport(self, report):
        if report.outcome != "passed":
            self.outcomes.note(report.nodeid, report.outcome, report.longreprtext)

    def pytest_runtest_logreport(self, report):
        self.outcomes.note(report.nodeid, report.outcome, report.longreprtext)


def run_pytest(outcomes, words, only=None):
    """Run pytest with the words of a command line.

    If `only` is not None, run only the tests that it names.
    """
    import pytest

    pytest.main(words, plugins=[Plugin(outcomes, only)])


RUNNERS = {"unittest": run_unittest, "pytest": run_pytest}


def main(file):
    faulthandler.dump_traceback_later(LONGEST_S, exit=True)
    request = json.loads(Path(file).read_text())
    outcomes = Outcomes()
    RUNNERS[request.pop("runner")](outcomes, **request)
    Path(file).write_text(json.dumps(outcomes.by_name))


if __name__ == "__main__":
    main(*sys.argv[1:])
