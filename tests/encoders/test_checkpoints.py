"""Every file of weights reads the same, bit for bit; what is damaged or foreign has a named error."""

import io
import os
import pickle
import subprocess
import sys
import warnings
import zipfile
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
import safetensors.numpy
import torch
from caffe_files import CONVOLUTIONS, STYLES, narrow, prototxt, write_caffemodel
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from i2v_search.encoders.networks.illustration2vec import Head, i2v_network
from i2v_search.encoders.networks.layers import onnx_model
from i2v_search.encoders.weights.checkpoints import check_architecture, detect_format, heads, read_weights
from i2v_search.errors import WeightsError

#: Torch takes two seconds to import.
pytestmark = pytest.mark.integration

Arrays = Mapping[str, NDArray[Any]]
TAG, FEATURE, BOTH = narrow("tag"), narrow("feature", "encode2"), narrow("tag", "feature", "encode2")


def assert_equal(found: Arrays, expected: Arrays) -> None:
    """Bit for bit, in order."""
    assert list(found) == list(expected)
    for name, array in found.items():
        assert array.dtype == np.float32
        assert array.shape == expected[name].shape, name
        assert array.tobytes() == expected[name].tobytes(), name
        assert not array.flags.writeable, name


# --- names


def renamed(
    weights: Arrays, layers: Mapping[str, str], parts: tuple[str, str] = ("weight", "bias")
) -> Arrays:
    names = dict(zip(("weight", "bias"), parts, strict=True))
    separator = "/" if parts == ("W", "b") else "."
    split = [(name.partition("."), array) for name, array in weights.items()]
    return {f"{layers.get(layer, layer)}{separator}{names[part]}": array for (layer, _, part), array in split}


def numbered(prefix: str, *numbers: int) -> dict[str, str]:
    return dict(zip((*CONVOLUTIONS, "conv6_4"), (f"{prefix}{number}" for number in numbers), strict=False))


SEQUENTIAL = (0, 3, 6, 8, 11, 13, 16, 18, 21, 23, 25)
VGG = numbered("features.", *SEQUENTIAL[:8]) | {
    "conv6_1": "classifier.0",
    "conv6_2": "classifier.2",
    "conv6_3": "classifier.4",
    "conv6_4": "classifier.6",
}
LAYOUTS: dict[str, tuple[Arrays, Arrays]] = {
    "flat, tag": (TAG, TAG),
    "flat, feature": (FEATURE, FEATURE),
    "blocks": (
        BOTH,
        renamed(
            BOTH, {name: f"block.{name}" for name in CONVOLUTIONS} | {"conv6_4": "tag_classifier.conv6_4"}
        ),
    ),
    "Sequential, tag": (TAG, renamed(TAG, numbered("net.", *SEQUENTIAL, 27))),
    "Sequential, feature": (
        FEATURE,
        renamed(
            FEATURE, numbered("features.", *SEQUENTIAL) | {"encode1": "encode1.0", "encode2": "encode2.0"}
        ),
    ),
    "bare Sequential": (TAG, renamed(TAG, numbered("", *SEQUENTIAL, 28))),
    "bare Sequential without dropout": (TAG, renamed(TAG, numbered("", *SEQUENTIAL, 27))),
    "VGG 11": (TAG, renamed(TAG, VGG)),
    "chainer": (TAG, renamed(TAG, {}, ("W", "b"))),
}


def tensors(arrays: Arrays) -> dict[str, torch.Tensor]:
    return {name: torch.from_numpy(np.array(array)) for name, array in arrays.items()}


def save_torch(path: Path, arrays: Arrays) -> None:
    torch.save(tensors(arrays), path)


def save_old_torch(path: Path, arrays: Arrays) -> None:
    torch.save(tensors(arrays), path, _use_new_zipfile_serialization=False)


def save_npz(path: Path, arrays: Arrays) -> None:
    with path.open("wb") as file:
        np.savez(file, **arrays)  # type: ignore[arg-type]


def save_small_npz(path: Path, arrays: Arrays) -> None:
    with path.open("wb") as file:
        np.savez_compressed(file, **arrays)  # type: ignore[arg-type]


def save_safetensors(path: Path, arrays: Arrays) -> None:
    safetensors.numpy.save_file(dict(arrays), path)


SAVERS: dict[str, Callable[[Path, Arrays], None]] = {
    "torch": save_torch,
    "old torch": save_old_torch,
    "npz": save_npz,
    "compressed npz": save_small_npz,
    "safetensors": save_safetensors,
}


@pytest.mark.parametrize("saver", SAVERS)
@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("prefix", ["", "module.", "module._orig_mod."])
def test_every_layout_in_every_file_reads_the_same(
    tmp_path: Path, layout: str, saver: str, prefix: str
) -> None:
    weights, arrays = LAYOUTS[layout]
    SAVERS[saver](tmp_path / "file", {prefix + name: array for name, array in arrays.items()})
    assert_equal(read_weights(tmp_path / "file"), weights)


def test_vgg_11_itself_is_refused(tmp_path: Path) -> None:
    """Its convolutions bear the names of a port, but fully connected layers follow."""
    trunk = {name: array for name, array in renamed(TAG, VGG).items() if name.startswith("features.")}
    for number in (0, 3, 6):
        trunk |= {f"classifier.{number}.weight": np.zeros((9, 9), np.float32)}
    save_torch(tmp_path / "vgg11.pth", trunk)
    with pytest.raises(WeightsError, match=r"'classifier\.3\.weight', .*not an Illustration2Vec network"):
        read_weights(tmp_path / "vgg11.pth")


@pytest.mark.parametrize("style", STYLES)
def test_a_caffemodel_is_known_by_its_content(tmp_path: Path, style: str) -> None:
    assert_equal(read_weights(write_caffemodel(tmp_path / "a.onnx", FEATURE, STYLES[style])), FEATURE)


def test_names_of_files_say_nothing(tmp_path: Path) -> None:
    for name, saver, expected in (
        ("a.caffemodel", save_npz, "npz"),
        ("a.npz", save_torch, "torch"),
        ("a.pth", save_safetensors, "safetensors"),
        ("a.safetensors", save_old_torch, "torch"),
    ):
        saver(tmp_path / name, TAG)
        assert detect_format(tmp_path / name) == expected


@pytest.mark.parametrize("wrap", ["state_dict", "model_state_dict", "model"])
def test_training_checkpoints_hold_the_state_dict_inside(tmp_path: Path, wrap: str) -> None:
    """As torch's tutorials and Lightning save it, optimiser and all."""
    state = {f"model.{name}": tensor for name, tensor in tensors(TAG).items()}
    torch.save({"epoch": 3, wrap: state, "optimizer": {"state": {}, "lr": 0.1}}, tmp_path / "a.ckpt")
    assert_equal(read_weights(tmp_path / "a.ckpt"), TAG)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64])
def test_other_float_types_become_float32(tmp_path: Path, dtype: torch.dtype) -> None:
    state = {name: tensor.to(dtype) for name, tensor in tensors(TAG).items()}
    torch.save(state, tmp_path / "file")
    expected = {name: tensor.float().numpy() for name, tensor in state.items()}
    assert_equal(read_weights(tmp_path / "file"), expected)
    if dtype != torch.bfloat16:
        for saver in (save_npz, save_safetensors):
            saver(tmp_path / "file", {name: tensor.numpy() for name, tensor in state.items()})
            assert_equal(read_weights(tmp_path / "file"), expected)


def test_strided_and_parameter_tensors(tmp_path: Path) -> None:
    state: dict[str, Any] = dict(tensors(TAG))
    name = "conv3_1.weight"
    state[name] = torch.nn.Parameter(state[name].to(memory_format=torch.channels_last))
    torch.save(state, tmp_path / "file")
    assert_equal(read_weights(tmp_path / "file"), TAG)


def test_a_fortran_ordered_npz(tmp_path: Path) -> None:
    save_npz(tmp_path / "file", {name: np.asfortranarray(array) for name, array in TAG.items()})
    assert_equal(read_weights(tmp_path / "file"), TAG)


# --- ONNX


def without(weights: Arrays, *layers: str) -> Arrays:
    return {name: array for name, array in weights.items() if name.partition(".")[0] not in layers}


def graph_of(head: Head, weights: Arrays) -> onnx.ModelProto:
    return onnx.load_from_string(onnx_model(i2v_network(head), weights))


@pytest.mark.parametrize("head", ["tag", "feature"])
def test_our_own_graphs_read_back(tmp_path: Path, head: Head) -> None:
    weights = TAG if head == "tag" else without(FEATURE, "encode2")
    model = graph_of(head, weights)
    onnx.save(model, tmp_path / "a.onnx")
    assert detect_format(tmp_path / "a.onnx") == "onnx"
    assert_equal(read_weights(tmp_path / "a.onnx"), weights)


class Port(torch.nn.Module):
    """A port with both heads, as people write them."""

    def __init__(self, weights: Arrays) -> None:
        super().__init__()
        layers: list[torch.nn.Module] = []
        for name in CONVOLUTIONS:
            shape = weights[f"{name}.weight"].shape
            layers += [torch.nn.Conv2d(shape[1], shape[0], 3, padding=1), torch.nn.ReLU()]
            if name in ("conv1_1", "conv2_1", "conv3_2", "conv4_2", "conv5_2"):
                layers.append(torch.nn.MaxPool2d(2))
        self.trunk = torch.nn.Sequential(*layers)
        self.conv6_4 = torch.nn.Conv2d(shape[0], weights["conv6_4.weight"].shape[0], 3, padding=1)
        self.encode1 = torch.nn.Linear(shape[0] * 49, weights["encode1.weight"].shape[0])
        self.encode2 = torch.nn.Linear(*weights["encode2.weight"].shape[::-1])
        convolutions = [layer for layer in layers if isinstance(layer, torch.nn.Conv2d)]
        ours = dict(zip(CONVOLUTIONS, convolutions, strict=True))
        with torch.no_grad():
            for name, tensor in tensors(weights).items():
                layer, _, part = name.partition(".")
                module = ours[layer] if layer in ours else getattr(self, layer)
                getattr(module, part).copy_(tensor)

    def forward(self, image: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        trunk = self.trunk(image)
        tags = torch.sigmoid(self.conv6_4(trunk).mean((2, 3)))
        code = self.encode1(trunk.flatten(1))
        return code, tags, torch.sigmoid(self.encode2(torch.sigmoid(code)))


@pytest.mark.integration
@pytest.mark.parametrize("folding", [True, False])
def test_an_export_of_torch_reads_back(tmp_path: Path, folding: bool) -> None:
    file = tmp_path / "a.onnx"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.onnx.export(
            Port(BOTH).eval(),
            (torch.zeros(1, 3, 224, 224),),
            str(file),
            dynamo=False,
            do_constant_folding=folding,
        )
    assert_equal(read_weights(file), BOTH)


def edited(change: Callable[[onnx.GraphProto], object], weights: Arrays = FEATURE) -> onnx.ModelProto:
    model = graph_of("feature", weights)
    change(model.graph)
    return model


def node(graph: onnx.GraphProto, name: str) -> Any:
    return next(node for node in graph.node if node.name == name)


def replace_tensor(graph: onnx.GraphProto, name: str, array: NDArray[Any]) -> None:
    tensor = next(tensor for tensor in graph.initializer if tensor.name == name)
    tensor.CopyFrom(numpy_helper.from_array(array, name))


def use_matmul(graph: onnx.GraphProto) -> None:
    """encode1 as MatMul and Add, its weight stored (in, out)."""
    replace_tensor(graph, "encode1.weight", np.ascontiguousarray(FEATURE["encode1.weight"].T))
    gemm = node(graph, "encode1")
    add = helper.make_node("Add", ["encode1.bias", "product"], ["encode1"])
    gemm.CopyFrom(helper.make_node("MatMul", [gemm.input[0], "encode1.weight"], ["product"]))
    graph.node.append(add)


def use_untransposed_gemm(graph: onnx.GraphProto) -> None:
    replace_tensor(graph, "encode1.weight", np.ascontiguousarray(FEATURE["encode1.weight"].T))
    del node(graph, "encode1").attribute[:]


def use_constants(graph: onnx.GraphProto) -> None:
    for position, tensor in enumerate(list(graph.initializer)):
        graph.node.insert(position, helper.make_node("Constant", [], [tensor.name], value=tensor))
    del graph.initializer[:]


def use_identity(graph: onnx.GraphProto) -> None:
    graph.node.insert(0, helper.make_node("Identity", ["conv3_1.bias"], ["same"]))
    node(graph, "conv3_1").input[2] = "same"


def use_float_data(graph: onnx.GraphProto) -> None:
    for tensor in graph.initializer:
        values = numpy_helper.to_array(tensor)
        tensor.CopyFrom(helper.make_tensor(tensor.name, TensorProto.FLOAT, values.shape, values.ravel()))


def use_double(graph: onnx.GraphProto) -> None:
    for raw, name in ((True, "conv2_1.weight"), (False, "conv3_1.weight")):
        tensor = next(tensor for tensor in graph.initializer if tensor.name == name)
        values = FEATURE[name].astype(np.float64)
        data = values.tobytes() if raw else values.ravel()
        tensor.CopyFrom(helper.make_tensor(name, TensorProto.DOUBLE, values.shape, data, raw=raw))


def pad_before_pooling(graph: onnx.GraphProto, *amounts: int, stored: str) -> None:
    """A Pad before every pooling, its amounts an attribute, as until opset 10, or a tensor."""
    for position, pooling in reversed(list(enumerate(graph.node))):
        if pooling.op_type == "MaxPool":
            given = pooling.input[0]
            pooling.input[0] = f"{pooling.name}_padded"
            inputs, attributes = [given], {"pads": amounts} if stored == "attribute" else {}
            if stored != "attribute":
                inputs.append(f"{pooling.name}_pads")
                values: Any = np.array(amounts, np.int64).tobytes() if stored == "raw" else amounts
                graph.initializer.append(
                    helper.make_tensor(inputs[1], TensorProto.INT64, [8], values, raw=stored == "raw")
                )
            graph.node.insert(position, helper.make_node("Pad", inputs, [pooling.input[0]], **attributes))


def use_empty_pads(graph: onnx.GraphProto) -> None:
    pad_before_pooling(graph, *[0] * 8, stored="attribute")


def use_empty_pads_in_tensors(graph: onnx.GraphProto) -> None:
    pad_before_pooling(graph, *[0] * 8, stored="integers")


def use_empty_pads_in_raw_tensors(graph: onnx.GraphProto) -> None:
    pad_before_pooling(graph, *[0] * 8, stored="raw")


@pytest.mark.parametrize("stored", ["attribute", "integers", "raw"])
def test_a_graph_that_pads_is_refused(tmp_path: Path, stored: str) -> None:
    model = edited(lambda graph: pad_before_pooling(graph, *[0] * 6, 1, 0, stored=stored))
    onnx.save(model, tmp_path / "a.onnx")
    with pytest.raises(WeightsError, match=r"it pads by \[0, 0, 0, 0, 0, 0, 1, 0\]"):
        read_weights(tmp_path / "a.onnx")


def test_a_graph_that_computes_how_much_it_pads_is_refused(tmp_path: Path) -> None:
    model = edited(lambda graph: pad_before_pooling(graph, *[0] * 8, stored="raw"))
    tensor = next(tensor for tensor in model.graph.initializer if tensor.name == "pool1_pads")
    model.graph.initializer.remove(tensor)
    onnx.save(model, tmp_path / "a.onnx")
    with pytest.raises(WeightsError, match="it pads by amounts that are computed"):
        read_weights(tmp_path / "a.onnx")


@pytest.mark.parametrize(
    "change",
    [
        *(use_matmul, use_untransposed_gemm, use_constants, use_identity, use_float_data, use_double),
        *(use_empty_pads, use_empty_pads_in_tensors, use_empty_pads_in_raw_tensors),
    ],
    ids=lambda change: change.__name__,
)
def test_every_way_to_store_a_layer_reads_the_same(
    tmp_path: Path, change: Callable[[onnx.GraphProto], None]
) -> None:
    onnx.save(edited(change), tmp_path / "a.onnx")
    assert_equal(read_weights(tmp_path / "a.onnx"), without(FEATURE, "encode2"))


def set_attribute(layer: str, name: str, value: Any) -> Callable[[onnx.GraphProto], object]:
    def change(graph: onnx.GraphProto) -> None:
        attributes = node(graph, layer).attribute
        for position, attribute in reversed(list(enumerate(attributes))):
            if attribute.name == name:
                del attributes[position]
        attributes.append(helper.make_attribute(name, value))

    return change


def insert(operator: str, *inputs: str) -> Callable[[onnx.GraphProto], object]:
    return lambda graph: graph.node.insert(0, helper.make_node(operator, inputs, ["value"]))


FOREIGN: dict[str, tuple[Callable[[onnx.GraphProto], object], str]] = {
    "stride": (
        set_attribute("conv2_1", "strides", [2, 2]),
        r"conv2_1 has strides \[2, 2\] instead of \[1, 1\]",
    ),
    "pads": (set_attribute("conv2_1", "pads", [0, 0, 0, 0]), r"conv2_1 has pads \[0, 0, 0, 0\]"),
    "group": (set_attribute("conv2_1", "group", 2), r"conv2_1 has group \[2\]"),
    "dilation": (set_attribute("conv2_1", "dilations", [2, 2]), r"conv2_1 has dilations \[2, 2\]"),
    "scaled": (set_attribute("encode1", "alpha", 0.5), "encode1 is scaled or transposed"),
    "transposed": (set_attribute("encode1", "transA", 1), "encode1 is scaled or transposed"),
    "preprocessing": (insert("Div", "image", "image"), "node 'Div' is no part of it"),
    "residual": (insert("Add", "image", "image"), "node 'Add' is no part of it"),
    "another pooling": (insert("MaxPool", "image"), "it has 6 MaxPool nodes instead of 5"),
    "another convolution": (
        lambda graph: graph.node.extend([node(graph, "conv6_3")] * 2),
        "it has more than 12 Conv nodes",
    ),
    "fewer convolutions": (
        lambda graph: graph.node.remove(node(graph, "conv6_3_relu")),
        "it has 10 Relu nodes",
    ),
    "computed weight": (
        lambda graph: node(graph, "conv1_1").input.__setitem__(1, "image"),
        "conv1_1.weight is computed by the graph",
    ),
    "integers": (
        lambda graph: replace_tensor(graph, "conv1_1.bias", np.zeros(2, np.int32)),
        "conv1_1.bias has ONNX data type 6; expected float32",
    ),
    "wrong size": (
        lambda graph: next(t for t in graph.initializer if t.name == "conv1_1.bias").dims.append(5),
        r"conv1_1.bias has shape \[2, 5\] and 2 values",
    ),
}


@pytest.mark.parametrize("case", FOREIGN)
def test_a_graph_that_computes_something_else_is_refused(tmp_path: Path, case: str) -> None:
    change, expected = FOREIGN[case]
    onnx.save(edited(change), tmp_path / "a.onnx")
    with pytest.raises(WeightsError, match=expected):
        read_weights(tmp_path / "a.onnx")


def external(folder: Path) -> onnx.ModelProto:
    onnx.save_model(
        graph_of("feature", FEATURE),
        folder / "a.onnx",
        save_as_external_data=True,
        location="a.data",
        size_threshold=0,
    )
    return onnx.load(folder / "a.onnx", load_external_data=False)


def test_data_beside_an_onnx_file_is_read(tmp_path: Path) -> None:
    external(tmp_path)
    assert (tmp_path / "a.onnx").stat().st_size < 10_000
    assert_equal(read_weights(tmp_path / "a.onnx"), without(FEATURE, "encode2"))


@pytest.mark.parametrize(
    ("key", "value", "expected"),
    [
        ("location", "/etc/passwd", "outside the model's folder; refused"),
        ("location", "../a.data", "outside the model's folder; refused"),
        ("location", "link", "outside the model's folder; refused"),
        ("location", "C:\\a.data", "outside the model's folder; refused"),
        ("location", ".", "outside the model's folder; refused"),
        ("location", "a\0b", "outside the model's folder; refused"),
        ("location", "none.data", "cannot be read"),
        ("offset", "-4", "asks for bytes -4 to"),
        ("offset", "99999999999999999999", "asks for bytes"),
        ("offset", "x", "not a number"),
        ("length", "-4", "asks for bytes"),
        ("length", "99999999999999999999", "asks for bytes"),
        ("length", "6", "asks for bytes"),
        ("length", "4", "and 1 values"),
    ],
)
def test_data_elsewhere_or_out_of_bounds_is_refused(
    tmp_path: Path, key: str, value: str, expected: str
) -> None:
    folder = tmp_path / "model"
    folder.mkdir()
    model = external(folder)
    (tmp_path / "a.data").write_bytes((folder / "a.data").read_bytes())
    (folder / "link").symlink_to(tmp_path / "a.data")
    tensor = next(tensor for tensor in model.graph.initializer if tensor.name == "conv3_1.weight")
    next(entry for entry in tensor.external_data if entry.key == key).value = value
    (folder / "a.onnx").write_bytes(model.SerializeToString())
    with pytest.raises(WeightsError, match=expected):
        read_weights(folder / "a.onnx")


# --- what is refused


class Custom(torch.nn.Module):
    """Pickled whole, it would have to be imported to be read."""


@pytest.mark.parametrize("old", [False, True])
@pytest.mark.parametrize("module", [Custom(), torch.nn.Sequential(torch.nn.Linear(2, 2))])
def test_a_pickled_module_is_refused_with_the_way_out(
    tmp_path: Path, module: torch.nn.Module, old: bool
) -> None:
    torch.save(module, tmp_path / "a.pth", _use_new_zipfile_serialization=not old)
    name = type(module).__name__
    expected = (
        rf"holds a pickled Python object [\w.]*{name}.*torch\.save\(model\.state_dict\(\), 'weights\.pth'\)"
    )
    with pytest.raises(WeightsError, match=expected):
        read_weights(tmp_path / "a.pth")


class Payload:
    """Runs something where it is unpickled."""

    def __init__(self, mark: Path) -> None:
        self.mark = mark

    def __reduce__(self) -> tuple[Any, ...]:
        return Path.write_text, (self.mark, "ran")


@pytest.mark.parametrize("kind", ["pickle", "torch", "old torch", "npz"])
def test_nothing_in_a_file_is_ever_run(tmp_path: Path, kind: str) -> None:
    mark, file = tmp_path / "mark", tmp_path / "file"
    payload = Payload(mark)
    if kind == "pickle":
        file.write_bytes(pickle.dumps({"conv1_1.weight": payload}))
    elif kind == "npz":
        with file.open("wb") as stream:
            np.savez(stream, **{"conv1_1/W": np.array([payload, None], object)})  # type: ignore[arg-type]
    else:
        torch.save({"a": payload}, file, _use_new_zipfile_serialization=kind == "torch")
    with pytest.raises(WeightsError, match="pickled"):
        read_weights(file)
    assert not mark.exists()


def zipped(**members: bytes) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(name.replace("__", "/"), content)
    return buffer.getvalue()


REFUSED: dict[str, tuple[bytes, str]] = {
    "nothing": (b"", "is empty"),
    "a web page": (b"<!DOCTYPE html><html></html>", "is a web page"),
    "a pointer": (b"version https://git-lfs.github.com/spec/v1\n", "is a Git LFS pointer"),
    "a configuration": (prototxt(TAG).encode(), "is a network configuration, not weights"),
    "HDF5": (b"\x89HDF\r\n\x1a\n" + bytes(100), "is an HDF5 file"),
    "one array": (b"\x93NUMPY\x01\x00" + bytes(100), "is a single NumPy array"),
    "zeros": (bytes(100), "is not a supported weight file"),
    "text": (b"hello, this is text", "is not a supported weight file"),
    "an image": (b"\x89PNG\r\n\x1a\n" + bytes(100), "is not a supported weight file"),
    "another zip": (zipped(readme=b"x"), r"is a zip archive of other files \(\['readme'\]\)"),
    "an empty zip": (zipped(), "is not a supported weight file"),
    "half a zip": (zipped(readme=b"x" * 100)[:40], "damaged or truncated zip archive"),
    "compressed torch": (zipped(a__data_pkl=b"", **{"a/data.pkl": b"x" * 99}), "without compression"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_a_file_that_is_something_else_is_named(tmp_path: Path, case: str) -> None:
    content, expected = REFUSED[case]
    (tmp_path / "file").write_bytes(content)
    with pytest.raises(WeightsError, match=expected):
        read_weights(tmp_path / "file")


@pytest.mark.integration
def test_an_npz_bomb_is_refused_before_it_expands(tmp_path: Path) -> None:
    save_small_npz(tmp_path / "file", {"conv1_1/W": np.zeros(2**26, np.float32)})
    assert (tmp_path / "file").stat().st_size < 300_000
    with pytest.raises(WeightsError, match="would expand to 268435"):
        read_weights(tmp_path / "file")


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (torch.zeros(3), "holds Tensor; expected a state dict"),
        ([1, 2], "holds list; expected a state dict"),
        ({"epoch": 1}, "holds dict; expected a state dict"),
        ({"conv1_1.weight": torch.zeros(3, dtype=torch.int64)}, "is torch.strided int64 on cpu"),
        ({"conv1_1.weight": torch.zeros(3).to_sparse()}, "is torch.sparse_coo float32"),
        ({"conv1_1.weight": torch.zeros(0)}, r"has shape \(0,\)"),
        (
            {"conv1_1.weight": torch.zeros(1).expand(2**40)},
            r"has shape \(1099511627776,\), more than the file",
        ),
    ],
)
def test_a_torch_file_of_other_things_is_refused(tmp_path: Path, value: object, expected: str) -> None:
    torch.save(value, tmp_path / "a.pth")
    with pytest.raises(WeightsError, match=expected):
        read_weights(tmp_path / "a.pth")


def test_torchscript_is_refused(tmp_path: Path) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.jit.save(torch.jit.script(torch.nn.Linear(2, 2)), str(tmp_path / "a.pt"))
    with pytest.raises(WeightsError, match="is a TorchScript program"):
        read_weights(tmp_path / "a.pt")


@pytest.mark.parametrize(
    ("arrays", "expected"),
    [
        (
            {"layer1.0.conv1.weight": np.ones((2, 3, 3, 3))},
            r"holds 'layer1.0.conv1.weight', \(2, 3, 3, 3\), which is",
        ),
        (
            {"conv1_1.running_mean": np.ones(2)},
            "holds 'conv1_1.running_mean'.*not an Illustration2Vec network",
        ),
        ({"conv1_1.weight": np.ones(2), "net.0.weight": np.ones(2)}, "holds conv1_1.weight twice"),
        ({"conv1_1.weight": np.ones(2, np.int64)}, "holds int64; expected floats"),
    ],
)
def test_arrays_of_another_network_are_named(tmp_path: Path, arrays: Arrays, expected: str) -> None:
    save_safetensors(tmp_path / "file", arrays)
    with pytest.raises(WeightsError, match=expected):
        read_weights(tmp_path / "file")


# --- the architecture


def test_what_weights_are() -> None:
    for weights, held, tags, dimension in (
        (TAG, ("tag",), 7, None),
        (FEATURE, ("feature",), 7, 6),
        (without(FEATURE, "encode2"), ("feature",), None, 6),
        (BOTH, ("feature", "tag"), 7, 6),
    ):
        found = check_architecture(weights)
        assert (found.heads, found.tags, found.dimension) == (held, tags, dimension)
        assert heads(weights) == held
        assert found.parameters == sum(array.size for array in weights.values())


def test_the_published_sizes() -> None:
    """The counts of parameters that the release has."""
    from caffe_files import full_size

    class Shape:
        def __init__(self, shape: tuple[int, ...]) -> None:
            self.shape, self.ndim = shape, len(shape)

    for models, parameters in ((("tag",), 47_001_475), (("feature",), 238_341_504)):
        stand_ins: Any = {name: Shape(shape) for name, shape in full_size(*models).shapes.items()}
        assert check_architecture(stand_ins).parameters == parameters


def changed(name: str, *shape: int, weights: Arrays = BOTH) -> Arrays:
    return {**weights, name: np.zeros(shape, np.float32)}


MISFITS: dict[str, tuple[Arrays, str]] = {
    "missing layer": (without(TAG, "conv4_2"), "conv4_2.weight is missing"),
    "missing bias": ({k: v for k, v in TAG.items() if k != "conv4_2.bias"}, "conv4_2.bias is missing"),
    "no head": (without(TAG, "conv6_4"), "ends at conv6_3; expected conv6_4"),
    "grey input": (changed("conv1_1.weight", 2, 1, 3, 3), r"\(2, 1, 3, 3\); expected \(n, 3, 3, 3\)"),
    "large kernel": (changed("conv1_1.weight", 2, 3, 5, 5), r"\(2, 3, 5, 5\); expected \(n, 3, 3, 3\)"),
    "broken chain": (changed("conv3_1.weight", 3, 9, 3, 3), r"conv3_1.weight has shape \(3, 9, 3, 3\)"),
    "flat kernel": (changed("conv3_1.weight", 3, 3), r"conv3_1.weight has shape \(3, 3\)"),
    "bias": (changed("conv3_1.bias", 4), r"conv3_1.bias has shape \(4,\); expected \(3,\)"),
    "map of another size": (changed("encode1.weight", 6, 2 * 36), r"\(6, 72\); expected \(n, 98\)"),
    "encode2": (changed("encode2.weight", 7, 9), r"encode2.weight has shape \(7, 9\); expected \(n, 6\)"),
    "two numbers of tags": (
        {**changed("conv6_4.weight", 8, 2, 3, 3), "conv6_4.bias": np.zeros(8, np.float32)},
        "8 tags in conv6_4 and 7 in encode2",
    ),
    "encode2 alone": (without(BOTH, "encode1"), "holds 'encode2.weight' without the layers it belongs to"),
    "encode1's bias alone": (
        {**TAG, "encode1.bias": np.zeros(6, np.float32)},
        "holds 'encode1.bias' without the layers it belongs to",
    ),
}


@pytest.mark.parametrize("case", MISFITS)
def test_the_first_layer_that_does_not_fit_is_named(case: str) -> None:
    weights, expected = MISFITS[case]
    with pytest.raises(WeightsError, match=f"^file.npz .*{expected}"):
        check_architecture(weights, "file.npz")


# --- damage

SMALL = narrow("tag", widths=(1,) * 11, tags=1)


def samples(folder: Path) -> dict[str, Path]:
    """One file of every kind, as small as may be: most of its bytes are structure."""
    files: dict[str, Path] = {}
    for name, save in SAVERS.items():
        save(files.setdefault(name, folder / name.replace(" ", "-")), SMALL)
    for name, style in STYLES.items():
        write_caffemodel(files.setdefault(f"caffe {name}", folder / f"caffe-{name}"), SMALL, style)
    files["onnx"] = folder / "a.onnx"
    onnx.save(graph_of("tag", SMALL), files["onnx"])
    return files


@pytest.fixture(scope="module")
def sample_files(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    return samples(tmp_path_factory.mktemp("samples"))


@pytest.fixture(scope="module")
def little_memory() -> Iterator[None]:
    """A ceiling on the address space: a huge allocation is a MemoryError, which is not allowed."""
    if sys.platform != "linux":
        yield
        return
    import resource

    before = resource.getrlimit(resource.RLIMIT_AS)
    used = int(Path("/proc/self/statm").read_text().split()[0]) * os.sysconf("SC_PAGE_SIZE")
    resource.setrlimit(resource.RLIMIT_AS, (used + 2**29, before[1]))
    yield
    resource.setrlimit(resource.RLIMIT_AS, before)


def try_reading(path: Path, content: bytes) -> None:
    """Read a damaged file: a named error, or weights within its size."""
    path.write_bytes(content)
    try:
        weights = read_weights(path)
        check_architecture(weights, str(path))
    except WeightsError as error:
        assert str(path) in str(error)  # noqa: PT017
        assert len(str(error)) < 1000  # noqa: PT017
    else:
        assert sum(array.nbytes for array in weights.values()) <= 2 * len(content)
        assert all(len(array.tobytes()) == array.nbytes for array in weights.values())


KINDS = [*SAVERS, *(f"caffe {style}" for style in STYLES), "onnx"]


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="needs /proc and RLIMIT_AS")
@pytest.mark.parametrize("kind", KINDS)
@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_a_damaged_file_is_read_or_refused(
    sample_files: dict[str, Path], little_memory: None, kind: str, data: st.DataObject
) -> None:
    whole = sample_files[kind].read_bytes()
    content = bytearray(whole)
    damage = data.draw(st.sampled_from(["cut", "flip", "cut out", "insert"]))
    at = data.draw(st.integers(0, len(whole) - 1))
    if damage == "cut":
        del content[at:]
    elif damage == "flip":
        for place in [at, *data.draw(st.lists(st.integers(0, len(whole) - 1), max_size=3))]:
            content[place] ^= 1 << data.draw(st.integers(0, 7))
    elif damage == "cut out":
        del content[at : at + data.draw(st.integers(1, 200))]
    else:
        content[at:at] = data.draw(st.binary(min_size=1, max_size=20))
    try_reading(sample_files[kind].with_suffix(".damaged"), bytes(content))


@pytest.mark.parametrize("kind", ["caffe current", "caffe legacy", "onnx", "npz", "safetensors", "torch"])
def test_a_file_cut_anywhere_is_refused(sample_files: dict[str, Path], kind: str) -> None:
    whole = sample_files[kind].read_bytes()
    cut = sample_files[kind].with_suffix(".cut")
    for length in range(0, len(whole), max(1, len(whole) // 150)):
        cut.write_bytes(whole[:length])
        with pytest.raises(WeightsError):
            check_architecture(read_weights(cut), str(cut))


def test_reading_a_caffemodel_imports_neither_torch_nor_onnx(tmp_path: Path) -> None:
    write_caffemodel(tmp_path / "net", TAG)
    code = (
        "import sys, pathlib; from i2v_search.encoders.weights.checkpoints import read_weights;"
        "read_weights(pathlib.Path(sys.argv[1])); print({'torch', 'onnx', 'safetensors'} & set(sys.modules))"
    )
    found = subprocess.run(
        [sys.executable, "-c", code, tmp_path / "net"],
        check=True,
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert found.stdout == "set()\n"
