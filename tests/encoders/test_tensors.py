"""safetensors files: the safetensors library reads ours and we read its, and nothing that is not whole."""

import json
import tracemalloc
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import safetensors
import safetensors.numpy
from caffe_files import SeededWeights, narrow, shapes, write_caffemodel
from numpy.typing import NDArray

from i2v_search.encoders import tensors
from i2v_search.encoders.tensors import map_tensors, tensor_offsets, write_tensors
from i2v_search.encoders.weights.caffemodel import read_caffemodel
from i2v_search.errors import WeightsError

DTYPES = ["f2", "f4", "f8", "i1", "i2", "i4", "i8", "u1", "u2", "u4", "u8", "?"]


def odd_arrays() -> dict[str, NDArray[Any]]:
    """Every type, and sizes that are no multiple of anything."""
    generator = np.random.default_rng(0)
    arrays = {f"d.{name}": generator.integers(0, 2, (3, 5)).astype(name) for name in DTYPES}
    return arrays | {"scalar": np.array(2.5, np.float32), "イ \"'": np.ones(1, np.uint8)}


@pytest.mark.parametrize(
    "arrays", [odd_arrays(), narrow("tag", "feature", "encode2")], ids=["odd", "network"]
)
def test_the_library_reads_what_we_write(tmp_path: Path, arrays: dict[str, NDArray[Any]]) -> None:
    file = tmp_path / "w.safetensors"
    write_tensors(file, arrays, {"head": "tag", "名": "値"})
    theirs = safetensors.numpy.load_file(file)
    assert set(theirs) == set(arrays)
    for name, array in arrays.items():
        assert theirs[name].dtype == array.dtype
        assert np.array_equal(theirs[name].reshape(array.shape), array)
    with safetensors.safe_open(file, framework="numpy") as opened:
        assert opened.metadata() == {"head": "tag", "名": "値"}


@pytest.mark.parametrize("arrays", [odd_arrays(), narrow("feature")], ids=["odd", "network"])
def test_we_read_what_the_library_writes(tmp_path: Path, arrays: dict[str, NDArray[Any]]) -> None:
    safetensors.numpy.save_file(arrays, tmp_path / "w.safetensors", {"k": "v"})
    found = map_tensors(tmp_path / "w.safetensors")
    assert set(found) == set(arrays)
    for name, array in arrays.items():
        assert found[name].dtype == array.dtype
        assert found[name].shape == array.shape
        assert found[name].tobytes() == array.tobytes()
        assert not found[name].flags.writeable


def test_the_bytes_of_a_file_are_fixed(tmp_path: Path) -> None:
    """ONNX graphs beside such files refer to byte offsets."""
    file = tmp_path / "w.safetensors"
    write_tensors(file, {"b": np.array([1, 2], np.float32), "a": np.array([3], np.float32)}, {"m": "1"})
    header = (
        b'{"__metadata__":{"m":"1"},"b":{"dtype":"F32","shape":[2],"data_offsets":[0,8]},'
        b'"a":{"dtype":"F32","shape":[1],"data_offsets":[8,12]}}'
    )
    padded = header.ljust(184)
    assert file.read_bytes() == (184).to_bytes(8, "little") + padded + bytes.fromhex(
        "0000803f0000004000004040"
    )


def test_offsets_lead_to_the_data(tmp_path: Path) -> None:
    weights = narrow("tag", "feature")
    write_tensors(tmp_path / "w", weights, {})
    content = (tmp_path / "w").read_bytes()
    for name, (offset, length) in tensor_offsets(tmp_path / "w").items():
        assert content[offset : offset + length] == weights[name].tobytes()


@pytest.mark.parametrize("models", [("tag",), ("feature",), ("feature", "encode2")])
def test_tensors_of_a_published_model_are_aligned(tmp_path: Path, models: tuple[str, ...]) -> None:
    """1,539 tags make one bias that is no multiple of 64 bytes: it comes last."""
    widths = tuple(16 * (1 + number) for number in range(11))
    weights = SeededWeights(shapes(*models, widths=widths, tags=1539, dimension=64))
    write_tensors(tmp_path / "w", weights, {})
    assert all(offset % 64 == 0 for offset, _ in tensor_offsets(tmp_path / "w").values())
    assert all(array.flags.aligned for array in map_tensors(tmp_path / "w").values())


def test_any_strides_are_written_in_order(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("i2v_search.encoders.filemap.BLOCK_BYTES", 64)
    array = np.arange(3000, dtype=np.float32).reshape(10, 20, 15)
    arrays = {
        "plain": array,
        "transposed": array.T,
        "stepped": array[::2, 1::3, ::-1],
        "broadcast": np.broadcast_to(array[0, 0], (7, 15)),
        "big-endian": array.astype(">f4"),
        "row": array.reshape(-1)[::7],
    }
    write_tensors(tmp_path / "w", arrays, {})
    for name, found in map_tensors(tmp_path / "w").items():
        assert np.array_equal(found, arrays[name]), name


def test_a_caffemodel_is_converted_within_a_few_megabytes(tmp_path: Path) -> None:
    weights = SeededWeights(shapes("feature", widths=(8,) * 10 + (64,), dimension=2048))
    file = write_caffemodel(tmp_path / "net", weights)
    assert file.stat().st_size > 25_000_000
    tracemalloc.start()
    try:
        write_tensors(tmp_path / "w", read_caffemodel(file), {})
        assert tracemalloc.get_traced_memory()[1] < 1_000_000
    finally:
        tracemalloc.stop()
    assert all(
        array.tobytes() == weights[name].tobytes() for name, array in map_tensors(tmp_path / "w").items()
    )


def test_a_failed_write_leaves_the_old_file(tmp_path: Path) -> None:
    file = tmp_path / "w"
    write_tensors(file, {"a": np.ones(3, np.float32)}, {})
    before = file.read_bytes()
    with pytest.raises(WeightsError, match=r"'b', \(0,\) of float32, cannot be stored"):
        write_tensors(file, {"a": np.zeros(3, np.float32), "b": np.zeros(0, np.float32)}, {})
    assert file.read_bytes() == before
    assert [path.name for path in tmp_path.iterdir()] == ["w"]


@pytest.mark.parametrize("name", ["", "__metadata__"])
def test_names_the_format_keeps_for_itself_are_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(WeightsError, match="cannot be stored"):
        write_tensors(tmp_path / "w", {name: np.ones(1, np.float32)}, {})


@pytest.mark.parametrize("array", [np.ones(2, np.complex64), np.array(["a"]), np.array([None])])
def test_types_the_format_lacks_are_refused(tmp_path: Path, array: NDArray[Any]) -> None:
    with pytest.raises(WeightsError, match="cannot be stored"):
        write_tensors(tmp_path / "w", {"a": array}, {})


def test_a_header_too_long_to_be_read_is_not_written(tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match="a header of"):
        write_tensors(tmp_path / "w", {"a": np.ones(1)}, {"m": "x" * tensors.MAX_HEADER})


# --- damaged files


def entry(dtype: str = "F32", shape: Any = (1,), offsets: Any = (0, 4)) -> dict[str, Any]:
    return {"dtype": dtype, "shape": shape, "data_offsets": offsets}


def damaged(header: Any, data: bytes = bytes(4)) -> bytes:
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return len(text).to_bytes(8, "little") + text + data


HEADERS: dict[str, tuple[bytes, str]] = {
    "short": (b"\x01\x02\x03", "expected safetensors"),
    "length over the file": ((2**20).to_bytes(8, "little") + b"{}", "expected safetensors"),
    "length over the limit": ((2**40).to_bytes(8, "little") + b"{}", "expected safetensors"),
    "not JSON": (damaged(b"{nonsense}"), "not valid JSON"),
    "not UTF-8": (damaged(b'{"\xff":1}'), "not valid JSON"),
    "deep": (damaged(b"[" * 100_000), "not valid JSON"),
    "long number": (damaged(b'{"a":' + b"9" * 10_000 + b"}"), "not valid JSON"),
    "a list": (damaged([]), "not a JSON object"),
    "twice": (damaged(b'{"a":1,"a":1}'), "duplicate name"),
    "metadata of numbers": (damaged({"__metadata__": {"a": 1}}), "must map text to text"),
    "no entry": (damaged({"a": 5}), "expected dtype, shape and data_offsets"),
    "more in an entry": (damaged({"a": entry() | {"x": 1}}), "expected dtype, shape and data_offsets"),
    "bfloat16": (damaged({"a": entry("BF16", (2,))}), "has dtype 'BF16'.*convert it to F32"),
    "dtype of no kind": (damaged({"a": entry([])}), "has dtype"),  # type: ignore[arg-type]
    "negative": (damaged({"a": entry(shape=(-1,))}), "non-negative integers"),
    "boolean": (damaged({"a": entry(shape=(True,))}), "non-negative integers"),
    "float": (damaged({"a": entry(shape=(1.0,))}), "non-negative integers"),
    "huge": (damaged({"a": entry(shape=(2**60,))}), "non-negative integers"),
    "overflowing": (damaged({"a": entry(shape=(2**40, 2**40))}), "in 4 bytes"),
    "many dimensions": (damaged({"a": entry(shape=(1,) * 9)}), "non-negative integers"),
    "three offsets": (damaged({"a": entry(offsets=(0, 4, 8))}), "non-negative integers"),
    "backwards": (damaged({"a": entry(offsets=(4, 0))}), "in -4 bytes"),
    "empty": (damaged({"a": entry(shape=(0,), offsets=(0, 0))}), "in 0 bytes"),
    "too short for its shape": (damaged({"a": entry(shape=(2,))}), "in 4 bytes"),
    "a hole": (damaged({"a": entry(offsets=(4, 8))}, bytes(8)), "starts at byte"),
    "overlapping": (damaged({"a": entry(), "b": entry()}), "starts at byte"),
    "data left over": (damaged({"a": entry()}, bytes(5)), "the file is truncated or damaged"),
    "data missing": (damaged({"a": entry()}, bytes(3)), "the file is truncated or damaged"),
}


@pytest.mark.parametrize("case", HEADERS)
def test_a_header_that_does_not_describe_the_data_is_refused(tmp_path: Path, case: str) -> None:
    content, expected = HEADERS[case]
    (tmp_path / "w").write_bytes(content)
    for read in (map_tensors, tensor_offsets):
        with pytest.raises(WeightsError, match=expected):
            read(tmp_path / "w")


def test_tensors_have_a_few_dimensions(tmp_path: Path) -> None:
    for count in (0, tensors.MAX_DIMENSIONS):
        (tmp_path / "w").write_bytes(damaged({"a": entry(shape=[1] * count)}))
        assert map_tensors(tmp_path / "w")["a"].ndim == count
    (tmp_path / "w").write_bytes(damaged({"a": entry(shape=[1] * (tensors.MAX_DIMENSIONS + 1))}))
    with pytest.raises(WeightsError, match="lists of a few non-negative integers"):
        map_tensors(tmp_path / "w")
