"""What networks are fed: pictures as in use or augmented, and features of a frozen trunk, computed once."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from small_training import ON_CPU, small_set

from i2v_search import load_image
from i2v_search.encoders.networks.layers import Layer, Network
from i2v_search.encoders.trained import preprocessing_of
from i2v_search.progress import Progress
from i2v_search.training.augment import NO_AUGMENTATION, Augmentation
from i2v_search.training.datasets.dataset import Dataset
from i2v_search.training.samples import (
    FEATURES,
    FeatureSamples,
    FrozenTrunk,
    PictureSamples,
    input_batches,
    read_ahead,
)

TRUNK = Network(
    "trunk",
    224,
    (Layer("conv", "conv", ("image",), kernel=7, stride=7), Layer("mean", "pooled", ("conv",))),
    ("pooled",),
)
DEFAULT = Augmentation()
ROWS = np.arange(9), np.arange(9, 12)


@pytest.fixture
def dataset(tmp_path: Path) -> Dataset:
    found = small_set(tmp_path / "drawings", 12)
    (found.root / "004.png").write_bytes(b"no picture")
    return found


def samples(dataset: Dataset, augmentation: Augmentation = DEFAULT, seed: int = 0) -> PictureSamples:
    return PictureSamples([dataset], preprocessing_of("lite"), 224, augmentation, seed)


def trunk(seed: int = 0) -> FrozenTrunk:
    weight = np.random.default_rng(seed).normal(0, 0.1, (5, 3, 7, 7)).astype(np.float32)
    weights = {"conv.weight": weight, "conv.bias": np.zeros(5, np.float32)}
    return FrozenTrunk(TRUNK, weights, replace(ON_CPU, batch_size=4))


def compute(
    pictures: PictureSamples, folder: Path, copies: int = 2, seed: int = 0, **more: Any
) -> FeatureSamples:
    return FeatureSamples.compute(pictures, ROWS, copies=copies, trunk=trunk(seed), folder=folder, **more)


def test_a_picture_as_it_is_is_prepared_as_in_use(dataset: Dataset) -> None:
    for model in ("lite", "illustration2vec"):
        preprocessing = preprocessing_of(model)
        pictures = PictureSamples([dataset], preprocessing, 224, Augmentation(), 0)
        prepared = pictures.read(3, None)
        assert prepared is not None
        expected = preprocessing.prepare(load_image(dataset.root / "003.png"))
        np.testing.assert_array_equal(prepared, expected)


def test_epochs_see_different_pictures_and_runs_the_same(dataset: Dataset) -> None:
    def seen(epoch: int, seed: int = 0) -> bytes:
        return b"".join(
            value.tobytes()
            for _, value in read_ahead(samples(dataset, seed=seed), range(4), epoch, 3)
            if value is not None
        )

    assert seen(0) == seen(0)
    assert len({seen(0), seen(1), seen(0, seed=1)}) == 3


def test_batches_leave_out_what_cannot_be_read(dataset: Dataset) -> None:
    pictures = samples(dataset)
    found = list(input_batches(pictures, range(12), None, 5))
    assert [rows.tolist() for rows, _ in found] == [[0, 1, 2, 3, 5], [6, 7, 8, 9, 10], [11]]
    assert [inputs.shape for _, inputs in found] == [(size, 3, 224, 224) for size in (5, 5, 1)]
    assert list(pictures.skipped) == [4]


def test_features_are_those_of_the_trunk(dataset: Dataset, tmp_path: Path) -> None:
    pictures = samples(dataset)
    features = compute(pictures, tmp_path)

    def expected(row: int, epoch: int | None) -> NDArray[np.float32]:
        value = pictures.read(row, epoch)
        assert value is not None
        (features,) = trunk().run(pictures.to_input(value[None]))
        return np.asarray(features)

    for row, epoch, copy in ((0, 0, 0), (0, 1, 1), (3, 4, 0), (8, 7, 1), (10, None, None)):
        found = features.read(row, epoch)
        assert found is not None
        np.testing.assert_allclose(found, expected(row, copy), rtol=2e-3, atol=1e-3)
    assert features.read(4, 0) is None
    assert list(features.skipped) == [4]


def test_without_augmentation_one_copy_is_enough(dataset: Dataset, tmp_path: Path) -> None:
    features = compute(samples(dataset, NO_AUGMENTATION), tmp_path, copies=0)
    assert len(np.load(tmp_path / FEATURES, mmap_mode="r")) == 12
    np.testing.assert_array_equal(features.read(1, 0), features.read(1, 5))


class StopError(Exception):
    pass


def test_computing_features_goes_on_where_it_stopped(dataset: Dataset, tmp_path: Path) -> None:
    def stop(progress: Progress) -> None:
        if progress.done > 10:
            raise StopError

    whole, parts = tmp_path / "whole", tmp_path / "parts"
    whole.mkdir()
    parts.mkdir()
    compute(samples(dataset), whole)
    with pytest.raises(StopError):
        compute(samples(dataset), parts, report=stop)
    steps: list[int] = []
    compute(samples(dataset), parts, report=lambda progress: steps.append(progress.done))
    assert steps == [13, 18, 21]
    assert (parts / FEATURES).read_bytes() == (whole / FEATURES).read_bytes()


@pytest.mark.parametrize("change", [{"augmentation": NO_AUGMENTATION}, {"seed": 1}])
def test_features_of_other_settings_are_computed_again(
    dataset: Dataset, tmp_path: Path, change: dict[str, Any]
) -> None:
    compute(samples(dataset), tmp_path)
    before = (tmp_path / FEATURES).read_bytes()
    compute(samples(dataset, **change), tmp_path)
    assert (tmp_path / FEATURES).read_bytes() != before


def test_features_of_another_trunk_are_computed_again(dataset: Dataset, tmp_path: Path) -> None:
    compute(samples(dataset), tmp_path)
    before = (tmp_path / FEATURES).read_bytes()
    compute(samples(dataset), tmp_path, seed=1)
    assert (tmp_path / FEATURES).read_bytes() != before
    (tmp_path / FEATURES).write_bytes(b"damaged")
    compute(samples(dataset), tmp_path, seed=1)
    assert len(np.load(tmp_path / FEATURES)) == 21
