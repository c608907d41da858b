"""Pictures of images whose files are gone: written as far as they go, and nobody is misled about it."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from grids import GridEncoder, draw, draw_folder
from PIL import Image
from typer.testing import CliRunner, Result

from i2v_search.cli.main import app
from i2v_search.collection.collection import Collection
from i2v_search.images.sources import Skipped
from i2v_search.pictures.contact_sheets import duplicates_picture

GREY = (205, 208, 214)
Run = Callable[..., Result]


@pytest.fixture
def art(tmp_path: Path, loaded: list[GridEncoder], monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of pictures, two of them the same, and a collection of it in the default place."""
    monkeypatch.chdir(tmp_path)
    art = draw_folder(tmp_path / "art", 8)
    draw(art / "twin.png", 0, size=(12, 8))
    Collection.build(tmp_path / "index" / "default", [art], encoder="grid")
    return art


def run(*arguments: str) -> Result:
    return CliRunner().invoke(app, [*arguments])


PICTURES = [
    ("search", "1", "-k", "20", "--sheet", "out.png"),
    ("search", "1", "2", "--each", "-k", "20", "--sheet", "out.png"),
    ("morph", "1", "5", "--steps", "1", "--strip", "out.png"),
    ("morph", "1", "5", "--steps", "1", "--animation", "out.webp"),
    ("morph", "1", "5", "--steps", "1", "--map", "out.png"),
    ("map", "--method", "pca", "--out", "out.png"),
    ("map", "--method", "pca", "--out", "out.html"),
]


@pytest.mark.parametrize("command", PICTURES, ids=lambda command: f"{command[0]} {command[-2]} {command[-1]}")
def test_what_a_picture_lacks_is_said_and_the_exit_code_is_1(command: tuple[str, ...], art: Path) -> None:
    whole = run(*command)
    assert (whole.exit_code, whole.stderr) == (0, "")
    out = Path(command[-1])
    out.unlink()
    (art / "0000.png").write_bytes(b"overwritten by something that is no picture")
    for gone in ("0001.png", "0005.png"):
        (art / gone).unlink()
    lacking = run(*command)
    assert lacking.exit_code == 1
    assert out.stat().st_size > 0
    assert "drawn as grey squares:" in lacking.stderr
    assert "0000.png: " in lacking.stderr or "0001.png: " in lacking.stderr
    assert lacking.stderr.count("0001.png: ") <= 1
    assert f"i2v-search relocate {art} NEW --collection index/default" in lacking.stderr
    assert "relocate" not in lacking.stdout


def test_json_and_paths_stay_whole_where_a_picture_is_not(art: Path) -> None:
    (art / "0002.png").unlink()
    done = run("search", "1", "-k", "20", "--sheet", "out.png", "--json")
    assert (done.exit_code, len(json.loads(done.stdout)["hits"])) == (1, 7)
    done = run("search", "1", "-k", "20", "--sheet", "out.png", "-f", "--copies")
    assert (done.exit_code, len(done.stdout.splitlines())) == (1, 8)


def test_a_folder_that_is_away_is_counted_and_comes_back(art: Path, tmp_path: Path) -> None:
    art.rename(tmp_path / "unplugged")
    done = run("map", "--method", "pca", "--out", "map.png")
    assert (done.exit_code, "9 drawn as grey squares" in done.stderr) == (1, True)
    with Image.open("map.png") as picture:
        assert picture.mode == "RGB"
        assert {colour for _, colour in picture.getcolors(2**24) or []} >= {GREY, (255, 255, 255)}
    assert run("relocate", str(art), str(tmp_path / "unplugged")).exit_code == 0
    assert run("map", "--method", "pca", "--out", "map.png").exit_code == 0


def test_a_sheet_of_duplicates_tells_of_a_copy_that_went_away_meanwhile(art: Path) -> None:
    collection = Collection.open("index/default")
    found = collection.duplicates(kind="exact")
    (art / "twin.png").unlink()
    told: list[Skipped] = []
    duplicates_picture(collection, found, on_missing=told.append)
    assert [item.path for item in told] == ["twin.png"]
    assert "twin.png" not in told[0].reason


def test_no_picture_no_complaint(art: Path) -> None:
    (art / "0002.png").unlink()
    done = run("search", "1", "-k", "20")
    assert (done.exit_code, done.stderr) == (0, "")
