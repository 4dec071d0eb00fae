"""Measure every peer in every case: time, memory, faults, mappings, system calls."""

import pytest
from syscalls import count_system_calls

from growbuf.cli.cases import CASES, is_installed

PAIRS = [(case, peer) for case in CASES for peer in CASES[case].peers]


@pytest.mark.parametrize(("case", "peer"), PAIRS, ids=map("-".join, PAIRS))
def test_case(timed, worker_of, allocator, size, case, peer):
    if not is_installed(CASES[case].peers[peer]):
        pytest.skip(f"{peer} is not installed")
    nbytes = CASES[case].nbytes(peer, size)
    worker = worker_of(allocator)
    timed(
        lambda: worker.measure(case, peer, nbytes),
        allocator=allocator,
        case=case,
        peer=peer,
        nbytes=nbytes,
        **count_system_calls(allocator, case, peer, nbytes),
    )
