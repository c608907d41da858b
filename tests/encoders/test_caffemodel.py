"""Caffe's binary files are read without Caffe: both syntaxes, all ways to write data, what is refused."""

from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from caffe_files import (
    STYLES,
    Style,
    blob,
    integer,
    layer,
    length,
    narrow,
    nested,
    prototxt,
    varint,
    write_binaryproto,
    write_caffemodel,
)
from numpy.typing import NDArray

from i2v_search.encoders.filemap import FileMap
from i2v_search.encoders.weights.caffemodel import read_binaryproto, read_caffemodel, read_mean
from i2v_search.errors import WeightsError

MODELS = {"tag": ("tag",), "feature": ("feature", "encode2")}
BIAS = np.arange(4, dtype=np.float32)


def assert_equal(found: dict[str, NDArray[np.float32]], expected: dict[str, NDArray[np.float32]]) -> None:
    """Bit for bit, in order."""
    assert list(found) == list(expected)
    for name, array in found.items():
        assert array.dtype == np.float32
        assert array.shape == expected[name].shape, name
        assert array.tobytes() == expected[name].tobytes(), name
        assert not array.flags.writeable


def write(path: Path, *parts: object) -> Path:
    """Parts of a message as a file."""
    data = b"".join(part if isinstance(part, bytes) else part.tobytes() for part in parts)  # type: ignore[attr-defined]
    path.write_bytes(data)
    return path


@pytest.mark.parametrize("style", STYLES)
@pytest.mark.parametrize("model", MODELS)
def test_every_way_to_write_the_same_weights_reads_the_same(tmp_path: Path, model: str, style: str) -> None:
    weights = narrow(*MODELS[model])
    assert_equal(read_caffemodel(write_caffemodel(tmp_path / "net", weights, STYLES[style])), weights)


def test_special_values_keep_their_bits(tmp_path: Path) -> None:
    weights = narrow("tag")
    weights["conv1_1.bias"] = np.array([np.nan, -0.0], np.float32)
    weights["conv2_1.bias"] = np.array([np.inf, 1e-45, -np.inf], np.float32)
    assert_equal(read_caffemodel(write_caffemodel(tmp_path / "net", weights)), weights)


def test_packed_floats_are_views_of_the_file(tmp_path: Path) -> None:
    for array in read_caffemodel(write_caffemodel(tmp_path / "net", narrow("feature"))).values():
        base: object = array
        while isinstance(base, np.ndarray):
            base = base.base
        assert isinstance(base, FileMap)


@pytest.mark.parametrize("style", ["current", "legacy", "extras"])
@pytest.mark.parametrize("model", MODELS)
def test_opencv_reads_the_same_blobs(tmp_path: Path, model: str, style: str) -> None:
    weights = narrow(*MODELS[model])
    file = write_caffemodel(tmp_path / "net.caffemodel", weights, STYLES[style])
    (tmp_path / "net.prototxt").write_text(prototxt(weights, STYLES[style].syntax))
    network = cv2.dnn.readNetFromCaffe(str(tmp_path / "net.prototxt"), str(file))
    found = read_caffemodel(file)
    for name in {key.rpartition(".")[0] for key in weights}:
        theirs = network.getLayer(name).blobs
        for part, array in zip(("weight", "bias"), theirs, strict=True):
            ours = found[f"{name}.{part}"]
            assert np.array_equal(np.ravel(array), ours.ravel()), f"{name}.{part}"
            if array.ndim == ours.ndim:
                assert array.shape == ours.shape


# --- what is refused


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (b"", "is empty"),
        (b"\xa2\x06\x05abc", r"damaged at byte 0 of 6: expected 5 bytes in field 100, found 3"),
        (b"\x0a\x80", "at byte 1 of 2: expected the length of field 1, found the end of the message"),
        (b"\x80" * 20, "expected a field as a varint of at most 10 bytes, found a longer one"),
        (b"\x0b\x0c", r"expected a wire type of 0, 1, 2 or 5 \(groups are not read\), found 3"),
        (b"\x00\x00", "expected a field number from 1 to 536870911, found 0"),
        (b"\x45\x00\x00", "expected 4 bytes in field 8, found 2"),
        (b"\xa0\x06\x01", r"expected a layer \(length-delimited\), found a varint field"),
        (b"\x0a\x03net", "has no layer with weights"),
    ],
)
def test_a_damaged_message_is_named_by_its_offset(tmp_path: Path, content: bytes, expected: str) -> None:
    with pytest.raises(WeightsError, match=expected):
        read_caffemodel(write(tmp_path / "net", content))


CASES: dict[str, tuple[list[object], str]] = {
    "grouped": (
        [*layer("c", "Convolution", [blob(BIAS)], "layer", nested(106, integer(5, 2)))],
        "layer 'c' convolves in groups",
    ),
    "grouped legacy": (
        [*layer("c", "Convolution", [blob(BIAS)], "layers", nested(10, integer(5, 2)))],
        "layer 'c' convolves in groups",
    ),
    "transposed": (
        [*layer("f", "InnerProduct", [blob(BIAS)], "layer", nested(117, integer(6, 1)))],
        "keeps its weight transposed",
    ),
    "three blobs": ([*layer("bn", "ReLU", [blob(BIAS)] * 3)], "has more than a weight and a bias"),
    "no name": ([*layer("", "ReLU", [blob(BIAS)])], "expected a layer with a name"),
    "bad name": ([*nested(100, nested(1, [b"\xff\xfe"]))], "a layer's name in UTF-8"),
    "long name": ([*layer("n" * 5000, "ReLU", [blob(BIAS)])], "a layer's name of at most 4096 bytes"),
    "twice": ([*layer("c", "ReLU", [blob(BIAS)]) * 2], "c.weight occurs twice"),
    "wrong shape": ([*layer("c", "ReLU", [blob(BIAS, sizes=(5,))])], "expected 5 values in a blob, found 4"),
    "huge shape": ([*layer("c", "ReLU", [blob(BIAS, sizes=(2**40, 2**40))])], "expected 1099511627776 x"),
    "negative shape": ([*layer("c", "ReLU", [blob(BIAS, sizes=(-1, -4))])], "values in a blob, found 4"),
    "many sizes": ([*layer("c", "ReLU", [blob(BIAS, sizes=(1,) * 9)])], "values in a blob"),
    "very many sizes": ([*layer("c", "ReLU", [blob(BIAS, sizes=(1,) * 99)])], "at most 64 sizes of a blob"),
    "no shape": ([*layer("c", "ReLU", [nested(5, [BIAS])])], "expected no values in a blob, found 4"),
    "no data": ([*layer("c", "ReLU", [blob(BIAS[:0])])], "in a blob, found 0"),
    "odd length": ([*layer("c", "ReLU", [nested(5, [b"12345"])])], "in multiples of 4 bytes, found 5 bytes"),
    "data as integers": ([*layer("c", "ReLU", [integer(5, 1)])], r"expected a blob's data \(32-bit\)"),
    "both": (
        [*layer("c", "ReLU", [blob(BIAS) + blob(BIAS, Style(double=True))])],
        "float data or double data in a blob, found both",
    ),
    "wide bias": ([*layer("c", "ReLU", [blob(BIAS), blob(BIAS.reshape(2, 2))])], "the bias of layer 'c'"),
}


@pytest.mark.parametrize("case", CASES)
def test_a_foreign_or_damaged_layer_is_refused(tmp_path: Path, case: str) -> None:
    parts, expected = CASES[case]
    with pytest.raises(WeightsError, match=expected) as caught:
        read_caffemodel(write(tmp_path / "net", *parts))
    assert len(str(caught.value)) < 500


@pytest.mark.integration
def test_a_file_of_countless_fields_is_refused_at_once(tmp_path: Path) -> None:
    """Each would cost time; no file of weights has so many."""
    with pytest.raises(WeightsError, match="at most 200000 fields"):
        read_caffemodel(write(tmp_path / "net", b"\x18\x00\x20\x00" * 500_000))


def test_unpacked_runs_that_change_their_tag_are_told_apart(tmp_path: Path) -> None:
    """Field 5, then 6 (a diff), then 5 again: the run must stop and go on."""
    values = np.arange(40, dtype=np.float32)
    pieces = [varint(5 << 3 | 5) + value.tobytes() for value in values]
    pieces.insert(21, varint(6 << 3 | 5) + BIAS[:1].tobytes())
    content = [*nested(7, nested(1, [varint(40)])), b"".join(pieces)]
    found = read_caffemodel(write(tmp_path / "net", *layer("c", "ReLU", [content])))
    assert np.array_equal(found["c.weight"], values)


def test_a_missing_file_or_a_folder_is_an_error_of_ours(tmp_path: Path) -> None:
    for path in (tmp_path, tmp_path / "none"):
        with pytest.raises(WeightsError, match="cannot be read"):
            read_caffemodel(path)


def test_the_length_of_a_message_counts_its_parts() -> None:
    assert length([b"ab", np.zeros(3, np.float32)]) == 14


# --- mean images


@pytest.mark.parametrize("style", ["current", "current, old shape", "double", "unpacked", "halves"])
def test_a_binaryproto_is_read_as_an_image(tmp_path: Path, style: str) -> None:
    mean = np.random.default_rng(3).uniform(0, 255, (3, 5, 4)).astype(np.float32)
    file = write_binaryproto(tmp_path / "mean.binaryproto", mean, STYLES[style])
    assert np.array_equal(read_binaryproto(file), mean)
    assert np.array_equal(read_mean(file), mean)


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64, np.uint8])
@pytest.mark.parametrize("order", ["C", "F"])
@pytest.mark.parametrize("shape", [(3, 5, 4), (1, 3, 5, 4)])
def test_an_npy_mean_is_read_whatever_its_layout(
    tmp_path: Path, dtype: type, order: str, shape: tuple[int, ...]
) -> None:
    mean: NDArray[Any] = np.random.default_rng(4).uniform(0, 255, shape).astype(dtype)
    np.save(tmp_path / "mean", np.asarray(mean, order=order))  # type: ignore[call-overload]
    found = read_mean(tmp_path / "mean.npy")
    assert found.dtype == np.float32
    assert np.array_equal(found, mean.reshape(3, 5, 4).astype(np.float32))


@pytest.mark.parametrize(
    ("array", "expected"),
    [
        (np.zeros((5, 4, 3), np.float32), r"has shape \(5, 4, 3\); expected a mean image"),
        (np.zeros(3, np.float32), r"has shape \(3,\)"),
        (np.full((3, 1, 1), np.nan, np.float32), "not finite"),
        (np.zeros((3, 0, 4), np.float32), "expected values"),
        (np.array([None, 1], object), "pickled objects are refused"),
        (np.zeros((3, 1, 1), np.complex64), "not a plain array of floats"),
        (np.zeros((3, 1, 1), ">f4"), "not a plain array of floats"),
    ],
)
def test_an_npy_that_is_no_mean_is_refused(tmp_path: Path, array: NDArray[np.generic], expected: str) -> None:
    np.save(tmp_path / "mean.npy", array, allow_pickle=True)
    with pytest.raises(WeightsError, match=expected):
        read_mean(tmp_path / "mean.npy")


def test_a_cut_npy_is_refused_before_memory_is_taken(tmp_path: Path) -> None:
    file = tmp_path / "mean.npy"
    np.save(file, np.zeros((3, 4, 4), np.float32))
    whole = file.read_bytes()
    file.write_bytes(whole[:-1])
    with pytest.raises(WeightsError, match="holds 191 bytes of data; its header"):
        read_mean(file)
    file.write_bytes(whole.replace(b"(3, 4, 4), }      ", b"(3, 999999, 9999)}"))
    with pytest.raises(WeightsError):
        read_mean(file)
