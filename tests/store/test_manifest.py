"""collection.json says what a collection is made of, and is believed only whole and unchanged."""

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from manifests import SHA256, full_manifest, rewrite

from i2v_search.errors import CollectionDamagedError, CollectionError, CollectionNotFoundError
from i2v_search.store import manifest as manifest_module
from i2v_search.store.manifest import Manifest


@pytest.mark.parametrize(
    "manifest",
    [full_manifest(), full_manifest(parts=(), tombstones=None, index=None)],
    ids=["full", "empty"],
)
def test_a_manifest_comes_back(tmp_path: Path, manifest: Manifest) -> None:
    manifest.save(tmp_path)
    assert Manifest.load(tmp_path) == manifest
    assert [path.name for path in tmp_path.iterdir()] == ["collection.json"]


def test_an_image_root_need_not_be_unicode(tmp_path: Path) -> None:
    manifest = full_manifest(image_root=os.fsdecode(b"/art/\xff\xe3"))
    manifest.save(tmp_path)
    assert Manifest.load(tmp_path) == manifest


def test_it_names_every_file_of_the_collection() -> None:
    assert full_manifest().file_names() == {
        "features-00000.h5",
        "tombstones-00001.npy",
        "removals-00002.jsonl",
        "search-00002.h5",
        "search-00002.faiss",
    }


@pytest.mark.parametrize("place", ["", "missing"])
def test_no_manifest_is_no_collection(tmp_path: Path, place: str) -> None:
    with pytest.raises(CollectionNotFoundError, match="build one with: i2v-search build"):
        Manifest.load(tmp_path / place)


@pytest.mark.parametrize(
    "content",
    [b"", b"{", b"null", b"[]", b'"x"', b"\xff", b"{}", b"[" * 100_000, b'{"a":' * 100_000, b"9" * 10_000],
    ids=["empty", "cut", "null", "list", "text", "binary", "nothing", "deep", "deeper", "long number"],
)
def test_what_is_no_manifest_is_damaged(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "collection.json").write_bytes(content)
    with pytest.raises(CollectionDamagedError, match=r"collection\.json.*restore it from a backup"):
        Manifest.load(tmp_path)


def test_a_hand_edited_manifest_is_refused(tmp_path: Path) -> None:
    full_manifest().save(tmp_path)
    path = tmp_path / "collection.json"
    path.write_text(path.read_text().replace('"next_id": 6', '"next_id": 5'))
    with pytest.raises(CollectionDamagedError, match="was changed outside i2v-search"):
        Manifest.load(tmp_path)


def test_reformatting_is_no_change(tmp_path: Path) -> None:
    full_manifest().save(tmp_path)
    path = tmp_path / "collection.json"
    document = json.loads(path.read_text())
    path.write_text(json.dumps(dict(reversed(document.items())), indent=4))
    assert Manifest.load(tmp_path) == full_manifest()


def test_a_newer_format_says_upgrade(tmp_path: Path) -> None:
    full_manifest().save(tmp_path)
    rewrite(tmp_path, lambda document: document.update(format=4, novelty={}))
    with pytest.raises(CollectionDamagedError, match=r"has format 4, .* supports up to 3; upgrade"):
        Manifest.load(tmp_path)


def set_part_name(name: Any) -> Callable[[dict[str, Any]], object]:
    return lambda document: document["parts"][0].update(name=name)


@pytest.mark.parametrize(
    "change",
    [
        *(
            set_part_name(name)
            for name in ["../features-00000.h5", "/etc/passwd", "a/b", "a\\b", "C:x", ".x", "", "a\n", 5]
        ),
        lambda document: document["parts"][0].update(rows=-1),
        lambda document: document["parts"][0].update(rows=2**63),
        lambda document: document["parts"][0].update(rows="5"),
        lambda document: document["parts"][0].update(sha256=SHA256.upper()),
        lambda document: document["tombstones"].update(name="../x"),
        lambda document: document["index"]["files"]["arrays"].update(name="../x"),
        lambda document: document["index"]["files"].update(other={"name": "x", "sha256": SHA256}),
        lambda document: document["index"].update(recall_at_10=2),
        lambda document: document["encoder"].update(dimension=0),
        lambda document: document["encoder"].update(dimension=2**40),
        lambda document: document.update(unknown=1),
        lambda document: document.update(similarity="pickle"),
        lambda document: document.update(image_root=5),
        lambda document: document.pop("image_root"),
        lambda document: document.update(format=0),
        lambda document: document.update(next_id=-1),
        lambda document: document["encoder"].update(id="\ud800"),
    ],
)  # fmt: skip
def test_a_forged_manifest_is_refused(tmp_path: Path, change: Callable[[dict[str, Any]], object]) -> None:
    full_manifest().save(tmp_path)
    rewrite(tmp_path, change)
    with pytest.raises(CollectionDamagedError, match=r"collection\.json is not valid at"):
        Manifest.load(tmp_path)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs named pipes")
def test_a_pipe_is_refused_and_does_not_block(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "collection.json")
    with pytest.raises(CollectionDamagedError, match="a named pipe, not a file"):
        Manifest.load(tmp_path)


@pytest.mark.skipif(not Path("/dev/zero").exists(), reason="needs an endless file")
def test_an_endless_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "collection.json").symlink_to("/dev/zero")
    with pytest.raises(CollectionDamagedError, match="a device, not a file"):
        Manifest.load(tmp_path)


def test_a_huge_file_is_refused(tmp_path: Path) -> None:
    with (tmp_path / "collection.json").open("wb") as file:
        file.truncate(manifest_module.MAX_BYTES + 1)
    with pytest.raises(CollectionDamagedError, match="refused"):
        Manifest.load(tmp_path)


@settings(max_examples=200)
@given(st.data())
def test_any_other_bytes_are_refused_or_mean_the_same(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    directory = tmp_path_factory.getbasetemp()
    path = directory / "collection.json"
    document = full_manifest().model_dump(mode="json")
    document["checksum"] = manifest_module._checksum(document)
    content = bytearray(json.dumps(document).encode())
    at = data.draw(st.integers(0, len(content) - 1))
    content[at] = data.draw(st.integers(0, 255))
    cut = data.draw(st.sampled_from([None, at]))
    path.write_bytes(content[:cut])
    try:
        assert Manifest.load(directory) == full_manifest()
    except CollectionError:
        pass
    finally:
        path.unlink()
