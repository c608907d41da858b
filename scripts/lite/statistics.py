"""The statistics that `lite` sees of the pictures of data sets, as they are and changed, kept in files."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from i2v_search.choices import Device
from i2v_search.encoders import lite
from i2v_search.encoders.lite_head import STATISTICS
from i2v_search.encoders.networks import efficientnet
from i2v_search.encoders.networks.layers import Weights
from i2v_search.encoders.trained import Preprocessing
from i2v_search.errors import ImageError, TrainingError
from i2v_search.files import replacing
from i2v_search.progress import Progress, Report, silent
from i2v_search.training.augment import Augmentation
from i2v_search.training.datasets.dataset import Dataset
from i2v_search.training.samples import PictureSamples, input_batches

COUNT = sum(channels for (_, _, channels), _ in STATISTICS)
BATCH = 32


class StatisticsCache:
    """Normalised statistics, (n, s) float16 in a file for each data set and version of its pictures.

    Version 0 is the pictures as they are; another is what an epoch of augmentation makes of them.

    Args:
        folder: of the files; made where it is missing. A file that is there already is taken as it is: its
            name holds the hash of all it depends on.
        weights: of the trunk.
        augmentation: how versions differ.
        seed: of the changes.
        device: where the trunk runs.
    """

    def __init__(
        self,
        folder: Path,
        weights: Weights,
        augmentation: Augmentation,
        *,
        seed: int = 0,
        device: Device = Device(),
    ) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._folder, self._augmentation, self._seed = folder, augmentation, seed
        self._key = hashlib.sha256()
        for name in sorted(weights):
            self._key.update(name.encode() + np.ascontiguousarray(weights[name]).tobytes())
        self._trunk = lite.Trunk(lambda: weights, self._key.hexdigest(), device)

    def read(self, dataset: Dataset, version: int, report: Report = silent) -> NDArray[np.float16]:
        """One version of a data set's pictures, computed where it is not there yet.

        Returns:
            (len(dataset), s) float16, mapped.

        Raises:
            TrainingError: a picture cannot be read.
        """
        path = self._folder / f"{self._name(dataset, version)}.npy"
        if not path.exists():
            with replacing(path) as temporary:
                self._compute(dataset, version, temporary, report)
        found: NDArray[np.float16] = np.load(path, mmap_mode="r", allow_pickle=False)
        return found

    def _name(self, dataset: Dataset, version: int) -> str:
        key = self._key.copy()
        described = [lite.PREPROCESSING, [statistic for statistic, _ in STATISTICS], version]
        if version:
            described += [asdict(self._augmentation), self._seed]
        key.update(json.dumps(described).encode())
        for picture in dataset.pictures:
            try:
                key.update(hashlib.sha256(dataset.read(picture)).digest())
            except ImageError as error:
                raise TrainingError(f"{picture.path} of {dataset.name}: {error.reason}") from error
        return f"{dataset.name}-{version}-{key.hexdigest()[:16]}"

    def _compute(self, dataset: Dataset, version: int, path: Path, report: Report) -> None:
        preprocessing = Preprocessing(
            lite.PREPROCESSING, efficientnet.SIZE, lite.prepare, efficientnet.network_input
        )
        samples = PictureSamples([dataset], preprocessing, efficientnet.SIZE, self._augmentation, self._seed)
        stage = f"{dataset.name}, version {version}"
        with path.open("wb") as file:
            np.lib.format.write_array_header_2_0(
                file, {"descr": "<f2", "fortran_order": False, "shape": (len(dataset), COUNT)}
            )
            done = 0
            for rows, batch in input_batches(samples, range(len(dataset)), version or None, BATCH):
                if samples.skipped:
                    break
                statistics = self._trunk.statistics(batch)
                file.write(np.ascontiguousarray(statistics, "<f2").tobytes())
                done += len(rows)
                report(Progress(stage, done, len(dataset)))
        if samples.skipped:
            row, reason = next(iter(samples.skipped.items()))
            raise TrainingError(f"{dataset.pictures[row].path} of {dataset.name}: {reason}")
