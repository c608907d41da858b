"""tags.jsonl gives images the tags that people wrote down."""

import json
import os
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from i2v_search.errors import SourceError
from i2v_search.images.metadata.annotations import MAX_LINE
from i2v_search.images.sidecar import Sidecars
from i2v_search.images.unread import NotRead, Tally
from i2v_search.tags.vocabulary import MAX_TAGS, Tag


def write(folder: Path, *lines: Any) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    text = "\n".join(line if isinstance(line, str) else json.dumps(line) for line in lines)
    (folder / "tags.jsonl").write_text(text)
    return folder


def tags_of(folder: Path, *paths: str) -> dict[str, tuple[Tag, ...]]:
    sidecars = Sidecars(folder, [folder])
    return {path: sidecars.of(path) for path in paths}


def test_tags_belong_to_paths_below_their_folder(tmp_path: Path) -> None:
    write(
        tmp_path,
        {"path": "a.png", "tags": ["Long_Hair", " smile "], "title": "ignored"},
        "",
        {"path": "sub/絵.png", "tags": ["miku", "red"], "categories": {"miku": "character"}},
        {"path": "none.png"},
    )
    assert tags_of(tmp_path, "a.png", "sub/絵.png", "none.png", "other.png") == {
        "a.png": (Tag("long hair"), Tag("smile")),
        "sub/絵.png": (Tag("miku", 1.0, "character"), Tag("red")),
        "none.png": (),
        "other.png": (),
    }


def test_several_folders_share_one_root(tmp_path: Path) -> None:
    root = tmp_path / "root"
    folders = [write(root / "a", {"path": "1.png", "tags": ["x"]}), root / "bare"]
    outside = write(tmp_path / "outside", {"path": "2.png", "tags": ["y"]})
    sidecars = Sidecars(root, [*folders, outside])
    assert sidecars.of("a/1.png") == (Tag("x"),)
    assert sidecars.of(f"{outside.as_posix()}/2.png") == (Tag("y"),)


def test_the_nearest_file_with_a_line_about_an_image_counts(tmp_path: Path) -> None:
    write(tmp_path, *({"path": f"sub/{name}.png", "tags": ["above"]} for name in "abc"))
    write(tmp_path / "sub", {"path": "b.png", "tags": ["near"]}, {"path": "deep/d.png", "tags": ["near"]})
    write(tmp_path / "sub/deep", {"path": "d.png", "tags": ["nearest"]})
    found = tags_of(tmp_path, "sub/a.png", "sub/b.png", "sub/deep/d.png")
    assert [[tag.name for tag in tags] for tags in found.values()] == [["above"], ["near"], ["nearest"]]


def test_nothing_above_the_named_folder_is_read(tmp_path: Path) -> None:
    write(tmp_path, {"path": "art/a.png", "tags": ["x"]})
    (tmp_path / "art").mkdir()
    assert tags_of(tmp_path / "art", "a.png") == {"a.png": ()}


@pytest.mark.parametrize(
    ("written", "path"),
    [
        ("./a.png", "a.png"),
        ("sub\\a.png", "sub/a.png"),
        (".\\sub\\\\a.png", "sub/a.png"),
        ("e\u0301.png", "\u00e9.png"),
        ("\u00e9.png", "e\u0301.png"),
        ("\u30ab\u3099.png", "\u30ac.png"),
    ],
)
def test_a_path_is_found_however_it_is_spelled(tmp_path: Path, written: str, path: str) -> None:
    write(tmp_path, {"path": written, "tags": ["x"]})
    assert tags_of(tmp_path, path) == {path: (Tag("x"),)}


def test_of_two_files_that_are_spelled_alike_each_has_its_own_line(tmp_path: Path) -> None:
    write(tmp_path, {"path": "\u00e9", "tags": ["one"]}, {"path": "e\u0301", "tags": ["two"]})
    assert tags_of(tmp_path, "\u00e9", "e\u0301") == {"\u00e9": (Tag("one"),), "e\u0301": (Tag("two"),)}


def test_lines_about_no_file_are_counted(tmp_path: Path) -> None:
    write(tmp_path, *({"path": path} for path in ("a.png", "b.png", "c.heic", "sub/d.png", "art.zip!/e.png")))
    write(tmp_path / "sub", {"path": "f.png"}, {"path": "d.png"})
    for name in ("a.png", "c.heic", "sub/d.png", "art.zip"):
        (tmp_path / name).touch()
    tally = Tally()
    sidecars = Sidecars(tmp_path, [tmp_path], tally=tally)
    for path in ("a.png", "sub/d.png"):
        sidecars.of(path)
    sidecars.count_unmatched(lambda path: True)
    assert tally.counted() == (
        NotRead("lines of sub/tags.jsonl", 1, "file 'f.png' does not exist"),
        NotRead("lines of tags.jsonl", 1, "file 'b.png' does not exist"),
    )
    others = Tally()
    Sidecars(tmp_path, [tmp_path], tally=others).count_unmatched(lambda path: path != "b.png")
    assert others.counted() == ()


@pytest.mark.parametrize(
    "written", ["\u00e9/\u00e9.png", "e\u0301/e\u0301.png", "./e\u0301//\u00e9.png", "\u00e9\\e\u0301.png"]
)
@pytest.mark.parametrize("there", ["\u00e9", "e\u0301"])
def test_a_line_about_a_file_that_was_not_looked_at_is_not_counted(
    tmp_path: Path, written: str, there: str
) -> None:
    """As where one image is added, or a folder left out: the file is there, however the line spells it."""
    write(tmp_path, {"path": written}, {"path": written.replace("png", "gif")})
    (tmp_path / there).mkdir()
    (tmp_path / there / f"{there}.png").touch()
    tally = Tally()
    Sidecars(tmp_path, [tmp_path], tally=tally).count_unmatched(lambda path: True)
    (found,) = tally.counted()
    assert (found.kind, found.count) == ("lines of tags.jsonl", 1)
    assert ".gif" in found.help


def test_captions_come_on_top(tmp_path: Path) -> None:
    write(tmp_path, {"path": "a.png", "tags": ["miku", "x"], "categories": {"miku": "character"}})
    for name in ("a.png", "b.jpg", "b.png"):
        (tmp_path / name).touch()
    (tmp_path / "a.txt").write_text("miku, smile")
    (tmp_path / "b.txt").write_text("shared")
    (tmp_path / "b.png.txt").write_text("own")
    (tmp_path / "c.txt").write_text("nobody's")
    found = tags_of(tmp_path, "a.png", "b.jpg", "b.png")
    assert found["a.png"] == (Tag("miku", 1.0, "character"), Tag("x"), Tag("smile"))
    assert [tag.name for tag in found["b.jpg"]] == ["shared"]
    assert [tag.name for tag in found["b.png"]] == ["shared", "own"]


def test_captions_can_be_left_out(tmp_path: Path) -> None:
    for folder in ("", "sub", "sub/deep"):
        (tmp_path / folder).mkdir(exist_ok=True)
        (tmp_path / folder / "a.png").touch()
        (tmp_path / folder / "a.txt").write_text("x")
    (tmp_path / "sub/.i2vignore").write_text("*.txt")
    assert list(tags_of(tmp_path, "a.png", "sub/a.png", "sub/deep/a.png").values()) == [(Tag("x"),), (), ()]
    assert Sidecars(tmp_path, [tmp_path], exclude=["*.txt"]).of("a.png") == ()


def test_captions_without_tags_are_counted(tmp_path: Path) -> None:
    for name, content in (
        ("a", b"\xff\x00\x81"),
        ("b", b"A cat sleeps on the sofa."),
        ("c", b""),
        ("d", b"x"),
    ):
        (tmp_path / f"{name}.png").touch()
        (tmp_path / f"{name}.txt").write_bytes(content)
    tally = Tally()
    sidecars = Sidecars(tmp_path, [tmp_path], tally=tally)
    assert [bool(sidecars.of(f"{name}.png")) for name in "abcd"] == [False, False, False, True]
    assert {(item.kind, item.count, item.help[:9]) for item in tally.counted()} == {
        ("captions", 1, "not UTF-8"),
        ("captions", 1, "sentences"),
    }


def test_the_last_line_about_an_image_counts(tmp_path: Path) -> None:
    write(tmp_path, {"path": "a", "tags": ["x"]}, {"path": "a", "tags": ["y", "Y", ""]})
    assert tags_of(tmp_path, "a") == {"a": (Tag("y"),)}


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
        '{"path": "' + "a" * MAX_LINE + '"}',
    ],
    ids=range(17),
)
def test_a_line_that_is_not_valid_is_named(tmp_path: Path, line: Any) -> None:
    write(tmp_path, {"path": "a", "tags": ["x"]}, line)
    with pytest.raises(SourceError, match=r"tags\.jsonl, line 2: ") as caught:
        Sidecars(tmp_path, [tmp_path], strict=True)
    assert len(str(caught.value)) < 500
    tally = Tally()
    lenient = Sidecars(tmp_path, [tmp_path], tally=tally)
    assert lenient.of("a") == (Tag("x"),)
    lenient.count_unmatched(lambda path: False)
    (found,) = tally.counted()
    assert found.kind == "lines of tags.jsonl"
    assert found.help.startswith("not valid: line 2: ")


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root may read everything")
def test_an_unreadable_file_is_named(tmp_path: Path) -> None:
    (write(tmp_path, {"path": "a"}) / "tags.jsonl").chmod(0)
    with pytest.raises(SourceError, match=r"tags\.jsonl cannot be read"):
        Sidecars(tmp_path, [tmp_path])


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs named pipes")
def test_a_pipe_is_not_read(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "tags.jsonl")
    assert tags_of(tmp_path, "a.png") == {"a.png": ()}


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters()),
    lambda children: st.lists(children, max_size=3) | st.dictionaries(st.text(), children, max_size=3),
)
keys = st.sampled_from(["path", "tags", "categories", "other"])
bad_lines = st.binary() | st.dictionaries(keys, json_values).map(lambda value: json.dumps(value).encode())


@pytest.mark.integration
@settings(max_examples=200)
@given(bad_lines)
def test_any_line_is_read_or_refused(tmp_path_factory: pytest.TempPathFactory, line: bytes) -> None:
    folder = tmp_path_factory.getbasetemp()
    (folder / "tags.jsonl").write_bytes(line)
    try:
        for tag in Sidecars(folder, [folder]).of("a.png"):
            assert tag.name.encode()
            assert tag.probability == 1
    except SourceError:
        pass
    finally:
        (folder / "tags.jsonl").unlink()
