"""What training starts from, which layers learn, and that ONNX Runtime computes what was trained."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from caffe_files import SeededWeights, shapes, write_caffemodel
from numpy.typing import NDArray

from i2v_search.choices import TrainingModel
from i2v_search.encoders.networks.efficientnet import lite_network
from i2v_search.encoders.networks.layers import onnx_model
from i2v_search.encoders.networks.runtime import OnnxRuntime
from i2v_search.encoders.trained import trained_network
from i2v_search.errors import TrainingError, WeightsError
from i2v_search.tags.vocabulary import Vocabulary
from i2v_search.training.initial import ORIGINAL_WIDTHS, Start, Widths, initial_weights, read_start
from i2v_search.training.networks import TrainingNetwork, split_network, training_network

WIDTHS = Widths(trunk=(3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13), dimension=24)
TAGS = Vocabulary(("hat", "smile", "safe"), ("general", "general", "rating"))
OTHER_TAGS = Vocabulary(("hat", "smile", "explicit"), ("general", "general", "rating"))


def narrow_lite() -> Start:
    """Weights of lite's trunk with few channels."""
    random, weights = np.random.default_rng(0), {}
    channels = {"image": 3}
    for layer in lite_network().layers:
        entering = channels[layer.inputs[0]]
        leaving = entering
        if layer.kind == "conv":
            adds = layer.name.endswith("_project") or layer.name == "stem"
            leaving = entering if layer.depthwise else 4 if adds else 6
            shape = (leaving, 1 if layer.depthwise else entering, layer.kernel, layer.kernel)
            scale = np.float32(np.sqrt(2 / np.prod(shape[1:])))
            weights[f"{layer.name}.weight"] = random.standard_normal(shape, np.float32) * scale
            weights[f"{layer.name}.bias"] = np.full(leaving, 0.1, np.float32)
        channels[layer.name] = leaving
    return Start(weights, name="narrow lite")


def start_of(model: TrainingModel) -> Start:
    if model == "lite":
        return narrow_lite()
    return Start(dict(initial_weights(model, TAGS, widths=WIDTHS).weights), TAGS, name="given")


def test_from_scratch_the_tag_network_is_the_published_one() -> None:
    made = initial_weights("illustration2vec", Vocabulary(("a",) * 1, ("general",)), widths=WIDTHS)
    assert list(made.weights) == trained_network("illustration2vec").parameter_names()
    assert ORIGINAL_WIDTHS.dimension == 4096
    published = 3
    count = 0
    for width in ORIGINAL_WIDTHS.trunk:
        count += width * (published * 9 + 1)
        published = width
    assert count + 1539 * (published * 9 + 1) == 47_001_475


def test_activations_keep_their_size_through_a_deep_network_from_scratch() -> None:
    made = initial_weights("illustration2vec", TAGS, widths=Widths(trunk=(32,) * 11))
    network = training_network(trained_network("illustration2vec"))
    images = torch.from_numpy(np.random.default_rng(0).normal(0, 60, (2, 3, 224, 224)).astype(np.float32))
    with torch.no_grad():
        trunk, _ = split_network(network, "conv6_3_relu")
        value = TrainingNetwork(trunk, made.weights).eval()(images)
    assert 0.3 < float(value.square().mean().sqrt()) < 10


def test_weights_from_scratch_are_as_large_as_their_inputs_need() -> None:
    """Behind a ReLU 2 / fan-in (He et al.), behind sigmoids and statistics 1 / fan-in."""
    tags = Vocabulary(tuple(f"tag {number}" for number in range(200)), ("general",) * 200)
    widths = Widths(trunk=(32,) * 11, dimension=96)
    weights = initial_weights("illustration2vec-features", tags, widths=widths).weights
    for name, values in weights.items():
        layer, _, part = name.partition(".")
        if part == "bias":
            assert not values.any()
            continue
        gain = 1 if layer in {"encode1", "encode2"} else 2
        expected = np.sqrt(gain / np.prod(values.shape[1:])) / (64 if layer == "conv1_1" else 1)
        assert values.std() == pytest.approx(expected, rel=0.1), name
        assert abs(values.mean()) < expected / 5, name
    assert {"conv1_1.weight", "encode1.weight", "encode2.weight"} <= set(weights)


@pytest.mark.parametrize("model", ["illustration2vec", "illustration2vec-features", "lite"])
def test_what_was_trained_is_what_onnx_runtime_computes(model: TrainingModel) -> None:
    weights = initial_weights(model, TAGS, start_of(model), widths=WIDTHS).weights
    network = trained_network(model)
    module = TrainingNetwork(training_network(network), weights).eval()
    images = np.random.default_rng(1).standard_normal((2, 3, 224, 224), np.float32)
    *_, tags = OnnxRuntime(onnx_model(network, module.weights()), threads=1).run(images)
    with torch.no_grad():
        expected = torch.sigmoid(module(torch.from_numpy(images))).numpy()
    np.testing.assert_allclose(tags, expected, atol=1e-4)
    assert np.ptp(tags) > 1e-3


@pytest.mark.parametrize("model", ["illustration2vec", "lite"])
def test_weights_survive_the_way_through_a_module_bit_for_bit(model: TrainingModel) -> None:
    weights = initial_weights(model, TAGS, start_of(model), widths=WIDTHS).weights
    module = TrainingNetwork(training_network(trained_network(model)), weights)
    assert {name: array.tobytes() for name, array in module.weights().items()} == {
        name: np.ascontiguousarray(array, np.float32).tobytes() for name, array in weights.items()
    }


def test_a_network_cut_in_two_computes_the_same() -> None:
    network = training_network(trained_network("lite"))
    weights = initial_weights("lite", TAGS, narrow_lite(), widths=WIDTHS).weights
    trunk, head = (TrainingNetwork(part, weights).eval() for part in split_network(network, "pooled"))
    images = torch.from_numpy(np.random.default_rng(1).standard_normal((2, 3, 224, 224), np.float32))
    with torch.no_grad():
        torch.testing.assert_close(head(trunk(images)), TrainingNetwork(network, weights).eval()(images))


def test_dropout_follows_conv6_3_in_training_only() -> None:
    weights = initial_weights("illustration2vec", TAGS, widths=Widths(trunk=(32,) * 11)).weights
    trunk, _ = split_network(trained_network("illustration2vec"), "conv6_3_relu")
    module = TrainingNetwork(trunk, weights)
    images = torch.from_numpy(np.random.default_rng(0).standard_normal((1, 3, 224, 224), np.float32))
    with torch.no_grad():
        torch.manual_seed(0)
        dropped, kept = module.train()(images), module.eval()(images)
    alive = kept > 0
    assert 0.4 < float((dropped[alive] == 0).float().mean()) < 0.6
    survived = alive & (dropped > 0)
    torch.testing.assert_close(dropped[survived], 2 * kept[survived])


@pytest.mark.parametrize("model", ["illustration2vec", "illustration2vec-features"])
def test_a_tag_head_is_kept_for_the_same_tags_and_made_anew_for_others(model: TrainingModel) -> None:
    start = start_of(model)
    head = "conv6_4" if model == "illustration2vec" else "encode2"
    same = initial_weights(model, TAGS, start, seed=9)
    assert same.fresh == frozenset()
    assert all(np.array_equal(same.weights[name], start.weights[name]) for name in start.weights)
    other = initial_weights(model, OTHER_TAGS, start, seed=9)
    assert other.fresh == {head}
    assert not np.array_equal(other.weights[f"{head}.weight"], start.weights[f"{head}.weight"])
    assert np.array_equal(other.weights["conv6_3.weight"], start.weights["conv6_3.weight"])


def test_a_feature_model_can_start_from_a_tag_model() -> None:
    start = start_of("illustration2vec")
    made = initial_weights("illustration2vec-features", TAGS, start, widths=WIDTHS)
    assert made.fresh == {"encode1", "encode2"}
    assert made.weights["encode1.weight"].shape == (24, 13 * 7 * 7)


def test_the_seed_draws_the_weights() -> None:
    def first(seed: int) -> NDArray[np.float32]:
        return initial_weights("illustration2vec", TAGS, seed=seed, widths=WIDTHS).weights["conv1_1.weight"]

    assert np.array_equal(first(1), first(1))
    assert not np.array_equal(first(1), first(2))


def test_lite_needs_its_trunk() -> None:
    with pytest.raises(TrainingError, match="given has no trunk of lite to start from"):
        initial_weights("lite", TAGS, start_of("illustration2vec"))


def test_a_start_of_other_shapes_is_refused() -> None:
    start = start_of("illustration2vec")
    crooked = {**start.weights, "conv2_1.weight": np.zeros((4, 3, 5, 5), np.float32)}
    with pytest.raises(TrainingError, match=r"given: conv2_1.weight has shape .* expects \(4, 3, 3, 3\)"):
        initial_weights("illustration2vec", TAGS, Start(crooked, name="given"))


def test_any_file_of_illustration2vecs_weights_is_a_start(tmp_path: Path) -> None:
    file = tmp_path / "illust2vec_tag_ver200.caffemodel"
    write_caffemodel(file, SeededWeights(shapes("tag", tags=1539), 0))
    start = read_start(file)
    assert start.vocabulary is None
    made = initial_weights("illustration2vec", TAGS, start)
    assert made.fresh == {"conv6_4"}
    assert np.array_equal(made.weights["conv1_1.weight"], start.weights["conv1_1.weight"])


def test_what_is_no_start_is_named(tmp_path: Path) -> None:
    with pytest.raises(
        TrainingError, match="'nowhere' is not an imported model, a folder of a trained model"
    ):
        read_start("nowhere")
    (tmp_path / "page.html").write_text("<html>")
    with pytest.raises(WeightsError, match="web page"):
        read_start(tmp_path / "page.html")


def test_first_probabilities_are_the_frequencies() -> None:
    weights = initial_weights("illustration2vec", TAGS, widths=WIDTHS).weights
    module = TrainingNetwork(training_network(trained_network("illustration2vec")), weights).eval()
    module.start_from_frequencies("conv6_4", np.array([0.5, 0.1, 0.001]))
    with torch.no_grad():
        module.get_parameter("conv6_4.weight").zero_()
        found = torch.sigmoid(module(torch.zeros(1, 3, 224, 224)))
    np.testing.assert_allclose(found[0], [0.5, 0.1, 0.001], rtol=1e-5)
