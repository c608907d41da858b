"""Bring a model file into the user's data directory: checked, converted once, and named."""

from __future__ import annotations

import os
import shutil
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from i2v_search.encoders.i2v_input import network_mean, preprocessing_id
from i2v_search.encoders.model_folder import (
    CARD,
    MEAN,
    TAGS,
    THRESHOLDS,
    ModelCard,
    OnnxDescription,
    check_model,
    check_name,
    find_model,
    new_model,
    write_vocabulary,
)
from i2v_search.encoders.networks.illustration2vec import Head, i2v_network
from i2v_search.encoders.networks.layers import Weights
from i2v_search.encoders.networks.runtime import GRAPH, WEIGHTS, write_graph
from i2v_search.encoders.onnx import preprocessing_of
from i2v_search.encoders.onnx_graph import image_graph
from i2v_search.encoders.onnx_trial import read_model, try_model
from i2v_search.encoders.weights.caffemodel import read_mean
from i2v_search.encoders.weights.checkpoints import check_architecture, heads, read_weights
from i2v_search.encoders.weights.prototxt import check_prototxt
from i2v_search.errors import EncoderError, TagError
from i2v_search.files import file_sha256, read_regular
from i2v_search.tags.lists import read_thresholds, read_vocabulary
from i2v_search.tags.vocabulary import Vocabulary

TAGS_SUFFIX = "-tags"
TRIAL_SECONDS = 300.0


@dataclass(frozen=True)
class Companions:
    """Files that belong to a weight file.

    Attributes:
        tags: list of tags; a tag model needs it.
        thresholds: each tag's thresholds (.npz).
        prototxt: the network's Caffe configuration, checked against the weights.
        mean: an image mean (.npy or .binaryproto) in place of the published channel means.
    """

    tags: Path | None = None
    thresholds: Path | None = None
    prototxt: Path | None = None
    mean: Path | None = None


def import_weights(
    path: str | os.PathLike[str], *, name: str | None = None, companions: Companions = Companions()
) -> tuple[ModelCard, ...]:
    """Import Illustration2Vec weights: .caffemodel, .pth, .npz, .safetensors, or .onnx of the same networks.

    The training head ``encode2`` is left out. The weights are converted to safetensors, tensor by tensor.

    Args:
        path: the file.
        name: name of the model; None makes one from the file's name: ``i2v-v2`` for a version 200, with
            ``-tags`` for a tag model.
        companions: files that belong to it.

    Returns:
        A card for each model: a file with both heads gives two.

    Raises:
        WeightsError: the file is truncated, of a foreign network, or pickled code.
        TagError: the list of tags is missing, or does not fit.
        EncoderError: the name is taken.
    """
    file = Path(path)
    weights = read_weights(file)
    check_architecture(weights)
    if companions.prototxt is not None:
        check_prototxt(companions.prototxt, weights)
    found = heads(weights)
    base = (name or default_name(file)).removesuffix(TAGS_SUFFIX if name is None else "\0")
    cards = []
    for head in found:
        suffix = TAGS_SUFFIX if head == "tag" and (name is None or len(found) > 1) else ""
        cards.append(_import_head(file, weights, head, base + suffix, companions))
    return tuple(cards)


def default_name(path: Path) -> str:
    """A model's name after that of its file.

    >>> default_name(Path("illust2vec_tag_ver200.caffemodel")), default_name(Path("my_weights.pth"))
    ('i2v-v2', 'i2v')
    """
    stem = path.stem.lower()
    for mark, version in (("ver200", "-v2"), ("ver100", "-v1"), ("v2", "-v2"), ("v1", "-v1")):
        if mark in stem:
            return f"i2v{version}"
    return "i2v"


def import_onnx(
    path: str | os.PathLike[str],
    *,
    name: str,
    description: OnnxDescription,
    tags: Path | None = None,
    seconds: float = TRIAL_SECONDS,
) -> ModelCard:
    """Import any ONNX model with a description of its input and outputs.

    It is run on two images first, in a separate process. Of a model with several inputs only what the image
    needs is kept, such as the image tower of a CLIP.

    Args:
        path: the model, one file.
        name: name of the model.
        description: see `OnnxDescription`.
        tags: list of tags (.json or .csv); needed with a tag output.
        seconds: that the trial may take.

    Raises:
        EncoderError: ONNX Runtime cannot run it, or not in time, or it is not what the description says.
        TagError: the list of tags does not fit.
    """
    file = Path(path)
    if description.output is None and description.tag_output is None:
        raise EncoderError("name the outputs of the model: --output for vectors, --tag-output for tags")
    if (description.tag_output is None) != (tags is None):
        raise TagError("--tag-output and --tags require each other: the tag output and the tag list")
    check_name(name)
    trial = try_model(file, description, seconds=seconds)
    vocabulary = None if tags is None else read_vocabulary(tags, count=trial.tags)
    with new_model(name) as folder:
        part = image_graph(read_model(file), description.outputs)
        if part is None:
            shutil.copyfile(file, folder / GRAPH)
        else:
            (folder / GRAPH).write_bytes(part.SerializeToString())
        if vocabulary is not None:
            write_vocabulary(folder, vocabulary)
        card = ModelCard(
            name=name,
            kind="onnx",
            source=file.name,
            source_sha256=file_sha256(file),
            weights_sha256=file_sha256(folder / GRAPH),
            preprocessing=preprocessing_of(description),
            dimension=trial.dimension,
            tags=trial.tags,
            onnx=description,
        )
        (folder / CARD).write_text(card.model_dump_json(indent=1), encoding="utf-8")
    return card


def import_folder(path: str | os.PathLike[str], *, name: str | None = None) -> ModelCard:
    """Import a model's folder, such as ``i2v-search train`` leaves it; what else lies in it stays behind.

    Args:
        path: the folder.
        name: name of the model; None keeps the name it was given in training.

    Raises:
        EncoderError: the folder holds no model, its files differ from their checksums, or the name is taken.
    """
    folder = Path(path)
    card = find_model(os.fspath(folder.resolve()))
    if card is None:
        raise EncoderError(f"{folder} holds no {CARD}; give a weight file, or a folder made by train")
    check_model(card)
    trained = ModelCard.model_validate_json(read_regular(folder / CARD))
    card = trained.model_copy(update={"name": name or trained.name})
    with new_model(card.name) as target:
        for file in (GRAPH, WEIGHTS, TAGS, THRESHOLDS, MEAN):
            if (folder / file).is_file():
                shutil.copyfile(folder / file, target / file)
        (target / CARD).write_text(card.model_dump_json(indent=1), encoding="utf-8")
    return card


def _import_head(file: Path, weights: Weights, head: Head, name: str, companions: Companions) -> ModelCard:
    mean = network_mean() if companions.mean is None else network_mean(read_mean(companions.mean))
    network = i2v_network(head)
    chosen = {parameter: weights[parameter] for parameter in network.parameter_names()}
    outputs = chosen[network.parameter_names()[-1]].shape[0]
    vocabulary = _vocabulary(companions, outputs) if head == "tag" else None
    with new_model(name) as folder:
        write_graph(folder, network, chosen)
        if companions.mean is not None:
            np.save(folder / MEAN, mean, allow_pickle=False)
        if vocabulary is not None:
            write_vocabulary(folder, vocabulary)
        card = ModelCard(
            name=name,
            kind="i2v-feature" if head == "feature" else "i2v-tag",
            source=file.name,
            source_sha256=file_sha256(file),
            weights_sha256=file_sha256(folder / WEIGHTS),
            preprocessing=preprocessing_id(mean),
            dimension=outputs if head == "feature" else None,
            tags=outputs if head == "tag" else None,
        )
        (folder / CARD).write_text(card.model_dump_json(indent=1), encoding="utf-8")
    return card


def _vocabulary(companions: Companions, count: int) -> Vocabulary:
    if companions.tags is None:
        raise TagError("this is a tag model; give its tag list with --tags tag_list.json")
    vocabulary = read_vocabulary(companions.tags, count=count)
    if companions.thresholds is None:
        return vocabulary
    return vocabulary.with_thresholds(read_thresholds(companions.thresholds, count))
