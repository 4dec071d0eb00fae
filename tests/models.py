"""What the model tests share: two objects to which the same is done, and for how long.

hypothesis prints the steps that fail and the seed with which to see them again:
pytest tests/test_model.py --hypothesis-seed=N. `make soak` runs them for an hour. Where
the environment has a CI, the steps are the same in each run: that tells about a change.
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

# From here, so that a file of models is skipped where there is no hypothesis.
__all__ = ["SETTINGS", "Pair", "initialize", "invariant", "precondition", "rule", "st"]

SOAKING = "GROWBUF_SOAK" in os.environ
SETTINGS = settings(
    max_examples=300 if SOAKING else 150,
    stateful_step_count=100 if SOAKING else 40,
    deadline=None,
    suppress_health_check=list(HealthCheck),
    # In a soak the seed alone must tell what is done.
    **({"database": None, "derandomize": False} if SOAKING else {}),
)


class Pair(RuleBasedStateMachine):
    """Two objects: `model` is Python's or NumPy's, `subject` is ours."""

    def both(self, call):
        """Do the same to both: they return alike, or refuse in the same words."""
        theirs, ours = self.outcome(call, self.model), self.outcome(call, self.subject)
        equal = self.same(theirs, ours)  # bare, lest pytest compare megabytes
        assert equal

    def outcome(self, call, each):
        try:
            return call(each)
        except BufferError:
            return BufferError  # GrowBuffer's names the way out
        except (IndexError, OverflowError, TypeError, ValueError) as error:
            return type(error), str(error)

    def assert_none_left(self, spans_live):
        """Assert that there are no more spans than before; a failure may hold some."""
        failed = sys.exc_info()[0] is not None
        assert failed or growbuf.stats()["spans_live"] <= spans_live

    @staticmethod
    def same(theirs, ours):
        return theirs == ours
