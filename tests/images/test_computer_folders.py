"""Folders of this computer as a person chooses one, whatever lies in them and however much."""

import itertools
import os
import sys
from pathlib import Path

import pytest

from i2v_search.errors import QueryError, SourceError
from i2v_search.images.computer_folders import count_pictures, key_of, list_folder, path_of, usual_places


def test_the_folders_of_a_folder_are_named_in_order_and_hidden_ones_are_not(tmp_path: Path) -> None:
    for name in ("ink", "Archive", ".git", "ゆき"):
        (tmp_path / name).mkdir()
    (tmp_path / "secret.txt").write_text("nobody is told of this file")
    found = list_folder(tmp_path)
    assert [folder.name for folder in found.folders] == ["Archive", "ink", "ゆき"]
    assert [path_of(folder.key) for folder in found.folders] == [
        tmp_path / "Archive",
        tmp_path / "ink",
        tmp_path / "ゆき",
    ]
    assert path_of(found.above[-1].key) == tmp_path.parent
    assert found.above[0].name == "/"
    assert not found.more


@pytest.mark.skipif(sys.platform != "linux", reason="file names are Unicode here")
def test_a_folder_whose_name_is_no_utf8_can_be_gone_into(tmp_path: Path) -> None:
    folder = Path(os.fsdecode(os.fsencode(tmp_path) + b"/caf\xe9"))
    (folder / "menu").mkdir(parents=True)
    (entry,) = list_folder(tmp_path).folders
    assert entry.name == r"caf\xe9"
    assert [inner.name for inner in list_folder(path_of(entry.key)).folders] == ["menu"]


@pytest.mark.parametrize(
    "key", ["", "art", "./art", "/art/../etc", "/art/%2e%2e/etc", "/art%00", "/" + "a" * 20_000]
)
def test_a_key_that_is_no_whole_path_is_refused(key: str) -> None:
    with pytest.raises(QueryError):
        path_of(key)


@pytest.mark.parametrize("name", ["100% art", "a?b#c", "/ü 猫/", "%2e%2e"])
def test_a_key_names_the_path_it_was_made_of(name: str) -> None:
    assert path_of(key_of(Path("/art") / name.strip("/"))) == Path("/art") / name.strip("/")


def test_what_is_no_folder_is_an_error_that_says_so(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    for path in (tmp_path / "gone", tmp_path / "file"):
        for look in (list_folder, count_pictures):
            with pytest.raises(SourceError, match="cannot be opened"):
                look(path)


def test_links_in_a_circle_end(tmp_path: Path) -> None:
    (tmp_path / "art").mkdir()
    (tmp_path / "art" / "a.png").touch()
    (tmp_path / "art" / "again").symlink_to(tmp_path)
    (tmp_path / "self").symlink_to("self")
    assert [folder.name for folder in list_folder(tmp_path).folders] == ["art"]
    assert count_pictures(tmp_path).pictures == 1


def test_a_huge_folder_costs_what_is_looked_at_and_says_that_there_is_more(tmp_path: Path) -> None:
    for number in range(12):
        (tmp_path / f"{number:02}").mkdir()
        (tmp_path / f"{number:02}.png").touch()
    found = list_folder(tmp_path, most=10)
    assert found.more
    assert len(found.folders) <= 10
    ticks = itertools.count()
    counted = count_pictures(tmp_path, seconds=7, clock=lambda: float(next(ticks)))
    assert (counted.complete, counted.pictures <= 7) == (False, True)
    assert count_pictures(tmp_path).pictures == 12


def test_folders_of_thumbnails_do_not_count(tmp_path: Path) -> None:
    for name in ("a.png", ".hidden.png", "@eaDir/b.png", "notes.txt", "deep/er/c.JPG"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    assert count_pictures(tmp_path).pictures == 2


def test_people_begin_in_folders_of_their_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Path, "home", lambda: tmp_path)
    (tmp_path / "Pictures").mkdir()
    places = usual_places()
    assert [(place.name, place.kind) for place in places[:2]] == [
        ("Pictures", "folder"),
        (tmp_path.name, "home"),
    ]
    assert "computer" in {place.kind for place in places}
