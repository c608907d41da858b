"""tags.jsonl gives images the tags that people wrote down."""

import json
import os
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from i2v_search import sidecar
from i2v_search.errors import SourceError
from i2v_search.sidecar import read_sidecars
from i2v_search.tags import MAX_TAGS, Tag


def write(folder: Path, *lines: Any) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    text = "\n".join(line if isinstance(line, str) else json.dumps(line) for line in lines)
    (folder / "tags.jsonl").write_text(text)
    return folder


def test_tags_belong_to_paths_below_their_folder(tmp_path: Path) -> None:
    write(
        tmp_path,
        {"path": "a.png", "tags": ["Long_Hair", " smile "], "title": "ignored"},
        "",
        {"path": "sub/絵.png", "tags": ["miku", "red"], "categories": {"miku": "character"}},
        {"path": "none.png"},
    )
    assert read_sidecars([tmp_path], tmp_path) == {
        "a.png": (Tag("long hair"), Tag("smile")),
        "sub/絵.png": (Tag("miku", 1.0, "character"), Tag("red")),
        "none.png": (),
    }


def test_several_folders_share_one_root(tmp_path: Path) -> None:
    root = tmp_path / "root"
    folders = [write(root / "a", {"path": "1.png", "tags": ["x"]}), root / "bare"]
    outside = write(tmp_path / "outside", {"path": "2.png", "tags": ["y"]})
    assert read_sidecars([*folders, outside], root) == {
        "a/1.png": (Tag("x"),),
        f"{outside.as_posix()}/2.png": (Tag("y"),),
    }


def test_the_last_line_about_an_image_counts(tmp_path: Path) -> None:
    write(tmp_path, {"path": "a", "tags": ["x"]}, {"path": "a", "tags": ["y", "Y", ""]})
    assert read_sidecars([tmp_path], tmp_path) == {"a": (Tag("y"),)}


@pytest.mark.parametrize(
    "line",
    [
        "{",
        "null",
        "5",
        "[]",
        '"path"',
        {"tags": ["x"]},
        {"path": 5},
        {"path": "a", "tags": "x"},
        {"path": "a", "tags": [5]},
        {"path": "a", "tags": [["x"]]},
        {"path": "a", "tags": ["x"], "categories": []},
        {"path": "a", "tags": ["x"], "categories": {"x": "colour"}},
        {"path": "a", "tags": ["x"], "categories": {"x": []}},
        {"path": "a", "tags": ["\ud800"]},
        {"path": "a", "tags": ["x"] * (MAX_TAGS + 1)},
        "[" * 100_000,
        '{"path": "' + "a" * sidecar.MAX_LINE + '"}',
    ],
    ids=range(17),
)
def test_a_line_that_is_not_valid_is_named(tmp_path: Path, line: Any) -> None:
    write(tmp_path, {"path": "a", "tags": ["x"]}, line)
    with pytest.raises(SourceError, match=r"tags\.jsonl, line 2: ") as caught:
        read_sidecars([tmp_path], tmp_path)
    assert len(str(caught.value)) < 500


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root may read everything")
def test_an_unreadable_file_is_named(tmp_path: Path) -> None:
    (write(tmp_path, {"path": "a"}) / "tags.jsonl").chmod(0)
    with pytest.raises(SourceError, match=r"tags\.jsonl cannot be read"):
        read_sidecars([tmp_path], tmp_path)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs named pipes")
def test_a_pipe_is_not_read(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "tags.jsonl")
    assert read_sidecars([tmp_path], tmp_path) == {}


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters()),
    lambda children: st.lists(children, max_size=3) | st.dictionaries(st.text(), children, max_size=3),
)
keys = st.sampled_from(["path", "tags", "categories", "other"])
bad_lines = st.binary() | st.dictionaries(keys, json_values).map(lambda value: json.dumps(value).encode())


@settings(max_examples=200, deadline=None)
@given(bad_lines)
def test_any_line_is_read_or_refused(tmp_path_factory: pytest.TempPathFactory, line: bytes) -> None:
    folder = tmp_path_factory.getbasetemp()
    (folder / "tags.jsonl").write_bytes(line)
    try:
        for tags in read_sidecars([folder], folder).values():
            for tag in tags:
                assert tag.name.encode()
                assert tag.probability == 1
    except SourceError:
        pass
    finally:
        (folder / "tags.jsonl").unlink()
