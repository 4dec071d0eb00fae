from collections.abc import Iterable
from typing import Any, Generic, Self, SupportsIndex, TypeAlias, overload

import numpy as np
from numpy.typing import ArrayLike, DTypeLike, NDArray
from typing_extensions import TypeVar, disjoint_base

from ._growbuf import GrowBuffer, _Reads, _Receives

__all__ = ["GrowArray"]

_Scalar = TypeVar("_Scalar", bound=np.generic)
# The scalar type of the items: GrowArray[np.float64], as in numpy.typing.NDArray.
_Item = TypeVar("_Item", bound=np.generic, default=Any, covariant=True)

_RowShape: TypeAlias = SupportsIndex | Iterable[SupportsIndex]
_OfItem: TypeAlias = type[_Scalar] | np.dtype[_Scalar]

# At runtime GrowArray is not a subclass of ndarray. But NumPy's functions accept it as
# an ndarray, and it has the methods of an ndarray. The base class here shows them to
# type checkers and editors.
@disjoint_base
class GrowArray(np.ndarray[tuple[Any, ...], np.dtype[_Item]], Generic[_Item]):
    @overload
    def __new__(
        cls,
        data: None = None,
        *,
        dtype: None = None,
        row_shape: _RowShape | None = None,
        limit: SupportsIndex | None = None,
        maxlen: SupportsIndex | None = None,
    ) -> GrowArray[np.float64]: ...
    @overload
    def __new__(
        cls,
        data: ArrayLike | Iterable[Any] | None = None,
        *,
        dtype: _OfItem[_Scalar],
        row_shape: _RowShape | None = None,
        limit: SupportsIndex | None = None,
        maxlen: SupportsIndex | None = None,
    ) -> GrowArray[_Scalar]: ...
    @overload
    def __new__(
        cls,
        data: NDArray[_Scalar],
        *,
        dtype: None = None,
        row_shape: _RowShape | None = None,
        limit: SupportsIndex | None = None,
        maxlen: SupportsIndex | None = None,
    ) -> GrowArray[_Scalar]: ...
    @overload
    def __new__(
        cls,
        data: ArrayLike | Iterable[Any] | None = None,
        *,
        dtype: DTypeLike | None = None,
        row_shape: _RowShape | None = None,
        limit: SupportsIndex | None = None,
        maxlen: SupportsIndex | None = None,
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
    @property
    def array(self) -> NDArray[_Item]: ...
    @property
    def capacity(self) -> int: ...
    @property
    def limit(self) -> int | None: ...
    @property
    def maxlen(self) -> int | None: ...
    @property
    def pending_nbytes(self) -> int: ...
    @property
    def stable(self) -> bool: ...
    def append(self, row: ArrayLike, /) -> None: ...
    def extend(self, rows: ArrayLike | Iterable[Any], /) -> None: ...
    def insert(self, index: SupportsIndex, row: ArrayLike, /) -> None: ...
    def resize(self, nrows: SupportsIndex, /) -> None: ...  # type: ignore[override]
    def to_numpy(self) -> NDArray[_Item]: ...
    @property
    def __array_interface__(self) -> dict[str, Any]: ...
    def __arrow_c_array__(
        self, requested_schema: object | None = None
    ) -> tuple[Any, Any]: ...
    def __arrow_c_schema__(self) -> Any: ...
    def spare(self, nrows: SupportsIndex, /) -> NDArray[_Item]: ...
    def commit(self, nrows: SupportsIndex, /) -> None: ...
    def readfrom(
        self,
        source: SupportsIndex | _Reads | _Receives,
        nrows: SupportsIndex | None = -1,
    ) -> int | None: ...
    def reserve(self, nrows: SupportsIndex, /) -> None: ...
    def pop(self, index: SupportsIndex = -1, /) -> Any: ...
    def clear(self) -> None: ...
    def trim(self) -> None: ...
    def detach(self, nrows: SupportsIndex | None = None, /) -> NDArray[_Item]: ...
    def copy(self) -> Self: ...  # type: ignore[override]
    @property
    def buffer(self) -> GrowBuffer: ...
    @property
    def _buffer(self) -> GrowBuffer: ...
    @property
    def row_shape(self) -> tuple[int, ...]: ...
    def __arrow_array__(self, type: Any = None) -> Any: ...
    def __bytes__(self) -> bytes: ...
    def __delitem__(self, key: Any, /) -> None: ...
    # The methods below return an ndarray where ndarray's return Self. The in-place
    # operators return Self where ndarray's return an ndarray.
    @property
    def T(self) -> NDArray[_Item]: ...  # type: ignore[override]
    @property
    def mT(self) -> NDArray[_Item]: ...  # type: ignore[override]
    def byteswap(self, inplace: bool = False) -> NDArray[_Item]: ...  # type: ignore[override]
    def conj(self) -> NDArray[_Item]: ...  # type: ignore[override]
    def conjugate(self) -> NDArray[_Item]: ...  # type: ignore[override]
    def round(  # type: ignore[override]
        self, decimals: SupportsIndex = 0, out: NDArray[Any] | None = None
    ) -> NDArray[Any]: ...
    def swapaxes(  # type: ignore[override]
        self, axis1: SupportsIndex, axis2: SupportsIndex, /
    ) -> NDArray[_Item]: ...
    def transpose(self, *axes: Any) -> NDArray[_Item]: ...  # type: ignore[override]
    @overload  # type: ignore[override]
    def view(self) -> NDArray[_Item]: ...
    @overload
    def view(self, dtype: _OfItem[_Scalar]) -> NDArray[_Scalar]: ...
    @overload
    def view(self, dtype: Any = ..., type: Any = ...) -> Any: ...
    def __iadd__(self, value: Any, /) -> Self: ...  # type: ignore[misc]
    def __isub__(self, value: Any, /) -> Self: ...  # type: ignore[misc]
    def __imul__(self, value: Any, /) -> Self: ...  # type: ignore[misc]
    def __imatmul__(self, value: Any, /) -> Self: ...  # type: ignore[misc]
    def __itruediv__(self, value: Any, /) -> Self: ...  # type: ignore[misc]
    def __ifloordiv__(self, value: Any, /) -> Self: ...  # type: ignore[misc]
    def __imod__(self, value: Any, /) -> Self: ...  # type: ignore[misc]
    def __ipow__(self, value: Any, /) -> Self: ...  # type: ignore[misc, override]
    def __ilshift__(self, value: Any, /) -> Self: ...  # type: ignore[misc]
    def __irshift__(self, value: Any, /) -> Self: ...  # type: ignore[misc]
    def __iand__(self, value: Any, /) -> Self: ...  # type: ignore[misc]
    def __ior__(self, value: Any, /) -> Self: ...  # type: ignore[misc]
    def __ixor__(self, value: Any, /) -> Self: ...  # type: ignore[misc]
