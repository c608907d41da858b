"""Networks as data: torch and ONNX Runtime agree on every kind of layer, SAME padding, missing weights."""

import numpy as np
import onnxruntime
import pytest
from numpy.typing import NDArray

from i2v_search.encoders.networks.efficientnet import (
    lite_network,
    read_weights,
    statistics_network,
    weights_path,
)
from i2v_search.encoders.networks.layers import Layer, Network, onnx_model, same_pads
from i2v_search.encoders.networks.runtime import OnnxRuntime, TorchRuntime
from i2v_search.encoders.networks.torch_network import torch_module
from i2v_search.errors import EncoderError

SIZE = 13


def conv(name: str, source: str, **settings: object) -> Layer:
    return Layer("conv", name, (source,), **settings)  # type: ignore[arg-type]


def random_weights(**shapes: tuple[int, ...]) -> dict[str, NDArray[np.float32]]:
    """Weights of the given shapes, and a bias for each."""
    generator = np.random.default_rng(0)
    weights = {}
    for name, shape in shapes.items():
        weights[f"{name}.weight"] = generator.normal(size=shape).astype(np.float32)
        weights[f"{name}.bias"] = generator.normal(size=shape[0]).astype(np.float32)
    return weights


def images(count: int, size: int = SIZE) -> NDArray[np.float32]:
    return np.random.default_rng(1).normal(size=(count, 3, size, size)).astype(np.float32)


STEM = conv("stem", "image", kernel=3)
LAYERS: dict[str, tuple[tuple[Layer, ...], dict[str, tuple[int, ...]]]] = {
    "conv": ((conv("out", "image", kernel=3),), {"out": (5, 3, 3, 3)}),
    "conv, stride 2": ((conv("out", "image", kernel=3, stride=2),), {"out": (5, 3, 3, 3)}),
    "conv, padded all round": ((conv("out", "image", kernel=3, pads=(1, 1, 1, 1)),), {"out": (5, 3, 3, 3)}),
    "conv, padded unevenly": (
        (conv("out", "image", kernel=5, stride=2, pads=(0, 1, 2, 3)),),
        {"out": (5, 3, 5, 5)},
    ),
    "conv, depthwise": ((conv("out", "image", kernel=3, depthwise=True),), {"out": (3, 1, 3, 3)}),
    "conv, 1 x 1": ((conv("out", "image"),), {"out": (5, 3, 1, 1)}),
    "max_pool": ((Layer("max_pool", "out", ("image",), kernel=2, stride=2),), {}),
    "max_pool, overlapping": ((Layer("max_pool", "out", ("image",), kernel=3, stride=2),), {}),
    "max_pool, padded": (
        (Layer("max_pool", "out", ("image",), kernel=3, stride=2, pads=(0, 1, 1, 2)),),
        {},
    ),
    "relu": ((Layer("relu", "out", ("image",)),), {}),
    "relu6": ((STEM, Layer("relu6", "out", ("stem",))), {"stem": (5, 3, 3, 3)}),
    "sigmoid": ((Layer("sigmoid", "out", ("image",)),), {}),
    "mean": ((Layer("mean", "out", ("image",)),), {}),
    "deviation": ((Layer("deviation", "out", ("image",)),), {}),
    "deviation, of a map that others take too": (
        (STEM, Layer("deviation", "spread", ("stem",)), Layer("mean", "out", ("stem",))),
        {"stem": (5, 3, 3, 3)},
    ),
    "add": ((STEM, Layer("add", "out", ("stem", "stem"))), {"stem": (5, 3, 3, 3)}),
    "flatten": ((Layer("flatten", "out", ("image",)),), {}),
    "linear": (
        (Layer("mean", "mean", ("image",)), Layer("linear", "out", ("mean",))),
        {"out": (7, 3)},
    ),
}


@pytest.mark.parametrize("case", LAYERS)
def test_both_runtimes_agree_on(case: str) -> None:
    layers, shapes = LAYERS[case]
    network = Network("test", SIZE, layers, ("out",))
    weights = random_weights(**shapes)
    batch = images(3)
    (ours,) = OnnxRuntime(onnx_model(network, weights), threads=1).run(batch)
    (theirs,) = TorchRuntime(network, weights, "cpu").run(batch)
    assert ours.shape == theirs.shape
    assert ours.dtype == theirs.dtype == np.float32
    np.testing.assert_allclose(ours, theirs, atol=1e-5, rtol=1e-5)


def test_a_residual_network_with_two_outputs() -> None:
    layers = (
        conv("stem", "image", kernel=3, pads=(1, 1, 1, 1)),
        Layer("relu", "stem_relu", ("stem",)),
        conv("branch", "stem_relu", kernel=3, pads=(1, 1, 1, 1)),
        Layer("add", "sum", ("branch", "stem_relu")),
        Layer("max_pool", "pool", ("sum",), kernel=2, stride=2),
        Layer("flatten", "flat", ("pool",)),
        Layer("linear", "logits", ("flat",)),
        Layer("sigmoid", "tags", ("logits",)),
        Layer("mean", "vector", ("sum",)),
    )
    network = Network("test", 8, layers, ("vector", "tags"))
    weights = random_weights(stem=(4, 3, 3, 3), branch=(4, 4, 3, 3), logits=(6, 64))
    ours = OnnxRuntime(onnx_model(network, weights), threads=1).run(images(2, 8))
    theirs = TorchRuntime(network, weights, "cpu").run(images(2, 8))
    assert [output.shape for output in ours] == [(2, 4), (2, 6)]
    for left, right in zip(ours, theirs, strict=True):
        np.testing.assert_allclose(left, right, atol=1e-5, rtol=1e-5)


def test_convolution_is_what_numpy_says() -> None:
    """An oracle apart from both runtimes."""
    weights = random_weights(out=(2, 3, 3, 3))
    network = Network("test", 5, (conv("out", "image", kernel=3, stride=2, pads=(1, 1, 1, 1)),), ("out",))
    batch = images(1, 5)
    padded = np.pad(batch[0].astype(np.float64), ((0, 0), (1, 1), (1, 1)))
    expected = np.array(
        [
            [
                [
                    (padded[:, 2 * y : 2 * y + 3, 2 * x : 2 * x + 3] * weights["out.weight"][channel]).sum()
                    + weights["out.bias"][channel]
                    for x in range(3)
                ]
                for y in range(3)
            ]
            for channel in range(2)
        ]
    )
    (found,) = OnnxRuntime(onnx_model(network, weights), threads=1).run(batch)
    np.testing.assert_allclose(found[0], expected, atol=1e-5)


@pytest.mark.parametrize("device", ["onnx", "torch"])
@pytest.mark.parametrize(("mean", "spread"), [(0, 1), (1e3, 0.1), (-1e3, 0.1), (1e-3, 1e-4), (5, 0)])
def test_deviation_is_what_numpy_says(mean: float, spread: float, device: str) -> None:
    """Also where squares of the values would swamp their differences."""
    network = Network("test", SIZE, (Layer("deviation", "out", ("image",)),), ("out",))
    batch = (mean + spread * images(4)).astype(np.float32)
    runtime = (
        OnnxRuntime(onnx_model(network, {}), threads=1)
        if device == "onnx"
        else TorchRuntime(network, {}, "cpu")
    )
    (found,) = runtime.run(batch)
    expected = batch.astype(np.float64).std(axis=(2, 3))
    assert found.shape == (4, 3)
    np.testing.assert_allclose(found, expected, rtol=2e-3, atol=1e-7)


@pytest.mark.integration
def test_statistics_are_those_of_the_networks_own_maps() -> None:
    """Both runtimes give them in the order asked for; one map may give two."""
    asked = (("mean", "head_relu", 1280), ("deviation", "stem_relu", 32), ("mean", "stem_relu", 32))
    network = statistics_network(asked)
    maps = Network("maps", network.size, network.layers, ("head_relu", "stem_relu"))
    names, generator = network.parameter_names(), np.random.default_rng(0)
    shapes = {name: array.shape for name, array in read_weights(weights_path()).items()}
    weights = {name: generator.normal(0, 0.1, size=shapes[name]).astype(np.float32) for name in names}
    batch = images(2, network.size)
    head, stem = TorchRuntime(maps, weights, "cpu").run(batch)
    expected = (head.mean(axis=(2, 3)), stem.std(axis=(2, 3)), stem.mean(axis=(2, 3)))
    onnx = OnnxRuntime(onnx_model(network, weights), threads=1).run(batch)
    for found in (onnx, TorchRuntime(network, weights, "cpu").run(batch)):
        assert [values.shape for values in found] == [(2, channels) for *_, channels in asked]
        for ours, theirs in zip(found, expected, strict=True):
            np.testing.assert_allclose(ours, theirs, rtol=1e-3, atol=1e-4)


# --- padding


@pytest.mark.parametrize("size", [1, 2, 7, 8, 14, 15, 112, 224, 225])
@pytest.mark.parametrize("kernel", [1, 2, 3, 5])
@pytest.mark.parametrize("stride", [1, 2, 3])
def test_same_pads_follow_tensorflow(size: int, kernel: int, stride: int) -> None:
    """TensorFlow's rule: kernel - stride where the stride divides the size, else kernel - rest."""
    along = max(kernel - (size % stride or stride), 0)
    top, left, bottom, right = same_pads(size, kernel, stride)
    assert (top, bottom) == (along // 2, along - along // 2)
    assert (left, right) == (top, bottom)
    assert (size + along - kernel) // stride + 1 == -(-size // stride)


@pytest.mark.parametrize(
    ("size", "kernel", "stride", "pads"),
    [
        (224, 3, 2, (0, 0, 1, 1)),
        (112, 3, 1, (1, 1, 1, 1)),
        (56, 5, 2, (1, 1, 2, 2)),
        (14, 5, 1, (2, 2, 2, 2)),
        (225, 3, 2, (1, 1, 1, 1)),
        (7, 1, 1, (0, 0, 0, 0)),
    ],
)
def test_same_pads_known_values(size: int, kernel: int, stride: int, pads: tuple[int, int, int, int]) -> None:
    assert same_pads(size, kernel, stride) == pads


# --- weights


@pytest.mark.parametrize("build", [onnx_model, torch_module])
def test_the_first_missing_weight_is_named(build: object) -> None:
    assert callable(build)
    network = Network("tiny", 5, (conv("a", "image"), conv("b", "a"), conv("c", "b")), ("c",))
    weights = random_weights(a=(3, 3, 1, 1), c=(3, 3, 1, 1))
    with pytest.raises(EncoderError, match=r"network tiny needs weight 'b\.weight' \(2 of 6 missing\)"):
        build(network, weights)


def test_parameter_names_come_in_order_of_execution() -> None:
    names = lite_network().parameter_names()
    assert names[:4] == ["stem.weight", "stem.bias", "block0_depthwise.weight", "block0_depthwise.bias"]
    assert names[-2:] == ["head.weight", "head.bias"]
    assert len(names) == len(set(names)) == 2 * (1 + 2 + 15 * 3 + 1)


def test_the_torch_module_has_the_weights_by_the_same_names() -> None:
    network = Network("tiny", 5, (conv("a", "image"), conv("b", "a")), ("b",))
    weights = random_weights(a=(4, 3, 1, 1), b=(2, 4, 1, 1))
    state = torch_module(network, weights).state_dict()
    assert list(state) == network.parameter_names()
    assert all(np.array_equal(state[name].numpy(), weights[name]) for name in state)


def test_the_model_takes_any_batch_and_fuses_the_activation() -> None:
    """Relu6 shares its bounds, so that ONNX Runtime can fold it into the convolution before it."""
    network = Network("tiny", SIZE, LAYERS["relu6"][0], ("out",))
    model = onnx_model(network, random_weights(**LAYERS["relu6"][1]))
    session = onnxruntime.InferenceSession(model, providers=["CPUExecutionProvider"])
    assert session.get_inputs()[0].shape == ["n", 3, SIZE, SIZE]
    for count in (1, 2, 5):
        (found,) = session.run(None, {"image": images(count)})
        assert found.shape == (count, 5, SIZE - 2, SIZE - 2)
        assert found.min() >= 0
        assert found.max() <= 6


def test_the_same_network_gives_the_same_bytes() -> None:
    network = Network("tiny", SIZE, LAYERS["relu6"][0], ("out",))
    weights = random_weights(**LAYERS["relu6"][1])
    assert onnx_model(network, weights) == onnx_model(network, weights)
