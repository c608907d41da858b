"""An 8-bit copy of an Illustration2Vec feature model, and what it costs in recall: measured, not assumed."""

from __future__ import annotations

import logging
import shutil
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from i2v_search.choices import Device
from i2v_search.encoders.base import Encoder, encode_batch
from i2v_search.encoders.i2v_input import network_mean, to_network_input
from i2v_search.encoders.model_card import ModelCard
from i2v_search.encoders.model_folder import CARD, MEAN, check_model, find_model, load_array, new_model
from i2v_search.encoders.networks.illustration2vec import i2v_network
from i2v_search.encoders.networks.layers import onnx_model
from i2v_search.encoders.networks.runtime import GRAPH, WEIGHTS
from i2v_search.encoders.opening import open_encoder
from i2v_search.encoders.tensors import map_tensors
from i2v_search.errors import EncoderError, ImageError
from i2v_search.files import file_sha256
from i2v_search.images.decoding import decode_image
from i2v_search.images.lookahead import map_ahead
from i2v_search.images.sources import Skipped, Source, image_root, iter_images
from i2v_search.progress import Progress, Report, silent

CALIBRATION_IMAGES = 64
MEASURED_IMAGES = 512
_NEIGHBOURS = 10


@dataclass(frozen=True)
class Quantization:
    """An 8-bit model and how it compares with the one it was made from.

    Attributes:
        card: card of the new model.
        images: how many both models encoded.
        recall_at_10: share of each image's ten nearest others, by centred cosine, that the 8-bit vectors find
            too.
        cosine: mean cosine of an image's two vectors.
    """

    card: ModelCard
    images: int
    recall_at_10: float
    cosine: float

    def to_dict(self) -> dict[str, Any]:
        """The attributes as JSON-ready values."""
        return {**vars(self), "card": self.card.model_dump(mode="json")}


def quantize_model(
    name: str, images: Sequence[Source], *, new_name: str | None = None, report: Report = silent
) -> Quantization:
    """Make an 8-bit copy of an imported feature model, calibrated and judged on some images.

    Weights become int8 for each channel, activations uint8 with ranges seen on the first `CALIBRATION_IMAGES`
    images (ONNX Runtime's static quantization). The copy is an encoder of its own: its vectors are never
    mixed with the others.

    Args:
        name: name of the imported model.
        images: typical ones, some hundred; at most `MEASURED_IMAGES` are used.
        new_name: new name of the copy; None appends ``-int8``.
        report: called with the progress.

    Returns:
        The copy and its recall.

    Raises:
        EncoderError: there is no such feature model, or fewer than 20 images could be read.
    """
    card = find_model(name)
    if card is None or card.kind != "i2v-feature" or card.precision != "float32":
        raise EncoderError(f"{name!r} is not an imported float32 feature model; see i2v-search models list")
    folder = check_model(card)
    encoder = open_encoder(name, Device(name="cpu"))
    prepared = _prepared(encoder, images)
    if len(prepared) < 2 * _NEIGHBOURS:
        raise EncoderError(
            f"{len(prepared)} images could be read; give at least {2 * _NEIGHBOURS}, preferably a few hundred"
        )
    mean = load_array(folder / MEAN)
    batches = _Batches(prepared[:CALIBRATION_IMAGES], network_mean() if mean is None else mean)
    with new_model(new_name or f"{name}-int8") as target:
        report(Progress("calibrating", 0, None))
        _quantize(folder / WEIGHTS, target / GRAPH, batches)
        if mean is not None:
            shutil.copyfile(folder / MEAN, target / MEAN)
        copy = card.model_copy(
            update={
                "name": new_name or f"{name}-int8",
                "precision": "int8",
                "weights_sha256": file_sha256(target / GRAPH),
                "tags": None,
            }
        )
        (target / CARD).write_text(copy.model_dump_json(indent=1), encoding="utf-8")
    exact = _encode(encoder, prepared, report)
    rough = _encode(open_encoder(copy.name, Device(name="cpu")), prepared, report)
    cosine = (exact * rough).sum(1) / np.maximum(
        np.linalg.norm(exact, axis=1) * np.linalg.norm(rough, axis=1), 1e-12
    )
    return Quantization(copy, len(prepared), _recall(exact, rough), float(cosine.mean()))


class _Batches:
    """ONNX Runtime's `CalibrationDataReader`: one image at a time."""

    def __init__(self, prepared: Sequence[NDArray[np.float32]], mean: NDArray[np.float32]) -> None:
        self._inputs = iter({"image": to_network_input(item[None], mean)} for item in prepared)

    def get_next(self) -> dict[str, NDArray[np.float32]] | None:
        return next(self._inputs, None)


def _quantize(weights: Path, target: Path, batches: _Batches) -> None:
    from onnxruntime import quantization

    with tempfile.TemporaryDirectory() as scratch:
        whole = Path(scratch) / GRAPH
        whole.write_bytes(onnx_model(i2v_network("feature"), map_tensors(weights)))
        # It warns, on the root logger, about graphs that an exporter made; this one needs no preparation.
        logging.disable(logging.WARNING)
        try:
            quantization.quantize_static(
                str(whole),
                str(target),
                batches,
                quant_format=quantization.QuantFormat.QDQ,
                per_channel=True,
                activation_type=quantization.QuantType.QUInt8,
                weight_type=quantization.QuantType.QInt8,
            )
        finally:
            logging.disable(logging.NOTSET)


def _prepared(encoder: Encoder, sources: Sequence[Source]) -> list[Any]:
    def prepare(item: Any) -> Any:
        try:
            return None if isinstance(item, Skipped) else encoder.prepare(decode_image(item.read()).pixels)
        except ImageError:
            return None

    found = map_ahead(prepare, iter_images(sources, image_root(sources)), 16)
    return [item for item in islice(found, MEASURED_IMAGES) if item is not None]


def _encode(encoder: Encoder, prepared: Sequence[Any], report: Report) -> NDArray[np.float32]:
    def blocks() -> Iterator[NDArray[np.float32]]:
        for start in range(0, len(prepared), encoder.batch_size):
            report(Progress(f"encoding with {encoder.info.id}", start, len(prepared)))
            yield encode_batch(encoder, prepared[start : start + encoder.batch_size]).vectors

    return np.concatenate(list(blocks()))


def _recall(exact: NDArray[np.float32], rough: NDArray[np.float32]) -> float:
    first, second = (_nearest(vectors) for vectors in (exact, rough))
    shared = [len(np.intersect1d(a, b)) for a, b in zip(first, second, strict=True)]
    return float(np.mean(shared)) / _NEIGHBOURS


def _nearest(vectors: NDArray[np.float32]) -> NDArray[np.int64]:
    unit = vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-12)
    centred = unit - unit.mean(axis=0)
    centred /= np.maximum(np.linalg.norm(centred, axis=1, keepdims=True), 1e-12)
    scores = centred @ centred.T
    np.fill_diagonal(scores, -2)
    return np.argsort(-scores, axis=1)[:, :_NEIGHBOURS]
