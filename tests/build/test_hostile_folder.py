"""A folder of hostile files never stops a build: each is read right, reported, or passed over."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from grids import GridEncoder
from hostile import Expected, make_hostile_folder

from i2v_search.collection.collection import Collection
from i2v_search.images.decoding import load_image


def test_every_hostile_file_is_read_or_reported(tmp_path: Path) -> None:
    folder = tmp_path / "hostile"
    folder.mkdir()
    expected = make_hostile_folder(folder)
    assert len(expected) >= 60
    collection = Collection.build(tmp_path / "c", [folder], encoder=GridEncoder())
    assert collection.report.extraction is not None
    read = set(map(collection.stored_path, collection.ids))
    reported = {item.path: item.reason for item in collection.report.extraction.skipped}
    assert not read & set(reported)
    for name, outcome in expected.items():
        _check(name, outcome, read, reported)
    for path in sorted(read)[:40]:
        content = collection.image_bytes(path)
        vector = GridEncoder().encode([GridEncoder().prepare(load_image(content, name=path))]).vectors[0]
        np.testing.assert_allclose(collection.vectors([path])[0], vector, rtol=2e-3, atol=0.5)
    assert collection.search(collection.ids[0], top=len(collection)).hits
    assert collection.verify() == ()


def _check(name: str, outcome: Expected, read: set[str], reported: dict[str, str]) -> None:
    if outcome.kind == "colour":
        assert name in read or _is_passed_over(name, reported), name
    elif outcome.kind == "reported":
        assert name not in read, name
        assert outcome.reason in reported.get(name, outcome.reason), name
    elif outcome.kind == "ignored":
        assert name not in read, name
        assert name not in reported, name


def _is_passed_over(name: str, reported: dict[str, str]) -> bool:
    """A walk considers names with an image's ending only; a link to a file already met is that file."""
    from i2v_search.images.formats import EXTENSIONS

    return Path(name).suffix.lower() not in EXTENSIONS or name.startswith(".")
