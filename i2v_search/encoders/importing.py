"""Bring a model file into the user's data directory: checked, converted once, and named."""

from __future__ import annotations

import os
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from i2v_search.encoders.i2v_input import network_mean, preprocessing_id
from i2v_search.encoders.model_card import (
    OTHER_FILES,
    TEXT_GRAPH,
    TEXT_MEAN,
    TOKENIZER,
    ModelCard,
    OnnxDescription,
    TextDescription,
)
from i2v_search.encoders.model_folder import (
    CARD,
    MEAN,
    TAGS,
    THRESHOLDS,
    check_model,
    check_text,
    find_model,
    new_model,
    write_vocabulary,
)
from i2v_search.encoders.networks.illustration2vec import Head, i2v_network
from i2v_search.encoders.networks.layers import Weights
from i2v_search.encoders.networks.runtime import GRAPH, WEIGHTS, write_graph
from i2v_search.encoders.neutral_texts import NEUTRAL_TEXTS
from i2v_search.encoders.onnx_files import read_model, write_part
from i2v_search.encoders.onnx_graph import check_image_input
from i2v_search.encoders.onnx_trial import Trial, try_model
from i2v_search.encoders.resizing import preprocessing_of
from i2v_search.encoders.text_import import TextSource, describe_text, write_tokenizer
from i2v_search.encoders.text_tower import TextTower, mean_of_texts
from i2v_search.encoders.weights.caffemodel import read_mean
from i2v_search.encoders.weights.checkpoints import check_architecture, heads, read_weights
from i2v_search.encoders.weights.prototxt import check_prototxt
from i2v_search.errors import EncoderError, TagError
from i2v_search.files import file_sha256, read_regular
from i2v_search.tags.lists import read_vocabulary
from i2v_search.tags.thresholds import choose_thresholds
from i2v_search.tags.vocabulary import Vocabulary

TAGS_SUFFIX = "-tags"
TRIAL_SECONDS = 300.0


@dataclass(frozen=True)
class Companions:
    """Files that belong to a weight file.

    Attributes:
        tags: list of tags; a tag model needs it.
        thresholds: thresholds of the tags; see `choose_thresholds`.
        prototxt: the network's Caffe configuration, checked against the weights.
        mean: an image mean (.npy or .binaryproto) in place of the published channel means.
    """

    tags: Path | None = None
    thresholds: str | os.PathLike[str] | None = None
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
    thresholds: str | os.PathLike[str] | None = None,
    text: TextSource | None = None,
    seconds: float = TRIAL_SECONDS,
) -> ModelCard:
    """Import any ONNX model with a description of its input and outputs, and its text tower if it has one.

    It is run on two images and two texts first, in a separate process. Of a model with several inputs only
    what the image needs is kept, and what the text needs apart from it.

    Args:
        path: the model; weights that it keeps in other files must lie in its folder.
        name: name of the model.
        description: see `OnnxDescription`.
        tags: list of tags (.json or .csv); needed with a tag output.
        thresholds: thresholds of the tags; see `choose_thresholds`.
        text: the text tower; None without one.
        seconds: that the trial may take.

    Raises:
        EncoderError: ONNX Runtime cannot run it, or not in time, or it is not what the description says.
        TagError: the list of tags or the thresholds do not fit.
    """
    file = Path(path)
    if description.output is None and description.tag_output is None:
        raise EncoderError("name the outputs of the model: --output for vectors, --tag-output for tags")
    if (description.tag_output is None) != (tags is None):
        raise TagError("--tag-output and --tags require each other: the tag output and the tag list")
    if thresholds is not None and tags is None:
        raise TagError("--thresholds belong to tags: name the tag output and the tag list")
    if text is not None and description.output is None:
        raise EncoderError("a text tower belongs to an encoder; name the vector output with --output")
    with new_model(name) as folder:
        model = read_model(file)
        check_image_input(model, description.outputs)
        described = None if text is None else _write_text(text, file, model, folder)
        write_part(model, file, description.outputs, folder / GRAPH)
        del model
        trial = try_model(folder, description, described, name=file.name, seconds=seconds)
        if described is not None:
            _write_text_mean(described, trial, folder)
        if tags is not None:
            write_vocabulary(folder, choose_thresholds(read_vocabulary(tags, count=trial.tags), thresholds))
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
            text=described,
            files={part: file_sha256(folder / part) for part in OTHER_FILES if (folder / part).exists()},
        )
        (folder / CARD).write_text(card.model_dump_json(indent=1), encoding="utf-8")
    return card


def _write_text(source: TextSource, file: Path, model: Any, folder: Path) -> TextDescription:
    """Write the files of a text tower, which has a file of its own or is in that of the image tower; returns
    what describes it."""
    if source.model is not None:
        file, model = source.model, read_model(source.model)
    write_tokenizer(source, folder / TOKENIZER)
    described = describe_text(source, model, folder / TOKENIZER)
    write_part(model, file, [described.output], folder / TEXT_GRAPH)
    return described


def _write_text_mean(described: TextDescription, trial: Trial, folder: Path) -> None:
    if trial.text != trial.dimension:
        raise EncoderError(
            f"a text's vector has {trial.text} numbers, an image's {trial.dimension}; the towers are of "
            "different models, or another --text-output or --output is needed"
        )
    tower = TextTower(folder / TEXT_GRAPH, folder / TOKENIZER, described)
    mean = mean_of_texts(tower, NEUTRAL_TEXTS[described.language])
    np.save(folder / TEXT_MEAN, mean, allow_pickle=False)


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
    check_text(card)
    trained = ModelCard.model_validate_json(read_regular(folder / CARD))
    card = trained.model_copy(update={"name": name or trained.name})
    with new_model(card.name) as target:
        for file in (GRAPH, WEIGHTS, TAGS, THRESHOLDS, MEAN, TEXT_MEAN, *OTHER_FILES):
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
    return choose_thresholds(read_vocabulary(companions.tags, count=count), companions.thresholds)
