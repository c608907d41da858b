"""Bring a model file into the user's data directory: checked, converted once, and named."""

from __future__ import annotations

import os
import shutil
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from i2v_search.encoders.caffemodel import read_mean
from i2v_search.encoders.checkpoints import check_architecture, heads, read_weights
from i2v_search.encoders.i2v_input import network_mean, preprocessing_id
from i2v_search.encoders.illustration2vec import Head, i2v_network
from i2v_search.encoders.models import (
    CARD,
    MEAN,
    TAGS,
    THRESHOLDS,
    ModelCard,
    OnnxDescription,
    check_model,
    find_model,
    new_model,
    write_vocabulary,
)
from i2v_search.encoders.network import Weights
from i2v_search.encoders.onnx import OnnxModel, preprocessing_of
from i2v_search.encoders.prototxt import check_prototxt
from i2v_search.encoders.runtime import GRAPH, WEIGHTS, write_graph
from i2v_search.errors import EncoderError, TagError
from i2v_search.files import file_sha256
from i2v_search.tag_files import read_thresholds, read_vocabulary
from i2v_search.tags import Vocabulary

TAGS_SUFFIX = "-tags"


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
        name: of the model; None makes one from the file's name: ``i2v-v2`` for a version 200, with ``-tags``
            for a tag model.
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
    path: str | os.PathLike[str], *, name: str, description: OnnxDescription, tags: Path | None = None
) -> ModelCard:
    """Import any ONNX model with a description of its input and outputs; it is run once to check them.

    Args:
        path: the model; its external data, if any, must lie beside it.
        name: of the model.
        description: see `OnnxDescription`.
        tags: list of tags (.json or .csv); needed with a tag output.

    Raises:
        EncoderError: ONNX Runtime cannot run it, or its outputs are not what the description says.
        TagError: the list of tags does not fit.
    """
    file = Path(path)
    if description.output is None and description.tag_output is None:
        raise EncoderError("name what the model gives: --output for vectors, --tag-output for tags")
    if (description.tag_output is None) != (tags is None):
        raise TagError("--tag-output and --tags go together: the output with the tags, and the list of them")
    with new_model(name) as folder:
        _copy_model(file, folder)
        sha256 = file_sha256(folder / GRAPH)
        card = ModelCard(
            name=name,
            kind="onnx",
            source=file.name,
            source_sha256=sha256,
            weights_sha256=sha256,
            preprocessing=preprocessing_of(description),
            onnx=description,
        )
        model = OnnxModel(card.info(1), folder / GRAPH, description)
        blank = [np.zeros((description.size, description.size, 3), np.uint8)]
        dimension = None if description.output is None else model.encode(blank).vectors.shape[1]
        count = None
        if tags is not None:
            count = model.tag(blank).shape[1]
            write_vocabulary(folder, read_vocabulary(tags, count=count))
        card = card.model_copy(update={"dimension": dimension, "tags": count})
        (folder / CARD).write_text(card.model_dump_json(indent=1), encoding="utf-8")
    return card


def import_folder(path: str | os.PathLike[str], *, name: str | None = None) -> ModelCard:
    """Import a model's folder, such as ``i2v-search train`` leaves it; what else lies in it stays behind.

    Args:
        path: the folder.
        name: of the model; None keeps the name it was given in training.

    Raises:
        EncoderError: the folder holds no model, its files differ from their checksums, or the name is taken.
    """
    folder = Path(path)
    card = find_model(os.fspath(folder.resolve()))
    if card is None:
        raise EncoderError(f"{folder} holds no {CARD}: give a file of weights, or a folder that train left")
    check_model(card)
    trained = ModelCard.model_validate_json((folder / CARD).read_bytes())
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
        raise TagError("this is a tag model: give its list of tags with --tags tag_list.json")
    vocabulary = read_vocabulary(companions.tags, count=count)
    if companions.thresholds is None:
        return vocabulary
    return vocabulary.with_thresholds(read_thresholds(companions.thresholds, count))


def _copy_model(file: Path, folder: Path) -> None:
    """Copy an ONNX file that is whole in itself."""
    import onnx
    from google.protobuf.message import DecodeError

    try:
        model = onnx.load(os.fspath(file), load_external_data=False)
    except OSError as error:
        raise EncoderError(f"{file} cannot be read: {error.strerror}") from None
    except (DecodeError, ValueError) as error:
        raise EncoderError(f"{file} is not an ONNX model ({error})") from error
    if any(tensor.external_data for tensor in model.graph.initializer):
        raise EncoderError(
            f"{file} keeps weights in other files; save it as one file (up to 2 GB) and import that"
        )
    shutil.copyfile(file, folder / GRAPH)
