"""Pictures of morphs: strips of any length, walks among neighbours, lost files, colours."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from i2v_search import Collection, Morph, colour_order, morph_map_picture, morph_picture, sample_directory
from i2v_search.errors import QueryError
from i2v_search.morph.plane import flatten
from i2v_search.pictures.colours import colour_histogram

GREY = (205, 208, 214)


@pytest.fixture(scope="module")
def art(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Some drawings of the sample."""
    folder = tmp_path_factory.mktemp("art") / "art"
    for name in ("dinosaurs", "birds"):
        shutil.copytree(sample_directory() / name, folder / name)
    shutil.copy(sample_directory() / "tags.jsonl", folder)
    return folder


@pytest.fixture(scope="module")
def collection(art: Path) -> Collection:
    """A collection of them."""
    return Collection.build(art.parent / "c", [art])


@pytest.fixture(scope="module")
def outside() -> str:
    """A picture that the collection does not hold."""
    return str(sorted((sample_directory() / "flowers").glob("*.webp"))[0])


def share(picture: Image.Image, colour: tuple[int, int, int]) -> float:
    return float((np.asarray(picture) == colour).all(axis=2).mean())


@pytest.mark.parametrize("steps", [0, 1, 4, 20])
def test_strips_and_maps_of_any_length_are_drawn(collection: Collection, steps: int) -> None:
    morph = collection.morph(0, 30, steps=steps)
    strip = morph_picture(collection, morph)
    assert strip.mode == "RGB"
    assert (strip.height < 400) == (steps < 7)
    assert strip.width < 2700
    drawn = collection.morph_map(morph)
    assert drawn.coordinates.shape == (steps + 2 + len(drawn.ids), 2)
    assert not {stop.id for stop in morph.stops} & set(drawn.ids)
    assert len(set(drawn.ids)) == len(drawn.ids)
    assert morph_map_picture(collection, drawn, pixels=900).width <= 900


def test_ends_from_outside_are_drawn(collection: Collection, outside: str) -> None:
    morph = collection.morph(outside, 3, steps=2)
    assert share(morph_picture(collection, morph), GREY) == 0
    assert morph_map_picture(collection, collection.morph_map(morph)).width > 600


def test_a_lost_file_is_a_grey_tile(art: Path, collection: Collection, tmp_path: Path) -> None:
    morph = collection.morph(0, 30, steps=2)
    lost = art / morph.stops[1].path
    kept = shutil.move(lost, tmp_path / lost.name)
    try:
        assert share(morph_picture(collection, morph), GREY) == pytest.approx(0.13, abs=0.03)
        picture = morph_map_picture(collection, collection.morph_map(morph))
        assert share(picture, GREY) > 0.01
        assert colour_order(collection, morph) is None
    finally:
        shutil.move(kept, lost)


def test_an_end_that_was_an_image_in_memory_is_a_grey_tile(collection: Collection) -> None:
    morph = collection.morph(Image.new("RGB", (90, 60), "red"), 3, steps=1)
    assert share(morph_picture(collection, morph), GREY) > 0.1
    with pytest.raises(QueryError, match="not an id, a path"):
        collection.morph_map(morph)


def test_neighbours_are_the_nearest_and_keep_to_the_filters(collection: Collection) -> None:
    morph = collection.morph(0, 30, steps=1)
    drawn = collection.morph_map(morph, neighbours=2)
    own = {stop.id for stop in morph.stops}
    expected = set()
    for stop in morph.stops:
        assert stop.id is not None
        hits = [hit.id for hit in collection.search(stop.id, top=9).hits if hit.id not in own]
        expected |= set(hits[:2])
    assert set(drawn.ids) == expected
    birds = collection.morph_map(morph, paths="birds/*", exclude=[drawn.ids[0]])
    assert all(collection.stored_path(number).startswith("birds/") for number in birds.ids)
    assert drawn.ids[0] not in birds.ids
    assert collection.morph_map(morph, neighbours=0).ids == ()


def test_the_plane_shows_the_way_across_and_the_principal_rest_down() -> None:
    random = np.random.default_rng(0)
    points = random.standard_normal((6, 9)).astype(np.float32)
    flat, shown = flatten(points, points[:0])
    way = (points[-1] - points[0]).astype(np.float64)
    across = (points - points[0]) @ way / (way @ way)
    assert flat[:, 0] == pytest.approx(across, abs=1e-5)
    left = (points - points[0]) - across[:, None] * way
    _, values, _ = np.linalg.svd(left)
    assert np.linalg.norm(flat[:, 1]) * np.linalg.norm(way) == pytest.approx(values[0], rel=1e-5)
    assert flat[[0, -1], 1] == pytest.approx(0, abs=1e-5)
    assert 0 < shown < 1
    plane = np.pad(random.standard_normal((5, 2)), ((0, 0), (0, 4))).astype(np.float32)
    assert flatten(plane, plane[:0])[1] == pytest.approx(1, abs=1e-5)


def test_colours_that_turn_from_a_to_b_are_in_order(tmp_path: Path) -> None:
    folder = tmp_path / "art"
    folder.mkdir()
    for number in range(6):
        picture = Image.new("RGB", (100, 40), "red")
        picture.paste("blue", (0, 0, 20 * number, 40))
        picture.save(folder / f"{number}.png")
    collection = Collection.build(tmp_path / "c", [folder])
    stops = collection.morph(0, 5, steps=4, method="line")
    by_id = {stop.id: stop for stop in stops.stops}

    def in_order(*ids: int) -> Morph:
        return Morph(tuple(by_id[number] for number in ids), "line", stops.quality, 0, 0.0)

    assert colour_order(collection, in_order(0, 1, 2, 3, 4, 5)) == 1
    assert colour_order(collection, in_order(0, 4, 3, 2, 1, 5)) == -1
    assert colour_order(collection, in_order(0, 2, 4, 5)) is None


def test_colour_histograms_are_those_of_scikit_image() -> None:
    import skimage.color

    random = np.random.default_rng(0)
    pixels = random.integers(0, 256, (64, 64, 3), dtype=np.uint8)
    lab = skimage.color.rgb2lab(pixels).reshape(-1, 3)
    edges = ([-1e9, 25, 50, 75, 1e9], *[[-1e9, -36, -12, 12, 36, 1e9]] * 2)
    expected, _ = np.histogramdd(lab, edges)
    found = colour_histogram(Image.fromarray(pixels))
    assert np.abs(found - expected.ravel() / 4096).sum() < 0.002
