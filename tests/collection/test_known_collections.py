"""Collections that were opened before are remembered, whatever becomes of them or of the file."""

from pathlib import Path

import pytest

from i2v_search.collection.known_collections import KnownCollections
from i2v_search.store.manifest import FILE_NAME


def test_the_last_one_opened_is_first_and_what_is_said_of_it_stays(tmp_path: Path) -> None:
    known = KnownCollections(tmp_path / "config" / "collections.json")
    assert known.all() == ()
    (tmp_path / "art").mkdir()
    (tmp_path / "art" / FILE_NAME).touch()
    known.note(tmp_path / "art")
    known.set_watch(tmp_path / "art", True)
    known.note(tmp_path / "photos")
    known.note(tmp_path / "art" / ".." / "art")
    assert [(one.name, one.watch, one.is_there) for one in known.all()] == [
        ("art", True, True),
        ("photos", False, False),
    ]
    known.forget(tmp_path / "art")
    assert [one.name for one in known.all()] == ["photos"]
    assert (tmp_path / "art" / FILE_NAME).is_file()


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"[",
        b"[]",
        b"\xff",
        b"[" * 100_000,
        b'{"collections": 3}',
        b'{"collections": [{"directory": "art"}]}',
        b'{"collections": [{"directory": 3}]}',
        b'{"collections": [{"directory": "/a\\u0000"}]}',
    ],
)
def test_a_damaged_list_is_an_empty_one(tmp_path: Path, content: bytes) -> None:
    file = tmp_path / "collections.json"
    file.write_bytes(content)
    known = KnownCollections(file)
    assert known.all() == ()
    known.note(tmp_path / "art")
    assert [one.name for one in known.all()] == ["art"]
