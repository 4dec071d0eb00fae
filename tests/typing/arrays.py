"""GrowArray, generic in its items as numpy.typing.NDArray is. Never run."""

import socket
from collections.abc import Hashable, Iterator
from typing import Any, assert_type

import numpy as np
from numpy.typing import NDArray

from growbuf import GrowArray, GrowBuffer


def item_type_of_dtype() -> None:
    assert_type(GrowArray(), GrowArray[np.float64])
    assert_type(GrowArray(row_shape=2), GrowArray[np.float64])
    assert_type(GrowArray(dtype=np.uint8), GrowArray[np.uint8])
    assert_type(GrowArray([1, 2], dtype=np.dtype(np.int16)), GrowArray[np.int16])
    assert_type(GrowArray(dtype="f4"), GrowArray[Any])
    assert_type(GrowArray(dtype=[("t", "f8"), ("volts", "f4")]), GrowArray[Any])


def item_type_of_data(data: NDArray[np.int32], rows: Iterator[float]) -> None:
    assert_type(GrowArray(data), GrowArray[np.int32])
    assert_type(GrowArray(rows), GrowArray[Any])
    buffer = GrowBuffer()
    assert_type(GrowArray.from_buffer(buffer, np.int32), GrowArray[np.int32])
    assert_type(GrowArray.from_buffer(buffer, "i4", 3), GrowArray[Any])


def item_type_of_results(
    samples: GrowArray[np.float32], mask: NDArray[np.bool_]
) -> None:
    assert_type(samples.array, NDArray[np.float32])
    assert_type(samples.dtype, np.dtype[np.float32])
    assert_type(samples[1:], NDArray[np.float32])
    assert_type(samples[[0, 2]], NDArray[np.float32])
    assert_type(samples[mask], NDArray[np.float32])
    assert_type(samples.detach(), NDArray[np.float32])
    assert_type(samples.copy(), GrowArray[np.float32])
    assert_type(samples.__array__(), NDArray[np.float32])


def changes_of_length(samples: GrowArray[np.float64]) -> None:
    samples.append(1.5)
    samples.append((1.0, 2.0))
    samples.extend([1.0, 2.0])
    samples.extend(float(n) for n in range(3))
    samples.insert(0, 1.0)
    samples[0] = 2.0
    del samples[:10]
    assert_type(len(samples), int)
    assert_type(samples.limit, int | None)
    assert_type(samples.stable, bool)
    samples.append(object())  # type: ignore[arg-type]
    samples.reserve("10")  # type: ignore[arg-type]


def use_as_ndarray(samples: GrowArray[np.float64]) -> None:
    assert_type(np.add(samples, 1, out=samples), NDArray[Any])
    assert_type(np.concatenate((samples, samples)), NDArray[np.float64])
    assert_type(samples.mean(), Any)
    assert_type(samples.sum(axis=0), Any)
    assert_type(samples[0], Any)
    assert_type(samples + 1, NDArray[np.float64])
    assert_type(samples > 1, NDArray[np.bool_])
    assert_type(
        samples.reshape(2, 3), np.ndarray[tuple[int, int], np.dtype[np.float64]]
    )
    assert_type(samples.astype(np.int16), NDArray[np.int16])
    assert_type(samples.T, NDArray[np.float64])
    samples += 1
    samples *= samples
    assert_type(samples, GrowArray[np.float64])


def fields_of_records(records: GrowArray[np.void], any_rows: GrowArray[Any]) -> None:
    assert_type(records["field"], NDArray[Any])
    assert_type(records[["t", "id"]], NDArray[np.void])
    assert_type(any_rows.mean(), Any)


def mistakes(samples: GrowArray[np.float64]) -> None:
    samples.apend(1)  # type: ignore[attr-defined]
    samples.meen()  # type: ignore[attr-defined]
    key: Hashable = samples  # type: ignore[assignment]
    print(key, {samples: 1})  # pyright: ignore[reportUnhashable]


def item_type_is_covariant(samples: GrowArray[np.float64]) -> GrowArray[np.generic]:
    return samples


def rows_filled_in_place(samples: GrowArray[np.float32], sock: socket.socket) -> None:
    assert_type(samples.spare(10), NDArray[np.float32])
    samples.commit(5)
    assert_type(samples.readfrom(sock), int | None)
    assert_type(samples.readfrom(3, 10), int | None)
    assert_type(samples.pending_nbytes, int)
    assert_type(GrowArray(maxlen=3).maxlen, int | None)
    assert_type(samples.to_numpy(), NDArray[np.float32])
