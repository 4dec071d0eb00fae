"""Pass a GrowArray to libraries that take arrays: each line of the table in
docs/arrays.md is a test here.

`make consumers` installs the libraries. Those that are missing are skipped.
"""

import re
import warnings
from pathlib import Path

import pytest

import growbuf

np = pytest.importorskip("numpy")
GrowArray = growbuf.GrowArray
TABLE = Path(__file__).resolve().parent.parent / "docs" / "arrays.md"
RECORD = np.dtype([("x", "f8"), ("y", "i4")])
TESTED = {}

pytestmark = pytest.mark.skipif(
    growbuf.info()["strategy"] == "heap", reason="consumers hold views"
)


def consumer(call):
    """Say which line of the table a test is for."""

    def remember(test):
        TESTED[call] = test
        return test

    return remember


def floats():
    return GrowArray(np.arange(6.0))


def columns():
    return GrowArray(np.arange(6.0).reshape(3, 2))


def records():
    return GrowArray([(1.5, 2), (2.5, 3)], dtype=RECORD)


def mask():
    return GrowArray([True, False, True, False, True, False])


def shares(array, shown):
    return np.shares_memory(array.array, np.asarray(shown))


def address(array):
    return array.array.__array_interface__["data"][0]


class Whole(GrowArray):
    """An array that must not be iterated over."""

    def __iter__(self):
        raise AssertionError("it goes item by item")


def test_each_line_of_the_table_is_tested():
    if not TABLE.exists():
        pytest.skip("the tests run without their checkout")
    text = TABLE.read_text().split("\n## What others make of it\n")[1].split("\n## ")[0]
    listed = re.findall(r"^\| `(.+?)` \|", text, re.MULTILINE)
    assert sorted(listed) == sorted(TESTED)


# ------------------------------------------------------------------------- NumPy


@consumer("np.ctypeslib.as_ctypes(a)")
def test_as_ctypes_of_growarray_shares_the_rows():
    array = floats()
    np.ctypeslib.as_ctypes(array)[2] = 9.0
    assert array[2] == 9.0


@consumer("np.rec.array(a)")
def test_rec_array_of_growarray_has_its_fields():
    assert np.rec.array(records()).y.tolist() == [2, 3]


# ------------------------------------------------------------------------ pandas


@consumer("pd.Series(a)")
def test_pandas_series_of_growarray_has_its_values():
    pd = pytest.importorskip("pandas")
    array = floats()
    series = pd.Series(array, copy=False)
    assert series.tolist() == array.tolist() and shares(array, series)


@consumer("pd.DataFrame(a)")
def test_pandas_frame_of_growarray_has_its_values():
    pd = pytest.importorskip("pandas")
    assert pd.DataFrame(columns()).to_numpy().tolist() == columns().tolist()
    assert list(pd.DataFrame(records()).columns) == [0]
    assert list(pd.DataFrame(records().array).columns) == ["x", "y"]


@consumer("df[mask]")
def test_pandas_mask_by_growarray_selects_rows():
    pd = pytest.importorskip("pandas")
    frame = pd.DataFrame({"x": np.arange(6.0)})
    with pytest.raises(KeyError):
        frame[mask()]
    assert frame[mask().array].x.tolist() == [0, 2, 4]
    assert frame.loc[mask().array].x.tolist() == [0, 2, 4]


@consumer("series.isin(a)")
def test_pandas_isin_growarray_finds_values():
    pd = pytest.importorskip("pandas")
    series = pd.Series([1.0, 7.0])
    assert series.isin(floats()).tolist() == [True, False]
    with pytest.raises(AssertionError, match="item by item"):
        series.isin(Whole(floats()))
    assert series.isin(Whole(floats()).array).tolist() == [True, False]


# ----------------------------------------------------------------- Arrow, polars


@consumer("pa.array(a)")
def test_pyarrow_array_of_growarray_shares_the_rows():
    pa = pytest.importorskip("pyarrow")
    for array in (floats(), GrowArray(np.arange(4).astype("M8[us]"))):
        arrow = pa.array(array)
        assert arrow.buffers()[1].address == address(array)
        assert arrow.to_numpy().tolist() == array.tolist()
    lists = pa.array(array := columns())
    assert lists.type == pa.list_(pa.float64(), 2)
    assert lists.flatten().buffers()[1].address == address(array)
    assert pa.array(mask()).to_pylist() == mask().tolist()
    assert pa.array(records()).to_pylist() == [{"x": 1.5, "y": 2}, {"x": 2.5, "y": 3}]
    assert pa.array(GrowArray(["ab", "c"])).to_pylist() == ["ab", "c"]
    assert pa.array(GrowArray([b"ab"])).type == pa.binary(2)
    assert pa.array(floats(), type=pa.float32()).type == pa.float32()
    times = GrowArray(np.array(["2020-01-01", "NaT"], "M8[D]"))
    assert pa.array(times).type == pa.date32() and pa.array(times).null_count == 1
    for made in (lists, pa.array(records()), pa.array(times), pa.array(mask())):
        made.validate(full=True)


@consumer("pa.record_batch(a)")
def test_pyarrow_record_batch_of_growarray_has_its_fields():
    pa = pytest.importorskip("pyarrow")
    batch = pa.record_batch(records())
    assert batch.schema.names == ["x", "y"]
    batch.validate(full=True)


@consumer("pl.Series(a)")
def test_polars_series_of_growarray_has_its_values():
    pl = pytest.importorskip("polars")
    assert pl.Series(floats()).to_list() == floats().tolist()
    assert pl.Series(mask()).to_list() == mask().tolist()
    assert pl.Series(columns()).to_list() == columns().tolist()
    assert pl.Series(records()).to_list() == [{"x": 1.5, "y": 2}, {"x": 2.5, "y": 3}]


@consumer("pl.DataFrame(a)")
def test_polars_frame_of_growarray_has_its_fields():
    pl = pytest.importorskip("polars")
    assert pl.DataFrame(records()).columns == ["x", "y"]
    with pytest.raises(pl.exceptions.SchemaError):
        pl.DataFrame(columns())
    assert pl.DataFrame(columns().array).shape == (3, 2)
    assert pl.DataFrame({"x": floats()}).shape == (6, 1)


# ------------------------------------------------------------ science, computing


@consumer("scipy.signal.lfilter(b, x, a)")
def test_scipy_functions_take_growarray():
    signal = pytest.importorskip("scipy.signal")
    sparse = pytest.importorskip("scipy.sparse")
    assert signal.lfilter([1], [1], floats()).tolist() == floats().tolist()
    assert sparse.csr_array(columns()).toarray().tolist() == columns().tolist()


@consumer("LinearRegression().fit(a, y)")
def test_sklearn_model_fits_growarrays():
    linear_model = pytest.importorskip("sklearn.linear_model")
    model = linear_model.LinearRegression().fit(columns(), GrowArray([1.0, 2.0, 3.0]))
    assert np.allclose(model.predict(columns()), [1, 2, 3])


@consumer("xr.DataArray(a)")
def test_xarray_of_growarray_has_its_values():
    xr = pytest.importorskip("xarray")
    array = floats()
    made = xr.DataArray(array)
    assert made.mean().item() == 2.5 and shares(array, made.values)


@consumer("da.from_array(a)")
def test_dask_from_growarray_has_its_values():
    da = pytest.importorskip("dask.array")
    assert da.from_array(floats(), chunks=2).sum().compute() == 15


@consumer("numba.njit(f)(a)")
def test_numba_function_takes_growarray():
    numba = pytest.importorskip("numba")

    @numba.njit
    def total(values):
        result = 0.0
        for value in values:
            result += value
        return result

    assert total(floats()) == total(floats().array) == 15


@consumer("astropy.table.Table(a)")
def test_astropy_table_of_growarray_has_its_values():
    table = pytest.importorskip("astropy.table")
    with pytest.raises(ValueError):
        table.Table(records())
    assert table.Table(records().array).colnames == ["x", "y"]
    assert table.Table({"x": floats()})["x"].tolist() == floats().tolist()


@consumer("astropy.units.Quantity(a)")
def test_astropy_quantity_of_growarray_has_its_values():
    units = pytest.importorskip("astropy.units")
    array = floats()
    assert shares(array, units.Quantity(array, "m", copy=False).value)
    assert (array * units.m).unit == units.m


# ------------------------------------------------------------------------- files


@consumer("file.create_dataset(name, data=a)")
def test_h5py_dataset_of_growarray_has_its_values(tmp_path):
    h5py = pytest.importorskip("h5py")
    with h5py.File(tmp_path / "x.h5", "w") as file:
        assert file.create_dataset("x", data=floats())[:].tolist() == floats().tolist()
        file["x"][:] = floats() + 1
        assert file.create_dataset("r", data=records())["y"].tolist() == [2, 3]


@consumer("dataset.read_direct(a)")
def test_h5py_read_direct_fills_growarray(tmp_path):
    h5py = pytest.importorskip("h5py")
    with h5py.File(tmp_path / "x.h5", "w") as file:
        dataset = file.create_dataset("x", data=np.arange(6.0))
        array = GrowArray([7.0])
        with pytest.raises(TypeError):
            dataset.read_direct(array)
        dataset.read_direct(array.spare(6))
        array.commit(6)
        assert array.tolist() == [7, 0, 1, 2, 3, 4, 5]


@consumer("zarr.array(a)")
def test_zarr_array_of_growarray_has_its_values():
    zarr = pytest.importorskip("zarr")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        assert zarr.array(floats())[:].tolist() == floats().tolist()


@consumer("soundfile.read(file, out=a)")
def test_soundfile_write_and_read_use_growarray(tmp_path):
    soundfile = pytest.importorskip("soundfile")
    path, sound = tmp_path / "x.wav", np.linspace(-0.5, 0.5, 200).reshape(100, 2)
    soundfile.write(path, GrowArray(sound), 8000, subtype="DOUBLE")
    array = GrowArray(np.zeros((100, 2)))
    soundfile.read(path, out=array)
    assert array.tolist() == sound.tolist()
    soundfile.read(path, out=array.spare(100))
    array.commit(100)
    assert array[100:].tolist() == sound.tolist()


# ---------------------------------------------------------------------- pictures


@consumer("plt.hist(a)")
def test_matplotlib_hist_of_growarray_counts_its_values():
    pyplot = matplotlib_pyplot()
    figure, axes = pyplot.subplots()
    assert axes.hist(Whole(floats()))[0].sum() == 6
    pyplot.close(figure)


@consumer("plt.plot(a)")
def test_matplotlib_plot_of_growarray_draws_its_values():
    pyplot = matplotlib_pyplot()
    figure, axes = pyplot.subplots()
    (line,) = axes.plot(floats())
    assert line.get_ydata().tolist() == floats().tolist()
    axes.imshow(columns())
    axes.scatter(floats(), floats())
    pyplot.close(figure)


def matplotlib_pyplot():
    pytest.importorskip("matplotlib").use("Agg")
    from matplotlib import pyplot

    return pyplot


@consumer("PIL.Image.fromarray(a)")
def test_pillow_image_of_growarray_has_its_values():
    image = pytest.importorskip("PIL.Image")
    array = GrowArray(np.arange(60, dtype="u1").reshape(4, 5, 3))
    made = image.fromarray(array)
    assert made.size == (5, 4) and made.mode == "RGB"
    assert np.asarray(made).tolist() == array.tolist()


@consumer("cv2.GaussianBlur(a, (3, 3), 0)")
def test_opencv_functions_take_growarray():
    cv2 = pytest.importorskip("cv2")
    array = GrowArray(np.zeros((4, 5), "u1"))
    with pytest.raises(cv2.error):
        cv2.GaussianBlur(array, (3, 3), 0)
    assert cv2.GaussianBlur(array.array, (3, 3), 0).shape == (4, 5)
