"""Inputs of a network: augmented pictures, or their features from a frozen trunk."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from i2v_search.choices import Device
from i2v_search.encoders.networks.layers import Network, Weights, onnx_model
from i2v_search.encoders.networks.runtime import OnnxRuntime, Runtime, TorchRuntime, resolve_device
from i2v_search.encoders.stream import run_batches
from i2v_search.encoders.trained import Preprocessing
from i2v_search.errors import ImageError
from i2v_search.files import open_regular, read_regular, write_atomically
from i2v_search.images.decoding import decode_image
from i2v_search.images.lookahead import map_ahead
from i2v_search.progress import Progress, Report, silent
from i2v_search.training.augment import Augmentation, augment, random_of
from i2v_search.training.datasets.dataset import Dataset, Picture

#: Pictures are decoded with at least this many times the side of the network's input, so that a crop is no
#: enlargement.
MARGIN = 2
FEATURES, PROGRESS = "features.npy", "features.json"


class Samples(Protocol):
    """Inputs of a network by row: the pictures of all data sets in order."""

    #: Why rows give nothing, as far as they were requested.
    skipped: dict[int, str]

    def read(self, row: int, epoch: int | None) -> NDArray[Any] | None:
        """One input, as an epoch augments it or, for None, as it is; thread-safe.

        Returns:
            None if it cannot be read.
        """
        ...

    def to_input(self, batch: NDArray[Any]) -> NDArray[np.float32]:
        """(n, ...) of `read` -> (n, ...) float32, what the network takes."""
        ...


@dataclass
class PictureSamples:
    """Pictures, decoded and augmented when they are requested; satisfies `Samples`.

    Attributes:
        datasets: datasets of the pictures.
        preprocessing: preprocessing of the network.
        size: side of its input.
        augmentation: how an epoch changes them.
        seed: seed of the changes.
        skipped: see `Samples`.
    """

    datasets: Sequence[Dataset]
    preprocessing: Preprocessing
    size: int
    augmentation: Augmentation
    seed: int
    skipped: dict[int, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.pictures: list[tuple[Dataset, Picture]] = [
            (dataset, picture) for dataset in self.datasets for picture in dataset.pictures
        ]

    def read(self, row: int, epoch: int | None) -> NDArray[Any] | None:
        """See `Samples.read`: (size, size, 3)."""
        dataset, picture = self.pictures[row]
        shrink_to = self.preprocessing.shrink_to if epoch is None else MARGIN * self.size
        try:
            image = decode_image(dataset.read(picture), name=picture.path, shrink_to=shrink_to).pixels
        except ImageError as error:
            self.skipped[row] = error.reason
            return None
        if epoch is not None:
            image = augment(image, self.augmentation, random_of(self.seed, epoch, row))
        return self.preprocessing.prepare(image)

    def to_input(self, batch: NDArray[Any]) -> NDArray[np.float32]:
        """See `Samples.to_input`: (n, 3, size, size)."""
        return self.preprocessing.to_input(batch)


def read_ahead(
    samples: Samples, rows: Sequence[int], epoch: int | None, ahead: int
) -> Iterator[tuple[int, NDArray[Any] | None]]:
    """Rows with their inputs, in order; threads read up to `ahead` of them before they are requested."""
    return map_ahead(lambda row: (row, samples.read(row, epoch)), rows, ahead)


def input_batches(
    samples: Samples, rows: Sequence[int], epoch: int | None, size: int
) -> Iterator[tuple[NDArray[np.int64], NDArray[np.float32]]]:
    """Rows that can be read, and their inputs, `size` at a time."""

    def prepare(row: int) -> tuple[int, NDArray[Any] | None]:
        return row, samples.read(row, epoch)

    for batch in run_batches(rows, prepare, lambda values: samples.to_input(np.stack(values)), size):
        if batch.output is not None:
            yield np.array(batch.items, np.int64)[batch.places], batch.output


class FeatureSamples:
    """Features of a frozen trunk, computed once, kept in a file and mapped; satisfies `Samples`.

    The file holds `copies` augmented copies of every training row, and every validation row as it is; epoch e
    sees copy e modulo `copies`. A file that was begun is gone on with.

    Attributes:
        skipped: see `Samples`.
    """

    def __init__(
        self, features: NDArray[np.float16], places: dict[tuple[int, int], int], copies: int
    ) -> None:
        self.skipped: dict[int, str] = {}
        self._features, self._places, self._copies = features, places, copies

    @classmethod
    def compute(
        cls,
        samples: PictureSamples,
        rows: tuple[NDArray[np.int64], NDArray[np.int64]],
        *,
        copies: int,
        trunk: FrozenTrunk,
        folder: Path,
        report: Report = silent,
    ) -> FeatureSamples:
        """Compute the features, or continue computing them.

        Args:
            samples: the pictures.
            rows: rows of training and of validation.
            copies: copies of each training row; 0 takes it as it is.
            trunk: what computes them.
            folder: where they are kept.
            report: called with the progress.
        """
        training, validation = (part.tolist() for part in rows)
        wanted = [(row, copy) for copy in range(copies) for row in training]
        wanted += [(row, -1) for row in ([*validation] if copies else [*training, *validation])]
        key = _key_of(samples, wanted, trunk)
        features, done = _open_features(folder, key, (len(wanted), trunk.dimension))
        found = cls(features, {key: place for place, key in enumerate(wanted)}, copies)

        def prepare(key: tuple[int, int]) -> tuple[None, NDArray[Any] | None]:
            row, copy = key
            return None, samples.read(row, None if copy < 0 else copy)

        def run(values: list[NDArray[Any]]) -> NDArray[np.float32]:
            return trunk.run(samples.to_input(np.stack(values)))

        report(Progress("computing features", done, len(wanted)))
        for batch in run_batches(wanted[done:], prepare, run, trunk.batch):
            # A row that cannot be read is one of NaN.
            block = np.full((len(batch.items), features.shape[1]), np.nan, np.float16)
            if batch.output is not None:
                block[batch.places] = batch.output
            features[done : done + len(block)] = block
            done += len(block)
            features.flush()
            _save_progress(folder, key, done)
            report(Progress("computing features", done, len(wanted)))
        for row in (*training, *validation):
            if found.read(row, 0) is None:
                samples.read(row, None)
                found.skipped[row] = samples.skipped.get(row, "it could not be read")
        return found

    def read(self, row: int, epoch: int | None) -> NDArray[Any] | None:
        """See `Samples.read`: (d,) float32."""
        copy = epoch % self._copies if epoch is not None and self._copies else -1
        place = self._places.get((row, copy), self._places.get((row, -1)))
        if place is None:
            return None
        values = self._features[place].astype(np.float32)
        return None if np.isnan(values[0]) else values

    def to_input(self, batch: NDArray[Any]) -> NDArray[np.float32]:
        """See `Samples.to_input`: (n, d)."""
        return np.asarray(batch, np.float32)


class FrozenTrunk:
    """The part of a network that does not learn: images in, (n, d) features out.

    Args:
        network: with one output.
        weights: its weights.
        device: where the model runs.
    """

    def __init__(self, network: Network, weights: Weights, device: Device) -> None:
        place = resolve_device(device.name)
        self._runtime: Runtime = (
            OnnxRuntime(onnx_model(network, weights), threads=device.threads, by_image=True)
            if place == "cpu"
            else TorchRuntime(network, weights, place, device)
        )
        self.batch = device.batch_size or self._runtime.best_batch(32)
        digest = hashlib.sha256(repr(network).encode())
        for name in network.parameter_names():
            digest.update(np.ascontiguousarray(weights[name], np.float32).tobytes())
        self.sha256 = digest.hexdigest()
        last = [layer for layer in network.layers if layer.kind == "conv"][-1].name
        self.dimension = len(weights[f"{last}.weight"])

    def run(self, images: NDArray[np.float32]) -> NDArray[np.float32]:
        """(n, 3, size, size) float32 -> (n, d) float32."""
        (features,) = self._runtime.run(images)
        return features


def _open_features(
    folder: Path, key: str, shape: tuple[int, int]
) -> tuple[np.memmap[Any, np.dtype[np.float16]], int]:
    """The file of features, and how many of its rows are there already."""
    try:
        progress = json.loads(read_regular(folder / PROGRESS))
        with open_regular(folder / FEATURES):  # NumPy maps by name only
            features = np.load(folder / FEATURES, mmap_mode="r+", allow_pickle=False)
        if progress["key"] == key and (features.shape, features.dtype) == (shape, np.float16):
            return features, int(progress["done"])
    except (OSError, ValueError, KeyError, TypeError):
        pass
    _save_progress(folder, "", 0)
    made = np.lib.format.open_memmap(folder / FEATURES, "w+", np.float16, shape)
    return made, 0


def _key_of(samples: PictureSamples, wanted: Sequence[tuple[int, int]], trunk: FrozenTrunk) -> str:
    """A hash of everything that the features depend on."""
    paths = [(str(dataset.root), picture.path) for dataset, picture in samples.pictures]
    described = [
        trunk.sha256,
        samples.preprocessing.id,
        asdict(samples.augmentation),
        samples.seed,
        wanted,
        paths,
    ]
    return hashlib.sha256(json.dumps(described).encode()).hexdigest()


def _save_progress(folder: Path, key: str, done: int) -> None:
    write_atomically(folder / PROGRESS, json.dumps({"key": key, "done": done}).encode())
