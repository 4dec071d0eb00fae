from collections.abc import Iterable, Iterator
from types import EllipsisType, GenericAlias
from typing import Any, Generic, Self, SupportsIndex, TypeAlias, overload

import numpy as np
from numpy.typing import ArrayLike, DTypeLike, NDArray
from typing_extensions import TypeVar

from ._growbuf import GrowBuffer, Rows

__all__ = ["GrowArray"]

_Scalar = TypeVar("_Scalar", bound=np.generic)
# What the items are: GrowArray[np.float64], as in numpy.typing.NDArray.
_Item = TypeVar("_Item", bound=np.generic, default=Any, covariant=True)

_RowShape: TypeAlias = SupportsIndex | Iterable[SupportsIndex]
_OfItem: TypeAlias = type[_Scalar] | np.dtype[_Scalar]
_Rows: TypeAlias = (
    slice | EllipsisType | list[int] | NDArray[np.bool_] | NDArray[np.integer[Any]]
)

class GrowArray(Rows, Generic[_Item]):
    @overload
    def __new__(
        cls,
        data: None = None,
        *,
        dtype: None = None,
        row_shape: _RowShape | None = None,
        limit: SupportsIndex | None = None,
    ) -> GrowArray[np.float64]: ...
    @overload
    def __new__(
        cls,
        data: ArrayLike | Iterable[Any] | None = None,
        *,
        dtype: _OfItem[_Scalar],
        row_shape: _RowShape | None = None,
        limit: SupportsIndex | None = None,
    ) -> GrowArray[_Scalar]: ...
    @overload
    def __new__(
        cls,
        data: NDArray[_Scalar],
        *,
        dtype: None = None,
        row_shape: _RowShape | None = None,
        limit: SupportsIndex | None = None,
    ) -> GrowArray[_Scalar]: ...
    @overload
    def __new__(
        cls,
        data: ArrayLike | Iterable[Any] | None = None,
        *,
        dtype: DTypeLike | None = None,
        row_shape: _RowShape | None = None,
        limit: SupportsIndex | None = None,
    ) -> GrowArray[Any]: ...
    @overload
    @classmethod
    def from_buffer(
        cls,
        buffer: GrowBuffer,
        dtype: _OfItem[_Scalar],
        row_shape: _RowShape = (),
    ) -> GrowArray[_Scalar]: ...
    @overload
    @classmethod
    def from_buffer(
        cls, buffer: GrowBuffer, dtype: DTypeLike, row_shape: _RowShape = ()
    ) -> GrowArray[Any]: ...
    def __class_getitem__(cls, item: Any, /) -> GenericAlias: ...
    @property
    def array(self) -> NDArray[_Item]: ...
    @property
    def dtype(self) -> np.dtype[_Item]: ...
    @property
    def ndim(self) -> int: ...
    @property
    def size(self) -> int: ...
    @property
    def itemsize(self) -> int: ...
    @property
    def nbytes(self) -> int: ...
    @property
    def capacity(self) -> int: ...
    @property
    def limit(self) -> int | None: ...
    @property
    def stable(self) -> bool: ...
    def append(self, row: ArrayLike, /) -> None: ...
    def extend(self, rows: ArrayLike | Iterable[Any], /) -> None: ...
    def insert(self, index: SupportsIndex, row: ArrayLike, /) -> None: ...
    def resize(self, nrows: SupportsIndex, /) -> None: ...
    def reserve(self, nrows: SupportsIndex, /) -> None: ...
    def pop(self, index: SupportsIndex = -1, /) -> Any: ...
    def clear(self) -> None: ...
    def trim(self) -> None: ...
    def detach(self) -> NDArray[_Item]: ...
    def copy(self) -> Self: ...
    def __iter__(self) -> Iterator[Any]: ...
    @overload
    def __getitem__(self, key: _Rows, /) -> NDArray[_Item]: ...
    @overload
    def __getitem__(self, key: str | list[str], /) -> NDArray[Any]: ...
    @overload
    def __getitem__(self, key: Any, /) -> Any: ...
    @overload
    def __array__(
        self, dtype: None = None, copy: bool | None = None
    ) -> NDArray[_Item]: ...
    @overload
    def __array__(
        self, dtype: np.dtype[_Scalar], copy: bool | None = None
    ) -> NDArray[_Scalar]: ...
    def __dlpack__(self, **options: Any) -> Any: ...
    def __dlpack_device__(self) -> tuple[int, int]: ...
    def __getattr__(self, name: str) -> Any: ...  # the ndarray's
