"""NumPy's files from strangers: NumPy reads what we read, and all else is one error of the library."""

from __future__ import annotations

import io
import zipfile
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays_of
from numpy.typing import NDArray

from i2v_search.encoders.weights.npy import npy_array, read_npz
from i2v_search.errors import WeightsError

HEADER = "{'descr': '<f4', 'fortran_order': False, 'shape': %s, }"


def npy(header: str, data: bytes, version: int = 1) -> bytes:
    """A file with a header of any kind."""
    text = header.encode("latin-1")
    length = len(text).to_bytes(2 if version == 1 else 4, "little")
    return b"\x93NUMPY" + bytes([version, 0]) + length + text + data


def saved(array: NDArray[Any]) -> bytes:
    file = io.BytesIO()
    np.save(file, array)
    return file.getvalue()


def read_both_ways(content: bytes, folder: Path) -> NDArray[Any]:
    """As a file and as the member of an archive, which must agree."""
    with zipfile.ZipFile(folder / "a.npz", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("a.npy", content)
    try:
        alone = npy_array(content, Path("a.npy"))
    except WeightsError:
        with pytest.raises(WeightsError):
            read_npz(folder / "a.npz")
        raise
    np.testing.assert_array_equal(read_npz(folder / "a.npz")["a"], alone)
    return alone


@pytest.mark.integration
@settings(max_examples=100)
@given(
    array=arrays_of.arrays(
        st.sampled_from(["<f2", "<f4", "<f8", "|u1"]),
        arrays_of.array_shapes(min_dims=0, max_dims=5, max_side=5),
        elements=st.integers(0, 255),
    ),
    fortran=st.booleans(),
)
def test_what_numpy_saves_is_read(
    array: NDArray[Any], fortran: bool, tmp_path_factory: pytest.TempPathFactory
) -> None:
    content = saved(np.array(array, order="F" if fortran else "C"))
    found = read_both_ways(content, tmp_path_factory.mktemp("npy"))
    assert (found.dtype, found.shape) == (array.dtype, array.shape)
    np.testing.assert_array_equal(found, array)


@pytest.mark.parametrize(
    "shape",
    [
        "(4)",
        "(4,,)",
        "(4 4)",
        "(, 4)",
        "()",
        "(2,)",
        "(0,)",
        "(4, 0)",
        "(-4,)",
        "(4.0,)",
        "4",
        "(04,)",
        "[4]",
    ],
)
def test_a_shape_that_is_none_or_another_is_refused(shape: str, tmp_path: Path) -> None:
    content = npy(HEADER % shape + " \n", np.arange(4, dtype="<f4").tobytes())
    with pytest.raises(WeightsError, match=r"shape|header"):
        read_both_ways(content, tmp_path)


def test_an_array_has_a_few_dimensions(tmp_path: Path) -> None:
    data = np.ones(1, "<f4").tobytes()
    most = f"({', '.join('1' * 8)})"
    assert read_both_ways(npy(HEADER % most + "\n", data), tmp_path).shape == (1,) * 8
    with pytest.raises(WeightsError, match="header"):
        read_both_ways(npy(HEADER % most.replace(")", ", 1)") + "\n", data), tmp_path)


@pytest.mark.parametrize("descr", ["<f16", ">f4", "|O", "<i4", "<c8", "|b1", "<M8", "|V4"])
def test_what_is_no_float_is_refused(descr: str, tmp_path: Path) -> None:
    content = npy(HEADER.replace("<f4", descr) % "(1,)" + "\n", bytes(16))
    with pytest.raises(WeightsError, match="not a plain array of floats"):
        read_both_ways(content, tmp_path)


@pytest.mark.parametrize("version", [1, 2, 3])
def test_every_version_of_the_format_is_read(version: int, tmp_path: Path) -> None:
    content = npy(HEADER % "(2,)" + "\n", np.array([1, 2], "<f4").tobytes(), version)
    assert read_both_ways(content, tmp_path).tolist() == [1, 2]


@pytest.mark.parametrize("version", [0, 4, 255])
def test_other_versions_are_refused(version: int, tmp_path: Path) -> None:
    content = npy(HEADER % "(2,)" + "\n", np.array([1, 2], "<f4").tobytes(), version)
    with pytest.raises(WeightsError, match=r"expected \.npy of version 1, 2 or 3"):
        read_both_ways(content, tmp_path)


def test_a_file_cut_anywhere_or_too_long_is_refused(tmp_path: Path) -> None:
    whole = saved(np.arange(3, dtype=np.float32))
    for size in range(len(whole)):
        with pytest.raises(WeightsError):
            read_both_ways(whole[:size], tmp_path)
    with pytest.raises(WeightsError):
        read_both_ways(whole + b"\0", tmp_path)


@pytest.mark.integration
@settings(max_examples=300)
@given(place=st.integers(0, 127), value=st.integers(0, 255))
def test_a_changed_byte_is_read_or_refused(
    place: int, value: int, tmp_path_factory: pytest.TempPathFactory
) -> None:
    content = bytearray(saved(np.arange(4, dtype=np.float32)))
    content[place] = value
    with suppress(WeightsError):
        read_both_ways(bytes(content), tmp_path_factory.mktemp("npy"))
