"""Illustration2Vec: the networks against OpenCV's reader of Caffe files, and torch against ONNX Runtime."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from caffe_files import STYLES, SeededWeights, Style, prototxt, shapes, write_caffemodel
from numpy.typing import NDArray
from PIL import Image

from i2v_search.choices import Device
from i2v_search.encoders.i2v_input import network_mean, resize_to_input, to_network_input
from i2v_search.encoders.networks.illustration2vec import Head, binary_code, i2v_network
from i2v_search.encoders.networks.layers import onnx_model
from i2v_search.encoders.networks.runtime import OnnxRuntime, TorchRuntime, fastest_batch, write_graph
from i2v_search.encoders.weights.checkpoints import read_weights

OUTPUT = {"feature": "encode1", "tag": "prob"}
# OpenCV reads neither doubles nor halves.
READABLE = ["current", "legacy", "legacy, new shape", "current, old shape", "extras"]


def seeded(*heads: str, seed: int = 0) -> dict[str, NDArray[np.float32]]:
    """Narrow weights whose outputs keep the size of their inputs, as He et al. (2015) scale them."""
    return dict(SeededWeights(shapes(*heads, dimension=64, tags=9), seed))


def pictures(count: int) -> NDArray[np.float32]:
    generator = np.random.default_rng(1)
    sizes = [(300, 200), (224, 224), (90, 130), (500, 640)]
    images = [
        Image.fromarray(generator.integers(0, 256, (h, w, 3), np.uint8)) for w, h in (sizes * count)[:count]
    ]
    return to_network_input(np.stack([resize_to_input(image) for image in images]), network_mean())


def opencv_output(
    folder: Path, head: Head, weights: dict[str, Any], style: Style, batch: NDArray[np.float32]
) -> Any:
    file = write_caffemodel(folder / "net.caffemodel", weights, style)
    (folder / "net.prototxt").write_text(prototxt(weights, style.syntax))
    network = cv2.dnn.readNetFromCaffe(str(folder / "net.prototxt"), str(file))
    network.setInput(batch)
    return network.forward(OUTPUT[head])


@pytest.mark.parametrize("style", READABLE)
@pytest.mark.parametrize("head", ["feature", "tag"])
def test_the_same_input_gives_what_opencv_gives(tmp_path: Path, head: Head, style: str) -> None:
    batch = pictures(3)
    theirs = opencv_output(tmp_path, head, seeded(head), STYLES[style], batch).reshape(3, -1)
    weights = read_weights(tmp_path / "net.caffemodel")
    (ours,) = OnnxRuntime(onnx_model(i2v_network(head), weights)).run(batch)
    if head == "feature":
        scale = float(np.abs(theirs).max())
        assert np.abs(ours - theirs).max() <= 1e-4 * scale
        clear = np.abs(theirs) > 1e-3
        assert np.array_equal((ours > 0)[clear], (theirs > 0)[clear])
        assert binary_code(ours).shape == (3, 8)
    else:
        assert np.abs(ours - theirs).max() <= 1e-4
        assert ours.min() >= 0
        assert ours.max() <= 1


@pytest.mark.parametrize("head", ["feature", "tag"])
def test_torch_agrees_with_onnx_runtime(head: Head) -> None:
    batch, network, weights = pictures(2), i2v_network(head), seeded(head)
    (ours,) = OnnxRuntime(onnx_model(network, weights)).run(batch)
    (theirs,) = TorchRuntime(network, weights, "cpu").run(batch)
    assert np.abs(ours - theirs).max() <= 1e-4 * np.abs(theirs).max()


def test_bfloat16_keeps_the_direction_of_a_vector() -> None:
    batch, network, weights = pictures(2), i2v_network("feature"), seeded("feature")
    (full,) = TorchRuntime(network, weights, "cpu").run(batch)
    (half,) = TorchRuntime(network, weights, "cpu", Device(precision="bfloat16")).run(batch)
    cosine = (full * half).sum(1) / np.linalg.norm(full, axis=1) / np.linalg.norm(half, axis=1)
    assert cosine.min() > 0.999
    assert not np.array_equal(full, half)


def test_the_batch_grows_while_it_gains_and_fits() -> None:
    def seconds(size: int) -> float:
        return 1.0 if size <= 64 else size / 64

    spent = [0.0]

    def run(size: int, limit: int) -> None:
        if size > limit:
            raise RuntimeError("CUDA out of memory")
        spent[0] += seconds(size)

    for limit, best in ((10_000, 64), (32, 32), (8, 8)):
        assert fastest_batch(partial(run, limit=limit), clock=lambda: spent[0]) == best
    runtime = TorchRuntime(i2v_network("feature"), seeded("feature"), "cpu")
    assert runtime.best_batch(8) == 8


def test_a_vector_does_not_depend_on_its_batch() -> None:
    batch, network, weights = pictures(5), i2v_network("feature"), seeded("feature")
    runtime = OnnxRuntime(onnx_model(network, weights))
    (whole,) = runtime.run(batch)
    for size in (1, 2, 4):
        assert np.array_equal(runtime.run(batch[:size])[0], whole[:size])


@pytest.mark.parametrize("piece_bytes", [1, 1000, 10**9])
def test_weights_beside_the_graph_in_pieces_give_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, piece_bytes: int
) -> None:
    monkeypatch.setattr("i2v_search.encoders.networks.layers.PIECE_BYTES", piece_bytes)
    batch, network, weights = pictures(2), i2v_network("feature"), seeded("feature")
    (inside,) = OnnxRuntime(onnx_model(network, weights)).run(batch)
    (outside,) = OnnxRuntime(write_graph(tmp_path, network, weights)).run(batch)
    np.testing.assert_allclose(outside, inside, rtol=1e-5, atol=1e-3)


def test_the_published_networks_have_the_published_sizes() -> None:
    for head, parameters in (("tag", 47_001_475), ("feature", 238_341_504)):
        sizes = SeededWeights(
            shapes(
                head,
                widths=(64, 128, 256, 256, 512, 512, 512, 512, 1024, 1024, 1024),
                tags=1539,
                dimension=4096,
            )
        ).shapes
        assert sum(int(np.prod(shape)) for shape in sizes.values()) == parameters
        assert set(i2v_network(head).parameter_names()) == set(sizes)
