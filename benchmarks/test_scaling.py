"""Measure time and memory over the length, and how long single appends take."""

import pytest

from growbuf.cli.measure import ALLOCATORS, GIB, available_nbytes

KIB, MIB = 1 << 10, 1 << 20
LENGTHS = [KIB << shift for shift in (0, 3, 6, 9, 12, 15, 17, 21, 23)]
WINDOWS = [MIB << shift for shift in range(0, 7, 2)]
KINDS = ("GrowBuffer", "bytearray")
FIRST_NBYTES = 4 * MIB  # short results are built many times, up to this total length


@pytest.fixture(params=ALLOCATORS)
def any_allocator(request):
    return request.param


def fit(nbytes, most):
    if nbytes > most:
        pytest.skip("--size or the memory is too small")


def label(nbytes):
    for scale, unit in ((GIB, "GiB"), (MIB, "MiB"), (KIB, "KiB")):
        if nbytes >= scale:
            return f"{nbytes // scale}{unit}"
    return f"{nbytes}B"


@pytest.mark.parametrize("peer", KINDS)
@pytest.mark.parametrize("nbytes", LENGTHS, ids=label)
def test_scaling(timed, worker_of, any_allocator, size, peer, nbytes):
    copies = peer == "bytearray" and any_allocator != "glibc"
    rounds = 1 if copies or nbytes > 4 * GIB else 2
    fit(nbytes, size * 64)
    fit(nbytes, available_nbytes() // (3 if copies else 1))
    worker = worker_of(any_allocator)
    timed(
        lambda: worker.ask(
            measure="builds",
            peer=peer,
            nbytes=nbytes,
            piece_nbytes=min(64 * KIB, nbytes // 16),
            count=max(1, FIRST_NBYTES // nbytes),
            warm_nbytes=2 * nbytes if 16 * MIB <= nbytes <= 4 * GIB else nbytes,
        ),
        rounds=None if nbytes < GIB else rounds,
        allocator=any_allocator,
        case="scaling",
        peer=peer,
        nbytes=nbytes,
    )


@pytest.mark.parametrize("peer", KINDS)
def test_appends(timed, worker_of, any_allocator, size, peer):
    nbytes = 4 * size
    worker = worker_of(any_allocator)
    timed(
        lambda: worker.ask(
            measure="appends", peer=peer, nbytes=nbytes, warm_nbytes=2 * nbytes
        ),
        rounds=1,
        allocator=any_allocator,
        case="appends",
        peer=peer,
        nbytes=nbytes,
    )


@pytest.mark.parametrize("peer", KINDS)
@pytest.mark.parametrize("nbytes", WINDOWS, ids=label)
def test_window(timed, worker_of, size, peer, nbytes):
    fit(nbytes, size // 2)
    worker = worker_of("glibc")
    timed(
        lambda: worker.measure("window", peer, 2 * nbytes),
        allocator="glibc",
        case="windows",
        peer=peer,
        nbytes=nbytes,
    )
