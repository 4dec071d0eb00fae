"""What the tests share: the two kinds, and a GrowBuffer that is checked."""

import pytest

from growbuf import GrowBuffer
from growbuf._growbuf import check


@pytest.fixture(params=[bytearray, GrowBuffer], ids=lambda kind: kind.__name__)
def kind(request):
    """Each of the two types: what a test shows of one it shows of the other."""
    return request.param


def assert_holds(buf, expected):
    """Assert that a buffer has just these bytes and nothing about it is broken."""
    assert bytes(buf) == bytes(expected)
    assert len(buf) == len(expected)
    if isinstance(buf, GrowBuffer):
        assert check(buf) is None
