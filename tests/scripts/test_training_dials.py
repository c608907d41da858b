"""What is learned of subject and style from drawings of the same things by several vendors."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageDraw

from i2v_search.encoders.lite import LiteEncoder
from i2v_search.encoders.lite_dials import DIALS, LiteDials
from i2v_search.encoders.lite_head import DIMENSION
from i2v_search.index.similarity import unit
from i2v_search.training.datasets.dataset import read_dataset
from scripts.lite.dials import DialsRecipe, learn_dials
from scripts.lite.train_dials import REPORT, first_pictures, train_dials

RECIPE = DialsRecipe(components=40, directions=24)


@pytest.fixture(scope="module")
def drawn() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """40 things by 12 vendors: 20 axes of things, 6 louder ones of vendors, 4 of chance, and noise."""
    random = np.random.default_rng(0)
    things, vendors = random.normal(size=(40, 20)), 3 * random.normal(size=(12, 6))
    of_thing, of_vendor = (axis.ravel() for axis in np.mgrid[:40, :12])
    rows = 0.05 * random.normal(size=(480, DIMENSION))
    rows[:, :20] += things[of_thing]
    rows[:, 20:26] += vendors[of_vendor]
    rows[:, 26:30] += 2 * random.normal(size=(480, 4))
    names = np.char.add("v", of_vendor.astype(str)), np.char.add("t", of_thing.astype(str))
    return unit(rows.astype(np.float32)), *names


def share_right(rows: np.ndarray, queries: np.ndarray, names: np.ndarray, others: np.ndarray) -> float:
    """How often the best row that is another in `others` bears the same name."""
    scores = np.where(others[:, None] != others, queries @ rows.T, -np.inf)
    return float((names[scores.argmax(axis=1)] == names).mean())


def test_dials_find_things_of_other_vendors_and_vendors_of_other_things(
    drawn: tuple[np.ndarray, np.ndarray, np.ndarray],
) -> None:
    rows, vendors, things = drawn
    known = np.isin(vendors, ["v0", "v1", "v2", "v3", "v4", "v5", "v6", "v7"])
    learned = learn_dials(rows[known], vendors[known], things[known], RECIPE, encoder_sha256="ab" * 32)
    assert learned.encoder_sha256 == "ab" * 32
    rows, vendors, things = rows[~known], vendors[~known], things[~known]
    by_subject, by_style = (
        learned.turned(rows, subject=subject, style=style) for subject, style in ((1, 0), (0, 1))
    )
    assert share_right(rows, by_subject, things, vendors) > share_right(rows, rows, things, vendors) + 0.1
    assert share_right(rows, by_subject, things, vendors) > 0.9
    assert share_right(rows, by_style, vendors, things) > 0.9


def test_the_directions_of_style_are_those_that_differ_within_a_thing(
    drawn: tuple[np.ndarray, np.ndarray, np.ndarray],
) -> None:
    learned = learn_dials(*drawn, RECIPE, encoder_sha256="ab" * 32)
    strongest = (learned.style_basis * learned.style_scales[:, None])[:6]
    assert (np.linalg.norm(strongest[:, 20:30], axis=1) > 0.9).all()
    assert learned.style_damping.max() < 1


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Six shapes by two vendors, one of which draws in outline."""
    folder = tmp_path_factory.mktemp("dials") / "shapes"
    lines = []
    for vendor, style in (("filled", {"fill": "teal"}), ("lines", {"outline": "black"})):
        (folder / vendor).mkdir(parents=True)
        for sides in range(3, 9):
            picture = Image.new("RGB", (64, 64), "white")
            ImageDraw.Draw(picture).regular_polygon((32, 32, 24), sides, **style)  # type: ignore[arg-type]
            picture.save(folder / vendor / f"{sides}.png")
            lines.append({"path": f"{vendor}/{sides}.png", "tags": [], "group": str(sides)})
    (folder / "tags.jsonl").write_text("".join(f"{json.dumps(line)}\n" for line in lines))
    return folder


def test_the_first_pictures_of_each_vendor_do_not_depend_on_the_others(dataset: Path) -> None:
    read = read_dataset(dataset)
    few = first_pictures(read, 3)
    assert [picture.path.split("/")[0] for picture in few] == ["filled"] * 3 + ["lines"] * 3
    fewer = [one for one in read.pictures if one in few or one.path.startswith("lines")]
    assert first_pictures(replace(read, pictures=tuple(fewer)), 3) == few


def test_two_runs_write_the_same_bytes(dataset: Path, tmp_path: Path) -> None:
    encoder, written = LiteEncoder(), []
    for name in ("first", "second"):
        (folder := tmp_path / name).mkdir()
        document = train_dials(dataset, [dataset], folder, encoder, RECIPE, cache=tmp_path / name / "cache")
        written.append([(folder / file).read_bytes() for file in (DIALS, REPORT)])
    assert written[0] == written[1]
    assert document["sets"]["shapes"]["vendors"] == 2  # type: ignore[index]
    assert LiteDials.load(tmp_path / "first").encoder_sha256 == encoder.info.weights_sha256
