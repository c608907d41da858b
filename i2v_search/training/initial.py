"""Initial weights of a network: given ones if any, random ones otherwise."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from i2v_search.choices import TrainingModel
from i2v_search.encoders.model_folder import MEAN, check_model, find_model, load_array, load_vocabulary
from i2v_search.encoders.networks import efficientnet
from i2v_search.encoders.networks.runtime import WEIGHTS
from i2v_search.encoders.tensors import map_tensors
from i2v_search.encoders.weights.checkpoints import CONVOLUTIONS, MAP_SIDE, check_architecture, read_weights
from i2v_search.errors import TrainingError
from i2v_search.tags.vocabulary import Vocabulary

#: Illustration2Vec reads pixels of 0..255 less a mean. A network that begins with this layer is trained on
#: inputs divided by this, with weights multiplied by it: the same function (a power of two rounds nothing),
#: but the layer's weights are of the size of the others' and learn as fast.
INPUT_SCALE = {"conv1_1": 64.0}
#: The layer whose outputs are the tags.
TAG_LAYER: dict[TrainingModel, str] = {
    "illustration2vec": "conv6_4",
    "illustration2vec-features": "encode2",
    "lite": "encode2",
}


@dataclass(frozen=True)
class Widths:
    """Widths of new layers.

    Attributes:
        trunk: channels of Illustration2Vec's convolutions, ``conv1_1`` to ``conv6_3``.
        dimension: dimension of the vector, ``encode1``.
    """

    trunk: tuple[int, ...] = (64, 128, 256, 256, 512, 512, 512, 512, 1024, 1024, 1024)
    dimension: int = 4096


ORIGINAL_WIDTHS = Widths()


@dataclass(frozen=True)
class Start:
    """Source of the initial weights.

    Attributes:
        weights: by canonical name; any may be missing.
        vocabulary: vocabulary of its tag head, None if it is not known.
        mean: of Illustration2Vec's input, None for the published one.
        name: for messages and the report.
    """

    weights: Mapping[str, NDArray[Any]]
    vocabulary: Vocabulary | None = None
    mean: NDArray[np.float32] | None = None
    name: str = ""


@dataclass(frozen=True)
class Initial:
    """A network's weights before the first update.

    Attributes:
        weights: float32 by name, all that the network needs.
        fresh: names of layers that start from scratch.
    """

    weights: Mapping[str, NDArray[Any]]
    fresh: frozenset[str]


def read_start(source: str | os.PathLike[str]) -> Start:
    """Read what training starts from.

    Args:
        source: name of an imported model, folder of a trained one, or a file of Illustration2Vec's weights in
            any format that ``models import`` takes.

    Raises:
        TrainingError: it is a model that keeps no weights to train.
        EncoderError: there is no such file, or it is damaged or of a foreign network.
    """
    name = os.fspath(source)
    card = find_model(name)
    if card is None:
        if not Path(name).is_file():
            raise TrainingError(
                f"{name!r} is not an imported model, a folder of a trained model or a weight file"
            )
        weights = read_weights(Path(name))
        check_architecture(weights, name)
        return Start(weights, name=Path(name).name)
    if card.kind == "onnx" or card.precision == "int8":
        raise TrainingError(
            f"{name} is an {card.precision} {card.kind} model; training requires float weights"
        )
    folder = check_model(card)
    vocabulary = load_vocabulary(folder, card.tags) if card.tags else None
    mean = load_array(folder / MEAN)
    return Start(map_tensors(folder / WEIGHTS), vocabulary, mean, Path(name).name)


def pretrained_lite() -> Start:
    """EfficientNet-Lite0 as trained on ImageNet, what ``lite`` starts from by default.

    Raises:
        EncoderError: the package with its weights is not installed.
    """
    return Start(efficientnet.read_weights(efficientnet.weights_path()), name="EfficientNet-Lite0, ImageNet")


def initial_weights(
    model: TrainingModel,
    vocabulary: Vocabulary,
    start: Start | None = None,
    *,
    seed: int = 0,
    widths: Widths = ORIGINAL_WIDTHS,
) -> Initial:
    """Take the weights that `start` has, and draw the others (He et al. 2015).

    The tag layer is taken only where it gives the same tags.

    Args:
        model: the network.
        vocabulary: the tags to learn.
        start: what to begin with; None is from scratch.
        seed: seed of the drawn weights.
        widths: widths of layers that `start` does not have.

    Raises:
        TrainingError: `start` is of another network.

    Example:
        >>> tags = Vocabulary(("hat",), ("general",))
        >>> made = initial_weights("illustration2vec", tags, widths=Widths(trunk=(2,) * 11))
        >>> made.weights["conv6_4.weight"].shape, len(made.fresh)
        ((1, 2, 3, 3), 12)
    """
    given: Mapping[str, NDArray[Any]] = {} if start is None else start.weights
    kept = start is not None and start.vocabulary == vocabulary
    random = np.random.default_rng(seed)
    weights: dict[str, NDArray[Any]] = {}
    if model == "lite":
        trunk = efficientnet.lite_network()
        if any(name not in given for name in trunk.parameter_names()):
            raise TrainingError(f"{start.name if start else 'nothing'} has no trunk of lite to start from")
        weights = {name: given[name] for name in trunk.parameter_names()}
    fresh = []
    for layer, shape in _shapes(model, len(vocabulary), given, widths):
        names = f"{layer}.weight", f"{layer}.bias"
        taken = all(name in given for name in names) and (layer != TAG_LAYER[model] or kept)
        if not taken:
            fresh.append(layer)
            fan_in = int(np.prod(shape[1:]))
            # Half of what enters a layer behind a ReLU is zero; what enters the others is not.
            gain = 1 if layer in {"encode1", "encode2"} else 2
            scale = np.sqrt(gain / fan_in) / INPUT_SCALE.get(layer, 1.0)
            drawn = random.standard_normal(shape, np.float32) * np.float32(scale)
            weights |= {names[0]: drawn, names[1]: np.zeros(shape[0], np.float32)}
        elif given[names[0]].shape != shape:
            raise TrainingError(
                f"{start.name if start else ''}: {names[0]} has shape {given[names[0]].shape}; model {model} "
                f"expects {shape}"
            )
        else:
            weights |= {name: given[name] for name in names}
    return Initial(weights, frozenset(fresh))


def _shapes(
    model: TrainingModel, tags: int, given: Mapping[str, NDArray[Any]], widths: Widths
) -> Iterator[tuple[str, tuple[int, ...]]]:
    """Weight shapes of the layers that may start from scratch; those of lite's trunk never do."""

    def width(layer: str, usual: int) -> int:
        return len(given[f"{layer}.weight"]) if f"{layer}.weight" in given else usual

    channels = 3
    if model == "lite":
        channels = width("head", 0)
    else:
        for layer, usual in zip(CONVOLUTIONS, widths.trunk, strict=True):
            outputs = width(layer, usual)
            yield layer, (outputs, channels, 3, 3)
            channels = outputs
    if model == "illustration2vec":
        yield "conv6_4", (tags, channels, 3, 3)
        return
    dimension = width("encode1", widths.dimension)
    yield "encode1", (dimension, channels if model == "lite" else channels * MAP_SIDE**2)
    yield "encode2", (tags, dimension)
