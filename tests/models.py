"""Shared code of the model tests: a pair of objects that get the same calls, and the
settings of hypothesis.

hypothesis prints the steps that fail and a seed. To reproduce the failure:
pytest tests/test_model.py --hypothesis-seed=N. `make soak` runs the models for an hour.
If the environment variable CI is set, the steps are the same in each run, so that a new
failure is caused by a change of the code. If GROWBUF_FEW_EXAMPLES is set, the models take
fewer steps: `make matrix` sets it where the steps also run with the default Python.
"""

import os
import sys

import pytest

pytest.importorskip("hypothesis", reason="no wheel for the free-threaded 3.13")

import hypothesis.strategies as st
from hypothesis import HealthCheck, settings
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
)

import growbuf

# Models import these names from here, so that pytest skips them without hypothesis.
__all__ = ["SETTINGS", "Pair", "initialize", "invariant", "precondition", "rule", "st"]

SOAKING = "GROWBUF_SOAK" in os.environ
FEW = "GROWBUF_FEW_EXAMPLES" in os.environ
SETTINGS = settings(
    max_examples=300 if SOAKING else 50 if FEW else 150,
    stateful_step_count=100 if SOAKING else 40,
    deadline=None,
    suppress_health_check=list(HealthCheck),
    # In a soak the steps must depend on the seed alone.
    **({"database": None, "derandomize": False} if SOAKING else {}),
)


class Pair(RuleBasedStateMachine):
    """Two objects: `model` is of a type of Python or NumPy, `subject` is of growbuf."""

    def both(self, call):
        """Make the call on both; assert that the results or errors are equal."""
        theirs, ours = self.outcome(call, self.model), self.outcome(call, self.subject)
        # A variable keeps pytest from showing how megabytes differ.
        equal = self.same(theirs, ours)
        assert equal

    def outcome(self, call, each):
        try:
            return call(each)
        except BufferError:
            return BufferError  # GrowBuffer adds a hint to the message
        except (IndexError, OverflowError, TypeError, ValueError) as error:
            return type(error), str(error)

    def assert_none_left(self, spans_live):
        """Assert that no span is left; after a failure the traceback may hold some."""
        failed = sys.exc_info()[0] is not None
        assert failed or growbuf.stats()["spans_live"] <= spans_live

    @staticmethod
    def same(theirs, ours):
        return theirs == ours
