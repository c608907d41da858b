"""Pictures of answers: every image is drawn, an unreadable one does not stop the rest."""

from __future__ import annotations

import shutil
from pathlib import Path

from i2v_search import Collection, morph_picture, sample_directory, search_picture


def test_a_sheet_shows_queries_and_hits_and_survives_a_lost_file(tmp_path: Path) -> None:
    art = tmp_path / "art"
    shutil.copytree(sample_directory() / "dinosaurs", art)
    collection = Collection.build(tmp_path / "c", [art])
    result = collection.search(0, top=4)
    whole = search_picture(collection, result, [0])
    (art / result.hits[0].path).unlink()
    damaged = search_picture(collection, result, [0])
    assert whole.size == damaged.size
    assert whole.tobytes() != damaged.tobytes()
    tile = damaged.width // 5
    assert damaged.getpixel((tile + tile // 2, damaged.height // 2)) == (211, 211, 211)


def test_a_strip_shows_ends_from_outside(tmp_path: Path) -> None:
    collection = Collection.build(tmp_path / "c", [sample_directory() / "dinosaurs"])
    outside = next((sample_directory() / "birds").glob("*.webp"))
    strip = morph_picture(collection, collection.morph(str(outside), 3, steps=2))
    assert strip.width > 3 * strip.height
