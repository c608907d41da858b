"""Open an imported model as an encoder or a tagger."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from i2v_search.choices import Device, TrainingModel
from i2v_search.encoders.base import Encoder, EncoderInfo, Tagger
from i2v_search.encoders.i2v_input import network_mean
from i2v_search.encoders.model_card import TEXT_GRAPH, TEXT_MEAN, TOKENIZER, ModelCard, TextDescription
from i2v_search.encoders.model_folder import (
    MEAN,
    check_model,
    check_text,
    find_model,
    load_array,
    load_vocabulary,
    model_folder,
)
from i2v_search.encoders.networks.illustration2vec import FeatureModel, TagModel, i2v_network
from i2v_search.encoders.networks.layers import Network
from i2v_search.encoders.networks.runtime import (
    GRAPH,
    WEIGHTS,
    OnnxRuntime,
    Runtime,
    TorchRuntime,
    resolve_device,
)
from i2v_search.encoders.onnx import OnnxModel
from i2v_search.encoders.tensors import map_tensors
from i2v_search.encoders.text_tower import OnnxTowers, TextTower
from i2v_search.encoders.trained import TrainedModel, preprocessing_of, trained_network
from i2v_search.errors import EncoderError


def open_encoder(name: str, device: Device) -> Encoder:
    """Open an imported model for its feature vectors.

    Raises:
        EncoderError: there is no such model, it gives no vectors, or its files were changed.
    """
    card, folder = _checked(name)
    if card.dimension is None:
        raise EncoderError(f"model {name!r} gives no feature vectors")
    info = card.info(card.dimension)
    if card.onnx is not None:
        vocabulary = load_vocabulary(folder, card.tags) if card.tags else None
        model = (info, folder / GRAPH, card.onnx, vocabulary, device)
        return OnnxModel(*model) if card.text is None else _towers(card, card.text, device, model)
    if card.tags is not None:
        return _trained(info, card, folder, device)
    runtime = _runtime(i2v_network("feature"), card, folder, device)
    return FeatureModel(info, runtime, _mean(folder), device.batch_size)


def open_tagger(name: str, device: Device) -> Tagger:
    """Open an imported model for its tags.

    Raises:
        EncoderError: there is no such model, it gives no tags, or its files were changed.
    """
    card, folder = _checked(name)
    if card.tags is None:
        raise EncoderError(f"model {name!r} gives no tags")
    info, vocabulary = card.info(card.tags), load_vocabulary(folder, card.tags)
    if card.onnx is not None:
        return OnnxModel(info, folder / GRAPH, card.onnx, vocabulary, device)  # type: ignore[return-value]
    if card.dimension is not None:
        return _trained(info, card, folder, device)
    runtime = _runtime(i2v_network("tag"), card, folder, device)
    return TagModel(info, runtime, _mean(folder), vocabulary, device.batch_size)


def _checked(name: str) -> tuple[ModelCard, Path]:
    card = find_model(name)
    if card is None:
        raise EncoderError(f"no imported model {name!r}; see i2v-search models list")
    return card, check_model(card)


def _towers(card: ModelCard, text: TextDescription, device: Device, model: Sequence[Any]) -> OnnxTowers:
    def open_text() -> TextTower:
        folder = check_text(card)
        return TextTower(folder / TEXT_GRAPH, folder / TOKENIZER, text, threads=device.threads)

    mean = load_array(model_folder(card) / TEXT_MEAN)
    if mean is not None and mean.shape != (card.dimension,):
        raise EncoderError(f"{TEXT_MEAN} of model {card.name!r} has shape {mean.shape}; import it again")
    return OnnxTowers(*model, open_text=open_text, text_mean=mean)


def _trained(info: EncoderInfo, card: ModelCard, folder: Path, device: Device) -> TrainedModel:
    """Open a trained network that gives both vector and tags."""
    name: TrainingModel = "lite" if card.kind == "lite" else "illustration2vec-features"
    runtime = _runtime(trained_network(name), card, folder, device)
    vocabulary = load_vocabulary(folder, card.tags or 0)
    return TrainedModel(
        info, runtime, preprocessing_of(name, load_array(folder / MEAN)), vocabulary, device.batch_size
    )


def _mean(folder: Path) -> NDArray[np.float32]:
    mean = load_array(folder / MEAN)
    return network_mean() if mean is None else mean


def _runtime(network: Network, card: ModelCard, folder: Path, device: Device) -> Runtime:
    place = resolve_device(device.name)
    if place == "cpu" or card.precision == "int8":
        return OnnxRuntime(folder / GRAPH, threads=device.threads, by_image=card.kind == "lite")
    return TorchRuntime(network, map_tensors(folder / WEIGHTS), place, device)
