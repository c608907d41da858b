"""Collections that have been used for a while, with dead rows in several small parts."""

import json
import os
import shutil
from pathlib import Path

from folders import UNNAMED
from grids import GridEncoder, draw, draw_folder, touch

from i2v_search import Collection
from i2v_search.store.feature_store import FeatureStore
from i2v_search.store.manifest import Manifest

#: Scores of the nearest, by the id that was asked for.
Answers = dict[int, list[tuple[int, float]]]


def wear(directory: Path, images: Path, count: int = 26) -> Path:
    """Build a collection of small pictures, then remove, touch, change, move and add some of them.

    Parts must be tiny (`small_build.make_parts_tiny`).
    """
    draw_folder(images, count)
    draw_folder(images / "sub", 3, first=500)
    tags = [
        {"path": f"{number:04d}.png", "tags": [f"tag {number % 4}", "drawn"]} for number in range(0, count, 2)
    ]
    (images / "tags.jsonl").write_text("".join(f"{json.dumps(line)}\n" for line in tags))
    Collection.build(directory, [images], encoder=GridEncoder())
    for number in (1, 2, 7):
        (images / f"{number:04d}.png").unlink()
    (images / "0009.png").rename(images / "sub" / "moved.png")
    draw(images / "0010.png", 10_010)
    touch(images / "0012.png")
    (images / "0014.png").rename(images / os.fsdecode(b"\xff.png"))
    draw_folder(images, 3, first=count)
    worn = Collection.build(directory, [images], encoder=GridEncoder())
    worn.remove(["0020.png"])
    worn = Collection.open(directory)
    assert worn.store.rows > len(worn) + 5
    assert len(worn.store.parts) > 3
    return directory


def copy_of(directory: Path, target: Path) -> Path:
    """A fresh copy of a collection at `target`."""
    shutil.rmtree(target, ignore_errors=True)
    return shutil.copytree(directory, target)


def answers(directory: Path, top: int = 4) -> Answers:
    """What every image of a collection finds."""
    collection = Collection.open(directory)
    return {
        image: [(hit.id, round(hit.score, 5)) for hit in collection.search(image, top=top).hits]
        for image in collection.ids
    }


def assert_clean(directory: Path) -> None:
    """Every checksum holds, and no file is there that does not belong."""
    assert Collection.open(directory).verify() == ()
    assert {path.name for path in directory.iterdir()} - UNNAMED == Manifest.load(directory).file_names()


def dead_rows(directory: Path) -> int:
    """How many rows only take space."""
    store = FeatureStore(directory)
    return store.rows - len(store)


def files_of(directory: Path) -> dict[str, bytes]:
    """Every file of a collection, but for the lock."""
    return {path.name: path.read_bytes() for path in directory.iterdir() if path.name != "writer.lock"}
